//! Clients in other languages, which know nothing of this workspace: pika and amqplib.

use std::process::Command;
use std::time::Duration;
use warren_tests::program::Program;
use warren_tests::{Broker, places};

/// The programs do some dozens of small things each.
const LIMIT: Duration = Duration::from_secs(120);

fn program(folder: &str, interpreter: Command, file: &str, broker: &Broker) -> String {
    let mut command = interpreter;
    let path = places::workspace().join("tests/clients").join(folder).join(file);
    let (host, port) = broker.amqp_address().rsplit_once(':').expect("host:port");
    Program::start(command.arg(path).args([host, port])).finish(LIMIT)
}

fn python() -> Command {
    let mut command = Command::new(places::installed("WARREN_PYTHON"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", places::installed("WARREN_NODE_PATH"));
    command
}

#[test]
fn pika_declares_publishes_consumes_and_closes() {
    let broker = Broker::start();
    let printed = program("python", python(), "interop.py", &broker);
    assert!(printed.ends_with("ok: close"), "{printed}");
}

#[test]
fn amqplib_declares_publishes_consumes_and_closes() {
    let broker = Broker::start();
    let printed = program("node", node(), "interop.js", &broker);
    assert!(printed.ends_with("ok: close"), "{printed}");
}

#[test]
fn replies_to_mistakes_are_those_that_clients_know() {
    let broker = Broker::start();
    let printed = program("python", python(), "replies.py", &broker);
    assert!(printed.ends_with("replies as expected"), "{printed}");
}

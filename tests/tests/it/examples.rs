//! The tutorials' programs do what the tutorials promise.

use std::process::Command;
use std::time::Duration;
use warren_tests::program::Program;
use warren_tests::{Broker, places};

const LIMIT: Duration = Duration::from_secs(30);
const READY: &str = "waiting for messages";

fn command(broker: &Broker, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(places::built_program(name));
    command.args(arguments).env("AMQP_URL", broker.uri());
    command
}

/// Runs a program to its end and gives what it printed.
fn run(broker: &Broker, name: &str, arguments: &[&str]) -> String {
    Program::start(&mut command(broker, name, arguments)).finish(LIMIT)
}

/// Starts a program that ends after some messages, and waits until it is ready for them.
fn listen(broker: &Broker, name: &str, arguments: &[&str]) -> Program {
    let mut program = Program::start(&mut command(broker, name, arguments));
    program.wait_for_line(READY);
    program
}

/// The lines that say what was received.
fn received(program: Program) -> Vec<String> {
    let printed = program.finish(LIMIT);
    let lines = printed.lines().filter(|line| line.contains("received"));
    lines.map(str::to_owned).collect()
}

#[test]
fn hello_world() {
    let broker = Broker::own();
    let receiver = listen(&broker, "receive", &["1"]);
    assert!(run(&broker, "send", &[]).contains("sent Hello World!"));
    assert_eq!(received(receiver), ["received Hello World!"]);
}

#[test]
fn work_queues() {
    let broker = Broker::own();
    let first = listen(&broker, "worker", &["2"]);
    let second = listen(&broker, "worker", &["2"]);
    for task in ["one", "two", "three", "four"] {
        run(&broker, "new_task", &[task]);
    }
    let (first, second) = (received(first), received(second));
    assert_eq!((first.len(), second.len()), (2, 2), "the work is shared");
    let mut all = [first, second].concat();
    all.sort_unstable();
    assert_eq!(all, ["received four", "received one", "received three", "received two"]);
}

#[test]
fn priorities() {
    let broker = Broker::own();
    let expected = "received a fire extinguisher\nreceived a parcel\nreceived a postcard";
    assert_eq!(run(&broker, "priorities", &[]), expected);
}

#[test]
fn a_single_active_consumer() {
    let broker = Broker::own();
    let expected = "first received one\nfirst received two\nsecond received three";
    assert_eq!(run(&broker, "single_active", &[]), expected);
}

#[test]
fn publish_and_subscribe() {
    let broker = Broker::own();
    let first = listen(&broker, "receive_logs", &["1"]);
    let second = listen(&broker, "receive_logs", &["1"]);
    run(&broker, "emit_log", &["fire", "in", "the", "cellar"]);
    for receiver in [first, second] {
        assert_eq!(received(receiver), ["received fire in the cellar"]);
    }
}

#[test]
fn a_virtual_topic_for_two_groups() {
    let broker = Broker::own();
    let printed = run(&broker, "virtual_topic", &[]);
    let expected = [
        "billing 1 received eu.1",
        "billing 1 received eu.3",
        "billing 2 received us.2",
        "billing 2 received us.4",
        "audit received eu.1",
        "audit received us.2",
        "audit received eu.3",
        "audit received us.4",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

/// Runs one of the programs in Python, and gives what it printed.
fn run_python(name: &str) -> String {
    let broker = Broker::own();
    let mut command = Command::new(places::installed("WARREN_PYTHON"));
    command.arg(places::workspace().join("examples/python").join(name));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("AMQP_URL", broker.uri());
    Program::start(&mut command).finish(LIMIT)
}

#[test]
fn a_virtual_topic_by_the_names_of_activemq() {
    assert_eq!(run_python("virtual_topic.py"), "mail received book\nmail received lamp");
}

#[test]
fn exchanges_of_every_kind() {
    let expected = "red: ['a rose'] rest: ['a leaf']\n\
                    red: ['to all'] blue: ['to all'] rest: ['to all']\n\
                    together: [[], ['0', '1', '2', '3']]\n\
                    news: ['recent', 'newest']";
    assert_eq!(run_python("exchanges.py"), expected);
}

#[test]
fn routing() {
    let broker = Broker::own();
    let errors = listen(&broker, "receive_logs_direct", &["1", "error"]);
    let most = listen(&broker, "receive_logs_direct", &["2", "error", "warning"]);
    run(&broker, "emit_log_direct", &["info", "nobody", "listens"]);
    run(&broker, "emit_log_direct", &["warning", "low", "fuel"]);
    run(&broker, "emit_log_direct", &["error", "no", "fuel"]);
    assert_eq!(received(errors), ["received error: no fuel"]);
    assert_eq!(received(most), ["received warning: low fuel", "received error: no fuel"]);
}

#[test]
fn topics() {
    let broker = Broker::own();
    let kernel = listen(&broker, "receive_logs_topic", &["2", "kernel.#"]);
    let critical = listen(&broker, "receive_logs_topic", &["2", "*.critical"]);
    run(&broker, "emit_log_topic", &["kernel.info", "all", "well"]);
    run(&broker, "emit_log_topic", &["kernel.critical", "no", "disk"]);
    run(&broker, "emit_log_topic", &["cron.critical", "no", "time"]);
    let expected = ["received kernel.info: all well", "received kernel.critical: no disk"];
    assert_eq!(received(kernel), expected);
    let expected = ["received kernel.critical: no disk", "received cron.critical: no time"];
    assert_eq!(received(critical), expected);
}

#[test]
fn remote_procedure_call() {
    let broker = Broker::own();
    let server = listen(&broker, "rpc_server", &["2"]);
    assert!(run(&broker, "rpc_client", &["30"]).contains("fib(30) = 832040"));
    assert!(run(&broker, "rpc_client", &["7"]).contains("fib(7) = 13"));
    assert_eq!(received(server), ["received 30", "received 7"]);
}

#[test]
fn failed_tasks_are_kept() {
    let broker = Broker::own();
    let printed = run(&broker, "dead_letters", &[]);
    for line in [
        "received impossible",
        "received with x-first-death-queue tasks",
        "received with x-first-death-reason rejected",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
}

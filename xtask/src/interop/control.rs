//! What a running program may ask of its harness, a line at a time over a connection of its own:
//! `restart`, `kill`, `block` and `unblock`. The answer is `ok`, `unavailable`, or what failed. To
//! `rabbitmq`, which starts a fresh RabbitMQ beside the broker, it is `ok` with its two ports.

use super::broker::{Broker, Programs};
use crate::run::Failure;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};

/// Where a program asks.
#[derive(Debug)]
pub(crate) struct Control {
    listener: TcpListener,
    port: u16,
    /// Brokers that the program asked for; they end with it.
    others: Vec<Broker>,
}

impl Control {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure(format!("cannot listen for the program: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port, others: vec![] })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Does what the program asks for, if it asks for something.
    pub(crate) fn serve(&mut self, broker: &mut Broker) -> Result<(), Failure> {
        let failed = |error| Failure(format!("cannot hear the program: {error}"));
        match self.listener.accept() {
            Ok((stream, _)) => answer(&stream, broker, &mut self.others).map_err(failed),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

fn answer(
    mut stream: &TcpStream,
    broker: &mut Broker,
    others: &mut Vec<Broker>,
) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let done = match line.trim() {
        "restart" => broker.restart(),
        "kill" => broker.kill_and_start(),
        "block" | "unblock" if !broker.can_block() => return stream.write_all(b"unavailable\n"),
        "block" => broker.block(),
        "unblock" => broker.unblock(),
        "rabbitmq" => {
            let Some(programs) = Programs::another_rabbitmq() else {
                return stream.write_all(b"unavailable\n");
            };
            let folder = broker.folder().join(format!("beside-{}", others.len()));
            match Broker::start(&programs, &folder) {
                Ok(other) => {
                    let ports = format!("ok {} {}\n", other.port(), other.http());
                    others.push(other);
                    return stream.write_all(ports.as_bytes());
                }
                Err(failure) => Err(failure),
            }
        }
        other => Err(Failure(format!("there is no command {other:?}"))),
    };
    match done {
        Ok(()) => stream.write_all(b"ok\n"),
        Err(failure) => stream.write_all(format!("{failure}\n").as_bytes()),
    }
}

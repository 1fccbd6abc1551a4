//! `perf`: load generator for AMQP 0-9-1 brokers, and the comparison of Warren with RabbitMQ.
//!
//! It speaks the protocol itself over blocking sockets, one thread a connection, so that it costs
//! far less than a broker: messages are encoded once and written many at a time, and the consuming
//! side looks only at the bytes it needs. On the throughput paths no message costs an allocation or
//! a look at a clock.
//!
//! ```text
//! cli            what was asked for
//! load/          throughput, latency, fanout, backlog, churn, connections, queues, rawlog, api
//! verify/        kills a broker and checks what it promised
//! compare/       the same loads against two brokers
//! growth/        what messages, queues and connections cost as they become many
//! soak/          hours of everything at once, with restarts, checked
//! document/      what was measured: the JSON file, the Markdown page and its charts
//! producer, consumer    the two halves of a load, on connections
//! encode, decode, methods, confirms    the bytes of AMQP
//! run, process, report    counters, CPU and memory, output
//! ```
//!
//! Exit code 0: done. 1: a failure, also of a verification. 2: the broker closed the connection or
//! channel, with its reason on standard error.

mod brokers;
mod cli;
mod compare;
mod confirms;
mod connection;
mod consumer;
mod decode;
mod document;
mod encode;
mod error;
mod growth;
mod http;
mod load;
mod machine;
mod methods;
mod process;
mod producer;
mod random;
mod report;
mod run;
mod selftest;
mod soak;
mod verify;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(&cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perf: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

//! The command line.

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::load::{
    Common, api, backlog, churn, connections, fanout, latency, queues, rawlog, throughput,
};
use crate::{compare, document, growth, selftest, soak, verify};

/// Load generator for AMQP 0-9-1 brokers: throughput, latency, durability, and a comparison of
/// Warren with RabbitMQ.
#[derive(Debug, Parser)]
#[command(name = "perf", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Messages a second published and delivered, and what they cost.
    Throughput {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: throughput::Options,
    },
    /// Time to delivery and to confirm at a fixed rate, open loop.
    Latency {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: latency::Options,
    },
    /// One persistent message into many durable queues.
    Fanout {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: fanout::Options,
    },
    /// Fill a queue, look at the memory, drain it.
    Backlog {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: backlog::Options,
    },
    /// Things made and removed a second.
    Churn {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: churn::Options,
    },
    /// Many connections that are open and do little: memory and CPU.
    Connections {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: connections::Options,
    },
    /// Many durable queues: how fast they are declared, and what they cost when idle.
    Queues {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: queues::Options,
    },
    /// How long the management API takes to answer with very many queues and a load.
    Api {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        options: api::Options,
    },
    /// Kill a broker under load, again and again, and check that nothing confirmed is lost.
    Verify(verify::Options),
    /// The disk's own limit: append and sync without a broker.
    Rawlog(rawlog::Options),
    /// Run the same loads against Warren and RabbitMQ and write the result as a document.
    Compare(compare::Options),
    /// What messages, queues and connections cost as they become many, for the same document.
    Growth(growth::Options),
    /// Write the document and its charts from the numbers that were measured.
    Document(document::Options),
    /// Everything at once for a long time, with restarts: nothing is lost, nothing grows.
    Soak(soak::Options),
    /// Measure the generator itself against a broker that does nothing.
    #[command(hide = true)]
    Selftest(selftest::Options),
}

/// Runs the command that was asked for.
pub(crate) fn run(cli: &Cli) -> Result<(), Error> {
    match &cli.command {
        Command::Throughput { common, options } => throughput::command(common, options),
        Command::Latency { common, options } => latency::command(common, options),
        Command::Fanout { common, options } => fanout::command(common, options),
        Command::Backlog { common, options } => backlog::command(common, options),
        Command::Churn { common, options } => churn::command(common, options),
        Command::Connections { common, options } => connections::command(common, options),
        Command::Queues { common, options } => queues::command(common, options),
        Command::Api { common, options } => api::command(common, options),
        Command::Verify(options) => verify::command(options),
        Command::Rawlog(options) => rawlog::command(options),
        Command::Compare(options) => compare::command(options),
        Command::Growth(options) => growth::command(options),
        Command::Document(options) => document::command(options),
        Command::Soak(options) => soak::command(options),
        Command::Selftest(options) => selftest::command(options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A message broker for RabbitMQ's AMQP 0-9-1 clients.
#[derive(Debug, Parser)]
#[command(
    version,
    about = "A message broker for RabbitMQ's AMQP 0-9-1 clients",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    /// What to do; serving is the default.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// How to serve, without a subcommand.
    #[command(flatten)]
    pub(crate) server: Server,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the broker. Without a subcommand, this is what happens.
    Server(Server),
    /// Ask a running broker whether it is well; for container health checks.
    Health(Health),
    /// Verify the data folder of a stopped broker, or salvage a damaged one.
    ///
    /// Ends with 0 if nothing is damaged, 1 if something is or was before the repair, and 2 if
    /// the folder cannot be checked: it is in use, missing, or of a newer format.
    Check(Check),
}

/// How to serve. Flags win over the file.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The configuration file [default: warren.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where everything durable is kept [default: data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where AMQP clients connect [default: [::]:5672, all addresses]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) amqp_listen: Option<SocketAddr>,
    /// Where browsers and probes connect [default: [::]:15672, all addresses]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http_listen: Option<SocketAddr>,
}

/// Whom to ask.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The broker's HTTP address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15672")]
    pub(crate) http: SocketAddr,
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Salvage what can be read; what is changed is copied to a folder inside DATA_DIR before
    #[arg(long)]
    pub(crate) repair: bool,
    /// Print one JSON object in place of lines
    #[arg(long)]
    pub(crate) json: bool,
    /// The data folder
    #[arg(value_name = "DATA_DIR")]
    pub(crate) data_dir: PathBuf,
}

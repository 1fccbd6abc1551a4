//! `perf fanout`: one publish becomes a persistent copy in each of many queues.

use serde::Serialize;

use crate::consumer::AckMode;
use crate::error::Error;
use crate::load::Common;
use crate::load::throughput::{self, Outcome};
use crate::report::{self, Table};

/// Options of `perf fanout`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Durable queues bound to the fanout exchange.
    #[arg(long, default_value_t = 10)]
    pub(crate) queues: usize,
    /// Consuming connections over which the queues are spread.
    #[arg(long, default_value_t = 2)]
    pub(crate) consumers: usize,
    /// Bytes of a body.
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Unconfirmed messages.
    #[arg(long, value_name = "WINDOW", default_value_t = 100)]
    pub(crate) confirms: u64,
}

/// What the load brought.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct FanoutOutcome {
    pub(crate) published_per_second: f64,
    pub(crate) copies_per_second: f64,
    pub(crate) broker_cpu_us_per_copy: Option<f64>,
    /// What the broker gave to the disk, divided by publishes.
    pub(crate) written_bytes_per_message: Option<f64>,
    pub(crate) broker_resident_bytes: Option<u64>,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let title = format!("fanout to {} durable queues, {} bytes", options.queues, options.size);
    let table = Table::new(title)
        .row("published and confirmed", report::rate(outcome.published_per_second))
        .row("copies delivered", report::rate(outcome.copies_per_second))
        .optional("broker CPU a copy", outcome.broker_cpu_us_per_copy.map(report::microseconds))
        .optional(
            "written to disk a message",
            outcome.written_bytes_per_message.map(|bytes| format!("{} B", report::count(bytes))),
        )
        .optional("broker memory", outcome.broker_resident_bytes.map(report::mebibytes));
    report::print(common.json, &outcome, &table)
}

/// Runs the load and measures it.
pub(crate) fn run(common: &Common, options: &Options) -> Result<FanoutOutcome, Error> {
    let load = throughput::Options {
        queues: options.queues,
        consumers: options.consumers,
        size: options.size,
        seconds: options.seconds,
        persistent: true,
        confirms: Some(options.confirms),
        ack: AckMode::Multiple(10),
        prefetch: 200,
        fanout: true,
        ..throughput::Options::default()
    };
    let outcome: Outcome = throughput::run(common, &load)?;
    Ok(FanoutOutcome {
        published_per_second: outcome.confirmed_per_second.unwrap_or(0.0),
        copies_per_second: outcome.delivered_per_second,
        broker_cpu_us_per_copy: outcome.broker_cpu_us_per_message,
        written_bytes_per_message: outcome.written_bytes_per_message,
        broker_resident_bytes: outcome.broker_resident_bytes,
    })
}

//! The loads of the comparison, each written as the command line that runs it alone, and the
//! numbers taken from each.

use clap::{Parser, Subcommand};

use crate::document::data::Group;
use crate::document::metric::Metric;
use crate::error::Error;
use crate::load::{Common, backlog, churn, fanout, latency, throughput};

/// One load with its names.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) group: Group,
    pub(super) title: &'static str,
    pub(super) label: &'static str,
    /// The arguments of `perf`.
    pub(super) command: String,
    /// Messages that one sync can cover at most: the raw log is measured with the same batch.
    pub(super) batch: Option<usize>,
    /// How long it runs.
    pub(super) seconds: f64,
    /// Too long to be run in every round.
    pub(super) once: bool,
    load: Load,
}

/// The arguments of a load, without those that say where the broker is.
#[derive(Debug, Clone, Subcommand)]
enum Load {
    Throughput(throughput::Options),
    Fanout(fanout::Options),
    Latency(latency::Options),
    Churn(churn::Options),
    Backlog(backlog::Options),
}

#[derive(Debug, Parser)]
#[command(name = "perf", no_binary_name = true)]
struct LoadLine {
    #[command(subcommand)]
    load: Load,
}

impl Case {
    /// Runs the load once.
    pub(super) fn run(&self, common: &Common) -> Result<Vec<(Metric, f64)>, Error> {
        match &self.load {
            Load::Throughput(options) => {
                throughput::run(common, options).map(|o| throughput_metrics(options, &o))
            }
            Load::Fanout(options) => fanout::run(common, options).map(|outcome| {
                vec![
                    (Metric::Published, outcome.published_per_second),
                    (Metric::Copies, outcome.copies_per_second),
                    (Metric::BrokerCpu, outcome.broker_cpu_us_per_copy.unwrap_or(0.0)),
                    (Metric::Written, outcome.written_bytes_per_message.unwrap_or(0.0)),
                ]
            }),
            Load::Latency(options) => latency::run(common, options).map(|o| latency_metrics(&o)),
            Load::Churn(options) => churn::run(common, options).map(|outcome| {
                vec![
                    (Metric::Operations, outcome.operations_per_second),
                    (Metric::BrokerCpu, outcome.broker_cpu_us_per_operation.unwrap_or(0.0)),
                ]
            }),
            Load::Backlog(options) => {
                backlog::run(common, options).map(|outcome| backlog_metrics(&outcome))
            }
        }
    }
}

fn throughput_metrics(
    options: &throughput::Options,
    outcome: &throughput::Outcome,
) -> Vec<(Metric, f64)> {
    let rate = if options.publish_only {
        (Metric::Published, outcome.published_per_second)
    } else {
        (Metric::Delivered, outcome.delivered_per_second)
    };
    let own = outcome.producer_cpu_us_per_message.unwrap_or(0.0)
        + outcome.consumer_cpu_us_per_message.unwrap_or(0.0);
    let mut metrics =
        vec![rate, (Metric::BrokerCpu, outcome.broker_cpu_us_per_message.unwrap_or(0.0))];
    if options.persistent {
        metrics.push((Metric::Written, outcome.written_bytes_per_message.unwrap_or(0.0)));
    }
    metrics.push((Metric::GeneratorCpu, own));
    metrics
}

/// The numbers of a latency load, in milliseconds.
pub(crate) fn latency_metrics(outcome: &latency::LatencyOutcome) -> Vec<(Metric, f64)> {
    let ms = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    let delivery = &outcome.delivery_nanoseconds;
    let mut metrics = vec![
        (Metric::DeliveryMedian, ms(delivery.p50)),
        (Metric::DeliveryP99, ms(delivery.p99)),
        (Metric::DeliveryP999, ms(delivery.p999)),
        (Metric::DeliveryMax, ms(delivery.max)),
    ];
    if let Some(confirm) = &outcome.confirm_nanoseconds {
        metrics.push((Metric::ConfirmMedian, ms(confirm.p50)));
        metrics.push((Metric::ConfirmP99, ms(confirm.p99)));
        metrics.push((Metric::ConfirmMax, ms(confirm.max)));
    }
    metrics.push((Metric::PausesAbove20Ms, outcome.pauses_above_20_ms as f64));
    metrics.push((Metric::Missing, outcome.missing as f64));
    metrics.push((Metric::SendDelayP99, ms(outcome.send_delay_nanoseconds.p99)));
    metrics.push((Metric::SendDelayMax, ms(outcome.send_delay_nanoseconds.max)));
    metrics
}

/// The numbers of a backlog; memory and disk in MiB.
pub(crate) fn backlog_metrics(outcome: &backlog::BacklogOutcome) -> Vec<(Metric, f64)> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (filled, drained) = (&outcome.filled, &outcome.drained);
    let peak = filled.resident_bytes_max.max(drained.resident_bytes_max);
    let values = [
        (Metric::ResidentBefore, outcome.resident_bytes_before.map(mib)),
        (Metric::ResidentFilled, filled.resident_bytes.map(mib)),
        (Metric::ResidentDrained, drained.resident_bytes.map(mib)),
        (Metric::ResidentPeak, Some(mib(peak))),
        (Metric::Filled, Some(filled.per_second)),
        (Metric::FillCpu, filled.broker_cpu_us_per_message),
        (Metric::Drained, Some(drained.per_second)),
        (Metric::DrainCpu, drained.broker_cpu_us_per_message),
        (Metric::DiskFilled, filled.disk_bytes.map(mib)),
        (Metric::Written, filled.written_bytes_per_message),
        (Metric::DiskDrained, drained.disk_bytes.map(mib)),
    ];
    values.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
}

/// What the comparison is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) seconds: f64,
    pub(super) backlog: u64,
    /// Also a backlog of 16 GB.
    pub(super) large: bool,
}

type Line = (Group, &'static str, &'static str, &'static str, Option<usize>);

/// Group, title, label, arguments, and the raw log's batch.
const TIMED: [Line; 19] = {
    use Group::{Churn, Fanout, Latency, Persistent, Transient};
    [
        (
            Transient,
            "16 B, one publisher, one consumer, automatic acknowledgement",
            "16 B, 1 to 1",
            "throughput --size 16",
            None,
        ),
        (
            Transient,
            "16 B, 4 publishers, 4 consumers, 4 queues, automatic acknowledgement",
            "16 B, 4 to 4, 4 queues",
            "throughput --size 16 --producers 4 --consumers 4 --queues 4",
            None,
        ),
        (
            Transient,
            "1 KiB, one publisher, one consumer, automatic acknowledgement",
            "1 KiB, 1 to 1",
            "throughput --size 1024",
            None,
        ),
        (
            Transient,
            "1 KiB, 4 publishers, 4 consumers, 4 queues, automatic acknowledgement",
            "1 KiB, 4 to 4, 4 queues",
            "throughput --size 1024 --producers 4 --consumers 4 --queues 4",
            None,
        ),
        (
            Transient,
            "16 B, publish only",
            "16 B, publish only",
            "throughput --size 16 --publish-only",
            None,
        ),
        (
            Persistent,
            "Persistent 1 KiB, window 1",
            "window 1",
            "throughput --size 1024 --persistent --confirms 1 --ack one",
            Some(1),
        ),
        (
            Persistent,
            "Persistent 1 KiB, window 100, acknowledged one by one",
            "window 100",
            "throughput --size 1024 --persistent --confirms 100 --ack one",
            Some(100),
        ),
        (
            Persistent,
            "Persistent 1 KiB, window 1,000, acknowledged by hundreds",
            "window 1,000",
            "throughput --size 1024 --persistent --confirms 1000 --ack multiple:100",
            Some(1000),
        ),
        (
            Persistent,
            "Persistent 1 KiB, 4 publishers, 4 consumers, 4 queues, window 100 each",
            "4 to 4, window 4 x 100",
            "throughput --size 1024 --producers 4 --consumers 4 --queues 4 --persistent \
             --confirms 100 --ack one",
            Some(400),
        ),
        (
            Fanout,
            "Fan-out of persistent 1 KiB to 10 durable queues, window 100",
            "to 10 queues",
            "fanout --queues 10 --consumers 2 --size 1024 --confirms 100",
            None,
        ),
        (
            Fanout,
            "Fan-out of persistent 1 KiB to 100 durable queues, window 100",
            "to 100 queues",
            "fanout --queues 100 --consumers 2 --size 1024 --confirms 100",
            None,
        ),
        (
            Latency,
            "Latency, 16 B at 5,000/s, automatic acknowledgement",
            "16 B at 5,000/s",
            "latency --rate 5000 --size 16",
            None,
        ),
        (
            Latency,
            "Latency, persistent 1 KiB at 1,000/s, confirmed and acknowledged",
            "persistent 1 KiB at 1,000/s",
            "latency --rate 1000 --size 1024 --persistent --confirms",
            None,
        ),
        (
            Churn,
            "Connections opened and closed, 4 clients",
            "connections, 4 clients",
            "churn --what connections --clients 4",
            None,
        ),
        (
            Churn,
            "Channels opened and closed, 4 clients",
            "channels, 4 clients",
            "churn --what channels --clients 4",
            None,
        ),
        (
            Churn,
            "Durable queues declared and deleted, 4 clients",
            "durable queues, 4 clients",
            "churn --what queues --clients 4",
            None,
        ),
        (
            Churn,
            "Durable queues declared and deleted, 16 clients",
            "durable queues, 16 clients",
            "churn --what queues --clients 16",
            None,
        ),
        (
            Churn,
            "Durable bindings made and removed, 4 clients",
            "durable bindings, 4 clients",
            "churn --what bindings --clients 4",
            None,
        ),
        (
            Churn,
            "Durable bindings made and removed, 16 clients",
            "durable bindings, 16 clients",
            "churn --what bindings --clients 16",
            None,
        ),
    ]
};

/// All loads: those of every round first, then those that run once.
///
/// # Errors
/// When a line of the lists above is not a command line of `perf`.
pub(super) fn cases(extent: Extent) -> Result<Vec<Case>, Error> {
    let (mut cases, seconds) = (Vec::new(), extent.seconds);
    for (group, title, label, arguments, batch) in TIMED {
        let command = format!("{arguments} --seconds {seconds}");
        let load = parse(&command)?;
        cases.push(Case { group, title, label, command, batch, seconds, once: false, load });
    }
    let fanned = (extent.backlog / 100).max(100);
    let mut backlogs = vec![
        (
            "Fan-out of persistent 1 KiB waiting in 100 durable queues",
            "fan-out to 100 queues",
            format!("backlog --messages {fanned} --size 1024 --queues 100 --fanout"),
        ),
        (
            "Backlog of persistent messages of 100 B",
            "backlog of 100 B",
            format!("backlog --messages {} --size 100", extent.backlog),
        ),
    ];
    if extent.large {
        let line = format!("backlog --messages {} --size 16384", extent.backlog);
        backlogs.push(("Backlog of persistent messages of 16 KiB", "backlog of 16 KiB", line));
    }
    for (title, label, command) in backlogs {
        let (group, load) = (Group::Memory, parse(&command)?);
        cases.push(Case { group, title, label, command, batch: None, seconds, once: true, load });
    }
    Ok(cases)
}

fn parse(line: &str) -> Result<Load, Error> {
    let parsed = LoadLine::try_parse_from(line.split_whitespace());
    parsed.map(|line| line.load).map_err(|error| Error::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_load_is_a_command_line_of_this_program() {
        let cases = cases(Extent { seconds: 0.5, backlog: 1000, large: true }).unwrap();
        assert_eq!(cases.len(), TIMED.len() + 3);
        let batches: Vec<usize> = cases.iter().filter_map(|case| case.batch).collect();
        assert_eq!(batches, [1, 100, 1000, 400]);
    }

    #[test]
    fn a_line_that_is_no_command_is_refused() {
        assert!(parse("throughput --sise 16").is_err());
    }
}

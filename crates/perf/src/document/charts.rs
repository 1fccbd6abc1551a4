//! Which charts there are, and what each shows.

use super::bars::{self, Bar, Bars, Cluster};
use super::curves::{self, Curve, Curves};
use super::data::{Benchmarks, Case, Comparison, Group, Growing, Growth, median};
use super::metric::Metric;
use crate::error::Error;

/// The part of the page that a chart belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Summary,
    Growth(Growing),
}

type BarsLine = (&'static str, &'static str, &'static str, &'static [Group], &'static [Metric]);

/// File name, title, unit, which loads, and which of their numbers.
const BARS: [BarsLine; 7] = [
    (
        "throughput",
        "Throughput, not persistent",
        "messages/s",
        &[Group::Transient],
        &[Metric::Delivered, Metric::Published],
    ),
    (
        "persistent",
        "Throughput, persistent 1 KiB, confirmed and acknowledged",
        "messages/s",
        &[Group::Persistent],
        &[Metric::Delivered],
    ),
    ("fanout", "Fan-out, persistent 1 KiB", "copies/s", &[Group::Fanout], &[Metric::Copies]),
    ("churn", "Made and removed", "operations/s", &[Group::Churn], &[Metric::Operations]),
    (
        "cpu",
        "CPU time of the broker for each message or copy",
        "microseconds",
        &[Group::Transient, Group::Persistent, Group::Fanout],
        &[Metric::BrokerCpu],
    ),
    (
        "latency",
        "Latency at a fixed rate, open loop",
        "milliseconds",
        &[Group::Latency],
        &[Metric::DeliveryMedian, Metric::DeliveryP99, Metric::ConfirmMedian, Metric::ConfirmP99],
    ),
    (
        "memory",
        "Resident memory",
        "MiB",
        &[Group::Memory],
        &[Metric::ResidentIdle, Metric::ResidentFilled, Metric::ResidentDrained],
    ),
];

type CurvesLine =
    (&'static str, Growing, &'static str, &'static str, &'static str, &'static [Metric]);

/// File name, what grows, title, names of the axes, and which numbers.
const CURVES: [CurvesLine; 8] = {
    use Metric::{
        BusyCpu, Declared, Drained, Filled, IdleCpu, ResidentFilled, ResidentPeak, RestartSeconds,
    };
    [
        (
            "growth-messages-memory",
            Growing::Messages,
            "Memory with waiting messages of 100 B",
            "messages waiting",
            "MiB",
            &[ResidentFilled, ResidentPeak],
        ),
        (
            "growth-messages-rate",
            Growing::Messages,
            "Filling and draining a queue",
            "messages",
            "messages/s",
            &[Filled, Drained],
        ),
        (
            "growth-messages-restart",
            Growing::Messages,
            "Restart after kill -9 with waiting messages",
            "messages waiting",
            "seconds until a login",
            &[RestartSeconds],
        ),
        (
            "growth-queues-memory",
            Growing::Queues,
            "Memory with durable queues",
            "queues",
            "MiB",
            &[ResidentFilled],
        ),
        (
            "growth-queues-rate",
            Growing::Queues,
            "Durable queues declared",
            "queues",
            "queues/s",
            &[Declared],
        ),
        (
            "growth-queues-restart",
            Growing::Queues,
            "Restart after kill -9 with durable queues",
            "queues",
            "seconds until a login",
            &[RestartSeconds],
        ),
        (
            "growth-connections-memory",
            Growing::Connections,
            "Memory with connections",
            "connections",
            "MiB",
            &[ResidentFilled],
        ),
        (
            "growth-connections-cpu",
            Growing::Connections,
            "CPU time with connections",
            "connections",
            "ms of CPU a second",
            &[BusyCpu, IdleCpu],
        ),
    ]
};

/// A finished chart.
#[derive(Debug)]
pub(super) struct Chart {
    name: &'static str,
    pub(super) place: Place,
    /// What it shows, for those who cannot see it.
    pub(super) title: String,
    pub(super) svg: String,
}

impl Chart {
    pub(super) fn file_name(&self) -> String {
        format!("{}.svg", self.name)
    }
}

/// Everything that the numbers give.
pub(super) fn all(benchmarks: &Benchmarks) -> Result<Vec<Chart>, Error> {
    let mut charts = Vec::new();
    if let Some(comparison) = &benchmarks.comparison {
        compared(comparison, &mut charts)?;
    }
    if let Some(growth) = &benchmarks.growth {
        grown(growth, &mut charts)?;
    }
    Ok(charts)
}

fn compared(comparison: &Comparison, charts: &mut Vec<Chart>) -> Result<(), Error> {
    for (name, title, unit, groups, metrics) in BARS {
        // A message that waits alone for its sync costs wake-ups rather than work, and would dwarf
        // all others; it is in the tables.
        let shown = |case: &&Case| name != "cpu" || case.label != "window 1";
        let cases = comparison.cases.iter().filter(|case| groups.contains(&case.group));
        let cases = cases.filter(shown);
        let clusters: Vec<Cluster> =
            cases.flat_map(|case| clusters(case, metrics, groups)).collect();
        if !clusters.is_empty() {
            let svg = bars::draw(&Bars { title, unit, clusters })?;
            charts.push(Chart { name, place: Place::Summary, title: title.to_owned(), svg });
        }
    }
    Ok(())
}

/// The bars of one load: a cluster for each metric that it has.
fn clusters(case: &Case, metrics: &[Metric], groups: &[Group]) -> Vec<Cluster> {
    let several = metrics.iter().filter(|metric| case.row(**metric).is_some()).count() > 1;
    let rows = metrics.iter().filter_map(|metric| case.row(*metric));
    let clusters = rows.filter_map(|row| {
        let name = match (several, row.metric, case.group) {
            (true, metric, _) => format!("{}: {}", case.label, words(metric)),
            (_, _, Group::Persistent) if groups.len() > 1 => format!("persistent, {}", case.label),
            (_, _, Group::Fanout) if groups.len() > 1 => format!("fan-out {}", case.label),
            _ => case.label.clone(),
        };
        let warren = median(&row.warren)?;
        let mut bars = vec![Bar { owner: "Warren", value: warren, of: None }];
        if let Some(value) = median(&row.rabbitmq) {
            bars.push(Bar { owner: "RabbitMQ", value, of: Some(warren) });
        }
        if let Some(value) = median(&row.raw) {
            bars.push(Bar { owner: "disk alone", value, of: Some(warren) });
        }
        Some(Cluster { name, metric: row.metric, bars })
    });
    clusters.collect()
}

/// A metric's name where the unit stands elsewhere.
fn words(metric: Metric) -> &'static str {
    match metric {
        Metric::ResidentIdle => "idle",
        Metric::ResidentFilled => "waiting",
        Metric::ResidentDrained => "drained",
        Metric::ResidentPeak => "at most",
        Metric::BusyCpu => "half busy",
        Metric::IdleCpu => "heartbeats",
        other => {
            let label = other.label();
            label.rsplit_once(", ").map_or(label, |(name, _)| name)
        }
    }
}

fn grown(growth: &Growth, charts: &mut Vec<Chart>) -> Result<(), Error> {
    for (name, growing, title, x, y, metrics) in CURVES {
        let curves = curves_of(growth, growing, metrics);
        if curves.iter().any(|curve| curve.points.len() > 1) {
            let svg = curves::draw(&Curves { title, x, y, curves })?;
            charts.push(Chart {
                name,
                place: Place::Growth(growing),
                title: title.to_owned(),
                svg,
            });
        }
    }
    Ok(())
}

fn curves_of(growth: &Growth, growing: Growing, metrics: &[Metric]) -> Vec<Curve> {
    let mut curves = Vec::new();
    for series in growth.series.iter().filter(|series| series.growing == growing) {
        for (number, metric) in metrics.iter().enumerate() {
            let points = series.points.iter();
            let points: Vec<(f64, f64)> = points
                .filter_map(|point| Some((point.count as f64, point.value(*metric)?)))
                // Nothing has no place on a logarithmic axis.
                .filter(|(_, value)| *value > 0.0)
                .collect();
            let name = match metrics.len() {
                1 => series.broker.clone(),
                _ => format!("{}: {}", series.broker, words(*metric)),
            };
            if !points.is_empty() {
                curves.push(Curve {
                    owner: series.broker.clone(),
                    second: number > 0,
                    name,
                    points,
                });
            }
        }
    }
    curves
}

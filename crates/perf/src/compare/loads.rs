//! The loads of the comparison, and the numbers taken from each.

use crate::consumer::AckMode;
use crate::error::Error;
use crate::load::churn::{self, What};
use crate::load::latency;
use crate::load::{Common, fanout, throughput};

/// A number that a load gives; its order is the order of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Delivered,
    Published,
    Copies,
    Operations,
    BrokerCpu,
    GeneratorCpu,
    DeliveryMedian,
    DeliveryP99,
    DeliveryP999,
    DeliveryMax,
    ConfirmMedian,
    ConfirmP99,
    Missing,
    SendDelayP99,
}

impl Metric {
    /// The name in the table, with the unit.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered, messages/s",
            Self::Published => "published, messages/s",
            Self::Copies => "copies delivered/s",
            Self::Operations => "operations/s",
            Self::BrokerCpu => "broker CPU, us each",
            Self::GeneratorCpu => "generator CPU, us a message",
            Self::DeliveryMedian => "to delivery, median, ms",
            Self::DeliveryP99 => "to delivery, p99, ms",
            Self::DeliveryP999 => "to delivery, p99.9, ms",
            Self::DeliveryMax => "to delivery, largest, ms",
            Self::ConfirmMedian => "to confirm, median, ms",
            Self::ConfirmP99 => "to confirm, p99, ms",
            Self::Missing => "not delivered 3 s after the end, messages",
            Self::SendDelayP99 => "generator's own delay, part of these, p99, ms",
        }
    }

    /// Whether the number says something about the broker and not about the generator.
    pub(super) fn is_of_broker(self) -> bool {
        !matches!(self, Self::GeneratorCpu | Self::SendDelayP99)
    }

    /// Whether the number is a rate or a count, which is shown without decimals.
    pub(super) fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Published | Self::Copies | Self::Operations | Self::Missing
        )
    }
}

/// One load with its title.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) title: &'static str,
    load: Load,
}

#[derive(Debug, Clone)]
enum Load {
    Throughput(throughput::Options),
    Fanout(fanout::Options),
    Latency(latency::Options),
    Churn(churn::Options),
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
                ]
            }),
            Load::Latency(options) => latency::run(common, options).map(|o| latency_metrics(&o)),
            Load::Churn(options) => churn::run(common, options).map(|outcome| {
                vec![
                    (Metric::Operations, outcome.operations_per_second),
                    (Metric::BrokerCpu, outcome.broker_cpu_us_per_operation.unwrap_or(0.0)),
                ]
            }),
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
    vec![
        rate,
        (Metric::BrokerCpu, outcome.broker_cpu_us_per_message.unwrap_or(0.0)),
        (Metric::GeneratorCpu, own),
    ]
}

fn latency_metrics(outcome: &latency::LatencyOutcome) -> Vec<(Metric, f64)> {
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
    }
    metrics.push((Metric::Missing, outcome.missing as f64));
    metrics.push((Metric::SendDelayP99, ms(outcome.send_delay_nanoseconds.p99)));
    metrics
}

/// All loads, `seconds` each.
pub(super) fn cases(seconds: f64) -> Vec<Case> {
    let load = throughput::Options { seconds, ..throughput::Options::default() };
    let confirmed = |window, ack| throughput::Options {
        size: 1024,
        persistent: true,
        confirms: Some(window),
        ack,
        ..load.clone()
    };
    let clients = |count, options| throughput::Options {
        producers: count,
        consumers: count,
        queues: count,
        ..options
    };
    let throughput = [
        ("16 B, one publisher, one consumer, automatic acknowledgement", load.clone()),
        ("1 KiB, the same", throughput::Options { size: 1024, ..load.clone() }),
        ("16 B, publish only", throughput::Options { publish_only: true, ..load.clone() }),
        ("Persistent 1 KiB, window 1", confirmed(1, AckMode::One)),
        ("Persistent 1 KiB, window 100, acknowledged one by one", confirmed(100, AckMode::One)),
        (
            "Persistent 1 KiB, window 1,000, acknowledged by hundreds",
            confirmed(1000, AckMode::Multiple(100)),
        ),
        (
            "Persistent 1 KiB, 4 publishers, 4 consumers, 4 queues, window 100",
            clients(4, confirmed(100, AckMode::One)),
        ),
    ];
    let latency = |rate, size, persistent| {
        let options = latency::Options { rate, size, seconds, persistent, confirms: persistent };
        Load::Latency(options)
    };
    let churn = |what| Load::Churn(churn::Options { what, clients: 4, in_flight: 1, seconds });
    let fanout = fanout::Options { queues: 10, consumers: 2, size: 1024, seconds, confirms: 100 };
    let others = [
        ("Fanout of persistent 1 KiB to 10 durable queues, window 100", Load::Fanout(fanout)),
        ("Latency, 16 B at 5,000/s, automatic acknowledgement", latency(5000, 16, false)),
        (
            "Latency, persistent 1 KiB at 1,000/s, confirmed and acknowledged",
            latency(1000, 1024, true),
        ),
        ("Connections opened and closed, 4 clients", churn(What::Connections)),
        ("Channels opened and closed, 4 clients", churn(What::Channels)),
        ("Durable queues declared and deleted, 4 clients", churn(What::Queues)),
        ("Durable bindings made and removed, 4 clients", churn(What::Bindings)),
    ];
    let throughput = throughput.map(|(title, o)| Case { title, load: Load::Throughput(o) });
    let others = others.map(|(title, load)| Case { title, load });
    throughput.into_iter().chain(others).collect()
}

//! `perf throughput`: how many messages a second go in and out, and what they cost.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::connection::{Connection, Declare};
use crate::consumer::{self, AckMode, Plan};
use crate::encode::Message;
use crate::error::Error;
use crate::load::{Common, Topology, backlog, finish};
use crate::producer::{self, Block, Limits};
use crate::report::{self, Table};
use crate::run::{Run, Sample, per_message};

/// Bytes of bodies that may wait in the broker when producers are not held back by confirms.
const IN_FLIGHT_BYTES_MAX: u64 = 64 << 20;
/// Messages that may wait in the broker by default: a fraction of a second of traffic.
const IN_FLIGHT_MESSAGES: u64 = 100_000;
/// Bytes of a message that are not its body, roughly, on the wire and in the broker.
const MESSAGE_OVERHEAD_BYTES: u64 = 64;
/// Time before the first sample: connections, caches and the broker's batches reach their pace.
const WARMUP: Duration = Duration::from_millis(500);

/// Options of `perf throughput`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Publishing connections, one thread each.
    #[arg(long, default_value_t = 1)]
    pub(crate) producers: usize,
    /// Consuming connections, one thread each.
    #[arg(long, default_value_t = 1)]
    pub(crate) consumers: usize,
    /// Queues; producers and consumers are spread over them.
    #[arg(long, default_value_t = 1)]
    pub(crate) queues: usize,
    /// Bytes of a body.
    #[arg(long, default_value_t = 16)]
    pub(crate) size: usize,
    /// Seconds to measure, after half a second that is not counted.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Durable queues and delivery mode 2.
    #[arg(long)]
    pub(crate) persistent: bool,
    /// Publisher confirms, with so many unconfirmed messages a producer.
    #[arg(long, value_name = "WINDOW")]
    pub(crate) confirms: Option<u64>,
    /// auto, one, or multiple(N): one acknowledgement for N messages.
    #[arg(long, default_value = "auto")]
    pub(crate) ack: AckMode,
    /// Unacknowledged messages a consumer may hold; 0 is no limit.
    #[arg(long, default_value_t = 1000)]
    pub(crate) prefetch: u16,
    /// Do not consume.
    #[arg(long, conflicts_with = "consume_only")]
    pub(crate) publish_only: bool,
    /// Fill the queues first, then measure consuming alone.
    #[arg(long)]
    pub(crate) consume_only: bool,
    /// Messages to fill the queues with before --consume-only.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) messages: u64,
    /// Messages published and not yet delivered; by default 100,000, at most 64 MiB of them.
    #[arg(long)]
    pub(crate) max_in_flight: Option<u64>,
    /// Publish to a fanout exchange that is bound to every queue.
    #[arg(skip)]
    pub(crate) fanout: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            producers: 1,
            consumers: 1,
            queues: 1,
            size: 16,
            seconds: 3.0,
            persistent: false,
            confirms: None,
            ack: AckMode::Auto,
            prefetch: 1000,
            publish_only: false,
            consume_only: false,
            messages: 1_000_000,
            max_in_flight: None,
            fanout: false,
        }
    }
}

/// What a load brought. Rates are a second, times are microseconds of CPU a message.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    pub(crate) published_per_second: f64,
    pub(crate) confirmed_per_second: Option<f64>,
    pub(crate) delivered_per_second: f64,
    /// Of the broker, user and system, divided by deliveries, or by publishes without consumers.
    pub(crate) broker_cpu_us_per_message: Option<f64>,
    pub(crate) broker_resident_bytes: Option<u64>,
    /// What the broker gave to the disk, divided by publishes.
    pub(crate) written_bytes_per_message: Option<f64>,
    pub(crate) producer_cpu_us_per_message: Option<f64>,
    pub(crate) consumer_cpu_us_per_message: Option<f64>,
    /// Messages answered with `basic.nack`.
    pub(crate) refused: u64,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let title = format!(
        "{} producers, {} consumers, {} queues, {} bytes{}",
        options.producers,
        options.consumers,
        options.queues,
        options.size,
        if options.persistent { ", persistent" } else { "" },
    );
    report::print(common.json, &outcome, &table(title, &outcome))
}

/// The outcome as a table.
pub(crate) fn table(title: String, outcome: &Outcome) -> Table {
    let us = |value: Option<f64>| value.map(report::microseconds);
    Table::new(title)
        .row("published", report::rate(outcome.published_per_second))
        .optional("confirmed", outcome.confirmed_per_second.map(report::rate))
        .row("delivered", report::rate(outcome.delivered_per_second))
        .optional("broker CPU a message", us(outcome.broker_cpu_us_per_message))
        .optional("broker memory", outcome.broker_resident_bytes.map(report::mebibytes))
        .optional(
            "written to disk a message",
            outcome.written_bytes_per_message.map(|bytes| format!("{} B", report::count(bytes))),
        )
        .optional("producer CPU a message", us(outcome.producer_cpu_us_per_message))
        .optional("consumer CPU a message", us(outcome.consumer_cpu_us_per_message))
        .optional("refused", (outcome.refused > 0).then(|| report::count(outcome.refused as f64)))
}

/// Runs the load and measures it.
pub(crate) fn run(common: &Common, options: &Options) -> Result<Outcome, Error> {
    check(options)?;
    let declare = if options.persistent { Declare::Durable } else { Declare::Transient };
    let mut control = Connection::open(&common.target)?;
    let topology = Topology::create(&mut control, options.queues, declare, options.fanout)?;
    let run = Run::default();
    let samples = if options.consume_only {
        let load = backlog::Fill {
            messages: options.messages,
            size: options.size,
            persistent: options.persistent,
            expiration: None,
            producers: options.queues,
        };
        load.run(common, &topology).and_then(|_| drive(common, options, &topology, &run))
    } else {
        drive(common, options, &topology, &run)
    };
    let cleaned = topology.delete(&mut control);
    let (first, last) = finish(&run, samples, cleaned)?;
    Ok(outcome(options, &run, &first, &last))
}

fn check(options: &Options) -> Result<(), Error> {
    if options.queues == 0 || options.producers + options.consumers == 0 {
        return Err(Error::Usage("at least one queue and one client are needed".to_owned()));
    }
    if options.confirms == Some(0) {
        return Err(Error::Usage("--confirms needs a window of at least 1".to_owned()));
    }
    if let AckMode::Multiple(every) | AckMode::Shuffled(every) = options.ack
        && options.prefetch > 0
        && u64::from(options.prefetch) < every
    {
        return Err(Error::Usage("--prefetch is smaller than the batch of --ack".to_owned()));
    }
    Ok(())
}

/// Starts the clients, samples twice, and stops them.
fn drive(
    common: &Common,
    options: &Options,
    topology: &Topology,
    run: &Run,
) -> Result<(Sample, Sample), Error> {
    let producers = if options.consume_only { 0 } else { options.producers };
    let consumers = if options.publish_only { 0 } else { options.consumers };
    let body = vec![b'w'; options.size];
    let open = |count: usize| -> Result<Vec<Connection>, Error> {
        (0..count).map(|_| Connection::open(&common.target)).collect()
    };
    let (producing, consuming) = (open(producers)?, open(consumers)?);
    let limits = limits(options, consumers);
    let plan = Plan { ack: options.ack, prefetch: options.prefetch, is_stream: false };

    thread::scope(|scope| {
        let started = run.sample(common.pid);
        for (number, connection) in consuming.into_iter().enumerate() {
            let queues = topology.queues_of(number, consumers);
            scope.spawn(move || consumer::consume(connection, &queues, plan, run));
        }
        for (number, connection) in producing.into_iter().enumerate() {
            let (exchange, routing_key) = topology.destination(number);
            let persistent = options.persistent;
            let message =
                Message { exchange, routing_key, persistent, expiration: None, body: &body };
            let block = Block::new(&message, connection.frame_max);
            scope.spawn(move || producer::produce(connection, &block, limits, run));
        }
        let samples = if options.consume_only {
            (started, wait_drained(common, options, run))
        } else {
            run.wait_until(Instant::now() + WARMUP);
            let first = run.sample(common.pid);
            run.wait_until(Instant::now() + Duration::from_secs_f64(options.seconds));
            (first, run.sample(common.pid))
        };
        run.stop();
        Ok(samples)
    })
}

fn wait_drained(common: &Common, options: &Options, run: &Run) -> Sample {
    let deadline = Instant::now() + Duration::from_secs_f64(options.seconds);
    while run.delivered.load(Ordering::Relaxed) < options.messages
        && Instant::now() < deadline
        && !run.stopped()
    {
        thread::sleep(Duration::from_millis(1));
    }
    run.sample(common.pid)
}

fn limits(options: &Options, consumers: usize) -> Limits {
    let by_bytes = IN_FLIGHT_BYTES_MAX / (options.size as u64 + MESSAGE_OVERHEAD_BYTES);
    let in_flight = options.max_in_flight.unwrap_or(by_bytes.min(IN_FLIGHT_MESSAGES)).max(1);
    let copies = if options.fanout { options.queues as u64 } else { 1 };
    let in_flight = (consumers > 0).then_some(in_flight);
    Limits { window: options.confirms, in_flight, copies, messages: None }
}

fn outcome(options: &Options, run: &Run, first: &Sample, last: &Sample) -> Outcome {
    let seconds = last.seconds_since(first);
    let published = last.published - first.published;
    let confirmed = last.confirmed - first.confirmed;
    let delivered = last.delivered - first.delivered;
    let messages = if options.publish_only { published } else { delivered };
    let own = |nanoseconds: u64, messages: u64| per_message(nanoseconds as f64 / 1e3, messages);
    let producer_cpu = run.producer_cpu_nanoseconds.load(Ordering::Relaxed);
    let consumer_cpu = run.consumer_cpu_nanoseconds.load(Ordering::Relaxed);
    Outcome {
        seconds,
        published_per_second: published as f64 / seconds,
        confirmed_per_second: options.confirms.map(|_| confirmed as f64 / seconds),
        delivered_per_second: delivered as f64 / seconds,
        broker_cpu_us_per_message: last
            .broker_cpu_since(first)
            .and_then(|cpu| per_message(cpu, messages)),
        broker_resident_bytes: last.resident_bytes(),
        written_bytes_per_message: last
            .written_since(first)
            .and_then(|bytes| per_message(bytes, published)),
        producer_cpu_us_per_message: own(producer_cpu, run.published.load(Ordering::Relaxed)),
        consumer_cpu_us_per_message: own(consumer_cpu, run.delivered.load(Ordering::Relaxed)),
        refused: run.refused.load(Ordering::Relaxed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_is_bounded_in_messages_and_in_bytes() {
        let small = limits(&Options::default(), 1);
        assert_eq!(small.in_flight, Some(IN_FLIGHT_MESSAGES));
        let large = limits(&Options { size: 1 << 20, ..Options::default() }, 1);
        assert_eq!(large.in_flight, Some(63));
        assert_eq!(limits(&Options::default(), 0).in_flight, None);
    }

    #[test]
    fn a_prefetch_smaller_than_the_batch_would_stand_still_and_is_refused() {
        let options = Options { ack: AckMode::Multiple(100), prefetch: 10, ..Options::default() };
        assert!(matches!(check(&options), Err(Error::Usage(_))));
    }
}

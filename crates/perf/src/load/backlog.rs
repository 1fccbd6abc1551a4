//! `perf backlog`: fill a queue with persistent messages, look at the memory, drain it.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::connection::{Connection, Declare};
use crate::consumer::{self, AckMode, Plan};
use crate::encode::Message;
use crate::error::Error;
use crate::load::{Common, Topology, finish};
use crate::process;
use crate::producer::{self, Block, Limits};
use crate::report::{self, Table};
use crate::run::{Run, Sample, per_message};

/// Unconfirmed messages while filling: enough that the rate is not that of the round trip.
const FILL_WINDOW: u64 = 5000;
/// The slowest broker measured so far fills about ten thousand messages a second.
const SLOWEST_PER_SECOND: u64 = 2000;
/// Time that a phase gets on top of what its messages need.
const PHASE_SECONDS_MIN: u64 = 30;
/// The kernel counts CPU time in steps of 10 ms: less than ten of them says little.
const CPU_MICROSECONDS_MIN: f64 = 100_000.0;
/// How often the broker's memory is looked at for its largest value.
const PEAK_INTERVAL: Duration = Duration::from_millis(200);
/// Twice as long as a consumer waits before it acknowledges an incomplete batch.
const LAST_ACKS_PAUSE: Duration = Duration::from_millis(120);
/// How often, how many times at most, and how many times without a change the disk is looked at
/// after a drain.
const DISK_LOOK_INTERVAL: Duration = Duration::from_millis(250);
const DISK_LOOKS_MAX: usize = 60;
const DISK_LOOKS_UNCHANGED: usize = 12;

/// Options of `perf backlog`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages to fill the queues with.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) messages: u64,
    /// Bytes of a body.
    #[arg(long, default_value_t = 100)]
    pub(crate) size: usize,
    /// Queues over which the messages are spread, a publisher for each, all at the same time.
    #[arg(long, default_value_t = 1)]
    pub(crate) queues: usize,
    /// One publisher, and a copy of each message in every queue.
    #[arg(long)]
    pub(crate) fanout: bool,
    /// How the drained messages are acknowledged: auto, one, multiple:N or shuffled:N.
    #[arg(long, default_value = "multiple:100")]
    pub(crate) ack: AckMode,
    /// Unacknowledged messages while draining.
    #[arg(long, default_value_t = 2000)]
    pub(crate) prefetch: u16,
}

impl Options {
    /// Messages that will be delivered.
    fn copies(&self) -> u64 {
        if self.fanout { self.messages * self.queues as u64 } else { self.messages }
    }
}

/// What the load brought.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct BacklogOutcome {
    pub(crate) resident_bytes_before: Option<u64>,
    pub(crate) filled: Phase,
    pub(crate) drained: Phase,
}

/// Filling or draining.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Phase {
    pub(crate) per_second: f64,
    pub(crate) broker_cpu_us_per_message: Option<f64>,
    /// What the broker gave to the disk.
    pub(crate) written_bytes_per_message: Option<f64>,
    /// At the end.
    pub(crate) resident_bytes: Option<u64>,
    /// At any time.
    pub(crate) resident_bytes_max: u64,
    /// At the end.
    pub(crate) disk_bytes: Option<u64>,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let messages = report::count(options.messages as f64);
    let memory = |bytes: Option<u64>| bytes.map(report::mebibytes);
    let mut table =
        Table::new(format!("backlog of {messages} x {} bytes, persistent", options.size))
            .optional("broker memory before", memory(outcome.resident_bytes_before));
    for (name, phase) in [("filled", &outcome.filled), ("drained", &outcome.drained)] {
        table = table
            .row(name, report::rate(phase.per_second))
            .optional(
                "  broker CPU a message",
                phase.broker_cpu_us_per_message.map(report::microseconds),
            )
            .optional("  broker memory at the end", memory(phase.resident_bytes))
            .optional(
                "  broker memory at most",
                phase.resident_bytes.map(|_| report::mebibytes(phase.resident_bytes_max)),
            )
            .optional("  on disk at the end", memory(phase.disk_bytes));
    }
    report::print(common.json, &outcome, &table)
}

/// Runs the load and measures it.
pub(crate) fn run(common: &Common, options: &Options) -> Result<BacklogOutcome, Error> {
    let mut control = Connection::open(&common.target)?;
    let topology = create(&mut control, options)?;
    let before = process::usage(common.pid).map(|usage| usage.resident_bytes);
    let phases = fill_phase(common, &topology, options).and_then(|filled| {
        let drained = drain_phase(common, &topology, options)?;
        Ok(BacklogOutcome { resident_bytes_before: before, filled, drained })
    });
    let cleaned = topology.delete(&mut control);
    finish(&Run::default(), phases, cleaned)
}

/// Declares what the load needs.
pub(crate) fn create(control: &mut Connection, options: &Options) -> Result<Topology, Error> {
    Topology::create(control, options.queues, Declare::Durable, options.fanout)
}

/// Fills the queues.
pub(crate) fn fill_phase(
    common: &Common,
    topology: &Topology,
    options: &Options,
) -> Result<Phase, Error> {
    let before = Run::default().sample(common.pid);
    let producers = if options.fanout { 1 } else { options.queues };
    let load = Fill {
        messages: options.messages,
        size: options.size,
        persistent: true,
        expiration: None,
        producers,
    };
    let (_, peak) = load.run(common, topology)?;
    let after = Run::default().sample(common.pid);
    Ok(phase(common, options.messages, (&before, &after), peak))
}

/// Empties the queues, and gives the broker some seconds to free the disk.
pub(crate) fn drain_phase(
    common: &Common,
    topology: &Topology,
    options: &Options,
) -> Result<Phase, Error> {
    let run = Run::default();
    let copies = options.copies();
    let plan = Plan { ack: options.ack, prefetch: options.prefetch, is_stream: false };
    let (first, last, peak) = drain(common, &topology.queues, plan, copies, &run)?;
    run.result()?;
    wait_for_disk(common);
    Ok(phase(common, copies, (&first, &last), peak))
}

fn phase(common: &Common, messages: u64, (first, last): (&Sample, &Sample), peak: u64) -> Phase {
    Phase {
        per_second: messages as f64 / last.seconds_since(first),
        broker_cpu_us_per_message: last
            .broker_cpu_since(first)
            .filter(|cpu| *cpu >= CPU_MICROSECONDS_MIN)
            .and_then(|cpu| per_message(cpu, messages)),
        written_bytes_per_message: last
            .written_since(first)
            .and_then(|bytes| per_message(bytes, messages)),
        resident_bytes: process::usage(common.pid).map(|usage| usage.resident_bytes),
        resident_bytes_max: peak,
        disk_bytes: common.data_dir.as_deref().map(process::disk_bytes),
    }
}

/// Waits until the data folder has not become smaller for a while.
fn wait_for_disk(common: &Common) {
    let Some(folder) = &common.data_dir else { return };
    let mut smallest = process::disk_bytes(folder);
    let mut unchanged = 0;
    for _ in 0..DISK_LOOKS_MAX {
        thread::sleep(DISK_LOOK_INTERVAL);
        let now = process::disk_bytes(folder);
        unchanged = if now < smallest { 0 } else { unchanged + 1 };
        smallest = smallest.min(now);
        if unchanged >= DISK_LOOKS_UNCHANGED {
            break;
        }
    }
}

/// What `fill` publishes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) messages: u64,
    pub(crate) size: usize,
    pub(crate) persistent: bool,
    /// How long the messages want to wait, in milliseconds.
    pub(crate) expiration: Option<u64>,
    pub(crate) producers: usize,
}

impl Fill {
    /// Publishes with confirms, spread over the queues. Returns the seconds it took and the
    /// broker's largest memory.
    ///
    /// # Errors
    /// Also when the broker refused messages or did not confirm them in time.
    pub(crate) fn run(&self, common: &Common, topology: &Topology) -> Result<(f64, u64), Error> {
        let run = Run::default();
        let body = vec![b'w'; self.size];
        let producers = self.producers.max(1) as u64;
        let connections: Result<Vec<Connection>, Error> =
            (0..producers).map(|_| Connection::open(&common.target)).collect();
        let connections = connections?;
        let first = run.sample(None);
        let peak = thread::scope(|scope| {
            for (number, connection) in connections.into_iter().enumerate() {
                let (exchange, routing_key) = topology.destination(number);
                let persistent = self.persistent;
                let expiration = self.expiration;
                let message =
                    Message { exchange, routing_key, persistent, expiration, body: &body };
                let block = Block::new(&message, connection.frame_max);
                let rest = u64::from((number as u64) < self.messages % producers);
                let share = self.messages / producers + rest;
                let limits = Limits {
                    window: Some(FILL_WINDOW),
                    in_flight: None,
                    copies: 1,
                    messages: Some(share),
                };
                let run = &run;
                scope.spawn(move || producer::produce(connection, &block, limits, run));
            }
            let copies = match topology.exchange {
                Some(_) => self.messages * topology.queues.len() as u64,
                None => self.messages,
            };
            let phase = ("filling the queues", longest(copies));
            wait_for(&run, common.pid, phase, self.messages, || {
                run.confirmed.load(Ordering::Relaxed) + run.refused.load(Ordering::Relaxed)
            })
        });
        run.result()?;
        let refused = run.refused.load(Ordering::Relaxed);
        if refused > 0 {
            return Err(Error::Usage(format!("the broker refused {refused} messages")));
        }
        Ok((run.sample(None).seconds_since(&first), peak))
    }
}

/// Consumes so many messages; gives the samples of the beginning and the end.
pub(crate) fn consume_all(
    common: &Common,
    queues: &[String],
    plan: Plan,
    messages: u64,
) -> Result<(Sample, Sample), Error> {
    let run = Run::default();
    let (first, last, _) = drain(common, queues, plan, messages, &run)?;
    run.result().map(|()| (first, last))
}

fn drain(
    common: &Common,
    queues: &[String],
    plan: Plan,
    copies: u64,
    run: &Run,
) -> Result<(Sample, Sample, u64), Error> {
    let connection = Connection::open(&common.target)?;
    Ok(thread::scope(|scope| {
        let first = run.sample(common.pid);
        scope.spawn(|| consumer::consume(connection, queues, plan, run));
        let peak =
            wait_for(run, common.pid, ("draining the queues", longest(copies)), copies, || {
                run.delivered.load(Ordering::Relaxed)
            });
        let last = run.sample(common.pid);
        // The last acknowledgements go out when nothing has come for a poll interval.
        run.wait_until(Instant::now() + LAST_ACKS_PAUSE);
        run.stop();
        (first, last, peak)
    }))
}

/// Seconds in which even a slow broker is through with so many copies of messages.
fn longest(copies: u64) -> u64 {
    PHASE_SECONDS_MIN + copies / SLOWEST_PER_SECOND
}

/// Waits until `count` reaches `messages`; fails the run when that takes too long. Returns the
/// largest memory of the broker meanwhile.
fn wait_for(
    run: &Run,
    pid: Option<u32>,
    (what, seconds): (&str, u64),
    messages: u64,
    count: impl Fn() -> u64,
) -> u64 {
    let resident = || process::usage(pid).map_or(0, |usage| usage.resident_bytes);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut peak = resident();
    let mut next_look = Instant::now() + PEAK_INTERVAL;
    while count() < messages && !run.stopped() {
        let now = Instant::now();
        if now >= deadline {
            run.fail(Error::Timeout { what: what.to_owned(), seconds });
        }
        if now >= next_look {
            peak = peak.max(resident());
            next_look = now + PEAK_INTERVAL;
        }
        thread::sleep(Duration::from_millis(1));
    }
    peak.max(resident())
}

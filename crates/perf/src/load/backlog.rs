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
use crate::producer::{self, Block, Limits};
use crate::report::{self, Table};
use crate::run::{Run, Sample};

/// Unconfirmed messages while filling: enough that the rate is not that of the round trip.
const FILL_WINDOW: u64 = 5000;
/// Messages that one acknowledgement covers while draining.
const DRAIN_ACK_BATCH: u64 = 100;
/// Unacknowledged messages while draining.
const DRAIN_PREFETCH: u16 = 2000;
/// The slowest broker measured so far fills about ten thousand messages a second.
const SLOWEST_PER_SECOND: u64 = 2000;
/// Time that a phase gets on top of what its messages need.
const PHASE_SECONDS_MIN: u64 = 30;

/// Options of `perf backlog`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages to fill the queue with.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) messages: u64,
    /// Bytes of a body.
    #[arg(long, default_value_t = 100)]
    pub(crate) size: usize,
}

/// What the load brought.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct BacklogOutcome {
    pub(crate) filled_per_second: f64,
    pub(crate) drained_per_second: f64,
    pub(crate) resident_bytes_before: Option<u64>,
    pub(crate) resident_bytes_filled: Option<u64>,
    pub(crate) resident_bytes_drained: Option<u64>,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let messages = report::count(options.messages as f64);
    let memory = |bytes: Option<u64>| bytes.map(report::mebibytes);
    let table = Table::new(format!("backlog of {messages} x {} bytes, persistent", options.size))
        .row("filled", report::rate(outcome.filled_per_second))
        .row("drained", report::rate(outcome.drained_per_second))
        .optional("broker memory before", memory(outcome.resident_bytes_before))
        .optional("broker memory filled", memory(outcome.resident_bytes_filled))
        .optional("broker memory drained", memory(outcome.resident_bytes_drained));
    report::print(common.json, &outcome, &table)
}

/// Runs the load and measures it.
pub(crate) fn run(common: &Common, options: &Options) -> Result<BacklogOutcome, Error> {
    let mut control = Connection::open(&common.target)?;
    let topology = Topology::create(&mut control, 1, Declare::Durable, false)?;
    let run = Run::default();
    let before = run.sample(common.pid);
    let phases = fill(common, &topology, options.messages, options.size, true).and_then(|fill| {
        let filled = Run::default().sample(common.pid);
        let drain = drain(common, &topology, options.messages, &run)?;
        Ok((fill, filled, drain))
    });
    let cleaned = topology.delete(&mut control);
    let (fill_seconds, filled, drain) = finish(&run, phases, cleaned)?;
    let messages = options.messages as f64;
    Ok(BacklogOutcome {
        filled_per_second: messages / fill_seconds,
        drained_per_second: messages / drain.1.seconds_since(&drain.0),
        resident_bytes_before: before.resident_bytes(),
        resident_bytes_filled: filled.resident_bytes(),
        resident_bytes_drained: drain.1.resident_bytes(),
    })
}

/// Publishes `messages` with confirms, spread over the queues. Returns the seconds it took.
///
/// # Errors
/// Also when the broker refused messages or did not confirm them in time.
pub(crate) fn fill(
    common: &Common,
    topology: &Topology,
    messages: u64,
    size: usize,
    persistent: bool,
) -> Result<f64, Error> {
    let run = Run::default();
    let body = vec![b'w'; size];
    let queues = topology.queues.len() as u64;
    let connections: Result<Vec<Connection>, Error> =
        topology.queues.iter().map(|_| Connection::open(&common.target)).collect();
    let connections = connections?;
    let first = run.sample(None);
    thread::scope(|scope| {
        for (number, connection) in connections.into_iter().enumerate() {
            let (exchange, routing_key) = topology.destination(number);
            let message = Message { exchange, routing_key, persistent, body: &body };
            let block = Block::new(&message, connection.frame_max);
            let share = messages / queues + u64::from((number as u64) < messages % queues);
            let limits =
                Limits { window: Some(FILL_WINDOW), in_flight: None, messages: Some(share) };
            let run = &run;
            scope.spawn(move || producer::produce(connection, &block, limits, run));
        }
        wait_for(&run, "filling the queue", messages, || {
            run.confirmed.load(Ordering::Relaxed) + run.refused.load(Ordering::Relaxed)
        });
    });
    run.result()?;
    let refused = run.refused.load(Ordering::Relaxed);
    if refused > 0 {
        return Err(Error::Usage(format!("the broker refused {refused} messages")));
    }
    Ok(run.sample(None).seconds_since(&first))
}

fn drain(
    common: &Common,
    topology: &Topology,
    messages: u64,
    run: &Run,
) -> Result<(Sample, Sample), Error> {
    let connection = Connection::open(&common.target)?;
    let plan = Plan { ack: AckMode::Multiple(DRAIN_ACK_BATCH), prefetch: DRAIN_PREFETCH };
    Ok(thread::scope(|scope| {
        let first = run.sample(common.pid);
        scope.spawn(|| consumer::consume(connection, &topology.queues, plan, run));
        wait_for(run, "draining the queue", messages, || run.delivered.load(Ordering::Relaxed));
        let last = run.sample(common.pid);
        run.stop();
        (first, last)
    }))
}

/// Waits until `count` reaches `messages`; fails the run when that takes too long.
fn wait_for(run: &Run, what: &str, messages: u64, count: impl Fn() -> u64) {
    let seconds = PHASE_SECONDS_MIN + messages / SLOWEST_PER_SECOND;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while count() < messages && !run.stopped() {
        if Instant::now() >= deadline {
            run.fail(Error::Timeout { what: what.to_owned(), seconds });
        }
        thread::sleep(Duration::from_millis(1));
    }
}

//! `perf churn`: how many things a second come into being and go again.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::connection::{self, Connection, Declare, Target};
use crate::error::Error;
use crate::load::{Common, Topology, finish, unique_name};
use crate::methods;
use crate::report::{self, Table};
use crate::run::{Run, per_message};

/// Time before the first sample.
const WARMUP: Duration = Duration::from_millis(300);
/// Number of the channel that is opened and closed; channel 1 stays open.
const CHURNED_CHANNEL: u16 = 2;

/// What comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// Connect, log in, close.
    Connections,
    /// Open a channel and close it.
    Channels,
    /// Declare a durable queue and delete it.
    Queues,
    /// Bind a durable queue to amq.topic and unbind it.
    Bindings,
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connections => "connections opened and closed",
            Self::Channels => "channels opened and closed",
            Self::Queues => "durable queues declared and deleted",
            Self::Bindings => "durable bindings made and removed",
        })
    }
}

/// Options of `perf churn`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// What comes and goes; one operation is both.
    #[arg(long)]
    pub(crate) what: What,
    /// Clients at a time, one thread each.
    #[arg(long, default_value_t = 4)]
    pub(crate) clients: usize,
    /// Operations that each client of `queues` and `bindings` has on the way: so many are asked for
    /// before the answers to the first are awaited.
    #[arg(long, default_value_t = 1)]
    pub(crate) in_flight: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
}

/// What the load brought.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ChurnOutcome {
    pub(crate) what: What,
    pub(crate) operations_per_second: f64,
    pub(crate) broker_cpu_us_per_operation: Option<f64>,
    pub(crate) broker_resident_bytes: Option<u64>,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let table = Table::new(format!(
        "{}, {} clients, {} in flight",
        options.what, options.clients, options.in_flight
    ))
    .row("operations", report::rate(outcome.operations_per_second))
    .optional(
        "broker CPU an operation",
        outcome.broker_cpu_us_per_operation.map(report::microseconds),
    )
    .optional("broker memory", outcome.broker_resident_bytes.map(report::mebibytes));
    report::print(common.json, &outcome, &table)
}

/// Runs the load and measures it.
pub(crate) fn run(common: &Common, options: &Options) -> Result<ChurnOutcome, Error> {
    let mut control = Connection::open(&common.target)?;
    let queues = if options.what == What::Bindings { options.clients } else { 0 };
    let topology = Topology::create(&mut control, queues, Declare::Durable, false)?;
    let run = Run::default();
    let operations = AtomicU64::new(0);
    let samples = thread::scope(|scope| {
        for client in 0..options.clients {
            let (run, operations) = (&run, &operations);
            let queue = topology.queues.get(client).cloned().unwrap_or_else(unique_name);
            scope.spawn(move || {
                if let Err(error) = churn(&common.target, options, &queue, run, operations) {
                    run.fail(error);
                }
            });
        }
        run.wait_until(Instant::now() + WARMUP);
        let first = (run.sample(common.pid), operations.load(Ordering::Relaxed));
        run.wait_until(Instant::now() + Duration::from_secs_f64(options.seconds));
        let last = (run.sample(common.pid), operations.load(Ordering::Relaxed));
        run.stop();
        Ok((first, last))
    });
    let cleaned = topology.delete(&mut control);
    let ((first, count_before), (last, count_after)) = finish(&run, samples, cleaned)?;
    let count = count_after - count_before;
    Ok(ChurnOutcome {
        what: options.what,
        operations_per_second: count as f64 / last.seconds_since(&first),
        broker_cpu_us_per_operation: last
            .broker_cpu_since(&first)
            .and_then(|cpu| per_message(cpu, count)),
        broker_resident_bytes: last.resident_bytes(),
    })
}

/// One client: asks, waits for the answer, asks again.
fn churn(
    target: &Target,
    options: &Options,
    queue: &str,
    run: &Run,
    operations: &AtomicU64,
) -> Result<(), Error> {
    let mut connection = Connection::open(target)?;
    let in_flight = options.in_flight.max(1);
    let names: Vec<String> = (0..in_flight).map(|number| format!("{queue}-{number}")).collect();
    let all = |request: &dyn Fn(&str) -> Vec<u8>| -> Vec<u8> {
        names.iter().flat_map(|name| request(name)).collect()
    };
    let declares = all(&|name| connection::declare_queue(name, Declare::Durable));
    let deletes = all(&connection::delete_queue);
    let binds = all(&|name| connection::bind(queue, "amq.topic", name));
    let unbinds = all(&|name| connection::unbind(queue, "amq.topic", name));
    while !run.stopped() {
        let made = match options.what {
            What::Connections => {
                Connection::log_in(target)?.close()?;
                1
            }
            What::Channels => {
                connection.open_channel(CHURNED_CHANNEL)?;
                connection.close_channel(CHURNED_CHANNEL)?;
                1
            }
            What::Queues => {
                connection.call_all(&declares, names.len(), methods::QUEUE_DECLARE_OK)?;
                connection.call_all(&deletes, names.len(), methods::QUEUE_DELETE_OK)?;
                names.len()
            }
            What::Bindings => {
                connection.call_all(&binds, names.len(), methods::QUEUE_BIND_OK)?;
                connection.call_all(&unbinds, names.len(), methods::QUEUE_UNBIND_OK)?;
                names.len()
            }
        };
        operations.fetch_add(made as u64, Ordering::Relaxed);
    }
    connection.close()
}

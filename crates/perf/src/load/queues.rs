//! `perf queues`: many durable queues, declared by a few clients that do not wait for each answer,
//! and what the broker does and holds when nobody uses them.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::connection::{self, Connection, Declare};
use crate::error::Error;
use crate::load::{Common, finish, unique_name};
use crate::methods;
use crate::report::{self, Table};
use crate::run::Run;

/// Time between the last declaration and the idle measurement: a checkpoint moves them first.
const SETTLE: Duration = Duration::from_secs(3);

/// Options of `perf queues`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Queues to declare.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) count: usize,
    /// Clients that declare them, one thread each.
    #[arg(long, default_value_t = 4)]
    pub(crate) clients: usize,
    /// Declarations that a client sends before it waits for the answers.
    #[arg(long, default_value_t = 50)]
    pub(crate) in_flight: usize,
    /// Seconds for which the idle broker is measured.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Leave the queues there.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// What the load brought.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct QueuesOutcome {
    pub(crate) queues: usize,
    pub(crate) declared_per_second: f64,
    /// None if the queues were left.
    pub(crate) deleted_per_second: Option<f64>,
    pub(crate) broker_cpu_us_per_declaration: Option<f64>,
    /// Of the broker, for each queue.
    pub(crate) bytes_per_queue: Option<f64>,
    /// CPU time of the idle broker in a second, in milliseconds.
    pub(crate) idle_cpu_ms_per_second: Option<f64>,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let title = format!(
        "{} durable queues, {} clients, {} in flight",
        options.count, options.clients, options.in_flight
    );
    let table = Table::new(title)
        .row("declared", report::rate(outcome.declared_per_second))
        .optional("deleted", outcome.deleted_per_second.map(report::rate))
        .optional(
            "broker CPU a declaration",
            outcome.broker_cpu_us_per_declaration.map(report::microseconds),
        )
        .optional("memory a queue", outcome.bytes_per_queue.map(|bytes| format!("{bytes:.0} B")))
        .optional(
            "idle broker CPU, ms a second",
            outcome.idle_cpu_ms_per_second.map(|cpu| format!("{cpu:.2}")),
        );
    report::print(common.json, &outcome, &table)
}

/// Declares the queues, looks at the idle broker, and deletes them.
pub(crate) fn run(common: &Common, options: &Options) -> Result<QueuesOutcome, Error> {
    let prefix = unique_name();
    let run = Run::default();
    let before = run.sample(common.pid);
    let declared = each(
        common,
        options,
        &run,
        |name| connection::declare_queue(&format!("{prefix}-{name}"), Declare::Durable),
        methods::QUEUE_DECLARE_OK,
    );
    let after = run.sample(common.pid);
    run.wait_until(Instant::now() + SETTLE);
    let first = run.sample(common.pid);
    run.wait_until(Instant::now() + Duration::from_secs_f64(options.seconds));
    let last = run.sample(common.pid);
    let deleted = (!options.keep).then(|| {
        each(
            common,
            options,
            &run,
            |name| connection::delete_queue(&format!("{prefix}-{name}")),
            methods::QUEUE_DELETE_OK,
        )
    });
    let declared = finish(&run, Ok(declared), Ok(()))?;
    let (count, seconds) = (options.count as f64, last.seconds_since(&first));
    Ok(QueuesOutcome {
        queues: options.count,
        declared_per_second: count / declared.as_secs_f64(),
        deleted_per_second: deleted.map(|deleted| count / deleted.as_secs_f64()),
        broker_cpu_us_per_declaration: after.broker_cpu_since(&before).map(|cpu| cpu / count),
        bytes_per_queue: last
            .resident_bytes()
            .zip(before.resident_bytes())
            .map(|(last, before)| last.saturating_sub(before) as f64 / count),
        idle_cpu_ms_per_second: last.broker_cpu_since(&first).map(|cpu| cpu / 1000.0 / seconds),
    })
}

/// Sends the request for each queue's number, shared out over the clients. Gives how long it took.
fn each(
    common: &Common,
    options: &Options,
    run: &Run,
    request: impl Fn(usize) -> Vec<u8> + Sync,
    reply: u32,
) -> Duration {
    let started = Instant::now();
    let clients = options.clients.max(1);
    thread::scope(|scope| {
        for client in 0..clients {
            let request = &request;
            scope.spawn(move || {
                let numbers: Vec<usize> = (client..options.count).step_by(clients).collect();
                let ask = || -> Result<(), Error> {
                    let mut connection = Connection::open(&common.target)?;
                    for some in numbers.chunks(options.in_flight.max(1)) {
                        if run.stopped() {
                            break;
                        }
                        let requests: Vec<u8> = some.iter().flat_map(|n| request(*n)).collect();
                        connection.call_all(&requests, some.len(), reply)?;
                    }
                    connection.close()
                };
                if let Err(error) = ask() {
                    run.fail(error);
                }
            });
        }
    });
    started.elapsed()
}

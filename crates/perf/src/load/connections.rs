//! `perf connections`: what connections cost that are open and do little.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::connection::{Connection, Declare};
use crate::error::Error;
use crate::load::{Common, Topology, finish};
use crate::report::{self, Table};
use crate::run::{Run, Sample};

/// Threads that open connections and keep them alive.
const THREADS: usize = 4;
/// How often a busy connection publishes a message and gets it back.
const BUSY_INTERVAL: Duration = Duration::from_secs(5);
/// How often connections are looked after; well within half of the shortest heartbeat.
const TURN: Duration = Duration::from_millis(250);
/// Time in which the broker gives back what only opening the connections took.
const SETTLE: Duration = Duration::from_secs(2);

/// Options of `perf connections`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Connections, each with one channel. Both sides need as many open files.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) count: usize,
    /// Part of them, from 0 to 1, that publishes a message and gets it back every five seconds.
    #[arg(long, default_value_t = 0.5)]
    pub(crate) busy: f64,
    /// Heartbeat in seconds, which both sides send.
    #[arg(long, default_value_t = 10)]
    pub(crate) heartbeat: u16,
    /// Seconds to measure.
    #[arg(long, default_value_t = 20.0)]
    pub(crate) seconds: f64,
}

/// What the load brought.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConnectionsOutcome {
    pub(crate) connections: usize,
    pub(crate) opened_per_second: f64,
    /// Of the broker, for each connection, when all had been open for a moment.
    pub(crate) idle_bytes_per_connection: Option<f64>,
    /// The same at the end, after the busy ones were busy.
    pub(crate) bytes_per_connection: Option<f64>,
    /// CPU time of the broker in a second of the measured time, in milliseconds.
    pub(crate) broker_cpu_ms_per_second: Option<f64>,
    /// Round trips of the busy connections in the measured time, a second.
    pub(crate) round_trips_per_second: f64,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let title = format!("{} connections, heartbeat {} s", options.count, options.heartbeat);
    let table = Table::new(title)
        .row("opened", report::rate(outcome.opened_per_second))
        .optional("memory a connection, idle", outcome.idle_bytes_per_connection.map(bytes))
        .optional("memory a connection, at the end", outcome.bytes_per_connection.map(bytes))
        .row("round trips", report::rate(outcome.round_trips_per_second))
        .optional("broker CPU, ms a second", outcome.broker_cpu_ms_per_second.map(tenths));
    report::print(common.json, &outcome, &table)
}

fn bytes(bytes: f64) -> String {
    format!("{bytes:.0} bytes")
}

fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

/// Opens the connections, keeps them and measures the broker.
pub(crate) fn run(common: &Common, options: &Options) -> Result<ConnectionsOutcome, Error> {
    if !(0.0..=1.0).contains(&options.busy) || options.count == 0 {
        return Err(Error::Usage("--busy is from 0 to 1, and --count at least 1".to_owned()));
    }
    let mut control = Connection::open(&common.target)?;
    let topology = Topology::create(&mut control, THREADS, Declare::Transient, false)?;
    let run = Run::default();
    let before = run.sample(common.pid);
    let started = Instant::now();
    let samples = thread::scope(|scope| {
        let openers: Vec<_> = topology
            .queues
            .iter()
            .enumerate()
            .map(|(number, queue)| {
                let run = &run;
                let open = move || open_all(common, options, number, queue, run);
                scope.spawn(move || open().map_err(|error| run.fail(error)).ok())
            })
            .collect();
        let opened: Vec<_> = openers.into_iter().filter_map(|one| one.join().ok()?).collect();
        let opening = started.elapsed();
        let turns: Vec<_> = opened
            .into_iter()
            .map(|mut held| {
                let run = &run;
                scope.spawn(move || match held.keep(run) {
                    Ok(()) => held.round_trips,
                    Err(error) => {
                        run.fail(error);
                        0
                    }
                })
            })
            .collect();
        run.wait_until(Instant::now() + SETTLE);
        let first = run.sample(common.pid);
        run.wait_until(Instant::now() + Duration::from_secs_f64(options.seconds));
        let last = run.sample(common.pid);
        run.stop();
        let round_trips: u64 = turns.into_iter().filter_map(|turn| turn.join().ok()).sum();
        Ok((opening, first, last, round_trips))
    });
    let cleaned = topology.delete(&mut control);
    let (opening, first, last, round_trips) = finish(&run, samples, cleaned)?;
    let grown = |sample: &Sample| {
        let bytes = sample.resident_bytes()?.saturating_sub(before.resident_bytes()?);
        Some(bytes as f64 / options.count as f64)
    };
    let seconds = last.seconds_since(&first);
    Ok(ConnectionsOutcome {
        connections: options.count,
        opened_per_second: options.count as f64 / opening.as_secs_f64(),
        idle_bytes_per_connection: grown(&first),
        bytes_per_connection: grown(&last),
        broker_cpu_ms_per_second: last
            .broker_cpu_since(&first)
            .map(|microseconds| microseconds / 1000.0 / seconds),
        round_trips_per_second: round_trips as f64 / (seconds + SETTLE.as_secs_f64()),
    })
}

/// The connections of one thread.
#[derive(Debug)]
struct Held {
    connections: Vec<Connection>,
    busy: usize,
    queue: String,
    heartbeat: Duration,
    round_trips: u64,
}

fn open_all(
    common: &Common,
    options: &Options,
    number: usize,
    queue: &str,
    run: &Run,
) -> Result<Held, Error> {
    let share = (options.count + THREADS - 1 - number) / THREADS;
    let mut connections = Vec::with_capacity(share);
    while connections.len() < share && !run.stopped() {
        connections.push(Connection::open_with_heartbeat(&common.target, options.heartbeat)?);
    }
    Ok(Held {
        busy: (share as f64 * options.busy) as usize,
        connections,
        queue: queue.to_owned(),
        // Twice in the agreed time, as the protocol wants it.
        heartbeat: Duration::from_secs(u64::from(options.heartbeat.max(2))) / 2,
        round_trips: 0,
    })
}

impl Held {
    /// Sends what is due, a part of the connections each turn, so that nothing comes in bursts.
    fn keep(&mut self, run: &Run) -> Result<(), Error> {
        let started = Instant::now();
        let (mut beats, mut messages) = (0, 0);
        while !run.stopped() {
            let now = started.elapsed();
            let due = due(self.connections.len(), now, self.heartbeat);
            while beats < due && !run.stopped() {
                let at = beats % self.connections.len().max(1);
                if let Some(connection) = self.connections.get_mut(at) {
                    connection.heartbeat()?;
                }
                beats += 1;
            }
            let due = self::due(self.busy, now, BUSY_INTERVAL);
            while messages < due && !run.stopped() {
                if let Some(connection) = self.connections.get_mut(messages % self.busy.max(1)) {
                    connection.publish_and_get(&self.queue)?;
                    self.round_trips += 1;
                }
                messages += 1;
            }
            run.wait_until(Instant::now() + TURN);
        }
        Ok(())
    }
}

/// How many things are due after this time when each of so many is due once in the interval.
fn due(many: usize, elapsed: Duration, interval: Duration) -> usize {
    (many as f64 * elapsed.as_secs_f64() / interval.as_secs_f64()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_once_in_the_interval() {
        let interval = Duration::from_secs(5);
        assert_eq!(due(1000, Duration::from_millis(2500), interval), 500);
        assert_eq!(due(1000, Duration::from_secs(10), interval), 2000);
        assert_eq!(due(0, Duration::from_secs(10), interval), 0);
    }
}

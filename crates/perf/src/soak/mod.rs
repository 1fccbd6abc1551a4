//! `perf soak`: everything at once for a long time against one broker, with restarts and kills.
//! Every delivery is checked while it comes, and at the end nothing may be missing or have grown.

mod consumer;
mod ledger;
mod publisher;
mod ranges;
mod samples;
mod shared;
mod visitors;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::brokers::{Peer, Programs};
use crate::connection::{Connection, Declare};
use crate::error::Error;
use crate::random::Random;
use crate::report::{self, Table};
use crate::verify;
use ledger::Counts;
use samples::{Sample, Trend};
use shared::{LANES, Shared, lock};

/// Longest time to drain what is left at the end.
const DRAIN_SECONDS: u64 = 600;
/// Nothing may arrive for so long before the queues count as drained.
const QUIET: Duration = Duration::from_secs(1);
/// The disk and the allocator have given back what they do by then.
const SETTLE: Duration = Duration::from_secs(10);
/// How often the main thread looks around.
const STEP: Duration = Duration::from_millis(200);

/// Options of `perf soak`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The Warren binary and the folder of its data.
    #[command(flatten)]
    programs: Programs,
    /// Minutes of load.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Messages a second over all queues; bounded, so that the machine stays usable.
    #[arg(long, default_value_t = 20_000)]
    rate: u64,
    /// Seconds between two restarts of the broker, by turns with SIGTERM and SIGKILL.
    #[arg(long, default_value_t = 120.0)]
    restart_seconds: f64,
    /// Seconds between two looks at memory, descriptors, threads and disk.
    #[arg(long, default_value_t = 10.0)]
    sample_seconds: f64,
    /// Seed of everything random; by default from the clock.
    #[arg(long)]
    seed: Option<u64>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What the soak brought.
#[derive(Debug, Serialize)]
struct Outcome {
    seed: u64,
    seconds: u64,
    stopped: u64,
    killed: u64,
    published: u64,
    confirmed: u64,
    deliveries: u64,
    redeliveries: u64,
    repeated_after_break: u64,
    broken_connections: u64,
    visits: u64,
    faults: u64,
    examples: Vec<String>,
    trends: Vec<Trend>,
    samples: Vec<Sample>,
}

/// Runs the command.
pub(crate) fn command(options: &Options) -> Result<(), Error> {
    let seed = options.seed.unwrap_or_else(verify::seed_from_clock);
    eprintln!("seed {seed}");
    let dir = options.programs.folder();
    fs::create_dir_all(&dir).map_err(|e| Error::io(dir.display().to_string(), e))?;
    let outcome = soak(options, &dir, seed)?;
    report::print(options.json, &outcome, &table(&outcome))?;
    let grown = outcome.trends.iter().filter(|trend| trend.grew).count();
    if outcome.faults > 0 || grown > 0 {
        // The data stays, for whoever looks for the reason.
        eprintln!("the broker's data and log are in {}", dir.display());
        return Err(Error::SoakFailed { faults: outcome.faults, grown });
    }
    fs::remove_dir_all(&dir).map_err(|e| Error::io(dir.display().to_string(), e))
}

fn soak(options: &Options, dir: &Path, seed: u64) -> Result<Outcome, Error> {
    let mut peer = options.programs.warren(dir)?.start_empty()?;
    let shared = Shared::new(peer.launch.target(), options.rate);
    shared.declare()?;
    let mut random = Random::new(seed);
    let begun = Instant::now();
    let mut course = Course { samples: Vec::new(), stopped: 0, killed: 0 };
    let drained = thread::scope(|scope| {
        let shared = &shared;
        for queue in &shared.queues {
            let random = random.fork();
            scope.spawn(move || consumer::consume(shared, queue, random));
        }
        let mut others = Vec::new();
        for lane in 0..LANES.len() {
            let random = random.fork();
            others.push(scope.spawn(move || publisher::publish(shared, lane, random)));
        }
        let forked = random.fork();
        others.push(scope.spawn(move || visitors::visit(shared, forked)));
        let led = lead(options, shared, &mut peer, begun, &mut course);
        shared.draining.store(true, Ordering::Relaxed);
        if led.is_err() {
            shared.run.stop();
        }
        for thread in others {
            drop(thread.join());
        }
        let drained = led.and_then(|()| drain(shared));
        shared.run.stop();
        drained
    });
    shared.run.result()?;
    drained?;
    thread::sleep(SETTLE);
    let last = Sample::take(&peer, begun.elapsed());
    peer.stop()?;
    Ok(outcome(&shared, seed, &course, last))
}

/// What happened on the way.
struct Course {
    samples: Vec<Sample>,
    stopped: u64,
    killed: u64,
}

/// Looks at the broker and restarts it until the time is over.
fn lead(
    options: &Options,
    shared: &Shared,
    peer: &mut Peer,
    begun: Instant,
    course: &mut Course,
) -> Result<(), Error> {
    let interval = |seconds: f64| Duration::from_secs_f64(seconds.max(0.1));
    let (sampling, restarting) =
        (interval(options.sample_seconds), interval(options.restart_seconds));
    let end = interval(options.minutes * 60.0);
    let (mut next_sample, mut next_restart) = (sampling, restarting);
    while begun.elapsed() < end && !shared.run.stopped() {
        shared.run.wait_until(Instant::now() + STEP);
        if begun.elapsed() >= next_restart {
            let kill = course.stopped > course.killed;
            restart(shared, peer, kill)?;
            *(if kill { &mut course.killed } else { &mut course.stopped }) += 1;
            next_restart = begun.elapsed() + restarting;
            eprintln!(
                "{} s: {} and started again",
                begun.elapsed().as_secs(),
                if kill { "killed" } else { "stopped" }
            );
        }
        if begun.elapsed() >= next_sample {
            course.samples.push(Sample::take(peer, begun.elapsed()));
            next_sample += sampling;
        }
    }
    Ok(())
}

fn restart(shared: &Shared, peer: &mut Peer, kill: bool) -> Result<(), Error> {
    shared.begin_restart(kill);
    let ended = if kill { peer.broker.kill() } else { peer.stop() };
    ended?;
    shared.broker_is_down(kill);
    peer.start_again()?;
    shared.declare()?;
    shared.end_restart();
    Ok(())
}

/// Waits until every queue is empty and nothing has arrived for a while.
fn drain(shared: &Shared) -> Result<(), Error> {
    eprintln!("draining");
    let mut control = Connection::open(&shared.target)?;
    let deliveries =
        || shared.queues.iter().map(|queue| lock(&queue.ledger).counts.deliveries).sum::<u64>();
    let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
    while Instant::now() < deadline && !shared.run.stopped() {
        let before = deliveries();
        shared.run.wait_until(Instant::now() + QUIET);
        let mut ready = 0;
        for queue in &shared.queues {
            ready += control.declare_queue(queue.name, Declare::Passive)?;
        }
        if ready == 0 && deliveries() == before {
            return control.close();
        }
    }
    shared.run.result()?;
    Err(Error::Timeout { what: "draining the queues".to_owned(), seconds: DRAIN_SECONDS })
}

fn outcome(shared: &Shared, seed: u64, course: &Course, last: Sample) -> Outcome {
    let (mut total, mut examples) = (Counts::default(), Vec::new());
    let mut faults = 0;
    for queue in &shared.queues {
        let mut ledger = lock(&queue.ledger);
        if let Some(sent) = shared.sent(queue.lane) {
            ledger.finish(&sent);
        }
        total.deliveries += ledger.counts.deliveries;
        total.redeliveries += ledger.counts.redeliveries;
        total.repeated_after_break += ledger.counts.repeated_after_break;
        faults += ledger.counts.faults();
        if ledger.counts.faults() > 0 {
            examples.push(format!("{}: {:?}", queue.name, ledger.counts));
            examples.extend(ledger.examples.iter().map(|text| format!("{}: {text}", queue.name)));
        }
    }
    let of_sent = |pick: fn(&ledger::Sent) -> u64| {
        shared.sent.iter().map(|sent| pick(&lock(sent))).sum::<u64>()
    };
    Outcome {
        seed,
        seconds: last.seconds,
        stopped: course.stopped,
        killed: course.killed,
        published: of_sent(|sent| sent.published),
        confirmed: of_sent(|sent| sent.confirmed.len()),
        deliveries: total.deliveries,
        redeliveries: total.redeliveries,
        repeated_after_break: total.repeated_after_break,
        broken_connections: shared.broken_connections.load(Ordering::Relaxed),
        visits: shared.visits.load(Ordering::Relaxed),
        faults,
        examples,
        trends: samples::trends(&course.samples, last),
        samples: course.samples.clone(),
    }
}

fn table(outcome: &Outcome) -> Table {
    let count = |number: u64| report::count(number as f64);
    let title = format!("soak of {} s, seed {}", outcome.seconds, outcome.seed);
    let mut table = Table::new(title)
        .row("published", count(outcome.published))
        .row("confirmed", count(outcome.confirmed))
        .row("delivered", count(outcome.deliveries))
        .row("  again, after a reason", count(outcome.redeliveries))
        .row("  although acknowledged, after a break", count(outcome.repeated_after_break))
        .row("broker stopped", count(outcome.stopped))
        .row("broker killed", count(outcome.killed))
        .row("connections broken by that", count(outcome.broken_connections))
        .row("visits of others", count(outcome.visits));
    for trend in &outcome.trends {
        table = table.row(trend.name, trend.text());
    }
    table = table.row("faults", count(outcome.faults));
    for example in &outcome.examples {
        table = table.row("  ", example);
    }
    table
}

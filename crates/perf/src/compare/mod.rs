//! `perf compare`: the same loads against Warren and RabbitMQ in turn, written as a document.

mod brokers;
mod document;
mod loads;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::load::Common;
use crate::load::backlog::{self, BacklogOutcome};
use crate::load::rawlog::{self, RawlogOutcome};
use crate::process;
use brokers::Peer;
use loads::{Case, Metric};

/// How long the brokers are left alone before their idle memory is read.
const IDLE_PAUSE: Duration = Duration::from_secs(2);
/// Pause between two loads: a broker tidies up after the one before.
const SETTLE_PAUSE: Duration = Duration::from_millis(300);
/// Batches of the raw log: the confirm windows of the loads.
const RAWLOG_BATCHES: [usize; 3] = [1, 100, 1000];
/// Seconds of each raw log measurement, which steadies sooner than a broker.
const RAWLOG_SECONDS: f64 = 1.0;

/// Options of `perf compare`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The document to write.
    #[arg(long, default_value = "docs/benchmarks.md")]
    out: PathBuf,
    /// Runs of every load on every broker; the document shows medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of every run.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// One round of one second and a small backlog: shows that everything works.
    #[arg(long)]
    quick: bool,
    /// The Warren binary; by default the one beside this program.
    #[arg(long)]
    warren: Option<PathBuf>,
    /// RabbitMQ's start script.
    #[arg(long, default_value = "/usr/lib/rabbitmq/bin/rabbitmq-server")]
    rabbitmq: PathBuf,
    /// Directory for the data of both brokers, on the disk to be measured; it is made and removed.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Messages of 100 bytes in the backlog.
    #[arg(long, default_value_t = 1_000_000)]
    backlog: u64,
}

/// One line of a table: every round's value for both brokers.
#[derive(Debug, Clone)]
struct Row {
    metric: Metric,
    warren: Vec<f64>,
    rabbitmq: Vec<f64>,
}

/// A load with its lines.
#[derive(Debug, Clone)]
struct CaseResult {
    title: String,
    rows: Vec<Row>,
}

/// What is measured once for a broker.
#[derive(Debug, Clone, Default)]
struct Once {
    version: String,
    idle_bytes: Option<u64>,
    backlog: BacklogOutcome,
}

/// Everything the document shows.
#[derive(Debug)]
struct Results {
    rounds: usize,
    seconds: f64,
    backlog_messages: u64,
    cases: Vec<CaseResult>,
    warren: Once,
    rabbitmq: Once,
    /// For each batch size the outcome of every round.
    rawlog: Vec<(usize, Vec<RawlogOutcome>)>,
}

/// Runs the command.
pub(crate) fn command(options: &Options) -> Result<(), Error> {
    let options = &adjusted(options);
    let dir = options.dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("warren-perf-compare-{}", std::process::id()))
    });
    fs::create_dir_all(&dir).map_err(|e| Error::io(dir.display().to_string(), e))?;
    let machine = machine::describe(&dir);
    let results = measure(options, &dir);
    let removed = fs::remove_dir_all(&dir);
    let results = results?;
    removed.map_err(|e| Error::io(dir.display().to_string(), e))?;
    let text = document::render(&results, &machine);
    fs::write(&options.out, text).map_err(|e| Error::io(options.out.display().to_string(), e))?;
    println!("wrote {}", options.out.display());
    Ok(())
}

fn adjusted(options: &Options) -> Options {
    let mut options = options.clone();
    if options.quick {
        options.rounds = 1;
        options.seconds = options.seconds.min(1.0);
        options.backlog = options.backlog.min(100_000);
    }
    options.rounds = options.rounds.max(1);
    options
}

fn measure(options: &Options, dir: &Path) -> Result<Results, Error> {
    brokers::check_rabbitmq(&options.rabbitmq)?;
    let mut warren = brokers::start_warren(options.warren.as_deref(), dir)?;
    let mut rabbitmq = brokers::start_rabbitmq(&options.rabbitmq, dir)?;
    let measured = measure_both(options, dir, &warren, &rabbitmq);
    warren.stop()?;
    rabbitmq.stop()?;
    measured
}

fn measure_both(
    options: &Options,
    dir: &Path,
    warren: &Peer,
    rabbitmq: &Peer,
) -> Result<Results, Error> {
    thread::sleep(IDLE_PAUSE);
    let idle = |peer: &Peer| process::usage(Some(peer.broker.pid())).map(|u| u.resident_bytes);
    let (idle_warren, idle_rabbitmq) = (idle(warren), idle(rabbitmq));
    let mut rawlog: Vec<_> = RAWLOG_BATCHES.map(|batch| (batch, Vec::new())).into();
    let mut cases = Vec::new();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for (batch, outcomes) in &mut rawlog {
            outcomes.push(run_rawlog(*batch, dir)?);
        }
        run_cases(options, warren, rabbitmq, &mut cases)?;
    }
    // The backlog comes last: it leaves a broker with other memory than it began with.
    let once = |peer: &Peer, idle_bytes| -> Result<Once, Error> {
        eprintln!("backlog on {}", peer.broker.name);
        let load = backlog::Options { messages: options.backlog, size: 100 };
        let backlog = backlog::run(&Common::of(&peer.broker), &load)?;
        Ok(Once { version: peer.version.clone(), idle_bytes, backlog })
    };
    Ok(Results {
        rounds: options.rounds,
        seconds: options.seconds,
        backlog_messages: options.backlog,
        cases,
        warren: once(warren, idle_warren)?,
        rabbitmq: once(rabbitmq, idle_rabbitmq)?,
        rawlog,
    })
}

fn run_rawlog(batch: usize, dir: &Path) -> Result<RawlogOutcome, Error> {
    let (dir, seconds) = (dir.to_owned(), RAWLOG_SECONDS);
    rawlog::run(&rawlog::Options { size: 1024, batch, seconds, dir, json: false })
}

/// One round: every load on one broker and then on the other.
fn run_cases(
    options: &Options,
    warren: &Peer,
    rabbitmq: &Peer,
    results: &mut Vec<CaseResult>,
) -> Result<(), Error> {
    for (number, case) in loads::cases(options.seconds).iter().enumerate() {
        eprintln!("  {}", case.title);
        let ours = run_one(case, warren)?;
        let theirs = run_one(case, rabbitmq)?;
        match results.get_mut(number) {
            Some(result) => add(result, &ours, &theirs),
            None => {
                let mut result = CaseResult { title: case.title.to_owned(), rows: Vec::new() };
                add(&mut result, &ours, &theirs);
                results.push(result);
            }
        }
    }
    Ok(())
}

fn run_one(case: &Case, peer: &Peer) -> Result<Vec<(Metric, f64)>, Error> {
    thread::sleep(SETTLE_PAUSE);
    case.run(&Common::of(&peer.broker))
}

/// Adds a round's values to the rows, which the first round makes.
fn add(result: &mut CaseResult, ours: &[(Metric, f64)], theirs: &[(Metric, f64)]) {
    for ((metric, warren), (_, rabbitmq)) in ours.iter().zip(theirs) {
        match result.rows.iter_mut().find(|row| row.metric == *metric) {
            Some(row) => {
                row.warren.push(*warren);
                row.rabbitmq.push(*rabbitmq);
            }
            None => result.rows.push(Row {
                metric: *metric,
                warren: vec![*warren],
                rabbitmq: vec![*rabbitmq],
            }),
        }
    }
}

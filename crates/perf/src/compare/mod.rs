//! `perf compare`: the same loads against Warren and RabbitMQ in turn.

pub(crate) mod loads;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::brokers::{Peer, Programs};
use crate::document;
use crate::document::data::{self, Benchmarks, Comparison, Group, RawlogRow, Row, Setting};
use crate::document::metric::Metric;
use crate::error::Error;
use crate::load::Common;
use crate::load::rawlog::{self, RawlogOutcome};
use crate::{machine, process};
use loads::{Case, Extent};

/// How long the brokers are left alone before their idle memory is read.
const IDLE_PAUSE: Duration = Duration::from_secs(2);
/// Pause between two loads: a broker tidies up after the one before.
const SETTLE_PAUSE: Duration = Duration::from_millis(300);
/// Seconds of each raw log measurement, which steadies sooner than a broker.
const RAWLOG_SECONDS: f64 = 1.0;

/// Options of `perf compare`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    programs: Programs,
    /// The file with all numbers; other parts of it stay.
    #[arg(long, default_value = "docs/benchmarks.json")]
    json: PathBuf,
    /// The document to write from it, with charts beside it.
    #[arg(long, default_value = "docs/benchmarks.md")]
    out: PathBuf,
    /// Runs of every load on every broker; the document shows medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of every run.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// One round of short runs and a small backlog: shows that everything works.
    #[arg(long)]
    quick: bool,
    /// Messages in the backlogs.
    #[arg(long, default_value_t = 1_000_000)]
    backlog: u64,
    /// Also a backlog of messages of 16 KiB, which needs 17 GB on disk.
    #[arg(long)]
    large: bool,
    /// Only loads whose title contains this text.
    #[arg(long)]
    only: Option<String>,
}

/// The brokers of a comparison.
struct Peers<'a> {
    warren: &'a Peer,
    rabbitmq: Option<&'a Peer>,
}

/// Runs the command.
pub(crate) fn command(options: &Options) -> Result<(), Error> {
    let options = &adjusted(options);
    let dir = options.programs.folder();
    fs::create_dir_all(&dir).map_err(|e| Error::io(dir.display().to_string(), e))?;
    let comparison = measure(options, &dir);
    let removed = fs::remove_dir_all(&dir);
    let comparison = comparison?;
    removed.map_err(|e| Error::io(dir.display().to_string(), e))?;
    let mut benchmarks = Benchmarks::read(&options.json)?;
    benchmarks.comparison = Some(comparison);
    benchmarks.write(&options.json)?;
    document::write(&benchmarks, &options.out)
}

fn adjusted(options: &Options) -> Options {
    let mut options = options.clone();
    if options.quick {
        options.rounds = 1;
        options.seconds = options.seconds.min(0.5);
        options.backlog = options.backlog.min(20_000);
    }
    options.rounds = options.rounds.max(1);
    options
}

fn measure(options: &Options, dir: &Path) -> Result<Comparison, Error> {
    let machine = machine::describe(dir);
    let extent =
        Extent { seconds: options.seconds, backlog: options.backlog, large: options.large };
    let mut cases = loads::cases(extent)?;
    if let Some(text) = &options.only {
        cases.retain(|case| case.title.contains(text.as_str()));
    }
    let launch = options.programs.rabbitmq(dir)?;
    let mut warren = options.programs.warren(dir)?.start_empty()?;
    let mut rabbitmq = launch.map(|launch| launch.start_empty()).transpose()?;
    let peers = Peers { warren: &warren, rabbitmq: rabbitmq.as_ref() };
    let (results, rawlog) = measure_both(options, dir, &cases, &peers)?;
    let setting = Setting {
        machine,
        warren: warren.version.clone(),
        rabbitmq: rabbitmq.as_ref().map(|peer| peer.version.clone()),
    };
    warren.stop()?;
    if let Some(rabbitmq) = &mut rabbitmq {
        rabbitmq.stop()?;
    }
    let (rounds, seconds) = (options.rounds, options.seconds);
    Ok(Comparison { setting, rounds, seconds, cases: results, rawlog })
}

fn measure_both(
    options: &Options,
    dir: &Path,
    cases: &[Case],
    peers: &Peers<'_>,
) -> Result<(Vec<data::Case>, Vec<RawlogRow>), Error> {
    thread::sleep(IDLE_PAUSE);
    let mut idle = data::Case {
        group: Group::Memory,
        title: "Memory, just started".to_owned(),
        label: "just started".to_owned(),
        command: None,
        rows: Vec::new(),
    };
    let resident = |peer: &Peer| {
        let usage = process::usage(Some(peer.broker.pid())).unwrap_or_default();
        vec![(Metric::ResidentIdle, usage.resident_bytes as f64 / f64::from(1 << 20))]
    };
    add(&mut idle, &resident(peers.warren), &peers.rabbitmq.map(resident).unwrap_or_default());
    let mut results: Vec<data::Case> = cases.iter().map(empty).collect();
    let mut rawlog = Vec::new();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for (case, result) in cases.iter().zip(&mut results).filter(|(case, _)| !case.once) {
            run_one(case, dir, peers, result, &mut rawlog)?;
        }
    }
    // The backlogs come last: they leave a broker with other memory than it began with.
    for (case, result) in cases.iter().zip(&mut results).filter(|(case, _)| case.once) {
        run_one(case, dir, peers, result, &mut rawlog)?;
    }
    results.push(idle);
    Ok((results, rawlog))
}

fn empty(case: &Case) -> data::Case {
    data::Case {
        group: case.group,
        title: case.title.to_owned(),
        label: case.label.to_owned(),
        command: Some(case.command.clone()),
        rows: Vec::new(),
    }
}

/// One load on one broker and then on the other, after the disk alone.
fn run_one(
    case: &Case,
    dir: &Path,
    peers: &Peers<'_>,
    result: &mut data::Case,
    rawlog: &mut Vec<RawlogRow>,
) -> Result<(), Error> {
    eprintln!("  {}", case.title);
    let raw = case.batch.map(|batch| run_rawlog(batch, case.seconds, dir)).transpose()?;
    let run = |peer: &Peer| {
        thread::sleep(SETTLE_PAUSE);
        case.run(&Common::of(peer))
    };
    let ours = run(peers.warren)?;
    let theirs = peers.rabbitmq.map(run).transpose()?.unwrap_or_default();
    add(result, &ours, &theirs);
    if let (Some(raw), Some(batch)) = (raw, case.batch) {
        if let Some(row) = result.rows.first_mut() {
            row.raw.push(raw.messages_per_second);
        }
        let position = rawlog.iter().position(|row| row.batch == batch);
        let position = position.unwrap_or_else(|| {
            let (messages_per_second, sync_median_us) = (Vec::new(), Vec::new());
            rawlog.push(RawlogRow { batch, messages_per_second, sync_median_us });
            rawlog.len() - 1
        });
        if let Some(row) = rawlog.get_mut(position) {
            row.messages_per_second.push(raw.messages_per_second);
            row.sync_median_us.push(raw.sync_median_us);
        }
    }
    Ok(())
}

fn run_rawlog(batch: usize, seconds: f64, dir: &Path) -> Result<RawlogOutcome, Error> {
    let (dir, seconds) = (dir.to_owned(), RAWLOG_SECONDS.min(seconds));
    rawlog::run(&rawlog::Options { size: 1024, batch, seconds, dir, json: false })
}

/// Adds a round's values to the rows, which the first round makes.
fn add(result: &mut data::Case, ours: &[(Metric, f64)], theirs: &[(Metric, f64)]) {
    for (metric, warren) in ours {
        let rabbitmq = theirs.iter().find(|(name, _)| name == metric).map(|(_, value)| *value);
        match result.rows.iter_mut().find(|row| row.metric == *metric) {
            Some(row) => {
                row.warren.push(*warren);
                row.rabbitmq.extend(rabbitmq);
            }
            None => result.rows.push(Row {
                metric: *metric,
                warren: vec![*warren],
                rabbitmq: rabbitmq.into_iter().collect(),
                raw: Vec::new(),
            }),
        }
    }
}

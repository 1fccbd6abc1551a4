//! `perf growth`: what messages, queues and connections cost as they become many. Every point has a
//! broker of its own, started with an empty data folder.

mod backlogs;
mod connections;
mod leaving;
mod pauses;
mod queues;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::brokers::{Kind, Launch, Peer, Programs};
use crate::consumer::AckMode;
use crate::document;
use crate::document::data::{Benchmarks, Growing, Growth, Point, Series, Setting};
use crate::document::metric::Metric;
use crate::error::Error;
use crate::load::backlog;
use crate::{machine, process, report};

/// What RabbitMQ is asked for at most: more takes longer than the comparison is worth.
const RABBITMQ_MESSAGES_MAX: u64 = 1_000_000;
const RABBITMQ_QUEUES_MAX: u64 = 1000;
const RABBITMQ_CONNECTIONS_MAX: u64 = 1000;
/// Points below these say nothing: the work is done before it can be measured.
const MESSAGES_MIN: u64 = 1000;

/// Options of `perf growth`.
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
    /// Most messages.
    #[arg(long, default_value_t = 10_000_000)]
    messages: u64,
    /// Messages of 16 KiB; a million of them need 17 GB on disk.
    #[arg(long, default_value_t = 1_000_000)]
    large: u64,
    /// Most queues.
    #[arg(long, default_value_t = 100_000)]
    queues: u64,
    /// Most connections; the limit of open files has to allow them.
    #[arg(long, default_value_t = 10_000)]
    connections: u64,
    /// Seconds that connections and queues are watched.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Measure only these, and keep the others as they are in the file.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Tiny sizes: shows that everything works.
    #[arg(long)]
    quick: bool,
}

/// A part that can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Messages,
    Shapes,
    Pauses,
    Leaving,
    Queues,
    Connections,
}

impl Part {
    const ALL: [Self; 6] = [
        Self::Messages,
        Self::Shapes,
        Self::Pauses,
        Self::Leaving,
        Self::Queues,
        Self::Connections,
    ];

    fn growing(self) -> Growing {
        match self {
            Self::Messages => Growing::Messages,
            Self::Shapes => Growing::Shapes,
            Self::Pauses => Growing::Pauses,
            Self::Leaving => Growing::Leaving,
            Self::Queues => Growing::Queues,
            Self::Connections => Growing::Connections,
        }
    }
}

/// Runs the command.
pub(crate) fn command(options: &Options) -> Result<(), Error> {
    let options = &adjusted(options);
    let dir = options.programs.folder();
    fs::create_dir_all(&dir).map_err(|e| Error::io(dir.display().to_string(), e))?;
    let growth = measure(options, &dir);
    let removed = fs::remove_dir_all(&dir);
    let growth = growth?;
    removed.map_err(|e| Error::io(dir.display().to_string(), e))?;
    let mut benchmarks = Benchmarks::read(&options.json)?;
    benchmarks.growth = Some(merged(benchmarks.growth.take(), growth));
    benchmarks.write(&options.json)?;
    document::write(&benchmarks, &options.out)
}

fn adjusted(options: &Options) -> Options {
    let mut options = options.clone();
    if options.quick {
        options.messages = options.messages.min(10_000);
        options.large = options.large.min(100);
        options.queues = options.queues.min(100);
        options.connections = options.connections.min(10);
        options.seconds = options.seconds.min(0.5);
    }
    if options.only.is_empty() {
        options.only = Part::ALL.to_vec();
    }
    options
}

/// What was measured now, and what the file had of the rest, with where that was measured.
fn merged(before: Option<Growth>, mut now: Growth) -> Growth {
    let measured: Vec<Growing> = now.series.iter().map(|series| series.growing).collect();
    let Some(Growth { setting, series }) = before else { return now };
    for mut series in series.into_iter().filter(|it| !measured.contains(&it.growing)) {
        series.setting.get_or_insert_with(|| setting.clone());
        now.series.push(series);
    }
    now
}

fn measure(options: &Options, dir: &Path) -> Result<Growth, Error> {
    let warren = options.programs.warren(dir)?;
    let rabbitmq = options.programs.rabbitmq(dir)?;
    let mut series = Vec::new();
    for part in &options.only {
        for launch in [Some(&warren), rabbitmq.as_ref()].into_iter().flatten() {
            let points = points(*part, options, launch)?;
            if !points.is_empty() {
                let (growing, broker) = (part.growing(), launch.kind.name().to_owned());
                series.push(Series { growing, broker, setting: None, points });
            }
        }
    }
    let version = |launch: &Launch| launch.start_empty().map(|peer| peer.version.clone());
    let setting = Setting {
        machine: machine::describe(dir),
        warren: version(&warren)?,
        rabbitmq: rabbitmq.as_ref().map(version).transpose()?,
    };
    Ok(Growth { setting, series })
}

fn points(part: Part, options: &Options, launch: &Launch) -> Result<Vec<Point>, Error> {
    let capped = |most: u64, cap: u64| match launch.kind {
        Kind::Warren => most,
        Kind::RabbitMq => most.min(cap),
    };
    let measured = |counts: Vec<u64>, measure: &dyn Fn(u64) -> Result<Values, Error>| {
        let each = counts.into_iter().map(|count| {
            eprintln!("{} {}: {}", launch.kind.name(), name(part), report::count(count as f64));
            let (title, values) = (report::count(count as f64), measure(count)?);
            Ok(Point { count, title, values })
        });
        each.collect()
    };
    match part {
        Part::Messages => {
            let counts = decades(MESSAGES_MIN, capped(options.messages, RABBITMQ_MESSAGES_MAX));
            measured(counts, &|count| backlogs::measure(launch, &plain(count, 100)))
        }
        Part::Queues => {
            let counts = decades(1, capped(options.queues, RABBITMQ_QUEUES_MAX));
            measured(counts, &|count| queues::measure(launch, count, options.seconds))
        }
        Part::Connections => {
            let counts = decades(1, capped(options.connections, RABBITMQ_CONNECTIONS_MAX));
            measured(counts, &|count| connections::measure(launch, count, options.seconds))
        }
        Part::Shapes if launch.kind == Kind::Warren => shapes(options, launch),
        Part::Pauses if launch.kind == Kind::Warren => pauses(options, launch),
        Part::Leaving if launch.kind == Kind::Warren => leaving(options, launch),
        Part::Shapes | Part::Pauses | Part::Leaving => Ok(Vec::new()),
    }
}

/// The numbers of a point.
type Values = Vec<(Metric, f64)>;

fn name(part: Part) -> &'static str {
    match part {
        Part::Messages => "messages",
        Part::Shapes => "backlogs of other shapes",
        Part::Pauses => "pauses",
        Part::Leaving => "messages that leave",
        Part::Queues => "queues",
        Part::Connections => "connections",
    }
}

/// Powers of ten from `first` to `last`, and `last` itself.
fn decades(first: u64, last: u64) -> Vec<u64> {
    let powers = std::iter::successors(Some(first), |count| count.checked_mul(10));
    let mut counts: Vec<u64> = powers.take_while(|count| *count < last).collect();
    counts.push(last);
    counts
}

fn plain(messages: u64, size: usize) -> backlog::Options {
    let ack = AckMode::Multiple(100);
    backlog::Options { messages, size, queues: 1, fanout: false, ack, prefetch: 2000 }
}

fn shapes(options: &Options, launch: &Launch) -> Result<Vec<Point>, Error> {
    let many = options.messages;
    let count = |number: u64| report::count(number as f64);
    let mut points = Vec::new();
    for (title, load) in [
        (
            format!("{} x 100 B, random order", count(many)),
            backlog::Options {
                ack: AckMode::Shuffled(20_000),
                prefetch: 40_000,
                ..plain(many, 100)
            },
        ),
        (
            format!("{} x 100 B, 4 queues", count(many)),
            backlog::Options { queues: 4, ..plain(many, 100) },
        ),
        (format!("{} x 16 KiB", count(options.large)), plain(options.large, 16 * 1024)),
    ] {
        eprintln!("{}: {title}", launch.kind.name());
        let values = backlogs::measure(launch, &load)?;
        points.push(Point { count: load.messages, title, values });
    }
    Ok(points)
}

fn pauses(options: &Options, launch: &Launch) -> Result<Vec<Point>, Error> {
    eprintln!("{}: latency beside a backlog", launch.kind.name());
    let parts = pauses::measure(launch, &plain(options.messages, 100), options.seconds)?;
    let count = options.messages;
    Ok(parts.into_iter().map(|(title, values)| Point { count, title, values }).collect())
}

fn leaving(options: &Options, launch: &Launch) -> Result<Vec<Point>, Error> {
    let count = options.messages;
    let cases = leaving::measure(launch, count)?;
    Ok(cases.into_iter().map(|(title, values)| Point { count, title, values }).collect())
}

/// Kills the broker and starts it again. Returns the seconds until a login.
fn restart(peer: &mut Peer) -> Result<f64, Error> {
    peer.broker.kill()?;
    let before = Instant::now();
    peer.start_again()?;
    Ok(before.elapsed().as_secs_f64())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn resident_mebibytes(peer: &Peer) -> f64 {
    mebibytes(process::usage(Some(peer.broker.pid())).unwrap_or_default().resident_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_powers_of_ten_up_to_the_last() {
        assert_eq!(decades(1, 1000), [1, 10, 100, 1000]);
        assert_eq!(decades(1000, 25_000), [1000, 10_000, 25_000]);
        assert_eq!(decades(1000, 100), [100]);
    }

    #[test]
    fn what_was_not_measured_again_stays() {
        let machine = machine::describe(Path::new("/"));
        let setting = Setting { machine, warren: String::new(), rabbitmq: None };
        let growth = |kinds: &[(Growing, &str)]| {
            let series = kinds.iter().map(|(growing, broker)| Series {
                growing: *growing,
                broker: (*broker).to_owned(),
                setting: None,
                points: Vec::new(),
            });
            let setting = Setting { warren: kinds[0].1.to_owned(), ..setting.clone() };
            Growth { setting, series: series.collect() }
        };
        let before = growth(&[(Growing::Queues, "old"), (Growing::Messages, "old")]);
        let merged = merged(Some(before), growth(&[(Growing::Queues, "new")]));
        let with = |series: &Series| series.setting.as_ref().map(|it| it.warren.clone());
        let found: Vec<_> =
            merged.series.iter().map(|it| (it.growing, it.broker.as_str(), with(it))).collect();
        let old = Some("old".to_owned());
        assert_eq!(found, [(Growing::Queues, "new", None), (Growing::Messages, "old", old)]);
    }
}

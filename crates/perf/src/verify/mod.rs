//! `perf verify`: starts a broker, loads it with confirmed persistent messages, kills it with
//! SIGKILL at a random moment, starts it again, drains every queue, and checks what came.

pub(crate) mod body;
mod checker;
pub(crate) mod clients;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::connection::{Connection, Declare, Target};
use crate::error::Error;
use crate::load::unique_name;
use crate::process::Broker;
use crate::random::Random;
use crate::report::{self, Table};
use crate::run::Run;
use checker::{Evidence, Phase, Verdict};
use clients::Shared;

/// Nothing may arrive for so long before the queues count as drained.
const QUIET: Duration = Duration::from_millis(500);
/// Longest time to drain what one round left.
const DRAIN_SECONDS: u64 = 120;
/// Time for an orderly end after the last round.
const STOP_SECONDS: u64 = 20;

/// Options of `perf verify`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,
    /// Kills.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Publishing connections.
    #[arg(long, default_value_t = 3)]
    producers: u32,
    /// Durable queues, one consumer each.
    #[arg(long, default_value_t = 4)]
    queues: usize,
    /// Streams in the place of queues: they are read from the beginning before the kill and after.
    #[arg(long)]
    streams: bool,
    /// Unconfirmed messages a producer.
    #[arg(long, default_value_t = 200)]
    window: u64,
    /// Largest body in bytes; sizes are random.
    #[arg(long, default_value_t = 2048)]
    size_max: u64,
    /// Earliest moment of the kill after the load has begun.
    #[arg(long, default_value_t = 200)]
    kill_after_ms_min: u64,
    /// Latest moment of the kill.
    #[arg(long, default_value_t = 2000)]
    kill_after_ms_max: u64,
    /// Seed of sizes and moments; by default from the clock.
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds the broker may take to accept a login.
    #[arg(long, default_value_t = 60)]
    start_seconds: u64,
    /// Command line that starts the broker, for a shell. Or give the command after `--`.
    #[arg(long, conflicts_with = "command")]
    broker: Option<String>,
    /// Kill the child's descendant of this name instead: for brokers behind a script.
    #[arg(long, value_name = "NAME")]
    pid_from_child: Option<String>,
    /// Let the broker write to this terminal.
    #[arg(long)]
    show_output: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// The command that starts the broker, the same at every start.
    #[arg(last = true)]
    command: Vec<String>,
}

/// What the rounds brought.
#[derive(Debug, Serialize)]
struct Outcome {
    seed: u64,
    rounds: Vec<RoundOutcome>,
    total: Verdict,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct RoundOutcome {
    verdict: Verdict,
    killed_after_ms: u64,
    restart_seconds: f64,
}

/// Runs the command.
pub(crate) fn command(options: &Options) -> Result<(), Error> {
    let seed = options.seed.unwrap_or_else(seed_from_clock);
    let mut random = Random::new(seed);
    if !options.json {
        println!("seed {seed}");
    }
    let mut command = broker_command(options)?;
    let mut broker = start(options, &mut command)?;
    let prefix = unique_name();
    let named = |prefix: &str| -> Vec<String> {
        (0..options.queues.max(1)).map(|number| format!("{prefix}-{number}")).collect()
    };
    let mut queues = named(&prefix);
    let mut outcome = Outcome { seed, rounds: Vec::new(), total: Verdict::default() };
    for round in 1..=options.rounds {
        if options.streams {
            // Nothing is taken out of a stream, so each round has its own.
            delete_queues(options, &queues)?;
            queues = named(&format!("{prefix}-{round}"));
        }
        let result = run_round(options, round, &queues, &mut broker, &mut command, &mut random)?;
        if !options.json {
            let title = format!(
                "round {round}: killed after {} ms, back after {:.2} s",
                result.killed_after_ms, result.restart_seconds
            );
            print!("{}", table(title, &result.verdict).render());
        }
        outcome.total += result.verdict;
        outcome.rounds.push(result);
    }
    delete_queues(options, &queues)?;
    broker.stop(STOP_SECONDS)?;
    report::print(options.json, &outcome, &table("all rounds".to_owned(), &outcome.total))?;
    judge(&outcome.total)
}

fn delete_queues(options: &Options, queues: &[String]) -> Result<(), Error> {
    let mut control = Connection::open(&options.target)?;
    for queue in queues {
        control.delete_queue(queue)?;
    }
    control.close()
}

fn judge(total: &Verdict) -> Result<(), Error> {
    if total.holds() {
        return Ok(());
    }
    let Verdict { lost, out_of_order, corrupt, .. } = *total;
    Err(Error::VerificationFailed { lost, out_of_order, corrupt })
}

fn table(title: String, verdict: &Verdict) -> Table {
    let count = |number: u64| report::count(number as f64);
    Table::new(title)
        .row("confirmed", count(verdict.confirmed))
        .row("delivered", count(verdict.delivered))
        .row("lost", count(verdict.lost))
        .row("out of order", count(verdict.out_of_order))
        .row("corrupt", count(verdict.corrupt))
        .row("duplicates", count(verdict.duplicates))
        .row("  acknowledged before", count(verdict.duplicates_of_acknowledged))
        .row("  not marked redelivered", count(verdict.duplicates_unmarked))
}

pub(crate) fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos() & u128::from(u32::MAX)).unwrap_or(1)
}

fn broker_command(options: &Options) -> Result<Command, Error> {
    let mut command = match (&options.broker, options.command.split_first()) {
        (Some(line), _) => {
            // With exec the child is the broker itself and not a shell around it.
            let mut command = Command::new("sh");
            command.args(["-c", &format!("exec {line}")]);
            command
        }
        (None, Some((program, arguments))) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        (None, None) => {
            let usage = "give the command that starts the broker after -- or with --broker";
            return Err(Error::Usage(usage.to_owned()));
        }
    };
    if !options.show_output {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    Ok(command)
}

fn start(options: &Options, command: &mut Command) -> Result<Broker, Error> {
    let process = options.pid_from_child.as_deref();
    Broker::start("the broker", command, &options.target, process, options.start_seconds)
}

fn run_round(
    options: &Options,
    round: u32,
    queues: &[String],
    broker: &mut Broker,
    command: &mut Command,
    random: &mut Random,
) -> Result<RoundOutcome, Error> {
    let mut control = Connection::open(&options.target)?;
    for queue in queues {
        let declare = if options.streams { Declare::Stream } else { Declare::Durable };
        control.declare_queue(queue, declare)?;
    }
    control.close()?;

    let killed_after_ms = random.between(options.kill_after_ms_min, options.kill_after_ms_max);
    let moment = Duration::from_millis(killed_after_ms);
    let mut evidence = load_and_kill(options, round, queues, broker, moment, random)?;
    let before = Instant::now();
    *broker = start(options, command)?;
    let restart_seconds = before.elapsed().as_secs_f64();
    drain(options, queues, random, &mut evidence)?;
    Ok(RoundOutcome { verdict: checker::check(&evidence), killed_after_ms, restart_seconds })
}

fn load_and_kill(
    options: &Options,
    round: u32,
    queues: &[String],
    broker: &mut Broker,
    moment: Duration,
    random: &mut Random,
) -> Result<Evidence, Error> {
    let (run, killing, delivered) = (Run::default(), AtomicBool::new(false), AtomicU64::new(0));
    let shared = shared(options, round, queues, &run, &killing, &delivered);
    let shared = &shared;
    let (confirmed, deliveries, killed) = thread::scope(|scope| {
        let consumers: Vec<_> = queues
            .iter()
            .map(|queue| {
                let random = random.fork();
                scope.spawn(move || clients::consume(shared, queue, Phase::BeforeKill, random))
            })
            .collect();
        let producers: Vec<_> = (0..options.producers)
            .map(|producer| {
                let random = random.fork();
                scope.spawn(move || clients::produce(shared, producer, random))
            })
            .collect();
        run.wait_until(Instant::now() + moment);
        killing.store(true, Ordering::SeqCst);
        let killed = broker.kill();
        // Broken connections end the threads at once; this ends those that hear nothing.
        run.stop();
        let confirmed = producers.into_iter().map(|p| p.join().unwrap_or_default()).collect();
        let deliveries = consumers.into_iter().map(|c| c.join().unwrap_or_default()).collect();
        (confirmed, deliveries, killed)
    });
    run.result()?;
    killed?;
    Ok(Evidence { round, streams: options.streams, confirmed, deliveries })
}

/// Consumes what is left and adds it to the evidence.
fn drain(
    options: &Options,
    queues: &[String],
    random: &mut Random,
    evidence: &mut Evidence,
) -> Result<(), Error> {
    let (run, killing, delivered) = (Run::default(), AtomicBool::new(false), AtomicU64::new(0));
    let shared = shared(options, evidence.round, queues, &run, &killing, &delivered);
    let shared = &shared;
    let mut control = Connection::open(&options.target)?;
    let drained = thread::scope(|scope| {
        let consumers: Vec<_> = queues
            .iter()
            .map(|queue| {
                let random = random.fork();
                scope.spawn(move || clients::consume(shared, queue, Phase::AfterRestart, random))
            })
            .collect();
        let quiet = wait_quiet(&mut control, shared);
        if let Err(error) = quiet {
            run.fail(error);
        }
        run.stop();
        consumers.into_iter().map(|c| c.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    run.result()?;
    for (all, rest) in evidence.deliveries.iter_mut().zip(drained) {
        all.extend(rest);
    }
    control.close()
}

/// Waits until every queue is empty, or every stream was read, and nothing has arrived for a while.
fn wait_quiet(control: &mut Connection, shared: &Shared<'_>) -> Result<(), Error> {
    let (run, delivered) = (shared.run, shared.delivered);
    let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS);
    while !run.stopped() && Instant::now() < deadline {
        let before = delivered.load(Ordering::Relaxed);
        run.wait_until(Instant::now() + QUIET);
        let mut ready = 0;
        for queue in shared.queues {
            ready += u64::from(control.declare_queue(queue, Declare::Passive)?);
        }
        let left = if shared.streams { ready.saturating_sub(before) } else { ready };
        if left == 0 && delivered.load(Ordering::Relaxed) == before {
            return Ok(());
        }
    }
    Err(Error::Timeout { what: "draining the queues".to_owned(), seconds: DRAIN_SECONDS })
}

fn shared<'a>(
    options: &'a Options,
    round: u32,
    queues: &'a [String],
    run: &'a Run,
    killing: &'a AtomicBool,
    delivered: &'a AtomicU64,
) -> Shared<'a> {
    Shared {
        target: &options.target,
        queues,
        streams: options.streams,
        round,
        window: options.window.max(1),
        size_max: options.size_max,
        run,
        killing,
        delivered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_fault_makes_the_command_fail_with_exit_code_one() {
        let clean = Verdict { confirmed: 5, duplicates: 3, ..Verdict::default() };
        assert!(judge(&clean).is_ok());
        for faulty in [
            Verdict { lost: 1, ..clean },
            Verdict { out_of_order: 1, ..clean },
            Verdict { corrupt: 1, ..clean },
        ] {
            assert_eq!(judge(&faulty).unwrap_err().exit_code(), 1);
        }
    }
}

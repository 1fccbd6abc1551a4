//! `simulate`: runs seeds, says what they came to, and shows the trace of one that fails.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use warren_simulation::{Counts, Outcome, run, run_traced};

const HELP: &str = "\
simulate [--seeds N] [--from S] [--minutes M] [--trace]

--seeds N    so many seeds (300)
--from S     the first of them (1)
--minutes M  for so long, whatever --seeds says
--trace      show the whole trace of every seed, not only the end of one that fails";

#[derive(Debug, Default)]
struct Arguments {
    seeds: Option<u64>,
    from: Option<u64>,
    minutes: Option<u64>,
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}\n{HELP}");
            return ExitCode::FAILURE;
        }
    };
    let begun = Instant::now();
    let first = arguments.from.unwrap_or(1);
    let until = arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let seeds = if until.is_some() { u64::MAX - first } else { arguments.seeds.unwrap_or(300) };
    let (mut counts, mut done) = (Counts::default(), 0);
    for seed in first..first.saturating_add(seeds) {
        if until.is_some_and(|until| begun.elapsed() >= until) {
            break;
        }
        let outcome = if arguments.trace { run_traced(seed) } else { run(seed) };
        if arguments.trace && outcome.violation.is_none() {
            show(&outcome);
        }
        if let Some(violation) = &outcome.violation {
            show(&outcome);
            eprintln!("seed {seed}: {violation}");
            eprintln!("again: cargo xtask simulate --from {seed} --seeds 1 --trace");
            return ExitCode::FAILURE;
        }
        counts.add(&outcome.counts);
        done += 1;
    }
    println!("{done} seeds in {:.1} s, no violation", begun.elapsed().as_secs_f64());
    println!("{counts:#?}");
    ExitCode::SUCCESS
}

fn show(outcome: &Outcome) {
    for line in &outcome.tail {
        println!("{line}");
    }
    println!("seed {}: trace hash {:016x}", outcome.seed, outcome.hash);
}

fn parse() -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let text = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            text.parse().map_err(|_| format!("{word} needs a number, not {text}"))
        };
        match word.as_str() {
            "--seeds" => arguments.seeds = Some(number()?),
            "--from" => arguments.from = Some(number()?),
            "--minutes" => arguments.minutes = Some(number()?),
            "--trace" => arguments.trace = true,
            other => return Err(format!("there is no option {other}")),
        }
    }
    Ok(arguments)
}

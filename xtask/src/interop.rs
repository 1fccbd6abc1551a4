//! Programs of ours with clients of other makers, each run against a fresh broker: what real
//! clients see of Warren, and, with `--against rabbitmq`, whether RabbitMQ shows them the same.

mod broker;
mod control;
mod management;
mod programs;

use crate::run::Failure;
use crate::target_dir;
use control::Control;
use programs::Program;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(crate) use broker::{Broker, Kind, Programs, free_port};

/// A program that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(240);
/// How often a running program is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// How lines about checks begin.
const MARKS: [&str; 3] = ["ok: ", "FAILED: ", "skipped: "];
/// Programs that run at the same time: most of them wait most of the time.
const JOBS: usize = 2;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    kind: Kind,
    /// Warren's program is there: the tests have just been run with it. Cargo would build it again,
    /// as features of crates are others without the tests.
    is_built: bool,
    jobs: usize,
    /// Beginnings of the names of programs; none means all.
    names: Vec<String>,
}

/// What a program's lines came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// It printed its own summary, the same as counted here, and ended with success.
    in_order: bool,
}

/// Programs of one purpose.
#[derive(Debug)]
struct Set {
    title: &'static str,
    /// Those whose names begin so, ready to run.
    prepare: fn(&[String]) -> Result<Vec<Program>, Failure>,
    /// RabbitMQ has its management API.
    management: bool,
}

/// Messaging clients.
pub(crate) fn interop(words: &[&str]) -> Result<(), Failure> {
    run_set(&Set { title: "clients", prepare: programs::prepare, management: false }, words)
}

/// Clients of the management API.
pub(crate) fn management(words: &[&str]) -> Result<(), Failure> {
    let (title, prepare) = ("management clients", management::prepare);
    run_set(&Set { title, prepare, management: true }, words)
}

/// Installs clients, builds what has to be built, runs the programs and sums up.
fn run_set(set: &Set, words: &[&str]) -> Result<(), Failure> {
    let begun = Instant::now();
    let title = set.title;
    let options = parse(words)?;
    let chosen = (set.prepare)(&options.names)?;
    let mut brokers = Programs::prepare(options.kind, options.is_built)?;
    if set.management {
        brokers = brokers.with_management();
    }
    let folder = target_dir().join(format!("interop-{}", std::process::id()));
    let queue = Mutex::new(chosen.into_iter());
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                while let Some(program) = next(&queue) {
                    let begun = Instant::now();
                    let outcome = run(&program, &brokers, &folder);
                    if let Ok(mut results) = results.lock() {
                        report(&program, &outcome);
                        results.push((program.name, outcome, begun.elapsed().as_secs()));
                    }
                }
            });
        }
    });
    let results = results.into_inner().map_err(|error| Failure(error.to_string()))?;
    let mut bad = vec![];
    let mut sum = Outcome::default();
    println!("\n== {title} against {}", options.kind.name());
    for (name, outcome, seconds) in &results {
        let Outcome { passed, failed, skipped, in_order } = &outcome.0;
        let end = if *in_order { "" } else { "  FAILED" };
        println!(
            "{name:22} {passed:>4} passed {failed:>3} failed {skipped:>3} skipped {seconds:>4} s{end}"
        );
        sum.passed += passed;
        sum.failed += failed;
        sum.skipped += skipped;
        if !in_order {
            bad.push(*name);
        }
    }
    println!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
    if bad.is_empty() {
        println!("{title} passed in {} s", begun.elapsed().as_secs());
        // What a failed run left behind is for whoever looks for the reason.
        let _ = fs::remove_dir_all(&folder);
        return Ok(());
    }
    let place = folder.display();
    Err(Failure(format!("{title} FAILED: {}; what they left is in {place}", bad.join(", "))))
}

fn parse(words: &[&str]) -> Result<Options, Failure> {
    let mut options = Options { kind: Kind::Warren, is_built: false, jobs: JOBS, names: vec![] };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--against" => {
                options.kind = match words.next() {
                    Some(&"warren") => Kind::Warren,
                    Some(&"rabbitmq") => Kind::RabbitMq,
                    _ => return Err(Failure("--against wants warren or rabbitmq".to_owned())),
                }
            }
            "--built" => options.is_built = true,
            "--jobs" => {
                let jobs = words.next().and_then(|word| word.parse().ok());
                let jobs = jobs.filter(|jobs| *jobs > 0);
                options.jobs = jobs.ok_or_else(|| Failure("--jobs wants a number".to_owned()))?;
            }
            option if option.starts_with('-') => {
                return Err(Failure(format!("there is no option {option}")));
            }
            name => options.names.push(name.to_owned()),
        }
    }
    Ok(options)
}

fn next(queue: &Mutex<std::vec::IntoIter<Program>>) -> Option<Program> {
    queue.lock().ok()?.next()
}

/// The outcome, and what the program printed.
type Told = (Outcome, String);

fn report(program: &Program, (outcome, text): &Told) {
    println!("-- {}", program.name);
    if outcome.in_order {
        // Clients log much when their broker goes away.
        let ours = |line: &&str| MARKS.iter().any(|mark| line.starts_with(mark));
        text.lines().filter(ours).for_each(|line| println!("{line}"));
    } else {
        println!("{text}-- {} FAILED", program.name);
    }
}

/// Runs one program against a broker of its own.
fn run(program: &Program, brokers: &Programs, folder: &Path) -> Told {
    let folder = folder.join(program.name.replace('/', "-"));
    let log = folder.join("output.log");
    let result = Broker::start(brokers, &folder).and_then(|broker| drive(program, broker, &log));
    let mut text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    match result {
        Ok(succeeded) => (outcome(&text, succeeded), text),
        Err(failure) => {
            text.push_str(&format!("FAILED: {failure}\n"));
            (outcome(&text, false), text)
        }
    }
}

/// Whether the program ended with success; it may restart its broker meanwhile.
fn drive(program: &Program, mut broker: Broker, log: &Path) -> Result<bool, Failure> {
    let mut control = Control::listen()?;
    let io = |error| Failure(format!("{}: {error}", log.display()));
    let output = File::create(log).map_err(io)?;
    let errors = output.try_clone().map_err(io)?;
    let stdout = output.try_clone().map_err(io)?;
    let mut command = Command::new(&program.command[0]);
    command.args(&program.command[1..]).envs(program.variables.iter().cloned());
    command.args(["127.0.0.1", &broker.port().to_string(), &control.port().to_string()]);
    command.args([broker.kind().word(), &broker.http().to_string()]);
    command.current_dir(broker.folder());
    // A group of its own: with the program ends what it started.
    command.stdin(Stdio::null()).stdout(stdout).stderr(errors).process_group(0);
    let cannot = |error| Failure(format!("cannot run {}: {error}", program.name));
    let mut child = command.spawn().map_err(cannot)?;
    let deadline = Instant::now() + LIMIT;
    let ended = loop {
        if let Some(status) = child.try_wait().map_err(cannot)? {
            if !status.success() {
                // A program that ends before its first check says nothing itself.
                let _ = writeln!(&output, "ended with {status}");
            }
            break Ok(status.success());
        }
        if Instant::now() > deadline {
            break Err(Failure(format!("no end after {} s", LIMIT.as_secs())));
        }
        if let Err(failure) = control.serve(&mut broker) {
            break Err(failure);
        }
        std::thread::sleep(GLANCE);
    };
    end_group(&mut child);
    ended
}

/// Ends whatever is left of the program's process group.
fn end_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    let mut command = Command::new("kill");
    command.args(["-KILL", "--", &group]).stdout(Stdio::null()).stderr(Stdio::null());
    // Mostly there is nothing left.
    let _ = command.status();
    let _ = child.wait();
}

fn outcome(text: &str, succeeded: bool) -> Outcome {
    let count = |mark: &str| text.lines().filter(|line| line.starts_with(mark)).count();
    let mut outcome = Outcome {
        passed: count(MARKS[0]),
        failed: count(MARKS[1]),
        skipped: count(MARKS[2]),
        in_order: false,
    };
    let Outcome { passed, failed, skipped, .. } = outcome;
    let summary = format!("{passed} passed, {failed} failed, {skipped} skipped");
    let told = text.lines().any(|line| line == summary);
    outcome.in_order = succeeded && told && passed > 0 && failed == 0;
    outcome
}

/// Where a program's source is.
pub(crate) fn source(path: &str) -> PathBuf {
    crate::workspace().join("tests").join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_broker_and_programs() {
        let options = parse(&["python", "--against", "rabbitmq", "--jobs", "1"]).expect("right");
        assert_eq!((options.kind, options.jobs), (Kind::RabbitMq, 1));
        assert_eq!(options.names, ["python"]);
        for wrong in [&["--against"][..], &["--against", "x"], &["--jobs", "0"], &["--job"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_program_passes_only_with_a_summary_that_agrees() {
        let good = "ok: a\nskipped: b: no\n1 passed, 0 failed, 1 skipped\n";
        assert!(outcome(good, true).in_order);
        assert!(!outcome(good, false).in_order);
        for bad in [
            "ok: a\n",
            "ok: a\nok: b\n1 passed, 0 failed, 0 skipped\n",
            "0 passed, 0 failed, 0 skipped\n",
            "ok: a\nFAILED: b: no\n1 passed, 1 failed, 0 skipped\n",
        ] {
            assert!(!outcome(bad, true).in_order, "{bad}");
        }
    }
}

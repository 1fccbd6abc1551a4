//! The clients' own test suites, as far as their packages carry them, against a fresh Warren. What
//! they are made of is other people's code: it stays in the cache and is never committed.

mod count;
mod list;

use crate::interop::{Broker, Kind, Programs};
use crate::run::Failure;
use crate::{setup, target_dir, workspace};
use count::{Counts, count, failures};
use list::{FUNCTIONS, SUITES, Suite};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Most suites know no other ports than these.
const AMQP: u16 = 5672;
const HTTP: u16 = 15672;
/// Nothing waits longer than this for an answer that does not come.
const LIMIT_SECONDS: &str = "1800";
/// Names of failed tests that are shown; the log has them all.
const SHOWN: usize = 20;

/// Fetches the suites whose names are given, or all, runs them and prints their counts.
pub(crate) fn client_suites(words: &[&str]) -> Result<(), Failure> {
    let (kind, names) = match words {
        ["--against", "rabbitmq", names @ ..] => (Kind::RabbitMq, names),
        ["--against", "warren", names @ ..] | names => (Kind::Warren, names),
    };
    let chosen: Vec<&Suite> =
        SUITES.iter().filter(|it| names.is_empty() || names.contains(&it.name)).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        return Err(Failure(format!("there is no such suite, only {}", known.join(", "))));
    }
    for port in [AMQP, HTTP] {
        TcpListener::bind(("127.0.0.1", port))
            .map_err(|error| Failure(format!("the suites need port {port}: {error}")))?;
    }
    let programs = Programs::prepare(kind, false)?.with_management();
    let folder = target_dir().join(format!("suites-{}", std::process::id()));
    println!("== clients' own suites against {}", kind.name());
    for suite in chosen {
        let (name, begun) = (suite.name, Instant::now());
        // One suite that cannot be had says nothing about the others.
        match run(suite, &programs, &folder) {
            Ok((text, log)) => {
                let Counts(passed, failed, skipped) = count(&text);
                let beside = suite.rabbitmq.map_or(String::new(), |Counts(p, f, s)| {
                    format!("  (RabbitMQ 3.10.8: {p}, {f}, {s})")
                });
                let seconds = begun.elapsed().as_secs();
                println!(
                    "{name:14} {passed:>4} passed {failed:>3} failed {skipped:>3} skipped \
                     {seconds:>4} s{beside}  {log}"
                );
                for failure in failures(&text).iter().take(SHOWN) {
                    println!("    {failure}");
                }
            }
            Err(failure) => println!("{name:14} not run: {failure}"),
        }
    }
    Ok(())
}

/// What a suite printed, and the file that holds it.
fn run(suite: &Suite, programs: &Programs, folder: &Path) -> Result<(String, String), Failure> {
    setup::packages(suite.needs)?;
    let fetch = format!("{FUNCTIONS}{}", suite.fetch);
    let source = setup::once_for(&fetch, |folder| shell(&fetch, folder, &folder.join("log")))?;
    let folder = folder.join(suite.name);
    let _broker = Broker::start_at(programs, &folder, AMQP, HTTP)?;
    let log = folder.join("suite.log");
    // That some tests fail is what the counts tell.
    let _ = shell(suite.run, &source, &log);
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    Ok((text, log.display().to_string()))
}

fn shell(script: &str, folder: &Path, log: &Path) -> Result<(), Failure> {
    let failed = |error| Failure(format!("{}: {error}", log.display()));
    let output = fs::File::create(log).map_err(failed)?;
    let errors = output.try_clone().map_err(failed)?;
    let mut command = Command::new("timeout");
    command.args([LIMIT_SECONDS, "sh", "-e", "-c", script]).current_dir(folder);
    command.env("FILES", workspace().join("xtask/src/suites/files"));
    command.env("CARGO_TARGET_DIR", target_dir().join("suites"));
    command.env("GOFLAGS", "-mod=mod -buildvcs=false").stdout(output).stderr(errors);
    let status = command.status().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure(format!("a script failed, see {}", log.display())))
}

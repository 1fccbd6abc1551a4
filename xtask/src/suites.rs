//! The clients' own test suites, as far as their packages carry them, against a fresh Warren. What
//! they are made of is other people's code: it stays in the cache and is never committed.

use crate::interop::{Broker, Kind, Programs};
use crate::run::Failure;
use crate::{setup, target_dir};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Most suites know no other ports than these.
const AMQP: u16 = 5672;
const HTTP: u16 = 15672;

/// A suite: scripts of the shell that run in a folder of its own in the cache.
#[derive(Debug)]
struct Suite {
    name: &'static str,
    /// Brings it there, once.
    fetch: &'static str,
    /// Runs it; may fail.
    run: &'static str,
    /// Passed, failed, skipped against RabbitMQ 3.10.8, where it was measured with this version.
    rabbitmq: Option<Counts>,
}

/// Passed, failed, skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts(u32, u32, u32);

/// A virtual environment with a source distribution that brings its tests.
const PYTHON: &str = "
python3 -m venv venv
venv/bin/pip install --quiet 'pytest<=8.0.0' pytest-sugar pytest-rerunfailures pytz \"$PACKAGE\"
venv/bin/pip download --quiet --no-deps --no-binary \"${PACKAGE%==*}\" -d . \"$PACKAGE\"
tar -xzf ./*.tar.gz --strip-components=1
";

const SUITES: [Suite; 6] = [
    Suite {
        name: "py-amqp",
        fetch: "PACKAGE=amqp==5.4.2",
        // Two tests speak to a host elsewhere, some want TLS.
        run: "venv/bin/python -m pytest -p no:sugar t/integration \
              -k 'not default_cert and not tls'",
        rabbitmq: None,
    },
    Suite {
        name: "kombu",
        fetch: "PACKAGE=kombu==5.7.0",
        run: "venv/bin/python -m pytest -p no:sugar t/integration/test_py_amqp.py",
        rabbitmq: None,
    },
    Suite {
        name: "amqplib",
        // Later packages come without their tests.
        fetch: "npm pack --silent amqplib@2.0.1
            tar -xzf amqplib-2.0.1.tgz --strip-components=1
            npm install --silent --no-save --ignore-scripts --no-audit --no-fund claire@0.4.1",
        run: "NODE_OPTIONS=--dns-result-order=ipv4first node --test --test-timeout=10000",
        rabbitmq: Some(Counts(317, 0, 0)),
    },
    Suite {
        name: "amqp091-go",
        fetch: "cp -R \"$(go mod download -json github.com/rabbitmq/amqp091-go@v1.16.0 |
                sed -n 's/.*\"Dir\": \"\\(.*\\)\".*/\\1/p')\" source
            chmod -R u+w source",
        run: "cd source && go test -count=1 -v -tags integration",
        rabbitmq: None,
    },
    Suite {
        name: "lapin",
        fetch: "cp -R \"${CARGO_HOME:-$HOME/.cargo}\"/registry/src/*/lapin-4.12.3 source",
        run: "cd source && cargo test --no-fail-fast",
        rabbitmq: None,
    },
    Suite {
        name: "amqprs",
        fetch: "cp -R \"${CARGO_HOME:-$HOME/.cargo}\"/registry/src/*/amqprs-2.1.5 source",
        run: "cd source && cargo test --no-fail-fast -- --test-threads=1",
        rabbitmq: Some(Counts(51, 1, 2)),
    },
];

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
    let programs = Programs::prepare(kind)?.with_management();
    let folder = target_dir().join(format!("suites-{}", std::process::id()));
    println!("== clients' own suites against {}", kind.name());
    for suite in chosen {
        let begun = Instant::now();
        // One suite that cannot be had says nothing about the others.
        match run(suite, &programs, &folder) {
            Ok((Counts(passed, failed, skipped), log)) => {
                let beside = suite.rabbitmq.map_or(String::new(), |Counts(p, f, s)| {
                    format!("  (RabbitMQ 3.10.8: {p}, {f}, {s})")
                });
                let (name, seconds) = (suite.name, begun.elapsed().as_secs());
                println!(
                    "{name:12} {passed:>4} passed {failed:>3} failed {skipped:>3} skipped \
                     {seconds:>4} s{beside}  {log}"
                );
            }
            Err(failure) => println!("{:12} not run: {failure}", suite.name),
        }
    }
    Ok(())
}

/// What a suite came to, and where its output is.
fn run(suite: &Suite, programs: &Programs, folder: &Path) -> Result<(Counts, String), Failure> {
    let mut fetch = suite.fetch.to_owned();
    if fetch.starts_with("PACKAGE=") {
        fetch.push_str(PYTHON);
    }
    let source = setup::once_for(&fetch, |folder| shell(&fetch, folder, &folder.join("log")))?;
    let folder = folder.join(suite.name);
    let _broker = Broker::start_at(programs, &folder, AMQP, HTTP)?;
    let log = folder.join("suite.log");
    // That some tests fail is what the counts tell.
    let _ = shell(suite.run, &source, &log);
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    Ok((count(&text), log.display().to_string()))
}

fn shell(script: &str, folder: &Path, log: &Path) -> Result<(), Failure> {
    let failed = |error| Failure(format!("{}: {error}", log.display()));
    let output = fs::File::create(log).map_err(failed)?;
    let errors = output.try_clone().map_err(failed)?;
    let mut command = Command::new("timeout");
    // Nothing waits longer than this for an answer that does not come.
    command.args(["900", "sh", "-e", "-c", script]).current_dir(folder);
    command.env("CARGO_TARGET_DIR", target_dir().join("suites"));
    command.env("GOFLAGS", "-mod=mod -buildvcs=false").stdout(output).stderr(errors);
    let status = command.status().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure(format!("a script failed, see {}", log.display())))
}

/// Adds up what pytest, Node, Go and cargo print.
fn count(text: &str) -> Counts {
    let mut sum = Counts::default();
    for line in text.lines() {
        let words: Vec<&str> =
            line.split([' ', ',', ';', '=']).filter(|it| !it.is_empty()).collect();
        let before = |word: &str| -> u32 {
            let place = words.iter().position(|it| *it == word);
            place.and_then(|place| words.get(place.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
        };
        let is_pytest =
            line.contains(" in ") && (line.contains("passed") || line.contains("failed"));
        let is_cargo = line.starts_with("test result:");
        if is_pytest || is_cargo {
            sum.0 += before("passed");
            sum.1 += before("failed") + before("error") + before("errors");
            sum.2 += before("skipped") + before("ignored");
        }
        let node = |mark: &str| {
            let rest = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} "));
            rest.and_then(|it| it.strip_prefix(mark)?.trim().parse::<u32>().ok()).unwrap_or(0)
        };
        let go = |mark: &str| u32::from(line.trim_start().starts_with(mark));
        sum.0 += node("pass ") + go("--- PASS");
        sum.1 += node("fail ") + go("--- FAIL");
        sum.2 += node("skipped ") + go("--- SKIP");
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summaries_of_all_test_runners_are_read() {
        assert_eq!(count("== 40 passed, 2 skipped in 3.1s =="), Counts(40, 0, 2));
        assert_eq!(count("=== 1 failed, 40 passed in 3.1s ==="), Counts(40, 1, 0));
        let cargo = "test result: ok. 2 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out";
        assert_eq!(count(&format!("{cargo}\n{cargo}")), Counts(4, 2, 6));
        assert_eq!(count("# pass 317\n# fail 1\n# skipped 2"), Counts(317, 1, 2));
        let go = "--- PASS: TestA (0.1s)\n    --- PASS: TestA/b\n--- FAIL: TestC\n--- SKIP: TestD";
        assert_eq!(count(go), Counts(2, 1, 1));
    }
}

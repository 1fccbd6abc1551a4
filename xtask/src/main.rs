//! The project's chores, as `cargo xtask NAME`: what the CI runs, and what is run by hand.

mod browser;
mod fuzz;
mod interop;
mod run;
mod setup;
mod suites;

use run::{Failure, Step};
use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

const HELP: &str = "\
cargo xtask test [NAME]        everything the CI checks; with NAME only the black-box tests so named
cargo xtask env                the variables that the black-box tests need, for your own shell
cargo xtask verify [OPTIONS]   kill the broker under load (--rounds 50) and look for losses
cargo xtask simulate [OPTIONS] runs of the simulation: --seeds N, --from S, --minutes M, --trace;
                               with --enumerate every power cut of a script of 10,000 operations
cargo xtask soak [OPTIONS]     hours of mixed load with restarts (--minutes 60), checked
cargo xtask interop [NAMES]    clients in eight languages against a fresh broker (--against rabbitmq)
cargo xtask management [NAMES] clients of the management API (--against rabbitmq)
cargo xtask browser [NAMES]    the web console in Chromium; with --measure what it costs instead
cargo xtask screenshots [--into FOLDER] [NAMES]        pictures of its pages, in all sizes and themes
cargo xtask client-suites      the clients' own test suites (--against rabbitmq), or those named
cargo xtask bench              compare with RabbitMQ, then grow, and write docs/benchmarks.md
cargo xtask bench compare|growth|document [OPTIONS]    one part of that
cargo xtask fuzz [OPTIONS]     fuzz all targets, or the named ones (--minutes 5, --keep, --stable)
cargo xtask help               this text

`cargo xtask test` installs what is missing: Debian packages when it may (as root), and the clients
in Python and Node into ~/.cache/warren. OPTIONS go to `perf verify`, `perf soak` and so on.";

/// Operations of the script whose power cuts `simulate --enumerate` tries.
const ENUMERATED_OPERATIONS: &str = "10000";

/// The test of the store that tries them.
const CUTS_TEST: &str = "enumerate::";

/// Quick to run, quick to build, and the same for all steps: nothing is compiled twice.
const PROFILE: [&str; 2] = ["--profile", "ci"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test", names @ ..] => test(names),
        ["env"] => setup::clients().map(|clients| println!("{}", clients.exports())),
        ["simulate", options @ ..] => simulate(options),
        ["verify", options @ ..] => verify(options),
        ["soak", options @ ..] => soak(options),
        ["bench", options @ ..] => bench(options),
        ["interop", words @ ..] => interop::interop(words),
        ["management", words @ ..] => interop::management(words),
        ["browser", words @ ..] => browser::browser(words),
        ["screenshots", words @ ..] => browser::screenshots(words),
        ["client-suites", words @ ..] => suites::client_suites(words),
        ["fuzz", words @ ..] => fuzz::fuzz(words),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(Failure(format!("there is no such chore\n{HELP}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Formatting, lints, all unit, property and black-box tests. Stops at the first step that fails.
fn test(names: &[&str]) -> Result<(), Failure> {
    let begun = Instant::now();
    setup::packages_for_tests()?;
    let clients = setup::clients()?;
    let workspace = [&["--workspace"][..], &PROFILE].concat();
    if names.is_empty() {
        Step::new("formatting").run(cargo(&["fmt", "--all", "--check"]))?;
        let lints = [&["clippy", "--all-targets"][..], &workspace, &["--", "-D", "warnings"]];
        Step::new("lints").run(cargo(&lints.concat()))?;
    }
    // The black-box tests start the programs that this builds, in the folder beside them.
    Step::new("build").run(cargo(&[&["build", "--all-targets"][..], &workspace].concat()))?;
    let chosen = if names.is_empty() { &[][..] } else { &["--test", "it", "--"][..] };
    let whole = ["test", "--no-fail-fast"];
    let mut command = cargo(&[&whole[..], &workspace, chosen, names].concat());
    clients.give_to(&mut command);
    let summary = Step::new("tests").run_and_summarise(&command)?;
    println!("\n{}", summary.join("\n"));
    if names.is_empty() {
        planted_bugs()?;
        interop::interop(&["--built"])?;
        interop::management(&["--built"])?;
        browser::browser(&["--built"])?;
    }
    println!("all steps passed in {} s", begun.elapsed().as_secs());
    Ok(())
}

/// Whether the simulation notices bugs that are put into engine and store. The switches exist in
/// this build alone, in a folder of its own, so that nothing else is built with them.
fn planted_bugs() -> Result<(), Failure> {
    let package = ["test", "-p", "warren-simulation", "--features", "planted"];
    let mut command = cargo(&[&package[..], &PROFILE, &["--test", "it", "planted"]].concat());
    command.env("CARGO_TARGET_DIR", target_dir().join("planted"));
    Step::new("planted bugs").run(command)
}

/// The simulation with seeds of choice, or every cut of a long script.
fn simulate(options: &[&str]) -> Result<(), Failure> {
    let (enumerate, options): (Vec<&str>, Vec<&str>) =
        options.iter().partition(|option| **option == "--enumerate");
    if enumerate.is_empty() {
        let package = ["run", "--quiet", "-p", "warren-simulation", "--bin", "simulate"];
        let words = [&package[..], &PROFILE, &["--"], &options].concat();
        return Step::new("simulation").run(cargo(&words));
    }
    let package = ["test", "-p", "warren-storage", "--test", "it"];
    let mut command = cargo(&[&package[..], &PROFILE, &["--", "--nocapture", CUTS_TEST]].concat());
    command.env("WARREN_ENUMERATE", ENUMERATED_OPERATIONS);
    Step::new("every power cut").run(command)
}

/// Rounds of load, SIGKILL, restart and comparison, with the optimised programs.
fn verify(options: &[&str]) -> Result<(), Failure> {
    let folder = build_release()?;
    let port = interop::free_port()?.to_string();
    let data_dir = target_dir().join(format!("verify-{}", std::process::id()));
    let mut command = Command::new(folder.join("perf"));
    command.args(["verify", "--port", &port]).args(options).arg("--");
    command.arg(folder.join("warren")).arg("server").arg("--data-dir").arg(&data_dir);
    command.args(["--amqp-listen", &format!("127.0.0.1:{port}")]);
    command.args(["--http-listen", "127.0.0.1:0"]);
    Step::new("kill rounds").run(command)?;
    // After a failure the data stays, for whoever looks for the reason.
    std::fs::remove_dir_all(&data_dir)
        .map_err(|error| Failure(format!("cannot remove {}: {error}", data_dir.display())))
}

/// Everything at once for a long time, with the optimised programs.
fn soak(options: &[&str]) -> Result<(), Failure> {
    let folder = build_release()?;
    let dir = target_dir().join(format!("soak-{}", std::process::id()));
    let mut command = Command::new(folder.join("perf"));
    command.arg("soak").arg("--dir").arg(dir).args(options);
    Step::new("soak").run(command)
}

/// What docs/benchmarks.md shows: all of it, or the part that is named.
fn bench(words: &[&str]) -> Result<(), Failure> {
    let (parts, options) = match words {
        [part @ ("compare" | "growth" | "document"), options @ ..] => (vec![*part], options),
        [] => (vec!["compare", "growth"], &[][..]),
        options => (vec!["compare"], options),
    };
    let alone = options.contains(&"--without-rabbitmq") || parts == ["document"];
    if !alone {
        setup::rabbitmq()?;
    }
    let folder = build_release()?;
    for part in parts {
        let mut command = Command::new(folder.join("perf"));
        command.arg(part).args(options).current_dir(workspace());
        Step::new("benchmarks").run(command)?;
    }
    Ok(())
}

fn build_release() -> Result<PathBuf, Failure> {
    let arguments = ["build", "--release", "-p", "warren", "-p", "warren-perf"];
    Step::new("build").run(cargo(&arguments))?;
    Ok(target_dir().join("release"))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.args(arguments).current_dir(workspace());
    command
}

fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(path) => workspace().join(path),
        None => workspace().join("target"),
    }
}

/// The root of the workspace.
///
/// Cargo names it when it runs this program. What was compiled in may be another clone's folder:
/// clones that share a build cache share this program too.
fn workspace() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR");
    here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from).join("..")
}

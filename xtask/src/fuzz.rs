//! Fuzzing: all targets in `fuzz/` for some minutes, one after the other. With the nightly
//! toolchain by libFuzzer, which is led by coverage; otherwise by a plain mutator over the same
//! targets.

use crate::run::{Failure, Step};
use crate::{cargo, target_dir, workspace};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

/// Longer inputs find nothing new, but take their time.
const INPUT_BYTES_MAX: u32 = 512;
/// An input that takes longer than this is a finding.
const INPUT_SECONDS_MAX: u32 = 20;
/// As is one that takes more memory than this.
const MEMORY_MEGABYTES_MAX: u32 = 1024;
const MINUTES: f64 = 5.0;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Options {
    minutes: f64,
    /// The plain mutator, also where there is a nightly toolchain.
    stable: bool,
    /// New inputs that reach more code are added to the kept ones.
    keep: bool,
    targets: Vec<String>,
}

/// What a run of one target came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    executions: u64,
    /// Edges of the program that were reached; only libFuzzer knows.
    coverage: Option<u64>,
    crashed: bool,
}

pub(crate) fn fuzz(words: &[&str]) -> Result<(), Failure> {
    let options = parse(words, &names()?)?;
    let fuzzer = if options.stable || !has_nightly() { build_plain()? } else { build_libfuzzer()? };
    let seconds = options.minutes * 60.0 / options.targets.len() as f64;
    let seconds = (seconds.round() as u64).max(1);
    let mut crashed = vec![];
    for target in &options.targets {
        let begun = Instant::now();
        let outcome = fuzzer.run(target, seconds)?;
        println!("{}", line(target, &outcome, begun.elapsed().as_secs_f64()));
        if outcome.crashed {
            print!("{}", tail(&fuzzer.log(target)));
            crashed.push(target.as_str());
        } else if options.keep {
            fuzzer.keep(target)?;
        }
    }
    if crashed.is_empty() {
        return Ok(());
    }
    let folder = crashes("");
    Err(Failure(format!("{} crashed; the inputs are in {}", crashed.join(", "), folder.display())))
}

fn parse(words: &[&str], names: &[String]) -> Result<Options, Failure> {
    let mut options = Options { minutes: MINUTES, stable: false, keep: false, targets: vec![] };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--minutes" => {
                let minutes = words.next().and_then(|word| word.parse().ok());
                let minutes = minutes.filter(|minutes: &f64| minutes.is_finite() && *minutes > 0.0);
                options.minutes =
                    minutes.ok_or_else(|| Failure("--minutes wants a number".to_owned()))?;
            }
            "--stable" => options.stable = true,
            "--keep" => options.keep = true,
            name if names.iter().any(|known| known == name) => options.targets.push(name.into()),
            other => {
                let names = names.join(", ");
                return Err(Failure(format!("there is no target {other:?}, only {names}")));
            }
        }
    }
    if options.targets.is_empty() {
        options.targets = names.to_vec();
    }
    Ok(options)
}

/// The targets: one for each file of entries.
fn names() -> Result<Vec<String>, Failure> {
    let folder = workspace().join("fuzz/fuzz_targets");
    let mut names = vec![];
    for path in files(&folder)? {
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    entries.map_err(|error| Failure(format!("{}: {error}", folder.display())))
}

/// A program, or a folder of them, that fuzzes.
enum Fuzzer {
    LibFuzzer { folder: PathBuf },
    Plain { program: PathBuf },
}

fn has_nightly() -> bool {
    let mut command = Command::new("rustup");
    let quiet = command.args(["run", "nightly", "rustc", "--version"]);
    let quiet = quiet.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn build_plain() -> Result<Fuzzer, Failure> {
    let arguments = ["build", "--profile", "fuzz", "-p", "warren-fuzz-targets"];
    Step::new("build").run(cargo(&arguments))?;
    Ok(Fuzzer::Plain { program: target_dir().join("fuzz/warren-fuzz-targets") })
}

fn build_libfuzzer() -> Result<Fuzzer, Failure> {
    let mut version = nightly(&["fuzz", "--version"]);
    let version = version.stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        Step::new("cargo-fuzz").run(cargo(&["install", "cargo-fuzz", "--locked"]))?;
    }
    // The same versions are fuzzed that are shipped; cargo adds what libFuzzer needs.
    let lock = workspace().join("Cargo.lock");
    fs::copy(&lock, workspace().join("fuzz/Cargo.lock"))
        .map_err(|error| Failure(format!("{}: {error}", lock.display())))?;
    let triple = host()?;
    let folder = target_dir().join("libfuzzer");
    // Nothing of ours is unsafe, so that no sanitizer is wanted; assertions are switched on in
    // fuzz/Cargo.toml.
    let mut build = nightly(&["fuzz", "build", "-O", "-s", "none", "--target", &triple]);
    build.env("CARGO_TARGET_DIR", &folder);
    Step::new("build").run(build)?;
    Ok(Fuzzer::LibFuzzer { folder: folder.join(triple).join("release") })
}

/// Cargo of the nightly toolchain.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).current_dir(workspace());
    command
}

/// The machine's name among the compiler's targets.
fn host() -> Result<String, Failure> {
    let output = Command::new("rustup").args(["run", "nightly", "rustc", "-vV"]).output();
    let output = output.map_err(|error| Failure(format!("cannot run rustc: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure("rustc does not name its host".to_owned()))
}

fn corpus(target: &str) -> PathBuf {
    workspace().join("fuzz/corpus").join(target)
}

fn crashes(target: &str) -> PathBuf {
    workspace().join("fuzz/crashes").join(target)
}

impl Fuzzer {
    /// Where inputs that were found on the way are kept from run to run.
    fn work(target: &str) -> PathBuf {
        target_dir().join("fuzz-work").join(target)
    }

    fn log(&self, target: &str) -> PathBuf {
        target_dir().join("fuzz-work").join(format!("{target}.log"))
    }

    fn run(&self, target: &str, seconds: u64) -> Result<Outcome, Failure> {
        for folder in [Self::work(target), crashes(target), corpus(target)] {
            make(&folder)?;
        }
        let mut command = match self {
            Self::LibFuzzer { folder } => {
                let mut command = Command::new(folder.join(target));
                command.arg(Self::work(target)).arg(corpus(target));
                command.arg(format!("-max_total_time={seconds}"));
                command.arg(format!("-max_len={INPUT_BYTES_MAX}"));
                command.arg(format!("-timeout={INPUT_SECONDS_MAX}"));
                command.arg(format!("-rss_limit_mb={MEMORY_MEGABYTES_MAX}"));
                command.arg(format!("-artifact_prefix={}/", crashes(target).display()));
                command.arg("-print_final_stats=1");
                command
            }
            Self::Plain { program } => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let seed = now.map_or(1, |time| time.as_secs());
                let mut command = Command::new(program);
                command.args([target, &seconds.to_string(), &seed.to_string()]);
                command.arg(corpus(target)).arg(crashes(target));
                command
            }
        };
        let failed = |error| Failure(format!("cannot fuzz {target}: {error}"));
        let log = File::create(self.log(target)).map_err(failed)?;
        let log_too = log.try_clone().map_err(failed)?;
        let status = command.stdout(log).stderr(log_too).status().map_err(failed)?;
        // A folder without crashes says nothing.
        let _ = fs::remove_dir(crashes(target));
        let _ = fs::remove_dir(crashes(""));
        let text = fs::read(self.log(target)).map_err(failed)?;
        Ok(outcome(&String::from_utf8_lossy(&text), !status.success()))
    }

    /// Makes the kept inputs few that reach all code which the kept and the new ones reach; how
    /// often they reach it does not count.
    fn keep(&self, target: &str) -> Result<(), Failure> {
        let Self::LibFuzzer { folder } = self else { return Ok(()) };
        let failed = |error| Failure(format!("cannot keep the inputs of {target}: {error}"));
        let fewest = target_dir().join("fuzz-work").join(format!("{target}.fewest"));
        let _ = fs::remove_dir_all(&fewest);
        make(&fewest)?;
        let mut merge = Command::new(folder.join(target));
        merge
            .args(["-set_cover_merge=1", "-use_counters=0"])
            .arg(format!("-max_len={INPUT_BYTES_MAX}"));
        merge.args([&fewest, &corpus(target), &Self::work(target)]);
        let quiet = merge.stdout(Stdio::null()).stderr(Stdio::null());
        if !quiet.status().map_err(failed)?.success() {
            return Err(Failure(format!("the inputs of {target} cannot be merged")));
        }
        fs::remove_dir_all(corpus(target)).map_err(failed)?;
        make(&corpus(target))?;
        for path in files(&fewest)? {
            let name = path.file_name().unwrap_or_default();
            fs::copy(&path, corpus(target).join(name)).map_err(failed)?;
        }
        println!("{target:16}{:>14} inputs are kept", files(&fewest)?.len());
        Ok(())
    }
}

fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)
        .map_err(|error| Failure(format!("cannot make {}: {error}", folder.display())))
}

/// What the output of a fuzzer says.
fn outcome(log: &str, crashed: bool) -> Outcome {
    let number = |text: &str| text.split_whitespace().next()?.parse().ok();
    let behind = |mark: &str| log.rsplit_once(mark).and_then(|(_, rest)| number(rest));
    let plain = behind("executions: ");
    let executions = behind("stat::number_of_executed_units:").or(plain);
    Outcome { executions: executions.unwrap_or_default(), coverage: behind(" cov: "), crashed }
}

fn line(target: &str, outcome: &Outcome, seconds: f64) -> String {
    let Outcome { executions, coverage, crashed } = outcome;
    let rate = *executions as f64 / seconds.max(0.001);
    let coverage = coverage.map_or("-".to_owned(), |edges| edges.to_string());
    let end = if *crashed { "CRASHED" } else { "no crash" };
    format!(
        "{target:16}{executions:>14} executions {seconds:>8.0} s {rate:>9.0}/s {coverage:>7} edges  \
         {end}"
    )
}

/// The end of a log, where a crash is told.
fn tail(log: &Path) -> String {
    const LINES: usize = 60;
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LINES);
    lines.iter().skip(first).map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_minutes_and_targets() {
        let names = ["frames".to_owned(), "tables".to_owned()];
        let all = parse(&["--minutes", "0.5"], &names).expect("it is right");
        assert_eq!((all.minutes, all.targets.len(), all.stable), (0.5, 2, false));
        let one = parse(&["tables", "--stable", "--keep"], &names).expect("it is right");
        assert_eq!((one.targets, one.stable, one.keep), (vec!["tables".to_owned()], true, true));
        for wrong in [&["--minutes"][..], &["--minutes", "-1"], &["frame"], &["--keeps"]] {
            assert!(parse(wrong, &names).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn executions_and_coverage_are_read_from_both_fuzzers() {
        let log = "#8\tNEW    cov: 12 ft: 3\n#84318\tDONE   cov: 1241 ft: 2576\n\
                   stat::number_of_executed_units: 84318\n";
        let expected = Outcome { executions: 84_318, coverage: Some(1241), crashed: false };
        assert_eq!(outcome(log, false), expected);
        let expected = Outcome { executions: 77, coverage: None, crashed: true };
        assert_eq!(outcome("executions: 77\n", true), expected);
        assert!(line("frames", &expected, 7.0).ends_with("11/s       - edges  CRASHED"));
    }
}

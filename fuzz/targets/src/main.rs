//! Fuzzes one target on the stable toolchain: `warren-fuzz-targets TARGET SECONDS SEED INPUTS
//! CRASHES`, the last two being folders. With a file in place of the seconds, that input is run.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};

use warren_fuzz_targets::{Target, find, mutate};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [name, seconds, seed, inputs, crashes] => match (find(name), seconds.parse(), seed.parse())
        {
            (Some(target), Ok(seconds), Ok(seed)) => {
                fuzz(target, seconds, seed, Path::new(inputs), Path::new(crashes))
            }
            _ => Err("no such target, or not a number".to_owned()),
        },
        [name, file] => replay(name, Path::new(file)),
        _ => Err("TARGET SECONDS SEED INPUTS CRASHES, or TARGET FILE".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn fuzz(
    target: &Target,
    seconds: u64,
    seed: u64,
    inputs: &Path,
    crashes: &Path,
) -> Result<(), String> {
    let kept = read(inputs)?;
    let outcome = mutate::run(target, &kept, seed, Duration::from_secs(seconds));
    println!("executions: {}", outcome.executions);
    let Some((input, words)) = outcome.crash else { return Ok(()) };
    let path = crashes.join(format!("crash-{seed}-{}", outcome.executions));
    let written = fs::create_dir_all(crashes).and_then(|()| fs::write(&path, input));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Err(format!("{} panicked: {words}\nthe input is in {}", target.name, path.display()))
}

fn replay(name: &str, file: &Path) -> Result<(), String> {
    let target = find(name).ok_or("no such target")?;
    let input = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    match mutate::panics(target, &input) {
        Some(words) => Err(format!("{name} panicked: {words}")),
        None => Ok(()),
    }
}

/// The files of a folder; none if it is missing.
fn read(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if !folder.exists() {
        return Ok(vec![]);
    }
    let mut paths: Vec<_> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(failed)?;
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).map_err(failed)).collect()
}

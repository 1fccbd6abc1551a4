//! Running commands: what runs is said, what fails is named, what tests sum up is kept.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Why a chore ended; said to the developer as it is.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One step of a chore.
#[derive(Debug)]
pub(crate) struct Step {
    name: &'static str,
    begun: Instant,
}

impl Step {
    pub(crate) fn new(name: &'static str) -> Self {
        println!("== {name}");
        Self { name, begun: Instant::now() }
    }

    /// Runs a command with its output going to ours.
    pub(crate) fn run(self, mut command: Command) -> Result<(), Failure> {
        let status = command.status().map_err(|error| cannot_run(&command, &error))?;
        if !status.success() {
            return Err(self.failure(&command));
        }
        println!("== {} passed in {} s", self.name, self.begun.elapsed().as_secs());
        Ok(())
    }

    /// Runs `cargo test`, shows its output, and gives the last line of each test program, with the
    /// program's name before it.
    pub(crate) fn run_and_summarise(self, tests: &Command) -> Result<Vec<String>, Failure> {
        // Cargo names the program on its standard error, and the program sums up on its standard
        // output. A shell joins them, so that they come in order.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(tests.get_program());
        command.args(tests.get_args()).env("CARGO_TERM_COLOR", "never").stdout(Stdio::piped());
        for (name, value) in tests.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        if let Some(folder) = tests.get_current_dir() {
            command.current_dir(folder);
        }
        let mut child = command.spawn().map_err(|error| cannot_run(tests, &error))?;
        let mut summary = Summary::default();
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                println!("{line}");
                summary.read(&line);
            }
        }
        let status = child.wait().map_err(|error| cannot_run(tests, &error))?;
        if !status.success() {
            println!("\n{}", summary.lines.join("\n"));
            return Err(self.failure(tests));
        }
        Ok(summary.lines)
    }

    fn failure(&self, command: &Command) -> Failure {
        let seconds = self.begun.elapsed().as_secs();
        Failure(format!("{} FAILED after {seconds} s: {}", self.name, line(command)))
    }
}

/// What `cargo test` prints, reduced to one line for each program that ran tests.
#[derive(Debug, Default)]
struct Summary {
    program: String,
    lines: Vec<String>,
}

impl Summary {
    fn read(&mut self, line: &str) {
        let text = line.trim();
        if let Some(rest) = text.strip_prefix("Running ") {
            // "unittests src/lib.rs (target/ci/deps/warren_amqp-0123)"
            let path = rest.rsplit('(').next().unwrap_or(rest).trim_end_matches(')');
            let name = path.rsplit('/').next().unwrap_or(path);
            name.rsplit_once('-').map_or(name, |(name, _)| name).clone_into(&mut self.program);
        } else if let Some(name) = text.strip_prefix("Doc-tests ") {
            self.program = format!("{name} (documentation)");
        } else if text.starts_with("test result:") && !text.contains(" 0 passed; 0 failed; 0 ign") {
            self.lines.push(format!("{}: {text}", self.program));
        }
    }
}

fn cannot_run(command: &Command, error: &std::io::Error) -> Failure {
    Failure(format!("cannot run `{}`: {error}", line(command)))
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_programs_that_ran_tests() {
        let output = "
     Running unittests src/lib.rs (target/ci/deps/warren_amqp-0123456789abcdef)
running 2 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
     Running unittests src/main.rs (/home/x/target/ci/deps/empty-0123456789abcdef)
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.0s
   Doc-tests warren_engine
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.read(line));
        let found: Vec<&str> =
            summary.lines.iter().filter_map(|line| line.split(" passed").next()).collect();
        let expected = [
            "warren_amqp: test result: ok. 2",
            "warren_engine (documentation): test result: FAILED. 1",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_failed_step_names_its_command() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        let failure = Step::new("failing").run(command).expect_err("it fails").to_string();
        assert!(failure.starts_with("failing FAILED after 0 s: sh -c exit 3"), "{failure}");
    }
}

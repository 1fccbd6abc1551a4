//! Programs that a test runs beside the broker: clients in other languages, examples, `perf`.

use crate::{GLANCE, PATIENCE};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A running program and the lines it prints. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// Starts a program; its standard output and error are read line by line.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let name = format!("{:?}", command.get_program());
        let spawned =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{name} cannot start: {error}"));
        let (sender, lines) = channel();
        let output = child.stdout.take().expect("the output is a pipe");
        let errors = child.stderr.take().expect("the errors are a pipe");
        let other = sender.clone();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|l| {
                // The test may have gone; the rest of the output is then of no interest.
                let _ = sender.send(l);
            })
        });
        thread::spawn(move || {
            BufReader::new(errors).lines().map_while(Result::ok).for_each(|l| {
                let _ = other.send(l);
            })
        });
        Self { name, child, lines, seen: Vec::new() }
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Panics
    /// When it does not come in time, with all that the program printed.
    pub fn wait_for_line(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.iter().any(|line| line.contains(text)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("{} never printed {text:?}:\n{}", self.name, self.printed()),
            }
        }
    }

    /// Waits for the program's end and gives all that it printed.
    ///
    /// # Panics
    /// When it runs longer than `limit` or fails.
    pub fn finish(mut self, limit: Duration) -> String {
        let status = self.end(limit);
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, self.printed());
        self.printed()
    }

    fn end(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                break status;
            }
            // Reading while waiting keeps the pipe, and with it the program, from filling up.
            self.seen.extend(self.lines.try_iter());
            let now = Instant::now();
            assert!(now < deadline, "{} runs on after {limit:?}:\n{}", self.name, self.printed());
            thread::sleep(GLANCE);
        };
        // The pipes end with the program, so that this loop ends too.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        status
    }

    fn printed(&self) -> String {
        self.seen.join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! `warren check`: verifies the folder of a stopped broker, and salvages a damaged one.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use warren_storage::{CheckReport, Error, Finding, Options, RepairReport};

use crate::cli::Check;

/// Nothing is damaged.
const CLEAN: u8 = 0;
/// Something is damaged, or was before the repair.
const DAMAGED: u8 = 1;
/// Nobody knows: the folder is in use, there is none, or it cannot be read.
const FAILED: u8 = 2;

/// How often progress is told on a terminal.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

/// Checks the folder, and repairs it if that was asked for.
pub(crate) fn run(arguments: &Check) -> ExitCode {
    silence_database();
    let mut output = std::io::stdout().lock();
    let result = match arguments.repair {
        true => repair(arguments, &mut output),
        false => check(arguments, &mut output),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if arguments.json {
                // Whoever reads this has gone if it cannot be written.
                let _ = writeln!(output, "{}", json!({ "error": error.to_string() }));
            }
            eprintln!("warren: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// The database panics over some damaged pages. The store takes that for damage and tells it.
fn silence_database() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("redb")) {
            usual(panic);
        }
    }));
}

fn check(arguments: &Check, output: &mut dyn Write) -> Result<u8, Error> {
    let mut progress = Progress::new();
    let options = Options::default();
    let report = warren_storage::check(&arguments.data_dir, &options, &mut |messages| {
        progress.at(messages)
    })?;
    let code = if report.is_clean() { CLEAN } else { DAMAGED };
    let text = match arguments.json {
        true => format!("{}\n", report_as_json(&report, &arguments.data_dir)),
        false => report_as_text(&report, &arguments.data_dir),
    };
    print(output, &text);
    Ok(code)
}

fn repair(arguments: &Check, output: &mut dyn Write) -> Result<u8, Error> {
    let mut progress = Progress::new();
    let log_key = random_number()?;
    let options = Options { log_key, ..Options::default() };
    let report = warren_storage::repair(&arguments.data_dir, &options, &mut |messages| {
        progress.at(messages);
    })?;
    let text = match arguments.json {
        true => {
            let after = report.after.as_ref();
            let value = json!({
                "before": report_as_json(&report.before, &arguments.data_dir),
                "after": after.map(|after| report_as_json(after, &arguments.data_dir)),
                "salvage_folder": report.folder,
                "notes": report.notes,
            });
            format!("{value}\n")
        }
        false => repair_as_text(&report, &arguments.data_dir),
    };
    print(output, &text);
    Ok(if report.before.is_clean() { CLEAN } else { DAMAGED })
}

/// A random number for a log that begins anew.
fn random_number() -> Result<u64, Error> {
    getrandom::u64().map_err(|error| Error::Io {
        operation: "read",
        path: "a random number".into(),
        message: error.to_string(),
    })
}

fn print(output: &mut dyn Write, text: &str) {
    // Whoever reads this has gone if it cannot be written; the exit code is there all the same.
    let _ = output.write_all(text.as_bytes());
}

fn place(finding: &Finding, folder: &Path) -> String {
    let file = finding.file.strip_prefix(folder).unwrap_or(&finding.file).display();
    match finding.offset {
        Some(offset) => format!("{file} at byte {offset}"),
        None => file.to_string(),
    }
}

fn report_as_text(report: &CheckReport, folder: &Path) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let kind = if finding.is_damage { "damaged" } else { "note" };
        text.push_str(&format!("{kind}: {}: {}\n", place(finding, folder), finding.message));
    }
    if report.more_findings > 0 {
        text.push_str(&format!("... and {} more\n", report.more_findings));
    }
    let CheckReport { queues, messages, segments, lost_messages, .. } = report;
    let checked = format!("{queues} queues, {messages} messages, {segments} segments checked");
    let damages = report.findings.iter().filter(|finding| finding.is_damage).count() as u64;
    let damages = damages + report.more_findings;
    match damages {
        0 => text.push_str(&format!("clean: {checked}\n")),
        _ => text.push_str(&format!(
            "{damages} places damaged, {lost_messages} messages known to be lost; {checked}\n"
        )),
    }
    text
}

fn repair_as_text(report: &RepairReport, folder: &Path) -> String {
    let mut text = report_as_text(&report.before, folder);
    let Some(after) = &report.after else {
        text.push_str("nothing to repair\n");
        return text;
    };
    for note in &report.notes {
        text.push_str(&format!("repair: {note}\n"));
    }
    if let Some(kept) = &report.folder {
        text.push_str(&format!("the damaged files were copied to {}\n", kept.display()));
    }
    text.push_str("after the repair: ");
    text.push_str(&report_as_text(after, folder));
    text
}

fn report_as_json(report: &CheckReport, folder: &Path) -> Value {
    let findings = report.findings.iter().map(|finding| {
        let file = finding.file.strip_prefix(folder).unwrap_or(&finding.file);
        json!({
            "damage": finding.is_damage,
            "file": file.display().to_string(),
            "offset": finding.offset,
            "message": finding.message,
            "lost_messages": finding.lost_messages,
        })
    });
    json!({
        "clean": report.is_clean(),
        "findings": findings.collect::<Vec<_>>(),
        "more_findings": report.more_findings,
        "lost_messages": report.lost_messages,
        "queues": report.queues,
        "messages": report.messages,
        "message_bytes": report.bytes,
        "segments": report.segments,
    })
}

/// Tells on a terminal how far the check has come.
struct Progress {
    began: Instant,
    told: Instant,
    is_shown: bool,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self { began: now, told: now, is_shown: std::io::stderr().is_terminal() }
    }

    fn at(&mut self, messages: u64) {
        if self.is_shown && self.told.elapsed() >= PROGRESS_PERIOD {
            self.told = Instant::now();
            let rate = messages as f64 / self.began.elapsed().as_secs_f64();
            eprintln!("{messages} messages checked, {rate:.0}/s");
        }
    }
}

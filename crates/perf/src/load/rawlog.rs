//! `perf rawlog`: the disk's own limit. Appends batches of bytes to a pre-written file and syncs
//! each, which is the least that any broker with durable confirms has to do.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::Error;
use crate::report::{self, Table};

/// Size of the file: as a log segment, written ahead so that a sync has no metadata to write.
const FILE_BYTES: usize = 64 << 20;

/// Options of `perf rawlog`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Bytes of a message.
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
    /// Messages a sync.
    #[arg(long, default_value_t = 100)]
    pub(crate) batch: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Directory on the disk in question; the file in it is removed afterwards.
    #[arg(long, default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the disk can do.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RawlogOutcome {
    pub(crate) messages_per_second: f64,
    pub(crate) syncs_per_second: f64,
    pub(crate) sync_median_us: f64,
}

/// Runs the command.
pub(crate) fn command(options: &Options) -> Result<(), Error> {
    let outcome = run(options)?;
    let title = format!("raw log, {} bytes, {} messages a sync", options.size, options.batch);
    let table = Table::new(title)
        .row("messages", report::rate(outcome.messages_per_second))
        .row("syncs", report::rate(outcome.syncs_per_second))
        .row("append and sync, median", report::microseconds(outcome.sync_median_us));
    report::print(options.json, &outcome, &table)
}

/// Measures appends of `size * batch` bytes, each followed by `fdatasync`.
pub(crate) fn run(options: &Options) -> Result<RawlogOutcome, Error> {
    let bytes = options.size.saturating_mul(options.batch);
    if bytes == 0 || bytes > FILE_BYTES {
        return Err(Error::Usage(format!("size x batch must be 1 to {FILE_BYTES} bytes")));
    }
    let path = options.dir.join(format!("warren-perf-rawlog-{}", std::process::id()));
    let outcome = measure(&path, options, bytes);
    let removed = fs::remove_file(&path);
    let outcome = outcome.map_err(|e| Error::io(path.display().to_string(), e))?;
    removed.map_err(|e| Error::io(path.display().to_string(), e))?;
    Ok(outcome)
}

fn measure(path: &Path, options: &Options, bytes: usize) -> std::io::Result<RawlogOutcome> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0; FILE_BYTES])?;
    file.sync_all()?;
    let batch = vec![b'w'; bytes];
    let mut position = FILE_BYTES;
    let mut times = Vec::new();
    let start = Instant::now();
    let deadline = start + Duration::from_secs_f64(options.seconds);
    let mut before = start;
    while before < deadline {
        if position + bytes > FILE_BYTES {
            file.rewind()?;
            position = 0;
        }
        file.write_all(&batch)?;
        file.sync_data()?;
        position += bytes;
        let now = Instant::now();
        times.push(now.duration_since(before));
        before = now;
    }
    let seconds = before.duration_since(start).as_secs_f64();
    let syncs = times.len() as f64;
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    Ok(RawlogOutcome {
        messages_per_second: syncs * options.batch as f64 / seconds,
        syncs_per_second: syncs / seconds,
        sync_median_us: median.as_secs_f64() * 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_log_is_measured_and_its_file_removed() {
        let dir = std::env::temp_dir();
        let options =
            Options { size: 1024, batch: 10, seconds: 0.01, dir: dir.clone(), json: false };
        let outcome = run(&options).unwrap();
        assert!(outcome.messages_per_second > 0.0 && outcome.sync_median_us > 0.0);
        let file = format!("warren-perf-rawlog-{}", std::process::id());
        assert!(!dir.join(file).exists());
    }
}

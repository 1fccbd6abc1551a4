//! The files of the audit log: `audit.log`, and older ones `audit.log.1` to `audit.log.4`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::AuditEntry;
use crate::limits;

/// The file's name in the data folder.
pub(super) const NAME: &str = "audit.log";

#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl AuditFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        let mut audit = Self { path: path.to_owned(), file, bytes };
        if fs::read(path)?.last().is_some_and(|last| *last != b'\n') {
            // A line that a crash has cut off stays alone.
            audit.append(b"\n")?;
        }
        Ok(audit)
    }

    /// Appends whole lines, durably.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > limits::AUDIT_FILE_BYTES {
            self.put_aside()?;
        }
        self.file.write_all(lines)?;
        self.bytes += lines.len() as u64;
        self.file.sync_data()
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }

    fn put_aside(&mut self) -> io::Result<()> {
        for number in (1..limits::AUDIT_FILES).rev() {
            // The last one goes by being written over.
            match fs::rename(self.older(number), self.older(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.older(1))?;
        self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }

    /// The number of the last entry.
    pub(super) fn last_number(&self) -> u64 {
        self.read(u64::MAX, 1).first().map_or(0, |entry| entry.number)
    }

    /// Entries with numbers below `below`, the newest first. Lines that cannot be read are left out.
    pub(super) fn read(&self, below: u64, max: usize) -> Vec<AuditEntry> {
        let mut found = Vec::new();
        let older = (1..=limits::AUDIT_FILES).map(|number| self.older(number));
        for path in std::iter::once(self.path.clone()).chain(older) {
            let Ok(bytes) = fs::read(&path) else { break };
            for line in bytes.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                if found.len() >= max {
                    return found;
                }
                let entry = serde_json::from_slice::<AuditEntry>(line).ok();
                found.extend(entry.filter(|entry| entry.number < below));
            }
        }
        found
    }
}

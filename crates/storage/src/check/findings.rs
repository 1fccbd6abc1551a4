//! What a check finds, in words for an operator.

use std::path::{Path, PathBuf};

use crate::limits::FINDINGS_MAX;
use crate::recovery::Damage;
use crate::{Disk, Error};

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The first bad byte, where it is known; in the database the text names table and key.
    pub offset: Option<u64>,
    /// What is wrong, and what it means.
    pub message: String,
    /// Messages that are lost by it, as far as they can be counted.
    pub lost_messages: u64,
    /// False for what is worth knowing and takes nothing away.
    pub is_damage: bool,
}

/// What a check came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// In the order in which they were found.
    pub findings: Vec<Finding>,
    /// Further damage that is not listed.
    pub more_findings: u64,
    /// Messages that are lost by all damage.
    pub lost_messages: u64,
    /// Queues with a record.
    pub queues: u64,
    /// Waiting messages that are whole, those in the log behind the last checkpoint left out.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segments of the log.
    pub segments: u64,
}

impl CheckReport {
    /// True if nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.more_findings == 0 && !self.findings.iter().any(|finding| finding.is_damage)
    }
}

/// Findings under way.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    more: u64,
    lost_messages: u64,
}

impl Findings {
    pub(super) fn into_report(self) -> CheckReport {
        CheckReport {
            findings: self.list,
            more_findings: self.more,
            lost_messages: self.lost_messages,
            ..CheckReport::default()
        }
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.lost_messages += finding.lost_messages;
        if self.list.len() < FINDINGS_MAX {
            self.list.push(finding);
        } else {
            self.more += u64::from(finding.is_damage);
        }
    }

    /// Damage as a recovery reports it: in a segment it has an offset.
    pub(super) fn damage(&mut self, damage: Damage) {
        let Damage { file, offset, message } = damage;
        let offset = file.extension().is_some_and(|it| it == "seg").then_some(offset);
        self.push(Finding { file, offset, message, lost_messages: 0, is_damage: true });
    }

    pub(super) fn note(&mut self, file: &Path, message: String) {
        let file = file.to_owned();
        self.push(Finding { file, offset: None, message, lost_messages: 0, is_damage: false });
    }

    /// True if this was said before.
    pub(super) fn names(&self, file: &Path, message: &str) -> bool {
        self.list.iter().any(|finding| finding.file == file && finding.message == message)
    }

    /// A part of the database that cannot be read.
    pub(super) fn error(&mut self, disk: &dyn Disk, error: &Error) {
        let message = match error {
            Error::Damaged { message, .. } | Error::Database { message, .. } => message.clone(),
            other => other.to_string(),
        };
        let file = disk.path(crate::index::FILE);
        // One broken page is met with by everything that reads it.
        if !self.list.iter().any(|finding| finding.message == message) {
            self.damage(Damage { file, offset: 0, message });
        }
    }
}

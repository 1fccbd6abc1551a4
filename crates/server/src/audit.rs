//! The audit log: who changed what, from where, and with which result; and whose login was refused.
//!
//! One line of JSON each in `audit.log`, written and synced by a thread, so that nobody waits for
//! it. The file is put aside when it is large, and the oldest of those goes. What is newest is in
//! memory as well.

mod file;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use crate::catalog::{Actor, CatalogError, Done, Via};
use crate::{clock, limits};
use file::AuditFile;

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number; they rise by one.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// Who.
    pub user: String,
    /// Where that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// By which way.
    pub via: Via,
    /// What, in words.
    pub what: String,
    /// `created`, `updated`, `deleted`, `unchanged`, `refused`.
    pub result: AuditResult,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What something came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditResult {
    /// Something is new.
    Created,
    /// Something is different.
    Updated,
    /// Something is gone.
    Deleted,
    /// All was already so.
    Unchanged,
    /// It did not happen.
    Refused,
}

/// What happened, before it has a number.
#[derive(Debug)]
struct Happened {
    time: u64,
    actor: Actor,
    what: String,
    result: AuditResult,
    reason: Option<String>,
}

#[derive(Debug)]
enum Order {
    Happened(Happened),
    /// Tell when all that came before is written.
    Written(tokio::sync::oneshot::Sender<()>),
    /// Read older entries.
    Read {
        below: u64,
        max: usize,
        reply: tokio::sync::oneshot::Sender<Vec<AuditEntry>>,
    },
}

/// The handle to the log. When the last one is dropped, the thread ends.
#[derive(Debug, Clone)]
pub struct Audit {
    orders: SyncSender<Order>,
    /// Entries that found no room on their way to the thread.
    lost: Arc<AtomicU64>,
}

/// What the thread does.
pub(crate) struct Keeper {
    orders: Receiver<Order>,
    lost: Arc<AtomicU64>,
    path: PathBuf,
    /// The number of the last entry.
    number: u64,
    /// What is newest.
    recent: VecDeque<AuditEntry>,
}

impl Audit {
    /// A log in a folder; the keeper is to run in a thread.
    pub(crate) fn new(folder: &std::path::Path) -> (Self, Keeper) {
        let (sender, orders) = sync_channel(limits::AUDIT_INBOX);
        let lost: Arc<AtomicU64> = Arc::default();
        let (path, recent) = (folder.join(file::NAME), VecDeque::new());
        let keeper = Keeper { orders, lost: Arc::clone(&lost), path, number: 0, recent };
        (Self { orders: sender, lost }, keeper)
    }

    /// Somebody has made a change, or was refused.
    pub(crate) fn changed(&self, actor: &Actor, what: String, done: &Result<Done, CatalogError>) {
        let (result, reason) = match done {
            Ok(Done::Created) => (AuditResult::Created, None),
            Ok(Done::Updated) => (AuditResult::Updated, None),
            Ok(Done::Deleted) => (AuditResult::Deleted, None),
            Ok(Done::Unchanged) => (AuditResult::Unchanged, None),
            Err(error) => (AuditResult::Refused, Some(error.to_string())),
        };
        self.note(actor.clone(), what, result, reason);
    }

    /// Somebody could not log in.
    pub(crate) fn login_refused(&self, actor: Actor, reason: String) {
        self.note(actor, "log in".to_owned(), AuditResult::Refused, Some(reason));
    }

    /// Somebody has done something that is no change of definitions, or was refused for a reason.
    pub fn done(&self, actor: Actor, what: String, outcome: Result<AuditResult, String>) {
        match outcome {
            Ok(result) => self.note(actor, what, result, None),
            Err(reason) => self.note(actor, what, AuditResult::Refused, Some(reason)),
        }
    }

    fn note(&self, actor: Actor, what: String, result: AuditResult, reason: Option<String>) {
        let happened = Happened { time: clock::now(), actor, what, result, reason };
        match self.orders.try_send(Order::Happened(happened)) {
            Ok(()) => {}
            // More than a disk takes: a flood of logins. How many they were is told.
            Err(TrySendError::Full(_)) => drop(self.lost.fetch_add(1, Ordering::Relaxed)),
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Waits until all that has happened is written.
    pub(crate) async fn written(&self) {
        let (done, wait) = tokio::sync::oneshot::channel();
        let orders = self.orders.clone();
        let asked = tokio::task::spawn_blocking(move || orders.send(Order::Written(done)).is_ok());
        if let Ok(true) = asked.await {
            let _ = wait.await;
        }
    }

    /// Up to `max` entries, the newest first, with numbers below `below`; None is the newest of all.
    pub async fn page(&self, below: Option<u64>, max: usize) -> Vec<AuditEntry> {
        let below = below.unwrap_or(u64::MAX);
        let max = max.min(limits::AUDIT_PAGE);
        let (reply, answer) = tokio::sync::oneshot::channel();
        let orders = self.orders.clone();
        let asked = tokio::task::spawn_blocking(move || {
            orders.send(Order::Read { below, max, reply }).is_ok()
        });
        match asked.await {
            Ok(true) => answer.await.unwrap_or_default(),
            Ok(false) | Err(_) => vec![],
        }
    }
}

impl Keeper {
    /// Runs until nobody is left who could tell it anything.
    pub(crate) fn run(mut self) {
        let mut file = match AuditFile::open(&self.path) {
            Ok(file) => Some(file),
            Err(error) => {
                error!(%error, file = %self.path.display(), "there is no audit log");
                None
            }
        };
        self.number = file.as_ref().map_or(0, AuditFile::last_number);
        while let Ok(first) = self.orders.recv() {
            let mut lines = Vec::new();
            let mut next = Some(first);
            while let Some(order) = next.take() {
                match order {
                    Order::Happened(happened) => self.take(happened, &mut lines),
                    Order::Written(done) => {
                        write(&mut file, &mut lines);
                        let _ = done.send(());
                    }
                    Order::Read { below, max, reply } => {
                        write(&mut file, &mut lines);
                        // Whoever asked may be gone.
                        let _ = reply.send(self.read(file.as_ref(), below, max));
                    }
                }
                if lines.len() < limits::AUDIT_BATCH_BYTES {
                    next = self.orders.try_recv().ok();
                }
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                warn!(lost, "the audit log has no room for all that happens");
                let actor = Actor { user: String::new(), address: None, via: Via::Start };
                let what = format!("{lost} entries that were too many at one time");
                let (time, result, reason) = (clock::now(), AuditResult::Refused, None);
                let happened = Happened { time, actor, what, result, reason };
                self.take(happened, &mut lines);
            }
            write(&mut file, &mut lines);
        }
    }

    fn take(&mut self, happened: Happened, lines: &mut Vec<u8>) {
        self.number += 1;
        let Happened { time, actor: Actor { user, address, via }, what, result, reason } = happened;
        let number = self.number;
        let entry = AuditEntry { number, time, user, address, via, what, result, reason };
        // A line of strings and numbers can always be made.
        if serde_json::to_writer(&mut *lines, &entry).is_ok() {
            lines.push(b'\n');
        }
        if self.recent.len() >= limits::AUDIT_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(entry);
    }

    /// What is in memory, or in files if that is not enough.
    fn read(&self, file: Option<&AuditFile>, below: u64, max: usize) -> Vec<AuditEntry> {
        let found = self.recent.iter().rev().filter(|entry| entry.number < below);
        let found: Vec<AuditEntry> = found.take(max).cloned().collect();
        match file {
            Some(file) if found.len() < max => file.read(below, max),
            Some(_) | None => found,
        }
    }
}

fn write(file: &mut Option<AuditFile>, lines: &mut Vec<u8>) {
    if let Some(open) = file
        && !lines.is_empty()
        && let Err(error) = open.append(lines)
    {
        // Such as a full disk. What is newest is still in memory.
        error!(%error, "the audit log cannot be written");
    }
    lines.clear();
}

#[cfg(test)]
mod tests;

//! Checks the folder of a stopped store, and salvages a damaged one.
//!
//! A check does what a start does, on a disk whose changes stay in memory, and then looks at what
//! a start leaves for later: every row of the index, every message that a row points to, and how
//! often messages came back.
//! Memory does not grow with the number of messages.

mod files;
mod findings;
mod key;
mod messages;
mod overlay;
mod repair;
mod returns;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use warren_engine::QueueId;

use self::files::Files;
use self::findings::Findings;
use self::overlay::OverlayDisk;
use crate::delta::QueueDelta;
use crate::index::{self, BadCounts, Counts, Index, Meta};
use crate::recovery::{Damage, LOCK_FILE};
use crate::replay::Replay;
use crate::shared::{Segment, State};
use crate::topology::Topology;
use crate::{Disk, DiskLock, Error, Options, RealDisk};

pub use self::findings::{CheckReport, Finding};
pub use self::repair::{RepairReport, repair, repair_on};

/// Is told how many messages were looked at.
type Progress<'a> = &'a mut dyn FnMut(u64);

/// Verifies the stopped store in `directory` and changes nothing. `progress` is told now and then
/// how many messages were looked at.
///
/// # Errors
/// `Locked` if a broker has it open, `NoStore` if there is none, `NewerFormat` if a newer program
/// wrote it, and any error of the disk. Damage is no error: it is in the report.
pub fn check(
    directory: &Path,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<CheckReport, Error> {
    check_on(existing(directory)?, options, progress)
}

/// Like [`check`], on a disk of the caller's.
///
/// # Errors
/// Like [`check`].
pub fn check_on(
    disk: Arc<dyn Disk>,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<CheckReport, Error> {
    let _lock = locked(disk.as_ref())?;
    Ok(examine(disk, options, progress)?.report)
}

/// The disk of a folder that is there: a check makes none.
fn existing(directory: &Path) -> Result<Arc<dyn Disk>, Error> {
    if !directory.is_dir() {
        return Err(Error::NoStore { path: directory.to_owned() });
    }
    let disk = RealDisk::new(directory).map_err(|error| Error::io("open", directory, &error))?;
    Ok(Arc::new(disk))
}

/// Takes the lock, but not where there is no store: taking it makes a file.
fn locked(disk: &dyn Disk) -> Result<DiskLock, Error> {
    let path = disk.path("");
    let names = disk.list("").map_err(|error| Error::io("list", &path, &error))?;
    let has_log = disk.list(crate::segment::FOLDER).is_ok_and(|names| !names.is_empty());
    if !has_log && !names.iter().any(|name| name == index::FILE) {
        return Err(Error::NoStore { path });
    }
    let path = disk.path(LOCK_FILE);
    let lock = disk.lock(LOCK_FILE).map_err(|error| Error::io("lock", &path, &error))?;
    lock.ok_or(Error::Locked { path })
}

/// What a check found out.
struct Examined {
    report: CheckReport,
    files: Files,
    /// The database and where in the log it ends, as far as they can be read.
    has_index: bool,
    meta: Option<Meta>,
    /// Segments whose header is to be written anew.
    bad_headers: Vec<u32>,
    /// What the log behind the checkpoint changed.
    changes: BTreeMap<QueueId, QueueDelta>,
}

/// What the database and the log behind it say.
#[derive(Default)]
struct Known {
    topology: Topology,
    counts: Counts,
    bad: BadCounts,
    changes: BTreeMap<QueueId, QueueDelta>,
}

fn examine(
    disk: Arc<dyn Disk>,
    options: &Options,
    progress: Progress<'_>,
) -> Result<Examined, Error> {
    let overlay = OverlayDisk::new(disk);
    let mut findings = Findings::default();
    let files = Files::find(&overlay, &mut findings)?;
    let mut index = open_index(&overlay, options, &files, &mut findings)?;
    let meta = index.as_ref().and_then(|index| match index.meta() {
        Ok(meta) => Some(meta),
        Err(error) => {
            findings.error(&overlay, &error);
            None
        }
    });
    let log_key = match meta {
        Some(meta) => Some(meta.log_key),
        None => key::recovered(&overlay, &files, 0)?,
    };
    let mut known = Known::default();
    if let Some(index) = &index {
        known = read_known(&overlay, index, &mut findings);
        if let Some(meta) = meta {
            replay(&overlay, meta, index, &files, &mut known, &mut findings)?;
        }
    }
    let bad_headers = files.check_headers(&overlay, log_key, &known.counts, &mut findings)?;
    let mut totals = rows::Totals::default();
    if let Some(index) = &index {
        totals = rows::check(&overlay, index, &known, &mut findings, progress)?;
        returns::check(&overlay, index, &known, &mut findings)?;
        find_dangling(&overlay, &known.topology, &mut findings);
    }
    if let Some(Err(error)) = index.as_mut().map(Index::check_pages) {
        findings.error(&overlay, &error);
    }
    let report = CheckReport {
        queues: known.topology.queues.len() as u64,
        messages: totals.messages,
        bytes: totals.bytes,
        segments: files.segments.len() as u64,
        ..findings.into_report()
    };
    let (has_index, changes) = (index.is_some(), known.changes);
    if let Some(index) = index {
        index.leave();
    }
    Ok(Examined { report, files, has_index, meta, bad_headers, changes })
}

fn open_index(
    overlay: &OverlayDisk,
    options: &Options,
    files: &Files,
    findings: &mut Findings,
) -> Result<Option<Index>, Error> {
    if files.index_bytes.is_none_or(|bytes| bytes == 0) {
        let found = if files.index_bytes.is_none() { "is missing" } else { "is empty" };
        findings.damage(Damage {
            file: overlay.path(index::FILE),
            offset: 0,
            message: format!("the database {found}: the places of all messages are lost"),
        });
        return Ok(None);
    }
    match Index::open(overlay, options.cache_bytes) {
        Ok(index) => Ok(Some(index)),
        Err(
            error @ (Error::Damaged { .. } | Error::Database { .. } | Error::NewerFormat { .. }),
        ) => {
            let index = open_with_damaged_format(overlay, options.cache_bytes);
            if index.is_none() && matches!(error, Error::NewerFormat { .. }) {
                return Err(error);
            }
            findings.error(overlay, &error);
            Ok(index)
        }
        Err(error) => Err(error),
    }
}

/// The database if nothing but the number of its format keeps it from being opened. That has no
/// checksum of its own, so that a flipped bit passes for another version; redb's page has one.
fn open_with_damaged_format(overlay: &OverlayDisk, cache_bytes: usize) -> Option<Index> {
    let mut index = Index::open_as_it_is(overlay, cache_bytes).ok()?;
    let is_damaged = index.check_pages().is_err() && index.meta().is_ok();
    index.leave();
    if is_damaged { Index::open_as_it_is(overlay, cache_bytes).ok() } else { None }
}

fn read_known(overlay: &OverlayDisk, index: &Index, findings: &mut Findings) -> Known {
    let mut known = Known::default();
    let mut damaged = Vec::new();
    for error in index.topology_found(&mut known.topology, &mut damaged) {
        findings.error(overlay, &error);
    }
    match index.counts_found() {
        Ok((counts, bad)) => (known.counts, known.bad) = (counts, bad),
        Err(error) => findings.error(overlay, &error),
    }
    damaged.extend(known.bad.standings.iter().map(|queue| index.bad_standing(*queue)));
    damaged.extend(known.bad.segments.iter().map(|segment| index.bad_count(*segment)));
    damaged.into_iter().for_each(|damage| findings.damage(damage));
    known
}

/// A state as a start has it before it reads the log.
fn state_before(files: &Files, known: &Known) -> State {
    let segments = files.segments.iter().map(|(number, bytes)| (*number, Segment::new(*bytes)));
    let mut state = State { segments: segments.collect(), ..State::default() };
    state.adopt_standings(&known.topology, &known.counts);
    state
}

fn replay(
    overlay: &OverlayDisk,
    meta: Meta,
    index: &Index,
    files: &Files,
    known: &mut Known,
    findings: &mut Findings,
) -> Result<(), Error> {
    let mut state = state_before(files, known);
    let mut replay = Replay::new(overlay, meta.log_key, index, &mut state, &mut known.topology);
    replay.run(meta.covered)?;
    let report = replay.into_report();
    if report.cut_tail_bytes > 0 {
        findings.note(
            &overlay.path(&files.last_name()),
            format!(
                "the last record is not whole ({} bytes): a write that was under way when the \
                 power went, and that nobody was told of",
                report.cut_tail_bytes
            ),
        );
    }
    report.damaged.into_iter().for_each(|damage| findings.damage(damage));
    known.changes = state.live.queues.into_iter().collect();
    Ok(())
}

/// Bindings whose queue is not there any more.
fn find_dangling(overlay: &OverlayDisk, topology: &Topology, findings: &mut Findings) {
    for (host, binding) in repair::dangling(topology) {
        findings.damage(Damage {
            file: overlay.path(index::FILE),
            offset: 0,
            message: format!(
                "a binding of exchange {:?} with the key {:?} in virtual host {} leads to {:?}, \
                 which is not there",
                binding.source, binding.routing_key, host.0, binding.destination
            ),
        });
    }
}

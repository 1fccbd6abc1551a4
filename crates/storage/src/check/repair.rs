//! Salvages a damaged store: a new database is made of what can be read, and takes the old one's
//! place when it is complete. What is changed is copied to a folder of its own before.
//!
//! An interrupted repair has changed nothing that a start or another repair would miss: the old
//! database stays until the new one is complete.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use warren_engine::{BindingRecord, Destination, QueueId, QueueRecord, VirtualHostId, Write};

use super::findings::{CheckReport, Findings};
use super::messages::Messages;
use super::overlay::OverlayDisk;
use super::{Examined, Known, examine, existing, key, locked, open_index, read_known};
use crate::delta::{Entry, Places};
use crate::index::{self, Index, Meta, Walked};
use crate::limits::{LAYER_ENTRIES_MAX, SALVAGES_MAX, ZERO_BYTES};
use crate::replay::{Adopting, End, Replay};
use crate::segment::{self, HEADER_BYTES, Header, RECORD_HEADER_BYTES, SegmentScan};
use crate::shared::{Position, Segment, State};
use crate::topology::Topology;
use crate::{Disk, Error, Options, flip};

/// What a repair came to.
#[derive(Debug, Default)]
pub struct RepairReport {
    /// What was damaged; what was lost is told there.
    pub before: CheckReport,
    /// What a check says now; None if there was nothing to repair.
    pub after: Option<CheckReport>,
    /// Where the damaged files were copied to.
    pub folder: Option<PathBuf>,
    /// What was done, and what follows from it, in sentences.
    pub notes: Vec<String>,
}

/// Salvages the stopped store in `directory`. Does nothing if a check finds no damage.
///
/// # Errors
/// Like [`crate::check`]. After an error the folder is as damaged as before, and no more.
pub fn repair(
    directory: &Path,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<RepairReport, Error> {
    repair_on(existing(directory)?, options, progress)
}

/// Like [`repair`], on a disk of the caller's.
///
/// # Errors
/// Like [`repair`].
pub fn repair_on(
    disk: Arc<dyn Disk>,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<RepairReport, Error> {
    let _lock = locked(disk.as_ref())?;
    let mut found = examine(Arc::clone(&disk), options, progress)?;
    if found.report.is_clean() {
        return Ok(RepairReport { before: found.report, ..RepairReport::default() });
    }
    let before = std::mem::take(&mut found.report);
    let folder = keep_damaged(disk.as_ref(), &before)?;
    let overlay = OverlayDisk::new(Arc::clone(&disk));
    let mut repair = Repair {
        disk: disk.as_ref(),
        overlay: &overlay,
        options,
        found,
        folder: &folder,
        notes: Vec::new(),
        state: State::default(),
    };
    repair.run()?;
    let (folder, notes) = (Some(disk.path(&folder)), repair.notes);
    let after = Some(examine(disk, options, progress)?.report);
    Ok(RepairReport { before, after, folder, notes })
}

/// Bindings from or to what is not there.
pub(super) fn dangling(topology: &Topology) -> Vec<(VirtualHostId, BindingRecord)> {
    let queues: BTreeSet<(VirtualHostId, &str)> = topology
        .queues
        .values()
        .map(|record| (record.id.virtual_host(), record.name.as_str()))
        .collect();
    let is_exchange = |host: VirtualHostId, name: &str| {
        // Those that every virtual host has are not recorded.
        name.starts_with("amq.") || topology.exchanges.contains_key(&(host, name.to_owned()))
    };
    let lost = topology.bindings.iter().filter(|((host, _), binding)| {
        let leads_somewhere = match &binding.destination {
            Destination::Queue(name) => queues.contains(&(*host, name.as_str())),
            Destination::Exchange(name) => is_exchange(*host, name),
        };
        !leads_somewhere || !is_exchange(*host, &binding.source)
    });
    lost.map(|((host, _), binding)| (*host, binding.clone())).collect()
}

/// Copies the database and all damaged segments to a new folder.
fn keep_damaged(disk: &dyn Disk, report: &CheckReport) -> Result<String, Error> {
    let taken = |number: &u32| disk.list(&format!("salvage-{number}")).is_ok();
    let number = (1..SALVAGES_MAX).find(|number| !taken(number)).unwrap_or(SALVAGES_MAX);
    let folder = format!("salvage-{number}");
    let made = disk.create_folder(&folder).and_then(|()| disk.sync_folder(""));
    made.map_err(|error| Error::io("make", &disk.path(&folder), &error))?;
    let database = (disk.path(index::FILE), index::FILE.to_owned());
    let damaged = report.findings.iter().filter(|finding| finding.is_damage);
    let files: BTreeSet<(PathBuf, String)> = damaged
        .filter_map(|finding| {
            let short = finding.file.file_name()?.to_str()?;
            segment::number(short)?;
            Some((finding.file.clone(), format!("{}/{short}", segment::FOLDER)))
        })
        .chain(std::iter::once(database))
        .collect();
    for (_, name) in files {
        let short = name.rsplit('/').next().unwrap_or_default();
        copy(disk, &name, &format!("{folder}/{short}"))?;
    }
    let synced = disk.sync_folder(&folder);
    synced.map_err(|error| Error::io("sync", &disk.path(&folder), &error))?;
    Ok(folder)
}

/// Copies a file, if it is there.
fn copy(disk: &dyn Disk, from: &str, to: &str) -> Result<(), Error> {
    let source = match disk.open(from) {
        Ok(source) => source,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("open", &disk.path(from), &error)),
    };
    let copied = || {
        let (target, len) = (disk.create(to)?, source.len()?);
        let mut buffer = vec![0; ZERO_BYTES];
        for offset in (0..len).step_by(ZERO_BYTES) {
            buffer.truncate((len - offset).min(ZERO_BYTES as u64) as usize);
            source.read_at(offset, &mut buffer)?;
            target.write_at(offset, &buffer)?;
        }
        target.sync_data()
    };
    copied().map_err(|error| Error::io("copy", &disk.path(to), &error))
}

/// The record of a queue of which only messages are left.
fn adopted(id: QueueId) -> QueueRecord {
    QueueRecord {
        id,
        name: format!("salvaged.{}", id.0),
        durable: true,
        exclusive: false,
        auto_delete: false,
        paused: false,
        arguments: Default::default(),
    }
}

/// A repair under way. Everything is read through `overlay`.
struct Repair<'a> {
    disk: &'a dyn Disk,
    overlay: &'a OverlayDisk,
    options: &'a Options,
    found: Examined,
    folder: &'a str,
    notes: Vec<String>,
    /// What goes into the new database next.
    state: State,
}

impl Repair<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let headers = self.headers()?;
        let log_key = match self.found.meta {
            Some(meta) => meta.log_key,
            None => self.lost_key()?,
        };
        let old = match self.found.has_index {
            true => {
                open_index(self.overlay, self.options, &self.found.files, &mut Findings::default())?
            }
            false => None,
        };
        let mut meta = Meta { log_key, covered: Position::default() };
        let new = Index::create(self.disk, self.options.cache_bytes, meta)?;
        let segments = self.found.files.segments.iter();
        self.state.segments =
            segments.map(|(number, bytes)| (*number, Segment::new(*bytes))).collect();
        let mut topology = Topology::default();
        let mut delivered = BTreeSet::new();
        if let Some(old) = &old {
            let known = read_known(self.overlay, old, &mut Findings::default());
            delivered = known.bad.standings.clone();
            topology = self.feed(&new, meta, old, known)?;
        }
        let index_is_lost = old.is_none();
        if let Some(old) = old {
            old.leave();
        }
        let end = self.replay(&new, meta, &mut topology, index_is_lost)?;
        for (host, binding) in dangling(&topology) {
            self.state.change_topology(Write::Unbound(host, binding));
        }
        flush(&new, &mut self.state, meta)?;
        self.deliver(index_is_lost, &delivered);
        meta.covered = self.end_of_log(&end)?;
        flush(&new, &mut self.state, meta)?;
        drop(new);
        self.clear_damaged_end(&end, log_key)?;
        for (name, header) in headers {
            let written = self.disk.open(&name).and_then(|file| {
                file.write_at(0, &header)?;
                file.sync_data()
            });
            written.map_err(|error| Error::io("write", &self.disk.path(&name), &error))?;
        }
        let named = self.disk.rename(index::NEW_FILE, index::FILE);
        let named = named.and_then(|()| self.disk.sync_folder(""));
        named.map_err(|error| Error::io("make", &self.disk.path(index::FILE), &error))
    }

    /// Headers to be written, by file; they are in the overlay already.
    fn headers(&mut self) -> Result<Vec<(String, [u8; HEADER_BYTES as usize])>, Error> {
        let log_key = match self.found.meta {
            Some(meta) => Some(meta.log_key),
            None => key::recovered(self.overlay, &self.found.files, 0)?,
        };
        let mut headers = Vec::new();
        for number in &self.found.bad_headers {
            let name = segment::name(*number);
            let path = self.disk.path(&name);
            let io = |error| Error::io("read", &path, &error);
            let file = self.overlay.open(&name).map_err(io)?;
            let bytes = file.len().map_err(io)?;
            let mut scan =
                SegmentScan::new(Arc::clone(&file), *number, log_key.unwrap_or_default())
                    .map_err(io)?;
            let old = Header::decoded(scan.slice(0, HEADER_BYTES).map_err(io)?, *number, &path)?;
            let first_record = match old {
                Some(old) => old.first_record,
                // Without a record there, 1 makes no record pass for missing.
                None => {
                    let first = scan.record_at(HEADER_BYTES, 0..=u64::MAX).map_err(io)?;
                    first.map_or(1, |found| found.number)
                }
            };
            if bytes < u64::from(HEADER_BYTES) {
                file.set_len(u64::from(HEADER_BYTES)).map_err(io)?;
            }
            let bytes = bytes.max(u64::from(HEADER_BYTES));
            let header = Header { number: *number, first_record, bytes }.encoded();
            file.write_at(0, &header).map_err(io)?;
            headers.push((name, header));
            self.notes.push(format!("the header of segment {number} was written anew"));
        }
        Ok(headers)
    }

    fn lost_key(&mut self) -> Result<u64, Error> {
        // Half of a key is given by the records, the other half is free.
        let start = self.options.log_key as u32;
        match key::recovered(self.overlay, &self.found.files, start)? {
            Some(log_key) => Ok(log_key),
            None => {
                let text = "no record of the log can be read, and it begins anew";
                self.notes.push(text.to_owned());
                Ok(self.options.log_key)
            }
        }
    }

    /// Takes everything that is whole over from the old database.
    fn feed(
        &mut self,
        new: &Index,
        meta: Meta,
        old: &Index,
        known: Known,
    ) -> Result<Topology, Error> {
        let Known { mut topology, counts, bad, .. } = known;
        for ((host, _), record) in &topology.exchanges {
            self.state.change_topology(Write::ExchangeDeclared(*host, record.clone()));
        }
        let lost = counts.standings.keys().chain(&bad.standings).copied();
        let lost = lost.map(QueueId::declared);
        let lost: BTreeSet<QueueId> =
            lost.filter(|queue| !topology.queues.contains_key(queue)).collect();
        for record in topology.queues.values() {
            self.state.change_topology(Write::QueueDeclared(record.clone()));
        }
        for queue in lost {
            self.adopt(queue, &mut topology);
        }
        for ((host, _), record) in &topology.bindings {
            self.state.change_topology(Write::Bound(*host, record.clone()));
        }
        for (key, value) in &topology.definitions {
            let (key, value) = (key.clone(), value.clone());
            self.state.change_topology(Write::DefinitionSet { key, value });
        }
        flush(new, &mut self.state, meta)?;
        for (queue, standing) in &counts.standings {
            if queue.lane_number() != 0 {
                self.state.know_lane(*queue);
            }
            self.state.queues.insert(*queue, standing.places);
            self.state.deliver(*queue, standing.places.delivered_through);
        }
        let mut messages = Messages::new(self.overlay);
        old.walk(&mut |walked| {
            if let Walked::Row { queue, row: Some(entries), .. } = walked
                && !self.found.changes.get(&queue).is_some_and(|delta| delta.deleted)
            {
                if !self.state.queues.contains_key(&queue.declared()) {
                    self.adopt(queue.declared(), &mut topology);
                    flush(new, &mut self.state, meta)?;
                }
                self.take_row(queue, &entries, &mut messages)?;
            }
            if self.state.live.held > LAYER_ENTRIES_MAX {
                flush(new, &mut self.state, meta)?;
            }
            Ok(())
        })?;
        flush(new, &mut self.state, meta)?;
        self.take_returns(new, meta, old)?;
        Ok(topology)
    }

    /// Takes over how often messages came back, as far as they are in places that are known. What
    /// cannot be read is counted from nothing again.
    fn take_returns(&mut self, new: &Index, meta: Meta, old: &Index) -> Result<(), Error> {
        old.walk_returns(&mut |walked| {
            if let Walked::Row { queue, row: Some((first, last, count)), .. } = walked
                && let Some(places) = self.state.queues.get(&queue)
            {
                let last = last.min(places.next_sequence.saturating_sub(1));
                self.state.come_back(queue, first, last, count);
            }
            if self.state.live.held > LAYER_ENTRIES_MAX {
                flush(new, &mut self.state, meta)?;
            }
            Ok(())
        })?;
        flush(new, &mut self.state, meta)
    }

    /// Takes the messages of a row that are whole, and writes the others beside the copies.
    fn take_row(
        &mut self,
        queue: QueueId,
        entries: &[Entry],
        messages: &mut Messages<'_>,
    ) -> Result<(), Error> {
        let (state, disk, folder) = (&mut self.state, self.disk, self.folder);
        let touched = self.found.changes.get(&queue).map(|delta| delta.touched());
        messages.look_at(entries, &mut |entry, result| {
            let gone = touched.as_ref().is_some_and(|gone| gone.contains(entry.sequence));
            match result {
                // What it says is not known here.
                Ok(()) => state.enqueue(queue, *entry, true),
                Err(bad) if !gone && bad.bytes.is_some() => {
                    let name = format!("{folder}/message-{}-{}.bin", queue.0, entry.sequence);
                    let bytes = bad.bytes.unwrap_or_default();
                    let written = disk.create(&name).and_then(|file| file.write_at(0, bytes));
                    written.map_err(|error| Error::io("write", &disk.path(&name), &error))?;
                }
                Err(_) => {}
            }
            Ok(())
        })
    }

    fn adopt(&mut self, queue: QueueId, topology: &mut Topology) {
        let record = adopted(queue);
        self.note_adopted(&record);
        let write = Write::QueueDeclared(record);
        topology.apply(&write);
        self.state.change_topology(write);
    }

    fn note_adopted(&mut self, record: &QueueRecord) {
        self.notes.push(format!(
            "the record of the queue with number {} is lost, and with it its name, arguments and \
             bindings: its messages are in the durable queue {:?}",
            record.id.0, record.name
        ));
    }

    /// Takes over what the log holds behind the old database, or all of it.
    fn replay(
        &mut self,
        new: &Index,
        meta: Meta,
        topology: &mut Topology,
        index_is_lost: bool,
    ) -> Result<End, Error> {
        let from = match (self.found.meta, index_is_lost) {
            (Some(meta), _) => meta.covered,
            (None, true) => Position::default(),
            // All that the database may not cover is among the segments that follow each other
            // up to the last one; what it does cover changes nothing a second time.
            (None, false) => self.unbroken()?,
        };
        // Where a message stood before it was moved is looked up in the new database.
        flush(new, &mut self.state, meta)?;
        let state = &mut self.state;
        let mut replay = Replay::new(self.overlay, meta.log_key, new, state, topology);
        if index_is_lost {
            let adopting = Adopting { record: adopted, deleted: BTreeSet::new() };
            replay = replay.adopting(adopting);
        }
        let end = replay.run_with(from, &mut |state| flush(new, state, meta))?;
        let report = replay.into_report();
        if index_is_lost {
            self.notes.push(format!(
                "the database was made anew from {} records of the log; exchanges, queues and \
                 bindings declared before them are lost, and messages whose acknowledgement \
                 stood in segments that are gone come again, marked as redelivered; users, virtual \
                 hosts, permissions and policies made before them are lost too",
                report.replayed_records
            ));
            for damage in report.damaged {
                let place = format!("{} at byte {}", damage.file.display(), damage.offset);
                self.notes.push(format!("{place}: {}", damage.message));
            }
            let names: Vec<QueueRecord> = topology
                .queues
                .values()
                .filter(|record| record.name == adopted(record.id).name)
                .cloned()
                .collect();
            names.iter().for_each(|record| self.note_adopted(record));
        }
        Ok(end)
    }

    /// The start of the segments that follow each other up to the last one.
    fn unbroken(&self) -> Result<Position, Error> {
        let mut first = None;
        for number in self.found.files.segments.keys().rev() {
            if first.is_some_and(|first: u32| number.checked_add(1) != Some(first)) {
                break;
            }
            first = Some(*number);
        }
        let Some(number) = first else { return Ok(Position::default()) };
        let name = segment::name(number);
        let path = self.disk.path(&name);
        let mut head = [0; HEADER_BYTES as usize];
        let read = self.overlay.open(&name).and_then(|file| file.read_at(0, &mut head));
        read.map_err(|error| Error::io("read", &path, &error))?;
        let header = Header::decoded(&head, number, &path)?;
        let record = header.map_or(0, |header| header.first_record.saturating_sub(1));
        Ok(Position { segment: number, offset: HEADER_BYTES, record })
    }

    /// Lets messages pass for delivered of which nobody knows whether they were.
    fn deliver(&mut self, all: bool, some: &BTreeSet<QueueId>) {
        let queues: Vec<(QueueId, Places)> =
            self.state.queues.iter().map(|(queue, places)| (*queue, *places)).collect();
        for (queue, places) in queues {
            if all || some.contains(&queue) {
                self.state.deliver(queue, places.next_sequence.saturating_sub(1));
            }
        }
    }

    /// Takes the frame of a damaged last record away: what is behind the end of the log must not
    /// pass for a record.
    fn clear_damaged_end(&self, end: &End, log_key: u64) -> Result<(), Error> {
        let Some(active) = &end.active else { return Ok(()) };
        let name = segment::name(active.number);
        let cleared = || {
            let mut scan = SegmentScan::new(Arc::clone(&active.file), active.number, log_key)?;
            let next = end.record.saturating_add(1);
            if flip::flipped_byte(&mut scan, active.offset, next)?.is_some() {
                let file = self.disk.open(&name)?;
                file.write_at(u64::from(active.offset), &[0; RECORD_HEADER_BYTES])?;
                file.sync_data()?;
            }
            Ok(())
        };
        cleared().map_err(|error| Error::io("write", &self.disk.path(&name), &error))
    }

    /// The end of the log, in a segment that is there: an empty one is made if there is none.
    fn end_of_log(&self, end: &End) -> Result<Position, Error> {
        let covered = self.found.meta.map_or(0, |meta| meta.covered.segment);
        let record = end.record;
        if let Some(active) = &end.active {
            return Ok(Position { segment: active.number, offset: active.offset, record });
        }
        let last = self.state.segments.last_key_value();
        if let Some((number, segment)) = last.filter(|(number, _)| **number >= covered) {
            let offset = u32::try_from(segment.bytes).unwrap_or(u32::MAX);
            return Ok(Position { segment: *number, offset, record });
        }
        let number = covered.max(last.map_or(0, |(number, _)| *number)).saturating_add(1);
        let name = segment::name(number);
        let bytes = self.options.segment_bytes;
        let header = Header { number, first_record: record.saturating_add(1), bytes }.encoded();
        let made = self.disk.create_folder(segment::FOLDER).and_then(|()| {
            let file = self.disk.create(&name)?;
            file.set_len(bytes)?;
            file.write_at(0, &header)?;
            file.sync_data()?;
            self.disk.sync_folder(segment::FOLDER)
        });
        made.map_err(|error| Error::io("make", &self.disk.path(&name), &error))?;
        Ok(Position { segment: number, offset: HEADER_BYTES, record })
    }
}

/// Moves what is in memory to the new database.
fn flush(new: &Index, state: &mut State, meta: Meta) -> Result<(), Error> {
    let layer = state.freeze();
    let applied = new.apply(&layer, meta);
    state.frozen = None;
    applied.map(|_| ())
}

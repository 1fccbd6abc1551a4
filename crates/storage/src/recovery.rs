//! Opens a store: makes it if it is new, reads redb, replays the log behind the last checkpoint,
//! and puts together what the engine needs to go on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use warren_engine::{QueueId, Recovered, RecoveredLane, RecoveredQueue, Waiting};

use crate::checkpoint::NEW_SPARE;
use crate::delta::{Entry, Places};
use crate::index::{self, Counts, Index, Meta};
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::log::{Active, new_segment};
use crate::planted::{self, Bug};
use crate::ranges::Ranges;
use crate::replay::Replay;
use crate::shared::{Position, Segment, Shared, State};
use crate::slot::Slot;
use crate::topology::Topology;
use crate::{Checkpointer, Disk, Error, Log, Options, Reader, RealDisk, segment};

/// The file whose lock keeps a second process out.
pub(crate) const LOCK_FILE: &str = "warren.lock";

/// An open store. The folder stays locked until all three handles are dropped.
#[derive(Debug)]
pub struct Opened {
    /// For the committer.
    pub log: Log,
    /// For the checkpoint thread.
    pub checkpointer: Checkpointer,
    /// For the loader.
    pub reader: Reader,
    /// The durable state.
    pub recovered: Recovered,
    /// What the recovery met with.
    pub report: Report,
}

/// What a recovery met with.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Records replayed from the log.
    pub replayed_records: u64,
    /// Bytes of the log that were replayed.
    pub replayed_bytes: u64,
    /// Bytes of an unfinished last record that were cut off: a write that no sync had covered.
    pub cut_tail_bytes: u64,
    /// Places that cannot be read.
    pub damaged: Vec<Damage>,
}

/// A place on disk that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The first bad byte.
    pub offset: u64,
    /// What is wrong.
    pub message: String,
}

/// Opens the store in `directory`, which is made if it is missing.
///
/// # Errors
/// `Locked` if another process has it open, `NewerFormat` if a newer program wrote it, `Damaged`
/// if `warren.redb` is missing or unreadable, `DiskFull`, and any error of the disk.
pub fn open(directory: &Path, options: Options) -> Result<Opened, Error> {
    let disk = RealDisk::new(directory).map_err(|error| Error::io("make", directory, &error))?;
    open_on(Arc::new(disk), options)
}

/// Opens the store on a disk of the caller's.
///
/// # Errors
/// Like [`open`].
pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Opened, Error> {
    check_options(&options)?;
    let path = disk.path(LOCK_FILE);
    let lock = disk.lock(LOCK_FILE).map_err(|error| Error::io("lock", &path, &error))?;
    let lock = lock.ok_or(Error::Locked { path })?;
    let folder = disk.path(segment::FOLDER);
    let made = disk.create_folder(segment::FOLDER).and_then(|()| disk.sync_folder(""));
    made.map_err(|error| Error::io("make", &folder, &error))?;
    let files = LogFiles::find(disk.as_ref(), options.segment_bytes)?;
    let index = open_index(disk.as_ref(), &options, &files)?;
    let Meta { log_key, covered } = index.meta()?;

    index.forget_spilled()?;
    let mut damaged = Vec::new();
    let counts = index.counts(&mut damaged)?;
    let mut topology = index.topology(&mut damaged)?;
    let mut state = files.state(covered, &counts);
    damaged.extend(missing_segments(disk.as_ref(), &state, &counts));
    state.adopt_standings(&topology, &counts);
    let mut replay = Replay::new(disk.as_ref(), log_key, &index, &mut state, &mut topology);
    let end = replay.run(covered)?;
    let mut report = replay.into_report();
    let recovered = recovered(&index, &state, topology, &counts, &mut damaged)?;
    report.damaged.append(&mut damaged);
    state.retire_dead();

    let state = Mutex::new(state);
    let index = Slot::new(index, disk.as_ref());
    let shared = Arc::new(Shared { disk, options, index, log_key, state, _lock: lock });
    shared.sync_log_folder()?;
    let mut checkpointer = Checkpointer::new(Arc::clone(&shared));
    let active = match end.active {
        Some(active) => active,
        None => {
            let number = files.last_number.max(covered.segment) + 1;
            first_segment(&shared, &mut checkpointer, number, end.record + 1)?
        }
    };
    let log = Log::new(Arc::clone(&shared), active, end.record, report.replayed_bytes);
    Ok(Opened { log, checkpointer, reader: Reader::new(shared), recovered, report })
}

fn check_options(options: &Options) -> Result<(), Error> {
    let (min, max) = (SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    if !(min..=max).contains(&options.segment_bytes) {
        let value = options.segment_bytes;
        return Err(Error::BadOption { name: "segment_bytes", value, min, max });
    }
    Ok(())
}

fn open_index(disk: &dyn Disk, options: &Options, files: &LogFiles) -> Result<Index, Error> {
    let path = disk.path(index::FILE);
    let names = disk.list("").map_err(|error| Error::io("list", &disk.path(""), &error))?;
    if !names.iter().any(|name| name == index::FILE) {
        if !files.segments.is_empty() {
            return Err(Error::damaged(&path, "it is missing, but there are segments of a log"));
        }
        let meta = Meta { log_key: options.log_key, covered: Position::default() };
        drop(Index::create(disk, options.cache_bytes, meta)?);
        let named = disk.rename(index::NEW_FILE, index::FILE);
        let named = named.and_then(|()| disk.sync_folder(""));
        named.map_err(|error| Error::io("make", &path, &error))?;
    }
    Index::open(disk, options.cache_bytes)
}

/// The first segment of a new log is written ahead before anything is written to it.
fn first_segment(
    shared: &Shared,
    checkpointer: &mut Checkpointer,
    number: u32,
    first_record: u64,
) -> Result<Active, Error> {
    while shared.state().spares.is_empty() && checkpointer.prepare_spare()? {}
    new_segment(shared, number, first_record, 0)
}

/// What stands in the log's folder.
struct LogFiles {
    /// Sizes by number.
    segments: BTreeMap<u32, u64>,
    spares: Vec<u64>,
    last_spare: u64,
    last_number: u32,
}

impl LogFiles {
    /// Looks into the folder, and deletes what an interrupted housekeeping left behind.
    fn find(disk: &dyn Disk, segment_bytes: u64) -> Result<Self, Error> {
        let folder = disk.path(segment::FOLDER);
        let names = disk.list(segment::FOLDER);
        let names = names.map_err(|error| Error::io("list", &folder, &error))?;
        let mut files =
            Self { segments: BTreeMap::new(), spares: Vec::new(), last_spare: 0, last_number: 0 };
        for name in names {
            let full_name = format!("{}/{name}", segment::FOLDER);
            let path = disk.path(&full_name);
            let size = || disk.open(&full_name).and_then(|file| file.len());
            let remove = || {
                let removed = disk.remove(&full_name);
                removed.map_err(|error| Error::io("delete", &path, &error))
            };
            if let Some(number) = segment::number(&name) {
                let bytes = size().map_err(|error| Error::io("open", &path, &error))?;
                files.segments.insert(number, bytes);
                files.last_number = files.last_number.max(number);
            } else if let Some(number) = segment::spare_number(&name) {
                files.last_spare = files.last_spare.max(number);
                let bytes = size().map_err(|error| Error::io("open", &path, &error))?;
                if bytes == segment_bytes {
                    files.spares.push(number);
                } else {
                    remove()?;
                }
            } else if full_name == NEW_SPARE {
                remove()?;
            }
        }
        Ok(files)
    }

    fn state(&self, covered: Position, counts: &Counts) -> State {
        let segments = self.segments.iter().map(|(number, bytes)| {
            let waiting = counts.segments.get(number).copied().unwrap_or_default();
            (*number, Segment { waiting, ..Segment::new(*bytes) })
        });
        State {
            segments: segments.collect(),
            covered,
            spares: self.spares.clone(),
            next_spare: self.last_spare,
            ..State::default()
        }
    }
}

/// Segments that are not there though messages stand in them.
fn missing_segments(disk: &dyn Disk, state: &State, counts: &Counts) -> Vec<Damage> {
    let missing = counts
        .segments
        .iter()
        .filter(|(number, share)| share.messages > 0 && !state.segments.contains_key(number));
    let damage = missing.map(|(number, share)| Damage {
        file: disk.path(&segment::name(*number)),
        offset: 0,
        message: format!("the segment is missing, and {} messages stood in it", share.messages),
    });
    damage.collect()
}

/// Puts the state together from the standings of the queues and what the replay added and settled.
/// Rows are read only where they were settled or replaced, and at both ends of a queue.
fn recovered(
    index: &Index,
    state: &State,
    topology: Topology,
    counts: &Counts,
    damaged: &mut Vec<Damage>,
) -> Result<Recovered, Error> {
    let none = Ranges::default();
    let touched: BTreeMap<QueueId, Ranges> =
        state.live.queues.iter().map(|(queue, delta)| (*queue, delta.touched())).collect();
    let touched = if planted::is(Bug::ReplayCountsSettled) { BTreeMap::new() } else { touched };
    let mut names: Vec<QueueId> = state.queues.keys().copied().collect();
    names.sort_unstable();
    let with_rows = names.iter().filter_map(|queue| {
        let standing = counts.standings.get(queue).filter(|one| one.tally.messages > 0)?;
        let deleted = state.live.queues.get(queue).is_some_and(|delta| delta.deleted);
        (!deleted).then(|| (*queue, *standing, touched.get(queue).unwrap_or(&none)))
    });
    let left: BTreeMap<QueueId, Waiting> = index.left(with_rows, damaged)?.into_iter().collect();
    let found = |name: QueueId| {
        let mut waiting = left.get(&name).copied().unwrap_or_default();
        let mut places = state.queues.get(&name).copied().unwrap_or_default();
        if let Some(delta) = state.live.queues.get(&name) {
            // It began with what was before, and went on from there.
            places = delta.places;
            delta.entries.iter().for_each(|entry| add(&mut waiting, entry));
            if planted::is(Bug::StandingCountedTwice) && waiting.messages > 1 {
                waiting.messages += delta.entries.iter().count() as u64;
            }
        }
        (places, waiting)
    };
    let queues = topology.queues.into_iter().map(|(queue, record)| {
        let (places, waiting) = found(queue);
        let Places { mut next_sequence, delivered_through, mut may_expire } = places;
        let mut lanes = Vec::new();
        let known = state.lanes.get(&queue).filter(|_| !planted::is(Bug::LanesForgotten));
        for lane in known.copied().unwrap_or_default().iter() {
            let (places, waiting) = found(queue.lane(lane));
            // All lanes of a queue share its places.
            next_sequence = next_sequence.max(places.next_sequence);
            may_expire |= places.may_expire;
            let delivered_through = places.delivered_through;
            lanes.push(RecoveredLane { lane, delivered_through, waiting });
        }
        RecoveredQueue { record, next_sequence, delivered_through, waiting, lanes, may_expire }
    });
    Ok(Recovered {
        queues: queues.collect(),
        exchanges: topology
            .exchanges
            .into_iter()
            .map(|((virtual_host, _), record)| (virtual_host, record))
            .collect(),
        bindings: topology
            .bindings
            .into_iter()
            .map(|((virtual_host, _), record)| (virtual_host, record))
            .collect(),
        definitions: topology.definitions.into_iter().collect(),
    })
}

fn add(waiting: &mut Waiting, entry: &Entry) {
    if waiting.messages == 0 {
        waiting.first = entry.sequence;
    }
    waiting.first = waiting.first.min(entry.sequence);
    waiting.last = waiting.last.max(entry.sequence);
    waiting.messages += 1;
    waiting.body_bytes += u64::from(entry.body_bytes);
}

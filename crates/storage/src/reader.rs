//! Reads the contents of waiting messages back.
//!
//! Where a message stands is known to the live layer, the frozen layer of a running checkpoint,
//! or redb. The layers are looked at first: what a checkpoint moves is in redb before it leaves
//! its layer, so nothing is missed, and what is found twice is the same.
//!
//! A load goes in steps, and each takes a bounded number of entries, settled ranges and rows. So a
//! wish for a huge range costs what is found in it.

mod picked;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use warren_engine::{Load, Message, MessageBatch, QueueId, Sequence};

use crate::delta::{Entry, QueueDelta};
use crate::index::Index;
use crate::limits::{
    LOAD_ATTEMPTS_MAX, LOAD_BATCH_BYTES, LOAD_WINDOW_ENTRIES, LOAD_WINDOW_ROWS, READ_BYTES_MAX,
    READ_GAP_BYTES_MAX,
};
use crate::planted::{self, Bug};
use crate::ranges::Ranges;
use crate::record::{MESSAGE_HEADER_BYTES, verified_message};
use crate::shared::{Shared, State};
use crate::{Damage, Disk, DiskFile, Error, segment};

/// What a load brought.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The messages that still wait, in order.
    pub messages: Vec<(Sequence, Message)>,
    /// Messages that wait but cannot be read, in order.
    pub damaged: Vec<DamagedMessage>,
    /// Places of the index that cannot be read: which messages they told of is not known, but
    /// that they are lost.
    pub damaged_rows: Vec<Damage>,
    /// How often messages of those came back, in order, where that was written.
    pub returns: Vec<(Sequence, u32)>,
    /// Up to this place all that waits is in `messages` or `damaged`; it is below the wanted last
    /// place only if a limit was reached.
    pub through: Sequence,
}

/// A message that waits but cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedMessage {
    /// Its place.
    pub sequence: Sequence,
    /// The length of its body, in bytes.
    pub body_bytes: u32,
    /// The file, where in it, and what is wrong.
    pub reason: String,
}

/// Reads the contents of waiting messages; clones are cheap.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// Where the wanted messages stand.
struct Places {
    entries: Vec<Entry>,
    damaged_rows: Vec<Damage>,
    through: Sequence,
}

/// A reader that has a segment's pin keeps its file as it is.
type Pins = BTreeMap<u32, Option<Arc<()>>>;

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Reads what still waits of `load` and was flushed, in order: nothing if it is only to tell of a
    /// sync; otherwise at least one message, and more as long as they have about `bytes_max` bytes together and are not more than the load
    /// wants. All messages of a load share one batch.
    ///
    /// # Errors
    /// `DiskFull` while the index waits for room to be opened again: the load can be repeated. Any
    /// other error of the disk or of redb is final. What does not match its checksum is no error:
    /// it is reported in [`Loaded::damaged`] and [`Loaded::damaged_rows`].
    pub fn load(&self, load: &Load, bytes_max: usize) -> Result<Loaded, Error> {
        if load.is_sync() {
            return Ok(Loaded { through: load.last, ..Loaded::default() });
        }
        let mut places = self.places(load, bytes_max)?;
        let mut pins = self.pin(&places.entries);
        // A segment can only go away after its last message was settled, so a missing one means
        // that the places are out of date; if they are not, its file is lost.
        for _ in 1..LOAD_ATTEMPTS_MAX {
            if pins.values().all(Option::is_some) {
                break;
            }
            places = self.places(load, bytes_max)?;
            pins = self.pin(&places.entries);
        }
        let mut loaded = self.read(places, &pins)?;
        self.count_returns(load.queue, &mut loaded)?;
        Ok(loaded)
    }

    /// Adds how often the messages came back.
    fn count_returns(&self, queue: QueueId, loaded: &mut Loaded) -> Result<(), Error> {
        let (Some((first, _)), Some((last, _))) = (loaded.messages.first(), loaded.messages.last())
        else {
            return Ok(());
        };
        let (first, last) = (*first, *last);
        // The layers first: what leaves them is in the database before.
        let (mut found, is_all) = self.shared.state().returns(queue, first, last);
        let damaged = &mut loaded.damaged_rows;
        if !is_all {
            let index = &self.shared.index;
            index.with(|index| index.returns(queue, (first, last), &mut found, damaged))?;
        }
        if !found.is_empty() {
            let count = |place: &Sequence| Some((*place, found.get(*place)?));
            loaded.returns = loaded.messages.iter().filter_map(|(place, _)| count(place)).collect();
        }
        Ok(())
    }

    fn pin(&self, entries: &[Entry]) -> Pins {
        let state = self.shared.state();
        let mut pins = Pins::new();
        for entry in entries {
            pins.entry(entry.segment).or_insert_with(|| {
                state.segments.get(&entry.segment).map(|segment| Arc::clone(&segment.pin))
            });
        }
        pins
    }

    fn places(&self, load: &Load, bytes_max: usize) -> Result<Places, Error> {
        if let Some(only) = &load.only {
            return self.picked(load, only, bytes_max);
        }
        let mut budget = Budget { bytes_left: bytes_max, messages_left: load.messages_max };
        let mut found =
            Places { entries: Vec::new(), damaged_rows: Vec::new(), through: load.last };
        let (mut from, mut rows_max) = (load.first, 1);
        loop {
            let mut step = Step::new(from, load.last, budget);
            let names = {
                let state = self.shared.state();
                [load.queue, load.queue.spilled()]
                    .map(|name| (name, step.take_layers(&state, name)))
            };
            for (name, settled) in names {
                if let Some(settled) = settled {
                    self.take_rows(&mut step, name, &settled, rows_max, &mut found.damaged_rows)?;
                }
            }
            for entry in step.finish() {
                found.entries.push(entry);
                if !budget.take(&entry) {
                    found.through = entry.sequence;
                    return Ok(found);
                }
            }
            if step.last >= load.last {
                return Ok(found);
            }
            from = step.last + 1;
            rows_max = (rows_max * 2).min(LOAD_WINDOW_ROWS);
        }
    }

    fn take_rows(
        &self,
        step: &mut Step,
        name: QueueId,
        settled: &Ranges,
        rows_max: usize,
        damaged: &mut Vec<Damage>,
    ) -> Result<(), Error> {
        let (first, last) = (step.first, step.last);
        let window = self.shared.index.with(|index| index.window(name, first, last, rows_max))?;
        let mut budget = step.budget;
        step.last = step.last.min(window.through);
        for entry in window.entries {
            if settled.contains(entry.sequence) {
                continue;
            }
            step.entries.push(entry);
            if !budget.take(&entry) {
                step.last = step.last.min(entry.sequence);
                break;
            }
        }
        for (key, next) in window.bad {
            let end = next.map_or(Sequence::MAX, |next| next - 1);
            // A load that begins inside of it tells of it again: nobody may have asked before.
            if key <= step.last && end >= step.first {
                let named = |index: &Index| Ok(index.bad_row(name, key, next));
                damaged.push(self.shared.index.with(named)?);
            }
        }
        Ok(())
    }

    fn read(&self, places: Places, pins: &Pins) -> Result<Loaded, Error> {
        let Places { entries, through, damaged_rows } = places;
        let mut loaded = Loaded { through, damaged_rows, ..Loaded::default() };
        let mut batches = Batches::default();
        let mut buffer = Vec::new();
        let mut file = None;
        for run in runs(&entries) {
            let Some(head) = run.first() else { continue };
            let pinned = pins.get(&head.segment).is_some_and(Option::is_some);
            let start = if pinned {
                fetch(self.shared.disk.as_ref(), run, &mut buffer, &mut file)?
            } else {
                None
            };
            for entry in run {
                let stored = start.and_then(|start| stored(&buffer, start, entry));
                let pushed = match stored.map(|stored| verified_message(stored, entry.length)) {
                    None => Err("the segment or a part of it is missing"),
                    Some(Err(reason)) => Err(reason),
                    Some(Ok(encoded)) if batches.push(entry.sequence, encoded) => Ok(()),
                    Some(Ok(_)) => Err("the bytes are not a message"),
                };
                if let Err(reason) = pushed {
                    let path = self.shared.segment_path(entry.segment);
                    let reason = format!("{} at byte {}: {reason}", path.display(), entry.offset);
                    let (sequence, body_bytes) = (entry.sequence, entry.body_bytes);
                    loaded.damaged.push(DamagedMessage { sequence, body_bytes, reason });
                }
            }
        }
        loaded.messages = batches.finish();
        Ok(loaded)
    }
}

/// The messages of a load, in batches of a bounded size: one that stays keeps its whole batch.
#[derive(Default)]
struct Batches {
    done: Vec<(Sequence, Message)>,
    batch: MessageBatch,
    sequences: Vec<Sequence>,
}

impl Batches {
    /// Adds a message; false if the bytes are none.
    fn push(&mut self, sequence: Sequence, encoded: &[u8]) -> bool {
        if self.batch.bytes_len() + encoded.len() > LOAD_BATCH_BYTES {
            self.end_batch();
        }
        if self.batch.is_empty() {
            self.batch = MessageBatch::with_capacity(0, LOAD_BATCH_BYTES.max(encoded.len()));
        }
        let is_message = self.batch.push_encoded(encoded);
        if is_message {
            self.sequences.push(sequence);
        }
        is_message
    }

    fn end_batch(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.finish();
        let batch = Arc::new(batch);
        let messages = (0..)
            .zip(self.sequences.drain(..))
            .filter_map(|(index, sequence)| Some((sequence, Message::new(&batch, index)?)));
        self.done.extend(messages);
    }

    fn finish(mut self) -> Vec<(Sequence, Message)> {
        self.end_batch();
        self.done
    }
}

/// Reads the bytes of a run into `buffer`, as far as the file has them; gives where in the segment
/// they begin, or None if the file is missing.
pub(crate) fn fetch(
    disk: &dyn Disk,
    run: &[Entry],
    buffer: &mut Vec<u8>,
    file: &mut Option<(u32, Arc<dyn DiskFile>)>,
) -> Result<Option<u32>, Error> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(None) };
    let name = segment::name(first.segment);
    buffer.resize((end(last) - u64::from(first.offset)) as usize, 0);
    let opened = match file.take() {
        Some((segment, file)) if segment == first.segment => Ok(file),
        _ => disk.open(&name),
    };
    let read = opened.and_then(|opened| {
        let mut read = opened.read_at(u64::from(first.offset), buffer.as_mut_slice());
        if read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            let left = opened.len()?.saturating_sub(u64::from(first.offset));
            buffer.truncate(left as usize);
            read = opened.read_at(u64::from(first.offset), buffer.as_mut_slice());
        }
        *file = Some((first.segment, opened));
        read
    });
    match read {
        Ok(()) => Ok(Some(first.offset)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::io("read", &disk.path(&name), &error)),
    }
}

/// The bytes of an entry, of those that were read from `start` on.
pub(crate) fn stored<'a>(buffer: &'a [u8], start: u32, entry: &Entry) -> Option<&'a [u8]> {
    let from = entry.offset.checked_sub(start)? as usize;
    buffer.get(from..from + MESSAGE_HEADER_BYTES + entry.length as usize)
}

/// Where an entry ends in its segment.
fn end(entry: &Entry) -> u64 {
    u64::from(entry.offset) + MESSAGE_HEADER_BYTES as u64 + u64::from(entry.length)
}

/// Splits entries into runs that are read at once: neighbours in the same segment.
pub(crate) fn runs(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    let mut start = entries.first().copied();
    entries.chunk_by(move |one, next| {
        let near = one.segment == next.segment
            && u64::from(next.offset) >= end(one)
            && u64::from(next.offset) - end(one) <= u64::from(READ_GAP_BYTES_MAX)
            && start.is_some_and(|start| {
                end(next) - u64::from(start.offset) <= u64::from(READ_BYTES_MAX)
            });
        if !near {
            start = Some(*next);
        }
        near
    })
}

/// A part of a load: what was found from `first` to `last`, where `last` shrinks to the place up to
/// which all sources were looked at.
struct Step {
    first: Sequence,
    last: Sequence,
    /// Each source is read until it alone fills the load: no later entry of it can be among the
    /// first ones of all.
    budget: Budget,
    /// Of several sources, those that count most first.
    entries: Vec<Entry>,
}

impl Step {
    fn new(first: Sequence, last: Sequence, budget: Budget) -> Self {
        Self { first, last, budget, entries: Vec::new() }
    }

    /// Takes what the layers in memory have under a name. Gives what of redb does not count, or
    /// None if nothing of redb counts.
    fn take_layers(&mut self, state: &State, name: QueueId) -> Option<Ranges> {
        if !state.knows(name) {
            return None;
        }
        let live = state.live.queues.get(&name);
        let frozen = state.frozen.as_ref().filter(|_| !planted::is(Bug::FrozenOverlooked));
        let frozen = frozen.and_then(|layer| layer.queues.get(&name));
        let mut settled = Ranges::default();
        for layer in [live, frozen].into_iter().flatten() {
            self.take_entries(layer, &settled);
            if layer.deleted {
                return None;
            }
            let whole =
                settled.extend_within(&layer.settled, self.first, self.last, LOAD_WINDOW_ENTRIES);
            self.last = self.last.min(whole);
        }
        Some(settled)
    }

    fn take_entries(&mut self, layer: &QueueDelta, settled: &Ranges) {
        let mut budget = self.budget;
        for (looked_at, entry) in (1..).zip(layer.entries.slots(self.first)) {
            if entry.sequence > self.last {
                return;
            }
            let waits = entry.segment != 0 && !settled.contains(entry.sequence);
            if waits {
                self.entries.push(*entry);
            }
            if (waits && !budget.take(entry)) || looked_at == LOAD_WINDOW_ENTRIES {
                self.last = self.last.min(entry.sequence);
                return;
            }
        }
    }

    /// What was found, in order, each place once.
    fn finish(&mut self) -> Vec<Entry> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|entry| entry.sequence <= self.last);
        // Stable: of several with the same place the one that counts most stays in front.
        entries.sort_by_key(|entry| entry.sequence);
        entries.dedup_by_key(|entry| entry.sequence);
        entries
    }
}

/// How much a load may still take.
#[derive(Debug, Clone, Copy)]
struct Budget {
    bytes_left: usize,
    messages_left: u32,
}

impl Budget {
    /// Takes an entry; false if it was the last one that may be taken.
    fn take(&mut self, entry: &Entry) -> bool {
        self.bytes_left = self.bytes_left.saturating_sub(entry.length as usize);
        self.messages_left = self.messages_left.saturating_sub(1);
        self.bytes_left > 0 && self.messages_left > 0
    }
}

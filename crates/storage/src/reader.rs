//! Reads the contents of waiting messages back.
//!
//! Where a message stands is known to the live layer, the frozen layer of a running checkpoint,
//! or redb. The layers are looked at first: what a checkpoint moves is in redb before it leaves
//! its layer, so nothing is missed, and what is found twice is the same.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use warren_engine::{Load, Message, MessageBatch, QueueId, Sequence};

use crate::delta::{Entry, QueueDelta, Ranges};
use crate::limits::{LOAD_ATTEMPTS_MAX, READ_BYTES_MAX, READ_GAP_BYTES_MAX};
use crate::record::{MESSAGE_HEADER_BYTES, verified_message};
use crate::shared::Shared;
use crate::{Error, segment};

/// What a load brought.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The messages that still wait, in order.
    pub messages: Vec<(Sequence, Message)>,
    /// Messages that wait but cannot be read, each with the reason.
    pub damaged: Vec<(Sequence, String)>,
    /// Up to this place all that waits is in `messages` or `damaged`; it is below the wanted last
    /// place only if the limit of bytes was reached.
    pub through: Sequence,
}

/// Reads the contents of waiting messages; clones are cheap.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// Where the wanted messages stand.
struct Places {
    entries: Vec<Entry>,
    through: Sequence,
}

/// A reader that has a segment's pin keeps its file as it is.
type Pins = BTreeMap<u32, Option<Arc<()>>>;

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Reads what still waits of `load` and was flushed, in order: at least one message, and
    /// more as long as they have about `bytes_max` bytes together. All messages of a load share
    /// one batch.
    ///
    /// # Errors
    /// `DiskFull` while the index waits for room to be opened again: the load can be repeated. Any
    /// other error of the disk or of redb is final. A message that does not match its checksum is no error:
    /// it is reported in [`Loaded::damaged`].
    pub fn load(&self, load: Load, bytes_max: usize) -> Result<Loaded, Error> {
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
        self.read(places, &pins)
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

    fn places(&self, load: Load, bytes_max: usize) -> Result<Places, Error> {
        let Load { queue, first, last, .. } = load;
        let mut found = Found::new(bytes_max);
        let older_settled = {
            let state = self.shared.state();
            if !state.queues.contains_key(&queue) {
                return Ok(Places { entries: Vec::new(), through: last });
            }
            let live = state.live.queues.get(&queue);
            let frozen = state.frozen.as_ref().and_then(|layer| layer.queues.get(&queue));
            found.take_layers(load, live, frozen)
        };
        if let Some(settled) = older_settled {
            self.take_index(&mut found, queue, first, last, &settled)?;
        }
        Ok(found.into_places(last))
    }

    fn take_index(
        &self,
        found: &mut Found,
        queue: QueueId,
        first: Sequence,
        last: Sequence,
        settled: &Ranges,
    ) -> Result<(), Error> {
        let mut budget = found.budget();
        let take = |entry: Entry| {
            if settled.contains(entry.sequence) {
                return true;
            }
            found.entries.entry(entry.sequence).or_insert(entry);
            budget.take(&entry)
        };
        self.shared.index.with(|index| index.read_range(queue, first, last, take))
    }

    fn read(&self, places: Places, pins: &Pins) -> Result<Loaded, Error> {
        let Places { entries, through } = places;
        let bytes = entries.iter().map(|entry| entry.length as usize).sum();
        let mut batch = MessageBatch::with_capacity(entries.len(), bytes);
        let mut loaded = Loaded { through, ..Loaded::default() };
        let mut sequences = Vec::with_capacity(entries.len());
        let mut buffer = Vec::new();
        for run in runs(&entries) {
            let Some(head) = run.first() else { continue };
            let pinned = pins.get(&head.segment).is_some_and(Option::is_some);
            let start = if pinned { self.fetch(run, &mut buffer)? } else { None };
            for entry in run {
                let stored = start.and_then(|start| stored(&buffer, start, entry));
                let pushed = match stored.map(|stored| verified_message(stored, entry.length)) {
                    None => Err("the segment or a part of it is missing"),
                    Some(Err(reason)) => Err(reason),
                    Some(Ok(encoded)) if batch.push_encoded(encoded) => Ok(()),
                    Some(Ok(_)) => Err("the bytes are not a message"),
                };
                match pushed {
                    Ok(()) => sequences.push(entry.sequence),
                    Err(reason) => {
                        let path = self.shared.segment_path(entry.segment);
                        let text = format!("{} at byte {}: {reason}", path.display(), entry.offset);
                        loaded.damaged.push((entry.sequence, text));
                    }
                }
            }
        }
        let batch = Arc::new(batch);
        loaded.messages = (0..)
            .zip(sequences)
            .filter_map(|(index, sequence)| Some((sequence, Message::new(&batch, index)?)))
            .collect();
        Ok(loaded)
    }

    /// Reads the bytes of a run into `buffer`; gives where in the segment they begin, or None if
    /// the file is missing or too short.
    fn fetch(&self, run: &[Entry], buffer: &mut Vec<u8>) -> Result<Option<u32>, Error> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(None) };
        let path = self.shared.segment_path(first.segment);
        buffer.resize((end(last) - u64::from(first.offset)) as usize, 0);
        let opened = self.shared.disk.open(&segment::name(first.segment));
        let read =
            opened.and_then(|file| file.read_at(u64::from(first.offset), buffer.as_mut_slice()));
        match read {
            Ok(()) => Ok(Some(first.offset)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(Error::io("read", &path, &error)),
        }
    }
}

fn stored<'a>(buffer: &'a [u8], start: u32, entry: &Entry) -> Option<&'a [u8]> {
    let from = entry.offset.checked_sub(start)? as usize;
    buffer.get(from..from + MESSAGE_HEADER_BYTES + entry.length as usize)
}

/// Where an entry ends in its segment.
fn end(entry: &Entry) -> u64 {
    u64::from(entry.offset) + MESSAGE_HEADER_BYTES as u64 + u64::from(entry.length)
}

/// Splits entries into runs that are read at once: neighbours in the same segment.
fn runs(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
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

/// Entries found so far, of several layers.
struct Found {
    entries: BTreeMap<Sequence, Entry>,
    bytes_max: usize,
}

impl Found {
    fn new(bytes_max: usize) -> Self {
        Self { entries: BTreeMap::new(), bytes_max }
    }

    /// Each layer is read until it alone fills the load: no later entry of it can be among the
    /// first ones of all layers.
    fn budget(&self) -> Budget {
        Budget { bytes_left: self.bytes_max }
    }

    /// Takes what the layers in memory have. Gives what of redb does not count, or None if
    /// nothing of redb counts.
    fn take_layers(
        &mut self,
        load: Load,
        live: Option<&QueueDelta>,
        frozen: Option<&QueueDelta>,
    ) -> Option<Ranges> {
        let Load { first, last, .. } = load;
        let mut settled = Ranges::default();
        for layer in [live, frozen].into_iter().flatten() {
            let mut budget = self.budget();
            for entry in layer.entries.range(first, last) {
                if settled.contains(entry.sequence) {
                    continue;
                }
                self.entries.entry(entry.sequence).or_insert(*entry);
                if !budget.take(entry) {
                    break;
                }
            }
            if layer.deleted {
                return None;
            }
            settled.extend(&layer.settled.within(first, last));
        }
        Some(settled)
    }

    fn into_places(self, last: Sequence) -> Places {
        let mut budget = self.budget();
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in self.entries.into_values() {
            let through = entry.sequence;
            let more = budget.take(&entry);
            entries.push(entry);
            if !more {
                return Places { entries, through };
            }
        }
        Places { entries, through: last }
    }
}

/// How many bytes a load may still take.
struct Budget {
    bytes_left: usize,
}

impl Budget {
    /// Takes an entry; false if it was the last one that may be taken.
    fn take(&mut self, entry: &Entry) -> bool {
        self.bytes_left = self.bytes_left.saturating_sub(entry.length as usize);
        self.bytes_left > 0
    }
}

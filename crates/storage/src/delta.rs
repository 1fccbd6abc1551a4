//! What happened since the last checkpoint, in memory: for each queue the messages that came and
//! still wait, and which older ones were settled.

use rustc_hash::FxHashMap;
use warren_engine::{QueueId, Sequence, Write};

use crate::entries::Entries;
use crate::limits::ENTRY_OVERHEAD_BYTES;
use crate::planted::{self, Bug};
use crate::ranges::Ranges;
use crate::returns::Returns;

/// Where a waiting message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) sequence: Sequence,
    /// The segment that holds it; 0 marks an entry whose message is gone.
    pub(crate) segment: u32,
    /// Where its header (length and checksum) begins in the segment.
    pub(crate) offset: u32,
    /// The length of its encoded form, in bytes.
    pub(crate) length: u32,
    /// The length of its body, in bytes.
    pub(crate) body_bytes: u32,
}

impl Entry {
    pub(crate) fn spot(&self) -> Spot {
        Spot { segment: self.segment, offset: self.offset }
    }
}

/// Where in the log a message's header begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
}

/// What messages have of a segment. One that waits in many queues counts for each of them, so
/// that the bytes are never too few.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Share {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self { messages: 1, bytes: u64::from(entry.length) + ENTRY_OVERHEAD_BYTES }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    /// Takes out what left; a count that damage made wrong does not go below zero.
    pub(crate) fn subtract(&mut self, gone: Self) {
        self.messages = self.messages.saturating_sub(gone.messages);
        self.bytes = self.bytes.saturating_sub(gone.bytes);
    }
}

/// What left each segment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Freed(pub(crate) FxHashMap<u32, Share>);

impl Freed {
    pub(crate) fn add(&mut self, segment: u32, share: Share) {
        self.0.entry(segment).or_default().add(share);
    }
}

/// The changes of all queues and of the topology.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) queues: FxHashMap<QueueId, QueueDelta>,
    /// In order.
    pub(crate) topology: Vec<Write>,
    /// Entries and settled ranges of all queues: what takes memory.
    pub(crate) held: usize,
}

/// How many messages, and how much their bodies take together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) body_bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.messages += 1;
        self.body_bytes += u64::from(entry.body_bytes);
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            body_bytes: self.body_bytes + other.body_bytes,
        }
    }

    /// Without what left; a count that a damaged row made wrong does not go below zero.
    pub(crate) fn minus(self, gone: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(gone.messages),
            body_bytes: self.body_bytes.saturating_sub(gone.body_bytes),
        }
    }
}

/// What the database knows of a queue beside its rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) places: Places,
    /// What its rows hold.
    pub(crate) tally: Tally,
}

/// How far a queue's places have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    /// Above every place that was ever given.
    pub(crate) next_sequence: Sequence,
    /// The highest place that was delivered; 0 if there was none.
    pub(crate) delivered_through: Sequence,
    /// A message came that may expire at a time of its own.
    pub(crate) may_expire: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self { next_sequence: 1, delivered_through: 0, may_expire: false }
    }
}

impl Places {
    /// A message has this place.
    pub(crate) fn given(&mut self, sequence: Sequence) {
        self.next_sequence = self.next_sequence.max(sequence.saturating_add(1));
    }

    /// The queue was delivered up to this place.
    pub(crate) fn delivered(&mut self, through: Sequence) {
        self.delivered_through = self.delivered_through.max(through);
        // The record that gave the place may be lost. Given anew, it would pass for delivered.
        self.given(through);
    }
}

/// The changes of one queue.
#[derive(Debug, Default)]
pub(crate) struct QueueDelta {
    /// The queue was deleted: nothing of the layers below counts any more.
    pub(crate) deleted: bool,
    /// Places from this one on were given in this layer; below it older layers may hold messages.
    pub(crate) older_next: Sequence,
    /// With those of older layers.
    pub(crate) places: Places,
    /// The messages that came and still wait.
    pub(crate) entries: Entries,
    /// What left of older layers.
    pub(crate) settled: Ranges,
    /// How often messages came back, of those that wait.
    pub(crate) returns: Returns,
}

impl QueueDelta {
    pub(crate) fn new(places: Places) -> Self {
        Self { older_next: places.next_sequence, places, ..Self::default() }
    }

    /// The places that do not count any more in older layers: settled, or given anew.
    pub(crate) fn touched(&self) -> Ranges {
        let mut touched = self.settled.clone();
        for entry in self.entries.iter().take_while(|entry| entry.sequence < self.older_next) {
            touched.insert(entry.sequence, entry.sequence);
        }
        touched
    }

    /// Entries and settled ranges, which take memory.
    pub(crate) fn held(&self) -> usize {
        self.entries.held() + self.settled.len() + self.returns.len()
    }

    pub(crate) fn settle(&mut self, first: Sequence, last: Sequence, freed: &mut Freed) {
        let one_more = planted::is(Bug::SettledTooFar) && last > first;
        let last = last + u64::from(one_more);
        self.entries.settle(first, last, freed);
        if !self.returns.is_empty() {
            self.returns.remove(first, last);
        }
        if first < self.older_next {
            self.settled.insert(first, last.min(self.older_next - 1));
        }
    }
}

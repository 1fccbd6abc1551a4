//! What happened since the last checkpoint, in memory: for each queue the messages that came and
//! still wait, and which older ones were settled.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;
use warren_engine::{QueueId, Sequence, Write};

use crate::planted::{self, Bug};

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

/// How many messages left each segment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Freed(pub(crate) FxHashMap<u32, u64>);

impl Freed {
    pub(crate) fn add(&mut self, segment: u32, messages: u64) {
        *self.0.entry(segment).or_default() += messages;
    }
}

/// The changes of all queues and of the topology.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) queues: FxHashMap<QueueId, QueueDelta>,
    /// In order.
    pub(crate) topology: Vec<Write>,
}

/// How far a queue's places have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    /// Above every place that was ever given.
    pub(crate) next_sequence: Sequence,
    /// The highest place that was delivered; 0 if there was none.
    pub(crate) delivered_through: Sequence,
}

impl Default for Places {
    fn default() -> Self {
        Self { next_sequence: 1, delivered_through: 0 }
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
}

impl QueueDelta {
    pub(crate) fn new(places: Places) -> Self {
        Self { older_next: places.next_sequence, places, ..Self::default() }
    }

    pub(crate) fn settle(&mut self, first: Sequence, last: Sequence, freed: &mut Freed) {
        let one_more = planted::is(Bug::SettledTooFar) && last > first;
        let last = last + u64::from(one_more);
        self.entries.settle(first, last, freed);
        if first < self.older_next {
            self.settled.insert(first, last.min(self.older_next - 1));
        }
    }
}

/// Messages in the order of their places, which is nearly always the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    list: VecDeque<Entry>,
}

impl Entries {
    /// Adds a message. Gives the one whose place it takes: writes may be applied twice.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        if self.list.back().is_none_or(|last| last.sequence < entry.sequence) {
            self.list.push_back(entry);
            return None;
        }
        let at = self.list.partition_point(|other| other.sequence < entry.sequence);
        match self.list.get_mut(at) {
            Some(other) if other.sequence == entry.sequence => {
                let replaced = std::mem::replace(other, entry);
                (replaced.segment != 0).then_some(replaced)
            }
            _ => {
                self.list.insert(at, entry);
                None
            }
        }
    }

    /// Takes the messages from `first` to `last` out.
    pub(crate) fn settle(&mut self, first: Sequence, last: Sequence, freed: &mut Freed) {
        let mut at = match self.list.front() {
            Some(front) if front.sequence >= first => 0,
            _ => self.list.partition_point(|entry| entry.sequence < first),
        };
        let (mut segment, mut messages) = (0, 0);
        while let Some(entry) = self.list.get_mut(at).filter(|entry| entry.sequence <= last) {
            if entry.segment != segment {
                if segment != 0 {
                    freed.add(segment, messages);
                }
                (segment, messages) = (entry.segment, 0);
            }
            messages += 1;
            entry.segment = 0;
            at += 1;
        }
        if segment != 0 {
            freed.add(segment, messages);
        }
        while self.list.front().is_some_and(|entry| entry.segment == 0) {
            self.list.pop_front();
        }
    }

    /// The waiting messages.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter().filter(|entry| entry.segment != 0)
    }

    /// The waiting messages from `first` to `last`.
    pub(crate) fn range(&self, first: Sequence, last: Sequence) -> impl Iterator<Item = &Entry> {
        let at = self.list.partition_point(|entry| entry.sequence < first);
        self.list
            .range(at..)
            .take_while(move |entry| entry.sequence <= last)
            .filter(|entry| entry.segment != 0)
    }
}

/// A set of places, kept as ranges that neither overlap nor touch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// By first place the last one.
    ranges: BTreeMap<Sequence, Sequence>,
}

impl Ranges {
    pub(crate) fn insert(&mut self, first: Sequence, last: Sequence) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        // Ranges that overlap or touch the new one are taken into it, from the back.
        while let Some((&other_first, &other_last)) =
            self.ranges.range(..=last.saturating_add(1)).next_back()
        {
            if other_last.saturating_add(1) < first {
                break;
            }
            self.ranges.remove(&other_first);
            first = first.min(other_first);
            last = last.max(other_last);
        }
        self.ranges.insert(first, last);
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        for (first, last) in &other.ranges {
            self.insert(*first, *last);
        }
    }

    pub(crate) fn contains(&self, sequence: Sequence) -> bool {
        self.ranges.range(..=sequence).next_back().is_some_and(|(_, last)| *last >= sequence)
    }

    /// The lowest place of the set that is not below `sequence`.
    pub(crate) fn next_from(&self, sequence: Sequence) -> Option<Sequence> {
        if self.contains(sequence) {
            return Some(sequence);
        }
        self.ranges.range(sequence..).next().map(|(first, _)| *first)
    }

    /// The part of the set from `first` to `last`.
    pub(crate) fn within(&self, first: Sequence, last: Sequence) -> Self {
        let mut part = Self::default();
        let start = self.ranges.range(..=first).next_back().map_or(first, |(start, _)| *start);
        for (range_first, range_last) in self.ranges.range(start..=last.max(start)) {
            part.insert((*range_first).max(first), (*range_last).min(last));
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_the_set_of_what_was_inserted(
            inserted in proptest::collection::vec((0_u64..60, 0_u64..8), 0..30),
            window in (0_u64..70, 0_u64..20),
        ) {
            let mut ranges = Ranges::default();
            let mut model = BTreeSet::new();
            for (first, more) in inserted {
                ranges.insert(first, first + more);
                model.extend(first..=first + more);
            }
            let part = ranges.within(window.0, window.0 + window.1);
            for sequence in 0..80 {
                prop_assert_eq!(ranges.contains(sequence), model.contains(&sequence));
                prop_assert_eq!(ranges.next_from(sequence), model.range(sequence..).next().copied());
                let inside = (window.0..=window.0 + window.1).contains(&sequence);
                prop_assert_eq!(part.contains(sequence), inside && model.contains(&sequence));
            }
            let touching = ranges.ranges.iter().zip(ranges.ranges.iter().skip(1));
            for ((_, last), (first, _)) in touching {
                prop_assert!(last + 1 < *first);
            }
        }

        #[test]
        fn entries_hold_what_was_inserted_and_not_settled(
            steps in proptest::collection::vec((any::<bool>(), 1_u64..50, 0_u64..6), 0..60),
        ) {
            let mut entries = Entries::default();
            let mut model = BTreeMap::new();
            let mut freed = Freed::default();
            for (number, (insert, first, more)) in steps.into_iter().enumerate() {
                if insert {
                    let offset = number as u32;
                    let entry =
                        Entry { sequence: first, segment: 7, offset, length: 0, body_bytes: 0 };
                    let replaced = entries.insert(entry);
                    prop_assert_eq!(replaced, model.insert(first, entry));
                } else {
                    let before = freed.0.get(&7).copied().unwrap_or_default();
                    entries.settle(first, first + more, &mut freed);
                    let waiting = model.len();
                    model.retain(|sequence, _| !(first..=first + more).contains(sequence));
                    let after = freed.0.get(&7).copied().unwrap_or_default();
                    prop_assert_eq!(after - before, (waiting - model.len()) as u64);
                }
                prop_assert!(entries.iter().eq(model.values()));
                prop_assert!(entries.range(first, 30).eq(
                    model.values().filter(|entry| (first..=30).contains(&entry.sequence))
                ));
            }
        }
    }
}

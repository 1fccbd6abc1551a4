//! Waiting messages of one queue in memory, in the order of their places.
//!
//! They lie in chunks, so that a long list takes no more than what it holds: a single one would
//! double while it grows, and hold on to what was settled behind one message that stays.

use std::collections::VecDeque;

use warren_engine::Sequence;

use crate::delta::{Entry, Freed, Share};
use crate::limits::CHUNK_ENTRIES_MAX;

/// Messages in the order of their places, which is nearly always the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    chunks: VecDeque<Chunk>,
    /// Entries in all chunks, with those whose messages are gone.
    held: usize,
}

/// Neighbours, never none; some of their messages may be gone.
#[derive(Debug)]
struct Chunk {
    entries: Vec<Entry>,
    waiting: usize,
}

impl Chunk {
    fn new(entry: Entry) -> Self {
        Self { entries: vec![entry], waiting: 1 }
    }

    fn last(&self) -> Sequence {
        self.entries.last().map_or(0, |entry| entry.sequence)
    }

    fn place(&self, sequence: Sequence) -> usize {
        self.entries.partition_point(|entry| entry.sequence < sequence)
    }
}

impl Entries {
    /// How many entries are held in memory.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Adds a message. Gives the one whose place it takes: writes may be applied twice.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let last = self.chunks.back().map_or(0, Chunk::last);
        if last < entry.sequence {
            self.held += 1;
            match self.chunks.back_mut() {
                Some(chunk) if chunk.entries.len() < CHUNK_ENTRIES_MAX => {
                    chunk.entries.push(entry);
                    chunk.waiting += 1;
                }
                _ => self.chunks.push_back(Chunk::new(entry)),
            }
            return None;
        }
        let at = self.chunks.partition_point(|chunk| chunk.last() < entry.sequence);
        let chunk = self.chunks.get_mut(at)?;
        let place = chunk.place(entry.sequence);
        if let Some(other) = chunk.entries.get_mut(place)
            && other.sequence == entry.sequence
        {
            let replaced = std::mem::replace(other, entry);
            let waited = replaced.segment != 0;
            chunk.waiting += usize::from(!waited);
            return waited.then_some(replaced);
        }
        chunk.entries.insert(place, entry);
        chunk.waiting += 1;
        self.held += 1;
        if chunk.entries.len() > CHUNK_ENTRIES_MAX {
            let entries = chunk.entries.split_off(CHUNK_ENTRIES_MAX / 2);
            let waiting = entries.iter().filter(|entry| entry.segment != 0).count();
            chunk.waiting -= waiting;
            self.chunks.insert(at + 1, Chunk { entries, waiting });
        }
        None
    }

    /// Takes the messages from `first` to `last` out.
    pub(crate) fn settle(&mut self, first: Sequence, last: Sequence, freed: &mut Freed) {
        let mut at = match self.chunks.front() {
            Some(front) if front.last() >= first => 0,
            _ => self.chunks.partition_point(|chunk| chunk.last() < first),
        };
        let mut empty = 0;
        let from = at;
        let (mut segment, mut share) = (0, Share::default());
        while let Some(chunk) = self.chunks.get_mut(at) {
            let place = chunk.place(first);
            let inside = chunk.entries.get_mut(place..).unwrap_or_default();
            if inside.first().is_none_or(|head| head.sequence > last) {
                break;
            }
            for entry in inside.iter_mut().take_while(|entry| entry.sequence <= last) {
                if entry.segment == 0 {
                    continue;
                }
                if entry.segment != segment {
                    if segment != 0 {
                        freed.add(segment, share);
                    }
                    (segment, share) = (entry.segment, Share::default());
                }
                share.add(Share::of(entry));
                entry.segment = 0;
                chunk.waiting -= 1;
            }
            empty += usize::from(chunk.waiting == 0);
            at += 1;
        }
        if segment != 0 {
            freed.add(segment, share);
        }
        if empty > 0 {
            self.drop_empty(from, at);
        }
    }

    /// Drops the chunks of `from..to` in which nothing waits any more.
    fn drop_empty(&mut self, from: usize, to: usize) {
        for at in (from..to).rev() {
            if let Some(chunk) = self.chunks.get(at).filter(|chunk| chunk.waiting == 0) {
                self.held -= chunk.entries.len();
                self.chunks.remove(at);
            }
        }
    }

    /// The waiting messages.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let all = self.chunks.iter().flat_map(|chunk| &chunk.entries);
        all.filter(|entry| entry.segment != 0)
    }

    /// All entries from `first` on; the segment of one whose message is gone is 0.
    pub(crate) fn slots(&self, first: Sequence) -> impl Iterator<Item = &Entry> {
        let at = self.chunks.partition_point(|chunk| chunk.last() < first);
        let skipped = self.chunks.get(at).map_or(0, |chunk| chunk.place(first));
        self.chunks.range(at..).flat_map(|chunk| &chunk.entries).skip(skipped)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_hold_what_was_inserted_and_not_settled(
            steps in proptest::collection::vec((any::<bool>(), 1_u64..1_200, 0_u64..300), 0..900),
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
                    let before = freed.0.get(&7).copied().unwrap_or_default().messages;
                    entries.settle(first, first + more, &mut freed);
                    let waiting = model.len();
                    model.retain(|sequence, _| !(first..=first + more).contains(sequence));
                    let after = freed.0.get(&7).copied().unwrap_or_default().messages;
                    prop_assert_eq!(after - before, (waiting - model.len()) as u64);
                }
                prop_assert!(entries.held() >= model.len());
                prop_assert!(entries.iter().eq(model.values()));
                let waiting = entries.slots(first).filter(|entry| entry.segment != 0);
                prop_assert!(waiting.eq(model.range(first..).map(|(_, entry)| entry)));
            }
        }
    }
}

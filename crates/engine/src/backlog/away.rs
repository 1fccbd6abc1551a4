//! Messages that were taken out of the range on disk while others around them stay.
//!
//! The store still has them until they are settled, so that whatever reads the range comes upon them.
//! This is the list of those that are not ready, or were settled while an answer was on its way. It
//! is as long as what somebody holds, and mostly not there.

use std::collections::BTreeMap;

use super::{Backlog, Entry, Kept, Mark};
use crate::backlog::expire::Loading;
use crate::record::{Sequence, Waiting};

/// Why a message of the range is no plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    /// Somebody has it, or it leaves the queue.
    Out,
    /// It is settled, but the answer that is on its way may still bring it.
    Settled,
    /// It came back to the range, and is to be known as delivered, and how often it came back.
    Back(u32),
}

/// Messages of the range on disk that were taken out of it.
#[derive(Debug, Default)]
pub(super) struct AwayMessages(BTreeMap<Sequence, Away>);

impl Backlog {
    /// A message of the range goes to somebody, or leaves the queue.
    pub(crate) fn goes_out(&mut self, sequence: Sequence) {
        self.away.get_or_insert_default().0.insert(sequence, Away::Out);
    }

    /// Whether what was read of the range is ready. The list keeps those that came back.
    pub(super) fn is_away(&self, sequence: Sequence) -> bool {
        let away = self.away.as_ref().and_then(|away| away.0.get(&sequence));
        matches!(away, Some(Away::Out | Away::Settled))
    }

    /// How often a message came back that was taken out of the range and is in it again.
    pub(super) fn came_back(&self, sequence: Sequence) -> Option<u32> {
        match self.away.as_ref()?.0.get(&sequence)? {
            Away::Back(returns) => Some(*returns),
            Away::Out | Away::Settled => None,
        }
    }

    /// Places from `first` to `last` that are not ready, though the store has them.
    pub(super) fn away_in(&self, first: Sequence, last: Sequence) -> Vec<Sequence> {
        let away = self.away.iter().flat_map(|away| away.0.range(first..=last));
        away.filter(|(_, state)| !matches!(state, Away::Back(_))).map(|(place, _)| *place).collect()
    }

    /// A message that was taken out of the range is settled, or comes back in a moment.
    pub(crate) fn away_ended(&mut self, sequence: Sequence) {
        let is_loading = self.loading != Loading::Nothing;
        let Some(away) = &mut self.away else { return };
        match away.0.get_mut(&sequence) {
            Some(state) if is_loading => *state = Away::Settled,
            Some(_) => {
                away.0.remove(&sequence);
            }
            None => {}
        }
        self.drop_empty_away();
    }

    /// Takes those out of `entries` that go back to the range, as it has not come to their places.
    pub(super) fn back_to_range(&mut self, entries: &mut Vec<Entry>) {
        let is_back =
            |entry: &Entry| entry.marks.has(Mark::FromRange) && self.is_on_disk(entry.sequence);
        if !entries.iter().any(is_back) {
            return;
        }
        for entry in std::mem::take(entries) {
            if !(entry.marks.has(Mark::FromRange) && self.is_on_disk(entry.sequence)) {
                entries.push(entry);
                continue;
            }
            if let Some(on_disk) = &mut self.on_disk {
                on_disk.messages += 1;
                on_disk.body_bytes += u64::from(entry.body_bytes);
            }
            if entry.kept == Kept::Spilled {
                self.spilled_on_disk.add(entry.body_bytes);
            }
            let away = &mut self.away.get_or_insert_default().0;
            match entry.redelivered {
                true => away.insert(entry.sequence, Away::Back(entry.returns)),
                false => away.remove(&entry.sequence),
            };
            if entry.marks.has(Mark::ExpiresAlone) {
                self.is_due_on_disk(entry.sequence);
            }
        }
    }

    /// An answer has come: nothing that was settled before can come any more. What the range has
    /// passed is no part of it.
    pub(super) fn forget_away(&mut self) {
        let first = self.on_disk.map_or(Sequence::MAX, |on_disk| on_disk.first);
        if let Some(away) = &mut self.away {
            away.0.retain(|place, state| *state != Away::Settled && *place >= first);
        }
        self.drop_empty_away();
    }

    fn drop_empty_away(&mut self) {
        self.away.take_if(|away| away.0.is_empty());
    }

    /// The range without what is not ready, in parts.
    pub(super) fn parts(&self, on_disk: Waiting) -> impl Iterator<Item = Waiting> {
        let mut first = on_disk.first;
        let mut counts = (on_disk.messages, on_disk.body_bytes);
        let holes = self.away_in(on_disk.first, on_disk.last);
        let ends = holes.into_iter().map(|hole| (hole - 1, hole + 1));
        ends.chain([(on_disk.last, on_disk.last)]).filter_map(move |(last, next)| {
            let part = (first <= last).then(|| {
                // The counts are of all parts together.
                let (messages, body_bytes) = std::mem::take(&mut counts);
                Waiting { first, last, messages, body_bytes }
            });
            first = next;
            part
        })
    }
}

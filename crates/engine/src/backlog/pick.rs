//! Messages that somebody takes out of the queue by their places, wherever they stand.

use std::sync::Arc;

use super::expire::Loading;
use super::{Answer, Backlog, Entry, Kept, Mark, Missing};
use crate::record::Sequence;
use crate::{Load, Message, Milliseconds, QueueId};

/// What became of places that were picked.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    /// Messages that were in memory: they are out of the queue.
    pub(crate) entries: Vec<Entry>,
    /// Places that are to be read from disk first, in order. The others do not wait here.
    pub(crate) on_disk: Vec<Sequence>,
}

impl Backlog {
    /// Takes messages out by their places, which are in order, as far as their contents are there.
    /// Those that have expired stay, as they go another way.
    pub(crate) fn pick(&mut self, places: &[Sequence], now: Milliseconds) -> Picked {
        let mut picked = Picked::default();
        for place in places {
            if self.is_away(*place) {
                continue;
            }
            if self.is_on_disk(*place) {
                picked.on_disk.push(*place);
                continue;
            }
            let Ok(at) = self.head.binary_search_by_key(place, |entry| entry.sequence) else {
                continue;
            };
            match self.head.get(at) {
                Some(entry) if entry.is_gone() || self.expiry(entry) < now => {}
                Some(entry) if entry.message.is_some() => picked.entries.extend(self.take_at(at)),
                Some(_) => picked.on_disk.push(*place),
                None => {}
            }
        }
        picked
    }

    /// The wish for picked messages that are on disk. Nothing while an answer is on its way: pick
    /// again when it has come.
    pub(crate) fn load_picked(&mut self, queue: QueueId, places: &[Sequence]) -> Option<Load> {
        if self.loading != Loading::Nothing {
            return None;
        }
        let (&first, &last) = (places.first()?, places.last()?);
        self.loading = Loading::Picked;
        let messages_max = u32::try_from(places.len()).unwrap_or(u32::MAX);
        let only = Some(Arc::from(places));
        Some(Load { queue: queue.lane(self.lane), first, last, messages_max, only })
    }

    /// Takes an answer with picked messages.
    pub(super) fn loaded_picked(
        &mut self,
        answer: Answer,
        durable: bool,
        now: Milliseconds,
    ) -> Missing {
        let Answer { load, through, messages, damaged, returns } = answer;
        let mut missing = Missing { picked_through: Some(through), ..Missing::default() };
        let mut returns = returns.into_iter().peekable();
        let mut read: Vec<Sequence> = vec![];
        for (sequence, message) in messages {
            read.push(sequence);
            while returns.next_if(|(place, _)| *place < sequence).is_some() {}
            let count = returns.next_if(|(place, _)| *place == sequence).map_or(0, |of| of.1);
            if self.is_away(sequence) || self.expiry_of_old(&message).at < now {
                continue;
            }
            if self.is_on_disk(sequence) {
                missing.picked.push(self.take_from_range(sequence, message, durable, count));
            } else {
                missing.picked.extend(self.take_filled(sequence, message));
            }
        }
        for (sequence, body_bytes) in damaged {
            if self.is_on_disk(sequence) {
                self.left_range(body_bytes);
                missing.lost.push(sequence);
            } else {
                missing.lost.extend(self.lose_at(sequence));
            }
        }
        let wanted = load.only.iter().flat_map(|only| only.iter().copied());
        for place in wanted.take_while(|place| *place <= through) {
            // One that was read and stays has expired.
            if read.binary_search(&place).is_err() {
                missing.lost.extend(self.lose_at(place));
            }
        }
        if self.on_disk.is_some_and(|on_disk| on_disk.messages == 0) {
            self.on_disk = None;
        }
        self.range_changed();
        missing.lost.sort_unstable();
        missing
    }

    /// Puts those of `entries` back that left an empty entry behind when they were taken.
    pub(super) fn fill_gone(&mut self, entries: &mut Vec<Entry>) {
        for entry in std::mem::take(entries) {
            let at = self.head.binary_search_by_key(&entry.sequence, |other| other.sequence);
            let place = at.ok().and_then(|at| self.head.get_mut(at));
            match place.filter(|place| place.is_gone()) {
                Some(place) => {
                    *place = entry;
                    self.gone -= 1;
                }
                None => entries.push(entry),
            }
        }
    }

    fn take_from_range(
        &mut self,
        sequence: Sequence,
        message: Message,
        durable: bool,
        returns: u32,
    ) -> Entry {
        self.left_range(message.body_bytes());
        let kept = Kept::from_disk(&message, durable);
        if kept == Kept::Spilled {
            self.spilled_on_disk.subtract(message.body_bytes());
        }
        let mut entry = Entry::new(sequence, message, kept, None);
        entry.lane = self.lane;
        entry.returns = returns.max(self.came_back(sequence).unwrap_or_default());
        entry.redelivered = self.was_delivered(sequence) || entry.returns > 0;
        entry.marks.set(Mark::Untold, entry.redelivered && sequence > self.redelivered_through);
        entry.marks.set(Mark::FromRange, true);
        self.set_expiry(&mut entry);
        self.goes_out(sequence);
        entry
    }

    /// Takes a message out of the head whose content has come now.
    fn take_filled(&mut self, sequence: Sequence, message: Message) -> Option<Entry> {
        let at = self.place_without_content(sequence)?;
        let mut entry = self.take_at(at)?;
        entry.message = Some(message);
        Some(entry)
    }
}

//! Messages of a queue by their places: seen where they wait, or taken from there (see
//! `backlog/browse.rs` and `backlog/pick.rs`).

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{At, Lanes};
use crate::backlog::{Backlog, Entry};
use crate::browse::{BrowsePage, Place};
use crate::record::Sequence;
use crate::{Load, Milliseconds, QueueId};

impl Lanes {
    /// All lanes, the one that is delivered first in front.
    fn in_turn(&self) -> impl Iterator<Item = (u8, &Backlog)> {
        let default = self.levels.map_or(0, |levels| levels.default);
        let others = || self.others.iter().flat_map(|others| others.lanes.iter().rev());
        let above = others().take_while(move |(level, _)| **level > default);
        let below = others().skip_while(move |(level, _)| **level > default);
        let base = std::iter::once((default, &self.base));
        above
            .map(|(level, lane)| (*level, &lane.backlog))
            .chain(base)
            .chain(below.map(|(level, lane)| (*level, &lane.backlog)))
    }

    /// Up to `max` messages from a place on, or from the first one, in the order of delivery.
    pub(crate) fn browse(&self, queue: QueueId, from: Option<Place>, max: usize) -> BrowsePage {
        let level = |from: Place| match self.at(from.lane) {
            At::Base => self.levels.map_or(0, |levels| levels.default),
            At::Level(level) => level,
        };
        let from = from.map(|from| (level(from), from.sequence));
        let mut page = BrowsePage::default();
        for (level, lane) in self.in_turn() {
            let first = match from.map(|(start, sequence)| (level.cmp(&start), sequence)) {
                Some((Ordering::Greater, _)) => continue,
                Some((Ordering::Equal, sequence)) => sequence,
                Some((Ordering::Less, _)) | None => 0,
            };
            page.load = lane.browse(queue, first, max, &mut page.messages);
            page.redelivered_through = lane.redelivered_through();
            page.away = page.load.as_ref().map_or_else(Vec::new, |load| lane.away_of(load));
            if page.load.is_some() || page.messages.len() >= max {
                break;
            }
        }
        let last = page.messages.last().filter(|_| page.messages.len() >= max);
        page.next = last.map(|last| last.place.after());
        page
    }

    /// Takes messages out by their places, as far as they are in memory; gives them, and those that
    /// are to be read from disk first. What is in neither is not here.
    pub(crate) fn pick(
        &mut self,
        places: &BTreeSet<Place>,
        now: Milliseconds,
    ) -> (Vec<Entry>, BTreeSet<Place>) {
        let (mut entries, mut on_disk) = (vec![], BTreeSet::new());
        for (lane, sequences) in by_lane(places) {
            let at = self.at(lane);
            if !self.has(at) {
                continue;
            }
            let of_lane = self.change(at, |lane| lane.pick(&sequences, now));
            entries.extend(of_lane.entries);
            on_disk.extend(of_lane.on_disk.into_iter().map(|sequence| Place { lane, sequence }));
        }
        (entries, on_disk)
    }

    /// The wishes for picked messages that are on disk, of each lane that waits for nothing else.
    pub(crate) fn load_picked(&mut self, queue: QueueId, places: &BTreeSet<Place>) -> Vec<Load> {
        let mut loads = vec![];
        for (lane, sequences) in by_lane(places) {
            let at = self.at(lane);
            if self.has(at) {
                loads.extend(self.change(at, |lane| lane.load_picked(queue, &sequences)));
            }
        }
        loads
    }

    /// A message of the range on disk is not ready any more, though the store has it.
    pub(crate) fn goes_out(&mut self, lane: u8, sequence: Sequence) {
        let at = self.at(lane);
        if self.has(at) {
            self.change(at, |lane| lane.goes_out(sequence));
        }
    }

    /// A message that was taken out of the range on disk is settled, or comes back in a moment.
    pub(crate) fn away_ended(&mut self, lane: u8, sequence: Sequence) {
        let at = self.at(lane);
        if self.has(at) {
            self.change(at, |lane| lane.away_ended(sequence));
        }
    }

    fn has(&self, at: At) -> bool {
        match at {
            At::Base => true,
            At::Level(level) => {
                let default = self.levels.is_some_and(|levels| levels.default == level);
                let others = self.others.as_ref();
                default || others.is_some_and(|others| others.lanes.contains_key(&level))
            }
        }
    }
}

/// The sequences of each lane, in order.
fn by_lane(places: &BTreeSet<Place>) -> Vec<(u8, Vec<Sequence>)> {
    let mut lanes: Vec<(u8, Vec<Sequence>)> = vec![];
    for place in places {
        match lanes.last_mut() {
            Some((lane, sequences)) if *lane == place.lane => sequences.push(place.sequence),
            _ => lanes.push((place.lane, vec![place.sequence])),
        }
    }
    lanes
}

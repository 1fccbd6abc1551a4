//! What streams let go: always the oldest, by whole segments, never the last one; because they are
//! too old or too much, and then at once. After a restart the broker takes sizes to be spread evenly
//! over what was there before, and where one of its segments begins is not known here.

use std::cmp::Reverse;

use warren_engine::Milliseconds;

use super::{Change, Model, Place, Queue, QueueNumber};
use crate::settings::StreamLimits;
use crate::{Violation, limits};

/// What a message of a stream counts beside its body, in bytes.
const MESSAGE_BYTES: u64 = 64;

/// A segment of a stream.
#[derive(Debug, Clone, Copy)]
struct Segment {
    first: Place,
    bytes: u64,
    /// When the last of its messages came.
    last_time: Milliseconds,
}

/// The segments of a stream, in order.
#[derive(Debug, Default)]
pub(super) struct Segments {
    list: Vec<Segment>,
    /// There was something before a restart.
    is_vague: bool,
    /// Something went that was there before a restart.
    has_lost: bool,
}

impl Segments {
    /// After a restart.
    pub(super) fn vague() -> Self {
        Self { is_vague: true, ..Self::default() }
    }

    fn append(&mut self, place: Place, body_bytes: u64, now: Milliseconds, limits: StreamLimits) {
        let is_full = self.list.last().is_none_or(|last| last.bytes >= limits.segment_bytes);
        if is_full {
            self.list.push(Segment { first: place, bytes: 0, last_time: now });
        }
        if let Some(last) = self.list.last_mut() {
            last.bytes += body_bytes + MESSAGE_BYTES;
            last.last_time = now;
        }
    }

    fn bytes(&self) -> u64 {
        self.list.iter().map(|segment| segment.bytes).sum()
    }
}

impl Queue {
    /// A message came to the stream.
    pub(super) fn note_segment(&mut self, body_bytes: u64, now: Milliseconds) {
        let limits = self.settings.stream;
        if !self.segments.is_vague {
            self.segments.append(self.last_place, body_bytes, now, limits);
        }
    }

    /// The stream is not known well enough to be told how many messages it has: some are missing
    /// among those that were there at a restart.
    pub(super) fn is_uncertain(&self) -> bool {
        let has_retention = self.settings.stream.has_retention();
        self.segments.is_vague && (has_retention || self.segments.has_lost)
    }
}

impl Model {
    /// The queue is a stream that lets something go.
    pub(super) fn has_retention(&self, name: &str) -> bool {
        let queue = self.names.get(name).and_then(|number| self.queues.get(number));
        queue.is_some_and(|queue| queue.settings.stream.has_retention())
    }

    /// The engine says that a stream lets messages go: it must be time, and the turn of these.
    pub(super) fn let_go(
        &mut self,
        name: &str,
        first: Place,
        last: Place,
    ) -> Result<(), Violation> {
        let Some(number) = self.names.get(name).copied() else { return Ok(()) };
        let Some(queue) = self.queues.get(&number) else { return Ok(()) };
        let places: Vec<Place> =
            queue.copies.range(first..=last).map(|(place, _)| *place).collect();
        // A message that is damaged goes, too.
        let Some(newest) = places.last().and_then(|place| queue.copies.get(place)) else {
            return Ok(());
        };
        let wrong = |why: &str| {
            let text = format!("stream {name} lets {first} to {last} go, {why}");
            Err(Violation::new("P11", text))
        };
        let limits = queue.settings.stream;
        if queue.copies.range(..first).next().is_some() {
            return wrong("which are not the oldest");
        }
        if last >= queue.last_place {
            return wrong("with the last one");
        }
        if !limits.has_retention() {
            return wrong("and has no limits");
        }
        let is_young = limits.max_age.is_some_and(|age| newest.time + age > self.now);
        if is_young && limits.max_bytes.is_none() {
            return wrong("which are not so old");
        }
        if !queue.segments.is_vague {
            self.check_segments(number, last).or_else(|why| wrong(&why))?;
        }
        let Some(queue) = self.queues.get_mut(&number) else { return Ok(()) };
        queue.segments.has_lost |= queue.segments.is_vague;
        self.losses.dropped += places.len() as u64;
        for place in &places {
            if let Some(copy) = queue.copies.remove(place) {
                queue.ready.remove(&(Reverse(copy.level), *place));
            }
        }
        places.into_iter().for_each(|place| self.change(Change::Settled(number, place)));
        Ok(())
    }

    /// Takes the segments up to a place away: each because there was too much, or it was too old.
    fn check_segments(&mut self, number: QueueNumber, last: Place) -> Result<(), String> {
        let Some(queue) = self.queues.get_mut(&number) else { return Ok(()) };
        let limits = queue.settings.stream;
        let segments = &mut queue.segments;
        loop {
            let bytes = segments.bytes();
            let [oldest, next, ..] = segments.list.as_slice() else {
                return Err("though it is a part of the last segment".to_owned());
            };
            if last < oldest.first {
                return Ok(());
            }
            if last + 1 < next.first {
                return Err(format!("which is a part of the segment up to {}", next.first - 1));
            }
            let is_old = limits.max_age.is_some_and(|age| oldest.last_time + age <= self.now);
            let is_much = limits.max_bytes.is_some_and(|max| bytes > max);
            if !is_old && !is_much {
                return Err(format!("though it has only {bytes} bytes and they are not old"));
            }
            segments.list.remove(0);
            if last + 1 == segments.list.first().map_or(0, |segment| segment.first) {
                return Ok(());
            }
        }
    }

    /// With nothing on its way, streams have let go what they need not keep.
    pub(super) fn check_retention(&self) -> Result<(), Violation> {
        for queue in self.queues.values().filter(|queue| !queue.segments.is_vague) {
            let limits = queue.settings.stream;
            let [oldest, .., newest] = queue.segments.list.as_slice() else { continue };
            let late = self.now.saturating_sub(limits::LATE_MAX);
            let is_old = limits.max_age.is_some_and(|age| oldest.last_time + age < late);
            // It is looked at when a segment begins.
            let before = queue.segments.bytes() - newest.bytes;
            if is_old || limits.max_bytes.is_some_and(|max| before > max) {
                let text = format!("stream {} keeps {before} bytes in old segments", queue.name);
                return Err(Violation::new("P11", text));
            }
        }
        Ok(())
    }
}

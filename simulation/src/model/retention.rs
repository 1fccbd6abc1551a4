//! What streams let go: always the oldest, by whole segments, never the last one; because they are
//! too old or too much, and then at once. After a restart the broker takes sizes to be spread evenly
//! over what was there before, and where one of its segments begins is not known here.

use std::cmp::Reverse;

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::Milliseconds;

use super::{Change, Model, Place, Queue, QueueNumber};
use crate::{Violation, limits};

/// What a message of a stream counts beside its body, in bytes.
const MESSAGE_BYTES: u64 = 64;

/// What a stream keeps, which follows from its name.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StreamLimits {
    max_age: Option<Milliseconds>,
    max_bytes: Option<u64>,
    segment_bytes: u64,
}

impl StreamLimits {
    pub(crate) fn of(queue: &str) -> Self {
        match queue {
            "s1" => Self { max_age: Some(1_000), max_bytes: None, segment_bytes: 400 },
            "s2" => Self { max_age: None, max_bytes: Some(1_500), segment_bytes: 300 },
            _ => Self::default(),
        }
    }

    pub(crate) fn add_to(self, arguments: &mut FieldTable) {
        let mut add = |name: &str, value| {
            arguments.insert(name.into(), value);
        };
        if let Some(age) = self.max_age {
            add("x-max-age", FieldValue::LongString(format!("{}s", age / 1_000).into()));
        }
        if let Some(bytes) = self.max_bytes {
            add("x-max-length-bytes", FieldValue::LongLongInt(bytes as i64));
        }
        if self.segment_bytes > 0 {
            let bytes = FieldValue::LongLongInt(self.segment_bytes as i64);
            add("x-stream-max-segment-size-bytes", bytes);
        }
    }

    /// Something may have to go.
    pub(crate) fn has_retention(self) -> bool {
        self.max_age.is_some() || self.max_bytes.is_some()
    }
}

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
}

impl Segments {
    /// After a restart.
    pub(super) fn vague() -> Self {
        Self { list: vec![], is_vague: true }
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
        let limits = StreamLimits::of(&self.name);
        if limits.has_retention() && !self.segments.is_vague {
            self.segments.append(self.last_place, body_bytes, now, limits);
        }
    }

    /// The stream is not known well enough to be told how many messages it has: some are missing
    /// among those that were there at a restart.
    pub(super) fn is_uncertain(&self) -> bool {
        self.segments.is_vague && StreamLimits::of(&self.name).has_retention()
    }
}

impl Model {
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
        let limits = StreamLimits::of(name);
        if queue.copies.range(..first).next().is_some() {
            return wrong("which are not the oldest");
        }
        if last >= queue.last_place {
            return wrong("with the last one");
        }
        if !limits.has_retention() {
            return wrong("and has no limits");
        }
        if limits.max_age.is_some_and(|age| newest.time.saturating_add(age) > self.now) {
            return wrong("which are not so old");
        }
        if !queue.segments.is_vague {
            self.check_segments(number, last).or_else(|why| wrong(&why))?;
        }
        let Some(queue) = self.queues.get_mut(&number) else { return Ok(()) };
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
        let limits = StreamLimits::of(&queue.name);
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
            let limits = StreamLimits::of(&queue.name);
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

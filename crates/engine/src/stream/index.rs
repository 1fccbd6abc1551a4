//! What a stream holds, roughly: its messages in chunks of a few thousand, each with its first place,
//! its size and its times. From it follows what is too old or too much, and where a time is found.
//!
//! After a restart the store tells how much there is, not how it is spread: it is taken to be spread
//! evenly, and a time that is needed is read from the message that stands there.

use std::collections::VecDeque;

use super::arguments::StreamSettings;
use crate::planted::{self, Bug};
use crate::record::{Sequence, Waiting};
use crate::{Milliseconds, limits};

#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// The place of its first message.
    first: Sequence,
    messages: u64,
    body_bytes: u64,
    /// When its first message came, if that is known.
    first_time: Option<Milliseconds>,
    /// When its last message came, if that is known.
    last_time: Option<Milliseconds>,
}

impl Chunk {
    fn bytes(&self) -> u64 {
        self.body_bytes + self.messages * limits::STREAM_MESSAGE_BYTES
    }
}

/// What is to be done about messages that are too old or too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retention {
    /// Nothing, until more comes.
    Fine,
    /// Nothing before this time.
    Later(Milliseconds),
    /// The time of the message at this place is needed.
    Unknown(Sequence),
    /// The messages from the one place to the other go.
    Gone(Sequence, Sequence),
}

#[derive(Debug)]
pub(super) struct Index {
    chunks: VecDeque<Chunk>,
    /// The next free place.
    end: Sequence,
    /// The first place of the last segment.
    segment: Sequence,
    /// What the last segment takes.
    segment_bytes: u64,
    messages: u64,
    body_bytes: u64,
}

impl Index {
    pub(super) fn new(end: Sequence) -> Self {
        let chunks = VecDeque::new();
        Self { chunks, end, segment: end, segment_bytes: 0, messages: 0, body_bytes: 0 }
    }

    /// What a restart found.
    pub(super) fn recovered(waiting: Waiting, end: Sequence, settings: &StreamSettings) -> Self {
        let mut index = Self::new(end);
        let Waiting { first, last, messages, body_bytes } = waiting;
        if messages == 0 {
            return index;
        }
        let bytes = body_bytes + messages * limits::STREAM_MESSAGE_BYTES;
        let places = last - first + 1;
        let parts = (messages / limits::STREAM_CHUNK_MESSAGES)
            .max(bytes / limits::STREAM_CHUNK_BYTES)
            .max(bytes / settings.segment_bytes.max(1))
            .clamp(1, places.min(limits::STREAM_CHUNKS_MAX as u64 / 2));
        let share = |whole: u64, part: u64| {
            (u128::from(whole) * u128::from(part) / u128::from(parts)) as u64
        };
        index.chunks = (0..parts)
            .map(|part| Chunk {
                first: first + share(places, part),
                messages: share(messages, part + 1) - share(messages, part),
                body_bytes: share(body_bytes, part + 1) - share(body_bytes, part),
                first_time: None,
                last_time: None,
            })
            .collect();
        (index.messages, index.body_bytes) = (messages, body_bytes);
        index.segment = first;
        for chunk in index.chunks.iter().rev() {
            if index.segment_bytes > 0
                && index.segment_bytes + chunk.bytes() > settings.segment_bytes
            {
                break;
            }
            index.segment = chunk.first;
            index.segment_bytes += chunk.bytes();
        }
        index
    }

    /// The place of the oldest message that there may be.
    pub(super) fn first(&self) -> Sequence {
        self.chunks.front().map_or(self.end, |chunk| chunk.first)
    }

    /// The next free place.
    pub(super) fn end(&self) -> Sequence {
        self.end
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// What a message takes on the average, in bytes.
    pub(super) fn message_bytes(&self) -> u64 {
        self.body_bytes / self.messages.max(1)
    }

    /// Notes a new message. True if a chunk or segment became full by those before it, so that
    /// something may have to go.
    pub(super) fn append(
        &mut self,
        sequence: Sequence,
        body_bytes: u64,
        now: Milliseconds,
        settings: &StreamSettings,
    ) -> bool {
        let is_full = self.segment_bytes >= settings.segment_bytes.max(1);
        if is_full {
            (self.segment, self.segment_bytes) = (sequence, 0);
        }
        let fits = |chunk: &&mut Chunk| {
            !is_full
                && chunk.messages < limits::STREAM_CHUNK_MESSAGES
                && chunk.bytes() < limits::STREAM_CHUNK_BYTES
        };
        let begins = match self.chunks.back_mut().filter(fits) {
            Some(chunk) => {
                chunk.messages += 1;
                chunk.body_bytes += body_bytes;
                chunk.last_time = Some(now);
                false
            }
            None => {
                let (first, time) = (sequence, Some(now));
                let (first_time, last_time) = (time, time);
                self.chunks.push_back(Chunk {
                    first,
                    messages: 1,
                    body_bytes,
                    first_time,
                    last_time,
                });
                true
            }
        };
        self.end = sequence + 1;
        self.messages += 1;
        self.body_bytes += body_bytes;
        self.segment_bytes += body_bytes + limits::STREAM_MESSAGE_BYTES;
        if self.chunks.len() > limits::STREAM_CHUNKS_MAX {
            self.merge();
        }
        begins
    }

    /// Joins chunks two by two, but for those of the last segment.
    fn merge(&mut self) {
        let mut merged: VecDeque<Chunk> = VecDeque::with_capacity(limits::STREAM_CHUNKS_MAX);
        let mut is_pair = true;
        for chunk in &self.chunks {
            match merged.back_mut().filter(|_| !is_pair && chunk.first < self.segment) {
                Some(before) => {
                    before.messages += chunk.messages;
                    before.body_bytes += chunk.body_bytes;
                    before.last_time = chunk.last_time;
                    is_pair = true;
                }
                None => {
                    merged.push_back(*chunk);
                    is_pair = false;
                }
            }
        }
        self.chunks = merged;
    }

    fn at(&self, place: Sequence) -> Option<usize> {
        self.chunks.partition_point(|chunk| chunk.first <= place).checked_sub(1)
    }

    /// The last place of a chunk.
    fn last(&self, at: usize) -> Sequence {
        self.chunks.get(at + 1).map_or(self.end, |next| next.first) - 1
    }

    /// A message turned out to be lost.
    pub(super) fn lost(&mut self, place: Sequence, body_bytes: u64) {
        let at = self.at(place);
        let Some(chunk) = at.and_then(|at| self.chunks.get_mut(at)) else { return };
        let bytes = body_bytes.min(chunk.body_bytes);
        let messages = chunk.messages.min(1);
        chunk.messages -= messages;
        chunk.body_bytes -= bytes;
        self.messages -= messages;
        self.body_bytes -= bytes;
    }

    /// The message at a place came at this time.
    pub(super) fn learn(&mut self, place: Sequence, time: Milliseconds) {
        let Some(at) = self.at(place) else { return };
        let last = self.last(at);
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        if chunk.first == place {
            chunk.first_time.get_or_insert(time);
        }
        if last == place {
            chunk.last_time.get_or_insert(time);
        }
    }

    /// A place before which no message came at `time` or later, not far from the first one that did;
    /// or the place of a message of which the time is needed.
    pub(super) fn search(&self, time: Milliseconds) -> Result<Sequence, Sequence> {
        // Clocks of connections are read apart: what came together may stand out of order a little.
        let time = time.saturating_sub(limits::STREAM_TIME_SLACK_MS);
        let (mut low, mut high) = (0, self.chunks.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let Some(chunk) = self.chunks.get(middle) else { break };
            if chunk.first_time.ok_or(chunk.first)? < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let found = self.chunks.get(low.saturating_sub(1));
        Ok(found.map_or(self.end, |chunk| chunk.first))
    }

    /// What the settings ask for at this time. The last segment stays.
    pub(super) fn retention(&self, settings: &StreamSettings, now: Milliseconds) -> Retention {
        let Some(oldest) = self.chunks.front() else { return Retention::Fine };
        let last = self.last(0);
        let stays = last >= self.segment && !planted::is(Bug::RetentionTakesLast);
        if stays || planted::is(Bug::RetentionForgotten) {
            return Retention::Fine;
        }
        let mut bytes = self.body_bytes + self.messages * limits::STREAM_MESSAGE_BYTES;
        if planted::is(Bug::RetentionTakesMore) {
            bytes += settings.segment_bytes;
        }
        if settings.max_bytes.is_some_and(|max| bytes > max) {
            return Retention::Gone(oldest.first, last);
        }
        let Some(max_age) = settings.max_age else { return Retention::Fine };
        match oldest.last_time.map(|time| time.saturating_add(max_age)) {
            None => Retention::Unknown(last),
            Some(due) if due <= now => Retention::Gone(oldest.first, last),
            Some(due) => Retention::Later(due),
        }
    }

    /// The oldest chunk goes.
    pub(super) fn remove_oldest(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.messages -= chunk.messages;
            self.body_bytes -= chunk.body_bytes;
        }
    }

    /// Checks that the counts agree with the chunks.
    pub(super) fn check(&self) -> Result<(), String> {
        let messages: u64 = self.chunks.iter().map(|chunk| chunk.messages).sum();
        let bytes: u64 = self.chunks.iter().map(|chunk| chunk.body_bytes).sum();
        if (messages, bytes) != (self.messages, self.body_bytes) {
            let counted = (self.messages, self.body_bytes);
            return Err(format!("{counted:?} messages and bytes, {messages}, {bytes} in chunks"));
        }
        let is_sorted = self.chunks.iter().is_sorted_by(|a, b| a.first < b.first);
        if !is_sorted || self.chunks.back().is_some_and(|chunk| chunk.first >= self.end) {
            return Err("chunks of the stream are out of order".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(segment_bytes: u64) -> StreamSettings {
        StreamSettings { max_age: Some(100), max_bytes: None, segment_bytes }
    }

    fn filled(count: u64, segment_bytes: u64) -> Index {
        let mut index = Index::new(1);
        for place in 1..=count {
            index.append(place, 36, place * 10, &settings(segment_bytes));
        }
        index
    }

    #[test]
    fn a_time_is_found_in_its_chunk() {
        // Segments of one message, so that each is a chunk.
        let index = filled(1_000, 100);
        index.check().unwrap();
        let time = 5_000 + limits::STREAM_TIME_SLACK_MS;
        assert_eq!(index.search(time), Ok(499));
        assert_eq!(index.search(0), Ok(1));
        assert_eq!(index.search(Milliseconds::MAX), Ok(1_000));
        assert_eq!(Index::new(7).search(5), Ok(7));
    }

    #[test]
    fn the_last_segment_stays_however_old() {
        let mut index = filled(10, 300);
        let mut gone = vec![];
        while let Retention::Gone(first, last) = index.retention(&settings(300), 1_000_000) {
            gone.push((first, last));
            index.remove_oldest();
        }
        assert_eq!(gone, [(1, 3), (4, 6), (7, 9)]);
        assert_eq!((index.first(), index.messages()), (10, 1));
        index.check().unwrap();
    }

    #[test]
    fn after_a_restart_times_are_asked_for() {
        let waiting = Waiting { first: 5, last: 104, messages: 100, body_bytes: 3_600 };
        let settings = settings(1_000);
        let mut index = Index::recovered(waiting, 105, &settings);
        index.check().unwrap();
        assert_eq!((index.first(), index.messages()), (5, 100));
        let mut asked = 0;
        let found = loop {
            match index.search(60_000) {
                Ok(place) => break place,
                Err(place) => index.learn(place, place * 1_000),
            }
            asked += 1;
        };
        assert!(asked <= 4, "{asked}");
        assert!((45..60).contains(&found), "{found}");
        let Retention::Unknown(place) = index.retention(&settings, 1_000) else { panic!() };
        index.learn(place, 950);
        assert_eq!(index.retention(&settings, 1_000), Retention::Later(1_050));
    }

    #[test]
    fn many_small_segments_are_joined() {
        let count = 3 * limits::STREAM_CHUNKS_MAX as u64;
        let index = filled(count, 1);
        index.check().unwrap();
        assert!(index.chunks.len() <= limits::STREAM_CHUNKS_MAX);
        assert_eq!((index.messages(), index.first(), index.end()), (count, 1, count + 1));
    }
}

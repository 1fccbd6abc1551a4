//! Streams: each consumer gets a rising run without a gap from its offset on, of messages that are
//! durable. Nobody takes anything out; what a stream lets go is in `retention.rs`.

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{ConsumeRequest, Message};

use super::{At, Change, Model, Place, Queue, QueueNumber};
use crate::Violation;
use crate::names::is_stream;

/// A consumer's place in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// All up to here was delivered, or is not for the consumer.
    next: Place,
    /// Only messages with this value, if there is one.
    filter: Option<String>,
}

/// The last messages that came to a stream together.
#[derive(Debug, Default)]
pub(super) struct LastBatch {
    op: u64,
    first: Place,
}

fn text(arguments: &FieldTable, name: &str) -> Option<String> {
    match arguments.inner().get(name)? {
        FieldValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    }
}

impl Queue {
    pub(super) fn is_stream(&self) -> bool {
        is_stream(&self.name)
    }

    /// A message came to the stream.
    pub(super) fn note_batch(&mut self, op: u64) {
        if self.last_batch.op != op {
            self.last_batch = LastBatch { op, first: self.last_place };
        }
    }

    /// After a restart nobody knows what came together.
    pub(super) fn forget_batch(&mut self) {
        self.last_batch = LastBatch { op: 0, first: self.last_place.max(1) };
    }

    /// Where a consumer begins; `None` if this is no stream.
    pub(super) fn reading(&self, request: &ConsumeRequest) -> Option<Reading> {
        let arguments = &request.arguments;
        let next = match arguments.inner().get("x-stream-offset") {
            _ if !self.is_stream() => return None,
            Some(FieldValue::LongLongInt(offset)) => *offset as Place + 1,
            _ => match text(arguments, "x-stream-offset").as_deref() {
                Some("first") => 1,
                Some("last") => self.last_batch.first.max(1),
                _ => self.last_place + 1,
            },
        };
        Some(Reading { next, filter: text(arguments, "x-stream-filter") })
    }
}

impl Model {
    /// A message of a stream is on its way to a client: it must be the next one.
    pub(super) fn read_from_stream(
        &mut self,
        at: At,
        consumer: u32,
        offset: u64,
        message: &Message,
    ) -> Result<QueueNumber, Violation> {
        let id = self.check_content(message)?;
        let place = offset + 1;
        let channel = self.channels.get(&at);
        let found = channel.and_then(|channel| channel.consumers.get(&consumer)).cloned();
        let Some((queue, mut reading)) =
            found.and_then(|found| Some((found.queue, found.reading?)))
        else {
            let text = format!("{at:?} gets message {id} of a stream that it does not read");
            return Err(Violation::new("P6", text));
        };
        let mut expected = self.next_of_stream(queue, &reading);
        // What goes in this command may be gone before it is the consumer's turn.
        while let Some((next, _)) = expected.filter(|(next, _)| *next < place)
            && self.goes_now(queue, next)
        {
            reading.next = next + 1;
            expected = self.next_of_stream(queue, &reading);
        }
        if expected != Some((place, id)) {
            let text = format!("{at:?} gets message {id} at {place}, not {expected:?}");
            return Err(Violation::new("P3", text));
        }
        let is_this = |change: &Change| {
            matches!(change, Change::Enqueued { places, .. }
                if places.iter().any(|(other, _, at)| (*other, *at) == (queue, place)))
        };
        if self.changes.iter().any(|(_, change)| is_this(change)) {
            let text = format!("{at:?} gets message {id} of a stream, which is not durable");
            return Err(Violation::new("P1", text));
        }
        reading.next = place + 1;
        let channel = self.channels.get_mut(&at);
        if let Some(found) = channel.and_then(|channel| channel.consumers.get_mut(&consumer)) {
            found.reading = Some(reading);
        }
        Ok(queue)
    }

    /// The stream lets the message at this place go in the command at hand.
    fn goes_now(&self, queue: QueueNumber, place: Place) -> bool {
        let mut gone = self.said.let_go.iter();
        gone.any(|(name, first, last)| {
            self.names.get(name) == Some(&queue) && (*first..=*last).contains(&place)
        })
    }

    /// The next message of a stream for somebody who reads it.
    fn next_of_stream(&self, queue: QueueNumber, reading: &Reading) -> Option<(Place, u64)> {
        let copies = self.queues.get(&queue)?.copies.range(reading.next..);
        let wanted = |id: u64| match &reading.filter {
            None => true,
            Some(filter) => {
                let published = self.messages.get(id as usize);
                let value = published.and_then(|published| published.publication.header);
                value == Some(filter.as_str())
            }
        };
        let mut all = copies.map(|(place, copy)| (*place, copy.message));
        all.find(|(_, id)| wanted(*id))
    }

    /// Everybody who reads a stream has come to its end.
    pub(crate) fn check_streams_read(&self) -> Result<(), Violation> {
        for (at, channel) in &self.channels {
            for consumer in channel.consumers.values() {
                let Some(reading) = &consumer.reading else { continue };
                if let Some((place, id)) = self.next_of_stream(consumer.queue, reading) {
                    let text = format!("{at:?} waits for message {id} of a stream, at {place}");
                    return Err(Violation::new("P1", text));
                }
            }
        }
        Ok(())
    }

    /// The streams that are there.
    pub(crate) fn stream_names(&self) -> Vec<String> {
        let streams = self.queues.values().filter(|queue| queue.is_stream());
        streams.map(|queue| queue.name.clone()).collect()
    }
}

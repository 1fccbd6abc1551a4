//! What is counted of a queue, for those who look at it.

use warren_amqp::properties;

use super::Queue;
use crate::backlog::{Entry, Purged};
use crate::counters::MessageCounters;
use crate::death::Reason;
use crate::observation::Amount;
use crate::record::Waiting;
use crate::{Milliseconds, Sequence};

/// How long messages waited while there were consumers and none of them took more.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stalled {
    /// Since then, if they do now.
    pub(crate) since: Option<Milliseconds>,
    /// Over all times up to now, in milliseconds.
    pub(crate) total: u64,
}

/// What was in the queue when it was made or found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning {
    /// The first place that was free.
    next_sequence: Sequence,
    /// Messages that a restart found.
    found: u64,
}

impl Beginning {
    pub(crate) fn new(next_sequence: Sequence, found: u64) -> Self {
        Self { next_sequence, found }
    }
}

impl Amount {
    pub(crate) fn add(&mut self, body_bytes: u32) {
        self.messages += 1;
        self.bytes += u64::from(body_bytes);
    }

    /// What is read back from disk after damage may be other than what was counted.
    pub(crate) fn subtract(&mut self, body_bytes: u32) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(u64::from(body_bytes));
    }

    fn minus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }

    fn at_most(self, other: Self) -> Self {
        Self { messages: self.messages.min(other.messages), bytes: self.bytes.min(other.bytes) }
    }
}

impl Queue {
    /// A message that is not acknowledged and not ready any more has left for good, to a consumer.
    pub(crate) fn note_consumed(&mut self, entry: &Entry) {
        if entry.is_durable() {
            self.persistent.subtract(entry.body_bytes);
        }
    }

    /// A message has been given up.
    pub(crate) fn note_given_up(&mut self, entry: &Entry, reason: Reason) {
        self.note_consumed(entry);
        *self.losses.of(reason) += 1;
    }

    /// Everything that was ready has been taken out.
    pub(super) fn note_purged(&mut self, purged: &Purged) {
        self.losses.purged += purged.len();
        for entry in &purged.head {
            self.note_consumed(entry);
        }
        for (_, on_disk) in &purged.on_disk {
            let Waiting { messages, body_bytes: bytes, .. } = *on_disk;
            self.persistent = self.persistent.minus(Amount { messages, bytes });
        }
        self.persistent = self.persistent.plus(purged.spilled_on_disk);
    }

    /// Notes whether messages wait for the queue's consumers.
    pub(crate) fn note_stalled(&mut self, now: Milliseconds) {
        let waits = !self.consumers.is_empty() && self.round.is_empty() && !self.backlog.is_empty();
        if let Some(since) = self.stalled.since {
            self.stalled.total += now.saturating_sub(since);
        }
        self.stalled.since = waits.then_some(now);
    }

    /// Messages that came in since the beginning, with those that were there.
    fn entered(&self) -> u64 {
        self.next_sequence - self.beginning.next_sequence
    }

    /// What was counted of messages.
    pub(crate) fn counted(&self) -> MessageCounters {
        MessageCounters { publish: self.entered() - self.moved_in, ..self.messages }
    }

    pub(crate) fn ready_amount(&self) -> Amount {
        Amount { messages: self.ready(), bytes: self.body_bytes() }
    }

    /// Nothing leaves a stream by being delivered.
    pub(crate) fn unacknowledged_amount(&self) -> Amount {
        if self.is_stream() {
            return Amount::default();
        }
        let messages = self.unacknowledged as u64;
        Amount { messages, bytes: self.unacknowledged_body_bytes }
    }

    /// What of the ready messages is in the head. Of a stream nothing is counted as in memory.
    pub(crate) fn ready_in_memory(&self) -> Amount {
        self.backlog.in_head().at_most(self.ready_amount())
    }

    pub(crate) fn unacknowledged_in_memory(&self) -> Amount {
        self.unacknowledged_amount().minus(self.unacknowledged_on_disk)
    }

    /// Messages that survive a restart.
    pub(crate) fn persistent(&self) -> Amount {
        match &self.stream {
            Some(_) => self.ready_amount(),
            None => self.persistent.at_most(self.ready_amount().plus(self.unacknowledged_amount())),
        }
    }

    /// The property `timestamp` of the next message, if its content is in memory.
    pub(crate) fn head_timestamp(&self) -> Option<u64> {
        properties::timestamp(self.backlog.front()?.properties())
    }

    /// Checks that every message that came in is here or is counted among those that left.
    pub(crate) fn check_counts(&self) -> Result<(), String> {
        if self.is_stream() {
            return Ok(());
        }
        let MessageCounters { ack, deliver_no_ack, get_no_ack, .. } = self.messages;
        let came = self.entered() + self.beginning.found;
        let left = ack + deliver_no_ack + get_no_ack + self.losses.gone();
        let here = self.backlog.len() + self.unacknowledged as u64;
        if came != left + here {
            return Err(format!("{came} messages came, {left} left, {here} are here"));
        }
        Ok(())
    }
}

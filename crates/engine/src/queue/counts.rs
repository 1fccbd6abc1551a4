//! What is counted of a queue, for those who look at it.

use warren_amqp::properties;

use super::Queue;
use crate::backlog::{Entry, Purged};
use crate::counters::{LossCounters, MessageCounters};
use crate::death::Reason;
use crate::observation::{Amount, QueueCounts};
use crate::record::Waiting;
use crate::{Milliseconds, Sequence};

/// What is counted of a queue, but for what was published: that follows from the places.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    deliver: u64,
    deliver_no_ack: u64,
    ack: u64,
    /// The first place that was free when the queue was made or found.
    first_free: Sequence,
    /// How long messages waited while there were consumers and none of them took more, without the
    /// time since `stalled_since`, in milliseconds.
    stalled_ms: u64,
    /// Since when they do so now; 0 if they do not.
    stalled_since: Milliseconds,
    rare: Option<Box<Rare>>,
}

/// What never happens in most queues.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    get: u64,
    get_no_ack: u64,
    get_empty: u64,
    redeliver: u64,
    /// Messages that came from elsewhere than a publisher.
    pub(crate) moved_in: u64,
    pub(crate) losses: LossCounters,
    /// Messages that a restart found.
    found: u64,
    /// Unacknowledged messages whose contents are on disk alone.
    pub(super) unacknowledged_on_disk: Amount,
}

impl Counted {
    /// From this free place on, with so many messages that are there.
    pub(super) fn from(first_free: Sequence, found: u64) -> Self {
        let mut counted = Self { first_free, ..Self::default() };
        if found > 0 {
            counted.rare().found = found;
        }
        counted
    }

    /// Makes room for what happens rarely.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn delivered(&mut self, no_ack: bool, count: u64, redelivered: u64) {
        match no_ack {
            true => self.deliver_no_ack += count,
            false => self.deliver += count,
        }
        if redelivered > 0 {
            self.rare().redeliver += redelivered;
        }
    }

    pub(crate) fn got(&mut self, no_ack: bool, redelivered: bool) {
        let rare = self.rare();
        match no_ack {
            true => rare.get_no_ack += 1,
            false => rare.get += 1,
        }
        rare.redeliver += u64::from(redelivered);
    }

    pub(crate) fn got_nothing(&mut self) {
        self.rare().get_empty += 1;
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
    /// A message has left for good: a consumer has it.
    pub(crate) fn note_consumed(&mut self, entry: &Entry) {
        if entry.is_durable() {
            self.persistent.subtract(entry.body_bytes);
        }
    }

    /// A message has been acknowledged.
    pub(crate) fn note_acknowledged(&mut self, entry: &Entry) {
        self.counted.ack += 1;
        self.note_consumed(entry);
    }

    /// A message has been given up.
    pub(crate) fn note_given_up(&mut self, entry: &Entry, reason: Reason) {
        self.note_consumed(entry);
        *self.counted.rare().losses.of(reason) += 1;
    }

    /// Everything that was ready has been taken out.
    pub(super) fn note_purged(&mut self, purged: &Purged) {
        if purged.len() > 0 {
            self.counted.rare().losses.purged += purged.len();
        }
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
        let counted = &mut self.counted;
        if counted.stalled_since != 0 {
            counted.stalled_ms += now.saturating_sub(counted.stalled_since);
        }
        counted.stalled_since = if waits { now } else { 0 };
    }

    /// Messages that came in since the queue was made or found.
    fn entered(&self) -> u64 {
        self.next_sequence - self.counted.first_free
    }

    /// All that is counted and measured.
    pub(crate) fn counts(&self) -> QueueCounts {
        let Counted { deliver, deliver_no_ack, ack, stalled_ms, stalled_since, .. } = self.counted;
        let none = Rare::default();
        let rare = self.counted.rare.as_deref().unwrap_or(&none);
        let consumers = self.consumers.len() as u32;
        let single_active = self.single_active.as_ref();
        let exclusive = self.consumers.first().filter(|_| self.exclusively_consumed);
        QueueCounts {
            ready: self.ready_amount(),
            unacknowledged: self.unacknowledged_amount(),
            ready_in_memory: self.ready_in_memory(),
            unacknowledged_in_memory: self.unacknowledged_in_memory(),
            persistent: self.persistent(),
            memory_bytes: (self.resident_bytes() + size_of::<Self>()) as u64,
            head_timestamp: self.head_timestamp(),
            consumers,
            active_consumers: if single_active.is_some() { consumers.min(1) } else { consumers },
            single_active: single_active.and_then(|it| it.active()).map(|key| key.number),
            exclusive_consumer: exclusive.map(|key| key.number),
            stalled_ms,
            is_stalled: stalled_since != 0 && consumers > 0,
            messages: MessageCounters {
                publish: self.entered() - rare.moved_in,
                deliver,
                deliver_no_ack,
                get: rare.get,
                get_no_ack: rare.get_no_ack,
                get_empty: rare.get_empty,
                redeliver: rare.redeliver,
                ack,
                ..MessageCounters::default()
            },
            moved_in: rare.moved_in,
            losses: rare.losses,
        }
    }

    fn ready_amount(&self) -> Amount {
        Amount { messages: self.ready(), bytes: self.body_bytes() }
    }

    /// Nothing leaves a stream by being delivered.
    fn unacknowledged_amount(&self) -> Amount {
        if self.is_stream() {
            return Amount::default();
        }
        let messages = self.unacknowledged as u64;
        Amount { messages, bytes: self.unacknowledged_body_bytes }
    }

    /// What of the ready messages is in the head. Of a stream nothing is counted as in memory.
    fn ready_in_memory(&self) -> Amount {
        self.backlog.in_head().at_most(self.ready_amount())
    }

    fn unacknowledged_in_memory(&self) -> Amount {
        let on_disk = self.counted.rare.as_ref().map(|rare| rare.unacknowledged_on_disk);
        self.unacknowledged_amount().minus(on_disk.unwrap_or_default())
    }

    /// Messages that survive a restart.
    fn persistent(&self) -> Amount {
        match &self.stream {
            Some(_) => self.ready_amount(),
            None => self.persistent.at_most(self.ready_amount().plus(self.unacknowledged_amount())),
        }
    }

    /// The property `timestamp` of the next message, if its content is in memory.
    fn head_timestamp(&self) -> Option<u64> {
        properties::timestamp(self.backlog.front()?.properties())
    }

    /// Checks that every message that came in is here or is counted among those that left.
    pub(crate) fn check_counts(&self) -> Result<(), String> {
        if self.is_stream() {
            return Ok(());
        }
        let Counted { ack, deliver_no_ack, rare, .. } = &self.counted;
        let rare = rare.as_deref();
        let came = self.entered() + rare.map_or(0, |rare| rare.found);
        let left =
            ack + deliver_no_ack + rare.map_or(0, |rare| rare.get_no_ack + rare.losses.gone());
        let here = self.backlog.len() + self.unacknowledged as u64;
        if came != left + here {
            return Err(format!("{came} messages came, {left} left, {here} are here"));
        }
        Ok(())
    }
}

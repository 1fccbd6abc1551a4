//! What is counted of messages, with RabbitMQ's names and meanings.

use std::ops::AddAssign;

use crate::death::Reason;

/// Counts of messages since the start of the broker, of a queue, a channel or a virtual host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCounters {
    /// Published by clients. Of a queue: that came to it from publishers.
    pub publish: u64,
    /// Confirmed to publishers. Not of queues.
    pub confirm: u64,
    /// Given back to publishers, as there was no queue for them. Not of queues.
    pub return_unroutable: u64,
    /// Dropped, as there was no queue for them. Not of queues.
    pub drop_unroutable: u64,
    /// Delivered to consumers that acknowledge.
    pub deliver: u64,
    /// Delivered to consumers that do not.
    pub deliver_no_ack: u64,
    /// Fetched by `basic.get`, to be acknowledged.
    pub get: u64,
    /// Fetched by `basic.get`, without an acknowledgement.
    pub get_no_ack: u64,
    /// Answers to `basic.get` without a message.
    pub get_empty: u64,
    /// Of those delivered or fetched: not for the first time.
    pub redeliver: u64,
    /// Acknowledged by `basic.ack`.
    pub ack: u64,
}

impl MessageCounters {
    /// So many went to a consumer.
    pub(crate) fn delivered(&mut self, no_ack: bool, count: u64, redelivered: u64) {
        match no_ack {
            true => self.deliver_no_ack += count,
            false => self.deliver += count,
        }
        self.redeliver += redelivered;
    }

    /// One was fetched.
    pub(crate) fn got(&mut self, no_ack: bool, redelivered: bool) {
        match no_ack {
            true => self.get_no_ack += 1,
            false => self.get += 1,
        }
        self.redeliver += u64::from(redelivered);
    }

    /// All that went to clients.
    #[must_use]
    pub fn deliver_get(&self) -> u64 {
        self.deliver + self.deliver_no_ack + self.get + self.get_no_ack
    }
}

impl AddAssign for MessageCounters {
    fn add_assign(&mut self, other: Self) {
        self.publish += other.publish;
        self.confirm += other.confirm;
        self.return_unroutable += other.return_unroutable;
        self.drop_unroutable += other.drop_unroutable;
        self.deliver += other.deliver;
        self.deliver_no_ack += other.deliver_no_ack;
        self.get += other.get;
        self.get_no_ack += other.get_no_ack;
        self.get_empty += other.get_empty;
        self.redeliver += other.redeliver;
        self.ack += other.ack;
    }
}

/// Counts of messages at an exchange since the start of the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExchangeCounters {
    /// Published by clients to it.
    pub publish_in: u64,
    /// Copies of these that went to queues.
    pub publish_out: u64,
}

impl AddAssign for ExchangeCounters {
    fn add_assign(&mut self, other: Self) {
        self.publish_in += other.publish_in;
        self.publish_out += other.publish_out;
    }
}

/// Counts of messages that left queues without having been acknowledged or delivered for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LossCounters {
    /// Their time was over.
    pub expired: u64,
    /// The oldest ones had to go, as the queue had more than it may.
    pub dropped: u64,
    /// Consumers rejected them.
    pub rejected: u64,
    /// They came back too often.
    pub delivery_limit: u64,
    /// Purged.
    pub purged: u64,
    /// They could not be read back from disk.
    pub lost: u64,
    /// New ones for which there was no room. They have never been in the queue.
    pub refused: u64,
}

impl LossCounters {
    /// The count of what goes for a reason.
    pub(crate) fn of(&mut self, reason: Reason) -> &mut u64 {
        match reason {
            Reason::Rejected => &mut self.rejected,
            Reason::Expired => &mut self.expired,
            Reason::MaxLength => &mut self.dropped,
            Reason::DeliveryLimit => &mut self.delivery_limit,
        }
    }

    /// All that were in the queue and are gone.
    #[must_use]
    pub fn gone(&self) -> u64 {
        self.expired + self.dropped + self.rejected + self.delivery_limit + self.purged + self.lost
    }
}

impl AddAssign for LossCounters {
    fn add_assign(&mut self, other: Self) {
        self.expired += other.expired;
        self.dropped += other.dropped;
        self.rejected += other.rejected;
        self.delivery_limit += other.delivery_limit;
        self.purged += other.purged;
        self.lost += other.lost;
        self.refused += other.refused;
    }
}

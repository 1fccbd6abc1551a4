//! What a virtual host does in answer to a command.

use std::sync::Arc;

use crate::planted::{self, Bug};
use crate::{
    Error, Message, Origin, PublishBatch, QueueId, Sequence, SessionId, Taken, Write, limits,
};

/// Everything that commands brought about, in order. The caller hands it on and clears it.
#[derive(Debug, Default)]
pub struct Effects {
    /// For sessions. Of one channel, replies leave in this order, whatever they wait for.
    pub events: Vec<Outgoing>,
    /// To be made durable, in this order.
    pub writes: Vec<Write>,
    /// Contents to be read back from disk.
    pub loads: Vec<Load>,
    /// Messages that could not be read back and are lost, for the log.
    pub lost: Vec<(QueueId, Sequence)>,
    /// What left queues by time or for want of room, for tests.
    pub departed: Vec<Departed>,
    /// Messages that queues did not take, as they had no room, for tests.
    pub refused: Vec<(QueueId, Message)>,
    /// Messages of which the disk did not know any more, for the log.
    pub vanished: Vec<(QueueId, u64)>,
    /// Which messages went from queues to their dead letter exchanges, or nowhere, in order, for
    /// tests.
    pub dead_lettered: Vec<DeadLettered>,
    /// Arguments that have no effect and were sent for the first time, for the log.
    pub without_effect: Vec<&'static str>,
    /// What is left of a command that leads to very much. Hand on the rest of the effects, then call
    /// [`VirtualHost::go_on`](crate::VirtualHost::go_on), before the next command.
    pub unfinished: Option<Unfinished>,
}

/// Something that is there no more, though no client took it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departed {
    /// The time of the message at this place was over.
    Expired(QueueId, Sequence),
    /// The queue had no room for the message at this place any more.
    Dropped(QueueId, Sequence),
    /// The queue was unused for too long; with its name.
    Unused(QueueId, String),
}

/// Messages that went from a queue to its dead letter exchange, or nowhere if there was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLettered {
    /// The name of the queue.
    pub queue: String,
    /// How many, in the order in which the queue gave them up.
    pub messages: usize,
    /// The queue had refused them; otherwise they had been in it.
    pub refused: bool,
}

/// A batch of messages of which some are still to be published.
#[derive(Debug)]
pub struct Unfinished {
    pub(crate) batch: PublishBatch,
    /// The first message that is left.
    pub(crate) first: usize,
}

impl Effects {
    /// True if nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.writes.is_empty()
            && self.loads.is_empty()
            && self.lost.is_empty()
            && self.vanished.is_empty()
            && self.dead_lettered.is_empty()
            && self.departed.is_empty()
            && self.refused.is_empty()
            && self.without_effect.is_empty()
            && self.unfinished.is_none()
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.writes.clear();
        self.loads.clear();
        self.lost.clear();
        self.vanished.clear();
        self.dead_lettered.clear();
        self.departed.clear();
        self.refused.clear();
        self.without_effect.clear();
        self.unfinished = None;
    }

    /// Adds an event that waits for nothing.
    pub(crate) fn send(&mut self, session: SessionId, event: Event) {
        self.events.push(Outgoing { session, event, after_commit: false });
    }

    /// Adds an event that waits for all writes so far if `durable` says so.
    pub(crate) fn send_after(&mut self, durable: bool, session: SessionId, event: Event) {
        self.events.push(Outgoing { session, event, after_commit: durable });
    }

    /// Notes that `sequence` left `queue`, joining it to the write before where that goes on.
    pub(crate) fn settled(&mut self, queue: QueueId, sequence: Sequence) {
        if let Some(Write::Settled { queue: same, last, .. }) = self.writes.last_mut()
            && *same == queue
            && *last + 1 == sequence
        {
            *last = sequence + u64::from(planted::is(Bug::SettledTooFar));
            return;
        }
        self.writes.push(Write::Settled { queue, first: sequence, last: sequence });
    }

    /// Notes that `sequence` came back to `queue` for the `count`th time.
    pub(crate) fn returned(&mut self, queue: QueueId, sequence: Sequence, count: u32) {
        if let Some(Write::Returned { queue: same, last, count: equal, .. }) =
            self.writes.last_mut()
            && (*same, *equal, *last + 1) == (queue, count, sequence)
        {
            *last = sequence;
            return;
        }
        self.writes.push(Write::Returned { queue, first: sequence, last: sequence, count });
    }

    /// Notes that `queue` was delivered up to `through`, in the place of the write before if that
    /// says so of less.
    pub(crate) fn delivered(&mut self, queue: QueueId, through: Sequence) {
        if let Some(Write::Delivered { queue: same, through: before }) = self.writes.last_mut()
            && *same == queue
        {
            *before = through.max(*before);
            return;
        }
        self.writes.push(Write::Delivered { queue, through });
    }
}

/// An event on its way to a session.
#[derive(Debug)]
pub struct Outgoing {
    /// Whose.
    pub session: SessionId,
    /// What.
    pub event: Event,
    /// Must not leave before all writes up to the end of its command are durable.
    pub after_commit: bool,
}

/// A wish to have waiting messages read back from disk: those that stand under the queue and those
/// under [`QueueId::spilled`] of it, merged in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The queue.
    pub queue: QueueId,
    /// The first place.
    pub first: Sequence,
    /// The last place. The range may be far larger than what waits in it.
    pub last: Sequence,
    /// The answer brings at most this many messages, the first ones; at least 1. With 0, nothing is
    /// to be read: the answer comes when all writes so far are durable.
    pub messages_max: u32,
    /// If given, only these places of the range are wanted, which are in order.
    pub only: Option<Arc<[Sequence]>>,
}

impl Load {
    /// True if the answer is only to tell that all writes so far are durable.
    #[must_use]
    pub fn is_sync(&self) -> bool {
        self.messages_max == 0
    }
}

/// Something for one session.
#[derive(Debug)]
pub enum Event {
    /// `basic.deliver`.
    Deliver {
        /// On which channel.
        channel: u16,
        /// The consumer's number on its channel, as [`Reply::ConsumeOk`] told it.
        consumer: u32,
        /// The delivery's tag.
        delivery_tag: u64,
        /// Delivered before.
        redelivered: bool,
        /// What.
        message: Message,
    },
    /// `basic.deliver` of a message of a stream, which gets the header `x-stream-offset`.
    DeliverFromStream {
        /// On which channel.
        channel: u16,
        /// The consumer's number on its channel.
        consumer: u32,
        /// The delivery's tag.
        delivery_tag: u64,
        /// Where the message stands in the stream, counted from 0.
        offset: u64,
        /// What.
        message: Message,
    },
    /// `basic.get-ok`.
    GetOk {
        /// On which channel.
        channel: u16,
        /// The delivery's tag.
        delivery_tag: u64,
        /// Delivered before.
        redelivered: bool,
        /// Messages left in the queue.
        message_count: u32,
        /// What.
        message: Message,
    },
    /// Messages that were taken by their places, in the order of these: one or more such events
    /// answer a request.
    Taken {
        /// On which channel.
        channel: u16,
        /// What.
        taken: Vec<Taken>,
        /// Nothing more comes: what was asked for and did not come is not ready.
        done: bool,
    },
    /// `basic.return` with NO_ROUTE. Always before the message's confirm.
    Return {
        /// On which channel.
        channel: u16,
        /// What.
        message: Message,
    },
    /// `basic.ack` to a publisher, for the messages with these numbers on the channel.
    Confirm {
        /// On which channel.
        channel: u16,
        /// The first number, counted from 1 since `confirm.select`.
        first: u64,
        /// The last number.
        last: u64,
    },
    /// `basic.nack` to a publisher: a queue refused messages with these numbers on the channel.
    Refused {
        /// On which channel.
        channel: u16,
        /// The first number, counted from 1 since `confirm.select`.
        first: u64,
        /// The last number.
        last: u64,
    },
    /// The reply to a request.
    Reply {
        /// On which channel.
        channel: u16,
        /// What.
        reply: Reply,
    },
    /// `basic.cancel` from the broker: the consumer's queue is gone.
    ConsumerCancelled {
        /// On which channel.
        channel: u16,
        /// The consumer's number.
        consumer: u32,
    },
    /// A request was refused; the channel is closed.
    ChannelError {
        /// Which channel.
        channel: u16,
        /// Why.
        error: Box<Error>,
        /// In answer to what.
        origin: Origin,
    },
    /// A request was refused; the connection is to be closed.
    SessionError {
        /// Why.
        error: Box<Error>,
        /// In answer to what.
        origin: Origin,
    },
    /// The session is closed, as asked for.
    SessionClosed,
}

impl Event {
    /// What the event takes while it waits to be written, in bytes. The outbox of a session counts
    /// the deliveries.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Deliver { message, .. }
            | Self::DeliverFromStream { message, .. }
            | Self::GetOk { message, .. }
            | Self::Return { message, .. } => delivery_weight(message),
            Self::Taken { taken, .. } => {
                taken.iter().map(|taken| delivery_weight(&taken.message)).sum()
            }
            Self::Confirm { .. }
            | Self::Refused { .. }
            | Self::Reply { .. }
            | Self::ConsumerCancelled { .. }
            | Self::ChannelError { .. }
            | Self::SessionError { .. }
            | Self::SessionClosed => limits::DELIVERY_OVERHEAD_BYTES,
        }
    }

    /// True for messages from queues, by `basic.deliver` or `basic.get-ok`: the outbox counts them.
    #[must_use]
    pub fn is_delivery(&self) -> bool {
        matches!(self, Self::Deliver { .. } | Self::DeliverFromStream { .. } | Self::GetOk { .. })
    }

    /// The channel that the event is about, if it is about one.
    #[must_use]
    pub fn channel(&self) -> Option<u16> {
        match self {
            Self::Deliver { channel, .. }
            | Self::DeliverFromStream { channel, .. }
            | Self::GetOk { channel, .. }
            | Self::Taken { channel, .. }
            | Self::Return { channel, .. }
            | Self::Confirm { channel, .. }
            | Self::Refused { channel, .. }
            | Self::Reply { channel, .. }
            | Self::ConsumerCancelled { channel, .. }
            | Self::ChannelError { channel, .. } => Some(*channel),
            Self::SessionError { .. } | Self::SessionClosed => None,
        }
    }
}

/// What a delivery of `message` weighs in the outbox, in bytes.
pub(crate) fn delivery_weight(message: &Message) -> usize {
    message.encoded_bytes() + limits::DELIVERY_OVERHEAD_BYTES
}

/// The replies to requests, by the names of their methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `channel.close-ok`.
    ChannelCloseOk,
    /// `exchange.declare-ok`.
    ExchangeDeclareOk,
    /// `exchange.delete-ok`.
    ExchangeDeleteOk,
    /// `exchange.bind-ok`.
    ExchangeBindOk,
    /// `exchange.unbind-ok`.
    ExchangeUnbindOk,
    /// `queue.declare-ok`.
    QueueDeclareOk {
        /// The queue.
        queue: String,
        /// Messages ready.
        message_count: u32,
        /// Consumers.
        consumer_count: u32,
    },
    /// `queue.delete-ok`.
    QueueDeleteOk {
        /// Messages that went with it.
        message_count: u32,
    },
    /// `queue.purge-ok`.
    QueuePurgeOk {
        /// Messages removed.
        message_count: u32,
    },
    /// `queue.bind-ok`.
    QueueBindOk,
    /// `queue.unbind-ok`.
    QueueUnbindOk,
    /// The queue is paused, or goes on.
    QueuePauseOk,
    /// `basic.qos-ok`.
    QosOk,
    /// `basic.consume-ok`. Sent to the session even with `no_wait`, as it ties the number to the
    /// tag; then it does not go to the client.
    ConsumeOk {
        /// The consumer's number on its channel.
        consumer: u32,
        /// Its tag.
        consumer_tag: String,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `basic.cancel-ok`. Sent to the session even with `no_wait`, as the number is free then;
    /// then it does not go to the client.
    CancelOk {
        /// The consumer's number, if there was such a consumer.
        consumer: Option<u32>,
        /// Its tag.
        consumer_tag: String,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `basic.get-empty`.
    GetEmpty,
    /// `basic.recover-ok`.
    RecoverOk,
    /// `confirm.select-ok`.
    ConfirmSelectOk,
    /// `tx.select-ok`.
    TxSelectOk,
    /// `tx.commit-ok`.
    TxCommitOk,
    /// `tx.rollback-ok`.
    TxRollbackOk,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_small_as_every_delivery_is_one() {
        assert!(size_of::<Outgoing>() <= 72, "{} bytes", size_of::<Outgoing>());
    }
}

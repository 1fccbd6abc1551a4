//! What a virtual host shows of itself: everything at first, then what has changed.
//!
//! [`VirtualHost::observe`](crate::VirtualHost::observe) fills an [`Observation`]. Whoever keeps what
//! came before has a mirror of the virtual host, and the virtual host spends nothing on what does
//! not change. Objects have numbers that are not given twice, so that nothing depends on the order.

use std::ops::AddAssign;
use std::sync::Arc;

use warren_amqp::FieldTable;

use crate::death::Reason;
use crate::{
    AppliedPolicies, BindingRecord, ExchangeCounters, ExchangeRecord, LossCounters,
    MessageCounters, Milliseconds, QueueId, QueueRecord, QueueType, SessionId,
};

/// A part of what has changed.
#[derive(Debug, Default)]
pub struct Observation {
    /// It begins anew: what was seen before of this virtual host is to be forgotten.
    pub is_first: bool,
    /// The virtual host as a whole.
    pub host: HostCounters,
    /// Queues that are new or have changed.
    pub queues: Vec<QueueSample>,
    /// Queues that are gone.
    pub queues_gone: Vec<QueueId>,
    /// Exchanges that are new or have changed.
    pub exchanges: Vec<ExchangeSample>,
    /// Exchanges that are gone.
    pub exchanges_gone: Vec<u32>,
    /// New bindings.
    pub bindings: Vec<(u64, BindingRecord)>,
    /// Bindings that are gone.
    pub bindings_gone: Vec<u64>,
    /// Channels that are new or have changed.
    pub channels: Vec<ChannelSample>,
    /// Channels that are gone.
    pub channels_gone: Vec<ChannelKey>,
    /// Consumers that are new or have changed.
    pub consumers: Vec<ConsumerSample>,
    /// Consumers that are gone, by number.
    pub consumers_gone: Vec<u32>,
}

impl Observation {
    /// How many objects are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        let changed = self.queues.len() + self.exchanges.len() + self.bindings.len();
        let changed = changed + self.channels.len() + self.consumers.len();
        let gone = self.queues_gone.len() + self.exchanges_gone.len() + self.bindings_gone.len();
        changed + gone + self.channels_gone.len() + self.consumers_gone.len()
    }

    /// True if nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_first && self.len() == 0
    }
}

/// A channel. The same number may be opened again; then the incarnation is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelKey {
    /// Its connection.
    pub session: SessionId,
    /// Its number there.
    pub channel: u16,
    /// Tells apart those that had the same number.
    pub incarnation: u64,
}

/// Counts of a virtual host since the start of the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Of all channels and queues that there are and were.
    pub messages: MessageCounters,
    /// Of all queues that there are and were.
    pub losses: LossCounters,
    /// Of all exchanges that there are and were.
    pub exchanges: ExchangeCounters,
    /// Messages that went on to a dead letter exchange.
    pub dead_lettered: DeadLetterCounters,
    /// Channels opened.
    pub channels_opened: u64,
    /// Channels closed.
    pub channels_closed: u64,
    /// Declarations of queues that were carried out, also of queues that were there.
    pub queues_declared: u64,
    /// Queues that were new.
    pub queues_created: u64,
    /// Queues that went, for whatever reason.
    pub queues_deleted: u64,
}

impl AddAssign for HostCounters {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.losses += other.losses;
        self.exchanges += other.exchanges;
        self.dead_lettered += other.dead_lettered;
        self.channels_opened += other.channels_opened;
        self.channels_closed += other.channels_closed;
        self.queues_declared += other.queues_declared;
        self.queues_created += other.queues_created;
        self.queues_deleted += other.queues_deleted;
    }
}

/// Messages that went on to a dead letter exchange, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeadLetterCounters {
    /// Their time was over.
    pub expired: u64,
    /// Their queue had more than it may.
    pub maxlen: u64,
    /// Consumers rejected them.
    pub rejected: u64,
    /// They came back too often.
    pub delivery_limit: u64,
}

impl DeadLetterCounters {
    /// The count of what goes for a reason.
    pub(crate) fn of(&mut self, reason: Reason) -> &mut u64 {
        match reason {
            Reason::Rejected => &mut self.rejected,
            Reason::Expired => &mut self.expired,
            Reason::MaxLength => &mut self.maxlen,
            Reason::DeliveryLimit => &mut self.delivery_limit,
        }
    }
}

impl AddAssign for DeadLetterCounters {
    fn add_assign(&mut self, other: Self) {
        self.expired += other.expired;
        self.maxlen += other.maxlen;
        self.rejected += other.rejected;
        self.delivery_limit += other.delivery_limit;
    }
}

/// Messages and what their bodies take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Messages.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// A queue at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueSample {
    /// The queue.
    pub id: QueueId,
    /// What it is, when that is new.
    pub description: Option<Arc<QueueDescription>>,
    /// What is counted and measured.
    pub counts: QueueCounts,
}

/// What is counted and measured of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Messages that are ready, or in the stream.
    pub ready: Amount,
    /// Messages that are delivered and not settled.
    pub unacknowledged: Amount,
    /// Those of the ready ones that are in memory, nearly all of them with their contents. Of a
    /// stream none is counted.
    pub ready_in_memory: Amount,
    /// Those of the unacknowledged ones that are in memory.
    pub unacknowledged_in_memory: Amount,
    /// Messages that survive a restart, ready or unacknowledged.
    pub persistent: Amount,
    /// What the queue takes in memory, in bytes.
    pub memory_bytes: u64,
    /// The property `timestamp` of the next message, in seconds since 1970.
    pub head_timestamp: Option<u64>,
    /// Consumers.
    pub consumers: u32,
    /// Those that messages may go to, as far as the queue is concerned.
    pub active_consumers: u32,
    /// Which one is served alone, if the queue serves one alone, by number.
    pub single_active: Option<u32>,
    /// The one that has the queue for itself, by number.
    pub exclusive_consumer: Option<u32>,
    /// How long messages waited while there were consumers and none of them took more, over all
    /// times, in milliseconds; up to the time of the observation.
    pub stalled_ms: u64,
    /// They do so now.
    pub is_stalled: bool,
    /// What was counted.
    pub messages: MessageCounters,
    /// Messages that came from other queues, as dead letters, or from an exchange that keeps some.
    pub moved_in: u64,
    /// What went without having been delivered.
    pub losses: LossCounters,
}

/// What a queue is.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueDescription {
    /// As it was declared.
    pub record: QueueRecord,
    /// Its kind.
    pub kind: QueueType,
    /// The connection that an exclusive queue belongs to.
    pub owner: Option<SessionId>,
    /// When it was declared; `None` for one that a restart found.
    pub declared_at: Option<Milliseconds>,
    /// The policies that apply.
    pub policies: AppliedPolicies,
}

/// An exchange at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeSample {
    /// Its number; 0 for the default exchange.
    pub id: u32,
    /// As it was declared, when that is new. The default exchange has an empty name.
    pub record: Option<Arc<ExchangeRecord>>,
    /// The policies that apply.
    pub policies: AppliedPolicies,
    /// What was counted.
    pub counters: ExchangeCounters,
}

/// A channel at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSample {
    /// The channel.
    pub key: ChannelKey,
    /// `basic.qos` without `global`: for each consumer to come; 0 is no limit.
    pub prefetch_count: u16,
    /// `basic.qos` with `global`: for all consumers together; 0 is no limit.
    pub global_prefetch_count: u16,
    /// It confirms.
    pub confirm: bool,
    /// Messages published since `confirm.select`. Each is confirmed or refused sooner or later.
    pub to_be_confirmed: u64,
    /// It has transactions.
    pub transactional: bool,
    /// Consumers.
    pub consumers: u32,
    /// Deliveries that are not settled.
    pub messages_unacknowledged: u64,
    /// Messages that wait for a commit.
    pub messages_uncommitted: u64,
    /// Acknowledgements that wait for a commit.
    pub acks_uncommitted: u64,
    /// What was counted.
    pub messages: MessageCounters,
}

/// A consumer at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerSample {
    /// Its number, unique in its virtual host.
    pub number: u32,
    /// What it is, when that is new.
    pub description: Option<Arc<ConsumerDescription>>,
    /// Messages may go to it, as far as its queue is concerned.
    pub is_active: bool,
    /// Delivered to it.
    pub delivered: u64,
    /// Of these, not for the first time.
    pub redelivered: u64,
    /// Acknowledged by it.
    pub acknowledged: u64,
    /// Delivered to it and not settled.
    pub unacknowledged: u32,
}

/// What a consumer is.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerDescription {
    /// Its channel.
    pub channel: ChannelKey,
    /// Its queue.
    pub queue: QueueId,
    /// Its tag.
    pub tag: String,
    /// Deliveries want an acknowledgement.
    pub ack_required: bool,
    /// It has the queue for itself.
    pub exclusive: bool,
    /// How many deliveries may be unacknowledged; 0 is no limit.
    pub prefetch_count: u16,
    /// Those with a higher one are served first.
    pub priority: i64,
    /// How long a delivery may stay unacknowledged, in milliseconds, if the consumer or its queue
    /// says so.
    pub timeout: Option<Milliseconds>,
    /// The arguments of the subscription.
    pub arguments: FieldTable,
}

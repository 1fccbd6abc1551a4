//! A queue as the API shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use warren_engine::{LossCounters, QueueType};
use warren_server::view::{Clock, Measured, QueueView, Ranges, Reading, View};

use crate::consumers::ConsumerObject;
use crate::field_table;
use crate::list::{Entry, Key};
use crate::policies::{SourcedValue, definition, sources};
use crate::samples::{self, Kind, numbers};
use crate::time::timestamp_text;
use crate::totals::Totals;

/// How queues are shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) view: View,
    pub(crate) node: String,
    pub(crate) ranges: Ranges,
    pub(crate) totals: Totals,
}

/// A queue, at one time.
#[derive(Debug)]
pub(crate) struct QueueEntry {
    pub(crate) queue: Arc<QueueView>,
    pub(crate) clock: Clock,
}

/// A queue.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct QueueObject {
    name: String,
    vhost: String,
    /// `classic`, `quorum` or `stream`.
    #[serde(rename = "type")]
    kind: &'static str,
    durable: bool,
    auto_delete: bool,
    exclusive: bool,
    /// It delivers nothing to consumers for now. Warren's own.
    paused: bool,
    arguments: Map<String, Value>,
    node: String,
    /// Of quorum queues and streams: where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    replicas: Option<Replicas>,
    /// The policy that holds for it.
    policy: Option<String>,
    /// The operator policy that holds for it.
    operator_policy: Option<String>,
    /// What both say together.
    effective_policy_definition: Map<String, Value>,
    /// The connection that an exclusive queue belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_pid_details: Option<Owner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    lengths: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    statistics: Option<Statistics>,
    /// Of a single queue: its consumers, and where its messages come from and go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    pub(crate) details: Option<Details>,
}

/// Where a replicated queue is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Replicas {
    leader: String,
    members: Vec<String>,
    online: Vec<String>,
}

/// The owner of an exclusive queue.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Owner {
    name: String,
    peer_host: String,
    peer_port: u16,
}

/// What is measured of a queue.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Statistics {
    /// `running` or `idle`.
    state: &'static str,
    consumers: u32,
    /// Consumers that messages may go to.
    active_consumers: u32,
    /// The part of the last seconds in which consumers took what there was.
    consumer_utilisation: f64,
    consumer_capacity: f64,
    exclusive_consumer_tag: Option<String>,
    single_active_consumer_tag: Option<String>,
    /// In bytes.
    memory: u64,
    messages_ram: u64,
    messages_ready_ram: u64,
    messages_unacknowledged_ram: u64,
    messages_persistent: u64,
    message_bytes: u64,
    message_bytes_ready: u64,
    message_bytes_unacknowledged: u64,
    message_bytes_ram: u64,
    message_bytes_persistent: u64,
    /// In seconds since 1970.
    head_message_timestamp: Option<u64>,
    /// Since when nothing happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_since: Option<String>,
    message_stats: Map<String, Value>,
    /// There is no garbage collector.
    garbage_collection: Map<String, Value>,
    storage_version: u32,
}

/// What a single queue is given beside what it has in lists.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Details {
    consumer_details: Vec<ConsumerObject>,
    /// Exchanges that give messages to it are not counted one by one.
    incoming: Vec<Value>,
    /// Channels that its messages go to are not counted one by one.
    deliveries: Vec<Value>,
    /// When it was declared, in milliseconds since 1970; nothing if a restart found it. Warren's own.
    declared_at: Option<u64>,
    /// What holds for it, by the names of policies, and who says so. Warren's own.
    effective_policy_sources: BTreeMap<String, SourcedValue>,
    /// Messages that came as dead letters or from an exchange with a history. Warren's own.
    moved_in: u64,
    /// What left it in another way than to a client. Warren's own.
    losses: Losses,
    /// Of a stream that is not empty: the offsets of what is in it. Warren's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_offsets: Option<Offsets>,
}

/// Messages that left a queue in another way than to a client, since the start of the broker.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Losses {
    /// Their time was over.
    expired: u64,
    /// The oldest ones of a queue that had more than it may.
    dropped: u64,
    /// A consumer refused them for good.
    rejected: u64,
    /// They came back too often.
    delivery_limit: u64,
    /// They were purged.
    purged: u64,
    /// They could not be read back from disk.
    lost: u64,
    /// There was no room for them: they were never in the queue.
    refused: u64,
}

/// Offsets of a stream, as consumers name them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Offsets {
    /// Of the oldest message that is kept.
    first: u64,
    /// Of the newest message.
    last: u64,
}

impl QueueEntry {
    /// The queue as JSON.
    pub(crate) fn object(&self, shown: &Shown) -> QueueObject {
        let Shown { node, ranges, totals, .. } = shown;
        let QueueView { virtual_host, description, .. } = &*self.queue;
        let record = &description.record;
        let policies = description.policies.of_queue(&record.arguments);
        let replicas = match description.kind {
            QueueType::Classic => None,
            QueueType::Quorum | QueueType::Stream => Some(Replicas {
                leader: node.clone(),
                members: vec![node.clone()],
                online: vec![node.clone()],
            }),
        };
        let readings = match *totals {
            Totals::Full | Totals::Lengths => self.queue.readings(self.clock, ranges),
            Totals::Nothing => vec![],
        };
        let lengths = (*totals != Totals::Nothing).then(|| numbers(&readings, Kind::Lengths));
        let statistics = totals.is_full().then(|| self.statistics(&shown.view, &readings));
        QueueObject {
            name: record.name.clone(),
            vhost: virtual_host.to_string(),
            kind: description.kind.name(),
            durable: record.durable,
            auto_delete: record.auto_delete,
            exclusive: record.exclusive,
            paused: record.paused,
            arguments: field_table::to_json(&record.arguments),
            node: node.clone(),
            replicas,
            policy: policies.policy,
            operator_policy: policies.operator_policy,
            effective_policy_definition: definition(&policies.definition),
            owner_pid_details: self.queue.owner.as_ref().map(|owner| Owner {
                name: owner.name.clone(),
                peer_host: owner.peer.ip().to_canonical().to_string(),
                peer_port: owner.peer.port(),
            }),
            lengths,
            statistics,
            details: None,
        }
    }

    /// The tag of a consumer of the queue, by number.
    fn tag(&self, view: &View, consumer: Option<u32>) -> Option<String> {
        let number = consumer?;
        let consumers = view.consumers_of_queue(&self.queue.virtual_host, self.queue.name()).items;
        let consumer = consumers.iter().find(|consumer| consumer.sample.number == number);
        consumer.map(|consumer| consumer.description.tag.clone())
    }

    fn statistics(&self, view: &View, readings: &[Reading]) -> Statistics {
        let sample = self.queue.counts();
        let is_idle = self.queue.is_idle(self.clock);
        let in_memory = [sample.ready_in_memory, sample.unacknowledged_in_memory];
        let capacity = self.queue.consumer_capacity(self.clock);
        Statistics {
            state: if is_idle { "idle" } else { "running" },
            consumers: sample.consumers,
            active_consumers: sample.active_consumers,
            consumer_utilisation: capacity,
            consumer_capacity: capacity,
            exclusive_consumer_tag: self.tag(view, sample.exclusive_consumer),
            single_active_consumer_tag: self.tag(view, sample.single_active),
            memory: sample.memory_bytes,
            messages_ram: in_memory.iter().map(|it| it.messages).sum(),
            messages_ready_ram: sample.ready_in_memory.messages,
            messages_unacknowledged_ram: sample.unacknowledged_in_memory.messages,
            messages_persistent: sample.persistent.messages,
            message_bytes: sample.ready.bytes + sample.unacknowledged.bytes,
            message_bytes_ready: sample.ready.bytes,
            message_bytes_unacknowledged: sample.unacknowledged.bytes,
            message_bytes_ram: in_memory.iter().map(|it| it.bytes).sum(),
            message_bytes_persistent: sample.persistent.bytes,
            head_message_timestamp: sample.head_timestamp,
            idle_since: is_idle.then(|| timestamp_text(self.queue.changed_at)),
            message_stats: numbers(readings, Kind::Messages),
            garbage_collection: Map::new(),
            storage_version: 2,
        }
    }
}

impl Details {
    /// What a single queue with these consumers is given beside.
    pub(super) fn of(queue: &QueueView, consumer_details: Vec<ConsumerObject>) -> Self {
        let (description, counts) = (&queue.description, queue.counts());
        let policies = description.policies.of_queue(&description.record.arguments);
        Self {
            consumer_details,
            incoming: vec![],
            deliveries: vec![],
            declared_at: description.declared_at,
            effective_policy_sources: sources(&policies),
            moved_in: counts.moved_in,
            losses: Losses::of(&counts.losses),
            stream_offsets: None,
        }
    }

    /// With the places of a stream: that of its oldest message, and the one behind the newest.
    pub(super) fn with_places(mut self, (first, end): (u64, u64)) -> Self {
        // Offsets begin with 0, places with 1.
        self.stream_offsets =
            (first < end).then(|| Offsets { first: first - 1, last: end.saturating_sub(2) });
        self
    }
}

impl Losses {
    fn of(counted: &LossCounters) -> Self {
        Self {
            expired: counted.expired,
            dropped: counted.dropped,
            rejected: counted.rejected,
            delivery_limit: counted.delivery_limit,
            purged: counted.purged,
            lost: counted.lost,
            refused: counted.refused,
        }
    }
}

impl Entry for QueueEntry {
    fn name(&self) -> &str {
        self.queue.name()
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        let QueueView { virtual_host, description, .. } = &*self.queue;
        let sample = self.queue.counts();
        let record = &description.record;
        match path {
            ["name"] => record.name.as_str().into(),
            ["vhost"] => Key::Text(virtual_host),
            ["type"] => description.kind.name().into(),
            ["durable"] => record.durable.into(),
            ["auto_delete"] => record.auto_delete.into(),
            ["exclusive"] => record.exclusive.into(),
            ["paused"] => record.paused.into(),
            ["policy"] => description.policies.policy().into(),
            ["operator_policy"] => description.policies.operator_policy().into(),
            ["state"] if self.queue.is_idle(self.clock) => "idle".into(),
            ["state"] => "running".into(),
            ["consumers"] => u64::from(sample.consumers).into(),
            ["active_consumers"] => u64::from(sample.active_consumers).into(),
            ["consumer_utilisation" | "consumer_capacity"] => {
                self.queue.consumer_capacity(self.clock).into()
            }
            ["memory"] => sample.memory_bytes.into(),
            ["messages_persistent"] => sample.persistent.messages.into(),
            ["messages_ready_ram"] => sample.ready_in_memory.messages.into(),
            ["messages_unacknowledged_ram"] => sample.unacknowledged_in_memory.messages.into(),
            ["messages_ram"] => {
                let unacknowledged = sample.unacknowledged_in_memory.messages;
                (sample.ready_in_memory.messages + unacknowledged).into()
            }
            ["message_bytes"] => (sample.ready.bytes + sample.unacknowledged.bytes).into(),
            ["message_bytes_ready"] => sample.ready.bytes.into(),
            ["message_bytes_unacknowledged"] => sample.unacknowledged.bytes.into(),
            ["message_bytes_persistent"] => sample.persistent.bytes.into(),
            ["message_bytes_ram"] => {
                (sample.ready_in_memory.bytes + sample.unacknowledged_in_memory.bytes).into()
            }
            ["head_message_timestamp"] => sample.head_timestamp.into(),
            ["message_stats", rest @ ..] => {
                samples::key(&*self.queue, self.clock, Kind::Messages, rest)
            }
            ["arguments", name] => field_table::key(&record.arguments, name),
            path => samples::key(&*self.queue, self.clock, Kind::Lengths, path),
        }
    }
}

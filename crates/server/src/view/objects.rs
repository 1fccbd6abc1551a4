//! The objects of the view, as the HTTP API tells of them.

use std::sync::Arc;

use warren_engine::{
    BindingRecord, ChannelSample, ConsumerDescription, ConsumerSample, ExchangeRecord,
    LossCounters, Milliseconds, QueueDescription, QueueSample, SessionId,
};

use super::series::Meter;
use crate::census::ConnectionInfo;

/// Whether anything happens in a queue, a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// Something happened in the last seconds.
    Running,
    /// Nothing did.
    Idle,
}

/// A queue.
#[derive(Debug, Clone)]
pub struct QueueView {
    /// Its virtual host.
    pub virtual_host: Arc<str>,
    /// What it is.
    pub description: Arc<QueueDescription>,
    /// As it was when it changed last.
    pub sample: QueueSample,
    /// Messages, what was counted of them, and how fast.
    pub meter: Meter,
    /// When something last changed, in milliseconds since 1970.
    pub changed_at: Milliseconds,
    /// The part of the last seconds in which consumers took what there was, from 0 to 1.
    pub consumer_capacity: f64,
    /// The name of the connection that an exclusive queue belongs to.
    pub owner: Option<Arc<ConnectionInfo>>,
}

/// An exchange.
#[derive(Debug, Clone)]
pub struct ExchangeView {
    /// Its virtual host.
    pub virtual_host: Arc<str>,
    /// What it is; the default exchange has an empty name.
    pub record: Arc<ExchangeRecord>,
    /// What was published to it and what it gave to queues.
    pub meter: Meter,
}

/// A binding. Those of the default exchange are not among them: every queue has one by its name.
#[derive(Debug, Clone)]
pub struct BindingView {
    /// Its virtual host.
    pub virtual_host: Arc<str>,
    /// Its ends, key and arguments.
    pub record: BindingRecord,
}

/// A channel.
#[derive(Debug, Clone)]
pub struct ChannelView {
    /// Its connection.
    pub connection: Arc<ConnectionInfo>,
    /// As it was when it changed last.
    pub sample: ChannelSample,
    /// What was counted, and how fast.
    pub meter: Meter,
    /// When something last changed, in milliseconds since 1970.
    pub changed_at: Milliseconds,
}

/// A consumer.
#[derive(Debug, Clone)]
pub struct ConsumerView {
    /// Its virtual host.
    pub virtual_host: Arc<str>,
    /// Its connection.
    pub connection: Arc<ConnectionInfo>,
    /// The name of its queue.
    pub queue: Arc<str>,
    /// What it is.
    pub description: Arc<ConsumerDescription>,
    /// As it was when it changed last.
    pub sample: ConsumerSample,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    /// Who it is.
    pub info: Arc<ConnectionInfo>,
    /// Its number.
    pub session: SessionId,
    /// Open channels.
    pub channels: usize,
    /// Bytes and packets.
    pub meter: Meter,
}

/// A virtual host.
#[derive(Debug, Clone)]
pub struct HostView {
    /// Its name.
    pub name: Arc<str>,
    /// Messages, what was counted of them, and the traffic of its connections.
    pub meter: Meter,
    /// Messages that went without having been delivered.
    pub losses: LossCounters,
    /// What there is.
    pub objects: ObjectTotals,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectTotals {
    /// Connections.
    pub connections: u64,
    /// Channels.
    pub channels: u64,
    /// Consumers.
    pub consumers: u64,
    /// Exchanges.
    pub exchanges: u64,
    /// Queues.
    pub queues: u64,
}

/// What comes and goes.
#[derive(Debug, Clone)]
pub struct Churn {
    /// Connections, channels and queues.
    pub meter: Meter,
}

/// The node.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Memory, files, sockets and disk.
    pub meter: Meter,
}

/// The broker as a whole, or the part of it that somebody may see.
#[derive(Debug, Clone)]
pub struct Overview {
    /// How much there is.
    pub objects: ObjectTotals,
    /// Messages, and what was counted of them.
    pub meter: Meter,
    /// What comes and goes.
    pub churn: Churn,
    /// The node.
    pub node: NodeView,
}

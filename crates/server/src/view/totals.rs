//! What is summed up over virtual hosts and over the broker.

use std::ops::AddAssign;
use std::sync::Arc;

use warren_engine::{DeadLetterCounters, ExchangeCounters, LossCounters, MessageCounters};

use super::meter::Meter;
use super::objects::message_values;
use super::reading::{Clock, Measured};
use super::series::Series;

/// Numbers of a virtual host, or of all together.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Messages ready and unacknowledged.
    pub(super) lengths: [u64; 2],
    pub(super) messages: MessageCounters,
    pub(super) exchanges: ExchangeCounters,
    /// Bytes received and sent by clients.
    pub(super) traffic: [u64; 2],
    pub(super) meter: Meter,
}

impl Measured for Totals {
    const SERIES: &'static [Series] = &[
        Series::MessagesReady,
        Series::MessagesUnacknowledged,
        Series::Publish,
        Series::Confirm,
        Series::ReturnUnroutable,
        Series::DropUnroutable,
        Series::Deliver,
        Series::DeliverNoAck,
        Series::Get,
        Series::GetNoAck,
        Series::GetEmpty,
        Series::Redeliver,
        Series::Ack,
        Series::PublishIn,
        Series::PublishOut,
        Series::ReceivedBytes,
        Series::SentBytes,
    ];

    fn values(&self) -> impl AsRef<[u64]> {
        let mut values = [0; 17];
        let exchanges = [self.exchanges.publish_in, self.exchanges.publish_out];
        let messages = message_values(&self.messages);
        let all = self.lengths.into_iter().chain(messages).chain(exchanges).chain(self.traffic);
        values.iter_mut().zip(all).for_each(|(value, number)| *value = number);
        values
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// A virtual host.
#[derive(Debug, Clone)]
pub struct HostView {
    /// Its name.
    pub name: Arc<str>,
    /// Its messages and the traffic of its connections.
    pub totals: Totals,
    /// Messages that went without having been delivered.
    pub losses: LossCounters,
    /// Messages that went on to dead letter exchanges.
    pub dead_lettered: DeadLetterCounters,
    /// How much there is.
    pub objects: ObjectTotals,
}

impl HostView {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            totals: Totals::default(),
            losses: LossCounters::default(),
            dead_lettered: DeadLetterCounters::default(),
            objects: ObjectTotals::default(),
        }
    }
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
    /// Exchanges, the default exchange included.
    pub exchanges: u64,
    /// Queues.
    pub queues: u64,
}

impl AddAssign for ObjectTotals {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.channels += other.channels;
        self.consumers += other.consumers;
        self.exchanges += other.exchanges;
        self.queues += other.queues;
    }
}

/// How often something came and went since the start.
#[derive(Debug, Clone, Default)]
pub struct Churn {
    /// In the order of the series.
    pub(super) counts: [u64; 7],
    pub(super) meter: Meter,
}

impl Measured for Churn {
    const SERIES: &'static [Series] = &[
        Series::ConnectionCreated,
        Series::ConnectionClosed,
        Series::ChannelCreated,
        Series::ChannelClosed,
        Series::QueueDeclared,
        Series::QueueCreated,
        Series::QueueDeleted,
    ];

    fn values(&self) -> impl AsRef<[u64]> {
        self.counts
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// The node.
#[derive(Debug, Clone, Default)]
pub struct NodeView {
    /// In the order of the series.
    pub(super) numbers: [u64; 4],
    pub(super) meter: Meter,
}

impl Measured for NodeView {
    const SERIES: &'static [Series] =
        &[Series::MemoryUsed, Series::FilesUsed, Series::SocketsUsed, Series::DiskFree];

    fn values(&self) -> impl AsRef<[u64]> {
        self.numbers
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// The broker as a whole.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    /// When.
    pub clock: Clock,
    /// How much there is.
    pub objects: ObjectTotals,
    /// All messages and the traffic of all connections. What was counted in virtual hosts that are
    /// gone stays in it.
    pub totals: Totals,
    /// Messages that went without having been delivered.
    pub losses: LossCounters,
    /// Messages that went on to dead letter exchanges.
    pub dead_lettered: DeadLetterCounters,
    /// What comes and goes.
    pub churn: Churn,
    /// The node.
    pub node: NodeView,
}

//! Queues, exchanges, bindings, channels, consumers and connections, as the HTTP API tells of them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use warren_amqp::FieldTable;
use warren_engine::{
    AppliedPolicies, ChannelSample, ConsumerDescription, ConsumerSample, Destination,
    ExchangeCounters, ExchangeRecord, MessageCounters, Milliseconds, QueueCounts, QueueDescription,
    QueueId,
};

use super::meter::Meter;
use super::reading::{Clock, Measured};
use super::series::Series;
use crate::census::{Answered, ConnectionInfo};
use crate::limits;

/// A queue that has had nothing yet.
static NOTHING: LazyLock<QueueCounts> = LazyLock::new(QueueCounts::default);

/// A queue.
#[derive(Debug, Clone)]
pub struct QueueView {
    /// Its virtual host.
    pub virtual_host: Arc<str>,
    /// Its number, which no other queue gets before a restart.
    pub id: QueueId,
    /// What it is.
    pub description: Arc<QueueDescription>,
    /// The connection that an exclusive queue belongs to.
    pub owner: Option<Arc<ConnectionInfo>>,
    /// When something last changed, in milliseconds since 1970.
    pub changed_at: Milliseconds,
    /// Not there before something has changed.
    pub(super) counts: Option<Box<QueueCounts>>,
    /// The part of the last seconds in which consumers took what there was.
    pub(super) capacity: f32,
    pub(super) meter: Meter,
}

impl QueueView {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.description.record.name
    }

    /// What is counted and measured.
    #[must_use]
    pub fn counts(&self) -> &QueueCounts {
        self.counts.as_deref().unwrap_or(&NOTHING)
    }

    /// True if nothing has changed for some seconds.
    #[must_use]
    pub fn is_idle(&self, clock: Clock) -> bool {
        is_idle(self.changed_at, clock)
    }

    /// The part of the time, of late, in which the queue could have delivered at once, from 0 to 1:
    /// 1 if its consumers take all that there is, 0 without consumers. RabbitMQ's
    /// `consumer_utilisation` and `consumer_capacity`.
    #[must_use]
    pub fn consumer_capacity(&self, clock: Clock) -> f64 {
        let counts = self.counts();
        if counts.consumers == 0 {
            return 0.0;
        }
        let since = clock.now.saturating_sub(self.changed_at);
        f64::from(next_capacity(self.capacity, since, if counts.is_stalled { since } else { 0 }))
    }
}

/// The part of the time in which consumers took what there was, after `elapsed` more milliseconds
/// of which they did not for `stalled`: what is past counts the less the longer ago it is.
pub(super) fn next_capacity(capacity: f32, elapsed: Milliseconds, stalled: Milliseconds) -> f32 {
    if elapsed == 0 {
        return capacity;
    }
    let kept = (-(elapsed as f32) / limits::CAPACITY_WINDOW_MS).exp();
    let now = 1.0 - (stalled as f32 / elapsed as f32).min(1.0);
    capacity * kept + now * (1.0 - kept)
}

fn is_idle(changed_at: Milliseconds, clock: Clock) -> bool {
    clock.now.saturating_sub(changed_at) >= limits::IDLE_MS
}

impl Measured for QueueView {
    const SERIES: &'static [Series] = &[
        Series::MessagesReady,
        Series::MessagesUnacknowledged,
        Series::Publish,
        Series::Deliver,
        Series::DeliverNoAck,
        Series::Get,
        Series::GetNoAck,
        Series::GetEmpty,
        Series::Redeliver,
        Series::Ack,
    ];

    fn values(&self) -> impl AsRef<[u64]> {
        let QueueCounts { ready, unacknowledged, messages, .. } = self.counts();
        [
            ready.messages,
            unacknowledged.messages,
            messages.publish,
            messages.deliver,
            messages.deliver_no_ack,
            messages.get,
            messages.get_no_ack,
            messages.get_empty,
            messages.redeliver,
            messages.ack,
        ]
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// An exchange.
#[derive(Debug, Clone)]
pub struct ExchangeView {
    /// Its virtual host.
    pub virtual_host: Arc<str>,
    /// What it is; the default exchange has an empty name.
    pub record: Arc<ExchangeRecord>,
    /// The policies that apply.
    pub policies: AppliedPolicies,
    /// What is counted.
    pub counters: ExchangeCounters,
    pub(super) meter: Meter,
}

impl Measured for ExchangeView {
    const SERIES: &'static [Series] = &[Series::PublishIn, Series::PublishOut];

    fn values(&self) -> impl AsRef<[u64]> {
        [self.counters.publish_in, self.counters.publish_out]
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// A binding. Those of the default exchange are not among them: every queue has one by its name.
#[derive(Debug, Clone)]
pub struct BindingView {
    /// Its virtual host.
    pub virtual_host: Arc<str>,
    /// The exchange that messages come from.
    pub source: Arc<str>,
    /// It leads to an exchange, not to a queue.
    pub to_exchange: bool,
    /// What it leads to, by name.
    pub destination: Arc<str>,
    /// The binding key.
    pub routing_key: Box<str>,
    /// The arguments.
    pub arguments: FieldTable,
}

impl BindingView {
    /// What it leads to.
    #[must_use]
    pub fn destination(&self) -> Destination {
        let name = self.destination.to_string();
        if self.to_exchange { Destination::Exchange(name) } else { Destination::Queue(name) }
    }
}

/// A channel.
#[derive(Debug, Clone)]
pub struct ChannelView {
    /// Its connection.
    pub connection: Arc<ConnectionInfo>,
    /// What is known of it.
    pub sample: ChannelSample,
    /// When something last changed, in milliseconds since 1970.
    pub changed_at: Milliseconds,
    /// How many of its messages are confirmed or refused.
    pub(super) answered: Answered,
    pub(super) meter: Meter,
}

impl ChannelView {
    /// Messages that were published and wait for their confirm.
    #[must_use]
    pub fn unconfirmed(&self) -> u64 {
        self.sample.to_be_confirmed.saturating_sub(self.answered.load(Ordering::Relaxed))
    }

    /// Its name: that of the connection and its number.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} ({})", self.connection.name, self.sample.key.channel)
    }

    /// True if nothing has changed for some seconds.
    #[must_use]
    pub fn is_idle(&self, clock: Clock) -> bool {
        is_idle(self.changed_at, clock)
    }
}

impl Measured for ChannelView {
    const SERIES: &'static [Series] = &MESSAGES;

    fn values(&self) -> impl AsRef<[u64]> {
        message_values(&self.sample.messages)
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// What is counted of messages on channels and in virtual hosts.
pub(super) const MESSAGES: [Series; 11] = [
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
];

pub(super) fn message_values(messages: &MessageCounters) -> [u64; 11] {
    [
        messages.publish,
        messages.confirm,
        messages.return_unroutable,
        messages.drop_unroutable,
        messages.deliver,
        messages.deliver_no_ack,
        messages.get,
        messages.get_no_ack,
        messages.get_empty,
        messages.redeliver,
        messages.ack,
    ]
}

/// A consumer.
#[derive(Debug, Clone)]
pub struct ConsumerView {
    /// Its virtual host.
    pub virtual_host: Arc<str>,
    /// Its connection.
    pub connection: Arc<ConnectionInfo>,
    /// Its queue.
    pub queue: Arc<QueueDescription>,
    /// What it is.
    pub description: Arc<ConsumerDescription>,
    /// What is known of it.
    pub sample: ConsumerSample,
    pub(super) meter: Meter,
}

impl Measured for ConsumerView {
    const SERIES: &'static [Series] =
        &[Series::Deliver, Series::DeliverNoAck, Series::Redeliver, Series::Ack];

    fn values(&self) -> impl AsRef<[u64]> {
        let ConsumerSample { delivered, redelivered, acknowledged, .. } = self.sample;
        match self.description.ack_required {
            true => [delivered, 0, redelivered, acknowledged],
            false => [0, delivered, redelivered, 0],
        }
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// A connection.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    /// Who it is. What it has moved up to now is in `info.traffic`.
    pub info: Arc<ConnectionInfo>,
    /// What it had moved when it was last sampled.
    pub(super) traffic: [u64; 4],
    pub(super) meter: Meter,
}

impl ConnectionView {
    /// What the connection has moved up to now.
    pub(super) fn traffic_now(info: &ConnectionInfo) -> [u64; 4] {
        let traffic = &info.traffic;
        [
            traffic.received_bytes(),
            traffic.received_packets(),
            traffic.sent_bytes(),
            traffic.sent_packets(),
        ]
    }
}

impl Measured for ConnectionView {
    const SERIES: &'static [Series] =
        &[Series::ReceivedBytes, Series::ReceivedPackets, Series::SentBytes, Series::SentPackets];

    fn values(&self) -> impl AsRef<[u64]> {
        self.traffic
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

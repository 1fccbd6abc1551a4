//! Consumers.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use warren_server::view::ConsumerView;

use crate::answer::Answer;
use crate::call::Call;
use crate::field_table;
use crate::list::{Entry, Key, Wishes};

/// A consumer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConsumerObject {
    consumer_tag: String,
    /// Messages may go to it.
    active: bool,
    /// `up`, or `waiting` for its turn behind a single active consumer.
    activity_status: &'static str,
    ack_required: bool,
    exclusive: bool,
    prefetch_count: u16,
    arguments: Map<String, Value>,
    /// How long a delivery may stay unacknowledged, in milliseconds.
    consumer_timeout: u64,
    /// Those with a higher one are served first. Warren's own, as all that is counted.
    priority: i64,
    /// Delivered to it and not acknowledged.
    messages_unacknowledged: u32,
    /// Delivered to it in all.
    delivered: u64,
    /// Of these, not for the first time.
    redelivered: u64,
    acknowledged: u64,
    queue: QueueOfConsumer,
    channel_details: ChannelOfConsumer,
}

/// Where a consumer's messages come from.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct QueueOfConsumer {
    name: String,
    vhost: String,
}

/// Where a consumer is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChannelOfConsumer {
    name: String,
    number: u16,
    connection_name: String,
    node: String,
    peer_host: String,
    peer_port: u16,
    user: String,
}

impl ConsumerObject {
    /// A consumer. `timeout` holds where neither it nor its queue says one, in milliseconds.
    pub(crate) fn of(consumer: &ConsumerView, node: &str, timeout: u64) -> Self {
        let ConsumerView { virtual_host, connection, queue, description, sample, .. } = consumer;
        let number = description.channel.channel;
        Self {
            consumer_tag: description.tag.clone(),
            active: sample.is_active,
            activity_status: if sample.is_active { "up" } else { "waiting" },
            ack_required: description.ack_required,
            exclusive: description.exclusive,
            prefetch_count: description.prefetch_count,
            arguments: field_table::to_json(&description.arguments),
            consumer_timeout: description.timeout.unwrap_or(timeout),
            priority: description.priority,
            messages_unacknowledged: sample.unacknowledged,
            delivered: sample.delivered,
            redelivered: sample.redelivered,
            acknowledged: sample.acknowledged,
            queue: QueueOfConsumer {
                name: queue.record.name.clone(),
                vhost: virtual_host.to_string(),
            },
            channel_details: ChannelOfConsumer {
                name: format!("{} ({number})", connection.name),
                number,
                connection_name: connection.name.clone(),
                node: node.to_owned(),
                peer_host: connection.peer.ip().to_canonical().to_string(),
                peer_port: connection.peer.port(),
                user: connection.user.clone(),
            },
        }
    }
}

impl Entry for Arc<ConsumerView> {
    fn name(&self) -> &str {
        &self.description.tag
    }

    fn other_names(&self) -> [&str; 2] {
        [&self.queue.record.name, &self.connection.name]
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        match path {
            ["consumer_tag"] => self.description.tag.as_str().into(),
            ["active"] => self.sample.is_active.into(),
            ["ack_required"] => self.description.ack_required.into(),
            ["exclusive"] => self.description.exclusive.into(),
            ["prefetch_count"] => u64::from(self.description.prefetch_count).into(),
            ["consumer_timeout"] => self.description.timeout.into(),
            ["priority"] => Key::Integer(self.description.priority),
            ["messages_unacknowledged"] => u64::from(self.sample.unacknowledged).into(),
            ["delivered"] => self.sample.delivered.into(),
            ["redelivered"] => self.sample.redelivered.into(),
            ["acknowledged"] => self.sample.acknowledged.into(),
            ["queue", "name"] => self.queue.record.name.as_str().into(),
            ["queue", "vhost"] => Key::Text(&self.virtual_host),
            ["channel_details", "number"] => u64::from(self.description.channel.channel).into(),
            ["channel_details", "connection_name"] => self.connection.name.as_str().into(),
            ["channel_details", "user"] => self.connection.user.as_str().into(),
            _ => Key::Missing,
        }
    }
}

pub(crate) async fn all(call: Call) -> Answer {
    let order = ["queue.vhost", "queue.name", "channel_details.connection_name", "consumer_tag"];
    let wishes = Wishes::read(&call.query, &order)?;
    let one_host = call.one_virtual_host()?;
    let listing = call.api.view().await.consumers(one_host);
    let seen = listing.items.into_iter().filter(|it| call.sees_virtual_host(&it.virtual_host));
    let (node, timeout) = (call.api.node_name(), call.api.consumer_timeout());
    let object = move |it: &Arc<ConsumerView>| ConsumerObject::of(it, &node, timeout);
    wishes.answer(seen.collect(), object).await
}

//! Channels.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use warren_server::view::{ChannelView, Clock, Listing, Measured, Ranges};

use crate::answer::Answer;
use crate::call::Call;
use crate::connections::{check_sees, sees_user};
use crate::consumers::ConsumerObject;
use crate::error::Error;
use crate::list::{Entry, Key, Wishes, one};
use crate::samples::{self, Kind, numbers, ranges, ranges_of_one};
use crate::time::timestamp_text;
use crate::totals::Totals;

/// A channel, at one time.
#[derive(Debug)]
pub(crate) struct ChannelEntry {
    channel: Arc<ChannelView>,
    clock: Clock,
    /// `peer -> local (number)`.
    name: String,
}

/// A channel.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChannelObject {
    /// `peer -> local (number)`.
    name: String,
    number: u16,
    node: String,
    /// `running` or `idle`.
    state: &'static str,
    user: String,
    user_who_performed_action: String,
    vhost: String,
    connection_details: ConnectionOfChannel,
    consumer_count: u32,
    prefetch_count: u16,
    global_prefetch_count: u16,
    confirm: bool,
    transactional: bool,
    messages_unacknowledged: u64,
    messages_unconfirmed: u64,
    messages_uncommitted: u64,
    acks_uncommitted: u64,
    pending_raft_commands: u64,
    /// Since when nothing happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_stats: Option<Map<String, Value>>,
    /// There is no garbage collector.
    garbage_collection: Map<String, Value>,
    /// Nothing is counted in reductions.
    reductions: u64,
    /// Of a single channel: its consumers, and where its messages go and come from.
    #[serde(flatten)]
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// The connection of a channel.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConnectionOfChannel {
    name: String,
    peer_host: String,
    peer_port: u16,
}

/// What a single channel is given beside what it has in lists.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Details {
    consumer_details: Vec<ConsumerObject>,
    /// Exchanges are not counted one by one.
    publishes: Vec<Value>,
    /// Queues are not counted one by one.
    deliveries: Vec<Value>,
}

impl ChannelEntry {
    fn new(channel: Arc<ChannelView>, clock: Clock) -> Self {
        let name = channel.name();
        Self { channel, clock, name }
    }

    fn state(&self) -> &'static str {
        if self.channel.is_idle(self.clock) { "idle" } else { "running" }
    }

    fn object(&self, node: &str, ranges: &Ranges, totals: Totals) -> ChannelObject {
        let ChannelView { connection, sample, changed_at, .. } = &*self.channel;
        let state = self.state();
        ChannelObject {
            name: self.name.clone(),
            number: sample.key.channel,
            node: node.to_owned(),
            state,
            user: connection.user.clone(),
            user_who_performed_action: connection.user.clone(),
            vhost: connection.virtual_host.clone(),
            connection_details: ConnectionOfChannel {
                name: connection.name.clone(),
                peer_host: connection.peer.ip().to_canonical().to_string(),
                peer_port: connection.peer.port(),
            },
            consumer_count: sample.consumers,
            prefetch_count: sample.prefetch_count,
            global_prefetch_count: sample.global_prefetch_count,
            confirm: sample.confirm,
            transactional: sample.transactional,
            messages_unacknowledged: sample.messages_unacknowledged,
            messages_unconfirmed: self.channel.unconfirmed(),
            messages_uncommitted: sample.messages_uncommitted,
            acks_uncommitted: sample.acks_uncommitted,
            pending_raft_commands: 0,
            idle_since: (state == "idle").then(|| timestamp_text(*changed_at)),
            message_stats: totals
                .is_full()
                .then(|| numbers(&self.channel.readings(self.clock, ranges), Kind::Messages)),
            garbage_collection: Map::new(),
            reductions: 0,
            details: None,
        }
    }
}

impl Entry for ChannelEntry {
    fn name(&self) -> &str {
        &self.name
    }

    fn other_names(&self) -> [&str; 2] {
        let connection = &self.channel.connection;
        [connection.client_name.as_deref().unwrap_or_default(), &connection.user]
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        let ChannelView { connection, sample, .. } = &*self.channel;
        match path {
            ["name"] => self.name.as_str().into(),
            ["number"] => u64::from(sample.key.channel).into(),
            ["state"] => self.state().into(),
            ["user" | "user_who_performed_action"] => connection.user.as_str().into(),
            ["vhost"] => connection.virtual_host.as_str().into(),
            ["connection_details", "name"] => connection.name.as_str().into(),
            ["consumer_count"] => u64::from(sample.consumers).into(),
            ["prefetch_count"] => u64::from(sample.prefetch_count).into(),
            ["global_prefetch_count"] => u64::from(sample.global_prefetch_count).into(),
            ["confirm"] => sample.confirm.into(),
            ["transactional"] => sample.transactional.into(),
            ["messages_unacknowledged"] => sample.messages_unacknowledged.into(),
            ["messages_unconfirmed"] => self.channel.unconfirmed().into(),
            ["messages_uncommitted"] => sample.messages_uncommitted.into(),
            ["acks_uncommitted"] => sample.acks_uncommitted.into(),
            ["message_stats", rest @ ..] => {
                samples::key(&*self.channel, self.clock, Kind::Messages, rest)
            }
            _ => Key::Missing,
        }
    }
}

async fn answer_list(call: &Call, listing: Listing<ChannelView>) -> Answer {
    let wishes = Wishes::read(&call.query, &["vhost", "name"])?;
    let (ranges, totals) = (ranges(&call.query)?, Totals::read(&call.query));
    let clock = listing.clock;
    let seen = listing.items.into_iter().filter(|it| sees_user(call, &it.connection.user));
    let entries = seen.map(|channel| ChannelEntry::new(channel, clock)).collect();
    let node = call.api.node_name();
    wishes.answer(entries, move |entry: &ChannelEntry| entry.object(&node, &ranges, totals)).await
}

pub(crate) async fn all(call: Call) -> Answer {
    let one_host = call.one_virtual_host()?;
    answer_list(&call, call.api.view().await.channels(one_host)).await
}

pub(crate) async fn of_connection(call: Call) -> Answer {
    let name = call.path("connection");
    let connections = call.api.management.connections();
    let connection = connections.iter().find(|it| it.name == name).ok_or(Error::NoSuchObject)?;
    check_sees(&call, &connection.user)?;
    answer_list(&call, call.api.view().await.channels_of(connection.session)).await
}

/// The name of the connection and the number of the channel in the name of a channel.
fn parts(name: &str) -> Option<(&str, u16)> {
    let (connection, number) = name.strip_suffix(')')?.rsplit_once(" (")?;
    Some((connection, number.parse().ok()?))
}

pub(crate) async fn get(call: Call) -> Answer {
    let (ranges, totals) = (ranges_of_one(&call.query)?, Totals::read(&call.query));
    let view = call.api.view().await;
    let (connection, number) = parts(call.path("channel")).ok_or(Error::NoSuchObject)?;
    let (_, connection) = view.connection(connection).ok_or(Error::NoSuchObject)?;
    let found = view.channel(connection.info.session, number).ok_or(Error::NoSuchObject)?;
    let (clock, channel) = found;
    let entry = ChannelEntry::new(channel, clock);
    let connection = &entry.channel.connection;
    check_sees(&call, &connection.user)?;
    let node = call.api.node_name();
    let mut object = entry.object(&node, &ranges, totals);
    if totals.is_full() {
        let timeout = call.api.consumer_timeout();
        let consumers = view.consumers_of_channel(connection.session, number).items;
        let consumers = consumers.iter().map(|it| ConsumerObject::of(it, &node, timeout));
        let consumer_details = consumers.collect();
        object.details = Some(Details { consumer_details, publishes: vec![], deliveries: vec![] });
    }
    one(&call, &object)
}

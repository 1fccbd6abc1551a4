//! Connections.

use std::sync::Arc;

use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use warren_server::ConnectionInfo;
use warren_server::view::{Clock, ConnectionView, Measured, Ranges};

use crate::answer::{self, Answer};
use crate::authorize::{administers, monitors};
use crate::call::Call;
use crate::error::Error;
use crate::field_table;
use crate::list::{Entry, Key, Wishes, one};
use crate::samples::{self, Kind, numbers, ranges, ranges_of_one};
use crate::totals::Totals;

/// A connection, at one time.
#[derive(Debug)]
pub(crate) struct ConnectionEntry {
    connection: Arc<ConnectionView>,
    clock: Clock,
}

/// A connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConnectionObject {
    /// `peer -> local`.
    name: String,
    node: String,
    /// `network`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `running`, `blocking`, `blocked`, `flow` or `closing`.
    state: &'static str,
    protocol: &'static str,
    user: String,
    user_who_performed_action: String,
    vhost: String,
    host: String,
    port: u16,
    peer_host: String,
    peer_port: u16,
    ssl: bool,
    ssl_protocol: Option<String>,
    ssl_key_exchange: Option<String>,
    ssl_cipher: Option<String>,
    ssl_hash: Option<String>,
    peer_cert_subject: Option<String>,
    peer_cert_issuer: Option<String>,
    peer_cert_validity: Option<String>,
    auth_mechanism: String,
    /// The heartbeat in seconds.
    timeout: u16,
    frame_max: u32,
    channel_max: u16,
    channels: u32,
    /// In milliseconds since 1970.
    connected_at: u64,
    client_properties: Map<String, Value>,
    user_provided_name: Option<String>,
    /// Bytes that wait until the client takes them.
    send_pend: u64,
    #[serde(flatten)]
    traffic: Map<String, Value>,
    /// There is no garbage collector.
    garbage_collection: Map<String, Value>,
    /// Nothing is counted in reductions.
    reductions: u64,
}

impl ConnectionEntry {
    fn info(&self) -> &ConnectionInfo {
        &self.connection.info
    }

    fn object(&self, node: &str, ranges: &Ranges, totals: Totals) -> ConnectionObject {
        let info = self.info();
        let traffic = match totals {
            Totals::Full => numbers(&self.connection.readings(self.clock, ranges), Kind::Traffic),
            Totals::Lengths | Totals::Nothing => Map::new(),
        };
        ConnectionObject {
            name: info.name.clone(),
            node: node.to_owned(),
            kind: "network",
            state: info.traffic.state().name(),
            protocol: "AMQP 0-9-1",
            user: info.user.clone(),
            user_who_performed_action: info.user.clone(),
            vhost: info.virtual_host.clone(),
            host: info.local.ip().to_canonical().to_string(),
            port: info.local.port(),
            peer_host: info.peer.ip().to_canonical().to_string(),
            peer_port: info.peer.port(),
            ssl: false,
            ssl_protocol: None,
            ssl_key_exchange: None,
            ssl_cipher: None,
            ssl_hash: None,
            peer_cert_subject: None,
            peer_cert_issuer: None,
            peer_cert_validity: None,
            auth_mechanism: info.mechanism.clone(),
            timeout: info.heartbeat_seconds,
            frame_max: info.frame_max,
            channel_max: info.channel_max,
            channels: info.traffic.channels(),
            connected_at: info.connected_at,
            client_properties: field_table::to_json(&info.client_properties),
            user_provided_name: info.client_name.clone(),
            send_pend: info.traffic.unsent_bytes(),
            traffic,
            garbage_collection: Map::new(),
            reductions: 0,
        }
    }
}

impl Entry for ConnectionEntry {
    fn name(&self) -> &str {
        &self.info().name
    }

    fn other_names(&self) -> [&str; 2] {
        [self.info().client_name.as_deref().unwrap_or_default(), &self.info().user]
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        let info = self.info();
        match path {
            ["name"] => info.name.as_str().into(),
            ["user" | "user_who_performed_action"] => info.user.as_str().into(),
            ["vhost"] => info.virtual_host.as_str().into(),
            ["state"] => info.traffic.state().name().into(),
            ["port"] => u64::from(info.local.port()).into(),
            ["peer_port"] => u64::from(info.peer.port()).into(),
            ["auth_mechanism"] => info.mechanism.as_str().into(),
            ["timeout"] => u64::from(info.heartbeat_seconds).into(),
            ["frame_max"] => u64::from(info.frame_max).into(),
            ["channel_max"] => u64::from(info.channel_max).into(),
            ["channels"] => u64::from(info.traffic.channels()).into(),
            ["connected_at"] => info.connected_at.into(),
            ["send_pend"] => info.traffic.unsent_bytes().into(),
            ["user_provided_name"] => info.client_name.as_deref().into(),
            ["client_properties", name] => field_table::key(&info.client_properties, name),
            path => samples::key(&*self.connection, self.clock, Kind::Traffic, path),
        }
    }
}

/// Whether the sender may see what belongs to a user: its own, or everything with the right to monitor.
pub(crate) fn sees_user(call: &Call, user: &str) -> bool {
    monitors(&call.identity) || *call.identity.user == *user
}

pub(crate) async fn all(call: Call) -> Answer {
    let wishes = Wishes::read(&call.query, &["vhost", "name"])?;
    let (ranges, totals) = (ranges(&call.query)?, Totals::read(&call.query));
    let one_host = call.one_virtual_host()?;
    let listing = call.api.view().await.connections();
    let clock = listing.clock;
    let seen = listing.items.into_iter().filter(|it| {
        one_host.is_none_or(|host| it.info.virtual_host == host) && sees_user(&call, &it.info.user)
    });
    let entries = seen.map(|connection| ConnectionEntry { connection, clock }).collect();
    let node = call.api.node_name();
    wishes
        .answer(entries, move |entry: &ConnectionEntry| entry.object(&node, &ranges, totals))
        .await
}

async fn found(call: &Call) -> Result<ConnectionEntry, Error> {
    let found = call.api.view().await.connection(call.path("connection"));
    let (clock, connection) = found.ok_or(Error::NoSuchObject)?;
    Ok(ConnectionEntry { connection, clock })
}

/// Refuses whoever may not see what belongs to a user.
pub(crate) fn check_sees(call: &Call, user: &str) -> Result<(), Error> {
    if sees_user(call, user) {
        return Ok(());
    }
    Err(Error::not_authorised("User not authorised to access object"))
}

pub(crate) async fn get(call: Call) -> Answer {
    let ranges = ranges_of_one(&call.query)?;
    let entry = found(&call).await?;
    check_sees(&call, &entry.info().user)?;
    one(&call, &entry.object(&call.api.node_name(), &ranges, Totals::read(&call.query)))
}

/// What the client of a connection is told that is closed.
fn reason(headers: &HeaderMap) -> String {
    let reason = headers.get("x-reason").and_then(|reason| reason.to_str().ok());
    reason.filter(|it| !it.is_empty()).unwrap_or("Closed via management plugin").to_owned()
}

fn check_ends(call: &Call, user: &str) -> Result<(), Error> {
    if administers(&call.identity) || *call.identity.user == *user {
        return Ok(());
    }
    Err(Error::not_authorised("User not authorised to access object"))
}

pub(crate) async fn delete(call: Call) -> Answer {
    let name = call.path("connection");
    let mut connections = call.api.management.connections();
    connections.retain(|it| it.name == name);
    let connection = connections.first().ok_or(Error::NoSuchObject)?;
    check_ends(&call, &connection.user)?;
    call.api.management.close_connections(&connections, &reason(&call.headers)).await;
    answer::done()
}

pub(crate) async fn of_user(call: Call) -> Answer {
    let user = call.path("username");
    check_sees(&call, user)?;
    let node = call.api.node_name();
    let connections = call.api.management.connections();
    let objects = connections.iter().filter(|it| it.user == user).map(
        |it| json!({"name": it.name, "vhost": it.virtual_host, "user": it.user, "node": node}),
    );
    crate::list::list(&call, objects.collect(), &["vhost", "name"]).await
}

pub(crate) async fn delete_of_user(call: Call) -> Answer {
    let user = call.path("username");
    check_ends(&call, user)?;
    let mut connections = call.api.management.connections();
    connections.retain(|it| it.user == user);
    call.api.management.close_connections(&connections, &reason(&call.headers)).await;
    answer::done()
}

/// Sessions of AMQP 1.0, of which an AMQP 0-9-1 connection has none.
pub(crate) async fn sessions(call: Call) -> Answer {
    let entry = found(&call).await?;
    check_sees(&call, &entry.info().user)?;
    answer::ok(&json!([]))
}

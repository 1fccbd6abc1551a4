//! Virtual hosts.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_server::catalog::{Change, Done, Permission, VirtualHost, VirtualHostSettings};
use warren_server::view::{Clock, HostView, Measured, Ranges};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::change::{change, change_all};
use crate::error::Error;
use crate::json::lenient;
use crate::list::{Entry, Key, Wishes, one};
use crate::samples::{self, Kind, ranges, ranges_of_one};
use crate::totals::Totals;

/// A virtual host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VirtualHostObject {
    name: String,
    description: String,
    tags: Vec<String>,
    /// The type of queues whose declaration says nothing of it.
    default_queue_type: String,
    protected_from_deletion: bool,
    tracing: bool,
    metadata: Metadata,
    /// Its state on each node.
    cluster_state: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    lengths: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    traffic: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_stats: Option<Map<String, Value>>,
}

/// What people and clients are told about a virtual host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Metadata {
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_queue_type: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) protected_from_deletion: bool,
}

impl From<&VirtualHost> for Metadata {
    fn from(host: &VirtualHost) -> Self {
        Self {
            description: host.description.clone(),
            tags: host.tags.clone(),
            default_queue_type: host.default_queue_type.clone(),
            protected_from_deletion: host.protected_from_deletion,
        }
    }
}

/// What a virtual host is to be. What is not said stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutVirtualHost {
    description: Option<String>,
    /// A list, or text with commas.
    #[serde(default, deserialize_with = "lenient::maybe_tags")]
    tags: Option<Vec<String>>,
    /// `classic`, `quorum` or `stream`.
    default_queue_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::maybe_boolean")]
    protected_from_deletion: Option<bool>,
    #[serde(default, deserialize_with = "lenient::maybe_boolean")]
    tracing: Option<bool>,
}

/// A virtual host and what is measured of it, if something is yet.
#[derive(Debug)]
struct VirtualHostEntry {
    host: Arc<VirtualHost>,
    view: Option<Arc<HostView>>,
    clock: Clock,
}

impl VirtualHostEntry {
    fn object(&self, node: &str, ranges: &Ranges, totals: Totals) -> VirtualHostObject {
        let readings = self.view.as_ref().map(|view| view.totals.readings(self.clock, ranges));
        let numbers = |kind| readings.as_ref().map(|it| samples::numbers(it, kind));
        let usual = "undefined";
        VirtualHostObject {
            name: self.host.name.clone(),
            description: self.host.description.clone(),
            tags: self.host.tags.clone(),
            default_queue_type: self.host.default_queue_type.as_deref().unwrap_or(usual).to_owned(),
            protected_from_deletion: self.host.protected_from_deletion,
            tracing: self.host.tracing,
            metadata: Metadata::from(&*self.host),
            cluster_state: Map::from_iter([(node.to_owned(), "running".into())]),
            lengths: numbers(Kind::Lengths).filter(|_| totals != Totals::Nothing),
            traffic: numbers(Kind::Traffic).filter(|_| totals.is_full()),
            message_stats: numbers(Kind::Messages).filter(|_| totals.is_full()),
        }
    }
}

impl Entry for VirtualHostEntry {
    fn name(&self) -> &str {
        &self.host.name
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        let number = |kind, path: &[&str]| {
            self.view.as_ref().map(|view| samples::key(&view.totals, self.clock, kind, path))
        };
        match path {
            ["name"] => self.host.name.as_str().into(),
            ["description"] => self.host.description.as_str().into(),
            ["default_queue_type"] => self.host.default_queue_type.as_deref().into(),
            ["protected_from_deletion"] => self.host.protected_from_deletion.into(),
            ["tracing"] => self.host.tracing.into(),
            ["message_stats", rest @ ..] => number(Kind::Messages, rest).unwrap_or(Key::Missing),
            path => match number(Kind::Lengths, path) {
                Some(Key::Missing) | None => number(Kind::Traffic, path).unwrap_or(Key::Missing),
                Some(key) => key,
            },
        }
    }
}

async fn entries(call: &Call, wanted: impl Fn(&VirtualHost) -> bool) -> Vec<VirtualHostEntry> {
    let listing = call.api.view().await.virtual_hosts();
    let clock = listing.clock;
    let hosts = call.state.virtual_hosts().filter(|host| wanted(host));
    let entry = |host: &Arc<VirtualHost>| {
        let view = listing.items.iter().find(|view| *view.name == *host.name).map(Arc::clone);
        VirtualHostEntry { host: Arc::clone(host), view, clock }
    };
    hosts.map(entry).collect()
}

pub(crate) async fn all(call: Call) -> Answer {
    let wishes = Wishes::read(&call.query, &["name"])?;
    let (ranges, totals) = (ranges(&call.query)?, Totals::read(&call.query));
    let entries = entries(&call, |host| call.sees_virtual_host(&host.name)).await;
    let node = call.api.node_name();
    let object = move |entry: &VirtualHostEntry| entry.object(&node, &ranges, totals);
    wishes.answer(entries, object).await
}

pub(crate) async fn get(call: Call) -> Answer {
    let (ranges, totals) = (ranges_of_one(&call.query)?, Totals::read(&call.query));
    let name = call.virtual_host()?;
    let entries = entries(&call, |host| host.name == name).await;
    let entry = entries.first().ok_or(Error::NoSuchObject)?;
    one(&call, &entry.object(&call.api.node_name(), &ranges, totals))
}

pub(crate) async fn put(mut call: Call) -> Answer {
    let body: PutVirtualHost = call.json().await?;
    let name = call.path("vhost").to_owned();
    let PutVirtualHost { description, tags, default_queue_type, protected_from_deletion, tracing } =
        body;
    let settings = VirtualHostSettings {
        description,
        tags,
        default_queue_type,
        protected_from_deletion,
        tracing,
    };
    let mut changes = vec![Change::PutVirtualHost { name: name.clone(), settings }];
    if call.state.virtual_host(&name).is_none() {
        changes.push(Change::PutPermission(all_rights(&name, &call.identity.user)));
    }
    answer::put(change_all(&call, changes).await? == Done::Created)
}

/// Who makes a virtual host may do everything in it.
pub(crate) fn all_rights(virtual_host: &str, user: &str) -> Permission {
    let all = || ".*".to_owned();
    Permission {
        virtual_host: virtual_host.to_owned(),
        user: user.to_owned(),
        configure: all(),
        write: all(),
        read: all(),
    }
}

pub(crate) async fn delete(call: Call) -> Answer {
    let name = call.virtual_host()?.to_owned();
    change(&call, Change::DeleteVirtualHost { name }).await?;
    answer::done()
}

pub(crate) async fn protect(call: Call) -> Answer {
    set_protection(&call, true).await
}

pub(crate) async fn unprotect(call: Call) -> Answer {
    set_protection(&call, false).await
}

async fn set_protection(call: &Call, protected: bool) -> Answer {
    let name = call.virtual_host()?.to_owned();
    change(call, Change::ProtectVirtualHost { name, protected }).await?;
    answer::done()
}

/// Every virtual host runs on the one node there is.
pub(crate) async fn start(call: Call) -> Answer {
    call.virtual_host()?;
    let node = call.path("node");
    if call.api.check_node(node).is_err() {
        return Err(Error::BadRequest(format!("Request to node {node} failed with nodedown")));
    }
    answer::done()
}

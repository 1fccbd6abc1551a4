//! What a broker is told to have and to allow, as it is kept: each record is JSON under a key of its
//! own, and names stand in both.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_engine::ApplyTo;

use super::keys;
use super::password::PasswordHash;

/// A kind of record, by which it is found and kept.
pub(crate) trait Record: Serialize + for<'a> Deserialize<'a> {
    /// The first part of the record's key.
    const KIND: &'static str;

    /// The names that tell the record from others of its kind.
    fn names(&self) -> Vec<&str>;

    /// The key of the record.
    fn key(&self) -> String {
        keys::join(Self::KIND, &self.names())
    }
}

/// A virtual host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualHost {
    /// The number that its queues carry; never given again.
    pub id: u32,
    /// The name that clients open.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// For people.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The type of queues whose declaration says nothing of it.
    #[serde(default)]
    pub default_queue_type: Option<String>,
    /// It cannot be deleted.
    #[serde(default)]
    pub protected_from_deletion: bool,
    /// Messages are copied to `amq.rabbitmq.trace`.
    #[serde(default)]
    pub tracing: bool,
    /// How much there may be in it.
    #[serde(default)]
    pub limits: VirtualHostLimits,
}

/// How much there may be in a virtual host. None or a negative number is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VirtualHostLimits {
    /// Connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_queues: Option<i64>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// What the password is checked against. None is no password: the user cannot log in by one.
    #[serde(default)]
    pub password: Option<PasswordHash>,
    /// What the user may do beside messaging: `administrator`, `monitoring`, `policymaker`,
    /// `management`, `impersonator`, and any others.
    #[serde(default)]
    pub tags: Vec<String>,
    /// How much the user may have.
    #[serde(default)]
    pub limits: UserLimits,
}

/// How much a user may have. None or a negative number is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UserLimits {
    /// Connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Channels of all connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_channels: Option<i64>,
}

/// What a user may do in a virtual host, as patterns of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Where.
    pub virtual_host: String,
    /// Who.
    pub user: String,
    /// Exchanges and queues that the user may declare and delete.
    pub configure: String,
    /// Exchanges that the user may publish to, and what may be bound.
    pub write: String,
    /// Queues that the user may consume from, and exchanges that may be bound to.
    pub read: String,
}

/// What routing keys a user may use with an exchange, as patterns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPermission {
    /// Where.
    pub virtual_host: String,
    /// Who.
    pub user: String,
    /// With which exchange.
    pub exchange: String,
    /// Routing keys that the user may publish with.
    pub write: String,
    /// Binding keys that the user may bind with.
    pub read: String,
}

/// [`ApplyTo`] by its name.
mod apply_to {
    use serde::de::{Deserializer, Error, Unexpected};
    use serde::{Deserialize, Serializer};
    use warren_engine::ApplyTo;

    pub(super) fn serialize<S: Serializer>(it: &ApplyTo, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(it.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ApplyTo, D::Error> {
        let name = String::deserialize(from)?;
        let wrong = || D::Error::invalid_value(Unexpected::Str(&name), &"what policies are for");
        ApplyTo::from_name(&name).ok_or_else(wrong)
    }
}

/// A policy, of a user or of the operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Where.
    pub virtual_host: String,
    /// The policy.
    pub name: String,
    /// Whether it is the operator's.
    pub operator: bool,
    /// Names that it is for.
    pub pattern: String,
    /// What it is for.
    #[serde(with = "apply_to")]
    pub apply_to: ApplyTo,
    /// The highest one that is for something holds for it.
    pub priority: i64,
    /// What it says, by RabbitMQ's keys.
    pub definition: Map<String, Value>,
}

/// Something that a component of the broker is told for a virtual host, such as a shovel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// The component.
    pub component: String,
    /// Where.
    pub virtual_host: String,
    /// The parameter.
    pub name: String,
    /// What it says.
    pub value: Value,
}

/// Something that the broker as a whole is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GlobalParameter {
    /// The parameter.
    pub name: String,
    /// What it says.
    pub value: Value,
}

impl VirtualHost {
    /// One of which nothing is said.
    pub(crate) fn new(id: u32, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            description: String::new(),
            tags: vec![],
            default_queue_type: None,
            protected_from_deletion: false,
            tracing: false,
            limits: VirtualHostLimits::default(),
        }
    }
}

impl Record for VirtualHost {
    const KIND: &'static str = "vhost";

    fn names(&self) -> Vec<&str> {
        vec![&self.name]
    }
}

impl Record for User {
    const KIND: &'static str = "user";

    fn names(&self) -> Vec<&str> {
        vec![&self.name]
    }
}

impl Record for Permission {
    const KIND: &'static str = "permission";

    fn names(&self) -> Vec<&str> {
        vec![&self.virtual_host, &self.user]
    }
}

impl Record for TopicPermission {
    const KIND: &'static str = "topic-permission";

    fn names(&self) -> Vec<&str> {
        vec![&self.virtual_host, &self.user, &self.exchange]
    }
}

impl Record for Policy {
    const KIND: &'static str = "policy";

    fn names(&self) -> Vec<&str> {
        vec![&self.virtual_host, policy_owner(self.operator), &self.name]
    }
}

/// How a policy's key tells whose it is.
pub(crate) fn policy_owner(operator: bool) -> &'static str {
    if operator { "operator" } else { "user" }
}

impl Record for Parameter {
    const KIND: &'static str = "parameter";

    fn names(&self) -> Vec<&str> {
        vec![&self.virtual_host, &self.component, &self.name]
    }
}

impl Record for GlobalParameter {
    const KIND: &'static str = "global-parameter";

    fn names(&self) -> Vec<&str> {
        vec![&self.name]
    }
}

/// Records of one kind, in the order of their keys. A copy shares them until one of the two changes.
#[derive(Debug, Clone)]
pub(crate) struct Table<R>(Arc<std::collections::BTreeMap<String, Arc<R>>>);

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<R: Record> Table<R> {
    pub(crate) fn get(&self, names: &[&str]) -> Option<&Arc<R>> {
        self.0.get(&keys::join(R::KIND, names))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<R>> + use<'_, R> {
        self.0.values()
    }

    /// The records whose first names are these.
    pub(crate) fn under(&self, names: &[&str]) -> impl Iterator<Item = &Arc<R>> + use<'_, R> {
        let start = keys::within(R::KIND, names);
        let from = start.clone();
        self.0.range(from..).take_while(move |(key, _)| key.starts_with(&start)).map(|(_, it)| it)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn put(&mut self, record: R) {
        Arc::make_mut(&mut self.0).insert(record.key(), Arc::new(record));
    }

    /// Adds a record as it was kept. False if it cannot be read, or stands under another key.
    pub(crate) fn put_kept(&mut self, key: &str, value: &[u8]) -> bool {
        let record = serde_json::from_slice(value).ok().filter(|record: &R| record.key() == key);
        record.map(|record| self.put(record)).is_some()
    }

    pub(crate) fn remove(&mut self, key: &str) {
        Arc::make_mut(&mut self.0).remove(key);
    }
}

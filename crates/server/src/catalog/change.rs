//! What can be changed, by whom, and with which outcome.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::password::PasswordHash;
use super::records::{GlobalParameter, Parameter, Permission, Policy, TopicPermission};

/// One change. It happens whole or not at all.
#[derive(Debug, Clone)]
pub enum Change {
    /// A virtual host is to be there, with these settings.
    PutVirtualHost {
        /// Its name.
        name: String,
        /// What is said of it.
        settings: VirtualHostSettings,
    },
    /// A virtual host is to go, with everything in it.
    DeleteVirtualHost {
        /// Its name.
        name: String,
    },
    /// A virtual host can, or cannot, be deleted.
    ProtectVirtualHost {
        /// Its name.
        name: String,
        /// Whether it is protected from now on.
        protected: bool,
    },
    /// A user is to be there.
    PutUser {
        /// The name.
        name: String,
        /// What becomes of the password.
        password: PasswordChange,
        /// All tags that the user has from now on.
        tags: Vec<String>,
    },
    /// A user is to go, with all permissions and limits.
    DeleteUser {
        /// The name.
        name: String,
    },
    /// A user may do this in a virtual host.
    PutPermission(Permission),
    /// A user may do nothing any more in a virtual host.
    DeletePermission {
        /// Where.
        virtual_host: String,
        /// Who.
        user: String,
    },
    /// A user may use these routing keys with an exchange.
    PutTopicPermission(TopicPermission),
    /// Nothing is said any more of a user's routing keys.
    DeleteTopicPermission {
        /// Where.
        virtual_host: String,
        /// Who.
        user: String,
        /// With which exchange; none is all of them.
        exchange: Option<String>,
    },
    /// A policy is to be there.
    PutPolicy(Policy),
    /// A policy is to go.
    DeletePolicy {
        /// Where.
        virtual_host: String,
        /// The policy.
        name: String,
        /// Whether it is the operator's.
        operator: bool,
    },
    /// A parameter is to be there. Those of the components `operator_policy` and `vhost-limits` are
    /// operator policies and limits.
    PutParameter(Parameter),
    /// A parameter is to go.
    DeleteParameter {
        /// The component.
        component: String,
        /// Where.
        virtual_host: String,
        /// The parameter.
        name: String,
    },
    /// A global parameter is to be there.
    PutGlobalParameter(GlobalParameter),
    /// A global parameter is to go.
    DeleteGlobalParameter {
        /// The parameter.
        name: String,
    },
    /// A virtual host has a limit: `max-connections` or `max-queues`.
    PutVirtualHostLimit {
        /// Where.
        virtual_host: String,
        /// The limit.
        name: String,
        /// A whole number; negative is none.
        value: Value,
    },
    /// A virtual host has a limit no more.
    DeleteVirtualHostLimit {
        /// Where.
        virtual_host: String,
        /// The limit.
        name: String,
    },
    /// A user has a limit: `max-connections` or `max-channels`.
    PutUserLimit {
        /// Who.
        user: String,
        /// The limit.
        name: String,
        /// A whole number; negative is none.
        value: Value,
    },
    /// A user has a limit no more.
    DeleteUserLimit {
        /// Who.
        user: String,
        /// The limit.
        name: String,
    },
    /// The cluster has this name.
    SetClusterName {
        /// The name.
        name: String,
    },
}

/// What is said of a virtual host. What is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirtualHostSettings {
    /// For people.
    pub description: Option<String>,
    /// For people.
    pub tags: Option<Vec<String>>,
    /// The type of queues whose declaration says nothing of it.
    pub default_queue_type: Option<String>,
    /// It cannot be deleted.
    pub protected_from_deletion: Option<bool>,
    /// Messages are copied to `amq.rabbitmq.trace`.
    pub tracing: Option<bool>,
}

/// What becomes of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordChange {
    /// It stays; a new user has none.
    Keep,
    /// There is none.
    Clear,
    /// It is another one. [`super::Catalog::hash_password`] makes hashes.
    Set(PasswordHash),
}

/// What a change led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Something is new.
    Created,
    /// Something was there and is different now.
    Updated,
    /// Something is gone.
    Deleted,
    /// All was already so.
    Unchanged,
}

/// By which way somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// By the HTTP API.
    Http,
    /// By AMQP.
    Amqp,
    /// By a file of definitions.
    Definitions,
    /// The broker itself, when it started.
    Start,
}

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user.
    pub user: String,
    /// Where the user is.
    pub address: Option<IpAddr>,
    /// How the user came.
    pub via: Via,
}

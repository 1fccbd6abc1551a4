//! What can be configured about the server, with its defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::catalog::Hashing;

/// The server's configuration, complete.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything durable is.
    pub data_dir: PathBuf,
    /// Where AMQP clients connect.
    pub amqp_listen: SocketAddr,
    /// The first user's name.
    pub default_user: String,
    /// The first user's password.
    pub default_pass: Password,
    /// The first user's tags.
    pub default_user_tags: Vec<String>,
    /// The first virtual host.
    pub default_vhost: String,
    /// What the first user may do there: patterns to configure, to write and to read.
    pub default_permissions: [String; 3],
    /// Whether a broker that has nothing yet gets these. One that is given definitions does not.
    pub has_defaults: bool,
    /// How new passwords are kept.
    pub password_hashing: Hashing,
    /// Users that may log in from the machine itself only.
    pub loopback_users: Vec<String>,
    /// From accepting a connection until its virtual host is open.
    pub handshake_timeout: Duration,
    /// The heartbeat that is proposed, in seconds; 0 is none.
    pub heartbeat_seconds: u16,
    /// Largest frame, in bytes.
    pub frame_max: u32,
    /// How many channels a connection may have open at a time.
    pub channel_max: u16,
    /// Largest message body, in bytes.
    pub message_bytes_max: u64,
    /// How much there may be of other things.
    pub limits: Limits,
    /// What clients are told about the broker.
    pub identity: Identity,
    /// The login mechanisms that are offered, in this order.
    pub auth_mechanisms: Vec<Mechanism>,
    /// The user that a client becomes by `ANONYMOUS`.
    pub anonymous_login_user: String,
    /// Free space of the data folder's disk below which publishers are blocked, in bytes; 0: never.
    pub disk_free_limit: u64,
    /// Resident memory above which publishers are blocked, in bytes; 0: never. None is a part of
    /// what there is.
    pub memory_limit: Option<u64>,
    /// How long a delivery may stay unacknowledged where neither its queue nor its consumer says
    /// so. None is for ever.
    pub consumer_timeout: Option<Duration>,
    /// How often the log's news are moved into the database.
    pub checkpoint_interval: Duration,
    /// The store's own options.
    pub storage: warren_storage::Options,
    /// Whether logins are counted by address and user as well.
    pub count_logins_by_source: bool,
    /// Which tokens are good. None: tokens are not taken.
    pub oauth: Option<crate::oauth::Settings>,
}

/// How much there may be; none is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections.
    pub connections: Option<usize>,
    /// Connections to one virtual host.
    pub connections_per_virtual_host: Option<usize>,
    /// Channels of all connections.
    pub channels: Option<usize>,
    /// Queues of one virtual host.
    pub queues_per_virtual_host: Option<usize>,
    /// Consumers on one channel; none is the engine's own limit.
    pub consumers_per_channel: Option<usize>,
}

/// What `connection.start` says about the broker. Clients choose by product and version how they
/// behave (docs/decisions/0008-announced-product.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The product.
    pub product: String,
    /// Its version.
    pub version: String,
    /// The cluster's name.
    pub cluster_name: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            product: "RabbitMQ".to_owned(),
            version: "3.13.7".to_owned(),
            cluster_name: "warren".to_owned(),
        }
    }
}

/// A way to log in. `EXTERNAL` needs certificates of clients, and so TLS, which there is not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// User and password, with zeros between them.
    Plain,
    /// User and password in a table.
    AmqPlain,
    /// Neither.
    Anonymous,
}

impl Mechanism {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
            Self::Anonymous => "ANONYMOUS",
        }
    }
}

#[cfg(test)]
impl Config {
    pub(crate) fn for_tests() -> Self {
        Self {
            data_dir: "data".into(),
            amqp_listen: ([127, 0, 0, 1], 0).into(),
            default_user: "guest".to_owned(),
            default_pass: Password("secret".to_owned()),
            default_user_tags: vec!["administrator".to_owned()],
            default_vhost: "/".to_owned(),
            default_permissions: [(); 3].map(|()| ".*".to_owned()),
            has_defaults: true,
            password_hashing: Hashing::default(),
            loopback_users: vec!["guest".to_owned()],
            handshake_timeout: Duration::from_secs(10),
            heartbeat_seconds: 60,
            frame_max: 131_072,
            channel_max: 2047,
            message_bytes_max: 1,
            limits: Limits::default(),
            identity: Identity::default(),
            auth_mechanisms: vec![Mechanism::Plain, Mechanism::AmqPlain],
            anonymous_login_user: "guest".to_owned(),
            disk_free_limit: 0,
            memory_limit: None,
            consumer_timeout: None,
            checkpoint_interval: Duration::from_secs(1),
            storage: warren_storage::Options::default(),
            count_logins_by_source: false,
            oauth: None,
        }
    }
}

/// A password, which shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

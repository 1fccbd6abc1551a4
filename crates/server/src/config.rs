//! What can be configured about the server, with its defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
}

#[cfg(test)]
impl Config {
    pub(crate) fn for_tests() -> Self {
        Self {
            data_dir: "data".into(),
            amqp_listen: ([127, 0, 0, 1], 0).into(),
            default_user: "guest".to_owned(),
            default_pass: Password("secret".to_owned()),
            loopback_users: vec!["guest".to_owned()],
            handshake_timeout: Duration::from_secs(10),
            heartbeat_seconds: 60,
            frame_max: 131_072,
            channel_max: 2047,
            message_bytes_max: 1,
            disk_free_limit: 0,
            memory_limit: None,
            consumer_timeout: None,
            checkpoint_interval: Duration::from_secs(1),
            storage: warren_storage::Options::default(),
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

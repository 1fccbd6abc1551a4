//! The configuration file, and how it and the flags become the configuration in force.

mod oauth2;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use warren_admin::{HttpConfig, SessionRules, TrustedProxies};
use warren_server::catalog::Hashing;
use warren_server::config::{self, Config, Identity, Limits, Password};
use warren_server::limits::{CONSUMER_TIMEOUT_MS, CONSUMERS_PER_CHANNEL, DISK_FREE_BYTES};
use warren_server::{LogTail, StorageOptions};

use self::oauth2::{OAuth2, Wrong};
use crate::cli::Server;
use crate::logs::{Format, Level};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "warren.toml";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}: {reason}", path.display())]
    Read { path: PathBuf, reason: std::io::Error },
    #[error("{}: {}", path.display(), told(reason))]
    Parse { path: PathBuf, reason: Box<toml::de::Error> },
    #[error("{}: {key} must be {expected}", path.display())]
    Value { path: PathBuf, key: String, expected: String },
}

/// What is wrong with the text. toml names line and column and shows the line, which is not for all
/// eyes if there may be a secret in it.
fn told(reason: &toml::de::Error) -> String {
    let text = reason.to_string();
    let has_secret = ["pass", "secret"].iter().any(|word| text.contains(word));
    let last = text.lines().next_back().unwrap_or_default();
    match text.lines().next() {
        // It names keys alone.
        Some(place) if has_secret && last.starts_with("unknown field") => {
            format!("{place}: {last}")
        }
        Some(place) if has_secret => format!("{place}: the line is not shown, for what is secret"),
        _ => text.trim_end().to_owned(),
    }
}

/// The file's keys with their defaults.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data_dir: PathBuf,
    amqp_listen: SocketAddr,
    http_listen: SocketAddr,
    log_level: Level,
    log_format: Format,
    default_user: String,
    default_pass: String,
    default_user_tags: Vec<String>,
    default_vhost: String,
    default_permissions: Permissions,
    password_hashing: PasswordHashing,
    loopback_users: Vec<String>,
    handshake_timeout_seconds: u64,
    heartbeat_seconds: u16,
    frame_max: u32,
    channel_max: u16,
    message_bytes_max: u64,
    connection_max: usize,
    vhost_connection_max: usize,
    channel_max_per_node: usize,
    vhost_queue_max: usize,
    consumer_max_per_channel: usize,
    product: String,
    product_version: String,
    cluster_name: String,
    auth_mechanisms: Vec<Mechanism>,
    anonymous_login_user: String,
    disk_free_limit: u64,
    memory_limit: Option<u64>,
    consumer_timeout: u64,
    load_definitions: Option<PathBuf>,
    track_auth_attempt_source: bool,
    http: Http,
    storage: Storage,
    oauth2: Option<OAuth2>,
}

/// The keys of the section `[http]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Http {
    body_bytes_max: usize,
    requests_max: usize,
    request_timeout_seconds: u64,
    cors_allow_origins: Vec<String>,
    cors_max_age_seconds: u64,
    login_session_timeout: u64,
    login_idle_timeout: u64,
    trusted_proxies: Vec<String>,
}

/// The keys of the section `[storage]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Storage {
    segment_bytes: u64,
    spare_segments: usize,
    checkpoint_seconds: u64,
}

/// What the first user may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Permissions {
    configure: String,
    write: String,
    read: String,
}

/// How new passwords are kept.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PasswordHashing {
    Sha256,
    Sha512,
    Argon2id,
}

/// A login mechanism, by its name on the wire.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Mechanism {
    Plain,
    Amqplain,
    Anonymous,
}

impl Default for File {
    fn default() -> Self {
        let identity = Identity::default();
        Self {
            data_dir: "data".into(),
            amqp_listen: (Ipv6Addr::UNSPECIFIED, 5672).into(),
            http_listen: (Ipv6Addr::UNSPECIFIED, 15672).into(),
            log_level: Level::Info,
            log_format: Format::Text,
            default_user: "guest".to_owned(),
            default_pass: "guest".to_owned(),
            default_user_tags: vec!["administrator".to_owned()],
            default_vhost: "/".to_owned(),
            default_permissions: Permissions::default(),
            password_hashing: PasswordHashing::Sha256,
            loopback_users: vec!["guest".to_owned()],
            handshake_timeout_seconds: 10,
            heartbeat_seconds: 60,
            frame_max: 131_072,
            channel_max: 2047,
            message_bytes_max: 16 * 1024 * 1024,
            connection_max: 0,
            vhost_connection_max: 0,
            channel_max_per_node: 0,
            vhost_queue_max: 0,
            consumer_max_per_channel: CONSUMERS_PER_CHANNEL,
            product: identity.product,
            product_version: identity.version,
            cluster_name: identity.cluster_name,
            auth_mechanisms: vec![Mechanism::Plain, Mechanism::Amqplain],
            anonymous_login_user: "guest".to_owned(),
            disk_free_limit: DISK_FREE_BYTES,
            memory_limit: None,
            consumer_timeout: CONSUMER_TIMEOUT_MS,
            load_definitions: None,
            track_auth_attempt_source: false,
            http: Http::default(),
            storage: Storage::default(),
            oauth2: None,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        let usual = HttpConfig::default();
        Self {
            body_bytes_max: usual.body_bytes_max,
            requests_max: usual.requests_max,
            request_timeout_seconds: usual.request_timeout.as_secs(),
            cors_allow_origins: usual.cors_allow_origins,
            cors_max_age_seconds: usual.cors_max_age.as_secs(),
            login_session_timeout: usual.sessions.longest.as_secs() / 60,
            login_idle_timeout: usual.sessions.idle.as_secs() / 60,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Http {
    fn known(self) -> Result<HttpConfig, Wrong> {
        let minutes = |minutes: u64| Duration::from_secs(minutes.saturating_mul(60));
        let trusted_proxies =
            TrustedProxies::parse(&self.trusted_proxies).map_err(|wrong| Wrong {
                key: "http.trusted_proxies".to_owned(),
                expected: format!("addresses such as 10.0.0.1 or 10.0.0.0/8, not {wrong:?}"),
            })?;
        Ok(HttpConfig {
            body_bytes_max: self.body_bytes_max,
            requests_max: self.requests_max,
            request_timeout: Duration::from_secs(self.request_timeout_seconds),
            cors_allow_origins: self.cors_allow_origins,
            cors_max_age: Duration::from_secs(self.cors_max_age_seconds),
            sessions: SessionRules {
                idle: minutes(self.login_idle_timeout),
                longest: minutes(self.login_session_timeout),
            },
            trusted_proxies,
            log: LogTail::default(),
        })
    }
}

impl Default for Permissions {
    fn default() -> Self {
        let [configure, write, read] = [(); 3].map(|()| ".*".to_owned());
        Self { configure, write, read }
    }
}

impl Default for Storage {
    fn default() -> Self {
        let StorageOptions { segment_bytes, spare_segments, .. } = StorageOptions::default();
        Self { segment_bytes, spare_segments, checkpoint_seconds: 1 }
    }
}

/// The configuration in force.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) log_level: Level,
    pub(crate) log_format: Format,
    pub(crate) load_definitions: Option<PathBuf>,
    pub(crate) http_listen: SocketAddr,
    pub(crate) http: HttpConfig,
    pub(crate) server: Config,
}

impl Settings {
    /// Reads the file that the flags name, or the default one if it exists, and lets the flags win.
    pub(crate) fn read(flags: &Server) -> Result<Self, Error> {
        let path = flags.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|reason| Error::Parse { path: path.clone(), reason: Box::new(reason) })?,
            Err(reason) => {
                if flags.config.is_some() || reason.kind() != std::io::ErrorKind::NotFound {
                    return Err(Error::Read { path, reason });
                }
                File::default()
            }
        };
        check(&file, &path)?;
        Self::from_file(file, flags).map_err(|Wrong { key, expected }| Error::Value {
            path,
            key,
            expected,
        })
    }

    fn from_file(file: File, flags: &Server) -> Result<Self, Wrong> {
        let limits = limits(&file);
        let oauth = file.oauth2.map(OAuth2::settings).transpose()?;
        let has_defaults = file.load_definitions.is_none();
        let Permissions { configure, write, read } = file.default_permissions;
        let Storage { segment_bytes, spare_segments, checkpoint_seconds } = file.storage;
        Ok(Self {
            log_level: file.log_level,
            log_format: file.log_format,
            http_listen: flags.http_listen.unwrap_or(file.http_listen),
            http: file.http.known()?,
            load_definitions: file.load_definitions,
            server: Config {
                data_dir: flags.data_dir.clone().unwrap_or(file.data_dir),
                amqp_listen: flags.amqp_listen.unwrap_or(file.amqp_listen),
                default_user: file.default_user,
                default_pass: Password(file.default_pass),
                default_user_tags: file.default_user_tags,
                default_vhost: file.default_vhost,
                default_permissions: [configure, write, read],
                has_defaults,
                password_hashing: file.password_hashing.known(),
                loopback_users: file.loopback_users,
                handshake_timeout: Duration::from_secs(file.handshake_timeout_seconds),
                heartbeat_seconds: file.heartbeat_seconds,
                frame_max: file.frame_max,
                channel_max: file.channel_max,
                message_bytes_max: file.message_bytes_max,
                limits,
                identity: Identity {
                    product: file.product,
                    version: file.product_version,
                    cluster_name: file.cluster_name,
                },
                auth_mechanisms: file.auth_mechanisms.into_iter().map(Mechanism::known).collect(),
                anonymous_login_user: file.anonymous_login_user,
                disk_free_limit: file.disk_free_limit,
                memory_limit: file.memory_limit,
                consumer_timeout: match file.consumer_timeout {
                    0 => None,
                    milliseconds => Some(Duration::from_millis(milliseconds)),
                },
                checkpoint_interval: Duration::from_secs(checkpoint_seconds),
                storage: StorageOptions {
                    segment_bytes,
                    spare_segments,
                    ..StorageOptions::default()
                },
                count_logins_by_source: file.track_auth_attempt_source,
                oauth,
            },
        })
    }
}

impl PasswordHashing {
    fn known(self) -> Hashing {
        match self {
            Self::Sha256 => Hashing::Sha256,
            Self::Sha512 => Hashing::Sha512,
            Self::Argon2id => Hashing::Argon2id,
        }
    }
}

impl Mechanism {
    fn known(self) -> config::Mechanism {
        match self {
            Self::Plain => config::Mechanism::Plain,
            Self::Amqplain => config::Mechanism::AmqPlain,
            Self::Anonymous => config::Mechanism::Anonymous,
        }
    }
}

/// The limits of which 0 is none.
fn limits(file: &File) -> Limits {
    let limit = |number: usize| (number > 0).then_some(number);
    Limits {
        connections: limit(file.connection_max),
        connections_per_virtual_host: limit(file.vhost_connection_max),
        channels: limit(file.channel_max_per_node),
        queues_per_virtual_host: limit(file.vhost_queue_max),
        consumers_per_channel: Some(limit(file.consumer_max_per_channel).unwrap_or(usize::MAX)),
    }
}

/// What the types of the keys do not say. The store checks its own options.
fn check(file: &File, path: &Path) -> Result<(), Error> {
    let wrong = |key: &str, expected: &str| {
        let (key, expected) = (key.to_owned(), expected.to_owned());
        Err(Error::Value { path: path.to_owned(), key, expected })
    };
    if file.handshake_timeout_seconds == 0 {
        return wrong("handshake_timeout_seconds", "at least 1");
    }
    if file.frame_max < 4096 {
        return wrong("frame_max", "at least 4096 bytes");
    }
    if file.frame_max > 16 * 1024 * 1024 {
        return wrong("frame_max", "at most 16777216 bytes");
    }
    if file.message_bytes_max > 512 * 1024 * 1024 {
        return wrong("message_bytes_max", "at most 536870912 bytes");
    }
    if file.auth_mechanisms.is_empty() {
        return wrong("auth_mechanisms", "at least one of PLAIN, AMQPLAIN and ANONYMOUS");
    }
    if file.http.requests_max == 0 {
        return wrong("http.requests_max", "at least 1");
    }
    if file.http.request_timeout_seconds == 0 {
        return wrong("http.request_timeout_seconds", "at least 1");
    }
    if file.http.login_session_timeout == 0 {
        return wrong("http.login_session_timeout", "at least 1");
    }
    if file.http.login_idle_timeout == 0 {
        return wrong("http.login_idle_timeout", "at least 1");
    }
    if !file.http.cors_allow_origins.iter().all(|origin| warren_admin::is_origin(origin)) {
        return wrong("http.cors_allow_origins", "origins such as https://example.com, or *");
    }
    if file.storage.checkpoint_seconds == 0 {
        return wrong("storage.checkpoint_seconds", "at least 1");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Server {
        Server { config: None, data_dir: None, amqp_listen: None, http_listen: None }
    }

    fn parse(text: &str) -> Result<File, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let settings = Settings::from_file(parse("").unwrap(), &flags()).unwrap();
        assert_eq!(settings.server.amqp_listen.port(), 5672);
        assert_eq!(settings.http_listen.port(), 15672);
        assert_eq!(settings.server.data_dir, PathBuf::from("data"));
        assert_eq!(settings.server.loopback_users, ["guest"]);
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = parse("amqp_listen = '127.0.0.1:1'\ndata_dir = '/a'").unwrap();
        let flags = Server { data_dir: Some("/b".into()), ..flags() };
        let settings = Settings::from_file(file, &flags).unwrap();
        assert_eq!(settings.server.amqp_listen.port(), 1);
        assert_eq!(settings.server.data_dir, PathBuf::from("/b"));
    }

    #[test]
    fn a_line_with_a_secret_is_not_shown() {
        for text in [
            "default_pass = 'canary",
            "default_pass = 6502",
            "[oauth2.signing_keys.k]\nsecrt = 'canary'",
            "[oauth2.signing_keys.k]\nsecret = 'canary' 5",
        ] {
            let told = told(&parse(text).unwrap_err());
            assert!(told.contains("line ") && !told.contains("canary"), "{told}");
            assert!(!told.contains("6502"), "{told}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = parse("heartbeat_seconds = 5\nhartbeat = 6").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("hartbeat"), "{error}");
    }
}

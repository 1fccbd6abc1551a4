//! The configuration in effect, by the keys of the file. Secrets are not among them.

use serde_json::{Map, Value, json};
use warren_server::catalog::Hashing;
use warren_server::config::{Config, Limits};

use crate::HttpConfig;
use crate::answer::{self, Answer};
use crate::call::Call;

/// `GET /api/configuration`.
pub(crate) async fn get(call: Call) -> Answer {
    let mut all = of_server(call.api.management.config());
    all.extend(of_http(&call.api.config));
    let node = call.api.management.node();
    all.insert("memory_limit".to_owned(), json!(node.memory_limit));
    all.insert("http_listen".to_owned(), json!(call.api.http_address.to_string()));
    answer::ok(&all)
}

fn object(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn of_server(config: &Config) -> Map<String, Value> {
    let mechanisms: Vec<_> = config.auth_mechanisms.iter().map(|it| it.name()).collect();
    let [configure, write, read] = &config.default_permissions;
    let hashing = match config.password_hashing {
        Hashing::Sha256 => "sha256",
        Hashing::Sha512 => "sha512",
        Hashing::Md5 => "md5",
        Hashing::Argon2id => "argon2id",
    };
    let timeout = config.consumer_timeout.map_or(0, |timeout| timeout.as_millis());
    let mut all = object([
        ("data_dir", json!(config.data_dir.display().to_string())),
        ("amqp_listen", json!(config.amqp_listen.to_string())),
        ("default_user", json!(config.default_user)),
        ("default_user_tags", json!(config.default_user_tags)),
        ("default_vhost", json!(config.default_vhost)),
        ("default_permissions", json!({"configure": configure, "write": write, "read": read})),
        ("password_hashing", json!(hashing)),
        ("loopback_users", json!(config.loopback_users)),
        ("handshake_timeout_seconds", json!(config.handshake_timeout.as_secs())),
        ("heartbeat_seconds", json!(config.heartbeat_seconds)),
        ("frame_max", json!(config.frame_max)),
        ("channel_max", json!(config.channel_max)),
        ("message_bytes_max", json!(config.message_bytes_max)),
        ("product", json!(config.identity.product)),
        ("product_version", json!(config.identity.version)),
        ("cluster_name", json!(config.identity.cluster_name)),
        ("auth_mechanisms", json!(mechanisms)),
        ("anonymous_login_user", json!(config.anonymous_login_user)),
        ("disk_free_limit", json!(config.disk_free_limit)),
        ("consumer_timeout", json!(u64::try_from(timeout).unwrap_or(u64::MAX))),
        ("track_auth_attempt_source", json!(config.count_logins_by_source)),
        ("storage.segment_bytes", json!(config.storage.segment_bytes)),
        ("storage.spare_segments", json!(config.storage.spare_segments)),
        ("storage.checkpoint_seconds", json!(config.checkpoint_interval.as_secs())),
        ("oauth2", json!(config.oauth.is_some())),
    ]);
    all.extend(of_limits(&config.limits));
    all
}

/// In the file 0 is no limit.
fn of_limits(limits: &Limits) -> Map<String, Value> {
    let text = |limit: Option<usize>| json!(limit.filter(|it| *it < usize::MAX).unwrap_or(0));
    object([
        ("connection_max", text(limits.connections)),
        ("vhost_connection_max", text(limits.connections_per_virtual_host)),
        ("channel_max_per_node", text(limits.channels)),
        ("vhost_queue_max", text(limits.queues_per_virtual_host)),
        ("consumer_max_per_channel", text(limits.consumers_per_channel)),
    ])
}

fn of_http(config: &HttpConfig) -> Map<String, Value> {
    object([
        ("log_level", json!(config.log.level().name())),
        ("http.body_bytes_max", json!(config.body_bytes_max)),
        ("http.requests_max", json!(config.requests_max)),
        ("http.request_timeout_seconds", json!(config.request_timeout.as_secs())),
        ("http.cors_allow_origins", json!(config.cors_allow_origins)),
        ("http.cors_max_age_seconds", json!(config.cors_max_age.as_secs())),
        ("http.login_session_timeout", json!(config.sessions.longest.as_secs() / 60)),
        ("http.login_idle_timeout", json!(config.sessions.idle.as_secs() / 60)),
        ("http.trusted_proxies", json!(config.trusted_proxies.texts())),
    ])
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use crate::testing::Fixture;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_configuration_is_told_by_its_keys_and_without_secrets() {
        let fixture = Fixture::new().await;
        let answer = fixture.ask(Method::GET, "/api/configuration", "").await;
        let all = answer.json();
        assert_eq!(all["channel_max"], 2047);
        assert_eq!(all["consumer_timeout"], 0);
        assert_eq!(all["http.login_session_timeout"], 480);
        assert_eq!(all["oauth2"], false);
        assert!(all.get("default_pass").is_none(), "{all}");
        fixture.stop().await;
    }
}

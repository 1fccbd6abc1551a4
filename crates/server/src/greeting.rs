//! What clients are told about the broker when they connect.

use std::sync::{Arc, Mutex, PoisonError};

use warren_amqp::{FieldTable, FieldValue, Millis, Settings, Start};

use crate::catalog::State;
use crate::config::Config;

/// What is told now: the cluster may get another name at any time.
#[derive(Debug)]
pub(crate) struct Greeting(Mutex<(String, Arc<Settings>)>);

impl Greeting {
    pub(crate) fn new(config: &Config) -> Self {
        let name = config.identity.cluster_name.clone();
        let settings = settings(config, &name);
        Self(Mutex::new((name, Arc::new(settings))))
    }

    pub(crate) fn settings(&self, config: &Config, state: &State) -> Arc<Settings> {
        let name = state.cluster_name().unwrap_or(&config.identity.cluster_name);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != name {
            *last = (name.to_owned(), Arc::new(settings(config, name)));
        }
        Arc::clone(&last.1)
    }
}

/// What the broker tells its clients about itself. Clients choose by product and version how they
/// behave (Celery its prefetch rule, Spring its features), so the two are those of the RabbitMQ
/// whose behaviour this is; who it really is stands beside them.
fn settings(config: &Config, cluster_name: &str) -> Settings {
    let text = |value: &str| FieldValue::LongString(value.into());
    let capabilities = [
        ("authentication_failure_close", true),
        ("basic.nack", true),
        ("connection.blocked", true),
        ("consumer_cancel_notify", true),
        ("consumer_priorities", true),
        ("direct_reply_to", true),
        ("exchange_exchange_bindings", true),
        ("per_consumer_qos", true),
        ("publisher_confirms", true),
    ];
    let mut table = FieldTable::default();
    for (name, value) in capabilities {
        table.insert(name.into(), FieldValue::Boolean(value));
    }
    let mut properties = FieldTable::default();
    properties.insert("capabilities".into(), FieldValue::FieldTable(table));
    let version = env!("CARGO_PKG_VERSION");
    let mechanisms: Vec<_> = config.auth_mechanisms.iter().map(|one| one.name()).collect();
    for (name, value) in [
        ("product", config.identity.product.as_str()),
        ("version", &config.identity.version),
        ("platform", &format!("Warren {version}")),
        ("information", &format!("Warren {version}, licensed under MIT or Apache-2.0")),
        ("cluster_name", cluster_name),
        ("copyright", "The Warren authors"),
    ] {
        properties.insert(name.into(), text(value));
    }
    Settings {
        start: Start::new(properties, mechanisms.join(" ")),
        channel_max: config.channel_max,
        frame_max: config.frame_max,
        heartbeat_seconds: config.heartbeat_seconds,
        message_bytes_max: config.message_bytes_max,
        handshake_millis: config.handshake_timeout.as_millis() as Millis,
    }
}

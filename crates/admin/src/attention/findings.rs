//! Something that needs attention.

use schemars::JsonSchema;
use serde::Serialize;

/// What is the matter, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The broker has failed.
    Failure,
    /// Publishers are blocked.
    Alarm,
    /// Messages could not be read back from disk.
    Lost,
    /// A queue has consumers that take nothing.
    Stuck,
    /// A queue gets messages and nobody takes them.
    NoConsumers,
    /// Deliveries have not been acknowledged for long.
    NotAcknowledged,
    /// Messages find no queue.
    Unroutable,
    /// A paused queue has messages.
    Paused,
    /// Messages that could not be dealt with wait.
    DeadLetters,
    /// Memory or disk are nearly used up.
    NearLimit,
    /// Connections come and go.
    Churn,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    /// `bad` or `warning`.
    level: &'static str,
    /// Where it is; nothing if it is about the broker.
    vhost: Option<String>,
    /// The queue that it is about.
    queue: Option<String>,
    /// The exchange that it is about; the default one is empty.
    exchange: Option<String>,
    /// What is the matter, in words.
    reason: String,
    /// How many messages it is about.
    pub(crate) messages: u64,
}

impl Kind {
    fn level(self) -> &'static str {
        match self {
            Self::Failure | Self::Alarm | Self::Lost | Self::Stuck => "bad",
            Self::NoConsumers
            | Self::NotAcknowledged
            | Self::Unroutable
            | Self::Paused
            | Self::DeadLetters
            | Self::NearLimit
            | Self::Churn => "warning",
        }
    }
}

impl Finding {
    pub(crate) fn of_the_broker(kind: Kind, reason: String) -> Self {
        let (vhost, queue, exchange) = (None, None, None);
        Self { kind, level: kind.level(), vhost, queue, exchange, reason, messages: 0 }
    }

    pub(crate) fn of_queue(
        kind: Kind,
        vhost: String,
        queue: String,
        reason: String,
        messages: u64,
    ) -> Self {
        let base = Self::of_the_broker(kind, reason);
        Self { vhost: Some(vhost), queue: Some(queue), messages, ..base }
    }

    pub(crate) fn of_exchange(
        kind: Kind,
        vhost: String,
        exchange: String,
        reason: String,
        messages: u64,
    ) -> Self {
        let base = Self::of_the_broker(kind, reason);
        Self { vhost: Some(vhost), exchange: Some(exchange), messages, ..base }
    }
}

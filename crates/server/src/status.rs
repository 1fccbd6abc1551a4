//! What there is to know about a running broker at a glance.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use warren_engine::{Summary, VirtualHost};
use warren_storage::Room;

use crate::alarm::Alarm;
use crate::broker::{News, Shared};
use crate::census::ConnectionInfo;
use crate::health::Health;
use crate::shard::ToShard;

/// What there is to know about a running broker.
#[derive(Debug, Clone)]
pub struct Status {
    pub(crate) shared: Arc<Shared>,
    pub(crate) health: Arc<Health>,
    pub(crate) news: watch::Receiver<News>,
    pub(crate) room: Room,
    pub(crate) shards: Vec<mpsc::Sender<ToShard>>,
}

impl Status {
    /// Free space of the data folder's disk, in bytes, if it is known.
    #[must_use]
    pub fn disk_free(&self) -> Option<u64> {
        self.room.free_bytes().ok().flatten()
    }

    /// Seconds since the start.
    #[must_use]
    pub fn uptime_seconds(&self) -> u64 {
        self.shared.now() / 1000
    }

    /// Why the broker failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.health.failure().map(str::to_owned)
    }

    /// Which alarms are on.
    #[must_use]
    pub fn alarm(&self) -> Alarm {
        self.news.borrow().alarm
    }

    /// All open connections, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<ConnectionInfo>> {
        self.shared.census.connections()
    }

    /// Counts for each virtual host, by name.
    pub async fn summary(&self) -> Vec<HostCounts> {
        let mut all = vec![];
        for shard in &self.shards {
            let (reply, wait) = oneshot::channel();
            if shard.send(ToShard::Summary(reply)).await.is_ok() {
                all.extend(wait.await.unwrap_or_default());
            }
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
}

/// What is counted of a virtual host.
#[derive(Debug)]
pub struct HostCounts {
    /// Its name.
    pub name: String,
    /// What there is.
    pub summary: Summary,
    /// Arguments that were accepted and have no effect, each with how often it was sent.
    pub without_effect: Vec<(&'static str, u64)>,
}

impl HostCounts {
    pub(crate) fn of(host: &VirtualHost) -> Self {
        let without_effect = host.arguments_without_effect().collect();
        Self { name: host.name().to_owned(), summary: host.summary(), without_effect }
    }
}

//! What handlers work with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use warren_server::catalog::State;
use warren_server::view::View;
use warren_server::{Jobs, Leases, ListenerInfo, Management};

use crate::sessions::Sessions;
use crate::{HttpConfig, limits};

/// The broker, as the HTTP side knows it.
#[derive(Debug)]
pub(crate) struct Api {
    /// What is there and what can be changed.
    pub(crate) management: Management,
    /// Where HTTP is served.
    pub(crate) http_address: SocketAddr,
    /// How HTTP is served.
    pub(crate) config: HttpConfig,
    /// The name of the one node there is.
    pub(crate) node_name: String,
    /// Jobs about messages that wait.
    pub(crate) jobs: Jobs,
    /// Messages that are lent.
    pub(crate) leases: Leases,
    /// Requests that may be worked on.
    pub(crate) places: Semaphore,
    /// Streams of events that may be open.
    pub(crate) streams: Arc<Semaphore>,
    /// Sessions of browsers.
    pub(crate) sessions: Sessions,
    /// When HTTP began to be served.
    pub(crate) started: Instant,
}

impl Api {
    pub(crate) fn new(
        management: Management,
        http_address: SocketAddr,
        config: HttpConfig,
    ) -> Self {
        Self {
            node_name: management.node_name(),
            places: Semaphore::new(config.requests_max),
            streams: Arc::new(Semaphore::new(limits::STREAMS)),
            jobs: Jobs::default(),
            leases: Leases::default(),
            sessions: Sessions::new(config.sessions),
            started: Instant::now(),
            management,
            http_address,
            config,
        }
    }

    /// For how long HTTP has been served.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The name of the one node there is.
    pub(crate) fn node_name(&self) -> String {
        self.node_name.clone()
    }

    /// The mirror of what lives, as it is now.
    pub(crate) async fn view(&self) -> View {
        let view = self.management.view();
        view.fresh().await;
        view.clone()
    }

    /// How long a delivery may stay unacknowledged where nobody says so, in milliseconds. Clients want
    /// a number: a day that never comes stands for no limit.
    pub(crate) fn consumer_timeout(&self) -> u64 {
        let timeout = self.management.config().consumer_timeout.map(|it| it.as_millis());
        timeout.and_then(|it| u64::try_from(it).ok()).unwrap_or(i64::MAX as u64)
    }

    /// Everything that takes connections.
    pub(crate) fn listeners(&self) -> Vec<ListenerInfo> {
        let mut all = self.management.listeners();
        all.push(ListenerInfo { protocol: "http", address: self.http_address, tls: false });
        all
    }

    /// The cluster's name: as it was set, or as it is configured.
    pub(crate) fn cluster_name(&self, state: &State) -> String {
        let configured = &self.management.config().identity.cluster_name;
        state.cluster_name().unwrap_or(configured).to_owned()
    }
}

//! What handlers work with.

use std::net::SocketAddr;

use tokio::sync::Semaphore;
use warren_server::catalog::State;
use warren_server::{ListenerInfo, Management};

use crate::HttpConfig;

/// The broker, as the HTTP side knows it.
#[derive(Debug)]
pub(crate) struct Api {
    /// What is there and what can be changed.
    pub(crate) management: Management,
    /// Where HTTP is served.
    pub(crate) http_address: SocketAddr,
    /// How HTTP is served.
    pub(crate) config: HttpConfig,
    /// Requests that may be worked on.
    pub(crate) places: Semaphore,
}

impl Api {
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

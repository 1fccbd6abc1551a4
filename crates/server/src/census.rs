//! Who is connected, and how many connections and channels there may be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use warren_engine::SessionId;

use crate::config::Limits;

/// An open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Where the client is.
    pub peer: SocketAddr,
    /// The user.
    pub user: String,
    /// The virtual host.
    pub virtual_host: String,
    /// The name that the client gave itself, with `connection_name` among its properties.
    pub name: Option<String>,
}

/// All open connections and the number of their channels.
#[derive(Debug)]
pub(crate) struct Census {
    limits: Limits,
    open: Mutex<Open>,
    channels: AtomicUsize,
}

#[derive(Debug, Default)]
struct Open {
    connections: BTreeMap<SessionId, Arc<ConnectionInfo>>,
    by_virtual_host: FxHashMap<String, usize>,
}

/// A connection's place, which it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    census: Arc<Census>,
    session: SessionId,
}

/// A channel's place, which it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct ChannelPlace(Arc<Census>);

impl Census {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default(), channels: AtomicUsize::new(0) })
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, or says in RabbitMQ's words why there is no place for it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        session: SessionId,
        info: ConnectionInfo,
    ) -> Result<Place, String> {
        let mut open = self.open();
        if let Some(limit) = self.limits.connections
            && open.connections.len() >= limit
        {
            return Err(format!("connection refused: node connection limit ({limit}) is reached"));
        }
        let ConnectionInfo { user, virtual_host, .. } = &info;
        let there = open.by_virtual_host.get(virtual_host).copied().unwrap_or_default();
        if let Some(limit) = self.limits.connections_per_virtual_host
            && there >= limit
        {
            return Err(format!(
                "access to vhost '{virtual_host}' refused for user '{user}': connection limit \
                 ({limit}) is reached"
            ));
        }
        open.by_virtual_host.insert(virtual_host.clone(), there + 1);
        open.connections.insert(session, Arc::new(info));
        Ok(Place { census: Arc::clone(self), session })
    }

    /// Takes a channel in, or says why there is no place for it.
    pub(crate) fn enter_channel(self: &Arc<Self>) -> Result<ChannelPlace, String> {
        let before = self.channels.fetch_add(1, Ordering::Relaxed);
        let place = ChannelPlace(Arc::clone(self));
        match self.limits.channels {
            Some(limit) if before >= limit => Err(format!(
                "number of channels opened on node has reached the maximum allowed limit of \
                 ({limit})"
            )),
            _ => Ok(place),
        }
    }

    /// All connections, in the order in which they came.
    pub(crate) fn connections(&self) -> Vec<Arc<ConnectionInfo>> {
        self.open().connections.values().map(Arc::clone).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.census.open();
        let Some(info) = open.connections.remove(&self.session) else { return };
        if let Some(count) = open.by_virtual_host.get_mut(&info.virtual_host) {
            *count -= 1;
            if *count == 0 {
                open.by_virtual_host.remove(&info.virtual_host);
            }
        }
    }
}

impl Drop for ChannelPlace {
    fn drop(&mut self) {
        self.0.channels.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(virtual_host: &str) -> ConnectionInfo {
        ConnectionInfo {
            peer: ([127, 0, 0, 1], 1).into(),
            user: "guest".to_owned(),
            virtual_host: virtual_host.to_owned(),
            name: None,
        }
    }

    #[test]
    fn there_are_so_many_connections_and_places_that_are_left_are_free() {
        let limits = Limits {
            connections: Some(3),
            connections_per_virtual_host: Some(2),
            ..Limits::default()
        };
        let census = Census::new(limits);
        let enter = |number, host: &str| census.enter(SessionId(number), info(host));
        let first = enter(1, "a").unwrap();
        let _second = enter(2, "a").unwrap();
        let refused = enter(3, "a").unwrap_err();
        assert_eq!(
            refused,
            "access to vhost 'a' refused for user 'guest': connection limit (2) is reached"
        );
        let _third = enter(3, "b").unwrap();
        let refused = enter(4, "b").unwrap_err();
        assert_eq!(refused, "connection refused: node connection limit (3) is reached");
        drop(first);
        let _fourth = enter(4, "a").unwrap();
        assert_eq!(census.connections().len(), 3);
    }

    #[test]
    fn there_are_so_many_channels() {
        let census = Census::new(Limits { channels: Some(1), ..Limits::default() });
        let first = census.enter_channel().unwrap();
        assert!(census.enter_channel().is_err());
        drop(first);
        drop(census.enter_channel().unwrap());
        assert!(census.enter_channel().is_ok());
    }
}

//! The handle by which the HTTP side asks and changes: definitions, connections, sessions of its own,
//! and facts about the node.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::mpsc;
use warren_amqp::ReplyCode;
use warren_engine::{Access, SessionId};

use crate::attempts::{Attempts, Protocol};
use crate::audit::Audit;
use crate::catalog::{Catalog, PasswordHash};
use crate::census::{ConnectionInfo, Visitor};
use crate::client::Client;
use crate::config::{Config, Password};
use crate::login::{self, AccessSource, Identity, LoginError};
use crate::shard::ToShard;
use crate::status::Status;
use crate::view::View;
use crate::{clock, limits, memory};

/// Why a [`Client`] cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// There is no such virtual host.
    #[error("vhost {0} not found")]
    VirtualHostNotFound(String),
    /// The user may do nothing there.
    #[error("access to vhost '{virtual_host}' refused for user '{user}'")]
    Refused {
        /// Where.
        virtual_host: String,
        /// Who.
        user: String,
    },
    /// The broker stops, or does not answer.
    #[error("the broker does not answer")]
    Closed,
}

/// Something that takes connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerInfo {
    /// What is spoken there, by RabbitMQ's names: `amqp`, `http`.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Whether by TLS.
    pub tls: bool,
}

/// Facts about the node, at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// The process's number.
    pub process_id: u32,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Resident memory, in bytes.
    pub memory_used: Option<u64>,
    /// Above so much resident memory publishers are blocked, in bytes; 0: never.
    pub memory_limit: u64,
    /// They are.
    pub memory_alarm: bool,
    /// Free space of the data folder's disk, in bytes.
    pub disk_free: Option<u64>,
    /// Below so much free space publishers are blocked, in bytes; 0: never.
    pub disk_free_limit: u64,
    /// They are.
    pub disk_free_alarm: bool,
    /// Files and sockets that are open.
    pub files_used: Option<u64>,
    /// How many may be open.
    pub files_total: Option<u64>,
    /// How many threads there may be.
    pub threads_total: Option<u64>,
    /// How many there are.
    pub threads_used: Option<u64>,
    /// Processors that the broker may use.
    pub processors: usize,
}

/// The handle. Copies of it are the same.
#[derive(Debug, Clone)]
pub struct Management {
    status: Status,
    catalog: Catalog,
    view: View,
    amqp_address: SocketAddr,
}

impl Management {
    pub(crate) fn new(
        status: Status,
        catalog: Catalog,
        view: View,
        amqp_address: SocketAddr,
    ) -> Self {
        Self { status, catalog, view, amqp_address }
    }

    /// What the broker is told to have and to allow.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// A mirror of what lives.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Counts and alarms.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What the broker was started with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.status.shared.config
    }

    /// The node's name, as RabbitMQ's nodes are called: by what runs and where.
    #[must_use]
    pub fn node_name(&self) -> String {
        format!("warren@{}", memory::host_name().as_deref().unwrap_or("localhost"))
    }

    /// Who changed what, and whose login was refused.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.status.shared.audit
    }

    /// What takes AMQP connections.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        vec![ListenerInfo { protocol: "amqp", address: self.amqp_address, tls: false }]
    }

    /// Checks who somebody is who comes by HTTP.
    ///
    /// # Errors
    ///
    /// The login is refused, for a reason that must not be told to whoever tries.
    pub async fn log_in(
        &self,
        user: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<Identity, LoginError> {
        let shared = &self.status.shared;
        login::by_password(shared, Protocol::Http, user, password, address).await
    }

    /// Checks who somebody is who comes by HTTP with a token.
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn log_in_by_token(
        &self,
        token: &str,
        address: IpAddr,
    ) -> Result<Identity, LoginError> {
        login::by_token(&self.status.shared, Protocol::Http, token, address).await
    }

    /// The time of day, in milliseconds since 1970.
    #[must_use]
    pub fn clock(&self) -> u64 {
        crate::clock::now()
    }

    /// How many logins there were.
    #[must_use]
    pub fn attempts(&self) -> &Attempts {
        &self.status.shared.attempts
    }

    /// What is to be kept of a password.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub async fn hash_password(&self, password: &Password) -> Result<PasswordHash, crate::Error> {
        self.catalog.hash_password(password).await
    }

    /// Opens a session with the rights of a user.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub async fn open(&self, identity: &Identity, virtual_host: &str) -> Result<Client, OpenError> {
        self.open_as(Some(identity), virtual_host).await
    }

    /// Opens a session that may do everything: for definitions, which only administrators may import.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub async fn open_trusted(&self, virtual_host: &str) -> Result<Client, OpenError> {
        self.open_as(None, virtual_host).await
    }

    /// Opens a session for somebody, or with all rights.
    async fn open_as(
        &self,
        identity: Option<&Identity>,
        virtual_host: &str,
    ) -> Result<Client, OpenError> {
        let shared = &self.status.shared;
        let not_found = || OpenError::VirtualHostNotFound(virtual_host.to_owned());
        let (id, shard) = shared.virtual_host(virtual_host).ok_or_else(not_found)?;
        let session = shared.next_session();
        let (outbox, events) = mpsc::unbounded_channel();
        let user = identity.map_or_else(|| "".into(), |identity| Arc::clone(&identity.user));
        let is_stored = identity.is_some_and(Identity::is_stored);
        let visitor = Visitor { host: id, user, is_stored, outbox: outbox.clone() };
        // As with a connection: what is changed from now on reaches this session.
        let place = shared.census.visit(session, visitor);
        if shared.virtual_host(virtual_host).is_none_or(|(now, _)| now != id) {
            return Err(not_found());
        }
        let access = match identity {
            None => Arc::new(Access::everything("")),
            Some(identity) => {
                let access = login::access(shared, identity, virtual_host);
                access.ok_or_else(|| OpenError::Refused {
                    virtual_host: virtual_host.to_owned(),
                    user: identity.user.to_string(),
                })?
            }
        };
        let user = identity.filter(|_| !access.is_impersonator());
        let user = user.map(|identity| identity.user.to_string());
        let client = Client::new(session, shard.clone(), events, place, user);
        let open = ToShard::Open { session, virtual_host: id, outbox, access };
        let sent = tokio::time::timeout(limits::CLIENT_PATIENCE, shard.send(open));
        match sent.await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(_)) | Err(_) => Err(OpenError::Closed),
        }
    }

    /// What somebody may do in a virtual host; nothing if there is no such host.
    #[must_use]
    pub fn access(&self, identity: &Identity, virtual_host: &str) -> Option<Arc<Access>> {
        login::access(&self.status.shared, identity, virtual_host)
    }

    /// Brings what is known of somebody up to date: false if the user is gone, or the token is over.
    #[must_use]
    pub fn renew(&self, identity: &mut Identity) -> bool {
        match &identity.access {
            AccessSource::Stored => {
                let state = self.catalog.snapshot();
                let Some(user) = state.user(&identity.user) else { return false };
                identity.tags.clone_from(&user.tags);
                true
            }
            AccessSource::Scopes(_) => identity.expires_at.is_none_or(|end| clock::now() < end),
        }
    }

    /// The connection of a session, if it has one.
    #[must_use]
    pub fn connection_of(&self, session: SessionId) -> Option<Arc<ConnectionInfo>> {
        self.status.shared.census.connection(session)
    }

    /// All open connections, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<ConnectionInfo>> {
        self.status.connections()
    }

    /// Closes these connections, with a reason for their clients, and waits a while for the clients
    /// to confirm it, so that who looks afterwards does not find them. One whose client says nothing
    /// goes when the protocol's own patience is over.
    pub async fn close_connections(&self, connections: &[Arc<ConnectionInfo>], reason: &str) {
        for connection in connections {
            connection.close(ReplyCode::ConnectionForced, reason.to_owned());
        }
        let gone = self.status.shared.census.gone(connections);
        // The time is over for slow clients alone.
        let _ = tokio::time::timeout(limits::CLOSE_WAIT, gone).await;
    }

    /// Facts about the node.
    #[must_use]
    pub fn node(&self) -> NodeFacts {
        let alarm = self.status.alarm();
        let config = self.config();
        NodeFacts {
            process_id: std::process::id(),
            uptime_ms: self.status.shared.now(),
            memory_used: memory::resident_bytes(),
            memory_limit: config.memory_limit.unwrap_or_else(memory::default_limit),
            memory_alarm: alarm.memory,
            disk_free: self.status.disk_free(),
            disk_free_limit: config.disk_free_limit,
            disk_free_alarm: alarm.disk,
            files_used: memory::open_files(),
            files_total: memory::open_files_limit(),
            threads_total: memory::threads_limit(),
            threads_used: memory::threads(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

//! Who is connected, and how many connections and channels there may be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use warren_amqp::{FieldTable, ReplyCode};
use warren_engine::{SessionId, VirtualHostId};

use crate::config::Limits;
use crate::shard::{Outbox, ToConnection};

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionState {
    /// All goes.
    Running,
    /// An alarm is on, and the client publishes: its next message stops it.
    Blocking,
    /// Nothing is read from it until an alarm is over.
    Blocked,
    /// Nothing is read from it until the broker has caught up.
    Flow,
    /// It ends.
    Closing,
}

impl ConnectionState {
    /// The name in the HTTP API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Blocking => "blocking",
            Self::Blocked => "blocked",
            Self::Flow => "flow",
            Self::Closing => "closing",
        }
    }
}

/// What a connection has moved, and what it is at; told after each read and write.
#[derive(Debug, Default)]
pub struct Traffic {
    received_bytes: AtomicU64,
    received_packets: AtomicU64,
    sent_bytes: AtomicU64,
    sent_packets: AtomicU64,
    unsent_bytes: AtomicU64,
    channels: AtomicU32,
    state: AtomicU8,
    /// By the numbers of channels that are open.
    answered: Mutex<FxHashMap<u16, Answered>>,
}

/// How many messages of a channel were confirmed or refused. The channel alone writes it.
pub(crate) type Answered = Arc<AtomicU64>;

/// Adds messages that were confirmed or refused.
pub(crate) fn answer(answered: &Answered, messages: u64) {
    add(answered, messages);
}

impl Traffic {
    /// Bytes that came.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// Reads that brought them.
    #[must_use]
    pub fn received_packets(&self) -> u64 {
        self.received_packets.load(Ordering::Relaxed)
    }

    /// Bytes that went.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    /// Writes that took them.
    #[must_use]
    pub fn sent_packets(&self) -> u64 {
        self.sent_packets.load(Ordering::Relaxed)
    }

    /// Bytes that wait until the client takes them.
    #[must_use]
    pub fn unsent_bytes(&self) -> u64 {
        self.unsent_bytes.load(Ordering::Relaxed)
    }

    /// Open channels.
    #[must_use]
    pub fn channels(&self) -> u32 {
        self.channels.load(Ordering::Relaxed)
    }

    /// One read brought so many bytes. Only the connection itself may tell, so that no more than a
    /// load and a store is needed.
    pub(crate) fn received(&self, bytes: usize) {
        add(&self.received_bytes, bytes as u64);
        add(&self.received_packets, 1);
    }

    /// One write took so many bytes, and so many are left.
    pub(crate) fn sent(&self, bytes: usize, unsent: usize) {
        add(&self.sent_bytes, bytes as u64);
        add(&self.sent_packets, 1);
        self.unsent_bytes.store(unsent as u64, Ordering::Relaxed);
    }

    fn answered_by_channel(&self) -> std::sync::MutexGuard<'_, FxHashMap<u16, Answered>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel is open now.
    pub(crate) fn channel_opened(&self, channel: u16) -> Answered {
        let answered = Answered::default();
        self.answered_by_channel().insert(channel, Arc::clone(&answered));
        answered
    }

    pub(crate) fn channel_closed(&self, channel: u16) {
        self.answered_by_channel().remove(&channel);
    }

    /// How many messages of a channel are answered.
    pub(crate) fn answered(&self, channel: u16) -> Answered {
        self.answered_by_channel().get(&channel).map(Arc::clone).unwrap_or_default()
    }

    /// It has so many channels now, and is at this.
    pub(crate) fn is_at(&self, state: ConnectionState, channels: usize) {
        self.channels.store(u32::try_from(channels).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// What the connection is at.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        use ConnectionState::{Blocked, Blocking, Closing, Flow, Running};
        let state = self.state.load(Ordering::Relaxed);
        [Blocking, Blocked, Flow, Closing]
            .into_iter()
            .find(|one| *one as u8 == state)
            .unwrap_or(Running)
    }
}

/// Adds to a number that nobody else writes.
fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// An open connection.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Its number, unique since the start.
    pub session: SessionId,
    /// Its name: `peer -> local`.
    pub name: String,
    /// Where the client is.
    pub peer: SocketAddr,
    /// Where it came in.
    pub local: SocketAddr,
    /// The user.
    pub user: String,
    /// The virtual host.
    pub virtual_host: String,
    /// How the client logged in.
    pub mechanism: String,
    /// The agreed heartbeat in seconds; 0 is none.
    pub heartbeat_seconds: u16,
    /// The agreed largest frame, in bytes.
    pub frame_max: u32,
    /// The agreed number of channels.
    pub channel_max: u16,
    /// When the virtual host was opened, in milliseconds since 1970.
    pub connected_at: u64,
    /// What the client said about itself.
    pub client_properties: Arc<FieldTable>,
    /// The name that the client gave itself, with `connection_name` among its properties.
    pub client_name: Option<String>,
    /// What it has moved, and what it is at.
    pub traffic: Arc<Traffic>,
    /// By which it is told things.
    pub(crate) outbox: Outbox,
}

impl ConnectionInfo {
    /// Tells the connection to end, with this code and text for the client.
    pub(crate) fn close(&self, code: ReplyCode, text: String) {
        // A connection that is gone has nothing to end.
        let _ = self.outbox.send(ToConnection::Close(code, text));
    }
}

/// All open connections and the number of their channels.
#[derive(Debug)]
pub(crate) struct Census {
    limits: Limits,
    open: Mutex<Open>,
    channels: AtomicUsize,
    /// Connections since the start: how many came, and how many went.
    opened: AtomicU64,
    closed: AtomicU64,
    /// Tells those who wait for it that a connection went.
    went: Notify,
}

/// Whoever has a session: a connection, or the broker itself for the HTTP side.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// Where.
    pub(crate) host: VirtualHostId,
    /// Who.
    pub(crate) user: Arc<str>,
    /// What the user may do is written in the catalog.
    pub(crate) is_stored: bool,
    /// By which it is told things.
    pub(crate) outbox: Outbox,
}

/// How many connections there may be of the same kind as a new one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caps {
    /// In its virtual host.
    pub(crate) virtual_host: Option<usize>,
    /// Of its user.
    pub(crate) user: Option<usize>,
}

#[derive(Debug, Default)]
struct Open {
    connections: BTreeMap<SessionId, Arc<ConnectionInfo>>,
    visitors: FxHashMap<SessionId, Visitor>,
    by_virtual_host: FxHashMap<VirtualHostId, usize>,
    by_user: FxHashMap<Arc<str>, Arc<UserCounts>>,
}

/// What a user has.
#[derive(Debug, Default)]
struct UserCounts {
    connections: AtomicUsize,
    channels: AtomicUsize,
}

/// A session's place, which it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    census: Arc<Census>,
    session: SessionId,
    user: Arc<UserCounts>,
}

/// A channel's place, which it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct ChannelPlace {
    census: Arc<Census>,
    user: Arc<UserCounts>,
}

impl Census {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::default(),
            channels: AtomicUsize::new(0),
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            went: Notify::new(),
        })
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, or says in RabbitMQ's words why there is no place for it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        info: ConnectionInfo,
        visitor: Visitor,
        caps: Caps,
    ) -> Result<Place, String> {
        let mut open = self.open();
        let is_reached = |limit: &usize, there: usize| there >= *limit;
        if let Some(limit) =
            self.limits.connections.filter(|it| is_reached(it, open.connections.len()))
        {
            return Err(format!("connection refused: node connection limit ({limit}) is reached"));
        }
        let ConnectionInfo { session, user, virtual_host, .. } = &info;
        let session = *session;
        let there = open.by_virtual_host.get(&visitor.host).copied().unwrap_or_default();
        if let Some(limit) = caps.virtual_host.filter(|limit| is_reached(limit, there)) {
            return Err(format!(
                "access to vhost '{virtual_host}' refused for user '{user}': connection limit \
                 ({limit}) is reached"
            ));
        }
        let counts = open.by_user.get(&visitor.user).map(Arc::clone).unwrap_or_default();
        let of_user = counts.connections.load(Ordering::Relaxed);
        if let Some(limit) = caps.user.filter(|limit| is_reached(limit, of_user)) {
            return Err(format!(
                "connection refused for user '{user}': user connection limit ({limit}) is reached"
            ));
        }
        counts.connections.store(of_user + 1, Ordering::Relaxed);
        open.by_user.insert(Arc::clone(&visitor.user), Arc::clone(&counts));
        open.by_virtual_host.insert(visitor.host, there + 1);
        open.connections.insert(session, Arc::new(info));
        open.visitors.insert(session, visitor);
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Place { census: Arc::clone(self), session, user: counts })
    }

    /// Takes a session of the broker's own in: it counts for no limit.
    pub(crate) fn visit(self: &Arc<Self>, session: SessionId, visitor: Visitor) -> Place {
        self.open().visitors.insert(session, visitor);
        Place { census: Arc::clone(self), session, user: Arc::default() }
    }

    /// Does something for each of those that are meant.
    pub(crate) fn visitors<T>(
        &self,
        is_meant: impl Fn(&Visitor) -> bool,
        mut each: impl FnMut(SessionId, &Visitor) -> T,
    ) -> Vec<T> {
        let open = self.open();
        let meant = open.visitors.iter().filter(|(_, visitor)| is_meant(visitor));
        meant.map(|(session, visitor)| each(*session, visitor)).collect()
    }

    /// How many connections came since the start, and how many went.
    pub(crate) fn churn(&self) -> (u64, u64) {
        (self.opened.load(Ordering::Relaxed), self.closed.load(Ordering::Relaxed))
    }

    /// Waits until none of these connections is open.
    pub(crate) async fn gone(&self, connections: &[Arc<ConnectionInfo>]) {
        // One after the other, so that a look costs little however many there are.
        for connection in connections {
            loop {
                // Before the look: what goes after it is noticed.
                let went = self.went.notified();
                if self.connection(connection.session).is_none() {
                    break;
                }
                went.await;
            }
        }
    }

    /// A connection that is open.
    pub(crate) fn connection(&self, session: SessionId) -> Option<Arc<ConnectionInfo>> {
        self.open().connections.get(&session).map(Arc::clone)
    }

    /// All connections, in the order in which they came.
    pub(crate) fn connections(&self) -> Vec<Arc<ConnectionInfo>> {
        self.open().connections.values().map(Arc::clone).collect()
    }
}

impl Place {
    /// Takes a channel of this connection in, or says why there is no place for it. `cap` is how
    /// many the user may have.
    pub(crate) fn enter_channel(&self, cap: Option<usize>) -> Result<ChannelPlace, String> {
        let (census, user) = (Arc::clone(&self.census), Arc::clone(&self.user));
        let on_node = census.channels.fetch_add(1, Ordering::Relaxed);
        let of_user = user.channels.fetch_add(1, Ordering::Relaxed);
        let place = ChannelPlace { census, user };
        if let Some(limit) = self.census.limits.channels.filter(|limit| on_node >= *limit) {
            return Err(format!(
                "number of channels opened on node has reached the maximum allowed limit of \
                 ({limit})"
            ));
        }
        match cap.filter(|limit| of_user >= *limit) {
            Some(limit) => Err(format!(
                "number of channels opened for user '{}' has reached the maximum allowed user \
                 limit of ({limit})",
                self.name()
            )),
            None => Ok(place),
        }
    }

    /// The user's name.
    fn name(&self) -> String {
        let open = self.census.open();
        open.visitors.get(&self.session).map(|visitor| visitor.user.to_string()).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.census.open();
        let visitor = open.visitors.remove(&self.session);
        if open.connections.remove(&self.session).is_none() {
            return;
        }
        self.census.closed.fetch_add(1, Ordering::Relaxed);
        self.census.went.notify_waiters();
        let Some(Visitor { host, user, .. }) = visitor else { return };
        if let Some(count) = open.by_virtual_host.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                open.by_virtual_host.remove(&host);
            }
        }
        if self.user.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            open.by_user.remove(&user);
        }
    }
}

impl Drop for ChannelPlace {
    fn drop(&mut self) {
        self.census.channels.fetch_sub(1, Ordering::Relaxed);
        self.user.channels.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn info(number: u64, virtual_host: &str) -> ConnectionInfo {
        ConnectionInfo {
            session: SessionId(number),
            name: String::new(),
            peer: ([127, 0, 0, 1], 1).into(),
            local: ([127, 0, 0, 1], 5672).into(),
            user: "guest".to_owned(),
            virtual_host: virtual_host.to_owned(),
            mechanism: "PLAIN".to_owned(),
            heartbeat_seconds: 60,
            frame_max: 131_072,
            channel_max: 2047,
            connected_at: 0,
            client_properties: Arc::default(),
            client_name: None,
            traffic: Arc::default(),
            outbox: tokio::sync::mpsc::unbounded_channel().0,
        }
    }

    fn visitor(host: u32, user: &str) -> Visitor {
        let outbox = tokio::sync::mpsc::unbounded_channel().0;
        Visitor { host: VirtualHostId(host), user: user.into(), is_stored: true, outbox }
    }

    #[test]
    fn there_are_so_many_connections_and_places_that_are_left_are_free() {
        let limits = Limits { connections: Some(4), ..Limits::default() };
        let census = Census::new(limits);
        let enter = |number, (host, name): (u32, &str), user: &str| {
            let info = ConnectionInfo { user: user.to_owned(), ..info(number, name) };
            let caps = Caps { virtual_host: Some(2), user: Some(3) };
            census.enter(info, visitor(host, user), caps)
        };
        let first = enter(1, (1, "a"), "guest").unwrap();
        let _second = enter(2, (1, "a"), "guest").unwrap();
        let refused = enter(3, (1, "a"), "guest").unwrap_err();
        assert_eq!(
            refused,
            "access to vhost 'a' refused for user 'guest': connection limit (2) is reached"
        );
        let _third = enter(3, (2, "b"), "guest").unwrap();
        let refused = enter(4, (2, "b"), "guest").unwrap_err();
        assert_eq!(
            refused,
            "connection refused for user 'guest': user connection limit (3) is reached"
        );
        let _other = enter(4, (2, "b"), "other").unwrap();
        let refused = enter(5, (1, "a"), "other").unwrap_err();
        assert_eq!(refused, "connection refused: node connection limit (4) is reached");
        drop(first);
        let _fourth = enter(5, (1, "a"), "guest").unwrap();
        assert_eq!(census.connections().len(), 4);
    }

    #[test]
    fn there_are_so_many_channels() {
        let census = Census::new(Limits { channels: Some(2), ..Limits::default() });
        let enter = |number, user| {
            census.enter(info(number, "a"), visitor(1, user), Caps::default()).unwrap()
        };
        let (guest, other) = (enter(1, "guest"), enter(2, "other"));
        let first = guest.enter_channel(Some(1)).unwrap();
        let refused = guest.enter_channel(Some(1)).unwrap_err();
        assert_eq!(
            refused,
            "number of channels opened for user 'guest' has reached the maximum allowed user limit \
             of (1)"
        );
        let _second = other.enter_channel(Some(1)).unwrap();
        let refused = guest.enter_channel(None).unwrap_err();
        assert_eq!(
            refused,
            "number of channels opened on node has reached the maximum allowed limit of (2)"
        );
        drop(first);
        drop(guest.enter_channel(Some(1)).unwrap());
        assert!(guest.enter_channel(Some(1)).is_ok());
    }

    #[test]
    fn visitors_are_found_and_count_for_no_limit() {
        let census = Census::new(Limits { connections: Some(1), ..Limits::default() });
        let place = census.visit(SessionId(1), visitor(1, "guest"));
        let _connection = census.enter(info(2, "a"), visitor(1, "guest"), Caps::default()).unwrap();
        let found = |user: &str| {
            let mut found = census.visitors(|it| &*it.user == user, |session, _| session.0);
            found.sort_unstable();
            found
        };
        assert_eq!(found("guest"), [1, 2]);
        assert_eq!(found("other"), [0; 0]);
        drop(place);
        assert_eq!(found("guest"), [2]);
        assert_eq!(census.connections().len(), 1);
    }

    #[test]
    fn who_waits_for_connections_to_go_waits_for_all_of_them_and_for_no_other() {
        let census = Census::new(Limits::default());
        let enter =
            |number| census.enter(info(number, "a"), visitor(1, "guest"), Caps::default()).unwrap();
        let (first, second) = (enter(1), enter(2));
        let connections = census.connections();
        let mut gone = std::pin::pin!(census.gone(&connections));
        let _third = enter(3);
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(gone.as_mut().poll(&mut nobody).is_pending());
        drop(second);
        assert!(gone.as_mut().poll(&mut nobody).is_pending());
        drop(first);
        assert!(gone.as_mut().poll(&mut nobody).is_ready());
    }
}

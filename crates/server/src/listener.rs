//! Takes connections in and gives each a task of its own; one that panics ends alone.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, warn};

use crate::broker::{News, Shared, Stage};
use crate::connection::Connection;
use crate::error::Error;
use crate::half_open::HalfOpen;
use crate::limits;

/// A listener at work.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    /// Closed when the last connection is gone.
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

/// Takes a port, for a listener that does not block; also gives the address with the port that was
/// really taken. `[::]` is all addresses of both kinds, or of the only kind that the machine has.
///
/// # Errors
///
/// Why it cannot be taken, in words that help.
pub fn listen(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), Error> {
    let failed = |error: &io::Error| Error::Listen { address, reason: reason(error) };
    let socket = match std::net::TcpListener::bind(address) {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && lacks_ipv6(&error) => {
            std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))
        }
        bound => bound,
    };
    let socket = socket.map_err(|error| failed(&error))?;
    socket.set_nonblocking(true).map_err(|error| failed(&error))?;
    let bound = socket.local_addr().map_err(|error| failed(&error))?;
    Ok((socket, bound))
}

/// What Linux answers when IPv6 is switched off: EAFNOSUPPORT or EADDRNOTAVAIL.
fn lacks_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is taken by another process".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => "the port needs more rights".to_owned(),
        _ => error.to_string(),
    }
}

impl Listener {
    pub(crate) fn start(
        socket: std::net::TcpListener,
        address: SocketAddr,
        shared: Arc<Shared>,
        news: watch::Receiver<News>,
    ) -> Result<Self, Error> {
        let socket = TcpListener::from_std(socket)
            .map_err(|error| Error::Listen { address, reason: error.to_string() })?;
        let (running, ended) = mpsc::channel(1);
        tokio::spawn(async move {
            accept_all(socket, shared, news).await;
            drop(running);
        });
        Ok(Self { address, ended: tokio::sync::Mutex::new(ended) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until all connections are gone. False if some are left.
    pub(crate) async fn stopped_within(&self, patience: Duration) -> bool {
        let mut ended = self.ended.lock().await;
        tokio::time::timeout(patience, ended.recv()).await.is_ok()
    }
}

/// Accepts until the broker stops, then waits for the connections to end.
async fn accept_all(socket: TcpListener, shared: Arc<Shared>, mut news: watch::Receiver<News>) {
    let heard = news.clone();
    let half_open = HalfOpen::new(limits::HALF_OPEN_CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    debug!(%peer, "accepting AMQP connection");
                    prepare(&stream);
                    let shared = Arc::clone(&shared);
                    let place = half_open.enter(peer.ip());
                    let number = place.number();
                    let connection = Connection::new(stream, peer, shared, place, heard.clone());
                    let task = connections.spawn(connection.run());
                    half_open.set_task(peer.ip(), number, task);
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => tell(ended),
            () = stopping(&mut news) => break,
        }
    }
    drop(socket);
    while let Some(ended) = connections.join_next().await {
        tell(ended);
    }
}

async fn stopping(news: &mut watch::Receiver<News>) {
    // An error means that the broker is gone, which is a stop too.
    let _ = news.wait_for(|news| news.stage != Stage::Running).await;
}

fn prepare(stream: &TcpStream) {
    // Batches are ours to make; the kernel must not wait for more.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
}

fn tell(ended: Result<(), tokio::task::JoinError>) {
    // One that was dropped before it had logged in is no failure.
    if let Err(error) = ended
        && !error.is_cancelled()
    {
        error!(%error, "a connection has failed; all others go on");
    }
}

//! Messages fetched for a time: for programs that come by HTTP alone, and can keep no channel open.
//!
//! A lease is a session of its own in the engine that has fetched some messages. They are settled one
//! by one or together by the number of the lease; when its time is over, whatever is left goes back
//! to its queue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::client::{Client, ClientError, Delivered, Settlement};
use crate::login::Identity;
use crate::management::{Management, OpenError};
use crate::{limits, names};

/// The name of a lease, which cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseId(pub String);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// The virtual host of the queue.
    pub virtual_host: String,
    /// The queue.
    pub queue: String,
    /// At most so many messages.
    pub max: usize,
    /// How long to wait for the first one.
    pub wait: Duration,
    /// How long the messages are lent.
    pub time: Duration,
}

/// A message that is lent.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Its number in the lease.
    pub number: u64,
    /// The message, and whether it was delivered before.
    pub delivered: Delivered,
}

/// Messages that are lent.
#[derive(Debug)]
pub struct Lease {
    /// Its name; `None` if there are no messages.
    pub id: Option<LeaseId>,
    /// The messages.
    pub messages: Vec<Leased>,
}

/// What becomes of messages of a lease, by their numbers.
#[derive(Debug, Clone, Default)]
pub struct LeaseSettlement {
    /// These are done with.
    pub acknowledge: Vec<u64>,
    /// These go back to their queue.
    pub requeue: Vec<u64>,
    /// These are done with and go where the queue's dead letters go.
    pub reject: Vec<u64>,
    /// From now on the rest is lent for so long.
    pub extend: Option<Duration>,
}

/// Why nothing is lent, or settled.
#[derive(Debug, Error)]
pub enum BadLease {
    /// There is none of that name: it may be over.
    #[error("there is no such lease: it may be over, and its messages back in their queue")]
    NotFound,
    /// A message is not of this lease, or was settled before.
    #[error("message {0} is not of this lease, or was settled before")]
    UnknownMessage(u64),
    /// Too many are under way.
    #[error("{} leases are under way, which is the limit", limits::LEASES)]
    TooMany,
    /// The virtual host cannot be used.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The queue cannot be used.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The system gives no random numbers.
    #[error("{0}")]
    Random(getrandom::Error),
}

/// What a lease is told, with where the number of messages that are left goes.
type Order = (LeaseSettlement, oneshot::Sender<Result<usize, BadLease>>);

/// All leases of this broker. Copies are the same.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Mutex<BTreeMap<LeaseId, Held>>>);

#[derive(Debug)]
struct Held {
    user: String,
    orders: mpsc::Sender<Order>,
}

/// The place of a lease that is being made or under way, which is free when this is dropped.
struct Place {
    leases: Leases,
    id: LeaseId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leases.held().remove(&self.id);
    }
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, BTreeMap<LeaseId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches messages, with the rights of whoever asks.
    ///
    /// # Errors
    ///
    /// See [`BadLease`].
    pub async fn fetch(
        &self,
        management: &Management,
        identity: &Identity,
        request: &LeaseRequest,
    ) -> Result<Lease, BadLease> {
        let id = LeaseId(names::generated("").map_err(BadLease::Random)?);
        let (orders, inbox) = mpsc::channel(limits::LEASE_ORDERS);
        let place = {
            let mut held = self.held();
            if held.len() >= limits::LEASES {
                return Err(BadLease::TooMany);
            }
            held.insert(id.clone(), Held { user: identity.user.to_string(), orders });
            Place { leases: self.clone(), id: id.clone() }
        };
        let mut client = management.open(identity, &request.virtual_host).await?;
        let messages = fetch(&mut client, request).await?;
        if messages.is_empty() {
            client.close().await;
            return Ok(Lease { id: None, messages });
        }
        let open: BTreeSet<u64> = messages.iter().map(|leased| leased.number).collect();
        let until = Instant::now() + request.time.min(limits::LEASE_MAX);
        tokio::spawn(hold(client, open, until, inbox, place));
        Ok(Lease { id: Some(id), messages })
    }

    /// Settles messages of a lease; gives how many are left.
    ///
    /// # Errors
    ///
    /// There is no such lease of this user, or a number is none of its messages; then nothing of
    /// this settlement was done.
    pub async fn settle(
        &self,
        identity: &Identity,
        id: &LeaseId,
        settlement: LeaseSettlement,
    ) -> Result<usize, BadLease> {
        let orders = {
            let held = self.held();
            let held = held.get(id).filter(|held| *held.user == *identity.user);
            held.ok_or(BadLease::NotFound)?.orders.clone()
        };
        let (reply, answer) = oneshot::channel();
        orders.send((settlement, reply)).await.map_err(|_| BadLease::NotFound)?;
        answer.await.map_err(|_| BadLease::NotFound)?
    }
}

/// Fetches what there is, and waits for the first message if there is none.
async fn fetch(client: &mut Client, request: &LeaseRequest) -> Result<Vec<Leased>, BadLease> {
    let until = Instant::now() + request.wait.min(limits::LEASE_WAIT_MAX);
    let max = request.max.clamp(1, limits::LEASE_MESSAGES);
    let mut pause = limits::LEASE_LOOK_FIRST;
    let mut messages: Vec<Leased> = vec![];
    let mut bytes = 0;
    loop {
        while messages.len() < max && bytes < limits::LEASE_BYTES {
            let Some(delivered) = client.get(&request.queue, false).await? else { break };
            bytes += delivered.message.encoded_bytes();
            messages.push(Leased { number: delivered.delivery_tag, delivered });
        }
        let left = until.saturating_duration_since(Instant::now());
        if !messages.is_empty() || left.is_zero() {
            return Ok(messages);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (2 * pause).min(limits::LEASE_LOOK_LAST);
    }
}

/// Keeps the session of a lease until all is settled or its time is over.
async fn hold(
    mut client: Client,
    mut open: BTreeSet<u64>,
    mut until: Instant,
    mut orders: mpsc::Receiver<Order>,
    place: Place,
) {
    while !open.is_empty() {
        let order = tokio::time::timeout_at(until, orders.recv()).await;
        let Ok(Some((settlement, reply))) = order else { break };
        if let Some(time) = settlement.extend {
            until = Instant::now() + time.min(limits::LEASE_MAX);
        }
        let settled = settle(&mut client, &mut open, &settlement).await;
        let is_over = matches!(settled, Err(BadLease::Client(_)));
        // Whoever settles may be gone.
        let _ = reply.send(settled.map(|()| open.len()));
        if is_over {
            break;
        }
    }
    drop(place);
    client.close().await;
}

async fn settle(
    client: &mut Client,
    open: &mut BTreeSet<u64>,
    settlement: &LeaseSettlement,
) -> Result<(), BadLease> {
    let LeaseSettlement { acknowledge, requeue, reject, .. } = settlement;
    let mut named = BTreeSet::new();
    for number in acknowledge.iter().chain(requeue).chain(reject) {
        if !open.contains(number) || !named.insert(*number) {
            return Err(BadLease::UnknownMessage(*number));
        }
    }
    client.settle_all(acknowledge, Settlement::Acknowledge).await?;
    client.settle_all(requeue, Settlement::Requeue).await?;
    client.settle_all(reject, Settlement::Reject).await?;
    open.retain(|number| !named.contains(number));
    Ok(())
}

//! Messages lent for a time, for programs that come by HTTP alone.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_server::{BadLease, LeaseId, LeaseRequest, LeaseSettlement, Leased, OpenError};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::session::message_refused;
use crate::{limits, properties};

/// What is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostLease {
    /// How many messages at most.
    #[serde(default = "one")]
    count: usize,
    /// Seconds to wait for the first message.
    #[serde(default)]
    wait: f64,
    /// Seconds that the messages are lent for.
    #[serde(default = "lease_seconds")]
    lease: f64,
}

fn one() -> usize {
    1
}

fn lease_seconds() -> f64 {
    limits::LEASE_SECONDS
}

/// Messages that are lent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LeaseObject {
    /// By which they are settled; nothing if there are no messages.
    lease: Option<String>,
    messages: Vec<LeasedMessage>,
}

/// A message that is lent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LeasedMessage {
    /// Its number in the lease.
    number: u64,
    redelivered: bool,
    exchange: String,
    routing_key: String,
    properties: Map<String, Value>,
    payload_bytes: usize,
    payload: String,
    /// `string` or `base64`.
    payload_encoding: &'static str,
}

/// What becomes of messages.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PostSettlement {
    /// These are done with.
    ack: Vec<u64>,
    /// These go back to their queue.
    requeue: Vec<u64>,
    /// These are done with, as dead letters if the queue has a place for these.
    reject: Vec<u64>,
    /// The others are lent for so many seconds from now on.
    extend: Option<f64>,
}

/// What is left of a lease.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Settled {
    /// Messages that are not settled.
    left: usize,
}

fn seconds(seconds: f64, name: &str) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::bad_request(format!("{name}: is no number of seconds")))
}

fn failed(error: BadLease) -> Error {
    match error {
        BadLease::NotFound => Error::NotFound(error.to_string()),
        BadLease::UnknownMessage(_) => Error::bad_request(error.to_string()),
        BadLease::TooMany | BadLease::Random(_) => Error::Unavailable(error.to_string()),
        BadLease::Client(error) => message_refused(error),
        BadLease::Open(OpenError::VirtualHostNotFound(_)) => Error::NoSuchObject,
        BadLease::Open(OpenError::Refused { .. }) => Error::not_authorised("Access refused."),
        BadLease::Open(OpenError::Closed) => Error::Unavailable(error.to_string()),
    }
}

impl LeasedMessage {
    fn of(leased: &Leased) -> Self {
        let Leased { number, delivered } = leased;
        let message = &delivered.message;
        let (payload, payload_encoding) = crate::waiting::shown(message.body(), usize::MAX);
        Self {
            number: *number,
            redelivered: delivered.redelivered,
            exchange: message.exchange().to_owned(),
            routing_key: message.routing_key().to_owned(),
            properties: properties::to_json(message.properties()),
            payload_bytes: message.body().len(),
            payload,
            payload_encoding,
        }
    }
}

pub(crate) async fn post(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let queue = call.path("queue").to_owned();
    let PostLease { count, wait, lease } = call.json().await?;
    let (wait, time) = (seconds(wait, "wait")?, seconds(lease, "lease")?);
    let request = LeaseRequest { virtual_host, queue, max: count, wait, time };
    let lease = call.api.leases.fetch(&call.api.management, &call.identity, &request).await;
    let lease = lease.map_err(failed)?;
    answer::ok(&LeaseObject {
        lease: lease.id.map(|id| id.to_string()),
        messages: lease.messages.iter().map(LeasedMessage::of).collect(),
    })
}

pub(crate) async fn settle(mut call: Call) -> Answer {
    let id = LeaseId(call.path("lease").to_owned());
    let PostSettlement { ack, requeue, reject, extend } = call.json().await?;
    let settlement = LeaseSettlement {
        acknowledge: ack,
        requeue,
        reject,
        extend: extend.map(|extend| seconds(extend, "extend")).transpose()?,
    };
    let left = call.api.leases.settle(&call.identity, &id, settlement).await.map_err(failed)?;
    answer::ok(&Settled { left })
}

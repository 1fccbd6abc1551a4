//! Messages that wait in queues or are out with consumers: seen, not taken. And queues that pause.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use warren_engine::{Message, Outstanding, Place, Request, Right};
use warren_server::{LookError, MessageFilter};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::session::request;
use crate::{limits, properties};

/// Messages of a queue, in the order of their delivery.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Page {
    messages: Vec<WaitingMessage>,
    /// How many messages were looked at to find these.
    looked_at: usize,
    /// The `from` of the next page; there is none behind the last one.
    next: Option<String>,
}

/// A message that waits.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WaitingMessage {
    /// Where it waits: its name as long as it is there.
    place: String,
    exchange: String,
    routing_key: String,
    /// It was delivered before.
    redelivered: bool,
    /// How often it came back, in queues that count it.
    delivery_count: u32,
    /// When the broker accepted it, in milliseconds since 1970.
    accepted_at: Option<u64>,
    /// When it expires, if that is known, in milliseconds since 1970.
    expires_at: Option<u64>,
    properties: Map<String, Value>,
    /// Bytes of the whole body.
    payload_bytes: usize,
    /// The body, or its beginning.
    payload: String,
    /// `string` or `base64`.
    payload_encoding: &'static str,
}

/// A delivery that is not acknowledged.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnacknowledgedMessage {
    place: String,
    delivery_tag: u64,
    /// The consumer's tag; nothing if the message was fetched.
    consumer_tag: Option<String>,
    /// The connection that has it; nothing if that is the HTTP API.
    connection: Option<String>,
    channel: u16,
    /// When it was delivered, in milliseconds since 1970.
    delivered_at: Option<u64>,
    /// Seconds since then.
    age: f64,
    redelivered: bool,
    payload_bytes: u32,
    exchange: Option<String>,
    routing_key: Option<String>,
    /// Nothing if the content is on disk alone.
    payload: Option<String>,
    payload_encoding: Option<&'static str>,
}

/// Deliveries that are not acknowledged.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnacknowledgedPage {
    items: Vec<UnacknowledgedMessage>,
    /// How many there are in all.
    total_count: usize,
}

/// How much of a body an answer holds.
pub(crate) fn shown(body: &[u8], truncate: usize) -> (String, &'static str) {
    let shown = body.get(..truncate).unwrap_or(body);
    match std::str::from_utf8(shown) {
        Ok(text) => (text.to_owned(), "string"),
        Err(_) => (STANDARD.encode(shown), "base64"),
    }
}

/// The place that a parameter or a body names.
pub(crate) fn place(text: &str) -> Result<Place, Error> {
    text.parse().map_err(|_| Error::BadTerm("not_a_place", text.to_owned()))
}

/// The conditions of a request's query string.
pub(crate) fn filter(call: &Call) -> Result<MessageFilter, Error> {
    let text = |name| call.query.get(name).map(str::to_owned);
    let mut filter = MessageFilter::default().routing_key(text("key")).body(text("body"));
    if let Some(header) = call.query.get("header") {
        filter = match header.split_once('=') {
            Some((name, value)) => filter.header(name.to_owned(), Some(value.to_owned())),
            None => filter.header(header.to_owned(), None),
        };
    }
    let filter = filter.expression(call.query.get("expression"));
    filter.map_err(|error| Error::bad_request(error.to_string()))
}

/// A look has failed.
pub(crate) fn look_failed(error: &LookError) -> Error {
    match error {
        LookError::VirtualHostNotFound(_) | LookError::Refused(_) => Error::NoSuchObject,
        LookError::Closed => Error::Unavailable(error.to_string()),
    }
}

/// To see messages is to read the queue.
pub(crate) fn check_reads(call: &Call, virtual_host: &str, queue: &str) -> Result<(), Error> {
    let access = call.api.management.access(&call.identity, virtual_host);
    match access.is_some_and(|access| access.may(Right::Read, queue)) {
        true => Ok(()),
        false => Err(Error::not_authorised("Access refused.")),
    }
}

fn number(call: &Call, name: &'static str, default: usize) -> Result<usize, Error> {
    let Some(text) = call.query.get(name) else { return Ok(default) };
    text.parse().map_err(|_| Error::BadTerm("not_int", text.to_owned()))
}

pub(crate) async fn browse(call: Call) -> Answer {
    let (virtual_host, queue) = (call.virtual_host()?, call.path("queue"));
    check_reads(&call, virtual_host, queue)?;
    let from = call.query.get("from").map(place).transpose()?;
    let count = number(&call, "count", limits::BROWSED_BY_DEFAULT)?;
    let truncate = number(&call, "truncate", limits::BROWSED_BODY_BYTES)?;
    let filter = filter(&call)?;
    let page = call.api.management.browse(virtual_host, queue, from, count, &filter).await;
    let page = page.map_err(|error| look_failed(&error))?;
    let messages = page.messages.iter().map(|browsed| {
        let Parts { exchange, routing_key, properties, accepted_at } = Parts::of(&browsed.message);
        let (payload, payload_encoding) = shown(browsed.message.body(), truncate);
        WaitingMessage {
            place: browsed.place.to_string(),
            exchange,
            routing_key,
            redelivered: browsed.redelivered,
            delivery_count: browsed.returns,
            accepted_at,
            expires_at: browsed.expires,
            properties,
            payload_bytes: browsed.message.body().len(),
            payload,
            payload_encoding,
        }
    });
    answer::ok(&Page {
        messages: messages.collect(),
        looked_at: page.looked_at,
        next: page.next.map(|next| next.to_string()),
    })
}

struct Parts {
    exchange: String,
    routing_key: String,
    properties: Map<String, Value>,
    accepted_at: Option<u64>,
}

impl Parts {
    fn of(message: &Message) -> Self {
        let time = message.time();
        Self {
            exchange: message.exchange().to_owned(),
            routing_key: message.routing_key().to_owned(),
            properties: properties::to_json(message.properties()),
            accepted_at: (time > 0).then_some(time),
        }
    }
}

pub(crate) async fn unacknowledged(call: Call) -> Answer {
    let (virtual_host, queue) = (call.virtual_host()?, call.path("queue"));
    check_reads(&call, virtual_host, queue)?;
    let page = number(&call, "page", 1)?.max(1);
    let size = number(&call, "page_size", limits::BROWSED_BY_DEFAULT)?;
    let truncate = number(&call, "truncate", limits::BROWSED_BODY_BYTES)?;
    let skip = (page - 1).saturating_mul(size);
    let found = call.api.management.outstanding(virtual_host, queue, skip, size).await;
    let (found, total_count) = found.map_err(|error| look_failed(&error))?;
    let name = |delivery: &Outstanding| {
        let holder = call.api.management.connection_of(delivery.session);
        holder.map(|holder| holder.name.clone())
    };
    let now = warren_server::now();
    let items = found.iter().map(|delivery| {
        let message = delivery.message.as_ref();
        let shown = message.map(|message| shown(message.body(), truncate));
        UnacknowledgedMessage {
            place: delivery.place.to_string(),
            delivery_tag: delivery.delivery_tag,
            consumer_tag: delivery.consumer_tag.clone(),
            connection: name(delivery),
            channel: delivery.channel,
            delivered_at: (delivery.since > 0).then_some(delivery.since),
            age: now.saturating_sub(delivery.since) as f64 / 1000.0,
            redelivered: delivery.redelivered,
            payload_bytes: delivery.body_bytes,
            exchange: message.map(|message| message.exchange().to_owned()),
            routing_key: message.map(|message| message.routing_key().to_owned()),
            payload_encoding: shown.as_ref().map(|(_, encoding)| *encoding),
            payload: shown.map(|(payload, _)| payload),
        }
    });
    answer::ok(&UnacknowledgedPage { items: items.collect(), total_count })
}

pub(crate) async fn pause(call: Call) -> Answer {
    set_paused(call, true).await
}

pub(crate) async fn resume(call: Call) -> Answer {
    set_paused(call, false).await
}

async fn set_paused(call: Call, paused: bool) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let queue = call.path("queue").to_owned();
    request(&call, &virtual_host, Request::PauseQueue { queue, paused }).await?;
    answer::done()
}

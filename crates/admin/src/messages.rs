//! Messages: published to exchanges, fetched from queues.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_server::{Delivered, Settlement};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::json::lenient;
use crate::session::{message_refused, open, publish_refused};
use crate::{limits, properties};

/// A message to publish.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Publish {
    /// The routing key.
    routing_key: String,
    /// The message's properties by name: `content_type`, `delivery_mode`, `headers` and so on.
    #[schemars(with = "Map<String, Value>")]
    properties: Value,
    /// The body.
    #[schemars(with = "String")]
    payload: Value,
    /// `string`, or `base64` for a body that is no text.
    payload_encoding: String,
}

/// What became of a published message.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Published {
    /// There was at least one queue for it.
    routed: bool,
}

/// Which messages to fetch.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Get {
    /// What becomes of the messages: `ack_requeue_true` and `reject_requeue_true` put them back,
    /// `ack_requeue_false` takes them, `reject_requeue_false` makes dead letters of them.
    ackmode: String,
    /// How many at most.
    #[serde(deserialize_with = "lenient::integer")]
    count: i64,
    /// `auto` (text if it is some), or `base64`.
    encoding: String,
    /// Bytes of a body after which it is cut off.
    #[serde(default, deserialize_with = "lenient::maybe_integer")]
    truncate: Option<i64>,
}

/// A message that was fetched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Message {
    /// Bytes of the whole body.
    payload_bytes: usize,
    /// It was delivered before.
    redelivered: bool,
    exchange: String,
    routing_key: String,
    /// How many messages are left in the queue.
    message_count: u32,
    properties: Map<String, Value>,
    payload: String,
    /// `string` or `base64`.
    payload_encoding: &'static str,
}

pub(crate) async fn publish(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host_to_change()?.to_owned();
    let exchange = call.exchange("exchange").to_owned();
    let Publish { routing_key, properties, payload, payload_encoding } = call.json().await?;
    let Value::String(payload) = payload else {
        return Err(Error::bad_request("payload_not_string"));
    };
    let body = match payload_encoding.as_str() {
        "string" => payload.into_bytes(),
        "base64" => match STANDARD.decode(&payload) {
            Ok(body) => body,
            Err(_) => return Err(Error::BadTerm("not_base64", payload)),
        },
        _ => return Err(Error::BadTerm("unsupported_encoding", payload_encoding)),
    };
    if routing_key.len() > usize::from(u8::MAX) {
        return Err(Error::bad_request("routing_key: is longer than 255 bytes"));
    }
    let properties = properties::from_json(&properties)?;
    let mut client = open(&call, &virtual_host).await?;
    let published = client.publish(&exchange, &routing_key, &properties, &body, true).await;
    let routed = published.map_err(publish_refused)?;
    client.close().await;
    answer::ok(&Published { routed })
}

/// What becomes of messages that were fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// They are gone by being fetched.
    Gone,
    /// This.
    Settled(Settlement),
}

impl After {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "ack_requeue_false" => Some(Self::Gone),
            "ack_requeue_true" | "reject_requeue_true" => Some(Self::Settled(Settlement::Requeue)),
            "reject_requeue_false" => Some(Self::Settled(Settlement::Reject)),
            _ => None,
        }
    }
}

pub(crate) async fn get(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host_to_change()?.to_owned();
    let queue = call.path("queue").to_owned();
    let Get { ackmode, count, encoding, truncate } = call.json().await?;
    let after = After::from_name(&ackmode).ok_or(Error::BadTerm("unknown_ackmode", ackmode))?;
    let as_text = match encoding.as_str() {
        "auto" => true,
        "base64" => false,
        _ => {
            let reason = "Unsupported encoding. Please use auto or base64.";
            return Err(Error::bad_request(reason));
        }
    };
    let amount = |number: i64, name| {
        let wrong = || Error::BadRequest(format!("{name}: {number} is less than nothing"));
        usize::try_from(number).map_err(|_| wrong())
    };
    let count = amount(count, "count")?.min(limits::FETCHED_MESSAGES);
    let truncate = truncate.map(|bytes| amount(bytes, "truncate")).transpose()?;

    let mut client = open(&call, &virtual_host).await?;
    let (mut messages, mut tags, mut bytes) = (vec![], vec![], 0);
    while messages.len() < count && bytes < limits::FETCHED_BYTES {
        let fetched = client.get(&queue, after == After::Gone).await.map_err(message_refused)?;
        let Some(delivered) = fetched else { break };
        tags.push(delivered.delivery_tag);
        let message = Message::of(&delivered, as_text, truncate);
        bytes += message.payload.len();
        messages.push(message);
    }
    // After the last one: a message that is put back would be fetched again.
    if let After::Settled(settlement) = after {
        for tag in tags {
            client.settle(tag, settlement).await.map_err(message_refused)?;
        }
    }
    client.close().await;
    answer::ok(&messages)
}

impl Message {
    fn of(delivered: &Delivered, as_text: bool, truncate: Option<usize>) -> Self {
        let message = &delivered.message;
        let body = message.body();
        let shown = body.get(..truncate.unwrap_or(usize::MAX)).unwrap_or(body);
        let (payload, payload_encoding) = match std::str::from_utf8(shown) {
            Ok(text) if as_text => (text.to_owned(), "string"),
            _ => (STANDARD.encode(shown), "base64"),
        };
        Self {
            payload_bytes: body.len(),
            redelivered: delivered.redelivered,
            exchange: message.exchange().to_owned(),
            routing_key: message.routing_key().to_owned(),
            message_count: delivered.message_count,
            properties: properties::to_json(message.properties()),
            payload,
            payload_encoding,
        }
    }
}

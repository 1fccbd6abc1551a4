//! Why a message goes where it goes, and which went nowhere.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_engine::{Destination, Explanation, Judged, Message, MessageBatch, Step};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::waiting::look_failed;
use crate::{field_table, properties};

/// A message that is not published.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PostMessage {
    /// The routing key.
    routing_key: String,
    /// The properties, with `headers` among them.
    properties: Map<String, Value>,
}

/// The way of a message.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExplanationObject {
    /// The queues that it would enter.
    queues: Vec<String>,
    /// The exchanges that it would come to, in order.
    steps: Vec<StepObject>,
}

/// What happens at an exchange.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StepObject {
    /// Empty for the default exchange.
    exchange: String,
    r#type: &'static str,
    /// Those that lead on, then the others, the nearest first.
    bindings: Vec<JudgedObject>,
    /// Bindings that are not listed, as there are very many.
    unlisted: usize,
    /// The alternate exchange that gets the message, as no binding leads on.
    alternate: Option<String>,
}

/// What a binding says to the message.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JudgedObject {
    destination: String,
    /// `queue` or `exchange`.
    destination_type: &'static str,
    routing_key: String,
    arguments: Map<String, Value>,
    matched: bool,
    /// Why, or why not.
    reason: String,
    /// How far it is from leading on, in hundredths of a word of the key or of a header; 0 if it
    /// does. None where it is no question of more or less.
    distance: Option<u32>,
}

/// Messages of an exchange that went nowhere.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnroutablePage {
    /// How many since the start of the broker.
    total_count: u64,
    /// The last ones, the newest in front.
    items: Vec<UnroutableMessage>,
}

/// A message that went nowhere.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnroutableMessage {
    /// In milliseconds since 1970.
    time: u64,
    routing_key: String,
    properties: Map<String, Value>,
    /// It went back to its publisher.
    returned: bool,
    payload_bytes: u32,
    /// The beginning of the body.
    payload: String,
    /// `string` or `base64`.
    payload_encoding: &'static str,
}

impl From<Explanation> for ExplanationObject {
    fn from(explanation: Explanation) -> Self {
        let Explanation { steps, queues } = explanation;
        Self { queues, steps: steps.into_iter().map(StepObject::from).collect() }
    }
}

impl From<Step> for StepObject {
    fn from(step: Step) -> Self {
        let Step { exchange, kind, bindings, unlisted, alternate } = step;
        let bindings = bindings.into_iter().map(JudgedObject::from).collect();
        Self { exchange, r#type: kind.name(), bindings, unlisted, alternate }
    }
}

impl From<Judged> for JudgedObject {
    fn from(judged: Judged) -> Self {
        let Judged { binding, matched, reason, distance } = judged;
        let (destination_type, destination) = match binding.destination {
            Destination::Queue(name) => ("queue", name),
            Destination::Exchange(name) => ("exchange", name),
        };
        Self {
            destination,
            destination_type,
            routing_key: binding.routing_key,
            arguments: field_table::to_json(&binding.arguments),
            matched,
            reason,
            distance,
        }
    }
}

pub(crate) async fn post(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let exchange = call.exchange("exchange").to_owned();
    let PostMessage { routing_key, properties } = call.json().await?;
    let properties = properties::from_json(&Value::Object(properties))?;
    if routing_key.len() > usize::from(u8::MAX) {
        return Err(Error::bad_request("routing_key: is longer than 255 bytes"));
    }
    let mut batch = MessageBatch::default();
    batch.push(&exchange, &routing_key, &properties, b"");
    batch.finish();
    let Some(message) = Message::new(&Arc::new(batch), 0) else { return Err(Error::NoSuchObject) };
    let explained = call.api.management.explain(&virtual_host, message).await;
    let explained = explained.map_err(|error| look_failed(&error))?.ok_or(Error::NoSuchObject)?;
    answer::ok(&ExplanationObject::from(explained))
}

pub(crate) async fn unroutable(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?;
    let exchange = call.exchange("exchange");
    let found = call.api.management.unroutable(virtual_host, exchange).await;
    let (total_count, found) = found.map_err(|error| look_failed(&error))?;
    let items = found.into_iter().map(|message| {
        let (payload, payload_encoding) = match String::from_utf8(message.body) {
            Ok(text) => (text, "string"),
            Err(error) => (STANDARD.encode(error.as_bytes()), "base64"),
        };
        UnroutableMessage {
            time: message.time,
            routing_key: message.routing_key,
            properties: properties::to_json(&message.properties),
            returned: message.returned,
            payload_bytes: message.body_bytes,
            payload,
            payload_encoding,
        }
    });
    answer::ok(&UnroutablePage { total_count, items: items.collect() })
}

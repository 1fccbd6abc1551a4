//! Messages whose bodies tell which they are, and whose every byte can be checked.

use std::sync::Arc;

use warren_amqp::properties;
use warren_amqp::table::{self, Value};
use warren_engine::{Message, MessageBatch, Milliseconds};

use crate::trace::fnv;

/// A message's number in a run, counted from 0 in the order in which clients made them.
pub(crate) type MessageId = u64;

/// What a client asks to be published.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) id: MessageId,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) persistent: bool,
    pub(crate) priority: Option<u8>,
    /// The header `h`, for exchanges that route by it.
    pub(crate) header: Option<&'static str>,
    /// More routing keys: in the header `CC`, and in `BCC`, which no consumer sees.
    pub(crate) shown_keys: Vec<&'static str>,
    pub(crate) hidden_keys: Vec<&'static str>,
    /// No exchange is to keep it for those who come later.
    pub(crate) is_not_kept: bool,
    pub(crate) body_bytes: usize,
    /// When it was accepted.
    pub(crate) time: Milliseconds,
    /// How long it wants to wait.
    pub(crate) expiration: Option<Milliseconds>,
}

const FILTER_VALUE: &str = "x-stream-filter-value";
const NOT_KEPT: &str = "x-recent-history-no-store";
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const EXPIRATION: u16 = 1 << 8;

impl Publication {
    /// How long the body is: it begins with the number.
    pub(crate) fn body_length(&self) -> u64 {
        self.body_bytes.max(size_of::<MessageId>()) as u64
    }

    /// All routing keys.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let more = self.shown_keys.iter().chain(&self.hidden_keys);
        [self.routing_key.as_str()].into_iter().chain(more.copied()).collect()
    }

    /// Flags and list of the content header, as published or as consumers see it.
    fn properties(&self, published: bool) -> Vec<u8> {
        let mut flags = 0;
        let mut list = vec![];
        let has_keys = !self.shown_keys.is_empty() || !self.hidden_keys.is_empty();
        if self.header.is_some() || has_keys || self.is_not_kept {
            flags |= HEADERS;
            let mut table = vec![];
            if !self.hidden_keys.is_empty() && published {
                put_keys(&mut table, "BCC", &self.hidden_keys);
            }
            if let Some(value) = self.header {
                table.extend([1, b'h']);
                put_text(&mut table, value);
                // The same, for consumers of streams.
                table.push(FILTER_VALUE.len() as u8);
                table.extend(FILTER_VALUE.as_bytes());
                put_text(&mut table, value);
            }
            if self.is_not_kept {
                table.push(NOT_KEPT.len() as u8);
                table.extend(NOT_KEPT.as_bytes());
                table.extend(b"t\x01");
            }
            if !self.shown_keys.is_empty() {
                put_keys(&mut table, "CC", &self.shown_keys);
            }
            list.extend((table.len() as u32).to_be_bytes());
            list.extend(table);
        }
        if self.persistent {
            flags |= DELIVERY_MODE;
            list.push(2);
        }
        if let Some(priority) = self.priority {
            flags |= PRIORITY;
            list.push(priority);
        }
        if let Some(expiration) = self.expiration {
            flags |= EXPIRATION;
            let text = expiration.to_string();
            list.push(text.len() as u8);
            list.extend(text.as_bytes());
        }
        let mut properties = flags.to_be_bytes().to_vec();
        properties.extend(list);
        properties
    }

    /// The number, then bytes that follow from it.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = self.id.to_be_bytes().to_vec();
        let mut state = self.id.wrapping_mul(0x5851_f42d_4c95_7f2d) | 1;
        while body.len() < self.body_bytes {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            body.push((state >> 56) as u8);
        }
        body
    }
}

fn put_text(table: &mut Vec<u8>, text: &str) {
    table.push(b'S');
    table.extend((text.len() as u32).to_be_bytes());
    table.extend(text.as_bytes());
}

fn put_keys(table: &mut Vec<u8>, name: &str, keys: &[&str]) {
    let mut array = vec![];
    keys.iter().for_each(|key| put_text(&mut array, key));
    table.push(name.len() as u8);
    table.extend(name.as_bytes());
    table.push(b'A');
    table.extend((array.len() as u32).to_be_bytes());
    table.extend(array);
}

/// Lays publications end to end.
pub(crate) fn batch(publications: &[Publication]) -> Arc<MessageBatch> {
    let time = publications.first().map_or(0, |one| one.time);
    let mut batch = MessageBatch::with_capacity(publications.len(), 0).at(time);
    for one in publications {
        batch.push(&one.exchange, &one.routing_key, &one.properties(true), &one.body());
    }
    Arc::new(batch)
}

/// The number that a message carries.
pub(crate) fn id_of(message: &Message) -> Option<MessageId> {
    message.body().first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// A hash of all of a message that a consumer sees.
pub(crate) fn hash_of(message: &Message) -> u64 {
    let properties = message.properties();
    hash_of_parts(message.exchange(), message.routing_key(), properties, message.body())
}

/// What [`hash_of`] gives for a publication when it is delivered.
pub(crate) fn hash_when_delivered(message: &Publication) -> u64 {
    let properties = message.properties(false);
    hash_of_parts(&message.exchange, &message.routing_key, &properties, &message.body())
}

fn hash_of_parts(exchange: &str, routing_key: &str, properties: &[u8], body: &[u8]) -> u64 {
    let parts = [exchange.as_bytes(), b"\n", routing_key.as_bytes(), b"\n", properties, body];
    parts.into_iter().fold(0, fnv)
}

/// Deaths of a message in the same queue for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) queue: String,
    pub(crate) reason: String,
    pub(crate) count: u32,
}

/// How a message died, as its headers tell: the latest death first.
pub(crate) fn deaths_of(message: &Message) -> Vec<Death> {
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let Some(Value::Array(deaths)) = table::get(headers, "x-death") else { return vec![] };
    let text = |death, name| match table::get(death, name) {
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    let one = |death| match death {
        Value::Table(death) => {
            let count = match table::get(death, "count") {
                Some(Value::Int(count)) => u32::try_from(count).unwrap_or_default(),
                _ => 0,
            };
            Some(Death { queue: text(death, "queue"), reason: text(death, "reason"), count })
        }
        _ => None,
    };
    table::elements(deaths).filter_map(one).collect()
}

/// How often a message came back, as its header tells.
pub(crate) fn returns_of(message: &Message) -> u32 {
    let headers = properties::headers(message.properties()).unwrap_or_default();
    match table::get(headers, "x-delivery-count") {
        Some(Value::Int(count)) => u32::try_from(count).unwrap_or_default(),
        _ => 0,
    }
}

/// True if the parts of a message are as they were published that no broker changes, though it
/// added headers.
pub(crate) fn is_same(message: &Message, publication: &Publication) -> bool {
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let header = publication.header.map(|header| Value::Bytes(header.as_bytes()));
    message.body() == publication.body()
        && message.is_persistent() == publication.persistent
        && table::get(headers, "h") == header
}

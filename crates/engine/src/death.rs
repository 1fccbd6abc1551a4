//! What a message tells of its deaths: the headers that RabbitMQ adds when a queue gives a message
//! up, and the count of deliveries.
//!
//! ```text
//! x-death                array, the latest first, a table for each queue and reason
//!   count                how often, as a long
//!   reason, queue        both texts
//!   time                 of the first of these deaths, in seconds
//!   exchange             that the message had come from
//!   routing-keys         those that it had come with, its CC among them
//!   original-expiration  if it had one; it is taken away
//! x-first-death-reason, -queue, -exchange      stay as they are
//! x-last-death-reason, -queue, -exchange       of this death
//! ```

use warren_amqp::table::{self, Value};
use warren_amqp::{properties, properties::Property};

use crate::{Message, MessageBatch, Milliseconds};

/// Why a queue gives a message up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A consumer refused it.
    Rejected,
    /// It waited for too long.
    Expired,
    /// The queue had more messages than it may.
    MaxLength,
    /// It came back too often.
    DeliveryLimit,
}

impl Reason {
    /// As headers have it.
    fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// A death, and where it leads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death<'a> {
    pub(crate) queue: &'a str,
    pub(crate) reason: Reason,
    pub(crate) time: Milliseconds,
    /// The exchange that the message goes to.
    pub(crate) exchange: &'a str,
    /// In the place of its own keys.
    pub(crate) routing_key: Option<&'a str>,
}

const DEATHS: &str = "x-death";
const CC: &str = "CC";
const DELIVERY_COUNT: &str = "x-delivery-count";

const FIRST: [&str; 3] = ["x-first-death-reason", "x-first-death-queue", "x-first-death-exchange"];
const LAST: [&str; 3] = ["x-last-death-reason", "x-last-death-queue", "x-last-death-exchange"];

/// Room for what is told of a death, in bytes. More is taken if it is not enough.
const DEATH_BYTES: usize = 384;

/// Memory that is used again from message to message.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    headers: Vec<u8>,
    properties: Vec<u8>,
}

/// Appends a message to a batch as it is after a death.
pub(crate) fn push(
    batch: &mut MessageBatch,
    message: &Message,
    death: Death<'_>,
    scratch: &mut Scratch,
) {
    let Scratch { headers, properties } = scratch;
    let before = properties::headers(message.properties()).unwrap_or_default();
    headers.clear();
    headers.reserve(before.len() + DEATH_BYTES);
    put_headers(headers, before, message, death);
    properties.clear();
    properties::rewrite(message.properties(), headers, false, properties);
    // With a key of its own it goes nowhere else.
    let parts = message.parts();
    let (routing_key, hidden_keys) = match death.routing_key {
        Some(key) => (key.as_bytes(), &[][..]),
        None => (parts.routing_key, parts.hidden_keys),
    };
    let (exchange, body) = (death.exchange.as_bytes(), parts.body);
    batch.push_with_hidden_keys(exchange, routing_key, hidden_keys, properties, body);
}

fn put_headers(out: &mut Vec<u8>, before: &[u8], message: &Message, death: Death<'_>) {
    let deaths = match table::get(before, DEATHS) {
        Some(Value::Array(raw)) => Some(raw),
        _ => None,
    };
    let told = [death.reason.name(), death.queue, message.exchange()];
    for (key, value) in table::raw_entries(before) {
        let is_new = key == DEATHS
            || LAST.contains(&key)
            || (deaths.is_none() && FIRST.contains(&key))
            || (key == CC && death.routing_key.is_some());
        if !is_new {
            put_key(out, key);
            out.extend_from_slice(value);
        }
    }
    put_key(out, DEATHS);
    let array = begin(out, b'A');
    put_deaths(out, deaths.unwrap_or_default(), before, message, death);
    end(out, array);
    if deaths.is_none() {
        FIRST.into_iter().zip(told).for_each(|(key, text)| put_text(out, key, text));
    }
    LAST.into_iter().zip(told).for_each(|(key, text)| put_text(out, key, text));
}

/// The new death in front, joined to earlier ones in the same queue for the same reason.
fn put_deaths(
    out: &mut Vec<u8>,
    deaths: &[u8],
    headers: &[u8],
    message: &Message,
    death: Death<'_>,
) {
    let same = table::raw_elements(deaths).find(|element| is_death(element, death));
    let table = begin(out, b'F');
    match same.and_then(table_of) {
        Some(same) => {
            let count = match table::get(same, "count") {
                Some(Value::Int(count)) => count.saturating_add(1),
                _ => 1,
            };
            put_count(out, "count", count);
            for (key, value) in table::raw_entries(same).filter(|(key, _)| *key != "count") {
                put_key(out, key);
                out.extend_from_slice(value);
            }
        }
        None => put_new_death(out, headers, message, death),
    }
    end(out, table);
    for element in table::raw_elements(deaths).filter(|element| !is_death(element, death)) {
        out.extend_from_slice(element);
    }
}

fn put_new_death(out: &mut Vec<u8>, headers: &[u8], message: &Message, death: Death<'_>) {
    put_count(out, "count", 1);
    put_text(out, "reason", death.reason.name());
    put_text(out, "queue", death.queue);
    put_key(out, "time");
    out.push(b'T');
    out.extend_from_slice(&(death.time / 1000).to_be_bytes());
    put_text(out, "exchange", message.exchange());
    put_key(out, "routing-keys");
    let keys = begin(out, b'A');
    put_bytes(out, message.routing_key().as_bytes());
    if let Some(Value::Array(raw)) = table::get(headers, CC) {
        for key in table::elements(raw) {
            if let Value::Bytes(key) = key {
                put_bytes(out, key);
            }
        }
    }
    end(out, keys);
    if let Some(expiration) = properties::get(message.properties(), Property::Expiration) {
        put_key(out, "original-expiration");
        put_bytes(out, expiration);
    }
}

/// The raw table that an element is.
fn table_of(element: &[u8]) -> Option<&[u8]> {
    match table::raw_value_of(element) {
        Some(Value::Table(raw)) => Some(raw),
        _ => None,
    }
}

fn has(table: &[u8], key: &str, text: &str) -> bool {
    table::get(table, key) == Some(Value::Bytes(text.as_bytes()))
}

/// True if an element tells of deaths in the same queue for the same reason.
fn is_death(element: &[u8], death: Death<'_>) -> bool {
    table_of(element).is_some_and(|table| {
        has(table, "queue", death.queue) && has(table, "reason", death.reason.name())
    })
}

/// True if a message that just died would come to `queue` a second time without anybody having
/// refused it in between: it would go round for ever.
pub(crate) fn is_cycle(message: &Message, queue: &str) -> bool {
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let Some(Value::Array(deaths)) = table::get(headers, DEATHS) else { return false };
    for death in table::elements(deaths) {
        // What is no table was put there by a client, and so this did not go by itself.
        let Value::Table(death) = death else { return false };
        if has(death, "reason", Reason::Rejected.name()) {
            return false;
        }
        if has(death, "queue", queue) {
            return true;
        }
    }
    false
}

/// The message with the header that tells how often it came back.
pub(crate) fn with_delivery_count(message: &Message, count: u32) -> Message {
    let before = properties::headers(message.properties()).unwrap_or_default();
    let mut headers = Vec::with_capacity(before.len() + 32);
    for (key, value) in table::raw_entries(before).filter(|(key, _)| *key != DELIVERY_COUNT) {
        put_key(&mut headers, key);
        headers.extend_from_slice(value);
    }
    put_count(&mut headers, DELIVERY_COUNT, i64::from(count));
    let mut properties = Vec::with_capacity(message.properties().len() + 64);
    properties::rewrite(message.properties(), &headers, true, &mut properties);
    message.changed(&properties, message.hidden_keys())
}

/// A name of a header; those that are written here are short.
fn put_key(out: &mut Vec<u8>, key: &str) {
    out.push(key.len() as u8);
    out.extend_from_slice(key.as_bytes());
}

fn put_count(out: &mut Vec<u8>, key: &str, count: i64) {
    put_key(out, key);
    out.push(b'l');
    out.extend_from_slice(&count.to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, key: &str, text: &str) {
    put_key(out, key);
    put_bytes(out, text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = begin(out, b'S');
    out.extend_from_slice(bytes);
    end(out, start);
}

/// Begins a value with a length, which [`end`] fills in.
fn begin(out: &mut Vec<u8>, letter: u8) -> usize {
    out.push(letter);
    out.extend_from_slice(&[0; 4]);
    out.len()
}

fn end(out: &mut [u8], start: usize) {
    let length = (out.len() - start) as u32;
    if let Some(place) = out.get_mut(start - 4..start) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use warren_amqp::FieldValue;
    use warren_amqp::properties::Builder;

    use super::*;

    fn message(properties: &[u8]) -> Message {
        let mut batch = MessageBatch::default();
        batch.push("x", "key", properties, b"body");
        Message::new(&Arc::new(batch), 0).unwrap()
    }

    fn die(message: &Message, queue: &str, reason: Reason, routing_key: Option<&str>) -> Message {
        let mut batch = MessageBatch::default();
        let death = Death { queue, reason, time: 5_500, exchange: "dlx", routing_key };
        push(&mut batch, message, death, &mut Scratch::default());
        Message::new(&Arc::new(batch), 0).unwrap()
    }

    /// How often a text stands in properties.
    fn times(properties: &[u8], text: &str) -> usize {
        properties.windows(text.len()).filter(|part| *part == text.as_bytes()).count()
    }

    /// Queues and reasons with their counts.
    fn deaths(message: &Message) -> Vec<(String, String, i64)> {
        let headers = properties::headers(message.properties()).unwrap();
        let Some(Value::Array(raw)) = table::get(headers, DEATHS) else { panic!("no deaths") };
        let text = |table, key| match table::get(table, key) {
            Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?}"),
        };
        let one = |element| match element {
            Value::Table(raw) => match table::get(raw, "count") {
                Some(Value::Int(count)) => (text(raw, "queue"), text(raw, "reason"), count),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        table::elements(raw).map(one).collect()
    }

    #[test]
    fn a_first_death_is_told_in_full() {
        let before = Builder::new()
            .set(Property::ContentType, "text")
            .set(Property::DeliveryMode, [2])
            .set(Property::Expiration, "5000")
            .set(Property::AppId, "app");
        let dead = die(&message(&before.build()), "q", Reason::Expired, None);
        properties::check(dead.properties()).unwrap();
        assert_eq!(
            (dead.exchange(), dead.routing_key(), dead.body()),
            ("dlx", "key", &b"body"[..])
        );
        assert!(dead.is_persistent());
        assert_eq!(properties::expiration(dead.properties()), None);
        assert_eq!(properties::get(dead.properties(), Property::AppId), Some(&b"app"[..]));
        let headers = properties::headers(dead.properties()).unwrap();
        let headers = table::decode(headers).unwrap();
        let found = format!("{:?}", headers.inner()[DEATHS]);
        for part in ["original-expiration", "\"time\"): Timestamp(5)", "LongLongInt(1)"] {
            assert!(found.contains(part), "{part} in {found}");
        }
        assert_eq!(times(dead.properties(), "5000"), 1);
        let text = |key: &str| match &headers.inner()[key] {
            FieldValue::LongString(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(FIRST.map(text), ["expired", "q", "x"]);
        assert_eq!(LAST.map(text), ["expired", "q", "x"]);
    }

    #[test]
    fn deaths_in_the_same_queue_for_the_same_reason_are_counted_and_come_to_the_front() {
        let mut dead = message(properties::NONE);
        for (queue, reason) in [
            ("a", Reason::Rejected),
            ("b", Reason::Expired),
            ("a", Reason::Rejected),
            ("a", Reason::MaxLength),
        ] {
            dead = die(&dead, queue, reason, None);
        }
        let told = |queue: &str, reason: &str, count| (queue.to_owned(), reason.to_owned(), count);
        let expected = [told("a", "maxlen", 1), told("a", "rejected", 2), told("b", "expired", 1)];
        assert_eq!(deaths(&dead), expected);
        let headers = properties::headers(dead.properties()).unwrap();
        assert!(has(headers, "x-first-death-exchange", "x"));
        assert!(has(headers, "x-last-death-reason", "maxlen"));
        assert!(has(headers, "x-last-death-exchange", "dlx"));
    }

    #[test]
    fn a_circle_is_one_unless_somebody_refused_the_message_in_it() {
        let once = die(&message(properties::NONE), "a", Reason::Expired, None);
        assert!(is_cycle(&once, "a"));
        assert!(!is_cycle(&once, "b"));
        let twice = die(&once, "b", Reason::Rejected, None);
        assert!(!is_cycle(&twice, "a"));
        let again = die(&twice, "c", Reason::MaxLength, None);
        assert!(is_cycle(&again, "c"));
        assert!(!is_cycle(&again, "a"));
    }

    #[test]
    fn copies_to_other_keys_are_told_and_end_with_a_key_of_the_queue() {
        let mut headers = Vec::new();
        put_key(&mut headers, CC);
        let array = begin(&mut headers, b'A');
        put_bytes(&mut headers, b"copy");
        end(&mut headers, array);
        let before = Builder::new().set(Property::Headers, headers).build();
        let kept = die(&message(&before), "q", Reason::Rejected, None);
        assert_eq!(times(kept.properties(), "copy"), 2);
        let dead = die(&message(&before), "q", Reason::Rejected, Some("own"));
        assert_eq!(dead.routing_key(), "own");
        let told = table::decode(properties::headers(dead.properties()).unwrap()).unwrap();
        assert!(!told.contains_key(CC));
        assert_eq!(times(dead.properties(), "copy"), 1);
    }

    #[test]
    fn the_delivery_count_takes_the_place_of_another() {
        let counted = with_delivery_count(&message(properties::NONE), 1);
        let counted = with_delivery_count(&counted, 2);
        properties::check(counted.properties()).unwrap();
        let headers = properties::headers(counted.properties()).unwrap();
        let counts: Vec<_> = table::entries(headers).collect();
        assert_eq!(counts, [(DELIVERY_COUNT, Value::Int(2))]);
        assert_eq!((counted.exchange(), counted.body()), ("x", &b"body"[..]));
    }
}

//! What a message becomes on its way to another place.

use warren_amqp::properties::{self, Property};
use warren_amqp::table::{self, Value};
use warren_engine::Message;

use super::{Edits, Target};

/// A message that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edited {
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    /// Property flags and property list.
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Edited {
    /// The broker takes a header away when it accepts the message.
    pub(crate) fn has_blind_copies(&self) -> bool {
        let headers = properties::headers(&self.properties).unwrap_or_default();
        table::get(headers, "BCC").is_some()
    }
}

pub(super) fn edited(message: &Message, target: &Target, edits: &Edits) -> Edited {
    let (exchange, routing_key) = address(message, target);
    Edited {
        exchange,
        routing_key,
        properties: edited_properties(message, target, edits),
        body: edits.body.clone().unwrap_or_else(|| message.body().to_vec()),
    }
}

fn address(message: &Message, target: &Target) -> (String, String) {
    let own = || message.routing_key().to_owned();
    match target {
        Target::Queue { queue, keep_address: false } => (String::new(), queue.clone()),
        Target::Queue { keep_address: true, .. } => (message.exchange().to_owned(), own()),
        Target::Exchange { exchange, routing_key } => {
            (exchange.clone(), routing_key.clone().unwrap_or_else(own))
        }
        Target::Origin => origin(message).unwrap_or_else(|| (message.exchange().to_owned(), own())),
    }
}

/// Where a message was published that was dead-lettered since: the oldest entry of `x-death`.
fn origin(message: &Message) -> Option<(String, String)> {
    let headers = properties::headers(message.properties())?;
    let Some(Value::Array(deaths)) = table::get(headers, "x-death") else { return None };
    let oldest = table::elements(deaths).filter_map(|death| match death {
        Value::Table(death) => Some(death),
        _ => None,
    });
    let death = oldest.last()?;
    let text = |value: Option<Value<'_>>| match value {
        Some(Value::Bytes(bytes)) => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    };
    let exchange = text(table::get(death, "exchange"))?;
    let Some(Value::Array(keys)) = table::get(death, "routing-keys") else { return None };
    Some((exchange, text(table::elements(keys).next())?))
}

fn edited_properties(message: &Message, target: &Target, edits: &Edits) -> Vec<u8> {
    let own = message.properties();
    // It is what it was, in another place.
    if target.queue_kept_to().is_some() && *edits == Edits::default() {
        return own.to_vec();
    }
    // A name that is validated would keep everybody else from publishing the message.
    let own = match properties::user_id(own) {
        Some(_) => properties::replaced(own, Property::UserId, None),
        None => own.to_vec(),
    };
    if edits.set_headers.is_empty() && edits.remove_headers.is_empty() {
        return own;
    }
    let raw = properties::headers(&own).unwrap_or_default();
    let mut raw = raw.to_vec();
    let set = edits.set_headers.iter().map(|(name, _)| name);
    for name in edits.remove_headers.iter().chain(set) {
        raw = table::without(&raw, name);
    }
    // A table that came in by the wire can be read.
    let mut headers = table::decode(&raw).unwrap_or_default();
    for (name, value) in &edits.set_headers {
        headers.insert(name.as_str().into(), value.clone());
    }
    properties::with_headers(&own, Some(&table::encode(&headers)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use warren_amqp::properties::Builder;
    use warren_amqp::{FieldTable, FieldValue};
    use warren_engine::MessageBatch;

    use super::*;

    fn message(headers: &FieldTable) -> Message {
        let headers = table::encode(headers);
        let properties = Builder::new()
            .set(Property::Headers, headers)
            .set(Property::UserId, "alice")
            .set(Property::AppId, "shop")
            .build();
        let mut batch = MessageBatch::default();
        batch.push("dlx", "dead", &properties, b"body");
        batch.finish();
        Message::new(&Arc::new(batch), 0).unwrap()
    }

    fn death(exchange: &str, key: &str) -> FieldValue {
        let mut death = FieldTable::default();
        let text = |text: &str| FieldValue::LongString(text.into());
        death.insert("exchange".into(), text(exchange));
        death.insert("routing-keys".into(), FieldValue::FieldArray(vec![text(key)].into()));
        FieldValue::FieldTable(death)
    }

    #[test]
    fn a_dead_letter_goes_back_to_where_it_was_published_first() {
        let mut headers = FieldTable::default();
        let deaths = vec![death("second", "later"), death("first", "order.created")];
        headers.insert("x-death".into(), FieldValue::FieldArray(deaths.into()));
        let edited = edited(&message(&headers), &Target::Origin, &Edits::default());
        assert_eq!((&*edited.exchange, &*edited.routing_key), ("first", "order.created"));
        let plain =
            super::edited(&message(&FieldTable::default()), &Target::Origin, &Edits::default());
        assert_eq!((&*plain.exchange, &*plain.routing_key), ("dlx", "dead"));
    }

    #[test]
    fn headers_and_body_are_replaced_and_all_else_stays() {
        let mut headers = FieldTable::default();
        headers.insert("old".into(), FieldValue::Boolean(true));
        headers.insert("kept".into(), FieldValue::LongInt(1));
        let edits = Edits {
            set_headers: vec![("kept".to_owned(), FieldValue::LongInt(2))],
            remove_headers: vec!["old".to_owned()],
            body: Some(b"other".to_vec()),
        };
        let target = Target::Queue { queue: "q".to_owned(), keep_address: false };
        let edited = edited(&message(&headers), &target, &edits);
        assert_eq!(
            (&*edited.exchange, &*edited.routing_key, &*edited.body),
            ("", "q", &b"other"[..])
        );
        let raw = properties::headers(&edited.properties).unwrap();
        assert_eq!(table::get(raw, "kept"), Some(Value::Int(2)));
        assert_eq!(table::get(raw, "old"), None);
        assert_eq!(properties::text(&edited.properties, Property::AppId), Some("shop"));
        assert_eq!(properties::user_id(&edited.properties), None);
    }

    #[test]
    fn a_message_that_only_changes_its_place_stays_as_it_is() {
        let message = message(&FieldTable::default());
        let target = Target::Queue { queue: "q".to_owned(), keep_address: true };
        let moved = edited(&message, &target, &Edits::default());
        assert_eq!((&*moved.exchange, &*moved.routing_key), ("dlx", "dead"));
        assert_eq!(moved.properties, message.properties());
        let edits = Edits { body: Some(b"other".to_vec()), ..Edits::default() };
        let changed = edited(&message, &target, &edits);
        assert_eq!(properties::user_id(&changed.properties), None);
    }
}

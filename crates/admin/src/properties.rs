//! Properties of messages and JSON.

use serde_json::{Map, Value};
use warren_amqp::properties::{Builder, Property, get, headers};
use warren_amqp::table;

use crate::error::Error;
use crate::field_table;

/// Properties that are text, each with its name.
const TEXTS: [(Property, &str); 10] = [
    (Property::ContentType, "content_type"),
    (Property::ContentEncoding, "content_encoding"),
    (Property::CorrelationId, "correlation_id"),
    (Property::ReplyTo, "reply_to"),
    (Property::Expiration, "expiration"),
    (Property::MessageId, "message_id"),
    (Property::Type, "type"),
    (Property::UserId, "user_id"),
    (Property::AppId, "app_id"),
    (Property::ClusterId, "cluster_id"),
];

/// Properties as they are sent, from an object. Names that are none are passed over, as RabbitMQ does.
/// An empty list stands for an empty object: that is how some write it.
pub(crate) fn from_json(properties: &Value) -> Result<Vec<u8>, Error> {
    let object = match properties {
        Value::Object(object) => object,
        Value::Null => &Map::new(),
        Value::Array(list) if list.is_empty() => &Map::new(),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(Error::bad_request("properties: is no object"));
        }
    };
    let mut builder = Builder::new();
    for (property, name) in TEXTS {
        let Some(value) = object.get(name) else { continue };
        let text = value.as_str().ok_or_else(|| Error::BadTerm("not_string", name.to_owned()))?;
        if text.len() > usize::from(u8::MAX) {
            return Err(Error::bad_request(format!("{name}: is longer than 255 bytes")));
        }
        builder = builder.set(property, text);
    }
    for (property, name) in
        [(Property::DeliveryMode, "delivery_mode"), (Property::Priority, "priority")]
    {
        let Some(value) = object.get(name) else { continue };
        let number = value.as_i64().ok_or_else(|| Error::BadTerm("not_int", name.to_owned()))?;
        match u8::try_from(number) {
            Ok(number) if property == Property::Priority || matches!(number, 1 | 2) => {
                builder = builder.set(property, [number]);
            }
            _ if property == Property::DeliveryMode => {
                return Err(Error::BadRequest(format!(
                    "406 PRECONDITION_FAILED - invalid message: {{delivery_mode_unknown,{number}}}"
                )));
            }
            _ => {
                return Err(Error::bad_request(format!(
                    "{name}: {number} is not within 0 and 255"
                )));
            }
        }
    }
    if let Some(value) = object.get("timestamp") {
        let not_integer = || Error::BadTerm("not_int", "timestamp".to_owned());
        let seconds = value.as_u64().ok_or_else(not_integer)?;
        builder = builder.set(Property::Timestamp, seconds.to_be_bytes());
    }
    match object.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) if list.is_empty() => {}
        Some(Value::Object(headers)) => {
            let table = field_table::from_json(headers)?;
            builder = builder.set(Property::Headers, table::encode(&table));
        }
        Some(_) => return Err(Error::bad_request("headers: is no object")),
    }
    Ok(builder.build())
}

/// An object of properties as they were sent. Text that is not UTF-8 has marks where it is not.
pub(crate) fn to_json(properties: &[u8]) -> Map<String, Value> {
    let mut object = Map::new();
    for (property, name) in TEXTS {
        if let Some(text) = get(properties, property) {
            object.insert(name.to_owned(), String::from_utf8_lossy(text).into());
        }
    }
    for (property, name) in
        [(Property::DeliveryMode, "delivery_mode"), (Property::Priority, "priority")]
    {
        if let Some([number]) = get(properties, property) {
            object.insert(name.to_owned(), (*number).into());
        }
    }
    if let Some(seconds) = warren_amqp::properties::timestamp(properties) {
        object.insert("timestamp".to_owned(), seconds.into());
    }
    if let Some(table) = headers(properties).and_then(|raw| table::decode(raw).ok()) {
        object.insert("headers".to_owned(), field_table::to_json(&table).into());
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use warren_amqp::properties::check;

    use super::*;

    #[test]
    fn all_properties_go_there_and_back() {
        let properties = json!({
            "content_type": "text/plain", "content_encoding": "utf8",
            "headers": {"a": 1, "b": [true, {"c": "d"}]}, "delivery_mode": 2, "priority": 9,
            "correlation_id": "c", "reply_to": "r", "expiration": "1000", "message_id": "m",
            "timestamp": 1_700_000_000, "type": "t", "user_id": "u", "app_id": "a",
            "cluster_id": "x",
        });
        let raw = from_json(&properties).unwrap();
        check(&raw).unwrap();
        assert_eq!(Value::from(to_json(&raw)), properties);
    }

    #[test]
    fn nothing_is_no_property() {
        for nothing in [json!({}), json!([]), json!(null), json!({"unknown": 5, "headers": []})] {
            assert_eq!(from_json(&nothing).unwrap(), [0, 0], "{nothing}");
        }
        assert_eq!(to_json(&[0, 0]), Map::new());
    }

    #[test]
    fn wrong_types_are_refused_in_rabbitmqs_words() {
        let term = |word, key: &str| Error::BadTerm(word, key.to_owned());
        for (properties, error) in [
            (json!({"content_type": 5}), term("not_string", "content_type")),
            (json!({"expiration": 5}), term("not_string", "expiration")),
            (json!({"priority": "5"}), term("not_int", "priority")),
            (json!({"delivery_mode": 1.5}), term("not_int", "delivery_mode")),
            (json!({"timestamp": -1}), term("not_int", "timestamp")),
        ] {
            assert_eq!(from_json(&properties), Err(error), "{properties}");
        }
        let mode = from_json(&json!({"delivery_mode": 7})).unwrap_err().to_string();
        assert!(mode.ends_with("invalid message: {delivery_mode_unknown,7}"), "{mode}");
        for wrong in [
            json!(5),
            json!([1]),
            json!({"priority": 300}),
            json!({"headers": "x"}),
            json!({"message_id": "m".repeat(256)}),
        ] {
            assert!(from_json(&wrong).is_err(), "{wrong}");
        }
    }
}

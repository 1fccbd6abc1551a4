//! A message as somebody fills it in: its key, properties and headers. They come as fields of a form,
//! or as the API has them: `properties`, an object in JSON with `headers` inside.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::form::TypedRow;
use crate::value::plain;
use crate::visit::Pairs;

/// A property that is filled in as a text or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Property {
    /// As in the API.
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
    is_number: bool,
}

const fn text(name: &'static str, label: &'static str, help: &'static str) -> Property {
    Property { name, label, help, is_number: false }
}

const fn number(name: &'static str, label: &'static str, help: &'static str) -> Property {
    Property { name, label, help, is_number: true }
}

/// All but the headers and whether it is kept on disk.
pub(crate) const PROPERTIES: [Property; 13] = [
    text("content_type", "Content type", "Such as application/json"),
    text("content_encoding", "Content encoding", "Such as gzip"),
    text("correlation_id", "Correlation id", "By which an answer is matched with its request"),
    text("reply_to", "Reply to", "The queue for an answer"),
    text("expiration", "Expiration", "Milliseconds for which it waits in a queue"),
    number("priority", "Priority", "0 to 255; for queues with priorities"),
    text("message_id", "Message id", ""),
    number("timestamp", "Timestamp", "Seconds since 1970"),
    text("type", "Type", "What the message is, in the words of those who use it"),
    text("app_id", "App id", "The program that sends it"),
    text("user_id", "User id", "If it is given, it must be the user who publishes: you"),
    text("cluster_id", "Cluster id", ""),
    number("delivery_mode", "Delivery mode", "2 is kept on disk, 1 is not"),
];

/// What names of fields with properties begin with.
const FIELD: &str = "p_";

/// What names of fields with headers begin with.
pub(crate) const HEADERS: &str = "headers";

/// A message without its payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) routing_key: String,
    properties: Vec<(Property, String)>,
    pub(crate) headers: Vec<TypedRow>,
}

impl Property {
    /// The name of its field.
    pub(crate) fn field(self) -> String {
        format!("{FIELD}{}", self.name)
    }

    fn read(self, text: &str) -> Result<Value, Error> {
        if !self.is_number {
            return Ok(text.into());
        }
        let number = text.trim().parse::<u64>();
        let number = number.map_err(|_| {
            Error::wrong(format!("{}: {text:?} is not a whole number.", self.label))
        })?;
        Ok(number.into())
    }
}

impl Message {
    /// Reads what was filled in; fields come before what stands in `properties`.
    ///
    /// # Errors
    ///
    /// `properties` is no object in JSON.
    pub(crate) fn read(filled: &Pairs) -> Result<Self, Error> {
        let object: Map<String, Value> = match filled.get("properties").trim() {
            "" => Map::new(),
            text => serde_json::from_str(text).map_err(|error| {
                Error::wrong(format!("The properties are no object in JSON: {error}."))
            })?,
        };
        let mut message =
            Self { routing_key: filled.get("routing_key").to_owned(), ..Self::default() };
        for property in PROPERTIES {
            let given = object.get(property.name).map(plain).unwrap_or_default();
            let field = property.field();
            let value = if filled.has(&field) { filled.get(&field).to_owned() } else { given };
            if !value.is_empty() {
                message.properties.push((property, value));
            }
        }
        message.headers = TypedRow::read(filled, HEADERS);
        if message.headers.is_empty() {
            message.headers = object.get("headers").map(TypedRow::of).unwrap_or_default();
        }
        Ok(message)
    }

    /// Whether fields were filled in: the address or the body of a form that was sent.
    pub(crate) fn is_in(filled: &Pairs) -> bool {
        let is_field = |name: &str| name.starts_with(FIELD) || name.starts_with(HEADERS);
        filled.0.iter().any(|(name, _)| is_field(name))
    }

    /// A property as it was filled in; empty if it was not.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.properties.iter().find(|(property, _)| property.name == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// With another value of a property.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.properties.retain(|(property, _)| property.name != name);
        let property = PROPERTIES.into_iter().find(|property| property.name == name);
        self.properties.extend(property.map(|property| (property, value.to_owned())));
    }

    /// The properties as the API takes them.
    ///
    /// # Errors
    ///
    /// A number is none, or a header is not what its kind says.
    pub(crate) fn properties(&self) -> Result<Value, Error> {
        let mut object = Map::new();
        for (property, value) in &self.properties {
            object.insert(property.name.to_owned(), property.read(value)?);
        }
        if !self.headers.is_empty() {
            object.insert("headers".to_owned(), TypedRow::object(&self.headers)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        Pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn properties_come_as_json_or_as_fields() {
        let object = json!({
            "content_type": "text/plain", "priority": 3, "timestamp": 17, "delivery_mode": 2,
            "headers": {"a": 1, "b": ["x"], "c": "<b>"},
        });
        let text = object.to_string();
        let message =
            Message::read(&pairs(&[("routing_key", "k"), ("properties", &text)])).unwrap();
        assert_eq!(message.properties().unwrap(), object);
        assert_eq!((message.routing_key.as_str(), message.get("priority")), ("k", "3"));
        let fields = [
            ("properties", text.as_str()),
            ("p_priority", "4"),
            ("p_reply_to", ""),
            ("headers_name", "n"),
            ("headers_kind", "number"),
            ("headers_value", "5"),
        ];
        let message = Message::read(&pairs(&fields)).unwrap().properties().unwrap();
        assert_eq!(message["priority"], 4);
        assert_eq!(message["headers"], json!({"n": 5}));
        assert_eq!(message["reply_to"], Value::Null);
    }

    #[test]
    fn what_is_no_number_or_no_json_is_told() {
        assert!(Message::read(&pairs(&[("properties", "[1]")])).is_err());
        let message = Message::read(&pairs(&[("p_priority", "high")])).unwrap();
        let error = message.properties().unwrap_err().to_string();
        assert_eq!(error, "Priority: \"high\" is not a whole number.");
    }
}

//! Which messages are meant: by routing key, header, text in the body, or an expression.

use std::collections::HashMap;
use std::sync::Arc;

use cel::{Context, Program, Value as CelValue};
use thiserror::Error;
use warren_amqp::properties::{self, Property};
use warren_amqp::table::{self, Value};
use warren_engine::Message;

use crate::limits;

/// Why a filter is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadFilter {
    /// It is longer than a filter may be.
    #[error("an expression has at most {} characters", limits::FILTER_EXPRESSION_BYTES)]
    TooLong,
    /// The expression cannot be read.
    #[error("the expression cannot be read: {0}")]
    Expression(String),
}

/// What a message must be like. Without conditions, every message is meant.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    routing_key: Option<String>,
    headers: Vec<(String, Option<String>)>,
    body: Option<String>,
    expression: Option<Arc<Program>>,
}

impl MessageFilter {
    /// Also: the routing key has this text in it.
    #[must_use]
    pub fn routing_key(mut self, text: Option<String>) -> Self {
        self.routing_key = text.filter(|text| !text.is_empty());
        self
    }

    /// Also: there is a header of this name, and with this value, as text, if one is given.
    #[must_use]
    pub fn header(mut self, name: String, value: Option<String>) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Also: the body has this text in it.
    #[must_use]
    pub fn body(mut self, text: Option<String>) -> Self {
        self.body = text.filter(|text| !text.is_empty());
        self
    }

    /// Also: this expression in the Common Expression Language is true. It knows `exchange`,
    /// `routing_key`, `headers`, `properties`, `payload` (text, with `?` for what is none), `size`
    /// (bytes of the body) and `redelivered`. Where it cannot be worked out for a message, as a
    /// header is missing, the message is not meant.
    ///
    /// # Errors
    ///
    /// It is too long, or no expression.
    pub fn expression(mut self, text: Option<&str>) -> Result<Self, BadFilter> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(self) };
        if text.len() > limits::FILTER_EXPRESSION_BYTES {
            return Err(BadFilter::TooLong);
        }
        let program = Program::compile(text);
        let program = program.map_err(|error| BadFilter::Expression(error.to_string()))?;
        self.expression = Some(Arc::new(program));
        Ok(self)
    }

    /// True if every message is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routing_key.is_none()
            && self.headers.is_empty()
            && self.body.is_none()
            && self.expression.is_none()
    }

    /// Whether a message is meant.
    #[must_use]
    pub fn matches(&self, message: &Message, redelivered: bool) -> bool {
        let key = self.routing_key.as_ref();
        key.is_none_or(|text| message.routing_key().contains(text.as_str()))
            && self.headers.iter().all(|(name, value)| has_header(message, name, value.as_deref()))
            && self.body.as_ref().is_none_or(|text| contains(message.body(), text.as_bytes()))
            && self.expression.as_ref().is_none_or(|program| {
                let context = context(message, redelivered);
                matches!(program.execute(&context), Ok(CelValue::Bool(true)))
            })
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|part| part == text)
}

fn has_header(message: &Message, name: &str, wanted: Option<&str>) -> bool {
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let Some(found) = table::get(headers, name) else { return false };
    wanted.is_none_or(|wanted| match found {
        Value::Bytes(bytes) => bytes == wanted.as_bytes(),
        Value::Int(number) => number.to_string() == wanted,
        Value::Float(number) => number.to_string() == wanted,
        Value::Bool(flag) => flag.to_string() == wanted,
        _ => false,
    })
}

/// Properties that are texts, with their names.
const TEXTS: [(&str, Property); 9] = [
    ("content_type", Property::ContentType),
    ("content_encoding", Property::ContentEncoding),
    ("correlation_id", Property::CorrelationId),
    ("reply_to", Property::ReplyTo),
    ("expiration", Property::Expiration),
    ("message_id", Property::MessageId),
    ("type", Property::Type),
    ("user_id", Property::UserId),
    ("app_id", Property::AppId),
];

fn context(message: &Message, redelivered: bool) -> Context<'static, 'static> {
    let raw = message.properties();
    let mut context = Context::default();
    let text = |text: &str| CelValue::String(Arc::new(text.to_owned()));
    let mut properties: HashMap<String, CelValue> = HashMap::new();
    for (name, property) in TEXTS {
        if let Some(value) = properties::text(raw, property) {
            properties.insert(name.to_owned(), text(value));
        }
    }
    if let Some(priority) = properties::priority(raw) {
        properties.insert("priority".to_owned(), CelValue::Int(i64::from(priority)));
    }
    if let Some(seconds) = properties::timestamp(raw) {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        properties.insert("timestamp".to_owned(), CelValue::Int(seconds));
    }
    let mode = if message.is_persistent() { 2 } else { 1 };
    properties.insert("delivery_mode".to_owned(), CelValue::Int(mode));
    let headers = properties::headers(raw).unwrap_or_default();
    context.add_variable_from_value("exchange", text(message.exchange()));
    context.add_variable_from_value("routing_key", text(message.routing_key()));
    context.add_variable_from_value("headers", of_table(headers, 0));
    context.add_variable_from_value("properties", CelValue::Map(properties.into()));
    context.add_variable_from_value("payload", text(&String::from_utf8_lossy(message.body())));
    context.add_variable_from_value("size", CelValue::Int(i64::from(message.body_bytes())));
    context.add_variable_from_value("redelivered", CelValue::Bool(redelivered));
    context
}

fn of_table(raw: &[u8], depth: usize) -> CelValue {
    let entries = table::entries(raw);
    let entries = entries.map(|(name, value)| (name.to_owned(), of_value(&value, depth)));
    CelValue::Map(entries.collect::<HashMap<String, CelValue>>().into())
}

fn of_value(value: &Value<'_>, depth: usize) -> CelValue {
    match value {
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Int(number) => CelValue::Int(*number),
        Value::Float(number) => CelValue::Float(*number),
        Value::Bytes(bytes) => {
            CelValue::String(Arc::new(String::from_utf8_lossy(bytes).into_owned()))
        }
        // Tables in tables are as deep as the wire allows; an expression looks at the first levels.
        Value::Table(raw) if depth < limits::FILTER_DEPTH => of_table(raw, depth + 1),
        Value::Array(raw) if depth < limits::FILTER_DEPTH => {
            let elements = table::elements(raw).map(|value| of_value(&value, depth + 1));
            CelValue::List(Arc::new(elements.collect()))
        }
        _ => CelValue::Null,
    }
}

#[cfg(test)]
mod tests {
    use warren_amqp::properties::Builder;
    use warren_amqp::{FieldTable, FieldValue};
    use warren_engine::MessageBatch;

    use super::*;

    fn message() -> Message {
        let mut headers = FieldTable::default();
        headers.insert("attempt".into(), FieldValue::LongInt(3));
        headers.insert("kind".into(), FieldValue::LongString("order".into()));
        let properties = Builder::new()
            .set(Property::Headers, table::encode(&headers))
            .set(Property::ContentType, "application/json")
            .build();
        let mut batch = MessageBatch::default();
        batch.push("shop", "order.created", &properties, br#"{"id": 7}"#);
        batch.finish();
        Message::new(&Arc::new(batch), 0).unwrap()
    }

    #[test]
    fn every_condition_must_hold() {
        let message = message();
        let filter = |build: fn(MessageFilter) -> MessageFilter| {
            build(MessageFilter::default()).matches(&message, false)
        };
        assert!(filter(|filter| filter));
        assert!(filter(|filter| filter.routing_key(Some("created".into()))));
        assert!(!filter(|filter| filter.routing_key(Some("deleted".into()))));
        assert!(filter(|filter| filter.header("kind".into(), None)));
        assert!(filter(|filter| filter.header("attempt".into(), Some("3".into()))));
        assert!(!filter(|filter| filter.header("attempt".into(), Some("4".into()))));
        assert!(!filter(|filter| filter.header("other".into(), None)));
        assert!(filter(|filter| filter.body(Some("\"id\": 7".into()))));
        assert!(!filter(|filter| filter.body(Some("8".into())).routing_key(Some("order".into()))));
    }

    #[test]
    fn expressions_see_all_of_a_message() {
        for (text, expected) in [
            ("headers.attempt > 2 && headers['kind'] == 'order'", true),
            ("routing_key.startsWith('order.') && exchange == 'shop'", true),
            ("properties.content_type == 'application/json'", true),
            ("payload.contains('7') && size == 9", true),
            ("redelivered", false),
            ("headers.missing == 1", false),
            ("size", false),
        ] {
            let filter = MessageFilter::default().expression(Some(text)).unwrap();
            assert_eq!(filter.matches(&message(), false), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        let filter = |text: &str| MessageFilter::default().expression(Some(text));
        assert!(matches!(filter("headers ==="), Err(BadFilter::Expression(_))));
        assert!(matches!(filter(&"(".repeat(100_000)), Err(BadFilter::TooLong)));
        assert!(filter("  ").unwrap().is_empty());
    }
}

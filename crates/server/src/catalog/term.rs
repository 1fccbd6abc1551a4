//! Values as RabbitMQ shows them in refusals: as terms of Erlang.

use serde_json::Value;

/// A value as a term.
pub(super) fn term(value: &Value) -> String {
    match value {
        Value::String(text) => format!("<<\"{text}\">>"),
        Value::Array(values) => {
            let all: Vec<_> = values.iter().map(term).collect();
            format!("[{}]", all.join(","))
        }
        Value::Object(pairs) => {
            let all =
                pairs.iter().map(|(name, value)| format!("{{<<\"{name}\">>,{}}}", term(value)));
            format!("[{}]", all.collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

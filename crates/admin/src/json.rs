//! JSON bodies of requests: read whole within a limit, then into the type that a route takes.
//!
//! RabbitMQ is lenient: no body and `null` are an empty object, keys that it does not know are passed
//! over, and `"true"` is a yes. Clients have come to depend on it.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::Error;

/// Reads a body that has at most so many bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>, Error> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > limit as u64) {
        return Err(Error::BodyTooLarge { limit });
    }
    match to_bytes(body, limit).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let is_long = cause.is_some_and(|cause| cause.contains("length limit exceeded"));
            Err(if is_long {
                Error::BodyTooLarge { limit }
            } else {
                Error::bad_request(format!("the body cannot be read: {error}"))
            })
        }
    }
}

/// The object that a body holds.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    if matches!(bytes.trim_ascii(), b"" | b"null" | b"undefined") {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::String(_)) => Err(Error::bad_request(
            "invalid payload: the request body JSON-decoded to a string. Is the input \
             doubly-JSON-encoded?",
        )),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | Err(_) => {
            Err(Error::bad_request("not_json"))
        }
    }
}

/// What a route takes, from an object. Keys that must be there and are not are named as RabbitMQ
/// names them; of a value that does not fit, its key is named.
pub(crate) fn typed<T: DeserializeOwned + JsonSchema>(
    object: &Map<String, Value>,
) -> Result<T, Error> {
    let reason = match T::deserialize(object) {
        Ok(value) => return Ok(value),
        Err(reason) => reason,
    };
    let schema = SchemaGenerator::default().into_root_schema_for::<T>();
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let missing: Vec<_> = required
        .iter()
        .filter_map(Value::as_str)
        .filter(|key| !object.contains_key(*key))
        .map(|key| format!("{{key_missing,{key}}}"))
        .collect();
    if !missing.is_empty() {
        return Err(Error::BadRequest(format!("[{}]", missing.join(","))));
    }
    // A value that must be there is wrong if something else is said about the body without it.
    let is_wrong = |key: &&String| {
        let mut rest = object.clone();
        rest.remove(*key);
        T::deserialize(&rest).map_or_else(|other| other.to_string() != reason.to_string(), |_| true)
    };
    let reason_text = reason.to_string();
    match object.keys().find(is_wrong).and_then(|key| object.get_key_value(key)) {
        None => Err(Error::BadRequest(reason_text)),
        Some((_, value)) if reason_text == lenient::NOT_BOOLEAN => {
            Err(Error::BadTerm(lenient::NOT_BOOLEAN, text(value)))
        }
        Some((_, value)) if reason_text == lenient::NOT_INTEGER => {
            Err(Error::BadTerm(lenient::NOT_INTEGER, text(value)))
        }
        Some((key, _)) => Err(Error::BadRequest(format!("{key}: {reason_text}"))),
    }
}

/// A value as a word of an error.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Values that RabbitMQ takes in more than one form, for `#[serde(deserialize_with)]`.
pub(crate) mod lenient {
    use serde::{Deserialize, Deserializer, de};
    use serde_json::{Map, Number, Value};

    /// RabbitMQ's words for values that are something else.
    pub(super) const NOT_BOOLEAN: &str = "not_boolean";
    pub(super) const NOT_INTEGER: &str = "not_integer";

    /// Yes or no, also as text.
    pub(crate) fn boolean<'a, D: Deserializer<'a>>(from: D) -> Result<bool, D::Error> {
        match Value::deserialize(from)? {
            Value::Bool(value) => Ok(value),
            Value::Null => Ok(false),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(de::Error::custom(NOT_BOOLEAN)),
        }
    }

    /// Yes or no, also as text, or nothing.
    pub(crate) fn maybe_boolean<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<Option<bool>, D::Error> {
        match Value::deserialize(from)? {
            Value::Null => Ok(None),
            value => boolean(value).map(Some).map_err(de::Error::custom),
        }
    }

    /// A whole number, also as text.
    pub(crate) fn integer<'a, D: Deserializer<'a>>(from: D) -> Result<i64, D::Error> {
        let value = Value::deserialize(from)?;
        let number = match &value {
            Value::Number(number) => whole(number),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        number.ok_or_else(|| de::Error::custom(NOT_INTEGER))
    }

    /// A whole number, also as text, or nothing.
    pub(crate) fn maybe_integer<'a, D: Deserializer<'a>>(from: D) -> Result<Option<i64>, D::Error> {
        match Value::deserialize(from)? {
            Value::Null => Ok(None),
            value => integer(value).map(Some).map_err(de::Error::custom),
        }
    }

    fn whole(number: &Number) -> Option<i64> {
        // Some tools write 5.0 where they mean 5.
        let from_float = || number.as_f64().filter(|it| it.fract() == 0.0).map(|it| it as i64);
        number.as_i64().or_else(from_float)
    }

    /// An object. An empty list stands for an empty one: that is how some write it.
    pub(crate) fn table<'a, D: Deserializer<'a>>(from: D) -> Result<Map<String, Value>, D::Error> {
        match Value::deserialize(from)? {
            Value::Object(object) => Ok(object),
            Value::Null => Ok(Map::new()),
            Value::Array(list) if list.is_empty() => Ok(Map::new()),
            other => Err(de::Error::custom(format!("{other} is no object"))),
        }
    }

    /// Tags: a list, or text with commas.
    pub(crate) fn tags<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<String>, D::Error> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let value = Value::deserialize(from)?;
        let tags = match &value {
            Value::String(tags) => {
                let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                Some(tags.map(str::to_owned).collect())
            }
            Value::Array(tags) => tags.iter().map(text).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        };
        tags.ok_or_else(|| de::Error::custom(format!("{value} is no list of tags")))
    }

    /// Tags, or nothing.
    pub(crate) fn maybe_tags<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<Option<Vec<String>>, D::Error> {
        match Value::deserialize(from)? {
            Value::Null => Ok(None),
            value => tags(value).map(Some).map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Example {
        count: u8,
        name: String,
        #[serde(default, deserialize_with = "lenient::boolean")]
        durable: bool,
        #[serde(default, deserialize_with = "lenient::maybe_integer")]
        priority: Option<i64>,
        #[serde(default, deserialize_with = "lenient::tags")]
        tags: Vec<String>,
    }

    fn read(text: &str) -> Result<Example, String> {
        object(text.as_bytes()).and_then(|it| typed(&it)).map_err(|error| error.to_string())
    }

    #[test]
    fn bodies_that_are_no_object_are_refused() {
        for empty in ["", "null", "undefined", " {} \n"] {
            assert_eq!(object(empty.as_bytes()), Ok(Map::new()), "{empty}");
        }
        for text in ["[]", "5", "true", "{", "{\"a\":1}}", "\u{0}", "{'a':1}"] {
            assert_eq!(object(text.as_bytes()), Err(Error::bad_request("not_json")), "{text}");
        }
        let twice = object(b"\"{}\"").unwrap_err().to_string();
        assert!(twice.starts_with("invalid payload: the request body JSON-decoded to a string."));
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn missing_and_wrong_values_are_named() {
        let all = json!({
            "name": "a", "count": 5, "durable": "true", "priority": "-3", "tags": "x, y,",
            "unknown": {},
        });
        let example = Example {
            name: "a".to_owned(),
            count: 5,
            durable: true,
            priority: Some(-3),
            tags: vec!["x".to_owned(), "y".to_owned()],
        };
        assert_eq!(read(&all.to_string()), Ok(example));
        assert_eq!(read("{}").unwrap_err(), "[{key_missing,count},{key_missing,name}]");
        assert_eq!(read(r#"{"count":true}"#).unwrap_err(), "[{key_missing,name}]");
        for (key, value) in [("name", json!(5)), ("count", json!(-1)), ("tags", json!(5))] {
            let mut body = all.clone();
            body[key] = value;
            let reason = read(&body.to_string()).unwrap_err();
            assert!(reason.starts_with(&format!("{key}: ")), "{key}: {reason}");
        }
        for (key, value, reason) in [
            ("durable", json!("yes"), "not_boolean: yes"),
            ("priority", json!(1.5), "not_integer: 1.5"),
        ] {
            let mut body = all.clone();
            body[key] = value;
            assert_eq!(read(&body.to_string()).unwrap_err(), reason);
        }
    }

    #[tokio::test]
    async fn a_body_has_its_limit_whether_it_tells_its_length_or_not() {
        let mut headers = HeaderMap::new();
        let read = |headers: HeaderMap, body: &'static str| async move {
            super::read(&headers, Body::from(body), 4).await
        };
        assert_eq!(read(headers.clone(), "1234").await.unwrap(), b"1234");
        let too_large = Error::BodyTooLarge { limit: 4 };
        assert_eq!(read(headers.clone(), "12345").await.unwrap_err(), too_large);
        headers.insert(header::CONTENT_LENGTH, 5.into());
        assert_eq!(read(headers, "").await.unwrap_err(), too_large);
    }
}

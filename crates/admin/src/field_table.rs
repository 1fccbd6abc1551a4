//! Field tables of AMQP and JSON.
//!
//! A value of JSON becomes the AMQP type that RabbitMQ gives it: a whole number a 64-bit integer,
//! text a long string. Back, integers stay integers, so that a tool finds what it wrote.

use serde_json::{Map, Number, Value};
use warren_amqp::{FieldArray, FieldTable, FieldValue, LongString};

use crate::error::Error;
use crate::limits;
use crate::list::Key;

/// A table with the values of an object.
pub(crate) fn from_json(object: &Map<String, Value>) -> Result<FieldTable, Error> {
    table(object, 0)
}

fn table(object: &Map<String, Value>, depth: usize) -> Result<FieldTable, Error> {
    if depth > limits::TABLE_DEPTH {
        return Err(Error::bad_request("tables are too deep inside each other"));
    }
    let mut table = FieldTable::default();
    for (key, value) in object {
        if key.len() > 255 {
            return Err(Error::bad_request(format!("the key {key:?} is longer than 255 bytes")));
        }
        table.insert(key.as_str().into(), field(value, depth)?);
    }
    Ok(table)
}

fn field(value: &Value, depth: usize) -> Result<FieldValue, Error> {
    Ok(match value {
        Value::Null => FieldValue::Void,
        Value::Bool(value) => FieldValue::Boolean(*value),
        Value::Number(value) => number(value)?,
        Value::String(text) => FieldValue::LongString(LongString::from(text.as_str())),
        Value::Array(values) => {
            if depth > limits::TABLE_DEPTH {
                return Err(Error::bad_request("lists are too deep inside each other"));
            }
            let mut array = FieldArray::default();
            for value in values {
                array.push(field(value, depth + 1)?);
            }
            FieldValue::FieldArray(array)
        }
        Value::Object(object) => FieldValue::FieldTable(table(object, depth + 1)?),
    })
}

fn number(value: &Number) -> Result<FieldValue, Error> {
    if let Some(integer) = value.as_i64() {
        return Ok(FieldValue::LongLongInt(integer));
    }
    match value.as_f64() {
        Some(float) if !value.is_u64() => Ok(FieldValue::Double(float)),
        _ => Err(Error::bad_request(format!("{value} does not fit into 64 bits with a sign"))),
    }
}

/// An object with the values of a table. Text that is not UTF-8 has marks where it is not.
pub(crate) fn to_json(table: &FieldTable) -> Map<String, Value> {
    let entries = table.inner().iter();
    entries.map(|(key, value)| (key.as_str().to_owned(), json(value))).collect()
}

/// A value of a table, to sort by.
pub(crate) fn key<'a>(table: &'a FieldTable, name: &str) -> Key<'a> {
    match table.inner().get(name) {
        Some(FieldValue::LongString(text)) => std::str::from_utf8(text.as_bytes()).ok().into(),
        Some(FieldValue::ShortString(text)) => text.as_str().into(),
        Some(FieldValue::Boolean(value)) => (*value).into(),
        Some(value) => match json(value) {
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Key::Integer(integer),
                None => number.as_f64().into(),
            },
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => Key::Missing,
        },
        None => Key::Missing,
    }
}

fn json(value: &FieldValue) -> Value {
    match value {
        FieldValue::Boolean(value) => Value::Bool(*value),
        FieldValue::ShortShortInt(value) => (*value).into(),
        FieldValue::ShortShortUInt(value) => (*value).into(),
        FieldValue::ShortInt(value) => (*value).into(),
        FieldValue::ShortUInt(value) => (*value).into(),
        FieldValue::LongInt(value) => (*value).into(),
        FieldValue::LongUInt(value) => (*value).into(),
        FieldValue::LongLongInt(value) => (*value).into(),
        FieldValue::Float(value) => float(f64::from(*value)),
        FieldValue::Double(value) => float(*value),
        FieldValue::DecimalValue(value) => {
            float(f64::from(value.value) / 10_f64.powi(i32::from(value.scale)))
        }
        FieldValue::ShortString(text) => text.as_str().into(),
        FieldValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        FieldValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        FieldValue::FieldArray(array) => array.as_slice().iter().map(json).collect(),
        FieldValue::FieldTable(table) => Value::Object(to_json(table)),
        FieldValue::Timestamp(seconds) => (*seconds).into(),
        FieldValue::Void => Value::Null,
    }
}

/// JSON knows neither infinity nor what is no number.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let object = json!({
            "integer": 5, "negative": -5, "large": i64::MAX, "float": 1.5, "whole float": 2.0,
            "text": "a \u{e4} \u{1f600}", "empty": "", "yes": true, "nothing": null,
            "list": [1, "a", [null], {}], "table": {"a": {"b": [{"c": 1}]}},
        });
        let object = object.as_object().unwrap();
        let table = from_json(object).unwrap();
        assert_eq!(to_json(&table), *object);
        assert_eq!(table.inner().get("integer"), Some(&FieldValue::LongLongInt(5)));
        assert_eq!(table.inner().get("whole float"), Some(&FieldValue::Double(2.0)));
        assert_eq!(
            table.inner().get("text"),
            Some(&FieldValue::LongString("a \u{e4} \u{1f600}".into()))
        );
    }

    #[test]
    fn what_no_table_can_hold_is_refused() {
        let mut deep = json!(1);
        for _ in 0..40 {
            deep = json!({"a": deep});
        }
        let mut list = json!(1);
        for _ in 0..40 {
            list = json!([list]);
        }
        for value in [deep, json!({"a": list}), json!({"a": u64::MAX}), json!({"k".repeat(256): 1})]
        {
            assert!(from_json(value.as_object().unwrap()).is_err(), "{value}");
        }
    }

    #[test]
    fn values_of_all_types_can_be_shown() {
        for (value, expected) in [
            (FieldValue::ShortShortUInt(200), json!(200)),
            (FieldValue::Float(0.5), json!(0.5)),
            (FieldValue::Double(f64::INFINITY), json!("inf")),
            (FieldValue::Timestamp(5), json!(5)),
            (FieldValue::LongString(vec![0x61, 0xff].into()), json!("a\u{fffd}")),
            (
                FieldValue::DecimalValue(warren_amqp::DecimalValue { scale: 2, value: 325 }),
                json!(3.25),
            ),
        ] {
            assert_eq!(json(&value), expected, "{value:?}");
        }
    }
}

//! Headers routing: a binding's arguments are compared with the message's headers.
//!
//! `x-match` is `all` (the default), `any`, `all-with-x` or `any-with-x`; without `-with-x`,
//! arguments whose names begin with `x-` do not take part. An argument without a value matches a
//! header of its name whatever the value.

use rustc_hash::FxHashMap;
use warren_amqp::table::{self, Value};
use warren_amqp::{FieldTable, FieldValue};

use super::{Target, Targets};
use crate::Error;
use crate::explain::{self, near};

#[derive(Debug, Default)]
pub(crate) struct HeadersRouter {
    /// Arguments in their encoded form, what they ask for, and where it leads.
    bindings: Vec<(Vec<u8>, Pattern, Targets)>,
    /// Where in `bindings` arguments stand.
    places: FxHashMap<Vec<u8>, usize>,
}

/// The part of a binding's arguments that takes part in matching.
#[derive(Debug, PartialEq)]
pub(crate) struct Pattern {
    all: bool,
    fields: Vec<(String, FieldValue)>,
}

impl Pattern {
    pub(crate) fn parse(arguments: &FieldTable) -> Result<Self, Error> {
        let mut all = true;
        let mut with_x = false;
        let mut fields = vec![];
        for (name, value) in arguments {
            if name.as_str() == "x-match" {
                (all, with_x) = match_kind(value)?;
            }
        }
        for (name, value) in arguments {
            let name = name.as_str();
            if name != "x-match" && (with_x || !name.starts_with("x-")) {
                fields.push((name.to_owned(), value.clone()));
            }
        }
        Ok(Self { all, fields })
    }

    /// Like RabbitMQ, an empty `all` matches everything and an empty `any` nothing.
    fn matches(&self, headers: &[(&str, Value<'_>)]) -> bool {
        let field_matches = |(name, value): &(String, FieldValue)| {
            headers.iter().any(|(header, found)| header == name && equal(value, found))
        };
        if self.all {
            self.fields.iter().all(field_matches)
        } else {
            self.fields.iter().any(field_matches)
        }
    }

    /// Whether it matches, and why, in a few words.
    pub(crate) fn judge(&self, headers: &[u8]) -> (bool, String) {
        let found: Vec<_> = table::entries(headers).collect();
        let is_match = self.matches(&found);
        let differs = |(name, wanted): &&(String, FieldValue)| {
            !found.iter().any(|(header, value)| header == name && equal(wanted, value))
        };
        let reason = match self.fields.iter().find(differs) {
            _ if is_match && self.all => "all headers are as it says".to_owned(),
            _ if is_match => "one of the headers is as it says".to_owned(),
            None => "it names no headers".to_owned(),
            Some(_) if !self.all => "none of the headers is as it says".to_owned(),
            Some((name, _)) => match explain::header(headers, name) {
                Some(value) => format!("the header '{name}' is {value}, which is not what it says"),
                None => format!("there is no header '{name}'"),
            },
        };
        (is_match, reason)
    }

    /// How far headers are from matching, where they do not: of all that must be so what is missing,
    /// of any the nearest one.
    pub(crate) fn distance(&self, headers: &[u8]) -> Option<u32> {
        let found: Vec<_> = table::entries(headers).collect();
        let missing = |(name, wanted): &(String, FieldValue)| {
            let mut named = found.iter().filter(|(header, _)| header == name).peekable();
            let is_there = named.peek().is_some();
            match (is_there, named.any(|(_, value)| equal(wanted, value))) {
                (_, true) => 0,
                (true, false) => near::OTHER_VALUE,
                (false, false) => near::NO_HEADER,
            }
        };
        let missing = self.fields.iter().map(missing);
        if self.all { Some(missing.sum()) } else { missing.min() }
    }
}

fn match_kind(value: &FieldValue) -> Result<(bool, bool), Error> {
    let FieldValue::LongString(text) = value else {
        return Err(Error::InvalidMatch { value: "of another type than a string".to_owned() });
    };
    match text.as_bytes() {
        b"all" => Ok((true, false)),
        b"any" => Ok((false, false)),
        b"all-with-x" => Ok((true, true)),
        b"any-with-x" => Ok((false, true)),
        other => Err(Error::InvalidMatch {
            value: format!("<<\"{}\">>", String::from_utf8_lossy(other)),
        }),
    }
}

/// Numbers are equal by value, whatever their width; an argument without value equals everything.
fn equal(wanted: &FieldValue, found: &Value<'_>) -> bool {
    let (int, float) = match wanted {
        FieldValue::ShortShortInt(v) => (Some(i64::from(*v)), None),
        FieldValue::ShortShortUInt(v) => (Some(i64::from(*v)), None),
        FieldValue::ShortInt(v) => (Some(i64::from(*v)), None),
        FieldValue::ShortUInt(v) => (Some(i64::from(*v)), None),
        FieldValue::LongInt(v) => (Some(i64::from(*v)), None),
        FieldValue::LongUInt(v) => (Some(i64::from(*v)), None),
        FieldValue::LongLongInt(v) => (Some(*v), None),
        FieldValue::Float(v) => (None, Some(f64::from(*v))),
        FieldValue::Double(v) => (None, Some(*v)),
        _ => (None, None),
    };
    match (wanted, found) {
        (FieldValue::Void, _) => true,
        (FieldValue::Boolean(a), Value::Bool(b)) => a == b,
        (FieldValue::LongString(a), Value::Bytes(b)) => a.as_bytes() == *b,
        (FieldValue::ByteArray(a), Value::Bytes(b)) => a.as_slice() == *b,
        (FieldValue::Timestamp(a), Value::Timestamp(b)) => a == b,
        (_, Value::Int(b)) => int == Some(*b) || float == Some(*b as f64),
        (_, Value::Float(b)) => float == Some(*b) || int.map(|a| a as f64) == Some(*b),
        (FieldValue::FieldTable(a), Value::Table(b)) => {
            table::decode(b).is_ok_and(|decoded| decoded == *a)
        }
        _ => false,
    }
}

impl HeadersRouter {
    pub(crate) fn insert(&mut self, arguments: &FieldTable, target: Target) {
        let encoded = table::encode(arguments);
        if let Some(at) = self.places.get(&encoded) {
            if let Some((_, _, targets)) = self.bindings.get_mut(*at) {
                targets.insert(target);
            }
            return;
        }
        let Ok(pattern) = Pattern::parse(arguments) else { return };
        let mut targets = Targets::default();
        targets.insert(target);
        self.places.insert(encoded.clone(), self.bindings.len());
        self.bindings.push((encoded, pattern, targets));
    }

    pub(crate) fn remove(&mut self, arguments: &FieldTable, target: Target) {
        let encoded = table::encode(arguments);
        let Some(at) = self.places.get(&encoded).copied() else { return };
        let Some((_, _, targets)) = self.bindings.get_mut(at) else { return };
        targets.remove(target);
        if !targets.is_empty() {
            return;
        }
        self.places.remove(&encoded);
        self.bindings.swap_remove(at);
        if let Some((moved, ..)) = self.bindings.get(at) {
            self.places.insert(moved.clone(), at);
        }
    }

    pub(crate) fn route(&self, headers: &[u8], found: &mut Vec<Target>) {
        let headers: Vec<_> = table::entries(headers).collect();
        for (_, pattern, targets) in &self.bindings {
            if pattern.matches(&headers) {
                found.extend(targets.iter());
            }
        }
    }
}

//! Headers routing against the definition, one binding after the other.
//!
//! An input is a list of raw tables, each behind a byte of length: the first are the arguments of
//! bindings, the last one is a message's headers.

use warren_amqp::table::{self, Value};
use warren_amqp::{FieldTable, FieldValue};
use warren_engine::ExchangeType;
use warren_engine::fuzzing::Routes;

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    let mut tables: Vec<&[u8]> = vec![];
    let mut rest = data;
    while let Some((length, more)) = rest.split_first() {
        let (table, after) = more.split_at(usize::from(*length).min(more.len()));
        tables.push(table);
        rest = after;
    }
    let Some(headers) = tables.pop().filter(|raw| table::check(raw).is_ok()) else { return };
    let mut routes = Routes::new(ExchangeType::Headers);
    let mut bound: Vec<(u64, FieldTable)> = vec![];
    for (queue, raw) in (0..).zip(tables) {
        let Ok(arguments) = table::decode(raw) else { continue };
        match routes.bind("", &arguments, queue) {
            Ok(()) => bound.push((queue, arguments)),
            Err(error) => assert!(kind(&arguments).is_none(), "{error}: {arguments:?}"),
        }
    }
    let found: Vec<(&str, Value<'_>)> = table::entries(headers).collect();
    while !bound.is_empty() {
        let matching = bound.iter().filter(|(_, arguments)| matches(arguments, &found));
        let expected: Vec<u64> = matching.map(|(queue, _)| *queue).collect();
        assert_eq!(routes.route("", headers), expected, "{found:?} of {bound:?}");
        // From the middle, so that what moves into its place is met.
        let (queue, arguments) = bound.remove(bound.len() / 2);
        routes.unbind("", &arguments, queue);
    }
    assert!(routes.route("", headers).is_empty());
}

/// Whether all must match and whether names with `x-` count; None if `x-match` is wrong.
fn kind(arguments: &FieldTable) -> Option<(bool, bool)> {
    match arguments.inner().get("x-match") {
        None => Some((true, false)),
        Some(FieldValue::LongString(text)) => match text.as_bytes() {
            b"all" => Some((true, false)),
            b"any" => Some((false, false)),
            b"all-with-x" => Some((true, true)),
            b"any-with-x" => Some((false, true)),
            _ => None,
        },
        Some(_) => None,
    }
}

fn matches(arguments: &FieldTable, headers: &[(&str, Value<'_>)]) -> bool {
    let Some((all, with_x)) = kind(arguments) else { return false };
    let (mut wanted, mut matched) = (0, 0);
    for (name, value) in arguments.inner() {
        let name = name.as_str();
        if name == "x-match" || (name.starts_with("x-") && !with_x) {
            continue;
        }
        wanted += 1;
        let same = |(header, found): &(&str, Value<'_>)| *header == name && equal(value, *found);
        matched += usize::from(headers.iter().any(same));
    }
    if all { matched == wanted } else { matched > 0 }
}

/// By what both stand for; an argument without a value equals everything.
fn equal(wanted: &FieldValue, found: Value<'_>) -> bool {
    if *wanted == FieldValue::Void {
        return true;
    }
    // Written and read again, an argument is a value as a message has it.
    let mut one = FieldTable::default();
    one.insert("v".into(), wanted.clone());
    let raw = table::encode(&one);
    let Some(wanted) = table::get(&raw, "v") else { return false };
    match (wanted, found) {
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => a as f64 == b,
        (Value::Table(a), Value::Table(b)) => table::decode(a).ok() == table::decode(b).ok(),
        // Not compared yet; RabbitMQ would.
        (Value::Array(_), Value::Array(_)) | (Value::Decimal { .. }, Value::Decimal { .. }) => {
            false
        }
        (Value::Void, Value::Void) => false,
        (a, b) => a == b,
    }
}

//! Comparing the arguments of a declaration with those in force.

use warren_amqp::{FieldTable, FieldValue};

/// Queue arguments that a redeclaration must repeat; others are stored and not compared, as
/// RabbitMQ does.
const COMPARED_QUEUE_ARGUMENTS: [&str; 22] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-type",
    "x-single-active-consumer",
    "x-delivery-limit",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-initial-cluster-size",
    "x-queue-version",
    "x-queue-master-locator",
    "x-queue-leader-locator",
    "x-quorum-initial-group-size",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
];

/// The same for exchanges.
const COMPARED_EXCHANGE_ARGUMENTS: [&str; 1] = ["alternate-exchange"];

/// An argument that differs: its name, what was received and what is in force, as RabbitMQ
/// writes them.
pub(crate) type Difference = (&'static str, String, String);

pub(crate) fn queue_difference(received: &FieldTable, current: &FieldTable) -> Option<Difference> {
    difference(&COMPARED_QUEUE_ARGUMENTS, received, current)
}

pub(crate) fn exchange_difference(
    received: &FieldTable,
    current: &FieldTable,
) -> Option<Difference> {
    difference(&COMPARED_EXCHANGE_ARGUMENTS, received, current)
}

fn difference(
    names: &[&'static str],
    received: &FieldTable,
    current: &FieldTable,
) -> Option<Difference> {
    names.iter().find_map(|name| {
        let received = received.inner().get(*name);
        let current = current.inner().get(*name);
        match (received, current) {
            (None, None) => None,
            // A queue is a classic one unless it says something else.
            (None, Some(value)) | (Some(value), None)
                if *name == "x-queue-type" && text(value) == "classic" =>
            {
                None
            }
            (Some(a), Some(b)) if same(a, b) => None,
            (Some(a), Some(b)) => Some((*name, format!("'{}'", text(a)), format!("'{}'", text(b)))),
            (a, b) => Some((*name, described(a), described(b))),
        }
    })
}

/// Integers of different widths are the same argument.
fn same(a: &FieldValue, b: &FieldValue) -> bool {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

pub(crate) fn integer(value: &FieldValue) -> Option<i64> {
    match value {
        FieldValue::ShortShortInt(v) => Some(i64::from(*v)),
        FieldValue::ShortShortUInt(v) => Some(i64::from(*v)),
        FieldValue::ShortInt(v) => Some(i64::from(*v)),
        FieldValue::ShortUInt(v) => Some(i64::from(*v)),
        FieldValue::LongInt(v) => Some(i64::from(*v)),
        FieldValue::LongUInt(v) => Some(i64::from(*v)),
        FieldValue::LongLongInt(v) => Some(*v),
        _ => None,
    }
}

fn described(value: Option<&FieldValue>) -> String {
    match value {
        None => "none".to_owned(),
        Some(value) => format!("the value '{}' of type '{}'", text(value), type_name(value)),
    }
}

/// A value with its type, as RabbitMQ writes it where it shows its own terms.
pub(crate) fn described_erlang(value: &FieldValue) -> String {
    let text = match value {
        FieldValue::LongString(_) => format!("<<\"{}\">>", text(value)),
        FieldValue::FieldTable(_) | FieldValue::FieldArray(_) => "[]".to_owned(),
        FieldValue::ByteArray(bytes) => {
            format!("<<\"{}\">>", String::from_utf8_lossy(bytes.as_slice()))
        }
        value => text(value),
    };
    format!("{{{},{text}}}", type_name(value))
}

fn text(value: &FieldValue) -> String {
    match value {
        FieldValue::LongString(v) => String::from_utf8_lossy(v.as_bytes()).into_owned(),
        FieldValue::Boolean(v) => v.to_string(),
        FieldValue::Float(v) => v.to_string(),
        FieldValue::Double(v) => v.to_string(),
        FieldValue::Timestamp(v) => v.to_string(),
        FieldValue::Void => "undefined".to_owned(),
        other => integer(other).map_or_else(|| format!("{other:?}"), |v| v.to_string()),
    }
}

/// RabbitMQ's names of the field types.
pub(crate) fn type_name(value: &FieldValue) -> &'static str {
    match value {
        FieldValue::Boolean(_) => "bool",
        FieldValue::ShortShortInt(_) => "byte",
        FieldValue::ShortShortUInt(_) => "unsignedbyte",
        FieldValue::ShortInt(_) => "short",
        FieldValue::ShortUInt(_) => "unsignedshort",
        FieldValue::LongInt(_) => "signedint",
        FieldValue::LongUInt(_) => "unsignedint",
        FieldValue::LongLongInt(_) => "long",
        FieldValue::Float(_) => "float",
        FieldValue::Double(_) => "double",
        FieldValue::DecimalValue(_) => "decimal",
        FieldValue::ShortString(_) | FieldValue::LongString(_) => "longstr",
        FieldValue::FieldArray(_) => "array",
        FieldValue::Timestamp(_) => "timestamp",
        FieldValue::FieldTable(_) => "table",
        FieldValue::ByteArray(_) => "binary",
        FieldValue::Void => "void",
    }
}

//! Field tables and property lists: the checks on raw bytes against the parser of `amq-protocol`,
//! the limits of depth and number, and reading in place.
//!
//! With an even first byte the rest is a table, otherwise a property list; the second byte holds
//! limits of depth and number.

use amq_protocol::types::parsing::parse_field_table;
use warren_amqp::properties::{self, Property};
use warren_amqp::table::{self, Value};
use warren_amqp::{Error, fuzzing, limits};

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    let Some(([kind, limit], raw)) = data.split_first_chunk::<2>() else { return };
    if kind % 2 == 0 {
        table(raw, usize::from(limit & 7) + 1, usize::from(limit >> 3));
    } else {
        property_list(raw);
    }
}

fn table(raw: &[u8], depth_max: usize, values_max: usize) {
    let checked = table::check(raw);
    let whole = [&u32::try_from(raw.len()).unwrap_or(0).to_be_bytes()[..], raw].concat();
    let parsed = match parse_field_table(whole.as_slice()) {
        Ok(([], parsed)) => Some(parsed),
        Ok(_) | Err(_) => None,
    };
    // The check takes what the parser takes, but for depth.
    match (&checked, &parsed) {
        (Ok(()), Some(_)) | (Err(_), None) => {}
        (Err(Error::TableDepth(limits::TABLE_DEPTH)), Some(_)) => {}
        (checked, parsed) => panic!("the check says {checked:?}, the parser {parsed:?}"),
    }
    assert_eq!(table::decode(raw).is_ok(), checked.is_ok());
    if checked.is_err() {
        // Reading ends where the bytes are malformed.
        assert!(table::entries(raw).count() + table::elements(raw).count() <= 2 * raw.len());
        return;
    }
    let (depth, values) = measured(raw, true);
    assert!(depth <= limits::TABLE_DEPTH, "nested {depth} levels deep");
    let limited = fuzzing::check_table(raw, depth_max, values_max);
    let fits = depth <= depth_max && values <= values_max;
    assert_eq!(limited.is_ok(), fits, "{depth} deep, {values} values: {limited:?}");
    let again = parsed.map(|parsed| table::encode(&parsed)).unwrap_or_default();
    let decoded = table::decode(&again).expect("what was written can be read");
    // Bytes are compared: a float that is no number is not equal to itself.
    assert_eq!(table::encode(&decoded), again);
    for (name, _) in table::entries(raw) {
        assert!(table::get(raw, name).is_some());
    }
}

/// The depth of a well-formed table or array, itself included, and its values in all.
fn measured(raw: &[u8], is_table: bool) -> (usize, usize) {
    let values: Vec<Value<'_>> = if is_table {
        table::entries(raw).map(|(_, value)| value).collect()
    } else {
        table::elements(raw).collect()
    };
    let (mut deepest, mut count) = (0, values.len());
    for value in values {
        let (depth, inner) = match value {
            Value::Table(raw) => measured(raw, true),
            Value::Array(raw) => measured(raw, false),
            _ => continue,
        };
        deepest = deepest.max(depth);
        count += inner;
    }
    (deepest + 1, count)
}

const ALL: [Property; 14] = [
    Property::ContentType,
    Property::ContentEncoding,
    Property::Headers,
    Property::DeliveryMode,
    Property::Priority,
    Property::CorrelationId,
    Property::ReplyTo,
    Property::Expiration,
    Property::MessageId,
    Property::Timestamp,
    Property::Type,
    Property::UserId,
    Property::AppId,
    Property::ClusterId,
];

fn property_list(raw: &[u8]) {
    let checked = properties::check(raw);
    let mut builder = properties::Builder::new();
    for property in ALL {
        let value = properties::get(raw, property);
        if let Some(value) = value {
            builder = builder.set(property, value);
        }
        if checked.is_ok() {
            assert_eq!(properties::replaced(raw, property, value), raw, "{property:?} put back");
            let without = properties::replaced(raw, property, None);
            assert_eq!(properties::check(&without), Ok(()), "without {property:?}");
            assert_eq!(properties::get(&without, property), None);
        }
    }
    if checked.is_ok() {
        assert_eq!(builder.build(), raw, "built again from its values");
        if let Some(headers) = properties::headers(raw) {
            assert_eq!(table::check(headers), Ok(()));
        }
        assert_eq!(properties::is_persistent(raw), properties::get(raw, ALL[3]) == Some(&[2]));
    } else {
        // Whatever is readable of a malformed list makes a well-formed one, but for texts.
        let built = builder.build();
        assert!(built.len() <= raw.len() + 2);
    }
}

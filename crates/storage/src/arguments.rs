//! Argument tables in stored form.
//!
//! The tables of the wire lose types on the way (RabbitMQ reads `l` and `L` alike), so the store
//! has a form of its own that gives back exactly what it was given: a count, then for each entry
//! its name, a byte for the kind of value, and the value.

use amq_protocol::types::{DecimalValue, FieldArray};
use warren_amqp::{FieldTable, FieldValue, ShortString};

use crate::bytes::{Cursor, put_bytes, put_number, put_signed};
use crate::limits::ARGUMENTS_DEPTH_MAX;

/// Appends a table.
pub(crate) fn put_table(out: &mut Vec<u8>, table: &FieldTable) {
    put_number(out, table.inner().len() as u64);
    for (name, value) in table {
        put_bytes(out, name.as_str().as_bytes());
        put_value(out, value);
    }
}

/// Reads a table; None if the bytes are not one.
pub(crate) fn table(cursor: &mut Cursor<'_>) -> Option<FieldTable> {
    table_at(cursor, ARGUMENTS_DEPTH_MAX)
}

fn put_value(out: &mut Vec<u8>, value: &FieldValue) {
    out.push(kind(value));
    match value {
        FieldValue::Boolean(value) => out.push(u8::from(*value)),
        FieldValue::ShortShortInt(value) => put_signed(out, i64::from(*value)),
        FieldValue::ShortShortUInt(value) => put_number(out, u64::from(*value)),
        FieldValue::ShortInt(value) => put_signed(out, i64::from(*value)),
        FieldValue::ShortUInt(value) => put_number(out, u64::from(*value)),
        FieldValue::LongInt(value) => put_signed(out, i64::from(*value)),
        FieldValue::LongUInt(value) => put_number(out, u64::from(*value)),
        FieldValue::LongLongInt(value) => put_signed(out, *value),
        FieldValue::Float(value) => out.extend_from_slice(&value.to_bits().to_le_bytes()),
        FieldValue::Double(value) => out.extend_from_slice(&value.to_bits().to_le_bytes()),
        FieldValue::DecimalValue(value) => {
            out.push(value.scale);
            put_number(out, u64::from(value.value));
        }
        FieldValue::ShortString(value) => put_bytes(out, value.as_str().as_bytes()),
        FieldValue::LongString(value) => put_bytes(out, value.as_bytes()),
        FieldValue::FieldArray(values) => {
            put_number(out, values.as_slice().len() as u64);
            for value in values.as_slice() {
                put_value(out, value);
            }
        }
        FieldValue::Timestamp(value) => put_number(out, *value),
        FieldValue::FieldTable(value) => put_table(out, value),
        FieldValue::ByteArray(value) => put_bytes(out, value.as_slice()),
        FieldValue::Void => {}
    }
}

/// The byte that stands for a kind of value on disk. Never give a number a new meaning.
fn kind(value: &FieldValue) -> u8 {
    match value {
        FieldValue::Boolean(_) => 1,
        FieldValue::ShortShortInt(_) => 2,
        FieldValue::ShortShortUInt(_) => 3,
        FieldValue::ShortInt(_) => 4,
        FieldValue::ShortUInt(_) => 5,
        FieldValue::LongInt(_) => 6,
        FieldValue::LongUInt(_) => 7,
        FieldValue::LongLongInt(_) => 8,
        FieldValue::Float(_) => 9,
        FieldValue::Double(_) => 10,
        FieldValue::DecimalValue(_) => 11,
        FieldValue::ShortString(_) => 12,
        FieldValue::LongString(_) => 13,
        FieldValue::FieldArray(_) => 14,
        FieldValue::Timestamp(_) => 15,
        FieldValue::FieldTable(_) => 16,
        FieldValue::ByteArray(_) => 17,
        FieldValue::Void => 18,
    }
}

fn table_at(cursor: &mut Cursor<'_>, depth: usize) -> Option<FieldTable> {
    let depth = depth.checked_sub(1)?;
    let mut table = FieldTable::default();
    for _ in 0..count(cursor)? {
        let name = short_string(cursor)?;
        table.insert(name, value_at(cursor, depth)?);
    }
    Some(table)
}

fn value_at(cursor: &mut Cursor<'_>, depth: usize) -> Option<FieldValue> {
    Some(match cursor.byte()? {
        1 => FieldValue::Boolean(cursor.byte()? != 0),
        2 => FieldValue::ShortShortInt(cursor.signed()?.try_into().ok()?),
        3 => FieldValue::ShortShortUInt(cursor.number()?.try_into().ok()?),
        4 => FieldValue::ShortInt(cursor.signed()?.try_into().ok()?),
        5 => FieldValue::ShortUInt(cursor.number()?.try_into().ok()?),
        6 => FieldValue::LongInt(cursor.signed()?.try_into().ok()?),
        7 => FieldValue::LongUInt(cursor.number()?.try_into().ok()?),
        8 => FieldValue::LongLongInt(cursor.signed()?),
        9 => FieldValue::Float(f32::from_bits(cursor.u32()?)),
        10 => FieldValue::Double(f64::from_bits(cursor.u64()?)),
        11 => {
            let scale = cursor.byte()?;
            FieldValue::DecimalValue(DecimalValue { scale, value: cursor.number_u32()? })
        }
        12 => FieldValue::ShortString(short_string(cursor)?),
        13 => FieldValue::LongString(cursor.bytes()?.to_vec().into()),
        14 => FieldValue::FieldArray(array_at(cursor, depth)?),
        15 => FieldValue::Timestamp(cursor.number()?),
        16 => FieldValue::FieldTable(table_at(cursor, depth)?),
        17 => FieldValue::ByteArray(cursor.bytes()?.to_vec().into()),
        18 => FieldValue::Void,
        _ => return None,
    })
}

fn array_at(cursor: &mut Cursor<'_>, depth: usize) -> Option<FieldArray> {
    let depth = depth.checked_sub(1)?;
    let mut values = Vec::new();
    for _ in 0..count(cursor)? {
        values.push(value_at(cursor, depth)?);
    }
    Some(values.into())
}

/// A text of at most 255 bytes; a longer one was never written.
fn short_string(cursor: &mut Cursor<'_>) -> Option<ShortString> {
    ShortString::try_new(cursor.string()?).ok()
}

/// A count of things that take at least one byte each.
fn count(cursor: &mut Cursor<'_>) -> Option<usize> {
    usize::try_from(cursor.number()?).ok().filter(|count| *count <= cursor.left())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = FieldValue> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(FieldValue::Boolean),
            any::<i8>().prop_map(FieldValue::ShortShortInt),
            any::<u8>().prop_map(FieldValue::ShortShortUInt),
            any::<i16>().prop_map(FieldValue::ShortInt),
            any::<u16>().prop_map(FieldValue::ShortUInt),
            any::<i32>().prop_map(FieldValue::LongInt),
            any::<u32>().prop_map(FieldValue::LongUInt),
            any::<i64>().prop_map(FieldValue::LongLongInt),
            (-1e9_f32..1e9).prop_map(FieldValue::Float),
            (-1e9_f64..1e9).prop_map(FieldValue::Double),
            (any::<u8>(), any::<u32>())
                .prop_map(|(scale, value)| FieldValue::DecimalValue(DecimalValue { scale, value })),
            ".{0,8}".prop_map(|text| FieldValue::ShortString(text.into())),
            proptest::collection::vec(any::<u8>(), 0..8)
                .prop_map(|bytes| FieldValue::LongString(bytes.into())),
            any::<u64>().prop_map(FieldValue::Timestamp),
            proptest::collection::vec(any::<u8>(), 0..8)
                .prop_map(|bytes| FieldValue::ByteArray(bytes.into())),
            Just(FieldValue::Void),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4)
                    .prop_map(|values| FieldValue::FieldArray(values.into())),
                proptest::collection::btree_map(".{0,5}", inner, 0..4).prop_map(|entries| {
                    let mut table = FieldTable::default();
                    for (name, value) in entries {
                        table.insert(name.into(), value);
                    }
                    FieldValue::FieldTable(table)
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_kind_of_value_comes_back(value in value()) {
            let mut given = FieldTable::default();
            given.insert("x".into(), value);
            let mut out = Vec::new();
            put_table(&mut out, &given);
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(table(&mut cursor), Some(given));
            prop_assert!(cursor.is_empty());
        }

        #[test]
        fn bytes_that_are_not_a_table_do_not_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = table(&mut Cursor::new(&bytes));
        }
    }

    #[test]
    fn tables_nested_too_deep_are_refused() {
        let mut out = Vec::new();
        for _ in 0..=ARGUMENTS_DEPTH_MAX {
            out.extend_from_slice(&[1, 1, b'x', 16]);
        }
        out.push(0);
        assert_eq!(table(&mut Cursor::new(&out)), None);
    }

    #[test]
    fn a_name_or_short_text_that_is_too_long_is_refused() {
        let long = "x".repeat(256);
        let mut with_name = vec![1];
        put_bytes(&mut with_name, long.as_bytes());
        with_name.push(18);
        let mut with_value = vec![1, 1, b'x', 12];
        put_bytes(&mut with_value, long.as_bytes());
        for bytes in [with_name, with_value] {
            assert_eq!(table(&mut Cursor::new(&bytes)), None);
        }
    }
}

//! Tables: every type letter, both ways, and malformed bytes.

use amq_protocol::types::{AMQPValue, DecimalValue, FieldArray, LongString, ShortString};
use proptest::prelude::*;

use super::*;

/// One entry of each type letter with its value.
fn all_letters() -> Vec<(&'static str, Vec<u8>)> {
    let entry = |key: &str, value: &[u8]| {
        [&[u8::try_from(key.len()).unwrap()][..], key.as_bytes(), value].concat()
    };
    vec![
        ("bool", entry("bool", b"t\x01")),
        ("i8", entry("i8", b"b\xfe")),
        ("u8", entry("u8", b"B\xfe")),
        ("i16 of RabbitMQ", entry("i16", b"s\xff\xfe")),
        ("i16 of the specification", entry("I16", b"U\xff\xfe")),
        ("u16", entry("u16", b"u\xff\xfe")),
        ("i32", entry("i32", b"I\xff\xff\xff\xfe")),
        ("u32", entry("u32", b"i\xff\xff\xff\xfe")),
        ("i64", entry("i64", b"l\xff\xff\xff\xff\xff\xff\xff\xfe")),
        ("i64 too", entry("I64", b"L\xff\xff\xff\xff\xff\xff\xff\xfe")),
        ("f32", entry("f32", b"f\x3f\x80\x00\x00")),
        ("f64", entry("f64", b"d\x3f\xf0\x00\x00\x00\x00\x00\x00")),
        ("decimal", entry("decimal", b"D\x02\x00\x00\x01\x02")),
        ("text", entry("text", b"S\x00\x00\x00\x02hi")),
        ("bytes", entry("bytes", b"x\x00\x00\x00\x02\xff\x00")),
        ("timestamp", entry("timestamp", b"T\x00\x00\x00\x00\x00\x00\x01\x02")),
        ("array", entry("array", b"A\x00\x00\x00\x03t\x00V")),
        ("table", entry("table", b"F\x00\x00\x00\x04\x01kt\x01")),
        ("void", entry("void", b"V")),
    ]
}

#[test]
fn every_type_letter_is_read_in_place() {
    let raw: Vec<u8> = all_letters().into_iter().flat_map(|(_, bytes)| bytes).collect();
    let values: Vec<Value<'_>> = entries(&raw).map(|(_, value)| value).collect();
    let expected = [
        Value::Bool(true),
        Value::Int(-2),
        Value::Int(254),
        Value::Int(-2),
        Value::Int(-2),
        Value::Int(65534),
        Value::Int(-2),
        Value::Int(4_294_967_294),
        Value::Int(-2),
        Value::Int(-2),
        Value::Float(1.0),
        Value::Float(1.0),
        Value::Decimal { scale: 2, value: 258 },
        Value::Bytes(b"hi"),
        Value::Bytes(b"\xff\x00"),
        Value::Timestamp(258),
        Value::Array(b"t\x00V"),
        Value::Table(b"\x01kt\x01"),
        Value::Void,
    ];
    assert_eq!(values, expected);
    assert_eq!(get(&raw, "i16"), Some(Value::Int(-2)));
    assert_eq!(get(&raw, "absent"), None);
    assert_eq!(elements(b"t\x00V").collect::<Vec<_>>(), [Value::Bool(false), Value::Void]);
}

#[test]
fn every_type_letter_passes_the_check_and_the_parser() {
    for (name, raw) in all_letters() {
        assert_eq!(check(&raw), Ok(()), "{name}");
        let table = decode(&raw).unwrap();
        let again = encode(&table);
        // The letters U and L have a second spelling, which is the one that is written.
        let expected: Vec<u8> = match name {
            "i16 of the specification" => b"\x03I16s\xff\xfe".to_vec(),
            "i64 too" => b"\x03I64l\xff\xff\xff\xff\xff\xff\xff\xfe".to_vec(),
            _ => raw,
        };
        assert_eq!(again, expected, "{name}");
    }
}

#[test]
fn a_value_that_is_cut_anywhere_is_refused() {
    for (name, raw) in all_letters() {
        for length in 1..raw.len() {
            let cut = &raw[..length];
            assert!(matches!(check(cut), Err(Error::Truncated { .. })), "{name} {length}");
            assert!(decode(cut).is_err());
            assert_eq!(entries(cut).count(), 0);
        }
    }
}

#[test]
fn an_inner_length_beyond_its_container_is_refused() {
    // The inner table claims five bytes where its container has four left for it.
    let raw = b"\x01kF\x00\x00\x00\x05\x01kt\x01";
    assert_eq!(check(raw), Err(Error::Truncated { needed: 5, left: 4 }));
    // The inner string reaches beyond the inner table, though not beyond the outer one.
    let raw = b"\x01kF\x00\x00\x00\x08\x01kS\x00\x00\x00\x02hi\x01zV";
    assert_eq!(check(raw), Err(Error::Truncated { needed: 2, left: 1 }));
}

#[test]
fn unknown_letters_and_keys_that_are_not_utf8_are_refused() {
    assert_eq!(check(b"\x01kz"), Err(Error::FieldType(b'z')));
    assert_eq!(check(b"\x01\xffV"), Err(Error::NotUtf8));
    assert_eq!(check(b""), Ok(()));
    assert_eq!(check(b"\x00V"), Ok(()));
}

#[test]
fn what_follows_a_nested_container_is_checked_too() {
    let good = b"\x01aA\x00\x00\x00\x07F\x00\x00\x00\x00tt\x01bV";
    assert_eq!(check(good), Ok(()));
    let bad = b"\x01aA\x00\x00\x00\x07F\x00\x00\x00\x00tt\x01bz";
    assert_eq!(check(bad), Err(Error::FieldType(b'z')));
}

#[test]
fn depth_counts_tables_and_arrays() {
    let arrays = |levels: usize| {
        let mut raw = Vec::new();
        for _ in 2..levels {
            let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
            raw = [&b"A"[..], &length, &raw].concat();
        }
        let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
        [&b"\x01kA"[..], &length, &raw].concat()
    };
    assert_eq!(check(&arrays(limits::TABLE_DEPTH)), Ok(()));
    let too_deep = Err(Error::TableDepth(limits::TABLE_DEPTH));
    assert_eq!(check(&arrays(limits::TABLE_DEPTH + 1)), too_deep);
    assert_eq!(check(&arrays(10_000)), too_deep);
}

/// Any value that has a type letter, nested up to four levels.
fn any_value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<u8>().prop_map(AMQPValue::ShortShortUInt),
        any::<i16>().prop_map(AMQPValue::ShortInt),
        any::<u16>().prop_map(AMQPValue::ShortUInt),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        (-1e9_f32..1e9).prop_map(AMQPValue::Float),
        (-1e9_f64..1e9).prop_map(AMQPValue::Double),
        (any::<u8>(), any::<u32>())
            .prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
        any::<Vec<u8>>().prop_map(|bytes| AMQPValue::LongString(LongString::from(bytes))),
        any::<Vec<u8>>().prop_map(|bytes| AMQPValue::ByteArray(bytes.into())),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        Just(AMQPValue::Void),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| AMQPValue::FieldArray(FieldArray::from(values))),
            any_table(inner).prop_map(AMQPValue::FieldTable),
        ]
    })
}

fn any_table(value: impl Strategy<Value = AMQPValue>) -> impl Strategy<Value = FieldTable> {
    prop::collection::btree_map("[a-z]{0,4}\u{e9}?", value, 0..4).prop_map(|map| {
        let mut table = FieldTable::default();
        for (key, value) in map {
            table.insert(ShortString::from(key), value);
        }
        table
    })
}

proptest! {
    #[test]
    fn tables_survive_the_round_trip(table in any_table(any_value())) {
        let raw = encode(&table);
        prop_assert_eq!(check(&raw), Ok(()));
        prop_assert_eq!(entries(&raw).count(), table.inner().len());
        prop_assert_eq!(decode(&raw).unwrap(), table);
    }

    /// The check takes exactly what the parser takes, but for depth.
    #[test]
    fn check_and_parser_agree_on_damaged_tables(
        table in any_table(any_value()),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut raw = encode(&table);
        if !raw.is_empty() {
            let at = at.index(raw.len());
            raw[at] = byte;
        }
        let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
        let whole = [&length[..], &raw].concat();
        let parsed = matches!(parse_field_table(whole.as_slice()), Ok(([], _)));
        prop_assert_eq!(check(&raw).is_ok(), parsed);
    }

    #[test]
    fn random_bytes_never_panic(raw in any::<Vec<u8>>()) {
        let checked = check(&raw);
        prop_assert_eq!(decode(&raw).is_ok(), checked.is_ok());
        prop_assert!(entries(&raw).count() <= raw.len());
        prop_assert!(elements(&raw).count() <= raw.len());
    }
}

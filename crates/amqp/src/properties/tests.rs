//! Properties: the list in place against `amq-protocol`'s, and malformed lists.

use amq_protocol::frame::WriteContext;
use amq_protocol::protocol::BasicProperties;
use amq_protocol::protocol::basic::{gen_properties, parse_properties};
use amq_protocol::types::{AMQPValue, FieldTable};
use proptest::prelude::*;

use super::*;
use crate::limits;

/// All fourteen properties, packed by hand.
const ALL: &[u8] = b"\xff\xfc\
    \x0atext/plain\
    \x04gzip\
    \x00\x00\x00\x07\x01kI\x00\x00\x00\x05\
    \x02\
    \x09\
    \x03cid\
    \x02rt\
    \x0560000\
    \x03mid\
    \x00\x00\x00\x00\x00\x00\x01\x02\
    \x01t\
    \x05guest\
    \x03app\
    \x02cl";

#[test]
fn every_property_is_found() {
    assert_eq!(check(ALL), Ok(()));
    assert_eq!(text(ALL, Property::ContentType), Some("text/plain"));
    assert_eq!(text(ALL, Property::ContentEncoding), Some("gzip"));
    assert_eq!(headers(ALL), Some(&b"\x01kI\x00\x00\x00\x05"[..]));
    assert!(is_persistent(ALL));
    assert_eq!(priority(ALL), Some(9));
    assert_eq!(correlation_id(ALL), Some("cid"));
    assert_eq!(reply_to(ALL), Some("rt"));
    assert_eq!(expiration(ALL), Some("60000"));
    assert_eq!(message_id(ALL), Some("mid"));
    assert_eq!(timestamp(ALL), Some(258));
    assert_eq!(text(ALL, Property::Type), Some("t"));
    assert_eq!(user_id(ALL), Some("guest"));
    assert_eq!(text(ALL, Property::AppId), Some("app"));
    assert_eq!(text(ALL, Property::ClusterId), Some("cl"));
}

#[test]
fn absent_properties_are_none() {
    assert_eq!(check(NONE), Ok(()));
    for property in PROPERTIES {
        assert_eq!(get(NONE, property), None);
    }
    assert!(!is_persistent(NONE));
    assert!(!is_persistent(b"\x10\x00\x01"));
    assert!(is_persistent(b"\x10\x00\x02"));
    assert!(!is_persistent(b""));
}

#[test]
fn a_list_that_is_cut_anywhere_is_refused() {
    for length in 0..ALL.len() {
        let result = check(&ALL[..length]);
        assert!(matches!(result, Err(Error::Truncated { .. })), "{length}: {result:?}");
    }
    assert_eq!(check(&[ALL, b"x"].concat()), Err(Error::TrailingBytes(1)));
    assert_eq!(check(b"\x00\x00x"), Err(Error::TrailingBytes(1)));
}

#[test]
fn reserved_flags_are_refused() {
    assert_eq!(check(b"\x00\x01\x00\x00"), Err(Error::PropertyFlags(1)));
    assert_eq!(check(b"\x10\x02\x02"), Err(Error::PropertyFlags(0x1002)));
}

#[test]
fn malformed_headers_are_refused() {
    assert_eq!(check(b"\x20\x00\x00\x00\x00\x03\x01kz"), Err(Error::FieldType(b'z')));
    let mut raw = Vec::new();
    for _ in 1..10_000 {
        let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
        raw = [&b"\x01kF"[..], &length, &raw].concat();
    }
    let properties = Builder::new().set(Property::Headers, &raw).build();
    assert_eq!(check(&properties), Err(Error::TableDepth(limits::TABLE_DEPTH)));
}

#[test]
fn only_texts_that_the_broker_reads_must_be_utf8() {
    for property in [Property::ReplyTo, Property::Expiration, Property::UserId] {
        let properties = Builder::new().set(property, b"\xff").build();
        assert_eq!(check(&properties), Err(Error::NotUtf8), "{property:?}");
    }
    let properties = Builder::new().set(Property::CorrelationId, b"\xff").build();
    assert_eq!(check(&properties), Ok(()));
    assert_eq!(get(&properties, Property::CorrelationId), Some(&b"\xff"[..]));
    assert_eq!(correlation_id(&properties), None);
}

#[test]
fn one_property_is_replaced_and_the_others_stay() {
    let without = without_expiration(ALL);
    assert_eq!(expiration(&without), None);
    assert_eq!(without.len(), ALL.len() - 6);
    assert_eq!(message_id(&without), Some("mid"));
    let with = with_headers(&without, Some(b"\x01zV"));
    assert_eq!(headers(&with), Some(&b"\x01zV"[..]));
    assert_eq!(replaced(&with, Property::Headers, None), with_headers(&without, None));
    assert_eq!(replaced(ALL, Property::Priority, Some(&[9])), ALL);
}

#[test]
fn values_that_do_not_fit_are_left_out() {
    let built = Builder::new()
        .set(Property::MessageId, vec![b'x'; 256])
        .set(Property::Priority, [1, 2])
        .set(Property::Timestamp, [1])
        .set(Property::AppId, "app")
        .build();
    assert_eq!(built, b"\x00\x08\x03app");
}

fn any_properties() -> impl Strategy<Value = BasicProperties> {
    let text = || prop::option::of("[a-z]{0,6}");
    let numbers = (prop::option::of(any::<u8>()), prop::option::of(any::<u8>()));
    let time = prop::option::of(any::<u64>());
    let texts = prop::collection::vec(text(), 10);
    let header = prop::option::of(any::<i32>());
    (texts, numbers, time, header).prop_map(|(texts, (mode, priority), time, header)| {
        let mut built = BasicProperties::default();
        let setters = [
            BasicProperties::with_content_type,
            BasicProperties::with_content_encoding,
            BasicProperties::with_correlation_id,
            BasicProperties::with_reply_to,
            BasicProperties::with_expiration,
            BasicProperties::with_message_id,
            BasicProperties::with_type,
            BasicProperties::with_user_id,
            BasicProperties::with_app_id,
            BasicProperties::with_cluster_id,
        ];
        for (set, text) in setters.into_iter().zip(texts) {
            built = text.map_or(built.clone(), |text| set(built, text.into()));
        }
        built = mode.map_or(built.clone(), |mode| built.with_delivery_mode(mode));
        built = priority.map_or(built.clone(), |priority| built.with_priority(priority));
        built = time.map_or(built.clone(), |time| built.with_timestamp(time));
        let Some(number) = header else { return built };
        let mut table = FieldTable::default();
        table.insert("n".into(), AMQPValue::LongInt(number));
        built.with_headers(table)
    })
}

proptest! {
    #[test]
    fn properties_agree_with_amq_protocol(properties in any_properties()) {
        let written = gen_properties(&properties)(WriteContext::from(Vec::new())).unwrap();
        let raw = written.into_inner().0;
        prop_assert_eq!(check(&raw), Ok(()));
        prop_assert_eq!(priority(&raw), *properties.priority());
        prop_assert_eq!(timestamp(&raw), *properties.timestamp());
        prop_assert_eq!(is_persistent(&raw), *properties.delivery_mode() == Some(2));
        let same = |text: &Option<crate::ShortString>| text.as_ref().map(|text| text.to_string());
        prop_assert_eq!(expiration(&raw).map(str::to_owned), same(properties.expiration()));
        prop_assert_eq!(reply_to(&raw).map(str::to_owned), same(properties.reply_to()));
        prop_assert_eq!(user_id(&raw).map(str::to_owned), same(properties.user_id()));
        prop_assert_eq!(message_id(&raw).map(str::to_owned), same(properties.message_id()));
        let headers = headers(&raw).map(|raw| table::decode(raw).unwrap());
        prop_assert_eq!(&headers, properties.headers());
        // The own builder writes the same bytes.
        prop_assert_eq!(replaced(&raw, Property::Headers, super::headers(&raw)), raw);
    }

    #[test]
    fn random_bytes_never_panic(raw in any::<Vec<u8>>()) {
        let good = check(&raw).is_ok();
        for property in PROPERTIES {
            let value = get(&raw, property);
            prop_assert!(!good || value.is_some() == has(&raw, property));
        }
    }

    /// What the parser takes whole passes the check, but for reserved flags and depth.
    #[test]
    fn what_the_parser_takes_passes(flags in any::<u16>(), list in any::<Vec<u8>>()) {
        let raw = [&(flags & !RESERVED_FLAGS).to_be_bytes()[..], &list].concat();
        if let Ok(([], _)) = parse_properties(raw.as_slice()) {
            prop_assert_eq!(check(&raw), Ok(()));
        }
    }
}

/// True if the flag of this property is set.
fn has(raw: &[u8], property: Property) -> bool {
    u16::from_be_bytes([raw[0], raw[1]]) & property.flag() != 0
}

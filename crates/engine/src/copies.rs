//! Messages with more routing keys than one: the headers `CC` and `BCC`, arrays of texts.
//!
//! A message is routed by its own key and by all of these, and each queue gets one copy. `BCC` is
//! taken out of the headers before anything else happens, so that no consumer sees it, not after
//! a restart either. Its keys stay with the message beside the properties, as a dead letter is
//! routed by them again.

use smallvec::SmallVec;
use warren_amqp::table::{self, Value};
use warren_amqp::{FieldValue, properties};

use crate::arguments::type_name;
use crate::{Error, Message};

const CC: &str = "CC";
const BCC: &str = "BCC";

/// The routing keys of a message, its own one first.
pub(crate) type Keys<'a> = SmallVec<[&'a str; 4]>;

/// Whether a raw table of headers names more routing keys.
pub(crate) fn has_more_keys(headers: &[u8]) -> bool {
    table::entries(headers).any(|(name, _)| name == CC || name == BCC)
}

/// Checks the headers of a message that was published now. Gives the message to go on with, where
/// that is another one: without `BCC`.
pub(crate) fn accept(message: &Message) -> Result<Option<Message>, Error> {
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let mut hidden = None;
    for name in [CC, BCC] {
        match table::get(headers, name) {
            None => {}
            Some(Value::Array(keys)) if name == BCC => hidden = Some(keys),
            Some(Value::Array(_)) => {}
            Some(_) => return Err(unacceptable(headers, name)),
        }
    }
    Ok(hidden.map(|keys| {
        let headers = table::without(headers, BCC);
        let properties = properties::with_headers(message.properties(), Some(&headers));
        message.changed(&properties, keys)
    }))
}

fn unacceptable(headers: &[u8], name: &str) -> Error {
    let decoded = table::decode(headers).unwrap_or_default();
    let kind = decoded.inner().get(name).map_or_else(|| type_name(&FieldValue::Void), type_name);
    let reason = format!("invalid message: {{unacceptable_type_in_header,\"{name}\",{kind}}}");
    Error::MessageRefused { reason }
}

/// All routing keys of a message.
pub(crate) fn keys(message: &Message) -> Keys<'_> {
    let mut keys = Keys::new();
    keys.push(message.routing_key());
    if !message.has_more_keys() {
        return keys;
    }
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let shown = match table::get(headers, CC) {
        Some(Value::Array(keys)) => keys,
        _ => &[],
    };
    for array in [shown, message.hidden_keys()] {
        keys.extend(table::elements(array).filter_map(|element| match element {
            Value::Bytes(key) => str::from_utf8(key).ok(),
            _ => None,
        }));
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use warren_amqp::properties::{Builder, Property};

    use super::*;
    use crate::MessageBatch;

    /// A message with these entries of a raw table as its headers.
    fn message(headers: &[u8]) -> Message {
        let properties = Builder::new()
            .set(Property::Headers, headers)
            .set(Property::CorrelationId, "id")
            .build();
        let mut batch = MessageBatch::with_capacity(1, 0).at(7);
        batch.push("x", "own", &properties, b"body");
        Message::new(&Arc::new(batch), 0).expect("a message")
    }

    fn array(name: &str, keys: &[&str]) -> Vec<u8> {
        let mut elements = vec![];
        for key in keys {
            elements.push(b'S');
            elements.extend((key.len() as u32).to_be_bytes());
            elements.extend(key.as_bytes());
        }
        let mut entry = vec![name.len() as u8];
        entry.extend(name.as_bytes());
        entry.push(b'A');
        entry.extend((elements.len() as u32).to_be_bytes());
        entry.extend(elements);
        entry
    }

    #[test]
    fn hidden_keys_leave_the_headers_and_stay_with_the_message() {
        let rest = [array("CC", &["c"]), b"\x01zt\x01".to_vec(), b"\x01at\x00".to_vec()].concat();
        let published = message(&[array("BCC", &["b", "d"]), rest.clone()].concat());
        let accepted = accept(&published).expect("accepted").expect("changed");
        assert_eq!(properties::headers(accepted.properties()), Some(&rest[..]));
        assert_eq!(properties::correlation_id(accepted.properties()), Some("id"));
        assert_eq!((accepted.time(), accepted.body()), (7, &b"body"[..]));
        assert_eq!(keys(&accepted).as_slice(), ["own", "c", "b", "d"]);
        let mut stored = MessageBatch::default();
        assert!(stored.push_encoded(accepted.encoded()));
        let stored = Message::new(&Arc::new(stored), 0).expect("a message");
        assert_eq!(keys(&stored).as_slice(), ["own", "c", "b", "d"], "as read back from disk");
        assert_eq!(stored.body_bytes(), 4);
    }

    #[test]
    fn a_message_without_hidden_keys_stays_as_it_is() {
        for headers in [array("CC", &["c"]), vec![]] {
            assert!(accept(&message(&headers)).expect("accepted").is_none());
        }
        assert!(!message(b"\x02Cct\x01").has_more_keys(), "names are compared letter by letter");
    }

    #[test]
    fn a_header_of_another_type_is_refused_by_its_name() {
        for (entry, kind) in [(&b"\x03BCCt\x01"[..], "bool"), (b"\x03BCCb\x01", "byte")] {
            let refused = accept(&message(entry)).expect_err("refused").to_string();
            let expected =
                format!("invalid message: {{unacceptable_type_in_header,\"BCC\",{kind}}}");
            assert_eq!(refused, expected);
        }
    }
}

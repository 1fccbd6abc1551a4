//! The login mechanisms against plain definitions, and the same through a whole handshake.
//!
//! The first byte chooses the mechanism, the second says how many bytes of the rest are client
//! properties; what follows is the response.

use std::collections::BTreeSet;

use warren_amqp::table::{self, Value};
use warren_amqp::{fuzzing, limits};

use crate::peer::{PROTOCOL_HEADER, Peer, start_ok};

const MECHANISMS: [&str; 4] = ["PLAIN", "AMQPLAIN", "EXTERNAL", ""];

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    let Some(([choice, length], rest)) = data.split_first_chunk::<2>() else { return };
    let mechanism = MECHANISMS.get(usize::from(choice % 4)).copied().unwrap_or_default();
    let (client_properties, response) = rest.split_at(usize::from(*length).min(rest.len()));
    let found = fuzzing::credentials(mechanism, response);
    match mechanism {
        "PLAIN" => assert_eq!(found, plain(response)),
        "AMQPLAIN" => {
            let unique = has_unique_names(response);
            if unique {
                assert_eq!(found, amqplain(response));
            }
        }
        _ => assert_eq!(found, None),
    }
    handshake(mechanism, response, client_properties, found);
}

/// Three parts with a zero between them, all of it text.
fn plain(response: &[u8]) -> Option<(String, String)> {
    let parts: Vec<String> = response
        .split(|byte| *byte == 0)
        .map(|part| String::from_utf8(part.to_vec()).ok())
        .collect::<Option<_>>()?;
    match parts.as_slice() {
        [_, user, password] => Some((user.clone(), password.clone())),
        _ => None,
    }
}

/// A table with two texts, read by the parser.
fn amqplain(response: &[u8]) -> Option<(String, String)> {
    let table = table::decode(response).ok()?;
    let text = |name: &str| {
        let bytes = match table.inner().get(name)? {
            warren_amqp::FieldValue::LongString(text) => text.as_bytes().to_vec(),
            warren_amqp::FieldValue::ByteArray(bytes) => bytes.as_slice().to_vec(),
            _ => return None,
        };
        String::from_utf8(bytes).ok()
    };
    Some((text("LOGIN")?, text("PASSWORD")?))
}

fn has_unique_names(raw: &[u8]) -> bool {
    let mut names = BTreeSet::new();
    table::entries(raw).all(|(name, _)| names.insert(name.to_owned()))
}

/// The whole way: the login is told if and only if the mechanism takes the response.
fn handshake(
    mechanism: &str,
    response: &[u8],
    client_properties: &[u8],
    found: Option<(String, String)>,
) {
    let mut peer = Peer::new();
    peer.feed(PROTOCOL_HEADER);
    peer.feed(&start_ok(mechanism.as_bytes(), response, client_properties));
    let depth = limits::CLIENT_PROPERTIES_DEPTH;
    let values = limits::CLIENT_PROPERTIES_VALUES;
    let good_properties = fuzzing::check_table(client_properties, depth, values).is_ok();
    let seen = String::from_utf8_lossy(&peer.seen).into_owned();
    let event = match found {
        Some((username, password)) if good_properties => {
            let mechanism = mechanism.to_owned();
            let login = warren_amqp::Event::Login { mechanism, username, password };
            format!("{login:?}\n")
        }
        _ => {
            assert!(seen.starts_with("Failed"), "{seen}");
            return;
        }
    };
    assert_eq!(seen, event);
    assert!(!peer.connection.is_finished());
    let wanted = table::entries(client_properties)
        .filter(|(name, _)| *name == "capabilities")
        .filter_map(|(_, value)| if let Value::Table(raw) = value { Some(raw) } else { None })
        .last();
    let has = wanted.is_some_and(|raw| {
        let named = table::entries(raw).filter(|(name, _)| *name == "basic.nack");
        named.last().is_some_and(|(_, value)| value == Value::Bool(true))
    });
    if has_unique_names(client_properties) {
        assert_eq!(peer.connection.client_has_capability("basic.nack"), has);
    }
}

//! The key by which a binding is named in paths: its routing key, and a hash of its arguments if it
//! has some. `~` stands between the two, and alone for an empty routing key.

use std::fmt::Write;

use warren_amqp::{FieldTable, table};

/// What a key says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    routing_key: Vec<u8>,
    arguments: Option<String>,
}

impl Key {
    /// Whether it names this binding among those between the same two.
    pub(super) fn is_of(&self, routing_key: &str, arguments: &FieldTable) -> bool {
        self.routing_key == routing_key.as_bytes() && self.arguments == hash(arguments)
    }
}

/// The key of a binding.
pub(super) fn of(routing_key: &str, arguments: &FieldTable) -> String {
    let routing_key = match routing_key {
        "" => "~".to_owned(),
        key => escape(key.as_bytes(), true),
    };
    match hash(arguments) {
        None => routing_key,
        Some(hash) => format!("{routing_key}~{hash}"),
    }
}

/// A key as it stands in a path: escaped once more.
pub(super) fn escaped(key: &str) -> String {
    if key == "~" { key.to_owned() } else { escape(key.as_bytes(), false).replace("%7E", "~") }
}

/// Reads a key.
pub(super) fn parse(key: &str) -> Option<Key> {
    let (routing_key, arguments) = match key.strip_prefix('~') {
        Some("") => ("", None),
        // An empty routing key is a mark of its own, before that of the hash.
        Some(rest) => ("", rest.strip_prefix('~')),
        None => match key.split_once('~') {
            Some((routing_key, hash)) => (routing_key, Some(hash)),
            None => (key, None),
        },
    };
    if arguments.is_some_and(|hash| hash.is_empty() || hash.contains('~')) {
        return None;
    }
    let routing_key = unescape(routing_key)?;
    Some(Key { routing_key, arguments: arguments.map(str::to_owned) })
}

/// A hash of arguments, if there are any; the same on every machine and in every version. Clients may
/// keep it.
fn hash(arguments: &FieldTable) -> Option<String> {
    if arguments.inner().is_empty() {
        return None;
    }
    // FNV-1a: short, and defined once and for all.
    let hash = table::encode(arguments).iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Some(format!("{hash:016x}"))
}

/// Escapes all but letters, digits, `.`, `-` and `_`, as RabbitMQ does. A space becomes `+` in a key.
fn escape(bytes: &[u8], space_is_plus: bool) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                text.push(char::from(*byte));
            }
            b' ' if space_is_plus => text.push('+'),
            // Writing to a text cannot fail.
            byte => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        (rest, bytes) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digits = [*high, *low];
                let byte = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
                bytes.push(byte);
                (behind, bytes)
            }
            (b'%', _) => return None,
            (b'+', _) => {
                bytes.push(b' ');
                (behind, bytes)
            }
            (byte, _) => {
                bytes.push(*byte);
                (behind, bytes)
            }
        };
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use warren_amqp::FieldValue;

    use super::*;

    fn arguments(number: Option<i64>) -> FieldTable {
        let mut arguments = FieldTable::default();
        if let Some(number) = number {
            arguments.insert("n".into(), FieldValue::LongLongInt(number));
        }
        arguments
    }

    #[test]
    fn keys_are_written_as_rabbitmq_writes_them() {
        for (routing_key, key, in_path) in [
            ("key", "key", "key"),
            ("a.*.b.#", "a.%2A.b.%23", "a.%252A.b.%2523"),
            ("", "~", "~"),
            ("~", "%7E", "%257E"),
            ("a b+c", "a+b%2Bc", "a%2Bb%252Bc"),
            ("50%", "50%25", "50%2525"),
            ("\u{fc}\u{20ac}", "%C3%BC%E2%82%AC", "%25C3%25BC%25E2%2582%25AC"),
        ] {
            assert_eq!(of(routing_key, &arguments(None)), key);
            assert_eq!(escaped(key), in_path);
            assert!(parse(key).unwrap().is_of(routing_key, &arguments(None)), "{key}");
        }
    }

    #[test]
    fn arguments_tell_bindings_apart() {
        for routing_key in ["", "a", "~", "a~b", "x y"] {
            let all = [None, Some(1), Some(2)].map(arguments);
            for one in &all {
                let text = of(routing_key, one);
                let key = parse(&text).unwrap();
                for other in &all {
                    assert_eq!(key.is_of(routing_key, other), one == other, "{text}");
                }
            }
        }
        // A key that a client has kept holds after an upgrade.
        assert_eq!(of("r", &arguments(Some(5))), "r~70f1475a111c5ffd");
    }

    #[test]
    fn what_is_no_key_names_nothing() {
        for wrong in ["%", "%2", "%zz", "a~", "a~b~c", "~~", "~x"] {
            let found = parse(wrong).is_some_and(|key| {
                [None, Some(1)].iter().any(|number| key.is_of("x", &arguments(*number)))
            });
            assert!(!found, "{wrong}");
        }
    }
}

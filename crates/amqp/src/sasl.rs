//! The login mechanisms: two that carry a user name and a password, and one that carries nothing.

use crate::table::{self, Value};

/// User name and password of a login response; None if it does not decode.
pub(crate) fn credentials(mechanism: &str, response: &[u8]) -> Option<(String, String)> {
    match mechanism {
        "PLAIN" => plain(response),
        "AMQPLAIN" => amqplain(response),
        // Whoever it is that an unnamed client becomes, the broker decides.
        "ANONYMOUS" => Some((String::new(), String::new())),
        _ => None,
    }
}

/// `[authorization identity] NUL user NUL password`. Source: RFC 4616. The first part is ignored.
fn plain(response: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(response).ok()?;
    let mut parts = text.splitn(3, '\0').skip(1);
    let user = parts.next()?;
    let password = parts.next()?;
    (!password.contains('\0')).then(|| (user.to_owned(), password.to_owned()))
}

/// A field table without its length, with `LOGIN` and `PASSWORD`.
fn amqplain(response: &[u8]) -> Option<(String, String)> {
    table::check(response).ok()?;
    let text = |key| match table::get(response, key) {
        Some(Value::Bytes(bytes)) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        _ => None,
    };
    Some((text("LOGIN")?, text("PASSWORD")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.to_owned(), password.to_owned()))
    }

    #[test]
    fn plain_takes_the_second_and_third_part() {
        assert_eq!(credentials("PLAIN", b"\0guest\0secret"), pair("guest", "secret"));
        assert_eq!(credentials("PLAIN", b"admin\0guest\0"), pair("guest", ""));
    }

    #[test]
    fn plain_with_too_few_or_many_parts_is_refused() {
        for response in [&b""[..], b"guest", b"\0guest", b"\0guest\0a\0b", b"\0gu\xff\0x"] {
            assert_eq!(credentials("PLAIN", response), None, "{response:?}");
        }
    }

    #[test]
    fn amqplain_takes_a_bare_table() {
        let response = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x06secret";
        assert_eq!(credentials("AMQPLAIN", response), pair("guest", "secret"));
        assert_eq!(credentials("AMQPLAIN", &response[..20]), None);
        assert_eq!(credentials("AMQPLAIN", b"\x05LOGINt\x01"), None);
    }

    #[test]
    fn other_mechanisms_are_refused() {
        assert_eq!(credentials("EXTERNAL", b"\0guest\0secret"), None);
    }
}

//! The cookie that a session's name is in.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::sessions::Secret;

/// Its name where the way may be listened to: on the machine itself, and behind no proxy.
const NAME: &str = "warren_session";

/// Its name where the way is encrypted. Browsers take a cookie of such a name over an encrypted way
/// alone, from this host alone: nobody else can put one there.
const SECURE_NAME: &str = "__Host-warren_session";

/// The name of the session that a request brings.
pub(crate) fn of(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    let wanted = if is_secure { SECURE_NAME } else { NAME };
    let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
    let pairs = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim());
    let (first, second) = (values.next(), values.next());
    // Of two of them, one is somebody else's.
    first.filter(|_| second.is_none())
}

/// The header that gives a browser the name of a session. It goes when the browser is closed.
pub(crate) fn set(name: &Secret, is_secure: bool) -> Option<HeaderValue> {
    value(name.expose(), is_secure, "")
}

/// The header that takes it away.
pub(crate) fn remove(is_secure: bool) -> Option<HeaderValue> {
    value("", is_secure, "; Max-Age=0")
}

fn value(content: &str, is_secure: bool, more: &str) -> Option<HeaderValue> {
    let (name, secure) = if is_secure { (SECURE_NAME, "; Secure") } else { (NAME, "") };
    let text = format!("{name}={content}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lists: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(header::COOKIE, HeaderValue::from_str(list).unwrap());
        }
        headers
    }

    #[test]
    fn a_name_is_found_among_other_cookies() {
        let plain = |lists: &[&str]| of(&headers(lists), false).map(str::to_owned);
        assert_eq!(plain(&["warren_session=abc"]), Some("abc".to_owned()));
        assert_eq!(plain(&["a=b; warren_session=abc; c=d"]), Some("abc".to_owned()));
        assert_eq!(plain(&["a=b", "warren_session=abc"]), Some("abc".to_owned()));
        for none in ["", "a=b", "xwarren_session=abc", "warren_sessionx=abc", "warren_session"] {
            assert_eq!(plain(&[none]), None, "{none}");
        }
        assert_eq!(plain(&["warren_session=a; warren_session=b"]), None);
    }

    #[test]
    fn each_way_has_a_cookie_of_its_own() {
        let both = headers(&["warren_session=a; __Host-warren_session=b"]);
        assert_eq!(of(&both, false), Some("a"));
        assert_eq!(of(&both, true), Some("b"));
        assert_eq!(of(&headers(&["warren_session=a"]), true), None);
    }

    #[test]
    fn what_is_removed_is_what_was_set() {
        for is_secure in [false, true] {
            let removed = remove(is_secure).unwrap();
            assert!(removed.is_sensitive());
            let text = removed.to_str().unwrap();
            let name = if is_secure { SECURE_NAME } else { NAME };
            assert!(text.starts_with(&format!("{name}=; Path=/; HttpOnly; SameSite=Strict")));
            assert!(text.ends_with("Max-Age=0"));
            assert_eq!(text.contains("; Secure"), is_secure);
        }
    }
}

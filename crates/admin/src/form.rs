//! Bodies of forms: `name=value&name=value`, with percent-encoding.

use axum::http::{HeaderMap, header};

/// Whether a body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// A field that is there once.
pub(crate) fn field(body: &[u8], name: &str) -> Option<String> {
    let pairs = body.split(|byte| *byte == b'&').map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(at);
        (name, value.get(1..).unwrap_or_default())
    });
    let mut values = pairs.filter(|(found, _)| decode(found).as_deref() == Some(name));
    let ((_, value), second) = (values.next()?, values.next());
    if second.is_some() { None } else { decode(value) }
}

fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = text.iter();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(*bytes.next()?)? << 4 | digit(*bytes.next()?)?,
            b'+' => b' ',
            other => *other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let body = b"username=a%20b+c&password=%C3%A4%26%3d&empty=&alone&twice=1&twice=2&bad=%zz";
        let of = |name: &str| field(body, name);
        assert_eq!(of("username").as_deref(), Some("a b c"));
        assert_eq!(of("password").as_deref(), Some("\u{e4}&="));
        assert_eq!(of("empty").as_deref(), Some(""));
        assert_eq!(of("alone").as_deref(), Some(""));
        for none in ["twice", "bad", "user", ""] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(field(b"", "a"), None);
        assert_eq!(field(b"%61=1", "a").as_deref(), Some("1"));
    }

    #[test]
    fn a_form_says_so() {
        let is = |kind: &'static str| {
            is_form(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]))
        };
        assert!(is("application/x-www-form-urlencoded"));
        assert!(is("Application/X-WWW-form-urlencoded; charset=utf-8"));
        assert!(!is("application/json") && !is("multipart/form-data"));
        assert!(!is_form(&HeaderMap::new()));
    }
}

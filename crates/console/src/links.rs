//! Paths: of pages and of the API. Names are percent-encoded, as the API wants them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What may stand as it is: RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as a part of a path or a query.
pub(crate) fn encode(name: &str) -> String {
    // A part of dots alone would be taken for a step in the path.
    if name.chars().all(|c| c == '.') && !name.is_empty() {
        return name.replace('.', "%2E");
    }
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// A path of these parts, each of them encoded.
pub(crate) fn path<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().map(|part| format!("/{}", encode(part))).collect()
}

/// The parts of a path, decoded; nothing if it is none that [`path`] makes.
pub(crate) fn parts(path: &str) -> Option<Vec<String>> {
    let parts = path.strip_prefix('/')?.split('/');
    let decoded = parts.map(|part| percent_decode_str(part).decode_utf8().ok());
    decoded.map(|part| part.map(|part| part.into_owned())).collect()
}

/// The name of an exchange in paths: the default one has none of its own.
pub(crate) fn exchange_name(name: &str) -> &str {
    if name.is_empty() { "amq.default" } else { name }
}

/// The page of a queue.
pub(crate) fn queue(virtual_host: &str, name: &str) -> String {
    path(["queues", virtual_host, name])
}

/// The page of an exchange.
pub(crate) fn exchange(virtual_host: &str, name: &str) -> String {
    path(["exchanges", virtual_host, exchange_name(name)])
}

/// The page of a virtual host.
pub(crate) fn virtual_host(name: &str) -> String {
    path(["vhosts", name])
}

/// The page of a user.
pub(crate) fn user(name: &str) -> String {
    path(["users", name])
}

/// A query string of these pairs, with its question mark; empty without pairs.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs =
        pairs.into_iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    let text = pairs.collect::<Vec<_>>().join("&");
    if text.is_empty() { text } else { format!("?{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_encoded_in_paths_and_queries() {
        assert_eq!(queue("/", "a b/\u{e4}"), "/queues/%2F/a%20b%2F%C3%A4");
        assert_eq!(exchange("v", ""), "/exchanges/v/amq.default");
        assert_eq!(path(["queues", "/", ".."]), "/queues/%2F/%2E%2E");
        assert_eq!(query([("q", "a&b=c"), ("page", "2")]), "?q=a%26b%3Dc&page=2");
        assert_eq!(query([]), "");
    }

    #[test]
    fn a_path_is_taken_apart_again() {
        for names in [["/", "a b/c"], ["..", ""], ["%2F", "\u{e4}"]] {
            assert_eq!(parts(&path(names)).unwrap(), names);
        }
        assert_eq!(parts("x"), None);
        assert_eq!(parts("/%ff"), None);
    }
}

//! The scopes of an OAuth 2 token: rights for names and routing keys with wildcards.

use super::Right;

/// One scope of a token, whose part about the virtual host was looked at already.
///
/// In the texts, `*` is anything, and `%2F` and the like are the characters they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeGrant {
    /// The right.
    pub right: Right,
    /// Queues and exchanges.
    pub name: String,
    /// Routing keys, all if there is nothing said.
    pub routing_key: Option<String>,
}

#[derive(Debug)]
pub(super) struct Scopes(Vec<Scope>);

#[derive(Debug)]
struct Scope {
    right: Right,
    name: Wildcard,
    routing_key: Wildcard,
}

/// The texts between the stars, in order: the first one begins a name, the last one ends it.
#[derive(Debug)]
struct Wildcard(Vec<Vec<u8>>);

impl Scopes {
    pub(super) fn new(grants: Vec<ScopeGrant>) -> Self {
        let scopes = grants.into_iter().map(|grant| Scope {
            right: grant.right,
            name: Wildcard::new(&grant.name),
            routing_key: Wildcard::new(grant.routing_key.as_deref().unwrap_or("*")),
        });
        Self(scopes.collect())
    }

    pub(super) fn allow(&self, right: Right, name: &str) -> bool {
        self.0.iter().any(|scope| scope.right == right && scope.name.matches(name))
    }

    pub(super) fn allow_topic(&self, right: Right, exchange: &str, key: &str) -> bool {
        let mut scopes = self.0.iter().filter(|scope| scope.right == right);
        scopes.any(|scope| scope.name.matches(exchange) && scope.routing_key.matches(key))
    }
}

impl Wildcard {
    fn new(text: &str) -> Self {
        Self(text.split('*').map(decoded).collect())
    }

    /// Takes the first place for each text, which leaves the most for those behind it.
    fn matches(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let (first, others) = match self.0.as_slice() {
            [whole] => return name == whole.as_slice(),
            [first, others @ ..] => (first, others),
            [] => return false,
        };
        let Some(mut rest) = name.strip_prefix(first.as_slice()) else { return false };
        let Some((last, middle)) = others.split_last() else { return false };
        for text in middle {
            let found = match text.len() {
                0 => Some(0),
                length => rest.windows(length).position(|window| window == text.as_slice()),
            };
            let Some(at) = found else { return false };
            rest = &rest[at + text.len()..];
        }
        rest.ends_with(last)
    }
}

/// A text with `%2F` and the like decoded. What is no such code stays.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let code = (first == b'%').then(|| behind.first_chunk::<2>()).flatten();
        match code.and_then(|code| u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_anything() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("orders", "orders", true),
            ("orders", "orders.eu", false),
            ("orders*", "orders.eu", true),
            ("*.eu", "orders.eu", true),
            ("*.eu", "orders.eu.old", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*bc", "abc", false),
            ("a**c", "abc", true),
            ("a%2Fb", "a/b", true),
            ("%2a", "*", true),
            ("%2a", "anything", false),
            ("100%", "100%", true),
            ("*.*", "a.b", true),
            ("*.*", "ab", false),
        ] {
            assert_eq!(Wildcard::new(pattern).matches(name), matches, "{pattern} of {name:?}");
        }
    }

    /// The plainest way to say what a pattern matches.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', others @ ..], _) => (0..=name.len()).any(|from| naive(others, &name[from..])),
            ([first, others @ ..], [begin, rest @ ..]) => first == begin && naive(others, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_wildcard_matches_what_the_plainest_search_finds(
            pattern in "[ab*]{0,8}", name in "[ab]{0,10}"
        ) {
            let found = naive(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Wildcard::new(&pattern).matches(&name), found);
        }
    }
}

//! The scopes of an OAuth 2 token: rights for names and routing keys with wildcards.

use super::Right;

/// One scope of a token, whose part about the virtual host was looked at already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeGrant {
    /// The right.
    pub right: Right,
    /// Queues and exchanges.
    pub name: Wildcard,
    /// Routing keys. If there is nothing said, none may be used at exchanges of type `topic`: so it
    /// is with RabbitMQ.
    pub routing_key: Option<Wildcard>,
}

#[derive(Debug)]
pub(super) struct Scopes(pub(super) Vec<ScopeGrant>);

impl Scopes {
    pub(super) fn allow(&self, right: Right, name: &str) -> bool {
        self.0.iter().any(|scope| scope.right == right && scope.name.matches(name))
    }

    pub(super) fn allow_topic(&self, right: Right, exchange: &str, key: &str) -> bool {
        let mut scopes = self.0.iter().filter(|scope| scope.right == right);
        scopes.any(|scope| {
            let allows = |keys: &Wildcard| keys.matches(key);
            scope.routing_key.as_ref().is_some_and(allows) && scope.name.matches(exchange)
        })
    }
}

/// A pattern with `*` for any text, ready to be compared with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard {
    /// What stands between the stars, in order; one alone if there is no star.
    pieces: Vec<String>,
}

impl Wildcard {
    /// Reads a pattern: `*` stands for any text, `+` for a space, `%2A` for the byte with that
    /// number. None if the percent-encoding is broken or what it encodes is no UTF-8.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let pieces = text.split('*').map(decode).collect::<Option<_>>()?;
        Some(Self { pieces })
    }

    /// Whether a name is one of those that the pattern stands for.
    ///
    /// The first piece must begin the name and the last one end it. Those between are looked for
    /// from the left: the first place where a piece stands leaves most room for the others.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, others)) = self.pieces.split_first() else { return false };
        let Some((last, between)) = others.split_last() else { return name == first };
        let Some(rest) = name.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        for piece in between {
            let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
            rest = after;
        }
        true
    }
}

/// Percent-encoding undone, as in the query of a URL.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(letter: u8) -> Option<u8> {
    let value = char::from(letter).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Wildcard::parse(pattern).is_some_and(|pattern| pattern.matches(name))
    }

    #[test]
    fn without_a_star_the_names_are_equal() {
        assert!(matches("foo", "foo"));
        assert!(matches("", ""));
        for other in ["", "fo", "fooo", "Foo", "a/foo"] {
            assert!(!matches("foo", other), "{other}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "a/b*c"),
            ("foo*", "foo"),
            ("*foo", "foofoo"),
            ("a*b", "abxb"),
            ("start*middle*end", "start-middle-middle-end"),
            ("*before*after*", "xbeforeyafterz"),
            ("**", "x"),
            ("*+*+*", "some long string"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("foo*", "fo"),
            ("*foo", "foob"),
            ("a*a", "a"),
            ("ab*bc", "abc"),
            ("s*z*str*", "some long string"),
            ("*some*string*", "string"),
            ("*+*+*", "some string"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn percent_encoding_takes_the_meaning_away() {
        assert!(matches("%2F", "/"));
        assert!(matches("a%2fb%25c%2A*", "a/b%c*anything"));
        assert!(matches("%2A", "*"));
        assert!(!matches("%2A", "x"));
        assert!(matches("%c3%A4", "\u{e4}"));
        for broken in ["%", "%2", "%zz", "%+1", "a%c3", "100 % sure"] {
            assert_eq!(Wildcard::parse(broken), None, "{broken}");
        }
    }

    /// The rule said in the shortest way, with all the work that this takes.
    fn matches_slowly(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => {
                (0..=name.len()).any(|taken| matches_slowly(rest, name.get(taken..).unwrap()))
            }
            Some((letter, rest)) => name
                .split_first()
                .is_some_and(|(first, others)| first == letter && matches_slowly(rest, others)),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_the_plain_rule_says(pattern in "[ab*]{0,7}", name in "[ab]{0,9}") {
            let slowly = matches_slowly(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(matches(&pattern, &name), slowly);
        }

        #[test]
        fn a_name_that_is_encoded_matches_itself_alone(name in "\\PC{0,12}", other in "\\PC{0,3}") {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert!(matches(&encoded, &name));
            prop_assert_eq!(matches(&encoded, &other), name == other);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", name in "\\PC*") {
            let _ = matches(&text, &name);
        }
    }
}

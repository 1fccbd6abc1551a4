//! Patterns of names: regular expressions as RabbitMQ takes them in permissions and policies, found
//! anywhere in a name. Some of the features that people use (nothing that begins with `secret`)
//! need backtracking, so that the steps of one match are bounded.

use fancy_regex::{Regex, RegexBuilder};
use thiserror::Error;

use crate::limits;

/// A pattern that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{pattern}' is no regular expression: {problem}")]
pub struct BadPattern {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Whether a text is a pattern that a permission or a policy may have.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_pattern(pattern: &str) -> Result<(), BadPattern> {
    Pattern::new(pattern).map(|_| ())
}

/// A pattern, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// Every name.
    Everything,
    /// The empty name.
    Empty,
    /// What the expression is found in.
    Expression(Regex),
}

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Self, BadPattern> {
        match pattern {
            "" | ".*" | "^" | "$" | "^.*" | ".*$" | "^.*$" => return Ok(Self::Everything),
            "^$" => return Ok(Self::Empty),
            _ => {}
        }
        let built = RegexBuilder::new(pattern)
            .backtrack_limit(limits::PATTERN_STEPS)
            .delegate_size_limit(limits::PATTERN_BYTES)
            .delegate_dfa_size_limit(limits::PATTERN_BYTES)
            .max_prog_size(limits::PATTERN_INSTRUCTIONS)
            .build();
        built
            .map(Self::Expression)
            .map_err(|error| BadPattern { pattern: pattern.to_owned(), problem: error.to_string() })
    }

    /// The pattern of a permission, where an empty one stands for nothing.
    pub(crate) fn of_permission(pattern: &str) -> Result<Self, BadPattern> {
        if pattern.is_empty() { Ok(Self::Empty) } else { Self::new(pattern) }
    }

    pub(crate) fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    /// Whether the pattern is found in a name. No if that takes too many steps.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Empty => name.is_empty(),
            Self::Expression(expression) => expression.is_match(name).unwrap_or(false),
        }
    }
}

/// What means something in an expression, in a class of characters, or where spaces do not count.
const SPECIAL: &str = "\\.+*?()|[]{}^$#&-~ ";

/// A text as a regular expression that matches it and nothing else.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if SPECIAL.contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).expect(pattern).matches(name)
    }

    #[test]
    fn a_pattern_is_found_anywhere_in_a_name() {
        for (pattern, name, found) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            ("^a", "abc", true),
            ("^a$", "abc", false),
            ("^amq\\.(gen|default)", "amq.gen-1", true),
            ("^(orders|billing)\\..*$", "orders.eu", true),
            ("^(orders|billing)\\..*$", "my.orders.eu", false),
            ("^$", "", true),
            ("^$", "a", false),
            ("(?i)ORDERS", "orders", true),
        ] {
            assert_eq!(matches(pattern, name), found, "{pattern} in {name}");
        }
    }

    #[test]
    fn what_is_not_to_come_may_be_said_by_looking_ahead_and_back() {
        assert!(matches("^(?!secret\\.).*$", "orders"));
        assert!(!matches("^(?!secret\\.).*$", "secret.orders"));
        assert!(matches("(?<!dead)\\.letters$", "live.letters"));
        assert!(!matches("(?<!dead)\\.letters$", "dead.letters"));
    }

    #[test]
    fn a_pattern_that_takes_too_many_steps_is_not_found() {
        // Nothing in it is three times the same and then a `q`, which is hard to find out.
        let pattern = "^(?!.*(.*)\\1\\1(?!z)q)";
        assert!(matches(pattern, &"x".repeat(5)));
        assert!(!matches(pattern, &format!("{}q", "xy".repeat(120))));
    }

    #[test]
    fn a_pattern_that_is_none_or_too_large_is_refused() {
        for pattern in ["[", "(", "*", "a(?", "(a{1000}){1000}", "(((((a{99}){99}){99}){99}){99})"]
        {
            let error = check_pattern(pattern).expect_err(pattern);
            assert_eq!(error.pattern, pattern);
        }
    }

    proptest! {
        /// What a name or a user brings into a pattern means nothing but itself.
        #[test]
        fn an_escaped_text_matches_itself_and_nothing_else(text in ".{0,20}", other in ".{0,20}") {
            let pattern = Pattern::new(&format!("^(?:{})$", escaped(&text))).expect("a pattern");
            prop_assert!(pattern.matches(&text));
            prop_assert_eq!(pattern.matches(&other), text == other);
        }

        /// No text makes it panic, and what it costs to find out is bounded.
        #[test]
        fn any_text_is_a_pattern_or_refused(text in "[-a-z.*+?(){}\\[\\]|^$\\\\0-9<!=:]{0,24}") {
            if let Ok(pattern) = Pattern::new(&text) {
                pattern.matches("orders.eu.a-b_c");
            }
        }
    }
}

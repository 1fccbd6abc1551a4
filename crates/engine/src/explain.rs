//! Why a message goes where it goes: each exchange on its way, and what each binding says to it.

pub(crate) mod near;

use warren_amqp::table::{self, Value};

use crate::record::{BindingRecord, ExchangeType};

/// The way of a message that was not published.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Explanation {
    /// The exchanges that it comes to, in order; each once.
    pub steps: Vec<Step>,
    /// The queues that it would enter, in order of their names.
    pub queues: Vec<String>,
}

/// What happens at one exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The exchange; empty for the default one.
    pub exchange: String,
    /// How it routes.
    pub kind: ExchangeType,
    /// The bindings: those that lead on, then the others, the nearest first. Of very many, those
    /// that are far are not listed.
    pub bindings: Vec<Judged>,
    /// How many bindings are not listed.
    pub unlisted: usize,
    /// The alternate exchange that gets the message, as no binding leads on.
    pub alternate: Option<String>,
}

/// A binding, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The binding.
    pub binding: BindingRecord,
    /// The message goes this way.
    pub matched: bool,
    /// Why, or why not, in a few words.
    pub reason: String,
    /// How far it is from leading on, in hundredths of a word of the key or of a header. Nothing
    /// where it is no question of more or less, or where too many bindings would be compared.
    pub distance: Option<u32>,
}

/// Why a key does not equal a binding key; `None` if it does.
pub(crate) fn different_key(wanted: &str, keys: &[&str]) -> Option<String> {
    if keys.contains(&wanted) {
        return None;
    }
    let near = keys.iter().find(|key| key.eq_ignore_ascii_case(wanted));
    let near = near.or_else(|| keys.iter().find(|key| key.trim() == wanted.trim()));
    Some(match near {
        Some(key) => format!("'{key}' is written otherwise than '{wanted}'"),
        None => format!("the key is not '{wanted}'"),
    })
}

/// Why no key fits a pattern of words; `None` if one does.
pub(crate) fn unlike_pattern(pattern: &str, keys: &[&str], separator: char) -> Option<String> {
    let mut reason = None;
    for key in keys {
        reason = Some(unlike(pattern, key, separator)?);
    }
    reason
}

fn words(text: &str, separator: char) -> Vec<&str> {
    if text.is_empty() { vec![] } else { text.split(separator).collect() }
}

fn unlike(pattern: &str, key: &str, separator: char) -> Option<String> {
    let (wanted, found) = (words(pattern, separator), words(key, separator));
    if fits(&wanted, &found) {
        return None;
    }
    let misfit = |(at, (wanted, found)): (usize, (&&str, &&str))| {
        let is_other = *wanted != "*" && wanted != found;
        is_other.then(|| format!("word {} is '{found}', not '{wanted}'", at + 1))
    };
    if wanted.contains(&"#") {
        let before = wanted.iter().take_while(|word| **word != "#").count();
        let mut pairs = wanted.iter().zip(&found).enumerate().take(before);
        return pairs
            .find_map(misfit)
            .or_else(|| Some("the words around '#' are not all there in this order".to_owned()));
    }
    if wanted.len() != found.len() {
        let (has, wants) = (found.len(), wanted.len());
        return Some(format!("the key has {has} words, the pattern {wants}"));
    }
    wanted.iter().zip(&found).enumerate().find_map(misfit)
}

/// Whether words fit a pattern: which of its beginnings fit the words so far, word by word.
fn fits(pattern: &[&str], words: &[&str]) -> bool {
    let mut reached = vec![false; pattern.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    skip_hashes(pattern, &mut reached);
    for word in words {
        let mut next = vec![false; pattern.len() + 1];
        for (at, wanted) in pattern.iter().enumerate() {
            if reached.get(at) != Some(&true) {
                continue;
            }
            let to = if *wanted == "#" { at } else { at + 1 };
            if (*wanted == "#" || *wanted == "*" || wanted == word)
                && let Some(place) = next.get_mut(to)
            {
                *place = true;
            }
        }
        skip_hashes(pattern, &mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

/// A `#` may stand for no word.
fn skip_hashes(pattern: &[&str], reached: &mut [bool]) {
    for (at, wanted) in pattern.iter().enumerate() {
        if *wanted == "#"
            && reached.get(at) == Some(&true)
            && let Some(after) = reached.get_mut(at + 1)
        {
            *after = true;
        }
    }
}

/// A value of a header as it is shown.
pub(crate) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Bytes(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

/// A header's value, if it is there, as it is shown.
pub(crate) fn header(headers: &[u8], name: &str) -> Option<String> {
    table::get(headers, name).map(|value| shown(&value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::router::topic_routes;

    #[test]
    fn a_reason_names_the_word_that_does_not_fit() {
        for (pattern, key, reason) in [
            ("a.b", "a.c", "word 2 is 'c', not 'b'"),
            ("a.*.c", "a.b", "the key has 2 words, the pattern 3"),
            ("a.#.z", "b.z", "word 1 is 'b', not 'a'"),
            ("a.#.z", "a.b", "the words around '#' are not all there in this order"),
        ] {
            assert_eq!(
                unlike_pattern(pattern, &[key], '.').as_deref(),
                Some(reason),
                "{pattern} {key}"
            );
        }
        assert_eq!(unlike_pattern("a.#", &["x", "a"], '.'), None, "one key that fits is enough");
    }

    proptest! {
        #[test]
        fn a_reason_is_given_just_when_the_router_says_no(
            pattern in "([ab*#](\\.[ab*#]){0,5})?", key in "([ab](\\.[ab]){0,6})?",
        ) {
            prop_assert_eq!(unlike_pattern(&pattern, &[&key], '.').is_none(), topic_routes(&pattern, &key));
        }
    }
}

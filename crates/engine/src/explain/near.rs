//! How near a binding is to leading a message on, so that those that were meant come first among
//! those that do not.

use super::words;

/// What a whole word or header counts, that is missing or too many.
const WHOLE: u32 = 100;

/// A header that is there and has another value than it should.
pub(crate) const OTHER_VALUE: u32 = WHOLE / 2;

/// A header that is not there.
pub(crate) const NO_HEADER: u32 = WHOLE;

/// Characters that may still be compared with each other: of very many bindings, those that come
/// when nothing is left have no distance.
#[derive(Debug)]
pub(crate) struct Work(usize);

impl Work {
    pub(crate) fn new(comparisons: usize) -> Self {
        Self(comparisons)
    }

    /// Whether two texts may still be compared.
    fn take(&mut self, one: &str, other: &str) -> bool {
        let needed = (one.len() + 1) * (other.len() + 1);
        let is_left = needed <= self.0;
        self.0 = self.0.saturating_sub(needed);
        is_left
    }
}

/// How far the nearest of the keys is from a pattern of words; 0 if one fits.
pub(crate) fn pattern(
    pattern: &str,
    keys: &[&str],
    separator: char,
    work: &mut Work,
) -> Option<u32> {
    nearest(pattern, keys, separator, true, work)
}

/// How far the nearest of the keys is from one that has to be just so; 0 if one is.
pub(crate) fn key(wanted: &str, keys: &[&str], work: &mut Work) -> Option<u32> {
    nearest(wanted, keys, '.', false, work)
}

fn nearest(
    wanted: &str,
    keys: &[&str],
    separator: char,
    has_wildcards: bool,
    work: &mut Work,
) -> Option<u32> {
    let wanted_words = words(wanted, separator);
    let distance = |key: &&str| {
        let is_left = work.take(wanted, key);
        is_left.then(|| between(&wanted_words, &words(key, separator), has_wildcards))
    };
    keys.iter().filter_map(distance).min()
}

/// The least that has to be changed of the words: they are put in, left out, or written otherwise.
fn between(wanted: &[&str], found: &[&str], has_wildcards: bool) -> u32 {
    let is = |word: &str, wildcard: &str| has_wildcards && word == wildcard;
    let mut before: Vec<u32> = (0..).step_by(WHOLE as usize).take(found.len() + 1).collect();
    for word in wanted {
        let missing = if is(word, "#") { 0 } else { WHOLE };
        let mut row = vec![before.first().map_or(0, |first| first + missing)];
        for (at, other) in found.iter().enumerate() {
            let [left_out, both] = [at + 1, at].map(|at| before.get(at).copied().unwrap_or(0));
            let put_in = row.last().copied().unwrap_or(0);
            let best = if is(word, "#") {
                left_out.min(put_in)
            } else {
                let other = if is(word, "*") { 0 } else { apart(word, other) };
                (left_out + WHOLE).min(put_in + WHOLE).min(both + other)
            };
            row.push(best);
        }
        before = row;
    }
    before.last().copied().unwrap_or(0)
}

/// How differently two words are written: 0 if not at all, and a whole if nothing is the same.
fn apart(one: &str, other: &str) -> u32 {
    if one == other {
        return 0;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<u32> = (0..).take(other.len() + 1).collect();
    for (line, letter) in (1..).zip(&one) {
        let mut row = vec![line];
        for (at, found) in other.iter().enumerate() {
            let [left_out, both] = [at + 1, at].map(|at| before.get(at).copied().unwrap_or(0));
            let put_in = row.last().copied().unwrap_or(0);
            let changed = both + u32::from(letter != found);
            row.push((left_out + 1).min(put_in + 1).min(changed));
        }
        before = row;
    }
    let steps = before.last().copied().unwrap_or(0);
    let longer = u32::try_from(one.len().max(other.len())).unwrap_or(u32::MAX).max(1);
    (steps * WHOLE / longer).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::router::topic_routes;

    fn far(wanted: &str, found: &str) -> u32 {
        pattern(wanted, &[found], '.', &mut Work::new(usize::MAX)).unwrap()
    }

    #[test]
    fn what_was_meant_is_nearer_than_what_was_not() {
        let key = "order.failde";
        let mut patterns = ["payment.#", "mail.*.sent", "order.paid", "order.failed", "a.b.c.d"];
        patterns.sort_by_key(|pattern| far(pattern, key));
        assert_eq!(patterns[..3], ["order.failed", "order.paid", "payment.#"]);
        assert_eq!(far("order.*", "order"), 100, "a word is missing");
        assert_eq!(far("a.#.z", "a.b.c.y"), 100, "one word is another one");
        assert_eq!(far("Order", "order"), 20, "one letter of five");
    }

    #[test]
    fn a_key_has_no_wildcards() {
        let far = |wanted, found| key(wanted, &[found], &mut Work::new(1_000)).unwrap();
        assert_eq!(far("a.*", "a.*"), 0);
        assert_eq!(far("a.*", "a.b"), 100);
        assert_eq!(
            key("a", &["b", "a"], &mut Work::new(1_000)),
            Some(0),
            "one that is so is enough"
        );
    }

    #[test]
    fn without_time_left_nothing_is_compared() {
        let mut work = Work::new(20);
        assert_eq!(key("abc", &["abd"], &mut work), Some(33));
        assert_eq!(key("abc", &["abd"], &mut work), None);
        assert_eq!(key("abc", &["abd"], &mut work), None);
    }

    proptest! {
        #[test]
        fn nothing_is_to_change_just_when_the_router_says_yes(
            pattern in "([ab*#](\\.[ab*#]){0,5})?", key in "([ab](\\.[ab]){0,6})?",
        ) {
            prop_assert_eq!(far(&pattern, &key) == 0, topic_routes(&pattern, &key));
        }
    }
}

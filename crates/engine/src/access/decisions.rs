//! What was asked of an access before, so that an expression is not matched for every message.

use rustc_hash::FxHashMap;

use super::Right;
use crate::limits;

type Answers = FxHashMap<Box<str>, bool>;

/// Answers of one session, at most [`limits::ACCESS_DECISIONS`] of them: when there are more, the
/// memory starts afresh.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    /// About queues and exchanges, by right.
    names: FxHashMap<Right, Answers>,
    /// About routing keys, by right and exchange.
    topics: FxHashMap<Right, FxHashMap<Box<str>, Answers>>,
    count: usize,
}

impl Decisions {
    pub(super) fn name(&mut self, right: Right, name: &str, ask: impl FnOnce() -> bool) -> bool {
        let known = self.names.get(&right).and_then(|answers| answers.get(name));
        if let Some(answer) = known {
            return *answer;
        }
        let answer = ask();
        self.make_room();
        self.names.entry(right).or_default().insert(name.into(), answer);
        answer
    }

    pub(super) fn topic(
        &mut self,
        right: Right,
        exchange: &str,
        key: &str,
        ask: impl FnOnce() -> bool,
    ) -> bool {
        let known = self.topics.get(&right).and_then(|exchanges| exchanges.get(exchange));
        if let Some(answer) = known.and_then(|answers| answers.get(key)) {
            return *answer;
        }
        let answer = ask();
        self.make_room();
        let exchanges = self.topics.entry(right).or_default();
        match exchanges.get_mut(exchange) {
            Some(answers) => answers.insert(key.into(), answer),
            None => exchanges.entry(exchange.into()).or_default().insert(key.into(), answer),
        };
        answer
    }

    fn make_room(&mut self) {
        if self.count >= limits::ACCESS_DECISIONS {
            *self = Self::default();
        }
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_not_asked_again() {
        let mut decisions = Decisions::default();
        assert!(decisions.name(Right::Read, "a", || true));
        assert!(decisions.name(Right::Read, "a", || unreachable!()));
        assert!(!decisions.name(Right::Write, "a", || false), "another right");
        assert!(!decisions.topic(Right::Write, "x", "a", || false));
        assert!(!decisions.topic(Right::Write, "x", "a", || unreachable!()));
        assert!(decisions.topic(Right::Write, "y", "a", || true), "another exchange");
        assert!(decisions.topic(Right::Read, "x", "a", || true), "another right");
    }

    #[test]
    fn names_that_a_client_makes_up_do_not_pile_up() {
        let mut decisions = Decisions::default();
        for number in 0..10 * limits::ACCESS_DECISIONS {
            let text = number.to_string();
            let is_even = number % 2 == 0;
            assert_eq!(decisions.name(Right::Read, &text, || is_even), is_even);
            assert_eq!(decisions.topic(Right::Read, &text, "", || is_even), is_even);
            let names: usize = decisions.names.values().map(FxHashMap::len).sum();
            let topics: usize = decisions.topics.values().map(FxHashMap::len).sum();
            assert!(names + topics <= limits::ACCESS_DECISIONS);
        }
    }
}

//! Whose turn it is: the consumers of a queue that may have credit, those of the highest priority
//! first, and among equals one after the other.
//!
//! Nearly all consumers have the priority 0, and a queue that has only such ones pays for a look at
//! an empty map.

use std::collections::{BTreeMap, VecDeque};

use crate::queue::ConsumerKey;

/// The turns of a queue's consumers.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Of consumers with priority 0; the next one in front.
    usual: VecDeque<ConsumerKey>,
    /// Of the others, by priority; none of the lists is empty.
    others: BTreeMap<i64, VecDeque<ConsumerKey>>,
}

impl Round {
    pub(crate) fn len(&self) -> usize {
        self.usual.len() + self.others.values().map(VecDeque::len).sum::<usize>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.usual.is_empty() && self.others.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConsumerKey> {
        self.usual.iter().chain(self.others.values().flatten())
    }

    /// True if nobody of this priority has a turn.
    pub(crate) fn is_empty_at(&self, priority: i64) -> bool {
        match priority {
            0 => self.usual.is_empty(),
            _ => !self.others.contains_key(&priority),
        }
    }

    /// Takes the next turn.
    pub(crate) fn pop_front(&mut self) -> Option<ConsumerKey> {
        match self.others.last_entry() {
            Some(mut turns) if *turns.key() > 0 || self.usual.is_empty() => {
                let key = turns.get_mut().pop_front();
                if turns.get().is_empty() {
                    turns.remove();
                }
                key
            }
            _ => self.usual.pop_front(),
        }
    }

    fn turns(&mut self, priority: i64) -> &mut VecDeque<ConsumerKey> {
        match priority {
            0 => &mut self.usual,
            _ => self.others.entry(priority).or_default(),
        }
    }

    /// Gives a consumer a turn behind its equals.
    pub(crate) fn push_back(&mut self, priority: i64, key: ConsumerKey) {
        self.turns(priority).push_back(key);
    }

    /// The consumer that has the last turn among its equals has the first one again.
    pub(crate) fn keep_turn(&mut self, priority: i64) {
        let turns = self.turns(priority);
        if let Some(key) = turns.pop_back() {
            turns.push_front(key);
        }
    }

    /// Takes turns away.
    pub(crate) fn retain(&mut self, stays: impl Fn(&ConsumerKey) -> bool) {
        self.usual.retain(&stays);
        self.others.retain(|_, turns| {
            turns.retain(&stays);
            !turns.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionId;

    fn key(number: u32) -> ConsumerKey {
        ConsumerKey { session: SessionId(1), channel: 1, number }
    }

    fn drained(round: &mut Round) -> Vec<u32> {
        std::iter::from_fn(|| round.pop_front()).map(|key| key.number).collect()
    }

    #[test]
    fn turns_come_by_priority_and_among_equals_in_order() {
        let mut round = Round::default();
        for (priority, number) in [(0, 1), (5, 2), (-3, 3), (0, 4), (5, 5), (7, 6)] {
            round.push_back(priority, key(number));
        }
        assert_eq!((round.len(), round.iter().count()), (6, 6));
        assert!(!round.is_empty_at(5) && round.is_empty_at(6));
        round.keep_turn(5);
        assert_eq!(drained(&mut round), [6, 5, 2, 1, 4, 3]);
        assert!(round.others.is_empty(), "what is used up takes no memory");
    }

    #[test]
    fn turns_of_consumers_that_are_gone_are_taken_away_at_every_priority() {
        let mut round = Round::default();
        for number in 0..10 {
            round.push_back(i64::from(number % 3) - 1, key(number));
        }
        round.retain(|key| key.number == 4);
        assert!(round.is_empty_at(-1) && round.is_empty_at(1));
        assert_eq!(drained(&mut round), [4]);
    }
}

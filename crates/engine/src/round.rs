//! Whose turn it is: the consumers of a queue that may have credit, those of the highest priority
//! first, and among equals one after the other.
//!
//! Nearly all consumers have the priority 0, and a queue that has only such ones pays for a look at
//! an empty pointer.

use std::collections::{BTreeMap, VecDeque};

use crate::queue::ConsumerKey;

/// The turns of a queue's consumers.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Of consumers with priority 0; the next one in front.
    usual: VecDeque<ConsumerKey>,
    /// Of the others, by priority; none of the lists is empty.
    others: Option<Box<BTreeMap<i64, VecDeque<ConsumerKey>>>>,
}

impl Round {
    pub(crate) fn len(&self) -> usize {
        let others = self.others.iter().flat_map(|others| others.values());
        self.usual.len() + others.map(VecDeque::len).sum::<usize>()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConsumerKey> {
        self.usual.iter().chain(self.others.iter().flat_map(|others| others.values().flatten()))
    }

    /// True if nobody of this priority has a turn.
    pub(crate) fn is_empty_at(&self, priority: i64) -> bool {
        match (priority, &self.others) {
            (0, _) => self.usual.is_empty(),
            (_, None) => true,
            (_, Some(others)) => !others.contains_key(&priority),
        }
    }

    /// Takes the next turn.
    pub(crate) fn pop_front(&mut self) -> Option<ConsumerKey> {
        let Some(others) = &mut self.others else { return self.usual.pop_front() };
        let highest = others.last_key_value().map(|(priority, _)| *priority);
        match highest {
            Some(priority) if priority > 0 || self.usual.is_empty() => {
                let turns = others.get_mut(&priority)?;
                let key = turns.pop_front();
                if turns.is_empty() {
                    others.remove(&priority);
                }
                if others.is_empty() {
                    self.others = None;
                }
                key
            }
            _ => self.usual.pop_front(),
        }
    }

    fn turns(&mut self, priority: i64) -> &mut VecDeque<ConsumerKey> {
        match priority {
            0 => &mut self.usual,
            _ => self.others.get_or_insert_default().entry(priority).or_default(),
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
        if let Some(others) = &mut self.others {
            others.retain(|_, turns| {
                turns.retain(&stays);
                !turns.is_empty()
            });
        }
        self.others.take_if(|others| others.is_empty());
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
        assert!(round.others.is_none(), "what is used up takes no memory");
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

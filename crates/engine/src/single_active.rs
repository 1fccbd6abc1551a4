//! Single active consumer: all consumers of a queue may wait, one of them is served.
//!
//! The first to come is active until it goes, whatever comes after it. Then the one with the highest
//! priority takes over, and among equals the one that came first.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::queue::ConsumerKey;

/// Who is served, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct SingleActive {
    active: Option<ConsumerKey>,
    /// Those that wait, with their priorities, by number: a later consumer has a higher one.
    waiting: FxHashMap<u32, (i64, ConsumerKey)>,
    /// The same in the order in which they will be active.
    order: BTreeSet<(Reverse<i64>, u32)>,
}

impl SingleActive {
    /// A consumer comes. True if it is active at once.
    pub(crate) fn join(&mut self, key: ConsumerKey, priority: i64) -> bool {
        if self.active.is_none() {
            self.active = Some(key);
            return true;
        }
        self.waiting.insert(key.number, (priority, key));
        self.order.insert((Reverse(priority), key.number));
        false
    }

    /// A consumer goes. Gives the one that is active in its place, if it was.
    pub(crate) fn leave(&mut self, key: ConsumerKey) -> Option<ConsumerKey> {
        if self.active != Some(key) {
            if let Some((priority, _)) = self.waiting.remove(&key.number) {
                self.order.remove(&(Reverse(priority), key.number));
            }
            return None;
        }
        self.active = self.order.pop_first().and_then(|(_, number)| {
            let (_, next) = self.waiting.remove(&number)?;
            Some(next)
        });
        self.active
    }

    pub(crate) fn active(&self) -> Option<ConsumerKey> {
        self.active
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionId;

    fn key(number: u32) -> ConsumerKey {
        ConsumerKey { session: SessionId(1), channel: 1, number }
    }

    #[test]
    fn the_next_one_by_priority_and_age_takes_over() {
        let mut single = SingleActive::default();
        assert!(single.join(key(1), 0));
        for (number, priority) in [(2, 0), (3, 9), (4, 0), (5, 9)] {
            assert!(
                !single.join(key(number), priority),
                "a later one waits, whatever its priority"
            );
        }
        assert_eq!(single.leave(key(4)), None, "who waits goes without a change");
        let mut order = vec![];
        while let Some(active) = single.active() {
            order.push(active.number);
            single.leave(active);
        }
        assert_eq!(order, [1, 3, 5, 2]);
        assert!(single.waiting.is_empty() && single.order.is_empty());
    }
}

//! Single active consumer: all consumers of a queue may wait, one of them is served.
//!
//! The first to come is active until it goes. Then the one with the highest priority takes over,
//! and among equals the one that came first. In a quorum queue one with a higher priority does not
//! wait for that: the active one yields, which is to say that it gets nothing more, and when it has
//! nothing unacknowledged it waits like the others. So does RabbitMQ 4.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::planted::{self, Bug};
use crate::queue::ConsumerKey;

/// Who is served, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct SingleActive {
    /// With its priority.
    active: Option<(i64, ConsumerKey)>,
    /// The active one gets nothing more until it has nothing unacknowledged.
    yields: bool,
    /// Those that wait, with their priorities, by number: a later consumer has a higher one.
    waiting: FxHashMap<u32, (i64, ConsumerKey)>,
    /// The same in the order in which they will be active.
    order: BTreeSet<(Reverse<i64>, u32)>,
}

/// What a look at the priorities came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The active one goes on as before.
    Stays,
    /// This one gets nothing more.
    Yields(ConsumerKey),
    /// The first one waits now, and the second one is served: the same one if who had the higher
    /// priority is gone.
    Passes(ConsumerKey, ConsumerKey),
}

impl SingleActive {
    /// A consumer comes. True if it is active at once.
    pub(crate) fn join(&mut self, key: ConsumerKey, priority: i64) -> bool {
        if self.active.is_none() {
            self.active = Some((priority, key));
            return true;
        }
        self.wait(priority, key);
        false
    }

    fn wait(&mut self, priority: i64, key: ConsumerKey) {
        self.waiting.insert(key.number, (priority, key));
        self.order.insert((Reverse(priority), key.number));
    }

    /// A consumer goes. Gives the one that is active in its place, if it was.
    pub(crate) fn leave(&mut self, key: ConsumerKey) -> Option<ConsumerKey> {
        if self.active().is_none_or(|active| active != key) {
            if let Some((priority, _)) = self.waiting.remove(&key.number) {
                self.order.remove(&(Reverse(priority), key.number));
            }
            return None;
        }
        self.yields = false;
        self.active = self.next_in_order();
        self.active()
    }

    fn next_in_order(&mut self) -> Option<(i64, ConsumerKey)> {
        let (_, number) = self.order.pop_first()?;
        self.waiting.remove(&number)
    }

    /// Compares the priorities in a queue where the higher one takes over. `is_idle`: the active
    /// consumer has nothing unacknowledged.
    pub(crate) fn compare(&mut self, is_idle: bool) -> Turn {
        let Some((priority, active)) = self.active else { return Turn::Stays };
        if planted::is(Bug::NobodyYields) {
            return Turn::Stays;
        }
        let is_higher = self.order.first().is_some_and(|(Reverse(other), _)| *other > priority);
        if !is_idle {
            if is_higher && !std::mem::replace(&mut self.yields, true) {
                return Turn::Yields(active);
            }
            return Turn::Stays;
        }
        let yielded = std::mem::take(&mut self.yields);
        let next = if is_higher { self.next_in_order() } else { None };
        match next {
            Some((_, key)) => {
                self.active = next;
                self.wait(priority, active);
                Turn::Passes(active, key)
            }
            None if yielded => Turn::Passes(active, active),
            None => Turn::Stays,
        }
    }

    pub(crate) fn active(&self) -> Option<ConsumerKey> {
        self.active.map(|(_, key)| key)
    }

    /// True if this consumer may get messages.
    pub(crate) fn serves(&self, key: ConsumerKey) -> bool {
        !self.yields && self.active() == Some(key)
    }

    /// True if nobody is active with a lower priority than one that waits, or that one yields.
    pub(crate) fn is_in_order(&self) -> bool {
        let Some((priority, _)) = self.active else { return self.order.is_empty() };
        self.yields || self.order.first().is_none_or(|(Reverse(other), _)| *other <= priority)
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

    #[test]
    fn a_higher_priority_takes_over_when_the_active_one_is_idle() {
        let mut single = SingleActive::default();
        single.join(key(1), 1);
        single.join(key(2), 1);
        assert_eq!(single.compare(true), Turn::Stays, "among equals nothing changes");
        single.join(key(3), 2);
        assert!(!single.is_in_order());
        assert_eq!(single.compare(true), Turn::Passes(key(1), key(3)));
        single.join(key(4), 3);
        assert_eq!(single.compare(false), Turn::Yields(key(3)));
        assert!(!single.serves(key(3)) && single.is_in_order());
        assert_eq!(single.compare(false), Turn::Stays, "it has yielded");
        assert_eq!(single.compare(true), Turn::Passes(key(3), key(4)));
        assert!(single.serves(key(4)));
        // Those that had their turn wait by priority and age, like the others.
        let order = [4, 3, 1, 2];
        for number in order {
            assert_eq!(single.active(), Some(key(number)));
            single.leave(key(number));
        }
    }

    #[test]
    fn who_yields_goes_on_if_the_other_is_gone() {
        let mut single = SingleActive::default();
        single.join(key(1), 0);
        single.join(key(2), 1);
        assert_eq!(single.compare(false), Turn::Yields(key(1)));
        assert_eq!(single.leave(key(2)), None);
        assert!(!single.serves(key(1)), "until it has nothing unacknowledged, as in RabbitMQ");
        assert_eq!(single.compare(true), Turn::Passes(key(1), key(1)));
        assert!(single.serves(key(1)));
    }
}

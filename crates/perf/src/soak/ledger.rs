//! What one queue owes and has given: decides for every delivery whether it may be. A queue has one
//! consumer at a time, which subscribes only when the broker has noticed the end of the one before.
//!
//! ```text
//!   delivered -- acknowledged, dropped ----> settled: must not come again, unless the
//!       |                                    connection or the broker broke right after
//!       +------- requeued, consumer gone --> returned: has to come again, marked redelivered
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::ranges::Ranges;
use crate::verify::body::Body;

/// What was written this long before something broke may not have been read or synced. The broker
/// syncs within 20 ms; on a loaded machine threads may stand still for much longer.
const GRACE: Duration = Duration::from_secs(2);
/// Connections of a publisher whose order is still watched.
const EPOCHS_MAX: usize = 64;
/// Faults that are told in words.
const EXAMPLES_MAX: usize = 10;

/// What the messages of a publisher are, for all its queues.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Numbers given away so far.
    pub(super) published: u64,
    pub(super) confirmed: Ranges,
    /// Numbers of messages that were only begun.
    pub(super) unfinished: Ranges,
}

/// Counts of one queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) deliveries: u64,
    pub(super) redeliveries: u64,
    /// Second deliveries of what had been settled shortly before something broke.
    pub(super) repeated_after_break: u64,
    pub(super) lost: u64,
    pub(super) not_returned: u64,
    pub(super) out_of_order: u64,
    pub(super) corrupt: u64,
    pub(super) invented: u64,
    pub(super) repeated: u64,
    pub(super) unmarked: u64,
}

impl Counts {
    pub(super) fn faults(&self) -> u64 {
        self.lost
            + self.not_returned
            + self.out_of_order
            + self.corrupt
            + self.invented
            + self.repeated
            + self.unmarked
    }
}

/// The book of one queue.
#[derive(Debug)]
pub(super) struct Ledger {
    publisher: u32,
    /// Whether the messages survive a restart.
    survives: bool,
    pub(super) counts: Counts,
    pub(super) examples: Vec<String>,
    delivered: Ranges,
    returned: Ranges,
    uncertain: Ranges,
    may_be_unmarked: Ranges,
    settled_lately: VecDeque<(Instant, u64)>,
    delivered_lately: VecDeque<(Instant, u64)>,
    /// Largest number delivered for the first time, for each connection of the publisher.
    last_first: BTreeMap<u32, u64>,
    /// The same for all deliveries to this consumer; nothing after a requeue.
    last_of_consumer: Option<BTreeMap<u32, u64>>,
    /// Smaller numbers went with a broker that was stopped.
    demanded_from: u64,
}

impl Ledger {
    pub(super) fn new(publisher: u32, survives: bool) -> Self {
        Self {
            publisher,
            survives,
            counts: Counts::default(),
            examples: Vec::new(),
            delivered: Ranges::default(),
            returned: Ranges::default(),
            uncertain: Ranges::default(),
            may_be_unmarked: Ranges::default(),
            settled_lately: VecDeque::new(),
            delivered_lately: VecDeque::new(),
            last_first: BTreeMap::new(),
            last_of_consumer: None,
            demanded_from: 0,
        }
    }

    /// A consumer begins, and there is no other.
    pub(super) fn subscribed(&mut self) {
        self.last_of_consumer = Some(BTreeMap::new());
    }

    /// Takes a delivery. Returns its number when it is one of ours.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        body: Option<Body>,
        redelivered: bool,
        sent: &Sent,
    ) -> Option<u64> {
        self.counts.deliveries += 1;
        let Some(body) = body.filter(|body| body.producer == self.publisher) else {
            self.counts.corrupt += 1;
            self.note("a damaged body, or one of another queue".to_owned());
            return None;
        };
        let number = body.sequence;
        if number >= sent.published || sent.unfinished.contains(number) {
            self.counts.invented += 1;
            self.note(format!("{number} was never sent"));
        }
        self.check_order(&body);
        if !self.delivered.insert(number) {
            self.counts.redeliveries += 1;
            self.check_repeated(number, redelivered);
        }
        remember(&mut self.delivered_lately, now, number);
        Some(number)
    }

    fn check_order(&mut self, body: &Body) {
        let (epoch, number) = (body.round, body.sequence);
        let first = !self.delivered.contains(number);
        let mut late = first && !ascends(&mut self.last_first, epoch, number);
        if let Some(last) = &mut self.last_of_consumer {
            late |= !ascends(last, epoch, number);
        }
        if late {
            self.counts.out_of_order += 1;
            self.note(format!("{number} of connection {epoch} came too late"));
        }
    }

    fn check_repeated(&mut self, number: u64, redelivered: bool) {
        let returned = self.returned.remove(number);
        if !returned && self.uncertain.contains(number) {
            self.counts.repeated_after_break += 1;
        } else if !returned {
            self.counts.repeated += 1;
            self.note(format!("{number} came again without a reason"));
        }
        if !redelivered && !self.may_be_unmarked.contains(number) {
            self.counts.unmarked += 1;
            self.note(format!("{number} came again and is not marked redelivered"));
        }
    }

    /// Acknowledged, or rejected for good.
    pub(super) fn settle(&mut self, now: Instant, number: u64) {
        remember(&mut self.settled_lately, now, number);
    }

    /// Rejected with the wish to have it again.
    pub(super) fn requeue(&mut self, number: u64) {
        self.returned.insert(number);
        // It may come at once, behind larger numbers that are on their way.
        self.last_of_consumer = None;
    }

    /// The consumer went in order: all it had acknowledged is, the rest comes again.
    pub(super) fn closed(&mut self, held: impl Iterator<Item = u64>) {
        for number in held {
            self.returned.insert(number);
        }
    }

    /// The consumer's connection broke. `restarted`: because the broker went, or it went meanwhile.
    /// `killed`: without a chance to write what it knew.
    pub(super) fn broke(&mut self, held: impl Iterator<Item = u64>, restarted: bool, killed: bool) {
        if restarted && !self.survives {
            return;
        }
        self.closed(held);
        for (_, number) in &self.settled_lately {
            self.uncertain.insert(*number);
        }
        if killed {
            self.forget_marks();
        }
    }

    /// The broker is down. What does not survive that is not demanded any more.
    pub(super) fn restarted(&mut self, sent: &Sent, killed: bool) {
        if !self.survives {
            self.returned.clear();
            self.demanded_from = sent.published;
        }
        if killed {
            self.forget_marks();
            for (_, number) in &self.settled_lately {
                self.uncertain.insert(*number);
            }
        }
    }

    /// That a message was delivered is written like any other change, and nobody waits for it.
    fn forget_marks(&mut self) {
        for (_, number) in &self.delivered_lately {
            self.may_be_unmarked.insert(*number);
        }
    }

    /// The queue is empty: what was confirmed has come, and what was returned has come again.
    pub(super) fn finish(&mut self, sent: &Sent) {
        let lost = sent.confirmed.missing_from(self.demanded_from, &self.delivered);
        self.counts.lost += lost.len() as u64;
        for number in lost.iter().take(EXAMPLES_MAX) {
            self.note(format!("{number} was confirmed and never came"));
        }
        let returned = self.returned.missing_from(self.demanded_from, &Ranges::default());
        for number in returned.into_iter().filter(|number| sent.confirmed.contains(*number)) {
            self.counts.not_returned += 1;
            self.note(format!("{number} was given back and never came again"));
        }
    }

    fn note(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }
}

/// Notes when something happened to a message, and forgets what is long ago.
fn remember(lately: &mut VecDeque<(Instant, u64)>, now: Instant, number: u64) {
    while lately.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > GRACE) {
        lately.pop_front();
    }
    lately.push_back((now, number));
}

/// Notes a number and tells whether it is larger than all before it.
fn ascends(last: &mut BTreeMap<u32, u64>, epoch: u32, number: u64) -> bool {
    let larger = last.get(&epoch).is_none_or(|last| *last < number);
    if larger {
        last.insert(epoch, number);
        while last.len() > EPOCHS_MAX {
            last.pop_first();
        }
    }
    larger
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        ledger: Ledger,
        sent: Sent,
        now: Instant,
    }

    impl Scene {
        /// Numbers 0 to 9 were sent and confirmed, and a consumer is there.
        fn new(survives: bool) -> Self {
            let mut sent = Sent { published: 10, ..Sent::default() };
            (0..10).for_each(|number| assert!(sent.confirmed.insert(number)));
            let mut ledger = Ledger::new(0, survives);
            ledger.subscribed();
            Self { ledger, sent, now: Instant::now() }
        }

        fn deliver(&mut self, numbers: impl IntoIterator<Item = u64>, redelivered: bool) {
            for sequence in numbers {
                let body = Body { round: 1, producer: 0, queue: 0, sequence };
                self.ledger.deliver(self.now, Some(body), redelivered, &self.sent);
            }
        }

        fn settle(&mut self, numbers: impl IntoIterator<Item = u64>) {
            numbers.into_iter().for_each(|number| self.ledger.settle(self.now, number));
        }

        fn finish(&mut self) -> Counts {
            self.ledger.finish(&self.sent);
            self.ledger.counts
        }
    }

    #[test]
    fn all_in_order_and_acknowledged_is_no_fault() {
        let mut scene = Scene::new(true);
        scene.deliver(0..10, false);
        scene.settle(0..10);
        assert_eq!(scene.finish().faults(), 0);
    }

    #[test]
    fn a_confirmed_message_that_never_came_is_lost() {
        let mut scene = Scene::new(true);
        scene.deliver(0..9, false);
        assert_eq!((scene.finish().lost, scene.ledger.counts.faults()), (1, 1));
    }

    #[test]
    fn what_a_dead_consumer_held_has_to_come_again_and_marked() {
        let mut scene = Scene::new(true);
        scene.deliver(0..10, false);
        scene.ledger.broke(3..10, false, false);
        scene.ledger.subscribed();
        scene.deliver(3..9, true);
        let counts = scene.finish();
        assert_eq!((counts.not_returned, counts.faults(), counts.redeliveries), (1, 1, 6));
    }

    #[test]
    fn a_redelivery_without_its_mark_is_a_fault_unless_the_broker_was_killed() {
        for (killed, faults) in [(false, 1), (true, 0)] {
            let mut scene = Scene::new(true);
            scene.deliver(0..10, false);
            scene.ledger.broke(9..10, true, killed);
            scene.ledger.subscribed();
            scene.deliver([9], false);
            assert_eq!((scene.finish().unmarked, scene.ledger.counts.faults()), (faults, faults));
        }
    }

    #[test]
    fn what_was_acknowledged_comes_again_only_after_something_broke() {
        let mut scene = Scene::new(true);
        scene.deliver(0..10, false);
        scene.settle(0..10);
        scene.ledger.subscribed();
        scene.deliver([4], true);
        assert_eq!(scene.ledger.counts.repeated, 1);
        scene.ledger.broke([].into_iter(), false, false);
        scene.ledger.subscribed();
        scene.deliver([5], true);
        let counts = scene.finish();
        assert_eq!((counts.repeated, counts.repeated_after_break), (1, 1));
    }

    #[test]
    fn order_holds_for_first_deliveries_and_for_each_consumer_until_it_requeues() {
        let mut scene = Scene::new(true);
        scene.deliver([0, 2, 1], false);
        assert_eq!(scene.ledger.counts.out_of_order, 1);

        let mut scene = Scene::new(true);
        scene.deliver(0..6, false);
        scene.ledger.requeue(2);
        scene.deliver([2], true);
        scene.deliver(6..10, false);
        assert_eq!(scene.finish().faults(), 0);
    }

    #[test]
    fn a_message_that_was_never_finished_or_sent_is_invented() {
        let mut scene = Scene::new(true);
        scene.sent.unfinished.insert(3);
        scene.deliver([3, 11], false);
        assert_eq!(scene.ledger.counts.invented, 2);
    }

    #[test]
    fn transient_messages_go_with_the_broker_and_not_before() {
        let mut scene = Scene::new(false);
        scene.deliver(0..5, false);
        scene.ledger.restarted(&scene.sent, false);
        scene.ledger.broke(0..5, true, false);
        assert_eq!(scene.finish().faults(), 0);
        assert_eq!(Scene::new(false).finish().lost, 10);
    }
}

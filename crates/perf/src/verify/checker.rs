//! Decides from what was confirmed and what was delivered whether the broker kept its promises.

use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;

use serde::Serialize;

use super::body::Body;

/// Whether a delivery came before the broker was killed or from the one that was started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    BeforeKill,
    AfterRestart,
}

/// One delivery, in the order of arrival at the consumer of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    pub(super) phase: Phase,
    pub(super) redelivered: bool,
    /// The consumer had written an acknowledgement before the broker was killed. The broker need
    /// not have read it.
    pub(super) acknowledged: bool,
    /// Nothing when the body was damaged.
    pub(super) body: Option<Body>,
}

/// Everything that was seen in one round.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) round: u32,
    /// Each phase read the whole of each stream.
    pub(super) streams: bool,
    /// For each producer the sequence numbers that were confirmed.
    pub(super) confirmed: Vec<Vec<u64>>,
    /// For each queue its deliveries.
    pub(super) deliveries: Vec<Vec<Delivery>>,
}

/// The result of a round, or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// Messages the broker confirmed.
    pub(crate) confirmed: u64,
    /// Different messages that were delivered.
    pub(crate) delivered: u64,
    /// Confirmed messages that were never delivered.
    pub(crate) lost: u64,
    /// Deliveries that came before one with a smaller number of the same producer and queue.
    pub(crate) out_of_order: u64,
    /// Damaged bodies and messages in a queue they were not sent to.
    pub(crate) corrupt: u64,
    /// Deliveries of a message that had been delivered before. Allowed, as long as the broker
    /// cannot know that it has been handled.
    pub(crate) duplicates: u64,
    /// Those among them whose acknowledgement had been written before the kill.
    pub(crate) duplicates_of_acknowledged: u64,
    /// Second deliveries that did not carry the redelivered bit.
    pub(crate) duplicates_unmarked: u64,
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.confirmed += other.confirmed;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.out_of_order += other.out_of_order;
        self.corrupt += other.corrupt;
        self.duplicates += other.duplicates;
        self.duplicates_of_acknowledged += other.duplicates_of_acknowledged;
        self.duplicates_unmarked += other.duplicates_unmarked;
    }
}

impl Verdict {
    /// Whether nothing was lost, reordered or damaged.
    pub(crate) fn holds(&self) -> bool {
        self.lost == 0 && self.out_of_order == 0 && self.corrupt == 0
    }
}

/// A message: producer and sequence number.
type MessageId = (u32, u64);

/// Checks one round.
pub(super) fn check(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let mut seen = HashSet::new();
    for (queue, deliveries) in evidence.deliveries.iter().enumerate() {
        if evidence.streams {
            verdict.lost += changed_places(deliveries);
        }
        check_queue(evidence.round, queue, deliveries, &mut seen, &mut verdict);
    }
    verdict.delivered = seen.len() as u64;
    for (producer, sequences) in evidence.confirmed.iter().enumerate() {
        let producer = u32::try_from(producer).unwrap_or(u32::MAX);
        verdict.confirmed += sequences.len() as u64;
        verdict.lost +=
            sequences.iter().filter(|sequence| !seen.contains(&(producer, **sequence))).count()
                as u64;
    }
    verdict
}

/// What was read of a stream before the kill stands in the same places after it. Gives how many
/// messages do not.
fn changed_places(deliveries: &[Delivery]) -> u64 {
    let of = |phase| deliveries.iter().filter(move |delivery| delivery.phase == phase);
    let mut after = of(Phase::AfterRestart);
    let changed = of(Phase::BeforeKill).filter(|before| {
        after.next().and_then(|after| after.body) != before.body || before.body.is_none()
    });
    changed.count() as u64
}

/// In each phase a queue has one consumer and nothing is requeued, so a producer's messages have to
/// come in ascending order within the phase. First deliveries also have to ascend across both: what
/// was passed over before the kill must not turn up behind it.
fn check_queue(
    round: u32,
    queue: usize,
    deliveries: &[Delivery],
    seen: &mut HashSet<MessageId>,
    verdict: &mut Verdict,
) {
    let mut in_phase: HashSet<(Phase, MessageId)> = HashSet::new();
    let mut last_in_phase: HashMap<(Phase, u32), u64> = HashMap::new();
    let mut last_first: HashMap<u32, u64> = HashMap::new();
    let mut acknowledged: HashSet<MessageId> = HashSet::new();
    for delivery in deliveries {
        let Some(body) = delivery.body else {
            verdict.corrupt += 1;
            continue;
        };
        // Every round drains its queues, so this was delivered then.
        if body.round < round {
            verdict.duplicates += 1;
            continue;
        }
        if body.round > round || usize::try_from(body.queue) != Ok(queue) {
            verdict.corrupt += 1;
            continue;
        }
        let id = (body.producer, body.sequence);
        let repeated_in_phase = !in_phase.insert((delivery.phase, id));
        let first = seen.insert(id);
        if !first {
            verdict.duplicates += 1;
            verdict.duplicates_unmarked += u64::from(!delivery.redelivered);
            verdict.duplicates_of_acknowledged += u64::from(acknowledged.contains(&id));
        }
        if delivery.acknowledged {
            acknowledged.insert(id);
        }
        if repeated_in_phase {
            continue;
        }
        let mut late = !ascends(&mut last_in_phase, (delivery.phase, body.producer), body.sequence);
        if first {
            late |= !ascends(&mut last_first, body.producer, body.sequence);
        }
        verdict.out_of_order += u64::from(late);
    }
}

/// Notes a number and tells whether it is larger than all before it.
fn ascends<K: std::hash::Hash + Eq>(last: &mut HashMap<K, u64>, key: K, number: u64) -> bool {
    match last.get_mut(&key) {
        Some(last) if *last > number => false,
        Some(last) => {
            *last = number;
            true
        }
        None => {
            last.insert(key, number);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: u32 = 3;

    fn delivery(phase: Phase, producer: u32, sequence: u64) -> Delivery {
        let body = Some(Body { round: ROUND, producer, queue: 0, sequence });
        Delivery { phase, redelivered: false, acknowledged: false, body }
    }

    fn before(sequences: &[u64]) -> Vec<Delivery> {
        sequences.iter().map(|n| delivery(Phase::BeforeKill, 0, *n)).collect()
    }

    fn after(sequences: &[u64]) -> Vec<Delivery> {
        sequences.iter().map(|n| delivery(Phase::AfterRestart, 0, *n)).collect()
    }

    fn verdict(confirmed: &[u64], deliveries: Vec<Delivery>) -> Verdict {
        check(&Evidence {
            round: ROUND,
            streams: false,
            confirmed: vec![confirmed.to_vec()],
            deliveries: vec![deliveries],
        })
    }

    #[test]
    fn a_clean_round_holds() {
        let verdict = verdict(&[0, 1, 2, 3], [before(&[0, 1, 2]), after(&[3, 4])].concat());
        assert!(verdict.holds());
        assert_eq!((verdict.confirmed, verdict.delivered, verdict.duplicates), (4, 5, 0));
    }

    #[test]
    fn a_confirmed_message_that_never_came_is_lost() {
        let verdict = verdict(&[0, 1, 2], [before(&[0]), after(&[2])].concat());
        assert_eq!((verdict.lost, verdict.out_of_order, verdict.corrupt), (1, 0, 0));
        assert!(!verdict.holds());
    }

    #[test]
    fn an_unconfirmed_message_may_be_missing() {
        assert!(verdict(&[0], before(&[0])).holds());
    }

    #[test]
    fn a_swapped_pair_is_out_of_order_in_either_phase() {
        assert_eq!(verdict(&[], before(&[0, 2, 1, 3])).out_of_order, 1);
        assert_eq!(verdict(&[], after(&[0, 2, 1, 3])).out_of_order, 1);
    }

    #[test]
    fn a_message_that_was_passed_over_before_the_kill_is_out_of_order() {
        let verdict = verdict(&[], [before(&[0, 2]), after(&[1, 3])].concat());
        assert_eq!((verdict.out_of_order, verdict.lost), (1, 0));
    }

    #[test]
    fn producers_do_not_disturb_each_other() {
        let mut deliveries = before(&[5]);
        deliveries.push(delivery(Phase::BeforeKill, 1, 2));
        deliveries.extend(before(&[6]));
        assert!(verdict(&[5, 6], deliveries).holds());
    }

    #[test]
    fn damaged_and_misplaced_messages_are_corrupt() {
        let mut damaged = before(&[0]);
        damaged[0].body = None;
        assert_eq!(verdict(&[], damaged).corrupt, 1);

        let mut misplaced = before(&[0]);
        misplaced[0].body.as_mut().unwrap().queue = 1;
        let verdict = verdict(&[0], misplaced);
        assert_eq!((verdict.corrupt, verdict.lost), (1, 1));
    }

    #[test]
    fn redelivery_after_the_kill_is_a_counted_duplicate_and_no_fault() {
        let mut deliveries = [before(&[0, 1, 2]), after(&[1, 2, 3])].concat();
        deliveries[1].acknowledged = true;
        deliveries[3].redelivered = true;
        let verdict = verdict(&[0, 1, 2, 3], deliveries);
        assert!(verdict.holds());
        assert_eq!((verdict.duplicates, verdict.duplicates_of_acknowledged), (2, 1));
        assert_eq!(verdict.duplicates_unmarked, 1);
    }

    #[test]
    fn redeliveries_have_to_be_in_order_too() {
        let verdict = verdict(&[], [before(&[0, 1, 2]), after(&[2, 1])].concat());
        assert_eq!((verdict.out_of_order, verdict.duplicates), (1, 2));
    }

    #[test]
    fn a_stream_is_after_the_kill_what_it_was_before() {
        assert_eq!(changed_places(&[before(&[0, 1]), after(&[0, 1, 2])].concat()), 0);
        assert_eq!(changed_places(&[before(&[0, 1, 2]), after(&[0, 2])].concat()), 2);
    }

    #[test]
    fn a_message_of_an_earlier_round_is_a_duplicate() {
        let mut deliveries = before(&[0]);
        deliveries[0].body.as_mut().unwrap().round = ROUND - 1;
        let verdict = verdict(&[], deliveries);
        assert!(verdict.holds());
        assert_eq!(verdict.duplicates, 1);
    }
}

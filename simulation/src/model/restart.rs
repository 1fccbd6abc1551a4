//! A restart: what was found must be the state of the last sync, with records that were written
//! since, each whole or not at all. Nothing that a client was told may be missing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::durable::Entered;
use super::retention::Segments;
use super::{Copy, Durable, Expiry, Found, Losses, Model, Queue, Topology};
use crate::Violation;
use crate::committer::Unsynced;
use crate::policies::PolicySet;

impl Model {
    /// Compares with what a restart found, where the log held `unsynced` records. Goes on from what
    /// was found.
    pub(crate) fn restarted(
        &mut self,
        found: &Found,
        unsynced: &Unsynced,
        policies: &PolicySet,
    ) -> Result<(), Violation> {
        if found.rotten != self.damaged {
            let text = format!("{} messages are damaged, not {}", found.rotten, self.damaged);
            return Err(Violation::new("P2", text));
        }
        let (mut matched, mut reason) = (None, None);
        for records in self.candidates(unsynced) {
            let mut state = self.durable.clone();
            for (op, change) in &self.changes {
                if records.iter().any(|(after, last)| op > after && op <= last) {
                    state.apply(change);
                }
            }
            state.sweep(found);
            match state.compare(found) {
                Ok(()) => {
                    matched = Some((state, records));
                    break;
                }
                // The first one has everything: what differs from it says most.
                Err(violation) => drop(reason.get_or_insert(violation)),
            }
        }
        let Some((state, records)) = matched else {
            let text = || Violation::new("P1", "nothing is found");
            return Err(reason.unwrap_or_else(text));
        };
        let kept = |op: u64| records.iter().any(|(after, last)| op > *after && op <= *last);
        if let Some(promise) = self.promises.iter().find(|promise| !kept(promise.op)) {
            let text = format!("{}, which is not so after a restart", promise.text);
            return Err(Violation::new(promise.property, text));
        }
        self.go_on(state, policies);
        for (name, next) in &found.next_places {
            let number = self.names.get(name);
            if let Some(queue) = number.and_then(|number| self.queues.get_mut(number)) {
                queue.last_place = next - 1;
                queue.forget_batch();
                // Whether a delivery is noted of which nothing else is left cannot be seen. If its
                // place is free again, it is not.
                let durable = number.and_then(|number| self.durable.queues.get_mut(number));
                let notes = durable.map(|durable| &mut durable.delivered_through);
                for through in [Some(&mut queue.delivered_through), notes].into_iter().flatten() {
                    through.values_mut().for_each(|place| *place = (*place).min(next - 1));
                }
            }
        }
        Ok(())
    }

    /// The records that may be there, each by the commands that it begins behind and ends with, the
    /// most likely choice first. After a kill all that were written are there; after a power cut
    /// any of them, each whole or not at all.
    fn candidates(&self, unsynced: &Unsynced) -> Vec<Vec<(u64, u64)>> {
        let mut after = self.synced_op;
        let mut records = vec![];
        for op in unsynced.written.iter().copied().chain(unsynced.in_flight) {
            records.push((after, op));
            after = op;
        }
        let sure = if unsynced.power_cut { 0 } else { unsynced.written.len() };
        let open = records.len() - sure;
        let choices = (0..1_usize << open).rev();
        choices
            .map(|choice| {
                let is_there = |at: usize| at < sure || choice >> (at - sure) & 1 == 1;
                let kept = records.iter().enumerate().filter(|(at, _)| is_there(*at));
                kept.map(|(_, record)| *record).collect()
            })
            .collect()
    }

    fn go_on(&mut self, durable: Durable, policies: &PolicySet) {
        self.topology = Topology::new();
        self.topology.policies = policies.clone();
        self.policies_asked.clear();
        self.losses = Losses::default();
        for (name, record) in &durable.exchanges {
            self.topology.exchanges.insert(name.clone(), (record.clone(), 0));
        }
        self.topology.bindings =
            durable.bindings.iter().map(|record| (record.clone(), 0)).collect();
        self.names.clear();
        let mut queues = BTreeMap::new();
        for (number, found) in &durable.queues {
            let settings = policies.settings(&found.name, self.times_out);
            let copies: BTreeMap<_, _> = found
                .messages
                .iter()
                .map(|(place, message)| {
                    let returns = found.returns.get(place).copied().unwrap_or_default();
                    let Entered { past, time } =
                        found.entered.get(place).cloned().unwrap_or_default();
                    let redelivered = found.was_delivered(*place) || returns > 0;
                    let due = self.due(&settings, *message, &past, time);
                    let expires = Expiry { due, last: due };
                    let weight = (found.level(*place), self.body_bytes(*message));
                    let copy = Copy::new((*message, past), weight, true, expires, time);
                    (*place, Copy { redelivered, returns, ..copy })
                })
                .collect();
            let copies_are_there = !copies.is_empty();
            let queue = Queue {
                name: found.name.clone(),
                durable: true,
                auto_delete: found.auto_delete,
                delivered_through: found.delivered_through.clone(),
                ready: copies.iter().map(|(place, copy)| (Reverse(copy.level), *place)).collect(),
                copies,
                settings,
                segments: match copies_are_there {
                    true => Segments::vague(),
                    false => Segments::default(),
                },
                used: None,
                ..Queue::default()
            };
            self.names.insert(found.name.clone(), *number);
            queues.insert(*number, queue);
        }
        self.queues = queues;
        self.sessions.clear();
        self.channels.clear();
        self.expected.clear();
        self.consumers_made = 0;
        self.replies.clear();
        self.closes.clear();
        self.histories.clear();
        self.promises.clear();
        self.changes.clear();
        self.durable = durable;
        self.synced_op = self.op;
    }
}

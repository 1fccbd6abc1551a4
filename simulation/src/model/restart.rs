//! A restart: what was found must be the state of the last sync, or that with the record that was
//! being written, whole. Nothing that a client was told may be missing.

use std::collections::BTreeMap;

use super::{Copy, Durable, Found, Model, Queue, Topology};
use crate::Violation;

impl Model {
    /// Compares with what a restart found. If a record was being written, it held all up to
    /// command `in_flight`. Goes on from what was found.
    pub(crate) fn restarted(&mut self, found: &Found, in_flight: u64) -> Result<(), Violation> {
        let mut newer = self.durable.clone();
        for (_, change) in self.changes.iter().take_while(|(op, _)| *op <= in_flight) {
            newer.apply(change);
        }
        let matched = match newer.compare(found) {
            Ok(()) => in_flight.max(self.synced_op),
            Err(newest) => {
                let older = self.durable.compare(found);
                // Where a record was being written, that with it is as likely meant.
                older.map_err(|older| if in_flight > self.synced_op { newest } else { older })?;
                newer = self.durable.clone();
                self.synced_op
            }
        };
        if let Some(promise) = self.promises.iter().find(|promise| promise.op > matched) {
            let text = format!("{}, which is not so after a restart", promise.text);
            return Err(Violation::new(promise.property, text));
        }
        self.go_on(newer);
        Ok(())
    }

    fn go_on(&mut self, durable: Durable) {
        self.topology = Topology::new();
        for (name, record) in &durable.exchanges {
            self.topology.exchanges.insert(name.clone(), (record.clone(), 0));
        }
        self.topology.bindings =
            durable.bindings.iter().map(|record| (record.clone(), 0)).collect();
        self.names.clear();
        let mut queues = BTreeMap::new();
        for (number, found) in &durable.queues {
            let before = self.queues.get(number).map_or(0, |queue| queue.last_place);
            let copies: BTreeMap<_, _> = found
                .messages
                .iter()
                .map(|(place, message)| {
                    let redelivered = *place <= found.delivered_through;
                    let copy = Copy { message: *message, durable: true, redelivered, holder: None };
                    (*place, copy)
                })
                .collect();
            let last = copies.last_key_value().map_or(0, |(place, _)| *place);
            let queue = Queue {
                name: found.name.clone(),
                durable: true,
                auto_delete: found.auto_delete,
                last_place: before.max(last).max(found.delivered_through),
                ready: copies.keys().copied().collect(),
                copies,
                ..Queue::default()
            };
            self.names.insert(found.name.clone(), *number);
            queues.insert(*number, queue);
        }
        self.queues = queues;
        self.sessions.clear();
        self.channels.clear();
        self.replies.clear();
        self.closes.clear();
        self.promises.clear();
        self.changes.clear();
        self.durable = durable;
        self.synced_op = self.op;
    }
}

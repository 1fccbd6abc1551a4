//! Transactions: what a channel holds until it commits. All of a commit is one command, so that a
//! restart finds all its changes or none (see `restart.rs`), which is P9.

use super::requests::End;
use super::{At, Delivery, Model, Published, QueueNumber};
use crate::messages::MessageId;

/// A delivery with its tag.
type Tagged = (u64, Delivery);

/// What a channel holds.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Messages with the queues that they were routed to; none is for the default exchange, whose
    /// queue is looked for at the commit.
    publishes: Vec<(MessageId, Option<Vec<QueueNumber>>)>,
    /// Deliveries that go back, or away.
    settlements: Vec<(End, Vec<Tagged>)>,
}

impl Transaction {
    pub(super) fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.settlements.iter().flat_map(|(_, taken)| taken).map(|(_, delivery)| delivery)
    }

    pub(super) fn settle(&mut self, end: End, taken: Vec<Tagged>) {
        self.settlements.push((end, taken));
    }
}

impl Model {
    /// Keeps a message for the commit, if the channel has a transaction.
    pub(super) fn hold_publish(&mut self, at: At, id: MessageId, names: &[String]) -> bool {
        let is_default = self
            .messages
            .get(id as usize)
            .is_some_and(|published| published.publication.exchange.is_empty());
        let numbers = names.iter().filter_map(|name| self.names.get(name).copied()).collect();
        let channel = self.channels.get_mut(&at);
        let Some(held) = channel.and_then(|channel| channel.transaction.as_mut()) else {
            return false;
        };
        held.publishes.push((id, (!is_default).then_some(numbers)));
        true
    }

    pub(super) fn tx_select(&mut self, at: At) {
        if let Some(channel) = self.channels.get_mut(&at) {
            channel.transaction.get_or_insert_default();
        }
    }

    /// Gives the command that commit-ok promises, 0 if nothing durable was done.
    pub(super) fn tx_commit(&mut self, at: At) -> u64 {
        let held = self.take_transaction(at);
        let before = self.changes.len();
        for (id, numbers) in held.publishes {
            // Its time begins now.
            if let Some(published) = self.messages.get_mut(id as usize) {
                published.publication.time = self.now;
            }
            let names = match numbers {
                Some(numbers) => {
                    let queues = numbers.iter().filter_map(|number| self.queues.get(number));
                    queues.map(|queue| queue.name.clone()).collect()
                }
                None => {
                    let is_queue = |name: &str| self.names.contains_key(name);
                    let published = self.messages.get(id as usize);
                    let route = |one: &Published| self.topology.route(&one.publication, is_queue);
                    published.and_then(route).into_iter().flatten().collect()
                }
            };
            self.enqueue(id, names);
        }
        for (end, taken) in held.settlements {
            self.settle_all(at, end, taken.into_iter().map(|(_, delivery)| delivery).collect());
        }
        if self.changes.len() > before { self.op } else { 0 }
    }

    pub(super) fn tx_rollback(&mut self, at: At) {
        let held = self.take_transaction(at);
        if let Some(channel) = self.channels.get_mut(&at) {
            let taken = held.settlements.into_iter().flat_map(|(_, taken)| taken);
            channel.unacknowledged.extend(taken);
        }
    }

    fn take_transaction(&mut self, at: At) -> Transaction {
        let channel = self.channels.get_mut(&at);
        let held = channel.and_then(|channel| channel.transaction.as_mut());
        held.map(std::mem::take).unwrap_or_default()
    }
}

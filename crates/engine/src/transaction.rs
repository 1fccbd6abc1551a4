//! What a channel holds until `tx.commit`: messages with their routes, and what is to become of
//! deliveries. Nobody else sees any of it before.

use crate::session::Delivery;
use crate::topology::Route;
use crate::{Message, limits};

/// What becomes of deliveries at the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// They are done with.
    Acknowledged,
    /// They go back to their places.
    Requeued,
    /// They are refused for good.
    Rejected,
}

/// A message that is published at the commit. Its route is that of the moment when it came in, as
/// with RabbitMQ: a queue that is bound later does not get it. Only on the default exchange the
/// queue may be made later.
#[derive(Debug)]
pub(crate) struct HeldPublish {
    pub(crate) message: Message,
    pub(crate) route: Route,
    pub(crate) mandatory: bool,
}

/// A transaction of one channel.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    publishes: Vec<HeldPublish>,
    settlements: Vec<(Settlement, Vec<Delivery>)>,
    /// What the messages take in memory, now or in their queues, in bytes.
    bytes: usize,
}

impl Transaction {
    /// What one more message would take, in bytes. One that came in the same allocation as the last
    /// keeps nothing more alive; each copy in a queue takes an entry at the commit.
    pub(crate) fn weight(&self, message: &Message, route: &Route) -> usize {
        let last = self.publishes.last();
        let pinned = match last.is_some_and(|last| last.message.is_of_same_batch(message)) {
            true => 0,
            false => message.batch_bytes(),
        };
        pinned + (1 + route.len()) * limits::ENTRY_BYTES
    }

    pub(crate) fn hold(&mut self, publish: HeldPublish, weight: usize) {
        self.bytes += weight;
        self.publishes.push(publish);
    }

    pub(crate) fn settle(&mut self, settlement: Settlement, deliveries: Vec<Delivery>) {
        match self.settlements.last_mut() {
            Some((last, list)) if *last == settlement => list.extend(deliveries),
            _ => self.settlements.push((settlement, deliveries)),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages wait.
    pub(crate) fn publishes(&self) -> usize {
        self.publishes.len()
    }

    pub(crate) fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.settlements.iter().flat_map(|(_, deliveries)| deliveries)
    }

    /// Messages and settlements, each in the order in which they came in.
    pub(crate) fn into_parts(self) -> (Vec<HeldPublish>, Vec<(Settlement, Vec<Delivery>)>) {
        (self.publishes, self.settlements)
    }
}

//! Transactions: what a channel holds until it commits. All of a commit is one command, so that a
//! restart finds all its changes or none (see `restart.rs`), which is P9.

use super::exchanges::Way;
use super::requests::End;
use super::{At, Delivery, Model, Published, QueueNumber};
use crate::Violation;
use crate::messages::MessageId;

/// A delivery with its tag.
type Tagged = (u64, Delivery);

/// Where a message goes at the commit.
#[derive(Debug)]
enum Held {
    /// To those of these queues that are there.
    All(Vec<QueueNumber>),
    /// To one of these, which was chosen before.
    One(Vec<QueueNumber>),
    /// It is for the default exchange, whose queue is looked for at the commit.
    Default,
}

/// What a commit came to.
#[derive(Debug)]
struct Committed {
    /// The command that commit-ok promises, 0 if nothing durable was done.
    promise: u64,
    /// No queue refused one of its messages.
    is_whole: bool,
}

/// What a channel holds.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    publishes: Vec<(MessageId, Held)>,
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
    pub(super) fn hold_publish(&mut self, at: At, id: MessageId, way: &Way) -> bool {
        let is_default = self
            .messages
            .get(id as usize)
            .is_some_and(|published| published.publication.exchange.is_empty());
        let numbers = |names: &[String]| {
            names.iter().filter_map(|name| self.names.get(name).copied()).collect()
        };
        let kept = match way {
            Way::All(_) if is_default => Held::Default,
            Way::All(names) => Held::All(numbers(names)),
            Way::One(names) => Held::One(numbers(names)),
        };
        let channel = self.channels.get_mut(&at);
        let Some(held) = channel.and_then(|channel| channel.transaction.as_mut()) else {
            return false;
        };
        held.publishes.push((id, kept));
        true
    }

    pub(super) fn tx_select(&mut self, at: At) {
        if let Some(channel) = self.channels.get_mut(&at) {
            channel.transaction.get_or_insert_default();
        }
    }

    fn tx_commit(&mut self, at: At) -> Result<Committed, Violation> {
        let held = self.take_transaction(at);
        let (before, refused) = (self.changes.len(), self.losses.refused);
        for (id, kept) in held.publishes {
            let names = match kept {
                Held::One(numbers) => self.chosen_before(id, &numbers)?,
                Held::All(numbers) => {
                    let queues = numbers.iter().filter_map(|number| self.queues.get(number));
                    queues.map(|queue| queue.name.clone()).collect()
                }
                Held::Default => {
                    let is_queue = |name: &str| self.names.contains_key(name);
                    let published = self.messages.get(id as usize);
                    let route = |one: &Published| self.topology.route(&one.publication, is_queue);
                    let route = published.and_then(route).unwrap_or_default();
                    route.queues.into_iter().collect()
                }
            };
            // Its time begins now.
            self.enqueue(id, &names, self.now)?;
        }
        for (end, taken) in held.settlements {
            self.settle_all(at, end, taken.into_iter().map(|(_, delivery)| delivery).collect());
        }
        let promise = if self.changes.len() > before { self.op } else { 0 };
        Ok(Committed { promise, is_whole: self.losses.refused == refused })
    }

    /// A commit that is told to be whole. Gives the command that commit-ok promises.
    pub(super) fn commit(&mut self, at: At) -> Result<u64, Violation> {
        match self.tx_commit(at)? {
            Committed { promise, is_whole: true } => Ok(promise),
            _ => {
                let text = format!("a commit of {at:?} is told to be whole, and is not");
                Err(Violation::new("P9", text))
            }
        }
    }

    /// A commit that is told not to be whole: all but what queues refused is done.
    pub(super) fn commit_in_part(&mut self, at: At) -> Result<(), Violation> {
        match self.tx_commit(at)?.is_whole {
            true => {
                let text = format!("a commit of {at:?} is not whole, and nothing is refused");
                Err(Violation::new("P9", text))
            }
            false => Ok(()),
        }
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

//! `tx.select`, `tx.commit` and `tx.rollback`. A commit is one command, and its writes are one
//! [`Write::Together`]: after a crash all of it is there or nothing, over all its queues.

use super::publish::Sender;
use super::{Refusal, VirtualHost};
use crate::counters::ExchangeCounters;
use crate::planted::{self, Bug};
use crate::record::Write;
use crate::session::Delivery;
use crate::topology::Route;
use crate::transaction::{HeldPublish, Settlement, Transaction};
use crate::{Effects, Error, Message, Reply, SessionId, limits};

type At = (SessionId, u16);

impl VirtualHost {
    pub(super) fn tx_select(&mut self, at: At, effects: &mut Effects) -> Result<(), Refusal> {
        let Some(channel) = self.channel_mut(at) else { return Ok(()) };
        if channel.confirms.is_some() {
            return Err(Error::ChannelMode { from: "confirm", to: "tx" }.into());
        }
        channel.transaction.get_or_insert_default();
        self.reply(at, Reply::TxSelectOk, false, effects);
        Ok(())
    }

    /// Carries out what the channel's transaction holds.
    pub(super) fn tx_commit(&mut self, at: At, effects: &mut Effects) -> Result<(), Refusal> {
        let (publishes, settlements) = self.take_transaction(at)?.into_parts();
        // Its own list: what comes before may be joined to nothing of it.
        let before = std::mem::take(&mut effects.writes);
        let published = publishes.len() as u64;
        self.changes.counters.messages.publish += published;
        if let Some(channel) = self.channel_mut(at) {
            channel.messages.publish += published;
        }
        for HeldPublish { message, route, mandatory } in publishes {
            self.deliver_held(at, message, route, mandatory, effects);
        }
        for (settlement, deliveries) in settlements {
            self.settle_all(at, settlement, deliveries, effects);
        }
        // Dead letters are a part of it, as far as they need not be read from disk.
        self.work_off(0, limits::DEAD_LETTERS_OF_PUBLISH, effects);
        let mut own = std::mem::replace(&mut effects.writes, before);
        let waits = !own.is_empty() && !planted::is(Bug::CommitBeforeSync);
        if planted::is(Bug::CommitForgetsSettled) {
            own.retain(|write| !matches!(write, Write::Settled { .. }));
        }
        if !own.is_empty() {
            effects.writes.push(Write::Together(own));
        }
        self.reply(at, Reply::TxCommitOk, waits, effects);
        Ok(())
    }

    /// Forgets the messages; what was acknowledged is unacknowledged as before.
    pub(super) fn tx_rollback(&mut self, at: At, effects: &mut Effects) -> Result<(), Refusal> {
        let (_, settlements) = self.take_transaction(at)?.into_parts();
        for (settlement, deliveries) in settlements {
            if planted::is(Bug::RollbackSettles) {
                self.settle_all(at, settlement, deliveries, effects);
            } else if let Some(channel) = self.channel_mut(at) {
                channel.unacknowledged.restore(deliveries);
            }
        }
        self.reply(at, Reply::TxRollbackOk, false, effects);
        Ok(())
    }

    /// Takes what the channel holds; the next transaction begins at once.
    fn take_transaction(&mut self, at: At) -> Result<Transaction, Error> {
        let session = self.sessions.get_mut(&at.0);
        let Some((session, channel)) = session.and_then(|session| {
            let channel = session.channels.get_mut(&at.1)?;
            Some((&mut session.transaction_bytes, channel))
        }) else {
            return Ok(Transaction::default());
        };
        let Some(transaction) = &mut channel.transaction else {
            return Err(Error::NotTransactional);
        };
        *session -= transaction.bytes();
        Ok(std::mem::take(transaction))
    }

    /// Keeps a message for the commit.
    pub(super) fn hold_publish(
        &mut self,
        at: At,
        message: Message,
        route: Route,
        mandatory: bool,
    ) -> Result<(), Error> {
        let Some(session) = self.sessions.get_mut(&at.0) else { return Ok(()) };
        let channel = session.channels.get_mut(&at.1);
        let Some(transaction) = channel.and_then(|channel| channel.transaction.as_mut()) else {
            return Ok(());
        };
        let weight = transaction.weight(&message, &route);
        if session.transaction_bytes + weight > limits::TRANSACTION_BYTES {
            return Err(Error::TransactionTooLarge { limit: limits::TRANSACTION_BYTES });
        }
        session.transaction_bytes += weight;
        transaction.hold(HeldPublish { message, route, mandatory }, weight);
        Ok(())
    }

    fn deliver_held(
        &mut self,
        at: At,
        message: Message,
        mut route: Route,
        mandatory: bool,
        effects: &mut Effects,
    ) {
        if message.exchange().is_empty() {
            route = self.topology.route(&message).0;
        }
        if let Some(key) = self.topology.published_to(message.exchange()) {
            let counters = ExchangeCounters { publish_in: 1, publish_out: route.len() as u64 };
            self.topology.note_published(key, counters);
        }
        self.enqueue(&message, &route, Sender::Client, effects);
        self.shed_after_publish(&route, effects);
        if !route.iter().any(|id| self.queues.contains_key(id)) {
            self.unroutable(at, message, mandatory, effects);
        }
    }

    fn settle_all(
        &mut self,
        at: At,
        settlement: Settlement,
        deliveries: Vec<Delivery>,
        effects: &mut Effects,
    ) {
        match settlement {
            Settlement::Acknowledged => {
                if let Some(channel) = self.channel_mut(at) {
                    channel.messages.ack += deliveries.len() as u64;
                }
                for delivery in deliveries {
                    self.settle(at, &delivery, effects);
                }
            }
            Settlement::Requeued => self.put_back(at, deliveries, effects),
            Settlement::Rejected => self.reject(at, deliveries, effects),
        }
    }
}

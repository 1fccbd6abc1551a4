//! `tx.select`, `tx.commit` and `tx.rollback`. A commit is one command, and its writes are one
//! [`Write::Together`]: after a crash all of it is there or nothing, over all its queues.

use std::sync::Arc;

use super::publish::{Outcome, Sender};
use super::{Refusal, VirtualHost};
use crate::counters::ExchangeCounters;
use crate::planted::{self, Bug};
use crate::queue::Queue;
use crate::record::Write;
use crate::session::Delivery;
use crate::topology::Route;
use crate::transaction::{HeldPublish, Settlement, Transaction};
use crate::{Effects, Error, Message, MessageBatch, Reply, SessionId, limits};

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

    /// Carries out what the channel's transaction holds. If a queue refuses one of the messages,
    /// all else is done, and the channel ends, as with RabbitMQ.
    pub(super) fn tx_commit(&mut self, at: At, effects: &mut Effects) -> Result<(), Refusal> {
        let (mut publishes, settlements) = self.take_transaction(at)?.into_parts();
        self.begin_times(&mut publishes);
        // Its own list: what comes before may be joined to nothing of it.
        let before = std::mem::take(&mut effects.writes);
        let published = publishes.len() as u64;
        self.changes.counters.messages.publish += published;
        if let Some(channel) = self.channel_mut(at) {
            channel.messages.publish += published;
        }
        let mut is_whole = true;
        for HeldPublish { message, route, mandatory } in publishes {
            let outcome = self.deliver_held(at, message, &route, mandatory, effects);
            is_whole &= outcome != Outcome::Refused;
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
        if !is_whole && !planted::is(Bug::CommitForgetsRefusal) {
            if let Some(channel) = self.channel_mut(at) {
                // Like commit-ok, the error comes when what was done is durable.
                channel.has_settled |= waits;
            }
            return Err(Error::PartialCommit.into());
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

    /// Messages enter their queues now, and their time begins now, whenever they came in. Those
    /// that wait for no time stay as they are, in the allocation that they came in.
    fn begin_times(&mut self, publishes: &mut [HeldPublish]) {
        let mut batch = MessageBatch::default().at(self.now);
        let mut moved = vec![];
        for index in 0..publishes.len() {
            let Some(HeldPublish { message, route, .. }) = publishes.get_mut(index) else { break };
            if message.exchange().is_empty() {
                *route = self.topology.route_again(message);
            }
            if message.time() == self.now || !self.minds_time(message, route) {
                continue;
            }
            message.copy_to(&mut batch);
            moved.push(index);
            if batch.bytes_len() >= limits::COMMIT_BATCH_BYTES {
                let full = std::mem::replace(&mut batch, MessageBatch::default().at(self.now));
                replace(publishes, &std::mem::take(&mut moved), full);
            }
        }
        replace(publishes, &moved, batch);
    }

    /// True if it matters when a message was accepted: it or a queue that it is for has a time.
    fn minds_time(&self, message: &Message, route: &Route) -> bool {
        let has_time = |queue: &Queue| queue.is_stream() || queue.settings.message_ttl.is_some();
        message.may_expire() || route.iter().any(|id| self.queues.get(id).is_some_and(has_time))
    }

    fn deliver_held(
        &mut self,
        at: At,
        message: Message,
        route: &Route,
        mandatory: bool,
        effects: &mut Effects,
    ) -> Outcome {
        if let Some(key) = self.topology.published_to(message.exchange()) {
            let counters = ExchangeCounters { publish_in: 1, publish_out: route.len() as u64 };
            self.topology.note_published(key, counters);
        }
        let outcome = self.enqueue(&message, route, Sender::Client, effects);
        self.shed_after_publish(route, effects);
        let is_there = route.iter().any(|id| self.queues.contains_key(id));
        let is_answer =
            (!is_there || message.has_more_keys()) && self.deliver_replies(&message, effects);
        if !is_there {
            self.goes_nowhere(at, message, mandatory, is_answer, effects);
        }
        outcome
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

/// Puts the messages of a batch in place of those with these numbers.
fn replace(publishes: &mut [HeldPublish], moved: &[usize], mut batch: MessageBatch) {
    batch.finish();
    let batch = Arc::new(batch);
    for (place, index) in moved.iter().zip(0..) {
        if let (Some(held), Some(message)) =
            (publishes.get_mut(*place), Message::new(&batch, index))
        {
            held.message = message;
        }
    }
}

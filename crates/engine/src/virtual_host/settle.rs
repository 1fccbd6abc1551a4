//! Acknowledgements, rejections and recovery: deliveries leave their channel for good or go back.

use std::collections::BTreeMap;

use super::dead_letter::Reason;
use super::{Refusal, VirtualHost};
use crate::backlog::{Entry, Kept};
use crate::command::Acknowledgement;
use crate::planted::{self, Bug};
use crate::queue::ConsumerKey;
use crate::session::Delivery;
use crate::transaction::Settlement;
use crate::{Effects, Error, Origin, QueueId, Reply, SessionId};

const BASIC_ACK: Origin = Origin { class_id: 60, method_id: 80 };

type At = (SessionId, u16);

impl VirtualHost {
    pub(super) fn acknowledge(
        &mut self,
        session: SessionId,
        acknowledgements: Vec<Acknowledgement>,
        effects: &mut Effects,
    ) {
        for Acknowledgement { channel, delivery_tag, multiple } in acknowledgements {
            if let Err(error) = self.ack((session, channel), delivery_tag, multiple, effects) {
                self.refuse(session, channel, error.into(), BASIC_ACK, effects);
            }
        }
    }

    fn ack(
        &mut self,
        at: At,
        delivery_tag: u64,
        multiple: bool,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let Some(channel) = self.sessions.get_mut(&at.0) else { return Ok(()) };
        let Some(channel) = channel.channels.get_mut(&at.1) else { return Ok(()) };
        self.changes.channel(at, channel);
        if let Some(transaction) = &mut channel.transaction {
            let deliveries = channel.unacknowledged.take(delivery_tag, multiple)?;
            transaction.settle(Settlement::Acknowledged, deliveries);
            return Ok(());
        }
        if multiple {
            let deliveries = channel.unacknowledged.take(delivery_tag, true)?;
            channel.messages.ack += deliveries.len() as u64;
            for delivery in deliveries {
                self.settle(at, &delivery, effects);
            }
        } else {
            let delivery = channel.unacknowledged.take_one(delivery_tag)?;
            channel.messages.ack += 1;
            self.settle(at, &delivery, effects);
        }
        Ok(())
    }

    pub(super) fn nack(
        &mut self,
        at: At,
        delivery_tag: u64,
        multiple: bool,
        requeue: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let Some(channel) = self.channel_mut(at) else { return Ok(()) };
        let deliveries = channel.unacknowledged.take(delivery_tag, multiple)?;
        if let Some(refusal) = self.refuse_of_stream(&deliveries, "basic.nack and basic.reject") {
            self.requeue(deliveries, effects);
            return Err(refusal);
        }
        let Some(channel) = self.channel_mut(at) else { return Ok(()) };
        if let Some(transaction) = &mut channel.transaction {
            let settlement = if requeue { Settlement::Requeued } else { Settlement::Rejected };
            transaction.settle(settlement, deliveries);
        } else if requeue {
            self.put_back(at, deliveries, effects);
        } else {
            self.reject(at, deliveries, effects);
        }
        Ok(())
    }

    /// Deliveries are refused for good.
    pub(super) fn reject(&mut self, at: At, deliveries: Vec<Delivery>, effects: &mut Effects) {
        for mut delivery in deliveries {
            if planted::is(Bug::RejectNotWritten) {
                delivery.entry.kept = Kept::InMemory;
            }
            if self.take_back(at, &delivery, false) {
                self.give_up(delivery.queue, &delivery.entry, Reason::Rejected, effects);
            }
        }
    }

    /// `basic.recover`: everything unacknowledged goes back.
    pub(super) fn recover_channel(
        &mut self,
        at: At,
        requeue: bool,
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        if !requeue {
            let what = "requeue=false".to_owned();
            return Err(Refusal::Session(Error::NotImplemented { what }));
        }
        if let Some(channel) = self.channel_mut(at) {
            let deliveries = channel.unacknowledged.take_all();
            if let Some(refusal) = self.refuse_of_stream(&deliveries, "basic.recover") {
                self.requeue(deliveries, effects);
                return Err(refusal);
            }
            self.put_back(at, deliveries, effects);
        }
        if !no_wait {
            self.reply(at, Reply::RecoverOk, false, effects);
        }
        Ok(())
    }

    /// A delivery is acknowledged.
    pub(super) fn settle(&mut self, at: At, delivery: &Delivery, effects: &mut Effects) {
        let entry = &delivery.entry;
        self.changes.counters.messages.ack += 1;
        if self.take_back(at, delivery, true)
            && let Some(name) = entry.stored_under(delivery.queue)
        {
            effects.settled(name, entry.sequence);
        }
    }

    /// A delivery is not unacknowledged any more. False if its queue is gone.
    fn take_back(&mut self, at: At, delivery: &Delivery, is_acknowledged: bool) -> bool {
        self.free_credit(at, delivery.consumer, is_acknowledged);
        let entry = &delivery.entry;
        let Some(queue) = self.queues.get_mut(&delivery.queue) else { return false };
        queue.note_returned(entry);
        self.changes.queue(queue);
        if is_acknowledged {
            queue.note_acknowledged(entry);
        }
        self.memory.changed(entry.resident_bytes(), 0);
        if entry.is_durable()
            && let Some(channel) = self.channel_mut(at)
        {
            channel.has_settled = true;
        }
        true
    }

    /// Deliveries go back to their places, and their consumers may have others.
    pub(super) fn put_back(&mut self, at: At, deliveries: Vec<Delivery>, effects: &mut Effects) {
        for delivery in deliveries.iter().rev() {
            self.free_credit(at, delivery.consumer, false);
        }
        self.requeue(deliveries, effects);
    }

    /// Deliveries go back to their places, those of each queue together.
    pub(super) fn requeue(&mut self, deliveries: Vec<Delivery>, effects: &mut Effects) {
        let resident_max = self.resident_max(true);
        let mut by_queue: BTreeMap<QueueId, Vec<Entry>> = BTreeMap::new();
        for delivery in deliveries {
            by_queue.entry(delivery.queue).or_default().push(delivery.entry);
        }
        for (id, mut entries) in by_queue {
            if self.queues.get(&id).is_some_and(|queue| queue.counts_returns) {
                entries = self.count_returns(id, entries, effects);
            }
            self.with_queue(id, |queue| queue.requeue(entries, resident_max));
            self.mark_dirty(id);
        }
    }

    /// Counts that messages come back, durably, and gives up those that came back too often.
    fn count_returns(
        &mut self,
        id: QueueId,
        mut entries: Vec<Entry>,
        effects: &mut Effects,
    ) -> Vec<Entry> {
        let limit = self.queues.get(&id).and_then(|queue| queue.settings.delivery_limit);
        entries.sort_by_key(|entry| entry.sequence);
        let mut stay = Vec::with_capacity(entries.len());
        for mut entry in entries {
            entry.returns = entry.returns.saturating_add(1);
            if limit.is_some_and(|limit| entry.returns > limit) {
                if let Some(queue) = self.queues.get_mut(&id) {
                    queue.note_returned(&entry);
                    self.memory.changed(entry.resident_bytes(), 0);
                }
                self.give_up(id, &entry, Reason::DeliveryLimit, effects);
                continue;
            }
            if entry.is_durable() && !planted::is(Bug::ReturnsNotWritten) {
                effects.returned(id.lane(entry.lane), entry.sequence, entry.returns);
            }
            stay.push(entry);
        }
        stay
    }

    /// The consumer and its channel may have one more.
    fn free_credit(&mut self, at: At, consumer: Option<u32>, is_acknowledged: bool) {
        let Some(number) = consumer else { return };
        let Some(session) = self.sessions.get_mut(&at.0) else { return };
        let Some(channel) = session.channels.get_mut(&at.1) else { return };
        let was_full = channel.prefetch_channel != 0
            && channel.in_flight >= u32::from(channel.prefetch_channel);
        channel.in_flight -= 1;
        let parked = channel.consumers.get_mut(&number).is_some_and(|consumer| {
            consumer.in_flight -= 1;
            consumer.acknowledged += u64::from(is_acknowledged);
            self.changes.consumer(ConsumerKey { session: at.0, channel: at.1, number }, consumer);
            consumer.is_parked
        });
        if was_full {
            self.unpark_channel(at);
        } else if parked {
            self.unpark(at, number);
        }
    }
}

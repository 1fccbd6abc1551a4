//! Acknowledgements, rejections and recovery: deliveries leave their channel for good or go back.

use std::collections::BTreeMap;

use super::{Refusal, VirtualHost};
use crate::backlog::{Entry, Kept};
use crate::command::Acknowledgement;
use crate::planted::{self, Bug};
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
        let Some(channel) = self.channel_mut(at) else { return Ok(()) };
        if let Some(transaction) = &mut channel.transaction {
            let deliveries = channel.unacknowledged.take(delivery_tag, multiple)?;
            transaction.settle(Settlement::Acknowledged, deliveries);
            return Ok(());
        }
        if multiple {
            for delivery in channel.unacknowledged.take(delivery_tag, true)? {
                self.settle(at, &delivery, effects);
            }
        } else {
            let delivery = channel.unacknowledged.take_one(delivery_tag)?;
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
            self.requeue(deliveries);
            return Err(refusal);
        }
        let Some(channel) = self.channel_mut(at) else { return Ok(()) };
        if let Some(transaction) = &mut channel.transaction {
            let settlement = if requeue { Settlement::Requeued } else { Settlement::Rejected };
            transaction.settle(settlement, deliveries);
        } else if requeue {
            self.put_back(at, deliveries);
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
            self.settle(at, &delivery, effects);
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
                self.requeue(deliveries);
                return Err(refusal);
            }
            self.put_back(at, deliveries);
        }
        if !no_wait {
            self.reply(at, Reply::RecoverOk, false, effects);
        }
        Ok(())
    }

    /// A delivery is done with for good.
    pub(super) fn settle(&mut self, at: At, delivery: &Delivery, effects: &mut Effects) {
        self.free_credit(at, delivery.consumer);
        let entry = &delivery.entry;
        if let Some(queue) = self.queues.get_mut(&delivery.queue) {
            queue.note_returned(entry);
            self.memory.changed(entry.resident_bytes(), 0);
            if let Some(name) = entry.stored_under(delivery.queue) {
                effects.settled(name, entry.sequence);
            }
            if entry.is_durable()
                && let Some(channel) = self.channel_mut(at)
            {
                channel.has_settled = true;
            }
        }
    }

    /// Deliveries go back to their places, and their consumers may have others.
    pub(super) fn put_back(&mut self, at: At, deliveries: Vec<Delivery>) {
        for delivery in deliveries.iter().rev() {
            self.free_credit(at, delivery.consumer);
        }
        self.requeue(deliveries);
    }

    /// Deliveries go back to their places, those of each queue together.
    pub(super) fn requeue(&mut self, deliveries: Vec<Delivery>) {
        let resident_max = self.resident_max(true);
        let mut by_queue: BTreeMap<QueueId, Vec<Entry>> = BTreeMap::new();
        for delivery in deliveries {
            by_queue.entry(delivery.queue).or_default().push(delivery.entry);
        }
        for (id, entries) in by_queue {
            self.with_queue(id, |queue| queue.requeue(entries, resident_max));
            self.mark_dirty(id);
        }
    }

    /// The consumer and its channel may have one more.
    fn free_credit(&mut self, at: At, consumer: Option<u32>) {
        let Some(number) = consumer else { return };
        let Some(channel) = self.channel_mut(at) else { return };
        let was_full = channel.prefetch_channel != 0
            && channel.in_flight >= u32::from(channel.prefetch_channel);
        channel.in_flight -= 1;
        let parked = channel.consumers.get_mut(&number).is_some_and(|consumer| {
            consumer.in_flight -= 1;
            consumer.is_parked
        });
        if was_full {
            self.unpark_channel(at);
        } else if parked {
            self.unpark(at, number);
        }
    }
}

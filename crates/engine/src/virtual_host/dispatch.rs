//! From queues to consumers: in rounds, each consumer as far as it has credit.
//!
//! A consumer that has no credit when its turn comes is parked: it leaves the round, so that a
//! queue with thousands of busy consumers does not look at them all for every message. Whatever
//! gives credit back puts it at the end of the round again.

use rustc_hash::FxHashMap;

use super::VirtualHost;
use super::observe::Changes;
use crate::death::with_delivery_count;
use crate::effect::delivery_weight;
use crate::queue::{ConsumerKey, Queue, Shares};
use crate::session::{Channel, Delivery, Session};
use crate::single_active::Turn;
use crate::{Effects, Event, Milliseconds, QueueId, QueueType, SessionId};

/// What a consumer was given in one turn.
pub(super) struct Given {
    pub(super) messages: u32,
    /// Of these, not for the first time.
    pub(super) redelivered: u64,
}

impl Given {
    /// Counts it, at the queue, the channel and the consumer, and takes it from their credit.
    pub(super) fn note(
        &self,
        queue: &mut Queue,
        channel: &mut Channel,
        key: ConsumerKey,
        changes: &mut Changes,
    ) {
        let Self { messages, redelivered } = *self;
        let Some(consumer) = channel.consumers.get_mut(&key.number) else { return };
        if messages == 0 {
            return;
        }
        let count = u64::from(messages);
        queue.counted.delivered(consumer.no_ack, count, redelivered);
        channel.messages.delivered(consumer.no_ack, count, redelivered);
        changes.counters.messages.delivered(consumer.no_ack, count, redelivered);
        consumer.delivered += count;
        consumer.redelivered += redelivered;
        changes.consumer(key, consumer);
        if !consumer.no_ack {
            consumer.in_flight += messages;
            channel.in_flight += messages;
        }
        changes.channel((key.session, key.channel), channel);
    }
}

impl VirtualHost {
    /// Notes that a queue may have something to deliver.
    pub(super) fn mark_dirty(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id)
            && !queue.is_dirty
        {
            queue.is_dirty = true;
            self.dirty.push(id);
        }
    }

    pub(super) fn dispatch_dirty(&mut self, effects: &mut Effects) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.is_dirty = false;
                if queue.has_limits {
                    self.shed(id, effects);
                }
                self.dispatch(id, effects);
            }
        }
        // Dispatching makes no queue dirty, so the memory can be used again.
        self.dirty = dirty;
    }

    pub(super) fn dispatch(&mut self, id: QueueId, effects: &mut Effects) {
        let (shares, now) = (self.shares(), self.now);
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if queue.is_stream() {
            return self.dispatch_stream(id, effects);
        }
        let before = queue.resident_bytes();
        let (sessions, changes) = (&mut self.sessions, &mut self.changes);
        changes.queue(queue);
        let delivered =
            !queue.record.paused && Self::deliver(queue, sessions, shares, now, changes, effects);
        queue.note_stalled(now);
        if delivered {
            // What comes next is there before it is wanted.
            effects.loads.extend(queue.backlog.load(id, shares.stored));
        }
        self.memory.changed(before, queue.resident_bytes());
        queue.tell_delivered(effects);
        if queue.is_timed() {
            self.schedule(id);
        }
    }

    /// Delivers from a queue until it is empty, nobody has credit, or a content is on disk. True if
    /// something was delivered or is waited for.
    fn deliver(
        queue: &mut Queue,
        sessions: &mut FxHashMap<SessionId, Session>,
        shares: Shares,
        now: Milliseconds,
        changes: &mut Changes,
        effects: &mut Effects,
    ) -> bool {
        let id = queue.record.id;
        let mut delivered = false;
        while !queue.backlog.is_empty() && !queue.backlog.is_stale(now) {
            let Some(key) = queue.round.pop_front() else { return delivered };
            let Some(session) = sessions.get_mut(&key.session) else { continue };
            let outbox_is_full = session.outbox_is_full();
            let Some(channel) = session.channels.get_mut(&key.channel) else { continue };
            let credit = match channel.consumers.get(&key.number) {
                Some(_) if outbox_is_full => 0,
                Some(consumer) => channel.credit(consumer),
                None => continue,
            };
            let Some(consumer) = channel.consumers.get_mut(&key.number) else { continue };
            consumer.is_parked = credit == 0;
            if credit == 0 {
                continue;
            }
            (session.last_served, channel.last_served) = (key.channel, key.number);
            // Alone among its equals, a consumer takes all it may; otherwise each takes one in turn.
            let (no_ack, priority) = (consumer.no_ack, consumer.priority);
            let mut turn = if queue.round.is_empty_at(priority) { credit } else { 1 };
            let whole_turn = turn;
            let (mut redelivered_now, mut is_dry) = (0, false);
            queue.round.push_back(priority, key);
            while turn > 0 && session.outbox_bytes < crate::limits::OUTBOX_BYTES {
                let popped = match no_ack {
                    // What has expired goes another way, and is the queue's front no more.
                    _ if queue.backlog.is_stale(now) => None,
                    true => queue.backlog.pop_for_good(),
                    false => queue.next_delivery(shares, effects),
                };
                let Some((entry, mut message)) = popped else {
                    // The queue is empty, or the next content is on disk. Then a consumer that got
                    // nothing keeps its turn: it would be passed over at every load otherwise.
                    if turn == whole_turn {
                        queue.round.keep_turn(priority);
                    }
                    is_dry = true;
                    break;
                };
                turn -= 1;
                if entry.returns > 0 {
                    message = with_delivery_count(&message, entry.returns);
                }
                session.outbox_bytes += delivery_weight(&message);
                let (delivery_tag, redelivered) = (channel.next_delivery_tag(), entry.redelivered);
                redelivered_now += u64::from(redelivered);
                if !no_ack {
                    let consumer = Some(key.number);
                    let tag = delivery_tag;
                    let delivery = Delivery { tag, consumer, queue: id, since: now, entry };
                    channel.unacknowledged.push(delivery);
                } else if let Some(name) = entry.stored_under(id) {
                    queue.note_consumed(&entry);
                    channel.has_settled |= entry.is_durable();
                    effects.settled(name, entry.sequence);
                }
                let event = Event::Deliver {
                    channel: key.channel,
                    consumer: key.number,
                    delivery_tag,
                    redelivered,
                    message,
                };
                effects.send(key.session, event);
            }
            let given = Given { messages: whole_turn - turn, redelivered: redelivered_now };
            delivered |= given.messages > 0;
            given.note(queue, channel, key, changes);
            if is_dry {
                return true;
            }
        }
        delivered
    }

    /// A consumer may have credit again.
    pub(super) fn unpark(&mut self, at: (SessionId, u16), number: u32) {
        let Some(channel) = self.channel_mut(at) else { return };
        let Some(consumer) = channel.consumers.get_mut(&number) else { return };
        if !consumer.is_parked {
            return;
        }
        let (id, priority) = (consumer.queue, consumer.priority);
        let is_idle = consumer.in_flight == 0;
        let key = ConsumerKey { session: at.0, channel: at.1, number };
        consumer.is_parked = false;
        if let Some(queue) = self.queues.get_mut(&id)
            && queue.serves(key)
        {
            queue.round.push_back(priority, key);
            return self.mark_dirty(id);
        }
        let consumers = self.channel_mut(at).map(|channel| &mut channel.consumers);
        if let Some(consumer) = consumers.and_then(|consumers| consumers.get_mut(&number)) {
            consumer.is_parked = true;
        }
        if is_idle {
            self.let_take_over(id);
        }
    }

    /// In a quorum queue that serves one consumer alone, one with a higher priority takes over from
    /// it: when that has nothing unacknowledged, and until then it gets nothing more.
    pub(super) fn let_take_over(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if queue.settings.kind != QueueType::Quorum {
            return;
        }
        let Some(single_active) = &mut queue.single_active else { return };
        let Some(active) = single_active.active() else { return };
        let channels = self.sessions.get(&active.session).map(|session| &session.channels);
        let channel = channels.and_then(|channels| channels.get(&active.channel));
        let consumer = channel.and_then(|channel| channel.consumers.get(&active.number));
        let is_idle = consumer.is_none_or(|consumer| consumer.in_flight == 0);
        let (stops, starts) = match single_active.compare(is_idle) {
            Turn::Stays => return,
            Turn::Yields(key) => (key, None),
            Turn::Passes(from, to) => (from, Some(to)),
        };
        queue.round.retain(|key| *key != stops);
        [Some(stops), starts].into_iter().flatten().for_each(|key| self.note_consumer(key));
        if let Some(channel) = self.channel_mut((stops.session, stops.channel))
            && let Some(consumer) = channel.consumers.get_mut(&stops.number)
        {
            consumer.is_parked = true;
        }
        if let Some(ConsumerKey { session, channel, number }) = starts {
            self.unpark((session, channel), number);
        }
    }

    /// All consumers of a channel may have credit again. The one served last comes last, as the
    /// first one may take all that there is.
    pub(super) fn unpark_channel(&mut self, at: (SessionId, u16)) {
        let numbers: Vec<u32> = self.channel(at).map_or_else(Vec::new, |channel| {
            let next = channel.last_served.saturating_add(1);
            let others = channel.consumers.range(next..).chain(channel.consumers.range(..next));
            let parked = others.filter(|(_, consumer)| consumer.is_parked);
            parked.map(|(number, _)| *number).collect()
        });
        for number in numbers {
            self.unpark(at, number);
        }
    }

    /// All consumers of a session may have credit again, those of the channel served last as the
    /// last ones.
    pub(super) fn unpark_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let last = session.last_served;
        let mut channels: Vec<u16> = session.channels.keys().copied().collect();
        channels.sort_unstable_by_key(|channel| (*channel <= last, *channel));
        for channel in channels {
            self.unpark_channel((id, channel));
        }
    }
}

//! Consumers: made, cancelled, and how much they may have at a time. And `basic.get`.

use super::declare::count;
use super::rights::Resource;
use super::timeout::own_timeout;
use super::{Refusal, VirtualHost};
use crate::command::ConsumeRequest;
use crate::consumer_settings::ConsumerSettings;
use crate::death::with_delivery_count;
use crate::effect::delivery_weight;
use crate::planted::{self, Bug};
use crate::queue::{ConsumerKey, WaitingGet};
use crate::session::{Consumer, Delivery};
use crate::{Effects, Error, Event, QueueId, QueueType, Reply, Right, SessionId, limits};

type At = (SessionId, u16);

impl VirtualHost {
    pub(super) fn qos(&mut self, at: At, prefetch_count: u16, global: bool, effects: &mut Effects) {
        if let Some(channel) = self.channel_mut(at) {
            if global {
                channel.prefetch_channel = prefetch_count;
                self.unpark_channel(at);
            } else {
                channel.prefetch_consumer = prefetch_count;
            }
        }
        self.reply(at, Reply::QosOk, false, effects);
    }

    pub(super) fn consume(
        &mut self,
        at: At,
        request: ConsumeRequest,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let name = if request.queue.is_empty() { self.last_queue(at)? } else { request.queue };
        let part = self.queue_part(&name).to_owned();
        self.check_may(at.0, Right::Read, Resource::Queue(&part))?;
        let wanted = self.wanted_queue(at.0, &name)?;
        let Some(channel) = self.channel(at) else { return Ok(()) };
        if channel.has_consumer_tag(&request.consumer_tag) {
            let consumer_tag = request.consumer_tag;
            return Err(Refusal::Session(Error::ConsumerTagInUse { consumer_tag }));
        }
        let limit = self.bounds.consumers_per_channel;
        if channel.consumers.len() >= limit {
            return Err(Refusal::Session(Error::TooManyConsumers { limit }));
        }
        let queue = self.topology.queue(&wanted.queue).and_then(|id| self.queues.get(&id));
        // One that is made now is a classic queue.
        let kind = queue.map_or(QueueType::Classic, |queue| queue.settings.kind);
        let settings = ConsumerSettings::read(&request.arguments, kind, &name, &self.name)?;
        // Quorum queues and streams know no exclusive consumers.
        let exclusive = request.exclusive && kind == QueueType::Classic;
        if queue.is_some_and(|queue| {
            let is_shared = !queue.consumers.is_empty() || queue.single_active.is_some();
            queue.exclusively_consumed || (exclusive && is_shared)
        }) {
            return Err(Error::ExclusiveUse { name, vhost: self.name.clone() }.into());
        }
        let stream = queue.map(|queue| queue.record.id);
        let subscription =
            self.stream_subscription(at, stream, request.no_ack, &request.arguments)?;
        let (id, waits) = self.take_wanted(at, wanted, effects)?;
        let timeout = self.consumer_timeout(id, &request.arguments);
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        queue.exclusively_consumed = exclusive;
        effects.without_effect.extend(self.compatibility.count(&request.arguments));
        self.consumers_made += 1;
        let number = self.consumers_made;
        let key = ConsumerKey { session: at.0, channel: at.1, number };
        let is_served = queue.add_consumer(key, settings.priority);
        if let (Some(stream), Some((start, filter))) = (&mut queue.stream, subscription) {
            stream.add_reader(key, start, filter);
        }
        let Some(channel) = self.channel_mut(at) else { return Ok(()) };
        let consumer = Consumer {
            tag: request.consumer_tag.clone(),
            queue: id,
            no_ack: request.no_ack,
            prefetch: channel.prefetch_consumer,
            timeout,
            has_own_timeout: own_timeout(&request.arguments).is_some(),
            priority: settings.priority,
            in_flight: 0,
            is_parked: !is_served,
            exclusive,
            arguments: request.arguments,
            delivered: 0,
            redelivered: 0,
            acknowledged: 0,
            is_noted: true,
            is_shown: false,
        };
        channel.add_consumer(number, consumer);
        self.changes.consumer_made(key);
        if !is_served {
            self.let_take_over(id);
        }
        self.mark_dirty(id);
        let reply = Reply::ConsumeOk {
            consumer: number,
            consumer_tag: request.consumer_tag,
            no_wait: request.no_wait,
        };
        self.reply(at, reply, waits, effects);
        Ok(())
    }

    /// Ends a consumer. What it has unacknowledged stays with the channel.
    pub(super) fn cancel(
        &mut self,
        at: At,
        consumer_tag: String,
        no_wait: bool,
        effects: &mut Effects,
    ) {
        if let Some(number) = self.cancel_replies(at, &consumer_tag) {
            let reply = Reply::CancelOk { consumer: Some(number), consumer_tag, no_wait };
            return self.reply(at, reply, false, effects);
        }
        let removed = self.channel_mut(at).and_then(|channel| {
            let number = channel.consumer_number(&consumer_tag)?;
            Some((number, channel.remove_consumer(number)?.queue))
        });
        // The reply is first, so that it comes before what follows from the queue's deletion.
        let consumer = removed.map(|(number, _)| number);
        let reply = Reply::CancelOk { consumer, consumer_tag, no_wait };
        self.reply(at, reply, false, effects);
        if let Some((number, queue)) = removed {
            self.changes.consumer_gone(number);
            let key = ConsumerKey { session: at.0, channel: at.1, number };
            self.leave_queue(queue, key, effects);
        }
    }

    /// A consumer is gone from its channel and leaves its queue, which may have waited for that.
    pub(super) fn leave_queue(&mut self, id: QueueId, key: ConsumerKey, effects: &mut Effects) {
        let next = self.with_queue(id, |queue| queue.remove_consumer(key)).flatten();
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if queue.consumers.is_empty() {
            queue.exclusively_consumed = false;
            let stays = planted::is(Bug::AutoDeleteKeepsMessages) && !queue.backlog.is_empty();
            if queue.record.auto_delete && !stays {
                self.remove_queue(id, effects);
            } else {
                self.note_used(id);
            }
        }
        if let Some(key) = next {
            self.note_consumer(key);
            self.unpark((key.session, key.channel), key.number);
        }
    }

    pub(super) fn get(&mut self, at: At, name: String, no_ack: bool) -> Result<(), Refusal> {
        let name = if name.is_empty() { self.last_queue(at)? } else { name };
        let part = self.queue_part(&name);
        self.check_may(at.0, Right::Read, Resource::Queue(part))?;
        let id = self.accessible_queue_or_part(at.0, &name)?;
        self.refuse_stream(id, "basic.get")?;
        let Some(incarnation) = self.channel(at).map(|channel| channel.incarnation) else {
            return Ok(());
        };
        self.note_used(id);
        // An exclusive consumer keeps other consumers away, not `basic.get`: so does RabbitMQ.
        let get = WaitingGet { session: at.0, channel: at.1, incarnation, no_ack };
        if let Some(session) = self.sessions.get_mut(&at.0) {
            if session.gets.len() >= limits::WAITING_GETS {
                let limit = limits::WAITING_GETS;
                return Err(Refusal::Session(Error::TooManyGets { limit }));
            }
            session.gets.push_back((id, get));
            self.getters.push(at.0);
            self.hold_behind_get(at);
        }
        Ok(())
    }

    /// Gives each session that may have it its next `basic.get`. A session has one at a time, so
    /// that they are answered in order, and none while its outbox is full: others do not notice.
    pub(super) fn serve_getters(&mut self, effects: &mut Effects) {
        while let Some(id) = self.getters.pop() {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            if session.is_getting || session.outbox_is_full() {
                continue;
            }
            let Some((queue, get)) = session.gets.pop_front() else { continue };
            session.is_getting = true;
            match self.queues.get_mut(&queue) {
                Some(found) => {
                    found.waiting_gets.push_back(get);
                    self.serve_waiting_gets(queue, effects);
                }
                None => self.answer_without_queue(get, effects),
            }
        }
    }

    /// A `basic.get` ends as its queue is gone: as if it were empty.
    pub(super) fn answer_without_queue(&mut self, get: WaitingGet, effects: &mut Effects) {
        self.got(get.session);
        let at = (get.session, get.channel);
        if self.channel(at).is_some_and(|channel| channel.incarnation == get.incarnation) {
            self.reply(at, Reply::GetEmpty, false, effects);
        }
    }

    /// A session's `basic.get` is answered, or nobody wants the answer any more.
    fn got(&mut self, session: SessionId) {
        if let Some(state) = self.sessions.get_mut(&session) {
            state.is_getting = false;
            self.getters.push(session);
        }
    }

    /// Answers those who wait with `basic.get`, until one needs a content that is on disk.
    pub(super) fn serve_waiting_gets(&mut self, id: QueueId, effects: &mut Effects) {
        self.answer_gets(id, effects);
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.tell_delivered(effects);
            if queue.is_timed() {
                self.schedule(id);
            }
        }
    }

    fn answer_gets(&mut self, id: QueueId, effects: &mut Effects) {
        let (shares, now) = (self.shares(), self.now);
        while let Some(queue) = self.queues.get_mut(&id) {
            let Some(get) = queue.waiting_gets.front().copied() else { return };
            let WaitingGet { session, channel, incarnation, no_ack } = get;
            let Some(holder) = self.sessions.get_mut(&session) else {
                queue.waiting_gets.pop_front();
                continue;
            };
            let state = holder.channels.get_mut(&channel);
            let Some(state) = state.filter(|channel| channel.incarnation == incarnation) else {
                queue.waiting_gets.pop_front();
                self.got(session);
                continue;
            };
            if queue.backlog.is_empty() {
                queue.waiting_gets.pop_front();
                queue.used = now;
                queue.counted.got_nothing();
                state.messages.get_empty += 1;
                self.changes.counters.messages.get_empty += 1;
                self.changes.queue(queue);
                self.changes.channel((session, channel), state);
                self.got(session);
                let event = Event::Reply { channel, reply: Reply::GetEmpty };
                effects.send(session, event);
                continue;
            }
            if queue.backlog.is_stale(now) {
                // It waits until what has expired is out.
                return;
            }
            let before = queue.resident_bytes();
            let popped = match no_ack {
                true => queue.backlog.pop_for_good(),
                false => queue.next_delivery(shares, effects),
            };
            self.memory.changed(before, queue.resident_bytes());
            let Some((entry, mut message)) = popped else {
                effects.loads.extend(queue.backlog.load(id, shares.stored));
                return;
            };
            if entry.returns > 0 {
                message = with_delivery_count(&message, entry.returns);
            }
            queue.waiting_gets.pop_front();
            // However long its answer took, the queue does not go right behind it.
            queue.used = now;
            let message_count = count(queue.ready());
            let delivery_tag = state.next_delivery_tag();
            let redelivered = entry.redelivered;
            queue.counted.got(no_ack, redelivered);
            state.messages.got(no_ack, redelivered);
            self.changes.counters.messages.got(no_ack, redelivered);
            self.changes.queue(queue);
            self.changes.channel((session, channel), state);
            if no_ack {
                queue.note_consumed(&entry);
                if let Some(name) = entry.stored_under(id) {
                    effects.settled(name, entry.sequence);
                    state.has_settled |= entry.is_durable();
                }
            } else {
                let tag = delivery_tag;
                let delivery = Delivery { tag, consumer: None, queue: id, since: now, entry };
                state.unacknowledged.push(delivery);
            }
            holder.outbox_bytes += delivery_weight(&message);
            self.got(session);
            let event = Event::GetOk { channel, delivery_tag, redelivered, message_count, message };
            effects.send(session, event);
        }
    }
}

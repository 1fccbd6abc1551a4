//! Messages by their places: seen where they wait, listed while they are out, or taken.

use super::rights::Resource;
use super::{Refusal, VirtualHost};
use crate::backlog::Entry;
use crate::browse::BrowsePage;
use crate::death::with_delivery_count;
use crate::queue::{Queue, WaitingTake};
use crate::record::Sequence;
use crate::session::Delivery;
use crate::{
    Effects, Error, Event, Load, Outstanding, Place, QueueId, Right, SessionId, Taken, limits,
};

type At = (SessionId, u16);

impl VirtualHost {
    /// Looks at messages that are ready in a queue, or stand in a stream: at most `max`, from a
    /// place on, in the order of their delivery. Nothing changes by it.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn browse(
        &self,
        queue: &str,
        from: Option<Place>,
        max: usize,
    ) -> Result<BrowsePage, Error> {
        let max = max.clamp(1, limits::BROWSED_AT_ONCE);
        let id = self.named_queue(queue)?;
        let Some(found) = self.queues.get(&id) else { return Ok(BrowsePage::default()) };
        let Some(stream) = &found.stream else {
            return Ok(found.backlog.browse(id, from, max));
        };
        let (oldest, end) = stream.places();
        let first = from.map_or(0, |from| from.sequence).max(oldest);
        let messages_max = u32::try_from(max).unwrap_or(u32::MAX);
        let load = (first < end).then(|| Load {
            queue: id,
            first,
            last: end - 1,
            messages_max,
            only: None,
        });
        Ok(BrowsePage { load, ..BrowsePage::default() })
    }

    /// Deliveries of a queue that are not acknowledged, in the order of connections, channels and
    /// tags: at most `max` after the first `skip`, and how many there are in all.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn outstanding(
        &self,
        queue: &str,
        skip: usize,
        max: usize,
    ) -> Result<(Vec<Outstanding>, usize), Error> {
        let id = self.named_queue(queue)?;
        let mut sessions: Vec<_> = self.sessions.iter().collect();
        sessions.sort_unstable_by_key(|(session, _)| **session);
        let (mut found, mut count) = (vec![], 0);
        for (session, state) in sessions {
            let mut channels: Vec<_> = state.channels.iter().collect();
            channels.sort_unstable_by_key(|(number, _)| **number);
            for (number, channel) in channels {
                for delivery in channel.deliveries().filter(|delivery| delivery.queue == id) {
                    count += 1;
                    if count <= skip || found.len() >= max.min(limits::OUTSTANDING_AT_ONCE) {
                        continue;
                    }
                    let consumer = delivery.consumer.and_then(|key| channel.consumers.get(&key));
                    let entry = &delivery.entry;
                    found.push(Outstanding {
                        place: Place { lane: entry.lane, sequence: entry.sequence },
                        session: *session,
                        channel: *number,
                        consumer_tag: consumer.map(|consumer| consumer.tag.clone()),
                        delivery_tag: delivery.tag,
                        since: delivery.since,
                        redelivered: entry.redelivered,
                        message: entry.message.clone(),
                        body_bytes: entry.body_bytes,
                    });
                }
            }
        }
        Ok((found, count))
    }

    /// The place that the next message of a queue gets, whatever its lane.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn next_place(&self, queue: &str) -> Result<Sequence, Error> {
        let id = self.named_queue(queue)?;
        Ok(self.queues.get(&id).map_or(0, Queue::next_sequence))
    }

    /// The place of a stream's oldest message, and the one behind its newest. Of another queue,
    /// twice where its next message will be.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn places(&self, queue: &str) -> Result<(Sequence, Sequence), Error> {
        let id = self.named_queue(queue)?;
        Ok(self.queues.get(&id).map_or((0, 0), |queue| match &queue.stream {
            Some(stream) => stream.places(),
            None => (queue.next_sequence(), queue.next_sequence()),
        }))
    }

    fn named_queue(&self, queue: &str) -> Result<QueueId, Error> {
        self.topology.queue(queue).ok_or_else(|| Error::QueueNotFound {
            name: queue.to_owned(),
            vhost: self.name.clone(),
        })
    }

    /// `Request::Take`: those in memory are taken now, the others when they have come from disk.
    pub(super) fn take(
        &mut self,
        at: At,
        queue: &str,
        places: Vec<Place>,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.check_may(at.0, Right::Read, Resource::Queue(queue))?;
        let id = self.accessible_queue(at.0, queue)?;
        self.refuse_stream(id, "messages by their places")?;
        let Some(incarnation) = self.channel(at).map(|channel| channel.incarnation) else {
            return Ok(());
        };
        let wanted = places.into_iter().take(limits::TAKEN_AT_ONCE).collect();
        let (session, channel) = at;
        let take = WaitingTake { session, channel, incarnation, wanted };
        if let Some(found) = self.queues.get_mut(&id) {
            found.takes.push(take);
        }
        self.note_used(id);
        self.serve_takes(id, effects);
        // What is the front now may be due, and what follows it may be wanted.
        self.mark_dirty(id);
        Ok(())
    }

    /// Gives those who take messages of a queue what is in memory, and asks for what is not.
    pub(super) fn serve_takes(&mut self, id: QueueId, effects: &mut Effects) {
        let now = self.now;
        let takes = self.with_queue(id, |queue| std::mem::take(&mut queue.takes));
        for mut take in takes.into_iter().flatten() {
            let picked = self.with_queue(id, |queue| queue.backlog.pick(&take.wanted, now));
            let Some((entries, on_disk)) = picked else { continue };
            take.wanted = on_disk;
            if !self.give_picked(id, entries, &take, effects) {
                continue;
            }
            let loads = self.with_queue(id, |queue| queue.backlog.load_picked(id, &take.wanted));
            effects.loads.extend(loads.into_iter().flatten());
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.takes.push(take);
            }
        }
    }

    /// Messages that were picked have come from disk, or are not there: `through` was looked at.
    pub(super) fn picked_loaded(
        &mut self,
        id: QueueId,
        load: &Load,
        through: Sequence,
        mut picked: Vec<Entry>,
        effects: &mut Effects,
    ) {
        let takes = self.with_queue(id, |queue| std::mem::take(&mut queue.takes));
        let lane = load.queue.lane_number();
        let is_looked_at = |place: &Place| {
            let only = load.only.as_deref().unwrap_or_default();
            place.lane == lane
                && place.sequence <= through
                && only.binary_search(&place.sequence).is_ok()
        };
        for mut take in takes.into_iter().flatten() {
            let place = |entry: &Entry| Place { lane: entry.lane, sequence: entry.sequence };
            let wanted = &take.wanted;
            let (own, rest) = picked.into_iter().partition(|entry| wanted.contains(&place(entry)));
            picked = rest;
            take.wanted.retain(|place| !is_looked_at(place));
            if self.give_picked(id, own, &take, effects)
                && let Some(queue) = self.queues.get_mut(&id)
            {
                queue.takes.push(take);
            }
        }
        // Nobody wants these any more.
        self.put_picked_back(id, picked);
    }

    /// Makes deliveries of messages that are out of their queue. False if nothing more is to come.
    fn give_picked(
        &mut self,
        id: QueueId,
        mut entries: Vec<Entry>,
        take: &WaitingTake,
        effects: &mut Effects,
    ) -> bool {
        let (shares, now) = (self.shares(), self.now);
        let at = (take.session, take.channel);
        let channel = self.channel(at);
        if channel.is_none_or(|channel| channel.incarnation != take.incarnation) {
            self.put_picked_back(id, entries);
            return false;
        }
        entries.sort_by_key(|entry| (entry.lane, entry.sequence));
        let mut taken = vec![];
        for entry in entries {
            let place = Place { lane: entry.lane, sequence: entry.sequence };
            let Some(message) = entry.message.clone() else { continue };
            let entry =
                self.with_queue(id, |queue| queue.deliver_picked(entry, &message, shares, effects));
            let (Some(entry), Some(channel)) = (entry, self.channel_mut(at)) else { continue };
            let (tag, redelivered, returns) =
                (channel.next_delivery_tag(), entry.redelivered, entry.returns);
            let delivery = Delivery { tag, consumer: None, queue: id, since: now, entry };
            channel.unacknowledged.push(delivery);
            channel.messages.got(false, redelivered);
            self.changes.counters.messages.got(false, redelivered);
            let message = match returns {
                0 => message,
                _ => with_delivery_count(&message, returns),
            };
            taken.push(Taken { delivery_tag: tag, place, redelivered, message });
        }
        let done = take.wanted.is_empty();
        if done || !taken.is_empty() {
            effects.send(take.session, Event::Taken { channel: take.channel, taken, done });
        }
        !done
    }

    fn put_picked_back(&mut self, id: QueueId, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let resident_max = self.resident_max(true);
        self.with_queue(id, |queue| queue.put_picked_back(entries, resident_max));
        self.mark_dirty(id);
    }

    /// The queue is gone: nothing more comes.
    pub(super) fn end_takes(&mut self, takes: Vec<WaitingTake>, effects: &mut Effects) {
        for WaitingTake { session, channel, incarnation, .. } in takes {
            let found = self.channel((session, channel));
            if found.is_some_and(|channel| channel.incarnation == incarnation) {
                effects.send(session, Event::Taken { channel, taken: vec![], done: true });
            }
        }
    }
}

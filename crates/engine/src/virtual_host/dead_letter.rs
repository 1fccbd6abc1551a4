//! Messages that a queue gives up, and where they go.
//!
//! A message of a queue with a dead letter exchange goes there in the command that takes it out of
//! its queue: both writes stand next to each other in the log, so that a restart finds the message
//! in one of the places. Until then it waits among those that leave its queue, because its content
//! has to come from disk, or because one command gave up so many that the rest must wait its turn.

use std::sync::Arc;

use super::VirtualHost;
use super::publish::Sender;
use crate::backlog::{Entry, Mark};
use crate::death::{self, Death, Scratch};
use crate::leaving::Gone;
use crate::planted::{self, Bug};
use crate::queue::Queue;
use crate::settings::DeadLetter;
use crate::topology::Route;
use crate::{
    DeadLettered, Effects, Message, MessageBatch, Milliseconds, QueueId, Sequence, limits,
};

pub(super) use crate::death::Reason;

impl VirtualHost {
    /// A message that is neither ready nor unacknowledged any more leaves its queue for good.
    pub(super) fn give_up(
        &mut self,
        id: QueueId,
        entry: &Entry,
        reason: Reason,
        effects: &mut Effects,
    ) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.note_given_up(entry, reason);
        *self.changes.counters.losses.of(reason) += 1;
        self.changes.queue(queue);
        let stored = entry.stored_under(id);
        let is_dropped = reason == Reason::MaxLength;
        let forgets_letter = is_dropped && planted::is(Bug::DropNotDeadLettered);
        if queue.settings.dead_letter.is_none() || forgets_letter {
            if let Some(name) = stored.filter(|_| !(is_dropped && planted::is(Bug::DropNotWritten)))
            {
                effects.settled(name, entry.sequence);
            }
            return;
        }
        let before = queue.resident_bytes();
        if entry.marks.has(Mark::FromRange) {
            // Whatever reads the range comes upon it until it has gone.
            queue.backlog.goes_out(entry.lane, entry.sequence);
        }
        queue.leaving.push(entry, id, reason);
        self.memory.changed(before, queue.resident_bytes());
        self.given_up += 1;
        self.note_leaving(id);
    }

    /// A message that its queue refused goes to the dead letter exchange; it is in no store.
    pub(super) fn give_up_refused(&mut self, id: QueueId, message: &Message) {
        self.refused.push_back((id, message.clone()));
    }

    /// Puts a queue on the list of those whose messages go to dead letter exchanges.
    pub(super) fn note_leaving(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id)
            && !queue.is_leaving
        {
            queue.is_leaving = true;
            self.leaving.push_back(id);
        }
    }

    /// True if messages wait to go to dead letter exchanges whose contents are there.
    pub(super) fn has_leaving(&self) -> bool {
        !self.leaving.is_empty() || !self.refused.is_empty()
    }

    /// An answer from disk brought contents of messages that leave a queue.
    pub(super) fn leaving_loaded(&mut self, id: QueueId, lost: Vec<Gone>, effects: &mut Effects) {
        for gone in lost {
            effects.lost.push((id, gone.sequence));
            if let Some(name) = gone.stored {
                effects.settled(name, gone.sequence);
            }
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.note_gone(&gone);
            }
        }
        self.note_leaving(id);
    }

    /// Lets as many messages go to dead letter exchanges as the command at hand gave up, but at least
    /// `least` and at most `most`.
    pub(super) fn work_off(&mut self, least: usize, most: usize, effects: &mut Effects) {
        let mut gone = 0;
        self.work_off_refused(effects);
        // What comes to another queue may push out what is there.
        while gone < self.given_up.clamp(least, most) {
            let left = self.given_up.clamp(least, most) - gone;
            let Some(id) = self.leaving.pop_front() else { break };
            let done = self.topology_takes(id).map_or(0, |takes| match takes {
                true => self.dead_letter(id, left.min(limits::DEAD_LETTER_BATCH), effects),
                false => self.drop_leaving(id, left, effects),
            });
            gone += done;
            // More may have to leave that waited for this.
            self.schedule(id);
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            if done > 0 && !queue.leaving.is_empty() {
                self.leaving.push_back(id);
                continue;
            }
            // Nothing is left, or the first content has to be read; then the answer goes on.
            queue.is_leaving = false;
            effects.loads.extend(queue.leaving.load());
        }
        self.work_off_refused(effects);
    }

    /// Lets messages of one queue go that are in memory, in one batch; gives how many.
    fn dead_letter(&mut self, id: QueueId, most: usize, effects: &mut Effects) -> usize {
        let now = self.now;
        let Some((letter, name)) = self.letter(id) else { return 0 };
        let Some(queue) = self.queues.get_mut(&id) else { return 0 };
        let before = queue.resident_bytes();
        let (batch, gone) = take_leaving(queue, &letter, &name, now, most);
        self.memory.changed(before, queue.resident_bytes());
        let count = gone.len();
        for (index, Gone { sequence, stored, reason, .. }) in (0..).zip(gone) {
            if let Some(message) = Message::new(&batch, index) {
                let from = stored.map(|name| (name, sequence));
                self.route_dead_letter(&message, reason, from, effects);
            }
        }
        let (queue, messages, refused) = (name, count, false);
        effects.dead_lettered.push(DeadLettered { queue, messages, refused });
        count
    }

    /// Puts a dead letter into the queues that it is for. It leaves the place that it had in the
    /// store right behind that: the log never parts the two.
    fn route_dead_letter(
        &mut self,
        message: &Message,
        reason: Reason,
        from: Option<(QueueId, Sequence)>,
        effects: &mut Effects,
    ) {
        let (mut route, _) = self.topology.route(message);
        if reason != Reason::Rejected && !route.is_empty() {
            route = self.without_cycles(message, route);
        }
        *self.changes.counters.dead_lettered.of(reason) += 1;
        self.enqueue(message, &route, Sender::Broker, effects);
        if route.is_empty() || message.has_more_keys() {
            self.deliver_replies(message, effects);
        }
        if let Some((name, sequence)) = from.filter(|_| !planted::is(Bug::DeadLetterStays)) {
            effects.settled(name, sequence);
        }
        self.shed_after_publish(&route, effects);
    }

    /// A route without the queues in which the message has been, if nobody refused it since.
    fn without_cycles(&self, message: &Message, route: Route) -> Route {
        let is_cycle = |id: &QueueId| {
            let queue = self.queues.get(id);
            queue.is_some_and(|queue| death::is_cycle(message, &queue.record.name))
        };
        if !route.iter().any(is_cycle) {
            return route;
        }
        route.iter().copied().filter(|id| !is_cycle(id)).collect()
    }

    /// Lets messages go for which there is no exchange: there is nothing to read for that.
    fn drop_leaving(&mut self, id: QueueId, most: usize, effects: &mut Effects) -> usize {
        let Some(queue) = self.queues.get_mut(&id) else { return 0 };
        let before = queue.resident_bytes();
        let mut count = 0;
        while count < most
            && let Some(gone) = queue.leaving.pop_any()
        {
            count += 1;
            queue.note_gone(&gone);
            if let Some(name) = gone.stored {
                effects.settled(name, gone.sequence);
            }
        }
        self.memory.changed(before, queue.resident_bytes());
        let (queue, messages, refused) = (queue.record.name.clone(), count, false);
        effects.dead_lettered.push(DeadLettered { queue, messages, refused });
        count
    }

    fn work_off_refused(&mut self, effects: &mut Effects) {
        let mut scratch = Scratch::default();
        for _ in 0..limits::REFUSED_STEP {
            let Some((id, message)) = self.refused.pop_front() else { return };
            let Some((DeadLetter { exchange, routing_key }, queue)) = self.letter(id) else {
                continue;
            };
            let death = Death {
                queue: &queue,
                reason: Reason::MaxLength,
                time: self.now,
                exchange: &exchange,
                routing_key: routing_key.as_deref(),
            };
            let mut batch = MessageBatch::default().at(self.now);
            death::push(&mut batch, &message, death, &mut scratch);
            batch.finish();
            if let Some(message) = Message::new(&Arc::new(batch), 0) {
                self.route_dead_letter(&message, Reason::MaxLength, None, effects);
                effects.dead_lettered.push(DeadLettered { queue, messages: 1, refused: true });
            }
        }
    }

    /// Where dead letters of a queue go, and the queue's name.
    fn letter(&self, id: QueueId) -> Option<(DeadLetter, String)> {
        let queue = self.queues.get(&id)?;
        Some((queue.settings.dead_letter.clone()?, queue.record.name.clone()))
    }

    /// Whether the exchange for dead letters of a queue is there. A policy that named one may be
    /// gone.
    fn topology_takes(&self, id: QueueId) -> Option<bool> {
        let letter = self.queues.get(&id)?.settings.dead_letter.as_ref();
        let takes = |letter: &DeadLetter| {
            letter.exchange.is_empty() || self.topology.exchange(&letter.exchange).is_some()
        };
        Some(letter.is_some_and(takes))
    }

    /// A queue is about to be deleted: what it gave up and has in memory goes before it does.
    pub(super) fn dead_letter_all(&mut self, id: QueueId, effects: &mut Effects) {
        if self.topology_takes(id) == Some(true) {
            while self.dead_letter(id, limits::DEAD_LETTER_BATCH, effects) > 0 {}
        }
    }
}

/// Takes messages that leave a queue and whose contents are in memory, and makes of them a batch
/// as they are after it.
fn take_leaving(
    queue: &mut Queue,
    letter: &DeadLetter,
    name: &str,
    time: Milliseconds,
    most: usize,
) -> (Arc<MessageBatch>, Vec<Gone>) {
    let mut batch = MessageBatch::default().at(time);
    let mut scratch = Scratch::default();
    let mut taken = Vec::new();
    while taken.len() < most && batch.bytes_len() < limits::DEAD_LETTER_BATCH_BYTES {
        let Some((gone, message)) = queue.leaving.pop() else { break };
        let death = Death {
            queue: name,
            reason: match gone.reason {
                Reason::MaxLength if planted::is(Bug::DropTellsOtherReason) => Reason::Expired,
                reason => reason,
            },
            time,
            exchange: &letter.exchange,
            routing_key: letter.routing_key.as_deref(),
        };
        death::push(&mut batch, &message, death, &mut scratch);
        queue.note_gone(&gone);
        taken.push(gone);
    }
    batch.finish();
    (Arc::new(batch), taken)
}

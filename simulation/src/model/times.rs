//! What is there for a time only: which queues and messages, and whether it was time.

use std::cmp::Reverse;

use warren_engine::Milliseconds;

use super::dead_letters::Reason;
use super::{Copy, Model, Place, Queue, QueueNumber};
use crate::{Violation, limits};

/// Until when a message may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// It does not expire before.
    pub(crate) due: Milliseconds,
    /// It is not delivered after.
    pub(crate) last: Milliseconds,
}

impl Model {
    pub(super) fn time_passes(&mut self, now: Milliseconds) {
        self.now = now;
        for queue in self.queues.values_mut() {
            queue.used.get_or_insert(now);
        }
    }

    /// The engine says that a queue is gone, as nobody used it: it must have been time.
    pub(super) fn unused(&mut self, name: &str) -> Result<(), Violation> {
        let wrong = |text: String| Err(Violation::new("P11", text));
        let Some(number) = self.names.get(name).copied() else {
            return wrong(format!("queue {name} expires, which is not there"));
        };
        let Some(queue) = self.queues.get(&number) else { return Ok(()) };
        let due = queue.settings.expires.zip(queue.used).map(|(time, used)| used + time);
        if due.is_none_or(|due| due > self.now) || !queue.consumers.is_empty() {
            return wrong(format!("queue {name} expires too early"));
        }
        self.remove_queue(number);
        Ok(())
    }

    /// The engine says that a message has expired: it must have been time.
    pub(super) fn expired(&mut self, name: &str, place: Place) -> Result<(), Violation> {
        let number = self.may_expire(name, place)?;
        self.give_up(number, place, Reason::Expired);
        Ok(())
    }

    /// Whether it is time for a message to expire. Gives its queue.
    pub(super) fn may_expire(&self, name: &str, place: Place) -> Result<QueueNumber, Violation> {
        let wrong = |text: String| Err(Violation::new("P11", text));
        let number = self.names.get(name).copied();
        let Some((number, queue)) = number.and_then(|it| Some((it, self.queues.get(&it)?))) else {
            return wrong(format!("place {place} of queue {name} expires, which is not there"));
        };
        let is_ready = |level| queue.ready.contains(&(Reverse(level), place));
        let Some(copy) = queue.copies.get(&place).filter(|copy| is_ready(copy.level)) else {
            return wrong(format!("place {place} of queue {name} expires, which is not ready"));
        };
        if copy.expires.due > self.now {
            let Expiry { due, .. } = copy.expires;
            let text = format!("message {} of {name} expires, due at {due}", copy.message);
            return wrong(text);
        }
        Ok(number)
    }

    /// The first ready message that should have left the queue before a time. By the time of the
    /// queue messages leave one behind the other: those that lay with their client for a while, and
    /// so are older than what stands before them, wait for it.
    fn late<'a>(&self, queue: &'a Queue, time: Milliseconds) -> Option<&'a Copy> {
        let (mut level, mut before) = (0, 0);
        let mut ready = queue.ready.iter().filter_map(|(_, place)| queue.copies.get(place));
        ready.find(|copy| {
            if std::mem::replace(&mut level, copy.level) != copy.level {
                before = 0;
            }
            let published = self.messages.get(copy.message as usize);
            let own = published.and_then(|it| it.publication.expiration);
            let is_alone = copy.past.deaths.is_empty()
                && own.is_some_and(|own| queue.settings.ttl.is_none_or(|ttl| own < ttl));
            let last = if is_alone { copy.expires.last } else { before.max(copy.expires.last) };
            before = last;
            last < time
        })
    }

    /// With nothing on its way, what is due is gone.
    pub(crate) fn check_times(&self) -> Result<(), Violation> {
        let wrong = |text: String| Err(Violation::new("P11", text));
        for queue in self.queues.values() {
            let name = &queue.name;
            let late = self.late(queue, self.now.saturating_sub(limits::LATE_MAX));
            if let Some(copy) = late.filter(|_| self.damaged == 0) {
                return wrong(format!("message {} of {name} does not expire", copy.message));
            }
            let due = queue.settings.expires.zip(queue.used).map(|(time, used)| used + time);
            if queue.consumers.is_empty() && due.is_some_and(|due| due <= self.now) {
                return wrong(format!("queue {name} does not expire"));
            }
        }
        self.check_retention()
    }
}

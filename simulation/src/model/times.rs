//! What is there for a time only: which queues and messages, and whether it was time.

use std::cmp::Reverse;

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{Expired, Milliseconds};

use super::durable::Entered;
use super::{Copy, Model, Queue};
use crate::messages::{MessageId, Publication};
use crate::names::is_stream;
use crate::{Violation, limits};

/// Until when a message may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// It does not expire before.
    pub(crate) due: Milliseconds,
    /// It is not delivered after.
    pub(crate) last: Milliseconds,
}

/// The times of a queue, which follow from its name.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// For its messages.
    pub(crate) ttl: Option<Milliseconds>,
    /// For itself while nobody uses it.
    pub(crate) expires: Option<Milliseconds>,
    /// Streams keep their messages, whatever these ask for.
    is_stream: bool,
}

impl Times {
    pub(crate) fn of(queue: &str) -> Self {
        let (ttl, expires) = match queue {
            "d1" => (Some(100), None),
            "d2" => (Some(2_000), Some(5_000)),
            "t1" => (Some(40), None),
            "at0" => (Some(0), None),
            _ => (None, None),
        };
        Self { ttl, expires, is_stream: is_stream(queue) }
    }

    pub(crate) fn arguments(self) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in [("x-message-ttl", self.ttl), ("x-expires", self.expires)] {
            if let Some(value) = value {
                table.insert(name.into(), FieldValue::LongLongInt(value as i64));
            }
        }
        table
    }

    /// Time changes something about the queue.
    pub(crate) fn is_timed(self) -> bool {
        self.ttl.is_some() || self.expires.is_some()
    }

    /// When a message is to leave the queue whose time begins at `time`.
    pub(crate) fn expiry(self, publication: &Publication, time: Milliseconds) -> Milliseconds {
        if self.is_stream {
            return Milliseconds::MAX;
        }
        let least = [self.ttl, publication.expiration].into_iter().flatten().min();
        least.map_or(Milliseconds::MAX, |least| time + least)
    }
}

impl Times {
    /// When a message is to leave the queue that came as a dead letter: its own time was taken away.
    pub(super) fn expiry_of_dead(self, since: Milliseconds) -> Expiry {
        let due = self.ttl.map_or(Milliseconds::MAX, |ttl| since + ttl);
        Expiry { due, last: due }
    }
}

impl Model {
    /// Of a message that a restart found.
    pub(super) fn expiry(&self, queue: &str, message: MessageId, entered: Entered) -> Expiry {
        let times = Times::of(queue);
        if entered.deaths > 0 {
            return times.expiry_of_dead(entered.time);
        }
        let published = self.messages.get(message as usize);
        let due = published.map(|it| times.expiry(&it.publication, entered.time));
        let due = due.unwrap_or(Milliseconds::MAX);
        Expiry { due, last: due }
    }

    pub(super) fn time_passes(&mut self, now: Milliseconds) {
        self.now = now;
        for queue in self.queues.values_mut() {
            queue.used.get_or_insert(now);
        }
    }

    /// What the engine says has expired: it must have been time.
    pub(super) fn expired(&mut self, expired: &[(String, Expired)]) -> Result<(), Violation> {
        self.just_expired = expired.len();
        let wrong = |text: String| Err(Violation::new("P11", text));
        for (name, what) in expired {
            let Some(number) = self.names.get(name).copied() else {
                return wrong(format!("{what:?} of queue {name}, which is not there"));
            };
            let Some(queue) = self.queues.get_mut(&number) else { continue };
            let Expired::Message(_, place) = what else {
                let due = queue.times.expires.zip(queue.used).map(|(time, used)| used + time);
                if due.is_none_or(|due| due > self.now) || !queue.consumers.is_empty() {
                    return wrong(format!("queue {name} expires too early"));
                }
                self.remove_queue(number);
                continue;
            };
            let is_ready = |level| queue.ready.contains(&(Reverse(level), *place));
            let Some(copy) = queue.copies.get(place).filter(|copy| is_ready(copy.level)) else {
                return wrong(format!("place {place} of queue {name} expires, which is not ready"));
            };
            if copy.expires.due > self.now {
                let Expiry { due, .. } = copy.expires;
                let text = format!("message {} of {name} expires, due at {due}", copy.message);
                return wrong(text);
            }
            self.give_up(number, *place);
        }
        Ok(())
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
            let is_alone = copy.deaths == 0
                && own.is_some_and(|own| queue.times.ttl.is_none_or(|ttl| own < ttl));
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
            let due = queue.times.expires.zip(queue.used).map(|(time, used)| used + time);
            if queue.consumers.is_empty() && due.is_some_and(|due| due <= self.now) {
                return wrong(format!("queue {name} does not expire"));
            }
        }
        self.check_retention()
    }
}

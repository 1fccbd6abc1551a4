//! What happens at a time: messages expire, unused queues go, deliveries are waited for too long.
//!
//! Each queue for which something is foreseen stands in one sorted set, by when it is looked at
//! next. It may be looked at too early, for what was foreseen may not be there any more, but never
//! too late. A look does a bounded amount of work, and is repeated at once if that was not all.

use std::collections::BTreeSet;

use super::VirtualHost;
use super::dead_letter::Reason;
use crate::backlog::Entry;
use crate::expiry::NEVER;
use crate::queue::Queue;
use crate::{Departed, Effects, Milliseconds, QueueId, limits};

/// What is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The messages of a queue, and whether it is used.
    Queue(QueueId),
    /// All deliveries that are unacknowledged.
    Deliveries,
    /// Exchanges and queues for which the policies may be others.
    Policies,
}

/// What is to be looked at, and when.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Milliseconds, Timer)>);

impl Timers {
    pub(super) fn next(&self) -> Option<Milliseconds> {
        self.0.first().map(|(due, _)| *due)
    }

    pub(super) fn set(&mut self, due: Milliseconds, timer: Timer) {
        self.0.insert((due, timer));
    }

    pub(super) fn forget(&mut self, due: Milliseconds, timer: Timer) {
        self.0.remove(&(due, timer));
    }

    fn take_due(&mut self, now: Milliseconds) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// True if a queue is looked at by then.
    pub(super) fn has(&self, due: Milliseconds, queue: QueueId) -> bool {
        self.0.contains(&(due, Timer::Queue(queue)))
    }
}

impl VirtualHost {
    /// The time that [`crate::Command::Clock`] last told.
    #[must_use]
    pub fn now(&self) -> Milliseconds {
        self.now
    }

    /// When the next [`crate::Command::Clock`] is wanted at the latest; `None` while nothing waits
    /// for a time. A time that is past means that there is more to do than was done in one go.
    /// Otherwise, time is only wanted in front of other commands.
    #[must_use]
    pub fn next_due(&self) -> Option<Milliseconds> {
        let leaving = self.has_leaving().then_some(self.now);
        let due = [leaving, self.timers.next(), self.streams.next_due()];
        due.into_iter().flatten().min()
    }

    pub(super) fn clock(&mut self, now: Milliseconds) {
        self.now = self.now.max(now);
    }

    /// Does what is due, as far as it goes at one time.
    pub(super) fn let_happen_what_is_due(&mut self, effects: &mut Effects) {
        if self.timers.next().is_none_or(|due| due > self.now) {
            return;
        }
        let first = effects.events.len();
        let mut left = limits::EXPIRED_MESSAGES;
        while left > 0
            && let Some(timer) = self.timers.take_due(self.now)
        {
            let done = match timer {
                Timer::Queue(id) => self.look_at_queue(id, left, effects),
                Timer::Deliveries => self.look_at_deliveries(effects),
                Timer::Policies => self.look_at_policies(),
            };
            left = left.saturating_sub(1 + done);
        }
        self.serve_getters(effects);
        self.keep_order(first, effects);
        self.dispatch_dirty(effects);
    }

    /// Lets a queue expire, or what has expired of its messages. Gives how many these were.
    fn look_at_queue(&mut self, id: QueueId, left: usize, effects: &mut Effects) -> usize {
        let (now, share) = (self.now, self.shares().stored);
        let Some(queue) = self.queues.get_mut(&id) else { return 0 };
        // Once in a command: it is scheduled again when it is dispatched.
        queue.due = 0;
        if queue.used == 0 {
            queue.used = now;
        }
        if queue.expires_unused().is_some_and(|due| due <= now) {
            effects.departed.push(Departed::Unused(id, queue.record.name.clone()));
            self.remove_queue(id, effects);
            return 1;
        }
        if queue.leaving.is_long() {
            // Those that expired before go first, and then it is looked at again.
            queue.due = NEVER;
            self.schedule(id);
            return 0;
        }
        let needs_content = queue.settings.dead_letter.is_some();
        let before = queue.resident_bytes();
        let expired = queue.backlog.expire(now, left, needs_content);
        self.memory.changed(before, queue.resident_bytes());
        effects.loads.extend(queue.backlog.load_expired(id, now, share, needs_content));
        self.give_up_expired(id, &expired, effects);
        let shed = self.shed(id, effects);
        self.serve_waiting_gets(id, effects);
        self.mark_dirty(id);
        let Some(queue) = self.queues.get_mut(&id) else { return expired.len() + shed };
        queue.due = NEVER;
        let work = if queue.backlog.has_own_times() { limits::EXPIRY_WORK_COST } else { 0 };
        expired.len() + shed + work
    }

    /// Messages that expired leave their queue.
    pub(super) fn give_up_expired(
        &mut self,
        id: QueueId,
        expired: &[Entry],
        effects: &mut Effects,
    ) {
        for entry in expired {
            effects.departed.push(Departed::Expired(id, entry.sequence));
            self.give_up(id, entry, Reason::Expired, effects);
        }
    }

    /// Sees to it that a queue is looked at in time.
    pub(super) fn schedule(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let due = queue.next_due(self.now);
        if due < queue.due {
            if queue.due != NEVER {
                self.timers.forget(queue.due, Timer::Queue(id));
            }
            self.timers.set(due, Timer::Queue(id));
            queue.due = due;
        }
    }

    /// A queue was used: declared, read from, or left by its last consumer.
    pub(super) fn note_used(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id)
            && queue.settings.expires.is_some()
        {
            queue.used = self.now;
            self.schedule(id);
        }
    }
}

impl Queue {
    /// When the queue goes if nobody uses it.
    fn expires_unused(&self) -> Option<Milliseconds> {
        let is_used = !self.consumers.is_empty() || !self.waiting_gets.is_empty();
        let expires = self.settings.expires.filter(|_| !is_used)?;
        Some(self.used.saturating_add(expires))
    }

    /// Time changes something about the queue, sooner or later.
    pub(super) fn is_timed(&self) -> bool {
        self.settings.expires.is_some() || self.backlog.is_timed() || self.is_over()
    }

    /// When time is to be given to the queue.
    pub(super) fn next_due(&self, now: Milliseconds) -> Milliseconds {
        let needs_content = self.settings.dead_letter.is_some();
        let of_messages = match self.leaving.is_long() {
            true => NEVER,
            // More have to go than went in one go.
            false if self.is_over() && self.backlog.has_first() => now,
            false => self.backlog.next_due(now, needs_content),
        };
        self.expires_unused().map_or(of_messages, |due| due.min(of_messages))
    }
}

//! Deliveries that are not acknowledged for too long: the consumer is taken for broken, and its
//! channel is closed, so that others get the messages.
//!
//! Nothing is noted with a delivery. From time to time every channel is looked at, and notes the
//! last tag that it has given: what has a lower tag is older than that.

use std::collections::VecDeque;

use warren_amqp::FieldTable;

use super::VirtualHost;
use super::time::Timer;
use crate::arguments::integer;
use crate::planted::{self, Bug};
use crate::queue::Queue;
use crate::session::Channel;
use crate::{Effects, Error, Milliseconds, Origin, QueueId, SessionId, limits};

/// Nothing that the client asked for is answered.
pub(super) const NO_METHOD: Origin = Origin { class_id: 0, method_id: 0 };

/// How long deliveries may stay unacknowledged.
#[derive(Debug)]
pub(super) struct Timeouts {
    /// Where neither the queue nor the consumer says so; `None` is for ever.
    default: Option<Milliseconds>,
    /// The shortest one that any consumer has.
    shortest: Option<Milliseconds>,
    /// When deliveries are looked at next; `None` if they are not.
    due: Option<Milliseconds>,
}

impl Default for Timeouts {
    fn default() -> Self {
        let default = Some(limits::CONSUMER_TIMEOUT_MS);
        Self { default, shortest: None, due: None }
    }
}

impl Timeouts {
    /// The time between two looks.
    fn period(&self) -> Option<Milliseconds> {
        let shortest = [self.default, self.shortest].into_iter().flatten().min()?;
        let part = shortest / limits::CONSUMER_TIMEOUT_PARTS;
        Some(part.clamp(limits::CONSUMER_TIMEOUT_LOOK_MIN_MS, limits::CONSUMER_TIMEOUT_LOOK_MAX_MS))
    }
}

/// The tags that a channel had given at some times, the oldest in front.
#[derive(Debug, Default)]
pub(crate) struct Marks(VecDeque<(Milliseconds, u64)>);

impl Marks {
    /// Notes that all deliveries up to `tag` were given by `now`; those before `first` are settled.
    fn note(&mut self, now: Milliseconds, first: u64, tag: u64) {
        while self.0.front().is_some_and(|(_, through)| *through < first) {
            self.0.pop_front();
        }
        if self.0.back().is_none_or(|(_, through)| *through < tag) {
            // A younger mark covers what an older one did: many are not needed.
            if self.0.len() >= limits::CONSUMER_TIMEOUT_MARKS {
                let mut is_kept = false;
                self.0.retain(|_| {
                    is_kept = !is_kept;
                    !is_kept
                });
            }
            self.0.push_back((now, tag));
        }
    }
}

impl VirtualHost {
    /// Sets how long a delivery may stay unacknowledged where neither its queue nor its consumer
    /// says so, in milliseconds; `None` is for ever.
    pub fn set_consumer_timeout(&mut self, timeout: Option<Milliseconds>) {
        self.timeouts.default = timeout;
        self.watch_deliveries();
    }

    /// Sees to it that deliveries are looked at, from the first session on.
    pub(super) fn watch_deliveries(&mut self) {
        let Some(period) = self.timeouts.period().filter(|_| !self.sessions.is_empty()) else {
            return;
        };
        let due = self.now.saturating_add(period);
        if self.timeouts.due.is_some_and(|before| before <= due) {
            return;
        }
        if let Some(before) = self.timeouts.due.replace(due) {
            self.timers.forget(before, Timer::Deliveries);
        }
        self.timers.set(due, Timer::Deliveries);
    }

    /// The timeout of a consumer that has one of its own: by its argument, or by its queue.
    pub(super) fn consumer_timeout(
        &mut self,
        queue: QueueId,
        arguments: &FieldTable,
    ) -> Option<Milliseconds> {
        let argument = own_timeout(arguments);
        let own = argument.or_else(|| self.queues.get(&queue)?.settings.consumer_timeout)?;
        self.note_timeout(Some(own));
        Some(own)
    }

    /// Sees to it that deliveries are looked at often enough for a timeout.
    pub(super) fn note_timeout(&mut self, timeout: Option<Milliseconds>) {
        let Some(timeout) = timeout else { return };
        let shortest = self.timeouts.shortest.map_or(timeout, |other| other.min(timeout));
        self.timeouts.shortest = Some(shortest);
        self.watch_deliveries();
    }

    /// Closes the channels that have a delivery for too long. Gives how many channels were looked
    /// at, as a part of the work that may be done at one time.
    pub(super) fn look_at_deliveries(&mut self, effects: &mut Effects) -> usize {
        self.timeouts.due = None;
        let (now, default) = (self.now, self.timeouts.default);
        let queues = &self.queues;
        let of_queue =
            |id: &QueueId| queues.get(id).and_then(|queue: &Queue| queue.settings.consumer_timeout);
        let mut shortest: Option<Milliseconds> = None;
        let mut overdue: Vec<(SessionId, u16, Milliseconds)> = vec![];
        for (id, session) in &mut self.sessions {
            for (number, channel) in &mut session.channels {
                let own = channel.consumers.values().filter_map(|consumer| consumer.timeout).min();
                shortest = [shortest, own].into_iter().flatten().min();
                let timeout = channel.overdue(now, default, of_queue);
                overdue.extend(timeout.map(|timeout| (*id, *number, timeout)));
            }
        }
        self.timeouts.shortest = shortest;
        overdue.sort_unstable();
        let closed = overdue.len();
        if planted::is(Bug::TimeoutForgotten) {
            overdue.clear();
        }
        for (session, channel, timeout) in overdue {
            let error = Error::DeliveryTimeout { channel, timeout };
            self.refuse(session, channel, error.into(), NO_METHOD, effects);
        }
        self.watch_deliveries();
        closed
    }
}

/// The timeout that a consumer asks for itself.
pub(super) fn own_timeout(arguments: &FieldTable) -> Option<Milliseconds> {
    let argument = arguments.inner().get("x-consumer-timeout").and_then(integer);
    argument.and_then(|value| u64::try_from(value).ok()).filter(|ms| *ms > 0)
}

impl Channel {
    /// The timeout of a delivery that is unacknowledged for longer. Notes what is unacknowledged
    /// now.
    fn overdue(
        &mut self,
        now: Milliseconds,
        default: Option<Milliseconds>,
        of_queue: impl Fn(&QueueId) -> Option<Milliseconds>,
    ) -> Option<Milliseconds> {
        let Some(first) = self.unacknowledged.iter().next().map(|delivery| delivery.tag) else {
            self.marks = None;
            return None;
        };
        let mut found = None;
        let mut marks = self.marks.iter().flat_map(|marks| &marks.0).peekable();
        for delivery in self.unacknowledged.iter().take(limits::CONSUMER_TIMEOUT_DELIVERIES) {
            while marks.next_if(|(_, through)| *through < delivery.tag).is_some() {}
            let Some((given, _)) = marks.peek() else { break };
            let consumer = delivery.consumer.and_then(|number| self.consumers.get(&number));
            let timeout = match consumer {
                Some(consumer) => consumer.timeout,
                None => of_queue(&delivery.queue),
            };
            let timeout = timeout.or(default);
            let part = if planted::is(Bug::TimeoutTooEarly) { 2 } else { 1 };
            found = timeout.filter(|timeout| now.saturating_sub(*given) >= *timeout / part);
            if found.is_some() {
                break;
            }
        }
        let last = self.last_delivery_tag();
        self.marks.get_or_insert_default().note(now, first, last);
        found
    }
}

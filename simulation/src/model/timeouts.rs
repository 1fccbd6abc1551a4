//! Deliveries that are not acknowledged for too long: their channel is closed, not before the time is
//! over, and not much later.

use warren_engine::{Error, Event, Milliseconds, Outgoing};

use super::{At, Consumer, Delivery, Model, Queue, QueueNumber};
use crate::{Violation, limits};

/// The event closes a channel because of a delivery; gives the channel and the time.
pub(super) fn timeout(outgoing: &Outgoing) -> Option<(At, Milliseconds)> {
    match &outgoing.event {
        Event::ChannelError { channel, error, .. } => match **error {
            Error::DeliveryTimeout { timeout, .. } => Some(((outgoing.session, *channel), timeout)),
            _ => None,
        },
        _ => None,
    }
}

impl Model {
    /// How long the deliveries of a queue may take where the consumer does not say it.
    fn timeout_of_queue(&self, queue: QueueNumber) -> Option<Milliseconds> {
        self.queues.get(&queue).and_then(|queue| queue.settings.consumer_timeout)
    }

    /// How long the deliveries of a consumer may take, if it or its queue says so.
    fn timeout_of_consumer(&self, consumer: &Consumer) -> Option<Milliseconds> {
        consumer.timeout.or_else(|| self.timeout_of_queue(consumer.queue))
    }

    /// How long a delivery may take.
    fn timeout_of(&self, at: At, delivery: &Delivery) -> Option<Milliseconds> {
        let channel = self.channels.get(&at)?;
        let consumer = delivery.consumer.and_then(|number| channel.consumers.get(&number));
        let own = match consumer {
            Some(consumer) => self.timeout_of_consumer(consumer),
            None => self.timeout_of_queue(delivery.queue),
        };
        own.or(self.consumer_timeout)
    }

    /// The engine closes a channel because of a delivery: there must be one.
    pub(super) fn timed_out(&mut self, at: At, timeout: Milliseconds) -> Result<(), Violation> {
        let channel = self.channels.get(&at);
        let mut deliveries = channel.iter().flat_map(|channel| channel.unacknowledged.values());
        let is_overdue = deliveries.any(|delivery| {
            delivery.since + timeout <= self.now && self.timeout_of(at, delivery) == Some(timeout)
        });
        if !is_overdue {
            let text = format!("{at:?} is closed, and has nothing for {timeout} ms");
            return Err(Violation::new("P11", text));
        }
        self.close_channel(at);
        self.errors.push(at);
        Ok(())
    }

    /// The queue is deleted with the last of its consumers, whose channels are about to be closed.
    pub(super) fn goes_with_timeouts(&self, queue: &Queue) -> bool {
        let is_closing = |at: &At| self.overdue.contains(at);
        let mut consumers = queue.consumers.keys();
        queue.auto_delete && consumers.len() > 0 && consumers.all(|(at, _)| is_closing(at))
    }

    /// So much time has passed twice, with a look after each, that nobody can have a delivery of
    /// before that is to be acknowledged in time.
    pub(crate) fn check_overdue(&self) -> Result<(), Violation> {
        for (at, channel) in &self.channels {
            for (tag, delivery) in &channel.unacknowledged {
                // How often one looks follows from the consumers that are there.
                let consumer = delivery.consumer.and_then(|number| channel.consumers.get(&number));
                let own = consumer.and_then(|consumer| self.timeout_of_consumer(consumer));
                let timeout = own.or(self.consumer_timeout);
                let is_old = delivery.since + 2 * limits::LONG_TIME <= self.now;
                if is_old && timeout.is_some() {
                    let text = format!("{at:?} has tag {tag} since {}", delivery.since);
                    return Err(Violation::new("P11", text));
                }
            }
        }
        Ok(())
    }
}

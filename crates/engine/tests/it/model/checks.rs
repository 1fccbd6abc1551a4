//! What the model checks of the engine's choices, and of the state after each command.

use std::collections::BTreeMap;

use warren_amqp::FieldValue;
use warren_engine::{Destination, Event, SessionId, Summary, limits};

use super::{Consumer, Delivery, Entry, Model, Queue, Who};
use crate::durable::Durable;
use crate::render;

impl Model {
    /// Follows a delivery, if the rules allow it.
    pub(crate) fn deliver(&mut self, session: SessionId, event: &Event) -> Result<(), String> {
        let Event::Deliver { channel, consumer, delivery_tag, redelivered, message } = event else {
            return Err(format!("only deliveries may follow, not {event:?}"));
        };
        let who: Who = ((session, *channel), *consumer);
        let at = self.consumers.iter().position(|consumer| consumer.who == who);
        let at = at.ok_or_else(|| format!("delivered to {who:?}, who is no consumer"))?;
        if !self.has_credit(&self.consumers[at]) {
            return Err(format!("delivered to {who:?}, who has no credit"));
        }
        let (queue, no_ack) = (self.consumers[at].queue, self.consumers[at].no_ack);
        self.take_turn(who, queue)?;
        let entry = {
            let queue = self.queue(queue).expect("the queue of a consumer");
            if queue.ready.is_empty() {
                return Err(format!("delivered from {}, which is empty", queue.name));
            }
            queue.gone += usize::from(no_ack);
            queue.take()
        };
        let expected = (&entry.body, entry.redelivered);
        if expected != (&render::body(message), *redelivered) {
            return Err(format!("delivered {message:?} where {expected:?} is first"));
        }
        self.check_order(queue, &entry)?;
        self.fill_outbox(session, event.weight());
        let channel = self.channel(who.0);
        channel.last_tag += 1;
        if channel.last_tag != *delivery_tag {
            return Err(format!("tag {delivery_tag} where {} is next", channel.last_tag));
        }
        if no_ack {
            channel.has_settled |= entry.durable;
        } else {
            let consumer = Some(who.1);
            channel.unacknowledged.push(Delivery { tag: *delivery_tag, consumer, queue, entry });
        }
        Ok(())
    }

    /// A message is on its way to a session.
    pub(crate) fn fill_outbox(&mut self, session: SessionId, bytes: usize) {
        let found = self.sessions.iter_mut().find(|(id, _)| *id == session);
        // It may have been closed by the same command.
        if let Some((_, outbox)) = found {
            *outbox += bytes;
        }
    }

    pub(crate) fn outbox_is_full(&self, session: SessionId) -> bool {
        let found = self.sessions.iter().find(|(id, _)| *id == session);
        found.is_some_and(|(_, outbox)| *outbox >= limits::OUTBOX_BYTES)
    }

    /// First deliveries of a queue are in the order of publishing.
    fn check_order(&mut self, queue: usize, entry: &Entry) -> Result<(), String> {
        let queue = self.queue(queue).expect("the queue of a consumer");
        if !entry.redelivered {
            let newest = queue.newest.entry(entry.level).or_default();
            if entry.place <= *newest {
                return Err(format!("{entry:?} was overtaken by {newest}"));
            }
            *newest = entry.place;
        }
        Ok(())
    }

    /// Nobody is served while one with a higher priority has credit and waits, nor twice while an
    /// equal one does.
    fn take_turn(&mut self, who: Who, queue: usize) -> Result<(), String> {
        let own = self.consumers.iter().find(|consumer| consumer.who == who);
        let own = own.map_or(0, |consumer| consumer.priority);
        for other in 0..self.consumers.len() {
            let consumer = &self.consumers[other];
            if consumer.queue != queue {
                continue;
            }
            if consumer.who == who || !self.has_credit(consumer) {
                self.consumers[other].passed_by.clear();
            } else if consumer.priority > own {
                return Err(format!("{who:?} is served before {:?}", consumer.who));
            } else if consumer.priority < own {
                continue;
            } else if !self.consumers[other].passed_by.insert(who) {
                let waits = self.consumers[other].who;
                return Err(format!("{who:?} is served twice while {waits:?} waits"));
            }
        }
        Ok(())
    }

    fn has_credit(&self, consumer: &Consumer) -> bool {
        let ((session, _), number) = consumer.who;
        let outbox = self.sessions.iter().find(|(id, _)| *id == session).unwrap().1;
        let channel = self.channels.iter().find(|channel| channel.at == consumer.who.0).unwrap();
        let of_consumers =
            || channel.unacknowledged.iter().filter(|delivery| delivery.consumer.is_some());
        let own = of_consumers().filter(|delivery| delivery.consumer == Some(number)).count();
        let within = |limit, used| limit == 0 || used < limit;
        let queue = self.queues.iter().find(|queue| queue.number == consumer.queue);
        queue.is_some_and(|queue| !queue.single_active || queue.active == Some(consumer.who))
            && outbox < limits::OUTBOX_BYTES
            && (consumer.no_ack
                || (within(consumer.prefetch, own)
                    && within(channel.prefetch_channel, of_consumers().count())))
    }

    /// What must hold after every command.
    pub(crate) fn check(&mut self, summary: Summary) -> Result<(), String> {
        for queue in &self.queues {
            let waiting = self.consumers.iter().filter(|consumer| consumer.queue == queue.number);
            let mut waiting = waiting.filter(|consumer| self.has_credit(consumer));
            if let (Some(entry), Some(consumer)) = (queue.ready.first(), waiting.next()) {
                return Err(format!("{entry:?} waits though {:?} has credit", consumer.who));
            }
            let unacknowledged = self.channels.iter().flat_map(|c| &c.unacknowledged);
            let unacknowledged =
                unacknowledged.filter(|delivery| delivery.queue == queue.number).count();
            let found = queue.ready.len() + unacknowledged + queue.gone;
            if queue.accepted != found {
                return Err(format!("{}: {} came in, {found} found", queue.name, queue.accepted));
            }
        }
        let expected = Summary {
            sessions: self.sessions.len(),
            channels: self.channels.len(),
            exchanges: self.exchanges.len(),
            bindings: self.bindings.len(),
            queues: self.queues.len(),
            consumers: self.consumers.len(),
            messages_ready: self.queues.iter().map(|queue| queue.ready.len()).sum(),
            // The model keeps bodies as texts; `Backlog::check` counts these bytes.
            message_bytes_ready: summary.message_bytes_ready,
            messages_unacknowledged: self
                .channels
                .iter()
                .map(|channel| channel.unacknowledged.len())
                .sum(),
            // `Queue::check_counts` holds them against what came in.
            losses: summary.losses,
        };
        if expected != summary {
            return Err(format!("the engine has {summary:?}, the model {expected:?}"));
        }
        // A consumer that ran out of credit waits for no turn.
        for at in 0..self.consumers.len() {
            if !self.has_credit(&self.consumers[at]) {
                self.consumers[at].passed_by.clear();
            }
        }
        Ok(())
    }

    /// What was written is what a restart may need, no more and no less.
    pub(crate) fn check_durable(&self, durable: &Durable) -> Result<(), String> {
        let mut exchanges: Vec<_> = durable.exchanges.iter().map(|record| &record.name).collect();
        let own = self.exchanges.iter().filter(|record| record.durable);
        let mut own: Vec<_> = own.map(|record| &record.name).collect();
        own.retain(|name| !name.starts_with("amq."));
        exchanges.sort_unstable();
        own.sort_unstable();
        if exchanges != own {
            return Err(format!("exchanges {own:?}, but written {exchanges:?}"));
        }
        let key = |binding: &warren_engine::BindingRecord| format!("{binding:?}");
        let mut written: Vec<_> = durable.bindings.iter().map(key).collect();
        let bindings = self.bindings.iter().filter(|binding| self.is_durable_binding(binding));
        let mut bindings: Vec<_> = bindings.map(key).collect();
        written.sort_unstable();
        bindings.sort_unstable();
        if written != bindings {
            return Err(format!("bindings {bindings:?}, but written {written:?}"));
        }
        let written: BTreeMap<_, Vec<_>> = durable
            .queues
            .iter()
            .map(|queue| {
                let bodies = queue.messages().into_values().map(render::body).collect();
                (queue.record.name.clone(), bodies)
            })
            .collect();
        let queues: BTreeMap<_, _> = self
            .queues
            .iter()
            .filter(|queue| queue.is_durable())
            .map(|queue| (queue.name.clone(), self.durable_bodies(queue)))
            .collect();
        if written != queues {
            return Err(format!("messages {queues:?}, but written {written:?}"));
        }
        self.check_delivered(durable)
    }

    /// What was delivered and is not settled is written as delivered, and nothing else is.
    fn check_delivered(&self, durable: &Durable) -> Result<(), String> {
        for queue in self.queues.iter().filter(|queue| queue.is_durable()) {
            let mut written = durable.queues.iter().filter(|other| other.record.name == queue.name);
            let Some(found) = written.next() else { continue };
            let lanes = found.lanes.values();
            let written: BTreeMap<_, _> =
                lanes.flat_map(|lane| lane.messages.range(..=lane.delivered_through)).collect();
            let written: Vec<_> = written.into_values().map(render::body).collect();
            let returned = queue.ready.iter().filter(|entry| entry.redelivered);
            let delivered = bodies_in_order(self.held(queue).chain(returned));
            if written != delivered {
                let name = &queue.name;
                return Err(format!("{name}: delivered {delivered:?}, but written {written:?}"));
            }
        }
        Ok(())
    }

    /// The persistent messages of a queue, ready and unacknowledged, in the order of places.
    fn durable_bodies(&self, queue: &Queue) -> Vec<String> {
        bodies_in_order(self.held(queue).chain(&queue.ready))
    }

    /// What is unacknowledged of a queue.
    fn held(&self, queue: &Queue) -> impl Iterator<Item = &Entry> {
        let delivered = self.channels.iter().flat_map(|channel| &channel.unacknowledged);
        let number = queue.number;
        delivered.filter(move |delivery| delivery.queue == number).map(|delivery| &delivery.entry)
    }

    /// The queues that a final drain looks at, with how much is in each.
    pub(crate) fn backlog(&self) -> Vec<(String, usize)> {
        self.queues.iter().map(|queue| (queue.name.clone(), queue.ready.len())).collect()
    }

    /// One of the bindings, as a line names it.
    pub(crate) fn binding(&self, nth: usize) -> Option<String> {
        let binding = self.bindings.get(nth % self.bindings.len().max(1))?;
        let destination = match &binding.destination {
            Destination::Queue(name) => name.clone(),
            Destination::Exchange(name) => format!("exchange:{name}"),
        };
        let arguments = binding.arguments.into_iter().map(|(name, value)| match value {
            FieldValue::LongInt(number) => format!(" {}={number}", name.as_str()),
            FieldValue::LongString(text) => format!(" {}={text}", name.as_str()),
            other => panic!("no random command has {other:?}"),
        });
        let arguments: String = arguments.collect();
        Some(format!("{destination} {} '{}'{arguments}", binding.source, binding.routing_key))
    }

    /// True if a binding of the model leads to a queue or exchange that is not there.
    pub(crate) fn has_dangling_binding(&self) -> bool {
        self.bindings.iter().any(|binding| match &binding.destination {
            Destination::Queue(name) => !self.queues.iter().any(|queue| queue.name == *name),
            Destination::Exchange(name) => self.exchange(name).is_none(),
        })
    }
}

/// The bodies of the persistent ones among the messages, in the order of places.
fn bodies_in_order<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<String> {
    let mut entries: Vec<_> = entries.filter(|entry| entry.durable).collect();
    entries.sort_unstable_by_key(|entry| entry.place);
    entries.into_iter().map(|entry| entry.body.clone()).collect()
}

impl Queue {
    /// The first message, which there must be.
    pub(super) fn take(&mut self) -> Entry {
        self.ready.remove(0)
    }
}

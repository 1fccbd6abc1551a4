//! Queues that subscribe themselves: `Consumer.<group>.<pattern>` to virtual topics, when it is
//! declared or consumed from, and `topic::queue` when it is consumed from.

use warren_amqp::FieldTable;

use super::{Refusal, VirtualHost};
use crate::command::Declaration;
use crate::record::{BindingRecord, Destination, Write};
use crate::router::group_arguments;
use crate::topology::{VIRTUAL_TOPIC, queue_of_topic};
use crate::{Effects, Error, QueueId, SessionId};

type At = (SessionId, u16);

/// The queue that a consumer asks for, and what has to be done first.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) queue: String,
    /// The pattern to be subscribed for the queue, if the name that was given holds one.
    topic: Option<String>,
    /// The queue is not there and is made, with these arguments.
    made_with: Option<FieldTable>,
}

impl VirtualHost {
    /// Finds out which queue a consumer asks for, and changes nothing.
    pub(super) fn wanted_queue(&self, session: SessionId, name: &str) -> Result<Wanted, Error> {
        let (topic, queue) = match queue_of_topic(name) {
            Some((topic, queue)) if self.topology.queue(name).is_none() => (Some(topic), queue),
            _ => (None, name),
        };
        let wanted = |made_with| Wanted {
            queue: queue.to_owned(),
            topic: topic.map(str::to_owned),
            made_with,
        };
        if self.topology.queue(queue).is_some() {
            self.accessible_queue(session, queue)?;
            return Ok(wanted(None));
        }
        let makers = self.topology.subscriptions(queue).map(|(_, names, _)| names);
        let arguments = makers.filter(|names| names.makes_queues);
        let arguments = arguments.map(|names| names.queue_arguments.clone()).next();
        match arguments.or_else(|| topic.map(|_| FieldTable::default())) {
            Some(arguments) => Ok(wanted(Some(arguments))),
            None => self.accessible_queue(session, name).map(|_| wanted(None)),
        }
    }

    /// Makes the queue if it is not there, and subscribes it. Gives its number, and whether the
    /// consumer must hear of it only when all that is durable.
    pub(super) fn take_wanted(
        &mut self,
        at: At,
        wanted: Wanted,
        effects: &mut Effects,
    ) -> Result<(QueueId, bool), Refusal> {
        let Wanted { queue, topic, made_with } = wanted;
        if let Some(topic) = &topic
            && let Some(binding) = self.topic_binding(&queue, topic)
        {
            self.check_may_bind_new(at.0, &binding)?;
        }
        let mut waits = made_with.is_some();
        if let Some(arguments) = made_with {
            let last_queue = self.channel(at).and_then(|channel| channel.last_queue.clone());
            let declaration =
                Declaration { durable: true, no_wait: true, ..Declaration::default() };
            self.declare_queue(at, queue.clone(), false, declaration, arguments, effects)?;
            if let Some(channel) = self.channel_mut(at) {
                channel.last_queue = last_queue;
            }
        } else {
            self.check_may_subscribe(at.0, &queue)?;
            waits |= self.subscribe_by_name(&queue, effects);
        }
        if let Some(topic) = topic
            && let Some(binding) = self.topic_binding(&queue, &topic)
        {
            waits |= self.bind_now(binding, effects);
        }
        let id = self.accessible_queue(at.0, &queue)?;
        Ok((id, waits))
    }

    /// Subscribes a queue to the virtual topics whose names it has the form of. True if something
    /// was written.
    pub(super) fn subscribe_by_name(&mut self, queue: &str, effects: &mut Effects) -> bool {
        let mut written = false;
        for binding in self.own_bindings(queue) {
            written |= self.bind_now(binding, effects);
        }
        written
    }

    /// Whether a user may subscribe a queue to the virtual topics that its name says, as far as it
    /// is not subscribed.
    pub(super) fn check_may_subscribe(
        &mut self,
        session: SessionId,
        queue: &str,
    ) -> Result<(), Error> {
        if self.limited(session).is_some() {
            for binding in self.own_bindings(queue) {
                self.check_may_bind_new(session, &binding)?;
            }
        }
        Ok(())
    }

    fn check_may_bind_new(
        &mut self,
        session: SessionId,
        binding: &BindingRecord,
    ) -> Result<(), Error> {
        if self.topology.is_bound(binding) {
            return Ok(());
        }
        self.check_may_bind(session, binding)
    }

    /// The bindings to virtual topics that follow from a queue's name.
    fn own_bindings(&self, queue: &str) -> Vec<BindingRecord> {
        let found = self.topology.subscriptions(queue);
        let bindings = found.map(|(topic, _, pattern)| BindingRecord {
            source: topic.to_owned(),
            destination: Destination::Queue(queue.to_owned()),
            routing_key: pattern.to_owned(),
            arguments: FieldTable::default(),
        });
        bindings.collect()
    }

    /// The binding that `topic::queue` asks for: in a group of the queue's own, unless its name
    /// says the same.
    fn topic_binding(&self, queue: &str, topic: &str) -> Option<BindingRecord> {
        let own: Vec<_> = self.topology.subscriptions(queue).collect();
        if own.iter().any(|(name, _, pattern)| *name == VIRTUAL_TOPIC && *pattern == topic) {
            return None;
        }
        let in_group = !own.is_empty();
        let arguments = if in_group { FieldTable::default() } else { group_arguments(queue) };
        Some(BindingRecord {
            source: VIRTUAL_TOPIC.to_owned(),
            destination: Destination::Queue(queue.to_owned()),
            routing_key: topic.to_owned(),
            arguments,
        })
    }

    fn bind_now(&mut self, binding: BindingRecord, effects: &mut Effects) -> bool {
        let written = self.topology.bind(&binding) == (true, true);
        if written {
            effects.writes.push(Write::Bound(self.id, binding));
        }
        written
    }
}

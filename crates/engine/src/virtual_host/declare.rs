//! Exchanges, queues and bindings: declared, compared with what is there, deleted.

use warren_amqp::{FieldTable, FieldValue};

use super::rights::Resource;
use super::time::Timer;
use super::{Refusal, VirtualHost};
use crate::command::Declaration;
use crate::error::Inequivalence;
use crate::exchange::ExchangeSettings;
use crate::planted::{self, Bug};
use crate::queue::{ConsumerKey, Queue};
use crate::record::{
    BindingRecord, Destination, ExchangeRecord, ExchangeType, QueueRecord, Waiting, Write,
};
use crate::settings::QueueSettings;
use crate::topology::{Removed, Topology, queue_of_topic};
use crate::{Effects, Error, Event, QueueId, QueueType, Reply, Right, SessionId, arguments};
use std::collections::BTreeSet;

type At = (SessionId, u16);

/// A difference between what is declared and what is there: argument, received, current.
type Difference = (&'static str, String, String);

impl VirtualHost {
    pub(super) fn declare_exchange(
        &mut self,
        at: At,
        name: String,
        kind: &str,
        declaration: Declaration,
        arguments: FieldTable,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(Error::DefaultExchange.into());
        }
        if declaration.passive {
            self.check_known(at.0, Resource::Exchange(&name))?;
            if self.topology.exchange(&name).is_none() {
                return Err(self.exchange_not_found(&name).into());
            }
            self.reply_unless(declaration.no_wait, at, Reply::ExchangeDeclareOk, false, effects);
            return Ok(());
        }
        let Some(kind) = ExchangeType::from_name(kind) else {
            return Err(Error::UnknownExchangeType { kind: kind.to_owned() }.into());
        };
        self.check_may(at.0, Right::Configure, Resource::Exchange(&name))?;
        let record = ExchangeRecord {
            name,
            kind,
            durable: declaration.durable,
            auto_delete: declaration.auto_delete,
            internal: declaration.internal,
            arguments,
        };
        if let Some(current) = self.topology.exchange(&record.name) {
            if let Some(difference) = exchange_difference(&record, &current.record) {
                return Err(self.inequivalent("exchange", &record.name, difference).into());
            }
        } else {
            if record.name.starts_with("amq.") {
                return Err(Error::ReservedName { kind: "exchange", name: record.name }.into());
            }
            if let Some(alternate) = text(&record.arguments, "alternate-exchange") {
                self.check_may_lead(at.0, Resource::Exchange(&record.name), alternate)?;
            }
            ExchangeSettings::declared(&record, &self.name)?;
            self.topology.add_exchange(record.clone());
            self.apply_policies_to_exchange(&record.name);
            if record.durable {
                effects.writes.push(Write::ExchangeDeclared(self.id, record));
            }
        }
        let reply = Reply::ExchangeDeclareOk;
        self.reply_unless(declaration.no_wait, at, reply, declaration.durable, effects);
        Ok(())
    }

    pub(super) fn delete_exchange(
        &mut self,
        at: At,
        name: &str,
        if_unused: bool,
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(Error::DefaultExchange.into());
        }
        if Topology::is_predeclared(name) {
            let (name, vhost) = (name.to_owned(), self.name.clone());
            return Err(Error::SystemExchange { name, vhost }.into());
        }
        self.check_may(at.0, Right::Configure, Resource::Exchange(name))?;
        if if_unused && self.topology.exchange_has_bindings(name) {
            return Err(self.in_use("exchange", name).into());
        }
        let durable = self.remove_exchange(name, effects);
        self.reply_unless(no_wait, at, Reply::ExchangeDeleteOk, durable, effects);
        Ok(())
    }

    pub(super) fn declare_queue(
        &mut self,
        at: At,
        name: String,
        generated: bool,
        declaration: Declaration,
        arguments: FieldTable,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let name = if name.is_empty() { self.last_queue(at)? } else { name };
        if self.declare_replies(at, &name, declaration.no_wait, effects)? {
            return Ok(());
        }
        if declaration.passive {
            self.check_known(at.0, Resource::Queue(self.queue_part(&name)))?;
            let id = self.accessible_queue_or_part(at.0, &name)?;
            return self.declared(at, id, false, declaration.no_wait, effects);
        }
        if name.starts_with("amq.") && !generated {
            return Err(Error::ReservedName { kind: "queue", name }.into());
        }
        self.check_may(at.0, Right::Configure, Resource::Queue(&name))?;
        self.check_may_subscribe(at.0, &name)?;
        let mut record = QueueRecord {
            id: QueueId::new(self.id, self.next_queue),
            name,
            durable: declaration.durable,
            exclusive: declaration.exclusive,
            auto_delete: declaration.auto_delete,
            paused: false,
            arguments,
        };
        self.give_type(&mut record);
        if let Some(id) = self.topology.queue(&record.name) {
            self.check_redeclared(at.0, id, &record)?;
            effects.without_effect.extend(self.compatibility.count(&record.arguments));
            self.subscribe_by_name(&record.name, effects);
            return self.declared(at, id, declaration.durable, declaration.no_wait, effects);
        }
        if let Some(exchange) = text(&record.arguments, "x-dead-letter-exchange") {
            self.check_may_lead(at.0, Resource::Queue(&record.name), exchange)?;
        }
        let settings = QueueSettings::declared(&record, &self.name)?;
        if let Some(limit) = self.bounds.queues.filter(|limit| self.queues.len() >= *limit) {
            let (name, vhost) = (record.name, self.name.clone());
            return Err(Error::TooManyQueues { name, vhost, limit }.into());
        }
        effects.without_effect.extend(self.compatibility.count(&record.arguments));
        let id = record.id;
        self.next_queue += 1;
        // An exclusive queue goes with its connection, so there is nothing to keep.
        let durable = record.durable && !record.exclusive;
        self.topology.add_queue(id, &record.name, durable);
        if durable {
            effects.writes.push(Write::QueueDeclared(record.clone()));
        }
        let owner = record.exclusive.then_some(at.0);
        if let Some(owner) = owner.and_then(|owner| self.sessions.get_mut(&owner)) {
            owner.exclusive_queues.insert(id);
        }
        let name = record.name.clone();
        let mut queue = Queue::new(record, settings, owner);
        queue.declared_at = self.now;
        self.queues.insert(id, queue);
        self.apply_policies(id);
        self.changes.queue_created(id);
        self.subscribe_by_name(&name, effects);
        let waits = durable && !planted::is(Bug::DeclareBeforeSync);
        self.declared(at, id, waits, declaration.no_wait, effects)
    }

    /// Gives a queue the virtual host's type if the declaration says nothing of one, and if a queue of
    /// that type can be so. One that is there has the type that it has.
    fn give_type(&self, record: &mut QueueRecord) {
        const TYPE: &str = "x-queue-type";
        let Some(by_default) = self.default_queue_type else { return };
        if record.arguments.contains_key(TYPE) {
            return;
        }
        let there = self.topology.queue(&record.name).and_then(|id| self.queues.get(&id));
        let lasts = record.durable && !record.exclusive && !record.auto_delete;
        let kind = match there {
            Some(queue) => queue.settings.kind,
            None if lasts => by_default,
            None => QueueType::Classic,
        };
        if kind != QueueType::Classic {
            record.arguments.insert(TYPE.into(), FieldValue::LongString(kind.name().into()));
        }
    }

    fn check_redeclared(
        &self,
        session: SessionId,
        id: QueueId,
        received: &QueueRecord,
    ) -> Result<(), Error> {
        let Some(queue) = self.queues.get(&id) else { return Ok(()) };
        let record = &queue.record;
        let foreign = queue.owner.is_some_and(|owner| owner != session);
        if foreign || received.exclusive != record.exclusive {
            return Err(self.locked(&record.name));
        }
        let difference = flag("durable", received.durable, record.durable)
            .or_else(|| flag("auto_delete", received.auto_delete, record.auto_delete))
            .or_else(|| arguments::queue_difference(&received.arguments, &record.arguments));
        match difference {
            Some(difference) => Err(self.inequivalent("queue", &record.name, difference)),
            None => Ok(()),
        }
    }

    fn declared(
        &mut self,
        at: At,
        id: QueueId,
        durable: bool,
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let Some(queue) = self.queues.get(&id) else { return Ok(()) };
        let reply = Reply::QueueDeclareOk {
            queue: queue.record.name.clone(),
            message_count: count(queue.ready()),
            consumer_count: queue.consumers.len() as u32,
        };
        let name = queue.record.name.clone();
        if let Some(channel) = self.channel_mut(at) {
            channel.last_queue = Some(name);
        }
        self.changes.counters.queues_declared += 1;
        self.note_used(id);
        self.reply_unless(no_wait, at, reply, durable, effects);
        Ok(())
    }

    pub(super) fn delete_queue(
        &mut self,
        at: At,
        name: String,
        if_unused: bool,
        if_empty: bool,
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let name = if name.is_empty() { self.last_queue(at)? } else { name };
        self.check_may(at.0, Right::Configure, Resource::Queue(&name))?;
        // Deleting what is not there is no error.
        let Some(id) = self.topology.queue(&name) else {
            let reply = Reply::QueueDeleteOk { message_count: 0 };
            self.reply_unless(no_wait, at, reply, false, effects);
            return Ok(());
        };
        self.accessible_queue(at.0, &name)?;
        let Some(queue) = self.queues.get(&id) else { return Ok(()) };
        if if_unused && !queue.consumers.is_empty() {
            return Err(self.in_use("queue", &name).into());
        }
        if if_empty && queue.len() > 0 {
            return Err(Error::NotEmpty { name, vhost: self.name.clone() }.into());
        }
        let message_count = count(queue.ready());
        let durable = queue.is_durable();
        let consumers = self.take_queue(id, effects);
        let reply = Reply::QueueDeleteOk { message_count };
        // Clients that wait for the reply do not expect a cancellation before it.
        self.reply_unless(no_wait, at, reply, durable, effects);
        self.cancel_consumers(consumers, effects);
        Ok(())
    }

    /// Takes a queue away with its bindings, and tells its consumers.
    pub(super) fn remove_queue(&mut self, id: QueueId, effects: &mut Effects) {
        let consumers = self.take_queue(id, effects);
        self.cancel_consumers(consumers, effects);
    }

    /// Takes a queue away with its bindings; its consumers have not been told yet.
    fn take_queue(&mut self, id: QueueId, effects: &mut Effects) -> BTreeSet<ConsumerKey> {
        self.dead_letter_all(id, effects);
        let mut removed = self.topology.remove_queue(id);
        if planted::is(Bug::BindingStays) {
            removed.clear();
        }
        self.write_removed(removed, effects);
        let Some(queue) = self.queues.remove(&id) else { return BTreeSet::new() };
        self.changes.queue_deleted(id);
        self.forget_stream(&queue);
        self.memory.changed(queue.resident_bytes(), 0);
        self.timers.forget(queue.due, Timer::Queue(id));
        if queue.is_durable() {
            effects.writes.push(Write::QueueDeleted(id));
        }
        if queue.has_spilled {
            effects.writes.push(Write::QueueDeleted(id.spilled()));
        }
        if let Some(owner) = queue.owner.and_then(|owner| self.sessions.get_mut(&owner)) {
            owner.exclusive_queues.remove(&id);
        }
        for waiting in queue.waiting_gets {
            self.answer_without_queue(waiting, effects);
        }
        self.end_takes(queue.takes, effects);
        queue.consumers
    }

    /// Tells consumers that their queue is gone.
    fn cancel_consumers(&mut self, consumers: BTreeSet<ConsumerKey>, effects: &mut Effects) {
        for ConsumerKey { session, channel, number } in consumers {
            let holder = self.sessions.get_mut(&session);
            if let Some(state) = holder.and_then(|holder| holder.channels.get_mut(&channel)) {
                state.remove_consumer(number);
                self.changes.channel((session, channel), state);
            }
            self.changes.consumer_gone(number);
            let event = Event::ConsumerCancelled { channel, consumer: number };
            effects.send(session, event);
        }
    }

    pub(super) fn purge_queue(
        &mut self,
        at: At,
        name: String,
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let name = if name.is_empty() { self.last_queue(at)? } else { name };
        self.check_may(at.0, Right::Read, Resource::Queue(&name))?;
        let id = self.accessible_queue(at.0, &name)?;
        self.refuse_stream(id, "queue.purge")?;
        let Some(purged) = self.with_queue(id, Queue::purge) else { return Ok(()) };
        self.changes.counters.losses.purged += purged.len();
        let Some(queue) = self.queues.get(&id) else { return Ok(()) };
        let durable = queue.is_durable();
        let forgotten = usize::from(planted::is(Bug::PurgeNotWritten));
        let written = purged.head.len().saturating_sub(forgotten);
        for entry in purged.head.iter().take(written) {
            if let Some(id) = entry.stored_under(id) {
                effects.settled(id, entry.sequence);
            }
        }
        let on_disk = purged.on_disk.iter().filter(|_| !planted::is(Bug::PurgeLeavesRange));
        for (lane, Waiting { first, last, .. }) in on_disk.copied() {
            let lane = id.lane(lane);
            let names = [durable.then_some(lane), queue.has_spilled.then_some(lane.spilled())];
            for queue in names.into_iter().flatten() {
                effects.writes.push(Write::Settled { queue, first, last });
            }
        }
        let reply = Reply::QueuePurgeOk { message_count: count(purged.len()) };
        self.reply_unless(no_wait, at, reply, durable, effects);
        Ok(())
    }

    /// Puts the parts of a bind or unbind together, with the queue that an empty name stands for.
    pub(super) fn binding(
        &self,
        at: At,
        source: String,
        destination: Destination,
        mut routing_key: String,
        arguments: FieldTable,
    ) -> Result<BindingRecord, Error> {
        let destination = match destination {
            Destination::Queue(name) if name.is_empty() => {
                let name = self.last_queue(at)?;
                // AMQP 0-9-1, queue.bind: with both empty, the key is the queue's name.
                if routing_key.is_empty() {
                    routing_key.clone_from(&name);
                }
                Destination::Queue(name)
            }
            other => other,
        };
        Ok(BindingRecord { source, destination, routing_key, arguments })
    }

    pub(super) fn bind(
        &mut self,
        at: At,
        binding: &BindingRecord,
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.check_ends(at.0, binding)?;
        for name in [Some(&binding.source), exchange_name(&binding.destination)] {
            if let Some(name) = name
                && self.topology.exchange(name).is_none()
            {
                return Err(self.exchange_not_found(name).into());
            }
        }
        if let Destination::Queue(name) = &binding.destination {
            self.accessible_queue(at.0, name)?;
        }
        self.topology.check_binding(binding)?;
        let reply = match &binding.destination {
            Destination::Queue(_) => Reply::QueueBindOk,
            Destination::Exchange(_) => Reply::ExchangeBindOk,
        };
        let (new, durable) = self.topology.bind(binding);
        if new && durable {
            effects.writes.push(Write::Bound(self.id, binding.clone()));
        }
        if new {
            self.give_history(binding, effects);
        }
        self.reply_unless(no_wait, at, reply, durable, effects);
        Ok(())
    }

    /// Takes a binding away. One that is not there, or has no ends, is no error.
    pub(super) fn unbind(
        &mut self,
        at: At,
        binding: &BindingRecord,
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.check_ends(at.0, binding)?;
        let reply = match binding.destination {
            Destination::Queue(_) => Reply::QueueUnbindOk,
            Destination::Exchange(_) => Reply::ExchangeUnbindOk,
        };
        let removed = self.topology.unbind(binding);
        let durable = !removed.is_empty();
        self.write_removed(removed, effects);
        self.reply_unless(no_wait, at, reply, durable, effects);
        Ok(())
    }

    /// The user may need rights, the default exchange cannot be bound, nor can a queue of another
    /// connection.
    fn check_ends(&mut self, session: SessionId, binding: &BindingRecord) -> Result<(), Error> {
        self.check_may_bind(session, binding)?;
        if let Destination::Queue(name) = &binding.destination
            && self.topology.queue(name).is_some()
        {
            self.accessible_queue(session, name)?;
        }
        Ok(())
    }

    /// Takes an exchange away with its bindings. True if something of it was durable.
    pub(super) fn remove_exchange(&mut self, name: &str, effects: &mut Effects) -> bool {
        let removed = self.topology.remove_exchange(name);
        let durable = !removed.is_empty();
        self.unroutable.forget(name);
        self.write_removed(removed, effects);
        durable
    }

    pub(super) fn write_removed(&self, removed: Vec<Removed>, effects: &mut Effects) {
        effects.writes.extend(removed.into_iter().map(|removed| match removed {
            Removed::Binding(binding) => Write::Unbound(self.id, binding),
            Removed::Exchange(name) => Write::ExchangeDeleted(self.id, name),
        }));
    }

    /// The queue with this name, if the session may use it.
    pub(super) fn accessible_queue(
        &self,
        session: SessionId,
        name: &str,
    ) -> Result<QueueId, Error> {
        let queue = self.topology.queue(name).and_then(|id| self.queues.get(&id));
        let Some(queue) = queue else {
            let (name, vhost) = (name.to_owned(), self.name.clone());
            return Err(Error::QueueNotFound { name, vhost });
        };
        if queue.owner.is_some_and(|owner| owner != session) {
            return Err(self.locked(name));
        }
        Ok(queue.record.id)
    }

    /// The queue with this name, or that `topic::queue` names, if the session may use it.
    pub(super) fn accessible_queue_or_part(
        &self,
        session: SessionId,
        name: &str,
    ) -> Result<QueueId, Error> {
        match queue_of_topic(name) {
            Some((_, queue))
                if self.topology.queue(name).is_none() && self.topology.queue(queue).is_some() =>
            {
                self.accessible_queue(session, queue)
            }
            _ => self.accessible_queue(session, name),
        }
    }

    pub(super) fn last_queue(&self, at: At) -> Result<String, Error> {
        self.channel(at).and_then(|channel| channel.last_queue.clone()).ok_or(Error::NoLastQueue)
    }

    fn reply_unless(
        &self,
        no_wait: bool,
        at: At,
        reply: Reply,
        durable: bool,
        effects: &mut Effects,
    ) {
        if !no_wait {
            self.reply(at, reply, durable, effects);
        }
    }

    fn exchange_not_found(&self, name: &str) -> Error {
        Error::ExchangeNotFound { name: name.to_owned(), vhost: self.name.clone() }
    }

    fn locked(&self, name: &str) -> Error {
        Error::QueueLocked { name: name.to_owned(), vhost: self.name.clone() }
    }

    fn in_use(&self, kind: &'static str, name: &str) -> Error {
        Error::InUse { kind, name: name.to_owned(), vhost: self.name.clone() }
    }

    fn inequivalent(&self, kind: &'static str, name: &str, difference: Difference) -> Error {
        let (argument, received, current) = difference;
        Error::Inequivalent(Box::new(Inequivalence {
            argument: argument.to_owned(),
            kind,
            name: name.to_owned(),
            vhost: self.name.clone(),
            received,
            current,
        }))
    }
}

fn exchange_name(destination: &Destination) -> Option<&String> {
    match destination {
        Destination::Exchange(name) => Some(name),
        Destination::Queue(_) => None,
    }
}

/// A count as replies have it.
pub(super) fn count(messages: u64) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}

/// An argument that is a text.
fn text<'a>(arguments: &'a FieldTable, name: &str) -> Option<&'a str> {
    match arguments.inner().get(name)? {
        FieldValue::LongString(value) => str::from_utf8(value.as_bytes()).ok(),
        FieldValue::ShortString(value) => Some(value.as_str()),
        _ => None,
    }
}

fn flag(name: &'static str, received: bool, current: bool) -> Option<Difference> {
    (received != current).then(|| (name, format!("'{received}'"), format!("'{current}'")))
}

fn exchange_difference(received: &ExchangeRecord, current: &ExchangeRecord) -> Option<Difference> {
    if received.kind != current.kind {
        let (received, current) = (received.kind.name(), current.kind.name());
        return Some(("type", format!("'{received}'"), format!("'{current}'")));
    }
    flag("durable", received.durable, current.durable)
        .or_else(|| flag("auto_delete", received.auto_delete, current.auto_delete))
        .or_else(|| flag("internal", received.internal, current.internal))
        .or_else(|| arguments::exchange_difference(&received.arguments, &current.arguments))
}

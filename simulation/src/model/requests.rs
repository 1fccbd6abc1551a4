//! What commands do to queues, channels and sessions.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{
    BindingRecord, ConsumeRequest, Declaration, Destination, Error, Event, ExchangeRecord,
    ExchangeType, Milliseconds, Outgoing, Request, SessionId,
};

use super::dead_letters::Reason;
use super::routing::group_and_pattern;
use super::transactions::Transaction;
use super::{
    At, Change, Channel, Consumer, Delivery, Expected, Get, Model, Queue, QueueNumber, Told,
    Topology,
};
use crate::Violation;
use crate::generate::wants_reply;
use crate::names::CONSUMER_TIMEOUT;

/// How a delivery ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Acknowledged,
    Requeued,
    Rejected,
}

impl Model {
    /// Ends a session; gives the last command that settled a durable message in it.
    pub(super) fn end_session(&mut self, session: SessionId) -> u64 {
        let channels: Vec<At> =
            self.channels.keys().copied().filter(|at| at.0 == session).collect();
        let settled = channels.into_iter().map(|at| self.close_channel(at)).max();
        self.sessions.remove(&session);
        let owned: Vec<QueueNumber> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.owner == Some(session))
            .map(|(number, _)| *number)
            .collect();
        owned.into_iter().for_each(|queue| self.remove_queue(queue));
        settled.unwrap_or_default()
    }

    /// Ends a channel; gives the last command that settled a durable message on it.
    pub(super) fn close_channel(&mut self, at: At) -> u64 {
        let Some(channel) = self.channels.remove(&at) else { return 0 };
        let held = channel.transaction.iter().flat_map(Transaction::deliveries).cloned();
        let own = channel.unacknowledged.values().cloned();
        self.put_back_all(own.chain(held).collect());
        // What waited for the answer of a get is not told any more.
        self.expected.remove(&at);
        for (number, consumer) in &channel.consumers {
            self.leave_queue(consumer.queue, (at, *number));
        }
        channel.settled_op
    }

    fn leave_queue(&mut self, number: QueueNumber, consumer: (At, u32)) {
        let Some(queue) = self.queues.get_mut(&number) else { return };
        queue.consumers.remove(&consumer);
        queue.choose_active();
        if queue.consumers.is_empty() {
            queue.used = Some(self.now);
            if queue.auto_delete {
                self.remove_queue(number);
            }
        }
    }

    /// Deliveries come back, in the order of their places.
    fn put_back_all(&mut self, mut deliveries: Vec<Delivery>) {
        deliveries.sort_by_key(|delivery| (delivery.queue, delivery.place));
        deliveries.into_iter().for_each(|delivery| self.come_back(delivery.queue, delivery.place));
    }

    pub(super) fn remove_queue(&mut self, number: QueueNumber) {
        self.dead_letter_before_deletion(number);
        let Some(queue) = self.queues.get(&number) else { return };
        let destination = Destination::Queue(queue.name.clone());
        let mut changes = vec![];
        let durable = |name: &str| is_durable(&self.queues, &self.names, name);
        self.topology.remove_destination(&destination, durable, &mut changes);
        self.change_all(changes);
        let Some(queue) = self.queues.remove(&number) else { return };
        self.names.remove(&queue.name);
        if queue.durable {
            self.change(Change::QueueDeleted(number));
        }
        for ((at, consumer), _) in queue.consumers {
            if let Some(channel) = self.channels.get_mut(&at) {
                channel.consumers.remove(&consumer);
            }
        }
    }

    /// Acknowledges, or rejects with or without requeueing.
    pub(super) fn settle(&mut self, at: At, tag: u64, multiple: bool, end: End) {
        let Some(channel) = self.channels.get_mut(&at) else { return };
        let all = multiple && tag == 0;
        if !all && !channel.unacknowledged.contains_key(&tag) {
            self.close_channel(at);
            self.errors.push(at);
            return;
        }
        let tags: Vec<u64> = match multiple {
            false => vec![tag],
            true => {
                let last = if all { u64::MAX } else { tag };
                channel.unacknowledged.range(..=last).map(|(tag, _)| *tag).collect()
            }
        };
        let taken = tags.into_iter();
        let taken: Vec<(u64, Delivery)> =
            taken.filter_map(|tag| Some((tag, channel.unacknowledged.remove(&tag)?))).collect();
        if let Some(held) = &mut channel.transaction {
            return held.settle(end, taken);
        }
        self.settle_all(at, end, taken.into_iter().map(|(_, delivery)| delivery).collect());
    }

    pub(super) fn settle_all(&mut self, at: At, end: End, taken: Vec<Delivery>) {
        match end {
            End::Requeued => self.put_back_all(taken),
            End::Acknowledged => {
                taken.iter().for_each(|delivery| self.leave_for_good(at, delivery));
            }
            End::Rejected => taken.iter().for_each(|delivery| self.reject(at, delivery)),
        }
    }

    fn reject(&mut self, at: At, delivery: &Delivery) {
        if self.give_up(delivery.queue, delivery.place, Reason::Rejected)
            && let Some(channel) = self.channels.get_mut(&at)
        {
            channel.settled_op = self.op;
        }
    }

    /// A delivery is done with.
    pub(super) fn leave_for_good(&mut self, at: At, delivery: &Delivery) {
        let Some(queue) = self.queues.get_mut(&delivery.queue) else { return };
        if queue.is_stream() {
            return;
        }
        let Some(copy) = queue.copies.remove(&delivery.place) else { return };
        queue.ready.remove(&(Reverse(copy.level), delivery.place));
        let durable = copy.durable;
        if durable {
            self.change(Change::Settled(delivery.queue, delivery.place));
            if let Some(channel) = self.channels.get_mut(&at) {
                channel.settled_op = self.op;
            }
        }
    }

    /// Carries out a request, and notes the reply that must come.
    pub(super) fn request(
        &mut self,
        at: At,
        request: &Request,
        events: &[Outgoing],
    ) -> Result<(), Violation> {
        if matches!(request, Request::ChannelOpen) {
            if self.sessions.contains(&at.0) {
                self.channels.entry(at).or_default();
            }
            return Ok(());
        }
        if !self.channels.contains_key(&at) {
            return Ok(());
        }
        if let Request::Nack { delivery_tag, multiple, requeue, .. } = request {
            let end = if *requeue { End::Requeued } else { End::Rejected };
            self.settle(at, *delivery_tag, *multiple, end);
            return Ok(());
        }
        let refused = events.iter().find_map(|outgoing| match &outgoing.event {
            Event::ChannelError { channel, error, .. } => {
                ((outgoing.session, *channel) == at).then_some(error.as_ref())
            }
            _ => None,
        });
        if let Some(Error::PartialCommit) = refused {
            self.commit_in_part(at)?;
        }
        if refused.is_some() {
            return self.fail(at, events);
        }
        if let Request::Get { queue, no_ack } = request {
            let number = self.names.get(queue).copied();
            let channel = self.channels.get_mut(&at);
            if let (Some(channel), Some(queue)) = (channel, number) {
                let (no_ack, published) = (*no_ack, channel.confirms.unwrap_or_default());
                channel.gets.push_back(Get { queue, no_ack, published });
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.used = Some(self.now);
                }
            }
            return Ok(());
        }
        if let Request::Take { queue, .. } = request {
            self.take(at, queue);
            return Ok(());
        }
        let told = self.counts(at, request);
        let promise = self.carry_out(at, request)?;
        if wants_reply(request) {
            self.expected.entry(at).or_default().push_back(Expected { promise, told });
        }
        Ok(())
    }

    /// What the reply to a request must tell, before it is carried out.
    fn counts(&self, at: At, request: &Request) -> Told {
        let found = |name: &str| self.queues.get(self.names.get(name)?);
        match request {
            Request::QueueDeclare { name, .. } => {
                let queue = found(name);
                let counts = queue.map(|queue| (queue.told_ready(), queue.consumers.len()));
                let (ready, consumers) = counts.unwrap_or_default();
                match queue.is_some_and(Queue::is_uncertain) {
                    true => Told::Guess(vec![consumers]),
                    false => Told::Counts(vec![ready, consumers]),
                }
            }
            Request::QueueDelete { name, .. } if found(name).is_some_and(Queue::is_uncertain) => {
                Told::Guess(vec![])
            }
            Request::QueueDelete { name, .. } => {
                Told::Counts(vec![found(name).map_or(0, Queue::told_ready)])
            }
            // A purge takes what has to go, too.
            Request::QueuePurge { name, .. } => {
                Told::Counts(vec![found(name).map_or(0, |queue| queue.ready.len())])
            }
            Request::Consume(_) => Told::Consumer(Some(self.consumers_made + 1)),
            Request::Cancel { consumer_tag, .. } => {
                let channel = self.channels.get(&at);
                Told::Consumer(channel.and_then(|channel| channel.consumer(consumer_tag)))
            }
            _ => Told::Nothing,
        }
    }

    /// Gives the command that the reply promises, 0 if none.
    fn carry_out(&mut self, at: At, request: &Request) -> Result<u64, Violation> {
        let durable_queue = |name: &str| is_durable(&self.queues, &self.names, name);
        let mut changes = vec![];
        let promise = match request {
            Request::ChannelClose => self.close_channel(at),
            Request::ExchangeDeclare { name, kind, declaration, arguments } => {
                self.declare_exchange(name, kind, *declaration, arguments)
            }
            Request::ExchangeDelete { name, .. } => {
                self.histories.remove(name);
                self.topology.remove_exchange(name, durable_queue, &mut changes);
                if changes.is_empty() { 0 } else { self.op }
            }
            Request::QueueDeclare { name, declaration, .. } => {
                self.declare_queue(at, name, *declaration)?
            }
            Request::QueueDelete { name, .. } => self.delete_queue(name),
            Request::QueuePurge { name, .. } => self.purge(name),
            Request::Bind { source, destination, routing_key, arguments, .. } => {
                self.bind(&binding(source, destination, routing_key, arguments), &mut changes)?
            }
            Request::Unbind { source, destination, routing_key, arguments, .. } => {
                let record = binding(source, destination, routing_key, arguments);
                self.topology.unbind(&record, durable_queue, &mut changes);
                if changes.is_empty() { 0 } else { self.op }
            }
            Request::Consume(consume) => self.consume(at, consume)?,
            Request::Cancel { consumer_tag, .. } => {
                self.cancel(at, consumer_tag);
                0
            }
            Request::Recover { .. } => {
                let channel = self.channels.get_mut(&at);
                let taken = channel.map(|channel| std::mem::take(&mut channel.unacknowledged));
                self.put_back_all(taken.unwrap_or_default().into_values().collect());
                0
            }
            Request::ConfirmSelect { .. } => {
                if let Some(channel) = self.channels.get_mut(&at) {
                    channel.confirms.get_or_insert(0);
                }
                0
            }
            Request::TxSelect => {
                self.tx_select(at);
                0
            }
            Request::TxCommit => self.commit(at)?,
            Request::TxRollback => {
                self.tx_rollback(at);
                0
            }
            Request::Qos { .. }
            | Request::Take { .. }
            | Request::PauseQueue { .. }
            | Request::Get { .. }
            | Request::PublishFail { .. }
            | Request::ConsumeReplies { .. }
            | Request::ChannelOpen
            | Request::ChannelFail(_)
            | Request::Nack { .. } => 0,
        };
        self.change_all(changes);
        Ok(promise)
    }

    fn bind(
        &mut self,
        record: &BindingRecord,
        changes: &mut Vec<Change>,
    ) -> Result<u64, Violation> {
        let durable_queue = |name: &str| is_durable(&self.queues, &self.names, name);
        let durable = self.topology.is_durable(record, durable_queue);
        let known = self.topology.bindings.iter().find(|(other, _)| other == record);
        let made = known.map_or(self.op, |(_, made)| *made);
        if known.is_none() {
            if durable {
                changes.push(Change::Bound(record.clone()));
            }
            self.topology.bindings.push((record.clone(), self.op));
            self.give_history(record)?;
        }
        Ok(if durable { made } else { 0 })
    }

    fn declare_exchange(
        &mut self,
        name: &str,
        kind: &str,
        declaration: Declaration,
        arguments: &FieldTable,
    ) -> u64 {
        if let Some((exchange, made)) = self.topology.exchanges.get(name) {
            return if exchange.durable { *made } else { 0 };
        }
        let Some(kind) = ExchangeType::from_name(kind) else { return 0 };
        let Declaration { durable, auto_delete, internal, .. } = declaration;
        let name = name.to_owned();
        let arguments = arguments.clone();
        let record = ExchangeRecord { name, kind, durable, auto_delete, internal, arguments };
        if durable && !Topology::is_predeclared(&record.name) {
            self.change(Change::ExchangeDeclared(record.clone()));
        }
        self.topology.exchanges.insert(record.name.clone(), (record, self.op));
        if durable { self.op } else { 0 }
    }

    fn declare_queue(
        &mut self,
        at: At,
        name: &str,
        declaration: Declaration,
    ) -> Result<u64, Violation> {
        if !self.names.contains_key(name) && !declaration.passive {
            self.last_queue += 1;
            let durable = declaration.durable && !declaration.exclusive;
            let queue = Queue {
                name: name.to_owned(),
                durable,
                owner: declaration.exclusive.then_some(at.0),
                auto_delete: declaration.auto_delete,
                declared_op: self.op,
                settings: self.topology.policies.settings(name, self.times_out),
                is_in_memory: self.keeps_all_in_memory,
                ..Queue::default()
            };
            if durable {
                let (queue, auto_delete) = (self.last_queue, declaration.auto_delete);
                self.change(Change::QueueDeclared { queue, name: name.to_owned(), auto_delete });
            }
            self.queues.insert(self.last_queue, queue);
            self.names.insert(name.to_owned(), self.last_queue);
        }
        let queue = self.names.get(name).and_then(|number| self.queues.get_mut(number));
        let Some(queue) = queue else {
            return Err(Violation::new("P10", format!("queue {name} is there, but must not be")));
        };
        queue.used = Some(self.now);
        // A passive one tells what is there now, not that it will be.
        let promises = queue.durable && !declaration.passive;
        let declared = if promises { queue.declared_op } else { 0 };
        Ok(if declaration.passive { 0 } else { declared.max(self.subscribe(name)?) })
    }

    /// A queue subscribes itself to every virtual topic, if its name says so. Gives the command
    /// that the reply promises.
    fn subscribe(&mut self, queue: &str) -> Result<u64, Violation> {
        let Some((_, pattern)) = group_and_pattern(queue) else { return Ok(0) };
        let destination = Destination::Queue(queue.to_owned());
        let exchanges = self.topology.exchanges.values().map(|(exchange, _)| exchange);
        let topics = exchanges.filter(|exchange| exchange.kind == ExchangeType::VirtualTopic);
        let records =
            topics.map(|topic| binding(&topic.name, &destination, pattern, &FieldTable::default()));
        let records: Vec<_> = records.collect();
        let mut changes = vec![];
        let mut promise = 0;
        for record in records {
            promise = promise.max(self.bind(&record, &mut changes)?);
        }
        self.change_all(changes);
        Ok(promise)
    }

    fn delete_queue(&mut self, name: &str) -> u64 {
        let Some(number) = self.names.get(name).copied() else { return 0 };
        let durable = self.queues.get(&number).is_some_and(|queue| queue.durable);
        self.remove_queue(number);
        if durable { self.op } else { 0 }
    }

    fn purge(&mut self, name: &str) -> u64 {
        let Some(number) = self.names.get(name).copied() else { return 0 };
        let Some(queue) = self.queues.get_mut(&number) else { return 0 };
        let mut changes = vec![];
        for (_, place) in std::mem::take(&mut queue.ready) {
            if queue.copies.remove(&place).is_some_and(|copy| copy.durable) {
                changes.push(Change::Settled(number, place));
            }
        }
        if !changes.is_empty() {
            let left = self.changes.iter().filter_map(|(_, change)| change.settled(number));
            let swept: Vec<Change> = left.map(|place| Change::Swept(number, place)).collect();
            changes.extend(swept);
        }
        let promise = if changes.is_empty() { 0 } else { self.op };
        self.change_all(changes);
        promise
    }

    /// Gives the command that the reply promises: one that made the queue, or subscribed it.
    fn consume(&mut self, at: At, request: &ConsumeRequest) -> Result<u64, Violation> {
        self.consumers_made += 1;
        let name = &request.queue;
        let promise = match self.names.contains_key(name) {
            true => self.subscribe(name)?,
            false if group_and_pattern(name).is_some() => {
                let durable = Declaration { durable: true, ..Declaration::default() };
                self.declare_queue(at, name, durable)?
            }
            false => 0,
        };
        let promise = if promise == self.op { promise } else { 0 };
        let Some(queue) = self.names.get(name).copied() else { return Ok(promise) };
        let mut reading = None;
        let timeout = match request.arguments.inner().get(CONSUMER_TIMEOUT) {
            Some(FieldValue::LongInt(timeout)) => Milliseconds::try_from(*timeout).ok(),
            _ => None,
        };
        if let Some(queue) = self.queues.get_mut(&queue) {
            let priority = match request.arguments.inner().get("x-priority") {
                Some(FieldValue::LongInt(priority)) => *priority,
                _ => 0,
            };
            queue.consumers.insert((at, self.consumers_made), priority);
            queue.choose_active();
            reading = queue.reading(request);
        }
        if let Some(channel) = self.channels.get_mut(&at) {
            let (tag, no_ack) = (request.consumer_tag.clone(), request.no_ack);
            let consumer = Consumer { tag, queue, no_ack, reading, timeout };
            channel.consumers.insert(self.consumers_made, consumer);
        }
        Ok(promise)
    }

    fn cancel(&mut self, at: At, tag: &str) {
        let Some(channel) = self.channels.get_mut(&at) else { return };
        let Some(number) = channel.consumer(tag) else { return };
        if let Some(consumer) = channel.consumers.remove(&number) {
            self.leave_queue(consumer.queue, (at, number));
        }
    }
}

fn binding(
    source: &str,
    destination: &Destination,
    routing_key: &str,
    arguments: &FieldTable,
) -> BindingRecord {
    BindingRecord {
        source: source.to_owned(),
        destination: destination.clone(),
        routing_key: routing_key.to_owned(),
        arguments: arguments.clone(),
    }
}

fn is_durable(
    queues: &BTreeMap<QueueNumber, Queue>,
    names: &BTreeMap<String, QueueNumber>,
    name: &str,
) -> bool {
    names.get(name).and_then(|number| queues.get(number)).is_some_and(|queue| queue.durable)
}

impl Channel {
    fn consumer(&self, tag: &str) -> Option<u32> {
        let mut all = self.consumers.iter();
        all.find(|(_, consumer)| consumer.tag == tag).map(|(number, _)| *number)
    }

    pub(super) fn hold(&mut self, tag: u64, delivery: Delivery) {
        self.unacknowledged.insert(tag, delivery);
    }
}

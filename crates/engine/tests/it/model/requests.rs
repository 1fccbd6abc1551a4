//! What clients ask for on a channel, in the model.

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{BindingRecord, Declaration, Destination, ExchangeRecord, Request, SessionId};

use super::{Consumer, Delivery, Model, Number, Outcome, Queue, Refusal, not_found};
use crate::render::silent;
use crate::script::At;

impl Model {
    pub(super) fn request(&mut self, at: At, request: &Request) -> Outcome {
        match request {
            Request::ChannelOpen => {}
            Request::ChannelClose => {
                let waits = self.close_channel(at);
                self.say_after(waits, at, "close-ok");
            }
            Request::ChannelFail(reason) => return refused(reason.clone()),
            Request::ExchangeDeclare { name, kind, declaration, arguments } => {
                self.declare_exchange(at, name, kind, *declaration, arguments)?;
            }
            Request::ExchangeDelete { name, if_unused, .. } => {
                let used = self.bindings.iter().any(|binding| binding.source == *name);
                if *if_unused && used {
                    return refused(format!("exchange '{name}' in vhost '/' in use"));
                }
                // What is written is the exchange, or bindings that end at it.
                let durable = self.exchange(name).is_some_and(|exchange| exchange.durable);
                let before = self.durable_things();
                self.remove_exchange(name);
                let durable = durable || before != self.durable_things();
                self.say_after(durable, at, "exchange delete-ok");
            }
            Request::QueueDeclare { name, declaration, arguments, .. } => {
                let max = arguments.inner().get("x-max-length");
                let max = max.map_or_else(String::new, |value| format!("{value:?}"));
                self.declare_queue(at, name, *declaration, max)?;
                self.note_arguments(at, name, arguments)?;
            }
            Request::QueueDelete { name, if_unused, if_empty, .. } => {
                self.delete_queue(at, name, *if_unused, *if_empty)?;
            }
            Request::QueuePurge { name, .. } => {
                let number = self.usable(at, name)?;
                let queue = self.queue(number).unwrap();
                let durable = queue.is_durable();
                let count = std::mem::take(&mut queue.ready).len();
                queue.gone += count;
                self.say_after(durable, at, &format!("purge-ok {count}"));
            }
            Request::Bind { source, destination, routing_key, arguments, .. } => {
                let (destination, routing_key) = self.ends(at, destination, routing_key)?;
                let arguments = arguments.clone();
                let source = source.clone();
                self.bind(at, BindingRecord { source, destination, routing_key, arguments })?;
            }
            Request::Unbind { source, destination, routing_key, arguments, .. } => {
                let (destination, routing_key) = self.ends(at, destination, routing_key)?;
                let arguments = arguments.clone();
                let source = source.clone();
                self.unbind(at, &BindingRecord { source, destination, routing_key, arguments })?;
            }
            Request::Nack { delivery_tag, multiple, requeue, .. } => {
                self.settle(at, *delivery_tag, *multiple, *requeue)?;
            }
            Request::Qos { .. }
            | Request::Consume(_)
            | Request::Cancel { .. }
            | Request::Get { .. }
            | Request::Recover { .. }
            | Request::ConfirmSelect { .. } => self.message_request(at, request)?,
            // Their scenarios are by hand, and the simulation has a model of transactions.
            other => panic!("not in this model: {other:?}"),
        }
        Ok(())
    }

    /// What the arguments of a queue ask for. What is there has them already: a name has its
    /// arguments.
    fn note_arguments(&mut self, at: At, name: &str, arguments: &FieldTable) -> Outcome {
        let name = self.named(at, name)?;
        if let Some(queue) = self.queues.iter_mut().find(|queue| queue.name == name) {
            let inner = arguments.inner();
            if let Some(FieldValue::LongInt(max)) = inner.get("x-max-priority") {
                queue.max_priority = *max as u8;
            }
            queue.single_active |= inner.contains_key("x-single-active-consumer");
        }
        Ok(())
    }

    fn message_request(&mut self, at: At, request: &Request) -> Outcome {
        match request {
            Request::Qos { prefetch_count, global, .. } => {
                let channel = self.channel(at);
                if *global {
                    channel.prefetch_channel = usize::from(*prefetch_count);
                } else {
                    channel.prefetch_consumer = usize::from(*prefetch_count);
                }
                self.say(at, "qos-ok");
            }
            Request::Consume(consume) => {
                let tag = consume.consumer_tag.clone();
                let number = self.usable(at, &consume.queue)?;
                if self.consumers.iter().any(|other| other.who.0 == at && other.tag == tag) {
                    let text = format!("attempt to reuse consumer tag '{tag}'");
                    return Err(Refusal::Session(text));
                }
                let name = self.queue(number).unwrap().name.clone();
                let alone = self.queue(number).unwrap().single_active && consume.exclusive;
                let mut others = self.consumers.iter().filter(|other| other.queue == number);
                if alone || others.any(|other| other.exclusive || consume.exclusive) {
                    return refused(format!("queue '{name}' in vhost '/' in exclusive use"));
                }
                self.last_consumer += 1;
                let last_consumer = self.last_consumer;
                let queue = self.queue(number).unwrap();
                if queue.single_active && queue.active.is_none() {
                    queue.active = Some((at, last_consumer));
                }
                let channel = self.channel(at);
                let consumer = Consumer {
                    who: (at, last_consumer),
                    tag: tag.clone(),
                    queue: number,
                    no_ack: consume.no_ack,
                    exclusive: consume.exclusive,
                    prefetch: channel.prefetch_consumer,
                    priority: match consume.arguments.inner().get("x-priority") {
                        Some(FieldValue::LongInt(priority)) => i64::from(*priority),
                        _ => 0,
                    },
                    passed_by: std::collections::BTreeSet::new(),
                };
                self.consumers.push(consumer);
                self.say(at, &format!("consume-ok {tag}{}", silent(consume.no_wait)));
            }
            Request::Cancel { consumer_tag, no_wait } => {
                self.say(at, &format!("cancel-ok {consumer_tag}{}", silent(*no_wait)));
                let mut own = self.consumers.iter().filter(|other| other.who.0 == at);
                if let Some(who) = own.find(|other| other.tag == *consumer_tag).map(|c| c.who) {
                    self.end_consumer(who);
                }
            }
            Request::Get { queue, no_ack } => self.get(at, queue, *no_ack)?,
            Request::Recover { requeue: false, .. } => {
                return Err(Refusal::Session("requeue=false".to_owned()));
            }
            Request::Recover { no_wait, .. } => {
                self.settle(at, 0, true, true)?;
                if !no_wait {
                    self.say(at, "recover-ok");
                }
            }
            Request::ConfirmSelect { .. } => {
                self.channel(at).published.get_or_insert(0);
                self.say(at, "select-ok");
            }
            other => panic!("{other:?} is carried out elsewhere"),
        }
        Ok(())
    }

    fn get(&mut self, at: At, name: &str, no_ack: bool) -> Outcome {
        let number = self.usable(at, name)?;
        let queue = self.queue(number).unwrap();
        if queue.ready.is_empty() {
            self.say(at, "get-empty");
            return Ok(());
        }
        let entry = queue.take();
        let left = queue.ready.len();
        queue.gone += usize::from(no_ack);
        let channel = self.channel(at);
        channel.last_tag += 1;
        let tag = channel.last_tag;
        let again = if entry.redelivered { " again" } else { "" };
        let line = format!("get-ok {tag} {}{again}, {left} left", entry.body);
        if no_ack {
            channel.has_settled |= entry.durable;
        } else {
            channel.unacknowledged.push(Delivery { tag, consumer: None, queue: number, entry });
        }
        self.say(at, &line);
        Ok(())
    }

    fn declare_exchange(
        &mut self,
        at: At,
        name: &str,
        kind: &str,
        declaration: Declaration,
        arguments: &FieldTable,
    ) -> Outcome {
        let current = self.exchange(name).cloned();
        if declaration.passive && current.is_none() {
            return Err(not_found("exchange", name));
        }
        if declaration.passive {
            self.say(at, "exchange declare-ok");
            return Ok(());
        }
        let kind = warren_engine::ExchangeType::from_name(kind).unwrap();
        let record = ExchangeRecord {
            name: name.to_owned(),
            kind,
            durable: declaration.durable,
            auto_delete: declaration.auto_delete,
            internal: declaration.internal,
            arguments: arguments.clone(),
        };
        let durable = record.durable;
        match current {
            None => self.exchanges.push(record),
            Some(current) if current == record => {}
            Some(current) => {
                let differences = [
                    ("type", record.kind.name().into(), current.kind.name().into()),
                    ("durable", record.durable.to_string(), current.durable.to_string()),
                    ("auto_delete", text(record.auto_delete), text(current.auto_delete)),
                    ("internal", text(record.internal), text(current.internal)),
                ];
                return inequivalent("exchange", name, &differences);
            }
        }
        self.say_after(durable, at, "exchange declare-ok");
        Ok(())
    }

    fn declare_queue(&mut self, at: At, name: &str, how: Declaration, max: String) -> Outcome {
        let name = self.named(at, name)?;
        let consumers = |model: &Self, number| {
            model.consumers.iter().filter(|consumer| consumer.queue == number).count()
        };
        let found = self.queues.iter().find(|queue| queue.name == name);
        let (ready, count, durable) = match found {
            _ if how.passive => {
                let number = self.usable(at, &name)?;
                let count = consumers(self, number);
                (self.queue(number).unwrap().ready.len(), count, false)
            }
            Some(queue) => {
                let foreign = queue.owner.is_some_and(|owner| owner != at.0);
                if foreign || how.exclusive != queue.owner.is_some() {
                    return Err(locked(&name));
                }
                let differences = [
                    ("durable", text(how.durable), text(queue.durable)),
                    ("auto_delete", text(how.auto_delete), text(queue.auto_delete)),
                ];
                inequivalent("queue", &name, &differences)?;
                if max != queue.max_length {
                    // The random commands know one value, so it is there or it is not.
                    let value = |text: &str| match text {
                        "" => "none".to_owned(),
                        _ => "the value '5000' of type 'signedint'".to_owned(),
                    };
                    let (received, current) = (value(&max), value(&queue.max_length));
                    return refused(format!(
                        "inequivalent arg 'x-max-length' for queue '{name}' in vhost '/': \
                         received {received} but current is {current}"
                    ));
                }
                (queue.ready.len(), consumers(self, queue.number), how.durable)
            }
            None => {
                self.queues.push(Queue {
                    number: self.next_queue,
                    name: name.clone(),
                    durable: how.durable,
                    auto_delete: how.auto_delete,
                    owner: how.exclusive.then_some(at.0),
                    max_length: max,
                    max_priority: 0,
                    single_active: false,
                    active: None,
                    ready: vec![],
                    last_place: 0,
                    accepted: 0,
                    gone: 0,
                    newest: Default::default(),
                });
                self.next_queue += 1;
                (0, 0, how.durable && !how.exclusive)
            }
        };
        self.channel(at).last_queue = Some(name.clone());
        self.say_after(
            durable,
            at,
            &format!("declare-ok {name}, {ready} ready, {count} consumers"),
        );
        Ok(())
    }

    fn delete_queue(&mut self, at: At, name: &str, if_unused: bool, if_empty: bool) -> Outcome {
        let name = self.named(at, name)?;
        if !self.queues.iter().any(|queue| queue.name == name) {
            self.say(at, "delete-ok 0");
            return Ok(());
        }
        let number = self.usable(at, &name)?;
        if if_unused && self.consumers.iter().any(|consumer| consumer.queue == number) {
            return refused(format!("queue '{name}' in vhost '/' in use"));
        }
        let queue = self.queue(number).unwrap();
        let (count, durable) = (queue.ready.len(), queue.is_durable());
        if if_empty && count > 0 {
            return refused(format!("queue '{name}' in vhost '/' not empty"));
        }
        self.say_after(durable, at, &format!("delete-ok {count}"));
        self.remove_queue(number);
        Ok(())
    }

    fn bind(&mut self, at: At, binding: BindingRecord) -> Outcome {
        if let Destination::Queue(name) = &binding.destination
            && self.queues.iter().any(|queue| queue.name == *name)
        {
            self.usable(at, name)?;
        }
        if self.exchange(&binding.source).is_none() {
            return Err(not_found("exchange", &binding.source));
        }
        let reply = match &binding.destination {
            Destination::Exchange(name) if self.exchange(name).is_none() => {
                return Err(not_found("exchange", name));
            }
            Destination::Exchange(_) => "exchange bind-ok",
            Destination::Queue(name) => {
                self.usable(at, name)?;
                "bind-ok"
            }
        };
        let new = !self.bindings.contains(&binding);
        let durable = self.is_durable_binding(&binding);
        if new {
            self.bindings.push(binding);
        }
        self.say_after(durable, at, reply);
        Ok(())
    }

    fn unbind(&mut self, at: At, binding: &BindingRecord) -> Outcome {
        let reply = match &binding.destination {
            Destination::Exchange(_) => "exchange unbind-ok",
            Destination::Queue(name) => {
                if self.queues.iter().any(|queue| queue.name == *name) {
                    self.usable(at, name)?;
                }
                "unbind-ok"
            }
        };
        let before = self.durable_things();
        self.remove_bindings(|other| other == binding);
        self.say_after(before != self.durable_things(), at, reply);
        Ok(())
    }

    /// The destination with the queue that an empty name stands for, and the key.
    fn ends(
        &self,
        at: At,
        destination: &Destination,
        key: &str,
    ) -> Result<(Destination, String), Refusal> {
        let Destination::Queue(name) = destination else {
            return Ok((destination.clone(), key.to_owned()));
        };
        let key = if name.is_empty() && key.is_empty() { self.named(at, "")? } else { key.into() };
        Ok((Destination::Queue(self.named(at, name)?), key))
    }

    fn named(&self, at: At, name: &str) -> Result<String, Refusal> {
        let channel = self.channels.iter().find(|channel| channel.at == at).unwrap();
        match (name, &channel.last_queue) {
            ("", None) => Err(Refusal::Channel("no previously declared queue".to_owned())),
            ("", Some(last)) => Ok(last.clone()),
            (name, _) => Ok(name.to_owned()),
        }
    }

    /// The queue, if it is there and not another connection's.
    fn usable(&self, at: At, name: &str) -> Result<Number, Refusal> {
        let name = self.named(at, name)?;
        match self.queues.iter().find(|queue| queue.name == name) {
            None => Err(not_found("queue", &name)),
            Some(queue) if queue.owner.is_some_and(|owner: SessionId| owner != at.0) => {
                Err(locked(&name))
            }
            Some(queue) => Ok(queue.number),
        }
    }

    fn durable_things(&self) -> (usize, usize) {
        let exchanges = self.exchanges.iter().filter(|exchange| exchange.durable).count();
        // A binding is durable as long as both of its ends are there.
        let bindings = self.bindings.iter().filter(|binding| self.is_durable_binding(binding));
        (exchanges, bindings.count())
    }
}

fn text(value: bool) -> String {
    value.to_string()
}

fn refused(text: String) -> Outcome {
    Err(Refusal::Channel(text))
}

fn locked(name: &str) -> Refusal {
    Refusal::Channel(format!(
        "cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be \
         originally declared on another connection or the exclusive property value does not \
         match that of the original declaration."
    ))
}

/// An error for the first difference: argument, received, current.
fn inequivalent(kind: &str, name: &str, differences: &[(&str, String, String)]) -> Outcome {
    match differences.iter().find(|(_, received, current)| received != current) {
        None => Ok(()),
        Some((argument, received, current)) => refused(format!(
            "inequivalent arg '{argument}' for {kind} '{name}' in vhost '/': \
             received '{received}' but current is '{current}'"
        )),
    }
}

//! A broker as plain as it can be: lists, searched from end to end, and no bookkeeping that could
//! be forgotten. It says what must follow from a command; where the engine has a choice, which is
//! to whom a message is delivered, it watches the choice and holds it against the rules:
//!
//! - the message is the first one that is ready and has the highest priority, and its redelivered flag is right;
//! - the consumer has credit: its own, its channel's and its connection's;
//! - nobody is served while one with a higher priority has credit, nor twice while an equal one
//!   has, and where one is to be active alone it is the right one;
//! - at the end of a command, nothing that is ready could be delivered.

mod checks;
mod requests;

use std::collections::{BTreeMap, BTreeSet};

use warren_amqp::{FieldValue, properties, table};
use warren_engine::{
    BindingRecord, Command, Destination, ExchangeRecord, ExchangeType, Message, PublishBatch,
    Request, SessionId,
};

use crate::naive_routing::{keys, route};
use crate::render;
use crate::script::At;

/// A queue's number; never used again, other than its name.
type Number = usize;

/// A consumer: channel and number.
type Who = (At, u32);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    place: u64,
    level: u8,
    pub(crate) body: String,
    redelivered: bool,
    pub(crate) durable: bool,
}

pub(crate) struct Queue {
    number: Number,
    pub(crate) name: String,
    durable: bool,
    auto_delete: bool,
    owner: Option<SessionId>,
    max_length: String,
    max_priority: u8,
    /// One consumer is served, and this is it.
    single_active: bool,
    active: Option<Who>,
    pub(crate) ready: Vec<Entry>,
    /// The place of the last message that came in.
    last_place: u64,
    /// Messages that came in since the start, and those of them that left for good.
    accepted: usize,
    gone: usize,
    /// The place of the last message that was delivered for the first time, by level.
    newest: BTreeMap<u8, u64>,
}

struct Channel {
    at: At,
    last_tag: u64,
    prefetch_consumer: usize,
    prefetch_channel: usize,
    published: Option<u64>,
    last_queue: Option<String>,
    has_settled: bool,
    unacknowledged: Vec<Delivery>,
}

struct Delivery {
    tag: u64,
    consumer: Option<u32>,
    queue: Number,
    entry: Entry,
}

struct Consumer {
    who: Who,
    tag: String,
    queue: Number,
    no_ack: bool,
    exclusive: bool,
    prefetch: usize,
    priority: i64,
    /// Who was served since this one was, or since it had no credit.
    passed_by: BTreeSet<Who>,
}

/// Why a command is refused, and how much that ends.
enum Refusal {
    Channel(String),
    Session(String),
}

type Outcome = Result<(), Refusal>;

pub(crate) struct Model {
    exchanges: Vec<ExchangeRecord>,
    pub(crate) queues: Vec<Queue>,
    bindings: Vec<BindingRecord>,
    sessions: Vec<(SessionId, usize)>,
    channels: Vec<Channel>,
    consumers: Vec<Consumer>,
    next_queue: Number,
    last_consumer: u32,
    /// What must follow from the command at hand, deliveries apart.
    lines: Vec<String>,
}

impl Model {
    pub(crate) fn new() -> Self {
        let predeclared = [
            ("amq.direct", ExchangeType::Direct, false),
            ("amq.fanout", ExchangeType::Fanout, false),
            ("amq.headers", ExchangeType::Headers, false),
            ("amq.match", ExchangeType::Headers, false),
            ("amq.rabbitmq.trace", ExchangeType::Topic, true),
            ("amq.topic", ExchangeType::Topic, false),
            ("amq.virtual-topic", ExchangeType::VirtualTopic, false),
        ];
        let exchanges = predeclared.map(|(name, kind, internal)| ExchangeRecord {
            name: name.to_owned(),
            kind,
            durable: true,
            auto_delete: false,
            internal,
            arguments: warren_amqp::FieldTable::default(),
        });
        Self {
            exchanges: exchanges.to_vec(),
            queues: vec![],
            bindings: vec![],
            sessions: vec![],
            channels: vec![],
            consumers: vec![],
            next_queue: 1,
            last_consumer: 0,
            lines: vec![],
        }
    }

    /// Carries out a command and says what must follow from it, before the deliveries.
    pub(crate) fn apply(&mut self, command: &Command) -> Vec<String> {
        match command {
            Command::OpenSession { session, .. } => self.sessions.push((*session, 0)),
            Command::CloseSession { session, reply } => {
                let waits = self.end_session(*session);
                if *reply {
                    self.lines.push(format!("{}s{} closed", once_written(waits), session.0));
                }
            }
            Command::Publish(batch) => self.publish(batch),
            Command::Acknowledge { session, acknowledgements } => {
                for ack in acknowledgements {
                    let at = (*session, ack.channel);
                    let outcome = self.settle(at, ack.delivery_tag, ack.multiple, false);
                    self.refuse(at, outcome, "60.80");
                }
            }
            Command::Request { session, channel, request } => {
                let at = (*session, *channel);
                if matches!(request, Request::ChannelOpen) {
                    self.open_channel(at);
                } else if self.is_open(at) {
                    let outcome = self.request(at, request);
                    let origin = request.origin();
                    let origin = format!("{}.{}", origin.class_id, origin.method_id);
                    self.refuse(at, outcome, &origin);
                }
            }
            Command::Flushed { session, bytes } => {
                if let Some((_, outbox)) = self.sessions.iter_mut().find(|(id, _)| id == session) {
                    *outbox -= bytes;
                }
            }
            Command::Clock(_)
            | Command::Loaded { .. }
            | Command::SetAccess { .. }
            | Command::SetPolicies(_) => {}
        }
        std::mem::take(&mut self.lines)
    }

    /// What is left after a restart: durable things. What was delivered is known to have been.
    pub(crate) fn restart(&mut self) {
        self.last_consumer = 0;
        for at in self.channels.iter().map(|channel| channel.at).collect::<Vec<_>>() {
            for delivery in std::mem::take(&mut self.channel(at).unacknowledged) {
                self.put_back(delivery);
            }
        }
        self.sessions.clear();
        self.channels.clear();
        self.consumers.clear();
        self.exchanges.retain(|exchange| exchange.durable);
        self.queues.retain(Queue::is_durable);
        let mut bindings = std::mem::take(&mut self.bindings);
        bindings.retain(|binding| self.is_durable_binding(binding));
        self.bindings = bindings;
        for queue in &mut self.queues {
            queue.ready.retain(|entry| entry.durable);
            (queue.accepted, queue.gone) = (queue.ready.len(), 0);
            queue.newest.clear();
            queue.active = None;
        }
        self.lines.clear();
    }

    pub(crate) fn is_open(&self, at: At) -> bool {
        self.channels.iter().any(|channel| channel.at == at)
    }

    /// The tags of what is unacknowledged on a channel.
    pub(crate) fn tags(&self, at: At) -> Vec<u64> {
        let channel = self.channels.iter().find(|channel| channel.at == at);
        channel.map_or_else(Vec::new, |channel| {
            channel.unacknowledged.iter().map(|delivery| delivery.tag).collect()
        })
    }

    fn channel(&mut self, at: At) -> &mut Channel {
        self.channels.iter_mut().find(|channel| channel.at == at).expect("an open channel")
    }

    fn queue(&mut self, number: Number) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.number == number)
    }

    fn exchange(&self, name: &str) -> Option<&ExchangeRecord> {
        self.exchanges.iter().find(|exchange| exchange.name == name)
    }

    fn is_durable_binding(&self, binding: &BindingRecord) -> bool {
        let durable = |name| self.exchange(name).is_some_and(|exchange| exchange.durable);
        durable(&binding.source)
            && match &binding.destination {
                Destination::Exchange(name) => durable(name),
                Destination::Queue(name) => {
                    self.queues.iter().any(|queue| queue.name == *name && queue.is_durable())
                }
            }
    }

    fn say(&mut self, at: At, text: &str) {
        self.say_after(false, at, text);
    }

    fn say_after(&mut self, durable: bool, at: At, text: &str) {
        self.lines.push(format!("{}s{}.{} {text}", once_written(durable), at.0.0, at.1));
    }

    fn open_channel(&mut self, at: At) {
        if self.sessions.iter().any(|(id, _)| *id == at.0) && !self.is_open(at) {
            self.channels.push(Channel {
                at,
                last_tag: 0,
                prefetch_consumer: 0,
                prefetch_channel: 0,
                published: None,
                last_queue: None,
                has_settled: false,
                unacknowledged: vec![],
            });
        }
    }

    fn refuse(&mut self, at: At, outcome: Outcome, origin: &str) {
        match outcome {
            Ok(()) => {}
            Err(Refusal::Channel(text)) => {
                let waits = self.close_channel(at);
                self.say_after(waits, at, &format!("channel error {origin}: {text}"));
            }
            Err(Refusal::Session(text)) => {
                self.end_session(at.0);
                self.lines.push(format!("s{} connection error {origin}: {text}", at.0.0));
            }
        }
    }

    fn end_session(&mut self, session: SessionId) -> bool {
        let mut channels: Vec<At> = self.channels.iter().map(|channel| channel.at).collect();
        channels.retain(|at| at.0 == session);
        channels.sort_unstable();
        let mut waits = false;
        for at in channels {
            waits |= self.close_channel(at);
        }
        self.sessions.retain(|(id, _)| *id != session);
        let mut own: Vec<_> =
            self.queues.iter().filter(|queue| queue.owner == Some(session)).collect();
        own.sort_unstable_by_key(|queue| queue.number);
        for number in own.into_iter().map(|queue| queue.number).collect::<Vec<_>>() {
            self.remove_queue(number);
        }
        waits
    }

    /// Whether the reply must wait for the disk.
    fn close_channel(&mut self, at: At) -> bool {
        for delivery in std::mem::take(&mut self.channel(at).unacknowledged) {
            self.put_back(delivery);
        }
        let mut own = self.consumers.iter().map(|consumer| consumer.who).collect::<Vec<_>>();
        own.retain(|who| who.0 == at);
        own.sort_unstable();
        for who in own {
            self.end_consumer(who);
        }
        let channel = self.channel(at);
        let waits = channel.has_settled || channel.published.is_some();
        self.channels.retain(|channel| channel.at != at);
        waits
    }

    fn end_consumer(&mut self, who: Who) {
        let at = self.consumers.iter().position(|consumer| consumer.who == who).unwrap();
        let number = self.consumers.remove(at).queue;
        let others = self.consumers.iter().filter(|consumer| consumer.queue == number);
        let next = others.max_by_key(|other| (other.priority, std::cmp::Reverse(other.who.1)));
        let next = next.map(|consumer| consumer.who);
        if let Some(queue) = self.queue(number).filter(|queue| queue.active == Some(who)) {
            queue.active = next;
        }
        let unused = next.is_none();
        if unused && self.queue(number).is_some_and(|queue| queue.auto_delete) {
            self.remove_queue(number);
        }
    }

    fn remove_queue(&mut self, number: Number) {
        let at = self.queues.iter().position(|queue| queue.number == number).unwrap();
        let name = self.queues.remove(at).name;
        self.remove_bindings(|binding| binding.destination == Destination::Queue(name.clone()));
        let mut cancelled: Vec<_> =
            self.consumers.iter().filter(|consumer| consumer.queue == number).collect();
        cancelled.sort_unstable_by_key(|consumer| consumer.who);
        let cancelled: Vec<_> =
            cancelled.into_iter().map(|consumer| (consumer.who.0, consumer.tag.clone())).collect();
        self.consumers.retain(|consumer| consumer.queue != number);
        for (at, tag) in cancelled {
            self.say(at, &format!("cancelled {tag}"));
        }
    }

    /// Removes bindings, and each auto-delete exchange that loses its last one by that.
    fn remove_bindings(&mut self, meant: impl Fn(&BindingRecord) -> bool) {
        let (gone, kept) = std::mem::take(&mut self.bindings).into_iter().partition(meant);
        self.bindings = kept;
        let gone: Vec<BindingRecord> = gone;
        for source in gone.into_iter().map(|binding| binding.source) {
            let unused = !self.bindings.iter().any(|binding| binding.source == source);
            if unused && self.exchange(&source).is_some_and(|exchange| exchange.auto_delete) {
                self.remove_exchange(&source);
            }
        }
    }

    fn remove_exchange(&mut self, name: &str) {
        self.exchanges.retain(|exchange| exchange.name != name);
        self.bindings.retain(|binding| binding.source != name);
        self.remove_bindings(|binding| binding.destination == Destination::Exchange(name.into()));
    }

    fn put_back(&mut self, delivery: Delivery) {
        if let Some(queue) = self.queue(delivery.queue) {
            queue.ready.push(Entry { redelivered: true, ..delivery.entry });
            queue.sort();
        }
    }

    fn publish(&mut self, batch: &PublishBatch) {
        let mut confirms: Vec<(At, u64, u64, bool)> = vec![];
        for (index, (channel, mandatory)) in batch.publishes.iter().enumerate() {
            let at = (batch.session, *channel);
            if !self.is_open(at) {
                continue;
            }
            let message = Message::new(&batch.messages, index as u32).unwrap();
            let number = self.channel(at).published.as_mut().map(|last| {
                *last += 1;
                *last
            });
            match self.enqueue(&message) {
                Err(refusal) => {
                    self.confirm(&mut confirms);
                    self.refuse(at, Err(refusal), "60.40");
                }
                Ok((queues, durable)) => {
                    if queues == 0 && *mandatory {
                        self.say(at, &format!("return {}", render::body(&message)));
                    }
                    match (number, confirms.last_mut()) {
                        (None, _) => {}
                        (Some(number), Some(run))
                            if (run.0, run.2 + 1, run.3) == (at, number, durable) =>
                        {
                            run.2 = number;
                        }
                        (Some(number), _) => confirms.push((at, number, number, durable)),
                    }
                }
            }
        }
        self.confirm(&mut confirms);
    }

    fn confirm(&mut self, runs: &mut Vec<(At, u64, u64, bool)>) {
        for (at, first, last, durable) in runs.drain(..) {
            self.say_after(durable, at, &format!("confirm {}", render::range(first, last)));
        }
    }

    /// How many queues the message went to, and whether it must survive in one of them.
    fn enqueue(&mut self, message: &Message) -> Result<(usize, bool), Refusal> {
        let exchange = message.exchange();
        let headers = properties::headers(message.properties()).unwrap_or_default();
        let headers = table::decode(headers).expect("well-formed headers");
        // The random commands know one wrong value, a text.
        let is_wrong =
            |name: &&str| matches!(headers.inner().get(*name), Some(FieldValue::LongString(_)));
        let wrong = ["CC", "BCC"].into_iter().find(is_wrong).map(|name| {
            Refusal::Channel(format!(
                "invalid message: {{unacceptable_type_in_header,\"{name}\",longstr}}"
            ))
        });
        let names = if exchange.is_empty() {
            wrong.map_or(Ok(()), Err)?;
            keys(message, &headers)
        } else {
            match self.exchange(exchange) {
                None => return Err(not_found("exchange", exchange)),
                Some(record) if record.internal => {
                    return Err(Refusal::Channel(format!(
                        "cannot publish to internal exchange '{exchange}' in vhost '/'"
                    )));
                }
                Some(_) => {
                    wrong.map_or(Ok(()), Err)?;
                    route(&self.exchanges, &self.bindings, message)
                }
            }
        };
        let mut found = (0, false);
        for queue in self.queues.iter_mut().filter(|queue| names.contains(&queue.name)) {
            queue.accepted += 1;
            queue.last_place += 1;
            let durable = message.is_persistent() && queue.is_durable();
            found = (found.0 + 1, found.1 || durable);
            queue.ready.push(Entry {
                place: queue.last_place,
                level: message.priority().unwrap_or(0).min(queue.max_priority),
                body: render::body(message),
                redelivered: false,
                durable,
            });
            queue.sort();
        }
        Ok(found)
    }

    /// Takes deliveries off a channel: one, or all up to it, or all for 0 with `multiple`.
    fn settle(&mut self, at: At, tag: u64, multiple: bool, requeue: bool) -> Outcome {
        if !self.is_open(at) {
            return Ok(());
        }
        let channel = self.channel(at);
        let all = multiple && tag == 0;
        if !all && !channel.unacknowledged.iter().any(|delivery| delivery.tag == tag) {
            return Err(Refusal::Channel(format!("unknown delivery tag {tag}")));
        }
        let meant =
            |delivery: &Delivery| all || delivery.tag == tag || (multiple && delivery.tag < tag);
        let (taken, kept) =
            std::mem::take(&mut channel.unacknowledged).into_iter().partition(meant);
        channel.unacknowledged = kept;
        let taken: Vec<Delivery> = taken;
        for delivery in taken {
            if requeue {
                self.put_back(delivery);
            } else if let Some(queue) = self.queue(delivery.queue) {
                queue.gone += 1;
                self.channel(at).has_settled |= delivery.entry.durable;
            }
        }
        Ok(())
    }
}

impl Queue {
    fn sort(&mut self) {
        self.ready.sort_unstable_by_key(|entry| (std::cmp::Reverse(entry.level), entry.place));
    }

    fn is_durable(&self) -> bool {
        self.durable && self.owner.is_none()
    }
}

fn once_written(waits: bool) -> &'static str {
    if waits { "once written: " } else { "" }
}

fn not_found(kind: &str, name: &str) -> Refusal {
    Refusal::Channel(format!("no {kind} '{name}' in vhost '/'"))
}

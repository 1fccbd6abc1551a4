//! What clients ask next. A request that the broker learns is one more `Wish` here, with its
//! weight in `world.rs`, and what follows from it in `model/requests.rs`.

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{
    Acknowledgement, Command, ConsumeRequest, Declaration, Destination, Milliseconds, Place,
    PublishBatch, Request, SessionId,
};

use crate::client::{Client, ClientChannel};
use crate::limits;
use crate::messages::{Publication, batch, hash_when_delivered};
use crate::model::{Model, header_arguments};
use crate::names::{
    CHANCE, CONSUMER_TIMEOUT, EXCHANGES, KEYS, MORE_KEYS, PATTERNS, RECENT, VALUES,
    exchange_arguments, is_stream, queue_arguments,
};
use crate::random::Random;
use crate::world::Profile;

/// What a client may want to do on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    OpenChannel,
    CloseChannel,
    CloseSession,
    DeclareQueue,
    DeclareExchange,
    DeleteQueue,
    DeleteExchange,
    Bind,
    Unbind,
    Purge,
    Qos,
    Consume,
    Cancel,
    Get,
    Take,
    ConfirmSelect,
    TxSelect,
    TxCommit,
    TxRollback,
    Publish,
    Acknowledge,
    Nack,
    Recover,
    /// An acknowledgement of what was never delivered.
    WrongTag,
}

/// A client that is about to ask something.
pub(crate) struct Asking<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) profile: &'a Profile,
    pub(crate) model: &'a mut Model,
    pub(crate) slot: usize,
    pub(crate) session: SessionId,
    pub(crate) now: Milliseconds,
}

impl Asking<'_> {
    /// What the client asks next; None if its wish cannot be asked for now.
    pub(crate) fn command(&mut self, client: &mut Client) -> Option<Command> {
        let session = self.session;
        if client.closing {
            return None;
        }
        let open: Vec<u16> =
            client.channels.iter().filter(|(_, c)| !c.closing).map(|c| *c.0).collect();
        let wish = self.random.weighted(&self.profile.wishes)?;
        let Some(number) = self.random.pick(&open).filter(|_| wish != Wish::OpenChannel) else {
            return self.open_channel(client);
        };
        if wish == Wish::CloseSession {
            client.closing = true;
            return Some(Command::CloseSession { session, reply: true });
        }
        let channel = client.channels.get_mut(&number)?;
        let others: Vec<u16> = open.into_iter().filter(|other| *other != number).collect();
        match wish {
            Wish::Publish => {
                let second = self.random.pick(&others).filter(|_| self.random.percent(10));
                Some(self.publish(client, number, second))
            }
            Wish::Acknowledge => {
                let (delivery_tag, multiple) = self.tag(channel)?;
                let mut acknowledgements =
                    vec![Acknowledgement { channel: number, delivery_tag, multiple }];
                for _ in 0..self.random.below(3) {
                    if let Some((delivery_tag, multiple)) = self.tag(channel) {
                        let channel = number;
                        acknowledgements.push(Acknowledgement { channel, delivery_tag, multiple });
                    }
                }
                Some(Command::Acknowledge { session, acknowledgements })
            }
            Wish::WrongTag => {
                let wrong = Acknowledgement {
                    channel: number,
                    delivery_tag: 1_000_000,
                    multiple: self.random.percent(50),
                };
                Some(Command::Acknowledge { session, acknowledgements: vec![wrong] })
            }
            _ => {
                let request = self.request(wish, channel)?;
                Some(Command::Request { session, channel: number, request })
            }
        }
    }

    fn open_channel(&mut self, client: &mut Client) -> Option<Command> {
        let number = 1 + self.random.below(usize::from(limits::CHANNELS_MAX)) as u16;
        if client.channels.contains_key(&number) {
            return None;
        }
        client.channels.insert(number, ClientChannel::default());
        let request = Request::ChannelOpen;
        Some(Command::Request { session: self.session, channel: number, request })
    }

    /// One of the deliveries that are to be settled, or several.
    fn tag(&mut self, channel: &mut ClientChannel) -> Option<(u64, bool)> {
        if channel.tags.is_empty() {
            return None;
        }
        let before = channel.tags.clone();
        let taken = self.any_tag(channel);
        if let Some(held) = &mut channel.transaction {
            held.tags.extend(before.into_iter().filter(|tag| !channel.tags.contains(tag)));
        }
        taken
    }

    fn any_tag(&mut self, channel: &mut ClientChannel) -> Option<(u64, bool)> {
        match self.random.below(10) {
            // Mostly in order, one by one or some together; sometimes any.
            0..5 => Some((channel.tags.remove(0), false)),
            5..7 => {
                let at = self.random.below(channel.tags.len());
                Some((channel.tags.drain(..=at).next_back()?, true))
            }
            7 => {
                channel.tags.clear();
                Some((0, true))
            }
            _ => Some((channel.tags.remove(self.random.below(channel.tags.len())), false)),
        }
    }

    fn publish(&mut self, client: &mut Client, number: u16, second: Option<u16>) -> Command {
        let mut publications = vec![];
        let mut publishes = vec![];
        let first_id = self.model.messages.len() as u64;
        for at in 0..1 + self.random.below(self.profile.batch_max) {
            let publication = self.publication(first_id + at as u64);
            let channel = second.filter(|_| self.random.percent(50)).unwrap_or(number);
            let mandatory = self.random.percent(20);
            if let Some(state) = client.channels.get_mut(&channel) {
                let held = state.transaction.as_mut().map(|held| &mut held.published);
                if let Some(published) = state.published.as_mut().or(held) {
                    published.push(publication.id);
                }
            }
            publishes.push((channel, mandatory));
            publications.push(publication);
        }
        let messages = batch(&publications);
        for (index, publication) in publications.into_iter().enumerate() {
            let hash = hash_when_delivered(&publication);
            let mandatory = publishes.get(index).is_some_and(|(_, mandatory)| *mandatory);
            self.model.made(publication, mandatory, hash);
        }
        Command::Publish(PublishBatch { session: self.session, messages, publishes, to: None })
    }

    fn publication(&mut self, id: u64) -> Publication {
        let random = &mut *self.random;
        let (exchange, routing_key) = if random.percent(self.profile.default_exchange_percent) {
            let there = self.model.queue_names();
            let there = random.pick(&there).filter(|_| random.percent(90));
            let any = || random.pick(&self.profile.queues).unwrap_or_default().to_owned();
            let name = there.unwrap_or_else(any);
            // A virtual topic by its name alone, and a queue by a longer one.
            let name = match random.below(20) {
                0 => "VirtualTopic.k".to_owned(),
                1 => format!("any::{name}"),
                _ => name,
            };
            (String::new(), name)
        } else {
            // Mostly one that is there: another closes the channel.
            let names = self.model.exchange_names();
            let favours = self.profile.favours_chance && names.iter().any(|name| name == CHANCE);
            let there = match favours && random.percent(60) {
                true => Some(CHANCE.to_owned()),
                false => random.pick(&names),
            };
            let any = || EXCHANGES.map(|(name, _)| name.to_owned());
            let exchange = match random.below(400) {
                0 => Some("nowhere".to_owned()),
                1 => random.pick(&any()),
                _ => there,
            };
            let key = random.pick(&KEYS).unwrap_or_default().to_owned();
            (exchange.unwrap_or_default(), key)
        };
        let is_durable = exchange == CHANCE;
        let large = if random.percent(2) { 20 } else { 1 };
        Publication {
            id,
            exchange,
            routing_key,
            persistent: random.percent(self.profile.persistent_percent) || is_durable,
            priority: random.pick(&[0, 1, 3, 5, 9, 255]).filter(|_| random.percent(40)),
            header: random.pick(&VALUES).filter(|_| random.percent(50)),
            shown_keys: more_keys(random),
            hidden_keys: more_keys(random),
            is_not_kept: random.percent(5),
            body_bytes: random.below(self.profile.body_bytes_max * large + 1),
            time: self.now,
            expiration: random
                .pick(&[0, 1, 10, 50, 100, 1_000, 100_000])
                .filter(|_| random.percent(self.profile.expiration_percent)),
        }
    }

    fn request(&mut self, wish: Wish, channel: &mut ClientChannel) -> Option<Request> {
        let no_wait = self.random.percent(15);
        let (name, request) = match wish {
            Wish::CloseChannel => {
                channel.closing = true;
                ("close", Request::ChannelClose)
            }
            Wish::DeclareQueue => ("queue.declare", self.declare_queue()),
            Wish::DeclareExchange => ("exchange.declare", self.declare_exchange()),
            Wish::DeleteQueue => {
                let (if_unused, if_empty) = (self.random.percent(30), self.random.percent(30));
                let name = self.queue();
                ("queue.delete", Request::QueueDelete { name, if_unused, if_empty, no_wait })
            }
            Wish::DeleteExchange => {
                let name = self.random.pick(&EXCHANGES)?.0.to_owned();
                let if_unused = self.random.percent(50);
                ("exchange.delete", Request::ExchangeDelete { name, if_unused, no_wait })
            }
            Wish::Bind => ("bind", self.bind()?),
            Wish::Unbind => match self.bind()? {
                Request::Bind { source, destination, routing_key, arguments, no_wait } => (
                    "unbind",
                    Request::Unbind { source, destination, routing_key, arguments, no_wait },
                ),
                other => ("bind", other),
            },
            Wish::Purge => ("purge", Request::QueuePurge { name: self.no_stream()?, no_wait }),
            Wish::Qos => ("qos", self.qos(channel)?),
            Wish::Consume => self.consume(channel)?,
            Wish::Cancel => {
                let tags: Vec<String> = channel.consumers.values().cloned().collect();
                let consumer_tag = self.random.pick(&tags)?;
                ("cancel", Request::Cancel { consumer_tag, no_wait })
            }
            Wish::Get => {
                let no_ack = self.random.percent(30);
                let queue = self.no_stream()?;
                channel.gets.push_back(no_ack);
                ("get", Request::Get { queue, no_ack })
            }
            Wish::Take if channel.takes => return None,
            Wish::Take => ("take", self.take(channel)?),
            Wish::ConfirmSelect if channel.transaction.is_none() => {
                channel.published.get_or_insert_default();
                ("confirm.select", Request::ConfirmSelect { no_wait })
            }
            Wish::TxSelect | Wish::TxCommit | Wish::TxRollback => transaction(wish, channel)?,
            Wish::Nack | Wish::Recover if channel.has_streams => return None,
            Wish::Nack => return self.nack(channel),
            Wish::Recover => {
                channel.tags.clear();
                ("recover", Request::Recover { requeue: true, no_wait })
            }
            Wish::OpenChannel
            | Wish::CloseSession
            | Wish::Publish
            | Wish::Acknowledge
            | Wish::ConfirmSelect
            | Wish::WrongTag => return None,
        };
        if wants_reply(&request) {
            channel.awaited.push_back(name);
        }
        Some(request)
    }

    fn nack(&mut self, channel: &mut ClientChannel) -> Option<Request> {
        let (delivery_tag, multiple) = self.tag(channel)?;
        let reject = !multiple && self.random.percent(40);
        let requeue = self.random.percent(70);
        Some(Request::Nack { delivery_tag, multiple, requeue, reject })
    }

    fn queue(&mut self) -> String {
        if self.random.percent(10) {
            return format!("x{}", self.slot);
        }
        // Mostly one that is there.
        let there = self.model.queue_names();
        let there = self.random.pick(&there).filter(|_| self.random.percent(90));
        let any = |random: &mut Random| random.pick(&self.profile.queues).unwrap_or_default();
        there.unwrap_or_else(|| any(self.random).to_owned())
    }

    fn no_stream(&mut self) -> Option<String> {
        Some(self.queue()).filter(|name| !is_stream(name))
    }

    fn declare_queue(&mut self) -> Request {
        let name = match self.random.percent(8) {
            true => format!("x{}", self.slot),
            false => self.random.pick(&self.profile.queues).unwrap_or_default().to_owned(),
        };
        let declaration = Declaration {
            passive: self.random.percent(5),
            durable: !name.starts_with('t') && !name.starts_with("at"),
            auto_delete: name.starts_with('a'),
            exclusive: name.starts_with('x'),
            ..Declaration::default()
        };
        let arguments = queue_arguments(&name, self.profile.times_out);
        Request::QueueDeclare { name, generated: false, declaration, arguments }
    }

    fn declare_exchange(&mut self) -> Request {
        let favoured = EXCHANGES.into_iter().find(|(name, _)| {
            *name == CHANCE && self.profile.favours_chance && self.random.percent(20)
        });
        let any = || self.random.pick(&EXCHANGES).unwrap_or_default();
        let (name, kind) = favoured.unwrap_or_else(any);
        let declaration = Declaration {
            durable: name != "auto",
            auto_delete: name == "auto",
            internal: name == "inner",
            ..Declaration::default()
        };
        let arguments = exchange_arguments(name);
        let (name, kind) = (name.to_owned(), kind.to_owned());
        Request::ExchangeDeclare { name, kind, declaration, arguments }
    }

    fn bind(&mut self) -> Option<Request> {
        let names = ["direct", "fanout", "topic", "headers", "auto", "inner", "amq.topic"];
        let more = ["amq.fanout", "amq.direct", "amq.headers", "amq.virtual-topic"];
        let names = [&names[..], &more, &["hash", "modulus", "groups", RECENT]].concat();
        let source = self.random.pick(&[&names[..], &[CHANCE]].concat())?;
        if source == CHANCE {
            return self.bind_to_chance();
        }
        let destination = match self.random.percent(15) {
            true => Destination::Exchange(self.random.pick(&names)?.to_owned()),
            false => Destination::Queue(self.queue()),
        };
        let (mut routing_key, mut arguments) = (self.random.pick(&KEYS)?, FieldTable::default());
        if source.ends_with("topic") || source == "groups" {
            routing_key = self.random.pick(&PATTERNS)?;
        }
        let group = self.random.pick(&["g", "h"]).filter(|_| self.random.percent(60));
        if let Some(group) = group.filter(|_| ["groups", "amq.virtual-topic"].contains(&source)) {
            arguments.insert("x-group".into(), FieldValue::LongString(group.into()));
        }
        if source == "hash" {
            // One weight for each name: which of several counts is not known after a restart.
            let (Destination::Queue(name) | Destination::Exchange(name)) = &destination;
            routing_key = if name.len() % 2 == 0 { "1" } else { "3" };
        }
        if source.ends_with("headers") {
            arguments = header_arguments(self.random.pick(&VALUES)?);
        }
        let (source, routing_key) = (source.to_owned(), routing_key.to_owned());
        Some(Request::Bind { source, destination, routing_key, arguments, no_wait: false })
    }

    fn qos(&mut self, channel: &mut ClientChannel) -> Option<Request> {
        let prefetch_count = self.random.pick(&[0, 1, 2, 5, 20, 100])?;
        let global = self.random.percent(40);
        if !global {
            channel.prefetch = prefetch_count;
        }
        Some(Request::Qos { prefetch_count, global })
    }

    fn take(&mut self, channel: &mut ClientChannel) -> Option<Request> {
        let queue = self.no_stream()?;
        let places = self.places(&queue);
        channel.takes = true;
        Some(Request::Take { queue, places })
    }

    /// Places of messages that wait, and some that may be empty.
    fn places(&mut self, queue: &str) -> Vec<Place> {
        let ready = self.model.ready_places(queue);
        let mut places = vec![];
        for _ in 0..=self.random.below(4) {
            places.extend(self.random.pick(&ready));
        }
        if self.random.percent(20) {
            places.push(Place { lane: 0, sequence: self.random.below(50) as u64 });
        }
        places
    }

    /// Each queue once, so that the choices are even.
    fn bind_to_chance(&mut self) -> Option<Request> {
        let is_durable = |name: &String| !name.starts_with(['t', 'x']) && name != "at0";
        let durable: Vec<String> =
            self.model.queue_names().into_iter().filter(is_durable).collect();
        let destination = Destination::Queue(self.random.pick(&durable)?);
        let (source, routing_key) = (CHANCE.to_owned(), "any".to_owned());
        let (arguments, no_wait) = (FieldTable::default(), false);
        Some(Request::Bind { source, destination, routing_key, arguments, no_wait })
    }

    fn consume(&mut self, channel: &mut ClientChannel) -> Option<(&'static str, Request)> {
        let queue = self.queue();
        let mut arguments = FieldTable::default();
        if is_stream(&queue) {
            if channel.prefetch == 0 {
                channel.prefetch = self.random.pick(&[1, 5, 50])?;
                let prefetch_count = channel.prefetch;
                return Some(("qos", Request::Qos { prefetch_count, global: false }));
            }
            channel.has_streams = true;
            arguments = self.stream_arguments();
        }
        let consumer_tag = format!("c{}", self.random.next() % 1_000_000_007);
        let no_ack = self.random.percent(15) && !is_stream(&queue);
        if no_ack {
            channel.no_ack.insert(consumer_tag.clone());
        }
        if !is_stream(&queue) && self.random.percent(30) {
            let priority = self.random.pick(&[-1, 1, 7]).unwrap_or_default();
            arguments.insert("x-priority".into(), FieldValue::LongInt(priority));
        }
        if self.profile.times_out && self.random.percent(40) {
            let timeout = self.random.pick(&[60, 200, 1_000]).unwrap_or_default();
            arguments.insert(CONSUMER_TIMEOUT.into(), FieldValue::LongInt(timeout));
        }
        let exclusive = self.random.percent(5);
        let no_wait = false;
        let consume = ConsumeRequest { queue, consumer_tag, no_ack, exclusive, no_wait, arguments };
        Some(("consume", Request::Consume(consume)))
    }

    /// Where a consumer of a stream begins, and what it wants.
    fn stream_arguments(&mut self) -> FieldTable {
        let mut arguments = FieldTable::default();
        let offset = match self.random.below(5) {
            0 => None,
            1 => Some(FieldValue::LongString("last".into())),
            2 => Some(FieldValue::LongString("next".into())),
            3 => Some(FieldValue::LongLongInt(self.random.below(60) as i64)),
            _ => Some(FieldValue::LongString("first".into())),
        };
        if let Some(offset) = offset {
            arguments.insert("x-stream-offset".into(), offset);
        }
        if self.random.percent(20)
            && let Some(value) = self.random.pick(&VALUES)
        {
            arguments.insert("x-stream-filter".into(), FieldValue::LongString(value.into()));
        }
        arguments
    }
}

/// More routing keys, for some messages.
fn more_keys(random: &mut Random) -> Vec<&'static str> {
    match random.percent(10) {
        true => random.pick(&MORE_KEYS).unwrap_or_default().to_vec(),
        false => vec![],
    }
}

/// Begins a transaction, or ends one.
fn transaction(wish: Wish, channel: &mut ClientChannel) -> Option<(&'static str, Request)> {
    match wish {
        Wish::TxCommit => {
            let committed = std::mem::take(channel.transaction.as_mut()?);
            channel.commits.push_back(committed.published);
            Some(("tx.commit", Request::TxCommit))
        }
        Wish::TxRollback => {
            let forgotten = std::mem::take(channel.transaction.as_mut()?);
            channel.tags.extend(forgotten.tags);
            channel.tags.sort_unstable();
            Some(("tx.rollback", Request::TxRollback))
        }
        _ if channel.published.is_some() => None,
        _ => {
            channel.transaction.get_or_insert_default();
            Some(("tx.select", Request::TxSelect))
        }
    }
}

/// The client waits for a reply. Those of consuming and cancelling come in any case.
pub(crate) fn wants_reply(request: &Request) -> bool {
    match request {
        Request::ExchangeDelete { no_wait, .. }
        | Request::QueueDelete { no_wait, .. }
        | Request::QueuePurge { no_wait, .. }
        | Request::Bind { no_wait, .. }
        | Request::Unbind { no_wait, .. }
        | Request::Recover { no_wait, .. }
        | Request::ConfirmSelect { no_wait } => !no_wait,
        Request::ExchangeDeclare { declaration, .. }
        | Request::QueueDeclare { declaration, .. } => !declaration.no_wait,
        Request::ChannelOpen
        | Request::ChannelFail(_)
        | Request::PublishFail { .. }
        | Request::Take { .. }
        | Request::Nack { .. } => false,
        Request::ConsumeReplies { no_wait, .. } => !no_wait,
        Request::ChannelClose
        | Request::PauseQueue { .. }
        | Request::TxSelect
        | Request::TxCommit
        | Request::TxRollback
        | Request::Qos { .. }
        | Request::Consume(_)
        | Request::Cancel { .. }
        | Request::Get { .. } => true,
    }
}

//! A virtual host: takes commands one at a time and keeps every rule about what follows from them.
//!
//! This file holds the state, the one `match` over commands, and sessions and channels coming and
//! going. The rest is in files by subject: `declare` (exchanges, queues, bindings), `publish`,
//! `subscribe` (consumers and prefetch), `settle` (acknowledgements), `dispatch` (from queues to
//! consumers), `groups` (queues that subscribe themselves), `dead_letter` (what queues give up),
//! `overflow` (what they have no room for), `order` (what waits for a `basic.get`), `transactions`,
//! `replies` (direct reply-to), `rights` (what users may do), `time` (what happens at a time), `timeout` (deliveries that are
//! never acknowledged), `invariants` (what tests check after every command).

mod bounds;
mod dead_letter;
mod declare;
mod dispatch;
mod ending;
mod groups;
mod invariants;
mod memory;
mod observe;
mod order;
mod overflow;
mod pause;
mod places;
mod policies;
mod publish;
mod replies;
mod rights;
mod settle;
mod streams;
mod subscribe;
mod summary;
mod time;
mod timeout;
mod transactions;

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::planted::{self, Bug};
pub use bounds::Bounds;
pub use ending::EndingHost;
use memory::Memory;
pub use memory::MemoryLimits;
use observe::Changes;
use policies::PolicyState;
use rights::Resource;
use streams::Streams;
pub use summary::Summary;
use time::Timers;
pub(crate) use timeout::Marks;
use timeout::Timeouts;

use crate::backlog::Answer;
use crate::compatibility::Compatibility;
use crate::queue::{ConsumerKey, Queue, Shares};
use crate::session::{Channel, Session};
use crate::topology::Topology;
use crate::unroutable::UnroutableMessages;
use crate::{
    Command, Effects, Error, Event, Message, Milliseconds, Origin, QueueId, QueueType, Recovered,
    Reply, Request, Right, SessionId, VirtualHostId, limits,
};

/// A refusal, with how much of the connection it ends.
#[derive(Debug)]
enum Refusal {
    /// The channel is closed.
    Channel(Error),
    /// The connection is closed.
    Session(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Channel(error)
    }
}

/// A virtual host: its topology, its queues and its sessions.
#[derive(Debug)]
pub struct VirtualHost {
    id: VirtualHostId,
    name: String,
    topology: Topology,
    queues: FxHashMap<QueueId, Queue>,
    memory: Memory,
    bounds: Bounds,
    default_queue_type: Option<QueueType>,
    /// As [`Command::Clock`] last told.
    now: Milliseconds,
    streams: Streams,
    timers: Timers,
    timeouts: Timeouts,
    /// See [`Self::take_pressed`].
    is_pressed: bool,
    next_queue: u32,
    sessions: FxHashMap<SessionId, Session>,
    /// Queues in which something changed that may lead to a delivery.
    dirty: Vec<QueueId>,
    /// Queues with messages that go to their dead letter exchange and whose contents are there.
    leaving: VecDeque<QueueId>,
    /// Messages that queues refused and that go to their dead letter exchange.
    refused: VecDeque<(QueueId, Message)>,
    /// How many messages the command at hand gave up that go to a dead letter exchange.
    given_up: usize,
    /// The last message came to a queue with limits.
    enqueued_limited: bool,
    /// Sessions whose next `basic.get` may have its turn.
    getters: Vec<SessionId>,
    /// Channels with a `basic.get` that is not answered.
    holding: FxHashSet<(SessionId, u16)>,
    /// Channels that take direct replies, with the consumer's number, by routing key.
    reply_consumers: FxHashMap<String, ((SessionId, u16), u32)>,
    /// Gives each consumer a number of its own, so that a turn left behind in a round is nobody's.
    consumers_made: u32,
    changes: Changes,
    compatibility: Compatibility,
    policies: PolicyState,
    unroutable: UnroutableMessages,
}

impl VirtualHost {
    /// A virtual host as new: the predeclared exchanges and nothing else.
    #[must_use]
    pub fn new(id: VirtualHostId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            topology: Topology::new(),
            queues: FxHashMap::default(),
            memory: Memory::default(),
            bounds: Bounds::default(),
            default_queue_type: None,
            now: 0,
            streams: Streams::default(),
            timers: Timers::default(),
            timeouts: Timeouts::default(),
            is_pressed: false,
            next_queue: 1,
            sessions: FxHashMap::default(),
            dirty: Vec::new(),
            leaving: VecDeque::new(),
            refused: VecDeque::new(),
            given_up: 0,
            enqueued_limited: false,
            getters: Vec::new(),
            holding: FxHashSet::default(),
            reply_consumers: FxHashMap::default(),
            consumers_made: 0,
            changes: Changes::default(),
            compatibility: Compatibility::default(),
            policies: PolicyState::default(),
            unroutable: UnroutableMessages::default(),
        }
    }

    /// A virtual host as its durable state says. What in it belongs to other virtual hosts is
    /// passed over.
    #[must_use]
    pub fn recover(id: VirtualHostId, name: &str, recovered: &Recovered) -> Self {
        let mut host = Self::new(id, name);
        for (_, record) in recovered.exchanges.iter().filter(|(owner, _)| *owner == id) {
            host.topology.add_exchange(record.clone());
        }
        for recovered in &recovered.queues {
            let record = &recovered.record;
            if record.id.virtual_host() == id {
                if !planted::is(Bug::QueueNumberReused) {
                    host.next_queue = host.next_queue.max(record.id.counter() + 1);
                }
                host.topology.add_queue(record.id, &record.name, record.durable);
                let queue = Queue::recovered(recovered);
                let is_over = queue.is_over();
                host.queues.insert(record.id, queue);
                if is_over {
                    host.mark_dirty(record.id);
                }
                host.look_at_stream(record.id);
                host.schedule(record.id);
            }
        }
        for (_, record) in recovered.bindings.iter().filter(|(owner, _)| *owner == id) {
            host.topology.bind(record);
        }
        host
    }

    /// Sets how much memory contents may take; what is in memory already stays.
    pub fn set_memory_limits(&mut self, limits: MemoryLimits) {
        self.memory.limits = limits;
    }

    /// What contents of messages take in memory, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        self.memory.resident_bytes
    }

    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> VirtualHostId {
        self.id
    }

    /// Sets where chance begins: exchanges that choose at random do so in an order that follows
    /// from this number.
    pub fn set_seed(&mut self, seed: u64) {
        self.topology.set_seed(seed);
    }

    /// Sets how much there may be; what is there already stays.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Sets the type of queues whose declaration says nothing of it, from now on. None is what
    /// RabbitMQ does without such a setting: classic.
    pub fn set_default_queue_type(&mut self, kind: Option<QueueType>) {
        self.default_queue_type = kind;
    }

    /// The name that clients open.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of a queue that is there.
    #[must_use]
    pub(crate) fn queue_name(&self, id: QueueId) -> Option<&str> {
        self.queues.get(&id).map(|queue| queue.record.name.as_str())
    }

    /// The queues that are there, in no order, each with its name.
    pub fn queue_names(&self) -> impl Iterator<Item = (QueueId, &str)> {
        self.queues.iter().map(|(id, queue)| (*id, queue.record.name.as_str()))
    }

    /// Arguments that were accepted and have no effect, each with how often it was sent since the
    /// start; and settings of policies, each with how many policies have it.
    pub fn arguments_without_effect(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.compatibility.counts()
    }

    /// Carries out one command. What follows from it is added to `effects`, which also tell if a
    /// part of the command is left for [`Self::go_on`].
    pub fn apply(&mut self, command: Command, effects: &mut Effects) {
        while effects.unfinished.is_some() {
            self.go_on(effects);
        }
        let first = effects.events.len();
        self.given_up = 0;
        let least = match command {
            Command::Clock(_) | Command::Loaded { .. } => limits::DEAD_LETTER_STEP,
            _ => 0,
        };
        let most = match command {
            Command::Publish(_) => limits::DEAD_LETTERS_OF_PUBLISH,
            _ => limits::DEAD_LETTER_STEP,
        };
        match command {
            Command::Clock(now) => {
                self.clock(now);
                self.streams_due(effects);
            }
            Command::OpenSession { session, access } => {
                // One that is open keeps what it has, or its consumers would be nobody's.
                self.sessions.entry(session).or_insert_with(|| Session::new(access));
                self.watch_deliveries();
            }
            Command::SetAccess { session, access } => self.set_access(session, access, effects),
            Command::SetPolicies(policies) => self.change_policies(policies, effects),
            Command::CloseSession { session, reply } => self.close_session(session, reply, effects),
            Command::Publish(batch) => self.publish(batch, effects),
            Command::Acknowledge { session, acknowledgements } => {
                self.acknowledge(session, acknowledgements, effects);
            }
            Command::Request { session, channel, request } => {
                self.request(session, channel, request, effects);
            }
            Command::Flushed { session, bytes } => self.flushed(session, bytes),
            Command::Loaded { load, through, messages, damaged, returns } => {
                self.loaded(Answer { load, through, messages, damaged, returns }, effects);
            }
        }
        self.serve_getters(effects);
        self.keep_order(first, effects);
        self.finish(least, most, effects);
    }

    /// Delivers what can be delivered, and lets dead letters go: between `least` and `most`, as the
    /// command gave them up.
    fn finish(&mut self, least: usize, most: usize, effects: &mut Effects) {
        self.dispatch_dirty(effects);
        self.let_happen_what_is_due(effects);
        if self.has_leaving() {
            self.work_off(least, most, effects);
            self.dispatch_dirty(effects);
        }
    }

    /// Goes on with a command that [`Effects::unfinished`] tells of.
    pub fn go_on(&mut self, effects: &mut Effects) {
        if let Some(unfinished) = effects.unfinished.take() {
            let first = effects.events.len();
            self.given_up = 0;
            self.publish_from(unfinished, effects);
            self.keep_order(first, effects);
            self.finish(0, limits::DEAD_LETTERS_OF_PUBLISH, effects);
        }
    }

    /// True if since the last call publishers were so far ahead of the consumers of a queue that
    /// its messages will soon have to go to disk, though they need not survive a restart. To let
    /// the consumers go first for a moment is then cheaper for everybody.
    pub fn take_pressed(&mut self) -> bool {
        std::mem::take(&mut self.is_pressed)
    }

    fn request(&mut self, id: SessionId, channel: u16, request: Request, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if matches!(request, Request::ChannelOpen) {
            if let Entry::Vacant(free) = session.channels.entry(channel) {
                free.insert(Channel::new(self.changes.channel_opened((id, channel))));
            }
            return;
        }
        // What a client sent before it learned that its channel was closed goes nowhere.
        let Some(state) = session.channels.get_mut(&channel) else { return };
        self.changes.channel((id, channel), state);
        let origin = request.origin();
        if let Err(refusal) = self.carry_out(id, channel, request, effects) {
            self.refuse(id, channel, refusal, origin, effects);
        }
    }

    fn carry_out(
        &mut self,
        id: SessionId,
        channel: u16,
        request: Request,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let at = (id, channel);
        match request {
            Request::ChannelOpen => {}
            Request::ChannelClose => self.client_closes_channel(at, effects),
            Request::ChannelFail(reason) => return Err(Error::MessageRefused { reason }.into()),
            Request::PublishFail { exchange, reason } => {
                self.check_may(id, Right::Write, Resource::Exchange(&exchange))?;
                self.check_published_to(&exchange)?;
                return Err(Error::MessageRefused { reason }.into());
            }
            Request::ExchangeDeclare { name, kind, declaration, arguments } => {
                self.declare_exchange(at, name, &kind, declaration, arguments, effects)?;
            }
            Request::ExchangeDelete { name, if_unused, no_wait } => {
                self.delete_exchange(at, &name, if_unused, no_wait, effects)?;
            }
            Request::QueueDeclare { name, generated, declaration, arguments } => {
                self.declare_queue(at, name, generated, declaration, arguments, effects)?;
            }
            Request::QueueDelete { name, if_unused, if_empty, no_wait } => {
                self.delete_queue(at, name, if_unused, if_empty, no_wait, effects)?;
            }
            Request::QueuePurge { name, no_wait } => {
                self.purge_queue(at, name, no_wait, effects)?;
            }
            Request::Bind { source, destination, routing_key, arguments, no_wait } => {
                let binding = self.binding(at, source, destination, routing_key, arguments)?;
                self.bind(at, &binding, no_wait, effects)?;
            }
            Request::Unbind { source, destination, routing_key, arguments, no_wait } => {
                let binding = self.binding(at, source, destination, routing_key, arguments)?;
                self.unbind(at, &binding, no_wait, effects)?;
            }
            Request::Qos { prefetch_count, global } => {
                self.qos(at, prefetch_count, global, effects);
            }
            Request::Consume(consume) => self.consume(at, consume, effects)?,
            Request::ConsumeReplies { consumer_tag, no_ack, no_wait, name } => {
                self.consume_replies(at, consumer_tag, no_ack, no_wait, name, effects)?;
            }
            Request::Cancel { consumer_tag, no_wait } => {
                self.cancel(at, consumer_tag, no_wait, effects);
            }
            Request::Get { queue, no_ack } => self.get(at, queue, no_ack)?,
            Request::Take { queue, places } => self.take(at, &queue, places, effects)?,
            Request::PauseQueue { queue, paused } => self.pause(at, &queue, paused, effects)?,
            Request::Nack { delivery_tag, multiple, requeue, .. } => {
                self.nack(at, delivery_tag, multiple, requeue, effects)?;
            }
            Request::Recover { requeue, no_wait } => {
                self.recover_channel(at, requeue, no_wait, effects)?;
            }
            Request::ConfirmSelect { no_wait } => self.confirm_select(at, no_wait, effects)?,
            Request::TxSelect => self.tx_select(at, effects)?,
            Request::TxCommit => self.tx_commit(at, effects)?,
            Request::TxRollback => self.tx_rollback(at, effects)?,
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        session: SessionId,
        channel: u16,
        refusal: Refusal,
        origin: Origin,
        effects: &mut Effects,
    ) {
        match refusal {
            Refusal::Channel(error) => {
                let waits = self.close_channel((session, channel), effects);
                let event = Event::ChannelError { channel, error: Box::new(error), origin };
                effects.send_after(waits, session, event);
            }
            Refusal::Session(error) => {
                self.end_session(session, effects);
                effects.send(session, Event::SessionError { error: Box::new(error), origin });
            }
        }
    }

    fn channel(&self, (session, channel): (SessionId, u16)) -> Option<&Channel> {
        self.sessions.get(&session)?.channels.get(&channel)
    }

    fn channel_mut(&mut self, (session, channel): (SessionId, u16)) -> Option<&mut Channel> {
        self.sessions.get_mut(&session)?.channels.get_mut(&channel)
    }

    fn close_session(&mut self, id: SessionId, reply: bool, effects: &mut Effects) {
        let waits = self.end_session(id, effects);
        if reply {
            effects.send_after(waits, id, Event::SessionClosed);
        }
    }

    /// Ends a session: its channels, then its exclusive queues. True if a reply must wait for the
    /// disk, as with a channel.
    fn end_session(&mut self, id: SessionId, effects: &mut Effects) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let mut channels: Vec<u16> = session.channels.keys().copied().collect();
        channels.sort_unstable();
        let mut waits = false;
        for channel in channels {
            waits |= self.close_channel((id, channel), effects);
        }
        if let Some(session) = self.sessions.remove(&id) {
            let mut exclusive: Vec<_> = session.exclusive_queues.into_iter().collect();
            exclusive.sort_unstable();
            for queue in exclusive {
                if planted::is(Bug::ExclusiveQueueStays) {
                    continue;
                }
                self.remove_queue(queue, effects);
            }
        }
        waits
    }

    fn client_closes_channel(&mut self, at: (SessionId, u16), effects: &mut Effects) {
        let waits = self.close_channel(at, effects);
        self.reply(at, Reply::ChannelCloseOk, waits, effects);
    }

    /// Ends a channel: its consumers go, what is unacknowledged returns to its place.
    ///
    /// True if the reply must wait for the disk: durable messages were settled on the channel, and
    /// whoever was told that it is closed must not get them again; or it has confirms, and those
    /// on their way must not reach a new channel with the same number.
    fn close_channel(&mut self, at: (SessionId, u16), effects: &mut Effects) -> bool {
        let Some(session) = self.sessions.get_mut(&at.0) else { return false };
        let Some(mut channel) = session.channels.remove(&at.1) else { return false };
        self.changes.channel_closed(at, channel.incarnation);
        self.holding.remove(&at);
        session.transaction_bytes -= channel.end_transaction();
        if let Some(replies) = &channel.replies {
            self.reply_consumers.remove(&replies.name);
        }
        // Requeue before consumers go: an auto-delete queue takes its messages with it.
        self.requeue(channel.unacknowledged.take_all(), effects);
        for (number, consumer) in std::mem::take(&mut channel.consumers) {
            let key = ConsumerKey { session: at.0, channel: at.1, number };
            self.changes.consumer_gone(number);
            self.leave_queue(consumer.queue, key, effects);
        }
        if planted::is(Bug::CloseBeforeSync) {
            return false;
        }
        channel.has_settled || channel.confirms.is_some()
    }

    fn reply(&self, at: (SessionId, u16), reply: Reply, durable: bool, effects: &mut Effects) {
        effects.send_after(durable, at.0, Event::Reply { channel: at.1, reply });
    }

    fn confirm_select(
        &mut self,
        at: (SessionId, u16),
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        if let Some(channel) = self.channel_mut(at) {
            if channel.transaction.is_some() {
                return Err(Error::ChannelMode { from: "tx", to: "confirm" });
            }
            channel.confirms.get_or_insert(0);
        }
        if !no_wait {
            self.reply(at, Reply::ConfirmSelectOk, false, effects);
        }
        Ok(())
    }

    fn flushed(&mut self, id: SessionId, bytes: usize) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let was_full = session.outbox_is_full();
        session.outbox_bytes = session.outbox_bytes.saturating_sub(bytes);
        if was_full && !session.outbox_is_full() {
            self.getters.push(id);
            self.unpark_session(id);
        }
    }

    fn loaded(&mut self, answer: Answer, effects: &mut Effects) {
        let lane = answer.load.queue;
        let id = lane.declared();
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if queue.is_stream() {
            return self.stream_loaded(answer, effects);
        }
        let before = queue.resident_bytes();
        if queue.leaving.awaits(&answer.load) {
            let lost = queue.leaving.loaded(answer);
            self.memory.changed(before, queue.resident_bytes());
            return self.leaving_loaded(id, lost, effects);
        }
        let load = answer.load.clone();
        let missing = queue.loaded(answer, self.now);
        self.memory.changed(before, queue.resident_bytes());
        let lost = missing.lost.len() as u64 + missing.unknown;
        if lost > 0 {
            queue.counted.rare().losses.lost += lost;
            self.changes.counters.losses.lost += lost;
        }
        for sequence in missing.lost {
            effects.lost.push((id, sequence));
            if queue.is_durable() {
                effects.settled(lane, sequence);
            }
            if queue.has_spilled {
                effects.settled(lane.spilled(), sequence);
            }
        }
        if missing.unknown > 0 {
            effects.vanished.push((id, missing.unknown));
        }
        self.give_up_expired(id, &missing.expired, effects);
        if let Some(through) = missing.picked_through {
            self.picked_loaded(id, &load, through, missing.picked, effects);
        }
        // What nobody picks any more is in its place again, and goes before what is younger.
        self.shed(id, effects);
        self.serve_waiting_gets(id, effects);
        self.serve_takes(id, effects);
        self.mark_dirty(id);
    }

    /// Changes what a queue has in memory, and keeps count of it.
    fn with_queue<T>(&mut self, id: QueueId, change: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let queue = self.queues.get_mut(&id)?;
        let before = queue.resident_bytes();
        self.changes.queue(queue);
        let result = change(queue);
        self.memory.changed(before, queue.resident_bytes());
        Some(result)
    }

    /// How much one queue may have in memory, by whether the store has the message that comes.
    fn shares(&self) -> Shares {
        Shares { stored: self.resident_max(true), in_memory: self.resident_max(false) }
    }

    /// How much one queue may have in memory when a message comes that survives a restart, or does
    /// not, in bytes.
    fn resident_max(&self, durable: bool) -> usize {
        self.memory.queue_max(durable, self.queues.len())
    }
}

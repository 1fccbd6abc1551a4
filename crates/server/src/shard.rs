//! An engine shard: one task that owns virtual hosts, whole, and hands on what follows from
//! commands. No locks, and it never waits for a connection; only for the committer, when the disk
//! is slower than the publishers.
//!
//! `simulation/src/node.rs` goes by the same rules: what changes here changes there.

mod table;
mod turns;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{error, info};
use warren_amqp::ReplyCode;
use warren_engine::{
    Access, Command, Effects, EndingHost, Event, Load, Milliseconds, Outgoing, Policies, SessionId,
    VirtualHost, VirtualHostId, Write,
};
use warren_storage::Loaded;

use crate::groups::{Group, Groups};
use crate::hosts::{Budget, HostSettings};
use crate::status::HostCounts;
use crate::view::Look;
use crate::{catalog, clock, limits};
use table::Table;
use turns::{Turn, Turns};

/// Where a session's events go. Unbounded, because the engine gives deliveries only as far as the
/// outbox has room, and everything else answers something that was read.
pub(crate) type Outbox = mpsc::UnboundedSender<ToConnection>;

/// What whoever has a session can be told.
#[derive(Debug)]
pub(crate) enum ToConnection {
    /// This has happened.
    Events(Vec<Event>),
    /// It is to end, with this code and text for the client.
    Close(ReplyCode, String),
    /// It may, or may not, publish in the name of others.
    MayImpersonate(bool),
}

/// What a shard can be told.
#[derive(Debug)]
pub(crate) enum ToShard {
    /// A client opened a virtual host of this shard.
    Open { session: SessionId, virtual_host: VirtualHostId, outbox: Outbox, access: Arc<Access> },
    /// Commands of one session, in order. The permit is given back when they are carried out: a
    /// session has only so many of these on the way.
    Commands(SessionId, Vec<Command>, Option<OwnedSemaphorePermit>),
    /// Contents that came from disk, for a virtual host.
    Loaded(VirtualHostId, Command),
    /// A question to a virtual host.
    Ask(VirtualHostId, Question),
    /// To be read from disk for somebody who looks, once all that was written so far is there.
    Read(Load, oneshot::Sender<Loaded>),
    /// Counts, for each virtual host.
    Summary(oneshot::Sender<Vec<HostCounts>>),
    /// Show what has changed.
    Observe(Look),
    /// A virtual host is here from now on. The answer comes when it takes sessions.
    Add(Box<VirtualHost>, oneshot::Sender<()>),
    /// A virtual host is deleted: it takes nothing more from now on, which is the answer, and what is
    /// in it goes piece by piece.
    Remove(VirtualHostId, oneshot::Sender<()>),
    /// Other settings hold for a virtual host.
    Configure(VirtualHostId, HostSettings, oneshot::Sender<()>),
    /// Other policies hold in a virtual host.
    SetPolicies(VirtualHostId, Arc<Policies>, oneshot::Sender<()>),
    /// Sessions may do this from now on. Some of them may be on their way to be opened.
    SetAccess(Vec<SessionId>, Arc<Access>, oneshot::Sender<()>),
    /// Hand on everything and end.
    Stop(oneshot::Sender<()>),
}

/// Something that is asked of a virtual host, and changes nothing that others notice.
pub(crate) struct Question(Box<dyn FnOnce(&mut VirtualHost) + Send>);

impl Question {
    pub(crate) fn new(question: impl FnOnce(&mut VirtualHost) + Send + 'static) -> Self {
        Self(Box::new(question))
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question(..)")
    }
}

/// A session, as the shard knows it.
#[derive(Debug)]
struct Client {
    virtual_host: VirtualHostId,
    outbox: Outbox,
    /// Events that set out at the end of the batch.
    events: Vec<Event>,
    /// Events that wait for the group that is being put together.
    committed: Vec<Event>,
    /// The session is closed: nothing comes after what is on its way.
    closed: bool,
}

pub(crate) struct Shard {
    inbox: mpsc::Receiver<ToShard>,
    hosts: Table,
    /// Deleted virtual hosts that are not gone yet.
    ending: VecDeque<EndingHost>,
    clients: FxHashMap<SessionId, Client>,
    /// What sessions ask for.
    turns: Turns,
    /// What sessions may do that are not open yet.
    early: FxHashMap<SessionId, Arc<Access>>,
    committer: Groups,
    effects: Effects,
    /// The time of the messages that are being carried out.
    now: Milliseconds,
    /// Permits of publishers that are held up, so that consumers catch up, and for how long.
    braked: Vec<OwnedSemaphorePermit>,
    brake_until: Option<Milliseconds>,
    /// Permits of those who publish much, until less waits for the disk.
    ahead_of_disk: Vec<OwnedSemaphorePermit>,
    /// Sessions with something in `events`, `committed` or `closed`.
    touched: Vec<SessionId>,
    /// Channels with a reply that waits for the disk, or with what is held behind one, and for
    /// which group. What comes after it on the channel waits too, so that all keep their order.
    held: FxHashMap<(SessionId, u16), u64>,
    /// What is to be read for those who look.
    reads: Vec<(Load, oneshot::Sender<Loaded>)>,
    /// The number of the last group that the committer was given.
    last_group: u64,
    /// The number of the last group whose events have been sent.
    done_group: Arc<AtomicU64>,
}

impl Shard {
    pub(crate) fn new(
        hosts: Vec<VirtualHost>,
        ending: VecDeque<EndingHost>,
        budget: Arc<Budget>,
        inbox: mpsc::Receiver<ToShard>,
        committer: Groups,
    ) -> Self {
        let mut table = Table::new(budget);
        hosts.into_iter().for_each(|host| table.add(host));
        table.settle();
        Self {
            inbox,
            hosts: table,
            ending,
            clients: FxHashMap::default(),
            turns: Turns::default(),
            early: FxHashMap::default(),
            committer,
            effects: Effects::default(),
            now: 0,
            braked: Vec::new(),
            brake_until: None,
            ahead_of_disk: Vec::new(),
            touched: Vec::new(),
            held: FxHashMap::default(),
            reads: Vec::new(),
            last_group: 0,
            done_group: Arc::default(),
        }
    }

    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(limits::SHARD_BATCH);
        let mut questions = Vec::new();
        while self.receive(&mut batch).await {
            let mut stop = None;
            for message in batch.drain(..) {
                match message {
                    ToShard::Commands(session, commands, permit) => {
                        self.turns.add(session, commands, permit);
                    }
                    ToShard::Stop(done) => stop = Some(done),
                    ToShard::Ask(..)
                    | ToShard::Read(..)
                    | ToShard::Summary(_)
                    | ToShard::Observe(_) => questions.push(message),
                    other => self.take(other),
                }
                if self.is_full() {
                    self.hand_on().await;
                }
            }
            if let Some(done) = stop {
                while self.serve().await {}
                self.hand_on().await;
                let _ = done.send(());
                return;
            }
            self.serve().await;
            // Whoever asks sees what was done before, unless there is too much of it.
            questions.drain(..).for_each(|question| self.take(question));
            self.keep_time();
            self.end_some();
            self.hosts.settle();
            self.hand_on().await;
        }
    }

    /// Takes what has come. If no session waits for its turn and nothing is due, waits until that
    /// changes. False when nobody is left who could ask for anything.
    async fn receive(&mut self, batch: &mut Vec<ToShard>) -> bool {
        let due = self.next_due();
        if !self.turns.is_empty() || due.is_some_and(|due| due <= self.now) {
            // Connections that have just been given something may wait for this very worker.
            tokio::task::yield_now().await;
            while batch.len() < limits::SHARD_BATCH
                && !self.turns.is_full()
                && let Ok(message) = self.inbox.try_recv()
            {
                batch.push(message);
            }
            self.now = clock::now();
            return true;
        }
        tokio::select! {
            biased;
            received = self.inbox.recv_many(batch, limits::SHARD_BATCH) => {
                if received == 0 {
                    return false;
                }
                self.now = clock::now();
            }
            () = clock::sleep_until(due) => self.now = clock::now(),
        }
        true
    }

    /// When there is something to do although nobody asks for anything.
    fn next_due(&self) -> Option<Milliseconds> {
        if !self.ending.is_empty() {
            return Some(self.now);
        }
        let due = self.hosts.next_due().map(|due| match self.committer.is_behind() {
            // It brings writes, and can wait better than those who would wait behind them.
            true => due.max(self.now + limits::BEHIND_PAUSE_MS),
            false => due,
        });
        let held_up = (!self.ahead_of_disk.is_empty()).then(|| self.now + limits::BEHIND_PAUSE_MS);
        [due, held_up, self.brake_until].into_iter().flatten().min()
    }

    /// Carries out what sessions ask for, one command of each in turn, so that one that asks for
    /// little does not wait for all that another has sent. Ends in time for what follows from it to
    /// be handed on; true if more waits.
    async fn serve(&mut self) -> bool {
        let begun = Instant::now();
        while let Some(Turn { session, command, permit, is_last, is_large }) = self.turns.next() {
            self.carry_out(session, command).await;
            if is_last {
                self.give_back(session, permit, is_large);
            }
            if begun.elapsed() >= limits::SHARD_SLICE {
                break;
            }
        }
        !self.turns.is_empty()
    }

    /// Carries out a command of a session.
    async fn carry_out(&mut self, session: SessionId, command: Command) {
        self.apply(session, command);
        while let Some(host) = self.unfinished_host(session) {
            self.hand_on().await;
            if let Some(host) = self.hosts.stir(host) {
                host.go_on(&mut self.effects);
            }
        }
        if self.is_full() {
            self.hand_on().await;
        }
    }

    /// Does what needs no waiting.
    fn take(&mut self, message: ToShard) {
        match message {
            ToShard::Open { session, virtual_host, outbox, access } => {
                self.open(session, virtual_host, outbox, access);
            }
            ToShard::Loaded(host, command) => self.apply_to(host, command),
            ToShard::Ask(host, Question(question)) => {
                if let Some(host) = self.hosts.stir(host) {
                    question(host);
                }
            }
            ToShard::Read(load, reply) => self.reads.push((load, reply)),
            ToShard::Summary(reply) => {
                let all = self.hosts.iter_mut().map(|(_, _, host)| HostCounts::of(host));
                // Whoever asked may be gone.
                let _ = reply.send(all.collect());
            }
            ToShard::Observe(look) => self.observe(look),
            ToShard::Add(host, done) => {
                self.hosts.add(*host);
                let _ = done.send(());
            }
            ToShard::Remove(host, done) => {
                self.ending.extend(self.hosts.remove(host).map(VirtualHost::end));
                let _ = done.send(());
            }
            ToShard::Configure(host, settings, done) => {
                if let Some(host) = self.hosts.stir(host) {
                    settings.apply_to(host);
                }
                let _ = done.send(());
            }
            ToShard::SetPolicies(host, policies, done) => {
                self.apply_to(host, Command::SetPolicies(policies));
                let _ = done.send(());
            }
            ToShard::SetAccess(sessions, access, done) => {
                for session in sessions {
                    self.set_access(session, &access);
                }
                let _ = done.send(());
            }
            // The loop does these.
            ToShard::Commands(..) | ToShard::Stop(_) => {}
        }
    }

    fn set_access(&mut self, session: SessionId, access: &Arc<Access>) {
        let access = Arc::clone(access);
        match self.clients.get(&session).map(|client| client.virtual_host) {
            Some(host) => self.apply_to(host, Command::SetAccess { session, access }),
            None => drop(self.early.insert(session, access)),
        }
    }

    /// Takes a step with a deleted virtual host.
    fn end_some(&mut self) {
        let Some(host) = self.ending.front_mut() else { return };
        if host.step(&mut self.effects) {
            let key = catalog::ending_key(host.id());
            self.effects.writes.push(Write::DefinitionDeleted { key });
            self.ending.pop_front();
        }
    }

    /// Shows a part of what has changed in the virtual hosts.
    fn observe(&mut self, look: Look) {
        let Look { number, is_new, mut seen, reply } = look;
        let mut spare = std::mem::take(&mut seen.changed).into_iter();
        let mut left = limits::LOOK_ITEMS;
        seen.has_more = false;
        for (id, name, host) in self.hosts.iter_mut() {
            seen.hosts.push((id, Arc::clone(name)));
            if is_new {
                host.observe_anew();
            }
            let mut shown = spare.next().map(|(_, shown)| shown).unwrap_or_default();
            seen.has_more |= host.observe(number, left, &mut shown);
            left -= shown.len().min(left);
            if !shown.is_empty() {
                seen.changed.push((id, shown));
            }
        }
        // The observer may have ended.
        let _ = reply.send(seen);
    }

    fn is_full(&self) -> bool {
        self.effects.events.len() + self.effects.writes.len() >= limits::SHARD_EFFECTS
    }

    fn open(
        &mut self,
        session: SessionId,
        virtual_host: VirtualHostId,
        outbox: Outbox,
        access: Arc<Access>,
    ) {
        let access = self.early.remove(&session).unwrap_or(access);
        self.clients.insert(
            session,
            Client {
                virtual_host,
                outbox,
                events: Vec::new(),
                committed: Vec::new(),
                closed: false,
            },
        );
        self.apply_to(virtual_host, Command::OpenSession { session, access });
    }

    fn apply(&mut self, session: SessionId, command: Command) {
        if self.brake_until.is_some() && matches!(command, Command::Flushed { .. }) {
            self.release_brake();
        }
        let Some(client) = self.clients.get_mut(&session) else {
            // It was never opened.
            self.early.remove(&session);
            return;
        };
        let host = client.virtual_host;
        if let Command::CloseSession { reply, .. } = command {
            client.closed = true;
            self.touched.push(session);
            if reply && !self.hosts.has(host) {
                // A deleted virtual host answers no more.
                client.events.push(Event::SessionClosed);
            }
        }
        self.apply_to(host, command);
    }

    /// The session's virtual host, if it has not done all of the last command.
    fn unfinished_host(&self, session: SessionId) -> Option<VirtualHostId> {
        self.effects.unfinished.as_ref()?;
        self.clients.get(&session).map(|client| client.virtual_host)
    }

    fn apply_to(&mut self, host: VirtualHostId, command: Command) {
        if let Some(host) = self.hosts.stir(host) {
            if host.now() < self.now {
                host.apply(Command::Clock(self.now), &mut self.effects);
            }
            host.apply(command, &mut self.effects);
        }
    }

    /// Lets a session's connection read on, now or in a moment.
    fn give_back(
        &mut self,
        session: SessionId,
        permit: Option<OwnedSemaphorePermit>,
        is_large: bool,
    ) {
        let host = self.clients.get(&session).map(|client| client.virtual_host);
        let host = host.and_then(|host| self.hosts.stir(host));
        if host.is_some_and(VirtualHost::take_pressed) {
            self.braked.extend(permit);
            self.brake_until.get_or_insert(self.now + limits::BRAKE_MS);
        } else if is_large && self.committer.is_behind() {
            self.ahead_of_disk.extend(permit);
        }
    }

    fn release_brake(&mut self) {
        self.braked.clear();
        self.brake_until = None;
    }

    /// Lets happen what is due, also while there is no pause in the work; a part of it, if there is
    /// much, and nothing while much waits for the disk.
    fn keep_time(&mut self) {
        if self.brake_until.is_some_and(|until| until <= self.now) {
            self.release_brake();
        }
        if self.committer.is_behind() {
            return;
        }
        self.ahead_of_disk.clear();
        self.hosts.settle();
        let begun = Instant::now();
        while let Some(host) = self.hosts.take_due(self.now) {
            host.apply(Command::Clock(self.now), &mut self.effects);
            self.hosts.settle();
            if self.is_full() || begun.elapsed() >= limits::SHARD_SLICE {
                break;
            }
        }
    }

    /// Hands on what has come together: events to sessions, writes and wishes to the committer.
    async fn hand_on(&mut self) {
        if self.effects.is_empty() && self.touched.is_empty() && self.reads.is_empty() {
            return;
        }
        for (queue, sequence) in self.effects.lost.drain(..) {
            error!(queue.id = queue.0, sequence, "a message could not be read back and is lost");
        }
        for (queue, messages) in self.effects.vanished.drain(..) {
            error!(queue.id = queue.0, messages, "messages are missing from the store's index");
        }
        self.effects.dead_lettered.clear();
        self.effects.departed.clear();
        self.effects.refused.clear();
        for argument in self.effects.without_effect.drain(..) {
            info!(argument, "a client sends an argument that has no effect here");
        }
        let group = self.last_group + 1;
        self.sort_events(group);
        let mut committed = Vec::new();
        for session in std::mem::take(&mut self.touched) {
            let Some(client) = self.clients.get_mut(&session) else { continue };
            if !client.events.is_empty() {
                // A session that is gone needs no events.
                let _ =
                    client.outbox.send(ToConnection::Events(std::mem::take(&mut client.events)));
            }
            if !client.committed.is_empty() {
                committed.push((client.outbox.clone(), std::mem::take(&mut client.committed)));
            }
            if client.closed {
                self.clients.remove(&session);
                self.held.retain(|(held, _), _| *held != session);
            }
        }
        let Effects { writes, loads, .. } = &mut self.effects;
        let reads = std::mem::take(&mut self.reads);
        if writes.is_empty() && loads.is_empty() && committed.is_empty() && reads.is_empty() {
            return;
        }
        self.last_group = group;
        let (writes, loads) = (std::mem::take(writes), std::mem::take(loads));
        let done = (Arc::clone(&self.done_group), group);
        let group = Group { writes, loads, reads, committed, done, ..Group::default() };
        self.committer.send(group).await;
    }

    /// Gives each event to its session, at once or with the group.
    fn sort_events(&mut self, group: u64) {
        if !self.held.is_empty() {
            let done = self.done_group.load(Ordering::Acquire);
            self.held.retain(|_, group| *group > done);
        }
        let mut last: Option<(SessionId, &mut Client)> = None;
        for Outgoing { session, event, after_commit } in self.effects.events.drain(..) {
            let is_held = is_held(&self.held, session, &event);
            let waits = after_commit || is_held;
            // Whatever is held holds what follows, as it leaves with a later group than the reply.
            if (is_held || (waits && matches!(event, Event::Reply { .. })))
                && let Some(channel) = event.channel()
            {
                self.held.insert((session, channel), group);
            }
            let client = match last {
                Some((same, client)) if same == session => client,
                _ => match self.clients.get_mut(&session) {
                    Some(client) => client,
                    None => {
                        last = None;
                        continue;
                    }
                },
            };
            if client.events.is_empty() && client.committed.is_empty() {
                self.touched.push(session);
            }
            let list = if waits { &mut client.committed } else { &mut client.events };
            list.push(event);
            last = Some((session, client));
        }
    }
}

fn is_held(held: &FxHashMap<(SessionId, u16), u64>, session: SessionId, event: &Event) -> bool {
    if held.is_empty() {
        return false;
    }
    match event.channel() {
        Some(channel) => held.contains_key(&(session, channel)),
        None => held.keys().any(|(other, _)| *other == session),
    }
}

#[cfg(test)]
mod tests;

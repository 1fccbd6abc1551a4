//! The broker as the server puts it together, a step at a time: the shard here, the committer, the
//! loader and the checkpoint in `committer.rs`. The rules are those of the server's `shard.rs`:
//! events that wait for nothing leave at the end of a batch, the others with their group; while a
//! reply of a channel waits, all that follows on the channel waits too. The turns that sessions take
//! in the server are not here: the seed decides whose command comes next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use warren_engine::{
    Access, Command, Departed, Effects, Event, Load, Milliseconds, Outgoing, QueueId,
    RecoveredQueue, SessionId, VirtualHost, VirtualHostId, Write,
};
use warren_storage::fault::SimulatedDisk;
use warren_storage::{Checkpointer, Log, Moves, Opened, Options, Reader, open_on};

use crate::committer::{Checkpoint, Group, Unsynced};
use crate::messages::{deaths_of, id_of};
use crate::model::{Found, FoundMessage, Model, Refused, Said};
use crate::names::is_stream;
use crate::policies::PolicySet;
use crate::trace::Trace;
use crate::world::Profile;
use crate::{Counts, Violation, limits};

pub(crate) const HOST: VirtualHostId = VirtualHostId(1);

/// What is noted about a run while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
}

/// A session, as the shard knows it.
#[derive(Debug, Default)]
pub(crate) struct ShardClient {
    events: Vec<Event>,
    committed: Vec<Event>,
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) host: VirtualHost,
    /// All queues since the start: a command may tell of one that is gone when it ends.
    queue_names: BTreeMap<QueueId, String>,
    pub(crate) log: Log,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) reader: Reader,
    /// Commands on their way to the shard.
    pub(crate) inbox: VecDeque<Command>,
    effects: Effects,
    clients: BTreeMap<SessionId, ShardClient>,
    touched: Vec<SessionId>,
    held: BTreeMap<(SessionId, u16), u64>,
    last_group: u64,
    pub(crate) done_group: u64,
    /// Groups on their way to the committer.
    pub(crate) groups: VecDeque<Group>,
    /// Events on their way to clients. The entry of a client that is gone is gone.
    pub(crate) outboxes: BTreeMap<SessionId, VecDeque<Event>>,
    /// Wishes on their way to the loader.
    pub(crate) loads: VecDeque<Load>,
    pub(crate) checkpoint: Checkpoint,
    /// Writes were appended that are not flushed.
    pub(crate) unwritten: bool,
    /// There is news for a checkpoint.
    pub(crate) changed: bool,
    /// All up to this command of the model is appended to the log.
    pub(crate) appended_op: u64,
    /// Groups that the committer has appended and not let go.
    pub(crate) taken: Vec<Group>,
    /// The log waits for room.
    pub(crate) waits: bool,
    /// The checkpoint waits for room.
    pub(crate) checkpoint_waits: bool,
    pub(crate) unsynced: Unsynced,
    /// Messages on their way to the committer, to be written anew.
    pub(crate) moves: Option<Moves>,
    /// Places that could not be read.
    pub(crate) damage_told: usize,
    pub(crate) failed: Option<String>,
    /// No command was carried out since the start.
    pub(crate) is_fresh: bool,
}

/// Options of the store for short runs.
fn options() -> Options {
    Options {
        segment_bytes: limits::SEGMENT_BYTES,
        spare_segments: limits::SPARE_SEGMENTS,
        reserve_bytes: limits::RESERVE_BYTES,
        cache_bytes: limits::CACHE_BYTES,
        checkpoint_bytes: limits::CHECKPOINT_BYTES,
        log_key: 0x5eed,
    }
}

impl Node {
    /// Opens the store and gives what it holds beside the broker.
    pub(crate) fn open(
        disk: &SimulatedDisk,
        profile: &Profile,
        policies: &PolicySet,
    ) -> Result<(Self, Found), warren_storage::Error> {
        let opened = open_on(Arc::new(disk.clone()), options())?;
        let Opened { log, checkpointer, reader, recovered, report } = opened;
        let mut found = Found::default();
        for queue in &recovered.queues {
            let messages = read_all(&reader, queue, &mut found.rotten)?;
            found.queues.push((queue.record.clone(), messages));
            found.next_places.push((queue.record.name.clone(), queue.next_sequence));
        }
        found.exchanges = recovered.exchanges.iter().map(|(_, record)| record.clone()).collect();
        found.bindings = recovered.bindings.iter().map(|(_, record)| record.clone()).collect();
        found.damaged = report.damaged.iter().map(|damage| format!("{damage:?}")).collect();
        let mut host = VirtualHost::recover(HOST, "/", &recovered);
        host.set_memory_limits(profile.memory);
        host.set_consumer_timeout(profile.consumer_timeout);
        host.set_policies(policies.compiled());
        let mut node = Self {
            host,
            queue_names: BTreeMap::new(),
            log,
            checkpointer,
            reader,
            inbox: VecDeque::new(),
            effects: Effects::default(),
            clients: BTreeMap::new(),
            touched: vec![],
            held: BTreeMap::new(),
            last_group: 0,
            done_group: 0,
            groups: VecDeque::new(),
            outboxes: BTreeMap::new(),
            loads: VecDeque::new(),
            checkpoint: Checkpoint::Idle,
            unwritten: false,
            changed: false,
            appended_op: 0,
            taken: vec![],
            waits: false,
            checkpoint_waits: false,
            unsynced: Unsynced::default(),
            moves: None,
            damage_told: 0,
            failed: None,
            is_fresh: true,
        };
        node.note_queues();
        Ok((node, found))
    }

    /// A client's connection has opened the virtual host.
    pub(crate) fn connect(&mut self, session: SessionId) {
        self.outboxes.insert(session, VecDeque::new());
        let access = Arc::new(Access::everything("guest"));
        self.inbox.push_back(Command::OpenSession { session, access });
    }

    /// The shard takes some commands, then hands on what follows from them.
    pub(crate) fn shard_step(
        &mut self,
        commands: usize,
        now: Milliseconds,
        model: &mut Model,
        notes: &mut Notes,
    ) -> Result<(), Violation> {
        for _ in 0..commands {
            let Some(command) = self.inbox.pop_front() else { break };
            if self.host.now() < now {
                self.apply(&Command::Clock(now), model, notes)?;
            }
            self.apply(&command, model, notes)?;
            // The simulation's batches are too small for it, but this is the rule.
            while self.effects.unfinished.is_some() {
                self.hand_on(model);
                self.host.go_on(&mut self.effects);
            }
        }
        self.hand_on(model);
        Ok(())
    }

    /// The shard lets happen what is due.
    pub(crate) fn tick(
        &mut self,
        now: Milliseconds,
        model: &mut Model,
        notes: &mut Notes,
    ) -> Result<(), Violation> {
        for _ in 0..limits::REST_STEPS_MAX {
            if self.groups.len() >= limits::COMMITTER_INBOX
                || self.host.next_due().is_none_or(|due| due > now)
            {
                return Ok(());
            }
            self.apply(&Command::Clock(now), model, notes)?;
            self.hand_on(model);
        }
        Err(Violation::new("P12", "time is wanted again and again"))
    }

    fn apply(
        &mut self,
        command: &Command,
        model: &mut Model,
        notes: &mut Notes,
    ) -> Result<(), Violation> {
        match command {
            Command::OpenSession { session, .. } => {
                self.clients.insert(*session, ShardClient::default());
            }
            Command::CloseSession { session, .. } => {
                let Some(client) = self.clients.get_mut(session) else { return Ok(()) };
                client.closed = true;
                self.touched.push(*session);
            }
            Command::Acknowledge { session, .. }
            | Command::Request { session, .. }
            | Command::SetAccess { session, .. }
            | Command::Flushed { session, .. } => {
                if !self.clients.contains_key(session) {
                    return Ok(());
                }
            }
            Command::Publish(batch) => {
                if !self.clients.contains_key(&batch.session) {
                    return Ok(());
                }
            }
            Command::Clock(_) | Command::Loaded { .. } | Command::SetPolicies(_) => {}
        }
        let events = self.effects.events.len();
        let (writes, last) = (self.effects.writes.len(), self.effects.writes.last().cloned());
        self.host.apply(command.clone(), &mut self.effects);
        notes.counts.commands += 1;
        self.is_fresh = false;
        if let Command::Publish(batch) = command {
            notes.counts.published += batch.publishes.len() as u64;
        }
        note_events(self.effects.events.get(events..).unwrap_or_default(), notes);
        self.note_queues();
        let mut said = self.said(writes, last.as_ref());
        if let Some((queue, messages)) = self.effects.vanished.first() {
            let text = format!("{messages} messages of queue {} are not there", queue.counter());
            return Err(Violation::new("P1", text));
        }
        for (queue, sequence) in self.effects.lost.drain(..) {
            notes.counts.lost += 1;
            model.told_lost(&format!("message {sequence} of queue {}", queue.counter()))?;
        }
        self.note_departed(&mut said, notes);
        let checked = self.host.check_invariants();
        checked.map_err(|text| Violation::new("invariant", text))?;
        let events = self.effects.events.get(events..).unwrap_or_default();
        said.dead_lettered = std::mem::take(&mut self.effects.dead_lettered).into();
        model.apply(command, events, said)?;
        model.check_summary(&self.host.summary())
    }

    /// The queues that a command left, whatever the next ones do to them.
    fn note_queues(&mut self) {
        for (id, name) in self.host.queue_names() {
            self.queue_names.entry(id).or_insert_with(|| name.to_owned());
        }
    }

    fn queue_name(&self, id: QueueId) -> Option<&str> {
        self.queue_names.get(&id).map(String::as_str)
    }

    /// What left queues, or did not enter them.
    fn note_departed(&mut self, said: &mut Said, notes: &mut Notes) {
        for departed in self.effects.departed.drain(..) {
            let (count, name) = match &departed {
                Departed::Expired(id, _) => (&mut notes.counts.expired, self.queue_names.get(id)),
                Departed::Dropped(id, _) => (&mut notes.counts.dropped, self.queue_names.get(id)),
                Departed::Unused(_, name) => (&mut notes.counts.expired, Some(name)),
            };
            *count += 1;
            let name = name.cloned().unwrap_or_default();
            notes.trace.line(format_args!("  {name}: {departed:?}"));
            said.departed.entry(name).or_default().push_back(departed);
        }
        for (id, message) in self.effects.refused.drain(..) {
            notes.counts.refused += 1;
            let name = self.queue_names.get(&id).cloned().unwrap_or_default();
            let id = id_of(&message).unwrap_or_default();
            notes.trace.line(format_args!("  {name} refuses message {id}"));
            let deaths = deaths_of(&message);
            said.refused.push(Refused { queue: name, message: id, deaths });
        }
    }

    /// What the writes of a command say: those behind the first `before` ones, and what was joined to
    /// the last of these.
    fn said(&self, before: usize, last: Option<&Write>) -> Said {
        let mut said = Said::default();
        if let (Some(Write::Settled { last: old, .. }), Some(at)) = (last, before.checked_sub(1))
            && let Some(Write::Settled { queue, last, .. }) = self.effects.writes.get(at)
            && last > old
        {
            self.note_settled(*queue, old + 1, *last, &mut said);
        }
        for write in self.effects.writes.iter().skip(before) {
            self.note_write(write, &mut said);
        }
        said
    }

    fn note_write(&self, write: &Write, said: &mut Said) {
        match write {
            Write::Together(parts) => parts.iter().for_each(|part| self.note_write(part, said)),
            Write::Settled { queue, first, last } => self.note_settled(*queue, *first, *last, said),
            // Dead letters are written anew; the first time counts.
            Write::Enqueued { message, queues } if deaths_of(message).is_empty() => {
                let Some(id) = id_of(message) else { return };
                let names =
                    queues.iter().filter_map(|(queue, _)| self.queue_name(queue.declared()));
                said.written.entry(id).or_insert_with(|| names.map(str::to_owned).collect());
            }
            _ => {}
        }
    }

    fn note_settled(&self, queue: QueueId, first: u64, last: u64, said: &mut Said) {
        let name = self.queue_name(queue).filter(|name| is_stream(name));
        said.let_go.extend(name.map(|name| (name.to_owned(), first, last)));
    }

    /// Hands on what has come together: events to sessions, writes and wishes to the committer.
    fn hand_on(&mut self, model: &Model) {
        let group = self.last_group + 1;
        self.sort_events(group);
        let mut committed = Vec::new();
        for session in std::mem::take(&mut self.touched) {
            let Some(client) = self.clients.get_mut(&session) else { continue };
            if let Some(outbox) = self.outboxes.get_mut(&session) {
                outbox.extend(client.events.drain(..));
            }
            client.events.clear();
            if !client.committed.is_empty() {
                committed.push((session, std::mem::take(&mut client.committed)));
            }
            if client.closed {
                self.clients.remove(&session);
                self.held.retain(|(held, _), _| *held != session);
            }
        }
        let Effects { writes, loads, .. } = &mut self.effects;
        if writes.is_empty() && loads.is_empty() && committed.is_empty() {
            return;
        }
        self.last_group = group;
        let (writes, loads) = (std::mem::take(writes), std::mem::take(loads));
        self.groups.push_back(Group { number: group, op: model.op, writes, loads, committed });
    }

    /// Gives each event to its session, at once or with the group.
    fn sort_events(&mut self, group: u64) {
        let done = self.done_group;
        self.held.retain(|_, group| *group > done);
        for Outgoing { session, event, after_commit } in self.effects.events.drain(..) {
            let is_held = is_held(&self.held, session, &event);
            let waits = after_commit || is_held;
            if (is_held || (waits && matches!(event, Event::Reply { .. })))
                && let Some(channel) = event.channel()
            {
                self.held.insert((session, channel), group);
            }
            let Some(client) = self.clients.get_mut(&session) else { continue };
            if client.events.is_empty() && client.committed.is_empty() {
                self.touched.push(session);
            }
            let list = if waits { &mut client.committed } else { &mut client.events };
            list.push(event);
        }
    }

    /// True if nothing is on its way anywhere.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.inbox.is_empty()
            && self.groups.is_empty()
            && self.taken.is_empty()
            && self.moves.is_none()
            && self.loads.is_empty()
            && !self.unwritten
            && self.outboxes.values().all(VecDeque::is_empty)
    }
}

fn is_held(held: &BTreeMap<(SessionId, u16), u64>, session: SessionId, event: &Event) -> bool {
    match event.channel() {
        Some(channel) => held.contains_key(&(session, channel)),
        None => held.keys().any(|(other, _)| *other == session),
    }
}

/// The numbers of all messages that wait in a queue, as the loader would get them, and whether
/// they were delivered before. A message that cannot be read is missed by the comparison.
fn read_all(
    reader: &Reader,
    queue: &RecoveredQueue,
    rotten: &mut usize,
) -> Result<Vec<FoundMessage>, warren_storage::Error> {
    let id = queue.record.id;
    let mut lanes = vec![(id, queue.delivered_through)];
    lanes.extend(queue.lanes.iter().map(|lane| (id.lane(lane.lane), lane.delivered_through)));
    let mut found = BTreeMap::new();
    for (lane, delivered) in lanes {
        read_lane(reader, lane, delivered, rotten, &mut found)?;
    }
    Ok(found.into_values().collect())
}

fn read_lane(
    reader: &Reader,
    queue: QueueId,
    delivered: u64,
    rotten: &mut usize,
    found: &mut BTreeMap<u64, FoundMessage>,
) -> Result<(), warren_storage::Error> {
    let mut first = 1;
    loop {
        let load = Load { queue, first, last: u64::MAX, messages_max: u32::MAX, only: None };
        let loaded = reader.load(&load, 64 << 10)?;
        *rotten += loaded.damaged.len();
        found.extend(loaded.messages.iter().filter_map(|(sequence, message)| {
            let counted = loaded.returns.iter().find(|(place, _)| place == sequence);
            let returns = counted.map_or(0, |(_, count)| *count);
            let (deaths, delivered) = (deaths_of(message), *sequence <= delivered);
            let id = id_of(message)?;
            Some((*sequence, FoundMessage { id, delivered, returns, deaths }))
        }));
        if loaded.through == u64::MAX || loaded.through < first {
            return Ok(());
        }
        first = loaded.through + 1;
    }
}

fn note_events(events: &[Outgoing], notes: &mut Notes) {
    let Notes { trace, counts } = notes;
    for Outgoing { session, event, after_commit } in events {
        let (after, session) = (if *after_commit { "after commit " } else { "" }, session.0);
        match event {
            Event::Deliver { channel, consumer, delivery_tag, redelivered, message } => {
                counts.delivered += 1;
                counts.redelivered += u64::from(*redelivered);
                let id = id_of(message).unwrap_or_default();
                trace.line(format_args!(
                    "  -> {after}s{session}.{channel} deliver {consumer} tag {delivery_tag} \
                     message {id} redelivered {redelivered}"
                ));
            }
            Event::DeliverFromStream { channel, consumer, delivery_tag, offset, message } => {
                counts.delivered += 1;
                let id = id_of(message).unwrap_or_default();
                trace.line(format_args!(
                    "  -> {after}s{session}.{channel} deliver {consumer} tag {delivery_tag} \
                     message {id} at {offset}"
                ));
            }
            Event::GetOk { channel, delivery_tag, redelivered, message, message_count } => {
                counts.delivered += 1;
                counts.redelivered += u64::from(*redelivered);
                let id = id_of(message).unwrap_or_default();
                trace.line(format_args!(
                    "  -> {after}s{session}.{channel} get-ok tag {delivery_tag} message {id} \
                     redelivered {redelivered}, {message_count} left"
                ));
            }
            Event::Return { channel, message } => {
                let id = id_of(message).unwrap_or_default();
                trace.line(format_args!("  -> {after}s{session}.{channel} return message {id}"));
            }
            Event::ChannelError { channel, error, .. } => {
                trace.line(format_args!("  -> {after}s{session}.{channel} error {error}"));
            }
            Event::Confirm { .. }
            | Event::Taken { .. }
            | Event::Refused { .. }
            | Event::Reply { .. }
            | Event::ConsumerCancelled { .. }
            | Event::SessionError { .. }
            | Event::SessionClosed => {
                trace.line(format_args!("  -> {after}s{session} {event:?}"));
            }
        }
    }
}

//! The world of one run: a broker, its clients, its disk, and a scheduler that draws from the seed
//! what happens next.

use warren_engine::{Command, Event, MemoryLimits, Milliseconds, SessionId};
use warren_storage::fault::SimulatedDisk;

use crate::client::Client;
use crate::committer::Checkpoint;
use crate::generate::{Asking, Wish};
use crate::model::Model;
use crate::names::{LIMITED, QUEUES};
use crate::node::{Node, Notes};
use crate::policies::{Drawing, PolicySet};
use crate::random::Random;
use crate::settings::is_timed;
use crate::{Outcome, Violation, limits};

/// One thing that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A client asks for something.
    Ask,
    /// The shard takes a batch.
    Shard,
    /// The committer takes groups.
    Commit,
    Load,
    Checkpoint,
    Housekeep,
    /// A policy is set, changed or taken away.
    Policy,
    /// Time passes.
    Tick,
    /// A client reads what came for it.
    Receive,
    /// A client's connection breaks.
    Die,
    Fault,
}

/// What a run is like: each is different, so that some are all about one thing.
#[derive(Debug, Clone)]
pub struct Profile {
    pub(crate) steps: usize,
    pub(crate) clients: usize,
    pub(crate) wishes: Vec<(u32, Wish)>,
    steps_weights: [(u32, Step); 11],
    /// The names of queues that clients use.
    pub(crate) queues: Vec<&'static str>,
    pub(crate) persistent_percent: usize,
    pub(crate) default_exchange_percent: usize,
    pub(crate) body_bytes_max: usize,
    pub(crate) batch_max: usize,
    pub(crate) load_bytes_max: usize,
    pub(crate) memory: MemoryLimits,
    /// Messages that have an expiration of their own.
    pub(crate) expiration_percent: usize,
    /// Times that may pass at once, in milliseconds.
    pub(crate) tick_max: usize,
    /// Deliveries may not stay unacknowledged for as long as they like. Nothing expires in such a
    /// run: what comes first of two things that the time brings is not told.
    pub(crate) times_out: bool,
    /// How long they may stay where nobody says so.
    pub(crate) consumer_timeout: Option<Milliseconds>,
    /// Much goes to the exchange that chooses by chance: a choice that is always the same is seen
    /// only after many.
    pub(crate) favours_chance: bool,
}

impl Profile {
    fn draw(random: &mut Random) -> Self {
        let wishes = draw_wishes(random);
        let factor = |random: &mut Random| random.pick(&[1, 2, 4, 8]).unwrap_or(2);
        let policies = random.pick(&[0, 0, 1, 4]).unwrap_or_default();
        let faults = random.pick(&[0, 1, 2, 6]).unwrap_or_default();
        let steps_weights = [
            (120, Step::Ask),
            (30 * factor(random), Step::Shard),
            (20 * factor(random), Step::Commit),
            (10 * factor(random), Step::Load),
            (3 * factor(random), Step::Checkpoint),
            (2 * factor(random), Step::Housekeep),
            (policies, Step::Policy),
            (5 * factor(random), Step::Tick),
            (30 * factor(random), Step::Receive),
            (factor(random) / 2, Step::Die),
            (faults, Step::Fault),
        ];
        let times_out = random.percent(25);
        let queues = draw_queues(random, times_out);
        let expiration_percent = random.pick(&[0, 0, 5, 20, 60]).unwrap_or_default();
        Self {
            steps: random.between(limits::STEPS_MIN, limits::STEPS_MAX),
            clients: random.between(1, limits::CLIENTS_MAX),
            wishes,
            steps_weights,
            queues,
            persistent_percent: random.pick(&[50, 80, 100]).unwrap_or(80),
            default_exchange_percent: random.pick(&[20, 50, 90]).unwrap_or(50),
            body_bytes_max: random.pick(&[16, 100, 300]).unwrap_or(100),
            batch_max: random.between(1, 8),
            load_bytes_max: random.pick(&[1, 200, 2_000, 100_000]).unwrap_or(2_000),
            memory: draw_memory(random),
            expiration_percent: if times_out { 0 } else { expiration_percent },
            tick_max: random.pick(&[5, 50, 500]).unwrap_or(50),
            times_out,
            consumer_timeout: random.pick(&[0, 0, 300, 1_500]).filter(|ms| times_out && *ms > 0),
            // The same numbers go on as without it.
            favours_chance: random.clone().percent(15),
        }
    }

    /// No content need go to disk.
    pub(crate) fn keeps_all_in_memory(&self) -> bool {
        let MemoryLimits { queue_bytes, transient_queue_bytes, .. } = self.memory;
        queue_bytes.min(transient_queue_bytes) >= limits::MEMORY_BYTES
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) profile: Profile,
    pub(crate) disk: SimulatedDisk,
    pub(crate) node: Option<Node>,
    pub(crate) model: Model,
    pub(crate) clients: Vec<Client>,
    pub(crate) last_session: u64,
    pub(crate) notes: Notes,
    /// Steps until a full disk has room again; 0 if it is not full.
    pub(crate) room_in: usize,
    /// There may be damage to be told of: a hole that a power cut left in the log, or a message
    /// that was damaged.
    pub(crate) holes: bool,
    /// Steps until a broker whose store has failed ends.
    pub(crate) ends_in: usize,
    pub(crate) now: Milliseconds,
    /// All that were asked for: the broker keeps them elsewhere, and a restart finds them.
    pub(crate) policies: PolicySet,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let profile = Profile::draw(&mut random);
        let model = Model::new(&profile);
        Self {
            clients: (0..profile.clients).map(|_| Client::default()).collect(),
            random,
            profile,
            disk: SimulatedDisk::new(),
            node: None,
            model,
            last_session: 0,
            notes: Notes::default(),
            room_in: 0,
            holes: false,
            ends_in: 0,
            now: limits::FIRST_TIME,
            policies: PolicySet::default(),
        }
    }

    pub(crate) fn outcome(self, seed: u64, violation: Option<Violation>) -> Outcome {
        let Notes { trace, counts } = self.notes;
        Outcome { seed, hash: trace.hash(), violation, tail: trace.into_tail(), counts }
    }

    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        self.notes.trace.line(format_args!("{:?}", self.profile));
        self.reopen()?;
        for _ in 0..self.profile.steps {
            self.step()?;
            self.after_step()?;
        }
        self.finish()
    }

    fn step(&mut self) -> Result<(), Violation> {
        let Some(node) = &self.node else { return Ok(()) };
        let mut weights = self.profile.steps_weights;
        for (weight, step) in &mut weights {
            let possible = match step {
                Step::Ask | Step::Policy => {
                    node.inbox.len() < limits::INBOX_MAX && node.failed.is_none()
                }
                Step::Shard => {
                    !node.inbox.is_empty() && node.groups.len() < limits::COMMITTER_INBOX
                }
                Step::Commit => node.has_work(),
                Step::Load => !node.loads.is_empty(),
                Step::Checkpoint => node.may_checkpoint(),
                Step::Receive => node.outboxes.values().any(|outbox| !outbox.is_empty()),
                Step::Housekeep | Step::Tick | Step::Die | Step::Fault => true,
            };
            if !possible {
                *weight = 0;
            }
        }
        self.notes.counts.steps += 1;
        match self.random.weighted(&weights) {
            None => Ok(()),
            Some(step) => self.take(step),
        }
    }

    fn take(&mut self, step: Step) -> Result<(), Violation> {
        match step {
            Step::Ask => {
                let slot = self.random.below(self.clients.len());
                self.ask(slot);
                Ok(())
            }
            Step::Shard => {
                let most = 1 + self.random.below(8);
                self.shard(most)
            }
            Step::Commit => {
                let take = self.random.between(1, limits::COMMITTER_INBOX);
                let late = self.random.percent(20);
                self.commit(take, late);
                Ok(())
            }
            Step::Load => {
                self.load();
                Ok(())
            }
            Step::Checkpoint => {
                self.checkpoint();
                Ok(())
            }
            Step::Housekeep => {
                self.housekeep();
                Ok(())
            }
            Step::Policy => {
                self.change_policies();
                Ok(())
            }
            Step::Tick => {
                let most = self.random.pick(&[1, 1, self.profile.tick_max]).unwrap_or(1);
                self.now += self.random.below(most + 1) as Milliseconds;
                self.notes.trace.line(format_args!("it is {}", self.now));
                self.tick()
            }
            Step::Receive => {
                let slot = self.random.below(self.clients.len());
                let most = 1 + self.random.below(20);
                self.receive(slot, most).map(drop)
            }
            Step::Die => {
                let slot = self.random.below(self.clients.len());
                self.die(slot);
                Ok(())
            }
            Step::Fault => self.fault(),
        }
    }

    /// A policy is set, changed or taken away.
    fn change_policies(&mut self) {
        let Some(node) = &mut self.node else { return };
        let (random, times_out) = (&mut self.random, self.profile.times_out);
        Drawing { random, times_out }.change(&mut self.policies);
        self.notes.counts.policies += 1;
        self.notes.trace.line(format_args!("policies are {:?}", self.policies));
        self.model.policies_asked(self.policies.clone());
        node.inbox.push_back(Command::SetPolicies(self.policies.compiled()));
    }

    /// A client connects, or asks for something.
    fn ask(&mut self, slot: usize) {
        let (Some(node), Some(client)) = (&mut self.node, self.clients.get_mut(slot)) else {
            return;
        };
        let Some(session) = client.session else {
            self.last_session += 1;
            let session = SessionId(self.last_session);
            client.session = Some(session);
            self.notes.trace.line(format_args!("client {slot} connects as s{}", session.0));
            return node.connect(session);
        };
        let mut asking = Asking {
            random: &mut self.random,
            profile: &self.profile,
            model: &mut self.model,
            slot,
            session,
            now: self.now,
        };
        if let Some(command) = asking.command(client) {
            self.notes.trace.line(format_args!("client {slot} asks {}", brief(&command)));
            node.inbox.push_back(command);
        }
    }

    /// With nothing on its way and nothing due, queues have no more than they may. A broker that has
    /// just started need not have looked, and one whose store has failed waits for answers in vain.
    pub(crate) fn check_at_rest(&self) -> Result<(), Violation> {
        let Some(node) = &self.node else { return Ok(()) };
        let is_due = node.host.next_due().is_some_and(|due| due <= self.now);
        if is_due || node.is_fresh || node.failed.is_some() || !node.is_at_rest() {
            return Ok(());
        }
        self.model.check_limits()
    }

    pub(crate) fn shard(&mut self, most: usize) -> Result<(), Violation> {
        let Some(node) = &mut self.node else { return Ok(()) };
        self.notes.trace.line(format_args!("shard takes {}", most.min(node.inbox.len())));
        node.shard_step(most, self.now, &mut self.model, &mut self.notes)
    }

    /// The broker does what is due, as its timer wakes it.
    pub(crate) fn tick(&mut self) -> Result<(), Violation> {
        let Some(node) = &mut self.node else { return Ok(()) };
        node.tick(self.now, &mut self.model, &mut self.notes)
    }

    pub(crate) fn commit(&mut self, take: usize, late: bool) {
        let Some(node) = &mut self.node else { return };
        let late = late && node.unwritten;
        let take = take.min(node.groups.len());
        self.notes.trace.line(format_args!("committer takes {take}, late {late}"));
        node.commit_step(take, late, &mut self.model, &mut self.notes);
    }

    pub(crate) fn load(&mut self) {
        let Some(node) = &mut self.node else { return };
        let bytes_max = 1 + self.random.below(self.profile.load_bytes_max);
        self.notes.trace.line(format_args!("loader reads up to {bytes_max} bytes"));
        node.load_step(bytes_max, &mut self.notes);
    }

    pub(crate) fn checkpoint(&mut self) {
        let Some(node) = &mut self.node else { return };
        let stage = match node.checkpoint {
            Checkpoint::Idle => "begins",
            Checkpoint::Begun(_) => "runs",
            Checkpoint::Ran(_) => "is finished",
        };
        self.notes.trace.line(format_args!("checkpoint {stage}"));
        node.checkpoint_step(&mut self.model, &mut self.notes);
    }

    pub(crate) fn housekeep(&mut self) -> bool {
        let Some(node) = &mut self.node else { return false };
        self.notes.trace.line(format_args!("housekeeping"));
        node.housekeep_step(&mut self.notes)
    }

    /// A client reads some of what came for it; gives how many events that was.
    pub(crate) fn receive(&mut self, slot: usize, most: usize) -> Result<usize, Violation> {
        let (Some(node), Some(client)) = (&mut self.node, self.clients.get_mut(slot)) else {
            return Ok(0);
        };
        let Some(session) = client.session else { return Ok(0) };
        let Some(outbox) = node.outboxes.get_mut(&session) else { return Ok(0) };
        let events: Vec<Event> = outbox.drain(..most.min(outbox.len())).collect();
        if events.is_empty() {
            return Ok(0);
        }
        self.notes.trace.line(format_args!("client {slot} receives {}", events.len()));
        let mut bytes = 0;
        for event in &events {
            if event.is_delivery() {
                bytes += event.weight();
            }
            if let Event::Confirm { first, last, .. } = event {
                self.notes.counts.confirmed += last - first + 1;
            }
            if client.receive(event, &mut self.model)? {
                node.outboxes.remove(&session);
                self.model.client_gone(session);
                client.reset();
                return Ok(events.len());
            }
        }
        if bytes > 0 {
            node.inbox.push_back(Command::Flushed { session, bytes });
        }
        Ok(events.len())
    }

    pub(crate) fn die(&mut self, slot: usize) {
        let (Some(node), Some(client)) = (&mut self.node, self.clients.get_mut(slot)) else {
            return;
        };
        let Some(session) = client.session else { return };
        self.notes.trace.line(format_args!("client {slot} dies"));
        node.outboxes.remove(&session);
        node.inbox.push_back(Command::CloseSession { session, reply: false });
        self.model.client_gone(session);
        client.reset();
    }
}

/// What clients like to do, with weights.
fn draw_wishes(random: &mut Random) -> Vec<(u32, Wish)> {
    let mut wishes = vec![
        (3, Wish::OpenChannel),
        (2, Wish::CloseChannel),
        (1, Wish::CloseSession),
        (6, Wish::DeclareQueue),
        (2, Wish::DeclareExchange),
        (1, Wish::DeleteQueue),
        (1, Wish::DeleteExchange),
        (6, Wish::Bind),
        (1, Wish::Unbind),
        (1, Wish::Purge),
        (2, Wish::Qos),
        (7, Wish::Consume),
        (2, Wish::Cancel),
        (5, Wish::Get),
        (3, Wish::Take),
        (4, Wish::ConfirmSelect),
        (2, Wish::TxSelect),
        (8, Wish::TxCommit),
        (2, Wish::TxRollback),
        (60, Wish::Publish),
        (40, Wish::Acknowledge),
        (8, Wish::Nack),
        (1, Wish::Recover),
    ];
    for (weight, _) in &mut wishes {
        // Some wishes are rare in this run, some frequent.
        *weight *= random.pick(&[1, 2, 2, 4, 8]).unwrap_or(2);
    }
    wishes.push((1, Wish::WrongTag));
    if random.percent(60) {
        // What waits for a commit keeps other things from happening.
        wishes.retain(|(_, wish)| *wish != Wish::TxSelect);
    }
    wishes
}

/// The queues that clients use. In some runs there are few, so that much happens in each; in some,
/// queues with limits are among them.
fn draw_queues(random: &mut Random, times_out: bool) -> Vec<&'static str> {
    let (limited, others) =
        random.pick(&[(0, 100), (0, 100), (60, 70), (80, 30)]).unwrap_or_default();
    let mut queues: Vec<&str> = QUEUES.into_iter().filter(|_| random.percent(others)).collect();
    queues.extend(LIMITED.into_iter().filter(|_| random.percent(limited)));
    // In runs in which deliveries are waited for nothing expires.
    queues.retain(|name| !times_out || !is_timed(name));
    if queues.is_empty() { vec!["d0"] } else { queues }
}

/// Contents in memory: none, a few messages, or all. What is transient may have another share.
fn draw_memory(random: &mut Random) -> MemoryLimits {
    let sizes = [0, 0, 1, 400, 1_500, 6_000, limits::MEMORY_BYTES];
    let mut size = || random.pick(&sizes).unwrap_or_default();
    let (queue_bytes, transient_queue_bytes) = (size(), size());
    MemoryLimits {
        queue_bytes,
        host_bytes: 2 * queue_bytes,
        transient_queue_bytes,
        transient_host_bytes: 2 * transient_queue_bytes,
    }
}

/// A command in few words.
fn brief(command: &Command) -> String {
    match command {
        Command::Publish(batch) => {
            let channels: Vec<u16> = batch.publishes.iter().map(|(channel, _)| *channel).collect();
            let first = warren_engine::Message::new(&batch.messages, 0);
            let id = first.as_ref().and_then(crate::messages::id_of).unwrap_or_default();
            format!("s{} publish {id} and on, on channels {channels:?}", batch.session.0)
        }
        Command::Request { session, channel, request } => {
            format!("s{}.{channel} {request:?}", session.0)
        }
        other => format!("{other:?}"),
    }
}

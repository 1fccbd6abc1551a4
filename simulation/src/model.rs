//! What must be true. The model carries out every command that the engine carries out, plainly,
//! and holds what the engine tells its clients against it: which message is next in a queue, who
//! has it, whether it was delivered before. What is durable it keeps apart, so that after a
//! restart it knows what must be there, what may be there, and what must not. Which messages expired
//! the engine tells; the model knows whether it was time (`times.rs`).
//!
//! The properties have the names of docs/testing.md. Deduplication (P7) gets its place in
//! `requests.rs` when it comes: a reason for which a copy does not enter its queue.

mod dead_letters;
mod durable;
mod events;
mod exchanges;
mod overflow;
mod policies;
mod publish;
mod requests;
mod restart;
mod retention;
mod routing;
mod streams;
mod takes;
mod timeouts;
mod times;
mod topology;
mod transactions;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use warren_engine::{
    Command, DeadLettered, Departed, Event, Milliseconds, Outgoing, SessionId, Summary,
};

use crate::messages::{Death, MessageId, Publication};
use crate::names::{is_quorum, is_single_active};
use crate::policies::PolicySet;
use crate::settings::Settings;
use crate::world::Profile;
use crate::{Violation, limits};
use dead_letters::{Past, Reason};
use exchanges::{Choices, History};
use overflow::{HandedOut, Losses, Turn};
use requests::End;
use retention::Segments;
use streams::{LastBatch, Reading};

pub(crate) use durable::{Change, Durable, Found, FoundMessage};
pub(crate) use exchanges::RECENT_HISTORY_LENGTH;
pub(crate) use times::Expiry;
pub(crate) use topology::{Topology, header_arguments};
use transactions::Transaction;

/// A queue's number in the model; a queue of the same name made later has another one.
pub(crate) type QueueNumber = u32;

/// A place in a queue; rises with every message that enters.
pub(crate) type Place = u64;

pub(crate) type At = (SessionId, u16);

/// A message that a client made.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) publication: Publication,
    pub(crate) mandatory: bool,
    pub(crate) hash: u64,
    /// It went to no queue.
    pub(crate) unroutable: bool,
    /// One of its queues refused it.
    refused: bool,
    /// The command that made it durable; 0 if none did.
    durable_op: u64,
}

/// A message in a queue.
#[derive(Debug)]
struct Copy {
    message: MessageId,
    level: u8,
    /// The length of its body.
    bytes: u64,
    durable: bool,
    /// Delivered before, and known to have been.
    redelivered: bool,
    holder: Option<At>,
    /// How often it came back, in a queue that counts it.
    returns: u32,
    past: Past,
    expires: Expiry,
    /// When its time in the queue began.
    time: Milliseconds,
    /// The command in which it came as a dead letter; 0 if it did not.
    came_dead: u64,
}

/// What the engine says of a command beside its events.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Copies that left queues for others.
    pub(crate) dead_lettered: VecDeque<DeadLettered>,
    /// What expired or was dropped, by the names of the queues.
    pub(crate) departed: BTreeMap<String, VecDeque<Departed>>,
    /// Messages that queues did not take.
    pub(crate) refused: Vec<Refused>,
    /// Messages that were written as they were published, and the queues that they are in.
    pub(crate) written: BTreeMap<MessageId, Vec<String>>,
    /// What streams let go: from the first place to the last one.
    pub(crate) let_go: Vec<(String, Place, Place)>,
}

/// A message that a queue did not take. It may come to the same queue several times in a command:
/// published, and after one death or another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) queue: String,
    pub(crate) message: MessageId,
    pub(crate) deaths: Vec<Death>,
}

#[derive(Debug, Default)]
struct Queue {
    name: String,
    durable: bool,
    owner: Option<SessionId>,
    auto_delete: bool,
    declared_op: u64,
    last_place: Place,
    /// The highest place of a durable message that was delivered, by its level of priority.
    delivered_through: BTreeMap<u8, Place>,
    copies: BTreeMap<Place, Copy>,
    /// In the order in which they leave: the highest level first.
    ready: BTreeSet<Turn>,
    /// Those that are on their way to clients in the command at hand, in their order.
    served: VecDeque<Turn>,
    /// Copies that it gave up and that are still to become dead letters.
    leaving: VecDeque<(Place, Copy, Reason)>,
    /// Messages that it refused and that are still to become dead letters.
    refused: VecDeque<(MessageId, Past)>,
    /// Of a stream.
    last_batch: LastBatch,
    segments: Segments,
    /// With their priorities.
    consumers: BTreeMap<(At, u32), i32>,
    /// The one that is served, if it is one alone.
    active: Option<(At, u32)>,
    /// It gets nothing more, as one with a higher priority waits.
    yields: bool,
    settings: Settings,
    /// None of its messages has to be read from disk.
    is_in_memory: bool,
    /// When it was last used; `None` until time has passed after a restart.
    used: Option<Milliseconds>,
}

impl Queue {
    /// One that is active alone is gone: the next one is the first to come of the highest priority.
    fn choose_active(&mut self) {
        if !is_single_active(&self.name) {
            return;
        }
        if self.active.is_none_or(|active| !self.consumers.contains_key(&active)) {
            self.active = self.best_consumer();
            self.yields = false;
        }
    }

    /// The first to come of the highest priority.
    fn best_consumer(&self) -> Option<(At, u32)> {
        let rank = |((_, number), priority): (&(At, u32), &i32)| (*priority, Reverse(*number));
        let best = self.consumers.iter().max_by_key(|one| rank(*one));
        best.map(|(consumer, _)| *consumer)
    }
}

#[derive(Debug, Clone)]
struct Delivery {
    queue: QueueNumber,
    place: Place,
    /// The consumer's number; none for `basic.get`.
    consumer: Option<u32>,
    since: Milliseconds,
}

#[derive(Debug, Default)]
struct Channel {
    last_tag: u64,
    unacknowledged: BTreeMap<u64, Delivery>,
    consumers: BTreeMap<u32, Consumer>,
    /// Gets that are not answered.
    gets: VecDeque<Get>,
    /// The queue that messages are taken from by their places.
    takes: Option<QueueNumber>,
    confirms: Option<u64>,
    /// What waits for a commit.
    transaction: Option<Transaction>,
    /// The last command that settled a durable message here.
    settled_op: u64,
}

impl Channel {
    /// Deliveries that are not settled, also those whose settlement waits for a commit.
    fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        let held = self.transaction.iter().flat_map(Transaction::deliveries);
        self.unacknowledged.values().chain(held)
    }

    fn unsettled(&self) -> usize {
        self.deliveries().count()
    }
}

#[derive(Debug)]
struct Get {
    queue: QueueNumber,
    no_ack: bool,
    /// The number of the last message that the channel had published: no later one is confirmed
    /// before the answer.
    published: u64,
}

#[derive(Debug, Clone)]
struct Consumer {
    tag: String,
    queue: QueueNumber,
    no_ack: bool,
    /// Where it stands, if the queue is a stream.
    reading: Option<Reading>,
    /// How long its deliveries may take, if it says so itself.
    timeout: Option<Milliseconds>,
}

/// The reply that a request must have: where a get is not answered, it comes later.
#[derive(Debug)]
struct Expected {
    /// The command whose change it promises; 0 if none.
    promise: u64,
    /// What it says.
    told: Told,
}

/// The part of a reply that can be wrong.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Counts(Vec<usize>),
    /// The number of messages is not known for sure; these counts are.
    Guess(Vec<usize>),
    Consumer(Option<u32>),
    Nothing,
}

/// What a client was told, and after which command it is to be true for good.
#[derive(Debug)]
struct Promise {
    op: u64,
    property: &'static str,
    text: String,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) messages: Vec<Published>,
    topology: Topology,
    queues: BTreeMap<QueueNumber, Queue>,
    names: BTreeMap<String, QueueNumber>,
    last_queue: QueueNumber,
    sessions: BTreeSet<SessionId>,
    channels: BTreeMap<At, Channel>,
    /// Commands so far; a command's number is the count after it.
    pub(crate) op: u64,
    /// All up to this command is durable.
    pub(crate) synced_op: u64,
    durable: Durable,
    /// Changes that no sync has covered.
    changes: VecDeque<(u64, Change)>,
    /// Broken if a restart finds less than their commands.
    promises: Vec<Promise>,
    /// Replies that the engine owes.
    expected: BTreeMap<At, VecDeque<Expected>>,
    consumers_made: u32,
    /// For each reply on its way the command whose change it promises.
    replies: BTreeMap<At, VecDeque<u64>>,
    closes: BTreeMap<SessionId, u64>,
    /// Messages that were damaged on disk and of which nobody was told yet.
    pub(crate) damaged: usize,
    /// Channels that the command at hand must have closed with an error.
    errors: Vec<At>,
    /// What the engine says of the command at hand.
    said: Said,
    choices: Choices,
    /// What exchanges keep for who is bound later, by their names.
    histories: BTreeMap<String, History>,
    /// Deliveries may not stay unacknowledged for as long as they like.
    times_out: bool,
    /// How long they may where nobody says so.
    consumer_timeout: Option<Milliseconds>,
    now: Milliseconds,
    /// Channels that the command at hand closes because of a delivery.
    overdue: Vec<At>,
    /// How many messages the command at hand let expire or dropped.
    just_departed: usize,
    /// What goes to clients in the command at hand.
    handed_out: HandedOut,
    /// Whoever could take a message had it before one was dropped or refused: nothing in the command
    /// at hand lets consumers have more later.
    is_strict: bool,
    /// Contents need not go to disk.
    keeps_all_in_memory: bool,
    losses: Losses,
    /// Policies on their way to the broker.
    policies_asked: VecDeque<PolicySet>,
}

impl Model {
    pub(crate) fn new(profile: &Profile) -> Self {
        let Profile { times_out, consumer_timeout, .. } = *profile;
        Self {
            messages: vec![],
            topology: Topology::new(),
            queues: BTreeMap::new(),
            names: BTreeMap::new(),
            last_queue: 0,
            sessions: BTreeSet::new(),
            channels: BTreeMap::new(),
            op: 0,
            synced_op: 0,
            durable: Durable::default(),
            changes: VecDeque::new(),
            promises: vec![],
            expected: BTreeMap::new(),
            consumers_made: 0,
            replies: BTreeMap::new(),
            closes: BTreeMap::new(),
            damaged: 0,
            errors: vec![],
            said: Said::default(),
            choices: Choices::default(),
            histories: BTreeMap::new(),
            times_out,
            consumer_timeout,
            now: limits::FIRST_TIME,
            overdue: vec![],
            just_departed: 0,
            handed_out: HandedOut::default(),
            is_strict: false,
            keeps_all_in_memory: profile.keeps_all_in_memory(),
            losses: Losses::default(),
            policies_asked: VecDeque::new(),
        }
    }

    /// Notes a message that a client is about to publish.
    pub(crate) fn made(&mut self, publication: Publication, mandatory: bool, hash: u64) {
        let (unroutable, refused, durable_op) = (false, false, 0);
        let published = Published { publication, mandatory, hash, unroutable, refused, durable_op };
        self.messages.push(published);
    }

    /// Carries out a command and holds what the engine sent against what must follow from it.
    pub(crate) fn apply(
        &mut self,
        command: &Command,
        events: &[Outgoing],
        said: Said,
    ) -> Result<(), Violation> {
        self.op += 1;
        self.errors.clear();
        self.said = said;
        self.just_departed = self.said.departed.values().map(VecDeque::len).sum();
        self.note_handed_out(events, true);
        self.carry_out_command(command, events)?;
        self.note_handed_out(events, false);
        self.take_over();
        // What comes before a channel is closed because of a delivery was sent before.
        let first = events.iter().position(|event| timeouts::timeout(event).is_some());
        let (before, events) = events.split_at(first.unwrap_or(0));
        self.overdue = events.iter().filter_map(timeouts::timeout).map(|(at, _)| at).collect();
        self.observe(before, false)?;
        self.overdue.clear();
        for (at, timeout) in events.iter().filter_map(timeouts::timeout) {
            self.timed_out(at, timeout)?;
        }
        self.take_over();
        self.depart_all()?;
        let moved = !self.said.dead_lettered.is_empty();
        while let Some(dead) = self.said.dead_lettered.pop_front() {
            self.dead_letter(&dead)?;
        }
        self.depart_all()?;
        self.check_told()?;
        self.observe(events, moved)?;
        self.check_served()?;
        if let Some(at) = self.errors.first() {
            return Err(Violation::new("refusal", format!("{at:?} was not told of its error")));
        }
        for (queue, first, last) in std::mem::take(&mut self.said.let_go) {
            self.let_go(&queue, first, last)?;
        }
        Ok(())
    }

    fn carry_out_command(
        &mut self,
        command: &Command,
        events: &[Outgoing],
    ) -> Result<(), Violation> {
        match command {
            Command::OpenSession { session, .. } => {
                self.sessions.insert(*session);
            }
            Command::CloseSession { session, reply } => {
                let op = self.end_session(*session);
                if *reply {
                    self.closes.insert(*session, op);
                }
            }
            Command::Publish(batch) => {
                let closes = |out: &Outgoing| matches!(out.event, Event::ChannelError { .. });
                self.is_strict = !events.iter().any(closes);
                self.publish(batch, events)?;
                self.is_strict = false;
            }
            Command::Acknowledge { session, acknowledgements } => {
                for ack in acknowledgements {
                    let at = (*session, ack.channel);
                    self.settle(at, ack.delivery_tag, ack.multiple, End::Acknowledged);
                }
            }
            Command::Request { session, channel, request } => {
                let at = (*session, *channel);
                self.request(at, request, events)?;
            }
            Command::Clock(now) => self.time_passes(*now),
            Command::SetPolicies(_) => self.set_policies(),
            Command::Flushed { .. } | Command::Loaded { .. } | Command::SetAccess { .. } => {}
        }
        Ok(())
    }

    /// In quorum queues a consumer with a higher priority takes over from the active one when that has
    /// nothing unacknowledged.
    fn take_over(&mut self) {
        for (number, queue) in &mut self.queues {
            let Some(active) = queue.active.filter(|_| is_quorum(&queue.name)) else { continue };
            let channel = self.channels.get(&active.0);
            let mut held = channel.into_iter().flat_map(Channel::deliveries);
            let holds = held.any(|one| one.queue == *number && one.consumer == Some(active.1));
            let best = queue
                .best_consumer()
                .filter(|best| queue.consumers.get(best) > queue.consumers.get(&active));
            match (holds, best) {
                (true, None) => {}
                (true, Some(_)) => queue.yields = true,
                (false, best) => (queue.active, queue.yields) = (best.or(Some(active)), false),
            }
        }
    }

    /// The sums of the engine and of the model are the same: no message is in two places or none.
    pub(crate) fn check_summary(&self, summary: &Summary) -> Result<(), Violation> {
        let uncertain = self.queues.values().any(|queue| queue.is_uncertain());
        let ready: usize = self.queues.values().map(Queue::told_ready).sum();
        let held: usize = self.channels.values().map(Channel::unsettled).sum();
        let consumers: usize = self.channels.values().map(|channel| channel.consumers.len()).sum();
        for (what, found, expected) in [
            ("ready messages", summary.messages_ready, ready + self.damaged),
            ("unacknowledged messages", summary.messages_unacknowledged, held),
            ("queues", summary.queues, self.queues.len()),
            ("consumers", summary.consumers, consumers),
            ("channels", summary.channels, self.channels.len()),
            ("sessions", summary.sessions, self.sessions.len()),
            ("exchanges", summary.exchanges, self.topology.exchanges.len()),
            ("bindings", summary.bindings, self.topology.bindings.len()),
        ] {
            // A damaged message may be one that its queue has no room for and does not count.
            let least = if what == "ready messages" { expected - self.damaged } else { expected };
            let is_right = (least..=expected).contains(&found);
            if !is_right && (!uncertain || what != "ready messages") {
                let text = format!("{found} {what} are counted, {expected} are there");
                return Err(Violation::new("P10", text));
            }
        }
        self.check_losses(&summary.losses)
    }

    /// The durable messages that wait, if all that was done is durable, but for those in streams: these
    /// may let a damaged one go that nobody was told of.
    pub(crate) fn durable_messages(&self) -> Vec<MessageId> {
        if !self.changes.is_empty() {
            return vec![];
        }
        let (without, queues): (Vec<_>, Vec<_>) =
            self.durable.queues.values().partition(|queue| self.has_retention(&queue.name));
        let is_out = |id: &MessageId| {
            without.iter().any(|queue| queue.messages.values().any(|other| other == id))
        };
        let all = queues.iter().flat_map(|queue| queue.messages.values().copied());
        all.filter(|id| !is_out(id)).collect()
    }

    /// A message is damaged on disk, in all queues. Gives how many copies that are.
    pub(crate) fn rots(&mut self, id: MessageId) -> usize {
        for queue in self.durable.queues.values_mut() {
            let before = queue.messages.len();
            queue.messages.retain(|_, message| *message != id);
            self.damaged += before - queue.messages.len();
        }
        self.damaged
    }

    /// The broker says that a message cannot be read.
    pub(crate) fn told_lost(&mut self, which: &str) -> Result<(), Violation> {
        let left = self.damaged.checked_sub(1);
        let text = || format!("{which} cannot be read, but was not damaged");
        self.damaged = left.ok_or_else(|| Violation::new("P1", text()))?;
        Ok(())
    }

    /// All up to command `op` is durable now.
    pub(crate) fn synced(&mut self, op: u64) {
        self.synced_op = self.synced_op.max(op);
        while let Some((_, change)) = self.changes.pop_front_if(|(made, _)| *made <= op) {
            self.durable.apply(&change);
        }
        self.promises.retain(|promise| promise.op > op);
    }

    fn change(&mut self, change: Change) {
        self.changes.push_back((self.op, change));
    }

    fn change_all(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.change(change));
    }

    fn promise(&mut self, op: u64, property: &'static str, text: impl FnOnce() -> String) {
        if op > self.synced_op {
            self.promises.push(Promise { op, property, text: text() });
        }
    }

    /// A client received a reply on a channel, as the next one.
    pub(crate) fn reply_received(&mut self, at: At) -> Result<(), Violation> {
        let Some(op) = self.replies.get_mut(&at).and_then(VecDeque::pop_front) else {
            return Err(Violation::new("order", format!("a reply on {at:?} out of nowhere")));
        };
        self.promise(op, "P4", || format!("a reply on {at:?} told of command {op}"));
        Ok(())
    }

    /// A client learned that its session is closed, as it wanted.
    pub(crate) fn close_received(&mut self, session: SessionId) {
        if let Some(op) = self.closes.remove(&session) {
            self.promise(op, "P4", || format!("the close of session {} told so", session.0));
        }
    }

    /// A client is gone, with whatever was on its way to it.
    pub(crate) fn client_gone(&mut self, session: SessionId) {
        self.replies.retain(|(other, _), _| *other != session);
        self.closes.remove(&session);
    }

    /// A client received the confirm of a message.
    pub(crate) fn confirm_received(&mut self, id: MessageId) -> Result<(), Violation> {
        let published = self.messages.get(id as usize);
        if published.is_some_and(|published| published.refused) {
            let text = format!("message {id} is confirmed, and was refused");
            return Err(Violation::new("P11", text));
        }
        let op = published.map_or(0, |published| published.durable_op);
        self.promise(op, "P1", || format!("message {id} was confirmed"));
        Ok(())
    }

    /// Queues that are there, for clients that look around.
    pub(crate) fn queue_names(&self) -> Vec<String> {
        let open = self.queues.values().filter(|queue| queue.owner.is_none());
        open.map(|queue| queue.name.clone()).collect()
    }

    /// Exchanges that clients may publish to.
    pub(crate) fn exchange_names(&self) -> Vec<String> {
        let open = self.topology.exchanges.iter().filter(|(_, (exchange, _))| !exchange.internal);
        open.map(|(name, _)| name.clone()).collect()
    }

    /// Messages that wait, are held or leave, over all queues.
    pub(crate) fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.copies.len() + queue.leaving.len()).sum()
    }
}

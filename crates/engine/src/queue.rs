//! A queue: its ready messages, and the round of consumers that have credit.

mod counts;

use std::collections::{BTreeSet, VecDeque};

use smallvec::smallvec;

use crate::backlog::{Answer, Entry, Kept, Mark, Missing, Purged, QueueTime};
use crate::expiry::NEVER;
use crate::lanes::{Delivered, Lanes};
use crate::leaving::{Gone, Leaving};
use crate::observation::Amount;
use crate::planted::{self, Bug};
use crate::policy::AppliedPolicies;
use crate::record::{QueueRecord, RecoveredQueue, Sequence, Write};
use crate::round::Round;
use crate::settings::{Overflow, QueueSettings, QueueType};
use crate::single_active::SingleActive;
use crate::stream::Stream;
use crate::{Effects, Message, Milliseconds, Place, QueueId, SessionId};
use counts::Counted;

/// Turns of consumers that are gone which a round may hold beside those of its consumers.
pub(crate) const TURNS_LEFT_BEHIND: usize = 16;

/// A consumer, by where it is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConsumerKey {
    pub(crate) session: SessionId,
    pub(crate) channel: u16,
    pub(crate) number: u32,
}

/// A `basic.get` that waits for a content to come from disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitingGet {
    pub(crate) session: SessionId,
    pub(crate) channel: u16,
    /// Which of the channels that had this number, as it may be closed and opened meanwhile.
    pub(crate) incarnation: u64,
    pub(crate) no_ack: bool,
}

/// Somebody who takes messages by their places and waits for contents from disk.
#[derive(Debug)]
pub(crate) struct WaitingTake {
    pub(crate) session: SessionId,
    pub(crate) channel: u16,
    /// As that of a [`WaitingGet`].
    pub(crate) incarnation: u64,
    /// What is still to come.
    pub(crate) wanted: BTreeSet<Place>,
}

/// How much memory a queue may take, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    /// When a message comes that the store has.
    pub(crate) stored: usize,
    /// When a message comes that is in memory alone.
    pub(crate) in_memory: usize,
}

impl Shares {
    fn of(self, kept: Kept) -> usize {
        match kept {
            Kept::Durable | Kept::Spilled => self.stored,
            Kept::InMemory => self.in_memory,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) record: QueueRecord,
    pub(crate) settings: QueueSettings,
    /// The policies that the settings follow from, beside the arguments.
    pub(crate) policies: AppliedPolicies,
    /// The connection that an exclusive queue belongs to.
    pub(crate) owner: Option<SessionId>,
    pub(crate) backlog: Lanes,
    /// Messages on their way to the dead letter exchange.
    pub(crate) leaving: Leaving,
    /// If it is there, it has the messages, and the backlog has none.
    pub(crate) stream: Option<Box<Stream>>,
    /// Messages of the queue were written that do not survive a restart.
    pub(crate) has_spilled: bool,
    /// Deliveries that are unacknowledged, over all channels.
    pub(crate) unacknowledged: usize,
    /// What the contents of these take that are in memory, in bytes.
    pub(crate) unacknowledged_bytes: usize,
    /// What the bodies of all of these take.
    pub(crate) unacknowledged_body_bytes: u64,
    /// Messages that survive a restart, ready or unacknowledged. After damage it may be too much.
    pub(crate) persistent: Amount,
    next_sequence: Sequence,
    /// Of the lane that is the queue itself.
    delivered: Delivered,
    /// Consumers that may have credit, in the order of their turns.
    pub(crate) round: Round,
    /// All consumers, with those that are parked.
    pub(crate) consumers: BTreeSet<ConsumerKey>,
    /// Which of them is served, if it is one alone.
    pub(crate) single_active: Option<Box<SingleActive>>,
    /// A consumer has the queue for itself.
    pub(crate) exclusively_consumed: bool,
    pub(crate) waiting_gets: VecDeque<WaitingGet>,
    /// Those who take messages by their places and wait for contents from disk.
    pub(crate) takes: Vec<WaitingTake>,
    /// On the list of queues to be dispatched.
    pub(crate) is_dirty: bool,
    /// On the list of queues whose messages go to their dead letter exchange.
    pub(crate) is_leaving: bool,
    /// The declaration says how much may be ready. Apart from the settings, as it is looked at for
    /// every message.
    pub(crate) has_limits: bool,
    /// It is counted how often a message comes back.
    pub(crate) counts_returns: bool,
    /// When time is to be given to the queue, as the virtual host has noted it.
    pub(crate) due: Milliseconds,
    /// When the queue was last used; 0 if that was before the time was known.
    pub(crate) used: Milliseconds,
    pub(crate) counted: Counted,
    /// 0 if a restart found the queue.
    pub(crate) declared_at: Milliseconds,
    /// On the list of queues to be shown, or nobody looks.
    pub(crate) is_noted: bool,
    /// It was shown what the queue is.
    pub(crate) is_shown: bool,
}

impl Queue {
    pub(crate) fn new(
        record: QueueRecord,
        settings: QueueSettings,
        owner: Option<SessionId>,
    ) -> Self {
        let stream = settings.stream.as_ref().map(|settings| Box::new(Stream::new(**settings, 1)));
        let backlog = Lanes::new(&settings);
        let single_active = settings.single_active_consumer.then(Box::default);
        Self {
            record,
            has_limits: settings.has_limits(),
            counts_returns: settings.kind == QueueType::Quorum,
            settings,
            policies: AppliedPolicies::default(),
            owner,
            backlog,
            leaving: Leaving::default(),
            stream,
            has_spilled: false,
            unacknowledged: 0,
            unacknowledged_bytes: 0,
            unacknowledged_body_bytes: 0,
            persistent: Amount::default(),
            next_sequence: 1,
            delivered: Delivered::default(),
            round: Round::default(),
            consumers: BTreeSet::new(),
            single_active,
            exclusively_consumed: false,
            waiting_gets: VecDeque::new(),
            takes: Vec::new(),
            is_dirty: false,
            is_leaving: false,
            due: NEVER,
            used: 0,
            counted: Counted::from(1, 0),
            declared_at: 0,
            is_noted: true,
            is_shown: false,
        }
    }

    /// A queue after a restart, all its messages on disk.
    pub(crate) fn recovered(recovered: &RecoveredQueue) -> Self {
        let settings = QueueSettings::recovered(&recovered.record);
        let mut queue = Self::new(recovered.record.clone(), settings, None);
        queue.has_limits &= !planted::is(Bug::LimitLostAtRestart);
        queue.next_sequence = recovered.next_sequence;
        queue.delivered = Delivered::recovered(recovered.delivered_through);
        match &queue.settings.stream {
            Some(settings) => {
                let (waiting, next) = (recovered.waiting, recovered.next_sequence);
                queue.stream = Some(Box::new(Stream::recovered(**settings, waiting, next)));
            }
            None => queue.backlog = Lanes::recovered(&queue.settings, recovered),
        }
        let (messages, bytes) = (queue.backlog.len(), queue.backlog.body_bytes());
        queue.persistent = Amount { messages, bytes };
        queue.counted = Counted::from(recovered.next_sequence, messages);
        queue
    }

    /// Changes the settings, and gives those before. What follows for messages that are there comes
    /// with time.
    pub(crate) fn set_settings(
        &mut self,
        settings: QueueSettings,
        now: Milliseconds,
    ) -> QueueSettings {
        let before = std::mem::replace(&mut self.settings, settings);
        let settings = &self.settings;
        self.has_limits = settings.has_limits();
        let changes_time = settings.message_ttl != before.message_ttl;
        if changes_time && !planted::is(Bug::WaitingKeepTime) {
            let (ttl, timed_from) = (settings.message_ttl, self.next_sequence);
            self.backlog.set_time(QueueTime { ttl, timed_from, since: now });
        }
        if settings.expires != before.expires && !planted::is(Bug::UnusedBeforePolicy) {
            // As with RabbitMQ, the time begins now.
            self.used = now;
        }
        if let (Some(stream), Some(settings)) = (&mut self.stream, &settings.stream) {
            stream.set_settings(**settings);
        }
        before
    }

    /// Puts a new message at the end; gives the name of its lane, its place, and whether it stays in
    /// memory. If it does not, it must be written, also if it is not durable (see [`Lanes::push`]).
    pub(crate) fn enqueue(
        &mut self,
        message: &Message,
        durable: bool,
        resident_max: usize,
        now: Milliseconds,
    ) -> (QueueId, Sequence, bool) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let (lane, stays) = self.backlog.push(sequence, message, durable, resident_max, now);
        self.has_spilled |= !stays && !durable;
        if durable {
            self.persistent.add(message.body_bytes());
        }
        (self.record.id.lane(lane), sequence, stays)
    }

    /// Puts a new message at the end of a stream; gives its place.
    pub(crate) fn append(
        &mut self,
        message: &Message,
        now: Milliseconds,
        resident_max: usize,
    ) -> Sequence {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        if let Some(stream) = &mut self.stream {
            stream.push(sequence, message, now, resident_max);
        }
        sequence
    }

    /// The place that the next message gets.
    pub(crate) fn next_sequence(&self) -> Sequence {
        self.next_sequence
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// How many messages are ready, or in the stream.
    pub(crate) fn len(&self) -> u64 {
        self.stream.as_ref().map_or_else(|| self.backlog.len(), |stream| stream.len())
    }

    /// What their bodies take, in bytes.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.stream.as_ref().map_or_else(|| self.backlog.body_bytes(), |stream| stream.body_bytes())
    }

    /// A message that survives a restart may come back after one, and is to be known as delivered
    /// then.
    fn note_delivered(&mut self, entry: &Entry) {
        self.unacknowledged += 1;
        self.unacknowledged_bytes += entry.resident_bytes();
        self.unacknowledged_body_bytes += u64::from(entry.body_bytes);
        match entry.lane {
            _ if !entry.is_durable() => {}
            0 => self.delivered.note(entry.sequence),
            // What was delivered before is known to have been, though its lane may be a new one.
            _ if entry.redelivered && !entry.marks.has(Mark::Untold) => {}
            lane => self.backlog.note_delivered(lane, entry.sequence),
        }
    }

    /// Takes the first message, if its content is there, for a delivery that wants an
    /// acknowledgement. The content is kept for when it comes back, unless such contents take as
    /// much memory as they may: then it is on disk, or goes there now.
    pub(crate) fn next_delivery(
        &mut self,
        shares: Shares,
        effects: &mut Effects,
    ) -> Option<(Entry, Message)> {
        let (entry, message) = self.backlog.pop()?;
        let entry = self.keep_for_return(entry, &message, shares, effects);
        self.note_delivered(&entry);
        Some((entry, message))
    }

    /// Makes a delivery of a message that was taken out by its place. It is not noted that the queue
    /// was delivered up to there, as what stands before it was not.
    pub(crate) fn deliver_picked(
        &mut self,
        entry: Entry,
        message: &Message,
        shares: Shares,
        effects: &mut Effects,
    ) -> Entry {
        let mut entry = self.keep_for_return(entry, message, shares, effects);
        entry.marks.set(Mark::Untold, true);
        self.unacknowledged += 1;
        self.unacknowledged_bytes += entry.resident_bytes();
        self.unacknowledged_body_bytes += u64::from(entry.body_bytes);
        self.counted.got(false, entry.redelivered);
        entry
    }

    /// Puts messages back to their places that were picked and that nobody got.
    pub(crate) fn put_picked_back(&mut self, entries: Vec<Entry>, resident_max: usize) {
        for entry in entries.iter().filter(|entry| entry.marks.has(Mark::FromRange)) {
            self.backlog.away_ended(entry.lane, entry.sequence);
        }
        self.backlog.put_back(entries, resident_max);
    }

    /// A content that is delivered is kept for when it comes back, as far as there is room.
    fn keep_for_return(
        &mut self,
        mut entry: Entry,
        message: &Message,
        shares: Shares,
        effects: &mut Effects,
    ) -> Entry {
        if self.unacknowledged_bytes >= shares.of(entry.kept) {
            if entry.kept == Kept::InMemory {
                entry.kept = Kept::Spilled;
                self.has_spilled = true;
                let queues = smallvec![(self.record.id.lane(entry.lane).spilled(), entry.sequence)];
                effects.writes.push(Write::Enqueued { message: message.clone(), queues });
            }
            entry.message = None;
            self.counted.rare().unacknowledged_on_disk.add(entry.body_bytes);
        }
        entry
    }

    /// Notes that a delivery was settled or comes back.
    pub(crate) fn note_returned(&mut self, entry: &Entry) {
        self.unacknowledged -= 1;
        self.unacknowledged_bytes -= entry.resident_bytes();
        self.unacknowledged_body_bytes -= u64::from(entry.body_bytes);
        if entry.message.is_none() && self.stream.is_none() {
            self.counted.rare().unacknowledged_on_disk.subtract(entry.body_bytes);
        }
        if entry.marks.has(Mark::FromRange) {
            self.backlog.away_ended(entry.lane, entry.sequence);
        }
    }

    /// A message that was given up has left, or does in the command at hand.
    pub(crate) fn note_gone(&mut self, gone: &Gone) {
        if gone.from_range {
            self.backlog.away_ended(gone.lane.lane_number(), gone.sequence);
        }
    }

    /// Writes how far the queue was delivered, if that is further than when it was last written.
    pub(crate) fn tell_delivered(&mut self, effects: &mut Effects) {
        let id = self.record.id;
        if let Some(through) = self.delivered.take() {
            effects.delivered(id, through);
        }
        self.backlog.tell_delivered(|lane, through| effects.delivered(id.lane(lane), through));
    }

    /// Takes everything that is ready out (see [`Lanes::purge`]).
    pub(crate) fn purge(&mut self) -> Purged {
        if planted::is(Bug::PurgeForgetsHeld) {
            self.unacknowledged = 0;
        }
        let purged = self.backlog.purge();
        self.note_purged(&purged);
        purged
    }

    /// Messages that are ready. Some that are to be dropped are on disk and have to be read first;
    /// nobody can have them any more.
    pub(crate) fn ready(&self) -> u64 {
        let ready = self.len();
        match self.settings.max_length {
            Some(max) if self.settings.overflow == Overflow::DropHead => ready.min(max),
            _ => ready,
        }
    }

    /// True if `more` messages with bodies of `bytes` are more than the queue has room for.
    fn overflows(&self, more: u64, bytes: u64) -> bool {
        let settings = &self.settings;
        let bytes_max = settings.max_length_bytes.filter(|_| !planted::is(Bug::BytesForgotten));
        let more = match () {
            () if planted::is(Bug::RoomForOneLess) => more + 1,
            () if planted::is(Bug::HeldCounts) => more + self.unacknowledged as u64,
            () => more,
        };
        let spare = u64::from(planted::is(Bug::RoomForOneMore));
        settings.max_length.is_some_and(|max| self.backlog.len() + more > max + spare)
            || bytes_max.is_some_and(|max| self.backlog.body_bytes() + bytes > max)
    }

    /// True if the oldest messages have to go.
    pub(crate) fn is_over(&self) -> bool {
        let drops = self.has_limits && self.settings.overflow == Overflow::DropHead;
        drops && self.overflows(0, 0) && !planted::is(Bug::DropForgotten)
    }

    /// True if there is no room for a message, and the queue refuses it then.
    pub(crate) fn refuses(&self, message: &Message) -> bool {
        self.has_limits
            && self.settings.overflow != Overflow::DropHead
            && self.overflows(1, u64::from(message.body_bytes()))
    }

    /// Takes an answer from disk (see [`Lanes::loaded`]).
    pub(crate) fn loaded(&mut self, answer: Answer, now: Milliseconds) -> Missing {
        let durable = self.is_durable();
        self.backlog.loaded(answer, durable, now)
    }

    /// What contents take in memory, ready and unacknowledged, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        let stream = self.stream.as_ref().map_or(0, |stream| stream.resident_bytes());
        let ready = self.backlog.resident_bytes() + stream;
        ready + self.unacknowledged_bytes + self.leaving.resident_bytes()
    }

    /// Puts messages back to their places (see [`Lanes::requeue`]).
    pub(crate) fn requeue(&mut self, entries: Vec<Entry>, resident_max: usize) {
        entries.iter().for_each(|entry| self.note_returned(entry));
        if self.stream.is_none() {
            self.backlog.requeue(entries, resident_max);
        }
    }

    /// Adds a consumer. False if it is not served for now, as another one is alone.
    pub(crate) fn add_consumer(&mut self, key: ConsumerKey, priority: i64) -> bool {
        self.consumers.insert(key);
        let is_served = match &mut self.single_active {
            Some(single_active) => single_active.join(key, priority) || planted::is(Bug::TwoActive),
            None => true,
        };
        if is_served {
            self.round.push_back(priority, key);
        }
        is_served
    }

    /// True if messages may go to a consumer, as far as the queue is concerned.
    pub(crate) fn serves(&self, key: ConsumerKey) -> bool {
        self.single_active.as_ref().is_none_or(|single_active| single_active.serves(key))
    }

    /// Takes a consumer away; gives the one that is served in its place, if it was alone. Its turn stays in the round, where whoever meets it passes over it,
    /// until such turns are the greater part: looking for each one would take too long when
    /// thousands of consumers leave.
    pub(crate) fn remove_consumer(&mut self, consumer: ConsumerKey) -> Option<ConsumerKey> {
        self.consumers.remove(&consumer);
        if let Some(stream) = &mut self.stream {
            stream.remove_reader(consumer);
        }
        if self.round.len() > TURNS_LEFT_BEHIND + 2 * self.consumers.len() {
            self.round.retain(|key| self.consumers.contains(key));
        }
        self.single_active.as_mut()?.leave(consumer)
    }

    /// Survives a restart. An exclusive queue goes with its connection, whatever it was declared.
    pub(crate) fn is_durable(&self) -> bool {
        self.record.durable && !self.record.exclusive
    }
}

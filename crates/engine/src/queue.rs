//! A queue: its ready messages, and the round of consumers that have credit.

use std::collections::{BTreeSet, VecDeque};

use crate::planted::{self, Bug};
use smallvec::smallvec;

use crate::backlog::{Answer, Backlog, Entry, Kept, Missing, Purged};
use crate::record::{QueueRecord, RecoveredQueue, Sequence, Write};
use crate::settings::QueueSettings;
use crate::stream::Stream;
use crate::{Effects, Message, Milliseconds, SessionId};

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
    /// The connection that an exclusive queue belongs to.
    pub(crate) owner: Option<SessionId>,
    pub(crate) backlog: Backlog,
    /// If it is there, it has the messages, and the backlog has none.
    pub(crate) stream: Option<Box<Stream>>,
    /// Messages of the queue were written that do not survive a restart.
    pub(crate) has_spilled: bool,
    /// Deliveries that are unacknowledged, over all channels.
    pub(crate) unacknowledged: usize,
    /// What the contents of these take that are in memory, in bytes.
    pub(crate) unacknowledged_bytes: usize,
    next_sequence: Sequence,
    /// The highest place of a durable message that was delivered and wanted an acknowledgement;
    /// 0 if there was none.
    delivered_through: Sequence,
    /// What of it is among the writes.
    delivered_written: Sequence,
    /// Consumers that may have credit; the next one to be served in front.
    pub(crate) round: VecDeque<ConsumerKey>,
    /// All consumers, with those that are parked.
    pub(crate) consumers: BTreeSet<ConsumerKey>,
    /// A consumer has the queue for itself.
    pub(crate) exclusively_consumed: bool,
    pub(crate) waiting_gets: VecDeque<WaitingGet>,
    /// On the list of queues to be dispatched.
    pub(crate) is_dirty: bool,
}

impl Queue {
    pub(crate) fn new(
        record: QueueRecord,
        settings: QueueSettings,
        owner: Option<SessionId>,
    ) -> Self {
        let stream = settings.stream.as_ref().map(|settings| Box::new(Stream::new(**settings, 1)));
        Self {
            record,
            settings,
            owner,
            backlog: Backlog::default(),
            stream,
            has_spilled: false,
            unacknowledged: 0,
            unacknowledged_bytes: 0,
            next_sequence: 1,
            delivered_through: 0,
            delivered_written: 0,
            round: VecDeque::new(),
            consumers: BTreeSet::new(),
            exclusively_consumed: false,
            waiting_gets: VecDeque::new(),
            is_dirty: false,
        }
    }

    /// A queue after a restart, all its messages on disk.
    pub(crate) fn recovered(recovered: &RecoveredQueue) -> Self {
        let settings = QueueSettings::recovered(&recovered.record);
        let mut queue = Self::new(recovered.record.clone(), settings, None);
        queue.next_sequence = recovered.next_sequence;
        queue.delivered_through = recovered.delivered_through;
        queue.delivered_written = recovered.delivered_through;
        let RecoveredQueue { waiting, next_sequence, delivered_through, .. } = *recovered;
        match &queue.settings.stream {
            Some(settings) => {
                let stream = Stream::recovered(**settings, waiting, next_sequence);
                queue.stream = Some(Box::new(stream));
            }
            None => queue.backlog = Backlog::recovered(waiting, delivered_through),
        }
        queue
    }

    /// Puts a new message at the end; gives its place, and whether it stays in memory. If it does
    /// not, it must be written, also if it is not durable (see [`Backlog::push`]).
    pub(crate) fn enqueue(
        &mut self,
        message: &Message,
        durable: bool,
        resident_max: usize,
    ) -> (Sequence, bool) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let stays = self.backlog.push(sequence, message, durable, resident_max);
        self.has_spilled |= !stays && !durable;
        (sequence, stays)
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
        if entry.is_durable() && entry.sequence > self.delivered_through {
            self.delivered_through = entry.sequence;
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
        let (mut entry, message) = self.backlog.pop()?;
        if self.unacknowledged_bytes >= shares.of(entry.kept) {
            if entry.kept == Kept::InMemory {
                entry.kept = Kept::Spilled;
                self.has_spilled = true;
                let queues = smallvec![(self.record.id.spilled(), entry.sequence)];
                effects.writes.push(Write::Enqueued { message: message.clone(), queues });
            }
            entry.message = None;
        }
        self.note_delivered(&entry);
        Some((entry, message))
    }

    /// Notes that a delivery was settled or comes back.
    pub(crate) fn note_returned(&mut self, entry: &Entry) {
        self.unacknowledged -= 1;
        self.unacknowledged_bytes -= entry.resident_bytes();
    }

    /// Gives how far the queue was delivered, if that is further than when it was last given.
    pub(crate) fn take_delivered(&mut self) -> Option<Sequence> {
        let is_new = self.delivered_through > self.delivered_written
            && !planted::is(Bug::DeliveredNotWritten);
        self.delivered_written = self.delivered_through;
        is_new.then_some(self.delivered_through)
    }

    /// Takes everything that is ready out (see [`Backlog::purge`]).
    pub(crate) fn purge(&mut self) -> Purged {
        if planted::is(Bug::PurgeForgetsHeld) {
            self.unacknowledged = 0;
        }
        self.backlog.purge()
    }

    /// Takes an answer from disk (see [`Backlog::loaded`]).
    pub(crate) fn loaded(&mut self, answer: Answer) -> Missing {
        let durable = self.is_durable();
        self.backlog.loaded(answer, durable)
    }

    /// What contents take in memory, ready and unacknowledged, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        let stream = self.stream.as_ref().map_or(0, |stream| stream.resident_bytes());
        self.backlog.resident_bytes() + self.unacknowledged_bytes + stream
    }

    /// Puts messages back to their places (see [`Backlog::requeue`]).
    pub(crate) fn requeue(&mut self, entries: Vec<Entry>, resident_max: usize) {
        entries.iter().for_each(|entry| self.note_returned(entry));
        if self.stream.is_none() {
            self.backlog.requeue(entries, resident_max);
        }
    }

    /// Takes a consumer away. Its turn stays in the round, where whoever meets it passes over it,
    /// until such turns are the greater part: looking for each one would take too long when
    /// thousands of consumers leave.
    pub(crate) fn remove_consumer(&mut self, consumer: ConsumerKey) {
        self.consumers.remove(&consumer);
        if let Some(stream) = &mut self.stream {
            stream.remove_reader(consumer);
        }
        if self.round.len() > TURNS_LEFT_BEHIND + 2 * self.consumers.len() {
            self.round.retain(|key| self.consumers.contains(key));
        }
    }

    /// Survives a restart. An exclusive queue goes with its connection, whatever it was declared.
    pub(crate) fn is_durable(&self) -> bool {
        self.record.durable && !self.record.exclusive
    }
}

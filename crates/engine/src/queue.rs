//! A queue: what is ready, in order, and the round of consumers that have credit.

use std::collections::{BTreeSet, VecDeque};

use crate::planted::{self, Bug};
use crate::record::{QueueRecord, RecoveredQueue, Sequence};
use crate::{Load, Message, SessionId, limits};

/// So many messages are put back among others one by one; more are merged in one go.
const ONE_BY_ONE: usize = 16;

/// Turns of consumers that are gone which a round may hold beside those of its consumers.
pub(crate) const TURNS_LEFT_BEHIND: usize = 16;

/// A message in a queue.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: Sequence,
    /// The content; `None` while it is only on disk.
    pub(crate) message: Option<Message>,
    /// The length of the body.
    pub(crate) body_bytes: u32,
    /// Delivered before.
    pub(crate) redelivered: bool,
    /// Survives a restart, so that its end must be written too.
    pub(crate) durable: bool,
}

impl Entry {
    /// What the content takes in memory, if it is there.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.encoded().len())
    }
}

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

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) record: QueueRecord,
    /// The connection that an exclusive queue belongs to.
    pub(crate) owner: Option<SessionId>,
    /// In the order of their places.
    pub(crate) ready: VecDeque<Entry>,
    pub(crate) ready_bytes: u64,
    /// What the contents of ready messages take that are in memory, in encoded form.
    pub(crate) resident_bytes: usize,
    /// Deliveries that are unacknowledged, over all channels.
    pub(crate) unacknowledged: usize,
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
    /// Contents are on their way from disk.
    pub(crate) loading: bool,
    pub(crate) waiting_gets: VecDeque<WaitingGet>,
    /// On the list of queues to be dispatched.
    pub(crate) is_dirty: bool,
}

impl Queue {
    pub(crate) fn new(record: QueueRecord, owner: Option<SessionId>) -> Self {
        Self {
            record,
            owner,
            ready: VecDeque::new(),
            ready_bytes: 0,
            resident_bytes: 0,
            unacknowledged: 0,
            next_sequence: 1,
            delivered_through: 0,
            delivered_written: 0,
            round: VecDeque::new(),
            consumers: BTreeSet::new(),
            exclusively_consumed: false,
            loading: false,
            waiting_gets: VecDeque::new(),
            is_dirty: false,
        }
    }

    /// A queue after a restart, its contents still on disk.
    pub(crate) fn recovered(recovered: &RecoveredQueue) -> Self {
        let RecoveredQueue { record, next_sequence, delivered_through, messages, .. } = recovered;
        let mut queue = Self::new(record.clone(), None);
        queue.next_sequence = *next_sequence;
        queue.delivered_through = *delivered_through;
        queue.delivered_written = *delivered_through;
        queue.ready = messages
            .iter()
            .map(|message| Entry {
                sequence: message.sequence,
                message: None,
                body_bytes: message.body_bytes,
                redelivered: message.sequence <= *delivered_through,
                durable: true,
            })
            .collect();
        queue.ready_bytes = messages.iter().map(|message| u64::from(message.body_bytes)).sum();
        queue
    }

    /// Puts a new message at the end; gives its place. The content of a durable one stays on disk
    /// if the queue has as much in memory as it may, `resident_max` bytes.
    pub(crate) fn enqueue(
        &mut self,
        message: Message,
        durable: bool,
        resident_max: usize,
    ) -> Sequence {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let body_bytes = message.body().len() as u32;
        self.ready_bytes += u64::from(body_bytes);
        let stays = !durable || self.resident_bytes < resident_max;
        if stays {
            self.resident_bytes += message.encoded().len();
        }
        self.ready.push_back(Entry {
            sequence,
            message: stays.then_some(message),
            body_bytes,
            redelivered: false,
            durable,
        });
        sequence
    }

    /// Notes a delivery that wants an acknowledgement: the message may come back after a restart,
    /// and is to be known as delivered then.
    pub(crate) fn note_delivered(&mut self, entry: &Entry) {
        if entry.durable && entry.sequence > self.delivered_through {
            self.delivered_through = entry.sequence;
        }
    }

    /// Gives how far the queue was delivered, if that is further than when it was last given.
    pub(crate) fn take_delivered(&mut self) -> Option<Sequence> {
        let is_new = self.delivered_through > self.delivered_written
            && !planted::is(Bug::DeliveredNotWritten);
        self.delivered_written = self.delivered_through;
        is_new.then_some(self.delivered_through)
    }

    /// Puts messages back to their places. Contents of durable ones stay on disk if the queue has
    /// as much in memory as it may, `resident_max` bytes.
    pub(crate) fn requeue(&mut self, mut entries: Vec<Entry>, resident_max: usize) {
        // The order of the tags, which is mostly that of the places already.
        entries.sort_by_key(|entry| entry.sequence);
        self.unacknowledged -= entries.len();
        if planted::is(Bug::RequeueForgetsOne) {
            entries.pop();
        }
        for entry in &mut entries {
            entry.redelivered = !planted::is(Bug::RequeueForgetsFlag);
            self.ready_bytes += u64::from(entry.body_bytes);
            if entry.durable && self.resident_bytes >= resident_max {
                entry.message = None;
            }
            self.resident_bytes += entry.resident_bytes();
        }
        self.ready.reserve(entries.len());
        if planted::is(Bug::RequeueAtEnd) {
            self.ready.extend(entries.drain(..));
        }
        let mut waiting = None;
        while let Some(entry) = entries.pop() {
            match self.ready.front() {
                Some(front) if front.sequence < entry.sequence => {
                    waiting = Some(entry);
                    break;
                }
                // Mostly they were taken from the front and nothing before them came back.
                _ => self.ready.push_front(entry),
            }
        }
        let Some(entry) = waiting else { return };
        entries.push(entry);
        if entries.len() <= ONE_BY_ONE {
            for entry in entries {
                let at = self.ready.partition_point(|other| other.sequence < entry.sequence);
                self.ready.insert(at, entry);
            }
        } else {
            // Each on its own would move the rest of the queue each time.
            self.ready.extend(entries);
            self.ready.make_contiguous().sort_by_key(|entry| entry.sequence);
        }
    }

    /// Takes the first message, whose content must be there.
    pub(crate) fn pop(&mut self) -> Option<(Entry, Message)> {
        let message = self.ready.front()?.message.clone()?;
        let entry = self.ready.pop_front()?;
        self.ready_bytes -= u64::from(entry.body_bytes);
        self.resident_bytes -= message.encoded().len();
        Some((entry, message))
    }

    /// Takes the first message with its content moved out of the entry: nobody will want it back.
    pub(crate) fn pop_for_good(&mut self) -> Option<(Entry, Message)> {
        self.ready.front()?.message.as_ref()?;
        let mut entry = self.ready.pop_front()?;
        self.ready_bytes -= u64::from(entry.body_bytes);
        let message = entry.message.take()?;
        self.resident_bytes -= message.encoded().len();
        Some((entry, message))
    }

    /// Asks for the contents of the next messages, if the first has none and none are on the way.
    pub(crate) fn load(&mut self) -> Option<Load> {
        let first = self.ready.front().filter(|entry| entry.message.is_none())?.sequence;
        if self.loading {
            return None;
        }
        let last = self
            .ready
            .iter()
            .take(limits::LOAD_MESSAGES)
            .take_while(|entry| entry.message.is_none())
            .last()?
            .sequence;
        self.loading = true;
        let messages_max = limits::LOAD_MESSAGES as u32;
        Some(Load { queue: self.record.id, first, last, messages_max })
    }

    /// Fills in contents that came from disk. Gives back the entries up to `through` that were
    /// asked for and have none now: they are lost.
    pub(crate) fn loaded(
        &mut self,
        load: Load,
        through: Sequence,
        messages: Vec<(Sequence, Message)>,
    ) -> Vec<Entry> {
        self.loading = false;
        if planted::is(Bug::LoadBringsBack) {
            self.bring_back(&messages);
        }
        let mut messages = messages.into_iter().peekable();
        let start = self.ready.partition_point(|entry| entry.sequence < load.first);
        let mut lost_at = vec![];
        for (at, entry) in self.ready.iter_mut().enumerate().skip(start) {
            if entry.sequence > through.min(load.last) {
                break;
            }
            while messages.next_if(|(sequence, _)| *sequence < entry.sequence).is_some() {}
            let found = messages.next_if(|(sequence, _)| *sequence == entry.sequence);
            if entry.message.is_none() {
                match found {
                    Some((_, message)) => {
                        self.resident_bytes += message.encoded().len();
                        entry.message = Some(message);
                    }
                    None => lost_at.push(at),
                }
            }
        }
        let mut lost: Vec<_> =
            lost_at.into_iter().rev().filter_map(|at| self.ready.remove(at)).collect();
        lost.reverse();
        for entry in &lost {
            self.ready_bytes -= u64::from(entry.body_bytes);
        }
        lost
    }

    /// The bug [`Bug::LoadBringsBack`].
    fn bring_back(&mut self, messages: &[(Sequence, Message)]) {
        for (sequence, message) in messages {
            let at = self.ready.partition_point(|entry| entry.sequence < *sequence);
            if self.ready.get(at).is_none_or(|entry| entry.sequence != *sequence) {
                let body_bytes = message.body().len() as u32;
                self.ready_bytes += u64::from(body_bytes);
                let (sequence, redelivered) = (*sequence, false);
                let entry =
                    Entry { sequence, message: None, body_bytes, redelivered, durable: true };
                self.ready.insert(at, entry);
            }
        }
    }

    /// Empties what is ready. What is unacknowledged stays.
    pub(crate) fn purge(&mut self) -> VecDeque<Entry> {
        self.ready_bytes = 0;
        self.resident_bytes = 0;
        if planted::is(Bug::PurgeForgetsHeld) {
            self.unacknowledged = 0;
        }
        std::mem::take(&mut self.ready)
    }

    /// Takes a consumer away. Its turn stays in the round, where whoever meets it passes over it,
    /// until such turns are the greater part: looking for each one would take too long when
    /// thousands of consumers leave.
    pub(crate) fn remove_consumer(&mut self, consumer: ConsumerKey) {
        self.consumers.remove(&consumer);
        if self.round.len() > TURNS_LEFT_BEHIND + 2 * self.consumers.len() {
            self.round.retain(|key| self.consumers.contains(key));
        }
    }

    /// Survives a restart. An exclusive queue goes with its connection, whatever it was declared.
    pub(crate) fn is_durable(&self) -> bool {
        self.record.durable && !self.record.exclusive
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{MessageBatch, QueueId};

    /// A queue of `count` messages, all of them taken out: the entries by their places.
    fn taken(count: u64) -> (Queue, Vec<Entry>) {
        let record = QueueRecord {
            id: QueueId(1),
            name: "q".to_owned(),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: warren_amqp::FieldTable::default(),
        };
        let mut queue = Queue::new(record, None);
        let mut batch = MessageBatch::with_capacity(0, 0);
        batch.push("", "q", &[], b"body");
        let message = Message::new(&Arc::new(batch), 0).unwrap();
        for _ in 0..count {
            queue.enqueue(message.clone(), true, usize::MAX);
        }
        let entries = std::iter::from_fn(|| queue.pop()).map(|(entry, _)| entry).collect();
        queue.unacknowledged = count as usize;
        (queue, entries)
    }

    fn places(queue: &Queue) -> Vec<Sequence> {
        queue.ready.iter().map(|entry| entry.sequence).collect()
    }

    #[test]
    fn many_messages_come_back_among_others_in_order() {
        for few in [3, 5, 40] {
            let (mut queue, entries) = taken(200);
            let (some, others): (Vec<_>, Vec<_>) =
                entries.into_iter().partition(|entry| entry.sequence % few == 0);
            queue.requeue(some, usize::MAX);
            queue.requeue(others, usize::MAX);
            assert_eq!(places(&queue), (1..=200).collect::<Vec<_>>());
            assert_eq!(queue.unacknowledged, 0);
            assert_eq!(queue.ready_bytes, 800);
        }
    }

    #[test]
    fn contents_that_come_back_beyond_the_share_stay_on_disk() {
        let (mut queue, entries) = taken(100);
        let one = entries[0].resident_bytes();
        queue.requeue(entries, 10 * one);
        assert_eq!(queue.resident_bytes, 10 * one);
        assert_eq!(queue.ready.iter().filter(|entry| entry.message.is_some()).count(), 10);
        assert!(queue.ready[0].message.is_some(), "the first ones are wanted first");
    }
}

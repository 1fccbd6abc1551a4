//! What is ready in a queue: its head in memory, the rest on disk.
//!
//! ```text
//! head: entries, most of them with contents     on disk: only the range of places, and counts
//! [ 3 ][ 4 ][ 7 ][ 8 ]                           9 ......................................... 1,000,000
//!   ^ taken from here                            ^ read next                  new ones come here ^
//! ```
//!
//! A message goes to the head as long as nothing is on disk and the head is small enough. Then the
//! rest goes to disk alone, where messages that survive a restart are written anyway, and the
//! others are written for this reason (spilled). What is on disk costs no memory a message. It
//! comes back in order, as the head runs out, and when all of it has come the head is the queue
//! again. Places in the head are always below those on disk; what is requeued was in the head, and
//! so returns to it.

mod away;
mod browse;
mod check;
mod expire;
mod marks;
mod outcome;
mod pick;
mod retime;

use std::collections::VecDeque;

use self::away::AwayMessages;
use self::expire::{Expiring, Loading};
pub(crate) use self::marks::{Mark, Marks};
pub(crate) use self::outcome::{Answer, Missing, Purged};
pub(crate) use self::retime::QueueTime;
use crate::expiry::{Expiry, NEVER};
use crate::observation::Amount;
use crate::planted::{self, Bug};
use crate::record::{Sequence, Waiting};
use crate::{Load, Message, Milliseconds, QueueId, limits};

/// So many messages are put back among others one by one; more are merged in one go.
const ONE_BY_ONE: usize = 16;

/// Whether the store has a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// No: it is in memory alone.
    InMemory,
    /// Yes, until the next restart.
    Spilled,
    /// Yes, for good.
    Durable,
}

impl Kept {
    /// The name under which the store has a message of `queue`, so that its end must be written.
    fn under(self, queue: QueueId) -> Option<QueueId> {
        match self {
            Self::InMemory => None,
            Self::Spilled if planted::is(Bug::SpilledSettledAsDurable) => Some(queue),
            Self::Spilled => Some(queue.spilled()),
            Self::Durable => Some(queue),
        }
    }
}

/// A message in a queue or on a channel.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: Sequence,
    /// The content; `None` while it is only on disk.
    pub(crate) message: Option<Message>,
    /// The length of the body.
    pub(crate) body_bytes: u32,
    /// What the entry takes in memory while it has its content. The first message of a batch bears
    /// the whole of it, as it stays until the last of its messages goes; the others weigh nothing
    /// but themselves.
    weight: u32,
    /// Delivered before.
    pub(crate) redelivered: bool,
    /// The lane of its queue that it waits in.
    pub(crate) lane: u8,
    pub(crate) kept: Kept,
    /// How often it came back, in queues that count it.
    pub(crate) returns: u32,
    /// From then on nobody gets it any more.
    pub(crate) expires: Milliseconds,
    pub(crate) marks: Marks,
}

/// Every message that waits in memory has one, so that a larger one is noticed.
const _: () = assert!(size_of::<Entry>() <= 48);

impl Entry {
    /// An entry that follows `before` in its queue.
    fn new(sequence: Sequence, message: Message, kept: Kept, before: Option<&Self>) -> Self {
        let body_bytes = message.body_bytes();
        let shares = |before: &Message| before.is_of_same_batch(&message);
        let batch = match before.and_then(|before| before.message.as_ref()) {
            Some(before) if shares(before) => 0,
            _ => message.batch_bytes(),
        };
        let weight = u32::try_from(batch + limits::ENTRY_BYTES).unwrap_or(u32::MAX);
        let message = Some(message);
        let (redelivered, lane, expires) = (false, 0, NEVER);
        Self {
            sequence,
            message,
            body_bytes,
            weight,
            redelivered,
            lane,
            kept,
            returns: 0,
            expires,
            marks: Marks::default(),
        }
    }

    /// The name under which the store has the message, if it has it: then its end must be written.
    pub(crate) fn stored_under(&self, queue: QueueId) -> Option<QueueId> {
        self.kept.under(queue.lane(self.lane))
    }

    /// A delivery of a message that stays where it is, whatever becomes of the delivery.
    pub(crate) fn of_stream(sequence: Sequence, body_bytes: u32) -> Self {
        Self {
            sequence,
            message: None,
            body_bytes,
            weight: 0,
            redelivered: false,
            lane: 0,
            kept: Kept::InMemory,
            returns: 0,
            expires: NEVER,
            marks: Marks::default(),
        }
    }

    /// What the content takes in memory, if it is there.
    pub(crate) fn resident_bytes(&self) -> usize {
        if self.message.is_some() { self.weight as usize } else { 0 }
    }

    /// Survives a restart.
    pub(crate) fn is_durable(&self) -> bool {
        self.kept == Kept::Durable
    }
}

/// The ready messages of a queue, in the order of their places.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Which lane of its queue this is.
    lane: u8,
    head: VecDeque<Entry>,
    /// The bodies of the head.
    head_bytes: u64,
    /// What the contents in the head take in memory.
    resident_bytes: usize,
    on_disk: Option<Waiting>,
    /// What of this need not survive a restart, in a queue that does. After damage it may be too
    /// much.
    spilled_on_disk: Amount,
    /// What comes from disk up to this place was delivered before the last restart.
    redelivered_through: Sequence,
    /// An answer from disk is on its way.
    loading: Loading,
    /// What it brings was purged meanwhile. What came since may not be among it, and is not lost.
    is_purged: bool,
    /// How long messages may wait.
    ttl: Option<Milliseconds>,
    /// Messages below this place came when that was another time (see `retime.rs`).
    timed_from: Sequence,
    /// There may be messages whose own time is longer.
    hides_own: bool,
    /// Empty entries in the head (see `expire.rs`).
    gone: usize,
    /// Messages with a time of their own; not there before one needs it.
    expiring: Option<Box<Expiring>>,
    /// When something was first read back: the time of messages that do not tell theirs.
    since: Milliseconds,
    /// Messages that were taken out of the range.
    away: Option<Box<AwayMessages>>,
}

impl Backlog {
    /// What a restart found: all of it on disk.
    pub(crate) fn recovered(waiting: Waiting, delivered_through: Sequence) -> Self {
        Self {
            on_disk: (waiting.messages > 0).then_some(waiting),
            redelivered_through: delivered_through,
            ..Self::default()
        }
    }

    /// The same as another lane of its queue.
    pub(crate) fn in_lane(self, lane: u8) -> Self {
        Self { lane, ..self }
    }

    pub(crate) fn lane(&self) -> u8 {
        self.lane
    }

    /// How many messages are ready.
    pub(crate) fn len(&self) -> u64 {
        (self.head.len() - self.gone) as u64 + self.on_disk.map_or(0, |on_disk| on_disk.messages)
    }

    /// How many of them the head has; `None` while an answer from disk is on its way.
    pub(crate) fn head_len(&self) -> Option<usize> {
        (!self.is_loading()).then_some(self.head.len() - self.gone)
    }

    /// An answer from disk is on its way.
    pub(crate) fn is_loading(&self) -> bool {
        self.loading != Loading::Nothing
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.on_disk.is_none()
    }

    /// What the bodies of all ready messages take, in bytes.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.head_bytes + self.on_disk.map_or(0, |on_disk| on_disk.body_bytes)
    }

    /// What the contents in memory take, in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.resident_bytes
    }

    /// The next message, if its content is in memory.
    pub(crate) fn front(&self) -> Option<&Message> {
        self.head.front()?.message.as_ref()
    }

    /// What is in the head.
    pub(crate) fn in_head(&self) -> Amount {
        Amount { messages: (self.head.len() - self.gone) as u64, bytes: self.head_bytes }
    }

    /// Puts a new message at the end. It stays in memory if nothing before it is on disk and
    /// contents take less than `resident_max` bytes; gives whether it does. Otherwise it must be
    /// written, also if it is not durable.
    pub(crate) fn push(
        &mut self,
        sequence: Sequence,
        message: &Message,
        durable: bool,
        resident_max: usize,
        now: Milliseconds,
    ) -> bool {
        let expiry = self.expiry_of_new(message, now);
        self.hides_own |= expiry.hides_own;
        let is_behind = self.on_disk.is_some() && !planted::is(Bug::NewOvertakesDisk);
        if !is_behind && self.resident_bytes < resident_max {
            let kept = if durable { Kept::Durable } else { Kept::InMemory };
            let mut entry = Entry::new(sequence, message.clone(), kept, self.head.back());
            entry.lane = self.lane;
            entry.expires = expiry.at;
            entry.marks.set(Mark::ExpiresAlone, expiry.is_own);
            self.head_bytes += u64::from(entry.body_bytes);
            self.resident_bytes += entry.resident_bytes();
            self.head.push_back(entry);
            if expiry.is_own {
                self.expires_in_head(expiry.at, sequence);
            }
            return true;
        }
        let none = Waiting { first: sequence, ..Waiting::default() };
        let on_disk = self.on_disk.get_or_insert(none);
        on_disk.last = sequence;
        on_disk.messages += 1;
        on_disk.body_bytes += u64::from(message.body_bytes());
        if !durable {
            self.spilled_on_disk.add(message.body_bytes());
        }
        if expiry.is_own {
            self.expires_on_disk(expiry.at, sequence, now);
        }
        false
    }

    /// Takes the first message, with or without its content, if it is not in the part of which the
    /// disk alone knows.
    pub(crate) fn drop_first(&mut self) -> Option<Entry> {
        self.pop_front()
    }

    /// Puts messages back to their places. Contents that the store has are dropped if those in
    /// memory take `resident_max` bytes.
    pub(crate) fn requeue(&mut self, mut entries: Vec<Entry>, resident_max: usize) {
        for entry in &mut entries {
            entry.redelivered = !planted::is(Bug::RequeueForgetsFlag);
        }
        self.put_back(entries, resident_max);
    }

    /// Puts messages back to their places that nobody got (see [`Self::requeue`]).
    pub(crate) fn put_back(&mut self, mut entries: Vec<Entry>, resident_max: usize) {
        self.retime(&mut entries);
        self.back_to_range(&mut entries);
        let alone = entries.iter().filter(|entry| entry.marks.has(Mark::ExpiresAlone));
        let alone: Vec<_> = alone.map(|entry| (entry.expires, entry.sequence)).collect();
        let unread = self.with_unknown_time(&entries);
        self.put_into_head(entries, resident_max);
        alone.into_iter().for_each(|(at, sequence)| self.expires_in_head(at, sequence));
        self.look_at_unread(unread);
    }

    fn put_into_head(&mut self, mut entries: Vec<Entry>, resident_max: usize) {
        // The order of the tags, which is mostly that of the places already.
        entries.sort_by_key(|entry| entry.sequence);
        if planted::is(Bug::RequeueForgetsOne) {
            entries.pop();
        }
        for entry in &mut entries {
            self.head_bytes += u64::from(entry.body_bytes);
            if entry.kept != Kept::InMemory && self.resident_bytes >= resident_max {
                entry.message = None;
            }
            self.resident_bytes += entry.resident_bytes();
        }
        if self.gone > 0 {
            self.fill_gone(&mut entries);
        }
        self.head.reserve(entries.len());
        if planted::is(Bug::RequeueAtEnd) {
            self.head.extend(entries.drain(..));
        }
        if planted::is(Bug::RequeueOvertakes) && self.on_disk.is_some() {
            entries.drain(..).rev().for_each(|entry| self.head.push_front(entry));
        }
        let mut waiting = None;
        while let Some(entry) = entries.pop() {
            match self.head.front() {
                Some(front) if front.sequence < entry.sequence => {
                    waiting = Some(entry);
                    break;
                }
                // Mostly they were taken from the front and nothing before them came back.
                _ => self.head.push_front(entry),
            }
        }
        let Some(entry) = waiting else { return };
        entries.push(entry);
        if entries.len() <= ONE_BY_ONE {
            for entry in entries {
                let at = self.head.partition_point(|other| other.sequence < entry.sequence);
                self.head.insert(at, entry);
            }
        } else {
            // Each on its own would move the rest of the queue each time.
            self.head.extend(entries);
            self.head.make_contiguous().sort_by_key(|entry| entry.sequence);
        }
    }

    /// Takes the first message, if its content is there. The entry keeps a reference to it.
    pub(crate) fn pop(&mut self) -> Option<(Entry, Message)> {
        let message = self.head.front()?.message.clone()?;
        Some((self.pop_front()?, message))
    }

    /// Takes the first message, if its content is there. Nobody will want it back.
    pub(crate) fn pop_for_good(&mut self) -> Option<(Entry, Message)> {
        self.head.front()?.message.as_ref()?;
        let mut entry = self.pop_front()?;
        let message = entry.message.take()?;
        Some((entry, message))
    }

    fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.head.pop_front()?;
        self.head_bytes -= u64::from(entry.body_bytes);
        self.resident_bytes -= entry.resident_bytes();
        if self.gone > 0 {
            self.trim();
        }
        if self.head.is_empty() && self.head.capacity() > limits::HEAD_KEPT {
            self.head = VecDeque::new();
        }
        Some(entry)
    }

    /// What is to be read from disk so that the next messages are there when they are wanted:
    /// contents that the head is without, or what follows the head when little is left of it.
    /// Nothing while an answer is on its way.
    ///
    /// `share` is how many bytes the queue may have in memory. A load brings about that at most, but
    /// always a message.
    pub(crate) fn load(&mut self, queue: QueueId, share: usize) -> Option<Load> {
        let queue = queue.lane(self.lane);
        if self.loading != Loading::Nothing {
            return None;
        }
        if let Some(load) = self.load_in_turn(queue) {
            return Some(load);
        }
        let fits = |bytes: u64, messages: u64| {
            let one = bytes / messages.max(1) + limits::ENTRY_BYTES as u64;
            let most = limits::LOAD_MESSAGES as u64;
            (share as u64 / one).clamp(1, most) as usize
        };
        let in_head = fits(self.head_bytes, self.head.len() as u64);
        let without = self.head.iter().take(in_head);
        let without = without.take_while(|entry| entry.message.is_none()).last();
        let (first, last, messages_max) = match (self.head.front(), without) {
            (Some(first), Some(last)) => (first.sequence, last.sequence, limits::LOAD_MESSAGES),
            _ => {
                let low = limits::LOAD_AHEAD_BYTES.min(share / 2).max(1);
                let ready = self.head.len() - self.gone;
                let is_low = ready < limits::LOAD_AHEAD_MESSAGES && self.resident_bytes < low;
                let on_disk = self.on_disk.filter(|_| is_low)?;
                (on_disk.first, on_disk.last, fits(on_disk.body_bytes, on_disk.messages))
            }
        };
        self.loading = Loading::Contents;
        Some(Load { queue, first, last, messages_max: messages_max as u32, only: None })
    }

    /// Takes an answer from disk; `durable` is whether the queue is.
    pub(crate) fn loaded(&mut self, answer: Answer, durable: bool, now: Milliseconds) -> Missing {
        let loading = std::mem::take(&mut self.loading);
        if self.since == 0 {
            self.since = now;
        }
        let is_purged = std::mem::take(&mut self.is_purged);
        let missing = match is_purged {
            true => Missing::default(),
            false => self.take_answer(loading, answer, durable, now),
        };
        self.forget_away();
        missing
    }

    fn take_answer(
        &mut self,
        loading: Loading,
        mut answer: Answer,
        durable: bool,
        now: Milliseconds,
    ) -> Missing {
        answer.through = answer.through.min(answer.load.last);
        match loading {
            Loading::Expired | Loading::Unknown => {
                return self.loaded_expired(answer, durable, now);
            }
            Loading::Picked => return self.loaded_picked(answer, durable, now),
            Loading::Nothing | Loading::Contents => {}
        }
        self.give_turn();
        match self.on_disk {
            Some(on_disk) if on_disk.first == answer.load.first => {
                self.page_in(on_disk, answer, durable)
            }
            _ => Missing { lost: self.fill_in(answer), ..Missing::default() },
        }
    }

    fn page_in(&mut self, mut on_disk: Waiting, answer: Answer, durable: bool) -> Missing {
        let Answer { through, mut messages, damaged, returns, .. } = answer;
        let mut returns = returns.into_iter().peekable();
        messages.retain(|(sequence, _)| !self.is_away(*sequence));
        let mut gone = messages.len() as u64;
        if planted::is(Bug::PageInForgetsLast) {
            messages.pop();
        }
        for (sequence, message) in messages {
            let kept = Kept::from_disk(&message, durable);
            if kept == Kept::Spilled {
                self.spilled_on_disk.subtract(message.body_bytes());
            }
            let mut entry = Entry::new(sequence, message, kept, self.head.back());
            entry.lane = self.lane;
            while returns.next_if(|(place, _)| *place < sequence).is_some() {}
            entry.returns = returns.next_if(|(place, _)| *place == sequence).map_or(0, |of| of.1);
            let came_back = self.came_back(sequence);
            entry.returns = entry.returns.max(came_back.unwrap_or_default());
            entry.redelivered = self.was_delivered(sequence) || entry.returns > 0;
            entry.marks.set(Mark::Untold, entry.redelivered && sequence > self.redelivered_through);
            self.set_expiry(&mut entry);
            let bytes = u64::from(entry.body_bytes);
            on_disk.body_bytes = on_disk.body_bytes.saturating_sub(bytes);
            self.head_bytes += bytes;
            self.resident_bytes += entry.resident_bytes();
            let (at, expires_alone) = (entry.expires, entry.marks.has(Mark::ExpiresAlone));
            self.head.push_back(entry);
            if expires_alone {
                self.expires_in_head(at, sequence);
            }
        }
        let mut missing = Missing::default();
        for (sequence, body_bytes) in damaged {
            on_disk.body_bytes = on_disk.body_bytes.saturating_sub(u64::from(body_bytes));
            missing.lost.push(sequence);
            gone += 1;
        }
        on_disk.messages = on_disk.messages.saturating_sub(gone);
        on_disk.first = through.saturating_add(1);
        let is_done = on_disk.first > on_disk.last;
        if is_done {
            missing.unknown = on_disk.messages;
        }
        // What came while the answer was on its way is still there, so the range may be longer.
        self.on_disk = (!is_done).then_some(on_disk);
        if is_done {
            self.spilled_on_disk = Amount::default();
        }
        self.range_changed();
        missing
    }

    /// What comes from disk at this place was delivered before.
    fn was_delivered(&self, sequence: Sequence) -> bool {
        sequence <= self.redelivered_through || self.came_back(sequence).is_some()
    }

    /// Fills contents into the head. Gives what was asked for and is not there: it is lost.
    fn fill_in(&mut self, answer: Answer) -> Vec<Sequence> {
        let Answer { load, through, messages, .. } = answer;
        if planted::is(Bug::LoadBringsBack) {
            self.bring_back(&messages);
        }
        let mut messages = messages.into_iter().peekable();
        let start = self.head.partition_point(|entry| entry.sequence < load.first);
        let (mut lost, mut alone) = (vec![], vec![]);
        for (at, entry) in self.head.iter_mut().enumerate().skip(start) {
            if entry.sequence > through {
                break;
            }
            while messages.next_if(|(sequence, _)| *sequence < entry.sequence).is_some() {}
            let found = messages.next_if(|(sequence, _)| *sequence == entry.sequence);
            if entry.message.is_none() && !entry.is_gone() {
                match found {
                    Some((_, message)) => {
                        let expiry = Expiry::of(&message, self.ttl, self.since);
                        entry.message = Some(message);
                        self.resident_bytes += entry.resident_bytes();
                        if entry.sequence < self.timed_from
                            && expiry.is_own
                            && !entry.marks.has(Mark::ExpiresAlone)
                        {
                            entry.expires = expiry.at;
                            entry.marks.set(Mark::ExpiresAlone, true);
                            alone.push((expiry.at, entry.sequence));
                        }
                    }
                    None => lost.push(at),
                }
            }
        }
        alone.into_iter().for_each(|(at, sequence)| self.expires_in_head(at, sequence));
        let mut gone: Vec<Sequence> = vec![];
        for at in lost.into_iter().rev() {
            if let Some(entry) = self.head.remove(at) {
                self.head_bytes -= u64::from(entry.body_bytes);
                gone.push(entry.sequence);
            }
        }
        gone.reverse();
        self.trim();
        gone
    }

    /// The bug [`Bug::LoadBringsBack`].
    fn bring_back(&mut self, messages: &[(Sequence, Message)]) {
        for (sequence, message) in messages {
            let at = self.head.partition_point(|entry| entry.sequence < *sequence);
            if self.head.get(at).is_none_or(|entry| entry.sequence != *sequence) {
                let mut entry = Entry::new(*sequence, message.clone(), Kept::Durable, None);
                entry.lane = self.lane;
                self.head_bytes += u64::from(entry.body_bytes);
                self.resident_bytes += entry.resident_bytes();
                self.head.insert(at, entry);
            }
        }
    }

    /// Takes everything out.
    pub(crate) fn purge(&mut self) -> Purged {
        self.head_bytes = 0;
        self.resident_bytes = 0;
        self.is_purged = self.loading != Loading::Nothing;
        self.expiring = None;
        let mut head = std::mem::take(&mut self.head);
        if std::mem::take(&mut self.gone) > 0 {
            head.retain(|entry| !entry.is_gone());
        }
        let on_disk = self.on_disk.take();
        let parts = on_disk.into_iter().flat_map(|on_disk| self.parts(on_disk));
        let on_disk = parts.map(|part| (self.lane, part)).collect();
        let spilled_on_disk = std::mem::take(&mut self.spilled_on_disk);
        Purged { head, on_disk, spilled_on_disk }
    }
}

#[cfg(test)]
mod tests;

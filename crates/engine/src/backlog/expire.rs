//! What expires among the ready messages of a queue, wherever it stands.
//!
//! ```text
//! in the head   from the front, as long as the first one is due: the time of the queue is the same
//!               for all; and by `Expiring::head`, which has the messages with a time of their own
//! on disk       the head never runs empty in a queue with a time, so that the front is known;
//!               and by `Expiring::range`, which has the places of those with a time of their own.
//!               These are read, exactly these, and leave the range
//! ```
//!
//! A message that goes from the middle of the head leaves an empty entry behind, so that the
//! others need not move. A queue without a time, in which no message has one, has none of this.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::{Answer, Backlog, Entry, Kept, Mark, Marks, Missing};
use crate::expiry::{Expiry, NEVER};
use crate::record::Sequence;
use crate::wheel::Wheel;
use crate::{Load, Message, Milliseconds, QueueId, limits};

/// So many empty entries may be in a head whatever its length.
const GONE_KEPT: usize = 64;

/// What is on its way from disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Loading {
    #[default]
    Nothing,
    /// Contents for the head, or what follows on it.
    Contents,
    /// Messages that expired.
    Expired,
    /// Messages that a restart found, to see which expire when.
    Unknown,
    /// Messages that somebody picked.
    Picked,
}

/// Messages with a time of their own.
#[derive(Debug, Default)]
pub(super) struct Expiring {
    /// Those in the head, the first one to expire on top. Some of them may have left it.
    head: BinaryHeap<Reverse<(Milliseconds, Sequence)>>,
    /// Those on disk. Some of them may have left it for the head.
    pub(super) range: Wheel,
    /// What is to be read because it has expired.
    pub(super) due: Vec<Sequence>,
    /// The part of the range of which a restart does not know what expires when.
    pub(super) unknown: Option<(Sequence, Sequence)>,
    /// The head is looked through from this place on, as the time of the queue has changed.
    pub(super) retime: Option<Sequence>,
    /// What has expired is read before the contents that are wanted next: these came last.
    has_turn: bool,
}

impl Entry {
    /// What is left of a message in the middle of the head.
    fn gone(&self) -> Self {
        Self {
            sequence: self.sequence,
            message: None,
            body_bytes: 0,
            weight: 0,
            redelivered: false,
            lane: self.lane,
            kept: Kept::InMemory,
            returns: 0,
            expires: NEVER,
            marks: Marks::default(),
        }
    }

    /// The message has left. A message that is in memory alone has its content.
    pub(super) fn is_gone(&self) -> bool {
        self.message.is_none() && self.kept == Kept::InMemory
    }
}

impl Backlog {
    /// With messages on disk that may have a time of their own.
    pub(crate) fn looked_through_later(mut self) -> Self {
        if let Some(on_disk) = self.on_disk {
            self.expiring().unknown = Some((on_disk.first, on_disk.last));
        }
        self
    }

    pub(super) fn expiring(&mut self) -> &mut Expiring {
        self.expiring.get_or_insert_default()
    }

    /// Something may expire here.
    pub(crate) fn is_timed(&self) -> bool {
        self.ttl.is_some() || self.expiring.is_some()
    }

    /// Messages have times of their own.
    pub(crate) fn has_own_times(&self) -> bool {
        self.expiring.is_some()
    }

    /// The next message has expired, so that nobody gets it. A new one is offered once before it
    /// does, also with a time of zero; one that came back is not.
    pub(crate) fn is_stale(&self, now: Milliseconds) -> bool {
        let stale = |entry: &Entry| match self.expiry(entry) {
            expiry if entry.redelivered => expiry <= now,
            expiry => expiry < now,
        };
        self.head.front().is_some_and(stale)
    }

    /// When a new message is to leave: not before it was offered to consumers once.
    pub(super) fn expiry_of_new(&self, message: &Message, now: Milliseconds) -> Expiry {
        let expiry = Expiry::of(message, self.ttl, now);
        Expiry { at: expiry.at.max(now), ..expiry }
    }

    pub(super) fn expiry_of_old(&self, message: &Message) -> Expiry {
        Expiry::of(message, self.ttl, self.since)
    }

    /// Notes a message in the head that has a time of its own.
    pub(super) fn expires_in_head(&mut self, at: Milliseconds, sequence: Sequence) {
        let expiring = self.expiring.get_or_insert_default();
        expiring.head.push(Reverse((at, sequence)));
        if expiring.head.len() > GONE_KEPT + 2 * self.head.len() {
            let timed = self.head.iter().filter(|entry| entry.marks.has(Mark::ExpiresAlone));
            expiring.head = timed.map(|entry| Reverse((entry.expires, entry.sequence))).collect();
        }
    }

    /// Notes a message on disk that has a time of its own.
    pub(super) fn expires_on_disk(&mut self, at: Milliseconds, sequence: Sequence, now: u64) {
        self.expiring().range.add(at, sequence, now);
    }

    /// Gives a message that came from disk its time.
    pub(super) fn set_expiry(&mut self, entry: &mut Entry) {
        if let Some(message) = &entry.message
            && (self.ttl.is_some() || message.may_expire() || entry.expires != NEVER)
        {
            let expiry = self.expiry_of_old(message);
            self.hides_own |= expiry.hides_own;
            entry.expires = expiry.at;
            entry.marks.set(Mark::ExpiresAlone, expiry.is_own);
        }
    }

    /// The range on disk has become shorter.
    pub(super) fn range_changed(&mut self) {
        let Some(expiring) = &mut self.expiring else { return };
        match self.on_disk {
            None => {
                (expiring.range, expiring.unknown) = (Wheel::default(), None);
            }
            Some(on_disk) => {
                expiring.range.sift(on_disk.first, on_disk.messages);
                let unknown =
                    expiring.unknown.map(|(first, last)| (first.max(on_disk.first), last));
                expiring.unknown = unknown.filter(|(first, last)| first <= last);
            }
        }
    }

    /// When [`Self::expire`] or [`Self::load_expired`] has something to do; [`NEVER`] if nothing is
    /// foreseen. With `needs_content`, messages go with their contents.
    pub(crate) fn next_due(&self, now: Milliseconds, needs_content: bool) -> Milliseconds {
        let is_loading = self.loading != Loading::Nothing;
        let front = self.head.front().filter(|entry| {
            // One that waits for its content is seen to when that has come.
            entry.message.is_some() || !needs_content || !is_loading
        });
        let front = front.map_or(NEVER, |entry| self.expiry(entry));
        if self.front_is_unknown() && !is_loading {
            return now;
        }
        let Some(expiring) = &self.expiring else {
            let looks_on = self.ttl.is_some() && self.head.is_empty();
            return if looks_on && self.on_disk.is_some() && !is_loading { now } else { front };
        };
        let in_head = expiring.head.peek().map_or(NEVER, |Reverse((at, _))| *at);
        let soonest = front.min(in_head);
        if is_loading {
            return soonest;
        }
        let looks_on = self.ttl.is_some() && self.head.is_empty() && self.on_disk.is_some();
        let is_to_be_read = looks_on || !expiring.due.is_empty() || expiring.unknown.is_some();
        if is_to_be_read || expiring.retime.is_some() {
            return now;
        }
        soonest.min(expiring.range.next_due().unwrap_or(NEVER))
    }

    /// Takes out of the head what has expired, at most `max` messages, and finds what has expired
    /// on disk.
    pub(crate) fn expire(
        &mut self,
        now: Milliseconds,
        max: usize,
        needs_content: bool,
    ) -> Vec<Entry> {
        let mut expired = vec![];
        let can_go = |entry: &Entry| entry.message.is_some() || !needs_content;
        while expired.len() < max
            && let Some(front) = self.head.front()
            && self.expiry(front) <= now
            && can_go(front)
        {
            expired.extend(self.pop_front());
        }
        while expired.len() < max
            && let Some(expiring) = &mut self.expiring
            && let Some(Reverse((at, sequence))) = expiring.head.peek().copied()
            && at <= now
        {
            expiring.head.pop();
            let found = self.head.binary_search_by_key(&sequence, |entry| entry.sequence);
            let found = found.ok().and_then(|at| Some((at, self.head.get(at)?)));
            match found.filter(|(_, entry)| !entry.is_gone()) {
                Some((at, entry)) if can_go(entry) => expired.extend(self.take_at(at)),
                Some(_) => expiring.due.push(sequence),
                // It has left the head.
                None => {}
            }
        }
        self.retime_head();
        self.find_due(now);
        expired
    }

    /// Takes those places that are due on disk out of the wheel.
    fn find_due(&mut self, now: Milliseconds) {
        let lowest = self.on_disk.map_or(Sequence::MAX, |on_disk| on_disk.first);
        if let Some(Expiring { range, due, .. }) = self.expiring.as_deref_mut() {
            range.take_due(now, lowest, limits::EXPIRED_LOAD, limits::EXPIRY_WORK, due);
        }
    }

    /// Takes a message out of the middle of the head.
    pub(super) fn take_at(&mut self, at: usize) -> Option<Entry> {
        let entry = self.head.get_mut(at)?;
        let gone = entry.gone();
        let entry = std::mem::replace(entry, gone);
        self.head_bytes -= u64::from(entry.body_bytes);
        self.resident_bytes -= entry.resident_bytes();
        self.gone += 1;
        self.trim();
        Some(entry)
    }

    /// Takes empty entries away from both ends of the head, and from everywhere if they are many.
    pub(super) fn trim(&mut self) {
        while self.gone > 0 && self.head.pop_front_if(|entry| entry.is_gone()).is_some() {
            self.gone -= 1;
        }
        while self.gone > 0 && self.head.pop_back_if(|entry| entry.is_gone()).is_some() {
            self.gone -= 1;
        }
        if self.gone > GONE_KEPT + self.head.len() / 2 {
            self.head.retain(|entry| !entry.is_gone());
            self.gone = 0;
        }
    }

    /// What is to be read from disk because of time. Nothing while an answer is on its way.
    pub(crate) fn load_expired(
        &mut self,
        queue: QueueId,
        now: Milliseconds,
        share: usize,
        needs_content: bool,
    ) -> Option<Load> {
        let queue = queue.lane(self.lane);
        if self.loading != Loading::Nothing {
            return None;
        }
        if let Some(load) = self.load_due(queue) {
            return Some(load);
        }
        let unknown = self.expiring.as_ref().and_then(|expiring| expiring.unknown);
        if let Some((first, last)) = unknown {
            self.loading = Loading::Unknown;
            let messages_max = limits::LOAD_MESSAGES as u32;
            return Some(Load { queue, first, last, messages_max, only: None });
        }
        let front = self.head.front();
        let waits = needs_content
            && front.is_some_and(|front| self.expiry(front) <= now && front.message.is_none());
        let waits = waits || self.front_is_unknown();
        let looks_on = self.ttl.is_some() && front.is_none();
        if waits || looks_on { self.load(queue, share) } else { None }
    }

    /// What has expired, if it has its turn before other contents.
    pub(super) fn load_in_turn(&mut self, queue: QueueId) -> Option<Load> {
        self.expiring.as_ref().filter(|expiring| expiring.has_turn)?;
        self.load_due(queue)
    }

    /// A message of the range is looked at, as its time may have come while it was away.
    pub(super) fn is_due_on_disk(&mut self, sequence: Sequence) {
        self.expiring().due.push(sequence);
    }

    fn load_due(&mut self, queue: QueueId) -> Option<Load> {
        let expiring = self.expiring.as_deref_mut()?;
        expiring.has_turn = false;
        let mut due = std::mem::take(&mut expiring.due);
        // Some may have left in another way since they were found.
        due.retain(|place| {
            let is_in_range = self.is_on_disk(*place) && !self.is_away(*place);
            is_in_range || self.place_without_content(*place).is_some()
        });
        due.sort_unstable();
        due.dedup();
        let (first, last) = (*due.first()?, *due.last()?);
        self.loading = Loading::Expired;
        let messages_max = due.len() as u32;
        Some(Load { queue, first, last, messages_max, only: Some(Arc::from(due)) })
    }

    /// Contents have come that were wanted otherwise: what has expired is next.
    pub(super) fn give_turn(&mut self) {
        if let Some(expiring) = &mut self.expiring {
            expiring.has_turn = true;
        }
    }

    /// Takes an answer of what has expired, or of what a restart knows nothing of.
    pub(super) fn loaded_expired(
        &mut self,
        answer: Answer,
        durable: bool,
        now: Milliseconds,
    ) -> Missing {
        let Answer { load, through, messages, damaged, .. } = answer;
        let mut missing = Missing::default();
        let mut came = Vec::with_capacity(messages.len());
        for (sequence, message) in messages {
            came.push(sequence);
            if self.is_away(sequence) {
                continue;
            }
            if self.is_on_disk(sequence) {
                missing.expired.extend(self.take_if_expired(sequence, message, durable, now));
            } else {
                self.fill_expired(sequence, message, now);
            }
        }
        for (sequence, body_bytes) in damaged {
            if self.is_on_disk(sequence) {
                self.left_range(body_bytes);
                missing.lost.push(sequence);
            } else {
                missing.lost.extend(self.lose_at(sequence));
            }
        }
        match &load.only {
            Some(wanted) => {
                let read = wanted.partition_point(|place| *place <= through);
                for place in wanted.iter().take(read) {
                    if came.binary_search(place).is_err() {
                        missing.lost.extend(self.lose_at(*place));
                    }
                }
                self.expiring().due.extend(wanted.iter().skip(read));
            }
            None => {
                // The range may have grown meanwhile, as the time of the queue has changed.
                let next = through.saturating_add(1);
                let unknown = self.expiring().unknown.map(|(first, last)| (first.max(next), last));
                self.expiring().unknown = unknown.filter(|(first, last)| first <= last);
            }
        }
        if self.on_disk.is_some_and(|on_disk| on_disk.messages == 0) {
            self.on_disk = None;
        }
        self.range_changed();
        missing.lost.sort_unstable();
        missing
    }

    pub(super) fn is_on_disk(&self, sequence: Sequence) -> bool {
        self.on_disk.is_some_and(|on_disk| sequence >= on_disk.first)
    }

    /// A message is not on disk any more.
    pub(super) fn left_range(&mut self, body_bytes: u32) {
        if let Some(on_disk) = &mut self.on_disk {
            on_disk.messages = on_disk.messages.saturating_sub(1);
            on_disk.body_bytes = on_disk.body_bytes.saturating_sub(u64::from(body_bytes));
        }
    }

    /// Takes a message out of the range if it has expired; otherwise its time is noted.
    fn take_if_expired(
        &mut self,
        sequence: Sequence,
        message: Message,
        durable: bool,
        now: Milliseconds,
    ) -> Option<Entry> {
        let expiry = self.expiry_of_old(&message);
        self.hides_own |= expiry.hides_own;
        if expiry.at > now {
            if expiry.is_own {
                self.expires_on_disk(expiry.at, sequence, now);
            }
            return None;
        }
        self.left_range(message.body_bytes());
        let kept = Kept::from_disk(&message, durable);
        if kept == Kept::Spilled {
            self.spilled_on_disk.subtract(message.body_bytes());
        }
        let mut entry = Entry::new(sequence, message, kept, None);
        entry.lane = self.lane;
        entry.marks.set(Mark::FromRange, true);
        Some(entry)
    }

    /// A message of the head gets its content if it has expired. Otherwise it was read for its time,
    /// which is noted.
    fn fill_expired(&mut self, sequence: Sequence, message: Message, now: Milliseconds) {
        let is_old = sequence < self.timed_from;
        let expiry = is_old.then(|| self.expiry_of_old(&message));
        let at = self.place_without_content(sequence);
        let Some(entry) = at.and_then(|at| self.head.get_mut(at)) else { return };
        if let Some(expiry) = expiry {
            self.hides_own |= expiry.hides_own;
            entry.expires = expiry.at;
            entry.marks.set(Mark::ExpiresAlone, expiry.is_own);
        }
        let (expires, is_own) = (entry.expires, entry.marks.has(Mark::ExpiresAlone));
        if expires <= now {
            entry.message = Some(message);
            self.resident_bytes += entry.resident_bytes();
        }
        if is_own {
            self.expires_in_head(expires, sequence);
        }
    }

    /// Where in the head a message is whose content is on disk alone.
    pub(super) fn place_without_content(&self, sequence: Sequence) -> Option<usize> {
        let at = self.head.binary_search_by_key(&sequence, |entry| entry.sequence).ok()?;
        let entry = self.head.get(at)?;
        (entry.message.is_none() && !entry.is_gone()).then_some(at)
    }

    /// A message of the head is without a content, which cannot be read.
    pub(super) fn lose_at(&mut self, sequence: Sequence) -> Option<Sequence> {
        let at = self.place_without_content(sequence)?;
        self.take_at(at).map(|entry| entry.sequence)
    }

    /// Checks that empty entries are where they may be.
    pub(super) fn check_gone(&self) -> Result<(), String> {
        let gone = self.head.iter().filter(|entry| entry.is_gone()).count();
        let ends = [self.head.front(), self.head.back()];
        if gone != self.gone || ends.into_iter().flatten().any(Entry::is_gone) {
            return Err(format!("{} empty entries, {gone} found, or one at an end", self.gone));
        }
        Ok(())
    }
}

impl Kept {
    /// How a message is kept that came from disk: what is not durable in a durable queue is spilled
    /// under another name.
    pub(super) fn from_disk(message: &Message, durable: bool) -> Self {
        if durable && message.is_persistent() { Self::Durable } else { Self::Spilled }
    }
}

//! The time that messages may wait, when it changes while they wait.
//!
//! Nothing is gone through for it as a rule: what came before the change tells its time from its
//! content, when it is at the front. Only if the time of the queue becomes longer, messages with a
//! time of their own may matter that did not before, and these are looked for, some at a time.

use super::{Backlog, Entry, Mark};
use crate::expiry::{Expiry, NEVER};
use crate::record::Sequence;
use crate::{Milliseconds, limits};

/// The time that the messages of a queue may wait, for all its lanes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QueueTime {
    /// How long; `None` if for ever.
    pub(crate) ttl: Option<Milliseconds>,
    /// Messages below this place came when it was another one.
    pub(crate) timed_from: Sequence,
    /// When that was: the time of messages that do not tell theirs.
    pub(crate) since: Milliseconds,
}

impl Backlog {
    /// The first message is in the head, with or without its content.
    pub(crate) fn has_first(&self) -> bool {
        !self.head.is_empty()
    }

    /// With the time that messages may wait.
    pub(crate) fn with_time(self, time: QueueTime) -> Self {
        let QueueTime { ttl, timed_from, since } = time;
        Self { ttl, timed_from, since, ..self }
    }

    /// Changes the time that messages may wait.
    pub(crate) fn set_time(&mut self, time: QueueTime) {
        let is_longer = match (self.ttl, time.ttl) {
            (Some(before), Some(now)) => now > before,
            (before, now) => before.is_some() && now.is_none(),
        };
        self.ttl = time.ttl;
        self.timed_from = time.timed_from;
        if self.since == 0 {
            self.since = time.since;
        }
        if !(is_longer && std::mem::take(&mut self.hides_own)) {
            return;
        }
        let on_disk = self.on_disk.map(|on_disk| (on_disk.first, on_disk.last));
        let expiring = self.expiring();
        expiring.retime = Some(0);
        if on_disk.is_some() {
            expiring.range = Default::default();
            expiring.unknown = on_disk;
        }
    }

    /// When a message in the head leaves; [`NEVER`] if its content has to be read to know that.
    pub(super) fn expiry(&self, entry: &Entry) -> Milliseconds {
        if entry.sequence >= self.timed_from {
            return entry.expires;
        }
        let message = entry.message.as_ref();
        message.map_or(NEVER, |message| Expiry::of(message, self.ttl, self.since).at)
    }

    /// The front has to be read before it is known when it leaves.
    pub(super) fn front_is_unknown(&self) -> bool {
        let front = self.head.front();
        self.ttl.is_some()
            && front
                .is_some_and(|front| front.sequence < self.timed_from && front.message.is_none())
    }

    /// Gives messages that come back the times that hold now, as far as that is known.
    pub(super) fn retime(&mut self, entries: &mut [Entry]) {
        let timed_from = self.timed_from;
        for entry in entries.iter_mut().filter(|entry| entry.sequence < timed_from) {
            self.set_expiry(entry);
        }
    }

    /// The places of those whose time of their own is not known, as they came before the change and
    /// are without content.
    pub(super) fn with_unknown_time(&self, entries: &[Entry]) -> Vec<Sequence> {
        let is_unknown =
            |entry: &&Entry| entry.message.is_none() && entry.sequence < self.timed_from;
        entries.iter().filter(is_unknown).map(|entry| entry.sequence).collect()
    }

    /// Messages of the head are read, as they may have a time of their own.
    pub(super) fn look_at_unread(&mut self, unread: Vec<Sequence>) {
        if !unread.is_empty() {
            self.expiring().due.extend(unread);
        }
    }

    /// Looks for messages in the head that have a time of their own which matters now. Those without
    /// content are read for it.
    pub(super) fn retime_head(&mut self) {
        let Some(from) = self.expiring.as_ref().and_then(|expiring| expiring.retime) else {
            return;
        };
        let start = self.head.partition_point(|entry| entry.sequence < from);
        let end = self.head.len().min(start + limits::EXPIRY_WORK);
        let (ttl, since) = (self.ttl, self.since);
        let (mut found, mut unread) = (vec![], vec![]);
        for entry in self.head.range_mut(start..end) {
            let Some(message) = &entry.message else {
                let is_old = !entry.is_gone() && entry.sequence < self.timed_from;
                unread.extend(is_old.then_some(entry.sequence));
                continue;
            };
            if !message.may_expire() {
                continue;
            }
            let expiry = Expiry::of(message, ttl, since);
            self.hides_own |= expiry.hides_own;
            if expiry.is_own && !entry.marks.has(Mark::ExpiresAlone) {
                entry.expires = expiry.at;
                entry.marks.set(Mark::ExpiresAlone, true);
                found.push((expiry.at, entry.sequence));
            }
        }
        let next = self.head.get(end).map(|entry| entry.sequence);
        self.expiring().retime = next;
        self.look_at_unread(unread);
        for (at, sequence) in found {
            self.expires_in_head(at, sequence);
        }
    }
}

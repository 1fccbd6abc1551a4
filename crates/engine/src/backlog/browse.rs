//! A look at ready messages that takes nothing: those in memory at once, and what is to be read from
//! disk for those that follow.

use std::sync::Arc;

use super::{Backlog, Entry};
use crate::browse::{Browsed, Place};
use crate::expiry::NEVER;
use crate::record::Sequence;
use crate::{Load, QueueId};

impl Backlog {
    fn browsed(&self, entry: &Entry) -> Option<Browsed> {
        let expires = self.expiry(entry);
        Some(Browsed {
            place: Place { lane: entry.lane, sequence: entry.sequence },
            message: entry.message.clone()?,
            redelivered: entry.redelivered,
            returns: entry.returns,
            expires: (expires != NEVER).then_some(expires),
        })
    }

    /// Adds up to `max` messages from the place `from` on to `out`, as far as their contents are in
    /// memory. Gives what is to be read if one is on disk alone; then others may follow it.
    pub(crate) fn browse(
        &self,
        queue: QueueId,
        from: Sequence,
        max: usize,
        out: &mut Vec<Browsed>,
    ) -> Option<Load> {
        let queue = queue.lane(self.lane);
        let start = self.head.partition_point(|entry| entry.sequence < from);
        let waiting = |entry: &&Entry| !entry.is_gone();
        let mut head = self.head.iter().skip(start).filter(waiting).peekable();
        while out.len() < max
            && let Some(found) = head.peek().and_then(|entry| self.browsed(entry))
        {
            out.push(found);
            head.next();
        }
        let left = max - out.len();
        if left == 0 {
            return None;
        }
        let messages_max = u32::try_from(left).unwrap_or(u32::MAX);
        // Between these the store may have others, which are delivered and not ready.
        let only: Arc<[Sequence]> = head
            .take_while(|entry| entry.message.is_none())
            .map(|entry| entry.sequence)
            .take(left)
            .collect();
        if let (Some(&first), Some(&last)) = (only.first(), only.last()) {
            return Some(Load { queue, first, last, messages_max, only: Some(only) });
        }
        let on_disk = self.on_disk.filter(|on_disk| on_disk.last >= from)?;
        let first = on_disk.first.max(from);
        Some(Load { queue, first, last: on_disk.last, messages_max, only: None })
    }

    /// What comes from disk up to this place was delivered before the last restart.
    pub(crate) fn redelivered_through(&self) -> Sequence {
        self.redelivered_through
    }

    /// What `load` may bring that is not ready.
    pub(crate) fn away_of(&self, load: &Load) -> Vec<Sequence> {
        if load.only.is_some() { vec![] } else { self.away_in(load.first, load.last) }
    }
}

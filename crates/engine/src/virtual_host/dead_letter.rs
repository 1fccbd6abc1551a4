//! Messages that a queue gives up, and where they go.

use super::VirtualHost;
use crate::backlog::Entry;
use crate::{Effects, QueueId};

/// Why a queue gives a message up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "used as the features come in")]
pub(super) enum Reason {
    /// A consumer refused it.
    Rejected,
    /// It waited for too long.
    Expired,
    /// The queue had more messages than it may.
    MaxLength,
    /// It came back too often.
    DeliveryLimit,
}

impl VirtualHost {
    /// A message that is neither ready nor unacknowledged any more leaves its queue for good.
    pub(super) fn give_up(
        &mut self,
        queue: QueueId,
        entry: &Entry,
        _reason: Reason,
        effects: &mut Effects,
    ) {
        if let Some(name) = entry.stored_under(queue) {
            effects.settled(name, entry.sequence);
        }
    }
}

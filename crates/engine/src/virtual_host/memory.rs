//! How much memory the contents of messages may take, and how much they do.

use crate::limits;

/// Bounds for contents in memory, in bytes. What is beyond them stays on disk: messages that
/// survive a restart are there anyway, others are written when they pile up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// For durable messages of one queue.
    pub queue_bytes: usize,
    /// For durable messages of all queues; beyond it each queue has an equal share of it.
    pub host_bytes: usize,
    /// For messages of one queue when the next one need not survive a restart.
    pub transient_queue_bytes: usize,
    /// The same for all queues.
    pub transient_host_bytes: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            queue_bytes: limits::QUEUE_RESIDENT_BYTES,
            host_bytes: limits::HOST_RESIDENT_BYTES,
            transient_queue_bytes: limits::TRANSIENT_QUEUE_RESIDENT_BYTES,
            transient_host_bytes: limits::TRANSIENT_HOST_RESIDENT_BYTES,
        }
    }
}

/// What the contents of a virtual host's queues take.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) limits: MemoryLimits,
    /// Of all queues, ready and unacknowledged.
    pub(super) resident_bytes: usize,
}

impl Memory {
    /// How much one of `queues` queues may have in memory when a message comes that survives a
    /// restart, or does not.
    pub(super) fn queue_max(&self, durable: bool, queues: usize) -> usize {
        let MemoryLimits { queue_bytes, host_bytes, .. } = self.limits;
        let MemoryLimits { transient_queue_bytes, transient_host_bytes, .. } = self.limits;
        let (queue, host) = match durable {
            true => (queue_bytes, host_bytes),
            false => (transient_queue_bytes, transient_host_bytes),
        };
        if self.resident_bytes < host { queue } else { queue.min(host / queues.max(1)) }
    }

    /// A queue had `before` bytes in memory and has `after` now.
    pub(super) fn changed(&mut self, before: usize, after: usize) {
        self.resident_bytes = self.resident_bytes + after - before;
    }
}

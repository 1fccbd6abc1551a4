//! How much a virtual host may have.

use crate::limits;

/// Bounds that the operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Queues; none is no bound.
    pub queues: Option<usize>,
    /// Consumers on one channel.
    pub consumers_per_channel: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { queues: None, consumers_per_channel: limits::CONSUMERS_PER_CHANNEL }
    }
}

//! Counts over a virtual host, taken when somebody asks.

use super::VirtualHost;
use crate::LossCounters;
use crate::queue::Queue;
use crate::session::Channel;

/// Counts over a virtual host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Open sessions.
    pub sessions: usize,
    /// Open channels.
    pub channels: usize,
    /// Exchanges, predeclared ones included.
    pub exchanges: usize,
    /// Bindings, without the implicit ones of the default exchange.
    pub bindings: usize,
    /// Queues.
    pub queues: usize,
    /// Consumers.
    pub consumers: usize,
    /// Messages that wait.
    pub messages_ready: usize,
    /// What their bodies take, in bytes.
    pub message_bytes_ready: u64,
    /// Messages that channels hold unsettled, those of queues that are gone included.
    pub messages_unacknowledged: usize,
    /// What left queues otherwise than to consumers, since the start.
    pub losses: LossCounters,
}

impl VirtualHost {
    /// Counts what there is.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let channels = || self.sessions.values().flat_map(|session| session.channels.values());
        Summary {
            sessions: self.sessions.len(),
            channels: channels().count(),
            exchanges: self.topology.exchange_count(),
            bindings: self.topology.binding_count(),
            queues: self.queues.len(),
            consumers: channels().map(|channel| channel.consumers.len()).sum(),
            messages_ready: self.queues.values().map(|queue| queue.ready() as usize).sum(),
            message_bytes_ready: self.queues.values().map(Queue::body_bytes).sum(),
            messages_unacknowledged: channels().map(Channel::unsettled).sum(),
            losses: self.changes.counters.losses,
        }
    }
}

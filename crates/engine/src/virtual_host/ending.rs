//! A virtual host that is deleted: what is in it goes piece by piece, so that nobody else waits.

use super::VirtualHost;
use crate::{Effects, QueueId, SessionId, VirtualHostId, limits};

/// A virtual host that takes no commands any more. When it is dropped too early, what is left of it
/// is still on disk.
#[derive(Debug)]
pub struct EndingHost {
    host: VirtualHost,
    sessions: Vec<SessionId>,
    queues: Vec<QueueId>,
    exchanges: Vec<String>,
    /// Those that are left when all else is gone: between exchanges that every virtual host has.
    bindings: Option<Vec<u64>>,
}

impl VirtualHost {
    /// Begins to end the virtual host.
    #[must_use]
    pub fn end(self) -> EndingHost {
        let sessions = sorted(self.sessions.keys().copied().collect());
        let queues = sorted(self.topology.queue_ids().collect());
        let exchanges = sorted(self.topology.declared_exchanges().map(str::to_owned).collect());
        EndingHost { host: self, sessions, queues, exchanges, bindings: None }
    }
}

impl EndingHost {
    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> VirtualHostId {
        self.host.id
    }

    /// Takes some of what is left away: sessions, then queues, then exchanges, each with what
    /// belongs to it, then bindings. True if nothing is left.
    pub fn step(&mut self, effects: &mut Effects) -> bool {
        let end = effects.writes.len() + effects.events.len() + limits::ENDING_STEP;
        for _ in 0..limits::ENDING_STEP {
            if effects.writes.len() + effects.events.len() >= end {
                return false;
            }
            if let Some(session) = self.sessions.pop() {
                self.host.end_session(session, effects);
            } else if let Some(queue) = self.queues.pop() {
                self.host.remove_queue(queue, effects);
            } else if let Some(exchange) = self.exchanges.pop() {
                self.host.remove_exchange(&exchange, effects);
            } else {
                let numbers = || sorted(self.host.topology.binding_numbers());
                let Some(number) = self.bindings.get_or_insert_with(numbers).pop() else {
                    return true;
                };
                let removed = self.host.topology.remove_binding_number(number);
                self.host.write_removed(removed, effects);
            }
        }
        false
    }
}

/// In the same order everywhere.
fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}

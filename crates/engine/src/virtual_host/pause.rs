//! Queues that deliver nothing to consumers for a while. Messages come in, expire and can be fetched
//! as ever. A durable queue is still paused after a restart.

use super::rights::Resource;
use super::{Refusal, VirtualHost};
use crate::record::Write;
use crate::{Effects, Explanation, Message, Reply, Right, SessionId, Unroutable};

impl VirtualHost {
    pub(super) fn pause(
        &mut self,
        at: (SessionId, u16),
        name: &str,
        paused: bool,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        self.check_may(at.0, Right::Configure, Resource::Queue(name))?;
        let id = self.accessible_queue(at.0, name)?;
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        let (changed, durable) = (queue.record.paused != paused, queue.is_durable());
        queue.record.paused = paused;
        // It is to be shown what the queue is now.
        queue.is_shown = false;
        if changed && durable {
            effects.writes.push(Write::QueueDeclared(queue.record.clone()));
        }
        self.mark_dirty(id);
        self.reply(at, Reply::QueuePauseOk, durable, effects);
        Ok(())
    }

    /// Why a message would go where it would go, if it were published now: `None` if there is no
    /// such exchange. Nothing changes by it.
    pub fn explain(&mut self, message: &Message) -> Option<Explanation> {
        self.topology.explain(message)
    }

    /// How many messages of an exchange went nowhere since the start, and the last ones, the newest
    /// in front.
    #[must_use]
    pub fn unroutable(&self, exchange: &str) -> (u64, Vec<Unroutable>) {
        self.unroutable.of(exchange)
    }
}

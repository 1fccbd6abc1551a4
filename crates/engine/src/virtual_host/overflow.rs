//! Queues that may have only so much ready: the oldest messages go, or new ones are refused.

use super::VirtualHost;
use super::dead_letter::Reason;
use crate::planted::{self, Bug};
use crate::queue::Queue;
use crate::settings::Overflow;
use crate::topology::Route;
use crate::{Departed, Effects, Message, QueueId, limits};

impl VirtualHost {
    /// Whether a queue with limits refuses a message. Its consumers come first, as they make room.
    pub(super) fn refuses(
        &mut self,
        id: QueueId,
        message: &Message,
        effects: &mut Effects,
    ) -> bool {
        let is_refused = |host: &Self| host.queues.get(&id).is_some_and(|it| it.refuses(message));
        if !is_refused(self) {
            return false;
        }
        if !planted::is(Bug::ConsumersComeLast) {
            self.dispatch(id, effects);
        }
        if !is_refused(self) {
            return false;
        }
        effects.refused.push((id, message.clone()));
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.counted.rare().losses.refused += 1;
            self.changes.counters.losses.refused += 1;
            self.changes.queue(queue);
            let is_dead = queue.settings.overflow == Overflow::RejectPublishDeadLetter;
            if is_dead && !planted::is(Bug::RefusedNotDeadLettered) {
                self.give_up_refused(id, message);
            }
        }
        true
    }

    /// A message came to queues, of which some may have limits: consumers take theirs, then the
    /// oldest go. Only when the message is among the writes, as this may tell of its end.
    pub(super) fn shed_after_publish(&mut self, route: &Route, effects: &mut Effects) {
        if !std::mem::take(&mut self.enqueued_limited) {
            return;
        }
        for id in route.iter() {
            if self.queues.get(id).is_some_and(Queue::is_over) {
                if !planted::is(Bug::ConsumersComeLast) {
                    self.dispatch(*id, effects);
                }
                self.shed(*id, effects);
            }
        }
    }

    /// Lets the oldest messages go that a queue has no room for, as far as it goes at one time: when
    /// a policy gives it less room, they may be millions. Those of which only the disk knows are read
    /// first; nobody gets them meanwhile, as there is nothing before them. Gives how many went.
    pub(super) fn shed(&mut self, id: QueueId, effects: &mut Effects) -> usize {
        let shares = self.shares();
        let mut most = limits::SHED_STEP;
        let mut shed = 0;
        while shed < most
            && let Some(queue) = self.queues.get_mut(&id)
            && queue.is_over()
        {
            if queue.leaving.is_long() {
                most = most.min(limits::SHED_STEP_LEAVING);
            }
            let before = queue.resident_bytes();
            let dropped = queue.backlog.drop_first();
            self.memory.changed(before, queue.resident_bytes());
            match dropped {
                Some(entry) => {
                    shed += 1;
                    effects.departed.push(Departed::Dropped(id, entry.sequence));
                    self.give_up(id, &entry, Reason::MaxLength, effects);
                }
                None => {
                    effects.loads.extend(queue.backlog.load(id, shares.stored));
                    return shed;
                }
            }
        }
        if shed == most {
            self.schedule(id);
        }
        shed
    }
}

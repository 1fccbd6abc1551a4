//! Messages enter queues.

use std::cmp::Reverse;

use warren_engine::{Message, Milliseconds, Outgoing, PublishBatch};

use super::dead_letters::Past;
use super::durable::Entered;
use super::{Change, Copy, Expiry, Model, Place, QueueNumber};
use crate::Violation;
use crate::messages::id_of;
use crate::names::level_in;

impl Model {
    pub(super) fn publish(
        &mut self,
        batch: &PublishBatch,
        events: &[Outgoing],
    ) -> Result<(), Violation> {
        for (index, (channel, _)) in batch.publishes.iter().enumerate() {
            let at = (batch.session, *channel);
            let Some(state) = self.channels.get_mut(&at) else { continue };
            if let Some(number) = &mut state.confirms {
                *number += 1;
            }
            let message = Message::new(&batch.messages, index as u32);
            let Some(id) = message.as_ref().and_then(id_of) else { continue };
            let time = self.messages.get(id as usize).map_or(0, |it| it.publication.time);
            match self.way(id) {
                Some(way) => {
                    if !self.hold_publish(at, id, &way) {
                        let names = self.chosen(id, way)?;
                        self.enqueue(id, &names, time)?;
                    }
                }
                None => self.fail(at, events)?,
            }
        }
        Ok(())
    }

    /// A message that was published enters its queues, where its time begins at `time`.
    pub(super) fn enqueue(
        &mut self,
        id: u64,
        names: &[String],
        time: Milliseconds,
    ) -> Result<(), Violation> {
        let (is_unroutable, refused) = (names.is_empty(), self.losses.refused);
        let is_durable = self.enter(id, &Past::default(), names, time)?;
        if let Some(published) = self.messages.get_mut(id as usize) {
            published.unroutable = is_unroutable;
            published.refused = self.losses.refused > refused;
            if is_durable {
                published.durable_op = self.op;
            }
        }
        Ok(())
    }

    /// A message enters queues, as far as they take it. True if it survives a restart in one of them.
    pub(super) fn enter(
        &mut self,
        id: u64,
        past: &Past,
        names: &[String],
        time: Milliseconds,
    ) -> Result<bool, Violation> {
        let mut places = vec![];
        for name in names {
            let Some(number) = self.names.get(name).copied() else { continue };
            if self.takes(number, id, past)? {
                places.extend(self.append(number, id, past, time));
            }
        }
        let is_durable = !places.is_empty();
        if is_durable {
            let entered = Entered { past: past.clone(), time };
            self.change(Change::Enqueued { message: id, places, entered });
        }
        names.iter().try_for_each(|name| self.depart(name, true))?;
        Ok(is_durable)
    }

    /// A message takes the next place of a queue. Gives it if it survives a restart there.
    fn append(
        &mut self,
        number: QueueNumber,
        id: u64,
        past: &Past,
        time: Milliseconds,
    ) -> Option<(QueueNumber, u8, Place)> {
        let queue = self.queues.get(&number)?;
        let due = self.due(&queue.settings, id, past, time);
        // What is due when it comes is offered once.
        let expires = Expiry { due, last: due.max(self.now) };
        let publication = &self.messages.get(id as usize)?.publication;
        let queue = self.queues.get_mut(&number)?;
        queue.last_place += 1;
        let durable = queue.durable && (publication.persistent || queue.is_stream());
        let bytes = publication.body_length();
        queue.note_batch(self.op);
        queue.note_segment(bytes, self.now);
        let level = level_in(&queue.name, publication.priority);
        let copy = Copy::new((id, past.clone()), (level, bytes), durable, expires, time);
        let came_dead = if past.deaths.is_empty() { 0 } else { self.op };
        queue.copies.insert(queue.last_place, Copy { came_dead, ..copy });
        queue.ready.insert((Reverse(level), queue.last_place));
        durable.then_some((number, level, queue.last_place))
    }
}

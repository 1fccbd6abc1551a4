//! Copies that a queue gives up: they leave it when the engine says so, in their order, and enter the
//! next queue in the same command.

use std::cmp::Reverse;

use warren_engine::Milliseconds;

use super::durable::Entered;
use super::{Change, Copy, Expiry, Model, Place, QueueNumber};
use crate::Violation;
use crate::names::{DELIVERY_LIMIT, dead_letters_of, is_quorum, level_in};

impl Model {
    /// A copy is neither ready nor held any more. True if it survives a restart.
    pub(super) fn give_up(&mut self, number: QueueNumber, place: Place) -> bool {
        let Some(queue) = self.queues.get_mut(&number) else { return false };
        let Some(copy) = queue.copies.remove(&place) else { return false };
        queue.ready.remove(&(Reverse(copy.level), place));
        let durable = copy.durable;
        if dead_letters_of(&queue.name).is_some() {
            queue.leaving.push_back((place, copy));
        } else if durable {
            self.change(Change::Settled(number, place));
        }
        durable
    }

    /// A copy comes back: ready again, or given up if that was too often.
    pub(super) fn come_back(&mut self, number: QueueNumber, place: Place) {
        let queue = self.queues.get_mut(&number);
        let Some(queue) = queue.filter(|queue| !queue.is_stream()) else { return };
        let Some(copy) = queue.copies.get_mut(&place) else { return };
        copy.holder = None;
        copy.redelivered = true;
        let turn = (Reverse(copy.level), place);
        if !is_quorum(&queue.name) {
            queue.ready.insert(turn);
            return;
        }
        copy.returns += 1;
        if copy.returns > DELIVERY_LIMIT {
            self.give_up(number, place);
            return;
        }
        queue.ready.insert(turn);
        if copy.durable {
            let returns = copy.returns;
            self.change(Change::Returned(number, place, returns));
        }
    }

    /// The first copies that leave a queue enter the next one.
    pub(super) fn dead_letter(&mut self, name: &str, count: usize) -> Result<(), Violation> {
        let number = self.names.get(name).copied();
        for _ in 0..count {
            let queue = number.and_then(|number| self.queues.get_mut(&number));
            let Some((place, copy)) = queue.and_then(|queue| queue.leaving.pop_front()) else {
                let text = format!("a message leaves queue {name}, which gave up none");
                return Err(Violation::new("P11", text));
            };
            let (message, deaths) = (copy.message, copy.deaths + 1);
            let to = dead_letters_of(name).and_then(|to| self.names.get(to)).copied();
            if let Some((to, next)) = to.and_then(|to| Some((to, self.queues.get_mut(&to)?))) {
                next.last_place += 1;
                let place = next.last_place;
                let publication = self.messages.get(message as usize).map(|it| &it.publication);
                let durable = next.durable && publication.is_some_and(|it| it.persistent);
                let level = level_in(&next.name, publication.and_then(|it| it.priority));
                let Expiry { due, .. } = next.times.expiry_of_dead(self.now);
                let expires = Expiry { due, last: due.max(self.now) };
                let copy = Copy::new(message, level, durable, expires, self.now);
                let copy = Copy { deaths, came_dead: self.op, ..copy };
                next.copies.insert(place, copy);
                next.ready.insert((Reverse(level), place));
                if durable {
                    let places = vec![(to, level, place)];
                    let entered = Entered { deaths, time: self.now };
                    self.change(Change::Enqueued { message, places, entered });
                }
            }
            if let Some(number) = number.filter(|_| copy.durable) {
                self.change(Change::Settled(number, place));
            }
        }
        Ok(())
    }

    /// A queue is about to go: what the engine let go before counts.
    pub(super) fn dead_letter_before_deletion(&mut self, number: QueueNumber) {
        let Some(name) = self.queues.get(&number).map(|queue| queue.name.clone()) else { return };
        let (own, others): (Vec<_>, Vec<_>) =
            self.said.dead_lettered.drain(..).partition(|(queue, _)| *queue == name);
        self.said.dead_lettered = others.into();
        for (queue, count) in own {
            // More than there are is found when the rest of the command is looked at.
            if let Err(left) = self.dead_letter(&queue, count) {
                self.said.dead_lettered.push_back((format!("{queue}: {left:?}"), count));
            }
        }
    }
}

impl Copy {
    /// A message that enters a queue.
    pub(super) fn new(
        message: u64,
        level: u8,
        durable: bool,
        expires: Expiry,
        time: Milliseconds,
    ) -> Self {
        let (redelivered, holder, returns, deaths, came_dead) = (false, None, 0, 0, 0);
        Self {
            message,
            level,
            durable,
            redelivered,
            holder,
            returns,
            deaths,
            expires,
            time,
            came_dead,
        }
    }
}

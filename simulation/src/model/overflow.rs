//! Queues that may have only so much ready: the oldest messages go, or new ones are refused. Which,
//! the engine tells; the model knows whether it had to be.
//!
//! Consumers come first: what they get in the command at hand may be gone when a queue is looked at,
//! though the model hands it out later.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use warren_engine::{Departed, Event, LossCounters, Outgoing};

use super::dead_letters::{Past, Reason};
use super::{At, Copy, Model, Place, Queue, QueueNumber};
use crate::Violation;
use crate::messages::{MessageId, deaths_of, id_of};
use crate::settings::Overflow;

/// What left queues otherwise than to consumers, since the start of the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) expired: u64,
    pub(super) dropped: u64,
    pub(super) rejected: u64,
    pub(super) delivery_limit: u64,
    pub(super) refused: u64,
}

impl Losses {
    pub(super) fn of(&mut self, reason: Reason) -> &mut u64 {
        match reason {
            Reason::Rejected => &mut self.rejected,
            Reason::Expired => &mut self.expired,
            Reason::MaxLength => &mut self.dropped,
            Reason::DeliveryLimit => &mut self.delivery_limit,
        }
    }
}

/// Copies that go to clients in the command at hand: by queue and message, with how often it died.
pub(super) type HandedOut = BTreeSet<(QueueNumber, MessageId, usize)>;

type Turn = (Reverse<u8>, Place);

impl Queue {
    fn has_limits(&self) -> bool {
        let Self { settings, .. } = self;
        !self.is_stream()
            && (settings.max_length.is_some() || settings.max_length_bytes.is_some())
    }

    /// It lets the oldest go.
    fn drops(&self) -> bool {
        self.has_limits() && self.settings.overflow == Overflow::DropHead
    }

    /// It takes no new ones.
    fn refuses(&self) -> bool {
        self.has_limits() && self.settings.overflow != Overflow::DropHead
    }

    fn is_too_much(&self, messages: usize, bytes: u64) -> bool {
        self.settings.max_length.is_some_and(|max| messages > max)
            || self.settings.max_length_bytes.is_some_and(|max| bytes > max)
    }

    fn bytes(&self) -> u64 {
        let ready = self.ready.iter().filter_map(|(_, place)| self.copies.get(place));
        ready.map(|copy| copy.bytes).sum()
    }

    /// What clients are told is ready: what has to go is not, though it may have to be read first.
    pub(super) fn told_ready(&self) -> usize {
        match self.settings.max_length.filter(|_| self.drops()) {
            Some(max) => self.ready.len().min(max),
            None => self.ready.len(),
        }
    }
}

impl Model {
    /// Notes which copies the events hand out, as far as it is known who gets them.
    pub(super) fn note_handed_out(&mut self, events: &[Outgoing]) {
        let mut gets: BTreeMap<At, usize> = BTreeMap::new();
        for Outgoing { session, event, .. } in events {
            let at = event.channel().map(|channel| (*session, channel));
            let Some(channel) = at.and_then(|at| self.channels.get(&at)) else { continue };
            let (queue, message) = match event {
                Event::Deliver { consumer, message, .. } => {
                    (channel.consumers.get(consumer).map(|consumer| consumer.queue), message)
                }
                Event::GetOk { message, .. } => {
                    let answered = at.map(|at| gets.entry(at).or_default());
                    let asked = answered.map(|count| std::mem::replace(count, *count + 1));
                    let get = asked.and_then(|asked| channel.gets.get(asked));
                    (get.map(|get| get.queue), message)
                }
                _ => continue,
            };
            if let (Some(queue), Some(id)) = (queue, id_of(message)) {
                self.handed_out.insert((queue, id, deaths_of(message).len()));
            }
        }
    }

    fn is_handed_out(&self, number: QueueNumber, copy: &Copy) -> bool {
        self.handed_out.contains(&(number, copy.message, copy.past.deaths.len()))
    }

    /// What is in front of a turn, if all of it goes to clients now: how many, and their bytes.
    fn in_front(&self, number: QueueNumber, turn: Turn) -> Option<(usize, u64)> {
        let queue = self.queues.get(&number)?;
        let mut sum = (0, 0);
        for (_, place) in queue.ready.range(..turn) {
            let copy = queue.copies.get(place)?;
            if !self.is_handed_out(number, copy) {
                return None;
            }
            sum = (sum.0 + 1, sum.1 + copy.bytes);
        }
        Some(sum)
    }

    /// What is left of what is ready when clients have what they get now, up to the first copy that
    /// they do not get.
    fn left(&self, number: QueueNumber, queue: &Queue) -> (usize, u64) {
        let mut left = (queue.ready.len(), queue.bytes());
        for (_, place) in &queue.ready {
            match queue.copies.get(place).filter(|copy| self.is_handed_out(number, copy)) {
                Some(copy) => left = (left.0 - 1, left.1 - copy.bytes),
                None => break,
            }
        }
        left
    }

    /// Whether a queue takes a message, as the engine says.
    pub(super) fn takes(
        &mut self,
        number: QueueNumber,
        id: MessageId,
        past: &Past,
    ) -> Result<bool, Violation> {
        let bytes = self.body_bytes(id);
        let Some(queue) = self.queues.get(&number) else { return Ok(false) };
        let wrong = |why: &str| {
            let text = format!("message {id} comes to queue {}, {why}", queue.name);
            Err(Violation::new("P11", text))
        };
        let told = &self.said.refused;
        let told = told.iter().position(|(name, other)| *name == queue.name && *other == id);
        let (messages_left, bytes_left) = self.left(number, queue);
        let has_room = !queue.is_too_much(messages_left + 1, bytes_left + bytes);
        let Some(told) = told else {
            if queue.refuses() && !has_room {
                return wrong("which has no room for it, and takes it");
            }
            return Ok(true);
        };
        if !queue.refuses() {
            return wrong("which refuses it, and has no reason");
        }
        if !queue.is_too_much(queue.ready.len() + 1, queue.bytes() + bytes) {
            return wrong("which refuses it, and has room");
        }
        if has_room && self.is_strict {
            return wrong("which refuses it before consumers make room");
        }
        self.said.refused.remove(told);
        self.losses.refused += 1;
        if let Some(queue) = self.queues.get_mut(&number)
            && queue.settings.overflow == Overflow::RejectAndDeadLetter
            && queue.settings.dead_letter.is_some()
        {
            queue.refused.push_back((id, past.clone()));
        }
        Ok(false)
    }

    /// Why a copy cannot be dropped now.
    fn must_stay(&self, number: QueueNumber, place: Place) -> Result<(), String> {
        let not_there = || format!("at place {place}, which is not ready");
        let queue = self.queues.get(&number).ok_or_else(not_there)?;
        let copy = queue.copies.get(&place).ok_or_else(not_there)?;
        let turn = (Reverse(copy.level), place);
        if !queue.ready.contains(&turn) {
            return Err(not_there());
        }
        if !queue.drops() {
            return Err(format!("message {}, and has no reason", copy.message));
        }
        let Some((messages, bytes)) = self.in_front(number, turn) else {
            return Err(format!("message {}, which is not the oldest", copy.message));
        };
        if !queue.is_too_much(queue.ready.len() - messages, queue.bytes() - bytes) {
            return Err(format!("message {}, and has room for it", copy.message));
        }
        // While all of a queue is in memory, consumers had their turn before.
        let behind = queue.ready.range(turn..).skip(1);
        let mut behind = behind.filter_map(|(_, place)| queue.copies.get(place));
        let is_wanted = self.is_strict && queue.is_in_memory;
        if is_wanted && behind.any(|copy| self.is_handed_out(number, copy)) {
            return Err(format!("message {}, which a consumer would take", copy.message));
        }
        Ok(())
    }

    /// The engine says what left a queue: what has its turn leaves it. With `only_dropped`, the time
    /// of others has not come.
    pub(super) fn depart(&mut self, name: &str, only_dropped: bool) -> Result<(), Violation> {
        loop {
            let told = self.said.departed.get(name).and_then(|told| told.front()).cloned();
            let Some(departed) = told else { return Ok(()) };
            match departed {
                Departed::Dropped(_, place) => {
                    let number = self.names.get(name).copied();
                    let Some(number) = number.filter(|it| self.must_stay(*it, place).is_ok())
                    else {
                        return Ok(());
                    };
                    self.give_up(number, place, Reason::MaxLength);
                }
                _ if only_dropped => return Ok(()),
                Departed::Expired(_, place) => self.expired(name, place)?,
                Departed::Unused(..) => self.unused(name)?,
            }
            if let Some(told) = self.said.departed.get_mut(name) {
                told.pop_front();
            }
        }
    }

    /// The same for all queues.
    pub(super) fn depart_all(&mut self) -> Result<(), Violation> {
        let names: Vec<String> = self.said.departed.keys().cloned().collect();
        names.iter().try_for_each(|name| self.depart(name, false))
    }

    /// All that the engine told of the command has found its reason.
    pub(super) fn check_told(&self) -> Result<(), Violation> {
        let wrong = |text: String| Err(Violation::new("P11", text));
        for (name, told) in &self.said.departed {
            let Some(Departed::Dropped(_, place)) = told.front() else { continue };
            let number = self.names.get(name).copied();
            let why = match number.map(|number| self.must_stay(number, *place)) {
                Some(Err(why)) => why,
                _ => format!("at place {place}, and is gone"),
            };
            return wrong(format!("queue {name} drops {why}"));
        }
        if let Some((name, id)) = self.said.refused.first() {
            return wrong(format!("queue {name} refuses message {id}, which is not for it"));
        }
        let left = self.queues.values().find(|queue| !queue.refused.is_empty());
        if let Some(queue) = left {
            let text = format!("what queue {} refuses does not become a dead letter", queue.name);
            return wrong(text);
        }
        Ok(())
    }

    /// What the engine counts as gone is what went.
    pub(super) fn check_losses(&self, told: &LossCounters) -> Result<(), Violation> {
        let vague = self.queues.values().any(Queue::is_uncertain);
        let own = &self.losses;
        for (what, told, own) in [
            ("expired", told.expired, own.expired),
            ("dropped", told.dropped, if vague { told.dropped } else { own.dropped }),
            ("rejected", told.rejected, own.rejected),
            ("given up for their returns", told.delivery_limit, own.delivery_limit),
            ("refused", told.refused, own.refused),
        ] {
            if told != own {
                let text = format!("{told} messages are counted as {what}, and {own} were");
                return Err(Violation::new("P10", text));
            }
        }
        Ok(())
    }

    /// With nothing on its way, no queue has more than it may.
    pub(crate) fn check_limits(&self) -> Result<(), Violation> {
        let mut over = self.queues.values().filter(|queue| queue.drops());
        match over.find(|queue| queue.is_too_much(queue.ready.len(), queue.bytes())) {
            Some(queue) => {
                let (messages, bytes) = (queue.ready.len(), queue.bytes());
                let text = format!("queue {} has {messages} messages, {bytes} bytes", queue.name);
                Err(Violation::new("P11", text))
            }
            None => Ok(()),
        }
    }

    /// A publisher is told that its message was refused: one of the queues did.
    pub(crate) fn refusal_received(&self, id: MessageId) -> Result<(), Violation> {
        match self.messages.get(id as usize) {
            Some(published) if published.refused => Ok(()),
            _ => Err(Violation::new("P11", format!("message {id} is refused, and no queue did"))),
        }
    }

    /// The length of a message's body.
    pub(super) fn body_bytes(&self, id: MessageId) -> u64 {
        let published = self.messages.get(id as usize);
        published.map_or(0, |published| published.publication.body_length())
    }
}

//! Queues that may have only so much ready: the oldest messages go, or new ones are refused. Which,
//! the engine tells; the model knows whether it had to be.
//!
//! Consumers come first: what they get in the command at hand may be gone when a queue is looked at,
//! though the model hands it out later.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use warren_engine::{Departed, Event, LossCounters, Outgoing};

use super::dead_letters::{Past, Reason};
use super::{At, Model, Place, Queue, QueueNumber, Refused};
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

/// Where a copy stands in its queue.
pub(super) type Turn = (Reverse<u8>, Place);

/// What goes to clients in the command at hand, as its events tell.
#[derive(Debug, Default)]
pub(super) struct HandedOut {
    /// For each event, the queue that it hands something out of, if it is known who gets it.
    queues: Vec<Option<QueueNumber>>,
    /// For each queue, messages and how often they died, in order.
    next: BTreeMap<QueueNumber, VecDeque<(MessageId, usize)>>,
    /// What is taken by its place.
    taken: BTreeSet<(QueueNumber, Place)>,
}

impl HandedOut {
    /// An event was looked at already.
    pub(super) fn forget(&mut self, index: usize) {
        if let Some(queue) = self.queues.get_mut(index) {
            *queue = None;
        }
    }

    /// Puts together what each queue gives.
    fn sort(&mut self, events: &[Outgoing]) {
        self.next.clear();
        for (queue, outgoing) in self.queues.iter().zip(events) {
            let (Event::Deliver { message, .. } | Event::GetOk { message, .. }) = &outgoing.event
            else {
                continue;
            };
            if let (Some(queue), Some(id)) = (queue, id_of(message)) {
                let deaths = deaths_of(message).len();
                self.next.entry(*queue).or_default().push_back((id, deaths));
            }
        }
    }
}

impl Queue {
    fn has_limits(&self) -> bool {
        let Self { settings, .. } = self;
        !self.is_stream() && (settings.max_length.is_some() || settings.max_length_bytes.is_some())
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

    /// There is room for a body of so many bytes; with 0, for what is there.
    fn has_room(&self, bytes: u64) -> bool {
        !self.is_too_much(self.ready.len() + usize::from(bytes > 0), self.bytes() + bytes)
    }

    fn served_bytes(&self) -> u64 {
        let served = self.served.iter().filter_map(|(_, place)| self.copies.get(place));
        served.map(|copy| copy.bytes).sum()
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
    /// Notes what the events hand out, before the command is carried out and after it: some of those
    /// who get it are gone then, others are not there before.
    pub(super) fn note_handed_out(&mut self, events: &[Outgoing], is_first: bool) {
        if is_first {
            self.handed_out = HandedOut::default();
            self.handed_out.queues.resize(events.len(), None);
        }
        let mut gets: BTreeMap<At, usize> = BTreeMap::new();
        for (index, Outgoing { session, event, .. }) in events.iter().enumerate() {
            let Some(at) = event.channel().map(|channel| (*session, channel)) else { continue };
            let Some(channel) = self.channels.get(&at) else { continue };
            let queue = match event {
                Event::Deliver { consumer, .. } => {
                    channel.consumers.get(consumer).map(|consumer| consumer.queue)
                }
                Event::GetOk { .. } => {
                    let asked = gets.entry(at).or_default();
                    *asked += 1;
                    channel.gets.get(*asked - 1).map(|get| get.queue)
                }
                Event::Taken { taken, .. } => {
                    let places = taken.iter().map(|taken| taken.place.sequence);
                    let taken = channel.takes.map(|queue| places.map(move |place| (queue, place)));
                    self.handed_out.taken.extend(taken.into_iter().flatten());
                    continue;
                }
                _ => continue,
            };
            if let Some(known) = self.handed_out.queues.get_mut(index) {
                *known = known.or(queue);
            }
        }
        if self.queues.values().all(|queue| queue.served.is_empty()) {
            self.handed_out.sort(events);
        }
    }

    /// The consumers of a queue have their turn: what they get is not ready any more.
    fn serve(&mut self, number: QueueNumber) {
        let Some(queue) = self.queues.get_mut(&number) else { return };
        let Some(next) = self.handed_out.next.get_mut(&number) else { return };
        while let Some((id, deaths)) = next.front()
            && let Some(turn) = queue.ready.first().copied()
            && let Some(copy) = queue.copies.get(&turn.1)
            && (copy.message, copy.past.deaths.len()) == (*id, *deaths)
        {
            next.pop_front();
            queue.ready.pop_first();
            queue.served.push_back(turn);
        }
    }

    /// A copy goes to a client: gives its turn if it was served before.
    pub(super) fn take_served(&mut self, number: QueueNumber) -> Option<Turn> {
        let served = self.queues.get_mut(&number)?.served.pop_front();
        if served.is_none()
            && let Some(next) = self.handed_out.next.get_mut(&number)
        {
            next.pop_front();
        }
        served
    }

    /// Whether a queue takes a message, as the engine says.
    pub(super) fn takes(
        &mut self,
        number: QueueNumber,
        id: MessageId,
        past: &Past,
    ) -> Result<bool, Violation> {
        let bytes = self.body_bytes(id);
        if self.queues.get(&number).is_some_and(|queue| queue.refuses() && !queue.has_room(bytes)) {
            self.serve(number);
        }
        let Some(queue) = self.queues.get(&number) else { return Ok(false) };
        let wrong = |why: &str| {
            let text = format!("message {id} comes to queue {}, {why}", queue.name);
            Err(Violation::new("P11", text))
        };
        let told = &self.said.refused;
        let told = told.iter().position(|told| {
            (&told.queue, told.message, &told.deaths) == (&queue.name, id, &past.deaths)
        });
        let (messages, body_bytes) = (queue.ready.len() + 1, queue.bytes() + bytes);
        let has_room = queue.has_room(bytes);
        let Some(told) = told else {
            if queue.refuses() && !has_room {
                return wrong("which has no room for it, and takes it");
            }
            return Ok(true);
        };
        if !queue.refuses() {
            return wrong("which refuses it, and has no reason");
        }
        let is_known = self.damaged == 0;
        let (messages, body_bytes) =
            (messages + queue.served.len(), body_bytes + queue.served_bytes());
        if is_known && !queue.is_too_much(messages, body_bytes) {
            return wrong("which refuses it, and has room");
        }
        if is_known && has_room && self.is_strict {
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
        let mut before = queue.ready.range(..turn).map(|(_, place)| (number, *place));
        if !before.all(|at| self.handed_out.taken.contains(&at)) {
            return Err(format!("message {}, which is not the oldest", copy.message));
        }
        if !queue.is_too_much(queue.ready.len(), queue.bytes()) {
            return Err(format!("message {}, and has room for it", copy.message));
        }
        // While all of a queue is in memory, consumers had their turn before.
        let next = self.handed_out.next.get(&number).and_then(|next| next.front());
        let is_wanted = self.is_strict && queue.is_in_memory;
        let mut copies = queue.ready.iter().filter_map(|(_, place)| queue.copies.get(place));
        if let Some((id, _)) = next.filter(|_| is_wanted)
            && copies.any(|copy| copy.message == *id)
        {
            return Err(format!("message {}, and a consumer takes {id} later", copy.message));
        }
        Ok(())
    }

    /// The engine says what left a queue: what has its turn leaves it. With `only_dropped`, the time
    /// of others has not come.
    pub(super) fn depart(&mut self, name: &str, only_dropped: bool) -> Result<(), Violation> {
        let number = self.names.get(name).copied();
        let queue = number.and_then(|number| self.queues.get(&number));
        let is_over = queue.is_some_and(|queue| queue.drops() && !queue.has_room(0));
        if let Some(number) = number.filter(|_| is_over) {
            self.serve(number);
        }
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
                Departed::Expired(_, place) => {
                    // It may have come in the command at hand, which is not gone through so far.
                    if self.expired(name, place).is_err() {
                        return Ok(());
                    }
                }
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
            match told.front() {
                Some(Departed::Dropped(_, place)) => {
                    let number = self.names.get(name).copied();
                    let why = match number.map(|number| self.must_stay(number, *place)) {
                        Some(Err(why)) => why,
                        _ => format!("at place {place}, and is gone"),
                    };
                    return wrong(format!("queue {name} drops {why}"));
                }
                Some(Departed::Expired(_, place)) => self.may_expire(name, *place).map(drop)?,
                Some(Departed::Unused(..)) | None => {}
            }
        }
        if let Some(Refused { queue, message, .. }) = self.said.refused.first() {
            return wrong(format!("queue {queue} refuses message {message}, which is not for it"));
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

    /// What was served has gone to its clients.
    pub(super) fn check_served(&self) -> Result<(), Violation> {
        match self.queues.values().find(|queue| !queue.served.is_empty()) {
            Some(queue) => {
                let (name, served) = (&queue.name, &queue.served);
                Err(Violation::new("P3", format!("queue {name} does not give {served:?}")))
            }
            None => Ok(()),
        }
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

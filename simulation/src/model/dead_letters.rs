//! Copies that a queue gives up: they leave it when the engine says so, in their order, and enter the
//! next queues in the same command.

use std::cmp::Reverse;

use warren_engine::{DeadLettered, Milliseconds};

use super::{Change, Copy, Expiry, Model, Place, Queue, QueueNumber};
use crate::Violation;
use crate::messages::{Death, MessageId, Publication};
use crate::names::is_quorum;
use crate::settings::DeadLetter;

/// Why a queue gives a message up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Rejected,
    Expired,
    MaxLength,
    DeliveryLimit,
}

impl Reason {
    /// As headers have it.
    fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// What a message has been through before it came to a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// The latest first.
    pub(crate) deaths: Vec<Death>,
    /// The exchange that it was sent to by the last of them.
    exchange: Option<&'static str>,
    /// The key in the place of its own ones.
    routing_key: Option<&'static str>,
}

impl Past {
    fn die(&mut self, queue: &str, reason: Reason, letter: &DeadLetter) {
        let (queue, reason) = (queue.to_owned(), reason.name().to_owned());
        let same = self.deaths.iter().position(|it| it.queue == queue && it.reason == reason);
        let count = same.map_or(0, |at| self.deaths.remove(at).count) + 1;
        self.deaths.insert(0, Death { queue, reason, count });
        self.exchange = Some(letter.exchange);
        self.routing_key = letter.routing_key.or(self.routing_key);
    }

    /// It has died in this queue, and nobody has refused it since.
    fn was_in(&self, queue: &str) -> bool {
        let refused = Reason::Rejected.name();
        let by_itself = self.deaths.iter().take_while(|death| death.reason != refused);
        { by_itself }.any(|death| death.queue == queue)
    }

    /// The message as it is sent now.
    pub(super) fn of(&self, published: &Publication) -> Publication {
        let mut sent = published.clone();
        if let Some(exchange) = self.exchange {
            sent.exchange = exchange.to_owned();
        }
        if let Some(key) = self.routing_key {
            sent.routing_key = key.to_owned();
            (sent.shown_keys, sent.hidden_keys) = (vec![], vec![]);
        }
        sent
    }
}

impl Model {
    /// A copy is neither ready nor held any more. True if it survives a restart.
    pub(super) fn give_up(&mut self, number: QueueNumber, place: Place, reason: Reason) -> bool {
        let Some(queue) = self.queues.get_mut(&number) else { return false };
        let Some(copy) = queue.copies.remove(&place) else { return false };
        queue.ready.remove(&(Reverse(copy.level), place));
        *self.losses.of(reason) += 1;
        let durable = copy.durable;
        if queue.settings.dead_letter.is_some() {
            queue.leaving.push_back((place, copy, reason));
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
        if queue.settings.delivery_limit.is_some_and(|limit| copy.returns > limit) {
            self.give_up(number, place, Reason::DeliveryLimit);
            return;
        }
        queue.ready.insert(turn);
        if copy.durable {
            let returns = copy.returns;
            self.change(Change::Returned(number, place, returns));
        }
    }

    /// The first messages that leave a queue go where its dead letters go.
    pub(super) fn dead_letter(&mut self, dead: &DeadLettered) -> Result<(), Violation> {
        let DeadLettered { queue: name, messages, refused } = dead;
        let number = self.names.get(name).copied();
        for _ in 0..*messages {
            let is_late = |queue: &Queue| !refused && queue.leaving.is_empty();
            if number.and_then(|number| self.queues.get(&number)).is_some_and(is_late) {
                self.depart(name, false)?;
            }
            let queue = number.and_then(|number| self.queues.get_mut(&number));
            let found = queue.and_then(|queue| match refused {
                true => queue.refused.pop_front().map(|(id, past)| (id, past, None)),
                false => {
                    let (place, copy, reason) = queue.leaving.pop_front()?;
                    Some((copy.message, copy.past, Some((place, copy.durable, reason))))
                }
            });
            let Some((id, past, left)) = found else {
                // Mostly it could not be dropped.
                self.check_told()?;
                let text = format!("a message leaves queue {name}, which gave up none");
                return Err(Violation::new("P11", text));
            };
            let reason = left.map_or(Reason::MaxLength, |(.., reason)| reason);
            self.send_on(name, (id, past), reason)?;
            let settled = left.filter(|(_, durable, _)| *durable);
            if let (Some(number), Some((place, ..))) = (number, settled) {
                self.change(Change::Settled(number, place));
            }
        }
        Ok(())
    }

    /// A message that a queue gave up goes to its dead letter exchange, if there is one.
    fn send_on(
        &mut self,
        queue: &str,
        (id, mut past): (MessageId, Past),
        reason: Reason,
    ) -> Result<(), Violation> {
        let number = self.names.get(queue).copied();
        let letter =
            number.and_then(|number| self.queues.get(&number)?.settings.dead_letter.clone());
        let Some(letter) = letter else { return Ok(()) };
        if !letter.exchange.is_empty() && !self.topology.exchanges.contains_key(letter.exchange) {
            return Ok(());
        }
        let Some(published) = self.messages.get(id as usize) else { return Ok(()) };
        past.die(queue, reason, &letter);
        let sent = past.of(&published.publication);
        let route = match letter.exchange {
            "" => self.topology.route(&sent, |name| self.names.contains_key(name)),
            exchange => Some(self.topology.route_at(exchange, &sent)),
        };
        let route = route.unwrap_or_default();
        if !sent.is_not_kept {
            route.exchanges.iter().for_each(|name| self.keep(name, id, &past));
        }
        let may_go_round = reason != Reason::Rejected;
        let goes_round = |name: &String| may_go_round && past.was_in(name);
        let names = route.queues.into_iter().filter(|name| !goes_round(name));
        let names: Vec<String> = names.collect();
        self.enter(id, &past, &names, self.now).map(drop)
    }

    /// A queue is about to go: what the engine let go before counts.
    pub(super) fn dead_letter_before_deletion(&mut self, number: QueueNumber) {
        let Some(name) = self.queues.get(&number).map(|queue| queue.name.clone()) else { return };
        let (own, others): (Vec<_>, Vec<_>) =
            self.said.dead_lettered.drain(..).partition(|dead| dead.queue == name);
        self.said.dead_lettered = others.into();
        for dead in own {
            // More than there are is found when the rest of the command is looked at.
            if let Err(left) = self.dead_letter(&dead) {
                let queue = format!("{name}: {left:?}");
                self.said.dead_lettered.push_back(DeadLettered { queue, ..dead });
            }
        }
    }
}

impl Copy {
    /// A message that enters a queue.
    pub(super) fn new(
        (message, past): (MessageId, Past),
        (level, bytes): (u8, u64),
        durable: bool,
        expires: Expiry,
        time: Milliseconds,
    ) -> Self {
        let (redelivered, holder, returns, came_dead) = (false, None, 0, 0);
        Self {
            message,
            level,
            bytes,
            durable,
            redelivered,
            holder,
            returns,
            past,
            expires,
            time,
            came_dead,
        }
    }
}

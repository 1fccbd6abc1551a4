//! What the engine sends, held against what must be true at that moment.

use std::cmp::Reverse;
use std::collections::VecDeque;

use warren_engine::{Error, Event, Message, Outgoing, Reply};

use super::{At, Change, Consumer, Copy, Delivery, Expected, Get, Model, QueueNumber, Told, Turn};
use crate::Violation;
use crate::messages::{deaths_of, hash_of, id_of, is_same, returns_of};

/// A message on its way to a client.
struct HandedOut<'a> {
    at: At,
    queue: QueueNumber,
    consumer: Option<u32>,
    no_ack: bool,
    tag: u64,
    redelivered: bool,
    message: &'a Message,
}

impl Model {
    /// Goes through the events of a command. If dead letters `moved` in it, they came after some of
    /// these.
    pub(super) fn observe(&mut self, events: &[Outgoing], moved: bool) -> Result<(), Violation> {
        for Outgoing { session, event, .. } in events {
            match event {
                Event::Deliver { channel, .. } | Event::GetOk { channel, .. }
                    if self.errors.contains(&(*session, *channel)) => {}
                Event::Deliver { channel, consumer, delivery_tag, redelivered, message } => {
                    let at = (*session, *channel);
                    let (queue, no_ack) = self.delivered(at, *consumer)?;
                    let (tag, redelivered) = (*delivery_tag, *redelivered);
                    let consumer = Some(*consumer);
                    let out = HandedOut { at, queue, consumer, no_ack, tag, redelivered, message };
                    self.handed_out(&out)?;
                }
                Event::DeliverFromStream { channel, consumer, delivery_tag, offset, message } => {
                    let at = (*session, *channel);
                    let queue = self.read_from_stream(at, *consumer, *offset, message)?;
                    let (place, consumer) = (*offset + 1, Some(*consumer));
                    let delivery = Delivery { queue, place, consumer, since: self.now };
                    self.hold_of_stream(at, *delivery_tag, delivery)?;
                }
                Event::Taken { channel, taken, .. } => self.taken((*session, *channel), taken)?,
                Event::GetOk { channel, delivery_tag, redelivered, message, message_count } => {
                    let at = (*session, *channel);
                    let channel = self.channels.get_mut(&at);
                    let get = channel.and_then(|channel| channel.gets.pop_front());
                    let Some(Get { queue, no_ack, .. }) = get else {
                        let text = format!("a message for {at:?}, who did not ask for one");
                        return Err(Violation::new("P6", text));
                    };
                    self.answered(queue);
                    let (tag, redelivered) = (*delivery_tag, *redelivered);
                    let consumer = None;
                    let out = HandedOut { at, queue, consumer, no_ack, tag, redelivered, message };
                    self.handed_out(&out)?;
                    if !moved {
                        self.check_left(queue, *message_count as usize)?;
                    }
                }
                Event::Return { channel, message } => {
                    self.returned((*session, *channel), message)?;
                }
                Event::Reply { channel, reply } => {
                    let at = (*session, *channel);
                    let promise = match reply {
                        Reply::GetEmpty => self.get_empty(at, moved).map(|()| 0),
                        reply => self.replied(at, reply),
                    };
                    self.replies.entry(at).or_default().push_back(promise?);
                }
                Event::ChannelError { channel, error, .. } => {
                    self.closed((*session, *channel), error)?;
                }
                Event::SessionError { error, .. } => {
                    let text = format!("session {} was closed for no reason: {error}", session.0);
                    return Err(Violation::new("refusal", text));
                }
                Event::Confirm { channel, last, .. } | Event::Refused { channel, last, .. } => {
                    self.confirmed((*session, *channel), *last)?;
                }
                Event::ConsumerCancelled { .. } | Event::SessionClosed => {}
            }
        }
        Ok(())
    }

    /// A command closes a channel with an error. What the channel got in it before, it had: a full
    /// queue lets its consumers make room at once.
    pub(super) fn fail(&mut self, at: At, events: &[Outgoing]) -> Result<(), Violation> {
        for (index, out) in events.iter().enumerate() {
            match out.event {
                _ if out.event.channel() != Some(at.1) || out.session != at.0 => {}
                Event::ChannelError { .. } => break,
                Event::Deliver { .. } | Event::GetOk { .. } => {
                    self.observe(std::slice::from_ref(out), true)?;
                    self.handed_out.forget(index);
                }
                _ => {}
            }
        }
        self.close_channel(at);
        self.errors.push(at);
        Ok(())
    }

    /// A consumer gets something: from which queue, and whether it need not acknowledge.
    fn delivered(&self, at: At, consumer: u32) -> Result<(QueueNumber, bool), Violation> {
        let channel = self.channels.get(&at);
        if channel.is_some_and(|channel| !channel.gets.is_empty()) {
            let text = format!("a delivery to {at:?}, who waits for a get");
            return Err(Violation::new("order", text));
        }
        let found = channel.and_then(|channel| channel.consumers.get(&consumer));
        let Some(Consumer { queue, no_ack, .. }) = found else {
            let text = format!("a delivery to {at:?}, who has no consumer {consumer}");
            return Err(Violation::new("P6", text));
        };
        self.check_active(*queue, (at, consumer))?;
        Ok((*queue, *no_ack))
    }

    /// A channel is told that it was closed: there must be a reason.
    fn closed(&mut self, at: At, error: &Error) -> Result<(), Violation> {
        let Some(found) = self.errors.iter().position(|other| *other == at) else {
            let text = format!("{at:?} was closed for no reason: {error}");
            return Err(Violation::new("refusal", text));
        };
        self.errors.remove(found);
        Ok(())
    }

    /// A delivery of a stream waits for its acknowledgement.
    fn hold_of_stream(&mut self, at: At, tag: u64, delivery: Delivery) -> Result<(), Violation> {
        let Some(channel) = self.channels.get_mut(&at) else { return Ok(()) };
        if tag <= channel.last_tag {
            let text = format!("{at:?} has tag {tag} again, in a stream");
            return Err(Violation::new("tags", text));
        }
        channel.last_tag = tag;
        channel.hold(tag, delivery);
        Ok(())
    }

    /// The count of a `basic.get` is right.
    fn check_left(&self, queue: QueueNumber, told: usize) -> Result<(), Violation> {
        let queue = self.queues.get(&queue);
        let (least, left) = queue.map_or((0, 0), |queue| (queue.told_ready(), queue.ready.len()));
        // Those that expire or are dropped with the same command may be counted.
        if (least..=left + self.just_departed).contains(&told) {
            return Ok(());
        }
        Err(Violation::new("P10", format!("{told} messages are left, not {left}")))
    }

    /// Where one consumer is served alone, it is this one.
    fn check_active(&self, queue: QueueNumber, consumer: (At, u32)) -> Result<(), Violation> {
        let Some(queue) = self.queues.get(&queue) else { return Ok(()) };
        match queue.active {
            Some(active) if active != consumer => {
                let text = format!("{consumer:?} is served, and {active:?} is the active one");
                Err(Violation::new("P6", text))
            }
            Some(_) if queue.yields => {
                let text = format!("{consumer:?} is served, and one with a higher priority waits");
                Err(Violation::new("P6", text))
            }
            _ => Ok(()),
        }
    }

    /// What a channel published after a get is confirmed after its answer.
    fn confirmed(&self, at: At, last: u64) -> Result<(), Violation> {
        let get = self.channels.get(&at).and_then(|channel| channel.gets.front());
        if get.is_none_or(|get| last <= get.published) {
            return Ok(());
        }
        let text = format!("{at:?} gets the confirm of {last} before the answer of a get");
        Err(Violation::new("order", text))
    }

    /// A reply came: it must be the next one that is owed. Gives the command that it promises.
    fn replied(&mut self, at: At, reply: &Reply) -> Result<u64, Violation> {
        let expected = self.expected.get_mut(&at).and_then(VecDeque::pop_front);
        let Some(Expected { promise, told }) = expected else {
            return Err(Violation::new("order", format!("{at:?} gets {reply:?} for nothing")));
        };
        let count = |count: &u32| *count as usize;
        let is_guess = matches!(told, Told::Guess(_));
        let found = match reply {
            Reply::QueueDeclareOk { consumer_count, .. } if is_guess => {
                Told::Guess(vec![count(consumer_count)])
            }
            Reply::QueueDeleteOk { .. } if is_guess => Told::Guess(vec![]),
            Reply::QueueDeclareOk { message_count, consumer_count, .. } => {
                Told::Counts(vec![count(message_count), count(consumer_count)])
            }
            Reply::QueueDeleteOk { message_count } | Reply::QueuePurgeOk { message_count } => {
                Told::Counts(vec![count(message_count)])
            }
            Reply::ConsumeOk { consumer, .. } => Told::Consumer(Some(*consumer)),
            Reply::CancelOk { consumer, .. } => Told::Consumer(*consumer),
            _ => Told::Nothing,
        };
        if found == told {
            return Ok(promise);
        }
        Err(Violation::new("P10", format!("{at:?} gets {reply:?}, but it must be {told:?}")))
    }

    fn handed_out(&mut self, out: &HandedOut<'_>) -> Result<(), Violation> {
        let HandedOut { at, tag, message, .. } = out;
        let id = self.check_content(message)?;
        let served = self.take_served(out.queue);
        let place = self.check_turn(out, id, served)?;
        let Some(channel) = self.channels.get_mut(at) else {
            return Err(Violation::new("P6", format!("{at:?} is closed and gets message {id}")));
        };
        if *tag <= channel.last_tag {
            let text = format!("{at:?} has tag {tag} again, for message {id}");
            return Err(Violation::new("tags", text));
        }
        channel.last_tag = *tag;
        let (queue, consumer, since) = (out.queue, out.consumer, self.now);
        let delivery = Delivery { queue, place: place.1, consumer, since };
        let Some(queue) = self.queues.get_mut(&out.queue) else { return Ok(()) };
        queue.ready.remove(&place);
        let (Reverse(level), place) = place;
        if out.no_ack {
            self.leave_for_good(*at, &delivery);
            return Ok(());
        }
        channel.hold(*tag, delivery);
        if let Some(copy) = queue.copies.get_mut(&place) {
            copy.holder = Some(*at);
            let through = queue.delivered_through.entry(level).or_default();
            if copy.durable && place > *through {
                // Once: if that record is lost, later ones do not repeat it.
                *through = place;
                self.change(Change::Delivered(out.queue, level, place));
            }
        }
        Ok(())
    }

    /// The message is one that somebody published, byte for byte.
    pub(super) fn check_content(&self, message: &Message) -> Result<u64, Violation> {
        let invented = |text: String| Violation::new("P2", text);
        let id = id_of(message).ok_or_else(|| invented("a message without number".to_owned()))?;
        match self.messages.get(id as usize) {
            None => Err(invented(format!("message {id} was never published"))),
            Some(published)
                if published.hash != hash_of(message)
                    && (deaths_of(message).is_empty() && returns_of(message) == 0
                        || !is_same(message, &published.publication)) =>
            {
                Err(invented(format!("message {id} has other bytes than when it was published")))
            }
            Some(_) => Ok(id),
        }
    }

    /// The message is the first one that is ready in its queue, and its flag is right.
    fn check_turn(
        &self,
        out: &HandedOut<'_>,
        id: u64,
        served: Option<Turn>,
    ) -> Result<Turn, Violation> {
        let HandedOut { at, queue: number, redelivered, .. } = out;
        let Some(queue) = self.queues.get(number) else {
            let text = format!("message {id} comes from a queue that is gone");
            return Err(Violation::new("P4", text));
        };
        let name = &queue.name;
        // A dead letter may have come behind what was handed out before it in the same command.
        let is_late = |copy: &Copy| copy.came_dead == self.op && copy.message != id;
        let with_copy = |at: &Turn| Some((*at, queue.copies.get(&at.1)?));
        let mut ready = queue.ready.iter().filter_map(with_copy);
        let first = match &served {
            Some(served) => with_copy(served),
            None => ready.find(|(_, copy)| !is_late(copy)),
        };
        match first {
            Some((_, copy)) if copy.message == id && copy.expires.last < self.now => {
                let text = format!("message {id} of {name} comes after it has expired");
                Err(Violation::new("P11", text))
            }
            Some((place, copy)) if copy.message == id => {
                let told = (deaths_of(out.message), returns_of(out.message));
                let expected = (copy.past.deaths.clone(), copy.returns);
                if told != expected {
                    let text = format!(
                        "message {id} of {name} died and came back {told:?} times, not {expected:?}"
                    );
                    return Err(Violation::new("P11", text));
                }
                self.check_address(out.message, copy)?;
                if copy.redelivered == *redelivered {
                    return Ok(place);
                }
                let text = format!(
                    "message {id} of {name} comes with redelivered {redelivered} to {at:?}"
                );
                Err(Violation::new("P5", text))
            }
            first => {
                let copy = queue.copies.values().find(|copy| copy.message == id);
                let (property, why) = match copy {
                    None => ("P4", "left it or was never in it".to_owned()),
                    Some(copy) => match copy.holder {
                        Some(holder) => ("P6", format!("is held by {holder:?}")),
                        None => {
                            let first = first.map(|(_, copy)| copy.message);
                            ("P3", format!("stands behind {first:?}"))
                        }
                    },
                };
                let text = format!("{at:?} gets message {id} of {name}, which {why}");
                Err(Violation::new(property, text))
            }
        }
    }

    /// A dead letter tells where it was sent.
    fn check_address(&self, message: &Message, copy: &Copy) -> Result<(), Violation> {
        let Some(published) = self.messages.get(copy.message as usize) else { return Ok(()) };
        let sent = copy.past.of(&published.publication);
        let told = (message.exchange(), message.routing_key());
        if told == (sent.exchange.as_str(), sent.routing_key.as_str()) {
            return Ok(());
        }
        let id = copy.message;
        Err(Violation::new("P11", format!("message {id} comes from {told:?}, not {sent:?}")))
    }

    fn returned(&self, at: At, message: &Message) -> Result<(), Violation> {
        let id = self.check_content(message)?;
        match self.messages.get(id as usize) {
            Some(published) if published.mandatory && published.unroutable => Ok(()),
            _ => Err(Violation::new("P2", format!("message {id} comes back to {at:?}"))),
        }
    }

    /// A get is answered, which counts as use of the queue.
    fn answered(&mut self, queue: QueueNumber) {
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.used = Some(self.now);
        }
    }

    fn get_empty(&mut self, at: At, moved: bool) -> Result<(), Violation> {
        let get = self.channels.get_mut(&at).and_then(|channel| channel.gets.pop_front());
        let Some(Get { queue, .. }) = get else {
            if !self.sessions.contains(&at.0) {
                // The session has just ended, and with one of its channels the queue.
                return Ok(());
            }
            return Err(Violation::new("order", format!("{at:?} did not ask for a message")));
        };
        self.answered(queue);
        let queue = self.queues.get(&queue).filter(|queue| !self.goes_with_timeouts(queue));
        let ready = queue.map_or(0, |queue| queue.ready.len());
        if ready > 0 && !moved {
            let text = format!("{at:?} is told of an empty queue, which has {ready} messages");
            return Err(Violation::new("P10", text));
        }
        Ok(())
    }
}

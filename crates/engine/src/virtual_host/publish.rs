//! Publishing: from a batch of messages to queues, with returns and confirms.

mod progress;

use smallvec::SmallVec;

use progress::{Progress, Tally};

use super::rights::Resource;
use super::{Refusal, VirtualHost};
use crate::command::PublishBatch;
use crate::effect::Unfinished;
use crate::planted::{self, Bug};
use crate::record::{BindingRecord, Destination, Write};
use crate::router::ExchangeKey;
use crate::topology::{Route, Scope};
use crate::{Effects, Error, Event, Message, Origin, Right, SessionId, copies, limits};

const BASIC_PUBLISH: Origin = Origin { class_id: 60, method_id: 40 };

/// Who gives a message to queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A client has published it.
    Client,
    /// A queue gave it up, or an exchange had kept it.
    Broker,
}

/// What became of a message in the queues that it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there; nothing has to survive a restart.
    Taken,
    /// It must survive a restart in one of them.
    Survives,
    /// One of them had no room.
    Refused,
}

impl VirtualHost {
    pub(super) fn publish(&mut self, batch: PublishBatch, effects: &mut Effects) {
        self.publish_from(Unfinished { batch, first: 0 }, effects);
    }

    /// Publishes the messages of a batch, up to a number of copies in queues.
    pub(super) fn publish_from(&mut self, unfinished: Unfinished, effects: &mut Effects) {
        let Unfinished { batch, first } = unfinished;
        let session = batch.session;
        let mut copies_left = limits::PUBLISH_STEP_COPIES;
        let mut progress = Progress::default();
        // Neighbours in a batch mostly have the same address, and so the same route.
        let mut known: Option<(Message, Route, ExchangeKey)> = None;
        let mut tally = Tally::default();
        let Some(mut message) = Message::new(&batch.messages, first as u32) else { return };
        for (index, &(channel, mandatory)) in batch.publishes.iter().enumerate().skip(first) {
            if copies_left == 0 {
                effects.unfinished = Some(Unfinished { batch, first: index });
                break;
            }
            if !message.go_to(&batch.messages, index as u32) {
                break;
            }
            let at = (session, channel);
            let Some((confirm, is_held)) = self.count_publish(at, &mut progress) else { continue };
            if message.has_more_keys()
                || known.as_ref().is_some_and(|(before, ..)| before.address() != message.address())
            {
                known = None;
            }
            let (route, exchange) = match &known {
                Some((_, route, exchange)) => (Route::clone(route), *exchange),
                None => match self.find_way(&mut message, batch.to.as_deref(), session) {
                    Ok((route, Scope::Address, exchange)) => {
                        known = Some((message.clone(), Route::clone(&route), exchange));
                        (route, exchange)
                    }
                    Ok((route, _, exchange)) => (route, exchange),
                    Err(refusal) => {
                        self.refuse_publish(at, refusal, &mut progress, effects);
                        continue;
                    }
                },
            };
            if is_held {
                if let Err(error) = self.hold_publish(at, message.clone(), route, mandatory) {
                    self.refuse_publish(at, error.into(), &mut progress, effects);
                }
                continue;
            }
            copies_left = copies_left.saturating_sub(route.len());
            tally.add(exchange, route.len(), &mut self.topology);
            let outcome = self.enqueue(&message, &route, Sender::Client, effects);
            self.shed_after_publish(&route, effects);
            let is_answer = batch.to.is_none()
                && (route.is_empty() || message.has_more_keys())
                && self.deliver_replies(&message, effects);
            if route.is_empty() {
                self.goes_nowhere(
                    (session, channel),
                    message.clone(),
                    mandatory,
                    is_answer,
                    effects,
                );
            }
            if let Some(number) = confirm {
                progress.confirms.add(channel, number, outcome);
            }
        }
        tally.finish(&mut self.topology);
        self.note_counted(session, &mut progress.counting);
        self.confirm(progress.confirms, session, effects);
    }

    /// There is no queue for a message; it may have been the answer to a direct request.
    pub(super) fn goes_nowhere(
        &mut self,
        at: (SessionId, u16),
        message: Message,
        mandatory: bool,
        is_answer: bool,
        effects: &mut Effects,
    ) {
        let host = &mut self.changes.counters.messages;
        let channel = self.sessions.get_mut(&at.0).and_then(|it| it.channels.get_mut(&at.1));
        let channel = channel.map(|channel| &mut channel.messages);
        for counters in channel.into_iter().chain([host]).filter(|_| !is_answer) {
            counters.return_unroutable += u64::from(mandatory);
            counters.drop_unroutable += u64::from(!mandatory);
        }
        if !is_answer {
            self.unroutable.note(&message, mandatory, self.now);
        }
        if mandatory && !planted::is(Bug::ReturnForgotten) {
            effects.send(at.0, Event::Return { channel: at.1, message });
        }
    }

    /// Refuses a message. Nothing may follow on a channel once it is told that it is closed, so that
    /// what was before comes first.
    fn refuse_publish(
        &mut self,
        (session, channel): (SessionId, u16),
        refusal: Refusal,
        progress: &mut Progress,
        effects: &mut Effects,
    ) {
        let Progress { mut counting, confirms } = std::mem::take(progress);
        self.note_counted(session, &mut counting);
        self.confirm(confirms, session, effects);
        self.refuse(session, channel, refusal, BASIC_PUBLISH, effects);
    }

    /// Where a message of a batch goes.
    fn find_way(
        &mut self,
        message: &mut Message,
        to: Option<&str>,
        session: SessionId,
    ) -> Result<(Route, Scope, ExchangeKey), Refusal> {
        let limited = self.limited(session);
        let Some(queue) = to else { return self.find_route(message, limited) };
        if let Some(session) = limited {
            self.check_may(session, Right::Write, Resource::Exchange(""))?;
        }
        let route = match self.topology.queue(queue) {
            Some(_) => Route::from([self.accessible_queue(session, queue)?]),
            None => Route::from([]),
        };
        Ok((route, Scope::Address, ExchangeKey::DEFAULT))
    }

    /// Where a message goes that was published now, by a session that may not do everything if one
    /// is given. It may become another one, without what is for the broker alone.
    fn find_route(
        &mut self,
        message: &mut Message,
        limited: Option<SessionId>,
    ) -> Result<(Route, Scope, ExchangeKey), Refusal> {
        if let Some(session) = limited {
            self.check_may(session, Right::Write, Resource::Exchange(message.exchange()))?;
        }
        let exchange = self.check_published_to(message.exchange())?;
        if message.has_more_keys()
            && let Some(changed) = copies::accept(message)?
        {
            *message = changed;
        }
        if let Some(session) = limited {
            self.check_keys(session, message)?;
        }
        let (route, scope) = self.topology.route(message);
        if scope == Scope::Delayed {
            let what = "delayed messages (header x-delay) are not supported yet".to_owned();
            return Err(Refusal::Session(Error::NotImplemented { what }));
        }
        Ok((route, scope, exchange))
    }

    /// Gives the last messages of an exchange that keeps them to what is newly bound to it.
    pub(super) fn give_history(&mut self, binding: &BindingRecord, effects: &mut Effects) {
        let mut history = self.topology.history(&binding.source);
        if planted::is(Bug::HistoryForgetsLast) {
            history.pop();
        }
        for message in history {
            // Its time in the queue begins now, not when it was published.
            let message = message.accepted_at(self.now);
            let route = match &binding.destination {
                Destination::Queue(name) => self.topology.queue(name).into_iter().collect(),
                Destination::Exchange(name) => self.topology.route_at(name, &message),
            };
            self.enqueue(&message, &route, Sender::Broker, effects);
            self.shed_after_publish(&route, effects);
        }
    }

    /// The exchange of a name, if clients may publish to it.
    pub(super) fn check_published_to(&self, exchange: &str) -> Result<ExchangeKey, Error> {
        if exchange.is_empty() {
            return Ok(ExchangeKey::DEFAULT);
        }
        let named = || (exchange.to_owned(), self.name.clone());
        match self.topology.exchange_and_key(exchange) {
            None => {
                let (name, vhost) = named();
                Err(Error::ExchangeNotFound { name, vhost })
            }
            Some((_, found)) if found.record.internal => {
                let (name, vhost) = named();
                Err(Error::InternalExchange { name, vhost })
            }
            Some((key, _)) => Ok(key),
        }
    }

    /// Puts a message into its queues, as far as they take it. [`Self::shed_after_publish`] follows.
    pub(super) fn enqueue(
        &mut self,
        message: &Message,
        route: &Route,
        sender: Sender,
        effects: &mut Effects,
    ) -> Outcome {
        let mut written = SmallVec::new();
        let mut outcome = Outcome::Taken;
        let mut refused = false;
        let is_persistent = message.is_persistent();
        let (queues, now) = (self.queues.len(), self.now);
        for id in route.iter() {
            if planted::is(Bug::FanOutLosesCopy) && route.len() > 1 && route.last() == Some(id) {
                continue;
            }
            let Some(mut queue) = self.queues.get_mut(id) else { continue };
            if queue.has_limits {
                self.enqueued_limited = true;
                if self.refuses(*id, message, effects) {
                    refused = true;
                    if !planted::is(Bug::RefusedGoesIn) {
                        continue;
                    }
                }
                queue = match self.queues.get_mut(id) {
                    Some(queue) => queue,
                    None => continue,
                };
            }
            // Of a stream, every message survives.
            let is_stream = queue.is_stream();
            let durable = (is_persistent || is_stream) && queue.is_durable();
            let resident_max = self.memory.queue_max(durable, queues);
            if sender == Sender::Broker {
                queue.counted.rare().moved_in += 1;
            }
            let before = queue.resident_bytes();
            let (name, sequence, stays) = match is_stream {
                true => (*id, queue.append(message, now, resident_max), true),
                false => queue.enqueue(message, durable, resident_max, now),
            };
            self.memory.changed(before, queue.resident_bytes());
            if durable {
                outcome = Outcome::Survives;
                written.push((name, sequence));
            } else if !stays {
                written.push((name.spilled(), sequence));
            } else if queue.resident_bytes() > resident_max / 2 && !queue.consumers.is_empty() {
                self.is_pressed = true;
            }
            if !queue.is_dirty {
                queue.is_dirty = true;
                self.dirty.push(*id);
            }
        }
        if !written.is_empty() {
            effects.writes.push(Write::Enqueued { message: message.clone(), queues: written });
        }
        let is_told = refused && !planted::is(Bug::RefusalConfirmed);
        if is_told { Outcome::Refused } else { outcome }
    }
}

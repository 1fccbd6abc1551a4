//! Publishing: from a batch of messages to queues, with returns and confirms.

use smallvec::SmallVec;

use super::rights::Resource;
use super::{Refusal, VirtualHost};
use crate::command::PublishBatch;
use crate::counters::ExchangeCounters;
use crate::effect::Unfinished;
use crate::planted::{self, Bug};
use crate::record::{BindingRecord, Destination, Write};
use crate::router::ExchangeKey;
use crate::topology::{Route, Scope, Topology};
use crate::{Effects, Error, Event, Message, Origin, Right, SessionId, copies, limits};

const BASIC_PUBLISH: Origin = Origin { class_id: 60, method_id: 40 };

/// Confirms of one batch: runs of numbers on a channel, apart by whether they wait for the disk.
#[derive(Debug, Default)]
struct Confirms {
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    channel: u16,
    first: u64,
    last: u64,
    outcome: Outcome,
}

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

/// What exchanges were given and gave to queues: of neighbours that were published to the same one.
#[derive(Debug, Default)]
struct Tally {
    exchange: Option<ExchangeKey>,
    counters: ExchangeCounters,
}

impl Tally {
    fn add(&mut self, exchange: ExchangeKey, copies: usize, topology: &mut Topology) {
        if self.exchange != Some(exchange) {
            self.finish(topology);
            self.exchange = Some(exchange);
        }
        self.counters.publish_in += 1;
        self.counters.publish_out += copies as u64;
    }

    fn finish(&mut self, topology: &mut Topology) {
        let Self { exchange, counters } = std::mem::take(self);
        if let Some(exchange) = exchange {
            topology.note_published(exchange, counters);
        }
    }
}

/// What is counted on a channel: of neighbours that were published on the same one.
#[derive(Debug)]
struct Counting {
    channel: u16,
    /// The number of the last message, if the channel confirms.
    last: Option<u64>,
    /// A transaction is to hold the messages.
    is_held: bool,
    count: u64,
}

impl Counting {
    /// Counts a message. Gives its number if the channel confirms.
    fn next(&mut self) -> Option<u64> {
        self.count += 1;
        if let Some(last) = &mut self.last {
            *last += 1;
        }
        self.last
    }
}

impl Confirms {
    fn add(&mut self, channel: u16, number: u64, outcome: Outcome) {
        if let Some(run) = self.runs.last_mut()
            && (run.channel, run.outcome, run.last + 1) == (channel, outcome, number)
        {
            run.last = number;
            return;
        }
        self.runs.push(Run { channel, first: number, last: number, outcome });
    }
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
        let mut confirms = Confirms::default();
        // Neighbours in a batch mostly have the same address, and so the same route.
        let mut known: Option<(Message, Route, ExchangeKey)> = None;
        let mut tally = Tally::default();
        let mut counting = None;
        let Some(mut message) = Message::new(&batch.messages, first as u32) else { return };
        for (index, &(channel, mandatory)) in batch.publishes.iter().enumerate().skip(first) {
            if copies_left == 0 {
                effects.unfinished = Some(Unfinished { batch, first: index });
                break;
            }
            if !message.go_to(&batch.messages, index as u32) {
                break;
            }
            if counting.as_ref().is_none_or(|it: &Counting| it.channel != channel) {
                self.note_counted(session, counting.take());
                counting = self.begin_counting(session, channel);
            }
            // The channel may be closed.
            let Some(counted) = &mut counting else { continue };
            let (confirm, is_held) = (counted.next(), counted.is_held);
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
                        // Nothing may follow on a channel once it is told that it is closed.
                        self.note_counted(session, counting.take());
                        self.confirm(std::mem::take(&mut confirms), session, effects);
                        self.refuse(session, channel, refusal, BASIC_PUBLISH, effects);
                        continue;
                    }
                },
            };
            if is_held {
                let at = (session, channel);
                if let Err(error) = self.hold_publish(at, message.clone(), route, mandatory) {
                    self.note_counted(session, counting.take());
                    self.confirm(std::mem::take(&mut confirms), session, effects);
                    self.refuse(session, channel, error.into(), BASIC_PUBLISH, effects);
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
                confirms.add(channel, number, outcome);
            }
        }
        tally.finish(&mut self.topology);
        self.note_counted(session, counting);
        self.confirm(confirms, session, effects);
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

    /// Tells the publisher what was taken. After the whole batch, so that a message's return comes
    /// before its confirm.
    fn confirm(&mut self, confirms: Confirms, session: SessionId, effects: &mut Effects) {
        for Run { channel, first, last, outcome } in confirms.runs {
            if outcome == Outcome::Refused {
                effects.send(session, Event::Refused { channel, first, last });
                continue;
            }
            let count = last - first + 1;
            self.changes.counters.messages.confirm += count;
            if let Some(channel) = self.channel_mut((session, channel)) {
                channel.messages.confirm += count;
            }
            let durable = outcome == Outcome::Survives && !planted::is(Bug::ConfirmBeforeSync);
            effects.send_after(durable, session, Event::Confirm { channel, first, last });
        }
    }

    /// Begins to count messages on a channel: `None` if it is closed.
    fn begin_counting(&self, session: SessionId, number: u16) -> Option<Counting> {
        let channel = self.sessions.get(&session)?.channels.get(&number)?;
        let is_held = channel.transaction.is_some();
        Some(Counting { channel: number, last: channel.confirms, is_held, count: 0 })
    }

    /// Notes what was counted, before anything else happens to the channel.
    fn note_counted(&mut self, session: SessionId, counting: Option<Counting>) {
        let Some(Counting { channel: number, last, is_held, count }) = counting else { return };
        let at = (session, number);
        let channels = self.sessions.get_mut(&session).map(|session| &mut session.channels);
        let Some(channel) = channels.and_then(|channels| channels.get_mut(&number)) else { return };
        channel.confirms = last;
        // What a transaction holds is counted when it is committed.
        let count = if is_held { 0 } else { count };
        channel.messages.publish += count;
        self.changes.counters.messages.publish += count;
        self.changes.channel(at, channel);
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

//! A scripted client: what it knows, and what it checks about what it receives. It learns only
//! from events, later than the broker knows; so what it asks may cross with what it gets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use warren_engine::{Event, Reply, SessionId, Taken};

use crate::Violation;
use crate::messages::MessageId;
use crate::model::Model;

#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) session: Option<SessionId>,
    /// The connection is being closed in order.
    pub(crate) closing: bool,
    pub(crate) channels: BTreeMap<u16, ClientChannel>,
}

#[derive(Debug, Default)]
pub(crate) struct ClientChannel {
    /// `channel.close` is on its way.
    pub(crate) closing: bool,
    /// The replies that must come next, by name.
    pub(crate) awaited: VecDeque<&'static str>,
    /// Consumers that are confirmed, by number.
    pub(crate) consumers: BTreeMap<u32, String>,
    last_tag: u64,
    /// Deliveries that may be settled. Those of a consumer without acknowledgements are not here.
    pub(crate) tags: Vec<u64>,
    /// Tags of consumers that want no acknowledgements.
    pub(crate) no_ack: BTreeSet<String>,
    /// The prefetch of consumers to come.
    pub(crate) prefetch: u16,
    /// Deliveries of streams may come, which cannot be given back.
    pub(crate) has_streams: bool,
    /// Gets that are not answered: whether they want no acknowledgement.
    pub(crate) gets: VecDeque<bool>,
    /// A request for messages by their places is not answered to the end.
    pub(crate) takes: bool,
    /// Messages published since `confirm.select`, in order.
    pub(crate) published: Option<Vec<MessageId>>,
    /// What was done since the last commit or rollback, after `tx.select`.
    pub(crate) transaction: Option<Held>,
    /// For each commit that is not answered, the messages that it publishes.
    pub(crate) commits: VecDeque<Vec<MessageId>>,
    /// Of these, those that are known to be taken or refused.
    confirmed: BTreeSet<MessageId>,
    returned: BTreeSet<MessageId>,
}

/// What a client did in a transaction.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) published: Vec<MessageId>,
    /// Deliveries that it settled; after a rollback it may do so again.
    pub(crate) tags: Vec<u64>,
}

fn wrong(text: String) -> Violation {
    Violation::new("order", text)
}

impl Client {
    /// Takes an event. True if the connection is over by it.
    pub(crate) fn receive(&mut self, event: &Event, model: &mut Model) -> Result<bool, Violation> {
        let Some(session) = self.session else { return Ok(false) };
        let number = match (event, event.channel()) {
            (Event::SessionClosed, _) => {
                model.close_received(session);
                return Ok(true);
            }
            (Event::SessionError { .. }, _) | (_, None) => return Ok(true),
            (_, Some(number)) => number,
        };
        let Some(channel) = self.channels.get_mut(&number) else {
            return Err(wrong(format!("s{}.{number} is closed and gets {event:?}", session.0)));
        };
        match event {
            Event::Deliver { consumer, delivery_tag, .. } => {
                let tag = channel.consumers.get(consumer);
                let no_ack = tag.is_some_and(|tag| channel.no_ack.contains(tag));
                if tag.is_none() {
                    return Err(wrong(format!("a delivery to consumer {consumer}, unknown")));
                }
                channel.take_tag(*delivery_tag, no_ack)?;
            }
            Event::DeliverFromStream { consumer, delivery_tag, .. } => {
                if !channel.consumers.contains_key(consumer) {
                    return Err(wrong(format!("a delivery to consumer {consumer}, unknown")));
                }
                channel.take_tag(*delivery_tag, false)?;
            }
            Event::GetOk { delivery_tag, .. } => {
                channel.answered("get")?;
                let no_ack = channel.gets.pop_front().unwrap_or_default();
                channel.take_tag(*delivery_tag, no_ack)?;
            }
            Event::Taken { taken, done, .. } => channel.taken(taken, *done)?,
            Event::Return { message, .. } => {
                channel.returned.extend(crate::messages::id_of(message));
            }
            Event::Confirm { first, last, .. } => {
                for number in *first..=*last {
                    let id = channel.answer(number, model)?;
                    model.confirm_received(id)?;
                }
            }
            Event::Refused { first, last, .. } => {
                for number in *first..=*last {
                    let id = channel.answer(number, model)?;
                    model.refusal_received(id)?;
                }
            }
            Event::Reply { reply, .. } => {
                model.reply_received((session, number))?;
                channel.answered(name_of(reply))?;
                channel.note_reply(reply);
                if matches!(reply, Reply::TxCommitOk) {
                    channel.committed(model)?;
                }
                if matches!(reply, Reply::ChannelCloseOk) {
                    self.channels.remove(&number);
                }
            }
            Event::ConsumerCancelled { consumer, .. } => {
                channel.consumers.remove(consumer);
            }
            Event::ChannelError { .. } => {
                self.channels.remove(&number);
            }
            Event::SessionClosed | Event::SessionError { .. } => {}
        }
        Ok(false)
    }

    /// After the connection is over, however that came.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Everything that must come if nothing fails any more has come.
    pub(crate) fn check_answered(&self) -> Result<(), Violation> {
        let Some(session) = self.session else { return Ok(()) };
        for (number, channel) in &self.channels {
            if let Some(awaited) = channel.awaited.front() {
                let text = format!("s{}.{number} still waits for {awaited}", session.0);
                return Err(Violation::new("P12", text));
            }
            let published = channel.published.iter().flatten();
            if let Some(id) = { published }.find(|id| !channel.confirmed.contains(id)) {
                let text = format!("s{}.{number}: message {id} is not confirmed", session.0);
                return Err(Violation::new("P12", text));
            }
        }
        Ok(())
    }
}

impl ClientChannel {
    fn take_tag(&mut self, tag: u64, no_ack: bool) -> Result<(), Violation> {
        if tag <= self.last_tag {
            return Err(Violation::new("tags", format!("tag {tag} after {}", self.last_tag)));
        }
        self.last_tag = tag;
        if !no_ack {
            self.tags.push(tag);
        }
        Ok(())
    }

    fn taken(&mut self, taken: &[Taken], done: bool) -> Result<(), Violation> {
        if !self.takes {
            return Err(wrong("messages for somebody who took none".to_owned()));
        }
        self.takes = !done;
        taken.iter().try_for_each(|taken| self.take_tag(taken.delivery_tag, false))
    }

    fn answered(&mut self, name: &'static str) -> Result<(), Violation> {
        if name == "close" && self.awaited.front() == Some(&"get") {
            // What was still to be got is not answered any more, nor what came after it.
            while self.awaited.pop_front_if(|awaited| *awaited != "close").is_some() {}
        }
        match self.awaited.pop_front() {
            Some(awaited) if awaited == name => Ok(()),
            awaited => Err(wrong(format!("the answer to {name} comes, {awaited:?} is awaited"))),
        }
    }

    fn note_reply(&mut self, reply: &Reply) {
        match reply {
            Reply::ConsumeOk { consumer, consumer_tag, .. } => {
                self.consumers.insert(*consumer, consumer_tag.clone());
            }
            Reply::CancelOk { consumer: Some(consumer), .. } => {
                self.consumers.remove(consumer);
            }
            Reply::GetEmpty => drop(self.gets.pop_front()),
            _ => {}
        }
    }

    /// What could not be routed has come back before.
    fn committed(&mut self, model: &Model) -> Result<(), Violation> {
        for id in self.commits.pop_front().unwrap_or_default() {
            if let Some(message) = model.messages.get(id as usize)
                && message.mandatory
                && message.unroutable
                && !self.returned.contains(&id)
            {
                let text = format!("message {id} is committed before it comes back");
                return Err(Violation::new("P9", text));
            }
        }
        Ok(())
    }

    /// What was published under a number is taken or refused.
    fn answer(&mut self, number: u64, model: &Model) -> Result<MessageId, Violation> {
        let published = self.published.as_ref();
        let id = published.and_then(|published| published.get(number.checked_sub(1)? as usize));
        let Some(id) = id.copied() else {
            return Err(wrong(format!("number {number} is confirmed, but was not published")));
        };
        if !self.confirmed.insert(id) {
            return Err(wrong(format!("message {id} is confirmed twice")));
        }
        if let Some(message) = model.messages.get(id as usize)
            && message.mandatory
            && message.unroutable
            && !self.returned.contains(&id)
        {
            return Err(wrong(format!("message {id} is confirmed before it comes back")));
        }
        Ok(id)
    }
}

/// What a reply answers, as `awaited` has it.
fn name_of(reply: &Reply) -> &'static str {
    match reply {
        Reply::ChannelCloseOk => "close",
        Reply::ExchangeDeclareOk => "exchange.declare",
        Reply::ExchangeDeleteOk => "exchange.delete",
        Reply::ExchangeBindOk | Reply::QueueBindOk => "bind",
        Reply::ExchangeUnbindOk | Reply::QueueUnbindOk => "unbind",
        Reply::QueueDeclareOk { .. } => "queue.declare",
        Reply::QueueDeleteOk { .. } => "queue.delete",
        Reply::QueuePurgeOk { .. } => "purge",
        Reply::QueuePauseOk => "pause",
        Reply::QosOk => "qos",
        Reply::ConsumeOk { .. } => "consume",
        Reply::CancelOk { .. } => "cancel",
        Reply::GetEmpty => "get",
        Reply::RecoverOk => "recover",
        Reply::ConfirmSelectOk => "confirm.select",
        Reply::TxSelectOk => "tx.select",
        Reply::TxCommitOk => "tx.commit",
        Reply::TxRollbackOk => "tx.rollback",
    }
}

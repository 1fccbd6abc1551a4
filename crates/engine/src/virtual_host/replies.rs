//! Direct reply-to: answers that go to the channel that asked, past any queue.
//!
//! A channel that consumes `amq.rabbitmq.reply-to` gets a name that nobody can guess, which the
//! server puts into the `reply_to` of its messages. Whoever publishes to that name on the default
//! exchange, or names it in the header `CC` of a message there, reaches the channel. Nothing is
//! kept: if the channel is gone, so is the answer.

use super::{Refusal, VirtualHost};
use crate::effect::delivery_weight;
use crate::session::ReplyConsumer;
use crate::{Effects, Error, Event, Message, Reply, SessionId, copies, limits};

type At = (SessionId, u16);

/// The name that clients consume from, and the beginning of each requester's own.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

impl VirtualHost {
    pub(super) fn consume_replies(
        &mut self,
        at: At,
        consumer_tag: String,
        no_ack: bool,
        no_wait: bool,
        name: String,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let Some(channel) = self.channel(at) else { return Ok(()) };
        if channel.has_consumer_tag(&consumer_tag) {
            return Err(Refusal::Session(Error::ConsumerTagInUse { consumer_tag }));
        }
        if !no_ack {
            return Err(Error::RepliesAcknowledged.into());
        }
        if channel.replies.is_some() {
            return Err(Error::RepliesConsumed.into());
        }
        self.consumers_made += 1;
        let number = self.consumers_made;
        self.reply_consumers.insert(name.clone(), (at, number));
        if let Some(channel) = self.channel_mut(at) {
            let tag = consumer_tag.clone();
            channel.replies = Some(Box::new(ReplyConsumer { number, tag, name }));
        }
        let reply = Reply::ConsumeOk { consumer: number, consumer_tag, no_wait };
        self.reply(at, reply, false, effects);
        Ok(())
    }

    /// Ends the consumer of replies, if it has this tag; gives its number.
    pub(super) fn cancel_replies(&mut self, at: At, consumer_tag: &str) -> Option<u32> {
        let replies = &mut self.channel_mut(at)?.replies;
        let ended = replies.take_if(|replies| replies.tag == consumer_tag)?;
        self.reply_consumers.remove(&ended.name);
        Some(ended.number)
    }

    /// Answers a declaration of the queue that there seems to be, or of a requester's name. False
    /// if the name is of neither kind.
    pub(super) fn declare_replies(
        &mut self,
        at: At,
        name: &str,
        no_wait: bool,
        effects: &mut Effects,
    ) -> Result<bool, Error> {
        let Some(rest) = name.strip_prefix(REPLY_TO) else { return Ok(false) };
        if !rest.is_empty() && !rest.starts_with('.') {
            return Ok(false);
        }
        if !rest.is_empty() && !self.reply_consumers.contains_key(name) {
            let (name, vhost) = (name.to_owned(), self.name.clone());
            return Err(Error::QueueNotFound { name, vhost });
        }
        if let Some(channel) = self.channel_mut(at) {
            channel.last_queue = Some(name.to_owned());
        }
        if !no_wait {
            let queue = name.to_owned();
            let reply = Reply::QueueDeclareOk { queue, message_count: 0, consumer_count: 1 };
            self.reply(at, reply, false, effects);
        }
        Ok(true)
    }

    /// A message may be an answer: then it goes to the channels that its routing keys name, those
    /// in the headers `CC` and `BCC` too, and to each once. False if nobody asked.
    pub(super) fn deliver_replies(&mut self, message: &Message, effects: &mut Effects) -> bool {
        if self.reply_consumers.is_empty() || !message.exchange().is_empty() {
            return false;
        }
        if !message.has_more_keys() {
            return self.deliver_reply(message.routing_key(), message, effects);
        }
        let mut keys = copies::keys(message);
        keys.sort_unstable();
        keys.dedup();
        let mut was_asked = false;
        for key in keys {
            was_asked |= self.deliver_reply(key, message, effects);
        }
        was_asked
    }

    /// An answer that its client does not read is dropped when too much waits for it. False if nobody
    /// asked for it.
    fn deliver_reply(&mut self, key: &str, message: &Message, effects: &mut Effects) -> bool {
        let Some(&(at, consumer)) = self.reply_consumers.get(key) else { return false };
        let Some(session) = self.sessions.get_mut(&at.0) else { return false };
        let Some(channel) = session.channels.get_mut(&at.1) else { return false };
        let weight = delivery_weight(message);
        let is_behind = !channel.held.is_empty()
            && channel.held.bytes().saturating_add(weight) > limits::HELD_BYTES;
        if is_behind || session.outbox_bytes >= limits::REPLY_OUTBOX_BYTES {
            return true;
        }
        session.outbox_bytes += weight;
        let (channel, delivery_tag) = (at.1, channel.next_delivery_tag());
        let (message, redelivered) = (message.clone(), false);
        let event = Event::Deliver { channel, consumer, delivery_tag, redelivered, message };
        effects.send(at.0, event);
        true
    }
}

//! From the engine's events to frames.

use std::sync::Arc;

use tracing::info;
use warren_amqp::properties::put_with_long;
use warren_amqp::{Content, Method, ReplyCode, ShortString, basic, confirm, exchange, queue, tx};
use warren_engine::{Error, Event, Message, Origin, Parts, Reply};

use super::{ChannelState, Connection};
use crate::census;
use crate::limits;
use crate::reply_code::reply_code;

/// The content of a message as the protocol layer wants it.
fn content(message: &Message) -> Content<'_> {
    let Parts { exchange, routing_key, properties, body, .. } = message.parts();
    Content { exchange, routing_key, properties, body }
}

/// A name that came from a short string, or was made by us: it fits.
fn short(text: String) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}

impl Connection {
    /// Encodes events until a good piece of output has come together.
    pub(super) fn encode_events(&mut self) {
        while self.amqp.output().len() < limits::WRITE_BYTES {
            let Some(batch) = self.events.front_mut() else {
                // More may have come meanwhile; take it without going around the loop.
                match self.outbox.try_recv() {
                    Ok(told) => self.hear(told),
                    Err(_) => return,
                }
                continue;
            };
            match batch.next() {
                Some(event) => self.encode(event),
                None => {
                    self.events.pop_front();
                }
            }
        }
    }

    fn encode_channel_error(&mut self, channel: u16, error: &Error, origin: Origin) {
        // As a string, so that a name with line breaks cannot forge a log line.
        let text = error.to_string();
        info!(peer = %self.peer, channel, reason = text, "closing channel");
        self.forget_channel(channel);
        if self.amqp.channel_may_close(channel) {
            let Origin { class_id, method_id } = origin;
            self.amqp.close_channel(channel, reply_code(error), &text, class_id, method_id);
        } else {
            // The client closed it at the same time: all that it waits for is the ok.
            self.amqp.channel_close_ok(channel);
        }
    }

    fn encode(&mut self, event: Event) {
        if event.is_delivery() {
            self.flushed += event.weight();
        } else {
            self.reply_bytes -= event.weight();
        }
        match event {
            Event::Deliver { channel, consumer, delivery_tag, redelivered, message } => {
                let state = self.channels.get(&channel);
                let Some(tag) = state.and_then(|state| state.consumers.get(&consumer)) else {
                    return;
                };
                self.amqp.deliver(channel, tag, delivery_tag, redelivered, content(&message));
            }
            Event::DeliverFromStream { channel, consumer, delivery_tag, offset, message } => {
                let state = self.channels.get(&channel);
                let Some(tag) = state.and_then(|state| state.consumers.get(&consumer)) else {
                    return;
                };
                let offset = i64::try_from(offset).unwrap_or(i64::MAX);
                self.properties.clear();
                let properties = &mut self.properties;
                put_with_long(properties, message.properties(), "x-stream-offset", offset);
                let content = Content { properties: &self.properties, ..content(&message) };
                self.amqp.deliver(channel, tag, delivery_tag, false, content);
            }
            Event::GetOk { channel, delivery_tag, redelivered, message_count, message } => {
                self.amqp.get_ok(
                    channel,
                    delivery_tag,
                    redelivered,
                    message_count,
                    content(&message),
                );
            }
            // Never asked for by a client.
            Event::Taken { .. } => {}
            Event::Return { channel, message } => {
                self.amqp.return_message(channel, ReplyCode::NoRoute, content(&message));
            }
            Event::Confirm { channel, first, last } => {
                self.encode_confirms(channel, (first, last), warren_amqp::Connection::ack);
            }
            Event::Refused { channel, first, last } => {
                self.encode_confirms(channel, (first, last), warren_amqp::Connection::nack);
            }
            Event::Reply { channel, reply } => self.encode_reply(channel, reply),
            Event::ConsumerCancelled { channel, consumer } => {
                self.encode_cancel(channel, consumer);
            }
            Event::ChannelError { channel, error, origin } => {
                self.encode_channel_error(channel, &error, origin);
            }
            Event::SessionError { error, origin } => {
                // The engine has ended the session already: there is nothing to wait for.
                let (code, text) = (reply_code(&error), error.to_string());
                info!(peer = %self.peer, code = code.number(), text, "closing connection");
                self.amqp.close(code, &text, origin.class_id, origin.method_id);
            }
            Event::SessionClosed => self.session_closed(),
        }
    }

    fn forget_channel(&mut self, channel: u16) {
        self.channels.remove(&channel);
        self.traffic.channel_closed(channel);
    }

    /// A run of messages was taken, or refused.
    fn encode_confirms(
        &mut self,
        channel: u16,
        (first, last): (u64, u64),
        answer: fn(&mut warren_amqp::Connection, u16, u64, bool),
    ) {
        if let Some(state) = self.channels.get_mut(&channel) {
            census::answer(&state.answered, last - first + 1);
            let amqp = &mut self.amqp;
            state.confirms.add(first, last, |tag, multiple| answer(amqp, channel, tag, multiple));
        }
    }

    fn encode_cancel(&mut self, channel: u16, consumer: u32) {
        let Some(state) = self.channels.get_mut(&channel) else { return };
        let Some(tag) = state.consumers.remove(&consumer) else { return };
        if self.amqp.client_has_capability("consumer_cancel_notify") {
            let consumer_tag = short(tag.to_string());
            let cancel = basic::Cancel { consumer_tag, nowait: true };
            self.amqp.method(channel, Method::Basic(basic::AMQPMethod::Cancel(cancel)));
        }
    }

    fn encode_reply(&mut self, channel: u16, reply: Reply) {
        use basic::AMQPMethod as Basic;
        use exchange::AMQPMethod as Exchange;
        use queue::AMQPMethod as Queue;

        let method = match reply {
            Reply::ChannelCloseOk => {
                self.forget_channel(channel);
                self.amqp.channel_close_ok(channel);
                return;
            }
            Reply::ExchangeDeclareOk => {
                Method::Exchange(Exchange::DeclareOk(exchange::DeclareOk {}))
            }
            Reply::ExchangeDeleteOk => Method::Exchange(Exchange::DeleteOk(exchange::DeleteOk {})),
            Reply::ExchangeBindOk => Method::Exchange(Exchange::BindOk(exchange::BindOk {})),
            Reply::ExchangeUnbindOk => Method::Exchange(Exchange::UnbindOk(exchange::UnbindOk {})),
            Reply::QueueDeclareOk { queue, message_count, consumer_count } => {
                let queue = short(queue);
                let ok = queue::DeclareOk { queue, message_count, consumer_count };
                Method::Queue(Queue::DeclareOk(ok))
            }
            Reply::QueueDeleteOk { message_count } => {
                Method::Queue(Queue::DeleteOk(queue::DeleteOk { message_count }))
            }
            Reply::QueuePurgeOk { message_count } => {
                Method::Queue(Queue::PurgeOk(queue::PurgeOk { message_count }))
            }
            Reply::QueueBindOk => Method::Queue(Queue::BindOk(queue::BindOk {})),
            Reply::QueueUnbindOk => Method::Queue(Queue::UnbindOk(queue::UnbindOk {})),
            // Never asked for by a client.
            Reply::QueuePauseOk => return,
            Reply::QosOk => Method::Basic(Basic::QosOk(basic::QosOk {})),
            Reply::ConsumeOk { consumer, consumer_tag, no_wait } => {
                self.channel_state(channel).consumers.insert(consumer, Arc::from(&*consumer_tag));
                if no_wait {
                    return;
                }
                let consumer_tag = short(consumer_tag);
                Method::Basic(Basic::ConsumeOk(basic::ConsumeOk { consumer_tag }))
            }
            Reply::CancelOk { consumer, consumer_tag, no_wait } => {
                if let Some(consumer) = consumer {
                    self.channel_state(channel).consumers.remove(&consumer);
                }
                if no_wait {
                    return;
                }
                let consumer_tag = short(consumer_tag);
                Method::Basic(Basic::CancelOk(basic::CancelOk { consumer_tag }))
            }
            Reply::GetEmpty => Method::Basic(Basic::GetEmpty(basic::GetEmpty {})),
            Reply::RecoverOk => Method::Basic(Basic::RecoverOk(basic::RecoverOk {})),
            Reply::ConfirmSelectOk => {
                Method::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))
            }
            Reply::TxSelectOk => Method::Tx(tx::AMQPMethod::SelectOk(tx::SelectOk {})),
            Reply::TxCommitOk => Method::Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {})),
            Reply::TxRollbackOk => Method::Tx(tx::AMQPMethod::RollbackOk(tx::RollbackOk {})),
        };
        self.amqp.method(channel, method);
    }

    fn channel_state(&mut self, channel: u16) -> &mut ChannelState {
        self.channels.entry(channel).or_default()
    }
}

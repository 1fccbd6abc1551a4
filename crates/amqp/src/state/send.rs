//! What the broker sends on its own: messages, confirms, replies.
//!
//! Nothing is sent on a channel that is closed or that we have closed, nor on a connection that is
//! not open: a client would take that for a breach of the protocol. Such calls do nothing.

use amq_protocol::protocol::channel::{self as channel_class, AMQPMethod};
use amq_protocol::protocol::connection;
use amq_protocol::types::ShortString;

use super::channel::Channel;
use super::{Connection, Phase};
use crate::deliver::{self, Target};
use crate::error::Failure;
use crate::{Content, Method, ReplyCode, frame};

impl Connection {
    /// Queues `basic.deliver` with its content.
    #[inline]
    pub fn deliver(
        &mut self,
        channel: u16,
        consumer_tag: &str,
        delivery_tag: u64,
        redelivered: bool,
        content: Content<'_>,
    ) {
        if let Some(target) = self.target(channel) {
            let delivery = (delivery_tag, redelivered);
            deliver::deliver(&mut self.output, target, consumer_tag, delivery, &content);
        }
    }

    /// Queues `basic.get-ok` with its content.
    pub fn get_ok(
        &mut self,
        channel: u16,
        delivery_tag: u64,
        redelivered: bool,
        message_count: u32,
        content: Content<'_>,
    ) {
        if let Some(target) = self.target(channel) {
            let delivery = (delivery_tag, redelivered);
            deliver::get_ok(&mut self.output, target, delivery, message_count, &content);
        }
    }

    /// Queues `basic.return` with its content. The reply text is the name of the code.
    pub fn return_message(&mut self, channel: u16, code: ReplyCode, content: Content<'_>) {
        if let Some(target) = self.target(channel) {
            deliver::return_message(&mut self.output, target, code, &content);
        }
    }

    /// Queues `basic.ack`: confirms a message, or with `multiple` all up to it.
    #[inline]
    pub fn ack(&mut self, channel: u16, delivery_tag: u64, multiple: bool) {
        if self.target(channel).is_some() {
            deliver::ack(&mut self.output, channel, delivery_tag, multiple);
        }
    }

    /// Queues `basic.nack`: a message, or with `multiple` all up to it, could not be taken.
    pub fn nack(&mut self, channel: u16, delivery_tag: u64, multiple: bool) {
        if self.target(channel).is_some() {
            deliver::nack(&mut self.output, channel, delivery_tag, multiple);
        }
    }

    /// Queues any method without content; on channel 0 one of class connection, such as
    /// `connection.blocked`. Closing has methods of its own.
    pub fn method(&mut self, channel: u16, method: Method) {
        let allowed = if channel == 0 { self.is_open() } else { self.target(channel).is_some() };
        if allowed {
            self.send(channel, method);
        }
    }

    /// The secret of [`Event::UpdateSecret`](crate::Event::UpdateSecret) was taken:
    /// `connection.update-secret-ok` is queued.
    pub fn update_secret_ok(&mut self) {
        let ok = connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {});
        self.method(0, Method::Connection(ok));
    }

    /// The broker takes the channel that the peer opened: `channel.open-ok` is queued.
    pub fn channel_open_ok(&mut self, channel: u16) {
        if self.channel_is_open(channel) {
            self.send(channel, Method::Channel(AMQPMethod::OpenOk(channel_class::OpenOk {})));
        }
    }

    /// The peer's close of a channel was carried out: `channel.close-ok` is queued, and the
    /// number is free.
    pub fn channel_close_ok(&mut self, channel: u16) {
        if self.phase == Phase::Running && self.is_peer_closing(channel) {
            self.set_channel(channel, Channel::Free);
            self.send_channel_close_ok(channel);
        }
    }

    /// Closes a channel: `channel.close` is queued, and what comes on the channel is discarded
    /// until close-ok. The class and method are those that caused it.
    ///
    /// `text` goes behind the name of the code; the whole is cut to 255 bytes. If either side has
    /// closed the channel, nothing happens.
    pub fn close_channel(
        &mut self,
        channel: u16,
        code: ReplyCode,
        text: &str,
        class_id: u16,
        method_id: u16,
    ) {
        if self.channel_may_close(channel) {
            self.send_channel_close(channel, &Failure::new(code, text).by((class_id, method_id)));
        }
    }

    /// True if neither side has closed the channel: it is open or has failed.
    #[must_use]
    pub fn channel_may_close(&self, channel: u16) -> bool {
        let failed = matches!(self.channel(channel), Some(Channel::Failed));
        self.channel_is_open(channel) || (self.is_open() && failed)
    }

    pub(super) fn send_channel_close(&mut self, channel: u16, failure: &Failure) {
        self.set_channel(channel, Channel::Closing);
        let text = failure.code.reply_text(&failure.text);
        let close = channel_class::Close {
            reply_code: failure.code.number(),
            reply_text: ShortString::try_new(text).unwrap_or_default(),
            class_id: failure.class_id,
            method_id: failure.method_id,
        };
        self.send(channel, Method::Channel(AMQPMethod::Close(close)));
    }

    pub(super) fn send_channel_close_ok(&mut self, channel: u16) {
        self.send(channel, Method::Channel(AMQPMethod::CloseOk(channel_class::CloseOk {})));
    }

    /// Queues a method without asking whether it may be sent.
    #[expect(clippy::needless_pass_by_value, reason = "callers make it for this call")]
    pub(super) fn send(&mut self, channel: u16, method: Method) {
        frame::put_method(&mut self.output, channel, &method);
    }

    /// Where messages of a channel go, if anything may be sent on it.
    #[inline]
    fn target(&self, channel: u16) -> Option<Target> {
        let open = self.phase == Phase::Running && self.channel(channel)?.may_send();
        open.then_some(Target { channel, payload_max: self.payload_max })
    }
}

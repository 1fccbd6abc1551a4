//! What comes out of a connection's bytes.

use crate::{Method, ReplyCode};

/// What [`Connection::next`](crate::Connection::next) found.
#[derive(Debug, PartialEq)]
pub struct Step<'a> {
    /// Bytes of the input that are done with; the next call gets the rest.
    pub consumed: usize,
    /// None: more bytes are needed.
    pub event: Option<Event<'a>>,
}

/// One thing that the peer did. What needs no decision was answered already.
///
/// Two of them carry secrets, which their `Debug` shows: do not log events.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The client wants to log in. Its properties are in the connection. Answer with
    /// `login_accepted` or `login_refused`; until then nothing more is read.
    Login {
        /// `PLAIN`, `AMQPLAIN` or `ANONYMOUS`, which comes without user and password.
        mechanism: String,
        /// The user's name.
        username: String,
        /// The user's password.
        password: String,
    },
    /// The client wants to use a virtual host. Answer with `open_accepted` or `close`; until then
    /// nothing more is read.
    Open {
        /// The virtual host's name.
        virtual_host: String,
    },
    /// A channel was opened. Answer with `channel_open_ok` or `close`.
    ChannelOpen {
        /// The channel.
        channel: u16,
    },
    /// The peer closes a channel: carry it out, then call `channel_close_ok`.
    ChannelClose {
        /// The channel.
        channel: u16,
    },
    /// The peer broke a rule that ends the channel alone. Release its resources, then call
    /// `close_channel`; until then all that comes on it is discarded.
    ChannelFailed {
        /// The channel.
        channel: u16,
        /// Why.
        code: ReplyCode,
        /// The text without the name of the code.
        text: String,
    },
    /// The peer closes the connection: carry it out, then call `close_ok`.
    Close {
        /// The peer's reason; 200 is a normal end.
        reply_code: u16,
        /// The peer's words for it.
        reply_text: String,
    },
    /// The peer has confirmed our close.
    Closed,
    /// The peer broke the protocol. `connection.close` is queued or, before the login, the socket
    /// is to be closed. Release the connection's resources.
    Failed {
        /// Why.
        code: ReplyCode,
        /// The text without the name of the code.
        text: String,
    },
    /// The client renews its credentials. Answer with `update_secret_ok`, or close the connection.
    UpdateSecret {
        /// The new password or token.
        secret: String,
    },
    /// A whole message.
    Publish(Publish<'a>),
    /// `basic.ack`.
    Ack {
        /// The channel.
        channel: u16,
        /// The delivery, 0 with `multiple` for all.
        delivery_tag: u64,
        /// All deliveries up to this one.
        multiple: bool,
    },
    /// `basic.nack`.
    Nack {
        /// The channel.
        channel: u16,
        /// The delivery, 0 with `multiple` for all.
        delivery_tag: u64,
        /// All deliveries up to this one.
        multiple: bool,
        /// Back to the queue instead of away.
        requeue: bool,
    },
    /// `basic.reject`.
    Reject {
        /// The channel.
        channel: u16,
        /// The delivery.
        delivery_tag: u64,
        /// Back to the queue instead of away.
        requeue: bool,
    },
    /// Any other method that a client may send on an open channel.
    Method {
        /// The channel.
        channel: u16,
        /// The method.
        method: Method,
    },
}

/// `basic.publish` with its content header and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The channel.
    pub channel: u16,
    /// The exchange's name, empty for the default exchange: UTF-8.
    pub exchange: &'a [u8],
    /// The routing key: UTF-8.
    pub routing_key: &'a [u8],
    /// The publisher wants the message back if no queue takes it.
    pub mandatory: bool,
    /// The publisher wants the message back if no consumer takes it at once.
    pub immediate: bool,
    /// Property flags and list as they came in; [`properties::check`](crate::properties::check)
    /// has passed.
    pub properties: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

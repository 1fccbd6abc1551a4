//! A connection and its client, fed with bytes as they come; events are kept as bytes, so that
//! two runs can be compared.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use warren_amqp::fuzzing;
use warren_amqp::{Connection, Event, Millis, Publish, Settings};

/// What a client sends first.
pub const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// The largest message that the connections here take, in bytes: small, so that it is met.
pub const MESSAGE_BYTES_MAX: u64 = 100_000;
/// The largest payload of a frame after the handshake.
pub const PAYLOAD_BYTES_MAX: usize = 4096 - 8;

/// A client's view of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The connection.
    pub connection: Connection,
    /// The time.
    pub now: Millis,
    /// Fed and not consumed.
    pub pending: Vec<u8>,
    /// The events so far, as bytes.
    pub seen: Vec<u8>,
    /// The channels and numbers of answers that are owed, in order.
    pub owed: Vec<Owed>,
}

/// An answer that the broker owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// To a login.
    Login,
    /// To the wish for a virtual host.
    Open,
    /// To a `channel.close`.
    ChannelCloseOk(u16),
    /// To a breach of the rules of a channel.
    CloseChannel(u16),
    /// To a `connection.close`.
    CloseOk,
}

fn settings() -> Arc<Settings> {
    static SETTINGS: OnceLock<Arc<Settings>> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| {
        Arc::new(Settings {
            frame_max: 8192,
            message_bytes_max: MESSAGE_BYTES_MAX,
            ..Settings::default()
        })
    });
    Arc::clone(settings)
}

impl Peer {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new() -> Self {
        let connection = Connection::new(settings(), 0);
        Self { connection, now: 0, pending: vec![], seen: vec![], owed: vec![] }
    }

    /// A connection after the handshake, with channels 1 and 2 open, frames of 4096 bytes and
    /// heartbeats of a minute.
    #[must_use]
    pub fn open() -> Self {
        static OPEN: OnceLock<Peer> = OnceLock::new();
        OPEN.get_or_init(Self::after_handshake).clone()
    }

    fn after_handshake() -> Self {
        let mut peer = Self::new();
        peer.feed(PROTOCOL_HEADER);
        peer.feed(&start_ok(b"PLAIN", b"\0guest\0secret", &[]));
        peer.connection.login_accepted();
        peer.feed(&method(0, 10, 31, b"\x00\x00\x00\x00\x10\x00\x00\x3c"));
        peer.feed(&method(0, 10, 40, b"\x01/\x00\x00"));
        peer.connection.open_accepted();
        peer.feed(&method(1, 20, 10, b"\x00"));
        peer.feed(&method(2, 20, 10, b"\x00"));
        assert!(peer.connection.channel_is_open(2));
        peer.connection.output().clear();
        peer.seen.clear();
        peer.owed.clear();
        peer
    }

    /// Feeds bytes and takes all events that follow.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.feed_with(bytes, |_| {});
    }

    /// The same, showing each message.
    pub fn feed_with(&mut self, bytes: &[u8], mut message: impl FnMut(&Publish<'_>)) {
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        // A breach of the protocol is an event that takes no bytes.
        for events in 0.. {
            assert!(events <= self.pending.len() + 1, "events out of nothing");
            let rest = self.pending.get(at..).unwrap_or_default();
            let step = self.connection.next(self.now, rest);
            assert!(step.consumed <= rest.len(), "more is consumed than there is");
            at += step.consumed;
            let Some(event) = step.event else { break };
            note(&event, &mut self.seen);
            self.owed.extend(owed(&event));
            match event {
                Event::ChannelOpen { channel } => self.connection.channel_open_ok(channel),
                Event::Publish(publish) => message(&publish),
                _ => {}
            }
        }
        self.pending.drain(..at);
        // Without more bytes nothing more comes.
        let again = self.connection.next(self.now, &self.pending);
        assert_eq!((again.consumed, again.event.is_none()), (0, true), "there was more to come");
    }

    /// Takes the output: it must be whole frames, but for the answer to a wrong protocol header.
    pub fn take_output(&mut self) -> Vec<u8> {
        let output = std::mem::take(self.connection.output());
        let mut rest = output.as_slice();
        if rest.starts_with(PROTOCOL_HEADER) {
            rest = rest.get(PROTOCOL_HEADER.len()..).unwrap_or_default();
        }
        while !rest.is_empty() {
            let frame = fuzzing::frame(rest, 1 << 20).expect("a frame").expect("a whole frame");
            rest = rest.get(frame.wire_bytes..).unwrap_or_default();
        }
        output
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self::new()
    }
}

fn owed(event: &Event<'_>) -> Option<Owed> {
    Some(match event {
        Event::Login { .. } => Owed::Login,
        Event::Open { .. } => Owed::Open,
        Event::ChannelClose { channel } => Owed::ChannelCloseOk(*channel),
        Event::ChannelFailed { channel, .. } => Owed::CloseChannel(*channel),
        Event::Close { .. } => Owed::CloseOk,
        _ => return None,
    })
}

/// Appends an event as bytes; equal events have equal bytes.
fn note(event: &Event<'_>, out: &mut Vec<u8>) {
    let written = match event {
        Event::Publish(publish) => {
            let Publish { channel, exchange, routing_key, mandatory, immediate, .. } = publish;
            let head = (channel, exchange, routing_key, mandatory, immediate);
            let written = write!(out, "{head:?} {} ", publish.properties.len());
            out.extend_from_slice(publish.properties);
            out.extend_from_slice(publish.body);
            written
        }
        Event::Ack { channel, delivery_tag, multiple } => {
            write!(out, "ack {channel} {delivery_tag} {multiple}")
        }
        event => write!(out, "{event:?}"),
    };
    written.expect("memory can be written to");
    out.push(b'\n');
}

/// A frame of any type.
#[must_use]
pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xCE]].concat()
}

/// A method frame.
#[must_use]
pub fn method(channel: u16, class: u16, method: u16, fields: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), fields].concat())
}

/// `connection.start-ok`; the mechanism is cut at 255 bytes.
#[must_use]
pub fn start_ok(mechanism: &[u8], response: &[u8], client_properties: &[u8]) -> Vec<u8> {
    let mechanism = mechanism.get(..255).unwrap_or(mechanism);
    let length = u8::try_from(mechanism.len()).unwrap_or(u8::MAX);
    let long = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    let fields = [
        &long(client_properties)[..],
        client_properties,
        &[length],
        mechanism,
        &long(response),
        response,
        b"\x05en_US",
    ];
    method(0, 10, 11, &fields.concat())
}

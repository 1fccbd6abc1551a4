//! The one helper through which the scripts talk to a connection: it packs frames by hand, and
//! shows events and answers as text. Answers are read with `amq-protocol`.

use std::sync::Arc;

use amq_protocol::frame::{AMQPFrame, parse_frame};

use crate::{
    Connection, Event, FieldTable, Method, Millis, Settings, Start, channel, connection, properties,
};

pub(super) const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// A client's view of a connection.
pub(super) struct Peer {
    pub(super) connection: Connection,
    pub(super) now: Millis,
    pending: Vec<u8>,
}

impl Peer {
    pub(super) fn new(settings: Settings) -> Self {
        let connection = Connection::new(Arc::new(settings), 0);
        Self { connection, now: 0, pending: Vec::new() }
    }

    /// After the handshake, without heartbeats.
    pub(super) fn open() -> Self {
        Self::open_with(Settings::default(), 0, 0)
    }

    /// After the handshake, with this `frame_max` and heartbeat.
    pub(super) fn open_with(settings: Settings, frame_max: u32, heartbeat: u16) -> Self {
        let mut peer = Self::new(settings);
        peer.feed(PROTOCOL_HEADER);
        peer.feed(&start_ok("PLAIN", b"\0guest\0secret", &[]));
        peer.connection.login_accepted();
        peer.feed(&tune_ok(0, frame_max, heartbeat));
        peer.feed(&open("/"));
        peer.connection.open_accepted();
        assert!(peer.connection.is_open());
        peer.connection.output().clear();
        peer
    }

    /// After the handshake, with channel 1 open.
    pub(super) fn with_channel() -> Self {
        Self::open().and_channel(1)
    }

    /// The same with one more channel.
    pub(super) fn and_channel(mut self, channel: u16) -> Self {
        let events = self.feed(&method(channel, 20, 10, &[0]));
        assert_eq!(events, [format!("ChannelOpen {{ channel: {channel} }}")]);
        self.connection.channel_open_ok(channel);
        self.connection.output().clear();
        self
    }

    /// The events of these bytes, as text.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.pending.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut consumed = 0;
        loop {
            let step = self.connection.next(self.now, &self.pending[consumed..]);
            consumed += step.consumed;
            let Some(event) = step.event else { break };
            events.push(show(&event));
        }
        self.pending.drain(..consumed);
        events
    }

    /// Bytes that were fed and not consumed.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// What was queued for the client since the last call, as text.
    pub(super) fn answers(&mut self) -> Vec<String> {
        self.frames().iter().map(show_frame).collect()
    }

    /// What was queued for the client since the last call.
    pub(super) fn frames(&mut self) -> Vec<AMQPFrame> {
        let output = std::mem::take(self.connection.output());
        let mut frames = Vec::new();
        let mut rest = output.as_slice();
        while !rest.is_empty() {
            let (left, frame) = parse_frame(rest).unwrap();
            frames.push(frame);
            rest = left;
        }
        frames
    }

    /// Feeds bytes that break the protocol: they must give this close of the connection.
    #[track_caller]
    pub(super) fn breaks(&mut self, bytes: &[u8], close: &str) {
        let events = self.feed(bytes);
        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert!(event.starts_with("Failed"), "{event}");
        assert_eq!(self.answers(), [close]);
        assert!(!self.connection.is_open());
        // The peer's answer ends it.
        assert_eq!(self.feed(&method(0, 10, 51, &[])), ["Closed"]);
        assert!(self.connection.is_finished());
    }
}

/// An event as text; messages with their body as text.
pub(super) fn show(event: &Event<'_>) -> String {
    let Event::Publish(publish) = event else { return format!("{event:?}") };
    let body = if publish.body.len() > 40 {
        format!("{} bytes of {}", publish.body.len(), publish.body[0])
    } else {
        String::from_utf8_lossy(publish.body).into_owned()
    };
    let flag = |set, name| if set { name } else { "" };
    format!(
        "publish on {} to '{}' '{}'{}{} {:?}: {body}",
        publish.channel,
        String::from_utf8_lossy(publish.exchange),
        String::from_utf8_lossy(publish.routing_key),
        flag(publish.mandatory, " mandatory"),
        flag(publish.immediate, " immediate"),
        publish.properties,
    )
}

fn show_frame(frame: &AMQPFrame) -> String {
    match frame {
        AMQPFrame::Method(_, Method::Connection(connection::AMQPMethod::Close(close))) => {
            let connection::Close { reply_code, reply_text, class_id, method_id } = close;
            format!("connection.close {reply_code} '{reply_text}' {class_id}.{method_id}")
        }
        AMQPFrame::Method(on, Method::Channel(channel::AMQPMethod::Close(close))) => {
            let channel::Close { reply_code, reply_text, class_id, method_id } = close;
            format!("channel.close {on} {reply_code} '{reply_text}' {class_id}.{method_id}")
        }
        AMQPFrame::Method(channel, method) => format!("{channel} {method:?}"),
        AMQPFrame::Heartbeat => "heartbeat".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A frame of any type.
pub(super) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xCE]].concat()
}

/// A method frame.
pub(super) fn method(channel: u16, class: u16, method: u16, fields: &[u8]) -> Vec<u8> {
    let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), fields].concat();
    frame(1, channel, &payload)
}

pub(super) fn start_ok(mechanism: &str, response: &[u8], client_properties: &[u8]) -> Vec<u8> {
    let fields =
        [long(client_properties), short(mechanism), long(response), short("en_US")].concat();
    method(0, 10, 11, &fields)
}

pub(super) fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> Vec<u8> {
    let fields =
        [&channel_max.to_be_bytes()[..], &frame_max.to_be_bytes(), &heartbeat.to_be_bytes()];
    method(0, 10, 31, &fields.concat())
}

pub(super) fn open(virtual_host: &str) -> Vec<u8> {
    method(0, 10, 40, &[&short(virtual_host)[..], &[0, 0]].concat())
}

pub(super) fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

pub(super) fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// The method frame of a publish to `logs` with the key `a.b`.
pub(super) fn publish_method(channel: u16) -> Vec<u8> {
    method(channel, 60, 40, b"\x00\x00\x04logs\x03a.b\x00")
}

/// A content header.
pub(super) fn header(channel: u16, body_bytes: u64, list: &[u8]) -> Vec<u8> {
    frame(2, channel, &[&[0, 60, 0, 0][..], &body_bytes.to_be_bytes(), list].concat())
}

/// All frames of a message without properties, its body cut into such parts.
pub(super) fn publish(channel: u16, body: &[u8], part: usize) -> Vec<u8> {
    let mut bytes = publish_method(channel);
    bytes.extend(header(channel, body.len() as u64, properties::NONE));
    for part in body.chunks(part) {
        bytes.extend(frame(3, channel, part));
    }
    bytes
}

/// Settings that announce this table.
pub(super) fn settings_with(server_properties: FieldTable) -> Settings {
    let start = Start::new(server_properties, "PLAIN AMQPLAIN".to_owned());
    Settings { start, ..Settings::default() }
}

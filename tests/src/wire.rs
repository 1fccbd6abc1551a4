//! AMQP 0-9-1 by hand over a plain socket, for tests that need bytes no client library would send.
//!
//! A frame is: type (1 octet), channel (2), payload size (4), payload, end octet 0xCE.

use crate::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

/// The header that opens an AMQP 0-9-1 connection.
pub const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// Frame type of methods.
pub const METHOD: u8 = 1;
/// Frame type of content headers.
pub const HEADER: u8 = 2;
/// Frame type of content bodies.
pub const BODY: u8 = 3;
/// Frame type of heartbeats.
pub const HEARTBEAT: u8 = 8;
/// The octet after each frame's payload.
pub const FRAME_END: u8 = 0xCE;

/// One frame that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The frame type.
    pub kind: u8,
    /// The channel number.
    pub channel: u16,
    /// The payload, without header and end octet.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Class and method numbers, when this is a method frame.
    pub fn method(&self) -> Option<(u16, u16)> {
        (self.kind == METHOD && self.payload.len() >= 4)
            .then(|| (u16_at(&self.payload, 0), u16_at(&self.payload, 2)))
    }
}

/// What a `connection.close` or `channel.close` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// True for `connection.close`.
    pub whole_connection: bool,
    /// The reply code.
    pub code: u16,
    /// The reply text.
    pub text: String,
    /// Class and method that it blames, or zeros.
    pub blamed: (u16, u16),
}

/// What the client asks for in `connection.tune-ok`.
#[derive(Clone, Copy, Debug)]
pub struct Tune {
    /// Highest channel number.
    pub channel_max: u16,
    /// Largest frame in bytes.
    pub frame_max: u32,
    /// Seconds between heartbeats, 0 for none.
    pub heartbeat: u16,
}

impl Default for Tune {
    fn default() -> Self {
        Self { channel_max: 2047, frame_max: 131_072, heartbeat: 0 }
    }
}

/// A socket with helpers to write and read frames. Every read ends after [`PATIENCE`].
#[derive(Debug)]
pub struct Wire {
    /// The socket itself, for tests that want to do something unusual with it.
    pub stream: TcpStream,
}

impl Wire {
    /// Opens a socket and sends nothing.
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the broker accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("nodelay can be set");
        Self { stream }
    }

    /// Opens a connection to virtual host `/` as guest, with the usual limits.
    pub fn open(address: &str) -> Self {
        Self::open_with(address, Tune::default())
    }

    /// Opens a connection with the limits `tune`.
    pub fn open_with(address: &str, tune: Tune) -> Self {
        let mut wire = Self::connect(address);
        wire.start();
        wire.login("PLAIN", b"\0guest\0guest");
        wire.expect_method(0, (10, 30));
        wire.send_tune_ok(tune);
        wire.send_open("/");
        wire.expect_method(0, (10, 41));
        wire
    }

    /// Opens a connection as a client that announces no capabilities.
    pub fn open_without_capabilities(address: &str) -> Self {
        let mut wire = Self::connect(address);
        wire.start();
        wire.start_ok(&[], "PLAIN", b"\0guest\0guest");
        wire.expect_method(0, (10, 30));
        wire.send_tune_ok(Tune::default());
        wire.send_open("/");
        wire.expect_method(0, (10, 41));
        wire
    }

    /// Opens a connection with channel 1 open on it.
    pub fn open_channel_1(address: &str) -> Self {
        let mut wire = Self::open(address);
        wire.open_channel(1);
        wire
    }

    /// Sends the protocol header and reads `connection.start`; gives its arguments.
    pub fn start(&mut self) -> Vec<u8> {
        self.send(PROTOCOL_HEADER);
        self.expect_method(0, (10, 10))
    }

    /// Sends `connection.start-ok`, announcing that failed logins may be answered with a close and
    /// that the client wants to be told when it is blocked.
    pub fn login(&mut self, mechanism: &str, response: &[u8]) {
        let mut capabilities = short_string("authentication_failure_close");
        capabilities.extend_from_slice(b"t\x01");
        capabilities.extend(short_string("connection.blocked"));
        capabilities.extend_from_slice(b"t\x01");
        let mut properties = short_string("capabilities");
        properties.push(b'F');
        properties.extend(long_string(&capabilities));
        self.start_ok(&properties, mechanism, response);
    }

    fn start_ok(&mut self, properties: &[u8], mechanism: &str, response: &[u8]) {
        let mut arguments = long_string(properties);
        arguments.extend(short_string(mechanism));
        arguments.extend(long_string(response));
        arguments.extend(short_string("en_US"));
        self.send_method(0, (10, 11), &arguments);
    }

    /// Sends `connection.tune-ok`.
    pub fn send_tune_ok(&mut self, tune: Tune) {
        let mut arguments = tune.channel_max.to_be_bytes().to_vec();
        arguments.extend(tune.frame_max.to_be_bytes());
        arguments.extend(tune.heartbeat.to_be_bytes());
        self.send_method(0, (10, 31), &arguments);
    }

    /// Sends `connection.open`.
    pub fn send_open(&mut self, virtual_host: &str) {
        let mut arguments = short_string(virtual_host);
        arguments.extend([0, 0]);
        self.send_method(0, (10, 40), &arguments);
    }

    /// Opens a channel.
    pub fn open_channel(&mut self, channel: u16) {
        self.send_method(channel, (20, 10), &[0]);
        self.expect_method(channel, (20, 11));
    }

    /// Declares a queue without arguments. `flags`: 1 passive, 2 durable, 4 exclusive,
    /// 8 auto-delete, 16 no-wait.
    pub fn declare_queue(&mut self, channel: u16, queue: &str, flags: u8) {
        let mut arguments = vec![0, 0];
        arguments.extend(short_string(queue));
        arguments.push(flags);
        arguments.extend(0_u32.to_be_bytes());
        self.send_method(channel, (50, 10), &arguments);
        self.expect_method(channel, (50, 11));
    }

    /// Sends `basic.publish` with content in one body frame. `flags`: 1 mandatory, 2 immediate.
    pub fn publish(&mut self, channel: u16, exchange: &str, key: &str, flags: u8, body: &[u8]) {
        self.send_method(channel, (60, 40), &publish_arguments(exchange, key, flags));
        self.send_frame(HEADER, channel, &content_header(body.len() as u64));
        if !body.is_empty() {
            self.send_frame(BODY, channel, body);
        }
    }

    /// Starts a consumer. `flags`: 1 no-local, 2 no-ack, 4 exclusive, 8 no-wait.
    pub fn consume(&mut self, channel: u16, queue: &str, tag: &str, flags: u8) {
        let mut arguments = vec![0, 0];
        arguments.extend(short_string(queue));
        arguments.extend(short_string(tag));
        arguments.push(flags);
        arguments.extend(0_u32.to_be_bytes());
        self.send_method(channel, (60, 20), &arguments);
        self.expect_method(channel, (60, 21));
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the broker takes bytes");
    }

    /// Sends bytes to a broker that may hang up while they are on their way.
    pub fn send_if_it_listens(&mut self, bytes: &[u8]) {
        // The test then looks at what came back, which is what it is about.
        let _ = self.stream.write_all(bytes);
    }

    /// Sends one frame.
    pub fn send_frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        self.send(&frame(kind, channel, payload));
    }

    /// Sends one method.
    pub fn send_method(&mut self, channel: u16, method: (u16, u16), arguments: &[u8]) {
        self.send(&method_frame(channel, method, arguments));
    }

    /// The next frame that is not a heartbeat, or nothing when the broker hung up.
    pub fn read_frame(&mut self) -> Option<Frame> {
        loop {
            let frame = self.read_any_frame()?;
            if frame.kind != HEARTBEAT {
                return Some(frame);
            }
        }
    }

    /// The next frame, or nothing when the broker hung up.
    pub fn read_any_frame(&mut self) -> Option<Frame> {
        let mut head = [0; 7];
        if !self.fill(&mut head) {
            return None;
        }
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let mut payload = vec![0; size + 1];
        if !self.fill(&mut payload) {
            return None;
        }
        assert_eq!(payload.pop(), Some(FRAME_END), "the broker's frames end with 0xCE");
        Some(Frame { kind: head[0], channel: u16_at(&head, 1), payload })
    }

    /// The arguments of the next frame, which must be this method on this channel.
    pub fn expect_method(&mut self, channel: u16, method: (u16, u16)) -> Vec<u8> {
        let frame = self.read_frame().expect("the broker answers and does not hang up");
        let found = (frame.channel, frame.method());
        assert_eq!(found, (channel, Some(method)), "in place of it came {}", describe(&frame));
        frame.payload[4..].to_vec()
    }

    /// The next frame, which must be a `connection.close` or `channel.close`.
    pub fn expect_close(&mut self) -> Close {
        let frame = self.read_frame().expect("the broker says why it closes");
        close_of(&frame).unwrap_or_else(|| panic!("no close, but {}", describe(&frame)))
    }

    /// What the broker answers on a new channel to methods that have no reply of their own. A client
    /// library learns of such a refusal at a time that nobody knows; these bytes are in order.
    pub fn refusal(address: &str, send: impl FnOnce(&mut Self)) -> (u16, String) {
        let mut wire = Self::open_channel_1(address);
        send(&mut wire);
        let close = wire.expect_close();
        assert!(!close.whole_connection, "only the channel is closed");
        (close.code, close.text)
    }

    /// Reads until the broker hangs up, and gives the close it sent before, if any.
    pub fn expect_end(&mut self) -> Option<Close> {
        let mut close = None;
        while let Some(frame) = self.read_frame() {
            close = close_of(&frame).or(close);
            if close.as_ref().is_some_and(|close| close.whole_connection) {
                // RabbitMQ waits some seconds for close-ok; we need not.
                self.send_if_it_listens(&method_frame(0, (10, 51), &[]));
            }
        }
        close
    }

    /// Shuts the connection in the orderly way.
    pub fn close(mut self) {
        let mut arguments = 200_u16.to_be_bytes().to_vec();
        arguments.extend(short_string("bye"));
        arguments.extend([0; 4]);
        self.send_method(0, (10, 50), &arguments);
        while let Some(frame) = self.read_frame() {
            if frame.method() == Some((10, 51)) {
                return;
            }
        }
        panic!("the broker hung up in place of close-ok");
    }

    /// All bytes until the broker hangs up.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = self.fill_some(&mut buffer);
            if read == 0 {
                return bytes;
            }
            bytes.extend_from_slice(&buffer[..read]);
        }
    }

    /// False when the broker hung up before `buffer` was full.
    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = self.fill_some(&mut buffer[filled..]);
            if read == 0 {
                return false;
            }
            filled += read;
        }
        true
    }

    /// Reads once; 0 when the broker hung up, panics when it kept silent for [`PATIENCE`].
    fn fill_some(&mut self, buffer: &mut [u8]) -> usize {
        loop {
            match self.stream.read(buffer) {
                Ok(read) => return read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
                    ) =>
                {
                    return 0;
                }
                Err(error) => panic!("waited {PATIENCE:?} for the broker: {error}"),
            }
        }
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(u32::try_from(payload.len()).expect("a frame is below 4 GiB").to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.push(FRAME_END);
    bytes
}

/// The bytes of a method frame.
pub fn method_frame(channel: u16, method: (u16, u16), arguments: &[u8]) -> Vec<u8> {
    let mut payload = method.0.to_be_bytes().to_vec();
    payload.extend(method.1.to_be_bytes());
    payload.extend_from_slice(arguments);
    frame(METHOD, channel, &payload)
}

/// The arguments of `basic.publish`.
pub fn publish_arguments(exchange: &str, key: &str, flags: u8) -> Vec<u8> {
    let mut arguments = vec![0, 0];
    arguments.extend(short_string(exchange));
    arguments.extend(short_string(key));
    arguments.push(flags);
    arguments
}

/// The payload of a content header without properties.
pub fn content_header(body_bytes: u64) -> Vec<u8> {
    let mut payload = vec![0, 60, 0, 0];
    payload.extend(body_bytes.to_be_bytes());
    payload.extend([0, 0]);
    payload
}

/// A short string: length in one octet, then the text.
pub fn short_string(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).expect("a short string has at most 255 bytes")];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// A long string (or a table): length in four octets, then the bytes.
pub fn long_string(content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("a long string is below 4 GiB");
    let mut bytes = size.to_be_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes
}

/// What a frame says, if it is a `connection.close` or `channel.close`.
pub fn close_of(frame: &Frame) -> Option<Close> {
    let method = frame.method()?;
    if method != (10, 50) && method != (20, 40) {
        return None;
    }
    let arguments = &frame.payload[4..];
    let text_end = 3 + usize::from(arguments[2]);
    Some(Close {
        whole_connection: method == (10, 50),
        code: u16_at(arguments, 0),
        text: String::from_utf8_lossy(&arguments[3..text_end]).into_owned(),
        blamed: (u16_at(arguments, text_end), u16_at(arguments, text_end + 2)),
    })
}

fn describe(frame: &Frame) -> String {
    match close_of(frame) {
        Some(close) => format!("{close:?}"),
        None => format!("a frame of type {} with {:?}", frame.kind, frame.method()),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

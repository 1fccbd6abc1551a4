//! What the generator sends: AMQP 0-9-1 frames as bytes, built once and written many times.

use crate::methods;

/// Octet that ends every frame.
pub(crate) const FRAME_END: u8 = 0xce;
/// Frame type of a method.
pub(crate) const FRAME_METHOD: u8 = 1;
/// Frame type of a content header.
pub(crate) const FRAME_HEADER: u8 = 2;
/// Frame type of a piece of body.
pub(crate) const FRAME_BODY: u8 = 3;
/// Bytes of a frame that are not payload: type, channel, size and end octet.
pub(crate) const FRAME_OVERHEAD: usize = 8;
/// Longest text a short string can carry, in bytes.
pub(crate) const SHORT_STRING_MAX: usize = 255;
/// Bytes of an acknowledgement on the wire.
pub(crate) const ACK_FRAME_BYTES: usize = 21;

/// A whole heartbeat frame.
pub(crate) const HEARTBEAT_FRAME: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, FRAME_END];

const PROPERTY_FLAG_DELIVERY_MODE: u16 = 1 << 12;
const PROPERTY_FLAG_EXPIRATION: u16 = 1 << 8;
const DELIVERY_MODE_PERSISTENT: u8 = 2;

/// A value in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
}

/// The arguments of one method, in the order of the specification.
#[derive(Debug, Default)]
pub(crate) struct Arguments(Vec<u8>);

impl Arguments {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn octet(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(crate) fn short(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn long(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn long_long(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Callers check names on the command line; what is longer than 255 bytes is cut.
    pub(crate) fn short_string(mut self, text: &str) -> Self {
        push_short_string(&mut self.0, text);
        self
    }

    pub(crate) fn long_string(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&length(bytes.len()).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn empty_table(self) -> Self {
        self.long(0)
    }

    /// A table of one text.
    pub(crate) fn table(self, name: &str, text: &str) -> Self {
        self.entries(&[(name, Value::Text(text.to_owned()))])
    }

    /// A table.
    pub(crate) fn entries(self, entries: &[(&str, Value)]) -> Self {
        let mut table = Self::new();
        for (name, value) in entries {
            table = table.short_string(name);
            table = match value {
                Value::Text(text) => table.octet(b'S').long_string(text.as_bytes()),
                Value::Number(number) => table.octet(b'l').long_long(*number),
            };
        }
        self.long_string(&table.0)
    }

    /// The finished method frame.
    pub(crate) fn frame(self, channel: u16, method: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() + 4 + FRAME_OVERHEAD);
        push_frame_start(&mut out, FRAME_METHOD, channel, self.0.len() + 4);
        out.extend_from_slice(&method.to_be_bytes());
        out.extend_from_slice(&self.0);
        out.push(FRAME_END);
        out
    }
}

/// The client properties of `connection.start-ok`: who this is, and the extensions it understands.
pub(crate) fn client_properties() -> Vec<u8> {
    const CAPABILITIES: [&str; 4] = [
        "publisher_confirms",
        "basic.nack",
        "consumer_cancel_notify",
        "authentication_failure_close",
    ];
    let mut capabilities = Vec::new();
    for name in CAPABILITIES {
        push_short_string(&mut capabilities, name);
        capabilities.extend_from_slice(b"t\x01");
    }
    let mut table = Vec::new();
    push_short_string(&mut table, "product");
    table.push(b'S');
    table.extend_from_slice(&length("warren-perf".len()).to_be_bytes());
    table.extend_from_slice(b"warren-perf");
    push_short_string(&mut table, "capabilities");
    table.push(b'F');
    table.extend_from_slice(&length(capabilities.len()).to_be_bytes());
    table.extend_from_slice(&capabilities);
    table
}

/// One message to be published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
    pub(crate) persistent: bool,
    /// How long it wants to wait, in milliseconds.
    pub(crate) expiration: Option<u64>,
    pub(crate) body: &'a [u8],
}

/// Appends `basic.publish`, the content header and the body, split where `frame_max` demands it.
/// Returns the place in `out` of the first byte of the body.
pub(crate) fn push_publish(
    out: &mut Vec<u8>,
    channel: u16,
    frame_max: usize,
    message: &Message<'_>,
) -> usize {
    let start = out.len();
    push_frame_start(out, FRAME_METHOD, channel, 0);
    out.extend_from_slice(&methods::BASIC_PUBLISH.to_be_bytes());
    out.extend_from_slice(&0u16.to_be_bytes());
    push_short_string(out, message.exchange);
    push_short_string(out, message.routing_key);
    out.push(0);
    patch_frame_size(out, start);
    out.push(FRAME_END);
    let properties = Properties::new(message.persistent, message.expiration);
    push_content(out, channel, frame_max, &properties, message.body)
}

/// Flags and list of a content header.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    flags: u16,
    list: Vec<u8>,
}

impl Properties {
    pub(crate) fn new(persistent: bool, expiration: Option<u64>) -> Self {
        let mut properties = Self::default();
        if persistent {
            properties.flags |= PROPERTY_FLAG_DELIVERY_MODE;
            properties.list.push(DELIVERY_MODE_PERSISTENT);
        }
        if let Some(milliseconds) = expiration {
            properties.flags |= PROPERTY_FLAG_EXPIRATION;
            push_short_string(&mut properties.list, &milliseconds.to_string());
        }
        properties
    }
}

/// Appends the content header and the body. Returns the place of the first byte of the body.
pub(crate) fn push_content(
    out: &mut Vec<u8>,
    channel: u16,
    frame_max: usize,
    properties: &Properties,
    body: &[u8],
) -> usize {
    push_frame_start(out, FRAME_HEADER, channel, 14 + properties.list.len());
    out.extend_from_slice(&60u16.to_be_bytes());
    out.extend_from_slice(&0u16.to_be_bytes());
    out.extend_from_slice(&(body.len() as u64).to_be_bytes());
    out.extend_from_slice(&properties.flags.to_be_bytes());
    out.extend_from_slice(&properties.list);
    out.push(FRAME_END);

    let body_start = out.len() + 7;
    for piece in body.chunks(frame_max.saturating_sub(FRAME_OVERHEAD).max(1)) {
        push_frame_start(out, FRAME_BODY, channel, piece.len());
        out.extend_from_slice(piece);
        out.push(FRAME_END);
    }
    body_start
}

/// `basic.ack`.
pub(crate) fn ack_frame(channel: u16, delivery_tag: u64, multiple: bool) -> [u8; ACK_FRAME_BYTES] {
    let [c0, c1] = channel.to_be_bytes();
    let [t0, t1, t2, t3, t4, t5, t6, t7] = delivery_tag.to_be_bytes();
    [
        FRAME_METHOD,
        c0,
        c1,
        0,
        0,
        0,
        13,
        0,
        60,
        0,
        80,
        t0,
        t1,
        t2,
        t3,
        t4,
        t5,
        t6,
        t7,
        u8::from(multiple),
        FRAME_END,
    ]
}

/// Writes `bytes` over what stands at `at`; nothing happens when there is no such place.
pub(crate) fn patch(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn push_frame_start(out: &mut Vec<u8>, kind: u8, channel: u16, payload_bytes: usize) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&length(payload_bytes).to_be_bytes());
}

fn patch_frame_size(out: &mut [u8], frame_start: usize) {
    let payload_bytes = length(out.len() - frame_start - 7);
    patch(out, frame_start + 3, &payload_bytes.to_be_bytes());
}

fn push_short_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let bytes = bytes.get(..SHORT_STRING_MAX).unwrap_or(bytes);
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

/// Sizes here are bounded by `frame_max`, which is itself a 32-bit number.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_encoded_as_the_specification_says() {
        let mut out = vec![0xaa];
        let (exchange, routing_key, body) = ("x", "key", b"hello");
        let message = Message { exchange, routing_key, persistent: true, expiration: None, body };
        let body = push_publish(&mut out, 1, 4096, &message);

        let expected: Vec<u8> = [
            b"\xaa".as_slice(),
            b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x28\x00\x00\x01x\x03key\x00\xce",
            b"\x02\x00\x01\x00\x00\x00\x0f\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05",
            b"\x10\x00\x02\xce",
            b"\x03\x00\x01\x00\x00\x00\x05hello\xce",
        ]
        .concat();
        assert_eq!(out, expected);
        assert_eq!(&out[body..body + 5], b"hello");
    }

    #[test]
    fn a_long_body_is_split_at_frame_max() {
        let mut out = Vec::new();
        let start = push_content(&mut out, 7, 16, &Properties::default(), &[9; 20]);
        let bodies = &out[start - 7..];
        assert_eq!(&bodies[..7], b"\x03\x00\x07\x00\x00\x00\x08");
        assert_eq!(bodies.len(), 20 + 3 * FRAME_OVERHEAD);
        assert_eq!(&bodies[2 * 16..2 * 16 + 7], b"\x03\x00\x07\x00\x00\x00\x04");
    }

    #[test]
    fn an_empty_body_has_no_body_frame() {
        let mut out = Vec::new();
        push_content(&mut out, 1, 4096, &Properties::default(), b"");
        assert_eq!(out.len(), 14 + FRAME_OVERHEAD);
    }

    #[test]
    fn an_expiration_is_text_behind_the_delivery_mode() {
        let mut out = Vec::new();
        push_content(&mut out, 1, 4096, &Properties::new(true, Some(250)), b"");
        assert!(out.ends_with(b"\x11\x00\x02\x03250\xce"), "{out:?}");
    }

    #[test]
    fn a_table_holds_texts_and_numbers() {
        let entries = [("a", Value::Text("b".to_owned())), ("n", Value::Number(7))];
        let table = Arguments::new().entries(&entries);
        assert_eq!(table.0, b"\0\0\0\x13\x01aS\0\0\0\x01b\x01nl\0\0\0\0\0\0\0\x07");
    }

    #[test]
    fn an_ack_carries_its_tag_and_the_multiple_bit() {
        assert_eq!(
            ack_frame(2, 0x0102, true),
            *b"\x01\x00\x02\x00\x00\x00\x0d\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x01\x02\x01\xce"
        );
    }

    #[test]
    fn a_method_frame_holds_its_arguments_in_order() {
        let frame = Arguments::new().short(1).short_string("q").octet(2).empty_table();
        assert_eq!(
            frame.frame(3, methods::QUEUE_DECLARE),
            b"\x01\x00\x03\x00\x00\x00\x0d\x00\x32\x00\x0a\x00\x01\x01q\x02\x00\x00\x00\x00\xce"
        );
    }
}

//! `basic.deliver`, `get-ok`, `return`, `ack` and `nack` to a client: the hot half of encoding.
//!
//! Each function appends whole frames to the output: method, content header, and the body cut by
//! `frame_max`.

use crate::frame::{self, CONTENT_HEAD_BYTES, HEAD_BYTES, OVERHEAD_BYTES};
use crate::{ReplyCode, limits};

/// A message on its way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// The exchange it was published to: UTF-8, at most 255 bytes.
    pub exchange: &'a [u8],
    /// Its routing key: UTF-8, at most 255 bytes.
    pub routing_key: &'a [u8],
    /// Property flags and list, as they came in.
    pub properties: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// Where a message goes: the channel, and the largest payload of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) channel: u16,
    pub(crate) payload_max: usize,
}

/// Class, method and the octets of `basic.deliver` around its texts.
const DELIVER: [u8; 4] = [0, 60, 0, 60];
const GET_OK: [u8; 4] = [0, 60, 0, 71];
const RETURN: [u8; 4] = [0, 60, 0, 50];

/// Appends `basic.deliver` and its content.
#[inline]
pub(crate) fn deliver(
    output: &mut Vec<u8>,
    target: Target,
    consumer_tag: &str,
    (delivery_tag, redelivered): (u64, bool),
    content: &Content<'_>,
) {
    let tag = short(consumer_tag.as_bytes());
    let (exchange, routing_key) = (short(content.exchange), short(content.routing_key));
    // Lengths of three texts, the delivery tag, one octet of bits.
    let size = DELIVER.len() + 3 + 8 + 1 + tag.len() + exchange.len() + routing_key.len();
    reserve(output, target, size, content);
    frame::put_head(output, frame::METHOD, target.channel, size);
    output.extend_from_slice(&DELIVER);
    put_short(output, tag);
    put_tag(output, delivery_tag, u8::from(redelivered));
    put_short(output, exchange);
    put_short(output, routing_key);
    output.push(frame::END);
    put_content(output, target, content);
}

/// Appends `basic.get-ok` and its content.
pub(crate) fn get_ok(
    output: &mut Vec<u8>,
    target: Target,
    (delivery_tag, redelivered): (u64, bool),
    message_count: u32,
    content: &Content<'_>,
) {
    let (exchange, routing_key) = (short(content.exchange), short(content.routing_key));
    let size = GET_OK.len() + 8 + 1 + 2 + exchange.len() + routing_key.len() + 4;
    reserve(output, target, size, content);
    frame::put_head(output, frame::METHOD, target.channel, size);
    output.extend_from_slice(&GET_OK);
    put_tag(output, delivery_tag, u8::from(redelivered));
    put_short(output, exchange);
    put_short(output, routing_key);
    output.extend_from_slice(&message_count.to_be_bytes());
    output.push(frame::END);
    put_content(output, target, content);
}

/// Appends `basic.return` and its content.
pub(crate) fn return_message(
    output: &mut Vec<u8>,
    target: Target,
    code: ReplyCode,
    content: &Content<'_>,
) {
    let text = code.name().as_bytes();
    let (exchange, routing_key) = (short(content.exchange), short(content.routing_key));
    let size = RETURN.len() + 2 + 3 + text.len() + exchange.len() + routing_key.len();
    reserve(output, target, size, content);
    frame::put_head(output, frame::METHOD, target.channel, size);
    output.extend_from_slice(&RETURN);
    output.extend_from_slice(&code.number().to_be_bytes());
    put_short(output, text);
    put_short(output, exchange);
    put_short(output, routing_key);
    output.push(frame::END);
    put_content(output, target, content);
}

/// Appends `basic.ack`: a confirm.
#[inline]
pub(crate) fn ack(output: &mut Vec<u8>, channel: u16, delivery_tag: u64, multiple: bool) {
    put_confirm(output, channel, [0, 60, 0, 80], delivery_tag, u8::from(multiple));
}

/// Appends `basic.nack`: a negative confirm. Its bit `requeue` means nothing to a client.
#[inline]
pub(crate) fn nack(output: &mut Vec<u8>, channel: u16, delivery_tag: u64, multiple: bool) {
    put_confirm(output, channel, [0, 60, 0, 120], delivery_tag, u8::from(multiple));
}

#[inline]
fn put_confirm(output: &mut Vec<u8>, channel: u16, ids: [u8; 4], delivery_tag: u64, bits: u8) {
    let [c1, c0] = channel.to_be_bytes();
    let [i3, i2, i1, i0] = ids;
    let [t7, t6, t5, t4, t3, t2, t1, t0] = delivery_tag.to_be_bytes();
    output.extend_from_slice(&[
        frame::METHOD,
        c1,
        c0,
        0,
        0,
        0,
        13,
        i3,
        i2,
        i1,
        i0,
        t7,
        t6,
        t5,
        t4,
        t3,
        t2,
        t1,
        t0,
        bits,
        frame::END,
    ]);
}

/// Appends the content header and the body frames.
#[inline]
fn put_content(output: &mut Vec<u8>, target: Target, content: &Content<'_>) {
    let Target { channel, payload_max } = target;
    let Content { properties, body, .. } = content;
    frame::put_head(output, frame::HEADER, channel, CONTENT_HEAD_BYTES + properties.len());
    let [b7, b6, b5, b4, b3, b2, b1, b0] = (body.len() as u64).to_be_bytes();
    output.extend_from_slice(&[0, 60, 0, 0, b7, b6, b5, b4, b3, b2, b1, b0]);
    output.extend_from_slice(properties);
    output.push(frame::END);
    if body.len() <= payload_max {
        if !body.is_empty() {
            put_body(output, channel, body);
        }
        return;
    }
    for part in body.chunks(payload_max) {
        put_body(output, channel, part);
    }
}

#[inline]
fn put_body(output: &mut Vec<u8>, channel: u16, part: &[u8]) {
    frame::put_head(output, frame::BODY, channel, part.len());
    output.extend_from_slice(part);
    output.push(frame::END);
}

/// Reserves the room for all frames of a message at once.
#[inline]
fn reserve(output: &mut Vec<u8>, target: Target, method_bytes: usize, content: &Content<'_>) {
    let body = content.body.len();
    // One frame too many is reserved for bodies that are cut; it costs eight bytes.
    let body_frames = if body <= target.payload_max { 1 } else { body / target.payload_max + 1 };
    let header = HEAD_BYTES + CONTENT_HEAD_BYTES + content.properties.len() + 1;
    output.reserve(method_bytes + OVERHEAD_BYTES + header + body + body_frames * OVERHEAD_BYTES);
}

/// The bytes of a short string. Names come from short strings and fit; anything longer is cut so
/// that the frame stays well-formed.
#[inline]
fn short(bytes: &[u8]) -> &[u8] {
    bytes.get(..limits::SHORT_STRING_BYTES).unwrap_or(bytes)
}

#[inline]
fn put_short(output: &mut Vec<u8>, bytes: &[u8]) {
    // `short` has cut it.
    #[expect(clippy::cast_possible_truncation, reason = "at most 255 bytes")]
    output.push(bytes.len() as u8);
    output.extend_from_slice(bytes);
}

#[inline]
fn put_tag(output: &mut Vec<u8>, delivery_tag: u64, bits: u8) {
    let [t7, t6, t5, t4, t3, t2, t1, t0] = delivery_tag.to_be_bytes();
    output.extend_from_slice(&[t7, t6, t5, t4, t3, t2, t1, t0, bits]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_message_has_these_bytes() {
        let mut output = Vec::new();
        let target = Target { channel: 258, payload_max: 4088 };
        let content = Content {
            exchange: b"ex",
            routing_key: b"key",
            properties: &[0x10, 0, 2],
            body: b"hi",
        };
        deliver(&mut output, target, "c1", (772, true), &content);
        let expected = [
            // Method frame on channel 258: basic.deliver, consumer tag, delivery tag, redelivered.
            &b"\x01\x01\x02\x00\x00\x00\x17\x00\x3c\x00\x3c\x02c1"[..],
            b"\x00\x00\x00\x00\x00\x00\x03\x04\x01",
            // Exchange, routing key, end.
            b"\x02ex\x03key\xce",
            // Content header: class, weight, body size, flags, delivery mode, end.
            b"\x02\x01\x02\x00\x00\x00\x0f\x00\x3c\x00\x00",
            b"\x00\x00\x00\x00\x00\x00\x00\x02\x10\x00\x02\xce",
            // Body.
            b"\x03\x01\x02\x00\x00\x00\x02hi\xce",
        ]
        .concat();
        assert_eq!(output, expected);
    }

    #[test]
    fn a_confirm_has_these_bytes() {
        let mut output = Vec::new();
        ack(&mut output, 1, 772, true);
        nack(&mut output, 1, 772, false);
        let expected = [
            &b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50"[..],
            b"\x00\x00\x00\x00\x00\x00\x03\x04\x01\xce",
            b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x78",
            b"\x00\x00\x00\x00\x00\x00\x03\x04\x00\xce",
        ]
        .concat();
        assert_eq!(output, expected);
    }

    #[test]
    fn room_for_the_whole_message_is_reserved_at_once() {
        let target = Target { channel: 1, payload_max: 4088 };
        for length in [0, 10, 4088, 4089, 100_000] {
            let body = vec![0; length];
            let content =
                Content { exchange: b"ex", routing_key: b"key", properties: &[0, 0], body: &body };
            let mut output = Vec::new();
            reserve(&mut output, target, 4 + 3 + 9 + 7, &content);
            let reserved = output.capacity();
            deliver(&mut output, target, "c1", (1, false), &content);
            assert_eq!(output.capacity(), reserved, "{length} bytes");
        }
    }

    #[test]
    fn names_that_are_too_long_keep_the_frame_well_formed() {
        let mut output = Vec::new();
        let target = Target { channel: 1, payload_max: 4088 };
        let name = "n".repeat(300);
        let content =
            Content { exchange: name.as_bytes(), routing_key: b"", properties: &[0, 0], body: b"" };
        get_ok(&mut output, target, (1, false), 0, &content);
        let (rest, _) = amq_protocol::frame::parse_frame(output.as_slice()).unwrap();
        assert_eq!(rest.len(), 22);
    }
}

//! Frames: cutting the input into them, and writing them.
//!
//! ```text
//! +------+---------+---------------+---------+------+
//! | type | channel | payload bytes | payload | 0xCE |
//! |  u8  |   u16   |      u32      |         |      |
//! +------+---------+---------------+---------+------+
//! ```
//! Source: AMQP 0-9-1 section 4.2.3.

use crate::error::Failure;
use crate::{Method, ReplyCode, limits, method};

pub(crate) const METHOD: u8 = 1;
pub(crate) const HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 8;
pub(crate) const END: u8 = 0xCE;
/// Type, channel and payload size.
pub(crate) const HEAD_BYTES: usize = 7;
/// What a frame adds to its payload.
pub(crate) const OVERHEAD_BYTES: usize = HEAD_BYTES + 1;
/// Class, weight and body size of a content header.
pub(crate) const CONTENT_HEAD_BYTES: usize = 12;

/// A whole frame in the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of the input, or None while it is not whole.
    ///
    /// # Errors
    /// A payload above the maximum by more than clients are let, decided by the frame's head, and a wrong end octet.
    pub(crate) fn parse(input: &'a [u8], payload_max: usize) -> Result<Option<Self>, Failure> {
        let Some((head, rest)) = input.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let [kind, c1, c0, s3, s2, s1, s0] = *head;
        let size = u32::from_be_bytes([s3, s2, s1, s0]) as usize;
        if size > payload_max.saturating_add(limits::FRAME_EXCESS_BYTES) {
            let problem = format!("{{frame_too_large,{size},{payload_max}}}");
            return Err(broken(kind, &[], &problem));
        }
        let (Some(payload), Some(&end)) = (rest.get(..size), rest.get(size)) else {
            return Ok(None);
        };
        if end != END {
            return Err(broken(kind, payload, &format!("{{invalid_frame_end_marker,{end}}}")));
        }
        Ok(Some(Self { kind, channel: u16::from_be_bytes([c1, c0]), payload }))
    }

    /// Bytes of the whole frame on the wire.
    pub(crate) fn wire_bytes(&self) -> usize {
        self.payload.len() + OVERHEAD_BYTES
    }

    /// Class and method of a method frame; zeros where the payload is too short for them.
    pub(crate) fn method_ids(&self) -> (u16, u16) {
        match self.payload {
            [c1, c0, m1, m0, ..] if self.kind == METHOD => {
                (u16::from_be_bytes([*c1, *c0]), u16::from_be_bytes([*m1, *m0]))
            }
            _ => (0, 0),
        }
    }

    /// The failure for a frame of an unknown type.
    pub(crate) fn unknown(&self) -> Failure {
        broken(self.kind, self.payload, "unknown_frame")
    }
}

/// The failure for a broken frame, in RabbitMQ's words.
fn broken(kind: u8, payload: &[u8], problem: &str) -> Failure {
    let text = format!("type {kind}, all octets = {}: {problem}", octets(payload));
    Failure::new(ReplyCode::FrameError, text)
}

/// Octets as RabbitMQ shows them: `<<"text">>` or `<<1,2,3>>`, cut after some.
pub(crate) fn octets(bytes: &[u8]) -> String {
    let shown = bytes.get(..limits::SHOWN_OCTETS).unwrap_or(bytes);
    let dots = if shown.len() < bytes.len() { "..." } else { "" };
    let printable = |byte: &u8| matches!(byte, 32..=126) && !matches!(byte, b'"' | b'\\');
    if !shown.is_empty() && shown.iter().all(printable) {
        return format!("<<\"{}\"{dots}>>", String::from_utf8_lossy(shown));
    }
    let numbers: Vec<String> = shown.iter().map(u8::to_string).collect();
    format!("<<{}{dots}>>", numbers.join(","))
}

/// Appends a frame's head.
#[inline]
pub(crate) fn put_head(output: &mut Vec<u8>, kind: u8, channel: u16, payload_bytes: usize) {
    let [c1, c0] = channel.to_be_bytes();
    // A payload is cut by frame_max, which is a u32.
    #[expect(clippy::cast_possible_truncation, reason = "payloads are cut to frame_max")]
    let [s3, s2, s1, s0] = (payload_bytes as u32).to_be_bytes();
    output.extend_from_slice(&[kind, c1, c0, s3, s2, s1, s0]);
}

/// Appends a frame with this method.
pub(crate) fn put_method(output: &mut Vec<u8>, channel: u16, method: &Method) {
    let payload = method::encode(method);
    output.reserve(payload.len() + OVERHEAD_BYTES);
    put_head(output, METHOD, channel, payload.len());
    output.extend_from_slice(&payload);
    output.push(END);
}

/// Appends a heartbeat.
pub(crate) fn put_heartbeat(output: &mut Vec<u8>) {
    put_head(output, HEARTBEAT, 0, 0);
    output.push(END);
}

//! `basic.publish`, `ack`, `nack` and `reject` from a client: the hot half of decoding.
//!
//! [`whole`] takes a message whose frames stand whole and back to back in the input, in one pass
//! and without copying. Everything else, errors included, is left to the slow way, which assembles
//! a message frame by frame.

use crate::reader::Reader;
use crate::{Error, Publish, frame, properties};

/// Class and method of `basic.publish`.
pub(crate) const PUBLISH: (u16, u16) = (60, 40);
/// The frame of `basic.ack`: class, method, delivery tag and bits.
pub(crate) const ACK_FRAME_BYTES: usize = frame::OVERHEAD_BYTES + 13;

/// Class and method of `basic.ack`.
pub(crate) const ACK: (u16, u16) = (60, 80);
/// Class and method of `basic.reject`.
pub(crate) const REJECT: (u16, u16) = (60, 90);
/// Class and method of `basic.nack`.
pub(crate) const NACK: (u16, u16) = (60, 120);

/// The method frame of a publish without class, method and ticket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method<'a> {
    /// UTF-8, as is the routing key.
    pub(crate) exchange: &'a [u8],
    pub(crate) routing_key: &'a [u8],
    pub(crate) mandatory: bool,
    pub(crate) immediate: bool,
}

impl<'a> Method<'a> {
    #[inline]
    pub(crate) fn parse(fields: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(fields);
        let exchange = reader.short_text()?;
        let routing_key = reader.short_text()?;
        let bits = reader.u8()?;
        reader.end()?;
        let (mandatory, immediate) = (bits & 1 != 0, bits & 2 != 0);
        Ok(Self { exchange, routing_key, mandatory, immediate })
    }
}

/// A content header: class and weight, body size, properties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) class_id: u16,
    pub(crate) weight: u16,
    pub(crate) body_bytes: u64,
    pub(crate) properties: &'a [u8],
}

impl<'a> Header<'a> {
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let (class_id, weight) = (reader.u16()?, reader.u16()?);
        Ok(Self { class_id, weight, body_bytes: reader.u64()?, properties: reader.rest() })
    }
}

/// The channel of the method frame at the start of the input, if it is a publish.
#[inline]
pub(crate) fn channel_of(input: &[u8]) -> Option<u16> {
    match input {
        [frame::METHOD, c1, c0, _, _, _, _, 0, 60, 0, 40, ..] => {
            Some(u16::from_be_bytes([*c1, *c0]))
        }
        _ => None,
    }
}

/// The message at the start of the input and the bytes it takes there, if its method frame,
/// header frame and at most one body frame are all there and nothing is wrong with them.
#[inline]
pub(crate) fn whole(
    input: &[u8],
    channel: u16,
    payload_max: usize,
    body_max: u64,
) -> Option<(usize, Publish<'_>)> {
    // Type, channel, payload size, class, method, ticket.
    let (head, rest) = input.split_first_chunk::<13>()?;
    let [_, _, _, s3, s2, s1, s0, ..] = *head;
    let size = u32::from_be_bytes([s3, s2, s1, s0]) as usize;
    let (fields, rest) = framed(rest, size.checked_sub(6)?)?;
    let method = Method::parse(fields).ok()?;

    // Type, channel, payload size, class, weight, body size.
    let (head, rest) = rest.split_first_chunk::<19>()?;
    let [kind, c1, c0, h3, h2, h1, h0, class_and_weight @ .., _, _, _, _, _, _, _, _] = *head;
    let header_size = u32::from_be_bytes([h3, h2, h1, h0]) as usize;
    let body_bytes = u64::from_be_bytes(*head.last_chunk::<8>()?);
    let ours = kind == frame::HEADER && u16::from_be_bytes([c1, c0]) == channel;
    let fits = size <= payload_max && header_size <= payload_max && body_bytes <= body_max;
    if !ours || !fits || class_and_weight != [0, 60, 0, 0] {
        return None;
    }
    let (list, rest) = framed(rest, header_size.checked_sub(frame::CONTENT_HEAD_BYTES)?)?;
    properties::check(list).ok()?;

    let (body, rest) = match usize::try_from(body_bytes).ok()? {
        0 => (&[][..], rest),
        bytes => {
            let (head, rest) = rest.split_first_chunk::<{ frame::HEAD_BYTES }>()?;
            let [kind, c1, c0, b3, b2, b1, b0] = *head;
            let ours = kind == frame::BODY && u16::from_be_bytes([c1, c0]) == channel;
            let size = u32::from_be_bytes([b3, b2, b1, b0]) as usize;
            if !ours || size != bytes || size > payload_max {
                return None;
            }
            framed(rest, bytes)?
        }
    };
    let Method { exchange, routing_key, mandatory, immediate } = method;
    let publish =
        Publish { channel, exchange, routing_key, mandatory, immediate, properties: list, body };
    Some((input.len() - rest.len(), publish))
}

/// What is left of a frame's payload, if its end octet follows, and the bytes behind it.
#[inline]
fn framed(input: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (payload, rest) = input.split_at_checked(size)?;
    match rest {
        [frame::END, rest @ ..] => Some((payload, rest)),
        _ => None,
    }
}

/// Channel, delivery tag and `multiple` of the frame at the start of the input, if it is a whole
/// and well-formed `basic.ack`.
#[inline]
pub(crate) fn whole_ack(input: &[u8]) -> Option<(u16, u64, bool)> {
    let frame = input.first_chunk::<ACK_FRAME_BYTES>()?;
    let [frame::METHOD, c1, c0, 0, 0, 0, 13, 0, 60, 0, 80, tag @ .., bits, frame::END] = frame
    else {
        return None;
    };
    Some((u16::from_be_bytes([*c1, *c0]), u64::from_be_bytes(*tag), bits & 1 != 0))
}

/// Delivery tag and bits of an `ack`, `nack` or `reject`.
#[inline]
pub(crate) fn tag_and_bits(fields: &[u8]) -> Result<(u64, u8), Error> {
    let mut reader = Reader::new(fields);
    let (tag, bits) = (reader.u64()?, reader.u8()?);
    reader.end()?;
    Ok((tag, bits))
}

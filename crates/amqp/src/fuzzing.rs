//! Ways into the crate's inside for the fuzz targets (feature `fuzzing`); nothing else uses them.

use crate::frame::Frame;
use crate::{Connection, Error, Method, Publish, method, publish, sasl, table};

/// A whole frame: its type, channel, payload, and the bytes that it takes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFrame<'a> {
    /// 1 method, 2 content header, 3 body, 8 heartbeat.
    pub kind: u8,
    /// The channel.
    pub channel: u16,
    /// What stands between head and end octet.
    pub payload: &'a [u8],
    /// Bytes of the frame with head and end octet.
    pub wire_bytes: usize,
}

/// Cuts a frame off the input; None while it is not whole.
///
/// # Errors
/// The reply text for a frame that cannot become one.
pub fn frame(input: &[u8], payload_max: usize) -> Result<Option<RawFrame<'_>>, String> {
    let found = Frame::parse(input, payload_max).map_err(|failure| failure.text)?;
    Ok(found.map(|frame| RawFrame {
        kind: frame.kind,
        channel: frame.channel,
        payload: frame.payload,
        wire_bytes: frame.wire_bytes(),
    }))
}

/// The fast way for a message whose frames all stand in the input: bytes taken and the message.
#[must_use]
pub fn whole_publish(
    input: &[u8],
    payload_max: usize,
    body_max: u64,
) -> Option<(usize, Publish<'_>)> {
    publish::whole(input, publish::channel_of(input)?, payload_max, body_max)
}

/// The fast way for `basic.ack`: channel, delivery tag and `multiple`.
#[must_use]
pub fn whole_ack(input: &[u8]) -> Option<(u16, u64, bool)> {
    publish::whole_ack(input)
}

/// Parses the payload of a method frame that came from a client.
///
/// # Errors
/// What is wrong with it.
pub fn decode_method(payload: &[u8]) -> Result<Method, Error> {
    method::decode(payload)
}

/// The payload of a method frame.
#[must_use]
pub fn encode_method(method: &Method) -> Vec<u8> {
    method::encode(method)
}

/// Checks a raw table with limits of depth, at most [`crate::limits::TABLE_DEPTH`], and values.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_table(raw: &[u8], depth_max: usize, values_max: usize) -> Result<(), Error> {
    table::check_within(raw, depth_max, values_max)
}

/// User name and password of a login response.
#[must_use]
pub fn credentials(mechanism: &str, response: &[u8]) -> Option<(String, String)> {
    sasl::credentials(mechanism, response)
}

/// Bytes that a connection's buffers for messages take.
#[must_use]
pub fn held_bytes(connection: &Connection) -> usize {
    connection.held_capacity()
}

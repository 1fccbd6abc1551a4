//! Checksums of the database's values: a flipped bit anywhere in a value, or a value that stands
//! under another key or in another table, is noticed.
//!
//! The last four bytes of a value are the CRC-32C over the name of its table, a zero byte, its
//! key, and the rest of the value. Numbers in keys are little-endian in it.

use warren_engine::VirtualHostId;

use crate::bytes::Cursor;
use crate::delta::{Places, Share, Standing, Tally};
use crate::shared::Position;

const SEAL_BYTES: usize = 4;

/// A key as its checksum sees it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key<'a> {
    Number(u64),
    Row(u64, u64),
    Name(&'a str),
    OfHost(VirtualHostId, &'a [u8]),
}

fn checksum(table: &str, key: Key<'_>, value: &[u8]) -> u32 {
    let start = crc32c::crc32c_append(crc32c::crc32c(table.as_bytes()), &[0]);
    let with_key = match key {
        Key::Number(number) => crc32c::crc32c_append(start, &number.to_le_bytes()),
        Key::Row(queue, first) => {
            let queue = crc32c::crc32c_append(start, &queue.to_le_bytes());
            crc32c::crc32c_append(queue, &first.to_le_bytes())
        }
        Key::Name(name) => crc32c::crc32c_append(start, name.as_bytes()),
        Key::OfHost(host, rest) => {
            crc32c::crc32c_append(crc32c::crc32c_append(start, &host.0.to_le_bytes()), rest)
        }
    };
    crc32c::crc32c_append(with_key, value)
}

/// Appends the checksum to a value.
pub(super) fn seal(table: &str, key: Key<'_>, value: &mut Vec<u8>) {
    let checksum = checksum(table, key, value);
    value.extend_from_slice(&checksum.to_le_bytes());
}

/// The value without its checksum; None if they do not match.
pub(super) fn unseal<'a>(table: &str, key: Key<'_>, sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (value, found) = sealed.split_last_chunk::<SEAL_BYTES>()?;
    (checksum(table, key, value) == u32::from_le_bytes(*found)).then_some(value)
}

pub(super) fn sealed_standing(table: &str, queue: u64, standing: &Standing) -> Vec<u8> {
    let Standing { places, tally } = standing;
    let mut out = Vec::with_capacity(40);
    for number in [places.next_sequence, places.delivered_through, tally.messages, tally.body_bytes]
    {
        out.extend_from_slice(&number.to_le_bytes());
    }
    // Left out where it says nothing, as early stores do.
    if places.may_expire {
        out.push(1);
    }
    seal(table, Key::Number(queue), &mut out);
    out
}

pub(super) fn standing(table: &str, queue: u64, sealed: &[u8]) -> Option<Standing> {
    let mut cursor = Cursor::new(unseal(table, Key::Number(queue), sealed)?);
    let (next_sequence, delivered_through) = (cursor.u64()?, cursor.u64()?);
    let tally = Tally { messages: cursor.u64()?, body_bytes: cursor.u64()? };
    let may_expire = !cursor.is_empty();
    Some(Standing { places: Places { next_sequence, delivered_through, may_expire }, tally })
}

pub(super) fn sealed_share(table: &str, segment: u32, share: Share) -> Vec<u8> {
    let mut out = Vec::with_capacity(20);
    out.extend_from_slice(&share.messages.to_le_bytes());
    out.extend_from_slice(&share.bytes.to_le_bytes());
    seal(table, Key::Number(u64::from(segment)), &mut out);
    out
}

/// What waits in a segment, and whether its bytes are known: early stores counted messages alone.
pub(super) fn share(table: &str, segment: u32, sealed: &[u8]) -> Option<(Share, bool)> {
    let mut cursor = Cursor::new(unseal(table, Key::Number(u64::from(segment)), sealed)?);
    let messages = cursor.u64()?;
    let bytes = cursor.u64();
    Some((Share { messages, bytes: bytes.unwrap_or_default() }, bytes.is_some()))
}

/// The log's key, and the place in it up to which the database is complete.
pub(super) fn sealed_log(table: &str, name: &str, log_key: u64, covered: Position) -> Vec<u8> {
    let mut out = Vec::with_capacity(28);
    out.extend_from_slice(&log_key.to_le_bytes());
    out.extend_from_slice(&covered.segment.to_le_bytes());
    out.extend_from_slice(&covered.offset.to_le_bytes());
    out.extend_from_slice(&covered.record.to_le_bytes());
    seal(table, Key::Name(name), &mut out);
    out
}

pub(super) fn log(table: &str, name: &str, sealed: &[u8]) -> Option<(u64, Position)> {
    let mut cursor = Cursor::new(unseal(table, Key::Name(name), sealed)?);
    let log_key = cursor.u64()?;
    let (segment, offset) = (cursor.u32()?, cursor.u32()?);
    Some((log_key, Position { segment, offset, record: cursor.u64()? }))
}

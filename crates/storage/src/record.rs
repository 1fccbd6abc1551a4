//! Writes in stored form: the payload of a log record is a sequence of them.
//!
//! ```text
//! u8 1  Enqueued           number of queues, for each queue id and sequence; u32 length;
//!                          u32 CRC-32C of the message; the message as Message::encoded() gives it
//! u8 2  Settled            queue id, first sequence, last - first
//! u8 3  ExchangeDeclared   virtual host, record
//! u8 4  ExchangeDeleted    virtual host, name
//! u8 5  QueueDeclared      record
//! u8 6  QueueDeleted       queue id
//! u8 7  Bound              virtual host, record
//! u8 8  Unbound            virtual host, record
//! u8 9  Delivered          queue id, last sequence
//! u8 10 Moved              segment and offset of the message's old place; then like Enqueued
//! u8 11 Returned           queue id, first sequence, last - first, count
//! u8 12 DefinitionSet      key, value
//! u8 13 DefinitionDeleted  key
//! ```
//!
//! Numbers are of variable length but for `u32`. A message has a checksum of its own beside the
//! record's, because one message of a record of many MB is read back alone; the length in front
//! of it is checked as well.

use smallvec::SmallVec;
use warren_engine::{Message, QueueId, Sequence, VirtualHostId, Write, encoded_body_bytes};

use crate::bytes::{Cursor, put_bytes, put_number};
use crate::delta::Spot;
use crate::topology;

const ENQUEUED: u8 = 1;
const SETTLED: u8 = 2;
const EXCHANGE_DECLARED: u8 = 3;
const EXCHANGE_DELETED: u8 = 4;
const QUEUE_DECLARED: u8 = 5;
const QUEUE_DELETED: u8 = 6;
const BOUND: u8 = 7;
const UNBOUND: u8 = 8;
const DELIVERED: u8 = 9;
const MOVED: u8 = 10;
const RETURNED: u8 = 11;
const DEFINITION_SET: u8 = 12;
const DEFINITION_DELETED: u8 = 13;

/// Length and checksum in front of a message, in bytes.
pub(crate) const MESSAGE_HEADER_BYTES: usize = 8;

/// The queues of a message, with its place in each.
pub(crate) type InQueues = SmallVec<[(QueueId, Sequence); 1]>;

/// A write as it is read back; a message is a place in the payload.
#[derive(Debug)]
pub(crate) enum Replayed<'a> {
    Enqueued {
        message: StoredMessage<'a>,
        queues: InQueues,
    },
    /// The message stood at `from`, and counts here for those queues in which it still did.
    Moved {
        from: Spot,
        message: StoredMessage<'a>,
        queues: InQueues,
    },
    Settled {
        queue: QueueId,
        first: Sequence,
        last: Sequence,
    },
    Delivered {
        queue: QueueId,
        through: Sequence,
    },
    Returned {
        queue: QueueId,
        first: Sequence,
        last: Sequence,
        count: u32,
    },
    Topology(Write),
}

/// A message in a payload.
#[derive(Debug)]
pub(crate) struct StoredMessage<'a> {
    /// Where its header begins, counted from the start of the payload.
    pub(crate) offset: u32,
    pub(crate) encoded: &'a [u8],
}

/// Appends a message in its queues. Returns where the message's header begins in `out`.
#[inline]
pub(crate) fn put_enqueued(
    out: &mut Vec<u8>,
    message: &Message,
    queues: &[(QueueId, Sequence)],
) -> usize {
    out.push(ENQUEUED);
    put_stored(out, message.encoded(), queues)
}

/// Appends a message that stood at `from` and shall go on here, for some of its queues. Returns
/// where the message's header begins in `out`.
pub(crate) fn put_moved(
    out: &mut Vec<u8>,
    from: Spot,
    encoded: &[u8],
    queues: &[(QueueId, Sequence)],
) -> usize {
    out.push(MOVED);
    put_number(out, u64::from(from.segment));
    put_number(out, u64::from(from.offset));
    put_stored(out, encoded, queues)
}

#[inline]
fn put_stored(out: &mut Vec<u8>, encoded: &[u8], queues: &[(QueueId, Sequence)]) -> usize {
    put_number(out, queues.len() as u64);
    for (queue, sequence) in queues {
        put_number(out, queue.0);
        put_number(out, *sequence);
    }
    let offset = out.len();
    out.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(encoded).to_le_bytes());
    out.extend_from_slice(encoded);
    offset
}

/// Appends that messages left a queue.
pub(crate) fn put_settled(out: &mut Vec<u8>, queue: QueueId, first: Sequence, last: Sequence) {
    out.push(SETTLED);
    put_number(out, queue.0);
    put_number(out, first);
    put_number(out, last.saturating_sub(first));
}

/// Appends that a queue was delivered up to a place.
pub(crate) fn put_delivered(out: &mut Vec<u8>, queue: QueueId, through: Sequence) {
    out.push(DELIVERED);
    put_number(out, queue.0);
    put_number(out, through);
}

/// Appends that messages came back to a queue for the `count`th time.
pub(crate) fn put_returned(
    out: &mut Vec<u8>,
    queue: QueueId,
    first: Sequence,
    last: Sequence,
    count: u32,
) {
    out.push(RETURNED);
    put_number(out, queue.0);
    put_number(out, first);
    put_number(out, last.saturating_sub(first));
    put_number(out, u64::from(count));
}

/// Appends a change of the topology; writes of messages are not for this function, and it leaves
/// them out.
pub(crate) fn put_topology(out: &mut Vec<u8>, write: &Write) {
    match write {
        Write::ExchangeDeclared(virtual_host, record) => {
            put_host(out, EXCHANGE_DECLARED, *virtual_host);
            topology::put_exchange(out, record);
        }
        Write::ExchangeDeleted(virtual_host, name) => {
            put_host(out, EXCHANGE_DELETED, *virtual_host);
            put_bytes(out, name.as_bytes());
        }
        Write::QueueDeclared(record) => {
            out.push(QUEUE_DECLARED);
            topology::put_queue(out, record);
        }
        Write::QueueDeleted(queue) => {
            out.push(QUEUE_DELETED);
            put_number(out, queue.0);
        }
        Write::Bound(virtual_host, record) => {
            put_host(out, BOUND, *virtual_host);
            topology::put_binding(out, record);
        }
        Write::Unbound(virtual_host, record) => {
            put_host(out, UNBOUND, *virtual_host);
            topology::put_binding(out, record);
        }
        Write::DefinitionSet { key, value } => {
            out.push(DEFINITION_SET);
            put_bytes(out, key.as_bytes());
            put_bytes(out, value);
        }
        Write::DefinitionDeleted { key } => {
            out.push(DEFINITION_DELETED);
            put_bytes(out, key.as_bytes());
        }
        Write::Enqueued { .. }
        | Write::Settled { .. }
        | Write::Returned { .. }
        | Write::Delivered { .. }
        | Write::Together(_) => {}
    }
}

fn put_host(out: &mut Vec<u8>, tag: u8, virtual_host: VirtualHostId) {
    out.push(tag);
    put_number(out, u64::from(virtual_host.0));
}

/// The body's length of an encoded message; the whole length if it cannot be told.
pub(crate) fn body_bytes(encoded: &[u8]) -> u32 {
    encoded_body_bytes(encoded).unwrap_or(encoded.len() as u32)
}

/// Checks a message's header and content as read from the log, and gives the content.
pub(crate) fn verified_message(stored: &[u8], length: u32) -> Result<&[u8], &'static str> {
    let mut cursor = Cursor::new(stored);
    let (Some(found), Some(checksum)) = (cursor.u32(), cursor.u32()) else {
        return Err("the message is cut off");
    };
    if found != length {
        return Err("another length stands in front of the message");
    }
    let encoded = cursor.take(length as usize).ok_or("the message is cut off")?;
    if crc32c::crc32c(encoded) != checksum {
        return Err("the message does not match its checksum");
    }
    Ok(encoded)
}

/// The writes of a payload, one after the other. For an unreadable one it gives None, and ends.
#[derive(Debug)]
pub(crate) struct Writes<'a> {
    cursor: Cursor<'a>,
    payload_bytes: usize,
}

impl<'a> Writes<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(payload), payload_bytes: payload.len() }
    }

    fn write(&mut self) -> Option<Replayed<'a>> {
        let cursor = &mut self.cursor;
        Some(match cursor.byte()? {
            ENQUEUED => {
                let (message, queues) = self.stored()?;
                Replayed::Enqueued { message, queues }
            }
            MOVED => {
                let from = Spot { segment: cursor.number_u32()?, offset: cursor.number_u32()? };
                let (message, queues) = self.stored()?;
                Replayed::Moved { from, message, queues }
            }
            SETTLED => {
                let queue = QueueId(cursor.number()?);
                let first = cursor.number()?;
                Replayed::Settled { queue, first, last: first.checked_add(cursor.number()?)? }
            }
            EXCHANGE_DECLARED => Replayed::Topology(Write::ExchangeDeclared(
                VirtualHostId(cursor.number_u32()?),
                topology::exchange(cursor)?,
            )),
            EXCHANGE_DELETED => Replayed::Topology(Write::ExchangeDeleted(
                VirtualHostId(cursor.number_u32()?),
                cursor.string()?,
            )),
            QUEUE_DECLARED => Replayed::Topology(Write::QueueDeclared(topology::queue(cursor)?)),
            QUEUE_DELETED => Replayed::Topology(Write::QueueDeleted(QueueId(cursor.number()?))),
            BOUND => Replayed::Topology(Write::Bound(
                VirtualHostId(cursor.number_u32()?),
                topology::binding(cursor)?,
            )),
            UNBOUND => Replayed::Topology(Write::Unbound(
                VirtualHostId(cursor.number_u32()?),
                topology::binding(cursor)?,
            )),
            DEFINITION_SET => {
                let (key, value) = (cursor.string()?, cursor.bytes()?.to_vec());
                Replayed::Topology(Write::DefinitionSet { key, value })
            }
            DEFINITION_DELETED => {
                Replayed::Topology(Write::DefinitionDeleted { key: cursor.string()? })
            }
            RETURNED => {
                let queue = QueueId(cursor.number()?);
                let first = cursor.number()?;
                let last = first.checked_add(cursor.number()?)?;
                Replayed::Returned { queue, first, last, count: cursor.number_u32()? }
            }
            DELIVERED => {
                let queue = QueueId(cursor.number()?);
                Replayed::Delivered { queue, through: cursor.number()? }
            }
            _ => return None,
        })
    }

    fn stored(&mut self) -> Option<(StoredMessage<'a>, InQueues)> {
        let cursor = &mut self.cursor;
        let mut queues = SmallVec::new();
        for _ in 0..cursor.number()? {
            queues.push((QueueId(cursor.number()?), cursor.number()?));
        }
        let offset = (self.payload_bytes - cursor.left()) as u32;
        let length = cursor.u32()?;
        // The record's checksum has covered the message.
        cursor.u32()?;
        let encoded = cursor.take(length as usize)?;
        Some((StoredMessage { offset, encoded }, queues))
    }
}

impl<'a> Iterator for Writes<'a> {
    type Item = Option<Replayed<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let write = self.write();
        if write.is_none() {
            self.cursor = Cursor::new(&[]);
        }
        Some(write)
    }
}

//! Methods that carry no message: checked on the raw bytes, then parsed by `amq-protocol`.
//!
//! The layouts are those of the methods a client may send. They settle what `amq-protocol` leaves
//! open: bytes behind the last field, and how deep and large tables may be before it walks them.

use amq_protocol::frame::WriteContext;
use amq_protocol::protocol;

use crate::reader::Reader;
use crate::{Error, Method, limits, table};

/// How a field stands in a method. Bits that follow one another share an octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Bits,
    Short,
    Long,
    LongLong,
    ShortString,
    LongString,
    Table,
}

/// Parses the payload of a method frame that came from a client.
///
/// # Errors
/// An unknown method, one that only a server may send, and every malformed field.
pub(crate) fn decode(payload: &[u8]) -> Result<Method, Error> {
    let mut reader = Reader::new(payload);
    let class_id = reader.u16()?;
    let method_id = reader.u16()?;
    let fields = client_fields(class_id, method_id).ok_or(Error::Method { class_id, method_id })?;
    let start_ok = (class_id, method_id) == (10, 11);
    let (depth, values) = if start_ok {
        (limits::CLIENT_PROPERTIES_DEPTH, limits::CLIENT_PROPERTIES_VALUES)
    } else {
        (limits::TABLE_DEPTH, limits::TABLE_VALUES)
    };
    for field in fields {
        match field {
            Field::Bits => drop(reader.u8()?),
            Field::Short => drop(reader.u16()?),
            Field::Long => drop(reader.u32()?),
            Field::LongLong => drop(reader.u64()?),
            Field::ShortString => drop(reader.short_string()?),
            Field::LongString => drop(reader.long_bytes()?),
            Field::Table => table::check_within(reader.long_bytes()?, depth, values)?,
        }
    }
    reader.end()?;
    match protocol::parse_class(payload) {
        Ok(([], method)) => Ok(method),
        Ok(_) | Err(_) => Err(Error::Unparsable),
    }
}

/// The payload of a method frame.
pub(crate) fn encode(method: &Method) -> Vec<u8> {
    let generate = protocol::gen_class(method);
    // Writing to memory does not fail; an empty payload would be the peer's FRAME_ERROR.
    generate(WriteContext::from(Vec::new())).map(|done| done.into_inner().0).unwrap_or_default()
}

/// The fields of a method that a client may send.
///
/// Source: AMQP 0-9-1 XML with RabbitMQ's extensions; the first field of many methods is the
/// access ticket, which nobody uses any more.
fn client_fields(class_id: u16, method_id: u16) -> Option<&'static [Field]> {
    use Field::{Bits, Long, LongLong, LongString, Short, ShortString, Table};
    Some(match (class_id, method_id) {
        // connection: start-ok, secure-ok, tune-ok, open
        (10, 11) => &[Table, ShortString, LongString, ShortString],
        (10, 21) => &[LongString],
        (10, 31) => &[Short, Long, Short],
        (10, 40) => &[ShortString, ShortString, Bits],
        // connection: close, close-ok, update-secret
        (10, 50) => &[Short, ShortString, Short, Short],
        (10, 51) => &[],
        (10, 70) => &[LongString, ShortString],
        // channel: open, flow, flow-ok, close, close-ok
        (20, 10) => &[ShortString],
        (20, 20 | 21) => &[Bits],
        (20, 40) => &[Short, ShortString, Short, Short],
        (20, 41) => &[],
        // access: request
        (30, 10) => &[ShortString, Bits],
        // exchange: declare, delete, bind, unbind
        (40, 10) => &[Short, ShortString, ShortString, Bits, Table],
        (40, 20) => &[Short, ShortString, Bits],
        (40, 30 | 40) => &[Short, ShortString, ShortString, ShortString, Bits, Table],
        // queue: declare, bind, purge, delete, unbind
        (50, 10) => &[Short, ShortString, Bits, Table],
        (50, 20) => &[Short, ShortString, ShortString, ShortString, Bits, Table],
        (50, 30 | 40) => &[Short, ShortString, Bits],
        (50, 50) => &[Short, ShortString, ShortString, ShortString, Table],
        // basic: qos, consume, cancel, cancel-ok, publish, get
        (60, 10) => &[Long, Short, Bits],
        (60, 20) => &[Short, ShortString, ShortString, Bits, Table],
        (60, 30) => &[ShortString, Bits],
        (60, 31) => &[ShortString],
        (60, 40) => &[Short, ShortString, ShortString, Bits],
        (60, 70) => &[Short, ShortString, Bits],
        // basic: ack, reject, nack; recover-async, recover
        (60, 80 | 90 | 120) => &[LongLong, Bits],
        (60, 100 | 110) => &[Bits],
        // confirm: select
        (85, 10) => &[Bits],
        // tx: select, commit, rollback
        (90, 10 | 20 | 30) => &[],
        _ => return None,
    })
}

#[cfg(test)]
mod tests;

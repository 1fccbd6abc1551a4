//! Field tables: checked and read on the raw bytes, parsed and written by `amq-protocol`.
//!
//! "Raw" means the content of a table: its entries without the four octets of length in front.

use amq_protocol::frame::WriteContext;
use amq_protocol::types::generation::gen_field_table;
use amq_protocol::types::parsing::parse_field_table;

use crate::reader::Reader;
use crate::{Error, FieldTable, limits};

/// One value of a table or array, borrowed from the raw bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `t`
    Bool(bool),
    /// `b B s U u I i l L`: integers of all sizes.
    Int(i64),
    /// `f d`
    Float(f64),
    /// `S x`: text or bytes.
    Bytes(&'a [u8]),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `D`: `value` divided by ten to the power of `scale`.
    Decimal {
        /// Digits behind the decimal point.
        scale: u8,
        /// The digits.
        value: u32,
    },
    /// `A`: the raw array, see [`elements`].
    Array(&'a [u8]),
    /// `F`: the raw table, see [`entries`].
    Table(&'a [u8]),
    /// `V`
    Void,
}

/// The entries of a raw table in their order. It ends early where the bytes are malformed, which
/// [`check`] tells.
pub fn entries(raw: &[u8]) -> impl Iterator<Item = (&str, Value<'_>)> {
    let mut reader = Reader::new(raw);
    std::iter::from_fn(move || {
        let key = reader.short_string().ok()?;
        Some((key, value(&mut reader).ok()?))
    })
}

/// The elements of a raw array in their order. It ends early where the bytes are malformed.
pub fn elements(raw: &[u8]) -> impl Iterator<Item = Value<'_>> {
    let mut reader = Reader::new(raw);
    std::iter::from_fn(move || value(&mut reader).ok())
}

/// The entries of a raw table with the bytes of each value, its letter in front. It ends early
/// where the bytes are malformed.
pub fn raw_entries(raw: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut reader = Reader::new(raw);
    std::iter::from_fn(move || {
        let key = reader.short_string().ok()?;
        Some((key, raw_value(&mut reader)?))
    })
}

/// The elements of a raw array as bytes, the letter of each in front. It ends early where the bytes
/// are malformed.
pub fn raw_elements(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader::new(raw);
    std::iter::from_fn(move || raw_value(&mut reader))
}

/// The bytes of the next value, its letter in front.
fn raw_value<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let before = reader.rest();
    value(reader).ok()?;
    before.get(..before.len() - reader.rest().len()).filter(|bytes| !bytes.is_empty())
}

/// A value from its bytes, its letter in front; `None` if they are malformed.
#[must_use]
pub fn raw_value_of(bytes: &[u8]) -> Option<Value<'_>> {
    value(&mut Reader::new(bytes)).ok()
}

/// The first value with this key in a raw table.
#[must_use]
pub fn get<'a>(raw: &'a [u8], key: &str) -> Option<Value<'a>> {
    entries(raw).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// A raw table without the entries of this key; the others stay as they are.
#[must_use]
pub fn without(raw: &[u8], key: &str) -> Vec<u8> {
    let mut kept = Vec::with_capacity(raw.len());
    let mut reader = Reader::new(raw);
    loop {
        let entry = reader.rest();
        let Ok(name) = reader.short_string() else { return kept };
        if value(&mut reader).is_err() {
            return kept;
        }
        if name != key {
            let length = entry.len() - reader.rest().len();
            kept.extend_from_slice(entry.get(..length).unwrap_or_default());
        }
    }
}

/// Checks a raw table: every length within its container, every type known, every key UTF-8,
/// nesting at most [`limits::TABLE_DEPTH`].
///
/// # Errors
/// The first thing that is wrong.
pub fn check(raw: &[u8]) -> Result<(), Error> {
    check_within(raw, limits::TABLE_DEPTH, usize::MAX)
}

/// Parses a raw table after checking it.
///
/// # Errors
/// What [`check`] finds.
pub fn decode(raw: &[u8]) -> Result<FieldTable, Error> {
    check(raw)?;
    let length = u32::try_from(raw.len()).map_err(|_| Error::Unparsable)?;
    let mut whole = Vec::with_capacity(raw.len() + 4);
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(raw);
    match parse_field_table(whole.as_slice()) {
        Ok(([], table)) => Ok(table),
        Ok(_) | Err(_) => Err(Error::Unparsable),
    }
}

/// The raw bytes of a table, without the length in front: the reverse of [`decode`].
#[must_use]
pub fn encode(table: &FieldTable) -> Vec<u8> {
    // Writing to memory does not fail.
    let written = gen_field_table(table)(WriteContext::from(Vec::new()));
    let mut whole = written.map(|done| done.into_inner().0).unwrap_or_default();
    whole.drain(..whole.len().min(4));
    whole
}

/// Like [`check`], with other limits. `depth_max` is at most [`limits::TABLE_DEPTH`].
///
/// It keeps the ends of the containers it is in on a stack of its own, so that no input makes it
/// recurse.
pub(crate) fn check_within(raw: &[u8], depth_max: usize, values_max: usize) -> Result<(), Error> {
    let mut outer = [(0_usize, false); limits::TABLE_DEPTH];
    let mut depth = 0;
    let (mut position, mut end, mut keyed) = (0, raw.len(), true);
    let mut values = 0;
    loop {
        while position == end {
            if depth == 0 {
                return Ok(());
            }
            depth -= 1;
            (end, keyed) = outer.get(depth).copied().unwrap_or_default();
        }
        let mut reader = Reader::new(raw.get(position..end).unwrap_or_default());
        if keyed {
            reader.short_string()?;
        }
        values += 1;
        if values > values_max {
            return Err(Error::TableValues(values_max));
        }
        let letter = reader.u8()?;
        if matches!(letter, b'A' | b'F') {
            let inner = reader.long_bytes()?;
            // The outermost table is not on the stack, but counts.
            let slot = outer.get_mut(depth).filter(|_| depth + 1 < depth_max);
            *slot.ok_or(Error::TableDepth(depth_max))? = (end, keyed);
            depth += 1;
            end -= reader.rest().len();
            position = end - inner.len();
            keyed = letter == b'F';
        } else {
            skip_scalar(&mut reader, letter)?;
            position = end - reader.rest().len();
        }
    }
}

/// Passes over a value that holds no other values.
fn skip_scalar(reader: &mut Reader<'_>, letter: u8) -> Result<(), Error> {
    let bytes = match letter {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'L' | b'l' | b'd' | b'T' => 8,
        b'S' | b'x' => return reader.long_bytes().map(|_| ()),
        unknown => return Err(Error::FieldType(unknown)),
    };
    reader.bytes(bytes).map(|_| ())
}

/// Reads one value.
fn value<'a>(reader: &mut Reader<'a>) -> Result<Value<'a>, Error> {
    Ok(match reader.u8()? {
        b't' => Value::Bool(reader.u8()? != 0),
        b'b' => Value::Int(i64::from(i8::from_be_bytes(reader.array()?))),
        b'B' => Value::Int(i64::from(reader.u8()?)),
        b's' | b'U' => Value::Int(i64::from(i16::from_be_bytes(reader.array()?))),
        b'u' => Value::Int(i64::from(reader.u16()?)),
        b'I' => Value::Int(i64::from(i32::from_be_bytes(reader.array()?))),
        b'i' => Value::Int(i64::from(reader.u32()?)),
        // RabbitMQ reads both letters as signed.
        b'l' | b'L' => Value::Int(i64::from_be_bytes(reader.array()?)),
        b'f' => Value::Float(f64::from(f32::from_be_bytes(reader.array()?))),
        b'd' => Value::Float(f64::from_be_bytes(reader.array()?)),
        b'D' => Value::Decimal { scale: reader.u8()?, value: reader.u32()? },
        b'S' | b'x' => Value::Bytes(reader.long_bytes()?),
        b'T' => Value::Timestamp(reader.u64()?),
        b'A' => Value::Array(reader.long_bytes()?),
        b'F' => Value::Table(reader.long_bytes()?),
        b'V' => Value::Void,
        unknown => return Err(Error::FieldType(unknown)),
    })
}

#[cfg(test)]
mod tests;

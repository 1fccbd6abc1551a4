//! A header of the broker's own in the properties of a message that is on its way to a client.

use super::{Property, RESERVED_FLAGS};
use crate::reader::Reader;
use crate::{Error, FieldTable, table};

/// Appends the properties with a 64-bit number as one more header, in the place of one that the
/// message has by this name. Properties that are malformed are appended as they are.
pub fn put_with_long(output: &mut Vec<u8>, properties: &[u8], name: &str, value: i64) {
    let start = output.len();
    if put(output, properties, name, value).is_err() {
        output.truncate(start);
        output.extend_from_slice(properties);
    }
}

fn put(output: &mut Vec<u8>, properties: &[u8], name: &str, value: i64) -> Result<(), Error> {
    let mut reader = Reader::new(properties);
    let flags = reader.u16()?;
    if flags & RESERVED_FLAGS != 0 {
        return Err(Error::PropertyFlags(flags));
    }
    let values = reader.rest();
    for property in [Property::ContentType, Property::ContentEncoding] {
        if flags & property.flag() != 0 {
            property.take(&mut reader)?;
        }
    }
    let before = values.get(..values.len() - reader.rest().len()).unwrap_or_default();
    let raw = match flags & Property::Headers.flag() {
        0 => &[],
        _ => Property::Headers.take(&mut reader)?,
    };
    output.extend_from_slice(&(flags | Property::Headers.flag()).to_be_bytes());
    output.extend_from_slice(before);
    let without;
    let raw = match table::get(raw, name) {
        None => raw,
        Some(_) => {
            without = without_entry(raw, name)?;
            &without
        }
    };
    let name_bytes = u8::try_from(name.len()).map_err(|_| Error::Unparsable)?;
    let length = raw.len() + 1 + name.len() + 1 + 8;
    let length = u32::try_from(length).map_err(|_| Error::Unparsable)?;
    output.extend_from_slice(&length.to_be_bytes());
    output.extend_from_slice(raw);
    output.push(name_bytes);
    output.extend_from_slice(name.as_bytes());
    output.push(b'l');
    output.extend_from_slice(&value.to_be_bytes());
    output.extend_from_slice(reader.rest());
    Ok(())
}

fn without_entry(raw: &[u8], name: &str) -> Result<Vec<u8>, Error> {
    let mut rest = FieldTable::default();
    for (other, value) in &table::decode(raw)? {
        if other.as_str() != name {
            rest.insert(other.clone(), value.clone());
        }
    }
    Ok(table::encode(&rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldValue;
    use crate::properties::{Builder, check, headers};

    fn with_offset(properties: &[u8]) -> Vec<u8> {
        let mut output = vec![];
        put_with_long(&mut output, properties, "x-stream-offset", 7);
        check(&output).unwrap();
        output
    }

    fn entries(properties: &[u8]) -> Vec<(String, table::Value<'_>)> {
        let raw = headers(properties).unwrap();
        table::entries(raw).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn the_header_is_added_and_the_rest_stays() {
        let offset = ("x-stream-offset".to_owned(), table::Value::Int(7));
        assert_eq!(entries(&with_offset(&[0, 0])), std::slice::from_ref(&offset));

        let mut table = FieldTable::default();
        table.insert("a".into(), FieldValue::LongInt(1));
        table.insert("x-stream-offset".into(), FieldValue::LongString("mine".into()));
        let full = Builder::new()
            .set(Property::ContentType, "text/plain")
            .set(Property::Headers, table::encode(&table))
            .set(Property::DeliveryMode, [2])
            .set(Property::MessageId, "id")
            .build();
        let full = with_offset(&full);
        assert_eq!(entries(&full), [("a".to_owned(), table::Value::Int(1)), offset]);
        for (property, value) in [
            (Property::ContentType, &b"text/plain"[..]),
            (Property::DeliveryMode, &[2]),
            (Property::MessageId, b"id"),
        ] {
            assert_eq!(crate::properties::get(&full, property), Some(value));
        }
    }

    #[test]
    fn malformed_properties_stay_as_they_are() {
        let mut output = vec![];
        put_with_long(&mut output, &[0x20, 0, 9], "x", 1);
        assert_eq!(output, [0x20, 0, 9]);
    }
}

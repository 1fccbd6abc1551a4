//! Content-header properties, read in place.
//!
//! ```text
//! +-------+--------------------------------------------------+
//! | flags | values of the properties whose flag is set,      |
//! |  u16  | highest bit first                                |
//! +-------+--------------------------------------------------+
//! ```
//! Source: AMQP 0-9-1 section 4.2.6.1; the properties are those of class basic. Messages carry
//! these bytes from the publisher to the consumer unchanged.

mod header;

pub use header::put_with_long;

use crate::reader::Reader;
use crate::{Error, table};

/// A property of class basic. The discriminant is the bit of its flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Property {
    /// MIME type of the body.
    ContentType = 15,
    /// MIME encoding of the body.
    ContentEncoding = 14,
    /// The table of the application's headers.
    Headers = 13,
    /// 1 transient, 2 persistent.
    DeliveryMode = 12,
    /// 0 to 255, RabbitMQ caps it at the queue's maximum.
    Priority = 11,
    /// What a reply belongs to.
    CorrelationId = 10,
    /// Where a reply goes.
    ReplyTo = 9,
    /// Time to live in milliseconds, as decimal text.
    Expiration = 8,
    /// The application's message id.
    MessageId = 7,
    /// Seconds since 1970.
    Timestamp = 6,
    /// The application's message type.
    Type = 5,
    /// The user that published; the broker checks it.
    UserId = 4,
    /// The application that published.
    AppId = 3,
    /// Unused.
    ClusterId = 2,
}

/// All properties in the order of their values.
const PROPERTIES: [Property; 14] = [
    Property::ContentType,
    Property::ContentEncoding,
    Property::Headers,
    Property::DeliveryMode,
    Property::Priority,
    Property::CorrelationId,
    Property::ReplyTo,
    Property::Expiration,
    Property::MessageId,
    Property::Timestamp,
    Property::Type,
    Property::UserId,
    Property::AppId,
    Property::ClusterId,
];

/// Bit 0 announces more flags, which class basic does not have; bit 1 is unused.
const RESERVED_FLAGS: u16 = 0b11;

/// A message with no property at all.
pub const NONE: &[u8] = &[0, 0];

impl Property {
    /// The bit that says that the property is there.
    #[must_use]
    pub const fn flag(self) -> u16 {
        1 << (self as u8)
    }

    /// The next value in the list, which is this property's.
    #[inline]
    fn take<'a>(self, reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
        match self {
            Self::Headers => reader.long_bytes(),
            Self::DeliveryMode | Self::Priority => reader.bytes(1),
            Self::Timestamp => reader.bytes(8),
            Self::ContentType
            | Self::ContentEncoding
            | Self::CorrelationId
            | Self::ReplyTo
            | Self::Expiration
            | Self::MessageId
            | Self::Type
            | Self::UserId
            | Self::AppId
            | Self::ClusterId => reader.short_bytes(),
        }
    }
}

/// Checks flags and list: no unknown flag, every length within bounds, nothing behind the last
/// value, well-formed headers, UTF-8 in the texts that the broker itself reads.
///
/// Other texts may be any bytes: some clients put binary ids there, and the broker only passes
/// them on.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(properties: &[u8]) -> Result<(), Error> {
    if matches!(properties, [0, 0]) {
        return Ok(());
    }
    let mut reader = Reader::new(properties);
    let flags = reader.u16()?;
    if flags & RESERVED_FLAGS != 0 {
        return Err(Error::PropertyFlags(flags));
    }
    for property in PROPERTIES {
        if flags & property.flag() == 0 {
            continue;
        }
        let value = property.take(&mut reader)?;
        match property {
            Property::Headers => table::check(value)?,
            Property::ReplyTo | Property::Expiration | Property::UserId => {
                std::str::from_utf8(value).map_err(|_| Error::NotUtf8)?;
            }
            _ => {}
        }
    }
    reader.end()
}

/// The raw value of a property: without the length in front of texts and tables.
#[must_use]
pub fn get(properties: &[u8], wanted: Property) -> Option<&[u8]> {
    let mut reader = Reader::new(properties);
    let flags = reader.u16().ok()?;
    if flags & wanted.flag() == 0 {
        return None;
    }
    for property in PROPERTIES {
        if flags & property.flag() != 0 {
            let value = property.take(&mut reader).ok()?;
            if property == wanted {
                return Some(value);
            }
        }
    }
    None
}

/// A text property; None if it is absent or not UTF-8.
#[must_use]
pub fn text(properties: &[u8], wanted: Property) -> Option<&str> {
    std::str::from_utf8(get(properties, wanted)?).ok()
}

/// True if `delivery_mode` is 2.
#[must_use]
pub fn is_persistent(properties: &[u8]) -> bool {
    get(properties, Property::DeliveryMode) == Some(&[2])
}

/// The raw headers table, without its length.
#[must_use]
pub fn headers(properties: &[u8]) -> Option<&[u8]> {
    get(properties, Property::Headers)
}

/// The priority.
#[must_use]
pub fn priority(properties: &[u8]) -> Option<u8> {
    get(properties, Property::Priority)?.first().copied()
}

/// The timestamp, in seconds since 1970.
#[must_use]
pub fn timestamp(properties: &[u8]) -> Option<u64> {
    let bytes = get(properties, Property::Timestamp)?;
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The time to live as the publisher wrote it.
#[must_use]
pub fn expiration(properties: &[u8]) -> Option<&str> {
    text(properties, Property::Expiration)
}

/// The user that the publisher claims to be.
#[must_use]
pub fn user_id(properties: &[u8]) -> Option<&str> {
    text(properties, Property::UserId)
}

/// Where replies go.
#[must_use]
pub fn reply_to(properties: &[u8]) -> Option<&str> {
    text(properties, Property::ReplyTo)
}

/// The application's message id.
#[must_use]
pub fn message_id(properties: &[u8]) -> Option<&str> {
    text(properties, Property::MessageId)
}

/// What a reply belongs to.
#[must_use]
pub fn correlation_id(properties: &[u8]) -> Option<&str> {
    text(properties, Property::CorrelationId)
}

/// The same properties but for the headers, which become `headers` (a raw table), or go if it is
/// None. A length that no table may have leaves them out as well.
#[must_use]
pub fn with_headers(properties: &[u8], headers: Option<&[u8]>) -> Vec<u8> {
    replaced(properties, Property::Headers, headers)
}

/// The same properties without the expiration.
#[must_use]
pub fn without_expiration(properties: &[u8]) -> Vec<u8> {
    replaced(properties, Property::Expiration, None)
}

/// The same properties with one of them set to a raw value or removed. A value that does not fit
/// the property's length field is left out.
#[must_use]
pub fn replaced(properties: &[u8], wanted: Property, value: Option<&[u8]>) -> Vec<u8> {
    let mut builder = Builder::new();
    for property in PROPERTIES {
        let kept = if property == wanted { value } else { get(properties, property) };
        if let Some(bytes) = kept {
            builder = builder.set(property, bytes);
        }
    }
    builder.build()
}

/// Appends the same properties to `out`, with `headers` (a raw table) in the place of theirs, and
/// without the expiration if `expiration` is false. Malformed properties end early.
pub fn rewrite(properties: &[u8], headers: &[u8], expiration: bool, out: &mut Vec<u8>) {
    let mut reader = Reader::new(properties);
    let flags = reader.u16().unwrap_or_default();
    let start = out.len();
    let mut written = 0_u16;
    out.extend_from_slice(&written.to_be_bytes());
    for property in PROPERTIES {
        let before = reader.rest();
        let is_set = flags & property.flag() != 0;
        if is_set && property.take(&mut reader).is_err() {
            break;
        }
        if property == Property::Headers {
            let Ok(length) = u32::try_from(headers.len()) else { continue };
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(headers);
        } else if is_set && (expiration || property != Property::Expiration) {
            let bytes = before.len() - reader.rest().len();
            out.extend_from_slice(before.get(..bytes).unwrap_or_default());
        } else {
            continue;
        }
        written |= property.flag();
    }
    if let Some(place) = out.get_mut(start..start + 2) {
        place.copy_from_slice(&written.to_be_bytes());
    }
}

/// Builds raw properties.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    values: [Option<Vec<u8>>; 14],
}

impl Builder {
    /// No property is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property to its raw value, without the length in front.
    #[must_use]
    pub fn set(mut self, property: Property, value: impl AsRef<[u8]>) -> Self {
        let index = usize::from(Property::ContentType as u8 - property as u8);
        if let Some(slot) = self.values.get_mut(index) {
            *slot = Some(value.as_ref().to_vec());
        }
        self
    }

    /// The raw properties. Values that do not fit their property's length are left out.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut flags = 0;
        let mut list = Vec::new();
        for (property, value) in PROPERTIES.iter().zip(&self.values) {
            let Some(value) = value else { continue };
            match property {
                Property::Headers => {
                    let Ok(length) = u32::try_from(value.len()) else { continue };
                    list.extend_from_slice(&length.to_be_bytes());
                }
                Property::DeliveryMode | Property::Priority if value.len() == 1 => {}
                Property::Timestamp if value.len() == 8 => {}
                Property::DeliveryMode | Property::Priority | Property::Timestamp => continue,
                _ => {
                    let Ok(length) = u8::try_from(value.len()) else { continue };
                    list.push(length);
                }
            }
            flags |= property.flag();
            list.extend_from_slice(value);
        }
        let mut properties = u16::to_be_bytes(flags).to_vec();
        properties.append(&mut list);
        properties
    }
}

#[cfg(test)]
mod tests;

//! What the arguments of a stream and of its consumers ask for.

use warren_amqp::{FieldTable, FieldValue, properties, table};

use crate::arguments::{described_erlang, integer};
use crate::{Message, Milliseconds, Sequence, limits};

/// What a stream keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamSettings {
    /// Messages older than this may go, in milliseconds.
    pub(crate) max_age: Option<Milliseconds>,
    /// The oldest messages may go while all take more than this, in bytes.
    pub(crate) max_bytes: Option<u64>,
    /// The last segment never goes; this many bytes make a segment full.
    pub(crate) segment_bytes: u64,
}

impl Default for StreamSettings {
    fn default() -> Self {
        let segment_bytes = limits::STREAM_SEGMENT_BYTES;
        Self { max_age: None, max_bytes: None, segment_bytes }
    }
}

impl StreamSettings {
    /// Something may have to go.
    pub(crate) fn has_retention(&self) -> bool {
        self.max_age.is_some() || self.max_bytes.is_some()
    }
}

/// A time as `7D` or `12h`, in milliseconds: years, months of 30 days, days, hours, minutes or
/// seconds, and more than none of them.
pub(crate) fn interval(text: &[u8]) -> Option<Milliseconds> {
    let (unit, digits) = text.split_last()?;
    let seconds: u64 = match unit {
        b'Y' => 365 * 86_400,
        b'M' => 30 * 86_400,
        b'D' => 86_400,
        b'h' => 3_600,
        b'm' => 60,
        b's' => 1,
        _ => return None,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
    count.checked_mul(seconds * 1_000).filter(|time| *time > 0)
}

/// Where a consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest message.
    First,
    /// With the messages that came together last.
    Last,
    /// With what comes from now on.
    Next,
    /// With this place.
    Place(Sequence),
    /// With the first message that came at this time or later.
    Time(Milliseconds),
}

impl Start {
    /// Reads `x-stream-offset`. The error is what is wrong with it, as RabbitMQ writes it.
    pub(crate) fn of(arguments: &FieldTable, now: Milliseconds) -> Result<Self, String> {
        let Some(value) = arguments.inner().get("x-stream-offset") else { return Ok(Self::Next) };
        let text = match value {
            FieldValue::LongString(text) => Some(text.as_bytes()),
            FieldValue::ShortString(text) => Some(text.as_str().as_bytes()),
            FieldValue::ByteArray(bytes) => Some(bytes.as_slice()),
            _ => None,
        };
        let start = match (text, value) {
            (Some(b"first"), _) => Some(Self::First),
            (Some(b"last"), _) => Some(Self::Last),
            (Some(b"next"), _) => Some(Self::Next),
            (Some(text), _) => interval(text).map(|ago| Self::Time(now.saturating_sub(ago))),
            (None, FieldValue::Timestamp(at)) => Some(Self::Time(at.saturating_mul(1_000))),
            (None, value) => integer(value).map(|offset| {
                // Offsets count from 0, places from 1.
                Self::Place(u64::try_from(offset).unwrap_or(0) + 1)
            }),
        };
        start.ok_or_else(|| format!("{{invalid_stream_offset_arg,{}}}", described_erlang(value)))
    }
}

/// Which messages a consumer wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    values: Vec<Vec<u8>>,
    /// Those without a value as well.
    match_unfiltered: bool,
}

impl Filter {
    /// Reads `x-stream-filter` and `x-stream-match-unfiltered`. The error is the argument and what
    /// is wrong with it.
    pub(crate) fn of(arguments: &FieldTable) -> Result<Option<Self>, (&'static str, String)> {
        const FILTER: &str = "x-stream-filter";
        const UNFILTERED: &str = "x-stream-match-unfiltered";
        let wrong = |name, value: &FieldValue| {
            (name, format!("{{unacceptable_type,{}}}", crate::arguments::type_name(value)))
        };
        let match_unfiltered = match arguments.inner().get(UNFILTERED) {
            None => false,
            Some(FieldValue::Boolean(wanted)) => *wanted,
            Some(other) => return Err(wrong(UNFILTERED, other)),
        };
        let Some(value) = arguments.inner().get(FILTER) else { return Ok(None) };
        let text = |value: &FieldValue| match value {
            FieldValue::LongString(text) => Some(text.as_bytes().to_vec()),
            FieldValue::ShortString(text) => Some(text.as_str().as_bytes().to_vec()),
            _ => None,
        };
        let values = match value {
            FieldValue::FieldArray(list) => list.as_slice().iter().map(text).collect(),
            value => text(value).map(|value| vec![value]),
        };
        let values: Vec<Vec<u8>> = values.ok_or_else(|| wrong(FILTER, value))?;
        Ok(Some(Self { values, match_unfiltered }))
    }

    /// True if the consumer wants the message.
    pub(crate) fn matches(&self, message: &Message) -> bool {
        let headers = properties::headers(message.properties());
        match headers.and_then(|raw| table::get(raw, "x-stream-filter-value")) {
            Some(table::Value::Bytes(value)) => self.values.iter().any(|wanted| wanted == value),
            _ => self.match_unfiltered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_number_and_a_unit() {
        assert_eq!(interval(b"1h"), Some(3_600_000));
        assert_eq!(interval(b"10m"), Some(600_000));
        assert_eq!(interval(b"1M"), Some(30 * 86_400_000));
        for wrong in
            ["", "h", "1", "0s", "-1h", "+1h", "1.5h", "1hh", " 1h", "1x", "9999999999999999Y"]
        {
            assert_eq!(interval(wrong.as_bytes()), None, "{wrong}");
        }
    }
}

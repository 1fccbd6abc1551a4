//! The arguments that queues are declared with: what each means, how it is filled in and read.

use serde_json::{Value, json};

use crate::cell::Cell;
use crate::error::Error;
use crate::form::Field;
use crate::format::{bytes, duration, grouped};
use crate::value::plain;

/// An argument.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) help: &'static str,
    /// The types of queue that have it.
    kinds: &'static [&'static str],
    values: Values,
}

/// What it may be.
#[derive(Debug, Clone, Copy)]
enum Values {
    /// A time in milliseconds.
    Time,
    Number,
    Bytes,
    Text,
    Flag,
    /// A time as `7D`.
    Age,
    /// One of these: value, label.
    OneOf(&'static [(&'static str, &'static str)]),
}

const NOT_STREAMS: &[&str] = &["classic", "quorum"];
const ALL: &[&str] = &["classic", "quorum", "stream"];

const OVERFLOWS: &[(&str, &str)] = &[
    ("", "Not said: the oldest messages go"),
    ("drop-head", "The oldest messages go"),
    ("reject-publish", "New messages are refused"),
    ("reject-publish-dlx", "New messages are refused, and dead-lettered"),
];

const fn argument(
    name: &'static str,
    label: &'static str,
    values: Values,
    kinds: &'static [&'static str],
    help: &'static str,
) -> Argument {
    Argument { name, label, help, kinds, values }
}

/// All that people know, in the order of forms.
static ARGUMENTS: [Argument; 14] = [
    argument(
        "x-message-ttl",
        "Messages live for",
        Values::Time,
        NOT_STREAMS,
        "A message that waits longer expires: it is dropped, or dead-lettered.",
    ),
    argument(
        "x-expires",
        "The queue lives for",
        Values::Time,
        NOT_STREAMS,
        "It is deleted when nobody has used it for so long: no consumer, no fetch, no declaration.",
    ),
    argument(
        "x-max-length",
        "Most messages",
        Values::Number,
        NOT_STREAMS,
        "So many may wait. What becomes of more says the overflow.",
    ),
    argument(
        "x-max-length-bytes",
        "Most bytes",
        Values::Bytes,
        ALL,
        "The bodies of what waits may take so much. Of a stream, the oldest messages go beyond that.",
    ),
    argument(
        "x-overflow",
        "Overflow",
        Values::OneOf(OVERFLOWS),
        NOT_STREAMS,
        "What happens when the queue is full.",
    ),
    argument(
        "x-dead-letter-exchange",
        "Dead letter exchange",
        Values::Text,
        NOT_STREAMS,
        "Messages that expire, are rejected, come back too often or find no room are published to it.",
    ),
    argument(
        "x-dead-letter-routing-key",
        "Dead letter routing key",
        Values::Text,
        NOT_STREAMS,
        "Their routing key there. Without it they keep their own.",
    ),
    argument(
        "x-max-priority",
        "Priorities",
        Values::Number,
        &["classic"],
        "Messages with a higher priority are delivered first, up to this one: 1 to 255, mostly 10 or \
         less.",
    ),
    argument(
        "x-single-active-consumer",
        "One consumer at a time",
        Values::Flag,
        NOT_STREAMS,
        "Others wait until it goes. Messages are worked on in their order.",
    ),
    argument(
        "x-delivery-limit",
        "Deliveries of a message",
        Values::Number,
        &["quorum"],
        "A message that comes back more often is dropped, or dead-lettered. -1 is without a limit; 20 \
         if nothing is said.",
    ),
    argument(
        "x-consumer-timeout",
        "Time to acknowledge",
        Values::Time,
        ALL,
        "A consumer that does not acknowledge a message within this time loses its channel.",
    ),
    argument(
        "x-max-age",
        "Messages are kept for",
        Values::Age,
        &["stream"],
        "A number and a unit: Y, M, D, h, m or s, such as 7D. Older ones may go.",
    ),
    argument(
        "x-stream-max-segment-size-bytes",
        "Bytes of a segment",
        Values::Bytes,
        &["stream"],
        "Whole segments go when they are too old or too much.",
    ),
    argument("x-queue-type", "Type", Values::Text, ALL, "Classic, quorum or stream."),
];

/// Arguments that others have which have no field of their own, for rows of any arguments.
pub(super) const OTHERS: [(&str, &str); 3] = [
    (
        "x-queue-mode",
        "Taken and without an effect: messages are on disk anyway where they have to be",
    ),
    ("x-queue-version", "Taken and without an effect"),
    ("x-queue-leader-locator", "Taken and without an effect: there is one node"),
];

impl Argument {
    /// The argument of a name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ARGUMENTS.iter().find(|known| known.name == name)
    }

    /// Those of a type of queues, which itself is none of them.
    pub(super) fn of(kind: &str) -> impl Iterator<Item = &'static Self> {
        let has = move |it: &&Self| it.kinds.contains(&kind) && it.name != "x-queue-type";
        ARGUMENTS.iter().filter(has)
    }

    /// The field of a form, with what was filled in.
    pub(super) fn field(&self, filled: &str) -> Field {
        let help = match self.values {
            Values::Time => {
                format!("{} Milliseconds, or with a unit: 30s, 10m, 2h, 7d.", self.help)
            }
            Values::Bytes => format!("{} Bytes, or with a unit: 64KiB, 10MiB, 2GiB.", self.help),
            _ => self.help.to_owned(),
        };
        let field = match self.values {
            Values::Flag => Field::check(self.name, self.label, !filled.is_empty()),
            Values::OneOf(options) => {
                Field::choice(self.name, self.label, options.iter().copied(), filled)
            }
            Values::Number => Field::number(self.name, self.label, filled),
            Values::Time | Values::Bytes | Values::Text | Values::Age => {
                Field::text(self.name, self.label, filled)
            }
        };
        field.help(help)
    }

    /// What was filled in; nothing if nothing was.
    ///
    /// # Errors
    ///
    /// It is no such value.
    pub(super) fn read(&self, filled: &str) -> Result<Option<Value>, Error> {
        let text = filled.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = |what: &str| Error::wrong(format!("{}: {text:?} is no {what}.", self.label));
        let value = match self.values {
            Values::Time => json!(milliseconds(text).ok_or_else(|| wrong("time"))?),
            Values::Bytes => json!(size(text).ok_or_else(|| wrong("number of bytes"))?),
            Values::Number => {
                let number = text.replace(',', "").parse::<i64>();
                json!(number.map_err(|_| wrong("whole number"))?)
            }
            Values::Flag => json!(true),
            Values::Text | Values::Age | Values::OneOf(_) => json!(text),
        };
        Ok(Some(value))
    }

    /// A value as people read it.
    pub(super) fn shown(&self, value: &Value) -> Cell {
        match (self.values, value.as_u64()) {
            (Values::Time, Some(time)) => {
                Cell::Text(format!("{} ({} ms)", duration(time as f64 / 1000.0), grouped(time)))
            }
            (Values::Bytes, Some(size)) if size >= 1024 => {
                Cell::Text(format!("{} ({} bytes)", bytes(size), grouped(size)))
            }
            (Values::Bytes | Values::Number, Some(number)) => Cell::Text(grouped(number)),
            (Values::Flag, _) => value.as_bool().map_or(Cell::Nothing, Cell::yes),
            _ if value == "" => Cell::text("(empty)"),
            _ => Cell::Code(plain(value)),
        }
    }
}

/// The argument that says the same as a key of policies.
pub(super) fn by_policy(key: &str) -> Option<&'static Argument> {
    ARGUMENTS.iter().find(|known| known.name.strip_prefix("x-") == Some(key))
}

/// Digits and a unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim()))
}

/// A time: milliseconds, or with a unit.
fn milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Bytes, or with a unit.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, filled: &str) -> Value {
        Argument::named(name).unwrap().read(filled).unwrap().unwrap_or_default()
    }

    #[test]
    fn times_and_sizes_may_have_units() {
        for (filled, value) in
            [("250", 250), ("30s", 30_000), (" 10 min ", 600_000), ("2h", 7_200_000)]
        {
            assert_eq!(read("x-message-ttl", filled), json!(value), "{filled}");
        }
        for (filled, value) in [("100", 100_u64), ("64KiB", 65_536), ("2 GiB", 2 << 30)] {
            assert_eq!(read("x-max-length-bytes", filled), json!(value), "{filled}");
        }
        assert_eq!(read("x-max-length", "1,000"), json!(1000));
        assert_eq!(read("x-delivery-limit", "-1"), json!(-1));
        assert_eq!(read("x-expires", " "), Value::Null);
    }

    #[test]
    fn what_is_no_such_value_is_told_by_its_label() {
        for (name, filled, told) in [
            ("x-message-ttl", "soon", "Messages live for: \"soon\" is no time."),
            ("x-message-ttl", "5y", "Messages live for: \"5y\" is no time."),
            ("x-max-length", "many", "Most messages: \"many\" is no whole number."),
        ] {
            let error = Argument::named(name).unwrap().read(filled).unwrap_err();
            assert_eq!(error.to_string(), told);
        }
    }

    #[test]
    fn each_type_has_its_own_arguments() {
        let names = |kind| Argument::of(kind).map(|it| it.name).collect::<Vec<_>>();
        assert!(names("classic").contains(&"x-max-priority"));
        assert!(!names("quorum").contains(&"x-max-priority"));
        assert_eq!(
            names("stream"),
            [
                "x-max-length-bytes",
                "x-consumer-timeout",
                "x-max-age",
                "x-stream-max-segment-size-bytes"
            ]
        );
    }

    #[test]
    fn values_are_shown_with_their_units() {
        let shown = |key, value| by_policy(key).unwrap().shown(&value).as_text();
        assert_eq!(shown("message-ttl", json!(90_000)), "1 min 30 s (90,000 ms)");
        assert_eq!(shown("max-length-bytes", json!(1 << 20)), "1.00 MiB (1,048,576 bytes)");
        assert_eq!(shown("delivery-limit", json!(-1)), "-1");
    }
}

//! What the arguments of a queue's declaration ask for: checked when it is declared, with the texts
//! of RabbitMQ, and kept beside the queue in a form that costs nothing to look at.

use std::borrow::Cow;

use warren_amqp::{FieldTable, FieldValue};

use crate::arguments::{integer, type_name};
use crate::compatibility;
use crate::record::QueueRecord;
use crate::stream::arguments::{StreamSettings, interval};
use crate::{Error, limits};

/// The kinds of queue (`x-queue-type`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QueueType {
    /// What AMQP describes.
    #[default]
    Classic,
    /// The same, always durable, with a limit of deliveries.
    Quorum,
    /// A log that many consumers read, each at its own place.
    Stream,
}

impl QueueType {
    /// The value of `x-queue-type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }

    /// As RabbitMQ names it in refusals.
    pub(crate) fn internal_name(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
            Self::Stream => "rabbit_stream_queue",
        }
    }

    /// The type with this name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let kinds = [Self::Classic, Self::Quorum, Self::Stream];
        kinds.into_iter().find(|kind| kind.name().as_bytes() == name)
    }

    /// Known arguments that this type does not support.
    fn refused(self) -> &'static [&'static str] {
        match self {
            Self::Classic => &[
                "x-delivery-limit",
                "x-dead-letter-strategy",
                "x-max-in-memory-length",
                "x-max-in-memory-bytes",
                "x-quorum-initial-group-size",
                "x-max-age",
                "x-stream-max-segment-size-bytes",
                "x-initial-cluster-size",
            ],
            Self::Quorum => &[
                "x-max-priority",
                "x-queue-mode",
                "x-queue-version",
                "x-queue-master-locator",
                "x-max-age",
                "x-stream-max-segment-size-bytes",
                "x-initial-cluster-size",
            ],
            Self::Stream => &[
                "x-expires",
                "x-message-ttl",
                "x-dead-letter-exchange",
                "x-dead-letter-routing-key",
                "x-dead-letter-strategy",
                "x-max-length",
                "x-overflow",
                "x-max-priority",
                "x-single-active-consumer",
                "x-delivery-limit",
                "x-queue-mode",
                "x-queue-version",
                "x-queue-master-locator",
                "x-quorum-initial-group-size",
                "x-max-in-memory-length",
                "x-max-in-memory-bytes",
            ],
        }
    }
}

/// What happens to a message for which a queue has no room (`x-overflow`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// The oldest ones go.
    #[default]
    DropHead,
    /// The new one is refused.
    RejectPublish,
    /// The new one is refused, and dead-lettered.
    RejectPublishDeadLetter,
}

impl Overflow {
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"drop-head" => Some(Self::DropHead),
            b"reject-publish" => Some(Self::RejectPublish),
            b"reject-publish-dlx" => Some(Self::RejectPublishDeadLetter),
            _ => None,
        }
    }
}

/// Where messages go that a queue gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) exchange: String,
    /// In the place of the message's own.
    pub(crate) routing_key: Option<String>,
}

/// What a queue is to do beyond keeping messages in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueueSettings {
    pub(crate) kind: QueueType,
    /// In milliseconds.
    pub(crate) message_ttl: Option<u64>,
    /// The queue goes when it was not used for so long, in milliseconds.
    pub(crate) expires: Option<u64>,
    pub(crate) dead_letter: Option<DeadLetter>,
    /// In messages that are ready.
    pub(crate) max_length: Option<u64>,
    /// In bytes of bodies that are ready.
    pub(crate) max_length_bytes: Option<u64>,
    pub(crate) overflow: Overflow,
    /// `None` if the queue knows no priorities.
    pub(crate) max_priority: Option<u8>,
    pub(crate) single_active_consumer: bool,
    /// How often a message may come back before it is given up; `None` is for ever.
    pub(crate) delivery_limit: Option<u32>,
    /// How long a delivery may stay unacknowledged, in milliseconds, where the queue says so.
    pub(crate) consumer_timeout: Option<u64>,
    /// The queue is a stream, and this is what it keeps.
    pub(crate) stream: Option<Box<StreamSettings>>,
}

/// The argument that is wrong, and what is wrong with it as RabbitMQ writes it.
pub(crate) type Problem = (&'static str, String);

const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";

impl QueueSettings {
    /// Reads the arguments of a declaration, and refuses those that RabbitMQ refuses: first values
    /// that are wrong, then arguments that the type does not have, whatever their values, and last
    /// what is not an argument.
    pub(crate) fn declared(record: &QueueRecord, vhost: &str) -> Result<Self, Error> {
        let named = || (record.name.clone(), vhost.to_owned());
        let exchange = record.arguments.inner().get(DEAD_LETTER_EXCHANGE);
        if let Some(value) = exchange.filter(|value| !is_string(value)) {
            let (name, vhost) = named();
            let (argument, received) = (DEAD_LETTER_EXCHANGE, type_name(value));
            return Err(Error::InvalidArgumentType { received, argument, name, vhost });
        }
        let settings = Self::read(&record.arguments).map_err(|(argument, problem)| {
            let (name, vhost) = named();
            Error::InvalidArgument { argument, kind: "queue", name, vhost, problem }
        })?;
        let refused = settings.kind.refused().iter();
        if let Some(argument) = refused.copied().find(|name| record.arguments.contains_key(name)) {
            let (name, vhost) = named();
            let queue_type = settings.kind.internal_name();
            return Err(Error::UnsupportedArgument { argument, name, vhost, queue_type });
        }
        if settings.kind != QueueType::Classic {
            let wrong = [
                (record.auto_delete, "auto-delete"),
                (record.exclusive, "exclusive-owner"),
                (!record.durable, "non-durable"),
            ];
            if let Some((_, property)) = wrong.into_iter().find(|(is_so, _)| *is_so) {
                let (name, vhost) = named();
                return Err(Error::InvalidProperty { property, name, vhost });
            }
        }
        let segment_bytes = settings.stream.as_ref().map_or(0, |stream| stream.segment_bytes);
        if segment_bytes > limits::STREAM_SEGMENT_BYTES_MAX {
            return Err(Error::SegmentTooLarge);
        }
        Ok(settings)
    }

    /// The settings of a queue that was declared before. What no declaration allows any more has no
    /// effect, as the queue has to go on.
    pub(crate) fn recovered(record: &QueueRecord) -> Self {
        let mut settings = Self::read(&record.arguments).unwrap_or_default();
        if !record.durable || record.exclusive || record.auto_delete {
            settings.stream = None;
        }
        settings
    }

    /// It is said how much may be ready.
    pub(crate) fn has_limits(&self) -> bool {
        self.kind != QueueType::Stream
            && (self.max_length.is_some() || self.max_length_bytes.is_some())
    }

    fn read(arguments: &FieldTable) -> Result<Self, Problem> {
        let kind = queue_type(arguments)?;
        let supported = supported(arguments, kind);
        let arguments = supported.as_ref();
        let expires = duration(arguments, "x-expires", 1)?;
        let message_ttl = duration(arguments, "x-message-ttl", 0)?;
        let dead_letter = dead_letter(arguments)?;
        one_of(
            arguments,
            "x-dead-letter-strategy",
            &["at-most-once", "at-least-once"],
            "invalid_dlx_strategy",
        )?;
        let default_limit = match kind {
            QueueType::Quorum => Some(limits::QUORUM_DELIVERY_LIMIT),
            _ => None,
        };
        let settings = Self {
            kind,
            message_ttl,
            expires,
            dead_letter,
            max_length: not_negative(arguments, "x-max-length")?,
            max_length_bytes: not_negative(arguments, "x-max-length-bytes")?
                .filter(|_| kind != QueueType::Stream),
            max_priority: max_priority(arguments)?,
            overflow: overflow(arguments)?,
            single_active_consumer: boolean(arguments, "x-single-active-consumer")?,
            delivery_limit: match number(arguments, "x-delivery-limit")? {
                None => default_limit,
                // -1 switches the limit off.
                Some(limit) => u32::try_from(limit).ok(),
            },
            consumer_timeout: duration(arguments, "x-consumer-timeout", 1)?,
            stream: stream(arguments, kind)?,
        };
        compatibility::check(arguments)?;
        Ok(settings)
    }
}

fn stream(arguments: &FieldTable, kind: QueueType) -> Result<Option<Box<StreamSettings>>, Problem> {
    const AGE: &str = "x-max-age";
    let segment_bytes = not_negative(arguments, "x-stream-max-segment-size-bytes")?;
    let max_age = match string(arguments, AGE)? {
        None => None,
        Some(text) => match interval(text) {
            Some(age) => Some(age),
            None => return Err((AGE, "invalid_max_age".to_owned())),
        },
    };
    let settings = StreamSettings {
        max_age,
        max_bytes: not_negative(arguments, "x-max-length-bytes")?,
        segment_bytes: segment_bytes.unwrap_or(limits::STREAM_SEGMENT_BYTES),
    };
    Ok((kind == QueueType::Stream).then(|| Box::new(settings)))
}

/// The arguments without those that a type does not have: their values do not matter.
fn supported(arguments: &FieldTable, kind: QueueType) -> Cow<'_, FieldTable> {
    let refused = kind.refused();
    if !refused.iter().any(|name| arguments.contains_key(name)) {
        return Cow::Borrowed(arguments);
    }
    let mut left = FieldTable::default();
    for (name, value) in arguments.inner() {
        if !refused.contains(&name.as_str()) {
            left.insert(name.clone(), value.clone());
        }
    }
    Cow::Owned(left)
}

fn is_string(value: &FieldValue) -> bool {
    matches!(value, FieldValue::LongString(_) | FieldValue::ShortString(_))
}

pub(crate) fn number(arguments: &FieldTable, name: &'static str) -> Result<Option<i64>, Problem> {
    let Some(value) = arguments.inner().get(name) else { return Ok(None) };
    let wrong = || (name, format!("\"expected integer, got {}\"", type_name(value)));
    integer(value).map(Some).ok_or_else(wrong)
}

pub(crate) fn not_negative(
    arguments: &FieldTable,
    name: &'static str,
) -> Result<Option<u64>, Problem> {
    let Some(value) = number(arguments, name)? else { return Ok(None) };
    u64::try_from(value).map(Some).map_err(|_| (name, format!("{{value_negative,{value}}}")))
}

fn duration(
    arguments: &FieldTable,
    name: &'static str,
    least: u64,
) -> Result<Option<u64>, Problem> {
    match not_negative(arguments, name)? {
        Some(value) if value < least => Err((name, format!("{{value_zero,{value}}}"))),
        Some(value) if value > limits::DURATION_MS_MAX => {
            Err((name, format!("{{value_too_large,{value}}}")))
        }
        value => Ok(value),
    }
}

fn max_priority(arguments: &FieldTable) -> Result<Option<u8>, Problem> {
    const NAME: &str = "x-max-priority";
    let Some(value) = not_negative(arguments, NAME)? else { return Ok(None) };
    u8::try_from(value).map(Some).map_err(|_| (NAME, format!("{{max_value_exceeded,{value}}}")))
}

fn boolean(arguments: &FieldTable, name: &'static str) -> Result<bool, Problem> {
    match arguments.inner().get(name) {
        None => Ok(false),
        Some(FieldValue::Boolean(value)) => Ok(*value),
        Some(other) => Err((name, format!("{{unacceptable_type,{}}}", type_name(other)))),
    }
}

pub(crate) fn string<'a>(
    arguments: &'a FieldTable,
    name: &'static str,
) -> Result<Option<&'a [u8]>, Problem> {
    match arguments.inner().get(name) {
        None => Ok(None),
        Some(FieldValue::LongString(value)) => Ok(Some(value.as_bytes())),
        Some(FieldValue::ShortString(value)) => Ok(Some(value.as_str().as_bytes())),
        Some(other) => Err((name, format!("{{unacceptable_type,{}}}", type_name(other)))),
    }
}

pub(crate) fn one_of(
    arguments: &FieldTable,
    name: &'static str,
    values: &[&str],
    problem: &str,
) -> Result<(), Problem> {
    match string(arguments, name)? {
        Some(value) if !values.iter().any(|known| known.as_bytes() == value) => {
            Err((name, problem.to_owned()))
        }
        _ => Ok(()),
    }
}

fn queue_type(arguments: &FieldTable) -> Result<QueueType, Problem> {
    const NAME: &str = "x-queue-type";
    let Some(value) = string(arguments, NAME)? else { return Ok(QueueType::Classic) };
    QueueType::from_name(value).ok_or_else(|| {
        let value = String::from_utf8_lossy(value);
        (NAME, format!("\"unsupported queue type '{value}'\""))
    })
}

fn overflow(arguments: &FieldTable) -> Result<Overflow, Problem> {
    const NAME: &str = "x-overflow";
    match string(arguments, NAME)? {
        None => Ok(Overflow::DropHead),
        Some(name) => {
            Overflow::from_name(name).ok_or_else(|| (NAME, "invalid_overflow".to_owned()))
        }
    }
}

fn dead_letter(arguments: &FieldTable) -> Result<Option<DeadLetter>, Problem> {
    const KEY: &str = "x-dead-letter-routing-key";
    let exchange = text(arguments, DEAD_LETTER_EXCHANGE)?;
    let routing_key = text(arguments, KEY)?;
    match (exchange, routing_key) {
        (None, Some(_)) => Err((KEY, "routing_key_but_no_dlx_defined".to_owned())),
        (None, None) => Ok(None),
        (Some(exchange), routing_key) => Ok(Some(DeadLetter { exchange, routing_key })),
    }
}

fn text(arguments: &FieldTable, name: &'static str) -> Result<Option<String>, Problem> {
    let value = string(arguments, name)?;
    Ok(value.map(|value| String::from_utf8_lossy(value).into_owned()))
}

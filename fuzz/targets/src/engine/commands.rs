//! A command out of bytes. Names are few, so that commands meet each other.

use std::sync::Arc;

use arbitrary::{Error, Result, Unstructured};
use warren_amqp::properties::{Builder, Property};
use warren_amqp::{FieldTable, FieldValue, table};
use warren_engine::{
    Access, Acknowledgement, Command, ConsumeRequest, Declaration, Destination, MessageBatch,
    Permission, PublishBatch, Request, SessionId, TopicPermission,
};

const QUEUES: [&str; 6] = ["a", "b", "c", "d", "", "amq.x"];
const EXCHANGES: [&str; 8] = ["x", "y", "z", "amq.topic", "amq.match", "amq.fanout", "", "none"];
const KINDS: [&str; 5] = ["topic", "direct", "fanout", "headers", "other"];
const KEYS: [&str; 7] = ["a", "b", "k", "k.l", "#", "k.*", ""];
const PATTERNS: [&str; 6] = [".*", ".*", "^[a-c]$", "^(?!b)", "x|k", ""];
const TAGS: [&str; 3] = ["t", "u", "v"];
/// Two of these fill an outbox.
const LARGE_BODY_BYTES: usize = 1_100_000;

/// One of three sessions.
pub(super) fn session(bytes: &mut Unstructured<'_>) -> Result<SessionId> {
    Ok(SessionId(bytes.int_in_range(1..=3)?))
}

/// Any command but those that are about what is around the virtual host.
pub(super) fn command(bytes: &mut Unstructured<'_>) -> Result<Command> {
    let session = session(bytes)?;
    let channel = bytes.int_in_range(1..=2)?;
    let request = |request| Command::Request { session, channel, request };
    Ok(match bytes.int_in_range(0..=39_u8)? {
        0 => Command::CloseSession { session, reply: bytes.arbitrary()? },
        1..=2 => Command::OpenSession { session, access: Arc::new(Access::everything("u")) },
        3..=6 => request(Request::ChannelOpen),
        7 => request(Request::ChannelClose),
        8..=17 => Command::Publish(publishes(session, bytes)?),
        18..=22 => Command::Acknowledge { session, acknowledgements: acknowledgements(bytes)? },
        23..=30 => request(topology(bytes)?),
        39 => Command::SetAccess { session, access: access(bytes)? },
        _ => request(consuming(bytes)?),
    })
}

/// Mostly everything, so that the rest is reached.
fn access(bytes: &mut Unstructured<'_>) -> Result<Arc<Access>> {
    if bytes.ratio(2, 3)? {
        return Ok(Arc::new(Access::everything("u")));
    }
    let mut pattern = || name(&PATTERNS, bytes);
    let permission = Permission { configure: pattern()?, write: pattern()?, read: pattern()? };
    let (write, read) = (pattern()?, pattern()?);
    let topics = [TopicPermission { exchange: "amq.topic".to_owned(), write, read }];
    let access = Access::from_patterns("u", "/", None, &permission, &topics);
    access.map(Arc::new).map_err(|_| Error::IncorrectFormat)
}

fn name(names: &[&str], bytes: &mut Unstructured<'_>) -> Result<String> {
    bytes.choose(names).map(|name| (*name).to_owned())
}

fn publishes(session: SessionId, bytes: &mut Unstructured<'_>) -> Result<PublishBatch> {
    let mut batch = MessageBatch::default();
    let mut publishes = vec![];
    for _ in 0..bytes.int_in_range(1..=4_u8)? {
        let flags: u8 = bytes.arbitrary()?;
        let mut properties = Builder::new();
        if flags & 1 == 1 {
            properties = properties.set(Property::DeliveryMode, [2]);
        }
        if flags & 6 == 6 {
            properties = properties.set(Property::Headers, table::encode(&arguments(bytes)?));
        }
        let body = match flags >> 3 & 15 {
            0 if bytes.ratio(1, 16)? => vec![b'.'; LARGE_BODY_BYTES],
            length => vec![b'.'; usize::from(length) * 10],
        };
        let exchange = if flags & 8 == 8 { "" } else { bytes.choose(&EXCHANGES)? };
        batch.push(exchange, bytes.choose(&KEYS)?, &properties.build(), &body);
        publishes.push((bytes.int_in_range(1..=2)?, flags & 128 == 128));
    }
    Ok(PublishBatch { session, messages: Arc::new(batch), publishes, to: None })
}

/// Mostly a tag that is likely to be there.
fn tag(bytes: &mut Unstructured<'_>) -> Result<u64> {
    let tag = bytes.int_in_range(0..=30)?;
    Ok(if tag == 30 { u64::MAX } else { tag })
}

fn acknowledgements(bytes: &mut Unstructured<'_>) -> Result<Vec<Acknowledgement>> {
    let mut list = vec![];
    for _ in 0..bytes.int_in_range(1..=3_u8)? {
        let channel = bytes.int_in_range(1..=2)?;
        list.push(Acknowledgement {
            channel,
            delivery_tag: tag(bytes)?,
            multiple: bytes.arbitrary()?,
        });
    }
    Ok(list)
}

fn arguments(bytes: &mut Unstructured<'_>) -> Result<FieldTable> {
    let mut table = FieldTable::default();
    let choice: u8 = bytes.arbitrary()?;
    let entries = [
        (1, "h", FieldValue::LongInt(1)),
        (2, "i", FieldValue::LongInt(2)),
        (4, "x-match", FieldValue::LongString("any".into())),
        (24, "x-max-length", FieldValue::LongInt(5)),
        (40, "x-match", FieldValue::Boolean(true)),
    ];
    for (bits, name, value) in entries {
        if choice & bits == bits {
            table.insert(name.into(), value);
        }
    }
    Ok(table)
}

fn declaration(bytes: &mut Unstructured<'_>) -> Result<Declaration> {
    let flags: u8 = bytes.arbitrary()?;
    Ok(Declaration {
        durable: flags & 1 == 1,
        no_wait: flags & 2 == 2,
        auto_delete: flags & 12 == 12,
        exclusive: flags & 48 == 48,
        passive: flags & 192 == 192,
        internal: flags & 160 == 160,
    })
}

fn topology(bytes: &mut Unstructured<'_>) -> Result<Request> {
    Ok(match bytes.int_in_range(0..=9_u8)? {
        0..=2 => Request::QueueDeclare {
            name: name(&QUEUES, bytes)?,
            generated: bytes.ratio(1, 16)?,
            declaration: declaration(bytes)?,
            arguments: if bytes.ratio(1, 8)? { arguments(bytes)? } else { FieldTable::default() },
        },
        3 => Request::ExchangeDeclare {
            name: name(&EXCHANGES, bytes)?,
            kind: name(&KINDS, bytes)?,
            declaration: declaration(bytes)?,
            arguments: FieldTable::default(),
        },
        4 => Request::ExchangeDelete {
            name: name(&EXCHANGES, bytes)?,
            if_unused: bytes.arbitrary()?,
            no_wait: bytes.arbitrary()?,
        },
        5 => Request::QueueDelete {
            name: name(&QUEUES, bytes)?,
            if_unused: bytes.arbitrary()?,
            if_empty: bytes.arbitrary()?,
            no_wait: bytes.arbitrary()?,
        },
        6 => Request::QueuePurge { name: name(&QUEUES, bytes)?, no_wait: bytes.arbitrary()? },
        rest => {
            let destination = match bytes.ratio(1, 3)? {
                true => Destination::Exchange(name(&EXCHANGES, bytes)?),
                false => Destination::Queue(name(&QUEUES, bytes)?),
            };
            let (source, routing_key) = (name(&EXCHANGES, bytes)?, name(&KEYS, bytes)?);
            let arguments = arguments(bytes)?;
            let no_wait = bytes.arbitrary()?;
            match rest {
                7 => Request::Unbind { source, destination, routing_key, arguments, no_wait },
                _ => Request::Bind { source, destination, routing_key, arguments, no_wait },
            }
        }
    })
}

fn consuming(bytes: &mut Unstructured<'_>) -> Result<Request> {
    Ok(match bytes.int_in_range(0..=13_u8)? {
        0..=3 => Request::Consume(ConsumeRequest {
            queue: name(&QUEUES, bytes)?,
            consumer_tag: name(&TAGS, bytes)?,
            no_ack: bytes.arbitrary()?,
            exclusive: bytes.ratio(1, 8)?,
            no_wait: bytes.arbitrary()?,
            arguments: FieldTable::default(),
        }),
        4 => Request::Cancel { consumer_tag: name(&TAGS, bytes)?, no_wait: bytes.arbitrary()? },
        5 => {
            Request::Qos { prefetch_count: bytes.int_in_range(0..=4)?, global: bytes.arbitrary()? }
        }
        6..=7 => Request::Get { queue: name(&QUEUES, bytes)?, no_ack: bytes.arbitrary()? },
        8..=9 => Request::Nack {
            delivery_tag: tag(bytes)?,
            multiple: bytes.arbitrary()?,
            requeue: bytes.arbitrary()?,
            reject: false,
        },
        10 => Request::Recover { requeue: bytes.arbitrary()?, no_wait: bytes.arbitrary()? },
        11 => [Request::TxSelect, Request::TxCommit, Request::TxCommit, Request::TxRollback]
            .get(bytes.int_in_range(0..=3)?)
            .cloned()
            .unwrap_or(Request::TxSelect),
        12 => {
            let consumer_tag = name(&TAGS, bytes)?;
            // A name that is no secret: the fuzzer is to find it.
            let name = format!("amq.rabbitmq.reply-to.{consumer_tag}");
            Request::ConsumeReplies { consumer_tag, no_ack: true, no_wait: false, name }
        }
        _ if bytes.ratio(1, 4)? => Request::ChannelFail("too large".to_owned()),
        _ => Request::ConfirmSelect { no_wait: bytes.arbitrary()? },
    })
}

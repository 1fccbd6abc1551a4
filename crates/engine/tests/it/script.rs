//! Commands as lines of text.
//!
//! A line is words apart by spaces and may end with `on s2.1`: session 2, channel 1; without it,
//! it is about `s1.1`. `''` is an empty name. `name=value` is an entry of a table; `5` is a signed
//! 32-bit number, `5:long` and the like are other widths, `1.5` is a double, `@9` a timestamp,
//! `void` has no value, `[a,b]` is an array, all else is text. A body `*1000` is a thousand bytes,
//! `p5` behind it the priority 5, and `expiration:50` the expiration of 50 ms.

use std::sync::Arc;

use warren_amqp::properties::{Builder, Property};
use warren_amqp::{FieldTable, FieldValue, table};
use warren_engine::{
    Access, Acknowledgement, ApplyTo, Command, ConsumeRequest, Declaration, Definition,
    Destination, MessageBatch, Milliseconds, Permission, Place, PolicyRecord, PolicyValue,
    PublishBatch, Request, SessionId, TopicPermission,
};

pub(crate) type At = (SessionId, u16);

/// `s2.1`, or `s2` for its channel 0, which is none.
pub(crate) fn parse_at(word: &str) -> At {
    let numbers = word.strip_prefix('s').unwrap_or_else(|| panic!("no session: {word}"));
    let (session, channel) = numbers.split_once('.').unwrap_or((numbers, "0"));
    (SessionId(session.parse().unwrap()), channel.parse().unwrap())
}

/// A line's words and where it is about.
fn split(line: &str) -> (Vec<&str>, At) {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let at = match words.as_slice() {
        [.., "on", at] => parse_at(at),
        _ => return (words, (SessionId(1), 1)),
    };
    words.truncate(words.len() - 2);
    (words, at)
}

/// The words behind the fixed ones of a line: flags and table entries, each used up when asked
/// for, so that a word that nobody asked for is found.
struct Rest<'a>(Vec<&'a str>);

impl<'a> Rest<'a> {
    fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| *word != name);
        self.0.len() < before
    }

    /// What follows on `name` in a word.
    fn word(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|word| word.starts_with(name))?;
        self.0.remove(at).strip_prefix(name)
    }

    /// `p5` is priority 5.
    fn priority(&mut self) -> Option<u8> {
        let priority = |word: &str| word.strip_prefix('p')?.parse().ok();
        let found = self.0.iter().find_map(|word| priority(word));
        self.0.retain(|word| priority(word).is_none());
        found
    }

    fn table(&mut self) -> FieldTable {
        let mut table = FieldTable::default();
        self.0.retain(|word| {
            let Some((name, text)) = word.split_once('=') else { return true };
            table.insert(name.into(), value(text));
            false
        });
        table
    }

    fn done(self, line: &str) {
        assert!(self.0.is_empty(), "what is {:?} in {line:?}?", self.0);
    }
}

fn value(text: &str) -> FieldValue {
    let (digits, width) = text.split_once(':').unwrap_or((text, ""));
    if let Ok(number) = digits.parse::<i32>() {
        return match width {
            "byte" => FieldValue::ShortShortInt(number as i8),
            "unsignedbyte" => FieldValue::ShortShortUInt(number as u8),
            "short" => FieldValue::ShortInt(number as i16),
            "unsignedshort" => FieldValue::ShortUInt(number as u16),
            "unsignedint" => FieldValue::LongUInt(number as u32),
            "long" => FieldValue::LongLongInt(i64::from(number)),
            _ => FieldValue::LongInt(number),
        };
    }
    if let Ok(number) = digits.parse::<f64>() {
        return match width {
            "float" => FieldValue::Float(number as f32),
            _ => FieldValue::Double(number),
        };
    }
    if let Some(elements) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let elements = elements.split(',').filter(|element| !element.is_empty());
        return FieldValue::FieldArray(elements.map(value).collect::<Vec<_>>().into());
    }
    match (text, text.strip_prefix('@')) {
        ("true", _) => FieldValue::Boolean(true),
        ("false", _) => FieldValue::Boolean(false),
        ("void", _) => FieldValue::Void,
        _ if text.contains(',') => {
            let texts = text.split(',').map(|text| FieldValue::LongString(text.as_bytes().into()));
            FieldValue::FieldArray(texts.collect::<Vec<_>>().into())
        }
        (_, Some(seconds)) => FieldValue::Timestamp(seconds.parse().unwrap()),
        _ => FieldValue::LongString(name(text).into_bytes().into()),
    }
}

fn name(word: &str) -> String {
    word.trim_matches('\'').to_owned()
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word:?} is no number"))
}

/// What a user may do: `everything`, or `user=joe configure=^a write=.* topic=x,^a,^b`; what is not
/// said is nothing. A topic is an exchange, and the keys to publish and to bind with.
pub(crate) fn access(words: &[&str]) -> Access {
    let mut user = "guest";
    let mut permission =
        Permission { configure: String::new(), write: String::new(), read: String::new() };
    let mut topics = vec![];
    for word in words {
        let (key, text) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "everything" => return Access::everything(user),
            "user" => user = text,
            "configure" => permission.configure = text.to_owned(),
            "write" => permission.write = text.to_owned(),
            "read" => permission.read = text.to_owned(),
            "topic" => {
                let parts: Vec<_> = text.split(',').map(str::to_owned).collect();
                let [exchange, write, read] = parts.try_into().unwrap();
                topics.push(TopicPermission { exchange, write, read });
            }
            _ => panic!("what is {word:?}?"),
        }
    }
    Access::from_patterns(user, "/", None, &permission, &topics).unwrap()
}

/// A policy: `^q priority=1 apply=queues max-length=5`, its pattern first.
pub(crate) fn policy(policy: &str, words: &[&str]) -> PolicyRecord {
    let (pattern, rest) = words.split_first().unwrap();
    let mut record = PolicyRecord {
        name: policy.to_owned(),
        pattern: name(pattern),
        apply_to: ApplyTo::All,
        priority: 0,
        definition: Definition::new(),
    };
    for word in rest {
        let (key, text) = word.split_once('=').unwrap();
        match key {
            "priority" => record.priority = number(text),
            "apply" => record.apply_to = ApplyTo::from_name(text).unwrap(),
            _ => {
                let value = text
                    .parse()
                    .map_or_else(|_| PolicyValue::Text(name(text)), PolicyValue::Number);
                record.definition.insert(key.to_owned(), value);
            }
        }
    }
    record
}

/// The command that a line stands for.
pub(crate) fn parse(line: &str, now: Milliseconds) -> Command {
    if line.starts_with("publish ") {
        return Command::Publish(publish_batch(line, now));
    }
    let (words, (session, channel)) = split(line);
    let close = |at: &&str, reply: bool| match parse_at(at) {
        (session, 0) => Command::CloseSession { session, reply },
        (session, channel) => Command::Request { session, channel, request: Request::ChannelClose },
    };
    match words.as_slice() {
        ["fail"] => {
            let request = Request::ChannelFail("too large".to_owned());
            return Command::Request { session, channel, request };
        }
        ["close", at] => return close(at, true),
        ["lose", at] => return close(at, false),
        ["ack", ..] => {
            let acknowledgements = words.split(|word| *word == "|").map(|part| Acknowledgement {
                channel,
                delivery_tag: number(part[1]),
                multiple: part.contains(&"multiple"),
            });
            return Command::Acknowledge { session, acknowledgements: acknowledgements.collect() };
        }
        _ => {}
    }
    let request = topology_request(&words, line)
        .or_else(|| binding_request(&words, line))
        .or_else(|| message_request(&words, line))
        .unwrap_or_else(|| panic!("no command: {line:?}"));
    Command::Request { session, channel, request }
}

fn publish_batch(line: &str, now: Milliseconds) -> PublishBatch {
    let mut batch = MessageBatch::default().at(now);
    let mut publishes = vec![];
    let (mut publisher, mut to) = (None, None);
    for part in line["publish ".len()..].split('|') {
        let (words, (session, channel)) = split(part);
        let [exchange, key, body, ..] = words.as_slice() else { panic!("no message: {part:?}") };
        let mut rest = Rest(words[3..].to_vec());
        let headers = rest.table();
        let mut properties = Builder::new();
        if headers != FieldTable::default() {
            properties = properties.set(Property::Headers, table::encode(&headers));
        }
        if let Some(priority) = rest.priority() {
            properties = properties.set(Property::Priority, [priority]);
        }
        if rest.flag("persistent") {
            properties = properties.set(Property::DeliveryMode, [2]);
        }
        if let Some(text) = rest.word("expiration:") {
            properties = properties.set(Property::Expiration, text);
        }
        // A message that came at a time of its own, as `time:N`.
        let time = words.iter().find_map(|word| word.strip_prefix("time:"));
        rest.0.retain(|word| !word.starts_with("time:"));
        if let Some(time) = time {
            batch = batch.at(number(time));
        }
        // Past the exchanges, as `into:q`.
        to = rest.word("into:").or(to);
        publishes.push((channel, rest.flag("mandatory")));
        rest.done(part);
        let body = match body.strip_prefix('*') {
            Some(length) => vec![b'.'; number(length)],
            None => body.as_bytes().to_vec(),
        };
        batch.push(name(exchange), name(key), &properties.build(), &body);
        publisher = Some(session);
    }
    let messages = Arc::new(batch);
    PublishBatch { session: publisher.unwrap(), messages, publishes, to: to.map(str::to_owned) }
}

fn declaration(rest: &mut Rest<'_>) -> Declaration {
    Declaration {
        passive: rest.flag("passive"),
        durable: rest.flag("durable"),
        auto_delete: rest.flag("auto_delete"),
        exclusive: rest.flag("exclusive"),
        internal: rest.flag("internal"),
        no_wait: rest.flag("no_wait"),
    }
}

fn topology_request(words: &[&str], line: &str) -> Option<Request> {
    let rest = |from: usize| Rest(words[from..].to_vec());
    let (request, rest) = match words {
        ["declare", "queue", queue, ..] => {
            let mut rest = rest(3);
            let request = Request::QueueDeclare {
                name: name(queue),
                generated: rest.flag("generated"),
                declaration: declaration(&mut rest),
                arguments: rest.table(),
            };
            (request, rest)
        }
        ["declare", "exchange", exchange, kind, ..] => {
            let mut rest = rest(4);
            let request = Request::ExchangeDeclare {
                name: name(exchange),
                kind: name(kind),
                declaration: declaration(&mut rest),
                arguments: rest.table(),
            };
            (request, rest)
        }
        ["delete", "queue", queue, ..] => {
            let mut rest = rest(3);
            let request = Request::QueueDelete {
                name: name(queue),
                if_unused: rest.flag("if_unused"),
                if_empty: rest.flag("if_empty"),
                no_wait: rest.flag("no_wait"),
            };
            (request, rest)
        }
        ["delete", "exchange", exchange, ..] => {
            let mut rest = rest(3);
            let request = Request::ExchangeDelete {
                name: name(exchange),
                if_unused: rest.flag("if_unused"),
                no_wait: rest.flag("no_wait"),
            };
            (request, rest)
        }
        ["purge", queue, ..] => {
            let mut rest = rest(2);
            let no_wait = rest.flag("no_wait");
            (Request::QueuePurge { name: name(queue), no_wait }, rest)
        }
        _ => return None,
    };
    rest.done(line);
    Some(request)
}

fn binding_request(words: &[&str], line: &str) -> Option<Request> {
    let [verb @ ("bind" | "unbind"), destination, source, key, rest @ ..] = words else {
        return None;
    };
    let mut rest = Rest(rest.to_vec());
    let (source, destination, routing_key) = (name(source), to(destination), name(key));
    let (arguments, no_wait) = (rest.table(), rest.flag("no_wait"));
    rest.done(line);
    Some(match *verb {
        "bind" => Request::Bind { source, destination, routing_key, arguments, no_wait },
        _ => Request::Unbind { source, destination, routing_key, arguments, no_wait },
    })
}

/// `7` is a place of the queue itself, `3-7` one of its lane 3.
pub(crate) fn place(word: &str) -> Place {
    word.parse().unwrap_or_else(|_| Place { lane: 0, sequence: number(word) })
}

/// `exchange:x` is an exchange, all else a queue.
fn to(word: &str) -> Destination {
    match word.strip_prefix("exchange:") {
        Some(exchange) => Destination::Exchange(name(exchange)),
        None => Destination::Queue(name(word)),
    }
}

fn message_request(words: &[&str], line: &str) -> Option<Request> {
    let (word, behind) = words.split_first()?;
    let fixed = match *word {
        "consume" => 2,
        "qos" | "cancel" | "get" | "nack" | "reject" | "replies" | "pause" | "resume" => 1,
        "take" => 2,
        _ => 0,
    };
    let mut rest = Rest(behind[fixed..].to_vec());
    let request = match (*word, &behind[..fixed]) {
        ("consume", [queue, tag]) => Request::Consume(ConsumeRequest {
            queue: name(queue),
            consumer_tag: name(tag),
            no_ack: rest.flag("no_ack"),
            exclusive: rest.flag("exclusive"),
            no_wait: rest.flag("no_wait"),
            arguments: rest.table(),
        }),
        ("cancel", [tag]) => {
            Request::Cancel { consumer_tag: name(tag), no_wait: rest.flag("no_wait") }
        }
        ("qos", [count]) => {
            Request::Qos { prefetch_count: number(count), global: rest.flag("global") }
        }
        ("get", [queue]) => Request::Get { queue: name(queue), no_ack: rest.flag("no_ack") },
        ("take", [queue, places]) => {
            Request::Take { queue: name(queue), places: places.split(',').map(place).collect() }
        }
        ("pause" | "resume", [queue]) => {
            Request::PauseQueue { queue: name(queue), paused: *word == "pause" }
        }
        ("nack" | "reject", [tag]) => Request::Nack {
            delivery_tag: number(tag),
            multiple: rest.flag("multiple"),
            requeue: rest.flag("requeue"),
            reject: *word == "reject",
        },
        ("recover", _) => {
            Request::Recover { requeue: !rest.flag("discard"), no_wait: rest.flag("no_wait") }
        }
        ("replies", [tag]) => Request::ConsumeReplies {
            consumer_tag: name(tag),
            no_ack: !rest.flag("ack"),
            no_wait: rest.flag("no_wait"),
            name: format!("amq.rabbitmq.reply-to.{tag}"),
        },
        ("tx.select", _) => Request::TxSelect,
        ("tx.commit", _) => Request::TxCommit,
        ("tx.rollback", _) => Request::TxRollback,
        ("confirm", _) => Request::ConfirmSelect { no_wait: rest.flag("no_wait") },
        _ => return None,
    };
    rest.done(line);
    Some(request)
}

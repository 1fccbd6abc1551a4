//! What queues are told to do: by the arguments of their declarations, which follow from their
//! names, and by policies (see `policies.rs`).

use std::collections::BTreeMap;

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::Milliseconds;

use crate::names::{is_quorum, is_stream};

/// How often a message may come back to a quorum queue of which nothing is said.
const DELIVERY_LIMIT: u32 = 20;

/// A value of an argument or of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i64),
    Text(&'static str),
}

use Value::{Number as N, Text as T};

/// Values by the names of their settings, as policies have them.
pub(crate) type Values = BTreeMap<&'static str, Value>;

pub(crate) const TTL: &str = "message-ttl";
pub(crate) const EXPIRES: &str = "expires";
pub(crate) const LENGTH: &str = "max-length";
pub(crate) const BYTES: &str = "max-length-bytes";
pub(crate) const OVERFLOW: &str = "overflow";
pub(crate) const LETTERS: &str = "dead-letter-exchange";
pub(crate) const LETTERS_KEY: &str = "dead-letter-routing-key";
pub(crate) const RETURNS: &str = "delivery-limit";
pub(crate) const TIMEOUT: &str = "consumer-timeout";
pub(crate) const AGE: &str = "max-age";
pub(crate) const SEGMENT: &str = "stream-max-segment-size-bytes";
pub(crate) const ALTERNATE: &str = "alternate-exchange";

/// What the declarations of queues say that policies may say too. Dead letters go on in chains
/// without circles, as long as no policy leads them elsewhere; one chain leads nowhere.
const DECLARED: [(&str, &[(&str, Value)]); 20] = [
    ("d1", &[(TTL, N(100)), (LETTERS, T("")), (LETTERS_KEY, T("d2"))]),
    ("d2", &[(TTL, N(2_000)), (EXPIRES, N(5_000)), (LETTERS, T("")), (LETTERS_KEY, T("d3"))]),
    ("d3", &[(TIMEOUT, N(300))]),
    ("t0", &[(LETTERS, T("")), (LETTERS_KEY, T("t1"))]),
    ("t1", &[(TTL, N(40)), (LETTERS, T("")), (LETTERS_KEY, T("d1"))]),
    ("a0", &[(LETTERS, T("")), (LETTERS_KEY, T("none"))]),
    ("at0", &[(TTL, N(0))]),
    ("q0", &[(RETURNS, N(2)), (TIMEOUT, N(700)), (LETTERS, T("")), (LETTERS_KEY, T("d3"))]),
    ("q1", &[(RETURNS, N(2))]),
    ("s1", &[(AGE, T("1s")), (SEGMENT, N(400))]),
    ("s2", &[(BYTES, N(1_500)), (SEGMENT, N(300))]),
    ("l0", &[(LENGTH, N(2)), (LETTERS, T("")), (LETTERS_KEY, T("d3"))]),
    ("l1", &[(BYTES, N(150))]),
    // With their own keys, to whatever is bound, and so perhaps to where they come from.
    ("l2", &[(LENGTH, N(3)), (LETTERS, T("amq.fanout"))]),
    ("l3", &[(LENGTH, N(2)), (OVERFLOW, T("reject-publish"))]),
    (
        "l4",
        &[
            (LENGTH, N(3)),
            (BYTES, N(250)),
            (OVERFLOW, T("reject-publish-dlx")),
            (LETTERS, T("")),
            (LETTERS_KEY, T("d0")),
        ],
    ),
    ("tl0", &[(LENGTH, N(1)), (LETTERS, T("")), (LETTERS_KEY, T("t0"))]),
    ("al0", &[(LENGTH, N(0))]),
    ("ql0", &[(LENGTH, N(2)), (RETURNS, N(2)), (LETTERS, T("")), (LETTERS_KEY, T("l0"))]),
    ("ql1", &[(BYTES, N(200)), (OVERFLOW, T("reject-publish"))]),
];

/// What the declaration of a queue says that policies may say too.
pub(crate) fn declared(name: &str, times_out: bool) -> Values {
    let found = DECLARED.into_iter().find(|(of, _)| *of == name);
    let values = found.iter().flat_map(|(_, values)| values.iter().copied());
    values.filter(|(key, _)| times_out || *key != TIMEOUT).collect()
}

/// The same as arguments.
pub(crate) fn declared_arguments(name: &str, times_out: bool) -> FieldTable {
    let mut arguments = FieldTable::default();
    for (key, value) in declared(name, times_out) {
        let value = match value {
            Value::Number(number) => FieldValue::LongLongInt(number),
            Value::Text(text) => FieldValue::LongString(text.as_bytes().into()),
        };
        arguments.insert(format!("x-{key}").into(), value);
    }
    arguments
}

/// Time changes something about a queue as it is declared.
pub(crate) fn is_timed(name: &str) -> bool {
    let values = declared(name, false);
    values.contains_key(TTL) || values.contains_key(EXPIRES)
}

/// What happens at a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Overflow {
    #[default]
    DropHead,
    Reject,
    RejectAndDeadLetter,
}

/// Where dead letters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) exchange: &'static str,
    /// In the place of their own keys.
    pub(crate) routing_key: Option<&'static str>,
}

/// What a stream keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StreamLimits {
    pub(crate) max_age: Option<Milliseconds>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) segment_bytes: u64,
}

impl StreamLimits {
    /// Something may have to go.
    pub(crate) fn has_retention(self) -> bool {
        self.max_age.is_some() || self.max_bytes.is_some()
    }
}

/// What holds for a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Streams keep their messages, whatever these ask for.
    is_stream: bool,
    /// For its messages.
    pub(crate) ttl: Option<Milliseconds>,
    /// For itself while nobody uses it.
    pub(crate) expires: Option<Milliseconds>,
    pub(crate) max_length: Option<usize>,
    pub(crate) max_length_bytes: Option<u64>,
    pub(crate) overflow: Overflow,
    pub(crate) dead_letter: Option<DeadLetter>,
    pub(crate) delivery_limit: Option<u32>,
    pub(crate) consumer_timeout: Option<Milliseconds>,
    pub(crate) stream: StreamLimits,
}

impl Settings {
    /// When a message is to leave the queue, where its time began at `time`, with a time of its own
    /// or without.
    pub(crate) fn due(&self, own: Option<Milliseconds>, time: Milliseconds) -> Milliseconds {
        if self.is_stream {
            return Milliseconds::MAX;
        }
        let least = [self.ttl, own].into_iter().flatten().min();
        least.map_or(Milliseconds::MAX, |least| time + least)
    }

    /// What values come to for a queue.
    pub(crate) fn of(name: &str, values: &Values) -> Self {
        let number = |key| match values.get(key) {
            Some(Value::Number(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let text = |key| match values.get(key) {
            Some(Value::Text(text)) => Some(*text),
            _ => None,
        };
        let is_stream = is_stream(name);
        let limit = match values.get(RETURNS) {
            None => is_quorum(name).then_some(DELIVERY_LIMIT),
            Some(_) => number(RETURNS).map(|limit| limit as u32),
        };
        Self {
            is_stream,
            ttl: number(TTL),
            expires: number(EXPIRES),
            max_length: number(LENGTH).map(|most| most as usize),
            max_length_bytes: number(BYTES).filter(|_| !is_stream),
            overflow: match text(OVERFLOW) {
                Some("reject-publish") => Overflow::Reject,
                Some("reject-publish-dlx") => Overflow::RejectAndDeadLetter,
                _ => Overflow::DropHead,
            },
            dead_letter: text(LETTERS)
                .map(|exchange| DeadLetter { exchange, routing_key: text(LETTERS_KEY) }),
            delivery_limit: limit,
            consumer_timeout: number(TIMEOUT),
            stream: StreamLimits {
                max_age: text(AGE).and_then(seconds).map(|seconds| seconds * 1_000),
                max_bytes: number(BYTES).filter(|_| is_stream),
                segment_bytes: number(SEGMENT).unwrap_or(u64::MAX),
            },
        }
    }
}

/// An age as `7s`.
pub(crate) fn seconds(age: &str) -> Option<u64> {
    age.strip_suffix('s')?.parse().ok()
}

//! What there may be: queues and exchanges, whose arguments follow from their names, and the keys by
//! which they are bound.

use warren_amqp::{FieldTable, FieldValue};

use crate::model::RECENT_HISTORY_LENGTH;
use crate::settings::declared_arguments;

/// Queues by name: durable ones, transient ones, auto-delete ones, quorum queues, streams. The
/// exclusive ones are made up. Some subscribe themselves to a virtual topic.
pub(crate) const QUEUES: [&str; 16] = [
    "d0",
    "d1",
    "d2",
    "d3",
    "t0",
    "t1",
    "a0",
    "at0",
    "q0",
    "q1",
    "s0",
    "s1",
    "s2",
    "Consumer.g.a.#",
    "Consumer.g.a.b",
    "Consumer.h.VirtualTopic.k",
];

/// Queues that may have only so much ready: with limits of messages and of bytes, which let the
/// oldest go or refuse new ones. What they say is in `settings.rs`.
pub(crate) const LIMITED: [&str; 9] = ["l0", "l1", "l2", "l3", "l4", "tl0", "al0", "ql0", "ql1"];

/// The highest priority that a queue of this name knows.
pub(crate) fn max_priority(name: &str) -> u8 {
    match name {
        "d2" => 5,
        "t1" => 255,
        "l2" => 3,
        _ if is_quorum(name) => 31,
        _ => 0,
    }
}

/// The level of a message in a queue of this name.
pub(crate) fn level_in(name: &str, priority: Option<u8>) -> u8 {
    // A quorum queue has messages without a priority in the middle.
    let default = if is_quorum(name) { 4 } else { 0 };
    priority.unwrap_or(default).min(max_priority(name))
}

/// A queue of this name serves one consumer alone.
pub(crate) fn is_single_active(name: &str) -> bool {
    matches!(name, "d3" | "a0" | "q1")
}

/// True for the names of quorum queues.
pub(crate) fn is_quorum(name: &str) -> bool {
    name.starts_with('q')
}

/// The arguments that a queue is declared with.
pub(crate) fn queue_arguments(name: &str, times_out: bool) -> FieldTable {
    let mut arguments = declared_arguments(name, times_out);
    let text = |text: &str| FieldValue::LongString(text.as_bytes().into());
    if is_stream(name) {
        arguments.insert("x-queue-type".into(), text("stream"));
    }
    if is_quorum(name) {
        arguments.insert("x-queue-type".into(), text("quorum"));
    } else if max_priority(name) > 0 {
        let max = FieldValue::LongInt(i32::from(max_priority(name)));
        arguments.insert("x-max-priority".into(), max);
    }
    if is_single_active(name) {
        arguments.insert("x-single-active-consumer".into(), FieldValue::Boolean(true));
    }
    arguments
}

pub(crate) const CONSUMER_TIMEOUT: &str = "x-consumer-timeout";

/// The exchange that chooses by chance. Only what is written tells what it chose: it leads to durable
/// queues alone, and its messages are persistent.
pub(crate) const CHANCE: &str = "chance";

/// The exchange that keeps its last messages, and how many.
pub(crate) const RECENT: &str = "recent";
pub(crate) const RECENT_LENGTH: i32 = 3;

pub(crate) const EXCHANGES: [(&str, &str); 11] = [
    ("direct", "direct"),
    ("fanout", "fanout"),
    ("topic", "topic"),
    ("headers", "headers"),
    ("auto", "direct"),
    ("inner", "fanout"),
    ("hash", "x-consistent-hash"),
    ("modulus", "x-modulus-hash"),
    ("groups", "x-virtual-topic"),
    (CHANCE, "x-random"),
    (RECENT, "x-recent-history"),
];
/// Exchanges with an alternate, which may not be there; two of them stand in a circle.
pub(crate) const ALTERNATES: [(&str, &str); 4] =
    [("direct", "fanout"), ("topic", "inner"), ("headers", "hash"), ("hash", "headers")];
/// The arguments that an exchange is declared with.
pub(crate) fn exchange_arguments(name: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    if let Some((_, alternate)) = ALTERNATES.iter().find(|(of, _)| *of == name) {
        let alternate = FieldValue::LongString((*alternate).into());
        arguments.insert("alternate-exchange".into(), alternate);
    }
    if name == RECENT {
        let length = FieldValue::LongInt(RECENT_LENGTH);
        arguments.insert(RECENT_HISTORY_LENGTH.into(), length);
    }
    arguments
}

/// More routing keys of a message: none for most.
pub(crate) const MORE_KEYS: [&[&str]; 5] =
    [&["d1"], &["k0", "d0"], &["a.b"], &["VirtualTopic.k", "d2"], &[]];
pub(crate) const KEYS: [&str; 5] = ["k0", "k1", "a.b", "a.b.c", "c"];
pub(crate) const PATTERNS: [&str; 5] = ["#", "a.*", "a.#", "*", "*.b.#"];
pub(crate) const VALUES: [&str; 3] = ["one", "two", "three"];

/// True for the names of streams.
pub(crate) fn is_stream(name: &str) -> bool {
    name.starts_with('s')
}

//! The settings that policies know: what values they take, for which queues they are, and what wins
//! when more than one says something.

use super::PolicyValue;
use crate::planted::{self, Bug};
use crate::stream::arguments::interval;
use crate::{QueueType, limits};

/// The values of a setting.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values {
    /// Numbers from the one to the other.
    Between(i64, i64),
    /// Any text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A time as `7D` or `12h`.
    Age,
    /// Whatever it is.
    Any,
}

impl Values {
    const fn from(least: i64) -> Self {
        Self::Between(least, i64::MAX)
    }

    fn take(self, value: &PolicyValue) -> bool {
        match (self, value) {
            (Self::Any, _) | (Self::Text, PolicyValue::Text(_)) => true,
            (Self::Between(least, most), PolicyValue::Number(number)) => {
                (least..=most).contains(number)
            }
            (Self::OneOf(texts), PolicyValue::Text(text)) => texts.contains(&text.as_str()),
            (Self::Age, PolicyValue::Text(text)) => interval(text.as_bytes()).is_some(),
            _ => false,
        }
    }
}

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    values: Values,
    /// What a wrong value is not, as RabbitMQ writes it.
    is_no: &'static str,
    /// The types of queue that have it, as [`CLASSIC`] and so on.
    kinds: u8,
    /// Operators may say it.
    pub(super) is_for_operators: bool,
    /// It is more than accepted.
    pub(super) has_effect: bool,
}

const CLASSIC: u8 = 1;
const QUORUM: u8 = 2;
const STREAM: u8 = 4;
const NOT_STREAM: u8 = CLASSIC | QUORUM;
const EVERY: u8 = CLASSIC | QUORUM | STREAM;

/// A setting of policies of users that does something.
const fn user(name: &'static str, values: Values, is_no: &'static str, kinds: u8) -> Key {
    Key { name, values, is_no, kinds, is_for_operators: false, has_effect: true }
}

/// A setting that operators may say too.
const fn both(name: &'static str, values: Values, is_no: &'static str, kinds: u8) -> Key {
    Key { is_for_operators: true, ..user(name, values, is_no, kinds) }
}

/// A setting that is accepted.
const fn idle(name: &'static str, values: Values, is_no: &'static str, kinds: u8) -> Key {
    Key { has_effect: false, ..user(name, values, is_no, kinds) }
}

/// A setting that is accepted from operators too.
const fn idle_both(name: &'static str, values: Values, is_no: &'static str, kinds: u8) -> Key {
    Key { has_effect: false, ..both(name, values, is_no, kinds) }
}

const OVERFLOWS: Values = Values::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"]);
const STRATEGIES: Values = Values::OneOf(&["at-most-once", "at-least-once"]);
const MASTERS: Values = Values::OneOf(&["min-masters", "client-local", "random"]);
const LEADERS: Values = Values::OneOf(&["client-local", "balanced", "random", "least-leaders"]);
const SEGMENT_MAX: i64 = limits::STREAM_SEGMENT_BYTES_MAX as i64;
const IN_MEMORY: &str = "maximum memory in bytes";

/// What queues of no type have is not looked at for exchanges.
const KEYS: [Key; 39] = [
    user("alternate-exchange", Values::Text, "alternate exchange name", EVERY),
    idle("consumer-disconnected-timeout", Values::from(0), "consumer timeout", QUORUM),
    user("consumer-timeout", Values::from(1), "consumer timeout", EVERY),
    user("dead-letter-exchange", Values::Text, "dead letter exchange name", NOT_STREAM),
    user("dead-letter-routing-key", Values::Text, "dead letter routing key", NOT_STREAM),
    idle("dead-letter-strategy", STRATEGIES, "dead letter strategy", QUORUM),
    idle("delayed-retry-max", Values::from(0), "delayed retry time", QUORUM),
    idle("delayed-retry-min", Values::from(0), "delayed retry time", QUORUM),
    idle("delayed-retry-type", Values::Text, "delayed retry type", QUORUM),
    both("delivery-limit", Values::from(-1), "delivery limit", QUORUM),
    both("expires", Values::from(1), "queue expiry", NOT_STREAM),
    idle("federation-upstream", Values::Text, "federation upstream name", EVERY),
    idle("federation-upstream-pattern", Values::Text, "federation upstream pattern name", EVERY),
    idle("federation-upstream-set", Values::Text, "federation upstream set name", EVERY),
    idle("ha-mode", Values::Any, "ha-mode value", CLASSIC),
    idle("ha-params", Values::Any, "", CLASSIC),
    idle("ha-promote-on-failure", Values::Any, "", CLASSIC),
    idle("ha-promote-on-shutdown", Values::Any, "", CLASSIC),
    idle("ha-sync-batch-size", Values::Any, "", CLASSIC),
    idle("ha-sync-mode", Values::Any, "", CLASSIC),
    idle("initial-cluster-size", Values::from(0), "cluster size", QUORUM | STREAM),
    user("max-age", Values::Age, "max age", STREAM),
    idle_both("max-in-memory-bytes", Values::from(0), IN_MEMORY, NOT_STREAM),
    idle_both("max-in-memory-length", Values::from(0), IN_MEMORY, NOT_STREAM),
    both("max-length", Values::from(0), "maximum length", NOT_STREAM),
    both("max-length-bytes", Values::from(0), "maximum length in bytes", EVERY),
    idle("message-deduplication", Values::Any, "", EVERY),
    both("message-ttl", Values::from(0), "message TTL", NOT_STREAM),
    both("overflow", OVERFLOWS, "overflow value", NOT_STREAM),
    idle("queue-leader-locator", LEADERS, "queue leader locator value", QUORUM | STREAM),
    idle("queue-master-locator", MASTERS, "queue-master-locator value", CLASSIC),
    idle("queue-mode", Values::OneOf(&["default", "lazy"]), "queue-mode value", CLASSIC),
    idle("queue-version", Values::Between(1, 2), "queue-version value", EVERY),
    idle("routing-key", Values::Any, "", EVERY),
    idle("shards-per-node", Values::Any, "", EVERY),
    idle("stream-filter-size-bytes", Values::Between(16, 255), "stream filter size", STREAM),
    user("stream-max-segment-size-bytes", Values::Between(0, SEGMENT_MAX), "segment size", STREAM),
    idle_both("target-group-size", Values::from(0), "target group size", QUORUM),
    idle("x-message-deduplication", Values::Any, "", EVERY),
];

impl Key {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.binary_search_by_key(&name, |key| key.name).ok().and_then(|at| KEYS.get(at))
    }

    pub(super) fn is_for(&self, kind: QueueType) -> bool {
        let kind = match kind {
            QueueType::Classic => CLASSIC,
            QueueType::Quorum => QUORUM,
            QueueType::Stream => STREAM,
        };
        self.kinds & kind != 0
    }

    /// What is wrong with a value of the setting alone, as RabbitMQ writes it.
    pub(super) fn problem(&self, value: &PolicyValue) -> Option<String> {
        if self.values.take(value) {
            return None;
        }
        Some(match self.name {
            "queue-master-locator" => format!("{value} invalid {}", self.is_no),
            _ => format!("{value} is not a valid {}", self.is_no),
        })
    }

    /// The settings that an argument of a queue's declaration may say as well: `x-` and the name.
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        KEYS.iter()
    }

    /// What wins if `first` and `second` are both said; `None` if the order in which they are said
    /// does, as it does for all that is not measured.
    pub(super) fn is_second_less(&self, first: &PolicyValue, second: &PolicyValue) -> Option<bool> {
        match (first, second) {
            (PolicyValue::Number(first), PolicyValue::Number(second)) => {
                // -1 is no limit at all.
                let measured = |number: i64| if number < 0 { i64::MAX } else { number };
                let greatest = planted::is(Bug::GreatestNumberHolds);
                Some((measured(*second) < measured(*first)) != greatest)
            }
            (PolicyValue::Text(first), PolicyValue::Text(second)) if self.name == "max-age" => {
                Some(interval(second.as_bytes())? < interval(first.as_bytes())?)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_in_order_so_that_they_are_found() {
        assert!(KEYS.is_sorted_by(|a, b| a.name < b.name));
        assert!(KEYS.iter().all(|key| Key::named(key.name).is_some()));
        assert!(Key::named("max-priority").is_none());
    }

    #[test]
    fn what_is_refused_has_words_for_it() {
        for key in &KEYS {
            let value = PolicyValue::Other("null".to_owned());
            assert!(key.problem(&value).is_none() || !key.is_no.is_empty(), "{}", key.name);
        }
    }
}

//! What an exchange is to do: its type and the arguments of its declaration, checked when it is
//! declared, with the texts of RabbitMQ and its plugins.

use warren_amqp::{FieldTable, FieldValue};

use crate::arguments::{integer, type_name};
use crate::record::{ExchangeRecord, ExchangeType};
use crate::{Error, limits};

/// What a consistent hash is taken of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum HashOn {
    /// The routing keys.
    #[default]
    RoutingKey,
    /// A header, by name.
    Header(String),
    MessageId,
    CorrelationId,
    Timestamp,
}

/// How the names of queues look that subscribe themselves to a virtual topic: the group stands
/// between two texts, and behind them comes the pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupNames {
    before: String,
    after: String,
    /// What stands between the words of names, patterns and routing keys.
    pub(crate) separator: char,
    /// A queue that is consumed from and is not there is made.
    pub(crate) makes_queues: bool,
    /// The arguments of the queues that are made.
    pub(crate) queue_arguments: FieldTable,
}

impl Default for GroupNames {
    fn default() -> Self {
        Self::apart_by('.')
    }
}

impl GroupNames {
    /// The names of ActiveMQ, with another character between their words.
    pub(crate) fn apart_by(separator: char) -> Self {
        Self {
            before: format!("Consumer{separator}"),
            after: separator.to_string(),
            separator,
            makes_queues: true,
            queue_arguments: FieldTable::default(),
        }
    }

    /// Group and pattern, if the name of a queue holds them.
    pub(crate) fn parse<'a>(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let rest = name.strip_prefix(self.before.as_str())?;
        let (group, _) = rest.split_once(self.separator)?;
        let pattern = rest.get(group.len()..)?.strip_prefix(self.after.as_str())?;
        (!group.is_empty() && !pattern.is_empty()).then_some((group, pattern))
    }
}

/// What an exchange is to do beyond what its record says in plain fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExchangeSettings {
    /// Where a message goes for which there is no binding, by the declaration.
    alternate: Option<String>,
    /// The same by policies.
    pub(crate) policy_alternate: Option<String>,
    /// The type by which it routes: that of the record, or the one inside.
    pub(crate) routes_as: ExchangeType,
    /// Messages may ask for a delay.
    pub(crate) delays: bool,
    pub(crate) hash_on: HashOn,
    /// How many of the last messages are kept for new bindings.
    pub(crate) history: Option<usize>,
    /// The exchange is a virtual topic.
    pub(crate) groups: Option<GroupNames>,
}

impl ExchangeSettings {
    /// Reads the arguments of a declaration, and refuses those that RabbitMQ refuses.
    pub(crate) fn declared(record: &ExchangeRecord, vhost: &str) -> Result<Self, Error> {
        let alternate = record.arguments.inner().get("alternate-exchange");
        if let Some(wrong) = alternate.filter(|value| text(value).is_none()) {
            return Err(Error::Unacceptable {
                reason: format!(
                    "invalid type '{}' for arg 'alternate-exchange' in exchange '{}' in vhost '{}'",
                    type_name(wrong),
                    record.name,
                    vhost
                ),
            });
        }
        Self::read(record).map_err(|reason| Error::Unacceptable { reason })
    }

    /// The settings of an exchange that was declared before. What no declaration allows any more
    /// has no effect, as the exchange has to go on.
    pub(crate) fn recovered(record: &ExchangeRecord) -> Self {
        Self::read(record).unwrap_or_else(|_| Self::plain(record.kind))
    }

    /// The settings of an exchange without arguments.
    pub(crate) fn plain(kind: ExchangeType) -> Self {
        Self {
            alternate: None,
            policy_alternate: None,
            routes_as: match kind {
                ExchangeType::Delayed | ExchangeType::RecentHistory => ExchangeType::Fanout,
                other => other,
            },
            delays: kind == ExchangeType::Delayed,
            hash_on: HashOn::RoutingKey,
            history: (kind == ExchangeType::RecentHistory).then_some(limits::RECENT_HISTORY),
            groups: (kind == ExchangeType::VirtualTopic).then(GroupNames::default),
        }
    }

    fn read(record: &ExchangeRecord) -> Result<Self, String> {
        let arguments = &record.arguments;
        let mut settings = Self::plain(record.kind);
        let alternate = arguments.inner().get("alternate-exchange");
        settings.alternate = alternate.and_then(text).map(str::to_owned);
        match record.kind {
            ExchangeType::ConsistentHash => settings.hash_on = hash_on(arguments)?,
            ExchangeType::RecentHistory => settings.history = Some(history(arguments)?),
            ExchangeType::VirtualTopic => settings.groups = Some(group_names(arguments)?),
            ExchangeType::Delayed => {
                let kind = delayed_type(arguments)?;
                let inner = Self::read(&ExchangeRecord { kind, ..record.clone() })?;
                settings = Self { delays: true, ..inner };
            }
            _ => {}
        }
        Ok(settings)
    }

    /// The exchange that a message goes to for which there is no binding. The argument of the
    /// declaration comes before what a policy says.
    pub(crate) fn alternate(&self) -> Option<&str> {
        self.alternate.as_deref().or(self.policy_alternate.as_deref())
    }

    /// True if two messages with the same routing key may go to different places.
    pub(crate) fn varies(&self) -> bool {
        let kind = self.routes_as;
        self.delays
            || self.history.is_some()
            || self.hash_on != HashOn::RoutingKey
            || matches!(kind, ExchangeType::Headers | ExchangeType::Random)
            || kind == ExchangeType::LocalRandom
    }
}

fn text(value: &FieldValue) -> Option<&str> {
    match value {
        FieldValue::LongString(value) => str::from_utf8(value.as_bytes()).ok(),
        FieldValue::ShortString(value) => Some(value.as_str()),
        _ => None,
    }
}

/// A value as RabbitMQ writes it, where it does so.
fn written(value: &FieldValue) -> String {
    match (text(value), integer(value), value) {
        (Some(text), ..) => format!("<<\"{text}\">>"),
        (None, Some(number), _) => number.to_string(),
        (None, None, FieldValue::Boolean(value)) => value.to_string(),
        _ => format!("of type '{}'", type_name(value)),
    }
}

fn hash_on(arguments: &FieldTable) -> Result<HashOn, String> {
    let header = arguments.inner().get("hash-header");
    let property = arguments.inner().get("hash-property");
    match (header, property) {
        (None, None) => Ok(HashOn::RoutingKey),
        (Some(_), Some(_)) => {
            Err("hash-header and hash-property are mutually exclusive".to_owned())
        }
        (Some(header), None) => match text(header) {
            Some(name) => Ok(HashOn::Header(name.to_owned())),
            None => Err(format!("Unsupported header: {}", written(header))),
        },
        (None, Some(property)) => match text(property) {
            Some("message_id") => Ok(HashOn::MessageId),
            Some("correlation_id") => Ok(HashOn::CorrelationId),
            Some("timestamp") => Ok(HashOn::Timestamp),
            Some(other) => Err(format!("Unsupported property: {other}")),
            None => Err(format!("Unsupported property: {}", written(property))),
        },
    }
}

fn history(arguments: &FieldTable) -> Result<usize, String> {
    let Some(value) = arguments.inner().get("x-recent-history-length") else {
        return Ok(limits::RECENT_HISTORY);
    };
    let length = integer(value).and_then(|length| usize::try_from(length).ok());
    length.filter(|length| *length > 0).ok_or_else(|| {
        let value = written(value);
        format!("Invalid argument {value}, 'x-recent-history-length' must be a positive integer")
    })
}

fn delayed_type(arguments: &FieldTable) -> Result<ExchangeType, String> {
    let kind = arguments.inner().get("x-delayed-type").and_then(text);
    let kind = kind.and_then(ExchangeType::from_name);
    kind.filter(|kind| *kind != ExchangeType::Delayed).ok_or_else(|| {
        "Invalid argument, 'x-delayed-type' must be an existing exchange type".to_owned()
    })
}

fn group_names(arguments: &FieldTable) -> Result<GroupNames, String> {
    let get = |name: &str| arguments.inner().get(name);
    let wrong = |name: &str, value: &FieldValue, wanted: &str| {
        Err(format!("Invalid argument {}, '{name}' must be {wanted}", written(value)))
    };
    let mut names = match get("x-vt-separator") {
        None => GroupNames::default(),
        Some(value) => match text(value).and_then(separator) {
            Some(separator) => GroupNames::apart_by(separator),
            None => return wrong("x-vt-separator", value, "one character other than '*#>'"),
        },
    };
    if let Some(value) = get("x-vt-prefix") {
        let parts = text(value).and_then(|prefix| prefix.split_once('*'));
        match parts {
            Some((before, after)) if after.starts_with(names.separator) && !after.contains('*') => {
                (names.before, names.after) = (before.to_owned(), after.to_owned());
            }
            _ => {
                let example = format!("{}*{}", names.before, names.after);
                let wanted = format!("a text with one word '*', as '{example}'");
                return wrong("x-vt-prefix", value, &wanted);
            }
        }
    }
    match get("x-vt-autocreate") {
        None => {}
        Some(FieldValue::Boolean(makes)) => names.makes_queues = *makes,
        Some(value) => return wrong("x-vt-autocreate", value, "true or false"),
    }
    match get("x-vt-queue-args") {
        None => {}
        Some(FieldValue::FieldTable(table)) => names.queue_arguments = table.clone(),
        Some(value) => return wrong("x-vt-queue-args", value, "a table"),
    }
    Ok(names)
}

/// The one character of a text, if words can be apart by it: none that stands for words.
fn separator(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let only = characters.next().filter(|found| !"*#>".contains(*found));
    only.filter(|_| characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_group_and_pattern_behind_its_prefix() {
        let names = GroupNames::default();
        let parsed = |name| names.parse(name);
        assert_eq!(parsed("Consumer.billing.orders.#"), Some(("billing", "orders.#")));
        assert_eq!(parsed("Consumer.A.VirtualTopic.Orders"), Some(("A", "VirtualTopic.Orders")));
        for name in ["Consumer.billing", "Consumer.billing.", "Consumer..a", "consumer.b.c", ""] {
            assert_eq!(parsed(name), None, "{name:?}");
        }
    }

    #[test]
    fn another_prefix_may_have_words_on_both_sides() {
        let mut arguments = FieldTable::default();
        arguments.insert("x-vt-prefix".into(), FieldValue::LongString("vt.*.of.".into()));
        let names = group_names(&arguments).expect("a prefix");
        assert_eq!(names.parse("vt.a.of.b.c"), Some(("a", "b.c")));
        assert_eq!(names.parse("vt.a.b.c"), None);
        arguments.insert("x-vt-prefix".into(), FieldValue::LongString("no star".into()));
        assert!(group_names(&arguments).is_err());
    }

    #[test]
    fn words_may_be_apart_by_another_character() {
        let with = |entries: &[(&str, &str)]| {
            let mut arguments = FieldTable::default();
            for (name, text) in entries {
                arguments.insert((*name).into(), FieldValue::LongString((*text).into()));
            }
            group_names(&arguments)
        };
        let names = with(&[("x-vt-separator", "/")]).expect("a separator");
        assert_eq!(names.parse("Consumer/a.b/c/d"), Some(("a.b", "c/d")));
        assert_eq!(names.parse("Consumer.a.b"), None);
        let names = with(&[("x-vt-separator", "\u{b7}"), ("x-vt-prefix", "vt\u{b7}*\u{b7}")]);
        assert_eq!(names.expect("a prefix").parse("vt\u{b7}g\u{b7}t"), Some(("g", "t")));
        let of_dots = with(&[("x-vt-separator", "/"), ("x-vt-prefix", "vt.*.")]);
        assert_eq!(
            of_dots.expect_err("another separator"),
            "Invalid argument <<\"vt.*.\">>, 'x-vt-prefix' must be a text with one word '*', as \
             'Consumer/*/'"
        );
        for wrong in ["", "*", "#", ">", "//"] {
            let error = with(&[("x-vt-separator", wrong)]).expect_err(wrong);
            assert!(error.ends_with("must be one character other than '*#>'"), "{error}");
        }
    }
}

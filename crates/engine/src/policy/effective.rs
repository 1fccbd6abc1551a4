//! What follows from arguments and policies together.
//!
//! The least number wins, whoever says it. Of all else the argument of the declaration does, and
//! then what the operator says.

use std::collections::BTreeMap;

use warren_amqp::{FieldTable, FieldValue};

use super::keys::Key;
use super::{AppliedPolicies, Definition, PolicyValue};
use crate::arguments::integer;
use crate::planted::{self, Bug};
use crate::record::QueueRecord;
use crate::settings::{DeadLetter, Overflow, QueueSettings};
use crate::stream::arguments::interval;
use crate::{QueueType, limits};

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySource {
    /// The declaration of the queue or exchange.
    Argument,
    /// A policy.
    Policy,
    /// An operator's policy.
    OperatorPolicy,
}

/// A setting that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveValue {
    /// Its name in policies.
    pub key: String,
    /// Its value.
    pub value: PolicyValue,
    /// Where that comes from.
    pub source: PolicySource,
}

/// What holds for a queue or an exchange, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EffectivePolicies {
    /// The name of the policy that applies.
    pub policy: Option<String>,
    /// The name of the operator's policy that applies.
    pub operator_policy: Option<String>,
    /// What these two say together, as RabbitMQ's `effective_policy_definition`.
    pub definition: Definition,
    /// What holds: that, and arguments that policies know, in the order of their names.
    pub values: Vec<EffectiveValue>,
}

type Values = BTreeMap<&'static str, (PolicyValue, PolicySource)>;

impl AppliedPolicies {
    /// What the policies say together.
    fn merged(&self) -> Values {
        let mut values = Values::new();
        let said =
            [(&self.user, PolicySource::Policy), (&self.operator, PolicySource::OperatorPolicy)];
        for (policy, source) in said {
            let definition = policy.iter().flat_map(|policy| &policy.definition);
            for (name, value) in definition {
                let Some(key) = Key::named(name) else { continue };
                let before = values.get(key.name);
                // Of what is not measured, the operator's word is the last one.
                let last_word = !planted::is(Bug::OperatorLoses);
                if before.is_none_or(|(before, _)| {
                    key.is_second_less(before, value).unwrap_or(last_word)
                }) {
                    values.insert(key.name, (value.clone(), source));
                }
            }
        }
        values
    }

    /// What holds for something that was declared with these arguments.
    fn with_arguments(&self, arguments: &FieldTable, prefix: &str) -> Values {
        let mut values = self.merged();
        if arguments.inner().is_empty() {
            return values;
        }
        for key in Key::all() {
            let argument = arguments.inner().get(format!("{prefix}{}", key.name).as_str());
            let Some(argument) = argument.and_then(value_of) else { continue };
            let said = values.get(key.name).map(|(said, _)| said);
            let is_less = said.and_then(|said| key.is_second_less(&argument, said));
            let is_beaten =
                is_less.is_none() && said.is_some() && planted::is(Bug::PolicyBeatsArgument);
            if is_less != Some(true) && !is_beaten {
                values.insert(key.name, (argument, PolicySource::Argument));
            }
        }
        values
    }

    fn described(&self, values: Values) -> EffectivePolicies {
        let merged = self.merged().into_iter();
        let values = values.into_iter();
        EffectivePolicies {
            policy: self.policy().map(str::to_owned),
            operator_policy: self.operator_policy().map(str::to_owned),
            definition: merged.map(|(key, (value, _))| (key.to_owned(), value)).collect(),
            values: values
                .map(|(key, (value, source))| EffectiveValue { key: key.to_owned(), value, source })
                .collect(),
        }
    }

    /// What holds for a queue that was declared with these arguments.
    #[must_use]
    pub fn of_queue(&self, arguments: &FieldTable) -> EffectivePolicies {
        self.described(self.with_arguments(arguments, "x-"))
    }

    /// What holds for an exchange that was declared with these arguments.
    #[must_use]
    pub fn of_exchange(&self, arguments: &FieldTable) -> EffectivePolicies {
        self.described(self.with_arguments(arguments, ""))
    }
}

fn value_of(argument: &FieldValue) -> Option<PolicyValue> {
    if let Some(number) = integer(argument) {
        return Some(PolicyValue::Number(number));
    }
    let text = |bytes| PolicyValue::Text(String::from_utf8_lossy(bytes).into_owned());
    match argument {
        FieldValue::LongString(value) => Some(text(value.as_bytes())),
        FieldValue::ShortString(value) => Some(text(value.as_str().as_bytes())),
        FieldValue::Boolean(value) => Some(PolicyValue::Flag(*value)),
        _ => None,
    }
}

/// The exchange that policies name for messages for which an exchange has no binding.
pub(crate) fn alternate_exchange(applied: &AppliedPolicies) -> Option<String> {
    match applied.merged().remove("alternate-exchange") {
        Some((PolicyValue::Text(name), _)) => Some(name),
        _ => None,
    }
}

/// The settings of a queue.
pub(crate) fn queue_settings(record: &QueueRecord, applied: &AppliedPolicies) -> QueueSettings {
    let mut settings = QueueSettings::recovered(record);
    if applied.is_empty() {
        return settings;
    }
    let letter = settings.dead_letter.take();
    let (mut exchange, mut routing_key) =
        letter.map_or((None, None), |letter| (Some(letter.exchange), letter.routing_key));
    for (key, (value, source)) in applied.with_arguments(&record.arguments, "x-") {
        if source == PolicySource::Argument {
            continue;
        }
        match (key, value) {
            ("dead-letter-exchange", PolicyValue::Text(name)) => exchange = Some(name),
            ("dead-letter-routing-key", PolicyValue::Text(key)) => routing_key = Some(key),
            (key, PolicyValue::Number(number)) => set_number(&mut settings, key, number),
            (key, PolicyValue::Text(text)) => set_text(&mut settings, key, &text),
            _ => {}
        }
    }
    // A routing key without an exchange waits for one.
    settings.dead_letter = exchange.map(|exchange| DeadLetter { exchange, routing_key });
    settings
}

fn set_number(settings: &mut QueueSettings, key: &str, number: i64) {
    let count = u64::try_from(number).ok();
    let time = count.map(|time| time.min(limits::DURATION_MS_MAX));
    match key {
        "message-ttl" => settings.message_ttl = time,
        "expires" => settings.expires = time,
        "consumer-timeout" => settings.consumer_timeout = time,
        "max-length" => settings.max_length = count,
        // -1 switches the limit off.
        "delivery-limit" => {
            settings.delivery_limit = count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        }
        "max-length-bytes" => match &mut settings.stream {
            Some(stream) => stream.max_bytes = count,
            None if settings.kind == QueueType::Stream => {}
            None => settings.max_length_bytes = count,
        },
        "stream-max-segment-size-bytes" => {
            if let (Some(stream), Some(bytes)) = (&mut settings.stream, count) {
                stream.segment_bytes = bytes;
            }
        }
        _ => {}
    }
}

fn set_text(settings: &mut QueueSettings, key: &str, text: &str) {
    match key {
        "overflow" => {
            settings.overflow = Overflow::from_name(text.as_bytes()).unwrap_or_default();
        }
        "max-age" => {
            if let Some(stream) = &mut settings.stream {
                stream.max_age = interval(text.as_bytes());
            }
        }
        _ => {}
    }
}

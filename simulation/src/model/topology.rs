//! Exchanges and bindings, kept and followed as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{BindingRecord, Destination, ExchangeRecord, ExchangeType};

use super::Change;
use crate::messages::Publication;

/// Exchanges and bindings, each with the number of the command that made it.
#[derive(Debug, Clone)]
pub(crate) struct Topology {
    pub(crate) exchanges: BTreeMap<String, (ExchangeRecord, u64)>,
    pub(crate) bindings: Vec<(BindingRecord, u64)>,
}

/// The arguments of a binding to a headers exchange for the value `value`.
pub(crate) fn header_arguments(value: &str) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-match".into(), FieldValue::LongString("all".into()));
    table.insert("h".into(), FieldValue::LongString(value.into()));
    table
}

const PREDECLARED: [(&str, ExchangeType, bool); 6] = [
    ("amq.direct", ExchangeType::Direct, false),
    ("amq.fanout", ExchangeType::Fanout, false),
    ("amq.topic", ExchangeType::Topic, false),
    ("amq.headers", ExchangeType::Headers, false),
    ("amq.match", ExchangeType::Headers, false),
    ("amq.rabbitmq.trace", ExchangeType::Topic, true),
];

impl Topology {
    pub(crate) fn new() -> Self {
        let exchanges = PREDECLARED.map(|(name, kind, internal)| {
            let record = ExchangeRecord {
                name: name.to_owned(),
                kind,
                durable: true,
                auto_delete: false,
                internal,
                arguments: FieldTable::default(),
            };
            (name.to_owned(), (record, 0))
        });
        Self { exchanges: exchanges.into(), bindings: vec![] }
    }

    pub(crate) fn is_predeclared(name: &str) -> bool {
        PREDECLARED.iter().any(|(known, ..)| *known == name)
    }

    /// The names of the queues that a message goes to; None if it is refused.
    pub(crate) fn route(
        &self,
        message: &Publication,
        is_queue: impl Fn(&str) -> bool,
    ) -> Option<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        if message.exchange.is_empty() {
            found.extend(Some(message.routing_key.clone()).filter(|name| is_queue(name)));
            return Some(found);
        }
        if self.exchanges.get(&message.exchange).is_none_or(|(exchange, _)| exchange.internal) {
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut pending = vec![message.exchange.clone()];
        while let Some(name) = pending.pop() {
            let Some((exchange, _)) = self.exchanges.get(&name) else { continue };
            if !seen.insert(name.clone()) {
                continue;
            }
            for (binding, _) in self.bindings.iter().filter(|(binding, _)| binding.source == name) {
                if !matches(exchange.kind, binding, message) {
                    continue;
                }
                match &binding.destination {
                    Destination::Queue(name) => {
                        found.insert(name.clone());
                    }
                    Destination::Exchange(name) => pending.push(name.clone()),
                }
            }
        }
        Some(found)
    }

    /// Takes away the bindings to a destination.
    pub(crate) fn remove_destination(
        &mut self,
        destination: &Destination,
        durable_queue: impl Fn(&str) -> bool + Copy,
        changes: &mut Vec<Change>,
    ) {
        while let Some((binding, _)) =
            self.bindings.iter().find(|(binding, _)| binding.destination == *destination)
        {
            let binding = binding.clone();
            self.unbind(&binding, durable_queue, changes);
        }
    }

    /// Takes a binding away, and an auto-delete exchange whose last it was.
    pub(crate) fn unbind(
        &mut self,
        binding: &BindingRecord,
        durable_queue: impl Fn(&str) -> bool + Copy,
        changes: &mut Vec<Change>,
    ) {
        let Some(at) = self.bindings.iter().position(|(other, _)| other == binding) else { return };
        if self.is_durable(binding, durable_queue) {
            changes.push(Change::Unbound(binding.clone()));
        }
        self.bindings.remove(at);
        let last = self.bindings.iter().all(|(other, _)| other.source != binding.source);
        let source = self.exchanges.get(&binding.source);
        if last && source.is_some_and(|(exchange, _)| exchange.auto_delete) {
            self.remove_exchange(&binding.source, durable_queue, changes);
        }
    }

    pub(crate) fn remove_exchange(
        &mut self,
        name: &str,
        durable_queue: impl Fn(&str) -> bool + Copy,
        changes: &mut Vec<Change>,
    ) {
        self.remove_destination(&Destination::Exchange(name.to_owned()), durable_queue, changes);
        let Some((exchange, _)) = self.exchanges.get(name).cloned() else { return };
        for (binding, _) in &self.bindings {
            if binding.source == name && self.is_durable(binding, durable_queue) {
                changes.push(Change::Unbound(binding.clone()));
            }
        }
        self.bindings.retain(|(binding, _)| binding.source != name);
        self.exchanges.remove(name);
        if exchange.durable {
            changes.push(Change::ExchangeDeleted(name.to_owned()));
        }
    }

    pub(crate) fn is_durable(
        &self,
        binding: &BindingRecord,
        durable_queue: impl Fn(&str) -> bool,
    ) -> bool {
        let durable = |name: &str| self.exchanges.get(name).is_some_and(|(found, _)| found.durable);
        durable(&binding.source)
            && match &binding.destination {
                Destination::Exchange(name) => durable(name),
                Destination::Queue(name) => durable_queue(name),
            }
    }
}

fn matches(kind: ExchangeType, binding: &BindingRecord, message: &Publication) -> bool {
    match kind {
        ExchangeType::Fanout => true,
        ExchangeType::Direct => binding.routing_key == message.routing_key,
        ExchangeType::Topic => {
            let words = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
            topic_matches(&words(&binding.routing_key), &words(&message.routing_key))
        }
        ExchangeType::Headers => {
            message.header.is_some_and(|value| binding.arguments == header_arguments(value))
        }
    }
}

fn topic_matches(pattern: &[String], words: &[String]) -> bool {
    match pattern.split_first() {
        None => words.is_empty(),
        Some((first, rest)) if first == "#" => {
            (0..=words.len()).any(|skip| topic_matches(rest, &words[skip..]))
        }
        Some((first, rest)) => words.split_first().is_some_and(|(word, left)| {
            (first == "*" || first == word) && topic_matches(rest, left)
        }),
    }
}

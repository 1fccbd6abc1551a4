//! Exchanges and bindings, kept as plainly as can be; `routing` follows them.

use std::collections::BTreeMap;

use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{BindingRecord, Destination, ExchangeRecord, ExchangeType};

use super::Change;
use super::routing::VIRTUAL_TOPIC;
use crate::policies::PolicySet;

/// Exchanges and bindings, each with the number of the command that made it.
#[derive(Debug, Clone)]
pub(crate) struct Topology {
    pub(crate) exchanges: BTreeMap<String, (ExchangeRecord, u64)>,
    pub(crate) bindings: Vec<(BindingRecord, u64)>,
    /// They say where messages go for which an exchange has no binding.
    pub(crate) policies: PolicySet,
}

/// The arguments of a binding to a headers exchange for the value `value`.
pub(crate) fn header_arguments(value: &str) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-match".into(), FieldValue::LongString("all".into()));
    table.insert("h".into(), FieldValue::LongString(value.into()));
    table
}

const PREDECLARED: [(&str, ExchangeType, bool); 7] = [
    ("amq.direct", ExchangeType::Direct, false),
    ("amq.fanout", ExchangeType::Fanout, false),
    ("amq.topic", ExchangeType::Topic, false),
    ("amq.headers", ExchangeType::Headers, false),
    ("amq.match", ExchangeType::Headers, false),
    ("amq.rabbitmq.trace", ExchangeType::Topic, true),
    (VIRTUAL_TOPIC, ExchangeType::VirtualTopic, false),
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
        Self { exchanges: exchanges.into(), bindings: vec![], policies: PolicySet::default() }
    }

    pub(crate) fn is_predeclared(name: &str) -> bool {
        PREDECLARED.iter().any(|(known, ..)| *known == name)
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

//! What has changed among exchanges and bindings since it was last shown (see
//! `virtual_host/observe.rs`).

use std::sync::Arc;

use warren_amqp::FieldTable;

use super::Topology;
use crate::AppliedPolicies;
use crate::counters::ExchangeCounters;
use crate::observation::{ExchangeSample, Observation};
use crate::record::{ExchangeRecord, ExchangeType};
use crate::router::ExchangeKey;

#[derive(Debug, Default)]
struct Lists {
    exchanges: Vec<ExchangeKey>,
    exchanges_gone: Vec<u32>,
    bindings: Vec<u64>,
    bindings_gone: Vec<u64>,
}

impl Lists {
    fn append(&mut self, later: &mut Self) {
        self.exchanges.append(&mut later.exchanges);
        self.exchanges_gone.append(&mut later.exchanges_gone);
        self.bindings.append(&mut later.bindings);
        self.bindings_gone.append(&mut later.bindings_gone);
    }

    fn len(&self) -> usize {
        let changed = self.exchanges.len() + self.bindings.len();
        changed + self.exchanges_gone.len() + self.bindings_gone.len()
    }
}

/// What is to be shown.
#[derive(Debug, Default)]
pub(super) struct Changes {
    is_observed: bool,
    shown: Lists,
    since: Lists,
}

/// What is counted of an exchange, and whether it is on the list of what is to be shown.
#[derive(Debug)]
pub(super) struct Counted {
    counters: ExchangeCounters,
    is_noted: bool,
    is_shown: bool,
}

impl Default for Counted {
    fn default() -> Self {
        Self { counters: ExchangeCounters::default(), is_noted: true, is_shown: false }
    }
}

impl Counted {
    fn sample(
        &mut self,
        key: ExchangeKey,
        record: impl Fn() -> ExchangeRecord,
        policies: AppliedPolicies,
    ) -> ExchangeSample {
        self.is_noted = false;
        let record = (!self.is_shown).then(|| Arc::new(record()));
        self.is_shown = true;
        ExchangeSample { id: key.0, record, policies, counters: self.counters }
    }
}

impl Counted {
    /// The exchange has changed.
    pub(super) fn note(&mut self, key: ExchangeKey, changes: &mut Changes) {
        if !self.is_noted {
            self.is_noted = true;
            changes.since.exchanges.push(key);
        }
    }
}

impl Changes {
    pub(super) fn exchange_made(&mut self, key: ExchangeKey) {
        if self.is_observed {
            self.since.exchanges.push(key);
        }
    }

    pub(super) fn exchange_gone(&mut self, key: ExchangeKey) {
        if self.is_observed {
            self.since.exchanges_gone.push(key.0);
        }
    }

    pub(super) fn bound(&mut self, id: u64) {
        if self.is_observed {
            self.since.bindings.push(id);
        }
    }

    pub(super) fn unbound(&mut self, id: u64) {
        if self.is_observed {
            self.since.bindings_gone.push(id);
        }
    }
}

impl Topology {
    /// Messages were published to an exchange.
    pub(crate) fn note_published(&mut self, key: ExchangeKey, counters: ExchangeCounters) {
        self.published += counters;
        let counted = match key {
            ExchangeKey::DEFAULT => Some(&mut self.default_exchange),
            key => self.exchanges.get_mut(&key).map(|exchange| &mut exchange.counted),
        };
        let Some(counted) = counted else { return };
        counted.counters += counters;
        counted.note(key, &mut self.changes);
    }

    /// How many changes nobody has seen.
    pub(crate) fn unseen(&self) -> usize {
        self.changes.since.len()
    }

    pub(crate) fn has_changes_to_show(&self) -> bool {
        self.changes.shown.len() > 0
    }

    /// What has changed up to now is what the next looks show.
    pub(crate) fn show_changes(&mut self) {
        self.changes.shown.append(&mut self.changes.since);
    }

    /// Puts everything on the lists.
    pub(crate) fn observe_anew(&mut self) {
        let mut all = Lists {
            exchanges: vec![ExchangeKey::DEFAULT],
            bindings: self.bindings.keys().copied().collect(),
            ..Lists::default()
        };
        self.default_exchange.is_shown = false;
        for (key, exchange) in &mut self.exchanges {
            (exchange.counted.is_noted, exchange.counted.is_shown) = (true, false);
            all.exchanges.push(*key);
        }
        self.changes = Changes { is_observed: true, shown: Lists::default(), since: all };
    }

    pub(crate) fn observe(&mut self, left: &mut usize, out: &mut Observation) {
        let lists = &mut self.changes.shown;
        out.exchanges_gone.append(&mut taken(&mut lists.exchanges_gone, left));
        out.bindings_gone.append(&mut taken(&mut lists.bindings_gone, left));
        for key in taken(&mut self.changes.shown.exchanges, left) {
            if key == ExchangeKey::DEFAULT {
                let policies = AppliedPolicies::default();
                let sample = self.default_exchange.sample(key, default_exchange, policies);
                out.exchanges.push(sample);
            } else if let Some(exchange) = self.exchanges.get_mut(&key) {
                let record = &exchange.record;
                let policies = exchange.policies.clone();
                out.exchanges.push(exchange.counted.sample(key, || record.clone(), policies));
            }
        }
        for id in taken(&mut self.changes.shown.bindings, left) {
            let Some(binding) = self.bindings.get(&id) else { continue };
            let Some(source) = self.exchanges.get(&binding.key.source) else { continue };
            let record = self.binding_record(&source.record.name, binding);
            out.bindings.extend(record.map(|record| (id, record)));
        }
    }
}

/// The exchange that is not declared.
fn default_exchange() -> ExchangeRecord {
    ExchangeRecord {
        name: String::new(),
        kind: ExchangeType::Direct,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::default(),
    }
}

/// Takes up to `left` elements off a list and counts them.
pub(crate) fn taken<T>(list: &mut Vec<T>, left: &mut usize) -> Vec<T> {
    let count = (*left).min(list.len());
    *left -= count;
    list.split_off(list.len() - count)
}

//! Exchanges, bindings and the names of queues. Routing through them is in `route`.
//!
//! Routes are remembered for each exchange by routing key until the topology changes next.

mod explain;
mod history;
mod observe;
mod policies;
mod route;

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use warren_amqp::{FieldTable, table};

use crate::QueueId;
use crate::counters::ExchangeCounters;
use crate::exchange::{ExchangeSettings, GroupNames};
use crate::policy::AppliedPolicies;
use crate::record::{BindingRecord, Destination, ExchangeRecord, ExchangeType};
use crate::router::{ExchangeKey, Router, Target};
use history::History;
use observe::{Changes, Counted};
use route::Random;

pub(crate) use observe::taken;
pub(crate) use route::{Scope, queue_of_topic};

/// The virtual topic that every virtual host has.
pub(crate) const VIRTUAL_TOPIC: &str = "amq.virtual-topic";

/// The exchanges that every virtual host has from the start.
const PREDECLARED: [(&str, ExchangeType, bool); 7] = [
    ("amq.direct", ExchangeType::Direct, false),
    ("amq.fanout", ExchangeType::Fanout, false),
    ("amq.topic", ExchangeType::Topic, false),
    ("amq.headers", ExchangeType::Headers, false),
    ("amq.match", ExchangeType::Headers, false),
    ("amq.rabbitmq.trace", ExchangeType::Topic, true),
    (VIRTUAL_TOPIC, ExchangeType::VirtualTopic, false),
];

/// The queues that a message goes to, in a fixed order, each once. A pointer, not a copy: a
/// fan-out to thousands of queues is looked up for every message.
pub(crate) type Route = Arc<[QueueId]>;

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) record: ExchangeRecord,
    settings: ExchangeSettings,
    /// The policies that apply.
    pub(crate) policies: AppliedPolicies,
    /// See [`ExchangeSettings::varies`].
    varies: bool,
    router: Router,
    /// The last messages, if the exchange keeps them.
    history: Option<History>,
    /// Bindings that begin here.
    bindings: BTreeSet<u64>,
    routes: FxHashMap<Box<str>, Route>,
    /// The state of the topology that `routes` belong to.
    routes_epoch: u64,
    counted: Counted,
}

/// The four parts that make a binding what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BindingKey {
    source: ExchangeKey,
    target: Target,
    routing_key: String,
    /// The arguments in their wire form, as tables have no hash.
    arguments: Vec<u8>,
}

#[derive(Debug)]
struct Binding {
    key: BindingKey,
    arguments: FieldTable,
}

/// A change that must be made durable.
#[derive(Debug, PartialEq)]
pub(crate) enum Removed {
    Binding(BindingRecord),
    Exchange(String),
}

#[derive(Debug)]
pub(crate) struct Topology {
    exchanges: FxHashMap<ExchangeKey, Exchange>,
    exchange_names: FxHashMap<String, ExchangeKey>,
    next_exchange: u32,
    /// Durable queues are told apart because only bindings between durable ends are durable.
    queues: FxHashMap<QueueId, (String, bool)>,
    queue_names: FxHashMap<String, QueueId>,
    bindings: FxHashMap<u64, Binding>,
    binding_keys: FxHashMap<BindingKey, u64>,
    next_binding: u64,
    by_target: FxHashMap<Target, BTreeSet<u64>>,
    /// The virtual topics, in the order in which they were declared.
    virtual_topics: Vec<ExchangeKey>,
    random: Random,
    /// Exchanges keep the messages that are routed, if they are of the kind that does.
    keeps_history: bool,
    /// Counts changes, so that remembered routes know that they are old.
    epoch: u64,
    no_route: Route,
    /// What was published to all exchanges.
    pub(crate) published: ExchangeCounters,
    default_exchange: Counted,
    changes: Changes,
}

impl Exchange {
    /// Routing keys are words here, of which users may have some only.
    pub(crate) fn routes_by_words(&self) -> bool {
        let kind = self.settings.routes_as;
        matches!(kind, ExchangeType::Topic | ExchangeType::VirtualTopic)
    }
}

impl Topology {
    pub(crate) fn new() -> Self {
        let mut topology = Self {
            exchanges: FxHashMap::default(),
            exchange_names: FxHashMap::default(),
            next_exchange: 1,
            queues: FxHashMap::default(),
            queue_names: FxHashMap::default(),
            bindings: FxHashMap::default(),
            binding_keys: FxHashMap::default(),
            next_binding: 1,
            by_target: FxHashMap::default(),
            virtual_topics: vec![],
            random: Random::default(),
            keeps_history: true,
            epoch: 1,
            no_route: Arc::from([]),
            published: ExchangeCounters::default(),
            default_exchange: Counted::default(),
            changes: Changes::default(),
        };
        for (name, kind, internal) in PREDECLARED {
            topology.add_exchange(ExchangeRecord {
                name: name.to_owned(),
                kind,
                durable: true,
                auto_delete: false,
                internal,
                arguments: FieldTable::default(),
            });
        }
        topology
    }

    /// Sets where the numbers begin that choose among random targets.
    pub(crate) fn set_seed(&mut self, seed: u64) {
        self.random.seed = seed;
    }

    pub(crate) fn queue(&self, name: &str) -> Option<QueueId> {
        self.queue_names.get(name).copied()
    }

    pub(crate) fn queue_ids(&self) -> impl Iterator<Item = QueueId> {
        self.queues.keys().copied()
    }

    pub(crate) fn add_queue(&mut self, id: QueueId, name: &str, durable: bool) {
        self.epoch += 1;
        self.queues.insert(id, (name.to_owned(), durable));
        self.queue_names.insert(name.to_owned(), id);
    }

    /// Takes a queue's name and bindings away. What went with it comes back, to be made durable.
    pub(crate) fn remove_queue(&mut self, id: QueueId) -> Vec<Removed> {
        self.epoch += 1;
        let mut removed = vec![];
        let mut unused = vec![];
        self.remove_bindings_to(Target::Queue(id), &mut removed, &mut unused);
        self.remove_exchanges(unused, &mut removed);
        if let Some((name, _)) = self.queues.remove(&id) {
            self.queue_names.remove(&name);
        }
        removed
    }

    pub(crate) fn exchange(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.get(self.exchange_names.get(name)?)
    }

    /// An exchange with its key. The default exchange is none.
    pub(crate) fn exchange_and_key(&self, name: &str) -> Option<(ExchangeKey, &Exchange)> {
        let key = *self.exchange_names.get(name)?;
        Some((key, self.exchanges.get(&key)?))
    }

    /// What a message is published to that names this exchange.
    pub(crate) fn published_to(&self, name: &str) -> Option<ExchangeKey> {
        match name {
            "" => Some(ExchangeKey::DEFAULT),
            name => self.exchange_names.get(name).copied(),
        }
    }

    pub(crate) fn is_predeclared(name: &str) -> bool {
        PREDECLARED.iter().any(|(known, ..)| *known == name)
    }

    /// The exchanges that not every virtual host has.
    pub(crate) fn declared_exchanges(&self) -> impl Iterator<Item = &str> {
        let names = self.exchange_names.keys().map(String::as_str);
        names.filter(|name| !Self::is_predeclared(name))
    }

    pub(crate) fn exchange_has_bindings(&self, name: &str) -> bool {
        self.exchange(name).is_some_and(|exchange| !exchange.bindings.is_empty())
    }

    pub(crate) fn exchange_count(&self) -> usize {
        self.exchanges.len()
    }

    pub(crate) fn binding_count(&self) -> usize {
        self.bindings.len()
    }

    /// Adds an exchange whose name is free.
    pub(crate) fn add_exchange(&mut self, record: ExchangeRecord) {
        if self.exchange_names.contains_key(&record.name) {
            return;
        }
        self.epoch += 1;
        let key = ExchangeKey(self.next_exchange);
        self.next_exchange += 1;
        self.exchange_names.insert(record.name.clone(), key);
        let settings = ExchangeSettings::recovered(&record);
        if settings.groups.is_some() {
            self.virtual_topics.push(key);
        }
        let exchange = Exchange {
            router: Router::new(&settings),
            varies: settings.varies(),
            history: settings.history.map(History::new),
            settings,
            policies: AppliedPolicies::default(),
            record,
            bindings: BTreeSet::new(),
            routes: FxHashMap::default(),
            routes_epoch: 0,
            counted: Counted::default(),
        };
        self.exchanges.insert(key, exchange);
        self.changes.exchange_made(key);
    }

    /// Takes an exchange away with the bindings that begin or end there.
    pub(crate) fn remove_exchange(&mut self, name: &str) -> Vec<Removed> {
        let mut removed = vec![];
        let key = self.exchange_names.get(name).copied();
        self.remove_exchanges(key.into_iter().collect(), &mut removed);
        removed
    }

    /// Takes exchanges away, and auto-delete exchanges that lose their last binding by that. With
    /// a list, not by recursion: a client can make a row of such exchanges as long as it likes.
    fn remove_exchanges(&mut self, mut doomed: Vec<ExchangeKey>, removed: &mut Vec<Removed>) {
        while let Some(key) = doomed.pop() {
            // Bindings that end here go while the exchange can still be named.
            self.remove_bindings_to(Target::Exchange(key), removed, &mut doomed);
            self.remove_exchange_key(key, removed);
        }
    }

    fn remove_exchange_key(&mut self, key: ExchangeKey, removed: &mut Vec<Removed>) {
        self.epoch += 1;
        // Where bindings form a circle, it can be gone already.
        let Some(exchange) = self.exchanges.remove(&key) else { return };
        self.changes.exchange_gone(key);
        self.exchange_names.remove(&exchange.record.name);
        self.virtual_topics.retain(|other| *other != key);
        for id in exchange.bindings {
            if let Some(binding) = self.bindings.remove(&id) {
                self.changes.unbound(id);
                self.binding_keys.remove(&binding.key);
                self.forget_target(binding.key.target, id);
                let record = self.binding_record(&exchange.record.name, &binding);
                self.note_binding(exchange.record.durable, &binding, record, removed);
            }
        }
        if exchange.record.durable {
            removed.push(Removed::Exchange(exchange.record.name));
        }
    }

    fn remove_bindings_to(
        &mut self,
        target: Target,
        removed: &mut Vec<Removed>,
        unused: &mut Vec<ExchangeKey>,
    ) {
        for id in self.by_target.remove(&target).unwrap_or_default() {
            self.remove_binding(id, removed, unused);
        }
    }

    fn forget_target(&mut self, target: Target, id: u64) {
        if let Some(ids) = self.by_target.get_mut(&target) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_target.remove(&target);
            }
        }
    }

    fn target(&self, destination: &Destination) -> Option<Target> {
        Some(match destination {
            Destination::Queue(name) => Target::Queue(self.queue(name)?),
            Destination::Exchange(name) => Target::Exchange(*self.exchange_names.get(name)?),
        })
    }

    /// Whether an exchange takes bindings with these arguments.
    pub(crate) fn check_binding(&self, binding: &BindingRecord) -> Result<(), crate::Error> {
        self.exchange(&binding.source).map_or(Ok(()), |exchange| {
            exchange.router.check(&binding.routing_key, &binding.arguments)
        })
    }

    /// The virtual topics that a queue of this name subscribes to by itself: the name of each, how
    /// it reads names, the pattern, and whether that is subscribed already.
    pub(crate) fn subscriptions<'a>(
        &'a self,
        queue: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a GroupNames, &'a str)> {
        let exchanges = self.virtual_topics.iter().filter_map(|key| self.exchanges.get(key));
        exchanges.filter_map(move |exchange| {
            let names = exchange.settings.groups.as_ref()?;
            let (_, pattern) = names.parse(queue)?;
            Some((exchange.record.name.as_str(), names, pattern))
        })
    }

    /// True if there is this binding.
    pub(crate) fn is_bound(&self, binding: &BindingRecord) -> bool {
        self.binding_key(binding).is_some_and(|key| self.binding_keys.contains_key(&key))
    }

    fn binding_key(&self, binding: &BindingRecord) -> Option<BindingKey> {
        Some(BindingKey {
            source: *self.exchange_names.get(&binding.source)?,
            target: self.target(&binding.destination)?,
            routing_key: binding.routing_key.clone(),
            arguments: table::encode(&binding.arguments),
        })
    }

    /// Adds a binding between ends that exist, if it is not there. Tells whether it is new, and
    /// whether it is durable: the reply to making it again must wait for the disk too.
    pub(crate) fn bind(&mut self, record: &BindingRecord) -> (bool, bool) {
        let Some(key) = self.binding_key(record) else { return (false, false) };
        let durable_target = self.is_durable(key.target);
        let Some(exchange) = self.exchanges.get_mut(&key.source) else { return (false, false) };
        let durable = durable_target && exchange.record.durable;
        if self.binding_keys.contains_key(&key) {
            return (false, durable);
        }
        self.epoch += 1;
        let id = self.next_binding;
        self.next_binding += 1;
        self.changes.bound(id);
        exchange.router.insert(record, key.target);
        exchange.bindings.insert(id);
        self.by_target.entry(key.target).or_default().insert(id);
        self.binding_keys.insert(key.clone(), id);
        self.bindings.insert(id, Binding { key, arguments: record.arguments.clone() });
        (true, durable)
    }

    /// Takes a binding away, if it is there, and an auto-delete exchange whose last it was.
    pub(crate) fn unbind(&mut self, record: &BindingRecord) -> Vec<Removed> {
        let mut removed = vec![];
        let id = self.binding_key(record).and_then(|key| self.binding_keys.get(&key).copied());
        if let Some(id) = id {
            let mut unused = vec![];
            self.remove_binding(id, &mut removed, &mut unused);
            self.remove_exchanges(unused, &mut removed);
        }
        removed
    }

    /// All bindings, by number.
    pub(crate) fn binding_numbers(&self) -> Vec<u64> {
        self.bindings.keys().copied().collect()
    }

    /// Takes a binding away, by number, if it is there; nothing follows from it.
    pub(crate) fn remove_binding_number(&mut self, number: u64) -> Vec<Removed> {
        let mut removed = vec![];
        self.remove_binding(number, &mut removed, &mut vec![]);
        removed
    }

    /// Takes a binding away. An auto-delete exchange whose last it was is added to `unused`.
    fn remove_binding(
        &mut self,
        id: u64,
        removed: &mut Vec<Removed>,
        unused: &mut Vec<ExchangeKey>,
    ) {
        let Some(binding) = self.bindings.remove(&id) else { return };
        self.changes.unbound(id);
        self.epoch += 1;
        self.binding_keys.remove(&binding.key);
        self.forget_target(binding.key.target, id);
        let source = binding.key.source;
        let name = self.exchanges.get(&source).map(|exchange| exchange.record.name.as_str());
        let record = name.and_then(|name| self.binding_record(name, &binding));
        let Some(exchange) = self.exchanges.get_mut(&source) else { return };
        if let Some(record) = &record {
            exchange.router.remove(record, binding.key.target);
        }
        exchange.bindings.remove(&id);
        let last = exchange.bindings.is_empty() && exchange.record.auto_delete;
        let durable = exchange.record.durable;
        self.note_binding(durable, &binding, record, removed);
        if last {
            unused.push(source);
        }
    }

    fn is_durable(&self, target: Target) -> bool {
        match target {
            Target::Queue(id) => self.queues.get(&id).is_some_and(|(_, durable)| *durable),
            Target::Exchange(key) => {
                self.exchanges.get(&key).is_some_and(|exchange| exchange.record.durable)
            }
        }
    }

    /// A binding as its record. Both its ends are still there, or there is none.
    fn binding_record(&self, source: &str, binding: &Binding) -> Option<BindingRecord> {
        let destination = match binding.key.target {
            Target::Queue(id) => Destination::Queue(self.queues.get(&id)?.0.clone()),
            Target::Exchange(key) => {
                Destination::Exchange(self.exchanges.get(&key)?.record.name.clone())
            }
        };
        Some(BindingRecord {
            source: source.to_owned(),
            destination,
            routing_key: binding.key.routing_key.clone(),
            arguments: binding.arguments.clone(),
        })
    }

    /// Notes a binding that is gone, if it was durable.
    fn note_binding(
        &self,
        durable_source: bool,
        binding: &Binding,
        record: Option<BindingRecord>,
        removed: &mut Vec<Removed>,
    ) {
        if durable_source && self.is_durable(binding.key.target) {
            removed.extend(record.map(Removed::Binding));
        }
    }
}

//! A virtual host as the observer knows it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use warren_engine::{
    BindingRecord, ChannelSample, ConsumerSample, Destination, ExchangeSample, HostCounters,
    Observation, QueueCounts, QueueDescription, QueueId, QueueSample, SessionId, VirtualHostId,
};

use super::kept::{Kept, Sampled, sample};
use super::meter::{Budget, Look, Meter};
use super::objects::{
    BindingView, ChannelView, ConsumerView, ExchangeView, QueueView, next_capacity,
};
use super::reading::Measured;
use super::state::FindConnection;
use super::totals::{HostView, ObjectTotals, Totals};

/// A queue's place in the order of names.
#[derive(Debug)]
pub(super) struct ByName(Arc<QueueDescription>);

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        &self.0.record.name
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.record.name == other.0.record.name
    }
}

impl Eq for ByName {}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.record.name.cmp(&other.0.record.name)
    }
}

/// What waits in the queues.
#[derive(Debug, Default)]
struct Waiting {
    /// Messages ready and unacknowledged.
    lengths: [u64; 2],
    /// Queues that hold messages or lost some: mostly few of many.
    holding: BTreeSet<QueueId>,
}

impl Waiting {
    /// Sets what is counted of a queue, and what of it is counted of all queues.
    fn set_counts(&mut self, queue: &mut QueueView, counts: QueueCounts) {
        let of = |counts: &QueueCounts| [counts.ready.messages, counts.unacknowledged.messages];
        let (before, now) = (of(queue.counts()), of(&counts));
        for ((all, old), new) in self.lengths.iter_mut().zip(before).zip(now) {
            *all = *all + new - old;
        }
        let holds =
            |lengths: [u64; 2], counts: &QueueCounts| lengths != [0; 2] || counts.losses.lost > 0;
        match (holds(before, queue.counts()), holds(now, &counts)) {
            (false, true) => _ = self.holding.insert(queue.id),
            (true, false) => _ = self.holding.remove(&queue.id),
            (true, true) | (false, false) => {}
        }
        match &mut queue.counts {
            Some(known) => **known = counts,
            None if counts == QueueCounts::default() => {}
            None => queue.counts = Some(Box::new(counts)),
        }
    }
}

/// The numbers of bindings.
type Numbers = BTreeSet<u64>;

#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: VirtualHostId,
    name: Arc<str>,
    pub(super) counters: HostCounters,
    /// Bytes received and sent by its connections, also by those that are gone.
    pub(super) traffic: [u64; 2],
    pub(super) connections: u64,
    waiting: Waiting,
    pub(super) queues: Kept<QueueId, QueueView>,
    pub(super) queue_names: BTreeMap<ByName, QueueId>,
    pub(super) exchanges: Kept<u32, ExchangeView>,
    pub(super) exchange_names: BTreeMap<Arc<str>, u32>,
    pub(super) bindings: FxHashMap<u64, Arc<BindingView>>,
    pub(super) by_source: FxHashMap<Arc<str>, Numbers>,
    /// By name: of queues, and of exchanges.
    pub(super) to_queues: FxHashMap<Arc<str>, Numbers>,
    pub(super) to_exchanges: FxHashMap<Arc<str>, Numbers>,
    pub(super) channels: Kept<(SessionId, u16), ChannelView>,
    pub(super) consumers: Kept<u32, ConsumerView>,
    pub(super) by_queue: BTreeSet<(QueueId, u32)>,
    pub(super) by_channel: BTreeSet<(SessionId, u16, u32)>,
    pub(super) view: Arc<HostView>,
}

impl Host {
    pub(super) fn new(id: VirtualHostId, name: Arc<str>) -> Self {
        Self {
            id,
            view: Arc::new(HostView::new(Arc::clone(&name))),
            name,
            counters: HostCounters::default(),
            traffic: [0; 2],
            connections: 0,
            waiting: Waiting::default(),
            queues: Kept::default(),
            queue_names: BTreeMap::new(),
            exchanges: Kept::default(),
            exchange_names: BTreeMap::new(),
            bindings: FxHashMap::default(),
            by_source: FxHashMap::default(),
            to_queues: FxHashMap::default(),
            to_exchanges: FxHashMap::default(),
            channels: Kept::default(),
            consumers: Kept::default(),
            by_queue: BTreeSet::new(),
            by_channel: BTreeSet::new(),
        }
    }

    /// Takes what the virtual host showed, and leaves its lists empty.
    pub(super) fn apply(
        &mut self,
        shown: &mut Observation,
        look: &Look,
        budget: &mut Budget,
        connections: FindConnection<'_>,
    ) {
        let is_first = std::mem::take(&mut shown.is_first);
        if is_first {
            self.forget_objects(budget);
            let kept = Self::new(self.id, Arc::clone(&self.name));
            let (traffic, view) = (self.traffic, Arc::clone(&self.view));
            *self = Self { traffic, view, connections: self.connections, ..kept };
        }
        self.counters = shown.host;
        shown.queues_gone.drain(..).for_each(|id| self.remove_queue(id, budget));
        shown.exchanges_gone.drain(..).for_each(|id| self.remove_exchange(id, budget));
        shown.bindings_gone.drain(..).for_each(|id| self.remove_binding(id));
        for key in shown.channels_gone.drain(..) {
            let at = (key.session, key.channel);
            if self.channels.get(at).is_some_and(|channel| channel.sample.key == key) {
                self.channels.remove(at, budget);
            }
        }
        shown.consumers_gone.drain(..).for_each(|number| self.remove_consumer(number, budget));
        for sample in shown.exchanges.drain(..) {
            self.exchange(sample, look, budget);
        }
        for (id, record) in shown.bindings.drain(..) {
            self.binding(id, record);
        }
        for sample in shown.queues.drain(..) {
            self.queue(sample, is_first, look, budget, connections);
        }
        for sample in shown.channels.drain(..) {
            self.channel(sample, look, budget, connections);
        }
        for sample in shown.consumers.drain(..) {
            self.consumer(sample, look, budget, connections);
        }
    }

    fn queue(
        &mut self,
        sample: QueueSample,
        is_first: bool,
        look: &Look,
        budget: &mut Budget,
        connections: FindConnection<'_>,
    ) {
        let QueueSample { id, mut description, counts } = sample;
        if self.queues.get(id).is_none()
            && let Some(description) = description.take()
        {
            self.queue_names.insert(ByName(Arc::clone(&description)), id);
            let mut queue = QueueView {
                virtual_host: Arc::clone(&self.name),
                id,
                owner: description.owner.and_then(connections),
                description,
                changed_at: look.now,
                counts: None,
                capacity: 1.0,
                meter: Meter::new(look.second(), None),
            };
            if is_first {
                // What was there before anybody looked has not come just now.
                self.waiting.set_counts(&mut queue, counts);
                let meter = Meter::new(look.second(), Some(queue.values().as_ref()));
                queue.meter = meter;
            }
            self.queues.insert(id, queue);
        }
        self.queues.change(id, look, budget, |queue| {
            if let Some(description) = description {
                queue.description = description;
            }
            let stalled = counts.stalled_ms.saturating_sub(queue.counts().stalled_ms);
            let elapsed = look.now.saturating_sub(queue.changed_at);
            queue.capacity = next_capacity(queue.capacity, elapsed, stalled);
            queue.changed_at = look.now;
            self.waiting.set_counts(queue, counts);
        });
    }

    fn remove_queue(&mut self, id: QueueId, budget: &mut Budget) {
        let Some(mut queue) = self.queues.remove(id, budget) else { return };
        self.waiting.set_counts(Arc::make_mut(&mut queue), QueueCounts::default());
        // Another one may have the name by now.
        if self.queue_names.get(queue.name()) == Some(&id) {
            self.queue_names.remove(queue.name());
        }
    }

    fn exchange(&mut self, sample: ExchangeSample, look: &Look, budget: &mut Budget) {
        let ExchangeSample { id, record, policies, counters } = sample;
        if let Some(record) = record {
            self.exchange_names.insert(record.name.as_str().into(), id);
            let meter = Meter::new(look.second(), None);
            let virtual_host = Arc::clone(&self.name);
            let applied = policies.clone();
            let exchange =
                ExchangeView { virtual_host, record, policies: applied, counters, meter };
            self.exchanges.insert(id, exchange);
        }
        self.exchanges.change(id, look, budget, |exchange| {
            exchange.counters = counters;
            exchange.policies = policies;
        });
    }

    fn remove_exchange(&mut self, id: u32, budget: &mut Budget) {
        let Some(exchange) = self.exchanges.remove(id, budget) else { return };
        let name = exchange.record.name.as_str();
        if self.exchange_names.get(name) == Some(&id) {
            self.exchange_names.remove(name);
        }
    }

    fn binding(&mut self, id: u64, record: BindingRecord) {
        let BindingRecord { source, destination, routing_key, arguments } = record;
        let (to_exchange, destination) = match destination {
            Destination::Queue(name) => (false, name),
            Destination::Exchange(name) => (true, name),
        };
        let targets = if to_exchange { &mut self.to_exchanges } else { &mut self.to_queues };
        let binding = BindingView {
            virtual_host: Arc::clone(&self.name),
            source: note_binding(&mut self.by_source, &source, id),
            to_exchange,
            destination: note_binding(targets, &destination, id),
            routing_key: routing_key.into(),
            arguments,
        };
        self.bindings.insert(id, Arc::new(binding));
    }

    fn remove_binding(&mut self, id: u64) {
        let Some(binding) = self.bindings.remove(&id) else { return };
        let to_exchange = binding.to_exchange;
        let targets = if to_exchange { &mut self.to_exchanges } else { &mut self.to_queues };
        forget_binding(&mut self.by_source, &binding.source, id);
        forget_binding(targets, &binding.destination, id);
    }

    fn channel(
        &mut self,
        sample: ChannelSample,
        look: &Look,
        budget: &mut Budget,
        connections: FindConnection<'_>,
    ) {
        let at = (sample.key.session, sample.key.channel);
        let known = self.channels.get(at).map(|channel| channel.sample.key);
        if known != Some(sample.key) {
            self.channels.remove(at, budget);
            // A session inside the broker has no connection and is not shown.
            let Some(connection) = connections(sample.key.session) else { return };
            let answered = connection.traffic.answered(sample.key.channel);
            let (sample, changed_at) = (sample.clone(), look.now);
            let meter = Meter::new(look.second(), None);
            let channel = ChannelView { connection, sample, changed_at, answered, meter };
            self.channels.insert(at, channel);
        }
        self.channels.change(at, look, budget, |channel| {
            channel.changed_at = look.now;
            channel.sample = sample;
        });
    }

    fn consumer(
        &mut self,
        sample: ConsumerSample,
        look: &Look,
        budget: &mut Budget,
        connections: FindConnection<'_>,
    ) {
        let number = sample.number;
        if let Some(description) = sample.description.clone() {
            let (key, queue) = (description.channel, description.queue);
            let Some(connection) = connections(key.session) else { return };
            let Some(of) = self.queues.get(queue) else { return };
            self.by_queue.insert((queue, number));
            self.by_channel.insert((key.session, key.channel, number));
            let consumer = ConsumerView {
                virtual_host: Arc::clone(&self.name),
                connection,
                queue: Arc::clone(&of.description),
                description,
                sample: sample.clone(),
                meter: Meter::new(look.second(), None),
            };
            self.consumers.insert(number, consumer);
        }
        self.consumers.change(number, look, budget, |consumer| consumer.sample = sample);
    }

    fn remove_consumer(&mut self, number: u32, budget: &mut Budget) {
        let Some(consumer) = self.consumers.remove(number, budget) else { return };
        let key = consumer.description.channel;
        self.by_queue.remove(&(consumer.description.queue, number));
        self.by_channel.remove(&(key.session, key.channel, number));
    }

    /// Queues that hold messages, or lost some, in the order in which they were declared.
    pub(super) fn queues_holding(&self) -> impl Iterator<Item = &Arc<QueueView>> {
        self.waiting.holding.iter().filter_map(|id| self.queues.get(*id))
    }

    /// Ends a look.
    pub(super) fn finish(&mut self, look: &Look, budget: &mut Budget) {
        if look.is_sample {
            self.queues.finish_sample(look, budget);
            self.exchanges.finish_sample(look, budget);
            self.channels.finish_sample(look, budget);
            self.consumers.finish_sample(look, budget);
        }
        let counters = &self.counters;
        let objects = ObjectTotals {
            connections: self.connections,
            channels: self.channels.len() as u64,
            consumers: self.consumers.len() as u64,
            exchanges: self.exchanges.len() as u64,
            queues: self.queues.len() as u64,
        };
        let view = Arc::make_mut(&mut self.view);
        let Totals { lengths, messages, exchanges, traffic, .. } = &mut view.totals;
        (*lengths, *traffic) = (self.waiting.lengths, self.traffic);
        (*messages, *exchanges) = (counters.messages, counters.exchanges);
        (view.losses, view.dead_lettered) = (counters.losses, counters.dead_lettered);
        view.objects = objects;
        if look.is_sample {
            sample(&mut view.totals, look, budget);
        }
    }

    /// Forgets what is too old.
    pub(super) fn age(&mut self, second: u64, budget: &mut Budget) {
        self.queues.age(second, budget);
        self.exchanges.age(second, budget);
        self.channels.age(second, budget);
        Arc::make_mut(&mut self.view).totals.meter_mut().age(second, budget);
    }

    fn forget_objects(&self, budget: &mut Budget) {
        self.queues.forget(budget);
        self.exchanges.forget(budget);
        self.channels.forget(budget);
        self.consumers.forget(budget);
    }

    /// The virtual host is gone.
    pub(super) fn forget(&self, budget: &mut Budget) {
        self.forget_objects(budget);
        self.view.totals.meter().forget(budget);
    }
}

/// Notes a binding under a name, and gives the name as it is kept.
fn note_binding(map: &mut FxHashMap<Arc<str>, Numbers>, name: &str, id: u64) -> Arc<str> {
    if let Some((known, _)) = map.get_key_value(name) {
        let known = Arc::clone(known);
        if let Some(numbers) = map.get_mut(name) {
            numbers.insert(id);
        }
        return known;
    }
    let name: Arc<str> = name.into();
    map.insert(Arc::clone(&name), Numbers::from([id]));
    name
}

fn forget_binding(map: &mut FxHashMap<Arc<str>, Numbers>, name: &str, id: u64) {
    if let Some(numbers) = map.get_mut(name) {
        numbers.remove(&id);
        if numbers.is_empty() {
            map.remove(name);
        }
    }
}

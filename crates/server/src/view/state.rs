//! What the observer knows: filled by its looks, read by everybody.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use warren_engine::{HostCounters, Observation, SessionId, VirtualHostId};

use super::host::Host;
use super::kept::{Sampled, sample};
use super::meter::{Budget, Look, Meter};
use super::objects::ConnectionView;
use super::reading::{Clock, Measured};
use super::totals::{ObjectTotals, Overview, Totals};
use crate::census::ConnectionInfo;
use crate::limits;

/// What is told of the node itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NodeNumbers {
    pub(super) memory_used: u64,
    pub(super) files_used: u64,
    pub(super) disk_free: u64,
    /// Since the start.
    pub(super) connections_opened: u64,
    pub(super) connections_closed: u64,
}

/// Finds a connection that is open.
pub(super) type FindConnection<'a> = &'a dyn Fn(SessionId) -> Option<Arc<ConnectionInfo>>;

#[derive(Debug, Default)]
pub(super) struct State {
    clock: Clock,
    look: Look,
    pub(super) hosts: BTreeMap<Arc<str>, Host>,
    names: FxHashMap<VirtualHostId, Arc<str>>,
    pub(super) connections: BTreeMap<SessionId, Arc<ConnectionView>>,
    pub(super) connection_names: BTreeMap<String, SessionId>,
    budget: Budget,
    /// What was counted in virtual hosts that are gone.
    gone: HostCounters,
    gone_traffic: [u64; 2],
    overview: Overview,
    /// When everything was last looked through for what is too old.
    aged: u64,
}

impl State {
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// A look begins. Time never goes back.
    pub(super) fn begin(&mut self, now: u64, is_sample: bool) {
        let now = now.max(self.clock.now);
        let elapsed = match self.clock.sampled {
            0 => 0,
            sampled => now - sampled,
        };
        self.look = Look { now, elapsed, is_sample };
    }

    /// These virtual hosts are there, and no others.
    pub(super) fn set_hosts(&mut self, present: &[(VirtualHostId, Arc<str>)]) {
        let known = present.iter().filter(|(id, _)| self.names.contains_key(id)).count();
        let mut gone = vec![];
        if known < self.names.len() {
            let present: FxHashSet<_> = present.iter().map(|(id, _)| *id).collect();
            gone.extend(self.names.extract_if(|id, _| !present.contains(id)));
        }
        for (id, name) in gone {
            // Another one may have its name by now.
            if self.hosts.get(&name).is_some_and(|host| host.id == id) {
                let host = self.hosts.remove(&name);
                self.forget_host(host);
            }
        }
        self.add_hosts(present);
    }

    fn forget_host(&mut self, host: Option<Host>) {
        let Some(host) = host else { return };
        host.forget(&mut self.budget);
        self.gone += host.counters;
        add(&mut self.gone_traffic, host.traffic);
    }

    /// These virtual hosts are there.
    pub(super) fn add_hosts(&mut self, present: &[(VirtualHostId, Arc<str>)]) {
        for (id, name) in present {
            if self.names.insert(*id, Arc::clone(name)).is_none() {
                let host = Host::new(*id, Arc::clone(name));
                let before = self.hosts.insert(Arc::clone(name), host);
                self.forget_host(before);
            }
        }
    }

    /// Takes what a virtual host showed.
    pub(super) fn apply(
        &mut self,
        id: VirtualHostId,
        shown: &mut Observation,
        connections: FindConnection<'_>,
    ) {
        let host = self.names.get(&id).and_then(|name| self.hosts.get_mut(name));
        let Some(host) = host.filter(|host| host.id == id) else { return };
        host.apply(shown, &self.look, &mut self.budget, connections);
    }

    /// These connections are open, and no others; in the order of their sessions.
    pub(super) fn set_connections(&mut self, open: &[Arc<ConnectionInfo>]) {
        let is_open = |session: SessionId| {
            open.binary_search_by_key(&session, |connection| connection.session).is_ok()
        };
        let sessions = self.connections.keys().copied();
        let gone: Vec<_> = sessions.filter(|session| !is_open(*session)).collect();
        for session in gone {
            let Some(view) = self.connections.remove(&session) else { continue };
            let now = ConnectionView::traffic_now(&view.info);
            self.note_traffic(&view.info.virtual_host, view.traffic, now);
            view.meter().forget(&mut self.budget);
            // Another connection may have come from the same port.
            if self.connection_names.get(&view.info.name) == Some(&session) {
                self.connection_names.remove(&view.info.name);
            }
        }
        for info in open {
            let session = info.session;
            if self.connections.contains_key(&session) {
                continue;
            }
            let meter = Meter::new(self.look.second(), None);
            let view = ConnectionView { info: Arc::clone(info), traffic: [0; 4], meter };
            self.connections.insert(session, Arc::new(view));
            self.connection_names.insert(info.name.clone(), session);
        }
        for host in self.hosts.values_mut() {
            host.connections = 0;
        }
        for info in open {
            if let Some(host) = self.hosts.get_mut(info.virtual_host.as_str()) {
                host.connections += 1;
            }
        }
    }

    fn note_traffic(&mut self, virtual_host: &str, [r0, _, s0, _]: [u64; 4], now: [u64; 4]) {
        let [received, _, sent, _] = now;
        let more = [received.wrapping_sub(r0), sent.wrapping_sub(s0)];
        match self.hosts.get_mut(virtual_host) {
            Some(host) => add(&mut host.traffic, more),
            None => add(&mut self.gone_traffic, more),
        }
    }

    /// Samples what connections have moved.
    fn sample_connections(&mut self) {
        let mut moved: Vec<(Arc<ConnectionInfo>, [u64; 4], [u64; 4])> = vec![];
        for view in self.connections.values_mut() {
            let now = ConnectionView::traffic_now(&view.info);
            if now != view.traffic {
                moved.push((Arc::clone(&view.info), view.traffic, now));
                let view = Arc::make_mut(view);
                view.traffic = now;
                sample(view, &self.look, &mut self.budget);
            }
        }
        for (info, before, now) in moved {
            self.note_traffic(&info.virtual_host, before, now);
        }
    }

    /// A look ends.
    pub(super) fn finish(&mut self, node: NodeNumbers) {
        if self.look.is_sample {
            self.sample_connections();
        }
        let second = self.look.second();
        let is_aging = second >= self.aged + limits::HISTORY_LOOK_SECONDS;
        for host in self.hosts.values_mut() {
            host.finish(&self.look, &mut self.budget);
        }
        if is_aging {
            self.aged = second;
            self.age(second);
        }
        self.clock.now = self.look.now;
        if self.look.is_sample {
            self.clock.sampled = self.look.now;
        }
        self.sum_up(node);
    }

    /// Forgets of objects what is too old at this time.
    fn age(&mut self, second: u64) {
        for host in self.hosts.values_mut() {
            host.age(second, &mut self.budget);
        }
        for connection in self.connections.values_mut() {
            if connection.meter().has_history() {
                Arc::make_mut(connection).meter_mut().age(second, &mut self.budget);
            }
        }
    }

    /// Forgets the past, of all objects and of the broker as a whole.
    pub(super) fn forget_past(&mut self) {
        // A time at which all of it will be too old.
        let end = u64::MAX / 2;
        self.age(end);
        let Overview { totals, churn, node, .. } = &mut self.overview;
        for meter in [&mut totals.meter, &mut churn.meter, &mut node.meter] {
            meter.age(end, &mut self.budget);
        }
    }

    fn sum_up(&mut self, node: NodeNumbers) {
        let mut counters = self.gone;
        let mut objects = ObjectTotals::default();
        let (mut lengths, mut traffic) = ([0; 2], self.gone_traffic);
        for host in self.hosts.values() {
            counters += host.counters;
            add(&mut lengths, host.view.totals.lengths);
            add(&mut traffic, host.traffic);
            objects += host.view.objects;
        }
        objects.connections = self.connections.len() as u64;
        let overview = &mut self.overview;
        overview.clock = self.clock;
        overview.objects = objects;
        let meter = std::mem::take(&mut overview.totals.meter);
        let HostCounters { messages, exchanges, losses, dead_lettered, .. } = counters;
        overview.totals = Totals { lengths, messages, exchanges, traffic, meter };
        (overview.losses, overview.dead_lettered) = (losses, dead_lettered);
        overview.churn.counts = [
            node.connections_opened,
            node.connections_closed,
            counters.channels_opened,
            counters.channels_closed,
            counters.queues_declared,
            counters.queues_created,
            counters.queues_deleted,
        ];
        let NodeNumbers { memory_used, files_used, disk_free, .. } = node;
        overview.node.numbers = [memory_used, files_used, objects.connections, disk_free];
        if self.look.is_sample {
            sample(&mut overview.totals, &self.look, &mut self.budget);
            sample(&mut overview.churn, &self.look, &mut self.budget);
            sample(&mut overview.node, &self.look, &mut self.budget);
        }
    }

    pub(super) fn overview(&self) -> &Overview {
        &self.overview
    }

    /// What histories take in memory, in bytes.
    #[cfg(test)]
    pub(super) fn history_bytes(&self) -> usize {
        self.budget.used()
    }
}

fn add(sum: &mut [u64; 2], more: [u64; 2]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

#[cfg(test)]
mod tests;

//! A mirror of the whole broker for those who look at it: queues, exchanges, bindings, channels,
//! consumers and connections with their counts, rates and some of their past.
//!
//! The observer, a thread of its own, asks all shards once a second what has changed and keeps it
//! here. A question of a client costs a shard nothing, however many objects there are; at most, the
//! observer is asked to have a look first, one for all who ask at that time.
//!
//! What is given out stays as it is: an object that a reader holds is copied before it changes. So
//! readers hold the lock only while they gather what they want, and sort and filter without it.

mod history;
mod host;
mod kept;
mod meter;
mod objects;
mod observer;
mod reading;
mod series;
mod state;
mod totals;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::oneshot;
use warren_engine::{Destination, SessionId};

use host::Host;
use state::State;

pub use meter::Meter;
pub use objects::{
    BindingView, ChannelView, ConnectionView, ConsumerView, ExchangeView, QueueView,
};
use observer::Order;
pub(crate) use observer::{Look, Observer};
pub use reading::{Clock, Measured, Range, RangeError, Ranges, Reading, Sample, Samples};
pub use series::{Group, Series};
pub use totals::{Churn, HostView, NodeView, ObjectTotals, Overview, Totals};

/// Objects that were there at one time.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// When.
    pub clock: Clock,
    /// In the order of virtual hosts, then of names or numbers.
    pub items: Vec<Arc<T>>,
}

/// What the observer fills and readers read.
#[derive(Debug, Default)]
struct Shared {
    state: RwLock<State>,
    /// Apart, so that it is there at once while others gather large lists.
    overview: RwLock<Arc<Overview>>,
}

/// The view. Copies of it are the same.
#[derive(Debug, Clone)]
pub struct View {
    shared: Arc<Shared>,
    orders: std::sync::mpsc::Sender<Order>,
}

impl View {
    /// Waits until what is read is not older than this call. When there is so much that changes
    /// that a look takes long, or a shard does not answer, what is there is good enough: it is from
    /// the last second as long as the shards answer.
    pub async fn fresh(&self) {
        let (done, wait) = oneshot::channel();
        if self.orders.send(Order::Look(done)).is_ok() {
            // The observer answers in any case, or has ended.
            let _ = wait.await;
        }
    }

    /// Forgets the past: samples begin anew. What is counted stays.
    pub fn forget_past(&self) {
        // It may have ended.
        let _ = self.orders.send(Order::Forget);
    }

    /// Ends the observer. What is there stays as it is.
    pub(crate) fn stop(&self) {
        // It may have ended.
        let _ = self.orders.send(Order::Stop);
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broker as a whole.
    #[must_use]
    pub fn overview(&self) -> Arc<Overview> {
        let overview = self.shared.overview.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&overview)
    }

    /// All virtual hosts.
    #[must_use]
    pub fn virtual_hosts(&self) -> Listing<HostView> {
        let state = self.state();
        let items = state.hosts.values().map(|host| Arc::clone(&host.view)).collect();
        Listing { clock: state.clock(), items }
    }

    /// Gathers objects of one virtual host, or of all of them.
    fn gather<T>(
        &self,
        virtual_host: Option<&str>,
        each: impl Fn(&Host, &mut Vec<Arc<T>>),
    ) -> Listing<T> {
        let state = self.state();
        let mut items = vec![];
        match virtual_host {
            Some(name) => state.hosts.get(name).into_iter().for_each(|it| each(it, &mut items)),
            None => state.hosts.values().for_each(|host| each(host, &mut items)),
        }
        Listing { clock: state.clock(), items }
    }

    /// Queues of one virtual host, or of all of them.
    #[must_use]
    pub fn queues(&self, virtual_host: Option<&str>) -> Listing<QueueView> {
        self.gather(virtual_host, |host, items| {
            let queues = host.queue_names.values().filter_map(|id| host.queues.get(*id));
            items.reserve(host.queue_names.len());
            items.extend(queues.cloned());
        })
    }

    /// Queues that hold messages, or lost some, of one virtual host or of all of them. This looks at
    /// no other queue.
    #[must_use]
    pub fn queues_holding(&self, virtual_host: Option<&str>) -> Listing<QueueView> {
        self.gather(virtual_host, |host, items| items.extend(host.queues_holding().cloned()))
    }

    /// A queue.
    #[must_use]
    pub fn queue(&self, virtual_host: &str, name: &str) -> Option<(Clock, Arc<QueueView>)> {
        let state = self.state();
        let host = state.hosts.get(virtual_host)?;
        let queue = host.queues.get(*host.queue_names.get(name)?)?;
        Some((state.clock(), Arc::clone(queue)))
    }

    /// Exchanges of one virtual host, or of all of them. The default exchange is one of them, with
    /// an empty name.
    #[must_use]
    pub fn exchanges(&self, virtual_host: Option<&str>) -> Listing<ExchangeView> {
        self.gather(virtual_host, |host, items| {
            let exchanges = host.exchange_names.values().filter_map(|id| host.exchanges.get(*id));
            items.extend(exchanges.cloned());
        })
    }

    /// An exchange.
    #[must_use]
    pub fn exchange(&self, virtual_host: &str, name: &str) -> Option<(Clock, Arc<ExchangeView>)> {
        let state = self.state();
        let host = state.hosts.get(virtual_host)?;
        let exchange = host.exchanges.get(*host.exchange_names.get(name)?)?;
        Some((state.clock(), Arc::clone(exchange)))
    }

    /// Bindings of one virtual host, or of all of them, but for those of the default exchange.
    #[must_use]
    pub fn bindings(&self, virtual_host: Option<&str>) -> Listing<BindingView> {
        self.gather(virtual_host, |host, items| {
            let mut bindings: Vec<_> = host.bindings.iter().collect();
            bindings.sort_unstable_by_key(|(id, _)| **id);
            items.extend(bindings.into_iter().map(|(_, binding)| Arc::clone(binding)));
        })
    }

    /// Bindings that begin at an exchange.
    #[must_use]
    pub fn bindings_from(&self, virtual_host: &str, source: &str) -> Listing<BindingView> {
        self.gather(Some(virtual_host), |host, items| {
            let numbers = host.by_source.get(source).into_iter().flatten();
            items.extend(numbers.filter_map(|id| host.bindings.get(id).cloned()));
        })
    }

    /// Bindings that lead to a queue or an exchange.
    #[must_use]
    pub fn bindings_to(
        &self,
        virtual_host: &str,
        destination: &Destination,
    ) -> Listing<BindingView> {
        self.gather(Some(virtual_host), |host, items| {
            let numbers = match destination {
                Destination::Queue(name) => host.to_queues.get(name.as_str()),
                Destination::Exchange(name) => host.to_exchanges.get(name.as_str()),
            };
            let numbers = numbers.into_iter().flatten();
            items.extend(numbers.filter_map(|id| host.bindings.get(id).cloned()));
        })
    }

    /// All connections, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Listing<ConnectionView> {
        let state = self.state();
        let items = state.connections.values().cloned().collect();
        Listing { clock: state.clock(), items }
    }

    /// A connection, by its name.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<(Clock, Arc<ConnectionView>)> {
        let state = self.state();
        let session = state.connection_names.get(name)?;
        Some((state.clock(), Arc::clone(state.connections.get(session)?)))
    }

    /// Channels of one virtual host, or of all of them, in the order of their connections.
    #[must_use]
    pub fn channels(&self, virtual_host: Option<&str>) -> Listing<ChannelView> {
        let by_number = |channel: &Arc<ChannelView>| {
            let key = channel.sample.key;
            (key.session, key.channel)
        };
        self.gather(virtual_host, |host, items| {
            let first = items.len();
            items.extend(host.channels.values().cloned());
            if let Some(new) = items.get_mut(first..) {
                new.sort_unstable_by_key(by_number);
            }
        })
    }

    /// Channels of a connection.
    #[must_use]
    pub fn channels_of(&self, session: SessionId) -> Listing<ChannelView> {
        let state = self.state();
        let host = state.connections.get(&session);
        let host = host.and_then(|view| state.hosts.get(view.info.virtual_host.as_str()));
        let channels = host.into_iter().flat_map(|host| host.channels.values());
        let mut items: Vec<_> = channels
            .filter(|channel| channel.sample.key.session == session)
            .map(Arc::clone)
            .collect();
        items.sort_unstable_by_key(|channel| channel.sample.key.channel);
        Listing { clock: state.clock(), items }
    }

    /// A channel.
    #[must_use]
    pub fn channel(&self, session: SessionId, number: u16) -> Option<(Clock, Arc<ChannelView>)> {
        let state = self.state();
        let connection = state.connections.get(&session)?;
        let host = state.hosts.get(connection.info.virtual_host.as_str())?;
        Some((state.clock(), Arc::clone(host.channels.get((session, number))?)))
    }

    /// Consumers of one virtual host, or of all of them.
    #[must_use]
    pub fn consumers(&self, virtual_host: Option<&str>) -> Listing<ConsumerView> {
        self.gather(virtual_host, |host, items| {
            let numbers = host.by_channel.iter().map(|(_, _, number)| *number);
            items.extend(numbers.filter_map(|number| host.consumers.get(number).cloned()));
        })
    }

    /// Consumers of a queue.
    #[must_use]
    pub fn consumers_of_queue(&self, virtual_host: &str, queue: &str) -> Listing<ConsumerView> {
        self.gather(Some(virtual_host), |host, items| {
            let Some(id) = host.queue_names.get(queue).copied() else { return };
            let numbers = host.by_queue.range((id, 0)..=(id, u32::MAX));
            items.extend(numbers.filter_map(|(_, number)| host.consumers.get(*number).cloned()));
        })
    }

    /// Consumers on a channel.
    #[must_use]
    pub fn consumers_of_channel(&self, session: SessionId, number: u16) -> Listing<ConsumerView> {
        let state = self.state();
        let host = state.connections.get(&session);
        let host = host.and_then(|view| state.hosts.get(view.info.virtual_host.as_str()));
        let consumers = host.into_iter().flat_map(|host| {
            let range = (session, number, 0)..=(session, number, u32::MAX);
            let numbers = host.by_channel.range(range);
            numbers.filter_map(|(_, _, consumer)| host.consumers.get(*consumer).cloned())
        });
        Listing { clock: state.clock(), items: consumers.collect() }
    }
}

#[cfg(test)]
mod tests;

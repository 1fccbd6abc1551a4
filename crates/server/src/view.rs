//! A mirror of the whole broker for those who look at it: queues, exchanges, bindings, channels,
//! consumers and connections with their counts, rates and some of their past.
//!
//! The observer, a thread of its own, asks all shards once a second what has changed and keeps it
//! here. A question of a client costs a shard nothing, however many objects there are; at most, the
//! observer is asked to have a fresh look first, one for all who ask at that time.
//!
//! What is given out stays as it is: an object that is held by a reader is copied before it changes.

mod objects;
mod series;

use std::sync::Arc;

pub use objects::{
    BindingView, ChannelView, Churn, ConnectionView, ConsumerView, ExchangeView, HostView,
    NodeView, ObjectTotals, Overview, QueueState, QueueView,
};
pub use series::{Clock, Meter, Range, RangeError, Reading, Sample, Samples, Series};

/// Objects that were there at one time.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// When.
    pub clock: Clock,
    /// In the order of virtual hosts, then of names.
    pub items: Vec<Arc<T>>,
}

//! Objects of one kind, by key, with those that changed since the last sample.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::history::{Depth, Values};
use super::meter::{Budget, Look, Meter};
use super::objects::{ChannelView, ConnectionView, ConsumerView, ExchangeView, QueueView};
use super::reading::Measured;
use super::totals::{Churn, NodeView, Totals};

/// An object whose numbers are sampled.
pub(super) trait Sampled: Measured + Clone {
    /// How far back its past is kept; `None` if only the last rates are.
    const DEPTH: Option<Depth>;

    fn meter_mut(&mut self) -> &mut Meter;
}

/// Notes the numbers of an object in a sample.
pub(super) fn sample<T: Sampled>(object: &mut T, look: &Look, budget: &mut Budget) {
    let values = Values::from_slice(object.values().as_ref());
    object.meter_mut().sample(look, &values, T::DEPTH, budget);
}

#[derive(Debug)]
pub(super) struct Kept<K, T> {
    objects: FxHashMap<K, Arc<T>>,
    /// Those that changed in a look that was no sample.
    pending: Vec<K>,
}

impl<K, T> Default for Kept<K, T> {
    fn default() -> Self {
        Self { objects: FxHashMap::default(), pending: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash, T: Sampled> Kept<K, T> {
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn get(&self, key: K) -> Option<&Arc<T>> {
        self.objects.get(&key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.objects.values()
    }

    pub(super) fn insert(&mut self, key: K, object: T) {
        self.objects.insert(key, Arc::new(object));
    }

    /// Changes an object, and samples it if the look is a sample. False if it is not there. One
    /// that a reader holds is copied.
    pub(super) fn change(
        &mut self,
        key: K,
        look: &Look,
        budget: &mut Budget,
        change: impl FnOnce(&mut T),
    ) -> bool {
        let Some(object) = self.objects.get_mut(&key) else { return false };
        let object = Arc::make_mut(object);
        change(object);
        if look.is_sample {
            sample(object, look, budget);
        } else if !std::mem::replace(&mut object.meter_mut().is_pending, true) {
            self.pending.push(key);
        }
        true
    }

    pub(super) fn remove(&mut self, key: K, budget: &mut Budget) -> Option<Arc<T>> {
        let object = self.objects.remove(&key)?;
        object.meter().forget(budget);
        Some(object)
    }

    /// Samples what changed before the look that is a sample, and not in it.
    pub(super) fn finish_sample(&mut self, look: &Look, budget: &mut Budget) {
        for key in std::mem::take(&mut self.pending) {
            let object = self.objects.get_mut(&key).filter(|object| object.meter().is_pending);
            if let Some(object) = object {
                sample(Arc::make_mut(object), look, budget);
            }
        }
    }

    /// Forgets what is too old.
    pub(super) fn age(&mut self, second: u64, budget: &mut Budget) {
        for object in self.objects.values_mut().filter(|object| object.meter().has_history()) {
            Arc::make_mut(object).meter_mut().age(second, budget);
        }
    }

    /// All are gone.
    pub(super) fn forget(&self, budget: &mut Budget) {
        self.objects.values().for_each(|object| object.meter().forget(budget));
    }
}

impl Sampled for QueueView {
    const DEPTH: Option<Depth> = Some(Depth::Object);

    fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Sampled for ExchangeView {
    const DEPTH: Option<Depth> = Some(Depth::Object);

    fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Sampled for ChannelView {
    const DEPTH: Option<Depth> = Some(Depth::Object);

    fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Sampled for ConnectionView {
    const DEPTH: Option<Depth> = Some(Depth::Object);

    fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Sampled for ConsumerView {
    const DEPTH: Option<Depth> = None;

    fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Sampled for Totals {
    const DEPTH: Option<Depth> = Some(Depth::Total);

    fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Sampled for Churn {
    const DEPTH: Option<Depth> = Some(Depth::Total);

    fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Sampled for NodeView {
    const DEPTH: Option<Depth> = Some(Depth::Total);

    fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

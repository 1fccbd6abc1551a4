//! How the numbers of an object change: noted with every sample in which they did.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use warren_engine::Milliseconds;

use super::history::{Depth, History, Values};
use super::reading::Clock;
use crate::limits;

/// One number.
#[derive(Debug, Clone, Copy, Default)]
struct Number {
    /// As it was in the last sample in which something had changed.
    sampled: u64,
    /// By how much it had changed a second then.
    rate: f64,
}

/// What is known of the past of an object. One that never changes takes no memory for it.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    numbers: Box<[Number]>,
    /// The last sample in which something had changed, in milliseconds since 1970.
    at: Milliseconds,
    /// Before this second there was no such object.
    since: u64,
    /// Something has changed since the last sample.
    pub(super) is_pending: bool,
    /// Shared by the copies of the object that readers hold.
    history: Option<Arc<Mutex<History>>>,
}

/// A sample that is being taken, or with `is_sample` unset a look between two samples.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) now: Milliseconds,
    /// Since the last sample, in milliseconds; 0 if there was none.
    pub(super) elapsed: Milliseconds,
    pub(super) is_sample: bool,
}

impl Look {
    pub(super) fn second(&self) -> u64 {
        self.now / 1000
    }
}

/// The memory that all histories take.
#[derive(Debug)]
pub(super) struct Budget {
    used: usize,
    /// In bytes. Above it nothing more is kept of the past.
    most: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { used: 0, most: limits::HISTORY_BYTES }
    }
}

impl Budget {
    #[cfg(test)]
    pub(super) fn of(most: usize) -> Self {
        Self { used: 0, most }
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used
    }

    fn is_spent(&self) -> bool {
        self.used >= self.most
    }

    fn changed(&mut self, before: usize, after: usize) {
        self.used = (self.used + after).saturating_sub(before);
    }
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter {
    /// Of an object that is new, or was there before anybody looked: then its numbers are `values`.
    pub(super) fn new(second: u64, values: Option<&[u64]>) -> Self {
        let values = values.filter(|values| values.iter().any(|value| *value != 0));
        let numbers = values.into_iter().flatten();
        let numbers = numbers.map(|sampled| Number { sampled: *sampled, rate: 0.0 }).collect();
        Self { numbers, since: second, ..Self::default() }
    }

    /// Notes the numbers as they are now.
    pub(super) fn sample(
        &mut self,
        look: &Look,
        values: &[u64],
        depth: Option<Depth>,
        budget: &mut Budget,
    ) {
        self.is_pending = false;
        if self.numbers.is_empty() {
            if values.iter().all(|value| *value == 0) {
                return;
            }
            self.numbers = values.iter().map(|_| Number::default()).collect();
        }
        let before: Values = self.numbers.iter().map(|number| number.sampled).collect();
        self.at = look.now;
        for (number, value) in self.numbers.iter_mut().zip(values) {
            let change = value.wrapping_sub(number.sampled) as i64;
            number.rate = match look.elapsed {
                0 => 0.0,
                elapsed => change as f64 * 1000.0 / elapsed as f64,
            };
            number.sampled = *value;
        }
        if *before == *values {
            return;
        }
        let Some(depth) = depth else { return };
        if self.history.is_none() && !budget.is_spent() {
            let history = History::new(depth, &before);
            budget.changed(0, history.bytes());
            self.history = Some(Arc::new(Mutex::new(history)));
        }
        if let Some(history) = &self.history {
            let mut history = lock(history);
            let bytes = history.bytes();
            history.note(look.second(), values, budget.is_spent());
            budget.changed(bytes, history.bytes());
        }
    }

    /// Forgets what is too old; all of it if nothing has changed for so long.
    pub(super) fn age(&mut self, second: u64, budget: &mut Budget) {
        let Some(history) = &self.history else { return };
        let mut aged = lock(history);
        let bytes = aged.bytes();
        aged.age(second, budget.is_spent());
        let is_empty = aged.is_empty();
        budget.changed(bytes, if is_empty { 0 } else { aged.bytes() });
        drop(aged);
        if is_empty {
            self.history = None;
        }
    }

    /// The object is gone.
    pub(super) fn forget(&self, budget: &mut Budget) {
        if let Some(history) = &self.history {
            budget.changed(lock(history).bytes(), 0);
        }
    }

    /// By how much a number changed a second between the last two samples.
    pub(super) fn rate(&self, at: usize, clock: Clock) -> f64 {
        match self.numbers.get(at) {
            Some(number) if self.at == clock.sampled => number.rate,
            Some(_) | None => 0.0,
        }
    }

    /// The numbers at each of these seconds, which fall; `values` are those of now.
    pub(super) fn past(&self, values: &[u64], seconds: &[u64]) -> Vec<Values> {
        let mut past = match &self.history {
            Some(history) => lock(history).at(seconds),
            None => seconds.iter().map(|_| Values::from_slice(values)).collect(),
        };
        for (second, values) in seconds.iter().zip(&mut past) {
            if *second < self.since {
                values.fill(0);
            }
        }
        past
    }

    /// True if something of the past is kept.
    pub(super) fn has_history(&self) -> bool {
        self.history.is_some()
    }
}

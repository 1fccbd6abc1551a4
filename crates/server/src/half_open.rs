//! Connections that have not logged in yet. There is room for so many; above that the oldest one of
//! the address that has most goes for each new one, so that silent sockets keep nobody out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::task::AbortHandle;
use tracing::warn;

/// How often it is told that connections are dropped.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// All half-open connections.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    count: usize,
    /// By address, the connections in the order in which they came. One that has just come has no
    /// handle yet.
    addresses: FxHashMap<IpAddr, BTreeMap<u64, Option<AbortHandle>>>,
    dropped: usize,
    told: Option<Instant>,
}

/// A connection's place among the half-open ones, which it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    all: Arc<HalfOpen>,
    address: IpAddr,
    number: u64,
}

impl HalfOpen {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a new connection a place, if need be that of another one.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Place {
        let mut state = self.state();
        if state.count >= self.most {
            state.drop_one();
        }
        state.count += 1;
        state.last += 1;
        let number = state.last;
        state.addresses.entry(address).or_default().insert(number, None);
        Place { all: Arc::clone(self), address, number }
    }

    /// Tells how the task of a connection can be ended, if it still is half open.
    pub(crate) fn set_task(&self, address: IpAddr, number: u64, task: AbortHandle) {
        let mut state = self.state();
        let place = state.addresses.get_mut(&address).and_then(|list| list.get_mut(&number));
        // If there is none, it has logged in already, or lost its place to another one.
        if let Some(place) = place {
            *place = Some(task);
        }
    }
}

impl State {
    fn drop_one(&mut self) {
        let most = self.addresses.iter().max_by_key(|(_, list)| list.len());
        let Some(address) = most.map(|(address, _)| *address) else { return };
        let oldest = self.addresses.get(&address).and_then(|list| list.keys().next().copied());
        if let Some(task) = oldest.and_then(|number| self.remove(address, number)) {
            task.abort();
        }
        self.dropped += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            let dropped = std::mem::take(&mut self.dropped);
            warn!(%address, dropped, "too many connections that have not logged in");
            self.told = Some(Instant::now());
        }
    }

    fn remove(&mut self, address: IpAddr, number: u64) -> Option<AbortHandle> {
        let list = self.addresses.get_mut(&address)?;
        let task = list.remove(&number)?;
        if list.is_empty() {
            self.addresses.remove(&address);
        }
        self.count -= 1;
        task
    }
}

impl Place {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.state().remove(self.address, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[tokio::test]
    async fn the_oldest_of_the_address_that_has_most_goes() {
        let all = HalfOpen::new(4);
        let mut tasks = Vec::new();
        let mut enter = |last| {
            let place = all.enter(address(last));
            let number = place.number();
            let task = tokio::spawn(async move {
                let _place = place;
                std::future::pending::<()>().await;
            });
            all.set_task(address(last), number, task.abort_handle());
            tasks.push(task);
        };
        for last in [1, 2, 2, 2, 3, 4] {
            enter(last);
        }
        for (task, dropped) in tasks.into_iter().zip([false, true, true, false, false, false]) {
            if dropped {
                assert!(task.await.unwrap_err().is_cancelled());
            } else {
                assert!(!task.is_finished());
                task.abort();
            }
        }
    }

    #[test]
    fn a_place_that_is_left_is_free() {
        let all = HalfOpen::new(2);
        for _ in 0..10 {
            let places = [all.enter(address(1)), all.enter(address(2))];
            drop(places);
        }
        let state = all.state();
        assert_eq!((state.count, state.addresses.len(), state.dropped), (0, 0, 0));
    }
}

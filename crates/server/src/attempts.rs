//! Login attempts: how many there were, and for how long somebody has to wait who fails often.
//!
//! Two things are looked at: a user name from an address, and an address with all names. After some
//! failures each further one doubles the wait. A name alone is never held up, whatever happens
//! elsewhere: that would let anybody lock out a user. What is refused because of a wait is not an
//! attempt, so that a program with an old password does not hold up its neighbours.
//!
//! The time is an argument: milliseconds that only rise.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use warren_amqp::Millis;

use crate::limits;

mod counts;
pub use counts::{Counts, Protocol, SourceCounts};

/// All that is known of attempts.
#[derive(Debug)]
pub struct Attempts {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    users: Book<(u64, IpAddr)>,
    addresses: Book<IpAddr>,
    counts: counts::All,
}

/// After how many failures the wait begins, and how far it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    /// Failures that cost nothing: people mistype, and programs start before their password does.
    free: u32,
    /// The longest wait, in milliseconds.
    longest: Millis,
}

/// The wait after the first failure that costs something, in milliseconds.
const FIRST_WAIT: Millis = 1_000;

/// For a user name from an address.
const USER: Rule = Rule { free: 5, longest: 300_000 };

/// For an address with all names: an office or a cluster can stand behind one.
const ADDRESS: Rule = Rule { free: 50, longest: 60_000 };

/// What is remembered of a key.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    failures: u32,
    /// When the last thing happened.
    last: Millis,
    /// Until when there are no more attempts.
    until: Millis,
    /// Whether the last attempt was a success.
    good: bool,
}

/// Entries by key, a bounded number of them.
#[derive(Debug)]
struct Book<K> {
    entries: HashMap<K, Entry>,
    most: usize,
    rule: Rule,
}

impl Attempts {
    /// Nothing has happened yet. With `by_source`, attempts are also counted by address and user.
    #[must_use]
    pub fn new(by_source: bool) -> Self {
        let state = State {
            users: Book::new(limits::ATTEMPT_USERS, USER),
            addresses: Book::new(limits::ATTEMPT_ADDRESSES, ADDRESS),
            counts: counts::All::new(by_source),
        };
        Self { hasher: RandomState::new(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody may try to log in.
    ///
    /// # Errors
    ///
    /// How long to wait, in milliseconds, if it is too soon.
    pub fn may_try(&self, user: &str, address: IpAddr, now: Millis) -> Result<(), Millis> {
        let network = network(address);
        let key = (self.hasher.hash_one(user), network);
        let mut state = self.state();
        let user = state.users.look(key, now);
        // Whoever was let in a while ago is not held up by what others do from the same address.
        let address = if user.good { 0 } else { state.addresses.look(network, now).wait(now) };
        match user.wait(now).max(address) {
            0 => Ok(()),
            wait => Err(wait),
        }
    }

    /// Somebody who might try has tried.
    pub fn note(&self, attempt: &Attempt<'_>, now: Millis) {
        let network = network(attempt.address);
        let key = (self.hasher.hash_one(attempt.user), network);
        let mut state = self.state();
        state.counts.count(attempt);
        if attempt.succeeded {
            // The failures of the address stay: one good account must not make guessing free.
            state.users.succeed(key, now);
        } else {
            state.users.fail(key, now);
            state.addresses.fail(network, now);
        }
    }

    /// Counts an attempt that changes no wait: one that was refused because of a wait, or one with
    /// something that nobody can guess.
    pub fn count(&self, attempt: &Attempt<'_>) {
        self.state().counts.count(attempt);
    }

    /// How many attempts there were, for each protocol that there were any for.
    #[must_use]
    pub fn counts(&self) -> Vec<(Protocol, Counts)> {
        self.state().counts.by_protocol()
    }

    /// How many attempts there were from each address with each user name, if that is counted.
    #[must_use]
    pub fn counts_by_source(&self) -> Vec<SourceCounts> {
        self.state().counts.by_source()
    }

    /// Begins to count anew. Nobody has to wait less for that.
    pub fn reset_counts(&self) {
        self.state().counts.reset();
    }
}

/// An attempt to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// By which protocol.
    pub protocol: Protocol,
    /// With which name; empty if there was none.
    pub user: &'a str,
    /// From where.
    pub address: IpAddr,
    /// How it went.
    pub succeeded: bool,
}

/// Whose address it is: with IPv6, whoever has one has a whole network (/64) of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

impl Entry {
    fn wait(self, now: Millis) -> Millis {
        self.until.saturating_sub(now)
    }

    /// Whether it says nothing any more.
    fn is_over(self, now: Millis) -> bool {
        let memory = if self.good { limits::GOOD_LOGIN_MS } else { limits::ATTEMPT_MEMORY_MS };
        now.saturating_sub(self.last) >= memory && self.wait(now) == 0
    }
}

impl<K: Copy + Eq + std::hash::Hash> Book<K> {
    fn new(most: usize, rule: Rule) -> Self {
        Self { entries: HashMap::new(), most, rule }
    }

    fn look(&mut self, key: K, now: Millis) -> Entry {
        self.entries.get(&key).copied().filter(|entry| !entry.is_over(now)).unwrap_or_default()
    }

    fn fail(&mut self, key: K, now: Millis) {
        let Rule { free, longest } = self.rule;
        let mut entry = self.look(key, now);
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
        entry.good = false;
        if let Some(doublings) = entry.failures.checked_sub(free + 1) {
            // After 20 doublings the longest wait is reached by far.
            let wait = (FIRST_WAIT << doublings.min(20)).min(longest);
            entry.until = now.saturating_add(wait);
        }
        self.put(key, entry, now);
    }

    fn succeed(&mut self, key: K, now: Millis) {
        self.put(key, Entry { last: now, good: true, ..Entry::default() }, now);
    }

    fn put(&mut self, key: K, entry: Entry, now: Millis) {
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        self.entries.insert(key, entry);
    }

    /// Forgets what is over, and if that is not enough the quarter in which least happened lately.
    /// This is a lot of work, but it is done once for many entries.
    fn make_room(&mut self, now: Millis) {
        self.entries.retain(|_, entry| !entry.is_over(now));
        let most = self.most - self.most / 4;
        if self.entries.len() > most {
            let mut times: Vec<Millis> = self.entries.values().map(|entry| entry.last).collect();
            let surplus = times.len() - most;
            times.sort_unstable();
            let oldest = times.get(surplus).copied().unwrap_or(now);
            self.entries.retain(|_, entry| entry.last > oldest);
        }
    }
}

#[cfg(test)]
mod tests;

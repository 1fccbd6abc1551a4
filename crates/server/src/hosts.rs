//! Virtual hosts: what the catalog says of one for the engine, and how all of them share the memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use warren_engine::{Bounds, MemoryLimits, QueueType, VirtualHost, VirtualHostId};

use crate::catalog::VirtualHost as Definition;
use crate::config::Config;
use crate::{limits, names};

/// What the configuration and the catalog say of a virtual host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostSettings {
    bounds: Bounds,
    queue_type: Option<QueueType>,
    consumer_timeout_ms: Option<u64>,
}

impl HostSettings {
    pub(crate) fn of(config: &Config, definition: &Definition) -> Self {
        let by_default = Bounds::default().consumers_per_channel;
        let queues = least(config.limits.queues_per_virtual_host, definition.limits.max_queues);
        let consumers_per_channel = config.limits.consumers_per_channel.unwrap_or(by_default);
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let kind = definition.default_queue_type.as_deref();
        Self {
            bounds: Bounds { queues, consumers_per_channel },
            queue_type: kind.and_then(|kind| QueueType::from_name(kind.as_bytes())),
            consumer_timeout_ms: config.consumer_timeout.map(milliseconds),
        }
    }

    pub(crate) fn apply_to(&self, host: &mut VirtualHost) {
        host.set_bounds(self.bounds);
        host.set_default_queue_type(self.queue_type);
        host.set_consumer_timeout(self.consumer_timeout_ms);
    }

    /// A virtual host that is new.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub(crate) fn new_host(
        &self,
        id: VirtualHostId,
        name: &str,
    ) -> Result<VirtualHost, getrandom::Error> {
        let mut host = VirtualHost::new(id, name);
        self.apply_to(&mut host);
        host.set_seed(names::random_number()?);
        Ok(host)
    }
}

/// The lower one of a limit of the configuration and one of the catalog, where a negative one is
/// none.
pub(crate) fn least(configured: Option<usize>, defined: Option<i64>) -> Option<usize> {
    let defined = defined.and_then(|limit| usize::try_from(limit).ok());
    configured.into_iter().chain(defined).min()
}

/// The memory that all virtual hosts share. Those that have much of it count as busy, and the limits
/// of the engine are divided by their number; the others have less than would matter.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    hosts: AtomicUsize,
    busy: AtomicUsize,
}

/// Whether a virtual host counts as busy.
#[derive(Debug, Default)]
pub(crate) struct Share {
    is_busy: bool,
}

impl Budget {
    /// By how much limits are divided now.
    pub(crate) fn parts(&self) -> usize {
        self.busy.load(Ordering::Relaxed).max(1)
    }

    pub(crate) fn enter(&self) -> Share {
        self.hosts.fetch_add(1, Ordering::Relaxed);
        Share::default()
    }

    pub(crate) fn leave(&self, share: &Share) {
        self.hosts.fetch_sub(1, Ordering::Relaxed);
        if share.is_busy {
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A virtual host has so many bytes in memory now.
    pub(crate) fn note(&self, share: &mut Share, resident_bytes: usize) {
        let hosts = self.hosts.load(Ordering::Relaxed).max(1);
        // Together, those that are not busy have no more than one that is.
        let much = limits::BUSY_HOST_BYTES.min(whole().host_bytes / hosts);
        if !share.is_busy && resident_bytes >= much {
            share.is_busy = true;
            self.busy.fetch_add(1, Ordering::Relaxed);
        } else if share.is_busy && resident_bytes < much / 2 {
            share.is_busy = false;
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What one virtual host may have that is alone.
fn whole() -> MemoryLimits {
    MemoryLimits::default()
}

/// What each of `parts` busy virtual hosts may have.
pub(crate) fn part(parts: usize) -> MemoryLimits {
    let MemoryLimits { queue_bytes, host_bytes, transient_queue_bytes, transient_host_bytes } =
        whole();
    let (host_bytes, transient_host_bytes) = (host_bytes / parts, transient_host_bytes / parts);
    MemoryLimits {
        queue_bytes: queue_bytes.min(host_bytes),
        host_bytes,
        transient_queue_bytes: transient_queue_bytes.min(transient_host_bytes),
        transient_host_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_limit_holds_and_a_negative_one_is_none() {
        for (configured, defined, expected) in [
            (None, None, None),
            (Some(3), None, Some(3)),
            (None, Some(2), Some(2)),
            (Some(3), Some(2), Some(2)),
            (Some(1), Some(2), Some(1)),
            (Some(3), Some(-1), Some(3)),
            (None, Some(-1), None),
            (None, Some(0), Some(0)),
        ] {
            assert_eq!(least(configured, defined), expected, "{configured:?} {defined:?}");
        }
    }

    #[test]
    fn one_virtual_host_has_all_and_many_have_no_more_together() {
        let budget = Budget::default();
        let mut alone = budget.enter();
        budget.note(&mut alone, 1 << 30);
        assert_eq!(part(budget.parts()), whole());
        let mut others: Vec<Share> = (0..99).map(|_| budget.enter()).collect();
        others.iter_mut().for_each(|share| budget.note(share, 1 << 30));
        assert_eq!(budget.parts(), 100);
        let limits = part(budget.parts());
        assert!(100 * limits.host_bytes <= whole().host_bytes);
        assert!(100 * limits.transient_host_bytes <= whole().transient_host_bytes);
        assert!(limits.queue_bytes <= limits.host_bytes);
        // Idle ones give their part back, and so do those that are deleted.
        others.iter_mut().take(50).for_each(|share| budget.note(share, 0));
        assert_eq!(budget.parts(), 50);
        others.iter().for_each(|share| budget.leave(share));
        assert_eq!(budget.parts(), 1);
    }

    #[test]
    fn those_that_are_not_busy_have_little_together() {
        let budget = Budget::default();
        let mut shares: Vec<Share> = (0..5_000).map(|_| budget.enter()).collect();
        let each = whole().host_bytes / 5_000;
        shares.iter_mut().for_each(|share| budget.note(share, each - 1));
        assert_eq!(budget.parts(), 1);
        shares.iter_mut().for_each(|share| budget.note(share, each));
        assert_eq!(budget.parts(), 5_000);
    }
}

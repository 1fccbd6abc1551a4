//! The plan of an open-loop load: when each message is due, and the latencies counted from there.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Part of the plan that is sent but not counted.
const WARMUP_SECONDS: f64 = 0.5;
/// Time from making the plan to its first message.
const LEAD: Duration = Duration::from_millis(50);

/// When each message is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) start: Instant,
    rate: u64,
    /// Messages at the beginning that are not counted.
    warmup: u64,
    pub(super) messages: u64,
}

impl Schedule {
    /// A plan that begins a little later than now, so that every thread is ready.
    pub(super) fn new(rate: u32, seconds: f64) -> Self {
        let per_second = f64::from(rate);
        Self {
            start: Instant::now() + LEAD,
            rate: u64::from(rate),
            warmup: (per_second * WARMUP_SECONDS) as u64,
            messages: (per_second * (WARMUP_SECONDS + seconds)) as u64,
        }
    }

    /// Time after `start` at which a message is due. Computed from the number, never added up.
    pub(super) fn due(&self, number: u64) -> Duration {
        let nanoseconds = u128::from(number) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Adds the latency of a message that has arrived at `now`, unless it belongs to the warm-up.
    pub(super) fn record(&self, latencies: &mut Vec<u64>, number: u64, now: Instant) {
        if number >= self.warmup {
            let latency =
                now.saturating_duration_since(self.start).saturating_sub(self.due(number));
            latencies.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Room for all latencies, so that noting one allocates nothing.
    pub(super) fn latencies(&self) -> Vec<u64> {
        Vec::with_capacity(usize::try_from(self.messages).unwrap_or(0))
    }
}

/// Percentiles of one kind of latency, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

/// Percentiles by nearest rank; zeros when there are no values.
pub(super) fn percentiles(mut values: Vec<u64>) -> Percentiles {
    values.sort_unstable();
    let at = |per_thousand: usize| {
        let rank = (values.len() * per_thousand).div_ceil(1000).max(1);
        values.get(rank - 1).copied().unwrap_or(0)
    };
    Percentiles { p50: at(500), p90: at(900), p99: at(990), p999: at(999), max: at(1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let values: Vec<u64> = (1..=1000).rev().collect();
        let expected = Percentiles { p50: 500, p90: 900, p99: 990, p999: 999, max: 1000 };
        assert_eq!(percentiles(values), expected);
        assert_eq!(percentiles(vec![7]).p50, 7);
        assert_eq!(percentiles(Vec::new()), Percentiles::default());
    }

    #[test]
    fn latency_counts_from_the_planned_time_and_skips_the_warm_up() {
        let start = Instant::now();
        let schedule = Schedule { start, rate: 1000, warmup: 2, messages: 10 };
        let mut latencies = Vec::new();
        let now = start + Duration::from_millis(8);
        schedule.record(&mut latencies, 1, now);
        schedule.record(&mut latencies, 3, now);
        assert_eq!(latencies, [5_000_000]);
    }
}

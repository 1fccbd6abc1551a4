//! What the broker holds, looked at again and again, and whether it grows.

use std::time::Duration;

use serde::Serialize;

use crate::brokers::Peer;
use crate::document::data::median;
use crate::process;
use crate::report;

/// Fewer samples say nothing about growth.
const SAMPLES_MIN: usize = 15;
/// How much more than in the second fifth of the time there may be in the last: a part of it and,
/// for small numbers, a fixed amount. Buffers, the allocator's reserves and spare segments come and
/// go in these sizes.
const TOLERANCE: f64 = 0.25;
const SLACK_RESIDENT_BYTES: f64 = 24.0 * 1024.0 * 1024.0;
const SLACK_COUNT: f64 = 16.0;
/// A backlog that happens to be waiting is no growth; three segments of the log.
const SLACK_DISK_BYTES: f64 = 192.0 * 1024.0 * 1024.0;

/// A name, the number in a sample, and its fixed amount.
type Kind = (&'static str, fn(&Sample) -> u64, f64);

const KINDS: [Kind; 4] = [
    ("memory", |sample| sample.resident_bytes, SLACK_RESIDENT_BYTES),
    ("file descriptors", |sample| sample.descriptors, SLACK_COUNT),
    ("threads", |sample| sample.threads, SLACK_COUNT),
    ("disk", |sample| sample.disk_bytes, SLACK_DISK_BYTES),
];

/// One look.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Sample {
    pub(super) seconds: u64,
    resident_bytes: u64,
    descriptors: u64,
    threads: u64,
    disk_bytes: u64,
}

/// What became of one kind of number.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Trend {
    pub(super) name: &'static str,
    /// Medians of the second and of the last fifth of all samples.
    pub(super) early: f64,
    pub(super) late: f64,
    pub(super) last: f64,
    pub(super) grew: bool,
}

impl Sample {
    pub(super) fn take(peer: &Peer, since: Duration) -> Self {
        let holdings = process::holdings(peer.broker.pid());
        Self {
            seconds: since.as_secs(),
            resident_bytes: holdings.resident_bytes,
            descriptors: holdings.descriptors,
            threads: holdings.threads,
            disk_bytes: process::disk_bytes(&peer.launch.data_dir()),
        }
    }
}

impl Trend {
    /// A line of the summary.
    pub(super) fn text(&self) -> String {
        let show = |value: f64| match self.name {
            "threads" | "file descriptors" => report::count(value),
            _ => report::mebibytes(value as u64),
        };
        let (early, late, last) = (show(self.early), show(self.late), show(self.last));
        let verdict = if self.grew { "GREW" } else { "flat" };
        format!("{early} early, {late} late, {last} drained: {verdict}")
    }
}

/// Compares the second fifth of the samples with the last. With too few of them nothing has grown.
pub(super) fn trends(samples: &[Sample], drained: Sample) -> Vec<Trend> {
    let fifth = samples.len() / 5;
    KINDS
        .into_iter()
        .map(|(name, pick, slack)| {
            let middle = |part: Option<&[Sample]>| {
                let values = part.unwrap_or_default().iter().map(|sample| pick(sample) as f64);
                median(&values.collect::<Vec<f64>>()).unwrap_or(0.0)
            };
            let early = middle(samples.get(fifth..fifth * 2));
            let late = middle(samples.get(samples.len() - fifth..));
            let last = pick(&drained) as f64;
            let allowed = early * (1.0 + TOLERANCE) + slack;
            let grew = samples.len() >= SAMPLES_MIN && (late > allowed || last > allowed);
            Trend { name, early, late, last, grew }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: u64, descriptors: u64) -> Sample {
        Sample { seconds, resident_bytes: 1 << 26, descriptors, threads: 9, disk_bytes: 1 << 28 }
    }

    fn grown(descriptors: impl Fn(u64) -> u64, drained: u64) -> Vec<&'static str> {
        let samples: Vec<Sample> = (0..100).map(|n| sample(n, descriptors(n))).collect();
        let trends = trends(&samples, sample(100, drained));
        trends.into_iter().filter(|trend| trend.grew).map(|trend| trend.name).collect()
    }

    #[test]
    fn a_leak_of_descriptors_is_noticed_and_noise_is_not() {
        assert_eq!(grown(|n| 40 + n % 7, 44), [] as [&str; 0]);
        assert_eq!(grown(|n| 40 + n, 140), ["file descriptors"]);
        assert_eq!(grown(|_| 40, 90), ["file descriptors"]);
    }

    #[test]
    fn a_few_samples_say_nothing() {
        let samples: Vec<Sample> = (0..5).map(|n| sample(n, n * 100)).collect();
        assert!(trends(&samples, sample(5, 1000)).iter().all(|trend| !trend.grew));
    }
}

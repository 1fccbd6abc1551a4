//! What the threads of one load share: counters, the sign to stop, and the first failure.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::process;

/// How often the thread that measures looks for a failure.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);

/// Shared state of one load. Counters are advanced once a read or write, never once a message.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) published: AtomicU64,
    pub(crate) confirmed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) producer_cpu_nanoseconds: AtomicU64,
    pub(crate) consumer_cpu_nanoseconds: AtomicU64,
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) published: u64,
    pub(crate) confirmed: u64,
    pub(crate) delivered: u64,
    pub(crate) broker: Option<process::Usage>,
}

impl Run {
    /// Whether the threads should end.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Notes the first failure and stops the run.
    pub(crate) fn fail(&self, error: Error) {
        // What fails because the run is being stopped is a consequence, not a cause.
        if !self.stopped() {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        self.stop();
    }

    /// Sleeps until `deadline`, or less when the run is stopped.
    pub(crate) fn wait_until(&self, deadline: Instant) {
        while !self.stopped() {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            thread::sleep(rest.min(WATCH_INTERVAL));
        }
    }

    pub(crate) fn sample(&self, pid: Option<u32>) -> Sample {
        // The broker first: reading it takes longest.
        let broker = process::usage(pid);
        Sample {
            at: Instant::now(),
            published: self.published.load(Ordering::Relaxed),
            confirmed: self.confirmed.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            broker,
        }
    }

    /// The failure, when there was one.
    pub(crate) fn result(&self) -> Result<(), Error> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Sample {
    pub(crate) fn seconds_since(&self, earlier: &Self) -> f64 {
        self.at.duration_since(earlier.at).as_secs_f64().max(1e-9)
    }

    /// CPU time of the broker between two samples, in microseconds.
    pub(crate) fn broker_cpu_since(&self, earlier: &Self) -> Option<f64> {
        let used = self.broker?.cpu_microseconds.saturating_sub(earlier.broker?.cpu_microseconds);
        Some(used as f64)
    }

    /// Bytes that the broker gave to the disk between two samples.
    pub(crate) fn written_since(&self, earlier: &Self) -> Option<f64> {
        let bytes = self.broker?.written_bytes.saturating_sub(earlier.broker?.written_bytes);
        Some(bytes as f64)
    }

    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        self.broker.map(|usage| usage.resident_bytes)
    }
}

/// `total / count`, or nothing when nothing was counted.
pub(crate) fn per_message(total: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| total / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_kept_and_stops_the_run() {
        let run = Run::default();
        run.fail(Error::Disconnected { during: "writing" });
        run.fail(Error::Usage("later".to_owned()));
        assert!(run.stopped());
        assert!(matches!(run.result(), Err(Error::Disconnected { .. })));
    }

    #[test]
    fn a_failure_after_the_stop_is_not_reported() {
        let run = Run::default();
        run.stop();
        run.fail(Error::Disconnected { during: "writing" });
        assert!(run.result().is_ok());
    }
}

//! Latency of one queue while another is filled and drained.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Values;
use crate::brokers::Launch;
use crate::compare::loads::latency_metrics;
use crate::connection::Connection;
use crate::error::Error;
use crate::load::latency::{self, LatencyOutcome};
use crate::load::{Common, backlog};

/// The plan's length; it ends when the backlog has been dealt with.
const PLAN_SECONDS: f64 = 900.0;
/// The warm-up of the latency load is over, and some messages are counted.
const LEAD: Duration = Duration::from_millis(1500);

/// Measures an idle broker, one whose other queue is filled, and one whose other queue is drained.
pub(super) fn measure(
    launch: &Launch,
    load: &backlog::Options,
    seconds: f64,
) -> Result<Vec<(String, Values)>, Error> {
    let mut peer = launch.start_empty()?;
    let common = Common::of(&peer);
    let mut control = Connection::open(&common.target)?;
    let topology = backlog::create(&mut control, load)?;
    let alone = beside(&common, || {
        thread::sleep(Duration::from_secs_f64(seconds));
        Ok(())
    })?;
    let filling = beside(&common, || backlog::fill_phase(&common, &topology, load).map(drop))?;
    let waiting = beside(&common, || {
        thread::sleep(Duration::from_secs_f64(seconds));
        Ok(())
    })?;
    let draining = beside(&common, || backlog::drain_phase(&common, &topology, load).map(drop))?;
    topology.delete(&mut control)?;
    peer.stop()?;
    let parts = [
        ("alone", alone),
        ("while filling", filling),
        ("with the backlog", waiting),
        ("while draining", draining),
    ];
    Ok(parts.map(|(title, outcome)| (title.to_owned(), latency_metrics(&outcome))).into())
}

/// Runs the latency load until `work` is done.
pub(super) fn beside(
    common: &Common,
    work: impl FnOnce() -> Result<(), Error>,
) -> Result<LatencyOutcome, Error> {
    let options = latency::Options {
        rate: 1000,
        size: 1024,
        seconds: PLAN_SECONDS,
        persistent: true,
        confirms: true,
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let measuring = scope.spawn(|| latency::run_until(common, &options, &done));
        thread::sleep(LEAD);
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let outcome = measuring
            .join()
            .map_err(|_| Error::Usage("the thread that measures latency failed".to_owned()))?;
        worked.and(outcome)
    })
}

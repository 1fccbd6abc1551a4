//! One backlog on a broker of its own: fill, kill, start, drain.

use std::thread;
use std::time::Duration;

use super::{Values, resident_mebibytes, restart};
use crate::brokers::{Kind, Launch};
use crate::compare::loads::backlog_metrics;
use crate::connection::Connection;
use crate::document::metric::Metric;
use crate::error::Error;
use crate::load::{Common, backlog};
use crate::process;

/// RabbitMQ tells that a queue is declared before it has written it, and forgets it when it is
/// killed sooner than this.
const RABBITMQ_WRITES_LATE: Duration = Duration::from_secs(5);

/// Measures one point.
pub(super) fn measure(launch: &Launch, load: &backlog::Options) -> Result<Values, Error> {
    let mut peer = launch.start_empty()?;
    let common = Common::of(&peer);
    let mut control = Connection::open(&common.target)?;
    let topology = backlog::create(&mut control, load)?;
    let before = process::usage(common.pid).map(|usage| usage.resident_bytes);
    let filled = backlog::fill_phase(&common, &topology, load)?;
    if launch.kind == Kind::RabbitMq {
        thread::sleep(RABBITMQ_WRITES_LATE);
    }

    let restarted = restart(&mut peer)?;
    let resident = resident_mebibytes(&peer);
    let common = Common::of(&peer);
    let drained = backlog::drain_phase(&common, &topology, load)?;
    topology.delete(&mut Connection::open(&common.target)?)?;
    peer.stop()?;

    let outcome = backlog::BacklogOutcome { resident_bytes_before: before, filled, drained };
    let mut values = backlog_metrics(&outcome);
    values.push((Metric::RestartSeconds, restarted));
    values.push((Metric::ResidentRestarted, resident));
    Ok(values)
}

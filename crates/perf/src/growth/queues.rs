//! Many durable queues: how fast they are declared, what they hold, and what they cost idle.

use std::thread;
use std::time::{Duration, Instant};

use super::{Values, resident_mebibytes, restart};
use crate::brokers::Launch;
use crate::connection::{Connection, Declare, Target};
use crate::document::metric::Metric;
use crate::error::Error;
use crate::process;

/// Connections that declare at the same time, each waiting for every reply.
const CLIENTS: u64 = 8;
/// What the last declarations left to do is done by then.
const SETTLE: Duration = Duration::from_secs(1);

/// Measures one point.
pub(super) fn measure(launch: &Launch, count: u64, seconds: f64) -> Result<Values, Error> {
    let mut peer = launch.start_empty()?;
    let before = resident_mebibytes(&peer);
    let begun = Instant::now();
    declare(&launch.target(), count)?;
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let filled = resident_mebibytes(&peer);
    let idle = idle_milliseconds(peer.broker.pid(), Duration::from_secs_f64(seconds));
    let restarted = restart(&mut peer)?;
    check(&launch.target(), count)?;
    let after = resident_mebibytes(&peer);
    peer.stop()?;
    Ok(vec![
        (Metric::Declared, rate),
        (Metric::ResidentBefore, before),
        (Metric::ResidentFilled, filled),
        (Metric::IdleCpu, idle),
        (Metric::RestartSeconds, restarted),
        (Metric::ResidentRestarted, after),
    ])
}

/// CPU time a second of a broker that is left alone.
pub(super) fn idle_milliseconds(pid: u32, time: Duration) -> f64 {
    let (before, begun) = (process::cpu_nanoseconds(pid), Instant::now());
    thread::sleep(time);
    let used = process::cpu_nanoseconds(pid).saturating_sub(before);
    used as f64 / 1e6 / begun.elapsed().as_secs_f64().max(1e-9)
}

fn queue(number: u64) -> String {
    format!("growth-{number}")
}

fn declare(target: &Target, count: u64) -> Result<(), Error> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS.min(count))
            .map(|client| {
                scope.spawn(move || -> Result<(), Error> {
                    let mut connection = Connection::open(target)?;
                    for number in (client..count).step_by(CLIENTS as usize) {
                        connection.declare_queue(&queue(number), Declare::Durable)?;
                    }
                    connection.close()
                })
            })
            .collect();
        for client in clients {
            let result = client.join();
            result.map_err(|_| Error::Usage("a declaring thread failed".to_owned()))??;
        }
        Ok(())
    })
}

/// The first and the last queue have to be there after the restart.
fn check(target: &Target, count: u64) -> Result<(), Error> {
    let mut connection = Connection::open(target)?;
    for number in [0, count - 1] {
        connection.declare_queue(&queue(number), Declare::Passive)?;
    }
    connection.close()
}

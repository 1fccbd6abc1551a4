//! Whoever else comes by: queues, bindings and channels that come and go, and connections that are
//! not finished.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::connection::{Connection, Declare};
use crate::error::Error;
use crate::random::Random;

/// Pause between two visits.
const PAUSE: Duration = Duration::from_millis(20);
/// A channel beside the one that every connection has.
const SECOND_CHANNEL: u16 = 2;
/// The beginning of a frame whose end never comes.
const HALF_A_FRAME: [u8; 9] = [1, 0, 1, 0, 0, 0, 40, 0, 60];

/// Comes and goes until the load is over.
pub(super) fn visit(shared: &Shared, mut random: Random) {
    let mut number = 0;
    while !shared.over() {
        let era = shared.wait_up();
        number += 1;
        let result = match random.between(0, 3) {
            0 => queues(shared, number, Declare::Durable),
            1 => queues(shared, number, Declare::Transient),
            2 => begun(shared, &mut random),
            _ => hung_up(shared),
        };
        shared.judge(era, result);
        shared.visits.fetch_add(1, Ordering::Relaxed);
        shared.run.wait_until(Instant::now() + PAUSE);
    }
}

fn queues(shared: &Shared, number: u64, declare: Declare) -> Result<(), Error> {
    let mut connection = Connection::open(&shared.target)?;
    let name = format!("soak-visit-{number}");
    connection.declare_queue(&name, declare)?;
    connection.bind(&name, "amq.topic", &name)?;
    connection.open_channel(SECOND_CHANNEL)?;
    connection.unbind(&name, "amq.topic", &name)?;
    connection.close_channel(SECOND_CHANNEL)?;
    connection.delete_queue(&name)?;
    connection.close()
}

/// Says a part of the greeting and goes.
fn begun(shared: &Shared, random: &mut Random) -> Result<(), Error> {
    let io = |e| Error::io("begin a connection", e);
    let address = (shared.target.host.as_str(), shared.target.port);
    let mut stream = TcpStream::connect(address).map_err(io)?;
    let greeting = b"AMQP\x00\x00\x09\x01";
    let part = usize::try_from(random.between(0, 8)).unwrap_or(0);
    stream.write_all(greeting.get(..part).unwrap_or_default()).map_err(io)
}

/// Logs in and goes in the middle of a frame.
fn hung_up(shared: &Shared) -> Result<(), Error> {
    let mut connection = Connection::open(&shared.target)?;
    let written = connection.stream.write_all(&HALF_A_FRAME);
    written.map_err(|e| Error::io("begin a frame", e))
}

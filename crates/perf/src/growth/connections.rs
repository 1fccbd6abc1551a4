//! Many connections with heartbeats: what each holds, and what they cost idle and half busy.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::{Values, mebibytes};
use crate::brokers::Launch;
use crate::connection::{CHANNEL, Connection, Declare, Target};
use crate::consumer::{self, AckMode, Plan};
use crate::document::metric::Metric;
use crate::encode::{self, Message};
use crate::error::Error;
use crate::process;
use crate::run::Run;

/// Seconds between heartbeats; clients use 60 or less.
const HEARTBEAT_SECONDS: u16 = 10;
/// A connection is looked after this often: it reads what came and sends its heartbeat.
const ROUND: Duration = Duration::from_secs(5);
/// Connections are looked after in so many portions a round, so that the load is even.
const PORTIONS: usize = 100;
/// With fewer connections the memory of each drowns in what the broker holds anyway.
const COUNT_FOR_EACH: u64 = 100;
/// The broker is at rest by then.
const SETTLE: Duration = Duration::from_secs(1);
const BODY_BYTES: usize = 100;
const QUEUE: &str = "growth-connections";
/// A heartbeat frame: type 8, channel 0, no payload, end octet.
const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 0xce];

/// Measures one point.
pub(super) fn measure(launch: &Launch, count: u64, seconds: f64) -> Result<Values, Error> {
    let mut peer = launch.start_empty()?;
    let (pid, target) = (peer.broker.pid(), launch.target());
    Connection::open(&target)?.declare_queue(QUEUE, Declare::Transient)?;
    let resident = || process::usage(Some(pid)).unwrap_or_default().resident_bytes;
    let time = Duration::from_secs_f64(seconds);
    let run = Run::default();
    let measured = thread::scope(|scope| {
        let plan = Plan { ack: AckMode::Auto, prefetch: 0, is_stream: false };
        let (run, target) = (&run, &target);
        scope.spawn(move || match Connection::open(target) {
            Ok(connection) => consumer::consume(connection, &[QUEUE.to_owned()], plan, run),
            Err(error) => run.fail(error),
        });
        thread::sleep(SETTLE);
        let before = resident();
        let measured = hold(target, count).and_then(|mut held| {
            thread::sleep(SETTLE);
            let idle = watch(&mut held, pid, time, false)?;
            let busy = watch(&mut held, pid, time, true)?;
            Ok((idle, busy, before, resident()))
        });
        run.stop();
        measured
    });
    run.result()?;
    let (idle, busy, before, after) = measured?;
    peer.stop()?;
    let mut values = vec![
        (Metric::ResidentBefore, mebibytes(before)),
        (Metric::ResidentFilled, mebibytes(after)),
        (Metric::IdleCpu, idle),
        (Metric::BusyCpu, busy),
    ];
    if count >= COUNT_FOR_EACH {
        let each = after.saturating_sub(before) as f64 / count as f64;
        values.push((Metric::BytesEach, each));
    }
    Ok(values)
}

/// Opens so many connections with a channel each.
fn hold(target: &Target, count: u64) -> Result<Vec<Connection>, Error> {
    let open = |_| {
        let mut connection = Connection::log_in_with_heartbeat(target, HEARTBEAT_SECONDS)?;
        connection.open_channel(CHANNEL)?;
        let stream = &connection.stream;
        stream.set_nonblocking(true).map_err(|e| Error::io("make a socket non-blocking", e))?;
        Ok(connection)
    };
    (0..count).map(open).collect()
}

/// Looks after all connections for a time, at least one round; every second one publishes once a
/// round when they are `busy`. Returns the broker's CPU milliseconds a second.
fn watch(held: &mut [Connection], pid: u32, time: Duration, busy: bool) -> Result<f64, Error> {
    let mut publish = Vec::new();
    let body = [b'w'; BODY_BYTES];
    let message = Message {
        exchange: "",
        routing_key: QUEUE,
        persistent: false,
        expiration: None,
        body: &body,
    };
    encode::push_publish(&mut publish, CHANNEL, usize::MAX, &message);
    let portion = held.len().div_ceil(PORTIONS).max(1);
    let (before, begun) = (process::cpu_nanoseconds(pid), Instant::now());
    let round = if time < ROUND { time } else { ROUND };
    let mut rounds = 0;
    while begun.elapsed() < time {
        for (number, portion) in held.chunks_mut(portion).enumerate() {
            for (place, connection) in portion.iter_mut().enumerate() {
                let publishing = busy && (place % 2 == 0);
                look_after(connection, if publishing { &publish } else { &HEARTBEAT })?;
            }
            let due =
                round * rounds + round * u32::try_from(number + 1).unwrap_or(0) / PORTIONS as u32;
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        rounds += 1;
        thread::sleep((round * rounds).saturating_sub(begun.elapsed()));
    }
    let used = process::cpu_nanoseconds(pid).saturating_sub(before);
    Ok(used as f64 / 1e6 / begun.elapsed().as_secs_f64().max(1e-9))
}

/// Reads and forgets what came (heartbeats), and writes something.
fn look_after(connection: &mut Connection, bytes: &[u8]) -> Result<(), Error> {
    let mut sink = [0; 1024];
    match connection.stream.read(&mut sink) {
        Ok(0) => return Err(Error::Disconnected { during: "holding connections" }),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(Error::io("read on a held connection", error)),
    }
    let written = connection.stream.write_all(bytes);
    written.map_err(|e| Error::io("write on a held connection", e))
}

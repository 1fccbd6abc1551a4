//! `perf latency`: time from publish to delivery and to confirm at a fixed rate, open loop.
//! Messages are sent at the times of a plan whether or not earlier ones have come back, and every
//! latency counts from the planned time. A broker that stands still for a moment is so charged for
//! every message that should have been sent meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::confirms::ConfirmTracker;
use crate::connection::{CHANNEL, Connection, Declare};
use crate::consumer::{self, AckMode, Acks, Plan};
use crate::decode::{Deliver, Frame};
use crate::encode::{self, FRAME_BODY, FRAME_HEADER, Message};
use crate::error::Error;
use crate::load::plan::{Percentiles, Schedule, percentiles};
use crate::load::{Common, Topology, finish};
use crate::methods;
use crate::process;
use crate::producer::{
    Confirm, REASON_PAUSE, WINDOW_MAX, is_timeout, take_frames, write_while_running,
};
use crate::report::{self, Table};
use crate::run::Run;

/// How long the last messages are waited for.
const DRAIN: Duration = Duration::from_secs(3);
/// The publisher sleeps until shortly before the planned time and spins for the rest: waking up
/// takes that long and would otherwise be counted as the broker's.
const SPIN: Duration = Duration::from_micros(15);
/// A body begins with the message's number.
const SIZE_MIN: usize = 8;
/// Bytes that one write may hold when the publisher is behind its plan.
const WRITE_BYTES_MAX: usize = 256 * 1024;
/// What counts as a pause of the broker.
const PAUSE_NANOSECONDS: u64 = 20_000_000;
/// Unacknowledged messages at the consumer.
const PREFETCH: u16 = 1000;

/// Options of `perf latency`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Messages a second.
    #[arg(long, default_value_t = 5000)]
    pub(crate) rate: u32,
    /// Bytes of a body, at least 8.
    #[arg(long, default_value_t = 16)]
    pub(crate) size: usize,
    /// Seconds to measure, after half a second that is not counted.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Durable queue and delivery mode 2; the consumer acknowledges every message.
    #[arg(long)]
    pub(crate) persistent: bool,
    /// Also measure the time to the publisher confirm.
    #[arg(long)]
    pub(crate) confirms: bool,
}

/// What the load brought.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct LatencyOutcome {
    pub(crate) sent_per_second: f64,
    pub(crate) delivery_nanoseconds: Percentiles,
    pub(crate) confirm_nanoseconds: Option<Percentiles>,
    /// How late the generator itself wrote, which is part of the latencies.
    pub(crate) send_delay_nanoseconds: Percentiles,
    /// Messages that had not come a few seconds after the end.
    pub(crate) missing: u64,
    /// Deliveries that came more than 20 ms after they were due.
    pub(crate) pauses_above_20_ms: u64,
    pub(crate) broker_cpu_us_per_message: Option<f64>,
}

/// Runs the command.
pub(crate) fn command(common: &Common, options: &Options) -> Result<(), Error> {
    let outcome = run(common, options)?;
    let title = format!("latency of {} bytes at {}/s", options.size, options.rate);
    let mut table = Table::new(title).row("sent", report::rate(outcome.sent_per_second));
    table = percentile_rows(table, "delivery", &outcome.delivery_nanoseconds);
    if let Some(confirm) = &outcome.confirm_nanoseconds {
        table = percentile_rows(table, "confirm", confirm);
    }
    table = percentile_rows(table, "generator's delay", &outcome.send_delay_nanoseconds);
    let table = table.row("missing", report::count(outcome.missing as f64)).optional(
        "broker CPU a message",
        outcome.broker_cpu_us_per_message.map(report::microseconds),
    );
    report::print(common.json, &outcome, &table)
}

fn percentile_rows(table: Table, name: &str, values: &Percentiles) -> Table {
    table
        .row(format!("{name} p50"), report::milliseconds(values.p50))
        .row(format!("{name} p90"), report::milliseconds(values.p90))
        .row(format!("{name} p99"), report::milliseconds(values.p99))
        .row(format!("{name} p99.9"), report::milliseconds(values.p999))
        .row(format!("{name} max"), report::milliseconds(values.max))
}

/// Runs the load and measures it.
pub(crate) fn run(common: &Common, options: &Options) -> Result<LatencyOutcome, Error> {
    run_until(common, options, &AtomicBool::new(false))
}

/// The same, but ends earlier when `done` is set.
pub(crate) fn run_until(
    common: &Common,
    options: &Options,
    done: &AtomicBool,
) -> Result<LatencyOutcome, Error> {
    if options.size < SIZE_MIN || options.rate == 0 {
        return Err(Error::Usage(format!("--size must be at least {SIZE_MIN}, --rate 1")));
    }
    let declare = if options.persistent { Declare::Durable } else { Declare::Transient };
    let mut control = Connection::open(&common.target)?;
    let topology = Topology::create(&mut control, 1, declare, false)?;
    let run = Run::default();
    let outcome = drive(common, options, &topology, &run, done);
    let cleaned = topology.delete(&mut control);
    finish(&run, outcome, cleaned)
}

fn drive(
    common: &Common,
    options: &Options,
    topology: &Topology,
    run: &Run,
    done: &AtomicBool,
) -> Result<LatencyOutcome, Error> {
    let (exchange, routing_key) = topology.destination(0);
    let body = vec![0; options.size];
    let message = Message {
        exchange,
        routing_key,
        persistent: options.persistent,
        expiration: None,
        body: &body,
    };
    let mut publisher = Connection::open(&common.target)?;
    if options.confirms {
        publisher.confirm_select()?;
    }
    publisher.poll_for_stop()?;
    let mut stream =
        publisher.stream.try_clone().map_err(|e| Error::io("share the publisher's socket", e))?;
    let mut subscriber = Connection::open(&common.target)?;
    let ack = if options.persistent { AckMode::One } else { AckMode::Auto };
    consumer::subscribe(
        &mut subscriber,
        &topology.queues,
        Plan { ack, prefetch: PREFETCH, is_stream: false },
    )?;
    // The consumer was started without an answer; the answer to this comes after it is there.
    for queue in &topology.queues {
        subscriber.declare_queue(queue, Declare::Passive)?;
    }
    subscriber.poll_for_stop()?;

    let frame_max = publisher.frame_max;
    let schedule = Schedule::new(options.rate, options.seconds);
    let before = run.sample(common.pid);
    let (delays, confirms, deliveries) = thread::scope(|scope| {
        let confirms = scope.spawn(|| note(run, receive_confirms(publisher, &schedule, run)));
        let deliveries =
            scope.spawn(|| note(run, receive_deliveries(subscriber, ack, &schedule, run)));
        let sending = scope.spawn(move || {
            note(run, publish(&mut stream, &message, frame_max, &schedule, (run, done)))
        });
        let delays = sending.join().unwrap_or_default();
        let deadline = Instant::now() + DRAIN;
        while !run.stopped() && Instant::now() < deadline && waiting(options, run) {
            thread::sleep(Duration::from_millis(5));
        }
        run.stop();
        (delays, confirms.join().unwrap_or_default(), deliveries.join().unwrap_or_default())
    });
    let after = run.sample(common.pid);
    let seconds = schedule.due(after.published).as_secs_f64().max(1e-9);
    let late = deliveries.iter().filter(|latency| **latency > PAUSE_NANOSECONDS).count() as u64;
    Ok(LatencyOutcome {
        sent_per_second: after.published as f64 / seconds,
        delivery_nanoseconds: percentiles(deliveries),
        confirm_nanoseconds: options.confirms.then(|| percentiles(confirms)),
        send_delay_nanoseconds: percentiles(delays),
        missing: after.published.saturating_sub(after.delivered),
        pauses_above_20_ms: late,
        broker_cpu_us_per_message: after
            .broker_cpu_since(&before)
            .map(|cpu| cpu / after.published.max(1) as f64),
    })
}

fn waiting(options: &Options, run: &Run) -> bool {
    let sent = run.published.load(Ordering::Relaxed);
    run.delivered.load(Ordering::Relaxed) < sent
        || (options.confirms && run.confirmed.load(Ordering::Relaxed) < sent)
}

/// The latencies of a thread; its error goes to the run.
fn note(run: &Run, result: Result<Vec<u64>, Error>) -> Vec<u64> {
    result.unwrap_or_else(|error| {
        run.fail(error);
        Vec::new()
    })
}

/// Sends by the plan. Returns how late each message was written.
fn publish(
    stream: &mut std::net::TcpStream,
    message: &Message<'_>,
    frame_max: usize,
    schedule: &Schedule,
    (run, done): (&Run, &AtomicBool),
) -> Result<Vec<u64>, Error> {
    process::sharpen_sleep();
    let mut template = Vec::new();
    let number_at = encode::push_publish(&mut template, CHANNEL, frame_max, message);
    let mut out = Vec::with_capacity(WRITE_BYTES_MAX + template.len());
    let mut delays = schedule.latencies();
    let mut next = 0;
    while next < schedule.messages && !run.stopped() && !done.load(Ordering::Relaxed) {
        wait_until(schedule.start + schedule.due(next));
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(schedule.start);
        let first = next;
        out.clear();
        while next < schedule.messages
            && schedule.due(next) <= elapsed
            && out.len() < WRITE_BYTES_MAX
        {
            let start = out.len();
            out.extend_from_slice(&template);
            encode::patch(&mut out, start + number_at, &next.to_be_bytes());
            schedule.record(&mut delays, next, now);
            next += 1;
        }
        match write_while_running(stream, &out, run) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                thread::sleep(REASON_PAUSE);
                return Err(Error::io("publish", error));
            }
        }
        run.published.fetch_add(next - first, Ordering::Relaxed);
    }
    Ok(delays)
}

fn wait_until(due: Instant) {
    let rest = due.saturating_duration_since(Instant::now());
    if rest > SPIN {
        thread::sleep(rest - SPIN);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

fn receive_confirms(
    mut connection: Connection,
    schedule: &Schedule,
    run: &Run,
) -> Result<Vec<u64>, Error> {
    let mut latencies = schedule.latencies();
    // The plan, not the confirms, decides when messages are sent: the tracker may hold all of them.
    let mut tracker = ConfirmTracker::new(schedule.messages.min(WINDOW_MAX));
    while !run.stopped() {
        if !receive(&mut connection)? {
            continue;
        }
        let now = Instant::now();
        let mut confirmed = 0;
        take_frames(&mut connection, |frame| {
            if let Some(confirm) = Confirm::decode(frame)? {
                // The publishing thread counts after it has written, so a tag may be ahead of it.
                let ahead = confirm.delivery_tag.saturating_sub(tracker.sent());
                tracker.publish(ahead);
                confirmed += tracker.answer(confirm.delivery_tag, confirm.multiple, |tag| {
                    schedule.record(&mut latencies, tag - 1, now);
                })?;
            }
            Ok(())
        })?;
        run.confirmed.fetch_add(confirmed, Ordering::Relaxed);
    }
    Ok(latencies)
}

fn receive_deliveries(
    mut connection: Connection,
    ack: AckMode,
    schedule: &Schedule,
    run: &Run,
) -> Result<Vec<u64>, Error> {
    let mut latencies = schedule.latencies();
    let mut acks = Acks::new(ack);
    let mut body_follows = false;
    while !run.stopped() {
        if !receive(&mut connection)? {
            continue;
        }
        let now = Instant::now();
        let mut delivered = 0;
        take_frames(&mut connection, |frame| {
            if frame.method() == Some(methods::BASIC_DELIVER) && ack != AckMode::Auto {
                acks.deliver(Deliver::decode(frame)?.delivery_tag);
            }
            if let Some(number) = number_in(frame, &mut body_follows) {
                schedule.record(&mut latencies, number, now);
                delivered += 1;
            }
            Ok(())
        })?;
        if !acks.bytes.is_empty() {
            write_while_running(&mut connection.stream, &acks.bytes, run)
                .map_err(|e| Error::io("acknowledge", e))?;
            acks.bytes.clear();
        }
        run.delivered.fetch_add(delivered, Ordering::Relaxed);
    }
    Ok(latencies)
}

/// The number at the beginning of a body, when this is the body's first frame.
fn number_in(frame: &Frame<'_>, body_follows: &mut bool) -> Option<u64> {
    match frame.kind {
        FRAME_HEADER => *body_follows = true,
        FRAME_BODY if *body_follows => {
            *body_follows = false;
            return frame.payload.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        }
        _ => {}
    }
    None
}

/// Reads once; false when nothing came for a while.
fn receive(connection: &mut Connection) -> Result<bool, Error> {
    match connection.reader.fill(&mut connection.stream) {
        Ok(0) => Err(Error::Disconnected { during: "measuring latency" }),
        Ok(_) => Ok(true),
        Err(error) if is_timeout(&error) => Ok(false),
        Err(error) => Err(Error::io("read from the broker", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_frame_of_a_body_holds_the_number() {
        let frame = |kind, payload| Frame { kind, channel: 1, payload };
        let mut body_follows = false;
        let body = 9u64.to_be_bytes();
        assert_eq!(number_in(&frame(FRAME_HEADER, &[]), &mut body_follows), None);
        assert_eq!(number_in(&frame(FRAME_BODY, &body), &mut body_follows), Some(9));
        assert_eq!(number_in(&frame(FRAME_BODY, &body), &mut body_follows), None);
    }
}

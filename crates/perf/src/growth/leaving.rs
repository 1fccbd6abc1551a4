//! Millions of messages that leave their queue without being taken: their time is over, or there is no
//! room for them; and streams, which are read by one consumer or let the oldest go. Latency of another
//! queue is measured meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Values, mebibytes, resident_mebibytes};
use crate::brokers::Launch;
use crate::compare::loads::latency_metrics;
use crate::connection::{Connection, Declare};
use crate::consumer::{AckMode, Plan};
use crate::document::metric::Metric;
use crate::encode::Value;
use crate::error::Error;
use crate::growth::pauses::beside;
use crate::load::backlog::{self, Fill};
use crate::load::{Common, Topology, unique_name};
use crate::process;

/// Bytes of a body.
const SIZE: usize = 100;
/// A queue whose messages expire is filled before the first one does, if a broker takes so many a
/// second beside the other load.
const FILLED_PER_SECOND: u64 = 200_000;
/// The least time that messages have.
const TTL_MS_MIN: u64 = 1000;
/// Messages that a queue with a limit keeps.
const LENGTH_MAX: u64 = 1000;
/// How often one looks how far it is, and at the memory.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Messages a second that leave the queue of even a slow broker.
const SLOWEST_PER_SECOND: u64 = 5000;
/// Seconds on top of that.
const SECONDS_MIN: u64 = 60;
/// Unacknowledged messages of the consumer of a stream.
const PREFETCH: u16 = 2000;

/// What becomes of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// They go to another queue.
    Move,
    /// They are gone.
    Drop,
    /// A consumer reads them.
    Read,
}

/// A queue and what becomes of its messages.
#[derive(Debug)]
struct Case {
    title: &'static str,
    arguments: Vec<(&'static str, Value)>,
    expiration: Option<u64>,
    end: End,
    /// How many stay.
    stay: u64,
}

fn cases(messages: u64) -> Vec<Case> {
    let ttl = TTL_MS_MIN + messages * 1000 / FILLED_PER_SECOND;
    let number = |name, number| (name, Value::Number(number));
    let stream = || ("x-queue-type", Value::Text("stream".to_owned()));
    let case = |title, end, arguments: &[(&'static str, Value)]| {
        let (arguments, expiration) = (arguments.to_vec(), None);
        Case { title, arguments, expiration, end, stay: 0 }
    };
    let of_queue = [number("x-message-ttl", ttl)];
    let of_length = [number("x-max-length", LENGTH_MAX)];
    // A message of a stream counts 64 bytes beside its body.
    let size = messages * (SIZE as u64 + 64);
    let of_size = [
        stream(),
        number("x-max-length-bytes", size / 10),
        number("x-stream-max-segment-size-bytes", size / 100),
    ];
    vec![
        case("dead letters: time of the queue", End::Move, &of_queue),
        Case { expiration: Some(ttl), ..case("dead letters: times of their own", End::Move, &[]) },
        Case { stay: LENGTH_MAX, ..case("dead letters: length", End::Move, &of_length) },
        case("expired: time of the queue", End::Drop, &of_queue),
        Case { expiration: Some(ttl), ..case("expired: times of their own", End::Drop, &[]) },
        case("stream: read at once", End::Read, &[stream()]),
        // It keeps up to a segment more than it has to.
        Case { stay: messages * 12 / 100, ..case("stream: a tenth stays", End::Drop, &of_size) },
    ]
}

/// Measures one case after the other, each on a broker of its own.
pub(super) fn measure(launch: &Launch, messages: u64) -> Result<Vec<(String, Values)>, Error> {
    let mut all = Vec::new();
    for case in cases(messages) {
        eprintln!("{}: {}", launch.kind.name(), case.title);
        all.push((case.title.to_owned(), measure_one(launch, messages, &case)?));
    }
    Ok(all)
}

fn measure_one(launch: &Launch, messages: u64, case: &Case) -> Result<Values, Error> {
    let mut peer = launch.start_empty()?;
    let common = Common::of(&peer);
    let before = resident_mebibytes(&peer);
    let mut control = Connection::open(&common.target)?;
    let (from, to) = (unique_name(), unique_name());
    let mut arguments = case.arguments.clone();
    if case.end == End::Move {
        control.declare_queue(&to, Declare::Durable)?;
        arguments.push(("x-dead-letter-exchange", Value::Text(String::new())));
        arguments.push(("x-dead-letter-routing-key", Value::Text(to.clone())));
    }
    control.declare_queue_with(&from, &arguments)?;

    let watch = Watch::default();
    let mut filled = Err(Error::Usage("nothing was filled".to_owned()));
    let mut left = Ok(0.0);
    let latency = beside(&common, || {
        thread::scope(|scope| {
            let watching = scope.spawn(|| watch.look(&common, (&from, &to), case, messages));
            filled = fill(&common, &from, case, messages);
            let read = match case.end {
                End::Read if filled.is_ok() => read(&common, &from, messages).map(Some),
                _ => Ok(None),
            };
            watch.is_filled.store(true, Ordering::Relaxed);
            let watched = watching
                .join()
                .map_err(|_| Error::Usage("the thread that watches failed".to_owned()));
            left = watched.and_then(|watched| watched).and_then(|rate| Ok(read?.unwrap_or(rate)));
        });
        Ok(())
    })?;
    let rate = if case.end == End::Read { Metric::Drained } else { Metric::Left };
    let mut values = vec![
        (Metric::ResidentBefore, before),
        (Metric::ResidentPeak, mebibytes(watch.peak.load(Ordering::Relaxed))),
        (Metric::ResidentAfter, resident_mebibytes(&peer)),
        (Metric::Filled, filled?),
        (rate, left?),
    ];
    values.extend(latency_metrics(&latency));
    control.delete_queue(&from)?;
    peer.stop()?;
    Ok(values)
}

/// Fills the queue with confirms; gives the messages a second.
fn fill(common: &Common, from: &str, case: &Case, messages: u64) -> Result<f64, Error> {
    let topology = Topology { queues: vec![from.to_owned()], exchange: None };
    let (persistent, expiration, producers) = (true, case.expiration, 1);
    let fill = Fill { messages, size: SIZE, persistent, expiration, producers };
    let (seconds, _) = fill.run(common, &topology)?;
    Ok(messages as f64 / seconds)
}

/// Reads a stream from its beginning; gives the messages a second.
fn read(common: &Common, stream: &str, messages: u64) -> Result<f64, Error> {
    let plan = Plan { ack: AckMode::Multiple(100), prefetch: PREFETCH, is_stream: true };
    let queues = [stream.to_owned()];
    let (first, last) = backlog::consume_all(common, &queues, plan, messages)?;
    Ok(messages as f64 / last.seconds_since(&first))
}

/// Looks how many messages have left, and at the broker's memory.
#[derive(Debug, Default)]
struct Watch {
    is_filled: AtomicBool,
    peak: AtomicU64,
}

impl Watch {
    /// Looks until all have left that are to; gives how many did a second, from the first one on.
    fn look(
        &self,
        common: &Common,
        (from, to): (&str, &str),
        case: &Case,
        messages: u64,
    ) -> Result<f64, Error> {
        let mut control = Connection::open(&common.target)?;
        let seconds = SECONDS_MIN + messages / SLOWEST_PER_SECOND;
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut begun = None;
        let mut most = 0;
        loop {
            let now = Instant::now();
            let resident = process::usage(common.pid).map_or(0, |usage| usage.resident_bytes);
            self.peak.fetch_max(resident, Ordering::Relaxed);
            let is_filled = self.is_filled.load(Ordering::Relaxed);
            let ready = u64::from(control.declare_queue(from, Declare::Passive)?);
            let has_left = match case.end {
                End::Move => u64::from(control.declare_queue(to, Declare::Passive)?),
                End::Drop => most.max(ready) - ready,
                End::Read => 0,
            };
            most = most.max(ready);
            let is_done = match case.end {
                End::Move => has_left + case.stay >= messages,
                End::Drop => is_filled && ready <= case.stay,
                End::Read => is_filled,
            };
            let first = *begun.get_or_insert(now);
            if is_done {
                let seconds = now.duration_since(first).as_secs_f64().max(1e-3);
                return Ok((messages - case.stay) as f64 / seconds);
            }
            if has_left == 0 {
                begun = None;
            }
            if now >= deadline {
                let what = format!("{ready} messages to leave ({})", case.title);
                return Err(Error::Timeout { what, seconds });
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_filled_before_its_messages_expire() {
        let cases = cases(10_000_000);
        assert_eq!(cases.len(), 7);
        assert_eq!(cases[0].arguments, [("x-message-ttl", Value::Number(51_000))]);
        assert_eq!(cases[1].expiration, Some(51_000));
    }
}

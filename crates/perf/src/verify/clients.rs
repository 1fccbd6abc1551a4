//! The publishing and consuming threads of a round.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::body::{Body, HEADER_BYTES};
use super::checker::{Delivery, Phase};
use crate::confirms::ConfirmTracker;
use crate::connection::{CHANNEL, Connection, Target};
use crate::consumer::{self, AckMode, Plan};
use crate::decode::{Deliver, Frame};
use crate::encode::{self, FRAME_BODY, FRAME_HEADER, Message};
use crate::error::Error;
use crate::methods;
use crate::producer::{Confirm, is_timeout, take_frames, write_while_running};
use crate::random::Random;
use crate::run::Run;

/// Most messages that one write of a producer carries.
const PUBLISH_BATCH_MAX: u64 = 32;
/// Most deliveries that stay unacknowledged until a consumer acknowledges them together.
const ACK_BATCH_MAX: u64 = 64;
/// Unacknowledged messages a consumer may hold; more than an acknowledgement covers, so that a kill
/// always finds some in flight.
const PREFETCH: u16 = 300;

/// What all threads of a phase know.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) target: &'a Target,
    pub(super) queues: &'a [String],
    /// The queues are streams, which are read from the beginning each time.
    pub(super) streams: bool,
    pub(super) round: u32,
    pub(super) window: u64,
    pub(super) size_max: u64,
    pub(super) run: &'a Run,
    /// Set right before the kill: from then on broken connections are what is wanted.
    pub(super) killing: &'a AtomicBool,
    pub(super) delivered: &'a AtomicU64,
}

impl Shared<'_> {
    fn note(&self, result: Result<(), Error>) {
        if let Err(error) = result
            && !self.killing.load(Ordering::SeqCst)
        {
            self.run.fail(error);
        }
    }
}

/// Publishes over all queues in turn until the connection breaks. Returns the confirmed sequence
/// numbers.
pub(super) fn produce(shared: &Shared<'_>, producer: u32, mut random: Random) -> Vec<u64> {
    let mut confirmed = Vec::new();
    shared.note(publish(shared, producer, &mut random, &mut confirmed));
    confirmed
}

fn publish(
    shared: &Shared<'_>,
    producer: u32,
    random: &mut Random,
    confirmed: &mut Vec<u64>,
) -> Result<(), Error> {
    let mut connection = Connection::open(shared.target)?;
    connection.confirm_select()?;
    connection.poll_for_stop()?;
    let mut tracker = ConfirmTracker::new(shared.window);
    let (mut out, mut bytes) = (Vec::new(), Vec::new());
    while !shared.run.stopped() {
        let batch = tracker.room().min(random.between(1, PUBLISH_BATCH_MAX));
        out.clear();
        for offset in 0..batch {
            // Delivery tags count from 1, sequence numbers from 0.
            let sequence = tracker.sent() + offset;
            let queue = sequence % shared.queues.len() as u64;
            let Some(name) = usize::try_from(queue).ok().and_then(|n| shared.queues.get(n)) else {
                continue;
            };
            let queue = u32::try_from(queue).unwrap_or(u32::MAX);
            let body = Body { round: shared.round, producer, queue, sequence };
            let size = random.between(HEADER_BYTES as u64, shared.size_max);
            body.encode(usize::try_from(size).unwrap_or(HEADER_BYTES), &mut bytes);
            let message = Message {
                exchange: "",
                routing_key: name,
                persistent: true,
                expiration: None,
                body: &bytes,
            };
            encode::push_publish(&mut out, CHANNEL, connection.frame_max, &message);
        }
        // Counted before writing: a confirm can only come for what was sent.
        tracker.publish(batch);
        let written = write_while_running(&mut connection.stream, &out, shared.run);
        if !written.map_err(|e| Error::io("publish", e))? {
            break;
        }
        // The window stays at least half full, so that a kill finds much to lose.
        if tracker.room() > shared.window / 2 || !read(&mut connection)? {
            continue;
        }
        take_frames(&mut connection, |frame| {
            if let Some(confirm) = Confirm::decode(frame)? {
                tracker.answer(confirm.delivery_tag, confirm.multiple, |tag| {
                    if confirm.accepted {
                        confirmed.push(tag - 1);
                    }
                })?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Consumes one queue until the connection breaks or the run ends. Returns all deliveries.
pub(super) fn consume(
    shared: &Shared<'_>,
    queue: &str,
    phase: Phase,
    mut random: Random,
) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    shared.note(receive(shared, queue, phase, &mut random, &mut deliveries));
    deliveries
}

fn receive(
    shared: &Shared<'_>,
    queue: &str,
    phase: Phase,
    random: &mut Random,
    deliveries: &mut Vec<Delivery>,
) -> Result<(), Error> {
    let mut connection = Connection::open(shared.target)?;
    let plan = Plan { ack: AckMode::One, prefetch: PREFETCH, is_stream: shared.streams };
    consumer::subscribe(&mut connection, &[queue.to_owned()], plan)?;
    connection.poll_for_stop()?;
    let mut content = Content::default();
    let (mut last_tag, mut acknowledged) = (0, 0);
    let mut batch = random.between(1, ACK_BATCH_MAX);
    while !shared.run.stopped() {
        let idle = !read(&mut connection)?;
        let before = deliveries.len();
        take_frames(&mut connection, |frame| {
            if let Some((deliver, body)) = content.take(frame)? {
                last_tag = deliver.delivery_tag;
                let body = Body::decode(body);
                let redelivered = deliver.redelivered;
                deliveries.push(Delivery { phase, redelivered, acknowledged: false, body });
            }
            Ok(())
        })?;
        shared.delivered.fetch_add((deliveries.len() - before) as u64, Ordering::Relaxed);
        let waiting = deliveries.len() - acknowledged;
        if waiting as u64 >= batch || (idle && waiting > 0) {
            let ack = encode::ack_frame(CHANNEL, last_tag, true);
            let written = write_while_running(&mut connection.stream, &ack, shared.run);
            if !written.map_err(|e| Error::io("acknowledge", e))? {
                break;
            }
            for delivery in deliveries.iter_mut().skip(acknowledged) {
                delivery.acknowledged = true;
            }
            acknowledged = deliveries.len();
            batch = random.between(1, ACK_BATCH_MAX);
        }
    }
    Ok(())
}

/// Reads once; false when nothing came for a while.
pub(crate) fn read(connection: &mut Connection) -> Result<bool, Error> {
    match connection.reader.fill(&mut connection.stream) {
        Ok(0) => Err(Error::Disconnected { during: "verifying" }),
        Ok(_) => Ok(true),
        Err(error) if is_timeout(&error) => Ok(false),
        Err(error) => Err(Error::io("read from the broker", error)),
    }
}

/// Puts deliveries together from their frames.
#[derive(Debug, Default)]
pub(crate) struct Content {
    deliver: Option<Deliver>,
    expected: u64,
    body: Vec<u8>,
}

impl Content {
    /// Takes a frame; returns the delivery that it completes.
    pub(crate) fn take(&mut self, frame: &Frame<'_>) -> Result<Option<(Deliver, &[u8])>, Error> {
        match frame.kind {
            FRAME_HEADER => {
                // Class and weight, 16 bits each, stand before the size of the body.
                let mut fields = frame.arguments();
                self.expected = fields.long_long()?;
                self.body.clear();
            }
            FRAME_BODY => self.body.extend_from_slice(frame.payload),
            _ => {
                if frame.method() == Some(methods::BASIC_DELIVER) {
                    self.deliver = Some(Deliver::decode(frame)?);
                }
                return Ok(None);
            }
        }
        if (self.body.len() as u64) < self.expected {
            return Ok(None);
        }
        Ok(self.deliver.take().map(|deliver| (deliver, self.body.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::FrameReader;
    use crate::encode::{Arguments, Properties};

    #[test]
    fn a_body_in_several_frames_is_put_together() {
        let mut stream = Arguments::new()
            .short_string("c")
            .long_long(5)
            .octet(0)
            .short_string("")
            .short_string("q")
            .frame(1, methods::BASIC_DELIVER);
        encode::push_content(&mut stream, 1, 12, &Properties::new(true, None), b"hello world");
        let mut reader = FrameReader::new(4096);
        reader.fill(&mut stream.as_slice()).unwrap();
        let mut content = Content::default();
        let mut complete = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            if let Some((deliver, body)) = content.take(&frame).unwrap() {
                complete.push((deliver.delivery_tag, body.to_vec()));
            }
        }
        assert_eq!(complete, [(5, b"hello world".to_vec())]);
    }
}

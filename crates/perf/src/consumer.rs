//! Consuming at little cost: large reads, deliveries counted, acknowledgements written in batches.

use std::str::FromStr;
use std::sync::atomic::Ordering;

use crate::connection::{CHANNEL, Connection};
use crate::decode::Deliver;
use crate::encode;
use crate::error::Error;
use crate::methods;
use crate::process;
use crate::producer::{is_timeout, take_frames, write_while_running};
use crate::random::Random;
use crate::run::Run;

/// How a consumer acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckMode {
    /// `no-ack`: the broker forgets a message when it has sent it.
    Auto,
    /// One `basic.ack` a message.
    One,
    /// One `basic.ack` with `multiple` after so many messages.
    Multiple(u64),
    /// So many messages are held and then acknowledged one by one in random order.
    Shuffled(u64),
}

impl FromStr for AckMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = text.split_once(['(', ':']).unwrap_or((text, ""));
        match (name, number.strip_suffix(')').unwrap_or(number).parse()) {
            ("auto", Err(_)) => Ok(Self::Auto),
            ("one", Err(_)) => Ok(Self::One),
            ("multiple", Ok(every)) if every > 0 => Ok(Self::Multiple(every)),
            ("shuffled", Ok(every)) if every > 0 => Ok(Self::Shuffled(every)),
            _ => Err("expected auto, one, multiple:N or shuffled:N".to_owned()),
        }
    }
}

/// What one consumer thread does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) ack: AckMode,
    /// Unacknowledged messages the broker may send ahead; 0 is no limit.
    pub(crate) prefetch: u16,
    /// The queues are streams, which are read from the beginning.
    pub(crate) is_stream: bool,
}

/// Consumes from all `queues` on one channel until the run stops.
pub(crate) fn consume(connection: Connection, queues: &[String], plan: Plan, run: &Run) {
    let before = process::thread_cpu_nanoseconds();
    if let Err(error) = receive(connection, queues, plan, run) {
        run.fail(error);
    }
    let used = process::thread_cpu_nanoseconds().saturating_sub(before);
    run.consumer_cpu_nanoseconds.fetch_add(used, Ordering::Relaxed);
}

fn receive(
    mut connection: Connection,
    queues: &[String],
    plan: Plan,
    run: &Run,
) -> Result<(), Error> {
    subscribe(&mut connection, queues, plan)?;
    connection.poll_for_stop()?;
    let mut acks = Acks::new(plan.ack);
    while !run.stopped() {
        match connection.reader.fill(&mut connection.stream) {
            Ok(0) => return Err(Error::Disconnected { during: "consuming" }),
            Ok(_) => {}
            // Nothing comes: what waits for a full batch is acknowledged now, so that a broker that
            // waits for it goes on, and a drained queue is really empty.
            Err(error) if is_timeout(&error) => acks.finish(),
            Err(error) => return Err(Error::io("read deliveries", error)),
        }
        let mut delivered = 0;
        take_frames(&mut connection, |frame| {
            if frame.method() == Some(methods::BASIC_DELIVER) {
                delivered += 1;
                if plan.ack != AckMode::Auto {
                    acks.deliver(Deliver::decode(frame)?.delivery_tag);
                }
            }
            Ok(())
        })?;
        if !acks.bytes.is_empty() {
            match write_while_running(&mut connection.stream, &acks.bytes, run) {
                Ok(true) => acks.bytes.clear(),
                Ok(false) => break,
                Err(error) => return Err(connection.explain(Error::io("acknowledge", error))),
            }
        }
        if delivered > 0 {
            run.delivered.fetch_add(delivered, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Sets the prefetch and starts a consumer on each queue.
pub(crate) fn subscribe(
    connection: &mut Connection,
    queues: &[String],
    plan: Plan,
) -> Result<(), Error> {
    if plan.ack != AckMode::Auto {
        connection.qos(plan.prefetch)?;
    }
    for queue in queues {
        match plan.is_stream {
            true => connection.consume_stream(queue)?,
            false => connection.consume(queue, plan.ack == AckMode::Auto)?,
        }
    }
    Ok(())
}

/// Acknowledgements that wait to be written.
#[derive(Debug)]
pub(crate) struct Acks {
    pub(crate) bytes: Vec<u8>,
    mode: AckMode,
    last_tag: u64,
    waiting: u64,
    /// Tags that wait for their random order.
    held: Vec<u64>,
    random: Random,
}

/// Any seed will do: the order has to be without order, and the same in every run.
const SHUFFLE_SEED: u64 = 1;

impl Acks {
    pub(crate) fn new(mode: AckMode) -> Self {
        Self {
            bytes: Vec::new(),
            mode,
            last_tag: 0,
            waiting: 0,
            held: Vec::new(),
            random: Random::new(SHUFFLE_SEED),
        }
    }

    pub(crate) fn deliver(&mut self, delivery_tag: u64) {
        match self.mode {
            AckMode::Auto => {}
            AckMode::One => {
                self.bytes.extend_from_slice(&encode::ack_frame(CHANNEL, delivery_tag, false));
            }
            AckMode::Multiple(every) => {
                self.last_tag = delivery_tag;
                self.waiting += 1;
                if self.waiting >= every {
                    self.finish();
                }
            }
            AckMode::Shuffled(every) => {
                self.held.push(delivery_tag);
                if self.held.len() as u64 >= every {
                    self.finish();
                }
            }
        }
    }

    /// Acknowledges what has been delivered although the batch is not full.
    pub(crate) fn finish(&mut self) {
        if self.waiting > 0 {
            self.bytes.extend_from_slice(&encode::ack_frame(CHANNEL, self.last_tag, true));
            self.waiting = 0;
        }
        for last in (0..self.held.len()).rev() {
            let other = self.random.between(0, last as u64);
            self.held.swap(last, usize::try_from(other).unwrap_or(0));
        }
        for tag in self.held.drain(..) {
            self.bytes.extend_from_slice(&encode::ack_frame(CHANNEL, tag, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ack_modes_are_read_from_the_command_line() {
        assert_eq!("auto".parse(), Ok(AckMode::Auto));
        assert_eq!("one".parse(), Ok(AckMode::One));
        assert_eq!("multiple(100)".parse(), Ok(AckMode::Multiple(100)));
        assert_eq!("multiple:7".parse(), Ok(AckMode::Multiple(7)));
        assert_eq!("shuffled:9".parse(), Ok(AckMode::Shuffled(9)));
        for wrong in ["", "multiple", "multiple(0)", "multiple(x)", "two", "auto:1"] {
            assert!(wrong.parse::<AckMode>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_delivery_is_acknowledged_one_by_one() {
        let mut acks = Acks::new(AckMode::One);
        acks.deliver(1);
        acks.deliver(2);
        let expected = [encode::ack_frame(1, 1, false), encode::ack_frame(1, 2, false)].concat();
        assert_eq!(acks.bytes, expected);
    }

    #[test]
    fn a_shuffled_batch_acknowledges_each_tag_once_and_not_in_order() {
        let mut acks = Acks::new(AckMode::Shuffled(50));
        (1..=50).for_each(|tag| acks.deliver(tag));
        let chunks = acks.bytes.chunks(encode::ACK_FRAME_BYTES);
        let mut tags: Vec<u8> = chunks.map(|frame| frame[18]).collect();
        let ascending: Vec<u8> = (1..=50).collect();
        assert_ne!(tags, ascending);
        tags.sort_unstable();
        assert_eq!(tags, ascending);
    }

    #[test]
    fn a_batch_is_acknowledged_when_full_and_its_rest_when_finished() {
        let mut acks = Acks::new(AckMode::Multiple(2));
        for tag in 1..=3 {
            acks.deliver(tag);
        }
        assert_eq!(acks.bytes, encode::ack_frame(1, 2, true));
        acks.finish();
        acks.finish();
        let expected = [encode::ack_frame(1, 2, true), encode::ack_frame(1, 3, true)].concat();
        assert_eq!(acks.bytes, expected);
    }
}

//! Publishing at little cost: a block of messages is encoded once and written again and again.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::confirms::ConfirmTracker;
use crate::connection::{CHANNEL, Connection};
use crate::decode::{Fields, Frame};
use crate::encode::{self, Message};
use crate::error::Error;
use crate::methods;
use crate::process;
use crate::run::Run;

/// Bytes of a block. Large, so that a system call carries hundreds of small messages.
const BLOCK_BYTES: usize = 128 * 1024;
/// Pause of a producer that is too far ahead of the consumers.
const AHEAD_PAUSE: Duration = Duration::from_micros(200);
/// After a failed write the broker's reason may still be on its way to the thread that reads, and
/// the first failure is the one that is reported.
pub(crate) const REASON_PAUSE: Duration = Duration::from_millis(100);
/// Most unconfirmed messages on a channel; bounds the memory of the tracker.
pub(crate) const WINDOW_MAX: u64 = 1 << 20;

/// The same message many times over, as bytes.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    message_bytes: usize,
    messages: u64,
}

impl Block {
    /// As many copies of the message as fit a block, at least one.
    pub(crate) fn new(message: &Message<'_>, frame_max: usize) -> Self {
        let mut one = Vec::new();
        encode::push_publish(&mut one, CHANNEL, frame_max, message);
        let copies = (BLOCK_BYTES / one.len()).max(1);
        Self { bytes: one.repeat(copies), message_bytes: one.len(), messages: copies as u64 }
    }

    /// The bytes of at most `limit` messages, and how many they are.
    fn take(&self, limit: u64) -> (&[u8], u64) {
        let messages = self.messages.min(limit);
        let bytes = usize::try_from(messages).unwrap_or(0) * self.message_bytes;
        (self.bytes.get(..bytes).unwrap_or_default(), messages)
    }
}

/// When a producer pauses and when it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Unconfirmed messages at a time; nothing: publish without confirms.
    pub(crate) window: Option<u64>,
    /// Copies that may be published and not yet delivered, over all producers.
    pub(crate) in_flight: Option<u64>,
    /// Copies that each message becomes.
    pub(crate) copies: u64,
    /// End after so many messages.
    pub(crate) messages: Option<u64>,
}

/// Publishes until the run stops or the limit is reached, and adds its CPU time to the run's.
pub(crate) fn produce(connection: Connection, block: &Block, limits: Limits, run: &Run) {
    let before = process::thread_cpu_nanoseconds();
    let result = match limits.window {
        Some(window) => produce_confirmed(connection, block, window, limits, run),
        None => produce_unconfirmed(connection, block, limits, run),
    };
    if let Err(error) = result {
        run.fail(error);
    }
    let used = process::thread_cpu_nanoseconds().saturating_sub(before);
    run.producer_cpu_nanoseconds.fetch_add(used, Ordering::Relaxed);
}

/// Only TCP and the cap on messages in flight hold this producer back. A second thread sleeps in a
/// read, so that the broker's objections are heard.
fn produce_unconfirmed(
    mut connection: Connection,
    block: &Block,
    limits: Limits,
    run: &Run,
) -> Result<(), Error> {
    connection.poll_for_stop()?;
    let mut stream =
        connection.stream.try_clone().map_err(|e| Error::io("share the producer's socket", e))?;
    thread::scope(|scope| {
        scope.spawn(move || listen(&mut connection, run));
        let result = publish_blocks(&mut stream, block, limits, run);
        if limits.messages.is_none() || result.is_err() {
            drop(stream.shutdown(Shutdown::Both));
        }
        result
    })
}

fn publish_blocks(
    stream: &mut TcpStream,
    block: &Block,
    limits: Limits,
    run: &Run,
) -> Result<(), Error> {
    let mut left = limits.messages.unwrap_or(u64::MAX);
    while left > 0 && !run.stopped() {
        if limits.in_flight.is_some_and(|cap| in_flight(run, limits.copies) >= cap) {
            thread::sleep(AHEAD_PAUSE);
            continue;
        }
        let (bytes, messages) = block.take(left);
        match write_while_running(stream, bytes, run) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            // The listening thread reports why.
            Err(_) if run.stopped() => return Ok(()),
            Err(error) => {
                thread::sleep(REASON_PAUSE);
                return Err(Error::io("publish", error));
            }
        }
        left -= messages;
        run.published.fetch_add(messages, Ordering::Relaxed);
    }
    Ok(())
}

fn in_flight(run: &Run, copies: u64) -> u64 {
    let delivered = run.delivered.load(Ordering::Relaxed);
    (run.published.load(Ordering::Relaxed) * copies).saturating_sub(delivered)
}

/// Waits for the broker to complain, until the run ends.
fn listen(connection: &mut Connection, run: &Run) {
    while !run.stopped() {
        match connection.reader.fill(&mut connection.stream) {
            Ok(0) => run.fail(Error::Disconnected { during: "publishing" }),
            Ok(_) => {
                if let Err(error) = take_frames(connection, |_| Ok(())) {
                    run.fail(error);
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(error) => run.fail(Error::io("read on a producer's connection", error)),
        }
    }
}

fn produce_confirmed(
    mut connection: Connection,
    block: &Block,
    window: u64,
    limits: Limits,
    run: &Run,
) -> Result<(), Error> {
    connection.confirm_select()?;
    connection.poll_for_stop()?;
    let mut tracker = ConfirmTracker::new(window.min(WINDOW_MAX));
    let mut left = limits.messages.unwrap_or(u64::MAX);
    while (left > 0 || tracker.outstanding() > 0) && !run.stopped() {
        let ahead = limits.in_flight.is_some_and(|cap| in_flight(run, limits.copies) >= cap);
        let room = if ahead { 0 } else { tracker.room().min(left) };
        if room > 0 {
            let (bytes, messages) = block.take(room);
            match write_while_running(&mut connection.stream, bytes, run) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(connection.explain(Error::io("publish", error))),
            }
            tracker.publish(messages);
            left -= messages;
            run.published.fetch_add(messages, Ordering::Relaxed);
            if messages < room {
                continue;
            }
        } else if tracker.outstanding() == 0 {
            thread::sleep(AHEAD_PAUSE);
            continue;
        }
        receive_confirms(&mut connection, &mut tracker, run)?;
    }
    Ok(())
}

fn receive_confirms(
    connection: &mut Connection,
    tracker: &mut ConfirmTracker,
    run: &Run,
) -> Result<(), Error> {
    match connection.reader.fill(&mut connection.stream) {
        Ok(0) => return Err(Error::Disconnected { during: "waiting for confirms" }),
        Ok(_) => {}
        Err(error) if is_timeout(&error) => return Ok(()),
        Err(error) => return Err(Error::io("read confirms", error)),
    }
    let (mut confirmed, mut refused) = (0, 0);
    take_frames(connection, |frame| {
        if let Some(confirm) = Confirm::decode(frame)? {
            let answered = tracker.answer(confirm.delivery_tag, confirm.multiple, |_| ())?;
            *(if confirm.accepted { &mut confirmed } else { &mut refused }) += answered;
        }
        Ok(())
    })?;
    run.confirmed.fetch_add(confirmed, Ordering::Relaxed);
    run.refused.fetch_add(refused, Ordering::Relaxed);
    Ok(())
}

/// `basic.ack` or `basic.nack` from the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirm {
    pub(crate) delivery_tag: u64,
    pub(crate) multiple: bool,
    pub(crate) accepted: bool,
}

impl Confirm {
    /// Reads a confirm; nothing when the frame is something else.
    pub(crate) fn decode(frame: &Frame<'_>) -> Result<Option<Self>, Error> {
        let accepted = match frame.method() {
            Some(methods::BASIC_ACK) => true,
            Some(methods::BASIC_NACK) => false,
            Some(_) | None => return Ok(None),
        };
        let mut fields: Fields<'_> = frame.arguments();
        let delivery_tag = fields.long_long()?;
        let multiple = fields.octet()? & 1 == 1;
        Ok(Some(Self { delivery_tag, multiple, accepted }))
    }
}

/// Hands every frame that was read to `take`; a close from the broker is an error.
pub(crate) fn take_frames(
    connection: &mut Connection,
    mut take: impl FnMut(&Frame<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    while let Some(frame) = connection.reader.next()? {
        if let Some(refusal) = frame.refusal() {
            return Err(refusal);
        }
        take(&frame)?;
    }
    Ok(())
}

/// Writes everything, or returns false when the run stopped in between.
pub(crate) fn write_while_running(
    stream: &mut TcpStream,
    mut bytes: &[u8],
    run: &Run,
) -> io::Result<bool> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if is_timeout(&error) && run.stopped() => return Ok(false),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Whether a read or write only took longer than the poll interval.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::FrameReader;
    use crate::encode::Arguments;

    #[test]
    fn a_block_is_cut_at_whole_messages() {
        let message = Message {
            exchange: "",
            routing_key: "q",
            persistent: false,
            expiration: None,
            body: &[0; 16],
        };
        let block = Block::new(&message, 4096);
        let (all, messages) = block.take(u64::MAX);
        assert!(messages > 1000 && all.len() <= BLOCK_BYTES);
        let (three, count) = block.take(3);
        assert_eq!((three.len() as u64 * messages, count), (all.len() as u64 * 3, 3));
    }

    #[test]
    fn a_message_larger_than_a_block_still_makes_one() {
        let body = vec![0; BLOCK_BYTES * 2];
        let message = Message {
            exchange: "",
            routing_key: "q",
            persistent: false,
            expiration: None,
            body: &body,
        };
        assert_eq!(Block::new(&message, 4096).messages, 1);
    }

    #[test]
    fn confirms_are_told_from_other_methods() {
        let bytes = [
            encode::ack_frame(1, 9, true).to_vec(),
            Arguments::new().long_long(4).octet(0).frame(1, methods::BASIC_NACK),
            Arguments::new().frame(1, methods::CONFIRM_SELECT_OK),
        ]
        .concat();
        let mut reader = FrameReader::new(4096);
        reader.fill(&mut bytes.as_slice()).unwrap();
        let mut decoded = || Confirm::decode(&reader.next().unwrap().unwrap()).unwrap();
        let ack = Confirm { delivery_tag: 9, multiple: true, accepted: true };
        let nack = Confirm { delivery_tag: 4, multiple: false, accepted: false };
        assert_eq!(decoded(), Some(ack));
        assert_eq!(decoded(), Some(nack));
        assert_eq!(decoded(), None);
    }
}

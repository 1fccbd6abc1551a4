//! A publisher of one lane: connection after connection at its share of the rate, some of which end
//! in the middle of a message.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::shared::{LANES, Lane, Shared, close_in_order, write};
use crate::confirms::ConfirmTracker;
use crate::connection::{CHANNEL, Connection};
use crate::encode::{self, Message};
use crate::error::Error;
use crate::producer::{Confirm, take_frames};
use crate::random::Random;
use crate::verify::body::{Body, HEADER_BYTES};
use crate::verify::clients::read;

/// Unconfirmed messages of a connection.
const WINDOW: u64 = 500;
/// Messages of one write.
const BATCH_MAX: u64 = 64;
/// A connection lives between these.
const LIFE_MS: (u64, u64) = (1000, 20_000);
/// Longest wait for the last confirms of a connection that ends in order.
const LAST_CONFIRMS: Duration = Duration::from_secs(10);

/// Publishes until the load is over.
pub(super) fn publish(shared: &Shared, number: usize, mut random: Random) {
    let Some(lane) = LANES.get(number) else { return };
    let mut epoch = 0;
    while !shared.over() {
        let era = shared.wait_up();
        epoch += 1;
        let result =
            Life::open(shared, number, lane, epoch).and_then(|life| life.live(&mut random));
        shared.judge(era, result);
    }
}

/// One connection.
struct Life<'a> {
    shared: &'a Shared,
    number: usize,
    lane: &'a Lane,
    epoch: u32,
    connection: Connection,
    tracker: ConfirmTracker,
    /// Number of the first message, which has the delivery tag 1.
    first: Option<u64>,
    /// Numbers with their places among the delivery tags; one lane has one publisher, so they ascend
    /// without gaps.
    published: u64,
    out: Vec<u8>,
    body: Vec<u8>,
}

impl<'a> Life<'a> {
    fn open(shared: &'a Shared, number: usize, lane: &'a Lane, epoch: u32) -> Result<Self, Error> {
        let mut connection = Connection::open(&shared.target)?;
        if lane.confirms {
            connection.confirm_select()?;
        }
        connection.poll_for_stop()?;
        Ok(Self {
            shared,
            number,
            lane,
            epoch,
            connection,
            tracker: ConfirmTracker::new(WINDOW),
            first: None,
            published: 0,
            out: Vec::new(),
            body: Vec::new(),
        })
    }

    fn live(mut self, random: &mut Random) -> Result<(), Error> {
        let begun = Instant::now();
        let life = Duration::from_millis(random.between(LIFE_MS.0, LIFE_MS.1));
        let rate = self.shared.rate * self.lane.share / 100;
        while begun.elapsed() < life && !self.shared.over() {
            let due = begun.elapsed().as_secs_f64() * rate as f64;
            let due = (due as u64).saturating_sub(self.published).min(BATCH_MAX);
            let room = if self.lane.confirms { self.tracker.room() } else { BATCH_MAX };
            self.send(due.min(room), random)?;
            // Also without confirms: the broker may say that it goes.
            if due == 0 || self.tracker.outstanding() > 0 {
                self.take_confirms()?;
            }
        }
        if !self.shared.over() && random.between(0, 1) == 0 {
            return self.break_off(random);
        }
        let deadline = Instant::now() + LAST_CONFIRMS;
        while self.tracker.outstanding() > 0 && Instant::now() < deadline {
            self.take_confirms()?;
        }
        close_in_order(&mut self.connection)
    }

    fn send(&mut self, count: u64, random: &mut Random) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let first = self.take_numbers(count);
        self.out.clear();
        for sequence in first..first + count {
            self.encode(sequence, random);
        }
        // Counted before writing: a confirm can only come for what was sent.
        if self.lane.confirms {
            self.tracker.publish(count);
        }
        self.published += count;
        write(&mut self.connection, &self.out)
    }

    fn take_numbers(&mut self, count: u64) -> u64 {
        let Some(mut sent) = self.shared.sent(self.number) else { return 0 };
        let first = sent.published;
        sent.published += count;
        self.first.get_or_insert(first);
        first
    }

    fn encode(&mut self, sequence: u64, random: &mut Random) {
        let producer = u32::try_from(self.number).unwrap_or(u32::MAX);
        let body = Body { round: self.epoch, producer, queue: producer, sequence };
        let size = random.between(HEADER_BYTES as u64, self.lane.size_max);
        body.encode(usize::try_from(size).unwrap_or(HEADER_BYTES), &mut self.body);
        let message = Message {
            exchange: self.lane.exchange.0,
            routing_key: self.lane.routing_key,
            persistent: self.lane.persistent,
            expiration: None,
            body: &self.body,
        };
        encode::push_publish(&mut self.out, CHANNEL, self.connection.frame_max, &message);
    }

    fn take_confirms(&mut self) -> Result<(), Error> {
        if !read(&mut self.connection)? {
            return Ok(());
        }
        let first = self.first.unwrap_or(0);
        let (tracker, mut confirmed, mut refused) = (&mut self.tracker, Vec::new(), 0);
        take_frames(&mut self.connection, |frame| {
            if let Some(confirm) = Confirm::decode(frame)? {
                let answered = tracker.answer(confirm.delivery_tag, confirm.multiple, |tag| {
                    if confirm.accepted {
                        confirmed.push(first + tag - 1);
                    }
                })?;
                refused += if confirm.accepted { 0 } else { answered };
            }
            Ok(())
        })?;
        if let Some(mut sent) = self.shared.sent(self.number) {
            for number in confirmed {
                sent.confirmed.insert(number);
            }
        }
        if refused > 0 {
            return Err(Error::Usage(format!("the broker refused {refused} messages")));
        }
        Ok(())
    }

    /// Writes a part of a message and hangs up.
    fn break_off(mut self, random: &mut Random) -> Result<(), Error> {
        let number = self.take_numbers(1);
        if let Some(mut sent) = self.shared.sent(self.number) {
            sent.unfinished.insert(number);
        }
        self.out.clear();
        self.encode(number, random);
        let part = random.between(1, self.out.len() as u64 - 1);
        self.out.truncate(usize::try_from(part).unwrap_or(1));
        write(&mut self.connection, &self.out)?;
        let hung_up = self.connection.stream.shutdown(Shutdown::Both);
        hung_up.map_err(|e| Error::io("hang up", e))
    }
}

//! The consumer of one queue: connection after connection, which acknowledge, requeue, reject, stay
//! away, go in order, or die with messages in hand.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::shared::{Era, Queue, Shared, close_in_order, lock, nack_frame, reject_frame, write};
use crate::connection::{CHANNEL, Connection};
use crate::consumer::{self, AckMode, Plan};
use crate::encode;
use crate::error::Error;
use crate::producer::take_frames;
use crate::random::Random;
use crate::verify::body::Body;
use crate::verify::clients::{Content, read};

/// Of a hundred lives, so many are followed by a time without a consumer.
const AWAY_PERCENT: u64 = 15;
const AWAY_MS: (u64, u64) = (2000, 25_000);
const LIFE_MS: (u64, u64) = (500, 15_000);
const PREFETCH: (u64, u64) = (1, 500);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    HungUp,
}

/// Consumes until the run is stopped.
pub(super) fn consume(shared: &Shared, queue: &Queue, mut random: Random) {
    while !shared.run.stopped() {
        let era = shared.wait_up();
        let mut held = VecDeque::new();
        let result = live(shared, queue, &mut random, &mut held);
        let ended = result.as_ref().ok().copied();
        shared.judge(era, result.map(drop));
        // Only when the broker is up again it is known what the connection's end was.
        let now = shared.wait_up();
        note_end(queue, ended, held, (era, now));
        if !shared.over() && random.between(0, 99) < AWAY_PERCENT {
            let away = Duration::from_millis(random.between(AWAY_MS.0, AWAY_MS.1));
            let until = Instant::now() + away;
            while !shared.over() && Instant::now() < until {
                shared.run.wait_until(until.min(Instant::now() + Duration::from_millis(100)));
            }
        }
    }
}

fn note_end(
    queue: &Queue,
    ended: Option<End>,
    held: VecDeque<(u64, u64)>,
    (before, now): (Era, Era),
) {
    let numbers = held.into_iter().map(|(_, number)| number);
    let mut ledger = lock(&queue.ledger);
    if ended == Some(End::Closed) && before == now {
        ledger.closed(numbers);
    } else {
        ledger.broke(numbers, before.restarts != now.restarts, before.kills != now.kills);
    }
}

/// One connection. What it holds unacknowledged at its end is left in `held`, as tag and number.
fn live(
    shared: &Shared,
    queue: &Queue,
    random: &mut Random,
    held: &mut VecDeque<(u64, u64)>,
) -> Result<End, Error> {
    // Else a message that an earlier consumer still has would come behind later ones.
    shared.wait_for_no_consumer(queue.name)?;
    let mut connection = Connection::open(&shared.target)?;
    lock(&queue.ledger).subscribed();
    let prefetch = u16::try_from(random.between(PREFETCH.0, PREFETCH.1)).unwrap_or(1);
    let plan = Plan { ack: AckMode::One, prefetch, is_stream: false };
    consumer::subscribe(&mut connection, &[queue.name.to_owned()], plan)?;
    connection.poll_for_stop()?;
    let mut content = Content::default();
    let begun = Instant::now();
    let life = Duration::from_millis(random.between(LIFE_MS.0, LIFE_MS.1));
    let mut batch = usize::from(prefetch.div_ceil(2));
    loop {
        let draining = shared.draining.load(Ordering::Relaxed);
        if shared.run.stopped() || (!draining && begun.elapsed() >= life) {
            break;
        }
        let idle = !read(&mut connection)?;
        receive(&mut connection, &mut content, shared, queue, held)?;
        if held.len() >= batch || (idle && !held.is_empty()) {
            let out = if draining { take_all(queue, held) } else { answer(queue, held, random) };
            write(&mut connection, &out)?;
            batch = usize::try_from(random.between(1, u64::from(prefetch))).unwrap_or(1);
        }
    }
    if shared.over() || random.between(0, 1) == 0 {
        close_in_order(&mut connection)?;
        return Ok(End::Closed);
    }
    if let (Some((tag, _)), 0) = (held.front(), random.between(0, 1)) {
        // Half an acknowledgement is none.
        let ack = encode::ack_frame(CHANNEL, *tag, false);
        write(&mut connection, ack.get(..ack.len() / 2).unwrap_or_default())?;
    }
    drop(connection.stream.shutdown(Shutdown::Both));
    Ok(End::HungUp)
}

fn receive(
    connection: &mut Connection,
    content: &mut Content,
    shared: &Shared,
    queue: &Queue,
    held: &mut VecDeque<(u64, u64)>,
) -> Result<(), Error> {
    let now = Instant::now();
    let Some(sent) = shared.sent(queue.lane) else { return Ok(()) };
    let mut ledger = lock(&queue.ledger);
    take_frames(connection, |frame| {
        if let Some((deliver, bytes)) = content.take(frame)? {
            let body = Body::decode(bytes);
            let number = ledger.deliver(now, body, deliver.redelivered, &sent);
            held.extend(number.map(|number| (deliver.delivery_tag, number)));
        }
        Ok(())
    })
}

/// Acknowledges everything.
fn take_all(queue: &Queue, held: &mut VecDeque<(u64, u64)>) -> Vec<u8> {
    let (now, mut ledger) = (Instant::now(), lock(&queue.ledger));
    let last = held.back().map(|(tag, _)| *tag);
    held.drain(..).for_each(|(_, number)| ledger.settle(now, number));
    last.map(|tag| encode::ack_frame(CHANNEL, tag, true).to_vec()).unwrap_or_default()
}

/// Answers what is held in one of the ways there are, mostly with acknowledgements.
fn answer(queue: &Queue, held: &mut VecDeque<(u64, u64)>, random: &mut Random) -> Vec<u8> {
    let choice = random.between(0, 99);
    if choice < 65 {
        return take_all(queue, held);
    }
    let (now, mut ledger) = (Instant::now(), lock(&queue.ledger));
    let mut out = Vec::new();
    match choice {
        // One by one, in random order.
        65..80 => {
            while !held.is_empty() {
                let place = random.between(0, held.len() as u64 - 1);
                let place = usize::try_from(place).unwrap_or(0);
                let Some((tag, number)) = held.swap_remove_back(place) else { break };
                ledger.settle(now, number);
                out.extend_from_slice(&encode::ack_frame(CHANNEL, tag, false));
            }
        }
        // Everything back.
        80..88 => {
            if let Some((tag, _)) = held.back() {
                out = nack_frame(*tag, true, true);
            }
            held.drain(..).for_each(|(_, number)| ledger.requeue(number));
        }
        // One back, one dropped for good.
        88..94 => {
            if let Some((tag, number)) = held.pop_front() {
                ledger.requeue(number);
                out = reject_frame(tag, true);
            }
        }
        _ => {
            if let Some((tag, number)) = held.pop_back() {
                ledger.settle(now, number);
                out = reject_frame(tag, false);
            }
        }
    }
    out
}

//! What millions of waiting messages with expirations of their own cost: resident memory, and the
//! most processor time that one command takes while they expire. Contents are made up in the place of a
//! disk.
//!
//! ```text
//! cargo run --release -p warren-engine --example expiry -- 10000000 60
//! ```
//! (so many messages, which expire at any time in so many seconds)
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measuring program")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use warren_amqp::FieldTable;
use warren_amqp::properties::{Builder, Property};
use warren_engine::{
    Access, Command, Declaration, Effects, Load, Message, MessageBatch, PublishBatch, Request,
    Sequence, SessionId, VirtualHost, VirtualHostId,
};

const SESSION: SessionId = SessionId(1);
const START: u64 = 1_760_000_000_000;
const BATCH: u64 = 300;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number =
        |otherwise: u64| arguments.next().map_or(otherwise, |text| text.parse().expect("a number"));
    let (messages, seconds) = (number(10_000_000), number(60));
    let spread = (seconds * 1_000).max(1);
    let mut world = World { effects: Effects::default(), spread, longest: Duration::ZERO };
    let mut host = VirtualHost::new(VirtualHostId(1), "/");
    let declaration = Declaration { durable: true, ..Declaration::default() };
    let (name, arguments) = ("q".to_owned(), FieldTable::default());
    let declare = Request::QueueDeclare { name, generated: false, declaration, arguments };
    host.apply(Command::Clock(START), &mut world.effects);
    let access = Arc::new(Access::everything("guest"));
    host.apply(Command::OpenSession { session: SESSION, access }, &mut world.effects);
    for request in [Request::ChannelOpen, declare] {
        let command = Command::Request { session: SESSION, channel: 1, request };
        host.apply(command, &mut world.effects);
    }
    let before = resident();
    let begun = Instant::now();
    for first in (1..=messages).step_by(BATCH as usize) {
        let count = BATCH.min(messages + 1 - first);
        let batch = world.batch(first..first + count);
        let publishes = vec![(1, false); count as usize];
        let command = PublishBatch { session: SESSION, messages: batch, publishes, to: None };
        world.apply(&mut host, Command::Publish(command));
        world.effects.clear();
    }
    let grown = (resident() - before) / 1_000_000;
    println!("{messages} messages published in {:.1?}: {grown} MB more", begun.elapsed());
    println!("longest command: {:.1?}", std::mem::take(&mut world.longest));
    let begun = Instant::now();
    let (mut now, mut expired, mut most) = (START, 0, 0);
    while host.summary().messages_ready > 0 {
        if let Some(load) = world.effects.loads.pop() {
            let answer = world.answer(load);
            world.apply(&mut host, answer);
        } else {
            now = now.max(host.next_due().expect("something is due"));
            world.apply(&mut host, Command::Clock(now));
        }
        expired += world.effects.departed.len();
        let loads = std::mem::take(&mut world.effects.loads);
        world.effects.clear();
        world.effects.loads = loads;
        most = most.max(resident());
    }
    let most = (most - before) / 1_000_000;
    println!("{expired} expired in {:.1?}: {most} MB more at most", begun.elapsed());
    println!("longest command: {:.1?}", world.longest);
}

struct World {
    effects: Effects,
    spread: u64,
    longest: Duration,
}

impl World {
    fn apply(&mut self, host: &mut VirtualHost, command: Command) {
        let begun = processor_time();
        host.apply(command, &mut self.effects);
        self.longest = self.longest.max(processor_time().saturating_sub(begun));
    }

    /// The messages at these places, which look random, but are always the same.
    fn batch(&self, places: impl IntoIterator<Item = Sequence>) -> Arc<MessageBatch> {
        let mut batch = MessageBatch::with_capacity(0, 32 * 1024).at(START);
        for place in places {
            let random = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let expiration = (20_000 + random % self.spread).to_string();
            let properties = Builder::new().set(Property::DeliveryMode, [2]);
            let properties = properties.set(Property::Expiration, expiration).build();
            batch.push("", "q", &properties, &[b'x'; 16]);
        }
        batch.finish();
        Arc::new(batch)
    }

    /// What a disk would answer.
    fn answer(&self, load: Load) -> Command {
        let places: Vec<Sequence> = match &load.only {
            Some(only) => only.to_vec(),
            None => (load.first..=load.last).take(load.messages_max as usize).collect(),
        };
        let through = places.last().copied().unwrap_or(load.last);
        let batch = self.batch(places.iter().copied());
        let messages = places
            .iter()
            .enumerate()
            .map(|(index, place)| (*place, Message::new(&batch, index as u32).expect("a message")));
        let messages = messages.collect();
        Command::Loaded { messages, load, through, damaged: vec![], returns: vec![] }
    }
}

/// What this thread has had of a processor: others may be at work on the machine.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = text.split_whitespace().next().expect("a number");
    Duration::from_nanos(nanoseconds.parse().expect("a number"))
}

/// Resident memory, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = text.split_whitespace().nth(1).expect("resident pages");
    4096 * pages.parse::<u64>().expect("a number")
}

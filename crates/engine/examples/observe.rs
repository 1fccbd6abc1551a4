//! What it costs to look at a virtual host with very many queues: when nothing has changed, and when
//! every queue has.
//!
//! ```text
//! cargo run --release -p warren-engine --example observe -- 100000 1000
//! ```
//! (so many queues, of which so many are shown at a time)
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measuring program")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use warren_amqp::FieldTable;
use warren_engine::{
    Access, Command, ConsumeRequest, Declaration, Destination, Effects, MessageBatch, Observation,
    PublishBatch, Request, SessionId, VirtualHost, VirtualHostId,
};

const SESSION: SessionId = SessionId(1);
const ROUNDS: u32 = 20;

struct World {
    host: VirtualHost,
    effects: Effects,
    looks: u64,
}

impl World {
    fn apply(&mut self, command: Command) {
        self.host.apply(command, &mut self.effects);
        while self.effects.unfinished.is_some() {
            self.host.go_on(&mut self.effects);
        }
        self.effects.clear();
    }

    fn request(&mut self, request: Request) {
        self.apply(Command::Request { session: SESSION, channel: 1, request });
    }

    /// A whole look: how long it took, the longest part of it, and how many objects were shown.
    fn look(&mut self, items: usize) -> (Duration, Duration, usize) {
        self.looks += 1;
        let mut shown = Observation::default();
        let (mut all, mut longest, mut objects) = (Duration::ZERO, Duration::ZERO, 0);
        loop {
            let begun = Instant::now();
            let has_more = self.host.observe(self.looks, items, &mut shown);
            let took = begun.elapsed();
            (all, longest) = (all + took, longest.max(took));
            objects += shown.len();
            // As the observer does, which gives the lists back empty.
            shown.is_first = false;
            shown.queues.clear();
            shown.exchanges.clear();
            shown.bindings.clear();
            shown.channels.clear();
            shown.consumers.clear();
            if !has_more {
                return (all, longest, objects);
            }
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: usize| {
        arguments.next().map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (queues, items) = (number(100_000), number(1_000));
    let host = VirtualHost::new(VirtualHostId(1), "/");
    let mut world = World { host, effects: Effects::default(), looks: 0 };
    world.apply(Command::Clock(1));
    let access = Arc::new(Access::everything("guest"));
    world.apply(Command::OpenSession { session: SESSION, access });
    world.request(Request::ChannelOpen);
    for queue in 0..queues {
        let name = format!("queue-{queue}");
        world.request(Request::QueueDeclare {
            name: name.clone(),
            generated: false,
            declaration: Declaration { no_wait: true, ..Declaration::default() },
            arguments: FieldTable::default(),
        });
        world.request(Request::Bind {
            source: "amq.fanout".to_owned(),
            destination: Destination::Queue(name),
            routing_key: String::new(),
            arguments: FieldTable::default(),
            no_wait: true,
        });
    }
    let (all, longest, objects) = world.look(items);
    println!("first look:   {objects} objects in {all:.1?}, the longest part {longest:.1?}");
    let idle: Duration = (0..ROUNDS).map(|_| world.look(items).0).sum();
    println!("nothing new:  {:.1?}", idle / ROUNDS);
    let mut busy = vec![];
    for _ in 0..ROUNDS {
        let mut messages = MessageBatch::default();
        messages.push("amq.fanout", "", &[0, 0], b"body");
        let (messages, publishes) = (Arc::new(messages), vec![(1, false)]);
        world.apply(Command::Publish(PublishBatch {
            session: SESSION,
            messages,
            publishes,
            to: None,
        }));
        busy.push(world.look(items));
    }
    busy.sort_unstable();
    let (all, longest, objects) = busy[busy.len() / 2];
    let each = all.as_nanos() as f64 / objects as f64;
    println!("all changed:  {objects} objects in {all:.1?}, {each:.0} ns each");
    println!("              the longest part of the median look {longest:.1?}");
    // With a consumer on one queue, to see that nothing else depends on it.
    world.request(Request::Consume(ConsumeRequest {
        queue: "queue-0".to_owned(),
        consumer_tag: "c".to_owned(),
        no_ack: true,
        ..ConsumeRequest::default()
    }));
    let (all, _, objects) = world.look(items);
    println!("one changed:  {objects} objects in {all:.1?}");
}

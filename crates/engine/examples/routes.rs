//! What routing and `apply` cost, measured by hand: `cargo run --release -p warren-engine
//! --example routes`. It prints messages a second and nanoseconds a message, of one thread and of
//! the engine alone: no socket, no disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use warren_amqp::properties::{Builder, NONE, Property};
use warren_amqp::{FieldTable, FieldValue, table};
use warren_engine::{
    Access, Acknowledgement, Command, ConsumeRequest, Declaration, Destination, Effects, Event,
    MessageBatch, PublishBatch, Request, SessionId, VirtualHost, VirtualHostId,
};

const SESSION: SessionId = SessionId(1);
const CHANNEL: u16 = 1;
/// Messages of one batch: about what a read of a busy socket brings.
const BATCH: usize = 1000;
/// Long enough that the clock and the first misses of the caches do not count.
const MEASURED: Duration = Duration::from_secs(2);

struct Bench {
    host: VirtualHost,
    effects: Effects,
}

impl Bench {
    fn new() -> Self {
        let mut bench =
            Self { host: VirtualHost::new(VirtualHostId(1), "/"), effects: Effects::default() };
        let access = Arc::new(Access::everything("guest"));
        bench.apply(Command::OpenSession { session: SESSION, access });
        bench.request(Request::ChannelOpen);
        bench
    }

    fn apply(&mut self, command: Command) {
        self.effects.clear();
        self.host.apply(command, &mut self.effects);
        while self.effects.unfinished.is_some() {
            self.host.go_on(&mut self.effects);
        }
    }

    fn request(&mut self, request: Request) {
        self.apply(Command::Request { session: SESSION, channel: CHANNEL, request });
    }

    fn declare_queue(&mut self, name: &str, durable: bool) {
        self.request(Request::QueueDeclare {
            name: name.to_owned(),
            generated: false,
            declaration: Declaration { durable, ..Declaration::default() },
            arguments: FieldTable::default(),
        });
    }

    fn bind(&mut self, queue: &str, source: &str, key: &str, arguments: FieldTable) {
        self.request(Request::Bind {
            source: source.to_owned(),
            destination: Destination::Queue(queue.to_owned()),
            routing_key: key.to_owned(),
            arguments,
            no_wait: true,
        });
    }

    fn publish(&mut self, messages: &Arc<MessageBatch>) {
        let publishes = vec![(CHANNEL, false); messages.len()];
        let messages = Arc::clone(messages);
        self.apply(Command::Publish(PublishBatch {
            session: SESSION,
            messages,
            publishes,
            to: None,
        }));
    }

    /// Publishes the batches in turn until the time is over. What reaches a queue is delivered at
    /// once, and acknowledged if `acknowledges`.
    fn measure(&mut self, what: &str, batches: &[Arc<MessageBatch>], acknowledges: bool) {
        let (mut published, mut delivered) = (0, 0_u64);
        let start = Instant::now();
        for messages in batches.iter().cycle() {
            self.publish(messages);
            published += messages.len();
            let events = self.effects.events.iter().map(|outgoing| &outgoing.event);
            let flushed = events.filter(|event| event.is_delivery()).map(Event::weight).sum();
            let acknowledgements = self.delivered();
            delivered += acknowledgements.len() as u64;
            self.apply(Command::Flushed { session: SESSION, bytes: flushed });
            if acknowledges {
                self.apply(Command::Acknowledge { session: SESSION, acknowledgements });
            }
            if start.elapsed() >= MEASURED {
                break;
            }
        }
        let nanoseconds = start.elapsed().as_nanos() as f64 / published as f64;
        let rate = 1e9 / nanoseconds;
        let deliveries = delivered as f64 / published as f64;
        println!("{what:<52} {rate:>12.0}/s {nanoseconds:>9.1} ns, {deliveries:.2} deliveries");
    }

    fn delivered(&self) -> Vec<Acknowledgement> {
        let events = self.effects.events.iter();
        let tags = events.filter_map(|outgoing| match outgoing.event {
            Event::Deliver { delivery_tag, .. } => Some(delivery_tag),
            _ => None,
        });
        tags.map(|delivery_tag| Acknowledgement { channel: CHANNEL, delivery_tag, multiple: false })
            .collect()
    }
}

/// Batches of 16-byte messages; `address` gives routing key and properties of the n-th.
fn batches(
    count: usize,
    exchange: &str,
    address: impl Fn(usize) -> (String, Vec<u8>),
) -> Vec<Arc<MessageBatch>> {
    let batch = |number: usize| {
        let mut batch = MessageBatch::with_capacity(BATCH, BATCH * 64);
        for index in 0..BATCH {
            let (key, properties) = address(number * BATCH + index);
            batch.push(exchange, &key, &properties, &[b'.'; 16]);
        }
        Arc::new(batch)
    };
    (0..count).map(batch).collect()
}

/// 100,000 patterns over four words, a third each without, with `*`, with `#`. Nobody consumes
/// from most of the queues, so keys match few patterns: routing is measured, not queueing.
fn topic() {
    let mut bench = Bench::new();
    for queue in 0..1000 {
        bench.declare_queue(&format!("q{queue}"), false);
    }
    let start = Instant::now();
    for number in 0..100_000_usize {
        let (a, b, c) = (number % 100, number / 100 % 100, number / 10_000);
        let pattern = match number % 3 {
            0 => format!("region{a}.site{b}.device{c}.state"),
            1 => format!("region{a}.*.device{c}.alarm{b}"),
            _ => format!("region{a}.#.unit{b}.kind{c}"),
        };
        bench.bind(&format!("q{}", number % 1000), "amq.topic", &pattern, FieldTable::default());
    }
    let nanoseconds = start.elapsed().as_nanos() as f64 / 100_000.0;
    println!("{:<52} {:>14} {nanoseconds:>9.1} ns", "topic, 100,000 bindings: bind", "");
    // Keys that match nothing at the last word: the whole tree is walked, no queue fills up.
    let key = |n: usize| {
        let (a, b, c) = (n % 100, n / 100 % 100, n / 10_000 % 100);
        (format!("region{a}.site{b}.device{c}.none"), NONE.to_vec())
    };
    // More keys than an exchange remembers, so that each is searched for.
    bench.measure("topic, 100,000 bindings: searched", &batches(100, "amq.topic", key), false);
    let few = batches(10, "amq.topic", key);
    bench.measure("topic, 100,000 bindings: remembered", &few, false);
}

fn headers() {
    let mut bench = Bench::new();
    bench.declare_queue("q", false);
    for number in 0..1000 {
        let mut arguments = FieldTable::default();
        arguments.insert("device".into(), FieldValue::LongInt(number));
        arguments.insert("kind".into(), FieldValue::LongString("state".into()));
        bench.bind("q", "amq.headers", "", arguments);
    }
    let mut headers = FieldTable::default();
    headers.insert("device".into(), FieldValue::LongInt(-1));
    headers.insert("kind".into(), FieldValue::LongString("state".into()));
    let properties = Builder::new().set(Property::Headers, table::encode(&headers)).build();
    let none = batches(1, "amq.headers", |_| (String::new(), properties.clone()));
    bench.measure("headers, 1,000 bindings", &none, false);
}

/// Persistent messages go to a durable queue, so that the writes for them are counted in.
fn delivering(what: &str, no_ack: bool, persistent: bool) {
    let mut bench = Bench::new();
    bench.declare_queue("q", persistent);
    bench.request(Request::Consume(ConsumeRequest {
        queue: "q".to_owned(),
        consumer_tag: "c".to_owned(),
        no_ack,
        ..ConsumeRequest::default()
    }));
    let properties = match persistent {
        true => Builder::new().set(Property::DeliveryMode, [2]).build(),
        false => NONE.to_vec(),
    };
    let messages = batches(4, "", |_| ("q".to_owned(), properties.clone()));
    bench.measure(what, &messages, !no_ack);
}

fn main() {
    // With the argument `queues`, routing with many bindings is left out.
    if std::env::args().nth(1).as_deref() != Some("queues") {
        topic();
        headers();
    }
    delivering("16 B, publish and deliver, no_ack", true, false);
    delivering("16 B, publish, deliver and acknowledge", false, false);
    delivering("16 B persistent, publish, deliver and acknowledge", false, true);
}

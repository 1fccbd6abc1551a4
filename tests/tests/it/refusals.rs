//! Every error that a client can cause on an open connection: code, text, and whether the channel
//! or the connection ends, with the method that is blamed. The table holds what RabbitMQ 3.10.8
//! answers, but for the rows that say otherwise, which docs/compatibility.md explains.
//!
//! With `WARREN_TEST_AMQP` it can be held against a RabbitMQ itself; then rows that say otherwise
//! are left out.

mod channels;
mod topology;

use warren_tests::Broker;
use warren_tests::wire::{
    BODY, Close, HEADER, HEARTBEAT, Wire, content_header, long_string, publish_arguments,
    short_string,
};

/// What the client does wrong on channel 1, and what it is told.
struct Row {
    name: &'static str,
    act: fn(&mut Wire),
    close: Close,
    /// RabbitMQ 3.10.8 answers otherwise.
    ours: bool,
}

type Ids = (u16, u16);

const DECLARE: Ids = (50, 10);
const BIND: Ids = (50, 20);
const DELETE: Ids = (50, 40);
const EXCHANGE_DECLARE: Ids = (40, 10);
const PUBLISH: Ids = (60, 40);
const CONSUME: Ids = (60, 20);

const PASSIVE: u8 = 1;
const DURABLE: u8 = 2;
const EXCLUSIVE: u8 = 4;
const AUTO_DELETE: u8 = 8;
/// `internal` of `exchange.declare`.
const INTERNAL: u8 = 8;

const LOCKED: &str = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue \
    'refusal-own' in vhost '/'. It could be originally declared on another connection or the \
    exclusive property value does not match that of the original declaration.";

fn close(whole_connection: bool, code: u16, text: &str, blamed: Ids) -> Close {
    Close { whole_connection, code, text: text.to_owned(), blamed }
}

fn channel(name: &'static str, code: u16, text: &str, blamed: Ids, act: fn(&mut Wire)) -> Row {
    Row { name, act, close: close(false, code, text, blamed), ours: false }
}

fn connection(name: &'static str, code: u16, text: &str, blamed: Ids, act: fn(&mut Wire)) -> Row {
    Row { name, act, close: close(true, code, text, blamed), ours: false }
}

impl Row {
    fn ours(self) -> Self {
        Self { ours: true, ..self }
    }
}

fn send(wire: &mut Wire, method: Ids, parts: &[&[u8]]) {
    wire.send_method(1, method, &parts.concat());
}

/// `queue.declare` with raw entries of a table.
fn declare(wire: &mut Wire, queue: &str, flags: u8, arguments: &[u8]) {
    let parts: [&[u8]; 4] = [&[0, 0], &short_string(queue), &[flags], &long_string(arguments)];
    send(wire, DECLARE, &parts);
}

fn declare_exchange(wire: &mut Wire, exchange: &str, kind: &str, flags: u8) {
    let parts: [&[u8]; 5] =
        [&[0, 0], &short_string(exchange), &short_string(kind), &[flags], &[0; 4]];
    send(wire, EXCHANGE_DECLARE, &parts);
}

/// `queue.bind` and `exchange.bind`.
fn bind(wire: &mut Wire, method: Ids, to: &str, from: &str, arguments: &[u8]) {
    let (to, from, key) = (short_string(to), short_string(from), short_string("key"));
    send(wire, method, &[&[0, 0], &to, &from, &key, &[0], &long_string(arguments)]);
}

fn consume(wire: &mut Wire, queue: &str, tag: &str, flags: u8) {
    let (queue, tag) = (short_string(queue), short_string(tag));
    send(wire, CONSUME, &[&[0, 0], &queue, &tag, &[flags], &[0; 4]]);
}

/// A method whose fields are a ticket, a name and bits.
fn named(wire: &mut Wire, method: Ids, name: &str, bits: u8) {
    send(wire, method, &[&[0, 0], &short_string(name), &[bits]]);
}

/// A message with raw properties.
fn publish(wire: &mut Wire, exchange: &str, bits: u8, properties: &[u8]) {
    send(wire, PUBLISH, &[&publish_arguments(exchange, "refusal-nowhere", bits)]);
    let mut header = content_header(1);
    header.truncate(12);
    header.extend_from_slice(properties);
    wire.send_frame(HEADER, 1, &header);
    wire.send_frame(BODY, 1, b"x");
}

/// A text property, alone.
fn text_property(bit: u8, text: &str) -> Vec<u8> {
    [&(1_u16 << bit).to_be_bytes()[..], &short_string(text)].concat()
}

/// Headers, alone.
fn headers(entries: &[u8]) -> Vec<u8> {
    [&(1_u16 << 13).to_be_bytes()[..], &long_string(entries)].concat()
}

fn settle(wire: &mut Wire, method: Ids) {
    send(wire, method, &[&99_u64.to_be_bytes(), &[0]]);
}

fn text_argument(name: &str, text: &str) -> Vec<u8> {
    [&short_string(name)[..], b"S", &long_string(text.as_bytes())].concat()
}

fn number_argument(name: &str, number: i32) -> Vec<u8> {
    [&short_string(name)[..], b"I", &number.to_be_bytes()].concat()
}

#[test]
fn every_refusal_has_the_words_of_rabbitmq() {
    let broker = Broker::start();
    let is_rabbitmq = std::env::var("WARREN_TEST_AMQP").is_ok();
    let mut owner = Wire::open_channel_1(broker.amqp_address());
    owner.declare_queue(1, "refusal-q", 0);
    owner.declare_queue(1, "refusal-own", EXCLUSIVE);
    owner.declare_queue(1, "refusal-alone", AUTO_DELETE);
    owner.consume(1, "refusal-alone", "alone", 4);
    declare_exchange(&mut owner, "refusal-x", "direct", 0);
    owner.expect_method(1, (40, 11));
    bind(&mut owner, BIND, "refusal-q", "refusal-x", &[]);
    owner.expect_method(1, (50, 21));
    declare_exchange(&mut owner, "refusal-internal", "direct", INTERNAL);
    owner.expect_method(1, (40, 11));
    let groups = [
        topology::passive(),
        topology::arguments(),
        topology::names(),
        topology::missing(),
        topology::in_use(),
        topology::locked(),
        channels::messages(),
        channels::properties(),
        channels::replies(),
        channels::channel_state(),
        channels::flow(),
        channels::methods(),
        channels::frames(),
    ];
    let mut rows: Vec<Row> = groups.into_iter().flatten().collect();
    rows.extend(topology::inequivalent());
    assert!(rows.len() > 80, "only {} rows", rows.len());
    let mut wrong = vec![];
    for Row { name, act, close, ours } in rows {
        if ours && is_rabbitmq {
            continue;
        }
        let mut wire = Wire::open_channel_1(broker.amqp_address());
        act(&mut wire);
        let found = loop {
            // Deliveries and answers to what came before are not what this is about.
            let frame = wire.read_frame();
            let frame = frame.unwrap_or_else(|| panic!("{name}: the broker hung up"));
            if let Some(found) = warren_tests::wire::close_of(&frame) {
                break found;
            }
        };
        if found != close {
            wrong.push(format!("{name}:\n  expected {close:?}\n  found    {found:?}"));
        }
    }
    for (method, name) in
        [(DELETE, "refusal-q"), ((40, 20), "refusal-internal"), ((40, 20), "refusal-x")]
    {
        named(&mut owner, method, name, 0);
        owner.expect_method(1, (method.0, method.1 + 1));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

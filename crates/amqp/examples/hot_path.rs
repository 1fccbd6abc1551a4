//! Measures the hot paths: `cargo run --release -p warren-amqp --example hot_path`.
//!
//! Prints nanoseconds a message for publishes that stand whole in the input, for publishes that
//! come in pieces, for deliveries and for acknowledgements. Read them as ratios.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use warren_amqp::{Connection, Content, Event, Settings};

/// Bytes that one read of a busy socket brings.
const READ_BYTES: usize = 256 * 1024;
/// Messages of each measurement.
const MESSAGES: usize = 4_000_000;

fn main() {
    for body_bytes in [16, 1024] {
        let persistent = [0x10, 0x00, 2];
        for (name, properties) in [("no properties", &[0, 0][..]), ("persistent", &persistent)] {
            let one = publish(properties, &vec![b'x'; body_bytes]);
            let batch = one.repeat(READ_BYTES / one.len());
            let nanos = read(&batch, READ_BYTES);
            println!("publish, {body_bytes} B, {name}, whole: {nanos:.1} ns");
            let nanos = read(&batch, one.len() - 1);
            println!("publish, {body_bytes} B, {name}, in pieces: {nanos:.1} ns");
        }
        println!("deliver, {body_bytes} B: {:.1} ns", deliver(&vec![b'x'; body_bytes]));
    }
    let ack = frame(1, &[&[0, 60, 0, 80][..], &[0, 0, 0, 0, 0, 0, 0, 9, 0]].concat());
    let nanos = read(&ack.repeat(READ_BYTES / ack.len()), READ_BYTES);
    println!("ack: {nanos:.1} ns");
}

/// Nanoseconds an event, when the same batch is read again and again, so many bytes at a time.
fn read(batch: &[u8], piece: usize) -> f64 {
    let mut connection = open();
    let mut input: Vec<u8> = Vec::with_capacity(READ_BYTES * 2);
    let mut events = 0_usize;
    let started = Instant::now();
    while events < MESSAGES {
        for part in batch.chunks(piece) {
            // Whole reads are not copied; pieces are appended to what is left over.
            let whole = input.is_empty() && piece == READ_BYTES;
            if !whole {
                input.extend_from_slice(part);
            }
            let available = if whole { part } else { &input };
            let mut consumed = 0;
            loop {
                let rest = available.get(consumed..).unwrap_or_default();
                let step = connection.next(0, rest);
                consumed += step.consumed;
                let Some(event) = step.event else { break };
                black_box(&event);
                events += 1;
            }
            if !whole {
                input.drain(..consumed);
            }
        }
    }
    started.elapsed().as_nanos() as f64 / events as f64
}

fn deliver(body: &[u8]) -> f64 {
    let mut connection = open();
    let properties: &[u8] = &[0x10, 0x00, 2];
    let started = Instant::now();
    for tag in 0..MESSAGES as u64 {
        let content =
            Content { exchange: b"amq.direct", routing_key: b"orders.new", properties, body };
        connection.deliver(1, "consumer-1", tag, false, black_box(content));
        if connection.output().len() >= READ_BYTES {
            black_box(connection.output()).clear();
        }
    }
    started.elapsed().as_nanos() as f64 / MESSAGES as f64
}

/// A connection with channel 1 open.
fn open() -> Connection {
    let mut connection = Connection::new(Arc::new(Settings::default()), 0);
    let start_ok =
        [&[0, 10, 0, 11, 0, 0, 0, 0][..], b"\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US"].concat();
    let tune_ok = [0, 10, 0, 31, 7, 255, 0, 2, 0, 0, 0, 0];
    let open = [0, 10, 0, 40, 1, b'/', 0, 0];
    let input = [
        b"AMQP\x00\x00\x09\x01".to_vec(),
        frame_on(0, 1, &start_ok),
        frame_on(0, 1, &tune_ok),
        frame_on(0, 1, &open),
        frame(1, &[0, 20, 0, 10, 0]),
    ]
    .concat();
    let mut consumed = 0;
    loop {
        let step = connection.next(0, input.get(consumed..).unwrap_or_default());
        consumed += step.consumed;
        match step.event {
            Some(Event::Login { .. }) => connection.login_accepted(),
            Some(Event::Open { .. }) => connection.open_accepted(),
            Some(Event::ChannelOpen { channel }) => connection.channel_open_ok(channel),
            Some(event) => println!("unexpected: {event:?}"),
            None => break,
        }
    }
    connection.output().clear();
    connection
}

/// The three frames of a message on channel 1.
fn publish(properties: &[u8], body: &[u8]) -> Vec<u8> {
    let method = [&[0, 60, 0, 40, 0, 0][..], b"\x0aamq.direct\x0aorders.new\0"].concat();
    let size = (body.len() as u64).to_be_bytes();
    let header = [&[0, 60, 0, 0][..], &size, properties].concat();
    [frame(1, &method), frame(2, &header), frame(3, body)].concat()
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    frame_on(1, kind, payload)
}

fn frame_on(channel: u16, kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = (payload.len() as u32).to_be_bytes();
    [&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xCE]].concat()
}

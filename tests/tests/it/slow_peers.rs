//! Clients that do not read what they asked for: the broker's memory stays bounded, and others
//! are served as before.

use crate::flood::Flood;
use crate::handshake::a_connection_works;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use warren_tests::wire::{
    BODY, HEADER, content_header, frame, method_frame, publish_arguments, short_string,
};
use warren_tests::{Broker, GLANCE, Wire, eventually};

/// The flag of `basic.consume` for a consumer that does not acknowledge.
const NO_ACK: u8 = 2;
/// `basic.deliver`.
const DELIVER: (u16, u16) = (60, 60);
/// `confirm.select` and its answer, and `basic.ack`.
const CONFIRM_SELECT: (u16, u16) = (85, 10);
const CONFIRM_SELECT_OK: (u16, u16) = (85, 11);
const ACK: (u16, u16) = (60, 80);
/// The answers to `basic.get`.
const GET_OK: (u16, u16) = (60, 71);
const GET_EMPTY: (u16, u16) = (60, 72);
/// How much the broker may hold in all for a client that does not read. The kernel's buffers on
/// both sides of the socket do not count: they are not the broker's memory.
const MEMORY_LIMIT_BYTES: u64 = 128 * 1024 * 1024;
/// Far more than fits into that.
const TRAFFIC_BYTES: usize = 512 * 1024 * 1024;
const BODY_BYTES: usize = 64 * 1024;
const MESSAGES: usize = TRAFFIC_BYTES / BODY_BYTES;
/// What the deaf consumer may get at most: in the broker's and in the kernel's buffers.
const DEAF_SHARE: usize = 24 * 1024 * 1024 / BODY_BYTES;
/// Messages beyond that share which may be on their way to the other consumer.
const WINDOW: usize = 64;

#[test]
fn a_consumer_that_never_reads_gets_a_bounded_share_and_another_gets_the_rest() {
    let broker = Broker::own();
    let before = broker.resident_bytes();
    let mut deaf = Wire::open_channel_1(broker.amqp_address());
    let queue = broker.name("deaf");
    deaf.declare_queue(1, &queue, 0);
    deaf.consume(1, &queue, "deaf", NO_ACK);
    let mut reader = Wire::open_channel_1(broker.amqp_address());
    reader.consume(1, &queue, "reader", NO_ACK);

    let received = AtomicUsize::new(0);
    thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&broker, &queue, &received));
        let reading = scope.spawn(|| {
            while received.load(Ordering::Relaxed) < MESSAGES - DEAF_SHARE {
                let frame = reader.read_frame().expect("the reader is served");
                let deliveries = usize::from(frame.method() == Some(DELIVER));
                received.fetch_add(deliveries, Ordering::Relaxed);
            }
        });
        // Others go on working while it lasts.
        let mut rounds = 0;
        while !flood.is_finished() {
            a_connection_works(&broker);
            rounds += 1;
            thread::sleep(GLANCE);
        }
        assert!(rounds > 0, "the flood was over before anybody else could try");
        flood.join().expect("the publisher is served");
        reading.join().expect("the reader gets all but the deaf one's share");
    });
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < MEMORY_LIMIT_BYTES, "{} MiB more than before", grown / 1024 / 1024);
    drop(deaf);
    a_connection_works(&broker);
}

/// Publishes no faster than the reader reads, but for the deaf consumer's share: were that share
/// without a bound, the reader would wait in vain for the rest.
fn flood(broker: &Broker, queue: &str, received: &AtomicUsize) {
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    let mut message = method_frame(1, (60, 40), &publish_arguments("", queue, 0));
    message.extend(frame(HEADER, 1, &content_header(BODY_BYTES as u64)));
    message.extend(frame(BODY, 1, &vec![b'x'; BODY_BYTES]));
    for sent in 0..MESSAGES {
        eventually("the reader gets its messages", || {
            (sent < received.load(Ordering::Relaxed) + DEAF_SHARE + WINDOW).then_some(())
        });
        wire.send(&message);
    }
    wire.close();
}

#[test]
fn a_durable_backlog_waits_on_disk_and_comes_back_whole_and_in_order() {
    let broker = Broker::own();
    let before = broker.resident_bytes();
    let queue = broker.name("backlog");
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    // 2: durable.
    wire.declare_queue(1, &queue, 2);
    wire.send_method(1, CONFIRM_SELECT, &[0]);
    wire.expect_method(1, CONFIRM_SELECT_OK);
    let mut header = content_header(BODY_BYTES as u64);
    let flags = header.len() - 2;
    // Only the property delivery-mode, with the value 2: persistent.
    header[flags..].copy_from_slice(&[0x10, 0]);
    header.push(2);
    let mut confirmed = 0;
    for number in 0..MESSAGES as u64 {
        let mut body = vec![b'x'; BODY_BYTES];
        body[..8].copy_from_slice(&number.to_be_bytes());
        let mut message = method_frame(1, (60, 40), &publish_arguments("", &queue, 0));
        message.extend(frame(HEADER, 1, &header));
        message.extend(frame(BODY, 1, &body));
        wire.send(&message);
        while number + 1 > confirmed + WINDOW as u64 {
            let ack = wire.expect_method(1, ACK);
            // Confirms may come one by one or for many; in both cases the newest number counts.
            confirmed = confirmed.max(u64::from_be_bytes(ack[..8].try_into().unwrap()));
        }
    }
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < MEMORY_LIMIT_BYTES, "{} MiB more than before", grown / 1024 / 1024);

    let mut reader = Wire::open_channel_1(broker.amqp_address());
    reader.consume(1, &queue, "reader", NO_ACK);
    for number in 0..MESSAGES as u64 {
        let body = loop {
            let frame = reader.read_frame().expect("the reader is served");
            if frame.kind == BODY {
                break frame.payload;
            }
        };
        assert_eq!(body[..8], number.to_be_bytes(), "message {number}");
        assert_eq!(body.len(), BODY_BYTES);
    }
}

#[test]
fn a_client_that_reads_no_replies_is_not_served_without_end() {
    let broker = Broker::own();
    let before = broker.resident_bytes();
    let mut deaf = Wire::open_channel_1(broker.amqp_address());
    let queue = broker.name("deaf");
    deaf.declare_queue(1, &queue, 4);
    // Each passive declare costs a reply; nobody reads them.
    let mut declare = vec![0, 0];
    declare.extend(warren_tests::wire::short_string(&queue));
    declare.extend([1, 0, 0, 0, 0]);
    let block = method_frame(1, (50, 10), &declare).repeat(4096);
    deaf.stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    for _ in 0..200 {
        if std::io::Write::write_all(&mut deaf.stream, &block).is_err() {
            // The broker stopped reading from a client that does not read from it.
            break;
        }
    }
    a_connection_works(&broker);
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "replies nobody reads took {grown} bytes");
}

#[test]
fn gets_of_large_messages_that_nobody_reads_take_bounded_memory_and_are_all_answered() {
    const LARGE_BYTES: usize = 100 * 1024;
    const GETS: usize = 2500;
    let broker = Broker::own();
    let mut flood = Flood::open(&broker, "large", LARGE_BYTES, true);
    assert!(flood.send_until(GETS as u64), "the broker reads");
    flood.wait_until_confirmed(GETS as u64);
    let before = broker.resident_bytes();
    let mut deaf = Wire::open_channel_1(broker.amqp_address());
    let mut get = vec![0, 0];
    get.extend(short_string("large"));
    get.push(1);
    deaf.send(&method_frame(1, (60, 70), &get).repeat(GETS));
    // Others are served meanwhile, by gets from the same queue as well.
    for _ in 0..20 {
        a_connection_works(&broker);
        let mut other = Wire::open_channel_1(broker.amqp_address());
        other.send_method(1, (60, 70), &get);
        other.expect_method(1, GET_OK);
    }
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < MEMORY_LIMIT_BYTES, "{} MiB more than before", grown / 1024 / 1024);
    let (mut answers, mut bodies) = (0, 0);
    while answers < GETS {
        let frame = deaf.read_frame().expect("the broker answers");
        answers += usize::from(matches!(frame.method(), Some(GET_OK | GET_EMPTY)));
        bodies += usize::from(frame.method() == Some(GET_OK));
    }
    assert_eq!(bodies, GETS - 20);
}

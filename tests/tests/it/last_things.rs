//! What is on its way when a channel or a connection ends reaches the right place or nobody.

use std::thread;
use std::time::Duration;

use warren_tests::wire::{BODY, HEADER, content_header, frame, method_frame, publish_arguments};
use warren_tests::{Broker, Wire};

/// The flag of `queue.declare` for a durable queue, and of `basic.consume` for no acknowledgements.
const DURABLE: u8 = 2;
const NO_ACK: u8 = 2;
const CONFIRM_SELECT: (u16, u16) = (85, 10);
const CONFIRM_SELECT_OK: (u16, u16) = (85, 11);
const ACK: (u16, u16) = (60, 80);
const DELIVER: (u16, u16) = (60, 60);
const CHANNEL_CLOSE: (u16, u16) = (20, 40);
const CONNECTION_CLOSE: (u16, u16) = (10, 50);
const CONNECTION_CLOSE_OK: (u16, u16) = (10, 51);

/// The frames of a persistent message.
fn persistent(queue: &str, body: &[u8]) -> Vec<u8> {
    let mut header = content_header(body.len() as u64);
    let flags = header.len() - 2;
    // Only the property delivery-mode, with the value 2.
    header[flags..].copy_from_slice(&[0x10, 0]);
    header.push(2);
    let mut message = method_frame(1, (60, 40), &publish_arguments("", queue, 0));
    message.extend(frame(HEADER, 1, &header));
    message.extend(frame(BODY, 1, body));
    message
}

fn confirm_select(wire: &mut Wire) {
    wire.send_method(1, CONFIRM_SELECT, &[0]);
    wire.expect_method(1, CONFIRM_SELECT_OK);
}

#[test]
fn a_stop_gives_out_nothing_that_a_consumer_without_acknowledgements_does_not_get() {
    const MESSAGES: usize = 4000;
    let mut broker = Broker::own();
    let queue = broker.name("q");
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.declare_queue(1, &queue, DURABLE);
    confirm_select(&mut wire);
    let message = persistent(&queue, &[b'x'; 8192]);
    for number in 1..=MESSAGES as u64 {
        wire.send(&message);
        if number % 500 == 0 {
            while u64::from_be_bytes(wire.expect_method(1, ACK)[..8].try_into().unwrap()) < number {
            }
        }
    }
    let mut consumer = Wire::open_channel_1(broker.amqp_address());
    consumer.consume(1, &queue, "slow", NO_ACK);
    let delivered = thread::spawn(move || {
        // The stop comes while most of it waits for a client that takes its time.
        thread::sleep(Duration::from_millis(300));
        let mut delivered = 0;
        while let Some(frame) = consumer.read_frame() {
            match frame.method() {
                Some(DELIVER) => delivered += 1,
                Some(CONNECTION_CLOSE) => consumer.send_method(0, CONNECTION_CLOSE_OK, &[]),
                _ => {}
            }
        }
        delivered
    });
    assert_eq!(broker.terminate(), Some(0));
    let delivered = delivered.join().unwrap();
    broker.restart();
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    // A passive declare: bit 0.
    let mut declare = vec![0, 0];
    declare.extend(warren_tests::wire::short_string(&queue));
    declare.extend([1, 0, 0, 0, 0]);
    wire.send_method(1, (50, 10), &declare);
    let ok = wire.expect_method(1, (50, 11));
    let counts = &ok[ok.len() - 8..];
    let left = u32::from_be_bytes(counts[..4].try_into().unwrap()) as usize;
    assert_eq!(delivered + left, MESSAGES, "{delivered} delivered, {left} left");
}

#[test]
fn confirms_of_a_channel_that_failed_do_not_reach_the_next_one_with_its_number() {
    let settings = warren_tests::broker::Settings {
        config: "message_bytes_max = 1000".into(),
        ..Default::default()
    };
    let broker = Broker::with(settings);
    let queue = broker.name("q");
    for _ in 0..20 {
        let mut wire = Wire::open_channel_1(broker.amqp_address());
        wire.declare_queue(1, &queue, DURABLE);
        confirm_select(&mut wire);
        // Three that wait for the disk, and one that ends the channel.
        let mut bytes = persistent(&queue, b"kept").repeat(3);
        bytes.extend(method_frame(1, (60, 40), &publish_arguments("", &queue, 0)));
        bytes.extend(frame(HEADER, 1, &content_header(1001)));
        wire.send(&bytes);
        // Confirms of the old channel come before its end.
        while wire.read_frame().expect("the broker goes on").method() != Some(CHANNEL_CLOSE) {}
        wire.send_method(1, (20, 41), &[]);
        wire.open_channel(1);
        confirm_select(&mut wire);
        wire.publish(1, "", &queue, 0, b"new");
        let ack = wire.expect_method(1, ACK);
        assert_eq!(u64::from_be_bytes(ack[..8].try_into().unwrap()), 1);
        // The fence: whatever else came for the old channel would be in front of this answer.
        confirm_select(&mut wire);
        wire.close();
    }
}

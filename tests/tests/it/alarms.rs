//! Alarms as clients see them. `disk_full` has those of the disk, which need a small one.

use warren_tests::broker::Settings;
use warren_tests::wire::{HEARTBEAT, Tune};
use warren_tests::{Broker, Wire, client, http};

use crate::flood::Flood;

/// A byte: whatever the broker takes is too much.
const ALWAYS_LOW: &str = "memory_limit = 1";

fn with(config: &str) -> Broker {
    Broker::with(Settings { config: config.into(), ..Settings::default() })
}

#[test]
fn too_much_memory_blocks_publishers_until_consumers_have_taken_the_messages() {
    // Less than what the contents of two queues of transient messages may take.
    const LIMIT: u64 = 60 << 20;
    const BODY_BYTES: usize = 64 << 10;
    let broker = with(&format!("memory_limit = {LIMIT}"));
    let mut first = Flood::open(&broker, "first", BODY_BYTES, false);
    assert!(first.send_until(520), "one queue does not fill the memory");
    let mut flood = Flood::open(&broker, "large", BODY_BYTES, false);
    assert!(!flood.send_until(100_000), "the broker goes on reading");
    assert_eq!(flood.wait_until_blocked(), "low on memory");
    let taken = flood.sent();
    assert!(broker.resident_bytes() < 4 * LIMIT, "{} bytes", broker.resident_bytes());
    let health = http::get(broker.http_address(), "/healthz");
    assert_eq!(health.status, 200);
    assert!(health.body.contains("low on memory"), "{}", health.body);
    // Who does not publish is served.
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        channel.queue_purge("first".into(), Default::default()).await.unwrap();
        let mut consumer = client::consume(&channel, "large").await;
        while !flood.is_unblocked() {
            let delivery = client::next(&mut consumer).await;
            delivery.ack(Default::default()).await.unwrap();
        }
        for queue in ["first", "large"] {
            channel.queue_purge(queue.into(), Default::default()).await.unwrap();
        }
    });
    assert!(flood.send_until(taken + 10), "the broker reads again");
    flood.wait_until_confirmed(taken + 10);
    // What the sockets still held when the alarm was over may have set off another one.
    let log = broker.log();
    assert!(log.contains("alarm: publishers are blocked"), "{log}");
    assert!(log.contains("the alarm is over"), "{log}");
}

#[test]
fn a_publisher_that_is_blocked_is_neither_dropped_for_silence_nor_left_without_heartbeats() {
    let broker = with(ALWAYS_LOW);
    let tune = Tune { heartbeat: 1, ..Tune::default() };
    let mut wire = Wire::open_with(broker.amqp_address(), tune);
    wire.open_channel(1);
    wire.publish(1, "", "nowhere", 0, b"one");
    assert_eq!(wire.expect_method(0, (10, 60))[1..], *b"low on memory");
    // Twelve heartbeats take at least six seconds, in which a silent peer would be dropped twice.
    for _ in 0..12 {
        assert_eq!(wire.read_any_frame().expect("the connection stays").kind, HEARTBEAT);
    }
    // It is not read from: this channel is never opened.
    wire.send_method(2, (20, 10), &[0]);
    for _ in 0..3 {
        assert_eq!(wire.read_any_frame().expect("the connection stays").kind, HEARTBEAT);
    }
}

#[test]
fn who_does_not_publish_does_not_notice_an_alarm() {
    let broker = with(ALWAYS_LOW);
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.declare_queue(1, "idle", 0);
    wire.consume(1, "idle", "tag", 0);
    wire.close();
}

#[test]
fn a_client_that_does_not_ask_for_it_is_not_told_that_it_is_blocked() {
    let broker = with(ALWAYS_LOW);
    let mut wire = Wire::open_without_capabilities(broker.amqp_address());
    wire.open_channel(1);
    wire.declare_queue(1, "q", 0);
    wire.send_method(1, (85, 10), &[0]);
    wire.expect_method(1, (85, 11));
    wire.publish(1, "", "q", 0, b"one");
    wire.expect_method(1, (60, 80));
    wire.publish(1, "", "q", 0, b"two");
    wire.stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    assert!(std::io::Read::read(&mut wire.stream, &mut [0; 64]).is_err(), "nothing comes");
}

#[test]
fn a_broker_with_an_alarm_stops_in_the_orderly_way() {
    let mut broker = with(ALWAYS_LOW);
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.publish(1, "", "nowhere", 0, b"one");
    wire.expect_method(0, (10, 60));
    let closing = std::thread::spawn(move || wire.expect_end());
    assert_eq!(broker.terminate(), Some(0));
    let close = closing.join().unwrap().expect("a blocked client is told of the stop");
    assert_eq!(close.code, 320);
    assert!(!broker.log().contains("have not confirmed"), "it was read from again");
}

#[test]
fn a_blocked_client_that_hangs_up_loses_its_deliveries_at_once() {
    let broker = with(ALWAYS_LOW);
    let mut publisher = Wire::open_channel_1(broker.amqp_address());
    publisher.declare_queue(1, "held", 0);
    publisher.publish(1, "", "held", 0, b"one");
    // Without heartbeats, only the socket tells that this one is gone.
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        client::wait_until_ready(&channel, "held", 1).await;
        wire.consume(1, "held", "tag", 0);
        client::wait_until_ready(&channel, "held", 0).await;
        wire.publish(1, "", "nowhere", 0, b"two");
        while wire.read_frame().expect("the connection stays").method() != Some((10, 60)) {}
        // Nothing of this is read.
        wire.publish(1, "", "nowhere", 0, b"three");
        drop(wire);
        client::wait_until_ready(&channel, "held", 1).await;
    });
}

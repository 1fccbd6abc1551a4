//! Streams, as clients see them: many readers, offsets that outlive crashes, and what goes.

use std::process::Command;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Consumer, Error};
use warren_tests::client::{self, refusal};
use warren_tests::program::Program;
use warren_tests::{Broker, places};

async fn declare(channel: &Channel, name: &str, more: FieldTable) -> String {
    let mut arguments = client::table([("x-queue-type", long("stream"))]);
    for (key, value) in &more {
        arguments.insert(key.clone(), value.clone());
    }
    let options = QueueDeclareOptions::durable();
    let declared = channel.queue_declare(name.into(), options, arguments).await;
    declared.expect("the stream can be declared").name().to_string()
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

async fn try_read(
    channel: &Channel,
    stream: &str,
    arguments: FieldTable,
) -> Result<Consumer, Error> {
    let options = BasicConsumeOptions::default();
    channel.basic_consume(stream.into(), ShortString::default(), options, arguments).await
}

async fn read_from(channel: &Channel, stream: &str, offset: AMQPValue) -> Consumer {
    let arguments = client::table([("x-stream-offset", offset)]);
    try_read(channel, stream, arguments).await.expect("the stream can be read")
}

fn offset(delivery: &Delivery) -> i64 {
    let headers = delivery.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get("x-stream-offset")) {
        Some(AMQPValue::LongLongInt(offset)) => *offset,
        other => panic!("no offset: {other:?}"),
    }
}

/// Reads and acknowledges, and checks that offsets rise by one and bodies with them.
async fn read_run(consumer: &mut Consumer, offsets: std::ops::Range<u32>) {
    for expected in offsets {
        let delivery = client::next(consumer).await;
        assert_eq!(offset(&delivery), i64::from(expected));
        assert_eq!(client::text(&delivery), format!("m{expected}"));
        assert!(!delivery.redelivered);
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
}

async fn publish(channel: &Channel, stream: &str, numbers: std::ops::Range<u32>) {
    for body in client::numbered(numbers) {
        client::publish(channel, "", stream, body.as_bytes()).await;
    }
}

#[test]
fn every_reader_gets_everything_from_its_own_offset() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open_with_confirms(&broker).await;
        let stream = declare(&channel, &broker.name("s"), FieldTable::default()).await;
        publish(&channel, &stream, 0..50).await;
        let readers = connection.create_channel().await.unwrap();
        client::prefetch(&readers, 10, false).await;
        let mut first = read_from(&readers, &stream, long("first")).await;
        let mut again = read_from(&readers, &stream, long("first")).await;
        let mut late = read_from(&readers, &stream, AMQPValue::LongLongInt(30)).await;
        let mut next = read_from(&readers, &stream, long("next")).await;
        read_run(&mut first, 0..50).await;
        publish(&channel, &stream, 50..60).await;
        read_run(&mut next, 50..60).await;
        read_run(&mut late, 30..60).await;
        read_run(&mut again, 0..60).await;
        read_run(&mut first, 50..60).await;
        assert_eq!(client::ready(&channel, &stream).await, 60);
    });
}

#[test]
fn a_reader_gets_as_much_as_it_has_acknowledged_room_for() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let stream = declare(&channel, &broker.name("s"), FieldTable::default()).await;
        publish(&channel, &stream, 0..9).await;
        client::prefetch(&channel, 3, false).await;
        let mut reader = read_from(&channel, &stream, long("first")).await;
        let deliveries = client::take(&mut reader, 3).await;
        // An answer on the same channel comes behind all deliveries that there are.
        assert_eq!(client::ready(&channel, &stream).await, 9);
        let multiple = BasicAckOptions { multiple: true };
        deliveries[1].ack(multiple).await.unwrap();
        let more = client::take(&mut reader, 2).await;
        assert_eq!(more.iter().map(offset).collect::<Vec<_>>(), [3, 4]);
    });
}

#[test]
fn offsets_and_unconfirmed_properties_survive_a_crash() {
    let mut broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let stream = declare(&channel, "s", FieldTable::default()).await;
        // Transient messages: in a stream all survive.
        publish(&channel, &stream, 0..300).await;
    });
    for round in 0..2 {
        match round {
            0 => broker.kill(),
            _ => assert_eq!(broker.terminate(), Some(0)),
        }
        broker.restart();
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            let from = 300 + round * 10;
            assert_eq!(client::ready(&channel, "s").await, from);
            publish(&channel, "s", from..from + 10).await;
            client::prefetch(&channel, 100, false).await;
            let mut reader = read_from(&channel, "s", AMQPValue::LongInt(5)).await;
            read_run(&mut reader, 5..from + 10).await;
        });
    }
}

#[test]
fn a_reader_that_is_far_behind_gets_everything_from_disk() {
    let mut broker = Broker::own();
    const COUNT: u32 = 6_000;
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let stream = declare(&channel, "s", FieldTable::default()).await;
        let options = lapin::options::BasicPublishOptions::default();
        let mut confirms = vec![];
        for body in client::numbered(0..COUNT) {
            let properties = BasicProperties::default();
            let key = stream.as_str().into();
            let sent = channel.basic_publish("".into(), key, options, body.as_bytes(), properties);
            confirms.push(sent.await.unwrap());
        }
        for confirm in confirms {
            confirm.await.unwrap();
        }
    });
    broker.kill();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        client::prefetch(&channel, 500, false).await;
        let mut one = read_from(&channel, "s", long("first")).await;
        let mut two = read_from(&channel, "s", AMQPValue::LongLongInt(3_000)).await;
        read_run(&mut one, 0..COUNT).await;
        read_run(&mut two, 3_000..COUNT).await;
    });
}

#[test]
fn the_oldest_messages_go_by_size_and_readers_go_on_behind_them() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let limits = client::table([
            ("x-max-length-bytes", AMQPValue::LongInt(20_000)),
            ("x-stream-max-segment-size-bytes", AMQPValue::LongInt(2_000)),
        ]);
        let stream = declare(&channel, &broker.name("s"), limits).await;
        publish(&channel, &stream, 0..1_000).await;
        let left = client::ready(&channel, &stream).await;
        assert!((200..400).contains(&left), "{left} messages of about 68 bytes in 20,000");
        client::prefetch(&channel, 1_000, false).await;
        let mut reader = read_from(&channel, &stream, long("first")).await;
        let first = offset(&client::next(&mut reader).await);
        assert_eq!(first, i64::from(1_000 - left));
    });
}

#[test]
fn the_oldest_messages_go_by_age_while_nobody_does_anything() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let limits = client::table([
            ("x-max-age", long("1s")),
            ("x-stream-max-segment-size-bytes", AMQPValue::LongInt(500)),
        ]);
        let stream = declare(&channel, &broker.name("s"), limits).await;
        publish(&channel, &stream, 0..50).await;
        // What is left is the last segment: some of 50 messages.
        let deadline = std::time::Instant::now() + warren_tests::PATIENCE;
        while client::ready(&channel, &stream).await > 8 {
            assert!(std::time::Instant::now() < deadline, "nothing goes");
            tokio::time::sleep(warren_tests::GLANCE).await;
        }
        assert!(client::ready(&channel, &stream).await > 0, "the last segment stays");
    });
}

#[test]
fn a_filter_lets_through_just_what_matches() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let stream = declare(&channel, &broker.name("s"), FieldTable::default()).await;
        for number in 0..90 {
            let values = ["red", "green", "blue"];
            let value = long(values[number % 3]);
            let headers = client::table([("x-stream-filter-value", value)]);
            let properties = BasicProperties::default().with_headers(headers);
            let body = format!("m{number}");
            client::publish_with(&channel, "", &stream, body.as_bytes(), properties).await;
        }
        client::prefetch(&channel, 10, false).await;
        let wanted = AMQPValue::FieldArray(vec![long("red"), long("blue")].into());
        let arguments =
            client::table([("x-stream-offset", long("first")), ("x-stream-filter", wanted)]);
        let mut reader = try_read(&channel, &stream, arguments).await.unwrap();
        for expected in (0..90).filter(|number| number % 3 != 1) {
            let delivery = client::next(&mut reader).await;
            assert_eq!(offset(&delivery), expected);
            delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
    });
}

#[test]
fn a_fan_out_reaches_streams_and_queues_alike() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let stream = declare(&channel, &broker.name("s"), FieldTable::default()).await;
        let queue = client::durable_queue(&channel, &broker.name("q")).await;
        let key = broker.name("key");
        client::bind(&channel, &stream, "amq.topic", &key).await;
        client::bind(&channel, &queue, "amq.topic", &key).await;
        for body in client::numbered(0..20) {
            client::publish(&channel, "amq.topic", &key, body.as_bytes()).await;
        }
        assert_eq!(client::drain(&channel, &queue).await, client::numbered(0..20));
        client::prefetch(&channel, 50, false).await;
        let mut reader = read_from(&channel, &stream, long("first")).await;
        read_run(&mut reader, 0..20).await;
    });
}

#[test]
fn a_cancelled_reader_begins_again_where_it_wants() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let stream = declare(&channel, &broker.name("s"), FieldTable::default()).await;
        publish(&channel, &stream, 0..10).await;
        client::prefetch(&channel, 4, false).await;
        let mut reader = read_from(&channel, &stream, long("first")).await;
        read_run(&mut reader, 0..3).await;
        let tag = reader.tag();
        channel.basic_cancel(tag, BasicCancelOptions::default()).await.unwrap();
        let mut reader = read_from(&channel, &stream, AMQPValue::LongLongInt(3)).await;
        read_run(&mut reader, 3..10).await;
    });
}

#[test]
fn what_streams_cannot_do_is_refused_as_by_rabbitmq() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let stream = declare(&channel, &broker.name("s"), FieldTable::default()).await;
        let named = format!("queue '{stream}' in vhost '/'");
        let without_prefetch = try_read(&channel, &stream, FieldTable::default()).await;
        let text =
            format!("PRECONDITION_FAILED - consumer prefetch count is not set for '{named}'");
        assert_eq!(refusal(without_prefetch), (406, text));

        let (_connection, channel) = client::open_with_confirms(&broker).await;
        publish(&channel, &stream, 0..1).await;
        client::prefetch(&channel, 1, false).await;
        let mut reader = read_from(&channel, &stream, long("first")).await;
        let delivery = client::next(&mut reader).await;
        delivery.nack(BasicNackOptions::default()).await.unwrap();
        let ended =
            client::soon("the end", async { futures_lite::StreamExt::next(&mut reader).await });
        let text = format!(
            "NOT_IMPLEMENTED - basic.nack and basic.reject not supported by stream queues {named}"
        );
        match ended.await {
            Some(Err(error)) => assert_eq!(client::reply_of(&error), (540, text)),
            other => panic!("the connection goes on: {other:?}"),
        }
    });
}

#[test]
fn pika_reads_streams() {
    let broker = Broker::own();
    let (host, port) = broker.amqp_address().rsplit_once(':').expect("host:port");
    let mut command = Command::new(places::installed("WARREN_PYTHON"));
    command.arg(places::workspace().join("tests/clients/python/streams.py")).args([host, port]);
    let printed = Program::start(&mut command).finish(Duration::from_secs(60));
    let expected = [
        "first: [(0, 'event 0'), (1, 'event 1')]",
        "again: [(0, 'event 0'), (1, 'event 1')]",
        "offset 7: [(7, 'event 7'), (8, 'event 8'), (9, 'event 9')]",
        "an hour ago: [(0, 'event 0')]",
        "red ones: [(1, 'event 1'), (3, 'event 3'), (5, 'event 5')]",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

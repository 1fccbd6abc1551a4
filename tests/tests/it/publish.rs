//! Publishing: confirms, returns, properties, sizes, and channels beside each other.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, DecimalValue, FieldArray};
use lapin::{BasicProperties, Confirmation};
use std::collections::BTreeSet;
use warren_tests::client::{self, soon, table};
use warren_tests::wire::{BODY, HEADER, Tune, Wire};
use warren_tests::{Broker, wire};

const MANDATORY: BasicPublishOptions = BasicPublishOptions { mandatory: true, immediate: false };

#[test]
fn every_publish_is_confirmed_also_when_nobody_gets_it() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let queue = client::durable_queue(&channel, &broker.name("confirmed")).await;
        let mut pending = Vec::new();
        for number in 0..500_u32 {
            // Persistent, transient and unroutable messages are confirmed by different ways inside
            // the broker; on the wire each has its number.
            let (key, properties) = match number % 3 {
                0 => (queue.as_str(), client::persistent()),
                1 => (queue.as_str(), BasicProperties::default()),
                _ => ("nowhere", client::persistent()),
            };
            let body = number.to_string();
            let options = BasicPublishOptions::default();
            let sent = channel
                .basic_publish("".into(), key.into(), options, body.as_bytes(), properties)
                .await;
            pending.push(sent.unwrap());
        }
        for confirm in pending {
            let confirmed = soon("a confirm", confirm).await.unwrap();
            assert_eq!(confirmed, Confirmation::Ack(None));
        }
        let expected: Vec<String> = (0..500_u32)
            .filter(|number| number % 3 != 2)
            .map(|number| number.to_string())
            .collect();
        assert_eq!(client::drain(&channel, &queue).await, expected);
        channel.queue_delete(queue.into(), Default::default()).await.unwrap();
    });
}

#[test]
fn confirms_name_each_publish_once() {
    let broker = Broker::start();
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    let queue = broker.name("numbers");
    wire.declare_queue(1, &queue, 4);
    wire.send_method(1, (85, 10), &[0]);
    wire.expect_method(1, (85, 11));
    for _ in 0..200 {
        wire.publish(1, "", &queue, 0, b"x");
    }
    let mut open: BTreeSet<u64> = (1..=200).collect();
    while !open.is_empty() {
        let ack = wire.expect_method(1, (60, 80));
        let number = u64::from_be_bytes(ack[..8].try_into().unwrap());
        let multiple = ack[8] & 1 == 1;
        let named: BTreeSet<u64> =
            open.iter().copied().filter(|n| *n == number || multiple && *n < number).collect();
        assert!(named.contains(&number), "{number} is confirmed twice or was never published");
        open.retain(|number| !named.contains(number));
    }
    wire.close();
}

#[test]
fn an_unroutable_mandatory_message_comes_back_before_its_confirm() {
    let broker = Broker::start();
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.send_method(1, (85, 10), &[0]);
    wire.expect_method(1, (85, 11));
    for round in 1..=3_u64 {
        wire.publish(1, "amq.direct", "nobody", 1, b"returned");
        let returned = wire.expect_method(1, (60, 50));
        let mut expected = 312_u16.to_be_bytes().to_vec();
        expected.extend(wire::short_string("NO_ROUTE"));
        expected.extend(wire::short_string("amq.direct"));
        expected.extend(wire::short_string("nobody"));
        assert_eq!(returned, expected);
        let header = wire.read_frame().unwrap();
        assert_eq!((header.kind, header.payload), (HEADER, wire::content_header(8)));
        let body = wire.read_frame().unwrap();
        assert_eq!((body.kind, body.payload.as_slice()), (BODY, b"returned".as_slice()));
        let ack = wire.expect_method(1, (60, 80));
        assert_eq!(ack[..8], round.to_be_bytes());
    }
    wire.close();
}

#[test]
fn a_client_library_gets_the_return_with_the_confirm() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let properties = BasicProperties::default().with_message_id("m-1".into());
        let sent = channel
            .basic_publish("amq.topic".into(), "nobody".into(), MANDATORY, b"back", properties)
            .await;
        let confirm = soon("a confirm", sent.unwrap()).await.unwrap();
        assert!(confirm.is_ack());
        let returned = confirm.take_message().expect("the message came back");
        assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
        assert_eq!(client::text(&returned.delivery), "back");
        assert_eq!(returned.delivery.properties.message_id().as_ref().unwrap().as_str(), "m-1");
    });
}

#[test]
fn a_routable_mandatory_message_does_not_come_back() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        let properties = BasicProperties::default();
        let sent = channel
            .basic_publish("".into(), queue.as_str().into(), MANDATORY, b"kept", properties)
            .await;
        let confirm = soon("a confirm", sent.unwrap()).await.unwrap();
        assert_eq!(confirm, Confirmation::Ack(None));
        assert_eq!(client::drain(&channel, &queue).await, ["kept"]);
    });
}

#[test]
fn publishing_to_a_missing_exchange_closes_that_channel_alone() {
    let broker = Broker::start();
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.open_channel(2);
    wire.publish(1, "nope", "k", 0, b"x");
    let close = wire.expect_close();
    assert!(!close.whole_connection);
    assert_eq!((close.code, close.blamed), (404, (60, 40)));
    assert_eq!(close.text, "NOT_FOUND - no exchange 'nope' in vhost '/'");
    wire.send_method(1, (20, 41), &[]);
    wire.declare_queue(2, &broker.name("q"), 4);
    wire.close();
}

#[test]
fn properties_and_headers_arrive_as_they_were_sent() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        let inner = table([("deep", AMQPValue::LongString("value".into()))]);
        let list = vec![AMQPValue::ShortInt(-2), AMQPValue::FieldTable(inner.clone())];
        let headers = table([
            ("bool", AMQPValue::Boolean(true)),
            ("byte", AMQPValue::ShortShortInt(-1)),
            ("short", AMQPValue::ShortInt(-300)),
            ("int", AMQPValue::LongInt(-70_000)),
            ("long", AMQPValue::LongLongInt(-5_000_000_000)),
            ("float", AMQPValue::Float(0.5)),
            ("double", AMQPValue::Double(0.25)),
            ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 314 })),
            ("text", AMQPValue::LongString("\u{e9}t\u{e9}".into())),
            ("list", AMQPValue::FieldArray(FieldArray::from(list))),
            ("time", AMQPValue::Timestamp(1_700_000_000)),
            ("table", AMQPValue::FieldTable(inner)),
            ("void", AMQPValue::Void),
            ("bytes", AMQPValue::ByteArray(vec![0_u8, 255].into())),
        ]);
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_content_encoding("utf-8".into())
            .with_headers(headers)
            .with_delivery_mode(1)
            .with_priority(7)
            .with_correlation_id("c".into())
            .with_reply_to("r".into())
            .with_message_id("m".into())
            .with_timestamp(1_700_000_001)
            .with_type("t".into())
            .with_user_id("guest".into())
            .with_app_id("a".into())
            .with_cluster_id("x".into());
        client::publish_with(&channel, "", &queue, b"all of them", properties.clone()).await;
        let mut consumer = client::consume(&channel, &queue).await;
        let delivery = client::next(&mut consumer).await;
        assert_eq!(delivery.properties, properties);
        assert_eq!(delivery.data, b"all of them");
    });
}

#[test]
fn an_empty_body_arrives() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::publish(&channel, "", &queue, b"").await;
        let mut consumer = client::consume(&channel, &queue).await;
        assert!(client::next(&mut consumer).await.data.is_empty());
    });
}

#[test]
fn ten_mebibytes_arrive_whole_with_the_smallest_and_the_usual_frame_size() {
    let broker = Broker::start();
    // Not a repetition of one byte: a piece in the wrong place must show.
    let body: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|n| (n / 251 + n) as u8).collect();
    client::run(async {
        for frame_max in ["", "?frame_max=4096"] {
            let uri = format!("{}{frame_max}", broker.uri());
            let connection = client::connect_to(&uri).await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            let queue = client::durable_queue(&channel, &broker.name("large")).await;
            client::publish_persistent(&channel, &queue, &body).await;
            let mut consumer = client::consume(&channel, &queue).await;
            let delivery = client::next(&mut consumer).await;
            assert!(delivery.data == body, "the body changed on its way ({uri})");
            delivery.ack(Default::default()).await.unwrap();
            channel.queue_delete(queue.into(), Default::default()).await.unwrap();
        }
    });
}

#[test]
fn no_frame_is_larger_than_the_client_agreed_to() {
    let broker = Broker::start();
    let tune = Tune { frame_max: 4096, ..Tune::default() };
    let mut wire = Wire::open_with(broker.amqp_address(), tune);
    wire.open_channel(1);
    let queue = broker.name("q");
    wire.declare_queue(1, &queue, 4);
    let body = vec![b'x'; 20_000];
    wire.send_method(1, (60, 40), &wire::publish_arguments("", &queue, 0));
    wire.send_frame(HEADER, 1, &wire::content_header(20_000));
    for piece in body.chunks(4096 - 8) {
        wire.send_frame(BODY, 1, piece);
    }
    wire.consume(1, &queue, "tag", 2);
    wire.expect_method(1, (60, 60));
    let header = wire.read_frame().unwrap();
    assert_eq!(header.payload, wire::content_header(20_000));
    let mut received = Vec::new();
    while received.len() < body.len() {
        let piece = wire.read_frame().unwrap();
        assert!(piece.payload.len() <= 4096 - 8, "a frame of {}", piece.payload.len() + 8);
        received.extend(piece.payload);
    }
    assert!(received == body);
    wire.close();
}

#[test]
fn hundreds_of_channels_work_beside_each_other() {
    let broker = Broker::start();
    client::run(async {
        let (connection, first) = client::open(&broker).await;
        let queue = client::queue(&first, &broker.name("q")).await;
        let mut channels = Vec::new();
        for _ in 0..500 {
            channels.push(connection.create_channel().await.unwrap());
        }
        for (number, channel) in channels.iter().enumerate() {
            client::publish(channel, "", &queue, format!("{number}").as_bytes()).await;
        }
        let mut consumer = client::consume(&first, &queue).await;
        let mut numbers: Vec<u32> = Vec::new();
        for delivery in client::take(&mut consumer, 500).await {
            numbers.push(client::text(&delivery).parse().unwrap());
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..500));
        for channel in channels {
            channel.close(200, "done".into()).await.unwrap();
        }
    });
}

//! What is there for a time only: messages, queues, and deliveries that are never acknowledged.

use std::time::{Duration, Instant};

use lapin::options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use warren_tests::broker::Settings;
use warren_tests::client::{self, persistent, table};
use warren_tests::{Broker, GLANCE, PATIENCE};

async fn declare(channel: &Channel, queue: &str, arguments: FieldTable) {
    let options = QueueDeclareOptions::durable();
    let declared = channel.queue_declare(queue.into(), options, arguments).await;
    declared.expect("the queue can be declared");
}

fn expires_in(milliseconds: u32) -> BasicProperties {
    persistent().with_expiration(milliseconds.to_string().into())
}

async fn publish(channel: &Channel, queue: &str, body: &str, properties: BasicProperties) {
    client::publish_with(channel, "", queue, body.as_bytes(), properties).await;
}

#[test]
fn messages_expire_in_the_middle_of_a_queue_without_a_consumer() {
    let broker = Broker::start();
    let queue = broker.name("q");
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        declare(&channel, &queue, FieldTable::default()).await;
        for number in 0..200 {
            let properties = if number % 2 == 0 { persistent() } else { expires_in(100) };
            publish(&channel, &queue, &format!("m{number}"), properties).await;
        }
        client::wait_until_ready(&channel, &queue, 100).await;
        let expected: Vec<_> = (0..200).step_by(2).map(|number| format!("m{number}")).collect();
        assert_eq!(client::drain(&channel, &queue).await, expected);
    });
}

#[test]
fn the_time_of_a_queue_is_that_of_its_messages() {
    let broker = Broker::start();
    let queue = broker.name("q");
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        declare(&channel, &queue, table([("x-message-ttl", AMQPValue::LongInt(300))])).await;
        let begun = Instant::now();
        publish(&channel, &queue, "one", persistent()).await;
        assert_eq!(client::ready(&channel, &queue).await, 1);
        client::wait_until_ready(&channel, &queue, 0).await;
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(290), "it went after {took:?}");
    });
}

#[test]
fn with_a_time_of_zero_a_message_goes_to_who_waits_or_to_nobody() {
    let broker = Broker::start();
    let queue = broker.name("q");
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        declare(&channel, &queue, table([("x-message-ttl", AMQPValue::LongInt(0))])).await;
        publish(&channel, &queue, "nobody", persistent()).await;
        assert_eq!(client::ready(&channel, &queue).await, 0);
        let mut consumer = client::consume(&channel, &queue).await;
        publish(&channel, &queue, "somebody", persistent()).await;
        let delivery = client::next(&mut consumer).await;
        assert_eq!(client::text(&delivery), "somebody");
        // What comes back is too old, when the broker's clock, which counts milliseconds, went on.
        tokio::time::sleep(Duration::from_millis(3)).await;
        delivery.nack(BasicNackOptions { requeue: true, multiple: false }).await.unwrap();
        publish(&channel, &queue, "next", persistent()).await;
        assert_eq!(client::text(&client::next(&mut consumer).await), "next");
    });
}

#[test]
fn times_go_on_while_the_broker_is_down() {
    let mut broker = Broker::own();
    let (own, of_queue) = (broker.name("own"), broker.name("of-queue"));
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        declare(&channel, &own, FieldTable::default()).await;
        declare(&channel, &of_queue, table([("x-message-ttl", AMQPValue::LongInt(1_500))])).await;
        for queue in [&own, &of_queue] {
            publish(&channel, queue, "stays", expires_in(600_000)).await;
            publish(&channel, queue, "goes", expires_in(700)).await;
        }
        publish(&channel, &own, "last", persistent()).await;
    });
    broker.kill();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        client::wait_until_ready(&channel, &own, 2).await;
        client::wait_until_ready(&channel, &of_queue, 0).await;
        assert_eq!(client::drain(&channel, &own).await, ["stays", "last"]);
    });
}

#[test]
fn a_long_backlog_on_disk_expires() {
    const MESSAGES: u32 = 40_000;
    let broker = Broker::start();
    let queue = broker.name("q");
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        declare(&channel, &queue, FieldTable::default()).await;
        let body = [b'x'; 1024];
        for number in 0..MESSAGES {
            // Two of three expire, at many different times.
            let properties = match number % 3 {
                0 => persistent(),
                _ => expires_in(3_000 + number % 1_000),
            };
            client::publish_with(&channel, "", &queue, &body, properties).await;
        }
        let left = MESSAGES.div_ceil(3);
        client::wait_until_ready(&channel, &queue, left).await;
        assert_eq!(client::drain(&channel, &queue).await.len(), left as usize);
    });
}

#[test]
fn a_queue_that_nobody_uses_goes() {
    let broker = Broker::start();
    let queue = broker.name("q");
    client::run(async {
        let (connection, channel) = client::open_with_confirms(&broker).await;
        let arguments = || table([("x-expires", AMQPValue::LongInt(400))]);
        declare(&channel, &queue, arguments()).await;
        publish(&channel, &queue, "one", persistent()).await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(800) {
            // It is used.
            declare(&channel, &queue, arguments()).await;
            tokio::time::sleep(GLANCE).await;
        }
        let last = Instant::now();
        let deadline = last + PATIENCE;
        loop {
            // A look by other means, as a passive declare is a use.
            let other = connection.create_channel().await.unwrap();
            let options = QueueDeclareOptions::default();
            // The queue is durable: this is refused while it is there, and makes it when it is not.
            let declared = other.queue_declare(queue.as_str().into(), options, arguments()).await;
            if declared.is_ok() {
                break;
            }
            assert!(Instant::now() < deadline, "the queue stays");
            tokio::time::sleep(GLANCE).await;
        }
        assert!(last.elapsed() >= Duration::from_millis(350), "gone after {:?}", last.elapsed());
        assert_eq!(client::ready(&channel, &queue).await, 0);
    });
}

#[test]
fn a_delivery_that_is_never_acknowledged_ends_its_channel() {
    let config = "consumer_timeout = 600".into();
    let broker = Broker::with(Settings { config, ..Settings::default() });
    let queue = broker.name("q");
    client::run(async {
        let (connection, channel) = client::open_with_confirms(&broker).await;
        declare(&channel, &queue, FieldTable::default()).await;
        publish(&channel, &queue, "one", persistent()).await;
        let other = connection.create_channel().await.unwrap();
        let got = other.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: false }).await;
        assert!(got.unwrap().is_some());
        client::wait_until_ready(&channel, &queue, 1).await;
        let refused = other.basic_get(queue.as_str().into(), BasicGetOptions::default()).await;
        assert!(refused.is_err(), "the channel is closed");
        let message = client::get(&channel, &queue).await.expect("it is there again");
        assert!(message.redelivered);
    });
}

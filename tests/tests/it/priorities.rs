//! Priorities of messages: the highest first, the order within a level, what comes back.

use lapin::BasicProperties;
use lapin::Channel;
use lapin::options::{BasicNackOptions, QueueDeclareOptions};
use warren_tests::Broker;
use warren_tests::client;

async fn declare(channel: &Channel, name: &str, max: i32) -> String {
    let arguments = client::table([("x-max-priority", max)]);
    let options = QueueDeclareOptions::durable();
    let declared = channel.queue_declare(name.into(), options, arguments).await;
    declared.expect("the queue can be declared").name().to_string()
}

async fn publish(channel: &Channel, queue: &str, body: &str, priority: Option<u8>) {
    let properties = match priority {
        Some(priority) => BasicProperties::default().with_priority(priority),
        None => BasicProperties::default(),
    };
    let properties = properties.with_delivery_mode(2);
    client::publish_with(channel, "", queue, body.as_bytes(), properties).await;
}

#[test]
fn the_highest_comes_first_and_equals_in_order() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = declare(&channel, &broker.name("q"), 10).await;
        let priorities = [None, Some(3), Some(10), Some(200), Some(3), Some(0), Some(1)];
        for (number, priority) in priorities.into_iter().enumerate() {
            publish(&channel, &queue, &format!("m{number}"), priority).await;
        }
        client::wait_until_ready(&channel, &queue, 7).await;
        let mut consumer = client::consume(&channel, &queue).await;
        let deliveries = client::take(&mut consumer, 7).await;
        // 200 is more than the queue knows and counts as 10; none counts as 0.
        assert_eq!(client::texts(&deliveries), ["m2", "m3", "m1", "m4", "m6", "m0", "m5"]);
    });
}

#[test]
fn a_requeued_message_returns_to_its_place_in_its_level() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = declare(&channel, &broker.name("q"), 5).await;
        for (body, priority) in [("a", 1), ("b", 1), ("c", 5)] {
            publish(&channel, &queue, body, Some(priority)).await;
        }
        client::wait_until_ready(&channel, &queue, 3).await;
        let first = client::get(&channel, &queue).await.unwrap();
        let second = client::get(&channel, &queue).await.unwrap();
        assert_eq!((client::text(&first), client::text(&second)), ("c".into(), "a".into()));
        publish(&channel, &queue, "d", Some(5)).await;
        client::wait_until_ready(&channel, &queue, 2).await;
        let all = BasicNackOptions { multiple: true, requeue: true };
        channel.basic_nack(second.delivery_tag, all).await.unwrap();
        client::wait_until_ready(&channel, &queue, 4).await;
        let mut redelivered = vec![];
        for _ in 0..4 {
            let message = client::get(&channel, &queue).await.unwrap();
            redelivered.push((client::text(&message), message.redelivered));
        }
        let expected = [("c", true), ("d", false), ("a", true), ("b", false)];
        assert_eq!(redelivered, expected.map(|(body, again)| (body.to_owned(), again)));
    });
}

#[test]
fn purge_and_delete_count_all_levels() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = declare(&channel, &broker.name("q"), 255).await;
        for priority in 0..=255 {
            publish(&channel, &queue, "m", Some(priority)).await;
        }
        client::wait_until_ready(&channel, &queue, 256).await;
        let purged = channel.queue_purge(queue.as_str().into(), Default::default()).await;
        assert_eq!(purged.unwrap(), 256);
        publish(&channel, &queue, "m", Some(7)).await;
        client::wait_until_ready(&channel, &queue, 1).await;
        let deleted = channel.queue_delete(queue.as_str().into(), Default::default()).await;
        assert_eq!(deleted.unwrap(), 1);
    });
}

#[test]
fn levels_outlive_a_kill_with_what_was_delivered() {
    let mut broker = Broker::own();
    let queue = client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let queue = declare(&channel, &broker.name("q"), 9).await;
        for (number, priority) in [4, 0, 9, 4, 9, 0].into_iter().enumerate() {
            publish(&channel, &queue, &format!("m{number}"), Some(priority)).await;
        }
        // The first of level 9 and the next are known as delivered once the disk knows of a later
        // confirm.
        for expected in ["m2", "m4", "m0"] {
            let message = client::get(&channel, &queue).await.unwrap();
            assert_eq!(client::text(&message), expected);
        }
        publish(&channel, &queue, "m6", Some(1)).await;
        queue
    });
    broker.kill();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        assert_eq!(client::ready(&channel, &queue).await, 7);
        let mut found = vec![];
        for _ in 0..7 {
            let message = client::get(&channel, &queue).await.unwrap();
            found.push((client::text(&message), message.redelivered));
        }
        let expected = [
            ("m2", true),
            ("m4", true),
            ("m0", true),
            ("m3", false),
            ("m6", false),
            ("m1", false),
            ("m5", false),
        ];
        assert_eq!(found, expected.map(|(body, again)| (body.to_owned(), again)));
        // What a new queue of the same name has is its own.
        channel.queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
        let queue = declare(&channel, &queue, 9).await;
        assert_eq!(client::ready(&channel, &queue).await, 0);
    });
}

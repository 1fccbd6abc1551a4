//! Which consumer is served: priorities of consumers, and a single active one.

use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use warren_tests::Broker;
use warren_tests::client::{self, refusal, soon};

async fn single_active(channel: &Channel, name: &str) -> String {
    let arguments = client::table([("x-single-active-consumer", true)]);
    let options = QueueDeclareOptions::default();
    channel.queue_declare(name.into(), options, arguments).await.expect("it can be declared");
    name.to_owned()
}

async fn consume(
    channel: &Channel,
    queue: &str,
    tag: &str,
    arguments: FieldTable,
) -> Result<Consumer, lapin::Error> {
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), tag.into(), options, arguments);
    soon("consume-ok", consumer).await
}

/// Publishes `m0`, `m1`, ... to a queue.
async fn send(channel: &Channel, queue: &str, count: u32) {
    for body in client::numbered(0..count) {
        client::publish(channel, "", queue, body.as_bytes()).await;
    }
}

fn priority(value: impl Into<AMQPValue>) -> FieldTable {
    client::table([("x-priority", value)])
}

#[test]
fn the_highest_priority_with_credit_gets_the_messages() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::prefetch(&channel, 2, false).await;
        let mut usual = consume(&channel, &queue, "usual", FieldTable::default()).await.unwrap();
        let mut high = consume(&channel, &queue, "high", priority(10)).await.unwrap();
        let mut low = consume(&channel, &queue, "low", priority(-1_i64)).await.unwrap();
        send(&channel, &queue, 6).await;
        let first = client::take(&mut high, 2).await;
        assert_eq!(client::texts(&first), ["m0", "m1"]);
        assert_eq!(client::texts(&client::take(&mut usual, 2).await), ["m2", "m3"]);
        assert_eq!(client::texts(&client::take(&mut low, 2).await), ["m4", "m5"]);
        first[1].ack(BasicAckOptions { multiple: true }).await.unwrap();
        send(&channel, &queue, 2).await;
        assert_eq!(client::texts(&client::take(&mut high, 2).await), ["m0", "m1"]);
    });
}

#[test]
fn equals_take_turns() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        let mut idle = consume(&channel, &queue, "idle", FieldTable::default()).await.unwrap();
        let mut first = consume(&channel, &queue, "first", priority(3)).await.unwrap();
        let mut second = consume(&channel, &queue, "second", priority(3)).await.unwrap();
        send(&channel, &queue, 20).await;
        let one = client::texts(&client::take(&mut first, 10).await);
        let other = client::texts(&client::take(&mut second, 10).await);
        let expected = |odd: u32| (0..10).map(|n| format!("m{}", 2 * n + odd)).collect::<Vec<_>>();
        assert!(one == expected(0) && other == expected(1), "{one:?}, {other:?}");
        assert_eq!(client::ready(&channel, &queue).await, 0);
        for tag in ["first", "second"] {
            channel.basic_cancel(tag.into(), BasicCancelOptions::default()).await.unwrap();
        }
        client::publish(&channel, "", &queue, b"last").await;
        assert_eq!(client::text(&client::next(&mut idle).await), "last");
    });
}

#[test]
fn a_priority_is_a_whole_number() {
    let broker = Broker::start();
    client::run(async {
        let connection = client::connect(&broker).await;
        let channel = connection.create_channel().await.unwrap();
        let queue = client::queue(&channel, &broker.name("q")).await;
        for value in [AMQPValue::LongString("5".into()), AMQPValue::Boolean(true)] {
            let name = if matches!(value, AMQPValue::Boolean(_)) { "bool" } else { "longstr" };
            let channel = connection.create_channel().await.unwrap();
            let refused = refusal(consume(&channel, &queue, "t", priority(value)).await);
            let text = format!(
                "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{queue}' in vhost '/': \
                 \"expected integer, got {name}\""
            );
            assert_eq!(refused, (406, text));
        }
        for value in [AMQPValue::ShortShortInt(1), AMQPValue::LongLongInt(1 << 40)] {
            let channel = connection.create_channel().await.unwrap();
            consume(&channel, &queue, "t", priority(value)).await.unwrap();
        }
    });
}

#[test]
fn one_consumer_is_active_and_the_next_takes_over_when_it_is_cancelled() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        // A classic queue of RabbitMQ 3.10 delivers only when the next thing happens to it.
        let mut arguments = client::table([("x-single-active-consumer", true)]);
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let queue = broker.name("q");
        let options = QueueDeclareOptions::durable();
        channel.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
        client::prefetch(&channel, 2, false).await;
        let mut first = consume(&channel, &queue, "first", FieldTable::default()).await.unwrap();
        let mut second = consume(&channel, &queue, "second", FieldTable::default()).await.unwrap();
        send(&channel, &queue, 5).await;
        let held = client::take(&mut first, 2).await;
        client::wait_until_ready(&channel, &queue, 3).await;
        channel.basic_cancel("first".into(), BasicCancelOptions::default()).await.unwrap();
        // What the first one holds stays with its channel.
        assert_eq!(client::texts(&client::take(&mut second, 2).await), ["m2", "m3"]);
        held[1].nack(BasicNackOptions { multiple: true, requeue: true }).await.unwrap();
        client::wait_until_ready(&channel, &queue, 3).await;
    });
}

#[test]
fn what_a_lost_consumer_held_goes_to_the_next_one_first() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = single_active(&channel, &broker.name("q")).await;
        let (lost, other) = client::open(&broker).await;
        other.basic_qos(2, BasicQosOptions::default()).await.unwrap();
        let mut first = consume(&other, &queue, "first", FieldTable::default()).await.unwrap();
        let mut second = consume(&channel, &queue, "second", FieldTable::default()).await.unwrap();
        send(&channel, &queue, 4).await;
        client::take(&mut first, 2).await;
        client::wait_until_ready(&channel, &queue, 2).await;
        lost.close(200, "done".into()).await.unwrap();
        let deliveries = client::take(&mut second, 4).await;
        assert_eq!(client::texts(&deliveries), ["m0", "m1", "m2", "m3"]);
        assert!(deliveries.iter().map(|it| it.redelivered).eq([true, true, false, false]));
    });
}

#[test]
fn a_waiting_consumer_may_go_and_the_highest_priority_comes_next() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = single_active(&channel, &broker.name("q")).await;
        let none = FieldTable::default;
        let mut first = consume(&channel, &queue, "first", none()).await.unwrap();
        let _gone = consume(&channel, &queue, "gone", none()).await.unwrap();
        let mut third = consume(&channel, &queue, "third", none()).await.unwrap();
        let mut urgent = consume(&channel, &queue, "urgent", priority(5)).await.unwrap();
        channel.basic_cancel("gone".into(), BasicCancelOptions::default()).await.unwrap();
        for (consumer, tag) in [(&mut first, "first"), (&mut urgent, "urgent"), (&mut third, "")] {
            client::publish(&channel, "", &queue, tag.as_bytes()).await;
            assert_eq!(client::text(&client::next(consumer).await), tag);
            if !tag.is_empty() {
                channel.basic_cancel(tag.into(), BasicCancelOptions::default()).await.unwrap();
            }
        }
    });
}

#[test]
fn a_single_active_consumer_is_not_an_exclusive_one() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = single_active(&channel, &broker.name("q")).await;
        let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(
            queue.as_str().into(),
            "t".into(),
            options,
            FieldTable::default(),
        );
        let text = format!("ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use");
        assert_eq!(refusal(consumer.await), (403, text));
    });
}

#[test]
fn quorum_queues_know_no_exclusive_consumers() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let name = broker.name("q");
        let arguments = client::table([("x-queue-type", AMQPValue::LongString("quorum".into()))]);
        let options = QueueDeclareOptions::durable();
        channel.queue_declare(name.as_str().into(), options, arguments).await.unwrap();
        let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let _first = client::consume_with(&channel, &name, "first", options).await;
        let _second = client::consume_with(&channel, &name, "second", options).await;
        channel.queue_delete(name.as_str().into(), Default::default()).await.unwrap();
    });
}

//! What exchanges do beyond the types of AMQP: alternates, `CC` and `BCC`, the types of RabbitMQ's
//! plugins, and virtual topics.

use std::collections::BTreeMap;

use lapin::options::{BasicNackOptions, ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};
use warren_tests::Broker;
use warren_tests::client::{self, table};

fn kind(name: &str) -> ExchangeKind {
    ExchangeKind::Custom(name.to_owned())
}

async fn exchange(channel: &Channel, name: &str, of: &str, arguments: FieldTable) -> String {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(name.into(), kind(of), options, arguments).await.unwrap();
    name.to_owned()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn texts(texts: &[&str]) -> AMQPValue {
    AMQPValue::FieldArray(FieldArray::from(texts.iter().map(|it| text(it)).collect::<Vec<_>>()))
}

fn headers(entries: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> BasicProperties {
    client::persistent().with_headers(table(entries))
}

/// The names of the headers of the next message of a queue, which stays in it.
async fn names_of_headers(channel: &Channel, queue: &str) -> (bool, Vec<String>) {
    let message = client::get(channel, queue).await.expect("a message");
    let headers = message.delivery.properties.headers().clone().unwrap_or_default();
    let names = headers.inner().keys().map(ToString::to_string).collect();
    let back = BasicNackOptions { requeue: true, ..Default::default() };
    message.delivery.acker.nack(back).await.unwrap();
    (message.delivery.redelivered, names)
}

#[test]
fn hidden_keys_are_seen_by_nobody_also_after_a_restart() {
    let mut broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        for queue in ["a", "b", "c"] {
            client::durable_queue(&channel, queue).await;
        }
        let properties = headers([("CC", texts(&["b"])), ("BCC", texts(&["c"])), ("h", text("v"))]);
        client::publish_with(&channel, "", "a", b"hello", properties).await;
        for queue in ["a", "b", "c"] {
            let names = vec!["CC".to_owned(), "h".to_owned()];
            assert_eq!(names_of_headers(&channel, queue).await, (false, names.clone()));
            assert_eq!(names_of_headers(&channel, queue).await, (true, names), "redelivered");
        }
    });
    broker.kill();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        for queue in ["a", "b", "c"] {
            let names = vec!["CC".to_owned(), "h".to_owned()];
            assert_eq!(names_of_headers(&channel, queue).await.1, names, "restarted");
            assert_eq!(client::drain(&channel, queue).await, ["hello"], "one copy");
        }
    });
}

#[test]
fn a_key_stays_at_its_queue_over_a_restart() {
    let mut broker = Broker::own();
    let queues = ["one", "two", "three"];
    let routed = |broker: &Broker| {
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(broker).await;
            for key in 0..60 {
                let key = format!("customer {key}");
                client::publish(&channel, "hash", &key, key.as_bytes()).await;
            }
            let mut places = BTreeMap::new();
            for queue in queues {
                for key in client::drain(&channel, queue).await {
                    places.insert(key, queue);
                }
            }
            places
        })
    };
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        exchange(&channel, "hash", "x-consistent-hash", FieldTable::default()).await;
        for (queue, weight) in queues.iter().zip(["2", "1", "1"]) {
            client::durable_queue(&channel, queue).await;
            client::bind(&channel, queue, "hash", weight).await;
        }
    });
    let before = routed(&broker);
    assert_eq!(before.len(), 60, "each key is somewhere");
    assert!(queues.iter().all(|queue| before.values().any(|found| found == queue)), "{before:?}");
    broker.terminate();
    broker.restart();
    assert_eq!(routed(&broker), before);
}

#[test]
fn a_delay_is_refused_and_nothing_is_delivered_early() {
    let broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let arguments = table([("x-delayed-type", text("fanout"))]);
        exchange(&channel, "late", "x-delayed-message", arguments).await;
        let queue = client::durable_queue(&channel, "q").await;
        client::bind(&channel, &queue, "late", "").await;
        client::publish(&channel, "late", "", b"now").await;
        let delayed = headers([("x-delay", AMQPValue::LongInt(50))]);
        let options = Default::default();
        let sent = channel.basic_publish("late".into(), "".into(), options, b"later", delayed);
        let refused = client::soon("a refusal", sent.await.unwrap()).await;
        assert!(refused.is_err(), "{refused:?}");
        let (_connection, channel) = client::open(&broker).await;
        assert_eq!(client::drain(&channel, &queue).await, ["now"]);
    });
}

#[test]
fn a_queue_that_is_bound_late_gets_the_last_messages() {
    let broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let arguments = table([("x-recent-history-length", AMQPValue::LongInt(3))]);
        exchange(&channel, "recent", "x-recent-history", arguments).await;
        for number in 0..10 {
            client::publish(&channel, "recent", "", format!("m{number}").as_bytes()).await;
        }
        let queue = client::queue(&channel, "late").await;
        client::bind(&channel, &queue, "recent", "").await;
        assert_eq!(client::drain(&channel, &queue).await, ["m7", "m8", "m9"]);
    });
}

#[test]
fn each_group_of_a_virtual_topic_gets_each_message_once_and_shares_it() {
    let mut broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let groups = ["Consumer.billing.orders.#", "Consumer.audit.orders.>"];
        // The first use of the names makes the groups.
        for group in groups {
            let consumer = client::consume(&channel, group).await;
            let tag = consumer.tag();
            channel.basic_cancel(tag, Default::default()).await.unwrap();
        }
        client::durable_queue(&channel, "stats").await;
        for pattern in ["orders.*", "orders.#", "*.1"] {
            let options = QueueBindOptions::default();
            let arguments = table([("x-group", text("statistics"))]);
            let (queue, topic) = ("stats".into(), "amq.virtual-topic".into());
            channel.queue_bind(queue, topic, pattern.into(), options, arguments).await.unwrap();
        }
        for number in 0..20 {
            let (topic, body) = (format!("orders.{number}"), format!("m{number}"));
            let properties = client::persistent();
            let topic_exchange = "amq.virtual-topic";
            client::publish_with(&channel, topic_exchange, &topic, body.as_bytes(), properties)
                .await;
        }
    });
    broker.kill();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let all = client::numbered(0..20);
        assert_eq!(client::drain(&channel, "stats").await, all, "many patterns, one copy");
        assert_eq!(client::drain(&channel, "Consumer.audit.orders.>").await, all);
        let mut first = client::consume(&channel, "Consumer.billing.orders.#").await;
        assert_eq!(client::texts(&client::take(&mut first, 20).await), all, "nobody was there");
        let mut second = client::consume(&channel, "Consumer.billing.orders.#").await;
        for number in 0..10 {
            client::publish(&channel, "", "orders.none", b"lost").await;
            let body = format!("n{number}");
            client::publish(&channel, "amq.virtual-topic", "orders.x", body.as_bytes()).await;
        }
        let mut shared = client::texts(&client::take(&mut first, 5).await);
        shared.extend(client::texts(&client::take(&mut second, 5).await));
        shared.sort_unstable();
        assert_eq!(shared, (0..10).map(|number| format!("n{number}")).collect::<Vec<_>>());
    });
}

//! Which queues a message reaches: exchange types, bindings, and exchanges bound to exchanges.

use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};
use warren_tests::client::{self, refusal, table};
use warren_tests::{Broker, Wire};

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> String {
    let options = ExchangeDeclareOptions::default();
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await.unwrap();
    name.to_owned()
}

async fn bind_exchange(channel: &Channel, destination: &str, source: &str, key: &str) {
    let options = ExchangeBindOptions::default();
    let arguments = FieldTable::default();
    channel
        .exchange_bind(destination.into(), source.into(), key.into(), options, arguments)
        .await
        .unwrap();
}

/// Whether a message with this key reaches the queue that is bound with this pattern.
async fn topic_matches(channel: &Channel, broker: &Broker, pattern: &str, key: &str) -> bool {
    let name = exchange(channel, &broker.name("topic"), ExchangeKind::Topic).await;
    let queue = client::queue(channel, &broker.name("topic")).await;
    client::bind(channel, &queue, &name, pattern).await;
    client::publish(channel, &name, key, b"x").await;
    let reached = client::drain(channel, &queue).await.len() == 1;
    channel.queue_delete(queue.into(), Default::default()).await.unwrap();
    reached
}

#[test]
fn a_direct_exchange_compares_whole_keys() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let name = exchange(&channel, &broker.name("direct"), ExchangeKind::Direct).await;
        let red = client::queue(&channel, &broker.name("red")).await;
        let both = client::queue(&channel, &broker.name("both")).await;
        client::bind(&channel, &red, &name, "red").await;
        client::bind(&channel, &both, &name, "red").await;
        client::bind(&channel, &both, &name, "blue").await;
        for key in ["red", "blue", "re", "redd", "RED", ""] {
            client::publish(&channel, &name, key, key.as_bytes()).await;
        }
        assert_eq!(client::drain(&channel, &red).await, ["red"]);
        assert_eq!(client::drain(&channel, &both).await, ["red", "blue"]);
    });
}

#[test]
fn a_fanout_exchange_copies_to_each_bound_queue_once() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let name = exchange(&channel, &broker.name("fanout"), ExchangeKind::Fanout).await;
        let mut queues = Vec::new();
        for _ in 0..5 {
            let queue = client::queue(&channel, &broker.name("copy")).await;
            client::bind(&channel, &queue, &name, "one").await;
            client::bind(&channel, &queue, &name, "two").await;
            queues.push(queue);
        }
        client::publish(&channel, &name, "any", b"news").await;
        for queue in &queues {
            assert_eq!(client::drain(&channel, queue).await, ["news"]);
        }
        let (one, two) = ("one".into(), "two".into());
        let gone = queues[0].as_str();
        for key in [one, two] {
            channel
                .queue_unbind(gone.into(), name.as_str().into(), key, FieldTable::default())
                .await
                .unwrap();
        }
        client::publish(&channel, &name, "any", b"more").await;
        assert!(client::drain(&channel, gone).await.is_empty());
        assert_eq!(client::drain(&channel, &queues[1]).await, ["more"]);
    });
}

#[test]
fn topic_patterns_match_words() {
    let cases = [
        ("a.b.c", "a.b.c", true),
        ("a.b.c", "a.b", false),
        ("*", "a", true),
        ("*", "", false),
        ("*", "a.b", false),
        ("a.*", "a.b", true),
        ("a.*", "a", false),
        ("a.*.c", "a.b.c", true),
        ("a.*.c", "a..c", true),
        ("a.*.c", "a.b.b.c", false),
        ("#", "", true),
        ("#", "a.b.c", true),
        ("a.#", "a", true),
        ("a.#", "a.b.c", true),
        ("a.#", "ab", false),
        ("#.c", "c", true),
        ("#.c", "a.b.c", true),
        ("#.c", "a.b.cc", false),
        ("a.#.c", "a.c", true),
        ("a.#.c", "a.b.b.c", true),
        ("#.b.#", "b", true),
        ("#.b.#", "a.b.c", true),
        ("#.b.#", "a.c", false),
        ("*.#", "a", true),
        ("*.#.*", "a", false),
        ("*.#.*", "a.b", true),
        ("a*", "ab", false),
        ("a.b#", "a.b", false),
    ];
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        for (pattern, key, expected) in cases {
            let matches = topic_matches(&channel, &broker, pattern, key).await;
            assert_eq!(matches, expected, "pattern {pattern:?}, key {key:?}");
        }
    });
}

#[test]
fn a_topic_exchange_gives_a_queue_one_copy_when_several_patterns_match() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let name = exchange(&channel, &broker.name("topic"), ExchangeKind::Topic).await;
        let queue = client::queue(&channel, &broker.name("topic")).await;
        for pattern in ["a.*", "#", "*.b", "a.b"] {
            client::bind(&channel, &queue, &name, pattern).await;
        }
        client::publish(&channel, &name, "a.b", b"once").await;
        assert_eq!(client::drain(&channel, &queue).await, ["once"]);
    });
}

/// Which of four header tables reach a queue bound with `x-match` = `mode`, a=1 and b=2.
async fn header_matches(channel: &Channel, broker: &Broker, mode: Option<&str>) -> Vec<String> {
    let name = exchange(channel, &broker.name("headers"), ExchangeKind::Headers).await;
    let queue = client::queue(channel, &broker.name("headers")).await;
    let mut wanted = table([("a", AMQPValue::LongInt(1))]);
    wanted.insert("b".into(), AMQPValue::LongString("2".into()));
    wanted.insert("x-c".into(), AMQPValue::Boolean(true));
    if let Some(mode) = mode {
        wanted.insert("x-match".into(), AMQPValue::LongString(mode.into()));
    }
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue.as_str().into(), name.as_str().into(), "".into(), options, wanted)
        .await
        .unwrap();
    let one = || ("a", AMQPValue::LongInt(1));
    let two = || ("b", AMQPValue::LongString("2".into()));
    let cases = [
        ("both", table([one(), two()])),
        ("all", table([one(), two(), ("x-c", AMQPValue::Boolean(true))])),
        ("one", table([one(), ("other", AMQPValue::LongInt(5))])),
        ("only-x", table([("x-c", AMQPValue::Boolean(true))])),
        ("wrong", table([("a", AMQPValue::LongInt(3)), ("c", AMQPValue::Boolean(true))])),
    ];
    for (body, headers) in cases {
        let properties = BasicProperties::default().with_headers(headers);
        client::publish_with(channel, &name, "", body.as_bytes(), properties).await;
    }
    client::publish(channel, &name, "", b"no headers").await;
    client::drain(channel, &queue).await
}

#[test]
fn a_headers_exchange_matches_all_or_any_and_counts_x_headers_when_asked() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let matches = async |mode| header_matches(&channel, &broker, mode).await;
        assert_eq!(matches(None).await, ["both", "all"]);
        assert_eq!(matches(Some("all")).await, ["both", "all"]);
        assert_eq!(matches(Some("any")).await, ["both", "all", "one"]);
        assert_eq!(matches(Some("all-with-x")).await, ["all"]);
        assert_eq!(matches(Some("any-with-x")).await, ["both", "all", "one", "only-x"]);
    });
}

#[test]
fn an_unknown_x_match_is_refused() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        let arguments = table([("x-match", AMQPValue::LongString("zz".into()))]);
        let options = QueueBindOptions::default();
        let bound = channel
            .queue_bind(queue.into(), "amq.headers".into(), "".into(), options, arguments)
            .await;
        let text = "PRECONDITION_FAILED - Invalid x-match field value <<\"zz\">>; expected all, \
                    any, all-with-x, or any-with-x";
        assert_eq!(refusal(bound), (406, text.into()));
    });
}

#[test]
fn exchanges_pass_messages_on_to_exchanges_even_in_a_circle() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let first = exchange(&channel, &broker.name("first"), ExchangeKind::Topic).await;
        let second = exchange(&channel, &broker.name("second"), ExchangeKind::Fanout).await;
        let queue = client::queue(&channel, &broker.name("end")).await;
        bind_exchange(&channel, &second, &first, "news.#").await;
        bind_exchange(&channel, &first, &second, "").await;
        client::bind(&channel, &queue, &second, "").await;
        client::publish(&channel, &first, "news.today", b"passed").await;
        client::publish(&channel, &first, "other", b"stays").await;
        assert_eq!(client::drain(&channel, &queue).await, ["passed"]);

        channel
            .exchange_unbind(
                second.as_str().into(),
                first.as_str().into(),
                "news.#".into(),
                Default::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        client::publish(&channel, &first, "news.today", b"no more").await;
        assert!(client::drain(&channel, &queue).await.is_empty());
    });
}

#[test]
fn an_internal_exchange_takes_messages_from_exchanges_only() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let inner = broker.name("inner");
        let options = ExchangeDeclareOptions { internal: true, ..Default::default() };
        channel
            .exchange_declare(
                inner.as_str().into(),
                ExchangeKind::Fanout,
                options,
                FieldTable::default(),
            )
            .await
            .unwrap();
        let outer = exchange(&channel, &broker.name("outer"), ExchangeKind::Fanout).await;
        bind_exchange(&channel, &inner, &outer, "").await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::bind(&channel, &queue, &inner, "").await;
        client::publish(&channel, &outer, "", b"through").await;
        assert_eq!(client::drain(&channel, &queue).await, ["through"]);

        let refused = Wire::refusal(broker.amqp_address(), |wire| {
            wire.publish(1, &inner, "", 0, b"refused");
        });
        let text =
            format!("ACCESS_REFUSED - cannot publish to internal exchange '{inner}' in vhost '/'");
        assert_eq!(refused, (403, text));
        channel.exchange_delete(inner.as_str().into(), Default::default()).await.unwrap();
    });
}

#[test]
fn every_queue_is_bound_to_the_default_exchange_by_its_name_and_by_nothing_else() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open_with_confirms(&broker).await;
        let queue = client::queue(&channel, &broker.name("named")).await;
        client::publish(&channel, "", &queue, b"by name").await;
        assert_eq!(client::drain(&channel, &queue).await, ["by name"]);

        let text = "ACCESS_REFUSED - operation not permitted on the default exchange";
        let other = connection.create_channel().await.unwrap();
        let options = QueueBindOptions::default();
        let bound = other
            .queue_bind(queue.into(), "".into(), "k".into(), options, FieldTable::default())
            .await;
        assert_eq!(refusal(bound), (403, text.into()));
        let other = connection.create_channel().await.unwrap();
        let deleted = other.exchange_delete("".into(), Default::default()).await;
        assert_eq!(refusal(deleted), (403, text.into()));
        let other = connection.create_channel().await.unwrap();
        let declared = other
            .exchange_declare(
                "".into(),
                ExchangeKind::Direct,
                Default::default(),
                Default::default(),
            )
            .await;
        assert_eq!(refusal(declared), (403, text.into()));
    });
}

#[test]
fn binding_needs_both_ends() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        let cases = [
            (queue.as_str(), "nope", "NOT_FOUND - no exchange 'nope' in vhost '/'"),
            ("nope", "amq.direct", "NOT_FOUND - no queue 'nope' in vhost '/'"),
        ];
        for (queue, exchange, text) in cases {
            let other = connection.create_channel().await.unwrap();
            let options = QueueBindOptions::default();
            let bound = other
                .queue_bind(queue.into(), exchange.into(), "k".into(), options, Default::default())
                .await;
            assert_eq!(refusal(bound), (404, text.into()));
        }
        let other = connection.create_channel().await.unwrap();
        let bound = other
            .exchange_bind(
                "nope".into(),
                "amq.direct".into(),
                "k".into(),
                ExchangeBindOptions::default(),
                FieldTable::default(),
            )
            .await;
        assert_eq!(refusal(bound), (404, "NOT_FOUND - no exchange 'nope' in vhost '/'".into()));
    });
}

#[test]
fn bindings_go_with_their_queue() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let name = broker.name("q");
        let key = broker.name("key");
        client::queue(&channel, &name).await;
        client::bind(&channel, &name, "amq.direct", &key).await;
        channel.queue_delete(name.as_str().into(), Default::default()).await.unwrap();
        client::queue(&channel, &name).await;
        client::publish(&channel, "amq.direct", &key, b"lost").await;
        assert!(client::drain(&channel, &name).await.is_empty());
    });
}

//! Arguments of queues: what RabbitMQ 3.10.8 says to each of them on each type of queue.

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use warren_tests::Broker;
use warren_tests::client::{self, refusal};
use warren_tests::http::Api;

/// A value of an argument.
#[derive(Debug, Clone, Copy)]
enum Value {
    Number(i64),
    Text(&'static str),
    Yes,
}
use Value::{Number, Text, Yes};

impl Value {
    fn field(self) -> AMQPValue {
        match self {
            Number(number) => match i32::try_from(number) {
                Ok(number) => AMQPValue::LongInt(number),
                Err(_) => AMQPValue::LongLongInt(number),
            },
            Text(text) => AMQPValue::LongString(text.into()),
            Yes => AMQPValue::Boolean(true),
        }
    }
}

/// What is said: nothing; that the value is wrong; that the type of queue has no such argument.
enum Answer {
    Fine,
    Wrong(&'static str),
    NotHere,
}
use Answer::{Fine, NotHere, Wrong};

fn arguments(queue_type: &str, name: &str, value: Value) -> FieldTable {
    let mut arguments = FieldTable::default();
    if !queue_type.is_empty() {
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(queue_type.into()));
    }
    arguments.insert(name.into(), value.field());
    arguments
}

fn check(queue_types: &[&str], cases: &[(&str, Value, Answer)]) {
    let broker = Broker::start();
    client::run(async {
        let connection = client::connect(&broker).await;
        for queue_type in queue_types {
            for (argument, value, answer) in cases {
                let channel = connection.create_channel().await.unwrap();
                let queue = broker.name("q");
                let options = QueueDeclareOptions::durable();
                let arguments = arguments(queue_type, argument, *value);
                let declared =
                    channel.queue_declare(queue.as_str().into(), options, arguments).await;
                let place = format!("for queue '{queue}' in vhost '/'");
                let case = format!("{queue_type} {argument} {value:?}");
                let text = match answer {
                    Fine => {
                        declared.unwrap_or_else(|error| panic!("{case}: {error}"));
                        let deleted =
                            channel.queue_delete(queue.as_str().into(), Default::default());
                        deleted.await.unwrap();
                        continue;
                    }
                    Wrong(problem) if problem.starts_with("type ") => {
                        let found = problem.trim_start_matches("type ");
                        let place = place.replacen("for", "in", 1);
                        format!("invalid type '{found}' for arg '{argument}' {place}")
                    }
                    Wrong(problem) => format!("invalid arg '{argument}' {place}: {problem}"),
                    NotHere => {
                        let queue_type = if queue_type.is_empty() { "classic" } else { queue_type };
                        format!(
                            "invalid arg '{argument}' {place} of queue type rabbit_{queue_type}_queue"
                        )
                    }
                };
                let expected = (406, format!("PRECONDITION_FAILED - {text}"));
                assert_eq!(refusal(declared), expected, "{case}");
            }
        }
    });
}

#[test]
fn values_are_checked_alike_on_classic_and_quorum_queues() {
    let integer = "\"expected integer, got longstr\"";
    let negative = "{value_negative,-1}";
    let signed = "{unacceptable_type,signedint}";
    check(
        &["", "classic", "quorum"],
        &[
            ("x-message-ttl", Number(0), Fine),
            ("x-message-ttl", Number(-1), Wrong(negative)),
            ("x-message-ttl", Text("a"), Wrong(integer)),
            ("x-message-ttl", Yes, Wrong("\"expected integer, got bool\"")),
            ("x-message-ttl", Number(315_360_000_000), Fine),
            ("x-message-ttl", Number(315_360_000_001), Wrong("{value_too_large,315360000001}")),
            ("x-expires", Number(0), Wrong("{value_zero,0}")),
            ("x-expires", Number(1_000), Fine),
            ("x-dead-letter-exchange", Number(5), Wrong("type signedint")),
            ("x-dead-letter-routing-key", Text("k"), Wrong("routing_key_but_no_dlx_defined")),
            ("x-dead-letter-routing-key", Number(5), Wrong(signed)),
            ("x-max-length", Number(0), Fine),
            ("x-max-length", Number(-1), Wrong(negative)),
            ("x-max-length-bytes", Text("a"), Wrong(integer)),
            ("x-overflow", Text("reject-publish-dlx"), Fine),
            ("x-overflow", Text("x"), Wrong("invalid_overflow")),
            ("x-overflow", Number(5), Wrong(signed)),
            ("x-single-active-consumer", Yes, Fine),
            ("x-single-active-consumer", Number(1), Wrong(signed)),
            ("x-unknown", Number(1), Fine),
            ("x-ha-policy", Text("all"), Fine),
            ("x-max-age", Text("nonsense"), NotHere),
            ("x-stream-max-segment-size-bytes", Number(-1), NotHere),
            ("x-initial-cluster-size", Number(0), NotHere),
        ],
    );
}

#[test]
fn classic_queues_have_arguments_of_their_own() {
    check(
        &["", "classic"],
        &[
            ("x-max-priority", Number(0), Fine),
            ("x-max-priority", Number(255), Fine),
            ("x-max-priority", Number(256), Wrong("{max_value_exceeded,256}")),
            ("x-max-priority", Number(-1), Wrong("{value_negative,-1}")),
            ("x-max-priority", Yes, Wrong("\"expected integer, got bool\"")),
            ("x-queue-mode", Text("lazy"), Fine),
            ("x-queue-mode", Text("x"), Wrong("\"unsupported queue mode 'x'\"")),
            ("x-queue-version", Number(1), Fine),
            ("x-queue-version", Number(3), Wrong("\"unsupported queue version '3'\"")),
            ("x-queue-version", Text("a"), Wrong("\"expected integer, got longstr\"")),
            ("x-queue-master-locator", Text("min-masters"), Fine),
            ("x-delivery-limit", Number(5), NotHere),
            ("x-dead-letter-strategy", Text("x"), NotHere),
            ("x-quorum-initial-group-size", Number(0), NotHere),
            ("x-max-in-memory-length", Number(-1), NotHere),
            ("x-max-in-memory-bytes", Number(5), NotHere),
        ],
    );
}

#[test]
fn quorum_queues_have_arguments_of_their_own() {
    check(
        &["quorum"],
        &[
            ("x-delivery-limit", Number(5), Fine),
            ("x-delivery-limit", Number(-1), Fine),
            ("x-dead-letter-strategy", Text("at-least-once"), Fine),
            ("x-dead-letter-strategy", Text("x"), Wrong("invalid_dlx_strategy")),
            ("x-quorum-initial-group-size", Number(3), Fine),
            ("x-quorum-initial-group-size", Number(0), Wrong("{value_zero,0}")),
            ("x-max-in-memory-length", Number(5), Fine),
            ("x-max-in-memory-bytes", Number(-1), Wrong("{value_negative,-1}")),
            ("x-queue-leader-locator", Text("balanced"), Fine),
            ("x-queue-leader-locator", Text("x"), Wrong("invalid_queue_locator_arg")),
            ("x-max-priority", Number(300), NotHere),
            ("x-queue-mode", Text("x"), NotHere),
            ("x-queue-version", Number(9), NotHere),
            ("x-queue-master-locator", Text("min-masters"), NotHere),
        ],
    );
}

#[test]
fn a_quorum_queue_is_durable_and_nobodys() {
    let broker = Broker::start();
    client::run(async {
        let connection = client::connect(&broker).await;
        let cases = [
            ("auto-delete", QueueDeclareOptions { auto_delete: true, ..Default::default() }),
            (
                "exclusive-owner",
                QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::durable() },
            ),
            ("non-durable", QueueDeclareOptions::default()),
        ];
        for (property, options) in cases {
            let channel = connection.create_channel().await.unwrap();
            let queue = broker.name("q");
            let arguments =
                client::table([("x-queue-type", AMQPValue::LongString("quorum".into()))]);
            let declared = channel.queue_declare(queue.as_str().into(), options, arguments).await;
            let text = format!(
                "PRECONDITION_FAILED - invalid property '{property}' for queue '{queue}' in \
                 vhost '/'"
            );
            assert_eq!(refusal(declared), (406, text));
        }
    });
}

#[test]
fn a_queue_that_is_there_is_compared_before_values_are_checked() {
    let broker = Broker::start();
    client::run(async {
        let connection = client::connect(&broker).await;
        let channel = connection.create_channel().await.unwrap();
        let queue = broker.name("q");
        let declare = async |name: &str, value: Value| {
            let channel = connection.create_channel().await.unwrap();
            let arguments = arguments("", name, value);
            let options = QueueDeclareOptions::durable();
            channel.queue_declare(queue.as_str().into(), options, arguments).await.map(drop)
        };
        declare("x-max-priority", Number(5)).await.unwrap();
        let text = |difference: &str| {
            format!(
                "PRECONDITION_FAILED - inequivalent arg 'x-max-priority' for queue '{queue}' in \
                 vhost '/': {difference}"
            )
        };
        let refused = refusal(declare("x-max-priority", Text("a")).await);
        assert_eq!(refused, (406, text("received 'a' but current is '5'")));
        let refused = refusal(declare("x-unknown", Number(1)).await);
        let difference = "received none but current is the value '5' of type 'signedint'";
        assert_eq!(refused, (406, text(difference)));
        channel.queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
        // A queue is a classic one unless it says something else.
        declare("x-queue-type", Text("classic")).await.unwrap();
        declare("x-unknown", Number(1)).await.unwrap();
    });
}

#[test]
fn arguments_without_an_effect_are_counted() {
    let broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        for name in ["one", "two"] {
            let arguments = arguments("", "x-queue-mode", Text("lazy"));
            let options = QueueDeclareOptions::default();
            channel.queue_declare(name.into(), options, arguments).await.unwrap();
        }
    });
    let counted = Api::of(&broker).get("/arguments-without-effect");
    let expected = serde_json::json!([{"vhost": "/", "argument": "x-queue-mode", "count": 2}]);
    assert_eq!(counted, expected);
    let told = "a client sends an argument that has no effect here";
    assert_eq!(broker.log().matches(told).count(), 1, "{}", broker.log());
}

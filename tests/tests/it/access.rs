//! Rights and limits on the wire: what users may do, while it is changed too.

use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, Error, ExchangeKind};
use serde_json::json;
use warren_tests::http::Api;
use warren_tests::{Broker, client, eventually};

/// A broker with the user `ann`, who may configure `own...`, write to `out...` and read from `in...`.
fn with_ann() -> (Broker, Api) {
    let broker = Broker::own();
    let api = Api::of(&broker);
    api.done("PUT", "/users/ann", Some(&json!({"password": "pass", "tags": ""})));
    permit(&api, "^own", "^(own|out)", "^(own|in)");
    for queue in ["in", "out"] {
        api.done("PUT", &format!("/queues/%2F/{queue}"), Some(&json!({})));
    }
    for exchange in ["out.x", "in.x"] {
        api.done("PUT", &format!("/exchanges/%2F/{exchange}"), Some(&json!({"type": "topic"})));
    }
    (broker, api)
}

fn permit(api: &Api, configure: &str, write: &str, read: &str) {
    let rights = json!({"configure": configure, "write": write, "read": read});
    api.done("PUT", "/permissions/%2F/ann", Some(&rights));
}

async fn connect(broker: &Broker) -> Result<Connection, Error> {
    client::connect_to(&format!("amqp://ann:pass@{}/%2f", broker.amqp_address())).await
}

async fn channel(connection: &Connection) -> Channel {
    connection.create_channel().await.unwrap()
}

async fn declare(channel: &Channel, queue: &str) -> Result<lapin::Queue, Error> {
    let options = QueueDeclareOptions::default();
    channel.queue_declare(queue.into(), options, FieldTable::default()).await
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), Error> {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none).await
}

/// Publishes and waits for the confirm; gives how the channel ended, if it did.
async fn publish(channel: &Channel, exchange: &str, key: &str) -> Result<(), Error> {
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default();
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let sent = channel.basic_publish(exchange.into(), key.into(), options, b"x", properties);
    sent.await?.await.map(drop)
}

fn denied(result: Result<impl Sized, Error>) -> String {
    let (code, text) = client::refusal(result);
    assert_eq!(code, 403, "{text}");
    text
}

#[test]
fn each_operation_needs_its_right() {
    let (broker, _api) = with_ann();
    client::run(async {
        let connection = connect(&broker).await.unwrap();
        let new = || channel(&connection);
        let refused = |kind: &str, name: &str| {
            format!(
                "ACCESS_REFUSED - access to {kind} '{name}' in vhost '/' refused for user 'ann'"
            )
        };
        assert_eq!(denied(declare(&new().await, "other").await), refused("queue", "other"));
        let topic = ExchangeKind::Topic;
        let (options, none) = (ExchangeDeclareOptions::default(), FieldTable::default);
        let declared = new().await.exchange_declare("other.x".into(), topic, options, none()).await;
        assert_eq!(denied(declared), refused("exchange", "other.x"));
        assert_eq!(denied(publish(&new().await, "in.x", "k").await), refused("exchange", "in.x"));
        let got = new().await.basic_get("out".into(), BasicGetOptions::default()).await;
        assert_eq!(denied(got), refused("queue", "out"));
        let options = BasicConsumeOptions::default();
        let consumed = new().await.basic_consume("out".into(), "".into(), options, none()).await;
        assert_eq!(denied(consumed), refused("queue", "out"));
        // To bind: write to the queue, read from the exchange.
        assert_eq!(denied(bind(&new().await, "in", "in.x", "k").await), refused("queue", "in"));
        assert_eq!(
            denied(bind(&new().await, "out", "out.x", "k").await),
            refused("exchange", "out.x")
        );
        bind(&new().await, "out", "in.x", "k").await.unwrap();
        declare(&new().await, "own.q").await.unwrap();
        publish(&new().await, "out.x", "k").await.unwrap();
        new().await.basic_get("in".into(), BasicGetOptions::default()).await.unwrap();
    });
}

#[test]
fn a_right_that_is_taken_away_is_gone_for_connections_that_are_open() {
    let (broker, api) = with_ann();
    client::run(async {
        let connection = connect(&broker).await.unwrap();
        let open = channel(&connection).await;
        publish(&open, "out.x", "k").await.unwrap();
        permit(&api, "^own", "", "^in");
        assert!(denied(publish(&open, "out.x", "k").await).contains("access to exchange 'out.x'"));
        let open = channel(&connection).await;
        permit(&api, "^own", "^out", "^in");
        publish(&open, "out.x", "k").await.unwrap();
    });
}

#[test]
fn rights_to_topics_look_at_routing_keys() {
    let (broker, api) = with_ann();
    permit(&api, ".*", ".*", ".*");
    let rights = json!({"exchange": "out.x", "write": "^{username}\\.", "read": "^news"});
    api.done("PUT", "/topic-permissions/%2F/ann", Some(&rights));
    client::run(async {
        let connection = connect(&broker).await.unwrap();
        publish(&channel(&connection).await, "out.x", "ann.1").await.unwrap();
        publish(&channel(&connection).await, "in.x", "bob.1").await.unwrap();
        let text = denied(publish(&channel(&connection).await, "out.x", "bob.1").await);
        assert_eq!(
            text,
            "ACCESS_REFUSED - access to topic 'bob.1' in exchange 'out.x' in vhost '/' \
             refused for user 'ann'"
        );
        bind(&channel(&connection).await, "in", "out.x", "news.#").await.unwrap();
        let text = denied(bind(&channel(&connection).await, "in", "out.x", "all").await);
        assert!(text.contains("access to topic 'all' in exchange 'out.x'"), "{text}");
    });
}

#[test]
fn a_user_that_is_deleted_is_sent_away() {
    let (broker, api) = with_ann();
    client::run(async {
        let connection = connect(&broker).await.unwrap();
        api.done("DELETE", "/users/ann", None);
        let gone = async {
            while connection.status().connected() {
                tokio::time::sleep(warren_tests::GLANCE).await;
            }
        };
        client::soon("the connection is closed", gone).await;
        assert!(connect(&broker).await.is_err());
    });
}

#[test]
fn limits_of_users_and_virtual_hosts_hold() {
    let (broker, api) = with_ann();
    let limit = |path: &str, value: i64| api.done("PUT", path, Some(&json!({"value": value})));
    limit("/user-limits/ann/max-connections", 1);
    limit("/user-limits/ann/max-channels", 2);
    client::run(async {
        let connection = connect(&broker).await.unwrap();
        let (code, text) = client::refusal(connect(&broker).await);
        assert_eq!(code, 530, "{text}");
        assert!(text.contains("connection limit"), "{text}");
        let _two = [channel(&connection).await, channel(&connection).await];
        let (code, text) = client::refusal(connection.create_channel().await);
        assert_eq!(code, 530, "{text}");
        assert!(text.contains("maximum allowed user limit of (2)"), "{text}");
    });
    // What is closed is not counted.
    eventually("room for a connection", || {
        client::run(async { connect(&broker).await.ok().map(drop) })
    });
    limit("/user-limits/ann/max-connections", -1);
    limit("/vhost-limits/%2F/max-queues", 3);
    permit(&api, ".*", ".*", ".*");
    client::run(async {
        let connection = connect(&broker).await.unwrap();
        declare(&channel(&connection).await, "third").await.unwrap();
        let (code, text) = client::refusal(declare(&channel(&connection).await, "fourth").await);
        assert_eq!(code, 406, "{text}");
        assert!(text.contains("queue limit in vhost '/' (3) is reached"), "{text}");
        declare(&channel(&connection).await, "third").await.unwrap();
    });
}

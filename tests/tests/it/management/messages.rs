//! Messages published and fetched over HTTP.

use lapin::message::BasicGetMessage;
use lapin::options::BasicGetOptions;
use serde_json::json;
use warren_tests::client;

use super::{fetch, message, start};

#[test]
fn a_message_goes_from_http_to_amqp_and_back_as_it_was() {
    let (broker, api) = start();
    let properties = json!({
        "content_type": "text/plain", "delivery_mode": 2, "priority": 4, "message_id": "m",
        "timestamp": 1_700_000_000, "headers": {"n": 5, "deep": {"list": [1, "a", true]}},
    });
    let mut body = message("q", "h\u{e9}llo");
    body["properties"] = properties.clone();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        client::durable_queue(&channel, "q").await;
        let published = api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&body));
        assert_eq!(published.json(), json!({"routed": true}));
        let got = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap();
        let BasicGetMessage { delivery, .. } = got.unwrap();
        assert_eq!(delivery.data, "h\u{e9}llo".as_bytes());
        assert_eq!(*delivery.properties.priority(), Some(4));
        let sent = client::publish_with(&channel, "", "q", &delivery.data, delivery.properties);
        sent.await;
    });
    let fetched = api.done("POST", "/queues/%2F/q/get", Some(&fetch(5))).json();
    assert_eq!(fetched[0]["properties"], properties);
    assert_eq!(
        (&fetched[0]["payload"], fetched.as_array().unwrap().len()),
        (&json!("h\u{e9}llo"), 1)
    );
}

#[test]
fn messages_that_are_put_back_keep_their_order() {
    let (_broker, api) = start();
    api.done("PUT", "/queues/%2F/q", Some(&json!({})));
    for text in ["1", "2", "3"] {
        api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message("q", text)));
    }
    let texts = |ackmode: &str, count| {
        let body = json!({"count": count, "ackmode": ackmode, "encoding": "auto"});
        let messages = api.done("POST", "/queues/%2F/q/get", Some(&body)).json();
        let texts = messages.as_array().unwrap().iter();
        texts.map(|it| it["payload"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts("ack_requeue_true", 2), ["1", "2"]);
    assert_eq!(texts("reject_requeue_true", 9), ["1", "2", "3"]);
    assert_eq!(texts("ack_requeue_false", 1), ["1"]);
    assert_eq!(texts("reject_requeue_false", 1), ["2"]);
    assert_eq!(texts("ack_requeue_false", 9), ["3"]);
}

#[test]
fn a_vhost_is_alive_while_messages_go_through() {
    let (_broker, api) = start();
    for _ in 0..3 {
        assert_eq!(api.get("/aliveness-test/%2F"), json!({"status": "ok"}));
    }
    assert_eq!(api.get("/queues/%2F/aliveness-test")["messages"], 0);
    assert_eq!(api.status("GET", "/aliveness-test/nowhere", None), 404);
}

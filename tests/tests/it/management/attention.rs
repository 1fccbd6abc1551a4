//! What needs attention, as `GET /api/attention` tells it.

use serde_json::{Value, json};
use warren_tests::http::Api;
use warren_tests::{client, eventually};

use super::{message, start};

/// The finding of a kind that is about a queue, once it is there.
fn finding(api: &Api, kind: &str, queue: &str) -> Value {
    eventually(&format!("{kind} of {queue}"), || {
        let all = api.get("/attention");
        let found = all["findings"].as_array().unwrap().iter();
        found.clone().find(|it| it["kind"] == kind && it["queue"] == queue).cloned()
    })
}

#[test]
fn a_broker_in_which_all_is_well_needs_no_attention() {
    let (_broker, api) = start();
    api.done("PUT", "/queues/%2F/q", Some(&json!({})));
    assert_eq!(api.get("/attention"), json!({"findings": [], "left_out": 0}));
}

#[test]
fn a_queue_that_nobody_reads_and_a_paused_one_are_told() {
    let (_broker, api) = start();
    for queue in ["alone", "paused"] {
        api.done("PUT", &format!("/queues/%2F/{queue}"), Some(&json!({})));
        api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message(queue, "text")));
    }
    api.done("PUT", "/queues/%2F/paused/pause", None);
    let alone = finding(&api, "no_consumers", "alone");
    assert_eq!((&alone["vhost"], &alone["messages"]), (&json!("/"), &json!(1)));
    assert_eq!(alone["level"], "warning");
    let paused = finding(&api, "paused", "paused");
    assert_eq!(paused["reason"], "It is paused, and holds 1 message.");
    // Emptied, it needs none any more.
    api.done("DELETE", "/queues/%2F/paused/contents", None);
    let is_gone = || {
        let all = api.get("/attention");
        let mut found = all["findings"].as_array().unwrap().iter();
        (!found.any(|it| it["queue"] == "paused")).then_some(())
    };
    eventually("nothing of the paused queue", is_gone);
}

#[test]
fn dead_letters_are_told_where_they_wait() {
    let (_broker, api) = start();
    api.done("PUT", "/queues/%2F/dead", Some(&json!({})));
    api.done("POST", "/bindings/%2F/e/amq.fanout/q/dead", Some(&json!({})));
    let arguments = json!({"x-dead-letter-exchange": "amq.fanout", "x-message-ttl": 0});
    api.done("PUT", "/queues/%2F/work", Some(&json!({"arguments": arguments})));
    api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message("work", "text")));
    assert_eq!(finding(&api, "dead_letters", "dead")["messages"], 1);
}

#[test]
fn an_exchange_whose_messages_go_nowhere_is_told_with_the_last_key() {
    let (_broker, api) = start();
    api.done("POST", "/exchanges/%2F/amq.topic/publish", Some(&message("no.where", "text")));
    let found = eventually("unroutable", || {
        let all = api.get("/attention");
        let found = all["findings"].as_array().unwrap().first().cloned();
        found.filter(|it| it["kind"] == "unroutable")
    });
    assert_eq!((&found["exchange"], &found["messages"]), (&json!("amq.topic"), &json!(1)));
    assert!(found["reason"].as_str().unwrap().contains("\"no.where\""), "{found}");
}

#[test]
fn consumers_that_take_nothing_are_told_and_only_to_those_who_may_see_the_queue() {
    let (broker, api) = start();
    api.done("PUT", "/queues/%2F/held", Some(&json!({})));
    let right = json!({"configure": "", "write": "", "read": ""});
    for (user, host) in [("ann", "/"), ("bob", "other")] {
        api.done("PUT", "/vhosts/other", Some(&json!({})));
        let body = json!({"password": "secret", "tags": "management"});
        api.done("PUT", &format!("/users/{user}"), Some(&body));
        let host = host.replace('/', "%2F");
        api.done("PUT", &format!("/permissions/{host}/{user}"), Some(&right));
    }
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        client::prefetch(&channel, 1, false).await;
        let _held = client::consume(&channel, "held").await;
        for _ in 0..3 {
            client::publish(&channel, "", "held", b"x").await;
        }
        let found = finding(&api.as_user("ann", "secret"), "stuck", "held");
        assert_eq!((&found["level"], &found["messages"]), (&json!("bad"), &json!(2)));
        let of_bob = api.as_user("bob", "secret").get("/attention");
        assert_eq!(of_bob["findings"], json!([]));
    });
}

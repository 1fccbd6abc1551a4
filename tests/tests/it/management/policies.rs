//! Policies that are set over HTTP, and what AMQP clients notice of them.

use lapin::Confirmation;
use serde_json::{Value, json};
use warren_tests::client;
use warren_tests::eventually;
use warren_tests::http::Api;

use super::{message, names, start};

fn put(api: &Api, path: &str, pattern: &str, definition: &Value) {
    api.done("PUT", path, Some(&json!({"pattern": pattern, "definition": definition})));
}

/// What holds for a queue, once it is what is expected.
fn holds(api: &Api, queue: &str, expected: &Value) -> Value {
    eventually("the policies of the queue to be shown", || {
        let queue = api.get(&format!("/queues/%2F/{queue}"));
        (queue["effective_policy_definition"] == *expected).then_some(queue)
    })
}

#[test]
fn a_policy_holds_for_messages_that_wait_and_for_queues_that_come() {
    let (broker, api) = start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        client::durable_queue(&channel, "limited.a").await;
        for text in ["1", "2", "3", "4"] {
            client::publish_persistent(&channel, "limited.a", text.as_bytes()).await;
        }
        put(&api, "/policies/%2F/short", "^limited", &json!({"max-length": 2}));
        client::wait_until_ready(&channel, "limited.a", 2).await;
        client::durable_queue(&channel, "limited.b").await;
        for text in ["5", "6", "7"] {
            client::publish_persistent(&channel, "limited.b", text.as_bytes()).await;
        }
        assert_eq!(client::drain(&channel, "limited.a").await, ["3", "4"]);
        assert_eq!(client::drain(&channel, "limited.b").await, ["6", "7"]);
        // Without it there is no limit.
        api.done("DELETE", "/policies/%2F/short", None);
        for text in ["8", "9", "10"] {
            client::publish_persistent(&channel, "limited.a", text.as_bytes()).await;
        }
        assert_eq!(client::drain(&channel, "limited.a").await, ["8", "9", "10"]);
    });
}

#[test]
fn queues_and_exchanges_show_which_policies_hold() {
    let (_broker, api) = start();
    api.done("PUT", "/queues/%2F/q", Some(&json!({"arguments": {"x-max-length": 50}})));
    let shown = holds(&api, "q", &json!({}));
    assert_eq!((&shown["policy"], &shown["operator_policy"]), (&Value::Null, &Value::Null));
    let definition = json!({"max-length": 100, "dead-letter-exchange": "letters"});
    put(&api, "/policies/%2F/users", "^q", &definition);
    put(&api, "/operator-policies/%2F/operators", "", &json!({"max-length": 10}));
    let both = json!({"max-length": 10, "dead-letter-exchange": "letters"});
    let shown = holds(&api, "q", &both);
    assert_eq!(
        (&shown["policy"], &shown["operator_policy"]),
        (&json!("users"), &json!("operators"))
    );
    assert_eq!(shown["arguments"], json!({"x-max-length": 50}));
    put(&api, "/policies/%2F/alternate", "^x$", &json!({"alternate-exchange": "amq.fanout"}));
    api.done("PUT", "/exchanges/%2F/x", Some(&json!({"type": "direct"})));
    eventually("the policy of the exchange to be shown", || {
        (api.get("/exchanges/%2F/x")["policy"] == "alternate").then_some(())
    });
    api.done("POST", "/bindings/%2F/e/amq.fanout/q/q", Some(&json!({})));
    let routed = api.done("POST", "/exchanges/%2F/x/publish", Some(&message("nowhere", "text")));
    assert_eq!(routed.json()["routed"], true);
}

#[test]
fn policies_hold_after_a_restart_before_anybody_comes() {
    let (mut broker, api) = start();
    api.done("PUT", "/queues/%2F/q", Some(&json!({"durable": true})));
    put(&api, "/policies/%2F/p", "q", &json!({"max-length": 1, "overflow": "reject-publish"}));
    for restart in [false, true] {
        if restart {
            broker.kill();
            broker.restart();
        }
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            let first = client::publish_persistent(&channel, "q", b"one").await;
            assert_eq!(matches!(first, Confirmation::Ack(_)), !restart);
            let second = client::publish_persistent(&channel, "q", b"two").await;
            assert!(matches!(second, Confirmation::Nack(_)));
        });
    }
    let api = Api::of(&broker);
    holds(&api, "q", &json!({"max-length": 1, "overflow": "reject-publish"}));
}

#[test]
fn a_policy_that_says_what_is_not_known_is_refused() {
    let (_broker, api) = start();
    let refused = |path: &str, pattern: &str, definition: &Value| -> String {
        let body = json!({"pattern": pattern, "definition": definition});
        let answer = api.send("PUT", path, Some(&body));
        assert_eq!(answer.status, 400, "{body}");
        answer.json()["reason"].as_str().unwrap().to_owned()
    };
    for (definition, reason) in [
        (json!({}), "Validation failed\n\nno policy provided\n"),
        (json!({"max-length": -1}), "Validation failed\n\n-1 is not a valid maximum length\n"),
        (
            json!({"max-lenght": 1}),
            "Validation failed\n\n[{<<\"max-lenght\">>,1}] are not recognised policy settings\n",
        ),
        (
            json!({"overflow": "no"}),
            "Validation failed\n\n<<\"no\">> is not a valid overflow value\n",
        ),
    ] {
        assert_eq!(refused("/policies/%2F/p", "", &definition), reason);
    }
    // An operator says less.
    let reason = refused("/operator-policies/%2F/p", "", &json!({"alternate-exchange": "x"}));
    assert!(reason.contains("are not recognised policy settings"), "{reason}");
    let reason = refused("/policies/%2F/p", "(", &json!({"max-length": 1}));
    assert!(reason.starts_with("Validation failed\n\n"), "{reason}");
    assert!(names(&api.get("/policies")).is_empty());
}

#[test]
fn it_is_told_who_says_what_holds_also_for_a_queue_that_is_yet_to_come() {
    let (_broker, api) = start();
    put(&api, "/policies/%2F/p", "^q", &json!({"max-length": 10, "overflow": "reject-publish"}));
    put(&api, "/operator-policies/%2F/o", "^q", &json!({"max-length": 5}));
    let expected = json!({
        "max-length": {"value": 5, "source": "operator_policy"},
        "message-ttl": {"value": 1000, "source": "argument"},
        "overflow": {"value": "reject-publish", "source": "policy"},
    });
    let arguments = "%7B%22x-message-ttl%22%3A1000%7D";
    let outlook = api.get(&format!("/queues/%2F/q/policies?arguments={arguments}"));
    assert_eq!(outlook["effective_policy_sources"], expected);
    assert_eq!((&outlook["policy"], &outlook["operator_policy"]), (&json!("p"), &json!("o")));
    let other = api.get("/queues/%2F/other/policies?type=stream");
    assert_eq!((&other["policy"], &other["effective_policy_sources"]), (&json!(null), &json!({})));
    for wrong in ["type=x", "arguments=1", "arguments=%7B"] {
        assert_eq!(api.status("GET", &format!("/queues/%2F/q/policies?{wrong}"), None), 400);
    }
    let declare = json!({"arguments": {"x-message-ttl": 1000}});
    api.done("PUT", "/queues/%2F/q", Some(&declare));
    assert_eq!(api.get("/queues/%2F/q")["effective_policy_sources"], expected);
}

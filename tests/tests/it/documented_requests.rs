//! Every request that the documents show with curl, sent as it stands to a broker that has what the
//! page speaks of.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use warren_tests::http::Api;
use warren_tests::program::Program;
use warren_tests::{Broker, places};

/// Sends a page's requests, one block after the other; gives what they print. `NAME` in a request is
/// the name of a lease.
fn printed_by(document: &str, broker: &Broker, lease: &str) -> String {
    let text = fs::read_to_string(places::workspace().join(document)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let requests: Vec<&str> = blocks.filter(|block| block.starts_with("curl ")).collect();
    assert!(!requests.is_empty(), "{document}");
    // A stream goes on until its time is over, which curl tells with 28.
    let mut script = "set -eu\ncurl() {\n  case \"$*\" in\n    *event-stream*) command curl -fsS -m 3 \
                      \"$@\" || test $? = 28 ;;\n    *) command curl -fsS -m 30 \"$@\" ;;\n  esac\n  \
                      echo\n}\n"
        .to_owned();
    script.push_str(&requests.concat());
    for address in ["localhost:15672", "127.0.0.1:15672", "old:15672"] {
        script = script.replace(address, broker.http_address());
    }
    let script = script.replace("leases/NAME", &format!("leases/{lease}"));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("bash");
    command.current_dir(folder.path()).arg("-c").arg(script);
    Program::start(&mut command).finish(Duration::from_secs(60))
}

#[test]
fn requests_of_definitions_and_of_the_api_work_as_they_stand() {
    let broker = Broker::own();
    printed_by("docs/definitions.md", &broker, "");
    let printed = printed_by("docs/management-api.md", &broker, "");
    assert!(printed.contains("\"product_name\":\"Warren\""), "{printed}");
    assert!(printed.contains("event: update"), "{printed}");
    assert_eq!(Api::of(&broker).get("/queues/%2F/orders")["durable"], true);
}

#[test]
fn requests_of_the_audit_log_work_as_they_stand() {
    let printed = printed_by("docs/users.md", &Broker::own(), "");
    let page: Value = serde_json::from_str(printed.trim()).unwrap();
    assert!(page["entries"].is_array(), "{printed}");
}

#[test]
fn requests_about_waiting_messages_work_as_they_stand() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    for queue in ["orders", "retry", "dead-letters"] {
        api.done("PUT", &format!("/queues/%2F/{queue}"), Some(&json!({})));
    }
    api.done("PUT", "/exchanges/%2F/shop", Some(&json!({"type": "topic"})));
    let publish = |queue: &str, headers: Value| {
        let message = json!({
            "routing_key": queue, "payload": "timeout", "payload_encoding": "string",
            "properties": {"headers": headers},
        });
        api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message));
    };
    (0..20).for_each(|number| publish("orders", json!({"attempt": number})));
    publish("dead-letters", json!({"kind": "order"}));
    // The lease that the page settles has been given before, with as many messages.
    let lease = api.done("POST", "/queues/%2F/orders/lease", Some(&json!({"count": 3}))).json();
    let printed = printed_by("docs/messages.md", &broker, lease["lease"].as_str().unwrap());
    assert!(printed.contains("timeout"), "{printed}");
    warren_tests::eventually("the message to be moved", || {
        (api.get("/queues/%2F/retry")["messages"] == 1).then_some(())
    });
}

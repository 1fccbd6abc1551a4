//! Definitions exported, imported and loaded at a start.

use std::fs;

use serde_json::{Value, json};
use warren_tests::Broker;
use warren_tests::broker::Settings;
use warren_tests::http::Api;

use super::{names, start};

/// Definitions of one of each.
fn one_of_each() -> Value {
    json!({
        "rabbitmq_version": "3.13.7",
        "users": [{
            "name": "ann",
            // Of the password "pass", with the salt 908dc60a.
            "password_hash": "kI3GCuTlFZ0oxBZZp8HF1sXDxq51TtOtciyEfuwfW1Tvt//N",
            "hashing_algorithm": null,
            "tags": "management,policymaker",
            "limits": {"max-connections": 5},
        }],
        "vhosts": [{"name": "defs", "metadata": {"description": "d", "tags": ["t"]}}],
        "permissions": [
            {"user": "ann", "vhost": "defs", "configure": "", "write": "^w", "read": ".*"},
        ],
        "topic_permissions": [
            {"user": "ann", "vhost": "defs", "exchange": "x", "write": "^a", "read": "^b"},
        ],
        "parameters": [
            {"component": "vhost-limits", "vhost": "defs", "name": "limits",
             "value": {"max-queues": 50}},
            {"component": "operator_policy", "vhost": "defs", "name": "o",
             "value": {"pattern": "^q", "definition": {"max-length": 9}, "priority": 0,
                       "apply-to": "queues"}},
        ],
        "global_parameters": [{"name": "mine", "value": {"a": [1, 2.5, null]}}],
        "policies": [
            {"vhost": "defs", "name": "p", "pattern": "^q", "apply-to": "queues", "priority": 3,
             "definition": {"message-ttl": 60_000}},
        ],
        "exchanges": [
            {"vhost": "defs", "name": "x", "type": "topic", "durable": true, "auto_delete": false,
             "internal": false, "arguments": {"alternate-exchange": "amq.fanout"}},
        ],
        "queues": [
            {"vhost": "defs", "name": "q", "durable": true, "auto_delete": false, "type": "classic",
             "arguments": {"x-max-length": 5}},
        ],
        "bindings": [
            {"vhost": "defs", "source": "x", "destination": "q", "destination_type": "queue",
             "routing_key": "a.#", "arguments": {"n": 1}},
        ],
        "cats": ["unknown keys are passed over"],
    })
}

/// The lists of an export that are about a virtual host.
fn about(export: &Value, vhost: &str) -> Value {
    let mut lists = json!({});
    for (key, value) in export.as_object().unwrap() {
        if let Some(list) = value.as_array() {
            let mine: Vec<_> = list.iter().filter(|it| it["vhost"] == vhost).collect();
            lists[key] = json!(mine);
        }
    }
    lists
}

#[test]
fn what_is_exported_makes_the_same_broker_elsewhere() {
    let (_first, one) = start();
    assert_eq!(one.send("POST", "/definitions", Some(&one_of_each())).status, 204);
    let export = one.get("/definitions");
    let (_second, other) = start();
    assert_eq!(other.send("POST", "/definitions", Some(&export)).status, 204);
    let again = other.get("/definitions");
    assert_eq!(about(&again, "defs"), about(&export, "defs"));
    for key in ["vhosts", "global_parameters"] {
        assert_eq!(again[key], export[key], "{key}");
    }
    let ann = |export: &Value| export["users"].as_array().unwrap()[0].clone();
    assert_eq!(ann(&again), ann(&export));
    assert_eq!(other.as_user("ann", "pass").get("/whoami")["name"], "ann");
    // Once more changes nothing.
    let report = other.done("POST", "/definitions?report=true", Some(&again)).json();
    let counts = ["created", "updated", "failed", "kept"].map(|key| report[key].clone());
    assert_eq!(counts, [json!(0), json!(0), json!(0), json!(0)], "{report}");
}

#[test]
fn an_object_that_is_refused_does_not_keep_the_others_out() {
    let (_broker, api) = start();
    let mut file = one_of_each();
    file["queues"].as_array_mut().unwrap().extend([
        json!({"vhost": "nowhere", "name": "a"}),
        json!({"vhost": "defs", "name": "b", "arguments": {"x-message-ttl": -1}}),
        json!({"vhost": "defs"}),
        json!({"vhost": "defs", "name": "c", "durable": true}),
    ]);
    file["users"].as_array_mut().unwrap().push(json!({"name": "eve", "password": "x"}));
    let answer = api.send("POST", "/definitions", Some(&file));
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("bad_request")));
    let report = answer.json();
    assert_eq!(report["failed"], 4, "{report}");
    let refused = report["objects"].as_array().unwrap().iter();
    let refused: Vec<_> = refused
        .map(|it| (it["category"].as_str().unwrap(), it["name"].as_str().unwrap()))
        .collect();
    for object in [("users", "eve"), ("queues", "a"), ("queues", "b"), ("queues", "")] {
        assert!(refused.contains(&object), "{object:?} is not in {refused:?}");
    }
    assert_eq!(names(&api.get("/queues/defs?sort=name")), ["c", "q"]);
    assert_eq!(api.get("/bindings/defs/e/x/q/q")[0]["routing_key"], "a.#");
}

#[test]
fn a_dry_run_tells_what_would_be_and_changes_nothing() {
    let (_broker, api) = start();
    let before = api.get("/definitions");
    let report = api.done("POST", "/definitions?dry_run=true", Some(&one_of_each())).json();
    assert_eq!(report["failed"], 0);
    assert!(report["created"].as_u64().unwrap() > 9, "{report}");
    assert_eq!(api.get("/definitions"), before);
    api.done("POST", "/definitions", Some(&one_of_each()));
    let report = api.done("POST", "/definitions?dry_run=true", Some(&one_of_each())).json();
    assert_eq!((&report["created"], &report["failed"]), (&json!(0), &json!(0)), "{report}");
}

#[test]
fn what_cannot_change_is_left_as_it_is() {
    let (_broker, api) = start();
    api.done("POST", "/definitions", Some(&one_of_each()));
    let other = json!({
        "queues": [{"vhost": "defs", "name": "q", "durable": false}],
        "exchanges": [{"vhost": "defs", "name": "x", "type": "fanout", "durable": true}],
    });
    let report = api.done("POST", "/definitions?report=true", Some(&other)).json();
    assert_eq!((&report["kept"], &report["failed"]), (&json!(2), &json!(0)), "{report}");
    assert_eq!(api.get("/queues/defs/q")["arguments"], json!({"x-max-length": 5}));
    assert_eq!(api.get("/exchanges/defs/x")["type"], "topic");
}

#[test]
fn many_queues_are_imported_quickly() {
    let (_broker, api) = start();
    let queues: Vec<_> = (0..2000)
        .map(|number| json!({"vhost": "/", "name": format!("q{number}"), "durable": true}))
        .collect();
    let bindings: Vec<_> = (0..2000)
        .map(|number| {
            json!({"vhost": "/", "source": "amq.topic", "destination": format!("q{number}"),
                   "destination_type": "queue", "routing_key": format!("k.{number}")})
        })
        .collect();
    let file = json!({"queues": queues, "bindings": bindings});
    let started = std::time::Instant::now();
    api.done("POST", "/definitions", Some(&file));
    assert!(started.elapsed() < warren_tests::PATIENCE, "{:?}", started.elapsed());
    assert_eq!(api.get("/overview")["object_totals"]["queues"], 2000);
}

#[test]
fn definitions_are_loaded_before_anybody_may_connect() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("definitions.json");
    let mut definitions = one_of_each();
    definitions["users"][0]["tags"] = json!(["administrator"]);
    fs::write(&file, definitions.to_string()).unwrap();
    let config = format!("load_definitions = '{}'\n", file.display());
    let mut broker = Broker::with(Settings { config, ..Settings::default() });
    // The file says who there is: no user of ours beside.
    let guest = Api::of(&broker);
    assert_eq!(guest.status("GET", "/whoami", None), 401);
    let api = guest.as_user("ann", "pass");
    assert_eq!(names(&api.get("/vhosts")), ["defs"]);
    assert_eq!(names(&api.get("/users")), ["ann"]);
    // With every start it is carried out again.
    api.done("DELETE", "/queues/defs/q", None);
    broker.terminate();
    broker.restart();
    let api = Api::of(&broker).as_user("ann", "pass");
    assert_eq!(names(&api.get("/queues/defs")), ["q"]);
}

#[test]
fn a_file_that_cannot_be_loaded_keeps_the_broker_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("definitions.json");
    let config = folder.path().join("warren.toml");
    let data_dir = folder.path().join("data");
    fs::write(&config, format!("load_definitions = '{}'\n", file.display())).unwrap();
    let arguments = [
        "server",
        "--config",
        config.to_str().unwrap(),
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--amqp-listen",
        "127.0.0.1:0",
        "--http-listen",
        "127.0.0.1:0",
    ];
    for (content, words) in [
        (None, vec!["definitions.json"]),
        (Some("{\"queues\": ["), vec!["definitions.json", "failed_to_parse_json"]),
        (
            Some(r#"{"queues": [{"vhost": "nowhere", "name": "q"}]}"#),
            vec!["definitions.json", "queues q", "nowhere"],
        ),
    ] {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let ended = Broker::run_to_its_end(&arguments);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        for word in words {
            assert!(ended.log.contains(word), "{word} is not in: {}", ended.log);
        }
    }
}

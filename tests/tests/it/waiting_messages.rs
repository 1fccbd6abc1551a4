//! Messages that wait, over HTTP: seen, moved, lent, explained.

use std::collections::BTreeSet;

use lapin::BasicProperties;
use serde_json::{Value, json};
use warren_tests::http::Api;
use warren_tests::{Broker, PATIENCE, client, eventually};

const QUEUES: &str = "/queues/%2f";

fn ok(api: &Api, method: &str, path: &str, body: Option<&Value>) -> Value {
    let answer = api.send(method, path, body);
    assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

fn declare(api: &Api, queue: &str) {
    ok(api, "PUT", &format!("{QUEUES}/{queue}"), Some(&json!({"durable": true})));
}

/// Publishes persistent messages whose bodies are numbers, with the number in a header too, followed
/// by so many spaces.
fn publish(broker: &Broker, queue: &str, numbers: std::ops::Range<i32>, spaces: usize) {
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(broker).await;
        for number in numbers {
            let headers = client::table([("n", number)]);
            let properties = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
            let body = format!("{number}{}", " ".repeat(spaces));
            client::publish_with(&channel, "", queue, body.as_bytes(), properties).await;
        }
    });
}

/// The numbers of all messages that a look shows, page by page.
fn seen(api: &Api, queue: &str, query: &str) -> Vec<i32> {
    let mut numbers = vec![];
    let mut from = String::new();
    loop {
        let page =
            ok(api, "GET", &format!("{QUEUES}/{queue}/messages?count=7&{query}{from}"), None);
        for message in page["messages"].as_array().unwrap() {
            numbers.push(message["payload"].as_str().unwrap().trim().parse().unwrap());
        }
        match page["next"].as_str() {
            Some(next) => from = format!("&from={next}"),
            None => return numbers,
        }
    }
}

/// Waits for the end of a job.
fn finished(api: &Api, job: &Value) -> Value {
    eventually("the job ends", || {
        let job = ok(api, "GET", &format!("/jobs/{}", job["id"]), None);
        (job["state"] != "running").then_some(job)
    })
}

#[test]
fn messages_are_seen_in_memory_and_on_disk_and_none_is_taken() {
    let mut broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    // More than what a queue keeps in memory.
    publish(&broker, "q", 0..900, 16 * 1024);
    assert_eq!(seen(&api, "q", "truncate=9"), (0..900).collect::<Vec<_>>());
    let found = seen(&api, "q", "truncate=9&expression=headers.n%20%25%20100%20%3D%3D%207");
    assert_eq!(found, [7, 107, 207, 307, 407, 507, 607, 707, 807]);
    assert_eq!(seen(&api, "q", "truncate=9&header=n%3D555"), [555]);
    assert_eq!(seen(&api, "q", "truncate=9&body=898"), [898]);
    assert_eq!(seen(&api, "q", "key=other"), [0; 0]);
    broker.kill();
    broker.restart();
    assert_eq!(seen(&Api::of(&broker), "q", "truncate=9").len(), 900, "all of it is on disk now");
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        client::wait_until_ready(&channel, "q", 900).await;
    });
}

#[test]
fn wrong_questions_are_told_what_is_wrong() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    let status = |method: &str, path: &str, body: Value| {
        api.send(method, path, (!body.is_null()).then_some(&body)).status
    };
    for (path, expected) in [
        ("/queues/%2f/none/messages", 404),
        ("/queues/none/q/messages", 404),
        ("/queues/%2f/q/messages?from=x", 400),
        ("/queues/%2f/q/messages?count=x", 400),
        ("/queues/%2f/q/messages?expression=1%20%2B", 400),
        ("/queues/%2f/none/unacked", 404),
        ("/exchanges/%2f/none/unroutable", 200),
        ("/jobs/1", 404),
        ("/jobs/x", 404),
    ] {
        assert_eq!(status("GET", path, Value::Null), expected, "{path}");
    }
    for (body, expected) in [
        (json!({}), 400),
        (json!({"action": "burn"}), 400),
        (json!({"action": "move"}), 400),
        (json!({"action": "move", "to": {}}), 400),
        (json!({"action": "move", "to": {"queue": "q", "origin": true}}), 400),
        (json!({"action": "delete", "to": {"queue": "q"}}), 400),
        (json!({"action": "delete", "places": ["1"]}), 400),
        (json!({"action": "delete", "places": [], "filter": {}}), 400),
        (json!({"action": "delete", "filter": {"expression": "1 +"}}), 400),
        (json!({"action": "delete", "wrong": 1}), 400),
    ] {
        assert_eq!(status("POST", "/queues/%2f/q/jobs", body.clone()), expected, "{body}");
    }
    let nowhere = json!({"action": "delete"});
    assert_eq!(status("POST", "/queues/%2f/none/jobs", nowhere), 404);
    assert_eq!(status("POST", "/queues/%2f/q/lease", json!({"wait": -1})), 400);
    assert_eq!(status("POST", "/queues/%2f/none/lease", json!({})), 404);
    assert_eq!(status("POST", "/leases/none", json!({"ack": [1]})), 404);
    assert_eq!(status("PUT", "/queues/%2f/none/pause", Value::Null), 404);
    assert_eq!(status("POST", "/exchanges/%2f/none/explain", json!({})), 404);
}

#[test]
fn a_job_moves_what_a_filter_means_and_leaves_the_rest_in_order() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "from");
    declare(&api, "to");
    publish(&broker, "from", 0..500, 0);
    let wanted = json!({
        "action": "move",
        "filter": {"expression": "headers.n % 2 == 0"},
        "max": 200,
        "to": {"queue": "to"},
        "set_headers": {"moved": true},
        "remove_headers": ["n"],
    });
    let job = ok(&api, "POST", "/queues/%2f/from/jobs", Some(&wanted));
    let job = finished(&api, &job);
    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(200)), "{job}");
    let moved: Vec<i32> = (0..400).step_by(2).collect();
    assert_eq!(seen(&api, "to", "header=moved%3Dtrue"), moved);
    assert_eq!(seen(&api, "to", "header=n"), [0; 0]);
    let rest: Vec<i32> = (0..500).filter(|number| number % 2 == 1 || *number >= 400).collect();
    assert_eq!(seen(&api, "from", ""), rest);
}

#[test]
fn a_job_names_messages_by_their_places_and_copies_or_deletes_them() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    declare(&api, "copy");
    publish(&broker, "q", 0..5, 0);
    let page = ok(&api, "GET", "/queues/%2f/q/messages", None);
    let place = |number: usize| page["messages"][number]["place"].clone();
    let copy = json!({
        "action": "copy", "places": [place(1), place(3), "0-77"], "payload": "33",
        "to": {"exchange": "amq.default", "routing_key": "copy"},
    });
    let job = finished(&api, &ok(&api, "POST", "/queues/%2f/q/jobs", Some(&copy)));
    assert_eq!(job["done"], 2, "{job}");
    assert_eq!(seen(&api, "copy", ""), [33, 33]);
    let delete = json!({"action": "delete", "places": [place(0), place(4)]});
    let job = finished(&api, &ok(&api, "POST", "/queues/%2f/q/jobs", Some(&delete)));
    assert_eq!(job["done"], 2, "{job}");
    assert_eq!(seen(&api, "q", ""), [1, 2, 3]);
}

#[test]
fn messages_that_change_their_place_alone_keep_their_address() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    declare(&api, "shelf");
    ok(&api, "PUT", "/exchanges/%2f/x", Some(&json!({"type": "fanout"})));
    ok(&api, "POST", "/bindings/%2f/e/x/q/q", Some(&json!({})));
    let message = json!({
        "properties": {"user_id": "guest"}, "routing_key": "k", "payload": "1",
        "payload_encoding": "string",
    });
    ok(&api, "POST", "/exchanges/%2f/x/publish", Some(&message));
    ok(&api, "DELETE", "/exchanges/%2f/x", None);
    for (from, to) in [("q", "shelf"), ("shelf", "q")] {
        let wanted = json!({"action": "move", "to": {"queue": to, "keep_address": true}});
        let job = ok(&api, "POST", &format!("/queues/%2f/{from}/jobs"), Some(&wanted));
        assert_eq!(job["to"], wanted["to"], "{job}");
        let job = finished(&api, &job);
        assert_eq!((&job["done"], &job["to_look_at"]), (&json!(1), &json!(1)), "{job}");
    }
    let page = ok(&api, "GET", "/queues/%2f/q/messages", None);
    let back = &page["messages"][0];
    assert_eq!((&back["exchange"], &back["routing_key"]), (&json!("x"), &json!("k")), "{back}");
    assert_eq!(back["properties"]["user_id"], "guest", "{back}");
    let wrong = json!({"action": "move", "to": {"exchange": "x", "keep_address": true}});
    assert_eq!(api.send("POST", "/queues/%2f/q/jobs", Some(&wrong)).status, 400);
}

#[test]
fn what_no_queue_takes_stays_where_it_was() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    publish(&broker, "q", 0..20, 0);
    ok(
        &api,
        "PUT",
        "/queues/%2f/full",
        Some(&json!({
            "durable": true,
            "arguments": {"x-max-length": 5, "x-overflow": "reject-publish"},
        })),
    );
    let nowhere = json!({"action": "move", "to": {"queue": "nowhere"}});
    let job = finished(&api, &ok(&api, "POST", "/queues/%2f/q/jobs", Some(&nowhere)));
    assert_eq!((&job["done"], &job["unroutable"]), (&json!(0), &json!(20)), "{job}");
    let full = json!({"action": "move", "to": {"queue": "full"}});
    let job = finished(&api, &ok(&api, "POST", "/queues/%2f/q/jobs", Some(&full)));
    assert_eq!((&job["done"], &job["refused"]), (&json!(5), &json!(15)), "{job}");
    assert_eq!(seen(&api, "full", ""), [0, 1, 2, 3, 4]);
    assert_eq!(seen(&api, "q", ""), (5..20).collect::<Vec<_>>());
}

#[test]
fn a_dead_letter_goes_back_to_where_it_was_published() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "dead");
    ok(
        &api,
        "PUT",
        "/queues/%2f/work",
        Some(&json!({
            "durable": true,
            "arguments": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
        })),
    );
    publish(&broker, "work", 0..3, 0);
    let reject = json!({"count": 3, "ackmode": "reject_requeue_false", "encoding": "auto"});
    ok(&api, "POST", "/queues/%2f/work/get", Some(&reject));
    eventually("all are dead letters", || (seen(&api, "dead", "").len() == 3).then_some(()));
    let back = json!({"action": "move", "to": {"origin": true}});
    let job = finished(&api, &ok(&api, "POST", "/queues/%2f/dead/jobs", Some(&back)));
    assert_eq!(job["done"], 3, "{job}");
    assert_eq!(seen(&api, "work", ""), [0, 1, 2]);
}

#[test]
fn nothing_is_lost_when_the_broker_is_killed_while_messages_move() {
    const MESSAGES: i32 = 4_000;
    let mut broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "from");
    declare(&api, "to");
    publish(&broker, "from", 0..MESSAGES, 0);
    for _ in 0..3 {
        let api = Api::of(&broker);
        let wanted = json!({"action": "move", "to": {"queue": "to"}});
        let job = ok(&api, "POST", "/queues/%2f/from/jobs", Some(&wanted));
        let begun = ok(&api, "GET", &format!("/jobs/{}", job["id"]), None)["done"].clone();
        eventually("some have moved", || {
            let job = ok(&api, "GET", &format!("/jobs/{}", job["id"]), None);
            (job["done"] != begun || job["state"] != "running").then_some(())
        });
        broker.kill();
        broker.restart();
    }
    let api = Api::of(&broker);
    let mut found: BTreeSet<i32> = seen(&api, "from", "").into_iter().collect();
    found.extend(seen(&api, "to", ""));
    assert_eq!(found, (0..MESSAGES).collect());
}

#[test]
fn a_job_that_is_cancelled_stops_and_what_it_did_stays_done() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "from");
    declare(&api, "to");
    publish(&broker, "from", 0..3_000, 0);
    let wanted = json!({"action": "move", "to": {"queue": "to"}});
    let job = ok(&api, "POST", "/queues/%2f/from/jobs", Some(&wanted));
    ok(&api, "DELETE", &format!("/jobs/{}", job["id"]), None);
    let job = finished(&api, &job);
    assert!(job["state"] == "cancelled" || job["done"] == 3_000, "{job}");
    let done = job["done"].as_i64().unwrap() as i32;
    assert_eq!(seen(&api, "to", ""), (0..done).collect::<Vec<_>>());
    assert_eq!(seen(&api, "from", ""), (done..3_000).collect::<Vec<_>>());
}

#[test]
fn messages_are_lent_and_settled_or_come_back() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    let nothing = ok(&api, "POST", "/queues/%2f/q/lease", Some(&json!({"count": 3})));
    assert_eq!(nothing, json!({"lease": null, "messages": []}));
    publish(&broker, "q", 0..4, 0);
    let lent = ok(&api, "POST", "/queues/%2f/q/lease", Some(&json!({"count": 3, "lease": 3600})));
    assert_eq!(lent["messages"][2]["payload"], "2", "{lent}");
    assert_eq!(seen(&api, "q", ""), [3]);
    let unacked = ok(&api, "GET", "/queues/%2f/q/unacked?page_size=2", None);
    assert_eq!(unacked["total_count"], 3, "{unacked}");
    assert_eq!(unacked["items"].as_array().unwrap().len(), 2, "{unacked}");
    let lease = format!("/leases/{}", lent["lease"].as_str().unwrap());
    let wrong = api.send("POST", &lease, Some(&json!({"ack": [1, 9]})));
    assert_eq!(wrong.status, 400, "{wrong:?}");
    let left = ok(&api, "POST", &lease, Some(&json!({"ack": [1], "requeue": [2]})));
    assert_eq!(left, json!({"left": 1}));
    assert_eq!(seen(&api, "q", ""), [1, 3]);
    // The rest comes back when its time is over.
    ok(&api, "POST", &lease, Some(&json!({"extend": 0.1})));
    eventually("it is over", || (seen(&api, "q", "") == [1, 2, 3]).then_some(()));
    assert_eq!(api.send("POST", &lease, Some(&json!({"ack": [3]}))).status, 404);
    // The lease is its owner's alone.
    let lent = ok(&api, "POST", "/queues/%2f/q/lease", Some(&json!({"count": 1})));
    let user = json!({"password": "p", "tags": "management"});
    ok(&api, "PUT", "/users/other", Some(&user));
    let lease = format!("/leases/{}", lent["lease"].as_str().unwrap());
    let other = api.as_user("other", "p").send("POST", &lease, Some(&json!({"ack": [1]})));
    assert_eq!(other.status, 404, "{other:?}");
}

#[test]
fn a_lease_waits_for_a_first_message() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    let waits = {
        let api = api.clone();
        std::thread::spawn(move || {
            let wanted = json!({"wait": PATIENCE.as_secs()});
            ok(&api, "POST", "/queues/%2f/q/lease", Some(&wanted))
        })
    };
    publish(&broker, "q", 7..8, 0);
    assert_eq!(waits.join().unwrap()["messages"][0]["payload"], "7");
}

#[test]
fn a_paused_queue_delivers_again_after_a_restart_once_it_may_go_on() {
    let mut broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    ok(&api, "PUT", "/queues/%2f/q/pause", None);
    publish(&broker, "q", 0..1, 0);
    broker.kill();
    broker.restart();
    let api = Api::of(&broker);
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let mut consumer = client::consume(&channel, "q").await;
        // A message to another queue would have overtaken it by now.
        client::queue(&channel, "other").await;
        let mut other = client::consume(&channel, "other").await;
        client::publish(&channel, "", "other", b"first").await;
        assert_eq!(client::next(&mut other).await.data, b"first");
        ok(&api, "PUT", "/queues/%2f/q/resume", None);
        assert_eq!(client::next(&mut consumer).await.data, b"0");
    });
}

#[test]
fn the_way_of_a_message_is_explained_and_what_went_nowhere_is_shown() {
    let broker = Broker::own();
    let api = Api::of(&broker);
    declare(&api, "q");
    let key = json!({"routing_key": "order.*"});
    ok(&api, "POST", "/bindings/%2f/e/amq.topic/q/q", Some(&key));
    let message = json!({"routing_key": "order.created"});
    let explained = ok(&api, "POST", "/exchanges/%2f/amq.topic/explain", Some(&message));
    assert_eq!(explained["queues"], json!(["q"]), "{explained}");
    let message = json!({"routing_key": "order.created.twice"});
    let explained = ok(&api, "POST", "/exchanges/%2f/amq.topic/explain", Some(&message));
    let reason = &explained["steps"][0]["bindings"][0]["reason"];
    assert_eq!(reason, "the key has 3 words, the pattern 2", "{explained}");
    assert_eq!(explained["steps"][0]["bindings"][0]["distance"], 100, "{explained}");
    let lost = json!({
        "routing_key": "order.created.twice", "payload": "lost", "payload_encoding": "string",
        "properties": {"headers": {"a": 1}},
    });
    let sent = ok(&api, "POST", "/exchanges/%2f/amq.topic/publish", Some(&lost));
    assert_eq!(sent["routed"], false);
    let shown = ok(&api, "GET", "/exchanges/%2f/amq.topic/unroutable", None);
    assert_eq!(shown["total_count"], 1, "{shown}");
    assert_eq!(shown["items"][0]["payload"], "lost", "{shown}");
    assert_eq!(shown["items"][0]["properties"]["headers"]["a"], 1, "{shown}");
}

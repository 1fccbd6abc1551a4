//! Lists of many objects.

use serde_json::json;

use super::{names, start};

#[test]
fn pages_of_queues_are_whole_and_quick() {
    let (_broker, api) = start();
    let queues: Vec<_> = (0..3000)
        .map(|number| json!({"vhost": "/", "name": format!("q{number:04}"), "durable": false}))
        .collect();
    api.done("POST", "/definitions", Some(&json!({"queues": queues})));
    let page = api.get("/queues?page=6&page_size=500&sort=name&columns=name");
    assert_eq!(page["items"][499], json!({"name": "q2999"}));
    let page = api.get("/queues?page=1&name=%5Eq1.*7%24&use_regex=true&page_size=500");
    assert_eq!((&page["total_count"], &page["filtered_count"]), (&json!(3000), &json!(100)));
    // A list without pages is sent as it is made.
    let all = api.send("GET", "/queues?sort=name&sort_reverse=true", None);
    assert_eq!(all.header("transfer-encoding"), Some("chunked"));
    let all = names(&all.json());
    assert_eq!((all.len(), all[0].as_str()), (3000, "q2999"));
    assert!(all.is_sorted_by(|a, b| a > b));
}

#[test]
fn numbers_of_messages_can_be_sorted_by() {
    let (_broker, api) = start();
    for (queue, count) in [("few", 1), ("none", 0), ("many", 3)] {
        api.done("PUT", &format!("/queues/%2F/{queue}"), Some(&json!({})));
        for _ in 0..count {
            let message = super::message(queue, "x");
            api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message));
        }
    }
    for (path, expected) in [
        ("messages_ready", ["none", "few", "many"]),
        ("message_stats.publish", ["none", "few", "many"]),
        ("message_bytes&sort_reverse=true", ["many", "few", "none"]),
    ] {
        let found = names(&api.get(&format!("/queues?sort={path}&columns=name")));
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn a_list_without_pages_may_be_of_those_with_something_in_their_names() {
    let (_broker, api) = start();
    for queue in ["orders.eu", "more.Orders", "c"] {
        api.done("PUT", &format!("/queues/%2F/{queue}"), Some(&json!({})));
    }
    assert_eq!(names(&api.get("/queues?named=ORDERS")), ["more.Orders", "orders.eu"]);
    let page = api.get("/queues?page=1&named=orders&name=eu&columns=name");
    assert_eq!(page["items"], json!([{"name": "orders.eu"}]));
    assert_eq!((&page["total_count"], &page["filtered_count"]), (&json!(2), &json!(1)));
    assert_eq!(api.get("/queues?named=nothing"), json!([]));
}

#[test]
fn of_many_queues_those_that_hold_messages_are_listed() {
    let (_broker, api) = start();
    for queue in ["b.full", "a.full", "empty"] {
        api.done("PUT", &format!("/queues/%2F/{queue}"), Some(&json!({})));
    }
    for queue in ["b.full", "a.full", "b.full"] {
        let message = super::message(queue, "x");
        api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message));
    }
    assert_eq!(names(&api.get("/queues?holding=true")), ["a.full", "b.full"]);
    let page =
        api.get("/queues/%2F?holding=true&page=1&page_size=1&sort=messages&sort_reverse=true");
    assert_eq!(page["items"][0]["name"], "b.full");
    assert_eq!(page["total_count"], 2);
    api.done("DELETE", "/queues/%2F/a.full/contents", None);
    api.done("DELETE", "/queues/%2F/b.full", None);
    assert_eq!(api.get("/queues?holding=true"), json!([]));
}

#[test]
fn objects_whose_names_begin_so_are_left_out() {
    let (_broker, api) = start();
    for queue in ["trash.a", "a.trash.b", "c"] {
        api.done("PUT", &format!("/queues/%2F/{queue}"), Some(&json!({})));
    }
    assert_eq!(names(&api.get("/queues?without=trash.&sort=name")), ["a.trash.b", "c"]);
    let page = api.get("/queues?page=1&without=trash.&name=trash&columns=name");
    assert_eq!(page["items"], json!([{"name": "a.trash.b"}]));
    assert_eq!((&page["total_count"], &page["filtered_count"]), (&json!(2), &json!(1)));
    assert_eq!(names(&api.get("/queues?without=")).len(), 3);
}

//! The audit log over HTTP.

use serde_json::{Value, json};
use warren_tests::eventually;

use super::{message, start};

/// What the log says was done to what, the newest first.
fn told(page: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = page["entries"].as_array().unwrap().iter();
    entries.map(|entry| (text(&entry["what"]), text(&entry["result"]))).collect()
}

#[test]
fn what_is_done_over_http_is_told_with_who_and_from_where() {
    let (_broker, api) = start();
    api.done("PUT", "/users/ann", Some(&json!({"password": "secret", "tags": "management"})));
    api.done("PUT", "/queues/%2F/q", Some(&json!({})));
    api.done("PUT", "/queues/%2F/q", Some(&json!({})));
    api.done("POST", "/exchanges/%2F/amq.default/publish", Some(&message("q", "text")));
    api.done("DELETE", "/queues/%2F/q/contents", None);
    api.done("PUT", "/queues/%2F/q/pause", None);
    api.done("POST", "/bindings/%2F/e/amq.topic/q/q", Some(&json!({"routing_key": "a.*"})));
    assert_eq!(api.status("DELETE", "/queues/%2F/other", None), 404);
    api.done("DELETE", "/queues/%2F/q", None);
    let expected = [
        ("delete queue \"q\" in \"/\"", "deleted"),
        ("delete queue \"other\" in \"/\"", "refused"),
        ("bind \"q\" to \"amq.topic\" in \"/\"", "created"),
        ("pause queue \"q\" in \"/\"", "updated"),
        ("purge queue \"q\" in \"/\"", "deleted"),
        ("declare queue \"q\" in \"/\"", "unchanged"),
        ("declare queue \"q\" in \"/\"", "created"),
        ("set user \"ann\" with a new password, tags [\"management\"]", "created"),
    ];
    let expected = expected.map(|(what, result)| (what.to_owned(), result.to_owned()));
    let page = eventually("all entries", || {
        let page = api.get("/audit?count=8");
        (told(&page) == expected).then_some(page)
    });
    let newest = &page["entries"][0];
    let who = (&newest["user"], &newest["address"], &newest["via"]);
    assert_eq!(who, (&json!("guest"), &json!("127.0.0.1"), &json!("http")));
    assert!(page["entries"][1]["reason"].is_string(), "{page}");
    // Page by page.
    let first = api.get("/audit?count=3");
    let second = api.get(&format!("/audit?count=5&below={}", first["next"]));
    assert_eq!([told(&first), told(&second)].concat(), expected);
    assert_eq!(api.status("GET", "/audit?below=x", None), 400);
    assert_eq!(api.as_user("ann", "secret").status("GET", "/audit", None), 401);
}

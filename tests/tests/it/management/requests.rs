//! What all requests have in common.

use serde_json::json;
use warren_tests::broker::Settings;
use warren_tests::http::{Api, send};
use warren_tests::{Broker, http};

use super::start;

#[test]
fn an_answer_is_compressed_if_the_client_can_read_it() {
    let (_broker, api) = start();
    let plain = api.send_bytes("GET", "/overview", &[], b"");
    assert_eq!(plain.header("content-encoding"), None);
    let headers = [("Accept-Encoding", "gzip")];
    let packed = api.send_bytes("GET", "/overview", &headers, b"");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("accept-encoding, origin"));
}

#[test]
fn a_body_has_its_limit() {
    let config = "[http]\nbody_bytes_max = 1000\n".to_owned();
    let broker = Broker::with(Settings { config, ..Settings::default() });
    let api = Api::of(&broker);
    let long = json!({"description": "x".repeat(2000)});
    let answer = api.send("PUT", "/vhosts/long", Some(&long));
    assert_eq!((answer.status, answer.json()["error"].as_str()), (413, Some("payload_too_large")));
    assert_eq!(api.status("GET", "/vhosts/long", None), 404);
    let short = json!({"description": "x".repeat(500)});
    assert_eq!(api.status("PUT", "/vhosts/short", Some(&short)), 201);
}

#[test]
fn pages_from_elsewhere_may_use_the_api_only_if_that_is_configured() {
    let (_broker, api) = start();
    let origin = [("Origin", "https://console.example")];
    let preflight = [
        ("Origin", "https://console.example"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    let answer = api.send_bytes("GET", "/whoami", &origin, b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));

    let config = "[http]\ncors_allow_origins = ['https://console.example']\n".to_owned();
    let broker = Broker::with(Settings { config, ..Settings::default() });
    let api = Api::of(&broker);
    let answer = api.send_bytes("GET", "/whoami", &origin, b"");
    let allowed = Some("https://console.example");
    assert_eq!(answer.header("access-control-allow-origin"), allowed);
    let answer = api.as_nobody().send_bytes("OPTIONS", "/vhosts/x", &preflight, b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, allowed));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PUT"));
    let other = [("Origin", "https://evil.example")];
    let answer = api.send_bytes("GET", "/whoami", &other, b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn answers_say_that_they_are_no_pages() {
    let (broker, api) = start();
    let answer = api.send("GET", "/queues", None);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let reference = http::get(broker.http_address(), "/api/index.html");
    assert!(reference.body.contains("/api/queues/{vhost}"), "{}", reference.body);
    assert_eq!(http::get(broker.http_address(), "/api/openapi.json").json()["openapi"], "3.1.0");
    assert_eq!(http::get(broker.http_address(), "/api/").status, 301);
}

#[test]
fn nonsense_is_answered_and_does_no_harm() {
    let (broker, api) = start();
    for (method, path, body) in [
        ("PUT", "/queues/%2F/q", &b"{"[..]),
        ("PUT", "/queues/%2F/q", b"[]"),
        ("PUT", "/queues/%2F/q", b"\"{}\""),
        ("PUT", "/queues/%2F/q", b"{\"arguments\": \"x\"}"),
        ("PUT", "/queues/%2F/q", b"{\"durable\": \"\xff\"}"),
        ("PUT", "/exchanges/%2F/x", b"{\"type\": 5}"),
        ("POST", "/exchanges/%2F/amq.direct/publish", b"{\"payload\": null}"),
        ("POST", "/queues/%2F/q/get", b"{\"count\": {}}"),
        ("PUT", "/users/u", b"{\"tags\": 5}"),
        ("PUT", "/permissions/%2F/guest", b"{\"configure\": 1, \"write\": 2, \"read\": 3}"),
        ("PUT", "/policies/%2F/p", b"{\"pattern\": \".*\", \"definition\": []}"),
        ("POST", "/users/bulk-delete", b"{\"users\": \"guest\"}"),
    ] {
        let answer = api.send_bytes(method, path, &[], body);
        let told = format!("{method} {path} {}", String::from_utf8_lossy(body));
        assert_eq!(answer.status, 400, "{told}: {answer:?}");
        assert_eq!(answer.json()["error"], "bad_request", "{told}");
    }
    let deep = [b"{\"arguments\":{\"a\":".to_vec(), vec![b'['; 100_000]].concat();
    assert_eq!(api.send_bytes("PUT", "/queues/%2F/q", &[], &deep).status, 400);
    let answer = send(broker.http_address(), "BREW", "/api/queues", &[], b"");
    assert_eq!(answer.status, 405);
    assert_eq!(api.get("/queues"), json!([]));
    assert_eq!(api.get("/users").as_array().unwrap().len(), 1);
}

//! Logins by HTTP: passwords, tokens, sessions of browsers, and waits after failed logins.

use serde_json::json;
use warren_tests::broker::Settings;
use warren_tests::http::{Answer, send};
use warren_tests::tokens::{Issuer, Key, claims};
use warren_tests::wire::{Tune, Wire};
use warren_tests::{Broker, eventually};

/// `guest:guest` in base64.
const GUEST: (&str, &str) = ("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=");
/// `guest:wrong`.
const WRONG: (&str, &str) = ("Authorization", "Basic Z3Vlc3Q6d3Jvbmc=");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn with(config: &str) -> Broker {
    Broker::with(Settings { config: config.into(), ..Settings::default() })
}

fn whoami(broker: &Broker, header: (&str, &str)) -> Answer {
    send(broker.http_address(), "GET", "/api/whoami", &[header], "")
}

/// A browser that has signed in.
struct Browser<'b> {
    broker: &'b Broker,
    cookie: String,
    csrf: String,
}

impl<'b> Browser<'b> {
    fn sign_in(broker: &'b Broker) -> Self {
        Self::sign_in_as(broker, "username=guest&password=guest", &[])
    }

    fn sign_in_as(broker: &'b Broker, form: &str, more: &[(&str, &str)]) -> Self {
        let headers = [&[FORM], more].concat();
        let answer = send(broker.http_address(), "POST", "/api/login", &headers, form);
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let csrf = answer.json()["csrf_token"].as_str().unwrap().to_owned();
        Self { broker, cookie, csrf }
    }

    fn send(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("Cookie", self.cookie.as_str())], more].concat();
        send(self.broker.http_address(), method, path, &headers, body)
    }

    fn is_in(&self) -> bool {
        self.send("GET", "/api/whoami", &[], "").status == 200
    }

    /// A request that changes something, as scripts of the broker's own pages send it.
    fn put_queue(&self, more: &[(&str, &str)]) -> Answer {
        self.send("PUT", "/api/queues/%2F/q", &[&[JSON], more].concat(), "{}")
    }
}

#[test]
fn a_token_is_taken_as_bearer_and_as_password() {
    let issuer = Issuer::start();
    let broker = with(&issuer.config());
    let scopes = "rabbitmq.tag:monitoring rabbitmq.read:*/*";
    let token = issuer.token("anna", 3_600, scopes);
    let as_bearer = whoami(&broker, ("Authorization", &format!("Bearer {token}")));
    let expected = json!({
        "name": "anna",
        "tags": ["monitoring"],
        "is_internal_user": false,
        "login_session_timeout": 480,
    });
    assert_eq!((as_bearer.status, as_bearer.json()), (200, expected.clone()));
    let browser = Browser::sign_in_as(&broker, &format!("username=&password={token}"), &[]);
    assert_eq!(browser.send("GET", "/api/whoami", &[], "").json(), expected);
    // The tag lets one look, and no scope lets one declare.
    let bearer = ("Authorization", format!("Bearer {token}"));
    let bearer = (bearer.0, bearer.1.as_str());
    let put = |path| send(broker.http_address(), "PUT", path, &[bearer, JSON], "{}").status;
    assert_eq!(put("/api/queues/%2F/q"), 401);
    assert_eq!(put("/api/users/otto"), 401);
    let bad = Key::new("first").sign(&claims("anna", 3_600, scopes));
    let refused = whoami(&broker, ("Authorization", &format!("Bearer {bad}")));
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").is_some());
    let untagged = issuer.token("anna", 3_600, "rabbitmq.read:*/*");
    assert_eq!(whoami(&broker, ("Authorization", &format!("Bearer {untagged}"))).status, 401);
    let log = broker.log();
    for token in [token, bad, untagged] {
        assert!(!log.contains(token.rsplit('.').next().unwrap()), "{log}");
    }
}

#[test]
fn a_session_ends_with_the_token_that_it_began_with() {
    let issuer = Issuer::start();
    let broker = with(&issuer.config());
    let token = issuer.token("anna", 2, "rabbitmq.tag:monitoring");
    let browser = Browser::sign_in_as(&broker, &format!("username=&password={token}"), &[]);
    eventually("the session is over", || (!browser.is_in()).then_some(()));
}

#[test]
fn whoever_signs_in_gets_a_cookie_that_scripts_cannot_read() {
    let broker = Broker::own();
    let form = "username=guest&password=guest";
    let answer = send(broker.http_address(), "POST", "/api/login", &[FORM], form);
    assert_eq!(answer.status, 200);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("warren_session="), "{cookie}");
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Max-Age"), "{cookie}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json()["name"], "guest");
    assert_eq!(answer.json()["login_session_timeout"], 480);
    for bad in ["username=guest&password=wrong", "username=&password=", "username=x&password=guest"]
    {
        let answer = send(broker.http_address(), "POST", "/api/login", &[FORM], bad);
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{bad}");
    }
    for bad in ["username=guest", "", "password=guest", "username=guest&password=a&password=b"] {
        let answer = send(broker.http_address(), "POST", "/api/login", &[FORM], bad);
        assert_eq!((answer.status, answer.header("set-cookie")), (400, None), "{bad}");
    }
    let no_form = r#"{"username": "guest", "password": "guest"}"#;
    assert_eq!(send(broker.http_address(), "POST", "/api/login", &[JSON], no_form).status, 400);
}

#[test]
fn whoever_signs_out_is_out() {
    let broker = Broker::own();
    let (browser, other) = (Browser::sign_in(&broker), Browser::sign_in(&broker));
    assert!(browser.is_in());
    assert_eq!(browser.send("DELETE", "/api/login", &[], "").status, 403, "a page of others");
    let out = browser.send("DELETE", "/api/login", &[("x-csrf-token", &browser.csrf)], "");
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!browser.is_in());
    assert!(other.is_in());
    let forged = Browser { cookie: "warren_session=guess".to_owned(), ..browser };
    assert!(!forged.is_in());
}

#[test]
fn a_change_in_a_session_needs_its_secret() {
    let broker = Broker::own();
    let (browser, other) = (Browser::sign_in(&broker), Browser::sign_in(&broker));
    for (what, headers) in [
        ("none", vec![]),
        ("an empty one", vec![("x-csrf-token", "")]),
        ("that of another session", vec![("x-csrf-token", other.csrf.as_str())]),
        ("two", vec![("x-csrf-token", browser.csrf.as_str()), ("x-csrf-token", "x")]),
    ] {
        let answer = browser.put_queue(&headers);
        assert_eq!(answer.status, 403, "{what}");
        assert_eq!(answer.json()["error"], "forbidden");
    }
    assert_eq!(browser.put_queue(&[("x-csrf-token", &browser.csrf)]).status, 201);
    // In a form it is a field. The route takes no form, so that this shows in another refusal.
    let form = format!("a=b&csrf_token={}", browser.csrf);
    assert_eq!(browser.send("POST", "/api/users/bulk-delete", &[FORM], &form).status, 400);
    assert_eq!(browser.send("POST", "/api/users/bulk-delete", &[FORM], "a=b").status, 403);
    // Nobody adds these but whoever has them.
    let put = |header| {
        let headers = [header, JSON];
        send(broker.http_address(), "PUT", "/api/queues/%2F/other", &headers, "{}").status
    };
    assert_eq!(put(GUEST), 201);
    // The page gets the secret again when it is loaded anew.
    let again = browser.send("GET", "/api/login", &[], "");
    assert_eq!(again.json()["csrf_token"], browser.csrf.as_str());
    assert_eq!(send(broker.http_address(), "GET", "/api/login", &[GUEST], "").status, 404);
}

#[test]
fn a_page_of_others_can_change_nothing() {
    let broker = Broker::own();
    let browser = Browser::sign_in(&broker);
    let token = ("x-csrf-token", browser.csrf.as_str());
    let own = format!("http://{}", broker.http_address());
    for header in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        assert_eq!(browser.put_queue(&[token, header]).status, 403, "{header:?}");
        let form = "username=guest&password=guest";
        let login = send(broker.http_address(), "POST", "/api/login", &[FORM, header], form);
        assert_eq!((login.status, login.header("set-cookie")), (403, None), "{header:?}");
    }
    assert_eq!(browser.put_queue(&[token, ("Origin", &own)]).status, 201);
}

#[test]
fn behind_a_proxy_that_is_trusted_the_cookie_is_for_encrypted_ways() {
    let broker = with("[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let proxy = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "broker.example"),
        ("X-Forwarded-For", "127.0.0.9"),
        ("Origin", "https://broker.example"),
    ];
    let browser = Browser::sign_in_as(&broker, "username=guest&password=guest", &proxy);
    assert!(browser.cookie.starts_with("__Host-warren_session="), "{}", browser.cookie);
    assert!(!browser.is_in(), "the cookie is not for another way");
    assert_eq!(browser.send("GET", "/api/whoami", &proxy, "").status, 200);
    // guest may come from the machine itself only, wherever the proxy is.
    let elsewhere = [("X-Forwarded-For", "192.0.2.1"), GUEST];
    assert_eq!(send(broker.http_address(), "GET", "/api/whoami", &elsewhere, "").status, 401);
    assert_eq!(whoami(&broker, GUEST).status, 200);
}

#[test]
fn the_word_of_a_proxy_that_is_not_trusted_means_nothing() {
    let broker = Broker::own();
    let headers = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")];
    let browser = Browser::sign_in_as(&broker, "username=guest&password=guest", &headers);
    assert!(browser.cookie.starts_with("warren_session="), "{}", browser.cookie);
}

#[test]
fn a_session_is_over_after_a_restart() {
    let mut broker = Broker::own();
    let Browser { cookie, csrf, .. } = Browser::sign_in(&broker);
    broker.terminate();
    broker.restart();
    assert!(!Browser { broker: &broker, cookie, csrf }.is_in());
}

#[test]
fn secrets_of_sessions_are_not_in_the_log() {
    let broker = with("log_level = \"debug\"");
    let browser = Browser::sign_in(&broker);
    assert_eq!(browser.put_queue(&[]).status, 403);
    assert_eq!(browser.put_queue(&[("x-csrf-token", &browser.csrf)]).status, 201);
    let (_, name) = browser.cookie.split_once('=').unwrap();
    let log = broker.log();
    assert!(!log.contains(name) && !log.contains(&browser.csrf), "{log}");
}

#[test]
fn whoever_fails_often_has_to_wait_by_http_and_by_amqp() {
    let broker = Broker::own();
    for _ in 0..6 {
        assert_eq!(whoami(&broker, WRONG).status, 401);
    }
    // Also with the right password, which is not looked at.
    let answer = whoami(&broker, GUEST);
    assert_eq!(answer.status, 429);
    let expected =
        json!({"error": "too_many_requests", "reason": "Too many failed logins, try again later"});
    assert_eq!(answer.json(), expected);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(seconds, 1);
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("PLAIN", b"\0guest\0guest");
    let close = wire.expect_close();
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details \
                see the broker logfile.";
    assert_eq!((close.code, close.text.as_str()), (403, text));
    // After the wait all is well.
    eventually("the wait is over", || (whoami(&broker, GUEST).status == 200).then_some(()));
    Wire::open(broker.amqp_address()).close();
}

#[test]
fn another_user_does_not_have_to_wait() {
    let broker = Broker::own();
    for _ in 0..6 {
        // `other:wrong`
        whoami(&broker, ("Authorization", "Basic b3RoZXI6d3Jvbmc="));
    }
    assert_eq!(whoami(&broker, ("Authorization", "Basic b3RoZXI6d3Jvbmc=")).status, 429);
    assert_eq!(whoami(&broker, GUEST).status, 200);
}

/// Counts of a protocol, as the API tells them.
fn counts(broker: &Broker, path: &str) -> serde_json::Value {
    let answer = send(broker.http_address(), "GET", path, &[GUEST], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn logins_are_counted() {
    let broker = with("track_auth_attempt_source = true");
    let overview = send(broker.http_address(), "GET", "/api/overview", &[GUEST], "").json();
    let node = overview["node"].as_str().unwrap();
    let path = format!("/api/auth/attempts/{node}");
    let reset = send(broker.http_address(), "DELETE", &path, &[GUEST], "");
    assert_eq!(reset.status, 204);
    whoami(&broker, WRONG);
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("PLAIN", b"\0guest\0guest");
    wire.expect_method(0, (10, 30));
    wire.send_tune_ok(Tune::default());
    let all = counts(&broker, &path);
    let expected = json!([
        {
            "protocol": "amqp091",
            "auth_attempts": 1,
            "auth_attempts_failed": 0,
            "auth_attempts_succeeded": 1,
        },
        // The failed one, and the request itself.
        {
            "protocol": "http",
            "auth_attempts": 2,
            "auth_attempts_failed": 1,
            "auth_attempts_succeeded": 1,
        },
    ]);
    assert_eq!(all, expected);
    let sources = counts(&broker, &format!("{path}/source"));
    assert_eq!(sources[0]["remote_address"], "127.0.0.1");
    assert_eq!(sources[0]["username"], "guest");
    assert_eq!(sources[0]["protocol"], "amqp091");
    assert_eq!(sources[0]["auth_attempts"], 1);
    assert_eq!(sources.as_array().unwrap().len(), 2);
    let elsewhere = send(broker.http_address(), "GET", "/api/auth/attempts/other", &[GUEST], "");
    assert_eq!(elsewhere.status, 404);
}

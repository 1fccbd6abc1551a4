//! Bearer tokens as passwords: who gets in, what that allows, how it ends and goes on.

use lapin::options::{BasicPublishOptions, ExchangeBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Error, ErrorKind};
use serde_json::json;
use warren_tests::broker::Settings;
use warren_tests::client::{connect_to, run, soon};
use warren_tests::tokens::{Issuer, Key, claims, now};
use warren_tests::wire::{Close, Tune, Wire, long_string, short_string};
use warren_tests::{Broker, eventually};

/// Everything everywhere.
const ALL: &str =
    "rabbitmq.configure:*/*/* rabbitmq.write:*/*/* rabbitmq.read:*/*/* rabbitmq.tag:management";

/// Nobody waits for these tokens to expire.
const LONG: u64 = 3_600;

fn broker(issuer: &Issuer) -> Broker {
    with(issuer.config())
}

fn with(config: String) -> Broker {
    Broker::with(Settings { config, ..Settings::default() })
}

/// As far as the answer to the login.
fn start_ok(broker: &Broker, mechanism: &str, response: &[u8]) -> Wire {
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login(mechanism, response);
    wire
}

fn plain(token: &str) -> Vec<u8> {
    [b"\0anybody\0", token.as_bytes()].concat()
}

/// A connection by hand to the virtual host `/`, with channel 1.
fn open(broker: &Broker, token: &str) -> Wire {
    let mut wire = start_ok(broker, "PLAIN", &plain(token));
    wire.expect_method(0, (10, 30));
    wire.send_tune_ok(Tune::default());
    wire.send_open("/");
    wire.expect_method(0, (10, 41));
    wire.open_channel(1);
    wire
}

async fn connect(broker: &Broker, token: &str) -> Connection {
    let uri = format!("amqp://ignored:{token}@{}/%2f", broker.amqp_address());
    connect_to(&uri).await.expect("the token is good")
}

async fn channel(connection: &Connection) -> Channel {
    soon("a channel", connection.create_channel()).await.unwrap()
}

/// Code and text by which the broker refused something.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    match result.expect_err("it is refused").kind() {
        ErrorKind::ProtocolError(error) => (error.get_id(), error.get_message().to_string()),
        other => panic!("{other:?}"),
    }
}

fn refused_login(broker: &Broker, token: &str) -> Close {
    start_ok(broker, "PLAIN", &plain(token)).expect_close()
}

#[test]
fn a_token_lets_a_client_in_under_the_name_that_it_says() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    run(async {
        let connection = connect(&broker, &issuer.token("anna", LONG, ALL)).await;
        let channel = channel(&connection).await;
        let name = broker.name("q");
        channel
            .queue_declare(
                name.as_str().into(),
                QueueDeclareOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        // Messages can be in one's own name alone, so that the broker must know it.
        let own = BasicProperties::default().with_user_id("anna".into());
        let publish = channel.basic_publish(
            "".into(),
            name.as_str().into(),
            BasicPublishOptions::default(),
            b"x",
            own,
        );
        publish.await.unwrap();
        soon("close", connection.close(200, "bye".into())).await.unwrap();
    });
    assert!(broker.log().contains("anna"), "{}", broker.log());
}

#[test]
fn both_password_mechanisms_take_tokens() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let token = issuer.token("anna", LONG, ALL);
    let mut wire = start_ok(&broker, "PLAIN", &plain(&token));
    wire.expect_method(0, (10, 30));
    let mut table = short_string("LOGIN");
    table.push(b'S');
    table.extend(long_string(b""));
    table.extend(short_string("PASSWORD"));
    table.push(b'S');
    table.extend(long_string(token.as_bytes()));
    let mut wire = start_ok(&broker, "AMQPLAIN", &table);
    wire.expect_method(0, (10, 30));
}

#[test]
fn passwords_are_taken_as_before() {
    let broker = broker(&Issuer::start());
    Wire::open(broker.amqp_address()).close();
    let without_tokens = Broker::own();
    let token = Issuer::start().token("guest", LONG, ALL);
    assert_eq!(refused_login(&without_tokens, &token).code, 403);
}

#[test]
fn a_bad_token_is_refused_as_a_wrong_password_is() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let other = Key::new("first");
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = claims("anna", LONG, ALL);
        claims[name] = value;
        issuer.sign(&claims)
    };
    let good = issuer.token("anna", LONG, ALL);
    let (body, _) = good.rsplit_once('.').unwrap();
    let bad = [
        ("of somebody else", other.sign(&claims("anna", LONG, ALL))),
        ("with an unknown key", Key::new("unknown").sign(&claims("anna", LONG, ALL))),
        ("that has expired", with("exp", json!(now() - 1))),
        ("that never expires", with("exp", json!(null))),
        ("that is not good yet", with("nbf", json!(now() + LONG))),
        ("for another broker", with("aud", json!(["other"]))),
        ("of nobody", with("sub", json!(""))),
        ("without signature", format!("{body}.")),
    ];
    let expected = Close {
        whole_connection: true,
        code: 403,
        text:
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details \
               see the broker logfile."
                .to_owned(),
        blamed: (0, 0),
    };
    for (what, token) in &bad {
        assert_eq!(refused_login(&broker, token), expected, "a token {what}");
    }
    let why = ["signature", "key is not known", "expired", "exp is missing", "before", "audience"];
    eventually("all reasons are in the log", || {
        why.iter().all(|reason| broker.log().contains(reason)).then_some(())
    });
}

#[test]
fn neither_tokens_nor_secrets_are_in_the_log() {
    let issuer = Issuer::start();
    let secret = "a canary of sixty-four bytes that is nobody's business at all, 64";
    let keys = format!("[oauth2.signing_keys.own]\nalgorithm = \"HS512\"\nsecret = \"{secret}\"\n");
    let broker = with(format!("log_level = \"debug\"\n{}{keys}", issuer.config()));
    let good = issuer.token("anna", LONG, ALL);
    let bad = Key::new("first").sign(&claims("anna", LONG, ALL));
    let mut wire = open(&broker, &good);
    refused_login(&broker, &bad);
    renew(&mut wire, &bad);
    assert_eq!(wire.expect_close().code, 530);
    eventually("the refusal is in the log", || {
        broker.log().contains("a new secret is refused").then_some(())
    });
    let log = broker.log();
    let parts = [good, bad].map(|token| token.rsplit('.').next().unwrap().to_owned());
    for canary in parts.iter().map(String::as_str).chain(["canary"]) {
        assert!(!log.contains(canary), "{log}");
    }
}

#[test]
fn scopes_say_which_virtual_hosts_may_be_opened() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let refused = |scopes: &str| {
        let mut wire = start_ok(&broker, "PLAIN", &plain(&issuer.token("anna", LONG, scopes)));
        wire.expect_method(0, (10, 30));
        wire.send_tune_ok(Tune::default());
        wire.send_open("/");
        let close = wire.expect_close();
        (close.code, close.text, close.blamed)
    };
    let text = "NOT_ALLOWED - access to vhost '/' refused for user 'anna'".to_owned();
    for scopes in ["", "rabbitmq.read:other/*", "rabbitmq.tag:administrator", "other.read:*/*"] {
        assert_eq!(refused(scopes), (530, text.clone(), (10, 40)), "{scopes}");
    }
    open(&broker, &issuer.token("anna", LONG, "rabbitmq.read:%2F/nothing"));
}

#[test]
fn scopes_say_what_may_be_done() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let scopes =
        "rabbitmq.configure:%2F/own-* rabbitmq.write:%2F/own-*/eu.* rabbitmq.read:%2F/own-*";
    run(async {
        let connection = connect(&broker, &issuer.token("anna", LONG, scopes)).await;
        let declare = async |name: &str| {
            let (options, arguments) = (QueueDeclareOptions::default(), FieldTable::default());
            channel(&connection).await.queue_declare(name.into(), options, arguments).await
        };
        declare("own-queue").await.unwrap();
        let (code, text) = refusal(declare("another").await);
        assert_eq!(code, 403);
        assert_eq!(
            text,
            "ACCESS_REFUSED - configure access to queue 'another' in vhost '/' refused for user \
             'anna'"
        );
    });
    // By hand, as a refused publish is answered when nobody waits for it.
    let open = |scopes: &str| open(&broker, &issuer.token("anna", LONG, scopes));
    let topic = "rabbitmq.write:%2F/amq.topic/eu.*";
    open(topic).publish(1, "amq.topic", "eu.orders", 0, b"x");
    for (scopes, key) in [(topic, "us.orders"), ("rabbitmq.write:%2F/amq.topic", "eu.orders")] {
        let mut wire = open(scopes);
        wire.publish(1, "amq.topic", key, 0, b"x");
        let close = wire.expect_close();
        assert!(!close.whole_connection);
        assert_eq!(close.code, 403, "{scopes} {key}: {}", close.text);
    }
}

#[test]
fn a_connection_ends_with_its_token() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let token = issuer.token("anna", 2, ALL);
    let mut wire = open(&broker, &token);
    let close = wire.expect_close();
    assert!(close.whole_connection);
    assert_eq!((close.code, close.text.as_str()), (320, "CONNECTION_FORCED - credential expired"));
    assert!(now() >= until(&token), "it was closed before its time");
    assert_eq!(refused_login(&broker, &token).code, 403);
}

/// When a token of this test ends.
fn until(token: &str) -> u64 {
    let claims: serde_json::Value =
        jsonwebtoken::dangerous::insecure_decode_claims(token).expect("it has claims");
    claims["exp"].as_u64().unwrap()
}

/// Sends `connection.update-secret`.
fn renew(wire: &mut Wire, token: &str) {
    let mut arguments = long_string(token.as_bytes());
    arguments.extend(short_string("the old one expires"));
    wire.send_method(0, (10, 70), &arguments);
}

#[test]
fn a_new_token_lets_a_connection_go_on() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let first = issuer.token("anna", 3, ALL);
    let mut wire = open(&broker, &first);
    renew(&mut wire, &issuer.token("anna", LONG, ALL));
    wire.expect_method(0, (10, 71));
    // The other one ends by its token, and this one does not.
    let close = open(&broker, &first).expect_close();
    assert_eq!(close.code, 320);
    wire.declare_queue(1, "q", 0);
    wire.close();
}

#[test]
fn a_client_library_renews_a_token() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    run(async {
        let connection = connect(&broker, &issuer.token("anna", LONG, ALL)).await;
        let token = issuer.token("anna", LONG, "rabbitmq.read:*/*");
        soon("a new secret", connection.update_secret(token.as_str().into(), "time".into()))
            .await
            .unwrap();
        // What it does not say any more is not allowed any more.
        let (options, arguments) = (QueueDeclareOptions::default(), FieldTable::default());
        let declared =
            channel(&connection).await.queue_declare("new".into(), options, arguments).await;
        assert_eq!(refusal(declared).0, 403);
    });
}

#[test]
fn a_consumer_ends_when_the_new_token_does_not_let_it_read() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let mut wire = open(&broker, &issuer.token("anna", LONG, ALL));
    wire.declare_queue(1, "q", 0);
    wire.consume(1, "q", "c", 0);
    renew(&mut wire, &issuer.token("anna", LONG, "rabbitmq.read:*/other"));
    let (mut renewed, mut closed) = (false, None);
    while !renewed || closed.is_none() {
        let frame = wire.read_frame().expect("the broker answers");
        renewed |= frame.method() == Some((10, 71));
        closed = warren_tests::wire::close_of(&frame).or(closed);
    }
    let close = closed.unwrap();
    assert!(!close.whole_connection);
    assert_eq!(close.code, 403, "{}", close.text);
}

#[test]
fn a_bad_new_token_ends_the_connection() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let refused = "NOT_ALLOWED - New secret was refused by one of the backends";
    let nowhere = "NOT_ALLOWED - access to vhost '/' refused for user 'anna'";
    for (what, token, text) in [
        ("of another user", issuer.token("otto", LONG, ALL), refused),
        ("of somebody else", Key::new("first").sign(&claims("anna", LONG, ALL)), refused),
        ("that is none", "guest".to_owned(), refused),
        ("without rights", issuer.token("anna", LONG, "rabbitmq.read:other/*"), nowhere),
    ] {
        let mut wire = open(&broker, &issuer.token("anna", LONG, ALL));
        renew(&mut wire, &token);
        let close = wire.expect_close();
        assert!(close.whole_connection);
        assert_eq!((close.code, close.text.as_str()), (530, text), "a token {what}");
        assert_eq!(close.blamed, (10, 70));
    }
}

#[test]
fn a_user_with_a_password_may_send_a_new_secret() {
    let broker = broker(&Issuer::start());
    let mut wire = Wire::open(broker.amqp_address());
    renew(&mut wire, "whatever");
    wire.expect_method(0, (10, 71));
    wire.close();
}

#[test]
fn keys_are_fetched_when_they_are_needed_and_kept_when_their_owner_is_away() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    let token = issuer.token("anna", LONG, ALL);
    assert_eq!(issuer.asked(), 0);
    open(&broker, &token);
    issuer.serve(500, &[]);
    for _ in 0..5 {
        open(&broker, &token);
        assert_eq!(
            refused_login(&broker, &Key::new("new").sign(&claims("x", LONG, ALL))).code,
            403
        );
    }
    assert_eq!(issuer.asked(), 1, "a key that is not known is asked for after a pause");
}

#[test]
fn a_broker_whose_issuer_is_away_refuses_tokens_and_nothing_else() {
    let issuer = Issuer::start();
    issuer.serve(503, &[]);
    let broker = broker(&issuer);
    assert_eq!(refused_login(&broker, &issuer.token("anna", LONG, ALL)).code, 403);
    Wire::open(broker.amqp_address()).close();
    assert!(broker.log().contains("503"), "{}", broker.log());
}

#[test]
fn a_bound_is_kept_for_exchanges_too() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    run(async {
        let scopes = "rabbitmq.write:*/amq.fanout rabbitmq.read:*/amq.direct";
        let connection = connect(&broker, &issuer.token("anna", LONG, scopes)).await;
        let bind = async |destination: &str, source: &str| {
            let (options, arguments) = (ExchangeBindOptions::default(), FieldTable::default());
            let channel = channel(&connection).await;
            channel
                .exchange_bind(destination.into(), source.into(), "".into(), options, arguments)
                .await
        };
        bind("amq.fanout", "amq.direct").await.unwrap();
        assert_eq!(refusal(bind("amq.direct", "amq.fanout").await).0, 403);
    });
}

#[test]
fn a_configuration_that_cannot_be_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("warren.toml");
    std::fs::write(&config, "[oauth2]\nresource_server_id = \"a\"\njwks_url = \"http://b/\"\n")
        .unwrap();
    let ended = Broker::run_to_its_end(&["server", "--config", config.to_str().unwrap()]);
    assert!(!ended.status.success());
    assert!(ended.log.contains("oauth2.jwks_url must be"), "{}", ended.log);
}

#[test]
fn properties_of_connections_are_independent_of_the_login() {
    let issuer = Issuer::start();
    let broker = broker(&issuer);
    run(async {
        let token = issuer.token("anna", LONG, ALL);
        let uri = format!("amqp://:{token}@{}/%2f", broker.amqp_address());
        let properties = ConnectionProperties::default().with_connection_name("named".into());
        soon("a connection", Connection::connect(&uri, properties)).await.unwrap();
    });
    assert!(broker.log().contains("named"));
}

//! Opening a connection: what the broker announces, whom it lets in, and what it refuses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use warren_tests::broker::Settings;
use warren_tests::client;
use warren_tests::wire::{HEARTBEAT, PROTOCOL_HEADER, Tune, Wire, long_string, short_string};
use warren_tests::{Broker, wire};

/// What `connection.start` says, taken apart by hand: every value is a string, a boolean or a
/// table of them, because some clients stop at anything else.
#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Yes(bool),
    Table(BTreeMap<String, Self>),
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(count);
        self.0 = rest;
        head
    }

    fn long(&mut self) -> &'a [u8] {
        let size = u32::from_be_bytes(self.take(4).try_into().unwrap());
        self.take(size as usize)
    }

    fn table(&mut self) -> BTreeMap<String, Value> {
        let mut entries = Bytes(self.long());
        let mut table = BTreeMap::new();
        while !entries.0.is_empty() {
            let size = usize::from(entries.take(1)[0]);
            let name = String::from_utf8(entries.take(size).to_vec()).unwrap();
            let value = match entries.take(1)[0] {
                b'S' => Value::Text(String::from_utf8(entries.long().to_vec()).unwrap()),
                b't' => Value::Yes(entries.take(1)[0] == 1),
                b'F' => Value::Table(entries.table()),
                other => panic!("{name} has type {}", char::from(other)),
            };
            table.insert(name, value);
        }
        table
    }
}

#[test]
fn the_server_announces_what_clients_look_for() {
    let broker = Broker::start();
    let mut wire = Wire::connect(broker.amqp_address());
    let start = wire.start();
    let mut bytes = Bytes(&start);
    assert_eq!(bytes.take(2), [0, 9], "version 0-9");
    let mut properties = bytes.table();
    let Some(Value::Table(capabilities)) = properties.remove("capabilities") else {
        panic!("there is no table of capabilities");
    };
    let offered = [
        "authentication_failure_close",
        "basic.nack",
        "connection.blocked",
        "consumer_cancel_notify",
        "consumer_priorities",
        "direct_reply_to",
        "exchange_exchange_bindings",
        "per_consumer_qos",
        "publisher_confirms",
    ];
    for name in offered {
        assert_eq!(capabilities.get(name), Some(&Value::Yes(true)), "{name}");
    }
    assert_eq!(capabilities.len(), offered.len());
    for name in ["product", "version", "platform", "cluster_name", "copyright", "information"] {
        assert!(matches!(properties.get(name), Some(Value::Text(_))), "{name}");
    }
    let mechanisms = String::from_utf8(bytes.long().to_vec()).unwrap();
    let offered: Vec<&str> = mechanisms.split(' ').collect();
    assert!(offered.contains(&"PLAIN") && offered.contains(&"AMQPLAIN"), "{mechanisms}");
    let locales = String::from_utf8(bytes.long().to_vec()).unwrap();
    assert!(locales.split(' ').any(|locale| locale == "en_US"), "{locales}");
    assert!(bytes.0.is_empty());

    wire.login("PLAIN", b"\0guest\0guest");
    let tune = wire.expect_method(0, (10, 30));
    let expected = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &60_u16.to_be_bytes()];
    assert_eq!(tune, expected.concat());
}

#[test]
fn both_password_mechanisms_let_a_client_in() {
    let broker = Broker::start();
    let mut amqplain = Vec::new();
    for (name, value) in [("LOGIN", "guest"), ("PASSWORD", "guest")] {
        amqplain.extend(short_string(name));
        amqplain.push(b'S');
        amqplain.extend(long_string(value.as_bytes()));
    }
    let plain = b"\0guest\0guest".to_vec();
    for (mechanism, response) in [("PLAIN", plain), ("AMQPLAIN", amqplain)] {
        let mut wire = Wire::connect(broker.amqp_address());
        wire.start();
        wire.login(mechanism, &response);
        wire.expect_method(0, (10, 30));
        wire.send_tune_ok(Tune::default());
        wire.send_open("/");
        wire.expect_method(0, (10, 41));
        wire.close();
    }
}

#[test]
fn a_wrong_password_is_refused_with_403() {
    let broker = Broker::start();
    for response in [&b"\0guest\0wrong"[..], b"\0nobody\0guest", b"\0guest\0", b"nonsense"] {
        let mut wire = Wire::connect(broker.amqp_address());
        wire.start();
        wire.login("PLAIN", response);
        let Some(close) = wire.expect_end() else {
            assert_eq!(response, b"nonsense", "a login that is understood gets an answer");
            continue;
        };
        if response == b"nonsense" {
            continue;
        }
        assert_eq!(close.code, 403);
        assert_eq!(
            close.text,
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details \
             see the broker logfile."
        );
    }
    client::run(async {
        let uri = format!("amqp://guest:wrong@{}/%2f", broker.amqp_address());
        assert_eq!(client::refusal(client::connect_to(&uri).await).0, 403);
    });
}

#[test]
fn an_unknown_virtual_host_is_refused_with_530() {
    let broker = Broker::start();
    client::run(async {
        let uri = format!("amqp://guest:guest@{}/nope", broker.amqp_address());
        let connected = client::connect_to(&uri).await;
        assert_eq!(client::refusal(connected), (530, "NOT_ALLOWED - vhost nope not found".into()));
    });
}

#[test]
fn an_unknown_mechanism_is_not_let_in() {
    let broker = Broker::start();
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("NTLM", b"\0guest\0guest");
    while let Some(frame) = wire.read_frame() {
        assert_ne!(frame.method(), Some((10, 30)), "the login went on");
        if frame.method() == Some((10, 50)) {
            wire.send_if_it_listens(&wire::method_frame(0, (10, 51), &[]));
        }
    }
}

#[test]
fn a_client_cannot_skip_the_login() {
    let broker = Broker::start();
    let attempts: [&dyn Fn(&mut Wire); 3] =
        [&|wire| wire.send_open("/"), &|wire| wire.send_tune_ok(Tune::default()), &|wire| {
            wire.send_method(1, (20, 10), &[0])
        }];
    for attempt in attempts {
        let mut wire = Wire::connect(broker.amqp_address());
        wire.start();
        attempt(&mut wire);
        while let Some(frame) = wire.read_frame() {
            assert_eq!(frame.method(), Some((10, 50)), "the broker went on without a login");
            wire.send_if_it_listens(&wire::method_frame(0, (10, 51), &[]));
        }
    }
}

#[test]
fn another_protocol_gets_our_header_and_the_end() {
    let broker = Broker::start();
    let openings: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ];
    for opening in openings {
        let mut wire = Wire::connect(broker.amqp_address());
        wire.send(opening);
        assert_eq!(wire.read_to_end(), PROTOCOL_HEADER, "{opening:?}");
    }
    a_connection_works(&broker);
}

#[test]
fn limits_that_the_broker_did_not_offer_are_refused() {
    let broker = Broker::start();
    let tunes = [
        Tune { frame_max: 4095, ..Tune::default() },
        Tune { frame_max: 131_073, ..Tune::default() },
        Tune { channel_max: 2048, ..Tune::default() },
    ];
    for tune in tunes {
        let mut wire = Wire::connect(broker.amqp_address());
        wire.start();
        wire.login("PLAIN", b"\0guest\0guest");
        wire.expect_method(0, (10, 30));
        wire.send_tune_ok(tune);
        let close = wire.expect_end().expect("the broker says why");
        assert_eq!(close.code, 530, "{tune:?}: {close:?}");
    }
}

#[test]
fn the_smallest_frame_size_and_no_limits_at_all_are_accepted() {
    let broker = Broker::start();
    for tune in [
        Tune { frame_max: 4096, ..Tune::default() },
        Tune { frame_max: 0, channel_max: 0, heartbeat: 0 },
    ] {
        let mut wire = Wire::open_with(broker.amqp_address(), tune);
        wire.open_channel(1);
        wire.close();
    }
}

#[test]
fn more_channels_than_agreed_are_refused() {
    let broker = Broker::start();
    let tune = Tune { channel_max: 3, ..Tune::default() };
    let mut wire = Wire::open_with(broker.amqp_address(), tune);
    // The number of channels counts, not their numbers.
    for channel in [1, 65_535, 3_000] {
        wire.open_channel(channel);
    }
    wire.send_method(2, (20, 10), &[0]);
    let close = wire.expect_close();
    let text = "number of channels opened (3) has reached the negotiated channel_max (3)";
    assert_eq!((close.code, close.text), (530, format!("NOT_ALLOWED - {text}")));
    assert!(close.whole_connection);
}

#[test]
fn a_client_that_agreed_to_heartbeats_gets_them_and_is_dropped_when_it_sends_none() {
    let broker = Broker::start();
    let tune = Tune { heartbeat: 1, ..Tune::default() };
    let opened = Instant::now();
    let mut wire = Wire::open_with(broker.amqp_address(), tune);
    // `read_frame` passes over heartbeats, so the bytes are looked at here.
    let bytes = wire.read_to_end();
    let lasted = opened.elapsed();
    let heartbeat = wire::frame(HEARTBEAT, 0, &[]);
    assert!(bytes.starts_with(&heartbeat), "{bytes:?}");
    assert!(lasted >= Duration::from_secs(2), "two silent intervals are allowed, not {lasted:?}");
    assert!(lasted < Duration::from_secs(10), "a dead client is noticed, not after {lasted:?}");
}

#[test]
fn a_half_finished_handshake_is_ended_after_its_time() {
    let settings =
        Settings { config: "handshake_timeout_seconds = 1".into(), ..Settings::default() };
    let broker = Broker::with(settings);
    let begun = Instant::now();
    let mut silent = Wire::connect(broker.amqp_address());
    let mut half_header = Wire::connect(broker.amqp_address());
    half_header.send(b"AMQP");
    let mut no_login = Wire::connect(broker.amqp_address());
    no_login.start();
    let mut no_open = Wire::connect(broker.amqp_address());
    no_open.start();
    no_open.login("PLAIN", b"\0guest\0guest");
    no_open.expect_method(0, (10, 30));
    // One that opened in time stays, however long it is silent.
    let mut opened = Wire::open(broker.amqp_address());
    for wire in [&mut silent, &mut half_header, &mut no_login, &mut no_open] {
        wire.read_to_end();
        let lasted = begun.elapsed();
        assert!(lasted >= Duration::from_millis(900), "ended too early, after {lasted:?}");
    }
    opened.open_channel(1);
    opened.close();
}

#[test]
fn a_thousand_connections_that_never_log_in_disturb_nobody() {
    let settings =
        Settings { config: "handshake_timeout_seconds = 60".into(), ..Settings::default() };
    let broker = Broker::with(settings);
    let before = broker.resident_bytes();
    let half_open: Vec<Wire> = (0..1000)
        .map(|number| {
            let mut wire = Wire::connect(broker.amqp_address());
            if number % 2 == 0 {
                wire.send(PROTOCOL_HEADER);
            }
            wire
        })
        .collect();
    a_connection_works(&broker);
    let each = broker.resident_bytes().saturating_sub(before) / 1000;
    assert!(each < 64 * 1024, "a connection without a login takes {each} bytes");
    drop(half_open);
    a_connection_works(&broker);
}

/// Another client, with its own connection, can work undisturbed.
pub(crate) fn a_connection_works(broker: &Broker) {
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    let queue = broker.name("works");
    wire.declare_queue(1, &queue, 4);
    wire.publish(1, "", &queue, 0, b"alive");
    wire.consume(1, &queue, "tag", 2);
    wire.expect_method(1, (60, 60));
    wire.read_frame().expect("a content header");
    assert_eq!(wire.read_frame().expect("a body").payload, b"alive");
    wire.close();
}

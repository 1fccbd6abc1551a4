//! From the first byte to `connection.open-ok`.

use amq_protocol::types::AMQPValue;

use super::support::*;
use crate::{FieldTable, Settings, Start};

fn new() -> Peer {
    Peer::new(Settings::default())
}

/// A peer that waits for `tune-ok`.
fn logged_in() -> Peer {
    let mut peer = new();
    peer.feed(PROTOCOL_HEADER);
    peer.feed(&start_ok("PLAIN", b"\0guest\0secret", &[]));
    peer.connection.login_accepted();
    peer.connection.output().clear();
    peer
}

/// Client properties with this capability.
fn capability(name: &str, value: &[u8]) -> Vec<u8> {
    let table = [&short(name)[..], value].concat();
    [&short("capabilities")[..], b"F", &long(&table)].concat()
}

#[test]
fn a_client_logs_in_tunes_and_opens() {
    let mut server_properties = FieldTable::default();
    server_properties.insert("product".into(), AMQPValue::LongString("Warren".into()));
    let mut peer = Peer::new(settings_with(server_properties));
    assert_eq!(peer.feed(PROTOCOL_HEADER), [""; 0]);
    let answers = peer.answers();
    assert_eq!(answers.len(), 1);
    for part in ["version_major: 0, version_minor: 9", "product", "Start"] {
        assert!(answers[0].contains(part), "{answers:?}");
    }
    let login = "Login { mechanism: \"PLAIN\", username: \"guest\", password: \"secret\" }";
    let properties = capability("basic.nack", b"t\x01");
    assert_eq!(peer.feed(&start_ok("PLAIN", b"\0guest\0secret", &properties)), [login]);
    assert!(peer.connection.client_has_capability("basic.nack"));
    assert!(!peer.connection.client_has_capability("other"));
    assert!(peer.connection.client_properties().contains_key("capabilities"));

    peer.connection.login_accepted();
    let tune = "0 Connection(Tune(Tune { channel_max: 2047, frame_max: 131072, heartbeat: 60 }))";
    assert_eq!(peer.answers(), [tune]);
    assert_eq!(peer.feed(&tune_ok(100, 4096, 30)), [""; 0]);
    assert_eq!(peer.feed(&open("/prod")), ["Open { virtual_host: \"/prod\" }"]);
    assert!(!peer.connection.is_open());
    peer.connection.open_accepted();
    assert_eq!(peer.answers(), ["0 Connection(OpenOk(OpenOk))"]);
    assert!(peer.connection.is_open());
    assert_eq!(peer.connection.channel_max(), 100);
    assert_eq!(peer.connection.frame_max(), 4096);
}

#[test]
fn the_start_announces_mechanisms_and_locale() {
    let mut peer = new();
    peer.feed(PROTOCOL_HEADER);
    let output = peer.connection.output().clone();
    let expected =
        [&[0, 10, 0, 10, 0, 9, 0, 0, 0, 0][..], &long(b"PLAIN AMQPLAIN"), &long(b"en_US")].concat();
    assert_eq!(output, frame(1, 0, &expected));
}

#[test]
fn both_spellings_of_the_protocol_header_are_accepted() {
    for header in [PROTOCOL_HEADER, b"AMQP\x01\x01\x00\x09"] {
        let mut peer = new();
        for byte in header {
            assert_eq!(peer.feed(&[*byte]), [""; 0]);
        }
        assert_eq!(peer.answers().len(), 1);
        assert!(!peer.connection.is_finished());
    }
}

#[test]
fn another_protocol_is_turned_away_at_its_first_wrong_byte() {
    let others: [&[u8]; 6] = [
        b"G",
        b"AMQP\x03",
        b"AMQP\x00\x01",
        b"AMQP\x01\x01\x08",
        b"AMQP\x00\x00\x09\x00",
        b"AMQP\x01\x01\x00\x0a",
    ];
    for bytes in others {
        let mut peer = new();
        let events = peer.feed(bytes);
        assert_eq!(events.len(), 1);
        assert!(events[0].starts_with("Failed"), "{events:?}");
        assert_eq!(peer.connection.output().as_slice(), PROTOCOL_HEADER);
        assert!(peer.connection.is_finished());
        assert_eq!(peer.feed(b"more"), [""; 0]);
        assert_eq!(peer.pending_bytes(), 0);
    }
}

#[test]
fn amqplain_logs_in() {
    let mut peer = new();
    peer.feed(PROTOCOL_HEADER);
    let response = b"\x05LOGINS\0\0\0\x03joe\x08PASSWORDS\0\0\0\x02pw";
    let login = "Login { mechanism: \"AMQPLAIN\", username: \"joe\", password: \"pw\" }";
    assert_eq!(peer.feed(&start_ok("AMQPLAIN", response, &[])), [login]);
}

#[test]
fn a_refused_login_is_told_to_clients_that_understand() {
    const TEXT: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. \
                        For details see the broker logfile.";
    let properties = capability("authentication_failure_close", b"t\x01");
    let mut peer = new();
    peer.feed(PROTOCOL_HEADER);
    peer.feed(&start_ok("PLAIN", b"\0guest\0wrong", &properties));
    peer.answers();
    peer.connection.login_refused("PLAIN");
    assert_eq!(peer.answers(), [format!("connection.close 403 '{TEXT}' 0.0")]);
    assert!(!peer.connection.is_finished());
    assert_eq!(peer.feed(&method(0, 10, 51, &[])), ["Closed"]);
    assert!(peer.connection.is_finished());

    for properties in [vec![], capability("authentication_failure_close", b"t\x00")] {
        let mut peer = new();
        peer.feed(PROTOCOL_HEADER);
        peer.feed(&start_ok("PLAIN", b"\0guest\0wrong", &properties));
        peer.answers();
        peer.connection.login_refused("PLAIN");
        assert_eq!(peer.answers(), [""; 0]);
        assert!(peer.connection.is_finished());
    }
}

#[test]
fn unknown_mechanisms_and_broken_responses_are_refused() {
    let cases: [(&str, &[u8]); 3] =
        [("EXTERNAL", b""), ("PLAIN", b"guest"), ("AMQPLAIN", b"\x05LOGIN")];
    for (mechanism, response) in cases {
        let mut peer = new();
        peer.feed(PROTOCOL_HEADER);
        let events = peer.feed(&start_ok(mechanism, response, &[]));
        assert!(events[0].starts_with("Failed { code: AccessRefused"), "{events:?}");
        assert!(events[0].contains(mechanism));
        assert!(peer.connection.is_finished());
    }
}

#[test]
fn a_mechanism_that_is_not_offered_is_refused() {
    let settings = Settings {
        start: Start::new(FieldTable::default(), "AMQPLAIN".to_owned()),
        ..Settings::default()
    };
    let mut peer = Peer::new(settings);
    peer.feed(PROTOCOL_HEADER);
    let events = peer.feed(&start_ok("PLAIN", b"\0guest\0secret", &[]));
    assert!(events[0].starts_with("Failed { code: AccessRefused"), "{events:?}");
}

#[test]
fn before_the_login_a_breach_just_ends_the_connection() {
    let too_large = frame(1, 0, &vec![0; 8192]);
    let breaches: [Vec<u8>; 6] = [
        tune_ok(0, 0, 0),
        open("/"),
        method(1, 20, 10, &[0]),
        frame(8, 0, &[]),
        method(0, 10, 21, &long(b"x")),
        too_large,
    ];
    for breach in breaches {
        let mut peer = new();
        peer.feed(PROTOCOL_HEADER);
        peer.answers();
        let events = peer.feed(&breach);
        assert_eq!(events.len(), 1);
        assert!(events[0].starts_with("Failed"), "{events:?}");
        assert_eq!(peer.answers(), [""; 0]);
        assert!(peer.connection.is_finished());
    }
}

#[test]
fn no_step_can_be_skipped_after_the_login() {
    let state = |name| format!("'CHANNEL_ERROR - unexpected method in connection state {name}'");
    let tuning = state("tuning");
    logged_in().breaks(&open("/"), &format!("connection.close 504 {tuning} 10.40"));
    let again = start_ok("PLAIN", b"\0guest\0secret", &[]);
    logged_in().breaks(&again, &format!("connection.close 504 {tuning} 10.11"));
    let channel_open = method(1, 20, 10, &[0]);
    logged_in().breaks(&channel_open, &format!("connection.close 504 {tuning} 20.10"));

    let mut peer = logged_in();
    peer.feed(&tune_ok(0, 0, 0));
    let opening = state("opening");
    peer.breaks(&tune_ok(0, 0, 0), &format!("connection.close 504 {opening} 10.31"));
}

#[test]
fn tuning_beyond_the_limits_is_not_allowed() {
    let cases = [
        (tune_ok(60_000, 0, 0), "channel_max = 60000 is higher than the maximum", "2047"),
        (tune_ok(0, 4095, 0), "frame_max = 4095 is lower than the minimum", "4096"),
        (tune_ok(0, 131_073, 0), "frame_max = 131073 is higher than the maximum", "131072"),
    ];
    for (bytes, problem, limit) in cases {
        let text = format!("NOT_ALLOWED - negotiated {problem} allowed value ({limit})");
        logged_in().breaks(&bytes, &format!("connection.close 530 '{text}' 10.31"));
    }
}

#[test]
fn zeros_in_tune_ok_leave_the_choice_to_the_broker() {
    let peer = Peer::open_with(Settings::default(), 0, 0);
    assert_eq!(peer.connection.channel_max(), 2047);
    assert_eq!(peer.connection.frame_max(), 131_072);
    assert_eq!(peer.connection.deadline(), None);
}

#[test]
fn an_unlimited_channel_max_is_announced_as_zero() {
    let peer = Peer::open_with(Settings { channel_max: 0, ..Settings::default() }, 0, 0);
    assert_eq!(peer.connection.channel_max(), 65_535);
}

#[test]
fn nothing_is_read_while_the_broker_decides() {
    let mut peer = new();
    peer.feed(PROTOCOL_HEADER);
    peer.feed(&start_ok("PLAIN", b"\0guest\0secret", &[]));
    let early = [tune_ok(0, 0, 0), open("/")].concat();
    assert_eq!(peer.feed(&early), [""; 0]);
    assert_eq!(peer.pending_bytes(), early.len());
    peer.connection.login_accepted();
    assert_eq!(peer.feed(&[]), ["Open { virtual_host: \"/\" }"]);

    let events = peer.feed(&vec![0; 65_537]);
    assert!(events[0].starts_with("Failed { code: ResourceError"), "{events:?}");
}

#[test]
fn a_client_may_close_once_it_is_logged_in() {
    let mut peer = logged_in();
    let close = method(0, 10, 50, &[&[0, 200][..], &short("bye"), &[0, 0, 0, 0]].concat());
    assert_eq!(peer.feed(&close), ["Close { reply_code: 200, reply_text: \"bye\" }"]);
    peer.connection.close_ok();
    assert_eq!(peer.answers(), ["0 Connection(CloseOk(CloseOk))"]);
    assert!(peer.connection.is_finished());
}

#[test]
fn a_virtual_host_can_be_refused() {
    let mut peer = logged_in();
    peer.feed(&tune_ok(0, 0, 0));
    peer.feed(&open("nope"));
    peer.connection.close(crate::ReplyCode::NotAllowed, "vhost nope not found", 10, 40);
    let close = "connection.close 530 'NOT_ALLOWED - vhost nope not found' 10.40";
    assert_eq!(peer.answers(), [close]);
    assert_eq!(peer.feed(&method(0, 10, 51, &[])), ["Closed"]);
}

#[test]
fn answers_at_the_wrong_time_do_nothing() {
    let mut peer = new();
    peer.connection.login_accepted();
    peer.connection.open_accepted();
    peer.connection.login_refused("PLAIN");
    peer.connection.close_ok();
    peer.connection.channel_close_ok(1);
    assert_eq!(peer.answers(), [""; 0]);
    assert!(!peer.connection.is_finished());
}

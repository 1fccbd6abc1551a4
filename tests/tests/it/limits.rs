//! Limits that the operator sets, and what clients are told about the broker.

use warren_tests::broker::Settings;
use warren_tests::wire::{HEADER, Tune, Wire, content_header, publish_arguments, short_string};
use warren_tests::{Broker, eventually};

fn with(config: &str) -> Broker {
    Broker::with(Settings { config: config.into(), ..Settings::default() })
}

/// Opens a connection as far as `connection.open`, and gives the refusal of that.
fn refused(broker: &Broker) -> (u16, String) {
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("PLAIN", b"\0guest\0guest");
    wire.expect_method(0, (10, 30));
    wire.send_tune_ok(Tune::default());
    wire.send_open("/");
    let close = wire.expect_close();
    assert!(close.whole_connection);
    assert_eq!(close.blamed, (10, 40));
    (close.code, close.text)
}

#[test]
fn a_node_has_so_many_connections() {
    let broker = with("connection_max = 2");
    let first = Wire::open(broker.amqp_address());
    let _second = Wire::open(broker.amqp_address());
    let text = "NOT_ALLOWED - connection refused: node connection limit (2) is reached";
    assert_eq!(refused(&broker), (530, text.to_owned()));
    first.close();
    // A place is free again a moment after close-ok.
    eventually("a place is free", || {
        let mut wire = Wire::connect(broker.amqp_address());
        wire.start();
        wire.login("PLAIN", b"\0guest\0guest");
        wire.expect_method(0, (10, 30));
        wire.send_tune_ok(Tune::default());
        wire.send_open("/");
        wire.read_frame().filter(|frame| frame.method() == Some((10, 41)))
    });
}

#[test]
fn a_virtual_host_has_so_many_connections() {
    let broker = with("vhost_connection_max = 1");
    let _first = Wire::open(broker.amqp_address());
    let text = "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (1) \
                is reached";
    assert_eq!(refused(&broker), (530, text.to_owned()));
}

#[test]
fn a_node_has_so_many_channels() {
    let broker = with("channel_max_per_node = 2");
    let mut first = Wire::open_channel_1(broker.amqp_address());
    let mut second = Wire::open_channel_1(broker.amqp_address());
    second.send_method(2, (20, 10), &[0]);
    // In place of open-ok.
    let close = second.expect_close();
    assert!(close.whole_connection);
    assert_eq!((close.code, close.blamed), (530, (0, 0)));
    assert!(close.text.contains("has reached the maximum allowed limit of (2)"), "{}", close.text);
    first.send_method(1, (20, 40), &[0; 7]);
    first.expect_method(1, (20, 41));
    first.open_channel(1);
}

#[test]
fn a_virtual_host_has_so_many_queues() {
    let broker = with("vhost_queue_max = 2");
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    for queue in ["a", "b", "a"] {
        wire.declare_queue(1, queue, 0);
    }
    let third = [&[0, 0][..], &short_string("c"), &[0], &[0; 4]].concat();
    wire.send_method(1, (50, 10), &third);
    let close = wire.expect_close();
    let text = "PRECONDITION_FAILED - cannot declare queue 'c': queue limit in vhost '/' (2) is \
                reached";
    assert_eq!((close.whole_connection, close.code, close.text.as_str()), (false, 406, text));
}

#[test]
fn a_channel_has_so_many_consumers() {
    let broker = with("consumer_max_per_channel = 1");
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.declare_queue(1, "q", 0);
    wire.consume(1, "q", "a", 0);
    let second = [&[0, 0][..], &short_string("q"), &short_string("b"), &[0], &[0; 4]].concat();
    wire.send_method(1, (60, 20), &second);
    let close = wire.expect_close();
    let text = "NOT_ALLOWED - reached maximum (1) of consumers per channel";
    assert_eq!((close.whole_connection, close.code, close.text.as_str()), (true, 530, text));
}

#[test]
fn a_message_has_so_many_bytes() {
    let broker = with("message_bytes_max = 10");
    let (code, text) = Wire::refusal(broker.amqp_address(), |wire| {
        wire.send_method(1, (60, 40), &publish_arguments("", "q", 0));
        wire.send_frame(HEADER, 1, &content_header(20));
    });
    let expected = "PRECONDITION_FAILED - message size 20 is larger than configured max size 10";
    assert_eq!((code, text.as_str()), (406, expected));
}

#[test]
fn a_broker_says_of_itself_what_it_is_told_to() {
    let broker = with(
        "product = 'Warren'\nproduct_version = '9.8.7'\ncluster_name = 'burrow'\n\
         auth_mechanisms = ['ANONYMOUS', 'PLAIN']",
    );
    let mut wire = Wire::connect(broker.amqp_address());
    let start = String::from_utf8_lossy(&wire.start()).into_owned();
    for text in ["productS\0\0\0\x06Warren", "9.8.7", "burrow", "ANONYMOUS PLAIN"] {
        assert!(start.contains(text), "no {text:?} in {start:?}");
    }
    assert!(!start.contains("AMQPLAIN"));
    wire.login("ANONYMOUS", b"");
    wire.expect_method(0, (10, 30));
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest");
    assert_eq!(wire.expect_end().expect("a refusal").code, 403);
}

#[test]
fn nobody_comes_in_without_a_name_unless_it_is_allowed() {
    let broker = Broker::own();
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.login("ANONYMOUS", b"");
    assert_eq!(wire.expect_end().expect("a refusal").code, 403);
}

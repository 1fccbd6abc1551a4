//! Bytes that no honest client sends: each ends its own connection and disturbs nobody else.

use crate::handshake::a_connection_works;
use warren_tests::wire::{
    BODY, Close, HEADER, METHOD, PROTOCOL_HEADER, Tune, Wire, content_header, frame, long_string,
    method_frame, publish_arguments, short_string,
};
use warren_tests::{Broker, wire};

/// Opens a connection with channel 1, sends `bytes` there, and gives the close that comes.
fn close_for(broker: &Broker, bytes: &[u8]) -> Close {
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.send(bytes);
    let close = wire.expect_close();
    a_connection_works(broker);
    close
}

/// The same for bytes that end the connection: with this code and this text.
fn connection_ends(broker: &Broker, bytes: &[u8], code: u16, text: &str) {
    let close = close_for(broker, bytes);
    assert!(close.whole_connection, "{close:?}");
    assert_eq!((close.code, close.text.as_str()), (code, text));
}

/// Numbers that look random and are the same in every run.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

#[test]
fn random_bytes_before_the_login() {
    let broker = Broker::start();
    for seed in 0..50 {
        let mut wire = Wire::connect(broker.amqp_address());
        wire.send_if_it_listens(&noise(seed, 600));
        wire.read_to_end();
        let mut wire = Wire::connect(broker.amqp_address());
        wire.start();
        wire.send_if_it_listens(&noise(seed, 20_000));
        wire.expect_end();
    }
    a_connection_works(&broker);
}

#[test]
fn random_bytes_after_the_login() {
    let broker = Broker::start();
    for seed in 0..50 {
        let mut wire = Wire::open_channel_1(broker.amqp_address());
        // Nearly all first octets are no frame type; a few seeds begin like a frame.
        let mut bytes = noise(seed, 200_000);
        if seed % 3 == 0 {
            bytes[0] = METHOD;
            bytes[1..7].copy_from_slice(&[0, 1, 0, 0, 0, 40]);
        }
        wire.send_if_it_listens(&bytes);
        wire.expect_end();
    }
    a_connection_works(&broker);
}

#[test]
fn frames_whose_insides_are_random() {
    let broker = Broker::start();
    for seed in 0..200 {
        let mut wire = Wire::open_channel_1(broker.amqp_address());
        let class = [10_u16, 20, 40, 50, 60, 85, 90][seed as usize % 7];
        let method =
            [10_u16, 11, 20, 30, 31, 40, 50, 70, 80, 90, 100, 110, 120][seed as usize % 13];
        wire.send_if_it_listens(&method_frame(1, (class, method), &noise(seed, 60)));
        // A few of them are well-formed by chance; the second frame is not.
        wire.send_if_it_listens(&frame(77, 1, &noise(seed, 10)));
        wire.expect_end();
    }
    a_connection_works(&broker);
}

#[test]
fn a_frame_that_does_not_end_with_its_end_octet() {
    let broker = Broker::start();
    let mut bytes = method_frame(1, (60, 10), &[0, 0, 0, 0, 0, 0, 0]);
    *bytes.last_mut().unwrap() = 0;
    let close = close_for(&broker, &bytes);
    assert!(close.whole_connection);
    assert_eq!(close.code, 501);
    assert!(close.text.starts_with("FRAME_ERROR - "), "{}", close.text);
}

#[test]
fn a_frame_of_an_unknown_type() {
    let broker = Broker::start();
    let close = close_for(&broker, &frame(7, 0, b"abc"));
    assert!(close.whole_connection);
    assert_eq!(close.code, 501);
    assert!(close.text.starts_with("FRAME_ERROR - "), "{}", close.text);
}

#[test]
fn a_frame_larger_than_agreed() {
    let broker = Broker::start();
    for frame_max in [4096_u32, 131_072] {
        let tune = Tune { frame_max, ..Tune::default() };
        let mut wire = Wire::open_with(broker.amqp_address(), tune);
        wire.open_channel(1);
        // RabbitMQ allows eight bytes more than agreed, so this is nine more. The broker may refuse
        // it by its head alone, before the rest is sent.
        wire.send_if_it_listens(&frame(BODY, 1, &vec![b'x'; frame_max as usize + 1]));
        let close = wire.expect_close();
        assert!(close.whole_connection);
        assert_eq!(close.code, 501);
        assert!(close.text.starts_with("FRAME_ERROR - "), "{}", close.text);
    }
    a_connection_works(&broker);
}

#[test]
fn a_frame_that_claims_four_gibibytes_takes_no_memory() {
    let broker = Broker::own();
    let before = broker.resident_bytes();
    let mut wires = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::open_channel_1(broker.amqp_address());
        wire.send(&[BODY, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(wire.expect_close().code, 501);
        // So does a message that claims to be as large as may be, and then does not come.
        let mut waiting = Wire::open_channel_1(broker.amqp_address());
        waiting.send_method(1, (60, 40), &publish_arguments("", "q", 0));
        waiting.send_frame(HEADER, 1, &content_header(16 * 1024 * 1024));
        wires.push(waiting);
    }
    a_connection_works(&broker);
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "announcements alone took {grown} bytes");
}

#[test]
fn a_frame_above_8_kib_before_the_login() {
    let broker = Broker::start();
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    wire.send_if_it_listens(&method_frame(0, (10, 11), &vec![0; 9000]));
    while let Some(frame) = wire.read_frame() {
        assert_eq!(frame.method(), Some((10, 50)), "the broker takes no large frame from anybody");
        wire.send_if_it_listens(&method_frame(0, (10, 51), &[]));
    }
    a_connection_works(&broker);
}

#[test]
fn a_message_above_the_configured_size_is_refused_on_its_channel() {
    let settings = warren_tests::broker::Settings {
        config: "message_bytes_max = 1000".into(),
        ..Default::default()
    };
    let broker = Broker::with(settings);
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.open_channel(2);
    let queue = broker.name("q");
    wire.declare_queue(2, &queue, 4);
    wire.publish(2, "", &queue, 0, &[0; 1000]);
    wire.publish(1, "", &queue, 0, &[0; 1001]);
    let close = wire.expect_close();
    assert!(!close.whole_connection);
    assert_eq!(close.code, 406);
    let text = "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000";
    assert_eq!(close.text, text);
    wire.send_method(1, (20, 41), &[]);
    wire.send_method(2, (60, 10), &[0, 0, 0, 0, 0, 0, 0]);
    wire.expect_method(2, (60, 11));
    wire.close();
}

#[test]
fn a_body_longer_than_its_header_said() {
    let broker = Broker::start();
    let mut bytes = method_frame(1, (60, 40), &publish_arguments("", "nowhere", 0));
    bytes.extend(frame(HEADER, 1, &content_header(4)));
    bytes.extend(frame(BODY, 1, b"12345"));
    let close = close_for(&broker, &bytes);
    assert!(close.whole_connection);
    assert!([501, 505].contains(&close.code), "{close:?}");
}

#[test]
fn content_that_comes_out_of_turn() {
    let broker = Broker::start();
    let publish = method_frame(1, (60, 40), &publish_arguments("", "nowhere", 0));
    let no_publish = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    connection_ends(&broker, &frame(BODY, 1, b"body"), 505, no_publish);
    connection_ends(&broker, &frame(HEADER, 1, &content_header(4)), 505, no_publish);
    let twice = [publish.clone(), publish.clone()].concat();
    let no_header = "UNEXPECTED_FRAME - expected content header for class 60, got non content \
                     header frame instead";
    connection_ends(&broker, &twice, 505, no_header);
    let other_class = [publish, frame(HEADER, 1, &[0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0])];
    let close = close_for(&broker, &other_class.concat());
    assert!(close.whole_connection && [501, 502, 505].contains(&close.code), "{close:?}");
}

/// `queue.declare` with an argument table nested `depth` times.
fn nested_declare(depth: u32) -> Vec<u8> {
    // From the inside out; each level is the name "n", the letter F and the table in it.
    let mut table: Vec<u8> = Vec::new();
    for _ in 0..depth {
        let mut outer = short_string("n");
        outer.push(b'F');
        outer.extend(long_string(&table));
        table = outer;
    }
    let mut arguments = vec![0, 0];
    arguments.extend(short_string("nested"));
    arguments.push(4);
    arguments.extend(long_string(&table));
    arguments
}

#[test]
fn a_table_nested_ten_thousand_deep() {
    let broker = Broker::start();
    let arguments = nested_declare(10_000);
    assert!(arguments.len() < 131_000, "it fits into one frame");
    let close = close_for(&broker, &method_frame(1, (50, 10), &arguments));
    assert!(close.whole_connection && [501, 502].contains(&close.code), "{close:?}");

    // The same in the headers of a message.
    let table = &arguments[2 + 7 + 1..];
    let mut header = vec![0, 60, 0, 0];
    header.extend(1_u64.to_be_bytes());
    header.extend([0x20, 0]);
    header.extend(table);
    let mut bytes = method_frame(1, (60, 40), &publish_arguments("", "nowhere", 0));
    bytes.extend(frame(HEADER, 1, &header));
    let close = close_for(&broker, &bytes);
    assert!(close.whole_connection && [501, 502].contains(&close.code), "{close:?}");
}

#[test]
fn tables_whose_lengths_lie() {
    let broker = Broker::start();
    let tables: [&[u8]; 4] = [
        b"\x00\x00\x00\x09\x01n",
        b"\xFF\xFF\xFF\xFF\x01nt\x01",
        b"\x00\x00\x00\x03\x09nt",
        b"\x00\x00\x00\x04\x01nq\x01",
    ];
    for table in tables {
        let mut arguments = vec![0, 0];
        arguments.extend(short_string("q"));
        arguments.push(4);
        arguments.extend_from_slice(table);
        let close = close_for(&broker, &method_frame(1, (50, 10), &arguments));
        assert!(close.whole_connection && [501, 502].contains(&close.code), "{table:?}: {close:?}");
    }
}

#[test]
fn a_class_or_method_that_does_not_exist() {
    let broker = Broker::start();
    for method in [(99, 10), (60, 99), (50, 12)] {
        let close = close_for(&broker, &method_frame(1, method, &[]));
        assert!(close.whole_connection, "{method:?}: {close:?}");
        assert!([501, 502, 503, 540].contains(&close.code), "{method:?}: {close:?}");
    }
}

#[test]
fn a_method_that_only_the_server_sends() {
    let broker = Broker::start();
    let mut deliver = short_string("tag");
    deliver.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    let close = close_for(&broker, &method_frame(1, (60, 60), &deliver));
    assert!(close.whole_connection, "{close:?}");
    assert!([503, 504, 505, 540].contains(&close.code), "{close:?}");
}

#[test]
fn a_method_on_a_channel_that_is_not_open() {
    let broker = Broker::start();
    let consume = [&[0, 0][..], &short_string("q"), &short_string("t"), &[0; 5]].concat();
    let close = close_for(&broker, &method_frame(5, (60, 20), &consume));
    assert!(close.whole_connection);
    assert_eq!(close.code, 504, "{close:?}");

    // Nor on one that was open.
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    let mut arguments = 200_u16.to_be_bytes().to_vec();
    arguments.extend(short_string("bye"));
    arguments.extend([0; 4]);
    wire.send_method(1, (20, 40), &arguments);
    wire.expect_method(1, (20, 41));
    wire.send_method(1, (60, 20), &consume);
    let close = wire.expect_close();
    assert!(close.whole_connection);
    assert_eq!(close.code, 504, "{close:?}");
}

#[test]
fn a_channel_that_is_opened_twice() {
    let broker = Broker::start();
    let text = "CHANNEL_ERROR - second 'channel.open' seen";
    connection_ends(&broker, &method_frame(1, (20, 10), &[0]), 504, text);
}

#[test]
fn a_channels_method_on_channel_zero() {
    let broker = Broker::start();
    let mut declare = vec![0, 0];
    declare.extend(short_string("q"));
    declare.extend([0; 5]);
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    connection_ends(&broker, &method_frame(0, (50, 10), &declare), 504, text);
}

#[test]
fn frames_after_a_channel_error_are_passed_over_until_it_is_answered() {
    let broker = Broker::start();
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    let mut bytes = Vec::new();
    let missing = [&[0, 0][..], &short_string("nope"), &[1], &[0; 4]].concat();
    bytes.extend(method_frame(1, (50, 10), &missing));
    // All of this came too late, a whole message among it.
    bytes.extend(method_frame(1, (50, 10), &missing));
    bytes.extend(method_frame(1, (60, 40), &publish_arguments("", "q", 0)));
    bytes.extend(frame(HEADER, 1, &content_header(10)));
    bytes.extend(frame(BODY, 1, b"12345"));
    bytes.extend(frame(BODY, 1, b"67890"));
    wire.send(&bytes);
    let close = wire.expect_close();
    assert_eq!((close.whole_connection, close.code), (false, 404));
    wire.send_method(1, (20, 41), &[]);
    // The number is free again at once.
    wire.open_channel(1);
    wire.declare_queue(1, &broker.name("q"), 4);
    wire.close();
}

#[test]
fn clients_that_hang_up_anywhere() {
    let broker = Broker::start();
    let mut script = PROTOCOL_HEADER.to_vec();
    let mut start_ok = vec![0; 4];
    start_ok.extend(short_string("PLAIN"));
    start_ok.extend(long_string(b"\0guest\0guest"));
    start_ok.extend(short_string("en_US"));
    script.extend(method_frame(0, (10, 11), &start_ok));
    script.extend(method_frame(0, (10, 31), &[0x07, 0xFF, 0, 2, 0, 0, 0, 0]));
    script.extend(method_frame(0, (10, 40), &[1, b'/', 0, 0]));
    script.extend(method_frame(1, (20, 10), &[0]));
    script.extend(method_frame(1, (60, 40), &publish_arguments("amq.fanout", "k", 0)));
    script.extend(frame(HEADER, 1, &content_header(5)));
    script.extend(frame(BODY, 1, b"hello"));
    for cut in (0..script.len()).step_by(3) {
        let mut wire = Wire::connect(broker.amqp_address());
        wire.send(&script[..cut]);
        drop(wire);
    }
    a_connection_works(&broker);
}

#[test]
fn bytes_that_arrive_one_by_one_are_as_good_as_others() {
    let broker = Broker::start();
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    let queue = broker.name("q");
    wire.declare_queue(1, &queue, 4);
    let mut bytes = method_frame(1, (60, 40), &publish_arguments("", &queue, 0));
    bytes.extend(frame(HEADER, 1, &content_header(6)));
    bytes.extend(frame(BODY, 1, b"abc"));
    bytes.extend(frame(BODY, 1, b""));
    bytes.extend(frame(BODY, 1, b"def"));
    for byte in bytes {
        wire.send(&[byte]);
    }
    wire.consume(1, &queue, "tag", 2);
    wire.expect_method(1, (60, 60));
    assert_eq!(wire.read_frame().unwrap().payload, wire::content_header(6));
    assert_eq!(wire.read_frame().unwrap().payload, b"abcdef");
    wire.close();
}

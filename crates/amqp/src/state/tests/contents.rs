//! Messages from a client: whole, in pieces, interleaved, and broken.

use super::support::*;
use crate::{ReplyCode, Settings, limits, properties};

const NO_EVENTS: [&str; 0] = [];

#[test]
fn a_whole_message_is_taken_at_once() {
    let mut peer = Peer::with_channel();
    let expected = "publish on 1 to 'logs' 'a.b' [0, 0]: hello";
    assert_eq!(peer.feed(&publish(1, b"hello", 9)), [expected]);
    // Two of them in a row, and an empty one.
    let bytes = [publish(1, b"hello", 9), publish(1, b"hello", 9), publish(1, b"", 9)].concat();
    let empty = "publish on 1 to 'logs' 'a.b' [0, 0]: ";
    assert_eq!(peer.feed(&bytes), [expected, expected, empty]);
    assert_eq!(peer.pending_bytes(), 0);
}

#[test]
fn flags_names_and_properties_arrive() {
    let mut bytes = method(1, 60, 40, b"\x00\x00\x00\x04jobs\x03");
    bytes.extend(header(1, 2, b"\x10\x00\x02"));
    bytes.extend(frame(3, 1, b"hi"));
    let expected = "publish on 1 to '' 'jobs' mandatory immediate [16, 0, 2]: hi";
    assert_eq!(Peer::with_channel().feed(&bytes), [expected]);
    let (first, second) = bytes.split_at(30);
    let mut peer = Peer::with_channel();
    assert_eq!(peer.feed(first), NO_EVENTS);
    assert_eq!(peer.feed(second), [expected]);
}

#[test]
fn every_way_to_split_the_bytes_gives_the_same_message() {
    let bytes = publish(1, b"hello world", 4);
    let expected = "publish on 1 to 'logs' 'a.b' [0, 0]: hello world";
    for at in 0..bytes.len() {
        let mut peer = Peer::with_channel();
        let (first, second) = bytes.split_at(at);
        assert_eq!(peer.feed(first), NO_EVENTS);
        assert_eq!(peer.feed(second), [expected]);
    }
}

#[test]
fn body_frames_may_be_empty() {
    let mut bytes = publish_method(1);
    bytes.extend(header(1, 2, properties::NONE));
    for part in [&b""[..], b"h", b"", b"", b"i"] {
        bytes.extend(frame(3, 1, part));
    }
    let expected = "publish on 1 to 'logs' 'a.b' [0, 0]: hi";
    assert_eq!(Peer::with_channel().feed(&bytes), [expected]);
}

#[test]
fn messages_of_several_channels_may_interleave() {
    let mut peer = Peer::with_channel().and_channel(2);
    let frames = [
        publish_method(1),
        publish_method(2),
        header(1, 4, properties::NONE),
        header(2, 4, b"\x10\x00\x02"),
        frame(3, 2, b"cd"),
        frame(3, 1, b"ab"),
        frame(8, 0, b""),
        frame(3, 2, b"ef"),
        frame(3, 1, b"gh"),
    ];
    let expected = [
        "publish on 2 to 'logs' 'a.b' [16, 0, 2]: cdef",
        "publish on 1 to 'logs' 'a.b' [0, 0]: abgh",
    ];
    assert_eq!(peer.feed(&frames.concat()), expected);
}

#[test]
fn frames_of_another_channel_are_not_taken_for_ones_own() {
    let (on_1, on_2) =
        ("publish on 1 to 'logs' 'a.b' [0, 0]: ab", "publish on 2 to 'logs' 'a.b' [0, 0]: cd");
    // The header of channel 2 stands where channel 1's is expected.
    let mut peer = Peer::with_channel().and_channel(2);
    let begun = [publish_method(2), publish_method(1), header(2, 2, properties::NONE)];
    assert_eq!(peer.feed(&begun.concat()), NO_EVENTS);
    let rest = [frame(3, 2, b"cd"), header(1, 2, properties::NONE), frame(3, 1, b"ab")];
    assert_eq!(peer.feed(&rest.concat()), [on_2, on_1]);
    // Without bodies, the header alone tells the channel.
    let empty = |channel| header(channel, 0, properties::NONE);
    let frames = [publish_method(2), publish_method(1), empty(2), empty(1)];
    let events = peer.feed(&frames.concat());
    assert!(events[0].starts_with("publish on 2") && events[1].starts_with("publish on 1"));
    // All at once, and then the same with the body.
    assert_eq!(peer.feed(&[begun.concat(), rest.concat()].concat()), [on_2, on_1]);
    let frames = [
        publish_method(2),
        header(2, 2, properties::NONE),
        publish_method(1),
        header(1, 2, properties::NONE),
        frame(3, 2, b"cd"),
        frame(3, 1, b"ab"),
    ];
    assert_eq!(peer.feed(&frames.concat()), [on_2, on_1]);
}

#[test]
fn an_assembled_message_is_followed_by_clean_ones() {
    let mut peer = Peer::with_channel();
    let mut bytes = method(1, 60, 40, b"\x00\x00\x04long\x07routing\x03");
    bytes.extend(header(1, 6, b"\x10\x00\x02"));
    bytes.extend(frame(3, 1, b"abc"));
    bytes.extend(frame(3, 1, b"def"));
    bytes.extend(publish(1, b"xy", 1));
    bytes.extend(publish(1, b"", 1));
    let expected = [
        "publish on 1 to 'long' 'routing' mandatory immediate [16, 0, 2]: abcdef",
        "publish on 1 to 'logs' 'a.b' [0, 0]: xy",
        "publish on 1 to 'logs' 'a.b' [0, 0]: ",
    ];
    assert_eq!(peer.feed(&bytes), expected);
}

#[test]
fn content_without_a_publish_is_unexpected() {
    let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    let close = format!("connection.close 505 '{text}' 0.0");
    Peer::with_channel().breaks(&frame(3, 1, b"body"), &close);
    Peer::with_channel().breaks(&header(1, 0, properties::NONE), &close);
}

#[test]
fn a_header_must_follow_a_publish() {
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got non content header \
                frame instead";
    let declare = method(1, 50, 10, b"");
    // It is the publish that is blamed, as RabbitMQ does.
    let close = format!("connection.close 505 '{text}' 60.40");
    Peer::with_channel().breaks(&[publish_method(1), declare].concat(), &close);
    Peer::with_channel().breaks(&[publish_method(1), publish_method(1)].concat(), &close);
    let body = frame(3, 1, b"body");
    Peer::with_channel().breaks(&[publish_method(1), body].concat(), &close);
    // A body that would pass for a header.
    let body = frame(3, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Peer::with_channel().breaks(&[publish_method(1), body].concat(), &close);
}

#[test]
fn a_body_must_follow_a_header() {
    let text = "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
    let begun = [publish_method(1), header(1, 5, properties::NONE)].concat();
    let close = format!("connection.close 505 '{text}' 60.40");
    let second = header(1, 5, properties::NONE);
    Peer::with_channel().breaks(&[begun.clone(), second].concat(), &close);
    Peer::with_channel().breaks(&[begun, publish_method(1)].concat(), &close);
    // A header that is as long as the body that is due.
    let long = header(1, 14, properties::NONE);
    let bytes = [publish_method(1), long.clone(), long].concat();
    Peer::with_channel().breaks(&bytes, &close);
}

#[test]
fn more_body_than_announced_is_a_frame_error() {
    let text = "FRAME_ERROR - content body of 6 bytes instead of 5";
    let close = format!("connection.close 501 '{text}' 60.40");
    let begun = [publish_method(1), header(1, 5, properties::NONE)].concat();
    let bytes = [begun.clone(), frame(3, 1, b"123456")].concat();
    Peer::with_channel().breaks(&bytes, &close);
    let bytes = [begun, frame(3, 1, b"123"), frame(3, 1, b"456")].concat();
    Peer::with_channel().breaks(&bytes, &close);
}

#[test]
fn a_content_header_of_another_class_or_weight_is_refused() {
    let head =
        |class: u8, weight: u8| frame(2, 1, &[0, class, 0, weight, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 \
                instead";
    let close = format!("connection.close 505 '{text}' 60.40");
    Peer::with_channel().breaks(&[publish_method(1), head(50, 0)].concat(), &close);
    let close = "connection.close 501 'FRAME_ERROR - content header with weight 1' 60.40";
    Peer::with_channel().breaks(&[publish_method(1), head(60, 1)].concat(), close);
    let close = "connection.close 501 'FRAME_ERROR - cannot decode <<0,60,0>>' 60.40";
    let cut = frame(2, 1, &[0, 60, 0]);
    Peer::with_channel().breaks(&[publish_method(1), cut].concat(), close);
}

#[test]
fn malformed_properties_are_refused() {
    let cases: [(&[u8], &str); 5] = [
        (b"\x10\x00", "501 'FRAME_ERROR - cannot decode <<16,0>>'"),
        (b"\x10\x00\x02\x02", "501 'FRAME_ERROR - cannot decode <<16,0,2,2>>'"),
        (b"\x10\x01\x02", "502 'SYNTAX_ERROR - property flags 0x1001 have a reserved bit set'"),
        (b"\x20\x00\x00\x00\x00\x03\x01kz", "502 'SYNTAX_ERROR - unknown field type 122'"),
        (b"\x01\x00\x01\xff", "502 'SYNTAX_ERROR - a short string is not valid UTF-8'"),
    ];
    for (list, problem) in cases {
        let bytes = [publish_method(1), header(1, 0, list)].concat();
        Peer::with_channel().breaks(&bytes, &format!("connection.close {problem} 60.40"));
    }
}

#[test]
fn a_malformed_publish_is_refused() {
    let cases: [(&[u8], &str); 4] = [
        (b"\x00", "501 'FRAME_ERROR - cannot decode <<0>>'"),
        (b"\x00\x00\x01e\x02k", "501 'FRAME_ERROR - cannot decode <<0,0,1,101,2,107>>'"),
        (b"\x00\x00\x00\x00\x00\x00", "501 'FRAME_ERROR - cannot decode <<0,0,0,0,0,0>>'"),
        (b"\x00\x00\x01\xff\x00\x00", "502 'SYNTAX_ERROR - a short string is not valid UTF-8'"),
    ];
    for (fields, problem) in cases {
        let bytes = [method(1, 60, 40, fields), header(1, 0, properties::NONE)].concat();
        Peer::with_channel().breaks(&bytes, &format!("connection.close {problem} 60.40"));
    }
}

#[test]
fn headers_nested_ten_thousand_deep_are_a_syntax_error() {
    let mut raw = Vec::new();
    for _ in 0..10_000 {
        raw = [&b"\x01kF"[..], &long(&raw)].concat();
    }
    let list = [&b"\x20\x00"[..], &long(&raw)].concat();
    let bytes = [publish_method(1), header(1, 0, &list)].concat();
    let text = "SYNTAX_ERROR - tables are nested deeper than 32";
    Peer::with_channel().breaks(&bytes, &format!("connection.close 502 '{text}' 60.40"));
}

#[test]
fn a_message_above_the_maximum_closes_the_channel_alone() {
    const TEXT: &str = "message size 17000000 is larger than configured max size 16777216";
    let mut peer = Peer::with_channel().and_channel(2);
    let bytes = [publish_method(1), header(1, 17_000_000, properties::NONE)].concat();
    let failed =
        format!("ChannelFailed {{ channel: 1, code: PreconditionFailed, text: \"{TEXT}\" }}");
    assert_eq!(peer.feed(&bytes), [failed]);
    // The broker ends its part of the channel first; until then all that comes is discarded.
    assert_eq!(peer.feed(&publish(1, b"lost", 9)), NO_EVENTS);
    assert!(peer.answers().is_empty());
    peer.connection.close_channel(1, ReplyCode::PreconditionFailed, TEXT, 60, 40);
    let close = format!("channel.close 1 406 'PRECONDITION_FAILED - {TEXT}' 60.40");
    assert_eq!(peer.answers(), [close]);
    // Its body is discarded as it comes, and the other channel goes on.
    let bytes = [frame(3, 1, &[0; 1000]), publish(2, b"ok", 9), frame(3, 1, &[0; 1000])].concat();
    assert_eq!(peer.feed(&bytes), ["publish on 2 to 'logs' 'a.b' [0, 0]: ok"]);
    assert_eq!(peer.feed(&method(1, 20, 41, &[])), NO_EVENTS);
    assert_eq!(peer.feed(&method(1, 20, 10, &[0])), ["ChannelOpen { channel: 1 }"]);
}

#[test]
fn a_peer_may_close_a_channel_that_has_failed() {
    let mut peer = Peer::with_channel();
    let bytes = [publish_method(1), header(1, 17_000_000, properties::NONE)].concat();
    assert_eq!(peer.feed(&bytes).len(), 1);
    let close = [&200_u16.to_be_bytes()[..], &[0], &[0; 4]].concat();
    assert_eq!(peer.feed(&method(1, 20, 40, &close)), ["ChannelClose { channel: 1 }"]);
    assert!(!peer.connection.channel_may_close(1));
    peer.connection.channel_close_ok(1);
    assert_eq!(peer.answers(), ["1 Channel(CloseOk(CloseOk))"]);
}

#[test]
fn the_largest_message_passes() {
    let settings = Settings { message_bytes_max: 10, ..Settings::default() };
    let mut peer = Peer::open_with(settings, 0, 0).and_channel(1);
    for part in [4, 10] {
        let expected = "publish on 1 to 'logs' 'a.b' [0, 0]: 0123456789";
        assert_eq!(peer.feed(&publish(1, b"0123456789", part)), [expected]);
    }
    let events = peer.feed(&publish(1, b"0123456789x", 11));
    assert!(events[0].starts_with("ChannelFailed"), "{events:?}");
}

#[test]
fn an_announced_size_reserves_nothing() {
    let mut peer = Peer::with_channel();
    peer.feed(&[publish_method(1), header(1, 16_000_000, properties::NONE)].concat());
    for count in 1..=20 {
        assert_eq!(peer.feed(&frame(3, 1, &[b'x'; 1000])), NO_EVENTS);
        let held = peer.connection.held_capacity();
        assert!(held <= 2 * count * 1000 + 1000, "{held} after {count} frames");
    }
}

#[test]
fn buffers_of_large_messages_are_given_back() {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.feed(&publish(1, &[b'x'; 300_000], 100_000)).len(), 1);
    assert_eq!(peer.feed(&frame(8, 0, b"")), NO_EVENTS);
    assert!(peer.connection.held_capacity() <= limits::SPARE_BODY_BYTES);
    // An unfinished one goes with its channel.
    let begun = [publish_method(1), header(1, 99_999, properties::NONE), frame(3, 1, &[0; 9999])];
    peer.feed(&begun.concat());
    peer.connection.close_channel(1, crate::ReplyCode::NotFound, "x", 0, 0);
    assert!(peer.connection.held_capacity() <= limits::SPARE_BODY_BYTES);
}

#[test]
fn unfinished_messages_are_bounded_for_the_whole_connection() {
    // Sixteen times the frame size, which is more than this largest message.
    let settings = Settings { message_bytes_max: 4096, frame_max: 4096, ..Settings::default() };
    let mut peer = Peer::open_with(settings, 0, 0);
    for channel in 1..=17 {
        peer.feed(&method(channel, 20, 10, &[0]));
        peer.feed(&[publish_method(channel), header(channel, 4096, properties::NONE)].concat());
    }
    for channel in 1..=16 {
        assert_eq!(peer.feed(&frame(3, channel, &[0; 4080])), NO_EVENTS);
    }
    let events = peer.feed(&frame(3, 17, &[0; 4080]));
    assert!(events[0].starts_with("Failed { code: ResourceError"), "{events:?}");
    assert_eq!(peer.connection.held_capacity(), 0);
}

#[test]
fn finished_and_discarded_messages_do_not_count_as_unfinished() {
    let settings = Settings { message_bytes_max: 4096, frame_max: 4096, ..Settings::default() };
    let mut peer = Peer::open_with(settings, 0, 0).and_channel(1);
    for _ in 0..40 {
        assert_eq!(peer.feed(&publish(1, &[0; 4000], 2000)).len(), 1);
        peer.feed(&[publish_method(1), header(1, 4096, b"\x10\x00\x02")].concat());
        assert_eq!(peer.feed(&frame(3, 1, &[0; 4080])), NO_EVENTS);
        peer.connection.close_channel(1, crate::ReplyCode::NotFound, "x", 0, 0);
        peer.feed(&[method(1, 20, 41, &[]), method(1, 20, 10, &[0])].concat());
        assert!(peer.connection.channel_is_open(1));
    }
}

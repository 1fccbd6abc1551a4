//! The end of a connection, and frames that break the protocol.

use super::support::*;
use crate::{ReplyCode, Settings};

/// The frame of `connection.close` from the client.
fn close() -> Vec<u8> {
    method(0, 10, 50, &[&[0, 200][..], &short("bye"), &[0, 0, 0, 0]].concat())
}

fn close_ok() -> Vec<u8> {
    method(0, 10, 51, &[])
}

#[test]
fn the_peer_closes_and_the_broker_answers() {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.feed(&close()), ["Close { reply_code: 200, reply_text: \"bye\" }"]);
    assert!(!peer.connection.is_open());
    assert!(!peer.connection.channel_is_open(1));
    assert!(!peer.connection.is_finished());
    // What follows a close is discarded, and a late close of the broker is not sent.
    assert_eq!(peer.feed(&publish(1, b"late", 9)), [""; 0]);
    peer.connection.close(ReplyCode::InternalError, "late", 0, 0);
    peer.connection.close_ok();
    assert_eq!(peer.answers(), ["0 Connection(CloseOk(CloseOk))"]);
    assert!(peer.connection.is_finished());
}

#[test]
fn the_broker_closes_and_discards_until_close_ok() {
    let mut peer = Peer::with_channel();
    peer.connection.close(ReplyCode::ConnectionForced, "Closed via management plugin", 0, 0);
    let expected = "connection.close 320 'CONNECTION_FORCED - Closed via management plugin' 0.0";
    assert_eq!(peer.answers(), [expected]);
    let noise = [
        publish(1, b"lost", 2),
        method(7, 20, 10, &[0]),
        frame(8, 0, &[]),
        method(0, 10, 70, &[&long(b"x")[..], &short("y")].concat()),
        frame(9, 3, b"unknown type"),
    ];
    assert_eq!(peer.feed(&noise.concat()), [""; 0]);
    assert_eq!(peer.answers(), [""; 0]);
    peer.connection.close(ReplyCode::ConnectionForced, "again", 0, 0);
    assert_eq!(peer.answers(), [""; 0]);
    assert_eq!(peer.feed(&close_ok()), ["Closed"]);
    assert!(peer.connection.is_finished());
}

#[test]
fn closes_that_cross_are_both_answered() {
    let mut peer = Peer::open();
    peer.connection.close(ReplyCode::ConnectionForced, "bye", 0, 0);
    peer.answers();
    assert_eq!(peer.feed(&close()), [""; 0]);
    assert_eq!(peer.answers(), ["0 Connection(CloseOk(CloseOk))"]);
    assert!(!peer.connection.is_finished());
    assert_eq!(peer.feed(&close_ok()), ["Closed"]);
}

#[test]
fn closing_before_the_login_just_ends_the_connection() {
    let mut peer = Peer::new(Settings::default());
    peer.feed(PROTOCOL_HEADER);
    peer.answers();
    peer.connection.close(ReplyCode::ConnectionForced, "bye", 0, 0);
    assert_eq!(peer.answers(), [""; 0]);
    assert!(peer.connection.is_finished());
}

#[test]
fn reply_texts_are_cut_to_a_short_string() {
    let mut peer = Peer::open();
    peer.connection.close(ReplyCode::InternalError, &"x".repeat(1000), 0, 0);
    let text = format!("INTERNAL_ERROR - {}", "x".repeat(255 - 17));
    assert_eq!(peer.answers(), [format!("connection.close 541 '{text}' 0.0")]);
}

#[test]
fn a_wrong_frame_end_is_a_frame_error() {
    let mut bytes = method(1, 20, 10, &[0]);
    *bytes.last_mut().unwrap() = 0;
    let text = "FRAME_ERROR - type 1, all octets = <<0,20,0,10,0>>: {invalid_frame_end_marker,0}";
    Peer::open().breaks(&bytes, &format!("connection.close 501 '{text}' 0.0"));
}

#[test]
fn an_unknown_frame_type_is_a_frame_error() {
    let text = "FRAME_ERROR - type 7, all octets = <<\"abc\">>: unknown_frame";
    for channel in [0, 1] {
        let bytes = frame(7, channel, b"abc");
        Peer::with_channel().breaks(&bytes, &format!("connection.close 501 '{text}' 0.0"));
    }
}

#[test]
fn a_frame_above_frame_max_is_a_frame_error_before_it_is_there() {
    let text = "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,131073,131064}";
    let head = [3, 0, 1, 0, 2, 0, 1];
    Peer::with_channel().breaks(&head, &format!("connection.close 501 '{text}' 0.0"));
}

#[test]
fn frames_fit_up_to_the_agreed_frame_max() {
    let mut peer = Peer::open_with(Settings::default(), 4096, 0).and_channel(1);
    let fits = publish(1, &[b'x'; 4088], 4088);
    let expected = "publish on 1 to 'logs' 'a.b' [0, 0]: 4088 bytes of 120";
    assert_eq!(peer.feed(&fits), [expected]);
    let events = peer.feed(&publish(1, &[b'x'; 4097], 4097));
    assert!(events[0].contains("frame_too_large,4097,4088"), "{events:?}");
}

#[test]
fn a_body_in_pieces_of_frame_max_is_taken_though_its_frames_are_larger() {
    let mut peer = Peer::open_with(Settings::default(), 4096, 0).and_channel(1);
    let expected = "publish on 1 to 'logs' 'a.b' [0, 0]: 4096 bytes of 120";
    assert_eq!(peer.feed(&publish(1, &[b'x'; 4096], 4096)), [expected]);
}

#[test]
fn close_ok_is_found_after_frames_were_lost() {
    let mut peer = Peer::open();
    let events = peer.feed(&[3, 0, 1, 0xff, 0, 0, 0, b'x', b'x']);
    assert!(events[0].starts_with("Failed { code: FrameError"), "{events:?}");
    let bytes = [vec![0; 1000], close_ok()].concat();
    for byte in &bytes[..bytes.len() - 1] {
        assert_eq!(peer.feed(&[*byte]), [""; 0]);
        assert!(peer.pending_bytes() < 12);
    }
    assert_eq!(peer.feed(&bytes[bytes.len() - 1..]), ["Closed"]);
    assert!(peer.connection.is_finished());
}

#[test]
fn frames_can_be_lost_while_a_close_waits() {
    let mut peer = Peer::open();
    peer.connection.close(ReplyCode::ConnectionForced, "bye", 0, 0);
    peer.answers();
    assert_eq!(peer.feed(&[3, 0, 1, 0xff, 0, 0, 0]), [""; 0]);
    assert_eq!(peer.answers(), [""; 0]);
    assert_eq!(peer.feed(&close_ok()), ["Closed"]);
}

#[test]
fn heartbeats_belong_on_channel_0_and_are_empty() {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.feed(&frame(8, 0, &[])), [""; 0]);
    assert!(peer.connection.is_open());
    let on_channel = "UNEXPECTED_FRAME - type 8, all octets = <<>>";
    peer.breaks(&frame(8, 1, &[]), &format!("connection.close 505 '{on_channel}' 0.0"));
    let with_payload = "FRAME_ERROR - type 8, all octets = <<1,2>>: unknown_frame";
    let close = format!("connection.close 501 '{with_payload}' 0.0");
    Peer::open().breaks(&frame(8, 0, &[1, 2]), &close);
}

#[test]
fn channel_0_takes_methods_of_the_connection_only() {
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    for (class, number) in [(50, 10), (10, 10), (10, 11), (10, 31), (10, 40), (10, 51), (60, 40)] {
        let bytes = method(0, class, number, &[]);
        let close = format!("connection.close 504 '{text}' {class}.{number}");
        Peer::open().breaks(&bytes, &close);
    }
    for kind in [2, 3] {
        let text = format!("UNEXPECTED_FRAME - frame of type {kind} on channel 0");
        let bytes = frame(kind, 0, b"x");
        Peer::open().breaks(&bytes, &format!("connection.close 505 '{text}' 0.0"));
    }
}

#[test]
fn a_malformed_close_is_a_frame_error() {
    let text = "FRAME_ERROR - cannot decode <<0,200>>";
    let bytes = method(0, 10, 50, &[0, 200]);
    Peer::open().breaks(&bytes, &format!("connection.close 501 '{text}' 10.50"));
}

#[test]
fn a_new_secret_is_confirmed_when_the_broker_has_taken_it() {
    let mut peer = Peer::open();
    let bytes = method(0, 10, 70, &[&long(b"token")[..], &short("old one expires")].concat());
    assert_eq!(peer.feed(&bytes), ["UpdateSecret { secret: \"token\" }"]);
    assert!(peer.answers().is_empty());
    peer.connection.update_secret_ok();
    assert_eq!(peer.answers(), ["0 Connection(UpdateSecretOk(UpdateSecretOk))"]);
}

//! Channels: opened, used, closed by either side.

use super::support::*;
use crate::{ReplyCode, Settings};

/// `channel.close` from the client.
fn close(channel: u16) -> Vec<u8> {
    method(channel, 20, 40, &[&[0, 200][..], &short("bye"), &[0, 0, 0, 0]].concat())
}

fn close_ok(channel: u16) -> Vec<u8> {
    method(channel, 20, 41, &[])
}

fn channel_open(channel: u16) -> Vec<u8> {
    method(channel, 20, 10, &[0])
}

#[test]
fn a_channel_opens_and_closes() {
    let mut peer = Peer::open();
    assert_eq!(peer.feed(&channel_open(3)), ["ChannelOpen { channel: 3 }"]);
    assert_eq!(peer.answers(), [""; 0], "the broker may have no room for it");
    peer.connection.channel_open_ok(3);
    assert_eq!(peer.answers(), ["3 Channel(OpenOk(OpenOk))"]);
    assert!(peer.connection.channel_is_open(3));
    assert!(!peer.connection.channel_is_open(1));
    assert_eq!(peer.feed(&close(3)), ["ChannelClose { channel: 3 }"]);
    assert!(!peer.connection.channel_is_open(3));
    assert_eq!(peer.answers(), [""; 0]);
    peer.connection.channel_close_ok(3);
    assert_eq!(peer.answers(), ["3 Channel(CloseOk(CloseOk))"]);
    // The number is free again, and a second close-ok is not sent.
    peer.connection.channel_close_ok(3);
    assert_eq!(peer.answers(), [""; 0]);
    assert_eq!(peer.feed(&channel_open(3)), ["ChannelOpen { channel: 3 }"]);
}

#[test]
fn a_channel_that_was_never_opened_takes_nothing() {
    let text = "CHANNEL_ERROR - expected 'channel.open'";
    let declare = method(5, 50, 30, b"\x00\x00\x01q\x00");
    Peer::open().breaks(&declare, &format!("connection.close 504 '{text}' 50.30"));
    Peer::open().breaks(&publish_method(5), &format!("connection.close 504 '{text}' 60.40"));
    Peer::open().breaks(&close_ok(5), &format!("connection.close 504 '{text}' 20.41"));
    for kind in [2, 3] {
        let bytes = frame(kind, 5, b"");
        Peer::open().breaks(&bytes, &format!("connection.close 504 '{text}' 0.0"));
    }
}

#[test]
fn a_channel_opens_only_once() {
    let text = "CHANNEL_ERROR - second 'channel.open' seen";
    let close = format!("connection.close 504 '{text}' 20.10");
    Peer::with_channel().breaks(&channel_open(1), &close);
}

#[test]
fn more_channels_than_agreed_are_refused_whatever_their_numbers() {
    let settings = Settings { channel_max: 3, ..Settings::default() };
    let mut peer = Peer::open_with(settings, 0, 0);
    for number in [65_535, 2_048, 7] {
        assert_eq!(
            peer.feed(&channel_open(number)),
            [format!("ChannelOpen {{ channel: {number} }}")]
        );
    }
    // One that was closed makes room for another one, and not before close-ok.
    peer.connection.close_channel(2_048, ReplyCode::NotFound, "x", 0, 0);
    assert_eq!(peer.feed(&close_ok(2_048)), [""; 0]);
    assert_eq!(peer.feed(&channel_open(2_047)), ["ChannelOpen { channel: 2047 }"]);
    peer.connection.close_channel(7, ReplyCode::NotFound, "x", 0, 0);
    // The client's own close crossed ours; the number may be opened again.
    assert_eq!(peer.feed(&close(7)), [""; 0]);
    assert_eq!(peer.feed(&channel_open(7)), ["ChannelOpen { channel: 7 }"]);
    peer.connection.close_channel(65_535, ReplyCode::NotFound, "x", 0, 0);
    peer.answers();
    let text =
        "NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max (3)";
    peer.breaks(&channel_open(4), &format!("connection.close 530 '{text}' 0.0"));
}

#[test]
fn methods_reach_the_broker() {
    let mut peer = Peer::with_channel();
    let qos = method(1, 60, 10, &[0, 0, 0, 0, 0, 7, 1]);
    let expected =
        "Method { channel: 1, method: Basic(Qos(Qos { prefetch_count: 7, global: true })) }";
    assert_eq!(peer.feed(&qos), [expected]);
    let select = method(1, 90, 10, &[]);
    assert_eq!(peer.feed(&select), ["Method { channel: 1, method: Tx(Select(Select)) }"]);
    let empty = [0, 0, 0, 0];
    let declare = [&b"\x00\x00\x01q\x00"[..], &empty].concat();
    let bind = [&b"\x00\x00\x01q\x01e\x01k\x00"[..], &empty].concat();
    let consume = [&b"\x00\x00\x01q\x00\x00"[..], &empty].concat();
    let others: [(u16, u16, &[u8]); 9] = [
        (50, 10, &declare),
        (50, 20, &bind),
        (50, 40, b"\x00\x00\x01q\x00"),
        (40, 20, b"\x00\x00\x01e\x00"),
        (60, 20, &consume),
        (60, 70, b"\x00\x00\x01q\x00"),
        (60, 100, b"\x01"),
        (60, 110, b"\x01"),
        (85, 10, b"\x00"),
    ];
    for (class, number, fields) in others {
        let events = peer.feed(&method(1, class, number, fields));
        assert_eq!(events.len(), 1, "{class}.{number}");
        assert!(events[0].starts_with("Method { channel: 1"), "{events:?}");
    }
    assert_eq!(peer.answers(), [""; 0]);
}

#[test]
fn acknowledgements_reach_the_broker() {
    let mut peer = Peer::with_channel();
    let tag = 258_u64.to_be_bytes();
    let bytes = |number, bits| method(1, 60, number, &[&tag[..], &[bits]].concat());
    let ack = |multiple| format!("Ack {{ channel: 1, delivery_tag: 258, multiple: {multiple} }}");
    assert_eq!(peer.feed(&bytes(80, 0)), [ack(false)]);
    assert_eq!(peer.feed(&bytes(80, 1)), [ack(true)]);
    for (bits, multiple, requeue) in [(0, false, false), (1, true, false), (2, false, true)] {
        let nack = format!(
            "Nack {{ channel: 1, delivery_tag: 258, multiple: {multiple}, requeue: {requeue} }}"
        );
        assert_eq!(peer.feed(&bytes(120, bits)), [nack]);
    }
    let reject = "Reject { channel: 1, delivery_tag: 258, requeue: true }";
    assert_eq!(peer.feed(&bytes(90, 1)), [reject]);
    let text = "FRAME_ERROR - cannot decode <<0,0,0>>";
    let cut = method(1, 60, 80, &[0, 0, 0]);
    peer.breaks(&cut, &format!("connection.close 501 '{text}' 60.80"));
}

#[test]
fn some_methods_are_answered_here() {
    let mut peer = Peer::with_channel();
    assert_eq!(peer.feed(&method(1, 20, 20, &[1])), [""; 0]);
    assert_eq!(peer.answers(), ["1 Channel(FlowOk(FlowOk { active: true }))"]);
    assert_eq!(peer.feed(&method(1, 30, 10, b"\x05/data\x1f")), [""; 0]);
    assert_eq!(peer.answers(), ["1 Access(RequestOk(RequestOk))"]);
    assert_eq!(peer.feed(&method(1, 20, 21, &[1])), [""; 0]);
    assert_eq!(peer.feed(&method(1, 60, 31, b"\x01t")), [""; 0]);
    assert_eq!(peer.answers(), [""; 0]);
    assert!(peer.connection.is_open());
}

#[test]
fn what_is_not_implemented_closes_the_connection() {
    let flow = method(1, 20, 20, &[0]);
    let close = "connection.close 540 'NOT_IMPLEMENTED - active=false' 20.20";
    Peer::with_channel().breaks(&flow, close);
    let qos = method(1, 60, 10, &[0, 0, 0, 10, 0, 7, 0]);
    let close = "connection.close 540 'NOT_IMPLEMENTED - prefetch_size!=0 (10)' 60.10";
    Peer::with_channel().breaks(&qos, close);
}

#[test]
fn methods_of_a_server_and_unknown_ones_are_invalid() {
    for (class, number) in [(60, 60), (60, 50), (50, 11), (20, 11), (85, 11), (61, 1), (60, 41)] {
        let text = "COMMAND_INVALID - unimplemented method";
        let close = format!("connection.close 503 '{text}' {class}.{number}");
        Peer::with_channel().breaks(&method(1, class, number, &[]), &close);
    }
    // These may be sent, but not here.
    let text = "COMMAND_INVALID - unimplemented method";
    Peer::with_channel().breaks(&close_ok(1), &format!("connection.close 503 '{text}' 20.41"));
    let text = "COMMAND_INVALID - unimplemented method";
    let bytes = method(1, 10, 51, &[]);
    Peer::with_channel().breaks(&bytes, &format!("connection.close 503 '{text}' 10.51"));
}

#[test]
fn malformed_methods_close_the_connection() {
    let cut = method(1, 50, 30, b"\x00\x00\x05q");
    let close = "connection.close 501 'FRAME_ERROR - cannot decode <<0,0,5,113>>' 50.30";
    Peer::with_channel().breaks(&cut, close);
    let trailing = method(1, 90, 10, b"x");
    let close = "connection.close 501 'FRAME_ERROR - cannot decode <<\"x\">>' 90.10";
    Peer::with_channel().breaks(&trailing, close);
    let empty = frame(1, 1, &[]);
    let close = "connection.close 501 'FRAME_ERROR - cannot decode <<>>' 0.0";
    Peer::with_channel().breaks(&empty, close);
    let bad_table = method(1, 50, 10, b"\x00\x00\x01q\x00\x00\x00\x00\x03\x01kz");
    let close = "connection.close 502 'SYNTAX_ERROR - unknown field type 122' 50.10";
    Peer::with_channel().breaks(&bad_table, close);
}

#[test]
fn a_table_nested_ten_thousand_deep_is_a_syntax_error() {
    let mut raw = Vec::new();
    for _ in 0..10_000 {
        raw = [&b"\x01kF"[..], &long(&raw)].concat();
    }
    let bytes = method(1, 50, 10, &[&b"\x00\x00\x01q\x00"[..], &long(&raw)].concat());
    let text = "SYNTAX_ERROR - tables are nested deeper than 32";
    Peer::with_channel().breaks(&bytes, &format!("connection.close 502 '{text}' 50.10"));
}

#[test]
fn the_broker_closes_a_channel_and_discards_until_close_ok() {
    let mut peer = Peer::with_channel().and_channel(2);
    peer.connection.close_channel(1, ReplyCode::NotFound, "no queue 'x' in vhost '/'", 50, 10);
    let expected = "channel.close 1 404 'NOT_FOUND - no queue 'x' in vhost '/'' 50.10";
    assert_eq!(peer.answers(), [expected]);
    assert!(!peer.connection.channel_is_open(1));
    let discarded = [
        publish(1, b"discarded", 4),
        publish_method(1),
        method(1, 50, 30, b"malformed"),
        channel_open(1),
    ];
    assert_eq!(peer.feed(&discarded.concat()), [""; 0]);
    // The other channel goes on.
    let other = "publish on 2 to 'logs' 'a.b' [0, 0]: other";
    assert_eq!(peer.feed(&publish(2, b"other", 9)), [other]);
    peer.connection.close_channel(1, ReplyCode::NotFound, "again", 0, 0);
    assert_eq!(peer.feed(&close_ok(1)), [""; 0]);
    assert_eq!(peer.answers(), [""; 0]);
    assert_eq!(peer.feed(&channel_open(1)), ["ChannelOpen { channel: 1 }"]);
}

#[test]
fn a_client_that_crosses_our_close_gets_its_close_ok() {
    let mut peer = Peer::with_channel();
    peer.connection.close_channel(1, ReplyCode::NotFound, "x", 0, 0);
    peer.answers();
    assert_eq!(peer.feed(&close(1)), [""; 0]);
    assert_eq!(peer.answers(), ["1 Channel(CloseOk(CloseOk))"]);
    assert_eq!(peer.feed(&publish(1, b"discarded", 9)), [""; 0]);
    assert_eq!(peer.feed(&close_ok(1)), [""; 0]);
    assert_eq!(peer.feed(&channel_open(1)), ["ChannelOpen { channel: 1 }"]);
}

#[test]
fn a_client_that_crossed_our_close_may_reuse_the_number_without_answering() {
    let mut peer = Peer::with_channel();
    peer.connection.close_channel(1, ReplyCode::NotFound, "x", 0, 0);
    assert_eq!(peer.feed(&close(1)), [""; 0]);
    assert_eq!(peer.feed(&channel_open(1)), ["ChannelOpen { channel: 1 }"]);
    assert!(peer.connection.channel_is_open(1));
}

#[test]
fn after_the_peers_close_nothing_counts_until_the_answer() {
    let mut peer = Peer::with_channel();
    peer.feed(&close(1));
    assert_eq!(peer.feed(&publish(1, b"discarded", 9)), [""; 0]);
    peer.connection.close_channel(1, ReplyCode::NotFound, "too late", 0, 0);
    assert_eq!(peer.answers(), [""; 0]);
    peer.connection.channel_close_ok(1);
    assert_eq!(peer.answers(), ["1 Channel(CloseOk(CloseOk))"]);
}

//! What the broker sends: messages, confirms, methods; read back with `amq-protocol`.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::BasicProperties;
use proptest::prelude::*;

use super::support::*;
use crate::{Content, Method, ReplyCode, Settings, basic, connection, properties, queue};

const CONTENT: Content<'_> =
    Content { exchange: b"logs", routing_key: b"a.b", properties: &[0x10, 0, 2], body: b"hello" };

/// Content header and body frames of a message, put together again.
fn content(frames: &[AMQPFrame]) -> (BasicProperties, Vec<u8>) {
    let [AMQPFrame::Header(1, header), bodies @ ..] = frames else { panic!("{frames:?}") };
    assert_eq!(header.class_id, 60);
    let mut body = Vec::new();
    for frame in bodies {
        let AMQPFrame::Body(1, part) = frame else { panic!("{frame:?}") };
        assert!(!part.is_empty());
        body.extend_from_slice(part);
    }
    assert_eq!(header.body_size, body.len() as u64);
    (header.properties.clone(), body)
}

#[test]
fn a_message_is_delivered_got_and_returned() {
    let mut peer = Peer::with_channel();
    peer.connection.deliver(1, "c1", 7, true, CONTENT);
    peer.connection.get_ok(1, 8, false, 3, CONTENT);
    peer.connection.return_message(1, ReplyCode::NoRoute, CONTENT);
    let frames = peer.frames();
    let methods: Vec<&Method> = frames
        .iter()
        .filter_map(|frame| match frame {
            AMQPFrame::Method(1, method) => Some(method),
            _ => None,
        })
        .collect();
    let deliver = Method::Basic(basic::AMQPMethod::Deliver(basic::Deliver {
        consumer_tag: "c1".into(),
        delivery_tag: 7,
        redelivered: true,
        exchange: "logs".into(),
        routing_key: "a.b".into(),
    }));
    let get_ok = Method::Basic(basic::AMQPMethod::GetOk(basic::GetOk {
        delivery_tag: 8,
        redelivered: false,
        exchange: "logs".into(),
        routing_key: "a.b".into(),
        message_count: 3,
    }));
    let returned = Method::Basic(basic::AMQPMethod::Return(basic::Return {
        reply_code: 312,
        reply_text: "NO_ROUTE".into(),
        exchange: "logs".into(),
        routing_key: "a.b".into(),
    }));
    assert_eq!(methods, [&deliver, &get_ok, &returned]);
    for message in frames.chunks(3) {
        let (properties, body) = content(&message[1..]);
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(body, b"hello");
    }
}

#[test]
fn bodies_are_cut_by_the_agreed_frame_max() {
    let mut peer = Peer::open_with(Settings::default(), 4096, 0).and_channel(1);
    for (length, frames) in [(0, 0), (1, 1), (4088, 1), (4089, 2), (8176, 2), (8177, 3)] {
        let body = vec![b'x'; length];
        peer.connection.deliver(1, "c", 1, false, Content { body: &body, ..CONTENT });
        let sent = peer.frames();
        assert_eq!(sent.len(), 2 + frames, "{length} bytes");
        assert_eq!(content(&sent[1..]).1, body);
        for frame in &sent {
            if let AMQPFrame::Body(_, part) = frame {
                assert!(part.len() <= 4088);
            }
        }
    }
}

#[test]
fn confirms_go_out() {
    let mut peer = Peer::with_channel();
    peer.connection.ack(1, 258, true);
    peer.connection.nack(1, 7, false);
    let expected = [
        "1 Basic(Ack(Ack { delivery_tag: 258, multiple: true }))",
        "1 Basic(Nack(Nack { delivery_tag: 7, multiple: false, requeue: false }))",
    ];
    assert_eq!(peer.answers(), expected);
}

#[test]
fn any_other_method_goes_out() {
    let mut peer = Peer::with_channel();
    let ok = queue::DeclareOk { queue: "q".into(), message_count: 1, consumer_count: 2 };
    peer.connection.method(1, Method::Queue(queue::AMQPMethod::DeclareOk(ok)));
    let blocked = connection::Blocked { reason: "low on disk".into() };
    peer.connection.method(0, Method::Connection(connection::AMQPMethod::Blocked(blocked)));
    let expected = [
        "1 Queue(DeclareOk(DeclareOk { queue: ShortString(\"q\"), message_count: 1, \
         consumer_count: 2 }))",
        "0 Connection(Blocked(Blocked { reason: ShortString(\"low on disk\") }))",
    ];
    assert_eq!(peer.answers(), expected);
}

/// Sends one of each on channel 1.
fn send_all(peer: &mut Peer) {
    peer.connection.deliver(1, "c", 1, false, CONTENT);
    peer.connection.get_ok(1, 1, false, 0, CONTENT);
    peer.connection.return_message(1, ReplyCode::NoRoute, CONTENT);
    peer.connection.ack(1, 1, false);
    peer.connection.nack(1, 1, false);
    let ok = basic::RecoverOk {};
    peer.connection.method(1, Method::Basic(basic::AMQPMethod::RecoverOk(ok)));
}

#[test]
fn nothing_goes_out_on_a_channel_that_is_not_open() {
    let mut peer = Peer::open();
    send_all(&mut peer);
    peer.connection.close_channel(1, ReplyCode::NotFound, "x", 0, 0);
    assert_eq!(peer.answers(), [""; 0]);

    let mut peer = Peer::with_channel();
    peer.connection.close_channel(1, ReplyCode::NotFound, "x", 0, 0);
    peer.answers();
    send_all(&mut peer);
    assert_eq!(peer.answers(), [""; 0]);
}

#[test]
fn nothing_goes_out_when_the_connection_closes() {
    let mut peer = Peer::with_channel();
    peer.connection.close(ReplyCode::InternalError, "x", 0, 0);
    peer.answers();
    send_all(&mut peer);
    peer.connection.channel_close_ok(1);
    let unblocked = connection::Unblocked {};
    let unblocked = Method::Connection(connection::AMQPMethod::Unblocked(unblocked));
    peer.connection.method(0, unblocked);
    assert_eq!(peer.answers(), [""; 0]);
}

#[test]
fn a_closing_peer_still_gets_what_was_meant_for_it() {
    let mut peer = Peer::with_channel();
    peer.feed(&method(1, 20, 40, &[&[0, 200][..], &short("bye"), &[0, 0, 0, 0]].concat()));
    peer.connection.ack(1, 1, false);
    peer.connection.channel_close_ok(1);
    peer.connection.ack(1, 2, false);
    let expected =
        ["1 Basic(Ack(Ack { delivery_tag: 1, multiple: false }))", "1 Channel(CloseOk(CloseOk))"];
    assert_eq!(peer.answers(), expected);
}

proptest! {
    #[test]
    fn deliveries_agree_with_amq_protocol(
        consumer_tag in "[ -~]{0,40}",
        exchange in "[ -~]{0,40}",
        routing_key in "[ -~]{0,40}\u{e9}?",
        delivery_tag: u64,
        redelivered: bool,
        priority: u8,
        body in prop::collection::vec(any::<u8>(), 0..20_000),
    ) {
        let mut peer = Peer::open_with(Settings::default(), 4096, 0).and_channel(1);
        let list = properties::Builder::new()
            .set(properties::Property::Priority, [priority])
            .set(properties::Property::AppId, "app")
            .build();
        let content = Content {
            exchange: exchange.as_bytes(),
            routing_key: routing_key.as_bytes(),
            properties: &list,
            body: &body,
        };
        peer.connection.deliver(1, &consumer_tag, delivery_tag, redelivered, content);
        let frames = peer.frames();
        let expected = Method::Basic(basic::AMQPMethod::Deliver(basic::Deliver {
            consumer_tag: consumer_tag.as_str().into(),
            delivery_tag,
            redelivered,
            exchange: exchange.as_str().into(),
            routing_key: routing_key.as_str().into(),
        }));
        prop_assert_eq!(&frames[0], &AMQPFrame::Method(1, expected));
        let (properties, sent) = self::content(&frames[1..]);
        prop_assert_eq!(*properties.priority(), Some(priority));
        prop_assert_eq!(sent, body);
    }
}

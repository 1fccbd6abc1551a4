//! Properties of all inputs: however bytes are split, the events are the same; no bytes panic; no
//! bytes make buffers grow beyond their limits.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext};
use amq_protocol::protocol::BasicProperties;
use proptest::prelude::*;

use super::support::*;
use crate::{Method, Settings, basic, limits};

/// One thing that a client may send on channels 1 and 2, well-formed or not.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let channel = 1_u16..=2;
    let message = (channel.clone(), prop::collection::vec(any::<u8>(), 0..300), 1_usize..200)
        .prop_map(|(channel, body, part)| publish(channel, &body, part));
    let ack = (channel.clone(), any::<[u8; 8]>())
        .prop_map(|(channel, tag)| method(channel, 60, 80, &[&tag[..], &[1]].concat()));
    let open = channel.clone().prop_map(|channel| method(channel, 20, 10, &[0]));
    let close = channel
        .clone()
        .prop_map(|channel| method(channel, 20, 40, b"\x00\xc8\x00\x00\x00\x00\x00"));
    let parts = (channel.clone(), 0_u64..50, prop::collection::vec(any::<u8>(), 0..50));
    let loose = parts.prop_map(|(channel, bytes, body)| {
        [header(channel, bytes, &[0, 0]), frame(3, channel, &body)].concat()
    });
    let any_method = (
        channel,
        prop::sample::select(vec![10_u16, 20, 30, 40, 50, 60, 85, 90]),
        0_u16..130,
        prop::collection::vec(any::<u8>(), 0..20),
    )
        .prop_map(|(channel, class, number, fields)| method(channel, class, number, &fields));
    prop_oneof![
        8 => message,
        2 => ack,
        1 => Just(frame(8, 0, &[])),
        1 => open,
        1 => close,
        1 => loose,
        1 => any_method,
        1 => any::<Vec<u8>>(),
    ]
}

fn peer() -> Peer {
    Peer::open_with(Settings::default(), 4096, 0).and_channel(1).and_channel(2)
}

proptest! {
    #[test]
    fn however_the_bytes_are_split_the_events_are_the_same(
        inputs in prop::collection::vec(any_input(), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes = inputs.concat();
        let mut whole = peer();
        let expected = whole.feed(&bytes);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.push(0);
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut pieces = peer();
        let mut events = Vec::new();
        for pair in cuts.windows(2) {
            events.extend(pieces.feed(&bytes[pair[0]..pair[1]]));
        }
        prop_assert_eq!(events, expected);
        prop_assert_eq!(pieces.answers(), whole.answers());
        prop_assert!(pieces.pending_bytes() < 4096);
    }

    #[test]
    fn byte_by_byte_the_events_are_the_same(inputs in prop::collection::vec(any_input(), 1..4)) {
        let bytes = inputs.concat();
        let expected = peer().feed(&bytes);
        let mut pieces = peer();
        let mut events = Vec::new();
        for byte in &bytes {
            events.extend(pieces.feed(&[*byte]));
        }
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn buffers_stay_within_their_limits(inputs in prop::collection::vec(any_input(), 1..60)) {
        let mut peer = peer();
        let mut fed = 0;
        for input in inputs {
            peer.feed(&input);
            fed += input.len();
            prop_assert!(peer.connection.held_capacity() <= 2 * fed + limits::SPARE_BODY_BYTES);
            // Every answer takes an input of about its size.
            prop_assert!(peer.connection.output().len() <= 2 * fed + 512);
        }
    }

    #[test]
    fn random_bytes_never_panic_in_any_phase(
        steps in 0_usize..5,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut peer = Peer::new(Settings::default());
        let handshake = [
            PROTOCOL_HEADER.to_vec(),
            start_ok("PLAIN", b"\0guest\0secret", &[]),
            tune_ok(0, 0, 0),
            open("/"),
        ];
        for step in handshake.iter().take(steps) {
            peer.feed(step);
            peer.connection.login_accepted();
            peer.connection.open_accepted();
        }
        peer.feed(&bytes);
        prop_assert!(peer.connection.held_capacity() <= limits::SPARE_BODY_BYTES);
        prop_assert!(peer.pending_bytes() <= bytes.len());
    }

    /// What `amq-protocol` writes for a publish, the hot path reads.
    #[test]
    fn publishes_agree_with_amq_protocol(
        exchange in "[ -~]{0,40}",
        routing_key in "[a-z.]{0,40}\u{e9}?",
        mandatory: bool,
        immediate: bool,
        priority: u8,
        body in prop::collection::vec(0x20_u8..0x7f, 0..40),
    ) {
        let method = Method::Basic(basic::AMQPMethod::Publish(basic::Publish {
            exchange: exchange.as_str().into(),
            routing_key: routing_key.as_str().into(),
            mandatory,
            immediate,
        }));
        let properties = BasicProperties::default().with_priority(priority);
        let header =
            AMQPContentHeader { class_id: 60, body_size: body.len() as u64, properties };
        let mut frames =
            vec![AMQPFrame::Method(1, method), AMQPFrame::Header(1, header)];
        if !body.is_empty() {
            frames.push(AMQPFrame::Body(1, body.clone()));
        }
        let mut bytes = Vec::new();
        for frame in &frames {
            let generate = amq_protocol::frame::gen_frame(frame);
            bytes.extend(generate(WriteContext::from(Vec::new())).unwrap().into_inner().0);
        }
        let flag = |set, name| if set { name } else { "" };
        let expected = format!(
            "publish on 1 to '{exchange}' '{routing_key}'{}{} [8, 0, {priority}]: {}",
            flag(mandatory, " mandatory"),
            flag(immediate, " immediate"),
            String::from_utf8(body).unwrap(),
        );
        prop_assert_eq!(peer().feed(&bytes), [expected]);
    }
}

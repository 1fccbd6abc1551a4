//! Frames: cutting the input into them, the fast ways for publishes and acknowledgements, and
//! messages put together from what came in pieces.
//!
//! The first byte says how large payloads may be, the next two where the input is cut in two, the
//! rest is what the client sends.

use warren_amqp::{Content, fuzzing, limits};

use crate::peer::{MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX, Peer, frame};

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    let Some(([size, high, low], input)) = data.split_first_chunk::<3>() else { return };
    let payload_max = if *size == 0 { PAYLOAD_BYTES_MAX } else { usize::from(*size) };
    cut(input, payload_max);
    prefixes(input, payload_max);
    let whole = play(&[input]);
    let at = usize::from(u16::from_be_bytes([*high, *low])) % (input.len() + 1);
    let (first, second) = input.split_at(at);
    assert_eq!(play(&[first, second]), whole, "cut at byte {at}");
}

/// Feeds one input in two pieces, at every place where it can be cut, and byte by byte.
pub fn run_at_every_cut(data: &[u8]) {
    let Some((_, input)) = data.split_first_chunk::<3>() else { return };
    let whole = play(&[input]);
    for at in 0..=input.len() {
        let (first, second) = input.split_at(at);
        assert_eq!(play(&[first, second]), whole, "cut at byte {at}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(play(&bytes), whole, "byte by byte");
}

/// Cuts frame after frame off the input: each one written again gives the same bytes.
fn cut(input: &[u8], payload_max: usize) {
    let mut rest = input;
    while let Ok(Some(found)) = fuzzing::frame(rest, payload_max) {
        assert!(found.payload.len() <= payload_max + limits::FRAME_EXCESS_BYTES);
        let again = frame(found.kind, found.channel, found.payload);
        assert_eq!(again.len(), found.wire_bytes);
        assert_eq!(rest.get(..again.len()), Some(again.as_slice()));
        rest = rest.get(again.len()..).unwrap_or_default();
    }
}

/// What is found in a part of the input is found in the whole.
fn prefixes(input: &[u8], payload_max: usize) {
    let parts = || (0..input.len()).map(|end| input.get(..end).unwrap_or_default());
    // The first part that holds something decides: a longer one has the same beginning.
    let found = parts().find_map(|part| fuzzing::frame(part, payload_max).transpose());
    if let Some(found) = found {
        assert_eq!(Some(found), fuzzing::frame(input, payload_max).transpose());
    }
    let whole = |part| fuzzing::whole_publish(part, payload_max, MESSAGE_BYTES_MAX);
    if let Some(found) = parts().find_map(whole) {
        assert_eq!(Some(found), whole(input));
    }
    if let Some(found) = parts().find_map(fuzzing::whole_ack) {
        assert_eq!(Some(found), fuzzing::whole_ack(input));
    }
}

/// Plays the pieces to an open connection; gives its events and answers. What it publishes is
/// delivered back, and must come out as it came in.
fn play(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let mut peer = Peer::open();
    let mut echo = None;
    for piece in pieces {
        peer.feed_with(piece, |publish| {
            if echo.is_none() {
                echo = Some((publish.properties.to_vec(), publish.body.to_vec()));
            }
        });
    }
    let answers = peer.take_output();
    if let Some((properties, body)) = echo {
        deliver(&mut peer, &properties, &body);
    }
    (peer.seen, answers)
}

/// Delivers a message and puts it together again from the frames.
fn deliver(peer: &mut Peer, properties: &[u8], body: &[u8]) {
    if !peer.connection.channel_is_open(1) {
        return;
    }
    let content = Content { exchange: b"x", routing_key: b"key", properties, body };
    peer.connection.deliver(1, "tag", 7, false, content);
    let output = peer.take_output();
    let mut rest = output.as_slice();
    let (mut kinds, mut header, mut found) = (vec![], vec![], vec![]);
    while let Ok(Some(frame)) = fuzzing::frame(rest, PAYLOAD_BYTES_MAX) {
        assert_eq!(frame.channel, 1);
        kinds.push(frame.kind);
        match frame.kind {
            2 => header.extend_from_slice(frame.payload),
            3 => found.extend_from_slice(frame.payload),
            _ => {}
        }
        rest = rest.get(frame.wire_bytes..).unwrap_or_default();
    }
    assert!(rest.is_empty(), "{} bytes behind the delivery", rest.len());
    assert!(kinds.starts_with(&[1, 2]) && kinds.iter().skip(2).all(|kind| *kind == 3));
    let expected = [&[0, 60, 0, 0][..], &(body.len() as u64).to_be_bytes(), properties].concat();
    assert_eq!((header, found.as_slice()), (expected, body));
}

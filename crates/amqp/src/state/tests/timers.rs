//! Deadlines: handshake, heartbeats, close.

use super::support::*;
use crate::{ReplyCode, Settings, Timeout};

#[test]
fn the_handshake_has_a_deadline_until_the_connection_is_open() {
    let mut peer = Peer::new(Settings::default());
    assert_eq!(peer.connection.deadline(), Some(10_000));
    peer.now = 5_000;
    peer.feed(PROTOCOL_HEADER);
    peer.feed(&start_ok("PLAIN", b"\0guest\0secret", &[]));
    peer.connection.login_accepted();
    assert_eq!(peer.connection.deadline(), Some(10_000));
    assert_eq!(peer.connection.handle_deadline(9_999), None);
    assert_eq!(peer.connection.handle_deadline(10_000), Some(Timeout::Handshake));
    assert!(peer.connection.is_finished());
    assert_eq!(peer.connection.deadline(), None);
}

#[test]
fn a_heartbeat_goes_out_when_nothing_was_sent_for_half_the_interval() {
    let mut peer = Peer::open_with(Settings::default(), 0, 10);
    peer.connection.sent(1_000);
    assert_eq!(peer.connection.deadline(), Some(6_000));
    assert_eq!(peer.connection.handle_deadline(5_999), None);
    assert_eq!(peer.answers(), [""; 0]);
    assert_eq!(peer.connection.handle_deadline(6_000), None);
    assert_eq!(peer.answers(), ["heartbeat"]);
    assert_eq!(peer.connection.deadline(), Some(11_000));
    peer.connection.sent(9_000);
    assert_eq!(peer.connection.deadline(), Some(14_000));
}

#[test]
fn a_peer_is_dead_after_two_silent_intervals() {
    let mut peer = Peer::open_with(Settings::default(), 0, 10);
    peer.now = 7_000;
    peer.feed(&frame(8, 0, &[]));
    peer.connection.sent(26_000);
    assert_eq!(peer.connection.deadline(), Some(27_000));
    assert_eq!(peer.connection.handle_deadline(26_999), None);
    assert_eq!(peer.connection.handle_deadline(27_000), Some(Timeout::Heartbeat));
    assert!(peer.connection.is_finished());
}

#[test]
fn a_part_of_a_frame_is_a_sign_of_life() {
    let mut peer = Peer::open_with(Settings::default(), 0, 10);
    peer.now = 15_000;
    assert_eq!(peer.feed(&[8, 0]), [""; 0]);
    assert_eq!(peer.connection.handle_deadline(20_000), None);
    assert!(!peer.connection.is_finished());
}

#[test]
fn a_peer_that_was_not_read_is_not_dead() {
    let mut peer = Peer::open_with(Settings::default(), 0, 10);
    peer.connection.was_not_read(25_000);
    assert_eq!(peer.connection.handle_deadline(30_000), None);
    assert_eq!(peer.connection.handle_deadline(45_000), Some(Timeout::Heartbeat));
}

#[test]
fn without_heartbeats_nothing_is_due() {
    let mut peer = Peer::open();
    assert_eq!(peer.connection.deadline(), None);
    assert_eq!(peer.connection.handle_deadline(u64::MAX), None);
    assert!(peer.connection.is_open());
}

#[test]
fn a_close_must_be_answered_in_time() {
    let mut peer = Peer::open();
    peer.connection.close(ReplyCode::ConnectionForced, "bye", 0, 0);
    peer.connection.sent(1_000_000);
    assert_eq!(peer.connection.deadline(), Some(1_005_000));
    assert_eq!(peer.connection.handle_deadline(1_004_999), None);
    assert_eq!(peer.connection.handle_deadline(1_005_000), Some(Timeout::Close));
    assert!(peer.connection.is_finished());
}

#[test]
fn the_time_for_a_close_starts_even_if_it_cannot_be_sent() {
    let mut peer = Peer::open();
    peer.connection.close(ReplyCode::ConnectionForced, "bye", 0, 0);
    // The close did not tell the time: it is due at once, and that starts its time.
    assert_eq!(peer.connection.deadline(), Some(0));
    assert_eq!(peer.connection.handle_deadline(1_000_000), None);
    assert_eq!(peer.connection.deadline(), Some(1_005_000));
    peer.connection.sent(1_003_000);
    assert_eq!(peer.connection.handle_deadline(1_005_000), Some(Timeout::Close));
}

//! The state machine of a connection: bytes in pieces, the clock, and the broker's side of it, in
//! any order.
//!
//! An input is a list of steps; the first byte says whether the handshake is done already. What
//! must hold after each step: answers are whole frames, what is held stays within what came, and
//! nothing follows once the connection is finished.

use arbitrary::{Result, Unstructured};
use warren_amqp::{Content, ReplyCode, connection, fuzzing, limits};

use crate::peer::{self, MESSAGE_BYTES_MAX, Owed, PAYLOAD_BYTES_MAX, PROTOCOL_HEADER, Peer};

/// Steps of one input.
const STEPS_MAX: usize = 200;
/// What one step of the broker adds to the output at most, in bytes.
const ANSWER_BYTES_MAX: usize = 1500;

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let is_open = bytes.arbitrary().unwrap_or(false);
    let mut run = Run { peer: if is_open { Peer::open() } else { Peer::new() }, fed: 0 };
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() || run.step(&mut bytes).is_err() {
            break;
        }
        run.check();
    }
}

struct Run {
    peer: Peer,
    /// Bytes that the client has sent.
    fed: usize,
}

impl Run {
    fn step(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        match bytes.int_in_range(0..=15_u8)? {
            0 => {
                let length = usize::from(bytes.arbitrary::<u8>()?).min(bytes.len());
                self.feed(bytes.bytes(length)?);
            }
            1 => self.feed(PROTOCOL_HEADER),
            2 => self.handshake(bytes)?,
            3 | 4 => {
                let (class, method): (u8, u8) = bytes.arbitrary()?;
                let channel = channel(bytes)?;
                let length = usize::from(bytes.arbitrary::<u8>()?).min(bytes.len());
                let fields = bytes.bytes(length)?;
                self.feed(&peer::method(channel, class.into(), method.into(), fields));
            }
            5 => self.feed(&peer::method(channel(bytes)?, 60, 40, b"\x00\x00\x01x\x01k\x00")),
            6 => {
                let channel = channel(bytes)?;
                let length = bytes.int_in_range(0..=120_000_u32)?;
                let head = [&[0, 60, 0, 0, 0, 0, 0, 0][..], &length.to_be_bytes(), &[0, 0]];
                self.feed(&peer::frame(2, channel, &head.concat()));
            }
            7 | 8 => {
                let channel = channel(bytes)?;
                let length = bytes.int_in_range(0..=4090_usize)?;
                self.feed(&peer::frame(3, channel, &vec![b'.'; length]));
            }
            9 => self.wait(bytes)?,
            10 => self.pay(),
            11 | 12 => self.send(bytes)?,
            13 => self.feed(&peer::frame(8, 0, &[])),
            14 => {
                let ways = [(20, 10, &b"\x00"[..]), (20, 40, &[0; 7]), (20, 41, &[])];
                let (class, method, fields) = *bytes.choose(&ways)?;
                self.feed(&peer::method(channel(bytes)?, class, method, fields));
            }
            _ => self.end(bytes)?,
        }
        Ok(())
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.fed += bytes.len();
        self.peer.feed(bytes);
    }

    /// What is due in the handshake, or not.
    fn handshake(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let frame = match bytes.int_in_range(0..=3_u8)? {
            0 => peer::start_ok(b"PLAIN", b"\0guest\0secret", &[]),
            // A client that understands a close after a refused login.
            1 => peer::start_ok(
                b"PLAIN",
                b"nothing",
                b"\x0ccapabilitiesF\x00\x00\x00\x1f\x1cauthentication_failure_closet\x01",
            ),
            2 => peer::method(0, 10, 31, bytes.bytes(8)?),
            _ => peer::method(0, 10, 40, b"\x01/\x00\x00"),
        };
        self.feed(&frame);
        Ok(())
    }

    /// Time goes by, and what is due is done.
    fn wait(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let peer = &mut self.peer;
        peer.now += u64::from(bytes.arbitrary::<u16>()?);
        let mut done = false;
        for _ in 0..4 {
            let is_due = peer.connection.deadline().is_some_and(|deadline| deadline <= peer.now);
            done = !is_due;
            if done {
                break;
            }
            if peer.connection.handle_deadline(peer.now).is_some() {
                assert!(peer.connection.is_finished(), "it goes on after a timeout");
            }
        }
        assert!(done, "the same deadline again and again");
        Ok(())
    }

    /// The broker gives the oldest answer that it owes.
    fn pay(&mut self) {
        if self.peer.owed.is_empty() {
            return;
        }
        let connection = &mut self.peer.connection;
        match self.peer.owed.remove(0) {
            Owed::Login => connection.login_accepted(),
            Owed::Open => connection.open_accepted(),
            Owed::ChannelCloseOk(channel) => connection.channel_close_ok(channel),
            Owed::CloseChannel(channel) => {
                connection.close_channel(channel, ReplyCode::PreconditionFailed, "so", 60, 40);
            }
            Owed::CloseOk => connection.close_ok(),
        }
        // Bytes that came in the meantime are read now.
        self.peer.feed(&[]);
    }

    /// The broker sends something.
    fn send(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let channel = channel(bytes)?;
        let body = vec![b'.'; bytes.int_in_range(0..=9_000_usize)?];
        let content =
            Content { exchange: b"x", routing_key: b"key", properties: &[0, 0], body: &body };
        let before = self.peer.connection.output().len();
        let connection = &mut self.peer.connection;
        match bytes.int_in_range(0..=6_u8)? {
            0 => connection.deliver(channel, "tag", 1, false, content),
            1 => connection.get_ok(channel, 1, true, 0, content),
            2 => connection.return_message(channel, ReplyCode::NoRoute, content),
            3 => connection.ack(channel, 1, true),
            4 => connection.nack(channel, 1, false),
            5 => {
                let blocked = connection::Blocked { reason: "low".into() };
                let blocked = connection::AMQPMethod::Blocked(blocked);
                connection.method(channel, warren_amqp::Method::Connection(blocked));
            }
            _ => connection.was_not_read(self.peer.now),
        }
        let sent = connection.output().len() - before;
        assert!(sent <= body.len() + ANSWER_BYTES_MAX, "{sent} bytes for {}", body.len());
        Ok(())
    }

    /// The broker ends a channel, the connection, or refuses the login.
    fn end(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let connection = &mut self.peer.connection;
        match bytes.int_in_range(0..=4_u8)? {
            0 => connection.close(ReplyCode::ConnectionForced, &"why ".repeat(90), 0, 0),
            1 => connection.close_channel(channel(bytes)?, ReplyCode::NotFound, "no", 50, 10),
            2 => connection.channel_close_ok(channel(bytes)?),
            3 => connection.login_refused("PLAIN"),
            _ => connection.close_ok(),
        }
        Ok(())
    }

    fn check(&mut self) {
        let peer = &mut self.peer;
        let held = fuzzing::held_bytes(&peer.connection);
        let held_max = (2 * self.fed + limits::SPARE_BODY_BYTES)
            .min(2 * (limits::UNFINISHED_MESSAGES * MESSAGE_BYTES_MAX) as usize);
        assert!(held <= held_max, "{held} bytes held after {} fed", self.fed);
        let pending = peer.pending.len();
        let pending_max = limits::HANDSHAKE_WAITING_BYTES + PAYLOAD_BYTES_MAX + 8;
        assert!(pending <= pending_max, "{pending} bytes are neither read nor refused");
        let output = peer.take_output().len();
        assert!(output <= 4 * self.fed + 16_384, "{output} bytes after {} fed", self.fed);
        if output > 0 {
            peer.connection.sent(peer.now);
        }
        if peer.connection.is_finished() {
            let seen = peer.seen.len();
            peer.feed(&peer::frame(8, 0, &[]));
            assert_eq!(peer.seen.len(), seen, "an event after the end");
            assert!(peer.connection.output().is_empty(), "an answer after the end");
            assert_eq!(peer.connection.deadline(), None);
        }
    }
}

/// Mostly channel 1 or 2.
fn channel(bytes: &mut Unstructured<'_>) -> Result<u16> {
    match bytes.arbitrary::<u8>()? {
        byte @ 0..=3 => Ok(u16::from(byte)),
        4 => bytes.arbitrary(),
        byte => Ok(u16::from(byte % 2) + 1),
    }
}

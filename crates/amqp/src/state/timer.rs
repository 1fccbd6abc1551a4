//! Deadlines: the handshake, heartbeats both ways, and the peer's answer to a close.

use super::{Connection, Phase};
use crate::{Millis, frame, limits};

/// Why the socket is to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// The client took too long to open the connection.
    Handshake,
    /// Nothing was received for two heartbeats.
    Heartbeat,
    /// The client did not answer `connection.close`.
    Close,
}

/// Times of one connection, in milliseconds.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub(super) struct Timer {
    /// When the connection must be open.
    handshake_deadline: Millis,
    last_received: Millis,
    last_sent: Millis,
    /// 0: no heartbeats.
    heartbeat_millis: Millis,
    /// When the peer must have answered our close. None until the close was noticed here:
    /// whoever closes does not tell the time.
    close_deadline: Option<Millis>,
}

impl Timer {
    pub(super) fn new(now: Millis, handshake_millis: Millis) -> Self {
        Self {
            handshake_deadline: now.saturating_add(handshake_millis),
            last_received: now,
            last_sent: now,
            heartbeat_millis: 0,
            close_deadline: None,
        }
    }

    #[inline]
    pub(super) fn received(&mut self, now: Millis) {
        self.last_received = now;
    }

    pub(super) fn set_heartbeat_seconds(&mut self, seconds: u16) {
        self.heartbeat_millis = Millis::from(seconds) * 1000;
    }

    fn heartbeat_due(&self) -> Millis {
        self.last_sent.saturating_add(self.heartbeat_millis / 2)
    }

    fn peer_dead(&self) -> Millis {
        self.last_received.saturating_add(self.heartbeat_millis * 2)
    }
}

impl Connection {
    /// The agreed heartbeat, in seconds; 0 is none.
    #[must_use]
    pub fn heartbeat_seconds(&self) -> u16 {
        u16::try_from(self.timer.heartbeat_millis / 1000).unwrap_or(u16::MAX)
    }

    /// When [`handle_deadline`](Self::handle_deadline) is to be called next. It changes with
    /// every call of any method.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        let timer = &self.timer;
        match self.phase {
            Phase::Header
            | Phase::StartOk
            | Phase::Login
            | Phase::TuneOk
            | Phase::Open
            | Phase::Opening => Some(timer.handshake_deadline),
            Phase::Running if timer.heartbeat_millis == 0 => None,
            Phase::Running => Some(timer.heartbeat_due().min(timer.peer_dead())),
            // A close that was not noticed yet is due at once, which starts its time.
            Phase::Closing | Phase::ClosingBroken => {
                Some(timer.close_deadline.unwrap_or(timer.last_received))
            }
            Phase::PeerClosing | Phase::Finished => None,
        }
    }

    /// Sends a heartbeat if one is due. Some means: drop the socket.
    pub fn handle_deadline(&mut self, now: Millis) -> Option<Timeout> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.phase {
            Phase::Running if now < self.timer.peer_dead() => {
                frame::put_heartbeat(&mut self.output);
                self.timer.last_sent = now;
                None
            }
            Phase::Running => self.time_out(Timeout::Heartbeat),
            Phase::Closing | Phase::ClosingBroken => {
                if self.timer.close_deadline.is_some() {
                    return self.time_out(Timeout::Close);
                }
                self.timer.close_deadline = Some(now.saturating_add(limits::CLOSE_MILLIS));
                None
            }
            _ => self.time_out(Timeout::Handshake),
        }
    }

    /// Bytes of the output were written to the socket, so that no heartbeat is due for a while.
    pub fn sent(&mut self, now: Millis) {
        self.timer.last_sent = now;
        if matches!(self.phase, Phase::Closing | Phase::ClosingBroken)
            && self.timer.close_deadline.is_none()
        {
            self.timer.close_deadline = Some(now.saturating_add(limits::CLOSE_MILLIS));
        }
    }

    /// The caller has not read until now on purpose, because the broker cannot take more. The peer
    /// is not dead for that; without this call it would look so.
    pub fn was_not_read(&mut self, now: Millis) {
        self.timer.received(now);
    }

    fn time_out(&mut self, timeout: Timeout) -> Option<Timeout> {
        self.finish();
        Some(timeout)
    }
}

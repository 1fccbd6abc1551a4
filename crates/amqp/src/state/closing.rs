//! The end of a connection, and the methods of class connection while it is open.

use amq_protocol::protocol::connection::{self, AMQPMethod};
use amq_protocol::types::ShortString;

use super::{Connection, Outcome, Phase};
use crate::error::Failure;
use crate::frame::{self, Frame};
use crate::{Event, Method, ReplyCode, method};

/// The whole frame of `connection.close-ok`.
const CLOSE_OK_FRAME: [u8; 12] = [frame::METHOD, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, frame::END];

impl Connection {
    /// A frame on channel 0 of an open connection.
    pub(super) fn control_frame(
        &mut self,
        frame: Frame<'_>,
    ) -> Result<Option<Event<'static>>, Failure> {
        match frame.kind {
            frame::METHOD => {}
            frame::HEARTBEAT if frame.payload.is_empty() => return Ok(None),
            frame::HEADER | frame::BODY => {
                let text = format!("frame of type {} on channel 0", frame.kind);
                return Err(Failure::new(ReplyCode::UnexpectedFrame, text));
            }
            _ => return Err(frame.unknown()),
        }
        let ids = frame.method_ids();
        if !matches!(ids, (10, 50 | 70)) {
            let text = "unexpected method in connection state running";
            return Err(Failure::new(ReplyCode::ChannelError, text).by(ids));
        }
        let fields = frame.payload.get(4..).unwrap_or_default();
        match method::decode(frame.payload) {
            Ok(Method::Connection(AMQPMethod::Close(close))) => Ok(Some(self.peer_closes(close))),
            Ok(Method::Connection(AMQPMethod::UpdateSecret(update))) => {
                let secret = String::from_utf8_lossy(update.new_secret.as_bytes()).into_owned();
                Ok(Some(Event::UpdateSecret { secret }))
            }
            Ok(_) => Ok(None),
            Err(error) => Err(Failure::decoding(error, ids, fields)),
        }
    }

    /// A frame while our `connection.close` waits for its answer.
    pub(super) fn closing_frame(&mut self, frame: Frame<'_>) -> Option<Event<'static>> {
        if (frame.kind, frame.channel) != (frame::METHOD, 0) {
            return None;
        }
        match frame.method_ids() {
            (10, 50) => {
                // Both sides closed at the same time; the peer will still answer ours.
                self.send(0, Method::Connection(AMQPMethod::CloseOk(connection::CloseOk {})));
                None
            }
            (10, 51) => Some(self.closed()),
            _ => None,
        }
    }

    /// Where frames begin is lost: close, and look for nothing but `close-ok`.
    pub(super) fn lose_frames<'i>(&mut self, failure: Failure) -> Outcome<'i> {
        if self.phase == Phase::Closing {
            self.phase = Phase::ClosingBroken;
            return Outcome::Continue(0);
        }
        let event = self.fail(failure);
        if self.phase == Phase::Closing {
            self.phase = Phase::ClosingBroken;
        }
        Outcome::Event(0, event)
    }

    /// Discards bytes until a `close-ok` shows up among them.
    pub(super) fn search_close_ok<'i>(&mut self, input: &[u8]) -> Outcome<'i> {
        let length = CLOSE_OK_FRAME.len();
        if let Some(at) = input.windows(length).position(|bytes| bytes == CLOSE_OK_FRAME) {
            return Outcome::Event(at + length, self.closed());
        }
        // Its beginning may be at the end of these bytes.
        match input.len().saturating_sub(length - 1) {
            0 => Outcome::NeedMore,
            bytes => Outcome::Continue(bytes),
        }
    }

    /// The peer closes: nothing more is read, and the broker is to answer.
    pub(super) fn peer_closes(&mut self, close: connection::Close) -> Event<'static> {
        self.phase = Phase::PeerClosing;
        self.release_channels();
        Event::Close { reply_code: close.reply_code, reply_text: close.reply_text.into() }
    }

    fn closed(&mut self) -> Event<'static> {
        self.finish();
        Event::Closed
    }

    /// The peer's close was carried out: `connection.close-ok` is queued.
    pub fn close_ok(&mut self) {
        if self.phase == Phase::PeerClosing {
            self.send(0, Method::Connection(AMQPMethod::CloseOk(connection::CloseOk {})));
            self.finish();
        }
    }

    /// Closes the connection: `connection.close` is queued, and everything but the peer's close
    /// and close-ok is discarded from now on. The class and method are those that caused it, or 0.
    ///
    /// `text` goes behind the name of the code. Before the login the connection is just finished.
    /// If either side has closed already, nothing happens.
    pub fn close(&mut self, code: ReplyCode, text: &str, class_id: u16, method_id: u16) {
        match self.phase {
            Phase::Header | Phase::StartOk | Phase::Login => self.finish(),
            Phase::TuneOk | Phase::Open | Phase::Opening | Phase::Running => {
                self.send_close(&Failure::new(code, text).by((class_id, method_id)));
            }
            Phase::Closing | Phase::ClosingBroken | Phase::PeerClosing | Phase::Finished => {}
        }
    }

    /// Queues `connection.close` and discards all channels.
    pub(super) fn send_close(&mut self, failure: &Failure) {
        let text = failure.code.reply_text(&failure.text);
        let close = connection::Close {
            reply_code: failure.code.number(),
            reply_text: ShortString::try_new(text).unwrap_or_default(),
            class_id: failure.class_id,
            method_id: failure.method_id,
        };
        self.send(0, Method::Connection(AMQPMethod::Close(close)));
        self.phase = Phase::Closing;
        self.release_channels();
    }
}

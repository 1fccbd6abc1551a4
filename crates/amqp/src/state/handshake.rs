//! From the protocol header to `connection.open-ok`.

use std::sync::Arc;

use amq_protocol::protocol::connection::{self, AMQPMethod};

use super::{Connection, Outcome, Phase};
use crate::error::Failure;
use crate::frame::{self, Frame, OVERHEAD_BYTES};
use crate::{Event, Method, ReplyCode, limits, method, sasl};

/// The header of AMQP 0-9-1, and the answer to any other.
const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
/// How clients of AMQP 0-9 spelled it.
const PROTOCOL_HEADER_0_9: &[u8; 8] = b"AMQP\x01\x01\x00\x09";

/// The failure for a client that sends much before it was let in.
pub(super) fn impatient() -> Failure {
    Failure::new(ReplyCode::ResourceError, "too many bytes before the connection is open")
}

impl Connection {
    /// Reads the protocol header, and turns away what cannot become one any more.
    pub(super) fn protocol_header<'i>(&mut self, input: &[u8]) -> Outcome<'i> {
        let seen = input.get(..PROTOCOL_HEADER.len()).unwrap_or(input);
        if !PROTOCOL_HEADER.starts_with(seen) && !PROTOCOL_HEADER_0_9.starts_with(seen) {
            self.output.extend_from_slice(PROTOCOL_HEADER);
            let failure = Failure::new(ReplyCode::FrameError, "unknown protocol header");
            return Outcome::Event(input.len(), self.fail(failure));
        }
        if seen.len() < PROTOCOL_HEADER.len() {
            return Outcome::NeedMore;
        }
        self.phase = Phase::StartOk;
        self.output.extend_from_slice(self.settings.start.frame());
        Outcome::Continue(PROTOCOL_HEADER.len())
    }

    /// One frame before the connection is open. Only the method that is due is accepted.
    pub(super) fn handshake_frame(
        &mut self,
        frame: Frame<'_>,
    ) -> Result<Option<Event<'static>>, Failure> {
        let ids = frame.method_ids();
        if (frame.kind, frame.channel) == (frame::HEARTBEAT, 0)
            && frame.payload.is_empty()
            && self.phase == Phase::Open
        {
            // Heartbeats were agreed on in tune-ok.
            return Ok(None);
        }
        if (frame.kind, frame.channel) != (frame::METHOD, 0) {
            return Err(self.unexpected().by(ids));
        }
        let method = method::decode(frame.payload).map_err(|error| {
            let fields = frame.payload.get(4..).unwrap_or_default();
            Failure::decoding(error, ids, fields)
        })?;
        let Method::Connection(method) = method else {
            return Err(self.unexpected().by(ids));
        };
        match (self.phase, method) {
            (Phase::StartOk, AMQPMethod::StartOk(start_ok)) => Ok(Some(self.start_ok(start_ok))),
            (Phase::TuneOk, AMQPMethod::TuneOk(tune_ok)) => {
                self.tune_ok(&tune_ok).map_err(|failure| failure.by(ids))?;
                Ok(None)
            }
            (Phase::Open, AMQPMethod::Open(open)) => {
                self.phase = Phase::Opening;
                Ok(Some(Event::Open { virtual_host: open.virtual_host.into() }))
            }
            (Phase::TuneOk | Phase::Open, AMQPMethod::Close(close)) => {
                Ok(Some(self.peer_closes(close)))
            }
            _ => Err(self.unexpected().by(ids)),
        }
    }

    /// The failure for a frame that is not due.
    fn unexpected(&self) -> Failure {
        let state = match self.phase {
            Phase::TuneOk => "tuning",
            Phase::Open => "opening",
            _ => "starting",
        };
        let text = format!("unexpected method in connection state {state}");
        Failure::new(ReplyCode::ChannelError, text)
    }

    fn start_ok(&mut self, start_ok: connection::StartOk) -> Event<'static> {
        self.client_properties = Arc::new(start_ok.client_properties);
        self.phase = Phase::Login;
        let mechanism = String::from(start_ok.mechanism);
        let offered = self.settings.start.offers(&mechanism);
        let response = start_ok.response.as_bytes();
        let login = sasl::credentials(&mechanism, response).filter(|_| offered);
        let Some((username, password)) = login else {
            let text = self.refuse(&mechanism);
            return Event::Failed { code: ReplyCode::AccessRefused, text };
        };
        Event::Login { mechanism, username, password }
    }

    fn tune_ok(&mut self, tune_ok: &connection::TuneOk) -> Result<(), Failure> {
        let not_allowed = |text| Failure::new(ReplyCode::NotAllowed, text);
        let wanted = tune_ok.channel_max;
        if wanted > self.channel_max {
            let highest = self.channel_max;
            return Err(not_allowed(format!(
                "negotiated channel_max = {wanted} is higher than the maximum allowed value \
                 ({highest})"
            )));
        }
        let frame_max = tune_ok.frame_max;
        if frame_max != 0 && frame_max < limits::FRAME_MAX_LOWEST {
            let lowest = limits::FRAME_MAX_LOWEST;
            return Err(not_allowed(format!(
                "negotiated frame_max = {frame_max} is lower than the minimum allowed value \
                 ({lowest})"
            )));
        }
        if frame_max > self.frame_max {
            let highest = self.frame_max;
            return Err(not_allowed(format!(
                "negotiated frame_max = {frame_max} is higher than the maximum allowed value \
                 ({highest})"
            )));
        }
        // 0 leaves the choice to the server.
        if wanted != 0 {
            self.channel_max = wanted;
        }
        if frame_max != 0 {
            self.frame_max = frame_max;
        }
        self.timer.set_heartbeat_seconds(tune_ok.heartbeat);
        self.phase = Phase::Open;
        Ok(())
    }

    /// The login is good: `connection.tune` is queued.
    pub fn login_accepted(&mut self) {
        if self.phase != Phase::Login {
            return;
        }
        self.phase = Phase::TuneOk;
        self.send(
            0,
            Method::Connection(AMQPMethod::Tune(connection::Tune {
                channel_max: self.settings.channel_max,
                frame_max: self.frame_max,
                heartbeat: self.settings.heartbeat_seconds,
            })),
        );
    }

    /// The login is not good: `connection.close` is queued if the client understands that, else
    /// the connection is finished.
    pub fn login_refused(&mut self, mechanism: &str) {
        if self.phase == Phase::Login {
            self.refuse(mechanism);
        }
    }

    fn refuse(&mut self, mechanism: &str) -> String {
        let text = format!(
            "Login was refused using authentication mechanism {mechanism}. For details see the \
             broker logfile."
        );
        if self.client_has_capability("authentication_failure_close") {
            self.send_close(&Failure::new(ReplyCode::AccessRefused, text.as_str()));
        } else {
            self.finish();
        }
        text
    }

    /// The virtual host is good: `connection.open-ok` is queued, and the connection is open.
    pub fn open_accepted(&mut self) {
        if self.phase != Phase::Opening {
            return;
        }
        self.phase = Phase::Running;
        self.payload_max = self.frame_max as usize - OVERHEAD_BYTES;
        self.send(0, Method::Connection(AMQPMethod::OpenOk(connection::OpenOk {})));
    }
}

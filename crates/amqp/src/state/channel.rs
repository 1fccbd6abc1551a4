//! The states of a channel, and the frames that come on it.
//!
//! ```text
//!          channel.open            publish           last body frame
//!   Free --------------> Open ----------------> Content ------------> Open
//!    ^                    |  we close it (channel.close)         |
//!    |                    +--------------------------------------+--> Closing
//!    |                    |  the peer closes it                         |  |
//!    |<-- close_ok() -- PeerClosing                       close-ok      |  | the peer's close,
//!    |<-----------------------------------------------------------------+  v answered at once
//!    |<------------------------------------ close-ok ------------------- Crossed
//! ```
//! A publish with too large a body leads from `Open` to `Failed`, where all but the peer's close is
//! discarded until we close it. In `Closing`, `Crossed` and `PeerClosing` everything else is discarded, content of messages
//! included. From `Crossed` a new `channel.open` leads to `Open` as well: a client that ignored
//! our close because its own was on the way never answers it, but reuses the number.

use amq_protocol::protocol::{access, basic, channel as channel_class};

use super::Connection;
use super::content::Assembly;
use crate::error::Failure;
use crate::frame::{self, Frame};
use crate::{Event, Method, ReplyCode, method, publish};

/// One channel.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug, Default)]
pub(super) enum Channel {
    #[default]
    Free,
    Open,
    /// A publish came, its content is not complete.
    Content(Box<Assembly>),
    /// The peer broke a rule that ends the channel; our close follows when the broker has ended
    /// its part, so that nothing of this channel comes after it.
    Failed,
    /// We sent `channel.close`.
    Closing,
    /// We sent `channel.close`, and the peer's crossed it.
    Crossed,
    /// The peer sent `channel.close`.
    PeerClosing,
}

impl Channel {
    /// Neither side has closed it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open | Self::Content(_))
    }

    /// The peer still takes what we send.
    #[inline]
    pub(super) fn may_send(&self) -> bool {
        matches!(self, Self::Open | Self::Content(_) | Self::Failed | Self::PeerClosing)
    }
}

/// What a frame on a channel led to.
pub(super) enum Found<'i> {
    Nothing,
    Event(Event<'static>),
    /// A message is complete; a body that came in one frame was not copied.
    Message(Option<&'i [u8]>),
}

impl Connection {
    /// A frame on a channel of an open connection.
    pub(super) fn channel_frame<'i>(&mut self, frame: Frame<'i>) -> Result<Found<'i>, Failure> {
        if frame.kind == frame::HEARTBEAT {
            let text = format!("type 8, all octets = {}", frame::octets(frame.payload));
            return Err(Failure::new(ReplyCode::UnexpectedFrame, text));
        }
        if !matches!(frame.kind, frame::METHOD | frame::HEADER | frame::BODY) {
            return Err(frame.unknown());
        }
        let ids = frame.method_ids();
        let state = self.channels.get(frame.channel).unwrap_or(&Channel::Free);
        match state {
            Channel::Free if frame.kind == frame::METHOD && ids == (20, 10) => self.open(frame),
            Channel::Free => {
                Err(Failure::new(ReplyCode::ChannelError, "expected 'channel.open'").by(ids))
            }
            Channel::Open if frame.kind == frame::METHOD => self.channel_method(frame, ids),
            Channel::Open => {
                let text = "expected method frame, got non method frame instead";
                Err(Failure::new(ReplyCode::UnexpectedFrame, text))
            }
            Channel::Content(_) => self.content_frame(frame),
            Channel::Crossed if frame.kind == frame::METHOD && ids == (20, 10) => self.open(frame),
            Channel::Closing | Channel::Crossed => {
                self.closing_channel_frame(frame.channel, ids);
                Ok(Found::Nothing)
            }
            Channel::Failed if frame.kind == frame::METHOD && ids == (20, 40) => {
                self.channel_method(frame, ids)
            }
            Channel::Failed | Channel::PeerClosing => Ok(Found::Nothing),
        }
    }

    fn open<'i>(&mut self, frame: Frame<'_>) -> Result<Found<'i>, Failure> {
        let channel = frame.channel;
        let (used, most) = (self.channels.used(), self.channel_max);
        // One whose close crossed ours is counted already.
        if used >= usize::from(most) && !matches!(self.channel(channel), Some(Channel::Crossed)) {
            let text = format!(
                "number of channels opened ({used}) has reached the negotiated channel_max ({most})"
            );
            return Err(Failure::new(ReplyCode::NotAllowed, text));
        }
        decode(frame, (20, 10))?;
        self.set_channel(channel, Channel::Open);
        Ok(Found::Event(Event::ChannelOpen { channel }))
    }

    /// A method on an open channel that waits for no content.
    fn channel_method<'i>(
        &mut self,
        frame: Frame<'_>,
        ids: (u16, u16),
    ) -> Result<Found<'i>, Failure> {
        let channel = frame.channel;
        let fields = frame.payload.get(4..).unwrap_or_default();
        let tag =
            || publish::tag_and_bits(fields).map_err(|error| Failure::decoding(error, ids, fields));
        match ids {
            publish::PUBLISH => self.start_content(channel, fields),
            publish::ACK => {
                let (delivery_tag, bits) = tag()?;
                let multiple = bits & 1 != 0;
                Ok(Found::Event(Event::Ack { channel, delivery_tag, multiple }))
            }
            publish::NACK => {
                let (delivery_tag, bits) = tag()?;
                let (multiple, requeue) = (bits & 1 != 0, bits & 2 != 0);
                Ok(Found::Event(Event::Nack { channel, delivery_tag, multiple, requeue }))
            }
            publish::REJECT => {
                let (delivery_tag, bits) = tag()?;
                let requeue = bits & 1 != 0;
                Ok(Found::Event(Event::Reject { channel, delivery_tag, requeue }))
            }
            _ => self.cold_method(frame, ids),
        }
    }

    fn cold_method<'i>(&mut self, frame: Frame<'_>, ids: (u16, u16)) -> Result<Found<'i>, Failure> {
        use channel_class::AMQPMethod as ChannelMethod;
        let channel = frame.channel;
        let method = decode(frame, ids)?;
        let event = match method {
            Method::Channel(ChannelMethod::Open(_)) => {
                let text = "second 'channel.open' seen";
                return Err(Failure::new(ReplyCode::ChannelError, text).by(ids));
            }
            Method::Channel(ChannelMethod::Close(_)) => {
                self.set_channel(channel, Channel::PeerClosing);
                Event::ChannelClose { channel }
            }
            Method::Channel(ChannelMethod::Flow(flow)) if flow.active => {
                let flow_ok = channel_class::FlowOk { active: true };
                self.send(channel, Method::Channel(ChannelMethod::FlowOk(flow_ok)));
                return Ok(Found::Nothing);
            }
            Method::Channel(ChannelMethod::Flow(_)) => {
                return Err(Failure::new(ReplyCode::NotImplemented, "active=false").by(ids));
            }
            Method::Channel(ChannelMethod::FlowOk(_))
            | Method::Basic(basic::AMQPMethod::CancelOk(_)) => return Ok(Found::Nothing),
            Method::Access(access::AMQPMethod::Request(_)) => {
                let ok = access::RequestOk {};
                self.send(channel, Method::Access(access::AMQPMethod::RequestOk(ok)));
                return Ok(Found::Nothing);
            }
            // Methods of the connection belong to channel 0, and nothing waits for a close-ok.
            Method::Connection(_) | Method::Channel(_) => {
                return Err(Failure::new(ReplyCode::CommandInvalid, "unimplemented method").by(ids));
            }
            Method::Basic(basic::AMQPMethod::Qos(_)) => {
                Self::check_prefetch_size(frame, ids)?;
                Event::Method { channel, method }
            }
            Method::Basic(_)
            | Method::Access(_)
            | Method::Exchange(_)
            | Method::Queue(_)
            | Method::Tx(_)
            | Method::Confirm(_) => Event::Method { channel, method },
        };
        Ok(Found::Event(event))
    }

    /// `basic.qos` with a limit in bytes: not implemented, and `amq-protocol` drops the field.
    fn check_prefetch_size(frame: Frame<'_>, ids: (u16, u16)) -> Result<(), Failure> {
        let size = frame.payload.get(4..).and_then(|fields| fields.first_chunk::<4>());
        match size.map_or(0, |bytes| u32::from_be_bytes(*bytes)) {
            0 => Ok(()),
            size => {
                let text = format!("prefetch_size!=0 ({size})");
                Err(Failure::new(ReplyCode::NotImplemented, text).by(ids))
            }
        }
    }

    /// A frame on a channel that we have closed. Content frames have no ids.
    fn closing_channel_frame(&mut self, channel: u16, ids: (u16, u16)) {
        match ids {
            (20, 40) => {
                self.send_channel_close_ok(channel);
                self.set_channel(channel, Channel::Crossed);
            }
            (20, 41) => self.set_channel(channel, Channel::Free),
            _ => {}
        }
    }

    /// Puts a channel into a state, and drops the unfinished message it had.
    pub(super) fn set_channel(&mut self, channel: u16, state: Channel) {
        if let Channel::Content(assembly) = self.channels.set(channel, state) {
            self.discard(&assembly);
        }
    }

    /// True if the peer has closed the channel and waits for the answer.
    pub(super) fn is_peer_closing(&self, channel: u16) -> bool {
        matches!(self.channel(channel), Some(Channel::PeerClosing))
    }
}

/// Parses a method that is not on the hot path.
fn decode(frame: Frame<'_>, ids: (u16, u16)) -> Result<Method, Failure> {
    let fields = frame.payload.get(4..).unwrap_or_default();
    method::decode(frame.payload).map_err(|error| Failure::decoding(error, ids, fields))
}

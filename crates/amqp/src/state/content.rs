//! Messages that do not stand whole in the input: put together per channel, frame by frame.

use super::Connection;
use super::channel::{Channel, Found};
use crate::error::Failure;
use crate::frame::{self, Frame};
use crate::publish::{Header, Method, PUBLISH};
use crate::{Event, Publish, ReplyCode, limits, properties};

/// A message of which not everything has come.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug, Default)]
pub(super) struct Assembly {
    exchange: Vec<u8>,
    routing_key: Vec<u8>,
    mandatory: bool,
    immediate: bool,
    properties: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// None until the content header has come.
    body_bytes: Option<u64>,
}

impl Assembly {
    /// The message with this body, which is the own one unless it came in one frame.
    pub(super) fn publish<'a>(&'a self, channel: u16, body: &'a [u8]) -> Publish<'a> {
        Publish {
            channel,
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            mandatory: self.mandatory,
            immediate: self.immediate,
            properties: &self.properties,
            body,
        }
    }

    /// Bytes of the buffers.
    pub(super) fn capacity(&self) -> usize {
        self.properties.capacity() + self.body.capacity()
    }

    /// Bytes that count as unfinished.
    fn held_bytes(&self) -> u64 {
        (self.properties.len() + self.body.len()) as u64
    }

    /// Appends a part of the body. The buffer at most doubles, so that it follows what has come
    /// and not what was announced, and never exceeds what was announced.
    fn extend_body(&mut self, part: &[u8], body_bytes: u64) {
        let room = self.body.capacity() - self.body.len();
        if part.len() > room {
            let announced = usize::try_from(body_bytes).unwrap_or(usize::MAX);
            let rest = announced.saturating_sub(self.body.len());
            self.body.reserve_exact(rest.min(self.body.len().max(part.len())).max(part.len()));
        }
        self.body.extend_from_slice(part);
    }
}

impl Connection {
    /// A publish whose content is not there yet.
    pub(super) fn start_content<'i>(
        &mut self,
        channel: u16,
        fields: &[u8],
    ) -> Result<Found<'i>, Failure> {
        // The access ticket comes first.
        let method = match fields.get(2..) {
            Some(rest) => Method::parse(rest),
            None => Err(crate::Error::Truncated { needed: 2, left: fields.len() }),
        };
        let method = method.map_err(|error| Failure::decoding(error, PUBLISH, fields))?;
        let mut assembly = self.spare.take().unwrap_or_default();
        assembly.exchange.extend_from_slice(method.exchange);
        assembly.routing_key.extend_from_slice(method.routing_key);
        assembly.mandatory = method.mandatory;
        assembly.immediate = method.immediate;
        self.set_channel(channel, Channel::Content(assembly));
        Ok(Found::Nothing)
    }

    /// A frame on a channel that waits for a content header or for more of a body.
    pub(super) fn content_frame<'i>(&mut self, frame: Frame<'i>) -> Result<Found<'i>, Failure> {
        let Some(Channel::Content(assembly)) = self.channels.get_mut(frame.channel) else {
            return Ok(Found::Nothing);
        };
        match (assembly.body_bytes, frame.kind) {
            (None, frame::HEADER) => self.content_header(frame),
            (Some(body_bytes), frame::BODY) => self.content_body(frame, body_bytes),
            (None, _) => {
                let text = "expected content header for class 60, got non content header frame \
                            instead";
                Err(Failure::new(ReplyCode::UnexpectedFrame, text).by(PUBLISH))
            }
            (Some(_), _) => {
                let text = "expected content body, got non content body frame instead";
                Err(Failure::new(ReplyCode::UnexpectedFrame, text).by(PUBLISH))
            }
        }
    }

    fn content_header<'i>(&mut self, frame: Frame<'i>) -> Result<Found<'i>, Failure> {
        let Frame { channel, payload, .. } = frame;
        let header =
            Header::parse(payload).map_err(|error| Failure::decoding(error, PUBLISH, payload))?;
        if header.class_id != PUBLISH.0 {
            let text = format!(
                "expected content header for class 60, got one for class {} instead",
                header.class_id
            );
            return Err(Failure::new(ReplyCode::UnexpectedFrame, text).by(PUBLISH));
        }
        if header.weight != 0 {
            let text = format!("content header with weight {}", header.weight);
            return Err(Failure::new(ReplyCode::FrameError, text).by(PUBLISH));
        }
        properties::check(header.properties)
            .map_err(|error| Failure::decoding(error, PUBLISH, header.properties))?;
        if header.body_bytes > self.message_bytes_max {
            return Ok(Found::Event(self.too_large(channel, header.body_bytes)));
        }
        self.hold(header.properties.len())?;
        let Some(Channel::Content(assembly)) = self.channels.get_mut(channel) else {
            return Ok(Found::Nothing);
        };
        assembly.properties.extend_from_slice(header.properties);
        assembly.body_bytes = Some(header.body_bytes);
        if header.body_bytes == 0 {
            self.complete(channel);
            return Ok(Found::Message(None));
        }
        Ok(Found::Nothing)
    }

    fn content_body<'i>(
        &mut self,
        frame: Frame<'i>,
        body_bytes: u64,
    ) -> Result<Found<'i>, Failure> {
        let Frame { channel, payload, .. } = frame;
        let Some(Channel::Content(assembly)) = self.channels.get_mut(channel) else {
            return Ok(Found::Nothing);
        };
        let total = assembly.body.len() as u64 + payload.len() as u64;
        if total > body_bytes {
            let text = format!("content body of {total} bytes instead of {body_bytes}");
            return Err(Failure::new(ReplyCode::FrameError, text).by(PUBLISH));
        }
        if assembly.body.is_empty() && total == body_bytes {
            self.complete(channel);
            return Ok(Found::Message(Some(payload)));
        }
        self.hold(payload.len())?;
        let Some(Channel::Content(assembly)) = self.channels.get_mut(channel) else {
            return Ok(Found::Nothing);
        };
        assembly.extend_body(payload, body_bytes);
        if total == body_bytes {
            self.complete(channel);
            return Ok(Found::Message(None));
        }
        Ok(Found::Nothing)
    }

    /// Counts bytes of an unfinished message.
    fn hold(&mut self, bytes: usize) -> Result<(), Failure> {
        let largest = self.message_bytes_max.max(u64::from(self.frame_max));
        let unfinished = self.unfinished_bytes.saturating_add(bytes as u64);
        if unfinished > largest.saturating_mul(limits::UNFINISHED_MESSAGES) {
            let text = "too many bytes in unfinished messages";
            return Err(Failure::new(ReplyCode::ResourceError, text).by(PUBLISH));
        }
        self.unfinished_bytes = unfinished;
        Ok(())
    }

    /// The channel's message becomes the completed one.
    fn complete(&mut self, channel: u16) {
        let Some(slot) = self.channels.get_mut(channel) else { return };
        if let Channel::Content(assembly) = std::mem::replace(slot, Channel::Open) {
            self.unfinished_bytes = self.unfinished_bytes.saturating_sub(assembly.held_bytes());
            self.completed = Some(assembly);
        }
    }

    /// The completed message was taken: its buffers serve the next one.
    pub(super) fn recycle(&mut self) {
        let Some(mut assembly) = self.completed.take() else { return };
        if assembly.capacity() > limits::SPARE_BODY_BYTES {
            assembly.body = Vec::new();
            assembly.properties = Vec::new();
        }
        assembly.exchange.clear();
        assembly.routing_key.clear();
        assembly.properties.clear();
        assembly.body.clear();
        assembly.body_bytes = None;
        self.spare = Some(assembly);
    }

    /// An unfinished message will not be finished.
    pub(super) fn discard(&mut self, assembly: &Assembly) {
        self.unfinished_bytes = self.unfinished_bytes.saturating_sub(assembly.held_bytes());
    }

    /// A body above the maximum ends the channel alone, and is discarded as it comes.
    fn too_large(&mut self, channel: u16, body_bytes: u64) -> Event<'static> {
        let code = ReplyCode::PreconditionFailed;
        let text = format!(
            "message size {body_bytes} is larger than configured max size {}",
            self.message_bytes_max
        );
        self.set_channel(channel, Channel::Failed);
        Event::ChannelFailed { channel, code, text }
    }
}

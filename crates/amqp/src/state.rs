//! The server's side of one connection: what the peer may send when, and what is answered.

mod channel;
mod channels;
mod closing;
mod content;
mod handshake;
mod send;
mod start;
mod timer;

use std::sync::Arc;

use amq_protocol::types::AMQPValue;

use self::channel::Channel;
use self::channels::Channels;
use self::content::Assembly;
pub use self::start::Start;
pub use self::timer::Timeout;
use self::timer::Timer;
use crate::error::Failure;
use crate::frame::{Frame, OVERHEAD_BYTES};
use crate::publish;
use crate::{Event, FieldTable, Millis, Publish, Step, limits};

/// What the broker announces and allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What the broker says about itself.
    pub start: Start,
    /// How many channels may be open at a time; 0 means 65535.
    pub channel_max: u16,
    /// Largest frame in bytes, head and end octet included.
    pub frame_max: u32,
    /// The heartbeat that is proposed, in seconds; the client decides.
    pub heartbeat_seconds: u16,
    /// Largest message body in bytes.
    pub message_bytes_max: u64,
    /// Time from the first byte to `connection.open`, in milliseconds.
    pub handshake_millis: Millis,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start: Start::new(FieldTable::default(), "PLAIN AMQPLAIN".to_owned()),
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat_seconds: 60,
            message_bytes_max: 16 * 1024 * 1024,
            handshake_millis: 10_000,
        }
    }
}

/// What the connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The protocol header.
    Header,
    /// `connection.start-ok`.
    StartOk,
    /// The broker's word on the login.
    Login,
    /// `connection.tune-ok`.
    TuneOk,
    /// `connection.open`.
    Open,
    /// The broker's word on the virtual host.
    Opening,
    /// Anything.
    Running,
    /// `connection.close-ok`.
    Closing,
    /// The same, but where frames begin is lost.
    ClosingBroken,
    /// The broker's `close_ok`, after the peer's close.
    PeerClosing,
    /// Nothing.
    Finished,
}

/// The server's side of one connection.
///
/// ```text
///            "AMQP" 0 0 9 1        start-ok             login_accepted     tune-ok
///   Header -----------------> StartOk ------> Login ----------------> TuneOk ------> Open
///     | anything else           | out of order  | login_refused                        | open
///     v                         v               v                       open_accepted  v
///   Finished                Finished     Closing or Finished   Running <---------- Opening
///
///   from TuneOk on:   close() or a breach of the protocol    close-ok
///                   ----------------------------------> Closing ------> Finished
///                     the peer's close          close_ok()
///                   --------------> PeerClosing ---------> Finished
/// ```
/// In `Login` and `Opening` nothing is read. In `Closing` everything but `close` and `close-ok` is
/// discarded. The states of a channel are drawn in `state/channel.rs`.
///
/// Use: feed [`next`](Self::next) until it has no event, do what the events say, write
/// [`output`](Self::output), and call [`handle_deadline`](Self::handle_deadline) at
/// [`deadline`](Self::deadline). When [`is_finished`](Self::is_finished), write what is left in
/// the output and close the socket.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct Connection {
    settings: Arc<Settings>,
    phase: Phase,
    timer: Timer,
    /// Largest payload of a frame, both ways.
    payload_max: usize,
    frame_max: u32,
    channel_max: u16,
    message_bytes_max: u64,
    client_properties: Arc<FieldTable>,
    channels: Channels,
    /// Bytes in unfinished messages of all channels.
    unfinished_bytes: u64,
    /// The message of the last event, if it was assembled.
    completed: Option<Box<Assembly>>,
    /// An assembly to use again.
    spare: Option<Box<Assembly>>,
    output: Vec<u8>,
}

/// What one frame led to.
enum Outcome<'i> {
    /// More bytes are needed.
    NeedMore,
    /// So many bytes are done with, without an event.
    Continue(usize),
    Event(usize, Event<'static>),
    /// The message in `completed`; its body, if it is not in there, came in one frame.
    Message(usize, Option<&'i [u8]>, u16),
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(settings: Arc<Settings>, now: Millis) -> Self {
        let channel_max = match settings.channel_max {
            0 => u16::MAX,
            max => max,
        };
        let frame_max = settings.frame_max.max(limits::FRAME_MAX_LOWEST);
        Self {
            phase: Phase::Header,
            timer: Timer::new(now, settings.handshake_millis),
            payload_max: limits::HANDSHAKE_FRAME_BYTES as usize - OVERHEAD_BYTES,
            frame_max,
            channel_max,
            message_bytes_max: settings.message_bytes_max,
            client_properties: Arc::default(),
            channels: Channels::default(),
            unfinished_bytes: 0,
            completed: None,
            spare: None,
            output: Vec::new(),
            settings,
        }
    }

    /// Takes the next event out of `input`, the bytes that were received and not yet consumed.
    /// Call it again with the rest until `event` is None: then more bytes are needed.
    ///
    /// What is left over is at most a part of one frame; except while a login or an open is being
    /// decided, when nothing is read.
    pub fn next<'a>(&'a mut self, now: Millis, input: &'a [u8]) -> Step<'a> {
        if !input.is_empty() {
            self.timer.received(now);
        }
        if self.completed.is_some() {
            self.recycle();
        }
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            if let Some((bytes, publish)) = self.whole_publish(rest) {
                return Step { consumed: consumed + bytes, event: Some(Event::Publish(publish)) };
            }
            if let Some(event) = self.whole_ack(rest) {
                let consumed = consumed + publish::ACK_FRAME_BYTES;
                return Step { consumed, event: Some(event) };
            }
            match self.advance(rest) {
                Outcome::NeedMore => return Step { consumed, event: None },
                Outcome::Continue(bytes) => consumed += bytes,
                Outcome::Event(bytes, event) => {
                    return Step { consumed: consumed + bytes, event: Some(event) };
                }
                Outcome::Message(bytes, body, channel) => {
                    let event = self.completed.as_ref().map(|message| {
                        Event::Publish(message.publish(channel, body.unwrap_or(&message.body)))
                    });
                    return Step { consumed: consumed + bytes, event };
                }
            }
        }
    }

    /// Bytes to write to the socket; the caller drains it and calls [`sent`](Self::sent).
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// True when nothing more is read: write what is in the output, then close the socket.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// True from `open_accepted` until one side closes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Running
    }

    /// The agreed largest frame in bytes, head and end octet included.
    #[must_use]
    pub fn frame_max(&self) -> u32 {
        self.frame_max
    }

    /// The agreed number of channels that may be open at a time.
    #[must_use]
    pub fn channel_max(&self) -> u16 {
        self.channel_max
    }

    /// What the client said about itself in `start-ok`.
    #[must_use]
    pub fn client_properties(&self) -> &Arc<FieldTable> {
        &self.client_properties
    }

    /// A text among the client's properties.
    #[must_use]
    pub fn client_property(&self, name: &str) -> Option<String> {
        match self.client_properties.inner().get(name)? {
            AMQPValue::LongString(text) => {
                Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
            }
            _ => None,
        }
    }

    /// True if the client's table `capabilities` has this name with the value true.
    #[must_use]
    pub fn client_has_capability(&self, name: &str) -> bool {
        let Some(AMQPValue::FieldTable(capabilities)) =
            self.client_properties.inner().get("capabilities")
        else {
            return false;
        };
        capabilities.inner().get(name) == Some(&AMQPValue::Boolean(true))
    }

    /// True if the channel is open: neither side has closed it.
    #[must_use]
    pub fn channel_is_open(&self, channel: u16) -> bool {
        self.is_open() && self.channel(channel).is_some_and(Channel::is_open)
    }

    /// The fast way: a publish that stands whole in the input, on a channel that expects one.
    #[inline]
    fn whole_publish<'i>(&self, input: &'i [u8]) -> Option<(usize, Publish<'i>)> {
        let channel = publish::channel_of(input)?;
        if self.phase != Phase::Running || !matches!(self.channel(channel), Some(Channel::Open)) {
            return None;
        }
        publish::whole(input, channel, self.payload_max, self.message_bytes_max)
    }

    /// The fast way for the other half of a consumer's work.
    #[inline]
    fn whole_ack(&self, input: &[u8]) -> Option<Event<'static>> {
        let (channel, delivery_tag, multiple) = publish::whole_ack(input)?;
        let expected =
            self.phase == Phase::Running && matches!(self.channel(channel), Some(Channel::Open));
        expected.then_some(Event::Ack { channel, delivery_tag, multiple })
    }

    /// The slow way: one frame.
    fn advance<'i>(&mut self, input: &'i [u8]) -> Outcome<'i> {
        match self.phase {
            Phase::Header => return self.protocol_header(input),
            Phase::Login | Phase::Opening if input.len() > limits::HANDSHAKE_WAITING_BYTES => {
                return self.lose_frames(handshake::impatient());
            }
            Phase::Login | Phase::Opening => return Outcome::NeedMore,
            Phase::ClosingBroken => return self.search_close_ok(input),
            Phase::PeerClosing | Phase::Finished if input.is_empty() => return Outcome::NeedMore,
            Phase::PeerClosing | Phase::Finished => return Outcome::Continue(input.len()),
            Phase::StartOk | Phase::TuneOk | Phase::Open | Phase::Running | Phase::Closing => {}
        }
        let frame = match Frame::parse(input, self.payload_max) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Outcome::NeedMore,
            Err(failure) => return self.lose_frames(failure),
        };
        let bytes = frame.wire_bytes();
        let found = match self.phase {
            Phase::Running if frame.channel == 0 => self.control_frame(frame),
            Phase::Running => match self.channel_frame(frame) {
                Ok(channel::Found::Message(body)) => {
                    return Outcome::Message(bytes, body, frame.channel);
                }
                Ok(channel::Found::Event(event)) => Ok(Some(event)),
                Ok(channel::Found::Nothing) => Ok(None),
                Err(failure) => Err(failure),
            },
            Phase::Closing => Ok(self.closing_frame(frame)),
            _ => self.handshake_frame(frame),
        };
        match found {
            Ok(None) => Outcome::Continue(bytes),
            Ok(Some(event)) => Outcome::Event(bytes, event),
            Err(failure) => Outcome::Event(bytes, self.fail(failure)),
        }
    }

    #[inline]
    fn channel(&self, channel: u16) -> Option<&Channel> {
        self.channels.get(channel)
    }

    /// The peer broke the protocol. Before the login nobody is owed an explanation.
    fn fail(&mut self, failure: Failure) -> Event<'static> {
        if matches!(self.phase, Phase::Header | Phase::StartOk | Phase::Login) {
            self.finish();
        } else {
            self.send_close(&failure);
        }
        Event::Failed { code: failure.code, text: failure.text }
    }

    /// Nothing is read any more; buffers of unfinished messages go.
    fn finish(&mut self) {
        self.phase = Phase::Finished;
        self.release_channels();
    }

    /// Bytes that buffers for messages take.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn held_capacity(&self) -> usize {
        let unfinished = self.channels.iter().filter_map(|channel| match channel {
            Channel::Content(assembly) => Some(assembly.as_ref()),
            _ => None,
        });
        let kept = [&self.completed, &self.spare].into_iter().filter_map(Option::as_deref);
        unfinished.chain(kept).map(Assembly::capacity).sum()
    }

    fn release_channels(&mut self) {
        self.channels = Channels::default();
        self.unfinished_bytes = 0;
        self.spare = None;
    }
}

#[cfg(test)]
mod tests;

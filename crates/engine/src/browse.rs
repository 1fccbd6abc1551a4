//! What a look at a queue's messages gives, without taking any of them.

use std::fmt;
use std::str::FromStr;

use crate::record::Sequence;
use crate::{Load, Message, Milliseconds, SessionId};

/// Where a message waits in its queue: the same for as long as it is there. As text, two numbers
/// with a dash between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The lane of its priority (see [`crate::QueueId::lane`]).
    pub lane: u8,
    /// The place in it; never 0 for a message.
    pub sequence: Sequence,
}

impl Place {
    /// Where a look goes on behind this message.
    #[must_use]
    pub fn after(self) -> Self {
        Self { sequence: self.sequence.saturating_add(1), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.lane, self.sequence)
    }
}

/// A text is not a [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPlace;

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        let (lane, sequence) = text.split_once('-').ok_or(BadPlace)?;
        let lane = lane.parse().map_err(|_| BadPlace)?;
        Ok(Self { lane, sequence: sequence.parse().map_err(|_| BadPlace)? })
    }
}

/// A message as it was seen where it waits.
#[derive(Debug, Clone)]
pub struct Browsed {
    /// Where it waits.
    pub place: Place,
    /// The message.
    pub message: Message,
    /// It was delivered before.
    pub redelivered: bool,
    /// How often it came back, in queues that count it.
    pub returns: u32,
    /// When it expires, if it does.
    pub expires: Option<Milliseconds>,
}

/// Messages of a queue in the order in which they would be delivered.
#[derive(Debug, Default)]
pub struct BrowsePage {
    /// Those whose contents are in memory.
    pub messages: Vec<Browsed>,
    /// What is to be read for those that follow. The look goes on behind the last place that was
    /// read.
    pub load: Option<Load>,
    /// Places of messages that `load` may bring though they are not ready, in order.
    pub away: Vec<Sequence>,
    /// Messages that `load` brings were delivered before the last restart up to this place.
    pub redelivered_through: Sequence,
    /// Where a look goes on behind `messages`, if nothing is to be read; then `None` is the end.
    pub next: Option<Place>,
}

/// A message that was delivered and is not yet acknowledged.
#[derive(Debug, Clone)]
pub struct Outstanding {
    /// Where it comes from.
    pub place: Place,
    /// The connection that has it.
    pub session: SessionId,
    /// Its channel.
    pub channel: u16,
    /// The consumer's tag; `None` if it was fetched with `basic.get` or taken by its place.
    pub consumer_tag: Option<String>,
    /// The delivery's tag.
    pub delivery_tag: u64,
    /// When it was delivered.
    pub since: Milliseconds,
    /// It was delivered before.
    pub redelivered: bool,
    /// The content, if it is in memory.
    pub message: Option<Message>,
    /// The length of the body, in bytes.
    pub body_bytes: u32,
}

/// A message that was taken by its place: it is unacknowledged on the channel that took it.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The delivery's tag.
    pub delivery_tag: u64,
    /// Where it was.
    pub place: Place,
    /// It was delivered before.
    pub redelivered: bool,
    /// The message.
    pub message: Message,
}

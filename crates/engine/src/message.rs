//! Messages: published once, immutable, shared by every queue that holds them.
//!
//! A read from a socket brings thousands of small messages. They are laid end to end in one
//! [`MessageBatch`], and a [`Message`] is a counted reference to the batch and a number: no
//! allocation a message, and a clone is one counter.
//!
//! A message in its encoded form, in memory as in the message log:
//!
//! ```text
//! u8 n, n bytes   exchange, UTF-8
//! u8 n, n bytes   routing key, UTF-8
//! u32 n           the highest bit: whether a time follows; the next: whether hidden keys follow; the
//!                 others: the length of the properties
//! u64             when the message was accepted, in milliseconds since 1970, if there is a time
//! u32 m, m bytes  the routing keys of a header BCC, as an array of a field table, if there are any
//! n bytes         properties: property flags and list of the content header, as they came in
//! the rest        body
//! ```

use std::fmt;
use std::sync::Arc;

use warren_amqp::properties::expiration as expiration_of;

use crate::{Milliseconds, copies, expiry};

/// In the length of the properties: a time follows.
const HAS_TIME: u32 = 1 << 31;
/// In the length of the properties: hidden keys follow.
const HAS_HIDDEN_KEYS: u32 = 1 << 30;

/// Many messages in one allocation.
#[derive(Debug, Default)]
pub struct MessageBatch {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// When the messages were accepted; 0 if that is not known.
    time: Milliseconds,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
    body_bytes: u32,
    persistent: bool,
    /// It has the property `expiration`.
    may_expire: bool,
    has_headers: bool,
    /// The message has more routing keys than one (see [`crate::copies`]).
    has_more_keys: bool,
}

impl MessageBatch {
    /// A batch with room for `bytes` of encoded messages.
    #[must_use]
    pub fn with_capacity(messages: usize, bytes: usize) -> Self {
        let (bytes, spans) = (Vec::with_capacity(bytes), Vec::with_capacity(messages));
        Self { bytes, spans, time: 0 }
    }

    /// Sets when the messages that are pushed from now on were accepted.
    #[must_use]
    pub fn at(self, time: Milliseconds) -> Self {
        Self { time, ..self }
    }

    /// Appends a message. `exchange` and `routing_key` are short strings, UTF-8: the codec has seen
    /// to it that they have at most 255 bytes; longer ones are cut here.
    pub fn push(
        &mut self,
        exchange: impl AsRef<[u8]>,
        routing_key: impl AsRef<[u8]>,
        properties: &[u8],
        body: &[u8],
    ) {
        let (exchange, routing_key) = (exchange.as_ref(), routing_key.as_ref());
        self.push_with_hidden_keys(exchange, routing_key, &[], properties, body);
    }

    /// The same with routing keys that no consumer is to see, as the array of a field table.
    pub(crate) fn push_with_hidden_keys(
        &mut self,
        exchange: &[u8],
        routing_key: &[u8],
        hidden_keys: &[u8],
        properties: &[u8],
        body: &[u8],
    ) {
        let start = self.bytes.len();
        for name in [exchange, routing_key] {
            let name = &name[..name.len().min(usize::from(u8::MAX))];
            self.bytes.push(name.len() as u8);
            self.bytes.extend_from_slice(name);
        }
        let mut length = properties.len() as u32;
        if self.time != 0 {
            length |= HAS_TIME;
        }
        if !hidden_keys.is_empty() {
            length |= HAS_HIDDEN_KEYS;
        }
        self.bytes.extend_from_slice(&length.to_be_bytes());
        if self.time != 0 {
            self.bytes.extend_from_slice(&self.time.to_be_bytes());
        }
        if !hidden_keys.is_empty() {
            self.bytes.extend_from_slice(&(hidden_keys.len() as u32).to_be_bytes());
            self.bytes.extend_from_slice(hidden_keys);
        }
        self.bytes.extend_from_slice(properties);
        self.bytes.extend_from_slice(body);
        self.push_span(start, properties, hidden_keys, body.len());
    }

    /// Appends a message in its encoded form, as it stands in the log.
    ///
    /// Returns false and appends nothing if the bytes are not an encoded message.
    #[must_use]
    pub fn push_encoded(&mut self, encoded: &[u8]) -> bool {
        let Some(parts) = Parts::of(encoded) else { return false };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(encoded);
        self.push_span(start, parts.properties, parts.hidden_keys, parts.body.len());
        true
    }

    /// Notes the message that was appended last, from `start` on.
    fn push_span(&mut self, start: usize, properties: &[u8], hidden_keys: &[u8], body: usize) {
        let headers = warren_amqp::properties::headers(properties);
        let has_more_keys = !hidden_keys.is_empty() || headers.is_some_and(copies::has_more_keys);
        self.spans.push(Span {
            start: start as u32,
            end: self.bytes.len() as u32,
            body_bytes: body as u32,
            persistent: warren_amqp::properties::is_persistent(properties),
            may_expire: expiration_of(properties).is_some(),
            has_headers: headers.is_some(),
            has_more_keys,
        });
    }

    /// Gives back memory that was reserved for more, if it is a good part: the batch may stay for
    /// as long as any of its messages.
    pub fn finish(&mut self) {
        if self.bytes.capacity() > 2 * self.bytes.len() {
            self.bytes.shrink_to_fit();
        }
    }

    /// How many messages the batch holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if the batch holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The bytes that all messages take together.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The parts of an encoded message.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The exchange that the message was published to: UTF-8, at most 255 bytes.
    pub exchange: &'a [u8],
    /// The routing key: UTF-8, at most 255 bytes.
    pub routing_key: &'a [u8],
    /// When the message was accepted, in milliseconds since 1970; 0 if that is not known.
    pub time: Milliseconds,
    /// Routing keys that no consumer is to see, as the array of a field table; mostly empty.
    pub hidden_keys: &'a [u8],
    /// Property flags and property list, as the publisher sent them.
    pub properties: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(encoded: &'a [u8]) -> Option<Self> {
        let (exchange, rest) = short(encoded)?;
        let (routing_key, rest) = short(rest)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        let (time, hidden_keys, rest): (_, &[u8], _) = match length & (HAS_TIME | HAS_HIDDEN_KEYS) {
            0 => (0, &[], rest),
            marks => Self::between(marks, rest)?,
        };
        let length = length & !(HAS_TIME | HAS_HIDDEN_KEYS);
        let (properties, body) = rest.split_at_checked(length as usize)?;
        Some(Self { exchange, routing_key, time, hidden_keys, properties, body })
    }

    /// What stands between the length and the properties, as far as its marks say: time and hidden
    /// keys. And the rest.
    fn between(marks: u32, rest: &'a [u8]) -> Option<(Milliseconds, &'a [u8], &'a [u8])> {
        let (time, rest) = match marks & HAS_TIME {
            0 => (0, rest),
            _ => {
                let (time, rest) = rest.split_first_chunk::<8>()?;
                (u64::from_be_bytes(*time), rest)
            }
        };
        if marks & HAS_HIDDEN_KEYS == 0 {
            return Some((time, &[], rest));
        }
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (hidden_keys, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        Some((time, hidden_keys, rest))
    }

    fn may_expire(&self) -> bool {
        expiration_of(self.properties).is_some()
    }
}

/// True if an encoded message has the property `expiration`.
#[must_use]
pub fn encoded_may_expire(encoded: &[u8]) -> bool {
    Parts::of(encoded).is_some_and(|parts| parts.may_expire())
}

/// The length of the body of an encoded message; `None` if the bytes are not one.
#[must_use]
pub fn encoded_body_bytes(encoded: &[u8]) -> Option<u32> {
    Parts::of(encoded).map(|parts| parts.body.len() as u32)
}

fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// One message of a batch.
#[derive(Clone)]
pub struct Message {
    batch: Arc<MessageBatch>,
    index: u32,
}

impl Message {
    /// The message with number `index` of `batch`, if there is one.
    #[must_use]
    pub fn new(batch: &Arc<MessageBatch>, index: u32) -> Option<Self> {
        ((index as usize) < batch.len()).then(|| Self { batch: Arc::clone(batch), index })
    }

    /// Becomes the message with number `index` of `batch`, if there is one: of the same batch as
    /// before without a change of what counts its users.
    pub(crate) fn go_to(&mut self, batch: &Arc<MessageBatch>, index: u32) -> bool {
        if Arc::ptr_eq(&self.batch, batch) && (index as usize) < batch.len() {
            self.index = index;
            return true;
        }
        let other = Self::new(batch, index);
        let is_there = other.is_some();
        if let Some(other) = other {
            *self = other;
        }
        is_there
    }

    fn span(&self) -> Span {
        self.batch.spans[self.index as usize]
    }

    /// Its parts, for whoever wants several of them: each of the methods below looks for its own.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        // Only encoded messages enter a batch, so the parts are always there.
        Parts::of(self.encoded()).unwrap_or(Parts {
            exchange: &[],
            routing_key: &[],
            time: 0,
            hidden_keys: &[],
            properties: &[],
            body: &[],
        })
    }

    /// The message in its encoded form (see the module's text).
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        let span = self.span();
        &self.batch.bytes[span.start as usize..span.end as usize]
    }

    /// The name of the exchange that the message was published to; empty for the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &str {
        str::from_utf8(self.parts().exchange).unwrap_or_default()
    }

    /// The routing key.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        str::from_utf8(self.parts().routing_key).unwrap_or_default()
    }

    /// Exchange and routing key in one, in their encoded form: equal addresses, equal names.
    #[must_use]
    pub fn address(&self) -> &[u8] {
        let encoded = self.encoded();
        let length = |at: usize| encoded.get(at).copied().map_or(0, usize::from);
        let exchange = length(0);
        encoded.get(..2 + exchange + length(1 + exchange)).unwrap_or_default()
    }

    /// When the message was accepted; 0 if that is not known, as with messages of format 2.
    #[must_use]
    pub fn time(&self) -> Milliseconds {
        self.parts().time
    }

    /// Property flags and property list of the content header, as the publisher sent them.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        self.parts().properties
    }

    /// The priority, if the publisher gave one.
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        warren_amqp::properties::priority(self.properties())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.parts().body
    }

    /// The length of the body, in bytes.
    #[must_use]
    pub fn body_bytes(&self) -> u32 {
        self.span().body_bytes
    }

    /// The length of the encoded form, in bytes.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let span = self.span();
        (span.end - span.start) as usize
    }

    /// True if the publisher asked for `delivery_mode` 2.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.span().persistent
    }

    /// True if the message has the property `expiration`.
    #[must_use]
    pub fn may_expire(&self) -> bool {
        self.span().may_expire
    }

    /// For how long the message wants to wait in a queue, if it says so.
    #[must_use]
    pub fn expiration(&self) -> Option<Milliseconds> {
        expiration_of(self.properties()).and_then(|text| expiry::expiration(text).ok())
    }

    /// True if the message has a table of headers.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.span().has_headers
    }

    /// True if the message may have more routing keys than [`Self::routing_key`].
    pub(crate) fn has_more_keys(&self) -> bool {
        self.span().has_more_keys
    }

    /// Routing keys that no consumer is to see, as the array of a field table; empty if there are
    /// none.
    pub(crate) fn hidden_keys(&self) -> &[u8] {
        self.parts().hidden_keys
    }

    /// The same message with other properties and hidden keys, in an allocation of its own.
    pub(crate) fn changed(&self, properties: &[u8], hidden_keys: &[u8]) -> Self {
        let parts = self.parts();
        let room = self.encoded_bytes() + hidden_keys.len() + 16;
        let mut batch = MessageBatch::with_capacity(1, room).at(parts.time);
        let Parts { exchange, routing_key, body, .. } = parts;
        batch.push_with_hidden_keys(exchange, routing_key, hidden_keys, properties, body);
        batch.finish();
        Self { batch: Arc::new(batch), index: 0 }
    }

    /// The same message in an allocation of its own, so that it does not keep its batch.
    pub(crate) fn alone(&self) -> Self {
        let parts = self.parts();
        self.changed(parts.properties, parts.hidden_keys)
    }

    /// The same message in an allocation of its own, accepted at this time.
    pub(crate) fn accepted_at(&self, time: Milliseconds) -> Self {
        let mut batch = MessageBatch::with_capacity(1, self.encoded_bytes()).at(time);
        self.copy_to(&mut batch);
        batch.finish();
        Self { batch: Arc::new(batch), index: 0 }
    }

    /// Appends the same message to a batch, accepted when the messages of that one are.
    pub(crate) fn copy_to(&self, batch: &mut MessageBatch) {
        let Parts { exchange, routing_key, hidden_keys, properties, body, .. } = self.parts();
        batch.push_with_hidden_keys(exchange, routing_key, hidden_keys, properties, body);
    }

    /// The bytes that all messages of the batch take together.
    #[must_use]
    pub fn batch_bytes(&self) -> usize {
        self.batch.bytes_len()
    }

    /// True if both share their allocation.
    #[must_use]
    pub fn is_of_same_batch(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.batch, &other.batch)
    }

    /// True if both are the same message of the same batch, not merely equal ones.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.batch, &other.batch) && self.index == other.index
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("exchange", &self.exchange())
            .field("routing_key", &self.routing_key())
            .field("body_bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

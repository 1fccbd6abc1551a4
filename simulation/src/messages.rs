//! Messages whose bodies tell which they are, and whose every byte can be checked.

use std::sync::Arc;

use warren_engine::{Message, MessageBatch};

use crate::trace::fnv;

/// A message's number in a run, counted from 0 in the order in which clients made them.
pub(crate) type MessageId = u64;

/// What a client asks to be published.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) id: MessageId,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) persistent: bool,
    /// The header `h`, for exchanges that route by it.
    pub(crate) header: Option<&'static str>,
    pub(crate) body_bytes: usize,
}

const FILTER_VALUE: &str = "x-stream-filter-value";
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;

impl Publication {
    /// Flags and list of the content header.
    pub(crate) fn properties(&self) -> Vec<u8> {
        let mut flags = 0;
        let mut list = vec![];
        if let Some(value) = self.header {
            flags |= HEADERS;
            let mut table = vec![1, b'h', b'S'];
            table.extend((value.len() as u32).to_be_bytes());
            table.extend(value.as_bytes());
            // The same, for consumers of streams.
            table.push(FILTER_VALUE.len() as u8);
            table.extend(FILTER_VALUE.as_bytes());
            table.push(b'S');
            table.extend((value.len() as u32).to_be_bytes());
            table.extend(value.as_bytes());
            list.extend((table.len() as u32).to_be_bytes());
            list.extend(table);
        }
        if self.persistent {
            flags |= DELIVERY_MODE;
            list.push(2);
        }
        let mut properties = flags.to_be_bytes().to_vec();
        properties.extend(list);
        properties
    }

    /// The number, then bytes that follow from it.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = self.id.to_be_bytes().to_vec();
        let mut state = self.id.wrapping_mul(0x5851_f42d_4c95_7f2d) | 1;
        while body.len() < self.body_bytes {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            body.push((state >> 56) as u8);
        }
        body
    }
}

/// Lays publications end to end.
pub(crate) fn batch(publications: &[Publication]) -> Arc<MessageBatch> {
    let mut batch = MessageBatch::with_capacity(publications.len(), 0);
    for one in publications {
        batch.push(&one.exchange, &one.routing_key, &one.properties(), &one.body());
    }
    Arc::new(batch)
}

/// The number that a message carries.
pub(crate) fn id_of(message: &Message) -> Option<MessageId> {
    message.body().first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// A hash of all of a message.
pub(crate) fn hash_of(message: &Message) -> u64 {
    fnv(0, message.encoded())
}

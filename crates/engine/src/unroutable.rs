//! The last messages of each exchange that went nowhere.
//!
//! Under a flood of such messages one of each millisecond is kept, so that it costs little.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{Message, Milliseconds, limits};

/// A message that no binding led on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unroutable {
    /// When it came.
    pub time: Milliseconds,
    /// Its routing key.
    pub routing_key: String,
    /// Property flags and property list, or nothing if they were too long to keep.
    pub properties: Vec<u8>,
    /// The beginning of its body.
    pub body: Vec<u8>,
    /// The length of the whole body, in bytes.
    pub body_bytes: u32,
    /// It went back to its publisher, as it was mandatory.
    pub returned: bool,
}

#[derive(Debug, Default)]
struct Kept {
    /// How many there were since the start.
    count: u64,
    last: VecDeque<Unroutable>,
}

/// What is remembered, by exchange.
#[derive(Debug, Default)]
pub(crate) struct UnroutableMessages {
    by_exchange: FxHashMap<String, Kept>,
}

impl UnroutableMessages {
    pub(crate) fn note(&mut self, message: &Message, returned: bool, now: Milliseconds) {
        let exchange = message.exchange();
        if !self.by_exchange.contains_key(exchange) {
            self.make_room();
            self.by_exchange.insert(exchange.to_owned(), Kept::default());
        }
        let Some(kept) = self.by_exchange.get_mut(exchange) else { return };
        kept.count += 1;
        let is_full = kept.last.len() >= limits::UNROUTABLE_PER_EXCHANGE;
        if is_full && kept.last.back().is_some_and(|last| last.time == now) {
            return;
        }
        if is_full {
            kept.last.pop_front();
        }
        let (properties, body) = (message.properties(), message.body());
        let whole = properties.len() <= limits::UNROUTABLE_PROPERTIES_BYTES;
        kept.last.push_back(Unroutable {
            time: now,
            routing_key: message.routing_key().to_owned(),
            properties: if whole { properties.to_vec() } else { vec![] },
            body: body.get(..limits::UNROUTABLE_BODY_BYTES).unwrap_or(body).to_vec(),
            body_bytes: message.body_bytes(),
            returned,
        });
    }

    /// Forgets the exchange that was quiet longest if there are too many.
    fn make_room(&mut self) {
        if self.by_exchange.len() < limits::UNROUTABLE_EXCHANGES {
            return;
        }
        let last = |kept: &Kept| kept.last.back().map_or(0, |last| last.time);
        let quiet = self.by_exchange.iter().min_by_key(|(name, kept)| (last(kept), *name));
        if let Some(name) = quiet.map(|(name, _)| name.clone()) {
            self.by_exchange.remove(&name);
        }
    }

    pub(crate) fn forget(&mut self, exchange: &str) {
        self.by_exchange.remove(exchange);
    }

    /// How many messages of an exchange went nowhere, and the last of them, the newest one first.
    pub(crate) fn of(&self, exchange: &str) -> (u64, Vec<Unroutable>) {
        let kept = self.by_exchange.get(exchange);
        kept.map_or((0, vec![]), |kept| (kept.count, kept.last.iter().rev().cloned().collect()))
    }
}

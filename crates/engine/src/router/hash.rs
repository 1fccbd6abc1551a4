//! Exchanges that choose one of their targets: by a hash (`x-consistent-hash`, `x-modulus-hash`) or
//! by chance (`x-random`, `x-local-random`).
//!
//! The consistent hash gives each target a score for the message, from a hash of both and the
//! target's weight, and the best score wins. So a target that comes takes what it wins and nothing
//! else moves, one that goes leaves only its own, and nobody keeps a table. Scores hang on names
//! and weights alone: they are the same after a restart and on another machine.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use warren_amqp::properties::{self, Property};
use warren_amqp::table::{self, Value};

use super::{Asked, Target};
use crate::Error;
use crate::exchange::HashOn;
use crate::planted::{self, Bug};
use crate::record::{BindingRecord, Destination};

/// A target and its bindings.
#[derive(Debug)]
struct Bound {
    target: Target,
    /// The weights of its bindings, in the order in which they were made. The first one counts.
    weights: Vec<u32>,
}

/// A target as routing wants it.
#[derive(Debug)]
struct Place {
    target: Target,
    /// A hash of the name.
    seed: u64,
    weight: u32,
}

/// How one of the targets is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Consistent(HashOn),
    /// By the remainder of a hash of the routing keys.
    Modulus,
    Random,
}

#[derive(Debug)]
pub(crate) struct ChoiceRouter {
    choice: Choice,
    /// By name, as numbers of exchanges are not the same after a restart.
    bound: BTreeMap<Destination, Bound>,
    names: FxHashMap<Target, Destination>,
    /// What `bound` says, in its order: with a consistent hash each target once, otherwise each as
    /// often as it is bound.
    places: Vec<Place>,
    /// `places` are those of before the last change.
    is_stale: bool,
    /// All weights are the same.
    is_even: bool,
}

impl ChoiceRouter {
    pub(crate) fn new(choice: Choice) -> Self {
        Self {
            choice,
            bound: BTreeMap::new(),
            names: FxHashMap::default(),
            places: vec![],
            is_stale: false,
            is_even: true,
        }
    }

    /// Whether the routing key of a binding is one that the exchange takes.
    pub(crate) fn check(&self, key: &str) -> Result<(), Error> {
        match self.choice {
            Choice::Consistent(_) => weight(key).map(|_| ()),
            Choice::Modulus | Choice::Random => Ok(()),
        }
    }

    fn weight(&self, key: &str) -> u32 {
        match self.choice {
            Choice::Consistent(_) => weight(key).unwrap_or(1),
            Choice::Modulus | Choice::Random => 1,
        }
    }

    pub(crate) fn insert(&mut self, binding: &BindingRecord, target: Target) {
        let weight = self.weight(&binding.routing_key);
        let name = &binding.destination;
        self.names.entry(target).or_insert_with(|| name.clone());
        let bound = self.bound.entry(name.clone());
        bound.or_insert(Bound { target, weights: vec![] }).weights.push(weight);
        self.is_stale = true;
    }

    pub(crate) fn remove(&mut self, key: &str, target: Target) {
        let weight = self.weight(key);
        let Some(name) = self.names.get(&target) else { return };
        if let Some(bound) = self.bound.get_mut(name) {
            if let Some(at) = bound.weights.iter().position(|other| *other == weight) {
                bound.weights.remove(at);
            }
            if bound.weights.is_empty() {
                self.bound.remove(name);
                self.names.remove(&target);
            }
        }
        self.is_stale = true;
    }

    fn arrange(&mut self) {
        self.places.clear();
        for (name, Bound { target, weights }) in &self.bound {
            let times = if self.choice.is_consistent() { 1 } else { weights.len() };
            let weight = weights.first().copied().unwrap_or(1);
            let seed = hash_of_name(name);
            self.places.extend((0..times).map(|_| Place { target: *target, seed, weight }));
        }
        let first = self.places.first().map_or(1, |place| place.weight);
        self.is_even = self.places.iter().all(|place| place.weight == first);
        self.is_stale = false;
    }

    pub(crate) fn route(&mut self, asked: &Asked<'_>, found: &mut Vec<Target>) {
        if self.is_stale {
            self.arrange();
        }
        let place = match &self.choice {
            Choice::Consistent(on) => self.winner(hash_of_message(on, asked)),
            Choice::Modulus => self.nth(hash_of_keys(asked.keys)),
            Choice::Random => self.nth(asked.random),
        };
        found.extend(place.map(|place| place.target));
        if self.choice == Choice::Random && planted::is(Bug::ChanceTakesTwo) {
            found.extend(self.nth(asked.random.wrapping_add(1)).map(|place| place.target));
        }
    }

    fn nth(&self, number: u64) -> Option<&Place> {
        let at = number.checked_rem(self.places.len() as u64)?;
        self.places.get(at as usize)
    }

    /// The place with the best score. With weight `w` and a hash that lies evenly in (0, 1], the
    /// lowest `-ln(hash) / w` falls to each place in proportion to its weight.
    fn winner(&self, hash: u64) -> Option<&Place> {
        let mut best = None;
        for place in &self.places {
            let even = ((mix(hash ^ place.seed) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            // With equal weights the order is that of the hashes, and needs no logarithm.
            let cost = match self.is_even {
                true => -even,
                false => -even.ln() / f64::from(place.weight),
            };
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, place));
            }
        }
        best.map(|(_, place)| place)
    }
}

impl Choice {
    fn is_consistent(&self) -> bool {
        matches!(self, Self::Consistent(_))
    }
}

/// The weight that a binding key stands for. One above what a number holds is as good as that.
fn weight(key: &str) -> Result<u32, Error> {
    let digits = key.strip_prefix(['-', '+']).unwrap_or(key);
    let reason = if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        let written = if key.is_empty() { "<<>>".to_owned() } else { format!("<<\"{key}\">>") };
        format!("The binding key must be an integer: {written}")
    } else if key.starts_with('-') || digits.bytes().all(|digit| digit == b'0') {
        "The binding key must be greater than 0".to_owned()
    } else {
        return Ok(digits.parse().unwrap_or(u32::MAX));
    };
    Err(Error::Unacceptable { reason })
}

/// FNV-1a: the result is part of where messages go, so it must stay as it is.
fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Spreads every bit over all others (the finish of `SplitMix64`).
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn hash_of_name(name: &Destination) -> u64 {
    let (kind, name) = match name {
        Destination::Queue(name) => (b"q", name),
        Destination::Exchange(name) => (b"e", name),
    };
    mix(fnv(fnv(FNV_START, kind), name.as_bytes()))
}

fn hash_of_keys(keys: &[&str]) -> u64 {
    let mut hash = FNV_START;
    for (number, key) in keys.iter().enumerate() {
        if number > 0 {
            // No byte of a text, so that two keys are not one.
            hash = fnv(hash, &[0xff]);
        }
        hash = fnv(hash, key.as_bytes());
    }
    mix(hash)
}

/// What is not there is hashed like an empty text, so that all such messages stay together.
fn hash_of_message(on: &HashOn, asked: &Asked<'_>) -> u64 {
    let property = |property| properties::get(asked.properties, property).unwrap_or_default();
    match on {
        HashOn::RoutingKey => hash_of_keys(asked.keys),
        HashOn::Header(name) => hash_of_value(table::get(asked.headers, name)),
        HashOn::MessageId => mix(fnv(FNV_START, property(Property::MessageId))),
        HashOn::CorrelationId => mix(fnv(FNV_START, property(Property::CorrelationId))),
        HashOn::Timestamp => mix(fnv(FNV_START, property(Property::Timestamp))),
    }
}

/// Numbers by value, whatever their width.
fn hash_of_value(value: Option<Value<'_>>) -> u64 {
    let hash = |kind: u8, bytes: &[u8]| mix(fnv(fnv(FNV_START, &[kind]), bytes));
    match value {
        None | Some(Value::Void) => mix(FNV_START),
        Some(Value::Bytes(bytes)) => mix(fnv(FNV_START, bytes)),
        Some(Value::Bool(value)) => hash(b't', &[u8::from(value)]),
        Some(Value::Int(value)) => hash(b'l', &value.to_be_bytes()),
        Some(Value::Float(value)) => hash(b'd', &value.to_bits().to_be_bytes()),
        Some(Value::Timestamp(value)) => hash(b'T', &value.to_be_bytes()),
        Some(Value::Decimal { scale, value }) => {
            hash(b'D', &[&[scale], value.to_be_bytes().as_slice()].concat())
        }
        Some(Value::Array(bytes)) => hash(b'A', bytes),
        Some(Value::Table(bytes)) => hash(b'F', bytes),
    }
}

#[cfg(test)]
mod tests;

//! From a message to queues, by the definitions and as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};

use warren_amqp::FieldValue;
use warren_engine::{BindingRecord, Destination, ExchangeRecord, ExchangeType};

use super::topology::{Topology, header_arguments};
use crate::messages::Publication;
use crate::trace::fnv;

/// The virtual topic that is there from the start.
pub(crate) const VIRTUAL_TOPIC: &str = "amq.virtual-topic";

/// The way of a message.
#[derive(Debug, Default)]
pub(crate) struct Route {
    /// The names of the queues that it goes to.
    pub(crate) queues: BTreeSet<String>,
    /// The names of the exchanges that it passes.
    pub(crate) exchanges: BTreeSet<String>,
}

impl Topology {
    /// The way of a message; None if it is refused.
    pub(crate) fn route(
        &self,
        message: &Publication,
        is_queue: impl Fn(&str) -> bool,
    ) -> Option<Route> {
        let mut found = Route::default();
        let keys = message.keys();
        if message.exchange.is_empty() {
            let mut topics = vec![];
            for key in keys {
                let part = key.split_once("::").map(|(_, queue)| queue);
                match [Some(key), part].into_iter().flatten().find(|name| is_queue(name)) {
                    Some(name) => drop(found.queues.insert(name.to_owned())),
                    None if key.starts_with("VirtualTopic.") => topics.push(key),
                    None => {}
                }
            }
            if !topics.is_empty() {
                self.follow(VIRTUAL_TOPIC, &topics, message, &mut found);
            }
            return Some(found);
        }
        if self.exchanges.get(&message.exchange).is_none_or(|(exchange, _)| exchange.internal) {
            return None;
        }
        self.follow(&message.exchange, &keys, message, &mut found);
        Some(found)
    }

    /// The way of a message that is at an exchange.
    pub(crate) fn route_at(&self, exchange: &str, message: &Publication) -> Route {
        let mut found = Route::default();
        self.follow(exchange, &message.keys(), message, &mut found);
        found
    }

    /// From exchange to exchange, each once.
    fn follow(&self, start: &str, keys: &[&str], message: &Publication, found: &mut Route) {
        let mut pending = vec![start.to_owned()];
        while let Some(name) = pending.pop() {
            let Some((exchange, _)) = self.exchanges.get(&name) else { continue };
            if !found.exchanges.insert(name.clone()) {
                continue;
            }
            let targets = self.targets(exchange, keys, message);
            if targets.is_empty() {
                let policies = || self.policies.alternate(&exchange.name).map(str::to_owned);
                pending.extend(alternate(exchange).or_else(policies));
            }
            for target in targets {
                match target {
                    Destination::Queue(name) => drop(found.queues.insert(name)),
                    Destination::Exchange(name) => pending.push(name),
                }
            }
        }
    }

    fn targets(
        &self,
        exchange: &ExchangeRecord,
        keys: &[&str],
        message: &Publication,
    ) -> Vec<Destination> {
        let all = self.bindings.iter().map(|(binding, _)| binding);
        let own: Vec<_> = all.filter(|binding| binding.source == exchange.name).collect();
        match exchange.kind {
            ExchangeType::ConsistentHash => winner(&own, keys).into_iter().collect(),
            ExchangeType::ModulusHash => remainder(&own, keys).into_iter().collect(),
            kind => {
                let matching = own
                    .into_iter()
                    .filter(|binding| keys.iter().any(|key| matches(kind, binding, key, message)));
                let matching: Vec<_> = matching.collect();
                let chosen = match kind {
                    ExchangeType::VirtualTopic => one_of_each_group(matching),
                    _ => matching,
                };
                chosen.into_iter().map(|binding| binding.destination.clone()).collect()
            }
        }
    }
}

fn alternate(exchange: &ExchangeRecord) -> Option<String> {
    match exchange.arguments.inner().get("alternate-exchange") {
        Some(FieldValue::LongString(name)) => String::from_utf8(name.as_bytes().to_vec()).ok(),
        _ => None,
    }
}

/// Group and pattern of a queue that subscribes itself.
pub(crate) fn group_and_pattern(queue: &str) -> Option<(&str, &str)> {
    queue.strip_prefix("Consumer.")?.split_once('.')
}

/// Of the bindings of each group that with the most words that are no wildcard; of those with as
/// many one without `#`, and then the one to the first name.
fn one_of_each_group(bindings: Vec<&BindingRecord>) -> Vec<&BindingRecord> {
    let mut best: BTreeMap<String, &BindingRecord> = BTreeMap::new();
    let rank = |binding: &BindingRecord| {
        let words: Vec<&str> = binding.routing_key.split('.').collect();
        let count = |wanted: &str| words.iter().filter(|word| **word == wanted).count();
        let exact = words.len() - count("*") - count("#");
        (usize::MAX - exact, count("#"), count("*"), binding.destination.clone())
    };
    for binding in bindings {
        let group = match (&binding.destination, binding.arguments.inner().get("x-group")) {
            (_, Some(FieldValue::LongString(group))) => {
                format!("named {}", String::from_utf8_lossy(group.as_bytes()))
            }
            (Destination::Queue(name), _) => match group_and_pattern(name) {
                Some((group, _)) => format!("named {group}"),
                None => format!("own {name}"),
            },
            (destination, _) => format!("{destination:?}"),
        };
        let chosen = best.entry(group).or_insert(binding);
        if rank(binding) < rank(chosen) {
            *chosen = binding;
        }
    }
    best.into_values().collect()
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn hash_of(keys: &[&str]) -> u64 {
    let bytes = keys.iter().map(|key| key.as_bytes()).collect::<Vec<_>>().join(&0xff);
    mix(fnv(0, &bytes))
}

/// The choice of a consistent hash. Clients bind each name with one weight only.
fn winner(bindings: &[&BindingRecord], keys: &[&str]) -> Option<Destination> {
    let score = |binding: &BindingRecord| {
        let (letter, name) = match &binding.destination {
            Destination::Queue(name) => ("q", name),
            Destination::Exchange(name) => ("e", name),
        };
        let seed = mix(fnv(0, format!("{letter}{name}").as_bytes()));
        let even = ((mix(hash_of(keys) ^ seed) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        even.ln() / binding.routing_key.parse::<f64>().unwrap_or(1.0)
    };
    let best = bindings.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
    best.map(|binding| binding.destination.clone())
}

fn remainder(bindings: &[&BindingRecord], keys: &[&str]) -> Option<Destination> {
    let mut names: Vec<&Destination> = bindings.iter().map(|it| &it.destination).collect();
    names.sort_unstable();
    let at = hash_of(keys).checked_rem(names.len() as u64)?;
    names.get(at as usize).copied().cloned()
}

fn matches(kind: ExchangeType, binding: &BindingRecord, key: &str, message: &Publication) -> bool {
    match kind {
        ExchangeType::Direct => binding.routing_key == key,
        ExchangeType::Topic | ExchangeType::VirtualTopic => {
            let words = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
            topic_matches(&words(&binding.routing_key), &words(key))
        }
        ExchangeType::Headers => {
            message.header.is_some_and(|value| binding.arguments == header_arguments(value))
        }
        // The others are not among those that clients declare.
        _ => true,
    }
}

fn topic_matches(pattern: &[String], words: &[String]) -> bool {
    match pattern.split_first() {
        None => words.is_empty(),
        Some((first, rest)) if first == "#" => {
            (0..=words.len()).any(|skip| topic_matches(rest, &words[skip..]))
        }
        Some((first, rest)) => words.split_first().is_some_and(|(word, left)| {
            (first == "*" || first == word) && topic_matches(rest, left)
        }),
    }
}

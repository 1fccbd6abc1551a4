//! From a message to queues: by the name of a queue, or from exchange to exchange.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use warren_amqp::properties;
use warren_amqp::table::{self, Value};

use super::{Exchange, Route, Topology, VIRTUAL_TOPIC};
use crate::planted::{self, Bug};
use crate::router::{Asked, ExchangeKey, Target, mix};
use crate::{Message, QueueId, copies, limits};

/// A key of the default exchange that begins like this is a virtual topic if no queue has the name.
const TOPIC_PREFIX: &str = "VirtualTopic.";

/// Which messages a route is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All with the same exchange and routing key, as long as they have no other keys.
    Address,
    /// The one that was asked about.
    Message,
    /// None: the message wants to be delayed.
    Delayed,
}

/// Numbers that look like chance, always the same ones for the same seed.
#[derive(Debug, Default)]
pub(super) struct Random {
    pub(super) seed: u64,
    drawn: u64,
}

impl Random {
    /// The number that comes next.
    pub(super) fn peek(&self) -> u64 {
        Self { seed: self.seed, drawn: self.drawn }.next()
    }

    fn next(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

/// The queue that `topic::queue` names.
pub(crate) fn queue_of_topic(name: &str) -> Option<(&str, &str)> {
    name.split_once("::").filter(|(topic, queue)| !topic.is_empty() && !queue.is_empty())
}

/// True if the message asks for a delay with its header `x-delay`.
fn wants_delay(headers: &[u8]) -> bool {
    match table::get(headers, "x-delay") {
        Some(Value::Int(delay)) => delay > 0,
        Some(Value::Float(delay)) => delay > 0.0,
        Some(Value::Bytes(text)) => {
            let text = str::from_utf8(text).unwrap_or_default();
            text.trim().parse::<f64>().is_ok_and(|delay| delay > 0.0)
        }
        _ => false,
    }
}

/// True if the message is not to be kept for those who come later.
fn is_not_kept(headers: &[u8]) -> bool {
    table::get(headers, "x-recent-history-no-store") == Some(Value::Bool(true))
}

impl Topology {
    /// The queues that a message goes to, and which other messages go there. The exchange exists,
    /// or the message goes nowhere.
    pub(crate) fn route(&mut self, message: &Message) -> (Route, Scope) {
        if message.has_more_keys() {
            return self.route_by_all_keys(message);
        }
        if message.exchange().is_empty() {
            return match self.queue_or_part(message.routing_key()) {
                Some(id) => (Arc::from([id]), Scope::Address),
                None => self.route_by_topic(message),
            };
        }
        match self.exchange_names.get(message.exchange()).copied() {
            Some(start) => self.route_from(start, message),
            None => (Arc::clone(&self.no_route), Scope::Address),
        }
    }

    /// The same for a message that was routed before: exchanges that keep messages have it.
    pub(crate) fn route_again(&mut self, message: &Message) -> Route {
        self.keeps_history = false;
        let (route, _) = self.route(message);
        self.keeps_history = true;
        route
    }

    /// The queues that a message goes to once it is at this exchange.
    pub(crate) fn route_at(&mut self, exchange: &str, message: &Message) -> Route {
        let Some(start) = self.exchange_names.get(exchange).copied() else {
            return Arc::clone(&self.no_route);
        };
        let mut queues = vec![];
        self.search(start, &copies::keys(message), message, &mut queues);
        sorted(queues)
    }

    /// A queue by its name, or by `topic::queue`.
    pub(crate) fn queue_or_part(&self, name: &str) -> Option<QueueId> {
        self.queue(name).or_else(|| self.queue(queue_of_topic(name)?.1))
    }

    /// True if a key of the default exchange leads to the virtual topic.
    pub(crate) fn is_topic_key(&self, key: &str) -> bool {
        self.queue_or_part(key).is_none() && self.topic_of_key(key).is_some()
    }

    pub(super) fn topic_of_key(&self, key: &str) -> Option<ExchangeKey> {
        if !key.starts_with(TOPIC_PREFIX) {
            return None;
        }
        self.exchange_names.get(VIRTUAL_TOPIC).copied()
    }

    fn route_by_topic(&mut self, message: &Message) -> (Route, Scope) {
        match self.topic_of_key(message.routing_key()) {
            Some(topic) => self.route_from(topic, message),
            None => (Arc::clone(&self.no_route), Scope::Address),
        }
    }

    fn route_by_all_keys(&mut self, message: &Message) -> (Route, Scope) {
        let keys = copies::keys(message);
        let mut queues = vec![];
        if !message.exchange().is_empty() {
            let start = self.exchange_names.get(message.exchange()).copied();
            let scope = start.map(|start| self.search(start, &keys, message, &mut queues));
            return match scope {
                Some(Scope::Delayed) => (Arc::clone(&self.no_route), Scope::Delayed),
                _ => (sorted(queues), Scope::Message),
            };
        }
        let mut topics = copies::Keys::new();
        for key in keys {
            match self.queue_or_part(key) {
                Some(id) => queues.push(id),
                None if self.topic_of_key(key).is_some() => topics.push(key),
                None => {}
            }
        }
        if let Some(topic) = topics.first().and_then(|key| self.topic_of_key(key)) {
            self.search(topic, &topics, message, &mut queues);
        }
        (sorted(queues), Scope::Message)
    }

    /// The way of a message with one key, remembered if others may have the same.
    fn route_from(&mut self, start: ExchangeKey, message: &Message) -> (Route, Scope) {
        let key = message.routing_key();
        let epoch = self.epoch;
        if let Some(exchange) = self.exchanges.get_mut(&start) {
            if exchange.routes_epoch != epoch {
                exchange.routes.clear();
                exchange.routes_epoch = epoch;
            }
            if let Some(route) = exchange.routes.get(key) {
                return (Arc::clone(route), Scope::Address);
            }
        }
        let mut queues = vec![];
        let scope = self.search(start, &[key], message, &mut queues);
        if scope == Scope::Delayed {
            return (Arc::clone(&self.no_route), scope);
        }
        let route = sorted(queues);
        if scope == Scope::Address
            && let Some(exchange) = self.exchanges.get_mut(&start)
        {
            if exchange.routes.len() >= limits::CACHED_ROUTES_PER_EXCHANGE {
                exchange.routes.clear();
            }
            exchange.routes.insert(key.into(), Arc::clone(&route));
        }
        (route, scope)
    }

    /// Follows bindings from exchange to exchange, each exchange once, and from one that has no
    /// binding for the message to its alternate exchange.
    fn search(
        &mut self,
        start: ExchangeKey,
        keys: &[&str],
        message: &Message,
        queues: &mut Vec<QueueId>,
    ) -> Scope {
        let properties = message.properties();
        let headers = properties::headers(properties).unwrap_or_default();
        let mut asked = Asked { keys, headers, properties, random: 0 };
        let mut scope = Scope::Address;
        let mut seen = FxHashSet::from_iter([start]);
        let mut pending = vec![start];
        let mut found = vec![];
        while let Some(at) = pending.pop() {
            let Some(exchange) = self.exchanges.get_mut(&at) else { continue };
            if exchange.varies {
                if exchange.settings.delays && wants_delay(headers) {
                    return Scope::Delayed;
                }
                scope = Scope::Message;
                asked.random = self.random.next();
                if planted::is(Bug::ChanceAlwaysSame) {
                    asked.random = 0;
                }
                if let Some(history) = &mut exchange.history
                    && self.keeps_history
                    && !is_not_kept(headers)
                {
                    history.keep(message);
                }
            }
            exchange.router.route(&asked, &mut found);
            let names = &self.exchange_names;
            if found.is_empty()
                && let Some(next) = exchange.settings.alternate()
                && let Some(next) = names.get(next).copied()
            {
                found.push(Target::Exchange(next));
            }
            for target in found.drain(..) {
                match target {
                    Target::Queue(id) => queues.push(id),
                    Target::Exchange(next) => {
                        if seen.insert(next) {
                            pending.push(next);
                        }
                    }
                }
            }
        }
        scope
    }

    /// The last messages of an exchange, for something that is newly bound to it.
    pub(crate) fn history(&self, exchange: &str) -> Vec<Message> {
        let history = self.exchange(exchange).and_then(|found: &Exchange| found.history.as_ref());
        history.map_or_else(Vec::new, |history| history.messages().cloned().collect())
    }
}

fn sorted(mut queues: Vec<QueueId>) -> Route {
    queues.sort_unstable();
    queues.dedup();
    Arc::from(queues)
}

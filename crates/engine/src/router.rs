//! From an exchange's bindings and a message to targets, a file for each kind that needs one.

mod hash;
pub(crate) mod headers;
mod topic;
pub(crate) mod virtual_topic;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use warren_amqp::FieldTable;

use crate::exchange::ExchangeSettings;
use crate::record::{BindingRecord, ExchangeType};
use crate::{Error, QueueId};
use hash::{Choice, ChoiceRouter};
use headers::HeadersRouter;
use topic::TopicRouter;
use virtual_topic::VirtualTopicRouter;

pub(crate) use hash::mix;
pub(crate) use virtual_topic::group_arguments;

/// Whether a topic exchange leads a key on by a pattern, for tests of what is said about it.
#[cfg(test)]
pub(crate) fn topic_routes(pattern: &str, key: &str) -> bool {
    let (mut router, mut found) = (TopicRouter::default(), vec![]);
    router.insert(pattern, 1);
    router.route(key, &mut found);
    !found.is_empty()
}

/// An exchange inside its virtual host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ExchangeKey(pub(crate) u32);

impl ExchangeKey {
    /// The exchange that is not declared.
    pub(crate) const DEFAULT: Self = Self(0);
}

/// What a binding leads to, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Target {
    Queue(QueueId),
    Exchange(ExchangeKey),
}

/// Targets, each with the number of bindings that lead to it: two bindings with different
/// arguments may do so. Ordered, so that routing has the same result each time, and quick to take
/// from however many there are.
#[derive(Debug)]
pub(crate) struct Targets<T = Target>(BTreeMap<T, u32>);

impl<T> Default for Targets<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Copy> Targets<T> {
    fn insert(&mut self, target: T) {
        *self.0.entry(target).or_default() += 1;
    }

    fn remove(&mut self, target: T) {
        if let Some(count) = self.0.get_mut(&target) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&target);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn iter(&self) -> impl Iterator<Item = T> {
        self.0.keys().copied()
    }
}

/// What a message is routed by.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The routing keys; at least one.
    pub(crate) keys: &'a [&'a str],
    /// The raw field table of the headers, empty if there are none.
    pub(crate) headers: &'a [u8],
    /// Property flags and property list of the content header.
    pub(crate) properties: &'a [u8],
    /// A number that is another one each time.
    pub(crate) random: u64,
}

/// The bindings of one exchange, arranged for routing.
#[derive(Debug)]
pub(crate) enum Router {
    Direct(FxHashMap<String, Targets>),
    Fanout(Targets),
    Topic(TopicRouter),
    Headers(HeadersRouter),
    Choice(ChoiceRouter),
    VirtualTopic(Box<VirtualTopicRouter>),
}

impl Router {
    pub(crate) fn new(settings: &ExchangeSettings) -> Self {
        let choice = |choice| Self::Choice(ChoiceRouter::new(choice));
        match settings.routes_as {
            ExchangeType::Direct => Self::Direct(FxHashMap::default()),
            ExchangeType::Topic => Self::Topic(TopicRouter::default()),
            ExchangeType::Headers => Self::Headers(HeadersRouter::default()),
            ExchangeType::ConsistentHash => choice(Choice::Consistent(settings.hash_on.clone())),
            ExchangeType::ModulusHash => choice(Choice::Modulus),
            ExchangeType::Random | ExchangeType::LocalRandom => choice(Choice::Random),
            ExchangeType::VirtualTopic => {
                let names = settings.groups.clone().unwrap_or_default();
                Self::VirtualTopic(Box::new(VirtualTopicRouter::new(names)))
            }
            ExchangeType::Fanout | ExchangeType::RecentHistory | ExchangeType::Delayed => {
                Self::Fanout(Targets::default())
            }
        }
    }

    /// Whether bindings with this key and these arguments can be made on this kind of exchange.
    pub(crate) fn check(&self, key: &str, arguments: &FieldTable) -> Result<(), Error> {
        match self {
            Self::Headers(_) => headers::Pattern::parse(arguments).map(|_| ()),
            Self::Choice(router) => router.check(key),
            Self::VirtualTopic(_) => virtual_topic::group(arguments).map(|_| ()),
            Self::Direct(_) | Self::Fanout(_) | Self::Topic(_) => Ok(()),
        }
    }

    /// Adds a binding that was checked.
    pub(crate) fn insert(&mut self, binding: &BindingRecord, target: Target) {
        let key = &binding.routing_key;
        match self {
            Self::Direct(keys) => keys.entry(key.clone()).or_default().insert(target),
            Self::Fanout(targets) => targets.insert(target),
            Self::Topic(router) => router.insert(key, target),
            Self::Headers(router) => router.insert(&binding.arguments, target),
            Self::Choice(router) => router.insert(binding, target),
            Self::VirtualTopic(router) => router.insert(binding, target),
        }
    }

    /// Takes a binding away that was added with the same target.
    pub(crate) fn remove(&mut self, binding: &BindingRecord, target: Target) {
        let key = &binding.routing_key;
        match self {
            Self::Direct(keys) => {
                if let Some(targets) = keys.get_mut(key) {
                    targets.remove(target);
                    if targets.is_empty() {
                        keys.remove(key);
                    }
                }
            }
            Self::Fanout(targets) => targets.remove(target),
            Self::Topic(router) => router.remove(key, target),
            Self::Headers(router) => router.remove(&binding.arguments, target),
            Self::Choice(router) => router.remove(key, target),
            Self::VirtualTopic(router) => router.remove(binding, target),
        }
    }

    /// Appends the targets of a message to `found`, perhaps one of them more than once.
    pub(crate) fn route(&mut self, asked: &Asked<'_>, found: &mut Vec<Target>) {
        match self {
            Self::Direct(keys) => {
                for targets in asked.keys.iter().filter_map(|key| keys.get(*key)) {
                    found.extend(targets.iter());
                }
            }
            Self::Fanout(targets) => found.extend(targets.iter()),
            Self::Topic(router) => asked.keys.iter().for_each(|key| router.route(key, found)),
            Self::Headers(router) => router.route(asked.headers, found),
            Self::Choice(router) => router.route(asked, found),
            Self::VirtualTopic(router) => router.route(asked.keys, found),
        }
    }
}

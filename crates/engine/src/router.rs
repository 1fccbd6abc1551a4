//! From an exchange's bindings and a message to targets, a file for each kind that needs one.

mod headers;
mod topic;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use warren_amqp::FieldTable;

use crate::record::ExchangeType;
use crate::{Error, QueueId};
use headers::HeadersRouter;
use topic::TopicRouter;

/// An exchange inside its virtual host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ExchangeKey(pub(crate) u32);

/// What a binding leads to, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Target {
    Queue(QueueId),
    Exchange(ExchangeKey),
}

/// Targets, each with the number of bindings that lead to it: two bindings with different
/// arguments may do so. Ordered, so that routing has the same result each time, and quick to take
/// from however many there are.
#[derive(Debug, Default)]
pub(crate) struct Targets(BTreeMap<Target, u32>);

impl Targets {
    fn insert(&mut self, target: Target) {
        *self.0.entry(target).or_default() += 1;
    }

    fn remove(&mut self, target: Target) {
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

    fn iter(&self) -> impl Iterator<Item = Target> {
        self.0.keys().copied()
    }
}

/// The bindings of one exchange, arranged for routing.
#[derive(Debug)]
pub(crate) enum Router {
    Direct(FxHashMap<String, Targets>),
    Fanout(Targets),
    Topic(TopicRouter),
    Headers(HeadersRouter),
}

impl Router {
    pub(crate) fn new(kind: ExchangeType) -> Self {
        match kind {
            ExchangeType::Direct => Self::Direct(FxHashMap::default()),
            ExchangeType::Fanout => Self::Fanout(Targets::default()),
            ExchangeType::Topic => Self::Topic(TopicRouter::default()),
            ExchangeType::Headers => Self::Headers(HeadersRouter::default()),
        }
    }

    /// Whether bindings with these arguments can be made on this kind of exchange.
    pub(crate) fn check(&self, arguments: &FieldTable) -> Result<(), Error> {
        match self {
            Self::Headers(_) => headers::Pattern::parse(arguments).map(|_| ()),
            Self::Direct(_) | Self::Fanout(_) | Self::Topic(_) => Ok(()),
        }
    }

    /// Adds a binding whose arguments were checked.
    pub(crate) fn insert(&mut self, key: &str, arguments: &FieldTable, target: Target) {
        match self {
            Self::Direct(keys) => keys.entry(key.to_owned()).or_default().insert(target),
            Self::Fanout(targets) => targets.insert(target),
            Self::Topic(router) => router.insert(key, target),
            Self::Headers(router) => router.insert(arguments, target),
        }
    }

    /// Takes a binding away that was added with the same key, arguments and target.
    pub(crate) fn remove(&mut self, key: &str, arguments: &FieldTable, target: Target) {
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
            Self::Headers(router) => router.remove(arguments, target),
        }
    }

    /// Appends the targets of a message to `found`, perhaps one of them more than once.
    /// `headers` is the raw field table of the message's headers, empty if it has none.
    pub(crate) fn route(&mut self, key: &str, headers: &[u8], found: &mut Vec<Target>) {
        match self {
            Self::Direct(keys) => {
                if let Some(targets) = keys.get(key) {
                    found.extend(targets.iter());
                }
            }
            Self::Fanout(targets) => found.extend(targets.iter()),
            Self::Topic(router) => router.route(key, found),
            Self::Headers(router) => router.route(headers, found),
        }
    }

    /// True if routes hang on more than the routing key.
    pub(crate) fn reads_headers(&self) -> bool {
        matches!(self, Self::Headers(_))
    }
}

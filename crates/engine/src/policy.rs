//! Policies: settings for all queues and exchanges whose names match a pattern.
//!
//! [`Policies`] are those of one virtual host, compiled: policies of users and of operators. At most
//! one of each applies to an object, the one with the highest priority ([`AppliedPolicies`]). What follows
//! from them together with the arguments of a declaration is in `effective`.

mod effective;
mod keys;
mod validate;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use effective::{EffectivePolicies, EffectiveValue, PolicySource};
pub(crate) use effective::{alternate_exchange, queue_settings};
pub use validate::{PolicyProblem, validate_policy};

use crate::QueueType;
use crate::pattern::{BadPattern, Pattern};
use crate::planted::{self, Bug};
use keys::Key;

/// A value of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyValue {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A list, as of nodes.
    List(Vec<Self>),
    /// A value that no setting has (null, a fraction, an object), as RabbitMQ writes it.
    Other(String),
}

/// As RabbitMQ writes it in refusals.
impl fmt::Display for PolicyValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(out, "{number}"),
            Self::Flag(flag) => write!(out, "{flag}"),
            Self::Other(text) => out.write_str(text),
            Self::Text(text) => write!(out, "<<{text:?}>>"),
            Self::List(values) => {
                out.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(out, "{comma}{value}")?;
                }
                out.write_str("]")
            }
        }
    }
}

/// What a policy says: values by the names of their settings.
pub type Definition = BTreeMap<String, PolicyValue>;

/// What a policy is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApplyTo {
    /// Exchanges and queues.
    #[default]
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of all types.
    Queues,
    /// Queues of type classic.
    ClassicQueues,
    /// Queues of type quorum.
    QuorumQueues,
    /// Streams.
    Streams,
}

impl ApplyTo {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::All,
        Self::Exchanges,
        Self::Queues,
        Self::ClassicQueues,
        Self::QuorumQueues,
        Self::Streams,
    ];

    /// The value of `apply-to`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exchanges => "exchanges",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
        }
    }

    /// What `apply-to` says, if it is a name that there is.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    fn has_exchanges(self) -> bool {
        matches!(self, Self::All | Self::Exchanges)
    }

    fn has_queues(self, kind: QueueType) -> bool {
        match self {
            Self::All | Self::Queues => true,
            Self::Exchanges => false,
            Self::ClassicQueues => kind == QueueType::Classic,
            Self::QuorumQueues => kind == QueueType::Quorum,
            Self::Streams => kind == QueueType::Stream,
        }
    }
}

/// A policy as an operator or a user wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyRecord {
    /// Its name, unique among the policies of its kind in a virtual host.
    pub name: String,
    /// A regular expression that is found in the names it is for; an empty one in all of them.
    pub pattern: String,
    /// What it is for.
    pub apply_to: ApplyTo,
    /// The highest one wins. Of equal ones the name that comes first does.
    pub priority: i64,
    /// What it says.
    pub definition: Definition,
}

/// A policy, ready to be asked.
#[derive(Debug)]
struct Policy {
    name: String,
    pattern: Pattern,
    apply_to: ApplyTo,
    definition: Definition,
    /// Whether it says only what queues of a type have. One that says more is not for them.
    suits: [bool; 3],
}

impl Policy {
    fn compile(record: &PolicyRecord) -> Result<Arc<Self>, BadPattern> {
        let keys = || record.definition.keys().filter_map(|name| Key::named(name));
        let kinds = [QueueType::Classic, QueueType::Quorum, QueueType::Stream];
        Ok(Arc::new(Self {
            name: record.name.clone(),
            pattern: Pattern::new(&record.pattern)?,
            apply_to: record.apply_to,
            definition: record.definition.clone(),
            suits: kinds.map(|kind| keys().all(|key| key.is_for(kind))),
        }))
    }

    fn suits(&self, kind: QueueType) -> bool {
        let [classic, quorum, stream] = self.suits;
        match kind {
            QueueType::Classic => classic,
            QueueType::Quorum => quorum,
            QueueType::Stream => stream,
        }
    }
}

/// The policies of a virtual host, compiled, those that win in front.
#[derive(Debug, Default)]
pub struct Policies {
    user: Vec<Arc<Policy>>,
    operator: Vec<Arc<Policy>>,
}

impl Policies {
    /// Compiles policies of users and of operators.
    ///
    /// # Errors
    ///
    /// A pattern is no regular expression.
    pub fn compile(user: &[PolicyRecord], operator: &[PolicyRecord]) -> Result<Self, BadPattern> {
        Ok(Self { user: ordered(user)?, operator: ordered(operator)? })
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.operator.is_empty()
    }

    /// What applies to a queue of this name and type.
    #[must_use]
    pub fn of_queue(&self, name: &str, kind: QueueType) -> AppliedPolicies {
        self.for_queue(name, kind).0
    }

    /// What applies to an exchange of this name.
    #[must_use]
    pub fn of_exchange(&self, name: &str) -> AppliedPolicies {
        self.for_exchange(name).0
    }

    /// What applies to a queue, and how many policies were looked at for that.
    pub(crate) fn for_queue(&self, name: &str, kind: QueueType) -> (AppliedPolicies, usize) {
        self.find(|policy| {
            policy.apply_to.has_queues(kind) && policy.suits(kind) && policy.pattern.matches(name)
        })
    }

    /// What applies to an exchange, and how many policies were looked at for that.
    pub(crate) fn for_exchange(&self, name: &str) -> (AppliedPolicies, usize) {
        self.find(|policy| policy.apply_to.has_exchanges() && policy.pattern.matches(name))
    }

    fn find(&self, applies: impl Fn(&Policy) -> bool) -> (AppliedPolicies, usize) {
        let mut looked_at = 0;
        let mut first = |policies: &[Arc<Policy>]| {
            let found = policies.iter().position(|policy| applies(policy));
            looked_at += found.map_or(policies.len(), |at| at + 1);
            found.and_then(|at| policies.get(at)).map(Arc::clone)
        };
        let applied = AppliedPolicies { user: first(&self.user), operator: first(&self.operator) };
        (applied, looked_at)
    }

    /// Settings that are accepted and mean nothing here, each with how many policies have it.
    pub(crate) fn without_effect(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        let policies = self.user.iter().chain(&self.operator);
        for name in policies.flat_map(|policy| policy.definition.keys()) {
            if let Some(key) = Key::named(name).filter(|key| !key.has_effect) {
                *counts.entry(key.name).or_default() += 1;
            }
        }
        counts
    }
}

fn ordered(records: &[PolicyRecord]) -> Result<Vec<Arc<Policy>>, BadPattern> {
    let mut records: Vec<_> = records.iter().collect();
    records.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
    if planted::is(Bug::LowestPriorityWins) {
        records.sort_by_key(|record| record.priority);
    }
    records.into_iter().map(Policy::compile).collect()
}

/// The policies that apply to a queue or an exchange.
#[derive(Debug, Clone, Default)]
pub struct AppliedPolicies {
    user: Option<Arc<Policy>>,
    operator: Option<Arc<Policy>>,
}

impl AppliedPolicies {
    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user.is_none() && self.operator.is_none()
    }

    /// The name of the policy that applies.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.user.as_ref().map(|policy| policy.name.as_str())
    }

    /// The name of the operator's policy that applies.
    #[must_use]
    pub fn operator_policy(&self) -> Option<&str> {
        self.operator.as_ref().map(|policy| policy.name.as_str())
    }
}

/// Equal if they come to the same, by the same names.
impl PartialEq for AppliedPolicies {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<Policy>>, b: &Option<Arc<Policy>>| match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                Arc::ptr_eq(a, b) || (a.name == b.name && a.definition == b.definition)
            }
            _ => false,
        };
        same(&self.user, &other.user) && same(&self.operator, &other.operator)
    }
}

#[cfg(test)]
mod tests;

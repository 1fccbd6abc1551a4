//! What a user may do in a virtual host: RabbitMQ's permissions, or the scopes of a token.
//!
//! An [`Access`] is made once for a user and a virtual host and shared by the user's sessions. Each
//! session remembers what it asked ([`Decisions`]), as publishing asks again and again.

mod decisions;
mod scope;

use std::sync::Arc;

pub(crate) use decisions::Decisions;
use scope::Scopes;
pub use scope::{ScopeGrant, Wildcard};

use crate::pattern::{BadPattern, Pattern, escaped};

/// What a right is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To declare and to delete.
    Configure,
    /// To put messages in.
    Write,
    /// To take messages out.
    Read,
}

/// The patterns of one user's permissions in one virtual host. An empty one matches no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Queues and exchanges that may be declared and deleted.
    pub configure: String,
    /// Queues and exchanges that messages may be put into.
    pub write: String,
    /// Queues and exchanges that messages may be taken out of.
    pub read: String,
}

/// Which routing keys a user may have at an exchange of type `topic`. In the patterns, `{username}`,
/// `{vhost}` and `{client_id}` stand for what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPermission {
    /// The exchange.
    pub exchange: String,
    /// Keys to publish with.
    pub write: String,
    /// Keys to bind with.
    pub read: String,
}

/// What a user may do in a virtual host, compiled.
#[derive(Debug)]
pub struct Access {
    user: String,
    is_impersonator: bool,
    rules: Rules,
}

#[derive(Debug)]
enum Rules {
    Everything,
    Patterns(Box<Patterns>),
    Scopes(Scopes),
}

#[derive(Debug)]
struct Patterns {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
    /// For exchanges of the names, what routing keys may be written and read.
    topics: Vec<(String, Pattern, Pattern)>,
}

impl Access {
    /// A user who may do everything.
    #[must_use]
    pub fn everything(user: &str) -> Self {
        Self::new(user, Rules::Everything)
    }

    /// A user who may do nothing.
    #[must_use]
    pub fn nothing(user: &str) -> Self {
        Self::new(user, Rules::Scopes(Scopes(vec![])))
    }

    /// A user with permissions. Users without any do not come in, so that this is not asked.
    ///
    /// # Errors
    ///
    /// A pattern is no regular expression.
    pub fn from_patterns(
        user: &str,
        virtual_host: &str,
        client_id: Option<&str>,
        permission: &Permission,
        topics: &[TopicPermission],
    ) -> Result<Self, BadPattern> {
        let topic = |pattern: &str| {
            Pattern::of_permission(&with_values(pattern, user, virtual_host, client_id))
        };
        let topics = topics.iter().map(|permission| {
            let (write, read) = (topic(&permission.write)?, topic(&permission.read)?);
            Ok((permission.exchange.clone(), write, read))
        });
        let patterns = Patterns {
            configure: Pattern::of_permission(&permission.configure)?,
            write: Pattern::of_permission(&permission.write)?,
            read: Pattern::of_permission(&permission.read)?,
            topics: topics.collect::<Result<_, _>>()?,
        };
        let rules = match patterns.are_everything() {
            true => Rules::Everything,
            false => Rules::Patterns(Box::new(patterns)),
        };
        Ok(Self::new(user, rules))
    }

    /// A user with a token, whose scopes for this virtual host these are.
    #[must_use]
    pub fn from_scopes(user: &str, scopes: Vec<ScopeGrant>) -> Self {
        Self::new(user, Rules::Scopes(Scopes(scopes)))
    }

    fn new(user: &str, rules: Rules) -> Self {
        Self { user: user.to_owned(), is_impersonator: false, rules }
    }

    /// The same for a user who may publish in the name of others (the tag `impersonator`).
    #[must_use]
    pub fn as_impersonator(self, is_impersonator: bool) -> Self {
        Self { is_impersonator, ..self }
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether the user may set any `user-id` on messages.
    #[must_use]
    pub fn is_impersonator(&self) -> bool {
        self.is_impersonator
    }

    /// True if there is nothing to ask.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self.rules, Rules::Everything)
    }

    /// Whether the user has a right for a queue or an exchange. The default exchange is asked for
    /// as `amq.default`.
    #[must_use]
    pub fn may(&self, right: Right, name: &str) -> bool {
        match &self.rules {
            Rules::Everything => true,
            Rules::Patterns(patterns) => patterns.of(right).matches(name),
            Rules::Scopes(scopes) => scopes.allow(right, name),
        }
    }

    /// Whether the user may publish ([`Right::Write`]) or bind ([`Right::Read`]) with a routing key
    /// at an exchange of type `topic`, for which the user has the right.
    #[must_use]
    pub fn may_use_topic(&self, right: Right, exchange: &str, routing_key: &str) -> bool {
        match &self.rules {
            Rules::Everything => true,
            Rules::Patterns(patterns) => {
                let pattern = patterns.of_topic(right, exchange);
                pattern.is_none_or(|pattern| pattern.matches(routing_key))
            }
            Rules::Scopes(scopes) => scopes.allow_topic(right, exchange, routing_key),
        }
    }

    /// True if the answer is known without a look at the name.
    fn is_plain(&self, right: Right) -> bool {
        match &self.rules {
            Rules::Everything => true,
            Rules::Patterns(patterns) => !matches!(patterns.of(right), Pattern::Expression(_)),
            Rules::Scopes(_) => false,
        }
    }

    /// The same for routing keys at an exchange.
    fn is_plain_topic(&self, right: Right, exchange: &str) -> bool {
        match &self.rules {
            Rules::Everything => true,
            Rules::Patterns(patterns) => {
                !matches!(patterns.of_topic(right, exchange), Some(Pattern::Expression(_)))
            }
            Rules::Scopes(_) => false,
        }
    }
}

impl Patterns {
    fn are_everything(&self) -> bool {
        let patterns = [&self.configure, &self.write, &self.read].into_iter();
        let topics = self.topics.iter().flat_map(|(_, write, read)| [write, read]);
        patterns.chain(topics).all(Pattern::is_everything)
    }

    fn of(&self, right: Right) -> &Pattern {
        match right {
            Right::Configure => &self.configure,
            Right::Write => &self.write,
            Right::Read => &self.read,
        }
    }

    /// `None` if every key is allowed: nothing is said of the exchange.
    fn of_topic(&self, right: Right, exchange: &str) -> Option<&Pattern> {
        let (_, write, read) = self.topics.iter().find(|(name, ..)| name == exchange)?;
        match right {
            Right::Write => Some(write),
            Right::Read => Some(read),
            Right::Configure => None,
        }
    }
}

/// A pattern with the values of its variables, which match nothing but themselves.
fn with_values(pattern: &str, user: &str, virtual_host: &str, client_id: Option<&str>) -> String {
    let values = [
        ("{username}", user),
        ("{vhost}", virtual_host),
        // Clients of AMQP have none.
        ("{client_id}", client_id.unwrap_or("{client_id}")),
    ];
    let mut result = String::with_capacity(pattern.len());
    let mut rest = pattern;
    // From left to right, so that nothing in a value is taken for a variable.
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        match values.iter().find(|(name, _)| from.starts_with(name)) {
            Some((name, value)) => {
                result.push_str(&escaped(value));
                rest = &from[name.len()..];
            }
            None => {
                result.push('{');
                rest = &from[1..];
            }
        }
    }
    result.push_str(rest);
    result
}

/// What a session may do, with what it asked before.
#[derive(Debug)]
pub(crate) struct Rights {
    access: Arc<Access>,
    decisions: Decisions,
}

impl Rights {
    pub(crate) fn new(access: Arc<Access>) -> Self {
        Self { access, decisions: Decisions::default() }
    }

    pub(crate) fn replace(&mut self, access: Arc<Access>) {
        *self = Self::new(access);
    }

    pub(crate) fn user(&self) -> &str {
        self.access.user()
    }

    pub(crate) fn are_everything(&self) -> bool {
        self.access.is_everything()
    }

    /// See [`Access::may`].
    pub(crate) fn may(&mut self, right: Right, name: &str) -> bool {
        let access = &self.access;
        if access.is_plain(right) {
            return access.may(right, name);
        }
        self.decisions.name(right, name, || access.may(right, name))
    }

    /// See [`Access::may_use_topic`].
    pub(crate) fn may_use_topic(&mut self, right: Right, exchange: &str, key: &str) -> bool {
        let access = &self.access;
        if access.is_plain_topic(right, exchange) {
            return access.may_use_topic(right, exchange, key);
        }
        self.decisions.topic(right, exchange, key, || access.may_use_topic(right, exchange, key))
    }
}

#[cfg(test)]
mod tests;

//! Why a change is refused.

use thiserror::Error;

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A permission.
    Permission,
    /// A topic permission.
    TopicPermission,
    /// A policy.
    Policy,
    /// A parameter.
    Parameter,
    /// A global parameter.
    GlobalParameter,
    /// A limit.
    Limit,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Permission => "permission",
            Self::TopicPermission => "topic permission",
            Self::Policy => "policy",
            Self::Parameter => "parameter",
            Self::GlobalParameter => "global parameter",
            Self::Limit => "limit",
        })
    }
}

/// A reason to refuse a change. A refused change has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CatalogError {
    /// There is no such virtual host.
    #[error("vhost '{name}' not found")]
    VirtualHostNotFound {
        /// Its name.
        name: String,
    },
    /// There is no such user.
    #[error("user '{name}' not found")]
    UserNotFound {
        /// The name.
        name: String,
    },
    /// A permission is for a virtual host or a user that there is not.
    #[error("vhost_or_user_not_found")]
    VirtualHostOrUserNotFound,
    /// What is to be deleted is not there.
    #[error("{kind} '{name}' not found")]
    NotFound {
        /// What.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// A virtual host that is protected cannot be deleted.
    #[error("cannot delete virtual host '{name}': it is protected from deletion")]
    Protected {
        /// Its name.
        name: String,
    },
    /// A pattern is no regular expression.
    #[error("invalid regexp '{pattern}': {reason}")]
    InvalidPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name is empty or too long.
    #[error("{0}")]
    InvalidName(String),
    /// A tag is empty or too long, or there are too many.
    #[error("{0}")]
    InvalidTag(String),
    /// There is no such queue type.
    #[error("unsupported queue type '{0}'")]
    InvalidQueueType(String),
    /// There is no such limit, or it is no whole number.
    #[error("{0}")]
    InvalidLimit(String),
    /// A policy says what it cannot.
    #[error("{0}")]
    InvalidPolicy(String),
    /// A parameter says what it cannot.
    #[error("{0}")]
    InvalidParameter(String),
    /// A password cannot be taken.
    #[error("{0}")]
    InvalidPassword(String),
    /// There are as many of these as there may be.
    #[error("there are as many {what} as there may be: {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The store has failed, or the broker stops: nothing is known to be changed.
    #[error("the change could not be stored: {0}")]
    Store(String),
}

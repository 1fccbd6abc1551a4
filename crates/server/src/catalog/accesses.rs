//! What users may do in virtual hosts, compiled: all sessions of a user share one.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tracing::error;
use warren_engine::{Access, Permission as Patterns, TopicPermission as TopicPatterns};

use super::records::{Permission, TopicPermission, User};
use super::state::State;
use crate::limits;

/// The tag of users who may publish in the name of others.
const IMPERSONATOR: &str = "impersonator";

/// What was compiled before.
#[derive(Debug, Default)]
pub(crate) struct Accesses(Mutex<FxHashMap<(String, String), Compiled>>);

#[derive(Debug)]
struct Compiled {
    records: Records,
    access: Arc<Access>,
}

/// The records that an access is made of.
#[derive(Debug)]
struct Records {
    user: Option<Arc<User>>,
    permission: Option<Arc<Permission>>,
    topics: Vec<Arc<TopicPermission>>,
}

impl Records {
    fn of(state: &State, user: &str, host: &str) -> Self {
        Self {
            user: state.user(user).map(Arc::clone),
            permission: state.permission(host, user).map(Arc::clone),
            topics: state.topic_permissions_of(host, user).map(Arc::clone).collect(),
        }
    }

    /// The very same ones: records never change, they are replaced.
    fn are(&self, other: &Self) -> bool {
        let same_topics = || {
            let pairs = self.topics.iter().zip(&other.topics);
            self.topics.len() == other.topics.len()
                && pairs.into_iter().all(|(one, other)| Arc::ptr_eq(one, other))
        };
        is_same(&self.user, &other.user)
            && is_same(&self.permission, &other.permission)
            && same_topics()
    }

    /// What they allow: nothing without a permission.
    fn compiled(&self, user: &str, host: &str) -> Access {
        let patterns = match self.permission.as_deref() {
            Some(Permission { configure, write, read, .. }) => {
                [configure, write, read].map(String::clone)
            }
            None => Default::default(),
        };
        let [configure, write, read] = patterns;
        let topics = self.topics.iter().map(|topic| {
            let TopicPermission { exchange, write, read, .. } = TopicPermission::clone(topic);
            TopicPatterns { exchange, write, read }
        });
        let topics: Vec<_> = topics.collect();
        let patterns = Patterns { configure, write, read };
        let access = Access::from_patterns(user, host, None, &patterns, &topics);
        let access = access.unwrap_or_else(|problem| {
            // Patterns are looked at before they are stored: another version may have taken it.
            error!(user, vhost = host, %problem, "a permission allows nothing");
            Access::nothing(user)
        });
        let tags = self.user.as_ref().map(|user| user.tags.as_slice()).unwrap_or_default();
        access.as_impersonator(tags.iter().any(|tag| tag == IMPERSONATOR))
    }
}

fn is_same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl Accesses {
    /// What a user may do in a virtual host: nothing without a permission.
    pub(super) fn of(&self, state: &State, user: &str, host: &str) -> Arc<Access> {
        let key = (host.to_owned(), user.to_owned());
        let records = Records::of(state, user, host);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known.get(&key).filter(|known| known.records.are(&records)) {
            return Arc::clone(&compiled.access);
        }
        drop(known);
        let access = Arc::new(records.compiled(user, host));
        known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::ACCESSES {
            known.clear();
        }
        known.insert(key, Compiled { records, access: Arc::clone(&access) });
        access
    }
}

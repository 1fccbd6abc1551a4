//! What the broker is told to have and to allow: virtual hosts, users, permissions, policies,
//! limits, parameters. One change is made at a time; it is durable before anybody sees it, and then
//! it is carried out on what lives.

mod change;
mod edit;
mod error;
mod keys;
pub mod password;
mod records;
mod state;

use std::sync::Arc;

use tokio::sync::{Mutex, watch};

pub use change::{Actor, Change, Done, PasswordChange, Via, VirtualHostSettings};
use edit::Edit;
pub use error::{CatalogError, Kind};
pub use password::{Hashing, PasswordHash};
pub use records::{
    ApplyTo, GlobalParameter, Parameter, Permission, Policy, TopicPermission, User, UserLimits,
    VirtualHost, VirtualHostLimits,
};
pub use state::State;

use crate::config::{Config, Password};

/// A handle to all definitions.
#[derive(Debug, Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Held by the change that is being made.
    changing: Mutex<()>,
    state: watch::Sender<Arc<State>>,
}

impl Catalog {
    pub(crate) fn new(state: State) -> Self {
        let (state, _) = watch::channel(Arc::new(state));
        Self { inner: Arc::new(Inner { changing: Mutex::new(()), state }) }
    }

    /// What a broker has that was told nothing but its configuration.
    pub(crate) fn start(config: &Config) -> Result<Self, crate::Error> {
        let mut edit = Edit::of(&State::default());
        let (name, user) = ("/".to_owned(), config.default_user.clone());
        let all = || ".*".to_owned();
        let hash = password::hash(Hashing::Sha256, &config.default_pass)?;
        for change in [
            Change::PutVirtualHost { name: name.clone(), settings: VirtualHostSettings::default() },
            Change::PutUser {
                name: user.clone(),
                password: PasswordChange::Set(hash),
                tags: vec!["administrator".to_owned()],
            },
            Change::PutPermission(Permission {
                virtual_host: name,
                user,
                configure: all(),
                write: all(),
                read: all(),
            }),
        ] {
            edit.apply(&change)?;
        }
        Ok(Self::new(edit.state))
    }

    /// What is to be kept of a password.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub async fn hash_password(&self, password: &Password) -> Result<PasswordHash, crate::Error> {
        password::hash(Hashing::Sha256, password)
    }

    /// All definitions as they are now. What is read from one of these belongs together.
    #[must_use]
    pub fn snapshot(&self) -> Arc<State> {
        Arc::clone(&self.inner.state.borrow())
    }

    /// Tells of every change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.inner.state.subscribe()
    }

    /// Makes a change. When this returns, it is durable and in force.
    ///
    /// # Errors
    ///
    /// Why it is refused; then nothing has changed.
    pub async fn change(&self, actor: &Actor, change: Change) -> Result<Done, CatalogError> {
        let mut done = self.change_all(actor, vec![change]).await;
        done.pop().unwrap_or(Ok(Done::Unchanged))
    }

    /// Makes many changes in order, each of them whole or not at all, and all that are not refused
    /// as one step: quicker than one by one.
    ///
    /// # Errors
    ///
    /// For each change, why it is refused.
    pub async fn change_all(
        &self,
        _actor: &Actor,
        changes: Vec<Change>,
    ) -> Vec<Result<Done, CatalogError>> {
        let _changing = self.inner.changing.lock().await;
        let mut edit = Edit::of(&self.snapshot());
        let done = changes.iter().map(|change| edit.apply(change)).collect();
        self.inner.state.send_replace(Arc::new(edit.state));
        done
    }

    /// What would become of these changes, one after the other. Nothing is changed.
    ///
    /// # Errors
    ///
    /// For each change, why it would be refused.
    #[must_use]
    pub fn rehearse(&self, changes: &[Change]) -> Vec<Result<Done, CatalogError>> {
        let mut edit = Edit::of(&self.snapshot());
        changes.iter().map(|change| edit.apply(change)).collect()
    }
}

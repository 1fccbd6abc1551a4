//! What the broker is told to have and to allow: virtual hosts, users, permissions, policies,
//! limits, parameters. One change is made at a time; it is durable before anybody sees it, and then
//! it is carried out on what lives.

mod accesses;
mod change;
mod describe;
mod edit;
mod error;
mod keys;
mod live;
pub mod password;
mod policies;
mod records;
mod start;
mod state;
mod term;

use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use warren_engine::{Access, Policies};

pub use change::{Actor, Change, Done, PasswordChange, Via, VirtualHostSettings};
pub(crate) use edit::ending_key;
use edit::{Consequences, Edit};
pub use error::{CatalogError, Kind};
pub(crate) use live::{Live, shard_of};
use password::{Checked, Passwords};
pub use password::{Hashing, PasswordHash};
pub(crate) use policies::of as policies_of;
pub use records::{
    GlobalParameter, Parameter, Permission, Policy, TopicPermission, User, UserLimits, VirtualHost,
    VirtualHostLimits,
};
pub(crate) use start::Start;
pub use state::State;

use crate::audit::Audit;
use crate::config::Password;

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
    passwords: Passwords,
    live: Live,
    audit: Audit,
}

impl Catalog {
    pub(crate) fn new(state: State, passwords: Passwords, live: Live, audit: Audit) -> Self {
        let (state, _) = watch::channel(Arc::new(state));
        Self { inner: Arc::new(Inner { changing: Mutex::new(()), state, passwords, live, audit }) }
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

    /// Makes a change. When this returns, it is durable and in force. It is made even if the caller
    /// does not wait for it.
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
        actor: &Actor,
        changes: Vec<Change>,
    ) -> Vec<Result<Done, CatalogError>> {
        let (inner, actor, count) = (Arc::clone(&self.inner), actor.clone(), changes.len());
        // A task of its own, so that a caller who goes away leaves nothing half done.
        let making = tokio::spawn(async move { inner.make(&actor, &changes).await });
        making
            .await
            .unwrap_or_else(|error| vec![Err(CatalogError::Store(error.to_string())); count])
    }

    /// What is to be kept of a password.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub async fn hash_password(&self, password: &Password) -> Result<PasswordHash, crate::Error> {
        self.inner.passwords.hash(password).await
    }

    /// Whether somebody of this name has this password. It takes as long for a name that nobody
    /// has.
    pub(crate) async fn is_password_of(&self, user: &str, password: &str) -> bool {
        let snapshot = self.snapshot();
        let hash = snapshot.user(user).and_then(|user| user.password.as_ref());
        match self.inner.passwords.check(user, password, hash) {
            Checked::Known(is_right) => is_right,
            Checked::Later(checking) => checking.await,
        }
    }

    /// What a user may do in a virtual host, by the permissions that are stored. None is nothing.
    pub(crate) fn access(&self, user: &str, virtual_host: &str) -> Option<Arc<Access>> {
        let snapshot = self.snapshot();
        snapshot.permission(virtual_host, user)?;
        Some(self.inner.live.accesses.of(&snapshot, user, virtual_host))
    }

    /// The policies of a virtual host as they would be with this one, and this one alone. Nothing is
    /// changed.
    ///
    /// # Errors
    ///
    /// Why it would be refused.
    pub fn rehearse_policy(
        &self,
        policy: &Policy,
    ) -> Result<(Arc<Policies>, Policies), CatalogError> {
        let mut edit = Edit::of(&self.snapshot());
        edit.apply(&Change::PutPolicy(policy.clone()))?;
        let all = policies_of(&edit.state, &policy.virtual_host);
        let record = [policies::record(policy)];
        let (user, operator): (&[_], &[_]) =
            if policy.operator { (&[], &record) } else { (&record, &[]) };
        let alone = Policies::compile(user, operator);
        let alone = alone.map_err(|error| CatalogError::InvalidPolicy(error.to_string()))?;
        Ok((all, alone))
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

impl Inner {
    async fn make(&self, actor: &Actor, changes: &[Change]) -> Vec<Result<Done, CatalogError>> {
        let _changing = self.changing.lock().await;
        let mut edit = Edit::of(&self.state.borrow());
        let mut done: Vec<_> = changes.iter().map(|change| edit.apply(change)).collect();
        let Edit { state, writes, consequences } = edit;
        // Without a write nothing has changed.
        if !writes.is_empty() {
            match self.live.keep(writes).await {
                Ok(()) => self.carry_out(state, consequences).await,
                Err(error) => {
                    done.iter_mut().filter(|done| done.is_ok()).for_each(|done| {
                        *done = Err(error.clone());
                    });
                }
            }
        }
        for (change, done) in changes.iter().zip(&done) {
            self.audit.changed(actor, describe::change(change), done);
        }
        done
    }

    /// It is durable: lets everybody see it and carries it out.
    async fn carry_out(&self, state: State, consequences: Consequences) {
        let state = Arc::new(state);
        // What is new takes sessions before anybody knows of it.
        self.live.create(&state, &consequences).await;
        self.state.send_replace(Arc::clone(&state));
        self.live.follow(&state, &consequences).await;
    }
}

#[cfg(test)]
mod tests;

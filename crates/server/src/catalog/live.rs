//! What a change of definitions does to what lives: virtual hosts, connections, sessions.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::error;
use warren_amqp::ReplyCode;
use warren_engine::{SessionId, VirtualHostId, Write};

use super::accesses::Accesses;
use super::edit::{Consequences, Written};
use super::error::CatalogError;
use super::policies;
use super::state::State;
use crate::census::{Census, Visitor};
use crate::config::Config;
use crate::groups::{Group, Groups};
use crate::hosts::HostSettings;
use crate::shard::{ToConnection, ToShard};

/// Everything that a change reaches.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) config: Config,
    pub(crate) census: Arc<Census>,
    pub(crate) shards: Vec<mpsc::Sender<ToShard>>,
    pub(crate) committer: Groups,
    pub(crate) accesses: Accesses,
}

impl Live {
    pub(crate) fn new(
        config: &Config,
        census: &Arc<Census>,
        shards: &[mpsc::Sender<ToShard>],
        committer: &Groups,
    ) -> Self {
        Self {
            config: config.clone(),
            census: Arc::clone(census),
            shards: shards.to_vec(),
            committer: committer.clone(),
            accesses: Accesses::default(),
        }
    }
}

/// Which of `shards` a virtual host is on.
pub(crate) fn shard_of(
    shards: &[mpsc::Sender<ToShard>],
    id: VirtualHostId,
) -> Option<&mpsc::Sender<ToShard>> {
    shards.get(id.0 as usize % shards.len().max(1))
}

impl Live {
    /// Makes writes durable.
    pub(crate) async fn keep(&self, writes: Vec<Written>) -> Result<(), CatalogError> {
        if writes.is_empty() {
            return Ok(());
        }
        let writes = writes.into_iter().map(|(key, value)| match value {
            Some(value) => Write::DefinitionSet { key, value },
            None => Write::DefinitionDeleted { key },
        });
        let (outbox, mut kept) = mpsc::unbounded_channel();
        let group = Group {
            writes: vec![Write::Together(writes.collect())],
            committed: vec![(outbox, vec![])],
            ..Group::default()
        };
        let stopped =
            || CatalogError::Store("the broker stops, or its store has failed".to_owned());
        self.committer.send(group).await;
        // After a failure of the store nothing comes.
        kept.recv().await.map(|_| ()).ok_or_else(stopped)
    }

    /// Lets virtual hosts that are new take sessions.
    pub(super) async fn create(&self, state: &State, consequences: &Consequences) {
        for name in &consequences.created {
            let Some(definition) = state.virtual_host(name) else { continue };
            let id = VirtualHostId(definition.id);
            match HostSettings::of(&self.config, definition).new_host(id, name) {
                Ok(host) => self.tell(id, |done| ToShard::Add(Box::new(host), done)).await,
                Err(reason) => {
                    error!(%reason, name, "a virtual host cannot be used before a restart")
                }
            }
        }
    }

    /// Does what follows from a change that everybody sees by now.
    pub(super) async fn follow(&self, state: &State, consequences: &Consequences) {
        for (host, user) in &consequences.access {
            self.set_access(state, host, user).await;
        }
        for user in &consequences.deleted_users {
            let text = format!("user '{user}' is deleted");
            self.close(&text, |visitor| visitor.is_stored && *visitor.user == **user);
        }
        for (name, id) in &consequences.deleted {
            let id = VirtualHostId(*id);
            let text = format!("vhost '{name}' is deleted");
            self.close(&text, |visitor| visitor.host == id);
            self.tell(id, |done| ToShard::Remove(id, done)).await;
        }
        for name in &consequences.settings {
            let Some(definition) = state.virtual_host(name) else { continue };
            let id = VirtualHostId(definition.id);
            let settings = HostSettings::of(&self.config, definition);
            self.tell(id, |done| ToShard::Configure(id, settings, done)).await;
        }
        for name in &consequences.policies {
            let Some(definition) = state.virtual_host(name) else { continue };
            let id = VirtualHostId(definition.id);
            let policies = policies::of(state, name);
            self.tell(id, |done| ToShard::SetPolicies(id, policies, done)).await;
        }
    }

    /// Tells the shard of a virtual host something and waits until it is done.
    async fn tell(&self, id: VirtualHostId, message: impl FnOnce(oneshot::Sender<()>) -> ToShard) {
        let (done, wait) = oneshot::channel();
        if let Some(shard) = shard_of(&self.shards, id)
            && shard.send(message(done)).await.is_ok()
        {
            // A shard that ends with the broker does nothing more.
            let _ = wait.await;
        }
    }

    /// What a user's sessions in a virtual host may do is different now.
    async fn set_access(&self, state: &State, host: &str, user: &str) {
        let Some(definition) = state.virtual_host(host) else { return };
        let id = VirtualHostId(definition.id);
        let is_meant =
            |visitor: &Visitor| visitor.is_stored && visitor.host == id && *visitor.user == *user;
        let access = self.accesses.of(state, user, host);
        let sessions: Vec<SessionId> = self.census.visitors(is_meant, |session, visitor| {
            // Whoever is gone publishes nothing.
            let _ = visitor.outbox.send(ToConnection::MayImpersonate(access.is_impersonator()));
            session
        });
        if !sessions.is_empty() {
            self.tell(id, |done| ToShard::SetAccess(sessions, access, done)).await;
        }
    }

    fn close(&self, text: &str, is_meant: impl Fn(&Visitor) -> bool) {
        self.census.visitors(is_meant, |_, visitor| {
            let close = ToConnection::Close(ReplyCode::ConnectionForced, text.to_owned());
            // Whoever is gone need not be closed.
            let _ = visitor.outbox.send(close);
        });
    }
}

#[cfg(test)]
mod tests;

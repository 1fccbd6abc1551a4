//! The catalog of a broker that starts: what was kept, and what a broker has that has nothing yet.

use std::collections::BTreeSet;

use tracing::warn;
use warren_engine::{Recovered, VirtualHostId};

use super::change::{Change, PasswordChange, VirtualHostSettings};
use super::edit::{Edit, Written};
use super::password::{self, Hashing};
use super::records::Permission;
use super::state::State;
use crate::config::Config;
use crate::error::Error;

/// What a start found, and what is to be kept of what it added.
#[derive(Debug, Default)]
pub(crate) struct Start {
    pub(crate) state: State,
    /// Virtual hosts that were deleted, and are not gone yet.
    pub(crate) ending: BTreeSet<VirtualHostId>,
    pub(crate) writes: Vec<Written>,
}

impl Start {
    /// Puts the catalog together.
    ///
    /// # Errors
    ///
    /// What the configuration says of the first user or virtual host cannot be.
    pub(crate) fn new(config: &Config, recovered: &Recovered) -> Result<Self, Error> {
        let (state, ending) = State::recovered(&recovered.definitions);
        let used = used(recovered);
        let mut edit = Edit::of(&state);
        // A folder of an earlier version has no definitions, but it had just these.
        if state.is_blank() && (config.has_defaults || !used.is_empty()) {
            add_defaults(&mut edit, config)?;
        }
        let known: BTreeSet<_> =
            edit.state.virtual_hosts().map(|host| VirtualHostId(host.id)).collect();
        for id in used.difference(&known).filter(|id| !ending.contains(id)) {
            let name = format!("recovered-{}", id.0);
            warn!(
                name,
                "the name of a virtual host is lost: what is in it is there under this one"
            );
            edit.adopt(*id, &name);
        }
        Ok(Self { state: edit.state, ending, writes: edit.writes })
    }
}

/// The virtual hosts that something durable belongs to.
fn used(recovered: &Recovered) -> BTreeSet<VirtualHostId> {
    let exchanges = recovered.exchanges.iter().map(|(id, _)| *id);
    let queues = recovered.queues.iter().map(|queue| queue.record.id.virtual_host());
    let bindings = recovered.bindings.iter().map(|(id, _)| *id);
    exchanges.chain(queues).chain(bindings).collect()
}

fn add_defaults(edit: &mut Edit, config: &Config) -> Result<(), Error> {
    let (virtual_host, user) = (config.default_vhost.clone(), config.default_user.clone());
    let hash = password::hash(Hashing::Sha256, &config.default_pass)?;
    let [configure, write, read] = config.default_permissions.clone();
    let (name, settings) = (virtual_host.clone(), VirtualHostSettings::default());
    let password = PasswordChange::Set(hash);
    let tags = config.default_user_tags.clone();
    for change in [
        Change::PutVirtualHost { name, settings },
        Change::PutUser { name: user.clone(), password, tags },
        Change::PutPermission(Permission { virtual_host, user, configure, write, read }),
    ] {
        edit.apply(&change)?;
    }
    Ok(())
}

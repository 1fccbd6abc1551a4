//! All records at one time.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::warn;
use warren_engine::{Policies, VirtualHostId};

use super::keys;
use super::records::{
    GlobalParameter, Parameter, Permission, Policy, Record, Table, TopicPermission, User,
    VirtualHost, VirtualHostLimits, policy_owner,
};

/// The key under which the number of the last virtual host is kept.
pub(super) const LAST_VIRTUAL_HOST: &str = "last-vhost";

/// The kind of key under which it is kept that a virtual host is being deleted.
pub(super) const ENDING: &str = "ending-vhost";

/// The global parameter that names the cluster.
pub(super) const CLUSTER_NAME: &str = "cluster_name";

/// The component whose parameters are operator policies.
pub(super) const OPERATOR_POLICY: &str = "operator_policy";

/// The component whose parameters are limits of virtual hosts, and the name of the only one.
pub(super) const LIMITS: (&str, &str) = ("vhost-limits", "limits");

/// What there is, at one time. A copy shares everything.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub(super) virtual_hosts: Table<VirtualHost>,
    pub(super) users: Table<User>,
    pub(super) permissions: Table<Permission>,
    pub(super) topic_permissions: Table<TopicPermission>,
    pub(super) policies: Table<Policy>,
    pub(super) parameters: Table<Parameter>,
    pub(super) global_parameters: Table<GlobalParameter>,
    /// The number of the virtual host that was made last, whether it is still there or not.
    pub(super) last_virtual_host: u32,
}

impl State {
    /// What was kept, and which virtual hosts were deleted and are not gone yet. What cannot be read
    /// is left out, which is logged.
    pub(super) fn recovered(kept: &[(String, Vec<u8>)]) -> (Self, BTreeSet<VirtualHostId>) {
        let (mut state, mut ending) = (Self::default(), BTreeSet::new());
        for (key, value) in kept {
            let is_known = match keys::kind(key) {
                VirtualHost::KIND => state.virtual_hosts.put_kept(key, value),
                User::KIND => state.users.put_kept(key, value),
                Permission::KIND => state.permissions.put_kept(key, value),
                TopicPermission::KIND => state.topic_permissions.put_kept(key, value),
                Policy::KIND => state.policies.put_kept(key, value),
                Parameter::KIND => state.parameters.put_kept(key, value),
                GlobalParameter::KIND => state.global_parameters.put_kept(key, value),
                LAST_VIRTUAL_HOST => match number(value) {
                    Some(last) => {
                        state.last_virtual_host = state.last_virtual_host.max(last);
                        true
                    }
                    None => false,
                },
                ENDING => match key.rsplit('\0').next().and_then(|id| id.parse().ok()) {
                    Some(id) => {
                        state.last_virtual_host = state.last_virtual_host.max(id);
                        ending.insert(VirtualHostId(id))
                    }
                    None => false,
                },
                _ => false,
            };
            if !is_known {
                // In quotes, as it may hold anything.
                warn!(?key, "a definition cannot be read, and is left out");
            }
        }
        let highest = state.virtual_hosts.iter().map(|host| host.id).max().unwrap_or_default();
        state.last_virtual_host = state.last_virtual_host.max(highest);
        (state, ending)
    }

    /// Nothing at all: neither users nor virtual hosts.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.virtual_hosts.len() == 0 && self.users.len() == 0
    }

    /// All virtual hosts, by name.
    pub fn virtual_hosts(&self) -> impl Iterator<Item = &Arc<VirtualHost>> + use<'_> {
        self.virtual_hosts.iter()
    }

    /// A virtual host.
    #[must_use]
    pub fn virtual_host(&self, name: &str) -> Option<&Arc<VirtualHost>> {
        self.virtual_hosts.get(&[name])
    }

    /// All users, by name.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> + use<'_> {
        self.users.iter()
    }

    /// A user.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(&[name])
    }

    /// All permissions, by virtual host and user.
    pub fn permissions(&self) -> impl Iterator<Item = &Arc<Permission>> + use<'_> {
        self.permissions.iter()
    }

    /// The permissions in a virtual host, by user.
    pub fn permissions_in(
        &self,
        virtual_host: &str,
    ) -> impl Iterator<Item = &Arc<Permission>> + use<'_> {
        self.permissions.under(&[virtual_host])
    }

    /// What a user may do in a virtual host.
    #[must_use]
    pub fn permission(&self, virtual_host: &str, user: &str) -> Option<&Arc<Permission>> {
        self.permissions.get(&[virtual_host, user])
    }

    /// All topic permissions, by virtual host, user and exchange.
    pub fn topic_permissions(&self) -> impl Iterator<Item = &Arc<TopicPermission>> + use<'_> {
        self.topic_permissions.iter()
    }

    /// The topic permissions of a user in a virtual host, by exchange.
    pub fn topic_permissions_of(
        &self,
        virtual_host: &str,
        user: &str,
    ) -> impl Iterator<Item = &Arc<TopicPermission>> + use<'_> {
        self.topic_permissions.under(&[virtual_host, user])
    }

    /// All policies of users, or all of the operator, by virtual host and name.
    pub fn policies(&self, operator: bool) -> impl Iterator<Item = &Arc<Policy>> + use<'_> {
        self.policies.iter().filter(move |policy| policy.operator == operator)
    }

    /// Those of a virtual host, ready to be asked what they are for.
    #[must_use]
    pub fn compiled_policies(&self, virtual_host: &str) -> Arc<Policies> {
        super::policies::of(self, virtual_host)
    }

    /// The same, in one virtual host.
    pub fn policies_in(
        &self,
        virtual_host: &str,
        operator: bool,
    ) -> impl Iterator<Item = &Arc<Policy>> + use<'_> {
        self.policies.under(&[virtual_host, policy_owner(operator)])
    }

    /// A policy.
    #[must_use]
    pub fn policy(&self, virtual_host: &str, name: &str, operator: bool) -> Option<&Arc<Policy>> {
        self.policies.get(&[virtual_host, policy_owner(operator), name])
    }

    /// All parameters, by virtual host, component and name. Those of the components
    /// `operator_policy` and `vhost-limits`, which are made of policies and limits, come last.
    #[must_use]
    pub fn parameters(&self) -> Vec<Arc<Parameter>> {
        let mut all: Vec<_> = self.parameters.iter().map(Arc::clone).collect();
        all.extend(self.policies(true).map(|policy| Arc::new(as_parameter(policy))));
        all.extend(self.virtual_hosts().filter_map(|host| limits_as_parameter(host)).map(Arc::new));
        all
    }

    /// A parameter.
    #[must_use]
    pub fn parameter(
        &self,
        component: &str,
        virtual_host: &str,
        name: &str,
    ) -> Option<Arc<Parameter>> {
        match component {
            OPERATOR_POLICY => {
                let policy = self.policy(virtual_host, name, true)?;
                Some(Arc::new(as_parameter(policy)))
            }
            component if component == LIMITS.0 => {
                let host = self.virtual_host(virtual_host).filter(|_| name == LIMITS.1)?;
                limits_as_parameter(host).map(Arc::new)
            }
            component => self.parameters.get(&[virtual_host, component, name]).map(Arc::clone),
        }
    }

    /// All global parameters, by name.
    pub fn global_parameters(&self) -> impl Iterator<Item = &Arc<GlobalParameter>> + use<'_> {
        self.global_parameters.iter()
    }

    /// A global parameter.
    #[must_use]
    pub fn global_parameter(&self, name: &str) -> Option<&Arc<GlobalParameter>> {
        self.global_parameters.get(&[name])
    }

    /// The cluster's name, if it was set.
    #[must_use]
    pub fn cluster_name(&self) -> Option<&str> {
        self.global_parameter(CLUSTER_NAME)?.value.as_str()
    }
}

fn number(value: &[u8]) -> Option<u32> {
    str::from_utf8(value).ok()?.parse().ok()
}

/// A policy of the operator, as a parameter.
fn as_parameter(policy: &Policy) -> Parameter {
    let value = serde_json::json!({
        "pattern": policy.pattern,
        "definition": policy.definition,
        "priority": policy.priority,
        "apply-to": policy.apply_to.name(),
    });
    Parameter {
        component: OPERATOR_POLICY.to_owned(),
        virtual_host: policy.virtual_host.clone(),
        name: policy.name.clone(),
        value,
    }
}

/// The limits of a virtual host, as a parameter, if there are any.
fn limits_as_parameter(host: &VirtualHost) -> Option<Parameter> {
    if host.limits == VirtualHostLimits::default() {
        return None;
    }
    let (component, name) = LIMITS;
    Some(Parameter {
        component: component.to_owned(),
        virtual_host: host.name.clone(),
        name: name.to_owned(),
        value: serde_json::to_value(host.limits).unwrap_or_default(),
    })
}

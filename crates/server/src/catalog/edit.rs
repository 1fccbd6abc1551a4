//! What changes make of the records. Nothing here waits, and nothing fails but by refusing: the same
//! records and the same change give the same outcome.

mod parameters;
mod rules;

use std::collections::BTreeSet;

use serde_json::Value;
use warren_engine::VirtualHostId;

use rules::{bounded, check_name, check_pattern, check_tags, queue_type};

use super::change::{Change, Done, PasswordChange, VirtualHostSettings};
use super::error::CatalogError;
use super::keys;
use super::records::{
    GlobalParameter, Permission, Record, Table, TopicPermission, User, VirtualHost,
};
use super::state::{CLUSTER_NAME, ENDING, LAST_VIRTUAL_HOST, State};
use crate::limits;

/// The key under which it is kept that a virtual host was deleted, until all of it is gone.
pub(crate) fn ending_key(id: VirtualHostId) -> String {
    keys::join(ENDING, &[&id.0.to_string()])
}

/// What is to be written: a key, and what stands under it from then on, if anything.
pub(crate) type Written = (String, Option<Vec<u8>>);

/// What else than records has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Consequences {
    /// Virtual hosts that are new.
    pub(crate) created: BTreeSet<String>,
    /// Virtual hosts that are gone, with their numbers.
    pub(crate) deleted: BTreeSet<(String, u32)>,
    /// Users that are gone.
    pub(crate) deleted_users: BTreeSet<String>,
    /// Who may do something else than before, and where.
    pub(crate) access: BTreeSet<(String, String)>,
    /// Virtual hosts whose policies have changed.
    pub(crate) policies: BTreeSet<String>,
    /// Virtual hosts whose settings or limits have changed.
    pub(crate) settings: BTreeSet<String>,
}

/// Records as changes make them, until all of it is kept.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) state: State,
    pub(crate) writes: Vec<Written>,
    pub(crate) consequences: Consequences,
}

impl Edit {
    pub(crate) fn of(state: &State) -> Self {
        Self { state: state.clone(), writes: vec![], consequences: Consequences::default() }
    }

    /// Makes one change. One that is refused has changed nothing.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<Done, CatalogError> {
        match change {
            Change::PutVirtualHost { name, settings } => self.put_virtual_host(name, settings),
            Change::DeleteVirtualHost { name } => self.delete_virtual_host(name),
            Change::ProtectVirtualHost { name, protected } => {
                let settings = VirtualHostSettings {
                    protected_from_deletion: Some(*protected),
                    ..VirtualHostSettings::default()
                };
                self.virtual_host(name)?;
                self.put_virtual_host(name, &settings)
            }
            Change::PutUser { name, password, tags } => self.put_user(name, password, tags),
            Change::DeleteUser { name } => self.delete_user(name),
            Change::PutPermission(permission) => self.put_permission(permission),
            Change::DeletePermission { virtual_host, user } => {
                self.delete_permission(virtual_host, user)
            }
            Change::PutTopicPermission(permission) => self.put_topic_permission(permission),
            Change::DeleteTopicPermission { virtual_host, user, exchange } => {
                self.delete_topic_permission(virtual_host, user, exchange.as_deref())
            }
            Change::PutPolicy(policy) => self.put_policy(policy),
            Change::DeletePolicy { virtual_host, name, operator } => {
                self.delete_policy(virtual_host, name, *operator)
            }
            Change::PutParameter(parameter) => self.put_parameter(parameter),
            Change::DeleteParameter { component, virtual_host, name } => {
                self.delete_parameter(component, virtual_host, name)
            }
            Change::PutGlobalParameter(parameter) => self.put_global_parameter(parameter),
            Change::DeleteGlobalParameter { name } => self.delete_global_parameter(name),
            Change::PutVirtualHostLimit { virtual_host, name, value } => {
                self.set_virtual_host_limit(virtual_host, name, Some(value))
            }
            Change::DeleteVirtualHostLimit { virtual_host, name } => {
                self.set_virtual_host_limit(virtual_host, name, None)
            }
            Change::PutUserLimit { user, name, value } => {
                self.set_user_limit(user, name, Some(value))
            }
            Change::DeleteUserLimit { user, name } => self.set_user_limit(user, name, None),
            Change::SetClusterName { name } => self.put_global_parameter(&GlobalParameter {
                name: CLUSTER_NAME.to_owned(),
                value: Value::String(name.clone()),
            }),
        }
    }

    fn virtual_host(&self, name: &str) -> Result<VirtualHost, CatalogError> {
        let host = self.state.virtual_host(name).map(|host| VirtualHost::clone(host));
        host.ok_or_else(|| CatalogError::VirtualHostNotFound { name: name.to_owned() })
    }

    fn user(&self, name: &str) -> Result<User, CatalogError> {
        let user = self.state.user(name).map(|user| User::clone(user));
        user.ok_or_else(|| CatalogError::UserNotFound { name: name.to_owned() })
    }

    fn put_virtual_host(
        &mut self,
        name: &str,
        settings: &VirtualHostSettings,
    ) -> Result<Done, CatalogError> {
        check_name("virtual host", name)?;
        check_tags(settings.tags.as_deref().unwrap_or_default())?;
        let queue_type = settings.default_queue_type.as_deref().map(queue_type).transpose()?;
        let before = self.state.virtual_host(name).map(|host| VirtualHost::clone(host));
        if before.is_none() {
            bounded("virtual hosts", self.state.virtual_hosts.len(), limits::VIRTUAL_HOSTS)?;
        }
        let mut host = match before.clone() {
            Some(host) => host,
            None => VirtualHost::new(self.state.last_virtual_host + 1, name),
        };
        let VirtualHostSettings { description, tags, protected_from_deletion, tracing, .. } =
            settings.clone();
        host.description = description.unwrap_or(host.description);
        host.tags = tags.unwrap_or(host.tags);
        host.default_queue_type = queue_type.or(host.default_queue_type);
        host.protected_from_deletion =
            protected_from_deletion.unwrap_or(host.protected_from_deletion);
        host.tracing = tracing.unwrap_or(host.tracing);
        if before.is_none() {
            self.state.last_virtual_host = host.id;
            self.note_last(host.id);
            self.consequences.created.insert(name.to_owned());
        } else if before.as_ref() != Some(&host) {
            self.consequences.settings.insert(name.to_owned());
        }
        Ok(self.put(host, before.as_ref(), |state| &mut state.virtual_hosts))
    }

    fn delete_virtual_host(&mut self, name: &str) -> Result<Done, CatalogError> {
        let host = self.virtual_host(name)?;
        if host.protected_from_deletion {
            return Err(CatalogError::Protected { name: name.to_owned() });
        }
        let mut keys = vec![];
        keys.extend(self.state.permissions.under(&[name]).map(|one| one.key()));
        for key in keys.drain(..) {
            self.remove(key, |state| &mut state.permissions);
        }
        keys.extend(self.state.topic_permissions.under(&[name]).map(|one| one.key()));
        for key in keys.drain(..) {
            self.remove(key, |state| &mut state.topic_permissions);
        }
        keys.extend(self.state.policies.under(&[name]).map(|one| one.key()));
        for key in keys.drain(..) {
            self.remove(key, |state| &mut state.policies);
        }
        keys.extend(self.state.parameters.under(&[name]).map(|one| one.key()));
        for key in keys.drain(..) {
            self.remove(key, |state| &mut state.parameters);
        }
        self.remove(host.key(), |state| &mut state.virtual_hosts);
        self.write(ending_key(VirtualHostId(host.id)), Some(vec![]));
        let was_new = self.consequences.created.remove(name);
        self.consequences.settings.remove(name);
        self.consequences.policies.remove(name);
        if !was_new {
            self.consequences.deleted.insert((name.to_owned(), host.id));
        }
        Ok(Done::Deleted)
    }

    /// Knows a virtual host of which nothing but what is in it is left.
    pub(crate) fn adopt(&mut self, id: VirtualHostId, name: &str) {
        let host = VirtualHost::new(id.0, name);
        if id.0 > self.state.last_virtual_host {
            self.state.last_virtual_host = id.0;
            self.note_last(id.0);
        }
        self.put(host, None, |state| &mut state.virtual_hosts);
    }

    fn note_last(&mut self, id: u32) {
        self.write(LAST_VIRTUAL_HOST.to_owned(), Some(id.to_string().into_bytes()));
    }

    fn put_user(
        &mut self,
        name: &str,
        password: &PasswordChange,
        tags: &[String],
    ) -> Result<Done, CatalogError> {
        check_name("user", name)?;
        check_tags(tags)?;
        let before = self.user(name).ok();
        if before.is_none() {
            bounded("users", self.state.users.len(), limits::USERS)?;
        }
        let mut user = before.clone().unwrap_or_else(|| User {
            name: name.to_owned(),
            password: None,
            tags: vec![],
            limits: Default::default(),
        });
        match password {
            PasswordChange::Keep => {}
            PasswordChange::Clear => user.password = None,
            PasswordChange::Set(hash) if !hash.is_sound() => {
                let text = format!("not a password hash of {}", hash.hashing.name());
                return Err(CatalogError::InvalidPassword(text));
            }
            PasswordChange::Set(hash) => user.password = Some(hash.clone()),
        }
        user.tags = tags.to_vec();
        if before.as_ref().is_some_and(|before| before.tags != user.tags) {
            self.access_of_user(name);
        }
        self.consequences.deleted_users.remove(name);
        Ok(self.put(user, before.as_ref(), |state| &mut state.users))
    }

    fn delete_user(&mut self, name: &str) -> Result<Done, CatalogError> {
        let user = self.user(name)?;
        self.access_of_user(name);
        let of_user = self.state.permissions.iter().filter(|one| one.user == name);
        for key in of_user.map(|one| one.key()).collect::<Vec<_>>() {
            self.remove(key, |state| &mut state.permissions);
        }
        let of_user = self.state.topic_permissions.iter().filter(|one| one.user == name);
        for key in of_user.map(|one| one.key()).collect::<Vec<_>>() {
            self.remove(key, |state| &mut state.topic_permissions);
        }
        self.remove(user.key(), |state| &mut state.users);
        self.consequences.deleted_users.insert(name.to_owned());
        Ok(Done::Deleted)
    }

    /// What the user may do has changed wherever the user may do something.
    fn access_of_user(&mut self, name: &str) {
        let hosts = self.state.permissions.iter().filter(|permission| permission.user == name);
        let pairs: Vec<_> = hosts.map(|it| (it.virtual_host.clone(), name.to_owned())).collect();
        self.consequences.access.extend(pairs);
    }

    fn put_permission(&mut self, permission: &Permission) -> Result<Done, CatalogError> {
        self.check_both(&permission.virtual_host, &permission.user)?;
        let Permission { virtual_host, user, configure, write, read } = permission;
        for pattern in [configure, write, read] {
            check_pattern(pattern)?;
        }
        let before = self.state.permission(virtual_host, user).map(|one| (**one).clone());
        if before.is_none() {
            bounded("permissions", self.state.permissions.len(), limits::PERMISSIONS)?;
        }
        self.consequences.access.insert((virtual_host.clone(), user.clone()));
        Ok(self.put(permission.clone(), before.as_ref(), |state| &mut state.permissions))
    }

    fn delete_permission(&mut self, host: &str, user: &str) -> Result<Done, CatalogError> {
        self.check_both(host, user)?;
        // As with RabbitMQ, to take away what is not there is no error.
        let Some(permission) = self.state.permission(host, user) else {
            return Ok(Done::Unchanged);
        };
        let key = permission.key();
        self.consequences.access.insert((host.to_owned(), user.to_owned()));
        self.remove(key, |state| &mut state.permissions);
        Ok(Done::Deleted)
    }

    fn check_both(&self, host: &str, user: &str) -> Result<(), CatalogError> {
        if self.state.virtual_host(host).is_none() || self.state.user(user).is_none() {
            return Err(CatalogError::VirtualHostOrUserNotFound);
        }
        Ok(())
    }

    fn put_topic_permission(&mut self, one: &TopicPermission) -> Result<Done, CatalogError> {
        self.check_both(&one.virtual_host, &one.user)?;
        check_pattern(&one.write)?;
        check_pattern(&one.read)?;
        let names = [&*one.virtual_host, &one.user, &one.exchange];
        let before = self.state.topic_permissions.get(&names).map(|it| (**it).clone());
        if before.is_none() {
            let there = self.state.topic_permissions.len();
            bounded("topic permissions", there, limits::PERMISSIONS)?;
        }
        self.consequences.access.insert((one.virtual_host.clone(), one.user.clone()));
        Ok(self.put(one.clone(), before.as_ref(), |state| &mut state.topic_permissions))
    }

    fn delete_topic_permission(
        &mut self,
        host: &str,
        user: &str,
        exchange: Option<&str>,
    ) -> Result<Done, CatalogError> {
        self.check_both(host, user)?;
        let all = self.state.topic_permissions_of(host, user);
        let those = all.filter(|one| exchange.is_none_or(|exchange| one.exchange == exchange));
        let keys: Vec<_> = those.map(|one| one.key()).collect();
        if keys.is_empty() {
            return Ok(Done::Unchanged);
        }
        for key in keys {
            self.remove(key, |state| &mut state.topic_permissions);
        }
        self.consequences.access.insert((host.to_owned(), user.to_owned()));
        Ok(Done::Deleted)
    }

    fn put<R: Record + PartialEq>(
        &mut self,
        record: R,
        before: Option<&R>,
        table: fn(&mut State) -> &mut Table<R>,
    ) -> Done {
        if before == Some(&record) {
            return Done::Unchanged;
        }
        // A record is made of strings, numbers and values: all of it can be told.
        let value = serde_json::to_vec(&record).unwrap_or_default();
        self.write(record.key(), Some(value));
        table(&mut self.state).put(record);
        if before.is_some() { Done::Updated } else { Done::Created }
    }

    fn remove<R: Record>(&mut self, key: String, table: fn(&mut State) -> &mut Table<R>) {
        table(&mut self.state).remove(&key);
        self.write(key, None);
    }

    fn write(&mut self, key: String, value: Option<Vec<u8>>) {
        self.writes.push((key, value));
    }
}

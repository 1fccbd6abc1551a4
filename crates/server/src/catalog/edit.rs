//! What changes make of the records. Nothing here waits, and nothing fails but by refusing: the same
//! records and the same change give the same outcome.

use std::collections::BTreeSet;

use serde_json::Value;

use super::change::{Change, Done, PasswordChange, VirtualHostSettings};
use super::error::{CatalogError, Kind};
use super::records::{
    ApplyTo, GlobalParameter, Parameter, Permission, Policy, Record, Table, TopicPermission, User,
    VirtualHost, VirtualHostLimits,
};
use super::state::{CLUSTER_NAME, LIMITS, OPERATOR_POLICY, State};
use crate::limits;

/// The key under which the number of the last virtual host is kept.
pub(super) const LAST_VIRTUAL_HOST: &str = "last-vhost";

/// The types that a virtual host can give to queues.
const QUEUE_TYPES: [&str; 3] = ["classic", "quorum", "stream"];

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
            None => VirtualHost {
                id: self.state.last_virtual_host + 1,
                name: name.to_owned(),
                description: String::new(),
                tags: vec![],
                default_queue_type: None,
                protected_from_deletion: false,
                tracing: false,
                limits: VirtualHostLimits::default(),
            },
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
            self.write(LAST_VIRTUAL_HOST.to_owned(), Some(host.id.to_string().into_bytes()));
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
        let was_new = self.consequences.created.remove(name);
        self.consequences.settings.remove(name);
        self.consequences.policies.remove(name);
        if !was_new {
            self.consequences.deleted.insert((name.to_owned(), host.id));
        }
        Ok(Done::Deleted)
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
        let Some(permission) = self.state.permission(host, user) else {
            return Err(not_found(Kind::Permission, format!("{user}@{host}")));
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
            return Err(not_found(Kind::TopicPermission, format!("{user}@{host}")));
        }
        for key in keys {
            self.remove(key, |state| &mut state.topic_permissions);
        }
        self.consequences.access.insert((host.to_owned(), user.to_owned()));
        Ok(Done::Deleted)
    }

    fn put_policy(&mut self, policy: &Policy) -> Result<Done, CatalogError> {
        self.virtual_host(&policy.virtual_host)?;
        check_name("policy", &policy.name)?;
        check_policy(policy)?;
        let Policy { virtual_host, name, operator, .. } = policy;
        let before = self.state.policy(virtual_host, name, *operator).map(|it| (**it).clone());
        if before.is_none() {
            bounded("policies", self.state.policies.len(), limits::POLICIES)?;
        }
        self.consequences.policies.insert(virtual_host.clone());
        Ok(self.put(policy.clone(), before.as_ref(), |state| &mut state.policies))
    }

    fn delete_policy(
        &mut self,
        host: &str,
        name: &str,
        operator: bool,
    ) -> Result<Done, CatalogError> {
        self.virtual_host(host)?;
        let Some(policy) = self.state.policy(host, name, operator) else {
            return Err(not_found(Kind::Policy, name.to_owned()));
        };
        let key = policy.key();
        self.consequences.policies.insert(host.to_owned());
        self.remove(key, |state| &mut state.policies);
        Ok(Done::Deleted)
    }

    fn put_parameter(&mut self, parameter: &Parameter) -> Result<Done, CatalogError> {
        let Parameter { component, virtual_host, name, value } = parameter;
        self.virtual_host(virtual_host)?;
        if component == OPERATOR_POLICY {
            return self.put_policy(&as_policy(parameter)?);
        }
        if (component.as_str(), name.as_str()) == LIMITS {
            return self.put_virtual_host_limits(virtual_host, value);
        }
        check_name("component", component)?;
        check_name("parameter", name)?;
        let names = [&**virtual_host, component, name];
        let before = self.state.parameters.get(&names).map(|it| (**it).clone());
        if before.is_none() {
            bounded("parameters", self.state.parameters.len(), limits::PARAMETERS)?;
        }
        Ok(self.put(parameter.clone(), before.as_ref(), |state| &mut state.parameters))
    }

    fn delete_parameter(
        &mut self,
        component: &str,
        host: &str,
        name: &str,
    ) -> Result<Done, CatalogError> {
        self.virtual_host(host)?;
        if self.state.parameter(component, host, name).is_none() {
            return Err(not_found(Kind::Parameter, name.to_owned()));
        }
        if component == OPERATOR_POLICY {
            return self.delete_policy(host, name, true);
        }
        if (component, name) == LIMITS {
            return self.put_virtual_host_limits(host, &Value::Object(Default::default()));
        }
        let key = super::keys::join(Parameter::KIND, &[host, component, name]);
        self.remove(key, |state| &mut state.parameters);
        Ok(Done::Deleted)
    }

    fn put_global_parameter(&mut self, parameter: &GlobalParameter) -> Result<Done, CatalogError> {
        check_name("parameter", &parameter.name)?;
        let before = self.state.global_parameter(&parameter.name).map(|it| (**it).clone());
        if before.is_none() {
            let there = self.state.global_parameters.len();
            bounded("global parameters", there, limits::PARAMETERS)?;
        }
        Ok(self.put(parameter.clone(), before.as_ref(), |state| &mut state.global_parameters))
    }

    fn delete_global_parameter(&mut self, name: &str) -> Result<Done, CatalogError> {
        let Some(parameter) = self.state.global_parameter(name) else {
            return Err(not_found(Kind::GlobalParameter, name.to_owned()));
        };
        let key = parameter.key();
        self.remove(key, |state| &mut state.global_parameters);
        Ok(Done::Deleted)
    }

    fn put_virtual_host_limits(&mut self, name: &str, value: &Value) -> Result<Done, CatalogError> {
        let before = self.virtual_host(name)?;
        let mut host = before.clone();
        host.limits = VirtualHostLimits::default();
        let Some(limits) = value.as_object() else {
            return Err(CatalogError::InvalidLimit("limits must be an object".to_owned()));
        };
        for (limit, value) in limits {
            *virtual_host_limit(&mut host, limit)? = Some(whole(limit, value)?);
        }
        self.put_limited_host(host, &before)
    }

    fn set_virtual_host_limit(
        &mut self,
        name: &str,
        limit: &str,
        value: Option<&Value>,
    ) -> Result<Done, CatalogError> {
        let before = self.virtual_host(name)?;
        let mut host = before.clone();
        let place = virtual_host_limit(&mut host, limit)?;
        *place = value.map(|value| whole(limit, value)).transpose()?;
        self.put_limited_host(host, &before)
    }

    fn put_limited_host(
        &mut self,
        host: VirtualHost,
        before: &VirtualHost,
    ) -> Result<Done, CatalogError> {
        if host.limits != before.limits {
            self.consequences.settings.insert(host.name.clone());
        }
        Ok(self.put(host, Some(before), |state| &mut state.virtual_hosts))
    }

    fn set_user_limit(
        &mut self,
        name: &str,
        limit: &str,
        value: Option<&Value>,
    ) -> Result<Done, CatalogError> {
        let before = self.user(name)?;
        let mut user = before.clone();
        let place = match limit {
            "max-connections" => &mut user.limits.max_connections,
            "max-channels" => &mut user.limits.max_channels,
            other => return Err(unknown_limit(other)),
        };
        *place = value.map(|value| whole(limit, value)).transpose()?;
        Ok(self.put(user, Some(&before), |state| &mut state.users))
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

fn not_found(kind: Kind, name: String) -> CatalogError {
    CatalogError::NotFound { kind, name }
}

fn bounded(what: &'static str, there: usize, limit: usize) -> Result<(), CatalogError> {
    if there < limit { Ok(()) } else { Err(CatalogError::TooMany { what, limit }) }
}

/// Names travel in short strings.
fn check_name(what: &str, name: &str) -> Result<(), CatalogError> {
    let problem = match name.len() {
        0 => "is empty",
        1..=255 => return Ok(()),
        _ => "is longer than 255 bytes",
    };
    Err(CatalogError::InvalidName(format!("the name of a {what} {problem}")))
}

fn check_tags(tags: &[String]) -> Result<(), CatalogError> {
    if tags.len() > limits::TAGS {
        return Err(CatalogError::TooMany { what: "tags", limit: limits::TAGS });
    }
    match tags.iter().find(|tag| tag.is_empty() || tag.len() > 255) {
        Some(tag) => {
            let problem = if tag.is_empty() { "is empty" } else { "is longer than 255 bytes" };
            Err(CatalogError::InvalidTag(format!("a tag {problem}")))
        }
        None => Ok(()),
    }
}

fn queue_type(name: &str) -> Result<String, CatalogError> {
    match QUEUE_TYPES.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(CatalogError::InvalidQueueType(name.to_owned())),
    }
}

fn check_pattern(pattern: &str) -> Result<(), CatalogError> {
    if pattern.len() > limits::PATTERN_BYTES {
        let reason = format!("it is longer than {} bytes", limits::PATTERN_BYTES);
        let pattern = pattern.chars().take(64).collect();
        return Err(CatalogError::InvalidPattern { pattern, reason });
    }
    Ok(())
}

fn check_policy(policy: &Policy) -> Result<(), CatalogError> {
    check_pattern(&policy.pattern)?;
    if policy.definition.is_empty() {
        return Err(CatalogError::InvalidPolicy(
            "policy definition should not be empty".to_owned(),
        ));
    }
    Ok(())
}

fn virtual_host_limit<'a>(
    host: &'a mut VirtualHost,
    limit: &str,
) -> Result<&'a mut Option<i64>, CatalogError> {
    match limit {
        "max-connections" => Ok(&mut host.limits.max_connections),
        "max-queues" => Ok(&mut host.limits.max_queues),
        other => Err(unknown_limit(other)),
    }
}

fn unknown_limit(name: &str) -> CatalogError {
    CatalogError::InvalidLimit(format!("Unrecognised terms are: [{name}]"))
}

fn whole(limit: &str, value: &Value) -> Result<i64, CatalogError> {
    let number = value.as_i64();
    number.ok_or_else(|| CatalogError::InvalidLimit(format!("{limit} should be an integer")))
}

/// A parameter of the component `operator_policy`, as the policy that it is.
fn as_policy(parameter: &Parameter) -> Result<Policy, CatalogError> {
    let wrong = |what: &str| CatalogError::InvalidPolicy(what.to_owned());
    let Parameter { virtual_host, name, value, .. } = parameter;
    let pattern = value.get("pattern").and_then(Value::as_str);
    let definition = value.get("definition").and_then(Value::as_object);
    let priority = match value.get("priority") {
        None => 0,
        Some(priority) => priority.as_i64().ok_or_else(|| wrong("priority should be a number"))?,
    };
    let apply_to = match value.get("apply-to").map(|name| name.as_str()) {
        None => ApplyTo::All,
        Some(name) => name
            .and_then(ApplyTo::from_name)
            .ok_or_else(|| wrong("apply-to does not say what the policy is for"))?,
    };
    Ok(Policy {
        virtual_host: virtual_host.clone(),
        name: name.clone(),
        operator: true,
        pattern: pattern.ok_or_else(|| wrong("Key \"pattern\" not found"))?.to_owned(),
        apply_to,
        priority,
        definition: definition.ok_or_else(|| wrong("Key \"definition\" not found"))?.clone(),
    })
}

//! Changes in words, for the audit log: who reads it sees what was done, and no secrets.

use super::change::{Change, PasswordChange};

/// A change in words.
pub(super) fn change(change: &Change) -> String {
    match change {
        Change::PutVirtualHost { name, .. } => format!("set virtual host {name:?}"),
        Change::DeleteVirtualHost { name } => format!("delete virtual host {name:?}"),
        Change::ProtectVirtualHost { name, protected: true } => {
            format!("protect virtual host {name:?} from deletion")
        }
        Change::ProtectVirtualHost { name, protected: false } => {
            format!("let virtual host {name:?} be deleted")
        }
        Change::PutUser { name, password, tags } => {
            let password = match password {
                PasswordChange::Keep => "",
                PasswordChange::Clear => " without a password",
                PasswordChange::Set(_) => " with a new password",
            };
            format!("set user {name:?}{password}, tags {tags:?}")
        }
        Change::DeleteUser { name } => format!("delete user {name:?}"),
        Change::PutPermission(it) => format!(
            "set permission of {:?} in {:?}: configure {:?}, write {:?}, read {:?}",
            it.user, it.virtual_host, it.configure, it.write, it.read
        ),
        Change::DeletePermission { virtual_host, user } => {
            format!("delete permission of {user:?} in {virtual_host:?}")
        }
        Change::PutTopicPermission(it) => format!(
            "set topic permission of {:?} in {:?} at {:?}: write {:?}, read {:?}",
            it.user, it.virtual_host, it.exchange, it.write, it.read
        ),
        Change::DeleteTopicPermission { virtual_host, user, exchange } => match exchange {
            Some(exchange) => {
                format!("delete topic permission of {user:?} in {virtual_host:?} at {exchange:?}")
            }
            None => format!("delete topic permissions of {user:?} in {virtual_host:?}"),
        },
        Change::PutPolicy(it) => {
            let kind = policy(it.operator);
            format!("set {kind} {:?} in {:?}", it.name, it.virtual_host)
        }
        Change::DeletePolicy { virtual_host, name, operator } => {
            format!("delete {} {name:?} in {virtual_host:?}", policy(*operator))
        }
        // Their values may hold addresses with passwords.
        Change::PutParameter(it) => {
            format!("set {} {:?} in {:?}", it.component, it.name, it.virtual_host)
        }
        Change::DeleteParameter { component, virtual_host, name } => {
            format!("delete {component} {name:?} in {virtual_host:?}")
        }
        Change::PutGlobalParameter(it) => format!("set global parameter {:?}", it.name),
        Change::DeleteGlobalParameter { name } => format!("delete global parameter {name:?}"),
        Change::PutVirtualHostLimit { virtual_host, name, value } => {
            format!("set limit {name} of virtual host {virtual_host:?} to {value}")
        }
        Change::DeleteVirtualHostLimit { virtual_host, name } => {
            format!("delete limit {name} of virtual host {virtual_host:?}")
        }
        Change::PutUserLimit { user, name, value } => {
            format!("set limit {name} of user {user:?} to {value}")
        }
        Change::DeleteUserLimit { user, name } => format!("delete limit {name} of user {user:?}"),
        Change::SetClusterName { name } => format!("name the cluster {name:?}"),
    }
}

fn policy(operator: bool) -> &'static str {
    if operator { "operator policy" } else { "policy" }
}

//! What users may do in virtual hosts, and which routing keys they may use.

pub(crate) mod check;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use warren_server::catalog::{Change, Done, Permission, TopicPermission};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::change::{change, change_all};
use crate::error::Error;
use crate::list::{list, one};
use crate::users::user;

/// A user's permissions in a virtual host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PermissionObject<'a> {
    user: &'a str,
    vhost: &'a str,
    configure: &'a str,
    write: &'a str,
    read: &'a str,
}

/// A user's routing keys with an exchange.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TopicPermissionObject<'a> {
    user: &'a str,
    vhost: &'a str,
    exchange: &'a str,
    write: &'a str,
    read: &'a str,
}

/// Regular expressions of names.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutPermission {
    configure: String,
    write: String,
    read: String,
}

/// Regular expressions of routing keys.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutTopicPermission {
    exchange: String,
    write: String,
    read: String,
}

impl<'a> From<&'a Permission> for PermissionObject<'a> {
    fn from(permission: &'a Permission) -> Self {
        let Permission { virtual_host, user, configure, write, read } = permission;
        Self { user, vhost: virtual_host, configure, write, read }
    }
}

impl<'a> From<&'a TopicPermission> for TopicPermissionObject<'a> {
    fn from(permission: &'a TopicPermission) -> Self {
        let TopicPermission { virtual_host, user, exchange, write, read } = permission;
        Self { user, vhost: virtual_host, exchange, write, read }
    }
}

impl PutPermission {
    /// The permission of a user in a virtual host.
    pub(crate) fn of(self, virtual_host: &str, user: &str) -> Permission {
        let Self { configure, write, read } = self;
        let (virtual_host, user) = (virtual_host.to_owned(), user.to_owned());
        Permission { virtual_host, user, configure, write, read }
    }
}

impl PutTopicPermission {
    /// The permission of a user in a virtual host.
    pub(crate) fn of(self, virtual_host: &str, user: &str) -> TopicPermission {
        let Self { exchange, write, read } = self;
        let (virtual_host, user) = (virtual_host.to_owned(), user.to_owned());
        TopicPermission { virtual_host, user, exchange, write, read }
    }
}

const ORDER: [&str; 3] = ["vhost", "user", "exchange"];

async fn answer_list<'a>(
    call: &'a Call,
    permissions: impl Iterator<Item = &'a Permission>,
) -> Answer {
    let object = |it| serde_json::to_value(PermissionObject::from(it)).ok();
    list(call, permissions.filter_map(object).collect(), &ORDER).await
}

async fn answer_topics<'a>(
    call: &'a Call,
    permissions: impl Iterator<Item = &'a TopicPermission>,
) -> Answer {
    let object = |it| serde_json::to_value(TopicPermissionObject::from(it)).ok();
    let objects: Vec<Value> = permissions.filter_map(object).collect();
    list(call, objects, &ORDER).await
}

pub(crate) async fn all(call: Call) -> Answer {
    answer_list(&call, call.state.permissions().map(AsRef::as_ref)).await
}

pub(crate) async fn of_virtual_host(call: Call) -> Answer {
    let name = call.virtual_host()?;
    answer_list(&call, call.state.permissions_in(name).map(AsRef::as_ref)).await
}

pub(crate) async fn of_user(call: Call) -> Answer {
    let name = &user(&call.state, &call)?.name;
    let permissions = call.state.permissions().map(AsRef::as_ref);
    answer_list(&call, permissions.filter(|it| it.user == *name)).await
}

fn found(call: &Call) -> Result<&Permission, Error> {
    let permission = call.state.permission(call.virtual_host()?, call.path("user"));
    permission.map(AsRef::as_ref).ok_or(Error::NoSuchObject)
}

pub(crate) async fn get(call: Call) -> Answer {
    one(&call, &PermissionObject::from(found(&call)?))
}

pub(crate) async fn put(mut call: Call) -> Answer {
    let body: PutPermission = call.json().await?;
    let permission = body.of(call.path("vhost"), call.path("user"));
    answer::put(change(&call, Change::PutPermission(permission)).await? == Done::Created)
}

pub(crate) async fn delete(call: Call) -> Answer {
    let Permission { virtual_host, user, .. } = found(&call)?.clone();
    change(&call, Change::DeletePermission { virtual_host, user }).await?;
    answer::done()
}

pub(crate) async fn all_topics(call: Call) -> Answer {
    answer_topics(&call, call.state.topic_permissions().map(AsRef::as_ref)).await
}

pub(crate) async fn topics_of_virtual_host(call: Call) -> Answer {
    let name = call.virtual_host()?;
    let permissions = call.state.topic_permissions().map(AsRef::as_ref);
    answer_topics(&call, permissions.filter(|it| it.virtual_host == name)).await
}

pub(crate) async fn topics_of_user(call: Call) -> Answer {
    let name = &user(&call.state, &call)?.name;
    let permissions = call.state.topic_permissions().map(AsRef::as_ref);
    answer_topics(&call, permissions.filter(|it| it.user == *name)).await
}

/// Those of a user in a virtual host, with one exchange if the path names one. There must be some.
fn found_topics(call: &Call) -> Result<Vec<&TopicPermission>, Error> {
    let exchange = call.path.iter().find(|(key, _)| key == "exchange");
    let permissions = call.state.topic_permissions_of(call.virtual_host()?, call.path("user"));
    let found: Vec<_> = permissions
        .map(AsRef::as_ref)
        .filter(|it: &&TopicPermission| exchange.is_none_or(|(_, name)| it.exchange == *name))
        .collect();
    if found.is_empty() { Err(Error::NoSuchObject) } else { Ok(found) }
}

pub(crate) async fn get_topics(call: Call) -> Answer {
    answer_topics(&call, found_topics(&call)?.into_iter()).await
}

pub(crate) async fn put_topic(mut call: Call) -> Answer {
    let body: PutTopicPermission = call.json().await?;
    let permission = body.of(call.path("vhost"), call.path("user"));
    // Those for all exchanges are one thing, which is made with the first of them.
    let had_none = found_topics(&call).is_err();
    let done = change(&call, Change::PutTopicPermission(permission)).await?;
    answer::put(done == Done::Created && had_none)
}

pub(crate) async fn delete_topics(call: Call) -> Answer {
    let changes = found_topics(&call)?.into_iter().map(|it| Change::DeleteTopicPermission {
        virtual_host: it.virtual_host.clone(),
        user: it.user.clone(),
        exchange: Some(it.exchange.clone()),
    });
    change_all(&call, changes.collect()).await?;
    answer::done()
}

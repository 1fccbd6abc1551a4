//! How much there may be in virtual hosts, and how much users may have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warren_server::catalog::{Change, UserLimits, VirtualHostLimits};

use crate::answer::{self, Answer};
use crate::authorize::administers;
use crate::call::Call;
use crate::change::change;
use crate::error::Error;
use crate::list::list;
use crate::users::user;

/// The limits of a virtual host: `max-connections` and `max-queues`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VirtualHostLimitsObject {
    vhost: String,
    value: Value,
}

/// The limits of a user: `max-connections` and `max-channels`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UserLimitsObject {
    user: String,
    value: Value,
}

/// A limit.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutLimit {
    /// A whole number; a negative one is no limit.
    value: Value,
}

pub(crate) async fn of_hosts(call: Call) -> Answer {
    let one_host = call.one_virtual_host()?;
    let hosts = call.state.virtual_hosts().filter(|host| {
        one_host.is_none_or(|name| host.name == name)
            && call.sees_virtual_host(&host.name)
            && host.limits != VirtualHostLimits::default()
    });
    let objects = hosts.map(|host| json!({"vhost": host.name, "value": host.limits})).collect();
    list(&call, objects, &["vhost"]).await
}

pub(crate) async fn put(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host_to_change()?.to_owned();
    let PutLimit { value } = call.json().await?;
    let name = call.path("name").to_owned();
    change(&call, Change::PutVirtualHostLimit { virtual_host, name, value }).await?;
    answer::done()
}

pub(crate) async fn delete(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let name = call.path("name").to_owned();
    forgive(change(&call, Change::DeleteVirtualHostLimit { virtual_host, name }).await)?;
    answer::done()
}

pub(crate) async fn of_users(call: Call) -> Answer {
    let users = call.state.users().filter(|user| user.limits != UserLimits::default());
    let objects = users.map(|user| json!({"user": user.name, "value": user.limits})).collect();
    list(&call, objects, &["user"]).await
}

pub(crate) async fn of_user(call: Call) -> Answer {
    // Users may know how much they may have themselves.
    if !administers(&call.identity) && *call.identity.user != *call.path("user") {
        return Err(Error::not_authorised("Not administrator user"));
    }
    let user = user(&call.state, &call)?;
    let limits = (user.limits != UserLimits::default()).then_some(user.limits);
    let objects = limits.iter().map(|limits| json!({"user": user.name, "value": limits}));
    list(&call, objects.collect(), &["user"]).await
}

pub(crate) async fn put_of_user(mut call: Call) -> Answer {
    let PutLimit { value } = call.json().await?;
    let (user, name) = (call.path("user").to_owned(), call.path("name").to_owned());
    change(&call, Change::PutUserLimit { user, name, value }).await?;
    answer::done()
}

pub(crate) async fn delete_of_user(call: Call) -> Answer {
    let user = user(&call.state, &call)?.name.clone();
    let name = call.path("name").to_owned();
    forgive(change(&call, Change::DeleteUserLimit { user, name }).await)?;
    answer::done()
}

/// A limit that there is not is gone already, as with RabbitMQ.
fn forgive<T>(changed: Result<T, Error>) -> Result<(), Error> {
    match changed {
        Ok(_) | Err(Error::NoSuchObject) => Ok(()),
        Err(error) => Err(error),
    }
}

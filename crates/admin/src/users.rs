//! Users.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_server::Management;
use warren_server::catalog::{
    Change, Done, Hashing, PasswordChange, PasswordHash, State, User, UserLimits,
};
use warren_server::config::Password;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::change::{change, change_all};
use crate::error::Error;
use crate::json::lenient;
use crate::list::{list, one};

/// A user, without a secret that could be used to log in.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UserObject {
    name: String,
    /// Salt and hash in base64; empty if the user has no password.
    password_hash: String,
    hashing_algorithm: String,
    /// The user can log in by a password. Not in exported definitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_password: Option<bool>,
    tags: Vec<String>,
    #[schemars(with = "Map<String, Value>")]
    limits: UserLimits,
}

impl From<&User> for UserObject {
    fn from(user: &User) -> Self {
        let hashing = user.password.as_ref().map(|password| password.hashing).unwrap_or_default();
        Self {
            name: user.name.clone(),
            password_hash: user.password.as_ref().map(|it| it.hash.clone()).unwrap_or_default(),
            hashing_algorithm: hashing.name().to_owned(),
            has_password: Some(user.password.is_some()),
            tags: user.tags.clone(),
            limits: user.limits,
        }
    }
}

impl UserObject {
    /// As definitions have it: with RabbitMQ's members alone.
    pub(crate) fn exported(user: &User) -> Self {
        Self { has_password: None, ..Self::from(user) }
    }
}

/// What a user is to be.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutUser {
    /// A list, or text with commas. It must be there.
    #[serde(default, deserialize_with = "lenient::maybe_tags")]
    pub(crate) tags: Option<Vec<String>>,
    /// The password. Without it and without `password_hash` the user has none.
    pub(crate) password: Option<String>,
    /// Salt and hash of the password in base64; empty for none.
    pub(crate) password_hash: Option<String>,
    /// How the hash was made; salted SHA-256 if nothing is said.
    pub(crate) hashing_algorithm: Option<String>,
    /// `max-connections` and `max-channels`.
    #[serde(default)]
    pub(crate) limits: Option<Map<String, Value>>,
}

/// Users to delete.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct BulkDelete {
    /// Their names.
    users: Vec<String>,
}

pub(crate) async fn all(call: Call) -> Answer {
    list(&call, objects(call.state.users().map(AsRef::as_ref)), &["name"]).await
}

pub(crate) async fn without_permissions(call: Call) -> Answer {
    let state = &call.state;
    let without = state.users().filter(|user| !state.permissions().any(|it| it.user == user.name));
    list(&call, objects(without.map(AsRef::as_ref)), &["name"]).await
}

fn objects<'a>(users: impl Iterator<Item = &'a User>) -> Vec<Value> {
    users.filter_map(|user| serde_json::to_value(UserObject::from(user)).ok()).collect()
}

/// The user that the path names.
pub(crate) fn user<'a>(state: &'a State, call: &Call) -> Result<&'a User, Error> {
    state.user(call.path("user")).map(AsRef::as_ref).ok_or(Error::NoSuchObject)
}

pub(crate) async fn get(call: Call) -> Answer {
    one(&call, &UserObject::from(user(&call.state, &call)?))
}

pub(crate) async fn put(mut call: Call) -> Answer {
    let body: PutUser = call.json().await?;
    let name = call.path("user").to_owned();
    let password = password(&call.api.management, &body, Hashing::default()).await?;
    let changes = body.changes(&name, password)?;
    answer::put(change_all(&call, changes).await? == Done::Created)
}

impl PutUser {
    /// What makes a user so.
    pub(crate) fn changes(
        self,
        name: &str,
        password: PasswordChange,
    ) -> Result<Vec<Change>, Error> {
        let tags = self.tags.ok_or_else(|| Error::bad_request("tags_not_present"))?;
        let mut changes = vec![Change::PutUser { name: name.to_owned(), password, tags }];
        for (limit, value) in self.limits.into_iter().flatten() {
            changes.push(Change::PutUserLimit { user: name.to_owned(), name: limit, value });
        }
        Ok(changes)
    }
}

/// What becomes of the password. `usual` is how a hash was made of which nothing is said.
pub(crate) async fn password(
    management: &Management,
    body: &PutUser,
    usual: Hashing,
) -> Result<PasswordChange, Error> {
    match (body.password.as_deref(), body.password_hash.as_deref()) {
        (Some(_), Some(_)) => {
            Err(Error::bad_request("both_password_and_password_hash_are_provided"))
        }
        // Nobody may log in with an empty password.
        (None | Some(""), None) | (None, Some("")) => Ok(PasswordChange::Clear),
        (Some(password), None) => {
            let hash = management.hash_password(&Password(password.to_owned())).await;
            let hash = hash.map_err(|error| Error::Internal(error.to_string()))?;
            Ok(PasswordChange::Set(hash))
        }
        (None, Some(hash)) => {
            let hashing = match body.hashing_algorithm.as_deref() {
                None | Some("") => usual,
                Some(name) => Hashing::from_name(name)
                    .ok_or_else(|| Error::BadTerm("unknown_hashing_algorithm", name.to_owned()))?,
            };
            if hashing != Hashing::Argon2id && STANDARD.decode(hash).is_err() {
                return Err(Error::BadTerm("not_base64", hash.to_owned()));
            }
            Ok(PasswordChange::Set(PasswordHash { hashing, hash: hash.to_owned() }))
        }
    }
}

pub(crate) async fn delete(call: Call) -> Answer {
    let name = user(&call.state, &call)?.name.clone();
    change(&call, Change::DeleteUser { name }).await?;
    answer::done()
}

pub(crate) async fn bulk_delete(mut call: Call) -> Answer {
    let BulkDelete { users } = call.json().await?;
    if let Some(missing) = users.iter().find(|name| call.state.user(name).is_none()) {
        return Err(Error::BadTerm("no_such_user", missing.clone()));
    }
    let changes = users.into_iter().map(|name| Change::DeleteUser { name }).collect();
    change_all(&call, changes).await?;
    answer::done()
}

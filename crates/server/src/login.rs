//! Who may log in.

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;
use warren_amqp::Millis;
use warren_engine::Access;

use crate::attempts::{Attempt, Protocol};
use crate::broker::Shared;
use crate::catalog::{Actor, Via};
use crate::oauth::{Bearer, Now, Refusal, Scopes, Tokens};
use crate::{Config, clock, limits};

/// Who somebody is, and where what they may do is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: Arc<str>,
    /// What the user may do beside messaging.
    pub tags: Vec<String>,
    /// Where what the user may do in virtual hosts is written.
    pub access: AccessSource,
    /// Until when this holds, in milliseconds since 1970. None is for ever.
    pub expires_at: Option<u64>,
}

/// Where it is written what somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessSource {
    /// In the permissions of the catalog.
    Stored,
    /// In the scopes of a token.
    Scopes(Arc<Scopes>),
}

impl Identity {
    /// What the user may do is written in the catalog.
    pub(crate) fn is_stored(&self) -> bool {
        self.access == AccessSource::Stored
    }

    /// Whether the user has a tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|one| one == tag)
    }
}

/// Why a login is refused. For the log: whoever tries is told nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginError {
    /// There is no such user, or the password is another one.
    #[error("invalid credentials")]
    Credentials,
    /// The user may come from the machine itself only.
    #[error("user can only log in via localhost")]
    NotLocal,
    /// There were too many failed logins.
    #[error("too many failed logins; the next one may come in {wait_ms} ms")]
    TooMany {
        /// How long to wait, in milliseconds.
        wait_ms: Millis,
    },
    /// The password is a token that is not good.
    #[error("a token is refused: {0}")]
    Token(#[from] Refusal),
}

/// Who comes with this name and password, from there. A token in place of the password says itself
/// who it is.
pub(crate) async fn by_password(
    shared: &Shared,
    protocol: Protocol,
    user: &str,
    password: &str,
    peer: IpAddr,
) -> Result<Identity, LoginError> {
    if shared.tokens.is_some() && Tokens::is_like_one(password) {
        return by_token(shared, protocol, password, peer).await;
    }
    let now = shared.now();
    let failure = Attempt { protocol, user, address: peer, succeeded: false };
    if let Err(wait_ms) = shared.attempts.may_try(user, peer, now) {
        shared.attempts.count(&failure);
        return told(shared, &failure, Err(LoginError::TooMany { wait_ms }));
    }
    let found = by_stored_password(shared, user, password, peer).await;
    let attempt = Attempt { succeeded: found.is_ok(), ..failure };
    shared.attempts.note(&attempt, now);
    told(shared, &attempt, found)
}

/// Notes a login that was refused in the audit log.
fn told(
    shared: &Shared,
    attempt: &Attempt<'_>,
    found: Result<Identity, LoginError>,
) -> Result<Identity, LoginError> {
    if let Err(reason) = &found {
        let via = match attempt.protocol {
            Protocol::Amqp091 => Via::Amqp,
            Protocol::Http => Via::Http,
        };
        // A name that nobody has may be of any length.
        let user = attempt.user.chars().take(limits::AUDIT_NAME).collect();
        let address = Some(attempt.address.to_canonical());
        shared.audit.login_refused(Actor { user, address, via }, reason.to_string());
    }
    found
}

/// A user that may come from the machine itself only is refused from elsewhere in the same way as
/// one with a wrong password: nothing is given away.
async fn by_stored_password(
    shared: &Shared,
    user: &str,
    password: &str,
    peer: IpAddr,
) -> Result<Identity, LoginError> {
    if !shared.catalog.is_password_of(user, password).await {
        return Err(LoginError::Credentials);
    }
    stored(shared, user, peer)
}

/// A user of the catalog, who comes from there.
fn stored(shared: &Shared, name: &str, peer: IpAddr) -> Result<Identity, LoginError> {
    let snapshot = shared.catalog.snapshot();
    let user = snapshot.user(name).ok_or(LoginError::Credentials)?;
    if !may_come_from(&shared.config, name, peer) {
        return Err(LoginError::NotLocal);
    }
    let (access, expires_at) = (AccessSource::Stored, None);
    Ok(Identity { user: name.into(), tags: user.tags.clone(), access, expires_at })
}

/// Who comes with this token, from there. Tokens cannot be guessed, so that failures cost no wait;
/// they are counted.
///
/// # Errors
///
/// Tokens are not configured, or this one is not good.
pub(crate) async fn by_token(
    shared: &Shared,
    protocol: Protocol,
    token: &str,
    peer: IpAddr,
) -> Result<Identity, LoginError> {
    let Some(tokens) = &shared.tokens else { return Err(LoginError::Credentials) };
    let now = Now { unix_seconds: clock::now() / 1000, monotonic: shared.now() };
    let found = tokens.check(token, now).await.map_err(LoginError::from);
    let found =
        found.and_then(|bearer| match may_come_from(&shared.config, &bearer.username, peer) {
            true => Ok(bearer),
            false => Err(LoginError::NotLocal),
        });
    let user = found.as_ref().map_or("", |bearer| &bearer.username);
    let attempt = Attempt { protocol, user, address: peer, succeeded: found.is_ok() };
    shared.attempts.count(&attempt);
    let identity = found.clone().map(|Bearer { username, scopes, expires_at }| Identity {
        user: username.into(),
        tags: scopes.tags.clone(),
        access: AccessSource::Scopes(scopes),
        expires_at: Some(expires_at.saturating_mul(1000)),
    });
    told(shared, &attempt, identity)
}

/// Who somebody is that says nothing of himself, and comes from there.
pub(crate) fn anonymous(shared: &Shared, peer: IpAddr) -> Result<Identity, LoginError> {
    stored(shared, &shared.config.anonymous_login_user, peer)
}

/// What somebody may do in a virtual host. None if that is nothing.
pub(crate) fn access(
    shared: &Shared,
    identity: &Identity,
    virtual_host: &str,
) -> Option<Arc<Access>> {
    let user = &identity.user;
    match &identity.access {
        AccessSource::Stored => shared.catalog.access(user, virtual_host),
        AccessSource::Scopes(scopes) => {
            let access = Access::from_scopes(user, scopes.grants(virtual_host)?);
            Some(Arc::new(access.as_impersonator(identity.has_tag("impersonator"))))
        }
    }
}

/// Users that may come from the machine itself only are told apart by the address of the peer.
fn may_come_from(config: &Config, user: &str, peer: IpAddr) -> bool {
    let local_only = config.loopback_users.iter().any(|other| other == user);
    !local_only || peer.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_user_is_refused_from_elsewhere() {
        let mut config = Config::for_tests();
        for (peer, accepted) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            let peer: IpAddr = peer.parse().unwrap();
            assert_eq!(may_come_from(&config, "guest", peer), accepted, "{peer}");
            assert!(may_come_from(&config, "other", peer));
        }
        config.loopback_users.clear();
        assert!(may_come_from(&config, "guest", "10.0.0.1".parse().unwrap()));
    }
}

//! Who may log in.

use std::net::IpAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use thiserror::Error;
use warren_amqp::Millis;
use warren_engine::Access;

use crate::attempts::{Attempt, Protocol};
use crate::broker::Shared;
use crate::catalog::State;
use crate::oauth::{Bearer, Now, Refusal, Scopes, Tokens};
use crate::{Config, clock};

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
        return Err(LoginError::TooMany { wait_ms });
    }
    let found = by_stored_password(shared, user, password, peer);
    let attempt = Attempt { succeeded: found.is_ok(), ..failure };
    shared.attempts.note(&attempt, now);
    found
}

fn by_stored_password(
    shared: &Shared,
    user: &str,
    password: &str,
    peer: IpAddr,
) -> Result<Identity, LoginError> {
    if !is_accepted(&shared.config, user, password, peer) {
        return Err(LoginError::Credentials);
    }
    Ok(stored(shared, user))
}

fn stored(shared: &Shared, user: &str) -> Identity {
    let tags = shared.catalog.snapshot().user(user).map(|user| user.tags.clone());
    let (access, expires_at) = (AccessSource::Stored, None);
    Identity { user: user.into(), tags: tags.unwrap_or_default(), access, expires_at }
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
    let Bearer { username, scopes, expires_at } = found?;
    Ok(Identity {
        user: username.into(),
        tags: scopes.tags.clone(),
        access: AccessSource::Scopes(scopes),
        expires_at: Some(expires_at.saturating_mul(1000)),
    })
}

/// Who somebody is that says nothing of himself, and comes from there.
pub(crate) fn anonymous(shared: &Shared, peer: IpAddr) -> Result<Identity, LoginError> {
    match is_anonymous_accepted(&shared.config, peer) {
        true => Ok(stored(shared, &shared.config.anonymous_login_user)),
        false => Err(LoginError::Credentials),
    }
}

/// What somebody may do in a virtual host. None if that is nothing.
pub(crate) fn access(state: &State, identity: &Identity, virtual_host: &str) -> Option<Access> {
    let user = &identity.user;
    let access = match &identity.access {
        AccessSource::Stored => {
            state.permission(virtual_host, user)?;
            Access::everything(user)
        }
        AccessSource::Scopes(scopes) => Access::from_scopes(user, scopes.grants(virtual_host)?),
    };
    Some(access.as_impersonator(identity.has_tag("impersonator")))
}

/// Whether a login is good. A user that may come from the machine itself only is refused from
/// elsewhere in the same way as one with a wrong password: nothing is given away.
fn is_accepted(config: &Config, username: &str, password: &str, peer: IpAddr) -> bool {
    let known = username.as_bytes().ct_eq(config.default_user.as_bytes());
    let matches = password.as_bytes().ct_eq(config.default_pass.0.as_bytes());
    bool::from(known & matches) && may_come_from(config, username, peer)
}

/// Whether clients that say nothing of themselves may come in from there.
fn is_anonymous_accepted(config: &Config, peer: IpAddr) -> bool {
    let user = &config.anonymous_login_user;
    *user == config.default_user && may_come_from(config, user, peer)
}

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
            assert_eq!(is_accepted(&config, "guest", "secret", peer), accepted, "{peer}");
        }
        config.loopback_users.clear();
        assert!(is_accepted(&config, "guest", "secret", "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn both_name_and_password_must_be_right() {
        let peer = "127.0.0.1".parse().unwrap();
        for (user, password) in [("guest", "wrong"), ("guest", ""), ("other", "secret"), ("", "")] {
            assert!(!is_accepted(&Config::for_tests(), user, password, peer), "{user} {password}");
        }
    }
}

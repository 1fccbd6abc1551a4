//! Who may log in.

use std::net::IpAddr;

use std::sync::Arc;

use subtle::ConstantTimeEq;
use thiserror::Error;
use warren_engine::Access;

use crate::Config;
use crate::broker::Shared;
use crate::catalog::State;

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
}

impl Identity {
    /// Whether the user has a tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|one| one == tag)
    }
}

/// Why a login is refused. For the log: whoever tries is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LoginError {
    /// There is no such user, or the password is another one.
    #[error("invalid credentials")]
    Credentials,
    /// The user may come from the machine itself only.
    #[error("user can only log in via localhost")]
    NotLocal,
}

/// Who comes with this name and password, from there.
pub(crate) async fn by_password(
    shared: &Shared,
    user: &str,
    password: &str,
    peer: IpAddr,
) -> Result<Identity, LoginError> {
    if !is_accepted(&shared.config, user, password, peer) {
        return Err(LoginError::Credentials);
    }
    let tags = shared.catalog.snapshot().user(user).map(|user| user.tags.clone());
    let (access, expires_at) = (AccessSource::Stored, None);
    Ok(Identity { user: user.into(), tags: tags.unwrap_or_default(), access, expires_at })
}

/// What somebody may do in a virtual host. None if that is nothing.
pub(crate) fn access(state: &State, identity: &Identity, virtual_host: &str) -> Option<Access> {
    match identity.access {
        AccessSource::Stored => {
            state.permission(virtual_host, &identity.user)?;
            Some(Access::everything(&identity.user))
        }
    }
}

/// Whether a login is good. A user that may come from the machine itself only is refused from
/// elsewhere in the same way as one with a wrong password: nothing is given away.
pub(crate) fn is_accepted(config: &Config, username: &str, password: &str, peer: IpAddr) -> bool {
    let known = username.as_bytes().ct_eq(config.default_user.as_bytes());
    let matches = password.as_bytes().ct_eq(config.default_pass.0.as_bytes());
    bool::from(known & matches) && may_come_from(config, username, peer)
}

/// Whether clients that say nothing of themselves may come in from there.
pub(crate) fn is_anonymous_accepted(config: &Config, peer: IpAddr) -> bool {
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

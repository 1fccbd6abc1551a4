//! Who may do what. Each route names its right; nothing else is allowed.

use warren_server::catalog::State;
use warren_server::{AccessSource, Identity};

use crate::error::Error;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Right {
    /// Nothing, not even a login.
    None,
    /// A tag for the HTTP API. Lists show what the user may see.
    Management,
    /// To be the user that the object belongs to, or to have the right to monitor (to look) or to
    /// administer (to change). The handler finds the object and asks.
    Owner,
    /// To see a virtual host: permissions in the one of the path, or the right to monitor.
    Visible,
    /// Permissions in the virtual host of the path, or the right to administer.
    VirtualHost,
    /// The right to make policies in the virtual host of the path, or to administer.
    Policymaker,
    /// The right to monitor.
    Monitoring,
    /// The right to administer.
    Administrator,
}

impl Right {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::None,
        Self::Management,
        Self::Owner,
        Self::Visible,
        Self::VirtualHost,
        Self::Policymaker,
        Self::Monitoring,
        Self::Administrator,
    ];

    /// The name in documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Management => "management",
            Self::Owner => "owner",
            Self::Visible => "visible",
            Self::VirtualHost => "vhost",
            Self::Policymaker => "policymaker",
            Self::Monitoring => "monitoring",
            Self::Administrator => "administrator",
        }
    }

    /// Refuses whoever has not got it, in RabbitMQ's words.
    pub(crate) fn check(
        self,
        state: &State,
        identity: &Identity,
        virtual_host: Option<&str>,
    ) -> Result<(), Error> {
        let has_host = || virtual_host.is_none_or(|host| has_virtual_host(state, identity, host));
        let (allowed, reason) = match self {
            Self::None => return Ok(()),
            _ if !manages(identity) => (false, "Not management user"),
            Self::Management | Self::Owner => return Ok(()),
            Self::Visible => {
                (monitors(identity) || has_host(), "User not authorised to access virtual host")
            }
            Self::VirtualHost => {
                (administers(identity) || has_host(), "User not authorised to access virtual host")
            }
            Self::Policymaker => (
                administers(identity) || (makes_policies(identity) && has_host()),
                "User not authorised to access object",
            ),
            Self::Monitoring => (monitors(identity), "Not monitor user"),
            Self::Administrator => (administers(identity), "Not administrator user"),
        };
        if allowed { Ok(()) } else { Err(Error::not_authorised(reason)) }
    }
}

/// Whether somebody may change everything.
pub(crate) fn administers(identity: &Identity) -> bool {
    identity.has_tag("administrator")
}

/// Whether somebody may see everything that runs.
pub(crate) fn monitors(identity: &Identity) -> bool {
    administers(identity) || identity.has_tag("monitoring")
}

/// Whether somebody may make policies.
pub(crate) fn makes_policies(identity: &Identity) -> bool {
    administers(identity) || identity.has_tag("policymaker")
}

/// Whether somebody may use the HTTP API at all.
pub(crate) fn manages(identity: &Identity) -> bool {
    monitors(identity) || makes_policies(identity) || identity.has_tag("management")
}

/// Whether somebody may do something in a virtual host.
pub(crate) fn has_virtual_host(state: &State, identity: &Identity, virtual_host: &str) -> bool {
    match &identity.access {
        AccessSource::Stored => state.permission(virtual_host, &identity.user).is_some(),
        AccessSource::Scopes(scopes) => scopes.grants(virtual_host).is_some(),
    }
}

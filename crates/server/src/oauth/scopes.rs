//! What a token's scopes allow.
//!
//! ```text
//! <prefix>read:<virtual host>/<name>[/<routing key>]     also write and configure
//! <prefix>tag:<tag>
//! ```

use std::collections::BTreeSet;

use super::Refusal;
use super::pattern::Pattern;
use crate::limits;

/// What somebody may do with a queue or an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Declare and delete it.
    Configure,
    /// Bring messages to it.
    Write,
    /// Take messages from it.
    Read,
}

/// What one scope allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub permission: Permission,
    /// In which virtual hosts.
    pub virtual_host: Pattern,
    /// With which queues and exchanges.
    pub name: Pattern,
    /// With which routing keys, where these matter. None: the scope allows none there.
    pub routing_key: Option<Pattern>,
}

/// What all scopes of a token allow together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    /// What may be done with queues and exchanges.
    pub grants: Vec<Grant>,
    /// The tags, each once, in alphabetical order.
    pub tags: Vec<String>,
}

impl Scopes {
    /// Reads those scopes that begin with `prefix`, and passes over the others and over what is no
    /// scope of a broker.
    pub(super) fn parse<'a>(
        scopes: impl IntoIterator<Item = &'a str>,
        prefix: &str,
    ) -> Result<Self, Refusal> {
        // Each once, in an order that does not depend on that in the token.
        let scopes: BTreeSet<&str> =
            scopes.into_iter().filter_map(|scope| scope.strip_prefix(prefix)).collect();
        if scopes.len() > limits::TOKEN_SCOPES {
            return Err(Refusal::TooManyScopes);
        }
        let mut parsed = Self::default();
        for scope in scopes {
            if let Some(tag) = scope.strip_prefix("tag:") {
                parsed.tags.push(tag.to_owned());
            } else if let Some(grant) = Grant::parse(scope) {
                parsed.grants.push(grant);
            }
        }
        Ok(parsed)
    }

    /// Whether there is anything that may be done in a virtual host.
    #[must_use]
    pub fn reach(&self, virtual_host: &str) -> bool {
        self.grants.iter().any(|grant| grant.virtual_host.matches(virtual_host))
    }
}

impl Grant {
    fn parse(scope: &str) -> Option<Self> {
        let (permission, place) = scope.split_once(':')?;
        let permission = match permission {
            "configure" => Permission::Configure,
            "write" => Permission::Write,
            "read" => Permission::Read,
            _ => return None,
        };
        let mut parts = place.split('/').map(Pattern::parse);
        let (virtual_host, name) = (parts.next()??, parts.next()??);
        let routing_key = match parts.next() {
            Some(pattern) => Some(pattern?),
            None => None,
        };
        parts.next().is_none().then_some(Self { permission, virtual_host, name, routing_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(scopes: &[&str]) -> Scopes {
        Scopes::parse(scopes.iter().copied(), "rabbitmq.").unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_scope_has_two_or_three_parts() {
        let scopes = parse(&["rabbitmq.write:%2F/orders-*/eu.*", "rabbitmq.read:*/q"]);
        let read = Grant {
            permission: Permission::Read,
            virtual_host: pattern("*"),
            name: pattern("q"),
            routing_key: None,
        };
        let write = Grant {
            permission: Permission::Write,
            virtual_host: pattern("%2F"),
            name: pattern("orders-*"),
            routing_key: Some(pattern("eu.*")),
        };
        assert_eq!(scopes.grants, [read, write]);
    }

    #[test]
    fn what_is_no_scope_of_this_broker_is_passed_over() {
        let scopes = parse(&[
            "openid",
            "read:*/*",
            "other.read:*/*",
            "rabbitmq.read",
            "rabbitmq.read:*",
            "rabbitmq.read:*/*/*/*",
            "rabbitmq.read:%zz/*",
            "rabbitmq.read:*/*/%",
            "rabbitmq.browse:*/*",
            "rabbitmq.READ:*/*",
            "rabbitmq.",
        ]);
        assert_eq!(scopes, Scopes::default());
    }

    #[test]
    fn tags_come_from_scopes_too() {
        let scopes = parse(&["rabbitmq.tag:monitoring", "rabbitmq.tag:administrator", "tag:other"]);
        assert_eq!(scopes.tags, ["administrator", "monitoring"]);
    }

    #[test]
    fn a_scope_that_is_there_twice_counts_once() {
        let scopes = parse(&["rabbitmq.read:*/*", "rabbitmq.read:*/*", "rabbitmq.tag:a"]);
        assert_eq!((scopes.grants.len(), scopes.tags.len()), (1, 1));
    }

    #[test]
    fn an_empty_prefix_takes_all() {
        let scopes = Scopes::parse(["configure:a/b", "tag:management"], "").unwrap();
        assert_eq!(scopes.grants.len(), 1);
        assert_eq!(scopes.tags, ["management"]);
    }

    #[test]
    fn scopes_reach_the_virtual_hosts_that_they_name() {
        let scopes = parse(&["rabbitmq.read:prod-*/q", "rabbitmq.tag:administrator"]);
        assert!(scopes.reach("prod-eu"));
        assert!(!scopes.reach("test"));
        assert!(!parse(&["rabbitmq.tag:administrator"]).reach("/"));
    }

    #[test]
    fn there_are_so_many_scopes_at_most() {
        let many: Vec<String> =
            (0..=limits::TOKEN_SCOPES).map(|n| format!("p.read:*/{n}")).collect();
        let few = many.iter().skip(1).map(String::as_str);
        assert_eq!(Scopes::parse(few, "p.").unwrap().grants.len(), limits::TOKEN_SCOPES);
        let all = many.iter().map(String::as_str);
        assert_eq!(Scopes::parse(all, "p."), Err(Refusal::TooManyScopes));
    }
}

//! What a token's scopes allow.
//!
//! ```text
//! <prefix>read:<virtual host>/<name>[/<routing key>]     also write and configure
//! <prefix>tag:<tag>
//! ```

use std::collections::BTreeSet;

use warren_engine::{Right, ScopeGrant, Wildcard};

use super::Refusal;
use crate::limits;

/// What one scope allows, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    virtual_host: Wildcard,
    grant: ScopeGrant,
}

/// What all scopes of a token allow together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    /// What may be done with queues and exchanges.
    scopes: Vec<Scope>,
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
            } else if let Some(scope) = Scope::parse(scope) {
                parsed.scopes.push(scope);
            }
        }
        Ok(parsed)
    }

    /// What may be done in a virtual host. None if that is nothing.
    #[must_use]
    pub fn grants(&self, virtual_host: &str) -> Option<Vec<ScopeGrant>> {
        let there = self.scopes.iter().filter(|scope| scope.virtual_host.matches(virtual_host));
        let grants: Vec<ScopeGrant> = there.map(|scope| scope.grant.clone()).collect();
        (!grants.is_empty()).then_some(grants)
    }
}

impl Scope {
    fn parse(scope: &str) -> Option<Self> {
        let (right, place) = scope.split_once(':')?;
        let right = match right {
            "configure" => Right::Configure,
            "write" => Right::Write,
            "read" => Right::Read,
            _ => return None,
        };
        let mut parts = place.split('/').map(Wildcard::parse);
        let (virtual_host, name) = (parts.next()??, parts.next()??);
        let routing_key = match parts.next() {
            Some(pattern) => Some(pattern?),
            None => None,
        };
        let grant = ScopeGrant { right, name, routing_key };
        parts.next().is_none().then_some(Self { virtual_host, grant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(scopes: &[&str]) -> Scopes {
        Scopes::parse(scopes.iter().copied(), "rabbitmq.").unwrap()
    }

    fn pattern(text: &str) -> Wildcard {
        Wildcard::parse(text).unwrap()
    }

    #[test]
    fn a_scope_has_two_or_three_parts() {
        let scopes = parse(&["rabbitmq.write:%2F/orders-*/eu.*", "rabbitmq.read:*/q"]);
        let read = ScopeGrant { right: Right::Read, name: pattern("q"), routing_key: None };
        let write = ScopeGrant {
            right: Right::Write,
            name: pattern("orders-*"),
            routing_key: Some(pattern("eu.*")),
        };
        assert_eq!(scopes.grants("/"), Some(vec![read.clone(), write]));
        assert_eq!(scopes.grants("other"), Some(vec![read]));
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
        assert_eq!((scopes.scopes.len(), scopes.tags.len()), (1, 1));
    }

    #[test]
    fn an_empty_prefix_takes_all() {
        let scopes = Scopes::parse(["configure:a/b", "tag:management"], "").unwrap();
        assert_eq!(scopes.scopes.len(), 1);
        assert_eq!(scopes.tags, ["management"]);
    }

    #[test]
    fn scopes_reach_the_virtual_hosts_that_they_name() {
        let scopes = parse(&["rabbitmq.read:prod-*/q", "rabbitmq.tag:administrator"]);
        assert!(scopes.grants("prod-eu").is_some());
        assert_eq!(scopes.grants("test"), None);
        assert_eq!(parse(&["rabbitmq.tag:administrator"]).grants("/"), None);
    }

    #[test]
    fn there_are_so_many_scopes_at_most() {
        let many: Vec<String> =
            (0..=limits::TOKEN_SCOPES).map(|n| format!("p.read:*/{n}")).collect();
        let few = many.iter().skip(1).map(String::as_str);
        assert_eq!(Scopes::parse(few, "p.").unwrap().scopes.len(), limits::TOKEN_SCOPES);
        let all = many.iter().map(String::as_str);
        assert_eq!(Scopes::parse(all, "p."), Err(Refusal::TooManyScopes));
    }
}

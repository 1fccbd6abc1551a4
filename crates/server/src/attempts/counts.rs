//! How many attempts to log in there were, for whoever watches.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Attempt;
use crate::limits;

/// By what somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// AMQP 0-9-1.
    Amqp091,
    /// The management API and the pages.
    Http,
}

impl Protocol {
    /// RabbitMQ's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amqp091 => "amqp091",
            Self::Http => "http",
        }
    }
}

/// How many attempts there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that failed.
    pub failed: u64,
    /// Those that did not.
    pub succeeded: u64,
}

impl Counts {
    /// All.
    #[must_use]
    pub fn all(self) -> u64 {
        self.failed.saturating_add(self.succeeded)
    }

    fn add(&mut self, succeeded: bool) {
        let count = if succeeded { &mut self.succeeded } else { &mut self.failed };
        *count = count.saturating_add(1);
    }
}

/// How many attempts there were from an address with a user name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCounts {
    /// Where from.
    pub address: IpAddr,
    /// With which name, of which at most 255 bytes are kept.
    pub user: String,
    /// By which protocol.
    pub protocol: Protocol,
    /// How many.
    pub counts: Counts,
}

type Source = (IpAddr, String, Protocol);

#[derive(Debug)]
pub(super) struct All {
    protocols: BTreeMap<Protocol, Counts>,
    /// None if these are not counted.
    sources: Option<BTreeMap<Source, Counts>>,
}

impl All {
    pub(super) fn new(by_source: bool) -> Self {
        Self { protocols: BTreeMap::new(), sources: by_source.then(BTreeMap::new) }
    }

    pub(super) fn count(&mut self, attempt: &Attempt<'_>) {
        self.protocols.entry(attempt.protocol).or_default().add(attempt.succeeded);
        let Some(sources) = &mut self.sources else { return };
        let end = attempt.user.floor_char_boundary(255);
        let user = attempt.user.get(..end).unwrap_or_default().to_owned();
        let source = (attempt.address.to_canonical(), user, attempt.protocol);
        // Those that came first stay: an attacker cannot push them out with names that are made up.
        if sources.len() < limits::ATTEMPT_SOURCES || sources.contains_key(&source) {
            sources.entry(source).or_default().add(attempt.succeeded);
        }
    }

    pub(super) fn by_protocol(&self) -> Vec<(Protocol, Counts)> {
        self.protocols.iter().map(|(protocol, counts)| (*protocol, *counts)).collect()
    }

    pub(super) fn by_source(&self) -> Vec<SourceCounts> {
        let all = self.sources.iter().flatten();
        let one = |((address, user, protocol), counts): (&Source, &Counts)| SourceCounts {
            address: *address,
            user: user.clone(),
            protocol: *protocol,
            counts: *counts,
        };
        all.map(one).collect()
    }

    pub(super) fn reset(&mut self) {
        self.protocols.clear();
        if let Some(sources) = &mut self.sources {
            sources.clear();
        }
    }
}

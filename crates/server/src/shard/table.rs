//! The virtual hosts of a shard: when each of them wants the time, and its share of the memory. What
//! is looked at is what commands came to, so that idle ones cost nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use warren_engine::{Milliseconds, VirtualHost, VirtualHostId};

use crate::hosts::{self, Budget, Share};

#[derive(Debug)]
struct Hosted {
    host: VirtualHost,
    name: Arc<str>,
    /// When it is looked at next, as it stands in `dues`.
    due: Option<Milliseconds>,
    /// It stands in `stirred`.
    is_stirred: bool,
    share: Share,
    /// By how much its limits are divided.
    parts: usize,
}

#[derive(Debug)]
pub(super) struct Table {
    hosts: FxHashMap<VirtualHostId, Hosted>,
    dues: BTreeSet<(Milliseconds, VirtualHostId)>,
    /// Those that something was done to since the last call of `settle`.
    stirred: Vec<VirtualHostId>,
    budget: Arc<Budget>,
}

impl Table {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        let (hosts, dues, stirred) = (FxHashMap::default(), BTreeSet::new(), Vec::new());
        Self { hosts, dues, stirred, budget }
    }

    pub(super) fn add(&mut self, host: VirtualHost) {
        let (id, name) = (host.id(), host.name().into());
        let share = self.budget.enter();
        let hosted = Hosted { host, name, due: None, is_stirred: true, share, parts: 1 };
        self.stirred.push(id);
        self.hosts.insert(id, hosted);
    }

    pub(super) fn remove(&mut self, id: VirtualHostId) -> Option<VirtualHost> {
        let hosted = self.hosts.remove(&id)?;
        if let Some(due) = hosted.due {
            self.dues.remove(&(due, id));
        }
        self.budget.leave(&hosted.share);
        Some(hosted.host)
    }

    pub(super) fn has(&self, id: VirtualHostId) -> bool {
        self.hosts.contains_key(&id)
    }

    /// A virtual host, to do something to it.
    pub(super) fn stir(&mut self, id: VirtualHostId) -> Option<&mut VirtualHost> {
        let hosted = self.hosts.get_mut(&id)?;
        if !hosted.is_stirred {
            hosted.is_stirred = true;
            self.stirred.push(id);
            let parts = self.budget.parts();
            if hosted.parts != parts {
                hosted.parts = parts;
                hosted.host.set_memory_limits(hosts::part(parts));
            }
        }
        Some(&mut hosted.host)
    }

    /// Looks at what was stirred: when it wants the time, and how much memory it has.
    pub(super) fn settle(&mut self) {
        for id in self.stirred.drain(..) {
            let Some(hosted) = self.hosts.get_mut(&id) else { continue };
            hosted.is_stirred = false;
            self.budget.note(&mut hosted.share, hosted.host.resident_bytes());
            let due = hosted.host.next_due();
            if due != hosted.due {
                if let Some(before) = hosted.due {
                    self.dues.remove(&(before, id));
                }
                self.dues.extend(due.map(|due| (due, id)));
                hosted.due = due;
            }
        }
    }

    /// When the first of them wants the time.
    pub(super) fn next_due(&self) -> Option<Milliseconds> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// One that wants the time now. It is due again only after `settle`.
    pub(super) fn take_due(&mut self, now: Milliseconds) -> Option<&mut VirtualHost> {
        let (due, id) = self.dues.first().copied().filter(|(due, _)| *due <= now)?;
        self.dues.remove(&(due, id));
        if let Some(hosted) = self.hosts.get_mut(&id) {
            hosted.due = None;
        }
        self.stir(id)
    }

    /// All of them, with their names, to be looked at.
    pub(super) fn iter_mut(
        &mut self,
    ) -> impl Iterator<Item = (VirtualHostId, &Arc<str>, &mut VirtualHost)> {
        self.hosts.iter_mut().map(|(id, hosted)| (*id, &hosted.name, &mut hosted.host))
    }
}

#[cfg(test)]
mod tests {
    use warren_amqp::{FieldTable, FieldValue};
    use warren_engine::{Access, Command, Declaration, Effects, Request, SessionId};

    use super::*;

    /// A virtual host with a queue that goes when it is not used for so many milliseconds.
    fn host(id: u32, expires: i32) -> VirtualHost {
        let (session, channel) = (SessionId(1), 1);
        let mut host = VirtualHost::new(VirtualHostId(id), "h");
        let mut effects = Effects::default();
        let access = Arc::new(Access::everything("guest"));
        host.apply(Command::Clock(1), &mut effects);
        host.apply(Command::OpenSession { session, access }, &mut effects);
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".into(), FieldValue::LongInt(expires));
        let (name, generated) = ("q".to_owned(), false);
        let declaration = Declaration::default();
        for request in [
            Request::ChannelOpen,
            Request::QueueDeclare { name, generated, declaration, arguments },
        ] {
            host.apply(Command::Request { session, channel, request }, &mut effects);
        }
        host
    }

    #[test]
    fn those_that_are_due_come_in_the_order_of_their_times() {
        let mut table = Table::new(Arc::default());
        for (id, expires) in [(1, 500), (2, 100), (3, 300)] {
            table.add(host(id, expires));
        }
        assert_eq!(table.next_due(), None, "nobody has looked yet");
        table.settle();
        assert_eq!(table.next_due(), Some(101));
        let mut effects = Effects::default();
        let mut looked_at = vec![];
        while let Some(host) = table.take_due(350) {
            looked_at.push(host.id().0);
            host.apply(Command::Clock(350), &mut effects);
        }
        assert_eq!(looked_at, [2, 3]);
        table.settle();
        assert_eq!(table.next_due(), Some(501));
        let removed = table.remove(VirtualHostId(1));
        assert!(removed.is_some() && table.next_due().is_none());
    }
}

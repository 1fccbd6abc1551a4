//! What users may do: looked at before anything is said of what there is, as RabbitMQ does.

use std::sync::Arc;

use super::VirtualHost;
use super::timeout::NO_METHOD;
use crate::record::{BindingRecord, Destination};
use crate::topology::{VIRTUAL_TOPIC, queue_of_topic};
use crate::{Access, Effects, Error, Message, Right, SessionId, copies};

/// What a right is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Resource<'a> {
    Queue(&'a str),
    Exchange(&'a str),
}

impl<'a> Resource<'a> {
    pub(super) fn of(destination: &'a Destination) -> Self {
        match destination {
            Destination::Queue(name) => Self::Queue(name),
            Destination::Exchange(name) => Self::Exchange(name),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Exchange(_) => "exchange",
        }
    }

    /// The name that patterns are held against.
    fn name(self) -> &'a str {
        match self {
            Self::Exchange("") => "amq.default",
            Self::Queue(name) | Self::Exchange(name) => name,
        }
    }
}

impl VirtualHost {
    /// Changes what a session may do. A channel that goes on to consume what may not be read any
    /// more is closed.
    pub(super) fn set_access(&mut self, id: SessionId, access: Arc<Access>, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.rights.replace(access);
        if session.rights.are_everything() {
            return;
        }
        let queues = |(number, channel): (&u16, &crate::session::Channel)| {
            let queues: Vec<_> =
                channel.consumers.values().map(|consumer| consumer.queue).collect();
            (*number, queues)
        };
        let mut channels: Vec<_> = session.channels.iter().map(queues).collect();
        channels.sort_unstable();
        for (channel, queues) in channels {
            let refused = queues.into_iter().find_map(|queue| {
                let name = self.queue_name(queue)?.to_owned();
                self.check_may(id, Right::Read, Resource::Queue(&name)).err()
            });
            if let Some(error) = refused {
                self.refuse(id, channel, error.into(), NO_METHOD, effects);
            }
        }
    }

    /// The session, if there is anything that its user may not do.
    pub(super) fn limited(&self, session: SessionId) -> Option<SessionId> {
        let rights = &self.sessions.get(&session)?.rights;
        (!rights.are_everything()).then_some(session)
    }

    /// Refuses what the session's user has no right for.
    pub(super) fn check_may(
        &mut self,
        session: SessionId,
        right: Right,
        resource: Resource<'_>,
    ) -> Result<(), Error> {
        self.check_any(session, &[right], resource)
    }

    /// Refuses to tell of something for which the session's user has no right at all.
    pub(super) fn check_known(
        &mut self,
        session: SessionId,
        resource: Resource<'_>,
    ) -> Result<(), Error> {
        self.check_any(session, &[Right::Configure, Right::Write, Right::Read], resource)
    }

    fn check_any(
        &mut self,
        session: SessionId,
        rights: &[Right],
        resource: Resource<'_>,
    ) -> Result<(), Error> {
        let Some(session) = self.sessions.get_mut(&session) else { return Ok(()) };
        let name = resource.name();
        if rights.iter().any(|right| session.rights.may(*right, name)) {
            return Ok(());
        }
        let (name, vhost) = (name.to_owned(), self.name.clone());
        let user = session.rights.user().to_owned();
        Err(Error::AccessRefused { kind: resource.kind(), name, vhost, user })
    }

    /// Refuses a routing key at an exchange, if that is one where users may have some only.
    fn check_topic(
        &mut self,
        session: SessionId,
        right: Right,
        exchange: &str,
        key: &str,
    ) -> Result<(), Error> {
        let Some(session) = self.sessions.get_mut(&session) else { return Ok(()) };
        if session.rights.may_use_topic(right, exchange, key)
            || !self.topology.exchange(exchange).is_some_and(|found| found.routes_by_words())
        {
            return Ok(());
        }
        let (routing_key, exchange) = (key.to_owned(), exchange.to_owned());
        let user = session.rights.user().to_owned();
        Err(Error::TopicRefused { routing_key, exchange, vhost: self.name.clone(), user })
    }

    /// Whether a message may have its routing keys at its exchange, or at the virtual topic that
    /// keys of the default exchange may name.
    pub(super) fn check_keys(
        &mut self,
        session: SessionId,
        message: &Message,
    ) -> Result<(), Error> {
        let exchange = message.exchange();
        for key in copies::keys(message) {
            if !exchange.is_empty() {
                self.check_topic(session, Right::Write, exchange, key)?;
            } else if self.topology.is_topic_key(key) {
                self.check_may(session, Right::Write, Resource::Exchange(VIRTUAL_TOPIC))?;
                self.check_topic(session, Right::Write, VIRTUAL_TOPIC, key)?;
            }
        }
        Ok(())
    }

    /// Whether messages may be led from one end of a binding to the other. The default exchange is
    /// not bound by anybody.
    pub(super) fn check_may_bind(
        &mut self,
        session: SessionId,
        binding: &BindingRecord,
    ) -> Result<(), Error> {
        let BindingRecord { source, destination, routing_key, .. } = binding;
        self.check_may(session, Right::Write, Resource::of(destination))?;
        if source.is_empty() || *destination == Destination::Exchange(String::new()) {
            return Err(Error::DefaultExchange);
        }
        self.check_may(session, Right::Read, Resource::Exchange(source))?;
        self.check_topic(session, Right::Read, source, routing_key)
    }

    /// Whether a user may let a queue or an exchange of its own give messages to an exchange that
    /// an argument of its declaration names.
    pub(super) fn check_may_lead(
        &mut self,
        session: SessionId,
        from: Resource<'_>,
        to: &str,
    ) -> Result<(), Error> {
        self.check_may(session, Right::Read, from)?;
        self.check_may(session, Right::Write, Resource::Exchange(to))
    }

    /// The queue that a name means to those who take messages out: `topic::queue` is the queue.
    pub(super) fn queue_part<'a>(&self, name: &'a str) -> &'a str {
        match queue_of_topic(name) {
            Some((_, queue)) if self.topology.queue(name).is_none() => queue,
            _ => name,
        }
    }
}

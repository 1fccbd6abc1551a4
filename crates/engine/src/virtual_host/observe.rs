//! What has changed since it was last shown, for those who look at the broker.
//!
//! Each object has a mark that says whether it is on the list of what is to be shown, so that it is
//! there once, however often it changes. Before the first look all marks are set and nothing is on
//! a list: a virtual host that nobody looks at spends a branch that is always taken. None of this
//! decides anything, and nothing that is decided depends on it.

use std::mem::take;
use std::sync::Arc;

use super::VirtualHost;
use crate::limits;
use crate::observation::{
    ChannelKey, ChannelSample, ConsumerDescription, ConsumerSample, HostCounters, Observation,
    QueueDescription, QueueSample,
};
use crate::queue::{ConsumerKey, Queue};
use crate::session::{Channel, Consumer};
use crate::topology::taken;
use crate::{QueueId, SessionId};

type At = (SessionId, u16);

/// What is to be shown.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Counted over all objects, also those that are gone.
    pub(super) counters: HostCounters,
    /// Somebody looks.
    is_observed: bool,
    /// It begins anew.
    is_first: bool,
    /// The look at hand.
    look: Option<u64>,
    /// What came before it, and is to be shown by it.
    shown: Lists,
    /// What came since.
    since: Lists,
}

#[derive(Debug, Default)]
struct Lists {
    queues: Vec<QueueId>,
    channels: Vec<At>,
    consumers: Vec<ConsumerKey>,
    queues_gone: Vec<QueueId>,
    channels_gone: Vec<ChannelKey>,
    consumers_gone: Vec<u32>,
}

impl Lists {
    fn append(&mut self, later: &mut Self) {
        self.queues.append(&mut later.queues);
        self.channels.append(&mut later.channels);
        self.consumers.append(&mut later.consumers);
        self.queues_gone.append(&mut later.queues_gone);
        self.channels_gone.append(&mut later.channels_gone);
        self.consumers_gone.append(&mut later.consumers_gone);
    }

    fn len(&self) -> usize {
        let changed = self.queues.len() + self.channels.len() + self.consumers.len();
        let gone = self.queues_gone.len() + self.channels_gone.len() + self.consumers_gone.len();
        changed + gone
    }
}

impl Changes {
    /// A queue has changed.
    pub(super) fn queue(&mut self, queue: &mut Queue) {
        if !queue.is_noted {
            queue.is_noted = true;
            self.since.queues.push(queue.record.id);
        }
    }

    /// A channel has changed.
    pub(super) fn channel(&mut self, at: At, channel: &mut Channel) {
        if !channel.is_noted {
            channel.is_noted = true;
            self.since.channels.push(at);
        }
    }

    /// A consumer has changed.
    pub(super) fn consumer(&mut self, key: ConsumerKey, consumer: &mut Consumer) {
        if !consumer.is_noted {
            consumer.is_noted = true;
            self.since.consumers.push(key);
        }
    }

    pub(super) fn queue_created(&mut self, id: QueueId) {
        self.counters.queues_created += 1;
        if self.is_observed {
            self.since.queues.push(id);
        }
    }

    pub(super) fn queue_deleted(&mut self, id: QueueId) {
        self.counters.queues_deleted += 1;
        if self.is_observed {
            self.since.queues_gone.push(id);
        }
    }

    /// Gives the channel's incarnation.
    pub(super) fn channel_opened(&mut self, at: At) -> u64 {
        self.counters.channels_opened += 1;
        if self.is_observed {
            self.since.channels.push(at);
        }
        self.counters.channels_opened
    }

    pub(super) fn channel_closed(&mut self, at: At, incarnation: u64) {
        self.counters.channels_closed += 1;
        if self.is_observed {
            let (session, channel) = at;
            self.since.channels_gone.push(ChannelKey { session, channel, incarnation });
        }
    }

    pub(super) fn consumer_made(&mut self, key: ConsumerKey) {
        if self.is_observed {
            self.since.consumers.push(key);
        }
    }

    pub(super) fn consumer_gone(&mut self, number: u32) {
        if self.is_observed {
            self.since.consumers_gone.push(number);
        }
    }
}

impl VirtualHost {
    /// Shows what has changed since it was last shown, and everything at first: at most `max_items`
    /// objects, into an observation that is empty. True if there is more for this look: what had
    /// changed when it began, which was with the first call for a number of another `look`.
    ///
    /// This changes nothing that follows from commands.
    pub fn observe(&mut self, look: u64, max_items: usize, out: &mut Observation) -> bool {
        if !self.changes.is_observed || self.unseen() > limits::UNSEEN_CHANGES {
            self.observe_anew();
        }
        if self.changes.look != Some(look) {
            self.changes.look = Some(look);
            self.changes.shown.append(&mut self.changes.since);
            self.topology.show_changes();
        }
        out.is_first |= take(&mut self.changes.is_first);
        out.host = self.changes.counters;
        out.host.exchanges = self.topology.published;
        let mut left = max_items;
        self.show_gone(&mut left, out);
        self.topology.observe(&mut left, out);
        self.show_queues(&mut left, out);
        self.show_channels(&mut left, out);
        self.show_consumers(&mut left, out);
        self.changes.shown.len() > 0 || self.topology.has_changes_to_show()
    }

    /// A consumer has changed.
    pub(super) fn note_consumer(&mut self, key: ConsumerKey) {
        let session = self.sessions.get_mut(&key.session);
        let channel = session.and_then(|session| session.channels.get_mut(&key.channel));
        let consumer = channel.and_then(|channel| channel.consumers.get_mut(&key.number));
        if let Some(consumer) = consumer {
            self.changes.consumer(key, consumer);
        }
    }

    /// How many changes nobody has seen.
    fn unseen(&self) -> usize {
        self.changes.since.len() + self.topology.unseen()
    }

    /// The next look begins anew, for somebody who has not seen what came before.
    pub fn observe_anew(&mut self) {
        let mut all = Lists { queues: self.queues.keys().copied().collect(), ..Lists::default() };
        for queue in self.queues.values_mut() {
            (queue.is_noted, queue.is_shown) = (true, false);
        }
        for (session, state) in &mut self.sessions {
            for (channel, state) in &mut state.channels {
                let (session, channel) = (*session, *channel);
                state.is_noted = true;
                all.channels.push((session, channel));
                for (number, consumer) in &mut state.consumers {
                    (consumer.is_noted, consumer.is_shown) = (true, false);
                    all.consumers.push(ConsumerKey { session, channel, number: *number });
                }
            }
        }
        self.topology.observe_anew();
        let counters = self.changes.counters;
        let is_first = true;
        self.changes =
            Changes { counters, is_observed: true, is_first, since: all, ..Changes::default() };
    }

    fn show_gone(&mut self, left: &mut usize, out: &mut Observation) {
        let lists = &mut self.changes.shown;
        out.queues_gone.append(&mut taken(&mut lists.queues_gone, left));
        out.channels_gone.append(&mut taken(&mut lists.channels_gone, left));
        out.consumers_gone.append(&mut taken(&mut lists.consumers_gone, left));
    }

    fn show_queues(&mut self, left: &mut usize, out: &mut Observation) {
        let now = self.now;
        for id in taken(&mut self.changes.shown.queues, left) {
            // One that is gone is on another list.
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.note_stalled(now);
            queue.is_noted = false;
            out.queues.push(queue.sample());
            queue.is_shown = true;
        }
    }

    fn show_channels(&mut self, left: &mut usize, out: &mut Observation) {
        for (session, channel) in taken(&mut self.changes.shown.channels, left) {
            let Some(state) = self.channel_mut((session, channel)) else { continue };
            // One that had the same number may be on the list, too.
            if !take(&mut state.is_noted) {
                continue;
            }
            out.channels.push(state.sample(session, channel));
        }
    }

    fn show_consumers(&mut self, left: &mut usize, out: &mut Observation) {
        for key in taken(&mut self.changes.shown.consumers, left) {
            let session = self.sessions.get_mut(&key.session);
            let channel = session.and_then(|session| session.channels.get_mut(&key.channel));
            let Some(channel) = channel else { continue };
            let incarnation = channel.incarnation;
            let Some(consumer) = channel.consumers.get_mut(&key.number) else { continue };
            let queue = self.queues.get(&consumer.queue);
            let is_active = queue.is_some_and(|queue| queue.serves(key));
            consumer.is_noted = false;
            let channel = ChannelKey { session: key.session, channel: key.channel, incarnation };
            out.consumers.push(consumer.sample(channel, key.number, is_active));
            consumer.is_shown = true;
        }
    }
}

impl Queue {
    fn sample(&self) -> QueueSample {
        let description = (!self.is_shown).then(|| {
            Arc::new(QueueDescription {
                record: self.record.clone(),
                kind: self.settings.kind,
                owner: self.owner,
                declared_at: (self.declared_at != 0).then_some(self.declared_at),
                policies: self.policies.clone(),
            })
        });
        QueueSample { id: self.record.id, description, counts: self.counts() }
    }
}

impl Channel {
    fn sample(&self, session: SessionId, channel: u16) -> ChannelSample {
        let transaction = self.transaction.as_ref();
        ChannelSample {
            key: ChannelKey { session, channel, incarnation: self.incarnation },
            prefetch_count: self.prefetch_consumer,
            global_prefetch_count: self.prefetch_channel,
            confirm: self.confirms.is_some(),
            to_be_confirmed: self.confirms.unwrap_or_default(),
            transactional: transaction.is_some(),
            consumers: self.consumers.len() as u32,
            messages_unacknowledged: self.unsettled() as u64,
            messages_uncommitted: transaction.map_or(0, |held| held.publishes() as u64),
            acks_uncommitted: transaction.map_or(0, |held| held.deliveries().count() as u64),
            messages: self.messages,
        }
    }
}

impl Consumer {
    fn sample(&self, channel: ChannelKey, number: u32, is_active: bool) -> ConsumerSample {
        let description = (!self.is_shown).then(|| {
            Arc::new(ConsumerDescription {
                channel,
                queue: self.queue,
                tag: self.tag.clone(),
                ack_required: !self.no_ack,
                exclusive: self.exclusive,
                prefetch_count: self.prefetch,
                priority: self.priority,
                timeout: self.timeout,
                arguments: self.arguments.clone(),
            })
        });
        ConsumerSample {
            number,
            description,
            is_active,
            delivered: self.delivered,
            redelivered: self.redelivered,
            acknowledged: self.acknowledged,
            unacknowledged: self.in_flight,
        }
    }
}

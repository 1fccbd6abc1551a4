//! Policies while everything goes on: each exchange and queue is looked at again, some at a time, and
//! what changes for it holds at once for what is there.
//!
//! Matching names is the work that counts; what follows for the messages of a queue is done as time
//! allows, as other long work is (see `time`).

use std::sync::Arc;

use super::VirtualHost;
use super::time::Timer;
use crate::expiry::NEVER;
use crate::planted::{self, Bug};
use crate::policy::{self, EffectivePolicies, Policies};
use crate::queue::ConsumerKey;
use crate::router::ExchangeKey;
use crate::settings::QueueSettings;
use crate::{Effects, Milliseconds, QueueId, limits};

/// The policies, and what has not been looked at since they changed.
#[derive(Debug, Default)]
pub(super) struct PolicyState {
    current: Arc<Policies>,
    exchanges: Vec<ExchangeKey>,
    queues: Vec<QueueId>,
    /// When the rest is looked at.
    due: Option<Milliseconds>,
    /// There were policies since the start.
    is_used: bool,
}

impl PolicyState {
    fn is_done(&self) -> bool {
        self.exchanges.is_empty() && self.queues.is_empty()
    }
}

impl VirtualHost {
    /// Sets the policies before the first session is opened, for all that a restart found.
    pub fn set_policies(&mut self, policies: Arc<Policies>) {
        if planted::is(Bug::PoliciesLostAtRestart) {
            return;
        }
        self.begin_policies(policies);
        while !self.policies.is_done() {
            self.work_off_policies();
        }
    }

    /// Which policies apply to a queue, and what holds for it; `None` if it is not there.
    #[must_use]
    pub fn queue_policies(&self, name: &str) -> Option<EffectivePolicies> {
        let queue = self.queues.get(&self.topology.queue(name)?)?;
        Some(queue.policies.of_queue(&queue.record.arguments))
    }

    /// Which policies apply to an exchange, and what holds for it; `None` if it is not there.
    #[must_use]
    pub fn exchange_policies(&self, name: &str) -> Option<EffectivePolicies> {
        let exchange = self.topology.exchange(name)?;
        Some(exchange.policies.of_exchange(&exchange.record.arguments))
    }

    /// The policies are others from now on: for as much as is looked at in one go at once, and for
    /// the rest as time allows.
    pub(super) fn change_policies(&mut self, policies: Arc<Policies>, effects: &mut Effects) {
        effects.without_effect.extend(self.begin_policies(policies));
        if planted::is(Bug::PolicyForNewAlone) {
            self.policies.queues.clear();
        }
        self.work_off_policies();
        self.go_on_with_policies();
    }

    /// Gives the settings without effect that no policy had before.
    fn begin_policies(&mut self, policies: Arc<Policies>) -> Vec<&'static str> {
        let new = self.compatibility.set_policies(policies.without_effect());
        self.policies.is_used |= !policies.is_empty();
        self.policies.current = policies;
        self.policies.exchanges = self.topology.exchange_keys();
        self.policies.queues = self.queues.keys().copied().collect();
        // The oldest ones first, in an order that does not hang on hashes.
        self.policies.queues.sort_unstable_by(|a, b| b.cmp(a));
        new
    }

    fn go_on_with_policies(&mut self) {
        if let Some(before) = self.policies.due.take() {
            self.timers.forget(before, Timer::Policies);
        }
        if !self.policies.is_done() {
            self.policies.due = Some(self.now);
            self.timers.set(self.now, Timer::Policies);
        }
    }

    /// Looks at some exchanges and queues. Gives how much that was, as a part of the work that may
    /// be done at one time.
    pub(super) fn look_at_policies(&mut self) -> usize {
        self.policies.due = None;
        let left = self.work_off_policies();
        self.go_on_with_policies();
        limits::EXPIRED_MESSAGES - left * limits::EXPIRED_MESSAGES / limits::POLICY_STEP
    }

    /// Gives how much more could have been done, if there were more.
    fn work_off_policies(&mut self) -> usize {
        let mut left = limits::POLICY_STEP;
        while left > 0
            && let Some(key) = self.policies.exchanges.pop()
        {
            left = left.saturating_sub(self.topology.apply_policies(key, &self.policies.current));
        }
        while left > 0
            && let Some(id) = self.policies.queues.pop()
        {
            left = left.saturating_sub(self.apply_policies(id));
        }
        left
    }

    /// An exchange was declared now.
    pub(super) fn apply_policies_to_exchange(&mut self, name: &str) {
        if !self.policies.current.is_empty() {
            self.topology.apply_policies_to(name, &self.policies.current);
        }
    }

    /// Lets the policies that apply to a queue hold. Gives how much work that was.
    pub(super) fn apply_policies(&mut self, id: QueueId) -> usize {
        let Some(queue) = self.queues.get_mut(&id) else { return 1 };
        let (found, work) =
            self.policies.current.for_queue(&queue.record.name, queue.settings.kind);
        let work = work + 1;
        if found == queue.policies {
            return work;
        }
        queue.policies = found;
        queue.is_shown = false;
        self.changes.queue(queue);
        let settings = policy::queue_settings(&queue.record, &queue.policies);
        if settings == queue.settings {
            return work;
        }
        self.change_settings(id, settings);
        work + limits::POLICY_CHANGE_COST
    }

    fn change_settings(&mut self, id: QueueId, settings: QueueSettings) {
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let before = queue.set_settings(settings, now);
        let settings = &queue.settings;
        let drops_letters = settings.dead_letter.is_none() && !queue.leaving.is_empty();
        let timeout = settings.consumer_timeout;
        let consumers = match before.consumer_timeout == timeout {
            true => vec![],
            false => queue.consumers.iter().copied().collect::<Vec<_>>(),
        };
        // It is looked at, whatever follows: something may have to go, or need not any more.
        if queue.due != NEVER {
            self.timers.forget(queue.due, Timer::Queue(id));
        }
        queue.due = now;
        self.timers.set(now, Timer::Queue(id));
        if drops_letters {
            self.note_leaving(id);
        }
        self.set_queue_timeout(&consumers, timeout);
        self.look_at_stream(id);
        self.mark_dirty(id);
    }

    /// The time changes that deliveries of a queue may stay unacknowledged.
    fn set_queue_timeout(&mut self, consumers: &[ConsumerKey], timeout: Option<Milliseconds>) {
        if planted::is(Bug::ConsumerKeepsTimeout) {
            return;
        }
        for ConsumerKey { session, channel, number } in consumers.iter().copied() {
            let channel = self.channel_mut((session, channel));
            let consumer = channel.and_then(|channel| channel.consumers.get_mut(&number));
            if let Some(consumer) = consumer.filter(|consumer| !consumer.has_own_timeout) {
                consumer.timeout = timeout;
            }
        }
        self.note_timeout(timeout);
    }

    /// What is known to apply is what would be found, as far as it has been looked at.
    pub(super) fn check_policies(&self) -> Result<(), String> {
        if self.policies.due.is_some() == self.policies.is_done() {
            return Err("it is not known that policies have to be looked at".to_owned());
        }
        if !self.policies.is_done() || !self.policies.is_used {
            return Ok(());
        }
        for queue in self.queues.values() {
            let name = &queue.record.name;
            let (found, _) = self.policies.current.for_queue(name, queue.settings.kind);
            if found != queue.policies {
                return Err(format!("queue {name}: other policies apply to it"));
            }
            if policy::queue_settings(&queue.record, &found) != queue.settings {
                return Err(format!("queue {name}: its settings are not what its policies say"));
            }
        }
        self.topology.check_policies(&self.policies.current)
    }
}

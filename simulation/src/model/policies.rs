//! Policies that change while everything goes on.

use warren_engine::Milliseconds;

use super::dead_letters::Past;
use super::{Expiry, Model, QueueNumber};
use crate::messages::MessageId;
use crate::policies::PolicySet;
use crate::settings::Settings;

impl Model {
    /// Policies are on their way to the broker.
    pub(crate) fn policies_asked(&mut self, policies: PolicySet) {
        self.policies_asked.push_back(policies);
    }

    /// They hold from now on, for what is there too.
    pub(super) fn set_policies(&mut self) {
        let Some(policies) = self.policies_asked.pop_front() else { return };
        let numbers: Vec<QueueNumber> = self.queues.keys().copied().collect();
        for number in numbers {
            let Some(queue) = self.queues.get(&number) else { continue };
            let settings = policies.settings(&queue.name, self.times_out);
            self.change_settings(number, settings);
        }
        self.topology.policies = policies;
    }

    fn change_settings(&mut self, number: QueueNumber, settings: Settings) {
        let Some(mut queue) = self.queues.remove(&number) else { return };
        if settings.ttl != queue.settings.ttl {
            for copy in queue.copies.values_mut() {
                let last = self.due(&settings, copy.message, &copy.past, copy.time);
                // The time of what waited for a commit, and for no other time then, may begin before.
                let published = self.messages.get(copy.message as usize);
                let time = published.map_or(copy.time, |it| it.publication.time.min(copy.time));
                let time = if copy.past.deaths.is_empty() { time } else { copy.time };
                let due = self.due(&settings, copy.message, &copy.past, time);
                copy.expires = Expiry { due, last: last.max(self.now) };
            }
        }
        if settings.expires != queue.settings.expires {
            // The time begins with the change.
            queue.used = Some(self.now);
        }
        queue.settings = settings;
        self.queues.insert(number, queue);
    }

    /// When a message is to leave a queue, where its time began at `time`. A dead letter has lost
    /// its own.
    pub(super) fn due(
        &self,
        settings: &Settings,
        id: MessageId,
        past: &Past,
        time: Milliseconds,
    ) -> Milliseconds {
        let published = self.messages.get(id as usize);
        let own = published.and_then(|published| published.publication.expiration);
        let own = own.filter(|_| past.deaths.is_empty());
        settings.due(own, time)
    }
}

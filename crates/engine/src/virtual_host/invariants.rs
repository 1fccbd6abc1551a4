//! What must hold after every command, whatever it was. Tests check it; nothing else calls it.

use rustc_hash::FxHashMap;

use super::VirtualHost;
use crate::QueueId;
use crate::expiry::NEVER;
use crate::queue::{ConsumerKey, WaitingGet};
use crate::stream::Stream;
use crate::transaction::Transaction;

impl VirtualHost {
    /// Checks that the state agrees with itself.
    ///
    /// # Errors
    ///
    /// The first disagreement, in words.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_queues()?;
        self.check_policies()?;
        self.check_sessions()
    }

    fn check_queues(&self) -> Result<(), String> {
        let mut unacknowledged: FxHashMap<QueueId, (usize, usize)> = FxHashMap::default();
        for session in self.sessions.values() {
            for channel in session.channels.values() {
                for delivery in channel.deliveries() {
                    let (count, bytes) = unacknowledged.entry(delivery.queue).or_default();
                    *count += 1;
                    *bytes += delivery.entry.resident_bytes();
                }
            }
        }
        let mut resident_bytes = 0;
        for (id, queue) in &self.queues {
            let name = &queue.record.name;
            let found = unacknowledged.get(id).copied().unwrap_or_default();
            let counted = (queue.unacknowledged, queue.unacknowledged_bytes);
            if counted != found {
                return Err(format!(
                    "queue {name}: {counted:?} unacknowledged and their bytes, {found:?} on channels"
                ));
            }
            resident_bytes += queue.resident_bytes();
            if let Err(fault) = queue.backlog.check() {
                return Err(format!("queue {name}: {fault}"));
            }
            if let Err(fault) = queue.check_counts() {
                return Err(format!("queue {name}: {fault}"));
            }
            if let Err(fault) = queue.leaving.check() {
                return Err(format!("queue {name}: {fault}"));
            }
            if queue.is_leaving != self.leaving.contains(id) {
                return Err(format!("queue {name}: it is not known that messages leave it"));
            }
            let waits = queue.due > self.now && !queue.leaving.is_long();
            if queue.is_over() && queue.backlog.has_next() && waits {
                return Err(format!("queue {name}: it has more messages than it may"));
            }
            if queue.is_dirty {
                return Err(format!("queue {name}: still to be dispatched"));
            }
            let foreseen = queue.due <= queue.next_due(self.now).max(self.now);
            if !foreseen || (queue.due != NEVER && !self.timers.has(queue.due, *id)) {
                return Err(format!("queue {name}: nobody looks at it in time"));
            }
            match &queue.stream {
                Some(stream) => self.check_stream(queue, stream)?,
                None => self.check_consumers(queue)?,
            }
        }
        if resident_bytes != self.memory.resident_bytes {
            let counted = self.memory.resident_bytes;
            return Err(format!("{counted} resident bytes counted, {resident_bytes} found"));
        }
        if self.topology.queue_ids().count() != self.queues.len() {
            return Err("the topology has other queues than the virtual host".to_owned());
        }
        Ok(())
    }

    /// Every consumer is in the round or parked, never both; and while a content is in memory and
    /// somebody has credit, nothing waits.
    fn check_consumers(&self, queue: &crate::queue::Queue) -> Result<(), String> {
        let name = &queue.record.name;
        let is_quorum = queue.settings.kind == crate::QueueType::Quorum;
        if is_quorum && queue.single_active.as_ref().is_some_and(|single| !single.is_in_order()) {
            return Err(format!("queue {name}: a consumer waits for one of a lower priority"));
        }
        for key in &queue.consumers {
            let session = self.sessions.get(&key.session);
            let channel = session.and_then(|session| session.channels.get(&key.channel));
            let Some((channel, consumer)) =
                channel.and_then(|channel| Some((channel, channel.consumers.get(&key.number)?)))
            else {
                return Err(format!("queue {name}: consumer {key:?} has no channel"));
            };
            let turns = queue.round.iter().filter(|other| *other == key).count();
            if turns != usize::from(!consumer.is_parked) {
                return Err(format!("queue {name}: consumer {key:?} has {turns} turns"));
            }
            let full = session.is_some_and(crate::session::Session::outbox_is_full);
            let waits = queue.backlog.has_next() && !queue.backlog.is_stale(self.now);
            if !queue.serves(*key) && !consumer.is_parked {
                return Err(format!("queue {name}: {key:?} is served beside the active one"));
            }
            let serves = queue.serves(*key) && !queue.record.paused;
            if waits && !full && channel.credit(consumer) > 0 && serves {
                return Err(format!("queue {name}: a message waits, {key:?} has credit"));
            }
        }
        let strangers = queue.round.iter().filter(|key| !queue.consumers.contains(key)).count();
        if strangers > crate::queue::TURNS_LEFT_BEHIND + queue.consumers.len() {
            return Err(format!("queue {name}: {strangers} turns of consumers that are gone"));
        }
        Ok(())
    }

    /// Every consumer of a stream has one turn somewhere, or is parked; and turns are only left when
    /// the stream has one of its own at once.
    fn check_stream(&self, queue: &crate::queue::Queue, stream: &Stream) -> Result<(), String> {
        let name = &queue.record.name;
        let parked = |key: &ConsumerKey| {
            let session = self.sessions.get(&key.session);
            let channel = session.and_then(|session| session.channels.get(&key.channel));
            let consumer = channel.and_then(|channel| channel.consumers.get(&key.number));
            consumer.is_none_or(|consumer| consumer.is_parked)
        };
        let turns = |key: &ConsumerKey| queue.round.iter().filter(|other| *other == key).count();
        stream.check(turns, parked).map_err(|fault| format!("stream {name}: {fault}"))?;
        let is_due = stream.due.is_some_and(|due| due <= self.now);
        if !queue.round.is_empty() && !is_due {
            return Err(format!("stream {name}: turns are left and nobody will see to them"));
        }
        if stream.readers() != queue.consumers.len() || !queue.backlog.is_empty() {
            return Err(format!("stream {name}: its consumers or messages are elsewhere"));
        }
        Ok(())
    }

    /// What is held is held behind a get that is on its way.
    fn check_held(&self) -> Result<(), String> {
        let mut found = 0;
        for (id, session) in &self.sessions {
            for (number, channel) in &session.channels {
                let own = |get: &WaitingGet| {
                    (get.session, get.channel, get.incarnation)
                        == (*id, *number, channel.incarnation)
                };
                let asked = session.gets.iter().filter(|(_, get)| own(get)).count();
                let gets = self.queues.values().flat_map(|queue| &queue.waiting_gets);
                let gets = gets.filter(|get| own(get)).count() + asked;
                let at = format!("session {} channel {number}", id.0);
                if gets != channel.held.gets() {
                    let held = channel.held.gets();
                    return Err(format!("{at}: {gets} gets wait, {held} are waited for"));
                }
                if self.holding.contains(&(*id, *number)) == channel.held.is_empty() {
                    return Err(format!("{at}: it is not known that it holds something"));
                }
                found += usize::from(!channel.held.is_empty());
            }
        }
        if found != self.holding.len() {
            return Err(format!("{} channels hold something, not {found}", self.holding.len()));
        }
        Ok(())
    }

    /// What transactions hold is counted, and channels that take replies are found by their names.
    fn check_transactions(&self) -> Result<(), String> {
        let mut replies = 0;
        for (id, session) in &self.sessions {
            let held = session.channels.values().filter_map(|channel| channel.transaction.as_ref());
            let bytes: usize = held.map(Transaction::bytes).sum();
            if bytes != session.transaction_bytes {
                let counted = session.transaction_bytes;
                return Err(format!("session {}: {counted} bytes held, {bytes} found", id.0));
            }
            for (number, channel) in &session.channels {
                let Some(consumer) = &channel.replies else { continue };
                replies += 1;
                let known = self.reply_consumers.get(&consumer.name);
                if known != Some(&((*id, *number), consumer.number)) {
                    return Err(format!("session {} channel {number}: replies are lost", id.0));
                }
            }
        }
        if replies != self.reply_consumers.len() {
            return Err(format!("{} take replies, not {replies}", self.reply_consumers.len()));
        }
        Ok(())
    }

    fn check_sessions(&self) -> Result<(), String> {
        self.check_held()?;
        self.check_transactions()?;
        for (id, session) in &self.sessions {
            for (number, channel) in &session.channels {
                let at = format!("session {} channel {number}", id.0);
                let delivered = channel.deliveries();
                let in_flight = delivered.filter(|delivery| delivery.consumer.is_some()).count();
                if in_flight != channel.in_flight as usize {
                    return Err(format!(
                        "{at}: {} in flight, {in_flight} found",
                        channel.in_flight
                    ));
                }
                for (key, consumer) in &channel.consumers {
                    let own = channel.deliveries();
                    let own = own.filter(|delivery| delivery.consumer == Some(*key)).count();
                    if own != consumer.in_flight as usize {
                        return Err(format!("{at}: consumer {key}: in flight is off"));
                    }
                    if !self.queues.contains_key(&consumer.queue) {
                        return Err(format!("{at}: consumer {key} of a queue that is gone"));
                    }
                }
                if !channel.unacknowledged.iter().is_sorted_by(|a, b| a.tag < b.tag) {
                    return Err(format!("{at}: delivery tags are out of order"));
                }
            }
        }
        Ok(())
    }
}

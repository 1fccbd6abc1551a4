//! Streams: their consumers get what follows on their places, and what is too old or too much goes.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rustc_hash::FxHashMap;
use warren_amqp::FieldTable;

use super::dispatch::Given;
use super::observe::Changes;
use super::{Refusal, VirtualHost};
use crate::backlog::{Answer, Entry};
use crate::effect::delivery_weight;
use crate::planted::{self, Bug};
use crate::queue::{ConsumerKey, Queue};
use crate::session::{Delivery, Session};
use crate::stream::arguments::{Filter, Start};
use crate::stream::{Kept, Served};
use crate::{Effects, Error, Event, Milliseconds, QueueId, SessionId, Write, limits};

type At = (SessionId, u16);

/// The one that all consumers of streams have.
const PRIORITY: i64 = 0;

/// When streams want a turn.
#[derive(Debug, Default)]
pub(super) struct Streams {
    due: BTreeSet<(Milliseconds, QueueId)>,
}

impl Streams {
    pub(super) fn next_due(&self) -> Option<Milliseconds> {
        self.due.first().map(|(time, _)| *time)
    }
}

impl VirtualHost {
    /// Refuses what streams cannot do.
    pub(super) fn refuse_stream(&self, id: QueueId, what: &str) -> Result<(), Refusal> {
        match self.queues.get(&id) {
            Some(queue) if queue.is_stream() => {
                Err(not_supported(what, &queue.record.name, &self.name))
            }
            _ => Ok(()),
        }
    }

    /// The refusal, if one of the deliveries is of a stream.
    pub(super) fn refuse_of_stream(&self, deliveries: &[Delivery], what: &str) -> Option<Refusal> {
        deliveries.iter().find_map(|delivery| self.refuse_stream(delivery.queue, what).err())
    }

    /// Where a consumer of a stream begins and what it wants; `None` if the queue is no stream.
    pub(super) fn stream_subscription(
        &self,
        at: At,
        id: Option<QueueId>,
        no_ack: bool,
        arguments: &FieldTable,
    ) -> Result<Option<(Start, Option<Filter>)>, Refusal> {
        let queue = id.and_then(|id| self.queues.get(&id));
        let Some(queue) = queue.filter(|queue| queue.is_stream()) else { return Ok(None) };
        let named = || (queue.record.name.clone(), self.name.clone());
        let (name, vhost) = named();
        if no_ack {
            return Err(not_supported("automatic acknowledgement", &name, &vhost));
        }
        if self.channel(at).is_none_or(|channel| channel.prefetch_consumer == 0) {
            return Err(Error::PrefetchNotSet { name, vhost }.into());
        }
        let wrong = |(argument, problem)| {
            let (name, vhost) = named();
            Refusal::from(Error::InvalidArgument { argument, kind: "queue", name, vhost, problem })
        };
        let start = Start::of(arguments, self.now);
        let start = start.map_err(|problem| wrong(("x-stream-offset", problem)))?;
        let filter = Filter::of(arguments).map_err(wrong)?;
        Ok(Some((start, filter)))
    }

    /// Gives the consumers of a stream what they may have.
    pub(super) fn dispatch_stream(&mut self, id: QueueId, effects: &mut Effects) {
        let share = self.resident_max(true);
        let Some(queue) = self.queues.get_mut(&id) else { return };
        self.changes.queue(queue);
        let before = queue.resident_bytes();
        let mut looks = limits::STREAM_STEP_MESSAGES;
        let paused = queue.record.paused;
        while looks > 0
            && !paused
            && let Some(key) = queue.round.pop_front()
        {
            let (turn, changes) = ((key, self.now), &mut self.changes);
            serve(queue, &mut self.sessions, turn, &mut looks, changes, effects);
        }
        let is_unfinished = !paused && !queue.round.is_empty();
        let Some(stream) = &mut queue.stream else { return };
        let has_grown = stream.has_grown;
        effects.loads.extend(stream.tidy(id, share));
        let after = queue.resident_bytes();
        self.memory.changed(before, after);
        if is_unfinished {
            self.set_stream_due(id, Some(self.now));
        } else if has_grown {
            self.retain_stream(id, effects);
        }
    }

    /// Lets go what a stream need not keep.
    fn retain_stream(&mut self, id: QueueId, effects: &mut Effects) {
        let (now, share) = (self.now, self.resident_max(true));
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let before = queue.resident_bytes();
        let Some(stream) = &mut queue.stream else { return };
        let (mut due, messages) = (Some(now), stream.len());
        for _ in 0..limits::STREAM_STEP_CHUNKS {
            match stream.retain(now) {
                Kept::Until(time) => {
                    due = time;
                    break;
                }
                Kept::Gone(..) if planted::is(Bug::RetentionNotWritten) => {}
                Kept::Gone(first, last) => settled(id, first, last, effects),
            }
        }
        effects.loads.extend(stream.tidy(id, share));
        let dropped = messages - stream.len();
        if dropped > 0 {
            queue.counted.rare().losses.dropped += dropped;
            self.changes.counters.losses.dropped += dropped;
            self.changes.queue(queue);
        }
        let after = queue.resident_bytes();
        self.memory.changed(before, after);
        self.set_stream_due(id, due);
    }

    /// Takes an answer from disk.
    pub(super) fn stream_loaded(&mut self, answer: Answer, effects: &mut Effects) {
        let (id, now) = (answer.load.queue, self.now);
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let before = queue.resident_bytes();
        let Some(stream) = &mut queue.stream else { return };
        let answered = stream.loaded(answer, now);
        answered.awake.into_iter().for_each(|key| queue.round.push_back(PRIORITY, key));
        let lost = answered.lost.len() as u64;
        if lost > 0 {
            queue.counted.rare().losses.lost += lost;
            self.changes.counters.losses.lost += lost;
        }
        for sequence in answered.lost {
            effects.lost.push((id, sequence));
            effects.settled(id, sequence);
        }
        let after = queue.resident_bytes();
        self.memory.changed(before, after);
        self.mark_dirty(id);
    }

    /// Gives some of the streams that are due their turn.
    pub(super) fn streams_due(&mut self, effects: &mut Effects) {
        for _ in 0..limits::STREAM_STEP_STREAMS {
            let Some((time, id)) = self.streams.due.first().copied() else { return };
            if time > self.now {
                return;
            }
            self.set_stream_due(id, None);
            self.retain_stream(id, effects);
            self.mark_dirty(id);
        }
    }

    fn set_stream_due(&mut self, id: QueueId, due: Option<Milliseconds>) {
        let stream = self.queues.get_mut(&id).and_then(|queue| queue.stream.as_mut());
        let Some(stream) = stream else { return };
        if stream.due != due {
            if let Some(before) = stream.due {
                self.streams.due.remove(&(before, id));
            }
            stream.due = due;
            self.streams.due.extend(due.map(|due| (due, id)));
        }
    }

    /// After a restart or another policy, something may be too old by now.
    pub(super) fn look_at_stream(&mut self, id: QueueId) {
        let stream = self.queues.get(&id).and_then(|queue| queue.stream.as_ref());
        if stream.is_some_and(|stream| stream.has_grown) {
            self.set_stream_due(id, Some(0));
        }
    }

    /// A queue is gone.
    pub(super) fn forget_stream(&mut self, queue: &Queue) {
        if let Some(due) = queue.stream.as_ref().and_then(|stream| stream.due) {
            self.streams.due.remove(&(due, queue.record.id));
        }
    }
}

fn not_supported(what: &str, name: &str, vhost: &str) -> Refusal {
    let what = format!("{what} not supported by stream queues queue '{name}' in vhost '{vhost}'");
    Refusal::Session(Error::NotImplemented { what })
}

/// Writes that messages are gone, joining it to the write before where that goes on.
fn settled(id: QueueId, first: u64, last: u64, effects: &mut Effects) {
    match effects.writes.last_mut() {
        Some(Write::Settled { queue, last: before, .. })
            if *queue == id && *before + 1 == first =>
        {
            *before = last;
        }
        _ => effects.writes.push(Write::Settled { queue: id, first, last }),
    }
}

/// A consumer's turn.
fn serve(
    queue: &mut Queue,
    sessions: &mut FxHashMap<SessionId, Session>,
    (key, now): (ConsumerKey, Milliseconds),
    looks: &mut usize,
    changes: &mut Changes,
    effects: &mut Effects,
) {
    let id = queue.record.id;
    let Some(stream) = &mut queue.stream else { return };
    let Some(session) = sessions.get_mut(&key.session) else { return };
    let outbox_is_full = session.outbox_is_full();
    let Some(channel) = session.channels.get_mut(&key.channel) else { return };
    let credit = match channel.consumers.get(&key.number) {
        Some(_) if outbox_is_full => 0,
        Some(consumer) => channel.credit(consumer),
        None => return,
    };
    let Some(consumer) = channel.consumers.get_mut(&key.number) else { return };
    consumer.is_parked = credit == 0;
    if credit == 0 {
        stream.park(key);
        return;
    }
    (session.last_served, channel.last_served) = (key.channel, key.number);
    let outbox_bytes = &mut session.outbox_bytes;
    let turn = credit.min(limits::STREAM_TURN);
    let (mut given, mut body_bytes) = (0, 0);
    let served = stream.serve(key, turn, looks, |sequence, message| {
        let delivery_tag = channel.next_delivery_tag();
        let entry = Entry::of_stream(sequence, message.body_bytes());
        let consumer = Some(key.number);
        let tag = delivery_tag;
        let delivery = Delivery { tag, consumer, queue: id, since: now, entry };
        channel.unacknowledged.push(delivery);
        given += 1;
        body_bytes += u64::from(message.body_bytes());
        *outbox_bytes += delivery_weight(message);
        let event = Event::DeliverFromStream {
            channel: key.channel,
            consumer: key.number,
            delivery_tag,
            offset: sequence - 1,
            message: message.clone(),
        };
        effects.send(key.session, event);
        match *outbox_bytes < limits::OUTBOX_BYTES {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    queue.unacknowledged += given as usize;
    queue.unacknowledged_body_bytes += body_bytes;
    Given { messages: given, redelivered: 0 }.note(queue, channel, key, changes);
    if served == Served::More {
        queue.round.push_back(PRIORITY, key);
    }
}

//! Publishing: what is counted of the messages of a batch, and what their publisher is told.

use super::Outcome;
use crate::counters::ExchangeCounters;
use crate::planted::{self, Bug};
use crate::router::ExchangeKey;
use crate::topology::Topology;
use crate::virtual_host::VirtualHost;
use crate::{Effects, Event, SessionId};

/// Confirms of one batch: runs of numbers on a channel, apart by whether they wait for the disk.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    channel: u16,
    first: u64,
    last: u64,
    outcome: Outcome,
}

/// What exchanges were given and gave to queues: of neighbours that were published to the same one.
#[derive(Debug, Default)]
pub(super) struct Tally {
    exchange: Option<ExchangeKey>,
    counters: ExchangeCounters,
}

impl Tally {
    pub(super) fn add(&mut self, exchange: ExchangeKey, copies: usize, topology: &mut Topology) {
        if self.exchange != Some(exchange) {
            self.finish(topology);
            self.exchange = Some(exchange);
        }
        self.counters.publish_in += 1;
        self.counters.publish_out += copies as u64;
    }

    pub(super) fn finish(&mut self, topology: &mut Topology) {
        let Self { exchange, counters } = std::mem::take(self);
        if let Some(exchange) = exchange {
            topology.note_published(exchange, counters);
        }
    }
}

/// What publishers are to be told, and what is counted, of the messages of a batch until here.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) counting: Option<Counting>,
    pub(super) confirms: Confirms,
}

/// What is counted on a channel: of neighbours that were published on the same one.
#[derive(Debug)]
pub(super) struct Counting {
    channel: u16,
    /// The number of the last message, if the channel confirms.
    last: Option<u64>,
    /// A transaction is to hold the messages.
    is_held: bool,
    count: u64,
}

impl Counting {
    /// Counts a message. Gives its number if the channel confirms.
    fn next(&mut self) -> Option<u64> {
        self.count += 1;
        if let Some(last) = &mut self.last {
            *last += 1;
        }
        self.last
    }
}

impl Confirms {
    pub(super) fn add(&mut self, channel: u16, number: u64, outcome: Outcome) {
        if let Some(run) = self.runs.last_mut()
            && (run.channel, run.outcome, run.last + 1) == (channel, outcome, number)
        {
            run.last = number;
            return;
        }
        self.runs.push(Run { channel, first: number, last: number, outcome });
    }
}

impl VirtualHost {
    /// Counts a message on its channel: `None` if the channel is closed, otherwise the message's
    /// number if the channel confirms, and whether a transaction is to hold the message.
    pub(super) fn count_publish(
        &mut self,
        (session, number): (SessionId, u16),
        progress: &mut Progress,
    ) -> Option<(Option<u64>, bool)> {
        let counting = &mut progress.counting;
        if counting.as_ref().is_none_or(|it| it.channel != number) {
            self.note_counted(session, counting);
            let channel = self.sessions.get(&session)?.channels.get(&number)?;
            let is_held = channel.transaction.is_some();
            *counting =
                Some(Counting { channel: number, last: channel.confirms, is_held, count: 0 });
        }
        counting.as_mut().map(|counting| (counting.next(), counting.is_held))
    }

    /// Notes what was counted, before anything else happens to the channel.
    pub(super) fn note_counted(&mut self, session: SessionId, counting: &mut Option<Counting>) {
        let Some(Counting { channel, last, is_held, count }) = counting.take() else { return };
        let at = (session, channel);
        let channels = self.sessions.get_mut(&session).map(|session| &mut session.channels);
        let Some(channel) = channels.and_then(|it| it.get_mut(&channel)) else { return };
        channel.confirms = last;
        // What a transaction holds is counted when it is committed.
        let count = if is_held { 0 } else { count };
        channel.messages.publish += count;
        self.changes.counters.messages.publish += count;
        self.changes.channel(at, channel);
    }

    /// Tells the publisher what was taken. After the whole batch, so that a message's return comes
    /// before its confirm.
    pub(super) fn confirm(
        &mut self,
        confirms: Confirms,
        session: SessionId,
        effects: &mut Effects,
    ) {
        for Run { channel, first, last, outcome } in confirms.runs {
            if outcome == Outcome::Refused {
                effects.send(session, Event::Refused { channel, first, last });
                continue;
            }
            let count = last - first + 1;
            self.changes.counters.messages.confirm += count;
            if let Some(channel) = self.channel_mut((session, channel)) {
                channel.messages.confirm += count;
            }
            let durable = outcome == Outcome::Survives && !planted::is(Bug::ConfirmBeforeSync);
            effects.send_after(durable, session, Event::Confirm { channel, first, last });
        }
    }
}

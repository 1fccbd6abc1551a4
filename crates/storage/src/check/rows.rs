//! Goes through all rows of the index and all messages that they point to, and compares them with
//! what the standings and counts say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use warren_engine::{QueueId, Sequence};

use super::findings::{Finding, Findings};
use super::messages::Messages;
use super::{Known, Progress};
use crate::delta::{Entry, Tally};
use crate::index::{self, Index, Walked};
use crate::ranges::Ranges;
use crate::topology::Topology;
use crate::{Disk, Error, segment};

/// What is whole.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// A queue in words: its name, or its number if the record of it is lost.
pub(super) fn queue_in_words(topology: &Topology, queue: QueueId) -> String {
    let words = match topology.queues.get(&queue.declared()) {
        Some(record) => format!("queue {:?}", record.name),
        None => format!("the queue with number {}", queue.declared().0),
    };
    match queue.lane_number() {
        0 => words,
        lane => format!("{words} (lane {lane})"),
    }
}

pub(super) fn check(
    disk: &dyn Disk,
    index: &Index,
    known: &Known,
    findings: &mut Findings,
    progress: Progress<'_>,
) -> Result<Totals, Error> {
    let touched = known.changes.iter().map(|(queue, delta)| (*queue, delta.touched())).collect();
    let mut check = Check {
        disk,
        index,
        known,
        touched,
        messages: Messages::new(disk),
        tallies: BTreeMap::new(),
        segments: BTreeMap::new(),
        ends: BTreeMap::new(),
        forward: true,
        bad_rows: BTreeSet::new(),
        all_reached: true,
        loss: None,
        totals: Totals::default(),
    };
    index.walk(&mut |walked| {
        check.row(walked, findings)?;
        progress(check.totals.messages);
        Ok(())
    })?;
    check.end_loss(findings);
    check.compare(findings);
    Ok(check.totals)
}

/// Neighbouring messages of a queue that are lost for the same reason.
struct Loss {
    queue: QueueId,
    first: Sequence,
    last: Sequence,
    messages: u64,
    file: PathBuf,
    offset: u32,
    reason: &'static str,
}

struct Check<'a> {
    disk: &'a dyn Disk,
    index: &'a Index,
    known: &'a Known,
    /// What the log behind the checkpoint settled or replaced: nobody reads it any more.
    touched: BTreeMap<QueueId, Ranges>,
    messages: Messages<'a>,
    tallies: BTreeMap<QueueId, Tally>,
    segments: BTreeMap<u32, u64>,
    /// Behind the last place of each queue.
    ends: BTreeMap<QueueId, Sequence>,
    forward: bool,
    bad_rows: BTreeSet<QueueId>,
    all_reached: bool,
    loss: Option<Loss>,
    totals: Totals,
}

impl Check<'_> {
    fn row(&mut self, walked: Walked<Vec<Entry>>, findings: &mut Findings) -> Result<(), Error> {
        match walked {
            Walked::Row { queue, key, row: Some(entries) } => {
                self.good_row(queue, key, &entries, findings)
            }
            Walked::Row { queue, key, row: None } => {
                self.bad_rows.insert(queue);
                findings.damage(self.index.bad_row(queue, key, None));
                Ok(())
            }
            Walked::Unreachable { after: (queue, key), reason } => {
                self.forward = false;
                self.all_reached = false;
                let message = format!(
                    "table messages: rows behind key ({queue}, {key}) cannot be reached: {reason}"
                );
                self.damage(message, 0, findings);
                Ok(())
            }
        }
    }

    fn damage(&self, message: String, lost_messages: u64, findings: &mut Findings) {
        let file = self.disk.path(index::FILE);
        findings.push(Finding { file, offset: None, message, lost_messages, is_damage: true });
    }

    fn good_row(
        &mut self,
        queue: QueueId,
        key: Sequence,
        entries: &[Entry],
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let tally = self.tallies.entry(queue).or_default();
        for entry in entries {
            tally.add(entry);
            *self.segments.entry(entry.segment).or_default() += 1;
        }
        let last = entries.last().map_or(key, |entry| entry.sequence);
        let end = self.ends.entry(queue).or_default();
        let overlaps = self.forward && key < *end;
        *end = (*end).max(last.saturating_add(1));
        if overlaps {
            let message = format!(
                "table messages, key ({}, {key}): the row begins before the one in front of it ends",
                queue.0
            );
            self.damage(message, 0, findings);
        }
        if self.known.changes.get(&queue).is_some_and(|delta| delta.deleted) {
            return Ok(());
        }
        let touched = self.touched.get(&queue);
        let waits = |entry: &Entry| touched.is_none_or(|gone| !gone.contains(entry.sequence));
        let waiting: Vec<Entry> = entries.iter().filter(|entry| waits(entry)).copied().collect();
        let mut losses = Vec::new();
        let totals = &mut self.totals;
        self.messages.look_at(&waiting, &mut |entry, result| {
            match result {
                Ok(()) => {
                    totals.messages += 1;
                    totals.bytes += u64::from(entry.length);
                }
                Err(bad) => losses.push((*entry, bad.reason)),
            }
            Ok(())
        })?;
        for (entry, reason) in losses {
            self.lose(queue, &entry, reason, findings);
        }
        Ok(())
    }

    fn lose(
        &mut self,
        queue: QueueId,
        entry: &Entry,
        reason: &'static str,
        findings: &mut Findings,
    ) {
        let file = self.disk.path(&segment::name(entry.segment));
        if let Some(loss) = &mut self.loss
            && loss.queue == queue
            && loss.reason == reason
            && loss.file == file
            && loss.last.checked_add(1) == Some(entry.sequence)
        {
            loss.last = entry.sequence;
            loss.messages += 1;
            return;
        }
        self.end_loss(findings);
        let (first, last, offset) = (entry.sequence, entry.sequence, entry.offset);
        self.loss = Some(Loss { queue, first, last, messages: 1, file, offset, reason });
    }

    fn end_loss(&mut self, findings: &mut Findings) {
        let Some(loss) = self.loss.take() else { return };
        let Loss { first, last, messages, reason, .. } = loss;
        let queue = queue_in_words(&self.known.topology, loss.queue);
        let message = match messages {
            1 => format!("message {first} of {queue} is lost: {reason}"),
            _ => format!("messages {first} to {last} of {queue} are lost: {reason}"),
        };
        let (file, offset, lost_messages) = (loss.file, Some(u64::from(loss.offset)), messages);
        findings.push(Finding { file, offset, message, lost_messages, is_damage: true });
    }

    /// Compares what the rows hold with the standings and the counts.
    fn compare(&self, findings: &mut Findings) {
        let Known { counts, topology, bad, changes, .. } = self.known;
        let queues: BTreeSet<QueueId> =
            self.tallies.keys().chain(counts.standings.keys()).copied().collect();
        for queue in queues {
            let words = queue_in_words(topology, queue);
            let found = self.tallies.get(&queue).copied().unwrap_or_default();
            let is_deleted = changes.get(&queue).is_some_and(|delta| delta.deleted);
            if !topology.queues.contains_key(&queue.declared()) && !is_deleted {
                let message = format!(
                    "{} messages wait in {words}, whose record is not there: a start leaves \
                     them out",
                    found.messages
                );
                self.damage(message, 0, findings);
            }
            if bad.standings.contains(&queue) {
                continue;
            }
            let standing = counts.standings.get(&queue).copied().unwrap_or_default();
            if standing.tally != found {
                let lost = standing.tally.messages.saturating_sub(found.messages);
                let message = format!(
                    "table standings, key {}: {words} should have {} messages with {} bytes, and \
                     its rows have {} with {}",
                    queue.0,
                    standing.tally.messages,
                    standing.tally.body_bytes,
                    found.messages,
                    found.body_bytes
                );
                self.damage(message, lost, findings);
            }
            let end = self.ends.get(&queue).copied().unwrap_or_default();
            if end > standing.places.next_sequence {
                let message = format!(
                    "table standings, key {}: {words} has a message in place {}, which was not \
                     given yet",
                    queue.0,
                    end - 1
                );
                self.damage(message, 0, findings);
            }
        }
        if bad.asked_for {
            let message = "table store, key \"recount\": a checkpoint came upon damage, and \
                           messages are counted anew at a start";
            self.damage(message.to_owned(), 0, findings);
        }
        // Rows that are lost were counted.
        if self.bad_rows.is_empty() && self.all_reached {
            self.compare_segments(findings);
        }
    }

    fn compare_segments(&self, findings: &mut Findings) {
        let Known { counts, bad, .. } = self.known;
        let numbers: BTreeSet<u32> =
            self.segments.keys().chain(counts.segments.keys()).copied().collect();
        for number in numbers.into_iter().filter(|number| !bad.segments.contains(number)) {
            let found = self.segments.get(&number).copied().unwrap_or_default();
            let counted = counts.segments.get(&number).copied().unwrap_or_default().messages;
            if found != counted {
                let message = format!(
                    "table segments, key {number}: {counted} messages should stand in the \
                     segment, and rows point to {found}"
                );
                self.damage(message, 0, findings);
            }
        }
    }
}

//! Standings of queues and counts of segments: read when a store opens, and counted anew from the
//! rows where they are damaged.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, WriteTransaction};
use warren_engine::QueueId;

use super::messages::opened;
use super::seal::{count, sealed_count, sealed_standing, standing};
use super::{
    Index, MESSAGES, MESSAGES_NAME, RECOUNT, SEGMENTS, SEGMENTS_NAME, STANDINGS, STANDINGS_NAME,
    STORE,
};
use crate::Error;
use crate::delta::{Freed, Standing, Tally};
use crate::recovery::Damage;

/// What stands beside the rows.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) standings: BTreeMap<QueueId, Standing>,
    /// Messages by segment.
    pub(crate) segments: BTreeMap<u32, u64>,
}

/// Standings and counts that do not match their checksums.
#[derive(Debug, Default)]
pub(crate) struct BadCounts {
    pub(crate) standings: BTreeSet<QueueId>,
    pub(crate) segments: BTreeSet<u32>,
    /// A checkpoint came upon damage.
    pub(crate) asked_for: bool,
}

impl BadCounts {
    fn is_empty(&self) -> bool {
        self.standings.is_empty() && self.segments.is_empty() && !self.asked_for
    }
}

impl Index {
    /// The standings and counts as they stand there, and those that are damaged.
    pub(crate) fn counts_found(&self) -> Result<(Counts, BadCounts), Error> {
        self.read("read", read_counts)
    }

    /// The standings of all queues and the counts of all segments. If one of them is damaged, or a
    /// checkpoint came upon damage, all are counted anew.
    pub(crate) fn counts(&self, damaged: &mut Vec<Damage>) -> Result<Counts, Error> {
        let (mut counts, bad) = self.read("read", read_counts)?;
        if bad.is_empty() {
            return Ok(counts);
        }
        damaged.extend(bad.standings.iter().map(|queue| self.bad_standing(*queue)));
        damaged.extend(bad.segments.iter().map(|segment| self.bad_count(*segment)));
        let rows = self.write("write", |transaction| {
            let rows = recount(transaction, &mut counts, &bad.standings)?;
            transaction.open_table(STORE)?.remove(RECOUNT)?;
            Ok(rows)
        })?;
        damaged.extend(rows.into_iter().map(|(queue, key)| self.bad_row(queue, key, None)));
        Ok(counts)
    }
}

fn read_counts(index: &Index) -> Result<(Counts, BadCounts), redb::Error> {
    let transaction = index.database.begin_read()?;
    let (mut counts, mut bad) = (Counts::default(), BadCounts::default());
    bad.asked_for = transaction.open_table(STORE)?.get(RECOUNT)?.is_some();
    for row in transaction.open_table(STANDINGS)?.iter()? {
        let (key, value) = row?;
        let queue = QueueId(key.value());
        match standing(STANDINGS_NAME, queue.0, value.value()) {
            Some(standing) => drop(counts.standings.insert(queue, standing)),
            None => drop(bad.standings.insert(queue)),
        }
    }
    for row in transaction.open_table(SEGMENTS)?.iter()? {
        let (key, value) = row?;
        let segment = key.value();
        match count(SEGMENTS_NAME, segment, value.value()) {
            Some(messages) => drop(counts.segments.insert(segment, messages)),
            None => drop(bad.segments.insert(segment)),
        }
    }
    Ok((counts, bad))
}

/// Counts what the rows hold and writes it down. Gives the rows that cannot be read.
pub(super) fn recount(
    transaction: &WriteTransaction,
    counts: &mut Counts,
    lost: &BTreeSet<QueueId>,
) -> Result<Vec<(QueueId, u64)>, redb::Error> {
    let (mut bad, mut segments) = (Vec::new(), Freed::default());
    let mut tallies: BTreeMap<QueueId, (Tally, u64)> = BTreeMap::new();
    for row in transaction.open_table(MESSAGES)?.iter()? {
        let (key, value) = row?;
        let (queue, first) = key.value();
        let (tally, end) = tallies.entry(QueueId(queue)).or_default();
        match opened(MESSAGES_NAME, QueueId(queue), first, value.value()) {
            Some(entries) => {
                for entry in &entries {
                    tally.add(entry);
                    segments.add(entry.segment, 1);
                    *end = (*end).max(entry.sequence + 1);
                }
            }
            None => bad.push((QueueId(queue), first)),
        }
    }
    for queue in lost {
        // Nobody knows how far it was delivered: more passes for delivered than was.
        let end = tallies.get(queue).map_or(1, |(_, end)| *end);
        let mut standing = Standing::default();
        standing.places.delivered(end.saturating_sub(1));
        counts.standings.insert(*queue, standing);
    }
    let mut standings = transaction.open_table(STANDINGS)?;
    for (queue, standing) in &mut counts.standings {
        standing.tally = tallies.get(queue).map_or(Tally::default(), |(tally, _)| *tally);
        let sealed = sealed_standing(STANDINGS_NAME, queue.0, standing);
        standings.insert(queue.0, sealed.as_slice())?;
    }
    counts.segments = segments.0.into_iter().collect();
    let mut table = transaction.open_table(SEGMENTS)?;
    table.retain(|segment, _| counts.segments.contains_key(&segment))?;
    for (segment, messages) in &counts.segments {
        let sealed = sealed_count(SEGMENTS_NAME, *segment, *messages);
        table.insert(*segment, sealed.as_slice())?;
    }
    Ok(bad)
}

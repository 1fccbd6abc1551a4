//! Standings of queues and counts of segments: read when a store opens, and counted anew from the
//! rows where they are damaged.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableDatabase, ReadableTable, WriteTransaction};
use warren_engine::QueueId;

use super::messages::opened;
use super::seal::{sealed_share, sealed_standing, share, standing};
use super::{
    Index, MESSAGES, MESSAGES_NAME, RECOUNT, SEGMENTS, SEGMENTS_NAME, STANDINGS, STANDINGS_NAME,
    STORE,
};
use crate::Error;
use crate::delta::{Freed, Share, Standing, Tally};
use crate::recovery::Damage;

/// What stands beside the rows.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) standings: BTreeMap<QueueId, Standing>,
    /// What waits in each segment.
    pub(crate) segments: BTreeMap<u32, Share>,
}

/// Standings and counts that do not match their checksums.
#[derive(Debug, Default)]
pub(crate) struct BadCounts {
    pub(crate) standings: BTreeSet<QueueId>,
    pub(crate) segments: BTreeSet<u32>,
    /// A checkpoint came upon damage, or the bytes of segments were not counted yet.
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
        let (mut counts, mut bad) = self.read("read", read_counts)?;
        if self.small {
            let scan = self.read("read", |index| {
                scan(&index.database()?.begin_read()?.open_table(MESSAGES)?)
            })?;
            let differing = self.differing(&counts, &scan);
            bad.asked_for |= !differing.is_empty();
            damaged.extend(differing);
        }
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

impl Index {
    /// Where the rows hold something else than was counted: rows are missing, or unreadable.
    fn differing(&self, counts: &Counts, scan: &Scan) -> Vec<Damage> {
        let queues = counts.standings.iter().filter_map(|(queue, standing)| {
            let found = scan.tallies.get(queue).map_or(Tally::default(), |(tally, _)| *tally);
            let (found, expected) = (found.messages, standing.tally.messages);
            (found != expected).then(|| {
                self.damage(format!(
                    "table {MESSAGES_NAME}: of {expected} messages of queue {} {found} are found",
                    queue.0
                ))
            })
        });
        let segments = counts.segments.iter().filter_map(|(segment, expected)| {
            let found = scan.segments.0.get(segment).copied().unwrap_or_default().messages;
            let expected = expected.messages;
            (found != expected).then(|| {
                self.damage(format!(
                    "table {MESSAGES_NAME}: of {expected} messages in segment {segment} {found} \
                     are found"
                ))
            })
        });
        queues.chain(segments).collect()
    }
}

/// What the rows hold.
#[derive(Debug, Default)]
struct Scan {
    /// With a place above all that were found.
    tallies: BTreeMap<QueueId, (Tally, u64)>,
    segments: Freed,
    /// Rows that cannot be read.
    bad: Vec<(QueueId, u64)>,
}

fn scan(table: &impl ReadableTable<(u64, u64), &'static [u8]>) -> Result<Scan, redb::Error> {
    let mut scan = Scan::default();
    for row in table.iter()? {
        let (key, value) = row?;
        let (queue, first) = key.value();
        let (tally, end) = scan.tallies.entry(QueueId(queue)).or_default();
        match opened(MESSAGES_NAME, QueueId(queue), first, value.value()) {
            Some(entries) => {
                for entry in &entries {
                    tally.add(entry);
                    scan.segments.add(entry.segment, Share::of(entry));
                    *end = (*end).max(entry.sequence + 1);
                }
            }
            None => scan.bad.push((QueueId(queue), first)),
        }
    }
    Ok(scan)
}

fn read_counts(index: &Index) -> Result<(Counts, BadCounts), redb::Error> {
    let transaction = index.database()?.begin_read()?;
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
        match share(SEGMENTS_NAME, segment, value.value()) {
            Some((share, whole)) => {
                bad.asked_for |= !whole;
                counts.segments.insert(segment, share);
            }
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
    let Scan { tallies, segments, bad } = scan(&transaction.open_table(MESSAGES)?)?;
    for queue in lost {
        // Nobody knows how far it was delivered: more passes for delivered than was.
        let end = tallies.get(queue).map_or(1, |(_, end)| *end);
        let mut standing = Standing::default();
        standing.places.delivered(end.saturating_sub(1));
        standing.places.may_expire = true;
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
    for (segment, share) in &counts.segments {
        let sealed = sealed_share(SEGMENTS_NAME, *segment, *share);
        table.insert(*segment, sealed.as_slice())?;
    }
    Ok(bad)
}

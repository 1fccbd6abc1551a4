//! A checkpoint: moves a layer into the database in one durable commit.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table, WriteTransaction};
use warren_engine::QueueId;

use super::messages::RowsMut;
use super::seal::{Key, seal, sealed_share, sealed_standing, share, standing};
use super::{
    Index, MESSAGES, MESSAGES_NAME, Meta, QUEUES, RECOUNT, SEGMENTS, SEGMENTS_NAME, SPILLED,
    SPILLED_NAME, STANDINGS, STANDINGS_NAME, STORE, STORE_NAME, put_log, records, returns,
};
use crate::Error;
use crate::delta::{Freed, Layer, QueueDelta, Share, Standing};
use crate::planted::{self, Bug};
use crate::recovery::Damage;

/// What a checkpoint came to.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// How many messages left each segment.
    pub(crate) freed: Freed,
    /// What it met with.
    pub(crate) damaged: Vec<Damage>,
}

/// Bad places that were met with: what is counted is not certain any more.
#[derive(Debug, Default)]
struct Bad {
    rows: Vec<(QueueId, u64)>,
    standings: Vec<QueueId>,
    segments: Vec<u32>,
}

impl Index {
    /// Moves a layer into the database, in one durable commit that also says how much of the log
    /// is in it.
    pub(crate) fn apply(&self, layer: &Layer, meta: Meta) -> Result<Applied, Error> {
        let (freed, bad) = self.write("write", |transaction| {
            records::apply(transaction, &layer.topology)?;
            let (mut freed, mut bad) = (Freed::default(), Bad::default());
            apply_queues(transaction, layer, &mut freed, &mut bad)?;
            apply_spilled(transaction, layer, &mut freed, &mut bad)?;
            let mut store = transaction.open_table(STORE)?;
            if !(bad.rows.is_empty() && bad.standings.is_empty() && bad.segments.is_empty()) {
                let mut sealed = Vec::new();
                seal(STORE_NAME, Key::Name(RECOUNT), &mut sealed);
                store.insert(RECOUNT, sealed.as_slice())?;
            }
            put_log(&mut store, meta)?;
            Ok((freed, bad))
        })?;
        Ok(Applied { freed, damaged: self.damages(&bad) })
    }

    fn damages(&self, bad: &Bad) -> Vec<Damage> {
        let rows = bad.rows.iter().map(|(queue, key)| self.bad_row(*queue, *key, None));
        let standings = bad.standings.iter().map(|queue| self.bad_standing(*queue));
        let segments = bad.segments.iter().map(|segment| self.bad_count(*segment));
        rows.chain(standings).chain(segments).collect()
    }

    pub(crate) fn bad_standing(&self, queue: QueueId) -> Damage {
        self.damage(format!(
            "table {STANDINGS_NAME}, key {}: it does not match its checksum; the messages of the \
             queue are counted anew at a start, and pass for delivered",
            queue.0
        ))
    }

    pub(crate) fn bad_count(&self, segment: u32) -> Damage {
        self.damage(format!(
            "table {SEGMENTS_NAME}, key {segment}: it does not match its checksum; messages are \
             counted anew at a start"
        ))
    }
}

fn sorted(layer: &Layer, spilled: bool) -> Vec<(QueueId, &QueueDelta)> {
    let all = layer.queues.iter().filter(|(queue, _)| queue.is_spilled() == spilled);
    let mut deltas: Vec<_> = all.map(|(queue, delta)| (*queue, delta)).collect();
    deltas.sort_unstable_by_key(|(queue, _)| *queue);
    deltas
}

fn apply_queues(
    transaction: &WriteTransaction,
    layer: &Layer,
    freed: &mut Freed,
    bad: &mut Bad,
) -> Result<(), redb::Error> {
    let mut rows = RowsMut::new(transaction.open_table(MESSAGES)?, MESSAGES_NAME);
    let mut standings = transaction.open_table(STANDINGS)?;
    let queues = transaction.open_table(QUEUES)?;
    for (queue, delta) in sorted(layer, false) {
        if delta.deleted && !planted::is(Bug::DeletedRowsStay) {
            rows.remove_all(queue)?;
            standings.remove(queue.0)?;
        }
        if queues.get(queue.declared().0)?.is_none() {
            continue;
        }
        let found = match standings.get(queue.0)? {
            Some(sealed) => standing(STANDINGS_NAME, queue.0, sealed.value()),
            None => Some(Standing::default()),
        };
        if found.is_none() {
            bad.standings.push(queue);
        }
        let gone = rows.remove_settled(queue, &delta.settled)?;
        let (came, replaced) = rows.add(queue, &delta.entries)?;
        let tally = found.unwrap_or_default().tally.plus(came).minus(gone).minus(replaced);
        let standing = Standing { places: delta.places, tally };
        let sealed = sealed_standing(STANDINGS_NAME, queue.0, &standing);
        standings.insert(queue.0, sealed.as_slice())?;
    }
    returns::apply(transaction, &sorted(layer, false))?;
    count_segments(&mut transaction.open_table(SEGMENTS)?, &rows, bad)?;
    take_outcome(rows, freed, bad);
    Ok(())
}

/// Nothing but the rows is kept of messages that no restart survives.
fn apply_spilled(
    transaction: &WriteTransaction,
    layer: &Layer,
    freed: &mut Freed,
    bad: &mut Bad,
) -> Result<(), redb::Error> {
    let deltas = sorted(layer, true);
    if deltas.is_empty() {
        return Ok(());
    }
    let mut rows = RowsMut::new(transaction.open_table(SPILLED)?, SPILLED_NAME);
    for (queue, delta) in deltas {
        if delta.deleted {
            rows.remove_all(queue)?;
        }
        rows.remove_settled(queue, &delta.settled)?;
        rows.add(queue, &delta.entries)?;
    }
    take_outcome(rows, freed, bad);
    Ok(())
}

fn take_outcome(rows: RowsMut<'_>, freed: &mut Freed, bad: &mut Bad) {
    for (segment, share) in rows.freed.0 {
        freed.add(segment, share);
    }
    bad.rows.extend(rows.bad);
}

fn count_segments(
    table: &mut Table<'_, u32, &'static [u8]>,
    rows: &RowsMut<'_>,
    bad: &mut Bad,
) -> Result<(), redb::Error> {
    let mut changes: BTreeMap<u32, (Share, Share)> = BTreeMap::new();
    for (segment, share) in &rows.added.0 {
        changes.entry(*segment).or_default().0.add(*share);
    }
    for (segment, share) in &rows.freed.0 {
        changes.entry(*segment).or_default().1.add(*share);
    }
    for (segment, (added, freed)) in changes {
        let found = match table.get(segment)? {
            Some(sealed) => share(SEGMENTS_NAME, segment, sealed.value()).map(|(share, _)| share),
            None => Some(Share::default()),
        };
        if found.is_none() {
            bad.segments.push(segment);
        }
        let mut waiting = found.unwrap_or_default();
        waiting.add(added);
        waiting.subtract(freed);
        if waiting.messages == 0 {
            table.remove(segment)?;
        } else {
            let sealed = sealed_share(SEGMENTS_NAME, segment, waiting);
            table.insert(segment, sealed.as_slice())?;
        }
    }
    Ok(())
}

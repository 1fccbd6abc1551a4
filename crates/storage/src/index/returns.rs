//! The table of how often messages came back: a row for each range of places with the same count,
//! of queues that count it. A database of earlier versions has none.

use redb::{
    ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableError, WriteTransaction,
};
use warren_engine::{QueueId, Sequence};

use super::seal::{Key, seal, unseal};
use super::{Index, RETURNS, RETURNS_NAME};
use crate::bytes::Cursor;
use crate::delta::QueueDelta;
use crate::returns::{Range, Returns, rest};
use crate::{Damage, Error};

type ReturnsTable<'a> = Table<'a, (u64, u64), &'static [u8]>;

impl Index {
    /// Adds what the table has for the places from `first` to `last` of a queue to `found`, but for
    /// places that are there already.
    pub(crate) fn returns(
        &self,
        queue: QueueId,
        (first, last): (Sequence, Sequence),
        found: &mut Returns,
        damaged: &mut Vec<Damage>,
    ) -> Result<(), Error> {
        let newer = std::mem::take(found);
        self.read("read", |index| {
            let table = match index.database()?.begin_read()?.open_table(RETURNS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                other => other?,
            };
            let before = table.range((queue.0, 0)..=(queue.0, first))?.next_back().transpose()?;
            let from = before.map_or(first, |(key, _)| key.value().1);
            for row in table.range((queue.0, from)..=(queue.0, last.max(from)))? {
                let (key, value) = row?;
                let key = key.value().1;
                match opened(queue, key, value.value()) {
                    Some((first, last, count)) => found.insert(first, last, count),
                    None => damaged.push(index.bad_returns(queue, key)),
                }
            }
            Ok(())
        })?;
        newer.iter().for_each(|(first, last, count)| found.insert(first, last, count));
        Ok(())
    }

    /// The damage of a row that cannot be read.
    pub(crate) fn bad_returns(&self, queue: QueueId, key: Sequence) -> Damage {
        self.damage(format!(
            "table {RETURNS_NAME}, key ({}, {key}): it does not match its checksum; how often some \
             messages of queue {} came back is not known",
            queue.0, queue.0
        ))
    }
}

/// A row of the table; None if it cannot be read.
pub(super) fn opened(queue: QueueId, key: Sequence, value: &[u8]) -> Option<Range> {
    let mut cursor = Cursor::new(unseal(RETURNS_NAME, Key::Row(queue.0, key), value)?);
    Some((key, cursor.u64()?, cursor.u32()?))
}

/// Takes over what a layer says.
pub(super) fn apply(
    transaction: &WriteTransaction,
    deltas: &[(QueueId, &QueueDelta)],
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(RETURNS)?;
    for (queue, delta) in deltas {
        if !table.is_empty()? {
            if delta.deleted {
                table.retain_in((queue.0, 0)..=(queue.0, Sequence::MAX), |_, _| false)?;
            } else if table.range((queue.0, 0)..=(queue.0, Sequence::MAX))?.next().is_some() {
                for (first, last) in delta.settled.iter() {
                    cut(&mut table, *queue, first, last)?;
                }
            }
        }
        for (first, last, count) in delta.returns.iter() {
            cut(&mut table, *queue, first, last)?;
            put(&mut table, *queue, (first, last, count))?;
        }
    }
    Ok(())
}

/// Takes the places from `first` to `last` out. A row that cannot be read goes if it begins there.
fn cut(
    table: &mut ReturnsTable<'_>,
    queue: QueueId,
    first: Sequence,
    last: Sequence,
) -> Result<(), redb::Error> {
    loop {
        let found = match table.range((queue.0, 0)..=(queue.0, last))?.next_back().transpose()? {
            Some((key, value)) => {
                let key = key.value().1;
                (key, opened(queue, key, value.value()))
            }
            None => return Ok(()),
        };
        let (key, range) = found;
        let ends = range.map_or(key, |(_, end, _)| end);
        if ends < first {
            return Ok(());
        }
        table.remove((queue.0, key))?;
        if let Some(range) = range {
            for left in rest(range, first, last) {
                put(table, queue, left)?;
            }
        }
    }
}

fn put(
    table: &mut ReturnsTable<'_>,
    queue: QueueId,
    (first, last, count): Range,
) -> Result<(), redb::Error> {
    let mut value = Vec::with_capacity(16);
    value.extend_from_slice(&last.to_le_bytes());
    value.extend_from_slice(&count.to_le_bytes());
    seal(RETURNS_NAME, Key::Row(queue.0, first), &mut value);
    table.insert((queue.0, first), value.as_slice())?;
    Ok(())
}

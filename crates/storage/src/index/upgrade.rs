//! Brings a database of format 1 to the present one: every value gets a checksum, what waits is
//! counted once, and the numbers of `meta` move to `store`. And one of format 2 or 3, which needs
//! nothing but its new number.

use std::collections::BTreeSet;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use warren_engine::{QueueId, VirtualHostId, Write};

use super::count::{Counts, recount};
use super::seal::{Key, seal};
use super::{
    BINDINGS, EXCHANGES, FORMAT, MESSAGES, MESSAGES_NAME, META, Meta, QUEUES, SEGMENTS, SPILLED,
    STORE, put_log, records,
};
use crate::bytes::Cursor;
use crate::delta::{Places, Standing};
use crate::limits::FORMAT_VERSION;
use crate::shared::Position;
use crate::topology;

const OLD_PLACES: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("places");
const OLD_BINDINGS: TableDefinition<'_, (u32, &[u8]), ()> = TableDefinition::new("bindings");
const OLD_NUMBERS: [&str; 4] = ["log_key", "covered_segment", "covered_offset", "covered_record"];

/// Rows that are rewritten at a time.
const STEP_ROWS: usize = 256;

pub(super) fn from_format_1(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    upgrade_numbers(transaction)?;
    upgrade_records(transaction)?;
    upgrade_rows(transaction)?;
    let mut counts = Counts::default();
    for row in transaction.open_table(QUEUES)?.iter()? {
        counts.standings.insert(QueueId(row?.0.value()), Standing::default());
    }
    for row in transaction.open_table(OLD_PLACES)?.iter()? {
        let (key, value) = row?;
        let (next_sequence, delivered_through) = value.value();
        if let Some(standing) = counts.standings.get_mut(&QueueId(key.value())) {
            standing.places = Places { next_sequence, delivered_through, may_expire: true };
        }
    }
    transaction.delete_table(OLD_PLACES)?;
    transaction.open_table(SEGMENTS)?;
    transaction.open_table(SPILLED)?;
    recount(transaction, &mut counts, &BTreeSet::new())?;
    Ok(())
}

/// Format 3 only adds: times of messages, lanes of priorities, how often messages came back, marks of
/// queues in which messages expire. So does format 4: definitions. What they wrote is read as it
/// stands.
pub(super) fn from_format_2_or_3(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(META)?.insert(FORMAT, u64::from(FORMAT_VERSION))?;
    Ok(())
}

fn corrupted(what: &str) -> redb::Error {
    redb::Error::Corrupted(format!("the record of {what} cannot be read"))
}

fn upgrade_numbers(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(META)?;
    let mut numbers = [0; 4];
    for (number, name) in numbers.iter_mut().zip(OLD_NUMBERS) {
        *number = meta.remove(name)?.ok_or_else(|| corrupted(name))?.value();
    }
    let [log_key, segment, offset, record] = numbers;
    let narrow = |number: u64| u32::try_from(number).map_err(|_| corrupted("the covered place"));
    let covered = Position { segment: narrow(segment)?, offset: narrow(offset)?, record };
    put_log(&mut transaction.open_table(STORE)?, Meta { log_key, covered })?;
    meta.insert(FORMAT, u64::from(FORMAT_VERSION))?;
    Ok(())
}

/// Writes every record of the topology anew.
fn upgrade_records(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut writes = Vec::new();
    for row in transaction.open_table(EXCHANGES)?.iter()? {
        let (key, value) = row?;
        let record = topology::exchange(&mut Cursor::new(value.value()));
        let record = record.ok_or_else(|| corrupted(key.value().1))?;
        writes.push(Write::ExchangeDeclared(VirtualHostId(key.value().0), record));
    }
    for row in transaction.open_table(QUEUES)?.iter()? {
        let (key, value) = row?;
        let record = topology::queue(&mut Cursor::new(value.value()));
        let record = record.ok_or_else(|| corrupted(&format!("queue {}", key.value())))?;
        writes.push(Write::QueueDeclared(record));
    }
    for row in transaction.open_table(OLD_BINDINGS)?.iter()? {
        let (key, _) = row?;
        let (host, bytes) = key.value();
        let record = topology::binding(&mut Cursor::new(bytes));
        let record = record.ok_or_else(|| corrupted("a binding"))?;
        writes.push(Write::Bound(VirtualHostId(host), record));
    }
    transaction.delete_table(OLD_BINDINGS)?;
    transaction.open_table(BINDINGS)?;
    records::apply(transaction, &writes)
}

fn upgrade_rows(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(MESSAGES)?;
    let mut from = Some((0, 0));
    while let Some(start) = from {
        from = upgrade_some(&mut table, start)?;
    }
    Ok(())
}

/// Adds checksums to some rows from `start` on; gives where to go on.
fn upgrade_some(
    table: &mut Table<'_, (u64, u64), &'static [u8]>,
    start: (u64, u64),
) -> Result<Option<(u64, u64)>, redb::Error> {
    let mut rows = Vec::with_capacity(STEP_ROWS);
    for row in table.range(start..)?.take(STEP_ROWS) {
        let (key, value) = row?;
        rows.push((key.value(), value.value().to_vec()));
    }
    let next = rows.last().and_then(|((queue, first), _)| Some((*queue, first.checked_add(1)?)));
    let next = next.filter(|_| rows.len() == STEP_ROWS);
    for ((queue, first), mut row) in rows {
        seal(MESSAGES_NAME, Key::Row(queue, first), &mut row);
        table.insert((queue, first), row.as_slice())?;
    }
    Ok(next)
}

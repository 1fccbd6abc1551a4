//! `warren.redb`: the topology, and for each queue where its waiting messages stand.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | number: format version, log key, the place in the log that is covered |
//! | `exchanges` | virtual host, name | record |
//! | `queues` | queue id | record |
//! | `places` | queue id | above every place that was ever given, the highest delivered one |
//! | `bindings` | virtual host, record | nothing |
//! | `messages` | queue id, first place | a row of entries, see `rows.rs` |

use std::collections::BTreeMap;
use std::path::PathBuf;

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};
use warren_engine::{QueueId, Sequence, VirtualHostId, Write};

use crate::bytes::Cursor;
use crate::delta::{Entry, Freed, Layer, Places, QueueDelta, Ranges};
use crate::disk::RedbFile;
use crate::limits::{FORMAT_VERSION, ROW_BYTES_FULL};
use crate::planted::{self, Bug};
use crate::shared::Position;
use crate::topology::{self, Topology};
use crate::{Disk, Error, rows};

pub(crate) const FILE: &str = "warren.redb";

/// The database while it is being made: it gets its name when it is complete.
pub(crate) const NEW_FILE: &str = "warren.redb.new";

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const EXCHANGES: TableDefinition<'_, (u32, &str), &[u8]> = TableDefinition::new("exchanges");
const QUEUES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("queues");
const PLACES: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("places");
const BINDINGS: TableDefinition<'_, (u32, &[u8]), ()> = TableDefinition::new("bindings");
const MESSAGES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("messages");

const FORMAT: &str = "format";
const LOG_KEY: &str = "log_key";
const COVERED_SEGMENT: &str = "covered_segment";
const COVERED_OFFSET: &str = "covered_offset";
const COVERED_RECORD: &str = "covered_record";

/// The open database.
#[derive(Debug)]
pub(crate) struct Index {
    database: Database,
    path: PathBuf,
}

/// The numbers of the `meta` table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) log_key: u64,
    pub(crate) covered: Position,
}

impl Index {
    /// Makes an empty database under its temporary name and closes it.
    pub(crate) fn create(disk: &dyn Disk, cache_bytes: usize, meta: Meta) -> Result<(), Error> {
        let path = disk.path(NEW_FILE);
        let file = disk.create(NEW_FILE).map_err(|error| Error::io("make", &path, &error))?;
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create_with_backend(RedbFile(file))
            .map_err(|error| Error::database("make", &path, error))?;
        let index = Self { database, path };
        let transaction = index.begin_write()?;
        index.fill(&transaction, meta).map_err(|error| index.error("make", error))?;
        transaction.commit().map_err(|error| index.error("make", error))
    }

    fn fill(&self, transaction: &WriteTransaction, meta: Meta) -> Result<(), redb::Error> {
        transaction.open_table(EXCHANGES)?;
        transaction.open_table(QUEUES)?;
        transaction.open_table(PLACES)?;
        transaction.open_table(BINDINGS)?;
        transaction.open_table(MESSAGES)?;
        let mut table = transaction.open_table(META)?;
        table.insert(FORMAT, u64::from(FORMAT_VERSION))?;
        table.insert(LOG_KEY, meta.log_key)?;
        put_position(&mut table, meta.covered)
    }

    pub(crate) fn open(disk: &dyn Disk, cache_bytes: usize) -> Result<Self, Error> {
        let path = disk.path(FILE);
        let file = disk.open(FILE).map_err(|error| Error::io("open", &path, &error))?;
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create_with_backend(RedbFile(file))
            .map_err(|error| Error::database("open", &path, error))?;
        Ok(Self { database, path })
    }

    /// The numbers of the `meta` table.
    ///
    /// # Errors
    /// `NewerFormat` if a newer program wrote the database.
    pub(crate) fn meta(&self) -> Result<Meta, Error> {
        let number = |name: &str| -> Result<u64, Error> {
            let found = self.meta_number(name).map_err(|error| self.error("read", error))?;
            found.ok_or_else(|| Error::damaged(&self.path, format!("it has no {name}")))
        };
        let version = u32::try_from(number(FORMAT)?).unwrap_or(u32::MAX);
        if version > FORMAT_VERSION {
            let path = self.path.clone();
            return Err(Error::NewerFormat { path, found: version, supported: FORMAT_VERSION });
        }
        let narrow = |name: &str| -> Result<u32, Error> {
            let wide = number(name)?;
            wide.try_into().map_err(|_| Error::damaged(&self.path, format!("{name} is {wide}")))
        };
        let segment = narrow(COVERED_SEGMENT)?;
        let offset = narrow(COVERED_OFFSET)?;
        let covered = Position { segment, offset, record: number(COVERED_RECORD)? };
        Ok(Meta { log_key: number(LOG_KEY)?, covered })
    }

    fn meta_number(&self, name: &str) -> Result<Option<u64>, redb::Error> {
        let table = self.database.begin_read()?.open_table(META)?;
        let number = table.get(name)?.map(|guard| guard.value());
        Ok(number)
    }

    /// Everything declared.
    pub(crate) fn topology(&self) -> Result<Topology, Error> {
        let mut topology = Topology::default();
        self.read_topology(&mut topology).map_err(|error| self.error("read", error))?;
        Ok(topology)
    }

    fn read_topology(&self, topology: &mut Topology) -> Result<(), redb::Error> {
        let bad = |what: &str| redb::Error::Corrupted(format!("the record of {what}"));
        let transaction = self.database.begin_read()?;
        for row in transaction.open_table(EXCHANGES)?.iter()? {
            let (key, value) = row?;
            let (host, name) = key.value();
            let record = topology::exchange(&mut Cursor::new(value.value()))
                .ok_or_else(|| bad(&format!("exchange {name}")))?;
            topology.exchanges.insert((VirtualHostId(host), name.to_owned()), record);
        }
        for row in transaction.open_table(QUEUES)?.iter()? {
            let (key, value) = row?;
            let record = topology::queue(&mut Cursor::new(value.value()))
                .ok_or_else(|| bad(&format!("queue {}", key.value())))?;
            topology.queues.insert(QueueId(key.value()), record);
        }
        for row in transaction.open_table(BINDINGS)?.iter()? {
            let (key, _) = row?;
            let (host, bytes) = key.value();
            let record =
                topology::binding(&mut Cursor::new(bytes)).ok_or_else(|| bad("a binding"))?;
            topology.bindings.insert((VirtualHostId(host), bytes.to_vec()), record);
        }
        Ok(())
    }

    /// For each queue how far its places have come.
    pub(crate) fn places(&self) -> Result<Vec<(QueueId, Places)>, Error> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(PLACES)?;
            let mut found = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                let (next_sequence, delivered_through) = value.value();
                found.push((QueueId(key.value()), Places { next_sequence, delivered_through }));
            }
            Ok(found)
        };
        read().map_err(|error| self.error("read", error))
    }

    /// Shows `visit` every row of every queue, in order.
    pub(crate) fn each_row(&self, mut visit: impl FnMut(QueueId, Vec<Entry>)) -> Result<(), Error> {
        let mut read = || -> Result<(), redb::Error> {
            let table = self.database.begin_read()?.open_table(MESSAGES)?;
            for row in table.iter()? {
                let (key, value) = row?;
                let (queue, first) = key.value();
                visit(QueueId(queue), unpacked(first, value.value())?);
            }
            Ok(())
        };
        read().map_err(|error| self.error("read", error))
    }

    /// The entries of a queue from `first` to `last` in order, for as long as `take` says so.
    pub(crate) fn read_range(
        &self,
        queue: QueueId,
        first: Sequence,
        last: Sequence,
        mut take: impl FnMut(Entry) -> bool,
    ) -> Result<(), Error> {
        let mut read = || -> Result<(), redb::Error> {
            let table = self.database.begin_read()?.open_table(MESSAGES)?;
            let from = row_before(&table, queue, first)?.unwrap_or(first);
            for row in table.range((queue.0, from)..=(queue.0, last.max(from)))? {
                let (key, value) = row?;
                for entry in unpacked(key.value().1, value.value())? {
                    if (first..=last).contains(&entry.sequence) && !take(entry) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        read().map_err(|error| self.error("read", error))
    }

    /// Moves a layer into the database, in one durable commit that also says how much of the log
    /// is in it.
    pub(crate) fn apply(&self, layer: &Layer, covered: Position) -> Result<Freed, Error> {
        let mut transaction = self.begin_write()?;
        // Rare commits of a small file: saving the allocator's state costs little here and spares
        // the next start after a crash a walk through the whole file.
        transaction.set_quick_repair(true);
        let freed = self
            .apply_in(&transaction, layer, covered)
            .map_err(|error| self.error("write", error))?;
        transaction.commit().map_err(|error| self.error("write", error))?;
        Ok(freed)
    }

    fn apply_in(
        &self,
        transaction: &WriteTransaction,
        layer: &Layer,
        covered: Position,
    ) -> Result<Freed, redb::Error> {
        apply_topology(transaction, &layer.topology)?;
        let mut freed = Freed::default();
        let mut messages = transaction.open_table(MESSAGES)?;
        let mut places = transaction.open_table(PLACES)?;
        let queues = transaction.open_table(QUEUES)?;
        let mut deltas: Vec<(&QueueId, &QueueDelta)> = layer.queues.iter().collect();
        deltas.sort_unstable_by_key(|(queue, _)| **queue);
        for (queue, delta) in deltas {
            if delta.deleted && !planted::is(Bug::DeletedRowsStay) {
                remove_rows(&mut messages, *queue, &mut freed)?;
                places.remove(queue.0)?;
            }
            if queues.get(queue.0)?.is_none() {
                continue;
            }
            let Places { next_sequence, delivered_through } = delta.places;
            places.insert(queue.0, (next_sequence, delivered_through))?;
            remove_settled(&mut messages, *queue, &delta.settled, &mut freed)?;
            let added: Vec<Entry> = delta.entries.iter().copied().collect();
            add(&mut messages, *queue, added, &mut freed)?;
        }
        put_position(&mut transaction.open_table(META)?, covered)?;
        Ok(freed)
    }

    fn begin_write(&self) -> Result<WriteTransaction, Error> {
        let begin = || -> Result<_, redb::Error> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            Ok(transaction)
        };
        begin().map_err(|error| self.error("write", error))
    }

    fn error(&self, operation: &'static str, error: impl Into<redb::Error>) -> Error {
        Error::database(operation, &self.path, error)
    }
}

type MessagesTable<'a> = Table<'a, (u64, u64), &'static [u8]>;

fn put_position(table: &mut Table<'_, &str, u64>, covered: Position) -> Result<(), redb::Error> {
    table.insert(COVERED_SEGMENT, u64::from(covered.segment))?;
    table.insert(COVERED_OFFSET, u64::from(covered.offset))?;
    table.insert(COVERED_RECORD, covered.record)?;
    Ok(())
}

fn unpacked(first: Sequence, row: &[u8]) -> Result<Vec<Entry>, redb::Error> {
    rows::unpack(first, row)
        .ok_or_else(|| redb::Error::Corrupted(format!("the row of messages from {first} on")))
}

fn apply_topology(transaction: &WriteTransaction, writes: &[Write]) -> Result<(), redb::Error> {
    if writes.is_empty() {
        return Ok(());
    }
    let mut exchanges = transaction.open_table(EXCHANGES)?;
    let mut queues = transaction.open_table(QUEUES)?;
    let mut bindings = transaction.open_table(BINDINGS)?;
    let mut bytes = Vec::new();
    for write in writes {
        bytes.clear();
        match write {
            Write::ExchangeDeclared(host, record) => {
                topology::put_exchange(&mut bytes, record);
                exchanges.insert((host.0, record.name.as_str()), bytes.as_slice())?;
            }
            Write::ExchangeDeleted(host, name) => {
                exchanges.remove((host.0, name.as_str()))?;
            }
            Write::QueueDeclared(record) => {
                topology::put_queue(&mut bytes, record);
                queues.insert(record.id.0, bytes.as_slice())?;
            }
            Write::QueueDeleted(queue) => {
                queues.remove(queue.0)?;
            }
            Write::Bound(host, record) => {
                topology::put_binding(&mut bytes, record);
                bindings.insert((host.0, bytes.as_slice()), ())?;
            }
            Write::Unbound(host, record) => {
                topology::put_binding(&mut bytes, record);
                bindings.remove((host.0, bytes.as_slice()))?;
            }
            Write::Enqueued { .. } | Write::Settled { .. } | Write::Delivered { .. } => {}
        }
    }
    Ok(())
}

/// The key of the last row that begins at or before `sequence`.
fn row_before(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    queue: QueueId,
    sequence: Sequence,
) -> Result<Option<Sequence>, redb::Error> {
    match table.range((queue.0, 0)..=(queue.0, sequence))?.next_back() {
        Some(row) => Ok(Some(row?.0.value().1)),
        None => Ok(None),
    }
}

fn row_keys(
    table: &MessagesTable<'_>,
    queue: QueueId,
    first: Sequence,
    last: Sequence,
) -> Result<Vec<Sequence>, redb::Error> {
    let mut keys = Vec::new();
    for row in table.range((queue.0, first)..=(queue.0, last))? {
        keys.push(row?.0.value().1);
    }
    Ok(keys)
}

/// Takes a row out.
fn take_row(
    table: &mut MessagesTable<'_>,
    queue: QueueId,
    key: Sequence,
) -> Result<Vec<Entry>, redb::Error> {
    match table.remove((queue.0, key))? {
        Some(row) => unpacked(key, row.value()),
        None => Ok(Vec::new()),
    }
}

fn remove_rows(
    table: &mut MessagesTable<'_>,
    queue: QueueId,
    freed: &mut Freed,
) -> Result<(), redb::Error> {
    for key in row_keys(table, queue, 0, Sequence::MAX)? {
        for entry in take_row(table, queue, key)? {
            freed.add(entry.segment, 1);
        }
    }
    Ok(())
}

/// Takes the settled messages out. Each row is touched once, whatever the number of ranges in it,
/// and rows between the ranges are not read.
fn remove_settled(
    table: &mut MessagesTable<'_>,
    queue: QueueId,
    settled: &Ranges,
    freed: &mut Freed,
) -> Result<(), redb::Error> {
    let mut next = settled.next_from(0);
    while let Some(position) = next {
        let Some((key, entries)) = row_at(table, queue, position)? else { break };
        let last = entries.last().map_or(position, |entry| entry.sequence.max(position));
        let (gone, mut kept): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| settled.contains(entry.sequence));
        if !gone.is_empty() {
            if planted::is(Bug::RowLosesLast) {
                kept.pop();
            }
            gone.iter().for_each(|entry| freed.add(entry.segment, 1));
            table.remove((queue.0, key))?;
            put_rows(table, queue, &kept)?;
        }
        next = last.checked_add(1).and_then(|after| settled.next_from(after));
    }
    Ok(())
}

/// The row that reaches `sequence`, or else the next one.
fn row_at(
    table: &MessagesTable<'_>,
    queue: QueueId,
    sequence: Sequence,
) -> Result<Option<(Sequence, Vec<Entry>)>, redb::Error> {
    let from = row_before(table, queue, sequence)?.unwrap_or(sequence);
    for row in table.range((queue.0, from)..=(queue.0, Sequence::MAX))?.take(2) {
        let (key, value) = row?;
        let first = key.value().1;
        let entries = unpacked(first, value.value())?;
        if entries.last().is_some_and(|entry| entry.sequence >= sequence) {
            return Ok(Some((first, entries)));
        }
    }
    Ok(None)
}

/// Adds messages, which are in order. They are packed together with the queue's last row if that
/// has room, or with the rows that they fall into.
fn add(
    table: &mut MessagesTable<'_>,
    queue: QueueId,
    added: Vec<Entry>,
    freed: &mut Freed,
) -> Result<(), redb::Error> {
    let (Some(first), Some(last)) = (added.first(), added.last()) else { return Ok(()) };
    let (first, last) = (first.sequence, last.sequence);
    let before = row_before(table, queue, first)?.unwrap_or(first);
    let mut merged = BTreeMap::new();
    for key in row_keys(table, queue, before, last.max(before))? {
        let (full, entries) = match table.get((queue.0, key))? {
            Some(row) => (row.value().len() > ROW_BYTES_FULL, unpacked(key, row.value())?),
            None => continue,
        };
        if full && entries.last().is_some_and(|entry| entry.sequence < first) {
            continue;
        }
        table.remove((queue.0, key))?;
        merged.extend(entries.into_iter().map(|entry| (entry.sequence, entry)));
    }
    if merged.is_empty() {
        return put_rows(table, queue, &added);
    }
    for entry in added {
        if let Some(replaced) = merged.insert(entry.sequence, entry) {
            freed.add(replaced.segment, 1);
        }
    }
    put_rows(table, queue, &merged.into_values().collect::<Vec<_>>())
}

fn put_rows(
    table: &mut MessagesTable<'_>,
    queue: QueueId,
    entries: &[Entry],
) -> Result<(), redb::Error> {
    for (first, row) in rows::pack(entries) {
        table.insert((queue.0, first), row.as_slice())?;
    }
    Ok(())
}

//! `warren.redb`: the topology, and for each queue where its waiting messages stand.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format` | the format version, a plain number |
//! | `store` | `log`, `recount` | log key and covered place in the log; nothing |
//! | `exchanges` | virtual host, name | record |
//! | `queues` | queue id | record |
//! | `standings` | queue id | how far its places have come; what its rows hold |
//! | `bindings` | virtual host, record | nothing |
//! | `definitions` | key | value, of which the store knows nothing |
//! | `segments` | segment | what messages of rows in `messages` have of it |
//! | `messages` | queue id, first place | a row of entries, see `rows.rs` |
//! | `spilled` | the same | the same, for messages that no restart survives |
//! | `returns` | queue id, first place | last place, how often the messages came back |
//!
//! Every value but the format has a checksum, see `seal.rs`. Standings and segment counts always
//! fit the rows: they change in the same transaction. So a store opens without reading the rows.

mod apply;
mod count;
mod lookup;
mod messages;
mod records;
mod returns;
mod seal;
mod upgrade;
mod walk;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTableMetadata, Table,
    TableDefinition, WriteTransaction,
};
use warren_engine::{QueueId, Sequence, Waiting};

pub(crate) use self::apply::Applied;
pub(crate) use self::count::{BadCounts, Counts};
use self::messages::{Rows, opened};
use self::seal::sealed_log;
pub(crate) use self::walk::Walked;
use crate::delta::{Entry, Standing};
use crate::disk::RedbFile;
use crate::limits::{FORMAT_VERSION, OPEN_CHECK_BYTES_MAX};
use crate::ranges::Ranges;
use crate::recovery::Damage;
use crate::shared::Position;
use crate::{Disk, Error};

pub(crate) const FILE: &str = "warren.redb";

/// The database while it is being made: it gets its name when it is complete.
pub(crate) const NEW_FILE: &str = "warren.redb.new";

type Sealed<'a, K> = TableDefinition<'a, K, &'static [u8]>;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const STORE: Sealed<'_, &str> = TableDefinition::new("store");
const EXCHANGES: Sealed<'_, (u32, &str)> = TableDefinition::new("exchanges");
const QUEUES: Sealed<'_, u64> = TableDefinition::new("queues");
const STANDINGS: Sealed<'_, u64> = TableDefinition::new("standings");
const BINDINGS: Sealed<'_, (u32, &[u8])> = TableDefinition::new("bindings");
const DEFINITIONS: Sealed<'_, &str> = TableDefinition::new("definitions");
const SEGMENTS: Sealed<'_, u32> = TableDefinition::new("segments");
const MESSAGES: Sealed<'_, (u64, u64)> = TableDefinition::new("messages");
const SPILLED: Sealed<'_, (u64, u64)> = TableDefinition::new("spilled");
const RETURNS: Sealed<'_, (u64, u64)> = TableDefinition::new("returns");

const MESSAGES_NAME: &str = "messages";
const SPILLED_NAME: &str = "spilled";
const RETURNS_NAME: &str = "returns";
const SEGMENTS_NAME: &str = "segments";
const STANDINGS_NAME: &str = "standings";
const STORE_NAME: &str = "store";

const FORMAT: &str = "format";
const LOG: &str = "log";
const RECOUNT: &str = "recount";

/// The open database.
#[derive(Debug)]
pub(crate) struct Index {
    /// Taken out when it is closed.
    database: Option<Database>,
    path: PathBuf,
    /// So small that all rows are counted when it is opened.
    small: bool,
}

/// What recovery needs to know before it reads the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) log_key: u64,
    pub(crate) covered: Position,
}

/// Some rows of a queue, in order.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) entries: Vec<Entry>,
    /// Everything up to this place was looked at.
    pub(crate) through: Sequence,
    /// Rows that cannot be read: the first place of each, and a place that it does not reach.
    pub(crate) bad: Vec<(Sequence, Option<Sequence>)>,
}

impl Index {
    /// Makes an empty database under its temporary name.
    pub(crate) fn create(disk: &dyn Disk, cache_bytes: usize, meta: Meta) -> Result<Self, Error> {
        let path = disk.path(NEW_FILE);
        let file = disk.create(NEW_FILE).map_err(|error| Error::io("make", &path, &error))?;
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create_with_backend(RedbFile(file))
            .map_err(|error| Error::database("make", &path, error))?;
        let index = Self { database: Some(database), path, small: true };
        index.write("make", |transaction| fill(transaction, meta))?;
        Ok(index)
    }

    /// Opens the database; one of an older format is brought to the present one.
    ///
    /// # Errors
    /// `NewerFormat` if a newer program wrote it, `Damaged` if it is unreadable.
    pub(crate) fn open(disk: &dyn Disk, cache_bytes: usize) -> Result<Self, Error> {
        let index = Self::open_as_it_is(disk, cache_bytes)?;
        match index.format()? {
            FORMAT_VERSION => Ok(index),
            1 => index.write("upgrade", upgrade::from_format_1).map(|()| index),
            2 | 3 => index.write("upgrade", upgrade::from_format_2_or_3).map(|()| index),
            found if found > FORMAT_VERSION => {
                let (path, supported) = (index.path.clone(), FORMAT_VERSION);
                Err(Error::NewerFormat { path, found, supported })
            }
            found => Err(Error::damaged(&index.path, format!("format is {found}"))),
        }
    }

    /// Opens the database, whatever its format.
    pub(crate) fn open_as_it_is(disk: &dyn Disk, cache_bytes: usize) -> Result<Self, Error> {
        let path = disk.path(FILE);
        let file = disk.open(FILE).map_err(|error| Error::io("open", &path, &error))?;
        let bytes = file.len().map_err(|error| Error::io("open", &path, &error))?;
        let database = guarded(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(cache_bytes);
            Ok(builder.create_with_backend(RedbFile(file))?)
        });
        let database = database.map_err(|error| Error::database("open", &path, error))?;
        Ok(Self { database: Some(database), path, small: bytes <= OPEN_CHECK_BYTES_MAX })
    }

    fn format(&self) -> Result<u32, Error> {
        let found = self.read("read", |index| {
            let table = index.database()?.begin_read()?.open_table(META)?;
            Ok(table.get(FORMAT)?.map(|guard| guard.value()))
        })?;
        let found = found.ok_or_else(|| Error::damaged(&self.path, "it has no format"))?;
        Ok(u32::try_from(found).unwrap_or(u32::MAX))
    }

    pub(crate) fn meta(&self) -> Result<Meta, Error> {
        let found = self.read("read", |index| {
            let table = index.database()?.begin_read()?.open_table(STORE)?;
            let sealed = table.get(LOG)?;
            Ok(sealed.and_then(|sealed| seal::log(STORE_NAME, LOG, sealed.value())))
        })?;
        let (log_key, covered) = found.ok_or_else(|| {
            Error::damaged(&self.path, "the place of the last checkpoint (table store) is damaged")
        })?;
        Ok(Meta { log_key, covered })
    }

    /// Forgets the messages that no restart survives.
    pub(crate) fn forget_spilled(&self) -> Result<(), Error> {
        let empty = self.read("read", |index| {
            Ok(index.database()?.begin_read()?.open_table(SPILLED)?.is_empty()?)
        })?;
        if empty {
            return Ok(());
        }
        self.write("write", |transaction| {
            transaction.delete_table(SPILLED)?;
            transaction.open_table(SPILLED)?;
            Ok(())
        })
    }

    /// What the rows of queues hold outside of the places that a replay settled. Rows are read
    /// only where these places are, and at both ends.
    pub(crate) fn left<'a>(
        &self,
        queues: impl Iterator<Item = (QueueId, Standing, &'a Ranges)>,
        damaged: &mut Vec<Damage>,
    ) -> Result<Vec<(QueueId, Waiting)>, Error> {
        let mut bad = Vec::new();
        let found = self.read("read", |index| {
            let table = index.database()?.begin_read()?.open_table(MESSAGES)?;
            let rows = Rows { table: &table, name: MESSAGES_NAME };
            let mut all = Vec::new();
            for (queue, standing, settled) in queues {
                let Some(first) = rows.first_outside(queue, settled)? else { continue };
                let end = standing.places.next_sequence;
                let last = rows.last_outside(queue, settled, end)?.unwrap_or(first);
                let left = standing.tally.minus(rows.tally(queue, settled, &mut bad)?);
                let (messages, body_bytes) = (left.messages, left.body_bytes);
                if messages > 0 {
                    all.push((queue, Waiting { first, last, messages, body_bytes }));
                }
            }
            Ok(all)
        })?;
        damaged.extend(bad.into_iter().map(|(queue, key)| self.bad_row(queue, key, None)));
        Ok(found)
    }

    /// The entries of a queue from `first` to `last`, in order: of at most `rows_max` rows.
    pub(crate) fn window(
        &self,
        queue: QueueId,
        first: Sequence,
        last: Sequence,
        rows_max: usize,
    ) -> Result<Window, Error> {
        self.read("read", |index| {
            let (definition, name) = table_of(queue);
            let table = index.database()?.begin_read()?.open_table(definition)?;
            let mut window = Window { through: last, ..Window::default() };
            let before = Rows { table: &table, name }.before(queue, first)?;
            let from = before.unwrap_or(first);
            let rows = table.range((queue.0, from)..=(queue.0, last.max(from)))?;
            for (taken, row) in rows.enumerate() {
                let (key, value) = row?;
                let key = key.value().1;
                if taken == rows_max {
                    window.through = key.saturating_sub(1).clamp(first, last);
                    break;
                }
                index.take_row(&table, (queue, name), key, value.value(), &mut window)?;
            }
            window.entries.retain(|entry| (first..=last).contains(&entry.sequence));
            Ok(window)
        })
    }

    fn take_row(
        &self,
        table: &ReadOnlyTable<(u64, u64), &'static [u8]>,
        (queue, name): (QueueId, &str),
        key: Sequence,
        value: &[u8],
        window: &mut Window,
    ) -> Result<(), redb::Error> {
        match opened(name, queue, key, value) {
            Some(entries) => window.entries.extend(entries),
            None => {
                let after = key.saturating_add(1);
                window.bad.push((key, Rows { table, name }.from(queue, after)?));
            }
        }
        Ok(())
    }

    /// The damage of a row that cannot be read.
    pub(crate) fn bad_row(&self, queue: QueueId, key: Sequence, next: Option<Sequence>) -> Damage {
        let (_, table) = table_of(queue);
        let end = next.map_or_else(String::new, |next| format!(" below {next}"));
        let message = format!(
            "table {table}, key ({}, {key}): the row does not match its checksum; the messages \
             of queue {} from place {key} on{end} that stood in it are lost",
            queue.0, queue.0
        );
        self.damage(message)
    }

    fn damage(&self, message: String) -> Damage {
        Damage { file: self.path.clone(), offset: 0, message }
    }

    /// Runs a reading operation; a page that makes redb panic is damage and no reason to end.
    fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Self) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        guarded(|| work(self)).map_err(|error| self.error(operation, error))
    }

    /// Runs a change in one durable transaction.
    fn write<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let done = guarded(|| {
            let mut transaction = self.database()?.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            // Rare commits of a small file: saving the allocator's state costs little here and
            // spares the next start after a crash a walk through the whole file.
            transaction.set_quick_repair(true);
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        });
        done.map_err(|error| self.error(operation, error))
    }

    fn database(&self) -> Result<&Database, redb::Error> {
        let database = self.database.as_ref();
        database.ok_or_else(|| redb::Error::Corrupted("the database is closed".to_owned()))
    }

    fn error(&self, operation: &'static str, error: impl Into<redb::Error>) -> Error {
        Error::database(operation, &self.path, error)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // When it is closed, redb saves what it wants to find at the next start. Over damaged pages
        // it can panic there twice at once, which aborts the process. Dropped by a panic it saves
        // nothing, and nothing is lost: all commits were durable and good for a quick repair, and
        // the next start is the one after a crash.
        let database = self.database.take();
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _dropped_here = database;
            resume_unwind(Box::new(()))
        }));
    }
}

fn table_of(queue: QueueId) -> (Sealed<'static, (u64, u64)>, &'static str) {
    if queue.is_spilled() { (SPILLED, SPILLED_NAME) } else { (MESSAGES, MESSAGES_NAME) }
}

/// A panic of redb over a damaged page, as an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(redb::Error::Corrupted("the database gave up on one of its pages".to_owned()))
    })
}

fn fill(transaction: &WriteTransaction, meta: Meta) -> Result<(), redb::Error> {
    transaction.open_table(EXCHANGES)?;
    transaction.open_table(QUEUES)?;
    transaction.open_table(STANDINGS)?;
    transaction.open_table(BINDINGS)?;
    transaction.open_table(SEGMENTS)?;
    transaction.open_table(MESSAGES)?;
    transaction.open_table(SPILLED)?;
    transaction.open_table(META)?.insert(FORMAT, u64::from(FORMAT_VERSION))?;
    put_log(&mut transaction.open_table(STORE)?, meta)
}

fn put_log(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    meta: Meta,
) -> Result<(), redb::Error> {
    let sealed = sealed_log(STORE_NAME, LOG, meta.log_key, meta.covered);
    table.insert(LOG, sealed.as_slice())?;
    Ok(())
}

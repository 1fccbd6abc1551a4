//! Goes through a database that may be damaged: everything that can be reached is given, and what
//! cannot is named.

use redb::{ReadableDatabase, TableError};
use warren_engine::{QueueId, Sequence};

use super::messages::opened;
use super::{Index, MESSAGES, MESSAGES_NAME, RETURNS, Sealed, returns};
use crate::Error;
use crate::delta::Entry;
use crate::returns::Range;

/// Rows that are read at a time: about 1 MiB.
const STEP_ROWS: usize = 256;

/// The key of a row: queue and first place.
type RowKey = (u64, u64);

/// Reads a row; None if it does not match its checksum.
type Opened<'o, T> = &'o dyn Fn(QueueId, Sequence, &[u8]) -> Option<T>;

/// A row, or what is wrong instead.
#[derive(Debug)]
pub(crate) enum Walked<T> {
    /// A row; None if it does not match its checksum.
    Row { queue: QueueId, key: Sequence, row: Option<T> },
    /// Rows behind this key cannot be reached; what follows comes from the end, in reverse order.
    Unreachable { after: RowKey, reason: String },
}

impl Index {
    /// Leaves the database unclosed, and its memory taken: only where nothing is written. On a
    /// damaged page of redb's own bookkeeping, closing panics twice, which ends the process.
    pub(crate) fn leave(mut self) {
        std::mem::forget(self.database.take());
    }

    /// Lets redb check the checksums of all its pages.
    ///
    /// # Errors
    /// `Damaged` if a page does not match.
    pub(crate) fn check_pages(&mut self) -> Result<(), Error> {
        let path = self.path.clone();
        let database = self.database.as_mut();
        let sound = super::guarded(|| match database {
            Some(database) => Ok(database.check_integrity()?),
            None => Ok(false),
        });
        match sound.map_err(|error| Error::database("check", &path, error))? {
            true => Ok(()),
            false => Err(Error::damaged(&path, "redb found its bookkeeping of pages wrong")),
        }
    }

    /// Gives all rows of messages that survive a restart: in order, and behind a place that cannot
    /// be read from the end.
    ///
    /// # Errors
    /// Those of `each` only.
    pub(crate) fn walk(
        &self,
        each: &mut dyn FnMut(Walked<Vec<Entry>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.walk_table(MESSAGES, &|queue, key, row| opened(MESSAGES_NAME, queue, key, row), each)
    }

    /// The same for how often messages came back.
    ///
    /// # Errors
    /// Those of `each` only.
    pub(crate) fn walk_returns(
        &self,
        each: &mut dyn FnMut(Walked<Range>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let is_there = self.read("read", |index| {
            match index.database()?.begin_read()?.open_table(RETURNS) {
                Ok(_) => Ok(true),
                // In a database of an earlier version.
                Err(TableError::TableDoesNotExist(_)) => Ok(false),
                Err(error) => Err(error.into()),
            }
        });
        match is_there {
            Ok(false) => Ok(()),
            // What is wrong is told by what follows.
            Ok(true) | Err(_) => self.walk_table(RETURNS, &returns::opened, each),
        }
    }

    fn walk_table<T>(
        &self,
        table: Sealed<'static, RowKey>,
        opened: Opened<'_, T>,
        each: &mut dyn FnMut(Walked<T>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut last = (0, 0);
        let reason = loop {
            let mut rows = Vec::with_capacity(STEP_ROWS);
            let read = self.read("read", |index| index.rows_behind(table, last, opened, &mut rows));
            let ended = rows.len() < STEP_ROWS;
            for (key, row) in rows {
                last = key;
                each(walked(key, row))?;
            }
            match read {
                Ok(()) if ended => return Ok(()),
                Ok(()) => {}
                Err(error) => break error.to_string(),
            }
        };
        each(Walked::Unreachable { after: last, reason })?;
        let mut before = (u64::MAX, u64::MAX);
        loop {
            let mut rows = Vec::with_capacity(STEP_ROWS);
            let read = self
                .read("read", |index| index.rows_between(table, last, before, opened, &mut rows));
            let ended = rows.len() < STEP_ROWS || read.is_err();
            for (key, row) in rows {
                before = key;
                each(walked(key, row))?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    fn rows_behind<T>(
        &self,
        table: Sealed<'static, RowKey>,
        last: RowKey,
        opened: Opened<'_, T>,
        rows: &mut Vec<(RowKey, Option<T>)>,
    ) -> Result<(), redb::Error> {
        let table = self.database()?.begin_read()?.open_table(table)?;
        let mut before = last;
        for row in table.range(next(last)..)?.take(STEP_ROWS) {
            let (key, value) = row?;
            let key = key.value();
            if key <= before {
                return Err(redb::Error::Corrupted("rows are not in order".to_owned()));
            }
            before = key;
            rows.push((key, opened(QueueId(key.0), key.1, value.value())));
        }
        Ok(())
    }

    fn rows_between<T>(
        &self,
        table: Sealed<'static, RowKey>,
        last: RowKey,
        end: RowKey,
        opened: Opened<'_, T>,
        rows: &mut Vec<(RowKey, Option<T>)>,
    ) -> Result<(), redb::Error> {
        let table = self.database()?.begin_read()?.open_table(table)?;
        let mut behind = end;
        for row in table.range(next(last)..end)?.rev().take(STEP_ROWS) {
            let (key, value) = row?;
            let key = key.value();
            if key >= behind || key <= last {
                return Err(redb::Error::Corrupted("rows are not in order".to_owned()));
            }
            behind = key;
            rows.push((key, opened(QueueId(key.0), key.1, value.value())));
        }
        Ok(())
    }
}

fn walked<T>((queue, key): RowKey, row: Option<T>) -> Walked<T> {
    Walked::Row { queue: QueueId(queue), key, row }
}

fn next((queue, key): RowKey) -> RowKey {
    match key.checked_add(1) {
        Some(key) => (queue, key),
        None => (queue.saturating_add(1), 0),
    }
}

//! Goes through a database that may be damaged: everything that can be reached is given, and what
//! cannot is named.

use redb::ReadableDatabase;
use warren_engine::{QueueId, Sequence};

use super::messages::opened;
use super::{Index, MESSAGES, MESSAGES_NAME};
use crate::Error;
use crate::delta::Entry;

/// Rows that are read at a time: about 1 MiB.
const STEP_ROWS: usize = 256;

/// The key of a row: queue and first place.
type RowKey = (u64, u64);

/// A row of waiting messages, or what is wrong instead.
#[derive(Debug)]
pub(crate) enum Walked {
    /// A row; no entries if it does not match its checksum.
    Row { queue: QueueId, key: Sequence, entries: Option<Vec<Entry>> },
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
        each: &mut dyn FnMut(Walked) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut last = (0, 0);
        let reason = loop {
            let mut rows = Vec::with_capacity(STEP_ROWS);
            let read = self.read("read", |index| index.rows_behind(last, &mut rows));
            let ended = rows.len() < STEP_ROWS;
            for (key, entries) in rows {
                last = key;
                each(walked(key, entries))?;
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
            let read = self.read("read", |index| index.rows_between(last, before, &mut rows));
            let ended = rows.len() < STEP_ROWS || read.is_err();
            for (key, entries) in rows {
                before = key;
                each(walked(key, entries))?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    fn rows_behind(
        &self,
        last: RowKey,
        rows: &mut Vec<(RowKey, Option<Vec<Entry>>)>,
    ) -> Result<(), redb::Error> {
        let table = self.database()?.begin_read()?.open_table(MESSAGES)?;
        let mut before = last;
        for row in table.range(next(last)..)?.take(STEP_ROWS) {
            let (key, value) = row?;
            let key = key.value();
            if key <= before {
                return Err(redb::Error::Corrupted("rows are not in order".to_owned()));
            }
            before = key;
            rows.push((key, opened(MESSAGES_NAME, QueueId(key.0), key.1, value.value())));
        }
        Ok(())
    }

    fn rows_between(
        &self,
        last: RowKey,
        end: RowKey,
        rows: &mut Vec<(RowKey, Option<Vec<Entry>>)>,
    ) -> Result<(), redb::Error> {
        let table = self.database()?.begin_read()?.open_table(MESSAGES)?;
        let mut behind = end;
        for row in table.range(next(last)..end)?.rev().take(STEP_ROWS) {
            let (key, value) = row?;
            let key = key.value();
            if key >= behind || key <= last {
                return Err(redb::Error::Corrupted("rows are not in order".to_owned()));
            }
            behind = key;
            rows.push((key, opened(MESSAGES_NAME, QueueId(key.0), key.1, value.value())));
        }
        Ok(())
    }
}

fn walked((queue, key): RowKey, entries: Option<Vec<Entry>>) -> Walked {
    Walked::Row { queue: QueueId(queue), key, entries }
}

fn next((queue, key): RowKey) -> RowKey {
    match key.checked_add(1) {
        Some(key) => (queue, key),
        None => (queue.saturating_add(1), 0),
    }
}

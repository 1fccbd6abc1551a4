//! The database itself. Closing it writes to it, and a damaged page that makes redb panic then is
//! no reason to end: what was committed is on the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

/// A database that can be closed whatever its pages hold.
#[derive(Debug)]
pub(super) struct Held(Option<Database>);

impl Held {
    pub(super) fn new(database: Database) -> Self {
        Self(Some(database))
    }

    pub(super) fn begin_read(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.0.as_ref().ok_or_else(closed)?.begin_read()?)
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        Ok(self.0.as_ref().ok_or_else(closed)?.begin_write()?)
    }

    pub(super) fn check_integrity(&mut self) -> Result<bool, redb::Error> {
        Ok(self.0.as_mut().ok_or_else(closed)?.check_integrity()?)
    }

    /// Leaves the database unclosed, and its memory taken: on a damaged page of redb's own
    /// bookkeeping, closing panics twice, which ends the process.
    pub(super) fn leave(&mut self) {
        std::mem::forget(self.0.take());
    }
}

fn closed() -> redb::Error {
    redb::Error::Corrupted("the database is closed".to_owned())
}

impl Drop for Held {
    fn drop(&mut self) {
        let database = self.0.take();
        // The reason was told by whoever met with the page before, or is found by the next check.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

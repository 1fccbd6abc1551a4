//! Holds the index, so that it can be closed and opened again while the store is in use.
//!
//! redb refuses all work after its disk has refused to take something, also if only room was
//! missing. Its file is then as the last commit left it, and to open it anew is all that is
//! needed. Nobody may still use the old database when the new one begins: hence the lock, which
//! readers share and which opening takes alone.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use crate::index::{self, Index};
use crate::{Disk, Error};

/// The place of the index.
#[derive(Debug)]
pub(crate) struct Slot {
    /// None while there is no room to open it again.
    index: RwLock<Option<Index>>,
    path: PathBuf,
}

impl Slot {
    pub(crate) fn new(index: Index, disk: &dyn Disk) -> Self {
        Self { index: RwLock::new(Some(index)), path: disk.path(index::FILE) }
    }

    /// Works with the index.
    ///
    /// # Errors
    /// What `work` gives; `DiskFull` if the index waits for room to be opened again, and also if
    /// it has failed and nobody has opened it again yet.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Index) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let guard = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = guard.as_ref().ok_or_else(|| Error::DiskFull { path: self.path.clone() })?;
        work(index)
    }

    /// Closes the index and opens it again, as its last commit left it.
    ///
    /// # Errors
    /// `DiskFull` if there is no room even for that: the index is then missing until a later call
    /// succeeds. And any error of the disk or of redb.
    pub(crate) fn reopen(&self, disk: &dyn Disk, cache_bytes: usize) -> Result<(), Error> {
        let mut guard = self.index.write().unwrap_or_else(PoisonError::into_inner);
        // The old one first: it must write nothing after the new one has begun.
        drop(guard.take());
        *guard = Some(Index::open(disk, cache_bytes)?);
        Ok(())
    }
}

//! Everything that can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};

/// Why an operation of the store failed. It can be cloned, because a store that has failed once
/// answers every later call with the same error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another process has the folder open.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The data were written by a newer version of the program.
    #[error(
        "{} has format version {found}, this program reads up to {supported}",
        path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version found in it.
        found: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// There is no space left where the file is. While the store is in use this is not final: the
    /// call can be repeated when there is room.
    #[error("no space left for {}", path.display())]
    DiskFull {
        /// The file that should have grown.
        path: PathBuf,
    },
    /// An operation on a file failed.
    #[error("cannot {operation} {}: {message}", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// The database refused an operation.
    #[error("cannot {operation} {}: {message}", path.display())]
    Database {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The database's file.
        path: PathBuf,
        /// What the database said.
        message: String,
    },
    /// A file that nothing works without is missing or unreadable.
    #[error("{} is damaged: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// There is no store in the folder.
    #[error("{} holds no data of Warren", path.display())]
    NoStore {
        /// The folder.
        path: PathBuf,
    },
    /// A message is larger than the log can hold.
    #[error("a message of {bytes} bytes is above the limit of {bytes_max}")]
    MessageTooLarge {
        /// Its encoded size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// An option has a value that cannot work.
    #[error("option {name} must be between {min} and {max}, not {value}")]
    BadOption {
        /// The option.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
}

impl Error {
    /// A failed file operation; a full disk has an error of its own.
    pub(crate) fn io(operation: &'static str, path: &Path, error: &io::Error) -> Self {
        if is_full(error) {
            return Self::DiskFull { path: path.to_owned() };
        }
        Self::Io { operation, path: path.to_owned(), message: error.to_string() }
    }

    /// A failed sync. Never `DiskFull`: nobody knows what is durable, so that trying again, which
    /// may well succeed, would say nothing.
    pub(crate) fn sync(path: &Path, error: &io::Error) -> Self {
        Self::Io { operation: "sync", path: path.to_owned(), message: error.to_string() }
    }

    /// True if only room is missing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }

    /// A failed operation of the database; a full disk has an error of its own.
    pub(crate) fn database(
        operation: &'static str,
        path: &Path,
        error: impl Into<redb::Error>,
    ) -> Self {
        match error.into() {
            redb::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::damaged(path, format!("cannot {operation} it: it is cut off"))
            }
            // Its first bytes are not those of a database.
            redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::damaged(path, format!("cannot {operation} it: {error}"))
            }
            redb::Error::Io(error) => Self::io(operation, path, &error),
            redb::Error::Corrupted(message) => {
                Self::damaged(path, format!("cannot {operation} it: {message}"))
            }
            // The echo of an earlier error. If that was more than missing room, whoever met it has
            // said so; if not, the database works again when it has been opened again.
            redb::Error::PreviousIo => Self::DiskFull { path: path.to_owned() },
            error => {
                Self::Database { operation, path: path.to_owned(), message: error.to_string() }
            }
        }
    }

    pub(crate) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), message: message.into() }
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

//! Why the server cannot start or go on.

use std::net::SocketAddr;

use thiserror::Error;

/// A reason not to start or not to go on.
#[derive(Debug, Error)]
pub enum Error {
    /// A port is taken, or the address is not this machine's.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said, in words that help.
        reason: String,
    },
    /// What whoever started the broker wanted before it serves has failed.
    #[error("{0}")]
    NotPrepared(String),
    /// The store cannot be opened or failed.
    #[error("{0}")]
    Storage(#[from] warren_storage::Error),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// What the configuration says of the first user or virtual host cannot be.
    #[error("{0}")]
    Catalog(#[from] crate::catalog::CatalogError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

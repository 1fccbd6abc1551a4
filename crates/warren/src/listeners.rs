//! A small file in the data folder that tells scripts and tests where the broker listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::Error;

/// The file's name inside the data folder.
const NAME: &str = "listeners.json";

/// The file; it goes when the broker stops.
#[derive(Debug)]
pub(crate) struct ListenersFile {
    path: PathBuf,
}

impl ListenersFile {
    /// Writes the file whole or not at all: readers may be waiting for it.
    pub(crate) fn write(
        data_dir: &Path,
        amqp: SocketAddr,
        http: SocketAddr,
    ) -> Result<Self, Error> {
        let path = data_dir.join(NAME);
        let pid = std::process::id();
        let text = format!("{{\"pid\":{pid},\"amqp\":\"{amqp}\",\"http\":\"{http}\"}}\n");
        let new = data_dir.join("listeners.json.new");
        let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path));
        match written {
            Ok(()) => Ok(Self { path }),
            Err(reason) => Err(Error::Write { path, reason }),
        }
    }
}

impl Drop for ListenersFile {
    fn drop(&mut self) {
        // If it stays, its process id tells that it is stale.
        let _ = std::fs::remove_file(&self.path);
    }
}

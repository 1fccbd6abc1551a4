//! Definitions that are loaded when the broker starts.

use std::path::{Path, PathBuf};

use thiserror::Error;
use warren_server::Management;
use warren_server::catalog::{Actor, Via};

use super::file::File;
use super::import::Import;

/// Why definitions are not loaded. The broker does not start then.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file is no definitions.
    #[error("{}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Objects of a file were refused.
    #[error("{}: {count} definitions are refused; {first}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first one, and why.
        first: String,
    },
}

/// Loads a file of definitions, or all files of a folder whose names end with `.json`, in the order of
/// their names.
///
/// # Errors
///
/// The first file that cannot be loaded, and why. What could be loaded was.
pub async fn load(management: &Management, path: &Path) -> Result<(), LoadError> {
    for path in files(path)? {
        let read = |reason| LoadError::Read { path: path.clone(), reason };
        // Nobody is served yet, so nobody waits for this.
        let bytes = std::fs::read(&path).map_err(read)?;
        let file = File::read(&bytes)
            .map_err(|error| LoadError::Parse { path: path.clone(), reason: error.to_string() })?;
        let actor = Actor { user: String::new(), address: None, via: Via::Start };
        let management = management.clone();
        let import = Import { management, actor, into: None, dry_run: false };
        let report = import.run(file).await;
        let count = report.failures().count();
        if let Some((entry, reason)) = report.failures().next() {
            let first = format!("{} {}: {reason}", entry.category, entry.name);
            return Err(LoadError::Refused { path, count, first });
        }
    }
    Ok(())
}

fn files(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let read = |reason| LoadError::Read { path: path.to_owned(), reason };
    let mut files = vec![];
    for entry in std::fs::read_dir(path).map_err(read)? {
        let file = entry.map_err(read)?.path();
        if file.extension().is_some_and(|it| it == "json") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

//! The files under the store: a small trait, so that tests can put a simulated disk that loses
//! power in place of the real one, and the real one.
//!
//! Names are relative to the store's folder. A created, renamed or deleted name is durable only
//! after [`Disk::sync_folder`].

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// What files are filled with ahead; static, so that it takes no memory of its own.
pub(crate) static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The folder of a store.
pub trait Disk: fmt::Debug + Send + Sync {
    /// The path of `name` for error messages.
    fn path(&self, name: &str) -> PathBuf;

    /// Makes a folder, if it is missing.
    ///
    /// # Errors
    /// What the file system says.
    fn create_folder(&self, name: &str) -> io::Result<()>;

    /// The names of the files in a folder, without the folder, in no special order.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes an empty file in place of whatever has the name.
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// What the file system says; `NotFound` if there is none.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file a new name, in place of whatever has it.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Bytes that are free for this process where the folder is.
    ///
    /// # Errors
    /// What the file system says.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Takes the lock on the file `name`, which it makes if it is missing; None if another
    /// process has it.
    ///
    /// # Errors
    /// What the file system says.
    fn lock(&self, name: &str) -> io::Result<Option<DiskLock>>;
}

/// An open file. Many threads may use it at once.
#[expect(clippy::len_without_is_empty, reason = "nobody asks whether a file is empty")]
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Its length, in bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn len(&self) -> io::Result<u64>;

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// What the file system says; `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// What the file system says.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts the file or fills it up with zeros.
    ///
    /// # Errors
    /// What the file system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Takes room for the first `len` bytes, so that writing them later cannot fail for want of it,
    /// and makes the file at least this long. What was not written before reads as zeros.
    ///
    /// # Errors
    /// What the file system says; a part of the room may have been taken.
    fn reserve(&self, len: u64) -> io::Result<()>;

    /// Returns when all that was written is durable.
    ///
    /// # Errors
    /// What the file system says. After an error nobody knows what is durable.
    fn sync_data(&self) -> io::Result<()>;
}

/// The lock on a store's folder, held until dropped.
#[derive(Debug)]
pub struct DiskLock {
    _held: Arc<dyn fmt::Debug + Send + Sync>,
}

impl DiskLock {
    /// A lock that lasts as long as `held`.
    #[must_use]
    pub fn new(held: Arc<dyn fmt::Debug + Send + Sync>) -> Self {
        Self { _held: held }
    }
}

/// A folder of the real file system.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
}

impl RealDisk {
    /// Uses `directory`, and makes it with its parents if it is missing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }
}

impl Disk for RealDisk {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        fs::create_dir_all(self.path(name))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Arc::new(RealFile { file: options.open(self.path(name))? }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(name))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.path(folder))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.directory)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn lock(&self, name: &str) -> io::Result<Option<DiskLock>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(DiskLock::new(Arc::new(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        loop {
            return match fallocate(&self.file, FallocateFlags::empty(), 0, len) {
                Ok(()) => Ok(()),
                Err(Errno::INTR) => continue,
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill_up(self, len),
                Err(error) => Err(error.into()),
            };
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Takes room on a file system that cannot do so without writing.
fn fill_up(file: &dyn DiskFile, len: u64) -> io::Result<()> {
    let mut at = file.len()?;
    while at < len {
        let piece = (len - at).min(ZEROS.len() as u64);
        file.write_at(at, ZEROS.get(..piece as usize).unwrap_or(&ZEROS))?;
        at += piece;
    }
    Ok(())
}

/// Lets redb work on a file of a [`Disk`].
#[derive(Debug)]
pub(crate) struct RedbFile(pub(crate) Arc<dyn DiskFile>);

impl redb::StorageBackend for RedbFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        // As with the log, a failed sync is final, whatever it failed for.
        let synced = self.0.sync_data();
        synced.map_err(|error| io::Error::other(format!("sync: {error}")))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}

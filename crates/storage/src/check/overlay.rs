//! A disk whose changes stay in memory: a check can let the database and the recovery do as they
//! do at a start, and leaves the folder as it was.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Disk, DiskFile, DiskLock};

/// Changes are kept in pieces of this many bytes, which is redb's page.
const PIECE_BYTES: u64 = 4096;

/// A disk over another one. Only what was changed takes memory.
#[derive(Debug)]
pub(crate) struct OverlayDisk {
    under: Arc<dyn Disk>,
    /// Files that were opened or made; None for one that was deleted.
    files: Mutex<BTreeMap<String, Option<Arc<OverlayFile>>>>,
}

impl OverlayDisk {
    pub(crate) fn new(under: Arc<dyn Disk>) -> Self {
        Self { under, files: Mutex::new(BTreeMap::new()) }
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Option<Arc<OverlayFile>>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, name: &str) -> io::Result<Arc<OverlayFile>> {
        match self.files().get(name) {
            Some(Some(file)) => return Ok(Arc::clone(file)),
            Some(None) => return Err(io::ErrorKind::NotFound.into()),
            None => {}
        }
        let file = Arc::new(OverlayFile::over(self.under.open(name)?)?);
        self.files().insert(name.to_owned(), Some(Arc::clone(&file)));
        Ok(file)
    }
}

impl Disk for OverlayDisk {
    fn path(&self, name: &str) -> PathBuf {
        self.under.path(name)
    }

    fn create_folder(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = match self.under.list(folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let full = |name: &str| {
            if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
        };
        let files = self.files();
        names.retain(|name| !matches!(files.get(&full(name)), Some(None)));
        for name in files.iter().filter(|(_, file)| file.is_some()).map(|(name, _)| name) {
            let (of, short) = name.rsplit_once('/').unwrap_or(("", name));
            if of == folder && !names.iter().any(|known| known == short) {
                names.push(short.to_owned());
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = Arc::new(OverlayFile::default());
        self.files().insert(name.to_owned(), Some(Arc::clone(&file)));
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.file(name)?;
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.file(from)?;
        let mut files = self.files();
        files.insert(from.to_owned(), None);
        files.insert(to.to_owned(), Some(file));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.file(name)?;
        self.files().insert(name.to_owned(), None);
        Ok(())
    }

    fn sync_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.under.free_bytes()
    }

    fn lock(&self, name: &str) -> io::Result<Option<DiskLock>> {
        self.under.lock(name)
    }
}

#[derive(Debug, Default)]
struct OverlayFile {
    under: Option<Arc<dyn DiskFile>>,
    changes: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    len: u64,
    /// So much of the file below still shows.
    under_len: u64,
    /// By their numbers.
    pieces: BTreeMap<u64, Vec<u8>>,
}

impl OverlayFile {
    fn over(under: Arc<dyn DiskFile>) -> io::Result<Self> {
        let len = under.len()?;
        let changes = Changes { len, under_len: len, pieces: BTreeMap::new() };
        Ok(Self { under: Some(under), changes: Mutex::new(changes) })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills `out`; behind the end there are zeros.
    fn fill(&self, changes: &Changes, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset + out.len() as u64;
        let shown = changes.under_len.min(end).saturating_sub(offset) as usize;
        let (from_under, zeros) = out.split_at_mut(shown);
        if let Some(under) = self.under.as_ref().filter(|_| shown > 0) {
            under.read_at(offset, from_under)?;
        }
        zeros.fill(0);
        let numbers = offset / PIECE_BYTES..end.div_ceil(PIECE_BYTES);
        for (number, piece) in changes.pieces.range(numbers) {
            let start = number * PIECE_BYTES;
            let skipped = offset.saturating_sub(start) as usize;
            let at = start.saturating_sub(offset) as usize;
            let source = piece.get(skipped..).unwrap_or_default();
            let target = out.get_mut(at..).unwrap_or_default();
            target.iter_mut().zip(source).for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }
}

impl DiskFile for OverlayFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changes.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.fill(&changes, offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            // Like a file, which does not grow by it.
            return Ok(());
        }
        let mut changes = self.changes();
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let number = at / PIECE_BYTES;
            if !changes.pieces.contains_key(&number) {
                let mut piece = vec![0; PIECE_BYTES as usize];
                self.fill(&changes, number * PIECE_BYTES, &mut piece)?;
                changes.pieces.insert(number, piece);
            }
            let within = (at % PIECE_BYTES) as usize;
            let (now, later) = rest.split_at(rest.len().min(PIECE_BYTES as usize - within));
            let piece = changes.pieces.get_mut(&number);
            if let Some(place) = piece.and_then(|piece| piece.get_mut(within..within + now.len())) {
                place.copy_from_slice(now);
            }
            at += now.len() as u64;
            rest = later;
        }
        changes.len = changes.len.max(at);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        changes.len = len;
        changes.under_len = changes.under_len.min(len);
        drop(changes.pieces.split_off(&len.div_ceil(PIECE_BYTES)));
        if let Some(piece) = changes.pieces.get_mut(&(len / PIECE_BYTES)) {
            piece.get_mut((len % PIECE_BYTES) as usize..).unwrap_or_default().fill(0);
        }
        Ok(())
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        let longer = len > self.changes().len;
        if longer { self.set_len(len) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_overlay_reads_like_a_file_that_was_changed(
            steps in proptest::collection::vec((0..4_u8, 0..20_000_u64, 0..9_000_usize), 1..30),
        ) {
            let under = OverlayFile::default();
            under.write_at(0, &[7; 10_000]).expect("no fault");
            let file = OverlayFile::over(Arc::new(under)).expect("no fault");
            let mut model = vec![7_u8; 10_000];
            for (number, (kind, offset, length)) in (0..).zip(steps) {
                match kind {
                    0 => {
                        file.set_len(offset).expect("no fault");
                        model.resize(offset as usize, 0);
                    }
                    1 | 2 => {
                        file.write_at(offset, &vec![number; length]).expect("no fault");
                        if length > 0 {
                            let end = offset as usize + length;
                            model.resize(model.len().max(end), 0);
                            model[offset as usize..end].fill(number);
                        }
                    }
                    _ => {
                        let mut out = vec![1; length];
                        let read = file.read_at(offset, &mut out);
                        let expected = model.get(offset as usize..offset as usize + length);
                        prop_assert_eq!(read.is_ok(), expected.is_some());
                        prop_assert!(expected.is_none_or(|expected| expected == out));
                    }
                }
                prop_assert_eq!(file.len().expect("no fault"), model.len() as u64);
            }
        }
    }
}

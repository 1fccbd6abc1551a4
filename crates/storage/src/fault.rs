//! A simulated disk, for tests: it remembers what no sync has covered, and at a power cut loses
//! it, keeps it, or keeps some sectors of it.
//!
//! What the model promises is what a file system promises: data are durable after `sync_data` of
//! their file, names after `sync_folder` of their folder. Of names that were not synced a part
//! survives in order, as a journal keeps it; of data any sectors survive, in any order.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::{Disk, DiskFile, DiskLock};

/// What becomes of data and names that no sync has covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// All of it is lost.
    Nothing,
    /// All of it survives, as when the process is killed but the system lives on.
    Everything,
    /// Some sectors survive: of 512 bytes or of 4 KiB, by the cut's number.
    Torn,
}

/// The kinds of operation that can fail or at which power can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Data are written, or a file's length is changed.
    Write,
    /// Data are made durable.
    Sync,
    /// A file is made, renamed or deleted.
    Name,
    /// Names are made durable.
    SyncFolder,
}

/// What the disk gives room in, in bytes.
const BLOCK_BYTES: usize = 4096;

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<FileState>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names that no sync has covered, in order.
    journal: Vec<NameChange>,
    /// Every operation so far, with the name that it was about.
    operations: Vec<(Operation, String)>,
    power_off_at: Option<usize>,
    is_off: bool,
    syncs_do_nothing: bool,
    fail_next: Option<(Operation, String, io::ErrorKind)>,
    bytes_max: Option<u64>,
    /// Operations that take room fail while their number lies in here.
    full: Range<usize>,
    lock: Weak<()>,
    watch: Option<Watch>,
}

/// Whoever looks at the disk before each operation.
struct Watch(Box<dyn FnMut(&Moment<'_>) + Send>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// The disk before one operation.
#[derive(Debug)]
pub struct Moment<'a> {
    state: &'a State,
    /// What is about to be done.
    pub operation: Operation,
    /// The name of the file or folder.
    pub name: &'a str,
}

impl Moment<'_> {
    /// The number of the operation, counted from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.state.operations.len()
    }

    /// The disk as it is found after power was cut now. What survives is drawn by `seed`.
    #[must_use]
    pub fn after_power_cut(&self, survival: Survival, seed: u64) -> SimulatedDisk {
        self.state.after_power_cut(survival, seed)
    }
}

#[derive(Debug, Default, Clone)]
struct FileState {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<DataChange>,
    /// Which blocks take up room: a file that was only made longer has none.
    blocks: Vec<bool>,
}

#[derive(Debug, Clone)]
enum DataChange {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Create { name: String, file: usize },
    Rename { from: String, to: String },
    Remove { name: String },
}

impl SimulatedDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operations so far, each with the name of its file or folder.
    #[must_use]
    pub fn operations(&self) -> Vec<(Operation, String)> {
        self.state().operations.clone()
    }

    /// How many operations there were so far.
    #[must_use]
    pub fn operation_count(&self) -> usize {
        self.state().operations.len()
    }

    /// Takes back every fault that was asked for and has not come yet, and gives room.
    pub fn heal(&self) {
        let mut state = self.state();
        state.power_off_at = None;
        state.fail_next = None;
        state.bytes_max = None;
        state.full = 0..0;
    }

    /// Shows `watch` the disk as it is before each operation.
    pub fn watch(&self, watch: impl FnMut(&Moment<'_>) + Send + 'static) {
        self.state().watch = Some(Watch(Box::new(watch)));
    }

    /// Power goes off instead of operation `number`, counted from 0; nothing works after that.
    pub fn cut_power_at(&self, number: usize) {
        self.state().power_off_at = Some(number);
    }

    /// True if power went off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// Makes every sync return without doing anything, to see whether a test would notice.
    pub fn make_syncs_do_nothing(&self) {
        self.state().syncs_do_nothing = true;
    }

    /// The next such operation on a name that begins with `prefix` fails.
    pub fn fail_next(&self, operation: Operation, prefix: &str) {
        self.fail_next_with(operation, prefix, io::ErrorKind::Other);
    }

    /// The next such operation on a name that begins with `prefix` fails with an error of `kind`.
    pub fn fail_next_with(&self, operation: Operation, prefix: &str, kind: io::ErrorKind) {
        self.state().fail_next = Some((operation, prefix.to_owned(), kind));
    }

    /// The disk has room for this many bytes.
    pub fn limit_bytes(&self, bytes_max: u64) {
        self.state().bytes_max = Some(bytes_max);
    }

    /// Every operation that could take room fails for want of it while its number is in this
    /// range, counted from 0: even one that writes over what is there.
    pub fn be_full_during(&self, operations: Range<usize>) {
        self.state().full = operations;
    }

    /// The bytes for which files take up room.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.state().used_bytes()
    }

    /// The bytes of all files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// The names of all files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// A file's content; empty if there is none.
    #[must_use]
    pub fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        let file = state.names.get(name).and_then(|file| state.files.get(*file));
        file.map(|file| file.current.clone()).unwrap_or_default()
    }

    /// Changes a file behind the store's back, durably.
    pub fn damage(&self, name: &str, offset: usize, bytes: &[u8]) {
        let mut state = self.state();
        let Some(file) = state.names.get(name).copied() else { return };
        if let Some(file) = state.files.get_mut(file) {
            write(&mut file.current, offset, bytes);
            write(&mut file.durable, offset, bytes);
        }
    }

    /// The disk as it is found after power was cut now. What survives is drawn by `seed`.
    #[must_use]
    pub fn after_power_cut(&self, survival: Survival, seed: u64) -> Self {
        self.state().after_power_cut(survival, seed)
    }
}

impl State {
    fn after_power_cut(&self, survival: Survival, seed: u64) -> SimulatedDisk {
        let mut random = Random(seed);
        let mut names = self.durable_names.clone();
        let kept = match survival {
            Survival::Nothing => 0,
            Survival::Everything => self.journal.len(),
            Survival::Torn => random.below(self.journal.len() + 1),
        };
        for change in self.journal.iter().take(kept) {
            change.apply(&mut names);
        }
        let mut files: Vec<FileState> = vec![FileState::default(); self.files.len()];
        // Files without a name are gone; only those with one are worth a copy.
        for number in names.values() {
            if let (Some(file), Some(next)) = (self.files.get(*number), files.get_mut(*number)) {
                *next = file.survivor(survival, &mut random);
            }
        }
        let next = Self { files, durable_names: names.clone(), names, ..Self::default() };
        SimulatedDisk { state: Arc::new(Mutex::new(next)) }
    }

    fn bytes(&self) -> u64 {
        let files = self.names.values().filter_map(|file| self.files.get(*file));
        files.map(|file| file.current.len() as u64).sum()
    }

    fn used_bytes(&self) -> u64 {
        let files = self.names.values().filter_map(|file| self.files.get(*file));
        files.map(FileState::used_bytes).sum()
    }

    /// Takes room for the bytes of a file in `range`, all or none.
    fn take_room(&mut self, file: usize, range: Range<usize>) -> io::Result<()> {
        let used = self.used_bytes();
        let Some(file) = self.files.get_mut(file) else { return Ok(()) };
        let blocks = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES);
        if file.blocks.len() < blocks.end {
            file.blocks.resize(blocks.end, false);
        }
        let taken = file.blocks.get_mut(blocks).unwrap_or_default();
        let missing = taken.iter().filter(|taken| !**taken).count() * BLOCK_BYTES;
        if missing > 0 && self.bytes_max.is_some_and(|max| used + missing as u64 > max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        taken.fill(true);
        Ok(())
    }

    fn check_power(&self) -> io::Result<()> {
        if self.is_off { Err(io::Error::other("power is off")) } else { Ok(()) }
    }

    fn begin(&mut self, operation: Operation, name: &str) -> io::Result<()> {
        self.is_off |= self.power_off_at.is_some_and(|at| self.operations.len() >= at);
        self.check_power()?;
        if let Some(mut watch) = self.watch.take() {
            watch.0(&Moment { state: self, operation, name });
            self.watch = Some(watch);
        }
        self.operations.push((operation, name.to_owned()));
        let hit = self
            .fail_next
            .take_if(|(failing, prefix, _)| *failing == operation && name.starts_with(&**prefix));
        match hit {
            Some((.., kind)) => Err(io::Error::new(kind, "the disk failed")),
            None => Ok(()),
        }
    }

    /// Whether the operation that has just begun may take room, however little.
    fn check_room(&self) -> io::Result<()> {
        let number = self.operations.len().saturating_sub(1);
        if self.full.contains(&number) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.journal.push(change);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create { name, file } => {
                names.insert(name.clone(), *file);
            }
            Self::Rename { from, to } => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove { name } => {
                names.remove(name);
            }
        }
    }

    fn folder(&self) -> &str {
        match self {
            Self::Create { name, .. } | Self::Remove { name } => folder(name),
            Self::Rename { to, .. } => folder(to),
        }
    }
}

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl FileState {
    fn used_bytes(&self) -> u64 {
        (self.blocks.iter().filter(|taken| **taken).count() * BLOCK_BYTES) as u64
    }

    fn survivor(&self, survival: Survival, random: &mut Random) -> Self {
        let mut content = self.durable.clone();
        let sector = if random.below(2) == 0 { 512 } else { 4096 };
        // From nearly nothing to nearly everything.
        let odds = random.below(100);
        for change in &self.unsynced {
            match (survival, change) {
                (Survival::Nothing, _) => {}
                (Survival::Everything, change) => change.apply(&mut content),
                (Survival::Torn, DataChange::SetLen(_)) => {
                    if random.below(100) < odds {
                        change.apply(&mut content);
                    }
                }
                (Survival::Torn, DataChange::Write { offset, data }) => {
                    let mut at = 0;
                    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
                        let length = (sector - (offset + at) % sector).min(rest.len());
                        if random.below(100) < odds {
                            write(&mut content, offset + at, rest.get(..length).unwrap_or(rest));
                        }
                        at += length;
                    }
                }
            }
        }
        let blocks = vec![true; content.len().div_ceil(BLOCK_BYTES)];
        Self { durable: content.clone(), current: content, unsynced: Vec::new(), blocks }
    }
}

impl DataChange {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write(content, *offset, data),
            Self::SetLen(bytes) => content.resize(*bytes, 0),
        }
    }
}

fn write(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if content.len() < offset + data.len() {
        content.resize(offset + data.len(), 0);
    }
    if let Some(place) = content.get_mut(offset..offset + data.len()) {
        place.copy_from_slice(data);
    }
}

impl Disk for SimulatedDisk {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/simulated").join(name)
    }

    fn create_folder(&self, _name: &str) -> io::Result<()> {
        self.state().check_power()
    }

    fn list(&self, wanted: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.check_power()?;
        let names = state.names.keys().filter(|name| folder(name) == wanted);
        let short = |name: &String| name.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(names.map(short).collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.begin(Operation::Name, name)?;
        state.check_room()?;
        let file = state.files.len();
        state.files.push(FileState::default());
        state.change_name(NameChange::Create { name: name.to_owned(), file });
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file, name: name.to_owned() }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        state.check_power()?;
        let file = state.names.get(name).copied();
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file, name: name.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Name, to)?;
        state.check_room()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::Name, name)?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Operation::SyncFolder, folder)?;
        if state.syncs_do_nothing {
            return Ok(());
        }
        let (synced, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.journal).into_iter().partition(|c| c.folder() == folder);
        for change in synced {
            change.apply(&mut state.durable_names);
        }
        state.journal = rest;
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state();
        state.check_power()?;
        Ok(state.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(state.used_bytes())))
    }

    fn lock(&self, _name: &str) -> io::Result<Option<DiskLock>> {
        let mut state = self.state();
        state.check_power()?;
        if state.lock.upgrade().is_some() {
            return Ok(None);
        }
        let held = Arc::new(());
        state.lock = Arc::downgrade(&held);
        Ok(Some(DiskLock::new(held)))
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
    name: String,
}

impl SimulatedFile {
    fn change(&self, change: DataChange) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Operation::Write, &self.name)?;
        let length = state.files.get(self.file).map_or(0, |file| file.current.len());
        match &change {
            DataChange::Write { offset, data } => {
                state.check_room()?;
                state.take_room(self.file, *offset..offset + data.len())?;
            }
            DataChange::SetLen(bytes) if *bytes > length => state.check_room()?,
            // To be made shorter, a file needs no room.
            DataChange::SetLen(_) => {}
        }
        let Some(file) = state.files.get_mut(self.file) else { return Ok(()) };
        if let DataChange::SetLen(bytes) = &change {
            file.blocks.truncate(bytes.div_ceil(BLOCK_BYTES));
        }
        change.apply(&mut file.current);
        file.unsynced.push(change);
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.check_power()?;
        Ok(state.files.get(self.file).map_or(0, |file| file.current.len() as u64))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        state.check_power()?;
        let offset = offset as usize;
        let bytes = state
            .files
            .get(self.file)
            .and_then(|file| file.current.get(offset..offset + out.len()))
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(DataChange::Write { offset: offset as usize, data: data.to_vec() })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(DataChange::SetLen(len as usize))
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Operation::Write, &self.name)?;
        state.check_room()?;
        state.take_room(self.file, 0..len as usize)?;
        let Some(file) = state.files.get_mut(self.file) else { return Ok(()) };
        let change = DataChange::SetLen(file.current.len().max(len as usize));
        change.apply(&mut file.current);
        file.unsynced.push(change);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Operation::Sync, &self.name)?;
        if state.syncs_do_nothing {
            return Ok(());
        }
        if let Some(file) = state.files.get_mut(self.file) {
            for change in std::mem::take(&mut file.unsynced) {
                change.apply(&mut file.durable);
            }
        }
        Ok(())
    }
}

/// Draws numbers from a seed (SplitMix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

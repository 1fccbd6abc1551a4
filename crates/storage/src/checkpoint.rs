//! Moves a delta into redb, and keeps the segment files in order beside it.

use std::sync::Arc;

use crate::delta::{Freed, Layer};
use crate::disk::ZEROS;
use crate::index::{self, Applied, Meta};
use crate::limits::{RECYCLED_PER_SPARE, ZERO_BYTES};
use crate::relocate::Relocator;
use crate::shared::{Position, Shared};
use crate::{Damage, Disk, Error, segment};

/// What changed since the last checkpoint, frozen; made by [`Log::begin_checkpoint`].
///
/// [`Log::begin_checkpoint`]: crate::Log::begin_checkpoint
#[derive(Debug)]
pub struct Delta {
    pub(crate) layer: Arc<Layer>,
    pub(crate) covered: Position,
}

/// The outcome of a checkpoint, for [`Log::finish_checkpoint`].
///
/// [`Log::finish_checkpoint`]: crate::Log::finish_checkpoint
#[derive(Debug)]
pub struct Checkpointed {
    pub(crate) covered: Position,
    pub(crate) freed: Freed,
    damaged: Vec<Damage>,
}

impl Checkpointed {
    /// Damage that the checkpoint came upon, for the log.
    #[must_use]
    pub fn damaged(&self) -> &[Damage] {
        &self.damaged
    }
}

/// Moves deltas into redb and looks after segment files; the checkpoint thread owns it.
#[derive(Debug)]
pub struct Checkpointer {
    pub(crate) shared: Arc<Shared>,
    zeros: Zeros,
    /// The last checkpoint found no room: nothing is taken in advance before one has.
    is_short: bool,
    pub(crate) relocator: Relocator,
}

/// The spare file that is being written ahead.
#[derive(Debug, Default)]
struct Zeros {
    done: u64,
    file: Option<Arc<dyn crate::DiskFile>>,
}

/// A spare file while it is being written.
pub(crate) const NEW_SPARE: &str = "log/spare.new";

impl Checkpointer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (zeros, relocator) = (Zeros::default(), Relocator::default());
        Self { shared, zeros, is_short: false, relocator }
    }

    /// Commits a delta to redb, durably, together with the place in the log that it covers.
    ///
    /// Where room is missing, what the store holds in advance is given up for it, but for one
    /// spare segment, which the log may need just as badly.
    ///
    /// # Errors
    /// `DiskFull` if that is not enough: nothing has changed, and the same delta can be tried again
    /// later. Any other error of the disk or of redb is final: the store has to be opened again.
    pub fn run(&mut self, delta: &Delta) -> Result<Checkpointed, Error> {
        let Shared { index, disk, options, .. } = &*self.shared;
        let meta = Meta { log_key: self.shared.log_key, covered: delta.covered };
        loop {
            let applied = index.with(|index| index.apply(&delta.layer, meta));
            let error = match applied {
                Ok(Applied { freed, damaged }) => {
                    self.is_short = false;
                    return Ok(Checkpointed { covered: delta.covered, freed, damaged });
                }
                Err(error) if error.is_full() => error,
                Err(error) => return Err(error),
            };
            self.is_short = true;
            let more = self.shared.give_back(1)?;
            // redb does nothing more after an error. Its last commit stands.
            match index.reopen(disk.as_ref(), options.cache_bytes) {
                Ok(()) => {
                    index.with(|index| refuse_if_covered(index.meta()?, delta.covered, disk))?
                }
                Err(error) if error.is_full() => {}
                Err(error) => return Err(error),
            }
            if !more {
                return Err(error);
            }
        }
    }

    /// One step of housekeeping, to be called after a checkpoint and when idle, until it gives
    /// false: deletes or recycles the file of a dead segment, or writes a piece of at most 1 MiB
    /// of a spare one ahead. True if there is more to do.
    ///
    /// # Errors
    /// `DiskFull` and any error of the disk. Nothing is lost by an error here: the next call goes
    /// on.
    pub fn prepare_spare(&mut self) -> Result<bool, Error> {
        let retired = {
            let mut state = self.shared.state();
            // A segment that was being read from when the checkpoint finished may be free now.
            state.retire_dead();
            state.retired.pop()
        };
        if let Some((number, bytes)) = retired {
            let removed = self.remove_segment(number, bytes);
            if removed.is_err() {
                // Again at the next call, but after the others.
                self.shared.state().retired.insert(0, (number, bytes));
            }
            return removed.map(|()| true);
        }
        if self.is_short {
            return Ok(false);
        }
        if self.shared.state().spares.len() >= self.shared.options.spare_segments {
            return self.shared.make_reserve();
        }
        let step = self.write_zeros();
        if step.is_err() {
            self.zeros = Zeros::default();
            // What there is of it would only take room; if it stays, the next start deletes it.
            let _ = self.shared.disk.remove(NEW_SPARE);
        }
        step?;
        Ok(true)
    }

    fn remove_segment(&self, number: u32, bytes: u64) -> Result<(), Error> {
        let path = self.shared.segment_path(number);
        let name = segment::name(number);
        let spare = {
            let mut state = self.shared.state();
            let kept = self.shared.options.spare_segments * RECYCLED_PER_SPARE;
            let wanted = state.spares.len() < kept && bytes == self.shared.options.segment_bytes;
            wanted.then(|| {
                state.next_spare += 1;
                state.next_spare
            })
        };
        let Some(spare) = spare else {
            let removed = self.shared.disk.remove(&name);
            return removed.map_err(|error| Error::io("delete", &path, &error));
        };
        let renamed = self.shared.disk.rename(&name, &segment::spare_name(spare));
        renamed.map_err(|error| Error::io("recycle", &path, &error))?;
        self.shared.state().spares.push(spare);
        Ok(())
    }

    fn write_zeros(&mut self) -> Result<(), Error> {
        let path = self.shared.disk.path(NEW_SPARE);
        let wanted = self.shared.options.segment_bytes;
        let file = match &self.zeros.file {
            Some(file) => Arc::clone(file),
            None => {
                // Room for all of it or none: a part would take the last room for nothing.
                let made = self.shared.disk.create(NEW_SPARE);
                let made = made.and_then(|file| file.reserve(wanted).map(|()| file));
                made.map_err(|error| Error::io("make", &path, &error))?
            }
        };
        let piece = wanted.saturating_sub(self.zeros.done).min(ZERO_BYTES as u64);
        let written = (0..piece).step_by(ZEROS.len()).try_for_each(|at| {
            let length = (piece - at).min(ZEROS.len() as u64) as usize;
            file.write_at(self.zeros.done + at, ZEROS.get(..length).unwrap_or(&ZEROS))
        });
        // Synced piece by piece: one sync of the whole file would hold up the syncs of the log.
        let synced = written.and_then(|()| file.sync_data());
        synced.map_err(|error| Error::io("write", &path, &error))?;
        self.zeros = Zeros { done: self.zeros.done + piece, file: Some(file) };
        if self.zeros.done >= wanted {
            self.zeros = Zeros::default();
            self.add_spare()?;
        }
        Ok(())
    }

    fn add_spare(&self) -> Result<(), Error> {
        let spare = {
            let mut state = self.shared.state();
            state.next_spare += 1;
            state.next_spare
        };
        let path = self.shared.disk.path(NEW_SPARE);
        let renamed = self.shared.disk.rename(NEW_SPARE, &segment::spare_name(spare));
        renamed.map_err(|error| Error::io("rename", &path, &error))?;
        self.shared.state().spares.push(spare);
        Ok(())
    }
}

/// A commit whose error came only after it had taken effect cannot be repeated: what it freed is
/// not known any more. redb writes nothing after that point, so this does not happen.
fn refuse_if_covered(meta: Meta, covered: Position, disk: &Arc<dyn Disk>) -> Result<(), Error> {
    if meta.covered != covered {
        return Ok(());
    }
    let path = disk.path(index::FILE);
    let message = "a checkpoint failed after it had taken effect".to_owned();
    Err(Error::Database { operation: "write", path, message })
}

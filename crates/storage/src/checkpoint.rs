//! Moves a delta into redb, and keeps the segment files in order beside it.

use std::sync::Arc;

use crate::delta::{Freed, Layer};
use crate::index::{Applied, Meta};
use crate::limits::{RECYCLED_PER_SPARE, ZERO_BYTES};
use crate::relocate::Relocator;
use crate::shared::{Position, Shared};
use crate::{Damage, Error, segment};

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
    pub(crate) relocator: Relocator,
}

/// The spare file that is being written ahead.
#[derive(Debug, Default)]
struct Zeros {
    done: u64,
    file: Option<Arc<dyn crate::DiskFile>>,
}

/// What spare files are filled with; static, so that it takes no memory of its own.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A spare file while it is being written.
pub(crate) const NEW_SPARE: &str = "log/spare.new";

impl Checkpointer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, zeros: Zeros::default(), relocator: Relocator::default() }
    }

    /// Commits a delta to redb, durably, together with the place in the log that it covers.
    ///
    /// # Errors
    /// `DiskFull` and any error of the disk or of redb. redb refuses all work after an error of
    /// its disk: the store has to be opened again.
    pub fn run(&mut self, delta: &Delta) -> Result<Checkpointed, Error> {
        let meta = Meta { log_key: self.shared.log_key, covered: delta.covered };
        let Applied { freed, damaged } = self.shared.index.apply(&delta.layer, meta)?;
        Ok(Checkpointed { covered: delta.covered, freed, damaged })
    }

    /// One step of housekeeping, to be called after a checkpoint and when idle, until it gives
    /// false: deletes or recycles the file of a dead segment, or writes a piece of at most 1 MiB
    /// of a spare one ahead. True if there is more to do.
    ///
    /// # Errors
    /// Any error of the disk. Nothing is lost by an error here: the next call goes on.
    pub fn prepare_spare(&mut self) -> Result<bool, Error> {
        let retired = {
            let mut state = self.shared.state();
            // A segment that was being read from when the checkpoint finished may be free now.
            state.retire_dead();
            state.retired.pop()
        };
        if let Some((number, bytes)) = retired {
            self.remove_segment(number, bytes)?;
            return Ok(true);
        }
        if self.shared.state().spares.len() >= self.shared.options.spare_segments {
            return Ok(false);
        }
        let step = self.write_zeros();
        if step.is_err() {
            self.zeros = Zeros::default();
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
                let made = self.shared.disk.create(NEW_SPARE);
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

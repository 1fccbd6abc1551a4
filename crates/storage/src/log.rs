//! The message log's writing side: a pending record in memory, written at once into the active
//! segment.
//!
//! ```text
//! append, append, append -> one pending record -> flush: one write, one fdatasync
//! ```
//!
//! The index learns of the writes of a record when the record is in the file: only then is it
//! known where the messages stand, and only then can they be read back.

use std::sync::Arc;

use warren_engine::{QueueId, Sequence, Write};

use crate::delta::Entry;
use crate::limits::{
    LAYER_ENTRIES_MAX, MESSAGE_BYTES_MAX, PENDING_BYTES_KEPT, RECORD_BYTES_MAX, SMALL_SEGMENT_BYTES,
};
use crate::planted::{self, Bug};
use crate::record::{
    body_bytes, put_delivered, put_enqueued, put_returned, put_settled, put_topology,
};
use crate::relocate::Moves;
use crate::segment::{self, HEADER_BYTES, Header, RECORD_ALIGNMENT, RECORD_HEADER_BYTES};
use crate::shared::{Position, Segment, Shared};
use crate::{Checkpointed, Delta, DiskFile, Error, Room};

/// The writing side of the message log; the committer owns it.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    active: Active,
    /// The number of the last record that was written.
    record_number: u64,
    /// The header of the active segment or records in it were written that no sync has covered.
    unsynced: bool,
    /// Room for a record's frame, then its payload.
    pending: Vec<u8>,
    /// What the pending record changes in the index, in order.
    changes: Vec<Change>,
    checkpoint: Checkpoint,
    failed: Option<Error>,
}

/// The segment that records go to.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) number: u32,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) bytes: u32,
    /// Where the next record begins.
    pub(crate) offset: u32,
}

#[derive(Debug)]
struct Checkpoint {
    running: bool,
    /// Bytes of log written since the last one began.
    bytes: u64,
    /// The last record that the last one covers.
    record: u64,
    /// What the live layer holds in memory.
    held: usize,
}

/// A change of the index that waits for its record to be written.
#[derive(Debug)]
enum Change {
    Enqueued {
        queue: QueueId,
        sequence: Sequence,
        offset: u32,
        length: u32,
        body_bytes: u32,
        may_expire: bool,
    },
    Settled {
        queue: QueueId,
        first: Sequence,
        last: Sequence,
    },
    Delivered {
        queue: QueueId,
        through: Sequence,
    },
    Returned {
        queue: QueueId,
        first: Sequence,
        last: Sequence,
        count: u32,
    },
    /// The messages, and where in the record they begin.
    Moved(Box<Moves>, u32),
    Topology(Box<Write>),
}

impl Log {
    /// Goes on after a recovery that replayed `replayed_bytes`, which no checkpoint covers yet.
    pub(crate) fn new(
        shared: Arc<Shared>,
        active: Active,
        record_number: u64,
        replayed_bytes: u64,
    ) -> Self {
        let (covered, held) = {
            let state = shared.state();
            (state.covered.record, state.live.held)
        };
        // The header of a new segment is not durable yet, and the next checkpoint may count on it.
        let unsynced = active.offset == HEADER_BYTES;
        Self {
            shared,
            active,
            record_number,
            unsynced,
            pending: vec![0; RECORD_HEADER_BYTES],
            changes: Vec::new(),
            checkpoint: Checkpoint { running: false, bytes: replayed_bytes, record: covered, held },
            failed: None,
        }
    }

    /// Encodes writes into the pending record, in memory. A pending record that has grown very
    /// large is written at once, without a sync.
    ///
    /// Messages of queues that were not declared before are written, but not kept.
    ///
    /// Gives how many of the writes were taken. These are all but in one case: there is no room
    /// on the disk for a pending record that may not grow further. Then [`Self::flush`] has to
    /// succeed first.
    ///
    /// # Errors
    /// `MessageTooLarge`, and the final errors of [`Self::flush`]. After an error every later call
    /// fails with the same one.
    pub fn append(&mut self, writes: &[Write]) -> Result<usize, Error> {
        self.check()?;
        for (taken, write) in writes.iter().enumerate() {
            // What follows a message in one command may tell of its old place: they stay together.
            let begins = matches!(write, Write::Enqueued { .. } | Write::Together(_));
            if begins && self.pending.len() >= RECORD_BYTES_MAX {
                match self.write_pending() {
                    Ok(()) => {}
                    Err(error) if error.is_full() => return Ok(taken),
                    Err(error) => return Err(self.fail(error)),
                }
            }
            self.append_one(write).map_err(|error| self.fail(error))?;
        }
        Ok(writes.len())
    }

    fn append_one(&mut self, write: &Write) -> Result<(), Error> {
        match write {
            Write::Enqueued { message, queues } => {
                let encoded = message.encoded();
                if encoded.len() > MESSAGE_BYTES_MAX {
                    let bytes = encoded.len();
                    return Err(Error::MessageTooLarge { bytes, bytes_max: MESSAGE_BYTES_MAX });
                }
                let (length, body_bytes) = (encoded.len() as u32, body_bytes(encoded));
                let offset = put_enqueued(&mut self.pending, message, queues) as u32;
                let may_expire = message.may_expire();
                self.changes.extend(queues.iter().map(|&(queue, sequence)| Change::Enqueued {
                    queue,
                    sequence,
                    offset,
                    length,
                    body_bytes,
                    may_expire,
                }));
            }
            Write::Settled { queue, first, last } => {
                put_settled(&mut self.pending, *queue, *first, *last);
                let change = Change::Settled { queue: *queue, first: *first, last: *last };
                self.changes.push(change);
            }
            Write::Delivered { queue, through } => {
                put_delivered(&mut self.pending, *queue, *through);
                self.changes.push(Change::Delivered { queue: *queue, through: *through });
            }
            &Write::Returned { queue, first, last, count } => {
                put_returned(&mut self.pending, queue, first, last, count);
                self.changes.push(Change::Returned { queue, first, last, count });
            }
            // One after the other into the pending record, which is written whole or not at all.
            Write::Together(parts) => {
                for part in parts {
                    self.append_one(part)?;
                    if planted::is(Bug::TogetherTorn) {
                        self.write_pending()?;
                    }
                }
            }
            Write::ExchangeDeclared(..)
            | Write::ExchangeDeleted(..)
            | Write::QueueDeclared(..)
            | Write::QueueDeleted(..)
            | Write::Bound(..)
            | Write::Unbound(..)
            | Write::DefinitionSet { .. }
            | Write::DefinitionDeleted { .. } => {
                put_topology(&mut self.pending, write);
                self.changes.push(Change::Topology(Box::new(write.clone())));
            }
        }
        Ok(())
    }

    /// Writes messages that were found in sparse segments anew, together with what is pending and
    /// without a sync. Each counts at its new place if it still waits at the old one. Nothing
    /// depends on them: old places are given up by the checkpoint that covers the new ones.
    ///
    /// # Errors
    /// Like [`Self::flush`].
    pub fn append_moves(&mut self, moves: Moves) -> Result<(), Error> {
        self.check()?;
        if !moves.count_in(&self.shared.state()) {
            return Ok(());
        }
        let offset = self.pending.len() as u32;
        self.pending.extend_from_slice(moves.writes());
        self.changes.push(Change::Moved(Box::new(moves), offset));
        self.write_pending().map_err(|error| self.fail(error))
    }

    /// The size of the pending record, in bytes; 0 if nothing waits for a flush.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.len().saturating_sub(RECORD_HEADER_BYTES)
    }

    /// Writes the pending record; with `sync`, returns when it and everything before it is
    /// durable. With nothing pending it only syncs, if there is something to sync.
    ///
    /// # Errors
    /// `DiskFull` if there is no room for the record: it stays pending, everything before it is as
    /// it was, and the call can be repeated. After any other error of the disk nobody knows what is
    /// durable: every later call fails with the same error, and the store has to be opened again.
    pub fn flush(&mut self, sync: bool) -> Result<(), Error> {
        self.check()?;
        let done = self.write_pending().and_then(|()| if sync { self.sync() } else { Ok(()) });
        done.map_err(|error| self.fail(error))
    }

    fn sync(&mut self) -> Result<(), Error> {
        let skipped = planted::is(Bug::SyncSkipped) && self.record_number.is_multiple_of(4);
        if self.unsynced && !skipped {
            let path = || self.shared.segment_path(self.active.number);
            self.active.file.sync_data().map_err(|error| Error::sync(&path(), &error))?;
            self.unsynced = false;
        }
        Ok(())
    }

    fn write_pending(&mut self) -> Result<(), Error> {
        if self.pending_bytes() == 0 {
            return Ok(());
        }
        let bytes = self.pending.len().next_multiple_of(RECORD_ALIGNMENT) as u32;
        if self.active.bytes.saturating_sub(self.active.offset) < bytes {
            self.roll(bytes)?;
        }
        let number = self.record_number + 1;
        let offset = self.active.offset;
        let unsealed = self.pending.len();
        segment::seal_record(&mut self.pending, self.shared.log_key, self.active.number, number);
        if let Err(error) = self.active.file.write_at(u64::from(offset), &self.pending) {
            // Some file systems need room even for what was reserved. What they took of the record
            // is overwritten when it is tried again, as nothing counts it yet.
            self.pending.truncate(unsealed);
            return Err(Error::io("write", &self.shared.segment_path(self.active.number), &error));
        }
        self.unsynced = true;
        self.record_number = number;
        self.active.offset = offset.saturating_add(bytes);
        self.checkpoint.bytes += u64::from(bytes);
        self.index_pending(offset);
        self.pending.truncate(RECORD_HEADER_BYTES);
        if self.pending.capacity() > PENDING_BYTES_KEPT {
            self.pending.shrink_to(PENDING_BYTES_KEPT);
            self.changes.shrink_to(PENDING_BYTES_KEPT / size_of::<Change>());
        }
        Ok(())
    }

    /// Tells the index of a record that was written at `record_offset`.
    fn index_pending(&mut self, record_offset: u32) {
        let segment = self.active.number;
        let mut state = self.shared.state();
        for change in self.changes.drain(..) {
            match change {
                Change::Enqueued { queue, sequence, offset, length, body_bytes, may_expire } => {
                    let offset = record_offset + offset;
                    let entry = Entry { sequence, segment, offset, length, body_bytes };
                    state.enqueue(queue, entry, may_expire);
                }
                Change::Settled { queue, first, last } => state.settle(queue, first, last),
                Change::Delivered { queue, through } => state.deliver(queue, through),
                Change::Returned { queue, first, last, count } => {
                    state.come_back(queue, first, last, count);
                }
                Change::Moved(moves, offset) => {
                    state.apply_moves(&moves, segment, record_offset + offset, self.record_number);
                }
                Change::Topology(write) => state.change_topology(*write),
            }
        }
        self.checkpoint.held = state.live.held;
    }

    /// Goes on in a new segment with room for a record of `record_bytes`.
    fn roll(&mut self, record_bytes: u32) -> Result<(), Error> {
        // A later segment must never be durable before an earlier one.
        self.sync()?;
        let number = self.active.number + 1;
        self.active = new_segment(&self.shared, number, self.record_number + 1, record_bytes)?;
        self.unsynced = true;
        Ok(())
    }

    /// True if so much log was written since the last checkpoint, or so much of it is held in
    /// memory, that a new one is due.
    #[must_use]
    pub fn checkpoint_due(&self) -> bool {
        let Checkpoint { running, bytes, held, .. } = self.checkpoint;
        let much = bytes >= self.shared.options.checkpoint_bytes || held >= LAYER_ENTRIES_MAX;
        !running && much
    }

    /// Freezes what changed since the last checkpoint, for [`Checkpointer::run`]; None if nothing
    /// did or the last one is not finished. It covers what was flushed, and syncs it if need be;
    /// the pending record is not in it.
    ///
    /// A checkpoint that fails is never finished: the store has to be opened again.
    ///
    /// [`Checkpointer::run`]: crate::Checkpointer::run
    ///
    /// # Errors
    /// Like [`Self::flush`].
    pub fn begin_checkpoint(&mut self) -> Result<Option<Delta>, Error> {
        self.check()?;
        if self.checkpoint.running || self.checkpoint.record == self.record_number {
            return Ok(None);
        }
        self.sync().map_err(|error| self.fail(error))?;
        self.checkpoint =
            Checkpoint { running: true, bytes: 0, record: self.record_number, held: 0 };
        let covered = Position {
            segment: self.active.number,
            offset: self.active.offset,
            record: self.record_number + u64::from(planted::is(Bug::CoveredTooFar)),
        };
        let layer = self.shared.state().freeze();
        Ok(Some(Delta { layer, covered }))
    }

    /// Takes the outcome of a checkpoint. Segments that nothing needs any more are struck off;
    /// the checkpointer deletes or recycles their files.
    ///
    /// # Errors
    /// The error that an earlier call failed with.
    pub fn finish_checkpoint(&mut self, outcome: Checkpointed) -> Result<(), Error> {
        self.check()?;
        let Checkpointed { covered, freed, .. } = outcome;
        let mut state = self.shared.state();
        let frozen = state.frozen.take();
        state.covered = covered;
        state.release_all(&freed);
        state.retire_dead();
        drop(state);
        // Freeing a large delta takes a while: not under the lock.
        drop(frozen);
        self.checkpoint.running = false;
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Remembers an error, if it is final.
    fn fail(&mut self, error: Error) -> Error {
        if !error.is_full() {
            self.failed = Some(error.clone());
        }
        error
    }

    /// The number of the segment that is being written to.
    #[must_use]
    pub fn segment(&self) -> u32 {
        self.active.number
    }

    /// Tells how much room there is.
    #[must_use]
    pub fn room(&self) -> Room {
        Room::new(&self.shared)
    }
}

/// Makes segment `number`, from a spare file if there is one and the record fits. Where there is
/// no room for a whole one it is made small, and what the store holds in advance is given up for
/// it.
///
/// # Errors
/// `DiskFull` if all that is not enough: nothing has changed, and the call can be repeated.
pub(crate) fn new_segment(
    shared: &Shared,
    number: u32,
    first_record: u64,
    record_bytes: u32,
) -> Result<Active, Error> {
    let needed = u64::from(HEADER_BYTES) + u64::from(record_bytes);
    let whole = needed.max(shared.options.segment_bytes);
    let small = needed.max(SMALL_SEGMENT_BYTES.min(shared.options.segment_bytes));
    let mut made = name_segment(shared, number, whole);
    if made.as_ref().is_err_and(Error::is_full) {
        made = name_segment(shared, number, small);
    }
    while made.as_ref().is_err_and(Error::is_full) && shared.give_back(0)? {
        made = name_segment(shared, number, small);
    }
    let (file, bytes) = made?;
    // The name is durable before anything in the file may be: after a power cut the number is
    // then either taken or has never been written under.
    if !planted::is(Bug::NameNotSynced) {
        shared.sync_log_folder()?;
    }
    let path = shared.segment_path(number);
    let header = Header { number, first_record, bytes }.encoded();
    file.write_at(0, &header).map_err(|error| Error::io("write", &path, &error))?;
    shared.state().segments.insert(number, Segment::new(bytes));
    Ok(Active { number, file, bytes: bytes as u32, offset: HEADER_BYTES })
}

/// Gives the name of segment `number` to a spare file, if `bytes` are the usual size and there is
/// one, or else to a new file. All its room is reserved, so that no write into it can lack any.
fn name_segment(
    shared: &Shared,
    number: u32,
    bytes: u64,
) -> Result<(Arc<dyn DiskFile>, u64), Error> {
    let path = shared.segment_path(number);
    let name = segment::name(number);
    let is_usual = bytes == shared.options.segment_bytes;
    let spare = if is_usual { shared.state().spares.pop() } else { None };
    if let Some(spare) = spare {
        if let Err(error) = shared.disk.rename(&segment::spare_name(spare), &name) {
            shared.state().spares.push(spare);
            return Err(Error::io("make", &path, &error));
        }
        let file = shared.disk.open(&name).map_err(|error| Error::io("open", &path, &error))?;
        return Ok((file, bytes));
    }
    let file = shared.disk.create(&name).map_err(|error| Error::io("make", &path, &error))?;
    if let Err(error) = file.reserve(bytes) {
        // A part of the room may have been taken. The name goes too; if it stays, the next
        // attempt makes it anew, and a recovery deletes a segment without a header.
        let _ = shared.disk.remove(&name);
        return Err(Error::io("grow", &path, &error));
    }
    Ok((file, bytes))
}

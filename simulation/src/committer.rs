//! The committer, the loader and the checkpoint, by the rules of the server: writes of waiting
//! groups become one record; whoever waits is let go only after a flush with a sync; a load goes
//! out when the writes before it are in the log; groups on which nobody waits may stay in memory
//! for a while. On a full disk everything waits and is tried again. Any other error of the store
//! ends it all.
//! Messages of sparse segments go into the log again when nobody waits, which must not change what
//! a restart finds.

use warren_engine::{Command, Event, Load, SessionId, Write};
use warren_storage::{Checkpointed, Delta, Error, Loaded, Relocation};

use crate::limits;
use crate::model::Model;
use crate::node::{Node, Notes};

/// What the shard hands to the committer at a time.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) number: u64,
    /// The last command of the model that is in it.
    pub(crate) op: u64,
    pub(crate) writes: Vec<Write>,
    pub(crate) loads: Vec<Load>,
    pub(crate) committed: Vec<(SessionId, Vec<Event>)>,
}

/// What the log holds that no sync has covered, by the last command in each record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unsynced {
    /// Records that were written.
    pub(crate) written: Vec<u64>,
    /// A record whose write was begun: it may be there, or not.
    pub(crate) in_flight: Option<u64>,
    /// Power was cut: any of them may be gone.
    pub(crate) power_cut: bool,
}

impl Unsynced {
    /// A power cut may have kept a later record and lost an earlier one, or the header of the
    /// segment. The recovery says so, as it cannot tell this from damage.
    pub(crate) fn may_have_holes(&self) -> bool {
        self.power_cut && !(self.written.is_empty() && self.in_flight.is_none())
    }
}

/// How far a checkpoint has come.
#[derive(Debug)]
pub(crate) enum Checkpoint {
    Idle,
    Begun(Delta),
    Ran(Result<Checkpointed, Error>),
}

impl Node {
    fn fail(&mut self, notes: &mut Notes, what: &str, error: &Error) {
        if self.failed.is_none() {
            notes.trace.line(format_args!("  !! {what}: {error}"));
            notes.counts.failures += 1;
            self.failed = Some(error.to_string());
        }
    }

    /// The committer takes some groups, and writes if somebody waits, or if it is `late`. While it
    /// waits for room it takes none.
    pub(crate) fn commit_step(
        &mut self,
        take: usize,
        late: bool,
        model: &mut Model,
        notes: &mut Notes,
    ) {
        if self.failed.is_some() {
            self.groups.clear();
            return;
        }
        let take = if self.waits { 0 } else { take.min(self.groups.len()) };
        let groups: Vec<Group> = self.groups.drain(..take).collect();
        for group in groups {
            self.changed |= !group.writes.is_empty();
            match self.log.append(&group.writes) {
                Ok(taken) => debug_assert!(taken == group.writes.len(), "records are small here"),
                Err(error) => return self.fail(notes, "append", &error),
            }
            self.appended_op = group.op;
            self.taken.push(group);
        }
        self.move_messages(model, notes);
        // The server's pause before a late sync is short: only so many records are written in it.
        let late = late || self.unsynced.written.len() >= limits::UNSYNCED_RECORDS_MAX;
        let waits = |group: &Group| {
            !group.committed.is_empty() || group.loads.iter().any(warren_engine::Load::is_sync)
        };
        let sync = late || self.taken.iter().any(waits);
        let write = sync || self.taken.iter().any(|group| !group.loads.is_empty());
        if write && !self.flush(sync, model, notes) {
            return;
        }
        self.unwritten = !sync && (self.unwritten || !self.taken.is_empty());
        for Group { number, loads, committed, .. } in self.taken.drain(..) {
            self.loads.extend(loads);
            for (session, events) in committed {
                if let Some(outbox) = self.outboxes.get_mut(&session) {
                    outbox.extend(events);
                }
            }
            self.done_group = number;
        }
    }

    /// Writes what is pending, and makes it durable with `sync`. False if it did not come to that.
    fn flush(&mut self, sync: bool, model: &mut Model, notes: &mut Notes) -> bool {
        if self.log.pending_bytes() > 0 {
            self.unsynced.in_flight = Some(self.appended_op);
        }
        let segment = self.log.segment();
        match self.log.flush(sync) {
            Ok(()) => self.was_written(segment, model),
            Err(error) if error.is_full() => {
                if !self.waits {
                    notes.trace.line(format_args!("  the log waits for room"));
                    notes.counts.waits += 1;
                }
                self.waits = true;
                // Checkpoints go on, because they free segments.
                if matches!(self.checkpoint, Checkpoint::Idle) {
                    self.checkpoint_step(model, notes);
                }
                return false;
            }
            Err(error) => {
                self.fail(notes, "flush", &error);
                return false;
            }
        }
        self.waits = false;
        if sync {
            self.synced_through(Some(self.appended_op), model);
        }
        true
    }

    /// What was pending is in the log, where `segment` was the active one before.
    fn was_written(&mut self, segment: u32, model: &mut Model) {
        if segment != self.log.segment() {
            // It was synced when it was left.
            self.synced_through(self.unsynced.written.last().copied(), model);
        }
        if let Some(op) = self.unsynced.in_flight.take() {
            self.unsynced.written.push(op);
        }
    }

    /// Writes messages of a sparse segment anew, with what is pending.
    fn move_messages(&mut self, model: &mut Model, notes: &mut Notes) {
        let Some(moves) = self.moves.take() else { return };
        if self.waits || self.failed.is_some() {
            return;
        }
        let before = self.unsynced.in_flight.replace(self.appended_op);
        let segment = self.log.segment();
        match self.log.append_moves(moves) {
            // A checkpoint has ended meanwhile: the piece counts for nothing.
            Ok(()) if self.log.pending_bytes() > 0 => self.unsynced.in_flight = before,
            Ok(()) => {
                notes.counts.moves += 1;
                self.changed = true;
                self.was_written(segment, model);
            }
            Err(error) if error.is_full() => {}
            Err(error) => self.fail(notes, "move", &error),
        }
    }

    fn synced_through(&mut self, op: Option<u64>, model: &mut Model) {
        if let Some(op) = op {
            self.unsynced.written.clear();
            model.synced(op);
        }
    }

    /// The committer has something to do.
    pub(crate) fn has_work(&self) -> bool {
        let waits = !(self.groups.is_empty() && self.taken.is_empty());
        waits || self.moves.is_some() || self.unwritten
    }

    /// The loader answers a wish. While the database waits for room, so does the wish.
    pub(crate) fn load_step(&mut self, bytes_max: usize, notes: &mut Notes) {
        let Some(load) = self.loads.pop_front() else { return };
        match self.reader.load(&load, bytes_max) {
            Ok(Loaded { messages, damaged, damaged_rows, returns, through }) => {
                notes.trace.line(format_args!(
                    "  loaded {} of {load:?}, through {through}, {} damaged, rows {damaged_rows:?}, returns {returns:?}",
                    messages.len(),
                    damaged.len()
                ));
                notes.counts.loaded += messages.len() as u64;
                let damaged = damaged.iter().map(|one| (one.sequence, one.body_bytes)).collect();
                let command = Command::Loaded { load, through, messages, damaged, returns };
                self.inbox.push_back(command);
            }
            Err(error) if error.is_full() => self.loads.push_front(load),
            Err(error) => self.fail(notes, "load", &error),
        }
    }

    /// The next step of a checkpoint: it begins, runs beside everything else, and is finished.
    /// Where room is missing it runs again.
    pub(crate) fn checkpoint_step(&mut self, model: &mut Model, notes: &mut Notes) {
        if self.failed.is_some() {
            return;
        }
        match std::mem::replace(&mut self.checkpoint, Checkpoint::Idle) {
            Checkpoint::Idle => match self.log.begin_checkpoint() {
                Ok(begun) => {
                    self.changed = false;
                    self.synced_through(self.unsynced.written.last().copied(), model);
                    self.checkpoint = begun.map_or(Checkpoint::Idle, Checkpoint::Begun);
                }
                Err(error) => self.fail(notes, "begin a checkpoint", &error),
            },
            Checkpoint::Begun(delta) => match self.checkpointer.run(&delta) {
                Err(error) if error.is_full() => {
                    notes.trace.line(format_args!("  the checkpoint waits for room"));
                    notes.counts.waits += u64::from(!self.checkpoint_waits);
                    self.checkpoint_waits = true;
                    self.checkpoint = Checkpoint::Begun(delta);
                }
                outcome => {
                    self.checkpoint_waits = false;
                    self.checkpoint = Checkpoint::Ran(outcome);
                }
            },
            Checkpoint::Ran(outcome) => {
                let finished = outcome.and_then(|done| {
                    for damage in done.damaged() {
                        notes.trace.line(format_args!("  damage: {damage:?}"));
                        self.damage_told += 1;
                    }
                    self.log.finish_checkpoint(done)
                });
                match finished {
                    Ok(()) => notes.counts.checkpoints += 1,
                    Err(error) => self.fail(notes, "checkpoint", &error),
                }
            }
        }
    }

    /// The checkpoint may begin: the server's rule is that nothing is unwritten, or much is.
    pub(crate) fn may_checkpoint(&self) -> bool {
        match self.checkpoint {
            Checkpoint::Idle => self.changed && (!self.unwritten || self.log.checkpoint_due()),
            Checkpoint::Begun(_) | Checkpoint::Ran(_) => true,
        }
    }

    /// A step of the checkpoint thread's housekeeping; false if there is nothing more to do.
    pub(crate) fn housekeep_step(&mut self, notes: &mut Notes) -> bool {
        match self.checkpointer.prepare_spare() {
            Ok(true) => true,
            Ok(false) => self.relocate(notes),
            Err(error) => {
                // The server says so and goes on, as nothing is lost by it.
                notes.trace.line(format_args!("  housekeeping: {error}"));
                false
            }
        }
    }

    /// Looks for messages of sparse segments.
    fn relocate(&mut self, notes: &mut Notes) -> bool {
        match self.checkpointer.relocate() {
            Ok(Relocation { moves, damaged, more }) => {
                for damage in &damaged {
                    notes.trace.line(format_args!("  damage: {damage:?}"));
                }
                self.damage_told += damaged.len();
                if moves.is_some() {
                    notes.trace.line(format_args!("  messages are to be moved"));
                    self.moves = moves;
                }
                more
            }
            Err(error) => {
                // The segment stays, and nothing else follows from it.
                notes.trace.line(format_args!("  moving: {error}"));
                false
            }
        }
    }
}

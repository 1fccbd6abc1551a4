//! The committer, the loader and the checkpoint, by the rules of the server: writes of waiting
//! groups become one record; whoever waits is let go only after a flush with a sync; groups on
//! which nobody waits may stay in memory for a while; an error of the store ends it all.

use warren_engine::{Command, Event, Load, SessionId, Write};
use warren_storage::{Checkpointed, Delta, Error, Loaded};

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

    /// The committer takes some groups, and writes if somebody waits, or if it is `late`.
    pub(crate) fn commit_step(
        &mut self,
        take: usize,
        late: bool,
        model: &mut Model,
        notes: &mut Notes,
    ) {
        let taken: Vec<Group> = self.groups.drain(..take.min(self.groups.len())).collect();
        if self.failed.is_some() {
            return;
        }
        for group in &taken {
            self.changed |= !group.writes.is_empty();
            self.appended_op = group.op;
            if let Err(error) = self.log.append(&group.writes) {
                return self.fail(notes, "append", &error);
            }
        }
        let awaited =
            taken.iter().any(|group| !group.committed.is_empty() || !group.loads.is_empty());
        if !awaited && !late {
            self.unwritten |= !taken.is_empty();
            if let Some(group) = taken.last() {
                self.done_group = group.number;
            }
            return;
        }
        self.in_flight_op = self.appended_op;
        if let Err(error) = self.log.flush(true) {
            return self.fail(notes, "flush", &error);
        }
        self.unwritten = false;
        self.in_flight_op = 0;
        model.synced(self.appended_op);
        for Group { number, loads, committed, .. } in taken {
            self.loads.extend(loads);
            for (session, events) in committed {
                if let Some(outbox) = self.outboxes.get_mut(&session) {
                    outbox.extend(events);
                }
            }
            self.done_group = number;
        }
    }

    /// The loader answers a wish.
    pub(crate) fn load_step(&mut self, bytes_max: usize, notes: &mut Notes) {
        let Some(load) = self.loads.pop_front() else { return };
        match self.reader.load(load, bytes_max) {
            Ok(Loaded { messages, damaged, through }) => {
                notes.trace.line(format_args!(
                    "  loaded {} of {load:?}, through {through}, damaged {damaged:?}",
                    messages.len()
                ));
                notes.counts.loaded += messages.len() as u64;
                let damaged = vec![];
                self.inbox.push_back(Command::Loaded { load, through, messages, damaged });
            }
            Err(error) => self.fail(notes, "load", &error),
        }
    }

    /// The next step of a checkpoint: it begins, runs beside everything else, and is finished.
    pub(crate) fn checkpoint_step(&mut self, notes: &mut Notes) {
        if self.failed.is_some() {
            return;
        }
        match std::mem::replace(&mut self.checkpoint, Checkpoint::Idle) {
            Checkpoint::Idle => match self.log.begin_checkpoint() {
                Ok(Some(delta)) => {
                    self.changed = false;
                    self.checkpoint = Checkpoint::Begun(delta);
                }
                Ok(None) => self.changed = false,
                Err(error) => self.fail(notes, "begin a checkpoint", &error),
            },
            Checkpoint::Begun(delta) => {
                self.checkpoint = Checkpoint::Ran(self.checkpointer.run(&delta));
            }
            Checkpoint::Ran(outcome) => {
                let finished = outcome.and_then(|done| self.log.finish_checkpoint(done));
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
            Ok(more) => more,
            Err(error) => {
                // The server says so and goes on, as nothing is lost by it.
                notes.trace.line(format_args!("  housekeeping: {error}"));
                false
            }
        }
    }
}

//! The checkpoint thread: moves what the committer froze into the database, and keeps segment files
//! ready and sparse ones empty, beside the committer's work.

use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::Instant;

use tokio::sync::mpsc;
use tracing::{debug, error, warn};
use warren_storage::{Checkpointed, Checkpointer, Damage, Delta, Error, Relocation};

use crate::alarm::{Alarms, Cause};
use crate::committer::ToCommitter;
use crate::limits;

/// What the checkpoint thread can be told.
#[derive(Debug)]
pub(crate) enum ToCheckpointer {
    /// Move this into the database.
    Run(Delta),
    /// Segments may have died with the last checkpoint: clear them away.
    Clear,
    /// The broker stops: from now on wait for no room.
    Hurry,
}

/// What the thread does when no order is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// There is housekeeping left.
    Not,
    /// A pause between two pieces of messages that are moved.
    Pause,
    /// Until an order comes.
    Idle,
}

fn ended(error: threads::RecvTimeoutError) -> threads::TryRecvError {
    match error {
        threads::RecvTimeoutError::Timeout => threads::TryRecvError::Empty,
        threads::RecvTimeoutError::Disconnected => threads::TryRecvError::Disconnected,
    }
}

/// The thread's work.
pub(crate) struct Checkpoints {
    pub(crate) checkpointer: Checkpointer,
    pub(crate) orders: threads::Receiver<ToCheckpointer>,
    pub(crate) committer: mpsc::UnboundedSender<ToCommitter>,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) hurries: bool,
}

impl Checkpoints {
    /// Runs until the committer is gone.
    pub(crate) fn run(mut self) {
        let mut rest = Rest::Not;
        loop {
            let order = match rest {
                Rest::Not => self.orders.try_recv(),
                Rest::Pause => self.orders.recv_timeout(limits::MOVE_PAUSE).map_err(ended),
                Rest::Idle => self.orders.recv().map_err(|_| threads::TryRecvError::Disconnected),
            };
            match order {
                Ok(ToCheckpointer::Run(delta)) => {
                    let Some(outcome) = self.checkpoint(delta) else { return };
                    if self.committer.send(ToCommitter::Checkpointed(outcome)).is_err() {
                        return;
                    }
                    rest = Rest::Not;
                }
                Ok(ToCheckpointer::Clear) => rest = Rest::Not,
                Ok(ToCheckpointer::Hurry) => self.hurries = true,
                Err(threads::TryRecvError::Disconnected) => return,
                Err(threads::TryRecvError::Empty) => rest = self.keep_house(),
            }
        }
    }

    /// A step of what is to be done when no delta is there.
    fn keep_house(&mut self) -> Rest {
        match self.checkpointer.prepare_spare() {
            Ok(true) => Rest::Not,
            Ok(false) => self.relocate(),
            Err(error) => {
                // Nothing is lost by it: the log makes its segments itself if it must. It is tried
                // again after the next checkpoint.
                if error.is_full() {
                    debug!(%error, "nothing is kept ready while the disk is full");
                } else {
                    error!(%error, "cannot prepare the next segment of the message log");
                }
                Rest::Idle
            }
        }
    }

    /// One step of moving messages out of sparse segments.
    fn relocate(&mut self) -> Rest {
        let Relocation { moves, damaged, more } = match self.checkpointer.relocate() {
            Ok(step) => step,
            Err(error) if error.is_full() => return Rest::Idle,
            Err(error) => {
                // Nothing is lost by it either: the segment stays.
                error!(%error, "cannot move messages out of a segment of the message log");
                return Rest::Idle;
            }
        };
        for Damage { file, message, offset } in damaged {
            error!(file = %file.display(), offset, reason = message, "damaged data");
        }
        if let Some(moves) = moves {
            // If the committer is gone, the next order does not come either.
            let _ = self.committer.send(ToCommitter::Move(moves));
        }
        if more { Rest::Pause } else { Rest::Idle }
    }

    /// A checkpoint. If there is no room, waits until there is some, for as long as there is a
    /// committer to be told of the outcome.
    fn checkpoint(&mut self, delta: Delta) -> Option<Result<Checkpointed, Error>> {
        let started = Instant::now();
        let mut waits = false;
        let outcome = loop {
            match self.checkpointer.run(&delta) {
                Err(error) if error.is_full() && !self.hurries => {
                    if !waits {
                        waits = true;
                        self.alarms.set(Cause::Database, true);
                        warn!(%error, "no checkpoint until there is room on the disk");
                    }
                }
                outcome => break outcome,
            }
            match self.orders.recv_timeout(limits::FULL_DISK_PAUSE) {
                Ok(ToCheckpointer::Hurry) => self.hurries = true,
                // The committer begins none while one is under way, and clears up after it.
                Ok(ToCheckpointer::Run(_) | ToCheckpointer::Clear)
                | Err(threads::RecvTimeoutError::Timeout) => {}
                Err(threads::RecvTimeoutError::Disconnected) => return None,
            }
        };
        if waits {
            self.alarms.look_at_disk();
            self.alarms.set(Cause::Database, false);
        }
        drop(delta);
        debug!(duration_ms = started.elapsed().as_millis() as u64, "checkpoint");
        Some(outcome)
    }
}

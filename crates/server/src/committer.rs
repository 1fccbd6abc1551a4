//! The committer: one thread that makes the writes of all shards durable.
//!
//! It takes whatever has come while the last sync ran, appends it to the log in one write, syncs
//! once, and then lets go the events that waited for it. The load makes the batches; there is no
//! timer, but for acknowledgements on which nobody waits. A failure of the store ends all this for
//! good: nothing is confirmed after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as threads;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error};
use warren_engine::{Event, Load, Write};
use warren_storage::{Checkpointed, Checkpointer, Damage, Delta, Error, Log, Moves, Relocation};

use crate::health::Health;
use crate::limits;
use crate::shard::Outbox;

/// What one shard hands to the committer at a time.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) writes: Vec<Write>,
    /// Wishes that wait until the writes of this and every earlier group are in the log, as they
    /// may ask for just those.
    pub(crate) loads: Vec<Load>,
    /// Events that wait until the writes of this and every earlier group are durable.
    pub(crate) committed: Vec<(Outbox, Vec<Event>)>,
    /// Where to note that the events were sent, and the number to note.
    pub(crate) done: (Arc<AtomicU64>, u64),
}

/// What the committer can be told.
#[derive(Debug)]
pub(crate) enum ToCommitter {
    Group(Group),
    /// A checkpoint has ended.
    Checkpointed(Result<Checkpointed, Error>),
    /// Write messages of sparse segments anew; nobody waits for it.
    Move(Moves),
    /// Make everything durable, make a last checkpoint and end.
    Stop(oneshot::Sender<()>),
}

pub(crate) struct Committer {
    log: Log,
    inbox: mpsc::Receiver<ToCommitter>,
    checkpoints: threads::Sender<Delta>,
    loader: threads::Sender<Load>,
    checkpoint_interval: Duration,
    /// A checkpoint is under way.
    checkpointing: bool,
    /// Messages were moved, which is news for a checkpoint.
    moved: bool,
    health: Arc<Health>,
}

/// What a turn of the committer came to.
enum Turn {
    GoOn,
    Stop(oneshot::Sender<()>),
}

impl Committer {
    pub(crate) fn new(
        log: Log,
        inbox: mpsc::Receiver<ToCommitter>,
        checkpoints: threads::Sender<Delta>,
        loader: threads::Sender<Load>,
        checkpoint_interval: Duration,
        health: Arc<Health>,
    ) -> Self {
        Self {
            log,
            inbox,
            checkpoints,
            loader,
            checkpoint_interval,
            checkpointing: false,
            moved: false,
            health,
        }
    }

    /// Runs until it is told to stop or nobody is left to tell it.
    pub(crate) fn run(mut self) {
        let mut last_checkpoint = Instant::now();
        // Since when something waits to be written, and whether there is news for a checkpoint.
        let mut unwritten: Option<Instant> = None;
        let mut changed = false;
        let mut batch = Vec::new();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            let wait = match (unwritten, changed) {
                (Some(since), _) => Some(limits::IDLE_FLUSH.saturating_sub(since.elapsed())),
                (None, true) => {
                    Some(self.checkpoint_interval.saturating_sub(last_checkpoint.elapsed()))
                }
                (None, false) => None,
            };
            let first = match receive(&mut self.inbox, wait, &waker) {
                Received::Message(message) => Some(message),
                Received::Nothing => None,
                Received::Closed => return,
            };
            let mut groups = std::mem::take(&mut batch);
            match self.collect(first, &mut groups) {
                Turn::GoOn => {}
                Turn::Stop(done) => {
                    self.commit(&mut groups, true);
                    self.last_checkpoint();
                    let _ = done.send(());
                    return;
                }
            }
            changed |= groups.iter().any(|group| !group.writes.is_empty());
            changed |= std::mem::take(&mut self.moved);
            let late = unwritten.is_some_and(|since| since.elapsed() >= limits::IDLE_FLUSH);
            if late || !groups.is_empty() {
                unwritten = match self.commit(&mut groups, late) {
                    true => None,
                    false => unwritten.or_else(|| Some(Instant::now())),
                };
            }
            batch = groups;
            let due = last_checkpoint.elapsed() >= self.checkpoint_interval;
            if self.log.checkpoint_due() || (due && changed && unwritten.is_none()) {
                last_checkpoint = Instant::now();
                // While one is under way, what is new waits for the next.
                changed = !self.begin_checkpoint() && self.checkpointing;
            }
        }
    }

    /// Takes what waits, up to as much as one sync should cover.
    fn collect(&mut self, first: Option<ToCommitter>, groups: &mut Vec<Group>) -> Turn {
        let mut next = first;
        while let Some(message) = next {
            match message {
                ToCommitter::Group(group) => {
                    self.append(&group.writes);
                    groups.push(group);
                }
                ToCommitter::Checkpointed(outcome) => self.finish_checkpoint(outcome),
                ToCommitter::Move(moves) => self.move_messages(moves),
                ToCommitter::Stop(done) => return Turn::Stop(done),
            }
            if self.log.pending_bytes() >= limits::COMMIT_BYTES {
                break;
            }
            next = self.inbox.try_recv().ok();
        }
        Turn::GoOn
    }

    fn append(&mut self, writes: &[Write]) {
        if !self.health.has_failed() {
            let appended = self.log.append(writes);
            self.check(appended);
        }
    }

    /// A part of a sparse segment goes on in the active one. The next checkpoint syncs it and lets
    /// the old segment go.
    fn move_messages(&mut self, moves: Moves) {
        if !self.health.has_failed() {
            let appended = self.log.append_moves(moves);
            self.check(appended);
            self.moved = true;
        }
    }

    /// Writes and syncs, if somebody waits for it, it is `late`, or enough has come together; then
    /// lets the events go. False if something is left that is not written yet.
    fn commit(&mut self, groups: &mut Vec<Group>, late: bool) -> bool {
        let sync = late || groups.iter().any(|group| !group.committed.is_empty());
        // A load wants to find the writes in the log, synced or not.
        let write = sync || groups.iter().any(|group| !group.loads.is_empty());
        let full = self.log.pending_bytes() >= limits::COMMIT_BYTES;
        if !write && !full {
            // Nobody waits, as with acknowledgements: they go out with the next publish.
            for Group { done: (done, number), .. } in groups.drain(..) {
                done.store(number, Ordering::Release);
            }
            return false;
        }
        if !self.health.has_failed() {
            let flushed = self.log.flush(sync || full);
            self.check(flushed);
        }
        let failed = self.health.has_failed();
        for Group { committed, loads, done: (done, number), .. } in groups.drain(..) {
            if failed {
                continue;
            }
            for load in loads {
                // The loader ends only when the broker does.
                let _ = self.loader.send(load);
            }
            for (outbox, events) in committed {
                // A session that is gone needs no events.
                let _ = outbox.send(events);
            }
            // After the events: whoever sees the number may send right behind them.
            done.store(number, Ordering::Release);
        }
        sync || full
    }

    /// True if a checkpoint has begun.
    fn begin_checkpoint(&mut self) -> bool {
        if self.health.has_failed() {
            return false;
        }
        let begun = match self.log.begin_checkpoint() {
            Ok(Some(delta)) => self.checkpoints.send(delta).is_ok(),
            Ok(None) => false,
            Err(error) => {
                self.health.fail(&error);
                false
            }
        };
        self.checkpointing |= begun;
        begun
    }

    fn finish_checkpoint(&mut self, outcome: Result<Checkpointed, Error>) {
        self.checkpointing = false;
        let finished = outcome.and_then(|done| {
            for Damage { file, message, .. } in done.damaged() {
                error!(file = %file.display(), reason = message, "damaged data");
            }
            self.log.finish_checkpoint(done)
        });
        self.check(finished);
    }

    /// A checkpoint of everything, so that the next start has nothing to replay.
    fn last_checkpoint(&mut self) {
        // One may be under way; then the last one follows it.
        for _ in 0..2 {
            let begun = self.begin_checkpoint();
            if !self.checkpointing || self.health.has_failed() {
                return;
            }
            while let Some(message) = self.inbox.blocking_recv() {
                if let ToCommitter::Checkpointed(outcome) = message {
                    self.finish_checkpoint(outcome);
                    break;
                }
            }
            if begun {
                return;
            }
        }
    }

    fn check(&self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.health.fail(&error);
        }
    }
}

enum Received {
    Message(ToCommitter),
    Nothing,
    Closed,
}

/// Wakes the committer's thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits by parking the thread. A timer of the runtime's would be set for each group, and each
/// time wake the worker that keeps the timers: twice the CPU for a message that is alone.
fn receive(
    inbox: &mut mpsc::Receiver<ToCommitter>,
    wait: Option<Duration>,
    waker: &Waker,
) -> Received {
    let until = wait.map(|wait| Instant::now() + wait);
    loop {
        if let Poll::Ready(received) = inbox.poll_recv(&mut Context::from_waker(waker)) {
            return received.map_or(Received::Closed, Received::Message);
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return Received::Nothing,
            Some(left) => thread::park_timeout(left),
        }
    }
}

/// What the checkpoint thread does when no delta is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// There is housekeeping left.
    Not,
    /// A pause between two pieces of messages that are moved.
    Pause,
    /// Until a delta comes.
    Idle,
}

/// The checkpoint thread: moves what the committer froze into the database, and keeps segment
/// files ready and sparse ones empty, beside the committer's work.
pub(crate) fn run_checkpoints(
    mut checkpointer: Checkpointer,
    deltas: &threads::Receiver<Delta>,
    committer: &mpsc::Sender<ToCommitter>,
) {
    let mut rest = Rest::Not;
    loop {
        let delta = match rest {
            Rest::Not => deltas.try_recv(),
            Rest::Pause => deltas.recv_timeout(limits::MOVE_PAUSE).map_err(|error| match error {
                threads::RecvTimeoutError::Timeout => threads::TryRecvError::Empty,
                threads::RecvTimeoutError::Disconnected => threads::TryRecvError::Disconnected,
            }),
            Rest::Idle => deltas.recv().map_err(|_| threads::TryRecvError::Disconnected),
        };
        match delta {
            Ok(delta) => {
                let started = Instant::now();
                let outcome = checkpointer.run(&delta);
                drop(delta);
                debug!(duration_ms = started.elapsed().as_millis() as u64, "checkpoint");
                if committer.blocking_send(ToCommitter::Checkpointed(outcome)).is_err() {
                    return;
                }
                rest = Rest::Not;
            }
            Err(threads::TryRecvError::Disconnected) => return,
            Err(threads::TryRecvError::Empty) => {
                let prepared = checkpointer.prepare_spare().unwrap_or_else(|error| {
                    // Nothing is lost by it: the log makes its segments itself if it must.
                    error!(%error, "cannot prepare the next segment of the message log");
                    false
                });
                rest = if prepared { Rest::Not } else { relocate(&mut checkpointer, committer) };
            }
        }
    }
}

/// One step of moving messages out of sparse segments.
fn relocate(checkpointer: &mut Checkpointer, committer: &mpsc::Sender<ToCommitter>) -> Rest {
    let Relocation { moves, damaged, more } = match checkpointer.relocate() {
        Ok(step) => step,
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
        // If the committer is gone, the next delta does not come either.
        let _ = committer.blocking_send(ToCommitter::Move(moves));
    }
    if more { Rest::Pause } else { Rest::Idle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_ends_with_a_message_or_after_its_time_or_with_the_last_sender() {
        let (sender, mut inbox) = mpsc::channel(1);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let short = Some(Duration::from_millis(1));
        assert!(matches!(receive(&mut inbox, short, &waker), Received::Nothing));
        // Far longer than it takes, so that a wake-up that is missed fails instead of hanging.
        let long = Some(Duration::from_secs(60));
        let other = thread::spawn(move || {
            let (done, _) = oneshot::channel();
            sender.blocking_send(ToCommitter::Stop(done)).is_ok()
        });
        assert!(matches!(
            receive(&mut inbox, long, &waker),
            Received::Message(ToCommitter::Stop(_))
        ));
        assert!(other.join().unwrap());
        assert!(matches!(receive(&mut inbox, long, &waker), Received::Closed));
    }
}

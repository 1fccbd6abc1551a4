//! The committer: one thread that makes the writes of all shards durable.
//!
//! It takes whatever has come while the last sync ran, appends it to the log in one write, syncs
//! once, and then lets go the events that waited for it. The load makes the batches; there is no
//! timer, but for acknowledgements on which nobody waits.
//!
//! On a full disk it waits: what it has taken stays unconfirmed until there is room, and as it takes
//! no more, the shards and the connections wait too. Any other failure of the store ends all this
//! for good: nothing is confirmed after it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc as threads;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};
use warren_engine::Write;
use warren_storage::{Checkpointed, Damage, Error, Log, Moves};

use crate::alarm::{Alarms, Cause};
use crate::checkpoints::ToCheckpointer;
use crate::groups::Group;
use crate::health::Health;
use crate::limits;
use crate::loader::Wish;
use crate::shard::ToConnection;

/// What the committer can be told beside its work. It hears this also while it waits for room.
#[derive(Debug)]
pub(crate) enum ToCommitter {
    /// A checkpoint has ended.
    Checkpointed(Result<Checkpointed, Error>),
    /// The broker stops: from now on wait for no room.
    Hurry,
    /// Write messages of sparse segments anew; nobody waits for it.
    Move(Moves),
    /// Make everything durable, make a last checkpoint and end.
    Stop(oneshot::Sender<()>),
}

/// Whom the committer works with.
#[derive(Debug)]
pub(crate) struct Others {
    pub(crate) checkpoints: threads::Sender<ToCheckpointer>,
    pub(crate) loader: threads::Sender<Wish>,
    pub(crate) health: Arc<Health>,
    pub(crate) alarms: Arc<Alarms>,
}

pub(crate) struct Committer {
    log: Log,
    inbox: mpsc::Receiver<Group>,
    orders: mpsc::UnboundedReceiver<ToCommitter>,
    others: Others,
    checkpoint_interval: Duration,
    /// A checkpoint is under way.
    checkpointing: bool,
    /// Messages were moved, which is news for a checkpoint.
    moved: bool,
    /// The segment whose beginning was the last time to look at the disk.
    segment: u32,
    /// The log has no room for what is pending.
    waits: bool,
    /// The broker stops.
    hurries: bool,
    /// There was no room and no time to wait for it: nothing more is written or confirmed.
    gave_up: bool,
    stop: Option<oneshot::Sender<()>>,
    /// Wakes the thread that runs this.
    waker: Waker,
}

enum Received {
    Group(Group),
    Order(ToCommitter),
    Nothing,
    Closed,
}

impl Committer {
    pub(crate) fn new(
        log: Log,
        inbox: mpsc::Receiver<Group>,
        orders: mpsc::UnboundedReceiver<ToCommitter>,
        others: Others,
        checkpoint_interval: Duration,
    ) -> Self {
        Self {
            segment: log.segment(),
            log,
            inbox,
            orders,
            others,
            checkpoint_interval,
            checkpointing: false,
            moved: false,
            waits: false,
            hurries: false,
            gave_up: false,
            stop: None,
            waker: Waker::noop().clone(),
        }
    }

    /// Runs until it is told to stop or nobody is left to tell it.
    pub(crate) fn run(mut self) {
        self.waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut last_checkpoint = Instant::now();
        // Since when something waits to be written, and whether there is news for a checkpoint.
        let mut unwritten: Option<Instant> = None;
        let mut changed = false;
        let mut groups = Vec::new();
        loop {
            let wait = match (unwritten, changed) {
                (Some(since), _) => Some(limits::IDLE_FLUSH.saturating_sub(since.elapsed())),
                (None, true) => {
                    Some(self.checkpoint_interval.saturating_sub(last_checkpoint.elapsed()))
                }
                (None, false) => None,
            };
            match self.receive(wait) {
                Received::Group(group) => self.collect(group, &mut groups),
                Received::Order(order) => self.obey(order),
                Received::Nothing => {}
                Received::Closed => return,
            }
            if let Some(done) = self.stop.take() {
                self.finish(&mut groups);
                let _ = done.send(());
                return;
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
            let due = last_checkpoint.elapsed() >= self.checkpoint_interval;
            if self.log.checkpoint_due() || (due && changed && unwritten.is_none()) {
                last_checkpoint = Instant::now();
                // While one is under way, what is new waits for the next.
                changed = !self.begin_checkpoint() && self.checkpointing;
            }
        }
    }

    /// Waits by parking the thread. A timer of the runtime's would be set for each group, and each
    /// time wake the worker that keeps the timers: twice the CPU for a message that is alone.
    fn receive(&mut self, wait: Option<Duration>) -> Received {
        let until = wait.map(|wait| Instant::now() + wait);
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        loop {
            // An order to stop comes behind all groups.
            if let Poll::Ready(group) = self.inbox.poll_recv(&mut context) {
                return group.map_or(Received::Closed, Received::Group);
            }
            if let Poll::Ready(Some(order)) = self.orders.poll_recv(&mut context) {
                return Received::Order(order);
            }
            if !park(until) {
                return Received::Nothing;
            }
        }
    }

    /// Waits for an order only, and no longer than `wait`.
    fn receive_order(&mut self, wait: Duration) -> Option<ToCommitter> {
        let until = Some(Instant::now() + wait);
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(Some(order)) = self.orders.poll_recv(&mut context) {
                return Some(order);
            }
            if !park(until) {
                return None;
            }
        }
    }

    /// Takes what waits, up to as much as one sync should cover.
    fn collect(&mut self, first: Group, groups: &mut Vec<Group>) {
        let mut next = Some(first);
        while let Some(group) = next {
            self.append(&group.writes);
            groups.push(group);
            if self.log.pending_bytes() >= limits::COMMIT_BYTES {
                break;
            }
            next = self.inbox.try_recv().ok();
        }
        // Whoever waits for a checkpoint must not wait for a pause in the work.
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order);
        }
    }

    fn obey(&mut self, order: ToCommitter) {
        match order {
            ToCommitter::Checkpointed(outcome) => self.finish_checkpoint(outcome),
            ToCommitter::Move(moves) => self.move_messages(moves),
            ToCommitter::Hurry => {
                self.hurries = true;
                // A checkpoint thread that is gone waits for nothing.
                let _ = self.others.checkpoints.send(ToCheckpointer::Hurry);
            }
            ToCommitter::Stop(done) => self.stop = Some(done),
        }
    }

    /// Nothing more is written or confirmed.
    fn has_ended(&self) -> bool {
        self.gave_up || self.others.health.has_failed()
    }

    fn append(&mut self, writes: &[Write]) {
        let mut rest = writes;
        while !rest.is_empty() && !self.has_ended() {
            match self.log.append(rest) {
                Ok(taken) => {
                    rest = rest.get(taken..).unwrap_or_default();
                    if !rest.is_empty() {
                        self.flush(true);
                    }
                }
                Err(error) => self.others.health.fail(&error),
            }
        }
    }

    /// Writes everything, and makes it durable with `sync`. If there is no room, waits until there
    /// is some.
    fn flush(&mut self, sync: bool) {
        while !self.has_ended() {
            match self.log.flush(sync) {
                Ok(()) => break,
                Err(error) if error.is_full() => self.wait_for_room(&error),
                Err(error) => self.others.health.fail(&error),
            }
        }
        if self.segment != self.log.segment() || self.waits {
            self.segment = self.log.segment();
            self.waits = false;
            self.others.alarms.look_at_disk();
            self.others.alarms.set(Cause::Log, false);
        }
    }

    /// A pause before the next attempt. Checkpoints go on, because they free segments.
    fn wait_for_room(&mut self, error: &Error) {
        if self.hurries {
            warn!(%error, "what was not confirmed is given up, as the broker stops");
            self.gave_up = true;
            return;
        }
        if !self.waits {
            self.waits = true;
            self.others.alarms.set(Cause::Log, true);
            warn!(%error, "nothing is confirmed until there is room on the disk");
        }
        self.begin_checkpoint();
        if let Some(order) = self.receive_order(limits::FULL_DISK_PAUSE) {
            self.obey(order);
        }
    }

    /// Writes messages of sparse segments anew. They may as well stay where they are: what finds
    /// no room, or comes while others wait for room, is looked for again later.
    fn move_messages(&mut self, moves: Moves) {
        if self.has_ended() || self.waits || self.hurries {
            return;
        }
        match self.log.append_moves(moves) {
            Ok(()) => self.moved = true,
            Err(error) if error.is_full() => {}
            Err(error) => self.others.health.fail(&error),
        }
    }

    /// Writes and syncs, if somebody waits for it, it is `late`, or enough has come together; then
    /// lets the events go. False if something is left that is not written yet.
    fn commit(&mut self, groups: &mut Vec<Group>, late: bool) -> bool {
        let sync = late || groups.iter().any(Group::waits_for_sync);
        // A load wants to find the writes in the log, synced or not.
        let write = sync || groups.iter().any(Group::wants_to_read);
        let full = self.log.pending_bytes() >= limits::COMMIT_BYTES;
        if !write && !full {
            // Nobody waits, as with acknowledgements: they go out with the next publish.
            for Group { done: (done, number), .. } in groups.drain(..) {
                done.store(number, Ordering::Release);
            }
            return false;
        }
        self.flush(sync || full);
        let failed = self.has_ended();
        for Group { committed, loads, reads, done: (done, number), .. } in groups.drain(..) {
            if failed {
                continue;
            }
            for (load, reply) in reads {
                let _ = self.others.loader.send(Wish::Read(load, reply));
            }
            for load in loads {
                // The loader ends only when the broker does.
                let _ = self.others.loader.send(Wish::Load(load));
            }
            for (outbox, events) in committed {
                // A session that is gone needs no events.
                let _ = outbox.send(ToConnection::Events(events));
            }
            // After the events: whoever sees the number may send right behind them.
            done.store(number, Ordering::Release);
        }
        sync || full
    }

    /// True if a checkpoint has begun.
    fn begin_checkpoint(&mut self) -> bool {
        if self.checkpointing || self.others.health.has_failed() {
            return false;
        }
        let begun = match self.log.begin_checkpoint() {
            Ok(Some(delta)) => self.others.checkpoints.send(ToCheckpointer::Run(delta)).is_ok(),
            Ok(None) => false,
            Err(error) => {
                self.others.health.fail(&error);
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
        match finished {
            // A checkpoint thread that is gone clears nothing away.
            Ok(()) => drop(self.others.checkpoints.send(ToCheckpointer::Clear)),
            // It comes to this only when the broker stops; the next start replays the log.
            Err(error) if error.is_full() => warn!(%error, "no checkpoint: the disk is full"),
            Err(error) => self.others.health.fail(&error),
        }
    }

    /// Makes everything durable, and a checkpoint of it, so that the next start has nothing to
    /// replay.
    fn finish(&mut self, groups: &mut Vec<Group>) {
        while let Ok(group) = self.inbox.try_recv() {
            self.append(&group.writes);
            groups.push(group);
        }
        self.commit(groups, true);
        // One may be under way; then the last one follows it.
        for _ in 0..2 {
            let begun = self.begin_checkpoint();
            while self.checkpointing && !self.others.health.has_failed() {
                // A checkpoint thread that has panicked says so in `health` and nothing here.
                if let Some(order) = self.receive_order(limits::LAST_CHECKPOINT_LOOK) {
                    self.obey(order);
                }
            }
            if begun {
                return;
            }
        }
    }
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

/// Parks the thread until somebody wakes it, or until a point in time. False if that has passed.
fn park(until: Option<Instant>) -> bool {
    match until.map(|until| until.saturating_duration_since(Instant::now())) {
        None => thread::park(),
        Some(Duration::ZERO) => return false,
        Some(left) => thread::park_timeout(left),
    }
    true
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;
    use warren_engine::{QueueId, QueueRecord, VirtualHostId};

    use super::*;
    use crate::alarm::Alarm;
    use crate::broker::{News, Stage};

    /// A committer whose checkpoint thread is the test.
    struct Scene {
        groups: mpsc::Sender<Group>,
        orders: mpsc::UnboundedSender<ToCommitter>,
        checkpoints: threads::Receiver<ToCheckpointer>,
        health: Arc<Health>,
        thread: Option<std::thread::JoinHandle<()>>,
        _loads: threads::Receiver<Wish>,
        _folder: tempfile::TempDir,
    }

    fn scene() -> Scene {
        let (work, mut scene) = unstarted();
        scene.thread = Some(std::thread::spawn(move || work.run()));
        scene
    }

    fn unstarted() -> (Committer, Scene) {
        let folder = tempfile::tempdir().unwrap();
        let options = warren_storage::Options {
            segment_bytes: 1 << 20,
            spare_segments: 0,
            ..warren_storage::Options::default()
        };
        let log = warren_storage::open(folder.path(), options).unwrap().log;
        let health = Arc::new(Health::default());
        let news = News { stage: Stage::Running, alarm: Alarm::default() };
        let news = Arc::new(watch::channel(news).0);
        let (groups, inbox) = mpsc::channel(1);
        let (orders, ordered) = mpsc::unbounded_channel();
        let (to_checkpoints, checkpoints) = threads::channel();
        let (loader, loads) = threads::channel();
        let others = Others {
            checkpoints: to_checkpoints,
            loader,
            health: Arc::clone(&health),
            alarms: Arc::new(Alarms::new(news, log.room(), 0, 0)),
        };
        let work = Committer::new(log, inbox, ordered, others, Duration::from_millis(1));
        let (thread, _loads, _folder) = (None, loads, folder);
        (work, Scene { groups, orders, checkpoints, health, thread, _loads, _folder })
    }

    fn group() -> Group {
        let record = QueueRecord {
            id: QueueId::new(VirtualHostId(1), 1),
            name: "q".to_owned(),
            durable: true,
            auto_delete: false,
            paused: false,
            exclusive: false,
            arguments: warren_amqp::FieldTable::default(),
        };
        let writes = vec![Write::QueueDeclared(record)];
        Group { writes, ..Group::default() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_ends_when_the_checkpoint_thread_has_failed() {
        let scene = scene();
        scene.groups.send(group()).await.unwrap();
        let (done, stopped) = oneshot::channel();
        scene.orders.send(ToCommitter::Stop(done)).unwrap();
        // The checkpoint has begun; the thread panics and never answers.
        let order = tokio::task::block_in_place(|| {
            scene.checkpoints.recv_timeout(Duration::from_secs(20)).unwrap()
        });
        assert!(matches!(order, ToCheckpointer::Run(_)), "{order:?}");
        scene.health.fail("the thread checkpoint has failed");
        tokio::time::timeout(Duration::from_secs(20), stopped).await.unwrap().unwrap();
        scene.thread.unwrap().join().unwrap();
    }

    #[test]
    fn the_wait_ends_with_work_or_an_order_or_after_its_time_or_with_the_last_sender() {
        let (mut committer, scene) = unstarted();
        committer.waker = Waker::from(Arc::new(Unpark(thread::current())));
        assert!(matches!(committer.receive(Some(Duration::from_millis(1))), Received::Nothing));
        // Far longer than it takes, so that a wake-up that is missed fails instead of hanging.
        let long = Some(Duration::from_secs(60));
        let (groups, orders) = (scene.groups, scene.orders);
        let other = thread::spawn(move || groups.blocking_send(group()).ok().map(|()| groups));
        assert!(matches!(committer.receive(long), Received::Group(_)));
        let groups = other.join().unwrap().unwrap();
        let other = thread::spawn(move || orders.send(ToCommitter::Hurry).map(|()| orders));
        assert!(matches!(committer.receive(long), Received::Order(ToCommitter::Hurry)));
        let _orders = other.join().unwrap().unwrap();
        assert!(committer.receive_order(Duration::from_millis(1)).is_none());
        drop(groups);
        assert!(matches!(committer.receive(long), Received::Closed));
    }
}

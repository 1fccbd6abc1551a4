//! The observer: a thread that looks at all shards once a second, and when somebody asks.
//!
//! A look is made of steps: a shard shows a bounded part of what has changed, between two batches of
//! its work, and is asked for the next part when that one is noted. So no shard ever pauses for
//! long, and a look at a broker with a hundred thousand busy queues is spread over its time.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc as tasks, oneshot};
use warren_engine::{Milliseconds, Observation, VirtualHostId};
use warren_storage::Room;

use super::state::{NodeNumbers, State};
use super::{Shared, View};
use crate::census::Census;
use crate::shard::ToShard;
use crate::{clock, limits, memory};

/// What the observer can be told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Have a look and tell when that is done.
    Look(oneshot::Sender<()>),
    /// End.
    Stop,
}

/// A shard is asked what has changed.
#[derive(Debug)]
pub(crate) struct Look {
    /// The look's number: what changes after the first question with it is not for it.
    pub(crate) number: u64,
    /// To be filled.
    pub(crate) seen: Seen,
    pub(crate) reply: mpsc::Sender<Seen>,
}

/// What a shard shows.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Its virtual hosts.
    pub(crate) hosts: Vec<(VirtualHostId, Arc<str>)>,
    /// What has changed in them.
    pub(crate) changed: Vec<(VirtualHostId, Observation)>,
    /// There is more for this look.
    pub(crate) has_more: bool,
}

/// Tells which shards there are.
type Shards = Box<dyn Fn() -> Vec<tasks::Sender<ToShard>> + Send>;

/// A shard, and how far it has come with its answer.
#[derive(Debug)]
struct Asked {
    shard: tasks::Sender<ToShard>,
    replies: mpsc::Receiver<Seen>,
    reply: mpsc::Sender<Seen>,
    /// The look that it was last asked for.
    look: u64,
    /// A question is on its way.
    is_waiting: bool,
    /// Its virtual hosts, as it last told them.
    hosts: Vec<(VirtualHostId, Arc<str>)>,
}

pub(crate) struct Observer {
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    shards: Shards,
    census: Arc<Census>,
    room: Room,
    asked: Vec<Asked>,
    looks: u64,
    /// Connections that came and went when they were last listed.
    churn: Option<(u64, u64)>,
    /// Objects that the last look brought.
    items: usize,
    started: (Milliseconds, Instant),
    node: NodeNumbers,
    next_sample: Milliseconds,
}

impl Observer {
    pub(crate) fn new(census: Arc<Census>, room: Room, shards: Shards) -> (Self, View) {
        let shared = Arc::new(Shared::default());
        let (sender, orders) = mpsc::channel();
        let view = View { shared: Arc::clone(&shared), orders: sender };
        let started = (clock::now(), Instant::now());
        let observer = Self {
            shared,
            orders,
            shards,
            census,
            room,
            asked: vec![],
            looks: 0,
            churn: None,
            items: 0,
            started,
            node: NodeNumbers::default(),
            next_sample: 0,
        };
        (observer, view)
    }

    /// The time of day. It does not go back when the system's clock is set back.
    fn now(&self) -> Milliseconds {
        let (then, at) = self.started;
        let elapsed = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        then.saturating_add(elapsed).max(clock::now())
    }

    pub(crate) fn run(mut self) {
        loop {
            let wait = Duration::from_millis(self.next_sample.saturating_sub(self.now()));
            let mut asking = vec![];
            match self.orders.recv_timeout(wait) {
                Ok(Order::Look(done)) => asking.push(done),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            while let Ok(order) = self.orders.try_recv() {
                match order {
                    Order::Look(done) => asking.push(done),
                    Order::Stop => return,
                }
            }
            let now = self.now();
            let is_sample = now >= self.next_sample;
            if is_sample {
                let steps = now / limits::SAMPLE_MS + 1;
                self.next_sample = steps * limits::SAMPLE_MS;
            }
            if is_sample || self.items <= limits::LOOK_SOON {
                self.look(now, is_sample);
            }
            for done in asking {
                // Whoever asked may be gone.
                let _ = done.send(());
            }
        }
    }

    fn state(&self) -> RwLockWriteGuard<'_, State> {
        self.shared.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&mut self, now: Milliseconds, is_sample: bool) {
        self.looks += 1;
        self.items = 0;
        self.state().begin(now, is_sample);
        self.follow_shards();
        let until = Instant::now() + limits::LOOK_PATIENCE;
        let mut asked = std::mem::take(&mut self.asked);
        for shard in &mut asked {
            while self.step(shard, until) {}
        }
        let hosts: Vec<_> = asked.iter().flat_map(|shard| shard.hosts.iter().cloned()).collect();
        self.asked = asked;
        let churn = self.census.churn();
        let connections = (self.churn != Some(churn)).then(|| self.census.connections());
        self.churn = Some(churn);
        (self.node.connections_opened, self.node.connections_closed) = churn;
        if is_sample {
            self.node.memory_used = memory::resident_bytes().unwrap_or_default();
            self.node.files_used = memory::open_files().unwrap_or_default();
            self.node.disk_free = self.room.free_bytes().ok().flatten().unwrap_or_default();
        }
        let node = self.node;
        let mut state = self.state();
        // Those of shards that do not answer are there as before.
        state.set_hosts(&hosts);
        if let Some(connections) = connections {
            state.set_connections(&connections);
        }
        state.finish(node);
        let overview = Arc::new(state.overview().clone());
        drop(state);
        let mut shown = self.shared.overview.write().unwrap_or_else(PoisonError::into_inner);
        *shown = overview;
    }

    /// Knows the shards that there are.
    fn follow_shards(&mut self) {
        let shards = (self.shards)();
        let is_there = |asked: &Asked| shards.iter().any(|it| it.same_channel(&asked.shard));
        self.asked.retain(is_there);
        for shard in shards {
            if self.asked.iter().all(|asked| !asked.shard.same_channel(&shard)) {
                let (reply, replies) = mpsc::channel();
                let (look, is_waiting, hosts) = (0, false, vec![]);
                self.asked.push(Asked { shard, replies, reply, look, is_waiting, hosts });
            }
        }
    }

    /// Asks a shard, or takes its answer. False if there is no more to be had for this look.
    fn step(&mut self, asked: &mut Asked, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if !asked.is_waiting {
            return self.ask(asked, Seen::default(), left);
        }
        let Ok(mut seen) = asked.replies.recv_timeout(left) else { return false };
        asked.is_waiting = false;
        asked.hosts = std::mem::take(&mut seen.hosts);
        let census = Arc::clone(&self.census);
        let find = |session| census.connection(session);
        self.items += seen.changed.iter().map(|(_, shown)| shown.len()).sum::<usize>();
        let mut state = self.state();
        state.add_hosts(&asked.hosts);
        for (id, shown) in &mut seen.changed {
            state.apply(*id, shown, &find);
        }
        drop(state);
        // An answer that came too late for its look is followed by a question for this one.
        let is_late = asked.look != self.looks;
        (is_late || seen.has_more) && self.ask(asked, seen, left)
    }

    /// Asks a shard. False if it takes no questions for now.
    fn ask(&self, asked: &mut Asked, seen: Seen, left: Duration) -> bool {
        let until = Instant::now() + left;
        let look = Look { number: self.looks, seen, reply: asked.reply.clone() };
        let mut message = ToShard::Observe(look);
        loop {
            match asked.shard.try_send(message) {
                Ok(()) => {
                    (asked.look, asked.is_waiting) = (self.looks, true);
                    return true;
                }
                Err(TrySendError::Full(back)) if Instant::now() < until => {
                    message = back;
                    std::thread::sleep(limits::LOOK_PAUSE);
                }
                Err(TrySendError::Full(_) | TrySendError::Closed(_)) => return false,
            }
        }
    }
}

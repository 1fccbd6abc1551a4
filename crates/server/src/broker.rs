//! The broker as a whole: opened, listening, stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as threads;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};
use warren_amqp::{Millis, ReplyCode, Settings};
use warren_engine::{SessionId, VirtualHostId};
use warren_storage::{Opened, Room};

use crate::alarm::{Alarm, Alarms};
use crate::attempts::Attempts;
use crate::audit::Audit;
use crate::catalog::password::Passwords;
use crate::catalog::{self, Catalog, Live, Start, State};
use crate::census::{Caps, Census};
use crate::checkpoints::Checkpoints;
use crate::committer::{Committer, Others, ToCommitter};
use crate::config::Config;
use crate::error::Error;
use crate::greeting::Greeting;
use crate::groups::Groups;
use crate::health::Health;
use crate::hosts::least;
use crate::listener::{Listener, listen};
use crate::management::Management;
use crate::oauth::Tokens;
use crate::shard::ToShard;
use crate::starting::{self, thread, thread_apart};
use crate::status::Status;
use crate::view::{Observer, View};
use crate::{limits, loader, memory};

/// What connections are told of the broker's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    /// Close, with this code and text.
    Stopping(ReplyCode, &'static str),
    /// Go, without waiting for the peer.
    Stopped,
}

/// What connections are told, whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) stage: Stage,
    pub(crate) alarm: Alarm,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    greeting: Greeting,
    pub(crate) census: Arc<Census>,
    pub(crate) catalog: Catalog,
    /// Checks tokens, if there are any that could be good.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) attempts: Attempts,
    started: Instant,
    last_session: AtomicU64,
    pub(crate) audit: Audit,
    shards: Vec<mpsc::Sender<ToShard>>,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        state: State,
        live: Live,
        audit: Audit,
    ) -> Result<Self, Error> {
        let (census, shards) = (Arc::clone(&live.census), live.shards.clone());
        let passwords = Passwords::new(config.password_hashing)?;
        Ok(Self {
            catalog: Catalog::new(state, passwords, live, audit.clone()),
            tokens: config.oauth.clone().map(Tokens::new),
            attempts: Attempts::new(config.count_logins_by_source),
            greeting: Greeting::new(&config),
            census,
            audit,
            config,
            started: Instant::now(),
            last_session: AtomicU64::new(0),
            shards,
        })
    }

    pub(crate) fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    /// What a client that connects is told.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.greeting.settings(&self.config, &self.catalog.snapshot())
    }

    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A virtual host, and the shard that it is on.
    pub(crate) fn virtual_host(
        &self,
        name: &str,
    ) -> Option<(VirtualHostId, mpsc::Sender<ToShard>)> {
        let snapshot = self.catalog.snapshot();
        let id = VirtualHostId(snapshot.virtual_host(name)?.id);
        let shard = catalog::shard_of(&self.shards, id)?;
        Some((id, shard.clone()))
    }
}

impl Shared {
    /// How many connections there may be in a virtual host, and of a user of the catalog.
    pub(crate) fn caps(&self, virtual_host: &str, user: Option<&str>) -> Caps {
        let snapshot = self.catalog.snapshot();
        let host = snapshot.virtual_host(virtual_host);
        let user = user.and_then(|user| snapshot.user(user));
        let configured = self.config.limits.connections_per_virtual_host;
        Caps {
            virtual_host: least(configured, host.and_then(|host| host.limits.max_connections)),
            user: least(None, user.and_then(|user| user.limits.max_connections)),
        }
    }

    /// How many channels a user of the catalog may have.
    pub(crate) fn channel_cap(&self, user: &str) -> Option<usize> {
        let snapshot = self.catalog.snapshot();
        least(None, snapshot.user(user)?.limits.max_channels)
    }
}

#[cfg(test)]
impl Shared {
    /// What a new broker has, without a store.
    pub(crate) fn for_tests(shards: &[mpsc::Sender<ToShard>]) -> Self {
        let config = Config::for_tests();
        let start = Start::new(&config, &warren_engine::Recovered::default()).unwrap();
        let census = Census::new(config.limits);
        let live = Live::new(&config, &census, shards, &Groups::new().0);
        let (audit, _) = Audit::new(&config.data_dir);
        Self::new(config, start.state, live, audit).unwrap()
    }
}

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    health: Arc<Health>,
    room: Room,
    view: View,
    news: Arc<watch::Sender<News>>,
    /// Looks at disk and memory.
    watch: AbortOnDrop,
    listener: Listener,
    shards: Vec<mpsc::Sender<ToShard>>,
    committer: mpsc::UnboundedSender<ToCommitter>,
    /// The committer ends when nobody can give it work any more. While a stop is under way that
    /// must not be: an order that is sent just then would be neither carried out nor answered.
    groups: Groups,
    threads: Vec<JoinHandle<()>>,
}

impl Broker {
    /// Opens the data folder, takes the port and begins to serve.
    ///
    /// # Errors
    ///
    /// Everything that keeps the broker from starting, in words for the person who starts it.
    pub async fn start(config: Config) -> Result<Self, Error> {
        Self::start_with(config, async |_| Ok(())).await
    }

    /// Starts and lets the caller change what there is before a client may connect.
    ///
    /// # Errors
    ///
    /// Those of [`Broker::start`], and [`Error::NotPrepared`] with the caller's reason.
    pub async fn start_with(
        config: Config,
        prepare: impl AsyncFnOnce(Management) -> Result<(), String>,
    ) -> Result<Self, Error> {
        let (socket, amqp_address) = listen(config.amqp_listen)?;
        let Opened { log, checkpointer, reader, recovered, .. } = starting::open(&config).await?;

        let health = Arc::new(Health::default());
        let news = News { stage: Stage::Running, alarm: Alarm::default() };
        let (news, heard) = watch::channel(news);
        let news = Arc::new(news);
        let memory_limit = config.memory_limit.unwrap_or_else(memory::default_limit);
        let (room, disk_limit) = (log.room(), config.disk_free_limit);
        let alarms =
            Arc::new(Alarms::new(Arc::clone(&news), room.clone(), disk_limit, memory_limit));
        alarms.look();
        let (groups, committer_inbox) = Groups::new();
        let (committer, committer_orders) = mpsc::unbounded_channel();
        let (checkpoints, checkpoint_orders) = threads::channel();
        let (loads, wishes) = threads::channel();
        let start = Start::new(&config, &recovered)?;
        let shards = starting::shards(&config, &start, recovered, &groups, &health)?;

        let others = Others {
            checkpoints,
            loader: loads,
            health: Arc::clone(&health),
            alarms: Arc::clone(&alarms),
        };
        let interval = config.checkpoint_interval;
        let commits = Committer::new(log, committer_inbox, committer_orders, others, interval);
        let checkpoints = Checkpoints {
            checkpointer,
            orders: checkpoint_orders,
            committer: committer.clone(),
            alarms: Arc::clone(&alarms),
            hurries: false,
        };
        let (loaded, failing) = (shards.clone(), Arc::clone(&health));
        let (audit, keeper) = Audit::new(&config.data_dir);
        let census = Census::new(config.limits);
        let all = shards.clone();
        let (observer, view) =
            Observer::new(Arc::clone(&census), room.clone(), Box::new(move || all.clone()));
        let threads = vec![
            thread("committer", &health, move || commits.run())?,
            thread("checkpoint", &health, move || checkpoints.run())?,
            thread("loader", &health, move || loader::run(&reader, &wishes, &loaded, &failing))?,
            thread_apart("observer", move || observer.run())?,
        ];
        // It ends with the last handle to it, whoever has that.
        drop(thread_apart("audit", move || keeper.run())?);
        let live = Live::new(&config, &census, &shards, &groups);
        live.keep(start.writes).await?;
        let shared = Arc::new(Shared::new(config, start.state, live, audit)?);
        let status = status(&shared, &health, &news, &room, &shards);
        let catalog = shared.catalog.clone();
        let management = Management::new(status, catalog, view.clone(), amqp_address);
        prepare(management).await.map_err(Error::NotPrepared)?;
        let listener = Listener::start(socket, amqp_address, Arc::clone(&shared), heard)?;
        info!(address = %amqp_address, "listening for AMQP");
        let watch = AbortOnDrop(tokio::spawn(alarms.watch()));
        Ok(Self {
            shared,
            health,
            room,
            view,
            news,
            watch,
            listener,
            shards,
            committer,
            groups,
            threads,
        })
    }

    /// The address that AMQP clients connect to, with the port that was really taken.
    #[must_use]
    pub fn amqp_address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Whether the broker can keep its promises.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// A mirror of all that there is, for those who look at it.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// A handle for those who look at the broker.
    #[must_use]
    pub fn status(&self) -> Status {
        status(&self.shared, &self.health, &self.news, &self.room, &self.shards)
    }

    /// A handle for those who ask and change.
    #[must_use]
    pub fn management(&self) -> Management {
        let catalog = self.shared.catalog.clone();
        Management::new(self.status(), catalog, self.view(), self.amqp_address())
    }

    fn tell(&self, stage: Stage) {
        self.news.send_modify(|news| news.stage = stage);
    }

    /// Stops: clients are told and given a moment to confirm, everything is made durable, and a
    /// last checkpoint leaves nothing to replay.
    pub async fn stop(self) {
        info!("stopping");
        let (code, text) = if self.health.has_failed() {
            (ReplyCode::InternalError, "the broker has failed and stops")
        } else {
            (ReplyCode::ConnectionForced, "broker forced connection closure with reason 'shutdown'")
        };
        // On a full disk nothing that waits for it may keep the broker from stopping. A committer
        // that has failed is told of in `health`.
        let _ = self.committer.send(ToCommitter::Hurry);
        self.tell(Stage::Stopping(code, text));
        if !self.listener.stopped_within(limits::STOP_GRACE).await {
            warn!("some clients have not confirmed that their connections are closed");
            self.tell(Stage::Stopped);
            self.listener.stopped_within(limits::STOP_GRACE).await;
        }
        self.view.stop();
        for shard in &self.shards {
            let (done, wait) = oneshot::channel();
            if shard.send(ToShard::Stop(done)).await.is_ok() {
                let _ = wait.await;
            }
        }
        let (done, wait) = oneshot::channel();
        if self.committer.send(ToCommitter::Stop(done)).is_ok() {
            let _ = wait.await;
        }
        self.shared.audit.written().await;
        drop((self.shards, self.committer, self.groups, self.shared, self.watch));
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| {
                // A thread that panicked has said so itself.
                let _ = thread.join();
            });
        });
        let _ = joined.await;
        info!("stopped");
    }
}

fn status(
    shared: &Arc<Shared>,
    health: &Arc<Health>,
    news: &watch::Sender<News>,
    room: &Room,
    shards: &[mpsc::Sender<ToShard>],
) -> Status {
    Status {
        shared: Arc::clone(shared),
        health: Arc::clone(health),
        news: news.subscribe(),
        room: room.clone(),
        shards: shards.to_vec(),
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_is_always_answered() {
        for _ in 0..100 {
            let folder = tempfile::tempdir().unwrap();
            let mut config = Config::for_tests();
            config.data_dir = folder.path().join("data");
            config.storage.segment_bytes = 64 << 10;
            config.storage.spare_segments = 0;
            config.storage.reserve_bytes = 0;
            let broker = Broker::start(config).await.unwrap();
            tokio::time::timeout(std::time::Duration::from_secs(20), broker.stop()).await.unwrap();
        }
    }
}

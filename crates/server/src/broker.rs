//! The broker as a whole: opened, listening, stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as threads;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};
use warren_amqp::{FieldTable, FieldValue, Millis, ReplyCode, Settings};
use warren_engine::{Bounds, SessionId, Summary, VirtualHost, VirtualHostId};
use warren_storage::{Opened, Options as StorageOptions, Report, Room};

use crate::alarm::{Alarm, Alarms};
use crate::attempts::Attempts;
use crate::catalog::Catalog;
use crate::census::{Census, ConnectionInfo};
use crate::checkpoints::Checkpoints;
use crate::committer::{Committer, Group, Others, ToCommitter};
use crate::config::{self, Config};
use crate::error::Error;
use crate::health::Health;
use crate::listener::{Listener, listen};
use crate::management::Management;
use crate::oauth::Tokens;
use crate::shard::{Shard, ToShard};
use crate::view::{Observer, View};
use crate::{limits, loader, memory, names};

/// The virtual host that every broker has.
const FIRST_VIRTUAL_HOST: (VirtualHostId, &str) = (VirtualHostId(1), "/");

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
    pub(crate) settings: Arc<Settings>,
    pub(crate) census: Arc<Census>,
    pub(crate) catalog: Catalog,
    /// Checks tokens, if there are any that could be good.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) attempts: Attempts,
    started: Instant,
    last_session: AtomicU64,
    virtual_hosts: FxHashMap<String, (VirtualHostId, mpsc::Sender<ToShard>)>,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        catalog: Catalog,
        virtual_hosts: FxHashMap<String, (VirtualHostId, mpsc::Sender<ToShard>)>,
    ) -> Self {
        Self {
            catalog,
            tokens: config.oauth.clone().map(Tokens::new),
            attempts: Attempts::new(config.count_logins_by_source),
            settings: Arc::new(settings(&config)),
            census: Census::new(config.limits),
            config,
            started: Instant::now(),
            last_session: AtomicU64::new(0),
            virtual_hosts,
        }
    }

    pub(crate) fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn virtual_host(
        &self,
        name: &str,
    ) -> Option<(VirtualHostId, mpsc::Sender<ToShard>)> {
        self.virtual_hosts.get(name).cloned()
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
    groups: mpsc::Sender<Group>,
    threads: Vec<JoinHandle<()>>,
}

impl Broker {
    /// Opens the data folder, takes the port and begins to serve.
    ///
    /// # Errors
    ///
    /// Everything that keeps the broker from starting, in words for the person who starts it.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let (socket, amqp_address) = listen(config.amqp_listen)?;
        let directory = config.data_dir.clone();
        let options = StorageOptions { log_key: names::random_number()?, ..config.storage.clone() };
        let opening =
            tokio::task::spawn_blocking(move || warren_storage::open(&directory, options));
        let opened = opening.await.map_err(|error| Error::Thread(error.into()))??;
        tell(&opened.report);
        let Opened { log, checkpointer, reader, recovered, .. } = opened;

        let health = Arc::new(Health::default());
        let news = News { stage: Stage::Running, alarm: Alarm::default() };
        let (news, heard) = watch::channel(news);
        let news = Arc::new(news);
        let memory_limit = config.memory_limit.unwrap_or_else(memory::default_limit);
        let (room, disk_limit) = (log.room(), config.disk_free_limit);
        let alarms =
            Arc::new(Alarms::new(Arc::clone(&news), room.clone(), disk_limit, memory_limit));
        alarms.look();
        let (groups, committer_inbox) = mpsc::channel(limits::COMMITTER_INBOX);
        let (committer, committer_orders) = mpsc::unbounded_channel();
        let (checkpoints, checkpoint_orders) = threads::channel();
        let (loads, wishes) = threads::channel();
        let (id, name) = FIRST_VIRTUAL_HOST;
        let mut host = VirtualHost::recover(id, name, &recovered);
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        host.set_consumer_timeout(config.consumer_timeout.map(milliseconds));
        host.set_seed(names::random_number().map_err(Error::Random)?);
        host.set_bounds(bounds(&config));
        drop(recovered);
        let (shard, shard_inbox) = mpsc::channel(limits::SHARD_INBOX);
        let work = Shard::new(vec![(id, host)], shard_inbox, groups.clone()).run();
        tokio::spawn(watch_over("an engine shard", tokio::spawn(work), Arc::clone(&health)));

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
        let (shards_by_host, failing) =
            (FxHashMap::from_iter([(id, shard.clone())]), Arc::clone(&health));
        let mut threads = vec![
            thread("committer", &health, move || commits.run())?,
            thread("checkpoint", &health, move || checkpoints.run())?,
            thread("loader", &health, move || {
                loader::run(&reader, &wishes, &shards_by_host, &failing)
            })?,
        ];

        let hosts = [(name.to_owned(), (id, shard.clone()))];
        let catalog = Catalog::start(&config)?;
        let shared = Arc::new(Shared::new(config, catalog, FxHashMap::from_iter(hosts)));
        let observed = vec![shard.clone()];
        let census = Arc::clone(&shared.census);
        let (observer, view) =
            Observer::new(census, room.clone(), Box::new(move || observed.clone()));
        threads.push(thread_apart("observer", move || observer.run())?);
        let listener = Listener::start(socket, amqp_address, Arc::clone(&shared), heard)?;
        info!(address = %amqp_address, "listening for AMQP");
        let watch = AbortOnDrop(tokio::spawn(alarms.watch()));
        let shards = vec![shard];
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
        Status {
            shared: Arc::clone(&self.shared),
            health: Arc::clone(&self.health),
            news: self.news.subscribe(),
            room: self.room.clone(),
            shards: self.shards.clone(),
        }
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

/// What there is to know about a running broker.
#[derive(Debug, Clone)]
pub struct Status {
    pub(crate) shared: Arc<Shared>,
    health: Arc<Health>,
    news: watch::Receiver<News>,
    room: Room,
    shards: Vec<mpsc::Sender<ToShard>>,
}

impl Status {
    /// Free space of the data folder's disk, in bytes, if it is known.
    #[must_use]
    pub fn disk_free(&self) -> Option<u64> {
        self.room.free_bytes().ok().flatten()
    }

    /// Seconds since the start.
    #[must_use]
    pub fn uptime_seconds(&self) -> u64 {
        self.shared.started.elapsed().as_secs()
    }

    /// Why the broker failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.health.failure().map(str::to_owned)
    }

    /// Which alarms are on.
    #[must_use]
    pub fn alarm(&self) -> Alarm {
        self.news.borrow().alarm
    }

    /// All open connections, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<ConnectionInfo>> {
        self.shared.census.connections()
    }

    /// Counts for each virtual host, by name.
    pub async fn summary(&self) -> Vec<HostCounts> {
        let mut all = vec![];
        for shard in &self.shards {
            let (reply, wait) = oneshot::channel();
            if shard.send(ToShard::Summary(reply)).await.is_ok() {
                all.extend(wait.await.unwrap_or_default());
            }
        }
        all
    }
}

/// What is counted of a virtual host.
#[derive(Debug)]
pub struct HostCounts {
    /// Its name.
    pub name: String,
    /// What there is.
    pub summary: Summary,
    /// Arguments that were accepted and have no effect, each with how often it was sent.
    pub without_effect: Vec<(&'static str, u64)>,
}

impl HostCounts {
    pub(crate) fn of(host: &VirtualHost) -> Self {
        let without_effect = host.arguments_without_effect().collect();
        Self { name: host.name().to_owned(), summary: host.summary(), without_effect }
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

/// Everything depends on a shard: if it panics, the broker must not go on as if it were there.
async fn watch_over(what: &str, task: tokio::task::JoinHandle<()>, health: Arc<Health>) {
    if let Err(error) = task.await {
        health.fail(&format!("{what} has failed: {error}"));
    }
}

/// Starts a thread on which everything depends.
fn thread(
    name: &'static str,
    health: &Arc<Health>,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    /// Tells when the thread ends by a panic.
    struct Watch(&'static str, Arc<Health>);
    impl Drop for Watch {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.1.fail(&format!("the thread {} has failed", self.0));
            }
        }
    }
    let watch = Watch(name, Arc::clone(health));
    let builder = std::thread::Builder::new().name(name.to_owned());
    let work = move || {
        let _watch = watch;
        work();
    };
    builder.spawn(work).map_err(Error::Thread)
}

/// Starts a thread on which nothing else depends.
fn thread_apart(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    struct Watch(&'static str);
    impl Drop for Watch {
        fn drop(&mut self) {
            if std::thread::panicking() {
                error!(thread = self.0, "a thread has failed; the broker goes on without it");
            }
        }
    }
    let work = move || {
        let _watch = Watch(name);
        work();
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(Error::Thread)
}

fn tell(report: &Report) {
    for damage in &report.damaged {
        let file = damage.file.display();
        warn!(%file, offset = damage.offset, reason = damage.message, "damaged data");
    }
    info!(
        replayed_records = report.replayed_records,
        replayed_bytes = report.replayed_bytes,
        cut_tail_bytes = report.cut_tail_bytes,
        "message log opened"
    );
}

fn bounds(config: &Config) -> Bounds {
    let config::Limits { queues_per_virtual_host, consumers_per_channel, .. } = config.limits;
    let by_default = Bounds::default().consumers_per_channel;
    Bounds {
        queues: queues_per_virtual_host,
        consumers_per_channel: consumers_per_channel.unwrap_or(by_default),
    }
}

/// What the broker tells its clients about itself. Clients choose by product and version how they
/// behave (Celery its prefetch rule, Spring its features), so the two are those of the RabbitMQ
/// whose behaviour this is; who it really is stands beside them.
fn settings(config: &Config) -> Settings {
    let text = |value: &str| FieldValue::LongString(value.into());
    let capabilities = [
        ("authentication_failure_close", true),
        ("basic.nack", true),
        ("connection.blocked", true),
        ("consumer_cancel_notify", true),
        ("consumer_priorities", true),
        ("direct_reply_to", true),
        ("exchange_exchange_bindings", true),
        ("per_consumer_qos", true),
        ("publisher_confirms", true),
    ];
    let mut table = FieldTable::default();
    for (name, value) in capabilities {
        table.insert(name.into(), FieldValue::Boolean(value));
    }
    let mut properties = FieldTable::default();
    properties.insert("capabilities".into(), FieldValue::FieldTable(table));
    let version = env!("CARGO_PKG_VERSION");
    let mechanisms: Vec<_> = config.auth_mechanisms.iter().map(|one| one.name()).collect();
    for (name, value) in [
        ("product", config.identity.product.as_str()),
        ("version", &config.identity.version),
        ("platform", &format!("Warren {version}")),
        ("information", &format!("Warren {version}, licensed under MIT or Apache-2.0")),
        ("cluster_name", &config.identity.cluster_name),
        ("copyright", "The Warren authors"),
    ] {
        properties.insert(name.into(), text(value));
    }
    Settings {
        server_properties: properties,
        mechanisms: mechanisms.join(" "),
        channel_max: config.channel_max,
        frame_max: config.frame_max,
        heartbeat_seconds: config.heartbeat_seconds,
        message_bytes_max: config.message_bytes_max,
        handshake_millis: config.handshake_timeout.as_millis() as Millis,
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

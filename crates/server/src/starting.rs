//! The parts of a start: shards with their virtual hosts, threads, and what is told of the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tracing::{error, info, warn};
use warren_engine::{Recovered, VirtualHost, VirtualHostId};
use warren_storage::{Opened, Options as StorageOptions, Report};

use crate::catalog::{self, Start};
use crate::config::Config;
use crate::error::Error;
use crate::groups::Groups;
use crate::health::Health;
use crate::hosts::{Budget, HostSettings};
use crate::shard::{Shard, ToShard};
use crate::{limits, names};

/// Starts the shards, with all virtual hosts that there are.
pub(crate) fn shards(
    config: &Config,
    start: &Start,
    recovered: Recovered,
    groups: &Groups,
    health: &Arc<Health>,
) -> Result<Vec<mpsc::Sender<ToShard>>, Error> {
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(limits::SHARDS);
    let mut parts = by_host(recovered);
    let mut hosts: Vec<Vec<VirtualHost>> = (0..count).map(|_| vec![]).collect();
    let mut ending: Vec<VecDeque<_>> = (0..count).map(|_| VecDeque::new()).collect();
    for definition in start.state.virtual_hosts() {
        let id = VirtualHostId(definition.id);
        let part = parts.remove(&id).unwrap_or_default();
        let mut host = VirtualHost::recover(id, &definition.name, &part);
        HostSettings::of(config, definition).apply_to(&mut host);
        host.set_seed(names::random_number()?);
        host.set_policies(catalog::policies_of(&start.state, &definition.name));
        if let Some(hosts) = hosts.get_mut(id.0 as usize % count) {
            hosts.push(host);
        }
    }
    for id in &start.ending {
        let part = parts.remove(id).unwrap_or_default();
        let host = VirtualHost::recover(*id, "", &part).end();
        if let Some(ending) = ending.get_mut(id.0 as usize % count) {
            ending.push_back(host);
        }
    }
    let budget: Arc<Budget> = Arc::default();
    let shards = hosts.into_iter().zip(ending).map(|(hosts, ending)| {
        let (shard, inbox) = mpsc::channel(limits::SHARD_INBOX);
        let work = Shard::new(hosts, ending, Arc::clone(&budget), inbox, groups.clone()).run();
        tokio::spawn(watch_over("an engine shard", tokio::spawn(work), Arc::clone(health)));
        shard
    });
    Ok(shards.collect())
}

/// What was recovered, for each virtual host.
fn by_host(recovered: Recovered) -> FxHashMap<VirtualHostId, Recovered> {
    let mut parts: FxHashMap<VirtualHostId, Recovered> = FxHashMap::default();
    for (id, exchange) in recovered.exchanges {
        parts.entry(id).or_default().exchanges.push((id, exchange));
    }
    for queue in recovered.queues {
        parts.entry(queue.record.id.virtual_host()).or_default().queues.push(queue);
    }
    for (id, binding) in recovered.bindings {
        parts.entry(id).or_default().bindings.push((id, binding));
    }
    parts
}

/// Everything depends on a shard: if it panics, the broker must not go on as if it were there.
async fn watch_over(what: &str, task: tokio::task::JoinHandle<()>, health: Arc<Health>) {
    if let Err(error) = task.await {
        health.fail(&format!("{what} has failed: {error}"));
    }
}

/// Starts a thread on which everything depends.
pub(crate) fn thread(
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
pub(crate) fn thread_apart(
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

/// Opens the data folder.
pub(crate) async fn open(config: &Config) -> Result<Opened, Error> {
    let directory = config.data_dir.clone();
    let options = StorageOptions { log_key: names::random_number()?, ..config.storage.clone() };
    let opening = tokio::task::spawn_blocking(move || warren_storage::open(&directory, options));
    let opened = opening.await.map_err(|error| Error::Thread(error.into()))??;
    tell(&opened.report);
    Ok(opened)
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

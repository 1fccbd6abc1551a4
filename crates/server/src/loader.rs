//! The loader: one thread that reads contents of waiting messages back from disk, so that neither
//! the shards nor the connections wait for it.

use std::sync::Arc;
use std::sync::mpsc as threads;

use tokio::sync::{mpsc, oneshot};
use tracing::error;
use warren_engine::{Command, Load};
use warren_storage::{Damage, DamagedMessage, Error, Loaded, Reader};

use crate::catalog::shard_of;
use crate::health::Health;
use crate::limits;
use crate::shard::ToShard;

/// What is to be read.
#[derive(Debug)]
pub(crate) enum Wish {
    /// For a queue, whose shard gets the answer.
    Load(Load),
    /// For somebody who looks.
    Read(Load, oneshot::Sender<Loaded>),
}

/// Answers wishes until the shards are gone.
pub(crate) fn run(
    reader: &Reader,
    wishes: &threads::Receiver<Wish>,
    shards: &[mpsc::Sender<ToShard>],
    health: &Arc<Health>,
) {
    while let Ok(wish) = wishes.recv() {
        let load = match wish {
            Wish::Load(load) => load,
            Wish::Read(load, reply) => {
                read(reader, &load, reply, health);
                continue;
            }
        };
        let host = load.queue.virtual_host();
        let Some(shard) = shard_of(shards, host) else { continue };
        match load_when_there_is_room(reader, &load, shard) {
            Ok(Loaded { messages, damaged, damaged_rows, returns, through }) => {
                for DamagedMessage { sequence, reason, .. } in &damaged {
                    error!(queue.id = load.queue.0, sequence, reason, "a message is damaged");
                }
                for Damage { file, message, .. } in &damaged_rows {
                    error!(file = %file.display(), reason = message, "messages are lost");
                }
                let damaged = damaged.iter().map(|one| (one.sequence, one.body_bytes)).collect();
                let command = Command::Loaded { load, through, messages, damaged, returns };
                if shard.blocking_send(ToShard::Loaded(host, command)).is_err() {
                    return;
                }
            }
            // Nobody is left to be answered.
            Err(error) if error.is_full() => {}
            // The messages may well be there: better to stop than to take them for lost.
            Err(error) => health.fail(&error),
        }
    }
}

/// Reads for somebody who looks. What is damaged is left out: it is told of when its queue comes to
/// it. While the database waits for room there is no answer.
fn read(reader: &Reader, load: &Load, reply: oneshot::Sender<Loaded>, health: &Arc<Health>) {
    match reader.load(load, limits::LOAD_BYTES) {
        Ok(loaded) => {
            // Whoever asked may be gone.
            let _ = reply.send(loaded);
        }
        Err(error) if error.is_full() => {}
        Err(error) => health.fail(&error),
    }
}

/// Loads; while the database waits for room to be opened again, so does this, for as long as there
/// is somebody to answer.
fn load_when_there_is_room(
    reader: &Reader,
    load: &Load,
    shard: &mpsc::Sender<ToShard>,
) -> Result<Loaded, Error> {
    loop {
        match reader.load(load, limits::LOAD_BYTES) {
            Err(error) if error.is_full() && !shard.is_closed() => {
                std::thread::sleep(limits::INDEX_PAUSE);
            }
            loaded => return loaded,
        }
    }
}

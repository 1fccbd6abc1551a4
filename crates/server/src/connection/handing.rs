//! From a connection to its shard. While the shard's inbox is full nothing more is read, and the
//! peer waits; but the connection goes on writing, keeping its time and hearing of a stop.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use warren_amqp::Millis;
use warren_engine::Command;

use super::Connection;
use crate::limits;
use crate::shard::ToShard;

/// Hands something to the shard when there is room.
pub(super) type Handing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Waits until it is handed on; then it must be dropped.
pub(super) async fn finished(handing: &mut Option<Handing>) {
    if let Some(handing) = handing {
        handing.await;
    }
}

impl Connection {
    /// Gives the shard what the last read asks of it, and tells the engine of room in the outbox.
    pub(super) fn hand_on(&mut self) {
        if self.handing.is_some() {
            return;
        }
        let flushed = self.flushed_bytes();
        let Some(session) = &self.session else { return };
        let id = session.id;
        let flushed = flushed.map(|bytes| {
            ToShard::Commands(id, vec![Command::Flushed { session: id, bytes }], None)
        });
        let mut waiting = Vec::new();
        for message in self.opening.take().into_iter().chain(flushed) {
            // What comes after something that waits has to wait too.
            let left = if waiting.is_empty() { try_send(session, message) } else { Some(message) };
            waiting.extend(left);
        }
        let commands = self.requests.take();
        if commands.is_empty() && waiting.is_empty() {
            return;
        }
        let permits = Arc::clone(&session.on_the_way);
        let mut unpermitted = None;
        if !commands.is_empty() {
            match Arc::clone(&permits).try_acquire_owned() {
                Ok(permit) if waiting.is_empty() => {
                    let message = ToShard::Commands(id, commands, Some(permit));
                    waiting.extend(try_send(session, message));
                }
                _ => unpermitted = Some(commands),
            }
        }
        if waiting.is_empty() && unpermitted.is_none() {
            return;
        }
        let shard = session.shard.clone();
        self.handing_since = self.shared.now();
        self.handing = Some(Box::pin(async move {
            // The shards end only after the connections.
            for message in waiting {
                let _ = shard.send(message).await;
            }
            if let Some(commands) = unpermitted {
                let permit = permits.acquire_owned().await.ok();
                let _ = shard.send(ToShard::Commands(id, commands, permit)).await;
            }
        }));
    }

    /// What waited is with the shard.
    pub(super) fn handed_on(&mut self) {
        self.handing = None;
        // A peer that was not read while the shard was busy is not dead for that.
        let now = self.shared.now();
        if now > self.handing_since + limits::NOTED_WAIT.as_millis() as Millis {
            self.amqp.was_not_read(now);
        }
    }

    /// What the engine should be told to have left the outbox: when it is empty, or a good part is.
    fn flushed_bytes(&mut self) -> Option<usize> {
        let done = self.events.is_empty() && self.written == 0;
        let enough = self.flushed >= warren_engine::limits::OUTBOX_BYTES / 4;
        if self.session.is_none() || self.flushed == 0 || !(done || enough) {
            return None;
        }
        Some(std::mem::take(&mut self.flushed))
    }
}

/// Sends if there is room; gives the message back if there is none.
fn try_send(session: &super::Session, message: ToShard) -> Option<ToShard> {
    match session.shard.try_send(message) {
        Ok(()) | Err(TrySendError::Closed(_)) => None,
        Err(TrySendError::Full(message)) => Some(message),
    }
}

impl Drop for Connection {
    /// What waits for the shard still gets there, and the end of the session after it.
    fn drop(&mut self) {
        let (Some(handing), Some(session)) = (self.handing.take(), self.session.take()) else {
            return;
        };
        let commands = self.requests.take();
        tokio::spawn(async move {
            handing.await;
            if !commands.is_empty() {
                let message = ToShard::Commands(session.id, commands, None);
                let _ = session.shard.send(message).await;
            }
            drop(session);
        });
    }
}

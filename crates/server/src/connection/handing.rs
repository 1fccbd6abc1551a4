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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::alarm::Alarm;
    use crate::broker::{News, Shared, Stage};
    use crate::half_open::HalfOpen;

    const RUNNING: News =
        News { stage: Stage::Running, alarm: Alarm { disk: false, memory: false } };

    fn method(channel: u8, class: u8, method: u8, arguments: &[u8]) -> Vec<u8> {
        let size = (arguments.len() + 4) as u32;
        let head = [&[1, 0, channel][..], &size.to_be_bytes(), &[0, class, 0, method]].concat();
        [&head[..], arguments, &[0xCE]].concat()
    }

    /// What a client sends to open virtual host `/` with a heartbeat of a second, and a channel.
    fn greeting() -> Vec<u8> {
        let login =
            [&[0; 4][..], b"\x05PLAIN", &[0, 0, 0, 13], b"\0guest\0secret", b"\x05en_US"].concat();
        let parts = [
            b"AMQP\0\0\x09\x01".to_vec(),
            method(0, 10, 11, &login),
            method(0, 10, 31, &[0, 0, 0, 0, 0, 0, 0, 1]),
            method(0, 10, 40, b"\x01/\0\0"),
            method(1, 20, 10, &[0]),
        ];
        parts.concat()
    }

    /// A connection to a shard that never takes anything, as it waits for a full disk.
    async fn connection() -> (TcpStream, mpsc::Receiver<ToShard>, watch::Sender<News>) {
        let (shard, inbox) = mpsc::channel(1);
        let shared = Arc::new(Shared::for_tests(vec![shard]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let (news, heard) = watch::channel(RUNNING);
        let place = HalfOpen::new(1).enter(peer.ip());
        tokio::spawn(Connection::new(stream, peer, shared, place, heard).run());
        (client, inbox, news)
    }

    #[tokio::test]
    async fn heartbeats_go_out_while_the_shard_takes_nothing() {
        let (mut client, _inbox, _news) = connection().await;
        client.write_all(&greeting()).await.unwrap();
        // Four come in two seconds, after which a peer that nobody reads would count as dead.
        let heartbeats = [8, 0, 0, 0, 0, 0, 0, 0xCE].repeat(6);
        let mut found = Vec::new();
        let reading = async {
            while !found.ends_with(&heartbeats) {
                assert!(client.read_buf(&mut found).await.unwrap() > 0, "the broker hung up");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap();
    }

    #[tokio::test]
    async fn what_waits_for_the_shard_reaches_it_after_the_client_is_gone() {
        let (mut client, mut inbox, _news) = connection().await;
        client.write_all(&greeting()).await.unwrap();
        // With channel.open-ok, the commands of the read are waiting.
        let open_ok = method(1, 20, 11, &[0; 4]);
        let mut found = Vec::new();
        while !found.ends_with(&open_ok) {
            assert!(client.read_buf(&mut found).await.unwrap() > 0, "the broker hung up");
        }
        drop(client);
        assert!(matches!(inbox.recv().await, Some(ToShard::Open { .. })));
        let Some(ToShard::Commands(_, commands, _)) = inbox.recv().await else { panic!("gone") };
        assert!(matches!(commands[..], [Command::Request { .. }]), "{commands:?}");
        let Some(ToShard::Commands(_, commands, _)) = inbox.recv().await else { panic!("gone") };
        assert!(matches!(commands[..], [Command::CloseSession { .. }]), "{commands:?}");
    }
}

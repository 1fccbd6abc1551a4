//! What shards hand to the committer, and the way there.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use warren_engine::{Event, Load, Write};
use warren_storage::Loaded;

use crate::limits;
use crate::shard::Outbox;

/// What one shard hands to the committer at a time.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) writes: Vec<Write>,
    /// Wishes that wait until the writes of this and every earlier group are in the log, as they
    /// may ask for just those.
    pub(crate) loads: Vec<Load>,
    /// The same for those who look, each with where the answer goes.
    pub(crate) reads: Vec<(Load, oneshot::Sender<Loaded>)>,
    /// Events that wait until the writes of this and every earlier group are durable.
    pub(crate) committed: Vec<(Outbox, Vec<Event>)>,
    /// Where to note that the events were sent, and the number to note.
    pub(crate) done: (Arc<AtomicU64>, u64),
    /// The room that it takes up until it is written.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Group {
    /// What was written before is to be found in the log.
    pub(crate) fn wants_to_read(&self) -> bool {
        !self.loads.is_empty() || !self.reads.is_empty()
    }

    /// Somebody waits until the writes are durable.
    pub(crate) fn waits_for_sync(&self) -> bool {
        !self.committed.is_empty() || self.loads.iter().any(Load::is_sync)
    }
}

/// The way to the committer. It has room for so many bytes, and for so many groups that hardly
/// anybody ever waits because of their number: while a large group is being written, small ones
/// come up behind it, one with each read of a client that publishes little, and their shard must
/// not stand still for that.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    sender: mpsc::Sender<Group>,
    room: Arc<Semaphore>,
}

impl Groups {
    /// The way, and its end at the committer.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Group>) {
        let (sender, inbox) = mpsc::channel(limits::COMMITTER_INBOX);
        let room = Arc::new(Semaphore::new(limits::COMMITTER_BYTES));
        (Self { sender, room }, inbox)
    }

    /// More waits than is being written, and will be written after that: who brings more should
    /// wait rather than let others wait behind it.
    pub(crate) fn is_behind(&self) -> bool {
        self.room.available_permits() < limits::COMMITTER_BYTES - 2 * limits::COMMIT_BYTES
    }

    /// Hands a group on, when there is room. After the committer's end it goes nowhere.
    pub(crate) async fn send(&self, mut group: Group) {
        let bytes: usize = group.writes.iter().map(bytes_of).sum();
        // What is larger than all the room waits until it has it for itself.
        let bytes = bytes.min(limits::COMMITTER_BYTES) as u32;
        group.room = Arc::clone(&self.room).acquire_many_owned(bytes).await.ok();
        let _ = self.sender.send(group).await;
    }
}

/// About what a write takes in memory, and in the log.
fn bytes_of(write: &Write) -> usize {
    let own = size_of::<Write>();
    match write {
        Write::Enqueued { message, .. } => own + message.encoded_bytes(),
        Write::DefinitionSet { value, .. } => own + value.len(),
        Write::Together(parts) => own + parts.iter().map(bytes_of).sum::<usize>(),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use warren_engine::{Message, MessageBatch};

    use super::*;

    fn group(body_bytes: usize) -> Group {
        let mut batch = MessageBatch::default();
        batch.push("", "q", &[0, 0], &vec![0; body_bytes]);
        let message = Message::new(&Arc::new(batch), 0).unwrap();
        let writes = vec![Write::Enqueued { message, queues: Default::default() }];
        Group { writes, ..Group::default() }
    }

    #[tokio::test]
    async fn many_small_groups_pass_and_much_waits_until_it_is_written() {
        let (groups, mut inbox) = Groups::new();
        for _ in 0..100 {
            groups.send(group(10)).await;
        }
        groups.send(group(limits::COMMITTER_BYTES / 2)).await;
        let large = groups.clone();
        let large =
            tokio::spawn(async move { large.send(group(limits::COMMITTER_BYTES * 2)).await });
        tokio::task::yield_now().await;
        let mut written = vec![];
        while let Ok(group) = inbox.try_recv() {
            written.push(group);
        }
        assert_eq!(written.len(), 101, "the large one waits");
        assert!(!large.is_finished());
        written.pop();
        tokio::task::yield_now().await;
        assert!(inbox.try_recv().is_err(), "it waits for all of the room");
        written.clear();
        large.await.unwrap();
        assert!(inbox.try_recv().is_ok());
    }
}

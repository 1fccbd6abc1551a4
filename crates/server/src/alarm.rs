//! Alarms: publishers wait while there is too little room on the disk or too little memory.
//!
//! What is looked at once a second, and what the committer and the checkpoint thread meet with,
//! comes together here; connections hear of every change through the channel that also tells them
//! that the broker stops.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tracing::{debug, info, warn};
use warren_storage::Room;

use crate::broker::News;
use crate::{limits, memory};

/// Which alarms are on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alarm {
    /// There is too little room on the disk.
    pub disk: bool,
    /// The broker takes too much memory.
    pub memory: bool,
}

impl Alarm {
    /// Why publishers wait, in RabbitMQ's words; None if they do not.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match (self.disk, self.memory) {
            (false, false) => None,
            (true, false) => Some("low on disk"),
            (false, true) => Some("low on memory"),
            (true, true) => Some("low on disk & memory"),
        }
    }

    pub(crate) fn is_on(self) -> bool {
        self.disk || self.memory
    }
}

/// What can raise an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The file system has less room than it should.
    FreeSpace,
    /// The log has found no room for a record.
    Log,
    /// The database has found no room for a checkpoint.
    Database,
    /// The process has more memory than it should.
    Memory,
}

/// Keeps the alarms.
#[derive(Debug)]
pub(crate) struct Alarms {
    news: Arc<watch::Sender<News>>,
    room: Room,
    /// The alarm is on below so many free bytes; 0: never.
    disk_free_limit: u64,
    /// The alarm is on above so many bytes of resident memory; 0: never.
    memory_limit: u64,
    causes: Mutex<Vec<Cause>>,
}

impl Alarms {
    pub(crate) fn new(
        news: Arc<watch::Sender<News>>,
        room: Room,
        disk_free_limit: u64,
        memory_limit: u64,
    ) -> Self {
        Self { news, room, disk_free_limit, memory_limit, causes: Mutex::default() }
    }

    /// Notes that a cause is there or has gone.
    pub(crate) fn set(&self, cause: Cause, is_there: bool) {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        if causes.contains(&cause) == is_there {
            return;
        }
        if is_there {
            causes.push(cause);
        } else {
            causes.retain(|other| *other != cause);
        }
        let memory = causes.contains(&Cause::Memory);
        let alarm = Alarm { disk: causes.iter().any(|cause| *cause != Cause::Memory), memory };
        // Under the lock, so that the last change told is the last one made.
        self.news.send_if_modified(|news| {
            let is_new = news.alarm != alarm;
            news.alarm = alarm;
            if is_new {
                match alarm.reason() {
                    Some(reason) => warn!(reason, "alarm: publishers are blocked"),
                    None => info!("the alarm is over: publishers go on"),
                }
            }
            is_new
        });
    }

    fn has(&self, cause: Cause) -> bool {
        self.causes.lock().unwrap_or_else(PoisonError::into_inner).contains(&cause)
    }

    /// Compares the free space with its limit.
    pub(crate) fn look_at_disk(&self) {
        match self.room.free_bytes() {
            Ok(Some(free_bytes)) => {
                let was_low = self.has(Cause::FreeSpace);
                let limit = self.disk_free_limit;
                let wanted = if was_low { limit + limit / limits::ALARM_STEP } else { limit };
                let is_low = free_bytes < wanted;
                if is_low != was_low {
                    debug!(free_bytes, disk_free_limit = limit, "free space of the data folder");
                }
                self.set(Cause::FreeSpace, is_low);
            }
            // The store is closed: nobody publishes any more.
            Ok(None) => {}
            Err(error) => debug!(%error, "the file system does not tell its free space"),
        }
    }

    fn look_at_memory(&self) {
        let Some(resident_bytes) = memory::resident_bytes().filter(|_| self.memory_limit > 0)
        else {
            return;
        };
        let was_low = self.has(Cause::Memory);
        let limit = self.memory_limit;
        let wanted = if was_low { limit - limit / limits::ALARM_STEP } else { limit };
        let is_low = resident_bytes > wanted;
        if is_low != was_low {
            debug!(resident_bytes, memory_limit = limit, "memory of the broker");
        }
        self.set(Cause::Memory, is_low);
    }

    /// Looks at disk and memory.
    pub(crate) fn look(&self) {
        self.look_at_disk();
        self.look_at_memory();
    }

    /// Looks at disk and memory again and again, for as long as the broker is there.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut disk = tokio::time::interval(limits::DISK_LOOK);
        let mut memory = tokio::time::interval(limits::MEMORY_LOOK);
        for ticks in [&mut disk, &mut memory] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                _ = disk.tick() => self.look_at_disk(),
                _ = memory.tick() => self.look_at_memory(),
            }
        }
    }
}

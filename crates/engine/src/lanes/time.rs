//! What expires in the lanes of a queue (see `backlog/expire.rs`).

use super::{At, Lanes};
use crate::backlog::{Entry, QueueTime};
use crate::{Load, Milliseconds, QueueId};

impl Lanes {
    /// All lanes that there are.
    fn all(&self) -> Vec<At> {
        let others = self.others.iter().flat_map(|others| others.lanes.keys());
        std::iter::once(At::Base).chain(others.map(|level| At::Level(*level))).collect()
    }

    /// Changes the time that messages may wait.
    pub(crate) fn set_time(&mut self, time: QueueTime) {
        self.base.set_time(time);
        let others = self.others.iter_mut().flat_map(|others| others.lanes.values_mut());
        others.for_each(|lane| lane.backlog.set_time(time));
        if let Some(levels) = &mut self.levels {
            levels.time = time;
        }
    }

    /// Something may expire here.
    pub(crate) fn is_timed(&self) -> bool {
        let mut others = self.others.iter().flat_map(|others| others.lanes.values());
        self.base.is_timed() || others.any(|lane| lane.backlog.is_timed())
    }

    /// Messages have times of their own.
    pub(crate) fn has_own_times(&self) -> bool {
        let mut others = self.others.iter().flat_map(|others| others.lanes.values());
        self.base.has_own_times() || others.any(|lane| lane.backlog.has_own_times())
    }

    /// The first message can be taken, with or without its content.
    pub(crate) fn has_first(&self) -> bool {
        match self.first() {
            At::Base => self.base.has_first(),
            At::Level(level) => {
                let lane = self.others.as_ref().and_then(|others| others.lanes.get(&level));
                lane.is_some_and(|lane| lane.backlog.has_first())
            }
        }
    }

    /// The next message has expired, so that nobody gets it.
    pub(crate) fn is_stale(&self, now: Milliseconds) -> bool {
        match self.first() {
            At::Base => self.base.is_stale(now),
            At::Level(level) => {
                let lane = self.others.as_ref().and_then(|others| others.lanes.get(&level));
                lane.is_some_and(|lane| lane.backlog.is_stale(now))
            }
        }
    }

    /// When [`Self::expire`] or [`Self::load_expired`] has something to do.
    pub(crate) fn next_due(&self, now: Milliseconds, needs_content: bool) -> Milliseconds {
        let others = self.others.iter().flat_map(|others| others.lanes.values());
        let others = others.map(|lane| lane.backlog.next_due(now, needs_content));
        others.fold(self.base.next_due(now, needs_content), Milliseconds::min)
    }

    /// Takes out what has expired, as far as it is in memory, at most `max` messages.
    pub(crate) fn expire(
        &mut self,
        now: Milliseconds,
        max: usize,
        needs_content: bool,
    ) -> Vec<Entry> {
        if self.others.is_none() {
            return self.base.expire(now, max, needs_content);
        }
        let mut expired = vec![];
        for at in self.all() {
            let left = max - expired.len();
            expired.extend(self.change(at, |lane| lane.expire(now, left, needs_content)));
        }
        expired
    }

    /// What is to be read from disk because of time.
    pub(crate) fn load_expired(
        &mut self,
        queue: QueueId,
        now: Milliseconds,
        share: usize,
        needs_content: bool,
    ) -> Vec<Load> {
        let mut loads = vec![];
        for at in self.all() {
            let share = self.share(at, share);
            let load =
                |lane: &mut super::Backlog| lane.load_expired(queue, now, share, needs_content);
            loads.extend(self.change(at, load));
        }
        loads
    }
}

//! What the log, the checkpointer and the readers share: the layers of the index that are in
//! memory, which segments there are, and how many waiting messages stand in each.
//!
//! Behind one mutex, held for operations in memory only, so that the committer never waits for
//! redb or for a file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use warren_engine::{QueueId, Sequence, Write};

use crate::delta::{Entry, Freed, Layer, Places, QueueDelta, Share};
use crate::index::Counts;
use crate::lanes::LaneSet;
use crate::planted::{self, Bug};
use crate::returns::Returns;
use crate::slot::Slot;
use crate::topology::Topology;
use crate::{Disk, DiskLock, Error, Options, segment};

/// The open store behind its three handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) index: Slot,
    /// Enters every checksum of the log; see [`Options::log_key`].
    pub(crate) log_key: u64,
    pub(crate) state: Mutex<State>,
    pub(crate) _lock: DiskLock,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock leaves the state half changed when it panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segment_path(&self, number: u32) -> PathBuf {
        self.disk.path(&segment::name(number))
    }

    /// Makes the names in the log's folder durable.
    pub(crate) fn sync_log_folder(&self) -> Result<(), Error> {
        let synced = self.disk.sync_folder(segment::FOLDER);
        synced.map_err(|error| Error::sync(&self.disk.path(segment::FOLDER), &error))
    }
}

/// A place in the log: everything before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The segment.
    pub(crate) segment: u32,
    /// Where the next record begins in it.
    pub(crate) offset: u32,
    /// The number of the last record before.
    pub(crate) record: u64,
}

/// A segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) bytes: u64,
    /// The waiting messages that stand in it, each queue's counted.
    pub(crate) waiting: Share,
    /// Cloned by whoever reads from the file: until then it is neither deleted nor written anew.
    pub(crate) pin: Arc<()>,
}

impl Segment {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { bytes, waiting: Share::default(), pin: Arc::new(()) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// What came since the last checkpoint began.
    pub(crate) live: Layer,
    /// What a running checkpoint moves into redb.
    pub(crate) frozen: Option<Arc<Layer>>,
    /// All queues, with what was before `live`.
    pub(crate) queues: FxHashMap<QueueId, Places>,
    /// The same for names of spilled messages that were used; they are never declared.
    pub(crate) spilled: FxHashMap<QueueId, Places>,
    /// The lanes of queues that have some beside themselves, and those of names for spilled
    /// messages. They are in `queues` and `spilled` with them.
    pub(crate) lanes: FxHashMap<QueueId, LaneSet>,
    pub(crate) segments: BTreeMap<u32, Segment>,
    /// What redb covers.
    pub(crate) covered: Position,
    /// Dead segments whose files still have to go, with their sizes.
    pub(crate) retired: Vec<(u32, u64)>,
    /// Spare files that are ready.
    pub(crate) spares: Vec<u64>,
    pub(crate) next_spare: u64,
    /// The file that is given back when the disk is full is there.
    pub(crate) has_reserve: bool,
    /// The last record that moved messages.
    pub(crate) moved_record: u64,
}

impl State {
    /// True if messages may stand under this name.
    pub(crate) fn knows(&self, queue: QueueId) -> bool {
        self.places(queue).is_some()
    }

    fn places(&self, queue: QueueId) -> Option<&Places> {
        if queue.is_spilled() { self.spilled.get(&queue) } else { self.queues.get(&queue) }
    }

    /// Changes a queue. If there is no such queue, it is left alone: what comes late for a deleted
    /// queue must not bring it back.
    fn change(&mut self, queue: QueueId, change: impl FnOnce(&mut QueueDelta)) {
        let Some(places) = self.places(queue).copied() else { return };
        let delta = self.live.queues.entry(queue).or_insert_with(|| QueueDelta::new(places));
        let before = delta.held();
        change(delta);
        self.live.held = self.live.held + delta.held() - before;
    }

    /// A message entered a queue, which may expire there at a time of its own.
    pub(crate) fn enqueue(&mut self, queue: QueueId, entry: Entry, may_expire: bool) {
        if queue.is_spilled() {
            self.spilled.entry(queue).or_default();
        }
        if queue.lane_number() != 0 {
            self.know_lane(queue);
        }
        let mut replaced = None;
        let mut is_known = false;
        self.change(queue, |delta| {
            delta.places.given(entry.sequence);
            delta.places.may_expire |= may_expire;
            replaced = delta.entries.insert(entry);
            is_known = true;
        });
        if !is_known {
            return;
        }
        if let Some(segment) = self.segments.get_mut(&entry.segment) {
            segment.waiting.add(Share::of(&entry));
        }
        if let Some(replaced) = replaced {
            self.release(replaced.segment, Share::of(&replaced));
        }
    }

    /// Messages left a queue.
    pub(crate) fn settle(&mut self, queue: QueueId, first: Sequence, last: Sequence) {
        let mut freed = Freed::default();
        self.change(queue, |delta| delta.settle(first, last, &mut freed));
        self.release_all(&freed);
    }

    /// A queue was delivered up to a place.
    pub(crate) fn deliver(&mut self, queue: QueueId, through: Sequence) {
        self.change(queue, |delta| delta.places.delivered(through));
    }

    /// Messages came back to a queue for the `count`th time.
    pub(crate) fn come_back(
        &mut self,
        queue: QueueId,
        first: Sequence,
        last: Sequence,
        count: u32,
    ) {
        self.change(queue, |delta| delta.returns.insert(first, last, count));
    }

    /// What the layers in memory know of how often messages came back, and whether that is all: the
    /// database does not count if it has rows of a queue that is gone and had the same number.
    pub(crate) fn returns(
        &self,
        queue: QueueId,
        first: Sequence,
        last: Sequence,
    ) -> (Returns, bool) {
        let frozen = self.frozen.as_ref().and_then(|layer| layer.queues.get(&queue));
        let live = self.live.queues.get(&queue);
        let newest_first: Vec<&QueueDelta> = [live, frozen].into_iter().flatten().collect();
        let deleted = newest_first.iter().position(|delta| delta.deleted);
        let layers = newest_first.iter().take(deleted.map_or(newest_first.len(), |at| at + 1));
        let mut found = Returns::default();
        for delta in layers.rev() {
            delta.returns.within(first, last).for_each(|(first, last, count)| {
                found.insert(first, last, count);
            });
        }
        (found, deleted.is_some())
    }

    /// The topology changed.
    pub(crate) fn change_topology(&mut self, write: Write) {
        match &write {
            Write::QueueDeclared(record) if !self.queues.contains_key(&record.id) => {
                self.queues.insert(record.id, Places::default());
                // Rows under its number may be left of a queue whose record was damaged.
                let deleted = || QueueDelta { deleted: true, ..QueueDelta::new(Places::default()) };
                self.live.queues.entry(record.id).or_insert_with(deleted);
                for lane in self.lanes.remove(&record.id).unwrap_or_default().iter() {
                    self.live.queues.entry(record.id.lane(lane)).or_insert_with(deleted);
                }
            }
            Write::QueueDeclared(record) => self.change(record.id, |_| {}),
            Write::QueueDeleted(queue) => {
                let lanes = self.lanes.remove(queue).filter(|_| !planted::is(Bug::LanesStay));
                for lane in lanes.unwrap_or_default().iter() {
                    self.delete_queue(queue.lane(lane));
                }
                self.delete_queue(*queue);
                if queue.is_spilled() {
                    return;
                }
            }
            Write::ExchangeDeclared(..)
            | Write::ExchangeDeleted(..)
            | Write::Bound(..)
            | Write::Unbound(..)
            | Write::DefinitionSet { .. }
            | Write::DefinitionDeleted { .. }
            | Write::Enqueued { .. }
            | Write::Settled { .. }
            | Write::Returned { .. }
            | Write::Delivered { .. }
            | Write::Together(_) => {}
        }
        self.live.topology.push(write);
    }

    /// Begins with the queues that the database has, and how far each has come.
    pub(crate) fn adopt_standings(&mut self, topology: &Topology, counts: &Counts) {
        let places = |queue| counts.standings.get(queue).copied().unwrap_or_default().places;
        self.queues = topology.queues.keys().map(|queue| (*queue, places(queue))).collect();
        for (lane, standing) in &counts.standings {
            if lane.lane_number() != 0 {
                // Of queues that are gone, too: what is left of them must not come back.
                self.lanes.entry(lane.declared()).or_default().insert(lane.lane_number());
                if self.queues.contains_key(&lane.declared()) {
                    self.queues.insert(*lane, standing.places);
                }
            }
        }
    }

    /// A lane of a queue is in use, unless the queue is gone.
    pub(crate) fn know_lane(&mut self, lane: QueueId) {
        let queue = lane.lane(0);
        if !lane.is_spilled() {
            if self.queues.contains_key(&lane) || !self.queues.contains_key(&queue) {
                return;
            }
            self.queues.insert(lane, Places::default());
        }
        self.lanes.entry(queue).or_default().insert(lane.lane_number());
    }

    fn delete_queue(&mut self, queue: QueueId) {
        if queue.is_spilled() && self.spilled.remove(&queue).is_none() {
            return;
        }
        let mut freed = Freed::default();
        let mut delta = QueueDelta { deleted: true, ..QueueDelta::new(Places::default()) };
        if let Some(mut before) = self.live.queues.remove(&queue) {
            self.live.held = self.live.held.saturating_sub(before.held());
            before.entries.settle(0, Sequence::MAX, &mut freed);
            delta.places.next_sequence = before.places.next_sequence;
        }
        self.live.queues.insert(queue, delta);
        self.queues.remove(&queue);
        self.release_all(&freed);
    }

    /// Begins a new live layer and gives the old one, which stays readable until the checkpoint
    /// that moves it is finished.
    pub(crate) fn freeze(&mut self) -> Arc<Layer> {
        let layer = Arc::new(std::mem::take(&mut self.live));
        for (queue, delta) in &layer.queues {
            let known = match queue.is_spilled() {
                true => self.spilled.get_mut(queue),
                false => self.queues.get_mut(queue),
            };
            if let Some(places) = known {
                *places = delta.places;
            }
        }
        self.frozen = Some(Arc::clone(&layer));
        layer
    }

    pub(crate) fn release_all(&mut self, freed: &Freed) {
        for (segment, share) in &freed.0 {
            self.release(*segment, *share);
        }
    }

    fn release(&mut self, segment: u32, share: Share) {
        if let Some(Segment { waiting, .. }) = self.segments.get_mut(&segment) {
            debug_assert!(waiting.messages >= share.messages, "a segment holds fewer messages");
            debug_assert!(waiting.bytes >= share.bytes, "a segment holds fewer bytes");
            waiting.subtract(share);
        }
    }

    /// Strikes the segments off that nothing needs any more: their records are covered by a
    /// checkpoint, no waiting message stands in them, and nobody is reading from them.
    pub(crate) fn retire_dead(&mut self) {
        let covered = self.covered.segment;
        let spared = u64::from(planted::is(Bug::SegmentDeletedAlive));
        let dead = self
            .segments
            .range(..covered)
            .filter(|(_, segment)| segment.waiting.messages <= spared)
            .filter(|(_, segment)| Arc::strong_count(&segment.pin) == 1);
        let dead: Vec<(u32, u64)> =
            dead.map(|(number, segment)| (*number, segment.bytes)).collect();
        for (number, _) in &dead {
            self.segments.remove(number);
        }
        self.retired.extend(dead);
    }
}

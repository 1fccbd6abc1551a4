//! Moves the last messages of sparse segments forward, so that one message does not keep the file
//! of a whole segment.
//!
//! ```text
//! Checkpointer::relocate -> walks a sparse segment: which of its messages still stand there?
//!         |                 the layers in memory and redb know
//!       Moves             at most about 1 MiB
//!         |
//! Log::append_moves -> one record; each message counts at its new place if it still waits at the
//!                      old one, which the next checkpoint then gives up
//! ```
//!
//! Between the look and the record a message may be settled. What is settled since the last
//! checkpoint stands in the layers, and redb is as it was at the look as long as no checkpoint
//! ended since: then the layers alone tell. If one did, the piece counts for nothing, and the
//! segment is walked again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use warren_engine::{QueueId, Sequence};

use crate::delta::{Entry, Spot};
use crate::limits::{LOOKUPS_MAX, MOVE_BYTES, SPARSE_PARTS, WALK_BYTES};
use crate::planted::{self, Bug};
use crate::record::{Replayed, Writes, body_bytes, put_moved};
use crate::replay::later_record;
use crate::segment::{self, Found, HEADER_BYTES, Header, SegmentScan};
use crate::shared::{Position, Shared, State};
use crate::{Checkpointer, Damage, Error};

/// Messages of a sparse segment, read and ready to be written anew by [`Log::append_moves`].
///
/// [`Log::append_moves`]: crate::Log::append_moves
#[derive(Debug)]
pub struct Moves {
    /// What redb covered when the messages were looked up.
    checked: Position,
    from: u32,
    writes: Vec<u8>,
    messages: Vec<Moved>,
    /// Shared with the relocator, which waits until the piece is dropped.
    _on_the_way: Arc<()>,
}

#[derive(Debug)]
struct Moved {
    queue: QueueId,
    /// Its offset is counted from the start of the writes.
    entry: Entry,
}

impl Moves {
    /// False if a checkpoint ended since the messages were looked up.
    pub(crate) fn count_in(&self, state: &State) -> bool {
        self.checked == state.covered
    }

    pub(crate) fn writes(&self) -> &[u8] {
        &self.writes
    }

    /// Adds a message with the queues in which it waits.
    fn push(&mut self, message: &[Candidate<'_>]) {
        let Some(&Candidate { offset, encoded, .. }) = message.first() else { return };
        let queues: Vec<_> = message.iter().map(|one| (one.queue, one.sequence)).collect();
        let from = Spot { segment: self.from, offset };
        let offset = put_moved(&mut self.writes, from, encoded, &queues) as u32;
        let (length, body_bytes) = (encoded.len() as u32, body_bytes(encoded));
        self.messages.extend(queues.into_iter().map(|(queue, sequence)| {
            let entry = Entry { sequence, segment: 0, offset, length, body_bytes };
            Moved { queue, entry }
        }));
    }
}

/// How the layers in memory see a message that redb has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It waits where redb says.
    Waits,
    /// It was settled or moved; the next checkpoint tells redb.
    Gone,
    /// There is no such queue: its record was damaged.
    Unknown,
}

impl State {
    fn seen(&self, queue: QueueId, sequence: Sequence) -> Seen {
        let live = self.live.queues.get(&queue);
        let frozen = self.frozen.as_ref().and_then(|layer| layer.queues.get(&queue));
        let untouched = [live, frozen].into_iter().flatten().all(|delta| {
            let slot = delta.entries.slots(sequence).next();
            !delta.deleted
                && sequence < delta.older_next
                && !delta.settled.contains(sequence)
                && slot.is_none_or(|slot| slot.sequence != sequence)
        });
        match (untouched, self.knows(queue)) {
            (false, _) => Seen::Gone,
            (true, true) => Seen::Waits,
            (true, false) => Seen::Unknown,
        }
    }

    /// A message goes on at another place, if it still waits where redb says.
    pub(crate) fn relocate(&mut self, queue: QueueId, entry: Entry) {
        let seen = self.seen(queue, entry.sequence);
        if seen == Seen::Waits || planted::is(Bug::MovedThoughSettled) {
            self.enqueue(queue, entry, false);
        }
    }

    /// A piece was written to `segment`, its writes at `offset`, in the record of this number.
    pub(crate) fn apply_moves(&mut self, moves: &Moves, segment: u32, offset: u32, record: u64) {
        self.moved_record = record;
        if !moves.count_in(self) {
            return;
        }
        for Moved { queue, entry } in &moves.messages {
            let entry = Entry { segment, offset: offset + entry.offset, ..*entry };
            self.relocate(*queue, entry);
        }
    }
}

/// What one step of [`Checkpointer::relocate`] came to.
#[derive(Debug, Default)]
pub struct Relocation {
    /// For [`Log::append_moves`](crate::Log::append_moves).
    pub moves: Option<Moves>,
    /// Why a segment cannot be cleared.
    pub damaged: Vec<Damage>,
    /// There is more to do, or will be when a piece was written or a checkpoint has ended.
    pub more: bool,
}

/// Looks for messages to move.
#[derive(Debug, Default)]
pub(crate) struct Relocator {
    walk: Option<Walk>,
    /// Shared with the piece that is on its way to the log.
    on_the_way: Arc<()>,
    /// Segments that are cleared when redb covers this record.
    walked: BTreeMap<u32, u64>,
    /// Segments with messages that cannot be moved.
    stuck: BTreeSet<u32>,
}

/// A segment that is being walked.
#[derive(Debug)]
struct Walk {
    number: u32,
    scan: SegmentScan,
    /// The next record: its place, its number, and the writes in it that were looked at.
    offset: u32,
    record: u64,
    skip: usize,
    /// Something was moved, or will leave with the next checkpoint.
    gains: bool,
    damaged: Vec<Damage>,
    /// Keeps the file as it is.
    _pin: Arc<()>,
}

/// A message of a segment in one of its queues.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    /// Which write of its record it is.
    write: usize,
    queue: QueueId,
    sequence: Sequence,
    /// In the segment.
    offset: u32,
    encoded: &'a [u8],
}

impl Checkpointer {
    /// One step of clearing sparse segments, to be called when idle: reads a bounded part of one,
    /// and gives the messages that still wait there, to be written anew. The next step does
    /// nothing until they are.
    ///
    /// # Errors
    /// Any error of the disk or of redb. A segment that cannot be read is left alone from then on.
    pub fn relocate(&mut self) -> Result<Relocation, Error> {
        let relocator = &mut self.relocator;
        let later = Relocation { more: true, ..Relocation::default() };
        if Arc::strong_count(&relocator.on_the_way) > 1 {
            return Ok(later);
        }
        let (covered, chosen) = {
            let state = self.shared.state();
            if state.frozen.is_some() {
                // redb may be ahead of what is known to be covered.
                return Ok(later);
            }
            if relocator.walk.take_if(|walk| state.is_dead(walk.number)).is_some() {
                // Its file can go now that nobody reads from it.
                return Ok(later);
            }
            let chosen = if relocator.walk.is_none() { relocator.choose(&state) } else { None };
            (state.covered, chosen)
        };
        if let Some((number, pin)) = chosen {
            relocator.stuck.insert(number);
            relocator.walk = Some(Walk::new(&self.shared, number, pin)?);
            relocator.stuck.remove(&number);
        }
        let Some(mut walk) = relocator.walk.take() else { return Ok(Relocation::default()) };
        let number = walk.number;
        let mut moves = Moves {
            checked: covered,
            from: number,
            writes: Vec::new(),
            messages: Vec::new(),
            _on_the_way: Arc::clone(&relocator.on_the_way),
        };
        relocator.stuck.insert(number);
        let ended = walk.piece(&self.shared, &mut moves)?;
        relocator.stuck.remove(&number);
        if !moves.messages.is_empty() {
            relocator.walk = Some(walk);
            return Ok(Relocation { moves: Some(moves), ..later });
        }
        if ended {
            return Ok(relocator.end(&self.shared, walk, covered));
        }
        relocator.walk = Some(walk);
        Ok(later)
    }
}

impl State {
    fn is_dead(&self, segment: u32) -> bool {
        self.segments.get(&segment).is_none_or(|segment| segment.waiting.messages == 0)
    }
}

impl Relocator {
    /// The sparsest segment, if all together are sparse.
    fn choose(&mut self, state: &State) -> Option<(u32, Arc<()>)> {
        let covered = state.covered;
        self.walked.retain(|number, record| !state.is_dead(*number) && covered.record < *record);
        self.stuck.retain(|number| !state.is_dead(*number));
        let mut total = (0, 0);
        let mut sparsest: Option<(u32, u64, u64)> = None;
        for (number, segment) in state.segments.range(..covered.segment) {
            let is_out = self.walked.contains_key(number) || self.stuck.contains(number);
            if is_out || segment.waiting.messages == 0 {
                continue;
            }
            let live = segment.waiting.bytes.min(segment.bytes);
            total = (total.0 + live, total.1 + segment.bytes);
            // Sizes are below 2^32, so that the products fit.
            let is_less = |(_, other, bytes)| live * bytes < other * segment.bytes;
            if sparsest.is_none_or(is_less) {
                sparsest = Some((*number, live, segment.bytes));
            }
        }
        let (number, ..) = sparsest.filter(|_| total.0 * SPARSE_PARTS < total.1)?;
        Some((number, Arc::clone(&state.segments.get(&number)?.pin)))
    }

    /// A segment was walked to its end.
    fn end(&mut self, shared: &Shared, walk: Walk, covered: Position) -> Relocation {
        let Walk { number, gains, mut damaged, .. } = walk;
        let state = shared.state();
        if gains {
            // With what is left, if anything is, the segment is looked at again then.
            self.walked.insert(number, state.moved_record.max(covered.record + 1));
            damaged.clear();
        } else {
            self.stuck.insert(number);
            let messages = state.segments.get(&number).map_or(0, |one| one.waiting.messages);
            let message = format!("{messages} messages keep the segment and cannot be moved");
            damaged.push(Damage { file: shared.segment_path(number), offset: 0, message });
        }
        Relocation { damaged, more: true, moves: None }
    }
}

impl Walk {
    fn new(shared: &Shared, number: u32, pin: Arc<()>) -> Result<Self, Error> {
        let path = shared.segment_path(number);
        let io = |error: std::io::Error| Error::io("read", &path, &error);
        let file = shared.disk.open(&segment::name(number)).map_err(io)?;
        let mut scan = SegmentScan::new(file, number, shared.log_key).map_err(io)?;
        let header = Header::decoded(scan.slice(0, HEADER_BYTES).map_err(io)?, number, &path)?;
        let mut damaged = Vec::new();
        if header.is_none() {
            let message = "the header of the segment is unreadable".to_owned();
            damaged.push(Damage { file: path, offset: 0, message });
        }
        let (offset, record) = match header {
            Some(header) => (HEADER_BYTES, header.first_record),
            None => (scan.bytes(), 0),
        };
        Ok(Self { number, scan, offset, record, skip: 0, gains: false, damaged, _pin: pin })
    }

    /// Goes on until enough was read or found. True at the end of the segment.
    fn piece(&mut self, shared: &Shared, moves: &mut Moves) -> Result<bool, Error> {
        let start = self.offset;
        while moves.writes.len() < MOVE_BYTES && self.offset - start < WALK_BYTES {
            let Some(found) = self.next(shared)? else { return Ok(true) };
            self.take(shared, found, moves)?;
        }
        Ok(false)
    }

    /// The next whole record.
    fn next(&mut self, shared: &Shared) -> Result<Option<Found>, Error> {
        let path = shared.segment_path(self.number);
        let io = |error: std::io::Error| Error::io("read", &path, &error);
        let number = self.record;
        if let Some(found) = self.scan.record_at(self.offset, number..=number).map_err(io)? {
            return Ok(Some(found));
        }
        let Some(found) = later_record(&mut self.scan, self.offset, number).map_err(io)? else {
            return Ok(None);
        };
        let message = "bytes of the log are unreadable".to_owned();
        self.damaged.push(Damage { file: path, offset: u64::from(self.offset), message });
        self.skip = 0;
        Ok(Some(found))
    }

    /// Takes what still waits of a record, until enough was found.
    fn take(&mut self, shared: &Shared, found: Found, moves: &mut Moves) -> Result<(), Error> {
        let payload = self.scan.slice(found.payload, found.payload_bytes);
        let payload = payload
            .map_err(|error| Error::io("read", &shared.segment_path(self.number), &error))?;
        let mut candidates = candidates(payload, found, self.skip);
        let places: Vec<_> = candidates.iter().map(|one| (one.queue, one.sequence)).collect();
        let mut entries = shared.index.with(|index| index.entries_at(&places))?.into_iter();
        candidates.retain(|one| {
            let spot = Spot { segment: self.number, offset: one.offset };
            entries.next().flatten().is_some_and(|entry| entry.spot() == spot)
        });
        let mut waiting = Vec::new();
        for some in candidates.chunks(LOOKUPS_MAX) {
            let state = shared.state();
            for one in some {
                let seen = state.seen(one.queue, one.sequence);
                self.gains |= seen != Seen::Unknown;
                if seen == Seen::Waits {
                    waiting.push(*one);
                }
            }
        }
        for message in waiting.chunk_by(|one, next| one.write == next.write) {
            if moves.writes.len() >= MOVE_BYTES {
                // The next piece goes on here.
                (self.offset, self.record) = (start_of(found), found.number);
                self.skip = message.first().map_or(0, |one| one.write);
                return Ok(());
            }
            moves.push(message);
        }
        (self.offset, self.record, self.skip) = (found.end, found.number + 1, 0);
        Ok(())
    }
}

/// Where the record begins.
fn start_of(found: Found) -> u32 {
    found.payload - segment::RECORD_HEADER_BYTES as u32
}

/// The messages of a record in each of their queues, but for those of the first `skip` writes.
fn candidates(payload: &[u8], found: Found, skip: usize) -> Vec<Candidate<'_>> {
    let mut candidates = Vec::new();
    for (write, replayed) in Writes::new(payload).enumerate().skip(skip) {
        if let Some(
            Replayed::Enqueued { message, queues } | Replayed::Moved { message, queues, .. },
        ) = replayed
        {
            let (offset, encoded) = (found.payload + message.offset, message.encoded);
            candidates.extend(queues.into_iter().map(|(queue, sequence)| Candidate {
                write,
                queue,
                sequence,
                offset,
                encoded,
            }));
        }
    }
    candidates
}

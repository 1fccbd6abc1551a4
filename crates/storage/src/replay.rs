//! Replays the log behind the last checkpoint.
//!
//! Records follow each other without gaps in their numbers. Where the next one does not stand as
//! it should, the rest of the segment is searched for a later one: if there is one, the place in
//! between is damaged, is reported and left out; if there is none, this is where the log ends.

use std::collections::BTreeSet;
use std::sync::Arc;

use warren_engine::{QueueId, QueueRecord, Sequence, Write, encoded_may_expire};

use crate::bytes::Cursor;
use crate::delta::{Entry, Spot};
use crate::index::Index;
use crate::limits::REPLAY_WINDOW_BYTES;
use crate::log::Active;
use crate::planted::{self, Bug};
use crate::record::{Replayed, StoredMessage, Writes, body_bytes};
use crate::recovery::{Damage, Report};
use crate::segment::{
    self, Found, HEADER_BYTES, Header, RECORD_ALIGNMENT, RECORD_HEADER_BYTES, SegmentScan,
};
use crate::shared::{Position, State};
use crate::topology::Topology;
use crate::{Disk, DiskFile, Error, flip};

/// A replay under way.
pub(crate) struct Replay<'a> {
    disk: &'a dyn Disk,
    log_key: u64,
    index: &'a Index,
    state: &'a mut State,
    topology: &'a mut Topology,
    report: Report,
    /// The number of the next record.
    next_record: u64,
    /// What to do with messages of queues that nothing is known of; without it they are left out.
    adopting: Option<Adopting>,
}

/// Declares queues whose messages are found but no record of them.
pub(crate) struct Adopting {
    /// The record that such a queue gets.
    pub(crate) record: fn(QueueId) -> QueueRecord,
    /// What comes late for a deleted queue does not bring it back.
    pub(crate) deleted: BTreeSet<QueueId>,
}

/// Where the log ends.
#[derive(Debug)]
pub(crate) struct End {
    /// The segment to go on in, if it can be.
    pub(crate) active: Option<Active>,
    /// The last record's number.
    pub(crate) record: u64,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(
        disk: &'a dyn Disk,
        log_key: u64,
        index: &'a Index,
        state: &'a mut State,
        topology: &'a mut Topology,
    ) -> Self {
        Self {
            disk,
            log_key,
            index,
            state,
            topology,
            report: Report::default(),
            next_record: 1,
            adopting: None,
        }
    }

    /// Declares queues that messages are found for, but no record.
    pub(crate) fn adopting(mut self, adopting: Adopting) -> Self {
        self.adopting = Some(adopting);
        self
    }

    pub(crate) fn into_report(self) -> Report {
        self.report
    }

    /// Applies every record after `covered`.
    pub(crate) fn run(&mut self, covered: Position) -> Result<End, Error> {
        self.run_with(covered, &mut |_| Ok(()))
    }

    /// Applies every record after `covered`; `each` may look at the state behind each segment.
    pub(crate) fn run_with(
        &mut self,
        covered: Position,
        each: &mut dyn FnMut(&mut State) -> Result<(), Error>,
    ) -> Result<End, Error> {
        self.next_record = covered.record + 1;
        let numbers: Vec<u32> =
            self.state.segments.range(covered.segment..).map(|(number, _)| *number).collect();
        if covered.segment > 0 && numbers.first() != Some(&covered.segment) {
            self.damage(covered.segment, u64::from(covered.offset), "the segment is missing");
        }
        let mut active = None;
        for (at, number) in (1..).zip(&numbers) {
            let is_last = at == numbers.len();
            let from = if *number == covered.segment { covered.offset } else { HEADER_BYTES };
            active = self.segment(*number, from, is_last)?;
            each(self.state)?;
        }
        if !self.report.damaged.is_empty() {
            self.delete_replaced();
        }
        Ok(End { active, record: self.next_record - 1 })
    }

    /// Applies the records of a segment; gives it back if the log can go on in it.
    fn segment(&mut self, number: u32, from: u32, is_last: bool) -> Result<Option<Active>, Error> {
        let path = self.disk.path(&segment::name(number));
        let io = |error: std::io::Error| Error::io("read", &path, &error);
        let file = self.disk.open(&segment::name(number)).map_err(io)?;
        let mut scan = SegmentScan::new(Arc::clone(&file), number, self.log_key).map_err(io)?;
        let header = Header::decoded(scan.slice(0, HEADER_BYTES).map_err(io)?, number, &path)?;
        if let Some(header) = header
            && from == HEADER_BYTES
            && header.first_record > self.next_record
        {
            let text = format!(
                "records {} to {} before this segment are missing",
                self.next_record,
                header.first_record - 1
            );
            self.damage(number, 0, &text);
            self.next_record = header.first_record;
        }
        let records_before = self.report.replayed_records;
        let end = self.records(&mut scan, number, from)?;
        let is_empty = self.report.replayed_records == records_before;
        if header.is_none() {
            if is_empty && from == HEADER_BYTES {
                // Power was lost between naming the file and writing to it.
                return self.discard(number).map(|()| None);
            }
            self.damage(number, 0, "the header of the segment is unreadable");
        }
        if !is_empty && !planted::is(Bug::ReplayNotSynced) {
            // The records may still be in the system's memory alone, left by a process that was
            // killed. What the engine is told now must not be lost by a later power cut.
            file.sync_data().map_err(|error| Error::io("sync", &path, &error))?;
        }
        if is_last {
            self.report.cut_tail_bytes = self.torn_bytes(&mut scan, end).map_err(io)?;
            if let Some(offset) =
                flip::flipped_byte(&mut scan, end, self.next_record).map_err(io)?
            {
                // No power cut leaves a record whole but for one bit.
                let text = "a bit of the last record is flipped, and the record is lost";
                self.damage(number, offset, text);
            }
        }
        Ok(usable(file, number, header, &scan, end))
    }

    /// Applies records from `from` on; gives where they end.
    fn records(&mut self, scan: &mut SegmentScan, number: u32, from: u32) -> Result<u32, Error> {
        let path = self.disk.path(&segment::name(number));
        let io = |error: std::io::Error| Error::io("read", &path, &error);
        let mut offset = from;
        loop {
            let next = self.next_record;
            let found = match scan.record_at(offset, next..=next).map_err(io)? {
                Some(found) => found,
                None => match later_record(scan, offset, next).map_err(io)? {
                    Some(found) => {
                        let bytes = found.payload - RECORD_HEADER_BYTES as u32 - offset;
                        let text = format!(
                            "{bytes} bytes of the log are unreadable, and records {next} to {} \
                             are lost",
                            found.number.saturating_sub(1)
                        );
                        self.damage(number, u64::from(offset), &text);
                        found
                    }
                    None => return Ok(offset),
                },
            };
            let payload = scan.slice(found.payload, found.payload_bytes).map_err(io)?;
            self.apply(payload, number, found)?;
            self.report.replayed_records += 1;
            self.report.replayed_bytes += u64::from(found.end - offset);
            self.next_record = found.number + 1;
            offset = found.end;
        }
    }

    /// Applies the writes of a record.
    fn apply(&mut self, payload: &[u8], segment: u32, found: Found) -> Result<(), Error> {
        for write in Writes::new(payload) {
            match write {
                // Messages that no restart survives.
                Some(Replayed::Settled { queue, .. } | Replayed::Delivered { queue, .. })
                    if queue.is_spilled() => {}
                Some(Replayed::Topology(Write::QueueDeleted(queue))) if queue.is_spilled() => {}
                Some(Replayed::Enqueued { message, queues }) => {
                    let lasts =
                        |queue: &QueueId| !queue.is_spilled() || planted::is(Bug::SpilledComeBack);
                    let lasting = queues.into_iter().filter(|(queue, _)| lasts(queue));
                    let may_expire = encoded_may_expire(message.encoded);
                    for (queue, sequence) in lasting {
                        self.adopt(queue);
                        let entry = entry(sequence, segment, found, &message);
                        self.state.enqueue(queue, entry, may_expire);
                    }
                }
                Some(Replayed::Moved { from, message, mut queues }) => {
                    queues.retain(|(queue, _)| !queue.is_spilled());
                    if self.adopting.is_some() {
                        // Nothing tells any more where it stood: it is taken for a new one.
                        let may_expire = encoded_may_expire(message.encoded);
                        for (queue, sequence) in queues {
                            self.adopt(queue);
                            let entry = entry(sequence, segment, found, &message);
                            self.state.enqueue(queue, entry, may_expire);
                        }
                        continue;
                    }
                    self.relocate(from, &queues, |sequence| {
                        entry(sequence, segment, found, &message)
                    })?;
                }
                Some(Replayed::Settled { queue, first, last }) => {
                    self.state.settle(queue, first, last);
                }
                Some(Replayed::Returned { queue, first, last, count }) => {
                    self.state.come_back(queue, first, last, count);
                }
                Some(Replayed::Delivered { .. }) if planted::is(Bug::DeliveredForgotten) => {}
                Some(Replayed::Delivered { queue, through }) => self.state.deliver(queue, through),
                Some(Replayed::Topology(write)) => {
                    if let (Some(adopting), Write::QueueDeleted(queue)) =
                        (&mut self.adopting, &write)
                    {
                        adopting.deleted.insert(*queue);
                    }
                    self.topology.apply(&write);
                    self.state.change_topology(write);
                }
                None => {
                    let offset = u64::from(found.payload);
                    self.damage(segment, offset, "a write in this record is of an unknown kind");
                }
            }
        }
        Ok(())
    }

    /// A message goes on at another place, for the queues in which it waits at its old one.
    fn relocate(
        &mut self,
        from: Spot,
        queues: &[(QueueId, Sequence)],
        entry: impl Fn(Sequence) -> Entry,
    ) -> Result<(), Error> {
        let old = self.index.entries_at(queues)?;
        for ((queue, sequence), old) in queues.iter().zip(old) {
            if old.is_some_and(|old| old.spot() == from) {
                self.state.relocate(*queue, entry(*sequence));
            }
        }
        Ok(())
    }

    fn adopt(&mut self, queue: QueueId) {
        let Some(adopting) = &self.adopting else { return };
        let queue = queue.declared();
        if !self.state.queues.contains_key(&queue) && !adopting.deleted.contains(&queue) {
            let write = Write::QueueDeclared((adopting.record)(queue));
            self.topology.apply(&write);
            self.state.change_topology(write);
        }
    }

    /// Deletes queues whose name a newer one has: where records are missing, that of the deletion
    /// may be among them. Nobody waits for it if the queue went by itself.
    fn delete_replaced(&mut self) {
        for queue in self.topology.replaced_queues() {
            let deleted = Write::QueueDeleted(queue);
            self.topology.apply(&deleted);
            self.state.change_topology(deleted);
        }
    }

    /// The bytes of a record that begins at `end` but is not whole.
    fn torn_bytes(&self, scan: &mut SegmentScan, end: u32) -> Result<u64, std::io::Error> {
        let left = u64::from(scan.bytes().saturating_sub(end));
        let mut frame = Cursor::new(scan.slice(end, RECORD_HEADER_BYTES as u32)?);
        let (Some(bytes), Some(_), Some(number)) = (frame.u32(), frame.u32(), frame.u64()) else {
            return Ok(0);
        };
        // Zeros, or what an earlier life of the file left: no record was begun here. But a record
        // whose number alone has a flipped bit was.
        let near = (number ^ self.next_record).count_ones() <= 1;
        if !near || (number != self.next_record && !scan.fits_number(end, self.next_record)?) {
            return Ok(0);
        }
        Ok((u64::from(bytes) + RECORD_HEADER_BYTES as u64).min(left))
    }

    /// Deletes a segment that nothing was ever written to.
    fn discard(&mut self, number: u32) -> Result<(), Error> {
        let name = segment::name(number);
        self.state.segments.remove(&number);
        let removed = self.disk.remove(&name);
        removed.map_err(|error| Error::io("delete", &self.disk.path(&name), &error))
    }

    fn damage(&mut self, segment: u32, offset: u64, message: &str) {
        let file = self.disk.path(&segment::name(segment));
        self.report.damaged.push(Damage { file, offset, message: message.to_owned() });
    }
}

fn entry(sequence: Sequence, segment: u32, found: Found, message: &StoredMessage<'_>) -> Entry {
    Entry {
        sequence,
        segment,
        offset: found.payload + message.offset,
        length: message.encoded.len() as u32,
        body_bytes: body_bytes(message.encoded),
    }
}

/// The first whole record behind `offset` whose number is `next` or a little higher.
pub(crate) fn later_record(
    scan: &mut SegmentScan,
    offset: u32,
    next: u64,
) -> Result<Option<Found>, std::io::Error> {
    const NUMBER_AT: u32 = 8;
    let left = scan.bytes().saturating_sub(offset);
    let numbers = next..=next + u64::from(left) / RECORD_HEADER_BYTES as u64;
    let mut at = offset.saturating_add(NUMBER_AT);
    while at < scan.bytes() {
        let length = (scan.bytes() - at).min(REPLAY_WINDOW_BYTES as u32);
        let words = scan.slice(at, length)?.as_chunks::<RECORD_ALIGNMENT>().0;
        let candidates: Vec<u32> = (at..)
            .step_by(RECORD_ALIGNMENT)
            .zip(words)
            .filter(|(_, word)| numbers.contains(&u64::from_le_bytes(**word)))
            .map(|(number_at, _)| number_at - NUMBER_AT)
            .collect();
        for candidate in candidates {
            if let Some(found) = scan.record_at(candidate, numbers.clone())? {
                return Ok(Some(found));
            }
        }
        at = at.saturating_add(length.max(RECORD_ALIGNMENT as u32));
    }
    Ok(None)
}

/// The segment for the log to go on in.
fn usable(
    file: Arc<dyn DiskFile>,
    number: u32,
    header: Option<Header>,
    scan: &SegmentScan,
    end: u32,
) -> Option<Active> {
    let whole = header.is_some_and(|header| header.bytes == u64::from(scan.bytes()));
    whole.then(|| Active { number, file, bytes: scan.bytes(), offset: end })
}

//! The rows that say where waiting messages stand: reading, adding, taking out.
//!
//! A row that does not match its checksum is passed by: what it held is lost, what stands before
//! and behind it is not. Nobody writes to it, so that it can be looked at; it goes with its queue.

use redb::{ReadableTable, Table};
use warren_engine::{QueueId, Sequence};

use super::seal::{Key, seal, unseal};
use crate::delta::{Entry, Freed, Share, Tally};
use crate::entries::Entries;
use crate::limits::ROW_BYTES_FULL;
use crate::planted::{self, Bug};
use crate::ranges::Ranges;
use crate::rows::{self, Packer};

pub(super) type MessagesTable<'a> = Table<'a, (u64, u64), &'static [u8]>;

/// A row, as found.
#[derive(Debug)]
pub(super) enum Row {
    Good {
        key: Sequence,
        entries: Vec<Entry>,
        /// It is so full that nothing is added behind it.
        full: bool,
    },
    /// It cannot be read.
    Bad {
        key: Sequence,
        /// Where the next row begins, if there is one: what it held stood before that.
        next: Option<Sequence>,
    },
}

/// The entries of a row's value.
pub(super) fn opened(
    name: &str,
    queue: QueueId,
    key: Sequence,
    value: &[u8],
) -> Option<Vec<Entry>> {
    let row = unseal(name, Key::Row(queue.0, key), value)?;
    rows::unpack(key, row).filter(|entries| !entries.is_empty())
}

/// The rows of a table, to be read.
#[derive(Debug)]
pub(super) struct Rows<'a, T> {
    pub(super) table: &'a T,
    pub(super) name: &'a str,
}

impl<T: ReadableTable<(u64, u64), &'static [u8]>> Rows<'_, T> {
    /// The key of the last row that begins at or before `sequence`.
    pub(super) fn before(
        &self,
        queue: QueueId,
        sequence: Sequence,
    ) -> Result<Option<Sequence>, redb::Error> {
        match self.table.range((queue.0, 0)..=(queue.0, sequence))?.next_back() {
            Some(row) => Ok(Some(row?.0.value().1)),
            None => Ok(None),
        }
    }

    /// The key of the first row that begins at or behind `sequence`.
    pub(super) fn from(
        &self,
        queue: QueueId,
        sequence: Sequence,
    ) -> Result<Option<Sequence>, redb::Error> {
        match self.table.range((queue.0, sequence)..=(queue.0, Sequence::MAX))?.next() {
            Some(row) => Ok(Some(row?.0.value().1)),
            None => Ok(None),
        }
    }

    pub(super) fn get(&self, queue: QueueId, key: Sequence) -> Result<Option<Row>, redb::Error> {
        let Some(value) = self.table.get((queue.0, key))? else { return Ok(None) };
        let value = value.value();
        Ok(Some(match opened(self.name, queue, key, value) {
            Some(entries) => Row::Good { key, entries, full: value.len() > ROW_BYTES_FULL },
            None => {
                let next = key.checked_add(1).map_or(Ok(None), |next| self.from(queue, next))?;
                Row::Bad { key, next }
            }
        }))
    }

    /// The row that reaches `sequence`, or else the next one.
    pub(super) fn reaching(
        &self,
        queue: QueueId,
        sequence: Sequence,
    ) -> Result<Option<Row>, redb::Error> {
        if let Some(key) = self.before(queue, sequence)? {
            let row = self.get(queue, key)?;
            let reaches = match &row {
                Some(Row::Good { entries, .. }) => {
                    entries.last().is_some_and(|entry| entry.sequence >= sequence)
                }
                Some(Row::Bad { next, .. }) => next.is_none_or(|next| next > sequence),
                None => false,
            };
            if reaches {
                return Ok(row);
            }
        }
        let Some(after) = sequence.checked_add(1) else { return Ok(None) };
        match self.from(queue, after)? {
            Some(key) => self.get(queue, key),
            None => Ok(None),
        }
    }

    /// What the rows hold of a set of places; only rows that hold some are read.
    pub(super) fn tally(
        &self,
        queue: QueueId,
        places: &Ranges,
        bad: &mut Vec<(QueueId, Sequence)>,
    ) -> Result<Tally, redb::Error> {
        let mut tally = Tally::default();
        let mut next = places.next_from(0);
        while let Some(position) = next {
            let Some(row) = self.reaching(queue, position)? else { break };
            if let Row::Good { entries, .. } = &row {
                let inside = entries.iter().filter(|entry| places.contains(entry.sequence));
                inside.for_each(|entry| tally.add(entry));
            }
            next = end_of(&row, queue, position, bad).and_then(|after| places.next_from(after));
        }
        Ok(tally)
    }

    /// The lowest place that the rows hold outside of a set of places.
    pub(super) fn first_outside(
        &self,
        queue: QueueId,
        places: &Ranges,
    ) -> Result<Option<Sequence>, redb::Error> {
        let mut position = 0;
        loop {
            // Rows that lie in one range as a whole are not read.
            if let Some(last) = places.last_around(position) {
                let Some(after) = last.checked_add(1) else { return Ok(None) };
                position = after;
            }
            let (key, next) = match self.reaching(queue, position)? {
                None => return Ok(None),
                Some(Row::Bad { key, .. }) => return Ok(Some(key.max(position))),
                Some(Row::Good { entries, .. }) => {
                    let outside = entries.iter().find(|entry| {
                        entry.sequence >= position && !places.contains(entry.sequence)
                    });
                    let last = entries.last().map_or(position, |entry| entry.sequence);
                    (outside.map(|entry| entry.sequence), last.checked_add(1))
                }
            };
            match (key, next) {
                (Some(found), _) => return Ok(Some(found)),
                (None, Some(next)) => position = next,
                (None, None) => return Ok(None),
            }
        }
    }

    /// The highest place that the rows hold outside of a set of places, below `end`.
    pub(super) fn last_outside(
        &self,
        queue: QueueId,
        places: &Ranges,
        end: Sequence,
    ) -> Result<Option<Sequence>, redb::Error> {
        let mut position = end.saturating_sub(1);
        loop {
            if let Some(first) = places.first_around(position) {
                let Some(before) = first.checked_sub(1) else { return Ok(None) };
                position = before;
            }
            let Some(key) = self.before(queue, position)? else { return Ok(None) };
            match self.get(queue, key)? {
                Some(Row::Good { entries, .. }) => {
                    let outside = entries.iter().rev().find(|entry| {
                        entry.sequence <= position && !places.contains(entry.sequence)
                    });
                    if let Some(entry) = outside {
                        return Ok(Some(entry.sequence));
                    }
                }
                Some(Row::Bad { .. }) => return Ok(Some(position)),
                None => {}
            }
            match key.checked_sub(1) {
                Some(before) => position = before,
                None => return Ok(None),
            }
        }
    }
}

/// Where to look on behind a row that was found for `position`; notes a bad one.
fn end_of(
    row: &Row,
    queue: QueueId,
    position: Sequence,
    bad: &mut Vec<(QueueId, Sequence)>,
) -> Option<Sequence> {
    match row {
        Row::Good { entries, .. } => {
            let last = entries.last().map_or(position, |entry| entry.sequence.max(position));
            last.checked_add(1)
        }
        Row::Bad { key, next } => {
            bad.push((queue, *key));
            *next
        }
    }
}

/// The rows of a table while a checkpoint changes them.
#[derive(Debug)]
pub(super) struct RowsMut<'a> {
    table: MessagesTable<'a>,
    name: &'static str,
    /// What left.
    pub(super) freed: Freed,
    /// What came.
    pub(super) added: Freed,
    /// Rows that cannot be read, by their keys.
    pub(super) bad: Vec<(QueueId, Sequence)>,
}

impl<'a> RowsMut<'a> {
    pub(super) fn new(table: MessagesTable<'a>, name: &'static str) -> Self {
        let (freed, added) = (Freed::default(), Freed::default());
        Self { table, name, freed, added, bad: Vec::new() }
    }

    fn rows(&self) -> Rows<'_, MessagesTable<'a>> {
        Rows { table: &self.table, name: self.name }
    }

    /// Takes all rows of a queue out, with those that cannot be read.
    pub(super) fn remove_all(&mut self, queue: QueueId) -> Result<(), redb::Error> {
        let mut from = 0;
        while let Some(key) = self.rows().from(queue, from)? {
            match self.rows().get(queue, key)? {
                Some(Row::Good { entries, .. }) => {
                    for entry in &entries {
                        self.freed.add(entry.segment, Share::of(entry));
                    }
                }
                Some(Row::Bad { .. }) => self.bad.push((queue, key)),
                None => {}
            }
            self.table.remove((queue.0, key))?;
            match key.checked_add(1) {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Takes the settled messages out. Each row is touched once, whatever the number of ranges in
    /// it, and rows between the ranges are not read.
    pub(super) fn remove_settled(
        &mut self,
        queue: QueueId,
        settled: &Ranges,
    ) -> Result<Tally, redb::Error> {
        let mut gone = Tally::default();
        let mut next = settled.next_from(0);
        while let Some(position) = next {
            let Some(row) = self.rows().reaching(queue, position)? else { break };
            let after = end_of(&row, queue, position, &mut self.bad);
            if let Row::Good { key, mut entries, .. } = row {
                let before = entries.len();
                entries.retain(|entry| {
                    let stays = !settled.contains(entry.sequence);
                    if !stays {
                        gone.add(entry);
                        self.freed.add(entry.segment, Share::of(entry));
                    }
                    stays
                });
                if entries.len() < before {
                    if planted::is(Bug::RowLosesLast) {
                        entries.pop();
                    }
                    if entries.first().is_none_or(|entry| entry.sequence != key) {
                        self.table.remove((queue.0, key))?;
                    }
                    self.put(queue, &mut Packer::default(), entries.iter())?;
                }
            }
            next = after.and_then(|after| settled.next_from(after));
        }
        Ok(gone)
    }

    /// Adds messages, which are in order: each together with the row in front of it if that has
    /// room or reaches behind it. Gives what came and what was replaced.
    pub(super) fn add(
        &mut self,
        queue: QueueId,
        entries: &Entries,
    ) -> Result<(Tally, Tally), redb::Error> {
        let (mut came, mut replaced) = (Tally::default(), Tally::default());
        let mut added = entries.iter().inspect(|entry| came.add(entry)).copied().peekable();
        while let Some(first) = added.peek().map(|entry| entry.sequence) {
            let before = self.rows().before(queue, first)?;
            let behind = first.checked_add(1).map_or(Ok(None), |at| self.rows().from(queue, at))?;
            let end = behind.unwrap_or(Sequence::MAX);
            let row = match before {
                Some(key) => self.rows().get(queue, key)?,
                None => None,
            };
            let mut old = Vec::new().into_iter().peekable();
            match row {
                Some(Row::Good { key, entries, full })
                    if !full || entries.last().is_some_and(|last| last.sequence >= first) =>
                {
                    self.table.remove((queue.0, key))?;
                    old = entries.into_iter().peekable();
                }
                Some(Row::Bad { key, .. }) => self.bad.push((queue, key)),
                Some(Row::Good { .. }) | None => {}
            }
            let mut packer = Packer::default();
            while let Some(entry) = added.next_if(|entry| entry.sequence < end) {
                self.added.add(entry.segment, Share::of(&entry));
                while let Some(other) = old.next_if(|other| other.sequence < entry.sequence) {
                    self.push(queue, &mut packer, &other)?;
                }
                if let Some(other) = old.next_if(|other| other.sequence == entry.sequence) {
                    replaced.add(&other);
                    self.freed.add(other.segment, Share::of(&other));
                }
                self.push(queue, &mut packer, &entry)?;
            }
            let rest: Vec<Entry> = old.collect();
            self.put(queue, &mut packer, rest.iter())?;
            if end == Sequence::MAX {
                break;
            }
        }
        drop(added);
        Ok((came, replaced))
    }

    fn push(
        &mut self,
        queue: QueueId,
        packer: &mut Packer,
        entry: &Entry,
    ) -> Result<(), redb::Error> {
        match packer.push(entry) {
            Some((first, row)) => self.insert(queue, first, row),
            None => Ok(()),
        }
    }

    /// Packs entries and writes the last row.
    fn put<'e>(
        &mut self,
        queue: QueueId,
        packer: &mut Packer,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Result<(), redb::Error> {
        for entry in entries {
            self.push(queue, packer, entry)?;
        }
        match packer.finish() {
            Some((first, row)) => self.insert(queue, first, row),
            None => Ok(()),
        }
    }

    fn insert(
        &mut self,
        queue: QueueId,
        first: Sequence,
        mut row: Vec<u8>,
    ) -> Result<(), redb::Error> {
        seal(self.name, Key::Row(queue.0, first), &mut row);
        self.table.insert((queue.0, first), row.as_slice())?;
        Ok(())
    }
}

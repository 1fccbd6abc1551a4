//! Rows of the index: many entries of one queue packed into one value.
//!
//! The key of a row is the queue and the first entry's place. For each entry the row holds, as
//! numbers of variable length and relative to the entry before: how much higher the place is, how
//! much higher the segment is (signed), the offset (relative and signed in the same segment,
//! absolute in another one), the encoded length, and what of it is not body. An entry that follows
//! its predecessor takes about seven bytes.

use warren_engine::Sequence;

use crate::bytes::{Cursor, put_number, put_signed};
use crate::delta::Entry;
use crate::limits::ROW_BYTES_MAX;

/// A packed entry takes at most this many bytes.
const ENTRY_BYTES_MAX: usize = 40;

/// Packs entries, which come in order, into rows.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    row: Option<(Sequence, Vec<u8>, Entry)>,
}

impl Packer {
    /// Adds an entry. Gives the row before if it is full: its first place and its value.
    pub(crate) fn push(&mut self, entry: &Entry) -> Option<(Sequence, Vec<u8>)> {
        if let Some((_, row, before)) = &mut self.row
            && row.len() + ENTRY_BYTES_MAX <= ROW_BYTES_MAX
        {
            put_entry(row, before, entry);
            *before = *entry;
            return None;
        }
        let full = self.finish();
        let mut row = Vec::with_capacity(64);
        put_entry(&mut row, &start(entry.sequence), entry);
        self.row = Some((entry.sequence, row, *entry));
        full
    }

    /// The last row.
    pub(crate) fn finish(&mut self) -> Option<(Sequence, Vec<u8>)> {
        self.row.take().map(|(first, row, _)| (first, row))
    }
}

/// The entries of a row; None if the bytes are not a row.
pub(crate) fn unpack(first: Sequence, row: &[u8]) -> Option<Vec<Entry>> {
    let mut cursor = Cursor::new(row);
    let mut entries = Vec::with_capacity(row.len() / 6);
    let mut before = start(first);
    while !cursor.is_empty() {
        before = entry(&mut cursor, &before)?;
        entries.push(before);
    }
    Some(entries)
}

/// What the first entry of a row is relative to.
fn start(sequence: Sequence) -> Entry {
    Entry { sequence, segment: 0, offset: 0, length: 0, body_bytes: 0 }
}

fn put_entry(row: &mut Vec<u8>, before: &Entry, entry: &Entry) {
    put_number(row, entry.sequence.saturating_sub(before.sequence));
    put_signed(row, i64::from(entry.segment) - i64::from(before.segment));
    let from = if entry.segment == before.segment { i64::from(before.offset) } else { 0 };
    put_signed(row, i64::from(entry.offset) - from);
    put_number(row, u64::from(entry.length));
    put_number(row, u64::from(entry.length.saturating_sub(entry.body_bytes)));
}

fn entry(cursor: &mut Cursor<'_>, before: &Entry) -> Option<Entry> {
    let sequence = before.sequence.checked_add(cursor.number()?)?;
    let segment = i64::from(before.segment).checked_add(cursor.signed()?)?;
    let segment = u32::try_from(segment).ok()?;
    let from = if segment == before.segment { i64::from(before.offset) } else { 0 };
    let offset = u32::try_from(from.checked_add(cursor.signed()?)?).ok()?;
    let length = cursor.number_u32()?;
    let body_bytes = length.checked_sub(cursor.number_u32()?)?;
    Some(Entry { sequence, segment, offset, length, body_bytes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let one = (1_u64..1 << 40, 1_u32..5, any::<u32>(), any::<u32>(), any::<u32>());
        proptest::collection::vec(one, 0..600).prop_map(|many| {
            let mut sequence = 0;
            many.into_iter()
                .map(|(gap, segment, offset, length, rest)| {
                    sequence += if gap % 3 == 0 { gap } else { 1 };
                    let body_bytes = length - rest.min(length);
                    Entry { sequence, segment, offset, length, body_bytes }
                })
                .collect()
        })
    }

    fn pack(entries: &[Entry]) -> Vec<(Sequence, Vec<u8>)> {
        let mut packer = Packer::default();
        let mut rows: Vec<_> = entries.iter().filter_map(|entry| packer.push(entry)).collect();
        rows.extend(packer.finish());
        rows
    }

    proptest! {
        #[test]
        fn packed_entries_come_back_and_rows_fit_a_page(entries in entries()) {
            let rows = pack(&entries);
            let mut back = Vec::new();
            for (first, row) in &rows {
                prop_assert!(row.len() <= ROW_BYTES_MAX);
                let unpacked = unpack(*first, row).expect("a row");
                prop_assert_eq!(unpacked[0].sequence, *first);
                back.extend(unpacked);
            }
            prop_assert_eq!(back, entries);
        }
    }

    #[test]
    fn neighbours_take_few_bytes() {
        let entries: Vec<Entry> = (0..5_000)
            .map(|number| Entry {
                sequence: 1_000_000 + u64::from(number),
                segment: 12,
                offset: number * 1_080,
                length: 1_060,
                body_bytes: 1_024,
            })
            .collect();
        let bytes: usize = pack(&entries).iter().map(|(_, row)| row.len()).sum();
        assert!(bytes <= 8 * entries.len(), "{bytes} bytes for {} entries", entries.len());
    }
}

//! Where single messages stand: for many places at a time, so that neighbours share a row.

use redb::{ReadableDatabase, ReadableTable};
use rustc_hash::FxHashMap;
use warren_engine::{QueueId, Sequence};

use super::messages::{Row, Rows};
use super::{Index, MESSAGES, MESSAGES_NAME, SPILLED, SPILLED_NAME};
use crate::Error;
use crate::delta::Entry;

/// What the rows of a queue hold from `first` on, up to below `end`: one row, and the gap behind.
#[derive(Debug)]
struct Stretch {
    first: Sequence,
    end: Option<Sequence>,
    entries: Vec<Entry>,
}

impl Stretch {
    fn holds(&self, place: Sequence) -> bool {
        place >= self.first && self.end.is_none_or(|end| place < end)
    }

    fn entry(&self, place: Sequence) -> Option<Entry> {
        let at = self.entries.binary_search_by_key(&place, |entry| entry.sequence).ok()?;
        self.entries.get(at).copied()
    }
}

impl Index {
    /// What the rows hold at each of these places; None where there is nothing, or a row that
    /// cannot be read.
    pub(crate) fn entries_at(
        &self,
        places: &[(QueueId, Sequence)],
    ) -> Result<Vec<Option<Entry>>, Error> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        self.read("read", |index| {
            let transaction = index.database()?.begin_read()?;
            let (lasting, spilled) =
                (transaction.open_table(MESSAGES)?, transaction.open_table(SPILLED)?);
            let lasting = Rows { table: &lasting, name: MESSAGES_NAME };
            let spilled = Rows { table: &spilled, name: SPILLED_NAME };
            let mut known: FxHashMap<QueueId, Stretch> = FxHashMap::default();
            let mut found = Vec::with_capacity(places.len());
            for &(queue, place) in places {
                if let Some(stretch) = known.get(&queue).filter(|one| one.holds(place)) {
                    found.push(stretch.entry(place));
                    continue;
                }
                let rows = if queue.is_spilled() { &spilled } else { &lasting };
                let stretch = stretch(rows, queue, place)?;
                found.push(stretch.entry(place));
                known.insert(queue, stretch);
            }
            Ok(found)
        })
    }
}

/// The stretch that holds a place.
fn stretch<T: ReadableTable<(u64, u64), &'static [u8]>>(
    rows: &Rows<'_, T>,
    queue: QueueId,
    place: Sequence,
) -> Result<Stretch, redb::Error> {
    let end = place.checked_add(1).map_or(Ok(None), |after| rows.from(queue, after))?;
    let Some(first) = rows.before(queue, place)? else {
        return Ok(Stretch { first: 0, end, entries: Vec::new() });
    };
    let entries = match rows.get(queue, first)? {
        Some(Row::Good { entries, .. }) => entries,
        Some(Row::Bad { .. }) | None => Vec::new(),
    };
    Ok(Stretch { first, end, entries })
}

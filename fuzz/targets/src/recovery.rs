//! Opening a store whose files were damaged: it never panics, nothing is loaded that was not
//! written, and what is missing from the log is reported or was its end.
//!
//! The first byte says what is done to a small store: with 0 to 127 the rest is a list of changes
//! to its segments, with 128 to 191 to its database as well; above that the rest is the payload of
//! a record that is put behind the log, with a checksum that fits.

mod store;

use arbitrary::{Result, Unstructured};
use warren_engine::{Load, QueueId, Sequence};
use warren_storage::fault::SimulatedDisk;
use warren_storage::{Disk, Opened, fuzzing};

use self::store::{LOG_KEY, Store, options};

/// Changes of one input.
const CHANGES_MAX: usize = 12;

/// Runs the checks on one input.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let store = store::store(kind % 2 == 0);
    let disk = store.disk();
    match kind {
        0..=127 => {
            change(&disk, store, rest, &store.segments);
            check(&disk, store, rest.is_empty());
        }
        128..=191 => {
            let all = [store.segments.as_slice(), &store.databases].concat();
            change(&disk, store, rest, &all);
            check(&disk, store, rest.is_empty());
        }
        _ => {
            let record = fuzzing::sealed(rest, LOG_KEY, store.last_segment, store.records + 1);
            disk.damage(&store.last_name(), store.end, &record);
            open_all(&disk, store);
        }
    }
}

/// Applies the changes that the bytes describe; without bytes there are none.
fn change(disk: &SimulatedDisk, store: &Store, data: &[u8], names: &[String]) {
    let mut bytes = Unstructured::new(data);
    for _ in 0..CHANGES_MAX {
        if bytes.is_empty() || change_one(disk, store, &mut bytes, names).is_err() {
            return;
        }
    }
}

fn change_one(
    disk: &SimulatedDisk,
    store: &Store,
    bytes: &mut Unstructured<'_>,
    names: &[String],
) -> Result<()> {
    let name = bytes.choose(names)?;
    let content = disk.content(name);
    let places = store.places(name);
    let at = if places.is_empty() { 0 } else { *bytes.choose(places)? };
    let is_segment = store.segments.contains(name);
    let kinds = if is_segment { 9 } else { 5_u8 };
    match bytes.int_in_range(0..=kinds)? {
        0..=3 => {
            let byte = content.get(at).copied().unwrap_or_default();
            disk.damage(name, at, &[byte ^ 1 << bytes.int_in_range(0..=7_u8)?]);
        }
        4 | 5 => {
            let left = store::PAGE_BYTES - at % store::PAGE_BYTES;
            let length = bytes.int_in_range(0..=16_usize)?.min(left).min(bytes.len());
            disk.damage(name, at, bytes.bytes(length)?);
        }
        6 => disk.damage(name, at, &vec![0; bytes.int_in_range(1..=600_usize)?]),
        7 => {
            let file = disk.open(name).map_err(|_| arbitrary::Error::IncorrectFormat)?;
            file.set_len(at as u64).expect("the disk works");
        }
        8 => {
            // A piece of one place at another one, as a write gone astray.
            let from = if places.is_empty() { 0 } else { *bytes.choose(places)? };
            let length = bytes.int_in_range(1..=800_usize)?;
            let end = (from + length).min(content.len());
            disk.damage(name, at, content.get(from..end).unwrap_or_default());
        }
        _ if bytes.ratio(1, 2)? => {
            disk.remove(name).map_err(|_| arbitrary::Error::IncorrectFormat)?;
        }
        _ => {
            let other = bytes.choose(&store.segments)?;
            let target = disk.create(other).expect("the disk works");
            target.write_at(0, &content).expect("the disk works");
        }
    }
    Ok(())
}

/// What could be read of a queue: places and encoded messages, and how many are named as damaged.
type Contents = (Vec<(Sequence, Vec<u8>)>, usize);

/// Opens the store and loads all that waits. None if it cannot be opened.
fn open_all(disk: &SimulatedDisk, store: &Store) -> Option<(Opened, Vec<(QueueId, Contents)>)> {
    let opened = match warren_storage::open_on(std::sync::Arc::new(disk.clone()), options()) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let contents = store.queues().map(|queue| (queue, load(&opened, queue))).collect();
    Some((opened, contents))
}

fn load(opened: &Opened, queue: QueueId) -> Contents {
    let (mut found, mut damaged, mut first) = (vec![], 0, 1);
    loop {
        let load = Load { queue, first, last: Sequence::MAX, messages_max: 5, only: None };
        let Ok(loaded) = opened.reader.load(&load, 400) else { return (found, damaged + 1) };
        damaged += loaded.damaged.len() + loaded.damaged_rows.len();
        let messages = loaded.messages.into_iter();
        found.extend(messages.map(|(place, message)| (place, message.encoded().to_vec())));
        if loaded.through == Sequence::MAX {
            return (found, damaged);
        }
        assert!(loaded.through >= first, "a load from {first} on ends at {}", loaded.through);
        first = loaded.through + 1;
    }
}

/// Opens the store, and holds what is there against what was written: each message stands at its
/// place, and what is missing was reported or stood at the end of the log.
fn check(disk: &SimulatedDisk, store: &Store, is_whole: bool) {
    let Some((opened, contents)) = open_all(disk, store) else { return };
    let mut reported = !opened.report.damaged.is_empty();
    let mut missing = vec![];
    let mut last_found = 0;
    for (queue, (found, damaged)) in contents {
        reported |= damaged > 0;
        assert!(found.is_sorted_by(|a, b| a.0 < b.0), "places out of order");
        for (place, encoded) in &found {
            let written = store.message(queue, *place);
            assert_eq!(written, Some(encoded.as_slice()), "place {place} of {queue:?}");
        }
        for waiting in store.waiting(queue) {
            match found.iter().any(|(place, _)| *place == waiting.place) {
                true => last_found = last_found.max(waiting.record),
                false => missing.push(waiting),
            }
        }
    }
    assert!(!is_whole || (missing.is_empty() && !reported), "nothing was changed");
    if reported {
        return;
    }
    // Without a report only the end of the log may be missing, as after a power cut.
    for waiting in missing {
        assert!(waiting.record > last_found, "{waiting:?} is missing and not reported");
    }
}

//! Single flipped bits anywhere in the files of a store: nothing wrong is delivered, and what is
//! missing was named.

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use warren_engine::{Load, QueueId, Sequence, Write};
use warren_storage::fault::{SimulatedDisk, Survival};
use warren_storage::{Damage, Error, Loaded, Opened};

use crate::harness::{open, options};
use crate::model::{HOST, Model, Random, declared, delivered, enqueued, settled};

const QUEUES: u32 = 3;

/// Several queues and bindings, two segments, a part in the database and a part in the log alone.
fn store(disk: &SimulatedDisk) -> Model {
    let mut opened = open(disk).expect("the store opens");
    let mut model = Model::default();
    let mut flush = |opened: &mut Opened, write| {
        model.apply(&write);
        opened.log.append(&[write]).expect("no fault");
        opened.log.flush(true).expect("no fault");
    };
    (1..=QUEUES).for_each(|counter| flush(&mut opened, declared(counter)));
    for sequence in 1..=60 {
        let queues: Vec<_> =
            (1..=QUEUES).map(|counter| (QueueId::new(HOST, counter), sequence)).collect();
        let body = format!("<{sequence}>").repeat(80);
        flush(&mut opened, enqueued(body.as_bytes(), &queues));
        if sequence == 40 {
            flush(&mut opened, settled(queues[1].0, 5, 9));
            flush(&mut opened, delivered(queues[2].0, 12));
            let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
            let outcome = opened.checkpointer.run(&delta).expect("no fault");
            opened.log.finish_checkpoint(outcome).expect("no fault");
        }
    }
    flush(&mut opened, settled(QueueId::new(HOST, 1), 1, 3));
    model
}

/// Opens and reads everything; the text says what was wrong and not named.
fn check(disk: &SimulatedDisk, model: &Model) -> Result<(), String> {
    let opened = match open(disk) {
        Ok(opened) => opened,
        Err(error @ Error::Io { .. }) => return Err(format!("not taken for damage: {error}")),
        Err(error) if error.to_string().contains("warren.redb") => return Ok(()),
        Err(error) if error.to_string().contains(".seg") => return Ok(()),
        Err(error) => return Err(format!("the file is not named: {error}")),
    };
    let mut named = !opened.report.damaged.is_empty() || opened.report.cut_tail_bytes > 0;
    let mut missing = model.compare(&opened.recovered).err();
    for (queue, expected) in &model.queues {
        let load = Load {
            queue: *queue,
            first: 1,
            last: Sequence::MAX,
            messages_max: u32::MAX,
            only: None,
        };
        let loaded = match opened.reader.load(&load, usize::MAX) {
            Ok(loaded) => loaded,
            Err(error) if error.to_string().contains("warren.redb") => {
                named = true;
                continue;
            }
            Err(error) => return Err(format!("the file is not named: {error}")),
        };
        named |= !loaded.damaged.is_empty() || !loaded.damaged_rows.is_empty();
        for (place, message) in &loaded.messages {
            // A settlement that is damaged brings back what it settled.
            let is_back = !expected.messages.contains_key(place) && named;
            if !is_back
                && expected.messages.get(place).map(Vec::as_slice) != Some(message.encoded())
            {
                return Err(format!("message {place} of {queue:?} is wrong"));
            }
        }
        if loaded.messages.len() < expected.messages.len() {
            missing = Some(format!("messages of {queue:?} are missing"));
        }
    }
    match missing {
        Some(text) if !named => Err(text),
        _ => Ok(()),
    }
}

#[test]
fn a_flipped_bit_is_named_and_nothing_wrong_is_delivered() {
    let whole = SimulatedDisk::new();
    let model = store(&whole);
    check(&whole.after_power_cut(Survival::Everything, 0), &model).expect("nothing is flipped");
    let mut random = Random(1);
    let mut failures = Vec::new();
    for name in whole.names() {
        let content = whole.content(&name);
        let used: Vec<usize> = (0..content.len()).filter(|at| content[*at] != 0).collect();
        for _ in 0..900 {
            // Mostly where something stands, and sometimes in between.
            let at = match random.below(8) {
                0 if !content.is_empty() => random.below(content.len() as u64) as usize,
                _ => random.pick(&used).unwrap_or_default(),
            };
            let Some(byte) = content.get(at) else { continue };
            let bit = random.below(8);
            let disk = whole.after_power_cut(Survival::Everything, 0);
            disk.damage(&name, at, &[byte ^ (1 << bit)]);
            if let Err(text) = check(&disk, &model) {
                failures.push(format!("{name}, byte {at}, bit {bit}: {text}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

const MESSAGES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("messages");
const STANDINGS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("standings");
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("queues");
const LAST: Sequence = 2_000;

/// A folder with two queues of some rows each, and its database without the store.
fn folder() -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = warren_storage::open(folder.path(), options()).expect("the store opens");
    let mut writes: Vec<Write> = vec![declared(1), declared(2)];
    for at in 1..=LAST {
        let queues = [(QueueId::new(HOST, 1), at), (QueueId::new(HOST, 2), at)];
        writes.push(enqueued(b"body", &queues));
    }
    opened.log.append(&writes).expect("no fault");
    opened.log.flush(true).expect("no fault");
    checkpoint(&mut opened);
    drop(opened);
    let database = Database::open(folder.path().join("warren.redb")).expect("a database");
    (folder, database)
}

fn checkpoint(opened: &mut Opened) {
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
    let outcome = opened.checkpointer.run(&delta).expect("no fault");
    opened.log.finish_checkpoint(outcome).expect("no fault");
}

/// Flips a bit in the value of a key.
fn flip<K: redb::Key + 'static>(
    database: &Database,
    table: TableDefinition<'_, K, &'static [u8]>,
    key: &K::SelfType<'_>,
) {
    let transaction = database.begin_write().expect("no fault");
    {
        let mut table = transaction.open_table(table).expect("a table");
        let found = table.get(key).expect("no fault").map(|value| value.value().to_vec());
        let mut value = found.expect("a value");
        let middle = value.len() / 2;
        value[middle] ^= 4;
        table.insert(key, value.as_slice()).expect("no fault");
    }
    transaction.commit().expect("no fault");
}

fn load_all(opened: &Opened, counter: u32) -> Loaded {
    let queue = QueueId::new(HOST, counter);
    let load = Load { queue, first: 1, last: LAST, messages_max: u32::MAX, only: None };
    opened.reader.load(&load, usize::MAX).expect("no fault")
}

fn texts(damaged: &[Damage]) -> String {
    damaged.iter().map(|one| format!("{}: {}\n", one.file.display(), one.message)).collect()
}

#[test]
fn a_damaged_row_loses_its_messages_only_and_a_load_goes_on_behind_it() {
    let (folder, database) = folder();
    let queue = QueueId::new(HOST, 1).0;
    let keys: Vec<u64> = {
        let table = database.begin_read().expect("no fault").open_table(MESSAGES).expect("a table");
        let rows = table.range((queue, 0)..(queue, u64::MAX)).expect("no fault");
        rows.map(|row| row.expect("a row").0.value().1).collect()
    };
    assert!(keys.len() >= 3, "{} rows", keys.len());
    flip(&database, MESSAGES, &(queue, keys[1]));
    drop(database);
    let mut opened = warren_storage::open(folder.path(), options()).expect("the store opens");
    assert!(texts(&opened.report.damaged).contains("messages"), "{:?}", opened.report);
    let lost = keys[2] - keys[1];
    let found = load_all(&opened, 1);
    let expected: Vec<Sequence> = (1..keys[1]).chain(keys[2]..=LAST).collect();
    assert_eq!(found.messages.iter().map(|(at, _)| *at).collect::<Vec<_>>(), expected);
    assert_eq!((found.damaged_rows.len(), found.through), (1, LAST));
    assert!(texts(&found.damaged_rows).contains(&format!("({queue}, {})", keys[1])));
    assert_eq!(load_all(&opened, 2).messages.len() as u64, LAST);
    assert_eq!(opened.recovered.queues[0].waiting.messages, LAST - lost);
    // Settling goes on over it.
    let all = settled(QueueId::new(HOST, 1), 1, LAST);
    opened.log.append(&[all, Write::QueueDeleted(QueueId::new(HOST, 2))]).expect("no fault");
    opened.log.flush(true).expect("no fault");
    checkpoint(&mut opened);
    drop(opened);
    let opened = warren_storage::open(folder.path(), options()).expect("the store opens");
    assert_eq!(opened.recovered.queues[0].waiting.messages, 0);
}

#[test]
fn a_damaged_standing_is_counted_anew_and_its_messages_pass_for_delivered() {
    let (folder, database) = folder();
    flip(&database, STANDINGS, &QueueId::new(HOST, 1).0);
    drop(database);
    for is_named in [true, false] {
        let opened = warren_storage::open(folder.path(), options()).expect("the store opens");
        assert_eq!(texts(&opened.report.damaged).contains("standings"), is_named);
        let found = &opened.recovered.queues[0];
        assert_eq!((found.waiting.messages, found.waiting.last), (LAST, LAST));
        assert_eq!((found.next_sequence, found.delivered_through), (LAST + 1, LAST));
        assert_eq!(opened.recovered.queues[1].delivered_through, 0);
        assert_eq!(load_all(&opened, 1).messages.len() as u64, LAST);
    }
}

#[test]
fn a_damaged_record_of_a_queue_loses_that_queue_only() {
    let (folder, database) = folder();
    flip(&database, RECORDS, &QueueId::new(HOST, 1).0);
    drop(database);
    let mut opened = warren_storage::open(folder.path(), options()).expect("the store opens");
    assert!(texts(&opened.report.damaged).contains("table queues"), "{:?}", opened.report);
    let [found] = opened.recovered.queues.as_slice() else { panic!("one queue is left") };
    assert_eq!(found.waiting.messages, LAST);
    assert_eq!(load_all(&opened, 2).messages.len() as u64, LAST);
    // Its number is given again: what stood under it must not come back.
    opened.log.append(&[declared(1)]).expect("no fault");
    opened.log.flush(true).expect("no fault");
    assert!(load_all(&opened, 1).messages.is_empty());
    checkpoint(&mut opened);
    drop(opened);
    let opened = warren_storage::open(folder.path(), options()).expect("the store opens");
    assert_eq!(opened.recovered.queues[0].waiting.messages, 0);
    assert!(load_all(&opened, 1).messages.is_empty());
}

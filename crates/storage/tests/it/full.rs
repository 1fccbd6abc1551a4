//! A full disk: what was flushed stays, what was not waits, and all goes on when there is room.

use warren_engine::{QueueId, QueueRecord, Write};
use warren_storage::fault::{Operation, SimulatedDisk, Survival};
use warren_storage::{Error, Opened};

use crate::harness::{History, check_contents, drive, open, options};
use crate::model::{Generator, HOST, Model, Random, declared, enqueued, queue_record, settled};

/// Room for some segments and the database.
const SMALL_DISK_BYTES: u64 = 8 << 20;

fn queue() -> QueueId {
    QueueId::new(HOST, 1)
}

/// A store with queue 1 on a small disk.
fn small_store(disk: &SimulatedDisk) -> (Opened, Model) {
    let mut opened = open(disk).expect("the store opens");
    let mut model = Model::default();
    model.apply(&declared(1));
    flush(&mut opened, declared(1)).expect("there is room");
    assert!(disk.used_bytes() < SMALL_DISK_BYTES, "{} are used", disk.used_bytes());
    disk.limit_bytes(SMALL_DISK_BYTES);
    (opened, model)
}

fn flush(opened: &mut Opened, write: Write) -> Result<(), Error> {
    opened.log.append(&[write])?;
    opened.log.flush(true)
}

fn checkpoint(opened: &mut Opened) -> Result<(), Error> {
    if let Some(delta) = opened.log.begin_checkpoint()? {
        let outcome = opened.checkpointer.run(&delta)?;
        opened.log.finish_checkpoint(outcome)?;
    }
    Ok(())
}

/// Publishes from place `first` on until there is no room; gives the message that waits for it.
fn fill(opened: &mut Opened, model: &mut Model, first: u64) -> (u64, Write) {
    for sequence in first..first + 10_000 {
        let write = enqueued(&[sequence as u8; 3_000], &[(queue(), sequence)]);
        match flush(opened, write.clone()) {
            Ok(()) => model.apply(&write),
            Err(error) => {
                assert!(error.is_full(), "{error}");
                return (sequence, write);
            }
        }
    }
    panic!("the disk is never full");
}

#[test]
fn a_record_that_found_no_room_is_written_when_there_is_some() {
    let disk = SimulatedDisk::new();
    let (mut opened, mut model) = small_store(&disk);
    let (last, waiting) = fill(&mut opened, &mut model, 1);
    assert!(last > 1_000, "only {last} messages fitted");
    assert!(!disk.names().contains(&"reserve".to_owned()), "the reserve was given up");
    for _ in 0..3 {
        assert!(opened.log.flush(true).expect_err("the disk is full").is_full());
    }
    check_contents(&opened.reader, &model).expect("what was flushed can be read");
    // What was not flushed is nowhere, also after a power cut.
    let after = open(&disk.after_power_cut(Survival::Torn, 7)).expect("the store opens");
    model.compare(&after.recovered).expect("just what was flushed");

    disk.limit_bytes(2 * SMALL_DISK_BYTES);
    opened.log.flush(true).expect("there is room");
    model.apply(&waiting);
    let more = enqueued(b"more", &[(queue(), last + 1)]);
    flush(&mut opened, more.clone()).expect("there is room");
    model.apply(&more);
    check_contents(&opened.reader, &model).expect("the same messages");
    drop(opened);
    let opened = open(&disk).expect("the store opens");
    assert!(opened.report.damaged.is_empty(), "{:?}", opened.report.damaged);
    model.compare(&opened.recovered).expect("everything is there");
    check_contents(&opened.reader, &model).expect("everything is there");
}

#[test]
fn what_is_settled_on_a_full_disk_makes_room_by_a_checkpoint() {
    for seed in 0..20 {
        let disk = SimulatedDisk::new();
        let (mut opened, mut model) = small_store(&disk);
        // Publishers stop a little before the end, as an alarm makes them.
        let mut last = 0;
        while opened.log.room().free_bytes().expect("a number").expect("open") > 200_000 {
            last += 1;
            let write = enqueued(&[last as u8; 3_000], &[(queue(), last)]);
            flush(&mut opened, write.clone()).expect("there is room");
            model.apply(&write);
        }
        let mut random = Random(seed);
        let mut next = 1;
        while next <= last {
            let through = (next + random.below(100)).min(last);
            let write = settled(queue(), next, through);
            flush(&mut opened, write.clone()).expect("acknowledgements go on");
            model.apply(&write);
            if random.below(4) == 0 {
                checkpoint(&mut opened).expect("checkpoints go on");
                while opened.checkpointer.prepare_spare().is_ok_and(|more| more) {}
            }
            next = through + 1;
        }
        checkpoint(&mut opened).expect("checkpoints go on");
        while opened.checkpointer.prepare_spare().expect("there is room") {}
        let free = opened.log.room().free_bytes().expect("a number").expect("open");
        assert!(free > SMALL_DISK_BYTES / 2, "only {free} bytes came back");
        let (again, _) = fill(&mut opened, &mut model, last + 1);
        assert!(again - last > last / 2, "{} of {last} messages fit again", again - last);
        drop(opened);
        disk.limit_bytes(u64::MAX);
        let opened = open(&disk).expect("the store opens");
        model.compare(&opened.recovered).expect("the same state");
    }
}

/// So many declared queues take far more than the small disk when they enter the database.
fn large_topology() -> Vec<Write> {
    let long = |counter| QueueRecord { name: "long".repeat(200), ..queue_record(counter) };
    (2..9_000).map(|counter| Write::QueueDeclared(long(counter))).collect()
}

#[test]
fn a_checkpoint_that_found_no_room_is_made_when_there_is_some() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).expect("the store opens");
    let mut model = Model::default();
    let first = [declared(1), enqueued(b"early", &[(queue(), 1)])];
    let later = [enqueued(b"late", &[(queue(), 2)])];
    for writes in [&first[..], &large_topology(), &later[..]] {
        if writes.len() > 2 {
            checkpoint(&mut opened).expect("there is room");
        }
        opened.log.append(writes).expect("no fault");
        opened.log.flush(true).expect("the log has room");
        writes.iter().for_each(|write| model.apply(write));
    }
    let full = disk.used_bytes();
    disk.limit_bytes(full);
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
    for _ in 0..3 {
        let error = opened.checkpointer.run(&delta).expect_err("the database cannot grow");
        assert!(error.is_full(), "{error}");
        // The index was opened again: both what is in it and what is to enter it can be read.
        check_contents(&opened.reader, &model).expect("the same messages");
    }
    let settled = settled(queue(), 1, 1);
    flush(&mut opened, settled.clone()).expect("the log goes on");
    model.apply(&settled);
    disk.limit_bytes(u64::MAX);
    let outcome = opened.checkpointer.run(&delta).expect("there is room");
    opened.log.finish_checkpoint(outcome).expect("no fault");
    check_contents(&opened.reader, &model).expect("the same messages");
    checkpoint(&mut opened).expect("there is room");
    drop(opened);
    let opened = open(&disk).expect("the store opens");
    model.compare(&opened.recovered).expect("the same state");
    check_contents(&opened.reader, &model).expect("the same messages");
}

#[test]
fn a_spare_segment_that_finds_no_room_takes_none() {
    let disk = SimulatedDisk::new();
    let (mut opened, mut model) = small_store(&disk);
    fill(&mut opened, &mut model, 1);
    disk.limit_bytes(disk.used_bytes() + options().segment_bytes / 2);
    let before = disk.used_bytes();
    let error = opened.checkpointer.prepare_spare().expect_err("there is no room for it");
    assert!(error.is_full(), "{error}");
    assert_eq!(disk.used_bytes(), before);
    assert!(!disk.names().iter().any(|name| name.contains("spare")), "{:?}", disk.names());
}

#[test]
fn a_sync_that_fails_for_want_of_room_is_final() {
    let disk = SimulatedDisk::new();
    let (mut opened, _) = small_store(&disk);
    disk.fail_next_with(Operation::Sync, "log/", std::io::ErrorKind::StorageFull);
    let error = flush(&mut opened, enqueued(b"x", &[(queue(), 1)])).expect_err("the sync failed");
    assert!(!error.is_full(), "{error}");
    assert_eq!(opened.log.flush(true), Err(error));
}

const STEPS: usize = 110;

/// Runs a script on a disk that is full for a while, from operation `from` on; with `cut`, power
/// goes off then.
fn full_for_a_while(
    seed: u64,
    from: usize,
    length: usize,
    cut: Option<usize>,
) -> Result<(), String> {
    let disk = SimulatedDisk::new();
    let opened = open(&disk).map_err(|error| error.to_string())?;
    let begun = disk.operations().len();
    disk.be_full_during(begun + from..begun + from + length);
    if let Some(cut) = cut {
        disk.cut_power_at(begun + from + cut);
    }
    let mut generator = Generator::new(seed);
    let mut history = History::default();
    match drive(opened, &mut generator, &mut history, STEPS) {
        Ok(opened) => {
            let mut model = Model::default();
            history.records.iter().flatten().for_each(|write| model.apply(write));
            check_contents(&opened.reader, &model)?;
            if !opened.report.damaged.is_empty() {
                return Err("damage where there is none".to_owned());
            }
        }
        Err(_) if disk.is_off() => {}
        Err(error) => return Err(error.to_string()),
    }
    for survival in [Survival::Nothing, Survival::Torn] {
        let opened = open(&disk.after_power_cut(survival, seed + from as u64));
        history.check(&opened.map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

#[test]
fn a_disk_that_is_full_for_a_while_from_any_operation_on_loses_nothing() {
    let disk = SimulatedDisk::new();
    let opened = open(&disk).expect("the store opens");
    let begun = disk.operations().len();
    drive(opened, &mut Generator::new(1), &mut History::default(), STEPS).expect("no fault");
    let operations = disk.operations().split_off(begun);
    for (from, (operation, name)) in operations.iter().enumerate() {
        // redb writes page by page: a part of its operations is enough.
        if name.starts_with("warren.redb") && from % 3 != 0 {
            continue;
        }
        for length in [1, 25] {
            full_for_a_while(1, from, length, None).unwrap_or_else(|text| {
                panic!("full for {length} from {from} ({operation:?} {name}) on: {text}")
            });
        }
    }
}

#[test]
fn power_cuts_on_a_full_disk_lose_nothing_that_was_synced() {
    for seed in 200..320 {
        let mut random = Random(seed);
        let (from, length) = (random.below(600) as usize, 1 + random.below(40) as usize);
        let cut = random.below(2 * length as u64) as usize;
        full_for_a_while(seed, from, length, Some(cut)).unwrap_or_else(|text| {
            panic!("script {seed}, full for {length} from {from} on, cut {cut} later: {text}")
        });
    }
}

/// A checkpoint may say that the log goes on in a segment in which nothing stands yet. Its header
/// must be durable then, or the next recovery takes the file for one that was never begun.
#[test]
fn a_segment_without_records_survives_a_checkpoint_and_a_power_cut() {
    let mut begun = 0;
    for operation in 0..10 {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk).expect("the store opens");
        flush(&mut opened, declared(1)).expect("there is room");
        let first = opened.log.segment();
        let mut sequence = 1;
        while opened.log.segment() == first {
            // The record that needs a new segment finds the disk full at one of its operations.
            let at = disk.operation_count() + operation;
            disk.be_full_during(at..at + 1);
            let write = enqueued(&[7; 3_000], &[(queue(), sequence)]);
            if flush(&mut opened, write).is_err() {
                break;
            }
            sequence += 1;
        }
        let is_empty = opened.log.pending_bytes() > 0 && opened.log.segment() != first;
        begun += usize::from(is_empty);
        disk.heal();
        checkpoint(&mut opened).expect("there is room");
        drop(opened);
        let mut disk = disk.after_power_cut(Survival::Nothing, 1);
        for _ in 0..2 {
            let opened = open(&disk).expect("the store opens");
            assert_eq!(opened.report.damaged, [], "operation {operation}");
            drop(opened);
            disk = disk.after_power_cut(Survival::Nothing, 2);
        }
    }
    assert!(begun > 0, "no record found a new segment and no room in it");
}

//! Disks that fail, are full, or give back other bytes than were written.

use warren_engine::{Load, QueueId, Sequence, Write};
use warren_storage::fault::{Operation, SimulatedDisk, Survival};
use warren_storage::{Error, Opened, open};

use crate::harness::{self, options};
use crate::model::{HOST, declared, delivered, enqueued};

const FIRST_SEGMENT: &str = "log/00000000000000000001.seg";

fn queue() -> QueueId {
    QueueId::new(HOST, 1)
}

fn flush(opened: &mut Opened, write: Write) -> Result<(), Error> {
    opened.log.append(&[write])?;
    opened.log.flush(true)
}

/// A store with a queue and messages 1 to `last`, each in a record of its own.
fn store_with(disk: &SimulatedDisk, last: Sequence) -> Opened {
    let mut opened = harness::open(disk).expect("the store opens");
    flush(&mut opened, declared(1)).expect("no fault");
    for sequence in 1..=last {
        flush(&mut opened, enqueued(&body(sequence), &[(queue(), sequence)])).expect("no fault");
    }
    opened
}

fn body(sequence: Sequence) -> Vec<u8> {
    format!("<body {sequence}>").repeat(20).into_bytes()
}

/// Where in the file the body of a message stands.
fn place(disk: &SimulatedDisk, name: &str, sequence: Sequence) -> usize {
    let body = body(sequence);
    let content = disk.content(name);
    content.windows(body.len()).position(|window| window == body).expect("the body")
}

fn places(opened: &Opened) -> Vec<Sequence> {
    let waiting = opened.recovered.queues[0].waiting;
    let load =
        Load { queue: queue(), first: 1, last: Sequence::MAX, messages_max: u32::MAX, only: None };
    let loaded = opened.reader.load(&load, usize::MAX).expect("no fault");
    let places: Vec<_> = loaded.messages.iter().map(|(sequence, _)| *sequence).collect();
    if (waiting.first, waiting.messages) == (1, places.len() as u64) {
        assert_eq!(waiting.last, places.last().copied().unwrap_or_default());
    }
    places
}

#[test]
fn a_damaged_record_in_the_middle_is_reported_and_the_rest_is_kept() {
    let disk = SimulatedDisk::new();
    drop(store_with(&disk, 10));
    let at = place(&disk, FIRST_SEGMENT, 4);
    disk.damage(FIRST_SEGMENT, at + 17, b"XX");
    let mut opened = harness::open(&disk).expect("the store opens");
    assert_eq!(places(&opened), [1, 2, 3, 5, 6, 7, 8, 9, 10]);
    let [damage] = opened.report.damaged.as_slice() else {
        panic!("one place is damaged: {:?}", opened.report.damaged);
    };
    assert!(damage.file.ends_with(FIRST_SEGMENT), "{damage:?}");
    assert!((at as u64 - 100..at as u64).contains(&damage.offset), "{damage:?}, body at {at}");
    // The store goes on, and the next recovery finds the same.
    flush(&mut opened, enqueued(&body(11), &[(queue(), 11)])).expect("no fault");
    drop(opened);
    let opened = harness::open(&disk).expect("the store opens");
    assert_eq!(places(&opened), [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]);
}

#[test]
fn the_place_of_a_lost_message_that_was_delivered_is_not_given_again() {
    let disk = SimulatedDisk::new();
    let mut opened = store_with(&disk, 4);
    flush(&mut opened, delivered(queue(), 4)).expect("no fault");
    drop(opened);
    disk.damage(FIRST_SEGMENT, place(&disk, FIRST_SEGMENT, 4), b"XX");
    let opened = harness::open(&disk).expect("the store opens");
    assert_eq!(places(&opened), [1, 2, 3]);
    // A new message in place 4 would pass for delivered.
    let found = &opened.recovered.queues[0];
    assert_eq!((found.next_sequence, found.delivered_through), (5, 4));
}

#[test]
fn a_torn_last_record_is_cut_off_without_a_complaint() {
    let disk = SimulatedDisk::new();
    drop(store_with(&disk, 10));
    let at = place(&disk, FIRST_SEGMENT, 10);
    disk.damage(FIRST_SEGMENT, at + 50, &[0; 30]);
    let opened = harness::open(&disk).expect("the store opens");
    assert_eq!(places(&opened), (1..=9).collect::<Vec<_>>());
    assert_eq!(opened.report.damaged, vec![]);
    assert!(opened.report.cut_tail_bytes as usize > body(10).len(), "{:?}", opened.report);
}

#[test]
fn records_of_an_earlier_segment_in_a_later_ones_file_do_not_replay() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = open(folder.path(), options()).expect("the store opens");
    flush(&mut opened, declared(1)).expect("no fault");
    for sequence in 1..=10 {
        flush(&mut opened, enqueued(&body(sequence), &[(queue(), sequence)])).expect("no fault");
    }
    drop(opened);
    // The log ends after message 3, and in the next file stand records with just the numbers
    // that would come now, made for another segment.
    let first = folder.path().join(FIRST_SEGMENT);
    let whole = std::fs::read(&first).expect("a segment");
    let body = body(4);
    let at = whole.windows(body.len()).position(|window| window == body).expect("the body");
    let mut cut = whole.clone();
    cut[at..].fill(0);
    std::fs::write(&first, cut).expect("no fault");
    std::fs::write(folder.path().join("log/00000000000000000002.seg"), whole).expect("no fault");
    let opened = open(folder.path(), options()).expect("the store opens");
    assert_eq!(places(&opened), [1, 2, 3]);
    assert_eq!(opened.report.damaged, vec![]);
}

#[test]
fn a_damaged_segment_header_is_reported_and_its_records_are_kept() {
    let disk = SimulatedDisk::new();
    drop(store_with(&disk, 10));
    disk.damage(FIRST_SEGMENT, 20, b"XX");
    let mut opened = harness::open(&disk).expect("the store opens");
    assert_eq!(places(&opened), (1..=10).collect::<Vec<_>>());
    assert_eq!(opened.report.damaged.len(), 1, "{:?}", opened.report);
    flush(&mut opened, enqueued(&body(11), &[(queue(), 11)])).expect("no fault");
    drop(opened);
    let opened = harness::open(&disk).expect("the store opens");
    assert_eq!(places(&opened), (1..=11).collect::<Vec<_>>());
}

#[test]
fn a_damaged_message_is_left_out_of_a_load_and_named() {
    let disk = SimulatedDisk::new();
    let opened = store_with(&disk, 10);
    disk.damage(FIRST_SEGMENT, place(&disk, FIRST_SEGMENT, 4) + 9, b"XX");
    let load = Load { queue: queue(), first: 1, last: 10, messages_max: u32::MAX, only: None };
    let loaded = opened.reader.load(&load, usize::MAX).expect("no fault");
    let places: Vec<_> = loaded.messages.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(places, [1, 2, 3, 5, 6, 7, 8, 9, 10]);
    assert_eq!(loaded.damaged.len(), 1);
    assert_eq!(loaded.damaged[0].sequence, 4);
    assert!(loaded.damaged[0].reason.contains("checksum"), "{:?}", loaded.damaged);
}

#[test]
fn a_missing_segment_is_reported_and_its_messages_are_named_by_a_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = open(folder.path(), options()).expect("the store opens");
    flush(&mut opened, declared(1)).expect("no fault");
    for sequence in 1..=40 {
        flush(&mut opened, enqueued(&[5; 900], &[(queue(), sequence)])).expect("no fault");
    }
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
    let outcome = opened.checkpointer.run(&delta).expect("no fault");
    opened.log.finish_checkpoint(outcome).expect("no fault");
    drop(opened);
    std::fs::remove_file(folder.path().join(FIRST_SEGMENT)).expect("it was there");
    let opened = open(folder.path(), options()).expect("the store opens");
    assert_eq!(opened.report.damaged.len(), 1, "{:?}", opened.report);
    assert!(opened.report.damaged[0].file.ends_with(FIRST_SEGMENT));
    let load = Load { queue: queue(), first: 1, last: 40, messages_max: u32::MAX, only: None };
    let loaded = opened.reader.load(&load, usize::MAX).expect("no fault");
    assert_eq!(loaded.damaged.first().map(|one| one.sequence), Some(1));
    assert_eq!(loaded.messages.last().map(|(sequence, _)| *sequence), Some(40));
    assert_eq!(loaded.messages.len() + loaded.damaged.len(), 40);
}

#[test]
fn a_missing_database_beside_a_log_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path(), options()).expect("the store opens"));
    std::fs::remove_file(folder.path().join("warren.redb")).expect("it was there");
    let error = open(folder.path(), options()).expect_err("there is a log");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn a_second_open_is_refused_while_the_first_holds_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(folder.path(), options()).expect("the store opens");
    let error = open(folder.path(), options()).expect_err("it is locked");
    assert_eq!(error, Error::Locked { path: folder.path().join("warren.lock") });
    // Any of the three handles keeps the folder.
    let reader = first.reader.clone();
    drop(first);
    assert!(open(folder.path(), options()).is_err());
    drop(reader);
    open(folder.path(), options()).expect("it is free");
}

#[test]
fn a_failed_write_or_sync_is_final() {
    for operation in [Operation::Write, Operation::Sync] {
        let disk = SimulatedDisk::new();
        let mut opened = store_with(&disk, 3);
        disk.fail_next(operation, "log/");
        let error =
            flush(&mut opened, enqueued(b"x", &[(queue(), 4)])).expect_err("the disk failed");
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(flush(&mut opened, declared(2)), Err(error.clone()));
        assert_eq!(opened.log.begin_checkpoint().err(), Some(error));
    }
}

#[test]
fn bad_options_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for segment_bytes in [0, 4_095, 1 << 40] {
        let error = open(folder.path(), warren_storage::Options { segment_bytes, ..options() })
            .expect_err("a bad size");
        assert!(matches!(error, Error::BadOption { name: "segment_bytes", .. }), "{error}");
    }
}

#[test]
fn whatever_page_of_the_database_is_damaged_the_store_opens_and_closes_or_says_why_not() {
    let disk = SimulatedDisk::new();
    let mut opened = store_with(&disk, 3);
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
    let outcome = opened.checkpointer.run(&delta).expect("no fault");
    opened.log.finish_checkpoint(outcome).expect("no fault");
    drop(opened);
    let pages = disk.content("warren.redb").len() / 4096;
    for page in 0..pages {
        for pattern in [0, 5, 0x3b, 0xff] {
            let disk = disk.after_power_cut(Survival::Everything, 0);
            disk.damage("warren.redb", page * 4096 + 4, &[pattern; 4000]);
            match harness::open(&disk) {
                // Closing it reads pages that opening it did not.
                Ok(opened) => drop(opened),
                Err(error) => assert!(error.to_string().contains("warren.redb"), "{error}"),
            }
        }
    }
}

#[test]
fn a_database_that_does_not_begin_like_one_is_damaged() {
    let disk = SimulatedDisk::new();
    drop(store_with(&disk, 1));
    disk.damage("warren.redb", 3, b"X");
    let error = harness::open(&disk).expect_err("it is no database");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

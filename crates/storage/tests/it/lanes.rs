//! Messages with a priority stand in lanes of their queue: they are checked and salvaged like those
//! of the queue itself, and go with it.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use warren_engine::{Load, QueueId, Sequence, Write};
use warren_storage::{Opened, check, open, repair};

use crate::harness::options;
use crate::model::{HOST, declared, delivered, enqueued};

const LANE: u8 = 5;

fn queue() -> QueueId {
    QueueId::new(HOST, 1)
}

fn body(sequence: Sequence) -> Vec<u8> {
    format!("<message {sequence}>").repeat(12).into_bytes()
}

fn flush(opened: &mut Opened, writes: &[Write]) {
    opened.log.append(writes).expect("no fault");
    opened.log.flush(true).expect("no fault");
}

fn checkpoint(opened: &mut Opened) {
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
    let outcome = opened.checkpointer.run(&delta).expect("no fault");
    opened.log.finish_checkpoint(outcome).expect("no fault");
}

/// Messages 1 to 20 of a queue, the even ones in a lane; half of them are in the database.
fn store() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = open(folder.path(), options()).expect("the store opens");
    flush(&mut opened, &[declared(1)]);
    for sequence in 1..=20 {
        let lane = if sequence % 2 == 0 { LANE } else { 0 };
        flush(&mut opened, &[enqueued(&body(sequence), &[(queue().lane(lane), sequence)])]);
        if sequence == 10 {
            flush(&mut opened, &[delivered(queue().lane(LANE), 4)]);
            checkpoint(&mut opened);
        }
    }
    folder
}

/// The places in the lane, and those in the queue itself.
fn places(folder: &Path) -> (Vec<Sequence>, Vec<Sequence>) {
    let opened = open(folder, options()).expect("the store opens");
    assert_eq!(opened.report.damaged, vec![]);
    let [found] = opened.recovered.queues.as_slice() else { panic!("one queue is there") };
    assert_eq!(found.next_sequence, 21);
    let [lane] = found.lanes.as_slice() else { panic!("one lane is in use") };
    assert_eq!(lane.lane, LANE);
    let read = |queue: QueueId| {
        let load =
            Load { queue, first: 1, last: Sequence::MAX, messages_max: u32::MAX, only: None };
        let loaded = opened.reader.load(&load, usize::MAX).expect("no fault");
        for (sequence, message) in &loaded.messages {
            assert_eq!(message.body(), body(*sequence));
        }
        loaded.messages.into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>()
    };
    let id = found.record.id;
    let all = (read(id.lane(LANE)), read(id));
    assert_eq!(
        (lane.waiting.messages, found.waiting.messages),
        (all.0.len() as u64, all.1.len() as u64)
    );
    all
}

fn even() -> Vec<Sequence> {
    (1..=10).map(|half| 2 * half).collect()
}

fn odd() -> Vec<Sequence> {
    (1..=10).map(|half| 2 * half - 1).collect()
}

#[test]
fn a_check_looks_at_the_rows_of_all_lanes() {
    let folder = store();
    let report = check(folder.path(), &options(), &mut |_| {}).expect("it can be checked");
    assert_eq!(report.findings, vec![]);
    // Those that the database has; the others are read from the log at a start.
    assert_eq!((report.queues, report.messages), (1, 10));
    assert_eq!(places(folder.path()), (even(), odd()));
}

#[test]
fn a_damaged_message_of_a_lane_is_named_and_the_others_stay() {
    let folder = store();
    let log = fs::read_dir(folder.path().join("log")).expect("a folder");
    let segment = log.map(|entry| entry.expect("an entry").path());
    let mut segments = segment.filter(|path| path.extension().is_some_and(|it| it == "seg"));
    let path = segments.next().expect("a segment");
    let mut content = fs::read(&path).expect("a file");
    let wanted = body(8);
    let at = content.windows(wanted.len()).position(|it| it == wanted).expect("it is there");
    content[at + 9] ^= 1;
    fs::write(&path, content).expect("no fault");
    let report = repair(folder.path(), &options(), &mut |_| {}).expect("it can be repaired");
    let named = "message 8 of queue \"queue-1\" (lane 5) is lost";
    let found: Vec<_> = report.before.findings.iter().map(|it| it.message.as_str()).collect();
    assert!(found.iter().any(|message| message.contains(named)), "{found:?}");
    assert!(report.after.expect("it was repaired").is_clean());
    let left = even().into_iter().filter(|sequence| *sequence != 8).collect();
    assert_eq!(places(folder.path()), (left, odd()));
}

#[test]
fn without_the_database_lanes_are_found_in_the_log() {
    let folder = store();
    fs::remove_file(folder.path().join("warren.redb")).expect("no fault");
    let report = repair(folder.path(), &options(), &mut |_| {}).expect("it can be repaired");
    assert!(report.after.expect("it was repaired").is_clean());
    assert_eq!(places(folder.path()), (even(), odd()));
}

#[test]
fn lanes_go_with_their_queue_and_give_their_room_back() {
    let folder = store();
    let mut opened = open(folder.path(), options()).expect("the store opens");
    flush(&mut opened, &[Write::QueueDeleted(queue())]);
    // What comes late brings nothing back.
    flush(&mut opened, &[enqueued(&body(21), &[(queue().lane(LANE), 21)])]);
    checkpoint(&mut opened);
    drop(opened);
    let mut opened = open(folder.path(), options()).expect("the store opens");
    assert!(opened.recovered.queues.is_empty());
    // A queue with the number of one that is gone has nothing of it.
    flush(&mut opened, &[declared(1)]);
    drop(opened);
    let opened = open(folder.path(), options()).expect("the store opens");
    let [found] = opened.recovered.queues.as_slice() else { panic!("one queue is there") };
    assert_eq!((found.waiting.messages, found.lanes.len()), (0, 0));
    drop(opened);
    let report = check(folder.path(), &options(), &mut |_| {}).expect("it can be checked");
    assert_eq!((report.findings, report.messages), (vec![], 0));
}

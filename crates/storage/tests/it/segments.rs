//! The life of segment files: made, filled, freed, recycled.

use warren_engine::{QueueId, Write};
use warren_storage::fault::{Operation, SimulatedDisk, Survival};
use warren_storage::{Opened, open};

use crate::harness::{self, check_contents, options};
use crate::model::{HOST, Model, declared, enqueued, settled};

fn queue() -> QueueId {
    QueueId::new(HOST, 1)
}

fn write(opened: &mut Opened, model: &mut Model, writes: &[Write]) {
    writes.iter().for_each(|write| model.apply(write));
    opened.log.append(writes).expect("no fault");
    opened.log.flush(true).expect("no fault");
}

fn checkpoint(opened: &mut Opened) {
    if let Some(delta) = opened.log.begin_checkpoint().expect("no fault") {
        let outcome = opened.checkpointer.run(&delta).expect("no fault");
        opened.log.finish_checkpoint(outcome).expect("no fault");
    }
    while opened.checkpointer.prepare_spare().expect("no fault") {}
}

fn segments(disk: &SimulatedDisk) -> usize {
    disk.names().iter().filter(|name| name.ends_with(".seg")).count()
}

#[test]
fn the_space_of_a_drained_backlog_comes_back_while_running() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1), declared(2)]);
    for sequence in 1..=400 {
        write(&mut opened, &mut model, &[enqueued(&[7; 900], &[(queue(), sequence)])]);
        if sequence % 50 == 0 {
            checkpoint(&mut opened);
        }
    }
    let full = segments(&disk);
    assert!(full > 20, "{full} segments are full of messages");
    write(&mut opened, &mut model, &[settled(queue(), 1, 200)]);
    checkpoint(&mut opened);
    let half = segments(&disk);
    assert!(half < full * 2 / 3, "{half} of {full} segments are left");
    write(&mut opened, &mut model, &[settled(queue(), 201, 400)]);
    checkpoint(&mut opened);
    assert_eq!(segments(&disk), 1, "only the active one is left");
    assert!(disk.names().iter().any(|name| name.contains("spare-")), "one is kept as a spare");
    drop(opened);
    let opened = harness::open(&disk).expect("the store opens");
    model.compare(&opened.recovered).expect("the same state");
}

#[test]
fn a_deleted_queue_frees_its_segments() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    for sequence in 1..=100 {
        write(&mut opened, &mut model, &[enqueued(&[7; 900], &[(queue(), sequence)])]);
    }
    checkpoint(&mut opened);
    write(&mut opened, &mut model, &[Write::QueueDeleted(queue())]);
    checkpoint(&mut opened);
    assert_eq!(segments(&disk), 1, "only the active one is left");
}

#[test]
fn messages_that_are_settled_before_a_checkpoint_never_reach_redb() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    checkpoint(&mut opened);
    let writes_to_redb = |disk: &SimulatedDisk| {
        let redb = |(operation, name): &(Operation, String)| {
            *operation == Operation::Write && name == "warren.redb"
        };
        disk.operations().iter().filter(|one| redb(one)).count()
    };
    let before = writes_to_redb(&disk);
    for sequence in 1..=2_000 {
        let writes =
            [enqueued(&[7; 9], &[(queue(), sequence)]), settled(queue(), sequence, sequence)];
        write(&mut opened, &mut model, &writes);
    }
    checkpoint(&mut opened);
    let pages = writes_to_redb(&disk) - before;
    assert!(pages < 20, "{pages} pages were written for 2000 messages that are gone");
}

#[test]
fn stale_bytes_of_a_recycled_segment_do_not_replay() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    let mut next = 1;
    for round in 0..4 {
        for _ in 0..60 {
            // All records have the same size, so that old ones stand where new ones would.
            write(&mut opened, &mut model, &[enqueued(&[next as u8; 900], &[(queue(), next)])]);
            next += 1;
        }
        if round < 3 {
            write(&mut opened, &mut model, &[settled(queue(), 1, next)]);
            checkpoint(&mut opened);
        }
    }
    drop(opened);
    let recycled = disk
        .operations()
        .iter()
        .any(|(operation, name)| *operation == Operation::Name && name.contains("spare-"));
    assert!(recycled, "segments were recycled");
    let last = disk.names().into_iter().rfind(|name| name.ends_with(".seg")).expect("a segment");
    let content = disk.content(&last);
    let tail = content.len() - content.iter().rev().take_while(|byte| **byte == 0).count();
    assert!(tail > content.len() * 3 / 4, "old bytes stand behind the last record");
    let opened = harness::open(&disk).expect("the store opens");
    assert_eq!(opened.report.damaged, vec![]);
    model.compare(&opened.recovered).expect("the same state");
    check_contents(&opened.reader, &model).expect("the same messages");
}

#[test]
fn a_record_larger_than_a_segment_gets_one_of_its_own() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let mut model = Model::default();
    let large = vec![3; 100 << 10];
    write(&mut opened, &mut model, &[declared(1), enqueued(&large, &[(queue(), 1)])]);
    write(&mut opened, &mut model, &[enqueued(b"small", &[(queue(), 2)])]);
    check_contents(&opened.reader, &model).expect("the same messages");
    drop(opened);
    let mut opened = harness::open(&disk).expect("the store opens");
    model.compare(&opened.recovered).expect("the same state");
    check_contents(&opened.reader, &model).expect("the same messages");
    write(&mut opened, &mut model, &[settled(queue(), 1, 1)]);
    checkpoint(&mut opened);
    assert!(disk.names().iter().all(|name| disk.content(name).len() < large.len() * 20));
    assert!(
        !disk
            .names()
            .iter()
            .any(|name| { name.starts_with("log/") && disk.content(name).len() > large.len() })
    );
}

#[test]
fn a_message_of_many_queues_is_stored_once() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let queues: Vec<_> = (1..=50).map(|counter| (QueueId::new(HOST, counter), 1)).collect();
    let mut model = Model::default();
    let declares: Vec<Write> = (1..=50).map(declared).collect();
    write(&mut opened, &mut model, &declares);
    let message = enqueued(&[9; 5_000], &queues);
    model.apply(&message);
    opened.log.append(&[message]).expect("no fault");
    assert!(opened.log.pending_bytes() < 6_000, "{} bytes", opened.log.pending_bytes());
    opened.log.flush(true).expect("no fault");
    check_contents(&opened.reader, &model).expect("all queues have it");
    drop(opened);
    let opened = harness::open(&disk).expect("the store opens");
    check_contents(&opened.reader, &model).expect("all queues have it");
}

#[test]
fn a_real_folder_works_like_the_simulated_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("deep/data");
    let mut opened = open(&directory, options()).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    for sequence in 1..=60 {
        write(&mut opened, &mut model, &[enqueued(&[7; 900], &[(queue(), sequence)])]);
        if sequence % 20 == 0 {
            write(&mut opened, &mut model, &[settled(queue(), sequence - 19, sequence - 5)]);
            checkpoint(&mut opened);
        }
    }
    check_contents(&opened.reader, &model).expect("the same messages");
    drop(opened);
    let opened = open(&directory, options()).expect("the store opens again");
    assert_eq!(opened.report.damaged, vec![]);
    model.compare(&opened.recovered).expect("the same state");
    check_contents(&opened.reader, &model).expect("the same messages");
}

#[test]
fn spilled_messages_wait_while_the_store_is_open_and_keep_no_segment_after_a_restart() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    for sequence in 1..=100 {
        // Not synced: nobody waits for these.
        let spilled = enqueued(&[7; 900], &[(queue().spilled(), sequence)]);
        model.apply(&spilled);
        opened.log.append(&[spilled]).expect("no fault");
        opened.log.flush(false).expect("no fault");
        if sequence % 40 == 0 {
            checkpoint(&mut opened);
            check_contents(&opened.reader, &model).expect("they wait");
        }
    }
    check_contents(&opened.reader, &model).expect("they wait");
    assert!(segments(&disk) > 5, "they stand in the log");
    write(&mut opened, &mut model, &[settled(queue().spilled(), 1, 50)]);
    checkpoint(&mut opened);
    check_contents(&opened.reader, &model).expect("the others wait");
    for survival in [Survival::Nothing, Survival::Everything] {
        let disk = disk.after_power_cut(survival, 1);
        let mut opened = harness::open(&disk).expect("the store opens");
        let model = model.clone().restarted();
        model.compare(&opened.recovered).expect("only the queue is left");
        check_contents(&opened.reader, &model).expect("no message is left");
        while opened.checkpointer.prepare_spare().expect("no fault") {}
        assert!(segments(&disk) <= 1, "no segment is kept");
    }
}

#[test]
fn a_deleted_queue_frees_the_segments_of_its_spilled_messages() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    for sequence in 1..=60 {
        let name = queue().spilled();
        write(&mut opened, &mut model, &[enqueued(&[7; 900], &[(name, sequence)])]);
        if sequence == 30 {
            checkpoint(&mut opened);
        }
    }
    let deleted = [Write::QueueDeleted(queue()), Write::QueueDeleted(queue().spilled())];
    write(&mut opened, &mut model, &deleted);
    checkpoint(&mut opened);
    assert_eq!(segments(&disk), 1, "only the active one is left");
}

#[test]
fn a_dead_segment_that_cannot_be_deleted_is_tried_again() {
    let disk = SimulatedDisk::new();
    let mut opened = harness::open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    for sequence in 1..=100 {
        write(&mut opened, &mut model, &[enqueued(&[7; 900], &[(queue(), sequence)])]);
    }
    write(&mut opened, &mut model, &[settled(queue(), 1, 100)]);
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("there is news");
    let outcome = opened.checkpointer.run(&delta).expect("no fault");
    opened.log.finish_checkpoint(outcome).expect("no fault");
    disk.fail_next(Operation::Name, "log/");
    assert!(opened.checkpointer.prepare_spare().is_err(), "the fault is told of");
    while opened.checkpointer.prepare_spare().expect("no fault") {}
    assert_eq!(segments(&disk), 1, "only the active one is left");
}

//! Reading the contents of waiting messages back, wherever the index knows of them.

use std::sync::atomic::{AtomicBool, Ordering};

use warren_engine::{Load, QueueId, Sequence, Write};
use warren_storage::fault::SimulatedDisk;
use warren_storage::{Loaded, Opened, Reader};

use crate::harness::open;
use crate::model::{HOST, declared, enqueued, settled};

fn queue() -> QueueId {
    QueueId::new(HOST, 1)
}

fn body(sequence: Sequence) -> Vec<u8> {
    sequence.to_le_bytes().repeat(10)
}

fn publish(opened: &mut Opened, first: Sequence, last: Sequence) {
    let writes: Vec<Write> =
        (first..=last).map(|at| enqueued(&body(at), &[(queue(), at)])).collect();
    opened.log.append(&writes).expect("no fault");
    opened.log.flush(true).expect("no fault");
}

fn settle(opened: &mut Opened, first: Sequence, last: Sequence) {
    opened.log.append(&[settled(queue(), first, last)]).expect("no fault");
    opened.log.flush(false).expect("no fault");
}

fn checkpoint(opened: &mut Opened) {
    if let Some(delta) = opened.log.begin_checkpoint().expect("no fault") {
        let outcome = opened.checkpointer.run(&delta).expect("no fault");
        opened.log.finish_checkpoint(outcome).expect("no fault");
    }
}

fn load(reader: &Reader, first: Sequence, last: Sequence, bytes_max: usize) -> Loaded {
    let loaded = reader
        .load(&Load { queue: queue(), first, last, messages_max: u32::MAX, only: None }, bytes_max)
        .expect("no fault");
    assert_eq!(loaded.damaged, vec![]);
    for (sequence, message) in &loaded.messages {
        assert_eq!(message.body(), body(*sequence), "message {sequence}");
        assert_eq!(message.routing_key(), "key");
    }
    loaded
}

fn places(loaded: &Loaded) -> Vec<Sequence> {
    loaded.messages.iter().map(|(sequence, _)| *sequence).collect()
}

#[test]
fn messages_come_from_redb_and_the_frozen_and_the_live_delta_in_order() {
    let mut opened = open(&SimulatedDisk::new()).expect("the store opens");
    opened.log.append(&[declared(1)]).expect("no fault");
    publish(&mut opened, 1, 300);
    settle(&mut opened, 2, 3);
    checkpoint(&mut opened);
    publish(&mut opened, 301, 310);
    settle(&mut opened, 5, 5);
    settle(&mut opened, 302, 302);
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("a delta");
    publish(&mut opened, 311, 320);
    settle(&mut opened, 7, 8);
    settle(&mut opened, 304, 304);
    settle(&mut opened, 312, 312);
    let gone = [2, 3, 5, 7, 8, 302, 304, 312];
    let expected: Vec<Sequence> = (1..=320).filter(|at| !gone.contains(at)).collect();

    assert_eq!(places(&load(&opened.reader, 1, 400, usize::MAX)), expected, "while it runs");
    let outcome = opened.checkpointer.run(&delta).expect("no fault");
    assert_eq!(places(&load(&opened.reader, 1, 400, usize::MAX)), expected, "committed");
    opened.log.finish_checkpoint(outcome).expect("no fault");
    assert_eq!(places(&load(&opened.reader, 1, 400, usize::MAX)), expected, "finished");
    checkpoint(&mut opened);
    assert_eq!(places(&load(&opened.reader, 1, 400, usize::MAX)), expected, "all in redb");
    assert_eq!(
        places(&load(&opened.reader, 303, 313, usize::MAX)),
        [303, 305, 306, 307, 308, 309, 310, 311, 313]
    );
}

#[test]
fn a_load_stops_at_its_limit_of_bytes_and_says_how_far_it_came() {
    let mut opened = open(&SimulatedDisk::new()).expect("the store opens");
    opened.log.append(&[declared(1)]).expect("no fault");
    publish(&mut opened, 1, 50);
    checkpoint(&mut opened);
    publish(&mut opened, 51, 100);
    let one = load(&opened.reader, 10, 100, 0);
    assert_eq!((places(&one), one.through), (vec![10], 10));
    let some = load(&opened.reader, 45, 100, 1_000);
    assert_eq!(some.messages.first().map(|(at, _)| *at), Some(45));
    assert_eq!(some.messages.last().map(|(at, _)| *at), Some(some.through));
    assert!((8..=12).contains(&some.messages.len()), "{} messages", some.messages.len());
    let all = load(&opened.reader, 90, 200, usize::MAX);
    assert_eq!((all.messages.len(), all.through), (11, 200));
}

#[test]
fn what_is_not_flushed_cannot_be_read_yet() {
    let mut opened = open(&SimulatedDisk::new()).expect("the store opens");
    opened.log.append(&[declared(1), enqueued(&body(1), &[(queue(), 1)])]).expect("no fault");
    assert!(opened.log.pending_bytes() > 80);
    assert!(places(&load(&opened.reader, 1, 9, 100)).is_empty());
    opened.log.flush(false).expect("no fault");
    assert_eq!(opened.log.pending_bytes(), 0);
    assert_eq!(places(&load(&opened.reader, 1, 9, 100)), vec![1]);
}

#[test]
fn a_deleted_queue_has_no_messages() {
    let mut opened = open(&SimulatedDisk::new()).expect("the store opens");
    opened.log.append(&[declared(1)]).expect("no fault");
    publish(&mut opened, 1, 5);
    checkpoint(&mut opened);
    publish(&mut opened, 6, 9);
    opened.log.append(&[Write::QueueDeleted(queue())]).expect("no fault");
    opened.log.flush(true).expect("no fault");
    assert!(places(&load(&opened.reader, 1, 9, usize::MAX)).is_empty());
}

#[test]
fn a_reader_beside_checkpoints_and_recycling_never_sees_other_bytes() {
    let mut opened = open(&SimulatedDisk::new()).expect("the store opens");
    opened.log.append(&[declared(1)]).expect("no fault");
    opened.log.flush(true).expect("no fault");
    let reader = opened.reader.clone();
    let done = AtomicBool::new(false);
    let mut read = 0;
    std::thread::scope(|scope| {
        let readings = scope.spawn(|| {
            let mut read = 0;
            while !done.load(Ordering::Acquire) {
                read += load(&reader, 1, Sequence::MAX, 40_000).messages.len();
            }
            read + load(&reader, 1, Sequence::MAX, usize::MAX).messages.len()
        });
        for group in 0..300 {
            publish(&mut opened, group * 40 + 1, group * 40 + 40);
            settle(&mut opened, 1, (group * 40).saturating_sub(400));
            if group % 3 == 0 {
                checkpoint(&mut opened);
                for _ in 0..3 {
                    opened.checkpointer.prepare_spare().expect("no fault");
                }
            }
        }
        done.store(true, Ordering::Release);
        read = readings.join().expect("the reader saw only right bytes");
    });
    assert!(read > 0, "something was read");
}

#[test]
fn a_load_of_a_huge_range_finds_the_few_messages_that_are_left() {
    let mut opened = open(&SimulatedDisk::new()).expect("the store opens");
    opened.log.append(&[declared(1)]).expect("no fault");
    let last = 30_000;
    for first in (1..last).step_by(1_000) {
        publish(&mut opened, first, first + 999);
    }
    checkpoint(&mut opened);
    let left = [5_000, 15_001, 29_999];
    // Every other message first, so that many ranges wait for the checkpoint.
    let single = |at: &Sequence| !left.contains(at);
    let writes: Vec<Write> =
        (1..last).step_by(2).filter(single).map(|at| settled(queue(), at, at)).collect();
    opened.log.append(&writes).expect("no fault");
    let rest: Vec<Write> =
        (2..=last).step_by(2).filter(single).map(|at| settled(queue(), at, at)).collect();
    opened.log.append(&rest).expect("no fault");
    opened.log.flush(false).expect("no fault");
    let wish = |messages_max| Load {
        queue: queue(),
        first: 1,
        last: 10_000_000,
        messages_max,
        only: None,
    };
    for _ in 0..2 {
        let all = opened.reader.load(&wish(10), usize::MAX).expect("no fault");
        assert_eq!((places(&all), all.through), (left.to_vec(), 10_000_000));
        let one = opened.reader.load(&wish(1), usize::MAX).expect("no fault");
        assert_eq!((places(&one), one.through), (vec![5_000], 5_000));
        checkpoint(&mut opened);
    }
}

#[test]
fn a_load_brings_no_more_messages_than_it_wants() {
    let mut opened = open(&SimulatedDisk::new()).expect("the store opens");
    opened.log.append(&[declared(1)]).expect("no fault");
    publish(&mut opened, 1, 30);
    checkpoint(&mut opened);
    publish(&mut opened, 31, 60);
    for (first, messages_max) in [(1, 1), (20, 25), (50, 5)] {
        let load = Load { queue: queue(), first, last: 100, messages_max, only: None };
        let loaded = opened.reader.load(&load, usize::MAX).expect("no fault");
        let last = first + u64::from(messages_max) - 1;
        assert_eq!(places(&loaded), (first..=last).collect::<Vec<_>>());
        assert_eq!(loaded.through, last);
    }
}

/// Numbers of queues come again after a restart, if the queue that had one is gone.
#[test]
fn a_queue_does_not_inherit_how_often_messages_of_another_one_came_back() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).expect("the store opens");
    let append = |opened: &mut Opened, writes: &[Write]| {
        opened.log.append(writes).expect("no fault");
        opened.log.flush(true).expect("no fault");
    };
    append(&mut opened, &[declared(1)]);
    publish(&mut opened, 1, 2);
    append(&mut opened, &[Write::Returned { queue: queue(), first: 1, last: 2, count: 3 }]);
    assert_eq!(load(&opened.reader, 1, 2, usize::MAX).returns, vec![(1, 3), (2, 3)]);
    checkpoint(&mut opened);
    append(&mut opened, &[Write::QueueDeleted(queue()), declared(1)]);
    publish(&mut opened, 1, 2);
    assert_eq!(load(&opened.reader, 1, 2, usize::MAX).returns, vec![]);
    append(&mut opened, &[Write::Returned { queue: queue(), first: 2, last: 2, count: 1 }]);
    assert_eq!(load(&opened.reader, 1, 2, usize::MAX).returns, vec![(2, 1)]);
    checkpoint(&mut opened);
    assert_eq!(load(&opened.reader, 1, 2, usize::MAX).returns, vec![(2, 1)]);
}

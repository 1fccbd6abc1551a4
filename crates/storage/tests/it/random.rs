//! Random streams of writes with random checkpoints and restarts, against the naive model.

use proptest::prelude::*;
use warren_engine::{QueueId, Write};
use warren_storage::Opened;
use warren_storage::fault::SimulatedDisk;

use crate::harness::{History, check_contents, drive, open};
use crate::model::{Generator, HOST, Model, declared, delivered, enqueued, settled};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_store_holds_what_the_model_holds_across_restarts(
        seed: u64,
        body_bytes_max in 0_u64..1_500,
        lives in proptest::collection::vec(1_usize..60, 1..5),
    ) {
        let disk = SimulatedDisk::new();
        let mut generator = Generator::new(seed);
        generator.body_bytes_max = body_bytes_max;
        let mut history = History::default();
        for steps in lives {
            history = History { base: whole(&history).restarted(), ..History::default() };
            let opened = open(&disk).expect("the store opens");
            prop_assert_eq!(&opened.report.damaged, &vec![]);
            let opened = drive(opened, &mut generator, &mut history, steps).expect("no fault");
            let model = whole(&history);
            check_contents(&opened.reader, &model).map_err(TestCaseError::fail)?;
        }
        let opened = open(&disk).expect("the store opens");
        let model = whole(&history).restarted();
        model.compare(&opened.recovered).map_err(TestCaseError::fail)?;
        check_contents(&opened.reader, &model).map_err(TestCaseError::fail)?;
    }
}

/// The state after everything that was flushed: nothing is lost without a power cut.
fn whole(history: &History) -> Model {
    history.running()
}

#[test]
fn writes_that_are_applied_twice_change_nothing() {
    let queue = QueueId::new(HOST, 1);
    let mut writes = vec![declared(1)];
    writes.extend((1..=5).map(|sequence| enqueued(&[sequence as u8; 40], &[(queue, sequence)])));
    writes.extend([delivered(queue, 2), delivered(queue, 4), settled(queue, 1, 2)]);
    let mut model = Model::default();
    writes.iter().for_each(|write| model.apply(write));

    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).expect("the store opens");
    for is_moved in [true, true, false] {
        opened.log.append(&writes).expect("no fault");
        opened.log.flush(true).expect("no fault");
        check_contents(&opened.reader, &model).expect("the same messages");
        if is_moved {
            checkpoint(&mut opened);
            check_contents(&opened.reader, &model).expect("the same messages");
        }
    }
    drop(opened);
    let opened = open(&disk).expect("the store opens");
    model.compare(&opened.recovered).expect("the same state");
    check_contents(&opened.reader, &model).expect("the same messages");
}

#[test]
fn what_comes_late_for_a_deleted_queue_does_not_bring_it_back() {
    let queue = QueueId::new(HOST, 1);
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).expect("the store opens");
    let late = [enqueued(b"late", &[(queue, 9)]), delivered(queue, 9), settled(queue, 1, 9)];
    opened.log.append(&[declared(1), enqueued(b"early", &[(queue, 1)])]).expect("no fault");
    opened.log.append(&[Write::QueueDeleted(queue)]).expect("no fault");
    opened.log.append(&late).expect("no fault");
    opened.log.flush(true).expect("no fault");
    drop(opened);
    let opened = open(&disk).expect("the store opens");
    Model::default().compare(&opened.recovered).expect("nothing is there");
}

#[test]
fn how_far_a_queue_was_delivered_goes_from_checkpoint_to_checkpoint_and_never_back() {
    let queue = QueueId::new(HOST, 1);
    let disk = SimulatedDisk::new();
    let mut first = vec![declared(1)];
    first.extend((1..=6).map(|sequence| enqueued(b"body", &[(queue, sequence)])));
    // The last life brings nothing new, and one before it less than was known.
    let lives = [first, vec![delivered(queue, 3)], vec![delivered(queue, 2)], vec![declared(2)]];
    for (writes, expected) in lives.iter().zip([0, 3, 3, 3]) {
        let mut opened = open(&disk).expect("the store opens");
        flush(&mut opened, writes);
        for checkpoint_before in [false, true] {
            if checkpoint_before {
                checkpoint(&mut opened);
            }
            drop(opened);
            opened = open(&disk).expect("the store opens");
            assert_eq!(opened.recovered.queues[0].delivered_through, expected, "{writes:?}");
        }
    }
}

#[test]
fn the_number_of_a_deleted_queue_that_is_used_again_begins_with_nothing_delivered() {
    let queue = QueueId::new(HOST, 1);
    for checkpointed in [false, true] {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk).expect("the store opens");
        flush(&mut opened, &[declared(1), enqueued(b"old", &[(queue, 1)]), delivered(queue, 1)]);
        if checkpointed {
            checkpoint(&mut opened);
        }
        flush(&mut opened, &[Write::QueueDeleted(queue)]);
        drop(opened);
        // An engine that was told of no queue begins to count anew.
        let mut opened = open(&disk).expect("the store opens");
        flush(&mut opened, &[declared(1), enqueued(b"new", &[(queue, 1)])]);
        for _ in 0..2 {
            drop(opened);
            opened = open(&disk).expect("the store opens");
            let [found] = opened.recovered.queues.as_slice() else { panic!("one queue") };
            assert_eq!((found.waiting.messages, found.delivered_through), (1, 0));
            checkpoint(&mut opened);
        }
    }
}

fn flush(opened: &mut Opened, writes: &[Write]) {
    opened.log.append(writes).expect("no fault");
    opened.log.flush(true).expect("no fault");
}

fn checkpoint(opened: &mut Opened) {
    if let Some(delta) = opened.log.begin_checkpoint().expect("no fault") {
        let outcome = opened.checkpointer.run(&delta).expect("no fault");
        opened.log.finish_checkpoint(outcome).expect("no fault");
    }
}

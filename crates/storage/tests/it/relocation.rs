//! The last messages of sparse segments move forward, and nothing is lost or comes back by it.

use warren_engine::{QueueId, Sequence, Write};
use warren_storage::fault::{SimulatedDisk, Survival};
use warren_storage::{Damage, Moves, Opened};

use crate::harness::{History, check_contents, open};
use crate::model::{HOST, Model, declared, enqueued, settled};

/// So many messages of the script fill several segments.
const MESSAGES: Sequence = 240;

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

/// Steps until there are messages to move.
fn piece(opened: &mut Opened) -> Option<Moves> {
    for _ in 0..1_000 {
        let step = opened.checkpointer.relocate().expect("no fault");
        if step.moves.is_some() || !step.more {
            return step.moves;
        }
    }
    panic!("the steps come to no end");
}

/// Clears sparse segments until none is left; gives what was reported.
fn clear(opened: &mut Opened) -> Vec<Damage> {
    let mut damaged = Vec::new();
    for _ in 0..100 {
        let mut moved = false;
        for _ in 0..10_000 {
            let step = opened.checkpointer.relocate().expect("no fault");
            damaged.extend(step.damaged);
            if let Some(moves) = step.moves {
                moved = true;
                opened.log.append_moves(moves).expect("no fault");
            } else if !step.more {
                break;
            }
        }
        checkpoint(opened);
        if !moved {
            return damaged;
        }
    }
    panic!("there is always something to move");
}

fn segments(disk: &SimulatedDisk) -> usize {
    disk.names().iter().filter(|name| name.ends_with(".seg")).count()
}

fn fill(opened: &mut Opened, model: &mut Model, name: QueueId, last: Sequence) {
    for first in (1..=last).step_by(20) {
        let writes: Vec<Write> = (first..first + 20)
            .map(|sequence| enqueued(&sequence.to_le_bytes().repeat(25), &[(name, sequence)]))
            .collect();
        write(opened, model, &writes);
    }
}

/// Settles all but every `kept`th message, and makes a checkpoint.
fn thin(opened: &mut Opened, model: &mut Model, name: QueueId, last: Sequence, kept: u64) {
    let gaps: Vec<Write> =
        (0..last / kept).map(|at| settled(name, at * kept + 1, at * kept + kept - 1)).collect();
    write(opened, model, &gaps);
    checkpoint(opened);
}

/// A store whose covered segments are sparse.
fn sparse(disk: &SimulatedDisk) -> (Opened, Model) {
    let mut opened = open(disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    fill(&mut opened, &mut model, queue(), MESSAGES);
    checkpoint(&mut opened);
    thin(&mut opened, &mut model, queue(), MESSAGES, 12);
    (opened, model)
}

/// What is there must be what the model holds: now, after a kill, after a power cut and after a
/// checkpoint.
fn check_everywhere(disk: &SimulatedDisk, opened: Opened, model: &Model) {
    check_contents(&opened.reader, model).expect("the same messages");
    let model = &model.clone().restarted();
    for survival in [Survival::Nothing, Survival::Everything] {
        let disk = disk.after_power_cut(survival, 7);
        let opened = open(&disk).expect("the store opens");
        model.compare(&opened.recovered).expect("the same state after a power cut");
        check_contents(&opened.reader, model).expect("the same messages after a power cut");
    }
    drop(opened);
    for _ in 0..2 {
        let mut opened = open(disk).expect("the store opens");
        assert_eq!(opened.report.damaged, vec![]);
        model.compare(&opened.recovered).expect("the same state");
        check_contents(&opened.reader, model).expect("the same messages");
        checkpoint(&mut opened);
        check_contents(&opened.reader, model).expect("the same messages");
        assert_eq!(clear(&mut opened), vec![]);
        check_contents(&opened.reader, model).expect("the same messages");
    }
}

#[test]
fn ten_thousand_messages_but_one_in_each_segment_leave_a_handful_of_segments() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    fill(&mut opened, &mut model, queue(), 10_000);
    checkpoint(&mut opened);
    let full = segments(&disk);
    assert!(full > 100, "{full} segments are full of messages");
    thin(&mut opened, &mut model, queue(), 10_000, 50);
    assert!(segments(&disk) > full * 9 / 10, "one message keeps each");
    assert_eq!(clear(&mut opened), vec![]);
    let left = segments(&disk);
    assert!(left < 16, "{left} segments are left for 200 messages of 230 bytes");
    assert_eq!(model.messages(queue()).len(), 200);
    check_everywhere(&disk, opened, &model);
}

#[test]
fn full_segments_are_left_alone() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    // The smallest messages that there are, each in a record of its own.
    for sequence in 1..=1_000 {
        write(&mut opened, &mut model, &[enqueued(b"", &[(queue(), sequence)])]);
    }
    checkpoint(&mut opened);
    let before = segments(&disk);
    assert!(before > 3);
    assert!(piece(&mut opened).is_none(), "nothing is sparse");
}

#[test]
fn a_message_that_is_settled_before_the_look_is_not_moved() {
    let disk = SimulatedDisk::new();
    let (mut opened, mut model) = sparse(&disk);
    write(&mut opened, &mut model, &[settled(queue(), 1, MESSAGES)]);
    assert!(piece(&mut opened).is_none());
    check_everywhere(&disk, opened, &model);
}

#[test]
fn a_message_that_is_settled_between_the_look_and_the_record_does_not_come_back() {
    for checkpoints in [false, true] {
        let disk = SimulatedDisk::new();
        let (mut opened, mut model) = sparse(&disk);
        let moves = piece(&mut opened).expect("messages to move");
        write(&mut opened, &mut model, &[settled(queue(), 1, 100)]);
        if checkpoints {
            checkpoint(&mut opened);
        }
        opened.log.append_moves(moves).expect("no fault");
        opened.log.flush(true).expect("no fault");
        check_everywhere(&disk, opened, &model);
    }
}

#[test]
fn a_message_that_is_settled_in_the_record_that_moves_it_does_not_come_back() {
    let disk = SimulatedDisk::new();
    let (mut opened, mut model) = sparse(&disk);
    let moves = piece(&mut opened).expect("messages to move");
    let writes = [settled(queue(), 1, 100)];
    writes.iter().for_each(|write| model.apply(write));
    opened.log.append(&writes).expect("no fault");
    opened.log.append_moves(moves).expect("no fault");
    opened.log.flush(true).expect("no fault");
    check_everywhere(&disk, opened, &model);
}

#[test]
fn a_message_that_is_settled_after_it_was_moved_is_gone() {
    for checkpoints in [false, true] {
        let disk = SimulatedDisk::new();
        let (mut opened, mut model) = sparse(&disk);
        let moves = piece(&mut opened).expect("messages to move");
        opened.log.append_moves(moves).expect("no fault");
        check_contents(&opened.reader, &model).expect("the same messages");
        if checkpoints {
            checkpoint(&mut opened);
            check_contents(&opened.reader, &model).expect("the same messages");
        }
        write(&mut opened, &mut model, &[settled(queue(), 1, 60), settled(queue(), 96, 96)]);
        check_everywhere(&disk, opened, &model);
    }
}

#[test]
fn a_message_that_is_moved_while_a_checkpoint_runs_counts_once() {
    let disk = SimulatedDisk::new();
    let (mut opened, mut model) = sparse(&disk);
    let moves = piece(&mut opened).expect("messages to move");
    write(&mut opened, &mut model, &[settled(queue(), 12, 12)]);
    let delta = opened.log.begin_checkpoint().expect("no fault").expect("news");
    opened.log.append_moves(moves).expect("no fault");
    write(&mut opened, &mut model, &[settled(queue(), 24, 24)]);
    let outcome = opened.checkpointer.run(&delta).expect("no fault");
    assert!(opened.checkpointer.relocate().expect("no fault").moves.is_none(), "it is not over");
    opened.log.finish_checkpoint(outcome).expect("no fault");
    check_contents(&opened.reader, &model).expect("the same messages");
    checkpoint(&mut opened);
    check_everywhere(&disk, opened, &model);
}

#[test]
fn messages_of_a_queue_that_was_deleted_meanwhile_do_not_come_back() {
    let disk = SimulatedDisk::new();
    let (mut opened, mut model) = sparse(&disk);
    let moves = piece(&mut opened).expect("messages to move");
    write(&mut opened, &mut model, &[Write::QueueDeleted(queue())]);
    opened.log.append_moves(moves).expect("no fault");
    opened.log.flush(true).expect("no fault");
    check_everywhere(&disk, opened, &model);
}

#[test]
fn a_message_of_many_queues_is_moved_once_for_those_in_which_it_waits() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).expect("the store opens");
    let mut model = Model::default();
    let queues: Vec<QueueId> = (1..=10).map(|counter| QueueId::new(HOST, counter)).collect();
    let declares: Vec<Write> = (1..=10).map(declared).collect();
    write(&mut opened, &mut model, &declares);
    let places: Vec<_> = queues.iter().map(|queue| (*queue, 1)).collect();
    write(&mut opened, &mut model, &[enqueued(&[9; 900], &places)]);
    let first: Vec<_> = queues.iter().map(|queue| settled(*queue, 1, 1)).take(7).collect();
    for sequence in 2..60 {
        write(&mut opened, &mut model, &[enqueued(&[7; 900], &[(queues[9], sequence)])]);
    }
    write(&mut opened, &mut model, &first);
    write(&mut opened, &mut model, &[settled(queues[9], 2, 60)]);
    checkpoint(&mut opened);
    let moves = piece(&mut opened).expect("a message to move");
    let copies = |disk: &SimulatedDisk| {
        let segments = disk.names().into_iter().filter(|name| name.ends_with(".seg"));
        let body = [9; 900];
        let stored = |name: String| {
            let content = disk.content(&name);
            content.windows(body.len()).filter(|part| **part == body).count()
        };
        segments.map(stored).sum::<usize>()
    };
    let before = copies(&disk);
    opened.log.append_moves(moves).expect("no fault");
    assert_eq!(copies(&disk), before + 1, "it is stored once");
    clear(&mut opened);
    assert_eq!(segments(&disk), 1, "only the active one is left");
    let left: Vec<_> = queues.iter().filter(|queue| !model.messages(**queue).is_empty()).collect();
    assert_eq!(left.len(), 3);
    check_everywhere(&disk, opened, &model);
}

#[test]
fn spilled_messages_are_moved_while_the_store_is_open_and_forgotten_at_a_restart() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).expect("the store opens");
    let mut model = Model::default();
    write(&mut opened, &mut model, &[declared(1)]);
    let name = queue().spilled();
    fill(&mut opened, &mut model, name, MESSAGES);
    checkpoint(&mut opened);
    thin(&mut opened, &mut model, name, MESSAGES, 24);
    let full = segments(&disk);
    for _ in 0..20 {
        let Some(moves) = piece(&mut opened) else { break };
        opened.log.append_moves(moves).expect("no fault");
        check_contents(&opened.reader, &model).expect("the same messages");
    }
    let after = disk.after_power_cut(Survival::Everything, 1);
    let reopened = open(&after).expect("the store opens");
    model.clone().restarted().compare(&reopened.recovered).expect("no message is left");
    clear(&mut opened);
    assert!(segments(&disk) < full, "{} of {full} segments are left", segments(&disk));
    check_contents(&opened.reader, &model).expect("the same messages");
    write(&mut opened, &mut model, &[settled(name, 1, MESSAGES)]);
    checkpoint(&mut opened);
    assert_eq!(segments(&disk), 1, "only the active one is left");
    check_everywhere(&disk, opened, &model);
}

#[test]
fn what_is_damaged_stays_where_it_is_and_is_reported_once() {
    let disk = SimulatedDisk::new();
    let (mut opened, model) = sparse(&disk);
    let first = "log/00000000000000000001.seg";
    let content = disk.content(first);
    // In the body of the message at place 24.
    let body = 24_u64.to_le_bytes().repeat(25);
    let at = content.windows(body.len()).position(|part| part == body).expect("the message");
    disk.damage(first, at + 50, b"X");
    let damaged = clear(&mut opened);
    assert_eq!(damaged.len(), 2, "{damaged:?}");
    assert!(damaged.iter().all(|damage| damage.file.ends_with(first)), "{damaged:?}");
    assert!(damaged[1].message.contains("messages keep the segment"), "{damaged:?}");
    assert!(disk.names().iter().any(|name| name == first));
    assert_eq!(clear(&mut opened), vec![], "it is not looked at again");
    let places: Vec<Sequence> = model.messages(queue()).into_keys().collect();
    let load = warren_engine::Load {
        queue: queue(),
        first: 1,
        last: Sequence::MAX,
        messages_max: u32::MAX,
        only: None,
    };
    let loaded = opened.reader.load(&load, usize::MAX).expect("no fault");
    assert_eq!(loaded.damaged.len(), 1);
    assert_eq!(loaded.damaged[0].sequence, 24);
    assert_eq!(loaded.messages.len(), places.len() - 1);
}

/// Fills, thins, moves and settles; power may go off anywhere.
fn script(disk: &SimulatedDisk, history: &mut History) -> Result<(), warren_storage::Error> {
    let mut opened = open(disk)?;
    let mut model = history.running();
    let mut record = |opened: &mut Opened, writes: Vec<Write>, sync: bool| {
        writes.iter().for_each(|write| model.apply(write));
        opened.log.append(&writes)?;
        history.records.push(writes);
        opened.log.flush(sync)?;
        if sync {
            history.synced = history.records.len();
        }
        Ok::<(), warren_storage::Error>(())
    };
    let complete = |opened: &mut Opened| {
        if let Some(delta) = opened.log.begin_checkpoint()? {
            let outcome = opened.checkpointer.run(&delta)?;
            opened.log.finish_checkpoint(outcome)?;
        }
        opened.checkpointer.prepare_spare()
    };
    record(&mut opened, vec![declared(1)], true)?;
    for first in [1, 41, 81] {
        // No two sets of them are of the same size.
        let body = |sequence: u64| vec![sequence as u8; 800 + (1 << (sequence / 10))];
        let writes = (first..first + 40).map(|at| enqueued(&body(at), &[(queue(), at)]));
        record(&mut opened, writes.collect(), true)?;
    }
    complete(&mut opened)?;
    let kept = [10, 20, 50, 60, 90, 100];
    let gone = (1..=110).filter(|at| !kept.contains(at)).map(|at| settled(queue(), at, at));
    record(&mut opened, gone.collect(), true)?;
    complete(&mut opened)?;
    for round in 0..12 {
        let step = opened.checkpointer.relocate()?;
        if let Some(&place) = kept.get(round / 2).filter(|_| round % 4 == 1) {
            record(&mut opened, vec![settled(queue(), place, place)], round % 8 == 1)?;
        }
        if let Some(moves) = step.moves {
            opened.log.append_moves(moves)?;
            record(&mut opened, Vec::new(), false)?;
        }
        if round % 5 == 4 {
            complete(&mut opened)?;
        }
    }
    Ok(())
}

#[test]
fn a_power_cut_at_any_operation_of_a_move_loses_nothing_and_brings_nothing_back() {
    let disk = SimulatedDisk::new();
    let mut history = History::default();
    script(&disk, &mut history).expect("no fault");
    let operations = disk.operations();
    for (cut, (operation, name)) in operations.iter().enumerate() {
        for survival in [Survival::Nothing, Survival::Everything, Survival::Torn] {
            let disk = SimulatedDisk::new();
            disk.cut_power_at(cut);
            let mut history = History::default();
            // The disk fails by intent.
            let _ = script(&disk, &mut history);
            let disk = disk.after_power_cut(survival, cut as u64);
            for _ in 0..2 {
                let mut opened = open(&disk).expect("the store opens");
                let base = history.check(&opened).unwrap_or_else(|text| {
                    panic!("cut at {cut} ({operation:?} {name}), {survival:?}: {text}")
                });
                history = History { base, ..History::default() };
                checkpoint(&mut opened);
                assert_eq!(clear(&mut opened), vec![], "cut at {cut} ({operation:?} {name})");
                check_contents(&opened.reader, &history.base).expect("the same messages");
            }
        }
    }
}

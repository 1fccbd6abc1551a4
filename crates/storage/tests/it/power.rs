//! Power is cut at every operation of the disk, and again while the store recovers or goes on.

use warren_engine::{QueueId, QueueRecord, Write};
use warren_storage::fault::{Operation, SimulatedDisk, Survival};

use crate::harness::{History, drive, open};
use crate::model::{Generator, HOST, Model, Random, declared, enqueued, queue_record};

const STEPS: usize = 110;

/// Runs the script until power goes off; gives the generator and the history up to there.
fn run(disk: &SimulatedDisk, seed: u64) -> (Generator, History) {
    let mut generator = Generator::new(seed);
    let mut history = History::default();
    if let Ok(opened) = open(disk) {
        // The disk fails by intent.
        let _ = drive(opened, &mut generator, &mut history, STEPS);
    }
    (generator, history)
}

/// Cuts power at operation `cut` and, while the store recovers or goes on, once more; checks what
/// is found each time.
fn cut_twice(seed: u64, cut: usize, survival: Survival, lie: bool) -> Result<(), String> {
    let disk = SimulatedDisk::new();
    if lie {
        disk.make_syncs_do_nothing();
    }
    disk.cut_power_at(cut);
    let (mut generator, mut history) = run(&disk, seed);
    let mut disk = disk.after_power_cut(survival, cut as u64);
    for round in 0..2 {
        let mut random = Random(cut as u64 * 3 + round);
        if round == 0 {
            disk.cut_power_at(random.below(90) as usize);
        }
        match open(&disk) {
            Ok(opened) => {
                let base =
                    history.check(&opened).map_err(|text| format!("round {round}: {text}"))?;
                history = History { base, ..History::default() };
                let _ = drive(opened, &mut generator, &mut history, 8);
            }
            Err(_) if disk.is_off() => {}
            Err(error) => return Err(format!("round {round}: {error}")),
        }
        disk = disk.after_power_cut(survival, cut as u64 + 1);
    }
    let opened = open(&disk).map_err(|error| error.to_string())?;
    history.check(&opened).map(drop)
}

fn operations(seed: u64) -> Vec<(Operation, String)> {
    let disk = SimulatedDisk::new();
    let (_, history) = run(&disk, seed);
    assert!(history.records.len() > STEPS / 2, "the script ran to its end");
    disk.operations()
}

#[test]
fn what_was_synced_survives_a_power_cut_at_every_sync() {
    let operations = operations(1);
    let syncs = operations
        .iter()
        .enumerate()
        .filter(|(_, (operation, _))| matches!(operation, Operation::Sync | Operation::SyncFolder));
    for (cut, (operation, name)) in syncs {
        for survival in [Survival::Nothing, Survival::Everything, Survival::Torn] {
            cut_twice(1, cut, survival, false)
                .unwrap_or_else(|text| panic!("cut at {cut} ({operation:?} {name}): {text}"));
        }
    }
}

#[test]
fn what_was_synced_survives_a_power_cut_between_syncs() {
    let operations = operations(2);
    for (cut, (operation, name)) in operations.iter().enumerate() {
        // redb writes page by page: a part of its cuts is enough.
        if name.starts_with("warren.redb") && cut % 4 != 0 {
            continue;
        }
        cut_twice(2, cut, Survival::Torn, false)
            .unwrap_or_else(|text| panic!("cut at {cut} ({operation:?} {name}): {text}"));
    }
}

#[test]
fn scripts_of_many_kinds_survive_a_power_cut_anywhere() {
    for seed in 100..180 {
        let cut = Random(seed).below(700) as usize;
        cut_twice(seed, cut, Survival::Torn, false)
            .unwrap_or_else(|text| panic!("script {seed}, cut at {cut}: {text}"));
    }
}

#[test]
fn the_script_covers_rolls_recycling_and_checkpoints() {
    let (_, history) = run(&SimulatedDisk::new(), 1);
    assert!(history.moved > 1, "messages of sparse segments were moved: {}", history.moved);
    let operations = operations(1);
    let count = |wanted: Operation, prefix: &str| {
        let hits = operations
            .iter()
            .filter(|(operation, name)| *operation == wanted && name.starts_with(prefix));
        hits.count()
    };
    assert!(count(Operation::Name, "log/0000") > 5, "segments were made and recycled");
    assert!(count(Operation::Name, "log/spare-") > 2, "segments were recycled");
    assert!(count(Operation::Sync, "warren.redb") > 8, "checkpoints were made");
    assert!(count(Operation::Sync, "log/0000") > 30, "groups were synced");
}

#[test]
fn the_check_notices_when_syncs_do_nothing() {
    let failures = (20..400)
        .step_by(10)
        .filter(|cut| cut_twice(1, *cut, Survival::Nothing, true).is_err())
        .count();
    assert!(failures > 10, "{failures} cuts were noticed");
}

#[test]
fn what_a_killed_process_left_unsynced_is_durable_once_it_was_recovered() {
    let disk = SimulatedDisk::new();
    let queue = QueueId::new(HOST, 1);
    let mut model = Model::default();
    let writes = [declared(1), enqueued(b"unsynced", &[(queue, 1)])];
    writes.iter().for_each(|write| model.apply(write));
    let mut opened = open(&disk).expect("the store opens");
    opened.log.append(&writes).expect("no fault");
    opened.log.flush(false).expect("no fault");
    drop(opened);
    // The system lives on and has the data in memory; the engine is told of the message now.
    let opened = open(&disk).expect("the store opens");
    model.compare(&opened.recovered).expect("the message is there");
    let opened = open(&disk.after_power_cut(Survival::Nothing, 0)).expect("the store opens");
    model.compare(&opened.recovered).expect("the message is still there");
}

/// The deletion of a queue may be lost although a later record is there: nobody waits for that of
/// an auto-delete queue.
#[test]
fn a_queue_that_was_declared_again_is_there_once_if_the_deletion_is_lost() {
    let again = QueueRecord { name: queue_record(1).name, ..queue_record(2) };
    let mut lost = 0;
    for seed in 0..40 {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk).expect("the store opens");
        let writes = [
            vec![declared(1), enqueued(b"old", &[(queue_record(1).id, 1)])],
            vec![Write::QueueDeleted(queue_record(1).id)],
            vec![Write::QueueDeclared(again.clone()), enqueued(b"new", &[(again.id, 1)])],
        ];
        for (at, writes) in writes.iter().enumerate() {
            opened.log.append(writes).expect("no fault");
            opened.log.flush(at == 0).expect("no fault");
        }
        let disk = disk.after_power_cut(Survival::Torn, seed);
        let opened = open(&disk).expect("the store opens");
        lost += usize::from(!opened.report.damaged.is_empty());
        drop(opened);
        for _ in 0..2 {
            // Also when a checkpoint has taken it into the database.
            let mut opened = open(&disk).expect("the store opens");
            let found: Vec<QueueId> =
                opened.recovered.queues.iter().map(|queue| queue.record.id).collect();
            assert!(found.len() <= 1, "seed {seed}: {found:?}");
            if let Some(delta) = opened.log.begin_checkpoint().expect("no fault") {
                let outcome = opened.checkpointer.run(&delta).expect("no fault");
                opened.log.finish_checkpoint(outcome).expect("no fault");
            }
        }
    }
    assert!(lost > 0, "some deletions are lost");
}

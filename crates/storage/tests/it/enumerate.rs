//! One long script, and a power cut before every single operation of the disk in it, each with
//! what was not synced lost, kept, and torn and reordered. The disk shows itself before each
//! operation, so that the script runs once, whatever its length.
//!
//! The short form runs with all tests. `cargo xtask simulate --enumerate` runs the long one, by
//! setting `WARREN_ENUMERATE` to the number of operations in the script.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use warren_storage::Error;
use warren_storage::fault::{Moment, Operation, SimulatedDisk, Survival};

use crate::harness::{History, open};
use crate::model::{Generator, Model};

/// Operations of the short script.
const OPERATIONS: usize = 600;

/// What the cuts came to.
#[derive(Debug, Default)]
struct Cuts {
    history: History,
    /// Operations of the disk before which power was cut, and how many of them were syncs.
    places: usize,
    syncs: usize,
    cuts: usize,
    /// Cuts after which what no sync had covered was found nevertheless.
    found_more: usize,
    faults: Vec<String>,
}

impl Cuts {
    fn cut(&mut self, moment: &Moment<'_>) {
        self.places += 1;
        let is_sync = matches!(moment.operation, Operation::Sync | Operation::SyncFolder);
        self.syncs += usize::from(is_sync);
        for survival in [Survival::Nothing, Survival::Everything, Survival::Torn] {
            self.cuts += 1;
            let disk = moment.after_power_cut(survival, moment.number() as u64);
            let checked = match open(&disk) {
                Ok(opened) => self.history.check(&opened),
                Err(error) => Err(error.to_string()),
            };
            match checked {
                Ok(state) => {
                    self.found_more += usize::from(state != self.history.base.clone().restarted())
                }
                Err(text) if self.faults.len() < 5 => {
                    let (number, name) = (moment.number(), moment.name);
                    let what = format!("{number} ({:?} of {name}), {survival:?}", moment.operation);
                    self.faults.push(format!("cut before {what}: {text}"));
                }
                Err(_) => {}
            }
        }
    }
}

fn lock(cuts: &Mutex<Cuts>) -> MutexGuard<'_, Cuts> {
    cuts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that was flushed is durable now.
fn synced(cuts: &Mutex<Cuts>) {
    let History { base, records, synced, .. } = &mut lock(cuts).history;
    records.drain(..).flatten().for_each(|write| base.apply(&write));
    *synced = 0;
}

/// Runs a script of so many operations, each the writes of one command, with checkpoints and
/// housekeeping in between.
fn script(disk: &SimulatedDisk, cuts: &Mutex<Cuts>, operations: usize) -> Result<(), Error> {
    let mut opened = open(disk)?;
    let mut generator = Generator::new(7);
    let mut model = Model::default();
    let (mut running, mut done) = (None, 0);
    while done < operations {
        let mut record = Vec::new();
        for _ in 0..=generator.random.below(3) {
            let writes = generator.writes(&mut model);
            opened.log.append(&writes)?;
            record.extend(writes);
            done += 1;
        }
        if !record.is_empty() {
            lock(cuts).history.records.push(record);
        }
        // At most a few records wait for a sync, as the check tries all subsets of them.
        let unsynced = lock(cuts).history.records.len();
        let sync = unsynced > 3 || generator.random.below(3) > 0;
        opened.log.flush(sync)?;
        if sync {
            synced(cuts);
        }
        if running.is_none() && (generator.random.below(12) == 0 || opened.log.checkpoint_due()) {
            running = opened.log.begin_checkpoint()?;
            if running.is_some() {
                synced(cuts);
            }
        } else if let Some(delta) = running.take_if(|_| generator.random.below(2) == 0) {
            let outcome = opened.checkpointer.run(&delta)?;
            opened.log.finish_checkpoint(outcome)?;
        }
        if generator.random.below(4) == 0 {
            opened.checkpointer.prepare_spare()?;
        }
    }
    Ok(())
}

#[test]
fn what_was_synced_survives_every_cut_of_a_long_script() {
    let chosen = std::env::var("WARREN_ENUMERATE").ok().and_then(|text| text.parse().ok());
    let operations = chosen.unwrap_or(OPERATIONS);
    let disk = SimulatedDisk::new();
    let cuts: Arc<Mutex<Cuts>> = Arc::default();
    let watching = Arc::clone(&cuts);
    disk.watch(move |moment| lock(&watching).cut(moment));
    script(&disk, &cuts, operations).expect("no fault");
    let Cuts { places, syncs, cuts, found_more, faults, .. } = &*lock(&cuts);
    println!(
        "a script of {operations} operations, cut before each of {places} operations of the disk, \
         {syncs} of them syncs: {cuts} cuts; {found_more} times more was found than was synced"
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(*syncs > operations / 4 && *places > operations, "the script did little");
    assert!(*found_more > places / 10, "some of what was not synced survives");
}

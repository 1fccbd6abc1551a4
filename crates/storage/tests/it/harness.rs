//! A store on a simulated disk, driven like the server drives it, beside the list of records
//! that it was given.

use std::collections::BTreeMap;
use std::sync::Arc;

use warren_engine::{Load, Sequence, Write};
use warren_storage::fault::SimulatedDisk;
use warren_storage::{Error, Opened, Options, Reader, open_on};

use crate::model::{Generator, Model};

/// Small segments, so that a short script fills many.
pub(crate) fn options() -> Options {
    Options {
        segment_bytes: 16 << 10,
        spare_segments: 1,
        reserve_bytes: 16 << 10,
        cache_bytes: 1 << 20,
        checkpoint_bytes: 24 << 10,
        log_key: 0x5eed,
    }
}

pub(crate) fn open(disk: &SimulatedDisk) -> Result<Opened, Error> {
    open_on(Arc::new(disk.clone()), options())
}

/// What was flushed, record by record.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// The state when the store was opened.
    pub(crate) base: Model,
    pub(crate) records: Vec<Vec<Write>>,
    /// So many of them a sync has covered.
    pub(crate) synced: usize,
    /// Pieces of sparse segments that were moved.
    pub(crate) moved: usize,
}

impl History {
    fn state_with(&self, chosen: impl Fn(usize) -> bool) -> Model {
        let mut model = self.base.clone();
        for (number, record) in self.records.iter().enumerate() {
            if number < self.synced || chosen(number - self.synced) {
                record.iter().for_each(|write| model.apply(write));
            }
        }
        model.restarted()
    }

    /// What a running store should hold.
    pub(crate) fn running(&self) -> Model {
        let mut model = self.base.clone();
        self.records.iter().flatten().for_each(|write| model.apply(write));
        model
    }

    /// The states that a store may be in after a power cut: all that was synced, and of the rest
    /// any records, whole.
    fn allowed(&self) -> impl Iterator<Item = Model> {
        let open = (self.records.len() - self.synced).min(10);
        (0..1_usize << open)
            .rev()
            .map(|chosen| self.state_with(|number| chosen >> number.min(31) & 1 == 1))
    }

    /// Checks a store that was opened after a cut: gives the state that it is in.
    pub(crate) fn check(&self, opened: &Opened) -> Result<Model, String> {
        let mut reason = String::new();
        for model in self.allowed() {
            // How often messages came back is told with their contents alone.
            let compared = model.compare(&opened.recovered);
            match compared.and_then(|()| check_contents(&opened.reader, &model)) {
                Ok(()) => return Ok(model),
                Err(text) => reason = text,
            }
        }
        Err(reason)
    }
}

/// Loads all messages and compares their bytes.
pub(crate) fn check_contents(reader: &Reader, model: &Model) -> Result<(), String> {
    for (id, queue) in &model.queues {
        let mut found = Vec::new();
        let mut returns = BTreeMap::new();
        let mut first = 1;
        let expected = model.messages(*id);
        let last = expected.keys().next_back().copied().unwrap_or_default();
        while first < queue.next_sequence.max(last + 1) {
            let messages_max = if first % 3 == 0 { 4 } else { u32::MAX };
            let load = Load { queue: *id, first, last: Sequence::MAX, messages_max, only: None };
            let loaded = reader.load(&load, 2_500).map_err(|error| error.to_string())?;
            if !loaded.damaged.is_empty() || !loaded.damaged_rows.is_empty() {
                return Err(format!("damaged: {:?} {:?}", loaded.damaged, loaded.damaged_rows));
            }
            if loaded.messages.len() > messages_max as usize {
                return Err(format!("{} messages are too many", loaded.messages.len()));
            }
            let next = loaded.through.saturating_add(1);
            if next <= first {
                return Err(format!("a load from {first} on stops at {}", loaded.through));
            }
            first = next;
            found.extend(loaded.messages);
            returns.extend(loaded.returns);
        }
        let found: Vec<_> = found.iter().map(|(at, message)| (*at, message.encoded())).collect();
        let expected: Vec<_> = expected.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
        if found != expected {
            let places: Vec<_> = found.iter().map(|(at, _)| at).collect();
            return Err(format!("queue {id:?} holds other messages: {places:?}"));
        }
        if returns != queue.returns {
            let expected = &queue.returns;
            return Err(format!("queue {id:?}: returns {returns:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

/// Drives the store with generated writes until the steps are done or the disk fails.
pub(crate) fn drive(
    opened: Opened,
    generator: &mut Generator,
    history: &mut History,
    steps: usize,
) -> Result<Opened, Error> {
    let mut opened = opened;
    let mut model = history.running();
    let mut running = None;
    let mut moves = None;
    for _ in 0..steps {
        let mut record = Vec::new();
        for _ in 0..=generator.random.below(3) {
            let writes = generator.writes(&mut model);
            opened.log.append(&writes)?;
            record.extend(writes);
        }
        if !record.is_empty() {
            history.records.push(record);
        }
        // At most a few records wait for a sync, as the check tries all subsets of them.
        let unsynced = history.records.len() - history.synced;
        let sync = unsynced > 3 || generator.random.below(3) > 0;
        flush_when_there_is_room(&mut opened, sync)?;
        if sync {
            history.synced = history.records.len();
        }
        if running.is_none() && (generator.random.below(12) == 0 || opened.log.checkpoint_due()) {
            running = opened.log.begin_checkpoint()?;
            if running.is_some() {
                history.synced = history.records.len();
            }
        } else if let Some(delta) = running.take_if(|_| generator.random.below(2) == 0) {
            match opened.checkpointer.run(&delta) {
                Ok(outcome) => opened.log.finish_checkpoint(outcome)?,
                Err(error) if error.is_full() => running = Some(delta),
                Err(error) => return Err(error),
            }
        }
        if let Some(piece) = moves.take_if(|_| generator.random.below(3) > 0) {
            opened.log.append_moves(piece).or_else(unless_full)?;
            history.moved += 1;
            // A record that changes nothing that the model knows of.
            history.records.push(Vec::new());
        } else if moves.is_none() {
            moves = match opened.checkpointer.relocate() {
                Ok(step) => step.moves,
                Err(error) => unless_full(error).map(|()| None)?,
            };
        }
        if generator.random.below(4) == 0 {
            opened.checkpointer.prepare_spare().map(drop).or_else(unless_full)?;
        }
    }
    // A checkpoint that waits for room is made when there is some; so long nobody may read.
    for attempt in 0.. {
        let Some(delta) = &running else { break };
        match opened.checkpointer.run(delta) {
            Ok(outcome) => {
                opened.log.finish_checkpoint(outcome)?;
                running = None;
            }
            Err(error) if error.is_full() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Ok(opened)
}

/// A disk that is full during some operations has room again after so many attempts.
const ATTEMPTS: usize = 1_000;

fn flush_when_there_is_room(opened: &mut Opened, sync: bool) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        opened.log.flush(sync).or_else(unless_full)?;
        if opened.log.pending_bytes() == 0 {
            break;
        }
    }
    opened.log.flush(sync)
}

fn unless_full(error: Error) -> Result<(), Error> {
    if error.is_full() { Ok(()) } else { Err(error) }
}

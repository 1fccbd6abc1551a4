//! Reads single messages, wherever they stand in their queue.

use warren_engine::{Load, QueueId, Sequence};

use super::{Budget, Places, Reader};
use crate::Error;
use crate::delta::{Entry, QueueDelta};
use crate::shared::State;

/// What the layers in memory know of a place under one name.
enum Known {
    Waits(Entry),
    /// Its message is gone, or never came.
    Nothing,
    /// The rows tell.
    InRows,
}

impl Reader {
    /// Where the messages of certain places stand, as far as they still wait.
    pub(super) fn picked(
        &self,
        load: &Load,
        only: &[Sequence],
        bytes_max: usize,
    ) -> Result<Places, Error> {
        let mut entries = Vec::with_capacity(only.len());
        let mut in_rows = Vec::new();
        {
            let state = self.shared.state();
            for name in [load.queue, load.queue.spilled()] {
                for place in only {
                    match known(&state, name, *place) {
                        Known::Waits(entry) => entries.push(entry),
                        Known::InRows => in_rows.push((name, *place)),
                        Known::Nothing => {}
                    }
                }
            }
        }
        // Places of a name are together and in order, so that neighbours share a row.
        let found = self.shared.index.with(|index| index.entries_at(&in_rows))?;
        entries.extend(found.into_iter().flatten());
        entries.sort_by_key(|entry| entry.sequence);
        let mut budget = Budget { bytes_left: bytes_max, messages_left: load.messages_max.max(1) };
        let full = entries.iter().position(|entry| !budget.take(entry));
        let mut through = load.last;
        if let Some(last) = full.and_then(|at| entries.get(at)).map(|entry| entry.sequence) {
            entries.retain(|entry| entry.sequence <= last);
            through = last;
        }
        Ok(Places { entries, damaged_rows: Vec::new(), through })
    }
}

fn known(state: &State, name: QueueId, place: Sequence) -> Known {
    if !state.knows(name) {
        return Known::Nothing;
    }
    let frozen = state.frozen.as_ref().and_then(|layer| layer.queues.get(&name));
    for layer in [state.live.queues.get(&name), frozen].into_iter().flatten() {
        match in_layer(layer, place) {
            Known::InRows => {}
            known => return known,
        }
    }
    Known::InRows
}

fn in_layer(layer: &QueueDelta, place: Sequence) -> Known {
    let found = layer.entries.slots(place).next().filter(|entry| entry.sequence == place);
    match found {
        Some(entry) if entry.segment != 0 => Known::Waits(*entry),
        Some(_) => Known::Nothing,
        None if layer.deleted || layer.settled.contains(place) => Known::Nothing,
        None => Known::InRows,
    }
}

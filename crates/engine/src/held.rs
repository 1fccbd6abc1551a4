//! What a channel is told later, because a `basic.get` before it is not answered yet.

use std::collections::VecDeque;

use crate::{Event, Outgoing};

#[derive(Debug)]
enum Entry {
    /// The place of the answer of a get.
    Get,
    Event(Outgoing),
}

/// Gets that are not answered, and what is held behind each of them.
#[derive(Debug, Default)]
pub(crate) struct Held {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Held {
    /// True if no get waits; then nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the held events take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A get waits from now on.
    pub(crate) fn get_begins(&mut self) {
        self.entries.push_back(Entry::Get);
    }

    /// Holds an event. A confirm that goes on where the last one ended is joined to it: a channel
    /// may publish much while it waits for the disk.
    pub(crate) fn hold(&mut self, outgoing: Outgoing) {
        if let Some(Entry::Event(before)) = self.entries.back_mut()
            && before.after_commit == outgoing.after_commit
            && let Event::Confirm { last, .. } = &mut before.event
            && let Event::Confirm { first, last: new, .. } = outgoing.event
            && *last + 1 == first
        {
            *last = new;
            return;
        }
        self.bytes += outgoing.event.weight();
        self.entries.push_back(Entry::Event(outgoing));
    }

    /// The oldest get is answered: what was held behind it goes.
    pub(crate) fn answered(&mut self, events: &mut Vec<Outgoing>) {
        self.entries.pop_front_if(|entry| matches!(entry, Entry::Get));
        while let Some(entry) = self.entries.pop_front() {
            match entry {
                Entry::Get => return self.entries.push_front(Entry::Get),
                Entry::Event(outgoing) => {
                    self.bytes -= outgoing.event.weight();
                    events.push(outgoing);
                }
            }
        }
    }

    /// How many gets wait.
    pub(crate) fn gets(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry, Entry::Get)).count()
    }
}

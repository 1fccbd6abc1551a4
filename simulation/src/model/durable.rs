//! What must be on disk: changes in the order of the commands that made them, applied when a sync
//! has covered them; and the comparison with what a restart finds.

use std::collections::{BTreeMap, BTreeSet};

use warren_engine::{BindingRecord, ExchangeRecord, Milliseconds, QueueRecord};

use super::dead_letters::Past;
use super::{Place, QueueNumber};
use crate::Violation;
use crate::messages::{Death, MessageId};

/// How a message came to a queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entered {
    /// What it had been through.
    pub(crate) past: Past,
    /// When its time in the queue begins.
    pub(crate) time: Milliseconds,
}

/// A durable change that a command made.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    ExchangeDeclared(ExchangeRecord),
    ExchangeDeleted(String),
    QueueDeclared {
        queue: QueueNumber,
        name: String,
        auto_delete: bool,
    },
    QueueDeleted(QueueNumber),
    Bound(BindingRecord),
    Unbound(BindingRecord),
    Enqueued {
        message: MessageId,
        places: Vec<(QueueNumber, u8, Place)>,
        entered: Entered,
    },
    Returned(QueueNumber, Place, u32),
    Settled(QueueNumber, Place),
    /// A purge may have swept over the place of a message that had left before. If the record in
    /// which it left is torn out and that of the purge stays, it is gone all the same.
    Swept(QueueNumber, Place),
    Delivered(QueueNumber, u8, Place),
}

impl Change {
    /// The place in a queue that the change settles.
    pub(crate) fn settled(&self, queue: QueueNumber) -> Option<Place> {
        match self {
            Self::Settled(number, place) if *number == queue => Some(*place),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct DurableQueue {
    pub(crate) name: String,
    pub(crate) auto_delete: bool,
    pub(crate) messages: BTreeMap<Place, MessageId>,
    pub(crate) entered: BTreeMap<Place, Entered>,
    /// How often messages came back, of those that did.
    pub(crate) returns: BTreeMap<Place, u32>,
    /// Levels of priority that are not 0.
    levels: BTreeMap<Place, u8>,
    pub(crate) delivered_through: BTreeMap<u8, Place>,
    /// Places of messages that may be gone.
    swept: BTreeSet<Place>,
}

impl DurableQueue {
    pub(crate) fn level(&self, place: Place) -> u8 {
        self.levels.get(&place).copied().unwrap_or_default()
    }

    /// The message in this place is known to have been delivered.
    pub(crate) fn was_delivered(&self, place: Place) -> bool {
        self.delivered_through.get(&self.level(place)).is_some_and(|through| place <= *through)
    }
}

/// The durable state after some command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durable {
    pub(crate) exchanges: BTreeMap<String, ExchangeRecord>,
    pub(crate) bindings: Vec<BindingRecord>,
    pub(crate) queues: BTreeMap<QueueNumber, DurableQueue>,
}

/// What a restart finds, with the messages that each queue gives when it is read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) exchanges: Vec<ExchangeRecord>,
    pub(crate) bindings: Vec<BindingRecord>,
    /// What the recovery says it could not read.
    pub(crate) damaged: Vec<String>,
    /// Messages that could not be read.
    pub(crate) rotten: usize,
    pub(crate) queues: Vec<(QueueRecord, Vec<FoundMessage>)>,
    /// The next place of each queue, by its name.
    pub(crate) next_places: Vec<(String, Place)>,
}

/// A message that a restart finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundMessage {
    pub(crate) id: MessageId,
    /// It is known as delivered.
    pub(crate) delivered: bool,
    pub(crate) returns: u32,
    pub(crate) deaths: Vec<Death>,
}

impl Durable {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::ExchangeDeclared(record) => {
                self.exchanges.insert(record.name.clone(), record.clone());
            }
            Change::ExchangeDeleted(name) => {
                self.exchanges.remove(name);
            }
            Change::QueueDeclared { queue, name, auto_delete } => {
                let (name, auto_delete) = (name.clone(), *auto_delete);
                // The record of its deletion may be lost, that of the new one there.
                self.queues.retain(|_, other| other.name != name);
                self.queues
                    .insert(*queue, DurableQueue { name, auto_delete, ..Default::default() });
            }
            Change::QueueDeleted(queue) => {
                self.queues.remove(queue);
            }
            Change::Bound(record) => self.bindings.push(record.clone()),
            Change::Unbound(record) => self.bindings.retain(|binding| binding != record),
            Change::Returned(queue, place, count) => {
                let queue = self.queues.get_mut(queue);
                if let Some(queue) = queue.filter(|queue| queue.messages.contains_key(place)) {
                    queue.returns.insert(*place, *count);
                }
            }
            Change::Enqueued { message, places, entered } => {
                for (queue, level, place) in places {
                    if let Some(queue) = self.queues.get_mut(queue) {
                        queue.messages.insert(*place, *message);
                        // Another message may have had the place, which a restart forgot.
                        queue.returns.remove(place);
                        queue.levels.remove(place);
                        queue.entered.insert(*place, entered.clone());
                        if *level > 0 {
                            queue.levels.insert(*place, *level);
                        }
                    }
                }
            }
            Change::Settled(queue, place) => {
                if let Some(queue) = self.queues.get_mut(queue) {
                    queue.messages.remove(place);
                    queue.levels.remove(place);
                }
            }
            Change::Swept(queue, place) => {
                if let Some(queue) = self.queues.get_mut(queue) {
                    queue.swept.insert(*place);
                }
            }
            Change::Delivered(queue, level, place) => {
                if let Some(queue) = self.queues.get_mut(queue) {
                    let through = queue.delivered_through.entry(*level).or_default();
                    *through = (*place).max(*through);
                }
            }
        }
    }

    /// What may be gone is, if it is not found.
    pub(crate) fn sweep(&mut self, found: &Found) {
        for queue in self.queues.values_mut() {
            let swept = std::mem::take(&mut queue.swept);
            let found = found.queues.iter().find(|(record, _)| record.name == queue.name);
            let found: BTreeSet<MessageId> =
                found.iter().flat_map(|(_, messages)| messages).map(|message| message.id).collect();
            queue.messages.retain(|place, id| !swept.contains(place) || found.contains(id));
        }
    }

    /// Holds what was found against this state.
    pub(crate) fn compare(&self, found: &Found) -> Result<(), Violation> {
        let names = |records: &[ExchangeRecord]| -> BTreeSet<String> {
            records.iter().map(|record| record.name.clone()).collect()
        };
        let expected: Vec<ExchangeRecord> = self.exchanges.values().cloned().collect();
        same_set("exchange", &names(&expected), &names(&found.exchanges))?;
        let texts = |records: &[BindingRecord]| -> BTreeSet<String> {
            records.iter().map(|record| format!("{record:?}")).collect()
        };
        let queues: BTreeMap<&str, &DurableQueue> =
            self.queues.values().map(|queue| (queue.name.as_str(), queue)).collect();
        let expected = queues.keys().map(|name| (*name).to_owned()).collect();
        let present = found.queues.iter().map(|(record, _)| record.name.clone()).collect();
        same_set("queue", &expected, &present)?;
        same_set("binding", &texts(&self.bindings), &texts(&found.bindings))?;
        for (record, messages) in &found.queues {
            let Some(queue) = queues.get(record.name.as_str()) else { continue };
            if record.auto_delete != queue.auto_delete || !record.durable || record.exclusive {
                return Err(Violation::new("P8", format!("queue {record:?} came back changed")));
            }
            compare_messages(&record.name, queue, messages)?;
        }
        Ok(())
    }
}

fn same_set(
    what: &str,
    expected: &BTreeSet<String>,
    found: &BTreeSet<String>,
) -> Result<(), Violation> {
    if let Some(missing) = expected.difference(found).next() {
        return Err(Violation::new("P1", format!("{what} {missing} is lost")));
    }
    match found.difference(expected).next() {
        Some(extra) => Err(Violation::new("P4", format!("{what} {extra} is there again"))),
        None => Ok(()),
    }
}

fn compare_messages(
    name: &str,
    queue: &DurableQueue,
    found: &[FoundMessage],
) -> Result<(), Violation> {
    let of = |counts: &BTreeMap<Place, u32>, place| counts.get(place).copied().unwrap_or_default();
    let deaths = |place| {
        let entered = queue.entered.get(place);
        entered.map_or_else(Vec::new, |entered| entered.past.deaths.clone())
    };
    let wanted = queue.messages.iter().map(|(place, id)| FoundMessage {
        id: *id,
        delivered: queue.was_delivered(*place),
        returns: of(&queue.returns, place),
        deaths: deaths(place),
    });
    let wanted: Vec<FoundMessage> = wanted.collect();
    if wanted == found {
        return Ok(());
    }
    let counts = |message: &FoundMessage| FoundMessage { delivered: false, ..message.clone() };
    let is_counted = wanted.iter().map(counts).eq(found.iter().map(counts));
    let pairs = wanted.iter().zip(found).filter(|(wanted, found)| wanted != found);
    let wrong: Vec<MessageId> = pairs.map(|(wanted, _)| wanted.id).collect();
    let found: Vec<MessageId> = found.iter().map(|message| message.id).collect();
    let expected: Vec<MessageId> = queue.messages.values().copied().collect();
    if expected == found && !is_counted {
        let text = format!("queue {name}: it is not known how often messages died or came back");
        return Err(Violation::new("P11", text));
    }
    if expected == found {
        let text = format!("queue {name}: it is not known whether {wrong:?} were delivered");
        return Err(Violation::new("P5", text));
    }
    let missing: Vec<_> = expected.iter().filter(|id| !found.contains(id)).collect();
    if !missing.is_empty() {
        return Err(Violation::new("P1", format!("queue {name} has lost messages {missing:?}")));
    }
    let extra: Vec<_> = found.iter().filter(|id| !expected.contains(id)).collect();
    if !extra.is_empty() {
        let text = format!("queue {name} has messages {extra:?} that left it or never entered");
        return Err(Violation::new("P4", text));
    }
    Err(Violation::new("P3", format!("queue {name} has {found:?} in place of {expected:?}")))
}

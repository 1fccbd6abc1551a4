//! What a disk would hold: the writes of a virtual host applied one by one, as plainly as can be.

use std::collections::BTreeMap;

use warren_engine::{
    BindingRecord, ExchangeRecord, Load, Message, QueueId, QueueRecord, Recovered,
    RecoveredMessage, RecoveredQueue, Sequence, VirtualHostId, Waiting, Write,
};

#[derive(Default)]
pub(crate) struct Durable {
    pub(crate) exchanges: Vec<ExchangeRecord>,
    pub(crate) queues: Vec<DurableQueue>,
    pub(crate) bindings: Vec<BindingRecord>,
    /// Every queue that ever was, so that writes about it can be read.
    names: BTreeMap<QueueId, String>,
}

pub(crate) struct DurableQueue {
    pub(crate) record: QueueRecord,
    next_sequence: Sequence,
    pub(crate) delivered_through: Sequence,
    pub(crate) messages: BTreeMap<Sequence, Message>,
}

impl Durable {
    pub(crate) fn name(&self, id: QueueId) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| format!("unknown queue {id:?}"))
    }

    fn queue(&mut self, id: QueueId) -> Option<&mut DurableQueue> {
        self.queues.iter_mut().find(|queue| queue.record.id == id)
    }

    /// Applies a write. One that makes no sense is a fault of the engine.
    pub(crate) fn apply(&mut self, write: &Write) -> Result<(), String> {
        let fault = || Err(format!("a write that makes no sense: {write:?}"));
        match write {
            Write::ExchangeDeclared(_, record) => {
                if self.exchanges.iter().any(|other| other.name == record.name) {
                    return fault();
                }
                self.exchanges.push(record.clone());
            }
            Write::ExchangeDeleted(_, name) => {
                if !take(&mut self.exchanges, |record| record.name == *name) {
                    return fault();
                }
            }
            Write::QueueDeclared(record) => {
                if self.queue(record.id).is_some() {
                    return fault();
                }
                self.names.insert(record.id, record.name.clone());
                self.queues.push(DurableQueue {
                    record: record.clone(),
                    next_sequence: 1,
                    delivered_through: 0,
                    messages: BTreeMap::new(),
                });
            }
            Write::QueueDeleted(id) => {
                if !take(&mut self.queues, |queue| queue.record.id == *id) {
                    return fault();
                }
            }
            Write::Bound(_, record) => {
                if self.bindings.contains(record) {
                    return fault();
                }
                self.bindings.push(record.clone());
            }
            Write::Unbound(_, record) => {
                if !take(&mut self.bindings, |other| other == record) {
                    return fault();
                }
            }
            Write::Enqueued { message, queues } => {
                for (id, sequence) in queues {
                    let Some(queue) = self.queue(*id) else { return fault() };
                    if *sequence < queue.next_sequence {
                        return fault();
                    }
                    queue.next_sequence = sequence + 1;
                    queue.messages.insert(*sequence, message.clone());
                }
            }
            Write::Settled { queue, first, last } => {
                // The range may span places of transient messages, but its ends were settled now.
                let Some(queue) = self.queue(*queue) else { return fault() };
                for end in [first, last] {
                    if !queue.messages.contains_key(end) {
                        return fault();
                    }
                }
                queue.messages.retain(|place, _| !(first..=last).contains(&place));
            }
            Write::Delivered { queue, through } => {
                // What was delivered last waits for its acknowledgement, and nothing is told twice.
                let Some(queue) = self.queue(*queue) else { return fault() };
                let waits = queue.messages.contains_key(through);
                if !waits || *through <= queue.delivered_through {
                    return fault();
                }
                queue.delivered_through = *through;
            }
        }
        Ok(())
    }

    pub(crate) fn recovered(&self, id: VirtualHostId) -> Recovered {
        let queues = self.queues.iter().map(|queue| RecoveredQueue {
            record: queue.record.clone(),
            next_sequence: queue.next_sequence,
            delivered_through: queue.delivered_through,
            waiting: waiting(&queue.messages),
            messages: queue.messages.iter().map(recovered_message).collect(),
        });
        Recovered {
            exchanges: self.exchanges.iter().map(|record| (id, record.clone())).collect(),
            queues: queues.collect(),
            bindings: self.bindings.iter().map(|record| (id, record.clone())).collect(),
        }
    }

    /// The contents that a load asks for.
    pub(crate) fn contents(&self, load: Load) -> Vec<(Sequence, Message)> {
        let queue = self.queues.iter().find(|queue| queue.record.id == load.queue);
        queue.map_or_else(Vec::new, |queue| {
            let range = queue.messages.range(load.first..=load.last);
            range.map(|(place, message)| (*place, message.clone())).collect()
        })
    }
}

fn waiting(messages: &BTreeMap<Sequence, Message>) -> Waiting {
    Waiting {
        first: messages.keys().next().copied().unwrap_or_default(),
        last: messages.keys().next_back().copied().unwrap_or_default(),
        messages: messages.len() as u64,
        body_bytes: messages.values().map(|message| message.body().len() as u64).sum(),
    }
}

fn recovered_message((sequence, message): (&Sequence, &Message)) -> RecoveredMessage {
    RecoveredMessage { sequence: *sequence, body_bytes: message.body().len() as u32 }
}

/// Removes the one element that is meant. False if there is none.
fn take<T>(list: &mut Vec<T>, meant: impl Fn(&T) -> bool) -> bool {
    list.iter().position(meant).map(|at| list.remove(at)).is_some()
}

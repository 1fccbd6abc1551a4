//! What a disk would hold: the writes of a virtual host applied one by one, as plainly as can be.

use std::collections::BTreeMap;

use warren_engine::{
    BindingRecord, ExchangeRecord, Load, Message, QueueId, QueueRecord, Recovered, RecoveredLane,
    RecoveredQueue, Sequence, VirtualHostId, Waiting, Write,
};

#[derive(Default)]
pub(crate) struct Durable {
    pub(crate) exchanges: Vec<ExchangeRecord>,
    pub(crate) queues: Vec<DurableQueue>,
    pub(crate) bindings: Vec<BindingRecord>,
    /// Every queue that ever was, so that writes about it can be read.
    names: BTreeMap<QueueId, String>,
    /// Messages that need not survive a restart, by the name that queues have for these.
    spilled: BTreeMap<QueueId, BTreeMap<Sequence, Message>>,
    /// The queue's counter and the range that the last such write told of.
    settled_last: (u32, Sequence, Sequence),
}

pub(crate) struct DurableQueue {
    pub(crate) record: QueueRecord,
    next_sequence: Sequence,
    /// By number; 0 is the queue itself.
    pub(crate) lanes: BTreeMap<u8, DurableLane>,
}

#[derive(Default)]
pub(crate) struct DurableLane {
    pub(crate) delivered_through: Sequence,
    pub(crate) messages: BTreeMap<Sequence, Message>,
    /// How often messages came back.
    returns: BTreeMap<Sequence, u32>,
    may_expire: bool,
}

impl DurableQueue {
    /// What is in the queue, in the order of places.
    pub(crate) fn messages(&self) -> BTreeMap<Sequence, &Message> {
        self.lanes.values().flat_map(|lane| &lane.messages).map(|(at, one)| (*at, one)).collect()
    }
}

impl Durable {
    pub(crate) fn name(&self, id: QueueId) -> String {
        let counter = id.counter();
        let name = match self.names.get(&id.declared()) {
            _ if id.is_spilled() => format!("spilled-{counter}"),
            Some(name) => name.clone(),
            None => format!("queue-{counter}"),
        };
        match id.lane_number() {
            0 => name,
            lane => format!("{name}/{lane}"),
        }
    }

    /// Nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
            && self.queues.is_empty()
            && self.bindings.is_empty()
            && self.spilled.is_empty()
    }

    /// How many messages there are that do not survive a restart.
    pub(crate) fn spilled(&self) -> usize {
        self.spilled.values().map(BTreeMap::len).sum()
    }

    fn queue(&mut self, id: QueueId) -> Option<&mut DurableQueue> {
        self.queues.iter_mut().find(|queue| queue.record.id == id.declared())
    }

    /// True if a queue has messages in a range, under either name.
    fn has_any(&self, id: QueueId, first: Sequence, last: Sequence) -> bool {
        let counter = id.counter();
        let durable = self.queues.iter().find(|queue| queue.record.id.counter() == counter);
        let lane = id.lane_number();
        let durable = durable.and_then(|queue| queue.lanes.get(&lane)).map(|lane| &lane.messages);
        let same = |other: QueueId| (other.counter(), other.lane_number()) == (counter, lane);
        let spilled = self.spilled.iter().find(|(id, _)| same(**id));
        let both = [durable, spilled.map(|(_, messages)| messages)];
        both.into_iter().flatten().any(|all| all.range(first..=last).next().is_some())
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
                let known = self.queues.iter_mut().find(|queue| queue.record.id == record.id);
                if let Some(known) = known {
                    // Only this changes in a queue that is there.
                    let changed = QueueRecord { paused: record.paused, ..known.record.clone() };
                    if known.record.paused == record.paused || changed != *record {
                        return fault();
                    }
                    known.record = changed;
                    return Ok(());
                }
                self.names.insert(record.id, record.name.clone());
                self.queues.push(DurableQueue {
                    record: record.clone(),
                    next_sequence: 1,
                    lanes: BTreeMap::new(),
                });
            }
            Write::QueueDeleted(id) if id.is_spilled() => {
                let before = self.spilled.len();
                self.spilled.retain(|other, _| other.lane(0) != *id);
                if self.spilled.len() == before {
                    return fault();
                }
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
            // An engine keeps none.
            Write::DefinitionSet { .. } | Write::DefinitionDeleted { .. } => return fault(),
            Write::Together(parts) => {
                for part in parts {
                    if matches!(part, Write::Together(_)) {
                        return fault();
                    }
                    self.apply(part)?;
                }
            }
            Write::Enqueued { .. }
            | Write::Settled { .. }
            | Write::Returned { .. }
            | Write::Delivered { .. } => {
                return self.apply_to_messages(write);
            }
        }
        Ok(())
    }

    fn apply_to_messages(&mut self, write: &Write) -> Result<(), String> {
        let fault = || Err(format!("a write that makes no sense: {write:?}"));
        match write {
            Write::Enqueued { message, queues } => {
                for (id, sequence) in queues {
                    if id.is_spilled() {
                        let queue = self.spilled.entry(*id).or_default();
                        if queue.insert(*sequence, message.clone()).is_some() {
                            return fault();
                        }
                        continue;
                    }
                    let Some(queue) = self.queue(*id) else { return fault() };
                    if *sequence < queue.next_sequence {
                        return fault();
                    }
                    queue.next_sequence = sequence + 1;
                    let lane = queue.lanes.entry(id.lane_number()).or_default();
                    lane.may_expire |= message.may_expire();
                    lane.messages.insert(*sequence, message.clone());
                }
            }
            Write::Settled { queue, first, last } => {
                // A purge tells both names of a queue of the same range.
                let range = (queue.counter(), *first, *last);
                let known = self.has_any(*queue, *first, *last) || self.settled_last == range;
                if first > last || !known {
                    return fault();
                }
                self.settled_last = range;
                let messages = if queue.is_spilled() {
                    // Of one lane messages may have been spilled, and of another none.
                    Some(self.spilled.entry(*queue).or_default())
                } else {
                    let lane = queue.lane_number();
                    let lanes = self.queue(*queue).map(|queue| &mut queue.lanes);
                    lanes.map(|lanes| &mut lanes.entry(lane).or_default().messages)
                };
                let Some(messages) = messages else { return fault() };
                messages.retain(|place, _| !(first..=last).contains(&place));
            }
            Write::Returned { queue, first, last, count } => {
                let lane = queue.lane_number();
                let lanes = self.queue(*queue).map(|queue| &mut queue.lanes);
                let Some(queue) = lanes.and_then(|lanes| lanes.get_mut(&lane)) else {
                    return fault();
                };
                for place in *first..=*last {
                    // Each time it comes back it is one more.
                    let before = queue.returns.insert(place, *count).unwrap_or_default();
                    if !queue.messages.contains_key(&place) || before + 1 != *count {
                        return fault();
                    }
                }
            }
            Write::Delivered { queue, through } => {
                // What was delivered last waits for its acknowledgement, and nothing is told twice.
                let lane = queue.lane_number();
                let lanes = self.queue(*queue).map(|queue| &mut queue.lanes);
                let Some(queue) = lanes.and_then(|lanes| lanes.get_mut(&lane)) else {
                    return fault();
                };
                let waits = queue.messages.contains_key(through);
                if !waits || *through <= queue.delivered_through {
                    return fault();
                }
                queue.delivered_through = *through;
            }
            other => return Err(format!("not about messages: {other:?}")),
        }
        Ok(())
    }

    /// What a restart finds. Messages that need not survive it are gone.
    pub(crate) fn recovered(&mut self, id: VirtualHostId) -> Recovered {
        self.spilled.clear();
        let none = DurableLane::default();
        let queues = self.queues.iter().map(|queue| RecoveredQueue {
            record: queue.record.clone(),
            next_sequence: queue.next_sequence,
            delivered_through: queue.lanes.get(&0).unwrap_or(&none).delivered_through,
            waiting: waiting(&queue.lanes.get(&0).unwrap_or(&none).messages),
            may_expire: queue.lanes.values().any(|lane| lane.may_expire),
            lanes: queue
                .lanes
                .iter()
                .filter(|(lane, _)| **lane != 0)
                .map(|(lane, found)| RecoveredLane {
                    lane: *lane,
                    delivered_through: found.delivered_through,
                    waiting: waiting(&found.messages),
                })
                .collect(),
        });
        Recovered {
            exchanges: self.exchanges.iter().map(|record| (id, record.clone())).collect(),
            queues: queues.collect(),
            bindings: self.bindings.iter().map(|record| (id, record.clone())).collect(),
            definitions: Vec::new(),
        }
    }

    /// The contents that a load asks for.
    pub(crate) fn contents(&self, load: &Load) -> Vec<(Sequence, Message)> {
        let id = load.queue.declared();
        let durable = self.queues.iter().find(|queue| queue.record.id == id);
        let durable = durable.and_then(|queue| queue.lanes.get(&load.queue.lane_number()));
        let durable = durable.map(|lane| &lane.messages);
        let spilled = self.spilled.get(&load.queue.spilled());
        let mut found = BTreeMap::new();
        for messages in [durable, spilled].into_iter().flatten() {
            found.extend(messages.range(load.first..=load.last));
        }
        if let Some(only) = &load.only {
            found.retain(|place, _| only.contains(place));
        }
        let found = found.into_iter().take(load.messages_max as usize);
        found.map(|(place, message)| (*place, message.clone())).collect()
    }
}

/// The counts of returns that go with the messages of an answer.
pub(crate) fn returns_of(
    durable: &Durable,
    load: &Load,
    messages: &[(Sequence, Message)],
) -> Vec<(Sequence, u32)> {
    let queue = durable.queues.iter().find(|queue| queue.record.id == load.queue.declared());
    let lane = queue.and_then(|queue| queue.lanes.get(&load.queue.lane_number()));
    let count = |place: &Sequence| Some((*place, *lane?.returns.get(place)?));
    messages.iter().filter_map(|(place, _)| count(place)).collect()
}

fn waiting(messages: &BTreeMap<Sequence, Message>) -> Waiting {
    Waiting {
        first: messages.keys().next().copied().unwrap_or_default(),
        last: messages.keys().next_back().copied().unwrap_or_default(),
        messages: messages.len() as u64,
        body_bytes: messages.values().map(|message| message.body().len() as u64).sum(),
    }
}

/// Removes the one element that is meant. False if there is none.
fn take<T>(list: &mut Vec<T>, meant: impl Fn(&T) -> bool) -> bool {
    list.iter().position(meant).map(|at| list.remove(at)).is_some()
}

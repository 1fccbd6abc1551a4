//! What a store should hold, kept naively, and a generator of writes that an engine could make.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;
use warren_amqp::{FieldTable, FieldValue};
use warren_engine::{
    BindingRecord, Destination, ExchangeRecord, ExchangeType, Message, MessageBatch, QueueId,
    QueueRecord, Recovered, RecoveredLane, Sequence, VirtualHostId, Waiting, Write,
};

pub(crate) const HOST: VirtualHostId = VirtualHostId(1);

/// A queue as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelQueue {
    pub(crate) record: QueueRecord,
    pub(crate) next_sequence: Sequence,
    pub(crate) delivered_through: Sequence,
    /// Encoded messages by place.
    pub(crate) messages: BTreeMap<Sequence, Vec<u8>>,
    /// How often messages came back, by place.
    pub(crate) returns: BTreeMap<Sequence, u32>,
}

impl ModelQueue {
    fn new(record: QueueRecord) -> Self {
        let (messages, returns) = (BTreeMap::new(), BTreeMap::new());
        Self { record, next_sequence: 1, delivered_through: 0, messages, returns }
    }

    fn waiting(&self) -> Waiting {
        Waiting {
            first: self.messages.keys().next().copied().unwrap_or_default(),
            last: self.messages.keys().next_back().copied().unwrap_or_default(),
            messages: self.messages.len() as u64,
            body_bytes: self.messages.values().map(|encoded| body_bytes(encoded)).sum(),
        }
    }
}

/// A store as it should be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) exchanges: BTreeMap<String, ExchangeRecord>,
    /// Queues and the lanes of queues that were used, each by its own name.
    pub(crate) queues: BTreeMap<QueueId, ModelQueue>,
    pub(crate) bindings: Vec<BindingRecord>,
    pub(crate) definitions: BTreeMap<String, Vec<u8>>,
    /// Encoded messages that no restart survives, by queue and place.
    pub(crate) spilled: BTreeMap<QueueId, BTreeMap<Sequence, Vec<u8>>>,
}

/// The length of the body of an encoded message.
fn body_bytes(encoded: &[u8]) -> u64 {
    let exchange = 1 + usize::from(encoded[0]);
    let key = exchange + 1 + usize::from(encoded[exchange]);
    let properties = encoded[key..key + 4].try_into().expect("four bytes");
    (encoded.len() - key - 4 - u32::from_be_bytes(properties) as usize) as u64
}

impl Model {
    /// The next place of a queue.
    fn next(&self, queue: QueueId) -> Sequence {
        let spilled = self.spilled.iter().filter(|(name, _)| name.declared() == queue);
        let last = spilled.filter_map(|(_, messages)| messages.keys().next_back().copied()).max();
        self.next_lasting(queue).max(last.unwrap_or_default() + 1)
    }

    /// The same as far as messages tell that survive a restart: lanes share the places.
    fn next_lasting(&self, queue: QueueId) -> Sequence {
        let lanes = self.queues.iter().filter(|(name, _)| name.declared() == queue);
        lanes.map(|(_, lane)| lane.next_sequence).max().unwrap_or(1)
    }

    /// All messages of a queue.
    pub(crate) fn messages(&self, queue: QueueId) -> BTreeMap<Sequence, Vec<u8>> {
        let mut messages = self.queues[&queue].messages.clone();
        messages.extend(self.spilled.get(&queue.spilled()).cloned().unwrap_or_default());
        messages
    }

    /// What is left after a restart.
    pub(crate) fn restarted(mut self) -> Self {
        self.spilled.clear();
        self
    }

    pub(crate) fn apply(&mut self, write: &Write) {
        match write {
            Write::ExchangeDeclared(_, record) => {
                self.exchanges.insert(record.name.clone(), record.clone());
            }
            Write::ExchangeDeleted(_, name) => {
                self.exchanges.remove(name);
            }
            Write::QueueDeclared(record) => {
                let new = || ModelQueue::new(record.clone());
                self.queues.entry(record.id).or_insert_with(new);
            }
            Write::QueueDeleted(queue) => {
                self.queues.retain(|name, _| name.lane(0) != *queue);
                self.spilled.retain(|name, _| name.lane(0) != *queue);
            }
            Write::Bound(_, record) => {
                if !self.bindings.contains(record) {
                    self.bindings.push(record.clone());
                    self.bindings.sort_by_key(binding_key);
                }
            }
            Write::Unbound(_, record) => self.bindings.retain(|binding| binding != record),
            Write::DefinitionSet { key, value } => {
                self.definitions.insert(key.clone(), value.clone());
            }
            Write::DefinitionDeleted { key } => {
                self.definitions.remove(key);
            }
            Write::Enqueued { message, queues } => {
                for (queue, sequence) in queues {
                    if queue.is_spilled() {
                        let spilled = self.spilled.entry(*queue).or_default();
                        spilled.insert(*sequence, message.encoded().to_vec());
                    }
                    if queue.lane_number() != 0
                        && let Some(declared) = self.queues.get(&queue.lane(0))
                    {
                        let record = declared.record.clone();
                        self.queues.entry(*queue).or_insert_with(|| ModelQueue::new(record));
                    }
                    if let Some(queue) = self.queues.get_mut(queue) {
                        queue.messages.insert(*sequence, message.encoded().to_vec());
                        queue.next_sequence = queue.next_sequence.max(sequence + 1);
                    }
                }
            }
            Write::Settled { queue, first, last } => {
                if let Some(spilled) = self.spilled.get_mut(queue) {
                    spilled.retain(|sequence, _| !(first..=last).contains(&sequence));
                }
                if let Some(queue) = self.queues.get_mut(queue) {
                    queue.messages.retain(|sequence, _| !(first..=last).contains(&sequence));
                    queue.returns.retain(|sequence, _| !(first..=last).contains(&sequence));
                }
            }
            Write::Returned { queue, first, last, count } => {
                if let Some(queue) = self.queues.get_mut(queue) {
                    let there = queue.messages.range(first..=last);
                    queue.returns.extend(there.map(|(place, _)| (*place, *count)));
                }
            }
            Write::Together(parts) => parts.iter().for_each(|part| self.apply(part)),
            Write::Delivered { queue, through } => {
                if let Some(queue) = self.queues.get_mut(queue) {
                    queue.delivered_through = queue.delivered_through.max(*through);
                    // A place that was delivered was given, even if what gave it is lost.
                    queue.next_sequence = queue.next_sequence.max(through + 1);
                }
            }
        }
    }

    /// Compares with what a recovery gave, but for the contents of messages.
    pub(crate) fn compare(&self, recovered: &Recovered) -> Result<(), String> {
        let exchanges: Vec<_> = recovered.exchanges.iter().map(|(_, record)| record).collect();
        same("exchanges", &exchanges, &self.exchanges.values().collect())?;
        let mut bindings: Vec<_> =
            recovered.bindings.iter().map(|(_, record)| record.clone()).collect();
        bindings.sort_by_key(binding_key);
        same("bindings", &bindings, &self.bindings)?;
        let definitions: BTreeMap<_, _> = recovered.definitions.iter().cloned().collect();
        same("definitions", &definitions, &self.definitions)?;
        let found: Vec<_> = recovered.queues.iter().map(|queue| &queue.record).collect();
        let queues = || self.queues.iter().filter(|(name, _)| name.lane_number() == 0);
        same("queues", &found, &queues().map(|(_, queue)| &queue.record).collect())?;
        for (found, (id, queue)) in recovered.queues.iter().zip(queues()) {
            let what = format!("messages of queue {id:?}");
            same(&what, &found.waiting, &queue.waiting())?;
            let places = (found.next_sequence, found.delivered_through);
            same(&what, &places, &(self.next_lasting(*id), queue.delivered_through))?;
            let lanes = self.queues.iter().filter(|(name, _)| name.declared() == *id);
            let lanes = lanes.filter(|(name, _)| name.lane_number() != 0);
            let lanes = lanes.map(|(name, lane)| RecoveredLane {
                lane: name.lane_number(),
                delivered_through: lane.delivered_through,
                waiting: lane.waiting(),
            });
            same(&format!("lanes of queue {id:?}"), &found.lanes, &lanes.collect())?;
        }
        Ok(())
    }
}

fn binding_key(record: &BindingRecord) -> String {
    format!("{record:?}")
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, expected {expected:?}"))
}

/// Draws numbers from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 33) % bound
    }

    pub(crate) fn pick<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        (!list.is_empty()).then(|| list[self.below(list.len() as u64) as usize].clone())
    }
}

pub(crate) fn message(routing_key: &str, body: &[u8]) -> Message {
    let mut batch = MessageBatch::default();
    batch.push("exchange", routing_key, &[0x10, 0, 2], body);
    Message::new(&Arc::new(batch), 0).expect("a message")
}

pub(crate) fn enqueued(body: &[u8], queues: &[(QueueId, Sequence)]) -> Write {
    Write::Enqueued { message: message("key", body), queues: SmallVec::from_slice(queues) }
}

pub(crate) fn settled(queue: QueueId, first: Sequence, last: Sequence) -> Write {
    Write::Settled { queue, first, last }
}

pub(crate) fn delivered(queue: QueueId, through: Sequence) -> Write {
    Write::Delivered { queue, through }
}

pub(crate) fn queue_record(counter: u32) -> QueueRecord {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), FieldValue::LongLongInt(i64::from(counter)));
    QueueRecord {
        id: QueueId::new(HOST, counter),
        name: format!("queue-{counter}"),
        durable: true,
        exclusive: counter % 7 == 3,
        auto_delete: counter % 5 == 2,
        paused: false,
        arguments,
    }
}

pub(crate) fn declared(counter: u32) -> Write {
    Write::QueueDeclared(queue_record(counter))
}

/// The lanes that messages go to.
const LANES: [u8; 6] = [0, 0, 0, 1, 5, 255];

/// Makes writes that fit the model, and applies them to it.
#[derive(Debug, Clone)]
pub(crate) struct Generator {
    pub(crate) random: Random,
    pub(crate) next_queue: u32,
    /// The largest body, in bytes; a rare one is a hundred times as large.
    pub(crate) body_bytes_max: u64,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random(seed), next_queue: 1, body_bytes_max: 700 }
    }

    /// Some writes, as one command of an engine makes them.
    pub(crate) fn writes(&mut self, model: &mut Model) -> Vec<Write> {
        let names: Vec<QueueId> = model.queues.keys().copied().collect();
        let queues: Vec<QueueId> =
            names.iter().copied().filter(|name| name.lane_number() == 0).collect();
        let writes = match self.random.below(100) {
            _ if queues.len() < 2 => vec![self.declare()],
            0..3 if queues.len() < 6 => vec![self.declare()],
            3..5 => {
                let queue = self.random.pick(&queues).expect("a queue");
                vec![Write::QueueDeleted(queue), Write::QueueDeleted(queue.spilled())]
            }
            5..9 => vec![self.topology(model)],
            9 => vec![self.definitions()],
            10..60 => self.publish(model, &queues),
            60..67 => self.deliver(model, &names),
            67..70 => self.come_back(model, &names),
            70..75 => self.settle_spilled(model),
            75..78 => self.thin(model),
            _ => self.settle(model, &names),
        };
        writes.iter().for_each(|write| model.apply(write));
        writes
    }

    fn declare(&mut self) -> Write {
        self.next_queue += 1;
        declared(self.next_queue - 1)
    }

    fn topology(&mut self, model: &Model) -> Write {
        let name = format!("exchange-{}", self.random.below(4));
        let record = BindingRecord {
            source: name.clone(),
            destination: match self.random.below(2) {
                0 => Destination::Queue(format!("queue-{}", self.random.below(5))),
                _ => Destination::Exchange(format!("exchange-{}", self.random.below(4))),
            },
            routing_key: format!("key-{}", self.random.below(3)),
            arguments: FieldTable::default(),
        };
        match self.random.below(4) {
            0 => Write::ExchangeDeclared(
                HOST,
                ExchangeRecord {
                    name,
                    kind: ExchangeType::Topic,
                    durable: true,
                    auto_delete: false,
                    internal: self.random.below(2) == 0,
                    arguments: FieldTable::default(),
                },
            ),
            1 => Write::ExchangeDeleted(HOST, name),
            2 => Write::Unbound(HOST, self.random.pick(&model.bindings).unwrap_or(record)),
            _ => Write::Bound(HOST, record),
        }
    }

    /// Some definitions as one change.
    fn definitions(&mut self) -> Write {
        let changes = (0..=self.random.below(3)).map(|_| {
            let key = format!("kind\0name-{}", self.random.below(6));
            match self.random.below(3) {
                0 => Write::DefinitionDeleted { key },
                _ => Write::DefinitionSet { key, value: self.body() },
            }
        });
        Write::Together(changes.collect())
    }

    fn publish(&mut self, model: &Model, queues: &[QueueId]) -> Vec<Write> {
        let mut next: BTreeMap<QueueId, Sequence> =
            queues.iter().map(|queue| (*queue, model.next(*queue))).collect();
        (0..=self.random.below(4))
            .map(|_| {
                let mut places: Vec<(QueueId, Sequence)> = Vec::new();
                for _ in 0..=self.random.below(3) {
                    let queue = self.random.pick(queues).expect("a queue");
                    if places.iter().all(|(other, _)| other.declared() != queue) {
                        // Messages that need not survive leave gaps.
                        let gap = if self.random.below(10) == 0 { self.random.below(9) } else { 0 };
                        let sequence = next.get_mut(&queue).expect("a queue");
                        *sequence += gap + 1;
                        let spilled = self.random.below(6) == 0;
                        let name = queue.lane(self.random.pick(&LANES).unwrap_or_default());
                        let name = if spilled { name.spilled() } else { name };
                        places.push((name, *sequence - 1));
                    }
                }
                enqueued(&self.body(), &places)
            })
            .collect()
    }

    /// Leaves one message in each queue, which makes segments sparse.
    fn thin(&mut self, model: &Model) -> Vec<Write> {
        let lasting = model.queues.iter().map(|(queue, found)| (*queue, &found.messages));
        let spilled = model.spilled.iter().map(|(queue, messages)| (*queue, messages));
        let mut writes = Vec::new();
        for (queue, messages) in lasting.chain(spilled) {
            let places: Vec<Sequence> = messages.keys().copied().collect();
            let Some(kept) = self.random.pick(&places) else { continue };
            let last = places.last().copied().unwrap_or(kept);
            writes.extend((kept > 1).then(|| settled(queue, 1, kept - 1)));
            writes.extend((kept < last).then(|| settled(queue, kept + 1, last)));
        }
        writes
    }

    fn settle_spilled(&mut self, model: &Model) -> Vec<Write> {
        let queues: Vec<QueueId> = model.spilled.keys().copied().collect();
        let Some(queue) = self.random.pick(&queues) else { return Vec::new() };
        let places: Vec<Sequence> = model.spilled[&queue].keys().copied().collect();
        let any = self.random.pick(&places);
        any.map(|last| settled(queue, places[0], last)).into_iter().collect()
    }

    fn body(&mut self) -> Vec<u8> {
        let large = if self.random.below(60) == 0 { 100 } else { 1 };
        let bytes = self.random.below(self.body_bytes_max * large + 1);
        let first = self.random.below(256);
        (0..bytes).map(|at| (at.wrapping_mul(first | 1) >> 3) as u8).collect()
    }

    fn deliver(&mut self, model: &Model, queues: &[QueueId]) -> Vec<Write> {
        let queue = self.random.pick(queues).expect("a queue");
        let waiting: Vec<Sequence> = model.queues[&queue].messages.keys().copied().collect();
        let any = self.random.pick(&waiting);
        any.map(|through| delivered(queue, through)).into_iter().collect()
    }

    fn come_back(&mut self, model: &Model, queues: &[QueueId]) -> Vec<Write> {
        let queue = self.random.pick(queues).expect("a queue");
        let waiting: Vec<Sequence> = model.queues[&queue].messages.keys().copied().collect();
        let Some(first) = self.random.pick(&waiting) else { return Vec::new() };
        // Of a range some may be gone, as an engine does not write them: the model passes by them.
        let last = waiting.iter().copied().rfind(|place| *place < first + 5).unwrap_or(first);
        let is_dense = waiting.iter().filter(|place| (first..=last).contains(place)).count() as u64;
        let last = if is_dense == last - first + 1 { last } else { first };
        let count = 1 + self.random.below(3) as u32;
        vec![Write::Returned { queue, first, last, count }]
    }

    fn settle(&mut self, model: &Model, queues: &[QueueId]) -> Vec<Write> {
        let queue = self.random.pick(queues).expect("a queue");
        let waiting: Vec<Sequence> = model.queues[&queue].messages.keys().copied().collect();
        let Some(first) = waiting.first().copied() else { return Vec::new() };
        let any = self.random.pick(&waiting).expect("a message");
        match self.random.below(6) {
            0..3 => vec![settled(queue, first, first)],
            3 => vec![settled(queue, any, any)],
            4 => vec![settled(queue, first, any)],
            _ => vec![settled(queue, any, any + self.random.below(4))],
        }
    }
}

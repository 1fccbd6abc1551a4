//! A small store that is written once for all inputs, and what was written to it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;
use warren_amqp::FieldTable;
use warren_engine::{
    BindingRecord, Destination, ExchangeRecord, ExchangeType, Message, MessageBatch, QueueId,
    QueueRecord, Sequence, VirtualHostId, Write,
};
use warren_storage::fault::{SimulatedDisk, Survival};
use warren_storage::{Opened, Options, open_on};

const HOST: VirtualHostId = VirtualHostId(1);
pub(super) const LOG_KEY: u64 = 0x5eed;
/// A number that does not stand in redb's own pages by chance.
const FIRST_QUEUE: u32 = 0x5e_ed01;
/// The first byte of a page of redb that holds values and no numbers of other pages.
const LEAF: u8 = 1;
/// A page of redb.
pub(super) const PAGE_BYTES: usize = 4096;
/// Messages of the store. They fill two segments.
const MESSAGES: u64 = 24;

/// Small segments, so that a few messages fill them.
pub(super) fn options() -> Options {
    Options {
        reserve_bytes: 0,
        segment_bytes: 4096,
        spare_segments: 1,
        cache_bytes: 1 << 20,
        checkpoint_bytes: 1 << 20,
        log_key: LOG_KEY,
    }
}

/// A message that waits in a queue.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) place: Sequence,
    /// The number of its record in the log.
    pub(super) record: u64,
}

/// A store as it was left.
#[derive(Debug)]
pub(super) struct Store {
    disk: SimulatedDisk,
    pub(super) segments: Vec<String>,
    pub(super) databases: Vec<String>,
    /// Records in the log.
    pub(super) records: u64,
    pub(super) last_segment: u32,
    /// Where the next record would stand in the last segment.
    pub(super) end: usize,
    /// Every message at every place that was given, also those that were settled.
    written: BTreeMap<(QueueId, Sequence), Vec<u8>>,
    waiting: BTreeMap<QueueId, Vec<Waiting>>,
    /// For each file the bytes that are worth changing.
    places: BTreeMap<String, Vec<usize>>,
}

/// The store, with a checkpoint in its middle or without one.
pub(super) fn store(has_checkpoint: bool) -> &'static Store {
    static STORES: [OnceLock<Store>; 2] = [OnceLock::new(), OnceLock::new()];
    let [plain, checkpointed] = &STORES;
    if has_checkpoint {
        checkpointed.get_or_init(|| Store::write(true))
    } else {
        plain.get_or_init(|| Store::write(false))
    }
}

impl Store {
    fn write(has_checkpoint: bool) -> Self {
        let mut writer = Writer::new();
        for number in 1..=MESSAGES {
            writer.enqueue(number);
            if number % 5 == 0 {
                writer.settle(number % 2, number / 5);
            }
            if number == MESSAGES / 2 && has_checkpoint {
                writer.checkpoint();
            }
        }
        writer.finish()
    }

    /// A copy of the disk as it was left.
    pub(super) fn disk(&self) -> SimulatedDisk {
        self.disk.after_power_cut(Survival::Everything, 0)
    }

    pub(super) fn last_name(&self) -> String {
        self.segments.last().cloned().unwrap_or_default()
    }

    /// Where it is worth to change a file: a segment up to its last byte that is not zero, and in
    /// the database what holds our tables.
    pub(super) fn places(&self, name: &str) -> &[usize] {
        self.places.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = QueueId> {
        self.waiting.keys().copied()
    }

    pub(super) fn waiting(&self, queue: QueueId) -> Vec<Waiting> {
        self.waiting.get(&queue).cloned().unwrap_or_default()
    }

    /// What was written for this place.
    pub(super) fn message(&self, queue: QueueId, place: Sequence) -> Option<&[u8]> {
        self.written.get(&(queue, place)).map(Vec::as_slice)
    }
}

struct Writer {
    disk: SimulatedDisk,
    opened: Opened,
    records: u64,
    written: BTreeMap<(QueueId, Sequence), Vec<u8>>,
    waiting: BTreeMap<QueueId, Vec<Waiting>>,
}

fn queue(number: u64) -> QueueId {
    QueueId::new(HOST, FIRST_QUEUE + number as u32)
}

impl Writer {
    fn new() -> Self {
        let disk = SimulatedDisk::new();
        let opened = open_on(Arc::new(disk.clone()), options()).expect("a new store opens");
        let waiting = (0..2).map(|number| (queue(number), vec![])).collect();
        let mut writer = Self { disk, opened, records: 0, written: BTreeMap::new(), waiting };
        let exchange = ExchangeRecord {
            name: "x".to_owned(),
            kind: ExchangeType::Topic,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::default(),
        };
        writer.append(Write::ExchangeDeclared(HOST, exchange));
        for number in 0..2 {
            let name = format!("queue-{number}");
            writer.append(Write::QueueDeclared(QueueRecord {
                id: queue(number),
                name: name.clone(),
                durable: true,
                exclusive: false,
                auto_delete: false,
                paused: false,
                arguments: FieldTable::default(),
            }));
            let binding = BindingRecord {
                source: "x".to_owned(),
                destination: Destination::Queue(name),
                routing_key: "k.#".to_owned(),
                arguments: FieldTable::default(),
            };
            writer.append(Write::Bound(HOST, binding));
        }
        writer
    }

    /// Each write is a record of its own.
    fn append(&mut self, write: Write) {
        self.opened.log.append(&[write]).expect("the disk works");
        self.opened.log.flush(true).expect("the disk works");
        self.records += 1;
    }

    /// A message in one queue, every third one in both.
    fn enqueue(&mut self, number: u64) {
        let mut batch = MessageBatch::default();
        let body = format!("<body {number}>").repeat(4 + number as usize % 17);
        batch.push("x", "k.l", &[0x10, 0, 2], body.as_bytes());
        let message = Message::new(&Arc::new(batch), 0).expect("a message");
        let mut queues = SmallVec::new();
        for (at, (queue, list)) in (0..).zip(&mut self.waiting) {
            if !number.is_multiple_of(3) && number % 2 != at {
                continue;
            }
            let given = self.written.keys().filter(|(other, _)| other == queue).count();
            let place = given as u64 + 1;
            self.written.insert((*queue, place), message.encoded().to_vec());
            list.push(Waiting { place, record: self.records + 1 });
            queues.push((*queue, place));
        }
        self.append(Write::Enqueued { message, queues });
    }

    fn settle(&mut self, number: u64, place: Sequence) {
        let queue = queue(number);
        if let Some(list) = self.waiting.get_mut(&queue) {
            list.retain(|waiting| waiting.place != place);
        }
        self.append(Write::Delivered { queue, through: place });
        self.append(Write::Settled { queue, first: place, last: place });
    }

    fn checkpoint(&mut self) {
        let delta = self.opened.log.begin_checkpoint().expect("the disk works");
        let outcome = self.opened.checkpointer.run(&delta.expect("news")).expect("the disk works");
        self.opened.log.finish_checkpoint(outcome).expect("the disk works");
    }

    fn finish(self) -> Store {
        let Self { disk, opened, records, written, waiting } = self;
        drop(opened);
        let (segments, databases): (Vec<_>, Vec<_>) =
            disk.names().into_iter().partition(|name| name.ends_with(".seg"));
        let databases = databases.into_iter().filter(|name| is_database(name)).collect();
        let names = disk.names();
        let names = names.iter().filter(|name| segments.contains(name) || is_database(name));
        let places = names.map(|name| {
            let content = disk.content(name);
            let places = if is_database(name) { ours(&content) } else { up_to_zeros(&content) };
            (name.clone(), places)
        });
        let places: BTreeMap<String, Vec<usize>> = places.collect();
        let last_name = segments.last().cloned().unwrap_or_default();
        let last = places.get(&last_name).and_then(|places| places.last());
        let digits: String = last_name.chars().filter(char::is_ascii_digit).collect();
        Store {
            end: last.map_or(0, |last| last + 1).next_multiple_of(8),
            last_segment: digits.parse().expect("a number in the name"),
            disk,
            segments,
            databases,
            records,
            written,
            waiting,
            places,
        }
    }
}

fn is_database(name: &str) -> bool {
    name.ends_with(".redb")
}

/// All bytes up to the last one that is not zero.
fn up_to_zeros(content: &[u8]) -> Vec<usize> {
    let last = content.iter().rposition(|byte| *byte != 0);
    (0..last.map_or(0, |last| last + 1)).collect()
}

/// What is not zero in the database's pages that hold our values, known by what is in them. Pages
/// with redb's own bookkeeping are left alone: when it commits over damaged ones it can panic in
/// the middle of a panic, which aborts the process and cannot be caught, or ask for gigabytes.
fn ours(content: &[u8]) -> Vec<usize> {
    let ids = (0..2).map(|number| queue(number).0.to_le_bytes().to_vec());
    let texts =
        ["queue-", "k.#", "topic", "format", "covered"].map(|text| text.as_bytes().to_vec());
    let known: Vec<Vec<u8>> = ids.chain(texts).collect();
    let mut places = vec![];
    for (start, page) in (0..).step_by(PAGE_BYTES).zip(content.chunks(PAGE_BYTES)) {
        let holds = |text: &Vec<u8>| page.windows(text.len()).any(|bytes| bytes == text);
        if page.first() == Some(&LEAF) && known.iter().any(holds) {
            let used = page.iter().enumerate().filter(|(_, byte)| **byte != 0);
            places.extend(used.map(|(at, _)| start + at));
        }
    }
    places
}

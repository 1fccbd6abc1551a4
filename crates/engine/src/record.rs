//! What outlives a restart: the records of exchanges, queues and bindings, the stream of writes
//! that makes them and the messages durable, and the state that a recovery hands back.
//!
//! The writes of one virtual host, in order, are everything that is durable about it: a copy can
//! be built by applying them. Consumers and credit are never in them, and of deliveries only how
//! far each queue has come.

use smallvec::SmallVec;
use warren_amqp::FieldTable;

use crate::Message;

/// A virtual host, numbered from 1 and below 2^23; 0 is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualHostId(pub u32);

/// A queue, unique on its node: the virtual host in bits 32 to 54, a counter in the lower 32. The
/// number of a queue that is gone is not given again before a restart. The bits above are for the
/// names under which the store keeps parts of a queue: bits 55 to 62 for the lane of a priority,
/// bit 63 for what need not survive a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

impl QueueId {
    /// The queue with number `counter` of `virtual_host`.
    #[must_use]
    pub fn new(virtual_host: VirtualHostId, counter: u32) -> Self {
        Self(u64::from(virtual_host.0) << 32 | u64::from(counter))
    }

    /// The virtual host that the queue belongs to.
    #[must_use]
    pub fn virtual_host(self) -> VirtualHostId {
        VirtualHostId((self.0 >> 32) as u32 & VIRTUAL_HOST_MAX)
    }

    /// The queue's number inside its virtual host.
    #[must_use]
    pub fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The name under which the store keeps messages of this queue that left memory and need not
    /// survive a restart. It shares the places of the queue, is never declared, and what is under
    /// it is forgotten when a store is opened.
    #[must_use]
    pub fn spilled(self) -> Self {
        Self(self.0 | SPILLED)
    }

    /// True if this is the name for messages that need not survive a restart.
    #[must_use]
    pub fn is_spilled(self) -> bool {
        self.0 & SPILLED != 0
    }

    /// The name under which the store keeps the messages of this queue that have a priority of
    /// their own; lane 0 is the queue itself. All lanes share the places of the queue. They are
    /// never declared, and what ends the queue ends them.
    #[must_use]
    pub fn lane(self, lane: u8) -> Self {
        Self(self.0 & !LANES | u64::from(lane) << LANE_SHIFT)
    }

    /// Which lane of its queue this is.
    #[must_use]
    pub fn lane_number(self) -> u8 {
        ((self.0 & LANES) >> LANE_SHIFT) as u8
    }

    /// The queue that was declared, whatever part of it this names.
    #[must_use]
    pub fn declared(self) -> Self {
        Self(self.0 & !(LANES | SPILLED))
    }
}

/// The bits of a virtual host's number.
const VIRTUAL_HOST_MAX: u32 = (1 << 23) - 1;

/// Marks the names for messages that need not survive a restart: the highest bit, which no number
/// of a virtual host reaches.
const SPILLED: u64 = 1 << 63;

/// The bits of a lane's number, right below that mark.
const LANES: u64 = 0xff << LANE_SHIFT;
const LANE_SHIFT: u32 = 55;

/// The place of a message in its queue, counted from 1 and never used twice.
pub type Sequence = u64;

/// The kinds of exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExchangeType {
    /// Routes by equality of routing key and binding key.
    Direct,
    /// Routes to everything bound.
    Fanout,
    /// Routes by patterns of words: `*` is one word, `#` any number.
    Topic,
    /// Routes by the message's headers.
    Headers,
    /// Routes to one of what is bound, by a hash that moves few messages when bindings change.
    ConsistentHash,
    /// Routes to one of what is bound, by the remainder of a hash.
    ModulusHash,
    /// Routes to one of what is bound, by chance.
    Random,
    /// The same on one node.
    LocalRandom,
    /// Routes to everything bound, and gives the last messages to what is newly bound.
    RecentHistory,
    /// Routes as another type; messages may ask for a delay.
    Delayed,
    /// Routes by patterns of words, to each group of consumers once.
    VirtualTopic,
}

/// All types with their names on the wire.
const EXCHANGE_TYPES: [(ExchangeType, &str); 11] = [
    (ExchangeType::Direct, "direct"),
    (ExchangeType::Fanout, "fanout"),
    (ExchangeType::Topic, "topic"),
    (ExchangeType::Headers, "headers"),
    (ExchangeType::ConsistentHash, "x-consistent-hash"),
    (ExchangeType::ModulusHash, "x-modulus-hash"),
    (ExchangeType::Random, "x-random"),
    (ExchangeType::LocalRandom, "x-local-random"),
    (ExchangeType::RecentHistory, "x-recent-history"),
    (ExchangeType::Delayed, "x-delayed-message"),
    (ExchangeType::VirtualTopic, "x-virtual-topic"),
];

impl ExchangeType {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = EXCHANGE_TYPES.iter().find(|(kind, _)| *kind == self);
        known.map_or("", |(_, name)| name)
    }

    /// The type with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        EXCHANGE_TYPES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// An exchange, as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeRecord {
    /// Its name; never empty, as the default exchange is not declared.
    pub name: String,
    /// Its kind.
    pub kind: ExchangeType,
    /// Survives a restart.
    pub durable: bool,
    /// Deleted when its last binding goes.
    pub auto_delete: bool,
    /// Clients may not publish to it, only exchanges.
    pub internal: bool,
    /// The arguments of the declaration.
    pub arguments: FieldTable,
}

/// A queue, as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueRecord {
    /// Its number.
    pub id: QueueId,
    /// Its name.
    pub name: String,
    /// Survives a restart.
    pub durable: bool,
    /// Belongs to the connection that declared it and goes with it.
    pub exclusive: bool,
    /// Deleted when its last consumer goes.
    pub auto_delete: bool,
    /// It delivers nothing to consumers until it may go on.
    pub paused: bool,
    /// The arguments of the declaration.
    pub arguments: FieldTable,
}

/// What a binding leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Destination {
    /// A queue, by name.
    Queue(String),
    /// An exchange, by name.
    Exchange(String),
}

/// A binding. Two bindings with the same four parts are one.
#[derive(Debug, Clone, PartialEq)]
pub struct BindingRecord {
    /// The exchange that messages come from.
    pub source: String,
    /// Where they go.
    pub destination: Destination,
    /// The binding key.
    pub routing_key: String,
    /// The arguments; headers exchanges match by them.
    pub arguments: FieldTable,
}

/// One durable change. All of them are idempotent: applying one again changes nothing.
#[derive(Debug, Clone)]
pub enum Write {
    /// An exchange now exists.
    ExchangeDeclared(VirtualHostId, ExchangeRecord),
    /// An exchange, by name, is gone; its bindings went by writes of their own.
    ExchangeDeleted(VirtualHostId, String),
    /// A queue now exists.
    QueueDeclared(QueueRecord),
    /// A queue is gone with its messages; its bindings went by writes of their own.
    QueueDeleted(QueueId),
    /// A binding now exists.
    Bound(VirtualHostId, BindingRecord),
    /// A binding is gone.
    Unbound(VirtualHostId, BindingRecord),
    /// A message entered queues, each time at the place given. The message is stored once.
    Enqueued {
        /// The message.
        message: Message,
        /// The queues, each with the message's place in it.
        queues: SmallVec<[(QueueId, Sequence); 1]>,
    },
    /// The messages from `first` to `last`, as far as they are there, left the queue for good:
    /// acknowledged, rejected, purged or dropped.
    Settled {
        /// The queue.
        queue: QueueId,
        /// The first place.
        first: Sequence,
        /// The last place, which may be the first.
        last: Sequence,
    },
    /// The messages from `first` to `last`, as far as they are there, have come back to their queue
    /// so many times.
    Returned {
        /// The queue.
        queue: QueueId,
        /// The first place.
        first: Sequence,
        /// The last place, which may be the first.
        last: Sequence,
        /// How often.
        count: u32,
    },
    /// The messages up to `through`, as far as they are still there, were delivered: they come
    /// with the redelivered flag after a restart.
    Delivered {
        /// The queue.
        queue: QueueId,
        /// The highest place that was delivered.
        through: Sequence,
    },
    /// Something that whoever starts the broker wants kept is now this. The engine knows nothing of it.
    DefinitionSet {
        /// Its name.
        key: String,
        /// What it is.
        value: Vec<u8>,
    },
    /// Such a thing is gone.
    DefinitionDeleted {
        /// Its name.
        key: String,
    },
    /// Writes of which after a crash all are there or none, as those of a transaction. None of them
    /// is of this kind.
    Together(Vec<Self>),
}

/// The durable state of a node, as found when its folder is opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Durable exchanges, each with its virtual host.
    pub exchanges: Vec<(VirtualHostId, ExchangeRecord)>,
    /// Durable queues with what waits in them.
    pub queues: Vec<RecoveredQueue>,
    /// Bindings between durable ends.
    pub bindings: Vec<(VirtualHostId, BindingRecord)>,
    /// What else is kept, by name, in the order of the names (see [`Write::DefinitionSet`]).
    pub definitions: Vec<(String, Vec<u8>)>,
}

/// A durable queue after a restart.
#[derive(Debug)]
pub struct RecoveredQueue {
    /// The queue.
    pub record: QueueRecord,
    /// The next free place: above every place that was ever given, whether or not its message
    /// is still there.
    pub next_sequence: Sequence,
    /// The highest place that was delivered and wanted an acknowledgement; 0 if there was none.
    pub delivered_through: Sequence,
    /// The messages that wait. They stay on disk until the engine asks for them (see
    /// [`crate::Load`]).
    pub waiting: Waiting,
    /// The lanes of the queue beside itself, in the order of their numbers.
    pub lanes: Vec<RecoveredLane>,
    /// A message with the property `expiration` was written at some time, so that there may be such
    /// ones among those that wait.
    pub may_expire: bool,
}

/// What a restart found of a lane (see [`QueueId::lane`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveredLane {
    /// Its number; never 0.
    pub lane: u8,
    /// As [`RecoveredQueue::delivered_through`].
    pub delivered_through: Sequence,
    /// As [`RecoveredQueue::waiting`].
    pub waiting: Waiting,
}

/// Messages of a queue that wait on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The lowest place among them; without meaning if there are none.
    pub first: Sequence,
    /// The highest place.
    pub last: Sequence,
    /// How many there are.
    pub messages: u64,
    /// What their bodies take together, in bytes.
    pub body_bytes: u64,
}

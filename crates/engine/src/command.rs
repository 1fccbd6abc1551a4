//! What a virtual host can be told: the requests of clients, in the engine's own terms.

use std::sync::Arc;

use warren_amqp::FieldTable;

use crate::{Access, Destination, Load, Message, MessageBatch, Origin, Place, Policies, Sequence};

/// A client's connection, unique on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Milliseconds since 1970-01-01 00:00 UTC.
pub type Milliseconds = u64;

/// One input of a virtual host.
#[derive(Debug, Clone)]
pub enum Command {
    /// The time is now this. It holds for the commands that follow, and what is due by then happens.
    /// A time before the last one is passed over.
    Clock(Milliseconds),
    /// A client opened the virtual host.
    OpenSession {
        /// Who.
        session: SessionId,
        /// What it may do.
        access: Arc<Access>,
    },
    /// What a client may do is now this. It holds for what it asks from now on. Channels that
    /// consume from a queue that may not be read any more are closed.
    SetAccess {
        /// Who.
        session: SessionId,
        /// What it may do.
        access: Arc<Access>,
    },
    /// A client is gone, in whatever way: what it held is requeued, its exclusive queues go.
    /// With `reply`, the client waits for `connection.close-ok`.
    CloseSession {
        /// Who.
        session: SessionId,
        /// Whether an [`crate::Event::SessionClosed`] is to tell that all is done.
        reply: bool,
    },
    /// The policies are these from now on, for all that is there and comes.
    SetPolicies(Arc<Policies>),
    /// Messages, in the order in which they came in.
    Publish(PublishBatch),
    /// `basic.ack`, in the order in which they came in.
    Acknowledge {
        /// Who.
        session: SessionId,
        /// What.
        acknowledgements: Vec<Acknowledgement>,
    },
    /// Anything else that a client asks for on a channel.
    Request {
        /// Who.
        session: SessionId,
        /// On which channel.
        channel: u16,
        /// What.
        request: Request,
    },
    /// Deliveries that weigh so many bytes left the session's outbox.
    Flushed {
        /// Whose outbox.
        session: SessionId,
        /// The sum of [`crate::Event::weight`] of the deliveries.
        bytes: usize,
    },
    /// The answer to a [`Load`]: contents in rising order of their places. Messages that were
    /// asked for, have a place up to `through` and are not given could not be read and are lost.
    Loaded {
        /// The wish that is answered.
        load: Load,
        /// The last place that was looked at.
        through: Sequence,
        /// Places and contents, in order.
        messages: Vec<(Sequence, Message)>,
        /// Messages that wait but cannot be read, with the lengths of their bodies, in order.
        damaged: Vec<(Sequence, u32)>,
        /// How often messages came back, in order: those of which a [`crate::Write::Returned`] told.
        returns: Vec<(Sequence, u32)>,
    },
}

/// Messages that one session published, of one read from its socket.
#[derive(Debug, Clone)]
pub struct PublishBatch {
    /// The publisher.
    pub session: SessionId,
    /// The messages.
    pub messages: Arc<MessageBatch>,
    /// Channel and `mandatory` flag of each message.
    pub publishes: Vec<(u16, bool)>,
    /// They go into this queue, whatever their addresses say, and keep these: they have been
    /// published before. Otherwise they go where exchanges send them.
    pub to: Option<String>,
}

/// `basic.ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// On which channel.
    pub channel: u16,
    /// Which delivery; 0 with `multiple` is all.
    pub delivery_tag: u64,
    /// All up to this one.
    pub multiple: bool,
}

/// Durable, auto-delete and the rest of a declaration's yes and no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Declaration {
    /// Only asks whether it exists.
    pub passive: bool,
    /// Survives a restart.
    pub durable: bool,
    /// Goes when it is no longer used.
    pub auto_delete: bool,
    /// Queues: belongs to the connection.
    pub exclusive: bool,
    /// Exchanges: clients may not publish to it.
    pub internal: bool,
    /// The client wants no reply.
    pub no_wait: bool,
}

/// What `basic.consume` asks for.
#[derive(Debug, Clone, Default)]
pub struct ConsumeRequest {
    /// The queue; empty for the one last declared on the channel.
    pub queue: String,
    /// The tag, never empty: the server makes one up where the client gave none.
    pub consumer_tag: String,
    /// Deliveries need no acknowledgement.
    pub no_ack: bool,
    /// No other consumer may have the queue.
    pub exclusive: bool,
    /// The client wants no reply.
    pub no_wait: bool,
    /// The arguments of the subscription.
    pub arguments: FieldTable,
}

/// A client's request on a channel.
#[derive(Debug, Clone)]
pub enum Request {
    /// `channel.open`.
    ChannelOpen,
    /// `channel.close`.
    ChannelClose,
    /// The protocol layer has found a publish that ends the channel; the text says why.
    ChannelFail(String),
    /// A message came that no broker takes, whatever its queues are.
    PublishFail {
        /// The exchange that it was for; if there is none, that is told first.
        exchange: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `exchange.declare`.
    ExchangeDeclare {
        /// The exchange.
        name: String,
        /// The type's name on the wire.
        kind: String,
        /// How.
        declaration: Declaration,
        /// The arguments.
        arguments: FieldTable,
    },
    /// `exchange.delete`.
    ExchangeDelete {
        /// The exchange.
        name: String,
        /// Only without bindings.
        if_unused: bool,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `queue.declare`.
    QueueDeclare {
        /// The queue, never empty unless passive.
        name: String,
        /// The server made the name up, as the client gave none.
        generated: bool,
        /// How.
        declaration: Declaration,
        /// The arguments.
        arguments: FieldTable,
    },
    /// `queue.delete`.
    QueueDelete {
        /// The queue; empty for the one last declared on the channel.
        name: String,
        /// Only without consumers.
        if_unused: bool,
        /// Only without messages.
        if_empty: bool,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `queue.purge`.
    QueuePurge {
        /// The queue; empty for the one last declared on the channel.
        name: String,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `queue.bind` and `exchange.bind`.
    Bind {
        /// Where messages come from.
        source: String,
        /// Where they go; an empty queue name is the one last declared on the channel.
        destination: Destination,
        /// The binding key.
        routing_key: String,
        /// The arguments.
        arguments: FieldTable,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `queue.unbind` and `exchange.unbind`.
    Unbind {
        /// Where messages come from.
        source: String,
        /// Where they go; an empty queue name is the one last declared on the channel.
        destination: Destination,
        /// The binding key.
        routing_key: String,
        /// The arguments.
        arguments: FieldTable,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `basic.qos`.
    Qos {
        /// In messages; 0 is no limit.
        prefetch_count: u16,
        /// For the channel as a whole, rather than for each consumer to come.
        global: bool,
    },
    /// `basic.consume`.
    Consume(ConsumeRequest),
    /// `basic.consume` of `amq.rabbitmq.reply-to`.
    ConsumeReplies {
        /// The tag, never empty.
        consumer_tag: String,
        /// Deliveries need no acknowledgement, which is the only way.
        no_ack: bool,
        /// The client wants no reply.
        no_wait: bool,
        /// The routing key by which replies reach the channel: `amq.rabbitmq.reply-to.` and
        /// something that nobody can guess.
        name: String,
    },
    /// `basic.cancel`.
    Cancel {
        /// The consumer.
        consumer_tag: String,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `basic.get`.
    Get {
        /// The queue; empty for the one last declared on the channel.
        queue: String,
        /// The message needs no acknowledgement.
        no_ack: bool,
    },
    /// Takes messages out of a queue by their places, wherever they stand: like so many
    /// `basic.get`s, answered with [`crate::Event::Taken`]. Not a method of AMQP.
    Take {
        /// The queue.
        queue: String,
        /// Which messages, at most [`crate::limits::TAKEN_AT_ONCE`]. Those that are not ready are
        /// left out of the answer.
        places: Vec<Place>,
    },
    /// Stops a queue's deliveries to consumers, or lets them go on. Not a method of AMQP.
    PauseQueue {
        /// The queue.
        queue: String,
        /// Stops them.
        paused: bool,
    },
    /// `basic.nack` and `basic.reject`.
    Nack {
        /// Which delivery; 0 with `multiple` is all.
        delivery_tag: u64,
        /// All up to this one.
        multiple: bool,
        /// Back into the queue, rather than away.
        requeue: bool,
        /// It was a `basic.reject`.
        reject: bool,
    },
    /// `basic.recover` and `basic.recover-async`.
    Recover {
        /// Back into the queue; the other way is not supported.
        requeue: bool,
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `confirm.select`.
    ConfirmSelect {
        /// The client wants no reply.
        no_wait: bool,
    },
    /// `tx.select`.
    TxSelect,
    /// `tx.commit`.
    TxCommit,
    /// `tx.rollback`.
    TxRollback,
}

impl Request {
    /// Class and method numbers of the request on the wire.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let (class_id, method_id) = match self {
            Self::Take { .. } | Self::PauseQueue { .. } => (0, 0),
            Self::ChannelOpen => (20, 10),
            Self::ChannelClose => (20, 40),
            Self::ChannelFail(_) | Self::PublishFail { .. } => (60, 40),
            Self::ExchangeDeclare { .. } => (40, 10),
            Self::ExchangeDelete { .. } => (40, 20),
            Self::Bind { destination: Destination::Exchange(_), .. } => (40, 30),
            Self::Unbind { destination: Destination::Exchange(_), .. } => (40, 40),
            Self::QueueDeclare { .. } => (50, 10),
            Self::Bind { destination: Destination::Queue(_), .. } => (50, 20),
            Self::QueuePurge { .. } => (50, 30),
            Self::QueueDelete { .. } => (50, 40),
            Self::Unbind { destination: Destination::Queue(_), .. } => (50, 50),
            Self::Qos { .. } => (60, 10),
            Self::Consume(_) | Self::ConsumeReplies { .. } => (60, 20),
            Self::Cancel { .. } => (60, 30),
            Self::Get { .. } => (60, 70),
            Self::Nack { reject: true, .. } => (60, 90),
            Self::Recover { no_wait: true, .. } => (60, 100),
            Self::Recover { no_wait: false, .. } => (60, 110),
            Self::Nack { reject: false, .. } => (60, 120),
            Self::ConfirmSelect { .. } => (85, 10),
            Self::TxSelect => (90, 10),
            Self::TxCommit => (90, 20),
            Self::TxRollback => (90, 30),
        };
        Origin { class_id, method_id }
    }
}

//! Why a command was refused. The texts are RabbitMQ's, as clients match on them.

use thiserror::Error;

/// The method that an error answers: class and method number of AMQP 0-9-1, as `channel.close`
/// and `connection.close` carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The class, for example 50 for `queue`.
    pub class_id: u16,
    /// The method, for example 10 for `declare`.
    pub method_id: u16,
}

/// How a declaration differs from what is there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "inequivalent arg '{argument}' for {kind} '{name}' in vhost '{vhost}': \
     received {received} but current is {current}"
)]
pub struct Inequivalence {
    /// The argument that differs.
    pub argument: String,
    /// `queue` or `exchange`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// Its virtual host.
    pub vhost: String,
    /// The value received, as RabbitMQ writes it.
    pub received: String,
    /// The value in force, as RabbitMQ writes it.
    pub current: String,
}

/// A refusal. The server maps each to a reply code in one place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// No such queue.
    #[error("no queue '{name}' in vhost '{vhost}'")]
    QueueNotFound {
        /// The queue that was asked for.
        name: String,
        /// Where it was looked for.
        vhost: String,
    },
    /// No such exchange.
    #[error("no exchange '{name}' in vhost '{vhost}'")]
    ExchangeNotFound {
        /// The exchange that was asked for.
        name: String,
        /// Where it was looked for.
        vhost: String,
    },
    /// An empty queue name stands for the queue last declared on the channel; there was none.
    #[error("no previously declared queue")]
    NoLastQueue,
    /// A name that begins with `amq.` may not be declared.
    #[error("{kind} name '{name}' contains reserved prefix 'amq.*'")]
    ReservedName {
        /// `queue` or `exchange`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The default exchange can be published to, nothing else.
    #[error("operation not permitted on the default exchange")]
    DefaultExchange,
    /// A predeclared exchange stays.
    #[error("deletion of system exchange '{name}' in vhost '{vhost}' not allowed")]
    SystemExchange {
        /// The exchange.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// Only exchanges may publish to an internal exchange.
    #[error("cannot publish to internal exchange '{name}' in vhost '{vhost}'")]
    InternalExchange {
        /// The exchange.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// An exchange type that there is not.
    #[error("unknown exchange type '{kind}'")]
    UnknownExchangeType {
        /// The type asked for.
        kind: String,
    },
    /// What is declared differs from what is there.
    #[error("{0}")]
    Inequivalent(Box<Inequivalence>),
    /// An argument of a declaration with a value that is not allowed.
    #[error("invalid arg '{argument}' for {kind} '{name}' in vhost '{vhost}': {problem}")]
    InvalidArgument {
        /// The argument.
        argument: &'static str,
        /// `queue` or `exchange`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Its virtual host.
        vhost: String,
        /// What is wrong, as RabbitMQ writes it.
        problem: String,
    },
    /// An argument of a declaration with a value of the wrong type.
    #[error("invalid type '{received}' for arg '{argument}' in queue '{name}' in vhost '{vhost}'")]
    InvalidArgumentType {
        /// The type, as RabbitMQ names it.
        received: &'static str,
        /// The argument.
        argument: &'static str,
        /// The queue.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// An argument that queues of this type do not have.
    #[error(
        "invalid arg '{argument}' for queue '{name}' in vhost '{vhost}' of queue type {queue_type}"
    )]
    UnsupportedArgument {
        /// The argument.
        argument: &'static str,
        /// The queue.
        name: String,
        /// Its virtual host.
        vhost: String,
        /// The type, as RabbitMQ names it inside.
        queue_type: &'static str,
    },
    /// A flag that queues of this type cannot have.
    #[error("invalid property '{property}' for queue '{name}' in vhost '{vhost}'")]
    InvalidProperty {
        /// The flag, as RabbitMQ writes it.
        property: &'static str,
        /// The queue.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// A stream with segments larger than [`crate::limits::STREAM_SEGMENT_BYTES_MAX`].
    #[error("Exceeded max value for x-stream-max-segment-size-bytes")]
    SegmentTooLarge,
    /// A consumer of a stream has to say how much it takes at a time.
    #[error("consumer prefetch count is not set for 'queue '{name}' in vhost '{vhost}''")]
    PrefetchNotSet {
        /// The queue.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// The queue belongs to another connection.
    #[error(
        "cannot obtain exclusive access to locked queue '{name}' in vhost '{vhost}'. It could be \
         originally declared on another connection or the exclusive property value does not \
         match that of the original declaration."
    )]
    QueueLocked {
        /// The queue.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// Another consumer has the queue for itself, or there are consumers and one wants it so.
    #[error("queue '{name}' in vhost '{vhost}' in exclusive use")]
    ExclusiveUse {
        /// The queue.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// The user has no right for it.
    #[error("access to {kind} '{name}' in vhost '{vhost}' refused for user '{user}'")]
    AccessRefused {
        /// `queue` or `exchange`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Its virtual host.
        vhost: String,
        /// Who asked.
        user: String,
    },
    /// The user has no right for the routing key.
    #[error(
        "access to topic '{routing_key}' in exchange '{exchange}' in vhost '{vhost}' refused for \
         user '{user}'"
    )]
    TopicRefused {
        /// The key.
        routing_key: String,
        /// The exchange.
        exchange: String,
        /// Its virtual host.
        vhost: String,
        /// Who asked.
        user: String,
    },
    /// Deletion of a used object was asked for with `if_unused`.
    #[error("{kind} '{name}' in vhost '{vhost}' in use")]
    InUse {
        /// `queue` or `exchange`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// Deletion of a filled queue was asked for with `if_empty`.
    #[error("queue '{name}' in vhost '{vhost}' not empty")]
    NotEmpty {
        /// The queue.
        name: String,
        /// Its virtual host.
        vhost: String,
    },
    /// A headers binding with an `x-match` that there is not.
    #[error("Invalid x-match field value {value}; expected all, any, all-with-x, or any-with-x")]
    InvalidMatch {
        /// The value, as RabbitMQ writes it.
        value: String,
    },
    /// A delivery was not acknowledged for too long.
    #[error(
        "delivery acknowledgement on channel {channel} timed out. Timeout value used: {timeout} \
         ms. This timeout value can be configured, see consumers doc guide to learn more"
    )]
    DeliveryTimeout {
        /// The channel.
        channel: u16,
        /// How long it may stay unacknowledged, in milliseconds.
        timeout: u64,
    },
    /// A declaration or a binding with something that exchanges of this type do not take.
    #[error("{reason}")]
    Unacceptable {
        /// What is wrong, as RabbitMQ and its plugins write it.
        reason: String,
    },
    /// The tag was never given on this channel or is settled already.
    #[error("unknown delivery tag {delivery_tag}")]
    UnknownDeliveryTag {
        /// The tag.
        delivery_tag: u64,
    },
    /// The consumer tag is in use on this channel.
    #[error("attempt to reuse consumer tag '{consumer_tag}'")]
    ConsumerTagInUse {
        /// The tag.
        consumer_tag: String,
    },
    /// Something that AMQP has and the broker does not.
    #[error("{what}")]
    NotImplemented {
        /// What was asked for, as RabbitMQ writes it.
        what: String,
    },
    /// A message that the protocol layer does not let in.
    #[error("{reason}")]
    MessageRefused {
        /// Why.
        reason: String,
    },
    /// A channel has confirms or transactions, not both.
    #[error("cannot switch from {from} to {to} mode")]
    ChannelMode {
        /// What it has.
        from: &'static str,
        /// What it was to have.
        to: &'static str,
    },
    /// A commit or a rollback without a transaction.
    #[error("channel is not transactional")]
    NotTransactional,
    /// A commit was carried out, but for messages that a queue had no room for.
    #[error("partial tx completion")]
    PartialCommit,
    /// The transactions of the connection hold more than [`crate::limits::TRANSACTION_BYTES`].
    #[error("transactions of this connection hold more than {limit} bytes")]
    TransactionTooLarge {
        /// The limit.
        limit: usize,
    },
    /// Direct replies are not acknowledged.
    #[error("reply consumer cannot acknowledge")]
    RepliesAcknowledged,
    /// A channel has one consumer of direct replies.
    #[error("reply consumer already set")]
    RepliesConsumed,
    /// The virtual host has as many queues as it may.
    #[error("cannot declare queue '{name}': queue limit in vhost '{vhost}' ({limit}) is reached")]
    TooManyQueues {
        /// The queue that was to be declared.
        name: String,
        /// The virtual host.
        vhost: String,
        /// The limit.
        limit: usize,
    },
    /// More than so many bytes of answers wait for that of a `basic.get`.
    #[error("more than {limit} bytes of answers wait for that of a basic.get")]
    TooMuchBehindGet {
        /// The limit.
        limit: usize,
    },
    /// More requests of `basic.get` wait than [`crate::limits::WAITING_GETS`].
    #[error("reached maximum ({limit}) of basic.get requests that wait for an answer")]
    TooManyGets {
        /// The limit.
        limit: usize,
    },
    /// More consumers on one channel than [`crate::Bounds::consumers_per_channel`].
    #[error("reached maximum ({limit}) of consumers per channel")]
    TooManyConsumers {
        /// The limit.
        limit: usize,
    },
}

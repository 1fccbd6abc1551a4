//! What is measured over time: numbers by name, their rates, and samples of the past.

use thiserror::Error;
use warren_engine::Milliseconds;

/// A number that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Series {
    /// Ready and unacknowledged messages.
    Messages,
    /// Messages that wait.
    MessagesReady,
    /// Messages that are delivered and not settled.
    MessagesUnacknowledged,
    /// Messages published.
    Publish,
    /// Messages published to exchanges.
    PublishIn,
    /// Copies that exchanges gave to queues.
    PublishOut,
    /// Messages confirmed.
    Confirm,
    /// Messages returned.
    ReturnUnroutable,
    /// Messages dropped, as there was no queue for them.
    DropUnroutable,
    /// Deliveries to be acknowledged.
    Deliver,
    /// Deliveries without an acknowledgement.
    DeliverNoAck,
    /// Messages fetched, to be acknowledged.
    Get,
    /// Messages fetched without an acknowledgement.
    GetNoAck,
    /// Fetches that found nothing.
    GetEmpty,
    /// All deliveries and fetched messages.
    DeliverGet,
    /// Deliveries of messages that were delivered before.
    Redeliver,
    /// Acknowledgements.
    Ack,
    /// Bytes received.
    ReceivedBytes,
    /// Reads from the socket that brought something.
    ReceivedPackets,
    /// Bytes sent.
    SentBytes,
    /// Writes to the socket.
    SentPackets,
    /// Connections opened.
    ConnectionCreated,
    /// Connections closed.
    ConnectionClosed,
    /// Channels opened.
    ChannelCreated,
    /// Channels closed.
    ChannelClosed,
    /// Declarations of queues.
    QueueDeclared,
    /// Queues made.
    QueueCreated,
    /// Queues deleted.
    QueueDeleted,
    /// Resident memory in bytes.
    MemoryUsed,
    /// Open files.
    FilesUsed,
    /// Open sockets of clients.
    SocketsUsed,
    /// Free space on the disk, in bytes.
    DiskFree,
    /// Threads and tasks.
    ProcessesUsed,
}

impl Series {
    /// The name in the HTTP API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::MessagesReady => "messages_ready",
            Self::MessagesUnacknowledged => "messages_unacknowledged",
            Self::Publish => "publish",
            Self::PublishIn => "publish_in",
            Self::PublishOut => "publish_out",
            Self::Confirm => "confirm",
            Self::ReturnUnroutable => "return_unroutable",
            Self::DropUnroutable => "drop_unroutable",
            Self::Deliver => "deliver",
            Self::DeliverNoAck => "deliver_no_ack",
            Self::Get => "get",
            Self::GetNoAck => "get_no_ack",
            Self::GetEmpty => "get_empty",
            Self::DeliverGet => "deliver_get",
            Self::Redeliver => "redeliver",
            Self::Ack => "ack",
            Self::ReceivedBytes => "recv_oct",
            Self::ReceivedPackets => "recv_cnt",
            Self::SentBytes => "send_oct",
            Self::SentPackets => "send_cnt",
            Self::ConnectionCreated => "connection_created",
            Self::ConnectionClosed => "connection_closed",
            Self::ChannelCreated => "channel_created",
            Self::ChannelClosed => "channel_closed",
            Self::QueueDeclared => "queue_declared",
            Self::QueueCreated => "queue_created",
            Self::QueueDeleted => "queue_deleted",
            Self::MemoryUsed => "mem_used",
            Self::FilesUsed => "fd_used",
            Self::SocketsUsed => "sockets_used",
            Self::DiskFree => "disk_free",
            Self::ProcessesUsed => "proc_used",
        }
    }
}

/// When a view was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// The time of the view, in milliseconds since 1970.
    pub now: Milliseconds,
    /// The time of the last sample; rates are those of the samples before it.
    pub sampled: Milliseconds,
}

/// How much of the past is wanted: the parameters `..._age` and `..._incr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    age: u64,
    increment: u64,
}

/// A [`Range`] that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RangeError {
    /// One of the numbers is zero.
    #[error("age and increment must be above zero")]
    Zero,
    /// More samples than anybody has a use for.
    #[error("more than {0} samples are asked for")]
    TooMany(u64),
}

impl Range {
    /// The last `age` seconds, a sample every `increment` seconds.
    ///
    /// # Errors
    ///
    /// One of the two is zero, or these are more than 500 samples, as with RabbitMQ.
    pub fn new(age: u64, increment: u64) -> Result<Self, RangeError> {
        if age == 0 || increment == 0 {
            return Err(RangeError::Zero);
        }
        if age / increment > crate::limits::RANGE_SAMPLES {
            return Err(RangeError::TooMany(crate::limits::RANGE_SAMPLES));
        }
        Ok(Self { age, increment })
    }
}

/// A number, how it changes and how it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What.
    pub series: Series,
    /// The number itself.
    pub total: u64,
    /// By how much it changed a second.
    pub rate: f64,
    /// The past, if a [`Range`] was asked for and there is one.
    pub samples: Option<Samples>,
}

/// Samples of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The average of the samples.
    pub average: f64,
    /// By how much the number changed a second over the whole range.
    pub average_rate: f64,
    /// The samples, the newest one first.
    pub samples: Vec<Sample>,
}

/// A number at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, in milliseconds since 1970.
    pub timestamp: Milliseconds,
    /// The number.
    pub sample: u64,
}

/// What is measured of an object.
#[derive(Debug, Clone)]
pub struct Meter {
    series: &'static [Series],
    values: Box<[u64]>,
}

impl Meter {
    /// The number as it was when the view was taken; `None` if it is not measured of this object.
    #[must_use]
    pub fn total(&self, series: Series) -> Option<u64> {
        let at = self.series.iter().position(|other| *other == series)?;
        self.values.get(at).copied()
    }
}

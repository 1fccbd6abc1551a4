//! What is measured over time, by name.

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
        }
    }

    /// By which parameters its past is asked for.
    #[must_use]
    pub fn group(self) -> Group {
        match self {
            Self::Messages | Self::MessagesReady | Self::MessagesUnacknowledged => Group::Lengths,
            Self::Publish
            | Self::PublishIn
            | Self::PublishOut
            | Self::Confirm
            | Self::ReturnUnroutable
            | Self::DropUnroutable
            | Self::Deliver
            | Self::DeliverNoAck
            | Self::Get
            | Self::GetNoAck
            | Self::GetEmpty
            | Self::DeliverGet
            | Self::Redeliver
            | Self::Ack
            | Self::ConnectionCreated
            | Self::ConnectionClosed
            | Self::ChannelCreated
            | Self::ChannelClosed
            | Self::QueueDeclared
            | Self::QueueCreated
            | Self::QueueDeleted => Group::MessageRates,
            Self::ReceivedBytes | Self::ReceivedPackets | Self::SentBytes | Self::SentPackets => {
                Group::DataRates
            }
            Self::MemoryUsed | Self::FilesUsed | Self::SocketsUsed | Self::DiskFree => Group::Node,
        }
    }
}

/// Series whose past is asked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `lengths_age` and `lengths_incr`.
    Lengths,
    /// `msg_rates_age` and `msg_rates_incr`.
    MessageRates,
    /// `data_rates_age` and `data_rates_incr`.
    DataRates,
    /// `node_stats_age` and `node_stats_incr`.
    Node,
}

/// What is told beside what is measured, and what it is the sum of.
pub(super) const SUMS: [(Series, &[Series]); 2] = [
    (Series::Messages, &[Series::MessagesReady, Series::MessagesUnacknowledged]),
    (Series::DeliverGet, &[Series::Deliver, Series::DeliverNoAck, Series::Get, Series::GetNoAck]),
];

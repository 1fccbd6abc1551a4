//! All limits of the protocol layer, each with its reason.

use crate::Millis;

/// Largest frame before `connection.open`, in bytes with frame head and end octet.
///
/// Nobody has logged in yet. Client properties of known clients stay below 1 KiB; RabbitMQ takes
/// 4096 bytes there, and tokens as passwords need some more.
pub const HANDSHAKE_FRAME_BYTES: u32 = 8192;

/// Most bytes that may wait unread while a login or an open is being decided.
///
/// A client has nothing to send at that time; one frame of slack is plenty.
pub const HANDSHAKE_WAITING_BYTES: usize = 65_536;

/// Smallest `frame_max` a client may ask for, in bytes.
///
/// AMQP 0-9-1 section 4.2.3 names it `frame-min-size`.
pub const FRAME_MAX_LOWEST: u32 = 4096;

/// Bytes by which a frame may exceed the agreed `frame_max`.
///
/// Some clients (rabbitpy, AMQPStorm) cut bodies into pieces of `frame_max` and forget head and end
/// of the frame. RabbitMQ lets them, and so must whoever takes its place.
pub const FRAME_EXCESS_BYTES: usize = 8;

/// Depth of nested tables and arrays, the outermost table included.
///
/// Deeper tables have no use, and `amq-protocol` walks tables by recursion.
pub const TABLE_DEPTH: usize = 32;

/// Values in all tables of one method, nested ones included.
///
/// A parsed value takes some 100 bytes of memory while one byte on the wire can announce it; this
/// keeps the tables of one method below half a megabyte.
pub const TABLE_VALUES: usize = 4096;

/// Depth of nested tables in client properties: properties, capabilities and room for two more.
pub const CLIENT_PROPERTIES_DEPTH: usize = 4;

/// Values in client properties, nested ones included. Known clients send fewer than 30, and the
/// broker keeps them as long as the connection lives.
pub const CLIENT_PROPERTIES_VALUES: usize = 64;

/// Bytes of a short string: its length is one octet.
pub const SHORT_STRING_BYTES: usize = 255;

/// Bytes of the unfinished messages of one connection, as a multiple of the largest message.
///
/// Clients that share a connection fairly interleave the frames of many channels; without a bound
/// 2047 channels could hold a large message each.
pub const UNFINISHED_MESSAGES: u64 = 16;

/// Largest body buffer that is kept for the next message, in bytes.
///
/// An idle connection may cost 12 kB in all. Small bodies reuse the buffer; for large ones an
/// allocation is lost in the cost of copying.
pub const SPARE_BODY_BYTES: usize = 4096;

/// Channels below this number stand in a list that grows with the highest one. That covers the usual
/// `channel_max` of 2047 at 16 bytes each; a client that uses higher numbers pays for each with a
/// search in a map.
pub const CHANNELS_LISTED: usize = 2048;

/// How long the peer may take to answer `connection.close`, in milliseconds.
pub const CLOSE_MILLIS: Millis = 5000;

/// Octets of a broken frame that are shown in the reply text; it is cut at 255 bytes anyway.
pub const SHOWN_OCTETS: usize = 48;

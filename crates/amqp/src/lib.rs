//! AMQP 0-9-1 as pure code: bytes to protocol events and back, without a socket.
//!
//! [`Connection`] is the server's side of one connection. It takes bytes, yields [`Event`]s, and
//! appends its answers to an output buffer; time comes in as an argument. What carries messages
//! (`publish.rs`, `deliver.rs`, `properties.rs`) is written by hand and copies nothing it need
//! not; all other methods go through `amq-protocol` after `method.rs` and `table.rs` have checked
//! the raw bytes.
//!
//! ```text
//! input  -> frame -> publish (whole message in place) ------------------> Event::Publish
//!                 -> state/content (content assembled per channel) -> Event::Publish
//!                 -> method (layout and tables checked) -> amq-protocol -> Event::Method, ...
//! answer -> deliver (messages, confirms) / method (all else) -> output
//! ```

mod deliver;
mod error;
mod event;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod limits;
mod method;
pub mod properties;
mod publish;
mod reader;
mod reply_code;
mod sasl;
mod state;
pub mod table;

pub use amq_protocol::protocol::{
    access, basic, channel, confirm, connection, exchange, queue, tx,
};
pub use amq_protocol::types::{
    AMQPValue as FieldValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString,
    ShortString,
};

pub use crate::deliver::Content;
pub use crate::error::Error;
pub use crate::event::{Event, Publish, Step};
pub use crate::reply_code::ReplyCode;
pub use crate::state::{Connection, Settings, Start, Timeout};

/// A method of any class, as `amq-protocol` models it.
pub type Method = amq_protocol::protocol::AMQPClass;

/// Milliseconds from any fixed start; it must not go backwards.
pub type Millis = u64;

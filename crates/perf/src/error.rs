//! Everything that can end a run, with the values that explain it.

use std::io;

use plotters::prelude::DrawingAreaErrorKind;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The broker closed the connection and said why.
    #[error("the broker closed the connection: {code} {text}")]
    ConnectionClosed {
        /// AMQP reply code, for example 530.
        code: u16,
        /// The broker's own words.
        text: String,
    },
    /// The broker closed the channel and said why.
    #[error("the broker closed channel {channel}: {code} {text}")]
    ChannelClosed {
        /// Channel number.
        channel: u16,
        /// AMQP reply code, for example 404.
        code: u16,
        /// The broker's own words.
        text: String,
    },
    /// The broker cancelled a consumer, for example because its queue was deleted.
    #[error("the broker cancelled consumer {tag:?}")]
    ConsumerCancelled {
        /// Consumer tag.
        tag: String,
    },
    /// The socket was closed without a word.
    #[error("the broker closed the socket while the generator was {during}")]
    Disconnected {
        /// What was going on.
        during: &'static str,
    },
    /// Bytes that are not AMQP 0-9-1.
    #[error("malformed bytes from the broker: {what}")]
    Malformed {
        /// Which part could not be read.
        what: &'static str,
    },
    /// A frame larger than what was negotiated.
    #[error("the broker sent a frame of {bytes} bytes, the buffer holds {limit}")]
    FrameTooLarge {
        /// Size of the frame.
        bytes: usize,
        /// Largest frame that fits.
        limit: usize,
    },
    /// A reply to another question than the one that was asked.
    #[error("expected method {}.{}, received {}.{}", expected >> 16, expected & 0xffff,
        received >> 16, received & 0xffff)]
    UnexpectedMethod {
        /// Class in the upper, method in the lower 16 bits.
        expected: u32,
        /// The same for what came.
        received: u32,
    },
    /// A confirm for something that was never published.
    #[error("confirm for delivery tag {tag}, but only {sent} messages were published")]
    ConfirmOutOfRange {
        /// Tag in the confirm.
        tag: u64,
        /// Messages published so far on that channel.
        sent: u64,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s")]
    Timeout {
        /// What was waited for.
        what: String,
        /// The bound.
        seconds: u64,
    },
    /// A call to the system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A process that was started ended by itself.
    #[error("{what} ended with {status}")]
    ProcessEnded {
        /// Which process.
        what: String,
        /// Its exit status.
        status: String,
    },
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A chart cannot be drawn.
    #[error("drawing a chart: {0}")]
    Chart(String),
    /// The result cannot be written as JSON.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The broker lost, reordered or damaged messages.
    #[error("verification failed: {lost} lost, {out_of_order} out of order, {corrupt} corrupt")]
    VerificationFailed {
        /// Confirmed messages that never came.
        lost: u64,
        /// First deliveries in the wrong order.
        out_of_order: u64,
        /// Bodies with a wrong checksum or in a wrong place.
        corrupt: u64,
    },
    /// A soak found faults, or something that grew.
    #[error("the soak failed: {faults} faults, {grown} of the samples grew")]
    SoakFailed {
        /// Messages lost, invented, repeated or reordered without a cause.
        faults: u64,
        /// Kinds of samples that are larger at the end than early on.
        grown: usize,
    },
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for Error {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Chart(error.to_string())
    }
}

impl Error {
    /// An operation of the system that failed, with what it was for.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// The exit code of the program: 2 when the broker ended the conversation, 1 otherwise.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::ConnectionClosed { .. }
            | Self::ChannelClosed { .. }
            | Self::ConsumerCancelled { .. }
            | Self::Disconnected { .. } => 2,
            Self::Malformed { .. }
            | Self::FrameTooLarge { .. }
            | Self::UnexpectedMethod { .. }
            | Self::ConfirmOutOfRange { .. }
            | Self::Timeout { .. }
            | Self::Io { .. }
            | Self::ProcessEnded { .. }
            | Self::Usage(_)
            | Self::Chart(_)
            | Self::Json(_)
            | Self::VerificationFailed { .. }
            | Self::SoakFailed { .. } => 1,
        }
    }
}

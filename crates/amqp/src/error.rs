//! What can be wrong with bytes, and the failure that closes a connection for it.

use crate::ReplyCode;

/// What is wrong with raw bytes: a method, a property list or a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is longer than what is left of its container.
    #[error("a field of {needed} bytes exceeds the {left} bytes that are left")]
    Truncated {
        /// Bytes that the field takes.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{0} bytes follow the last field")]
    TrailingBytes(usize),
    /// A short string is not UTF-8.
    #[error("a short string is not valid UTF-8")]
    NotUtf8,
    /// A table holds a value of a type that does not exist.
    #[error("unknown field type {0}")]
    FieldType(u8),
    /// Tables and arrays are nested too deep.
    #[error("tables are nested deeper than {0}")]
    TableDepth(usize),
    /// Tables hold too many values.
    #[error("tables hold more than {0} values")]
    TableValues(usize),
    /// The property flags announce properties that do not exist.
    #[error("property flags {0:#06x} have a reserved bit set")]
    PropertyFlags(u16),
    /// No client may send this method, or it does not exist.
    #[error("unexpected method with class {class_id} and method {method_id}")]
    Method {
        /// The class.
        class_id: u16,
        /// The method.
        method_id: u16,
    },
    /// `amq-protocol` does not take what passed all checks.
    #[error("the bytes cannot be parsed")]
    Unparsable,
}

/// A breach of the protocol: what `connection.close` will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: ReplyCode,
    /// Without the name of the code in front.
    pub(crate) text: String,
    pub(crate) class_id: u16,
    pub(crate) method_id: u16,
}

impl Failure {
    /// A failure that no method caused.
    pub(crate) fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), class_id: 0, method_id: 0 }
    }

    /// The same failure, caused by this method.
    pub(crate) fn by(mut self, (class_id, method_id): (u16, u16)) -> Self {
        self.class_id = class_id;
        self.method_id = method_id;
        self
    }

    /// The failure for a method or content header that could not be decoded.
    ///
    /// RabbitMQ shows the octets that do not fit the fields of a method (501).
    pub(crate) fn decoding(error: Error, ids: (u16, u16), octets: &[u8]) -> Self {
        let failure = match error {
            Error::Truncated { .. } | Error::TrailingBytes(_) => Self::new(
                ReplyCode::FrameError,
                format!("cannot decode {}", crate::frame::octets(octets)),
            ),
            Error::Method { .. } => Self::new(ReplyCode::CommandInvalid, "unimplemented method"),
            Error::NotUtf8
            | Error::FieldType(_)
            | Error::TableDepth(_)
            | Error::TableValues(_)
            | Error::PropertyFlags(_)
            | Error::Unparsable => Self::new(ReplyCode::SyntaxError, error.to_string()),
        };
        failure.by(ids)
    }
}

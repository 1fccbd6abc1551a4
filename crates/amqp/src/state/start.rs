//! `connection.start`: the same for all connections, and so made once.

use amq_protocol::protocol::connection::{self, AMQPMethod};

use crate::{FieldTable, Method, frame};

/// What the broker says about itself before a client has said anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    frame: Box<[u8]>,
    mechanisms: String,
}

impl Start {
    /// A table of server properties, and login mechanisms with spaces between them: `PLAIN`,
    /// `AMQPLAIN` and `ANONYMOUS` exist.
    #[must_use]
    pub fn new(server_properties: FieldTable, mechanisms: String) -> Self {
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties,
            mechanisms: mechanisms.as_str().into(),
            locales: "en_US".into(),
        };
        let mut frame = vec![];
        frame::put_method(&mut frame, 0, &Method::Connection(AMQPMethod::Start(start)));
        Self { frame: frame.into(), mechanisms }
    }

    /// The whole frame.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Whether clients may log in by this.
    pub(super) fn offers(&self, mechanism: &str) -> bool {
        self.mechanisms.split_whitespace().any(|name| name == mechanism)
    }
}

//! What the arguments of `basic.consume` ask for, checked with the texts of RabbitMQ.

use warren_amqp::{FieldTable, FieldValue};

use crate::Error;
use crate::arguments::{integer, type_name};
use crate::settings::QueueType;

/// What a consumer asks for beyond messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ConsumerSettings {
    /// Consumers with a higher one are served first (`x-priority`).
    pub(crate) priority: i64,
}

impl ConsumerSettings {
    /// Reads the arguments of a subscription to a queue of a kind, and refuses those that RabbitMQ
    /// refuses.
    pub(crate) fn read(
        arguments: &FieldTable,
        kind: QueueType,
        name: &str,
        vhost: &str,
    ) -> Result<Self, Error> {
        if arguments.inner().is_empty() {
            return Ok(Self::default());
        }
        let refused: &[&str] = match kind {
            QueueType::Classic => {
                &["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"]
            }
            QueueType::Quorum => &[
                "x-stream-offset",
                "x-stream-filter",
                "x-stream-match-unfiltered",
                "x-cancel-on-ha-failover",
            ],
            QueueType::Stream => &["x-priority", "x-cancel-on-ha-failover"],
        };
        if let Some(argument) = refused.iter().find(|name| arguments.contains_key(name)) {
            return Err(Error::UnsupportedArgument {
                argument,
                name: name.to_owned(),
                vhost: vhost.to_owned(),
                queue_type: kind.internal_name(),
            });
        }
        let invalid = |argument, problem| Error::InvalidArgument {
            argument,
            kind: "queue",
            name: name.to_owned(),
            vhost: vhost.to_owned(),
            problem,
        };
        let priority = match arguments.inner().get("x-priority") {
            None => 0,
            Some(value) => integer(value).ok_or_else(|| {
                invalid("x-priority", format!("\"expected integer, got {}\"", type_name(value)))
            })?,
        };
        match arguments.inner().get("x-cancel-on-ha-failover") {
            None | Some(FieldValue::Boolean(_)) => Ok(Self { priority }),
            Some(value) => {
                let problem = format!("{{unacceptable_type,{}}}", type_name(value));
                Err(invalid("x-cancel-on-ha-failover", problem))
            }
        }
    }
}

//! The one place where errors become AMQP reply codes.

use warren_amqp::ReplyCode;
use warren_engine::Error;

/// The reply code of a refusal. Exhaustive on purpose: a new error has no code until it gets one
/// here.
#[must_use]
pub fn reply_code(error: &Error) -> ReplyCode {
    match error {
        Error::QueueNotFound { .. } | Error::ExchangeNotFound { .. } | Error::NoLastQueue => {
            ReplyCode::NotFound
        }
        Error::ReservedName { .. }
        | Error::DefaultExchange
        | Error::SystemExchange { .. }
        | Error::InternalExchange { .. }
        | Error::ExclusiveUse { .. }
        | Error::AccessRefused { .. }
        | Error::TopicRefused { .. } => ReplyCode::AccessRefused,
        Error::QueueLocked { .. } => ReplyCode::ResourceLocked,
        Error::UnknownExchangeType { .. }
        | Error::Inequivalent(_)
        | Error::InvalidArgument { .. }
        | Error::InvalidArgumentType { .. }
        | Error::UnsupportedArgument { .. }
        | Error::InvalidProperty { .. }
        | Error::SegmentTooLarge
        | Error::PrefetchNotSet { .. }
        | Error::InUse { .. }
        | Error::NotEmpty { .. }
        | Error::InvalidMatch { .. }
        | Error::Unacceptable { .. }
        | Error::MessageRefused { .. }
        | Error::DeliveryTimeout { .. }
        | Error::ChannelMode { .. }
        | Error::NotTransactional
        | Error::PartialCommit
        | Error::TransactionTooLarge { .. }
        | Error::RepliesAcknowledged
        | Error::RepliesConsumed
        | Error::TooManyQueues { .. }
        | Error::UnknownDeliveryTag { .. } => ReplyCode::PreconditionFailed,
        Error::ConsumerTagInUse { .. } | Error::TooManyConsumers { .. } => ReplyCode::NotAllowed,
        Error::TooMuchBehindGet { .. } | Error::TooManyGets { .. } => ReplyCode::ResourceError,
        Error::NotImplemented { .. } => ReplyCode::NotImplemented,
    }
}

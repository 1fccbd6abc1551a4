//! The reply codes of AMQP 0-9-1.

/// Why a message came back, or why a channel or connection was closed.
///
/// Source: AMQP 0-9-1 XML, constants of the classes soft-error and hard-error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ReplyCode {
    /// The message is larger than the peer takes.
    ContentTooLarge = 311,
    /// A mandatory message matched no queue.
    NoRoute = 312,
    /// An immediate message found no consumer.
    NoConsumers = 313,
    /// An operator closed the connection.
    ConnectionForced = 320,
    /// The virtual host is unknown.
    InvalidPath = 402,
    /// The user may not do that.
    AccessRefused = 403,
    /// The entity does not exist.
    NotFound = 404,
    /// The entity belongs to another connection.
    ResourceLocked = 405,
    /// A condition of the method does not hold.
    PreconditionFailed = 406,
    /// A frame could not be decoded.
    FrameError = 501,
    /// A field has a value that cannot be.
    SyntaxError = 502,
    /// The method is not valid here.
    CommandInvalid = 503,
    /// The channel is not open, or open already.
    ChannelError = 504,
    /// Another frame was due.
    UnexpectedFrame = 505,
    /// The broker lacks the resources.
    ResourceError = 506,
    /// The peer tried what the broker forbids.
    NotAllowed = 530,
    /// The broker does not do that.
    NotImplemented = 540,
    /// The broker failed.
    InternalError = 541,
}

impl ReplyCode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The name in reply texts: `NOT_FOUND`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ContentTooLarge => "CONTENT_TOO_LARGE",
            Self::NoRoute => "NO_ROUTE",
            Self::NoConsumers => "NO_CONSUMERS",
            Self::ConnectionForced => "CONNECTION_FORCED",
            Self::InvalidPath => "INVALID_PATH",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::UnexpectedFrame => "UNEXPECTED_FRAME",
            Self::ResourceError => "RESOURCE_ERROR",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// True if the code closes the connection, false if it closes a channel or only informs.
    #[must_use]
    pub fn is_hard(self) -> bool {
        match self {
            Self::ContentTooLarge
            | Self::NoRoute
            | Self::NoConsumers
            | Self::AccessRefused
            | Self::NotFound
            | Self::ResourceLocked
            | Self::PreconditionFailed => false,
            Self::ConnectionForced
            | Self::InvalidPath
            | Self::FrameError
            | Self::SyntaxError
            | Self::CommandInvalid
            | Self::ChannelError
            | Self::UnexpectedFrame
            | Self::ResourceError
            | Self::NotAllowed
            | Self::NotImplemented
            | Self::InternalError => true,
        }
    }

    /// The reply text of a close: the name, then the text, cut to a short string between
    /// characters.
    pub(crate) fn reply_text(self, text: &str) -> String {
        let mut full = format!("{} - {text}", self.name());
        let end = full.floor_char_boundary(crate::limits::SHORT_STRING_BYTES);
        full.truncate(end);
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_text_is_cut_between_characters() {
        // The prefix takes 12 bytes, so 255 falls into the middle of a two-byte character.
        let text = ReplyCode::NotFound.reply_text(&"\u{e9}".repeat(200));
        assert_eq!(text.len(), 254);
        assert!(text.starts_with("NOT_FOUND - \u{e9}"));
    }

    #[test]
    fn numbers_and_hardness_follow_the_specification() {
        assert_eq!(ReplyCode::NoRoute.number(), 312);
        assert_eq!(ReplyCode::InternalError.number(), 541);
        assert!(!ReplyCode::PreconditionFailed.is_hard());
        assert!(ReplyCode::ConnectionForced.is_hard());
        assert_eq!(ReplyCode::PreconditionFailed.name(), "PRECONDITION_FAILED");
    }
}

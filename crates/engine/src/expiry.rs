//! How long messages may wait: what the property `expiration` says, and when a message that came
//! into a queue is to leave it.

use crate::{Message, Milliseconds, limits};

/// The expiry of what waits for as long as it takes.
pub(crate) const NEVER: Milliseconds = Milliseconds::MAX;

/// What is wrong with an `expiration`, as RabbitMQ writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadExpiration {
    /// It does not begin with a number.
    #[error("no_integer")]
    NoInteger,
    /// Something follows on the number.
    #[error("{{leftover_string,\"{0}\"}}")]
    Leftover(String),
    /// It is below zero.
    #[error("{{value_negative,{0}}}")]
    Negative(String),
    /// It is more than ten years.
    #[error("{{value_too_large,{0}}}")]
    TooLarge(String),
}

/// The milliseconds that an `expiration` asks for.
///
/// # Errors
/// What RabbitMQ refuses: anything but the digits of a number up to
/// [`limits::DURATION_MS_MAX`], with or without a `+`.
pub fn expiration(text: &str) -> Result<Milliseconds, BadExpiration> {
    let is_negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = unsigned.split_at(length);
    if digits.is_empty() {
        return Err(BadExpiration::NoInteger);
    }
    if !rest.is_empty() {
        return Err(BadExpiration::Leftover(rest.to_owned()));
    }
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    if is_negative && digits != "0" {
        return Err(BadExpiration::Negative(format!("-{digits}")));
    }
    match digits.parse() {
        Ok(milliseconds) if milliseconds <= limits::DURATION_MS_MAX => Ok(milliseconds),
        _ => Err(BadExpiration::TooLarge(digits.to_owned())),
    }
}

/// When a message leaves its queue if nobody has taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// From then on; [`NEVER`] if it may stay.
    pub(crate) at: Milliseconds,
    /// The message itself asks for it, so that it may come before those of messages in front.
    pub(crate) is_own: bool,
    /// The message asks for one, and that of the queue comes before it.
    pub(crate) hides_own: bool,
}

impl Expiry {
    /// Of a message in a queue with this `x-message-ttl`. `otherwise` stands for the time at which
    /// a message was accepted that does not tell.
    pub(crate) fn of(
        message: &Message,
        ttl: Option<Milliseconds>,
        otherwise: Milliseconds,
    ) -> Self {
        let own = if message.may_expire() { message.expiration() } else { None };
        let Some(least) = [own, ttl].into_iter().flatten().min() else {
            return Self { at: NEVER, is_own: false, hides_own: false };
        };
        let accepted = match message.time() {
            0 => otherwise,
            time => time,
        };
        let is_own = own.is_some_and(|own| ttl.is_none_or(|ttl| own < ttl));
        let hides_own = own.is_some() && !is_own;
        Self { at: accepted.saturating_add(least), is_own, hides_own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiration_is_read_as_rabbitmq_reads_it() {
        for (text, milliseconds) in [
            ("0", 0),
            ("60000", 60_000),
            ("+5", 5),
            ("007", 7),
            ("-0", 0),
            ("315360000000", 315_360_000_000),
        ] {
            assert_eq!(expiration(text), Ok(milliseconds), "{text}");
        }
        for (text, problem) in [
            ("", "no_integer"),
            ("abc", "no_integer"),
            ("-", "no_integer"),
            (" 5", "no_integer"),
            ("5s", "{leftover_string,\"s\"}"),
            ("1.5", "{leftover_string,\".5\"}"),
            ("-1", "{value_negative,-1}"),
            ("315360000001", "{value_too_large,315360000001}"),
            ("99999999999999999999", "{value_too_large,99999999999999999999}"),
        ] {
            assert_eq!(expiration(text).unwrap_err().to_string(), problem, "{text}");
        }
    }
}

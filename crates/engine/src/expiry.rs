//! How long messages may wait: what the property `expiration` says.

use crate::{Milliseconds, limits};

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

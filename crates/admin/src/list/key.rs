//! Values that lists are ordered by.

use std::cmp::Ordering;

/// A value of an object, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Key<'a> {
    /// The object has no such value. It counts as 0, as in RabbitMQ.
    Missing,
    /// A number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// Text.
    Text(&'a str),
}

impl Key<'_> {
    /// Numbers come before yes and no, and these before text, as in RabbitMQ.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.compare(b),
            _ => self.rank().cmp(&other.rank()).then_with(|| match (self, other) {
                (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
                (Self::Text(a), Self::Text(b)) => a.cmp(b),
                _ => Ordering::Equal,
            }),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Missing | Self::Integer(_) | Self::Float(_) => 0,
            Self::Boolean(_) => 1,
            Self::Text(_) => 2,
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Missing => Some(Number::Integer(0)),
            Self::Integer(number) => Some(Number::Integer(*number)),
            Self::Float(number) => Some(Number::Float(*number)),
            Self::Boolean(_) | Self::Text(_) => None,
        }
    }
}

impl From<u64> for Key<'_> {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Key<'_> {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<f64> for Key<'_> {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Key<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

/// Integers are compared as such: a float does not hold all of them.
#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            (a, b) => a.float().total_cmp(&b.float()),
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Integer(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_counts_as_zero_and_kinds_have_an_order() {
        let rising = [
            Key::Integer(-1),
            Key::Missing,
            Key::Float(0.5),
            Key::Integer(1),
            Key::Integer(i64::MAX - 1),
            Key::Integer(i64::MAX),
            Key::Boolean(false),
            Key::Boolean(true),
            Key::Text("B"),
            Key::Text("a"),
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(a.compare(b), at.cmp(&other), "{a:?} and {b:?}");
            }
        }
        assert_eq!(Key::Missing.compare(&Key::Integer(0)), Ordering::Equal);
        assert_eq!(Key::Float(2.0).compare(&Key::Integer(2)), Ordering::Equal);
    }
}

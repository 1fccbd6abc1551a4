//! How much of the numbers a request wants: `disable_stats` and `enable_queue_totals`.

use crate::query::Query;

/// Which numbers objects come with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Totals {
    /// All there are.
    Full,
    /// Numbers of messages alone.
    Lengths,
    /// None.
    Nothing,
}

impl Totals {
    /// Reads the two parameters.
    pub(crate) fn read(query: &Query) -> Self {
        match (query.is_true("disable_stats"), query.is_true("enable_queue_totals")) {
            (false, _) => Self::Full,
            (true, true) => Self::Lengths,
            (true, false) => Self::Nothing,
        }
    }

    /// Whether all numbers are wanted.
    pub(crate) fn is_full(self) -> bool {
        self == Self::Full
    }
}

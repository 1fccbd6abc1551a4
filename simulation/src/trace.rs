//! What happened, line by line: hashed as a whole, and the last lines kept for people.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use crate::limits::TRACE_LINES;

/// The trace of a run.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    pub(crate) lines: u64,
    tail: VecDeque<String>,
    /// Keep all lines.
    pub(crate) whole: bool,
}

impl Trace {
    pub(crate) fn line(&mut self, text: fmt::Arguments<'_>) {
        let mut line = if self.tail.len() >= TRACE_LINES && !self.whole {
            self.tail.pop_front().unwrap_or_default()
        } else {
            String::new()
        };
        line.clear();
        // Writing to a string does not fail.
        let _ = write!(line, "{:>5} ", self.lines);
        let _ = line.write_fmt(text);
        self.hash = fnv(self.hash, line.as_bytes());
        self.lines += 1;
        self.tail.push_back(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_tail(self) -> Vec<String> {
        self.tail.into()
    }
}

/// FNV-1a, going on from `hash`.
pub(crate) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    let start = if hash == 0 { 0xcbf2_9ce4_8422_2325 } else { hash };
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

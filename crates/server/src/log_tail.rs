//! The last lines of the log, in memory, so that they can be looked at where the broker's standard
//! error cannot.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{clock, limits};

/// How much a line of the log matters, the most important first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something may need a look.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// What else happens.
    Debug,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// They rise by one, from 1 on.
    pub number: u64,
    /// In milliseconds since 1970.
    pub time: u64,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says, with its values.
    pub text: Arc<str>,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogWish {
    /// Those that matter as much as this, or more.
    pub level: Option<LogLevel>,
    /// Those with this in them, whatever the case.
    pub text: String,
    /// Those with lower numbers than this.
    pub below: Option<u64>,
    /// How many at most.
    pub count: usize,
}

/// The last lines. Copies of it are the same.
#[derive(Debug, Clone, Default)]
pub struct LogTail {
    level: LogLevel,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<LogLine>,
    bytes: usize,
    last: u64,
}

impl LogLevel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    /// Its name, as in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level of a name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl LogTail {
    /// That of a log which has lines of this level and of those that matter more.
    #[must_use]
    pub fn new(level: LogLevel) -> Self {
        Self { level, ..Self::default() }
    }

    /// What is logged: this and what matters more.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level
    }

    /// Adds a line. The oldest go when there are too many.
    pub fn push(&self, level: LogLevel, text: &str) {
        let end = text.floor_char_boundary(limits::LOG_LINE_BYTES);
        let text: Arc<str> = text.get(..end).unwrap_or_default().into();
        let mut all = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        all.last += 1;
        all.bytes += text.len();
        let line = LogLine { number: all.last, time: clock::now(), level, text };
        all.lines.push_back(line);
        while all.lines.len() > limits::LOG_TAIL_LINES || all.bytes > limits::LOG_TAIL_BYTES {
            let Some(oldest) = all.lines.pop_front() else { return };
            all.bytes -= oldest.text.len();
        }
    }

    /// The last lines that are wanted, the newest first; and whether there may be more.
    #[must_use]
    pub fn page(&self, wish: &LogWish) -> (Vec<LogLine>, bool) {
        let text = wish.text.to_lowercase();
        let is_wanted = |line: &&LogLine| {
            wish.level.is_none_or(|level| line.level <= level)
                && wish.below.is_none_or(|below| line.number < below)
                && (text.is_empty() || line.text.to_lowercase().contains(&text))
        };
        // A copy, as looking through it takes longer than a line may wait.
        let lines: Vec<LogLine> = {
            let all = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            all.lines.iter().rev().cloned().collect()
        };
        let count = wish.count.clamp(1, limits::LOG_PAGE);
        let mut found: Vec<_> = lines.iter().filter(is_wanted).take(count + 1).cloned().collect();
        let is_more = found.len() > count;
        found.truncate(count);
        (found, is_more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(tail: &LogTail, wish: &LogWish) -> Vec<String> {
        tail.page(wish).0.iter().map(|line| line.text.to_string()).collect()
    }

    #[test]
    fn lines_are_found_by_level_text_and_number_the_newest_first() {
        let tail = LogTail::new(LogLevel::Debug);
        tail.push(LogLevel::Info, "one listens");
        tail.push(LogLevel::Error, "two fails");
        tail.push(LogLevel::Debug, "three LISTENS");
        let wish = LogWish { count: 10, ..LogWish::default() };
        assert_eq!(texts(&tail, &wish), ["three LISTENS", "two fails", "one listens"]);
        let level = LogWish { level: Some(LogLevel::Warn), ..wish.clone() };
        assert_eq!(texts(&tail, &level), ["two fails"]);
        let text = LogWish { text: "Listens".to_owned(), ..wish.clone() };
        assert_eq!(texts(&tail, &text), ["three LISTENS", "one listens"]);
        let (page, is_more) = tail.page(&LogWish { count: 2, ..wish.clone() });
        assert!(is_more);
        let below = page.last().map(|line| line.number);
        assert_eq!(texts(&tail, &LogWish { below, ..wish }), ["one listens"]);
    }

    #[test]
    fn the_oldest_lines_go_and_long_ones_are_cut() {
        let tail = LogTail::default();
        for number in 0..limits::LOG_TAIL_LINES + 5 {
            tail.push(LogLevel::Info, &number.to_string());
        }
        assert_eq!(tail.lines.lock().unwrap().lines[0].text.as_ref(), "5");
        for _ in 0..2_000 {
            tail.push(LogLevel::Info, &"\u{e4}".repeat(10_000));
        }
        let all = tail.lines.lock().unwrap();
        assert!(all.bytes <= limits::LOG_TAIL_BYTES);
        assert_eq!(all.bytes, all.lines.iter().map(|line| line.text.len()).sum::<usize>());
        assert_eq!(all.lines[0].text.len(), limits::LOG_LINE_BYTES);
    }
}

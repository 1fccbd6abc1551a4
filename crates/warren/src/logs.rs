//! Where the log goes and how it looks.

use std::fmt::{self, Write};

use serde::Deserialize;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use warren_server::{LogLevel, LogTail};

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Text,
    Json,
}

/// Starts logging to standard error. The last lines are also kept in memory.
pub(crate) fn start(level: Level, format: Format) -> LogTail {
    let (filter, level) = match level {
        Level::Error => (LevelFilter::ERROR, LogLevel::Error),
        Level::Warn => (LevelFilter::WARN, LogLevel::Warn),
        Level::Info => (LevelFilter::INFO, LogLevel::Info),
        Level::Debug => (LevelFilter::DEBUG, LogLevel::Debug),
    };
    let tail = LogTail::new(level);
    let registry = tracing_subscriber::registry().with(filter).with(Keeper(tail.clone()));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    match format {
        Format::Text => {
            let has_colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(lines.with_ansi(has_colours)).init();
        }
        Format::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    tail
}

/// Keeps lines in memory.
struct Keeper(LogTail);

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => LogLevel::Error,
            tracing::Level::WARN => LogLevel::Warn,
            tracing::Level::INFO => LogLevel::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => LogLevel::Debug,
        };
        line.message.push_str(&line.values);
        self.0.push(level, &line.message);
    }
}

/// What a line says, then its values, as they are written to standard error.
#[derive(Default)]
struct Line {
    message: String,
    values: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.values, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;
    use warren_server::LogWish;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_with_their_values() {
        let tail = LogTail::new(LogLevel::Info);
        let subscriber =
            tracing_subscriber::registry().with(LevelFilter::INFO).with(Keeper(tail.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(port = 5672, name = "a b", reason = %"x", "it is busy");
            tracing::debug!("nobody wants this");
        });
        let (lines, _) = tail.page(&LogWish { count: 10, ..LogWish::default() });
        let texts: Vec<_> = lines.iter().map(|line| (line.level, line.text.as_ref())).collect();
        assert_eq!(texts, [(LogLevel::Warn, "it is busy port=5672 name=\"a b\" reason=x")]);
    }
}

//! A value where it stands on a page: in a table, in a list of facts.

use serde_json::Value;

use crate::format;
use crate::value::{at, float, number, plain, text};

/// A value, with how it is to be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// There is none.
    Nothing,
    Text(String),
    /// A name or a value that is to be read letter by letter.
    Code(String),
    /// The same in one line, which ends where there is no room for more.
    Line(String),
    Link {
        text: String,
        href: String,
    },
    /// A number that is written already, with the whole of it for who wants to know.
    Number {
        text: String,
        title: String,
    },
    /// Milliseconds since 1970.
    Time(u64),
    /// Short words, each with what it means.
    Tags(Vec<Tag>),
    /// Names with values, as of arguments.
    Pairs(Vec<(String, String)>),
    Links(Vec<(String, String)>),
}

/// A short word with a colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) text: String,
    /// What it means.
    pub(crate) title: String,
    pub(crate) tone: Tone,
}

/// How good or bad something is. The word says it too: a colour is never the only sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// The class of the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

impl Tag {
    pub(crate) fn new(text: impl Into<String>, title: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), title: title.into(), tone }
    }

    pub(crate) fn plain(text: impl Into<String>, title: impl Into<String>) -> Self {
        Self::new(text, title, Tone::Plain)
    }
}

impl Cell {
    pub(crate) fn link(text: impl Into<String>, href: impl Into<String>) -> Self {
        Self::Link { text: text.into(), href: href.into() }
    }

    /// A text, or nothing if it is empty.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Nothing } else { Self::Text(text) }
    }

    pub(crate) fn count(number: Option<u64>) -> Self {
        number.map_or(Self::Nothing, |number| Self::Number {
            text: format::count(number),
            title: format::grouped(number),
        })
    }

    pub(crate) fn bytes(number: Option<u64>) -> Self {
        number.map_or(Self::Nothing, |number| Self::Number {
            text: format::bytes(number),
            title: format!("{} bytes", format::grouped(number)),
        })
    }

    pub(crate) fn rate(per_second: Option<f64>) -> Self {
        per_second.map_or(Self::Nothing, |rate| Self::Number {
            text: format::rate(rate),
            title: format!("{rate:.1} per second"),
        })
    }

    pub(crate) fn duration(seconds: Option<f64>) -> Self {
        seconds.map_or(Self::Nothing, |seconds| Self::Number {
            text: format::duration(seconds),
            title: format!("{seconds:.3} seconds"),
        })
    }

    pub(crate) fn percent(part: Option<f64>) -> Self {
        part.map_or(Self::Nothing, |part| Self::Number {
            text: format::percent(part),
            title: format!("{:.2} %", part * 100.0),
        })
    }

    pub(crate) fn time(milliseconds: Option<u64>) -> Self {
        milliseconds.map_or(Self::Nothing, Self::Time)
    }

    pub(crate) fn yes(is: bool) -> Self {
        Self::Text(if is { "yes" } else { "no" }.to_owned())
    }

    /// The members of an object, such as arguments.
    pub(crate) fn pairs(value: &Value) -> Self {
        let pairs = value.as_object().into_iter().flatten();
        let pairs: Vec<_> = pairs.map(|(name, value)| (name.clone(), plain(value))).collect();
        if pairs.is_empty() { Self::Nothing } else { Self::Pairs(pairs) }
    }

    /// What stands at a path of an answer, as a text.
    pub(crate) fn text_at(value: &Value, path: &str) -> Self {
        Self::text(text(value, path))
    }

    pub(crate) fn count_at(value: &Value, path: &str) -> Self {
        Self::count(number(value, path))
    }

    pub(crate) fn bytes_at(value: &Value, path: &str) -> Self {
        Self::bytes(number(value, path))
    }

    pub(crate) fn rate_at(value: &Value, path: &str) -> Self {
        Self::rate(float(value, path))
    }

    pub(crate) fn byte_rate_at(value: &Value, path: &str) -> Self {
        float(value, path).map_or(Self::Nothing, |rate| Self::Number {
            text: format!("{}/s", format::bytes(rate.max(0.0).round() as u64)),
            title: format!("{rate:.0} bytes per second"),
        })
    }

    pub(crate) fn yes_at(value: &Value, path: &str) -> Self {
        at(value, path).as_bool().map_or(Self::Nothing, Self::yes)
    }

    /// As text alone, for files of values.
    pub(crate) fn as_text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) | Self::Code(text) | Self::Line(text) | Self::Link { text, .. } => {
                text.clone()
            }
            Self::Number { text, .. } => text.clone(),
            Self::Time(milliseconds) => format::utc(*milliseconds),
            Self::Tags(tags) => {
                tags.iter().map(|tag| tag.text.as_str()).collect::<Vec<_>>().join(" ")
            }
            Self::Pairs(pairs) => {
                let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
                pairs.collect::<Vec<_>>().join("; ")
            }
            Self::Links(links) => {
                links.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// A time as it is written where there is no script.
    pub(crate) fn utc(milliseconds: &u64) -> String {
        format::utc(*milliseconds)
    }

    /// Whether it stands at the right, with its digits below each other.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Number { .. })
    }
}

//! The last lines of the broker's log.

use schemars::JsonSchema;
use serde::Serialize;
use warren_server::{LogLevel, LogLine, LogWish};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::limits;

/// Lines, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Page {
    /// What is logged at all: lines of this level, and those that matter more.
    level: &'static str,
    entries: Vec<LineObject>,
    /// What `below` is to be for the next page, if there is one.
    next: Option<u64>,
}

/// A line.
#[derive(Debug, Serialize, JsonSchema)]
struct LineObject {
    /// They rise by one.
    number: u64,
    /// In milliseconds since 1970.
    timestamp: u64,
    /// `error`, `warn`, `info` or `debug`.
    level: &'static str,
    /// What it says, with its values.
    text: String,
}

impl From<LogLine> for LineObject {
    fn from(line: LogLine) -> Self {
        let LogLine { number, time: timestamp, level, text } = line;
        Self { number, timestamp, level: level.name(), text: text.as_ref().to_owned() }
    }
}

/// `GET /api/logs`.
pub(crate) async fn get(call: Call) -> Answer {
    let number = |name: &str| match (call.query.get(name), call.query.number(name)) {
        (None, _) => Ok(None),
        (Some(_), Some(number)) if number > 0 => Ok(u64::try_from(number).ok()),
        (Some(text), _) => {
            Err(Error::bad_request(format!("{name}: {text:?} is no number above 0")))
        }
    };
    let level = call.query.get("level").filter(|name| !name.is_empty());
    let known = |name: &str| {
        let wrong = || format!("level: {name:?} is none of error, warn, info, debug");
        LogLevel::from_name(name).ok_or_else(|| Error::bad_request(wrong()))
    };
    let count = number("count")?.unwrap_or(limits::LOG_PAGE_BY_DEFAULT);
    let wish = LogWish {
        level: level.map(known).transpose()?,
        text: call.query.get("text").unwrap_or_default().to_owned(),
        below: number("below")?,
        count: usize::try_from(count).unwrap_or(usize::MAX),
    };
    let log = &call.api.config.log;
    let (lines, is_more) = log.page(&wish);
    let next = lines.last().filter(|_| is_more).map(|line| line.number);
    let entries = lines.into_iter().map(LineObject::from).collect();
    answer::ok(&Page { level: log.level().name(), entries, next })
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use warren_server::{LogLevel, LogTail};

    use crate::HttpConfig;
    use crate::testing::Fixture;

    #[tokio::test(flavor = "multi_thread")]
    async fn lines_come_in_pages_and_are_searched() {
        let log = LogTail::new(LogLevel::Info);
        let config = HttpConfig { log: log.clone(), ..HttpConfig::default() };
        let fixture = Fixture::with(config).await;
        for number in 1..=3 {
            log.push(LogLevel::Info, &format!("line {number}"));
        }
        log.push(LogLevel::Warn, "careful");
        let page = fixture.ask(Method::GET, "/api/logs?count=2", "").await.json();
        assert_eq!((&page["level"], &page["next"]), (&"info".into(), &3.into()));
        assert_eq!(page["entries"][0]["text"], "careful");
        let rest = fixture.ask(Method::GET, "/api/logs?count=2&below=3&text=LINE", "").await.json();
        assert_eq!(rest["entries"][1]["text"], "line 1");
        assert!(rest["next"].is_null());
        let warnings = fixture.ask(Method::GET, "/api/logs?level=warn", "").await.json();
        assert_eq!(warnings["entries"].as_array().unwrap().len(), 1);
        for wrong in ["level=loud", "count=0", "below=x"] {
            let answer = fixture.ask(Method::GET, &format!("/api/logs?{wrong}"), "").await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        fixture.stop().await;
    }
}

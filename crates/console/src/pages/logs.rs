//! The last lines of the broker's log.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use serde_json::Value;

use super::Routes;
use crate::cell::{Cell, Tag, Tone};
use crate::form::{Field, Form};
use crate::format;
use crate::frame::Frame;
use crate::limits;
use crate::links;
use crate::reply::Reply;
use crate::sheet::{Part, Section, Sheet};
use crate::table::{Head, Row, Table};
use crate::value::{items, number, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/logs", show)
}

const LEVELS: [(&str, &str); 4] = [
    ("", "all lines"),
    ("info", "info and what matters more"),
    ("warn", "warnings and errors"),
    ("error", "errors"),
];

/// What is asked of the API, with more.
fn address(visit: &Visit, page: &str, more: &[(&str, &str)]) -> String {
    let kept = ["level", "text"].map(|name| (name, visit.query.get(name)));
    let kept = kept.into_iter().filter(|(_, value)| !value.is_empty());
    format!("{page}{}", links::query(kept.chain(more.iter().copied())))
}

async fn show(visit: Arc<Visit>) -> Reply {
    if visit.query.get("format") == "text" {
        return file(&visit).await;
    }
    let below = visit.query.get("below");
    let count = limits::LOG_ROWS.to_string();
    let mut wanted = vec![("count", count.as_str())];
    if !below.is_empty() {
        wanted.push(("below", below));
    }
    let page = visit.get(&address(&visit, "/api/logs", &wanted)).await?;
    let form = Form::new("/logs", "Show")
        .with(Field::choice("level", "Level", LEVELS, visit.query.get("level")))
        .with(Field::text("text", "With the text", visit.query.get("text")))
        .question()
        .inline();
    let mut ways = vec![];
    if !below.is_empty() {
        ways.push(("The newest".to_owned(), address(&visit, "/logs", &[]), false));
    }
    if let Some(next) = number(&page, "next") {
        let next = next.to_string();
        ways.push(("Older ones".to_owned(), address(&visit, "/logs", &[("below", &next)]), false));
    }
    let download = address(&visit, "/logs", &[("format", "text")]);
    let files = vec![("Save as text".to_owned(), download, true)];
    let level = text(&page, "level");
    let frame = Frame::new(&visit, "Logs").await?;
    Sheet::new(frame)
        .intro(format!(
            "The last lines of the broker's log, the newest first. Logged are lines of the level \
             {level} and what matters more: log_level in the configuration. Older lines are where the \
             broker's standard error goes."
        ))
        .first(Section::bare().form(form))
        .live(Section::bare().table(table(items(&page, "entries"))).with(Part::Links(ways)))
        .with(Section::new("Save them").with(Part::Links(files)))
        .answer()
}

fn table(lines: &[Value]) -> Table {
    let heads = ["When", "Level", "What"];
    let heads = heads.map(|title| Head { title: title.to_owned(), ..Head::default() });
    let rows = lines.iter().map(|line| Row {
        key: number(line, "number").unwrap_or(0).to_string(),
        name: String::new(),
        cells: vec![
            Cell::time(number(line, "timestamp")),
            Cell::Tags(vec![level_tag(text(line, "level"))]),
            Cell::Code(text(line, "text").to_owned()),
        ],
        buttons: vec![],
    });
    Table {
        caption: "Lines of the log".to_owned(),
        heads: heads.into(),
        rows: rows.collect(),
        empty: "No line is there that fits.".to_owned(),
        ..Table::default()
    }
}

fn level_tag(level: &str) -> Tag {
    let tone = match level {
        "error" => Tone::Bad,
        "warn" => Tone::Warning,
        _ => Tone::Plain,
    };
    Tag::new(level, "", tone)
}

/// All lines that fit, the oldest first, as a file.
async fn file(visit: &Visit) -> Reply {
    let (mut lines, mut below) = (vec![], None::<u64>);
    loop {
        let place = below.map(|below| below.to_string()).unwrap_or_default();
        let count = limits::LOG_FILE_PAGE.to_string();
        let mut wanted = vec![("count", count.as_str())];
        if below.is_some() {
            wanted.push(("below", &place));
        }
        let page = visit.get(&address(visit, "/api/logs", &wanted)).await?;
        lines.extend(items(&page, "entries").iter().map(plain));
        below = number(&page, "next");
        if below.is_none() {
            break;
        }
    }
    lines.reverse();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let name = HeaderValue::from_static("attachment; filename=\"warren.log\"");
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, lines.concat()).into_response())
}

/// A line of the file. What would look like another line is escaped.
fn plain(line: &Value) -> String {
    let time = number(line, "timestamp").map(format::utc).unwrap_or_default();
    let level = text(line, "level").to_uppercase();
    let what = text(line, "text").replace('\n', "\\n").replace('\r', "\\r");
    format!("{time} {level:>5} {what}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_of_the_file_is_one_line() {
        let line = json!({"timestamp": 0, "level": "warn", "text": "a\nb"});
        assert_eq!(plain(&line), "1970-01-01T00:00:00Z  WARN a\\nb\n");
    }
}

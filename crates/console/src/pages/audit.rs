//! The audit log: who changed what, from where, and with which result.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use serde_json::Value;
use warren_admin::inner::Refusal;

use super::Routes;
use crate::cell::{Cell, Tag, Tone};
use crate::csv;
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
    routes.get("/audit", show)
}

/// What somebody looks for.
struct Wish<'a> {
    user: &'a str,
    text: String,
    below: Option<u64>,
}

impl<'a> Wish<'a> {
    fn read(visit: &'a Visit) -> Self {
        let query = &visit.query;
        Self {
            user: query.get("user").trim(),
            text: query.get("text").trim().to_lowercase(),
            below: query.get("below").parse().ok(),
        }
    }

    fn is_wanted(&self, entry: &Value) -> bool {
        let is_user = self.user.is_empty() || text(entry, "user").contains(self.user);
        let has_text = || {
            ["what", "address", "result", "reason", "via"]
                .iter()
                .any(|member| text(entry, member).to_lowercase().contains(&self.text))
        };
        is_user && (self.text.is_empty() || has_text())
    }

    fn is_open(&self) -> bool {
        self.user.is_empty() && self.text.is_empty()
    }
}

/// Entries that are wanted, the newest first, until there are so many or so many were looked at; and
/// below which one to go on.
async fn entries(
    visit: &Visit,
    wish: &Wish<'_>,
    wanted: usize,
    looked_at: usize,
) -> Result<(Vec<Value>, Option<u64>), Refusal> {
    let (mut found, mut seen, mut below) = (vec![], 0, wish.below);
    loop {
        let size = if wish.is_open() {
            wanted.min(limits::EXPORT_PAGE_SIZE)
        } else {
            limits::EXPORT_PAGE_SIZE
        };
        let place = below.map_or_else(String::new, |below| format!("&below={below}"));
        let page = visit.get(&format!("/api/audit?count={size}{place}")).await?;
        let all = items(&page, "entries");
        seen += all.len();
        for entry in all {
            if wish.is_wanted(entry) {
                found.push(entry.clone());
                if found.len() == wanted {
                    return Ok((found, number(entry, "number").filter(|number| *number > 1)));
                }
            }
        }
        below = number(&page, "next");
        if below.is_none() || seen >= looked_at {
            return Ok((found, below));
        }
    }
}

async fn show(visit: Arc<Visit>) -> Reply {
    let wish = Wish::read(&visit);
    match visit.query.get("format") {
        "csv" => return file(&visit, &wish, true).await,
        "json" => return file(&visit, &wish, false).await,
        _ => {}
    }
    let (found, next) = entries(&visit, &wish, limits::AUDIT_ROWS, limits::AUDIT_LOOK).await?;
    let query = &visit.query;
    let form = Form::new("/audit", "Show")
        .with(Field::text("user", "User", query.get("user")))
        .with(Field::text("text", "With the text", query.get("text")))
        .question()
        .inline();
    let address = |more: &[(&str, &str)]| {
        let kept = ["user", "text"].map(|name| (name, query.get(name)));
        let kept = kept.into_iter().filter(|(_, value)| !value.is_empty());
        format!("/audit{}", links::query(kept.chain(more.iter().copied())))
    };
    let files = vec![
        ("Save as CSV".to_owned(), address(&[("format", "csv")]), true),
        ("Save as JSON".to_owned(), address(&[("format", "json")]), true),
    ];
    let mut ways = vec![];
    if wish.below.is_some() {
        ways.push(("The newest".to_owned(), address(&[]), false));
    }
    if let Some(next) = next {
        ways.push(("Older ones".to_owned(), address(&[("below", &next.to_string())]), false));
    }
    let frame = Frame::new(&visit, "Audit log").await?;
    Sheet::new(frame)
        .intro(
            "Who changed what, from where, and with which result; and whose login was refused. \
                What clients do with messages is not in it.",
        )
        .first(Section::bare().form(form))
        .live(Section::bare().table(table(&found, &wish)).with(Part::Links(ways)))
        .with(Section::new("Save it").with(Part::Links(files)))
        .answer()
}

fn table(entries: &[Value], wish: &Wish<'_>) -> Table {
    let heads = ["When", "Who", "From", "By", "What", "Result"];
    let heads = heads.map(|title| Head { title: title.to_owned(), ..Head::default() });
    let rows = entries.iter().map(|entry| Row {
        key: number(entry, "number").unwrap_or(0).to_string(),
        name: String::new(),
        cells: vec![
            Cell::time(number(entry, "timestamp")),
            Cell::text_at(entry, "user"),
            Cell::text_at(entry, "address"),
            Cell::text(via(text(entry, "via"))),
            Cell::text_at(entry, "what"),
            result(entry),
        ],
        buttons: vec![],
    });
    let empty = if wish.is_open() {
        "Nothing was changed yet."
    } else {
        "Nothing was found among the entries that were looked at."
    };
    Table {
        caption: "Audit log".to_owned(),
        heads: heads.into(),
        rows: rows.collect(),
        empty: empty.to_owned(),
        ..Table::default()
    }
}

fn via(name: &str) -> &str {
    match name {
        "http" => "console or API",
        "amqp" => "AMQP",
        "definitions" => "a file of definitions",
        "start" => "the start",
        other => other,
    }
}

fn result(entry: &Value) -> Cell {
    let word = text(entry, "result");
    let tone = match word {
        "created" | "updated" => Tone::Good,
        "deleted" => Tone::Warning,
        "refused" => Tone::Bad,
        _ => Tone::Plain,
    };
    let reason = text(entry, "reason");
    let word = if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") };
    Cell::Tags(vec![Tag::new(word, reason, tone)])
}

/// All entries that are wanted, as a file.
async fn file(visit: &Visit, wish: &Wish<'_>, is_csv: bool) -> Reply {
    let (found, _) = entries(visit, wish, limits::AUDIT_FILE, usize::MAX).await?;
    let (kind, name, body) = if is_csv {
        ("text/csv; charset=utf-8", "audit.csv", csv(&found))
    } else {
        ("application/json", "audit.json", Value::Array(found).to_string())
    };
    let name = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let name = name.unwrap_or(HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_static(kind);
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], body).into_response())
}

fn csv(entries: &[Value]) -> String {
    const MEMBERS: [&str; 6] = ["user", "address", "via", "what", "result", "reason"];
    let mut lines = csv::line(["number", "time"].into_iter().chain(MEMBERS));
    for entry in entries {
        let count = number(entry, "number").unwrap_or(0).to_string();
        let time = number(entry, "timestamp").map(format::utc).unwrap_or_default();
        let values = [count.as_str(), time.as_str()].into_iter();
        lines += &csv::line(values.chain(MEMBERS.map(|member| text(entry, member))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_found_by_user_and_text() {
        let entry = json!({"user": "anne", "what": "delete queue \"Orders\"", "result": "deleted"});
        let wish = |user, text: &str| Wish { user, text: text.to_lowercase(), below: None };
        for (user, text, found) in
            [("", "", true), ("ann", "ORDERS", true), ("bob", "", false), ("", "created", false)]
        {
            assert_eq!(wish(user, text).is_wanted(&entry), found, "{user} {text}");
        }
    }
}

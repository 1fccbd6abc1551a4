//! A message that waits, whole: its body, its properties, what it has been through.

use std::sync::Arc;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;

use super::body::{self, View};
use super::deaths::{self, Death};
use super::head::{Head, api, named, queue};
use super::messages::place_name;
use crate::cell::Cell;
use crate::error::Error;
use crate::format;
use crate::frame::Frame;
use crate::links;
use crate::pages::Routes;
use crate::reply::{Reply, page, page_with};
use crate::table::{Head as TableHead, Row, Table};
use crate::value::{at, is_true, items, number, plain, text};
use crate::visit::Visit;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/queues/{vhost}/{name}/messages/{place}", show)
        .get("/queues/{vhost}/{name}/messages/{place}/body", download)
}

/// Bytes of a body that are shown.
const SHOWN_BYTES: usize = 256 * 1024;

/// Bytes of a body that can be taken along to be published again: an address may be 64 KiB long, and
/// each byte may take three.
const REPUBLISHED_BYTES: usize = 12 * 1024;

#[derive(Template)]
#[template(path = "console/queue_message.html")]
struct MessagePage {
    frame: Frame,
    head: Head,
    place: String,
    /// The form that publishes it again, filled in; none if the body is too long for that.
    republish: Option<String>,
    facts: Vec<(&'static str, Cell)>,
    views: Vec<(&'static str, String, bool)>,
    body: String,
    /// The body is longer than what is shown.
    is_cut: bool,
    size: String,
    properties: Vec<(String, Cell)>,
    headers: Table,
    deaths: Vec<Death>,
}

#[derive(Template)]
#[template(path = "console/queue_message_gone.html")]
struct GonePage {
    frame: Frame,
    head: Head,
}

async fn show(visit: Arc<Visit>) -> Reply {
    let queue = queue(&visit, "").await?;
    let head = Head::of(&queue, "messages");
    let Some(message) = find(&visit, SHOWN_BYTES).await? else {
        let frame = frame(&visit, &head, "This message has gone").await?;
        return page_with(StatusCode::NOT_FOUND, &GonePage { frame, head });
    };
    let bytes = body::bytes(&message);
    let size = number(&message, "payload_bytes").unwrap_or(0);
    let views = body::views(&bytes);
    let wanted = visit.query.get("as");
    let view = views.iter().copied().find(|it| it.name() == wanted);
    let view = view.or(views.first().copied()).unwrap_or(View::Text);
    let link = |it: &View| {
        let href = format!("{}{}", visit.uri.path(), links::query([("as", it.name())]));
        (it.label(), href, *it == view)
    };
    let place = visit.path("place").to_owned();
    page(&MessagePage {
        frame: frame(&visit, &head, &title(&place, &head)).await?,
        republish: republish(&message, &head, &bytes),
        facts: facts(&message, &head),
        views: views.iter().map(link).collect(),
        body: body::shown(&bytes, view),
        is_cut: size > bytes.len() as u64,
        size: format::bytes(size),
        properties: properties(&message),
        headers: headers(&message),
        deaths: deaths::of(&message, &head.virtual_host),
        place,
        head,
    })
}

fn title(place: &str, head: &Head) -> String {
    let name = place_name(place, head.is_stream);
    if head.is_stream { format!("Message at offset {name}") } else { format!("Message {name}") }
}

async fn frame(
    visit: &Visit,
    head: &Head,
    title: &str,
) -> Result<Frame, warren_admin::inner::Refusal> {
    let frame = head.frame_below(visit, title).await?;
    Ok(frame.below("Messages", format!("{}/messages", head.path)))
}

/// The message at the place that the path names, with so much of its body; nothing if it is not
/// there any more.
async fn find(visit: &Visit, bytes: usize) -> Result<Option<Value>, Error> {
    let (virtual_host, name) = named(visit);
    let (place, bytes) = (visit.path("place"), bytes.to_string());
    let query = links::query([("from", place), ("count", "1"), ("truncate", bytes.as_str())]);
    let found = match visit.get(&format!("{}/messages{query}", api(virtual_host, name))).await {
        Err(refusal) if refusal.status == StatusCode::BAD_REQUEST => return Err(Error::NotFound),
        found => found?,
    };
    // What follows it is found if it has gone.
    Ok(items(&found, "messages").iter().find(|it| text(it, "place") == place).cloned())
}

fn republish(message: &Value, head: &Head, bytes: &[u8]) -> Option<String> {
    let size = number(message, "payload_bytes").unwrap_or(0);
    if size > bytes.len() as u64 || bytes.len() > REPUBLISHED_BYTES {
        return None;
    }
    let mut properties = at(message, "properties").clone();
    if let Some(properties) = properties.as_object_mut() {
        // It would speak for somebody else.
        properties.remove("user_id");
    }
    let properties = properties.to_string();
    let pairs = [
        ("vhost", head.virtual_host.as_str()),
        ("exchange", links::exchange_name(text(message, "exchange"))),
        ("routing_key", text(message, "routing_key")),
        ("payload", text(message, "payload")),
        ("payload_encoding", text(message, "payload_encoding")),
        ("properties", properties.as_str()),
    ];
    Some(format!("/publish{}", links::query(pairs)))
}

fn facts(message: &Value, head: &Head) -> Vec<(&'static str, Cell)> {
    let exchange = text(message, "exchange");
    let name = if exchange.is_empty() { "(default)" } else { exchange };
    let mut facts = vec![
        ("Exchange", Cell::link(name, links::exchange(&head.virtual_host, exchange))),
        (
            "Routing key",
            match text(message, "routing_key") {
                "" => Cell::Nothing,
                key => Cell::Code(key.to_owned()),
            },
        ),
        ("Accepted", Cell::time(number(message, "accepted_at"))),
        ("Expires", Cell::time(number(message, "expires_at"))),
        ("Size of the body", Cell::bytes_at(message, "payload_bytes")),
    ];
    if let Some(accepted) = number(message, "accepted_at") {
        let age = format::now().saturating_sub(accepted) as f64 / 1000.0;
        facts.insert(3, ("Waits for", Cell::duration(Some(age))));
    }
    if !head.is_stream {
        facts.push(("Delivered before", Cell::yes(is_true(message, "redelivered"))));
    }
    if let Some(count) = number(message, "delivery_count").filter(|count| *count > 0) {
        facts.push(("Came back", Cell::Text(format!("{count} times"))));
    }
    facts
}

/// All properties but headers.
fn properties(message: &Value) -> Vec<(String, Cell)> {
    let members = at(message, "properties").as_object().into_iter().flatten();
    let shown = |(name, value): (&String, &Value)| {
        let label = name.replace('_', " ");
        let cell = match (name.as_str(), value.as_u64()) {
            ("delivery_mode", Some(2)) => Cell::text("2: survives a restart"),
            ("delivery_mode", Some(1)) => Cell::text("1: does not survive a restart"),
            // Some write it in milliseconds, against the specification.
            ("timestamp", Some(time)) if time < 100_000_000_000 => Cell::Time(time * 1000),
            ("timestamp", Some(time)) => Cell::Time(time),
            _ => Cell::Code(plain(value)),
        };
        (label, cell)
    };
    members.filter(|(name, _)| *name != "headers").map(shown).collect()
}

fn headers(message: &Value) -> Table {
    let members = at(message, "properties.headers").as_object().into_iter().flatten();
    let row = |(name, value): (&String, &Value)| {
        let kind = match value {
            Value::Bool(_) => "yes or no",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "table",
            Value::Null => "nothing",
        };
        let shown = match value {
            Value::Array(_) | Value::Object(_) => {
                serde_json::to_string_pretty(value).unwrap_or_default()
            }
            other => plain(other),
        };
        Row {
            key: name.clone(),
            name: name.clone(),
            cells: vec![Cell::Code(name.clone()), Cell::text(kind), Cell::Code(shown)],
            buttons: vec![],
        }
    };
    let head = |title: &str| TableHead { title: title.to_owned(), ..TableHead::default() };
    Table {
        caption: "Headers".to_owned(),
        heads: ["Header", "Kind", "Value"].map(head).into(),
        rows: members.map(row).collect(),
        empty: "It has no headers.".to_owned(),
        is_choice: false,
    }
}

/// The body as a file.
async fn download(visit: Arc<Visit>) -> Reply {
    let message = find(&visit, usize::MAX).await?.ok_or(Error::NotFound)?;
    let bytes = body::bytes(&message);
    let extension = match body::views(&bytes).first() {
        Some(View::Json) => "json",
        Some(View::Text) => "txt",
        _ => "bin",
    };
    let name = file_name(visit.path("name"), visit.path("place"));
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    let disposition = HeaderValue::try_from(disposition);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (
            header::CONTENT_DISPOSITION,
            disposition.unwrap_or(HeaderValue::from_static("attachment")),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, bytes).into_response())
}

/// A name for a file, of letters that all systems take.
fn file_name(queue: &str, place: &str) -> String {
    let safe = |it: char| if it.is_ascii_alphanumeric() || "-_.".contains(it) { it } else { '_' };
    format!("{queue}-{place}").chars().map(safe).take(100).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_has_a_name_that_all_systems_take() {
        assert_eq!(file_name("a/b \"c\"\u{e4}", "0-1"), "a_b__c__-0-1");
        assert_eq!(file_name(&"q".repeat(255), "0-1").len(), 100);
    }

    #[test]
    fn properties_are_told_in_words_where_numbers_say_little() {
        let message = json!({"properties": {
            "delivery_mode": 2, "timestamp": 1_700_000_000, "message_id": "<b>", "headers": {"a": 1},
        }});
        let shown = properties(&message);
        assert_eq!(shown.len(), 3, "headers have a table of their own");
        assert!(shown.contains(&("timestamp".to_owned(), Cell::Time(1_700_000_000_000))));
        assert!(shown.contains(&("message id".to_owned(), Cell::Code("<b>".to_owned()))));
    }
}

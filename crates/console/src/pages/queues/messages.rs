//! The messages that wait in a queue: seen, and not taken.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::filter::Filter;
use super::head::{Head, api, named, queue};
use crate::cell::{Cell, Tag, Tone};
use crate::error::Error;
use crate::form::{Field, Form};
use crate::format::{self, grouped};
use crate::frame::Frame;
use crate::links;
use crate::pages::Routes;
use crate::reply::{Reply, page_with};
use crate::table::{Column, Table};
use crate::value::{at, is_true, items, number, text};
use crate::visit::Visit;

pub(super) fn add(routes: Routes) -> Routes {
    routes.get("/queues/{vhost}/{name}/messages", show)
}

#[derive(Template)]
#[template(path = "console/queue_messages.html")]
struct MessagesPage {
    frame: Frame,
    head: Head,
    search: Form,
    /// Why nothing is shown.
    error: String,
    /// How many were looked at, and how many are shown.
    count: String,
    table: Table,
    /// Pages of messages: label, address.
    pages: Vec<(&'static str, String)>,
    /// What can be done with messages, and to which.
    actions: Vec<(&'static str, &'static str)>,
    scopes: [(&'static str, String); 2],
    kept: Vec<Field>,
}

/// Messages on a page: what can be looked through.
const COUNT: u64 = 50;

/// Bytes of a body that are shown in the table.
const BODY_BYTES: usize = 200;

async fn show(visit: Arc<Visit>) -> Reply {
    let queue = queue(&visit, "").await?;
    let head = Head::of(&queue, "messages");
    let filter = Filter::read(&visit.query);
    let from = from(&visit, &head);
    let found = look(&visit, &filter, from.as_deref()).await;
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(refusal) if refusal.status == StatusCode::BAD_REQUEST => {
            (Value::Null, Some(Error::from(refusal)))
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let status = error.as_ref().map_or(StatusCode::OK, Error::status);
    let error = error.map_or_else(String::new, |error| problem(&error));
    let messages: Vec<Value> =
        items(&found, "messages").iter().map(|it| with_page(it, &head)).collect();
    let page = MessagesPage {
        frame: head.frame(&visit).await?,
        search: search(&head, &filter, &visit),
        error,
        count: count_text(&found, messages.len(), &filter, from.is_some()),
        pages: pages(&queue, &head, &filter, &found, from.is_some()),
        table: table(&messages, &head, &filter, &found),
        actions: actions(&head),
        scopes: scopes(&filter),
        kept: filter.hidden(),
        head,
    };
    page_with(status, &page)
}

/// What is wrong with what was asked for. Of an expression that cannot be read, the reader tells more
/// than helps.
fn problem(error: &Error) -> String {
    let text = error.text();
    let mut text = text.split(" | ").next().unwrap_or_default().trim().to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.replace("ERROR: <input>:", "line ")
}

/// The place that the page begins at, by itself or as the offset of a stream.
fn from(visit: &Visit, head: &Head) -> Option<String> {
    let offset = visit.query.get("offset").trim().replace([',', ' '], "").parse::<u64>();
    match offset {
        Ok(offset) if head.is_stream => Some(place_of(offset)),
        _ => Some(visit.query.get("from").to_owned()).filter(|from| !from.is_empty()),
    }
}

/// The place of an offset in a stream.
fn place_of(offset: u64) -> String {
    format!("0-{}", offset.saturating_add(1))
}

async fn look(
    visit: &Visit,
    filter: &Filter,
    from: Option<&str>,
) -> Result<Value, warren_admin::inner::Refusal> {
    let (count, bytes) = (COUNT.to_string(), BODY_BYTES.to_string());
    let mut pairs = filter.pairs();
    pairs.extend([("count", count.as_str()), ("truncate", bytes.as_str())]);
    pairs.extend(from.map(|from| ("from", from)));
    let (virtual_host, name) = named(visit);
    visit.get(&format!("{}/messages{}", api(virtual_host, name), links::query(pairs))).await
}

/// A place as people read it: the offset in a stream; the number alone where there are no priorities.
pub(super) fn place_name(place: &str, is_stream: bool) -> String {
    let number = |text: &str| text.parse::<u64>().ok();
    match place.split_once('-') {
        Some(("0", at)) => match number(at) {
            Some(at) if is_stream => grouped(at.saturating_sub(1)),
            Some(at) => grouped(at),
            None => place.to_owned(),
        },
        _ => place.to_owned(),
    }
}

/// A message with the path of its page, and with its name there.
fn with_page(message: &Value, head: &Head) -> Value {
    let mut message = message.clone();
    let place = text(&message, "place");
    let href = format!("{}/messages/{}", head.path, links::encode(place));
    let name = place_name(place, head.is_stream);
    if let Some(object) = message.as_object_mut() {
        object.insert("href".to_owned(), json!(href));
        object.insert("name".to_owned(), json!(name));
    }
    message
}

fn search(head: &Head, filter: &Filter, visit: &Visit) -> Form {
    let mut form = Form::new(format!("{}/messages", head.path), "Look");
    if head.is_stream {
        form = form.with(Field::number("offset", "From offset", visit.query.get("offset")));
    }
    form.fields.extend(filter.fields());
    form.question().inline()
}

fn count_text(found: &Value, shown: usize, filter: &Filter, is_behind: bool) -> String {
    let looked_at = number(found, "looked_at").unwrap_or(0);
    let (shown, messages) = (grouped(shown as u64), grouped(looked_at));
    let first = if is_behind { "next" } else { "first" };
    match (filter.is_empty(), at(found, "next").is_null()) {
        (true, true) if !is_behind => format!("{shown} messages, all there are"),
        (true, _) => format!("The {first} {shown} messages"),
        (false, true) if !is_behind => format!("{shown} of all {messages} messages"),
        (false, _) => format!("{shown} of the {first} {messages} messages"),
    }
}

fn pages(
    queue: &Value,
    head: &Head,
    filter: &Filter,
    found: &Value,
    is_behind: bool,
) -> Vec<(&'static str, String)> {
    let page = |more: Option<(&'static str, &str)>| {
        let pairs = filter.pairs().into_iter().chain(more);
        format!("{}/messages{}", head.path, links::query(pairs))
    };
    let mut pages = vec![];
    if is_behind {
        pages.push((if head.is_stream { "Oldest" } else { "First page" }, page(None)));
    }
    let next = text(found, "next");
    if !next.is_empty() {
        pages.push(("Next page", page(Some(("from", next)))));
    }
    if let Some(last) = number(queue, "stream_offsets.last").filter(|last| *last >= COUNT) {
        pages.push(("Newest", page(Some(("offset", &(last + 1 - COUNT).to_string())))));
    }
    pages
}

fn actions(head: &Head) -> Vec<(&'static str, &'static str)> {
    match head.is_stream {
        true => vec![("copy", "Copy")],
        false => vec![("move", "Move"), ("copy", "Copy"), ("delete", "Delete")],
    }
}

fn scopes(filter: &Filter) -> [(&'static str, String); 2] {
    let all = if filter.is_empty() { "all messages" } else { "all messages that match" };
    [("chosen", "the chosen ones".to_owned()), ("all", all.to_owned())]
}

fn table(messages: &[Value], head: &Head, filter: &Filter, found: &Value) -> Table {
    let empty = match (filter.is_empty(), text(found, "next").is_empty()) {
        (true, _) => "No message waits. What consumers have is under Unacknowledged.",
        (false, true) => "No message is like that.",
        (false, false) => "None of these is like that. The next page looks on.",
    };
    let columns: Vec<Column> = COLUMNS
        .into_iter()
        .map(|column| match column.name {
            "place" if head.is_stream => Column { title: "Offset", ..column },
            _ => column,
        })
        .collect();
    let key = |message: &Value| text(message, "place").to_owned();
    let table = Table::of("Messages", &columns, messages, key, empty);
    Table { is_choice: true, ..table }
}

const COLUMNS: [Column; 7] = [
    Column::new("place", "Place", "place", |it| Cell::link(text(it, "name"), text(it, "href")))
        .help("Where it stands in the queue: for as long as it is there"),
    Column::new("key", "Routing key", "routing_key", |it| match text(it, "routing_key") {
        "" => Cell::Nothing,
        key => Cell::Code(key.to_owned()),
    }),
    Column::new("exchange", "Exchange", "exchange", |it| match text(it, "exchange") {
        "" => Cell::text("(default)"),
        name => Cell::text(name),
    }),
    Column::new("body", "Body", "payload", body),
    Column::new("size", "Size", "payload_bytes", |it| Cell::bytes_at(it, "payload_bytes")).number(),
    Column::new("marks", "Marks", "redelivered", marks),
    Column::new("accepted", "Accepted", "accepted_at", |it| Cell::time(number(it, "accepted_at"))),
];

/// The beginning of the body, in one line.
pub(super) fn body(message: &Value) -> Cell {
    let payload = text(message, "payload");
    if text(message, "payload_encoding") == "base64" {
        return Cell::Tags(vec![Tag::plain("binary", "The body is no text")]);
    }
    if payload.is_empty() {
        return Cell::Nothing;
    }
    let is_cut = (payload.len() as u64) < number(message, "payload_bytes").unwrap_or(0);
    let line: String = payload.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    Cell::Line(if is_cut { format!("{line}\u{2026}") } else { line })
}

/// What is to be known of a message at once.
fn marks(message: &Value) -> Cell {
    let mut tags = vec![];
    if is_true(message, "redelivered") {
        let text = match number(message, "delivery_count") {
            Some(count) if count > 0 => format!("came back {}\u{d7}", grouped(count)),
            _ => "redelivered".to_owned(),
        };
        tags.push(Tag::new(text, "It was delivered before, and came back", Tone::Warning));
    }
    if !at(message, "properties.headers.x-death").is_null() {
        tags.push(Tag::new("dead letter", "Another queue gave it up", Tone::Warning));
    }
    if let Some(at) = number(message, "expires_at") {
        let left = at.saturating_sub(format::now()) as f64 / 1000.0;
        tags.push(Tag::plain(format!("expires in {}", format::duration(left)), ""));
    }
    if let Some(priority) = number(message, "properties.priority") {
        tags.push(Tag::plain(format!("priority {priority}"), ""));
    }
    if number(message, "properties.delivery_mode") != Some(2) {
        tags.push(Tag::plain("not persistent", "It does not survive a restart"));
    }
    if tags.is_empty() { Cell::Nothing } else { Cell::Tags(tags) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_shown_in_one_line() {
        let message = |payload: &str, bytes: u64, encoding: &str| json!({"payload": payload, "payload_bytes": bytes, "payload_encoding": encoding});
        assert_eq!(body(&message("a\nb\t", 4, "string")), Cell::Line("a b ".to_owned()));
        assert_eq!(body(&message("ab", 9, "string")), Cell::Line("ab\u{2026}".to_owned()));
        assert_eq!(body(&message("", 0, "string")), Cell::Nothing);
        assert!(matches!(body(&message("AAA=", 2, "base64")), Cell::Tags(_)));
    }

    #[test]
    fn places_are_told_as_numbers_and_those_of_streams_as_offsets() {
        assert_eq!(place_name("0-1200", false), "1,200");
        assert_eq!(place_name("0-1", true), "0");
        assert_eq!(place_name("5-17", false), "5-17", "with its priority");
        assert_eq!(place_name("<b>", false), "<b>");
        assert_eq!(place_of(0), "0-1");
    }

    #[test]
    fn it_is_told_how_many_messages_a_page_is_about() {
        let all = Filter::default();
        let some = Filter::read(&crate::visit::Pairs(vec![("key".into(), "x".into())]));
        let last = json!({"looked_at": 1200, "next": null});
        let more = json!({"looked_at": 50, "next": "0-51"});
        assert_eq!(count_text(&last, 3, &all, false), "3 messages, all there are");
        assert_eq!(count_text(&more, 50, &all, true), "The next 50 messages");
        assert_eq!(count_text(&last, 3, &some, false), "3 of all 1,200 messages");
        assert_eq!(count_text(&more, 3, &some, false), "3 of the first 50 messages");
    }
}

//! The list of queues.

use std::sync::Arc;

use serde_json::Value;

use crate::cell::{Cell, Tag, Tone};
use crate::links;
use crate::list::{self, List};
use crate::pages::{Routes, trash};
use crate::reply::Reply;
use crate::table::Column;
use crate::value::{is_true, text};
use crate::visit::Visit;

pub(super) fn add(routes: Routes) -> Routes {
    routes.get("/queues", show)
}

async fn show(visit: Arc<Visit>) -> Reply {
    list::show_without(&visit, &LIST, true, trash::PREFIX).await
}

const LIST: List = List {
    title: "Queues",
    path: "/queues",
    noun: ("queue", "queues"),
    intro: "",
    api: "/api/queues",
    has_virtual_hosts: true,
    columns: &COLUMNS,
    key,
    add: Some(("Add a queue", "/queues/new")),
    bulk: &[
        ("pause", "Pause"),
        ("resume", "Resume"),
        ("move", "Move messages"),
        ("purge", "Purge"),
        ("delete", "Delete"),
    ],
    empty: "There is no queue yet. A client makes one when it declares it, or you add one here.",
};

/// Virtual host and name: the path of the queue's page, so that it can be read back.
pub(crate) fn key(queue: &Value) -> String {
    links::path([text(queue, "vhost"), text(queue, "name")])
}

const COLUMNS: [Column; 14] = [
    Column::new("name", "Name", "name", |queue| {
        Cell::link(text(queue, "name"), links::queue(text(queue, "vhost"), text(queue, "name")))
    }),
    Column::new("vhost", "Virtual host", "vhost", |queue| Cell::text_at(queue, "vhost")),
    Column::new("type", "Type", "type", |queue| Cell::text_at(queue, "type")),
    Column::new("features", "Features", "durable", features)
        .also(&["exclusive", "auto_delete", "arguments"])
        .unsorted(),
    Column::new("policy", "Policy", "policy", |queue| Cell::text_at(queue, "policy")).on_wish(),
    Column::new("state", "State", "state", state).also(&["paused"]),
    Column::new("ready", "Ready", "messages_ready", |it| Cell::count_at(it, "messages_ready"))
        .number()
        .help("Messages that wait"),
    Column::new("unacked", "Unacked", "messages_unacknowledged", |it| {
        Cell::count_at(it, "messages_unacknowledged")
    })
    .number()
    .help("Messages that consumers have and did not acknowledge yet"),
    Column::new("messages", "All", "messages", |it| Cell::count_at(it, "messages"))
        .number()
        .on_wish(),
    Column::new("bytes", "Bytes", "message_bytes", |it| Cell::bytes_at(it, "message_bytes"))
        .number()
        .on_wish(),
    Column::new("consumers", "Consumers", "consumers", |it| Cell::count_at(it, "consumers"))
        .number(),
    Column::new("in", "In", "message_stats.publish_details.rate", |it| {
        Cell::rate_at(it, "message_stats.publish_details.rate")
    })
    .number()
    .help("Messages published to the queue, a second"),
    Column::new("out", "Out", "message_stats.deliver_get_details.rate", |it| {
        Cell::rate_at(it, "message_stats.deliver_get_details.rate")
    })
    .number()
    .help("Messages delivered or fetched, a second"),
    Column::new("ack", "Acknowledged", "message_stats.ack_details.rate", |it| {
        Cell::rate_at(it, "message_stats.ack_details.rate")
    })
    .number()
    .on_wish(),
];

/// What a queue was declared with, in short words.
pub(crate) fn features(queue: &Value) -> Cell {
    let mut tags = vec![];
    let flags = [
        ("durable", "durable", "It is still there after a restart"),
        ("exclusive", "exclusive", "It belongs to one connection"),
        ("auto_delete", "auto-delete", "It goes with its last consumer"),
    ];
    for (member, word, title) in flags {
        if is_true(queue, member) {
            tags.push(Tag::plain(word, title));
        }
    }
    let arguments = queue.get("arguments").and_then(Value::as_object);
    for (name, value) in arguments.into_iter().flatten().filter(|(name, _)| *name != "x-queue-type")
    {
        let short = name.strip_prefix("x-").unwrap_or(name);
        tags.push(Tag::plain(short, format!("{name}: {}", crate::value::plain(value))));
    }
    if tags.is_empty() { Cell::Nothing } else { Cell::Tags(tags) }
}

/// Whether something happens in it.
pub(crate) fn state(queue: &Value) -> Cell {
    if is_true(queue, "paused") {
        let title = "Its consumers get nothing until it is resumed";
        return Cell::Tags(vec![Tag::new("paused", title, Tone::Warning)]);
    }
    let tag = match text(queue, "state") {
        "running" => Tag::new("running", "Something happened in the last seconds", Tone::Good),
        "idle" => Tag::plain("idle", "Nothing happened in the last seconds"),
        "" => return Cell::Nothing,
        other => Tag::new(other, "", Tone::Warning),
    };
    Cell::Tags(vec![tag])
}

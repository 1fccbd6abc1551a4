//! The list of exchanges.

use std::sync::Arc;

use serde_json::Value;

use crate::cell::{Cell, Tag};
use crate::links;
use crate::list::{self, List};
use crate::reply::Reply;
use crate::table::Column;
use crate::value::{is_true, plain, text};
use crate::visit::Visit;

use super::head::shown;
use super::kinds;

pub(super) async fn show(visit: Arc<Visit>) -> Reply {
    list::show(&visit, &LIST, true).await
}

pub(super) const LIST: List = List {
    title: "Exchanges",
    path: "/exchanges",
    noun: ("exchange", "exchanges"),
    intro: "Clients publish to an exchange; its bindings say which queues get the message.",
    api: "/api/exchanges",
    has_virtual_hosts: true,
    columns: &COLUMNS,
    key,
    add: Some(("Add an exchange", "/exchanges/new")),
    bulk: &[("delete", "Delete")],
    empty: "There is no exchange here. A client makes one when it declares it, or you add one.",
};

/// Virtual host and name, as in the path of its page.
pub(super) fn key(exchange: &Value) -> String {
    links::path([text(exchange, "vhost"), links::exchange_name(text(exchange, "name"))])
}

const COLUMNS: [Column; 8] = [
    Column::new("name", "Name", "name", |it| {
        Cell::link(shown(text(it, "name")), links::exchange(text(it, "vhost"), text(it, "name")))
    }),
    Column::new("vhost", "Virtual host", "vhost", |it| Cell::text_at(it, "vhost")),
    Column::new("type", "Type", "type", |it| {
        let kind = text(it, "type");
        Cell::Tags(vec![Tag::plain(kind, kinds::sentence(kind))])
    }),
    Column::new("features", "Features", "durable", features)
        .also(&["auto_delete", "internal", "arguments"])
        .unsorted(),
    Column::new("policy", "Policy", "policy", |it| Cell::text_at(it, "policy")),
    Column::new("alternate", "Alternate exchange", "arguments.alternate-exchange", |it| {
        Cell::text_at(it, "arguments.alternate-exchange")
    })
    .on_wish(),
    Column::new("in", "In", "message_stats.publish_in_details.rate", |it| {
        Cell::rate_at(it, "message_stats.publish_in_details.rate")
    })
    .number()
    .help("Messages that come to the exchange, a second"),
    Column::new("out", "Out", "message_stats.publish_out_details.rate", |it| {
        Cell::rate_at(it, "message_stats.publish_out_details.rate")
    })
    .number()
    .help("Messages that queues get from it, a second"),
];

/// What an exchange was declared with, in short words.
pub(super) fn features(exchange: &Value) -> Cell {
    let flags = [
        ("durable", "durable", "It is still there after a restart"),
        ("auto_delete", "auto-delete", "It goes with its last binding"),
        ("internal", "internal", "Clients cannot publish to it; other exchanges lead to it"),
    ];
    let flags = flags.into_iter().filter(|(member, _, _)| is_true(exchange, member));
    let mut tags: Vec<Tag> = flags.map(|(_, word, title)| Tag::plain(word, title)).collect();
    let arguments = exchange.get("arguments").and_then(Value::as_object);
    for (name, value) in arguments.into_iter().flatten() {
        let short = name.strip_prefix("x-").unwrap_or(name);
        tags.push(Tag::plain(short, format!("{name}: {}", plain(value))));
    }
    if tags.is_empty() { Cell::Nothing } else { Cell::Tags(tags) }
}

//! Pages of a queue that are made of tables: what consumers have, the consumers, the bindings.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;

use super::head::{Head, api, named, queue};
use super::messages::body;
use crate::cell::{Cell, Tag, Tone};
use crate::format::grouped;
use crate::frame::Frame;
use crate::links;
use crate::pages::binding_form::{self, Place};
use crate::pages::{Routes, channels, connections, consumers};
use crate::reply::{Reply, page};
use crate::sheet::{Part, Section};
use crate::table::{Column, Table};
use crate::value::{at, float, is_true, items, number, text};
use crate::visit::Visit;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/queues/{vhost}/{name}/unacked", show_unacknowledged)
        .get("/queues/{vhost}/{name}/consumers", show_consumers)
        .get("/queues/{vhost}/{name}/bindings", show_bindings)
}

/// A page of a queue that is made of sections.
#[derive(Template)]
#[template(path = "console/queue_tab.html")]
pub(super) struct TabPage {
    pub(super) frame: Frame,
    pub(super) head: Head,
    /// What stays up to date.
    pub(super) live: Vec<Section>,
    /// What stands below it and stays as it is.
    pub(super) still: Vec<Section>,
}

/// Deliveries on a page.
const COUNT: u64 = 100;

async fn show_unacknowledged(visit: Arc<Visit>) -> Reply {
    let queue = queue(&visit, "").await?;
    let head = Head::of(&queue, "unacked");
    let (virtual_host, name) = named(&visit);
    let here = visit.query.get("page").parse::<u64>().unwrap_or(1).max(1);
    let list = format!("{}/unacked?page={here}&page_size={COUNT}", api(virtual_host, name));
    let found = visit.get(&format!("{list}&truncate=120")).await?;
    let all = number(&found, "total_count").unwrap_or(0);
    let text = match all {
        0 => String::new(),
        1 => "1 message is with a consumer, or with somebody who fetched it.".to_owned(),
        _ => format!(
            "{} messages are with consumers, or with somebody who fetched them. They come back when \
             their channel is closed.",
            grouped(all)
        ),
    };
    let empty = "No message is with a consumer. What waits is under Messages.";
    let deliveries = items(&found, "items");
    let table = Table::of("Unacknowledged messages", &DELIVERIES, deliveries, delivery_key, empty);
    let mut section = Section::bare();
    if !text.is_empty() {
        section = section.text(text);
    }
    section = section.table(table);
    let pages = all.div_ceil(COUNT);
    let page_of = |number: u64| {
        let href = format!("{}/unacked?page={number}", head.path);
        let label = if number < here { "Page before" } else { "Next page" };
        (label.to_owned(), href, false)
    };
    let around = [here.wrapping_sub(1), here + 1].into_iter();
    let around: Vec<_> = around.filter(|it| (1..=pages).contains(it)).map(page_of).collect();
    if !around.is_empty() {
        section = section.with(Part::Links(around));
    }
    let frame = head.frame(&visit).await?;
    page(&TabPage { frame, head, live: vec![section], still: vec![] })
}

fn delivery_key(delivery: &Value) -> String {
    let channel = number(delivery, "channel").unwrap_or(0);
    let tag = number(delivery, "delivery_tag").unwrap_or(0);
    format!("{} {channel} {tag} {}", text(delivery, "connection"), text(delivery, "place"))
}

const DELIVERIES: [Column; 9] = [
    Column::new("key", "Message", "routing_key", |it| match at(it, "routing_key").as_str() {
        None => Cell::Tags(vec![Tag::plain("on disk", "Its content is not in memory")]),
        Some("") => Cell::text("(no routing key)"),
        Some(key) => Cell::Code(key.to_owned()),
    }),
    Column::new("age", "For", "age", |it| match number(it, "delivered_at") {
        None => Cell::Nothing,
        Some(_) => Cell::duration(float(it, "age")),
    })
    .number()
    .help("How long it has been there"),
    Column::new("connection", "Connection", "connection", |it| match text(it, "connection") {
        "" => Cell::text("HTTP"),
        name => Cell::link(connections::peer(name), connections::path(name)),
    }),
    Column::new("channel", "Channel", "channel", |it| {
        let channel = number(it, "channel").unwrap_or(0);
        match text(it, "connection") {
            "" => Cell::Nothing,
            name => Cell::link(channel.to_string(), channels::path(&format!("{name} ({channel})"))),
        }
    }),
    Column::new("consumer", "Consumer", "consumer_tag", |it| match text(it, "consumer_tag") {
        "" => Cell::text("(fetched)"),
        tag => Cell::Line(tag.to_owned()),
    }),
    Column::new("body", "Body", "payload", body),
    Column::new("size", "Size", "payload_bytes", |it| Cell::bytes_at(it, "payload_bytes")).number(),
    Column::new("marks", "Marks", "redelivered", |it| match is_true(it, "redelivered") {
        true => {
            let title = "It was delivered before, and came back";
            Cell::Tags(vec![Tag::new("redelivered", title, Tone::Warning)])
        }
        false => Cell::Nothing,
    }),
    Column::new("since", "Since", "delivered_at", |it| Cell::time(number(it, "delivered_at"))),
];

async fn show_consumers(visit: Arc<Visit>) -> Reply {
    let queue = queue(&visit, "").await?;
    let head = Head::of(&queue, "consumers");
    let empty = "Nothing consumes from it. A client that subscribes is shown here.";
    let list = items(&queue, "consumer_details");
    let key =
        |it: &Value| format!("{} {}", text(it, "channel_details.name"), text(it, "consumer_tag"));
    let table = Table::of("Consumers", &consumers::OF_QUEUE, list, key, empty);
    let frame = head.frame(&visit).await?;
    page(&TabPage { frame, head, live: vec![Section::bare().table(table)], still: vec![] })
}

async fn show_bindings(visit: Arc<Visit>) -> Reply {
    let queue = queue(&visit, "").await?;
    let head = Head::of(&queue, "bindings");
    let (virtual_host, name) = named(&visit);
    let found = visit.get(&format!("{}/bindings", api(virtual_host, name))).await?;
    let columns = [binding_form::SOURCE, binding_form::KEY, binding_form::ARGUMENTS];
    let next = links::queue(virtual_host, name) + "/bindings";
    let mut table = Table::of("Bindings", &columns, &[], binding_form::key, "");
    table.rows = binding_form::rows(&columns, items(&found, ""), &next);
    let form = binding_form::form(&visit, Place::ToQueue(virtual_host, name), &next).await?;
    let frame = head.frame(&visit).await?;
    let text = "Messages that are published to these exchanges come to the queue, as far as their \
                routing keys or headers fit.";
    page(&TabPage {
        frame,
        live: vec![Section::bare().text(text).table(table)],
        still: vec![Section::new("Add a binding").form(form)],
        head,
    })
}

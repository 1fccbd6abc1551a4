//! The first page of a queue: how much is in it and how it moves, what is the matter, what it is.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use serde_json::Value;

use super::head::{Head, api, named, queue};
use super::hints::{self, Hint};
use super::list::{features, state};
use crate::cell::Cell;
use crate::chart::{Chart, RANGES, Range, Unit, range_links};
use crate::error::Error;
use crate::format;
use crate::frame::Frame;
use crate::links;
use crate::pages::trash::{self, Trash};
use crate::pages::{Routes, binding_form};
use crate::reply::{Reply, page};
use crate::table::Table;
use crate::value::{at, float, items, number, text};
use crate::visit::Visit;

pub(super) fn add(routes: Routes) -> Routes {
    routes.get("/queues/{vhost}/{name}", show)
}

#[derive(Template)]
#[template(path = "console/queue_overview.html")]
struct OverviewPage {
    frame: Frame,
    head: Head,
    ranges: Vec<(&'static str, String, bool)>,
    /// What was purged or deleted and can be brought back.
    trash: Vec<Trash>,
    hints: Vec<Hint>,
    figures: Vec<Figure>,
    charts: Vec<Chart>,
    facts: Vec<(&'static str, Cell)>,
    feeds: Table,
    more_feeds: usize,
}

/// A number that stands for itself.
struct Figure {
    label: &'static str,
    value: Cell,
    /// The page that tells more; may be empty.
    href: String,
}

/// Bindings that are shown here; the rest is on their own page.
const FEEDS: usize = 8;

async fn show(visit: Arc<Visit>) -> Reply {
    let range = Range::wanted(&visit);
    let queue = queue(&visit, &range.parameters(&["lengths", "msg_rates"])).await?;
    let head = Head::of(&queue, "");
    let oldest = oldest(&visit).await?;
    let lost_letters = lost_letters(&visit, &queue).await?;
    let bindings = bindings(&visit).await?;
    let columns = [binding_form::SOURCE, binding_form::KEY, binding_form::ARGUMENTS];
    let shown = bindings.get(..FEEDS).unwrap_or(&bindings);
    let empty = "Nothing but the default exchange: messages published there with the queue's name \
                 as their routing key.";
    let (virtual_host, name) = named(&visit);
    // The last range is not kept of queues.
    let ranges = range_links(&visit, &RANGES[..3]);
    page(&OverviewPage {
        frame: head.frame(&visit).await?,
        trash: trash::of_queue(&visit, virtual_host, name).await?,
        ranges,
        hints: hints::of(&queue, &head.path, lost_letters.as_deref()),
        figures: figures(&queue, &head, oldest),
        charts: charts(&queue),
        facts: facts(&queue),
        feeds: Table::of("What feeds it", &columns, shown, binding_form::key, empty),
        more_feeds: bindings.len() - shown.len(),
        head,
    })
}

/// When the message that waits in front was accepted, if the user may look at it.
async fn oldest(visit: &Visit) -> Result<Option<u64>, Error> {
    let (virtual_host, name) = named(visit);
    let first = format!("{}/messages?count=1&truncate=0", api(virtual_host, name));
    let first = visit.get_if_allowed(&first).await?.unwrap_or_default();
    Ok(items(&first, "messages").first().and_then(|message| number(message, "accepted_at")))
}

/// The name of the dead letter exchange, if there is no such exchange.
async fn lost_letters(visit: &Visit, queue: &Value) -> Result<Option<String>, Error> {
    let held = at(queue, "effective_policy_sources");
    let exchange = held.get("dead-letter-exchange").map_or("", |it| text(it, "value"));
    if exchange.is_empty() {
        return Ok(None);
    }
    let path = format!("/api{}?columns=name", links::exchange(text(queue, "vhost"), exchange));
    match visit.get(&path).await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(Some(exchange.to_owned())),
        _ => Ok(None),
    }
}

/// The bindings by which messages come to it, but for the one that every queue has.
async fn bindings(visit: &Visit) -> Result<Vec<Value>, Error> {
    let (virtual_host, name) = named(visit);
    let found = visit.get(&format!("{}/bindings", api(virtual_host, name))).await?;
    let explicit = items(&found, "").iter().filter(|it| !text(it, "source").is_empty());
    Ok(explicit.cloned().collect())
}

fn figures(queue: &Value, head: &Head, oldest: Option<u64>) -> Vec<Figure> {
    let below = |page: &str| format!("{}/{page}", head.path);
    let rate = |member: &str| {
        Cell::rate(Some(
            float(queue, &format!("message_stats.{member}_details.rate")).unwrap_or(0.0),
        ))
    };
    let figure = |label, value, href| Figure { label, value, href };
    let count = |member| Cell::count(Some(number(queue, member).unwrap_or(0)));
    let mut figures = vec![figure(
        if head.is_stream { "Messages" } else { "Ready" },
        count("messages_ready"),
        below("messages"),
    )];
    if !head.is_stream {
        figures.push(figure("Unacknowledged", count("messages_unacknowledged"), below("unacked")));
    }
    figures.push(figure("Consumers", count("consumers"), below("consumers")));
    figures.push(figure("In", rate("publish"), String::new()));
    figures.push(figure("Out", rate("deliver_get"), String::new()));
    figures.push(figure("Acknowledged", rate("ack"), String::new()));
    let bytes = Cell::bytes(Some(number(queue, "message_bytes").unwrap_or(0)));
    figures.push(figure("Bytes", bytes, String::new()));
    if let Some(oldest) = oldest {
        let age = format::now().saturating_sub(oldest) as f64 / 1000.0;
        figures.push(figure("Oldest is", Cell::duration(Some(age)), below("messages")));
    }
    figures
}

fn charts(queue: &Value) -> Vec<Chart> {
    let stats = at(queue, "message_stats");
    let lengths = [("Ready", "messages_ready"), ("Unacknowledged", "messages_unacknowledged")];
    let rates = [
        ("In", "publish"),
        ("Out", "deliver_get"),
        ("Acknowledged", "ack"),
        ("Redelivered", "redeliver"),
    ];
    vec![
        Chart::new("lengths", "Messages", Unit::Count, queue, &lengths),
        Chart::new("rates", "Messages a second", Unit::Rate, stats, &rates),
    ]
}

fn facts(queue: &Value) -> Vec<(&'static str, Cell)> {
    let host = text(queue, "vhost");
    let policy = |member, page| match text(queue, member) {
        "" => Cell::Nothing,
        name => Cell::link(name, links::path([page, host, name])),
    };
    let mut facts = vec![
        ("Virtual host", Cell::link(host, links::path(["vhosts", host]))),
        ("Type", Cell::text_at(queue, "type")),
        ("Features", features(queue)),
        ("State", state(queue)),
        ("Policy", policy("policy", "policies")),
        ("Operator policy", policy("operator_policy", "operator-policies")),
        ("Declared", Cell::time(number(queue, "declared_at"))),
        ("Consumers are ready to take", capacity(queue)),
        ("Memory", Cell::bytes_at(queue, "memory")),
        ("Messages that survive a restart", Cell::count_at(queue, "messages_persistent")),
        ("Messages in memory", Cell::count_at(queue, "messages_ram")),
        ("Bytes ready", Cell::bytes_at(queue, "message_bytes_ready")),
        ("Bytes unacknowledged", Cell::bytes_at(queue, "message_bytes_unacknowledged")),
    ];
    let owner = text(queue, "owner_pid_details.name");
    if !owner.is_empty() {
        facts.push(("Belongs to", Cell::link(owner, links::path(["connections", owner]))));
    }
    let active = text(queue, "single_active_consumer_tag");
    if !active.is_empty() {
        facts.push(("Active consumer", Cell::Code(active.to_owned())));
    }
    let exclusive = text(queue, "exclusive_consumer_tag");
    if !exclusive.is_empty() {
        facts.push(("Exclusive consumer", Cell::Code(exclusive.to_owned())));
    }
    if let (Some(first), Some(last)) =
        (number(queue, "stream_offsets.first"), number(queue, "stream_offsets.last"))
    {
        let text = format!("{} to {}", format::grouped(first), format::grouped(last));
        facts.push(("Offsets", Cell::Text(text)));
    }
    facts
}

/// The part of the time in which its consumers took what there was.
fn capacity(queue: &Value) -> Cell {
    match number(queue, "consumers") {
        Some(0) | None => Cell::Nothing,
        Some(_) => Cell::percent(float(queue, "consumer_capacity")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_queue_without_consumers_has_no_capacity_to_tell() {
        assert_eq!(capacity(&json!({"consumers": 0, "consumer_capacity": 0.0})), Cell::Nothing);
        assert_ne!(capacity(&json!({"consumers": 1, "consumer_capacity": 0.5})), Cell::Nothing);
    }
}

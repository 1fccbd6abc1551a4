//! The first page of an exchange: what comes and goes, what it is, what holds for it.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::cell::Cell;
use crate::chart::{Chart, RANGES, Range, Unit, range_links};
use crate::format::grouped;
use crate::frame::Frame;
use crate::links;
use crate::reply::{Reply, page};
use crate::table::Table;
use crate::value::{at, number, text};
use crate::visit::Visit;

use super::head::{self, Head};
use super::list::features;
use super::{groups, kinds};

#[derive(Template)]
#[template(path = "console/exchange_overview.html")]
struct OverviewPage {
    frame: Frame,
    head: Head,
    /// What its type does.
    sentence: &'static str,
    ranges: Vec<(&'static str, String, bool)>,
    chart: Chart,
    facts: Vec<(&'static str, Cell)>,
    /// Of a virtual topic: its groups.
    groups: Option<Table>,
}

pub(super) async fn show(visit: Arc<Visit>) -> Reply {
    let range = Range::wanted(&visit);
    let exchange = head::exchange(&visit, &range.parameters(&["msg_rates"])).await?;
    let lines = [("Came in", "publish_in"), ("Went out", "publish_out")];
    let stats = at(&exchange, "message_stats");
    let chart = Chart::new("rates", "Messages a second", Unit::Rate, stats, &lines);
    let head = Head::of(&exchange, "");
    let policy = policy(&visit, &exchange).await?;
    let facts = facts(&visit, &exchange, policy.as_ref()).await?;
    let is_topic = text(&exchange, "type") == "x-virtual-topic";
    let groups = if is_topic { Some(groups::table(&visit, &exchange).await?) } else { None };
    // Of an exchange not more than eight hours are kept, in steps that charts do not have.
    let ranges = range_links(&visit, &RANGES[..3]);
    let sentence = kinds::sentence(text(&exchange, "type"));
    let frame = head.frame(&visit).await?;
    page(&OverviewPage { frame, head, sentence, ranges, chart, facts, groups })
}

/// The policy that holds for an exchange.
async fn policy(visit: &Visit, exchange: &Value) -> Result<Option<Value>, Refusal> {
    let name = text(exchange, "policy");
    if name.is_empty() {
        return Ok(None);
    }
    let path = links::path(["policies", text(exchange, "vhost"), name]);
    visit.get_if_allowed(&format!("/api{path}")).await
}

async fn facts(
    visit: &Visit,
    exchange: &Value,
    policy: Option<&Value>,
) -> Result<Vec<(&'static str, Cell)>, Refusal> {
    let host = text(exchange, "vhost");
    let count = |name| Cell::count(number(exchange, name));
    let mut facts = vec![
        ("Type", Cell::text_at(exchange, "type")),
        ("Virtual host", Cell::text(host)),
        ("Features", features(exchange)),
        ("Arguments", Cell::pairs(at(exchange, "arguments"))),
        ("Alternate exchange", alternate(exchange, policy)),
        ("Came in", count("message_stats.publish_in")),
        ("Went out", count("message_stats.publish_out")),
    ];
    let way = |part: &str| {
        format!("{}/bindings/{part}?columns=source&page=1&page_size=1", head::api(visit))
    };
    for (label, part) in [("Bindings from it", "source"), ("Bindings to it", "destination")] {
        let found = visit.get(&way(part)).await?;
        let count = number(&found, "total_count").unwrap_or(0);
        let href = format!("{}/bindings", links::exchange(host, text(exchange, "name")));
        facts.push((label, Cell::link(grouped(count), href)));
    }
    let name = text(exchange, "policy");
    facts.push((
        "Policy",
        match name {
            "" => Cell::Nothing,
            name => Cell::link(name, links::path(["policies", host, name])),
        },
    ));
    if let Some(policy) = policy {
        facts.push(("What the policy says", Cell::pairs(at(policy, "definition"))));
    }
    Ok(facts)
}

/// Where messages go that no binding leads on: as declared, or else as the policy says.
fn alternate(exchange: &Value, policy: Option<&Value>) -> Cell {
    let declared = text(at(exchange, "arguments"), "alternate-exchange");
    let by_policy = policy.map_or("", |it| text(at(it, "definition"), "alternate-exchange"));
    match [declared, by_policy].into_iter().find(|name| !name.is_empty()) {
        Some(name) => Cell::link(name, links::exchange(text(exchange, "vhost"), name)),
        None => Cell::Nothing,
    }
}

//! The first page: what needs attention, how much there is and how it moves, where most of it is.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;

use super::Routes;
use crate::cell::Cell;
use crate::chart::{Chart, RANGES, Range, Unit, range_links};
use crate::format;
use crate::frame::Frame;
use crate::links;
use crate::reply::{Reply, page};
use crate::table::{Column, Table};
use crate::value::{at, float, items, number, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/", show)
}

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage {
    frame: Frame,
    attention: Vec<Finding>,
    left_out: u64,
    figures: Vec<Figure>,
    ranges: Vec<(&'static str, String, bool)>,
    charts: Vec<Chart>,
    largest: Table,
    facts: Vec<(&'static str, Cell)>,
}

/// Something that needs attention, and where to go.
struct Finding {
    is_bad: bool,
    /// What it is about.
    subject: Option<(String, String)>,
    reason: String,
    /// A label and the page that helps.
    next: (&'static str, String),
}

/// A number that stands for itself.
struct Figure {
    label: &'static str,
    value: String,
    href: &'static str,
}

/// What is listed of the largest queues.
const LARGEST: &str = "/api/queues?holding=true&page=1&page_size=8&sort=messages&\
    sort_reverse=true&columns=name,vhost,messages,messages_ready,messages_unacknowledged,\
    consumers,message_stats";

async fn show(visit: Arc<Visit>) -> Reply {
    let range = Range::wanted(&visit);
    let samples = range.parameters(&["lengths", "msg_rates"]);
    let overview = visit.get(&format!("/api/overview?{samples}")).await?;
    let node = range.parameters(&["node_stats"]);
    let node = visit.get_if_allowed(&format!("/api/nodes?{node}")).await?;
    let node = node.as_ref().and_then(|nodes| items(nodes, "").first());
    let attention = visit.get("/api/attention").await?;
    let largest = visit.get(LARGEST).await?;
    let largest: Vec<Value> = items(&largest, "items")
        .iter()
        .filter(|queue| number(queue, "messages").unwrap_or(0) > 0)
        .cloned()
        .collect();
    let empty = "All queues are empty.";
    let frame = Frame::new(&visit, "Overview").await?;
    page(&OverviewPage {
        frame,
        attention: items(&attention, "findings").iter().map(finding).collect(),
        left_out: number(&attention, "left_out").unwrap_or(0),
        figures: figures(&overview),
        ranges: range_links(&visit, &RANGES),
        charts: charts(&overview, node),
        largest: Table::of("Largest queues", &COLUMNS, &largest, super::queues::key, empty),
        facts: facts(&overview, node),
    })
}

fn charts(overview: &Value, node: Option<&Value>) -> Vec<Chart> {
    let lengths = at(overview, "queue_totals");
    let messages = at(overview, "message_stats");
    let waiting = [("Ready", "messages_ready"), ("Unacknowledged", "messages_unacknowledged")];
    let rates = [
        ("Published", "publish"),
        ("Delivered", "deliver_get"),
        ("Acknowledged", "ack"),
        ("Unroutable", "drop_unroutable"),
    ];
    let mut charts = vec![
        Chart::new("queued", "Messages in queues", Unit::Count, lengths, &waiting),
        Chart::new("rates", "Messages a second", Unit::Rate, messages, &rates),
    ];
    if let Some(node) = node {
        let of_node = |id, title, unit, line| Chart::new(id, title, unit, node, &[line]);
        charts.extend([
            of_node("memory", "Memory", Unit::Bytes, ("Used", "mem_used")),
            of_node("disk", "Disk", Unit::Bytes, ("Free", "disk_free")),
            of_node("connections", "Connections", Unit::Count, ("Open", "sockets_used")),
        ]);
    }
    charts
}

fn figures(overview: &Value) -> Vec<Figure> {
    let figure = |label, path, href| {
        let value = format::count(number(overview, path).unwrap_or(0));
        Figure { label, value, href }
    };
    vec![
        figure("Ready", "queue_totals.messages_ready", "/queues?sort=ready&dir=desc"),
        figure(
            "Unacknowledged",
            "queue_totals.messages_unacknowledged",
            "/queues?sort=unacked&dir=desc",
        ),
        figure("Queues", "object_totals.queues", "/queues"),
        figure("Exchanges", "object_totals.exchanges", "/exchanges"),
        figure("Connections", "object_totals.connections", "/connections"),
        figure("Channels", "object_totals.channels", "/channels"),
        figure("Consumers", "object_totals.consumers", "/consumers"),
    ]
}

fn finding(finding: &Value) -> Finding {
    let (host, kind) = (text(finding, "vhost"), text(finding, "kind"));
    let queue = at(finding, "queue").as_str().map(|name| (name, links::queue(host, name)));
    let exchange = at(finding, "exchange").as_str();
    let exchange = exchange.map(|name| (links::exchange_name(name), links::exchange(host, name)));
    let subject = queue.or(exchange).map(|(name, page)| (name.to_owned(), page));
    let place = subject.as_ref().map_or_else(String::new, |(_, page)| page.clone());
    let next = match kind {
        "stuck" | "not_acknowledged" => ("Who holds them", format!("{place}/unacked")),
        "no_consumers" | "paused" => ("Look at it", place),
        "dead_letters" | "lost" => ("See the messages", format!("{place}/messages")),
        "unroutable" => ("Why", format!("{place}/unroutable")),
        "churn" => ("Connections", "/connections".to_owned()),
        _ => ("The node", "/nodes".to_owned()),
    };
    let is_bad = text(finding, "level") == "bad";
    Finding { is_bad, subject, reason: text(finding, "reason").to_owned(), next }
}

fn facts(overview: &Value, node: Option<&Value>) -> Vec<(&'static str, Cell)> {
    let mut facts = vec![
        ("Cluster", Cell::text_at(overview, "cluster_name")),
        ("Node", Cell::text_at(overview, "node")),
        ("Warren", Cell::text_at(overview, "product_version")),
        ("Told to clients as", Cell::text_at(overview, "rabbitmq_version")),
    ];
    if let Some(node) = node {
        let uptime = float(node, "uptime").map(|milliseconds| milliseconds / 1000.0);
        facts.push(("Running for", Cell::duration(uptime)));
        facts.push(("Memory", Cell::bytes_at(node, "mem_used")));
        facts.push(("Blocks publishers above", Cell::bytes_at(node, "mem_limit")));
        facts.push(("Free disk space", Cell::bytes_at(node, "disk_free")));
    }
    for listener in items(overview, "listeners") {
        let address = text(listener, "ip_address");
        let port = number(listener, "port").unwrap_or(0);
        let name = match text(listener, "protocol") {
            "amqp" => "AMQP",
            "amqp/ssl" => "AMQP over TLS",
            _ => "HTTP",
        };
        let shown = if address.contains(':') {
            format!("[{address}]:{port}")
        } else {
            format!("{address}:{port}")
        };
        facts.push((name, Cell::Code(shown)));
    }
    facts
}

const COLUMNS: [Column; 6] = [
    Column::new("name", "Queue", "name", |queue| {
        Cell::link(text(queue, "name"), links::queue(text(queue, "vhost"), text(queue, "name")))
    }),
    Column::new("vhost", "Virtual host", "vhost", |queue| Cell::text_at(queue, "vhost")),
    Column::new("ready", "Ready", "messages_ready", |it| Cell::count_at(it, "messages_ready"))
        .number(),
    Column::new("unacked", "Unacked", "messages_unacknowledged", |it| {
        Cell::count_at(it, "messages_unacknowledged")
    })
    .number(),
    Column::new("consumers", "Consumers", "consumers", |it| Cell::count_at(it, "consumers"))
        .number(),
    Column::new("in", "In", "", |it| Cell::rate_at(it, "message_stats.publish_details.rate"))
        .number(),
];

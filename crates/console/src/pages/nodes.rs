//! The node: how it is, what it uses, what it listens to, and how it answers checks of its health.

mod health;
mod logins;
mod resources;

use std::sync::Arc;

use serde_json::Value;

use super::Routes;
use crate::cell::{Cell, Tone};
use crate::chart::{Chart, Range, Unit};
use crate::frame::Frame;
use crate::links;
use crate::reply::Reply;
use crate::sheet::{Part, Section, Sheet};
use crate::table::{Column, Table};
use crate::value::{float, is_true, items, number, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/nodes", show).post("/nodes/logins/reset", logins::reset)
}

async fn show(visit: Arc<Visit>) -> Reply {
    let samples = Range::wanted(&visit).parameters(&["node_stats"]);
    let nodes = visit.get(&format!("/api/nodes?{samples}")).await?;
    let node = items(&nodes, "").first().unwrap_or(&Value::Null);
    let overview =
        visit.get("/api/overview?columns=listeners,cluster_name&disable_stats=true").await?;
    let auth = visit.get("/api/auth").await?;
    let takes_tokens = is_true(&auth, "oauth_enabled");
    let without = visit.get("/api/arguments-without-effect").await?;
    let frame = Frame::new(&visit, "Node and health").await?;
    let mut sheet = Sheet::new(frame)
        .ranges(&visit, 4)
        .live(Section::bare().hints(alarms(node)))
        .live(Section::bare().with(Part::Figures(resources::figures(node))))
        .live(health::section(&visit).await?)
        .live(Section::bare().charts(charts(node)))
        .live(resources::memory(&visit).await?)
        .live(Section::new("The node").facts(facts(node, &overview, takes_tokens)))
        .live(Section::new("Where it listens").table(listeners(items(&overview, "listeners"))))
        .live(logins::section(&visit, node).await?)
        .live(without_effect(items(&without, "")));
    if visit.administers() {
        sheet = sheet.with(logins::reset_section());
    }
    sheet.answer()
}

/// Alarms that are on, and what they mean.
fn alarms(node: &Value) -> Vec<(Tone, String)> {
    let mut alarms = vec![];
    if is_true(node, "mem_alarm") {
        let text = "The memory alarm is on: more memory is used than memory_limit. Whoever publishes \
                    is stopped until less is used. Let consumers empty queues, or raise the limit.";
        alarms.push((Tone::Bad, text.to_owned()));
    }
    if is_true(node, "disk_free_alarm") {
        let text = "The disk alarm is on: less of the disk is free than disk_free_limit. Whoever \
                    publishes is stopped until more is free. Let consumers empty queues, or make room.";
        alarms.push((Tone::Bad, text.to_owned()));
    }
    if !node.is_null() && !is_true(node, "running") {
        alarms.push((Tone::Bad, "The node does not run.".to_owned()));
    }
    alarms
}

fn charts(node: &Value) -> Vec<Chart> {
    vec![
        Chart::new("memory", "Memory", Unit::Bytes, node, &[("Used", "mem_used")]),
        Chart::new("disk", "Free disk", Unit::Bytes, node, &[("Free", "disk_free")]),
        Chart::new(
            "files",
            "Files and sockets",
            Unit::Count,
            node,
            &[("Open files", "fd_used"), ("Sockets", "sockets_used")],
        ),
    ]
}

fn facts(node: &Value, overview: &Value, takes_tokens: bool) -> Vec<(&'static str, Cell)> {
    let mechanisms = items(node, "auth_mechanisms").iter().filter(|it| is_true(it, "enabled"));
    let mechanisms: Vec<_> = mechanisms.map(|it| text(it, "name")).collect();
    vec![
        ("Name", Cell::text_at(node, "name")),
        ("Cluster", Cell::text_at(overview, "cluster_name")),
        ("Version", Cell::text(format!("Warren {}", text(node, "product_version")))),
        ("Tells clients to be", Cell::text(format!("version {}", text(node, "rabbitmq_version")))),
        ("Runs since", Cell::duration(float(node, "uptime").map(|it| it / 1000.0))),
        ("Process", Cell::text_at(node, "os_pid")),
        ("Processors", Cell::count_at(node, "processors")),
        ("Threads", Cell::count_at(node, "proc_used")),
        ("Data folder", Cell::Code(text(node, "db_dir").to_owned())),
        ("Logins by", Cell::text(mechanisms.join(", "))),
        (
            "Users are checked by",
            Cell::text(if takes_tokens {
                "own passwords, and tokens (OAuth 2)"
            } else {
                "own passwords"
            }),
        ),
    ]
}

const LISTENERS: [Column; 4] = [
    Column::new("protocol", "Protocol", "protocol", |it| {
        Cell::text(match text(it, "protocol") {
            "amqp" => "AMQP 0-9-1",
            "http" => "HTTP: this console and the API",
            other => other,
        })
    }),
    Column::new("address", "Address", "ip_address", |it| Cell::text_at(it, "ip_address")),
    Column::new("port", "Port", "port", |it| {
        Cell::text(number(it, "port").map(|port| port.to_string()).unwrap_or_default())
    }),
    Column::new("tls", "Encrypted", "tls", |it| Cell::yes_at(it, "tls")),
];

fn listeners(listeners: &[Value]) -> Table {
    let key =
        |it: &Value| format!("{} {}", text(it, "ip_address"), number(it, "port").unwrap_or(0));
    Table::of("Where it listens", &LISTENERS, listeners, key, "It listens nowhere.")
}

const WITHOUT_EFFECT: [Column; 3] = [
    Column::new("argument", "Argument", "argument", |it| {
        Cell::Code(text(it, "argument").to_owned())
    }),
    Column::new("vhost", "Virtual host", "vhost", |it| {
        let host = text(it, "vhost");
        Cell::link(host, links::virtual_host(host))
    }),
    Column::new("count", "How often", "count", |it| Cell::count_at(it, "count")).number(),
];

/// Arguments that mean nothing here.
fn without_effect(all: &[Value]) -> Section {
    let key = |it: &Value| format!("{} {}", text(it, "vhost"), text(it, "argument"));
    let empty = "Since the start no client sent an argument, and no policy has a setting, that means \
                 nothing here.";
    let table = Table::of("Arguments without an effect", &WITHOUT_EFFECT, all, key, empty);
    let section = Section::new("Arguments without an effect");
    let section = if all.is_empty() {
        section
    } else {
        section.text(
            "Clients sent these since the start, or policies have them. Warren takes them, as \
             RabbitMQ does, and they change nothing.",
        )
    };
    section.table(table)
}

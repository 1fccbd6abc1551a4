//! Connections: the list, and one of them with its channels, its client and its traffic.

mod close;

use std::sync::Arc;

use serde_json::Value;

use super::Routes;
use super::channels;
use crate::cell::{Cell, Tag, Tone};
use crate::chart::{Chart, Range, Unit};
use crate::frame::Frame;
use crate::links::{self, encode};
use crate::list::{self, List};
use crate::reply::Reply;
use crate::sheet::{Section, Sheet};
use crate::table::{Column, Table};
use crate::value::{is_true, items, number, plain, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/connections", show_all)
        .post("/connections/bulk", close::several)
        .get("/connections/{name}", show)
        .get("/connections/{name}/close", close::ask)
        .post("/connections/{name}/close", close::one)
}

async fn show_all(visit: Arc<Visit>) -> Reply {
    list::show(&visit, &LIST, false).await
}

const LIST: List = List {
    title: "Connections",
    path: "/connections",
    noun: ("connection", "connections"),
    intro: "",
    api: "/api/connections",
    has_virtual_hosts: true,
    columns: &COLUMNS,
    key: |connection| text(connection, "name").to_owned(),
    add: None,
    bulk: &[("close", "Close")],
    empty: "No client is connected. Clients connect with AMQP to the port that \"Node and health\" shows.",
};

const COLUMNS: [Column; 14] = [
    Column::new("name", "Connection", "name", |it| {
        let name = text(it, "name");
        Cell::link(peer(name), path(name))
    }),
    Column::new("client", "Client's name", "user_provided_name", |it| {
        Cell::text_at(it, "user_provided_name")
    }),
    Column::new("library", "Library", "client_properties.product", |it| Cell::text(library(it)))
        .also(&["client_properties.version"])
        .on_wish(),
    Column::new("user", "User", "user", |it| Cell::text_at(it, "user")),
    Column::new("vhost", "Virtual host", "vhost", |it| Cell::text_at(it, "vhost")),
    Column::new("state", "State", "state", state).also(&["timeout"]),
    Column::new("channels", "Channels", "channels", |it| Cell::count_at(it, "channels")).number(),
    Column::new("in", "In", "recv_oct_details.rate", |it| {
        Cell::byte_rate_at(it, "recv_oct_details.rate")
    })
    .number()
    .help("Bytes that come from the client, a second"),
    Column::new("out", "Out", "send_oct_details.rate", |it| {
        Cell::byte_rate_at(it, "send_oct_details.rate")
    })
    .number()
    .help("Bytes that go to the client, a second"),
    Column::new("since", "Since", "connected_at", |it| Cell::time(number(it, "connected_at"))),
    Column::new("tls", "TLS", "ssl", |it| Cell::yes_at(it, "ssl")).on_wish().unsorted(),
    Column::new("heartbeat", "Heartbeat", "timeout", heartbeat).number().on_wish(),
    Column::new("mechanism", "Login", "auth_mechanism", |it| Cell::text_at(it, "auth_mechanism"))
        .on_wish(),
    Column::new("pending", "Unsent", "send_pend", |it| Cell::bytes_at(it, "send_pend"))
        .number()
        .on_wish()
        .help("Bytes that wait until the client takes them"),
];

/// The page of a connection.
pub(crate) fn path(name: &str) -> String {
    links::path(["connections", name])
}

/// The end of a connection that is not here, which is enough where many are told apart.
pub(crate) fn peer(name: &str) -> &str {
    name.split_once(" -> ").map_or(name, |(peer, _)| peer)
}

fn library(connection: &Value) -> String {
    let part = |name: &str| text(connection, &format!("client_properties.{name}"));
    format!("{} {}", part("product"), part("version")).trim().to_owned()
}

fn heartbeat(connection: &Value) -> Cell {
    match number(connection, "timeout") {
        None => Cell::Nothing,
        Some(0) => Cell::Tags(vec![Tag::new("off", HEARTBEAT_OFF, Tone::Warning)]),
        Some(seconds) => Cell::Number { text: format!("{seconds} s"), title: String::new() },
    }
}

const HEARTBEAT_OFF: &str = "Heartbeats are off. If the client is gone without a word, the \
     connection stays until the system notices, which may take hours.";

/// The state with its meaning, and what else is worth a look.
fn state(connection: &Value) -> Cell {
    let word = text(connection, "state");
    let mut tags = match state_words(word) {
        _ if word.is_empty() => vec![],
        Some((tone, words)) => vec![Tag::new(word, words, tone)],
        None => vec![Tag::plain(word, "")],
    };
    if number(connection, "timeout") == Some(0) {
        tags.push(Tag::new("no heartbeat", HEARTBEAT_OFF, Tone::Warning));
    }
    if tags.is_empty() { Cell::Nothing } else { Cell::Tags(tags) }
}

/// What a state means.
fn state_words(state: &str) -> Option<(Tone, &'static str)> {
    Some(match state {
        "running" => (Tone::Good, "All is well"),
        "blocked" => (
            Tone::Bad,
            "The client is not read from, as it publishes while an alarm is on: memory or disk is \
             short.",
        ),
        "blocking" => (
            Tone::Warning,
            "An alarm is on: memory or disk is short. The client is stopped as soon as it publishes.",
        ),
        "flow" => (
            Tone::Warning,
            "The client publishes faster than the broker can take it, and is slowed down.",
        ),
        "closing" => (Tone::Plain, "The connection is being closed."),
        _ => return None,
    })
}

/// What is worth a look, in sentences.
fn hints(connection: &Value) -> Vec<(Tone, String)> {
    let mut hints = vec![];
    if let Some((tone @ (Tone::Bad | Tone::Warning), words)) =
        state_words(text(connection, "state"))
    {
        hints.push((tone, words.to_owned()));
    }
    if number(connection, "timeout") == Some(0) {
        hints.push((Tone::Warning, HEARTBEAT_OFF.to_owned()));
    }
    if number(connection, "channels").is_some_and(|count| count > MANY_CHANNELS) {
        let text = "There are many channels. One for each thread of the client is enough; a channel \
                    that is opened for each message and not closed costs memory.";
        hints.push((Tone::Warning, text.to_owned()));
    }
    if text(connection, "user_provided_name").is_empty() {
        let text = "The client gives no name. With the client property connection_name it can be \
                    told from others.";
        hints.push((Tone::Plain, text.to_owned()));
    }
    hints
}

/// So many channels of one connection are seldom meant.
const MANY_CHANNELS: u64 = 100;

async fn show(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let samples = Range::wanted(&visit).parameters(&["data_rates"]);
    let own = format!("/api/connections/{}", encode(name));
    let connection = visit.get(&format!("{own}?{samples}")).await?;
    let channels = visit.get(&format!("{own}/channels")).await?;
    let client_name = text(&connection, "user_provided_name");
    let title = if client_name.is_empty() { name } else { client_name };
    let frame = Frame::new(&visit, title).await?.below("Connections", "/connections");
    let mut sheet = Sheet::new(frame).ranges(&visit, 3);
    if visit.administers() || text(&connection, "user") == visit.visitor.user() {
        sheet = sheet.danger("Close", format!("{}/close", path(name)));
    }
    let lines = [("From the client", "recv_oct"), ("To the client", "send_oct")];
    let traffic = Chart::new("traffic", "Bytes a second", Unit::ByteRate, &connection, &lines);
    let channels = Table::of(
        "Channels",
        &channels::OF_CONNECTION,
        items(&channels, ""),
        |it| text(it, "name").to_owned(),
        "The connection has no channel open.",
    );
    sheet
        .live(Section::bare().hints(hints(&connection)))
        .live(Section::new("What it is").facts(facts(&connection)))
        .live(Section::bare().charts(vec![traffic]))
        .live(Section::new("Channels").table(channels))
        .live(Section::new("The client").facts(client_facts(&connection)))
        .answer()
}

fn facts(connection: &Value) -> Vec<(&'static str, Cell)> {
    let tls = if is_true(connection, "ssl") {
        let parts = ["ssl_protocol", "ssl_cipher", "ssl_key_exchange", "ssl_hash"];
        let parts = parts.map(|part| text(connection, part)).into_iter();
        Cell::text(parts.filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", "))
    } else {
        Cell::text("no: the traffic is not encrypted")
    };
    let end = |host: &str, port: &str| {
        let port = number(connection, port).unwrap_or(0);
        Cell::text(format!("{} port {port}", text(connection, host)))
    };
    let host = text(connection, "vhost");
    let mut facts = vec![
        ("State", state(connection)),
        ("Connection", Cell::text_at(connection, "name")),
        ("User", Cell::text_at(connection, "user")),
        ("Virtual host", Cell::link(host, links::path(["vhosts", host]))),
        ("From", end("peer_host", "peer_port")),
        ("To", end("host", "port")),
        ("Since", Cell::time(number(connection, "connected_at"))),
        ("Protocol", Cell::text_at(connection, "protocol")),
        ("Login", Cell::text_at(connection, "auth_mechanism")),
        ("TLS", tls),
        ("Heartbeat", heartbeat(connection)),
        ("Largest frame", Cell::bytes_at(connection, "frame_max")),
        ("Most channels", Cell::count_at(connection, "channel_max")),
        ("Received", Cell::bytes_at(connection, "recv_oct")),
        ("Sent", Cell::bytes_at(connection, "send_oct")),
        ("Waits to be sent", Cell::bytes_at(connection, "send_pend")),
    ];
    let subject = text(connection, "peer_cert_subject");
    if !subject.is_empty() {
        facts.push(("Certificate of the client", Cell::text(subject)));
        facts.push(("Issued by", Cell::text_at(connection, "peer_cert_issuer")));
        facts.push(("Valid", Cell::text_at(connection, "peer_cert_validity")));
    }
    facts
}

/// What the client says of itself.
fn client_facts(connection: &Value) -> Vec<(&'static str, Cell)> {
    const OWN: [&str; 5] = ["connection_name", "product", "version", "capabilities", "platform"];
    let properties = crate::value::at(connection, "client_properties");
    let able = crate::value::at(properties, "capabilities").as_object();
    let able = able.into_iter().flatten().filter(|(_, value)| value.as_bool() == Some(true));
    let able: Vec<_> = able.map(|(name, _)| Tag::plain(name.clone(), "")).collect();
    let mut facts = vec![
        ("Name", Cell::text_at(connection, "user_provided_name")),
        ("Library", Cell::text(library(connection))),
        ("Platform", Cell::text_at(properties, "platform")),
        ("Can", if able.is_empty() { Cell::Nothing } else { Cell::Tags(able) }),
    ];
    let others = properties.as_object().into_iter().flatten();
    let others = others.filter(|(name, _)| !OWN.contains(&name.as_str()));
    let others: Vec<_> = others.map(|(name, value)| (name.clone(), plain(value))).collect();
    if !others.is_empty() {
        facts.push(("Says besides", Cell::Pairs(others)));
    }
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_connection_is_told_in_sentences() {
        let well = json!({"state": "running", "timeout": 60, "channels": 1,
                          "user_provided_name": "shop"});
        assert!(hints(&well).is_empty());
        let ill = json!({"state": "blocked", "timeout": 0, "channels": 500});
        let tones: Vec<_> = hints(&ill).into_iter().map(|(tone, _)| tone).collect();
        assert_eq!(tones, [Tone::Bad, Tone::Warning, Tone::Warning, Tone::Plain]);
    }

    #[test]
    fn a_library_is_called_by_its_name_and_version() {
        let properties = json!({"product": "pika", "version": "1.3"});
        assert_eq!(library(&json!({"client_properties": properties})), "pika 1.3");
        assert_eq!(library(&json!({})), "");
    }
}

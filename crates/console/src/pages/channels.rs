//! Channels: the list, and one of them with its consumers.

use std::sync::Arc;

use serde_json::Value;

use super::{Routes, connections, consumers};
use crate::cell::{Cell, Tag, Tone};
use crate::chart::{Chart, Range, Unit};
use crate::frame::Frame;
use crate::links::{self, encode};
use crate::list::{self, List};
use crate::reply::Reply;
use crate::sheet::{Section, Sheet};
use crate::table::{Column, Table};
use crate::value::{is_true, items, number, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/channels", show_all).get("/channels/{name}", show)
}

async fn show_all(visit: Arc<Visit>) -> Reply {
    list::show(&visit, &LIST, false).await
}

const LIST: List = List {
    title: "Channels",
    path: "/channels",
    noun: ("channel", "channels"),
    intro: "",
    api: "/api/channels",
    has_virtual_hosts: true,
    columns: &COLUMNS,
    key: |channel| text(channel, "name").to_owned(),
    add: None,
    bulk: &[],
    empty: "No channel is open. A client opens channels on its connection to publish and consume.",
};

const NAME: Column = Column::new("name", "Channel", "name", |it| {
    let name = text(it, "name");
    let number = number(it, "number").unwrap_or(0);
    Cell::link(format!("{} ({number})", connections::peer(name)), path(name))
})
.also(&["number"]);
const MODE: Column = Column::new("mode", "Mode", "confirm", mode)
    .also(&["transactional"])
    .help("confirms: published messages are confirmed; transactions: they come with a commit");
const STATE: Column = Column::new("state", "State", "state", state).also(&[
    "messages_unacknowledged",
    "prefetch_count",
    "global_prefetch_count",
    "consumer_count",
]);
const CONSUMERS: Column = Column::new("consumers", "Consumers", "consumer_count", |it| {
    Cell::count_at(it, "consumer_count")
})
.number();
const PREFETCH: Column = Column::new("prefetch", "Prefetch", "prefetch_count", prefetch)
    .also(&["global_prefetch_count"])
    .number()
    .help("How many unacknowledged messages a consumer may have");
const UNACKED: Column = Column::new("unacked", "Unacked", "messages_unacknowledged", |it| {
    Cell::count_at(it, "messages_unacknowledged")
})
.number()
.help("Messages that the client has and did not acknowledge yet");
const UNCONFIRMED: Column =
    Column::new("unconfirmed", "Unconfirmed", "messages_unconfirmed", |it| {
        Cell::count_at(it, "messages_unconfirmed")
    })
    .number()
    .help("Published messages that the broker did not confirm yet");
const IN: Column = Column::new("in", "Published", "message_stats.publish_details.rate", |it| {
    Cell::rate_at(it, "message_stats.publish_details.rate")
})
.number();
const OUT: Column =
    Column::new("out", "Delivered", "message_stats.deliver_get_details.rate", |it| {
        Cell::rate_at(it, "message_stats.deliver_get_details.rate")
    })
    .number();
const ACK: Column = Column::new("ack", "Acknowledged", "message_stats.ack_details.rate", |it| {
    Cell::rate_at(it, "message_stats.ack_details.rate")
})
.number();

const COLUMNS: [Column; 12] = [
    NAME,
    Column::new("user", "User", "user", |it| Cell::text_at(it, "user")),
    Column::new("vhost", "Virtual host", "vhost", |it| Cell::text_at(it, "vhost")).on_wish(),
    MODE,
    STATE,
    CONSUMERS,
    PREFETCH,
    UNACKED,
    UNCONFIRMED,
    IN,
    OUT,
    ACK,
];

/// The columns where the connection is known.
pub(crate) const OF_CONNECTION: [Column; 9] = [
    Column::new("name", "Channel", "number", |it| {
        let number = number(it, "number").unwrap_or(0);
        Cell::link(number.to_string(), path(text(it, "name")))
    }),
    MODE,
    STATE,
    CONSUMERS,
    PREFETCH,
    UNACKED,
    UNCONFIRMED,
    IN,
    OUT,
];

/// The page of a channel.
pub(crate) fn path(name: &str) -> String {
    links::path(["channels", name])
}

fn mode(channel: &Value) -> Cell {
    if is_true(channel, "transactional") {
        return Cell::text("transactions");
    }
    if is_true(channel, "confirm") { Cell::text("confirms") } else { Cell::Nothing }
}

fn prefetch(channel: &Value) -> Cell {
    let (each, all) = (number(channel, "prefetch_count"), number(channel, "global_prefetch_count"));
    let text = match (each.unwrap_or(0), all.unwrap_or(0)) {
        (0, 0) => "no limit".to_owned(),
        (each, 0) => each.to_string(),
        (0, all) => format!("{all} together"),
        (each, all) => format!("{each}, {all} together"),
    };
    Cell::Number { text, title: String::new() }
}

fn state(channel: &Value) -> Cell {
    let mut tags = match text(channel, "state") {
        "" => vec![],
        "running" => {
            vec![Tag::new("running", "Something happened in the last seconds", Tone::Good)]
        }
        "idle" => vec![Tag::plain("idle", "Nothing happened in the last seconds")],
        other => vec![Tag::new(other, "", Tone::Warning)],
    };
    for (tone, word, sentence) in hints(channel) {
        tags.push(Tag::new(word, sentence, tone));
    }
    if tags.is_empty() { Cell::Nothing } else { Cell::Tags(tags) }
}

/// More unacknowledged messages than this are seldom worked on at the same time.
const MANY_UNACKNOWLEDGED: u64 = 1_000;

/// What is worth a look: in a word, and in a sentence.
fn hints(channel: &Value) -> Vec<(Tone, &'static str, &'static str)> {
    let mut hints = vec![];
    if number(channel, "messages_unacknowledged").is_some_and(|it| it > MANY_UNACKNOWLEDGED) {
        let text = "Many messages are unacknowledged. They are kept until the client acknowledges \
                    them; perhaps it forgets to, or its prefetch is too high.";
        hints.push((Tone::Warning, "many unacked", text));
    }
    let limits = ["prefetch_count", "global_prefetch_count"];
    let is_unlimited = limits.iter().all(|limit| number(channel, limit) == Some(0));
    let consumes = number(channel, "consumer_count").is_some_and(|count| count > 0);
    if is_unlimited && consumes {
        let text = "The prefetch has no limit: consumers get all messages at once, however many they \
                    can work on. Set one with basic.qos.";
        hints.push((Tone::Warning, "no prefetch", text));
    }
    hints
}

async fn show(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let samples = Range::wanted(&visit).parameters(&["msg_rates"]);
    let channel = visit.get(&format!("/api/channels/{}?{samples}", encode(name))).await?;
    let connection = text(&channel, "connection_details.name");
    let title = format!("Channel {}", number(&channel, "number").unwrap_or(0));
    let frame = Frame::new(&visit, title).await?;
    let frame = frame.below("Connections", "/connections");
    let frame = frame.below(connections::peer(connection), connections::path(connection));
    let messages = crate::value::at(&channel, "message_stats");
    let rates = [("Published", "publish"), ("Delivered", "deliver_get"), ("Acknowledged", "ack")];
    let chart = Chart::new("rates", "Messages a second", Unit::Rate, messages, &rates);
    let consumers = Table::of(
        "Consumers",
        &consumers::OF_CHANNEL,
        items(&channel, "consumer_details"),
        |it| text(it, "consumer_tag").to_owned(),
        "The channel has no consumer.",
    );
    let hints = hints(&channel).into_iter().map(|(tone, _, text)| (tone, text.to_owned()));
    let mut sheet = Sheet::new(frame).ranges(&visit, 3);
    if visit.administers() || text(&channel, "user") == visit.visitor.user() {
        sheet = sheet
            .danger("Close the connection", format!("{}/close", connections::path(connection)));
    }
    sheet
        .live(Section::bare().hints(hints.collect()))
        .live(Section::new("What it is").facts(facts(&channel, connection)))
        .live(Section::bare().charts(vec![chart]))
        .live(Section::new("Consumers").table(consumers))
        .answer()
}

fn facts(channel: &Value, connection: &str) -> Vec<(&'static str, Cell)> {
    let host = text(channel, "vhost");
    let count = |path: &str| Cell::count_at(channel, path);
    let mode = match mode(channel) {
        Cell::Nothing => Cell::text("usual: no confirms, no transactions"),
        mode => mode,
    };
    vec![
        ("State", state(channel)),
        ("Connection", Cell::link(connection, connections::path(connection))),
        ("User", Cell::text_at(channel, "user")),
        ("Virtual host", Cell::link(host, links::path(["vhosts", host]))),
        ("Mode", mode),
        ("Prefetch", prefetch(channel)),
        ("Unacknowledged", count("messages_unacknowledged")),
        ("Unconfirmed", count("messages_unconfirmed")),
        ("Uncommitted messages", count("messages_uncommitted")),
        ("Uncommitted acknowledgements", count("acks_uncommitted")),
        ("Published", count("message_stats.publish")),
        ("Delivered", count("message_stats.deliver_get")),
        ("Delivered again", count("message_stats.redeliver")),
        ("Acknowledged", count("message_stats.ack")),
        ("Went nowhere and came back", count("message_stats.return_unroutable")),
        ("Went nowhere and were dropped", count("message_stats.drop_unroutable")),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_channel_without_limits_and_with_much_to_acknowledge_is_pointed_out() {
        let channel = |unacked: u64, prefetch: u64, consumers: u64| {
            json!({"messages_unacknowledged": unacked, "prefetch_count": prefetch,
                   "global_prefetch_count": 0, "consumer_count": consumers})
        };
        let words = |channel: &Value| {
            hints(channel).into_iter().map(|(_, word, _)| word).collect::<Vec<_>>()
        };
        assert!(words(&channel(20, 20, 1)).is_empty());
        assert!(words(&channel(0, 0, 0)).is_empty(), "a publisher needs no prefetch");
        assert_eq!(words(&channel(5_000, 0, 1)), ["many unacked", "no prefetch"]);
    }

    #[test]
    fn the_prefetch_of_each_consumer_and_of_all_are_told() {
        let text = |each: u64, all: u64| {
            prefetch(&json!({"prefetch_count": each, "global_prefetch_count": all})).as_text()
        };
        assert_eq!((text(0, 0), text(5, 0)), ("no limit".to_owned(), "5".to_owned()));
        assert_eq!((text(0, 9), text(5, 9)), ("9 together".to_owned(), "5, 9 together".to_owned()));
    }
}

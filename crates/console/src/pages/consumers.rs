//! Consumers: the list.

use std::sync::Arc;

use serde_json::Value;

use super::{Routes, channels, connections};
use crate::cell::{Cell, Tag, Tone};
use crate::links;
use crate::list::{self, List};
use crate::reply::Reply;
use crate::table::Column;
use crate::value::{at, float, is_true, number, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/consumers", show_all)
}

async fn show_all(visit: Arc<Visit>) -> Reply {
    list::show(&visit, &LIST, false).await
}

const LIST: List = List {
    title: "Consumers",
    path: "/consumers",
    noun: ("consumer", "consumers"),
    intro: "A consumer is ended by its client. To end one here, close its connection.",
    api: "/api/consumers",
    has_virtual_hosts: true,
    columns: &COLUMNS,
    key: |it| format!("{} {}", text(it, "channel_details.name"), text(it, "consumer_tag")),
    add: None,
    bulk: &[],
    empty: "Nothing consumes. A client that subscribes to a queue is shown here.",
};

const QUEUE: Column = Column::new("queue", "Queue", "queue.name", |it| {
    let (host, name) = (text(it, "queue.vhost"), text(it, "queue.name"));
    Cell::link(name, links::queue(host, name))
})
.also(&["queue.vhost"]);
const TAG: Column =
    Column::new("tag", "Tag", "consumer_tag", |it| Cell::Line(text(it, "consumer_tag").to_owned()));
const STATE: Column = Column::new("state", "State", "active", state).also(&[
    "activity_status",
    "exclusive",
    "ack_required",
    "prefetch_count",
]);
const ACKS: Column = Column::new("acks", "Acknowledges", "ack_required", |it| {
    at(it, "ack_required").as_bool().map_or(Cell::Nothing, Cell::yes)
})
.help("no: messages count as done as soon as they are sent");
const PREFETCH: Column = Column::new("prefetch", "Prefetch", "prefetch_count", prefetch).number();
const TIMEOUT: Column = Column::new("timeout", "Timeout", "consumer_timeout", |it| {
    Cell::duration(float(it, "consumer_timeout").map(|milliseconds| milliseconds / 1000.0))
})
.number()
.unsorted()
.help("A delivery that is not acknowledged by then closes the channel");
const ARGUMENTS: Column =
    Column::new("arguments", "Arguments", "arguments", |it| Cell::pairs(at(it, "arguments")))
        .unsorted();

const CONNECTION: Column =
    Column::new("connection", "Connection", "channel_details.connection_name", |it| {
        let name = text(it, "channel_details.connection_name");
        Cell::link(connections::peer(name), connections::path(name))
    });
const CHANNEL: Column = Column::new("channel", "Channel", "channel_details.number", |it| {
    let number = number(it, "channel_details.number").unwrap_or(0);
    Cell::link(number.to_string(), channels::path(text(it, "channel_details.name")))
})
.also(&["channel_details.name"]);
const USER: Column = Column::new("user", "User", "channel_details.user", |it| {
    Cell::text_at(it, "channel_details.user")
});
const UNACKNOWLEDGED: Column = Column::new("unacked", "Unacked", "messages_unacknowledged", |it| {
    Cell::count_at(it, "messages_unacknowledged")
})
.number()
.help("Messages that it has and did not acknowledge yet");
const DELIVERED: Column =
    Column::new("delivered", "Delivered", "delivered", |it| Cell::count_at(it, "delivered"))
        .number()
        .help("Messages that it got in all");
const PRIORITY: Column = Column::new("priority", "Priority", "priority", |it| {
    let number = at(it, "priority").as_i64().unwrap_or(0);
    Cell::Number { text: number.to_string(), title: String::new() }
})
.number()
.help("Those with a higher one are served first");

const COLUMNS: [Column; 13] = [
    QUEUE,
    TAG,
    CONNECTION,
    CHANNEL,
    USER.on_wish(),
    STATE,
    ACKS,
    PREFETCH,
    UNACKNOWLEDGED,
    DELIVERED.on_wish(),
    PRIORITY.on_wish(),
    TIMEOUT.on_wish(),
    ARGUMENTS.on_wish(),
];

/// The columns where the queue is known.
pub(crate) const OF_QUEUE: [Column; 12] = [
    TAG,
    CONNECTION,
    CHANNEL,
    USER,
    STATE,
    ACKS,
    PREFETCH,
    UNACKNOWLEDGED,
    DELIVERED,
    PRIORITY,
    TIMEOUT,
    ARGUMENTS,
];

/// The columns where the channel is known.
pub(crate) const OF_CHANNEL: [Column; 7] = [QUEUE, TAG, STATE, ACKS, PREFETCH, TIMEOUT, ARGUMENTS];

fn prefetch(consumer: &Value) -> Cell {
    match number(consumer, "prefetch_count") {
        None => Cell::Nothing,
        Some(0) => Cell::Number { text: "no limit".to_owned(), title: String::new() },
        count => Cell::count(count),
    }
}

fn state(consumer: &Value) -> Cell {
    let mut tags = vec![if is_true(consumer, "active") {
        Tag::new("active", "Messages go to it", Tone::Good)
    } else {
        Tag::plain("waiting", "Another consumer has its turn: the queue has a single active one")
    }];
    if is_true(consumer, "exclusive") {
        tags.push(Tag::plain("exclusive", "No other consumer may subscribe to the queue"));
    }
    let has_limit = number(consumer, "prefetch_count").is_none_or(|count| count > 0);
    if !has_limit && is_true(consumer, "ack_required") {
        let text = "All messages of the queue are sent to it at once, however many it can work on. \
                    The client sets a limit with basic.qos";
        tags.push(Tag::new("no prefetch", text, Tone::Warning));
    }
    Cell::Tags(tags)
}

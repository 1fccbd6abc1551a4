//! What stands at the top of all pages of a queue: its name, what it is, what can be done with it,
//! its tabs.

use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::cell::{Cell, Tag, Tone};
use crate::format::count;
use crate::frame::Frame;
use crate::links;
use crate::tab::Tab;
use crate::value::{is_true, number, text};
use crate::visit::Visit;

/// The top of a page of a queue.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) virtual_host: String,
    pub(super) name: String,
    /// The path of its first page.
    pub(super) path: String,
    /// What it is, in short words.
    pub(super) what: Cell,
    pub(super) is_paused: bool,
    pub(super) is_stream: bool,
    /// The page that publishes to it.
    pub(super) publish: String,
    pub(super) tabs: Vec<Tab>,
}

const TABS: [(&str, &str); 6] = [
    ("Overview", ""),
    ("Messages", "messages"),
    ("Unacknowledged", "unacked"),
    ("Consumers", "consumers"),
    ("Bindings", "bindings"),
    ("Settings", "settings"),
];

/// The queue that a page's path names: its virtual host and name.
pub(super) fn named(visit: &Visit) -> (&str, &str) {
    (visit.path("vhost"), visit.path("name"))
}

/// The path of a queue in the API.
pub(super) fn api(virtual_host: &str, name: &str) -> String {
    format!("/api{}", links::queue(virtual_host, name))
}

/// The queue that a page's path names, as the API gives it, with these parameters.
pub(super) async fn queue(visit: &Visit, query: &str) -> Result<Value, Refusal> {
    let (virtual_host, name) = named(visit);
    visit.get(&format!("{}?{query}", api(virtual_host, name))).await
}

impl Head {
    /// The top of the page with this tab.
    pub(super) fn of(queue: &Value, here: &str) -> Self {
        let (virtual_host, name) = (text(queue, "vhost"), text(queue, "name"));
        let path = links::queue(virtual_host, name);
        let mut tabs = Tab::all(&path, here, &TABS);
        for (title, member) in [
            ("Messages", "messages_ready"),
            ("Unacknowledged", "messages_unacknowledged"),
            ("Consumers", "consumers"),
        ] {
            let number = number(queue, member).unwrap_or(0);
            Tab::count(&mut tabs, title, if number > 0 { count(number) } else { String::new() });
        }
        let address = [("vhost", virtual_host), ("exchange", "amq.default"), ("routing_key", name)];
        Self {
            virtual_host: virtual_host.to_owned(),
            name: name.to_owned(),
            what: what(queue),
            is_paused: is_true(queue, "paused"),
            is_stream: text(queue, "type") == "stream",
            publish: format!("/publish{}", links::query(address)),
            path,
            tabs,
        }
    }

    /// The frame of the page, below the list of queues.
    pub(super) async fn frame(&self, visit: &Visit) -> Result<Frame, Refusal> {
        Ok(Frame::new(visit, &*self.name).await?.below("Queues", "/queues"))
    }

    /// The frame of a page that is not one of its tabs, below the queue's own.
    pub(super) async fn frame_below(&self, visit: &Visit, title: &str) -> Result<Frame, Refusal> {
        let frame = Frame::new(visit, title).await?;
        Ok(frame.below("Queues", "/queues").below(&*self.name, &*self.path))
    }
}

/// Type, state of being paused, virtual host.
fn what(queue: &Value) -> Cell {
    let mut tags = vec![];
    if is_true(queue, "paused") {
        let title = "Its consumers get nothing until it is resumed";
        tags.push(Tag::new("paused", title, Tone::Warning));
    }
    let title = match text(queue, "type") {
        "stream" => "A log: consumers read it, nothing leaves it by being read",
        "quorum" => "Durable, with a limit of deliveries",
        _ => "What AMQP describes",
    };
    tags.push(Tag::plain(text(queue, "type"), title));
    if is_true(queue, "exclusive") {
        tags.push(Tag::plain("exclusive", "It belongs to one connection, and goes with it"));
    }
    tags.push(Tag::plain(format!("in {}", text(queue, "vhost")), "Its virtual host"));
    Cell::Tags(tags)
}

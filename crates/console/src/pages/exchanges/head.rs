//! What stands at the top of all pages of an exchange: its name, what it is, what can be done with
//! it, its tabs.

use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::cell::{Cell, Tag, Tone};
use crate::frame::Frame;
use crate::links;
use crate::tab::Tab;
use crate::value::{is_true, text};
use crate::visit::Visit;

use super::kinds;

/// The top of a page of an exchange.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) virtual_host: String,
    /// Its name; empty for the default one.
    pub(super) name: String,
    /// The path of its first page.
    pub(super) path: String,
    /// What it is, in short words.
    pub(super) what: Cell,
    /// The page that publishes to it; empty if clients cannot.
    pub(super) publish: String,
    /// It can be deleted: it is none of those that every virtual host has.
    pub(super) can_go: bool,
    pub(super) tabs: Vec<Tab>,
}

const TABS: [(&str, &str); 4] = [
    ("Overview", ""),
    ("Bindings", "bindings"),
    ("Explain a route", "explain"),
    ("Unroutable", "unroutable"),
];

/// The name of an exchange as people read it: the default one has none.
pub(super) fn shown(name: &str) -> &str {
    if name.is_empty() { "(default)" } else { name }
}

/// Virtual host and name that a page's path has, with the name that the API gives the default one.
pub(super) fn named(visit: &Visit) -> (&str, &str) {
    (visit.path("vhost"), visit.path("name"))
}

/// The path in the API of the exchange that a page's path names.
pub(super) fn api(visit: &Visit) -> String {
    let (virtual_host, name) = named(visit);
    format!("/api{}", links::path(["exchanges", virtual_host, name]))
}

/// The exchange that a page's path names, as the API gives it, with these parameters.
pub(super) async fn exchange(visit: &Visit, query: &str) -> Result<Value, Refusal> {
    visit.get(&format!("{}?{query}", api(visit))).await
}

impl Head {
    /// The top of the page with this tab.
    pub(super) fn of(exchange: &Value, here: &str) -> Self {
        let (virtual_host, name) = (text(exchange, "vhost"), text(exchange, "name"));
        let path = links::exchange(virtual_host, name);
        let pairs = [("vhost", virtual_host), ("exchange", links::exchange_name(name))];
        let publish = format!("/publish{}", links::query(pairs));
        let is_internal = is_true(exchange, "internal");
        Self {
            virtual_host: virtual_host.to_owned(),
            name: name.to_owned(),
            what: what(exchange),
            publish: if is_internal { String::new() } else { publish },
            can_go: !name.is_empty() && !name.starts_with("amq."),
            tabs: Tab::all(&path, here, &TABS),
            path,
        }
    }

    pub(super) fn shown(&self) -> &str {
        shown(&self.name)
    }

    /// The frame of the page, below the list of exchanges.
    pub(super) async fn frame(&self, visit: &Visit) -> Result<Frame, Refusal> {
        Ok(Frame::new(visit, self.shown()).await?.below("Exchanges", "/exchanges"))
    }
}

/// Type, whether clients can publish to it, virtual host.
fn what(exchange: &Value) -> Cell {
    let kind = text(exchange, "type");
    let mut tags = vec![Tag::plain(kind, kinds::sentence(kind))];
    if is_true(exchange, "internal") {
        let title = "Clients cannot publish to it; other exchanges lead to it";
        tags.push(Tag::new("internal", title, Tone::Warning));
    }
    tags.push(Tag::plain(format!("in {}", text(exchange, "vhost")), "Its virtual host"));
    Cell::Tags(tags)
}

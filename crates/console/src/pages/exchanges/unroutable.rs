//! The last messages of an exchange that went nowhere.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::cell::Cell;
use crate::format::{bytes, grouped};
use crate::frame::Frame;
use crate::links;
use crate::reply::{Reply, page};
use crate::value::{at, is_true, items, number, text};
use crate::visit::Visit;

use super::explain::address;
use super::head::{self, Head};

#[derive(Template)]
#[template(path = "console/exchange_unroutable.html")]
struct UnroutablePage {
    frame: Frame,
    head: Head,
    /// How many there were, in words.
    count: String,
    lost: Vec<Lost>,
}

/// A message that went nowhere.
struct Lost {
    facts: Vec<(&'static str, Cell)>,
    time: u64,
    routing_key: String,
    payload: String,
    /// What is to be known of the payload; may be empty.
    note: String,
    /// The page that explains why.
    explain: String,
    /// The page that publishes it again; empty if not all of it is known.
    publish: String,
}

pub(super) async fn show(visit: Arc<Visit>) -> Reply {
    let exchange = head::exchange(&visit, "disable_stats=true").await?;
    let head = Head::of(&exchange, "unroutable");
    let found = unroutable(&visit).await?;
    let lost: Vec<_> = items(&found, "items").iter().map(|it| Lost::of(it, &head)).collect();
    let count = match number(&found, "total_count").unwrap_or(0) {
        0 => String::new(),
        1 => "1 message went nowhere since the broker was started.".to_owned(),
        all => format!(
            "{} messages went nowhere since the broker was started. The last {} are shown; of \
             many at once, one of each millisecond.",
            grouped(all),
            lost.len()
        ),
    };
    let frame = head.frame(&visit).await?;
    page(&UnroutablePage { frame, head, count, lost })
}

async fn unroutable(visit: &Visit) -> Result<Value, Refusal> {
    visit.get(&format!("{}/unroutable", head::api(visit))).await
}

impl Lost {
    fn facts(&self) -> &[(&'static str, Cell)] {
        &self.facts
    }

    fn of(message: &Value, head: &Head) -> Self {
        let properties = at(message, "properties");
        let (payload, encoding) = (text(message, "payload"), text(message, "payload_encoding"));
        let size = number(message, "payload_bytes").unwrap_or(0);
        let shown = if encoding == "base64" { payload.len() / 4 * 3 } else { payload.len() };
        let is_whole = size <= shown as u64;
        let note = match (is_whole, encoding) {
            (true, "base64") => "No text: shown as base64.".to_owned(),
            (true, _) => String::new(),
            (false, "base64") => format!("The beginning of {}, as base64.", bytes(size)),
            (false, _) => format!("The beginning of {}.", bytes(size)),
        };
        let (key, all) = (text(message, "routing_key"), properties.to_string());
        let pairs = [
            ("vhost", head.virtual_host.as_str()),
            ("exchange", links::exchange_name(&head.name)),
            ("routing_key", key),
            ("payload", payload),
            ("payload_encoding", encoding),
            ("properties", all.as_str()),
        ];
        let publish =
            if is_whole { format!("/publish{}", links::query(pairs)) } else { String::new() };
        Self {
            facts: facts(message, properties, size),
            time: number(message, "time").unwrap_or(0),
            routing_key: key.to_owned(),
            payload: payload.to_owned(),
            note,
            explain: address(head, key, properties),
            publish,
        }
    }
}

fn facts(message: &Value, properties: &Value, size: u64) -> Vec<(&'static str, Cell)> {
    let returned = if is_true(message, "returned") {
        "It went back to its publisher, who had asked for that (mandatory)."
    } else {
        "It was dropped: its publisher had not asked to have it back (mandatory)."
    };
    let mut others = properties.clone();
    if let Value::Object(others) = &mut others {
        others.remove("headers");
    }
    vec![
        ("What became of it", Cell::text(returned)),
        ("Headers", Cell::pairs(at(properties, "headers"))),
        ("Properties", Cell::pairs(&others)),
        ("Size", Cell::bytes(Some(size))),
    ]
}

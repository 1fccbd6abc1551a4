//! Logins: how many there were, by protocol and by source.

use std::sync::Arc;

use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::cell::{Cell, Tag, Tone};
use crate::form::Form;
use crate::links;
use crate::reply::{Reply, done};
use crate::sheet::Section;
use crate::table::{Column, Table};
use crate::value::{items, number, text};
use crate::visit::Visit;

const PROTOCOL: Column = Column::new("protocol", "By", "protocol", |it| {
    Cell::text(match text(it, "protocol") {
        "amqp091" => "AMQP",
        "http" => "HTTP",
        other => other,
    })
});
const GOOD: Column = Column::new("good", "Good", "auth_attempts_succeeded", |it| {
    Cell::count_at(it, "auth_attempts_succeeded")
})
.number();
const FAILED: Column = Column::new("failed", "Failed", "auth_attempts_failed", failed).number();

const BY_PROTOCOL: [Column; 3] = [PROTOCOL, GOOD, FAILED];

const BY_SOURCE: [Column; 5] = [
    Column::new("address", "From", "remote_address", |it| Cell::text_at(it, "remote_address")),
    Column::new("user", "User", "username", |it| Cell::text_at(it, "username")),
    PROTOCOL,
    GOOD,
    FAILED,
];

fn failed(counts: &Value) -> Cell {
    match number(counts, "auth_attempts_failed") {
        Some(count) if count > 0 => {
            Cell::Tags(vec![Tag::new(crate::format::grouped(count), "", Tone::Warning)])
        }
        count => Cell::count(count),
    }
}

/// How many there were.
pub(super) async fn section(visit: &Visit, node: &Value) -> Result<Section, Refusal> {
    let api = format!("/api/auth/attempts{}", links::path([text(node, "name")]));
    let counts = visit.get(&api).await?;
    let by_source = visit.get(&format!("{api}/source")).await?;
    let key = |it: &Value| {
        format!("{} {} {}", text(it, "protocol"), text(it, "remote_address"), text(it, "username"))
    };
    let of_protocols = Table::of(
        "Logins by protocol",
        &BY_PROTOCOL,
        items(&counts, ""),
        key,
        "Nobody logged in yet.",
    );
    let section = Section::new("Logins").table(of_protocols);
    let by_source = items(&by_source, "");
    if by_source.is_empty() {
        return Ok(section.text(
            "Where they come from is counted with track_auth_attempt_source = true in the \
             configuration. Refused ones are in the audit log.",
        ));
    }
    Ok(section.table(Table::of("Logins by source", &BY_SOURCE, by_source, key, "")))
}

/// The form that begins to count anew.
pub(super) fn reset_section() -> Section {
    Section::new("Count logins anew")
        .text(
            "The numbers of logins begin at 0 again. Whoever has to wait after failures waits on.",
        )
        .form(Form::new("/nodes/logins/reset", "Count anew"))
}

pub(super) async fn reset(visit: Arc<Visit>) -> Reply {
    let nodes = visit.get("/api/nodes?columns=name").await?;
    let name = items(&nodes, "").first().map_or("", |node| text(node, "name"));
    visit.delete(&format!("/api/auth/attempts{}", links::path([name]))).await?;
    done(&visit, "Logins are counted anew.", "/nodes")
}

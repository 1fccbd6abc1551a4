//! What the node uses: memory, disk, files, sockets.

use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::cell::Cell;
use crate::format;
use crate::sheet::Section;
use crate::value::number;
use crate::visit::Visit;

/// A number with what it is compared to, in words.
fn of(text: String, all: Option<String>, word: &str) -> Cell {
    let title = all.map_or_else(String::new, |all| format!("{word} {all}"));
    Cell::Number { text, title }
}

/// The numbers that are looked at first.
pub(super) fn figures(node: &Value) -> Vec<(&'static str, Cell)> {
    let bytes = |name: &str| number(node, name).map(format::bytes);
    let some = |name: &str| bytes(name).unwrap_or_default();
    let limit = |name: &str| bytes(name).filter(|_| number(node, name) != Some(0));
    let counts = |used: &str, all: &str| {
        let text = number(node, used).map(format::count).unwrap_or_default();
        of(text, number(node, all).map(format::count), "of")
    };
    vec![
        ("Memory", of(some("mem_used"), limit("mem_limit"), "alarm above")),
        ("Memory limit", Cell::text(limit("mem_limit").unwrap_or_else(|| "none".to_owned()))),
        ("Free disk", of(some("disk_free"), limit("disk_free_limit"), "alarm below")),
        ("Disk limit", Cell::text(limit("disk_free_limit").unwrap_or_else(|| "none".to_owned()))),
        ("Open files", counts("fd_used", "fd_total")),
        ("Files at most", Cell::count(number(node, "fd_total"))),
        ("Connections", Cell::count(number(node, "sockets_used"))),
        ("Up", Cell::duration(crate::value::float(node, "uptime").map(|it| it / 1000.0))),
    ]
}

/// What the memory consists of.
pub(super) async fn memory(visit: &Visit) -> Result<Section, Refusal> {
    let memory = visit.get("/api/memory").await?;
    let part = |name: &str| {
        let bytes = number(&memory, name)?;
        let all = number(&memory, "total").filter(|all| *all > 0)?;
        let share = format::percent(bytes as f64 / all as f64);
        Some(Cell::Number {
            text: format!("{} ({share})", format::bytes(bytes)),
            title: String::new(),
        })
    };
    let part = |name: &str| part(name).unwrap_or(Cell::Nothing);
    let facts = vec![
        ("All of it", Cell::bytes(number(&memory, "total"))),
        ("Queues with their messages", part("queues")),
        ("Waits to be sent to clients", part("unsent")),
        ("All else: program, caches, statistics, what the allocator keeps", part("other")),
    ];
    Ok(Section::new("What the memory consists of").facts(facts))
}

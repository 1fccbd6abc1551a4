//! What became of the objects of a file, or would become of them.

use serde_json::Value;

use super::reason;
use crate::cell::{Cell, Tag, Tone};
use crate::format::grouped;
use crate::sheet::Section;
use crate::table::{Head, Row, Table};
use crate::value::{items, number, text};

/// Objects that are listed at most.
const ROWS: usize = 1_000;

/// What can become of an object: the API's word, the word for what was done and for what would be, and
/// how good that is. Those that are worth a look come first.
const OUTCOMES: [(&str, &str, &str, Tone); 6] = [
    ("failed", "refused", "error", Tone::Bad),
    ("kept", "left as it was", "conflict", Tone::Warning),
    ("created", "created", "create", Tone::Good),
    ("updated", "changed", "change", Tone::Good),
    ("skipped", "passed over", "pass over", Tone::Plain),
    ("unchanged", "the same", "same", Tone::Plain),
];

/// "3 created, 1 refused".
pub(super) fn words(report: &Value, is_done: bool) -> String {
    let parts = OUTCOMES.iter().filter_map(|(name, done, would, _)| {
        let count = number(report, name).filter(|count| *count > 0)?;
        let word = match (is_done, *name) {
            (true, _) => done,
            (false, "created") => "to create",
            (false, "updated") => "to change",
            (false, "kept") => "in conflict",
            (false, "failed") => "with an error",
            (false, "skipped") => "to pass over",
            (false, _) => would,
        };
        Some(format!("{} {word}", grouped(count)))
    });
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { "The file names nothing".to_owned() } else { parts.join(", ") }
}

/// Whether something is not as the file says.
pub(super) fn has_problems(report: &Value) -> bool {
    ["failed", "kept"].iter().any(|name| number(report, name).is_some_and(|count| count > 0))
}

/// The objects, those first that are worth a look.
pub(super) fn section(report: &Value, is_done: bool) -> Section {
    let mut objects: Vec<&Value> = items(report, "objects").iter().collect();
    let rank = |object: &&Value| {
        let outcome = text(object, "outcome");
        OUTCOMES.iter().position(|(name, ..)| *name == outcome)
    };
    objects.sort_by_key(rank);
    let heads =
        ["Name", "Kind", "Virtual host", if is_done { "Became" } else { "Would be" }, "Why"];
    let rows = objects.iter().take(ROWS).enumerate().map(|(at, object)| row(at, object, is_done));
    let table = Table {
        caption: "Objects of the file".to_owned(),
        heads: heads.map(|it| Head { title: it.to_owned(), ..Head::default() }).into(),
        rows: rows.collect(),
        empty: "The file names nothing that is kept here.".to_owned(),
        ..Table::default()
    };
    let section = Section::new("Each object");
    let section = if objects.len() > ROWS {
        section.text(format!(
            "The first {} of {}:",
            grouped(ROWS as u64),
            grouped(objects.len() as u64)
        ))
    } else {
        section
    };
    section.table(table)
}

fn row(at: usize, object: &Value, is_done: bool) -> Row {
    let outcome = text(object, "outcome");
    let found = OUTCOMES.iter().find(|(name, ..)| *name == outcome);
    let (done, would, tone) = found
        .map_or((outcome, outcome, Tone::Plain), |(_, done, would, tone)| (*done, *would, *tone));
    let tag = Tag::new(if is_done { done } else { would }, "", tone);
    let why =
        if text(object, "reason").is_empty() { Cell::Nothing } else { Cell::text(reason(object)) };
    Row {
        key: format!("{at}"),
        name: text(object, "name").to_owned(),
        cells: vec![
            Cell::text_at(object, "name"),
            Cell::text(text(object, "category").replace('_', " ")),
            Cell::text_at(object, "vhost"),
            Cell::Tags(vec![tag]),
            why,
        ],
        buttons: vec![],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_told_in_words_with_what_needs_a_look_in_front() {
        let report = json!({"created": 3, "failed": 1, "kept": 0, "unchanged": 2});
        assert_eq!(words(&report, true), "1 refused, 3 created, 2 the same");
        assert_eq!(words(&report, false), "1 with an error, 3 to create, 2 same");
        assert_eq!(words(&json!({}), true), "The file names nothing");
        assert!(has_problems(&report) && !has_problems(&json!({"created": 1})));
    }
}

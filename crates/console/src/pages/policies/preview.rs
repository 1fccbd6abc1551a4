//! What a policy holds for, or would hold for.

use serde_json::Value;

use super::form::Filled;
use super::{Kind, count, priority, tone};
use crate::cell::{Cell, Tag, Tone};
use crate::error::Error;
use crate::format::grouped;
use crate::links;
use crate::sheet::Section;
use crate::table::{Head, Row, Table};
use crate::value::{is_true, items, text};
use crate::visit::Visit;

/// What the API says of it.
pub(super) async fn ask(visit: &Visit, kind: Kind, filled: &Filled) -> Result<Value, Error> {
    // A policy that is to be made may have no name yet.
    let name = if filled.name.is_empty() { "preview" } else { &filled.name };
    let path = format!("{}/preview", kind.api(&filled.virtual_host, name));
    let preview = visit.post(&path, &filled.body()?).await;
    preview.map_err(|refusal| plain(Error::from(refusal), kind))
}

/// An error without the signs of the API's words, which are Erlang's.
pub(super) fn plain(error: Error, kind: Kind) -> Error {
    let Error::Refused(refusal) = &error else { return error };
    if !refusal.reason.contains("are not recognised policy settings") {
        return error;
    }
    let names = refusal.reason.split("{<<\"").skip(1).filter_map(|it| it.split("\">>").next());
    let names = names.collect::<Vec<_>>().join(", ");
    Error::wrong(match kind {
        Kind::User => format!("There is no such setting: {names}."),
        Kind::Operator => format!("Operator policies have no such setting: {names}."),
    })
}

/// "3 queues and 1 exchange".
pub(super) fn held_words(preview: &Value) -> String {
    let words = |count: u64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{} {many}", grouped(count)),
    };
    match (count(preview, "queues"), count(preview, "exchanges")) {
        (0, 0) => "nothing".to_owned(),
        (queues, 0) => words(queues, "queue", "queues"),
        (0, exchanges) => words(exchanges, "exchange", "exchanges"),
        (queues, exchanges) => format!(
            "{} and {}",
            words(queues, "queue", "queues"),
            words(exchanges, "exchange", "exchanges")
        ),
    }
}

/// The section of a page that shows it.
pub(super) async fn section(visit: &Visit, kind: Kind, filled: &Filled) -> Result<Section, Error> {
    let section = Section::new("What it holds for");
    let preview = match ask(visit, kind, filled).await {
        Ok(preview) => preview,
        Err(error) => return Ok(section.hint(Tone::Bad, error.text())),
    };
    let held = count(&preview, "queues") + count(&preview, "exchanges");
    let mut section = match (held, count(&preview, "outranked")) {
        (0, 0) => section.hint(tone(true), NOTHING),
        _ => {
            let text = format!("As it is below, the policy holds for {}.", held_words(&preview));
            section.text(text)
        }
    };
    if let Some(warning) = outranked(visit, kind, filled, &preview).await {
        section = section.hint(Tone::Warning, warning);
    }
    let objects = items(&preview, "items");
    if !is_true(&preview, "is_complete") {
        let text = "There are so many names that not all were looked at. There may be more.";
        section = section.hint(Tone::Warning, text);
    } else if (objects.len() as u64) < held + count(&preview, "outranked") {
        section = section.text(format!("The first {} of them:", objects.len()));
    }
    if objects.is_empty() {
        Ok(section)
    } else {
        Ok(section.table(table(&filled.virtual_host, objects)))
    }
}

const NOTHING: &str = "Nothing that is there matches. The policy holds for what is declared later and \
     matches. If that is not meant, look at the pattern, and at what the policy is for: a setting that \
     a type of queue does not have keeps the policy from queues of that type.";

/// A sentence about those for which another policy wins, with its priority.
async fn outranked(visit: &Visit, kind: Kind, filled: &Filled, preview: &Value) -> Option<String> {
    let lost = count(preview, "outranked");
    if lost == 0 {
        return None;
    }
    let winner = items(preview, "items").iter().find(|it| !is_true(it, "holds"));
    let winner = winner.map_or("", |it| text(it, "winner"));
    let found = visit.get_if_allowed(&kind.api(&filled.virtual_host, winner)).await.ok().flatten();
    let rank = found.map_or_else(String::new, |it| format!(" with the priority {}", priority(&it)));
    let them = match lost {
        1 => "1 that matches".to_owned(),
        _ => format!("{} that match", grouped(lost)),
    };
    Some(format!(
        "For {them} another policy wins: {winner}{rank}. A higher priority would let this one win."
    ))
}

fn table(host: &str, objects: &[Value]) -> Table {
    let heads = ["Name", "What", "Type", "Then", "Now"];
    let heads = heads.map(|title| Head { title: title.to_owned(), ..Head::default() });
    let rows = objects.iter().map(|it| {
        let (name, kind) = (text(it, "name"), text(it, "kind"));
        let href = match kind {
            "queue" => links::queue(host, name),
            _ => links::exchange(host, name),
        };
        let then = if is_true(it, "holds") {
            Cell::Tags(vec![Tag::new("this policy", "", Tone::Good)])
        } else {
            Cell::Tags(vec![Tag::new(text(it, "winner"), "Another policy wins", Tone::Warning)])
        };
        let shown = if name.is_empty() { "(the default exchange)" } else { name };
        Row {
            key: format!("{kind} {name}"),
            name: name.to_owned(),
            cells: vec![
                Cell::link(shown, href),
                Cell::text(kind),
                Cell::text_at(it, "type"),
                then,
                Cell::text_at(it, "now"),
            ],
            buttons: vec![],
        }
    });
    Table {
        caption: "What the policy is for".to_owned(),
        heads: heads.into(),
        rows: rows.collect(),
        ..Table::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_that_there_are_not_are_told_by_their_names() {
        let reason = "Validation failed\n\n[{<<\"a-b\">>,<<\"1\">>},{<<\"c\">>,5}] are not recognised \
                      policy settings\n";
        let refusal = warren_admin::inner::Refusal {
            status: axum::http::StatusCode::BAD_REQUEST,
            reason: reason.to_owned(),
            body: serde_json::Value::Null,
        };
        let error = plain(Error::from(refusal), Kind::User);
        assert_eq!(error.to_string(), "There is no such setting: a-b, c.");
    }

    #[test]
    fn what_a_policy_holds_for_is_told_in_words() {
        let words = |queues: u64, exchanges: u64| {
            held_words(&json!({"queues": queues, "exchanges": exchanges}))
        };
        assert_eq!(words(0, 0), "nothing");
        assert_eq!(words(1, 0), "1 queue");
        assert_eq!(words(1_200, 2), "1,200 queues and 2 exchanges");
    }
}

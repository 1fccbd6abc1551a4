//! What holds for a queue and who says so, and what left it in another way than to a client.

use std::sync::Arc;

use serde_json::Value;

use super::arguments::{self, Argument};
use super::head::{Head, queue};
use super::tabs::TabPage;
use crate::cell::{Cell, Tag};
use crate::form::TypedRow;
use crate::links;
use crate::pages::Routes;
use crate::reply::{Reply, page};
use crate::sheet::{Part, Section};
use crate::table::{Head as TableHead, Row, Table};
use crate::value::{at, is_true, number, text};
use crate::visit::Visit;

pub(super) fn add(routes: Routes) -> Routes {
    routes.get("/queues/{vhost}/{name}/settings", show)
}

async fn show(visit: Arc<Visit>) -> Reply {
    let queue = queue(&visit, "").await?;
    let head = Head::of(&queue, "settings");
    let mut policies = Section::new("What holds").text(
        "Of what arguments and policies say, the lowest number holds; of all else the argument, then \
         the operator policy, then the policy.",
    );
    policies =
        policies.table(effective(&queue)).with(Part::Links(links_to_policies(&visit, &head)));
    let declared = Section::new("As it was declared")
        .text("This stays as it is for as long as the queue is there. To change something later, use a policy.")
        .facts(declared(&queue))
        .table(arguments_table(&queue));
    let left = Section::new("What left it otherwise than to a client")
        .text("Since the start of the broker.")
        .facts(losses(&queue));
    let frame = head.frame(&visit).await?;
    page(&TabPage { frame, head, live: vec![policies, declared, left], still: vec![] })
}

fn links_to_policies(visit: &Visit, head: &Head) -> Vec<(String, String, bool)> {
    if !visit.makes_policies() {
        return vec![];
    }
    let pattern = format!("^{}$", escaped(&head.name));
    let pairs = [("vhost", &*head.virtual_host), ("pattern", &pattern), ("apply-to", "queues")];
    let href = format!("/policies/new{}", links::query(pairs));
    vec![("Add a policy for this queue".to_owned(), href, false)]
}

/// A name as a pattern that finds it alone.
fn escaped(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for letter in name.chars() {
        if "\\.+*?()|[]{}^$#&-~ ".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

fn head(title: &str) -> TableHead {
    TableHead { title: title.to_owned(), ..TableHead::default() }
}

fn effective(queue: &Value) -> Table {
    let held = at(queue, "effective_policy_sources").as_object().into_iter().flatten();
    let row = |(key, held): (&String, &Value)| {
        let known = arguments::by_policy(key);
        let name = known.map_or_else(|| key.clone(), |known| known.label.to_owned());
        let shown =
            known.map_or_else(|| plain_cell(at(held, "value")), |it| it.shown(at(held, "value")));
        let cells =
            vec![Cell::text(name.clone()), shown, source(queue, held), Cell::Code(key.clone())];
        Row { key: key.clone(), name, cells, buttons: vec![] }
    };
    Table {
        caption: "What holds".to_owned(),
        heads: ["Setting", "Value", "Said by", "In policies"].map(head).into(),
        rows: held.map(row).collect(),
        empty: "Nothing special: no argument and no policy says anything about it.".to_owned(),
        is_choice: false,
    }
}

/// Who says something, with a link to where it is said.
fn source(queue: &Value, held: &Value) -> Cell {
    let host = text(queue, "vhost");
    match text(held, "source") {
        "policy" => {
            let name = text(queue, "policy");
            Cell::link(format!("policy {name}"), links::path(["policies", host, name]))
        }
        "operator_policy" => {
            let name = text(queue, "operator_policy");
            Cell::link(
                format!("operator policy {name}"),
                links::path(["operator-policies", host, name]),
            )
        }
        _ => Cell::Tags(vec![Tag::plain("argument", "It was said when the queue was declared")]),
    }
}

fn plain_cell(value: &Value) -> Cell {
    Cell::Code(crate::value::plain(value))
}

fn declared(queue: &Value) -> Vec<(&'static str, Cell)> {
    let yes = |member| Cell::yes(is_true(queue, member));
    vec![
        ("Type", Cell::text_at(queue, "type")),
        ("Durable", yes("durable")),
        ("Auto-delete", yes("auto_delete")),
        ("Exclusive", yes("exclusive")),
        ("Declared", Cell::time(number(queue, "declared_at"))),
    ]
}

fn arguments_table(queue: &Value) -> Table {
    let rows = TypedRow::of(at(queue, "arguments")).into_iter().map(|row| {
        let known = Argument::named(&row.name);
        let value = at(queue, "arguments").get(&row.name).unwrap_or(&Value::Null);
        let shown = known.map_or_else(|| plain_cell(value), |known| known.shown(value));
        let label = known.map_or("", |known| known.label);
        let cells = vec![Cell::Code(row.name.clone()), Cell::text(label), shown];
        Row { key: row.name.clone(), name: row.name, cells, buttons: vec![] }
    });
    Table {
        caption: "Arguments".to_owned(),
        heads: ["Argument", "Which is", "Value"].map(head).into(),
        rows: rows.collect(),
        empty: "It has no arguments.".to_owned(),
        is_choice: false,
    }
}

fn losses(queue: &Value) -> Vec<(&'static str, Cell)> {
    const KINDS: [(&str, &str); 8] = [
        ("Expired", "losses.expired"),
        ("Dropped, as the queue was full", "losses.dropped"),
        ("Rejected by consumers", "losses.rejected"),
        ("Came back too often", "losses.delivery_limit"),
        ("Purged", "losses.purged"),
        ("Could not be read from disk", "losses.lost"),
        ("Refused, as there was no room", "losses.refused"),
        ("Came from other queues", "moved_in"),
    ];
    KINDS.into_iter().map(|(label, path)| (label, Cell::count_at(queue, path))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_told_who_says_what_holds() {
        let queue = json!({
            "vhost": "/", "policy": "p", "operator_policy": "o",
            "effective_policy_sources": {
                "max-length": {"value": 5, "source": "operator_policy"},
                "message-ttl": {"value": 60_000, "source": "argument"},
                "something-new": {"value": "x", "source": "policy"},
            },
        });
        let table = effective(&queue);
        let texts: Vec<Vec<String>> = table
            .rows
            .iter()
            .map(|row| row.cells.iter().take(3).map(Cell::as_text).collect())
            .collect();
        assert_eq!(texts[0], ["Most messages", "5", "operator policy o"]);
        assert_eq!(texts[1][1..], ["1 min 0 s (60,000 ms)", "argument"]);
        assert_eq!(texts[2], ["something-new", "x", "policy p"]);
    }

    #[test]
    fn a_name_is_a_pattern_of_itself() {
        assert_eq!(escaped("a.b (1)"), "a\\.b\\ \\(1\\)");
    }
}

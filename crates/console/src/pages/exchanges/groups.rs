//! The groups of consumers of a virtual topic, and their queues.

use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::cell::Cell;
use crate::links;
use crate::table::{Column, Table};
use crate::value::{at, items, number, text};
use crate::visit::Visit;

use super::head;

/// How names of queues tell their group, where the exchange does not say.
const PREFIX: &str = "Consumer.*.";

/// Bindings that are looked at.
const BINDINGS: usize = 500;

/// A table of groups: a row for each queue and each of its patterns.
pub(super) async fn table(visit: &Visit, exchange: &Value) -> Result<Table, Refusal> {
    let path = head::api(visit);
    let query = format!("page=1&page_size={BINDINGS}");
    let bindings = visit.get(&format!("{path}/bindings/source?{query}")).await?;
    let prefix = prefix(at(exchange, "arguments"));
    let mut rows: Vec<Value> = vec![];
    for binding in items(&bindings, "items") {
        let mut row = binding.clone();
        let queue = text(binding, "destination");
        let group = group(at(binding, "arguments"), queue, &prefix);
        let found = match text(binding, "destination_type") {
            "queue" => waiting(visit, text(binding, "vhost"), queue).await?,
            _ => Value::Null,
        };
        if let Value::Object(row) = &mut row {
            row.insert("group".to_owned(), group.into());
            row.insert("queue".to_owned(), found);
        }
        rows.push(row);
    }
    rows.sort_by_key(|row| text(row, "group").to_owned());
    let empty = "No group subscribes. A client subscribes one by consuming from a queue called \
                 Consumer.GROUP.TOPIC, which is made then.";
    Ok(Table::of("Groups", &COLUMNS, &rows, crate::pages::binding_form::key, empty))
}

async fn waiting(visit: &Visit, host: &str, queue: &str) -> Result<Value, Refusal> {
    let path = links::path(["queues", host, queue]);
    let found = visit.get_if_allowed(&format!("/api{path}?columns=messages,consumers")).await?;
    Ok(found.unwrap_or_default())
}

const COLUMNS: [Column; 5] = [
    Column::new("group", "Group", "group", |it| Cell::text_at(it, "group")),
    Column::new("topic", "Topic", "routing_key", |it| {
        Cell::Code(text(it, "routing_key").to_owned())
    }),
    Column::new("queue", "Queue", "destination", |it| {
        let (host, name) = (text(it, "vhost"), text(it, "destination"));
        Cell::link(name, links::queue(host, name))
    }),
    Column::new("messages", "Waiting", "queue.messages", |it| Cell::count_at(it, "queue.messages"))
        .number(),
    Column::new("consumers", "Consumers", "queue.consumers", |it| {
        Cell::count(number(it, "queue.consumers"))
    })
    .number(),
];

/// How names of queues tell their group.
pub(crate) fn prefix(arguments: &Value) -> String {
    match (text(arguments, "x-vt-prefix"), text(arguments, "x-vt-separator")) {
        ("", "") => PREFIX.to_owned(),
        ("", separator) => PREFIX.replace('.', separator),
        (prefix, _) => prefix.to_owned(),
    }
}

/// The group of a queue: what its binding says, or its name, or it is one by itself.
pub(crate) fn group(arguments: &Value, queue: &str, prefix: &str) -> String {
    let said = text(arguments, "x-group");
    if !said.is_empty() {
        return said.to_owned();
    }
    let by_name = prefix.split_once('*').and_then(|(before, after)| {
        let (group, _) = queue.strip_prefix(before)?.split_once(after)?;
        Some(group).filter(|group| !group.is_empty())
    });
    by_name.map_or_else(|| format!("{queue} by itself"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_group_is_told_by_the_binding_or_by_the_name_of_the_queue() {
        let none = json!({});
        for (arguments, queue, group_name) in [
            (&none, "Consumer.billing.orders.#", "billing"),
            (&none, "billing", "billing by itself"),
            (&none, "Consumer.", "Consumer. by itself"),
            (&json!({"x-group": "audit"}), "Consumer.billing.x", "audit"),
        ] {
            assert_eq!(group(arguments, queue, &prefix(&none)), group_name);
        }
        let paths = json!({"x-vt-separator": "/"});
        assert_eq!(group(&none, "Consumer/a/b", &prefix(&paths)), "a");
        let own = json!({"x-vt-prefix": "g-*-", "x-vt-separator": "/"});
        assert_eq!(group(&none, "g-a-b", &prefix(&own)), "a");
    }
}

//! What would become of exchanges, queues and bindings, without declaring them.

use std::collections::HashSet;

use warren_engine::{Destination, Request, exchange_conflict, queue_conflict};
use warren_server::catalog::{Change, State};
use warren_server::view::View;

use super::report::{Outcome, Report};
use super::topology::Item;

/// Exchanges and queues that the file would make: category, virtual host, name.
pub(super) type WouldBe = HashSet<(&'static str, String, String)>;

/// Whether the file makes a virtual host.
pub(super) fn would_make(report: &Report, virtual_host: &str) -> bool {
    report
        .rehearsed
        .iter()
        .any(|change| matches!(change, Change::PutVirtualHost { name, .. } if name == virtual_host))
}

/// What the file would have made up to now.
pub(super) fn would_be(report: &Report) -> WouldBe {
    let made = report.entries.iter().filter(|entry| entry.outcome == Outcome::Created);
    let made = made.filter(|entry| matches!(entry.category, "exchanges" | "queues"));
    made.filter_map(|it| Some((it.category, it.vhost.clone()?, it.name.clone()))).collect()
}

/// Of something that is there: it is the same, or cannot become what the file says.
pub(super) fn of_known(view: &View, state: &State, item: &Item) -> Outcome {
    let host = item.virtual_host.as_str();
    let conflict = match &item.request {
        Request::QueueDeclare { name, declaration, arguments, .. } => {
            let has_type =
                state.virtual_host(host).is_some_and(|it| it.default_queue_type.is_some());
            view.queue(host, name).and_then(|(_, queue)| {
                queue_conflict(declaration, arguments, &queue.description.record, has_type)
            })
        }
        Request::ExchangeDeclare { name, kind, declaration, arguments } => {
            view.exchange(host, name).and_then(|(_, exchange)| {
                exchange_conflict(kind, declaration, arguments, &exchange.record)
            })
        }
        _ => None,
    };
    conflict.map_or(Outcome::Unchanged, Outcome::Kept)
}

/// Of something new: a binding needs both of its ends.
pub(super) fn of_new(view: &View, would_be: &WouldBe, item: &Item) -> Outcome {
    let Request::Bind { source, destination, .. } = &item.request else { return Outcome::Created };
    let host = item.virtual_host.as_str();
    let has_exchange = |name: &str| {
        view.exchange(host, name).is_some()
            || would_be.contains(&("exchanges", host.to_owned(), name.to_owned()))
    };
    if !has_exchange(source) {
        return Outcome::Failed(format!("no exchange '{source}' in vhost '{host}'"));
    }
    match destination {
        Destination::Exchange(name) if !has_exchange(name) => {
            Outcome::Failed(format!("no exchange '{name}' in vhost '{host}'"))
        }
        Destination::Queue(name)
            if view.queue(host, name).is_none()
                && !would_be.contains(&("queues", host.to_owned(), name.clone())) =>
        {
            Outcome::Failed(format!("no queue '{name}' in vhost '{host}'"))
        }
        _ => Outcome::Created,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use serde_json::{Value, json};

    use crate::testing::Fixture;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_dry_run_tells_conflicts_and_what_is_missing() {
        let fixture = Fixture::new().await;
        fixture.ask(Method::PUT, "/api/queues/%2F/there", "{\"durable\": true}").await;
        fixture.ask(Method::PUT, "/api/queues/%2F/same", "{\"durable\": true}").await;
        let exchange = "{\"type\": \"fanout\", \"durable\": true}";
        fixture.ask(Method::PUT, "/api/exchanges/%2F/out", exchange).await;
        let queue = |host: &str, name: &str, arguments: Value| {
            json!({"vhost": host, "name": name, "durable": true, "auto_delete": false,
                   "arguments": arguments})
        };
        let binding = |source: &str, queue: &str| {
            json!({"vhost": "/", "source": source, "destination": queue,
                   "destination_type": "queue", "routing_key": "", "arguments": {}})
        };
        let file = json!({
            "vhosts": [{"name": "new"}],
            "exchanges": [{"vhost": "/", "name": "out", "type": "topic", "durable": true,
                           "auto_delete": false, "internal": false, "arguments": {}}],
            "queues": [
                queue("/", "there", json!({"x-max-length": 5})), queue("/", "same", json!({})),
                queue("new", "a", json!({})), queue("nowhere", "b", json!({})),
                queue("/", "c", json!({})),
            ],
            "bindings": [binding("out", "c"), binding("out", "none"), binding("none", "c")],
        });
        let path = "/api/definitions?dry_run=true";
        let answer = fixture.ask(Method::POST, path, &file.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let report = answer.json();
        let outcomes: Vec<_> = report["objects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                format!("{} {}", it["name"].as_str().unwrap(), it["outcome"].as_str().unwrap())
            })
            .collect();
        for expected in [
            "out kept",
            "there kept",
            "same unchanged",
            "a created",
            "b failed",
            "c created",
            "out -> queue c () created",
            "out -> queue none () failed",
            "none -> queue c () failed",
        ] {
            assert!(outcomes.iter().any(|it| it == expected), "{expected}: {outcomes:?}");
        }
        fixture.stop().await;
    }
}

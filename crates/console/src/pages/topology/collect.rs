//! The graph of a virtual host, from what the API tells.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use warren_admin::inner::Refusal;

use super::graph::{Graph, Kind, Node, Way};
use crate::links;
use crate::pages::exchanges::groups;
use crate::value::{at, float, items, number, text};
use crate::visit::Visit;

/// What the API tells of a virtual host.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) exchanges: Value,
    pub(super) queues: Value,
    pub(super) bindings: Value,
    pub(super) consumers: Value,
    pub(super) connections: Value,
    pub(super) policies: Value,
}

/// Asks for all of it.
///
/// # Errors
///
/// The API refuses it, or there is too much.
pub(super) async fn ask(visit: &Visit, host: &str) -> Result<Told, Refusal> {
    let list =
        |what: &str, columns: &str| format!("/api{}?columns={columns}", links::path([what, host]));
    let connections = format!(
        "/api{}?columns=name,user_provided_name",
        links::path(["vhosts", host, "connections"])
    );
    Ok(Told {
        exchanges: visit
            .get(&list("exchanges", "name,type,arguments,policy,message_stats"))
            .await?,
        queues: visit
            .get(&list(
                "queues",
                "name,type,messages,consumers,arguments,effective_policy_definition,message_stats",
            ))
            .await?,
        bindings: visit
            .get(&list("bindings", "source,destination,destination_type,routing_key,arguments"))
            .await?,
        consumers: visit
            .get(&list("consumers", "queue.name,channel_details.connection_name"))
            .await?,
        connections: visit.get_if_allowed(&connections).await?.unwrap_or_default(),
        policies: visit.get(&list("policies", "name,definition")).await?,
    })
}

/// The graph of what was told; with the default exchange, which leads to every queue, or without.
pub(super) fn graph(told: &Told, host: &str, has_default: bool) -> Graph {
    let mut builder = Builder { host, graph: Graph::default(), places: HashMap::new() };
    builder.exchanges(told, has_default);
    builder.queues(told);
    builder.bindings(told, has_default);
    builder.alternates(told);
    builder.dead_letters(told);
    builder.consumers(told);
    builder.graph
}

struct Builder<'a> {
    host: &'a str,
    graph: Graph,
    /// Where the nodes of these names are.
    places: HashMap<(Kind, String), usize>,
}

impl Builder<'_> {
    fn add(&mut self, node: Node) -> usize {
        let place = self.graph.nodes.len();
        self.places.insert((node.kind, node.name.clone()), place);
        self.graph.nodes.push(node);
        place
    }

    fn place(&self, kind: Kind, name: &str) -> Option<usize> {
        self.places.get(&(kind, name.to_owned())).copied()
    }

    fn exchanges(&mut self, told: &Told, has_default: bool) {
        for exchange in items(&told.exchanges, "") {
            let name = text(exchange, "name");
            if name.is_empty() && !has_default {
                continue;
            }
            self.add(Node {
                kind: Kind::Exchange,
                name: name.to_owned(),
                count: 1,
                href: links::exchange(self.host, name),
                detail: text(exchange, "type").to_owned(),
                depth: 0,
                rates: rates(exchange, "publish_in", "publish_out"),
            });
        }
    }

    fn queues(&mut self, told: &Told) {
        for queue in items(&told.queues, "") {
            let name = text(queue, "name");
            self.add(Node {
                kind: Kind::Queue,
                name: name.to_owned(),
                count: 1,
                href: links::queue(self.host, name),
                detail: text(queue, "type").to_owned(),
                depth: number(queue, "messages").unwrap_or(0),
                rates: rates(queue, "publish", "deliver_get"),
            });
        }
    }

    fn bindings(&mut self, told: &Told, has_default: bool) {
        let topics: HashMap<&str, String> = items(&told.exchanges, "")
            .iter()
            .filter(|exchange| text(exchange, "type") == "x-virtual-topic")
            .map(|exchange| (text(exchange, "name"), groups::prefix(at(exchange, "arguments"))))
            .collect();
        for binding in items(&told.bindings, "") {
            let (source, name) = (text(binding, "source"), text(binding, "destination"));
            if source.is_empty() && !has_default {
                continue;
            }
            let kind = match text(binding, "destination_type") {
                "exchange" => Kind::Exchange,
                _ => Kind::Queue,
            };
            let ends = (self.place(Kind::Exchange, source), self.place(kind, name));
            let (Some(from), Some(to)) = ends else { continue };
            // The default exchange's keys are the names of its queues.
            let key = if source.is_empty() { String::new() } else { key(binding) };
            match topics.get(source) {
                Some(prefix) => {
                    let group = groups::group(at(binding, "arguments"), name, prefix);
                    let key = format!("{group}: {key}");
                    self.graph.connect(from, to, Way::Subscription, &key);
                }
                None => self.graph.connect(from, to, Way::Binding, &key),
            }
        }
    }

    fn alternates(&mut self, told: &Told) {
        let policies: HashMap<&str, &Value> = items(&told.policies, "")
            .iter()
            .map(|policy| (text(policy, "name"), at(policy, "definition")))
            .collect();
        for exchange in items(&told.exchanges, "") {
            let declared = text(at(exchange, "arguments"), "alternate-exchange");
            let policy = policies.get(text(exchange, "policy"));
            let by_policy = policy.map_or("", |it| text(it, "alternate-exchange"));
            let name = if declared.is_empty() { by_policy } else { declared };
            let from = self.place(Kind::Exchange, text(exchange, "name"));
            let to = self.place(Kind::Exchange, name).filter(|_| !name.is_empty());
            if let (Some(from), Some(to)) = (from, to) {
                self.graph.connect(from, to, Way::Alternate, "");
            }
        }
    }

    /// To the dead letter exchange; or, as the default one leads there, to the queue.
    fn dead_letters(&mut self, told: &Told) {
        for queue in items(&told.queues, "") {
            let Some(exchange) = setting(queue, "dead-letter-exchange") else { continue };
            let key = setting(queue, "dead-letter-routing-key").unwrap_or("");
            let Some(from) = self.place(Kind::Queue, text(queue, "name")) else { continue };
            let to = match exchange {
                "" => self.place(Kind::Queue, key),
                name => self.place(Kind::Exchange, name),
            };
            if let Some(to) = to {
                self.graph.connect(from, to, Way::DeadLetter, key);
            }
        }
    }

    /// One node for all connections that consume from the same queues.
    fn consumers(&mut self, told: &Told) {
        let mut queues_of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for consumer in items(&told.consumers, "") {
            let connection = text(consumer, "channel_details.connection_name");
            let queue = self.place(Kind::Queue, text(consumer, "queue.name"));
            queues_of.entry(connection).or_default().extend(queue);
        }
        let mut same: BTreeMap<Vec<usize>, Vec<&str>> = BTreeMap::new();
        for (connection, mut queues) in queues_of {
            queues.sort_unstable();
            queues.dedup();
            if !queues.is_empty() {
                same.entry(queues).or_default().push(connection);
            }
        }
        let names: HashMap<&str, &str> = items(&told.connections, "")
            .iter()
            .map(|it| (text(it, "name"), text(it, "user_provided_name")))
            .filter(|(_, name)| !name.is_empty())
            .collect();
        for (queues, connections) in same {
            let name = common_name(&connections, &names);
            let href = match (connections.as_slice(), queues.as_slice()) {
                ([one], _) => links::path(["connections", one]),
                (_, [queue]) => format!("{}/consumers", self.graph.nodes[*queue].href),
                _ => "/consumers".to_owned(),
            };
            let out = queues.iter().map(|queue| self.graph.nodes[*queue].rates.1).sum();
            let place = self.add(Node {
                kind: Kind::Consumers,
                name,
                count: connections.len() as u64,
                href,
                detail: String::new(),
                depth: 0,
                rates: (out, 0.0),
            });
            for queue in queues {
                self.graph.connect(queue, place, Way::Delivery, "");
            }
        }
    }
}

/// What connections are called: the names that clients gave them, or where they come from.
fn common_name(connections: &[&str], names: &HashMap<&str, &str>) -> String {
    let name = |connection: &str| match names.get(connection) {
        Some(name) => (*name).to_owned(),
        None => connection.split(" -> ").next().unwrap_or(connection).to_owned(),
    };
    let mut all: Vec<String> = connections.iter().map(|it| name(it)).collect();
    all.sort_unstable();
    all.dedup();
    match all.as_slice() {
        [one] => one.clone(),
        [first, ..] => format!("{first} and others"),
        [] => String::new(),
    }
}

fn rates(object: &Value, incoming: &str, outgoing: &str) -> (f64, f64) {
    let rate =
        |name: &str| float(object, &format!("message_stats.{name}_details.rate")).unwrap_or(0.0);
    (rate(incoming), rate(outgoing))
}

/// A setting of a queue: as it was declared, or else as policies say.
fn setting<'a>(queue: &'a Value, name: &str) -> Option<&'a str> {
    let declared = at(queue, "arguments").get(format!("x-{name}"));
    let by_policy = at(queue, "effective_policy_definition").get(name);
    declared.or(by_policy).and_then(Value::as_str)
}

/// The key of a binding; without one, the headers that it wants.
fn key(binding: &Value) -> String {
    let key = text(binding, "routing_key");
    let arguments = at(binding, "arguments").as_object().into_iter().flatten();
    let wanted = arguments.filter(|(name, _)| !name.starts_with("x-"));
    let wanted: Vec<String> =
        wanted.map(|(name, value)| format!("{name}={}", crate::value::plain(value))).collect();
    match (key, wanted.is_empty()) {
        (key, true) => key.to_owned(),
        ("", false) => wanted.join(", "),
        (key, false) => format!("{key} ({})", wanted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told() -> Told {
        let binding = |source: &str, kind: &str, name: &str, key: &str| {
            json!({"source": source, "destination_type": kind, "destination": name,
                   "routing_key": key, "arguments": {}})
        };
        Told {
            exchanges: json!([
                {"name": "", "type": "direct"},
                {"name": "shop", "type": "topic", "policy": "p", "arguments": {}},
                {"name": "rest", "type": "fanout", "arguments": {"alternate-exchange": "none"}},
                {"name": "topics", "type": "x-virtual-topic", "arguments": {}},
            ]),
            queues: json!([
                {"name": "orders", "messages": 5, "message_stats": {"publish_details": {"rate": 2.5}},
                 "arguments": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}},
                {"name": "dead", "effective_policy_definition": {"dead-letter-exchange": "rest"}},
                {"name": "Consumer.billing.orders.#"},
            ]),
            bindings: json!([
                binding("", "queue", "orders", "orders"),
                binding("shop", "queue", "orders", "order.*"),
                binding("shop", "exchange", "rest", ""),
                binding("shop", "queue", "gone", ""),
                binding("topics", "queue", "Consumer.billing.orders.#", "orders.#"),
            ]),
            consumers: json!([
                {"queue": {"name": "orders"}, "channel_details": {"connection_name": "a:1 -> b:2"}},
                {"queue": {"name": "orders"}, "channel_details": {"connection_name": "a:3 -> b:2"}},
                {"queue": {"name": "dead"}, "channel_details": {"connection_name": "a:4 -> b:2"}},
            ]),
            connections: json!([
                {"name": "a:1 -> b:2", "user_provided_name": "worker"},
                {"name": "a:3 -> b:2", "user_provided_name": "worker"},
            ]),
            policies: json!([{"name": "p", "definition": {"alternate-exchange": "rest"}}]),
        }
    }

    fn ways(graph: &Graph) -> Vec<(String, String, Way, String)> {
        let name = |at: usize| graph.nodes[at].name.clone();
        let edges = graph.edges.iter();
        edges.map(|it| (name(it.from), name(it.to), it.way, it.keys.join(","))).collect()
    }

    #[test]
    fn all_ways_of_messages_are_in_the_graph() {
        let found = graph(&told(), "/", false);
        let way = |from: &str, to: &str, way: Way, key: &str| {
            (from.to_owned(), to.to_owned(), way, key.to_owned())
        };
        let group = "Consumer.billing.orders.#";
        assert_eq!(
            ways(&found),
            [
                way("shop", "orders", Way::Binding, "order.*"),
                way("shop", "rest", Way::Binding, ""),
                way("topics", group, Way::Subscription, "billing: orders.#"),
                way("shop", "rest", Way::Alternate, ""),
                way("orders", "dead", Way::DeadLetter, "dead"),
                way("dead", "rest", Way::DeadLetter, ""),
                way("orders", "worker", Way::Delivery, ""),
                way("dead", "a:4", Way::Delivery, ""),
            ]
        );
        let worker = found.nodes.iter().find(|node| node.name == "worker").unwrap();
        assert_eq!((worker.count, worker.href.as_str()), (2, "/queues/%2F/orders/consumers"));
    }

    #[test]
    fn the_default_exchange_is_there_if_it_is_wanted() {
        let found = graph(&told(), "/", true);
        assert_eq!(found.nodes[0].name, "");
        assert!(ways(&found).iter().any(|(from, to, _, _)| from.is_empty() && to == "orders"));
    }

    #[test]
    fn headers_stand_for_a_key() {
        let binding = json!({"routing_key": "", "arguments": {"x-match": "all", "kind": "job"}});
        assert_eq!(key(&binding), "kind=job");
    }
}

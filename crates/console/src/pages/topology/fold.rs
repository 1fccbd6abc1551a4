//! Too many nodes to look at are folded: those of a kind whose names begin with the same word become
//! one, with the sum of their numbers; and if there are too many words, the rare ones become one too.

use std::collections::HashMap;

use super::graph::{Graph, Kind, Node};
use crate::links;

/// Nodes that can be looked at.
pub(super) const MOST_NODES: usize = 300;

/// Nodes of a kind that are left after folding.
const MOST_OF_KIND: usize = MOST_NODES / 3;

/// Folds a graph if it is too large. Gives whether it was.
pub(super) fn fold(graph: &mut Graph, host: &str) -> bool {
    if graph.nodes.len() <= MOST_NODES {
        return false;
    }
    for kind in [Kind::Queue, Kind::Consumers, Kind::Exchange] {
        if graph.nodes.len() > MOST_NODES {
            fold_kind(graph, kind, host);
        }
    }
    true
}

/// What a name begins with: its first word, with what ends it. A name of one word is left alone.
fn beginning(name: &str) -> Option<&str> {
    let end = name.char_indices().skip(1).find(|(_, c)| ".-_:/ ".contains(*c));
    end.map(|(at, _)| &name[..=at])
}

fn fold_kind(graph: &mut Graph, kind: Kind, host: &str) {
    let of_kind = |node: &&Node| node.kind == kind;
    let mut counts: HashMap<String, u64> = HashMap::new();
    for node in graph.nodes.iter().filter(of_kind) {
        *counts.entry(group_of(node)).or_default() += 1;
    }
    let kept = common(&counts);
    // For each node the one that it becomes.
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut becomes = vec![];
    let mut nodes: Vec<Node> = vec![];
    for node in std::mem::take(&mut graph.nodes) {
        if node.kind != kind {
            becomes.push(nodes.len());
            nodes.push(node);
            continue;
        }
        let group = group_of(&node);
        let group = if kept.contains(&group) { group } else { String::new() };
        if let Some(at) = places.get(&group) {
            add(&mut nodes[*at], &node, &group, host);
            becomes.push(*at);
        } else {
            places.insert(group, nodes.len());
            becomes.push(nodes.len());
            nodes.push(node);
        }
    }
    graph.nodes = nodes;
    for edge in &mut graph.edges {
        (edge.from, edge.to) = (becomes[edge.from], becomes[edge.to]);
    }
}

/// Who folds together: those whose names begin with the same word.
fn group_of(node: &Node) -> String {
    beginning(&node.name).unwrap_or(&node.name).to_owned()
}

/// The groups that are left: the largest ones.
fn common(counts: &HashMap<String, u64>) -> Vec<String> {
    let mut groups: Vec<(&String, &u64)> = counts.iter().collect();
    groups.sort_by(|(name, count), (other, more)| more.cmp(count).then(name.cmp(other)));
    let left = if groups.len() > MOST_OF_KIND { MOST_OF_KIND - 1 } else { groups.len() };
    groups.into_iter().take(left).map(|(name, _)| name.clone()).collect()
}

/// Adds a node to the one that stands for its group; a group without a name is of all that are rare.
fn add(to: &mut Node, node: &Node, group: &str, host: &str) {
    if to.count == 1 {
        (to.name, to.href) = match (to.kind, group) {
            (Kind::Exchange, "") => ("others".to_owned(), "/exchanges".to_owned()),
            (Kind::Queue, "") => ("others".to_owned(), "/queues".to_owned()),
            (Kind::Consumers, "") => ("others".to_owned(), "/consumers".to_owned()),
            (Kind::Consumers, group) => (format!("{group}*"), "/consumers".to_owned()),
            (_, group) => {
                // The same page, with these alone.
                let pairs = [("vhost", host), ("q", group)];
                (format!("{group}*"), format!("/topology{}", links::query(pairs)))
            }
        };
        to.detail = String::new();
    }
    to.count += node.count;
    to.depth += node.depth;
    to.rates.0 += node.rates.0;
    to.rates.1 += node.rates.1;
}

#[cfg(test)]
mod tests {
    use super::super::graph::Way;
    use super::super::graph::tests::node;
    use super::*;

    #[test]
    fn names_that_begin_with_the_same_word_become_one_node() {
        let mut graph = Graph { nodes: vec![node(Kind::Exchange, "shop")], edges: vec![] };
        for number in 0..400 {
            let word = if number % 2 == 0 { "orders" } else { "mail" };
            graph.nodes.push(node(Kind::Queue, &format!("{word}.{number}")));
            graph.connect(0, number + 1, Way::Binding, word);
        }
        graph.nodes.push(node(Kind::Queue, "alone"));
        assert!(fold(&mut graph, "/"));
        graph.join();
        let names: Vec<&str> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["shop", "orders.*", "mail.*", "alone"]);
        assert_eq!((graph.nodes[1].count, graph.nodes[1].depth), (200, 200));
        assert_eq!(graph.nodes[1].href, "/topology?vhost=%2F&q=orders.");
        let [edge, _] = graph.edges.as_slice() else { panic!("{:?}", graph.edges) };
        assert_eq!((edge.count, &edge.keys), (200, &vec!["orders".to_owned()]));
    }

    #[test]
    fn rare_beginnings_become_one_node() {
        let mut graph = Graph::default();
        for number in 0..1_000 {
            graph.nodes.push(node(Kind::Queue, &format!("queue{number}")));
        }
        assert!(fold(&mut graph, "/"));
        assert_eq!(graph.nodes.len(), MOST_OF_KIND);
        let others = graph.nodes.iter().find(|node| node.name == "others").unwrap();
        assert_eq!(others.count, 901);
        let mut small = Graph { nodes: vec![node(Kind::Queue, "a"); MOST_NODES], edges: vec![] };
        assert!(!fold(&mut small, "/"));
    }

    #[test]
    fn a_name_begins_with_its_first_word() {
        assert_eq!(beginning("orders.eu.1"), Some("orders."));
        assert_eq!(beginning(".hidden.x"), Some(".hidden."));
        assert_eq!(beginning("\u{e4}\u{f6}-x"), Some("\u{e4}\u{f6}-"));
        assert_eq!(beginning("orders"), None);
    }
}

//! What a topology is made of: exchanges, queues and consumers, and the ways between them.

use std::collections::{HashMap, HashSet};

/// What stands in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Exchange,
    Queue,
    Consumers,
}

/// One of them, or several that are folded into one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Its name; with others like it, what they have in common.
    pub(super) name: String,
    /// How many are folded into it.
    pub(super) count: u64,
    /// The page about it.
    pub(super) href: String,
    /// Of an exchange: its type.
    pub(super) detail: String,
    /// Of a queue: messages in it.
    pub(super) depth: u64,
    /// Messages a second that come in, and that go out.
    pub(super) rates: (f64, f64),
}

/// What leads from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Way {
    Binding,
    /// A subscription of a group to a virtual topic.
    Subscription,
    /// The alternate exchange of an exchange.
    Alternate,
    /// The dead letter exchange of a queue.
    DeadLetter,
    /// A queue's messages to its consumers.
    Delivery,
}

/// A way between two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) way: Way,
    /// Binding keys, or the groups that subscribe; without doubles.
    pub(super) keys: Vec<String>,
    /// How many ways it stands for.
    pub(super) count: u64,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
}

impl Kind {
    /// The class of the style sheet, and the word for one of them.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Queue => "queue",
            Self::Consumers => "consumers",
        }
    }
}

impl Way {
    /// The class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Subscription => "subscription",
            Self::Alternate => "alternate",
            Self::DeadLetter => "dead-letter",
            Self::Delivery => "delivery",
        }
    }

    /// What it is, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Subscription => "subscription to a virtual topic",
            Self::Alternate => "alternate exchange",
            Self::DeadLetter => "dead letters",
            Self::Delivery => "deliveries",
        }
    }
}

impl Graph {
    /// Adds a way, or adds to one that there is between the same two.
    pub(super) fn connect(&mut self, from: usize, to: usize, way: Way, key: &str) {
        let edge = Edge { from, to, way, keys: vec![key.to_owned()], count: 1 };
        self.edges.push(edge);
    }

    /// Makes one of those that are the same way between the same two.
    pub(super) fn join(&mut self) {
        let mut places: HashMap<(usize, usize, Way), usize> = HashMap::new();
        let mut joined: Vec<Edge> = vec![];
        for edge in std::mem::take(&mut self.edges) {
            match places.get(&(edge.from, edge.to, edge.way)).and_then(|at| joined.get_mut(*at)) {
                Some(same) => {
                    same.count += edge.count;
                    same.keys.extend(edge.keys);
                }
                None => {
                    places.insert((edge.from, edge.to, edge.way), joined.len());
                    joined.push(edge);
                }
            }
        }
        for edge in &mut joined {
            edge.keys.retain(|key| !key.is_empty());
            edge.keys.sort_unstable();
            edge.keys.dedup();
        }
        self.edges = joined;
    }

    /// Leaves those nodes alone that are wanted, with the ways between them.
    pub(super) fn keep(&mut self, is_wanted: &[bool]) {
        let mut places = vec![None; self.nodes.len()];
        let mut kept = vec![];
        for (at, node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            if is_wanted.get(at) == Some(&true) {
                places[at] = Some(kept.len());
                kept.push(node);
            }
        }
        self.nodes = kept;
        self.edges.retain_mut(|edge| match (places[edge.from], places[edge.to]) {
            (Some(from), Some(to)) => {
                (edge.from, edge.to) = (from, to);
                true
            }
            _ => false,
        });
    }

    /// Which nodes a way leads from or to.
    pub(super) fn connected(&self) -> Vec<bool> {
        let mut is_connected = vec![false; self.nodes.len()];
        for edge in &self.edges {
            is_connected[edge.from] = true;
            is_connected[edge.to] = true;
        }
        is_connected
    }

    /// Which nodes have this in their names, or lead to one of them, or are led to from one.
    pub(super) fn around(&self, name: &str) -> Vec<bool> {
        let name = name.to_lowercase();
        let named = |node: &Node| node.name.to_lowercase().contains(&name);
        let found: Vec<usize> =
            (0..self.nodes.len()).filter(|at| named(&self.nodes[*at])).collect();
        let mut is_wanted = vec![false; self.nodes.len()];
        for is_forward in [true, false] {
            let mut next: HashMap<usize, Vec<usize>> = HashMap::new();
            for edge in &self.edges {
                let (from, to) =
                    if is_forward { (edge.from, edge.to) } else { (edge.to, edge.from) };
                next.entry(from).or_default().push(to);
            }
            let mut seen: HashSet<usize> = found.iter().copied().collect();
            let mut pending = found.clone();
            while let Some(at) = pending.pop() {
                is_wanted[at] = true;
                let further = next.get(&at).into_iter().flatten();
                pending.extend(further.copied().filter(|to| seen.insert(*to)));
            }
        }
        is_wanted
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn node(kind: Kind, name: &str) -> Node {
        Node {
            kind,
            name: name.to_owned(),
            count: 1,
            href: format!("/{name}"),
            detail: String::new(),
            depth: 1,
            rates: (1.0, 2.0),
        }
    }

    /// Exchanges a and b, queues p and q, a consumer: a to b to p, a to q, dead letters of p to b.
    pub(in super::super) fn graph() -> Graph {
        let names = [(Kind::Exchange, "a"), (Kind::Exchange, "b"), (Kind::Queue, "p")];
        let names = names.into_iter().chain([(Kind::Queue, "q"), (Kind::Consumers, "c")]);
        let mut graph =
            Graph { nodes: names.map(|(kind, name)| node(kind, name)).collect(), edges: vec![] };
        graph.connect(0, 1, Way::Binding, "k");
        graph.connect(1, 2, Way::Binding, "x");
        graph.connect(1, 2, Way::Binding, "x");
        graph.connect(1, 2, Way::Binding, "w");
        graph.connect(0, 3, Way::Binding, "");
        graph.connect(2, 1, Way::DeadLetter, "");
        graph.connect(3, 4, Way::Delivery, "");
        graph
    }

    #[test]
    fn the_same_way_is_drawn_once_with_all_its_keys() {
        let mut graph = graph();
        graph.join();
        let edge = graph.edges.iter().find(|edge| edge.from == 1).unwrap();
        assert_eq!((edge.count, &edge.keys), (3, &vec!["w".to_owned(), "x".to_owned()]));
        assert_eq!(graph.edges.len(), 5);
    }

    #[test]
    fn around_a_name_is_what_leads_there_and_what_comes_after() {
        let mut graph = graph();
        let is_wanted = graph.around("P");
        assert_eq!(is_wanted, [true, true, true, false, false]);
        graph.keep(&is_wanted);
        graph.join();
        assert_eq!(graph.nodes.len(), 3);
        assert_eq!(graph.edges.len(), 3, "{:?}", graph.edges);
        assert_eq!(graph.connected(), [true; 3]);
    }
}

//! A graph as a picture (SVG). All texts in it are escaped here: nothing else makes this markup.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write;

use super::graph::{Edge, Graph, Kind, Node, Way};
use super::layout::{HEIGHT, Layout, Point, WIDTH, lay_out, layers};
use crate::format::{count, rate};
use crate::links;

/// Space around the picture.
const MARGIN: f64 = 12.0;

/// Letters of a name that fit into a node, and of keys that fit before one.
const NAME_LETTERS: usize = 22;
const KEY_LETTERS: usize = 18;

/// Ways that may end at a node to have their keys written beside them.
const LABELLED: usize = 4;

/// The picture of a graph, whose ways are joined.
pub(super) fn picture(graph: &Graph) -> String {
    let edges: Vec<(usize, usize)> = graph.edges.iter().map(|it| (it.from, it.to)).collect();
    let layer_of = layers_of(graph);
    let layout = lay_out(&layer_of, &edges);
    // What leads from one to another in the last layer goes round on the right.
    let last = layer_of.iter().copied().max();
    let is_round = |(from, to): &(usize, usize)| {
        layer_of[*from] == layer_of[*to] && Some(layer_of[*from]) == last
    };
    let round = if edges.iter().any(is_round) { ROUND } else { 0.0 };
    let (width, height) = (layout.width + round + 2.0 * MARGIN, layout.height + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg class=\"graph\" aria-hidden=\"true\" xmlns=\"http://www.w3.org/2000/svg\" \
         width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"{left:.0} {left:.0} {width:.0} {height:.0}\">",
        left = -MARGIN
    );
    svg.push_str("<defs>");
    let ways = [Way::Binding, Way::Subscription, Way::Alternate, Way::DeadLetter, Way::Delivery];
    for class in ways.map(Way::class).into_iter().chain(["busy"]) {
        // Writing to a text cannot fail, here and below.
        let _ = write!(
            svg,
            "<marker id=\"head-{class}\" class=\"arrow {class}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
             markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker>"
        );
    }
    svg.push_str("</defs>");
    let ports = ports(graph, &layout);
    let drawing = Drawing { graph, layout: &layout, layer_of: &layer_of, ports };
    for at in 0..graph.edges.len() {
        drawing.edge(&mut svg, at);
    }
    let mut ids = HashMap::new();
    for (node, place) in graph.nodes.iter().zip(&layout.nodes) {
        draw_node(&mut svg, node, *place, &mut ids);
    }
    svg.push_str("</svg>");
    svg
}

/// Exchanges first, in as many layers as lead to each other; then queues, then consumers.
fn layers_of(graph: &Graph) -> Vec<usize> {
    let mut places = vec![None; graph.nodes.len()];
    let is_exchange = |node: &&Node| node.kind == Kind::Exchange;
    let mut exchanges = 0;
    for (at, node) in graph.nodes.iter().enumerate() {
        if is_exchange(&node) {
            places[at] = Some(exchanges);
            exchanges += 1;
        }
    }
    let between =
        graph.edges.iter().filter_map(|edge| Some((places[edge.from]?, places[edge.to]?)));
    let of_exchanges = layers(exchanges, &between.collect::<Vec<_>>());
    let queues = of_exchanges.iter().max().map_or(0, |most| most + 1);
    let layer = |(at, node): (usize, &Node)| match node.kind {
        Kind::Exchange => places[at].map_or(0, |place| of_exchanges[place]),
        Kind::Queue => queues,
        Kind::Consumers => queues + 1,
    };
    graph.nodes.iter().enumerate().map(layer).collect()
}

/// For each way how far below the middle of its last node it ends, and how many end there: those from
/// above end above.
fn ports(graph: &Graph, layout: &Layout) -> Vec<(f64, usize)> {
    let mut ends: Vec<Vec<usize>> = vec![vec![]; graph.nodes.len()];
    for (at, edge) in graph.edges.iter().enumerate() {
        ends[edge.to].push(at);
    }
    let mut ports = vec![(0.0, 1); graph.edges.len()];
    for edges in &mut ends {
        let height = |edge: &usize| {
            let from = layout.nodes[graph.edges[*edge].from].y;
            layout.bends[*edge].last().map_or(from, |bend| bend.y)
        };
        edges.sort_by(|one, other| height(one).total_cmp(&height(other)));
        let step = (HEIGHT * 0.75 / edges.len().max(1) as f64).min(11.0);
        for (place, edge) in edges.iter().enumerate() {
            let below = (place as f64 - (edges.len() as f64 - 1.0) / 2.0) * step;
            ports[*edge] = (below, edges.len());
        }
    }
    ports
}

/// How far to the right a way goes that stays in a layer.
const ROUND: f64 = 70.0;

/// A graph with its places.
struct Drawing<'a> {
    graph: &'a Graph,
    layout: &'a Layout,
    layer_of: &'a [usize],
    ports: Vec<(f64, usize)>,
}

impl Drawing<'_> {
    fn edge(&self, svg: &mut String, at: usize) {
        let edge = &self.graph.edges[at];
        let (from, to) = (&self.graph.nodes[edge.from], &self.graph.nodes[edge.to]);
        let class = edge.way.class();
        let is_busy = from.rates.1 > 0.0 && to.rates.0 > 0.0;
        // Dashed ways keep their own colour.
        let is_solid = matches!(edge.way, Way::Binding | Way::Delivery);
        let head = if is_busy && is_solid { "busy" } else { class };
        let _ = write!(
            svg,
            "<g class=\"edge {class}{}\"><title>{}</title><path d=\"{}\" \
             marker-end=\"url(#head-{head})\"/>",
            if is_busy { " busy" } else { "" },
            escaped(&title(from, to, edge)),
            self.path(edge, at)
        );
        let keys = keys(edge);
        let is_forward = self.layer_of[edge.from] < self.layer_of[edge.to];
        if is_forward && self.ports[at].1 <= LABELLED && !keys.is_empty() {
            let Point { x, y } = self.target(edge, at);
            let (x, y, keys) = (x - 9.0, y - 4.0, escaped(&cut(&keys, KEY_LETTERS)));
            let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{keys}</text>");
        }
        svg.push_str("</g>");
    }

    /// Where a way that leads to the right ends.
    fn target(&self, edge: &Edge, at: usize) -> Point {
        let Point { x, y } = self.layout.nodes[edge.to];
        Point { x: x - 2.0, y: y + HEIGHT / 2.0 + self.ports[at].0 }
    }

    fn path(&self, edge: &Edge, at: usize) -> String {
        let (from, to) = (self.layout.nodes[edge.from], self.layout.nodes[edge.to]);
        let middle = HEIGHT / 2.0;
        match self.layer_of[edge.from].cmp(&self.layer_of[edge.to]) {
            Ordering::Less => {
                let begin = Point { x: from.x + WIDTH, y: from.y + middle };
                self.along(begin, self.target(edge, at), at)
            }
            Ordering::Equal => {
                let (x, y) = (from.x + WIDTH, from.y + middle + 8.0);
                let (end, out) = (to.y + middle - 8.0, x + ROUND);
                let last = x + 2.0;
                format!("M{x:.1} {y:.1}C{out:.1} {y:.1} {out:.1} {end:.1} {last:.1} {end:.1}")
            }
            Ordering::Greater => {
                let begin = Point { x: from.x, y: from.y + middle + 10.0 };
                let end = Point { x: to.x + WIDTH + 2.0, y: to.y + middle + 10.0 };
                self.along(begin, end, at)
            }
        }
    }

    /// From one point to another by the places where the way passes layers: level along them, so that
    /// it touches nothing that stands there.
    fn along(&self, begin: Point, end: Point, at: usize) -> String {
        let mut path = format!("M{:.1} {:.1}", begin.x, begin.y);
        let half = if begin.x < end.x { WIDTH / 2.0 } else { -WIDTH / 2.0 };
        let mut here = begin;
        for Point { x, y } in &self.layout.bends[at] {
            curve(&mut path, here, Point { x: x - half, y: *y });
            here = Point { x: x + half, y: *y };
            let _ = write!(path, "H{:.1}", here.x);
        }
        curve(&mut path, here, end);
        path
    }
}

/// A curve that begins and ends level.
fn curve(path: &mut String, from: Point, to: Point) {
    let middle = (from.x + to.x) / 2.0;
    let Point { x, y } = to;
    let _ = write!(path, "C{middle:.1} {:.1} {middle:.1} {y:.1} {x:.1} {y:.1}", from.y);
}

/// The keys of a way, in few words.
fn keys(edge: &Edge) -> String {
    match edge.keys.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [one, other] => format!("{one}, {other}"),
        [one, ..] => format!("{one} and {} more", edge.keys.len() - 1),
    }
}

/// What a way is, in words.
fn title(from: &Node, to: &Node, edge: &Edge) -> String {
    let mut text = format!("{} to {}: {}", shown(from), shown(to), edge.way.words());
    if edge.count > 1 {
        let _ = write!(text, ", {} times", count(edge.count));
    }
    if !edge.keys.is_empty() {
        let _ = write!(text, ", {}", keys(edge));
    }
    text
}

/// The name of a node as people read it.
pub(super) fn shown(node: &Node) -> &str {
    match (node.kind, node.name.as_str()) {
        (Kind::Exchange, "") => "(default)",
        (_, name) => name,
    }
}

fn draw_node(svg: &mut String, node: &Node, place: Point, ids: &mut HashMap<String, usize>) {
    let kind = node.kind.word();
    // The same element in the next picture, so that it is changed in its place.
    let mut id = format!("{kind}-{}", links::encode(&node.name));
    let again = ids.entry(id.clone()).or_insert(0);
    *again += 1;
    if *again > 1 {
        let _ = write!(id, "~{again}");
    }
    let name = shown(node);
    let numbers = numbers(node);
    let busy = if node.rates.0 + node.rates.1 > 0.0 { " busy" } else { "" };
    let many = if node.count > 1 { " many" } else { "" };
    let Point { x, y } = place;
    let _ = write!(
        svg,
        "<a id=\"node-{id}\" class=\"node {kind}{busy}{many}\" href=\"{}\" tabindex=\"-1\">\
         <title>{}</title>",
        escaped(&node.href),
        escaped(&format!("{name} ({kind}): {numbers}"))
    );
    let radius = match node.kind {
        Kind::Exchange => HEIGHT / 2.0,
        Kind::Queue => 4.0,
        Kind::Consumers => 12.0,
    };
    if node.count > 1 {
        let (x, y) = (x + 4.0, y + 4.0);
        let _ = write!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"{radius}\"/>"
        );
    }
    let _ = write!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"{radius}\"/>\
         <text class=\"name\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>\
         <text class=\"numbers\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text></a>",
        y + 18.0,
        escaped(&cut(name, NAME_LETTERS)),
        y + 34.0,
        escaped(&cut(&numbers, NAME_LETTERS + 4)),
        middle = x + WIDTH / 2.0,
    );
}

/// What is told of a node besides its name.
fn numbers(node: &Node) -> String {
    let (incoming, outgoing) = node.rates;
    let mut parts = vec![];
    match (node.kind, node.count) {
        (Kind::Exchange, 1) => parts.push(node.detail.clone()),
        (Kind::Exchange, many) => parts.push(format!("{} exchanges", count(many))),
        (Kind::Queue, many) => {
            if many > 1 {
                parts.push(format!("{} queues", count(many)));
            }
            parts.push(format!("{} waiting", count(node.depth)));
        }
        (Kind::Consumers, 1) => parts.push("1 connection".to_owned()),
        (Kind::Consumers, many) => parts.push(format!("{} connections", count(many))),
    }
    match node.kind {
        Kind::Exchange | Kind::Queue => {
            let is_busy = incoming > 0.0 || outgoing > 0.0;
            parts.extend(is_busy.then(|| format!("{} in", rate(incoming))));
        }
        Kind::Consumers => parts.extend((incoming > 0.0).then(|| rate(incoming))),
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" \u{b7} ")
}

/// A text that is no longer than so many letters; wide ones count twice.
fn cut(text: &str, letters: usize) -> String {
    let wide = |c: char| if c >= '\u{1100}' && c != '\u{2026}' { 2 } else { 1 };
    if text.chars().map(wide).sum::<usize>() <= letters {
        return text.to_owned();
    }
    let mut left = letters - 1;
    let fits = |c: &char| {
        let is_left = wide(*c) <= left;
        left = left.saturating_sub(wide(*c));
        is_left
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('\u{2026}');
    cut
}

/// A text as markup has it, between tags and in quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::graph::tests::{graph, node};
    use super::*;

    #[test]
    fn names_and_keys_cannot_become_markup() {
        let hostile = "</svg><script>alert('1')</script>\"&\u{0}";
        let mut graph = graph();
        for node in &mut graph.nodes {
            node.name = hostile.to_owned();
            node.href = hostile.to_owned();
            node.detail = hostile.to_owned();
        }
        graph.connect(1, 4, Way::Subscription, hostile);
        graph.join();
        let svg = picture(&graph);
        assert_eq!(svg.matches("</svg>").count(), 1);
        assert!(!svg.contains("<script") && !svg.contains("alert('"), "{svg}");
        assert_eq!(svg.matches("<a ").count(), graph.nodes.len());
        let mut ids: Vec<&str> = svg.split("id=\"").skip(1).collect();
        ids.iter_mut().for_each(|id| *id = id.split('"').next().unwrap());
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "every id is there once");
    }

    #[test]
    fn exchanges_stand_before_queues_and_queues_before_consumers() {
        let graph = graph();
        assert_eq!(layers_of(&graph), [0, 1, 2, 2, 3]);
        let alone = Graph { nodes: vec![node(Kind::Queue, "q")], edges: vec![] };
        assert_eq!(layers_of(&alone), [0]);
        assert!(picture(&Graph::default()).starts_with("<svg "));
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(cut("orders", 6), "orders");
        assert_eq!(cut("orders.eu", 6), "order\u{2026}");
        assert_eq!(cut("\u{6f22}\u{5b57}\u{6f22}\u{5b57}", 6), "\u{6f22}\u{5b57}\u{2026}");
    }

    #[test]
    fn numbers_stand_below_the_name() {
        let mut queue = node(Kind::Queue, "q");
        assert_eq!(numbers(&queue), "1 waiting \u{b7} 1.0/s in");
        (queue.count, queue.rates) = (20, (0.0, 0.0));
        assert_eq!(numbers(&queue), "20 queues \u{b7} 1 waiting");
    }
}

//! Where the nodes of a graph stand: in layers from left to right, in each from top to bottom, so that
//! few ways cross and most are short.
//!
//! A way over several layers has a place of its own in each layer between, so that it does not run
//! through what stands there.

use std::collections::{BTreeMap, HashMap};

use super::order::{Layers, order};

/// Where a node stands: its left upper corner.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Point>,
    /// For each way: the heights at which it passes the layers between its ends, with their middles.
    pub(super) bends: Vec<Vec<Point>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The size of nodes, and the space between them.
pub(super) const WIDTH: f64 = 176.0;
pub(super) const HEIGHT: f64 = 44.0;
const BESIDE: f64 = 124.0;
const BELOW: f64 = 16.0;

/// The height that a way has where it passes a layer.
const PASSING: f64 = 10.0;

/// How often nodes are moved towards what they are connected with.
const ROUNDS: usize = 12;

/// Layers of nodes of which some lead to others: each stands right before the layer of the last one
/// that it leads to, if it leads anywhere, and all of them before layer `end`.
pub(super) fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut to: Vec<Vec<usize>> = vec![vec![]; nodes];
    for (from, other) in edges {
        if let Some(list) = to.get_mut(*from) {
            list.push(*other);
        }
    }
    // How many layers there are behind a node; a way back in a circle does not count.
    let mut behind: Vec<Option<usize>> = vec![None; nodes];
    let mut is_open = vec![false; nodes];
    for start in 0..nodes {
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.pop() {
            if behind[at].is_some() {
                continue;
            }
            is_open[at] = true;
            let further = to[at].iter().enumerate().skip(next);
            let mut unknown =
                further.filter(|(_, other)| behind[**other].is_none() && !is_open[**other]);
            if let Some((place, other)) = unknown.next() {
                path.push((at, place + 1));
                path.push((*other, 0));
                continue;
            }
            is_open[at] = false;
            let known = to[at].iter().filter_map(|other| behind[*other]);
            behind[at] = Some(known.max().map_or(0, |most| most + 1));
        }
    }
    let behind: Vec<usize> = behind.into_iter().map(|it| it.unwrap_or(0)).collect();
    let most = behind.iter().copied().max().unwrap_or(0);
    behind.into_iter().map(|it| most - it).collect()
}

/// Lays out nodes whose layers are known, those that are connected together, below each other. Ways
/// that stay in a layer have no influence on the order.
pub(super) fn lay_out(layer_of: &[usize], edges: &[(usize, usize)]) -> Layout {
    let layer_count = layer_of.iter().copied().max().map_or(1, |most| most + 1);
    let mut whole = Layout {
        nodes: vec![Point::default(); layer_of.len()],
        bends: vec![vec![]; edges.len()],
        width: layer_count as f64 * (WIDTH + BESIDE) - BESIDE,
        height: 0.0,
    };
    for part in parts(layer_of.len(), edges) {
        let place_of: HashMap<usize, usize> =
            part.nodes.iter().enumerate().map(|(place, at)| (*at, place)).collect();
        let layers: Vec<usize> = part.nodes.iter().map(|at| layer_of[*at]).collect();
        let own = part.edges.iter().map(|at| edges[*at]);
        let own: Vec<_> = own.map(|(from, to)| (place_of[&from], place_of[&to])).collect();
        let laid_out = lay_out_part(&layers, &own);
        let top = if whole.height > 0.0 { whole.height + 2.0 * BELOW } else { 0.0 };
        let lower = |point: Point| Point { y: point.y + top, ..point };
        for (at, point) in part.nodes.iter().zip(laid_out.nodes) {
            whole.nodes[*at] = lower(point);
        }
        for (at, bends) in part.edges.iter().zip(laid_out.bends) {
            whole.bends[*at] = bends.into_iter().map(lower).collect();
        }
        whole.height = top + laid_out.height;
    }
    whole
}

/// Nodes and ways that are connected with each other.
#[derive(Debug, Default)]
struct Part {
    nodes: Vec<usize>,
    edges: Vec<usize>,
}

/// The parts of a graph, the largest first; last all nodes without ways, together.
fn parts(nodes: usize, edges: &[(usize, usize)]) -> Vec<Part> {
    // For each node the way to one that stands for its part.
    let mut leads: Vec<usize> = (0..nodes).collect();
    let find = |leads: &mut Vec<usize>, mut at: usize| {
        while leads[at] != at {
            leads[at] = leads[leads[at]];
            at = leads[at];
        }
        at
    };
    for (from, to) in edges {
        let (one, other) = (find(&mut leads, *from), find(&mut leads, *to));
        leads[one] = other;
    }
    let mut parts: BTreeMap<usize, Part> = BTreeMap::new();
    for at in 0..nodes {
        parts.entry(find(&mut leads, at)).or_default().nodes.push(at);
    }
    for (at, (from, _)) in edges.iter().enumerate() {
        parts.entry(find(&mut leads, *from)).or_default().edges.push(at);
    }
    let (alone, mut parts): (Vec<_>, Vec<_>) =
        parts.into_values().partition(|part| part.edges.is_empty());
    parts.sort_by_key(|part| std::cmp::Reverse(part.nodes.len()));
    let alone: Vec<usize> = alone.into_iter().flat_map(|part| part.nodes).collect();
    if !alone.is_empty() {
        parts.push(Part { nodes: alone, edges: vec![] });
    }
    parts
}

fn lay_out_part(layer_of: &[usize], edges: &[(usize, usize)]) -> Layout {
    let nodes = layer_of.len();
    let mut layers = Layers::new(layer_of);
    let mut pass = |from: usize, to: usize| {
        if layer_of[from] <= layer_of[to] {
            return layers.connect(from, to);
        }
        // A way back is one that is gone the other way round.
        let mut passed = layers.connect(to, from);
        passed.reverse();
        passed
    };
    let passing: Vec<Vec<usize>> = edges.iter().map(|(from, to)| pass(*from, *to)).collect();
    order(&mut layers);
    let tops = heights(&layers, nodes);
    let x = |layer: usize| layer as f64 * (WIDTH + BESIDE);
    let place = |at: usize| Point { x: x(layers.layer_of[at]), y: tops[at] };
    let bend = |at: &usize| {
        let Point { x, y } = place(*at);
        Point { x: x + WIDTH / 2.0, y: y + PASSING / 2.0 }
    };
    let bottoms = (0..layers.layer_of.len()).map(|at| tops[at] + size(at, nodes));
    Layout {
        nodes: (0..nodes).map(place).collect(),
        bends: passing.iter().map(|between| between.iter().map(bend).collect()).collect(),
        width: 0.0,
        height: bottoms.fold(0.0, f64::max),
    }
}

/// The height of a node, or of a way that passes.
fn size(at: usize, nodes: usize) -> f64 {
    if at < nodes { HEIGHT } else { PASSING }
}

/// The upper edges of all, so that none is on another one and each is near to what it is connected
/// with.
fn heights(layers: &Layers, nodes: usize) -> Vec<f64> {
    let mut tops = vec![0.0; layers.layer_of.len()];
    for members in &layers.members {
        let mut top = 0.0;
        for at in members {
            tops[*at] = top;
            top += size(*at, nodes) + BELOW;
        }
    }
    for round in 0..ROUNDS {
        let count = layers.members.len();
        for step in 0..count {
            // To the right, then to the left.
            let is_forward = round % 2 == 0;
            let at = if is_forward { step } else { count - 1 - step };
            let neighbours = if is_forward { &layers.before } else { &layers.after };
            settle(&layers.members[at], neighbours, &mut tops, nodes);
        }
    }
    let least = tops.iter().copied().fold(f64::INFINITY, f64::min);
    let least = if least.is_finite() { least } else { 0.0 };
    tops.iter().map(|top| top - least).collect()
}

/// Some nodes below each other that stand as one, as they would overlap else.
struct Block {
    /// Where its top would be best, and how many nodes that is the mean of.
    wish: f64,
    weight: f64,
    height: f64,
    nodes: Vec<usize>,
}

/// Moves the nodes of a layer to where their neighbours are, as near as their order allows.
fn settle(members: &[usize], neighbours: &[Vec<usize>], tops: &mut [f64], nodes: usize) {
    let middle = |at: usize, tops: &[f64]| tops[at] + size(at, nodes) / 2.0;
    let mut blocks: Vec<Block> = vec![];
    for at in members {
        let beside = &neighbours[*at];
        let own = size(*at, nodes);
        let wish = if beside.is_empty() {
            tops[*at]
        } else {
            let sum: f64 = beside.iter().map(|other| middle(*other, tops)).sum();
            sum / beside.len() as f64 - own / 2.0
        };
        // Who has no neighbours goes where the others leave room.
        let weight = if beside.is_empty() { 0.05 } else { 1.0 };
        blocks.push(Block { wish, weight, height: own + BELOW, nodes: vec![*at] });
        while let [.., above, below] = blocks.as_slice()
            && above.wish + above.height > below.wish
        {
            let Some(below) = blocks.pop() else { break };
            let Some(above) = blocks.last_mut() else { break };
            let both = above.weight + below.weight;
            above.wish =
                (above.wish * above.weight + (below.wish - above.height) * below.weight) / both;
            above.weight = both;
            above.height += below.height;
            above.nodes.extend(below.nodes);
        }
    }
    for block in blocks {
        let mut top = block.wish;
        for at in block.nodes {
            tops[at] = top;
            top += size(at, nodes) + BELOW;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_leads_to_others_stands_before_them() {
        assert_eq!(layers(4, &[(0, 1), (1, 2)]), [0, 1, 2, 2], "what leads nowhere is the last");
        assert_eq!(layers(3, &[(0, 2), (1, 2), (0, 1)]), [0, 1, 2]);
        assert_eq!(layers(0, &[]), [0; 0]);
    }

    #[test]
    fn a_circle_has_a_beginning() {
        let found = layers(3, &[(0, 1), (1, 2), (2, 0)]);
        assert_eq!(found.iter().max(), Some(&2), "{found:?}");
        assert_eq!(layers(1, &[(0, 0)]), [0]);
    }

    #[test]
    fn a_chain_is_a_straight_line_and_a_long_way_goes_around_it() {
        let layout = lay_out(&[0, 1, 2], &[(0, 1), (1, 2)]);
        assert!(layout.nodes.iter().all(|at| (at.y - layout.nodes[0].y).abs() < 0.01));
        let layout = lay_out(&[0, 1, 2], &[(0, 1), (1, 2), (0, 2)]);
        let [bend] = layout.bends[2].as_slice() else { panic!("{layout:?}") };
        let passed = layout.nodes[1];
        assert!(bend.y < passed.y || bend.y > passed.y + HEIGHT, "{layout:?}");
    }

    #[test]
    fn what_is_not_connected_stands_below_without_mixing() {
        let layout = lay_out(&[0, 0, 1, 1, 1, 1], &[(0, 2), (1, 3), (1, 4)]);
        let tops: Vec<f64> = layout.nodes.iter().map(|at| at.y).collect();
        assert!(tops[1].max(tops[3]).max(tops[4]) + HEIGHT < tops[0], "{tops:?}");
        assert!(tops[0] + HEIGHT < tops[5] && (tops[0] - tops[2]).abs() < 0.01, "{tops:?}");
    }

    fn any_graph() -> impl Strategy<Value = (Vec<usize>, Vec<(usize, usize)>)> {
        prop::collection::vec(0usize..5, 1..40).prop_flat_map(|layers| {
            let ends = (0..layers.len(), 0..layers.len());
            (Just(layers), prop::collection::vec(ends, 0..80))
        })
    }

    proptest! {
        #[test]
        fn nothing_stands_on_anything_else((layer_of, edges) in any_graph()) {
            let layout = lay_out(&layer_of, &edges);
            prop_assert_eq!(layout.bends.len(), edges.len());
            for (at, one) in layout.nodes.iter().enumerate() {
                prop_assert!(one.y >= 0.0 && one.y + HEIGHT <= layout.height + 0.01);
                prop_assert!(one.x >= 0.0 && one.x + WIDTH <= layout.width + 0.01);
                for other in &layout.nodes[..at] {
                    let apart = (one.y - other.y).abs() >= HEIGHT || one.x != other.x;
                    prop_assert!(apart, "{:?} {:?}", one, other);
                }
            }
        }

        #[test]
        fn ways_without_circles_lead_to_the_right(
            edges in prop::collection::vec((0usize..20, 0usize..20), 0..60),
        ) {
            let edges: Vec<_> = edges.into_iter().filter(|(from, to)| from < to).collect();
            let found = layers(20, &edges);
            for (from, to) in edges {
                prop_assert!(found[from] < found[to]);
            }
        }
    }
}

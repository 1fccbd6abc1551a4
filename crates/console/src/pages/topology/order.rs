//! In which order nodes stand in their layers: each near the middle of those that it is connected with
//! in the layer beside, as often as that makes fewer ways cross.

/// Nodes in layers, with places for ways that pass.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    /// The layer of each, those that stand for a passing way behind the nodes.
    pub(super) layer_of: Vec<usize>,
    /// Who is in a layer, from the top on.
    pub(super) members: Vec<Vec<usize>>,
    /// For each: with whom it is connected in the layer before, and in the one after.
    pub(super) before: Vec<Vec<usize>>,
    pub(super) after: Vec<Vec<usize>>,
}

impl Layers {
    pub(super) fn new(layer_of: &[usize]) -> Self {
        let count = layer_of.iter().copied().max().map_or(0, |most| most + 1);
        let mut members = vec![vec![]; count];
        for (at, layer) in layer_of.iter().enumerate() {
            members[*layer].push(at);
        }
        let none = vec![vec![]; layer_of.len()];
        Self { layer_of: layer_of.to_vec(), members, before: none.clone(), after: none }
    }

    /// Connects two; gives the places where the way passes layers between them.
    pub(super) fn connect(&mut self, from: usize, to: usize) -> Vec<usize> {
        let (first, last) = (self.layer_of[from], self.layer_of[to]);
        let mut passed = vec![];
        if first >= last {
            return passed;
        }
        let mut at = from;
        for layer in first + 1..last {
            let place = self.layer_of.len();
            self.layer_of.push(layer);
            self.members[layer].push(place);
            self.before.push(vec![]);
            self.after.push(vec![]);
            self.link(at, place);
            passed.push(place);
            at = place;
        }
        self.link(at, to);
        passed
    }

    fn link(&mut self, from: usize, to: usize) {
        self.after[from].push(to);
        self.before[to].push(from);
    }

    /// The place of each in its layer.
    fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.layer_of.len()];
        for members in &self.members {
            for (place, at) in members.iter().enumerate() {
                places[*at] = place;
            }
        }
        places
    }

    /// How many pairs of ways cross.
    pub(super) fn crossings(&self) -> usize {
        let places = self.places();
        self.members.iter().map(|members| self.crossings_after(members, &places)).sum()
    }

    /// Those between a layer and the next one: pairs that are in another order there, counted while
    /// they are put in order.
    fn crossings_after(&self, members: &[usize], places: &[usize]) -> usize {
        let mut ends = vec![];
        for at in members {
            let mut of_node: Vec<usize> = self.after[*at].iter().map(|to| places[*to]).collect();
            of_node.sort_unstable();
            ends.extend(of_node);
        }
        let Some(most) = ends.iter().copied().max() else { return 0 };
        // How many ways end at each place or above it, as sums over ranges (a Fenwick tree).
        let mut sums = vec![0usize; most + 2];
        let mut crossings = 0;
        for (seen, end) in ends.into_iter().enumerate() {
            let (mut at, mut not_below) = (end + 1, 0);
            while at > 0 {
                not_below += sums[at];
                at &= at - 1;
            }
            crossings += seen - not_below;
            let mut at = end + 1;
            while at < sums.len() {
                sums[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
        crossings
    }
}

/// How often all layers are gone through.
const SWEEPS: usize = 16;

/// Puts the nodes of all layers in order.
pub(super) fn order(layers: &mut Layers) {
    let mut best = (layers.crossings(), layers.members.clone());
    for sweep in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        sweep_once(layers, sweep % 2 == 0);
        let crossings = layers.crossings();
        if crossings < best.0 {
            best = (crossings, layers.members.clone());
        }
    }
    layers.members = best.1;
}

/// Goes through the layers, forwards or backwards, and orders each by the one before.
fn sweep_once(layers: &mut Layers, is_forward: bool) {
    let count = layers.members.len();
    let mut places = layers.places();
    for step in 1..count {
        let layer = if is_forward { step } else { count - 1 - step };
        let beside = if is_forward { &layers.before } else { &layers.after };
        // Who is connected with nobody stays where it is.
        let middle = |at: &usize| {
            let others = &beside[*at];
            if others.is_empty() {
                return places[*at] as f64;
            }
            others.iter().map(|other| places[*other] as f64).sum::<f64>() / others.len() as f64
        };
        let mut keyed: Vec<(f64, usize)> =
            layers.members[layer].iter().map(|at| (middle(at), *at)).collect();
        keyed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        layers.members[layer] = keyed.into_iter().map(|(_, at)| at).collect();
        for (place, at) in layers.members[layer].iter().enumerate() {
            places[*at] = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layers(layer_of: &[usize], edges: &[(usize, usize)]) -> Layers {
        let mut layers = Layers::new(layer_of);
        for (from, to) in edges {
            layers.connect(*from, *to);
        }
        layers
    }

    #[test]
    fn crossed_ways_are_disentangled() {
        let mut crossed = layers(&[0, 0, 0, 1, 1, 1], &[(0, 5), (1, 4), (2, 3)]);
        assert_eq!(crossed.crossings(), 3);
        order(&mut crossed);
        assert_eq!(crossed.crossings(), 0);
        let mut between = layers(&[0, 0, 1, 1, 2, 2], &[(0, 3), (1, 2), (2, 4), (3, 5)]);
        order(&mut between);
        assert_eq!(between.crossings(), 0);
    }

    #[test]
    fn a_way_over_layers_has_a_place_in_each() {
        let mut long = Layers::new(&[0, 1, 2, 3]);
        assert_eq!(long.connect(0, 3), [4, 5]);
        assert_eq!((&long.layer_of[4..], &long.members[1]), (&[1, 2][..], &vec![1, 4]));
        assert_eq!(long.connect(3, 0), [0; 0], "a way back has none");
    }

    proptest! {
        #[test]
        fn crossings_are_counted_as_one_by_one(
            edges in prop::collection::vec((0usize..6, 6usize..12), 0..30),
        ) {
            let layer_of: Vec<usize> = (0..12).map(|at| at / 6).collect();
            let counted = layers(&layer_of, &edges).crossings();
            let pairs = edges.iter().enumerate();
            let crosses = |(one, other): (&(usize, usize), &(usize, usize))| {
                (one.0 < other.0 && one.1 > other.1) || (one.0 > other.0 && one.1 < other.1)
            };
            let found: usize = pairs
                .map(|(at, one)| edges[..at].iter().filter(|other| crosses((one, other))).count())
                .sum();
            prop_assert_eq!(counted, found);
        }

        #[test]
        fn an_order_is_never_worse_and_has_everybody_once(
            edges in prop::collection::vec((0usize..15, 0usize..15), 0..40),
        ) {
            let layer_of: Vec<usize> = (0..15).map(|at| at / 5).collect();
            let mut ordered = layers(&layer_of, &edges);
            let before = ordered.clone();
            order(&mut ordered);
            prop_assert!(ordered.crossings() <= before.crossings());
            for (one, other) in ordered.members.iter().zip(&before.members) {
                let (mut one, mut other) = (one.clone(), other.clone());
                one.sort_unstable();
                other.sort_unstable();
                prop_assert_eq!(one, other);
            }
        }
    }
}

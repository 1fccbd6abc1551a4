//! How often messages of a queue came back to it: counts by ranges of places, only for messages
//! that did.

use std::collections::BTreeMap;

use warren_engine::Sequence;

/// Counts by ranges that do not overlap.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Returns {
    /// By first place the last one and the count.
    ranges: BTreeMap<Sequence, (Sequence, u32)>,
}

/// A range of places with the same count: first, last, count.
pub(crate) type Range = (Sequence, Sequence, u32);

impl Returns {
    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Sets the count of the places from `first` to `last`.
    pub(crate) fn insert(&mut self, first: Sequence, last: Sequence, count: u32) {
        if first > last {
            return;
        }
        self.remove(first, last);
        self.ranges.insert(first, (last, count));
    }

    /// Forgets the places from `first` to `last`.
    pub(crate) fn remove(&mut self, first: Sequence, last: Sequence) {
        while let Some((&start, &(end, count))) = self.ranges.range(..=last).next_back() {
            if end < first {
                return;
            }
            self.ranges.remove(&start);
            for (start, end, count) in rest((start, end, count), first, last) {
                self.ranges.insert(start, (end, count));
            }
        }
    }

    pub(crate) fn get(&self, sequence: Sequence) -> Option<u32> {
        let (_, (last, count)) = self.ranges.range(..=sequence).next_back()?;
        (*last >= sequence).then_some(*count)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range> {
        self.ranges.iter().map(|(first, (last, count))| (*first, *last, *count))
    }

    /// Those ranges that reach into the places from `first` to `last`.
    pub(crate) fn within(&self, first: Sequence, last: Sequence) -> impl Iterator<Item = Range> {
        let before = self.ranges.range(..first).next_back().filter(|(_, (end, _))| *end >= first);
        let inside = self.ranges.range(first..=last.max(first));
        before.into_iter().chain(inside).map(|(first, (last, count))| (*first, *last, *count))
    }
}

/// What is left of a range without the places from `first` to `last`.
pub(crate) fn rest(
    (start, end, count): Range,
    first: Sequence,
    last: Sequence,
) -> impl Iterator<Item = Range> {
    let before = (start < first).then(|| (start, end.min(first - 1), count));
    let behind = (end > last).then(|| (start.max(last + 1), end, count));
    before.into_iter().chain(behind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_are_those_that_were_set_last(
            steps in proptest::collection::vec((0_u64..60, 0_u64..9, 0_u32..4), 0..40),
            window in (0_u64..60, 0_u64..20),
        ) {
            let mut returns = Returns::default();
            let mut model = BTreeMap::new();
            for (first, more, count) in steps {
                let last = first + more;
                match count {
                    0 => {
                        returns.remove(first, last);
                        model.retain(|place, _| !(first..=last).contains(place));
                    }
                    count => {
                        returns.insert(first, last, count);
                        model.extend((first..=last).map(|place| (place, count)));
                    }
                }
            }
            for place in 0..80 {
                prop_assert_eq!(returns.get(place), model.get(&place).copied());
            }
            let (first, last) = (window.0, window.0 + window.1);
            for (start, end, _) in returns.within(first, last) {
                prop_assert!(start <= last && end >= first);
            }
            let inside = returns.within(first, last).flat_map(|(start, end, _)| start..=end);
            let inside = inside.filter(|place| (first..=last).contains(place));
            prop_assert!(inside.eq(model.range(first..=last).map(|(place, _)| *place)));
        }
    }
}

//! A set of places in a queue, kept as ranges.

use std::collections::BTreeMap;

use warren_engine::Sequence;

/// A set of places, kept as ranges that neither overlap nor touch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// By first place the last one.
    ranges: BTreeMap<Sequence, Sequence>,
}

impl Ranges {
    pub(crate) fn insert(&mut self, first: Sequence, last: Sequence) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        // Ranges that overlap or touch the new one are taken into it, from the back.
        while let Some((&other_first, &other_last)) =
            self.ranges.range(..=last.saturating_add(1)).next_back()
        {
            if other_last.saturating_add(1) < first {
                break;
            }
            self.ranges.remove(&other_first);
            first = first.min(other_first);
            last = last.max(other_last);
        }
        self.ranges.insert(first, last);
    }

    pub(crate) fn contains(&self, sequence: Sequence) -> bool {
        self.last_around(sequence).is_some()
    }

    /// The lowest place of the set that is not below `sequence`.
    pub(crate) fn next_from(&self, sequence: Sequence) -> Option<Sequence> {
        if self.contains(sequence) {
            return Some(sequence);
        }
        self.ranges.range(sequence..).next().map(|(first, _)| *first)
    }

    /// The ranges, each with its first and last place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Sequence, Sequence)> {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The last place of the range that holds `sequence`.
    pub(crate) fn last_around(&self, sequence: Sequence) -> Option<Sequence> {
        let (_, last) = self.ranges.range(..=sequence).next_back()?;
        (*last >= sequence).then_some(*last)
    }

    /// The first place of the range that holds `sequence`.
    pub(crate) fn first_around(&self, sequence: Sequence) -> Option<Sequence> {
        let (first, last) = self.ranges.range(..=sequence).next_back()?;
        (*last >= sequence).then_some(*first)
    }

    /// Adds the part of `other` from `first` to `last`, but of at most `ranges_max` ranges. Gives
    /// the place up to which the part is whole.
    pub(crate) fn extend_within(
        &mut self,
        other: &Self,
        first: Sequence,
        last: Sequence,
        ranges_max: usize,
    ) -> Sequence {
        let start = other.first_around(first).unwrap_or(first);
        let ranges = other.ranges.range(start..=last.max(start));
        for (taken, (range_first, range_last)) in ranges.enumerate() {
            if taken == ranges_max {
                return range_first.saturating_sub(1).max(first);
            }
            self.insert((*range_first).max(first), (*range_last).min(last));
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_the_set_of_what_was_inserted(
            inserted in proptest::collection::vec((0_u64..60, 0_u64..8), 0..30),
            window in (0_u64..70, 0_u64..20),
        ) {
            let mut ranges = Ranges::default();
            let mut model = BTreeSet::new();
            for (first, more) in inserted {
                ranges.insert(first, first + more);
                model.extend(first..=first + more);
            }
            let mut part = Ranges::default();
            part.extend_within(&ranges, window.0, window.0 + window.1, usize::MAX);
            let mut two = Ranges::default();
            let whole = two.extend_within(&ranges, window.0, window.0 + window.1, 2);
            prop_assert!(two.len() <= 2 && whole >= window.0);
            for sequence in 0..80 {
                prop_assert_eq!(ranges.contains(sequence), model.contains(&sequence));
                prop_assert_eq!(ranges.next_from(sequence), model.range(sequence..).next().copied());
                let inside = (window.0..=window.0 + window.1).contains(&sequence);
                if sequence <= whole {
                    prop_assert_eq!(two.contains(sequence), part.contains(sequence));
                }
                prop_assert_eq!(part.contains(sequence), inside && model.contains(&sequence));
            }
            let touching = ranges.ranges.iter().zip(ranges.ranges.iter().skip(1));
            for ((_, last), (first, _)) in touching {
                prop_assert!(last + 1 < *first);
            }
        }
    }
}

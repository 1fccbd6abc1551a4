//! Sets of message numbers, kept as ranges: an hour of messages is a handful of them.

use std::collections::BTreeMap;

/// A set of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// First number of a range, and the number after its last. Ranges never touch.
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    pub(super) fn contains(&self, number: u64) -> bool {
        self.range_at(number).is_some()
    }

    /// Adds a number; false when it was there.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let before = self.ends.range(..number).next_back();
        let start = match before {
            Some((start, end)) if *end == number => *start,
            Some(_) | None => number,
        };
        let end = self.ends.remove(&(number + 1)).unwrap_or(number + 1);
        self.ends.insert(start, end);
        true
    }

    /// Takes a number out; false when it was not there.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let Some((start, end)) = self.range_at(number) else { return false };
        self.ends.remove(&start);
        if start < number {
            self.ends.insert(start, number);
        }
        if number + 1 < end {
            self.ends.insert(number + 1, end);
        }
        true
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
    }

    pub(super) fn len(&self) -> u64 {
        self.ends.iter().map(|(start, end)| end - start).sum()
    }

    /// Numbers from `first` on that are here and not in `other`.
    pub(super) fn missing_from(&self, first: u64, other: &Self) -> Vec<u64> {
        let numbers = self.ends.iter().flat_map(|(start, end)| (*start).max(first)..*end);
        numbers.filter(|number| !other.contains(*number)).collect()
    }

    fn range_at(&self, number: u64) -> Option<(u64, u64)> {
        let (start, end) = self.ends.range(..=number).next_back()?;
        (number < *end).then_some((*start, *end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::Random;

    #[test]
    fn ranges_are_a_set_in_any_order_of_changes() {
        let mut random = Random::new(7);
        let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
        for _ in 0..5000 {
            let number = random.between(0, 60);
            if random.between(0, 2) == 0 {
                assert_eq!(ranges.remove(number), set.remove(&number));
            } else {
                assert_eq!(ranges.insert(number), set.insert(number));
            }
            assert_eq!(ranges.len(), set.len() as u64);
            let touching = ranges.ends.values().any(|end| ranges.ends.contains_key(end));
            assert!(!touching, "{ranges:?}");
        }
        assert!((0..61).all(|number| ranges.contains(number) == set.contains(&number)));
    }

    #[test]
    fn what_one_set_has_and_another_lacks() {
        let set = |numbers: &[u64]| {
            let mut ranges = Ranges::default();
            numbers.iter().for_each(|number| assert!(ranges.insert(*number)));
            ranges
        };
        assert_eq!(set(&[1, 2, 3, 7, 8]).missing_from(2, &set(&[2, 7])), [3, 8]);
    }
}

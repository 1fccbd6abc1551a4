//! Confirms of one channel: runs of numbers that come in any order become as few `basic.ack`
//! frames as is right.
//!
//! A `basic.ack` with `multiple` covers every number up to its own, so it may go out only when all
//! of them are confirmed. A run that is ahead of a gap is acknowledged number by number at once:
//! a publisher that mixes transient and persistent messages does not wait for the disk for both.
//!
//! A run of messages that a queue refused becomes `basic.nack` frames in the same way. Whatever a
//! frame with `multiple` covers that is not of its own run has its answer already.

/// The confirms of one channel.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// All numbers up to here have their answer.
    done: u64,
    /// Runs beyond the gap after `done`, answered one by one; in order, apart from each other.
    ahead: Vec<(u64, u64)>,
}

impl Confirms {
    /// Takes the run `first..=last` and calls `ack` with a number and `multiple` for each frame, be
    /// it `basic.ack` or `basic.nack`.
    pub(crate) fn add(&mut self, first: u64, last: u64, mut ack: impl FnMut(u64, bool)) {
        if first != self.done + 1 {
            (first..=last).for_each(|number| ack(number, false));
            let at = self.ahead.partition_point(|(_, end)| *end < first);
            self.ahead.insert(at, (first, last));
            return;
        }
        self.done = last;
        let mut joined = 0;
        for (next, end) in &self.ahead {
            if *next != self.done + 1 {
                break;
            }
            self.done = *end;
            joined += 1;
        }
        self.ahead.drain(..joined);
        ack(last, last > first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(runs: &[(u64, u64)]) -> Vec<(u64, bool)> {
        let mut confirms = Confirms::default();
        let mut acks = vec![];
        for (first, last) in runs {
            confirms.add(*first, *last, |number, multiple| acks.push((number, multiple)));
        }
        acks
    }

    #[test]
    fn runs_in_order_take_one_frame_each() {
        assert_eq!(acks(&[(1, 1), (2, 100), (101, 101)]), [(1, false), (100, true), (101, false)]);
    }

    #[test]
    fn a_run_ahead_of_a_gap_is_acknowledged_one_by_one() {
        assert_eq!(
            acks(&[(2, 3), (1, 1), (4, 5)]),
            [(2, false), (3, false), (1, false), (5, true)]
        );
    }

    #[test]
    fn every_number_is_acknowledged_once_whatever_the_order() {
        // All orders of five runs, by swapping.
        fn permute(runs: &mut Vec<(u64, u64)>, at: usize) {
            if at == runs.len() {
                let mut seen = std::collections::BTreeSet::new();
                for (number, multiple) in acks(runs) {
                    if multiple {
                        // Everything up to the number must be confirmed by now or by this.
                        (1..=number).for_each(|covered| {
                            seen.insert(covered);
                        });
                    } else {
                        assert!(seen.insert(number), "{number} twice in {runs:?}");
                    }
                }
                assert_eq!(seen.len(), 9, "{runs:?}");
                return;
            }
            for other in at..runs.len() {
                runs.swap(at, other);
                permute(runs, at + 1);
                runs.swap(at, other);
            }
        }
        permute(&mut vec![(1, 1), (2, 4), (5, 5), (6, 8), (9, 9)], 0);
    }
}

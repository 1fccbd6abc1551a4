//! Counts publisher confirms: single, multiple and out of order.

use crate::error::Error;

/// Which of the messages published on one channel the broker has answered.
///
/// ```text
///   1 .. floor      all answered
///   floor+1 .. sent some answered, marked in a ring as large as the window
/// ```
#[derive(Debug)]
pub(crate) struct ConfirmTracker {
    floor: u64,
    sent: u64,
    /// Length is a power of two and at least the window, so that a tag's place is a mask away.
    answered: Vec<bool>,
    outstanding: u64,
    window: u64,
}

impl ConfirmTracker {
    /// A tracker for at most `window` unanswered messages.
    pub(crate) fn new(window: u64) -> Self {
        let window = window.max(1);
        let places = usize::try_from(window.next_power_of_two()).unwrap_or(1);
        Self { floor: 0, sent: 0, answered: vec![false; places], outstanding: 0, window }
    }

    /// How many more messages may be published now. A message that is answered out of order frees
    /// its place only when the ring can hold the distance to the oldest unanswered one.
    pub(crate) fn room(&self) -> u64 {
        let by_count = self.window - self.outstanding;
        let by_ring = self.answered.len() as u64 - (self.sent - self.floor);
        by_count.min(by_ring)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// `messages` more were published; at most `room()`.
    pub(crate) fn publish(&mut self, messages: u64) {
        let messages = messages.min(self.room());
        self.sent += messages;
        self.outstanding += messages;
    }

    /// Takes a `basic.ack` or `basic.nack`; calls `answered` with every tag that it answers for the
    /// first time, in ascending order. Returns how many those are.
    ///
    /// # Errors
    /// `ConfirmOutOfRange` for a tag that was never published.
    pub(crate) fn answer(
        &mut self,
        tag: u64,
        multiple: bool,
        mut answered: impl FnMut(u64),
    ) -> Result<u64, Error> {
        if tag > self.sent || (tag == 0 && !multiple) {
            return Err(Error::ConfirmOutOfRange { tag, sent: self.sent });
        }
        let before = self.outstanding;
        if multiple {
            // Tag 0 with multiple means everything so far.
            let last = if tag == 0 { self.sent } else { tag };
            while self.floor < last {
                let next = self.floor + 1;
                if !self.replace_mark(next, false) {
                    self.outstanding -= 1;
                    answered(next);
                }
                self.floor = next;
            }
        } else if tag > self.floor && !self.replace_mark(tag, true) {
            self.outstanding -= 1;
            answered(tag);
        }
        while self.floor < self.sent && self.replace_mark(self.floor + 1, false) {
            self.floor += 1;
        }
        Ok(before - self.outstanding)
    }

    /// Sets the mark of a tag and returns what it was.
    fn replace_mark(&mut self, tag: u64, mark: bool) -> bool {
        let mask = self.answered.len() as u64 - 1;
        let place = usize::try_from(tag & mask).unwrap_or(0);
        self.answered.get_mut(place).is_some_and(|old| std::mem::replace(old, mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(tracker: &mut ConfirmTracker, tag: u64, multiple: bool) -> Vec<u64> {
        let mut tags = Vec::new();
        let count = tracker.answer(tag, multiple, |tag| tags.push(tag)).unwrap();
        assert_eq!(count, tags.len() as u64);
        tags
    }

    #[test]
    fn single_confirms_in_any_order_are_each_counted_once() {
        let mut tracker = ConfirmTracker::new(4);
        tracker.publish(4);
        assert_eq!(answers(&mut tracker, 3, false), [3]);
        assert_eq!(answers(&mut tracker, 3, false), [] as [u64; 0]);
        assert_eq!(answers(&mut tracker, 1, false), [1]);
        assert_eq!(answers(&mut tracker, 1, false), [] as [u64; 0]);
        assert_eq!(tracker.outstanding(), 2);
    }

    #[test]
    fn a_multiple_confirm_skips_what_was_answered_before() {
        let mut tracker = ConfirmTracker::new(8);
        tracker.publish(6);
        answers(&mut tracker, 2, false);
        assert_eq!(answers(&mut tracker, 5, true), [1, 3, 4, 5]);
        assert_eq!(tracker.outstanding(), 1);
        assert_eq!(answers(&mut tracker, 4, true), [] as [u64; 0]);
    }

    #[test]
    fn tag_zero_with_multiple_answers_everything() {
        let mut tracker = ConfirmTracker::new(3);
        tracker.publish(3);
        assert_eq!(answers(&mut tracker, 0, true), [1, 2, 3]);
    }

    #[test]
    fn room_never_lets_the_ring_overlap() {
        let mut tracker = ConfirmTracker::new(4);
        tracker.publish(4);
        // 1 stays unanswered: the ring of four places is full although only one is outstanding.
        for tag in [2, 3, 4] {
            answers(&mut tracker, tag, false);
        }
        assert_eq!((tracker.outstanding(), tracker.room()), (1, 0));
        answers(&mut tracker, 1, false);
        assert_eq!((tracker.outstanding(), tracker.room()), (0, 4));
    }

    #[test]
    fn a_confirm_for_an_unpublished_tag_is_an_error() {
        let mut tracker = ConfirmTracker::new(4);
        tracker.publish(1);
        assert!(matches!(
            tracker.answer(2, true, |_| ()),
            Err(Error::ConfirmOutOfRange { tag: 2, sent: 1 })
        ));
    }
}

//! Which lanes of a queue are in use: messages with a priority of their own stand under names of
//! their own (see [`warren_engine::QueueId::lane`]), and go with their queue.

/// Numbers of lanes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneSet([u64; 4]);

impl LaneSet {
    pub(crate) fn insert(&mut self, lane: u8) {
        if let Some(word) = self.0.get_mut(usize::from(lane / 64)) {
            *word |= 1 << (lane % 64);
        }
    }

    pub(crate) fn contains(&self, lane: u8) -> bool {
        self.0.get(usize::from(lane / 64)).is_some_and(|word| word >> (lane % 64) & 1 == 1)
    }

    /// In rising order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        let set = *self;
        (0..=u8::MAX).filter(move |lane| set.contains(*lane))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_what_was_put_in() {
        let mut set = LaneSet::default();
        for lane in [255, 1, 64, 63, 1] {
            set.insert(lane);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [1, 63, 64, 255]);
        assert!(set.contains(64) && !set.contains(65));
    }
}

//! When messages on disk expire, for millions of them in a few bytes each.
//!
//! A message is due at a *tick*, so that it never goes early and at most one tick late. Ticks that
//! are near have a bucket each, later ones share it: 256 ticks, 256 times as many, and so on. When
//! the time of a shared bucket begins, what is in it moves to finer ones. So there are some hundreds
//! of buckets, whatever the times are.
//!
//! A bucket holds for each message by how much its place differs from that of the one before, as a
//! number of variable length, and its tick inside the bucket, one byte a level. Messages come in the
//! order of their places, so that this is two or three bytes as a rule.

use std::collections::{BTreeMap, VecDeque};

use crate::{Milliseconds, Sequence};

/// The length of a tick, in milliseconds, as a power of two.
const TICK_SHIFT: u32 = 6;

/// Levels of buckets. The last ones reach beyond all times there are.
const LEVELS: usize = 6;

/// A block of a bucket is closed when it has so many bytes, so that memory is given back while a
/// bucket is emptied, and what left the queue in another way can be dropped.
const BLOCK_BYTES: usize = 4096;

/// A message takes at most this many bytes.
const MESSAGE_BYTES_MAX: usize = 10 + LEVELS;

/// So many messages that left the queue in another way may be kept, beside as many as there are.
const STALE_KEPT: u64 = 64 * 1024;

type Tick = u64;

/// Neighbours in a bucket.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    /// How much of it has been taken.
    read: usize,
    /// The place that was put in last.
    put: Sequence,
    /// The place that was taken last.
    taken: Sequence,
    /// The highest place.
    highest: Sequence,
    messages: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    blocks: VecDeque<Block>,
}

impl Bucket {
    fn put(&mut self, place: Sequence, offset: &[u8]) {
        let is_full = |block: &Block| block.bytes.len() + MESSAGE_BYTES_MAX > BLOCK_BYTES;
        if self.blocks.back().is_none_or(is_full) {
            self.blocks.push_back(Block::default());
        }
        let Some(block) = self.blocks.back_mut() else { return };
        let difference = place.wrapping_sub(block.put).cast_signed();
        let mut number = ((difference << 1) ^ (difference >> 63)).cast_unsigned();
        while number >= 0x80 {
            block.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        block.bytes.push(number as u8);
        block.bytes.extend_from_slice(offset);
        block.put = place;
        block.highest = block.highest.max(place);
        block.messages += 1;
    }

    /// Takes a message, with the bytes of its tick, of which there are `level`.
    fn take(&mut self, level: usize) -> Option<(Sequence, Tick)> {
        let block = self.blocks.front_mut()?;
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = *block.bytes.get(block.read)?;
            block.read += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        let difference = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
        let place = block.taken.wrapping_add(difference.cast_unsigned());
        block.taken = place;
        let mut offset = [0; 8];
        let bytes = block.bytes.get(block.read..block.read + level)?;
        offset.get_mut(..level)?.copy_from_slice(bytes);
        block.read += level;
        block.messages -= 1;
        if block.read == block.bytes.len() {
            self.blocks.pop_front();
        }
        Some((place, Tick::from_le_bytes(offset)))
    }
}

/// Places, by when they are due.
#[derive(Debug, Default)]
pub(crate) struct Wheel {
    /// The level and the first tick's part that the level goes by.
    levels: [BTreeMap<Tick, Bucket>; LEVELS],
    now: Tick,
    messages: u64,
    /// With more messages than this, those are looked for that left the queue.
    sift_at: u64,
}

impl Wheel {
    /// How many places there are, with those of messages that left the queue in another way.
    #[cfg(test)]
    fn len(&self) -> u64 {
        self.messages
    }

    /// Adds a place that is due at `at`.
    pub(crate) fn add(&mut self, at: Milliseconds, place: Sequence, now: Milliseconds) {
        self.now = self.now.max(now >> TICK_SHIFT);
        self.put(at.saturating_add((1 << TICK_SHIFT) - 1) >> TICK_SHIFT, place);
        self.messages += 1;
    }

    fn put(&mut self, tick: Tick, place: Sequence) {
        let tick = tick.max(self.now);
        // The finest level on which the tick and the present are parts of the same bucket above.
        let differs = u64::BITS - (tick ^ self.now).leading_zeros();
        let level = (differs.saturating_sub(1) / 8) as usize;
        let Some(buckets) = self.levels.get_mut(level) else { return };
        let bucket = buckets.entry(tick >> (8 * level)).or_default();
        bucket.put(place, tick.to_le_bytes().get(..level).unwrap_or_default());
    }

    /// When [`Self::take_due`] has something to do.
    pub(crate) fn next_due(&self) -> Option<Milliseconds> {
        let firsts = self.levels.iter().enumerate().filter_map(|(level, buckets)| {
            let (first, _) = buckets.first_key_value()?;
            Some((first << (8 * level)) << TICK_SHIFT)
        });
        firsts.min()
    }

    /// Takes places that are due by `now` and not below `lowest`, until `due` has `wanted` of them
    /// or `work` messages were looked at. Gives how much work is left.
    pub(crate) fn take_due(
        &mut self,
        now: Milliseconds,
        lowest: Sequence,
        wanted: usize,
        mut work: usize,
        due: &mut Vec<Sequence>,
    ) -> usize {
        self.now = self.now.max(now >> TICK_SHIFT);
        for level in (1..LEVELS).rev() {
            while work > 0
                && let Some((place, tick)) = self.take(level)
            {
                work -= 1;
                if place < lowest {
                    self.messages -= 1;
                } else {
                    self.put(tick, place);
                }
            }
        }
        while work > 0
            && due.len() < wanted
            && let Some((place, _)) = self.take(0)
        {
            work -= 1;
            self.messages -= 1;
            if place >= lowest {
                due.push(place);
            }
        }
        work
    }

    /// Takes a message of the first bucket of a level, if the time of that has begun, and tells its
    /// tick.
    fn take(&mut self, level: usize) -> Option<(Sequence, Tick)> {
        let mut first = self.levels.get_mut(level)?.first_entry()?;
        let begin = *first.key() << (8 * level);
        if begin > self.now {
            return None;
        }
        let taken = first.get_mut().take(level);
        if first.get().blocks.is_empty() {
            first.remove();
        }
        taken.map(|(place, offset)| (place, begin | offset))
    }

    /// Forgets places below `lowest`, of which the messages left the queue in another way, if they
    /// are many beside the `waiting` ones.
    pub(crate) fn sift(&mut self, lowest: Sequence, waiting: u64) {
        if self.messages <= self.sift_at.max(2 * waiting + STALE_KEPT) {
            return;
        }
        let mut messages = 0;
        for buckets in &mut self.levels {
            buckets.retain(|_, bucket| {
                bucket.blocks.retain(|block| block.highest >= lowest);
                messages += bucket.blocks.iter().map(|block| block.messages).sum::<u64>();
                !bucket.blocks.is_empty()
            });
        }
        self.messages = messages;
        // What is left shares blocks with messages that wait: looking again is worth it later.
        self.sift_at = 2 * messages;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Milliseconds = 1 << TICK_SHIFT;

    fn take_all(wheel: &mut Wheel, now: Milliseconds, lowest: Sequence) -> Vec<Sequence> {
        let mut due = vec![];
        for _ in 0..1_000_000 {
            if wheel.next_due().is_none_or(|next| next > now) {
                return due;
            }
            let before = due.len();
            wheel.take_due(now, lowest, before + 50, 70, &mut due);
        }
        panic!("it does not end");
    }

    proptest! {
        #[test]
        fn a_place_is_due_once_and_in_time(
            places in proptest::collection::vec((0_u64..40, 0_u64..1_000_000, any::<bool>()), 1..300),
            steps in proptest::collection::vec((0_u32..38, 0_u64..256), 1..40),
        ) {
            let mut wheel = Wheel::default();
            let mut now = 1_760_000_000_000;
            let mut model = BTreeMap::new();
            let mut next = 1;
            let mut places = places.into_iter();
            for (shift, factor) in steps {
                for (bits, rest, gap) in places.by_ref().take(20) {
                    next += if gap { rest.max(1) } else { 1 };
                    let at = now + (rest << bits >> 20).min(limit());
                    wheel.add(at, next, now);
                    model.insert(next, at);
                }
                now += factor << shift >> 8;
                let due = take_all(&mut wheel, now, 0);
                for place in &due {
                    let at = model.remove(place);
                    prop_assert!(at.is_some_and(|at| at <= now), "{place} at {at:?}, now {now}");
                }
                let late = model.values().find(|at| **at + TICK <= now);
                prop_assert!(late.is_none(), "{late:?}, now {now}");
                prop_assert_eq!(wheel.len(), model.len() as u64);
            }
            let due = take_all(&mut wheel, u64::MAX >> 1, 0);
            prop_assert_eq!(due.len(), model.len());
            prop_assert!(wheel.levels.iter().all(BTreeMap::is_empty));
        }
    }

    fn limit() -> Milliseconds {
        crate::limits::DURATION_MS_MAX
    }

    #[test]
    fn a_million_messages_take_about_three_bytes_each() {
        for spread in [1, 60_000, 3_600_000, 86_400_000 * 365] {
            let mut wheel = Wheel::default();
            let now = 1_760_000_000_000;
            let mut random = 1_u64;
            for place in 1..=1_000_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                wheel.add(now + 5_000 + (random >> 20) % spread, place, now);
            }
            let blocks = wheel.levels.iter().flat_map(BTreeMap::values);
            let blocks: Vec<&Block> = blocks.flat_map(|bucket| &bucket.blocks).collect();
            let bytes: usize = blocks.iter().map(|block| block.bytes.capacity()).sum();
            let bytes = bytes + blocks.len() * size_of::<Block>();
            assert!(bytes < 5_000_000, "{bytes} bytes for a spread of {spread} ms");
        }
    }

    #[test]
    fn what_left_the_queue_is_forgotten() {
        let mut wheel = Wheel::default();
        for place in 1..=2_000_000 {
            wheel.add(86_400_000 + place % 1_000, place, 0);
            wheel.sift(place.saturating_sub(10), 10);
        }
        assert!(wheel.len() < 3 * STALE_KEPT, "{}", wheel.len());
        let due = take_all(&mut wheel, 100_000_000, 1_999_990);
        assert_eq!(due.len(), 11);
    }
}

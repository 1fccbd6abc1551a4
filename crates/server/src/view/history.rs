//! The past of an object's numbers, in little memory.
//!
//! Only changes are kept: each entry says at which second which numbers changed, and by how much,
//! in a few bytes. So what does not change takes nothing, and the past is read backwards from the
//! present. The newest entries are a second apart; what becomes older is summed up to 5 seconds,
//! then to a minute, then to 10 minutes:
//!
//! ```text
//!   600 s steps, 24 h     60 s steps, 1 h     5 s steps, 10 min     1 s steps, 1 min     now
//!  [ chunk ][ chunk ]    [ chunk ][ chunk ]  [ chunk ][ chunk ]    [ chunk ][ chunk ] <- note
//!         ^-- summed up --'      ^-- summed up --'     ^-- summed up --'
//! ```
//!
//! An entry: the seconds since the one before in its chunk, a mask of the numbers that changed, and
//! for each of them the difference; all as integers of variable length.

use std::collections::VecDeque;

use smallvec::{SmallVec, smallvec};

/// The numbers of an object.
pub(super) type Values = SmallVec<[u64; 20]>;

/// By how much each of them changed.
type Deltas = SmallVec<[i64; 20]>;

/// One of the steps in which the past is kept.
struct Level {
    /// Seconds between two entries.
    step: u64,
    /// Seconds that a chunk spans.
    span: u64,
    /// Chunks that are complete.
    chunks: u64,
}

/// The past is kept for as long as clients of RabbitMQ ask for it. Each span is a multiple of the
/// next step, so that no step is summed up from two chunks.
const LEVELS: [Level; 4] = [
    Level { step: 1, span: 30, chunks: 2 },
    Level { step: 5, span: 180, chunks: 4 },
    Level { step: 60, span: 1_200, chunks: 3 },
    Level { step: 600, span: 21_600, chunks: 4 },
];

/// How far back something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// An hour: of each queue, exchange, channel and connection.
    Object,
    /// A day: of virtual hosts, the node and the whole.
    Total,
}

impl Depth {
    fn levels(self) -> &'static [Level] {
        match self {
            Self::Object => LEVELS.get(..3).unwrap_or_default(),
            Self::Total => &LEVELS,
        }
    }
}

/// Entries of neighbouring seconds.
#[derive(Debug, Default)]
struct Chunk {
    /// The seconds of the first and the last entry.
    first: u64,
    last: u64,
    bytes: Vec<u8>,
}

/// The past of one object.
#[derive(Debug)]
pub(super) struct History {
    depth: Depth,
    /// The numbers after the last entry.
    present: Box<[u64]>,
    /// By level; in each the oldest chunk in front.
    levels: SmallVec<[VecDeque<Chunk>; 3]>,
    /// What the chunks take in memory.
    chunk_bytes: usize,
}

impl Chunk {
    /// What it takes in memory, in bytes.
    fn size(&self) -> usize {
        self.bytes.capacity() + size_of::<Self>()
    }

    fn push(&mut self, second: u64, deltas: &[i64]) {
        if self.bytes.is_empty() {
            (self.first, self.last) = (second, second);
        }
        let changed = deltas.iter().enumerate().filter(|(_, delta)| **delta != 0);
        let mask = changed.clone().fold(0u64, |mask, (at, _)| mask | 1 << at);
        put(&mut self.bytes, second.saturating_sub(self.last));
        put(&mut self.bytes, mask);
        for (_, delta) in changed {
            // The sign goes to the lowest bit, so that small numbers are short either way.
            put(&mut self.bytes, (delta << 1 ^ delta >> 63) as u64);
        }
        self.last = second;
    }

    /// The entries, the oldest one first.
    fn entries(&self, series: usize) -> Vec<(u64, Deltas)> {
        let mut entries = vec![];
        let (mut rest, mut second) = (self.bytes.as_slice(), self.first);
        while !rest.is_empty() {
            second += take(&mut rest);
            let mut mask = take(&mut rest);
            let mut deltas: Deltas = smallvec![0; series];
            while mask != 0 {
                let value = take(&mut rest);
                if let Some(delta) = deltas.get_mut(mask.trailing_zeros() as usize) {
                    *delta = (value >> 1) as i64 ^ -((value & 1) as i64);
                }
                mask &= mask - 1;
            }
            entries.push((second, deltas));
        }
        entries
    }
}

impl History {
    /// Of an object whose numbers have been these up to now.
    pub(super) fn new(depth: Depth, present: &[u64]) -> Self {
        let levels = depth.levels().iter().map(|_| VecDeque::new()).collect();
        Self { depth, present: present.into(), levels, chunk_bytes: 0 }
    }

    /// What it takes in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.chunk_bytes + size_of::<Self>() + size_of_val(&*self.present)
    }

    /// Notes the numbers at this second. With `is_full`, what becomes old is forgotten rather than
    /// summed up.
    pub(super) fn note(&mut self, second: u64, values: &[u64], is_full: bool) {
        let pairs = self.present.iter().zip(values);
        let deltas: Deltas = pairs.map(|(old, new)| new.wrapping_sub(*old) as i64).collect();
        self.present.copy_from_slice(values);
        self.push(0, second, &deltas);
        self.age(second, is_full);
    }

    fn push(&mut self, level: usize, second: u64, deltas: &[i64]) {
        let Some(span) = LEVELS.get(level).map(|level| level.span) else { return };
        let Some(chunks) = self.levels.get_mut(level) else { return };
        // Chunks begin at fixed times.
        let number = |second: u64| second.div_ceil(span);
        let fits = chunks.back().is_some_and(|chunk| number(chunk.first) == number(second));
        if !fits {
            if let Some(complete) = chunks.back_mut() {
                self.chunk_bytes -= complete.size();
                complete.bytes.shrink_to_fit();
                self.chunk_bytes += complete.size();
            }
            chunks.push_back(Chunk::default());
            self.chunk_bytes += size_of::<Chunk>();
        }
        if let Some(chunk) = chunks.back_mut() {
            self.chunk_bytes -= chunk.size();
            chunk.push(second, deltas);
            self.chunk_bytes += chunk.size();
        }
    }

    /// Sums up what is too old for its level, and forgets what is too old for the last one.
    pub(super) fn age(&mut self, now: u64, is_full: bool) {
        let series = self.present.len();
        for level in 0..self.levels.len() {
            while let Some(chunk) = self.take_old(level, now) {
                let Some(step) = self.step(level + 1).filter(|_| !is_full) else { continue };
                let mut sum: Option<(u64, Deltas)> = None;
                for (second, deltas) in chunk.entries(series) {
                    let end = second.div_ceil(step) * step;
                    match &mut sum {
                        Some((same, sum)) if *same == end => {
                            sum.iter_mut().zip(&deltas).for_each(|(sum, delta)| *sum += delta);
                        }
                        _ => {
                            if let Some((end, sum)) = sum.replace((end, deltas)) {
                                self.push(level + 1, end, &sum);
                            }
                        }
                    }
                }
                if let Some((end, sum)) = sum {
                    self.push(level + 1, end, &sum);
                }
            }
        }
    }

    fn step(&self, level: usize) -> Option<u64> {
        self.depth.levels().get(level).map(|level| level.step)
    }

    fn take_old(&mut self, level: usize, now: u64) -> Option<Chunk> {
        let Level { span, chunks: kept, .. } = LEVELS.get(level)?;
        let chunks = self.levels.get_mut(level)?;
        let is_old = |chunk: &mut Chunk| (chunk.last.div_ceil(*span) + kept) * span <= now;
        let chunk = chunks.pop_front_if(is_old)?;
        self.chunk_bytes -= chunk.size();
        Some(chunk)
    }

    /// True if nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.levels.iter().all(VecDeque::is_empty)
    }

    /// The numbers at each of these seconds, which fall.
    pub(super) fn at(&self, seconds: &[u64]) -> Vec<Values> {
        let mut values = Values::from_slice(&self.present);
        let mut wanted = seconds.iter().peekable();
        let mut found = Vec::with_capacity(seconds.len());
        for chunk in self.levels.iter().flat_map(|chunks| chunks.iter().rev()) {
            if wanted.peek().is_none() {
                break;
            }
            for (second, deltas) in chunk.entries(values.len()).into_iter().rev() {
                while wanted.next_if(|wanted| **wanted >= second).is_some() {
                    found.push(values.clone());
                }
                for (value, delta) in values.iter_mut().zip(&deltas) {
                    *value = value.wrapping_sub_signed(*delta);
                }
            }
        }
        found.extend(wanted.map(|_| values.clone()));
        found
    }
}

/// Appends an integer, seven bits to a byte, the lowest ones first.
fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Takes an integer off.
fn take(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift > 63 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests;

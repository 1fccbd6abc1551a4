//! A plain fuzzer for the stable toolchain: it changes kept inputs at random, without knowing
//! which code they reach.

use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::Target;

/// Changes to one input, at most.
const CHANGES_MAX: usize = 6;
/// Longer inputs find nothing new, but take their time.
const INPUT_BYTES_MAX: usize = 512;
/// Inputs between two looks at the clock.
const BETWEEN_LOOKS: u64 = 64;
/// Numbers at which lengths and counts go wrong.
const EDGES: [u8; 9] = [0, 1, 2, 0x3c, 0x7f, 0x80, 0xce, 0xfe, 0xff];

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Inputs that were run.
    pub executions: u64,
    /// The input that made the target panic, and with which words.
    pub crash: Option<(Vec<u8>, String)>,
}

/// Runs a target over changed inputs until the time is over or it panics. The same seed gives the
/// same inputs.
#[must_use]
pub fn run(target: &Target, inputs: &[Vec<u8>], seed: u64, time: Duration) -> Outcome {
    // A panic is told once, by whoever reads the outcome.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let mut random = Random(seed);
    let mut executions = 0;
    let mut crash = None;
    while crash.is_none() && (executions % BETWEEN_LOOKS != 0 || begun.elapsed() < time) {
        let input = changed(inputs, &mut random);
        crash = panics(target, &input).map(|words| (input, words));
        executions += 1;
    }
    panic::set_hook(hook);
    Outcome { executions, crash }
}

/// Runs a target over one input; gives the words of its panic, if it panics.
#[must_use]
pub fn panics(target: &Target, input: &[u8]) -> Option<String> {
    let caught = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).err()?;
    let text = caught.downcast_ref::<String>().cloned();
    let text = text.or_else(|| caught.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(text.unwrap_or_else(|| "a panic without words".to_owned()))
}

fn changed(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let pick = |random: &mut Random| inputs.get(random.below(inputs.len())).cloned();
    let mut input = pick(random).unwrap_or_default();
    if random.below(8) == 0
        && let Some(other) = pick(random)
    {
        input.truncate(random.below(input.len() + 1));
        input.extend(other.iter().skip(random.below(other.len() + 1)));
    }
    for _ in 0..=random.below(CHANGES_MAX) {
        change(&mut input, random);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len());
    let edge = EDGES.get(random.below(EDGES.len())).copied().unwrap_or_default();
    let any = random.below(256) as u8;
    let end = (at + 1 + random.below(16)).min(input.len());
    match (random.below(7), input.get_mut(at)) {
        (0, Some(byte)) => *byte ^= 1 << (any % 8),
        (1, Some(byte)) => *byte = edge,
        (2, Some(byte)) => *byte = any,
        (3, Some(byte)) => *byte = byte.wrapping_add(any % 9).wrapping_sub(4),
        (4, Some(_)) => drop(input.drain(at..end)),
        (5, Some(_)) => {
            let piece = input.get(at..end).unwrap_or_default().to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        _ => input.insert(at, any),
    }
}

/// Draws numbers from a seed (SplitMix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// A number below `bound`; 0 if that is 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

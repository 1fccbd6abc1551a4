//! What every seed must show.

use warren_simulation::{Counts, run};

/// The seeds that every change is checked with. `cargo xtask simulate` runs others.
const SEEDS: u64 = 300;

#[test]
fn no_property_is_violated_in_any_of_the_first_seeds() {
    let mut counts = Counts::default();
    for seed in 1..=SEEDS {
        let outcome = run(seed);
        if let Some(violation) = &outcome.violation {
            for line in &outcome.tail {
                println!("{line}");
            }
            panic!("seed {seed}: {violation}; cargo xtask simulate --from {seed} --seeds 1");
        }
        counts.add(&outcome.counts);
    }
    println!("{counts:#?}");
    // A run in which nothing happens shows nothing.
    let Counts { delivered, redelivered, loaded, confirmed, .. } = counts;
    assert!(delivered > 30 * SEEDS && redelivered > 5 * SEEDS, "{counts:?}");
    assert!(loaded > 5 * SEEDS && confirmed > 10 * SEEDS, "{counts:?}");
    let Counts { dropped, refused, policies, .. } = counts;
    assert!(dropped > SEEDS && refused > SEEDS && policies > SEEDS, "{counts:?}");
    let Counts { power_cuts, restarts, failures, checkpoints, .. } = counts;
    assert!(power_cuts > SEEDS && restarts > SEEDS, "{counts:?}");
    assert!(failures > SEEDS / 3 && checkpoints > 3 * SEEDS, "{counts:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    for seed in 1..=50 {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(one.tail, other.tail, "seed {seed}");
        assert_eq!((one.hash, one.counts), (other.hash, other.counts), "seed {seed}");
    }
}

#[test]
fn different_seeds_give_different_runs() {
    let hashes: std::collections::BTreeSet<u64> = (1..=50).map(|seed| run(seed).hash).collect();
    assert_eq!(hashes.len(), 50);
}

//! Tests of the store through its public face, on simulated disks and on real folders.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod check;
mod damage;
mod enumerate;
mod flips;
mod format;
mod full;
mod harness;
mod lanes;
mod model;
mod power;
mod random;
mod reading;
mod relocation;
mod segments;

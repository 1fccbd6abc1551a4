//! Seeds hold, runs repeat, and planted bugs are noticed.

#[cfg(feature = "planted")]
mod planted;
mod seeds;

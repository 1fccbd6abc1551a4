//! What is fuzzed, as ordinary functions over bytes.
//!
//! Each module has a function `run` that takes any bytes and panics when something is wrong: when
//! the code under it panics, and when a check beside it finds that it did the wrong thing. The
//! same functions run under libFuzzer (`fuzz/fuzz_targets`), under the mutator of `mutate.rs` for
//! the stable toolchain, and over the kept inputs as a test (`tests/replay.rs`).

// A panic is how a target says that something is wrong.
#![allow(clippy::expect_used)]

pub mod connection;
pub mod engine;
pub mod frames;
pub mod handshake_auth;
pub mod headers;
pub mod methods;
pub mod mutate;
pub mod peer;
pub mod records;
pub mod recovery;
pub mod tables;
pub mod topic;

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of its folder of inputs.
    pub name: &'static str,
    /// Takes any bytes; panics if something is wrong.
    pub run: fn(&[u8]),
    /// Longer inputs find nothing new here, but take their time.
    pub bytes_max: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), bytes_max: usize) -> Target {
    Target { name, run, bytes_max }
}

/// All targets.
pub const TARGETS: [Target; 10] = [
    target("frames", frames::run, 512),
    target("tables", tables::run, 512),
    target("methods", methods::run, 512),
    target("connection", connection::run, 768),
    target("handshake_auth", handshake_auth::run, 256),
    target("topic", topic::run, 384),
    target("headers", headers::run, 384),
    target("engine", engine::run, 768),
    target("records", records::run, 512),
    target("recovery", recovery::run, 256),
];

/// The target with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

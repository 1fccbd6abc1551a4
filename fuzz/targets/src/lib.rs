//! What is fuzzed, as ordinary functions over bytes.
//!
//! Each module has a function `run` that takes any bytes and panics when something is wrong: when
//! the code under it panics, and when a check beside it finds that it did the wrong thing. The
//! same functions run under libFuzzer (`fuzz/fuzz_targets`), under the mutator of `mutate.rs` for
//! the stable toolchain, and over the kept inputs as a test (`tests/replay.rs`).

// A panic is how a target says that something is wrong.
#![allow(clippy::expect_used)]

use std::panic;
use std::sync::Once;

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
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All targets.
pub const TARGETS: [Target; 10] = [
    target("frames", frames::run),
    target("tables", tables::run),
    target("methods", methods::run),
    target("connection", connection::run),
    target("handshake_auth", handshake_auth::run),
    target("topic", topic::run),
    target("headers", headers::run),
    target("engine", engine::run),
    target("records", records::run),
    target("recovery", recovery::run),
];

/// Runs a target like the broker runs: a panic that is caught on the way is none. The process is
/// aborted on any other. libFuzzer alone would abort on both.
pub fn run_guarded(run: fn(&[u8]), data: &[u8]) {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| panic::set_hook(Box::new(|_| {})));
    let target = Target { name: "", run };
    if let Some(words) = mutate::panics(&target, data) {
        eprintln!("panicked: {words}");
        std::process::abort();
    }
}

/// The target with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

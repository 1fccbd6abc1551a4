//! The harness of the black-box tests: it starts brokers and client programs and talks to them.
//!
//! A test starts its own broker (`Broker::start`), in a folder and on ports of its own, and talks
//! to it as clients do: with lapin (`client`), with hand-written bytes (`wire`), over HTTP (`http`)
//! or through programs in other languages (`program`). Nothing here knows the broker's insides, so
//! that the tests would survive a rewrite of every crate.
//!
//! `WARREN_TEST_AMQP=127.0.0.1:5672` makes every test that needs no control over the process use
//! the broker at that address, for instance a RabbitMQ to compare with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a harness tells what went wrong by a panic, which fails the test"
)]

pub mod broker;
pub mod client;
pub mod http;
pub mod places;
pub mod program;
pub mod tokens;
pub mod wire;

pub use broker::Broker;
pub use wire::Wire;

use std::time::{Duration, Instant};

/// How long a step that should take milliseconds may take before its test fails.
///
/// It is generous because tests run side by side on two cores.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks at something that is waited for.
pub const GLANCE: Duration = Duration::from_millis(10);

/// Looks until `look` gives something, and panics with `what` after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(GLANCE);
    }
}

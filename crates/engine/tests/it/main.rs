//! The engine's tests from outside: scenarios, and random commands against a naive broker.
//!
//! `world.rs` is the only file that calls the engine. It takes commands as lines of text, which
//! `script.rs` parses, and gives what follows as lines of text, which `render.rs` writes. A random
//! run that fails can thus be read, and pasted into a scenario.

// These are tests, also where a helper is not marked as one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod durable;
mod mirror;
mod model;
mod naive_routing;
mod properties;
mod render;
mod scenario;
mod scenarios;
mod script;
mod world;

//! Deterministic simulation: the real engine and the real store, in one thread, on a simulated
//! disk, with scripted clients. Everything that happens, and in which order, is drawn from a seed:
//! what clients ask, when the shard, the committer, the loader and the checkpoint get their turn,
//! when power is cut or a disk operation fails. The same seed gives the same run.
//!
//! ```text
//! client.rs, generate.rs,  what clients do, and what they check about what they get
//! names.rs
//!     | commands   ^ events
//! node.rs, committer.rs    the shard, committer, loader and checkpoint of the server, as steps
//!     |                    around the real VirtualHost, Log, Checkpointer and Reader
//! model/                   what must be true: checked after every command and every restart
//! policies.rs, settings.rs the policies that come and go, and what holds by them
//! world.rs, faults.rs      which step is next; power cuts, failing operations, full disks, restarts
//! finish.rs, damage.rs     the end of each run: heal, come to rest, restart, drain, look at disk
//! ```
//!
//! A feature of the broker that is added later becomes a request in `generate.rs`, and in `model`
//! what must follow from it.

mod client;
mod committer;
mod damage;
mod faults;
mod finish;
mod generate;
mod limits;
mod messages;
mod model;
mod names;
mod node;
mod policies;
mod random;
mod settings;
mod trace;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use world::Profile;

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name in docs/testing.md, for example `P1`.
    pub property: &'static str,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.text)
    }
}

impl Violation {
    pub(crate) fn new(property: &'static str, text: impl Into<String>) -> Self {
        Self { property, text: text.into() }
    }
}

/// What one run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The seed, with which the run can be repeated.
    pub seed: u64,
    /// A hash over every line of the trace.
    pub hash: u64,
    /// What was not as it must be.
    pub violation: Option<Violation>,
    /// The last lines of the trace, or all of them.
    pub tail: Vec<String>,
    /// What happened in the run.
    pub counts: Counts,
}

/// What happened in a run, to see that runs are worth something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps of the scheduler.
    pub steps: u64,
    /// Commands that the engine carried out.
    pub commands: u64,
    /// Messages published.
    pub published: u64,
    /// Confirms that clients received.
    pub confirmed: u64,
    /// Deliveries, `basic.get` included.
    pub delivered: u64,
    /// Of them those that were redelivered.
    pub redelivered: u64,
    /// Contents that came from disk.
    pub loaded: u64,
    /// Messages and queues that expired.
    pub expired: u64,
    /// Messages that left a queue which had no room for them.
    pub dropped: u64,
    /// Messages that did not enter a queue which had no room for them.
    pub refused: u64,
    /// Changes of policies.
    pub policies: u64,
    /// Power cuts, also while the store recovered.
    pub power_cuts: u64,
    /// Kills and orderly restarts.
    pub restarts: u64,
    /// Stores that failed by an error of the disk.
    pub failures: u64,
    /// Times that the log or a checkpoint found the disk full.
    pub waits: u64,
    /// Pieces of sparse segments that were written anew.
    pub moves: u64,
    /// Copies of messages that were damaged and told to be lost.
    pub lost: u64,
    /// Checkpoints that were finished.
    pub checkpoints: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.commands += other.commands;
        self.published += other.published;
        self.confirmed += other.confirmed;
        self.delivered += other.delivered;
        self.redelivered += other.redelivered;
        self.loaded += other.loaded;
        self.expired += other.expired;
        self.dropped += other.dropped;
        self.refused += other.refused;
        self.policies += other.policies;
        self.power_cuts += other.power_cuts;
        self.restarts += other.restarts;
        self.failures += other.failures;
        self.waits += other.waits;
        self.moves += other.moves;
        self.lost += other.lost;
        self.checkpoints += other.checkpoints;
    }
}

/// Carries out the run of a seed. A panic of the broker is a violation like any other.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    run_world(seed, world::World::new(seed))
}

/// The same with every line of the trace kept.
#[must_use]
pub fn run_traced(seed: u64) -> Outcome {
    let mut world = world::World::new(seed);
    world.notes.trace.whole = true;
    run_world(seed, world)
}

fn run_world(seed: u64, mut world: world::World) -> Outcome {
    let result = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation::new("panic", text.unwrap_or_default()))
    });
    world.outcome(seed, result.err())
}

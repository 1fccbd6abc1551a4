//! Makes the engine's stream of writes durable.
//!
//! ```text
//! engine writes -> Log::append -> Log::flush -> segment files          (every group of writes)
//!                                     |
//!                                  delta in memory
//!                                     |
//!        Log::begin_checkpoint -> Checkpointer::run -> warren.redb     (every second or 64 MiB)
//!
//! Reader::load <- delta, warren.redb (where messages stand) <- segment files (their bytes)
//! ```
//!
//! The message log holds what happened, in order; `warren.redb` holds the topology and, packed,
//! where in the log each waiting message stands. A message that is settled before the next
//! checkpoint never reaches redb. [`open`] reads redb, replays the log behind the last checkpoint
//! and gives the state back.
//!
//! The crate starts no thread and reads no clock. Three threads of the server use it: the
//! committer owns the [`Log`], the checkpoint thread the [`Checkpointer`], the loader a
//! [`Reader`]. They meet in one mutex that is held for memory operations only.

#![forbid(unsafe_code)]

mod arguments;
mod bytes;
mod check;
mod checkpoint;
mod delta;
mod disk;
mod entries;
mod error;
#[cfg(feature = "fault")]
pub mod fault;
mod flip;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod index;
mod lanes;
mod limits;
mod log;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
#[expect(unreachable_pub, reason = "tests reach it by the feature")]
mod planted;
mod ranges;
mod reader;
mod record;
mod recovery;
mod relocate;
mod replay;
mod returns;
mod room;
mod rows;
mod segment;
mod shared;
mod slot;
mod topology;

pub use check::{CheckReport, Finding, RepairReport, check, check_on, repair, repair_on};
pub use checkpoint::{Checkpointed, Checkpointer, Delta};
pub use disk::{Disk, DiskFile, DiskLock, RealDisk};
pub use error::Error;
pub use limits::{FORMAT_VERSION, Options};
pub use log::Log;
pub use reader::{DamagedMessage, Loaded, Reader};
pub use recovery::{Damage, Opened, Report, open, open_on};
pub use relocate::{Moves, Relocation};
pub use room::Room;

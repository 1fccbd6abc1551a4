//! Definitions: all that the broker is told to have, as a file that RabbitMQ reads and writes too.

mod dry_run;
pub(crate) mod export;
pub(crate) mod file;
pub(crate) mod import;
mod load;
mod report;
mod topology;

pub use load::{LoadError, load};

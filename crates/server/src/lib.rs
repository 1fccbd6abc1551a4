//! The broker at work: listeners, connections, engine shards, the committer.
//!
//! ```text
//! socket -> connection (task each) -> shard (task, owns virtual hosts) -> connection -> socket
//!                                       |  writes                 ^  confirms, replies
//!                                       v                         |
//!                                     committer (thread): one write, one sync a batch
//!                                       |  what changed
//!                                       v
//!                                     checkpoint (thread): into the database
//! ```

mod alarm;
pub mod attempts;
mod audit;
mod broker;
pub mod catalog;
mod census;
mod checkpoints;
pub mod client;
mod clock;
mod committer;
pub mod config;
mod confirms;
mod connection;
mod error;
mod greeting;
mod groups;
mod half_open;
mod health;
mod hosts;
pub mod limits;
mod listener;
mod loader;
mod log_tail;
mod login;
mod management;
mod memory;
mod messages;
mod names;
pub mod oauth;
mod reply_code;
mod shard;
mod starting;
mod status;
pub mod view;

pub use alarm::Alarm;
pub use audit::{Audit, AuditEntry, AuditResult};
pub use broker::Broker;
pub use catalog::{Actor, Catalog, CatalogError, Change, Done, Via};
pub use census::{ConnectionInfo, ConnectionState, Traffic};
pub use client::{Client, ClientError, Delivered, Published, Settlement};
pub use clock::now;
pub use config::Config;
pub use error::Error;
pub use health::Health;
pub use listener::listen;
pub use log_tail::{LogLevel, LogLine, LogTail, LogWish};
pub use login::{AccessSource, Identity, LoginError};
pub use management::{ListenerInfo, Management, NodeFacts, OpenError};
pub use messages::*;
pub use reply_code::reply_code;
pub use status::{HostCounts, Status};
pub use warren_engine::{self as engine, Summary};
pub use warren_storage::Options as StorageOptions;

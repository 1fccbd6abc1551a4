//! The broker as a deterministic state machine: exchanges, bindings, queues, consumers and what
//! is unacknowledged, without a task, a clock, a disk or a wire.
//!
//! A [`VirtualHost`] takes one [`Command`] at a time and answers with [`Effects`]: events for
//! sessions, writes that must become durable, and wishes to have messages read back from disk.
//! The same commands give the same effects and the same state. A refused command changes nothing
//! but the channel or the connection that asked for it.

mod access;
mod arguments;
mod backlog;
mod browse;
mod command;
mod compatibility;
mod conflict;
mod consumer_settings;
mod copies;
mod counters;
mod death;
mod effect;
mod error;
mod exchange;
mod expiry;
mod explain;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod held;
mod lanes;
mod leaving;
pub mod limits;
mod message;
mod observation;
mod pattern;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
#[expect(unreachable_pub, reason = "tests reach it by the feature")]
mod planted;
mod policy;
mod queue;
mod record;
mod round;
mod router;
mod session;
mod settings;
mod single_active;
mod stream;
mod topology;
mod transaction;
mod unroutable;
mod virtual_host;
mod wheel;

pub use access::{Access, Permission, Right, ScopeGrant, TopicPermission, Wildcard};
pub use browse::{BadPlace, BrowsePage, Browsed, Outstanding, Place, Taken};
pub use command::{
    Acknowledgement, Command, ConsumeRequest, Declaration, Milliseconds, PublishBatch, Request,
    SessionId,
};
pub use conflict::{exchange_conflict, queue_conflict};
pub use counters::{ExchangeCounters, LossCounters, MessageCounters};
pub use effect::{DeadLettered, Departed, Effects, Event, Load, Outgoing, Reply, Unfinished};
pub use error::{Error, Inequivalence, Origin};
pub use expiry::{BadExpiration, expiration};
pub use explain::{Explanation, Judged, Step};
pub use message::{Message, MessageBatch, Parts, encoded_body_bytes, encoded_may_expire};
pub use observation::{
    Amount, ChannelKey, ChannelSample, ConsumerDescription, ConsumerSample, DeadLetterCounters,
    ExchangeSample, HostCounters, Observation, QueueCounts, QueueDescription, QueueSample,
};
pub use pattern::{BadPattern, check_pattern};
pub use policy::{
    AppliedPolicies, ApplyTo, Definition, EffectivePolicies, EffectiveValue, Policies,
    PolicyProblem, PolicyRecord, PolicySource, PolicyValue, validate_policy,
};
pub use record::{
    BindingRecord, Destination, ExchangeRecord, ExchangeType, QueueId, QueueRecord, Recovered,
    RecoveredLane, RecoveredQueue, Sequence, VirtualHostId, Waiting, Write,
};
pub use settings::QueueType;
pub use unroutable::Unroutable;
pub use virtual_host::{Bounds, EndingHost, MemoryLimits, Summary, VirtualHost};

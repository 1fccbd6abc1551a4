//! Work with messages that wait in queues, for people and programs that come by HTTP: to look at them,
//! to move, copy or delete chosen ones, and to fetch them for a time.

mod filter;
mod jobs;
mod leases;
mod look;

pub use filter::{BadFilter, MessageFilter};
pub(crate) use jobs::Edited;
pub use jobs::{Action, BadJob, Edits, Job, JobId, JobRequest, JobState, Jobs, Selection, Target};
pub use leases::{BadLease, Lease, LeaseId, LeaseRequest, LeaseSettlement, Leased, Leases};
pub use look::{LookError, MessagePage};

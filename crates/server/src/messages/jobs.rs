//! Jobs that delete, move or copy chosen messages of a queue, with progress and cancel.
//!
//! Nothing can be lost by them: a message that is moved is taken out of its queue as a delivery, then
//! published with a confirm, and acknowledged only when the confirm is there. Whatever fails or is
//! cancelled in between leaves it unacknowledged, and it goes back to its place. At worst a message is
//! there twice, after a crash between the two.

mod edit;
mod run;

pub(crate) use edit::Edited;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use warren_amqp::FieldValue;
use warren_engine::Place;

use super::MessageFilter;
use crate::login::Identity;
use crate::management::Management;
use crate::{clock, limits};

/// A job, numbered from 1 since the start of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Into a queue.
    Queue {
        /// Its name.
        queue: String,
        /// Messages keep exchange and routing key; otherwise they are published to the default
        /// exchange with the name of the queue.
        keep_address: bool,
    },
    /// To an exchange, with a routing key of their own or this one.
    Exchange {
        /// The exchange; empty for the default one.
        exchange: String,
        /// In the place of the message's own.
        routing_key: Option<String>,
    },
    /// To where they were first published: the exchange and the key of their first dead-lettering,
    /// or their own if they were never dead-lettered.
    Origin,
}

impl Target {
    /// The queue that messages go into with the addresses that they have.
    pub(crate) fn queue_kept_to(&self) -> Option<&str> {
        match self {
            Self::Queue { queue, keep_address: true } => Some(queue),
            Self::Queue { keep_address: false, .. } | Self::Exchange { .. } | Self::Origin => None,
        }
    }
}

/// What is changed about messages on their way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    /// Headers that are set.
    pub set_headers: Vec<(String, FieldValue)>,
    /// Headers that are taken away.
    pub remove_headers: Vec<String>,
    /// In the place of the body.
    pub body: Option<Vec<u8>>,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// They are gone.
    Delete,
    /// They are elsewhere, and here no more.
    Move(Target, Edits),
    /// They are elsewhere, and here as before.
    Copy(Target, Edits),
}

impl Action {
    /// A word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Move(..) => "move",
            Self::Copy(..) => "copy",
        }
    }
}

/// Which messages are meant. Those that come after the job has begun are not.
#[derive(Debug, Clone)]
pub enum Selection {
    /// Those at these places.
    Places(Vec<Place>),
    /// Those that a filter lets through, and no more than so many.
    Filter(MessageFilter, Option<u64>),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct JobRequest {
    /// The virtual host of the queue.
    pub virtual_host: String,
    /// The queue.
    pub queue: String,
    /// What is done.
    pub action: Action,
    /// To which messages.
    pub selection: Selection,
    /// How many messages there are to look at, as far as that is known when it begins.
    pub to_look_at: u64,
}

/// Why there is no such job.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadJob {
    /// Too many are running.
    #[error("{} jobs are running, which is the limit", limits::JOBS_RUNNING)]
    TooMany,
    /// More places than a request may name.
    #[error("a job names at most {} messages", limits::JOB_PLACES)]
    TooManyPlaces,
    /// There is none of that number, or it was forgotten.
    #[error("there is no such job")]
    NotFound,
}

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It goes on.
    Running,
    /// All was done.
    Done,
    /// Somebody ended it. What was done stays done.
    Cancelled,
    /// It ended early, and why.
    Failed(String),
}

impl JobState {
    /// A word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed(_) => "failed",
        }
    }
}

/// A job and how far it has come.
#[derive(Debug)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Who asked for it.
    pub user: String,
    /// What was asked for.
    pub request: JobRequest,
    /// When it began, in milliseconds since 1970.
    pub started: u64,
    state: Mutex<(JobState, Option<u64>)>,
    looked_at: AtomicU64,
    done: AtomicU64,
    unroutable: AtomicU64,
    refused: AtomicU64,
    cancelled: AtomicBool,
}

impl Job {
    fn new(id: JobId, user: &str, request: JobRequest) -> Self {
        Self {
            id,
            user: user.to_owned(),
            request,
            started: clock::now(),
            state: Mutex::new((JobState::Running, None)),
            looked_at: AtomicU64::new(0),
            done: AtomicU64::new(0),
            unroutable: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        }
    }

    fn state_and_end(&self) -> MutexGuard<'_, (JobState, Option<u64>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it goes on, or how it ended.
    #[must_use]
    pub fn state(&self) -> JobState {
        self.state_and_end().0.clone()
    }

    /// When it ended, in milliseconds since 1970.
    #[must_use]
    pub fn ended(&self) -> Option<u64> {
        self.state_and_end().1
    }

    /// Messages that were looked at.
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.looked_at.load(Ordering::Relaxed)
    }

    /// Messages to which it was done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Messages that stayed where they were, as nothing took them.
    #[must_use]
    pub fn unroutable(&self) -> u64 {
        self.unroutable.load(Ordering::Relaxed)
    }

    /// Messages that stayed where they were, as a queue had no room for them.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn end(&self, state: JobState) {
        *self.state_and_end() = (state, Some(clock::now()));
    }

    fn is_running(&self) -> bool {
        self.state_and_end().0 == JobState::Running
    }
}

/// All jobs of this broker. Copies are the same.
#[derive(Debug, Clone, Default)]
pub struct Jobs(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    last: u64,
    jobs: BTreeMap<JobId, Arc<Job>>,
}

impl Jobs {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a job, with the rights of whoever asks for it.
    ///
    /// # Errors
    ///
    /// Too many are running, or it names too many messages.
    pub fn begin(
        &self,
        management: Management,
        identity: Identity,
        request: JobRequest,
    ) -> Result<Arc<Job>, BadJob> {
        if matches!(&request.selection, Selection::Places(places) if places.len() > limits::JOB_PLACES)
        {
            return Err(BadJob::TooManyPlaces);
        }
        let job = {
            let mut known = self.known();
            let running = known.jobs.values().filter(|job| job.is_running()).count();
            if running >= limits::JOBS_RUNNING {
                return Err(BadJob::TooMany);
            }
            known.last += 1;
            let id = JobId(known.last);
            let job = Arc::new(Job::new(id, &identity.user, request));
            known.jobs.insert(id, Arc::clone(&job));
            known.forget_old();
            job
        };
        let running = Arc::clone(&job);
        tokio::spawn(async move {
            let state = match run::run(&running, &management, &identity).await {
                Ok(()) if running.cancelled.load(Ordering::Relaxed) => JobState::Cancelled,
                Ok(()) => JobState::Done,
                Err(reason) => JobState::Failed(reason),
            };
            running.end(state);
        });
        Ok(job)
    }

    /// All jobs that are known, the newest in front.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Job>> {
        self.known().jobs.values().rev().cloned().collect()
    }

    /// A job by its number.
    ///
    /// # Errors
    ///
    /// There is none, or it was forgotten.
    pub fn get(&self, id: JobId) -> Result<Arc<Job>, BadJob> {
        self.known().jobs.get(&id).cloned().ok_or(BadJob::NotFound)
    }

    /// Ends a job as soon as the messages that it has in hand are done with.
    ///
    /// # Errors
    ///
    /// There is none, or it was forgotten.
    pub fn cancel(&self, id: JobId) -> Result<(), BadJob> {
        self.get(id)?.cancelled.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Known {
    fn forget_old(&mut self) {
        while self.jobs.len() > limits::JOBS_KEPT {
            let old = self.jobs.iter().find(|(_, job)| !job.is_running());
            let Some(id) = old.map(|(id, _)| *id) else { return };
            self.jobs.remove(&id);
        }
    }
}

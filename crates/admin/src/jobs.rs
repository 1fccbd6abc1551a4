//! Jobs that delete, move or copy chosen messages of a queue.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_server::{
    Action, BadJob, Edits, Job, JobId, JobRequest, JobState, MessageFilter, Selection, Target,
};

use crate::answer::{self, Answer};
use crate::authorize::administers;
use crate::call::Call;
use crate::error::Error;
use crate::field_table;
use crate::waiting::{check_reads, look_failed, place};

/// What is to be done to which messages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostJob {
    /// `delete`, `move` or `copy`.
    action: String,
    /// The messages, by the places that a look at the queue gives. Without places and without
    /// conditions, all messages that are there when the job begins are meant.
    places: Option<Vec<String>>,
    /// Which messages are meant, if they are not named one by one.
    filter: Option<PostFilter>,
    /// No more than so many messages.
    max: Option<u64>,
    /// Where messages go that are moved or copied.
    to: Option<PostTarget>,
    /// Headers that are set on their way.
    #[serde(default)]
    set_headers: Map<String, Value>,
    /// Headers that are taken away on their way.
    #[serde(default)]
    remove_headers: Vec<String>,
    /// A text in the place of the body.
    payload: Option<String>,
}

/// What messages must be like: all of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PostFilter {
    /// The routing key has this text in it.
    key: Option<String>,
    /// The body has this text in it.
    body: Option<String>,
    /// Headers with these values as text; without a value, the header is there.
    headers: Map<String, Value>,
    /// An expression in the Common Expression Language.
    expression: Option<String>,
}

/// Where messages go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostTarget {
    /// Into this queue.
    queue: Option<String>,
    /// With a queue: messages keep the exchange and the routing key that they have. Otherwise they
    /// are published to the default exchange with the name of the queue.
    #[serde(default)]
    keep_address: bool,
    /// To this exchange.
    exchange: Option<String>,
    /// With this routing key in the place of their own.
    routing_key: Option<String>,
    /// To where they were first published.
    #[serde(default)]
    origin: bool,
}

/// A job.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JobObject {
    id: u64,
    vhost: String,
    queue: String,
    action: &'static str,
    /// Where messages go; nothing for a delete.
    to: Option<TargetObject>,
    user: String,
    /// `running`, `done`, `cancelled` or `failed`.
    state: &'static str,
    /// Why it failed.
    reason: Option<String>,
    started_at: u64,
    ended_at: Option<u64>,
    /// Messages that there were to look at when it began: those named, or all that waited.
    to_look_at: u64,
    /// Messages that were looked at.
    looked_at: u64,
    /// Messages to which it was done.
    done: u64,
    /// Messages that stayed where they were, as nothing took them.
    unroutable: u64,
    /// Messages that stayed where they were, as a queue had no room for them.
    refused: u64,
}

/// Where messages of a job go.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct TargetObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_address: Option<bool>,
    /// Empty for the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<bool>,
}

impl TargetObject {
    fn of(target: &Target) -> Self {
        match target.clone() {
            Target::Queue { queue, keep_address } => {
                Self { queue: Some(queue), keep_address: Some(keep_address), ..Self::default() }
            }
            Target::Exchange { exchange, routing_key } => {
                Self { exchange: Some(exchange), routing_key, ..Self::default() }
            }
            Target::Origin => Self { origin: Some(true), ..Self::default() },
        }
    }
}

impl JobObject {
    fn of(job: &Job) -> Self {
        let state = job.state();
        Self {
            id: job.id.0,
            vhost: job.request.virtual_host.clone(),
            queue: job.request.queue.clone(),
            action: job.request.action.name(),
            to: match &job.request.action {
                Action::Delete => None,
                Action::Move(target, _) | Action::Copy(target, _) => Some(TargetObject::of(target)),
            },
            user: job.user.clone(),
            state: state.name(),
            started_at: job.started,
            ended_at: job.ended(),
            to_look_at: job.request.to_look_at,
            looked_at: job.looked_at(),
            done: job.done(),
            unroutable: job.unroutable(),
            refused: job.refused(),
            reason: match state {
                JobState::Failed(reason) => Some(reason),
                JobState::Running | JobState::Done | JobState::Cancelled => None,
            },
        }
    }
}

fn failed(error: &BadJob) -> Error {
    match error {
        BadJob::NotFound => Error::NoSuchObject,
        BadJob::TooMany => Error::Unavailable(error.to_string()),
        BadJob::TooManyPlaces => Error::bad_request(error.to_string()),
    }
}

impl PostFilter {
    fn into_filter(self) -> Result<MessageFilter, Error> {
        let mut filter = MessageFilter::default().routing_key(self.key).body(self.body);
        for (name, value) in self.headers {
            let value = match value {
                Value::Null => None,
                Value::String(text) => Some(text),
                other
                @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    Some(other.to_string())
                }
            };
            filter = filter.header(name, value);
        }
        let filter = filter.expression(self.expression.as_deref());
        filter.map_err(|error| Error::bad_request(error.to_string()))
    }
}

impl PostTarget {
    fn into_target(self) -> Result<Target, Error> {
        let Self { queue, keep_address, exchange, routing_key, origin } = self;
        if keep_address && queue.is_none() {
            return Err(Error::bad_request("to: keep_address is for a queue"));
        }
        match (queue, exchange, origin) {
            (Some(queue), None, false) if routing_key.is_none() && !queue.is_empty() => {
                Ok(Target::Queue { queue, keep_address })
            }
            (None, Some(exchange), false) => {
                let exchange = if exchange == "amq.default" { String::new() } else { exchange };
                Ok(Target::Exchange { exchange, routing_key })
            }
            (None, None, true) if routing_key.is_none() => Ok(Target::Origin),
            _ => Err(Error::bad_request(
                "to: names a queue, or an exchange with or without a routing key, or the origin",
            )),
        }
    }
}

impl PostJob {
    fn action(&mut self) -> Result<Action, Error> {
        let edits = Edits {
            set_headers: {
                let set = field_table::from_json(&std::mem::take(&mut self.set_headers))?;
                set.into_iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
            },
            remove_headers: std::mem::take(&mut self.remove_headers),
            body: self.payload.take().map(String::into_bytes),
        };
        let target = self.to.take().map(PostTarget::into_target).transpose()?;
        match (self.action.as_str(), target) {
            ("delete", None) if edits == Edits::default() => Ok(Action::Delete),
            ("delete", _) => Err(Error::bad_request("to: nothing goes anywhere by a delete")),
            ("move", Some(target)) => Ok(Action::Move(target, edits)),
            ("copy", Some(target)) => Ok(Action::Copy(target, edits)),
            ("move" | "copy", None) => Err(Error::bad_request("to: is missing")),
            _ => Err(Error::BadTerm("unknown_action", self.action.clone())),
        }
    }

    fn selection(&mut self) -> Result<Selection, Error> {
        match (self.places.take(), self.filter.take()) {
            (Some(_), Some(_)) => {
                Err(Error::bad_request("messages are named by places or by a filter, not by both"))
            }
            (Some(places), None) => {
                let places = places.iter().map(|text| place(text));
                Ok(Selection::Places(places.collect::<Result<_, _>>()?))
            }
            (None, filter) => {
                let filter = filter.unwrap_or_default().into_filter()?;
                Ok(Selection::Filter(filter, self.max))
            }
        }
    }
}

pub(crate) async fn post(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let queue = call.path("queue").to_owned();
    check_reads(&call, &virtual_host, &queue)?;
    let mut wanted: PostJob = call.json().await?;
    let (action, selection) = (wanted.action()?, wanted.selection()?);
    // A name that is wrong is told at once, and not by a job that fails.
    let name = queue.clone();
    let there = call.api.management.ask(&virtual_host, move |host| host.next_place(&name)).await;
    there.map_err(|error| look_failed(&error))?.map_err(|_| Error::NoSuchObject)?;
    let to_look_at = match &selection {
        Selection::Places(places) => places.len() as u64,
        Selection::Filter(..) => {
            let found = call.api.view().await.queue(&virtual_host, &queue);
            found.map_or(0, |(_, queue)| queue.counts().ready.messages)
        }
    };
    let request = JobRequest { virtual_host, queue, action, selection, to_look_at };
    let (management, identity) = (call.api.management.clone(), call.identity.clone());
    let job = call.api.jobs.begin(management, identity, request).map_err(|error| failed(&error))?;
    Ok(answer::json(axum::http::StatusCode::ACCEPTED, &JobObject::of(&job)))
}

/// Jobs of others are for those alone who administer.
fn is_visible(call: &Call, job: &Job) -> bool {
    administers(&call.identity) || *job.user == *call.identity.user
}

pub(crate) async fn all(call: Call) -> Answer {
    let jobs = call.api.jobs.list();
    let seen: Vec<JobObject> =
        jobs.iter().filter(|job| is_visible(&call, job)).map(|job| JobObject::of(job)).collect();
    answer::ok(&seen)
}

fn found(call: &Call) -> Result<Arc<Job>, Error> {
    let id = call.path("job").parse().map(JobId).map_err(|_| Error::NoSuchObject)?;
    let job = call.api.jobs.get(id).map_err(|error| failed(&error))?;
    if is_visible(call, &job) { Ok(job) } else { Err(Error::NoSuchObject) }
}

pub(crate) async fn get(call: Call) -> Answer {
    answer::ok(&JobObject::of(&*found(&call)?))
}

pub(crate) async fn cancel(call: Call) -> Answer {
    let job = found(&call)?;
    call.api.jobs.cancel(job.id).map_err(|error| failed(&error))?;
    answer::done()
}

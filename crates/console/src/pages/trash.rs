//! Messages that were purged or deleted and can be brought back: for ten minutes they are in a queue
//! of their own, which goes by itself then.
//!
//! A job moves them there, so that nothing can be lost on the way. Undo is a job that moves them back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use warren_admin::inner::Refusal;

use super::Routes;
use crate::error::Error;
use crate::format::{self, grouped};
use crate::limits;
use crate::links;
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to};
use crate::value::{items, number, text};
use crate::visit::Visit;

/// What the names of such queues begin with.
pub(crate) use warren_admin::inner::TRASH_PREFIX as PREFIX;

/// The argument that names the queue that the messages are from.
const OF: &str = "x-warren-trash-of";

/// In the address of a page: a notice tells of these.
const TOLD: &str = "told";

/// The longest name that a queue may have.
const NAME_BYTES: usize = 255;

/// Messages that can be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trash {
    pub(crate) virtual_host: String,
    /// The queue that they are in.
    pub(crate) name: String,
    /// The queue that they are from.
    pub(crate) of: String,
    pub(crate) messages: u64,
    /// When they were taken away, in milliseconds since 1970.
    pub(crate) since: u64,
    /// For how many seconds they are there at least.
    pub(crate) left: u64,
}

/// Where messages are to go that are taken away.
#[derive(Debug)]
pub(crate) struct Bin {
    virtual_host: String,
    name: String,
}

pub(crate) fn add(routes: Routes) -> Routes {
    routes.post("/trash/{vhost}/{trash}/undo", undo).post("/trash/{vhost}/{trash}/delete", delete)
}

impl Trash {
    /// Nothing if the queue is none of these.
    fn of(queue: &Value, now: u64) -> Option<Self> {
        let name = text(queue, "name");
        let (_, since) = name.strip_prefix(PREFIX)?.rsplit_once('.')?;
        let since = since.parse().ok()?;
        let of = queue.get("arguments")?.get(OF)?.as_str()?;
        let gone = limits::TRASH_TIME.as_secs();
        Some(Self {
            virtual_host: text(queue, "vhost").to_owned(),
            name: name.to_owned(),
            of: of.to_owned(),
            messages: number(queue, "messages").unwrap_or(0),
            since,
            left: gone.saturating_sub(now.saturating_sub(since) / 1000),
        })
    }

    /// The page that a form is sent to which brings them back.
    pub(crate) fn undo(&self) -> String {
        format!("{}/undo", path(&self.virtual_host, &self.name))
    }

    /// The page that a form is sent to which deletes them now.
    pub(crate) fn delete(&self) -> String {
        format!("{}/delete", path(&self.virtual_host, &self.name))
    }

    /// How long they are there, in words.
    pub(crate) fn left_text(&self) -> String {
        match self.left {
            0 => "a moment".to_owned(),
            left => format::duration(left as f64),
        }
    }

    /// How many they are, in words.
    pub(crate) fn count_text(&self) -> String {
        messages(self.messages)
    }

    pub(crate) fn page(&self) -> String {
        links::queue(&self.virtual_host, &self.of)
    }
}

fn path(virtual_host: &str, name: &str) -> String {
    links::path(["trash", virtual_host, name])
}

/// A number of messages, in words.
pub(crate) fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{} messages", grouped(count)) }
}

/// All that can be brought back, the newest first.
pub(crate) async fn all(visit: &Visit) -> Result<Vec<Trash>, Refusal> {
    let query = format!(
        "?page=1&page_size=500&name={PREFIX}&columns=name,vhost,messages,arguments&\
         enable_queue_totals=true&disable_stats=true"
    );
    let found = visit.get(&format!("/api/queues{query}")).await?;
    let now = format::now();
    let mut all: Vec<_> =
        items(&found, "items").iter().filter_map(|queue| Trash::of(queue, now)).collect();
    all.sort_by_key(|trash| std::cmp::Reverse(trash.since));
    Ok(all)
}

/// What is from one queue, but for what a notice on the page tells of.
pub(crate) async fn of_queue(
    visit: &Visit,
    virtual_host: &str,
    queue: &str,
) -> Result<Vec<Trash>, Refusal> {
    let mut all = all(visit).await?;
    all.retain(|trash| trash.virtual_host == virtual_host && trash.of == queue);
    all.retain(|trash| trash.name != visit.query.get(TOLD));
    Ok(all)
}

/// Makes a place for messages of a queue that are to be taken away.
///
/// # Errors
///
/// The user may not make such a queue, or a policy would delete messages in it.
pub(crate) async fn bin(visit: &Visit, virtual_host: &str, queue: &str) -> Result<Bin, Error> {
    let name = bin_name(queue, format::now());
    let path = format!("/api{}", links::queue(virtual_host, &name));
    let expires = u64::try_from(limits::TRASH_TIME.as_millis()).unwrap_or(u64::MAX);
    let arguments = json!({"x-queue-type": "classic", "x-expires": expires, OF: queue});
    visit.put(&path, &json!({"durable": true, "arguments": arguments})).await.map_err(
        |refusal| {
            Error::wrong(format!(
                "The messages cannot be kept for a while: the queue {name} for them cannot be made \
             ({}). Nothing was done.",
                refusal.reason
            ))
        },
    )?;
    let made = visit.get(&path).await?;
    if let Some(policy) = harmful_policy(&made) {
        // It is empty, and was made a moment ago.
        let _ = visit.delete(&path).await;
        return Err(Error::wrong(format!(
            "The messages cannot be kept for a while: the policy {policy} holds for queues called \
             {PREFIX}..., too, and would delete some of them. Nothing was done."
        )));
    }
    Ok(Bin { virtual_host: virtual_host.to_owned(), name })
}

/// The name of a queue for messages of another one, short enough to be one.
fn bin_name(queue: &str, now: u64) -> String {
    let end = format!(".{now}");
    let room = NAME_BYTES - PREFIX.len() - end.len();
    let cut = queue.floor_char_boundary(room.min(queue.len()));
    format!("{PREFIX}{}{end}", &queue[..cut])
}

/// The policy that would delete messages of a queue, if one does.
fn harmful_policy(queue: &Value) -> Option<String> {
    let held = queue.get("effective_policy_sources")?;
    let limits = ["max-length", "max-length-bytes", "message-ttl"];
    let source = limits.iter().find_map(|key| held.get(key)).map(|it| text(it, "source"))?;
    let name = if source == "operator_policy" { "operator_policy" } else { "policy" };
    Some(text(queue, name).to_owned())
}

impl Bin {
    /// Moves messages into it: `chosen` says which, as jobs do. Gives the job.
    pub(crate) async fn take(
        &self,
        visit: &Visit,
        queue: &str,
        chosen: &Value,
    ) -> Result<Value, Refusal> {
        let mut body = json!({"action": "move", "to": {"queue": self.name, "keep_address": true}});
        if let (Some(body), Some(chosen)) = (body.as_object_mut(), chosen.as_object()) {
            body.extend(chosen.clone());
        }
        let jobs = format!("/api{}/jobs", links::queue(&self.virtual_host, queue));
        let job = visit.post(&jobs, &body).await;
        if job.is_err() {
            let _ = visit.delete(&self.api()).await;
        }
        job
    }

    fn api(&self) -> String {
        format!("/api{}", links::queue(&self.virtual_host, &self.name))
    }

    /// Tells that messages are in it, with a way back, on a page that would show the same by itself.
    /// Gives the address of the page for that.
    pub(crate) fn tell(&self, visit: &Visit, text: impl Into<String>, page: &str) -> String {
        let path = format!("{}/undo", path(&self.virtual_host, &self.name));
        visit.tell(Notice::done(text).with_action("Undo", path));
        format!("{page}{}", links::query([(TOLD, self.name.as_str())]))
    }
}

/// Waits for the end of a job, but not for long. Gives it as it is then.
pub(crate) async fn wait_for(visit: &Visit, job: Value, most: Duration) -> Result<Value, Refusal> {
    let (mut job, end) = (job, Instant::now() + most);
    while text(&job, "state") == "running" && Instant::now() < end {
        sleep(limits::JOB_LOOK).await;
        job = visit.get(&format!("/api/jobs/{}", number(&job, "id").unwrap_or(0))).await?;
    }
    Ok(job)
}

/// The queue that the path names, if it is one of these.
async fn named(visit: &Visit) -> Result<Trash, Error> {
    let (virtual_host, name) = (visit.path("vhost"), visit.path("trash"));
    let path = format!("/api{}?disable_stats=true", links::queue(virtual_host, name));
    let queue = visit.get(&format!("{path}&enable_queue_totals=true")).await;
    let queue = queue.map_err(|_| Error::wrong("It is too late: the messages are gone."))?;
    Trash::of(&queue, format::now()).ok_or(Error::NotFound)
}

/// Brings messages back.
async fn undo(visit: Arc<Visit>) -> Reply {
    let trash = named(&visit).await?;
    stop_filling(&visit, &trash).await?;
    let (virtual_host, name) = (trash.virtual_host.as_str(), trash.name.as_str());
    let back = json!({"action": "move", "to": {"queue": trash.of, "keep_address": true}});
    let job = visit.post(&format!("/api{}/jobs", links::queue(virtual_host, name)), &back).await?;
    let job = wait_for(&visit, job, limits::JOB_PATIENCE).await?;
    let id = number(&job, "id").unwrap_or(0);
    match text(&job, "state") {
        "running" => {
            tokio::spawn(clear_up(Arc::clone(&visit), trash, job));
            Ok(go_to(&format!("/jobs/{id}")))
        }
        "done" if number(&job, "unroutable") == Some(0) && number(&job, "refused") == Some(0) => {
            let count = messages(number(&job, "done").unwrap_or(0));
            remove(&visit, &trash).await;
            done(
                &visit,
                format!("Undone: {count} moved back, behind those that waited."),
                &trash.page(),
            )
        }
        _ => {
            visit.tell(Notice::error("Not all messages could be moved back."));
            Ok(go_to(&format!("/jobs/{id}")))
        }
    }
}

/// Ends jobs that still move messages into it: what comes later would stay there.
async fn stop_filling(visit: &Visit, trash: &Trash) -> Result<(), Refusal> {
    let jobs = visit.get("/api/jobs").await?;
    let fills = |job: &&Value| {
        text(job, "state") == "running"
            && text(job, "vhost") == trash.virtual_host
            && text(job, "to.queue") == trash.name
    };
    for job in items(&jobs, "").iter().filter(fills) {
        let id = number(job, "id").unwrap_or(0);
        visit.delete(&format!("/api/jobs/{id}")).await?;
        wait_for(visit, job.clone(), limits::JOB_PATIENCE).await?;
    }
    Ok(())
}

/// Deletes it when its job has moved all back.
async fn clear_up(visit: Arc<Visit>, trash: Trash, job: Value) {
    if let Ok(job) = wait_for(&visit, job, limits::TRASH_TIME).await
        && text(&job, "state") == "done"
    {
        remove(&visit, &trash).await;
    }
}

/// Deletes it if it is empty. If that fails, it goes by itself later.
async fn remove(visit: &Visit, trash: &Trash) {
    let path = links::queue(&trash.virtual_host, &trash.name);
    let _ = visit.delete(&format!("/api{path}?if-empty=true")).await;
}

/// Deletes messages for good before their time.
async fn delete(visit: Arc<Visit>) -> Reply {
    let trash = named(&visit).await?;
    visit.delete(&format!("/api{}", links::queue(&trash.virtual_host, &trash.name))).await?;
    done(&visit, format!("{} of {} deleted for good.", trash.count_text(), trash.of), "/jobs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_queues_for_what_is_deleted_tell_when_it_was() {
        let name = bin_name("a.b", 1_796_000_000_500);
        assert_eq!(name, "warren.trash.a.b.1796000000500");
        let queue = json!({"name": name, "vhost": "/", "messages": 3, "arguments": {OF: "a.b"}});
        let trash = Trash::of(&queue, 1_796_000_060_500).unwrap();
        assert_eq!((trash.of.as_str(), trash.left, trash.messages), ("a.b", 540, 3));
        assert_eq!(Trash::of(&queue, 1_797_000_000_000).unwrap().left_text(), "a moment");
        for other in ["warren.trash.x", "orders", "warren.trash.a.now"] {
            let queue = json!({"name": other, "arguments": {OF: "a"}});
            assert_eq!(Trash::of(&queue, 0), None, "{other}");
        }
    }

    #[test]
    fn long_names_are_cut_between_letters() {
        let name = bin_name(&"\u{e4}".repeat(127), 1_796_000_000_500);
        assert!(name.len() <= NAME_BYTES && name.ends_with("\u{e4}.1796000000500"), "{name}");
    }

    #[test]
    fn a_policy_that_would_delete_messages_is_named() {
        let held = json!({"max-length": {"value": 5, "source": "operator_policy"}});
        let queue =
            json!({"operator_policy": "o", "policy": "p", "effective_policy_sources": held});
        assert_eq!(harmful_policy(&queue).as_deref(), Some("o"));
        let held = json!({"expires": {"value": 600_000, "source": "argument"}});
        assert_eq!(harmful_policy(&json!({"effective_policy_sources": held})), None);
    }
}

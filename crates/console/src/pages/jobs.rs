//! Jobs that move, copy or delete messages: how far they are, and what became of them. And what was
//! deleted by them and can be brought back.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;

use super::Routes;
use super::trash::{self, PREFIX, Trash, messages};
use crate::cell::{Cell, Tag, Tone};
use crate::error::Error;
use crate::format::{self, grouped};
use crate::frame::Frame;
use crate::links;
use crate::reply::{Reply, done, page};
use crate::table::{Button, Column, Head, Row, Table};
use crate::value::{at, items, number, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes.get("/jobs", show_all).get("/jobs/{id}", show).post("/jobs/{id}/cancel", cancel)
}

#[derive(Template)]
#[template(path = "console/jobs.html")]
struct JobsPage {
    frame: Frame,
    jobs: Table,
    trash: Table,
}

#[derive(Template)]
#[template(path = "console/job.html")]
struct JobPage {
    frame: Frame,
    id: u64,
    what: String,
    is_running: bool,
    /// How far it is: done, of all, in words.
    progress: (u64, u64, String),
    state: Cell,
    reason: String,
    facts: Vec<(&'static str, Cell)>,
    trash: Vec<Trash>,
}

async fn show_all(visit: Arc<Visit>) -> Reply {
    let found = visit.get("/api/jobs").await?;
    let all = items(&found, "");
    let columns: Vec<&Column> = COLUMNS.iter().collect();
    let row = |job: &Value| {
        let row = Row::of(&columns, job, |job| number(job, "id").unwrap_or(0).to_string());
        if text(job, "state") == "running" { row.button(cancel_button(job)) } else { row }
    };
    let empty = "No job has run since the start. A job moves, copies or deletes messages: it begins \
                 on the page of a queue, under Messages.";
    let mut jobs = Table::of("Jobs", &COLUMNS, &[], |_| String::new(), empty);
    jobs.rows = all.iter().map(row).collect();
    let trash = trash_table(&trash::all(&visit).await?);
    page(&JobsPage { frame: Frame::new(&visit, "Jobs").await?, jobs, trash })
}

fn cancel_button(job: &Value) -> Button {
    let id = number(job, "id").unwrap_or(0);
    Button {
        label: "Cancel".to_owned(),
        title: format!("Cancel job {id}"),
        action: format!("/jobs/{id}/cancel"),
        fields: vec![("next".to_owned(), "/jobs".to_owned())],
        is_dangerous: false,
    }
}

const COLUMNS: [Column; 8] = [
    Column::new("id", "Job", "id", |job| {
        let id = number(job, "id").unwrap_or(0);
        Cell::link(format!("{id}: {}", what(job)), format!("/jobs/{id}"))
    }),
    Column::new("queue", "From", "queue", |job| {
        Cell::link(text(job, "queue"), links::queue(text(job, "vhost"), text(job, "queue")))
    }),
    Column::new("state", "State", "state", state),
    Column::new("progress", "Looked at", "looked_at", |job| Cell::Text(progress(job).2)),
    Column::new("done", "Done", "done", |job| Cell::count_at(job, "done")).number(),
    Column::new("stayed", "Stayed", "refused", |job| Cell::count(Some(stayed(job))))
        .number()
        .help("Messages that no queue took, or that found no room: they are where they were"),
    Column::new("started", "Began", "started_at", |job| Cell::time(number(job, "started_at"))),
    Column::new("user", "User", "user", |job| Cell::text_at(job, "user")),
];

/// What a job does, in words.
fn what(job: &Value) -> String {
    let action = match text(job, "action") {
        "move" => "move",
        "copy" => "copy",
        _ => return "delete messages".to_owned(),
    };
    let to = at(job, "to");
    let (queue, from) = (text(to, "queue"), text(job, "queue"));
    if queue.starts_with(PREFIX) {
        return "delete messages, with undo".to_owned();
    }
    if from.starts_with(PREFIX) {
        return format!("bring deleted messages back to {queue}");
    }
    if !queue.is_empty() {
        return format!("{action} messages to the queue {queue}");
    }
    match (to.get("exchange").and_then(Value::as_str), to.get("routing_key")) {
        (None, _) => format!("{action} messages to where they were first published"),
        (Some(exchange), None) => {
            format!("{action} messages to the exchange {}", links::exchange_name(exchange))
        }
        (Some(exchange), Some(key)) => format!(
            "{action} messages to the exchange {} with the key {}",
            links::exchange_name(exchange),
            key.as_str().unwrap_or_default()
        ),
    }
}

/// How many messages are where they were, as nothing took them.
fn stayed(job: &Value) -> u64 {
    number(job, "unroutable").unwrap_or(0) + number(job, "refused").unwrap_or(0)
}

/// How many messages were looked at, of how many, and that in words.
fn progress(job: &Value) -> (u64, u64, String) {
    let looked_at = number(job, "looked_at").unwrap_or(0);
    let all = number(job, "to_look_at").unwrap_or(0).max(looked_at);
    (looked_at, all.max(1), format!("{} of {}", grouped(looked_at), messages(all)))
}

fn state(job: &Value) -> Cell {
    let tag = match text(job, "state") {
        "running" => Tag::new("running", "It goes on", Tone::Warning),
        "done" if stayed(job) > 0 => {
            Tag::new("done in part", "Some messages stayed where they were", Tone::Warning)
        }
        "done" => Tag::new("done", "It has done all of it", Tone::Good),
        "cancelled" => Tag::plain("cancelled", "Somebody ended it. What was done stays done"),
        "failed" => Tag::new("failed", text(job, "reason"), Tone::Bad),
        other => Tag::plain(other, ""),
    };
    Cell::Tags(vec![tag])
}

/// What was deleted and can be brought back.
fn trash_table(trash: &[Trash]) -> Table {
    let button = |label: &str, title: String, action: String, is_dangerous| Button {
        label: label.to_owned(),
        title,
        action,
        fields: vec![],
        is_dangerous,
    };
    let row = |it: &Trash| {
        let title = |what: &str| format!("{what} {} of {}", it.count_text(), it.of);
        Row {
            key: format!("{}/{}", it.virtual_host, it.name),
            name: it.of.clone(),
            cells: vec![
                Cell::link(&*it.of, it.page()),
                Cell::text(&*it.virtual_host),
                Cell::link(it.count_text(), links::queue(&it.virtual_host, &it.name) + "/messages"),
                Cell::Time(it.since),
                Cell::text(it.left_text()),
            ],
            buttons: vec![
                button("Undo", title("Bring back"), it.undo(), false),
                button("Delete now", title("Delete for good"), it.delete(), true),
            ],
        }
    };
    let head = |title: &str| Head { title: title.to_owned(), ..Head::default() };
    Table {
        caption: "What can be brought back".to_owned(),
        heads: ["From", "Virtual host", "Messages", "Deleted", "Can be undone for"]
            .map(head)
            .into(),
        rows: trash.iter().map(row).collect(),
        empty: "Nothing. What is purged or deleted with undo stands here for ten minutes."
            .to_owned(),
        is_choice: false,
    }
}

async fn show(visit: Arc<Visit>) -> Reply {
    let job = named(&visit).await?;
    let id = number(&job, "id").unwrap_or(0);
    let target = text(&job, "to.queue");
    let trash = match target.starts_with(PREFIX) {
        true => {
            let mut trash =
                trash::of_queue(&visit, text(&job, "vhost"), text(&job, "queue")).await?;
            trash.retain(|it| it.name == target);
            trash
        }
        false => vec![],
    };
    let mut what = what(&job);
    if let Some(first) = what.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    page(&JobPage {
        frame: Frame::new(&visit, format!("Job {id}")).await?.below("Jobs", "/jobs"),
        id,
        is_running: text(&job, "state") == "running",
        progress: progress(&job),
        state: state(&job),
        reason: text(&job, "reason").to_owned(),
        facts: facts(&job),
        trash,
        what,
    })
}

async fn named(visit: &Visit) -> Result<Value, Error> {
    Ok(visit.get(&format!("/api{}", links::path(["jobs", visit.path("id")]))).await?)
}

fn facts(job: &Value) -> Vec<(&'static str, Cell)> {
    let host = text(job, "vhost");
    let queue = |name: &str| Cell::link(name, links::queue(host, name));
    let mut facts = vec![("From the queue", queue(text(job, "queue")))];
    let to = at(job, "to");
    match (text(to, "queue"), to.get("exchange").and_then(Value::as_str)) {
        ("", None) => {}
        ("", Some(name)) => {
            let shown = links::exchange_name(name);
            facts.push(("To the exchange", Cell::link(shown, links::exchange(host, name))));
        }
        (name, _) => facts.push(("To the queue", queue(name))),
    }
    let began = number(job, "started_at");
    let ended = number(job, "ended_at");
    let until = ended.unwrap_or_else(format::now);
    let took = began.map(|began| until.saturating_sub(began) as f64 / 1000.0);
    facts.extend([
        ("Virtual host", Cell::text(host)),
        ("Done", Cell::count_at(job, "done")),
        ("Stayed, as no queue took them", Cell::count_at(job, "unroutable")),
        ("Stayed, as there was no room", Cell::count_at(job, "refused")),
        ("Asked for by", Cell::text_at(job, "user")),
        ("Began", Cell::time(began)),
        ("Ended", Cell::time(ended)),
        ("Took", Cell::duration(took)),
    ]);
    facts
}

async fn cancel(visit: Arc<Visit>) -> Reply {
    let id = visit.path("id");
    visit.delete(&format!("/api{}", links::path(["jobs", id]))).await?;
    let next = if visit.form.has("next") { "/jobs".to_owned() } else { format!("/jobs/{id}") };
    done(&visit, format!("Job {id} ends. What it has done stays done."), &next)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_job_does_is_told_in_words() {
        let job = |to: Value| json!({"action": "move", "queue": "q", "to": to});
        for (job, text) in [
            (json!({"action": "delete", "to": null}), "delete messages"),
            (job(json!({"queue": "r"})), "move messages to the queue r"),
            (job(json!({"queue": "warren.trash.q.1"})), "delete messages, with undo"),
            (job(json!({"exchange": ""})), "move messages to the exchange amq.default"),
            (
                job(json!({"exchange": "x", "routing_key": "k"})),
                "move messages to the exchange x with the key k",
            ),
            (job(json!({"origin": true})), "move messages to where they were first published"),
        ] {
            assert_eq!(what(&job), text);
        }
        let back = json!({"action": "move", "queue": "warren.trash.q.1", "to": {"queue": "q"}});
        assert_eq!(what(&back), "bring deleted messages back to q");
    }

    #[test]
    fn progress_is_never_more_than_all() {
        assert_eq!(progress(&json!({"looked_at": 5, "to_look_at": 3})).1, 5);
        assert_eq!(progress(&json!({})), (0, 1, "0 of 0 messages".to_owned()));
    }
}

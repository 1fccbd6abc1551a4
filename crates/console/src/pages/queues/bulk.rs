//! What is done with many queues at once: it is asked first, with what will be done to which of them.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::chosen::{KEEP, keep_field};
use super::head::api;
use super::{list, target};
use crate::bulk::Outcome;
use crate::cell::Cell;
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::pages::{Routes, trash};
use crate::reply::{Reply, go_to};
use crate::sheet::{Section, Sheet};
use crate::table::{Column, Table};
use crate::value::{number, text};
use crate::visit::{Pairs, Visit};
use warren_admin::inner::Refusal;

pub(super) fn add(routes: Routes) -> Routes {
    routes.post("/queues/bulk", act)
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Pause,
    Resume,
    Move,
    Purge,
    Delete,
}

impl Action {
    fn read(form: &Pairs) -> Result<Self, Error> {
        let all = [Self::Pause, Self::Resume, Self::Move, Self::Purge, Self::Delete];
        let found = all.into_iter().find(|it| it.name() == form.get("action"));
        found.ok_or_else(|| Error::wrong("Please choose what is to be done."))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Move => "move",
            Self::Purge => "purge",
            Self::Delete => "delete",
        }
    }

    /// As a question about queues.
    fn question(self) -> &'static str {
        match self {
            Self::Pause => "Pause these queues?",
            Self::Resume => "Resume these queues?",
            Self::Move => "Move the messages of these queues",
            Self::Purge => "Purge these queues?",
            Self::Delete => "Delete these queues?",
        }
    }

    /// What will be.
    fn effect(self) -> &'static str {
        match self {
            Self::Pause => "Their consumers stay connected and get nothing until they are resumed.",
            Self::Resume => "Their consumers get messages again.",
            Self::Move => {
                "All messages that wait in them go to another place; what nothing takes stays."
            }
            Self::Purge => "All messages that wait in them are taken out.",
            Self::Delete => {
                "They are gone with all their messages and bindings; their consumers are told. This \
                 cannot be undone."
            }
        }
    }

    /// What was done to queues.
    fn verb(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Move => "being emptied by jobs",
            Self::Purge => "purged",
            Self::Delete => "deleted",
        }
    }
}

const NOUN: (&str, &str) = ("queue", "queues");

const COLUMNS: [Column; 5] = [
    Column::new("name", "Queue", "name", |it| {
        Cell::link(text(it, "name"), links::queue(text(it, "vhost"), text(it, "name")))
    }),
    Column::new("vhost", "Virtual host", "vhost", |it| Cell::text_at(it, "vhost")),
    Column::new("ready", "Ready", "messages_ready", |it| Cell::count_at(it, "messages_ready"))
        .number(),
    Column::new("unacked", "Unacked", "messages_unacknowledged", |it| {
        Cell::count_at(it, "messages_unacknowledged")
    })
    .number(),
    Column::new("consumers", "Consumers", "consumers", |it| Cell::count_at(it, "consumers"))
        .number(),
];

/// The queues that were chosen, by virtual host and name.
fn chosen(form: &Pairs) -> Result<Vec<(String, String)>, Error> {
    let named = |row: &str| match links::parts(row)?.as_slice() {
        [virtual_host, name] => Some((virtual_host.clone(), name.clone())),
        _ => None,
    };
    let queues: Option<Vec<_>> = form.all("row").map(named).collect();
    match queues {
        Some(queues) if !queues.is_empty() => Ok(queues),
        Some(_) => Err(Error::wrong("No queue was chosen. Please go back and choose some.")),
        None => Err(Error::wrong("What was chosen are no queues.")),
    }
}

async fn act(visit: Arc<Visit>) -> Reply {
    let (action, queues) = (Action::read(&visit.form)?, chosen(&visit.form)?);
    if !visit.form.has("confirmed") {
        return ask(&visit, action, &queues, None).await;
    }
    let target = match action {
        Action::Move => match target::read(&visit.form) {
            Ok(target) => Value::Object(target),
            Err(error) => return ask(&visit, action, &queues, Some(&error)).await,
        },
        _ => Value::Null,
    };
    let mut outcome = Outcome::default();
    for (virtual_host, name) in &queues {
        match carry_out(&visit, action, virtual_host, name, &target).await {
            Ok(()) => outcome.add(&**name, Ok(())),
            Err(Error::Refused(refusal)) => outcome.add::<()>(&**name, Err(refusal)),
            Err(other) => outcome.add::<()>(&**name, Err(refused(&other))),
        }
    }
    outcome.tell(&visit, NOUN, action.verb());
    let is_job = action == Action::Move || (action == Action::Purge && keeps(&visit));
    Ok(go_to(if is_job { "/jobs" } else { "/queues" }))
}

/// A reason of the console's own among those of the API.
fn refused(error: &Error) -> Refusal {
    Refusal { status: error.status(), reason: error.text(), body: Value::Null }
}

fn keeps(visit: &Visit) -> bool {
    visit.form.get("undo") == KEEP
}

async fn carry_out(
    visit: &Visit,
    action: Action,
    virtual_host: &str,
    name: &str,
    target: &Value,
) -> Result<(), Error> {
    let path = api(virtual_host, name);
    match action {
        Action::Pause | Action::Resume => {
            visit.put(&format!("{path}/{}", action.name()), &json!({})).await?;
        }
        Action::Move => {
            let mut job = target.clone();
            if let Some(job) = job.as_object_mut() {
                job.insert("action".to_owned(), json!("move"));
            }
            visit.post(&format!("{path}/jobs"), &job).await?;
        }
        Action::Purge if keeps(visit) => {
            let bin = trash::bin(visit, virtual_host, name).await?;
            bin.take(visit, name, &json!({})).await?;
        }
        Action::Purge => {
            visit.delete(&format!("{path}/contents")).await?;
        }
        Action::Delete => {
            visit.delete(&path).await?;
        }
    }
    Ok(())
}

/// The page that asks.
async fn ask(
    visit: &Visit,
    action: Action,
    queues: &[(String, String)],
    error: Option<&Error>,
) -> Reply {
    let columns = "columns=name,vhost,messages_ready,messages_unacknowledged,consumers";
    let mut found = vec![];
    for (virtual_host, name) in queues {
        // One that has gone meanwhile is told when it is done.
        found
            .extend(visit.get_if_allowed(&format!("{}?{columns}", api(virtual_host, name))).await?);
    }
    let mut table = Table::of("Queues", &COLUMNS, &found, list::key, "These queues have gone.");
    table.is_choice = false;
    let mut form = Form::new("/queues/bulk", action_label(action, found.len()))
        .with(Field::hidden("confirmed", "true"))
        .with(Field::hidden("action", action.name()))
        .back("/queues")
        .refused(error.map(Error::text));
    let rows = queues.iter().map(|(host, name)| links::path([host.as_str(), name.as_str()]));
    form.fields.extend(rows.map(|row| Field::hidden("row", row)));
    let frame = Frame::new(visit, action.question()).await?.below("Queues", "/queues");
    let status = error.map_or(StatusCode::OK, Error::status);
    if matches!(action, Action::Purge | Action::Delete) {
        if action == Action::Purge {
            let ready = found.iter().filter_map(|it| number(it, "messages_ready")).max();
            form = form.with(keep_field(ready.unwrap_or(0), visit.form.get("undo")));
        }
        let text = vec![action.effect().to_owned()];
        return Confirm::new(frame, text, form).losses(table).page_with(status);
    }
    if action == Action::Move {
        let (host, _) = &queues[0];
        form = target::with_fields(form, visit, host, &visit.form).await?;
    }
    let section = Section::new("What will be done").text(action.effect()).table(table).form(form);
    Sheet::new(frame).with(section).answer_with(status)
}

fn action_label(action: Action, count: usize) -> String {
    let what = match action {
        Action::Pause => "Pause",
        Action::Resume => "Resume",
        Action::Move => "Move the messages of",
        Action::Purge => "Purge",
        Action::Delete => "Delete",
    };
    if count == 1 { format!("{what} 1 queue") } else { format!("{what} {count} queues") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Pairs {
        Pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn queues_are_chosen_by_the_paths_of_their_pages() {
        let rows = form(&[("row", "/%2F/a%20b"), ("row", "/v/c")]);
        let queues = chosen(&rows).unwrap();
        assert_eq!(queues, [("/".into(), "a b".into()), ("v".into(), "c".into())]);
        assert!(chosen(&form(&[])).is_err());
        assert!(chosen(&form(&[("row", "/only")])).is_err());
    }

    #[test]
    fn what_is_done_is_one_of_what_is_offered() {
        assert_eq!(Action::read(&form(&[("action", "purge")])).unwrap(), Action::Purge);
        assert!(Action::read(&form(&[("action", "burn")])).is_err());
    }
}

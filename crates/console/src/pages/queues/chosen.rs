//! What is done with chosen messages of a queue: it is asked where they go and whether they are
//! really to be deleted; then a job does it.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use warren_admin::inner::Refusal;

use super::filter::Filter;
use super::head::{Head, api, queue};
use super::target;
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::{Field, Form};
use crate::format::grouped;
use crate::limits;
use crate::notices::Notice;
use crate::pages::Routes;
use crate::pages::trash::{self, messages};
use crate::reply::{Reply, go_to};
use crate::sheet::{Section, Sheet};
use crate::value::number;
use crate::visit::{Pairs, Visit};

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .post("/queues/{vhost}/{name}/messages/act", act)
        .get("/queues/{vhost}/{name}/move", show_move)
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Move,
    Copy,
    Delete,
}

/// To which messages.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Places(Vec<String>),
    Matching(Filter),
}

/// What somebody wants.
#[derive(Debug)]
struct Wish {
    action: Action,
    scope: Scope,
    /// No more than so many; as it was filled in.
    most: String,
    /// Action and filter can still be chosen.
    is_open: bool,
}

/// The choices that there are when messages are taken away.
pub(super) const KEEP: &str = "keep";
const AT_ONCE: &str = "at_once";

impl Action {
    fn read(form: &Pairs) -> Result<Self, Error> {
        match form.get("action") {
            "move" => Ok(Self::Move),
            "copy" => Ok(Self::Copy),
            "delete" => Ok(Self::Delete),
            _ => Err(Error::wrong("Please choose what is to be done.")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Delete => "delete",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Copy => "Copy",
            Self::Delete => "Delete",
        }
    }
}

impl Wish {
    fn read(form: &Pairs) -> Result<Self, Error> {
        let scope = match form.get("scope") {
            "all" => Scope::Matching(Filter::read(form)),
            _ => Scope::Places(form.all("row").map(str::to_owned).collect()),
        };
        if scope == Scope::Places(vec![]) {
            return Err(Error::wrong("No message was chosen. Please go back and choose some."));
        }
        let (most, is_open) = (form.get("most").trim().to_owned(), form.has("open"));
        Ok(Self { action: Action::read(form)?, scope, most, is_open })
    }

    /// Which messages are meant, in words.
    fn text(&self, queue: &Value) -> String {
        let waiting = messages(number(queue, "messages_ready").unwrap_or(0));
        match &self.scope {
            Scope::Places(places) => format!("{}.", messages(places.len() as u64)),
            Scope::Matching(filter) if filter.is_empty() => {
                format!("All messages that wait: {waiting} at this moment.")
            }
            Scope::Matching(filter) => {
                format!("Messages {}, of {waiting} that wait.", filter.text())
            }
        }
    }

    /// As members of a job.
    fn members(&self) -> Result<Map<String, Value>, Error> {
        let mut members = Map::new();
        match &self.scope {
            Scope::Places(places) => {
                members.insert("places".to_owned(), json!(places));
            }
            Scope::Matching(filter) => {
                members.insert("filter".to_owned(), filter.json());
                if !self.most.is_empty() {
                    let most = self.most.replace(',', "").parse::<u64>();
                    let most = most.map_err(|_| {
                        Error::wrong(format!("{:?} is no number of messages.", self.most))
                    })?;
                    members.insert("max".to_owned(), json!(most));
                }
            }
        }
        Ok(members)
    }

    /// The fields that say which messages are meant and what is done.
    fn fields(&self, head: &Head) -> Vec<Field> {
        let mut fields = vec![Field::hidden("confirmed", "true")];
        match &self.scope {
            Scope::Places(places) => {
                fields.push(Field::hidden("scope", "chosen"));
                fields.extend(places.iter().map(|place| Field::hidden("row", &**place)));
            }
            Scope::Matching(filter) => {
                fields.push(Field::hidden("scope", "all"));
                if self.is_open {
                    fields.push(
                        Field::heading("Which messages").help("Without any of it, all that wait."),
                    );
                    fields.extend(filter.fields());
                    fields.push(
                        Field::number("most", "How many at most", &*self.most)
                            .help("The first ones. If it is empty, all of them."),
                    );
                } else {
                    fields.extend(filter.hidden());
                }
            }
        }
        if self.is_open {
            let actions = [Action::Move, Action::Copy].into_iter();
            let actions = actions.filter(|it| !head.is_stream || *it == Action::Copy);
            let options = actions.map(|it| (it.name(), it.label()));
            fields.insert(0, Field::hidden("open", "true"));
            fields.insert(0, Field::choice("action", "What to do", options, self.action.name()));
            fields.insert(0, Field::heading("What"));
        } else {
            fields.push(Field::hidden("action", self.action.name()));
        }
        fields
    }
}

async fn act(visit: Arc<Visit>) -> Reply {
    let queue = queue(&visit, "").await?;
    let head = Head::of(&queue, "messages");
    let wish = Wish::read(&visit.form)?;
    if !visit.form.has("confirmed") {
        return ask(&visit, &queue, &head, &wish, None).await;
    }
    match begin(&visit, &head, &wish).await {
        Ok(page) => Ok(go_to(&page)),
        Err(error) => ask(&visit, &queue, &head, &wish, Some(error)).await,
    }
}

async fn show_move(visit: Arc<Visit>) -> Reply {
    let queue = queue(&visit, "").await?;
    let head = Head::of(&queue, "messages");
    let action = if head.is_stream { Action::Copy } else { Action::Move };
    let scope = Scope::Matching(Filter::read(&visit.query));
    let wish = Wish { action, scope, most: String::new(), is_open: true };
    ask(&visit, &queue, &head, &wish, None).await
}

/// The page that asks for the rest.
async fn ask(
    visit: &Visit,
    queue: &Value,
    head: &Head,
    wish: &Wish,
    error: Option<Error>,
) -> Reply {
    let status = error.as_ref().map_or(StatusCode::OK, Error::status);
    let title = match wish.is_open {
        true if head.is_stream => format!("Copy messages of {}", head.name),
        true => format!("Move or copy messages of {}", head.name),
        false => format!("{} messages of {}", wish.action.label(), head.name),
    };
    let frame = head.frame_below(visit, &title).await?;
    let mut form = Form::new(format!("{}/messages/act", head.path), wish.action.label());
    form.fields.extend(wish.fields(head));
    let form =
        form.refused(error.map(|error| error.text())).back(format!("{}/messages", head.path));
    if wish.action == Action::Delete {
        let ready = number(queue, "messages_ready").unwrap_or(0);
        let text = vec![wish.text(queue), "No consumer will get them any more.".to_owned()];
        let form = form.with(keep_field(ready, visit.form.get("undo")));
        return Confirm::new(frame, text, form).page_with(status);
    }
    let mut form = target::with_fields(form, visit, &head.virtual_host, &visit.form).await?;
    if wish.is_open {
        "Go on".clone_into(&mut form.submit);
    }
    let which = if wish.is_open { String::new() } else { wish.text(queue) };
    let how = match wish.action {
        Action::Move => {
            "A message leaves this queue when the other place has it for sure. What no queue takes \
             stays where it is, so that nothing is lost."
        }
        _ => "The messages stay here as well.",
    };
    let section = Section::new("The messages").text(format!("{which} {how}").trim()).form(form);
    Sheet::new(frame).with(section).answer_with(status)
}

/// The field that asks whether messages that are taken away are kept for a while. Not if there are
/// too many.
pub(super) fn keep_field(ready: u64, chosen: &str) -> Field {
    let keep = (KEEP, "Keep them for ten minutes, so that it can be undone");
    let at_once = (AT_ONCE, "At once and for good, without undo");
    if ready > limits::TRASH_MESSAGES {
        return Field::choice("undo", "Undo", [at_once], AT_ONCE).help(format!(
            "No more than {} messages can be kept for a while.",
            grouped(limits::TRASH_MESSAGES)
        ));
    }
    Field::choice("undo", "Undo", [keep, at_once], chosen).help(format!(
        "They are moved to a queue of their own, whose name begins with {} and which goes by itself.",
        trash::PREFIX
    ))
}

/// Begins the job. Gives its page.
async fn begin(visit: &Visit, head: &Head, wish: &Wish) -> Result<String, Error> {
    let mut members = wish.members()?;
    let page = |job: &Value| format!("/jobs/{}", number(job, "id").unwrap_or(0));
    if wish.action == Action::Delete && visit.form.get("undo") == KEEP {
        let bin = trash::bin(visit, &head.virtual_host, &head.name).await?;
        let job = bin.take(visit, &head.name, &Value::Object(members)).await?;
        let text = "They are deleted, and kept for ten minutes.";
        return Ok(bin.tell(visit, text, &page(&job)));
    }
    members.insert("action".to_owned(), json!(wish.action.name()));
    if wish.action != Action::Delete {
        members.extend(target::read(&visit.form)?);
    }
    let jobs = format!("{}/jobs", api(&head.virtual_host, &head.name));
    let job: Result<Value, Refusal> = visit.post(&jobs, &Value::Object(members)).await;
    let job = job?;
    visit.tell(Notice::done("The job has begun."));
    Ok(page(&job))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(pairs: &[(&str, &str)]) -> Result<Wish, Error> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Wish::read(&Pairs(pairs.collect()))
    }

    #[test]
    fn messages_are_named_by_places_or_by_a_filter() {
        let some = wish(&[("action", "delete"), ("row", "0-1"), ("row", "0-2")]).unwrap();
        assert_eq!(Value::Object(some.members().unwrap()), json!({"places": ["0-1", "0-2"]}));
        assert_eq!(some.text(&json!({})), "2 messages.");
        let all = wish(&[("action", "move"), ("scope", "all"), ("key", "a"), ("most", "1,000")]);
        let all = all.unwrap();
        assert_eq!(
            Value::Object(all.members().unwrap()),
            json!({"filter": {"key": "a"}, "max": 1000})
        );
        let queue = json!({"messages_ready": 5});
        assert!(all.text(&queue).ends_with("in the routing key, of 5 messages that wait."));
    }

    #[test]
    fn what_makes_no_sense_is_asked_for_again() {
        assert!(wish(&[("action", "delete")]).is_err(), "nothing chosen");
        assert!(wish(&[("action", "burn"), ("scope", "all")]).is_err());
        let wish = wish(&[("action", "copy"), ("scope", "all"), ("most", "few")]).unwrap();
        assert_eq!(wish.members().unwrap_err().to_string(), "\"few\" is no number of messages.");
    }

    #[test]
    fn of_too_many_messages_nothing_can_be_kept() {
        let options = |ready| match keep_field(ready, "").input {
            crate::form::Input::Choice { options, .. } => options.len(),
            _ => 0,
        };
        assert_eq!((options(5), options(limits::TRASH_MESSAGES + 1)), (2, 1));
    }
}

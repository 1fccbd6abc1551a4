//! Making a queue: a form with the arguments of its type, and what policies would say to its name.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::arguments::{Argument, OTHERS, by_policy};
use super::head::api;
use crate::cell::Cell;
use crate::error::Error;
use crate::form::{Field, Form, TypedRow};
use crate::frame::Frame;
use crate::links;
use crate::pages::Routes;
use crate::reply::{Reply, done, page_with};
use crate::tab::Tab;
use crate::value::{at, plain, text};
use crate::visit::{Pairs, Visit};

pub(super) fn add(routes: Routes) -> Routes {
    routes.get("/queues/new", show).post("/queues/new", make)
}

#[derive(Template)]
#[template(path = "console/queue_new.html")]
struct NewPage {
    frame: Frame,
    types: Vec<Tab>,
    /// What the type is good for.
    about: &'static str,
    form: Form,
    outlook: Option<Outlook>,
    /// What would hold.
    settings: Settings,
}

/// What policies would say.
struct Outlook {
    name: String,
    policies: Vec<(String, String)>,
}

type Settings = Vec<(String, Cell)>;

const TYPES: [(&str, &str, &str); 3] = [
    (
        "classic",
        "Classic",
        "What AMQP describes: a message waits until one consumer has it and acknowledges it.",
    ),
    (
        "quorum",
        "Quorum",
        "The same, always durable, and a message that comes back too often is given up. What is asked \
         for by this name elsewhere is spread over nodes; here there is one.",
    ),
    (
        "stream",
        "Stream",
        "A log: consumers read it from where they like, as often as they like. Nothing leaves it by \
         being read; the oldest messages go by age or size.",
    ),
];

/// The type that was chosen.
fn kind(filled: &Pairs) -> (&'static str, &'static str) {
    let wanted = filled.get("type");
    let found = TYPES.iter().find(|(name, ..)| *name == wanted).unwrap_or(&TYPES[0]);
    (found.0, found.2)
}

async fn show(visit: Arc<Visit>) -> Reply {
    form_page(&visit, &visit.query, None).await
}

async fn make(visit: Arc<Visit>) -> Reply {
    let filled = &visit.form;
    if filled.has("preview") {
        return form_page(&visit, filled, None).await;
    }
    match declare(&visit, filled).await {
        Ok(name) => {
            let page = links::queue(filled.get("vhost"), &name);
            done(&visit, format!("The queue {name} is there."), &page)
        }
        Err(error) => form_page(&visit, filled, Some(&error)).await,
    }
}

/// Declares the queue that was filled in, and gives its name.
async fn declare(visit: &Visit, filled: &Pairs) -> Result<String, Error> {
    let name = filled.get("name");
    if name.is_empty() {
        return Err(Error::wrong("Please give the queue a name."));
    }
    let path = api(filled.get("vhost"), name);
    let (kind, _) = kind(filled);
    let is_classic = kind == "classic";
    let body = json!({
        "durable": !is_classic || filled.get("durable") != "false",
        "auto_delete": is_classic && filled.has("auto_delete"),
        "arguments": arguments(filled)?,
    });
    // Declaring what is there does nothing, and nobody would notice.
    if visit.get_if_allowed(&format!("{path}?columns=name")).await?.is_some() {
        return Err(Error::wrong(format!("There is a queue {name} already.")));
    }
    visit.put(&path, &body).await?;
    Ok(name.to_owned())
}

/// The arguments that were filled in.
fn arguments(filled: &Pairs) -> Result<Map<String, Value>, Error> {
    let (kind, _) = kind(filled);
    let mut arguments = Map::from_iter([("x-queue-type".to_owned(), json!(kind))]);
    for argument in Argument::of(kind) {
        if let Some(value) = argument.read(filled.get(argument.name))? {
            arguments.insert(argument.name.to_owned(), value);
        }
    }
    let others = TypedRow::object(&TypedRow::read(filled, "others"))?;
    if let Value::Object(others) = others {
        arguments.extend(others);
    }
    Ok(arguments)
}

async fn form_page(visit: &Visit, filled: &Pairs, error: Option<&Error>) -> Reply {
    let frame = Frame::new(visit, "Add a queue").await?.below("Queues", "/queues");
    let mut filled = filled.clone();
    if !filled.has("vhost") {
        filled.0.push(("vhost".to_owned(), frame.first_virtual_host().to_owned()));
    }
    let (kind, about) = kind(&filled);
    let types = TYPES.iter().map(|(name, title, _)| {
        let pairs = [("type", *name), ("vhost", filled.get("vhost")), ("name", filled.get("name"))];
        let href = format!("/queues/new{}", links::query(pairs));
        Tab { title, href, is_here: *name == kind, count: String::new() }
    });
    let (outlook, settings) = outlook(visit, &filled, kind).await?.unzip();
    let settings = settings.unwrap_or_default();
    let types = types.collect();
    let form = form(&frame, &filled, kind).refused(error.map(Error::text));
    let status = error.map_or(StatusCode::OK, Error::status);
    page_with(status, &NewPage { frame, types, about, form, outlook, settings })
}

fn form(frame: &Frame, filled: &Pairs, kind: &str) -> Form {
    let hosts = frame.virtual_hosts.iter().map(|name| (name.clone(), name.clone()));
    let mut form = Form::new("/queues/new", "Add the queue")
        .wide()
        .with(Field::hidden("type", kind))
        .with(Field::heading("What it is"))
        .with(Field::choice("vhost", "Virtual host", hosts, filled.get("vhost")))
        .with(Field::text("name", "Name", filled.get("name")).required());
    if kind == "classic" {
        let lasts = [("true", "Yes: it survives a restart"), ("false", "No")];
        form = form.with(Field::choice("durable", "Durable", lasts, filled.get("durable"))).with(
            Field::check(
                "auto_delete",
                "Delete it with its last consumer",
                filled.has("auto_delete"),
            ),
        );
    }
    let heading = Field::heading("What it does");
    form = form
        .with(heading.help("All of it may stay empty. Policies can say most of it later, too."));
    for argument in Argument::of(kind) {
        form = form.with(argument.field(filled.get(argument.name)));
    }
    let others = TypedRow::read(filled, "others");
    form.with(Field::heading("What else"))
        .with(Field::rows("others", "Other arguments", others, &OTHERS))
        .or("preview", "See what policies say")
        .back("/queues")
}

/// What policies would say to a queue of the name that is filled in.
async fn outlook(
    visit: &Visit,
    filled: &Pairs,
    kind: &str,
) -> Result<Option<(Outlook, Settings)>, Error> {
    let (host, name) = (filled.get("vhost"), filled.get("name"));
    if name.is_empty() {
        return Ok(None);
    }
    // What is filled in wrongly is told when it is sent.
    let arguments = arguments(filled).map(Value::Object).unwrap_or_default().to_string();
    let mut pairs = vec![("type", kind)];
    if arguments != "null" {
        pairs.push(("arguments", &arguments));
    }
    let path = format!("{}/policies{}", api(host, name), links::query(pairs));
    let Some(found) = visit.get_if_allowed(&path).await? else { return Ok(None) };
    let policy = |member, page| match text(&found, member) {
        "" => None,
        name => Some((name.to_owned(), links::path([page, host, name]))),
    };
    let policies = [policy("policy", "policies"), policy("operator_policy", "operator-policies")];
    let held = at(&found, "effective_policy_sources").as_object().into_iter().flatten();
    let setting = |(key, held): (&String, &Value)| {
        let value = at(held, "value");
        let known = by_policy(key);
        let label = known.map_or(key.as_str(), |known| known.label);
        let source = match text(held, "source") {
            "policy" => format!("policy {}", text(&found, "policy")),
            "operator_policy" => format!("operator policy {}", text(&found, "operator_policy")),
            _ => "filled in here".to_owned(),
        };
        let value = known.map_or_else(|| plain(value), |known| known.shown(value).as_text());
        (label.to_owned(), Cell::text(format!("{value} ({source})")))
    };
    let policies = policies.into_iter().flatten().collect();
    Ok(Some((Outlook { name: name.to_owned(), policies }, held.map(setting).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pairs: &[(&str, &str)]) -> Pairs {
        Pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_queue_gets_the_arguments_of_its_type_alone() {
        let filled = filled(&[
            ("type", "stream"),
            ("x-max-age", "7D"),
            ("x-max-priority", "5"),
            ("others_name", "x-mine"),
            ("others_kind", "number"),
            ("others_value", "1"),
        ]);
        assert_eq!(
            Value::Object(arguments(&filled).unwrap()),
            json!({"x-queue-type": "stream", "x-max-age": "7D", "x-mine": 1})
        );
    }

    #[test]
    fn a_type_that_there_is_not_is_classic() {
        assert_eq!(kind(&filled(&[("type", "<b>")])).0, "classic");
        assert!(arguments(&filled(&[("x-max-length", "x")])).is_err());
    }
}

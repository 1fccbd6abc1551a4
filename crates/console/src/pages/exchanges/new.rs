//! A new exchange.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::error::Error;
use crate::form::{Field, Form, TypedRow};
use crate::frame::Frame;
use crate::links;
use crate::pages::binding_form::names;
use crate::reply::{Reply, done, page_with};
use crate::value::{items, text};
use crate::visit::{Pairs, Visit};

use super::kinds;

#[derive(Template)]
#[template(path = "console/exchange_new.html")]
struct NewPage {
    frame: Frame,
    form: Form,
    /// The types there are, and what they do.
    kinds: Vec<(String, String)>,
}

/// The type that the form begins with.
const USUAL_KIND: &str = "direct";

pub(super) async fn show(visit: Arc<Visit>) -> Reply {
    let usual = [("durable", "true"), ("type", USUAL_KIND)];
    let usual = usual.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    // What the address says comes first.
    let filled = visit.query.0.iter().cloned().chain(usual).collect();
    form_page(&visit, &Pairs(filled), None).await
}

async fn form_page(visit: &Visit, filled: &Pairs, error: Option<&Error>) -> Reply {
    let frame = Frame::new(visit, "Add an exchange").await?.below("Exchanges", "/exchanges");
    let host = match filled.get("vhost") {
        "" => frame.first_virtual_host().to_owned(),
        host => host.to_owned(),
    };
    let overview = visit.get("/api/overview?columns=exchange_types").await?;
    let kinds: Vec<_> = items(&overview, "exchange_types").iter().map(in_words).collect();
    let is_set = |name| filled.has(name);
    let hosts = frame.virtual_hosts.iter().map(|name| (name.clone(), name.clone()));
    let form = Form::new("/exchanges/new", "Add the exchange")
        .with(if frame.virtual_hosts.len() > 1 {
            Field::choice("vhost", "Virtual host", hosts, host.as_str())
        } else {
            Field::hidden("vhost", host.as_str())
        })
        .with(Field::text("name", "Name", filled.get("name")).required())
        .with(
            Field::choice(
                "type",
                "Type",
                kinds.iter().map(|(name, _)| (name.clone(), name.clone())),
                filled.get("type"),
            )
            .help("How it chooses where a message goes: see what there is beside the form."),
        )
        .with(
            Field::check("durable", "Durable", is_set("durable"))
                .help("It is still there after a restart of the broker."),
        )
        .with(
            Field::check("auto_delete", "Delete it with its last binding", is_set("auto_delete"))
                .help("It goes by itself when it had a binding and the last one goes."),
        )
        .with(
            Field::check("internal", "Internal", is_set("internal"))
                .help("Clients cannot publish to it; only other exchanges lead to it."),
        )
        .with(
            Field::proposals(
                "alternate",
                "Alternate exchange",
                names(visit, "exchanges", &host).await?.into_iter().filter(|it| !it.is_empty()),
                filled.get("alternate"),
            )
            .help("Gets the messages that no binding leads on. Without one they are lost."),
        )
        .with(Field::rows(
            "arguments",
            "More arguments",
            TypedRow::read(filled, "arguments"),
            &kinds::ARGUMENTS,
        ))
        .back("/exchanges")
        .refused(error.map(Error::text));
    page_with(error.map_or(StatusCode::OK, Error::status), &NewPage { frame, form, kinds })
}

/// A type, and what it does: in our words, or else in the API's.
fn in_words(kind: &Value) -> (String, String) {
    let name = text(kind, "name");
    let sentence = match kinds::sentence(name) {
        "" => text(kind, "description"),
        sentence => sentence,
    };
    (name.to_owned(), sentence.to_owned())
}

pub(super) async fn make(visit: Arc<Visit>) -> Reply {
    match declare(&visit).await {
        Ok(path) => {
            let text = format!("The exchange {} is there.", visit.form.get("name"));
            done(&visit, text, &path)
        }
        Err(error) => form_page(&visit, &visit.form, Some(&error)).await,
    }
}

/// Declares what was filled in, and gives the path of its page.
async fn declare(visit: &Visit) -> Result<String, Error> {
    let form = &visit.form;
    let (host, name) = (form.get("vhost"), form.get("name"));
    if name.is_empty() {
        return Err(Error::wrong("An exchange needs a name."));
    }
    let path = links::exchange(host, name);
    if visit.get_if_allowed(&format!("/api{path}?columns=name")).await?.is_some() {
        return Err(Error::wrong(format!("There is an exchange called {name} already.")));
    }
    if name.starts_with("amq.") {
        return Err(Error::wrong("Names that begin with amq. are for the broker's own exchanges."));
    }
    let mut arguments = TypedRow::object(&TypedRow::read(form, "arguments"))?;
    if form.has("alternate") {
        arguments["alternate-exchange"] = form.get("alternate").into();
    }
    let body = json!({
        "type": form.get("type"),
        "durable": form.has("durable"),
        "auto_delete": form.has("auto_delete"),
        "internal": form.has("internal"),
        "arguments": arguments,
    });
    visit.put(&format!("/api{path}"), &body).await?;
    Ok(path)
}

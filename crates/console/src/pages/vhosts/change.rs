//! Virtual hosts are made, changed and deleted.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{count, settings_form};
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::{Field, Form};
use crate::format::grouped;
use crate::frame::Frame;
use crate::links;
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to};
use crate::sheet::{Section, Sheet};
use crate::value::{number, plain};
use crate::visit::Visit;

/// The empty form.
pub(super) async fn begin(visit: Arc<Visit>) -> Reply {
    form_page(&visit, None).await
}

/// What was filled in, as the API takes it.
fn filled(visit: &Visit) -> Value {
    let form = &visit.form;
    let tags: Vec<_> =
        form.get("tags").split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    json!({
        "description": form.get("description"),
        "tags": tags,
        "default_queue_type": form.get("default_queue_type"),
        "protected_from_deletion": form.has("protected"),
    })
}

async fn form_page(visit: &Visit, error: Option<&Error>) -> Reply {
    let name = visit.form.get("name");
    let frame = Frame::new(visit, "Add a virtual host").await?.below("Virtual hosts", "/vhosts");
    let mut form = settings_form(&filled(visit), "/vhosts/new".to_owned());
    "Add the virtual host".clone_into(&mut form.submit);
    let help = "Clients name it when they connect, often as the last part of an address such as \
                amqp://broker/name.";
    form.fields.insert(0, Field::text("name", "Name", name).required().help(help));
    let form = form.refused(error.map(Error::text)).back("/vhosts");
    let text = "Your user gets all permissions in it.";
    let section = Section::new("The virtual host").text(text).form(form);
    Sheet::new(frame).with(section).answer_with(error.map_or(StatusCode::OK, Error::status))
}

pub(super) async fn create(visit: Arc<Visit>) -> Reply {
    let name = visit.form.get("name").trim();
    match make(&visit, name).await {
        Ok(()) => {
            let text = format!("The virtual host {name} is added.");
            done(&visit, text, &links::virtual_host(name))
        }
        Err(error) => form_page(&visit, Some(&error)).await,
    }
}

async fn make(visit: &Visit, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::wrong("The virtual host needs a name."));
    }
    let api = format!("/api{}", links::virtual_host(name));
    if visit.get_if_allowed(&api).await?.is_some() {
        return Err(Error::wrong(format!("There is a virtual host {name} already.")));
    }
    visit.put(&api, &filled(visit)).await?;
    Ok(())
}

/// Changes what is set.
pub(super) async fn update(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let own = links::virtual_host(name);
    match visit.put(&format!("/api{own}"), &filled(&visit)).await {
        Ok(_) => done(&visit, format!("The settings of {name} are saved."), &own),
        Err(refusal) => {
            let error = Error::from(refusal);
            let frame = Frame::new(&visit, format!("Change {name}")).await?;
            let frame = frame.below("Virtual hosts", "/vhosts").below(name, own.clone());
            let form = settings_form(&filled(&visit), own.clone()).refused(Some(error.text()));
            let section = Section::new("Settings").form(form.back(own));
            Sheet::new(frame).with(section).answer_with(error.status())
        }
    }
}

/// The question before one is deleted.
pub(super) async fn ask(visit: Arc<Visit>) -> Reply {
    ask_page(&visit, None).await
}

async fn ask_page(visit: &Visit, error: Option<&Error>) -> Reply {
    let name = visit.path("name");
    let (own, part) = (links::virtual_host(name), links::path([name]));
    let host = visit.get(&format!("/api{own}")).await?;
    let queues = count(visit, &format!("/api/queues{part}")).await?.unwrap_or(0);
    let exchanges = count(visit, &format!("/api/exchanges{part}")).await?.unwrap_or(0);
    let open = count(visit, &format!("/api/vhosts{part}/connections")).await?.unwrap_or(0);
    let messages = number(&host, "messages").unwrap_or(0);
    let frame = Frame::new(visit, format!("Delete the virtual host {name}?")).await?;
    let frame = frame.below("Virtual hosts", "/vhosts").below(name, own.clone());
    let words = |count: u64, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{} {one}s", grouped(count)),
    };
    let what = format!(
        "{}, {} and {} are deleted, with all bindings, policies, permissions and limits of the \
         virtual host. {} closed. This cannot be taken back.",
        words(queues, "queue"),
        words(messages, "message"),
        words(exchanges, "exchange"),
        if open == 1 {
            "1 connection is".to_owned()
        } else {
            format!("{} connections are", grouped(open))
        },
    );
    let keep = "What is defined can be saved before: \u{201c}Definitions\u{201d} has a file of this \
                virtual host. Messages are not in it.";
    let form = Form::new(format!("{own}/delete"), "Delete the virtual host").back(own).with(
        Field::text("confirmation", "Its name, to be sure", "")
            .required()
            .help(format!("Please type {}.", plain(&Value::String(name.to_owned())))),
    );
    let form = form.refused(error.map(Error::text));
    let page = Confirm::new(frame, vec![what, keep.to_owned()], form);
    page.page_with(error.map_or(StatusCode::OK, Error::status))
}

pub(super) async fn delete(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let own = links::virtual_host(name);
    if visit.form.get("confirmation") != name {
        let error = Error::wrong("The name was another one. Nothing is deleted.");
        return ask_page(&visit, Some(&error)).await;
    }
    match visit.delete(&format!("/api{own}")).await {
        Ok(_) => done(&visit, format!("The virtual host {name} is deleted."), "/vhosts"),
        Err(refusal) => {
            visit.tell(Notice::refused(&refusal));
            Ok(go_to(&own))
        }
    }
}

//! Users are made, changed and deleted.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{password_form, tags, tags_form};
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to};
use crate::sheet::{Section, Sheet};
use crate::value::{items, text};
use crate::visit::Visit;

/// The empty form.
pub(super) async fn begin(visit: Arc<Visit>) -> Reply {
    form_page(&visit, None).await
}

async fn form_page(visit: &Visit, error: Option<&Error>) -> Reply {
    let filled = &visit.form;
    let frame = Frame::new(visit, "Add a user").await?.below("Users", "/users");
    let hosts = frame.virtual_hosts.iter().map(|host| (host.clone(), host.clone()));
    let none = [(String::new(), "none yet".to_owned())];
    // A new form proposes what most users need.
    let is_empty = filled.0.is_empty();
    let host = if is_empty { frame.first_virtual_host() } else { filled.get("vhost") };
    let form = Form::new("/users/new", "Add the user")
        .with(Field::text("name", "Name", filled.get("name")).required())
        .with(Field::password("password", "Password").help(
            "Empty: the user has none and cannot log in by one. It is kept as a salted hash.",
        ))
        .with(
            Field::choice(
                "vhost",
                "All permissions in",
                none.into_iter().chain(hosts).collect::<Vec<_>>(),
                host,
            )
            .help("Without permissions a client cannot connect. They can be changed later."),
        );
    let form = tags::with_fields(form, &tags::read(filled));
    let form = form.refused(error.map(Error::text)).back("/users");
    let section = Section::new("The user").form(form);
    Sheet::new(frame).with(section).answer_with(error.map_or(StatusCode::OK, Error::status))
}

pub(super) async fn create(visit: Arc<Visit>) -> Reply {
    let name = visit.form.get("name").trim();
    match make(&visit, name).await {
        Ok(()) => done(&visit, format!("The user {name} is added."), &links::user(name)),
        Err(error) => form_page(&visit, Some(&error)).await,
    }
}

async fn make(visit: &Visit, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::wrong("The user needs a name."));
    }
    let api = format!("/api{}", links::user(name));
    if visit.get_if_allowed(&api).await?.is_some() {
        return Err(Error::wrong(format!("There is a user {name} already.")));
    }
    let mut body = json!({"tags": tags::read(&visit.form)});
    let password = visit.form.get("password");
    let key = if password.is_empty() { "password_hash" } else { "password" };
    body[key] = json!(password);
    visit.put(&api, &body).await?;
    let host = visit.form.get("vhost");
    if !host.is_empty() {
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        visit.put(&format!("/api{}", links::path(["permissions", host, name])), &all).await?;
    }
    Ok(())
}

/// What a user is, to be put back with something else changed.
async fn body(visit: &Visit) -> Result<Value, Error> {
    let user = visit.get(&format!("/api{}", links::user(visit.path("name")))).await?;
    let mut body = json!({"tags": items(&user, "tags")});
    for member in ["password_hash", "hashing_algorithm"] {
        body[member] = json!(text(&user, member));
    }
    Ok(body)
}

pub(super) async fn set_tags(visit: Arc<Visit>) -> Reply {
    let set = tags::read(&visit.form);
    let mut changed = body(&visit).await?;
    changed["tags"] = json!(set);
    let name = visit.path("name");
    let own = links::user(name);
    match visit.put(&format!("/api{own}"), &changed).await {
        Ok(_) => done(&visit, format!("The tags of {name} are saved."), &own),
        Err(refusal) => {
            let form = tags_form(&changed, &own);
            again(&visit, "Tags", form, &Error::from(refusal)).await
        }
    }
}

pub(super) async fn set_password(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let (own, password) = (links::user(name), visit.form.get("password"));
    let mut changed = body(&visit).await?;
    let tags = changed["tags"].take();
    changed = match (password.is_empty(), visit.form.has("without")) {
        (true, true) => json!({"tags": tags, "password_hash": ""}),
        (false, false) => json!({"tags": tags, "password": password}),
        (is_empty, _) => {
            let text = if is_empty {
                "Please type a password, or say that there is to be none."
            } else {
                "A password was typed, and that there is to be none. Please choose one of both."
            };
            changed["has_password"] = json!(!text_is_empty(&changed));
            let form = password_form(&changed, &own);
            return again(&visit, "Password", form, &Error::wrong(text)).await;
        }
    };
    match visit.put(&format!("/api{own}"), &changed).await {
        Ok(_) => {
            let what = if password.is_empty() {
                format!("{name} has no password any more.")
            } else {
                format!("{name} has the new password.")
            };
            done(&visit, what, &own)
        }
        Err(refusal) => {
            let form = password_form(&changed, &own);
            again(&visit, "Password", form, &Error::from(refusal)).await
        }
    }
}

fn text_is_empty(user: &Value) -> bool {
    text(user, "password_hash").is_empty()
}

/// A form once more, with the reason why it was not done.
async fn again(visit: &Visit, title: &str, form: Form, error: &Error) -> Reply {
    let name = visit.path("name");
    let own = links::user(name);
    let frame = Frame::new(visit, format!("{title} of {name}")).await?;
    let frame = frame.below("Users", "/users").below(name, own.clone());
    let form = form.refused(Some(error.text())).back(own);
    Sheet::new(frame).with(Section::new(title).form(form)).answer_with(error.status())
}

/// The question before a user is deleted.
pub(super) async fn ask_delete(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let own = links::user(name);
    visit.get(&format!("/api{own}")).await?;
    let mut text = vec![format!(
        "The user {name} is deleted, with permissions and limits. {}",
        open_words(&visit, name).await?
    )];
    if name == visit.visitor.user() {
        text.push("This is you: you are signed out and cannot come back.".to_owned());
    }
    let frame = Frame::new(&visit, format!("Delete the user {name}?")).await?;
    let frame = frame.below("Users", "/users").below(name, own.clone());
    let form = Form::new(format!("{own}/delete"), "Delete the user").back(own);
    Confirm::new(frame, text, form).page()
}

async fn open_words(visit: &Visit, name: &str) -> Result<String, Error> {
    let open = visit.get(&format!("/api/connections/username{}", links::path([name]))).await?;
    Ok(match items(&open, "").len() {
        0 => "No connection of the user is open.".to_owned(),
        1 => "1 open connection is closed.".to_owned(),
        count => format!("{count} open connections are closed."),
    })
}

pub(super) async fn delete(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let own = links::user(name);
    match visit.delete(&format!("/api{own}")).await {
        Ok(_) => done(&visit, format!("The user {name} is deleted."), "/users"),
        Err(refusal) => {
            visit.tell(Notice::refused(&refusal));
            Ok(go_to(&own))
        }
    }
}

/// The question before all connections of a user are closed.
pub(super) async fn ask_close(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let own = links::user(name);
    let frame = Frame::new(&visit, format!("Close all connections of {name}?")).await?;
    let frame = frame.below("Users", "/users").below(name, own.clone());
    let text = vec![
        open_words(&visit, name).await?,
        "What consumers did not acknowledge goes back to the queues. Most clients connect anew by \
         themselves; to keep them out, take permissions or the password away first."
            .to_owned(),
    ];
    let form = Form::new(format!("{own}/close"), "Close the connections").back(own);
    Confirm::new(frame, text, form).page()
}

pub(super) async fn close(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let own = links::user(name);
    match visit.delete(&format!("/api/connections/username{}", links::path([name]))).await {
        Ok(_) => done(&visit, format!("The connections of {name} are closed."), &own),
        Err(refusal) => {
            visit.tell(Notice::refused(&refusal));
            Ok(go_to(&own))
        }
    }
}

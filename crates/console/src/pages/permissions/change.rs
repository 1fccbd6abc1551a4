//! Permissions are granted, changed and taken away.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{RIGHTS, TOPIC_RIGHTS, edit_path};
use crate::error::Error;
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to, own_path};
use crate::sheet::{Section, Sheet};
use crate::value::text;
use crate::visit::Visit;

/// A field of the form, or of the address where a notice offers to undo something.
fn field<'a>(visit: &'a Visit, name: &str) -> &'a str {
    if visit.form.has(name) { visit.form.get(name) } else { visit.query.get(name) }
}

/// Where somebody goes on.
fn next(visit: &Visit) -> &str {
    match own_path(field(visit, "next")) {
        "/" => "/permissions",
        next => next,
    }
}

fn api(list: &str, visit: &Visit) -> String {
    format!("/api{}", links::path([list, field(visit, "vhost"), field(visit, "user")]))
}

/// The page on which a permission is changed.
pub(super) async fn edit(visit: Arc<Visit>) -> Reply {
    let found = visit.get_if_allowed(&api("permissions", &visit)).await?;
    edit_page(&visit, &found.unwrap_or(Value::Null), None).await
}

async fn edit_page(visit: &Visit, permission: &Value, error: Option<&Error>) -> Reply {
    let (user, host) = (field(visit, "user"), field(visit, "vhost"));
    let title = format!("Permissions of {user} in {host}");
    let frame = Frame::new(visit, title).await?.below("Permissions", "/permissions");
    let mut form = Form::new("/permissions/set", "Save");
    for (name, value) in [("user", user), ("vhost", host), ("next", next(visit))] {
        form = form.with(Field::hidden(name, value));
    }
    for (right, title, words) in RIGHTS {
        let help =
            format!("A regular expression of names, {words}. .* is everything, empty is nothing.");
        form = form.with(Field::text(right, title, text(permission, right)).help(help));
    }
    let form = form.refused(error.map(Error::text)).back(next(visit));
    let mut section = Section::new("What the user may");
    if permission.is_null() {
        section = section.text("The user may not open this virtual host yet.");
    }
    Sheet::new(frame)
        .with(section.form(form))
        .answer_with(error.map_or(StatusCode::OK, Error::status))
}

pub(super) async fn set(visit: Arc<Visit>) -> Reply {
    let body = json!({
        "configure": field(&visit, "configure"),
        "write": field(&visit, "write"),
        "read": field(&visit, "read"),
    });
    let (user, host) = (field(&visit, "user"), field(&visit, "vhost"));
    match visit.put(&api("permissions", &visit), &body).await {
        Ok(_) => {
            done(&visit, format!("The permissions of {user} in {host} are set."), next(&visit))
        }
        Err(refusal) => edit_page(&visit, &body, Some(&Error::from(refusal))).await,
    }
}

/// Takes them away. They can be given back from the notice.
pub(super) async fn remove(visit: Arc<Visit>) -> Reply {
    let (user, host, next) = (field(&visit, "user"), field(&visit, "vhost"), next(&visit));
    let path = api("permissions", &visit);
    let before = visit.get(&path).await?;
    match visit.delete(&path).await {
        Ok(_) => {
            let mut pairs = vec![("user", user), ("vhost", host), ("next", next)];
            pairs.extend(RIGHTS.map(|(right, _, _)| (right, text(&before, right))));
            let undo = format!("/permissions/set{}", links::query(pairs));
            let words = format!("{user} may not do anything in {host} any more.");
            visit.tell(Notice::done(words).with_action("Undo", undo));
        }
        Err(refusal) => visit.tell(Notice::refused(&refusal)),
    }
    Ok(go_to(next))
}

pub(super) async fn set_topic(visit: Arc<Visit>) -> Reply {
    let body = json!({
        "exchange": field(&visit, "exchange").trim(),
        "write": field(&visit, "write"),
        "read": field(&visit, "read"),
    });
    let next = next(&visit);
    match visit.put(&api("topic-permissions", &visit), &body).await {
        Ok(_) => {
            let user = field(&visit, "user");
            done(&visit, format!("The topic permissions of {user} are set."), next)
        }
        Err(refusal) => topic_again(&visit, &body, &Error::from(refusal)).await,
    }
}

/// The form of topic permissions once more, with why it was not done.
async fn topic_again(visit: &Visit, typed: &Value, error: &Error) -> Reply {
    let (user, host) = (field(visit, "user"), field(visit, "vhost"));
    let title = format!("Topic permissions of {user} in {host}");
    let frame = Frame::new(visit, title).await?.below("Permissions", "/permissions");
    let mut form = Form::new("/permissions/topic/set", "Set");
    for (name, value) in [("user", user), ("vhost", host), ("next", next(visit))] {
        form = form.with(Field::hidden(name, value));
    }
    form = form.with(Field::text("exchange", "Exchange", text(typed, "exchange")).required());
    for (right, title) in TOPIC_RIGHTS {
        form = form.with(Field::text(right, title, text(typed, right)));
    }
    let form = form.refused(Some(error.text())).back(next(visit));
    let section = Section::new("Which routing keys").form(form);
    Sheet::new(frame).with(section).answer_with(error.status())
}

pub(super) async fn remove_topic(visit: Arc<Visit>) -> Reply {
    let (user, exchange, next) = (field(&visit, "user"), field(&visit, "exchange"), next(&visit));
    let path = format!("{}{}", api("topic-permissions", &visit), links::path([exchange]));
    match visit.delete(&path).await {
        Ok(_) => {
            let text = format!("All routing keys at {exchange} are allowed to {user} now.");
            done(&visit, text, next)
        }
        Err(refusal) => {
            visit.tell(Notice::refused(&refusal));
            Ok(go_to(next))
        }
    }
}

/// A link to the page on which a permission is granted or changed.
pub(super) fn edit_link(user: &str, host: &str) -> String {
    edit_path(user, host, "/permissions")
}

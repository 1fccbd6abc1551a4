//! Limits of virtual hosts and of users: what is set, and how it is set and lifted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Routes, permissions};
use crate::cell::Cell;
use crate::error::Error;
use crate::form::{Field, Form, Input};
use crate::frame::Frame;
use crate::links;
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to, own_path};
use crate::sheet::{Section, Sheet};
use crate::table::{Button, Head, Row, Table};
use crate::value::{at, items, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/limits", show)
        .post("/limits/vhost", async |visit: Arc<Visit>| set(&visit, Of::VirtualHost).await)
        .post("/limits/user", async |visit: Arc<Visit>| set(&visit, Of::User).await)
        .post("/limits/vhost/lift", async |visit: Arc<Visit>| lift(&visit, Of::VirtualHost).await)
        .post("/limits/user/lift", async |visit: Arc<Visit>| lift(&visit, Of::User).await)
}

/// What has limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    VirtualHost,
    User,
}

impl Of {
    /// Its limits: name, label.
    fn limits(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::VirtualHost => {
                [("max-connections", "Most connections"), ("max-queues", "Most queues")]
            }
            Self::User => {
                [("max-connections", "Most connections"), ("max-channels", "Most channels")]
            }
        }
    }

    /// The field of forms and the member of objects with its name.
    fn field(self) -> &'static str {
        if self == Self::VirtualHost { "vhost" } else { "user" }
    }

    fn label(self) -> &'static str {
        if self == Self::VirtualHost { "Virtual host" } else { "User" }
    }

    fn api(self, name: &str, limit: &str) -> String {
        let list = if self == Self::VirtualHost { "vhost-limits" } else { "user-limits" };
        format!("/api{}", links::path([list, name, limit]))
    }

    fn page(self, name: &str) -> String {
        if self == Self::VirtualHost { links::virtual_host(name) } else { links::user(name) }
    }
}

async fn show(visit: Arc<Visit>) -> Reply {
    let frame = Frame::new(&visit, "Limits").await?;
    let of_hosts = visit.get("/api/vhost-limits").await?;
    let of_users = visit.get("/api/user-limits").await?;
    let hosts = frame.virtual_hosts.clone();
    let users = permissions::user_names(&visit).await?;
    Sheet::new(frame)
        .intro(
            "How much there may be. What is there when a limit is set stays; what comes then is \
                refused.",
        )
        .with(
            Section::new("Of virtual hosts")
                .table(table(Of::VirtualHost, items(&of_hosts, "")))
                .form(form(Of::VirtualHost, hosts, &Value::Null, "/limits")),
        )
        .with(Section::new("Of users").table(table(Of::User, items(&of_users, ""))).form(form(
            Of::User,
            users,
            &Value::Null,
            "/limits",
        )))
        .answer()
}

fn table(of: Of, objects: &[Value]) -> Table {
    let titles = [of.label(), "Limit", "At most"];
    let heads = titles.into_iter().enumerate().map(|(at, title)| Head {
        title: title.to_owned(),
        is_number: at == 2,
        ..Head::default()
    });
    let mut rows = vec![];
    for object in objects {
        let name = text(object, of.field());
        for (limit, label) in of.limits() {
            if let Some(value) = at(object, "value").get(limit).and_then(Value::as_i64) {
                rows.push(row(of, name, (limit, label), value));
            }
        }
    }
    Table {
        caption: format!("Limits: {}", of.label()),
        heads: heads.collect(),
        rows,
        empty: "No limit is set.".to_owned(),
        ..Table::default()
    }
}

fn row(of: Of, name: &str, (limit, label): (&str, &str), value: i64) -> Row {
    let number =
        u64::try_from(value).map_or_else(|_| Cell::text("no limit"), |it| Cell::count(Some(it)));
    let fields = [(of.field(), name), ("name", limit), ("next", "/limits")];
    let button = Button {
        label: "Lift".to_owned(),
        title: format!("Lift the limit: {label} of {name}"),
        action: format!("/limits/{}/lift", of.field()),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        is_dangerous: false,
    };
    Row {
        key: format!("{} {name} {limit}", of.field()),
        name: format!("{name} {label}"),
        cells: vec![Cell::link(name, of.page(name)), Cell::text(label), number],
        buttons: vec![button],
    }
}

/// The form of a virtual host's limits, for its own page.
pub(crate) fn host_form(name: &str, set: &Value, next: &str) -> Form {
    form_of_one(Of::VirtualHost, name, set, next)
}

/// The form of a user's limits, for its own page.
pub(crate) fn user_form(name: &str, set: &Value, next: &str) -> Form {
    form_of_one(Of::User, name, set, next)
}

fn form_of_one(of: Of, name: &str, set: &Value, next: &str) -> Form {
    let form = Form::new(format!("/limits/{}", of.field()), "Save the limits");
    let form = form.with(Field::hidden(of.field(), name));
    with_limits(form, of, set, next).named("limits")
}

/// The form where it is chosen whose limits are meant.
fn form(of: Of, names: Vec<String>, set: &Value, next: &str) -> Form {
    let names = names.into_iter().map(|name| (name.clone(), name));
    let form = Form::new(format!("/limits/{}", of.field()), "Set the limits");
    let form = form.with(Field::hidden("keeps", "true"));
    let form = form.with(Field::choice(of.field(), of.label(), names, ""));
    with_limits(form, of, set, next).named(of.field()).inline()
}

fn with_limits(mut form: Form, of: Of, set: &Value, next: &str) -> Form {
    for (limit, label) in of.limits() {
        let value = set.get(limit).and_then(Value::as_i64).filter(|value| *value >= 0);
        let value = value.map(|value| value.to_string()).unwrap_or_default();
        form = form.with(Field::number(limit, label, value).help("Empty: no limit"));
    }
    form.with(Field::hidden("next", next))
}

/// Sets the limits that are filled in. Those that are empty are lifted, unless the form does not know
/// what was set.
async fn set(visit: &Visit, of: Of) -> Reply {
    let name = visit.form.get(of.field());
    let next = own_path(visit.form.get("next"));
    match set_all(visit, of, name).await {
        Ok(()) => done(visit, format!("The limits of {name} are saved."), next),
        Err(error) => again(visit, of, name, next, &error).await,
    }
}

/// The form once more, with what was typed and why it was not done.
async fn again(visit: &Visit, of: Of, name: &str, next: &str, error: &Error) -> Reply {
    let frame = Frame::new(visit, format!("Limits of {name}")).await?.below("Limits", "/limits");
    let mut form = form_of_one(of, name, &Value::Null, next);
    for field in &mut form.fields {
        if let Input::Number(value) = &mut field.input {
            visit.form.get(&field.name).clone_into(value);
        }
    }
    if visit.form.has("keeps") {
        form = form.with(Field::hidden("keeps", "true"));
    }
    let form = form.refused(Some(error.text())).back(next);
    Sheet::new(frame).with(Section::new("Limits").form(form)).answer_with(error.status())
}

async fn set_all(visit: &Visit, of: Of, name: &str) -> Result<(), Error> {
    let mut wanted = vec![];
    for (limit, label) in of.limits() {
        let text = visit.form.get(limit).trim();
        let wrong = || Error::wrong(format!("{label}: {text:?} is no whole number from 0 on."));
        let value = match text {
            "" => None,
            text => Some(text.parse::<u64>().map_err(|_| wrong())?),
        };
        wanted.push((limit, value));
    }
    for (limit, value) in wanted {
        let api = of.api(name, limit);
        match value {
            Some(value) => visit.put(&api, &json!({"value": value})).await?,
            None if visit.form.has("keeps") => continue,
            None => visit.delete(&api).await?,
        };
    }
    Ok(())
}

async fn lift(visit: &Visit, of: Of) -> Reply {
    let (name, limit) = (visit.form.get(of.field()), visit.form.get("name"));
    let next = own_path(visit.form.get("next"));
    match visit.delete(&of.api(name, limit)).await {
        Ok(_) => done(visit, format!("{name} has no limit {limit} any more."), next),
        Err(refusal) => {
            visit.tell(Notice::refused(&refusal));
            Ok(go_to(next))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_that_is_set_is_a_row() {
        let objects = [json!({"vhost": "a", "value": {"max-queues": 5, "max-connections": -1}})];
        let table = table(Of::VirtualHost, &objects);
        let rows: Vec<_> = table
            .rows
            .iter()
            .map(|row| row.cells.iter().map(Cell::as_text).collect::<Vec<_>>().join("|"))
            .collect();
        assert_eq!(rows, ["a|Most connections|no limit", "a|Most queues|5"]);
    }
}

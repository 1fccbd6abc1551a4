//! Who may do what: users by virtual hosts, and a tester. The tables and forms of permissions are also
//! on the pages of users and of virtual hosts.

mod change;
mod matrix;

use serde_json::Value;
use warren_admin::inner::Refusal;

use super::Routes;
use crate::cell::Cell;
use crate::form::{Field, Form};
use crate::links;
use crate::table::{Button, Head, Row, Table};
use crate::value::{items, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/permissions", matrix::show)
        .get("/permissions/edit", change::edit)
        .post("/permissions/set", change::set)
        .post("/permissions/remove", change::remove)
        .post("/permissions/topic/set", change::set_topic)
        .post("/permissions/topic/remove", change::remove_topic)
}

/// What can be done with what, by name.
const RIGHTS: [(&str, &str, &str); 3] = [
    ("configure", "Configure", "to declare and delete queues and exchanges"),
    ("write", "Write", "to put messages in: publish, and bind to"),
    ("read", "Read", "to take messages out: consume, fetch, purge, and bind from"),
];

/// The names of all users.
pub(crate) async fn user_names(visit: &Visit) -> Result<Vec<String>, Refusal> {
    let users = visit.get("/api/users?columns=name").await?;
    Ok(items(&users, "").iter().map(|user| text(user, "name").to_owned()).collect())
}

/// A permission's pattern as people read it.
fn pattern(permission: &Value, right: &str) -> Cell {
    match text(permission, right) {
        "" | "^$" => Cell::text("nothing"),
        ".*" => Cell::text("everything"),
        pattern => Cell::Code(pattern.to_owned()),
    }
}

/// The permissions in a virtual host, by user.
pub(crate) fn of_host(permissions: &[Value], next: &str) -> Table {
    let rows = permissions.iter().map(|it| {
        let user = text(it, "user");
        row(it, Cell::link(user, links::user(user)), next)
    });
    let empty = "Nobody may open this virtual host. Grant somebody permissions below.";
    table("User", rows.collect(), empty)
}

/// The permissions of a user, by virtual host.
pub(crate) fn of_user(permissions: &[Value], next: &str) -> Table {
    let rows = permissions.iter().map(|it| {
        let host = text(it, "vhost");
        row(it, Cell::link(host, links::virtual_host(host)), next)
    });
    let empty = "The user may not open any virtual host, and so cannot connect. Grant permissions \
                 below.";
    table("Virtual host", rows.collect(), empty)
}

fn heads(titles: &[&str]) -> Vec<Head> {
    titles.iter().map(|title| Head { title: (*title).to_owned(), ..Head::default() }).collect()
}

fn table(first: &str, rows: Vec<Row>, empty: &str) -> Table {
    let mut titles = vec![first];
    titles.extend(RIGHTS.map(|(_, title, _)| title));
    titles.push("Change");
    Table {
        caption: "Permissions".to_owned(),
        heads: heads(&titles),
        rows,
        empty: empty.to_owned(),
        ..Table::default()
    }
}

fn row(permission: &Value, first: Cell, next: &str) -> Row {
    let (user, host) = (text(permission, "user"), text(permission, "vhost"));
    let mut cells = vec![first];
    cells.extend(RIGHTS.map(|(right, _, _)| pattern(permission, right)));
    cells.push(Cell::link("Change", edit_path(user, host, next)));
    let title = format!("Take the permissions of {user} in {host} away");
    let fields = [("user", user), ("vhost", host), ("next", next)];
    Row {
        key: format!("{user} {host}"),
        name: format!("{user} in {host}"),
        cells,
        buttons: vec![button("/permissions/remove", title, &fields)],
    }
}

fn button(action: &str, title: String, fields: &[(&str, &str)]) -> Button {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Button {
        label: "Remove".to_owned(),
        title,
        action: action.to_owned(),
        fields: fields.collect(),
        is_dangerous: true,
    }
}

/// The page on which a permission is changed.
fn edit_path(user: &str, host: &str, next: &str) -> String {
    let query = links::query([("user", user), ("vhost", host), ("next", next)]);
    format!("/permissions/edit{query}")
}

/// The form that grants permissions: to one of `users` in the virtual host, or to the user of the page
/// in one of `hosts`; `name` is that of the page.
pub(crate) fn grant_form(
    users: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    name: &str,
    next: &str,
) -> Form {
    let mut form = Form::new("/permissions/set", "Grant");
    for field in whose(users, hosts, name) {
        form = form.with(field);
    }
    for (right, title, words) in RIGHTS {
        form = form.with(Field::text(right, title, ".*").help(words));
    }
    form.with(Field::hidden("next", next)).named("grant").inline()
}

/// The fields that say who is meant, and where.
fn whose(users: Option<Vec<String>>, hosts: Option<Vec<String>>, name: &str) -> [Field; 2] {
    let options = |names: Vec<String>| names.into_iter().map(|name| (name.clone(), name));
    let user = match users {
        Some(users) => Field::choice("user", "User", options(users), ""),
        None => Field::hidden("user", name),
    };
    let host = match hosts {
        Some(hosts) => Field::choice("vhost", "Virtual host", options(hosts), ""),
        None => Field::hidden("vhost", name),
    };
    [user, host]
}

const TOPIC_RIGHTS: [(&str, &str); 2] = [("write", "Publish with"), ("read", "Bind with")];

/// The topic permissions in a virtual host.
pub(crate) fn topics_of_host(permissions: &[Value], next: &str) -> Table {
    let rows = permissions.iter().map(|it| {
        let user = text(it, "user");
        topic_row(it, Cell::link(user, links::user(user)), next)
    });
    topic_table("User", rows.collect())
}

/// The topic permissions of a user.
pub(crate) fn topics_of_user(permissions: &[Value], next: &str) -> Table {
    let rows = permissions.iter().map(|it| {
        let host = text(it, "vhost");
        topic_row(it, Cell::link(host, links::virtual_host(host)), next)
    });
    topic_table("Virtual host", rows.collect())
}

fn topic_table(first: &str, rows: Vec<Row>) -> Table {
    Table {
        caption: "Topic permissions".to_owned(),
        heads: heads(&[first, "Exchange", TOPIC_RIGHTS[0].1, TOPIC_RIGHTS[1].1]),
        rows,
        empty: "None is set: all routing keys are allowed.".to_owned(),
        ..Table::default()
    }
}

fn topic_row(permission: &Value, first: Cell, next: &str) -> Row {
    let (user, host) = (text(permission, "user"), text(permission, "vhost"));
    let exchange = text(permission, "exchange");
    let mut cells = vec![first, Cell::text(exchange)];
    cells.extend(TOPIC_RIGHTS.map(|(right, _)| pattern(permission, right)));
    let title = format!("Take the topic permissions of {user} at {exchange} in {host} away");
    let fields = [("user", user), ("vhost", host), ("exchange", exchange), ("next", next)];
    Row {
        key: format!("{user} {host} {exchange}"),
        name: format!("{user} at {exchange}"),
        cells,
        buttons: vec![button("/permissions/topic/remove", title, &fields)],
    }
}

/// The form that sets which routing keys may be used; as [`grant_form`].
pub(crate) fn topic_form(
    users: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    name: &str,
    next: &str,
) -> Form {
    let mut form = Form::new("/permissions/topic/set", "Set");
    for field in whose(users, hosts, name) {
        form = form.with(field);
    }
    form = form.with(Field::text("exchange", "Exchange", "amq.topic").required());
    for (right, title) in TOPIC_RIGHTS {
        form = form.with(Field::text(right, title, ".*").help("A pattern of routing keys"));
    }
    form.with(Field::hidden("next", next)).named("topic").inline()
}

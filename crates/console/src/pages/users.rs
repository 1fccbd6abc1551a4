//! Users: the list, and one of them with tags, password, permissions and limits.

mod change;
mod tags;

use std::sync::Arc;

use serde_json::Value;

use super::{Routes, limits, permissions};
use crate::cell::{Cell, Tag, Tone};
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::list::{self, List};
use crate::reply::Reply;
use crate::sheet::{Section, Sheet};
use crate::table::Column;
use crate::value::{at, is_true, items, plain, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/users", show_all)
        .get("/users/new", change::begin)
        .post("/users/new", change::create)
        .get("/users/{name}", show)
        .post("/users/{name}/tags", change::set_tags)
        .post("/users/{name}/password", change::set_password)
        .get("/users/{name}/delete", change::ask_delete)
        .post("/users/{name}/delete", change::delete)
        .get("/users/{name}/close", change::ask_close)
        .post("/users/{name}/close", change::close)
}

async fn show_all(visit: Arc<Visit>) -> Reply {
    list::show(&visit, &LIST, visit.administers()).await
}

const LIST: List = List {
    title: "Users",
    path: "/users",
    noun: ("user", "users"),
    intro: "",
    api: "/api/users",
    has_virtual_hosts: false,
    columns: &COLUMNS,
    key: |user| text(user, "name").to_owned(),
    add: Some(("Add a user", "/users/new")),
    bulk: &[],
    empty: "There is no user. Nobody can connect but with a token.",
};

const COLUMNS: [Column; 4] = [
    Column::new("name", "Name", "name", |it| {
        Cell::link(text(it, "name"), links::user(text(it, "name")))
    }),
    Column::new("tags", "Tags", "tags", tags).unsorted(),
    Column::new("password", "Password", "has_password", |it| {
        Cell::text(if is_true(it, "has_password") { "yes" } else { "none" })
    })
    .help("Without one the user cannot log in by a password"),
    Column::new("limits", "Limits", "limits", |it| Cell::pairs(at(it, "limits"))).unsorted(),
];

fn tags(user: &Value) -> Cell {
    let tag = |tag: &Value| {
        let tag = plain(tag);
        let meaning = tags::meaning(&tag).unwrap_or("A tag of your own; it means nothing here");
        let tone = if tag == "administrator" { Tone::Warning } else { Tone::Plain };
        Tag::new(tag, meaning, tone)
    };
    let tags: Vec<_> = items(user, "tags").iter().map(tag).collect();
    if tags.is_empty() { Cell::Nothing } else { Cell::Tags(tags) }
}

async fn show(visit: Arc<Visit>) -> Reply {
    let name = visit.path("name");
    let own = links::user(name);
    let api = format!("/api{own}");
    let user = visit.get(&api).await?;
    let granted = visit.get(&format!("{api}/permissions")).await?;
    let topics = visit.get(&format!("{api}/topic-permissions")).await?;
    let open = visit.get(&format!("/api/connections/username{}", links::path([name]))).await?;
    let open = items(&open, "").len();
    let frame = Frame::new(&visit, name).await?.below("Users", "/users");
    let hosts = frame.virtual_hosts.clone();
    let mut sheet = Sheet::new(frame);
    if open > 0 {
        sheet = sheet.danger("Close connections", format!("{own}/close"));
    }
    let sheet = sheet
        .danger("Delete", format!("{own}/delete"))
        .live(Section::bare().hints(hints(&visit, &user, items(&granted, "").is_empty())))
        .live(Section::new("Who it is").facts(facts(&user, open)));
    sheet
        .with(
            Section::new("Permissions")
                .text("What the user may do in virtual hosts, as patterns of names.")
                .table(permissions::of_user(items(&granted, ""), &own))
                .form(permissions::grant_form(None, Some(hosts.clone()), name, &own)),
        )
        .with(
            Section::new("Topic permissions")
                .text(
                    "Which routing keys the user may use at exchanges of type topic. Where none is \
                       set, all keys are allowed.",
                )
                .table(permissions::topics_of_user(items(&topics, ""), &own))
                .form(permissions::topic_form(None, Some(hosts), name, &own)),
        )
        .with(Section::new("Tags").form(tags_form(&user, &own)))
        .with(Section::new("Password").form(password_form(&user, &own)))
        .with(Section::new("Limits").form(limits::user_form(name, at(&user, "limits"), &own)))
        .answer()
}

fn hints(visit: &Visit, user: &Value, is_without: bool) -> Vec<(Tone, String)> {
    let mut hints = vec![];
    if text(user, "name") == visit.visitor.user() {
        let text = "This is you. Without the tag administrator you cannot come back to this page.";
        hints.push((Tone::Plain, text.to_owned()));
    }
    if !is_true(user, "has_password") {
        let text = "The user has no password, and cannot log in by one.";
        hints.push((Tone::Plain, text.to_owned()));
    }
    if is_without {
        let text = "The user has no permissions: clients are refused in every virtual host.";
        hints.push((Tone::Warning, text.to_owned()));
    }
    hints
}

fn facts(user: &Value, open: usize) -> Vec<(&'static str, Cell)> {
    let name = text(user, "name");
    let password = if is_true(user, "has_password") {
        match text(user, "hashing_algorithm") {
            "rabbit_password_hashing_md5" => {
                Cell::Tags(vec![Tag::new("MD5", "Weak: please set a new one", Tone::Warning)])
            }
            hashing => {
                let short = hashing.trim_start_matches("rabbit_password_hashing_");
                Cell::text(format!("yes, kept as {short}"))
            }
        }
    } else {
        Cell::text("none")
    };
    let connections = links::query([("q", name)]);
    vec![
        ("Tags", tags(user)),
        ("Password", password),
        ("Limits", Cell::pairs(at(user, "limits"))),
        ("Open connections", Cell::link(open.to_string(), format!("/connections{connections}"))),
    ]
}

fn tags_form(user: &Value, own: &str) -> Form {
    let set: Vec<String> = items(user, "tags").iter().map(plain).collect();
    let form = Form::new(format!("{own}/tags"), "Save the tags");
    tags::with_fields(form, &set).named("tags")
}

fn password_form(user: &Value, own: &str) -> Form {
    let form = Form::new(format!("{own}/password"), "Save the password");
    let form = form.with(Field::password("password", "New password").help(
        "Connections that are open stay open. It is kept as a salted hash and shown nowhere.",
    ));
    let form = if is_true(user, "has_password") {
        let help = "The user cannot log in by a password any more, only with a token.";
        form.with(Field::check("without", "No password from now on", false).help(help))
    } else {
        form
    };
    form.named("password")
}

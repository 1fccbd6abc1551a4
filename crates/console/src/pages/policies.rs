//! Policies, those of users and those of operators: the lists, and one of them to be made or changed.

mod form;
mod preview;

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Value;

use self::form::{Filled, policy_form};
use super::Routes;
use crate::cell::{Cell, Tone};
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::Form;
use crate::frame::Frame;
use crate::links;
use crate::list::{self, List};
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to};
use crate::sheet::{Section, Sheet};
use crate::table::Column;
use crate::value::{at, number, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    let routes = routes
        .get("/policies", async |visit: Arc<Visit>| show_all(&visit, Kind::User).await)
        .get("/policies/new", async |visit: Arc<Visit>| begin(&visit, Kind::User).await)
        .post("/policies/new", async |visit: Arc<Visit>| create(&visit, Kind::User).await)
        .get("/policies/{vhost}/{name}", async |visit: Arc<Visit>| show(&visit, Kind::User).await)
        .post("/policies/{vhost}/{name}", async |visit: Arc<Visit>| {
            update(&visit, Kind::User).await
        })
        .get("/policies/{vhost}/{name}/delete", async |visit: Arc<Visit>| {
            ask(&visit, Kind::User).await
        })
        .post("/policies/{vhost}/{name}/delete", async |visit: Arc<Visit>| {
            delete(&visit, Kind::User).await
        });
    routes
        .get("/operator-policies", async |visit: Arc<Visit>| show_all(&visit, Kind::Operator).await)
        .get("/operator-policies/new", async |visit: Arc<Visit>| {
            begin(&visit, Kind::Operator).await
        })
        .post("/operator-policies/new", async |visit: Arc<Visit>| {
            create(&visit, Kind::Operator).await
        })
        .get("/operator-policies/{vhost}/{name}", async |visit: Arc<Visit>| {
            show(&visit, Kind::Operator).await
        })
        .post("/operator-policies/{vhost}/{name}", async |visit: Arc<Visit>| {
            update(&visit, Kind::Operator).await
        })
        .get("/operator-policies/{vhost}/{name}/delete", async |visit: Arc<Visit>| {
            ask(&visit, Kind::Operator).await
        })
        .post("/operator-policies/{vhost}/{name}/delete", async |visit: Arc<Visit>| {
            delete(&visit, Kind::Operator).await
        })
}

/// Whose policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Operator,
}

impl Kind {
    /// The first part of paths, of the console's and of the API's.
    fn part(self) -> &'static str {
        match self {
            Self::User => "policies",
            Self::Operator => "operator-policies",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::User => "policy",
            Self::Operator => "operator policy",
        }
    }

    fn list(self) -> List {
        match self {
            Self::User => LIST,
            Self::Operator => OF_OPERATORS,
        }
    }

    /// Whether somebody may make and change them.
    fn may_change(self, visit: &Visit) -> bool {
        match self {
            Self::User => visit.makes_policies(),
            Self::Operator => visit.administers(),
        }
    }

    fn path(self, virtual_host: &str, name: &str) -> String {
        links::path([self.part(), virtual_host, name])
    }

    fn api(self, virtual_host: &str, name: &str) -> String {
        format!("/api{}", self.path(virtual_host, name))
    }
}

const LIST: List = List {
    title: "Policies",
    path: "/policies",
    noun: ("policy", "policies"),
    intro: "A policy sets something for all queues and exchanges whose names match its pattern. Of \
            several that match, the one with the highest priority holds.",
    api: "/api/policies",
    has_virtual_hosts: true,
    columns: &COLUMNS,
    key: |policy| links::path([text(policy, "vhost"), text(policy, "name")]),
    add: Some(("Add a policy", "/policies/new")),
    bulk: &[],
    empty: "There is no policy. Add one to limit lengths, let messages expire or give them another \
            way, for many queues at once.",
};

const OF_OPERATORS: List = List {
    title: "Operator policies",
    path: "/operator-policies",
    noun: ("operator policy", "operator policies"),
    intro: "An operator policy holds beside the other policies and sets limits that these cannot \
            exceed: of two numbers the lower one counts.",
    api: "/api/operator-policies",
    columns: &OPERATOR_COLUMNS,
    add: Some(("Add an operator policy", "/operator-policies/new")),
    empty: "There is no operator policy. Add one to limit what users may ask for.",
    ..LIST
};

const COLUMNS: [Column; 6] = [
    Column::new("name", "Name", "name", |it| {
        Cell::link(text(it, "name"), Kind::User.path(text(it, "vhost"), text(it, "name")))
    }),
    VIRTUAL_HOST,
    PATTERN,
    APPLY_TO,
    DEFINITION,
    PRIORITY,
];

const OPERATOR_COLUMNS: [Column; 6] = [
    Column::new("name", "Name", "name", |it| {
        Cell::link(text(it, "name"), Kind::Operator.path(text(it, "vhost"), text(it, "name")))
    }),
    VIRTUAL_HOST,
    PATTERN,
    APPLY_TO,
    DEFINITION,
    PRIORITY,
];

const VIRTUAL_HOST: Column =
    Column::new("vhost", "Virtual host", "vhost", |it| Cell::text_at(it, "vhost"));
const PATTERN: Column =
    Column::new("pattern", "Pattern", "pattern", |it| Cell::Code(text(it, "pattern").to_owned()))
        .help("A regular expression of names");
const APPLY_TO: Column = Column::new("apply_to", "For", "apply-to", |it| {
    Cell::text(form::apply_to_words(text(it, "apply-to")))
});
const DEFINITION: Column =
    Column::new("definition", "Sets", "definition", |it| Cell::pairs(at(it, "definition")))
        .unsorted();
const PRIORITY: Column = Column::new("priority", "Priority", "priority", |it| {
    Cell::text(at(it, "priority").to_string())
})
.number();

async fn show_all(visit: &Visit, kind: Kind) -> Reply {
    list::show(visit, &kind.list(), kind.may_change(visit)).await
}

/// The empty form.
async fn begin(visit: &Visit, kind: Kind) -> Reply {
    new_page(visit, kind, &Filled::new(visit), None).await
}

/// Makes one, or shows what it would hold for.
async fn create(visit: &Visit, kind: Kind) -> Reply {
    let filled = Filled::read(visit);
    if visit.form.has("preview") {
        return new_page(visit, kind, &filled, None).await;
    }
    match save(visit, kind, &filled, true).await {
        Ok(text) => done(visit, text, &kind.path(&filled.virtual_host, &filled.name)),
        Err(error) => new_page(visit, kind, &filled, Some(&error)).await,
    }
}

/// Changes one, or shows what it would hold for.
async fn update(visit: &Visit, kind: Kind) -> Reply {
    let filled = Filled::read(visit).named(visit.path("vhost"), visit.path("name"));
    if visit.form.has("preview") {
        return edit_page(visit, kind, &filled, None).await;
    }
    match save(visit, kind, &filled, false).await {
        Ok(text) => done(visit, text, &kind.path(&filled.virtual_host, &filled.name)),
        Err(error) => edit_page(visit, kind, &filled, Some(&error)).await,
    }
}

async fn save(visit: &Visit, kind: Kind, filled: &Filled, is_new: bool) -> Result<String, Error> {
    let Filled { virtual_host, name, .. } = filled;
    if name.is_empty() {
        return Err(Error::wrong("The policy needs a name."));
    }
    let (body, api) = (filled.body()?, kind.api(virtual_host, name));
    if is_new && visit.get_if_allowed(&api).await?.is_some() {
        let text = format!("There is a {} {name} in {virtual_host} already.", kind.noun());
        return Err(Error::wrong(text));
    }
    let put = visit.put(&api, &body).await;
    put.map_err(|refusal| preview::plain(Error::from(refusal), kind))?;
    let what = if is_new { "added" } else { "changed" };
    Ok(format!("The {} {name} is {what}. It holds now.", kind.noun()))
}

async fn new_page(visit: &Visit, kind: Kind, filled: &Filled, error: Option<&Error>) -> Reply {
    let list = kind.list();
    let title = format!("Add {} {}", if kind == Kind::User { "a" } else { "an" }, kind.noun());
    let frame = Frame::new(visit, title).await?.below(list.title, list.path);
    let form = policy_form(kind, filled, Some(&frame), format!("{}/new", list.path));
    let form = form.refused(error.map(Error::text)).back(list.path);
    let mut sheet = Sheet::new(frame);
    if visit.form.has("preview") {
        sheet = sheet.with(preview::section(visit, kind, filled).await?);
    }
    let sheet = sheet.with(Section::new("The policy").form(form));
    sheet.answer_with(error.map_or(StatusCode::OK, Error::status))
}

/// The page of one that is there.
async fn show(visit: &Visit, kind: Kind) -> Reply {
    let (host, name) = (visit.path("vhost"), visit.path("name"));
    let policy = visit.get(&kind.api(host, name)).await?;
    let filled = Filled::of(&policy);
    if kind.may_change(visit) {
        return edit_page(visit, kind, &filled, None).await;
    }
    let list = kind.list();
    let frame = Frame::new(visit, name).await?.below(list.title, list.path);
    let facts = vec![
        ("Virtual host", Cell::link(host, links::virtual_host(host))),
        ("Pattern", Cell::Code(filled.pattern.clone())),
        ("For", Cell::text(form::apply_to_words(&filled.apply_to))),
        ("Priority", Cell::text(filled.priority.clone())),
        ("Sets", Cell::pairs(at(&policy, "definition"))),
    ];
    Sheet::new(frame).live(Section::new("The policy").facts(facts)).answer()
}

async fn edit_page(visit: &Visit, kind: Kind, filled: &Filled, error: Option<&Error>) -> Reply {
    let (host, name) = (visit.path("vhost"), visit.path("name"));
    let (list, own) = (kind.list(), kind.path(host, name));
    let frame = Frame::new(visit, name).await?.below(list.title, list.path);
    let form = policy_form(kind, filled, None, own.clone()).refused(error.map(Error::text));
    let mut sheet = Sheet::new(frame)
        .intro(format!("{} in the virtual host {host}", capital(kind.noun())))
        .danger("Delete", format!("{own}/delete"));
    // What is wrong with it stands at the form.
    if error.is_none() {
        sheet = sheet.with(preview::section(visit, kind, filled).await?);
    }
    sheet
        .with(Section::new("Change it").form(form))
        .answer_with(error.map_or(StatusCode::OK, Error::status))
}

fn capital(noun: &str) -> String {
    let mut letters = noun.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// The question before one is deleted.
async fn ask(visit: &Visit, kind: Kind) -> Reply {
    let (host, name) = (visit.path("vhost"), visit.path("name"));
    let policy = visit.get(&kind.api(host, name)).await?;
    let (list, own) = (kind.list(), kind.path(host, name));
    let frame = Frame::new(visit, format!("Delete the {} {name}?", kind.noun())).await?;
    let frame = frame.below(list.title, list.path).below(name, own.clone());
    let preview = preview::ask(visit, kind, &Filled::of(&policy)).await;
    let holds = preview.map_or_else(|_| String::new(), |preview| preview::held_words(&preview));
    let text =
        vec![
        format!("The policy holds for {holds} now. What it sets for them is no longer set; another \
                 policy that matches takes its place."),
        "A limit that falls away lets queues grow; a message that would have expired stays. No \
         message is lost by this."
            .to_owned(),
    ];
    let form = Form::new(format!("{own}/delete"), "Delete the policy").back(own);
    Confirm::new(frame, text, form).page()
}

async fn delete(visit: &Visit, kind: Kind) -> Reply {
    let (host, name) = (visit.path("vhost"), visit.path("name"));
    match visit.delete(&kind.api(host, name)).await {
        Ok(_) => {
            let text = format!("The {} {name} is deleted.", kind.noun());
            done(visit, text, kind.list().path)
        }
        Err(refusal) => {
            visit.tell(Notice::refused(&refusal));
            Ok(go_to(&kind.path(host, name)))
        }
    }
}

/// The priority of a policy that wins, for words.
fn priority(policy: &Value) -> i64 {
    at(policy, "priority").as_i64().unwrap_or(0)
}

/// A tone for something that may be meant, or may not.
fn tone(is_odd: bool) -> Tone {
    if is_odd { Tone::Warning } else { Tone::Plain }
}

/// How many, as the API counts them.
fn count(preview: &Value, what: &str) -> u64 {
    number(preview, what).unwrap_or(0)
}

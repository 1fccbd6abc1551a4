//! Parameters: of components in virtual hosts, and global ones.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Routes;
use crate::cell::Cell;
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::list::{self, List};
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to};
use crate::sheet::{Section, Sheet};
use crate::table::Column;
use crate::value::{at, text};
use crate::visit::Visit;

pub(crate) fn add(routes: Routes) -> Routes {
    const ONE: &str = "/parameters/{component}/{vhost}/{name}";
    const GLOBAL: &str = "/global-parameters/{name}";
    routes
        .get("/parameters", async |visit: Arc<Visit>| show_all(&visit, &LIST).await)
        .get("/parameters/new", async |visit: Arc<Visit>| begin(&visit, Kind::Component).await)
        .post("/parameters/new", async |visit: Arc<Visit>| create(&visit, Kind::Component).await)
        .get(ONE, async |visit: Arc<Visit>| show(&visit, Kind::Component).await)
        .post(ONE, async |visit: Arc<Visit>| update(&visit, Kind::Component).await)
        .get("/parameters/{component}/{vhost}/{name}/delete", async |visit: Arc<Visit>| {
            ask(&visit, Kind::Component).await
        })
        .post("/parameters/{component}/{vhost}/{name}/delete", async |visit: Arc<Visit>| {
            delete(&visit, Kind::Component).await
        })
        .get("/global-parameters", async |visit: Arc<Visit>| show_all(&visit, &GLOBAL_LIST).await)
        .get("/global-parameters/new", async |visit: Arc<Visit>| begin(&visit, Kind::Global).await)
        .post("/global-parameters/new", async |visit: Arc<Visit>| {
            create(&visit, Kind::Global).await
        })
        .get(GLOBAL, async |visit: Arc<Visit>| show(&visit, Kind::Global).await)
        .post(GLOBAL, async |visit: Arc<Visit>| update(&visit, Kind::Global).await)
        .get("/global-parameters/{name}/delete", async |visit: Arc<Visit>| {
            ask(&visit, Kind::Global).await
        })
        .post("/global-parameters/{name}/delete", async |visit: Arc<Visit>| {
            delete(&visit, Kind::Global).await
        })
}

/// Which parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Component,
    Global,
}

impl Kind {
    fn list(self) -> &'static List {
        if self == Self::Component { &LIST } else { &GLOBAL_LIST }
    }

    fn noun(self) -> &'static str {
        if self == Self::Component { "parameter" } else { "global parameter" }
    }
}

const LIST: List = List {
    title: "Parameters",
    path: "/parameters",
    noun: ("parameter", "parameters"),
    intro: "What parts of the broker are told. Operator policies and limits of virtual hosts are also \
            kept so, and have pages of their own, which are easier to use.",
    api: "/api/parameters",
    has_virtual_hosts: false,
    columns: &COLUMNS,
    key: |it| links::path([text(it, "component"), text(it, "vhost"), text(it, "name")]),
    add: Some(("Add a parameter", "/parameters/new")),
    bulk: &[],
    empty: "There is no parameter. Few brokers need one.",
};

const GLOBAL_LIST: List = List {
    title: "Global parameters",
    path: "/global-parameters",
    noun: ("global parameter", "global parameters"),
    intro: "Values for the whole broker. They are kept and shown; what they mean is up to those who \
            set them.",
    api: "/api/global-parameters",
    columns: &GLOBAL_COLUMNS,
    key: |it| text(it, "name").to_owned(),
    add: Some(("Add a global parameter", "/global-parameters/new")),
    empty: "There is no global parameter.",
    ..LIST
};

const COLUMNS: [Column; 4] = [
    Column::new("name", "Name", "name", |it| {
        let names = [text(it, "component"), text(it, "vhost"), text(it, "name")];
        Cell::link(text(it, "name"), links::path(["parameters"].into_iter().chain(names)))
    }),
    Column::new("component", "Component", "component", |it| Cell::text_at(it, "component")),
    Column::new("vhost", "Virtual host", "vhost", |it| Cell::text_at(it, "vhost")),
    Column::new("value", "Value", "value", |it| short(at(it, "value"))).unsorted(),
];

const GLOBAL_COLUMNS: [Column; 2] = [
    Column::new("name", "Name", "name", |it| {
        Cell::link(text(it, "name"), links::path(["global-parameters", text(it, "name")]))
    }),
    Column::new("value", "Value", "value", |it| short(at(it, "value"))).unsorted(),
];

/// A value in a list: its beginning.
fn short(value: &Value) -> Cell {
    const CHARACTERS: usize = 200;
    let text = value.to_string();
    if text.chars().count() <= CHARACTERS {
        return Cell::Code(text);
    }
    Cell::Code(text.chars().take(CHARACTERS).chain(['\u{2026}']).collect())
}

async fn show_all(visit: &Visit, list: &List) -> Reply {
    list::show(visit, list, visit.makes_policies()).await
}

/// A parameter as it was filled in.
struct Filled {
    component: String,
    virtual_host: String,
    name: String,
    value: String,
}

impl Filled {
    /// The names are those of the path, if it has some.
    fn read(visit: &Visit) -> Self {
        let name = |part: &str| {
            let of_path = visit.path(part);
            if of_path.is_empty() { visit.form.get(part).trim() } else { of_path }.to_owned()
        };
        let (component, virtual_host) = (name("component"), name("vhost"));
        let value = visit.form.get("value").to_owned();
        Self { component, virtual_host, name: name("name"), value }
    }

    /// The part of its paths below the first one.
    fn path(&self, kind: Kind) -> String {
        match kind {
            Kind::Component => {
                links::path(["parameters", &self.component, &self.virtual_host, &self.name])
            }
            Kind::Global => links::path(["global-parameters", &self.name]),
        }
    }

    fn body(&self) -> Result<Value, Error> {
        let value: Result<Value, _> = serde_json::from_str(&self.value);
        let value = value.map_err(|error| {
            Error::wrong(format!("The value is no JSON ({error}). A text needs quotes: \"text\"."))
        })?;
        Ok(json!({"value": value}))
    }
}

async fn begin(visit: &Visit, kind: Kind) -> Reply {
    new_page(visit, kind, None).await
}

async fn create(visit: &Visit, kind: Kind) -> Reply {
    let filled = Filled::read(visit);
    match save(visit, kind, &filled, true).await {
        Ok(()) => {
            let text = format!("The {} {} is added.", kind.noun(), filled.name);
            done(visit, text, kind.list().path)
        }
        Err(error) => new_page(visit, kind, Some(&error)).await,
    }
}

async fn save(visit: &Visit, kind: Kind, filled: &Filled, is_new: bool) -> Result<(), Error> {
    if filled.name.is_empty() || (kind == Kind::Component && filled.component.is_empty()) {
        return Err(Error::wrong("A name is missing."));
    }
    let (api, body) = (format!("/api{}", filled.path(kind)), filled.body()?);
    if is_new && visit.get_if_allowed(&api).await?.is_some() {
        return Err(Error::wrong(format!("There is a {} {} already.", kind.noun(), filled.name)));
    }
    visit.put(&api, &body).await?;
    Ok(())
}

async fn new_page(visit: &Visit, kind: Kind, error: Option<&Error>) -> Reply {
    let (list, filled) = (kind.list(), Filled::read(visit));
    let frame = Frame::new(visit, format!("Add a {}", kind.noun())).await?;
    let frame = frame.below(list.title, list.path);
    let mut form = Form::new(format!("{}/new", list.path), "Add");
    if kind == Kind::Component {
        let hosts = frame.virtual_hosts.iter().map(|host| (host.clone(), host.clone()));
        let components = ["operator_policy", "vhost-limits"];
        let host = if filled.virtual_host.is_empty() {
            frame.first_virtual_host()
        } else {
            &filled.virtual_host
        };
        form = form
            .with(
                Field::proposals("component", "Component", components, &filled.component)
                    .required()
                    .help("operator_policy or vhost-limits: there are no others here."),
            )
            .with(Field::choice("vhost", "Virtual host", hosts, host));
    }
    let form = form
        .with(Field::text("name", "Name", &filled.name).required())
        .with(value_field(&filled.value))
        .refused(error.map(Error::text))
        .back(list.path);
    Sheet::new(frame)
        .with(Section::new("The parameter").form(form))
        .answer_with(error.map_or(StatusCode::OK, Error::status))
}

fn value_field(value: &str) -> Field {
    Field::lines("value", "Value", value)
        .required()
        .help("JSON, such as {\"max-queues\": 50}, 5 or \"text\".")
}

async fn show(visit: &Visit, kind: Kind) -> Reply {
    let filled = Filled::read(visit);
    let found = visit.get(&format!("/api{}", filled.path(kind))).await?;
    let value = serde_json::to_string_pretty(at(&found, "value")).unwrap_or_default();
    edit_page(visit, kind, &Filled { value, ..filled }, None).await
}

async fn update(visit: &Visit, kind: Kind) -> Reply {
    let filled = Filled::read(visit);
    match save(visit, kind, &filled, false).await {
        Ok(()) => {
            let text = format!("The {} {} is saved.", kind.noun(), filled.name);
            done(visit, text, &filled.path(kind))
        }
        Err(error) => edit_page(visit, kind, &filled, Some(&error)).await,
    }
}

async fn edit_page(visit: &Visit, kind: Kind, filled: &Filled, error: Option<&Error>) -> Reply {
    let (list, own) = (kind.list(), filled.path(kind));
    let frame = Frame::new(visit, &filled.name).await?.below(list.title, list.path);
    let mut facts = vec![];
    if kind == Kind::Component {
        let host = &filled.virtual_host;
        facts.push(("Component", Cell::text(&filled.component)));
        facts.push(("Virtual host", Cell::link(host, links::virtual_host(host))));
    }
    let form = Form::new(&own, "Save").with(value_field(&filled.value));
    let form = form.refused(error.map(Error::text));
    let mut section = Section::new("The parameter");
    if !facts.is_empty() {
        section = section.facts(facts);
    }
    Sheet::new(frame)
        .danger("Delete", format!("{own}/delete"))
        .with(section.form(form))
        .answer_with(error.map_or(StatusCode::OK, Error::status))
}

async fn ask(visit: &Visit, kind: Kind) -> Reply {
    let filled = Filled::read(visit);
    let (list, own) = (kind.list(), filled.path(kind));
    let found = visit.get(&format!("/api{own}")).await?;
    let title = format!("Delete the {} {}?", kind.noun(), filled.name);
    let frame = Frame::new(visit, title).await?.below(list.title, list.path);
    let frame = frame.below(&filled.name, own.clone());
    let text = vec![format!("Its value is lost: {}", at(&found, "value"))];
    let form = Form::new(format!("{own}/delete"), "Delete").back(own);
    Confirm::new(frame, text, form).page()
}

async fn delete(visit: &Visit, kind: Kind) -> Reply {
    let filled = Filled::read(visit);
    let own = filled.path(kind);
    match visit.delete(&format!("/api{own}")).await {
        Ok(_) => {
            let text = format!("The {} {} is deleted.", kind.noun(), filled.name);
            done(visit, text, kind.list().path)
        }
        Err(refusal) => {
            visit.tell(Notice::refused(&refusal));
            Ok(go_to(&own))
        }
    }
}

//! All bindings: the list, adding one, removing some.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use serde_json::Value;

use super::Routes;
use super::binding_form::{self, ARGUMENTS, DESTINATION, KEY, KIND, SOURCE};
use crate::bulk::Outcome;
use crate::cell::Cell;
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::list::{self, List};
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to, own_path, page_with};
use crate::table::{Column, Table};
use crate::value::text;
use crate::visit::{Pairs, Visit};

pub(crate) fn add(routes: Routes) -> Routes {
    routes
        .get("/bindings", show)
        .get("/bindings/new", show_form)
        .post("/bindings/new", bind)
        .post("/bindings/bulk", ask)
        .post("/bindings/remove", remove)
}

const LIST: List = List {
    title: "Bindings",
    path: "/bindings",
    noun: ("binding", "bindings"),
    intro: "A binding leads messages from an exchange on to a queue, or to another exchange. Every \
            queue has one from the default exchange of itself, by its own name.",
    api: "/api/bindings",
    has_virtual_hosts: true,
    columns: &[
        SOURCE,
        KEY,
        DESTINATION,
        KIND,
        ARGUMENTS,
        Column::new("vhost", "Virtual host", "vhost", |it| Cell::text_at(it, "vhost")),
    ],
    key: binding_form::key,
    add: Some(("Add a binding", "/bindings/new")),
    bulk: &[("remove", "Remove")],
    empty: "There is no binding yet: there is no queue. Add a queue first, then bind it to an exchange.",
};

async fn show(visit: Arc<Visit>) -> Reply {
    list::show(&visit, &LIST, true).await
}

#[derive(Template)]
#[template(path = "console/binding.html")]
struct BindingPage {
    frame: Frame,
    /// The virtual host, where there are others to choose from.
    hosts: Vec<(String, String, bool)>,
    /// What the binding leads from or to, if that is known.
    known: String,
    form: Form,
}

async fn show_form(visit: Arc<Visit>) -> Reply {
    form_page(&visit, &visit.query, None).await
}

/// The form alone, with what was filled in and why that did not work.
async fn form_page(visit: &Visit, filled: &Pairs, error: Option<&Error>) -> Reply {
    let frame = Frame::new(visit, "Add a binding").await?.below("Bindings", "/bindings");
    let mut filled = filled.clone();
    if !filled.has("vhost") {
        filled.0.push(("vhost".to_owned(), frame.first_virtual_host().to_owned()));
    }
    let host = filled.get("vhost");
    let known = match filled.get("fixed") {
        "source" => format!("From the exchange {}", filled.get("source")),
        "destination" => {
            format!("To the {} {}", filled.get("destination_type"), filled.get("destination"))
        }
        _ => String::new(),
    };
    let hosts = frame.virtual_hosts.iter().map(|name| {
        let href = format!("/bindings/new{}", links::query([("vhost", name.as_str())]));
        (name.clone(), href, name == host)
    });
    let hosts = if known.is_empty() { hosts.collect() } else { vec![] };
    let back = own_path(if filled.has("next") { filled.get("next") } else { LIST.path });
    let form = binding_form::form_with(visit, &filled).await?.back(back);
    let form = form.refused(error.map(Error::text));
    let status = error.map_or(StatusCode::OK, Error::status);
    page_with(status, &BindingPage { frame, hosts, known, form })
}

async fn bind(visit: Arc<Visit>) -> Reply {
    // A removed binding that is wanted back comes with the address.
    let filled =
        if visit.form.has("source") || visit.form.has("next") { &visit.form } else { &visit.query };
    if let Err(error) = binding_form::bind(&visit, filled).await {
        return form_page(&visit, filled, Some(&error)).await;
    }
    let text = format!("Bound: from {} to {}.", filled.get("source"), filled.get("destination"));
    let next = if filled.has("next") { filled.get("next") } else { LIST.path };
    done(&visit, text, own_path(next))
}

/// The bindings that rows of a form name, as far as they are still there.
async fn chosen(visit: &Visit) -> Result<Vec<(String, Value)>, Error> {
    let mut found = vec![];
    for row in visit.form.all("row") {
        let binding = visit.get_if_allowed(&format!("/api/bindings{row}")).await?;
        found.extend(binding.map(|binding| (row.to_owned(), binding)));
    }
    Ok(found)
}

async fn ask(visit: Arc<Visit>) -> Reply {
    let chosen = chosen(&visit).await?;
    if chosen.is_empty() {
        visit.tell(Notice::error("No binding was chosen, or they are gone already."));
        return Ok(go_to(LIST.path));
    }
    let mut form = Form::new("/bindings/remove", "Remove them").back(LIST.path);
    for (row, _) in &chosen {
        form = form.with(Field::hidden("row", row));
    }
    let bindings: Vec<Value> = chosen.into_iter().map(|(_, binding)| binding).collect();
    let title = match bindings.len() {
        1 => "Remove this binding?".to_owned(),
        many => format!("Remove these {many} bindings?"),
    };
    let frame = Frame::new(&visit, title).await?.below("Bindings", LIST.path);
    let losses = Table::of(
        "Bindings to be removed",
        &[SOURCE, KEY, DESTINATION, ARGUMENTS],
        &bindings,
        binding_form::key,
        "",
    );
    let text = "Messages go these ways no more. Those that are in queues already stay there.";
    Confirm::new(frame, vec![text.to_owned()], form).losses(losses).page()
}

async fn remove(visit: Arc<Visit>) -> Reply {
    let next = if visit.form.has("next") { visit.form.get("next") } else { LIST.path };
    let next = own_path(next);
    let mut chosen = chosen(&visit).await?;
    if chosen.len() == 1 {
        return remove_one(&visit, chosen.remove(0), next).await;
    }
    let mut outcome = Outcome::default();
    for (row, binding) in chosen {
        let name = format!("{} to {}", text(&binding, "source"), text(&binding, "destination"));
        outcome.add(name, visit.delete(&format!("/api/bindings{row}")).await);
    }
    outcome.tell(&visit, LIST.noun, "removed");
    Ok(go_to(next))
}

async fn remove_one(visit: &Visit, (row, binding): (String, Value), next: &str) -> Reply {
    let notice = match visit.delete(&format!("/api/bindings{row}")).await {
        Ok(_) => {
            let (source, name) = (text(&binding, "source"), text(&binding, "destination"));
            let notice = Notice::done(format!("Removed the binding from {source} to {name}."));
            notice.with_action("Put it back", binding_form::again(&binding, next))
        }
        Err(refusal) => Notice::refused(&refusal),
    };
    visit.tell(notice);
    Ok(go_to(next))
}

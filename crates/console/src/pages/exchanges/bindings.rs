//! The bindings of an exchange: what it leads to, and what leads to it.

use std::sync::Arc;

use askama::Template;
use serde_json::Value;

use crate::form::Form;
use crate::format::grouped;
use crate::frame::Frame;
use crate::links;
use crate::pages::binding_form::{self, ARGUMENTS, DESTINATION, KEY, KIND, Place, SOURCE};
use crate::reply::{Reply, page};
use crate::table::{Column, Head as TableHead, Table};
use crate::value::{items, number};
use crate::visit::Visit;

use super::head::{self, Head};

/// Bindings that are shown on the page; there is a list of all.
const SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "console/exchange_bindings.html")]
struct BindingsPage {
    frame: Frame,
    head: Head,
    from: Part,
    to: Part,
    /// The list of all, where only this exchange's are found.
    all: String,
    /// The form for one from it; not for the default one, which has its own bindings alone.
    form: Option<Form>,
    /// The page to add one to it.
    add_to: String,
}

/// Those that lead from it, or those that lead to it.
struct Part {
    table: Table,
    /// What is shown of how many, if that is not all.
    note: String,
}

pub(super) async fn show(visit: Arc<Visit>) -> Reply {
    let exchange = head::exchange(&visit, "disable_stats=true").await?;
    let head = Head::of(&exchange, "bindings");
    let here = format!("{}/bindings", head.path);
    let from = "From this exchange no message goes anywhere. Add a binding below.";
    let from = part(&visit, "source", &[DESTINATION, KIND, KEY, ARGUMENTS], from, &here).await?;
    let to = "No other exchange leads to this one.";
    let to = part(&visit, "destination", &[SOURCE, KEY, ARGUMENTS], to, &here).await?;
    let (host, name) = (head.virtual_host.as_str(), head.name.as_str());
    let form = if name.is_empty() {
        None
    } else {
        Some(binding_form::form(&visit, Place::From(host, name), &here).await?)
    };
    let add_to = Place::ToExchange(host, name).href(&here);
    let all = format!("/bindings{}", links::query([("q", name)]));
    let frame = head.frame(&visit).await?;
    page(&BindingsPage { frame, head, from, to, all, form, add_to })
}

async fn part(
    visit: &Visit,
    end: &str,
    columns: &[Column],
    empty: &str,
    here: &str,
) -> Result<Part, crate::error::Error> {
    let query = format!("page=1&page_size={SHOWN}");
    let found = visit.get(&format!("{}/bindings/{end}?{query}", head::api(visit))).await?;
    let bindings: &[Value] = items(&found, "items");
    let all = number(&found, "total_count").unwrap_or(0);
    let table = Table {
        caption: if end == "source" { "Bindings from it" } else { "Bindings to it" }.to_owned(),
        heads: columns.iter().map(TableHead::of).collect(),
        rows: binding_form::rows(columns, bindings, here),
        empty: empty.to_owned(),
        is_choice: false,
    };
    let is_all = all <= bindings.len() as u64;
    let note = if is_all {
        String::new()
    } else {
        format!("The first {} of {} are shown.", bindings.len(), grouped(all))
    };
    Ok(Part { table, note })
}

//! Deleting exchanges, one or many, after a question.

use std::sync::Arc;

use serde_json::Value;

use crate::bulk::Outcome;
use crate::cell::Cell;
use crate::confirm::Confirm;
use crate::error::Error;
use crate::form::{Field, Form};
use crate::format::grouped;
use crate::frame::Frame;
use crate::links;
use crate::notices::Notice;
use crate::reply::{Reply, done, go_to};
use crate::table::{Column, Table};
use crate::value::{at, number, text};
use crate::visit::Visit;

use super::head::{self, Head};
use super::list::{LIST, key};

/// The question for one.
pub(super) async fn ask(visit: Arc<Visit>) -> Reply {
    ask_again(&visit, None).await
}

async fn ask_again(visit: &Visit, error: Option<&Error>) -> Reply {
    let exchange = with_bindings(visit, head::exchange(visit, "").await?).await?;
    let head = Head::of(&exchange, "");
    let form = Form::new(format!("{}/delete", head.path), "Delete the exchange")
        .with(
            Field::check(
                "if-unused",
                "Only if nothing is bound to it",
                visit.form.has("if-unused"),
            )
            .help("It stays if messages could go anywhere from it."),
        )
        .back(head.path.as_str())
        .refused(error.map(Error::text));
    let title = format!("Delete the exchange {}?", head.shown());
    let frame = Frame::new(visit, title).await?;
    let frame = frame.below("Exchanges", "/exchanges").below(head.shown(), head.path.as_str());
    let text = in_words(&exchange);
    Confirm::new(frame, text, form)
        .page_with(error.map_or(axum::http::StatusCode::OK, Error::status))
}

/// What goes with an exchange, in sentences.
fn in_words(exchange: &Value) -> Vec<String> {
    let name = text(exchange, "name");
    let [from, to] = ["from", "to"].map(|end| number(exchange, end).unwrap_or(0));
    let bindings = |count: u64| match count {
        0 => "no binding".to_owned(),
        1 => "1 binding".to_owned(),
        count => format!("{} bindings", grouped(count)),
    };
    let mut text = vec![format!(
        "The exchange {name} goes, with {} from it and {} to it. Messages in queues stay there.",
        bindings(from),
        bindings(to)
    )];
    let rate = at(exchange, "message_stats.publish_in_details.rate").as_f64().unwrap_or(0.0);
    if rate > 0.0 {
        text.push(format!(
            "Clients publish to it now, {} messages. Their channels are closed with an error when \
             they go on.",
            crate::format::rate(rate)
        ));
    }
    text
}

/// An exchange with the numbers of its bindings, as `from` and `to`.
async fn with_bindings(visit: &Visit, mut exchange: Value) -> Result<Value, Error> {
    let path = format!(
        "/api{}",
        links::path([
            "exchanges",
            text(&exchange, "vhost"),
            links::exchange_name(text(&exchange, "name"))
        ])
    );
    for (member, end) in [("from", "source"), ("to", "destination")] {
        let query = "columns=source&page=1&page_size=1";
        let found = visit.get(&format!("{path}/bindings/{end}?{query}")).await?;
        exchange[member] = number(&found, "total_count").unwrap_or(0).into();
    }
    Ok(exchange)
}

pub(super) async fn delete(visit: Arc<Visit>) -> Reply {
    let condition = if visit.form.has("if-unused") { "?if-unused=true" } else { "" };
    match visit.delete(&format!("{}{condition}", head::api(&visit))).await {
        Ok(_) => {
            let (_, name) = head::named(&visit);
            done(&visit, format!("The exchange {name} is deleted."), LIST.path)
        }
        Err(refusal) => ask_again(&visit, Some(&refusal.into())).await,
    }
}

const LOSSES: [Column; 5] = [
    Column::new("name", "Name", "name", |it| Cell::text_at(it, "name")),
    Column::new("vhost", "Virtual host", "vhost", |it| Cell::text_at(it, "vhost")),
    Column::new("from", "Bindings from it", "from", |it| Cell::count_at(it, "from")).number(),
    Column::new("to", "Bindings to it", "to", |it| Cell::count_at(it, "to")).number(),
    Column::new("in", "Messages that come in", "in", |it| {
        Cell::rate_at(it, "message_stats.publish_in_details.rate")
    })
    .number(),
];

/// Many: the question, and if it was answered, the deed.
pub(super) async fn ask_many(visit: Arc<Visit>) -> Reply {
    let mut exchanges = vec![];
    for row in visit.form.all("row") {
        let Some(parts) = links::parts(row) else { continue };
        let [host, name] = parts.as_slice() else { continue };
        let path = format!("/api{}", links::path(["exchanges", host, name]));
        if let Some(exchange) = visit.get_if_allowed(&path).await? {
            exchanges.push((path, exchange));
        }
    }
    if exchanges.is_empty() {
        visit.tell(Notice::error("No exchange was chosen, or they are gone already."));
        return Ok(go_to(LIST.path));
    }
    if !visit.form.has("confirmed") {
        return ask_for(&visit, exchanges).await;
    }
    let mut outcome = Outcome::default();
    for (path, exchange) in exchanges {
        outcome.add(head::shown(text(&exchange, "name")), visit.delete(&path).await);
    }
    outcome.tell(&visit, LIST.noun, "deleted");
    Ok(go_to(LIST.path))
}

async fn ask_for(visit: &Visit, exchanges: Vec<(String, Value)>) -> Reply {
    let mut form = Form::new("/exchanges/bulk", "Delete them")
        .with(Field::hidden("confirmed", "true"))
        .back(LIST.path);
    let mut counted = vec![];
    for (_, exchange) in exchanges {
        form = form.with(Field::hidden("row", key(&exchange)));
        counted.push(with_bindings(visit, exchange).await?);
    }
    let title = match counted.len() {
        1 => "Delete this exchange?".to_owned(),
        many => format!("Delete these {many} exchanges?"),
    };
    let frame = Frame::new(visit, title).await?.below("Exchanges", LIST.path);
    let losses = Table::of("Exchanges to be deleted", &LOSSES, &counted, key, "");
    let text = "They go with all their bindings. Messages in queues stay there; what clients \
                publish to these exchanges from then on closes their channels with an error.";
    Confirm::new(frame, vec![text.to_owned()], form).losses(losses).page()
}

//! Bindings as they are made and removed, for all pages that show some: of exchanges, of queues, all.
//!
//! A page puts the [`form`] beside its bindings and [`rows`] into a table. What is sent comes to the
//! pages below `/bindings`, which lead back to where it was sent from.

use axum::http::StatusCode;
use serde_json::Value;
use warren_admin::inner::Refusal;

use crate::cell::Cell;
use crate::error::Error;
use crate::form::{Field, Form, TypedRow};
use crate::links::{self, exchange_name};
use crate::table::{Button, Column, Row};
use crate::value::{at, items, text};
use crate::visit::{Pairs, Visit};

/// Names of exchanges and queues that are proposed at most: what the API gives as one page.
const PROPOSALS: usize = 500;

/// What the page that has the form says of the binding already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// It begins at this exchange of a virtual host.
    From(&'a str, &'a str),
    /// It leads to this queue of a virtual host.
    ToQueue(&'a str, &'a str),
    /// It leads to this exchange of a virtual host.
    ToExchange(&'a str, &'a str),
}

impl Place<'_> {
    fn pairs(self, next: &str) -> Pairs {
        let pairs = match self {
            Self::From(host, source) => {
                vec![("vhost", host), ("source", source), ("fixed", "source")]
            }
            Self::ToQueue(host, queue) => vec![
                ("vhost", host),
                ("destination", queue),
                ("destination_type", "queue"),
                ("fixed", "destination"),
            ],
            Self::ToExchange(host, exchange) => vec![
                ("vhost", host),
                ("destination", exchange),
                ("destination_type", "exchange"),
                ("fixed", "destination"),
            ],
        };
        let pairs = pairs.into_iter().chain([("next", next)]);
        Pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The page with nothing but the form.
    pub(crate) fn href(self, next: &str) -> String {
        let Pairs(pairs) = self.pairs(next);
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        format!("/bindings/new{}", links::query(pairs))
    }
}

/// The form that adds a binding at a place; after that the user is at the page `next`.
pub(crate) async fn form(visit: &Visit, place: Place<'_>, next: &str) -> Result<Form, Error> {
    form_with(visit, &place.pairs(next)).await
}

/// The form with what was filled in.
pub(crate) async fn form_with(visit: &Visit, filled: &Pairs) -> Result<Form, Error> {
    let host = filled.get("vhost");
    let exchanges = names(visit, "exchanges", host).await?;
    let mut form = Form::new("/bindings/new", "Add the binding")
        .with(Field::hidden("next", filled.get("next")))
        .with(Field::hidden("fixed", filled.get("fixed")))
        .with(Field::hidden("vhost", host));
    let mut kind = String::new();
    if filled.get("fixed") == "source" {
        let source = filled.get("source");
        kind = kind_of(visit, host, source).await?;
        form = form.with(Field::hidden("source", source));
    } else {
        let sources = exchanges.iter().filter(|name| !name.is_empty()).cloned();
        form = form.with(
            Field::proposals("source", "From exchange", sources, filled.get("source")).required(),
        );
    }
    if filled.get("fixed") == "destination" {
        form = form
            .with(Field::hidden("destination", filled.get("destination")))
            .with(Field::hidden("destination_type", filled.get("destination_type")));
    } else {
        let kinds = [("queue", "a queue"), ("exchange", "another exchange")];
        let mut proposed = names(visit, "queues", host).await?;
        proposed.extend(exchanges.into_iter().filter(|name| !name.is_empty()));
        form = form
            .with(Field::choice("destination_type", "To", kinds, filled.get("destination_type")))
            .with(
                Field::proposals("destination", "Its name", proposed, filled.get("destination"))
                    .required(),
            );
    }
    let rows = TypedRow::read(filled, "arguments");
    Ok(form
        .with(
            Field::text("routing_key", "Binding key", filled.get("routing_key"))
                .help(key_help(&kind)),
        )
        .with(Field::rows("arguments", "Arguments", rows, known_arguments(&kind))))
}

/// Names of exchanges or queues of a virtual host.
pub(crate) async fn names(visit: &Visit, what: &str, host: &str) -> Result<Vec<String>, Refusal> {
    let path = links::path([what, host]);
    let list = format!("/api{path}?columns=name&disable_stats=true&page=1&page_size={PROPOSALS}");
    let found = visit.get_if_allowed(&list).await?.unwrap_or_default();
    Ok(items(&found, "items").iter().map(|it| text(it, "name").to_owned()).collect())
}

/// The type of an exchange; empty if there is none.
async fn kind_of(visit: &Visit, host: &str, exchange: &str) -> Result<String, Refusal> {
    let path = links::path(["exchanges", host, exchange_name(exchange)]);
    let found = visit.get_if_allowed(&format!("/api{path}?columns=type")).await?;
    Ok(found.map_or_else(String::new, |it| text(&it, "type").to_owned()))
}

/// What the binding key means to a type of exchanges.
fn key_help(kind: &str) -> &'static str {
    match kind {
        "direct" => "A message goes this way if its routing key is just this.",
        "topic" => {
            "A pattern of words with dots between them: * is one word, # is any number of words."
        }
        "fanout" | "x-recent-history" => "Not looked at: every message goes this way.",
        "headers" => "Not looked at: the arguments say which headers a message must have.",
        "x-consistent-hash" => {
            "A weight, from 1 on: what has twice the weight gets twice as many of the routing keys."
        }
        "x-modulus-hash" | "x-random" | "x-local-random" => {
            "Not looked at: the exchange chooses one of what is bound."
        }
        "x-virtual-topic" => {
            "A pattern of words: * is one word, # or > is any number of words. The queue gets the \
             topics that fit, once for its group."
        }
        _ => {
            "For a direct exchange the routing key itself; for a topic exchange a pattern, in which \
             * is one word and # is any number of words."
        }
    }
}

fn known_arguments(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "direct" | "fanout" | "topic" | "x-consistent-hash" => &[],
        "headers" => &[(
            "x-match",
            "all: every header named here must be so; any: one of them is enough; all-with-x and \
             any-with-x count names that begin with x- too. All others are headers and their values.",
        )],
        "x-virtual-topic" => &[("x-group", "The group of consumers that the queue is for")],
        _ => &[
            ("x-match", "For headers exchanges: all or any of the headers that follow"),
            ("x-group", "For virtual topics: the group of consumers that the queue is for"),
        ],
    }
}

/// Makes the binding that was filled in.
///
/// # Errors
///
/// What was filled in makes no sense, or the API refuses it.
pub(crate) async fn bind(visit: &Visit, filled: &Pairs) -> Result<(), Error> {
    let arguments = match filled.get("arguments") {
        "" => TypedRow::object(&TypedRow::read(filled, "arguments"))?,
        whole => serde_json::from_str(whole).map_err(|_| Error::wrong("No such arguments."))?,
    };
    let (source, name) = (filled.get("source"), filled.get("destination"));
    if source.is_empty() || name.is_empty() {
        return Err(Error::wrong("A binding needs both an exchange and what it leads to."));
    }
    let kind = letter(filled.get("destination_type"));
    let path = links::path(["bindings", filled.get("vhost"), "e", source, kind, name]);
    let body = serde_json::json!({
        "routing_key": filled.get("routing_key"),
        "arguments": arguments,
    });
    match visit.post(&format!("/api{path}"), &body).await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
            Err(missing(visit, filled).await?)
        }
        result => Ok(result.map(|_| ())?),
    }
}

/// Which end of a binding there is not.
async fn missing(visit: &Visit, filled: &Pairs) -> Result<Error, Refusal> {
    let (host, source) = (filled.get("vhost"), filled.get("source"));
    let path = links::path(["exchanges", host, exchange_name(source)]);
    let has_source = visit.get_if_allowed(&format!("/api{path}?columns=name")).await?.is_some();
    let (kind, name) = match (has_source, letter(filled.get("destination_type"))) {
        (false, _) => ("exchange", source),
        (true, "e") => ("exchange", filled.get("destination")),
        (true, _) => ("queue", filled.get("destination")),
    };
    Ok(Error::wrong(format!("There is no {kind} {name} in the virtual host {host}.")))
}

/// What destinations are called in paths of the API.
fn letter(kind: &str) -> &'static str {
    if kind == "exchange" { "e" } else { "q" }
}

/// The path of a binding in the API below `/api/bindings`: all that is needed to find it again.
pub(crate) fn key(binding: &Value) -> String {
    let part = |name| text(binding, name);
    links::path([
        part("vhost"),
        "e",
        exchange_name(part("source")),
        letter(part("destination_type")),
        part("destination"),
        part("properties_key"),
    ])
}

/// The form that makes a removed binding again, as a path to send nothing else to.
pub(crate) fn again(binding: &Value, next: &str) -> String {
    let arguments = at(binding, "arguments").to_string();
    let names = ["vhost", "source", "destination", "destination_type", "routing_key"];
    let pairs = names.into_iter().map(|name| (name, text(binding, name)));
    let pairs = pairs.chain([("arguments", arguments.as_str()), ("next", next)]);
    format!("/bindings/new{}", links::query(pairs))
}

/// The column of where bindings begin.
pub(crate) const SOURCE: Column = Column::new("source", "From exchange", "source", |it| {
    let (host, source) = (text(it, "vhost"), text(it, "source"));
    let name = if source.is_empty() { "(default)" } else { source };
    Cell::link(name, links::exchange(host, source))
})
.also(&["vhost", "destination", "destination_type", "properties_key"]);

/// The column of where they lead.
pub(crate) const DESTINATION: Column = Column::new("destination", "To", "destination", |it| {
    let (host, name) = (text(it, "vhost"), text(it, "destination"));
    match text(it, "destination_type") {
        "exchange" => Cell::link(name, links::exchange(host, name)),
        _ => Cell::link(name, links::queue(host, name)),
    }
})
.also(&["source", "vhost", "destination_type", "properties_key"]);

/// The column of what they lead to: queues or exchanges.
pub(crate) const KIND: Column = Column::new("kind", "Which is", "destination_type", |it| {
    Cell::text(match text(it, "destination_type") {
        "exchange" => "an exchange",
        _ => "a queue",
    })
});

/// The column of their keys.
pub(crate) const KEY: Column =
    Column::new("key", "Binding key", "routing_key", |it| match text(it, "routing_key") {
        "" => Cell::Nothing,
        key => Cell::Code(key.to_owned()),
    });

/// The column of their arguments.
pub(crate) const ARGUMENTS: Column =
    Column::new("arguments", "Arguments", "arguments", |it| Cell::pairs(at(it, "arguments")))
        .unsorted();

/// Bindings as rows with these columns, each with a button that removes it and leads to `next`.
pub(crate) fn rows(columns: &[Column], bindings: &[Value], next: &str) -> Vec<Row> {
    let columns: Vec<&Column> = columns.iter().collect();
    let row = |binding: &Value| {
        let row = Row::of(&columns, binding, key);
        // What a queue has of itself cannot be taken away.
        if text(binding, "source").is_empty() { row } else { row.button(remove(binding, next)) }
    };
    bindings.iter().map(row).collect()
}

fn remove(binding: &Value, next: &str) -> Button {
    let (source, name) = (text(binding, "source"), text(binding, "destination"));
    let title = format!("Remove the binding from {source} to {name}");
    Button {
        label: "Remove".to_owned(),
        title,
        action: "/bindings/remove".to_owned(),
        fields: vec![("row".to_owned(), key(binding)), ("next".to_owned(), next.to_owned())],
        is_dangerous: true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binding() -> Value {
        json!({"vhost": "/", "source": "a/b", "destination": "q 1", "destination_type": "queue",
               "routing_key": "x", "arguments": {"n": 1}, "properties_key": "x~70f7"})
    }

    #[test]
    fn a_row_names_its_binding_as_the_api_does() {
        assert_eq!(key(&binding()), "/%2F/e/a%2Fb/q/q%201/x~70f7");
        let mut starred = binding();
        starred["properties_key"] = json!("a.%2A");
        assert_eq!(key(&starred), "/%2F/e/a%2Fb/q/q%201/a.%252A", "escaped once more");
    }

    #[test]
    fn a_binding_that_a_queue_has_of_itself_cannot_be_removed() {
        let mut of_itself = binding();
        of_itself["source"] = json!("");
        let rows = rows(&[SOURCE, DESTINATION], &[of_itself, binding()], "/bindings");
        assert!(rows[0].buttons.is_empty());
        assert_eq!(rows[1].buttons[0].fields[1].1, "/bindings");
    }

    #[test]
    fn a_removed_binding_can_be_made_again_by_its_path() {
        let path = again(&binding(), "/bindings");
        assert!(path.starts_with("/bindings/new?vhost=%2F&source=a%2Fb&"), "{path}");
        assert!(path.contains("arguments=%7B%22n%22%3A1%7D&next=%2Fbindings"), "{path}");
    }
}

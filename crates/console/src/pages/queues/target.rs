//! Where messages go that are moved or copied, and what is changed about them on the way: the fields
//! of a form, and what was filled in as a job takes it.

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::form::{Field, Form, TypedRow};
use crate::links::exchange_name;
use crate::pages::binding_form::names;
use crate::visit::{Pairs, Visit};

/// Kinds of places, as forms send them.
const KINDS: [(&str, &str); 3] = [
    ("queue", "a queue"),
    ("exchange", "an exchange"),
    ("origin", "where each was first published, for dead letters"),
];

/// A form with the fields, and with what was filled in.
pub(super) async fn with_fields(
    mut form: Form,
    visit: &Visit,
    virtual_host: &str,
    filled: &Pairs,
) -> Result<Form, Error> {
    let queues = names(visit, "queues", virtual_host).await?;
    let exchanges = names(visit, "exchanges", virtual_host).await?;
    let exchanges = exchanges.iter().map(|name| exchange_name(name).to_owned());
    // What is sent for the first time keeps its address; what was unchecked stays so.
    let keeps = !filled.has("confirmed") || filled.has("keep_address");
    form.fields.extend([
        Field::heading("Where to"),
        Field::choice("to", "To", KINDS, filled.get("to")),
        Field::proposals("to_queue", "Queue", queues, filled.get("to_queue"))
            .help("If they go to a queue."),
        Field::check("keep_address", "They keep their exchange and routing key", keeps).help(
            "As if they had always been in that queue. Otherwise they are published to it by the \
             default exchange, with its name as their routing key.",
        ),
        Field::proposals("to_exchange", "Exchange", exchanges, filled.get("to_exchange"))
            .help("If they go to an exchange."),
        Field::text("to_key", "Routing key", filled.get("to_key"))
            .help("With an exchange. If it is empty, each message keeps its own."),
    ]);
    let edits = vec![
        Field::rows("set", "Headers to set", TypedRow::read(filled, "set"), &[]),
        Field::text("remove", "Headers to take away", filled.get("remove"))
            .help("Names with commas between them."),
        Field::lines("payload", "Another body", filled.get("payload"))
            .help("The same for all of them. If it is empty, each message keeps its own."),
    ];
    Ok(form.wide().folding("Change something about them on the way", edits))
}

/// What was filled in, as members of a job.
///
/// # Errors
///
/// Something is missing or is none.
pub(super) fn read(filled: &Pairs) -> Result<Map<String, Value>, Error> {
    let to = match filled.get("to") {
        "queue" => match filled.get("to_queue").trim() {
            "" => return Err(Error::wrong("Please name the queue that they are to go to.")),
            queue => json!({"queue": queue, "keep_address": filled.has("keep_address")}),
        },
        "exchange" => match filled.get("to_exchange").trim() {
            "" => return Err(Error::wrong("Please name the exchange that they are to go to.")),
            exchange => match filled.get("to_key") {
                "" => json!({"exchange": exchange}),
                key => json!({"exchange": exchange, "routing_key": key}),
            },
        },
        "origin" => json!({"origin": true}),
        _ => return Err(Error::wrong("Please choose where they are to go.")),
    };
    let mut members = Map::from_iter([("to".to_owned(), to)]);
    let set = TypedRow::object(&TypedRow::read(filled, "set"))?;
    if set.as_object().is_some_and(|set| !set.is_empty()) {
        members.insert("set_headers".to_owned(), set);
    }
    let remove = filled.get("remove").split(',').map(str::trim).filter(|name| !name.is_empty());
    let remove: Vec<&str> = remove.collect();
    if !remove.is_empty() {
        members.insert("remove_headers".to_owned(), json!(remove));
    }
    if filled.has("payload") {
        members.insert("payload".to_owned(), json!(filled.get("payload")));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pairs: &[(&str, &str)]) -> Pairs {
        Pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_filled_in_says_where_messages_go_and_how() {
        let to = |pairs: &[(&str, &str)]| Value::Object(read(&filled(pairs)).unwrap());
        assert_eq!(
            to(&[("to", "queue"), ("to_queue", " q "), ("keep_address", "true")]),
            json!({"to": {"queue": "q", "keep_address": true}})
        );
        assert_eq!(
            to(&[("to", "exchange"), ("to_exchange", "x"), ("to_key", "k")]),
            json!({"to": {"exchange": "x", "routing_key": "k"}})
        );
        let edits =
            [("to", "origin"), ("set_name", "a"), ("set_kind", "number"), ("set_value", "1")];
        let edits = [&edits[..], &[("remove", "b, c,"), ("payload", "x")]].concat();
        assert_eq!(
            to(&edits),
            json!({"to": {"origin": true}, "set_headers": {"a": 1},
                   "remove_headers": ["b", "c"], "payload": "x"})
        );
    }

    #[test]
    fn a_place_that_is_not_named_is_asked_for() {
        for pairs in [&[("to", "queue")][..], &[("to", "exchange"), ("to_exchange", " ")], &[]] {
            assert!(read(&filled(pairs)).is_err(), "{pairs:?}");
        }
    }
}

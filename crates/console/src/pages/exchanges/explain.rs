//! Why a message would go where it would go: a form, and the way that the broker gives as answer.

mod fate;
mod similar;
mod way;

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::error::Error;
use crate::form::{Field, Form};
use crate::frame::Frame;
use crate::links;
use crate::pages::binding_form::names;
use crate::pages::message::{HEADERS, Message, PROPERTIES};
use crate::reply::{Reply, go_to, page_with};
use crate::value::{items, plain};
use crate::visit::Visit;

use super::head::{self, Head};
use fate::Fate;
use way::Way;

/// Queues of which it is told what would become of the message there.
const FATES: usize = 20;

/// Properties that can make a difference to where a message goes, and for how long.
const ASKED: [&str; 4] = ["expiration", "message_id", "correlation_id", "timestamp"];

#[derive(Template)]
#[template(path = "console/exchange_explain.html")]
struct ExplainPage {
    frame: Frame,
    head: Head,
    form: Form,
    way: Option<Way>,
    fates: Vec<Fate>,
    /// The page that publishes the message.
    publish: String,
}

pub(super) async fn show(visit: Arc<Visit>) -> Reply {
    let exchange = head::exchange(&visit, "disable_stats=true").await?;
    let head = Head::of(&exchange, "explain");
    let message = Message::read(&visit.query);
    let properties = message
        .as_ref()
        .map_err(Error::text)
        .and_then(|it| it.properties().map_err(|error| error.text()));
    let message = message.unwrap_or_default();
    // Fields are for filling in; an address to pass on has the properties as one.
    if let (true, Ok(properties)) = (Message::is_in(&visit.query), &properties) {
        return Ok(go_to(&address(&head, &message.routing_key, properties)));
    }
    let is_asked = visit.query.0.iter().any(|(name, _)| name == "routing_key");
    let answer = match properties {
        Ok(properties) if is_asked => explained(&visit, &message, &properties)
            .await
            .map(Some)
            .map_err(|it| (it.status(), it.text())),
        Ok(_) => Ok(None),
        Err(reason) => Err((StatusCode::BAD_REQUEST, reason)),
    };
    let (status, answer, error) = match answer {
        Ok(answer) => (StatusCode::OK, answer, None),
        Err((status, reason)) => (status, None, Some(reason)),
    };
    let form = form(&head, &message).refused(error);
    let (mut way, mut fates) = (None, vec![]);
    if let Some(answer) = &answer {
        way = Some(Way::of(
            answer,
            &head,
            &message.routing_key,
            &similar(&visit, answer, &head, &message).await?,
        ));
        fates = fates_of(&visit, answer, &head, &message).await?;
    }
    let publish = publish(&head, &visit);
    let frame = head.frame(&visit).await?;
    page_with(status, &ExplainPage { frame, head, form, way, fates, publish })
}

/// The address of an answer.
pub(super) fn address(head: &Head, routing_key: &str, properties: &Value) -> String {
    let properties = match properties {
        Value::Object(object) if !object.is_empty() => properties.to_string(),
        _ => String::new(),
    };
    let pairs = [("routing_key", routing_key), ("properties", properties.as_str())];
    let pairs =
        pairs.into_iter().filter(|(name, value)| *name == "routing_key" || !value.is_empty());
    format!("{}/explain{}", head.path, links::query(pairs))
}

fn publish(head: &Head, visit: &Visit) -> String {
    let exchange = links::exchange_name(&head.name);
    let mut pairs = vec![("vhost", head.virtual_host.as_str()), ("exchange", exchange)];
    for name in ["routing_key", "properties"] {
        pairs.push((name, visit.query.get(name)));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    format!("/publish{}", links::query(pairs))
}

async fn explained(visit: &Visit, message: &Message, properties: &Value) -> Result<Value, Error> {
    let body = json!({"routing_key": message.routing_key, "properties": properties});
    Ok(visit.post(&format!("{}/explain", head::api(visit)), &body).await?)
}

fn form(head: &Head, message: &Message) -> Form {
    let asked = PROPERTIES.into_iter().filter(|it| ASKED.contains(&it.name));
    let properties = asked.map(|property| {
        Field::text(&property.field(), property.label, message.get(property.name))
            .help(property.help)
    });
    Form::new(format!("{}/explain", head.path), "Explain")
        .question()
        .with(Field::text("routing_key", "Routing key", message.routing_key.as_str()))
        .with(Field::rows(HEADERS, "Headers", message.headers.clone(), &[]))
        .folding("Properties that may matter", properties.collect())
}

/// The names of queues that the default exchange could have been meant to lead to.
async fn similar(
    visit: &Visit,
    answer: &Value,
    head: &Head,
    message: &Message,
) -> Result<Vec<String>, Error> {
    if !head.name.is_empty() || !items(answer, "queues").is_empty() {
        return Ok(vec![]);
    }
    let names = names(visit, "queues", &head.virtual_host).await?;
    Ok(similar::nearest(&names, &message.routing_key))
}

/// What would become of the message in its queues.
async fn fates_of(
    visit: &Visit,
    answer: &Value,
    head: &Head,
    message: &Message,
) -> Result<Vec<Fate>, Error> {
    let mut fates = vec![];
    for name in items(answer, "queues").iter().take(FATES).map(plain) {
        let path = links::queue(&head.virtual_host, &name);
        if let Some(queue) = visit.get_if_allowed(&format!("/api{path}")).await? {
            fates.push(Fate::of(&queue, message.get("expiration"), path));
        }
    }
    Ok(fates)
}

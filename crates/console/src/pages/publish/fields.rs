//! The fields of the form.

use warren_admin::inner::Refusal;

use super::Draft;
use crate::form::Field;
use crate::frame::Frame;
use crate::limits;
use crate::links::exchange_name;
use crate::pages::binding_form::names;
use crate::pages::message::{HEADERS, Message, PROPERTIES};
use crate::visit::Visit;

/// When the payload must be JSON.
pub(super) const CHECKS: [(&str, &str); 3] =
    [("", "if the content type says that it is JSON"), ("always", "always"), ("never", "never")];

/// Where the message goes.
pub(super) async fn address(
    visit: &Visit,
    frame: &Frame,
    draft: &Draft,
    host: &str,
) -> Result<Vec<Field>, Refusal> {
    let mut exchanges = names(visit, "exchanges", host).await?;
    for name in &mut exchanges {
        *name = exchange_name(name).to_owned();
    }
    let hosts = frame.virtual_hosts.iter().map(|name| (name.clone(), name.clone()));
    Ok(vec![
        if frame.virtual_hosts.len() > 1 {
            Field::choice("vhost", "Virtual host", hosts, host)
        } else {
            Field::hidden("vhost", host)
        },
        Field::proposals("exchange", "Exchange", exchanges, exchange_name(&draft.exchange))
            .help("amq.default leads to the queue that the routing key names."),
        Field::text("routing_key", "Routing key", draft.message.routing_key.as_str()),
    ])
}

/// What is in it.
pub(super) fn content(draft: &Draft) -> Vec<Field> {
    let encodings = [("string", "text"), ("base64", "bytes, written as base64")];
    let is_persistent = draft.message.get("delivery_mode") == "2";
    vec![
        Field::lines("payload", "Payload", draft.payload.text.as_str()),
        Field::choice("payload_encoding", "The payload is", encodings, draft.payload.encoding()),
        Field::check("persistent", "Keep it on disk", is_persistent)
            .help("A persistent message is still there after a restart, if its queue is durable."),
        Field::text("p_content_type", "Content type", draft.message.get("content_type"))
            .help("Such as application/json or text/plain."),
        Field::choice("check", "Check that the payload is JSON", CHECKS, draft.check.as_str()),
    ]
}

pub(super) fn headers(message: &Message) -> Field {
    Field::rows(HEADERS, "Headers", message.headers.clone(), &[])
}

/// All other properties.
pub(super) fn property_fields(message: &Message) -> Vec<Field> {
    let shown_elsewhere = ["content_type", "delivery_mode"];
    let others = PROPERTIES.into_iter().filter(|it| !shown_elsewhere.contains(&it.name));
    others
        .map(|property| {
            Field::text(&property.field(), property.label, message.get(property.name))
                .help(property.help)
        })
        .collect()
}

/// How often.
pub(super) fn repeat(draft: &Draft) -> Vec<Field> {
    let times = if draft.times.is_empty() { "1" } else { draft.times.as_str() };
    vec![
        Field::number("times", "How many messages", times)
            .help(format!("Up to {}, one after the other.", limits::PUBLISH_TIMES)),
        Field::check("numbers", "Put the number of each in the place of {n}", draft.has_numbers)
            .help("In the payload, beginning with 1."),
    ]
}

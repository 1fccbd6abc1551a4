//! Sending what was filled in, and what is told of it.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;
use warren_admin::inner::Refusal;

use super::Draft;
use crate::error::Error;
use crate::format::grouped;
use crate::limits;
use crate::links::{self, exchange_name};
use crate::notices::Notice;
use crate::value::{is_true, items, plain};
use crate::visit::Visit;

/// Queues that are named at most.
const NAMED: usize = 10;

/// What became of the messages.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent {
    published: usize,
    routed: usize,
}

/// Publishes the message as often as was wanted.
///
/// # Errors
///
/// What was filled in makes no sense; the API refuses the first message, or one that comes later.
pub(super) async fn publish(visit: &Visit, draft: &Draft) -> Result<Notice, Error> {
    let times = times(&draft.times)?;
    let must_be_json = match draft.check.as_str() {
        "always" => true,
        "never" => false,
        _ => draft.message.get("content_type").to_lowercase().contains("json"),
    };
    // With numbers in it, it may be JSON only then.
    if must_be_json {
        let mut first = draft.payload.clone();
        if draft.has_numbers {
            first.text = draft.payload.numbered(1);
        }
        first.check_json()?;
    }
    draft.payload.bytes()?;
    let properties = draft.message.properties()?;
    let path = format!("/api{}", links::exchange(&draft.virtual_host, &draft.exchange));
    // By the same rules and a moment before, so that it can be told which queues get it.
    let way = json!({"routing_key": draft.message.routing_key, "properties": properties});
    let way = match visit.post(&format!("{path}/explain"), &way).await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
            let (exchange, host) = (exchange_name(&draft.exchange), &draft.virtual_host);
            let text = format!("There is no exchange {exchange} in the virtual host {host}.");
            return Err(Error::wrong(text));
        }
        way => way.unwrap_or_default(),
    };
    let sent = send(visit, draft, &path, &properties, times).await?;
    Ok(told(&sent, times, draft, &way, &properties))
}

/// How often it is to be published.
fn times(typed: &str) -> Result<usize, Error> {
    let most = limits::PUBLISH_TIMES;
    let times = match typed.trim() {
        "" => Some(1),
        typed => typed.parse().ok().filter(|times| (1..=most).contains(times)),
    };
    times.ok_or_else(|| {
        Error::wrong(format!("How many messages must be a number from 1 to {most}."))
    })
}

async fn send(
    visit: &Visit,
    draft: &Draft,
    path: &str,
    properties: &Value,
    times: usize,
) -> Result<Sent, Error> {
    let mut sent = Sent::default();
    let end = Instant::now() + limits::PUBLISH_TIME;
    let mut body = json!({
        "routing_key": draft.message.routing_key,
        "properties": properties,
        "payload": draft.payload.sent(),
        "payload_encoding": draft.payload.encoding(),
    });
    for number in 1..=times {
        if draft.has_numbers {
            body["payload"] = draft.payload.numbered(number).into();
        }
        match visit.post(&format!("{path}/publish"), &body).await {
            Ok(answer) => {
                sent.published += 1;
                sent.routed += usize::from(is_true(&answer, "routed"));
            }
            Err(refusal) => return Err(refused(refusal, &sent, times)),
        }
        if Instant::now() > end {
            break;
        }
    }
    Ok(sent)
}

/// Why it went no further, with how far it went.
fn refused(refusal: Refusal, sent: &Sent, times: usize) -> Error {
    if sent.published == 0 {
        return refusal.into();
    }
    let text = Error::from(refusal).text();
    let (published, times) = (grouped(sent.published as u64), grouped(times as u64));
    Error::wrong(format!("Only {published} of {times} messages were published: {text}"))
}

/// What is told of it: which queues got it, or that none did.
fn told(sent: &Sent, times: usize, draft: &Draft, way: &Value, properties: &Value) -> Notice {
    let what = match (sent.published, times) {
        (1, 1) => "Published.".to_owned(),
        (published, times) if published == times => {
            format!("{} messages published.", grouped(published as u64))
        }
        (published, times) => format!(
            "{} of {} messages published; then it took too long.",
            grouped(published as u64),
            grouped(times as u64)
        ),
    };
    let exchange = exchange_name(&draft.exchange);
    let explain = ("Explain why".to_owned(), draft.explain(properties));
    if sent.routed == 0 {
        let it = if sent.published == 1 { "It" } else { "They" };
        let text =
            format!("{what} {it} went nowhere: the exchange {exchange} has no queue for this.");
        return Notice::error(text).with_links(vec![explain]);
    }
    let mut links: Vec<_> = items(way, "queues")
        .iter()
        .take(NAMED)
        .map(|name| (plain(name), links::queue(&draft.virtual_host, &plain(name))))
        .collect();
    let more = items(way, "queues").len().saturating_sub(links.len());
    let mut text = match (sent.routed == sent.published, sent.published) {
        (true, 1) => format!("{what} It went to"),
        (true, _) => format!("{what} Each went to"),
        (false, _) => format!("{what} {} of them went to", grouped(sent.routed as u64)),
    };
    if links.is_empty() {
        text.push_str(" a queue.");
    }
    links.push((
        if more > 0 { format!("and {more} more") } else { "Why there?".to_owned() },
        explain.1,
    ));
    Notice::done(text).with_links(links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_messages_has_its_limits() {
        assert_eq!((times("").unwrap(), times(" 1000 ").unwrap()), (1, 1_000));
        for wrong in ["0", "-1", "1001", "many", "1.5"] {
            assert!(times(wrong).is_err(), "{wrong}");
        }
    }
}

//! Routing by the definitions, one binding after the other, without an index or a memory.

use warren_amqp::{FieldTable, FieldValue, properties, table};
use warren_engine::{BindingRecord, Destination, ExchangeRecord, ExchangeType, Message};

/// The names of the queues that a message goes to, each once, in the order of their bindings.
pub(crate) fn route(
    exchanges: &[ExchangeRecord],
    bindings: &[BindingRecord],
    message: &Message,
) -> Vec<String> {
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let headers = table::decode(headers).expect("well-formed headers");
    let mut reached = vec![message.exchange().to_owned()];
    let mut queues = vec![];
    let mut at = 0;
    while at < reached.len() {
        let source = reached[at].clone();
        let kind = exchanges.iter().find(|record| record.name == source).unwrap().kind;
        for binding in bindings.iter().filter(|binding| binding.source == source) {
            let matches = match kind {
                ExchangeType::Direct => binding.routing_key == message.routing_key(),
                ExchangeType::Fanout => true,
                ExchangeType::Topic => {
                    topic(&words(&binding.routing_key), &words(message.routing_key()))
                }
                ExchangeType::Headers => headers_match(&binding.arguments, &headers),
            };
            let (list, name) = match &binding.destination {
                Destination::Queue(name) => (&mut queues, name),
                Destination::Exchange(name) => (&mut reached, name),
            };
            if matches && !list.contains(name) {
                list.push(name.clone());
            }
        }
        at += 1;
    }
    queues
}

fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { vec![] } else { text.split('.').collect() }
}

fn topic(pattern: &[&str], words: &[&str]) -> bool {
    match (pattern, words) {
        ([], []) => true,
        (["#", rest @ ..], _) if topic(rest, words) => true,
        (["#", ..], [_, tail @ ..]) => topic(pattern, tail),
        ([first, rest @ ..], [word, tail @ ..]) => {
            (*first == "*" || first == word) && topic(rest, tail)
        }
        _ => false,
    }
}

/// Enough for the random commands, whose values all are numbers of one width.
fn headers_match(arguments: &FieldTable, headers: &FieldTable) -> bool {
    let any = arguments.inner().get("x-match").is_some_and(
        |value| matches!(value, FieldValue::LongString(text) if text.as_bytes() == b"any"),
    );
    let mut wanted = arguments.inner().iter().filter(|(name, _)| !name.as_str().starts_with("x-"));
    let found = |(name, value): (&_, &_)| headers.inner().get(name) == Some(value);
    if any { wanted.any(found) } else { wanted.all(found) }
}

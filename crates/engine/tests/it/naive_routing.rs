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
    let keys = keys(message, &headers);
    let mut reached = vec![message.exchange().to_owned()];
    let mut queues = vec![];
    let mut at = 0;
    while at < reached.len() {
        let source = reached[at].clone();
        let exchange = exchanges.iter().find(|record| record.name == source).unwrap();
        let from_here = bindings.iter().filter(|binding| binding.source == source);
        let matching = from_here.filter(|binding| {
            keys.iter().any(|key| matches(exchange.kind, binding, key, &headers))
        });
        let mut matching: Vec<_> = matching.collect();
        if exchange.kind == ExchangeType::VirtualTopic {
            matching = one_of_each_group(&matching);
        }
        let mut next: Vec<_> = matching.into_iter().map(|b| b.destination.clone()).collect();
        let alternate = exchange.arguments.inner().get("alternate-exchange");
        if let (true, Some(FieldValue::LongString(name))) = (next.is_empty(), alternate) {
            let name = String::from_utf8(name.as_bytes().to_vec()).unwrap();
            let is_there = exchanges.iter().any(|record| record.name == name);
            next.extend(is_there.then_some(Destination::Exchange(name)));
        }
        for destination in next {
            let (list, name) = match destination {
                Destination::Queue(name) => (&mut queues, name),
                Destination::Exchange(name) => (&mut reached, name),
            };
            if !list.contains(&name) {
                list.push(name);
            }
        }
        at += 1;
    }
    queues
}

/// All routing keys of a message, as it was published.
pub(crate) fn keys(message: &Message, headers: &FieldTable) -> Vec<String> {
    let mut keys = vec![message.routing_key().to_owned()];
    for name in ["CC", "BCC"] {
        let Some(FieldValue::FieldArray(array)) = headers.inner().get(name) else { continue };
        keys.extend(array.as_slice().iter().filter_map(|element| match element {
            FieldValue::LongString(key) => String::from_utf8(key.as_bytes().to_vec()).ok(),
            _ => None,
        }));
    }
    keys
}

fn matches(kind: ExchangeType, binding: &BindingRecord, key: &str, headers: &FieldTable) -> bool {
    match kind {
        ExchangeType::Direct => binding.routing_key == key,
        ExchangeType::Fanout => true,
        ExchangeType::Topic | ExchangeType::VirtualTopic => {
            topic(&words(&binding.routing_key), &words(key))
        }
        ExchangeType::Headers => headers_match(&binding.arguments, headers),
        other => panic!("{other:?} has tests of its own"),
    }
}

/// Of the bindings of each group the one with the most words that are no wildcard; with as many,
/// the one without `#`, and then the one to the first name.
fn one_of_each_group<'a>(bindings: &[&'a BindingRecord]) -> Vec<&'a BindingRecord> {
    let group = |binding: &BindingRecord| {
        let named = binding.arguments.inner().get("x-group").map(|group| format!("{group:?}"));
        named.unwrap_or_else(|| format!("own {:?}", binding.destination))
    };
    let rank = |binding: &BindingRecord| {
        let words = words(&binding.routing_key);
        let count = |wanted: &str| words.iter().filter(|word| **word == wanted).count();
        let wild = count("*") + count("#");
        let exact = words.len() - wild;
        (usize::MAX - exact, count("#"), count("*"), binding.destination.clone())
    };
    let mut best: Vec<&BindingRecord> = vec![];
    for binding in bindings {
        match best.iter_mut().find(|other| group(other) == group(binding)) {
            None => best.push(binding),
            Some(other) if rank(binding) < rank(other) => *other = binding,
            Some(_) => {}
        }
    }
    best
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

//! The management HTTP API, as clients use it. What it answers to single requests is held against
//! RabbitMQ's answers by the programs in `tests/management`; here is what takes more than one request.

mod attention;
mod audit;
mod definitions;
mod events;
mod lists;
mod messages;
mod objects;
mod policies;
mod requests;
mod users;

use serde_json::{Value, json};
use warren_tests::Broker;
use warren_tests::http::Api;

/// A broker and its API.
fn start() -> (Broker, Api) {
    let broker = Broker::own();
    let api = Api::of(&broker);
    (broker, api)
}

/// The names in a list.
fn names(list: &Value) -> Vec<String> {
    let names = list.as_array().unwrap().iter();
    names.map(|object| object["name"].as_str().unwrap().to_owned()).collect()
}

/// What publishes text to a queue.
fn message(queue: &str, text: &str) -> Value {
    json!({
        "properties": {},
        "routing_key": queue,
        "payload": text,
        "payload_encoding": "string",
    })
}

/// What fetches messages and takes them.
fn fetch(count: usize) -> Value {
    json!({"count": count, "ackmode": "ack_requeue_false", "encoding": "auto"})
}

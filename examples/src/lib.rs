//! What all the tutorials need: a connection to the broker, and reading the command line.

use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use std::env;

/// What a tutorial's `main` returns: any error ends the program with its text.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Connects to the broker at `AMQP_URL`, or to one on this machine.
///
/// # Errors
/// When there is no broker, or it does not let us in.
pub async fn connect() -> Result<Connection> {
    let url = env::var("AMQP_URL").unwrap_or("amqp://guest:guest@127.0.0.1:5672/%2f".to_owned());
    Ok(Connection::connect(&url, ConnectionProperties::default()).await?)
}

/// Arguments of a declaration.
pub fn table<V: Into<AMQPValue>, const N: usize>(entries: [(&str, V); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value.into());
    }
    table
}

/// How many messages a receiver takes before it ends: its first argument, or no limit.
///
/// # Errors
/// When the argument is not a number.
pub fn messages_wanted() -> Result<usize> {
    match env::args().nth(1) {
        Some(count) => Ok(count.parse()?),
        None => Ok(usize::MAX),
    }
}

/// The arguments from `first` on as one text, or `otherwise` when there are none.
pub fn words_from(first: usize, otherwise: &str) -> String {
    let words: Vec<String> = env::args().skip(first).collect();
    if words.is_empty() { otherwise.to_owned() } else { words.join(" ") }
}

//! Tutorial 5, "Topics": sends a line with a key of several words, as `kernel.critical`.
//!
//! `emit_log_topic KEY WORD...`

use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, ExchangeKind};
use std::env;
use warren_examples::{Result, connect, words_from};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let key = env::args().nth(1).unwrap_or("anonymous.info".to_owned());
    let line = words_from(2, "Hello World!");
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    let kind = ExchangeKind::Topic;
    channel.exchange_declare("topic_logs".into(), kind, options, FieldTable::default()).await?;

    channel
        .basic_publish(
            "topic_logs".into(),
            key.as_str().into(),
            BasicPublishOptions::default(),
            line.as_bytes(),
            BasicProperties::default(),
        )
        .await?;
    println!("sent {key}: {line}");
    connection.close(200, "done".into()).await?;
    Ok(())
}

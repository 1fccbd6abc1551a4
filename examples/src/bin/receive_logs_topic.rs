//! Tutorial 5, "Topics": prints the lines whose keys match its patterns.
//!
//! `receive_logs_topic COUNT PATTERN...` ends after COUNT lines.

use futures_lite::StreamExt;
use lapin::ExchangeKind;
use lapin::options::{
    BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use std::env;
use warren_examples::{Result, connect, messages_wanted};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    let kind = ExchangeKind::Topic;
    channel.exchange_declare("topic_logs".into(), kind, options, FieldTable::default()).await?;

    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), exclusive, FieldTable::default()).await?;
    let name = queue.name().clone();
    // In a pattern `*` stands for one word and `#` for any number of them.
    for pattern in env::args().skip(2) {
        let (exchange, key) = ("topic_logs".into(), pattern.as_str().into());
        let options = QueueBindOptions::default();
        channel.queue_bind(name.clone(), exchange, key, options, FieldTable::default()).await?;
    }

    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let consumer = channel.basic_consume(name, "".into(), options, FieldTable::default()).await?;
    println!("waiting for messages");
    let mut lines = consumer.take(messages_wanted()?);
    while let Some(line) = lines.next().await {
        let line = line?;
        println!("received {}: {}", line.routing_key, String::from_utf8_lossy(&line.data));
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

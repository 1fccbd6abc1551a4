//! Tutorial 4, "Routing": prints the lines of the severities that it was asked for.
//!
//! `receive_logs_direct COUNT SEVERITY...` ends after COUNT lines.

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
    let kind = ExchangeKind::Direct;
    channel.exchange_declare("direct_logs".into(), kind, options, FieldTable::default()).await?;

    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), exclusive, FieldTable::default()).await?;
    let name = queue.name().clone();
    // One binding for each severity; a message that fits none of them is dropped.
    for severity in env::args().skip(2) {
        let (exchange, key) = ("direct_logs".into(), severity.as_str().into());
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

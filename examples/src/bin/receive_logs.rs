//! Tutorial 3, "Publish/subscribe": prints every line that is sent while it runs.
//!
//! `receive_logs [COUNT]` ends after COUNT lines.

use futures_lite::StreamExt;
use lapin::ExchangeKind;
use lapin::options::{
    BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use warren_examples::{Result, connect, messages_wanted};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare("logs".into(), ExchangeKind::Fanout, options, FieldTable::default())
        .await?;

    // A queue of our own: the broker names it, and it goes with our connection.
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), exclusive, FieldTable::default()).await?;
    let name = queue.name().clone();
    let options = QueueBindOptions::default();
    channel
        .queue_bind(name.clone(), "logs".into(), "".into(), options, FieldTable::default())
        .await?;

    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let consumer = channel.basic_consume(name, "".into(), options, FieldTable::default()).await?;
    println!("waiting for messages");
    let mut lines = consumer.take(messages_wanted()?);
    while let Some(line) = lines.next().await {
        println!("received {}", String::from_utf8_lossy(&line?.data));
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

//! Tutorial 1, "Hello World": prints what comes into the queue `hello`.
//!
//! `receive [COUNT]` ends after COUNT messages.

use futures_lite::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use warren_examples::{Result, connect, messages_wanted};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions::default();
    channel.queue_declare("hello".into(), options, FieldTable::default()).await?;

    // Without acknowledgements: a message is gone as soon as it was sent to us.
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let consumer = channel
        .basic_consume("hello".into(), "receiver".into(), options, FieldTable::default())
        .await?;
    println!("waiting for messages");
    let mut messages = consumer.take(messages_wanted()?);
    while let Some(message) = messages.next().await {
        println!("received {}", String::from_utf8_lossy(&message?.data));
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

//! Tutorial 6, "Remote procedure call": asks the server for a Fibonacci number.
//!
//! `rpc_client [NUMBER]`

use futures_lite::StreamExt;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use warren_examples::{Result, connect, words_from};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let number = words_from(1, "30");
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    // Answers come into a queue of our own.
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), exclusive, FieldTable::default()).await?;
    let reply_to = queue.name().clone();
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let arguments = FieldTable::default();
    let mut answers =
        channel.basic_consume(reply_to.clone(), "".into(), options, arguments).await?;

    let id = format!("request-{}", std::process::id());
    let properties =
        BasicProperties::default().with_reply_to(reply_to).with_correlation_id(id.as_str().into());
    let options = BasicPublishOptions::default();
    channel
        .basic_publish("".into(), "rpc_queue".into(), options, number.as_bytes(), properties)
        .await?;
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        // An answer to somebody's earlier request is not ours.
        let found = answer.properties.correlation_id().as_ref().map(|id| id.as_str());
        if found == Some(id.as_str()) {
            println!("fib({number}) = {}", String::from_utf8_lossy(&answer.data));
            break;
        }
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

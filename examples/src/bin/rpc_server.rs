//! Tutorial 6, "Remote procedure call": answers requests for Fibonacci numbers.
//!
//! `rpc_server [COUNT]` ends after COUNT requests.

use futures_lite::StreamExt;
use lapin::BasicProperties;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use warren_examples::{Result, connect, messages_wanted};

fn fib(number: u64) -> u64 {
    if number < 2 { number } else { fib(number - 1) + fib(number - 2) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions::default();
    channel.queue_declare("rpc_queue".into(), options, FieldTable::default()).await?;
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let consumer = channel
        .basic_consume("rpc_queue".into(), "".into(), options, FieldTable::default())
        .await?;
    println!("waiting for messages");
    let mut requests = consumer.take(messages_wanted()?);
    while let Some(request) = requests.next().await {
        let request = request?;
        let number: u64 = String::from_utf8_lossy(&request.data).parse()?;
        println!("received {number}");
        // The request says where its answer goes and how the client knows it again.
        let properties = &request.properties;
        if let Some(reply_to) = properties.reply_to() {
            let id = properties.correlation_id().clone().unwrap_or_default();
            let answer = fib(number).to_string();
            let options = BasicPublishOptions::default();
            let properties = BasicProperties::default().with_correlation_id(id);
            channel
                .basic_publish("".into(), reply_to.clone(), options, answer.as_bytes(), properties)
                .await?;
        }
        request.ack(BasicAckOptions::default()).await?;
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

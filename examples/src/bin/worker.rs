//! Tutorial 2, "Work queues": takes tasks one by one and acknowledges each when it is done.
//!
//! `worker [COUNT]` ends after COUNT tasks. Start several of them to share the work.

use futures_lite::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use std::time::Duration;
use warren_examples::{Result, connect, messages_wanted};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions::durable();
    channel.queue_declare("task_queue".into(), durable, FieldTable::default()).await?;
    // One task at a time: a busy worker leaves the others to somebody else.
    channel.basic_qos(1, BasicQosOptions::default()).await?;

    let options = BasicConsumeOptions::default();
    let consumer = channel
        .basic_consume("task_queue".into(), "".into(), options, FieldTable::default())
        .await?;
    println!("waiting for messages");
    let mut tasks = consumer.take(messages_wanted()?);
    while let Some(task) = tasks.next().await {
        let task = task?;
        let text = String::from_utf8_lossy(&task.data);
        let seconds = text.matches('.').count() as u64;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        println!("received {text}");
        // A worker that ends before this line leaves its task to the next one.
        task.ack(BasicAckOptions::default()).await?;
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

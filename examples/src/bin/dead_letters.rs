//! A queue whose failed tasks end up in another queue, where somebody can look at them.

use futures_lite::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicGetOptions, BasicPublishOptions};
use lapin::options::{BasicRejectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use warren_examples::{Result, connect};

async fn declare(channel: &Channel, name: &str, arguments: &[(&str, &str)]) -> Result<()> {
    let mut table = FieldTable::default();
    for (key, value) in arguments {
        table.insert((*key).into(), AMQPValue::LongString((*value).into()));
    }
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), table).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    // With the default exchange the routing key is the name of a queue.
    let letters = [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "failed")];
    declare(&channel, "failed", &[]).await?;
    declare(&channel, "tasks", &letters).await?;
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), "tasks".into(), options, b"impossible", persistent).await?;

    let options = BasicConsumeOptions::default();
    let mut tasks =
        channel.basic_consume("tasks".into(), "".into(), options, FieldTable::default()).await?;
    if let Some(task) = tasks.next().await {
        task?.reject(BasicRejectOptions { requeue: false }).await?;
    }
    let failed = loop {
        if let Some(failed) = channel.basic_get("failed".into(), BasicGetOptions::default()).await?
        {
            break failed;
        }
    };
    let headers = failed.properties.headers().clone().unwrap_or_default();
    println!("received {}", String::from_utf8_lossy(&failed.data));
    for header in ["x-first-death-queue", "x-first-death-reason"] {
        if let Some(AMQPValue::LongString(text)) = headers.inner().get(header) {
            println!("received with {header} {text}");
        }
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

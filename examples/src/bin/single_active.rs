//! Two consumers wait at a queue, one of them is served; when it goes, the other takes over.

use futures_lite::StreamExt;
use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer};
use warren_examples::{Result, connect, table};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions::durable();
    let arguments = table([("x-single-active-consumer", true)]);
    channel.queue_declare("payments".into(), durable, arguments).await?;

    let mut first = consume(&channel, "first").await?;
    let mut second = consume(&channel, "second").await?;
    publish(&channel, "one").await?;
    publish(&channel, "two").await?;
    receive("first", &mut first).await?;
    receive("first", &mut first).await?;
    channel.basic_cancel("first".into(), BasicCancelOptions::default()).await?;
    publish(&channel, "three").await?;
    receive("second", &mut second).await?;
    connection.close(200, "done".into()).await?;
    Ok(())
}

async fn consume(channel: &Channel, tag: &str) -> Result<Consumer> {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let arguments = FieldTable::default();
    Ok(channel.basic_consume("payments".into(), tag.into(), options, arguments).await?)
}

async fn publish(channel: &Channel, text: &str) -> Result<()> {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let message = text.as_bytes();
    channel.basic_publish("".into(), "payments".into(), options, message, properties).await?;
    Ok(())
}

async fn receive(name: &str, consumer: &mut Consumer) -> Result<()> {
    if let Some(delivery) = consumer.next().await {
        println!("{name} received {}", String::from_utf8_lossy(&delivery?.data));
    }
    Ok(())
}

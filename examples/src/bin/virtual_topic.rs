//! A virtual topic: two groups of consumers, which each get every order and share it inside.
//!
//! Consumers subscribe by the name of the queue they consume from, and nothing is declared.

use futures_lite::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer};
use warren_examples::{Result, connect};

async fn consume(channel: &Channel, queue: &str) -> Result<Consumer> {
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

async fn print(who: &str, orders: Consumer, count: usize) -> Result<()> {
    let mut orders = orders.take(count);
    while let Some(order) = orders.next().await {
        println!("{who} received {}", String::from_utf8_lossy(&order?.data));
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    // Two consumers of one group, and one of another. `#` is all that follows.
    let first = consume(&channel, "Consumer.billing.orders.#").await?;
    let second = consume(&channel, "Consumer.billing.orders.#").await?;
    let audit = consume(&channel, "Consumer.audit.orders.#").await?;

    for order in ["eu.1", "us.2", "eu.3", "us.4"] {
        let topic = format!("orders.{order}");
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        channel
            .basic_publish(
                "amq.virtual-topic".into(),
                topic.into(),
                options,
                order.as_bytes(),
                properties,
            )
            .await?;
    }

    print("billing 1", first, 2).await?;
    print("billing 2", second, 2).await?;
    print("audit", audit, 4).await?;
    connection.close(200, "done".into()).await?;
    Ok(())
}

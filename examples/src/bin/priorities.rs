//! Publishes three orders with different priorities, then takes them: the most urgent comes first.

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use warren_examples::{Result, connect, table};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions::durable();
    let arguments = table([("x-max-priority", 10)]);
    channel.queue_declare("orders".into(), durable, arguments).await?;

    for (order, priority) in [("a postcard", 0), ("a fire extinguisher", 10), ("a parcel", 5)] {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default().with_priority(priority);
        channel
            .basic_publish("".into(), "orders".into(), options, order.as_bytes(), properties)
            .await?;
    }
    // On one channel these answers come after the messages before them.
    while let Some(order) =
        channel.basic_get("orders".into(), BasicGetOptions { no_ack: true }).await?
    {
        println!("received {}", String::from_utf8_lossy(&order.data));
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

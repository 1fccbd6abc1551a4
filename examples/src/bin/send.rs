//! Tutorial 1, "Hello World": puts one message into the queue `hello`.

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use warren_examples::{Result, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    // Sender and receiver both declare the queue, so that either may be started first.
    let options = QueueDeclareOptions::default();
    channel.queue_declare("hello".into(), options, FieldTable::default()).await?;

    // The default exchange, whose name is empty, delivers to the queue that the key names.
    channel
        .basic_publish(
            "".into(),
            "hello".into(),
            BasicPublishOptions::default(),
            b"Hello World!",
            BasicProperties::default(),
        )
        .await?;
    println!("sent Hello World!");
    // Closing waits until the broker has read everything.
    connection.close(200, "done".into()).await?;
    Ok(())
}

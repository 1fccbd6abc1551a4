//! Tutorial 3, "Publish/subscribe": sends a line to everybody who listens at the moment.
//!
//! `emit_log WORD...`

use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, ExchangeKind};
use warren_examples::{Result, connect, words_from};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let line = words_from(1, "Hello World!");
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare("logs".into(), ExchangeKind::Fanout, options, FieldTable::default())
        .await?;

    // A fanout exchange copies to every bound queue; the routing key says nothing to it.
    channel
        .basic_publish(
            "logs".into(),
            "".into(),
            BasicPublishOptions::default(),
            line.as_bytes(),
            BasicProperties::default(),
        )
        .await?;
    println!("sent {line}");
    connection.close(200, "done".into()).await?;
    Ok(())
}

//! Tutorial 4, "Routing": sends a line with its severity as the routing key.
//!
//! `emit_log_direct SEVERITY WORD...`

use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, ExchangeKind};
use std::env;
use warren_examples::{Result, connect, words_from};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let severity = env::args().nth(1).unwrap_or("info".to_owned());
    let line = words_from(2, "Hello World!");
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    let kind = ExchangeKind::Direct;
    channel.exchange_declare("direct_logs".into(), kind, options, FieldTable::default()).await?;

    channel
        .basic_publish(
            "direct_logs".into(),
            severity.as_str().into(),
            BasicPublishOptions::default(),
            line.as_bytes(),
            BasicProperties::default(),
        )
        .await?;
    println!("sent {severity}: {line}");
    connection.close(200, "done".into()).await?;
    Ok(())
}

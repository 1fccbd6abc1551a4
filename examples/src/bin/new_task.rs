//! Tutorial 2, "Work queues": puts a task into a queue that survives a restart.
//!
//! `new_task WORD...`; each dot in the text stands for a second of work.

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use warren_examples::{Result, connect, words_from};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let task = words_from(1, "Hello World...");
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let durable = QueueDeclareOptions::durable();
    channel.queue_declare("task_queue".into(), durable, FieldTable::default()).await?;

    // Delivery mode 2 makes the message persistent.
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let confirm = channel
        .basic_publish(
            "".into(),
            "task_queue".into(),
            BasicPublishOptions::default(),
            task.as_bytes(),
            persistent,
        )
        .await?;
    // The broker confirms when the task is on disk.
    confirm.await?;
    println!("sent {task}");
    connection.close(200, "done".into()).await?;
    Ok(())
}

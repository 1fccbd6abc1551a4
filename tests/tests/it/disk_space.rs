//! Disk space comes back, whatever stays in the queues.

use std::fs;

use lapin::options::QueuePurgeOptions;
use warren_tests::broker::Broker;
use warren_tests::client;

/// The files of the message log that hold records.
fn segments(broker: &Broker) -> usize {
    let names = fs::read_dir(broker.data_dir().join("log")).unwrap();
    names.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "seg").count()
}

#[test]
fn old_messages_do_not_keep_their_log_files() {
    let broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        client::durable_queue(&channel, "old").await;
        client::durable_queue(&channel, "new").await;
        let body = vec![b'-'; 100_000];
        for text in client::numbered(0..12) {
            client::publish_persistent(&channel, "old", text.as_bytes()).await;
            for _ in 0..12 {
                client::publish_persistent(&channel, "new", &body).await;
            }
        }
        assert!(segments(&broker) > 10);
        channel.queue_purge("new".into(), QueuePurgeOptions::default()).await.unwrap();
        client::soon("the files of the log go", async {
            while segments(&broker) > 3 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        assert_eq!(client::drain(&channel, "old").await, client::numbered(0..12));
    });
}

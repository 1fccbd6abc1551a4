//! Exchanges and queues: declaring, finding, refusing, deleting, and going away by themselves.

use lapin::options::{
    BasicCancelOptions, ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Error, ExchangeKind};
use warren_tests::client::{self, refusal};
use warren_tests::{Broker, GLANCE, PATIENCE};

const LOCKED: &str = "It could be originally declared on another connection or the exclusive \
                      property value does not match that of the original declaration.";

async fn exchange(
    channel: &Channel,
    name: &str,
    kind: ExchangeKind,
    options: ExchangeDeclareOptions,
) -> Result<(), Error> {
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await
}

async fn find_exchange(channel: &Channel, name: &str) -> Result<(), Error> {
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    exchange(channel, name, ExchangeKind::Direct, passive).await
}

async fn find_queue(channel: &Channel, name: &str) -> Result<lapin::Queue, Error> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), passive, FieldTable::default()).await
}

/// Waits until a queue is gone. Each failed look costs a channel.
async fn wait_until_gone(connection: &lapin::Connection, queue: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let channel = connection.create_channel().await.unwrap();
        if find_queue(&channel, queue).await.is_err() {
            return;
        }
        channel.close(200, "seen".into()).await.unwrap();
        assert!(std::time::Instant::now() < deadline, "{queue} still exists");
        tokio::time::sleep(GLANCE).await;
    }
}

#[test]
fn exchanges_of_every_kind_are_declared_again_and_found_passively() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let kinds = [
            ExchangeKind::Direct,
            ExchangeKind::Fanout,
            ExchangeKind::Topic,
            ExchangeKind::Headers,
        ];
        for kind in kinds {
            for durable in [false, true] {
                let name = broker.name("kinds");
                let options = ExchangeDeclareOptions { durable, ..Default::default() };
                exchange(&channel, &name, kind.clone(), options).await.unwrap();
                exchange(&channel, &name, kind.clone(), options).await.unwrap();
                find_exchange(&channel, &name).await.unwrap();
                channel.exchange_delete(name.into(), Default::default()).await.unwrap();
            }
        }
    });
}

#[test]
fn predeclared_exchanges_are_there_and_cannot_be_deleted() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        for name in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"] {
            find_exchange(&channel, name).await.unwrap();
            let other = connection.create_channel().await.unwrap();
            let deleted = other.exchange_delete(name.into(), Default::default()).await;
            let text = format!(
                "ACCESS_REFUSED - deletion of system exchange '{name}' in vhost '/' not allowed"
            );
            assert_eq!(refusal(deleted), (403, text));
        }
    });
}

#[test]
fn what_does_not_exist_is_not_found_passively() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let found = find_queue(&channel, "nope").await;
        assert_eq!(refusal(found), (404, "NOT_FOUND - no queue 'nope' in vhost '/'".into()));
        let channel = connection.create_channel().await.unwrap();
        let found = find_exchange(&channel, "nope").await;
        assert_eq!(refusal(found), (404, "NOT_FOUND - no exchange 'nope' in vhost '/'".into()));
    });
}

#[test]
fn a_queue_is_not_declared_again_with_other_properties() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let name = client::durable_queue(&channel, &broker.name("other")).await;
        let durable = QueueDeclareOptions::durable();
        let cases = [
            (QueueDeclareOptions::default(), "durable", "false", "true"),
            (QueueDeclareOptions { auto_delete: true, ..durable }, "auto_delete", "true", "false"),
        ];
        for (options, property, received, current) in cases {
            let channel = connection.create_channel().await.unwrap();
            let declared =
                channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await;
            let text = format!(
                "PRECONDITION_FAILED - inequivalent arg '{property}' for queue '{name}' in vhost \
                 '/': received '{received}' but current is '{current}'"
            );
            assert_eq!(refusal(declared), (406, text));
        }
        // The refusals changed nothing.
        client::durable_queue(&channel, &name).await;
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    });
}

#[test]
fn an_exchange_is_not_declared_again_as_another_type() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let name = broker.name("other");
        let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
        exchange(&channel, &name, ExchangeKind::Direct, options).await.unwrap();
        let declared = exchange(&channel, &name, ExchangeKind::Fanout, options).await;
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{name}' in vhost '/': \
             received 'fanout' but current is 'direct'"
        );
        assert_eq!(refusal(declared), (406, text));
    });
}

#[test]
fn an_unknown_exchange_type_closes_the_channel_alone() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let kind = ExchangeKind::Custom("zz".into());
        let declared = exchange(&channel, "any", kind, Default::default()).await;
        let text = "PRECONDITION_FAILED - unknown exchange type 'zz'";
        assert_eq!(refusal(declared), (406, text.into()));
        let channel = connection.create_channel().await.expect("the connection goes on");
        find_exchange(&channel, "amq.direct").await.unwrap();
    });
}

#[test]
fn names_that_begin_with_amq_are_reserved() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let declared = channel
            .queue_declare("amq.mine".into(), Default::default(), FieldTable::default())
            .await;
        let text = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'";
        assert_eq!(refusal(declared), (403, text.into()));
        let channel = connection.create_channel().await.unwrap();
        let kind = ExchangeKind::Direct;
        let declared = exchange(&channel, "amq.mine", kind, Default::default()).await;
        let text = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'";
        assert_eq!(refusal(declared), (403, text.into()));
    });
}

#[test]
fn the_server_names_a_queue_and_an_empty_name_then_means_that_queue() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let first = client::declare(&channel, "", exclusive).await;
        let second = client::declare(&channel, "", exclusive).await;
        assert!(first.starts_with("amq.gen-"), "{first}");
        assert!(second.starts_with("amq.gen-"), "{second}");
        assert_ne!(first, second);

        let key = broker.name("key");
        client::bind(&channel, "", "amq.direct", &key).await;
        // With both names empty the routing key becomes the queue's name, too.
        client::bind(&channel, "", "amq.direct", "").await;
        client::publish(&channel, "amq.direct", &key, b"by the key").await;
        client::publish(&channel, "amq.direct", &second, b"by its name").await;
        client::wait_until_ready(&channel, &second, 2).await;
        assert_eq!(client::ready(&channel, &first).await, 0);
    });
}

#[test]
fn declare_tells_how_many_messages_and_consumers_there_are() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let name = client::queue(&channel, &broker.name("counts")).await;
        client::fill(&channel, &name, 3).await;
        client::prefetch(&channel, 1, false).await;
        let mut consumer = client::consume(&channel, &name).await;
        client::next(&mut consumer).await;
        let found = find_queue(&channel, &name).await.unwrap();
        assert_eq!((found.message_count(), found.consumer_count()), (2, 1));
    });
}

#[test]
fn delete_if_unused_or_if_empty_refuses_otherwise() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let name = client::queue(&channel, &broker.name("kept")).await;
        client::fill(&channel, &name, 2).await;
        let consumer = client::consume(&channel, &name).await;

        let other = connection.create_channel().await.unwrap();
        let if_unused = QueueDeleteOptions { if_unused: true, ..Default::default() };
        let deleted = other.queue_delete(name.as_str().into(), if_unused).await;
        let text = format!("PRECONDITION_FAILED - queue '{name}' in vhost '/' in use");
        assert_eq!(refusal(deleted), (406, text));

        channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
        channel.basic_recover(lapin::options::BasicRecoverOptions { requeue: true }).await.unwrap();
        client::wait_until_ready(&channel, &name, 2).await;
        let other = connection.create_channel().await.unwrap();
        let if_empty = QueueDeleteOptions { if_empty: true, ..Default::default() };
        let deleted = other.queue_delete(name.as_str().into(), if_empty).await;
        let text = format!("PRECONDITION_FAILED - queue '{name}' in vhost '/' not empty");
        assert_eq!(refusal(deleted), (406, text));

        assert_eq!(channel.queue_delete(name.as_str().into(), if_unused).await.unwrap(), 2);
        assert_eq!(refusal(find_queue(&channel, &name).await).0, 404);
    });
}

#[test]
fn an_exchange_with_bindings_is_in_use() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let name = broker.name("used");
        exchange(&channel, &name, ExchangeKind::Direct, Default::default()).await.unwrap();
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::bind(&channel, &queue, &name, "k").await;
        let if_unused = ExchangeDeleteOptions { if_unused: true, nowait: false };
        let other = connection.create_channel().await.unwrap();
        let deleted = other.exchange_delete(name.as_str().into(), if_unused).await;
        let text = format!("PRECONDITION_FAILED - exchange '{name}' in vhost '/' in use");
        assert_eq!(refusal(deleted), (406, text));
        channel.queue_delete(queue.into(), Default::default()).await.unwrap();
        channel.exchange_delete(name.as_str().into(), if_unused).await.unwrap();
        assert_eq!(refusal(find_exchange(&channel, &name).await).0, 404);
    });
}

#[test]
fn deleting_what_does_not_exist_is_fine() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        assert_eq!(channel.queue_delete("nope".into(), Default::default()).await.unwrap(), 0);
        channel.exchange_delete("nope".into(), Default::default()).await.unwrap();
        channel
            .queue_unbind("nope".into(), "nope".into(), "k".into(), FieldTable::default())
            .await
            .unwrap();
    });
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer_and_not_before_its_first() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let options = QueueDeclareOptions { auto_delete: true, ..Default::default() };
        let name = client::declare(&channel, &broker.name("auto"), options).await;
        let first = client::consume(&channel, &name).await;
        let second = client::consume(&channel, &name).await;
        channel.basic_cancel(first.tag(), BasicCancelOptions::default()).await.unwrap();
        find_queue(&channel, &name).await.expect("one consumer is left");
        channel.basic_cancel(second.tag(), BasicCancelOptions::default()).await.unwrap();
        wait_until_gone(&connection, &name).await;
    });
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let name = broker.name("auto");
        let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
        exchange(&channel, &name, ExchangeKind::Fanout, options).await.unwrap();
        find_exchange(&channel, &name).await.expect("it stays before its first binding");
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::bind(&channel, &queue, &name, "").await;
        channel
            .queue_unbind(
                queue.as_str().into(),
                name.as_str().into(),
                "".into(),
                Default::default(),
            )
            .await
            .unwrap();
        assert_eq!(refusal(find_exchange(&channel, &name).await).0, 404);
    });
}

#[test]
fn an_exclusive_queue_is_locked_for_others_and_goes_with_its_connection() {
    let broker = Broker::start();
    client::run(async {
        let (owner, channel) = client::open(&broker).await;
        let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let name = client::declare(&channel, &broker.name("own"), exclusive).await;
        let (guest, _other) = client::open(&broker).await;
        let locked = format!(
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost \
             '/'. {LOCKED}"
        );
        let other = || async { guest.create_channel().await.unwrap() };
        let declared = other()
            .await
            .queue_declare(name.as_str().into(), exclusive, FieldTable::default())
            .await;
        assert_eq!(refusal(declared), (405, locked.clone()));
        assert_eq!(refusal(find_queue(&other().await, &name).await), (405, locked.clone()));
        let deleted = other().await.queue_delete(name.as_str().into(), Default::default()).await;
        assert_eq!(refusal(deleted), (405, locked.clone()));
        let got = other().await.basic_get(name.as_str().into(), Default::default()).await;
        assert_eq!(refusal(got), (405, locked.clone()));
        let bound = other()
            .await
            .queue_bind(
                name.as_str().into(),
                "amq.direct".into(),
                "k".into(),
                Default::default(),
                Default::default(),
            )
            .await;
        assert_eq!(refusal(bound), (405, locked));

        // Publishing to it is open to everybody.
        client::publish(&other().await, "", &name, b"hi").await;
        client::wait_until_ready(&channel, &name, 1).await;
        owner.close(200, "bye".into()).await.unwrap();
        wait_until_gone(&guest, &name).await;
    });
}

#[test]
fn purge_takes_ready_messages_and_leaves_unacknowledged_ones() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let name = client::queue(&channel, &broker.name("purged")).await;
        client::fill(&channel, &name, 4).await;
        let held = client::get(&channel, &name).await.unwrap();
        let purge = QueuePurgeOptions::default();
        assert_eq!(channel.queue_purge(name.as_str().into(), purge).await.unwrap(), 3);
        assert_eq!(channel.queue_purge(name.as_str().into(), purge).await.unwrap(), 0);
        held.nack(lapin::options::BasicNackOptions { multiple: false, requeue: true })
            .await
            .unwrap();
        client::wait_until_ready(&channel, &name, 1).await;
        assert_eq!(client::drain(&channel, &name).await, ["m0"]);

        let channel = connection.create_channel().await.unwrap();
        let purged = channel.queue_purge("nope".into(), purge).await;
        assert_eq!(refusal(purged), (404, "NOT_FOUND - no queue 'nope' in vhost '/'".into()));
    });
}

#[test]
fn line_ends_are_taken_off_names_that_are_declared_bound_or_deleted() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let (queue, source, end) = (broker.name("q"), broker.name("x"), broker.name("y"));
        let with_ends = |name: &str| format!("\r\n{name}\n");
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        assert_eq!(client::declare(&channel, &with_ends(&queue), options).await, queue);
        let options = ExchangeDeclareOptions::default();
        for name in [&source, &end] {
            exchange(&channel, &with_ends(name), ExchangeKind::Fanout, options).await.unwrap();
            find_exchange(&channel, name).await.unwrap();
            find_exchange(&channel, &with_ends(name)).await.unwrap();
        }
        let (from, to) = (with_ends(&source), with_ends(&end));
        let (table, bind) = (FieldTable::default(), ExchangeBindOptions::default());
        channel.exchange_bind(to.into(), from.into(), "".into(), bind, table).await.unwrap();
        client::bind(&channel, &with_ends(&queue), &with_ends(&end), "").await;
        client::publish(&channel, &source, "", b"there").await;
        client::wait_until_ready(&channel, &queue, 1).await;
        // What only uses a queue takes its name as it is.
        let purged = channel.queue_purge(with_ends(&queue).into(), QueuePurgeOptions::default());
        assert_eq!(refusal(purged.await).0, 404);
        let channel = connection.create_channel().await.unwrap();
        let delete = QueueDeleteOptions::default();
        let count = channel.queue_delete(with_ends(&queue).into(), delete).await.unwrap();
        assert_eq!(count, 1);
        let delete = ExchangeDeleteOptions::default();
        channel.exchange_delete(with_ends(&source).into(), delete).await.unwrap();
        assert_eq!(refusal(find_exchange(&channel, &source).await).0, 404);
    });
}

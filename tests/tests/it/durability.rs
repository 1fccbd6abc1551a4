//! What survives a restart and what does not, after an orderly stop and after SIGKILL.

use lapin::options::{
    BasicAckOptions, BasicNackOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, ExchangeKind};
use warren_tests::client::{self, refusal};
use warren_tests::wire::Wire;
use warren_tests::{Broker, PATIENCE};

/// The two ways in which a broker goes away. Whatever was confirmed survives both.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Terminate,
    Kill,
}

const BOTH: [Stop; 2] = [Stop::Terminate, Stop::Kill];

fn restart(broker: &mut Broker, how: Stop) {
    match how {
        Stop::Terminate => assert_eq!(broker.terminate(), Some(0)),
        Stop::Kill => broker.kill(),
    }
    broker.restart();
}

async fn exchange(channel: &Channel, name: &str, durable: bool) {
    let options = ExchangeDeclareOptions { durable, ..Default::default() };
    let kind = ExchangeKind::Topic;
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await.unwrap();
}

async fn confirmed(channel: &Channel, queue: &str, body: &str) {
    let confirm = client::publish_persistent(channel, queue, body.as_bytes()).await;
    assert_eq!(confirm, Confirmation::Ack(None));
}

async fn exists(broker: &Broker, queue: &str) -> bool {
    let (_connection, channel) = client::open(broker).await;
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(client::reply_of(&error).0, 404);
            false
        }
    }
}

#[test]
fn durable_topology_and_persistent_messages_survive() {
    for how in BOTH {
        let mut broker = Broker::own();
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            exchange(&channel, "events", true).await;
            exchange(&channel, "copies", true).await;
            let queue = client::durable_queue(&channel, "kept").await;
            client::bind(&channel, &queue, "copies", "a.*").await;
            channel
                .exchange_bind(
                    "copies".into(),
                    "events".into(),
                    "#".into(),
                    Default::default(),
                    FieldTable::default(),
                )
                .await
                .unwrap();
            for body in client::numbered(0..200) {
                confirmed(&channel, &queue, &body).await;
            }
        });
        restart(&mut broker, how);
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            // The routes are still there, and the queue goes on behind its old messages.
            let properties = client::persistent();
            client::publish_with(&channel, "events", "a.b", b"new", properties).await;
            let mut expected = client::numbered(0..200);
            expected.push("new".into());
            assert_eq!(client::drain(&channel, "kept").await, expected, "{how:?}");
        });
    }
}

#[test]
fn what_is_transient_does_not_survive() {
    for how in BOTH {
        let mut broker = Broker::own();
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            exchange(&channel, "passing", false).await;
            client::queue(&channel, "passing").await;
            let exclusive =
                QueueDeclareOptions { exclusive: true, durable: true, ..Default::default() };
            client::declare(&channel, "mine", exclusive).await;
            let queue = client::durable_queue(&channel, "kept").await;
            client::bind(&channel, &queue, "passing", "k").await;
            // A transient message in a durable queue stays in memory; the other one is kept.
            client::publish(&channel, "", &queue, b"transient").await;
            confirmed(&channel, &queue, "persistent").await;
            confirmed(&channel, "passing", "persistent, but its queue is not durable").await;
        });
        restart(&mut broker, how);
        client::run(async {
            assert!(!exists(&broker, "passing").await, "{how:?}");
            assert!(!exists(&broker, "mine").await, "{how:?}");
            let (_connection, channel) = client::open(&broker).await;
            assert_eq!(client::drain(&channel, "kept").await, ["persistent"], "{how:?}");
            let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
            let found = channel
                .exchange_declare(
                    "passing".into(),
                    ExchangeKind::Topic,
                    passive,
                    Default::default(),
                )
                .await;
            assert_eq!(refusal(found).0, 404, "{how:?}");
        });
    }
}

#[test]
fn what_was_deleted_or_unbound_stays_away() {
    for how in BOTH {
        let mut broker = Broker::own();
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            exchange(&channel, "gone", true).await;
            exchange(&channel, "kept", true).await;
            for queue in ["gone", "kept", "purged"] {
                client::durable_queue(&channel, queue).await;
                client::bind(&channel, queue, "kept", "k").await;
            }
            for queue in ["gone", "purged"] {
                confirmed(&channel, queue, "old").await;
            }
            channel.queue_delete("gone".into(), Default::default()).await.unwrap();
            channel.queue_purge("purged".into(), Default::default()).await.unwrap();
            channel.exchange_delete("gone".into(), Default::default()).await.unwrap();
            channel
                .queue_unbind("kept".into(), "kept".into(), "k".into(), FieldTable::default())
                .await
                .unwrap();
            // The name is used anew; nothing of the old queue may come back into it.
            client::durable_queue(&channel, "gone").await;
            confirmed(&channel, "gone", "new").await;
        });
        restart(&mut broker, how);
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            client::publish_with(&channel, "kept", "k", b"routed", client::persistent()).await;
            assert!(client::drain(&channel, "kept").await.is_empty(), "{how:?}");
            assert_eq!(client::drain(&channel, "purged").await, ["routed"], "{how:?}");
            assert_eq!(client::drain(&channel, "gone").await, ["new"], "{how:?}");
        });
    }
}

#[test]
fn acknowledged_messages_do_not_return_and_unacknowledged_ones_do_in_order() {
    for how in BOTH {
        let mut broker = Broker::own();
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            let queue = client::durable_queue(&channel, "work").await;
            for body in client::numbered(0..30) {
                confirmed(&channel, &queue, &body).await;
            }
            let mut consumer = client::consume(&channel, &queue).await;
            let deliveries = client::take(&mut consumer, 20).await;
            // Every third is settled, one way or another; m0 goes back and is held again.
            for (number, delivery) in deliveries.iter().enumerate().skip(1) {
                match number % 6 {
                    1 => delivery.ack(BasicAckOptions::default()).await.unwrap(),
                    4 => delivery.nack(BasicNackOptions::default()).await.unwrap(),
                    _ => true,
                };
            }
            // channel.close-ok says that all of that has been carried out and, for the disk, a
            // confirm that comes later has been synced together with it.
            channel.close(200, "done".into()).await.unwrap();
            let (_other, channel) = client::open_with_confirms(&broker).await;
            confirmed(&channel, &queue, "last").await;
        });
        restart(&mut broker, how);
        client::run(async {
            let (_connection, channel) = client::open(&broker).await;
            let mut expected: Vec<String> = (0..30_u32)
                .filter(|number| *number >= 20 || (number % 6 != 1 && number % 6 != 4))
                .map(|number| format!("m{number}"))
                .collect();
            expected.push("last".into());
            let first = client::get(&channel, "work").await.unwrap();
            assert_eq!(client::text(&first), "m0");
            first.nack(BasicNackOptions { multiple: false, requeue: true }).await.unwrap();
            client::wait_until_ready(&channel, "work", expected.len() as u32).await;
            assert_eq!(client::drain(&channel, "work").await, expected, "{how:?}");
        });
    }
}

#[test]
fn what_was_delivered_before_a_restart_comes_as_redelivered() {
    for how in BOTH {
        let mut broker = Broker::own();
        // Consumed from, taken by `basic.get`, and never delivered.
        let queues = [("consumed", 2), ("got", 3), ("waiting", 0)];
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            for (queue, _) in queues {
                client::durable_queue(&channel, queue).await;
                for body in client::numbered(0..4) {
                    confirmed(&channel, queue, &body).await;
                }
            }
            client::prefetch(&channel, 2, false).await;
            let mut consumer = client::consume(&channel, "consumed").await;
            for delivery in client::take(&mut consumer, 2).await {
                assert!(!delivery.redelivered);
            }
            for _ in 0..3 {
                assert!(!client::get(&channel, "got").await.unwrap().redelivered);
            }
            // All queues share one log: with this confirm the deliveries are on disk too.
            confirmed(&channel, "waiting", "m4").await;
        });
        // Once more, without a delivery in between: the database of the store must know it too.
        for stop in [how, Stop::Terminate] {
            restart(&mut broker, stop);
        }
        client::run(async {
            let (_connection, channel) = client::open(&broker).await;
            for (queue, delivered) in queues {
                let mut number = 0;
                while let Some(message) = client::get(&channel, queue).await {
                    assert_eq!(client::text(&message), format!("m{number}"));
                    let expected = number < delivered;
                    assert_eq!(message.redelivered, expected, "{how:?}: {queue}, m{number}");
                    number += 1;
                }
                assert_eq!(number, if queue == "waiting" { 5 } else { 4 }, "{how:?}: {queue}");
            }
        });
    }
}

#[test]
fn a_message_in_many_queues_is_settled_in_each_by_itself() {
    let mut broker = Broker::own();
    let queues = ["q0", "q1", "q2", "q3", "q4"];
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        for queue in queues {
            client::durable_queue(&channel, queue).await;
            client::bind(&channel, queue, "amq.fanout", "").await;
        }
        for body in client::numbered(0..10) {
            let properties = client::persistent();
            client::publish_with(&channel, "amq.fanout", "", body.as_bytes(), properties).await;
        }
        assert_eq!(client::drain(&channel, "q1").await.len(), 10);
        assert_eq!(client::drain(&channel, "q3").await.len(), 10);
        // All queues share one log, so that this confirm comes after what was written before it.
        confirmed(&channel, "q4", "last").await;
    });
    broker.kill();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        for queue in ["q0", "q2"] {
            assert_eq!(client::drain(&channel, queue).await, client::numbered(0..10));
        }
        for queue in ["q1", "q3"] {
            assert!(client::drain(&channel, queue).await.is_empty());
        }
        assert_eq!(client::drain(&channel, "q4").await.len(), 11);
    });
}

#[test]
fn messages_survive_many_restarts_and_checkpoints() {
    let mut broker = Broker::own();
    let mut next = 0;
    let mut expected: Vec<String> = Vec::new();
    for round in 0..6 {
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            client::durable_queue(&channel, "long").await;
            for body in client::numbered(next..next + 20) {
                // Long enough that the log goes over several of the small segments.
                confirmed(&channel, "long", &format!("{body:-<30000}")).await;
                expected.push(body);
            }
            next += 20;
            for _ in 0..7 {
                let message = client::get(&channel, "long").await.unwrap();
                assert_eq!(client::text(&message).trim_end_matches('-'), expected.remove(0));
                message.ack(BasicAckOptions::default()).await.unwrap();
            }
            // So that the acknowledgements are on disk before the kill.
            confirmed(&channel, "long", "end").await;
            expected.push("end".into());
        });
        restart(&mut broker, BOTH[round % 2]);
    }
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let drained = client::drain(&channel, "long").await;
        let found: Vec<&str> = drained.iter().map(|body| body.trim_end_matches('-')).collect();
        assert_eq!(found, expected);
    });
}

#[test]
fn an_orderly_stop_tells_clients_with_code_320_and_ends_with_0() {
    let mut broker = Broker::own();
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    let pid = broker.pid();
    let close = std::thread::scope(|scope| {
        let reader = scope.spawn(|| wire.expect_end());
        warren_tests::broker::signal(pid, "-TERM");
        assert_eq!(broker.wait_for_its_end().code(), Some(0));
        reader.join().unwrap()
    });
    let close = close.expect("the broker says goodbye");
    assert!(close.whole_connection);
    assert_eq!(close.code, 320);
    assert!(close.text.starts_with("CONNECTION_FORCED - "), "{}", close.text);
    assert!(!broker.data_dir().join("listeners.json").exists());
    broker.restart();
}

#[test]
fn an_orderly_stop_does_not_wait_for_clients_that_do_not_answer() {
    let mut broker = Broker::own();
    let _silent = Wire::open_channel_1(broker.amqp_address());
    let _half_open = Wire::connect(broker.amqp_address());
    let begun = std::time::Instant::now();
    assert_eq!(broker.terminate(), Some(0));
    assert!(begun.elapsed() < PATIENCE / 2, "it took {:?}", begun.elapsed());
}

#[test]
fn clients_find_the_broker_on_its_old_port_at_once() {
    let mut broker = Broker::own();
    let before = broker.amqp_address().to_owned();
    client::run(async {
        client::connect(&broker).await;
    });
    broker.kill();
    broker.restart_on_the_same_port();
    assert_eq!(broker.amqp_address(), before);
    crate::handshake::a_connection_works(&broker);
}

//! Consumers: starting, taking turns, being alone, and ending from either side.

use futures_lite::StreamExt;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions};
use lapin::types::FieldTable;
use warren_tests::Broker;
use warren_tests::client::{self, refusal, soon};
use warren_tests::wire::{Wire, short_string};

const NO_ACK: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: true, exclusive: false, nowait: false };
const EXCLUSIVE: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: false, exclusive: true, nowait: false };

#[test]
fn deliveries_are_numbered_per_channel_and_come_in_order() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 50).await;
        let other = connection.create_channel().await.unwrap();
        let mut consumer = client::consume(&other, &queue).await;
        let deliveries = client::take(&mut consumer, 50).await;
        assert_eq!(client::texts(&deliveries), client::numbered(0..50));
        assert!(deliveries.iter().map(|delivery| delivery.delivery_tag).eq(1..=50));
        assert!(deliveries.iter().all(|delivery| !delivery.redelivered));
        let last = deliveries.last().unwrap();
        assert_eq!((last.exchange.as_str(), last.routing_key.as_str()), ("", queue.as_str()));
    });
}

#[test]
fn an_acknowledged_message_is_gone_and_an_unacknowledged_one_comes_again() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 2).await;
        let other = connection.create_channel().await.unwrap();
        let mut consumer = client::consume(&other, &queue).await;
        let deliveries = client::take(&mut consumer, 2).await;
        deliveries[0].ack(BasicAckOptions::default()).await.unwrap();
        other.close(200, "done".into()).await.unwrap();
        client::wait_until_ready(&channel, &queue, 1).await;
        let again = client::get(&channel, &queue).await.unwrap();
        assert_eq!(client::text(&again), "m1");
        assert!(again.redelivered);
    });
}

#[test]
fn without_acknowledgements_a_delivered_message_is_gone() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 100).await;
        // A prefetch limit says nothing to a consumer that never acknowledges.
        let other = connection.create_channel().await.unwrap();
        client::prefetch(&other, 1, false).await;
        let mut consumer = client::consume_with(&other, &queue, "", NO_ACK).await;
        let deliveries = client::take(&mut consumer, 100).await;
        assert_eq!(client::texts(&deliveries), client::numbered(0..100));
        other.close(200, "done".into()).await.unwrap();
        assert!(client::get(&channel, &queue).await.is_none());
    });
}

#[test]
fn consumers_take_turns() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        let mut first = client::consume(&channel, &queue).await;
        let mut second = client::consume(&channel, &queue).await;
        let mut third = client::consume(&channel, &queue).await;
        for body in client::numbered(0..30) {
            client::publish(&channel, "", &queue, body.as_bytes()).await;
        }
        let mut all = Vec::new();
        for consumer in [&mut first, &mut second, &mut third] {
            all.extend(client::texts(&client::take(consumer, 10).await));
        }
        all.sort_unstable();
        let mut expected = client::numbered(0..30);
        expected.sort_unstable();
        assert_eq!(all, expected);
    });
}

#[test]
fn the_server_names_a_consumer_and_a_given_tag_comes_back() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        let unnamed = client::consume(&channel, &queue).await;
        assert!(unnamed.tag().as_str().starts_with("amq.ctag-"), "{}", unnamed.tag());
        let named =
            client::consume_with(&channel, &queue, "mine", BasicConsumeOptions::default()).await;
        assert_eq!(named.tag().as_str(), "mine");
    });
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("alone")).await;
        let text = format!("ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use");
        let try_consume = async |options| {
            let other = connection.create_channel().await.unwrap();
            let arguments = FieldTable::default();
            other.basic_consume(queue.as_str().into(), "".into(), options, arguments).await
        };
        let alone = client::consume_with(&channel, &queue, "", EXCLUSIVE).await;
        assert_eq!(refusal(try_consume(BasicConsumeOptions::default()).await), (403, text.clone()));
        assert_eq!(refusal(try_consume(EXCLUSIVE).await), (403, text.clone()));
        channel.basic_cancel(alone.tag(), BasicCancelOptions::default()).await.unwrap();
        // A consumer that is dropped is cancelled by lapin, so it is kept.
        let _shared = client::consume(&channel, &queue).await;
        assert_eq!(refusal(try_consume(EXCLUSIVE).await), (403, text));
    });
}

#[test]
fn a_cancelled_consumer_gets_nothing_more_and_keeps_what_it_has() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 1).await;
        let mut consumer = client::consume(&channel, &queue).await;
        let delivery = client::next(&mut consumer).await;
        channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
        client::publish(&channel, "", &queue, b"after").await;
        client::wait_until_ready(&channel, &queue, 1).await;
        // The message that it holds is still its own to acknowledge.
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        assert_eq!(client::drain(&channel, &queue).await, ["after"]);
        channel.basic_cancel("unknown".into(), BasicCancelOptions::default()).await.unwrap();
    });
}

#[test]
fn deleting_a_queue_ends_its_consumers_with_a_cancel() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        let mut consumer = client::consume(&channel, &queue).await;
        let other = connection.create_channel().await.unwrap();
        other.queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
        let end = soon("the consumer's end", consumer.next()).await;
        assert!(end.is_none(), "a cancelled consumer ends without an error: {end:?}");
        client::queue(&channel, &broker.name("usable")).await;
    });
}

#[test]
fn the_server_sends_its_cancel_to_clients_that_announced_they_understand_it() {
    let broker = Broker::start();
    let mut wire = Wire::connect(broker.amqp_address());
    wire.start();
    // Capabilities: consumer_cancel_notify = true.
    let mut capabilities = short_string("consumer_cancel_notify");
    capabilities.extend_from_slice(b"t\x01");
    let mut properties = short_string("capabilities");
    properties.push(b'F');
    properties.extend(warren_tests::wire::long_string(&capabilities));
    let mut arguments = warren_tests::wire::long_string(&properties);
    arguments.extend(short_string("PLAIN"));
    arguments.extend(warren_tests::wire::long_string(b"\0guest\0guest"));
    arguments.extend(short_string("en_US"));
    wire.send_method(0, (10, 11), &arguments);
    wire.expect_method(0, (10, 30));
    wire.send_tune_ok(Default::default());
    wire.send_open("/");
    wire.expect_method(0, (10, 41));
    wire.open_channel(1);
    wire.open_channel(2);
    let queue = broker.name("q");
    wire.declare_queue(1, &queue, 0);
    wire.consume(1, &queue, "tag", 0);
    let mut delete = vec![0, 0];
    delete.extend(short_string(&queue));
    delete.push(0);
    wire.send_method(2, (50, 40), &delete);
    let mut seen = [wire.read_frame().unwrap(), wire.read_frame().unwrap()];
    seen.sort_by_key(|frame| frame.channel);
    assert_eq!((seen[0].channel, seen[0].method()), (1, Some((60, 30))), "basic.cancel");
    let mut cancel = short_string("tag");
    cancel.push(1);
    assert_eq!(seen[0].payload[4..], cancel, "the cancel wants no answer");
    assert_eq!((seen[1].channel, seen[1].method()), (2, Some((50, 41))), "queue.delete-ok");
    wire.close();
}

#[test]
fn a_consumer_tag_cannot_be_used_twice_on_a_channel() {
    let broker = Broker::start();
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    let queue = broker.name("q");
    wire.declare_queue(1, &queue, 4);
    wire.consume(1, &queue, "t", 0);
    let mut again = vec![0, 0];
    again.extend(short_string(&queue));
    again.extend(short_string("t"));
    again.extend([0; 5]);
    wire.send_method(1, (60, 20), &again);
    let close = wire.expect_close();
    assert!(close.whole_connection);
    assert_eq!(close.code, 530);
    assert_eq!(close.text, "NOT_ALLOWED - attempt to reuse consumer tag 't'");
    assert_eq!(close.blamed, (60, 20));
}

#[test]
fn only_queues_that_exist_can_be_consumed_from() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let text = "NOT_FOUND - no queue 'nope' in vhost '/'";
        let options = BasicConsumeOptions::default();
        let consumed =
            channel.basic_consume("nope".into(), "".into(), options, FieldTable::default()).await;
        assert_eq!(refusal(consumed), (404, text.into()));
        let channel = connection.create_channel().await.unwrap();
        let got = channel.basic_get("nope".into(), Default::default()).await;
        assert_eq!(refusal(got), (404, text.into()));
    });
}

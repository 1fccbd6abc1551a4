//! Settling messages: ack, nack, reject, recover, and what comes back in which order.

use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRecoverOptions, BasicRejectOptions};
use warren_tests::client;
use warren_tests::wire::short_string;
use warren_tests::{Broker, Wire};

const MULTIPLE: BasicAckOptions = BasicAckOptions { multiple: true };
const REQUEUE: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };
const REQUEUE_MULTIPLE: BasicNackOptions = BasicNackOptions { multiple: true, requeue: true };

#[test]
fn ack_multiple_settles_everything_up_to_its_tag() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 6).await;
        let other = connection.create_channel().await.unwrap();
        let mut consumer = client::consume(&other, &queue).await;
        let deliveries = client::take(&mut consumer, 6).await;
        deliveries[1].ack(BasicAckOptions::default()).await.unwrap();
        deliveries[3].ack(MULTIPLE).await.unwrap();
        other.close(200, "done".into()).await.unwrap();
        client::wait_until_ready(&channel, &queue, 2).await;
        assert_eq!(client::drain(&channel, &queue).await, ["m4", "m5"]);
    });
}

#[test]
fn ack_multiple_of_tag_zero_settles_everything() {
    let broker = Broker::start();
    client::run(async {
        let (connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        // With nothing outstanding it is no error.
        channel.basic_ack(0, MULTIPLE).await.unwrap();
        client::fill(&channel, &queue, 5).await;
        let other = connection.create_channel().await.unwrap();
        let mut consumer = client::consume(&other, &queue).await;
        client::take(&mut consumer, 5).await;
        other.basic_ack(0, MULTIPLE).await.unwrap();
        other.close(200, "done".into()).await.unwrap();
        assert_eq!(client::ready(&channel, &queue).await, 0);
    });
}

#[test]
fn requeued_messages_return_to_their_places_and_say_so() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 6).await;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(client::get(&channel, &queue).await.unwrap());
        }
        // m3 and m1 go back, in this order; m0 and m2 stay away.
        held[3].nack(REQUEUE).await.unwrap();
        held[1].reject(BasicRejectOptions { requeue: true }).await.unwrap();
        client::wait_until_ready(&channel, &queue, 4).await;
        let mut seen = Vec::new();
        for _ in 0..4 {
            let message = client::get(&channel, &queue).await.unwrap();
            seen.push((client::text(&message), message.redelivered));
        }
        let expected = [("m1", true), ("m3", true), ("m4", false), ("m5", false)];
        assert_eq!(seen, expected.map(|(body, again)| (body.to_owned(), again)));
    });
}

#[test]
fn nack_multiple_requeues_everything_up_to_its_tag_in_order() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 5).await;
        let mut last = None;
        for _ in 0..4 {
            last = client::get(&channel, &queue).await;
        }
        last.unwrap().nack(REQUEUE_MULTIPLE).await.unwrap();
        client::wait_until_ready(&channel, &queue, 5).await;
        assert_eq!(client::drain(&channel, &queue).await, client::numbered(0..5));
    });
}

#[test]
fn a_rejected_message_that_is_not_requeued_is_gone() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 3).await;
        let first = client::get(&channel, &queue).await.unwrap();
        first.reject(BasicRejectOptions { requeue: false }).await.unwrap();
        let second = client::get(&channel, &queue).await.unwrap();
        second.nack(BasicNackOptions { multiple: false, requeue: false }).await.unwrap();
        channel.basic_recover(BasicRecoverOptions { requeue: true }).await.unwrap();
        assert_eq!(client::drain(&channel, &queue).await, ["m2"]);
    });
}

#[test]
fn a_message_requeued_by_its_only_consumer_comes_to_it_again() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 1).await;
        let mut consumer = client::consume(&channel, &queue).await;
        let mut delivery = client::next(&mut consumer).await;
        assert!(!delivery.redelivered);
        for _ in 0..3 {
            delivery.nack(REQUEUE).await.unwrap();
            delivery = client::next(&mut consumer).await;
            assert!(delivery.redelivered);
        }
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    });
}

#[test]
fn recover_returns_all_that_the_channel_holds() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 3).await;
        for _ in 0..3 {
            client::get(&channel, &queue).await.unwrap();
        }
        channel.basic_recover(BasicRecoverOptions { requeue: true }).await.unwrap();
        client::wait_until_ready(&channel, &queue, 3).await;
        for body in client::numbered(0..3) {
            let message = client::get(&channel, &queue).await.unwrap();
            assert_eq!((client::text(&message), message.redelivered), (body, true));
        }
    });
}

#[test]
fn what_a_connection_held_returns_in_order_when_it_goes() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 20).await;
        let (leaving, theirs) = client::open(&broker).await;
        let mut consumer = client::consume(&theirs, &queue).await;
        let deliveries = client::take(&mut consumer, 20).await;
        for delivery in deliveries.iter().step_by(2) {
            delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        leaving.close(200, "bye".into()).await.unwrap();
        client::wait_until_ready(&channel, &queue, 10).await;
        let odd: Vec<String> = client::numbered(0..20).into_iter().skip(1).step_by(2).collect();
        assert_eq!(client::drain(&channel, &queue).await, odd);
    });
}

#[test]
fn a_delivery_tag_that_is_not_outstanding_closes_the_channel() {
    const ACK: (u16, u16) = (60, 80);
    let broker = Broker::start();
    let queue = broker.name("q");
    let settle = |tag: u64| [&tag.to_be_bytes()[..], &[0]].concat();
    let unknown = |tag| (406, format!("PRECONDITION_FAILED - unknown delivery tag {tag}"));
    for (tag, method) in [(99, ACK), (98, (60, 120)), (97, (60, 90))] {
        let refused = Wire::refusal(broker.amqp_address(), |wire| {
            wire.send_method(1, method, &settle(tag));
        });
        assert_eq!(refused, unknown(tag));
    }

    // A tag is outstanding once.
    let mut wire = Wire::open_channel_1(broker.amqp_address());
    wire.declare_queue(1, &queue, 0);
    wire.publish(1, "", &queue, 0, b"once");
    // The answer tells that the message before it is in the queue.
    wire.declare_queue(1, &queue, 0);
    let refused = Wire::refusal(broker.amqp_address(), |wire| {
        wire.send_method(1, (60, 70), &[&[0, 0][..], &short_string(&queue), &[0]].concat());
        wire.expect_method(1, (60, 71));
        let content = [wire.read_frame(), wire.read_frame()];
        assert!(content.iter().all(Option::is_some), "header and body");
        wire.send_method(1, ACK, &settle(1));
        wire.send_method(1, ACK, &settle(1));
    });
    assert_eq!(refused, unknown(1));
    client::run(async {
        // The first acknowledgement counts although the channel was closed for the second.
        let (_connection, channel) = client::open(&broker).await;
        assert_eq!(client::ready(&channel, &queue).await, 0);
        channel.queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
    });
}

#[test]
fn get_tells_what_is_left_and_when_there_is_nothing() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        assert!(client::get(&channel, &queue).await.is_none());
        client::fill(&channel, &queue, 3).await;
        for left in [2, 1, 0] {
            let message = client::get(&channel, &queue).await.unwrap();
            assert_eq!(message.message_count, left);
            assert!(!message.redelivered);
            message.ack(BasicAckOptions::default()).await.unwrap();
        }
        assert!(client::get(&channel, &queue).await.is_none());
    });
}

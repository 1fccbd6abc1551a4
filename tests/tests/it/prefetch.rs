//! Prefetch limits: how many unacknowledged messages a consumer or a channel may hold.
//!
//! That nothing more was delivered is seen from the other side: the messages are still ready.

use lapin::options::{BasicAckOptions, BasicNackOptions};
use warren_tests::Broker;
use warren_tests::client;

const ACK: BasicAckOptions = BasicAckOptions { multiple: false };

#[test]
fn a_consumer_holds_no_more_than_its_limit() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 10).await;
        client::prefetch(&channel, 3, false).await;
        let mut consumer = client::consume(&channel, &queue).await;
        let held = client::take(&mut consumer, 3).await;
        assert_eq!(client::ready(&channel, &queue).await, 7);
        held[0].ack(ACK).await.unwrap();
        held[1].ack(ACK).await.unwrap();
        let more = client::take(&mut consumer, 2).await;
        assert_eq!(client::texts(&more), ["m3", "m4"]);
        client::wait_until_ready(&channel, &queue, 5).await;
        // One acknowledgement for several messages gives back several places.
        more[1].ack(BasicAckOptions { multiple: true }).await.unwrap();
        assert_eq!(client::texts(&client::take(&mut consumer, 3).await), ["m5", "m6", "m7"]);
        client::wait_until_ready(&channel, &queue, 2).await;
    });
}

#[test]
fn each_new_consumer_has_the_limit_set_before_it() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let first_queue = client::queue(&channel, &broker.name("first")).await;
        let second_queue = client::queue(&channel, &broker.name("second")).await;
        client::fill(&channel, &first_queue, 10).await;
        client::fill(&channel, &second_queue, 10).await;
        client::prefetch(&channel, 2, false).await;
        let mut first = client::consume(&channel, &first_queue).await;
        client::prefetch(&channel, 5, false).await;
        let mut second = client::consume(&channel, &second_queue).await;
        client::take(&mut first, 2).await;
        client::take(&mut second, 5).await;
        assert_eq!(client::ready(&channel, &first_queue).await, 8);
        assert_eq!(client::ready(&channel, &second_queue).await, 5);
    });
}

#[test]
fn the_limit_of_a_channel_is_shared_by_its_consumers() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let first_queue = client::queue(&channel, &broker.name("first")).await;
        let second_queue = client::queue(&channel, &broker.name("second")).await;
        client::fill(&channel, &first_queue, 10).await;
        client::prefetch(&channel, 4, true).await;
        let mut first = client::consume(&channel, &first_queue).await;
        let held = client::take(&mut first, 4).await;
        let mut second = client::consume(&channel, &second_queue).await;
        client::fill(&channel, &second_queue, 10).await;
        assert_eq!(client::ready(&channel, &first_queue).await, 6);
        assert_eq!(client::ready(&channel, &second_queue).await, 10);
        for delivery in &held {
            delivery.nack(BasicNackOptions { multiple: false, requeue: false }).await.unwrap();
        }
        // Four places are free again; which consumer gets them is not said.
        let (mut left, deadline) = (20, std::time::Instant::now() + warren_tests::PATIENCE);
        while left != 12 && std::time::Instant::now() < deadline {
            left = client::ready(&channel, &first_queue).await
                + client::ready(&channel, &second_queue).await;
        }
        assert_eq!(left, 12);
        drop((first, &mut second));
    });
}

/// Celery raises the limit of its channel for tasks that it holds until their time comes.
#[test]
fn a_raised_limit_of_a_channel_reaches_consumers_that_are_there() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 10).await;
        client::prefetch(&channel, 2, true).await;
        let mut consumer = client::consume(&channel, &queue).await;
        client::take(&mut consumer, 2).await;
        client::wait_until_ready(&channel, &queue, 8).await;
        client::prefetch(&channel, 5, true).await;
        assert_eq!(client::texts(&client::take(&mut consumer, 3).await), ["m2", "m3", "m4"]);
        client::wait_until_ready(&channel, &queue, 5).await;
        // The other limit is that of consumers to come.
        client::prefetch(&channel, 100, false).await;
        assert_eq!(client::ready(&channel, &queue).await, 5);
    });
}

#[test]
fn a_consumer_in_a_limited_channel_keeps_its_own_limit() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 10).await;
        client::prefetch(&channel, 3, false).await;
        client::prefetch(&channel, 5, true).await;
        let mut first = client::consume(&channel, &queue).await;
        client::take(&mut first, 3).await;
        assert_eq!(client::ready(&channel, &queue).await, 7);
        let mut second = client::consume(&channel, &queue).await;
        client::take(&mut second, 2).await;
        assert_eq!(client::ready(&channel, &queue).await, 5);
    });
}

#[test]
fn zero_means_no_limit() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 300).await;
        client::prefetch(&channel, 0, false).await;
        let mut consumer = client::consume(&channel, &queue).await;
        client::take(&mut consumer, 300).await;
    });
}

#[test]
fn what_was_taken_by_get_does_not_count_against_a_consumer() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let queue = client::queue(&channel, &broker.name("q")).await;
        client::fill(&channel, &queue, 4).await;
        client::prefetch(&channel, 1, false).await;
        client::get(&channel, &queue).await.unwrap();
        let mut consumer = client::consume(&channel, &queue).await;
        assert_eq!(client::text(&client::next(&mut consumer).await), "m1");
        assert_eq!(client::ready(&channel, &queue).await, 2);
    });
}

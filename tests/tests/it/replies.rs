//! Direct reply-to as clients see it.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions};
use warren_tests::{Broker, client};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

#[test]
fn a_reply_reaches_the_requester_over_another_connection() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, requester) = client::open(&broker).await;
        let (_other_connection, server) = client::open(&broker).await;
        let requests = client::queue(&server, &broker.name("requests")).await;
        let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut replies = client::consume_with(&requester, REPLY_TO, "replies", no_ack).await;
        for text in ["one", "two"] {
            let properties = BasicProperties::default()
                .with_reply_to(REPLY_TO.into())
                .with_correlation_id(text.into());
            client::publish_with(&requester, "", &requests, text.as_bytes(), properties).await;
        }
        let mut consumer = client::consume(&server, &requests).await;
        for request in client::take(&mut consumer, 2).await {
            let properties = &request.properties;
            let to = properties.reply_to().as_ref().expect("a place for replies").as_str();
            // The form of RabbitMQ's names, which programs match on.
            let (requester, rest) = to.rsplit_once('.').expect("two parts");
            assert!(requester.starts_with("amq.rabbitmq.reply-to.") && to.len() > 40, "{to}");
            assert!(rest.ends_with("=="), "{to}");
            let id = properties.correlation_id().clone().expect("the requester's id");
            let answer = BasicProperties::default().with_correlation_id(id);
            client::publish_with(&server, "", to, &request.data, answer).await;
        }
        for (text, tag) in [("one", 1), ("two", 2)] {
            let reply = client::next(&mut replies).await;
            assert_eq!(client::text(&reply), text);
            assert_eq!((reply.delivery_tag, reply.exchange.as_str()), (tag, ""));
            assert_eq!(reply.properties.correlation_id().as_ref().unwrap().as_str(), text);
        }
        server.queue_delete(requests.as_str().into(), Default::default()).await.unwrap();
    });
}

#[test]
fn a_reply_to_a_requester_that_is_gone_comes_back_if_it_is_mandatory() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, requester) = client::open(&broker).await;
        let (_other_connection, server) = client::open_with_confirms(&broker).await;
        let requests = client::queue(&server, &broker.name("requests")).await;
        let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let _replies = client::consume_with(&requester, REPLY_TO, "replies", no_ack).await;
        let properties = BasicProperties::default().with_reply_to(REPLY_TO.into());
        client::publish_with(&requester, "", &requests, b"ask", properties).await;
        client::wait_until_ready(&server, &requests, 1).await;
        requester.basic_cancel("replies".into(), BasicCancelOptions::default()).await.unwrap();
        let request = client::get(&server, &requests).await.expect("the request").delivery;
        let to = request.properties.reply_to().clone().expect("a place for replies");
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let answer = BasicProperties::default();
        let sent = server.basic_publish("".into(), to, options, b"late", answer).await.unwrap();
        let confirm = client::soon("a confirm", sent).await.unwrap();
        let returned = confirm.take_message().expect("the message comes back");
        assert_eq!((returned.reply_code, returned.delivery.data.as_slice()), (312, &b"late"[..]));
        server.queue_delete(requests.as_str().into(), Default::default()).await.unwrap();
    });
}

#[test]
fn a_requester_that_reads_nothing_costs_little() {
    let broker = Broker::own();
    client::run(async {
        let (_connection, server) = client::open(&broker).await;
        let requests = client::queue(&server, "requests").await;
        let mut wire = warren_tests::Wire::open_channel_1(broker.amqp_address());
        wire.consume(1, REPLY_TO, "replies", 2);
        let property =
            [&(1_u16 << 9).to_be_bytes()[..], &warren_tests::wire::short_string(REPLY_TO)].concat();
        let arguments = warren_tests::wire::publish_arguments("", &requests, 0);
        wire.send_method(1, (60, 40), &arguments);
        let mut header = warren_tests::wire::content_header(0);
        header.truncate(12);
        header.extend_from_slice(&property);
        wire.send_frame(warren_tests::wire::HEADER, 1, &header);
        client::wait_until_ready(&server, &requests, 1).await;
        let request = client::get(&server, &requests).await.expect("the request").delivery;
        let to = request.properties.reply_to().clone().expect("a place for replies");
        let before = broker.resident_bytes();
        let body = vec![b'x'; 1 << 20];
        for _ in 0..300 {
            let (options, answer) = (BasicPublishOptions::default(), BasicProperties::default());
            let sent = server.basic_publish("".into(), to.clone(), options, &body, answer).await;
            drop(sent.unwrap());
        }
        // The channel's answer comes after all of them.
        client::ready(&server, &requests).await;
        tokio::time::sleep(Duration::ZERO).await;
        let grown = broker.resident_bytes().saturating_sub(before);
        assert!(grown < 150 << 20, "{grown} bytes");
    });
}

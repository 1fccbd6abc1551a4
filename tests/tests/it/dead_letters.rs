//! What queues give up: dead letters, limits, messages that come back too often.

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use warren_tests::Broker;
use warren_tests::client::{self, soon};

/// Kills in the middle of dead lettering. Fifty of them: `WARREN_KILL_ROUNDS=50`.
const KILL_ROUNDS: u64 = 2;
const KILL_MESSAGES: usize = 8_000;

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Arguments that lead dead letters to a queue.
fn letters_to(queue: &str) -> Vec<(&'static str, AMQPValue)> {
    vec![("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(queue))]
}

async fn declare(channel: &Channel, name: &str, arguments: Vec<(&'static str, AMQPValue)>) {
    let options = QueueDeclareOptions::durable();
    let declared = channel.queue_declare(name.into(), options, client::table(arguments)).await;
    declared.expect("the queue can be declared");
}

async fn ready(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let declared = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
    declared.expect("the queue is there").message_count()
}

/// Takes one message as soon as there is one.
async fn take(channel: &Channel, queue: &str) -> Delivery {
    soon("a message", async {
        loop {
            if let Some(message) = client::get(channel, queue).await {
                return message.delivery;
            }
        }
    })
    .await
}

fn headers(delivery: &Delivery) -> BTreeMap<String, AMQPValue> {
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    headers.into_iter().map(|(key, value)| (key.to_string(), value.clone())).collect()
}

fn deaths(delivery: &Delivery) -> Vec<BTreeMap<String, AMQPValue>> {
    let headers = headers(delivery);
    let Some(AMQPValue::FieldArray(deaths)) = headers.get("x-death") else { return vec![] };
    let table = |value: &AMQPValue| match value {
        AMQPValue::FieldTable(table) => {
            table.into_iter().map(|(key, value)| (key.to_string(), value.clone())).collect()
        }
        other => panic!("a death is a table, not {other:?}"),
    };
    deaths.as_slice().iter().map(table).collect()
}

#[test]
fn a_rejected_message_tells_of_its_death_as_rabbitmq_does() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let (queue, dead) = (broker.name("rejecting"), broker.name("rejected"));
        declare(&channel, &dead, vec![]).await;
        declare(&channel, &queue, letters_to(&dead)).await;
        let properties = client::persistent()
            .with_expiration("60000".into())
            .with_app_id("app".into())
            .with_headers(client::table([("own", AMQPValue::LongInt(1))]));
        client::publish_with(&channel, "", &queue, b"body", properties).await;
        take(&channel, &queue).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
        let letter = take(&channel, &dead).await;
        assert_eq!((letter.routing_key.as_str(), letter.redelivered), (dead.as_str(), false));
        assert_eq!(letter.data, b"body");
        assert_eq!(letter.properties.expiration(), &None);
        assert_eq!(letter.properties.delivery_mode(), &Some(2));
        assert_eq!(letter.properties.app_id().as_ref().map(|id| id.as_str()), Some("app"));

        let all = deaths(&letter);
        let death = all.first().expect("a death");
        assert_eq!((all.len(), death.len()), (1, 7));
        assert_eq!(death["count"], AMQPValue::LongLongInt(1));
        assert_eq!(death["reason"], text("rejected"));
        assert_eq!(death["queue"], text(&queue));
        assert_eq!(death["exchange"], text(""));
        assert_eq!(death["original-expiration"], text("60000"));
        assert_eq!(death["routing-keys"], AMQPValue::FieldArray(vec![text(&queue)].into()));
        let AMQPValue::Timestamp(time) = death["time"] else { panic!("{:?}", death["time"]) };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(time) < 60, "{time} is now, {now}");

        let headers = headers(&letter);
        assert_eq!(headers["own"], AMQPValue::LongInt(1));
        for which in ["first", "last"] {
            assert_eq!(headers[&format!("x-{which}-death-queue")], text(&queue));
            assert_eq!(headers[&format!("x-{which}-death-reason")], text("rejected"));
            assert_eq!(headers[&format!("x-{which}-death-exchange")], text(""));
        }
    });
}

#[test]
fn a_full_queue_refuses_with_basic_nack_or_drops_the_oldest() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let (queue, dead) = (broker.name("refusing"), broker.name("refused"));
        let mut arguments = letters_to(&dead);
        arguments.push(("x-max-length", AMQPValue::LongInt(3)));
        arguments.push(("x-overflow", text("reject-publish-dlx")));
        declare(&channel, &dead, vec![("x-max-length", AMQPValue::LongInt(2))]).await;
        declare(&channel, &queue, arguments).await;
        let mut outcomes = vec![];
        for body in ["1", "2", "3", "4", "5", "6"] {
            let confirm = client::publish_persistent(&channel, &queue, body.as_bytes()).await;
            outcomes.push(matches!(confirm, Confirmation::Ack(_)));
        }
        assert_eq!(outcomes, [true, true, true, false, false, false]);
        assert_eq!(client::drain(&channel, &queue).await, ["1", "2", "3"]);
        assert_eq!((ready(&channel, &dead).await, ready(&channel, &queue).await), (2, 0));
        assert_eq!(client::drain(&channel, &dead).await, ["5", "6"]);
        // There is room again.
        let confirm = client::publish_persistent(&channel, &queue, b"7").await;
        assert_eq!(confirm, Confirmation::Ack(None));
    });
}

#[test]
fn a_long_queue_is_cut_to_its_limit_also_where_it_is_on_disk() {
    const LIMIT: u32 = 2_000;
    let mut broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let limit = AMQPValue::LongInt(i32::try_from(LIMIT).unwrap());
        declare(&channel, "cut", vec![("x-max-length", limit)]).await;
        // 20 MB: more than a queue has in memory.
        let mut body = vec![b'.'; 8_192];
        for number in 0..LIMIT + 500 {
            body[..4].copy_from_slice(&number.to_be_bytes());
            let options = Default::default();
            let sent = channel
                .basic_publish("".into(), "cut".into(), options, &body, client::persistent())
                .await;
            if number == LIMIT + 499 {
                soon("a confirm", sent.unwrap()).await.unwrap();
            }
        }
        assert_eq!(ready(&channel, "cut").await, LIMIT);
    });
    broker.kill();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        assert_eq!(ready(&channel, "cut").await, LIMIT);
        let first = take(&channel, "cut").await;
        assert_eq!(first.data[..4], 500_u32.to_be_bytes());
    });
}

#[test]
fn deliveries_of_a_quorum_queue_are_counted_over_a_kill() {
    let mut broker = Broker::own();
    client::run(async {
        let (_connection, channel) = client::open_with_confirms(&broker).await;
        let mut arguments = letters_to("poison");
        arguments.push(("x-queue-type", text("quorum")));
        arguments.push(("x-delivery-limit", AMQPValue::LongInt(2)));
        declare(&channel, "poison", vec![]).await;
        declare(&channel, "counted", arguments).await;
        client::publish_persistent(&channel, "counted", b"1").await;
        let first = take(&channel, "counted").await;
        assert!(!headers(&first).contains_key("x-delivery-count") && !first.redelivered);
        first.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
        assert_eq!(ready(&channel, "counted").await, 1);
        // What is confirmed now is behind the count in the log.
        client::publish_persistent(&channel, "poison", b"other").await;
    });
    broker.kill();
    broker.restart();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        for count in [1, 2] {
            let again = take(&channel, "counted").await;
            assert_eq!(headers(&again)["x-delivery-count"], AMQPValue::LongLongInt(count));
            assert!(again.redelivered);
            again.reject(BasicRejectOptions { requeue: true }).await.unwrap();
        }
        assert_eq!(take(&channel, "poison").await.data, b"other");
        let letter = take(&channel, "poison").await;
        assert_eq!((&letter.data[..], ready(&channel, "counted").await), (&b"1"[..], 0));
        assert_eq!(deaths(&letter)[0]["reason"], text("delivery_limit"));
        assert!(!headers(&letter).contains_key("x-delivery-count"));
    });
}

/// Takes `count` messages out of queues, wherever they are; gives how often each body came.
async fn collect(channel: &Channel, queues: &[&str], count: usize) -> BTreeMap<Vec<u8>, usize> {
    let mut found = BTreeMap::new();
    for queue in queues {
        let waiting = ready(channel, queue).await as usize;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let tag = format!("from-{queue}");
        let consumer = channel
            .basic_consume((*queue).into(), tag.into(), options, FieldTable::default())
            .await;
        let mut consumer = consumer.unwrap().take(waiting);
        while let Some(delivery) = soon("a delivery", consumer.next()).await {
            *found.entry(delivery.unwrap().data).or_default() += 1;
        }
    }
    let total: usize = found.values().sum();
    assert_eq!(total, count, "{} bodies are there", found.len());
    found
}

#[test]
fn a_kill_in_the_middle_of_dead_lettering_leaves_each_message_in_one_queue() {
    const QUEUES: [&str; 3] = ["work", "middle", "dead"];
    let rounds = std::env::var("WARREN_KILL_ROUNDS").ok().and_then(|it| it.parse().ok());
    let mut broker = Broker::own();
    let mut halfway = 0;
    for round in 0..rounds.unwrap_or(KILL_ROUNDS) {
        client::run(async {
            let (_connection, channel) = client::open_with_confirms(&broker).await;
            let mut middle = letters_to("dead");
            middle.push(("x-max-length", AMQPValue::LongInt(1_000)));
            declare(&channel, "dead", vec![]).await;
            declare(&channel, "middle", middle).await;
            declare(&channel, "work", letters_to("middle")).await;
            let mut body = vec![b'.'; 1_500];
            let mut last = None;
            for number in 0..KILL_MESSAGES {
                body[..8].copy_from_slice(&(number as u64).to_be_bytes());
                let properties: BasicProperties = client::persistent();
                let options = Default::default();
                let sent = channel
                    .basic_publish("".into(), "work".into(), options, &body, properties)
                    .await;
                last = Some(sent.unwrap());
            }
            soon("the last confirm", last.unwrap()).await.unwrap();
            // All of them are unacknowledged, and many have their content on disk alone.
            channel.basic_qos(0, BasicQosOptions::default()).await.unwrap();
            let consumer = channel
                .basic_consume("work".into(), "c".into(), Default::default(), Default::default())
                .await;
            let mut consumer = consumer.unwrap().take(KILL_MESSAGES);
            let mut tag = 0;
            while let Some(delivery) = soon("a delivery", consumer.next()).await {
                tag = delivery.unwrap().delivery_tag;
            }
            let all = BasicNackOptions { multiple: true, requeue: false };
            channel.basic_nack(tag, all).await.unwrap();
            // The kill is to come at another point each time.
            tokio::time::sleep(Duration::from_millis(round * 13 % 97)).await;
            broker.kill();
        });
        broker.restart();
        client::run(async {
            let (_connection, channel) = client::open(&broker).await;
            let left = ready(&channel, "work").await as usize;
            halfway += usize::from(left > 0 && left < KILL_MESSAGES);
            let found = collect(&channel, &QUEUES, KILL_MESSAGES).await;
            assert_eq!(found.len(), KILL_MESSAGES, "round {round}: each message is there once");
            // Nothing is left for the next round.
            for queue in QUEUES {
                channel.queue_delete(queue.into(), Default::default()).await.unwrap();
            }
        });
    }
    println!("{halfway} kills came halfway");
}

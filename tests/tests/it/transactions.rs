//! Transactions as clients see them, and what is left of them when the broker is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions,
    ExchangeDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, ExchangeKind};
use warren_tests::{Broker, client};

/// Kills of the short run; `WARREN_TX_ROUNDS=50` is the long one.
const ROUNDS: u64 = 4;
/// Channels that commit at the same time.
const CHANNELS: u32 = 4;
/// Queues that each transaction publishes to: one directly, two by a fanout exchange.
const QUEUES: [&str; 3] = ["direct", "left", "right"];

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &str) {
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(
        exchange.into(),
        key.into(),
        options,
        body.as_bytes(),
        client::persistent(),
    );
    sent.await.expect("the channel takes a message");
}

#[test]
fn a_commit_publishes_and_acknowledges_and_a_rollback_does_neither() {
    let broker = Broker::start();
    client::run(async {
        let (_connection, channel) = client::open(&broker).await;
        let (_other_connection, other) = client::open(&broker).await;
        let (tasks, results) = (broker.name("tasks"), broker.name("results"));
        for queue in [&tasks, &results] {
            client::durable_queue(&channel, queue).await;
        }
        client::fill(&other, &tasks, 2).await;
        channel.tx_select().await.unwrap();
        let first = client::get(&channel, &tasks).await.expect("a task").delivery;
        publish(&channel, "", &results, "done").await;
        channel.basic_ack(first.delivery_tag, BasicAckOptions::default()).await.unwrap();
        channel.tx_rollback().await.unwrap();
        assert_eq!(client::ready(&other, &results).await, 0);
        // It is still unacknowledged, and the same tag settles it.
        publish(&channel, "", &results, "done").await;
        channel.basic_ack(first.delivery_tag, BasicAckOptions::default()).await.unwrap();
        let second = client::get(&channel, &tasks).await.expect("another").delivery;
        let options = BasicRejectOptions { requeue: true };
        channel.basic_reject(second.delivery_tag, options).await.unwrap();
        assert_eq!(client::ready(&other, &results).await, 0);
        channel.tx_commit().await.unwrap();
        assert_eq!(client::drain(&other, &results).await, ["done"]);
        assert_eq!(client::drain(&other, &tasks).await, ["m1"]);
        for queue in [&tasks, &results] {
            other.queue_delete(queue.as_str().into(), Default::default()).await.unwrap();
        }
    });
}

/// What the clients know: transactions that were begun, and of these the ones that were confirmed.
#[derive(Default)]
struct Known {
    begun: BTreeSet<String>,
    committed: BTreeSet<String>,
}

/// Commits until the broker is gone: each transaction acknowledges one message of `tasks` and
/// publishes its number to three queues.
async fn commit_on(channel: Channel, name: String) -> Known {
    let mut known = Known::default();
    if channel.tx_select().await.is_err() {
        return known;
    }
    loop {
        let options = BasicGetOptions { no_ack: false };
        let Ok(Some(task)) = channel.basic_get("tasks".into(), options).await else { return known };
        let task = task.delivery;
        let number = format!("{name} {}", String::from_utf8_lossy(&task.data));
        known.begun.insert(number.clone());
        let options = BasicPublishOptions::default();
        for (exchange, key) in [("", "direct"), ("both", "")] {
            let properties = client::persistent();
            let body = number.as_bytes();
            let sent =
                channel.basic_publish(exchange.into(), key.into(), options, body, properties);
            if sent.await.is_err() {
                return known;
            }
        }
        let ack = channel.basic_ack(task.delivery_tag, BasicAckOptions::default());
        if ack.await.is_err() || channel.tx_commit().await.is_err() {
            return known;
        }
        known.committed.insert(number);
    }
}

async fn prepare(broker: &Broker) {
    let (_connection, channel) = client::open_with_confirms(broker).await;
    for queue in QUEUES.iter().chain(&["tasks"]) {
        client::durable_queue(&channel, queue).await;
    }
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let arguments = FieldTable::default();
    let declared =
        channel.exchange_declare("both".into(), ExchangeKind::Fanout, options, arguments);
    declared.await.unwrap();
    for queue in ["left", "right"] {
        client::bind(&channel, queue, "both", "").await;
    }
}

async fn fill(broker: &Broker, tasks: std::ops::Range<u32>) {
    let (_connection, channel) = client::open_with_confirms(broker).await;
    let mut confirms = vec![];
    for number in tasks {
        let options = BasicPublishOptions::default();
        let body = number.to_string();
        let properties: BasicProperties = client::persistent();
        let sent =
            channel.basic_publish("".into(), "tasks".into(), options, body.as_bytes(), properties);
        confirms.push(sent.await.unwrap());
    }
    for confirm in confirms {
        client::soon("a confirm", confirm).await.unwrap();
    }
}

/// What is in the queues holds against what the clients know: each transaction is in all of them
/// and its task is gone, or in none and its task is there.
async fn check(broker: &Broker, known: &Known, tasks: u32) {
    let (_connection, channel) = client::open(broker).await;
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for queue in QUEUES {
        for body in client::drain(&channel, queue).await {
            *found.entry(body).or_default() += 1;
        }
    }
    let left: BTreeSet<String> = client::drain(&channel, "tasks").await.into_iter().collect();
    for (number, copies) in &found {
        assert_eq!(*copies, QUEUES.len(), "{number} is there in part");
        assert!(known.begun.contains(number), "{number} was never published");
    }
    for number in &known.committed {
        assert!(found.contains_key(number), "{number} was committed and is gone");
    }
    let done: BTreeSet<&str> =
        found.keys().filter_map(|number| number.split(' ').next_back()).collect();
    assert_eq!(done.len(), found.len(), "a task was done twice");
    for task in 0..tasks {
        let task = task.to_string();
        let (is_done, is_left) = (done.contains(task.as_str()), left.contains(&task));
        assert!(is_done != is_left, "task {task}: done {is_done}, left {is_left}");
    }
}

#[test]
fn a_commit_is_there_whole_or_not_at_all_after_kills() {
    const TASKS: u32 = 4000;
    let rounds = std::env::var("WARREN_TX_ROUNDS").ok().and_then(|text| text.parse().ok());
    let mut broker = Broker::own();
    let mut committed = 0;
    for round in 0..rounds.unwrap_or(ROUNDS) {
        client::run(async {
            prepare(&broker).await;
            fill(&broker, 0..TASKS).await;
        });
        // At another moment in each round.
        let delay = Duration::from_millis(20 + round * 37 % 230);
        let known = client::run(async {
            let connection = client::connect(&broker).await;
            let mut running = vec![];
            for number in 0..CHANNELS {
                let channel = connection.create_channel().await.unwrap();
                let name = format!("r{round}c{number}");
                running.push(tokio::spawn(commit_on(channel, name)));
            }
            tokio::time::sleep(delay).await;
            broker.kill();
            let mut all = Known::default();
            for task in running {
                let known = client::soon("the end of a channel", task).await.unwrap();
                all.begun.extend(known.begun);
                all.committed.extend(known.committed);
            }
            all
        });
        committed += known.committed.len();
        broker.restart();
        client::run(check(&broker, &known, TASKS));
    }
    assert!(committed > 20, "only {committed} transactions were committed");
}

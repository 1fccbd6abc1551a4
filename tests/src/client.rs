//! Short forms of what the tests do most with lapin, each with a bound on its time.

use crate::{Broker, GLANCE, PATIENCE};
use futures_lite::StreamExt;
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use lapin::{Error, ErrorKind};
use std::future::Future;
use std::time::{Duration, Instant};

/// The longest that one test may take. A test that needs longer waits for something in vain.
pub const TEST_LIMIT: Duration = Duration::from_secs(90);

/// Runs a test's asynchronous part to its end on this thread.
///
/// # Panics
/// When it takes longer than [`TEST_LIMIT`].
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let limited = async { tokio::time::timeout(TEST_LIMIT, test).await };
    runtime.block_on(limited).expect("the test ends in time")
}

/// Waits for `step`, but not longer than [`PATIENCE`].
pub async fn soon<T>(what: &str, step: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, step).await {
        Ok(done) => done,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

/// Opens a connection as guest to virtual host `/`.
pub async fn connect(broker: &Broker) -> Connection {
    connect_to(&broker.uri()).await.expect("guest may connect from the loopback address")
}

/// Opens a connection to an address as clients write it.
pub async fn connect_to(uri: &str) -> Result<Connection, Error> {
    soon("a connection", Connection::connect(uri, ConnectionProperties::default())).await
}

/// Opens a connection with one channel. The connection must be kept: dropping it closes it.
pub async fn open(broker: &Broker) -> (Connection, Channel) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.expect("a channel can be opened");
    (connection, channel)
}

/// Opens a connection with one channel in confirm mode.
pub async fn open_with_confirms(broker: &Broker) -> (Connection, Channel) {
    let (connection, channel) = open(broker).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms are offered");
    (connection, channel)
}

/// A table of arguments.
pub fn table<V: Into<lapin::types::AMQPValue>>(
    entries: impl IntoIterator<Item = (&'static str, V)>,
) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value.into());
    }
    table
}

/// Declares a transient queue that belongs to no connection; gives its name.
pub async fn queue(channel: &Channel, name: &str) -> String {
    declare(channel, name, QueueDeclareOptions::default()).await
}

/// Declares a queue that survives restarts; gives its name.
pub async fn durable_queue(channel: &Channel, name: &str) -> String {
    declare(channel, name, QueueDeclareOptions::durable()).await
}

/// Declares a queue with options and without arguments; gives its name.
pub async fn declare(channel: &Channel, name: &str, options: QueueDeclareOptions) -> String {
    let declared = channel.queue_declare(name.into(), options, FieldTable::default()).await;
    declared.expect("the queue can be declared").name().to_string()
}

/// Binds a queue without arguments.
pub async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) {
    let options = QueueBindOptions::default();
    let arguments = FieldTable::default();
    let bound = channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments);
    bound.await.expect("the queue can be bound");
}

/// Publishes a transient message and gives its confirm, if the channel asked for confirms.
pub async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8]) -> Confirmation {
    publish_with(channel, exchange, key, body, BasicProperties::default()).await
}

/// Publishes a persistent message and gives its confirm.
pub async fn publish_persistent(channel: &Channel, queue: &str, body: &[u8]) -> Confirmation {
    publish_with(channel, "", queue, body, persistent()).await
}

/// Publishes a message with properties and gives its confirm.
pub async fn publish_with(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Confirmation {
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(exchange.into(), key.into(), options, body, properties).await;
    soon("a confirm", sent.expect("the channel takes a message")).await.expect("a confirm comes")
}

/// Properties of a message that survives restarts.
pub fn persistent() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

/// Takes one message from a queue, if there is one; it is left unacknowledged.
pub async fn get(channel: &Channel, queue: &str) -> Option<BasicGetMessage> {
    let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: false });
    soon("an answer to basic.get", got).await.expect("basic.get works")
}

/// Takes all messages from a queue and settles them; gives their bodies as text.
pub async fn drain(channel: &Channel, queue: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true });
        match soon("an answer to basic.get", got).await.expect("basic.get works") {
            Some(message) => bodies.push(text(&message.delivery)),
            None => return bodies,
        }
    }
}

/// Messages that are ready in a queue, as a passive declare tells.
pub async fn ready(channel: &Channel, queue: &str) -> u32 {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
    declared.expect("the queue exists").message_count()
}

/// Waits until a queue has this number of ready messages.
pub async fn wait_until_ready(channel: &Channel, queue: &str, count: u32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = ready(channel, queue).await;
        if found == count {
            return;
        }
        assert!(Instant::now() < deadline, "{queue} has {found} ready messages, not {count}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// Starts a consumer that acknowledges, with a tag that the broker makes.
pub async fn consume(channel: &Channel, queue: &str) -> Consumer {
    consume_with(channel, queue, "", BasicConsumeOptions::default()).await
}

/// Starts a consumer.
pub async fn consume_with(
    channel: &Channel,
    queue: &str,
    tag: &str,
    options: BasicConsumeOptions,
) -> Consumer {
    let arguments = FieldTable::default();
    let consumer = channel.basic_consume(queue.into(), tag.into(), options, arguments);
    soon("consume-ok", consumer).await.expect("the queue can be consumed from")
}

/// Sets the prefetch limit, of each new consumer or (`global`) of the whole channel.
pub async fn prefetch(channel: &Channel, count: u16, global: bool) {
    let options = BasicQosOptions { global };
    channel.basic_qos(count, options).await.expect("basic.qos is accepted");
}

/// The next delivery of a consumer.
///
/// # Panics
/// When none comes in time, or the consumer ended.
pub async fn next(consumer: &mut Consumer) -> Delivery {
    let delivery = soon("a delivery", consumer.next()).await;
    delivery.expect("the consumer goes on").expect("the channel is open")
}

/// The next deliveries of a consumer.
pub async fn take(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::with_capacity(count);
    for _ in 0..count {
        deliveries.push(next(consumer).await);
    }
    deliveries
}

/// The body of a message as text.
pub fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.data).into_owned()
}

/// The bodies of messages as text.
pub fn texts(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(text).collect()
}

/// Bodies `first..first + count` as the tests number them: `m0`, `m1`, ...
pub fn numbered(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("m{number}")).collect()
}

/// Publishes the bodies `m0`, `m1`, ... to a queue and waits until it has them.
pub async fn fill(channel: &Channel, queue: &str, count: u32) {
    let before = ready(channel, queue).await;
    for body in numbered(0..count) {
        publish(channel, "", queue, body.as_bytes()).await;
    }
    wait_until_ready(channel, queue, before + count).await;
}

/// The reply code and text with which the broker refused something.
///
/// # Panics
/// When it did not refuse, or the error is not the broker's.
pub fn refusal<T>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Ok(_) => panic!("the broker accepted what it should refuse"),
        Err(error) => reply_of(&error),
    }
}

/// The reply code and text in an error.
///
/// # Panics
/// When the error is not one that the broker sent.
pub fn reply_of(error: &Error) -> (u16, String) {
    match error.kind() {
        ErrorKind::ProtocolError(reply) => (reply.get_id(), reply.get_message().to_string()),
        other => panic!("not a reply of the broker: {other:?}"),
    }
}

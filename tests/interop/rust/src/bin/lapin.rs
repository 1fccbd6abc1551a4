//! Checks a broker with lapin; the library of this crate says which arguments it takes.

use futures_lite::StreamExt;
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions,
    ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    ExchangeKind,
};
use std::process::ExitCode;
use warren_interop::{Checks, Outcome, Trouble, equal, eventually, soon, that};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Trouble> {
    let checks = Checks::from_arguments()?;
    let it = Program { checks: &checks };
    checks.check("exchanges of all kinds, also bound to each other", it.exchanges()).await;
    checks.check("confirms, nacks of a full queue, returns", it.confirms()).await;
    checks.check("transactions commit and roll back", it.transactions()).await;
    checks.check("prefetch, acknowledgements, and putting back", it.prefetch()).await;
    checks.check("dead letters by expiry, rejection and length", it.dead_letters()).await;
    checks.check("priorities order a queue", it.priorities()).await;
    checks.check("a single active consumer, and the next", it.single_active()).await;
    checks.check("the server cancels consumers of a deleted queue", it.cancelled()).await;
    checks.check("requests and replies over direct reply-to", it.direct_reply()).await;
    checks.check("a stream is read from an offset", it.stream()).await;
    checks.check("errors have RabbitMQ's codes and texts", it.errors()).await;
    checks.check("a virtual topic gives each group one copy", it.virtual_topic()).await;
    checks.check("confirmed messages outlive a restart", it.survives("restart")).await;
    checks.check("confirmed messages outlive kill -9", it.survives("kill")).await;
    Ok(checks.finish())
}

struct Program<'a> {
    checks: &'a Checks,
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &str) -> Outcome {
    publish_with(channel, exchange, key, body, BasicProperties::default()).await.map(|_| ())
}

async fn publish_with(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> Result<Confirmation, Trouble> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let body = body.as_bytes();
    let sent = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
    Ok(soon("a message is confirmed", async { sent.await?.await }).await??)
}

async fn get(channel: &Channel, queue: &str) -> Result<BasicGetMessage, Trouble> {
    eventually("a message is there", || async {
        Ok(channel.basic_get(queue.into(), BasicGetOptions::default()).await?)
    })
    .await
}

async fn bodies(channel: &Channel, queue: &str, count: usize) -> Result<Vec<String>, Trouble> {
    let mut found = vec![];
    while found.len() < count {
        let message = get(channel, queue).await?;
        message.ack(BasicAckOptions::default()).await?;
        found.push(String::from_utf8_lossy(&message.data).into_owned());
    }
    let rest = channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
    that(rest.is_none(), "there are more messages")?;
    Ok(found)
}

async fn consume(channel: &Channel, queue: &str, tag: &str) -> Result<Consumer, Trouble> {
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    Ok(channel.basic_consume(queue.into(), tag.into(), options, none).await?)
}

async fn next(consumer: &mut Consumer) -> Result<Delivery, Trouble> {
    let delivery = soon("a delivery comes", consumer.next()).await?;
    Ok(delivery.ok_or("the consumer ended")??)
}

/// The reason of the newest death.
fn reason(delivery: &BasicGetMessage) -> String {
    let deaths = delivery.properties.headers().as_ref().and_then(|it| it.inner().get("x-death"));
    let Some(AMQPValue::FieldArray(deaths)) = deaths else { return "no x-death".to_owned() };
    match deaths.as_slice().first() {
        Some(AMQPValue::FieldTable(death)) => match death.inner().get("reason") {
            Some(AMQPValue::LongString(reason)) => reason.to_string(),
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    }
}

impl Program<'_> {
    async fn connect(&self) -> Result<Connection, Trouble> {
        let uri = format!("amqp://guest:guest@{}:{}/%2f", self.checks.host, self.checks.port);
        Ok(soon("a connection", Connection::connect(&uri, ConnectionProperties::default()))
            .await??)
    }

    async fn open(&self) -> Result<(Connection, Channel), Trouble> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }

    async fn queue<const N: usize>(
        &self,
        channel: &Channel,
        arguments: [(&str, AMQPValue); N],
    ) -> Result<String, Trouble> {
        let name = self.checks.unique("lapin");
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.as_str().into(), options, table(arguments)).await?;
        Ok(name)
    }

    async fn exchanges(&self) -> Outcome {
        let (_connection, channel) = self.open().await?;
        let kinds = [
            ExchangeKind::Direct,
            ExchangeKind::Fanout,
            ExchangeKind::Topic,
            ExchangeKind::Headers,
        ];
        for kind in kinds {
            let (source, inner) = (self.checks.unique("source"), self.checks.unique("inner"));
            let queue = self.queue(&channel, []).await?;
            let options =
                ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
            let none = FieldTable::default;
            let word = format!("{kind:?}");
            channel.exchange_declare(source.as_str().into(), kind, options, none()).await?;
            let fanout = ExchangeKind::Fanout;
            channel.exchange_declare(inner.as_str().into(), fanout, options, none()).await?;
            let (inner, source) = (inner.as_str(), source.as_str());
            let matching = table([("x-match", text("all")), ("n", AMQPValue::LongInt(1))]);
            let options = ExchangeBindOptions::default();
            let (to, from) = (inner.into(), source.into());
            channel.exchange_bind(to, from, "a.b".into(), options, matching).await?;
            let options = QueueBindOptions::default();
            let to = queue.as_str().into();
            channel.queue_bind(to, inner.into(), "".into(), options, none()).await?;
            let headers = table([("n", AMQPValue::LongInt(1))]);
            let properties = BasicProperties::default().with_headers(headers);
            publish_with(&channel, source, "a.b", &word, properties).await?;
            equal(bodies(&channel, &queue, 1).await?, vec![word])?;
        }
        Ok(())
    }

    async fn confirms(&self) -> Outcome {
        let (_connection, channel) = self.open().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let arguments =
            [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", text("reject-publish"))];
        let queue = self.queue(&channel, arguments).await?;
        let none = BasicProperties::default;
        let first = publish_with(&channel, "", &queue, "first", none()).await?;
        that(matches!(first, Confirmation::Ack(None)), format!("{first:?}"))?;
        let second = publish_with(&channel, "", &queue, "second", none()).await?;
        that(matches!(second, Confirmation::Nack(_)), format!("{second:?}"))?;
        let nobody = self.checks.unique("nobody");
        let third = publish_with(&channel, "amq.direct", &nobody, "third", none()).await?;
        let Confirmation::Ack(Some(returned)) = third else {
            return Err(format!("it did not come back: {third:?}").into());
        };
        equal(returned.reply_code, 312)
    }

    async fn transactions(&self) -> Outcome {
        let (_connection, channel) = self.open().await?;
        let queue = self.queue(&channel, []).await?;
        channel.tx_select().await?;
        publish(&channel, "", &queue, "lost").await?;
        channel.tx_rollback().await?;
        publish(&channel, "", &queue, "kept").await?;
        channel.tx_commit().await?;
        equal(bodies(&channel, &queue, 1).await?, vec!["kept".to_owned()])
    }

    async fn prefetch(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        let queue = self.queue(&channel, []).await?;
        for number in 0..10 {
            publish(&channel, "", &queue, &number.to_string()).await?;
        }
        channel.basic_qos(3, BasicQosOptions::default()).await?;
        let mut consumer = consume(&channel, &queue, "tag").await?;
        let mut held = vec![];
        for _ in 0..3 {
            held.push(next(&mut consumer).await?);
        }
        let asking = connection.create_channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let name = queue.as_str().into();
        let declared = asking.queue_declare(name, passive, FieldTable::default()).await?;
        equal(declared.message_count(), 7)?;
        held[0].nack(BasicNackOptions { requeue: true, multiple: false }).await?;
        let again = next(&mut consumer).await?;
        equal((again.data.as_slice(), again.redelivered), (&b"0"[..], true))?;
        again.ack(BasicAckOptions { multiple: true }).await?;
        for _ in 0..3 {
            next(&mut consumer).await?;
        }
        channel.basic_cancel("tag".into(), BasicCancelOptions::default()).await?;
        Ok(())
    }

    async fn dead_letters(&self) -> Outcome {
        let (_connection, channel) = self.open().await?;
        let dead = self.queue(&channel, []).await?;
        let arguments = [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(&dead)),
            ("x-max-length", AMQPValue::LongInt(1)),
        ];
        let queue = self.queue(&channel, arguments).await?;
        let brief = BasicProperties::default().with_expiration("20".into());
        publish_with(&channel, "", &queue, "x", brief).await?;
        equal(reason(&get(&channel, &dead).await?), "expired".to_owned())?;
        publish(&channel, "", &queue, "y").await?;
        let message = get(&channel, &queue).await?;
        message.reject(BasicRejectOptions { requeue: false }).await?;
        equal(reason(&get(&channel, &dead).await?), "rejected".to_owned())?;
        publish(&channel, "", &queue, "drop").await?;
        publish(&channel, "", &queue, "stay").await?;
        equal(reason(&get(&channel, &dead).await?), "maxlen".to_owned())
    }

    async fn priorities(&self) -> Outcome {
        let (_connection, channel) = self.open().await?;
        let levels = AMQPValue::LongInt(10);
        let queue = self.queue(&channel, [("x-max-priority", levels)]).await?;
        for priority in [1, 9, 4] {
            let properties = BasicProperties::default().with_priority(priority);
            publish_with(&channel, "", &queue, &priority.to_string(), properties).await?;
        }
        equal(bodies(&channel, &queue, 3).await?.join(" "), "9 4 1".to_owned())
    }

    async fn single_active(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        let yes = AMQPValue::Boolean(true);
        let queue = self.queue(&channel, [("x-single-active-consumer", yes)]).await?;
        let first_channel = connection.create_channel().await?;
        let mut first = consume(&first_channel, &queue, "first").await?;
        let mut second = consume(&channel, &queue, "second").await?;
        publish(&channel, "", &queue, "x").await?;
        next(&mut first).await?;
        first_channel.close(200, "bye".into()).await?;
        that(next(&mut second).await?.redelivered, "it is not marked")
    }

    async fn cancelled(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        let queue = self.queue(&channel, []).await?;
        let mut consumer = consume(&channel, &queue, "tag").await?;
        let other = connection.create_channel().await?;
        other.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
        let end = soon("the consumer ends", consumer.next()).await?;
        that(end.is_none_or(|it| it.is_err()), "a delivery came")
    }

    async fn direct_reply(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        let queue = self.queue(&channel, []).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let reply_to = "amq.rabbitmq.reply-to";
        let mut replies = channel
            .basic_consume(reply_to.into(), "".into(), options, FieldTable::default())
            .await?;
        let properties = BasicProperties::default().with_reply_to(reply_to.into());
        publish_with(&channel, "", &queue, "ask", properties).await?;
        let server = connection.create_channel().await?;
        let asked = get(&channel, &queue).await?;
        let to = asked.properties.reply_to().as_ref().ok_or("it has no address")?.to_string();
        publish(&server, "", &to, "answer").await?;
        equal(next(&mut replies).await?.data.as_slice(), &b"answer"[..])
    }

    async fn stream(&self) -> Outcome {
        let (_connection, channel) = self.open().await?;
        let name = self.checks.unique("stream");
        let arguments = table([("x-queue-type", text("stream"))]);
        let options = QueueDeclareOptions::durable();
        channel.queue_declare(name.as_str().into(), options, arguments).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        for number in 0..5 {
            publish(&channel, "", &name, &number.to_string()).await?;
        }
        channel.basic_qos(10, BasicQosOptions::default()).await?;
        let from = table([("x-stream-offset", AMQPValue::LongLongInt(2))]);
        let options = BasicConsumeOptions::default();
        let mut consumer =
            channel.basic_consume(name.as_str().into(), "tag".into(), options, from).await?;
        for number in 2..5 {
            let delivery = next(&mut consumer).await?;
            equal(String::from_utf8_lossy(&delivery.data).into_owned(), number.to_string())?;
            delivery.ack(BasicAckOptions::default()).await?;
        }
        channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await?;
        Ok(())
    }

    async fn errors(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let Err(error) = channel.queue_declare("none".into(), passive, FieldTable::default()).await
        else {
            return Err("a missing queue was found".into());
        };
        let told = error.to_string();
        that(told.contains("NOT_FOUND - no queue 'none' in vhost '/'"), &told)?;
        let again = connection.create_channel().await?;
        let Err(error) = again.tx_commit().await else {
            return Err("a commit without a transaction was taken".into());
        };
        let told = error.to_string();
        that(told.contains("PRECONDITION_FAILED - channel is not transactional"), &told)
    }

    async fn virtual_topic(&self) -> Outcome {
        self.checks.only_warren()?;
        let (_connection, channel) = self.open().await?;
        let queues = ["Consumer.A.VirtualTopic.Lapin", "Consumer.B.VirtualTopic.*"];
        for queue in queues {
            let options = QueueDeclareOptions::default();
            channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        }
        publish(&channel, "amq.virtual-topic", "VirtualTopic.Lapin", "x").await?;
        for queue in queues {
            equal(bodies(&channel, queue, 1).await?, vec!["x".to_owned()])?;
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        }
        Ok(())
    }

    async fn survives(&self, command: &str) -> Outcome {
        let (connection, channel) = self.open().await?;
        let name = self.checks.unique("durable");
        let durable = QueueDeclareOptions::durable();
        channel.queue_declare(name.as_str().into(), durable, FieldTable::default()).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        for number in 0..50 {
            let kept = BasicProperties::default().with_delivery_mode(2);
            let sent = publish_with(&channel, "", &name, &number.to_string(), kept).await?;
            that(sent.is_ack(), "it is refused")?;
        }
        let mut consumer = consume(&channel, &name, "tag").await?;
        next(&mut consumer).await?;
        self.checks.control(command).await?;
        soon("the consumer ends", async { while let Some(Ok(_)) = consumer.next().await {} })
            .await?;
        that(!connection.status().connected(), "the connection goes on")?;
        let (_connection, channel) = self.open().await?;
        let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        equal(bodies(&channel, &name, 50).await?, expected)?;
        channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await?;
        Ok(())
    }
}

//! Checks a broker with amqprs; the library of this crate says which arguments it takes.

use amqprs::callbacks::{ChannelCallback, DefaultChannelCallback, DefaultConnectionCallback};
use amqprs::channel::{
    BasicAckArguments, BasicConsumeArguments, BasicGetArguments, BasicNackArguments,
    BasicPublishArguments, BasicQosArguments, Channel, ConfirmSelectArguments,
    ExchangeDeclareArguments, QueueBindArguments, QueueDeclareArguments, QueueDeleteArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::error::Error;
use amqprs::{Ack, BasicProperties, Cancel, CloseChannel, FieldTable, FieldValue, Nack, Return};
use async_trait::async_trait;
use std::process::ExitCode;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use warren_interop::{Checks, Outcome, Trouble, equal, eventually, soon, that};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Trouble> {
    let checks = Checks::from_arguments()?;
    let it = Program { checks: &checks };
    checks.check("the server's properties are as this client wants them", it.server()).await;
    checks.check("exchanges of all kinds", it.exchanges()).await;
    checks.check("confirms, nacks of a full queue, returns", it.confirms()).await;
    checks.check("transactions commit and roll back", it.transactions()).await;
    checks.check("prefetch, acknowledgements, and putting back", it.prefetch()).await;
    checks.check("priorities and dead letters by arguments", it.arguments()).await;
    checks.check("the server cancels consumers of a deleted queue", it.cancelled()).await;
    checks.check("the secret of a connection is renewed", it.update_secret()).await;
    checks.check("a missing queue ends the channel", it.errors()).await;
    checks.check("confirmed messages outlive a restart", it.survives("restart")).await;
    checks.check("confirmed messages outlive kill -9", it.survives("kill")).await;
    Ok(checks.finish())
}

/// What the server sends by itself, as words.
struct Notes(UnboundedSender<String>);

impl Notes {
    fn add(&self, note: String) {
        // Nobody listens when a check is over.
        let _ = self.0.send(note);
    }
}

#[async_trait]
impl ChannelCallback for Notes {
    async fn close(&mut self, _: &Channel, close: CloseChannel) -> Result<(), Error> {
        self.add(format!("closed: {close}"));
        Ok(())
    }

    async fn cancel(&mut self, _: &Channel, cancel: Cancel) -> Result<(), Error> {
        self.add(format!("cancelled: {}", cancel.consumer_tag()));
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, _: Ack) {
        self.add("ack".to_owned());
    }

    async fn publish_nack(&mut self, _: &Channel, _: Nack) {
        self.add("nack".to_owned());
    }

    async fn publish_return(
        &mut self,
        _: &Channel,
        returned: Return,
        _: BasicProperties,
        _: Vec<u8>,
    ) {
        self.add(format!("returned: {}", returned.reply_code()));
    }
}

async fn note(notes: &mut UnboundedReceiver<String>) -> Result<String, Trouble> {
    soon("a note comes", notes.recv()).await?.ok_or_else(|| "the channel is gone".into())
}

struct Program<'a> {
    checks: &'a Checks,
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &str) -> Outcome {
    publish_with(channel, exchange, key, body, BasicProperties::default()).await
}

async fn publish_with(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> Outcome {
    let arguments = BasicPublishArguments::new(exchange, key).mandatory(true).finish();
    Ok(channel.basic_publish(properties, body.as_bytes().to_vec(), arguments).await?)
}

/// The next body, acknowledged.
async fn get(channel: &Channel, queue: &str) -> Result<String, Trouble> {
    let (found, _, body) = eventually("a message is there", || async {
        Ok(channel.basic_get(BasicGetArguments::new(queue)).await?)
    })
    .await?;
    channel.basic_ack(BasicAckArguments::new(found.delivery_tag(), false)).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn table<const N: usize>(entries: [(&str, FieldValue); N]) -> Result<FieldTable, Trouble> {
    let mut table = FieldTable::new();
    for (name, value) in entries {
        table.insert(name.try_into().map_err(|_| "a name is too long")?, value);
    }
    Ok(table)
}

fn text(value: &str) -> Result<FieldValue, Trouble> {
    Ok(FieldValue::S(value.try_into().map_err(|_| "a text is too long")?))
}

impl Program<'_> {
    async fn connect(&self) -> Result<Connection, Trouble> {
        let arguments =
            OpenConnectionArguments::new(&self.checks.host, self.checks.port, "guest", "guest");
        let connection = soon("a connection", Connection::open(&arguments)).await??;
        connection.register_callback(DefaultConnectionCallback).await?;
        Ok(connection)
    }

    async fn open(&self) -> Result<(Connection, Channel), Trouble> {
        let connection = self.connect().await?;
        let channel = connection.open_channel(None).await?;
        channel.register_callback(DefaultChannelCallback).await?;
        Ok((connection, channel))
    }

    async fn open_noted(
        &self,
    ) -> Result<(Connection, Channel, UnboundedReceiver<String>), Trouble> {
        let connection = self.connect().await?;
        let channel = connection.open_channel(None).await?;
        let (sender, receiver) = unbounded_channel();
        channel.register_callback(Notes(sender)).await?;
        Ok((connection, channel, receiver))
    }

    async fn queue(&self, channel: &Channel, arguments: FieldTable) -> Result<String, Trouble> {
        let name = self.checks.unique("amqprs");
        let mut declare = QueueDeclareArguments::new(&name);
        let declare = declare.exclusive(true).arguments(arguments).finish();
        channel.queue_declare(declare).await?;
        Ok(name)
    }

    async fn server(&self) -> Outcome {
        let connection = self.connect().await?;
        let properties = connection.server_properties();
        equal(properties.product(), "RabbitMQ")?;
        let capabilities = properties.capabilities();
        that(capabilities.publisher_confirms(), "no confirms")?;
        that(capabilities.direct_reply_to(), "no direct reply-to")?;
        connection.close().await?;
        Ok(())
    }

    async fn exchanges(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        for kind in ["direct", "fanout", "topic", "headers"] {
            let name = self.checks.unique(kind);
            let queue = self.queue(&channel, FieldTable::new()).await?;
            let mut declare = ExchangeDeclareArguments::new(&name, kind);
            channel.exchange_declare(declare.auto_delete(true).finish()).await?;
            let mut bind = QueueBindArguments::new(&queue, &name, "a.b");
            let matching = table([("x-match", text("all")?)])?;
            channel.queue_bind(bind.arguments(matching).finish()).await?;
            publish(&channel, &name, "a.b", kind).await?;
            equal(get(&channel, &queue).await?, kind.to_owned())?;
        }
        connection.close().await?;
        Ok(())
    }

    async fn confirms(&self) -> Outcome {
        let (connection, channel, mut notes) = self.open_noted().await?;
        channel.confirm_select(ConfirmSelectArguments::default()).await?;
        let arguments =
            table([("x-max-length", FieldValue::I(1)), ("x-overflow", text("reject-publish")?)])?;
        let queue = self.queue(&channel, arguments).await?;
        publish(&channel, "", &queue, "first").await?;
        equal(note(&mut notes).await?, "ack".to_owned())?;
        publish(&channel, "", &queue, "second").await?;
        equal(note(&mut notes).await?, "nack".to_owned())?;
        publish(&channel, "amq.direct", &self.checks.unique("nobody"), "third").await?;
        equal(note(&mut notes).await?, "returned: 312".to_owned())?;
        equal(note(&mut notes).await?, "ack".to_owned())?;
        connection.close().await?;
        Ok(())
    }

    async fn transactions(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        let queue = self.queue(&channel, FieldTable::new()).await?;
        channel.tx_select().await?;
        publish(&channel, "", &queue, "lost").await?;
        channel.tx_rollback().await?;
        publish(&channel, "", &queue, "kept").await?;
        channel.tx_commit().await?;
        equal(get(&channel, &queue).await?, "kept".to_owned())?;
        channel.tx_commit().await?;
        connection.close().await?;
        Ok(())
    }

    async fn prefetch(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        let queue = self.queue(&channel, FieldTable::new()).await?;
        for number in 0..4 {
            publish(&channel, "", &queue, &number.to_string()).await?;
        }
        channel.basic_qos(BasicQosArguments::new(0, 2, false)).await?;
        let consume = BasicConsumeArguments::new(&queue, "tag").manual_ack(true).finish();
        let (_, mut messages) = channel.basic_consume_rx(consume).await?;
        let mut found = vec![];
        while found.len() < 5 {
            let message = soon("a delivery comes", messages.recv()).await?.ok_or("it ended")?;
            let deliver = message.deliver.ok_or("it is no delivery")?;
            let body = message.content.ok_or("it has no body")?;
            found.push(String::from_utf8_lossy(&body).into_owned());
            let tag = deliver.delivery_tag();
            if found.len() == 1 {
                channel.basic_nack(BasicNackArguments::new(tag, false, true)).await?;
            } else {
                channel.basic_ack(BasicAckArguments::new(tag, false)).await?;
            }
        }
        equal(found.iter().filter(|it| *it == "0").count(), 2)?;
        connection.close().await?;
        Ok(())
    }

    async fn arguments(&self) -> Outcome {
        let (connection, channel) = self.open().await?;
        let dead = self.queue(&channel, FieldTable::new()).await?;
        let arguments = table([
            ("x-max-priority", FieldValue::I(5)),
            ("x-dead-letter-exchange", text("")?),
            ("x-dead-letter-routing-key", text(&dead)?),
        ])?;
        let queue = self.queue(&channel, arguments).await?;
        publish(&channel, "", &queue, "low").await?;
        let high = BasicProperties::default().with_priority(5).finish();
        publish_with(&channel, "", &queue, "high", high).await?;
        equal(get(&channel, &queue).await?, "high".to_owned())?;
        let brief = BasicProperties::default().with_expiration("20").finish();
        equal(get(&channel, &queue).await?, "low".to_owned())?;
        publish_with(&channel, "", &queue, "brief", brief).await?;
        equal(get(&channel, &dead).await?, "brief".to_owned())?;
        connection.close().await?;
        Ok(())
    }

    async fn cancelled(&self) -> Outcome {
        let (connection, channel, mut notes) = self.open_noted().await?;
        let queue = self.queue(&channel, FieldTable::new()).await?;
        let consume = BasicConsumeArguments::new(&queue, "tag");
        let (_, _messages) = channel.basic_consume_rx(consume).await?;
        channel.queue_delete(QueueDeleteArguments::new(&queue)).await?;
        equal(note(&mut notes).await?, "cancelled: tag".to_owned())?;
        connection.close().await?;
        Ok(())
    }

    async fn update_secret(&self) -> Outcome {
        let connection = self.connect().await?;
        connection.update_secret("guest", "it is time").await?;
        connection.close().await?;
        Ok(())
    }

    async fn errors(&self) -> Outcome {
        let (connection, channel, mut notes) = self.open_noted().await?;
        let passive = QueueDeclareArguments::new("none").passive(true).finish();
        let found = soon("an answer comes", channel.queue_declare(passive)).await?;
        that(found.is_err(), "a missing queue was found")?;
        let told = note(&mut notes).await?;
        that(told.contains("404") && told.contains("NOT_FOUND - no queue 'none'"), &told)?;
        connection.close().await?;
        Ok(())
    }

    async fn survives(&self, command: &str) -> Outcome {
        let (connection, channel, mut notes) = self.open_noted().await?;
        let name = self.checks.unique("durable");
        let mut declare = QueueDeclareArguments::new(&name);
        channel.queue_declare(declare.durable(true).finish()).await?;
        channel.confirm_select(ConfirmSelectArguments::default()).await?;
        for number in 0..20 {
            let kept = BasicProperties::default().with_delivery_mode(2).finish();
            publish_with(&channel, "", &name, &number.to_string(), kept).await?;
            equal(note(&mut notes).await?, "ack".to_owned())?;
        }
        self.checks.control(command).await?;
        eventually("the connection ends", || async { Ok((!connection.is_open()).then_some(())) })
            .await?;
        let (again, channel) = self.open().await?;
        for number in 0..20 {
            equal(get(&channel, &name).await?, number.to_string())?;
        }
        channel.queue_delete(QueueDeleteArguments::new(&name)).await?;
        again.close().await?;
        Ok(())
    }
}

//! Connections, channels and consumers, made with lapin; federation and shovels where there are any.

use crate::checks::{Outcome, Trouble, equal, eventually, that};
use crate::{World, refused};
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use rabbitmq_http_client::commons::MessageTransferAcknowledgementMode;
use rabbitmq_http_client::requests::shovels::{
    Amqp091ShovelDestinationParams, Amqp091ShovelParams, Amqp091ShovelSourceParams,
};
use rabbitmq_http_client::requests::{FederationUpstreamParams, QueueFederationParams};

pub async fn run(world: &World) {
    let checks = &world.checks;
    checks.check("connections and channels", connections(world)).await;
    checks.check("consumers", consumers(world)).await;
    checks.check("connections are closed", closed(world)).await;
    checks.check("messages are counted", counted(world)).await;
    checks.check("federation upstreams", federation(world)).await;
    checks.check("shovels", shovels(world)).await;
    checks.check("stream connections are a list", streams(world)).await;
}

/// Names of virtual hosts have slashes here, which are escaped in addresses.
async fn connect(world: &World, vhost: &str) -> Result<Connection, Trouble> {
    let (host, port) = (&world.checks.host, world.checks.port);
    let path = vhost.replace('/', "%2f");
    let address = format!("amqp://guest:guest@{host}:{port}/{path}");
    let properties = ConnectionProperties::default().with_connection_name("rust".into());
    Ok(Connection::connect(&address, properties).await?)
}

/// The name of the one connection of a virtual host, when it is told whole.
async fn told(world: &World, vhost: &str) -> Result<String, Trouble> {
    eventually("the connection is told", || async {
        let found = world.api.list_user_connections("guest").await?;
        let mine = found.into_iter().find(|it| it.vhost == vhost);
        let Some(mine) = mine else { return Ok(None) };
        let whole = world.api.get_connection_info(&mine.name).await.is_ok();
        Ok(whole.then_some(mine.name))
    })
    .await
}

async fn connections(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    let connection = connect(world, &vhost).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(9, BasicQosOptions::default()).await?;
    let name = told(world, &vhost).await?;
    let found = world.api.get_connection_info(&name).await?;
    equal((found.username.as_str(), found.protocol.as_str()), ("guest", "AMQP 0-9-1"))?;
    equal(found.client_properties.connection_name.clone(), "rust".to_owned())?;
    equal(world.api.list_connections_in(&vhost).await?.len(), 1)?;
    that(!world.api.list_connections().await?.is_empty(), "connections")?;
    let seen = eventually("its channel is told", || async {
        Ok(world.api.list_channels_on(&name).await?.into_iter().next())
    })
    .await?;
    equal((seen.has_publisher_confirms_enabled, seen.vhost.as_str()), (true, vhost.as_str()))?;
    equal(world.api.get_channel_info(&seen.name).await?.id, seen.id)?;
    equal(world.api.list_channels_in(&vhost).await?.len(), 1)?;
    that(!world.api.list_channels().await?.is_empty(), "channels")?;
    connection.close(200, "done".into()).await?;
    world.done_with(&vhost).await
}

async fn consumers(world: &World) -> Outcome {
    // RabbitMQ 3.10.8 does not tell a consumer's timeout.
    world.later_than_3_10()?;
    let vhost = world.vhost().await?;
    world.api.declare_classic_queue(&vhost, "q").await?;
    let connection = connect(world, &vhost).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(9, BasicQosOptions::default()).await?;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let _consumer = channel.basic_consume("q".into(), "tag".into(), options, arguments).await?;
    let found = eventually("it is told", || async {
        Ok(world.api.list_consumers_in(&vhost).await?.into_iter().next())
    })
    .await?;
    equal((found.consumer_tag.as_str(), found.prefetch_count, found.manual_ack), ("tag", 9, true))?;
    equal((found.queue.name.as_str(), found.active), ("q", true))?;
    that(!world.api.list_consumers().await?.is_empty(), "consumers")?;
    equal(world.api.get_queue_info(&vhost, "q").await?.consumer_count, 1)?;
    connection.close(200, "done".into()).await?;
    world.done_with(&vhost).await
}

async fn closed(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    let first = connect(world, &vhost).await?;
    let name = told(world, &vhost).await?;
    world.api.close_connection(&name, Some("Go home"), false).await?;
    eventually("it ends", || async { Ok((!first.status().connected()).then_some(())) }).await?;
    eventually("it is told no more", || async {
        Ok(world.api.get_connection_info(&name).await.is_err().then_some(()))
    })
    .await?;
    world.api.close_connection(&name, None, true).await?;
    refused(404, world.api.close_connection(&name, None, false).await)?;
    let second = connect(world, &vhost).await?;
    told(world, &vhost).await?;
    world.api.close_user_connections("guest", Some("All of you"), false).await?;
    eventually("it ends, too", || async { Ok((!second.status().connected()).then_some(())) })
        .await?;
    world.done_with(&vhost).await
}

async fn counted(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    world.api.declare_classic_queue(&vhost, "q").await?;
    let connection = connect(world, &vhost).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    for _ in 0..5 {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = channel.basic_publish("".into(), "q".into(), options, b"12345", properties);
        sent.await?.await?;
    }
    eventually("they are counted", || async {
        let found = world.api.get_queue_info(&vhost, "q").await?;
        Ok((found.message_count == 5 && found.message_bytes == 25).then_some(()))
    })
    .await?;
    let totals = eventually("the overview counts them", || async {
        let found = world.api.overview().await?.queue_totals;
        Ok((found.all_messages >= 5).then_some(found))
    })
    .await?;
    that(totals.messages_ready_for_delivery >= 5, "ready messages")?;
    connection.close(200, "done".into()).await?;
    world.done_with(&vhost).await
}

async fn federation(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    let params = FederationUpstreamParams::new_queue_federation_upstream(
        &vhost,
        "up",
        "amqp://127.0.0.1:1",
        QueueFederationParams::new("q"),
    );
    if world.api.declare_federation_upstream(params).await.is_err() {
        world.done_with(&vhost).await?;
        return world.checks.skip("the server has no federation");
    }
    equal(world.api.get_federation_upstream(&vhost, "up").await?.name.as_str(), "up")?;
    equal(world.api.list_federation_upstreams().await?.len(), 1)?;
    equal(world.api.list_federation_links().await?.len(), 0)?;
    world.api.delete_federation_upstream(&vhost, "up", false).await?;
    world.done_with(&vhost).await
}

async fn shovels(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    let uri = "amqp://127.0.0.1:1";
    let params = Amqp091ShovelParams {
        name: "s",
        vhost: &vhost,
        acknowledgement_mode: MessageTransferAcknowledgementMode::WhenConfirmed,
        reconnect_delay: Some(5),
        source: Amqp091ShovelSourceParams::queue_source(uri, "a"),
        destination: Amqp091ShovelDestinationParams::queue_destination(uri, "b"),
    };
    if world.api.declare_amqp091_shovel(params).await.is_err() {
        world.done_with(&vhost).await?;
        return world.checks.skip("the server has no shovels");
    }
    eventually("it is told", || async {
        Ok(world.api.list_shovels_in(&vhost).await?.into_iter().next())
    })
    .await?;
    equal(world.api.list_shovels().await?.len(), 1)?;
    world.api.delete_shovel(&vhost, "s", false).await?;
    world.done_with(&vhost).await
}

async fn streams(world: &World) -> Outcome {
    let empty = world.api.list_stream_connections().await;
    if empty.is_err() {
        return world.checks.skip("the server has no stream protocol");
    }
    equal(world.api.list_stream_publishers().await?.len(), 0)?;
    equal(world.api.list_stream_consumers().await?.len(), 0)
}

//! The server as a whole: overview, nodes, names, health, features, definitions.

use crate::checks::{Outcome, equal, that};
use crate::{World, arguments, login, refused};
use rabbitmq_http_client::commons::SupportedProtocol;
use rabbitmq_http_client::error::Error;
use rabbitmq_http_client::requests::QueueParams;
use rabbitmq_http_client::responses::{HealthCheckFailureDetails, ReachabilityProbeOutcome};
use serde_json::json;

pub async fn run(world: &World) {
    let checks = &world.checks;
    checks.check("the overview", overview(world)).await;
    checks.check("nodes", nodes(world)).await;
    checks.check("the memory of a node", memory(world)).await;
    checks.check("who is logged in", whoami(world)).await;
    checks.check("whether the server can be reached", reachable(world)).await;
    checks.check("the cluster's name and tags", cluster(world)).await;
    checks.check("health checks that pass", healthy(world)).await;
    checks.check("health checks that fail say why", unhealthy(world)).await;
    checks.check("feature flags", feature_flags(world)).await;
    checks.check("deprecated features", deprecated(world)).await;
    checks.check("plugins", plugins(world)).await;
    checks.check("attempts to log in", attempts(world)).await;
    checks.check("queue leaders are spread anew", rebalanced(world)).await;
    checks.check("definitions of everything", definitions(world)).await;
    checks.check("definitions of a virtual host", vhost_definitions(world)).await;
}

async fn overview(world: &World) -> Outcome {
    let found = world.api.overview().await?;
    equal(found.rabbitmq_version.clone(), world.api.server_version().await?)?;
    that(!found.cluster_name.is_empty() && !found.node.is_empty(), "names are missing")?;
    that(!found.product_name.is_empty() && !found.product_version.is_empty(), "no product")?;
    that(found.object_totals.exchanges >= 7, "exchanges are missing")?;
    let port = u32::from(world.checks.port);
    that(found.listeners.iter().any(|it| it.port == port), "the listener is missing")
}

async fn nodes(world: &World) -> Outcome {
    world.later_than_3_10()?;
    let found = world.api.list_nodes().await?;
    equal(found.len(), 1)?;
    let node = world.api.get_node_info(&found[0].name).await?;
    that(node.uptime > 0 && node.os_pid > 0 && node.fd_total > 0, "numbers are missing")?;
    that(node.processors > 0 && node.memory_high_watermark > 0, "limits are missing")?;
    that(!node.has_memory_alarm_in_effect && !node.being_drained, "it is not well")
}

async fn memory(world: &World) -> Outcome {
    world.later_than_3_10()?;
    let nodes = world.api.list_nodes().await?;
    let footprint = world.api.get_node_memory_footprint(&nodes[0].name).await?;
    // A server may have no breakdown, and say so.
    match footprint.breakdown {
        Some(breakdown) => that(breakdown.total.rss > 0, "no memory at all"),
        None => Ok(()),
    }
}

async fn whoami(world: &World) -> Outcome {
    let found = world.api.current_user().await?;
    equal(found.name.as_str(), "guest")?;
    equal(found.tags.0, vec!["administrator".to_owned()])?;
    refused(401, login(&world.endpoint, "guest", "wrong").current_user().await)
}

async fn reachable(world: &World) -> Outcome {
    let outcome = world.api.probe_reachability().await;
    that(matches!(outcome, ReachabilityProbeOutcome::Reached(_)), "it is not reached")?;
    let outcome = login(&world.endpoint, "guest", "wrong").probe_reachability().await;
    that(matches!(outcome, ReachabilityProbeOutcome::Unreachable(_)), "anybody gets in")
}

async fn cluster(world: &World) -> Outcome {
    let old = world.api.get_cluster_name().await?;
    world.api.set_cluster_name("burrow").await?;
    equal(world.api.get_cluster_name().await?.name.as_str(), "burrow")?;
    world.api.set_cluster_name(&old.name).await?;
    let tags = arguments(json!({"region": "here"})).unwrap_or_default();
    world.api.set_cluster_tags(tags).await?;
    equal(world.api.get_cluster_tags().await?.0.len(), 1)?;
    world.api.clear_cluster_tags().await?;
    Ok(())
}

async fn healthy(world: &World) -> Outcome {
    let api = &world.api;
    api.health_check_cluster_wide_alarms().await?;
    api.health_check_local_alarms().await?;
    api.health_check_if_node_is_quorum_critical().await?;
    api.health_check_port_listener(world.checks.port).await?;
    api.health_check_protocol_listener(SupportedProtocol::AMQP).await?;
    Ok(())
}

async fn unhealthy(world: &World) -> Outcome {
    let Err(Error::HealthCheckFailed { details, .. }) =
        world.api.health_check_port_listener(1).await
    else {
        return Err("nobody listens on port 1".into());
    };
    let HealthCheckFailureDetails::NoActivePortListener(port) = &details else {
        return Err(format!("read as {details:?}").into());
    };
    equal(port.inactive_port, 1)?;
    let stomp = SupportedProtocol::STOMP;
    let Err(Error::HealthCheckFailed { details, .. }) =
        world.api.health_check_protocol_listener(stomp).await
    else {
        return Err("nobody speaks STOMP".into());
    };
    let read = matches!(
        details,
        HealthCheckFailureDetails::NoActiveProtocolListener(_)
            | HealthCheckFailureDetails::NoActiveProtocolListeners(_)
    );
    that(read && !details.reason().is_empty(), format!("read as {details:?}"))
}

async fn feature_flags(world: &World) -> Outcome {
    let found = world.api.list_feature_flags().await?.0;
    that(!found.is_empty(), "no feature flags")?;
    world.api.enable_feature_flag(&found[0].name).await?;
    world.api.enable_all_stable_feature_flags().await?;
    Ok(())
}

async fn deprecated(world: &World) -> Outcome {
    world.later_than_3_10()?;
    let all = world.api.list_all_deprecated_features().await?.0;
    let used = world.api.list_deprecated_features_in_use().await?.0;
    that(used.len() <= all.len(), "more are used than there are")
}

async fn plugins(world: &World) -> Outcome {
    world.later_than_3_10()?;
    let nodes = world.api.list_nodes().await?;
    let all = world.api.list_all_cluster_plugins().await?;
    equal(world.api.list_node_plugins(&nodes[0].name).await?.0.len(), all.0.len())
}

async fn attempts(world: &World) -> Outcome {
    world.later_than_3_10()?;
    let nodes = world.api.list_nodes().await?;
    let found = world.api.auth_attempts_statistics(&nodes[0].name).await?;
    that(found.iter().any(|it| it.all_attempt_count > 0), format!("{found:?}"))
}

async fn rebalanced(world: &World) -> Outcome {
    Ok(world.api.rebalance_queue_leaders().await?)
}

async fn definitions(world: &World) -> Outcome {
    let name = world.vhost().await?;
    let queue = QueueParams::new_durable_classic_queue("q", arguments(json!({"x-max-length": 5})));
    world.api.declare_queue(&name, &queue).await?;
    world.api.bind_queue(&name, "q", "amq.topic", Some("a.#"), None).await?;
    let text = world.api.export_cluster_wide_definitions().await?;
    equal(world.api.export_cluster_wide_definitions_as_string().await?.len(), text.len())?;
    let data = world.api.export_cluster_wide_definitions_as_data().await?;
    that(data.server_version.is_some() && !data.users.is_empty(), "users are missing")?;
    that(data.virtual_hosts.iter().any(|it| it.name == name), "the vhost is missing")?;
    that(data.queues.iter().any(|it| it.vhost == name && it.durable), "the queue is missing")?;
    that(data.bindings.iter().any(|it| it.vhost == name), "the binding is missing")?;
    world.done_with(&name).await?;
    world.api.import_definitions(serde_json::from_str(&text)?).await?;
    let back = world.api.get_queue_info(&name, "q").await?;
    equal(back.arguments.get("x-max-length").cloned(), Some(json!(5)))?;
    let more = json!({"global_parameters": [{"name": "rust", "value": {"a": 1}}]});
    world.api.import_cluster_wide_definitions(more).await?;
    world.api.clear_global_runtime_parameter("rust").await?;
    refused(400, world.api.import_definitions(json!([])).await)?;
    world.done_with(&name).await
}

async fn vhost_definitions(world: &World) -> Outcome {
    let (name, other) = (world.vhost().await?, world.vhost().await?);
    world.api.declare_classic_queue(&name, "q").await?;
    world.api.bind_queue(&name, "q", "amq.topic", Some("a.#"), None).await?;
    let text = world.api.export_vhost_definitions(&name).await?;
    equal(world.api.export_vhost_definitions_as_string(&name).await?.len(), text.len())?;
    let data = world.api.export_vhost_definitions_as_data(&name).await?;
    equal((data.queues.len(), data.bindings.len()), (1, 1))?;
    world.api.import_vhost_definitions(&other, serde_json::from_str(&text)?).await?;
    equal(world.api.list_queue_bindings(&other, "q").await?.len(), 2)?;
    world.done_with(&name).await?;
    world.done_with(&other).await
}

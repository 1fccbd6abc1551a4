//! The same with the client's blocking methods, as far as they are more than the same answers.

use crate::World;
use crate::checks::{Outcome, Trouble, equal, that};
use rabbitmq_http_client::blocking_api::Client;
use rabbitmq_http_client::commons::{
    PaginationParams, PolicyTarget, SupportedProtocol, VirtualHostLimitTarget,
};
use rabbitmq_http_client::requests::{
    BindingDeletionParams, EnforcedLimitParams, ExchangeParams, Permissions,
    PolicyDefinitionBuilder, PolicyParams, UserParams, VirtualHostParams,
};
use serde_json::Map;

type Api = Client<String, String, String>;
type Check = fn(&Api, &str) -> Outcome;

const CHECKS: [(&str, Check); 6] = [
    ("blocking: the server", server),
    ("blocking: queues, exchanges, bindings", objects),
    ("blocking: messages", messages),
    ("blocking: users and permissions", users),
    ("blocking: policies and limits", policies),
    ("blocking: definitions", definitions),
];

pub async fn run(world: &World) {
    for (name, check) in CHECKS {
        let (endpoint, vhost) = (world.endpoint.clone(), world.checks.unique("blocking/vhost"));
        // What it reads of nodes is as later versions tell it.
        let may = if name == CHECKS[0].0 { world.later_than_3_10() } else { Ok(()) };
        let body = async move {
            may?;
            let task = tokio::task::spawn_blocking(move || -> Result<(), Trouble> {
                let api = Client::new(endpoint, "guest".to_owned(), "guest".to_owned());
                api.create_vhost(&VirtualHostParams::named(&vhost))?;
                let outcome = check(&api, &vhost);
                api.delete_vhost(&vhost, false)?;
                outcome
            });
            task.await?
        };
        world.checks.check(name, body).await;
    }
}

fn server(api: &Api, _: &str) -> Outcome {
    that(!api.overview()?.cluster_name.is_empty(), "no name")?;
    equal(api.server_version()?, api.overview()?.rabbitmq_version)?;
    let nodes = api.list_nodes()?;
    equal(api.get_node_info(&nodes[0].name)?.name, nodes[0].name.clone())?;
    equal(api.current_user()?.name.as_str(), "guest")?;
    equal(api.get_cluster_name()?.name.is_empty(), false)?;
    api.health_check_cluster_wide_alarms()?;
    api.health_check_local_alarms()?;
    api.health_check_if_node_is_quorum_critical()?;
    api.health_check_protocol_listener(SupportedProtocol::AMQP)?;
    that(api.health_check_port_listener(1).is_err(), "nobody listens on port 1")?;
    that(!api.list_feature_flags()?.0.is_empty(), "no feature flags")?;
    that(!api.list_vhosts()?.is_empty(), "no vhosts")?;
    Ok(api.rebalance_queue_leaders()?)
}

fn objects(api: &Api, vhost: &str) -> Outcome {
    api.declare_classic_queue(vhost, "q")?;
    api.declare_exchange(vhost, &ExchangeParams::durable_topic("x", None))?;
    api.bind_queue(vhost, "q", "x", Some("a b/c"), None)?;
    equal(api.get_queue_info(vhost, "q")?.durable, true)?;
    equal(api.get_exchange_info(vhost, "x")?.exchange_type.as_str(), "topic")?;
    equal(api.list_queues_in_paged(vhost, &PaginationParams::new(1, 5))?.len(), 1)?;
    let names: Vec<_> = api.list_exchanges_in(vhost)?.into_iter().map(|it| it.name).collect();
    that(names.contains(&"x".to_owned()) && names.len() >= 8, "exchanges are missing")?;
    let bindings = api.list_exchange_bindings_with_source(vhost, "x")?;
    equal(bindings.len(), 1)?;
    api.delete_binding(&BindingDeletionParams::from_binding_info(&bindings[0]), false)?;
    equal(api.list_queue_bindings(vhost, "q")?.len(), 1)?;
    equal(api.list_connections_in(vhost)?.len(), 0)?;
    equal(api.list_channels_in(vhost)?.len(), 0)?;
    equal(api.list_consumers_in(vhost)?.len(), 0)?;
    api.delete_exchange(vhost, "x", false)?;
    api.delete_queue(vhost, "q", false)?;
    that(api.delete_queue(vhost, "q", false).is_err(), "it was deleted twice")
}

fn messages(api: &Api, vhost: &str) -> Outcome {
    api.declare_classic_queue(vhost, "q")?;
    equal(api.publish_message(vhost, "amq.default", "q", "hi", Map::new())?.routed, true)?;
    let found = api.get_messages(vhost, "q", 1, "ack_requeue_true")?;
    equal(found[0].payload.as_str(), "hi")?;
    api.purge_queue(vhost, "q")?;
    equal(api.get_messages(vhost, "q", 1, "ack_requeue_false")?.len(), 0)
}

fn users(api: &Api, vhost: &str) -> Outcome {
    let name = "blocking";
    api.create_user(&UserParams::management(name, ""))?;
    equal(api.get_user(name)?.tags.0, vec!["management".to_owned()])?;
    api.grant_permissions(&Permissions::read_only(name, vhost))?;
    equal(api.get_permissions(vhost, name)?.user.as_str(), name)?;
    equal(api.list_permissions_of(name)?.len(), 1)?;
    api.clear_permissions(vhost, name, false)?;
    api.delete_user(name, false)?;
    that(api.get_user(name).is_err(), "it is still there")
}

fn policies(api: &Api, vhost: &str) -> Outcome {
    let definition = PolicyDefinitionBuilder::new().max_length(5).build();
    let policy = PolicyParams::new(vhost, "p", "^q", definition).apply_to(PolicyTarget::Queues);
    api.declare_policy(&policy)?;
    equal(api.list_policies_in(vhost)?.len(), 1)?;
    api.declare_operator_policy(&policy)?;
    equal(api.list_operator_policies_in(vhost)?.len(), 1)?;
    api.delete_operator_policy(vhost, "p", false)?;
    api.delete_policy(vhost, "p", false)?;
    let limit = EnforcedLimitParams::new(VirtualHostLimitTarget::MaxQueues, 3);
    api.set_vhost_limit(vhost, limit)?;
    equal(api.list_vhost_limits(vhost)?.len(), 1)?;
    Ok(api.clear_vhost_limit(vhost, VirtualHostLimitTarget::MaxQueues)?)
}

fn definitions(api: &Api, vhost: &str) -> Outcome {
    api.declare_classic_queue(vhost, "q")?;
    let text = api.export_vhost_definitions(vhost)?;
    api.delete_queue(vhost, "q", false)?;
    api.import_vhost_definitions(vhost, serde_json::from_str(&text)?)?;
    equal(api.get_queue_info(vhost, "q")?.durable, true)?;
    that(!api.export_cluster_wide_definitions_as_data()?.users.is_empty(), "no users")
}

//! Users, permissions, limits, policies and parameters.

use crate::checks::{Outcome, equal, that};
use crate::{World, login, refused};
use rabbitmq_http_client::commons::{PolicyTarget, UserLimitTarget, VirtualHostLimitTarget};
use rabbitmq_http_client::password_hashing::{base64_encoded_salted_password_hash_sha256, salt};
use rabbitmq_http_client::requests::{
    EnforcedLimitParams, GlobalRuntimeParameterDefinition, Permissions, PolicyDefinitionBuilder,
    PolicyParams, RuntimeParameterDefinition, TopicPermissions, UserParams,
};
use serde_json::{Map, json};

pub async fn run(world: &World) {
    let checks = &world.checks;
    checks.check("users", users(world)).await;
    checks.check("permissions", permissions(world)).await;
    checks.check("topic permissions", topic_permissions(world)).await;
    checks.check("limits of users", user_limits(world)).await;
    checks.check("limits of virtual hosts", vhost_limits(world)).await;
    checks.check("policies", policies(world)).await;
    checks.check("operator policies", operator_policies(world)).await;
    checks.check("runtime parameters", parameters(world)).await;
    checks.check("global parameters", global_parameters(world)).await;
}

async fn user(world: &World, password: &str, tags: &str) -> Result<String, crate::Trouble> {
    let name = world.checks.unique("ann");
    let hash = base64_encoded_salted_password_hash_sha256(&salt(), password);
    world.api.create_user(&UserParams::new(&name, &hash, tags)).await?;
    Ok(name)
}

async fn users(world: &World) -> Outcome {
    let name = user(world, "secret", "monitoring,mine").await?;
    let found = world.api.get_user(&name).await?;
    equal(found.tags.0, vec!["monitoring".to_owned(), "mine".to_owned()])?;
    that(found.password_hash.is_some(), "the hash is missing")?;
    let own = login(&world.endpoint, &name, "secret");
    equal(own.current_user().await?.name, name.clone())?;
    refused(401, own.list_users().await)?;
    that(world.api.list_users().await?.len() >= 2, "users")?;
    let without = world.api.list_users_without_permissions().await?;
    that(without.iter().any(|it| it.name == name), "it has permissions")?;
    let other = user(world, "x", "").await?;
    world.api.delete_users(vec![&other]).await?;
    world.api.delete_user(&name, false).await?;
    world.api.delete_user(&name, true).await?;
    refused(404, world.api.delete_user(&name, false).await)?;
    refused(404, world.api.get_user(&name).await)
}

async fn permissions(world: &World) -> Outcome {
    let (vhost, name) = (world.vhost().await?, user(world, "x", "").await?);
    let api = &world.api;
    let given =
        Permissions { user: &name, vhost: &vhost, configure: "^c", write: "^w", read: ".*" };
    api.grant_permissions(&given).await?;
    let found = api.get_permissions(&vhost, &name).await?;
    equal(
        (found.configure.as_str(), found.write.as_str(), found.read.as_str()),
        ("^c", "^w", ".*"),
    )?;
    equal(api.list_permissions_of(&name).await?.len(), 1)?;
    equal(api.list_permissions_in(&vhost).await?.len(), 2)?;
    that(api.list_permissions().await?.len() >= 3, "permissions")?;
    api.declare_permissions(&Permissions::no_access(&name, &vhost)).await?;
    api.grant_full_permissions(&name, &vhost).await?;
    equal(api.get_permissions(&vhost, &name).await?.configure.as_str(), ".*")?;
    refused(400, api.grant_full_permissions("nobody", &vhost).await)?;
    api.clear_permissions(&vhost, &name, false).await?;
    refused(404, api.get_permissions(&vhost, &name).await)?;
    api.clear_permissions(&vhost, &name, true).await?;
    api.delete_user(&name, false).await?;
    world.done_with(&vhost).await
}

async fn topic_permissions(world: &World) -> Outcome {
    let (vhost, name) = (world.vhost().await?, user(world, "x", "").await?);
    let given = TopicPermissions {
        user: &name,
        vhost: &vhost,
        exchange: "amq.topic",
        write: "^w",
        read: "^r",
    };
    world.api.declare_topic_permissions(&given).await?;
    equal(world.api.list_topic_permissions_of(&name).await?[0].exchange.as_str(), "amq.topic")?;
    equal(world.api.list_topic_permissions_in(&vhost).await?.len(), 1)?;
    that(!world.api.list_topic_permissions().await?.is_empty(), "topic permissions")?;
    world.api.clear_topic_permissions(&vhost, &name, false).await?;
    equal(world.api.list_topic_permissions_in(&vhost).await?.len(), 0)?;
    world.api.delete_user(&name, false).await?;
    world.done_with(&vhost).await
}

async fn user_limits(world: &World) -> Outcome {
    let name = user(world, "x", "").await?;
    for kind in [UserLimitTarget::MaxChannels, UserLimitTarget::MaxConnections] {
        world.api.set_user_limit(&name, EnforcedLimitParams::new(kind, 7)).await?;
    }
    let found = world.api.list_user_limits(&name).await?;
    equal(found[0].limits.0.get("max-channels").cloned(), Some(json!(7)))?;
    that(!world.api.list_all_user_limits().await?.is_empty(), "limits")?;
    world.api.clear_user_limit(&name, UserLimitTarget::MaxChannels).await?;
    let found = world.api.list_user_limits(&name).await?;
    equal(found[0].limits.0.keys().cloned().collect(), vec!["max-connections".to_owned()])?;
    Ok(world.api.delete_user(&name, false).await?)
}

async fn vhost_limits(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    for kind in [VirtualHostLimitTarget::MaxQueues, VirtualHostLimitTarget::MaxConnections] {
        world.api.set_vhost_limit(&vhost, EnforcedLimitParams::new(kind, 7)).await?;
    }
    let found = world.api.list_vhost_limits(&vhost).await?;
    equal(found[0].limits.0.get("max-queues").cloned(), Some(json!(7)))?;
    that(!world.api.list_all_vhost_limits().await?.is_empty(), "limits")?;
    world.api.clear_vhost_limit(&vhost, VirtualHostLimitTarget::MaxQueues).await?;
    world.done_with(&vhost).await
}

async fn policies(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    let api = &world.api;
    let definition =
        || PolicyDefinitionBuilder::new().max_length(5).dead_letter_exchange("amq.fanout").build();
    let first = PolicyParams::new(&vhost, "a/b", "^q", definition())
        .apply_to(PolicyTarget::Queues)
        .priority(7);
    api.declare_policy(&first).await?;
    let found = api.get_policy(&vhost, "a/b").await?;
    equal((found.priority, found.pattern.as_str()), (7, "^q"))?;
    equal(found.definition.get("max-length").cloned(), Some(json!(5)))?;
    let second = PolicyParams::new(&vhost, "second", "^none", definition());
    api.declare_policies(vec![&first, &second]).await?;
    equal(api.list_policies_in(&vhost).await?.len(), 2)?;
    that(api.list_policies().await?.len() >= 2, "policies")?;
    let matching = api.list_matching_policies(&vhost, "queue", PolicyTarget::ClassicQueues).await?;
    equal(matching.len(), 1)?;
    equal(api.list_policies_for_target(&vhost, PolicyTarget::Queues).await?.len(), 2)?;
    let bad = PolicyParams::new(&vhost, "bad", "[", definition());
    refused(400, api.declare_policy(&bad).await)?;
    api.delete_policy(&vhost, "a/b", false).await?;
    refused(404, api.get_policy(&vhost, "a/b").await)?;
    api.delete_policies_in(&vhost, vec!["second"]).await?;
    equal(api.list_policies_in(&vhost).await?.len(), 0)?;
    world.done_with(&vhost).await
}

async fn operator_policies(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    let api = &world.api;
    let definition = || PolicyDefinitionBuilder::new().max_length(5).message_ttl(9000).build();
    let first = PolicyParams::new(&vhost, "o", "^q", definition()).apply_to(PolicyTarget::Queues);
    api.declare_operator_policy(&first).await?;
    equal(api.get_operator_policy(&vhost, "o").await?.pattern.as_str(), "^q")?;
    let second =
        PolicyParams::new(&vhost, "p", "^none", definition()).apply_to(PolicyTarget::Queues);
    api.declare_operator_policies(vec![&first, &second]).await?;
    equal(api.list_operator_policies_in(&vhost).await?.len(), 2)?;
    that(api.list_operator_policies().await?.len() >= 2, "operator policies")?;
    let kind = PolicyTarget::ClassicQueues;
    equal(api.list_matching_operator_policies(&vhost, "queue", kind).await?.len(), 1)?;
    let kind = PolicyTarget::Queues;
    equal(api.list_operator_policies_for_target(&vhost, kind).await?.len(), 2)?;
    api.delete_operator_policy(&vhost, "o", false).await?;
    api.delete_operator_policies_in(&vhost, vec!["p"]).await?;
    equal(api.list_operator_policies_in(&vhost).await?.len(), 0)?;
    world.done_with(&vhost).await
}

async fn parameters(world: &World) -> Outcome {
    let vhost = world.vhost().await?;
    let api = &world.api;
    let mut value = Map::new();
    value.insert("max-queues".to_owned(), json!(4));
    let parameter = RuntimeParameterDefinition {
        name: "limits",
        vhost: &vhost,
        component: "vhost-limits",
        value,
    };
    api.upsert_runtime_parameter(&parameter).await?;
    let found = api.get_runtime_parameter("vhost-limits", &vhost, "limits").await?;
    equal(found.value.get("max-queues").cloned(), Some(json!(4)))?;
    equal(api.list_runtime_parameters_of_component_in("vhost-limits", &vhost).await?.len(), 1)?;
    that(!api.list_runtime_parameters_of_component("vhost-limits").await?.is_empty(), "of one")?;
    that(!api.list_runtime_parameters().await?.is_empty(), "parameters")?;
    api.clear_runtime_parameter("vhost-limits", &vhost, "limits", false).await?;
    api.clear_runtime_parameter("vhost-limits", &vhost, "limits", true).await?;
    refused(404, api.get_runtime_parameter("vhost-limits", &vhost, "limits").await)?;
    api.upsert_runtime_parameter(&parameter).await?;
    api.clear_all_runtime_parameters_of_component("vhost-limits").await?;
    equal(api.list_runtime_parameters_of_component("vhost-limits").await?.len(), 0)?;
    world.done_with(&vhost).await
}

async fn global_parameters(world: &World) -> Outcome {
    let name = world.checks.unique("global");
    let mut value = Map::new();
    value.insert("a".to_owned(), json!([1, "b"]));
    let parameter = GlobalRuntimeParameterDefinition { name: &name, value };
    world.api.upsert_global_runtime_parameter(&parameter).await?;
    let found = world.api.get_global_runtime_parameter(&name).await?;
    equal(serde_json::to_value(&found.value)?, json!({"a": [1, "b"]}))?;
    let all = world.api.list_global_runtime_parameters().await?;
    that(all.iter().any(|it| it.name == name), "not listed")?;
    world.api.clear_global_runtime_parameter(&name).await?;
    refused(404, world.api.get_global_runtime_parameter(&name).await)
}

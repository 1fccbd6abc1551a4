//! Virtual hosts, queues, exchanges, bindings and messages.

use crate::checks::{Outcome, equal, that};
use crate::{World, arguments, refused};
use rabbitmq_http_client::commons::{ExchangeType, PaginationParams, QueueType};
use rabbitmq_http_client::requests::{
    BindingDeletionParams, ExchangeParams, QueueParams, StreamParams, VirtualHostParams,
};
use serde_json::{Map, json};

pub async fn run(world: &World) {
    let checks = &world.checks;
    checks.check("virtual hosts", vhosts(world)).await;
    checks.check("queues of all types", queues(world)).await;
    checks.check("a queue declared otherwise is refused", inequivalent(world)).await;
    checks.check("queues by pages", pages(world)).await;
    checks.check("exchanges of all types", exchanges(world)).await;
    checks.check("bindings", bindings(world)).await;
    checks.check("bindings with odd keys and arguments are deleted one by one", odd(world)).await;
    checks.check("messages", messages(world)).await;
    checks.check("things with odd names", names(world)).await;
}

async fn vhosts(world: &World) -> Outcome {
    let name = world.checks.unique("rust/vhost");
    let params = VirtualHostParams::named(&name).with_description("mine").with_tags(vec!["a", "b"]);
    world.api.create_vhost(&params).await?;
    let found = world.api.get_vhost(&name).await?;
    equal(found.description.as_deref(), Some("mine"))?;
    equal(found.tags.map(|tags| tags.0), Some(vec!["a".to_owned(), "b".to_owned()]))?;
    world.api.update_vhost(&VirtualHostParams::named(&name).with_description("other")).await?;
    equal(world.api.get_vhost(&name).await?.description.as_deref(), Some("other"))?;
    that(world.api.list_vhosts().await?.iter().any(|it| it.name == name), "not listed")?;
    let page = PaginationParams::first_page(1);
    equal(world.api.list_vhosts_paged(&page).await?.len(), 1)?;
    world.done_with(&name).await?;
    world.api.delete_vhost(&name, true).await?;
    refused(404, world.api.delete_vhost(&name, false).await)?;
    refused(404, world.api.get_vhost(&name).await)
}

async fn queues(world: &World) -> Outcome {
    let name = world.vhost().await?;
    let api = &world.api;
    api.declare_classic_queue(&name, "classic").await?;
    api.declare_quorum_queue(&name, "quorum").await?;
    api.declare_stream(&name, &StreamParams::new("stream", "2h")).await?;
    let params = QueueParams::new_durable_classic_queue("limits", None)
        .with_message_ttl(60_000)
        .with_queue_ttl(90_000)
        .with_max_length(10)
        .with_dead_letter_exchange("amq.fanout");
    api.declare_queue(&name, &params).await?;
    let transient = QueueParams::new_transient_autodelete("transient", None);
    api.declare_queue(&name, &transient).await?;
    for (queue, kind) in [("classic", "classic"), ("quorum", "quorum"), ("stream", "stream")] {
        equal(api.get_queue_info(&name, queue).await?.queue_type.as_str(), kind)?;
    }
    equal(api.get_stream_info(&name, "stream").await?.durable, true)?;
    let limits = api.get_queue_info(&name, "limits").await?.arguments;
    equal(limits.get("x-message-ttl").cloned(), Some(json!(60_000)))?;
    equal(limits.get("x-max-length").cloned(), Some(json!(10)))?;
    equal(api.get_queue_info(&name, "transient").await?.auto_delete, true)?;
    equal(api.list_queues_in(&name).await?.len(), 5)?;
    equal(api.list_classic_queues_in(&name).await?.len(), 3)?;
    equal(api.list_quorum_queues_in(&name).await?.len(), 1)?;
    equal(api.list_streams_in(&name).await?.len(), 1)?;
    that(api.list_queues().await?.len() >= 5, "queues")?;
    that(api.list_classic_queues().await?.len() >= 3, "classic queues")?;
    that(!api.list_quorum_queues().await?.is_empty(), "quorum queues")?;
    that(!api.list_streams().await?.is_empty(), "streams")?;
    api.purge_queue(&name, "classic").await?;
    api.delete_queue(&name, "classic", false).await?;
    api.delete_queue(&name, "classic", true).await?;
    refused(404, api.delete_queue(&name, "classic", false).await)?;
    refused(404, api.get_queue_info(&name, "classic").await)?;
    api.delete_queues(&name, &["limits", "transient"], false).await?;
    api.delete_stream(&name, "stream", false).await?;
    equal(api.list_queues_in(&name).await?.len(), 1)?;
    world.done_with(&name).await
}

async fn inequivalent(world: &World) -> Outcome {
    let name = world.vhost().await?;
    world.api.declare_classic_queue(&name, "q").await?;
    let other = QueueParams::new_transient_autodelete("q", None);
    refused(400, world.api.declare_queue(&name, &other).await)?;
    refused(404, world.api.declare_classic_queue("nowhere", "q").await)?;
    world.done_with(&name).await
}

async fn pages(world: &World) -> Outcome {
    world.later_than_3_10()?;
    let name = world.vhost().await?;
    for number in 0..5 {
        world.api.declare_classic_queue(&name, &format!("q{number}")).await?;
    }
    let mut found = vec![];
    for page in 1..=3 {
        let params = PaginationParams::new(page, 2);
        found.extend(world.api.list_queues_in_paged(&name, &params).await?);
    }
    equal(found.len(), 5)?;
    equal(world.api.list_queues_paged(&PaginationParams::new(1, 3)).await?.len(), 3)?;
    refused(400, world.api.list_queues_paged(&PaginationParams::new(900, 3)).await)?;
    let all = PaginationParams::first_page_default();
    equal(world.api.list_exchanges_in_paged(&name, &all).await?.len(), 7 + world.more_exchanges())?;
    that(world.api.list_exchanges_paged(&all).await?.len() >= 14, "exchanges")?;
    equal(world.api.list_streams_paged(&all).await?.len(), 0)?;
    equal(world.api.list_streams_in_paged(&name, &all).await?.len(), 0)?;
    equal(world.api.list_connections_paged(&all).await?.len(), 0)?;
    equal(world.api.list_channels_paged(&all).await?.len(), 0)?;
    equal(world.api.list_channels_in_paged(&name, &all).await?.len(), 0)?;
    world.done_with(&name).await
}

async fn exchanges(world: &World) -> Outcome {
    let name = world.vhost().await?;
    let alternate = arguments(json!({"alternate-exchange": "amq.fanout"}));
    for kind in [
        ExchangeType::Direct,
        ExchangeType::Fanout,
        ExchangeType::Topic,
        ExchangeType::Headers,
        ExchangeType::ConsistentHashing,
        ExchangeType::Random,
        ExchangeType::RecentHistory,
    ] {
        let exchange = String::from(kind.clone());
        let params = ExchangeParams::durable(&exchange, kind.clone(), alternate.clone());
        world.api.declare_exchange(&name, &params).await?;
        let found = world.api.get_exchange_info(&name, &exchange).await?;
        equal(found.exchange_type, String::from(kind))?;
        equal(found.arguments.get("alternate-exchange").cloned(), Some(json!("amq.fanout")))?;
    }
    equal(world.api.list_exchanges_in(&name).await?.len(), 14 + world.more_exchanges())?;
    that(world.api.list_exchanges().await?.len() >= 21, "exchanges")?;
    let unknown = ExchangeParams::plugin("bad", "x-magic".to_owned(), true, false, None);
    refused(400, world.api.declare_exchange(&name, &unknown).await)?;
    world.api.delete_exchange(&name, "topic", false).await?;
    world.api.delete_exchanges(&name, &["direct", "fanout"], false).await?;
    refused(404, world.api.get_exchange_info(&name, "topic").await)?;
    world.done_with(&name).await
}

async fn bindings(world: &World) -> Outcome {
    let name = world.vhost().await?;
    let api = &world.api;
    api.declare_classic_queue(&name, "q").await?;
    api.declare_exchange(&name, &ExchangeParams::durable_fanout("x", None)).await?;
    api.bind_queue(&name, "q", "amq.topic", Some("a.#"), None).await?;
    api.bind_exchange(&name, "x", "amq.topic", Some("b"), None).await?;
    equal(api.list_queue_bindings(&name, "q").await?.len(), 2)?;
    equal(api.list_exchange_bindings_with_source(&name, "amq.topic").await?.len(), 2)?;
    equal(api.list_exchange_bindings_with_destination(&name, "x").await?.len(), 1)?;
    let all = api.list_bindings_in(&name).await?;
    equal(all.len(), 3)?;
    that(api.list_bindings().await?.len() >= 3, "bindings")?;
    let mine = all.iter().find(|it| it.destination == "q" && it.source == "amq.topic");
    let mine = mine.ok_or("the binding is missing")?;
    let params = BindingDeletionParams::from_binding_info(mine);
    api.delete_binding(&params, false).await?;
    api.delete_binding(&params, true).await?;
    refused(404, api.delete_binding(&params, false).await)?;
    api.recreate_binding(mine).await?;
    equal(api.list_queue_bindings(&name, "q").await?.len(), 2)?;
    refused(404, api.bind_queue(&name, "none", "amq.topic", None, None).await)?;
    world.done_with(&name).await
}

async fn odd(world: &World) -> Outcome {
    let name = world.vhost().await?;
    let api = &world.api;
    api.declare_classic_queue(&name, "q").await?;
    for key in ["", "a b+c", "a/b", "100%", "~", "\u{fc}\u{20ac}", "#.*"] {
        for given in [json!({}), json!({"n": 1}), json!({"deep": {"list": [1, "a", true]}})] {
            api.bind_queue(&name, "q", "amq.topic", Some(key), arguments(given)).await?;
        }
    }
    let all = api.list_exchange_bindings_with_source(&name, "amq.topic").await?;
    equal(all.len(), 21)?;
    for (gone, binding) in all.iter().enumerate() {
        api.delete_binding(&BindingDeletionParams::from_binding_info(binding), false).await?;
        let left = api.list_exchange_bindings_with_source(&name, "amq.topic").await?;
        equal(left.len(), all.len() - gone - 1)?;
    }
    world.done_with(&name).await
}

async fn messages(world: &World) -> Outcome {
    let name = world.vhost().await?;
    let api = &world.api;
    api.declare_classic_queue(&name, "q").await?;
    let mut properties = Map::new();
    properties.insert("priority".to_owned(), json!(3));
    properties.insert("headers".to_owned(), json!({"a": 1, "b": [true, "x"]}));
    for payload in ["one", "two"] {
        let routed = api.publish_message(&name, "amq.default", "q", payload, properties.clone());
        equal(routed.await?.routed, true)?;
    }
    let lost = api.publish_message(&name, "amq.default", "none", "x", Map::new()).await?;
    equal(lost.routed, false)?;
    let found = api.get_messages(&name, "q", 5, "ack_requeue_true").await?;
    equal(found.iter().map(|it| it.payload.as_str()).collect::<Vec<_>>(), vec!["one", "two"])?;
    equal(found[0].properties.0.get("headers").cloned(), Some(json!({"a": 1, "b": [true, "x"]})))?;
    let again = api.get_messages(&name, "q", 1, "ack_requeue_false").await?;
    equal((again[0].redelivered, again[0].message_count), (true, 1))?;
    api.purge_queue(&name, "q").await?;
    equal(api.get_messages(&name, "q", 5, "reject_requeue_false").await?.len(), 0)?;
    refused(404, api.get_messages(&name, "none", 1, "ack_requeue_false").await)?;
    world.done_with(&name).await
}

async fn names(world: &World) -> Outcome {
    let name = world.vhost().await?;
    let api = &world.api;
    for odd in ["a/b", "a b", "a+b", "100%", "?x=1&y", "#", "\u{fc}\u{1f98a}", "a\"b'c"] {
        let params = QueueParams::new(odd, QueueType::Classic, true, false, None);
        api.declare_queue(&name, &params).await?;
        equal(api.get_queue_info(&name, odd).await?.name.as_str(), odd)?;
        api.declare_exchange(&name, &ExchangeParams::durable_topic(odd, None)).await?;
        equal(api.get_exchange_info(&name, odd).await?.name.as_str(), odd)?;
        api.bind_queue(&name, odd, odd, Some(odd), None).await?;
        equal(api.list_queue_bindings(&name, odd).await?.len(), 2)?;
        api.purge_queue(&name, odd).await?;
        api.delete_queue(&name, odd, false).await?;
        api.delete_exchange(&name, odd, false).await?;
    }
    world.done_with(&name).await
}

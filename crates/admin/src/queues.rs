//! Queues.

mod object;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use warren_engine::{Declaration, QueueType, Request};

pub(crate) use object::QueueObject;
use object::{Details, QueueEntry, Shown};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::consumers::ConsumerObject;
use crate::error::Error;
use crate::field_table::{self, short};
use crate::json::lenient;
use crate::list::{Wishes, one};
use crate::samples::{ranges, ranges_of_one};
use crate::session::{exists, request};
use crate::totals::Totals;

/// What a queue is to be.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PutQueue {
    /// It survives a restart.
    #[serde(default, deserialize_with = "lenient::boolean")]
    durable: bool,
    /// It goes when its last consumer goes.
    #[serde(default, deserialize_with = "lenient::boolean")]
    auto_delete: bool,
    /// `x-queue-type` and all others.
    #[serde(default, deserialize_with = "lenient::table")]
    #[schemars(with = "Map<String, Value>")]
    arguments: Map<String, Value>,
    /// Where it is to be; this node is the only one.
    node: Option<String>,
}

/// What is to be done with a queue.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Act {
    /// `sync` or `cancel_sync`, for the mirrors that classic queues once had.
    action: String,
}

pub(crate) async fn all(call: Call) -> Answer {
    let wishes = Wishes::read(&call.query, &["vhost", "name"])?;
    let (ranges, totals) = (ranges(&call.query)?, Totals::read(&call.query));
    let one_host = call.one_virtual_host()?;
    let view = call.api.view().await;
    let (wishes, listing) = if call.query.is_true("holding") {
        (wishes, view.queues_holding(one_host))
    } else {
        (wishes.given_in_order(), view.queues(one_host))
    };
    let clock = listing.clock;
    let seen = listing.items.into_iter().filter(|it| call.sees_virtual_host(&it.virtual_host));
    let entries = seen.map(|queue| QueueEntry { queue, clock }).collect();
    let shown = Shown { view, node: call.api.node_name(), ranges, totals };
    wishes.answer(entries, move |entry: &QueueEntry| entry.object(&shown)).await
}

pub(crate) async fn get(call: Call) -> Answer {
    let (ranges, totals) = (ranges_of_one(&call.query)?, Totals::read(&call.query));
    let view = call.api.view().await;
    let (virtual_host, name) = (call.virtual_host()?, call.path("queue"));
    let (clock, queue) = view.queue(virtual_host, name).ok_or(Error::NoSuchObject)?;
    let shown = Shown { view, node: call.api.node_name(), ranges, totals };
    let mut object = QueueEntry { queue: Arc::clone(&queue), clock }.object(&shown);
    if totals.is_full() {
        let timeout = call.api.consumer_timeout();
        let consumers = shown.view.consumers_of_queue(virtual_host, name).items;
        let consumers = consumers.iter().map(|it| ConsumerObject::of(it, &shown.node, timeout));
        let mut details = Details::of(&queue, consumers.collect());
        if queue.description.kind == QueueType::Stream {
            let stream = name.to_owned();
            let places = call.api.management.ask(virtual_host, move |host| host.places(&stream));
            // Without them the rest is worth something, too.
            if let Ok(Ok(places)) = places.await {
                details = details.with_places(places);
            }
        }
        object.details = Some(details);
    }
    one(&call, &object)
}

pub(crate) async fn put(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host_to_change()?.to_owned();
    let name = short("the name", call.path("queue")).map_err(Error::BadRequest)?;
    let PutQueue { durable, auto_delete, arguments, node } = call.json().await?;
    if let Some(node) = node.filter(|node| call.api.check_node(node).is_err()) {
        return Err(Error::BadRequest(format!("Node {node} could not be contacted")));
    }
    let declaration = Declaration { durable, auto_delete, ..Declaration::default() };
    let arguments = field_table::from_json(&arguments)?;
    let was_there = exists(&call, &virtual_host, asks_for(&name)).await?;
    let declare = Request::QueueDeclare { name, generated: false, declaration, arguments };
    request(&call, &virtual_host, declare).await?;
    answer::put(!was_there)
}

/// Asks whether a queue is there.
fn asks_for(name: &str) -> Request {
    Request::QueueDeclare {
        name: name.to_owned(),
        generated: false,
        declaration: Declaration { passive: true, ..Declaration::default() },
        arguments: warren_amqp::FieldTable::default(),
    }
}

pub(crate) async fn delete(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let name = call.path("queue").to_owned();
    if !exists(&call, &virtual_host, asks_for(&name)).await? {
        return Err(Error::NoSuchObject);
    }
    let if_unused = call.query.is_true("if-unused");
    let if_empty = call.query.is_true("if-empty");
    let delete = Request::QueueDelete { name, if_unused, if_empty, no_wait: false };
    request(&call, &virtual_host, delete).await?;
    answer::done()
}

pub(crate) async fn purge(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let name = call.path("queue").to_owned();
    if !exists(&call, &virtual_host, asks_for(&name)).await? {
        return Err(Error::NoSuchObject);
    }
    request(&call, &virtual_host, Request::QueuePurge { name, no_wait: false }).await?;
    answer::done()
}

pub(crate) async fn act(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host()?.to_owned();
    let Act { action } = call.json().await?;
    if !exists(&call, &virtual_host, asks_for(call.path("queue"))).await? {
        return Err(Error::NoSuchObject);
    }
    match action.as_str() {
        // A queue has no mirrors, so there is nothing to bring up to date.
        "sync" | "cancel_sync" => answer::done(),
        _ => Err(Error::BadTerm("unknown", action)),
    }
}

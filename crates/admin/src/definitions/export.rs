//! Writes definitions, whole or of one virtual host.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_stream::iter;
use warren_engine::ExchangeRecord;
use warren_server::catalog::VirtualHost;
use warren_server::view::{BindingView, ExchangeView, QueueView};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::parameters::{GlobalParameterObject, ParameterObject};
use crate::permissions::{PermissionObject, TopicPermissionObject};
use crate::policies::PolicyObject;
use crate::users::UserObject;
use crate::vhosts::Metadata;
use crate::{field_table, limits};

pub(crate) async fn all(call: Call) -> Answer {
    let state = &*call.state;
    let mut head = head(&call, "cluster");
    let cluster = call.api.cluster_name(state);
    head.insert("explanation".to_owned(), format!("Definitions of cluster '{cluster}'").into());
    head.insert("original_cluster_name".to_owned(), cluster.into());
    put(&mut head, "users", state.users().map(|it| UserObject::exported(it)));
    put(&mut head, "vhosts", state.virtual_hosts().map(|it| virtual_host(it)));
    put(&mut head, "permissions", state.permissions().map(|it| PermissionObject::from(&**it)));
    let topics = state.topic_permissions().map(|it| TopicPermissionObject::from(&**it));
    put(&mut head, "topic_permissions", topics);
    let globals = state.global_parameters().map(|it| GlobalParameterObject::from(&**it));
    put(&mut head, "global_parameters", globals);
    answer_whole(call, head, None).await
}

pub(crate) async fn one(call: Call) -> Answer {
    let name = call.path("vhost").to_owned();
    let host = call.state.virtual_host(&name).map(Arc::clone);
    let host = host.ok_or_else(|| Error::bad_request("vhost_not_found"))?;
    let mut head = head(&call, "single_virtual_host");
    head.insert("explanation".to_owned(), format!("Definitions of virtual host '{name}'").into());
    head.insert("original_vhost_name".to_owned(), name.clone().into());
    head.insert("description".to_owned(), host.description.clone().into());
    head.insert("metadata".to_owned(), json!(Metadata::from(&*host)));
    head.insert("limits".to_owned(), json!(host.limits));
    answer_whole(call, head, Some(name)).await
}

fn head(call: &Call, format: &str) -> Map<String, Value> {
    let version = &call.api.management.config().identity.version;
    let head = json!({
        "rabbit_version": version,
        "rabbitmq_version": version,
        "product_name": "Warren",
        "product_version": env!("CARGO_PKG_VERSION"),
        "rabbitmq_definition_format": format,
    });
    match head {
        Value::Object(head) => head,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn put<T: Serialize>(head: &mut Map<String, Value>, key: &str, objects: impl Iterator<Item = T>) {
    let objects = objects.filter_map(|object| serde_json::to_value(object).ok());
    head.insert(key.to_owned(), objects.collect());
}

fn virtual_host(host: &VirtualHost) -> Value {
    json!({
        "name": host.name,
        "description": host.description,
        "tags": host.tags,
        "tracing": host.tracing,
        "limits": host.limits,
        "metadata": Metadata::from(host),
    })
}

/// What is in virtual hosts is added: of one, which the objects then do not name, or of all.
async fn answer_whole(call: Call, mut head: Map<String, Value>, one: Option<String>) -> Answer {
    let wanted = |name: &str| one.as_deref().is_none_or(|one| one == name);
    let without_host = one.is_some();
    let strip = move |object: Option<Value>| match object {
        Some(Value::Object(mut object)) if without_host => {
            object.remove("vhost");
            Some(Value::Object(object))
        }
        object => object,
    };
    let policies = call.state.policies(false).filter(|it| wanted(&it.virtual_host));
    let policies = policies.map(|it| strip(serde_json::to_value(PolicyObject::from(&**it)).ok()));
    put(&mut head, "policies", policies.flatten());
    let parameters = call.state.parameters();
    let parameters = parameters.iter().filter(|it| wanted(&it.virtual_host));
    let parameters =
        parameters.map(|it| strip(serde_json::to_value(ParameterObject::from(&**it)).ok()));
    put(&mut head, "parameters", parameters.flatten());

    let view = call.api.view().await;
    let exchanges = view.exchanges(one.as_deref()).items.into_iter();
    let exchanges = exchanges.filter(|it| is_exported(&it.record));
    let queues = view.queues(one.as_deref()).items.into_iter();
    // An exclusive queue belongs to a connection that will not be there.
    let queues = queues.filter(|it| !it.description.record.exclusive);
    let bindings = view.bindings(one.as_deref()).items.into_iter();
    let lists: [(&str, Box<dyn Iterator<Item = Value> + Send>); 3] = [
        ("exchanges", Box::new(exchanges.map(|it| exchange(&it)))),
        ("queues", Box::new(queues.map(|it| queue(&it)))),
        ("bindings", Box::new(bindings.map(|it| binding(&it)))),
    ];
    let lists = lists.map(|(key, objects)| {
        let objects = objects.filter_map(move |object| strip(Some(object)));
        (key, Box::new(objects) as Box<dyn Iterator<Item = Value> + Send>)
    });
    let mut answer = answer::json_bytes(StatusCode::OK, written(head, lists));
    if let Some(name) = call.query.get("download") {
        let disposition = disposition(name)?;
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(answer)
}

/// How a browser is told to save the answer as a file.
fn disposition(name: &str) -> Result<HeaderValue, Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+@".contains(c);
    let invalid = || Error::bad_request("download: is no plain name of a file");
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(invalid());
    }
    HeaderValue::try_from(format!("attachment; filename={name}")).map_err(|_| invalid())
}

/// What the broker makes itself is not exported, nor are exchanges for its own use.
fn is_exported(record: &ExchangeRecord) -> bool {
    !record.name.is_empty() && !record.name.starts_with("amq.")
}

fn exchange(view: &ExchangeView) -> Value {
    let ExchangeRecord { name, kind, durable, auto_delete, internal, arguments } = &*view.record;
    json!({
        "name": name,
        "vhost": &*view.virtual_host,
        "type": kind.name(),
        "durable": durable,
        "auto_delete": auto_delete,
        "internal": internal,
        "arguments": field_table::to_json(arguments),
    })
}

fn queue(view: &QueueView) -> Value {
    let record = &view.description.record;
    json!({
        "name": record.name,
        "vhost": &*view.virtual_host,
        "type": view.description.kind.name(),
        "durable": record.durable,
        "auto_delete": record.auto_delete,
        "arguments": field_table::to_json(&record.arguments),
    })
}

fn binding(view: &BindingView) -> Value {
    json!({
        "source": &*view.source,
        "vhost": &*view.virtual_host,
        "destination": &*view.destination,
        "destination_type": if view.to_exchange { "exchange" } else { "queue" },
        "routing_key": &*view.routing_key,
        "arguments": field_table::to_json(&view.arguments),
    })
}

/// The text of the file, made as it is sent: the head, then the long lists in pieces.
fn written(
    head: Map<String, Value>,
    lists: [(&'static str, Box<dyn Iterator<Item = Value> + Send>); 3],
) -> Body {
    let mut head = Value::Object(head).to_string().into_bytes();
    head.pop();
    let lists = lists.into_iter().flat_map(|(key, mut objects)| {
        let mut before = format!(",\"{key}\":[");
        let mut is_over = false;
        std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let mut bytes = vec![];
            for object in objects.by_ref().take(limits::LIST_CHUNK) {
                bytes.extend_from_slice(std::mem::replace(&mut before, ",".to_owned()).as_bytes());
                bytes.extend_from_slice(object.to_string().as_bytes());
            }
            if bytes.is_empty() {
                is_over = true;
                if before != "," {
                    bytes.extend_from_slice(before.as_bytes());
                }
                bytes.push(b']');
            }
            Some(bytes)
        })
    });
    let all = std::iter::once(head).chain(lists).chain(std::iter::once(b"}".to_vec()));
    Body::from_stream(iter(all.map(Ok::<_, std::convert::Infallible>)))
}

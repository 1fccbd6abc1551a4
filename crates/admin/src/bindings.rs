//! Bindings, each with the key that names it in paths.

mod key;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use warren_amqp::FieldTable;
use warren_engine::{Destination, Request};
use warren_server::view::{BindingView, QueueView, View};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::error::Error;
use crate::field_table::{self, short};
use crate::json::{self, lenient};
use crate::limits;
use crate::list::{Entry, Key, Wishes, one};
use crate::session::request;

/// A binding.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BindingObject {
    /// Empty for the default exchange.
    source: String,
    vhost: String,
    destination: String,
    /// `queue` or `exchange`.
    destination_type: &'static str,
    routing_key: String,
    arguments: Map<String, Value>,
    /// What names it among those between the same two; one more escape is due in a path.
    properties_key: String,
}

/// What a binding is to be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct PostBinding {
    /// Empty if nothing is said.
    #[serde(default)]
    routing_key: Option<String>,
    /// The arguments.
    #[serde(default, deserialize_with = "lenient::table")]
    #[schemars(with = "Map<String, Value>")]
    arguments: Map<String, Value>,
}

/// A binding, explicit or that of a queue to the default exchange.
#[derive(Debug)]
struct BindingEntry(Arc<BindingView>);

fn kind(binding: &BindingView) -> &'static str {
    if binding.to_exchange { "exchange" } else { "queue" }
}

impl BindingEntry {
    fn object(&self) -> BindingObject {
        let Self(binding) = self;
        BindingObject {
            source: binding.source.to_string(),
            vhost: binding.virtual_host.to_string(),
            destination: binding.destination.to_string(),
            destination_type: kind(binding),
            routing_key: binding.routing_key.to_string(),
            arguments: field_table::to_json(&binding.arguments),
            properties_key: key::of(&binding.routing_key, &binding.arguments),
        }
    }
}

impl Entry for BindingEntry {
    fn name(&self) -> &str {
        &self.0.source
    }

    fn other_names(&self) -> [&str; 2] {
        [&self.0.destination, &self.0.routing_key]
    }

    fn key(&self, path: &[&str]) -> Key<'_> {
        let Self(binding) = self;
        match path {
            ["source"] => Key::Text(&binding.source),
            ["vhost"] => Key::Text(&binding.virtual_host),
            ["destination"] => Key::Text(&binding.destination),
            ["destination_type"] => kind(binding).into(),
            ["routing_key"] => Key::Text(&binding.routing_key),
            ["arguments", name] => field_table::key(&binding.arguments, name),
            _ => Key::Missing,
        }
    }
}

/// The binding that every queue has to the default exchange.
fn by_default(queue: &QueueView) -> Arc<BindingView> {
    Arc::new(BindingView {
        virtual_host: Arc::clone(&queue.virtual_host),
        source: "".into(),
        to_exchange: false,
        destination: queue.name().into(),
        routing_key: queue.name().into(),
        arguments: FieldTable::default(),
    })
}

async fn answer_list(call: &Call, bindings: Vec<Arc<BindingView>>) -> Answer {
    let usual = ["vhost", "source", "destination_type", "destination", "routing_key"];
    let wishes = Wishes::read(&call.query, &usual)?;
    let seen = bindings.into_iter().filter(|it| call.sees_virtual_host(&it.virtual_host));
    wishes.answer(seen.map(BindingEntry).collect(), BindingEntry::object).await
}

pub(crate) async fn all(call: Call) -> Answer {
    let one_host = call.one_virtual_host()?;
    let view = call.api.view().await;
    let by_default = view.queues(one_host).items.into_iter().map(|queue| by_default(&queue));
    let bindings = by_default.chain(view.bindings(one_host).items).collect();
    answer_list(&call, bindings).await
}

pub(crate) async fn of_queue(call: Call) -> Answer {
    let (virtual_host, name) = (call.virtual_host()?, call.path("queue"));
    let view = call.api.view().await;
    let (_, queue) = view.queue(virtual_host, name).ok_or(Error::NoSuchObject)?;
    let mut bindings = vec![by_default(&queue)];
    bindings.extend(view.bindings_to(virtual_host, &Destination::Queue(name.to_owned())).items);
    answer_list(&call, bindings).await
}

pub(crate) async fn from_exchange(call: Call) -> Answer {
    let (virtual_host, name) = (call.virtual_host()?, call.exchange("exchange"));
    let view = call.api.view().await;
    let bindings = match name {
        "" => view.queues(Some(virtual_host)).items.iter().map(|it| by_default(it)).collect(),
        name => view.bindings_from(virtual_host, name).items,
    };
    answer_list(&call, bindings).await
}

pub(crate) async fn to_exchange(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?;
    let destination = Destination::Exchange(call.exchange("exchange").to_owned());
    let bindings = call.api.view().await.bindings_to(virtual_host, &destination).items;
    answer_list(&call, bindings).await
}

/// The bindings between two.
fn those_between(
    view: &View,
    virtual_host: &str,
    source: &str,
    destination: &Destination,
) -> Vec<Arc<BindingView>> {
    if let (true, Destination::Queue(name)) = (source.is_empty(), destination) {
        let queue = view.queue(virtual_host, name);
        return queue.iter().map(|(_, queue)| by_default(queue)).collect();
    }
    let bindings = view.bindings_to(virtual_host, destination).items.into_iter();
    bindings.filter(|it| *it.source == *source).collect()
}

/// The two ends that the path names.
fn between_ends(call: &Call) -> Result<(String, Destination), Error> {
    let source = call.exchange("source").to_owned();
    let destination = match call.path("kind") {
        "q" => Destination::Queue(call.path("destination").to_owned()),
        "e" => Destination::Exchange(call.exchange("destination").to_owned()),
        _ => return Err(Error::NoSuchObject),
    };
    Ok((source, destination))
}

pub(crate) async fn between(call: Call) -> Answer {
    let virtual_host = call.virtual_host()?;
    let (source, destination) = between_ends(&call)?;
    let view = call.api.view().await;
    answer_list(&call, those_between(&view, virtual_host, &source, &destination)).await
}

pub(crate) async fn post(mut call: Call) -> Answer {
    let virtual_host = call.virtual_host_to_change()?.to_owned();
    let (source, destination) = between_ends(&call)?;
    let bytes = call.bytes_up_to(limits::BINDING_BYTES).await?;
    let PostBinding { routing_key, arguments } = json::typed(&json::object(&bytes)?)?;
    let routing_key = short("routing_key", &routing_key.unwrap_or_default());
    let routing_key = routing_key.map_err(Error::BadRequest)?;
    let arguments = field_table::from_json(&arguments)?;
    let key = key::of(&routing_key, &arguments);
    let bind = Request::Bind { source, destination, routing_key, arguments, no_wait: false };
    request(&call, &virtual_host, bind).await?;
    // As seen from the request's own path, whose last part is the destination.
    let here = call.uri.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    answer::created(&format!("{here}/{}", key::escaped(&key)))
}

/// The binding that the path names.
async fn found(call: &Call) -> Result<Arc<BindingView>, Error> {
    let virtual_host = call.virtual_host()?;
    let (source, destination) = between_ends(call)?;
    let wanted = key::parse(call.path("properties")).ok_or(Error::NoSuchObject)?;
    let view = call.api.view().await;
    let mut between = those_between(&view, virtual_host, &source, &destination).into_iter();
    let found = between.find(|it| wanted.is_of(&it.routing_key, &it.arguments));
    found.ok_or(Error::NoSuchObject)
}

pub(crate) async fn get(call: Call) -> Answer {
    one(&call, &BindingEntry(found(&call).await?).object())
}

pub(crate) async fn delete(call: Call) -> Answer {
    let binding = found(&call).await?;
    let virtual_host = call.virtual_host()?.to_owned();
    let unbind = Request::Unbind {
        source: binding.source.to_string(),
        destination: binding.destination(),
        routing_key: binding.routing_key.to_string(),
        arguments: binding.arguments.clone(),
        no_wait: false,
    };
    request(&call, &virtual_host, unbind).await?;
    answer::done()
}
